"""What a step of a kernel does to its variables: the coefficients, computed once, and the step that uses them.

`synkin.stepper` and `synkin.solving.run` step with these, `synkin.respond` over stretches of any length. A step
comes in four kinds, by how far the transmitter reaches into it (see `synkin.solving.pulses`); each is a `StepKind`, and
a step picks among them. Variables are tuples in the order of the kernel's `synkin.solving.structure.Structure`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from synkin.solving import gate, loops, pulses
from synkin.solving.propagator import (
    SquaringTable,
    affine_change,
    apply_by_squaring,
    cascade_response,
    decay,
    markov_propagator,
    open_gate,
    phi,
    relaxation,
    squaring_table,
)

Variables = tuple[Array, ...]
Maybe = Any  # an Array, or None where the structure says that nothing can be


class Propagator(NamedTuple):
    """``y_i <- y_i + (source_i r + sum over j of drive_ij y_j - lost_i y_i)``; None where nothing can be.

    r is 1, or for occupancies what is left of 1: the part in the resting state.
    """

    source: tuple[Maybe, ...]
    drive: tuple[tuple[Maybe, ...], ...]
    lost: tuple[Maybe, ...]  # None where it is that of a variable before, see `Structure.decays_as`


class StepKind(NamedTuple):
    """What one kind of step does."""

    propagator: Propagator  # of all variables, or of all but the gate
    gate: gate.Integrals | None


class StepCoefficients(NamedTuple):
    """All that a step needs to know."""

    dt: Array  # ms
    pulse: Any  # `pulses.Pulse`; None for a linear kernel
    carried_pulse: pulses.Pulse | None  # of pulses that were under way when the run began; None at rest
    whole: StepKind  # with transmitter, or for a linear kernel any step
    last: StepKind | None  # the last step of a pulse; None where pulses last whole steps
    last_of_carried: StepKind | None  # the same of the pulses that were under way
    resting: StepKind | None  # without transmitter
    gate_rates: gate.Rates | None  # of a gate, where a step integrates them by itself
    table_range: gate.TableRange | None  # of a gate's tables; None where there are none
    leaves_table: (
        Any  # whether a run may leave that range, bool; None where it is not known, and is looked at in each step
    )
    output_weights: Any  # see `output_weights`


def compute(kernel: Any, params: Any, dt: Array, method: str, *, single_step: bool) -> StepCoefficients:
    """The coefficients of a run from rest.

    Args:
        kernel: a `synkin.declaring.kernel.Kernel`.
        params: its ``Params``, arrays of one dtype.
        dt: ms, of that dtype.
        method: "exp_euler" or "exact".
        single_step: whether there is but one step to come, for which tables of a gate's integrals would not pay.
    """
    weights = output_weights(kernel, params)
    if kernel.input.takes_weights:
        propagator = _exp_euler_propagator if method == "exp_euler" else _exact_propagator
        whole = StepKind(propagator(kernel, params, [(dt, False)]), None)
        return StepCoefficients(dt, None, None, whole, None, None, None, None, None, None, weights)
    pulse = pulses.on_grid(params.T_dur, dt, method)
    if method == "exp_euler":
        integrals = gate.integrals_of_held_x(gate.gate_rates(kernel, params), dt) if kernel.structure.gated else None
        active, resting = (_exp_euler_propagator(kernel, params, [(dt, with_T)]) for with_T in (True, False))
        # One gate for both: it sees no transmitter.
        return StepCoefficients(
            dt, pulse, None, StepKind(active, integrals), None, None, StepKind(resting, None), None, None, None, weights
        )
    off = dt - pulse.last
    kinds = [[(dt, True)], [(pulse.last, True), (off, False)], [(dt, False)]]
    propagators = [_exact_propagator(kernel, params, stretches) for stretches in kinds]
    gate_rates = table_range = None
    gates: list[gate.Integrals | None] = [None] * len(kinds)
    if kernel.structure.gated:
        gate_rates = gate.gate_rates(kernel, params)
        if not single_step:
            tables, table_range = gate.tables(gate_rates, dt, [dt, pulse.last, jnp.zeros_like(dt)], params.T_dur)
            gates = [*tables]
    steps = [StepKind(propagator, table) for propagator, table in zip(propagators, gates, strict=True)]
    return StepCoefficients(dt, pulse, None, steps[0], steps[1], None, steps[2], gate_rates, table_range, None, weights)


def add_carried_pulse(
    kernel: Any, params: Any, coefs: StepCoefficients, pulse_left: Array, method: str
) -> tuple[StepCoefficients, Array]:
    """Coefficients of a run that begins with ``pulse_left`` ms of transmitter still to come, and the count of these."""
    count, carried = pulses.count_carried(coefs.pulse, params.T_dur, pulse_left, coefs.dt, method)
    last_of_carried = None
    if method == "exp_euler":  # all steps of a pulse are whole, the last one too
        carried = carried._replace(over=coefs.pulse.over)
    else:
        last_of_carried = StepKind(
            _exact_propagator(kernel, params, [(carried.last, True), (coefs.dt - carried.last, False)]), None
        )
    return coefs._replace(carried_pulse=carried, last_of_carried=last_of_carried), count


def with_leaves_table(coefs: StepCoefficients, x: Array) -> StepCoefficients:
    """Coefficients that say whether a run whose first variable starts at ``x`` may leave the range of the tables."""
    if coefs.table_range is None:
        return coefs
    return coefs._replace(leaves_table=gate.may_leave_table(_rates(coefs), coefs.table_range, x))


def step(kernel: Any, method: str, coefs: StepCoefficients, y: Variables, drive: Any) -> Variables:
    """One step.

    Args:
        kernel, method: as for `compute`.
        coefs: what that returned.
        y: variables at the start of the step.
        drive: the count of the pulse (see `synkin.solving.pulses`), or the row at which it ends and that of the step,
            from which the count follows; or the weight of an input, mS.
    """
    structure = kernel.structure
    if coefs.table_range is not None:
        ends, row = drive if isinstance(drive, tuple) else (drive, None)
        return _step_gate(structure, coefs._replace(output_weights=None), y, ends, row)
    if isinstance(drive, tuple):
        drive = pulses.count(*drive)
    in_turn = kernel.in_turn and method == "exp_euler"
    conserved = structure.kind == "occupancies" and method == "exact"
    if kernel.input.takes_weights:
        after = _apply(structure, coefs.whole.propagator, y, in_turn, conserved=conserved)
        (variable,) = kernel.input.variables
        i = kernel.order.index(variable)
        return (*after[:i], after[i] + drive.astype(after[i].dtype), *after[i + 1 :])
    after = _apply(structure, _select_propagator(coefs, drive), y, in_turn, conserved=conserved)
    if not structure.gated:
        return after
    x, g = after[0] if in_turn else y[0], y[1]
    if method == "exp_euler":
        assert coefs.whole.gate is not None
        opened, closed = gate.look_up(coefs.whole.gate, None, x)
    else:
        opened, closed = gate.integrals_of_step(_rates(coefs), x, _stretches_of_step(coefs, drive))
    return *after, open_gate(g, opened, closed)


def step_drivers(kernel: Any, method: str, coefs: StepCoefficients, y: Variables, drive: Array) -> Variables:
    """`step` of all variables but a last one that drives no other, and of whose value none of it depends."""
    if coefs.table_range is None:
        return step(kernel, method, coefs, y, drive)[:-1]
    return _apply(kernel.structure, _select_propagator(coefs, drive), y, False, conserved=False)


def propagation(kernel: Any, params: Any, T: Array | None = None) -> Callable[[Variables, Array, Any], Variables]:
    """What exact stretches of any length do to variables: ``propagate(y, duration, at)``, of any one shape.

    Args:
        kernel: a `synkin.declaring.kernel.Kernel`.
        params: its ``Params``, scalars.
        T: (C,) mM, concentrations among which ``at`` selects by index; by default ``at`` is whether the transmitter is
            there, True or False.
    """
    if T is not None:
        return partial(propagate, kernel, params, systems_at(kernel, params, T))
    if not kernel.structure.has_matrix:
        return lambda y, duration, at: _propagate_closed_form(kernel, params, y, duration, with_transmitter=at)
    matrix = _MATRIX_OF_KIND[kernel.structure.kind]
    if kernel.input.takes_weights:
        matrices = matrix(kernel, params, with_transmitter=False)[None]
    else:
        matrices = jnp.stack([matrix(kernel, params, with_transmitter=at) for at in (False, True)])
    table = squaring_table(matrices, conserved=_is_conserved(kernel))
    return lambda y, duration, at: propagate(kernel, params, table, y, duration, int(at))


def systems_at(kernel: Any, params: Any, T: Array) -> Any:
    """What `propagate` takes of each of the concentrations ``T`` (C,) mM: a table of squarings, or T itself."""
    if not kernel.structure.has_matrix:
        return T
    matrix = _MATRIX_OF_KIND[kernel.structure.kind]
    matrices = jax.vmap(lambda T: matrix(kernel, params._replace(T=T), with_transmitter=True))(T)
    return squaring_table(matrices, conserved=_is_conserved(kernel))


def split_systems(given: Any, count: int) -> Any:
    """The first ``count`` of the `systems_at`, an axis in front of all arrays."""
    if isinstance(given, SquaringTable):
        return given.generator[:count], given.step[:count], jnp.moveaxis(given.powers, 1, 0)[:count]
    return given[:count]


def single_system(kernel: Any, given: Any) -> Any:
    """`systems_at` of a single one, of what `split_systems` gave."""
    if isinstance(given, tuple):
        generator, step, powers = given
        return SquaringTable(generator[None], step[None], powers[:, None], _is_conserved(kernel))
    return given[None]


def propagate(kernel: Any, params: Any, given: Any, y: Variables, duration: Array, at: Any) -> Variables:
    """Variables after exact stretches of ``duration`` ms; ``at`` selects among the ``given`` `systems_at` by index."""
    if not kernel.structure.has_matrix:
        return _propagate_closed_form(kernel, params._replace(T=given[at]), y, duration, with_transmitter=True)
    if _is_conserved(kernel):
        return tuple(apply_by_squaring(given, at, jnp.stack([1 - sum(y[1:], y[0]), *y]), duration)[1:])
    return tuple(apply_by_squaring(given, at, jnp.stack([*y, jnp.ones_like(y[0])]), duration)[:-1])


def _propagate_closed_form(
    kernel: Any, params: Any, y: Variables, duration: Array, *, with_transmitter: bool
) -> Variables:
    """Variables after ``duration`` ms by closed forms; all of it with transmitter or all without."""
    structure, stretch = kernel.structure, [(duration, with_transmitter)]
    after = _apply(structure, _exact_propagator(kernel, params, stretch), y, False, conserved=False)
    if not structure.gated:
        return after
    opened, closed = gate.integrals(gate.gate_rates(kernel, params), y[0], stretch)
    return *after, open_gate(y[1], opened, closed)


def output_weights(kernel: Any, params: Any) -> Any:
    """What g is made of: the parameters' weights of the variables, or the parameters where it is no sum of these."""
    structure = kernel.structure
    if not structure.linear_output:
        return params
    zero = jnp.zeros((), _dtype(params))
    at_0 = (zero,) * structure.size
    return tuple(
        jax.jvp(lambda y: kernel.conductance_of(params, y), (at_0,), (_unit_vector(at_0, i),))[1]
        if weight is True
        else None
        for i, weight in enumerate(structure.output)
    )


