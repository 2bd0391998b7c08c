"""A step with a spike at any time within it, as of a neuron that says when it crossed its threshold.

Most synapses have neither a spike nor the end of a pulse in a step. They take the step on the grid, with transmitter
throughout or without. The others are gathered and carried exactly from one event to the next, by what `synkin.respond`
uses: before the spike with transmitter and without, and so after it.

The carry of a receptor has the number of steps that the pulse of each synapse still reaches into, 0 where there is
none, and the ms of transmitter in the last of them. So single precision loses nothing, however long a pulse is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.custom_derivatives import SymbolicZero

from synkin.arguments import units
from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.inputs import StartsPulse
from synkin.arguments.known import concrete_value
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_array, as_real, broadcasts
from synkin.solving import pulses, steps, true_indices
from synkin.solving.carry import Carry, nan_unless_same_grid, owner_of
from synkin.solving.coefficients import StepCoefficients
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.loops import any_across_batch
from synkin.solving.propagators import any_duration
from synkin.solving.propagators.any_duration import EventTables
from synkin.solving.propagators.equations import Variables

METHOD = "exact off the grid"  # what a carry calls the method, as those of steps on the grid count otherwise

# An offset may be outside of the step by this fraction of dt, as by rounding; it then is at the step's end.
_ROUNDING = 1e-5
# In most steps few synapses have an event. The least number, and the fraction of all, that are carried at a time; if
# more have one, the next is tried, and then all are carried.
_FEW = ((16, 1 / 128), (64, 1 / 16))


class _Synapses(NamedTuple):
    """Synapses at the start of a step, or at its end; arrays of one shape."""

    y: Variables
    reach: Array | None  # int32, the number of steps that a pulse reaches into; None where there are no pulses
    last: Array | None  # ms of transmitter in the last of them


class _Events(NamedTuple):
    """What happens to synapses in a step; arrays of their shape."""

    spike: Array  # bool, or what is added
    offset: Array  # ms from the start of the step


# What carries synapses through a step with events.
Through: TypeAlias = Callable[[_Synapses, _Events, AnyParams], _Synapses]


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
    reach, last = pulses.steps_of(state.pulse_left, coefs.dt, "exact")
    reach = jnp.where(state.pulse_left > 0, reach, jnp.zeros_like(reach))
    grid = (jnp.array(jax.lax.stop_gradient(coefs.dt), copy=True),)
    return Carry(y, reach, last, grid, owner, None)


def state_of(kernel: Kernel, coefs: StepCoefficients, carry: Carry) -> AnyState:
    """The kernel's ``State`` of a carry."""
    y, fields = with_nan_unless_same_dt(carry, coefs).y, {}
    if carry.count is not None:
        fields["pulse_left"] = _pulse_left(carry.count, carry.carried_pulse, coefs.dt)
    return kernel.State(**dict(zip(kernel.order, y, strict=True)), **fields)


