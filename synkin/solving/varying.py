"""Steps whose parameters vary: a voltage, the concentration in the cleft, the height of each pulse.

A value is held over its step, and within the step the solution is exact. Kernels with one variable, chains and gates
compute the few exponentials of their closed forms in each step. A kernel whose step is a matrix reads it from a table
over the one parameter that varies; where several vary, or where nothing is known of the range, each step computes its
matrices itself.
"""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments.declaration import AnyParams
from synkin.arguments.inputs import AddsWeight
from synkin.solving import loops, pulses
from synkin.solving.coefficients import PropagatorTable, StepCoefficients, StepKind, VaryingParams
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators import equations, gate_tables, of_kernel
from synkin.solving.propagators.closed_forms import open_gate
from synkin.solving.propagators.equations import Variables, augmented_matrix, generator, output_weights
from synkin.solving.propagators.gate_integrals import integrals_of_step
from synkin.solving.propagators.gate_rates import gate_rates
from synkin.solving.propagators.matrix_exponential import affine_change, markov_propagator
from synkin.solving.propagators.of_kernel import Stretches

Values = Mapping[str, Array]  # of the parameters that vary, by name, at one step
Bounds = tuple[Array, Array]  # the lowest and the highest value of a parameter

# Rows of a table, and how far one read between two rows may be off, as a fraction of the largest change in a step.
_ROWS = 256
_TOLERANCE, _TOLERANCE_OTHER = {"float64": 3e-8}, 1e-6
# A table is checked in the middle between this many pairs of rows.
_CHECKED = 32
# A value this fraction of the distance of two rows outside of a table is at its end, but for rounding.
_ROUNDING = 1e-2


def compute(
    kernel: Kernel,
    params: AnyParams,
    dt: Array,
    method: str,
    names: tuple[str, ...],
    bounds: Mapping[str, Bounds],
    *,
    has_pulses: bool,
) -> StepCoefficients:
    """The coefficients of a run whose parameters ``names`` vary.

    Args:
        kernel: a kernel of one part.
        params: its ``Params``, arrays of one dtype.
        dt: ms, of that dtype.
        method: "exp_euler" or "exact".
        names: of the parameters that vary; "T" with ``has_pulses`` where each pulse has a height of its own.
        bounds: the lowest and highest value of those of which it is known.
        has_pulses: whether spikes start pulses.
    """
    pulse = pulses.on_grid(params.T_dur, dt, method) if has_pulses else None
    table = None
    scalar = all(value.size == 1 for name, value in params._asdict().items() if name not in names)
    if kernel.structure.has_matrix and method == "exact" and len(names) == 1 and names[0] in bounds and scalar:
        flat = params._make(jnp.reshape(value, ()) if value.size == 1 else value for value in params)
        table = _table(kernel, flat, names[0], bounds[names[0]], dt, None if pulse is None else pulse.last.reshape(()))
    nothing = StepKind(of_kernel.Propagator((), (), ()), None)
    return StepCoefficients(
        dt=dt,
        pulse=pulse,
        carried_pulse=None,
        whole=nothing,
        last=nothing if has_pulses and method == "exact" else None,
        last_of_carried=None,
        resting=None,
        gate_rates=None,
        table_range=None,
        leaves_table=None,
        output_weights=output_weights(kernel, params),
        varying=VaryingParams(params, table),
    )


def step(
    kernel: Kernel, method: str, coefs: StepCoefficients, y: Variables, count: Array | None, values: Values
) -> Variables:
    """One step, without what a spike adds.

    Args:
        kernel, method: as for `compute`.
        coefs: what that returned.
        y: variables at the start of the step.
        count: that of the pulse, see `synkin.solving.pulses`; None where there are no pulses.
        values: of the parameters that vary, each of a shape that broadcasts to that of ``y``.
    """
    given = coefs.varying
    assert given is not None
    params = given.params._replace(**values)
    directly = partial(_step_directly, kernel, method)
    if given.table is None:
        return directly(coefs, params, y, count)
    (value,) = values.values()
    after = _step_by_table(kernel, given.table, y, count, value)
    if coefs.carried_pulse is None or count is None:
        return after
    # The last step of a pulse that was under way at the start has a length of its own.
    own = count == 3
    exact = jax.lax.cond(
        loops.any_across_batch(own), directly, lambda coefs, params, y, count: y, coefs, params, y, count
    )
    return tuple(jnp.where(own, *pair) for pair in zip(exact, after, strict=True))


def conductance(kernel: Kernel, coefs: StepCoefficients, y: Variables, values: Values) -> Array:
    """g in mS, or as the fraction of its maximum, at the end of a step with those values."""
    assert coefs.varying is not None
    weights = output_weights(kernel, coefs.varying.params._replace(**values))
    return equations.conductance(kernel, weights, y)