def conductance(kernel: Any, weights: Any, y: Variables) -> Array:
    """g in mS (or as a fraction of the maximum) of variables of any shape; ``weights`` as in `output_weights`."""
    structure = kernel.structure
    if not structure.linear_output:
        return kernel.conductance_of(weights, y)
    total = None
    for variable, weight, own in zip(y, structure.output, weights, strict=True):
        if own is None and weight == 0:
            continue
        part = own * variable if own is not None else variable if weight == 1 else float(weight) * variable
        total = part if total is None else total + part
    return jnp.zeros_like(y[0]) if total is None else total


def linearize(kernel: Any, params: Any, *, with_transmitter: bool) -> tuple[list[Array], list[list[Array]]]:
    """Inflow of each variable and the matrix of the equations, as arrays of the parameters' shapes."""
    zero = jnp.zeros((), _dtype(params))
    at_0 = (zero,) * kernel.structure.size
    T = params.T if with_transmitter else zero

    def f(y: Variables) -> tuple[Array, ...]:
        return tuple(jnp.asarray(d) for d in kernel.derivatives(params, y, T))

    columns = [jax.jvp(f, (at_0,), (_unit_vector(at_0, j),)) for j in range(len(at_0))]
    return list(columns[0][0]), [[column[1][i] for column in columns] for i in range(len(at_0))]


