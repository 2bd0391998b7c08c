"""Short-term plasticity step by step on a grid of times: ``step`` and ``run`` of `synkin.tsodyks_markram`.

Without a random key the mean release is computed (`_mean_release`), with one the release of each site
(`_random_release`). Arguments have been checked: parameters, dt and states are arrays of one dtype.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.known import concrete_value
from synkin.arguments.numbers import align, as_real
from synkin.networks.recovery import after_release, lost
from synkin.solving import loops


class StepCoefficients(NamedTuple):
    """All that a step needs and that depends only on the parameters and dt."""

    U: Array
    faded: Array  # fraction of u that is lost in a step
    recovered: Array  # fraction of the inactive part that recovers
    ended: Array | None  # fraction of the active part that becomes inactive or recovers; None if nothing is ever active
    returned: Array | None  # fraction of the active part that recovers; None as above


def without_unused(params: AnyParams) -> AnyParams:
    """``Params``, with None for a ``tau_psc`` that is concrete and 0: then there is no active part to compute."""
    known = concrete_value(params.tau_psc)
    return params if known is None or known.any() else params._replace(tau_psc=None)


def with_active(state: AnyState) -> AnyState:
    """``state``; if its ``active`` was left out, with 0 for each synapse."""
    active: object = getattr(state, "active", None)
    if not hasattr(state, "depleted") or type(active) is not float or active != 0:
        return state
    shape = np.shape(as_real("state.depleted", state.depleted))
    zeros: Any = np.zeros(shape).tolist()  # a list takes the dtype of the other fields
    return state._replace(active=zeros)


def compute_coefficients(params: AnyParams, dt: Array) -> StepCoefficients:
    """The coefficients of a step of ``dt`` ms.

    Args:
        params: as `without_unused` returns them, arrays of one dtype, each a scalar or of one rank.
        dt: a scalar.
    """
    faded, recovered = lost(dt, params.tau_fac), lost(dt, params.tau_rec)
    if params.tau_psc is None:
        return StepCoefficients(params.U, faded, recovered, None, None)
    _, returned = after_release(dt, params.tau_psc, params.tau_rec)
    return StepCoefficients(params.U, faded, recovered, lost(dt, params.tau_psc), returned)


def first_state(coefficients: StepCoefficients, state: AnyState) -> AnyState:
    """The state that the first step starts from: nothing is active where ``tau_psc`` is 0."""
    if coefficients.ended is not None:
        return state
    return state._replace(active=0 * state.active)  # NaN if that is


def prepare(params: AnyParams, state: AnyState, dt: Array) -> tuple[StepCoefficients, AnyState]:
    """`compute_coefficients` and `first_state` of parameters that broadcast against ``state``."""
    coefficients = compute_coefficients(jax.tree.map(lambda value: align(value, state.u), params), dt)
    return coefficients, first_state(coefficients, state)


def step(
    coefficients: StepCoefficients, state: AnyState, spike: Array, key: Array | None = None, n: int | None = None
) -> tuple[AnyState, Array]:
    """The state one step later, and the release.

    Args:
        coefficients: as `compute_coefficients` returns them.
        state: as `first_state` or an earlier step returns it.
        spike: booleans, of the state's shape.
        key, n: for random release.
    """
    u = jnp.where(spike, state.u + coefficients.U * (1 - state.u), state.u)
    faded = u - u * coefficients.faded
    if key is None or n is None:
        depleted, active, released = _mean_release(coefficients, state, spike, u)
    else:
        depleted, active, released = _random_release(coefficients, state, spike, u, faded, key, n)
    return state._replace(u=faded, depleted=depleted, active=active), released


def _mean_release(
    coefficients: StepCoefficients, state: AnyState, spike: Array, u: Array
) -> tuple[Array, Array, Array]:
    """The depleted and the active part after a step, and the release."""
    released = jnp.where(spike, u * (1 - state.depleted), 0)
    depleted = state.depleted + released
    # A small step changes little. Each change is computed by itself and then subtracted, which keeps its digits; a
    # factor near 1, or x near 1 in place of 1 - x, would lose them.
    if coefficients.ended is None:
        return depleted - depleted * coefficients.recovered, state.active, released
    active = state.active + released
    filled = (depleted - active) * coefficients.recovered + active * coefficients.returned
    return depleted - filled, active - active * coefficients.ended, released


def _random_release(
    coefficients: StepCoefficients, state: AnyState, spike: Array, u: Array, faded: Array, key: Array, n: int
) -> tuple[Array, Array, Array]:
    """As `_mean_release`, with n sites that release, recover and become inactive at random."""
    for_release, for_recovery = jax.random.split(key)
    # If nothing is ever active, this is the limit in which the active part is inactive after any step.
    ended = jnp.ones_like(u) if coefficients.ended is None else jnp.broadcast_to(coefficients.ended, u.shape)
    recovered = jnp.broadcast_to(coefficients.recovered, u.shape)
    returned = recovered if coefficients.returned is None else jnp.broadcast_to(coefficients.returned, u.shape)
    known = ~jnp.isnan(faded + state.depleted + state.active + recovered + returned + ended)
    parts = (state.depleted, state.active)
    empty, active = (jnp.where(known, jnp.round(n * part), 0).astype("int32") for part in parts)
    site, chances = _sites_of(for_release, u, n)
    count = jnp.where(spike, ((chances < u[None]) & (site < (n - empty)[None])).sum(axis=0, dtype="int32"), 0)
    empty, active = empty + count, active + count
    # The empty sites come first, and among them the inactive ones.
    site, chances = _sites_of(for_recovery, u, n)
    is_empty, is_active = site < empty[None], site >= (empty - active)[None]
    filled = is_empty & (chances < jnp.where(is_active, returned[None], recovered[None]))
    active = (is_empty & is_active & (chances >= ended[None])).sum(axis=0, dtype="int32")
    empty -= filled.sum(axis=0, dtype="int32")
    # A draw with a probability of NaN would give a plausible number.
    released, depleted, active = (
        jnp.where(known, sites.astype(u.dtype) / n, jnp.nan) for sites in (count, empty, active)
    )
    return depleted, active, released


def _sites_of(key: Array, like: Array, n: int) -> tuple[Array, Array]:
    """The index of each of n sites, and a random number from 0 to 1 for each site of each synapse."""
    site = jnp.arange(n, dtype="int32").reshape(n, *(1 for _ in like.shape))
    return site, jax.random.uniform(key, (n, *like.shape), like.dtype)


@partial(jax.jit, static_argnames="n")
def one_step(
    params: AnyParams, state: AnyState, spike: Array, dt: Array, key: Array | None, n: int | None
) -> tuple[AnyState, Array]:
    """`synkin.tsodyks_markram.step` of arguments that have been checked."""
    return step(*prepare(params, state, dt), spike, key, n)


@partial(jax.jit, static_argnames="n")
def run(
    params: AnyParams, state: AnyState, spikes: Array, dt: Array, key: Array | None = None, n: int | None = None
) -> tuple[AnyState, Array]:
    """`synkin.tsodyks_markram.run` of arguments that have been checked."""
    coefficients, state = prepare(params, state, dt)
    state = loops.match_varying(state, (coefficients, state, spikes))

    def body(state: AnyState, row: tuple[Array, Array | None]) -> tuple[AnyState, Array]:
        spike, key = row
        return step(coefficients, state, spike, key, n)

    return jax.lax.scan(body, state, (spikes, None if key is None else jax.random.split(key, len(spikes))))
