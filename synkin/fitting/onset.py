"""The onset, looked for by trying: what a descent cannot find.

As a function of onset the sum of squares breaks wherever a spike crosses a sample: it jumps there if the kernel does,
as expon, and has a kink if the kernel has. Between two breaks a kernel that jumps says nothing, an earlier onset being
only a larger scale, so that a descent stays between those it starts from. Hence one onset between each two breaks is
tried: first far apart over all that is in reach, then closer around the best, until no break is skipped. Where g takes
several samples to rise a descent crosses the breaks, and needs but a start that is not too far off.
"""

import itertools

import numpy as np

from synkin.fitting.model import response, squares
from synkin.fitting.problem import Problem

# How many onsets are tried at once.
_AT_ONCE = 16
# The onset is looked for within so many widths of the response, and this many ms at the least.
_WIDTHS, _SHORTEST = 2.0, 6.0
# So often closer, where g does not rise too fast for a descent.
_ROUNDS = 3
# Of those tried far apart, the best is within this many of their distances.
_NEAR = 1.5
# An onset is better if the sum of squares is lower by more than this part.
_SAME = 1e-6
# A response that changes by more than this part of its height from a sample to the next is steep.
_STEEP = 0.3


def reach(problem: Problem, point: np.ndarray) -> float:
    """How far from 0 the onset is looked for, in ms, the parameters being those of ``point``."""
    g = np.abs(_g(problem, point)[0])
    spikes = np.isfinite(np.atleast_2d(problem.spike_times)[0]).sum()
    area = np.trapezoid(g, problem.times_of(0)) / spikes
    widths = _WIDTHS * area / g.max() if np.isfinite(area) and g.max() > 0 else 0.0
    return max(widths, _SHORTEST)


def is_steep(problem: Problem, point: np.ndarray) -> bool:
    """Whether g at ``point`` rises too fast for a descent to find the onset."""
    g = _g(problem, point)
    return bool(np.abs(np.diff(g)).max(initial=0.0) > _STEEP * np.abs(g).max())


def scan(problem: Problem, point: np.ndarray, distance: float) -> np.ndarray:
    """The point with each recording's onset at the best that is found, if scale and offset follow where they are free.

    Args:
        problem: the problem, onset being free.
        point: (N,), see `Problem`: its parameters are held, and its onset is kept where no other is better.
        distance: how far from 0, or from the bound nearest to it, to look, in ms.

    Returns:
        (N,); scale and offset are as they were. It is ``point`` itself if no onset is better.
    """
    columns = problem.columns_of("onset")
    lower, upper = problem.lower[columns], problem.upper[columns]
    kept = best = np.clip(point[columns], lower, upper)
    centre = np.clip(0.0, lower, upper)
    low = np.maximum(lower, np.minimum(centre - distance, best))
    high = np.minimum(upper, np.maximum(centre + distance, best))
    closer, is_shared = is_steep(problem, point), "onset" in problem.shared
    rounding = _SAME**2 * problem.present.sum() * np.var(problem.trace[problem.present])
    # A descent crosses breaks where g rises slowly, but from far off it changes the parameters on its way.
    rounds = itertools.count() if closer else range(_ROUNDS)
    for _ in rounds:
        rows = range(1 if is_shared else len(low))
        ranges = [_between(problem, r, low[r], high[r]) for r in rows] * (len(low) if is_shared else 1)
        tried = np.column_stack([best, [onsets for onsets, _ in ranges]])
        tried = np.clip(tried, lower[:, None], upper[:, None])
        sums = squares(problem, point[: len(problem.free)], tried)
        sums = np.where(np.isfinite(sums), sums, np.inf)
        if is_shared:  # one for all: what is left of all together counts
            sums = np.broadcast_to(sums.sum(axis=0), sums.shape)
        sums = np.maximum(sums, rounding)
        steps = np.array([step for _, step in ranges])
        # Where all onsets between two breaks are as good, the one in the middle is the nearest to all.
        better = sums[:, 1:].min(axis=1) < sums[:, 0] * np.where(steps == 0, 1 + _SAME, 1 - _SAME)
        best = np.where(better, tried[np.arange(len(tried)), 1 + sums[:, 1:].argmin(axis=1)], best)
        if not steps.any():
            break
        low, high = np.maximum(low, best - _NEAR * steps), np.minimum(high, best + _NEAR * steps)
    if (best == kept).all():
        return point
    moved = point.copy()
    moved[columns] = best
    return moved


def _g(problem: Problem, point: np.ndarray) -> np.ndarray:
    return response(problem, point[: len(problem.free)], problem.split(point)["onset"])[0]


def _between(problem: Problem, r: int, low: float, high: float) -> tuple[np.ndarray, float]:
    """Onsets of recording ``r`` to try between two: one between each two breaks, if these are few enough.

    Returns:
        (_AT_ONCE,) ms, and the distance between them where breaks are skipped, else 0.
    """
    spikes = problem.spike_times if problem.spike_times.ndim == 1 else problem.spike_times[r]
    spikes, times = spikes[np.isfinite(spikes)], problem.times_of(r)
    first, last = (np.searchsorted(times, spikes + end) for end in (low, high))
    if (last - first).sum() >= _AT_ONCE:
        onsets, step = np.linspace(low, high, _AT_ONCE, retstep=True)
        # No descent ends at rounding.
        return onsets, float(step) if step > 1e-9 * max(abs(low), abs(high)) else 0.0
    inside = [times[i:j] - spike for i, j, spike in zip(first, last, spikes, strict=True)]
    # The intervals that hold the ends count whole, so that their middles are the middles.
    before = (times[i - 1] - spike for i, spike in zip(first, spikes, strict=True) if i)
    after = (times[j] - spike for j, spike in zip(last, spikes, strict=True) if j < len(times))
    edges = np.sort(np.concatenate([[max(before, default=low)], *inside, [min(after, default=high)]]))
    return np.resize((edges[1:] + edges[:-1]) / 2, _AT_ONCE), 0.0