def _exp_euler_propagator(kernel: Any, params: Any, stretches: list[tuple[Array, bool]]) -> Propagator:
    """A step in which every variable relaxes by its own exponential, the others held still."""
    structure, ((dt, with_transmitter),) = kernel.structure, stretches
    source, matrix = linearize(kernel, params, with_transmitter=with_transmitter)
    sources = structure.source if with_transmitter else structure.source_at_rest
    linear = range(structure.size - structure.gated)
    mean = [dt * phi(matrix[i][i] * dt) for i in linear]
    return Propagator(
        source=tuple(_value_if(sources[i], source[i] * mean[i]) for i in linear),
        drive=tuple(tuple(_value_if(structure.drive[i][j], matrix[i][j] * mean[i]) for j in linear) for i in linear),
        lost=tuple(_value_if(structure.decays_as[i] == i, decay(-matrix[i][i], dt)) for i in linear),
    )


def _exact_propagator(kernel: Any, params: Any, stretches: list[tuple[Array, bool]]) -> Propagator:
    """What stretches of time do one after the other, each (ms, whether with transmitter), exactly."""
    return _EXACT_PROPAGATORS[kernel.structure.kind](kernel, params, stretches)


def _relaxation_propagator(kernel: Any, params: Any, stretches: list[tuple[Array, bool]]) -> Propagator:
    lost: Any = None
    gained: Any = None
    for duration, with_transmitter in stretches:
        source, matrix = linearize(kernel, params, with_transmitter=with_transmitter)
        rate, has_source = (
            -matrix[0][0],
            (kernel.structure.source if with_transmitter else kernel.structure.source_at_rest)[0],
        )
        lost_here = decay(rate, duration)
        gained_here = relaxation(source[0], rate, duration).gained if has_source else None
        if lost is None:
            lost, gained = lost_here, gained_here
            continue
        lost = lost + lost_here * (1 - lost)
        gained = (
            gained_here if gained is None else gained - lost_here * gained + (0 if gained_here is None else gained_here)
        )
    return Propagator((gained,), ((None,),), (lost,))