def _step_directly(
    kernel: Kernel, method: str, coefs: StepCoefficients, params: AnyParams, y: Variables, count: Array | None
) -> Variables:
    """A step that computes its own propagator."""
    structure, with_transmitter = kernel.structure, not isinstance(kernel.input, AddsWeight)
    if method == "exp_euler":
        propagators = [
            of_kernel.exp_euler_propagator(kernel, params, coefs.dt, with_transmitter=with_T)
            for with_T in ((with_transmitter,) if count is None else (True, False))
        ]
        propagator = propagators[0]
        if count is not None:
            propagator = _where(count >= 2, *propagators)
    else:
        if count is None:
            stretches: Stretches = [(coefs.dt, with_transmitter)]
        else:
            on = _transmitter(coefs, count)
            stretches = [(on, True), (coefs.dt - on, False)]
        propagator = of_kernel.exact_propagator(kernel, params, stretches)
    in_turn = kernel.in_turn and method == "exp_euler"
    conserved = structure.kind == "occupancies" and method == "exact"
    after = of_kernel.apply(structure, propagator, y, in_turn, conserved=conserved)
    if not structure.gated:
        return after
    rates, (x, g) = gate_rates(kernel, params), y
    if method == "exp_euler":
        held = gate_tables.table_of_held_x(rates, coefs.dt)
        opened, closed = gate_tables.look_up(held, None, after[0] if in_turn else x)
    else:
        opened, closed = integrals_of_step(rates, x, stretches)
    return *after, open_gate(g, opened, closed)


def _where(condition: Array, one: of_kernel.Propagator, other: of_kernel.Propagator) -> of_kernel.Propagator:
    """One of two propagators; a coefficient that only the first has is 0 in the second."""

    def select(a: Array | None, b: Array | None) -> Array | None:
        return None if a is None else jnp.where(condition, a, jnp.zeros_like(a) if b is None else b)

    selected: of_kernel.Propagator = jax.tree.map(select, one, other, is_leaf=lambda x: x is None)
    return selected


def _transmitter(coefs: StepCoefficients, count: Array) -> Array:
    """The ms of transmitter in a step of that count."""
    assert coefs.pulse is not None
    last = coefs.pulse.last
    if coefs.carried_pulse is not None:
        last = jnp.where(count % 2 == 0, last, coefs.carried_pulse.last)
    return jnp.where(count >= 4, coefs.dt, jnp.where(count >= 2, last, jnp.zeros_like(last)))


def _step_by_table(
    kernel: Kernel, table: PropagatorTable, y: Variables, count: Array | None, value: Array
) -> Variables:
    last = 1 - sum(y[1:], y[0]) if kernel.structure.kind == "occupancies" else jnp.ones_like(y[0])
    extended = jnp.stack([last, *y], axis=-1) if kernel.structure.kind == "occupancies" else jnp.stack([*y, last], -1)
    kind = None if count is None else jnp.where(count >= 4, 0, jnp.where(count >= 2, 1, 2))
    change = _read(table, value, kind, extended)
    return tuple(variable + change[..., i] for i, variable in enumerate(y))


def _read(table: PropagatorTable, value: Array, kind: Array | None, extended: Array) -> Array:
    """The change of the variables in a step of each kind at each value of the parameter; NaN outside of the table."""
    u = value if table.scale is None else value / (value + table.scale)
    place = (u - table.start) / table.distance
    inside = (place >= -_ROUNDING) & (place <= _ROWS - 1 + _ROUNDING)
    row = jnp.clip(jnp.floor(jax.lax.stop_gradient(place)), 0, _ROWS - 2)
    w = jnp.where(inside, place - row, jnp.nan)
    index = row.astype(jnp.int32) if kind is None else row.astype(jnp.int32) + _ROWS * kind
    v = 1 - w
    weights = ((v * v * (1 + 2 * w), v * v * w), (w * w * (1 + 2 * v), -w * w * v))
    total: Array | None = None
    for end in range(2):
        two = jnp.take(table.rows, index + end, axis=0, mode="clip")  # (..., 2, n, n + 1)
        products = jnp.einsum("...kab,...b->k...a", two, extended, precision=jax.lax.Precision.HIGHEST)
        shape = products.shape[1:-1]
        own = [jnp.broadcast_to(weight, shape)[..., None] for weight in weights[end]]
        part = own[0] * products[0] + own[1] * products[1]
        total = part if total is None else total + part
    assert total is not None
    return total


