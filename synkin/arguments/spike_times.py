"""Spike times in the order in which they act: with their delay, sorted, and padded to one of a few lengths."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments.known import concrete_value
from synkin.arguments.numbers import as_array


def arrivals(spike_times: Any, delay: Any) -> Any:
    """Spike times in ms with a delay added: in float64 where both are known and the times are a NumPy array.

    Args:
        spike_times: (K,), as `check_times` gives them; inf stays inf.
        delay: a scalar, as `check_delay` gives it.
    """
    known = concrete_value(delay)
    if known is not None and isinstance(spike_times, np.ndarray):
        return spike_times + float(known) if known else spike_times
    if known is not None and not known:
        return spike_times
    spike_times = as_array(spike_times)
    if not jnp.issubdtype(spike_times.dtype, jnp.floating):
        spike_times = spike_times.astype(float)
    return spike_times + as_array(delay, spike_times.dtype)


def padded(spike_times: Any, weights: Array | None) -> tuple[Any, Array | None]:
    """Spikes that are known, padded to one of a few lengths: for each length the answer is compiled.

    That is a power of 2 up to 64, and beyond it at most a sixteenth more.
    """
    count = len(spike_times)
    if concrete_value(spike_times) is None or not count:
        return spike_times, weights
    unit = 1 << max((count - 1).bit_length() - 5, 0) if count > 64 else 1 << (count - 1).bit_length()
    more = -count % unit
    if not more:
        return spike_times, weights
    xp = np if isinstance(spike_times, np.ndarray) else jnp
    spike_times = xp.concatenate([spike_times, xp.full(more, xp.inf, spike_times.dtype)])
    return spike_times, None if weights is None else jnp.concatenate([weights, jnp.zeros_like(weights, shape=more)])


def ordered(spike_times: Any, weights: Array | None) -> tuple[Any, Array | None]:
    """Spikes in the order of time, padding and NaN at the end; times that are sorted already stay as they are."""
    known = concrete_value(spike_times)
    if known is not None and not (known[1:] < known[:-1]).any():
        return spike_times, weights
    xp = np if isinstance(spike_times, np.ndarray) else jnp
    order = xp.argsort(spike_times, stable=True)
    return spike_times[order], None if weights is None else weights[order]