def _chain_propagator(kernel: Any, params: Any, stretches: list[tuple[Array, bool]]) -> Propagator:
    ((duration, _),) = stretches
    _, matrix = linearize(kernel, params, with_transmitter=False)
    rates, structure = (-matrix[0][0], -matrix[1][1]), kernel.structure
    drive = _value_if(structure.drive[1][0], matrix[1][0] * cascade_response(*rates, duration))
    lost = tuple(_value_if(structure.decays_as[i] == i, decay(rate, duration)) for i, rate in enumerate(rates))
    return Propagator((None, None), ((None, None), (drive, None)), lost)


def _markov_kind_propagator(kernel: Any, params: Any, stretches: list[tuple[Array, bool]]) -> Propagator:
    total: Any = None
    for duration, with_transmitter in stretches:
        p = markov_propagator(generator(kernel, params, with_transmitter=with_transmitter), duration)
        total = p if total is None else jnp.matmul(p, total, precision=jax.lax.Precision.HIGHEST)
    states = range(1, kernel.structure.size + 1)
    off = {(i, j): total[..., i, j] for i in range(len(states) + 1) for j in range(len(states) + 1) if i != j}
    return Propagator(
        source=tuple(off[i, 0] for i in states),
        drive=tuple(tuple(off[i, j] if i != j else None for j in states) for i in states),
        # All that leaves, and not 1 less what stays, which is next to 1.
        lost=tuple(sum(off[i, j] for i in range(len(states) + 1) if i != j) for j in states),
    )


