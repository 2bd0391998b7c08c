"""Run a kernel over spike times: exact between events, off any grid, at whatever times are asked for.

The state right after each spike comes from a scan over the spikes; each sample then evolves the state of the
latest spike before it by the time since. The cost grows with spikes + samples, not with duration / dt.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_kernel, check_overlap
from synkin.arguments.inputs import check_weights
from synkin.arguments.known import concrete_value
from synkin.arguments.numbers import as_array, check_number
from synkin.arguments.params_and_states import check_params, check_state, nan_if_invalid, nan_if_invalid_state
from synkin.arguments.shapes import float_dtype
from synkin.arguments.times import check_delay, check_not_before, check_times, nan_if_invalid_times
from synkin.networks import delays
from synkin.solving import coefficients, limits, loops, pulses


def respond(
    kernel: Any,
    params: Any,
    spike_times: ArrayLike,
    times: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    delay: ArrayLike = 0.0,
    state: Any = None,
    t0: ArrayLike = 0.0,
    overlap: str = "restart",
    dtype: Any = None,
) -> Array:
    """The conductance of one synapse at any times, given its spike times.

    A spike acts at its time, and g is right-continuous: at a spike time that spike counts. Derivatives with
    respect to the parameters, weights, delay, spike times and sample times are there, forward and reverse; where a
    sample falls on a spike they are those from the right, on the end of a pulse those for a pulse that is not longer.
    For many synapses use `jax.vmap`, their spike times padded with inf to one length.

    Args:
        kernel: a kernel such as `synkin.ampa`.
        params: the kernel's ``Params``, scalars.
        spike_times: (K,) ms, in any order: they are sorted, and their weights with them; inf pads.
        times: (M,) ms, in any order.
        weights: (K,) mS for alpha, expon and dual_expon, 1 each by default.
        delay: ms, 0 or more, by which every spike acts later than its time.
        state: the kernel's ``State`` of shape () to start from, held at ``t0``; by default at rest.
        t0: time of ``state`` in ms; no spike, with its delay, and no sample may come before it.
        overlap: for the receptors, "restart" (a spike during a pulse starts it anew) or "ignore".
        dtype: floating dtype of the result; by default that of ``state``, or JAX's default float.

    Returns:
        g in mS at ``times``, (M,): exact to rounding, for bionmda to 1e-11 of the peak (float32: 3e-6).

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

    All but ``dtype`` and ``overlap`` may be quantities of saiunit. If one is, g is a quantity in mS.

    Times that come as lists or NumPy arrays are subtracted from each other in float64, so that a recording keeps
    its resolution wherever in time it lies; times that are JAX arrays have the resolution of their dtype. saiunit
    makes a JAX array of a list, but not of a NumPy array. A traced ``delay`` makes JAX arrays of the spike times.
    """
    check_kernel(kernel)
    has_units = units.among(params, spike_times, times, weights, delay, state, t0)
    params, state = units.params(kernel, params), units.state(state, kernel)
    spike_times, times = units.plain("spike_times", spike_times, "ms"), units.plain("times", times, "ms")
    weights, t0 = units.plain("weights", weights, "mS"), units.plain("t0", t0, "ms")
    check_overlap(overlap, takes_weights=kernel.TAKES_WEIGHTS)
    params = check_params(params, (), kernel)
    if state is not None:
        state = check_state(kernel, state, ())
    dtype = float_dtype(dtype) if state is None else state[0].dtype
    spike_times = check_times("spike_times", spike_times, sort=True)
    spike_times = delays.arrivals(spike_times, check_delay(units.plain("delay", delay, "ms")))
    times = check_times("times", times, sort=False)
    t0 = check_number("t0", t0, np.isfinite, "a finite number of ms")
    if weights is not None:
        weights = check_weights(weights, np.shape(spike_times), takes_weights=kernel.TAKES_WEIGHTS)
    start = None if state is None else t0
    if start is not None:
        check_not_before("spike_times", spike_times, t0)
        check_not_before("times", times, t0)
    spike_times = nan_if_invalid_times(spike_times, start, sort=True)
    times = nan_if_invalid_times(times, start, sort=False)
    if state is None:
        state = limits.at_rest(kernel, params, dtype)
    if not kernel.TAKES_WEIGHTS:
        inputs = None
    else:
        inputs = jnp.ones(np.shape(spike_times), dtype) if weights is None else as_array(weights, dtype)
    spike_times, inputs = _sorted(*_padded(spike_times, inputs))
    if inputs is None:
        inputs = jnp.ones(np.shape(spike_times), bool)
    params = nan_if_invalid(params, kernel)
    state = nan_if_invalid_state(state, params, True, takes_weights=kernel.TAKES_WEIGHTS)
    params = jax.tree.map(partial(as_array, dtype=dtype), params)
    g = _respond(kernel, params, state, inputs, *_stretches(spike_times, times, start, dtype), overlap)
    return units.quantity(g, "mS") if has_units else g


def _padded(spike_times: Any, weights: Array | None) -> tuple[Any, Array | None]:
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


def _sorted(spike_times: Any, weights: Array | None) -> tuple[Any, Array | None]:
    """Spikes in the order of time, padding and NaN at the end; times that are sorted already stay as they are."""
    known = concrete_value(spike_times)
    if known is not None and not (known[1:] < known[:-1]).any():
        return spike_times, weights
    xp = np if isinstance(spike_times, np.ndarray) else jnp
    order = xp.argsort(spike_times, stable=True)
    return spike_times[order], None if weights is None else weights[order]


def _stretches(spike_times: Any, times: Any, t0: Any, dtype: Any) -> tuple[Array, Array, Array, Array]:
    """The lengths in ms over which to evolve: all that a kernel gets to know of time.

    Returns:
        real: (K,) False for padding. before: (K,) from the moment before to each spike. latest: (M,) the moment
        that each sample follows: 0 the start, k the k-th spike. since: (M,) the time since then.
    """
    traced = any(isinstance(t, jax.Array) for t in (spike_times, times, t0))
    xp = jnp if traced else np  # plain numbers are subtracted in float64 before they are cast
    spike_times, times = (xp.asarray(t, dtype if traced else float) for t in (spike_times, times))
    real = spike_times < xp.inf
    safe = xp.where(real, spike_times, xp.zeros_like(spike_times))
    # At rest nothing moves before the first spike, so the clock starts there.
    start = xp.asarray(t0, safe.dtype)[None] if t0 is not None else safe[:1]
    moments = xp.concatenate([start, safe])
    before = xp.where(real, safe - moments[: safe.size], xp.zeros_like(safe))
    latest = xp.searchsorted(spike_times, times, side="right")
    since = times - moments[latest] if moments.size else xp.zeros_like(times)
    since = xp.where(since < 0, xp.zeros_like(since), since)
    if traced and spike_times.size:
        # A time that is none sorts behind the padding, where no sample would hear of it.
        since = since + xp.where(xp.isnan(spike_times[-1]), xp.nan, 0).astype(since.dtype)
    return jnp.asarray(real), jnp.asarray(before, dtype), jnp.asarray(latest), jnp.asarray(since, dtype)


@partial(jax.jit, static_argnames=("kernel", "overlap"))
def _respond(
    kernel: Any,
    params: Any,
    state: Any,
    inputs: Array,
    real: Array,
    before: Array,
    latest: Array,
    since: Array,
    overlap: str,
) -> Array:
    if len(kernel.parts) > 1:
        own = zip(kernel.parts, kernel.params_of(params), kernel.states_of(state), strict=True)
        gs = [_respond(part, given, at, inputs, real, before, latest, since, overlap) for part, given, at in own]
        return kernel.total(kernel.relative(params), gs)
    inputs = jnp.where(real, inputs, jnp.zeros_like(inputs))
    evolve = partial(_evolve, kernel, coefficients.evolution(kernel, params))
    state = loops.alike(state, (params, state, inputs, real, before))

    def event(state: Any, spike: tuple[Array, Array]) -> tuple[Any, Any]:
        duration, given = spike
        state = _receive(kernel, params, evolve(state, duration), given, overlap)
        return state, state

    _, after = jax.lax.scan(event, state, (before, inputs))
    held = jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), state, after)

    moved = evolve(jax.tree.map(lambda h: h[latest], held), since)
    y = tuple(getattr(moved, name) for name in kernel.order)
    return coefficients.output(kernel, coefficients.output_weights(kernel, params), y)


def _receive(kernel: Any, params: Any, state: Any, given: Array, overlap: str) -> Any:
    """The state right after a spike (bool), or an input in mS."""
    if kernel.TAKES_WEIGHTS:
        name = kernel.order[kernel.input]
        return state._replace(**{name: getattr(state, name) + given})
    return state._replace(pulse_left=pulses.refill(state.pulse_left, given, params.T_dur, overlap))


def _evolve(kernel: Any, evolution: Any, state: Any, duration: Array) -> Any:
    """The state ``duration`` ms later, without a spike, exactly."""
    y = tuple(getattr(state, name) for name in kernel.order)
    if kernel.TAKES_WEIGHTS:
        return kernel.State(**dict(zip(kernel.order, evolution(y, duration, False), strict=True)))
    on, pulse_left = pulses.drain(state.pulse_left, duration)
    y = evolution(evolution(y, on, True), duration - on, False)
    return kernel.State(pulse_left=pulse_left, **dict(zip(kernel.order, y, strict=True)))
