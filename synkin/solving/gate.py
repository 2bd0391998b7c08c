"""A gate that another variable opens, ``v' = a x (1 - v) - (b + c x) v`` with ``x' = source - rate x``: bionmda's g.

v is a linear equation whose rate, R(s) = (a + c) x(s) + b, is known but changes. Over a stretch from 0 to h

    v(h) = exp(-B(0)) v(0) + integral over s of a x(s) exp(-B(s)),    B(s) = integral of R from s to h

and B has a closed form, while the outer integral has none. It is a sum over nodes. From it follow two numbers, the
opening and the closing which, constant over the stretch, would have done the same; with them `propagator.open_gate`
takes the step, so that v stays within 0 and 1 whatever the sum's error is.

Given the length of a stretch both are smooth functions of x, and of x alone. `tables` has them as polynomials once a
run, from 0 up to the largest x that they are good for, and `look_up` reads one. A table is checked when it is made: it
is good for no x at all where it differs from the sum between the points that it was made from. For an x beyond a table,
the sum itself is taken, by `integrals`, whose nodes follow the rates: it is right for every x that is not negative.
"""

import functools
import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.solving import loops
from synkin.solving.propagator import chebyshev, decay, gauss_legendre, phi, phi2

Stretches = list[tuple[Array, bool]]  # ms, and whether with transmitter

# Degree of a table's polynomials, and how far one may be off, relative to the opening.
_DEGREE, _DEGREE_OTHER = {"float64": 16}, 7
_TOLERANCE, _TOLERANCE_OTHER = {"float64": 2e-13}, 5e-7
# Beyond so many times what a pulse from rest brings of x a table does not reach.
_PULSES = 8
# The scale on which a table's variable is drawn out next to x = 0, in units of the x whose gate closes as fast as by
# itself; found by trial.
_SCALE = 8.0
# In a step over which the gate and x relax by fewer time constants than this, a few fixed nodes do.
_SHORT = 25.0
_SHORT_NODES, _SHORT_NODES_OTHER = {"float64": 24}, 16
# Nodes of each of the three parts into which any other stretch is split.
_NODES, _NODES_OTHER = {"float64": 32}, 14
# What is open is forgotten after so many time constants.
_FORGOTTEN, _FORGOTTEN_OTHER = {"float64": 42.0}, 22.0
# Below this integral of R the sum over nodes needs no correction, and dividing by it would spoil derivatives.
_QUIET, _QUIET_OTHER = {"float64": 1e-6}, 1e-3
# So many roundings of the largest rate below 0 a rate counts as 0.
_ROUNDINGS = 16


class Rates(NamedTuple):
    """The constants of the equations; rates in /ms."""

    source: Array  # of x, with transmitter
    rate: Array  # of x, with transmitter
    rate_at_rest: Array  # and without, where x has no source
    a: Array
    b: Array
    c: Array | None  # None where the closing does not depend on x


class Integrals(NamedTuple):
    """Opening and closing over a step as functions of x.

    ``opened[0] + opened[1] x`` and ``closed[0] + closed[1] x`` are the integrals of the two rates. As much as the first
    is less than what opens, the second is more: ``bend[0] + w p(z)``, with p a polynomial, ``w = x / (x + scale)``,
    and z and the scale as in `TableRange`.
    """

    opened: tuple[Array | None, Array]
    closed: tuple[Array, Array | None]
    bend: tuple[Array, ...]  # bend[0], and the coefficients of p from the constant on; none where x is held still


class TableRange(NamedTuple):
    """From which x to which tables are good, and their variable, ``z = (spread x - scale) / (x + scale)``.

    It goes from -1 at x = 0 to 1 at the largest x.
    """

    most: Array  # the largest x; -1 where a table is not good enough for any
    scale: Array
    spread: Array


def gate_rates(kernel: Any, params: Any) -> Rates:
    """The constants, read off the kernel's equations; NaN where they are not those of a gate."""
    result, bad = _rates_and_violations(kernel, params)
    for violated in bad.values():
        result = result._replace(a=jnp.where(violated, jnp.nan, result.a))
    return result


