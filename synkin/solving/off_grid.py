"""A step with a spike at any time within it, as of a neuron that says when it crossed its threshold.

Most synapses have neither a spike nor the end of a pulse in a step. They take the step on the grid, with transmitter
throughout or without. The others are carried exactly from one event to the next, by what `synkin.respond` uses: before
the spike with transmitter and without, and so after it.

The carry of a receptor counts the whole steps that are left of a pulse, and has the ms that come after these. So single
precision loses nothing, however long a pulse is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments import units
from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.inputs import StartsPulse
from synkin.arguments.known import concrete_value
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_array, as_real, broadcasts
from synkin.solving import pulses, steps, true_indices
from synkin.solving.carry import Carry, owner_of
from synkin.solving.coefficients import StepCoefficients
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.loops import any_across_batch
from synkin.solving.propagators import any_duration
from synkin.solving.propagators.any_duration import EventTables
from synkin.solving.propagators.equations import Variables

METHOD = "exact off the grid"  # what a carry calls the method, as those of steps on the grid count otherwise

# An offset may be outside of the step by this fraction of dt, as by rounding; it then is at the step's end.
_ROUNDING = 1e-5
# One in so many synapses may have an event in a step before all of them are carried from event to event.
_FEW = 64


class _Events(NamedTuple):
    """What happens to some synapses in a step, each (n,)."""

    y: Variables
    whole: Array | None  # int32, the whole steps that are left of a pulse; None without pulses
    rest: Array | None  # ms of the pulse after these
    spike: Array
    offset: Array  # ms


def check_off_grid(
    kernel: Kernel,
    off_grid: bool,
    method: str | None,
    varying: object,
    weighted: object,
    output: str,
    spikes_at: object,
) -> str | None:
    """The ``method`` of a stepper, as it was given, or "exact" with ``off_grid``.

    Raises:
        ValueError: options that spikes within a step do not go with.
    """
    if not off_grid:
        return method
    if method not in (None, "exact") or "exact" not in kernel.methods:
        raise ValueError(
            "Argument `method` must be 'exact' with off_grid=True, as pulses then end within steps, but is "
            f"{method or kernel.solved_by(None)!r}."
        )
    for name, given in (("varying", bool(varying)), ("weighted", bool(weighted)), ("spikes_at", spikes_at is not None)):
        if given:
            raise ValueError(f"Argument `{name}` must be left out with off_grid=True, but is given.")
    if output != "end":
        raise ValueError(f"Argument `output` must be 'end' with off_grid=True, but is {output!r}.")
    return "exact"


Through: TypeAlias = Callable[[_Events, AnyParams], _Events]


class HasDt(Protocol):
    """A stepper, as far as its offsets are checked."""

    @property
    def off_grid(self) -> bool:
        """Whether it takes offsets."""

    @property
    def dt(self) -> Array:
        """The step, ms."""


def check_offset(stepper: HasDt, offset: object, like: Array) -> Array:
    """The ``offset`` of a step, of the shape of the state; ``like`` is one of its arrays.

    Raises:
        TypeError: no offset for a stepper that takes one, one for another stepper, or no numbers.
        ValueError: a shape that does not broadcast to the state's, or concrete offsets outside of the step.
    """
    if offset is None or not stepper.off_grid:
        expected = "given" if stepper.off_grid else "left out, or the stepper made with off_grid=True"
        raise TypeError(f"Argument `offset` must be {expected}, but is {describe(offset)}.")
    real = as_real("offset", units.strip_unit("offset", offset, "ms"))
    if not broadcasts(np.shape(real), like.shape):
        raise ValueError(f"Argument `offset` must have shape {like.shape}, but has shape {np.shape(real)}.")
    known, dt = concrete_value(real), concrete_value(stepper.dt)
    if known is not None and dt is not None:
        bad = ~((known >= -_ROUNDING * dt) & (known <= (1 + _ROUNDING) * dt))
        if bad.any():
            raise ValueError(
                f"Argument `offset` must be from 0 to dt = {float(dt):.6g} ms, but has {known[bad].flat[0]:.6g}."
            )
    return jnp.broadcast_to(as_array(real, like.dtype), like.shape)


def nan_outside(offset: Array, dt: Array) -> Array:
    """Offsets within the step; NaN outside of it."""
    fixed = jax.lax.stop_gradient(offset)
    inside = (fixed >= -_ROUNDING * dt) & (fixed <= (1 + _ROUNDING) * dt)
    nearest = jnp.where(inside, jnp.clip(fixed, 0, dt), np.asarray(np.nan, offset.dtype))
    return nearest + (offset - fixed)


def carry_from_state(kernel: Kernel, coefs: StepCoefficients, state: AnyState) -> Carry:
    """The carry of a run that begins at ``state``, of a kernel of one part."""
    y = tuple(getattr(state, name) for name in kernel.order)
    owner = owner_of(kernel, METHOD)
    if not isinstance(kernel.input, StartsPulse):
        return Carry(y, None, None, (), owner, None)
    whole, rest = _split(state.pulse_left, coefs.dt)
    grid = (jnp.array(jax.lax.stop_gradient(coefs.dt), copy=True),)
    return Carry(y, whole, rest, grid, owner, None)


def state_of(kernel: Kernel, coefs: StepCoefficients, carry: Carry) -> AnyState:
    """The kernel's ``State`` of a carry."""
    fields = dict(zip(kernel.order, carry.y, strict=True))
    if carry.count is not None:
        rest: Array = carry.carried_pulse
        fields["pulse_left"] = carry.count.astype(rest.dtype) * coefs.dt + rest
    return kernel.State(**fields)


