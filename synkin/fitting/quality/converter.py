"""What the converter did to a recording: steps that are larger than the noise, and a ceiling."""

from typing import NamedTuple

import numpy as np

# Values that are nearer than this fraction of the range are the same value with a rounding error.
_ROUNDING = 1e-6
# A recording is clipped if at least so many samples have its extreme value, and this many times as many as have the
# next values, or values in general, where the curve is above this fraction of its height.
_SAMPLES, _NEXT, _USUAL, _HEIGHT = 5, 3, 4, 0.3


class Ceiling(NamedTuple):
    """Samples that are exactly at the extreme of a recording."""

    samples: int
    value: float
    which: str  # "lowest" or "highest"


def step_of(values: np.ndarray) -> float:
    """The step of the converter: the smallest distance between values, however often each comes."""
    gaps = np.diff(np.unique(values))
    gaps = gaps[gaps > _ROUNDING * np.ptp(values)]
    return float(gaps.min()) if gaps.size else 0.0


def ceiling_of(values: np.ndarray, residuals: np.ndarray, height: np.ndarray) -> Ceiling | None:
    """Whether one recording is clipped.

    Args:
        values: (M,) samples.
        residuals: (M,) what the curve leaves of them.
        height: (M,) the curve's, from 0 to 1.
    """
    levels, counts = np.unique(values, return_counts=True)
    if len(levels) < 3:
        return None
    step = step_of(values)
    for end, after, which in ((0, 1, "lowest"), (-1, -2, "highest")):
        at = values == levels[end]
        # A peak that is flatter than the steps has equal samples too, but the curve follows it.
        follows = np.sqrt(np.mean(residuals[at] ** 2)) <= step
        if counts[end] < _SAMPLES or follows or height[at].mean() < _HEIGHT:
            continue
        usual = np.median(np.unique(values[(height > _HEIGHT) & ~at], return_counts=True)[1])
        if counts[end] >= max(_NEXT * counts[after], _USUAL * np.nan_to_num(usual)):
            return Ceiling(int(counts[end]), float(levels[end]), which)
    return None
