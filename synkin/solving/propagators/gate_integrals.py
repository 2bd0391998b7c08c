"""The integrals of a gate's opening and closing over stretches of any length.

The equations are those of `synkin.solving.propagators.gate_rates`. The gate v is linear in itself, with a rate
``R(s) = (a + c) x(s) + b`` that is known but changes in time. Over a stretch from 0 to h

    v(h) = exp(-B(0)) v(0) + integral over s of a x(s) exp(-B(s)),    B(s) = integral of R from s to h

B has a closed form. The outer integral has none and is computed as a sum over nodes. Two numbers follow from it: the
integrals of an opening and a closing rate of constant ratio that would have the same effect. With these
`synkin.solving.propagators.closed_forms.open_gate` takes the step, so that v stays within 0 and 1 whatever the error of
the sum is.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.custom_derivatives import SymbolicZero

from synkin.solving import loops
from synkin.solving.propagators.closed_forms import decay, open_gate, phi, phis
from synkin.solving.propagators.gate_rates import Rates, total_rate
from synkin.solving.propagators.of_kernel import Stretches
from synkin.solving.propagators.quadrature import gauss_legendre

# So many fixed nodes suffice where the gate and x relax by fewer time constants than this.
_SHORT = 25.0
_SHORT_NODES, _SHORT_NODES_OTHER = {"float64": 24}, 16
# The same where they relax by less, as in most steps; found by trial, beside 24 nodes, at many rates.
_VERY_SHORT = 6.0
_VERY_SHORT_NODES, _VERY_SHORT_NODES_OTHER = {"float64": 14}, 8
# The number of nodes of each of the three parts of any other stretch.
_NODES, _NODES_OTHER = {"float64": 32}, 14
# The number of nodes of each stretch at which a mean takes the gate.
_MEAN_NODES = 20
# After this number of time constants nothing is left of what was open before.
_FORGOTTEN, _FORGOTTEN_OTHER = {"float64": 42.0}, 22.0
# Below this integral of R the sum over nodes needs no correction, and dividing by it would spoil derivatives.
_QUIET, _QUIET_OTHER = {"float64": 1e-6}, 1e-3

Pair: TypeAlias = tuple[Array, Array]
_Inputs: TypeAlias = tuple[Rates, Array, tuple[Array, ...]]


def gate_integrals(r: Rates, x: Array, stretches: Stretches) -> tuple[Array, Array]:
    """The integrals of opening and closing over stretches one after the other, for any lengths and rates.

    Args:
        r: the rates.
        x: the variable that opens the gate, at the start; any shape.
        stretches: durations that broadcast against ``x``.

    Returns:
        Both dimensionless and of the shape of ``x``; NaN where ``x`` is negative.
    """
    return _integrals(r, x, stretches, None)


def _mean_nodes(r: Rates, x: Array, duration: Array) -> tuple[Array, Array]:
    """Nodes and weights over a stretch, as fractions of it, (nodes, *shape); dense at its start where x is large."""
    fastest = jnp.maximum(r.rate, r.rate_at_rest) + r.b + total_rate(r) * jnp.maximum(x, 0)
    spread = jax.lax.stop_gradient(jnp.arcsinh(duration * fastest / 4 + float(jnp.finfo(x.dtype).eps) ** 0.5))
    spread = jnp.broadcast_to(spread, x.shape)

    def place(node: Array, weight: Array) -> Pair:
        per = 1 / jnp.sinh(spread)
        return jnp.sinh(spread * node) * per, weight * spread * jnp.cosh(spread * node) * per

    placed: Pair = jax.vmap(place)(*_nodes_and_weights(x, _MEAN_NODES))
    return placed


def short_integrals(r: Rates, x: Array, stretches: Stretches) -> tuple[Array, Array]:
    """`gate_integrals` with few fixed nodes: only right where `is_long` is False."""
    return _integrals(r, x, stretches, _SHORT_NODES.get(x.dtype.name, _SHORT_NODES_OTHER))


def integrals_of_step(r: Rates, x: Array, stretches: Stretches) -> tuple[Array, Array]:
    """`gate_integrals`, with very few fixed nodes if they suffice for all of ``x``."""
    very_few = _VERY_SHORT_NODES.get(x.dtype.name, _VERY_SHORT_NODES_OTHER)

    def integrals(nodes: int | None) -> Callable[[Array], tuple[Array, Array]]:
        return jax.checkpoint(lambda x: _integrals(r, x, stretches, nodes))

    graded = loops.any_across_batch(_relaxed(r, x, stretches) >= _VERY_SHORT)
    return jax.lax.cond(graded, integrals(None), integrals(very_few), x)


def is_long(r: Rates, x: Array, stretches: Stretches) -> Array:
    """Where few fixed nodes do not suffice, bool of the shape of ``x``."""
    return _relaxed(r, x, stretches) >= _SHORT


def _relaxed(r: Rates, x: Array, stretches: Stretches) -> Array:
    """Over how many time constants the gate and x relax, at most."""
    r, x = jax.lax.stop_gradient((r, x))
    stretches = [(jax.lax.stop_gradient(duration), with_transmitter) for duration, with_transmitter in stretches]
    elapsed = sum(duration for duration, _ in stretches)
    slope, base = x_integral(r, stretches)
    relaxed = r.b * elapsed + total_rate(r) * (slope * x + base)
    return relaxed + jnp.maximum(r.rate, r.rate_at_rest) * elapsed


def x_integral(r: Rates, stretches: Stretches) -> tuple[Array, Array]:
    """The integral of x over the stretches, as (slope, base): it is ``slope x + base``, with x at the start."""
    zero = jnp.zeros((), r.a.dtype)
    decayed, brought, slope, base = jnp.ones_like(zero), zero, zero, zero
    for duration, with_transmitter in stretches:
        rate = r.rate if with_transmitter else r.rate_at_rest
        lost, (first, second) = decay(rate, duration), phis(-rate * duration)
        mean = duration * first
        slope, base = slope + mean * decayed, base + mean * brought
        decayed, brought = decayed - lost * decayed, brought - lost * brought
        if with_transmitter:
            base = base + r.source * (duration**2 * second)
            brought = brought + r.source * mean
    return slope, base


def gate_mean(r: Rates, x: Array, stretches: Stretches, dt: Array, *, short: bool) -> tuple[Array, Array]:
    """The gate averaged over stretches one after the other, as (gained, kept): it is ``gained + kept v``.

    Args:
        r, x, stretches: as for `gate_integrals`.
        dt: ms, all of the stretches.
        short: whether `is_long` is known to be False.
    """
    fractions, parts = [], []  # of each stretch, up to a node; of all, what a node stands for
    for i, (duration, _) in enumerate(stretches):
        nodes, weights = _mean_nodes(r, x, duration)
        before, after = jnp.ones_like(nodes), jnp.zeros_like(nodes)
        fractions.append(jnp.stack([before if j < i else nodes if j == i else after for j in range(len(stretches))], 1))
        parts.append(
            jax.vmap(lambda weight, duration=duration: weight * jnp.broadcast_to(duration / dt, x.shape))(weights)
        )

    def at_node(fractions: Array, part: Array) -> Pair:
        until = [(duration * fraction, at) for (duration, at), fraction in zip(stretches, fractions, strict=True)]
        opened, closed = short_integrals(r, x, until) if short else integrals_of_step(r, x, until)
        return part * open_gate(jnp.zeros_like(x), opened, closed), part * jnp.exp(-(opened + closed))

    gained, kept = (each.sum(axis=0) for each in jax.vmap(at_node)(jnp.concatenate(fractions), jnp.concatenate(parts)))
    return gained, kept


class _Part(NamedTuple):
    """A part of a stretch, whose nodes are dense near the moment `since`; in units of the stretch's duration."""

    since: Array
    left: Array  # from that moment to the end of the stretch
    sign: Array  # 1 where the part lies after that moment, -1 where before
    length: Array
    spread: Array  # the distance of a node from that moment is ``length sinh(spread node) / sinh(spread)``


