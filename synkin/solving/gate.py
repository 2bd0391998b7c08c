"""A gate that another variable opens, ``v' = a x (1 - v) - (b + c x) v`` with ``x' = source - rate x``: bionmda's g.

v is a linear equation whose rate, R(s) = (a + c) x(s) + b, is known but changes. Over a stretch from 0 to h

    v(h) = exp(-B(0)) v(0) + integral over s of a x(s) exp(-B(s)),    B(s) = integral of R from s to h

and B has a closed form, while the outer integral has none. It is a sum over nodes. From it follow two numbers, the
opening and the closing which, constant over the stretch, would have done the same; with them `propagator.open_gate`
takes the step, so that v stays within 0 and 1 whatever the sum's error is. Given the length of a stretch both are
smooth functions of x, and of x alone. `tables` has them as Chebyshev polynomials once a run, `look_up` reads one.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.solving.propagator import chebyshev, chebyshev_sum, decay, gauss_legendre, phi, phi2, tanh_sinh

Rule = tuple[np.ndarray, np.ndarray]  # nodes and weights on [0, 1]
Stretches = list[tuple[Array, bool]]  # ms, and whether with transmitter

# Over a step the integrand is smooth: with bionmda's rates these nodes reach rounding up to 10 ms. A table and a step
# by itself take the same ones, so that they agree where rates of thousands are not resolved. The long stretches
# between events have the integrand next to one end, which is what tanh-sinh nodes are for.
STEP_RULE = gauss_legendre(16)
STRETCH_RULE = tanh_sinh(96)
# Degree of a table's polynomials.
_DEGREE = {"float64": 16}
_DEGREE_OTHER = 8
# Part of the scale on which a table changes with x by which its variable is squeezed; found by trial.
_SQUEEZE = 0.25
# Below this integral of R the sum over nodes needs no correction, and dividing by it would spoil derivatives.
_QUIET = {"float64": 1e-6}
_QUIET_OTHER = 1e-3
# So many roundings of the largest rate below 0 a rate counts as 0.
_ROUNDINGS = 16
# The least exponent of what is still open: next to nothing, but so that no sum is 0, nor its square.
_LEAST = {"float64": -200.0}
_LEAST_OTHER = -35.0


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
    is less than what opens, the second is more: ``bend[0] + x p(u)``, with p a polynomial of ``u = (1 + s) x / (1 + s
    x)``, which goes from 0 to 1 as x does, and s the ``squeeze``.
    """

    opened: tuple[Array | None, Array]
    closed: tuple[Array, Array | None]
    bend: tuple[Array, ...]  # bend[0], and the Chebyshev coefficients of p on [0, 1]; none where x is held still
    squeeze: Array | None


def rates(kernel: Any, params: Any) -> Rates:
    """The constants, read off the kernel's equations; NaN where they are not those of a gate."""
    found, bad = _read(kernel, params)
    for violated in bad.values():
        found = found._replace(a=jnp.where(violated, jnp.nan, found.a))
    return found


def violations(kernel: Any, params: Any) -> dict[str, tuple[Array, Array]]:
    """What the equations leave to the parameters: by the names in `Structure.to_check`, value and whether it is wrong.

    No rate must be negative, by more than rounding, and x must have no source at rest ("at_rest").
    """
    found, bad = _read(kernel, params)
    at_rest = _source(kernel, params, jnp.zeros_like(params.T))
    return {name: (at_rest if name == "at_rest" else getattr(found, name), wrong) for name, wrong in bad.items()}


def _source(kernel: Any, params: Any, T: Array) -> Array:
    zero = jnp.zeros((), T.dtype)
    return jnp.asarray(kernel.derivatives(params, (zero, zero), T)[0])


