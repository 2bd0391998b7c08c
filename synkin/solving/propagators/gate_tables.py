"""Tables of a gate's integrals over a step, made once for a run.

For a given step the two integrals of `synkin.solving.propagators.gate_integrals` are smooth functions of x at its
start, and of x alone. `tables` makes polynomials of them, from 0 up to a largest x, and `look_up` reads one. Each table
is checked against the integrals between the points that it was made from; a table that is off is used for no x. For an
x beyond a table a step must take `gate_integrals`, which is right for every x that is not negative.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.solving import loops
from synkin.solving.propagators.closed_forms import phi
from synkin.solving.propagators.gate_integrals import gate_mean, is_long, short_integrals, x_integral
from synkin.solving.propagators.gate_rates import Rates, total_rate
from synkin.solving.propagators.of_kernel import Stretches

# The degree of a table's polynomials, and their tolerance, relative to the opening.
_DEGREE, _DEGREE_OTHER = {"float64": 16}, 7
_TOLERANCE, _TOLERANCE_OTHER = {"float64": 2e-13}, 5e-7
# A table reaches no farther than this multiple of the x after one pulse from rest.
_PULSES = 8
# Where spikes add to x, a table reaches to the x at which the integral of its rates over a step is this, if that is no
# larger than the second number.
_FAR, _LARGEST = 10.0, 1e12
# The scale near x = 0 of a table's variable, in units of the x at which x closes the gate as fast as b does; found by
# trial.
_SCALE = 8.0


class GateTable(NamedTuple):
    """Opening and closing over a step as functions of x.

    ``opened[0] + opened[1] x`` and ``closed[0] + closed[1] x`` are the integrals of the two rates. The result for the
    opening is larger than the first, and for the closing smaller than the second, by the same amount:
    ``bend[0] + w p(z)``, with a polynomial p, ``w = x / (x + scale)``, and z and the scale as in `TableRange`.
    """

    opened: tuple[Array | None, Array]
    closed: tuple[Array, Array | None]
    bend: tuple[Array, ...]  # bend[0], and the coefficients of p from the constant on; empty where x is held still


class TableRange(NamedTuple):
    """The range of x of some tables, and their variable ``z = (spread x - scale) / (x + scale)``.

    z goes from -1 at x = 0 to 1 at the largest x.
    """

    most: Array  # the largest x; -1 where a table is not good enough for any x
    scale: Array
    spread: Array


class MeanTable(NamedTuple):
    """A gate averaged over a step, ``gained + kept v``, as functions of x: each is ``c[0] + w p(z)``, as a bend."""

    gained: tuple[Array, ...]
    kept: tuple[Array, ...]


def table_of_held_x(r: Rates, dt: Array) -> GateTable:
    """The table of a step of ``dt`` ms in which x is held still."""
    return GateTable((None, r.a * dt), (r.b * dt, None if r.c is None else r.c * dt), ())


def tables(r: Rates, dt: Array, on: list[Array], T_dur: Array | None) -> tuple[list[GateTable], TableRange]:
    """One table for each kind of step, and the range of all.

    Args:
        r: the rates.
        dt: the step, ms.
        on: for each kind of step, how many ms of transmitter it begins with.
        T_dur: the length of a pulse, ms; None where spikes add to x.
    """
    shape = jnp.broadcast_shapes(*(jnp.shape(leaf) for leaf in jax.tree.leaves((r, dt, on, T_dur))))
    stacked = jnp.stack([jnp.broadcast_to(each, shape) for each in on])
    at = _range(r, dt, T_dur)
    # All tables at once compile in the time of one.
    table, error = jax.vmap(lambda on: _table(r, [(on, True), (dt - on, False)], at, shape))(stacked)
    return [jax.tree.map(lambda leaf, i=i: leaf[i], table) for i in range(len(on))], _where_good(at, error)


def mean_tables(r: Rates, dt: Array, on: list[Array], at: TableRange) -> tuple[list[MeanTable], TableRange]:
    """The table of the gate's mean for each kind of step, and the range of all: that of ``at``, or none.

    Args:
        r, dt, on: as for `tables`.
        at: what that returned.
    """
    if len(on) == 1:  # spikes add to x, and a mean bends more over their wide range than what it is the mean of
        most = at.most / 2
        at = TableRange(most, at.scale, 1 + 2 * at.scale / most)
    shape = jnp.broadcast_shapes(at.most.shape, *(jnp.shape(each) for each in on))
    stacked = jnp.stack([jnp.broadcast_to(each, shape) for each in on])
    table, error = jax.vmap(lambda on: _mean_table(r, [(on, True), (dt - on, False)], dt, at, shape))(stacked)
    return [jax.tree.map(lambda leaf, i=i: leaf[i], table) for i in range(len(on))], _where_good(at, error)


def look_up_mean(table: MeanTable, at: TableRange, x: Array) -> tuple[Array, Array]:
    """The mean over a step that starts at ``x``, as `gate_integrals.gate_mean` gives it."""
    gained, kept = (each[0] + _polynomial(each[1:], at, x) for each in table)
    return gained, kept


def look_up(table: GateTable, at: TableRange | None, x: Array) -> tuple[Array, Array]:
    """The integrals of opening and closing over a step that starts at ``x``.

    Args:
        table: from `tables` or `table_of_held_x`.
        at: its range; None for `table_of_held_x`.
        x: any shape.
    """
    opened = table.opened[1] * x if table.opened[0] is None else table.opened[0] + table.opened[1] * x
    closed = table.closed[0] if table.closed[1] is None else table.closed[0] + table.closed[1] * x
    if not table.bend:
        return opened, jnp.broadcast_to(closed, x.shape)
    assert at is not None
    more = table.bend[0] + _polynomial(table.bend[1:], at, x)
    # Neither integral may be below 0, also by rounding where b and c are 0. The derivative stays as it is.
    more = more + jax.lax.stop_gradient(jnp.clip(more, -opened, closed) - more)
    return opened + more, closed - more


def as_matrix(table: GateTable) -> Array:
    """A table, or a change of one, of scalars: what multiplies the functions of `basis`, for opening and closing."""
    zero = jnp.zeros_like(table.bend[0])
    opened, closed = ([zero if each is None else each for each in part] for part in (table.opened, table.closed))
    first, *others = table.bend
    return jnp.stack(
        [
            jnp.stack([opened[0] + first, opened[1], *others]),
            jnp.stack([closed[0] - first, closed[1], *(-each for each in others)]),
        ]
    )


def basis(at: TableRange, x: Array, size: int) -> Array:
    """The functions of x of which the integrals in a table are sums, along a second axis behind that of time."""
    z, w = (at.spread * x - at.scale) / (x + at.scale), x / (x + at.scale)
    functions = [jnp.ones_like(x), x, w]
    for _ in range(size - len(functions)):
        functions.append(functions[-1] * z)
    return jnp.stack(functions, axis=1)


def is_outside(at: TableRange, x: Array) -> Array:
    """Where ``x`` is beyond the tables, so that a step must take `gate_integrals`."""
    return x > at.most


def may_leave_table(r: Rates, at: TableRange, x: Array) -> Array:
    """Whether some x may go beyond the tables in a run that begins with ``x``; a bool."""
    # x relaxes towards its value in an endless pulse, or towards 0.
    tiny = float(jnp.finfo(x.dtype).tiny)
    return loops.any_across_batch(is_outside(at, jnp.maximum(x, r.source / jnp.maximum(r.rate, tiny))))


def chebyshev(degree: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interpolation by polynomials on [-1, 1].

    Returns:
        The nodes, (degree + 1,), without the ends; the matrix from values at the nodes to coefficients of Chebyshev
        polynomials; and the matrix from these to coefficients of powers. Both are (degree + 1, degree + 1).

    Source: Trefethen 2013, Approximation Theory and Approximation Practice, SIAM, ch. 3.
    """
    k = np.arange(degree + 1)
    angles = np.pi * (k + 0.5) / (degree + 1)
    matrix = 2 / (degree + 1) * np.cos(np.outer(k, angles))
    matrix[0] /= 2
    powers = np.zeros((degree + 1, degree + 1))
    for j in k:
        powers[: j + 1, j] = np.polynomial.chebyshev.cheb2poly(np.eye(degree + 1)[j, : j + 1])
    return np.cos(angles), matrix, powers


