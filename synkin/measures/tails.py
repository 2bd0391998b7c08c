"""What is left of a response when the next stimulus comes: decays with time constants in common, extrapolated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synkin.measures.autocorrelation import inefficiency
from synkin.measures.decay import BEGINS

# Segments with fewer samples than this are not fitted.
_LEAST = 5
# So many time constants are tried between the shortest and the longest, and again so many times around the best.
_TRIED, _ZOOMS = 24, 4
# Two exponentials are taken if the probability that chance makes them fit so much better is below this.
_CHANCE = 1e-3


class Tails:
    """The decays after each of K stimuli, as sums of one or two exponentials with the same time constants for all.

    A sum of such decays is one, so that a decay may hold what is left of all responses before.
    """

    def __init__(
        self, times: np.ndarray, mean: np.ndarray, spikes: np.ndarray, peaks: Sequence[int], sign: int
    ) -> None:
        """Fit the time constants.

        Args:
            times: (M,) ms.
            mean: (M,) of the sweeps, without their baselines; NaN where there is none.
            spikes: (K,) ms.
            peaks: (K,) the sample of the peak after each, before a tail is taken off.
            sign: the direction.
        """
        self.times = times
        ends = [*np.searchsorted(times, spikes[1:]), len(times)]
        self.segments: list[slice | None] = []
        for peak, end in zip(peaks, ends, strict=True):
            below = np.flatnonzero(sign * mean[peak:end] < BEGINS * sign * mean[peak])
            first = peak + int(below[0]) if below.size else end
            enough = np.isfinite(mean[first:end]).sum() >= _LEAST
            self.segments.append(slice(first, end) if enough else None)
        self.taus = self._fitted(mean)

    def unknown(self, stimulus: int) -> bool:
        """Whether the response to a stimulus has no decay before the next that tells what is left of it."""
        return self.segments[stimulus] is None or not self.taus.size

    def after(self, stimulus: int, rows: np.ndarray, times: np.ndarray) -> np.ndarray:
        """What is left of the response to a stimulus in each of R rows, (R, T), at later times; 0 where it is unknown.

        Args:
            stimulus: its number.
            rows: (R, M), without their baselines.
            times: (T,) ms.
        """
        segment = self.segments[stimulus]
        if segment is None or self.unknown(stimulus):
            return np.zeros((len(rows), len(times)))
        columns = self._columns(segment)
        sizes = np.full((len(rows), self.taus.size), np.nan)  # of a row without samples there nothing is known
        whole = np.isfinite(rows[:, segment]).all(axis=1)
        if whole.any():
            sizes[whole] = np.linalg.lstsq(columns, rows[whole, segment].T, rcond=None)[0].T
        for i in np.flatnonzero(~whole):
            kept = np.isfinite(rows[i, segment])
            if kept.sum() > self.taus.size:
                sizes[i] = np.linalg.lstsq(columns[kept], rows[i, segment][kept], rcond=None)[0]
        left: np.ndarray = sizes @ np.exp(-(times[:, None] - self.times[segment.start]) / self.taus).T
        return left

    def _columns(self, segment: slice) -> np.ndarray:
        return np.exp(-(self.times[segment, None] - self.times[segment.start]) / self.taus)

    def _fitted(self, mean: np.ndarray) -> np.ndarray:
        """One time constant or two, (n,) ms; none where there is no decay."""
        from scipy.special import fdtrc  # its import takes longer than that of synkin

        parts = []
        for segment in self.segments:
            if segment is not None:
                kept = np.isfinite(mean[segment])
                parts.append((self.times[segment][kept] - self.times[segment.start], mean[segment][kept]))
        if not parts:
            return np.empty(0)
        interval = float(np.median(np.diff(self.times)))
        span = max(float(x[-1]) for x, _ in parts)
        grid = np.geomspace(interval, 10 * span, _TRIED)
        one, left_one = _best(parts, grid, 1)
        two, left_two = _best(parts, grid, 2)
        total = sum(len(x) for x, _ in parts)
        squares = [sum(float(each @ each) for each in left) for left in (left_one, left_two)]
        more = 1 + len(parts)
        freedom = total / inefficiency(np.concatenate(left_two)) - 2 - 2 * len(parts)
        rounding = 1e-12 * sum(float(y @ y) for _, y in parts)
        if freedom < 1 or squares[0] <= rounding:
            return one
        gain = (squares[0] - squares[1]) / more * freedom / max(squares[1], 1e-300)
        return two if fdtrc(more, freedom, max(gain, 0.0)) < _CHANCE else one


def _best(
    parts: list[tuple[np.ndarray, np.ndarray]], grid: np.ndarray, number: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The best of a grid of time constants, or of pairs of them, which is refined around it; and what they leave."""
    best: tuple[float, np.ndarray, list[np.ndarray]] = (np.inf, grid[:number], [y for _, y in parts])
    axes = [grid] * number
    for _ in range(_ZOOMS):
        for taus in _choices(axes):
            left = [_residual(x, y, taus) for x, y in parts]
            squares = sum(float(each @ each) for each in left)
            if squares < best[0]:
                best = squares, taus, left
        ratio = float(axes[0][1] / axes[0][0])
        axes = [tau * np.geomspace(1 / ratio, ratio, 9 if number == 1 else 7) for tau in best[1]]
    return best[1], best[2]


def _choices(axes: list[np.ndarray]) -> list[np.ndarray]:
    if len(axes) == 1:
        return [axes[0][i : i + 1] for i in range(len(axes[0]))]
    return [np.array([a, b]) for a in axes[0] for b in axes[1] if a < 0.8 * b]


def _residual(x: np.ndarray, y: np.ndarray, taus: np.ndarray) -> np.ndarray:
    columns = np.exp(-x[:, None] / taus)
    gram = columns.T @ columns
    gram[np.diag_indices(len(taus))] *= 1 + 1e-12
    left: np.ndarray = y - columns @ np.linalg.solve(gram, columns.T @ y)
    return left
