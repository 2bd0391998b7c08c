"""The carry of a stepper's first step, from a state of the kernel; and the state of a carry."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments.declaration import AnyState
from synkin.arguments.inputs import StartsPulse
from synkin.arguments.known import is_concrete
from synkin.solving import carry as carries
from synkin.solving import coefficients, off_grid, pulses
from synkin.solving.carry import Carry
from synkin.solving.coefficients import StepCoefficients
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.step_of_carry import Stepper


def initial_carry(
    stepper: Stepper, state: AnyState, *, at_rest: bool
) -> tuple[StepCoefficients, tuple[Array, ...], Array | None]:
    """The coefficients, the variables and the count with which a run of one part begins at ``state``."""
    kernel = stepper.kernel
    y = tuple(getattr(state, name) for name in kernel.order)
    coefs = stepper.matched(y[0])
    if coefs.pulse is None:
        return coefs, y, None
    coefs = coefficients.with_leaves_table(coefs, y[0])
    if at_rest:
        return coefs, y, jnp.zeros(y[0].shape, jnp.int32)
    params = carries.match_state(stepper.params, y[0])
    coefs, count = coefficients.add_carried_pulse(kernel, params, coefs, state.pulse_left, stepper.method)
    return coefs, y, count


def state_of(kernel: Kernel, coefs: StepCoefficients, y: tuple[Array, ...], count: Array | None) -> AnyState:
    """The kernel's ``State``, from variables and the count of the next step."""
    fields = dict(zip(kernel.order, y, strict=True))
    if count is None and isinstance(kernel.input, StartsPulse):  # T varies: there are no pulses
        fields["pulse_left"] = jnp.zeros_like(y[0])
    elif count is not None:
        fields["pulse_left"] = jnp.broadcast_to(
            pulses.remaining(coefficients.pulse_of(coefs), coefs.carried_pulse, count, coefs.dt), count.shape
        )
    return kernel.State(**fields)


def carry_from_state(stepper: Stepper, state: AnyState, *, at_rest: bool) -> Carry:
    """The carry of a run that begins at ``state``; no pulse is under way in it if ``at_rest``."""

    def begin(part: Stepper, state: AnyState) -> Carry:
        if part.off_grid:
            return off_grid.carry_from_state(part.kernel, part.matched(state[0]), state)
        coefs, y, count = initial_carry(part, state, at_rest=at_rest)
        return carries.make(part.kernel, part.method, coefs, y, count, coefs.carried_pulse, coefs.last_of_carried)

    return _of_each_part(begin, stepper, state)


def resume_carry(stepper: Stepper, state: AnyState) -> Carry:
    """The carry of a run that continues at ``state``, whose pulses were counted down by steps of the same stepper.

    All its pulses end as those of the stepper do. So it needs no further coefficients, unlike `carry_from_state`.
    """

    def resume(part: Stepper, state: AnyState) -> Carry:
        kernel, state = part.kernel, part.nan_if_invalid(state)
        y = tuple(getattr(state, name) for name in kernel.order)
        coefs, count = part.matched(y[0]), None
        if coefs.pulse is not None:
            count = pulses.count_on_grid(coefficients.pulse_of(coefs), state.pulse_left, coefs.dt)
        return carries.make(kernel, part.method, coefs, y, count)

    return _of_each_part(resume, stepper, state)


def carry_from_count(stepper: Stepper, y: tuple[Array, ...], count: Array | None) -> Carry:
    """The carry of one part, from its variables and the count of the next step, without carried pulses."""
    return carries.make(stepper.kernel, stepper.method, stepper.matched(y[0]), y, count)


def carry_on_grid(stepper: Stepper, state: AnyState) -> Carry:
    """`resume_carry`; it raises, or gives NaN, where a pulse of ``state`` does not end as those of the stepper do."""
    return _of_each_part(_part_on_grid, stepper, state)


def _part_on_grid(stepper: Stepper, state: AnyState) -> Carry:
    if stepper.method == "exp_euler" or stepper.own_coefficients.pulse is None:
        return carry_from_state(stepper, state, at_rest=False)
    coefs = stepper.matched(state[0])
    given = jax.lax.stop_gradient((coefficients.pulse_of(coefs), state.pulse_left, coefs.dt))
    if all(map(is_concrete, jax.tree.leaves(given))):
        with jax.ensure_compile_time_eval():
            good = np.asarray(pulses.is_on_grid(*given))
        if not good.all():
            left = np.asarray(state.pulse_left)[~good].flat[0]
            raise ValueError(
                "Argument `state` must have pulses that end as those of this stepper do where `on_grid` is True, but "
                f"has a pulse_left of {left:.6g} ms: leave `on_grid` out."
            )
        return resume_carry(stepper, state)
    one = jnp.where(pulses.is_on_grid(*given), jnp.ones((), coefs.dt.dtype), np.asarray(np.nan, coefs.dt.dtype))
    return resume_carry(stepper, jax.tree.map(lambda field: field * one, state))


def _of_each_part(carry_of: Callable[[Stepper, AnyState], Carry], stepper: Stepper, state: AnyState) -> Carry:
    """A carry from what ``carry_of`` gives of each part and its state."""
    states = stepper.kernel.states_of(state)
    carry = stepper.joined([carry_of(part, own) for part, own in zip(stepper.parts, states, strict=True)])
    # A pulse that is under way has the height T.
    return carries.with_weight(carry, jnp.ones_like(state[0])) if stepper.weighted else carry
