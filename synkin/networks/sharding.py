"""The postsynaptic neurons of a projection, split over devices.

Each device has the connections onto its own neurons, and the ring of what will arrive at them. It needs to know which
neurons spiked anywhere: these numbers, one for each presynaptic neuron, are all that devices send each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.typing import DTypeLike

from synkin.arguments.messages import describe
from synkin.networks.delivery import Connections

AnyCarry = TypeVar("AnyCarry", bound=Any)


class Split(NamedTuple):
    """How an array of postsynaptic neurons is split."""

    mesh: Mesh
    axis: str  # of the mesh

    @property
    def sharding(self) -> NamedSharding:
        """That of an array whose first axis is split."""
        return NamedSharding(self.mesh, PartitionSpec(self.axis))

    @property
    def devices(self) -> int:
        """Over how many devices."""
        return int(self.mesh.shape[self.axis])

    def own(self, n_post: int) -> int:
        """The number of neurons of one device."""
        return n_post // self.devices

    def put(self, array: np.ndarray, *, split: bool = True) -> Array:
        """An array of NumPy on the devices: its first axis over them, or all of it on each."""
        sharding = self.sharding if split else NamedSharding(self.mesh, PartitionSpec())
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    def zeros(self, size: int, dtype: DTypeLike) -> Array:
        """A vector of zeros for each device, (devices, size)."""
        return jnp.zeros((self.devices, size), dtype, device=self.sharding)

    def step(
        self,
        step: Callable[[Connections, Any, Array], tuple[Any, Array]],
        connections: Connections,
        carry: AnyCarry,
        spikes: Array,
    ) -> tuple[AnyCarry, Array]:
        """A step on each device: of its connections and its part of the ring, and of all spikes."""
        split, same = PartitionSpec(self.axis), PartitionSpec()
        of_connections = jax.tree.map(lambda x: split if x.ndim else same, connections)
        of_carry = type(carry)(split, same)

        def local(connections: Connections, carry: AnyCarry, spikes: Array) -> tuple[AnyCarry, Array]:
            connections = jax.tree.map(lambda x: x[0] if x.ndim else x, connections)
            ring, row = carry
            (ring, row), arriving = step(connections, type(carry)(ring[0], row), spikes)
            return type(carry)(ring[None], row), arriving

        sharded = jax.shard_map(
            local, mesh=self.mesh, in_specs=(of_connections, of_carry, same), out_specs=(of_carry, split)
        )
        result: tuple[AnyCarry, Array] = sharded(connections, carry, spikes)
        return result


def split_of(sharding: object, n_post: int) -> Split | None:
    """How ``sharding`` splits the postsynaptic neurons; None where it is None.

    Raises:
        TypeError: not a `jax.sharding.NamedSharding` of a vector over one axis of its mesh.
        ValueError: neurons that cannot be split evenly.
    """
    if sharding is None:
        return None
    spec = tuple(sharding.spec) if isinstance(sharding, NamedSharding) and isinstance(sharding.mesh, Mesh) else ()
    if not isinstance(sharding, NamedSharding) or len(spec) != 1 or not isinstance(spec[0], str):
        raise TypeError(
            "Argument `sharding` must be a jax.sharding.NamedSharding that splits a vector over one axis of its mesh, "
            f"as NamedSharding(mesh, PartitionSpec('neurons')) does, but is {describe(sharding)}."
        )
    assert isinstance(sharding.mesh, Mesh)
    split = Split(sharding.mesh, spec[0])
    if n_post % split.devices:
        raise ValueError(
            f"Argument `shape` must have a number of postsynaptic neurons that {split.devices} devices share evenly, "
            f"but has {n_post}."
        )
    return split