def _table(
    kernel: Kernel, params: AnyParams, name: str, bounds: Bounds, dt: Array, last: Array | None
) -> PropagatorTable:
    """The table over parameter ``name``; NaN where it is not good enough between its rows."""
    dt = dt.reshape(())
    low, high = (jax.lax.stop_gradient(jnp.asarray(bound, dt.dtype)) for bound in bounds)
    if last is not None:
        kinds: list[Stretches] = [[(dt, True)], [(last, True), (dt - last, False)], [(dt, False)]]
    else:
        kinds = [[(dt, not isinstance(kernel.input, AddsWeight))]]

    def changes(value: Array) -> Array:
        return jnp.stack([_change(kernel, params._replace(**{name: value}), stretches) for stretches in kinds])

    scale = None if kernel.parameters[name].signed else _scale(kernel, params, name, low, high, dt)
    first, end = (bound if scale is None else bound / (bound + scale) for bound in (low, high))
    tiny = 64 * float(jnp.finfo(dt.dtype).eps)
    distance = jnp.maximum((end - first) / (_ROWS - 1), tiny * jnp.maximum(jnp.abs(first), 1e-3))

    def value_at(place: Array) -> Array:
        u = first + place * distance
        return u if scale is None else scale * u / jnp.maximum(1 - u, tiny)

    def row(place: Array) -> Array:
        one = jnp.ones_like(place)
        return jnp.stack(jax.jvp(lambda place: changes(value_at(place)), (place,), (one,)), axis=1)

    rows = jax.lax.map(row, jnp.arange(_ROWS, dtype=dt.dtype), batch_size=64)  # (rows, kinds, 2, n, n + 1)
    table = PropagatorTable(jnp.swapaxes(rows, 0, 1).reshape(-1, *rows.shape[2:]), first, distance, scale)

    # What lies between two rows, of some of them, against what is right there.
    places = jnp.asarray(np.linspace(0, _ROWS - 2, _CHECKED).round() + 0.5, dt.dtype)
    right = jax.lax.stop_gradient(jax.lax.map(lambda place: changes(value_at(place)), places, batch_size=_CHECKED))
    unit = jnp.eye(rows.shape[-1], dtype=dt.dtype)
    error = jnp.zeros((), dt.dtype)
    for kind in range(len(kinds)):
        read = jax.vmap(
            lambda place, kind=kind: jax.vmap(
                lambda one: _read(table, value_at(place), jnp.asarray(kind, jnp.int32), one)
            )(unit)
        )(places)
        error = jnp.maximum(error, jnp.abs(jnp.swapaxes(read, -1, -2) - right[:, kind]).max())
    tolerance = _TOLERANCE.get(dt.dtype.name, _TOLERANCE_OTHER) * jnp.maximum(jnp.abs(right).max(), tiny)
    good = jnp.where(jax.lax.stop_gradient(error) <= tolerance, jnp.ones((), dt.dtype), jnp.nan)
    return table._replace(rows=table.rows * good.astype(dt.dtype))


def _change(kernel: Kernel, params: AnyParams, stretches: Stretches) -> Array:
    """The change of n variables, (n, n + 1), by each of the states, the resting state first, or by each and by 1."""
    total: Array | None = None
    if kernel.structure.kind == "occupancies":
        for duration, with_transmitter in stretches:
            p = markov_propagator(generator(kernel, params, with_transmitter=with_transmitter), duration)
            total = p if total is None else jnp.matmul(p, total, precision=jax.lax.Precision.HIGHEST)
        assert total is not None
        identity = jnp.eye(len(total), dtype=total.dtype)
        off = total * (1 - identity)
        # What leaves is the sum of all that arrives elsewhere: 1 minus what stays would lose its digits.
        return (off - jnp.diag(off.sum(axis=0)))[1:]
    for duration, with_transmitter in stretches:
        change = affine_change(augmented_matrix(kernel, params, with_transmitter=with_transmitter), duration)
        if total is None:
            total = change
        else:
            total = total + change + jnp.matmul(change, total, precision=jax.lax.Precision.HIGHEST)
    assert total is not None
    return total[:-1]


def _scale(kernel: Kernel, params: AnyParams, name: str, low: Array, high: Array, dt: Array) -> Array:
    """The value of a parameter that changes a rate by 1 / dt."""
    params = jax.lax.stop_gradient(params)
    matrix = generator if kernel.structure.kind == "occupancies" else augmented_matrix
    ends = [
        matrix(kernel, params._replace(**{name: bound}), with_transmitter=not isinstance(kernel.input, AddsWeight))
        for bound in (low, high)
    ]
    tiny = float(jnp.finfo(dt.dtype).tiny) ** 0.5
    slope = jnp.abs(ends[1] - ends[0]).max() / jnp.maximum(high - low, tiny)
    return jnp.clip(1 / jnp.maximum(slope * dt, tiny), 1e-3 * jnp.maximum(high, tiny), 1e3 * jnp.maximum(high, 1.0))