def _affine_propagator(kernel: Any, params: Any, stretches: list[tuple[Array, bool]]) -> Propagator:
    structure = kernel.structure
    total: Any = None
    for duration, with_transmitter in stretches:
        change = affine_change(_augmented_matrix(kernel, params, with_transmitter=with_transmitter), duration)
        total = (
            change if total is None else total + change + jnp.matmul(change, total, precision=jax.lax.Precision.HIGHEST)
        )
    n = structure.size
    reach = _reachable(structure.drive)
    has_source = [any(structure.source[j] and (i == j or reach[i][j]) for j in range(n)) for i in range(n)]
    return Propagator(
        source=tuple(_value_if(has_source[i], total[..., i, n]) for i in range(n)),
        drive=tuple(tuple(_value_if(reach[i][j] and i != j, total[..., i, j]) for j in range(n)) for i in range(n)),
        lost=tuple(-total[..., i, i] for i in range(n)),
    )


_EXACT_PROPAGATORS = {
    "relaxation": _relaxation_propagator,
    "gate": _relaxation_propagator,
    "chain": _chain_propagator,
    "occupancies": _markov_kind_propagator,
    "affine": _affine_propagator,
}


def _augmented_matrix(kernel: Any, params: Any, *, with_transmitter: bool) -> Array:
    """The matrix of affine equations, (..., n + 1, n + 1), in which a last variable, always 1, brings the inflow."""
    source, matrix = linearize(kernel, params, with_transmitter=with_transmitter)
    rows = [[*row, inflow] for row, inflow in zip(matrix, source, strict=True)]
    return stacked([*rows, [jnp.zeros_like(source[0])] * (len(source) + 1)])


def generator(kernel: Any, params: Any, *, with_transmitter: bool) -> Array:
    """The matrix of rates between the states of a receptor, /ms, (..., n + 1, n + 1), the resting state first.

    Element [i, j] is the rate from j to i: as a scheme says, or what the equations give for i where all is in j.
    """
    structure = kernel.structure
    zero = jnp.zeros((), _dtype(params))
    at_0 = (zero,) * structure.size
    T = params.T if with_transmitter else zero
    if kernel.matrix is not None:
        return kernel.matrix(params, T)
    columns = []
    for j in range(-1, structure.size):
        y = at_0 if j < 0 else _unit_vector(at_0, j)
        column: list[Any] = [jnp.asarray(d) for d in kernel.derivatives(params, y, T)]
        # None is negative, as `structure.find` has seen, but by rounding next to nothing may come out below 0.
        column = [_clip_at_0(d) if i != j else d for i, d in enumerate(column)]
        if j >= 0:
            to_rest = _clip_at_0(-sum(column))
            others = [d for i, d in enumerate(column) if i != j]
            column[j] = -sum([to_rest, *others])
            columns.append([to_rest, *column])
        else:
            columns.append([-sum(column), *column])
    return jnp.swapaxes(stacked(columns), -1, -2)