class _Stretch(NamedTuple):
    """A stretch of time, or several with a leading axis."""

    start: Array  # x at the start
    duration: Array  # ms
    rate: Array  # of x
    source: Array | None  # of x; None where it is 0


def _parts(r: Rates, stretch: _Stretch) -> _Part:
    """Three parts of a stretch, (3, ...), whose nodes are dense where something changes fast.

    While x is large it may open the gate so fast that the earlier value is forgotten. The first part is the end of that
    time. The second part is dense at its start, the third part at the end of the stretch.
    """
    r, stretch = jax.lax.stop_gradient((r, stretch))
    x = stretch.start
    eps, forgotten = float(jnp.finfo(x.dtype).eps), _FORGOTTEN.get(x.dtype.name, _FORGOTTEN_OTHER)
    h = jnp.maximum(stretch.duration, float(jnp.finfo(x.dtype).tiny) / eps**2)
    # All times are in units of h from here on.
    rate, k, by_itself = stretch.rate * h, total_rate(r) * h, r.b * h
    some = jnp.maximum(rate, 1e-3)
    brought = jnp.zeros_like(h) if stretch.source is None else k * stretch.source * h
    excess = jnp.maximum(k * x - brought / some, 0)
    turn = jnp.clip(jnp.log1p(excess / some) / some, 0, 1)

    def R(s: Array) -> Array:
        lost = jnp.exp(-rate * s)
        return by_itself + k * x * lost + brought * jnp.minimum((1 - lost) / some, s)

    R_turn, R_end, rest = R(turn), R(jnp.ones_like(turn)), 1 - turn
    first = jnp.minimum(turn, jnp.minimum(forgotten / (R_turn + eps), math.log1p(forgotten) / some))
    third = jnp.minimum(rest / 2, forgotten / (R_end + eps))
    late = jnp.minimum(rate, 2 * forgotten / jnp.maximum(rest, eps))  # 0 in effect once x no longer changes
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


