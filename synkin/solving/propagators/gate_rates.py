"""The rates of a gate, read off a kernel's equations.

The equations are ``v' = a x (1 - v) - (b + c x) v`` of the gate v, which is g, and ``x' = source - rate x`` of the
variable that opens it, such as those of `synkin.bionmda`.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from synkin.arguments.declaration import AnyParams
from synkin.solving.kernel_protocol import Kernel

# A rate counts as 0 if it is below 0 by at most this number of roundings of the largest rate.
_ROUNDINGS = 16


class Rates(NamedTuple):
    """The constants of the equations, in /ms."""

    source: Array  # of x, with transmitter; without it x has no source
    rate: Array  # of x, with transmitter
    rate_at_rest: Array  # of x, without transmitter
    a: Array
    b: Array
    c: Array | None  # None where the closing does not depend on x


def gate_rates(kernel: Kernel, params: AnyParams) -> Rates:
    """The rates of a kernel's gate; NaN where the equations are not those of a gate."""
    rates, bad = _rates_and_violations(kernel, params)
    for violated in bad.values():
        rates = rates._replace(a=jnp.where(violated, jnp.nan, rates.a))
    return rates


def violations(kernel: Kernel, params: AnyParams) -> dict[str, tuple[Array, Array]]:
    """What must hold of the parameters: the value of each of `Structure.to_check`, and where it is wrong.

    No rate may be negative by more than rounding, and x must have no source without transmitter ("at_rest").
    """
    rates, bad = _rates_and_violations(kernel, params)
    at_rest = _source(kernel, params, jnp.zeros_like(params.T))
    return {name: (at_rest if name == "at_rest" else getattr(rates, name), wrong) for name, wrong in bad.items()}


def total_rate(rates: Rates) -> Array:
    """The rate per unit of x at which the gate approaches its target: a + c."""
    return rates.a if rates.c is None else rates.a + rates.c


def _source(kernel: Kernel, params: AnyParams, T: Array) -> Array:
    zero = jnp.zeros((), T.dtype)
    return jnp.asarray(kernel.derivatives(params, (zero, zero), T)[0])


def _rates_and_violations(kernel: Kernel, params: AnyParams) -> tuple[Rates, dict[str, Array]]:
    """The rates, and for each of `Structure.to_check` where it is violated."""
    dtype = jax.tree.leaves(params)[0].dtype
    zero, one = jnp.zeros((), dtype), jnp.ones((), dtype)

    def slope(T: Array, x: Array, v: Array, of: int, by: int) -> Array:
        """The derivative of equation ``of`` with respect to variable ``by``."""

        def f(value: Array) -> Array:
            return jnp.asarray(kernel.derivatives(params, (value, v) if by == 0 else (x, value), T)[of])

        at = x if by == 0 else v
        return jax.jvp(f, (at,), (jnp.ones_like(at),))[1]

    rates = Rates(
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
            given = [rate for rate in (rates.source, rates.a, rates.b, rates.c) if rate is not None]
            rounding = _ROUNDINGS * jnp.finfo(dtype).eps * functools.reduce(jnp.maximum, map(jnp.abs, given))
            bad[name] = getattr(rates, name) < -rounding
    return rates, bad
