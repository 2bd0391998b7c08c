"""The names of what is free, checked."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np

from synkin.arguments.messages import describe


def check_free(
    name: str,
    signed: Mapping[str, bool],
    values: Mapping[str, Any],
    free: str | Sequence[str],
    varying: Container[str] = (),
) -> tuple[str, ...]:
    """The names of the free parameters.

    Args:
        name: of what is fitted.
        signed: for each parameter, whether it may be negative.
        values: where each starts, a number or an array of them.
        free: the argument.
        varying: parameters whose values are given.

    Raises:
        TypeError, ValueError: no names of parameters, or one that cannot be fitted.
    """
    listed = ", ".join(signed)
    if not isinstance(free, str | Sequence):
        raise TypeError(
            f"Argument `free` must be a name of {name}'s parameters or a list of them ({listed}), "
            f"but is {describe(free)}."
        )
    free = (free,) if isinstance(free, str) else tuple(free)
    if not free:
        raise ValueError(f"Argument `free` must name at least one parameter of {name} ({listed}), but is empty.")
    for parameter in free:
        if parameter not in signed:
            raise ValueError(f"Argument `free` must name parameters of {name} ({listed}), but has {parameter!r}.")
        if parameter in varying:
            raise ValueError(f"Argument `free` must not name `{parameter}`, which varies: its values are given.")
        lowest = np.min(values[parameter])
        if not signed[parameter] and lowest <= 0:
            raise ValueError(f"Parameter `{parameter}` must be positive to be fitted, but starts at {lowest}.")
    if len(set(free)) < len(free):
        raise ValueError(f"Argument `free` must name each parameter once, but is {', '.join(free)}.")
    return free
