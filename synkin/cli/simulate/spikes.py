"""Spike times from a file, and on a time grid.

With "exact" a spike acts at its own time. With "exp_euler" it acts at the nearest time of the grid 0, dt, 2 dt, ...: at
the later one if it is halfway between two. A receptor takes a spike at the start of a step, a linear kernel at the end
of the step before. So a spike that a linear kernel takes at time 0 is in step -1.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from synkin.cli import UsageError, usage_errors
from synkin.recordings import table, time_unit

# The names of columns of times and of synapses. NEST writes the sender first, Brian2 calls the columns i and t.
_TIMES = {"t", "time", "times", "timestamp", "timestamps", "spike", "spikes"}
_SYNAPSES = {"synapse", "synapses", "neuron", "neurons", "cell", "cells", "sender", "senders", "source", "sources"}
_SYNAPSES |= {"unit", "units", "channel", "channels", "index", "id", "ids", "gid", "node", "i"}

_WITH_COMMA = re.compile(r"[0-9]+,[0-9]+")
_MOST_SYNAPSES = 2**31  # more than any memory holds: a larger number is not an index
_LATEST = 2**31  # later than the last step of any run, as steps are counted in 32 bits


class Spikes(NamedTuple):
    """Spikes at their own times."""

    times: np.ndarray  # (K,) ms
    synapses: np.ndarray  # (K,) the index of the synapse of each
    shape: tuple[int, ...]  # of the synapses: () if the file has one column, else (n,)
    note: str = ""  # which column was converted to ms, and from what

    def trains(self) -> list[np.ndarray]:
        """The spike times in ms of each synapse."""
        synapses = self.shape[0] if self.shape else 1
        order = np.argsort(self.synapses, kind="stable")  # keeps the times of each synapse in order
        ends = np.searchsorted(self.synapses[order], np.arange(1, synapses))
        return np.split(self.times[order], ends)


class Inputs(NamedTuple):
    """Spikes on a grid, sorted by step: one entry for each step and synapse with spikes, with their number."""

    steps: np.ndarray  # (L,) from 0, or -1, which ends at time 0
    synapses: np.ndarray  # (L,)
    counts: np.ndarray  # (L,)


@usage_errors()
def read(path: Path, unit: str | None = None) -> Spikes:
    """The spikes of a file with one column, the time, or two, the time and the index of the synapse.

    Times are in ms unless ``unit`` or the name of the column says otherwise. The header may say that the time is the
    second of two columns.

    Raises:
        UsageError: a file without such columns, a time or an index that is not valid, or numbers that may be two
            columns or one with decimal commas.
    """
    head = table.head(path)
    if head.width > 2:
        raise UsageError(f"File {path} must have 1 column (time) or 2 (time, synapse), but has {head.width}.")
    at = _time_column(head.names) if head.names else 0
    if not head.names and head.width == 2:
        _check_decimals(head)
    factor, note = table.in_ms(path, head.names[at] if head.names else f"column {at + 1}", unit, say="--time-unit")
    wanted = [table.Column(at, factor), *([table.Column(1 - at)] if head.width == 2 else [])]
    times, *indices = table.columns(head, wanted)
    index = indices[0] if indices else np.zeros(len(times))
    none = ~((index >= 0) & (index < _MOST_SYNAPSES) & (index == np.floor(index)))
    synapses = np.where(none, 0, index).astype(np.int64)
    wrong = ~((times >= 0) & (times < np.inf)) | none
    before = _later_before(times, synapses) if (np.diff(times) < 0).any() else np.full(len(times), -1)
    wrong |= before >= 0
    if wrong.any():
        _refuse(head, int(wrong.argmax()), at, times, none, before)
    return Spikes(times, synapses, (int(synapses.max()) + 1,) if head.width == 2 else (), note)


def _later_before(times: np.ndarray, synapses: np.ndarray) -> np.ndarray:
    """For each spike the one before it of the same synapse, if that has a later time; else -1. (K,)."""
    order = np.argsort(synapses, kind="stable")
    back = np.flatnonzero((np.diff(times[order]) < 0) & (np.diff(synapses[order]) == 0))
    before = np.full(len(times), -1)
    before[order[back + 1]] = order[back]
    return before


def _refuse(head: table.Table, i: int, at: int, times: np.ndarray, none: np.ndarray, before: np.ndarray) -> NoReturn:
    """Raise UsageError for spike ``i``, the first that is not valid."""
    row = table.row(head, i)
    here = f"Line {row.line} of {head.path}"
    if not 0 <= times[i] < np.inf:
        raise UsageError(f"{here} must have a time from 0 ms on, but has {row.cells[at]}.")
    if none[i]:
        where = f"column {2 - at}, but has {row.cells[1 - at]}"
        raise UsageError(f"{here} must have a synapse (0, 1, ...) in {where}.")
    whose = f" of synapse {int(float(row.cells[1 - at]))}" if head.width == 2 else ""
    earlier = table.row(head, int(before[i])).line
    expected = f"a time{whose} not before that of line {earlier}, {times[before[i]]:g} ms"
    raise UsageError(f"{here} must have {expected}, but has {times[i]:g} ms.")


def _check_decimals(head: table.Table) -> None:
    """Raise UsageError if each line, such as 12,5, may also be one number with a decimal comma."""
    latest = Decimal(0)
    for row, line in table.rows(head.path, head.text):
        if row is None:
            continue
        if not _WITH_COMMA.fullmatch(line):
            return
        earlier, latest = latest, Decimal(line.replace(",", "."))
        if latest < earlier:  # so they are not times
            return
    before, after = head.first.cells
    raise UsageError(
        f"Line {head.first.line} of {head.path} may be the time {before}.{after} or the time {before} of synapse "
        f"{after}: give two columns the header `time,synapse`, and write decimals with a point."
    )


def _time_column(header: Sequence[str]) -> int:
    """The column of the times: the first, unless the names of the columns say that it is the second."""
    is_time = [bool(time_unit.named(name) or _TIMES.intersection(time_unit.words(name))) for name in header]
    is_synapse = [bool(_SYNAPSES.intersection(time_unit.words(name))) for name in header]
    return int(len(header) == 2 and is_time[1] and is_synapse[0])


def nearest(spikes: Spikes, dt: float) -> np.ndarray:
    """The step of the grid that is nearest to each spike, (K,)."""
    # The slack is for times halfway between steps: 3.05 / 0.1 is 30.499999999999996 in binary.
    return np.floor(np.minimum(spikes.times / dt, 2.0**62) + 0.5 + 1e-6).astype(np.int64)


def on_grid(spikes: Spikes, dt: float, *, at_end: bool) -> Inputs:
    """The steps in which the spikes act.

    Args:
        spikes: the spikes.
        dt: step in ms.
        at_end: whether the kernel takes its input at the end of a step, or else at the start.
    """
    steps = np.minimum(nearest(spikes, dt), _LATEST) - at_end
    # One number for a step and a synapse, at most about 2**62: it is sorted faster than two numbers.
    count = spikes.shape[0] if spikes.shape else 1
    places, counts = np.unique(steps * count + spikes.synapses, return_counts=True)
    return Inputs(places // count, places % count, counts)