def _read(kernel: Any, params: Any) -> tuple[Rates, dict[str, Array]]:
    """The constants, and where what is to be checked of them is wrong."""
    dtype = jax.tree.leaves(params)[0].dtype
    zero, one = jnp.zeros((), dtype), jnp.ones((), dtype)

    def slope(T: Array, x: Array, v: Array, of: int, by: int) -> Array:
        def f(moving: Array) -> Array:
            return jnp.asarray(kernel.derivatives(params, (moving, v) if by == 0 else (x, moving), T)[of])

        at = x if by == 0 else v
        return jax.jvp(f, (at,), (jnp.ones_like(at),))[1]

    found = Rates(
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
            rounding = _ROUNDINGS * jnp.finfo(dtype).eps * functools.reduce(jnp.maximum, map(jnp.abs, _present(found)))
            bad[name] = getattr(found, name) < -rounding
    return found, bad


def _present(found: Rates) -> list[Array]:
    return [rate for rate in (found.source, found.a, found.b, found.c) if rate is not None]


def held(r: Rates, dt: Array) -> Integrals:
    """Over a step of ``dt`` ms in which x is held still."""
    return Integrals((None, r.a * dt), (r.b * dt, None if r.c is None else r.c * dt), (), None)


def tables(r: Rates, dt: Array, on: list[Array]) -> list[Integrals]:
    """Over steps of ``dt`` ms from any x, the first ``on`` ms of each with transmitter: one table a step."""
    shape = jnp.broadcast_shapes(*(each.shape for each in on))
    stacked = jnp.stack([jnp.broadcast_to(each, shape) for each in on])
    # All of them at once, which compiles in the time of one.
    found = jax.vmap(lambda on: _table(r, [(on, True), (dt - on, False)]))(stacked)
    return [jax.tree.map(lambda leaf, i=i: leaf[i], found) for i in range(len(on))]


def _table(r: Rates, stretches: Stretches) -> Integrals:
    dtype = r.a.dtype
    nodes, matrix = chebyshev(_DEGREE.get(dtype.name, _DEGREE_OTHER))
    end = _passed(r, stretches, STEP_RULE)[1]

    shape = jnp.broadcast_shapes(*(leaf.shape for leaf in jax.tree.leaves((r, end))))

    def means(x: Array) -> tuple[Array, Array]:
        brought, kept, _ = _means(r, jnp.broadcast_to(x, shape), stretches, STEP_RULE)
        return brought - 1, kept - 1

    squeeze = _squeeze(r, end)
    at = jax.vmap(lambda u: u / (1 + squeeze * (1 - u)))(jnp.asarray(nodes, dtype))
    at_0, _ = means(jnp.zeros((), dtype))
    brought, kept = jax.lax.map(means, at)
    # The bend is ``first + x slope(x)``, so that it is right relative to x where x is next to nothing.
    slopes = jax.vmap(lambda b, k, x: r.a * (r.source * end.base * (b - at_0) / x + end.slope * k))(brought, kept, at)
    slopes = jnp.tensordot(jnp.asarray(matrix, dtype), slopes, axes=1, precision=jax.lax.Precision.HIGHEST)
    bend = (r.a * r.source * end.base * at_0, *slopes)
    opened = r.a * r.source * end.base, r.a * end.slope
    closed: tuple[Array, Array | None] = r.b * end.elapsed, None
    if r.c is not None:
        closed = r.b * end.elapsed + r.c * r.source * end.base, r.c * end.slope
    return Integrals(opened, closed, bend, squeeze)


def look_up(given: Integrals, x: Array) -> tuple[Array, Array]:
    """The integrals of opening and closing over a step that starts at ``x`` (or, where x is held, with that x)."""
    opened = given.opened[1] * x if given.opened[0] is None else given.opened[0] + given.opened[1] * x
    closed = given.closed[0] if given.closed[1] is None else given.closed[0] + given.closed[1] * x
    if not given.bend:
        return opened, jnp.broadcast_to(closed, x.shape)
    assert given.squeeze is not None
    u = x * (1 + given.squeeze) / (1 + given.squeeze * x)
    more = given.bend[0] + x * chebyshev_sum(given.bend[1:], u)
    # Neither can be below 0: not by rounding where b and c are 0, nor where rates of thousands bend more than a
    # polynomial can. The derivative stays.
    more = more + jax.lax.stop_gradient(jnp.clip(more, -opened, closed) - more)
    return opened + more, closed - more


class Passed(NamedTuple):
    """What has happened since the start of the stretches, by some moment; linear in the x of the start."""

    x: Array  # x there is ``source * x + decayed * start``
    decayed: Array
    base: Array  # the integral of x is ``source * base + slope * start``, ms
    slope: Array
    elapsed: Array  # ms


def _passed(r: Rates, stretches: Stretches, rule: Rule) -> tuple[list[tuple[Array, Passed]], Passed]:
    """At each node of the sum, with a leading axis, its weight in ms and what has passed; and what has at the end."""
    dtype = r.a.dtype
    zero = jnp.zeros((), dtype)
    start = Passed(zero, jnp.ones((), dtype), zero, zero, zero)
    nodes = []
    for duration, with_transmitter in stretches:
        rate = r.rate if with_transmitter else r.rate_at_rest

        def later(s: Array, start: Passed = start, rate: Array = rate, fed: bool = with_transmitter) -> Passed:
            lost, mean = decay(rate, s), s * phi(-rate * s)
            x, base = start.x - lost * start.x, start.base + mean * start.x
            if fed:
                x = x + mean
                base = base + s**2 * phi2(-rate * s)
            decayed = start.decayed - lost * start.decayed
            return Passed(x, decayed, base, start.slope + mean * start.decayed, start.elapsed + s)

        at, weights = (jnp.asarray(part, dtype) for part in rule)
        at_nodes = jax.vmap(lambda node, later=later, duration=duration: later(node * duration))(at)
        nodes.append((jax.vmap(lambda w, duration=duration: w * duration)(weights), at_nodes))
        start = later(duration)
    return nodes, start


def _squeeze(r: Rates, end: Passed) -> Array:
    """By how much the variable of a table is drawn out next to x = 0, where a fast gate changes most.

    What is still open is a sum of ``exp(-k x)``, with k up to the integral of the rate that x brings. It falls on a
    scale of 1 / k, or where all else closes the gate by itself, of that much more; over the rest of 0 to 1 it is as a
    power of x. A polynomial of x itself would have to be of a degree of about the root of k.
    """
    total_rate = r.a if r.c is None else r.a + r.c
    by_itself = r.b * end.elapsed + total_rate * r.source * end.base
    # Any squeeze gives the same function, so the derivative need not know of it.
    return jax.lax.stop_gradient(_SQUEEZE * total_rate * end.slope / (1 + by_itself))


def integrals(r: Rates, x: Array, stretches: Stretches, rule: Rule) -> tuple[Array, Array]:
    """The integrals of opening and closing over the stretches from ``x`` at their start, of the shape of x."""
    brought, kept, all_along = _means(r, x, stretches, rule)
    end = _passed(r, stretches, rule)[1]
    open_x = r.source * end.base * brought + end.slope * x * kept
    closed = r.b * end.elapsed * all_along
    return r.a * open_x, closed if r.c is None else closed + r.c * open_x


def _means(r: Rates, x: Array, stretches: Stretches, rule: Rule) -> tuple[Array, Array, Array]:
    """By what the integral of a rate is to be multiplied: what the transmitter brings of x, what is there of it at the
    start, and a rate that does not depend on x."""
    nodes, end = _passed(r, stretches, rule)
    total_rate = r.a if r.c is None else r.a + r.c

    def to_come(moment: Passed) -> Array:
        """The integral of R from a moment to the end."""
        passed = r.source * (end.base - moment.base) + (end.slope - moment.slope) * x
        return r.b * (end.elapsed - moment.elapsed) + total_rate * passed

    # Over stretches in which everything closes many times over, what is still open at their end may vanish. So it is
    # counted up to the last node that weighs anything; the factor that is left out cancels below.
    def last(weight: Array, moment: Passed) -> Array:
        return jnp.where(weight > 0, to_come(moment), jnp.inf)

    left_out = functools.reduce(jnp.minimum, (jax.vmap(last)(*node).min(axis=0) for node in nodes))
    least = _LEAST.get(x.dtype.name, _LEAST_OTHER)
    left_out = jax.lax.stop_gradient(jnp.where(left_out < jnp.inf, left_out, jnp.zeros_like(left_out)))

    def parts(weight: Array, moment: Passed) -> tuple[Array, ...]:
        # In a stretch of no length nothing weighs, and what is still open there might overflow.
        open_then = jnp.exp(jnp.clip(left_out - to_come(moment), least, -least))
        weights = weight * moment.x, weight * moment.decayed, weight
        return tuple(jnp.broadcast_to(part, x.shape) for w in weights for part in (w, w * open_then))

    sums = [part.sum(axis=0) for part in jax.vmap(parts)(*nodes[0])]
    for more in nodes[1:]:
        sums = [one + part.sum(axis=0) for one, part in zip(sums, jax.vmap(parts)(*more), strict=True)]
    # Three means of what is still open: weighted by the x that the transmitter brings, by the x of the start, and by
    # time alone. Being means they are right where x is gone before the first node, too.
    zero, one = jnp.zeros_like(x), jnp.ones_like(x)
    at_start = jnp.exp(jnp.maximum(left_out - to_come(Passed(zero, one, zero, zero, zero)), least))
    kept, all_along = _mean(sums[2], sums[3], at_start), _mean(sums[4], sums[5], at_start)
    brought = _mean(sums[0], sums[1], kept)  # a pulse of no length brings its x at the start
    open_x = r.source * end.base * brought + end.slope * x * kept
    closed = r.b * end.elapsed * all_along
    if r.c is not None:
        closed = closed + r.c * open_x
    # Opening and closing, times one factor, must add up to the integral of R.
    total = r.b * end.elapsed + total_rate * (r.source * end.base + end.slope * x)
    quiet = total < _QUIET.get(x.dtype.name, _QUIET_OTHER)
    summed = jnp.where(quiet, one, r.a * open_x + closed)
    factor = jnp.where(quiet, jnp.exp(-left_out) / phi(-total), total / summed)
    return brought * factor, kept * factor, all_along * factor


def _mean(weight: Array, weighted: Array, where_none: Array) -> Array:
    none = weight == 0
    return jnp.where(none, where_none, weighted / jnp.where(none, jnp.ones_like(weight), weight))
