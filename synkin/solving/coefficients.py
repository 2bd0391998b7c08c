"""What a step of a kernel does to its variables: the coefficients, computed once, and the step that uses them.

`synkin.stepper` and `synkin.solving.run` step with these, `synkin.respond` moves over stretches of any length. A step
comes in four kinds, by how far the transmitter reaches into it (see `synkin.solving.pulses`); each is one `Move`, and a
step picks among them. Variables are tuples in the order of the kernel's `synkin.solving.structure.Structure`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from synkin.solving import gate, loops, pulses
from synkin.solving.propagator import (
    Ladder,
    affine_change,
    climb,
    decay,
    ladder,
    occupancies,
    open_gate,
    passed_on,
    phi,
    relaxation,
)

Variables = tuple[Array, ...]
Maybe = Any  # an Array, or None where the structure says that nothing can be


class Flow(NamedTuple):
    """``y_i <- y_i + (source_i r + sum over j of drive_ij y_j - lost_i y_i)``; None where nothing can be.

    r is 1, or for occupancies what is left of 1: the part in the resting state.
    """

    source: tuple[Maybe, ...]
    drive: tuple[tuple[Maybe, ...], ...]
    lost: tuple[Maybe, ...]  # None where it is that of a variable before, see `Structure.decays_as`


class Move(NamedTuple):
    """What one kind of step does."""

    flow: Flow  # of all variables, or of all but the gate
    gate: gate.Integrals | None


class Moves(NamedTuple):
    """All that a step needs to know."""

    dt: Array  # ms
    pulse: Any  # `pulses.Pulse`; None for a linear kernel
    before: pulses.Pulse | None  # of pulses that were under way when the run began; None at rest
    whole: Move  # with transmitter, or for a linear kernel any step
    last: Move | None  # the last step of a pulse; None where pulses last whole steps
    last_before: Move | None  # the same of the pulses that were under way
    none: Move | None  # without transmitter
    rates: gate.Rates | None  # of a gate, where a step integrates them by itself
    range: gate.Range | None  # of a gate's tables; None where there are none
    beyond: Any  # whether a run may leave that range, bool; None where it is not known, and is looked at in each step
    output: Any  # see `output_weights`


def prepare(kernel: Any, params: Any, dt: Array, method: str, *, once: bool) -> Moves:
    """The moves of a run from rest.

    Args:
        kernel: a `synkin.declaring.kernel.Kernel`.
        params: its ``Params``, arrays of one dtype.
        dt: ms, of that dtype.
        method: "exp_euler" or "exact".
        once: whether there is but one step to come, for which tables of a gate's integrals would not pay.
    """
    output = output_weights(kernel, params)
    if kernel.input.takes_weights:
        flow = _held if method == "exp_euler" else _flow
        whole = Move(flow(kernel, params, [(dt, False)]), None)
        return Moves(dt, None, None, whole, None, None, None, None, None, None, output)
    pulse = pulses.on_grid(params.T_dur, dt, method)
    if method == "exp_euler":
        held = gate.held(gate.rates(kernel, params), dt) if kernel.structure.gated else None
        active, resting = (_held(kernel, params, [(dt, with_T)]) for with_T in (True, False))
        # One gate for both: it sees no transmitter.
        return Moves(dt, pulse, None, Move(active, held), None, None, Move(resting, None), None, None, None, output)
    off = dt - pulse.last
    kinds = [[(dt, True)], [(pulse.last, True), (off, False)], [(dt, False)]]
    flows = [_flow(kernel, params, stretches) for stretches in kinds]
    rates = reach = None
    gates: list[gate.Integrals | None] = [None] * len(kinds)
    if kernel.structure.gated:
        rates = gate.rates(kernel, params)
        if not once:
            found, reach = gate.tables(rates, dt, [dt, pulse.last, jnp.zeros_like(dt)], params.T_dur)
            gates = [*found]
    moves = [Move(flow, table) for flow, table in zip(flows, gates, strict=True)]
    return Moves(dt, pulse, None, moves[0], moves[1], None, moves[2], rates, reach, None, output)


def continued(kernel: Any, params: Any, moves: Moves, pulse_left: Array, method: str) -> tuple[Moves, Array]:
    """The moves of a run that begins with ``pulse_left`` ms of transmitter still to come, and the count of that."""
    count, before = pulses.under_way(moves.pulse, params.T_dur, pulse_left, moves.dt, method)
    last_before = None
    if method == "exp_euler":  # all steps of a pulse are whole, the last one too
        before = before._replace(over=moves.pulse.over)
    else:
        last_before = Move(_flow(kernel, params, [(before.last, True), (moves.dt - before.last, False)]), None)
    return moves._replace(before=before, last_before=last_before), count


def for_run_from(moves: Moves, x: Array) -> Moves:
    """The moves of a run whose first variable is ``x`` at the start: it is known whether a gate leaves its table."""
    if moves.range is None:
        return moves
    return moves._replace(beyond=gate.may_go_beyond(_rates(moves), moves.range, x))


def advance(kernel: Any, method: str, moves: Moves, y: Variables, drive: Any) -> Variables:
    """One step.

    Args:
        kernel, method: as for `prepare`.
        moves: what that returned.
        y: variables at the start of the step.
        drive: the count of the pulse (see `synkin.solving.pulses`), or the row at which it ends and that of the step,
            from which the count follows; or the weight of an input, mS.
    """
    structure = kernel.structure
    if moves.range is not None:
        ends, row = drive if isinstance(drive, tuple) else (drive, None)
        return _through_gate(structure, moves._replace(output=None), y, ends, row)
    if isinstance(drive, tuple):
        drive = pulses.count(*drive)
    in_turn = kernel.in_turn and method == "exp_euler"
    conserved = structure.kind == "occupancies" and method == "exact"
    if kernel.input.takes_weights:
        moved = _follow(structure, moves.whole.flow, y, in_turn, conserved=conserved)
        (variable,) = kernel.input.variables
        i = kernel.order.index(variable)
        return (*moved[:i], moved[i] + drive.astype(moved[i].dtype), *moved[i + 1 :])
    moved = _follow(structure, _pick(moves, drive), y, in_turn, conserved=conserved)
    if not structure.gated:
        return moved
    x, g = moved[0] if in_turn else y[0], y[1]
    if method == "exp_euler":
        assert moves.whole.gate is not None
        opened, closed = gate.look_up(moves.whole.gate, None, x)
    else:
        opened, closed = gate.integrals_of_step(_rates(moves), x, _stretches(moves, drive))
    return *moved, open_gate(g, opened, closed)


def advance_drivers(kernel: Any, method: str, moves: Moves, y: Variables, drive: Array) -> Variables:
    """`advance` of all variables but a last one that drives no other, and of whose value none of it depends."""
    if moves.range is None:
        return advance(kernel, method, moves, y, drive)[:-1]
    return _follow(kernel.structure, _pick(moves, drive), y, False, conserved=False)


def evolution(kernel: Any, params: Any, T: Array | None = None) -> Callable[[Variables, Array, Any], Variables]:
    """What exact stretches of any length do to variables: ``evolve(y, duration, at)``, of any one shape.

    Args:
        kernel: a `synkin.declaring.kernel.Kernel`.
        params: its ``Params``, scalars.
        T: (C,) mM, concentrations among which ``at`` selects by index; by default ``at`` is whether the transmitter is
            there, True or False.
    """
    if T is not None:
        return partial(evolve, kernel, params, systems(kernel, params, T))
    if not kernel.structure.has_matrix:
        return lambda y, duration, at: _evolve(kernel, params, y, duration, with_transmitter=at)
    matrix = _MATRICES[kernel.structure.kind]
    if kernel.input.takes_weights:
        matrices = matrix(kernel, params, with_transmitter=False)[None]
    else:
        matrices = jnp.stack([matrix(kernel, params, with_transmitter=at) for at in (False, True)])
    rungs = ladder(matrices, conserved=_is_conserved(kernel))
    return lambda y, duration, at: evolve(kernel, params, rungs, y, duration, int(at))


def systems(kernel: Any, params: Any, T: Array) -> Any:
    """What `evolve` takes of each of the concentrations ``T`` (C,) mM: a ladder, or T itself."""
    if not kernel.structure.has_matrix:
        return T
    matrix = _MATRICES[kernel.structure.kind]
    matrices = jax.vmap(lambda T: matrix(kernel, params._replace(T=T), with_transmitter=True))(T)
    return ladder(matrices, conserved=_is_conserved(kernel))


def each_system(given: Any, count: int) -> Any:
    """The first ``count`` of the `systems`, an axis in front of all arrays."""
    if isinstance(given, Ladder):
        return given.generator[:count], given.step[:count], jnp.moveaxis(given.rungs, 1, 0)[:count]
    return given[:count]


def one_system(kernel: Any, given: Any) -> Any:
    """`systems` of a single one, of what `each_system` gave."""
    if isinstance(given, tuple):
        generator, step, rungs = given
        return Ladder(generator[None], step[None], rungs[:, None], _is_conserved(kernel))
    return given[None]


def evolve(kernel: Any, params: Any, given: Any, y: Variables, duration: Array, at: Any) -> Variables:
    """Variables after exact stretches of ``duration`` ms; ``at`` selects among the ``given`` `systems` by index."""
    if not kernel.structure.has_matrix:
        return _evolve(kernel, params._replace(T=given[at]), y, duration, with_transmitter=True)
    if _is_conserved(kernel):
        return tuple(climb(given, at, jnp.stack([1 - sum(y[1:], y[0]), *y]), duration)[1:])
    return tuple(climb(given, at, jnp.stack([*y, jnp.ones_like(y[0])]), duration)[:-1])


def _evolve(kernel: Any, params: Any, y: Variables, duration: Array, *, with_transmitter: bool) -> Variables:
    """Variables after ``duration`` ms by closed forms; all of it with transmitter or all without."""
    structure, stretch = kernel.structure, [(duration, with_transmitter)]
    moved = _follow(structure, _flow(kernel, params, stretch), y, False, conserved=False)
    if not structure.gated:
        return moved
    opened, closed = gate.integrals(gate.rates(kernel, params), y[0], stretch)
    return *moved, open_gate(y[1], opened, closed)


def output_weights(kernel: Any, params: Any) -> Any:
    """What g is made of: the parameters' weights of the variables, or the parameters where it is no sum of these."""
    structure = kernel.structure
    if not structure.linear_output:
        return params
    zero = jnp.zeros((), _dtype(params))
    at_0 = (zero,) * structure.size
    return tuple(
        jax.jvp(lambda y: kernel.conductance_of(params, y), (at_0,), (_unit(at_0, i),))[1] if weight is True else None
        for i, weight in enumerate(structure.output)
    )