def _range(r: Rates, dt: Array, T_dur: Array | None) -> TableRange:
    """The range of x that a run is likely to see, and the scale on which the integrals change most."""
    r, dt, T_dur = jax.lax.stop_gradient((r, dt, T_dur))
    tiny = float(jnp.finfo(dt.dtype).tiny)
    by_x = total_rate(r) * (dt * phi(-r.rate_at_rest * dt))
    if T_dur is None:  # nothing is known of the weights
        most = _FAR / jnp.maximum(by_x, tiny)
    else:
        # Twice the x in an endless pulse, or many times the x after a single pulse, whichever is less.
        target = r.source / jnp.maximum(r.rate, tiny)
        most = 2 * jnp.minimum(target, _PULSES * r.source * (T_dur * phi(-r.rate * T_dur)))
    most = jnp.where((most > 0) & (most < _LARGEST), most, jnp.ones_like(most))
    # The fraction still remembered is a sum of ``exp(-k x)``, with k up to the integral of the rate that x brings. It
    # falls on a scale of 1 / k, or on a larger one where b closes the gate fast; far beyond it is like a power of x. A
    # polynomial of x itself would need a degree of about the root of k.
    by_itself = r.b * dt
    scale = 1 / (1 / (64 * most) + by_x / (_SCALE * (1 + by_itself)))
    most, scale = jnp.broadcast_arrays(most, scale)
    return TableRange(most, scale, 1 + 2 * scale / most)