@partial(jax.checkpoint, prevent_cse=False, static_argnums=(0, 1))
def step(
    kernel: Kernel,
    overlap: str,
    coefs: StepCoefficients,
    params: AnyParams,
    tables: EventTables | None,
    carry: Carry,
    spike: Array,
    offset: Array,
) -> Carry:
    """The carry after a step.

    Args:
        kernel, overlap: of the stepper, a kernel of one part.
        coefs: of steps on the grid, "exact".
        params: ``Params``, arrays that broadcast against the state.
        tables: what `synkin.solving.propagators.any_duration.event_tables` gives of params that are scalars, else None.
        carry: from `carry_of` or the step before.
        spike: of the state's shape; bool, or a weight.
        offset: ms from the step's start to the spike, of the state's shape; ignored where there is no spike.
    """
    whole: Array | None = carry.count
    rest: Array | None = carry.carried_pulse
    spiking = spike.astype(bool)
    count, happens = None, spiking
    if whole is not None and rest is not None:
        count = jnp.where(whole >= 1, 4, 0)
        happens = spiking | ((whole == 0) & (rest > 0))
    elif spike.dtype != bool:  # a weight of 0 may have a derivative
        happens = jnp.ones_like(spiking)
    offset = jnp.where(happens & spiking | (spike.dtype != bool), offset, jnp.zeros_like(offset))
    events = _Events(carry.y, whole, rest, spike, offset)
    through = partial(_through, kernel, overlap, coefs.dt)
    if spike.dtype != bool and whole is None:
        after = _flat(partial(through, tables), events, params)
    else:
        y = steps.step_by_count(kernel, "exact", coefs, carry.y, count)
        left = (None, None) if whole is None or rest is None else _passed(whole, rest)
        on_grid = _Events(y, *left, spike, offset)
        after = _where_it_happens(partial(through, tables), happens, events, on_grid, params)
    return carry._replace(y=after.y, count=after.whole, carried_pulse=after.rest)


