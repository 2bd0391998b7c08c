"""The search of a batch: a descent of every recording, and more descents of those whose end is in doubt.

The first descent begins at the given parameters, after a scan of the onset if that is free. An end is in doubt if the
descent did not converge, if it is at a bound, or if the curve leaves more than fast noise. Such a recording descends
again from the best of many other points, and then from points near its best end, until several ends agree.
"""

import itertools
from typing import NamedTuple

import numpy as np

from synkin.fitting.batch.calls import call_descend, conductances_of
from synkin.fitting.batch.noise import fast_noise
from synkin.fitting.batch.recordings import Recordings
from synkin.fitting.search.spread import evenly_spread

# The number of onsets in the scan. It reaches this many widths of the response to both sides, and this many ms at
# least.
_ONSETS, _WIDTHS, _SHORTEST = 33, 2.0, 6.0
# The number of other points, and the largest factor between their parameters and the given ones.
_POINTS, _FAR = 64, 100.0
# The largest factor between the parameters of the best end and of points near it. The last third of all descents begins
# there, because there are several minima side by side wherever a pulse begins or ends between two samples.
_NEAR = 1.5
# Two ends are the same if their sums of squares differ by less than this fraction.
_SAME = 1e-6
# An end is in doubt if the variance of what is left is more than this factor times that of fast noise. The estimate of
# the latter scatters by about a tenth.
_DOUBTFUL = 1.3
# A recording is no longer in doubt once this many ends agree on the lowest sum of squares.
_ENOUGH = 3
# A response is steep if it changes by more than this fraction of its height from a sample to the next. A descent cannot
# find the onset of a steep response: see `synkin.fitting.search.onset`.
_STEEP = 0.3
# Where the response is steep, so many onsets between two samples are tried on either side of the best, and so often.
_INTERVALS, _SHIFTS = 8, 4


class Found(NamedTuple):
    """The best end of each of R recordings."""

    point: np.ndarray  # (R, C)
    cost: np.ndarray  # (R,) half of the sum of squares, relative to `Recordings.unit` squared; inf if not finite
    linear: np.ndarray  # (R, S) the best values of `Form.solved`
    triangle: np.ndarray  # (R, N + 1, N + 1)
    g: np.ndarray  # (R, M) mS
    steepest: np.ndarray  # (R,) mS/ms
    converged: np.ndarray  # (R,) bool
    nfev: np.ndarray  # (R,) evaluations of the curve in all descents

    def take(self, which: np.ndarray) -> "Found":
        """Some of the recordings."""
        return Found(*(a[which] for a in self))

    def put(self, which: np.ndarray, other: "Found") -> None:
        """Replace some of the recordings, but for `nfev`."""
        for mine, new in zip(self[:-1], other[:-1], strict=True):
            mine[which] = new


def search(recordings: Recordings, starts: int, limit: int) -> Found:
    """The best end of each recording. All recordings must have something to fit.

    Args:
        recordings: R of them.
        starts: the maximum number of descents of a recording.
        limit: the maximum number of evaluations of the curve in a descent.
    """
    every = np.arange(len(recordings.start))
    start = recordings.start
    if "onset" in recordings.form.searched:
        start = _with_best_onset(recordings, start)
    best = _descend(recordings, every, start, limit)
    doubtful = _in_doubt(recordings, best)
    if starts > 1 and doubtful.any():
        _descend_again(recordings, best, doubtful, starts, limit)
    _exchange(recordings, best, limit)
    return best


def left_of_noise(recordings: Recordings, found: Found) -> tuple[np.ndarray, np.ndarray]:
    """What the curves leave, and the fast noise: mean squares in the square of `Recordings.unit`, (R,) each."""
    residuals = relative_residuals(recordings, found)
    times = recordings.rows.times[:, : recordings.present.shape[1]]
    known = np.where(recordings.present, residuals, np.nan)
    noise = fast_noise(times[0] if len(times) == 1 else times, known, recordings.spikes)
    left = (residuals**2).sum(axis=1) / np.maximum(recordings.present.sum(axis=1), 1)
    return left, np.minimum(noise**2, left)


