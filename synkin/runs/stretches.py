"""The stretches of time between spikes, changes of parameters and samples.

Plain numbers are subtracted in float64 before they are cast, so that a recording keeps its resolution wherever in time
it lies.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike


def from_start(edges: Any, start: Any) -> Any:
    """The edges, those before the start at it: what a parameter was earlier does not change the state given there."""
    traced = any(isinstance(t, jax.Array) for t in (edges, start))
    return (jnp if traced else np).maximum(edges, start)


def merge_moments(spike_times: Any, inputs: Array, inner: list[Any], dtype: DTypeLike) -> tuple[Any, Array, Array]:
    """All moments in order, which of them are spikes, and the weight of these."""
    traced = any(isinstance(t, jax.Array) for t in (spike_times, *inner))
    xp = jnp if traced else np
    moments = xp.concatenate([xp.asarray(t, dtype if traced else float) for t in (spike_times, *inner)])
    order = xp.argsort(moments, stable=True)
    more = len(moments) - len(spike_times)
    is_spike = jnp.concatenate([jnp.isfinite(jnp.asarray(spike_times, dtype)), jnp.zeros(more, bool)])
    weight = jnp.concatenate([inputs, jnp.zeros(more, inputs.dtype)])
    return moments[order], is_spike[order], weight[order]


def values_at(moments: Any, edges: Any, values: Any, start: Any) -> Any:
    """The value of a parameter at the start and from each moment on."""
    traced = any(isinstance(t, jax.Array) for t in (moments, edges, values, start))
    xp = jnp if traced else np
    at = moments if start is None else xp.concatenate([xp.asarray(start)[None], moments])
    piece = xp.clip(xp.searchsorted(xp.asarray(edges), at, side="right") - 1, 0, len(values) - 1)
    return xp.asarray(values)[piece]


def cast(arrays: Any, dtype: DTypeLike) -> Any:
    """Arrays of JAX: floats of ``dtype``, and all others as they are."""

    def cast(x: Any) -> Array:
        return jnp.asarray(x, dtype) if jnp.issubdtype(x.dtype, jnp.floating) else jnp.asarray(x)

    return jax.tree.map(cast, arrays)


def between(spike_times: Any, times: Any, t0: ArrayLike | None, dtype: DTypeLike) -> tuple[Any, Any, Any, Any]:
    """The lengths in ms over which to propagate, in double precision if they are known; a kernel needs no other times.

    Returns:
        real: (K,) False for padding. before: (K,) the time from the spike before, or the start, to each spike.
        latest: (M,) what each sample follows: 0 the start, k the k-th spike. since: (M,) the time since then.
    """
    traced = any(isinstance(t, jax.Array) for t in (spike_times, times, t0))
    xp = jnp if traced else np  # plain numbers are subtracted in float64 before they are cast
    spike_times, times = (xp.asarray(t, dtype if traced else float) for t in (spike_times, times))
    real = spike_times < xp.inf
    safe = xp.where(real, spike_times, xp.zeros_like(spike_times))
    # At rest nothing changes before the first spike, so that this is the start.
    start = xp.asarray(t0, safe.dtype)[None] if t0 is not None else safe[:1]
    moments = xp.concatenate([start, safe])
    before = xp.where(real, safe - moments[: safe.size], xp.zeros_like(safe))
    latest = xp.searchsorted(spike_times, times, side="right")
    since = times - moments[latest] if moments.size else xp.zeros_like(times)
    since = xp.where(since < 0, xp.zeros_like(since), since)
    if traced and spike_times.size:
        # A time of NaN is sorted behind the padding; it must make all samples NaN.
        since = since + xp.where(xp.isnan(spike_times[-1]), xp.nan, 0).astype(since.dtype)
    return real, before, latest, since
