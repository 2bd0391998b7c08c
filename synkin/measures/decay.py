"""The decay of a response: one exponential or two, to the baseline or to a level of its own, by least squares.

Samples are joined in bins that grow with the time since the decay began, so that a decay of any length costs the same.
The mean of an exponential in a bin is exact to the second order in the bin's width over the time constant, which is at
most 1/60 of the time since the beginning over the time constant: to less than 1e-10 of the peak.
"""

from __future__ import annotations

from math import inf, log, nan
from typing import NamedTuple

import numpy as np

from synkin.measures.autocorrelation import inefficiency

# The fit begins at the first sample below this fraction of the peak, after the round top.
BEGINS = 0.9
# A time constant is reported if it is at least this many sample intervals, and at most this many times the length of
# what is fitted.
_SHORTEST, _LONGEST = 0.5, 10.0
# The number of time constants that are tried, and of bins for each e-fold of time.
_TRIED, _BINS = 40, 60
# Two exponentials are reported if the probability that chance alone makes them fit so much better is below this, and if
# one is wrong by more than this fraction of the peak, which is more than the rounding of float32.
# What a fit leaves of a trace without noise, as a fraction of the peak, is below the last number.
_CHANCE, _ROUNDING, _EXACT = 0.001 / _TRIED, 1e-6, 1e-9
# A level counts if the probability that chance alone makes it fit so much better is below this, and if it is at most
# this fraction of the peak.
_LEVEL_CHANCE, _LARGEST_LEVEL = 0.05, 0.5
# A fit ends when a step lowers the sum of squares by less than this fraction, when one that does not lower it changes
# no parameter by more than this, at this damping, or after so many steps.
_DONE, _STILL, _STIFF, _STEPS = 1e-10, 1e-9, 1e8, 60


class Decay(NamedTuple):
    """What the decay of a response is, with the height as a fraction of the peak."""

    tau: float = nan
    tau_to_baseline: float = nan
    tau_to_level: float = nan
    level: float = nan
    decay_r2: float = nan
    tau_fast: float = nan
    tau_slow: float = nan
    fraction_fast: float = nan
    tau_weighted: float = nan


class _Fitted(NamedTuple):
    """A fitted sum of exponentials."""

    amplitudes: np.ndarray  # (n,), at the first fitted sample
    taus: np.ndarray  # (n,) ms, increasing
    level: float
    residuals: np.ndarray  # (M,)

    @property
    def squares(self) -> float:
        return float(self.residuals @ self.residuals)


