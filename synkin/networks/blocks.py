"""The connections in the order in which they are read: by presynaptic neuron, in blocks of one width.

A neuron that spikes reads its blocks, so that a step touches the connections of the neurons that spiked, and no others.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

# What it costs on a CPU, in ns: to ask whether a neuron spiked; to look up which neuron a block is of, and ask then; to
# begin to read a block of a neuron that did; to read one connection of it. And the fraction of all neurons that spike
# in a step: 20 Hz in steps of 0.1 ms. They decide how wide a block is.
_ASK, _LOOK_UP, _BEGIN, _READ, _SPIKING = 1.0, 2.2, 100.0, 4.5, 0.002


class Blocks(NamedTuple):
    """Connections in blocks. The last block of each device is empty; it stands for none."""

    destinations: Any  # int32, (devices, blocks + 1, width): where each connection writes, from the row of the step on
    sources: Any  # int32, (devices, blocks): the presynaptic neuron of each block
    places: Any  # int32, (C,): where in the flat destinations each of the given connections is


def on_devices(
    pre: np.ndarray, destinations: np.ndarray, device: np.ndarray, n_pre: int, nowhere: int, devices: int
) -> Blocks:
    """Connections in blocks, as NumPy arrays.

    Args:
        pre: (C,) ints, the presynaptic neuron of each connection.
        destinations: (C,) ints, where it writes.
        device: (C,) ints, the device that holds it.
        n_pre: the number of presynaptic neurons, and the source of blocks that only fill up.
        nowhere: the destination of entries that are no connection.
        devices: the number of devices.
    """
    neuron = device * n_pre + pre  # with one of its own for each device that has connections of it
    counts = np.bincount(neuron, minlength=devices * n_pre).reshape(devices, n_pre)
    width = _width(counts)
    of_neuron = -(-counts // width)
    blocks = max(int(of_neuron.sum(axis=1).max(initial=0)), 1)
    # The first block of each neuron, in all that is written, and the rank of its first connection in order.
    first_block = np.cumsum(of_neuron, axis=1) - of_neuron + (blocks + 1) * np.arange(devices)[:, None]
    first_rank = np.cumsum(counts) - counts.ravel()
    order = np.lexsort((destinations, neuron))
    neuron = neuron[order]
    places = np.empty(len(pre), np.int64)
    places[order] = first_block.ravel()[neuron] * width + np.arange(len(pre)) - first_rank[neuron]
    written = np.full(devices * (blocks + 1) * width, nowhere, np.int32)
    written[places] = destinations
    sources = np.full((devices, blocks), n_pre, np.int32)
    for row, of_device in zip(sources, of_neuron, strict=True):
        own = np.repeat(np.arange(n_pre, dtype=np.int32), of_device)
        row[: len(own)] = own
    return Blocks(written.reshape(devices, blocks + 1, width), sources, places.astype(np.int32))


def _width(counts: np.ndarray) -> int:
    """The width of a block that costs least, for neurons with so many connections each."""
    most = max(int(counts.max(initial=0)), 1)
    widths = [most, *(2**k for k in range(3, most.bit_length()))]

    def cost(width: int) -> float:
        of_neuron = -(-counts // width)
        ask = _ASK if (of_neuron == 1).all() else _LOOK_UP
        return int(of_neuron.sum()) * (ask + _SPIKING * (_BEGIN + _READ * width))

    return min(widths, key=cost)