def violations(kernel: Any, params: Any) -> dict[str, tuple[Array, Array]]:
    """What the equations leave to the parameters: by the names in `Structure.to_check`, value and whether it is wrong.

    No rate must be negative, by more than rounding, and x must have no source at rest ("at_rest").
    """
    result, bad = _rates_and_violations(kernel, params)
    at_rest = _source(kernel, params, jnp.zeros_like(params.T))
    return {name: (at_rest if name == "at_rest" else getattr(result, name), wrong) for name, wrong in bad.items()}


def _source(kernel: Any, params: Any, T: Array) -> Array:
    zero = jnp.zeros((), T.dtype)
    return jnp.asarray(kernel.derivatives(params, (zero, zero), T)[0])


def _rates_and_violations(kernel: Any, params: Any) -> tuple[Rates, dict[str, Array]]:
    """The constants, and where what is to be checked of them is wrong."""
    dtype = jax.tree.leaves(params)[0].dtype
    zero, one = jnp.zeros((), dtype), jnp.ones((), dtype)

    def slope(T: Array, x: Array, v: Array, of: int, by: int) -> Array:
        def f(moving: Array) -> Array:
            return jnp.asarray(kernel.derivatives(params, (moving, v) if by == 0 else (x, moving), T)[of])

        at = x if by == 0 else v
        return jax.jvp(f, (at,), (jnp.ones_like(at),))[1]

    result = Rates(
        source=_source(kernel, params, params.T),
        rate=-slope(params.T, zero, zero, 0, 0),
        rate_at_rest=-slope(zero, zero, zero, 0, 0),
        a=slope(zero, zero, zero, 1, 0),
        b=-slope(zero, zero, zero, 1, 1),
        c=-slope(zero, zero, one, 1, 0) if kernel.structure.closing_driven else None,
    )
    bad: dict[str, Array] = {}
    for name in kernel.structure.to_check:
        if name == "at_rest":
            bad[name] = _source(kernel, params, zero) != 0
        else:
            rounding = (
                _ROUNDINGS * jnp.finfo(dtype).eps * functools.reduce(jnp.maximum, map(jnp.abs, _given_rates(result)))
            )
            bad[name] = getattr(result, name) < -rounding
    return result, bad


def _given_rates(result: Rates) -> list[Array]:
    return [rate for rate in (result.source, result.a, result.b, result.c) if rate is not None]


def integrals_of_held_x(r: Rates, dt: Array) -> Integrals:
    """Over a step of ``dt`` ms in which x is held still."""
    return Integrals((None, r.a * dt), (r.b * dt, None if r.c is None else r.c * dt), ())


def tables(r: Rates, dt: Array, on: list[Array], T_dur: Array) -> tuple[list[Integrals], TableRange]:
    """Over steps of ``dt`` ms from any x, the first ``on`` ms of each with transmitter: one table a step.

    ``T_dur`` ms of transmitter are a pulse. All tables have one range.
    """
    shape = jnp.broadcast_shapes(*(jnp.shape(leaf) for leaf in jax.tree.leaves((r, dt, on, T_dur))))
    stacked = jnp.stack([jnp.broadcast_to(each, shape) for each in on])
    at = _range(r, dt, T_dur)
    # All of them at once, which compiles in the time of one.
    result, off = jax.vmap(lambda on: _table(r, [(on, True), (dt - on, False)], at, shape))(stacked)
    # A number that is none stays within the range, whose table makes it known.
    good = at._replace(most=jnp.where((off > 1).any(axis=0), -jnp.ones_like(at.most), at.most))
    return [jax.tree.map(lambda leaf, i=i: leaf[i], result) for i in range(len(on))], good


