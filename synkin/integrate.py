"""The step rules: how a rate equation is carried over a stretch of time in closed form.

Every gating variable of synkin obeys ``y' = source - rate * y`` with coefficients that are constant over a
stretch, so over ``dt`` it is an affine map. It is written as what is lost and what is gained,

    y <- y + (gained - lost y)        lost = 1 - exp(-rate dt)        gained = source dt phi(-rate dt)

and not as ``a y + b``: in float32 a factor a near 1 is rounded, and over the thousands of steps of a slow decay that
adds up to 1e-4, while a small ``lost`` keeps all its digits. With ``phi(z) = (exp(z) - 1) / z`` nothing divides by the
rate, so a rate of 0 is an ordinary point, for values and for derivatives of every order.
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

# Inside this radius phi of order 2 and higher is its Taylor series; outside, every order loses some of its precision
# to cancellation, the less the larger the radius.
_SERIES_RADIUS = 0.5
# So many terms bring radius**n n! / (n + 2)! below rounding.
_SERIES_TERMS = {"float64": 15}
_SERIES_TERMS_OTHER = 8

# Where the tanh-sinh sum is cut: what lies beyond weighs less than the spacing of the nodes costs.
_TANH_SINH_REACH = 3.0


def phi(z: Array) -> Array:
    """``(exp(z) - 1) / z``, continued through ``phi(0) = 1``.

    Args:
        z: dimensionless, any shape, floating.

    Returns:
        Array of the shape and dtype of ``z``, right to rounding, with right derivatives of every order at 0 too.

    Source: the first of the phi functions of exponential integrators (Hochbruck and Ostermann 2010, Acta
    Numerica 19:209).
    """
    return _phi(1, z)


def phi2(z: Array) -> Array:
    """``(phi(z) - 1) / z``, continued through ``phi2(0) = 1/2``: the second of the same functions.

    Args:
        z: dimensionless, any shape, floating.

    Returns:
        Array of the shape and dtype of ``z``, with right derivatives of every order at 0 too.
    """
    return _phi(2, z)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _phi(order: int, z: Array) -> Array:
    near = z == 0 if order == 1 else jnp.abs(z) < _SERIES_RADIUS
    z_far = jnp.where(near, jnp.ones_like(z), z)
    far = jnp.expm1(z_far) / z_far
    for k in range(1, order):
        far = (far - 1 / math.factorial(k)) / z_far
    if order == 1:
        return jnp.where(near, jnp.ones_like(z), far)
    terms = _SERIES_TERMS.get(z.dtype.name, _SERIES_TERMS_OTHER)
    series = jnp.full_like(z, 1 / math.factorial(terms + order))
    for n in range(terms - 1, -1, -1):
        series = series * z + 1 / math.factorial(n + order)
    return jnp.where(near, series, far)


@_phi.defjvp
def _phi_jvp(order: int, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # The functions are closed under differentiation, phi_k' = phi_k - k phi_(k+1). Without this rule a derivative
    # would run through both branches of `where`: slow to compile, and 0/0 in the one that is not chosen.
    (z,), (dz,) = primals, tangents
    value = _phi(order, z)
    return value, dz * (value - order * _phi(order + 1, z))


class Exchange(NamedTuple):
    """What a stretch of time does to a gating variable, ``y <- y + (gained - lost y)``."""

    lost: Array  # the fraction of y that decays
    gained: Array  # unit of y


def relaxation(source: Array, rate: Array, dt: ArrayLike) -> Exchange:
    """The `Exchange` of ``y <- y + (gained - lost y)``, the solution of ``y' = source - rate * y`` after ``dt``.

    Args:
        source: inflow in the unit of y per ms, any shape.
        rate: decay rate in /ms, broadcasts against ``source``; 0 is allowed.
        dt: stretch of time in ms, broadcasts; 0 is allowed and gives ``(0, 0)``.

    Returns:
        ``lost``, the fraction of y that decays, and ``gained`` (unit of y), broadcast shapes.
    """
    return Exchange(decay(rate, dt), source * (dt * phi(-rate * dt)))


def decay(rate: Array, dt: ArrayLike) -> Array:
    """The fraction that is lost of ``y' = -rate * y`` over ``dt``: ``1 - exp(-rate dt)``, all digits kept.

    Args:
        rate: decay rate in /ms, any shape.
        dt: stretch of time in ms, broadcasts.

    Returns:
        Fraction, the broadcast shape.
    """
    return -jnp.expm1(-rate * dt)


@jax.custom_jvp
def open_gate(g: Array, opening: Array, closing: Array, dt: Array) -> Array:
    """``g' = opening (1 - g) - closing g`` after ``dt``, with rates that change from step to step.

    One transcendental is all that a step costs; `relaxation` needs two, which matters only where they cannot be
    computed once for a whole run.

    Args:
        g: open fraction, any shape.
        opening: rate in /ms, not negative; broadcasts.
        closing: rate in /ms, not negative; broadcasts. Both may be 0.
        dt: ms.

    Returns:
        The new open fraction, with right derivatives also where both rates are 0.
    """
    rate = opening + closing
    settled = opening / jnp.where(rate == 0, jnp.ones_like(rate), rate)
    return g + _expm1(-rate * dt) * (g - settled)


@open_gate.defjvp
def _open_gate_jvp(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
    # With t = tanh(-rate dt / 2), y = settled + (g - settled) kept has the slopes by_closing and by_opening below. No
    # term divides by a rate of 0, where t / rate = -dt / 2 and opening = 0. Each slope ends on its division, and the
    # inverse is one: what divides XLA keeps, and all else it computes again for every parameter that a gradient has.
    (g, opening, closing, dt), (dg, d_opening, d_closing, d_dt) = primals, tangents
    rate = opening + closing
    still = rate == 0
    safe = jnp.where(still, jnp.ones_like(rate), rate)
    t, inverse = jnp.tanh(-rate * dt / 2), 1 / safe
    settled, mean = opening * inverse, jnp.where(still, dt, -2 * t * inverse)
    change = settled * mean + dt * (1 + t) * (g - settled)
    kept, by_closing, by_opening = (1 + t) / (1 - t), -change / (1 - t), (mean - change) / (1 - t)
    by_dt = kept * (opening - rate * g)
    dy = kept * dg + by_opening * d_opening + by_closing * d_closing + by_dt * d_dt
    return open_gate(g, opening, closing, dt), dy


def _expm1(z: Array) -> Array:
    """``exp(z) - 1`` for z of 0 and below, in half the time of `jnp.expm1` and as exact, as nothing cancels."""
    t = jnp.tanh(z / 2)
    return 2 * t / (1 - t)


def gauss_legendre(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1] for a smooth integrand over a short stretch; both of shape (nodes,).

    Source: numpy.polynomial.legendre.leggauss.
    """
    x, w = np.polynomial.legendre.leggauss(nodes)
    return (x + 1) / 2, w / 2


def tanh_sinh(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1] that crowd towards both ends, doubly exponentially; both of shape (nodes,).

    For an integrand that lives on a small part of a long stretch next to one of its ends, as one that decays.

    Source: Takahasi and Mori 1974, Publ. RIMS 9:721.
    """
    k = np.linspace(-1, 1, nodes) * _TANH_SINH_REACH
    # 1 / (1 + exp(-2 s)) is (1 + tanh s) / 2 without cancellation at the left end.
    s = np.pi / 2 * np.sinh(k)
    x = 1 / (1 + np.exp(-2 * s))
    w = (k[1] - k[0]) * np.pi * np.cosh(k) * x * (1 - x)
    return x, w / w.sum()