def _integrals(r: Rates, x: Array, stretches: Stretches, fixed_nodes: int | None) -> tuple[Array, Array]:
    """`gate_integrals` with so many fixed nodes a stretch; None stands for nodes that are dense where it is needed."""
    durations, with_transmitter = zip(*stretches, strict=True)
    return _integrals_of_arrays(with_transmitter, fixed_nodes, r, x, durations)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _integrals_of_arrays(
    with_transmitter: tuple[bool, ...], fixed_nodes: int | None, r: Rates, x: Array, durations: tuple[Array, ...]
) -> Pair:
    """`_integrals` with a derivative of its own."""
    return _sums_over_nodes(r, x, list(zip(durations, with_transmitter, strict=True)), fixed_nodes)


@partial(_integrals_of_arrays.defjvp, symbolic_zeros=True)
def _integrals_of_arrays_jvp(
    with_transmitter: tuple[bool, ...], fixed_nodes: int | None, primals: _Inputs, tangents: _Inputs
) -> tuple[Pair, Pair]:
    # A gradient sums the slopes. It needs no pass backwards through the nodes, which would take long to compile.
    r, x, durations = primals
    changes = jax.tree.leaves(tangents, is_leaf=_is_zero)
    moving = [i for i, change in enumerate(changes) if not _is_zero(change)]
    values, slopes = _slopes(r, x, list(zip(durations, with_transmitter, strict=True)), fixed_nodes, moving)
    change = jnp.stack([jnp.broadcast_to(changes[i], x.shape) for i in moving])
    opened, closed = ((slope * change).sum(axis=0) for slope in slopes)
    return values, (opened, closed)


def gate_integrals_and_slopes(r: Rates, x: Array, stretches: Stretches) -> tuple[Pair, Pair]:
    """`gate_integrals`, and the slopes of both with respect to the leaves of (r, x, durations), (leaves, *shape)."""
    return _slopes(r, x, stretches, None, range(len(jax.tree.leaves((r, x, stretches))) - len(stretches)))


def _slopes(
    r: Rates, x: Array, stretches: Stretches, fixed_nodes: int | None, moving: Sequence[int]
) -> tuple[Pair, Pair]:
    """`_integrals`, and the slopes with some of the leaves of (r, x, durations), by one pass over the nodes."""
    durations, with_transmitter = zip(*stretches, strict=True)
    leaves, structure = jax.tree.flatten((r, x, durations))

    def integrals(moved: list[Array]) -> Pair:
        given = dict(enumerate(leaves)) | dict(zip(moving, moved, strict=True))
        r, x, durations = jax.tree.unflatten(structure, given.values())
        return _sums_over_nodes(r, x, list(zip(durations, with_transmitter, strict=True)), fixed_nodes)

    at = [jnp.broadcast_to(leaves[i], x.shape) for i in moving]
    units = np.eye(len(moving), dtype=x.dtype).reshape(*2 * (len(moving),), *(1,) * x.ndim)
    along = [jnp.broadcast_to(unit, (len(moving), *x.shape)) for unit in units]
    at, along = loops.match_varying((at, along), leaves)
    return jax.vmap(lambda along: jax.jvp(integrals, (at,), (along,)), out_axes=(None, 0))(along)


def _is_zero(tangent: object) -> bool:
    return isinstance(tangent, SymbolicZero)