def output(kernel: Any, weights: Any, y: Variables) -> Array:
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


def linearized(kernel: Any, params: Any, *, with_transmitter: bool) -> tuple[list[Array], list[list[Array]]]:
    """Inflow of each variable and the matrix of the equations, as arrays of the parameters' shapes."""
    zero = jnp.zeros((), _dtype(params))
    at_0 = (zero,) * kernel.structure.size
    T = params.T if with_transmitter else zero

    def f(y: Variables) -> tuple[Array, ...]:
        return tuple(jnp.asarray(d) for d in kernel.derivatives(params, y, T))

    columns = [jax.jvp(f, (at_0,), (_unit(at_0, j),)) for j in range(len(at_0))]
    return list(columns[0][0]), [[column[1][i] for column in columns] for i in range(len(at_0))]


def _held(kernel: Any, params: Any, stretches: list[tuple[Array, bool]]) -> Flow:
    """A step in which every variable moves by its own exponential, the others held still."""
    structure, ((dt, with_transmitter),) = kernel.structure, stretches
    source, matrix = linearized(kernel, params, with_transmitter=with_transmitter)
    sources = structure.source if with_transmitter else structure.source_at_rest
    linear = range(structure.size - structure.gated)
    mean = [dt * phi(matrix[i][i] * dt) for i in linear]
    return Flow(
        source=tuple(_where(sources[i], source[i] * mean[i]) for i in linear),
        drive=tuple(tuple(_where(structure.drive[i][j], matrix[i][j] * mean[i]) for j in linear) for i in linear),
        lost=tuple(_where(structure.decays_as[i] == i, decay(-matrix[i][i], dt)) for i in linear),
    )