def _where_it_happens(
    through: Through,
    happens: Array,
    events: _Events,
    on_grid: _Events,
    params: AnyParams,
) -> _Events:
    """``on_grid``, and where something happens what ``through`` makes of the events."""
    size = happens.size
    few = min(max(size // _FEW, 8), size)
    found = true_indices.count(happens.reshape(-1))

    def none(events: _Events, on_grid: _Events, params: AnyParams) -> _Events:
        return on_grid

    def some(events: _Events, on_grid: _Events, params: AnyParams) -> _Events:
        index = true_indices.indices(found, jnp.zeros((), jnp.int32), few, size)

        def chosen(x: Array) -> Array:
            return jnp.broadcast_to(x, happens.shape).reshape(-1).at[index].get(mode="clip")

        own = jax.tree.map(lambda p: chosen(p) if p.ndim else p, params)
        after = through(jax.tree.map(chosen, events), own)

        def put(x: Array, new: Array) -> Array:
            return x.reshape(-1).at[index].set(new, mode="drop").reshape(x.shape)

        return jax.tree.map(put, on_grid, after)

    def all_of(events: _Events, on_grid: _Events, params: AnyParams) -> _Events:
        after = _flat(through, events, params)
        return jax.tree.map(lambda x, new: jnp.where(happens, new, x), on_grid, after)

    which = any_across_batch(found.total > 0).astype(jnp.int32) + any_across_batch(found.total > few).astype(jnp.int32)
    after: _Events = jax.lax.switch(which, (none, some, all_of), events, on_grid, params)
    return after


def _flat(through: Through, events: _Events, params: AnyParams) -> _Events:
    """What ``through``, which takes vectors, makes of events of any shape."""
    shape = events.spike.shape

    def flat(x: Array) -> Array:
        return jnp.broadcast_to(x, shape).reshape(-1)

    after = through(jax.tree.map(flat, events), jax.tree.map(lambda p: flat(p) if p.ndim else p, params))
    return jax.tree.map(lambda x: x.reshape(shape), after)


def _through(
    kernel: Kernel, overlap: str, dt: Array, tables: EventTables | None, events: _Events, params: AnyParams
) -> _Events:
    """What is left of events after the step; vectors."""
    if tables is None:  # parameters of each synapse
        spread = params._make(jnp.broadcast_to(value, events.spike.shape) for value in params)

        def one(events: _Events, params: AnyParams) -> _Events:
            return _through(kernel, overlap, dt, any_duration.event_tables(kernel, params), events, params)

        return jax.vmap(one)(events, spread)
    y, whole, rest, spike, offset = events
    propagate = partial(any_duration.propagate_between_events, kernel, tables)
    if whole is None or rest is None:
        after = propagate(steps.add_weight(kernel, propagate(y, offset, False), spike), dt - offset, False)
        return events._replace(y=after)
    T_dur = params.T_dur
    on, left = pulses.consume(whole.astype(rest.dtype) * dt + rest, offset)
    y = propagate(propagate(y, on, True), offset - on, False)
    starts = pulses.restarts(left, spike.astype(bool), T_dur, overlap)
    on, left = pulses.consume(jnp.where(starts, T_dur, left), dt - offset)
    y = propagate(propagate(y, on, True), dt - offset - on, False)
    new_whole, new_rest = _split(left, dt)
    whole, rest = _passed(whole, rest)
    return events._replace(y=y, whole=jnp.where(starts, new_whole, whole), rest=jnp.where(starts, new_rest, rest))


def _passed(whole: Array, rest: Array) -> tuple[Array, Array]:
    """What is left of a pulse after a step without a spike."""
    return jnp.maximum(whole - 1, 0), jnp.where(whole >= 1, rest, jnp.zeros_like(rest))


def _split(left: Array, dt: Array) -> tuple[Array, Array]:
    """A time in whole steps and the ms that remain, from 0 to dt, which have its derivative."""
    fixed = jax.lax.stop_gradient(left)
    whole = jnp.floor(fixed / dt)
    whole = jnp.where((fixed - whole * dt < 0) & (whole > 0), whole - 1, whole)
    return whole.astype(jnp.int32), left - whole * dt
