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


class _Stretches(NamedTuple):
    """What carries some synapses through a step, each (n,)."""

    y: Variables
    durations: tuple[Array, ...]  # ms with and without transmitter, before the spike and after it; without pulses two
    spike: Array


Through: TypeAlias = Callable[[_Stretches, AnyParams], Variables]


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
    y, dt, is_number = carry.y, coefs.dt, spike.dtype != bool
    spiking = spike.astype(bool)
    if carry.count is None:
        # An input of 0 that is a number may have a derivative, too.
        happens, count = jnp.ones_like(spiking) if is_number else spiking, None
        offset = jnp.where(happens, offset, jnp.zeros_like(offset))
        durations: tuple[Array, ...] = (offset, dt - offset)
    else:
        whole, rest = carry.count, carry.carried_pulse
        happens, count = spiking | ((whole == 0) & (rest > 0)), jnp.where(whole >= 1, 4, 0)
        offset = jnp.where(spiking, offset, jnp.zeros_like(offset))
        before, left = pulses.consume(whole.astype(rest.dtype) * dt + rest, offset)
        starts = pulses.restarts(left, spiking, params.T_dur, overlap)
        after, left = pulses.consume(jnp.where(starts, params.T_dur, left), dt - offset)
        durations = (before, offset - before, after, dt - offset - after)
        new_whole, new_rest = _split(left, dt)
        new_whole = jnp.where(starts, new_whole, jnp.maximum(whole - 1, 0))
        new_rest = jnp.where(starts, new_rest, jnp.where(whole >= 1, rest, jnp.zeros_like(rest)))
        carry = carry._replace(count=new_whole, carried_pulse=new_rest)
    stretches = _Stretches(y, durations, spike)
    through = partial(_through, kernel, tables)
    if is_number and count is None:
        return carry._replace(y=_through_all(through, stretches, params))
    on_grid = steps.step_by_count(kernel, "exact", coefs, y, count)
    return carry._replace(y=_through_some(through, happens, stretches, on_grid, params))


def _through_some(
    through: Through, happens: Array, stretches: _Stretches, on_grid: Variables, params: AnyParams
) -> Variables:
    """``on_grid``, and where something happens what ``through`` gives."""
    size = happens.size
    few = min(max(size // _FEW, 8), size)
    found = true_indices.count(happens.reshape(-1))
    index = true_indices.indices(found, jnp.zeros((), jnp.int32), few, size)

    def chosen(x: Array) -> Array:
        return jnp.broadcast_to(x, happens.shape).reshape(-1).at[index].get(mode="clip")

    own = jax.tree.map(lambda value: chosen(value) if value.ndim else value, params)
    after = through(jax.tree.map(chosen, stretches), own)
    some = tuple(
        v.reshape(-1).at[index].set(new, mode="drop").reshape(v.shape) for v, new in zip(on_grid, after, strict=True)
    )

    def all_of(stretches: _Stretches, some: Variables, params: AnyParams) -> Variables:
        after = _through_all(through, stretches, params)
        return tuple(jnp.where(happens, new, v) for v, new in zip(some, after, strict=True))

    are_many = any_across_batch(found.total > few)
    result: Variables = jax.lax.cond(are_many, all_of, lambda _, some, __: some, stretches, some, params)
    return result


def _through_all(through: Through, stretches: _Stretches, params: AnyParams) -> Variables:
    """What ``through``, which takes vectors, gives of any shape."""
    shape = stretches.spike.shape

    def flat(x: Array) -> Array:
        return jnp.broadcast_to(x, shape).reshape(-1)

    own = jax.tree.map(lambda value: flat(value) if value.ndim else value, params)
    return tuple(v.reshape(shape) for v in through(jax.tree.map(flat, stretches), own))


def _through(kernel: Kernel, tables: EventTables | None, stretches: _Stretches, params: AnyParams) -> Variables:
    """The variables after a step; vectors."""
    if tables is None:  # parameters of each synapse
        spread = params._make(jnp.broadcast_to(value, stretches.spike.shape) for value in params)

        def one(stretches: _Stretches, params: AnyParams) -> Variables:
            return _through(kernel, any_duration.event_tables(kernel, params), stretches, params)

        after: Variables = jax.vmap(one)(stretches, spread)
        return after
    y, durations, spike = stretches
    propagate = partial(any_duration.propagate_within_step, kernel, tables)
    if len(durations) == 2:
        before_spike, after_spike = durations
        y = steps.add_weight(kernel, propagate(y, [(before_spike, False)]), spike)
        return propagate(y, [(after_spike, False)])
    return propagate(y, list(zip(durations, (True, False, True, False), strict=True)))


def _split(left: Array, dt: Array) -> tuple[Array, Array]:
    """A time in whole steps and the ms that remain, 0 to dt, which have its derivative.

    The quotient alone decides. XLA may compute a product and a difference twice, once rounded in between and once not,
    and a comparison of that kind would not always agree with what remains.
    """
    fixed = jax.lax.stop_gradient(left)
    whole = jnp.floor(fixed / dt)
    return whole.astype(jnp.int32), jnp.clip(fixed - whole * dt, 0, dt) + (left - fixed)
