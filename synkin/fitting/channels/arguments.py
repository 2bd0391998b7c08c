"""What `synkin.fit` is given with ``channels``, checked."""

from collections.abc import Mapping

import numpy as np

from synkin.arguments.choices import check_kernel
from synkin.arguments.numbers import check_number
from synkin.recordings.recording import Recording
from synkin.solving.channels.population import check_population
from synkin.solving.kernel_protocol import Kernel

# Why an argument is refused.
_SAME = "as all sweeps are of the same channels"
_WHY = {
    "own": _SAME,
    "temperature": _SAME,
    "weights": "which takes only weights that are numbers",
    "release": "as the release varies at random, too",
    "filter": "as filtered noise is not independent from sample to sample",
    "sigma": "as the noise is fitted",
    "prior": "which takes no prior",
    "loss": "which takes no other loss",
}


def as_channels(value: object) -> float | bool:
    """``value`` as True, a number of channels that is fitted; a number at which it is held; or False for none.

    Raises:
        TypeError, ValueError: something else.
    """
    if value is None or isinstance(value, bool | np.bool_):
        return bool(value)
    expected = "True, False or a positive number of channels"
    return float(check_number("channels", value, lambda v: bool(np.isfinite(v) and v > 0), expected))


def check_one_by_one(times: object) -> None:
    """Raise ValueError if the samples are a `Recording` of an average."""
    if isinstance(times, Recording) and times.averaged:
        raise ValueError(
            f"Argument `times` must hold single sweeps with `channels`, but is the mean of "
            f"{times.averaged} sweeps, which has less noise: read it without average."
        )


def check_options(kernel: Kernel, given: Mapping[str, bool]) -> None:
    """Check that a fit of channels can take a kernel and options.

    Args:
        kernel: what is fitted.
        given: for the options that such a fit does not take, whether they are given.

    Raises:
        TypeError, ValueError: it cannot.
    """
    check_kernel(kernel)
    check_population(kernel)
    for name, is_given in given.items():
        if is_given:
            raise ValueError(f"Argument `{name}` must be left out with `channels`, {_WHY[name]}, but is given.")
