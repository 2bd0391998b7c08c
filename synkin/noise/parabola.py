"""The parabola of variance against mean, and its errors by drawing at random.

variance = background + slope * mean - curvature * mean^2
"""

from typing import NamedTuple

import numpy as np

# A weight follows from the variance that the parabola gives, but from no less than this fraction of the largest one:
# near an open probability of 1 the parabola comes down to nothing, where a small error would outweigh all else.
_FLOOR = 0.1
# The weights and the parabola are found in turns. They agree to 1e-6 after a few.
_TURNS = 15
# Neighbouring differences of successive sweeps share a sweep. Of normal sweeps, with any covariance of the samples,
# the squares of two neighbours have a quarter of their variance as covariance, so that an average of n squares has
# 1.5 times the variance of one of n independent squares.
SHARED = 1.5
# So many rows are drawn at once, to bound the memory.
_DRAWN = 1_000_000


class Parabola(NamedTuple):
    """Slope and curvature: numbers, or (B,) of several."""

    slope: np.ndarray  # of the variance against the mean, where the mean is small
    curvature: np.ndarray  # by which mean^2 is multiplied; positive where the variance bends down

    def at(self, mean: np.ndarray) -> np.ndarray:
        """The variance above the background, of one parabola, at several means."""
        return self.slope * mean - self.curvature * mean**2


def fit(mean: np.ndarray, variance: np.ndarray, background: np.ndarray, counts: np.ndarray | float = 1.0) -> Parabola:
    """The parabolas that fit best.

    Args:
        mean: (..., K) of each of K points.
        variance: (..., K), with the background.
        background: (...) the variance where nothing is open.
        counts: (K,) how many values each variance was estimated from, relative to each other.

    The variance of a variance v, estimated from n values, is about 2 v^2 / n, so that a point counts n / v^2. If v
    were the measured variance, points that are too low by chance would count more, and the parabola would be too low.
    Here v is that of the parabola itself.
    """
    above = variance - background[..., None]
    square = (mean**2).sum(axis=-1, keepdims=True)
    expected = background[..., None] + mean * (above * mean).sum(axis=-1, keepdims=True) / square
    for _ in range(_TURNS):
        largest = np.abs(expected).max(axis=-1, keepdims=True)
        weight = counts / np.maximum(expected, _FLOOR * largest) ** 2
        two, three, four = ((weight * mean**power).sum(axis=-1) for power in (2, 3, 4))
        one_y, two_y = ((weight * mean**power * above).sum(axis=-1) for power in (1, 2))
        determinant = two * four - three**2
        slope = (one_y * four - two_y * three) / determinant
        curvature = (one_y * three - two_y * two) / determinant
        expected = background[..., None] + slope[..., None] * mean - curvature[..., None] * mean**2
    return Parabola(slope, curvature)


def draw(rng: np.random.Generator, values: np.ndarray, draws: int, *, shared: bool = False) -> np.ndarray:
    """Averages of n rows drawn at random from n, as often as wanted, (draws, C).

    Args:
        rng: the generator.
        values: (n, C).
        draws: how many averages.
        shared: whether neighbouring rows share a sweep.

    A draw of n out of n scatters less than new data would, by (n - 1) / n in its variance: the distance from the
    average of all is made larger by that, and by what neighbours share.
    """
    n = len(values)
    middle = values.mean(axis=0)
    wider = np.sqrt(n / (n - 1) * (SHARED if shared else 1.0))
    at_once = max(1, _DRAWN // n)
    blocks = [_averages(rng, values, min(at_once, draws - first)) for first in range(0, draws, at_once)]
    return middle + wider * (np.concatenate(blocks) - middle)


def _averages(rng: np.random.Generator, values: np.ndarray, draws: int) -> np.ndarray:
    """Averages of n rows drawn from n, (draws, C)."""
    n = len(values)
    chosen = rng.integers(n, size=(draws, n)) + n * np.arange(draws)[:, None]
    counts = np.bincount(chosen.ravel(), minlength=draws * n).reshape(draws, n)
    averages: np.ndarray = counts @ values / n
    return averages


def deviation(draws: np.ndarray) -> np.ndarray:
    """The standard error: the standard deviation of the draws, along their first axis."""
    found: np.ndarray = draws.std(axis=0, ddof=1)
    return found


def quantile95(freedom: int) -> float:
    """How many standard errors an interval of 95 % reaches to each side: by Student's t."""
    from scipy.stats import t  # here, because it takes long to import

    return float(t.ppf(0.975, freedom))


def interval_of_size(value: float, error: float, reach: float) -> tuple[float, float]:
    """The interval of a quantity that cannot change its sign, such as a current: even on a logarithmic scale.

    What is estimated from variances scatters in proportion to itself.
    """
    factor = np.exp(reach * error / abs(value))
    low, high = sorted((value / factor, value * factor))
    return float(low), float(high)


def interval_of_inverse(curvature: float, error: float, reach: float, factor: float = 1.0) -> tuple[float, float]:
    """The interval of ``factor`` / curvature. It has no upper end where the curvature may be 0."""
    low, high = curvature - reach * error, curvature + reach * error
    return (factor / high if high > 0 else np.inf), (factor / low if low > 0 else np.inf)
