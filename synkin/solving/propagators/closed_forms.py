"""Exact solutions of rate equations with constant coefficients, in closed form.

    relaxation         one variable,    y' = source - rate y
    cascade_response   a chain of two,  the second variable after a unit start of the first
    open_gate          a gate,          y' = opening (1 - y) - closing y, for given integrals of the two rates

A solution is written as what is lost and what is gained, ``y <- y + (gained - lost y)``, and not as ``a y + b``. In
float32 a factor a near 1 is rounded, and over the thousands of steps of a slow decay that adds up to 1e-4; a small
``lost`` keeps all its digits. With ``phi(z) = (exp(z) - 1) / z`` nothing divides by a rate, so a rate of 0 is an
ordinary point, for values and for derivatives of every order.
"""

import math
from functools import partial
from typing import NamedTuple, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

# Inside this radius phi is its Taylor series; outside, every order loses some of its precision to cancellation, the
# less the larger the radius.
_SERIES_RADIUS = 0.5
# The number of terms after which radius**n n! / (n + 2)! is below rounding.
_SERIES_TERMS = {"float64": 15}
_SERIES_TERMS_OTHER = 8

# Below this the slopes of `open_gate` are the first two terms of a series.
_GATE_RADIUS = {"float64": 1e-8}
_GATE_RADIUS_OTHER = 2e-4


@overload
def phi(z: Array) -> Array: ...
@overload
def phi(z: float) -> np.floating: ...
def phi(z: Array | float) -> Array | np.floating:
    """``(exp(z) - 1) / z``, continued through ``phi(0) = 1``.

    Args:
        z: dimensionless, any shape, floating.

    Returns:
        Array of the shape and dtype of ``z``, right to rounding, with right derivatives of every order at 0 too.

    Source: the first of the phi functions of exponential integrators (Hochbruck and Ostermann 2010, Acta
    Numerica 19:209).
    """
    if not isinstance(z, Array):  # a plain number, as where equations are tried out in Python
        return np.expm1(z) / z if z else np.float64(1)
    return _phis(1, z)[0]


def phis(z: Array) -> tuple[Array, Array]:
    """``phi(z)``, and the second of the same functions, ``(phi(z) - 1) / z``, continued through 1/2 at 0.

    Args:
        z: dimensionless, any shape, floating.

    Returns:
        Arrays of the shape and dtype of ``z``, with right derivatives of every order at 0 too.
    """
    first, second = _phis(2, z)
    return first, second


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _phis(orders: int, z: Array) -> tuple[Array, ...]:
    """The first functions of those: ``phi_0 = exp``, and ``phi_k(z) = 1 / k! + z phi_(k + 1)(z)``."""
    # Within a scan JAX may drop the rule below and differentiate this function. So order 1 has the series too, which
    # its value alone would not need.
    is_near = jnp.abs(z) < _SERIES_RADIUS
    z_far = jnp.where(is_near, jnp.ones_like(z), z)
    z_near = jnp.where(is_near, z, jnp.zeros_like(z))
    terms = _SERIES_TERMS.get(z.dtype.name, _SERIES_TERMS_OTHER)
    series = jnp.full_like(z, 1 / math.factorial(terms + orders))
    for n in range(terms - 1, -1, -1):
        series = series * z_near + 1 / math.factorial(n + orders)
    near = [series]
    for k in range(orders - 1, 0, -1):
        near.insert(0, 1 / math.factorial(k) + z_near * near[0])
    # The division comes last, of the series too, where it divides by 1: what ends on a division XLA computes once, and
    # anything else again wherever it is used, which takes long to compile.
    found: list[Array] = []
    for k, value in enumerate(near):
        above = found[-1] - 1 / math.factorial(k) if found else jnp.expm1(z_far)
        found.append(jnp.where(is_near, value, above) / z_far)
    return tuple(found)