class _Bins(NamedTuple):
    """Samples joined in bins."""

    times: np.ndarray  # (B,) their means, from the first sample
    spread: np.ndarray  # (B,) the variance of the times within each
    values: np.ndarray  # (B,)
    weights: np.ndarray  # (B,) the roots of how many samples there are

    def exponentials(self, taus: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean of each exponential in each bin, (B, n), and its derivative by the logarithm of tau; weighted."""
        ratio, spread = self.times[:, None] / taus, self.spread[:, None] / taus**2
        decay = np.exp(-ratio) * self.weights[:, None]
        return decay * (1 + spread / 2), decay * (ratio * (1 + spread / 2) - spread)


def decay_of(t: np.ndarray, y: np.ndarray) -> Decay:
    """The decay of a height ``y``, (M,), at the times ``t`` since its peak of 1."""
    if len(t) < 3:
        return Decay()
    x = t - t[0]
    shortest, longest = _SHORTEST * float(np.median(np.diff(x))), _LONGEST * float(x[-1])
    bins = _binned(x, y)
    tried = np.geomspace(shortest, longest, _TRIED)
    columns, _ = bins.exponentials(tried)
    values = bins.values * bins.weights
    limits = (float(t[0]), shortest, longest)
    one = _refined(bins, x, y, tried[[_best_one(columns, values)]])
    level_columns = _without_mean(np.column_stack([columns, values]), bins.weights)
    one_level = _refined(bins, x, y, tried[[_best_one(level_columns[:, :-1], level_columns[:, -1])]], level=True)
    to_baseline, to_level = _determined(one, limits), _determined(one_level, limits)
    if to_level is not None and abs(one_level.level) > _LARGEST_LEVEL:
        to_level = None
    two, of_two = None, None
    exact = to_baseline is not None and np.abs(one.residuals).max() < _ROUNDING
    if not exact and len(t) >= 6:
        two, of_two = _two(bins, columns, values, tried, x, y, one_level, limits)
    correlation = inefficiency((two or (one_level if to_level is not None else one)).residuals)
    has_level = to_level is not None and not exact and _level_counts(one, one_level, 3, len(t), correlation)
    if two is not None and two.level == 0.0:  # what looks like a level is the slow one of two
        has_level = False
    single, fit = (to_level, one_level) if has_level else (to_baseline, one)
    tau = nan if single is None else float(single[1][0])
    found = Decay(
        tau=tau,
        tau_to_baseline=nan if to_baseline is None else float(to_baseline[1][0]),
        tau_to_level=nan if to_level is None else float(to_level[1][0]),
        level=nan if to_level is None else one_level.level,
        tau_weighted=tau,
        decay_r2=nan if single is None else _explained(fit, y),
    )
    if two is None or of_two is None or not (to_baseline or to_level):
        return found
    amplitudes, taus = of_two
    weights = amplitudes / amplitudes.sum()
    return found._replace(
        tau_fast=float(taus[0]),
        tau_slow=float(taus[1]),
        fraction_fast=float(weights[0]),
        tau_weighted=float(weights @ taus),
        decay_r2=_explained(two, y),
    )


def _two(
    bins: _Bins,
    columns: np.ndarray,
    values: np.ndarray,
    tried: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    one_level: _Fitted,
    limits: tuple[float, float, float],
) -> tuple[_Fitted, tuple[np.ndarray, np.ndarray]] | tuple[None, None]:
    """Two exponentials, to the baseline or to a level, with their amplitudes and time constants; if they are better."""
    start = _best_two(columns, values, tried)
    if start is None:
        return None, None
    plain = _refined(bins, x, y, start)
    # A very slow decay may be a small error of the baseline: the test is against one exponential with a level.
    if not _better(one_level, plain, len(x)):
        return None, None
    with_level = _refined(bins, x, y, plain.taus, level=True)
    of_plain, of_level = _determined(plain, limits), _determined(with_level, limits)
    if of_level is not None and abs(with_level.level) > _LARGEST_LEVEL:
        of_level = None
    best, of_best = plain, of_plain
    correlation = inefficiency((with_level if of_level is not None else plain).residuals)
    if of_level is not None and (of_plain is None or _level_counts(plain, with_level, 5, len(x), correlation)):
        best, of_best = with_level, of_level
    if of_best is None or not _better(one_level, best, len(x) / correlation):
        return None, None
    return best, of_best


def _binned(x: np.ndarray, y: np.ndarray) -> _Bins:
    """Each of the first samples is a bin by itself; later ones are joined."""
    interval = float(np.median(np.diff(x)))
    place = x / interval
    place = np.where(place < _BINS, place, _BINS * (1 + np.log(np.maximum(place, 1.0) / _BINS)))
    starts = np.flatnonzero(np.diff(np.floor(place + 1e-6), prepend=-1.0))
    counts = np.diff(starts, append=len(x))
    times = np.add.reduceat(x, starts) / counts
    away = x - np.repeat(times, counts)
    spread = np.add.reduceat(away**2, starts) / counts
    return _Bins(times, spread, np.add.reduceat(y, starts) / counts, np.sqrt(counts))


def _without_mean(columns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted columns less what a level explains of them."""
    unit = weights / np.sqrt(weights @ weights)
    left: np.ndarray = columns - unit[:, None] * (unit @ columns)
    return left


def _best_one(columns: np.ndarray, values: np.ndarray) -> int:
    """Which of the tried time constants explains most with a positive amplitude."""
    onto = columns.T @ values
    return int(np.argmax(onto * np.abs(onto) / np.maximum((columns**2).sum(axis=0), 1e-300)))


def _best_two(columns: np.ndarray, values: np.ndarray, tried: np.ndarray) -> np.ndarray | None:
    """Which two of the tried time constants explain most with positive amplitudes; None if there are none."""
    gram, onto = columns.T @ columns, columns.T @ values
    i, j = np.triu_indices(_TRIED, k=2)
    determinant = gram[i, i] * gram[j, j] - gram[i, j] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        a = (gram[j, j] * onto[i] - gram[i, j] * onto[j]) / determinant
        b = (gram[i, i] * onto[j] - gram[i, j] * onto[i]) / determinant
        explained = np.where((a > 0) & (b > 0), a * onto[i] + b * onto[j], -inf)
    best = int(np.argmax(explained))
    return tried[[i[best], j[best]]] if np.isfinite(explained[best]) else None


def _refined(bins: _Bins, x: np.ndarray, y: np.ndarray, taus: np.ndarray, *, level: bool = False) -> _Fitted:
    """The least-squares fit near ``taus``, in their logarithms, by steps of Levenberg and Marquardt."""
    n = len(taus)
    flat = bins.weights[:, None][:, : int(level)]
    target = bins.values * bins.weights

    def at(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, slopes = bins.exponentials(np.exp(p[:n]))
        columns = np.hstack([values, flat])
        return target - columns @ p[n:], np.hstack([slopes * p[n : 2 * n], columns])

    # A step whose values overflow is rejected.
    with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
        columns = np.hstack([bins.exponentials(taus)[0], flat])
        p = np.concatenate([np.log(taus), np.linalg.lstsq(columns, target, rcond=None)[0]])
        left, slopes = at(p)
        squares, damping = float(left @ left), 1e-3
        for _ in range(_STEPS):
            normal = slopes.T @ slopes
            scale = np.sqrt(np.maximum(np.diag(normal), 1e-300))
            normal = normal / np.outer(scale, scale) + damping * np.eye(len(p))
            try:
                step = np.linalg.solve(normal, slopes.T @ left / scale) / scale
            except np.linalg.LinAlgError:
                step = np.full(len(p), nan)
            new_left, new_slopes = at(p + step)
            new_squares = float(new_left @ new_left)
            if new_squares <= squares:
                p, left, slopes = p + step, new_left, new_slopes
                done = squares - new_squares <= _DONE * squares
                squares, damping = new_squares, damping / 10
                if done:
                    break
            else:
                damping = max(10 * damping, 1e-9)
                if damping > _STIFF or np.abs(step).max() < _STILL:
                    break
        order = np.argsort(p[:n])
        taus, amplitudes = np.exp(p[:n][order]), p[n : 2 * n][order]
        curve = np.exp(-x[:, None] / taus) @ amplitudes + (p[-1] if level else 0.0)
    return _Fitted(amplitudes, taus, float(p[-1]) if level else 0.0, y - curve)


def _determined(found: _Fitted, limits: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray] | None:
    """The amplitudes at the time of the peak, and the time constants; None if the trace does not determine them."""
    since_peak, shortest, longest = limits
    taus, amplitudes = found.taus, found.amplitudes
    if not (np.isfinite(taus).all() and np.isfinite(amplitudes).all() and (amplitudes > 0).all()):
        return None
    if taus[0] < shortest or taus[-1] > longest:
        return None
    with np.errstate(over="ignore"):
        amplitudes = amplitudes * np.exp(since_peak / taus)
    return (amplitudes, taus) if np.isfinite(amplitudes).all() else None


def _level_counts(without: _Fitted, level: _Fitted, parameters: int, samples: int, correlation: float) -> bool:
    """Whether a fit with a level is better than one without, by an F test with one more parameter."""
    from scipy.special import fdtrc  # its import takes longer than that of synkin

    freedom = samples / correlation - parameters
    gain = without.squares - level.squares
    if freedom < 1 or not gain > 0 or np.abs(without.residuals).max() < _ROUNDING:
        return False
    return (
        bool(np.abs(level.residuals).max() < _EXACT)
        or float(fdtrc(1, freedom, freedom * gain / level.squares)) < _LEVEL_CHANCE
    )


def _better(single: _Fitted, double: _Fitted, independent: float) -> bool:
    """Whether two exponentials fit better than one, by an F test with 2 more parameters."""
    one, two = single.squares, double.squares
    if not two < one:
        return False
    if np.abs(double.residuals).max() < _EXACT:
        return True
    # Of F with 2 and `freedom` degrees the tail is (two / one) ** (freedom / 2).
    freedom = independent - 4
    return freedom / 2 * log(one / two) > -log(_CHANCE)


def _explained(fit: _Fitted, y: np.ndarray) -> float:
    """The fraction of the variance of the decay that a fit explains."""
    return 1.0 - fit.squares / max(float(((y - y.mean()) ** 2).sum()), 1e-300)