def sums_of_squares(recordings: Recordings, found: Found) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the samples: squares of what the curves leave, squares around the mean, and the mean square with weights.

    (R,) each, relative to the square of `Recordings.unit`.
    """
    samples, present = recordings.present.shape[1], recordings.present
    target, root = (a[:, :samples] for a in (recordings.rows.target, recordings.rows.root))
    own = own_values(recordings, found)
    curve = own["scale"][:, None] * found.g[:, :samples] + own["offset"][:, None]
    plain = present / recordings.unit[:, None]
    return (
        (((target - curve) * plain) ** 2).sum(axis=1),
        (_around_mean(target, plain) ** 2).sum(axis=1),
        (_around_mean(target, root) ** 2).sum(axis=1) / present.sum(axis=1),
    )


def _around_mean(target: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Samples (R, M) around their mean with weights, times the root of these."""
    mean = (root**2 * target).sum(axis=1) / (root**2).sum(axis=1)
    return (target - mean[:, None]) * root


def relative_residuals(recordings: Recordings, found: Found) -> np.ndarray:
    """What the curves leave of the samples, (R, M), times the root of their weights; 0 where they are missing."""
    samples = recordings.present.shape[1]
    own = own_values(recordings, found)
    curve = own["scale"][:, None] * found.g[:, :samples] + own["offset"][:, None]
    return (recordings.rows.target[:, :samples] - curve) * recordings.rows.root[:, :samples]


def own_values(recordings: Recordings, found: Found) -> dict[str, np.ndarray]:
    """Scale, offset and onset, (R,) each."""
    form = recordings.form
    values = {name: np.broadcast_to(a, found.cost.shape) for name, a in recordings.rows.own.items()}
    values |= dict(zip(form.coordinates, found.point.T, strict=True))
    values |= dict(zip(form.solved, found.linear.T, strict=True))
    return {name: values[name] for name in ("scale", "offset", "onset")}


def at_bound(recordings: Recordings, found: Found) -> np.ndarray:
    """Which coordinates are at a bound, (R, C)."""
    return (found.point <= recordings.rows.lower) | (found.point >= recordings.rows.upper)


def _in_doubt(recordings: Recordings, found: Found) -> np.ndarray:
    left, noise = left_of_noise(recordings, found)
    return ~found.converged | at_bound(recordings, found).any(axis=1) | (left > _DOUBTFUL * noise + _SAME**2)


def _descend(recordings: Recordings, which: np.ndarray, start: np.ndarray, limit: int) -> Found:
    """A descent of each of some recordings, and further ones from better onsets, as long as there are some."""
    found = Found(*call_descend(recordings, which, start, limit))
    if "onset" not in recordings.form.searched:
        return found
    steps = np.abs(np.diff(found.g, axis=1)).max(axis=1)
    steep = np.flatnonzero(np.isfinite(found.cost) & (steps > _STEEP * np.abs(found.g).max(axis=1)))
    for _ in range(_SHIFTS):
        if not steep.size:
            break
        points = _shifted(recordings, which[steep], found.point[steep])
        squares = _squares(recordings, which[steep], points)
        lowest = squares.argmin(axis=1)
        better = squares[np.arange(len(steep)), lowest] < 2 * found.cost[steep] * (1 - _SAME)
        points, steep = points[better, lowest[better]], steep[better]
        if not steep.size:
            break
        shifted = Found(*call_descend(recordings, which[steep], points, limit))
        found.nfev[steep] += shifted.nfev
        lower = shifted.cost < found.cost[steep]
        steep = steep[lower]
        found.put(steep, shifted.take(lower))
    return found