@_phis.defjvp
def _phis_jvp(
    orders: int, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    # phi_k' = phi_k - k phi_(k + 1). Without this rule a derivative would go through both branches of `where`, which
    # is slow to compile.
    (z,), (dz,) = primals, tangents
    values = _phis(orders + 1, z)
    slopes = [dz * (values[k - 1] - k * values[k]) for k in range(1, orders + 1)]
    return values[:-1], tuple(slopes)


class Exchange(NamedTuple):
    """The solution of one variable over a stretch of time, ``y <- y + (gained - lost y)``."""

    lost: Array  # the fraction of y that decays
    gained: Array  # unit of y


def relaxation(source: Array, rate: Array, dt: ArrayLike) -> Exchange:
    """The solution of ``y' = source - rate * y`` after ``dt``.

    Args:
        source: inflow in the unit of y per ms, any shape.
        rate: decay rate in /ms, broadcasts against ``source``; 0 is allowed.
        dt: stretch of time in ms, broadcasts; 0 is allowed and gives ``(0, 0)``.

    Returns:
        ``lost``, the fraction of y that decays, and ``gained`` (unit of y), broadcast shapes.
    """
    return Exchange(decay(rate, dt), source * (dt * phi(-rate * dt)))


def decay(rate: Array, dt: ArrayLike) -> Array:
    """The fraction of y that ``y' = -rate * y`` loses over ``dt``: ``1 - exp(-rate dt)``, to rounding.

    Args:
        rate: decay rate in /ms, any shape.
        dt: stretch of time in ms, broadcasts.

    Returns:
        Fraction, the broadcast shape.
    """
    return -jnp.expm1(-rate * dt)


def cascade_response(rate: Array, next_rate: Array, dt: ArrayLike) -> Array:
    """The second variable of a chain after ``dt``: ``y' = -rate y`` and ``z' = y - next_rate z`` from y = 1 and z = 0.

    Args:
        rate: that of y, /ms, any shape.
        next_rate: that of z, /ms, broadcasts; it may equal ``rate``.
        dt: ms, broadcasts.

    Returns:
        z after ``dt``, in ms, the broadcast shape.
    """
    # The integral of one exponential against the other is symmetric in them; with the faster one first, phi's argument
    # is never positive and nothing overflows.
    faster = rate >= next_rate
    fast, slow = jnp.where(faster, rate, next_rate), jnp.where(faster, next_rate, rate)
    return jnp.exp(-slow * dt) * (dt * phi((slow - fast) * dt))


@jax.custom_jvp
def open_gate(g: Array, opened: Array, closed: Array) -> Array:
    """``g' = opening (1 - g) - closing g`` over a stretch of time in which the ratio of the two rates is constant.

    Args:
        g: open fraction, any shape.
        opened: integral of the opening rate over the stretch, dimensionless; broadcasts.
        closed: the same of the closing rate. Both may be 0.

    Returns:
        The open fraction at the end, with right derivatives also where both integrals are 0. It costs a single
        transcendental function, which matters where the rates change from step to step.
    """
    total = opened + closed
    target = opened / jnp.where(total == 0, jnp.ones_like(total), total)
    # expm1 made of tanh takes half the time of `jnp.expm1` and is as exact, as nothing cancels.
    t = jnp.tanh(-total / 2)
    approach = 2 * t / (1 - t)  # exp(-total) - 1; exactly -1 for a large total, so that a gate closes to 0
    return g + jnp.where(total == 0, opened, approach * (g - target))


@open_gate.defjvp
def _open_gate_jvp(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
    (g, opened, closed), (dg, d_opened, d_closed) = primals, tangents
    total = opened + closed
    t = jnp.tanh(-total / 2)
    small = jnp.abs(t) <= _GATE_RADIUS.get(g.dtype.name, _GATE_RADIUS_OTHER) / 2
    safe = jnp.where(small, jnp.ones_like(total), total)
    # All else is made of the tanh, of g and of three divisions. XLA's CPU computes these once; it computes what lies
    # between them again for every parameter of a gradient.
    target, mean = opened / safe, 2 * t / safe
    change = (1 + t) * (target - g)
    # Near 0 these are the first two terms of a series, so that their derivatives are right too; the total is -2 t.
    near = -g * (1 + 2 * t) - target / 2
    by_closed = jnp.where(small, near * (1 - t), change + mean * target)
    by_opened = jnp.where(small, (near + 1 + t) * (1 - t), change + mean * (target - 1))
    dy = ((1 + t) * dg + by_opened * d_opened + by_closed * d_closed) / (1 - t)
    return open_gate(g, opened, closed), dy
