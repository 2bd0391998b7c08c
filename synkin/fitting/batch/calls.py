"""Calls of the compiled functions, each with the same number of recordings, one after the other.

On several threads of Python they would be faster, but XLA's CPU client may then wait for itself for ever.
"""

import numpy as np

from synkin.fitting.batch.descent import conductances, descend
from synkin.fitting.batch.recordings import Recordings

# A call evaluates the curve at most so often; the recordings that go on are then put together anew.
_EVALUATIONS = 24


def call_descend(recordings: Recordings, which: np.ndarray, start: np.ndarray, limit: int) -> tuple[np.ndarray, ...]:
    """Descents of some recordings.

    Args:
        recordings: all of them.
        which: (W,) some of them.
        start: (W, C) where these begin.
        limit: the maximum number of evaluations of the curve.

    Returns:
        The fields of `synkin.fitting.batch.search.Found`, of W recordings.
    """
    number, samples = len(which), recordings.rows.times.shape[-1]
    size = len(recordings.form.fitted) + 1
    point, cost = start.copy(), np.full(number, np.inf)
    linear, triangle = np.zeros((number, len(recordings.form.solved))), np.zeros((number, size, size))
    g, steepest = np.zeros((number, samples)), np.zeros(number)
    damping, done, count = np.zeros(number), np.zeros(number, bool), np.zeros(number, int)
    pending = np.arange(number)

    def block(part: np.ndarray) -> None:
        filled, padding = _filled(part, recordings.batch)
        ends = descend(
            recordings.form,
            recordings.filled(which[filled]),
            point[filled],
            damping[filled],
            padding,
            np.minimum(limit - count[part].max(), _EVALUATIONS),
        )
        ends = [np.asarray(a)[: len(part)] for a in ends]
        point[part], cost[part], linear[part], triangle[part], g[part], steepest[part], damping[part] = ends[:7]
        done[part] = ends[7]
        count[part] += ends[8]

    while pending.size:
        for part in np.split(pending, np.arange(recordings.batch, len(pending), recordings.batch)):
            block(part)
        pending = pending[~done[pending] & (count[pending] < limit)]
    return point, cost, linear, triangle, g, steepest, done & np.isfinite(cost), count


def conductances_of(recordings: Recordings, which: np.ndarray, points: np.ndarray) -> np.ndarray:
    """g in mS of recordings ``which`` (W,) at n points each, (W, n, C): (W, n, M)."""
    pairs = np.repeat(which, points.shape[1])
    flat = points.reshape(-1, points.shape[-1])
    g = np.zeros((len(flat), recordings.rows.times.shape[-1]))

    for part in np.split(np.arange(len(flat)), np.arange(recordings.batch, len(flat), recordings.batch)):
        filled, _ = _filled(part, recordings.batch)
        found = conductances(recordings.form, recordings.filled(pairs[filled]), flat[filled])
        g[part] = np.asarray(found)[: len(part)]
    return g.reshape(*points.shape[:2], -1)


def _filled(part: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """``part`` repeated up to ``number``, and (number,) bool: what is repeated."""
    return np.resize(part, number), np.arange(number) >= len(part)