def _flow(kernel: Any, params: Any, stretches: list[tuple[Array, bool]]) -> Flow:
    """What stretches of time do one after the other, each (ms, whether with transmitter), exactly."""
    return _FLOWS[kernel.structure.kind](kernel, params, stretches)


def _relaxation(kernel: Any, params: Any, stretches: list[tuple[Array, bool]]) -> Flow:
    lost: Any = None
    gained: Any = None
    for duration, with_transmitter in stretches:
        source, matrix = linearized(kernel, params, with_transmitter=with_transmitter)
        rate, has_source = (
            -matrix[0][0],
            (kernel.structure.source if with_transmitter else kernel.structure.source_at_rest)[0],
        )
        later = decay(rate, duration)
        own = relaxation(source[0], rate, duration).gained if has_source else None
        if lost is None:
            lost, gained = later, own
            continue
        lost = lost + later * (1 - lost)
        gained = own if gained is None else gained - later * gained + (0 if own is None else own)
    return Flow((gained,), ((None,),), (lost,))


def _chain(kernel: Any, params: Any, stretches: list[tuple[Array, bool]]) -> Flow:
    ((duration, _),) = stretches
    _, matrix = linearized(kernel, params, with_transmitter=False)
    rates, structure = (-matrix[0][0], -matrix[1][1]), kernel.structure
    drive = _where(structure.drive[1][0], matrix[1][0] * passed_on(*rates, duration))
    lost = tuple(_where(structure.decays_as[i] == i, decay(rate, duration)) for i, rate in enumerate(rates))
    return Flow((None, None), ((None, None), (drive, None)), lost)