def _table(r: Rates, stretches: Stretches, at: TableRange, shape: tuple[int, ...]) -> tuple[GateTable, Array]:
    """One table, and its error in units of the tolerance."""
    dtype = r.a.dtype
    x, degree = _points(at, shape, dtype)
    zero = jnp.zeros(shape, dtype)

    # The check below cannot see where few nodes do not suffice for the integrals. There the rates are set to 0, so that
    # nothing overflows, and the error to infinity.
    long = is_long(r, jnp.broadcast_to(at.most, shape), stretches)
    r = jax.tree.map(lambda rate: jnp.where(long, jnp.zeros_like(rate), rate), r)
    points = jnp.concatenate([x, zero[None]])
    values = jax.lax.map(lambda x: short_integrals(r, x, stretches)[0], points)
    values, at_0 = values[:-1], values[-1]

    (to_x, to_base), elapsed = x_integral(r, stretches), sum(duration for duration, _ in stretches)
    opened = r.a * to_base, r.a * to_x
    closed: tuple[Array, Array | None] = r.b * elapsed, None
    if r.c is not None:
        closed = r.b * elapsed + r.c * to_base, r.c * to_x
    # The bend is ``first + w p(z)``, so that its relative error is small also for a small x.
    first = at_0 - opened[0]
    slopes = jax.vmap(lambda value, x: ((value - at_0) - opened[1] * x) / x * (x + at.scale))(values, x)
    table = GateTable(opened, closed, (first, *_through(slopes[: degree + 1])))
    read = jax.vmap(lambda x: look_up(table, at, x)[0])(x[degree + 1 :])
    right = values[degree + 1 :]
    error = jnp.abs(read - right) / (_TOLERANCE.get(dtype.name, _TOLERANCE_OTHER) * right + jnp.finfo(dtype).tiny)
    error = jnp.where(long, jnp.inf, error.max(axis=0))
    return table, jax.lax.stop_gradient(error)


def _where_good(at: TableRange, error: Array) -> TableRange:
    """The range, or none where a table of a kind of steps has an error above its tolerance."""
    # An error of NaN leaves the range as it is: the table then gives NaN.
    return at._replace(most=jnp.where((error > 1).any(axis=0), -jnp.ones_like(at.most), at.most))