def _range(r: Rates, dt: Array, T_dur: Array) -> TableRange:
    """The x that a run is likely to see, and a scale of what changes most."""
    r, dt, T_dur = jax.lax.stop_gradient((r, dt, T_dur))
    tiny = float(jnp.finfo(dt.dtype).tiny)
    # Twice what a train of spikes brings, or many times what a single one does.
    settled = r.source / jnp.maximum(r.rate, tiny)
    most = 2 * jnp.minimum(settled, _PULSES * r.source * (T_dur * phi(-r.rate * T_dur)))
    most = jnp.where(most > 0, most, jnp.ones_like(most))
    # What is still open is a sum of ``exp(-k x)``, with k up to the integral of the rate that x brings. It falls on a
    # scale of 1 / k, or where all else closes the gate by itself, of that much more; beyond it is as a power of x. A
    # polynomial of x itself would have to be of a degree of about the root of k.
    by_x = _total_rate(r) * (dt * phi(-r.rate_at_rest * dt))
    by_itself = r.b * dt
    scale = 1 / (1 / (64 * most) + by_x / (_SCALE * (1 + by_itself)))
    most, scale = jnp.broadcast_arrays(most, scale)
    return TableRange(most, scale, 1 + 2 * scale / most)


def _table(r: Rates, stretches: Stretches, at: TableRange, shape: tuple[int, ...]) -> tuple[Integrals, Array]:
    """One table, and how far it is off, in units of what is tolerated."""
    dtype = r.a.dtype
    degree = _DEGREE.get(dtype.name, _DEGREE_OTHER)
    nodes, matrix, powers = chebyshev(degree)
    # Where a polynomial through the nodes is off most, a few of these.
    between = np.cos(np.pi * np.arange(0, degree + 1, 2) / (degree + 1))
    z = jnp.asarray(np.concatenate([nodes, between]), dtype)
    x = jax.vmap(lambda z: jnp.broadcast_to(at.scale * (1 + z) / (at.spread - z), shape))(z)
    zero = jnp.zeros(shape, dtype)

    # The few nodes can be no measure of how good they are. Where they do not do, another function is taken.
    long = _is_long(r, jnp.broadcast_to(at.most, shape), stretches)
    r = jax.tree.map(lambda rate: jnp.where(long, jnp.zeros_like(rate), rate), r)
    points = jnp.concatenate([x, zero[None]])
    result = jax.lax.map(lambda x: _integrals(r, x, stretches, graded=False)[0], points)
    result, at_0 = result[:-1], result[-1]

    (to_x, to_base), elapsed = _affine_integral_of_x(r, stretches), sum(duration for duration, _ in stretches)
    opened = r.a * to_base, r.a * to_x
    closed: tuple[Array, Array | None] = r.b * elapsed, None
    if r.c is not None:
        closed = r.b * elapsed + r.c * to_base, r.c * to_x
    # The bend is ``first + w p(z)``, so that it is right relative to x where x is next to nothing.
    first = at_0 - opened[0]
    slopes = jax.vmap(lambda result, x: ((result - at_0) - opened[1] * x) / x * (x + at.scale))(result, x)
    exactly = partial(jnp.tensordot, axes=1, precision=jax.lax.Precision.HIGHEST)
    coefficients = exactly(jnp.asarray(matrix, dtype), slopes[: degree + 1])
    coefficients = exactly(jnp.asarray(powers, dtype), coefficients)
    table = Integrals(opened, closed, (first, *coefficients))
    read = jax.vmap(lambda x: look_up(table, at, x)[0])(x[degree + 1 :])
    right = result[degree + 1 :]
    off = jnp.abs(read - right) / (_TOLERANCE.get(dtype.name, _TOLERANCE_OTHER) * right + jnp.finfo(dtype).tiny)
    off = jnp.where(long, jnp.inf, off.max(axis=0))
    return table, jax.lax.stop_gradient(off)


