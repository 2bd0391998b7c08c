"""Run a kernel over spike times: exact between events, off any grid, at whatever times are asked for.

A scan over the spikes computes the state right after each spike. Each sample then propagates the state of the latest
spike before it over the time since then; a gate goes from sample to sample (`synkin.runs.gated_events`). The cost grows
with spikes + samples, not with duration / dt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments import units
from synkin.arguments.bind import bind_events
from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.inputs import StartsPulse
from synkin.arguments.varying import bind_pieces
from synkin.declaring.filtered import Filtered, with_filters
from synkin.runs import filtering, gated_events, stretches, varying_events
from synkin.solving import limits, loops, pulses
from synkin.solving.filters import Filter, as_filters
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators import any_duration, equations
from synkin.solving.propagators.equations import Variables


def respond(
    kernel: Kernel,
    params: AnyParams,
    spike_times: ArrayLike,
    times: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    varying: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    delay: ArrayLike = 0.0,
    state: AnyState = None,
    t0: ArrayLike = 0.0,
    overlap: str = "restart",
    filter: Filter | Sequence[Filter] | None = None,
    dtype: DTypeLike | None = None,
) -> Array:
    """The conductance of one synapse at any times, given its spike times, which need not lie on a grid.

    A spike acts at its time: g at exactly that time already includes it. The result can be differentiated, forward and
    reverse, with respect to parameters, weights, delay, spike times and sample times. Derivatives are one-sided where g
    has a kink: at a spike they are those just after it, and at the end of a pulse those for a shorter pulse. For many
    synapses use `jax.vmap`, with spike times that are padded with inf to one length.

    Args:
        kernel: a kernel such as `synkin.ampa`.
        params: the kernel's ``Params``, scalars.
        spike_times: (K,) ms, in any order. Spikes at inf are ignored, so inf can fill up to a length.
        times: (M,) ms, in any order.
        weights: (K,), one for each spike, by default 1. For a linear kernel the weight in mS that the spike adds; for a
            receptor the height of its pulse as a multiple of T, 0 or more.
        varying: parameters that vary over time, by name, as in ``{"V": (edges, values)}``: edges (E + 1,) ms,
            increasing, and values (E,), each of which holds between two edges. The first value also holds before the
            first edge, and the last one after the last edge. If the concentration itself varies, use
            `synkin.concentration_jumps`.
        delay: ms, 0 or more: every spike acts this much later.
        state: the kernel's ``State`` of shape () at the time ``t0``; by default the state at rest.
        t0: the time of ``state`` in ms. No sample, and no spike with its delay, may come before it.
        overlap: for a receptor: what a spike during a pulse does. "restart": the pulse begins again. "ignore": nothing.
        filter: a low-pass filter of the recording, through which g then goes: `synkin.bessel`, `synkin.one_pole`, or a
            tuple of several in a row. It begins as if g had always had its first value.
        dtype: floating dtype of the result; by default that of ``state``, or JAX's default float.

    Returns:
        g in mS at ``times``, (M,), after the filter if there is one. It is exact up to rounding; for bionmda up to
        1e-11 of the peak (3e-6 in float32).

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

    All arguments but ``dtype``, ``filter`` and ``overlap`` may be quantities of saiunit. If one of them is, g is a
    quantity in mS.

    Give times as lists or NumPy arrays: they are then subtracted in float64, so that results are as accurate at 1e6 ms
    as at 0 ms. JAX arrays only have the precision of their dtype. The same holds for lists in a quantity of saiunit,
    and for spike times with a traced ``delay``.

    Example:
        >>> spike_times = np.array([1.0, 2.23, np.inf])  # inf fills up to a length
        >>> params = synkin.ampa.Params(beta=0.2)
        >>> g = synkin.respond(synkin.ampa, params, spike_times, [0.0, 1.5, 2.73])
        >>> print(g.round(4))
        [0. 0.2072 0.334]
        >>> slope = jax.grad(lambda p: synkin.respond(synkin.ampa, p, spike_times, [2.73])[0])(params)
        >>> round(float(slope.T_dur), 3)
        0.564
    """
    has_units = units.among(state)
    if filters := as_filters(filter):
        if varying:
            bind_pieces(kernel, varying)  # so that a message names the parameters of the kernel alone
        kernel, params, state = with_filters(kernel, params, state, filters)
    if varying or (weights is not None and isinstance(kernel.input, StartsPulse)):
        options = (weights, varying or {}, delay, state, t0, overlap, dtype)
        g, given_units = _respond_varying(kernel, params, spike_times, times, *options)
        return units.quantity(g, "mS") if given_units or has_units else g
    given = bind_events(
        kernel,
        params,
        spike_times,
        times,
        weights=weights,
        delay=delay,
        state=state,
        t0=t0,
        overlap=overlap,
        dtype=dtype,
        rest=limits.at_rest,
    )
    lengths = stretches.between(given.spike_times, given.times, given.start, given.dtype)
    moments = None
    if any(part.structure.gated for part in kernel.parts):  # for those behind filters see `_respond_by_nodes`
        moments = stretches.cast(gated_events.moments(*lengths[1:]), given.dtype)
    g = _respond(
        kernel, given.params, given.state, given.inputs, *stretches.cast(lengths, given.dtype), moments, overlap
    )
    return units.quantity(g, "mS") if given.has_units or has_units else g


def _respond_varying(
    kernel: Kernel,
    params: AnyParams,
    spike_times: ArrayLike,
    times: ArrayLike,
    weights: ArrayLike | None,
    varying: Mapping[str, tuple[ArrayLike, ArrayLike]],
    delay: ArrayLike,
    state: AnyState,
    t0: ArrayLike,
    overlap: str,
    dtype: DTypeLike | None,
) -> tuple[Array, bool]:
    """g, and whether it is to be a quantity."""
    weighted = weights is not None and isinstance(kernel.input, StartsPulse)
    edges, values = bind_pieces(kernel, varying)
    begins = params._replace(**{name: value[0] for name, value in values.items()}) if values else params
    given = bind_events(
        kernel,
        begins,
        spike_times,
        times,
        weights=weights,
        weighted=weighted,
        delay=delay,
        state=state,
        t0=t0,
        overlap=overlap,
        dtype=dtype,
        rest=limits.at_rest,
    )
    # The moments at which something changes: spikes, and the edges between two values of a parameter.
    start = given.start
    inner = [edge[1:-1] if start is None else stretches.from_start(edge[1:-1], start) for edge in edges.values()]
    moments, is_spike, weight = stretches.merge_moments(
        given.spike_times, given.inputs.astype(given.dtype), inner, given.dtype
    )
    if start is None and len(moments):  # at rest nothing changes before the first moment
        start = moments[0]
    lengths = stretches.between(moments, given.times, start, given.dtype)
    events = (is_spike, weight, *stretches.cast(lengths, given.dtype))
    at = {name: stretches.values_at(moments, edges[name], value, start) for name, value in values.items()}
    at = {name: jnp.asarray(value, given.dtype) for name, value in at.items()}
    g = varying_events.respond(kernel, given.params, at, given.state, *events, overlap)
    return g, given.has_units or units.among(*(part for pair in varying.values() for part in pair))


@partial(jax.jit, static_argnames=("kernel", "overlap"))
def _respond(
    kernel: Kernel,
    params: AnyParams,
    state: AnyState,
    inputs: Array,
    real: Array,
    before: Array,
    latest: Array,
    since: Array,
    moments: gated_events.Moments | None,
    overlap: str,
) -> Array:
    parts = zip(kernel.parts, kernel.params_of(params), kernel.states_of(state), strict=True)
    events = inputs, real, before, latest, since
    gs = [_respond_part(part, given, at, events, moments, overlap) for part, given, at in parts]
    return kernel.total(kernel.relative(params), gs)


def _respond_part(
    kernel: Kernel,
    params: AnyParams,
    state: AnyState,
    events: tuple[Array, ...],
    moments: gated_events.Moments | None,
    overlap: str,
) -> Array:
    """g of one part of a kernel."""
    inputs, real, before, latest, since = events
    inputs = jnp.where(real, inputs, jnp.zeros_like(inputs))
    if isinstance(kernel, Filtered) and not kernel.has_matrix:
        return _respond_by_nodes(kernel, params, state, (inputs, *events[1:]), overlap)
    weights = equations.output_weights(kernel, params)
    if kernel.structure.gated:
        assert moments is not None
        y = gated_events.samples(kernel, params, state, inputs, before, moments, overlap)
        return equations.conductance(kernel, weights, y)
    propagate = partial(_propagate, kernel, any_duration.propagation(kernel, params))
    state = loops.match_varying(state, (params, state, inputs, real, before))

    def event(state: AnyState, spike: tuple[Array, Array]) -> tuple[AnyState, AnyState]:
        duration, given = spike
        state = _receive(kernel, params, propagate(state, duration), given, overlap)
        return state, state

    _, after = jax.lax.scan(event, state, (before, inputs))
    states = jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), state, after)

    samples = propagate(jax.tree.map(lambda field: field[latest], states), since)
    y = tuple(getattr(samples, name) for name in kernel.order)
    return equations.conductance(kernel, weights, y)


def _respond_by_nodes(
    kernel: Filtered, params: AnyParams, state: AnyState, events: tuple[Array, ...], overlap: str
) -> Array:
    """g of one part of a kernel that has filters behind it and no matrix."""
    inputs, real, before, latest, since = events
    (own, rates), (start, u) = kernel.split_params(params), kernel.split_state(state)
    inner, left = kernel.inner, None
    if isinstance(inner.input, StartsPulse):
        weights = jnp.ones_like(before)
        left, _ = varying_events.pulses_after_events(own.T_dur, start.pulse_left, inputs, weights, before, overlap)

    def g_at(latest: Array, since: Array) -> Array:
        moments = gated_events.moments(before, latest, since) if inner.structure.gated else None
        return _respond_part(inner, own, start, (inputs, real, before, latest, since), moments, overlap)

    speed = filtering.speed(inner, own, start, inputs)
    at = filtering.Events(real, before, latest, since, left)
    return filtering.by_nodes(kernel, rates, u, g_at, speed, at)


def _receive(kernel: Kernel, params: AnyParams, state: AnyState, given: Array, overlap: str) -> AnyState:
    """The state right after ``given``: a spike (bool), or an input in mS."""
    if not isinstance(kernel.input, StartsPulse):
        return state._replace(**{name: getattr(state, name) + given for name in kernel.input.variables})
    return state._replace(pulse_left=pulses.restart(state.pulse_left, given, params.T_dur, overlap))


def _propagate(
    kernel: Kernel, propagation: Callable[[Variables, Array, bool], Variables], state: AnyState, duration: Array
) -> AnyState:
    """The state ``duration`` ms later, without a spike, exactly."""
    y = tuple(getattr(state, name) for name in kernel.order)
    if not isinstance(kernel.input, StartsPulse):
        return kernel.State(**dict(zip(kernel.order, propagation(y, duration, False), strict=True)))
    on, pulse_left = pulses.consume(state.pulse_left, duration)
    y = propagation(propagation(y, on, True), duration - on, False)
    return kernel.State(pulse_left=pulse_left, **dict(zip(kernel.order, y, strict=True)))