def _mean_table(
    r: Rates, stretches: Stretches, dt: Array, at: TableRange, shape: tuple[int, ...]
) -> tuple[MeanTable, Array]:
    """One table of a mean, and its error in units of the tolerance."""
    dtype = r.a.dtype
    x, degree = _points(at, shape, dtype)
    points = jnp.concatenate([x, jnp.zeros((1, *shape), dtype)])
    # A step that is too long for few nodes has no range, see `_table`.
    r = jax.tree.map(lambda rate: jnp.where(at.most < 0, jnp.zeros_like(rate), rate), r)
    right = jax.lax.map(lambda x: gate_mean(r, x, stretches, dt, short=True), points)

    def through(values: Array) -> tuple[Array, ...]:
        slopes = jax.vmap(lambda value, x: (value - values[-1]) / x * (x + at.scale))(values[:-1], x)
        return values[-1], *_through(slopes[: degree + 1])

    table = MeanTable(*map(through, right))
    between = slice(degree + 1, len(x))
    read = jax.vmap(lambda x: look_up_mean(table, at, x))(x[between])
    # Errors of a mean do not add up, as it is in no later step.
    tolerance = 4 * _TOLERANCE.get(dtype.name, _TOLERANCE_OTHER)
    tiny = float(jnp.finfo(dtype).tiny)
    compared = [(one, is_right[between]) for one, is_right in zip(read, right, strict=True)]
    errors = [jnp.abs(one - is_right) / (tolerance * is_right + tiny) for one, is_right in compared]
    return table, jax.lax.stop_gradient(jnp.maximum(*errors).max(axis=0))


def _points(at: TableRange, shape: tuple[int, ...], dtype: jnp.dtype) -> tuple[Array, int]:
    """Values of x, (points, *shape), and the degree: a polynomial goes through the first degree + 1 of them.

    The others are some of those at which it has its largest errors.
    """
    degree = _DEGREE.get(dtype.name, _DEGREE_OTHER)
    between = np.cos(np.pi * np.arange(0, degree + 1, 2) / (degree + 1))
    z = jnp.asarray(np.concatenate([chebyshev(degree)[0], between]), dtype)
    return jax.vmap(lambda z: jnp.broadcast_to(at.scale * (1 + z) / (at.spread - z), shape))(z), degree


def _through(values: Array) -> Array:
    """The coefficients of the polynomial in z through values at the nodes of `chebyshev`."""
    _, matrix, powers = chebyshev(len(values) - 1)
    exactly = partial(jnp.tensordot, axes=1, precision=jax.lax.Precision.HIGHEST)
    return exactly(jnp.asarray(powers, values.dtype), exactly(jnp.asarray(matrix, values.dtype), values))


@jax.custom_jvp
def _polynomial(coefficients: tuple[Array, ...], at: TableRange, x: Array) -> Array:
    """``w p(z)``, see `GateTable`."""
    z = (at.spread * x - at.scale) / (x + at.scale)
    total = jnp.broadcast_to(coefficients[-1], x.shape)
    for c in coefficients[-2::-1]:
        total = c + z * total
    return x * total / (x + at.scale)


_PolynomialInputs = tuple[tuple[Array, ...], TableRange, Array]


@_polynomial.defjvp
def _polynomial_jvp(primals: _PolynomialInputs, tangents: _PolynomialInputs) -> tuple[Array, Array]:
    (coefficients, at, x), (d_coefficients, _, dx) = primals, tangents
    # The range has no derivative, as the function is the same with any range.
    inverse = 1 / (x + at.scale)
    z = (at.spread * x - at.scale) * inverse
    p, slope = jnp.broadcast_to(coefficients[-1], x.shape), jnp.zeros_like(x)
    for c in coefficients[-2::-1]:
        p, slope = c + z * p, p + z * slope
    # The terms that a gradient sums for the coefficients end on a power of z, and what they share ends on a division:
    # XLA's CPU computes these only once; see `open_gate`.
    d = d_coefficients[0]
    for j, dc in enumerate(d_coefficients[1:], 1):
        d = d + jax.lax.integer_pow(z, j) * dc
    by_x = at.scale * (p + (1 + at.spread) * x * inverse * slope) * inverse
    return x * inverse * p, x * d / (x + at.scale) + by_x * inverse * dx