def look_up(given: Integrals, at: TableRange | None, x: Array) -> tuple[Array, Array]:
    """The integrals of opening and closing over a step that starts at ``x`` (or, where x is held, with that x)."""
    opened = given.opened[1] * x if given.opened[0] is None else given.opened[0] + given.opened[1] * x
    closed = given.closed[0] if given.closed[1] is None else given.closed[0] + given.closed[1] * x
    if not given.bend:
        return opened, jnp.broadcast_to(closed, x.shape)
    assert at is not None
    more = given.bend[0] + _polynomial(given.bend[1:], at, x)
    # Neither can be below 0, nor by rounding where b and c are 0. The derivative stays.
    more = more + jax.lax.stop_gradient(jnp.clip(more, -opened, closed) - more)
    return opened + more, closed - more


@jax.custom_jvp
def _polynomial(coefficients: tuple[Array, ...], at: TableRange, x: Array) -> Array:
    """``w p(z)``, see `Integrals`."""
    z = (at.spread * x - at.scale) / (x + at.scale)
    total = jnp.broadcast_to(coefficients[-1], x.shape)
    for c in coefficients[-2::-1]:
        total = c + z * total
    return x * total / (x + at.scale)


@_polynomial.defjvp
def _polynomial_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (coefficients, at, x), (d_coefficients, _, dx) = primals, tangents
    # Any range gives the same function, so that it has no derivative.
    inverse = 1 / (x + at.scale)
    z = (at.spread * x - at.scale) * inverse
    p, slope = jnp.broadcast_to(coefficients[-1], x.shape), jnp.zeros_like(x)
    for c in coefficients[-2::-1]:
        p, slope = c + z * p, p + z * slope
    # What a gradient sums up for a coefficient ends on a power of z, and what all of these share on a division, which
    # XLA's CPU computes but once; see `propagator.open_gate`.
    d = d_coefficients[0]
    for j, dc in enumerate(d_coefficients[1:], 1):
        d = d + jax.lax.integer_pow(z, j) * dc
    by_x = at.scale * (p + (1 + at.spread) * x * inverse * slope) * inverse
    return x * inverse * p, x * d / (x + at.scale) + by_x * inverse * dx


def is_outside(at: TableRange, x: Array) -> Array:
    """Where ``x`` is beyond the tables, and `integrals` is to be taken."""
    return x > at.most


def may_leave_table(r: Rates, at: TableRange, x: Array) -> Array:
    """Whether any x is beyond the tables at some time of a run that begins with ``x``."""
    # x relaxes towards where a pulse without end would bring it, or towards 0.
    tiny = float(jnp.finfo(x.dtype).tiny)
    return loops.any_across_batch(is_outside(at, jnp.maximum(x, r.source / jnp.maximum(r.rate, tiny))))


def integrals(r: Rates, x: Array, stretches: Stretches) -> tuple[Array, Array]:
    """The integrals of opening and closing over the stretches from ``x`` at their start, of the shape of x.

    Right for stretches of any length and any rates.
    """
    return _integrals(r, x, stretches, graded=True)


def integrals_of_step(r: Rates, x: Array, stretches: Stretches) -> tuple[Array, Array]:
    """`integrals`, by few nodes where that will do for all of ``x``."""

    def by(graded: bool) -> Any:
        return jax.checkpoint(lambda x: _integrals(r, x, stretches, graded=graded))

    return jax.lax.cond(loops.any_across_batch(_is_long(r, x, stretches)), by(True), by(False), x)


class _Part(NamedTuple):
    """A part of a stretch, whose nodes crowd towards the moment `since`; all in units of the stretch's length."""

    since: Array
    left: Array  # from that moment to the end of the stretch
    sign: Array  # 1 where the part lies after that moment, -1 where before
    length: Array
    spread: Array  # of the nodes: their distance is ``length sinh(spread node) / sinh(spread)``


class _Stretch(NamedTuple):
    """A stretch of time, or several with a leading axis."""

    start: Array  # x there
    duration: Array  # ms
    rate: Array  # of x
    source: Array | None  # of x; None where it is 0