def with_nan_unless_same_dt(carry: Carry, coefs: StepCoefficients) -> Carry:
    """A carry, NaN where its pulses are counted in steps of another length."""
    if carry.count is None:
        return carry
    wrong = nan_unless_same_grid(carry, coefs._replace(last=None))
    return carry._replace(y=tuple(variable + wrong for variable in carry.y))


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
        carry: from `carry_from_state` or the step before.
        spike: of the state's shape; bool, or a weight.
        offset: ms from the step's start to the spike, of the state's shape; ignored where there is no spike, NaN
            where it is outside of the step.
    """
    before = _Synapses(carry.y, carry.count, carry.carried_pulse)
    step = _step if spike.dtype == bool else _step_of_weights
    after = step(kernel, overlap, coefs, params, tables, before, _Events(spike, offset))
    return carry._replace(y=after.y, count=after.reach, carried_pulse=after.last)


def _step(
    kernel: Kernel,
    overlap: str,
    coefs: StepCoefficients,
    params: AnyParams,
    tables: EventTables | None,
    before: _Synapses,
    events: _Events,
) -> _Synapses:
    """The synapses after a step: on the grid, and where something happens from event to event."""
    happens, reach, drive = events.spike.astype(bool), before.reach, None
    if reach is not None:
        happens, drive = happens | (reach == 1), jnp.where(reach >= 2, 4, 0)
        reach = jnp.maximum(reach - 1, 0)
    y = steps.step_by_count(kernel, "exact", coefs._replace(last=None), before.y, drive)
    on_grid = _Synapses(y, reach, before.last)
    through = partial(_through, kernel, overlap, coefs.dt, tables)
    return _through_where(through, happens, on_grid, before, events, params)


# `_step` with spikes that are added. It has a derivative with respect to these also where nothing is added.
_step_of_weights = jax.custom_jvp(_step, nondiff_argnums=(0, 1))
_Given = tuple[StepCoefficients, AnyParams, EventTables | None, _Synapses, _Events]


@partial(_step_of_weights.defjvp, symbolic_zeros=True)
def _step_of_weights_jvp(
    kernel: Kernel, overlap: str, primals: _Given, tangents: _Given
) -> tuple[_Synapses, _Synapses]:
    flat, tree = jax.tree.flatten(primals)
    along = jax.tree.leaves(tangents, is_leaf=_is_zero)
    moving = [i for i, tangent in enumerate(along) if not _is_zero(tangent)]

    # All synapses go from event to event, whatever is differentiated first: within a loop JAX may drop this rule from
    # the second derivative on, and the one in weights of 0 would be lost.
    def of_moving(values: list[Array]) -> _Synapses:
        given = dict(zip(moving, values, strict=True))
        coefs, params, tables, before, events = jax.tree.unflatten(tree, [given.get(i, x) for i, x in enumerate(flat)])
        return _through_all(partial(_through, kernel, overlap, coefs.dt, tables), before, events, params)

    return jax.jvp(of_moving, ([flat[i] for i in moving],), ([along[i] for i in moving],))


def _is_zero(tangent: object) -> bool:
    return isinstance(tangent, SymbolicZero)


def _through_where(
    through: Through,
    happens: Array,
    on_grid: _Synapses,
    before: _Synapses,
    events: _Events,
    params: AnyParams,
) -> _Synapses:
    """``on_grid``, and where something happens what ``through`` gives."""
    through = jax.checkpoint(through, prevent_cse=False)  # a derivative keeps nothing of the cases that did not occur
    found = true_indices.count(happens.reshape(-1))
    numbers = [n for n in (max(least, int(happens.size * part)) for least, part in _FEW) if n < happens.size]

    def some(number: int) -> _Synapses:
        index = true_indices.indices(found, jnp.zeros((), jnp.int32), number, happens.size)

        def chosen(x: Array) -> Array:
            return jnp.broadcast_to(x, happens.shape).reshape(-1).at[index].get(mode="clip")

        own = jax.tree.map(lambda value: chosen(value) if value.ndim else value, params)
        after = through(jax.tree.map(chosen, before), jax.tree.map(chosen, events), own)
        return jax.tree.map(
            lambda x, new: x.reshape(-1).at[index].set(new, mode="drop").reshape(x.shape), on_grid, after
        )

    def all_of_them() -> _Synapses:
        after = _through_all(through, before, events, params)
        return jax.tree.map(lambda x, new: jnp.where(happens, new, x), on_grid, after)

    exceeded = [any_across_batch(found.total > n).astype(jnp.int32) for n in (0, *numbers)]
    cases: list[Callable[[], _Synapses]] = [lambda: on_grid, *(partial(some, n) for n in numbers), all_of_them]
    after: _Synapses = jax.lax.switch(sum(exceeded[1:], exceeded[0]), cases)
    return after


def _through_all(through: Through, before: _Synapses, events: _Events, params: AnyParams) -> _Synapses:
    """What ``through``, which takes vectors, gives of any shape."""
    shape = events.spike.shape

    def flat(x: Array) -> Array:
        return jnp.broadcast_to(x, shape).reshape(-1)

    own = jax.tree.map(lambda value: flat(value) if value.ndim else value, params)
    after = through(jax.tree.map(flat, before), jax.tree.map(flat, events), own)
    return jax.tree.map(lambda x: x.reshape(shape), after)


def _through(
    kernel: Kernel,
    overlap: str,
    dt: Array,
    tables: EventTables | None,
    before: _Synapses,
    events: _Events,
    params: AnyParams,
) -> _Synapses:
    """Synapses after a step, exactly from event to event; vectors."""
    if tables is None:  # parameters of each synapse
        spread = params._make(jnp.broadcast_to(value, events.spike.shape) for value in params)

        def one(before: _Synapses, events: _Events, params: AnyParams) -> _Synapses:
            return _through(kernel, overlap, dt, any_duration.event_tables(kernel, params), before, events, params)

        after: _Synapses = jax.vmap(one)(before, events, spread)
        return after
    propagate = partial(any_duration.propagate_within_step, kernel, tables)
    spiking, offset = events.spike.astype(bool), nan_outside(events.offset, dt)
    if before.reach is None or before.last is None:
        if events.spike.dtype == bool:
            offset = jnp.where(spiking, offset, jnp.zeros_like(offset))
        y = steps.add_weight(kernel, propagate(before.y, [(offset, False)]), events.spike)
        return before._replace(y=propagate(y, [(dt - offset, False)]))
    offset = jnp.where(spiking, offset, jnp.zeros_like(offset))
    # The pulse that was under way.
    outlasts = before.reach > 1
    here = jnp.where(before.reach == 1, before.last, jnp.zeros_like(before.last))
    until_spike, here = pulses.consume(here, offset)
    until_spike = jnp.where(outlasts, offset, until_spike)
    left = jnp.where(outlasts, _pulse_left(before.reach, before.last, dt) - offset, here)
    starts = pulses.restarts(left, spiking, params.T_dur, overlap)
    goes_on = jnp.where(outlasts, dt - offset, pulses.consume(here, dt - offset)[0])
    # The one that begins, seen from the step's start.
    reaches, last = pulses.steps_of(offset + params.T_dur, dt, "exact")
    ends_here = pulses.with_derivative_of(params.T_dur, jnp.minimum(params.T_dur, dt - offset))
    begun = jnp.where(reaches > 1, dt - offset, ends_here)
    after_spike = jnp.where(starts, begun, goes_on)
    durations = (until_spike, offset - until_spike, after_spike, dt - offset - after_spike)
    y = propagate(before.y, list(zip(durations, (True, False, True, False), strict=True)))
    reach = jnp.maximum(jnp.where(starts, reaches, before.reach) - 1, 0)
    return _Synapses(y, reach, jnp.where(starts, last, before.last))


def _pulse_left(reach: Array, last: Array, dt: Array) -> Array:
    """The ms of transmitter still to come."""
    return jnp.where(reach > 0, pulses.remaining_after(reach, last, dt), jnp.zeros_like(last))
