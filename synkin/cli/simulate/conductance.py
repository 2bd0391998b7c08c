"""The conductance g at the ends of the steps, by either method, with progress on stderr.

"exp_euler" goes in steps: spikes act on its grid (see `synkin.cli.simulate.spikes`). "exact" needs
no grid: it is `synkin.respond`, in which each spike acts at its own time, and dt is only the interval of the results.
"""

import warnings
from math import ceil, prod
from typing import NamedTuple

import jax
import numpy as np

from synkin.cli import UsageError, terminal
from synkin.cli.simulate.spikes import Inputs, Spikes
from synkin.declaring.kernel import Kernel
from synkin.runs.events import respond
from synkin.runs.grid import simulate

# A run is split into this many chunks, so that progress is shown between them; but no chunk has fewer steps than the
# second number, or more inputs than the third.
_CHUNKS, _SHORTEST_CHUNK, _LARGEST_CHUNK = 20, 1000, 2**24
# The number of samples that "exact" computes at once: those of bionmda take 7 KB each.
_SAMPLES = 2**16
# Trains are padded to one length if they then hold no more than `_PADDED` times, or than `_FACTOR` times as many as
# there are spikes.
_PADDED, _FACTOR = 2**20, 8


def on_grid(
    kernel: Kernel, params: NamedTuple, inputs: Inputs, shape: tuple[int, ...], steps: int, dt: float, overlap: str
) -> np.ndarray:
    """g in mS at the ends of the steps, (steps, *shape), with spikes on the grid and "exp_euler".

    Raises:
        UsageError: a run that does not fit into memory, or is not finite.
    """
    # A linear kernel adds its input at the end of a step. An input at time 0 comes at the end of a step before the run.
    first = -1 if kernel.input.acts_at_end else 0
    state = kernel.init(params, shape)
    # The input of a receptor is whether there is a spike, that of a linear kernel the sum of the weights.
    dtype = jax.tree.leaves(state)[0].dtype if kernel.input.takes_weights else np.dtype(bool)

    def dense(start: int, length: int) -> jax.Array:
        begin, end = np.searchsorted(inputs.steps, [start, start + length])
        block = np.zeros((length, prod(shape)), dtype)
        block[inputs.steps[begin:end] - start, inputs.synapses[begin:end]] = inputs.counts[begin:end]
        return jax.device_put(block.reshape(length, *shape))  # `jnp.asarray` would compile a copy

    g = _empty(steps - first, shape)
    length = min(len(g), max(_SHORTEST_CHUNK, ceil(steps / _CHUNKS)), max(1, _LARGEST_CHUNK // prod(shape)))
    with terminal.Progress(len(g), "steps") as progress:
        for start in range(0, len(g), length):
            # The last chunk is as long as the others, beyond the end, so that one compilation serves all.
            block = dense(first + start, length)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "A pulse of")  # the command has said already that they are rounded
                state, chunk = simulate(kernel, params, block, dt, state=state, overlap=overlap)
            stop = min(start + length, len(g))
            g[start:stop] = _finite(np.asarray(chunk)[: stop - start])
            progress.report(stop)
    return g[-first:]


def exact(kernel: Kernel, params: NamedTuple, spikes: Spikes, times: np.ndarray, overlap: str) -> np.ndarray:
    """g in mS at ``times``, (len(times), *shape), of spikes at their own times.

    Computed in double precision, in which a spike keeps its time within the step however long the run is.

    Raises:
        UsageError: as `on_grid`.
    """
    g = _empty(len(times), spikes.shape)  # first, because it raises the error if there are too many synapses
    trains = spikes.trains()
    flat = g.reshape(len(times), len(trains))
    # Each block goes through all spikes of its synapses. So it takes as many times as it can, and then more synapses.
    length = min(len(times), _SAMPLES)

    @jax.jit
    def block(trains: jax.Array, times: jax.Array) -> jax.Array:
        return jax.vmap(lambda train: respond(kernel, params, train, times, overlap=overlap))(trains)

    with jax.enable_x64(True), terminal.Progress(flat.size, "samples") as progress:
        done = 0
        for group in _groups_of_similar_length(np.array(list(map(len, trains)))):
            padded = np.full((len(group), max(len(trains[i]) for i in group)), np.inf)
            for row, i in zip(padded, group, strict=True):
                row[: len(trains[i])] = trains[i]
            width = min(len(group), max(1, _SAMPLES // length))
            for first in range(0, len(group), width):
                for start in range(0, len(times), length):
                    # The last blocks are as large as the others, so that one compilation serves all.
                    rows = np.minimum(np.arange(first, first + width), len(group) - 1)
                    columns = np.minimum(np.arange(start, start + length), len(times) - 1)
                    values = _finite(np.asarray(block(padded[rows], times[columns])).astype(g.dtype))
                    part = values[: len(group) - first, : len(times) - start].T
                    flat[start : start + length, group[first : first + width]] = part
                    done += part.size
                    progress.report(done)
    return g


def _groups_of_similar_length(lengths: np.ndarray) -> list[np.ndarray]:
    """The synapses in groups, (n,) each, within which trains are padded to one length.

    One group if possible, because each length is compiled anew. If that would take many times as much memory as the
    spikes, the trains in a group differ in length by no more than a factor of `_FACTOR`.
    """
    if lengths.max() * len(lengths) <= max(_PADDED, _FACTOR * lengths.sum()):
        return [np.arange(len(lengths))]
    steps = np.ceil(np.log(np.maximum(lengths, 1)) / np.log(_FACTOR) - 1e-9)
    return [np.flatnonzero(steps == step) for step in np.unique(steps)]


def _empty(steps: int, shape: tuple[int, ...]) -> np.ndarray:
    """An array for g, in JAX's default precision."""
    try:
        return np.empty((steps, *shape), jax.dtypes.canonicalize_dtype(float))
    except MemoryError:
        raise UsageError(f"{steps:,} steps of {prod(shape):,} synapses do not fit into memory.") from None


def _finite(g: np.ndarray) -> np.ndarray:
    if not np.isfinite(g).all():
        raise UsageError(f"The conductance is not finite in {g.dtype} with such parameters.")
    return g
