"""Spike times: read from a file, put on a time grid.

A spike acts at the time of the grid 0, dt, 2 dt, ... that is nearest to its own (halfway, the later one).
It is the same instant for both families of kernels: the start of a step, where a receptor takes its input,
is the end of the step before, where a linear kernel takes its own. At time 0 there is no step before, so a
linear kernel's input of that time belongs into the state that a run starts from: its step is -1.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from synkin.cli import UsageError, files

_MOST_SYNAPSES = 2**31  # more than any memory holds; a larger index is no index


class Spikes(NamedTuple):
    """Spikes as they were recorded."""

    times: np.ndarray  # (K,) ms
    synapses: np.ndarray  # (K,) the index of each one's synapse
    shape: tuple[int, ...]  # of the synapses: () where the file has one column, else (n,)

    def trains(self, most: int) -> list[np.ndarray]:
        """The spike times in ms of each synapse, of the first ``most`` synapses."""
        return [self.times[self.synapses == i] for i in range(min(self.shape[0], most) if self.shape else 1)]


class Inputs(NamedTuple):
    """Spikes on a grid, sorted by step; those of one synapse in one step are one, with their number."""

    steps: np.ndarray  # (L,) from 0, or -1 for what is there at the start
    synapses: np.ndarray  # (L,)
    counts: np.ndarray  # (L,)


def read(path: Path) -> Spikes:
    """The spikes of a file with one column, the time in ms, or two, the time and the index of the synapse.

    Raises:
        UsageError: a file without such columns, or a time or an index that makes no sense; with its line.
    """
    _, rows = files.read_table(path)
    columns = len(rows[0].cells)
    if columns > 2:
        raise UsageError(f"File {path} must have 1 column (time) or 2 (time, synapse), but has {columns}.")
    times, synapses = [], []
    latest: dict[int, tuple[float, int]] = {}
    for row in rows:
        here = f"Line {row.line} of {path}"
        time = files.number(path, row, 0)
        if not 0 <= time < float("inf"):
            raise UsageError(f"{here} must have a time from 0 ms on, but has {row.cells[0]}.")
        index = files.number(path, row, 1) if columns == 2 else 0.0
        if not (0 <= index < _MOST_SYNAPSES and index.is_integer()):
            raise UsageError(f"{here} must have a synapse (0, 1, ...) in column 2, but has {row.cells[1]}.")
        synapse = int(index)
        before, line = latest.get(synapse, (0.0, 0))
        if time < before:
            whose = f" of synapse {synapse}" if columns == 2 else ""
            expected = f"a time{whose} not before that of line {line}, {before:g} ms"
            raise UsageError(f"{here} must have {expected}, but has {time:g} ms.")
        latest[synapse] = time, row.line
        times.append(time)
        synapses.append(synapse)
    shape = (max(synapses) + 1,) if columns == 2 else ()
    return Spikes(np.array(times), np.array(synapses), shape)


def on_grid(spikes: Spikes, dt: float, *, at_end: bool) -> Inputs:
    """The steps that the spikes belong to.

    Args:
        spikes: the spikes.
        dt: step in ms.
        at_end: whether the kernel adds its input at the end of a step (else: takes it at the start).
    """
    # Halfway is halfway in decimal too: 3.05 / 0.1 is 30.499999999999996 in binary.
    steps = np.floor(spikes.times / dt + 0.5 + 1e-6).astype(np.int64) - at_end
    places, counts = np.unique(np.stack([steps, spikes.synapses]), axis=1, return_counts=True)
    return Inputs(places[0], places[1], counts)
