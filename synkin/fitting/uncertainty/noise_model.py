"""What the residuals tell of the noise: how neighbours are correlated, and whether it grows with the response.

Noise that grows with the response, as that of channels does, is told from a response of another shape by differences:
the distance of a sample from the line between two near ones hardly contains a misfit, which is smooth.
"""

from typing import NamedTuple

import numpy as np

from synkin.fitting.model import Curve
from synkin.fitting.problem import Problem
from synkin.fitting.search.objective import robust_deviation
from synkin.fitting.uncertainty.autocorrelation import autocorrelation, inefficiency, inefficiency_of_squares

# The response is over where the curve is nearer to rest than this fraction of its height.
_FLAT = 0.02
# The noise depends on the response if the rank correlation is this many times its standard error, and if the noise at
# the peak and at rest differ by this factor at least.
_CLEARLY, _GROWTH = 4.0, 1.3
# The noise at rest, or at the peak, is at least this fraction of the other.
_LEAST = 0.02
# The fewest samples that tell of it, and the fraction of them that are on the line if the converter's steps hide it.
_FEWEST, _STEPS = 30, 0.1
# The correlation of distances from the line below which they are noise: it is -2/3 if that is white. Those that are
# larger than this many standard deviations count as so large.
_OPPOSITE, _OUTLIER = -0.2, 4.0


class Noise(NamedTuple):
    """The noise of R recordings of M samples."""

    correlation: np.ndarray  # (K,) of the residuals at lags of 1, 2, ... samples
    inefficiency: float  # how many neighbouring samples count as one
    level: np.ndarray  # (R, M) its standard deviation over the average one, all 1 if it does not depend on the response
    growth: float  # its standard deviation at the peak over that at rest


def noise_of(problem: Problem, curve: Curve, residuals: np.ndarray) -> Noise:
    """The noise that ``residuals`` show, (R, M) over each sample's error and 0 where they do not count."""
    present, free = problem.present & (residuals != 0), len(problem.lower)
    if not present.any():
        return Noise(np.zeros(0), 1.0, np.ones(residuals.shape), 1.0)
    level, growth = _level(problem, response_height(curve), residuals, present)
    rho = autocorrelation(residuals / level, problem.present, free)
    return Noise(rho, inefficiency(rho, problem.present, free), level, growth)


def response_height(curve: Curve) -> np.ndarray:
    """The distance of the curve from rest over the largest one of all recordings, (R, M) from 0 to 1."""
    rest = np.take_along_axis(curve.g, np.abs(curve.g).argmin(axis=1)[:, None], axis=1)
    sizes, whole = np.ptp(curve.value, axis=1, keepdims=True), np.ptp(curve.g, axis=1, keepdims=True)
    height = np.abs(curve.g - rest) * np.divide(sizes, whole, out=np.zeros_like(whole), where=whole > 0)
    return height / height.max() if height.max() > 0 else height


def is_flat(height: np.ndarray) -> np.ndarray:
    """Where there is no response: (R, M) bool."""
    return height < _FLAT


def off_the_line(times: np.ndarray, residuals: np.ndarray, d: int) -> np.ndarray:
    """The distance of samples from the line between the two that are ``d`` away, (R, M - 2 d).

    That of white noise has the noise's own standard deviation.
    """
    before, at, after = (slice(None, -2 * d), slice(d, -d), slice(2 * d, None))
    weight = (times[..., at] - times[..., before]) / (times[..., after] - times[..., before])
    line = weight * residuals[:, after] + (1 - weight) * residuals[:, before]
    return (residuals[:, at] - line) / np.sqrt(1 + weight**2 + (1 - weight) ** 2)


def _level(
    problem: Problem, height: np.ndarray, residuals: np.ndarray, present: np.ndarray
) -> tuple[np.ndarray, float]:
    """The noise's standard deviation, (R, M) over the average one, and that at the peak over that at rest."""
    off, d = _rough(problem, np.where(present, residuals, np.nan))
    known = np.isfinite(off)
    if known.sum() < _FEWEST or np.mean(off[known] == 0) > _STEPS:
        return np.ones(residuals.shape), 1.0
    variance = np.broadcast_to(_of_recordings(off), residuals.shape).copy()
    growth = 1.0
    squares, at = (off[known] ** 2 / variance[:, d:-d][known]), height[:, d:-d][known]
    if _depends(squares, at, inefficiency_of_squares(np.where(known, off, 0.0), known)):
        rest, peak = _variances(squares, at)
        if not 1 / _GROWTH < np.sqrt(peak / rest) < _GROWTH:
            growth = float(np.sqrt(peak / rest))
            variance *= rest + (peak - rest) * height
    return np.sqrt(variance / variance[present].mean()), growth


def _rough(problem: Problem, residuals: np.ndarray) -> tuple[np.ndarray, int]:
    """The distance from the line at the smallest distance d at which it is noise, and d; nothing if it never is.

    Of noise, the distances of a sample and of one ``d`` later have opposite signs; of a smooth misfit they are alike.
    """
    d = 1
    while d <= max(1, residuals.shape[1] // 32) and 4 * d < residuals.shape[1]:
        off = off_the_line(problem.times, residuals, d)
        # A jump that the curve misses by a sample is no noise.
        largest = _OUTLIER * np.array([[robust_deviation(row[np.isfinite(row)])] for row in off])
        usual = np.clip(off, -largest, largest)
        if np.nansum(usual[:, d:] * usual[:, :-d]) < _OPPOSITE * np.nansum(usual**2):
            return off, d
        d *= 2
    return np.zeros((len(residuals), 0)), 1


def _of_recordings(off: np.ndarray) -> np.ndarray:
    """The variance of each recording's noise, (R, 1) over the average one; 1 unless they clearly differ."""
    known = np.isfinite(off).sum(axis=1)
    variance = np.nansum(off**2, axis=1) / np.maximum(known, 1)
    if len(off) == 1 or known.min() < _FEWEST or not variance.max() > 0:
        return np.ones((len(off), 1))
    variance = np.maximum(variance, _LEAST**2 * variance.max())
    if variance.max() < _GROWTH**2 * variance.min():
        return np.ones((len(off), 1))
    return (variance / variance.mean())[:, None]


def _depends(squares: np.ndarray, height: np.ndarray, alike: float) -> bool:
    """Whether squares of noise depend on the response, by their ranks; so many neighbours count as one."""
    ranks = np.argsort(np.argsort(squares)) / squares.size - 0.5
    spread = height - height.mean()
    if not spread.any():
        return False
    correlation = (ranks * spread).mean() / (ranks.std() * spread.std())
    return bool(np.abs(correlation) * np.sqrt(squares.size / alike) > _CLEARLY)


def _variances(squares: np.ndarray, height: np.ndarray) -> tuple[float, float]:
    """The variance at rest and at the peak, between which it grows as the height does."""
    from scipy.optimize import nnls  # here, because it takes long to import

    basis = np.column_stack([1 - height, height])
    found = np.full(2, squares.mean())
    for _ in range(5):  # the scatter of squares is their mean: those that are small count for more
        root = 1 / (basis @ found)
        found = nnls(basis * root[:, None], squares * root)[0]
        found = np.maximum(found, _LEAST**2 * found.max())
    return float(found[0]), float(found[1])
