"""A scan for the onset, which a descent cannot find.

The sum of squares, as a function of the onset, has a break wherever a spike crosses a sample: a jump if the kernel
jumps at a spike, as expon does, and else a kink. Between two breaks a kernel that jumps gives the same curve at all
onsets, but for the scale, so that a descent stays between the breaks where it starts. Therefore the scan tries one
onset between each two breaks: first a coarse grid over the whole range, then finer grids around the best onset, until
no break is skipped. If g takes several samples to rise, a descent can cross breaks, and needs only a start that is near
enough.
"""

import itertools

import numpy as np

from synkin.fitting.model import response, sums_of_squares
from synkin.fitting.problem import Problem

# The number of onsets in a grid.
_GRID = 16
# The onset is sought within this many widths of the response, and within this many ms at least.
_WIDTHS, _SHORTEST = 2.0, 6.0
# The number of grids if g rises slowly enough for a descent.
_ROUNDS = 3
# The best onset is taken to lie within this many grid intervals of the best one of a grid.
_NEAR = 1.5
# An onset is better if it lowers the sum of squares by more than this fraction.
_SAME = 1e-6
# A response is steep if it changes by more than this fraction of its height from a sample to the next.
_STEEP = 0.3


def search_range(problem: Problem, point: np.ndarray) -> float:
    """The distance from 0 within which the onset is sought, in ms, given the parameters of ``point``."""
    g = np.abs(_conductance(problem, point)[0])
    spikes = np.isfinite(np.atleast_2d(problem.spike_times)[0]).sum()
    area = np.trapezoid(g, problem.times_of(0)) / spikes
    widths = _WIDTHS * area / g.max() if np.isfinite(area) and g.max() > 0 else 0.0
    return max(widths, _SHORTEST)


def is_steep(problem: Problem, point: np.ndarray) -> bool:
    """Whether g at ``point`` rises too fast for a descent to find the onset."""
    g = _conductance(problem, point)
    return bool(np.abs(np.diff(g)).max(initial=0.0) > _STEEP * np.abs(g).max())


def scan(problem: Problem, point: np.ndarray, distance: float) -> np.ndarray:
    """``point`` with the best onset that is found for each recording.

    Args:
        problem: the problem; its onset is free.
        point: (N,), see `Problem`: its parameters are held; scale and offset, if they are free, are the best for each
            onset.
        distance: how far from 0, or from the bound nearest to 0, the onset is sought, in ms.

    Returns:
        (N,); scale and offset are those of ``point``. It is ``point`` itself if no onset is better.
    """
    columns = problem.columns_of("onset")
    lower, upper = problem.lower[columns], problem.upper[columns]
    start = best = np.clip(point[columns], lower, upper)
    centre = np.clip(0.0, lower, upper)
    low = np.maximum(lower, np.minimum(centre - distance, best))
    high = np.minimum(upper, np.maximum(centre + distance, best))
    steep, is_shared = is_steep(problem, point), "onset" in problem.shared
    rounding = _SAME**2 * problem.present.sum() * np.var(problem.trace[problem.present])
    # If g rises slowly, a few grids are enough, and a descent does the rest. Without grids it would start from far away
    # and change the parameters on its way.
    rounds = itertools.count() if steep else range(_ROUNDS)
    for _ in rounds:
        rows = range(1 if is_shared else len(low))
        grids = [_candidates(problem, r, low[r], high[r]) for r in rows] * (len(low) if is_shared else 1)
        tried = np.column_stack([best, [onsets for onsets, _ in grids]])
        tried = np.clip(tried, lower[:, None], upper[:, None])
        sums = sums_of_squares(problem, problem.parameters_of(point), tried)
        sums = np.where(np.isfinite(sums), sums, np.inf)
        if is_shared:  # one onset for all recordings: their sums count together
            sums = np.broadcast_to(sums.sum(axis=0), sums.shape)
        sums = np.maximum(sums, rounding)
        steps = np.array([step for _, step in grids])
        # Onsets between two breaks are equally good. The one in the middle is taken.
        better = sums[:, 1:].min(axis=1) < sums[:, 0] * np.where(steps == 0, 1 + _SAME, 1 - _SAME)
        best = np.where(better, tried[np.arange(len(tried)), 1 + sums[:, 1:].argmin(axis=1)], best)
        if not steps.any():
            break
        low, high = np.maximum(low, best - _NEAR * steps), np.minimum(high, best + _NEAR * steps)
    if (best == start).all():
        return point
    moved = point.copy()
    moved[columns] = best
    return moved


def _conductance(problem: Problem, point: np.ndarray) -> np.ndarray:
    return response(problem, problem.parameters_of(point), problem.split(point)["onset"])[0]


def _candidates(problem: Problem, r: int, low: float, high: float) -> tuple[np.ndarray, float]:
    """Onsets to try for recording ``r`` from ``low`` to ``high``: one between each two breaks if these are few enough.

    Returns:
        (_GRID,) ms, and the distance between them if they may skip breaks, else 0.
    """
    spikes = problem.spike_times if problem.spike_times.ndim == 1 else problem.spike_times[r]
    spikes, times = spikes[np.isfinite(spikes)], problem.times_of(r)
    first, last = (np.searchsorted(times, spikes + end) for end in (low, high))
    if (last - first).sum() >= _GRID:
        onsets, step = np.linspace(low, high, _GRID, retstep=True)
        # A grid that is as fine as rounding errors is the last one.
        return onsets, float(step) if step > 1e-9 * max(abs(low), abs(high)) else 0.0
    inside = [times[i:j] - spike for i, j, spike in zip(first, last, spikes, strict=True)]
    # The first and the last interval reach beyond ``low`` and ``high``: their middles are those of whole intervals.
    before = (times[i - 1] - spike for i, spike in zip(first, spikes, strict=True) if i)
    after = (times[j] - spike for j, spike in zip(last, spikes, strict=True) if j < len(times))
    edges = np.sort(np.concatenate([[max(before, default=low)], *inside, [min(after, default=high)]]))
    middles = (edges[1:] + edges[:-1]) / 2
    # Spikes that are whole numbers of samples apart have the same breaks, but for rounding: nothing is between these.
    rounding = 1e-9 * max(abs(low), abs(high)) + 4 * np.spacing(np.abs(times).max())
    apart = np.diff(edges) > rounding
    return np.resize(middles[apart] if apart.any() else middles, _GRID), 0.0
