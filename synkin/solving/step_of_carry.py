"""One step of a `synkin.stepper`: from a carry, a spike and the values of what varies to the next carry and g."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.inputs import AddsWeight
from synkin.arguments.numbers import as_array, nan_unless
from synkin.solving import carry as carries
from synkin.solving import coefficients, mean_output, off_grid, pulses, steps, varying
from synkin.solving.carry import Carry
from synkin.solving.coefficients import StepCoefficients
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators import equations
from synkin.solving.propagators.any_duration import EventTables


class Stepper(Protocol):
    """A `synkin.Stepper`, as far as a step and its carry need it."""

    @property
    def kernel(self) -> Kernel:
        """The kernel that it steps."""

    @property
    def method(self) -> str:
        """Either "exp_euler" or "exact"."""

    @property
    def overlap(self) -> str:
        """What a spike during a pulse does."""

    @property
    def output(self) -> str:
        """Whether g is that at the "end" of a step or its "mean"."""

    @property
    def spikes_at(self) -> str:
        """Whether a spike acts at the "start" or at the "end" of its step."""

    @property
    def params(self) -> AnyParams:
        """The parameters."""

    @property
    def event_tables(self) -> EventTables | None:
        """For spikes within a step."""

    @property
    def parts(self) -> Sequence[Stepper]:
        """A stepper for each part of the kernel."""

    @property
    def relative(self) -> tuple[Array, ...]:
        """The conductance of each part but the first, relative to that of the first."""

    @property
    def weighted(self) -> bool:
        """Whether each pulse has a height of its own."""

    @property
    def off_grid(self) -> bool:
        """Whether spikes come within steps."""

    @property
    def own_coefficients(self) -> StepCoefficients:
        """The coefficients of a kernel of one part."""

    def nan_if_invalid(self, state: AnyState) -> AnyState:
        """A state, NaN where a traced parameter is NaN."""

    def split(self, carry: Carry) -> tuple[Carry, ...]:
        """The carry of each part."""

    def joined(self, parts: Iterable[Carry]) -> Carry:
        """The carry of the kernel, from those of its parts."""

    def matched(self, like: Array) -> StepCoefficients:
        """The coefficients with the dtype and rank of a state."""


def take_step(
    stepper: Stepper,
    carry: Carry,
    spike: Array | None,
    values: Mapping[str, Array] | None = None,
    offset: Array | None = None,
) -> tuple[Carry, Array]:
    """`Stepper.step` of checked arguments.

    Args:
        stepper, carry, spike, offset: see there.
        values: of the parameters that vary, by name; None for a stepper without varying parameters and weights.
    """
    each = stepper.kernel.values_of(values or {})
    parts = zip(stepper.parts, stepper.split(carry), each, strict=True)
    after, gs = zip(*(_step_part(part, at, spike, own, offset) for part, at, own in parts), strict=True)
    return stepper.joined(after), stepper.kernel.total(stepper.relative, gs)


def _step_part(
    stepper: Stepper, carry: Carry, spike: Array | None, values: Mapping[str, Array], offset: Array | None
) -> tuple[Carry, Array]:
    """The step of a kernel of one part."""
    if offset is not None:
        assert spike is not None
        return _step_off_grid(stepper, carry, spike, offset)
    coefs = carries.with_carried_pulse(stepper.matched(carry.y[0]), carry.carried_pulse)
    if coefs.varying is not None:
        return _varying_step(stepper, coefs, carry, spike, values)
    assert spike is not None
    return _step(stepper, coefs._replace(leaves_table=carry.leaves_table), carry, spike)


def _step(stepper: Stepper, coefs: StepCoefficients, carry: Carry, spike: Array) -> tuple[Carry, Array]:
    """The step with parameters that are those of the stepper."""
    kernel = stepper.kernel
    y, count, drive = carry.y, carries.count_of_next(carry), spike
    if count is not None:
        wrong = carries.nan_unless_same_grid(carry, coefs)
        if spike.dtype != bool:
            wrong = jnp.where((spike == 0) | (spike == 1), wrong, np.asarray(np.nan, wrong.dtype))
        y = tuple(variable + wrong for variable in y)
        at_start = stepper.spikes_at == "start"
        drive = _after_spike(stepper, coefs, count, None, spike)[0] if at_start else count
        count = drive if at_start else _after_spike_at_end(stepper, coefs, drive, None, spike)[0]
    g = _checkpointed_mean(kernel, stepper.spikes_at, coefs, y, drive) if stepper.output == "mean" else None
    y = _checkpointed_step(kernel, stepper.method, stepper.spikes_at, coefs, y, drive)
    g = equations.conductance(kernel, coefs.output_weights, y) if g is None else g
    return carry._replace(y=y, count=count), g


def _step_off_grid(stepper: Stepper, carry: Carry, spike: Array, offset: Array) -> tuple[Carry, Array]:
    """The step with a spike at its offset."""
    kernel, like = stepper.kernel, carry.y[0]
    coefs = stepper.matched(like)
    carry = off_grid.with_nan_unless_same_dt(carry, coefs)
    if carry.count is not None and spike.dtype != bool:
        good = (spike == 0) | (spike == 1)
        carry = carry._replace(y=tuple(nan_unless(variable, good) for variable in carry.y))
        spike = spike.astype(bool)
    params = carries.match_state(stepper.params, like)
    tables = jax.tree.map(lambda x: x.astype(like.dtype), stepper.event_tables)
    offset = carries.match_state(offset, like)
    carry = off_grid.step(kernel, stepper.overlap, coefs, params, tables, carry, spike, offset)
    return carry, equations.conductance(kernel, coefs.output_weights, carry.y)


def _varying_step(
    stepper: Stepper, coefs: StepCoefficients, carry: Carry, spike: Array | None, values: Mapping[str, Array]
) -> tuple[Carry, Array]:
    """The step with values of the parameters that vary, or with pulses of a height each."""
    kernel = stepper.kernel
    like = carry.y[0]
    values = {name: carries.match_state(as_array(value, like.dtype), like) for name, value in values.items()}
    y, weight = carry.y, carry.weight
    count = drive = carries.count_of_next(carry)
    adds, at_start = isinstance(kernel.input, AddsWeight), stepper.spikes_at == "start"
    if drive is not None:
        assert spike is not None
        assert coefs.varying is not None
        wrong = carries.nan_unless_same_grid(carry, coefs)
        if spike.dtype != bool:
            valid = spike >= 0 if weight is not None else (spike == 0) | (spike == 1)
            wrong = jnp.where(valid, wrong, np.asarray(np.nan, wrong.dtype))
        y = tuple(variable + wrong for variable in y)
        if at_start:
            drive, weight = _after_spike(stepper, coefs, drive, weight, spike)
            count = drive
        if weight is not None:
            values["T"] = weight * coefs.varying.params.T
        if not at_start:
            count, weight = _after_spike_at_end(stepper, coefs, drive, weight, spike)
    if adds and at_start:
        assert spike is not None
        y = steps.add_weight(kernel, y, spike)
    g = _checkpointed_varying_mean(kernel, coefs, y, drive, values) if stepper.output == "mean" else None
    y = _checkpointed_varying_step(kernel, stepper.method, coefs, y, drive, values)
    if adds and not at_start:
        assert spike is not None
        y = steps.add_weight(kernel, y, spike)
    g = varying.conductance(kernel, coefs, y, values) if g is None else g
    return carry._replace(y=y, count=count, weight=weight), g


def _after_spike(
    stepper: Stepper, coefs: StepCoefficients, count: Array, weight: Array | None, spike: Array
) -> tuple[Array, Array | None]:
    """The count and the height of the pulse after a spike between two steps."""
    given = (coefficients.pulse_of(coefs), coefs.carried_pulse, count, spike, 0, stepper.overlap)
    if weight is not None:
        weight = jnp.where(pulses.starts(*given), spike.astype(weight.dtype), weight)
    return pulses.on_spike(*given), weight


def _after_spike_at_end(
    stepper: Stepper, coefs: StepCoefficients, count: Array, weight: Array | None, spike: Array
) -> tuple[Array, Array | None]:
    """The count that the carry then holds, and the height of the pulse, after a spike at the end of a step.

    Args:
        count: of this step; others as of `_after_spike`.
    """
    count, weight = _after_spike(stepper, coefs, pulses.next_step(count), weight, spike)
    return pulses.step_before(count), weight


# The derivative of a loop keeps the variables and the drive of each step, and computes the rest again.
@partial(jax.checkpoint, prevent_cse=False, static_argnums=(0, 1, 2))
def _checkpointed_step(
    kernel: Kernel, method: str, spikes_at: str, coefs: StepCoefficients, y: tuple[Array, ...], drive: Array
) -> tuple[Array, ...]:
    return steps.step(kernel, method, coefs, y, drive, spikes_at)


@partial(jax.checkpoint, prevent_cse=False, static_argnums=(0, 1))
def _checkpointed_mean(
    kernel: Kernel, spikes_at: str, coefs: StepCoefficients, y: tuple[Array, ...], drive: Array
) -> Array:
    return mean_output.mean(kernel, coefs, y, drive, spikes_at)


@partial(jax.checkpoint, prevent_cse=False, static_argnums=(0,))
def _checkpointed_varying_mean(
    kernel: Kernel,
    coefs: StepCoefficients,
    y: tuple[Array, ...],
    count: Array | None,
    values: Mapping[str, Array],
) -> Array:
    return mean_output.mean_where_values_vary(kernel, coefs, y, count, values)


@partial(jax.checkpoint, prevent_cse=False, static_argnums=(0, 1))
def _checkpointed_varying_step(
    kernel: Kernel,
    method: str,
    coefs: StepCoefficients,
    y: tuple[Array, ...],
    count: Array | None,
    values: Mapping[str, Array],
) -> tuple[Array, ...]:
    return varying.step(kernel, method, coefs, y, count, values)
