"""One step of a kernel's variables, with coefficients from `synkin.solving.coefficients`."""

from functools import partial
from typing import TypeAlias, TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from synkin.solving import loops, pulses
from synkin.solving.coefficients import StepCoefficients, StepKind, pulse_of, rates_of
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators import gate_tables
from synkin.solving.propagators.closed_forms import open_gate
from synkin.solving.propagators.equations import Variables
from synkin.solving.propagators.gate_integrals import gate_integrals, integrals_of_step
from synkin.solving.propagators.of_kernel import Propagator, Stretches, apply
from synkin.solving.structure import Structure

# What drives a step. For a receptor it is the count of its pulse (see `synkin.solving.pulses`), or ``ends`` and the row
# of the step, from which the count follows; where spikes add to a variable it is what they add.
Drive: TypeAlias = Array | tuple[Array, Array]

Tree = TypeVar("Tree")


def step(kernel: Kernel, method: str, coefs: StepCoefficients, y: Variables, drive: Drive, spikes_at: str) -> Variables:
    """One step.

    Args:
        kernel, method: as for `synkin.solving.coefficients.compute`.
        coefs: what that returned.
        y: variables at the start of the step.
        drive: see `Drive`.
        spikes_at: whether what a spike adds is added at the "start" of the step or at its "end". A pulse begins where
            the count says, whatever this is.

    Returns:
        The variables at the end of the step.
    """
    if coefs.pulse is None:  # spikes add to a variable
        assert not isinstance(drive, tuple)
        if spikes_at == "start":
            return step_by_count(kernel, method, coefs, add_weight(kernel, y, drive), None)
        return add_weight(kernel, step_by_count(kernel, method, coefs, y, None), drive)
    if coefs.table_range is not None:
        ends, row = drive if isinstance(drive, tuple) else (drive, None)
        return _step_gate(kernel.structure, coefs._replace(output_weights=None), y, ends, row)
    return step_by_count(kernel, method, coefs, y, pulses.count(*drive) if isinstance(drive, tuple) else drive)


def add_weight(kernel: Kernel, y: Variables, weight: Array) -> Variables:
    """The variables of a linear kernel after an input."""
    (variable,) = kernel.input.variables
    i = kernel.order.index(variable)
    return (*y[:i], y[i] + weight.astype(y[i].dtype), *y[i + 1 :])


def step_by_count(kernel: Kernel, method: str, coefs: StepCoefficients, y: Variables, count: Array | None) -> Variables:
    """A step of that count, which is None where there are no pulses; without what a spike adds."""
    structure = kernel.structure
    if coefs.table_range is not None:
        return _step_gate(structure, coefs._replace(output_weights=None), y, count, None)
    in_turn = kernel.in_turn and method == "exp_euler"
    conserved = structure.kind == "occupancies" and method == "exact"
    after = apply(structure, _select_propagator(coefs, count), y, in_turn, conserved=conserved)
    if not structure.gated:
        return after
    x, g = after[0] if in_turn else y[0], y[1]
    if coefs.whole.gate is not None:  # "exp_euler"
        opened, closed = gate_tables.look_up(coefs.whole.gate, None, x)
    else:
        opened, closed = integrals_of_step(rates_of(coefs), x, stretches_of_step(coefs, count))
    return *after, open_gate(g, opened, closed)


def step_drivers(
    kernel: Kernel, method: str, coefs: StepCoefficients, y: Variables, drive: Array, spikes_at: str
) -> Variables:
    """The step of all variables but the last, where that drives no other variable; its value may be anything."""
    if coefs.table_range is None or coefs.pulse is None:
        return step(kernel, method, coefs, y, drive, spikes_at)[:-1]
    return apply(kernel.structure, _select_propagator(coefs, drive), y, False, conserved=False)


def driver_after_step(structure: Structure, coefs: StepCoefficients, x: Array, count: Array | None) -> Array:
    """What opens a gate, after a step of that count that begins with ``x``."""
    (x,) = apply(structure, _select_propagator(coefs, count), (x,), False, conserved=False)
    return x


def changes_of_steps(matrices: Array, before: Variables | Array, counts: Array, coefs: StepCoefficients) -> Array:
    """By how much changed propagators change the variables at the end of each step; for a kernel of occupancies.

    Args:
        matrices: (K n, n + 1), the changes of the propagators of the K `kinds`, see `of_kernel.as_matrix`.
        before: the variables before each step, each (T, *shape), as a loop keeps those of `loops.pack`.
        counts: of the steps, (T, *shape).
        coefs: of the run.

    Returns:
        (T, n, *shape). It is one product of matrices a step, and so is its derivative.
    """
    y = jnp.stack(before, axis=1) if isinstance(before, tuple) else before
    total, size = y.shape[:2]
    states = jnp.concatenate([1 - sum(jax.lax.split(y, (1,) * size, axis=1)), y], axis=1)
    # A matrix for each step: else the derivative would have one product, of steps that are first put in another order.
    each = jnp.broadcast_to(matrices, (total, *matrices.shape))
    changes = jnp.einsum("tij,tj...->ti...", each, states, precision=jax.lax.Precision.HIGHEST)
    return select_by_count(counts[:, None], *jax.lax.split(changes, (size,) * len(kinds(coefs)), axis=1))


def kinds(coefs: StepCoefficients) -> list[StepKind]:
    """The kinds of steps that there are, from the highest count to the lowest."""
    return [kind for kind in (coefs.whole, coefs.last, coefs.last_of_carried, coefs.resting) if kind is not None]