def _descend_again(recordings: Recordings, best: Found, doubtful: np.ndarray, starts: int, limit: int) -> None:
    """Descend again where ``doubtful``, (R,), and replace what gets better."""
    form, which = recordings.form, np.flatnonzero(doubtful)
    agreeing = np.ones(len(best.cost), int)
    near = starts // 3
    far = _best_of_many(recordings, which, starts - 1 - near)
    factors = _NEAR ** evenly_spread(near + 1, len(form.free))[1:]
    for k in range(starts - 1):
        goes_on = doubtful[which] & (agreeing[which] < _ENOUGH)
        rows = which[goes_on]
        if not rows.size:
            break
        start = (
            far[goes_on, k] if k < far.shape[1] else _scaled(recordings, best.point[rows], factors[k - far.shape[1]])
        )
        start = np.clip(start, *(bounds[rows % len(bounds)] for bounds in _bounds(recordings)))
        end = _descend(recordings, rows, start, limit)
        best.nfev[rows] += end.nfev
        before = best.cost[rows]
        agreeing[rows] += np.abs(end.cost - before) <= _SAME * before + _SAME**2
        lower = end.cost < before * (1 - _SAME)
        agreeing[rows[lower]] = 1
        better = end.cost < before
        best.put(rows[better], end.take(better))
        if lower.any():
            doubtful[rows[lower]] = _in_doubt(recordings.some(rows[lower]), best.take(rows[lower]))


def _bounds(recordings: Recordings) -> tuple[np.ndarray, np.ndarray]:
    return recordings.rows.lower, recordings.rows.upper


def _with_best_onset(recordings: Recordings, start: np.ndarray) -> np.ndarray:
    """``start`` with the best of many onsets."""
    every, column = np.arange(len(start)), recordings.form.coordinates.index("onset")
    rows = recordings.rows
    # How far to look depends on the width of the response to the given parameters.
    g = np.abs(conductances_of(recordings, every[:1], start[:1, None])[0, 0])
    spikes = max(np.isfinite(rows.spike_times[0]).sum(), 1)
    area = np.trapezoid(g, rows.times[0]) / spikes
    distance = max(_WIDTHS * area / g.max() if np.isfinite(area) and g.max() > 0 else 0.0, _SHORTEST)
    onsets = distance * np.linspace(-1, 1, _ONSETS)
    lower, upper = (bounds[:, column, None] for bounds in _bounds(recordings))
    onsets = np.clip(start[: len(lower), column, None] + onsets, lower, upper)
    shared = recordings.share_curves and len(lower) == 1 and (start == start[0]).all()
    points = np.repeat((start[:1] if shared else start)[:, None], _ONSETS, axis=1)
    points[:, :, column] = onsets
    lowest = _squares(recordings, every, points).argmin(axis=1)
    moved = start.copy()
    moved[:, column] = points[every % len(points), lowest, column]
    return moved


def _best_of_many(recordings: Recordings, which: np.ndarray, number: int) -> np.ndarray:
    """The best of many points that surround the start of each recording: (W, number, C)."""
    form, start = recordings.form, recordings.start[which]
    spread = evenly_spread(_POINTS, len(form.free) + ("onset" in form.searched))
    shared = recordings.share_curves and len(recordings.rows.lower) == 1 and (start == start[0]).all()
    points = np.repeat((start[:1] if shared else start)[:, None], _POINTS, axis=1)
    points = _scaled(recordings, points, _FAR ** spread[:, : len(form.free)])
    if "onset" in form.searched:
        points[:, :, len(form.free)] += _SHORTEST * spread[:, -1]
    lower, upper = (bounds[which[: len(points)] % len(bounds), None] for bounds in _bounds(recordings))
    points = np.clip(points, lower, upper)
    order = _squares(recordings, which, points).argsort(axis=1)[:, :number]
    return points[np.arange(len(which))[:, None] % len(points), order]


