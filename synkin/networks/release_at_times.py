"""Short-term plasticity between spike times: ``release`` of `synkin.tsodyks_markram`.

Without a random key the mean release is computed (`_mean_release`), with one the release of each site
(`_random_release`). Arguments have been checked: parameters and states are scalars of one dtype.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.times import Times
from synkin.networks.recovery import after_release, kept, lost
from synkin.solving import loops


class _Active(NamedTuple):
    """What a `_Gap` does to the active part, and what it leaves inactive, each (K,)."""

    kept: Array  # fraction of the active part that remains active
    inactive: Array  # fraction of the active part that becomes inactive
    returned: Array  # fraction of the active part that recovers
    empty: Array  # fraction of the inactive part that remains inactive


class _Gap(NamedTuple):
    """The time between a spike and the next, as fractions, each (K,)."""

    kept: Array  # fraction of u that remains
    recovered: Array  # fraction of the inactive part that recovers
    active: _Active | None = None  # None if nothing is ever active


@partial(jax.jit, static_argnames="n")
def released(
    params: AnyParams, rest: AnyState, order: Array, gaps: Array, real: Array, key: Array | None, n: int | None
) -> Array:
    """The release of each spike, in the order in which the spikes were given.

    Args:
        params, rest: scalars of one dtype.
        order: (K,), which spike is the first, the second, ... in time.
        gaps: (K,) ms since the spike before, in the order of time.
        real: (K,) False for padding, in the order of time.
        key, n: for random release.
    """
    stays, recovered = kept(gaps, params.tau_fac), lost(gaps, params.tau_rec)
    if params.tau_psc is None:
        gap = _Gap(stays, recovered)
    else:
        inactive, returned = after_release(gaps, params.tau_psc, params.tau_rec)
        gap = _Gap(
            stays, recovered, _Active(kept(gaps, params.tau_psc), inactive, returned, kept(gaps, params.tau_rec))
        )
    start = rest.u + 0 * gaps.sum()  # NaN if the time of one spike is
    if key is None or n is None:
        found = _mean_release(params, rest, start, gap)
    else:
        found = _random_release(params, start, gap, key, n)
    found = jnp.where(real, found, 0 * start)
    return jnp.zeros_like(found).at[order].set(found, unique_indices=True)


def _facilitated(params: AnyParams, u: Array, gap: _Gap) -> Array:
    """u just after the spike that follows a gap."""
    u = u * gap.kept
    return u + params.U * (1 - u)


def _mean_release(params: AnyParams, rest: AnyState, start: Array, gap: _Gap) -> Array:
    """The release of each spike, (K,)."""

    # The carry holds x and not 1 - x, because x is what is released, and it is small after a large release. x, y and z
    # change by products and by sums of numbers that are not negative, which keep their digits; each time they are
    # divided by their sum, so that it stays 1. (1 - u beside u would not help: rounding errors would part the two.)
    def spike(carry: tuple[Array, ...], gap: _Gap) -> tuple[tuple[Array, ...], Array]:
        if gap.active is None:
            u, x = carry
            u = _facilitated(params, u, gap)
            x = x + (1 - x) * gap.recovered
            return (u, x * (1 - u)), u * x
        u, x, y, z = carry
        u = _facilitated(params, u, gap)
        of = gap.active
        x, y, z = x + z * gap.recovered + y * of.returned, y * of.kept, z * of.empty + y * of.inactive
        whole = x + y + z
        x, y, z = x / whole, y / whole, z / whole
        return (u, x * (1 - u), y + u * x, z), u * x

    carry: tuple[Array, ...] = (start, 1 - rest.depleted)
    carry += () if params.tau_psc is None else (rest.active, rest.depleted - rest.active)
    return jax.lax.scan(spike, loops.match_varying(carry, (params, carry, gap)), gap)[1]


def _random_release(params: AnyParams, start: Array, gap: _Gap, key: Array, n: int) -> Array:
    """The fraction of n sites, all filled at first, that release at each spike, (K,)."""

    def spike(carry: tuple[Array, ...], row: tuple[_Gap, Array]) -> tuple[tuple[Array, ...], Array]:
        (u, filled, active), (gap, key) = carry, row
        u = _facilitated(params, u, gap)
        chances = jax.random.uniform(key, (2, len(filled)), u.dtype)
        if gap.active is None:
            filled, known = filled | (chances[0] < gap.recovered), ~jnp.isnan(u + gap.recovered)
        else:
            returned, stays = gap.active.returned, gap.active.kept
            filled = filled | (chances[0] < jnp.where(active, returned, gap.recovered))
            active = active & (chances[0] >= 1 - stays)
            known = ~jnp.isnan(u + gap.recovered + returned + stays)
        released = filled & (chances[1] < u)
        count = released.sum(dtype="int32").astype(u.dtype)
        return (u, filled & ~released, active | released), jnp.where(known, count / len(filled), jnp.nan)

    carry: tuple[Array, ...] = (start, jnp.ones(n, bool), jnp.zeros(n, bool))
    rows = (gap, jax.random.split(key, len(gap.kept)))
    return jax.lax.scan(spike, loops.match_varying(carry, (params, carry, rows)), rows)[1]


def gaps_between(spike_times: Times, dtype: DTypeLike) -> tuple[Array, Array, Array]:
    """The order of spikes in time and, in that order, the ms since the spike before and which are no padding."""
    traced = isinstance(spike_times, jax.Array)
    xp = jnp if traced else np  # NumPy subtracts in float64, before the result is cast
    times = xp.asarray(spike_times, dtype if traced else float)
    order = xp.argsort(times, stable=True)
    times = times[order]
    real = times < xp.inf
    # NaN is sorted behind the padding, where it would change no other spike.
    safe = xp.where(times == xp.inf, xp.zeros_like(times), times)
    before = xp.concatenate([safe[:1], safe[:-1]])
    gaps = xp.where(times == xp.inf, xp.zeros_like(times), safe - before)
    return jnp.asarray(order), jnp.asarray(gaps, dtype), jnp.asarray(real)