def _select_propagator(coefs: StepCoefficients, count: Array | None) -> Propagator:
    """The propagator of a step of that count."""
    if count is None:
        return coefs.whole.propagator
    return select_by_count(count, *(kind.propagator for kind in kinds(coefs)))


def select_by_count(count: Array, *kinds: Tree) -> Tree:
    """Of pytrees for the kinds of steps, from the highest count to the lowest, that of a step of that count."""

    def select(whole: Array | None, *others: Array | None) -> Array | None:
        if whole is None:
            return None
        # Without transmitter nothing is gained.
        *partly, resting = (jnp.zeros_like(whole) if kind is None else kind for kind in others)
        if all(kind is whole for kind in (*partly, resting)):
            return whole
        if not partly:
            return jnp.where(count >= 2, whole, resting)
        ending = partly[0] if len(partly) == 1 else jnp.where(count % 2 == 0, partly[0], partly[1])
        return jnp.where(count >= 4, whole, jnp.where(count >= 2, ending, resting))

    selected: Tree = jax.tree.map(select, *kinds, is_leaf=lambda x: x is None)
    return selected


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _step_gate(
    structure: Structure, coefs: StepCoefficients, y: Variables, ends: Array | None, row: Array | None
) -> Variables:
    """A step of x and of the gate that it opens: by a table or, where x is outside of its range, by the integrals.

    The last step of a pulse that was under way at the start has no table either. All of that case is behind one
    condition, because on XLA's CPU the number of operations outside of it counts, not their size.
    """

    def by_table(coefs: StepCoefficients, y: Variables, ends: Array | None, row: Array | None) -> Variables:
        (x, g), count = y, _count_of_step(ends, row)
        g = open_gate(g, *integrals_from_table(coefs, x, count))
        g = jnp.where((x >= 0) & ~is_outside_table(coefs, x, count), g, jnp.nan)  # nothing is extrapolated
        return *apply(structure, _select_propagator(coefs, count), y, False, conserved=False), g

    if coefs.leaves_table is not None and coefs.carried_pulse is None:
        outside = coefs.leaves_table
    else:
        outside = loops.any_across_batch(is_outside_table(coefs, y[0], _count_of_step(ends, row)))
    return jax.lax.cond(outside, partial(_step_gate_by_table_or_integrals, structure), by_table, coefs, y, ends, row)


_GateInputs = tuple[StepCoefficients, Variables, Array | None, Array | None]


@_step_gate.defjvp
def _step_gate_jvp(structure: Structure, primals: _GateInputs, tangents: _GateInputs) -> tuple[Variables, Variables]:
    # A derivative of the condition above would give one derivative of every coefficient for every synapse.
    return jax.jvp(partial(_step_gate_by_table_or_integrals, structure), primals, tangents)


def _step_gate_by_table_or_integrals(
    structure: Structure, coefs: StepCoefficients, y: Variables, ends: Array | None, row: Array | None
) -> Variables:
    """`_step_gate` with only the integrals behind a condition."""
    (x, g), count = y, _count_of_step(ends, row)

    @jax.checkpoint  # a derivative keeps the inputs of this, and nothing for each of its nodes
    def integrate(coefs: StepCoefficients, x: Array, count: Array | None) -> tuple[Array, Array]:
        return gate_integrals(rates_of(coefs), x, stretches_of_step(coefs, count))

    outside = is_outside_table(coefs, x, count)
    exact = jax.lax.cond(loops.any_across_batch(outside), integrate, lambda coefs, x, count: (x, x), coefs, x, count)
    tabled = integrals_from_table(coefs, x, count)
    opened, closed = (jnp.where(outside, *pair) for pair in zip(exact, tabled, strict=True))
    g = jnp.where(x < 0, jnp.nan, open_gate(g, opened, closed))  # the integrals are not right for a negative x
    return *apply(structure, _select_propagator(coefs, count), y, False, conserved=False), g


def _count_of_step(ends: Array | None, row: Array | None) -> Array | None:
    """The count of a step, which is ``ends`` itself where no row is given."""
    return ends if row is None or ends is None else pulses.count(ends, row)


def is_outside_table(coefs: StepCoefficients, x: Array, count: Array | None) -> Array:
    """Where no table has the integrals of a step."""
    assert coefs.table_range is not None
    outside = gate_tables.is_outside(coefs.table_range, x)
    return outside if coefs.carried_pulse is None else outside | (count == 3)


def integrals_from_table(coefs: StepCoefficients, x: Array, count: Array | None) -> tuple[Array, Array]:
    """The integrals of a gate over a step of that count, by its table."""
    if count is None:
        assert coefs.whole.gate is not None
        return gate_tables.look_up(coefs.whole.gate, coefs.table_range, x)
    kinds = (coefs.whole, coefs.last, coefs.resting)
    tables = [kind.gate for kind in kinds if kind is not None and kind.gate is not None]
    return gate_tables.look_up(select_by_count(count, *tables), coefs.table_range, x)


def stretches_of_step(coefs: StepCoefficients, count: Array | None, *, with_transmitter: bool = False) -> Stretches:
    """The stretches of a step of that count: first with transmitter, then without.

    Where there are no pulses ``count`` is None, and ``with_transmitter`` tells of which kind all steps are.
    """
    if count is None:
        return [(coefs.dt, with_transmitter)]
    last = pulse_of(coefs).last
    if coefs.carried_pulse is not None:
        last = jnp.where(count % 2 == 0, last, coefs.carried_pulse.last)
    on = jnp.where(count >= 4, coefs.dt, jnp.where(count >= 2, last, jnp.zeros_like(last)))
    return [(on, True), (coefs.dt - on, False)]
