"""Exponentials of short-term plasticity: the fractions that are kept, lost and recovered over a duration."""

import math
from collections.abc import Callable

import jax.numpy as jnp
from jax import Array

from synkin.solving.propagators.closed_forms import phi

# exp(-z) is 0 from here on, in every precision.
_GONE = 800.0
# If the duration is less than this fraction of both time constants, the recovered fraction is computed by a series.
_SHORT = 0.5
# The number of terms after which (k + 1) 0.5**k / (k + 2)! is below rounding.
_TERMS = {"float64": 15}
_TERMS_OTHER = 8


def after_release(h: Array, tau_psc: Array, tau_rec: Array) -> tuple[Array, Array]:
    """The fractions of the active part that are inactive ``h`` ms later, and that have recovered by then.

    Both keep all digits, also at equal time constants and for short durations, and their derivatives of every order are
    right there. At a time constant of 0 they are the limit.
    """
    # Apart from the order of the two stages, both results are symmetric in the time constants.
    in_order = tau_psc >= tau_rec
    long, short = jnp.where(in_order, tau_psc, tau_rec), jnp.where(in_order, tau_rec, tau_psc)
    there = ~_is_gone(h, short)
    fast, slow = (jnp.where(there, h, 0) / jnp.where(there, tau, 1) for tau in (short, long))
    # The difference of the two exponentials over that of the time constants; by phi if the time constants are close.
    close = there & (fast - slow < 1)
    apart = jnp.where(close | _is_gone(h, long), 1, long - short)
    far = (kept(h, long) - kept(h, short)) / apart
    near = jnp.exp(-slow) * phi(jnp.where(close, slow - fast, 0)) * fast / jnp.where(there, long, 1)
    quotient = jnp.where(close, near, far)
    brief = there & (fast < _SHORT)
    p, q = (jnp.where(brief, -part, 0) for part in (fast, slow))
    power, term, total = jnp.ones_like(p), jnp.ones_like(p), jnp.full_like(p, 0.5)
    for k in range(1, _TERMS.get(p.dtype.name, _TERMS_OTHER)):
        power = power * p
        term = term * q + power
        total = total + term * (1 / math.factorial(k + 2))
    return tau_rec * quotient, jnp.where(brief, p * q * total, lost(h, long) - short * quotient)


def kept(h: Array, tau: Array) -> Array:
    """exp(-h / tau), and 0 at tau = 0."""
    return _of_age(jnp.exp, 0.0, h, tau)


def lost(h: Array, tau: Array) -> Array:
    """1 - exp(-h / tau), and 1 at tau = 0."""
    return -_of_age(jnp.expm1, -1.0, h, tau)


def _of_age(function: Callable[[Array], Array], at_last: float, h: Array, tau: Array) -> Array:
    """``function(-h / tau)``; once exp(-h / tau) is 0, the value at infinity, whose derivatives are 0."""
    gone = _is_gone(h, tau)
    age = jnp.where(gone, 0, h) / jnp.where(gone, 1, tau)
    return jnp.where(gone, at_last, function(-age))


def _is_gone(h: Array, tau: Array) -> Array:
    """Whether exp(-h / tau) is 0."""
    # A tau counts as 0 if the derivative of 1 / tau would overflow.
    return (h >= _GONE * tau) | (tau * tau < jnp.finfo(tau.dtype).tiny)