def _parts(r: Rates, one: _Stretch) -> _Part:
    """Three parts, (3, ...), in which nodes lie as close as something is fast there.

    x relaxes from the start on. Where it opens the gate so fast that what was open before is forgotten, the first part
    begins as late, and ends where it does so no more; the second part is fine where it begins, the third where it ends.
    """
    r, one = jax.lax.stop_gradient((r, one))
    x = one.start
    eps, forgotten = float(jnp.finfo(x.dtype).eps), _FORGOTTEN.get(x.dtype.name, _FORGOTTEN_OTHER)
    h = jnp.maximum(one.duration, float(jnp.finfo(x.dtype).tiny) / eps**2)
    # All times in units of h from here on.
    rate, k, by_itself = one.rate * h, _total_rate(r) * h, r.b * h
    some = jnp.maximum(rate, 1e-3)
    brought = jnp.zeros_like(h) if one.source is None else k * one.source * h
    excess = jnp.maximum(k * x - brought / some, 0)
    turn = jnp.clip(jnp.log1p(excess / some) / some, 0, 1)

    def R(s: Array) -> Array:
        lost = jnp.exp(-rate * s)
        return by_itself + k * x * lost + brought * jnp.minimum((1 - lost) / some, s)

    R_turn, R_end, rest = R(turn), R(jnp.ones_like(turn)), 1 - turn
    first = jnp.minimum(turn, jnp.minimum(forgotten / (R_turn + eps), math.log1p(forgotten) / some))
    third = jnp.minimum(rest / 2, forgotten / (R_end + eps))
    late = jnp.minimum(rate, 2 * forgotten / jnp.maximum(rest, eps))  # x does not change any more
    zero, unit = jnp.zeros_like(turn), jnp.ones_like(turn)
    length = jnp.stack([first, rest - third, third])
    fastest = jnp.stack([rate + R_turn, rate + R_turn, late + R_end])
    return jax.lax.stop_gradient(
        _Part(
            since=jnp.stack([turn, turn, unit]),
            left=jnp.stack([rest, rest, zero]),
            sign=jnp.stack([-unit, unit, -unit]),
            length=length,
            spread=jnp.arcsinh(length * fastest + eps),
        )
    )


def _integrals(r: Rates, x: Array, stretches: Stretches, *, graded: bool) -> tuple[Array, Array]:
    x, k = jnp.where(x < 0, jnp.nan, x), _total_rate(r)  # of what opens by less than nothing nothing here is sure
    own: list[_Stretch] = []
    for duration, with_transmitter in stretches:
        start = _x_after(own[-1], own[-1].duration) if own else x
        source = r.source if with_transmitter else None if len(stretches) == 1 else jnp.zeros_like(r.source)
        one = _Stretch(start, duration, r.rate if with_transmitter else r.rate_at_rest, source)
        own.append(jax.tree.map(lambda part: jnp.broadcast_to(part, x.shape), one))
    several: _Stretch = jax.tree.map(lambda *each: jnp.stack(each), *own)
    # The integral of R over each, and from its end to the end of all.
    totals = jax.vmap(lambda one: r.b * one.duration + k * _integral_of_x(one, one.start, one.duration))(several)
    total = totals.sum(axis=0)
    after = jnp.stack([totals[i + 1 :].sum(axis=0) for i in range(len(own))])

    def summed(one: _Stretch, after: Array, since: Array, left: Array, weight: Array) -> tuple[Array, Array]:
        since, left = one.duration * since, one.duration * left
        then = _x_after(one, since)
        is_open = jnp.exp(-(r.b * left + k * _integral_of_x(one, then, left) + after))
        weight = jnp.broadcast_to(one.duration * weight * is_open, x.shape)
        return weight * then, weight

    def of_nodes(nodes: Any, one: _Stretch, after: Array) -> tuple[Array, Array]:
        by_x, by_time = jax.vmap(lambda *node: summed(one, after, *node))(*nodes)
        return by_x.sum(axis=0), by_time.sum(axis=0)

    if not graded:
        nodes, weights = _nodes_and_weights(x, _SHORT_NODES.get(x.dtype.name, _SHORT_NODES_OTHER))
        result = jax.vmap(lambda *given: of_nodes((nodes, 1 - nodes, weights), *given))(several, after)
        by_x, by_time = (part.sum(axis=0) for part in result)
    else:
        nodes, weights = _nodes_and_weights(x, _NODES.get(x.dtype.name, _NODES_OTHER))
        parts = jax.vmap(lambda one: _parts(r, one))(several)

        def add(sums: Any, given: tuple[_Part, Array]) -> tuple[Any, None]:
            part, i = given
            per = 1 / jnp.sinh(part.spread)

            def place(node: Array, weight: Array) -> tuple[Array, Array, Array]:
                away = part.length * (jnp.sinh(part.spread * node) * per)
                weight = weight * part.length * part.spread * (jnp.cosh(part.spread * node) * per)
                return part.since + part.sign * away, part.left - part.sign * away, weight

            one, later = jax.tree.map(lambda each: each[i], (several, after))
            result = of_nodes(jax.vmap(place)(nodes, weights), one, later)
            return jax.tree.map(jnp.add, sums, result), None

        parts = jax.tree.map(lambda each: each.reshape(-1, *x.shape), parts)
        which = jnp.arange(3 * len(own), dtype=jnp.int32) // 3
        zeros = loops.match_varying((jnp.zeros_like(x), jnp.zeros_like(x)), (r, several))
        (by_x, by_time), _ = jax.lax.scan(add, zeros, (parts, which))
    opened, closed = r.a * by_x, r.b * by_time
    if r.c is not None:
        closed = closed + r.c * by_x
    # They are the integrals of the two rates times what is still open at the end, and add up to how much that changes.
    quiet = total < _QUIET.get(x.dtype.name, _QUIET_OTHER)
    summed_up = jnp.where(quiet, jnp.ones_like(x), opened + closed)
    factor = jnp.where(quiet, 1 / phi(-total), total / summed_up)
    return opened * factor, closed * factor


