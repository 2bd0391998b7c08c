"""The connections in the order in which they are read: by presynaptic neuron, in blocks of one width.

A neuron that spikes reads its blocks, so that a step touches the connections of the neurons that spiked, and no others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# What it costs on a CPU, in ns: to ask whether a neuron spiked; to look up which neuron a block is of, and ask then; to
# begin to read a block of a neuron that did; to read one connection of it. And the fraction of all neurons that spike
# in a step: 20 Hz in steps of 0.1 ms. They decide how wide a block is.
_ASK, _LOOK_UP, _BEGIN, _READ, _SPIKING = 1.0, 2.2, 100.0, 4.5, 0.002


class Blocks(NamedTuple):
    """Connections in blocks, NumPy arrays. The last block is empty; it stands for none."""

    destinations: np.ndarray  # int32, (blocks + 1, width): where each connection writes, from the row of the step on
    sources: np.ndarray  # int32, (blocks,): the presynaptic neuron of each block
    places: np.ndarray  # (C,): where in the flat blocks each of the given connections is

    def padded(self, blocks: int, source: int, nowhere: int) -> Blocks:
        """The same with so many blocks; those that are added are empty and of ``source``."""
        more = blocks - len(self.sources)
        empty = np.full((more, self.destinations.shape[1]), nowhere, np.int32)
        sources = np.concatenate([self.sources, np.full(more, source, np.int32)])
        return Blocks(np.concatenate([self.destinations, empty]), sources, self.places)


def arrange(pre: np.ndarray, destinations: np.ndarray, n_pre: int, nowhere: int, width: int) -> Blocks:
    """Connections in blocks.

    Args:
        pre: (C,) ints, the presynaptic neuron of each connection.
        destinations: (C,) ints, where it writes.
        n_pre: the number of presynaptic neurons.
        nowhere: the destination of entries that are no connection.
        width: of a block.
    """
    order = np.lexsort((destinations, pre))
    counts = np.bincount(pre, minlength=n_pre)
    of_neuron = -(-counts // width)
    first_block = np.cumsum(of_neuron) - of_neuron
    first_rank = np.cumsum(counts) - counts
    source = pre[order]
    rank = np.arange(len(pre)) - first_rank[source]
    places = np.empty(len(pre), np.int64)
    places[order] = first_block[source] * width + rank
    sources = np.repeat(np.arange(n_pre, dtype=np.int32), of_neuron)
    written = np.full((len(sources) + 1) * width, nowhere, np.int32)
    written[places] = destinations
    return Blocks(written.reshape(-1, width), sources, places)


def block_width(counts: np.ndarray) -> int:
    """The width of a block that costs least, for neurons with so many connections each."""
    most = max(int(counts.max(initial=0)), 1)
    widths = [most, *(2**k for k in range(3, most.bit_length()))]

    def cost(width: int) -> float:
        of_neuron = -(-counts // width)
        ask = _ASK if (of_neuron == 1).all() else _LOOK_UP
        return int(of_neuron.sum()) * (ask + _SPIKING * (_BEGIN + _READ * width))

    return min(widths, key=cost)