def _squares(recordings: Recordings, which: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The sums of squares of some recordings at n points each, with the best scale and offset where these are free.

    Args:
        recordings: all of them.
        which: (W,) some of them.
        points: (W, n, C), or (1, n, C) if all of them have the same curves.

    Returns:
        (W, n), relative to the square of `Recordings.unit`; inf where a curve is not finite.
    """
    rows, fitted = recordings.rows, recordings.form.fitted
    block = recordings.batch if len(points) > 1 else len(which)
    found = []
    for first in range(0, len(which), block):
        part = which[first : first + block]
        g = conductances_of(recordings, part[: len(points)], points[first : first + block])
        finite = np.isfinite(g).all(axis=2)
        g = np.where(finite[:, :, None], g, 0.0)
        weight, target = rows.root[part] ** 2, rows.target[part]
        target = target - (0.0 if "offset" in fitted else rows.own["offset"])
        total = weight.sum(axis=1)
        if "offset" in fitted:
            target = target - ((weight * target).sum(axis=1) / total)[:, None]
        mean = _products(g, weight) / total[:, None] if "offset" in fitted else np.zeros((len(part), g.shape[1]))
        size = _products(g**2, weight) - mean**2 * total[:, None]
        both = _products(g, weight * target)
        scale = both / np.where(size > 0, size, 1.0) if "scale" in fitted else rows.own["scale"]
        squares = (weight * target**2).sum(axis=1)[:, None] - 2 * scale * both + scale**2 * size
        found.append(np.where(finite, np.maximum(squares, 0.0), np.inf))
    return np.concatenate(found)


def _products(curves: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The sums of curves (W, n, M) or (1, n, M) times weights (W, M): (W, n)."""
    return weights @ curves[0].T if len(curves) == 1 else np.matmul(curves, weights[:, :, None])[:, :, 0]


def _shifted(recordings: Recordings, which: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (W, n, C) with other onsets: one between each two neighbours of those at which a spike meets a sample."""
    column, rows = recordings.form.coordinates.index("onset"), recordings.rows
    found = np.repeat(points[:, None], 2 * _INTERVALS, axis=1)
    for i, r in enumerate(which):
        spikes, onset = rows.spike_times[r % len(rows.spike_times)], points[i, column]
        times = rows.times[r % len(rows.times)]
        meet = np.unique((times[None, :] - spikes[np.isfinite(spikes)][:, None]).ravel())
        # Spikes that are whole numbers of samples apart meet samples at the same onsets, but for rounding.
        meet = meet[np.concatenate([[True], np.diff(meet) > 1e-9 * max(abs(meet[0]), abs(meet[-1]))])]
        middles = (meet[1:] + meet[:-1]) / 2
        first = np.clip(np.searchsorted(middles, onset) - _INTERVALS, 0, max(len(middles) - 2 * _INTERVALS, 0))
        near = middles[first : first + 2 * _INTERVALS]
        found[i, : len(near), column] = near
    lower, upper = (bounds[which % len(bounds), column, None] for bounds in _bounds(recordings))
    found[:, :, column] = np.clip(found[:, :, column], lower, upper)
    return found


def _scaled(recordings: Recordings, points: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Points (..., C) with the parameters multiplied by ``factors`` (..., P)."""
    free, scaled = len(recordings.form.free), points.copy()
    parameters = points[..., :free]
    scaled[..., :free] = np.where(recordings.form.logarithmic, parameters + np.log(factors), parameters * factors)
    return scaled


def _exchange(recordings: Recordings, best: Found, limit: int) -> None:
    """Exchange two parameters where they are then nearer to the start and the curve does not change.

    This keeps the order of dual_expon's time constants.
    """
    form = recordings.form
    of = [recordings.form.kernel.UNITS[form.kernel.Params._fields.index(name)] for name in form.free]
    for i, j in itertools.combinations(range(len(form.free)), 2):
        if of[i] != of[j] or form.logarithmic[i] != form.logarithmic[j]:
            continue
        other = best.point.copy()
        other[:, [i, j]] = best.point[:, [j, i]]
        distance = [np.square(points - recordings.start).sum(axis=1) for points in (best.point, other)]
        lower, upper = _bounds(recordings)
        within = ((other >= lower) & (other <= upper)).all(axis=1)
        which = np.flatnonzero((distance[1] < distance[0]) & within & np.isfinite(best.cost))
        if not which.size:
            continue
        g, before = conductances_of(recordings, which, other[which, None])[:, 0], best.g[which]
        same = np.abs(g - before).max(axis=1) <= _SAME * np.ptp(before, axis=1)
        which = which[same]
        if which.size:
            end = Found(*call_descend(recordings, which, other[which], limit))
            lower_or_same = end.cost <= best.cost[which] * (1 + _SAME) + _SAME**2
            best.put(which[lower_or_same], end.take(lower_or_same))
