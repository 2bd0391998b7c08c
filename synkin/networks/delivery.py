"""What spikes write into the ring of a projection, and its derivative.

The ring holds what will arrive, one row for each step to come. Each connection of a neuron that spiked adds its weight
to the entry (row of the step + delay, postsynaptic neuron). The neurons that spiked are taken a chunk at a time, until
none is left.

The derivative with respect to the weights needs the connections of the neurons that spiked. That with respect to spikes
that are numbers, as of a surrogate gradient, needs all connections. Both are stated here, because JAX cannot go back
through a loop whose length is not known.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero

from synkin.solving import true_indices
from synkin.solving.loops import any_across_batch, match_varying


class Connections(NamedTuple):
    """The connections of one device, arrays; see `synkin.networks.blocks`."""

    weights: Array  # (blocks + 1, width), or () if all are equal
    destinations: Array  # int32, (blocks + 1, width)
    sources: Array | None  # int32, (blocks,); None if block i is of neuron i

    @property
    def blocks(self) -> int:
        """The number of blocks, without the empty one."""
        return len(self.destinations) - 1

    @property
    def chunk(self) -> int:
        """How many blocks are searched for at a time."""
        return min(max(self.blocks // 256, 4), 256)

    def of_blocks(self, spikes: Array) -> Array:
        """Of one number a neuron, that of each block; 0 for blocks of none."""
        if self.sources is None:
            return spikes
        return spikes.at[self.sources].get(mode="fill", fill_value=0)


def deliver(connections: Connections, ring: Array, spikes: Array, row: Array) -> Array:
    """The ring after the spikes of a step.

    Args:
        connections: see `Connections`.
        ring: (rows * columns,).
        spikes: (neurons,), bool, or numbers by which the weights are multiplied.
        row: int32, where in the ring the row of this step begins.
    """
    return _deliver(ring, connections.weights, spikes, connections.destinations, connections.sources, row)


def deliver_all(connections: Connections, ring: Array, values: Array, row: Array) -> Array:
    """As `deliver`, of numbers that are mostly not 0."""
    return _add_of_all(ring, connections.weights, values, connections.destinations, connections.sources, row)


@jax.custom_jvp
def _deliver(
    ring: Array, weights: Array, spikes: Array, destinations: Array, sources: Array | None, row: Array
) -> Array:
    connections = Connections(weights, destinations, sources)
    own = connections.of_blocks(spikes)
    found = true_indices.count(own.astype(bool))

    def search(first: Array) -> Array:
        return true_indices.indices(found, first, connections.chunk, connections.blocks)

    def is_left(carry: tuple[Array, Array, Array]) -> Array:
        return any_across_batch(carry[0] < found.total)

    def chunk(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        first, blocks, ring = carry
        ring = jax.lax.platform_dependent(
            ring,
            cpu=lambda ring: _add_one_by_one(connections, ring, own, blocks, found.total - first, row),
            default=lambda ring: _add_blocks(connections, ring, weights, own, blocks, row),
        )
        first = first + connections.chunk
        return first, search(first), ring

    # The blocks of the chunk are in the carry, and so in memory. If they were searched for where they are read, XLA's
    # CPU would search again for each connection of a block.
    start = jnp.zeros((), jnp.int32)
    written: Array = jax.lax.while_loop(is_left, chunk, (start, search(start), ring))[2]
    return written


@partial(_deliver.defjvp, symbolic_zeros=True)
def _deliver_jvp(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
    ring, weights, spikes, *rest = primals
    d_ring, d_weights, d_spikes, *_ = tangents
    if isinstance(d_ring, SymbolicZero):
        d_ring = match_varying(jnp.zeros(ring.shape, ring.dtype), (ring, *rest))
    # Spikes that are numbers may have a derivative where they are 0, too, so that all connections are read. That holds
    # for the ring itself as well: within a loop JAX may drop this rule from the second derivative on.
    add = _add_of_spiking if spikes.dtype == bool else _add_of_all
    if not isinstance(d_weights, SymbolicZero):
        d_ring = add(d_ring, d_weights, spikes, *rest)
    if not isinstance(d_spikes, SymbolicZero) and jnp.issubdtype(spikes.dtype, jnp.floating):
        d_ring = _add_of_all(d_ring, weights, d_spikes, *rest)
    return add(*primals), d_ring


# A derivative of a loop of steps keeps the spikes of each step, and computes from them what else it needs.
@partial(jax.checkpoint, prevent_cse=False)
def _add_of_spiking(
    ring: Array, weights: Array, spikes: Array, destinations: Array, sources: Array | None, row: Array
) -> Array:
    """`_deliver` of booleans, in a form that JAX can transpose; linear in ``ring`` and in ``weights``.

    Where few neurons spiked, it reads one chunk of blocks, else all of them.
    """
    connections = Connections(weights, destinations, sources)
    own = connections.of_blocks(spikes)
    found = true_indices.count(own)

    def few(ring: Array, weights: Array) -> Array:
        blocks = true_indices.indices(found, jnp.zeros((), jnp.int32), connections.chunk, connections.blocks)
        return _add_blocks(connections, ring, weights, own, blocks, row)

    def many(ring: Array, weights: Array) -> Array:
        return _add_of_all(ring, weights, spikes, destinations, sources, row)

    is_many = any_across_batch(found.total > connections.chunk)
    added: Array = jax.lax.cond(is_many, many, few, ring, weights)
    return added


@partial(jax.checkpoint, prevent_cse=False)
def _add_of_all(
    ring: Array, weights: Array, spikes: Array, destinations: Array, sources: Array | None, row: Array
) -> Array:
    """`_deliver` of all neurons, whether they spiked or not; linear in ``ring``, in ``weights`` and in ``spikes``."""
    connections = Connections(weights, destinations, sources)
    own = connections.of_blocks(spikes.astype(weights.dtype))
    each = weights if weights.ndim == 0 else weights[:-1]
    added = jnp.broadcast_to(each * own[:, None], destinations[:-1].shape)
    return _add(ring, connections.destinations[:-1], added, row)


def _add_blocks(connections: Connections, ring: Array, weights: Array, own: Array, blocks: Array, row: Array) -> Array:
    """The ring after some blocks, given by their indices; ``own`` is what each block's neuron did."""
    destinations = connections.destinations.at[blocks].get(mode="promise_in_bounds")
    added = weights if weights.ndim == 0 else weights.at[blocks].get(mode="promise_in_bounds")
    if own.dtype != bool:
        added = added * own.astype(weights.dtype).at[blocks].get(mode="fill", fill_value=0)[:, None]
    return _add(ring, destinations, jnp.broadcast_to(added, destinations.shape), row)


def _add_one_by_one(
    connections: Connections, ring: Array, own: Array, blocks: Array, count: Array, row: Array
) -> Array:
    """As `_add_blocks`, of the first ``count`` of the blocks; a CPU reads each of them in one piece."""

    def is_left(carry: tuple[Array, Array]) -> Array:
        return (carry[0] < len(blocks)) & any_across_batch(carry[0] < count)

    def block(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        i, ring = carry
        at = jax.lax.dynamic_slice_in_dim(blocks, i, 1)
        return i + 1, _add_blocks(connections, ring, connections.weights, own, at, row)

    start = jnp.zeros((), jnp.int32)
    written: Array = jax.lax.while_loop(is_left, block, (start, ring))[1]
    return written


def _add(ring: Array, destinations: Array, added: Array, row: Array) -> Array:
    """The ring after ``added`` at ``destinations``, which count from the row of the step on."""
    at = destinations + row
    at = jnp.where(at >= ring.size, at - ring.size, at)
    return ring.at[at.reshape(-1)].add(added.reshape(-1), mode="promise_in_bounds")