_MATRIX_OF_KIND = {"occupancies": generator, "affine": _augmented_matrix}


def _apply(structure: Any, propagator: Propagator, y: Variables, in_turn: bool, *, conserved: bool) -> Variables:
    """Variables after a propagator; with ``in_turn`` each is driven by the new values of those before it."""
    rest = 1 - sum(y[: len(propagator.lost)]) if conserved else None
    after: list[Array] = []
    for i in range(len(propagator.lost)):
        lost = propagator.lost[structure.decays_as[i]]
        parts = (
            []
            if propagator.source[i] is None
            else [propagator.source[i] if rest is None else propagator.source[i] * rest]
        )
        for j, drive in enumerate(propagator.drive[i]):
            if drive is not None:
                parts.append(drive * (after[j] if in_turn and j < i else y[j]))
        after.append(y[i] + (sum(parts[1:], parts[0]) - lost * y[i]) if parts else y[i] - lost * y[i])
    return tuple(after)


def _select_propagator(coefs: StepCoefficients, count: Array) -> Propagator:
    """The propagator of a step of that count."""
    kinds = [kind for kind in (coefs.whole, coefs.last, coefs.last_of_carried, coefs.resting) if kind is not None]
    return _select_by_count(count, *(kind.propagator for kind in kinds))


def _select_by_count(count: Array, *kinds: Any) -> Any:
    """Of trees for the kinds of steps, in the order in which a count falls, that of a step of that count."""

    def one(*kinds: Any) -> Any:
        if kinds[0] is None:
            return None
        whole, *partly, none = kinds
        if none is None:  # without transmitter nothing is gained
            none = jnp.zeros_like(whole)
        if all(kind is whole for kind in kinds):
            return whole
        if not partly:
            return jnp.where(count >= 2, whole, none)
        ending = partly[0] if len(partly) == 1 else jnp.where(count % 2 == 0, partly[0], partly[1])
        return jnp.where(count >= 4, whole, jnp.where(count >= 2, ending, none))

    return jax.tree.map(one, *kinds, is_leaf=lambda x: x is None)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _step_gate(structure: Any, coefs: StepCoefficients, y: Variables, ends: Array, row: Array | None) -> Variables:
    """A step of x and of the gate that it opens, by a table or, where that has no x as large, by the sum over nodes.

    So too in the step in which a pulse ends that was under way at the start. All of it is behind a condition: what
    XLA's CPU has to do in a step without it counts, not how much.
    """

    def by_table(coefs: StepCoefficients, y: Variables, ends: Array, row: Array | None) -> Variables:
        (x, g), count = y, _count_of_step(ends, row)
        g = open_gate(g, *_integrals_from_table(coefs, x, count))
        g = jnp.where(
            (x >= 0) & ~_is_outside_table(coefs, x, count), g, jnp.nan
        )  # a table is never read outside its range
        return *_apply(structure, _select_propagator(coefs, count), y, False, conserved=False), g

    known = coefs.leaves_table is not None and coefs.carried_pulse is None
    leaves_table = (
        coefs.leaves_table
        if known
        else loops.any_across_batch(_is_outside_table(coefs, y[0], _count_of_step(ends, row)))
    )
    return jax.lax.cond(leaves_table, partial(_step_gate_by_table_or_sum, structure), by_table, coefs, y, ends, row)


@_step_gate.defjvp
def _step_gate_jvp(structure: Any, primals: Any, tangents: Any) -> tuple[Variables, Variables]:
    # Not through the condition above, out of which a derivative of every coefficient would come for every synapse.
    return jax.jvp(partial(_step_gate_by_table_or_sum, structure), primals, tangents)