def _sums_over_nodes(r: Rates, x: Array, stretches: Stretches, fixed_nodes: int | None) -> Pair:
    """`_integrals` without a derivative of its own."""
    x, k = jnp.where(x < 0, jnp.nan, x), total_rate(r)  # the nodes are not right for a negative x
    each: list[_Stretch] = []
    for duration, with_transmitter in stretches:
        start = _x_after(each[-1], each[-1].duration) if each else x
        source = r.source if with_transmitter else None if len(stretches) == 1 else jnp.zeros_like(r.source)
        stretch = _Stretch(start, duration, r.rate if with_transmitter else r.rate_at_rest, source)
        each.append(jax.tree.map(lambda part: jnp.broadcast_to(part, x.shape), stretch))
    stacked: _Stretch = jax.tree.map(lambda *parts: jnp.stack(parts), *each)
    # The integral of R over each stretch, and from its end to the end of all.
    totals = jax.vmap(lambda one: r.b * one.duration + k * _integral_of_x(one, one.start, one.duration))(stacked)
    total = totals.sum(axis=0)
    after = jnp.stack([totals[i + 1 :].sum(axis=0) for i in range(len(each))])

    def at_node(stretch: _Stretch, after: Array, since: Array, left: Array, weight: Array) -> tuple[Array, Array]:
        since, left = stretch.duration * since, stretch.duration * left
        then = _x_after(stretch, since)
        is_open = jnp.exp(-(r.b * left + k * _integral_of_x(stretch, then, left) + after))
        weight = jnp.broadcast_to(stretch.duration * weight * is_open, x.shape)
        return weight * then, weight

    def sum_of_nodes(nodes: tuple[Array, Array, Array], stretch: _Stretch, after: Array) -> tuple[Array, Array]:
        by_x, by_time = jax.vmap(lambda *node: at_node(stretch, after, *node))(*nodes)
        return by_x.sum(axis=0), by_time.sum(axis=0)

    if fixed_nodes is not None:
        nodes, weights = _nodes_and_weights(x, fixed_nodes)
        sums = jax.vmap(lambda *given: sum_of_nodes((nodes, 1 - nodes, weights), *given))(stacked, after)
        by_x, by_time = (part.sum(axis=0) for part in sums)
    else:
        nodes, weights = _nodes_and_weights(x, _NODES.get(x.dtype.name, _NODES_OTHER))
        parts = jax.vmap(lambda one: _parts(r, one))(stacked)

        def add(sums: tuple[Array, Array], given: tuple[_Part, Array]) -> tuple[tuple[Array, Array], None]:
            part, i = given
            per = 1 / jnp.sinh(part.spread)

            def place(node: Array, weight: Array) -> tuple[Array, Array, Array]:
                away = part.length * (jnp.sinh(part.spread * node) * per)
                weight = weight * part.length * part.spread * (jnp.cosh(part.spread * node) * per)
                return part.since + part.sign * away, part.left - part.sign * away, weight

            one, later = jax.tree.map(lambda each: each[i], (stacked, after))
            more = sum_of_nodes(jax.vmap(place)(nodes, weights), one, later)
            return jax.tree.map(jnp.add, sums, more), None

        parts = jax.tree.map(lambda each: each.reshape(3 * len(stretches), *x.shape), parts)
        which = jnp.arange(3 * len(each), dtype=jnp.int32) // 3
        zeros = loops.match_varying((jnp.zeros_like(x), jnp.zeros_like(x)), (r, stacked))
        (by_x, by_time), _ = jax.lax.scan(add, zeros, (parts, which))
    opened, closed = r.a * by_x, r.b * by_time
    if r.c is not None:
        closed = closed + r.c * by_x
    # These are the integrals of the two rates, each weighted by the fraction still remembered at the end. Their sum is
    # the fraction that is forgotten, from which the factor between them and the integrals follows.
    quiet = total < _QUIET.get(x.dtype.name, _QUIET_OTHER)
    forgotten = jnp.where(quiet, jnp.ones_like(x), opened + closed)
    factor = jnp.where(quiet, 1 / phi(-total), total / forgotten)
    return opened * factor, closed * factor


def _nodes_and_weights(x: Array, number: int) -> tuple[Array, Array]:
    nodes, weights = gauss_legendre(number)
    return jnp.asarray(nodes, x.dtype), jnp.asarray(weights, x.dtype)


def _x_after(stretch: _Stretch, s: Array) -> Array:
    """x after ``s`` ms of a stretch."""
    x = stretch.start * jnp.exp(-stretch.rate * s)
    return x if stretch.source is None else x + stretch.source * (s * phi(-stretch.rate * s))


def _integral_of_x(stretch: _Stretch, x: Array, s: Array) -> Array:
    """The integral of x over ``s`` ms of a stretch."""
    if stretch.source is None:
        return x * (s * phi(-stretch.rate * s))
    first, second = phis(-stretch.rate * s)
    return x * (s * first) + stretch.source * (s**2 * second)
