"""The answer to one event, sampled as the recording is, also for events that come between two samples."""

from math import ceil
from typing import Any, NamedTuple

import numpy as np

from synkin.recordings.measures import crossing_up
from synkin.runs.events import respond

# Events are placed on a grid of the sample interval or finer: this many points in the 10-90 % rise, where the interval
# has no more than so many of them; of an answer that jumps, which tells little between two samples, a few.
_IN_RISE, _MOST_PHASES, _JUMP_PHASES = 16, 16, 4
# The answer is followed until it stays below this part of its peak.
_DOWN_TO = 0.001
# Times that `respond` is asked for at once: always so many, so that it is compiled once.
_BLOCK = 4096


class Template(NamedTuple):
    """The answer to an event at time 0, over its peak: 1 at the peak, whatever the sign of the answer is."""

    samples: np.ndarray  # (Q, L): row q for an event q/Q of an interval after the sample that is column 0
    peak: float  # mS, signed: that of the answer itself
    rise: float  # ms, from 10 to 90 % of the peak; 0 where it jumps
    length: float  # ms, until it is over


def sampled(kernel: Any, params: Any, interval: float, count: int) -> Template:
    """The answer to one event, or as much of it as the recording could hold.

    Args:
        kernel, params: as for `respond`; scalars that are known.
        interval: ms between samples.
        count: samples of the recording, 3 or more.

    Raises:
        ValueError: an answer that is 0 or not finite, or still rises after as many samples as there are.
    """
    span = interval * (count - 1)
    # Evenly spaced in the logarithm: a rise of microseconds is seen as well as a decay of minutes.
    probe = np.concatenate([[0.0], np.geomspace(interval / 64, span, _BLOCK - 1)])
    probe[-1] = span
    answer = _answer(kernel, params, probe)
    if not np.isfinite(answer).all():
        raise ValueError(f"Argument `params` must give a finite answer to one event, but {kernel.name}'s is not.")
    top = int(np.abs(answer).argmax())
    if answer[top] == 0:
        raise ValueError(f"Argument `params` must give an answer to one event, but {kernel.name}'s is 0.")
    if top == len(probe) - 1:
        raise ValueError(
            f"Argument `trace` must be longer than {kernel.name} takes to its peak, but the answer to one event still "
            f"rises after {span:g} ms."
        )
    near = np.linspace(probe[max(top - 1, 0)], probe[top + 1], _BLOCK)
    close = _answer(kernel, params, near)
    peak = float(close[np.abs(close).argmax()])
    height = answer / peak
    rise = float(np.nan_to_num(crossing_up(probe, height, top, 0.9) - crossing_up(probe, height, top, 0.1)))
    over = min(int(np.flatnonzero(np.abs(height) > _DOWN_TO)[-1]) + 1, len(probe) - 1)
    length = float(probe[over])

    phases = min(ceil(_IN_RISE * interval / rise), _MOST_PHASES) if rise > 0 else _JUMP_PHASES
    columns = min(ceil(length / interval) + 1, count)
    fine = _answer(kernel, params, np.arange(columns * phases) * (interval / phases)) / peak
    rows = np.zeros((phases, columns))
    rows[0] = fine[::phases]
    for q in range(1, phases):  # before the event there is nothing
        rows[q, 1:] = fine[phases - q :: phases][: columns - 1]
    return Template(rows, peak, rise, length)


def _answer(kernel: Any, params: Any, times: np.ndarray) -> np.ndarray:
    """g at ``times`` in ms after one event, a block at a time."""
    blocks = -(-len(times) // _BLOCK)
    padded = np.concatenate([times, np.full(blocks * _BLOCK - len(times), times[-1])])
    event = np.zeros(1)
    parts: list[Any] = [respond(kernel, params, event, part) for part in padded.reshape(blocks, _BLOCK)]
    return np.concatenate([np.asarray(part, float) for part in parts])[: len(times)]