def _step_gate_by_table_or_sum(
    structure: Any, coefs: StepCoefficients, y: Variables, ends: Array, row: Array | None
) -> Variables:
    """`_step_gate`, so that nothing but the sum is behind a condition."""
    (x, g), count = y, _count_of_step(ends, row)

    @jax.checkpoint  # a derivative keeps of a step what goes into this, and nothing for each of its nodes
    def integrate(coefs: StepCoefficients, x: Array, count: Array) -> tuple[Array, Array]:
        return gate.integrals(_rates(coefs), x, _stretches_of_step(coefs, count))

    outside = _is_outside_table(coefs, x, count)
    exact = jax.lax.cond(loops.any_across_batch(outside), integrate, lambda coefs, x, count: (x, x), coefs, x, count)
    opened, closed = (
        jnp.where(outside, *pair) for pair in zip(exact, _integrals_from_table(coefs, x, count), strict=True)
    )
    g = jnp.where(x < 0, jnp.nan, open_gate(g, opened, closed))  # what opens by less than nothing is not solved
    return *_apply(structure, _select_propagator(coefs, count), y, False, conserved=False), g


def _count_of_step(ends: Array, row: Array | None) -> Array:
    """The count of a step, which is ``ends`` itself where no row is given."""
    return ends if row is None else pulses.count(ends, row)


def _is_outside_table(coefs: StepCoefficients, x: Array, count: Array) -> Array:
    """Where no table has the integrals of a step."""
    assert coefs.table_range is not None
    outside = gate.is_outside(coefs.table_range, x)
    return outside if coefs.carried_pulse is None else outside | (count == 3)


def _integrals_from_table(coefs: StepCoefficients, x: Array, count: Array) -> tuple[Array, Array]:
    """The integrals of a gate over a step of that count, by its table."""
    kinds = [kind.gate for kind in (coefs.whole, coefs.last, coefs.resting) if kind is not None]
    return gate.look_up(_select_by_count(count, *kinds), coefs.table_range, x)


def _stretches_of_step(coefs: StepCoefficients, count: Array) -> gate.Stretches:
    on = _transmitter_of_step(coefs, count)
    return [(on, True), (coefs.dt - on, False)]


def _transmitter_of_step(coefs: StepCoefficients, count: Array) -> Array:
    """The ms of transmitter in a step of that count."""
    last = (
        coefs.pulse.last
        if coefs.carried_pulse is None
        else jnp.where(count % 2 == 0, coefs.pulse.last, coefs.carried_pulse.last)
    )
    return jnp.where(count >= 4, coefs.dt, jnp.where(count >= 2, last, jnp.zeros_like(last)))


def _rates(coefs: StepCoefficients) -> gate.Rates:
    assert coefs.gate_rates is not None
    return coefs.gate_rates


def _reachable(drive: tuple[tuple[bool, ...], ...]) -> list[list[bool]]:
    """[i][j], whether j acts on i, directly or through others."""
    reach = [list(row) for row in drive]
    for k in range(len(drive)):
        for i in range(len(drive)):
            for j in range(len(drive)):
                reach[i][j] = reach[i][j] or (reach[i][k] and reach[k][j])
    return reach


def stacked(rows: list[list[Array]]) -> Array:
    """A matrix of arrays that broadcast, (..., rows, columns)."""
    shape = jnp.broadcast_shapes(*(entry.shape for row in rows for entry in row))
    return jnp.stack([jnp.stack([jnp.broadcast_to(e, shape) for e in row], axis=-1) for row in rows], axis=-2)


def _unit_vector(zeros: Variables, j: int) -> Variables:
    return tuple(jnp.ones_like(zero) if i == j else zero for i, zero in enumerate(zeros))


def _clip_at_0(rate: Array) -> Array:
    """0 where it is below, with the derivative of ``rate`` all the same."""
    return rate + jax.lax.stop_gradient(jnp.maximum(rate, 0) - rate)


def _is_conserved(kernel: Any) -> bool:
    return kernel.structure.kind == "occupancies"


def _value_if(there: bool, value: Array) -> Maybe:
    return value if there else None


def _dtype(params: Any) -> Any:
    return jax.tree.leaves(params)[0].dtype
