"""The step rules: how a rate equation is carried over a stretch of time in closed form.

Every gating variable of synkin obeys ``y' = source - rate * y`` with coefficients that are constant over a
stretch, so over ``dt`` it is an affine map ``y <- a y + b``:

    a = exp(-rate dt)        b = source dt phi(-rate dt)        phi(z) = (exp(z) - 1) / z

Written with ``phi`` nothing divides by the rate, so a rate of 0 is an ordinary point, for values and for
derivatives of every order.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

# Inside this radius phi is its Taylor series. Both branches are then good to rounding, and so are their
# first and second derivatives: outside, the derivative of expm1(z)/z loses only a factor 1/|z| per order.
_SERIES_RADIUS = 0.5
# Terms of the series, by precision: radius**n / (n + 1)! times n**2 (two derivatives) is below rounding.
_SERIES_TERMS = {"float32": 10, "float64": 17}
_SERIES_TERMS_OTHER = 10  # bfloat16 and float16

# Where the tanh-sinh sum is cut: beyond it the weights are below float64 rounding.
_TANH_SINH_REACH = 3.1


def phi(z: Array) -> Array:
    """``(exp(z) - 1) / z``, continued through ``phi(0) = 1``.

    Args:
        z: dimensionless, any shape, floating.

    Returns:
        Array of the shape and dtype of ``z``; smooth in ``z``, with right derivatives at 0.

    Source: the first of the phi functions of exponential integrators (Hochbruck and Ostermann 2010, Acta
    Numerica 19:209).
    """
    return _phi(z, order=1)


def phi2(z: Array) -> Array:
    """``(phi(z) - 1) / z``, continued through ``phi2(0) = 1/2``: the second of the same functions.

    Args:
        z: dimensionless, any shape, floating.

    Returns:
        Array of the shape and dtype of ``z``; smooth in ``z``, with right derivatives at 0.
    """
    return _phi(z, order=2)


def _phi(z: Array, order: int) -> Array:
    near = jnp.abs(z) < _SERIES_RADIUS
    # Each branch gets an argument that is harmless where it is not chosen: a NaN or an infinity in the
    # unchosen branch would come back as 0 * inf = NaN in the gradient.
    z_near = jnp.where(near, z, jnp.zeros_like(z))
    z_far = jnp.where(near, jnp.ones_like(z), z)
    terms = _SERIES_TERMS.get(z.dtype.name, _SERIES_TERMS_OTHER)
    series = jnp.full_like(z, 1 / math.factorial(terms + order))
    for n in range(terms - 1, -1, -1):
        series = series * z_near + 1 / math.factorial(n + order)
    far = jnp.expm1(z_far) / z_far
    if order == 2:
        far = (far - 1) / z_far
    return jnp.where(near, series, far)


def relaxation(source: Array, rate: Array, dt: ArrayLike) -> tuple[Array, Array]:
    """Coefficients ``(a, b)`` of ``y <- a y + b``, the solution of ``y' = source - rate * y`` after ``dt``.

    Args:
        source: inflow in the unit of y per ms, any shape.
        rate: decay rate in /ms, broadcasts against ``source``; 0 is allowed.
        dt: stretch of time in ms, broadcasts; 0 is allowed and gives ``(1, 0)``.

    Returns:
        ``a`` (dimensionless) and ``b`` (unit of y), broadcast shapes.
    """
    z = -rate * dt
    return jnp.exp(z), source * (dt * phi(z))


def compose(first: tuple[Array, Array], then: tuple[Array, Array]) -> tuple[Array, Array]:
    """The affine map that does ``first`` and ``then`` in one: ``a2 (a1 y + b1) + b2``.

    Args:
        first: ``(a, b)`` of the earlier stretch, any shapes that broadcast.
        then: ``(a, b)`` of the later stretch.

    Returns:
        ``(a, b)`` of both together.
    """
    (a1, b1), (a2, b2) = first, then
    return a2 * a1, a2 * b1 + b2


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
