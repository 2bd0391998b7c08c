"""Exponentials of short-term plasticity: what is kept, lost and recovered in a stretch of time."""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array

from synkin.solving.propagators.closed_forms import phi

# exp(-z) is 0 from here on, in every precision.
_GONE = 800.0
# Where the duration is a smaller fraction of both time constants, what comes back is a series.
_SHORT = 0.5
# So many terms bring (k + 1) 0.5**k / (k + 2)! below rounding.
_TERMS = {"float64": 15}
_TERMS_OTHER = 8


def after_release(h: Any, tau_psc: Array, tau_rec: Array) -> tuple[Array, Array]:
    """Of what is active the part that is inactive ``h`` ms later, and the part that has come back.

    Both keep all digits, at equal time constants and in short times too, and have right derivatives of every order
    there; at a time constant of 0 they are the limit.
    """
    # But for the order of the two stages each is symmetric in the time constants.
    in_order = tau_psc >= tau_rec
    long, short = jnp.where(in_order, tau_psc, tau_rec), jnp.where(in_order, tau_rec, tau_psc)
    there = ~_is_gone(h, short)
    fast, slow = (jnp.where(there, h, 0) / jnp.where(there, tau, 1) for tau in (short, long))
    # The difference of the two exponentials over that of the time constants, where these are close by phi.
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


def kept(h: object, tau: Array) -> Array:
    """exp(-h / tau), and 0 at tau = 0."""
    return _of_age(jnp.exp, 0.0, h, tau)


def lost(h: object, tau: Array) -> Array:
    """1 - exp(-h / tau), and 1 at tau = 0."""
    return -_of_age(jnp.expm1, -1.0, h, tau)


def _of_age(function: Callable[[Array], Array], at_last: float, h: Any, tau: Array) -> Array:
    """``function(-h / tau)`` and, where that is long gone, the value at infinity, whose derivatives are 0."""
    gone = _is_gone(h, tau)
    age = jnp.where(gone, 0, h) / jnp.where(gone, 1, tau)
    return jnp.where(gone, at_last, function(-age))


def _is_gone(h: Any, tau: Array) -> Array:
    """Whether exp(-h / tau) is 0."""
    # As 0 counts a tau whose derivative, of 1 / tau, would overflow.
    return (h >= _GONE * tau) | (tau * tau < jnp.finfo(tau.dtype).tiny)