def _nodes_and_weights(x: Array, number: int) -> tuple[Array, Array]:
    nodes, weights = gauss_legendre(number)
    return jnp.asarray(nodes, x.dtype), jnp.asarray(weights, x.dtype)


def _total_rate(r: Rates) -> Array:
    return r.a if r.c is None else r.a + r.c


def _x_after(one: _Stretch, s: Array) -> Array:
    """x after ``s`` ms."""
    x = one.start * jnp.exp(-one.rate * s)
    return x if one.source is None else x + one.source * (s * phi(-one.rate * s))


def _integral_of_x(one: _Stretch, x: Array, s: Array) -> Array:
    """The integral of x over ``s`` ms."""
    result = x * (s * phi(-one.rate * s))
    return result if one.source is None else result + one.source * (s**2 * phi2(-one.rate * s))


def _affine_integral_of_x(r: Rates, stretches: Stretches) -> tuple[Array, Array]:
    """The integral of x over the stretches is the first of the two times x at their start, and the second."""
    zero = jnp.zeros((), r.a.dtype)
    decayed, brought, slope, base = jnp.ones_like(zero), zero, zero, zero
    for duration, with_transmitter in stretches:
        rate = r.rate if with_transmitter else r.rate_at_rest
        lost, mean = decay(rate, duration), duration * phi(-rate * duration)
        slope, base = slope + mean * decayed, base + mean * brought
        decayed, brought = decayed - lost * decayed, brought - lost * brought
        if with_transmitter:
            base = base + r.source * (duration**2 * phi2(-rate * duration))
            brought = brought + r.source * mean
    return slope, base


def _is_long(r: Rates, x: Array, stretches: Stretches) -> Array:
    """Whether few nodes will not do."""
    r, x = jax.lax.stop_gradient((r, x))
    stretches = [(jax.lax.stop_gradient(duration), with_transmitter) for duration, with_transmitter in stretches]
    elapsed = sum(duration for duration, _ in stretches)
    slope, base = _affine_integral_of_x(r, stretches)
    relaxed = r.b * elapsed + _total_rate(r) * (slope * x + base)
    return relaxed + jnp.maximum(r.rate, r.rate_at_rest) * elapsed >= _SHORT
