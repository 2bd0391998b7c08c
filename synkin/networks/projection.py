"""`Projection`: the connections from one group of neurons to another, and what arrives by them step after step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import fields, units
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_array, as_real, check_finite
from synkin.networks.delivery import Connections, deliver, deliver_all
from synkin.networks.sharding import Split

Delivered: TypeAlias = "tuple[ProjectionCarry, Array]"
Step: TypeAlias = "Callable[[Projection, Connections, ProjectionCarry, Array], Delivered]"


@fields.described
class ProjectionCarry(NamedTuple):
    """What a `synkin.Projection` passes from step to step: what is on its way.

    Example:
        >>> projection = synkin.connect([0, 1], [0, 0], [0.1, 0.2], 0.3, shape=(2, 1), dt=0.1)
        >>> carry, arriving = projection.step(projection.init(), [True, True])
        >>> round(float(carry.ring.sum()), 3)  # mS on their way
        0.3
    """

    ring: Annotated[Array, "(rows * (n_post + 1),), what will arrive, one row for each step to come, as the weights"]
    row: Annotated[Array, "int32, which row is that of the next step"]


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["blocks", "places"],
    meta_fields=["shape", "count", "rows", "split"],
)
@dataclass(frozen=True, repr=False)
class Projection:
    """What `synkin.connect` returns. It is a pytree: a function under jit, vmap or grad may close over it, take it as
    an argument or return it.

    Example:
        >>> projection = synkin.connect([0, 1], [0, 0], [0.1, 0.2], shape=(2, 1))
        >>> print(projection.shape, projection.weights)
        (2, 1) [0.1 0.2]
        >>> stepper = synkin.stepper(synkin.expon, synkin.expon.Params(tau=5.0), 0.1)
        >>> coming, arriving = projection.step(projection.init(), [True, True])
        >>> synapse, g = stepper.step(stepper.init((1,)), arriving)
        >>> print(g.round(3))
        [0.3]
    """

    blocks: Connections
    places: Array  # int32, (C,): where in the flat blocks each of the given connections is
    shape: tuple[int, int]  # (n_pre, n_post)
    count: int  # of connections
    rows: int  # of the ring: the longest delay in steps, and 1
    split: Split | None = None  # how the postsynaptic neurons are split over devices

    def __dir__(self) -> list[str]:
        return fields.completion(
            ("count", "dtype", "init", "shape", "step", "weigh", "weights", "with_weights"), super().__dir__()
        )

    @property
    def dtype(self) -> jnp.dtype:
        """The floating dtype of the weights, and of what arrives."""
        return self.blocks.weights.dtype

    @property
    def weights(self) -> Array:
        """The weights, (C,) in the order in which the connections were given, or a scalar if they were given as one."""
        weights = self.blocks.weights
        return weights if weights.ndim == 0 else weights.reshape(-1).at[self.places].get(unique_indices=True)

    def with_weights(self, weights: ArrayLike) -> Projection:
        """The same connections with other weights.

        Args:
            weights: (C,) in the order in which the connections were given, or a scalar. They may be traced, and may be
                a quantity in mS.

        Raises:
            TypeError, ValueError: the weights are of the wrong kind or shape, or not finite.

        Example:
            >>> projection = synkin.connect([0, 1], [0, 0], [0.1, 0.2], shape=(2, 1))
            >>> print(projection.with_weights([1.0, 2.0]).weights)
            [1. 2.]
            >>> total = lambda w: projection.with_weights(w).weigh(jnp.array([0.5, 0.25])).sum()
            >>> print(jax.grad(total)(jnp.array([0.1, 0.2])))
            [0.5 0.25]
        """
        unit = "mS" if units.has_dimension(weights, "mS") else "1"
        real = as_real("weights", units.strip_unit("weights", weights, unit))
        if np.shape(real) not in ((), (self.count,)):
            raise ValueError(
                f"Argument `weights` must be a number, or have shape ({self.count},), one for each connection, but has "
                f"shape {np.shape(real)}."
            )
        check_finite("weights", real)
        given = as_array(real, self.dtype)
        if given.ndim:
            shape = self.blocks.destinations.shape
            flat = jnp.zeros(int(np.prod(shape)), given.dtype).at[self.places].set(given, unique_indices=True)
            given = flat.reshape(shape)
            given = given if self.split is None else jax.lax.with_sharding_constraint(given, self.split.sharding)
        return replace(self, blocks=self.blocks._replace(weights=given))

    def init(self) -> ProjectionCarry:
        """The carry for the first step: no spike is on its way.

        Example:
            >>> projection = synkin.connect([0, 1], [0, 0], [0.1, 0.2], 0.3, shape=(2, 1), dt=0.1)
            >>> carry = projection.init()
            >>> carry, arriving = projection.step(carry, [True, True])
            >>> print(arriving)
            [0.]
        """
        size = self.rows * (self.columns + 1)
        if self.split is None:
            ring = jnp.zeros((size,), self.dtype)
        else:
            ring = self.split.zeros(size, self.dtype)
        return ProjectionCarry(ring, jnp.zeros((), jnp.int32))

    def step(self, carry: ProjectionCarry, spikes: ArrayLike) -> tuple[ProjectionCarry, Array]:
        """Advance by one step.

        Args:
            carry: from `init` or the step before.
            spikes: (n_pre,): booleans, or numbers by which the weights are multiplied, such as surrogate spikes, a
                release or a conductance. Neurons at 0 cost no time.

        Returns:
            The carry, and what arrives in this step, (n_post,), in the unit of the weights: the input for a kernel's
            step.

        Raises:
            TypeError, ValueError: spikes are of the wrong kind or shape, or the carry is of a projection of another
                size.

        Example:
            >>> projection = synkin.connect([0, 1], [0, 0], [0.1, 0.2], shape=(2, 1))
            >>> spikes = jnp.array([[True, False], [True, True]])
            >>> carry, arriving = jax.lax.scan(projection.step, projection.init(), spikes)
            >>> print(arriving.round(3))  # a row for each step
            [[0.1]
             [0.3]]
        """
        if not isinstance(carry, ProjectionCarry):
            raise TypeError(f"Argument `carry` must be one of this projection's `init`, but is {describe(carry)}.")
        if np.shape(carry.ring) != self._ring_shape():
            raise ValueError(
                f"Argument `carry` must have a `ring` of shape {self._ring_shape()}, as this projection's `init` gives "
                f"it, but has one of shape {np.shape(carry.ring)}, of another projection."
            )
        given = as_real("spikes", units.strip_unit("spikes", spikes, "1"))
        self._check_neurons("spikes", given)
        values = as_array(given)
        return _step(self, carry, values if values.dtype == bool else values.astype(self.dtype))

    def weigh(self, g: ArrayLike) -> Array:
        """For each postsynaptic neuron, the sum of weight times g over its connections, as in ``W @ g``.

        A receptor saturates, so a network needs one kernel for each presynaptic neuron; g are their conductances.

        Args:
            g: (n_pre,), in any unit.

        Returns:
            (n_post,), in the unit of g times that of the weights.

        Raises:
            TypeError, ValueError: g is of the wrong kind or shape, or the projection has delays. Then delay the spikes
                before they reach the kernel, or give g to `step` in place of spikes.

        Example:
            >>> projection = synkin.connect([0, 1], [0, 0], [0.1, 0.2], shape=(2, 1))
            >>> g = jnp.array([0.5, 0.0])  # a receptor for each presynaptic neuron
            >>> print(projection.weigh(g).round(3))
            [0.05]
        """
        if self.rows > 1:
            raise ValueError(
                "`weigh` needs a projection without delays, but this one has delays: delay the spikes before they "
                "reach the kernel, by a projection of each neuron onto itself, or give g to `step` in place of spikes."
            )
        given = as_real("g", g)
        self._check_neurons("g", given)
        return _weigh(self, as_array(given).astype(self.dtype))

    @property
    def columns(self) -> int:
        """The number of postsynaptic neurons of one device."""
        return self.shape[1] if self.split is None else self.split.own(self.shape[1])

    def _ring_shape(self) -> tuple[int, ...]:
        size = self.rows * (self.columns + 1)
        return (size,) if self.split is None else (self.split.devices, size)

    def _check_neurons(self, name: str, given: ArrayLike) -> None:
        if np.shape(given) != self.shape[:1]:
            raise ValueError(
                f"Argument `{name}` must have shape {self.shape[:1]}, one for each presynaptic neuron, but has shape "
                f"{np.shape(given)}."
            )

    def __repr__(self) -> str:
        pre, post = self.shape
        delays = f", delays up to {self.rows - 1} steps" if self.rows > 1 else ""
        return f"projection({pre} -> {post} neurons, {self.count} connections{delays})"


def _step_of_device(
    projection: Projection, connections: Connections, carry: ProjectionCarry, spikes: Array
) -> tuple[ProjectionCarry, Array]:
    """`Projection.step` of the postsynaptic neurons of one device."""
    ring, row = carry
    columns, rows = projection.columns, projection.rows
    # The row that was read in the step before is cleared now. If it were cleared when it is read, XLA would copy the
    # ring, which takes longer than all else. The last column takes what fills up blocks.
    before = jnp.where(row == 0, rows - 1, row - 1)
    cleared = jnp.zeros(columns + 1, ring.dtype)
    ring = jax.lax.dynamic_update_slice(ring, cleared, (before * (columns + 1),))
    ring = deliver(connections, ring, spikes, row * (columns + 1))
    arriving = jax.lax.dynamic_slice(ring, (row * (columns + 1),), (columns,))
    return ProjectionCarry(ring, jnp.where(row + 1 == rows, 0, row + 1)), arriving


def _weigh_of_device(
    projection: Projection, connections: Connections, carry: ProjectionCarry, g: Array
) -> tuple[ProjectionCarry, Array]:
    """`Projection.weigh` of the postsynaptic neurons of one device."""
    ring = deliver_all(connections, carry.ring, g, carry.row)
    return carry, ring[: projection.columns]


def _on_each_device(projection: Projection, step: Step, carry: ProjectionCarry, spikes: Array) -> Delivered:
    if projection.split is None:
        return step(projection, projection.blocks, carry, spikes)
    return projection.split.step(partial(step, projection), projection.blocks, carry, spikes)


@jax.jit
def _step(projection: Projection, carry: ProjectionCarry, spikes: Array) -> Delivered:
    return _on_each_device(projection, _step_of_device, carry, spikes)


@jax.jit
def _weigh(projection: Projection, g: Array) -> Array:
    return _on_each_device(projection, _weigh_of_device, projection.init(), g)[1]
