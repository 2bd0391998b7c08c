"""The response to one event, sampled as the recording is, also for events between two samples."""

from math import ceil
from typing import NamedTuple

import numpy as np

from synkin.declaring.kernel import Kernel
from synkin.measures.crossings import crossing_up
from synkin.runs.events import respond
from synkin.solving.filters import Filter

# Events are placed on a grid with this many points in the 10-90 % rise, with at least 1 and at most this many points in
# a sample interval. A response that jumps says little between two samples and has a coarser grid.
_IN_RISE, _MAX_PHASES, _JUMP_PHASES = 16, 16, 4
# The response ends where it stays below this fraction of its peak.
_DOWN_TO = 0.001
# `respond` is called with always the same number of times, so that it is compiled once.
_BLOCK = 4096


class Template(NamedTuple):
    """The response to an event at time 0 over its peak: 1 at the peak, even if the response is negative."""

    samples: np.ndarray  # (Q, L): row q for an event q/Q of an interval after the sample that is column 0
    peak: float  # mS, signed: that of the response itself
    rise: float  # ms, from 10 to 90 % of the peak; 0 where it jumps
    length: float  # ms, until it is over


def sampled(
    kernel: Kernel, params: NamedTuple, interval: float, count: int, filters: tuple[Filter, ...] = ()
) -> Template:
    """The response to one event, or as much of it as the recording could hold.

    Args:
        kernel, params: as for `respond`; scalars that are known.
        interval: ms between samples.
        count: samples of the recording, 3 or more.
        filters: of the recording, whose numbers are known.

    Raises:
        ValueError: a response that is 0 or not finite, or that rises for longer than the recording lasts.
    """
    span = interval * (count - 1)
    # On a logarithmic scale, which resolves a rise of microseconds as well as a decay of minutes.
    probe = np.concatenate([[0.0], np.geomspace(interval / 64, span, _BLOCK - 1)])
    probe[-1] = span
    response = _response(kernel, params, probe, filters)
    if not np.isfinite(response).all():
        raise ValueError(f"Argument `params` must give a finite response to one event, but {kernel.name}'s is not.")
    top = int(np.abs(response).argmax())
    if response[top] == 0:
        raise ValueError(f"Argument `params` must give a response to one event, but {kernel.name}'s is 0.")
    if top == len(probe) - 1:
        raise ValueError(
            f"Argument `trace` must be longer than {kernel.name} takes to its peak, but the response to one event "
            f"still rises after {span:g} ms."
        )
    near = np.linspace(probe[max(top - 1, 0)], probe[top + 1], _BLOCK)
    close = _response(kernel, params, near, filters)
    peak = float(close[np.abs(close).argmax()])
    height = response / peak
    rise = float(np.nan_to_num(crossing_up(probe, height, top, 0.9) - crossing_up(probe, height, top, 0.1)))
    over = min(int(np.flatnonzero(np.abs(height) > _DOWN_TO)[-1]) + 1, len(probe) - 1)
    length = float(probe[over])

    phases = min(ceil(_IN_RISE * interval / rise), _MAX_PHASES) if rise > 0 else _JUMP_PHASES
    columns = min(ceil(length / interval) + 1, count)
    fine = _response(kernel, params, np.arange(columns * phases) * (interval / phases), filters) / peak
    rows = np.zeros((phases, columns))
    rows[0] = fine[::phases]
    for q in range(1, phases):  # column 0 is before the event, and stays 0
        rows[q, 1:] = fine[phases - q :: phases][: columns - 1]
    return Template(rows, peak, rise, length)


def _response(kernel: Kernel, params: NamedTuple, times: np.ndarray, filters: tuple[Filter, ...]) -> np.ndarray:
    """g at ``times`` in ms after one event, computed in blocks."""
    blocks = -(-len(times) // _BLOCK)
    padded = np.concatenate([times, np.full(blocks * _BLOCK - len(times), times[-1])])
    event = np.zeros(1)
    each = padded.reshape(blocks, _BLOCK)
    g = [np.asarray(respond(kernel, params, event, block, filter=filters), float) for block in each]
    return np.concatenate(g)[: len(times)]