def _occupancies(kernel: Any, params: Any, stretches: list[tuple[Array, bool]]) -> Flow:
    total: Any = None
    for duration, with_transmitter in stretches:
        p = occupancies(generator(kernel, params, with_transmitter=with_transmitter), duration)
        total = p if total is None else jnp.matmul(p, total, precision=jax.lax.Precision.HIGHEST)
    states = range(1, kernel.structure.size + 1)
    off = {(i, j): total[..., i, j] for i in range(len(states) + 1) for j in range(len(states) + 1) if i != j}
    return Flow(
        source=tuple(off[i, 0] for i in states),
        drive=tuple(tuple(off[i, j] if i != j else None for j in states) for i in states),
        # All that leaves, and not 1 less what stays, which is next to 1.
        lost=tuple(sum(off[i, j] for i in range(len(states) + 1) if i != j) for j in states),
    )


def _affine(kernel: Any, params: Any, stretches: list[tuple[Array, bool]]) -> Flow:
    structure = kernel.structure
    total: Any = None
    for duration, with_transmitter in stretches:
        change = affine_change(_augmented(kernel, params, with_transmitter=with_transmitter), duration)
        total = (
            change if total is None else total + change + jnp.matmul(change, total, precision=jax.lax.Precision.HIGHEST)
        )
    n = structure.size
    reach = _reach(structure.drive)
    has_source = [any(structure.source[j] and (i == j or reach[i][j]) for j in range(n)) for i in range(n)]
    return Flow(
        source=tuple(_where(has_source[i], total[..., i, n]) for i in range(n)),
        drive=tuple(tuple(_where(reach[i][j] and i != j, total[..., i, j]) for j in range(n)) for i in range(n)),
        lost=tuple(-total[..., i, i] for i in range(n)),
    )


_FLOWS = {
    "relaxation": _relaxation,
    "gate": _relaxation,
    "chain": _chain,
    "occupancies": _occupancies,
    "affine": _affine,
}


def _augmented(kernel: Any, params: Any, *, with_transmitter: bool) -> Array:
    """The matrix of affine equations, (..., n + 1, n + 1), in which a last variable, always 1, brings the inflow."""
    source, matrix = linearized(kernel, params, with_transmitter=with_transmitter)
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
        y = at_0 if j < 0 else _unit(at_0, j)
        column: list[Any] = [jnp.asarray(d) for d in kernel.derivatives(params, y, T)]
        # None is negative, as `structure.find` has seen, but by rounding next to nothing may come out below 0.
        column = [_at_least_0(d) if i != j else d for i, d in enumerate(column)]
        if j >= 0:
            to_rest = _at_least_0(-sum(column))
            others = [d for i, d in enumerate(column) if i != j]
            column[j] = -sum([to_rest, *others])
            columns.append([to_rest, *column])
        else:
            columns.append([-sum(column), *column])
    return jnp.swapaxes(stacked(columns), -1, -2)


_MATRICES = {"occupancies": generator, "affine": _augmented}


def _follow(structure: Any, flow: Flow, y: Variables, in_turn: bool, *, conserved: bool) -> Variables:
    """Variables after a flow; with ``in_turn`` each is driven by the new values of those before it."""
    rest = 1 - sum(y[: len(flow.lost)]) if conserved else None
    moved: list[Array] = []
    for i in range(len(flow.lost)):
        lost = flow.lost[structure.decays_as[i]]
        parts = [] if flow.source[i] is None else [flow.source[i] if rest is None else flow.source[i] * rest]
        for j, drive in enumerate(flow.drive[i]):
            if drive is not None:
                parts.append(drive * (moved[j] if in_turn and j < i else y[j]))
        moved.append(y[i] + (sum(parts[1:], parts[0]) - lost * y[i]) if parts else y[i] - lost * y[i])
    return tuple(moved)


def _pick(moves: Moves, count: Array) -> Flow:
    """The flow of a step of that count."""
    kinds = [kind for kind in (moves.whole, moves.last, moves.last_before, moves.none) if kind is not None]
    return _picked(count, *(kind.flow for kind in kinds))


