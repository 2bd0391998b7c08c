"""The variables of a kernel after stretches of any length, exactly: for `synkin.respond` and protocols."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments.declaration import AnyParams
from synkin.arguments.inputs import AddsWeight
from synkin.arguments.known import concrete_value
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators import of_kernel
from synkin.solving.propagators.closed_forms import open_gate
from synkin.solving.propagators.equations import Variables, augmented_matrix, generator
from synkin.solving.propagators.gate_integrals import gate_integrals, integrals_of_step
from synkin.solving.propagators.gate_rates import gate_rates
from synkin.solving.propagators.matrix_exponential import SquaringTable, apply_by_squaring, squaring_table
from synkin.solving.propagators.of_kernel import Stretches

# What `propagate` needs of a kernel with several sets of parameters: a table of squarings, or the ``Params``, of arrays
# (C,), or () where all sets have the same value.
Systems: TypeAlias = SquaringTable | AnyParams
# The same with the axis of the sets in front of every array, to be scanned over.
StackedSystems: TypeAlias = tuple[Array, Array, Array] | AnyParams

# What `propagate_between_events` needs: the arrays of a table of squarings, or the ``Params``.
EventTables: TypeAlias = tuple[Array, Array, Array] | AnyParams

_MATRIX = {"occupancies": generator, "affine": augmented_matrix}


def propagation(kernel: Kernel, params: AnyParams) -> Callable[[Variables, Array, bool], Variables]:
    """A function that gives the variables after exact stretches of any length.

    Args:
        kernel: a kernel of one part.
        params: its ``Params``, scalars.

    Returns:
        ``f(y, duration, with_transmitter)``: variables of any one shape, ms of that shape, and whether there is
        transmitter; it returns the variables afterwards.
    """
    return partial(propagate_between_events, kernel, event_tables(kernel, params))


def event_tables(kernel: Kernel, params: AnyParams, longest: Array | None = None) -> EventTables:
    """What `propagate_between_events` needs of a kernel.

    Args:
        kernel: a kernel of one part.
        params: its ``Params``, scalars.
        longest: ms, the longest stretch there is; None if any may come.
    """
    if not kernel.structure.has_matrix:
        return params
    matrix = _MATRIX[kernel.structure.kind]
    if isinstance(kernel.input, AddsWeight):
        matrices = matrix(kernel, params, with_transmitter=False)[None]
    else:
        matrices = jnp.stack([matrix(kernel, params, with_transmitter=at) for at in (False, True)])
    table = squaring_table(matrices, conserved=_conserved(kernel))
    step, limit = concrete_value(table.step), None if longest is None else concrete_value(longest)
    powers = table.powers
    if step is not None and limit is not None:  # the powers beyond that stretch are never used
        longest_in_steps = float(limit) / step.min() * (1 + 1e-5)
        powers = powers[: max(int(np.floor(np.log2(longest_in_steps))) + 1, 0)]
    return table.generator, table.step, powers


def propagate_between_events(
    kernel: Kernel, tables: EventTables, y: Variables, duration: Array, with_transmitter: bool
) -> Variables:
    """The variables after stretches of any length; as `propagation`, of what `event_tables` gives."""
    if not kernel.structure.has_matrix:
        return _propagate_closed_form(kernel, tables, y, duration, with_transmitter=with_transmitter)
    generator, step, powers = tables
    table = SquaringTable(generator, step, powers, _conserved(kernel))
    return propagate(kernel, table, y, duration, int(with_transmitter))


def systems_of(kernel: Kernel, params: AnyParams, *, with_transmitter: bool = True) -> Systems:
    """The systems of a kernel with several sets of parameters.

    Args:
        kernel: a kernel of one part.
        params: its ``Params``, each an array (C,), or a scalar.
        with_transmitter: whether there is transmitter, of the concentration T.
    """
    if not kernel.structure.has_matrix:
        return params
    matrix = partial(_MATRIX[kernel.structure.kind], kernel, with_transmitter=with_transmitter)
    matrices = jax.vmap(matrix)(_spread(params))
    return squaring_table(matrices, conserved=_conserved(kernel))


def stack_systems(kernel: Kernel, systems: Systems, count: int) -> StackedSystems:
    """The first ``count`` of the systems, with their axis in front of every array."""
    if isinstance(systems, SquaringTable):
        return systems.generator[:count], systems.step[:count], jnp.moveaxis(systems.powers, 1, 0)[:count]
    return jax.tree.map(lambda value: value[:count], _spread(systems))


def single_system(kernel: Kernel, stacked: StackedSystems) -> Systems:
    """One system as `Systems`, of one entry of what `stack_systems` returned."""
    if kernel.structure.has_matrix:
        generator, step, powers = stacked
        return SquaringTable(generator[None], step[None], powers[:, None], _conserved(kernel))
    return jax.tree.map(lambda value: value[None], stacked)


def propagate(
    kernel: Kernel,
    systems: Systems,
    y: Variables,
    duration: Array,
    at: int | Array,
    *,
    with_transmitter: bool = True,
) -> Variables:
    """The variables after exact stretches of time.

    Args:
        kernel: a kernel of one part.
        systems: see `systems_of`.
        y: variables of any one shape.
        duration: ms, of that shape.
        at: index of the system that acts: a number, or int32 of that shape or a scalar.
        with_transmitter: as for `systems_of`.
    """
    if not isinstance(systems, SquaringTable):
        params = jax.tree.map(lambda value: value[at] if value.ndim else value, systems)
        return _propagate_closed_form(kernel, params, y, duration, with_transmitter=with_transmitter)
    if systems.conserved:
        occupied = y[: systems.conserved - 1]
        return tuple(apply_by_squaring(systems, at, jnp.stack([1 - sum(occupied[1:], y[0]), *y]), duration)[1:])
    return tuple(apply_by_squaring(systems, at, jnp.stack([*y, jnp.ones_like(y[0])]), duration)[:-1])


def propagate_within_step(kernel: Kernel, tables: EventTables, y: Variables, stretches: Stretches) -> Variables:
    """The variables after stretches that follow each other within one step, of what `event_tables` gives."""
    if kernel.structure.has_matrix:
        for duration, with_transmitter in stretches:
            y = propagate_between_events(kernel, tables, y, duration, with_transmitter)
        return y
    after = of_kernel.apply(
        kernel.structure, of_kernel.exact_propagator(kernel, tables, stretches), y, False, conserved=False
    )
    if not kernel.structure.gated:
        return after
    return *after, open_gate(y[1], *integrals_of_step(gate_rates(kernel, tables), y[0], stretches))


def _spread(params: AnyParams) -> AnyParams:
    """Parameters of one shape, (C,)."""
    return params._make(jnp.broadcast_arrays(*params))


def _propagate_closed_form(
    kernel: Kernel, params: AnyParams, y: Variables, duration: Array, *, with_transmitter: bool
) -> Variables:
    structure, stretch = kernel.structure, [(duration, with_transmitter)]
    propagator = of_kernel.exact_propagator(kernel, params, stretch)
    after = of_kernel.apply(structure, propagator, y, False, conserved=False)
    if not structure.gated:
        return after
    opened, closed = gate_integrals(gate_rates(kernel, params), y[0], stretch)
    return *after, open_gate(y[1], opened, closed)


def _conserved(kernel: Kernel) -> int:
    """How many variables of a kernel's matrix are occupancies: the resting state too, but not those that follow."""
    structure = kernel.structure
    return structure.size - structure.followers + 1 if structure.kind == "occupancies" else 0
