"""What was known of the fitted quantities before the recording: a distribution for each."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_float64

_KINDS = ("normal", "lognormal")


class Prior(NamedTuple):
    """The distribution of one quantity."""

    name: str
    kind: str  # "normal", or "lognormal": its logarithm is normal
    centre: float  # the mean, or the median of "lognormal", in the unit of the quantity
    width: float  # the standard deviation, or that of the logarithm

    def deviation(self, coordinate: Any, is_logarithm: bool, xp: Any = np) -> tuple[Any, Any]:
        """How many widths a coordinate is from the centre, and the derivative of that; the normal log density is
        minus half of its square."""
        if self.kind == "lognormal":
            slope = xp.ones_like(coordinate) / self.width
            return (coordinate - np.log(self.centre)) / self.width, slope
        value = xp.exp(coordinate) if is_logarithm else coordinate
        return (value - self.centre) / self.width, (value if is_logarithm else xp.ones_like(coordinate)) / self.width


def as_priors(
    given: Mapping[str, Sequence[Any]] | None, names: Sequence[str], positive: Mapping[str, bool]
) -> tuple[Prior, ...]:
    """The priors that the argument ``prior`` of a fit asks for.

    Args:
        given: the argument.
        names: of what is free.
        positive: for each of them, whether it is positive and fitted on a logarithmic scale.

    Raises:
        TypeError, ValueError: anything but a kind and two numbers for names of what is free.
    """
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise TypeError(
            f"Argument `prior` must be a dict from what is free to a distribution, but is {describe(given)}."
        )
    priors = []
    for name, said in given.items():
        if name not in names:
            raise ValueError(f"Argument `prior` must name what is free ({', '.join(names)}), but has {name!r}.")
        if not isinstance(said, tuple | list) or len(said) != 3 or said[0] not in _KINDS:
            raise ValueError(
                f"Argument `prior` must have ('normal', mean, deviation) or ('lognormal', median, deviation of the "
                f"logarithm) for `{name}`, but has {said!r:.60}."
            )
        kind, (centre, width) = said[0], (float(as_float64("prior", number)) for number in said[1:])
        if not (np.isfinite(centre) and np.isfinite(width) and width > 0):
            raise ValueError(
                f"Argument `prior` must have a finite centre and a width above 0 for `{name}`, but has {said!r:.60}."
            )
        if kind == "lognormal" and not positive.get(name, False):
            raise ValueError(
                f"Argument `prior` must be 'normal' for `{name}`, which may be negative, but is 'lognormal'."
            )
        if kind == "lognormal" and centre <= 0:
            raise ValueError(f"Argument `prior` must have a median above 0 for `{name}`, but has {centre}.")
        priors.append(Prior(name, kind, centre, width))
    return tuple(priors)