def _picked(count: Array, *kinds: Any) -> Any:
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
def _through_gate(structure: Any, moves: Moves, y: Variables, ends: Array, row: Array | None) -> Variables:
    """A step of x and of the gate that it opens, by a table or, where that has no x as large, by the sum over nodes.

    So too in the step in which a pulse ends that was under way at the start. All of it is behind a condition: what
    XLA's CPU has to do in a step without it counts, not how much.
    """

    def by_table(moves: Moves, y: Variables, ends: Array, row: Array | None) -> Variables:
        (x, g), count = y, _count(ends, row)
        g = open_gate(g, *_tabled(moves, x, count))
        g = jnp.where((x >= 0) & ~_is_beyond(moves, x, count), g, jnp.nan)  # a table is never read beyond its range
        return *_follow(structure, _pick(moves, count), y, False, conserved=False), g

    known = moves.beyond is not None and moves.before is None
    may_be = moves.beyond if known else loops.any_across_batch(_is_beyond(moves, y[0], _count(ends, row)))
    return jax.lax.cond(may_be, partial(_by_either, structure), by_table, moves, y, ends, row)


@_through_gate.defjvp
def _through_gate_jvp(structure: Any, primals: Any, tangents: Any) -> tuple[Variables, Variables]:
    # Not through the condition above, out of which a derivative of every coefficient would come for every synapse.
    return jax.jvp(partial(_by_either, structure), primals, tangents)


def _by_either(structure: Any, moves: Moves, y: Variables, ends: Array, row: Array | None) -> Variables:
    """`_through_gate`, so that nothing but the sum is behind a condition."""
    (x, g), count = y, _count(ends, row)

    @jax.checkpoint  # a derivative keeps of a step what goes into this, and nothing for each of its nodes
    def integrate(moves: Moves, x: Array, count: Array) -> tuple[Array, Array]:
        return gate.integrals(_rates(moves), x, _stretches(moves, count))

    beyond = _is_beyond(moves, x, count)
    own = jax.lax.cond(loops.any_across_batch(beyond), integrate, lambda moves, x, count: (x, x), moves, x, count)
    opened, closed = (jnp.where(beyond, *pair) for pair in zip(own, _tabled(moves, x, count), strict=True))
    g = jnp.where(x < 0, jnp.nan, open_gate(g, opened, closed))  # what opens by less than nothing is not solved
    return *_follow(structure, _pick(moves, count), y, False, conserved=False), g


def _count(ends: Array, row: Array | None) -> Array:
    """The count of a step, which is ``ends`` itself where no row is given."""
    return ends if row is None else pulses.count(ends, row)


def _is_beyond(moves: Moves, x: Array, count: Array) -> Array:
    """Where no table has the integrals of a step."""
    assert moves.range is not None
    beyond = gate.beyond(moves.range, x)
    return beyond if moves.before is None else beyond | (count == 3)


def _tabled(moves: Moves, x: Array, count: Array) -> tuple[Array, Array]:
    """The integrals of a gate over a step of that count, by its table."""
    kinds = [kind.gate for kind in (moves.whole, moves.last, moves.none) if kind is not None]
    return gate.look_up(_picked(count, *kinds), moves.range, x)


def _stretches(moves: Moves, count: Array) -> gate.Stretches:
    on = _transmitter_in_step(moves, count)
    return [(on, True), (moves.dt - on, False)]


def _transmitter_in_step(moves: Moves, count: Array) -> Array:
    """The ms of transmitter in a step of that count."""
    last = moves.pulse.last if moves.before is None else jnp.where(count % 2 == 0, moves.pulse.last, moves.before.last)
    return jnp.where(count >= 4, moves.dt, jnp.where(count >= 2, last, jnp.zeros_like(last)))


def _rates(moves: Moves) -> gate.Rates:
    assert moves.rates is not None
    return moves.rates


def _reach(drive: tuple[tuple[bool, ...], ...]) -> list[list[bool]]:
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


def _unit(zeros: Variables, j: int) -> Variables:
    return tuple(jnp.ones_like(zero) if i == j else zero for i, zero in enumerate(zeros))


def _at_least_0(rate: Array) -> Array:
    """0 where it is below, with the derivative of ``rate`` all the same."""
    return rate + jax.lax.stop_gradient(jnp.maximum(rate, 0) - rate)


def _is_conserved(kernel: Any) -> bool:
    return kernel.structure.kind == "occupancies"


def _where(there: bool, value: Array) -> Maybe:
    return value if there else None


def _dtype(params: Any) -> Any:
    return jax.tree.leaves(params)[0].dtype
