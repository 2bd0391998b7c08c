"""The variables of a kernel after stretches of any length, exactly: for `synkin.respond` and protocols."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import Array

from synkin.arguments.declaration import AnyParams
from synkin.arguments.inputs import AddsWeight
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators import of_kernel
from synkin.solving.propagators.closed_forms import open_gate
from synkin.solving.propagators.equations import Variables, augmented_matrix, generator
from synkin.solving.propagators.gate_integrals import gate_integrals
from synkin.solving.propagators.gate_rates import gate_rates
from synkin.solving.propagators.matrix_exponential import SquaringTable, apply_by_squaring, squaring_table

# What `propagate` needs of a kernel at several concentrations: a table of squarings, or the concentrations in mM, (C,).
Systems: TypeAlias = SquaringTable | Array
# The same with the axis of the concentrations in front of every array, to be scanned over.
StackedSystems: TypeAlias = tuple[Array, Array, Array] | Array

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
    if not kernel.structure.has_matrix:
        return lambda y, duration, at: _propagate_closed_form(kernel, params, y, duration, with_transmitter=at)
    matrix = _MATRIX[kernel.structure.kind]
    if isinstance(kernel.input, AddsWeight):
        matrices = matrix(kernel, params, with_transmitter=False)[None]
    else:
        matrices = jnp.stack([matrix(kernel, params, with_transmitter=at) for at in (False, True)])
    table = squaring_table(matrices, conserved=_is_conserved(kernel))
    return lambda y, duration, at: propagate(kernel, params, table, y, duration, int(at))


def systems_at(kernel: Kernel, params: AnyParams, T: Array) -> Systems:
    """The systems of a kernel at the concentrations ``T`` (C,) mM."""
    if not kernel.structure.has_matrix:
        return T
    matrix = _MATRIX[kernel.structure.kind]
    matrices = jax.vmap(lambda T: matrix(kernel, params._replace(T=T), with_transmitter=True))(T)
    return squaring_table(matrices, conserved=_is_conserved(kernel))


def stack_systems(systems: Systems, count: int) -> StackedSystems:
    """The first ``count`` of the systems, with their axis in front of every array."""
    if isinstance(systems, SquaringTable):
        return systems.generator[:count], systems.step[:count], jnp.moveaxis(systems.powers, 1, 0)[:count]
    return systems[:count]


def single_system(kernel: Kernel, stacked: StackedSystems) -> Systems:
    """One system as `Systems`, of one entry of what `stack_systems` returned."""
    if isinstance(stacked, tuple):
        generator, step, powers = stacked
        return SquaringTable(generator[None], step[None], powers[:, None], _is_conserved(kernel))
    return stacked[None]


def propagate(
    kernel: Kernel, params: AnyParams, systems: Systems, y: Variables, duration: Array, at: int | Array
) -> Variables:
    """The variables after exact stretches of time.

    Args:
        kernel: a kernel of one part.
        params: its ``Params``, scalars.
        systems: see `Systems`.
        y: variables of any one shape.
        duration: ms, of that shape.
        at: index of the system that acts: a number, or int32 of that shape or a scalar.
    """
    if not isinstance(systems, SquaringTable):
        return _propagate_closed_form(kernel, params._replace(T=systems[at]), y, duration, with_transmitter=True)
    if systems.conserved:
        return tuple(apply_by_squaring(systems, at, jnp.stack([1 - sum(y[1:], y[0]), *y]), duration)[1:])
    return tuple(apply_by_squaring(systems, at, jnp.stack([*y, jnp.ones_like(y[0])]), duration)[:-1])


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


def _is_conserved(kernel: Kernel) -> bool:
    return kernel.structure.kind == "occupancies"
