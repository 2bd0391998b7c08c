"""`synkin.respond` where parameters vary, or where each pulse has a height: exact between the moments of change."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.inputs import AddsWeight
from synkin.declaring.filtered import Filtered
from synkin.runs import filtering
from synkin.solving import loops, pulses
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators import any_duration, equations
from synkin.solving.propagators.equations import Variables


@partial(jax.jit, static_argnames=("kernel", "overlap"))
def respond(
    kernel: Kernel,
    params: AnyParams,
    values: Mapping[str, Array],
    state: AnyState,
    spike: Array,
    weight: Array,
    real: Array,
    before: Array,
    latest: Array,
    since: Array,
    overlap: str,
) -> Array:
    """g at the samples, (M,).

    Args:
        kernel, overlap: as of `synkin.respond`.
        params: ``Params``, scalars.
        values: (E + 1,) of each parameter that varies: at the start, and from each of E moments on.
        state: at the start.
        spike: (E,) bool, whether there is a spike at a moment, and not only a change of parameters.
        weight: (E,) of these spikes.
        real: (E,) False for padding.
        before: (E,) ms from the moment before to each.
        latest: (M,) the moment that each sample follows: 0 the start, k the k-th.
        since: (M,) the ms since then.
    """
    parts = zip(kernel.parts, kernel.params_of(params), kernel.values_of(values), kernel.states_of(state), strict=True)
    events = spike, weight, real, before, latest, since
    gs = [_respond_part(part, given, own, at, events, overlap) for part, given, own, at in parts]
    return kernel.total(kernel.relative(params), gs)


def _respond_part(
    kernel: Kernel,
    params: AnyParams,
    values: Mapping[str, Array],
    state: AnyState,
    events: tuple[Array, ...],
    overlap: str,
) -> Array:
    spike, weight, real, before, latest, since = events
    if isinstance(kernel, Filtered) and not kernel.has_matrix:
        (own, rates), (start, u) = kernel.split_params(params), kernel.split_state(state)
        inner, at_events, left = kernel.inner, own._replace(**values), None
        if not isinstance(inner.input, AddsWeight):
            left, height = pulses_after_events(own.T_dur, start.pulse_left, spike, weight, before, overlap)
            at_events = at_events._replace(T=height * at_events.T)

        def g_at(latest: Array, since: Array) -> Array:
            return _respond_part(inner, own, values, start, (*events[:4], latest, since), overlap)

        speed = filtering.speed(inner, at_events, start, jnp.where(spike, weight, 0))
        return filtering.by_nodes(kernel, rates, u, g_at, speed, filtering.Events(real, before, latest, since, left))
    zero = jnp.zeros_like(state[0])
    # The transmitter first, as it depends on nothing else: how much is left after each moment, and its height.
    if isinstance(kernel.input, AddsWeight):
        left = jnp.zeros((len(before) + 1,), zero.dtype)
        added = jnp.where(spike, weight, 0)
        sets = params._replace(**values)
    else:
        left, height = pulses_after_events(params.T_dur, state.pulse_left, spike, weight, before, overlap)
        added = jnp.zeros_like(weight)
        sets = params._replace(**values)
        sets = sets._replace(T=height * sets.T)
    on = None if isinstance(kernel.input, AddsWeight) else any_duration.systems_of(kernel, sets)
    off = any_duration.systems_of(kernel, sets, with_transmitter=False)

    def propagate(
        systems: tuple[any_duration.Systems, ...], y: Variables, left: Array, ms: Array, at: int | Array
    ) -> Variables:
        if on is not None:
            with_transmitter, _ = pulses.consume(left, ms)
            y = any_duration.propagate(kernel, systems[0], y, with_transmitter, at)
            ms = ms - with_transmitter
        return any_duration.propagate(kernel, systems[-1], y, ms, at, with_transmitter=False)

    both = (off,) if on is None else (on, off)
    y = tuple(getattr(state, name) for name in kernel.order)
    y = loops.match_varying(y, (sets, y, before, weight))

    def event(y: Variables, step: tuple[Any, Array, Array, Array]) -> tuple[Variables, Variables]:
        stacked, left, ms, more = step
        systems = tuple(any_duration.single_system(kernel, system) for system in stacked)
        y = propagate(systems, y, left, ms, 0)
        y = tuple(v + more if name in kernel.input.variables else v for name, v in zip(kernel.order, y, strict=True))
        return y, y

    stacked = tuple(any_duration.stack_systems(kernel, system, len(before)) for system in both)
    _, after = jax.lax.scan(event, y, (stacked, left[:-1], before, added))
    starts = jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), y, after)
    y = propagate(both, tuple(start[latest] for start in starts), left[latest], since, latest)
    now = jax.tree.map(lambda value: value[latest] if value.ndim else value, sets)
    return equations.conductance(kernel, equations.output_weights(kernel, now), y)


def pulses_after_events(
    T_dur: Array, pulse_left: Array, spike: Array, weight: Array, before: Array, overlap: str
) -> tuple[Array, Array]:
    """The ms of transmitter still to come, and its height in units of T, at the start and after each moment."""

    def event(
        carry: tuple[Array, Array], step: tuple[Array, Array, Array]
    ) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        left, height = carry
        spike, weight, ms = step
        _, left = pulses.consume(left, ms)
        after = pulses.restart(left, spike & (weight > 0), T_dur, overlap)
        height = jnp.where(pulses.restarts(left, spike & (weight > 0), T_dur, overlap), weight, height)
        return (after, height), (after, height)

    start = loops.match_varying((pulse_left, jnp.ones_like(pulse_left)), (pulse_left, T_dur, spike, weight, before))
    _, after = jax.lax.scan(event, start, (spike, weight, before))
    left, height = jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), start, after)
    return left, height
