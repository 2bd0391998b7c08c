"""The square pulse of transmitter, counted in steps.

A spike fills the cleft with transmitter for ``T_dur`` ms. The state holds ``pulse_left``, the ms of transmitter to
come. No absolute time appears anywhere, so a run gives the same wherever in time it happens. Within a run pulses are
counted in steps, by an integer that is exact however long the pulse is. The count is twice the number of steps left in
the pulse. It is odd, one more, for a carried pulse, which began before the run: its last step may have another length,
as ``T_dur`` or dt may have been different when it began.

    4 or more   transmitter for the whole step
    3           the last step of a carried pulse: transmitter for the first ``last`` ms of that pulse
    2           the last step of any other pulse: transmitter for the first ``last`` ms
    below 2     no transmitter

A carry of `synkin.stepper` holds the count of the step before; at the start, one of which `next_step` gives that of the
first step. A step begins with `next_step`, so a loop overwrites the old counts before anything else reads them. If the
carry held the count of the next step, XLA would copy all counts in each step. The run of `synkin.simulate` holds
``ends`` instead, the count as seen from the first row of the run, which changes only at a spike. Therefore such a run
has a maximum length, `MOST_ROWS`; a longer train is split into several runs.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

# With "exp_euler" a pulse that reaches into a step by less than this fraction does not count there. So T_dur = 0.3 is
# always three steps of dt = 0.1, whatever the rounding.
_GRID_SLACK = 1e-3
# With "ignore" a pulse is over when less than this fraction of it is left, so that a spike at its end counts.
_END_SLACK = 1e-5
# The maximum numbers of steps of a pulse and of rows of a run. Twice their sum fits into an int32.
_MOST_STEPS = 2**29
MOST_ROWS = 2**29


class Pulse(NamedTuple):
    """A pulse, counted in the steps of a run."""

    full: Array  # int32, the count of a pulse that starts now
    last: Array  # ms of transmitter in its last step, 0 to dt
    over: Array  # int32, below this count the pulse is over for "ignore"


def on_grid(T_dur: Array, dt: ArrayLike, method: str) -> Pulse:
    """Count a pulse in steps.

    Args:
        T_dur: pulse length in ms, any shape.
        dt: step in ms.
        method: with "exp_euler" a pulse lasts whole steps, with "exact" it ends within a step.
    """
    steps, last = steps_of(T_dur, dt, method)
    return Pulse(2 * steps, last, _over(last, T_dur, dt))


def count_carried(pulse: Pulse, T_dur: Array, pulse_left: Array, dt: ArrayLike, method: str) -> tuple[Array, Pulse]:
    """Count a pulse that began before the run.

    Args:
        pulse: of the run.
        T_dur: ms.
        pulse_left: ms of transmitter still to come, shape of the state.
        dt, method: as in `on_grid`.

    Returns:
        The count, int32 of the state's shape, and the pulse.

    A pulse that earlier steps of this ``dt`` counted down ends as the pulses of `on_grid` do, but for rounding. It gets
    exactly their values, so that a run in pieces equals the whole run. Its derivative stays with respect to
    ``pulse_left``.
    """
    steps, last = steps_of(pulse_left, dt, method)
    at, length = jax.lax.stop_gradient(pulse_left), jax.lax.stop_gradient(T_dur)
    steps_on_grid = jnp.rint((at - jax.lax.stop_gradient(pulse.last)) / dt).astype(jnp.int32) + 1
    off = at - remaining_after(steps_on_grid, jax.lax.stop_gradient(pulse.last), dt)
    rounding = float(4 * jnp.finfo(at.dtype).eps) * jnp.maximum(at, length)
    is_on_grid = (jnp.abs(off) <= rounding) & (steps_on_grid >= 1) & (2 * steps_on_grid <= pulse.full)
    steps = jnp.where(is_on_grid, steps_on_grid, steps)
    exact_last = pulse_left - (steps - 1).astype(at.dtype) * dt
    last = jnp.where(is_on_grid, with_derivative_of(exact_last, pulse.last), last)
    count = jnp.where(pulse_left > 0, 2 * steps + 1, 0)
    over = jnp.where(is_on_grid, pulse.over, _over(last, T_dur, dt))
    return count, Pulse(jnp.broadcast_to(pulse.full, count.shape), last, over)


def count_on_grid(pulse: Pulse, pulse_left: Array, dt: ArrayLike) -> Array:
    """The count of pulses that earlier steps of this grid have counted down to ``pulse_left`` ms: undoes `remaining`.

    A pulse that began with another T_dur or dt is rounded to this grid.
    """
    at, last = jax.lax.stop_gradient(pulse_left), jax.lax.stop_gradient(pulse.last)
    steps = jnp.clip(jnp.rint((at - last) / dt) + 1, 1, _MOST_STEPS).astype(jnp.int32)
    return jnp.where(at > 0, 2 * steps, jnp.zeros_like(steps))


def on_spike(pulse: Pulse, carried: Pulse | None, ends: Array, spike: Array, row: ArrayLike, overlap: str) -> Array:
    """``ends`` after a spike at the start of a step.

    Args:
        pulse: of the run.
        carried: the pulses that were under way when the run began; None if there were none.
        ends: int32, shape of the state; before the spike.
        spike: a spike where not 0, shape of the state.
        row: of the step.
        overlap: with "restart" a spike always starts a whole pulse, with "ignore" not during a pulse.
    """
    return jnp.where(starts(pulse, carried, ends, spike, row, overlap), pulse.full + 2 * row, ends)


def starts(pulse: Pulse, carried: Pulse | None, ends: Array, spike: Array, row: ArrayLike, overlap: str) -> Array:
    """Where a pulse starts in the step ``row``, bool; arguments as of `on_spike`."""
    spike = spike.astype(bool)
    if overlap == "ignore":
        left = count(ends, row)
        over = pulse.over if carried is None else jnp.where(left % 2 == 0, pulse.over, carried.over)
        spike = spike & (left < over)
    return spike


def count(ends: Array, row: ArrayLike) -> Array:
    """The count of the step ``row`` of the run."""
    return ends - 2 * row


def pass_step(count: Array) -> Array:
    """The count after a step of this count; 0 or below where no pulse is left."""
    return count - 2


def next_step(count: Array) -> Array:
    """The count of the next step, of that of a step; 0 where no pulse is left."""
    return jnp.maximum(pass_step(count), 0)


def step_before(count: Array) -> Array:
    """A count of the step before, of which `next_step` gives this one."""
    return count + 2


def is_on_grid(pulse: Pulse, pulse_left: Array, dt: ArrayLike) -> Array:
    """Whether pulses with ``pulse_left`` ms to come end as those of ``pulse`` do, but for rounding."""
    steps = count_on_grid(pulse, pulse_left, dt) // 2
    off = pulse_left - remaining_after(steps, pulse.last, dt)
    rounding = float(4 * jnp.finfo(pulse_left.dtype).eps) * jnp.maximum(
        pulse_left, remaining_after(pulse.full // 2, pulse.last, dt)
    )
    return (pulse_left <= 0) | ((jnp.abs(off) <= rounding) & (2 * steps <= pulse.full))


def remaining(pulse: Pulse, carried: Pulse | None, count: Array, dt: ArrayLike) -> Array:
    """``pulse_left`` in ms at the start of a step of this count."""
    last = pulse.last if carried is None else jnp.where(count % 2 == 0, pulse.last, carried.last)
    return jnp.where(count < 2, jnp.zeros_like(last), remaining_after(count // 2, last, dt))


def whole_steps(T_dur: np.ndarray, dt: np.ndarray) -> np.ndarray:
    """The length in ms of a pulse of ``T_dur`` ms with "exp_euler"."""
    return np.ceil(np.asarray(T_dur, float) / float(dt) - _GRID_SLACK) * float(dt)


def restart(pulse_left: Array, spike: Array, T_dur: Array, overlap: str) -> Array:
    """``pulse_left`` in ms right after ``spike`` (bool), off the grid; see `on_spike` for ``overlap``."""
    return jnp.where(restarts(pulse_left, spike, T_dur, overlap), T_dur, pulse_left)


def restarts(pulse_left: Array, spike: Array, T_dur: Array, overlap: str) -> Array:
    """Where ``spike`` starts a pulse; arguments as of `restart`."""
    return spike & (pulse_left <= _END_SLACK * T_dur) if overlap == "ignore" else spike


def consume(pulse_left: Array, duration: Array) -> tuple[Array, Array]:
    """The ms of transmitter within the next ``duration`` ms, and those still to come after it.

    The derivatives of the two add up to that of ``pulse_left`` too. Where a pulse ends exactly at the end of the
    stretch, all of its derivative is in the first; a minimum and a clip would each have half of it.
    """
    zero = jnp.zeros_like(pulse_left)
    outlasts, passes = pulse_left > duration, duration > 0  # a stretch of no length consumes nothing
    on = jnp.where(outlasts, duration, jnp.where(passes, pulse_left, zero))
    return on, jnp.where(outlasts, pulse_left - duration, jnp.where(passes, zero, pulse_left))


def steps_of(duration: Array, dt: ArrayLike, method: str) -> tuple[Array, Array]:
    """The number of steps that ``duration`` ms of transmitter reach into, and the ms of it in the last step."""
    ratio = jax.lax.stop_gradient(duration) / dt
    steps = jnp.ceil(ratio - (_slack(duration, dt) if method == "exp_euler" else _rounding(duration, dt)))
    if method == "exact":
        # A pulse of length 0 has a last step of 0 ms, so that the derivative with respect to T_dur exists.
        steps = jnp.maximum(steps, 1)
    steps = jnp.minimum(steps, _MOST_STEPS)
    # `steps` has no derivative: all of that with respect to the duration is in `last`, and a sample exactly at the end
    # of a pulse has the derivative from the left.
    last = duration - (steps - 1) * dt
    if method == "exact":
        # Rounding may bring it slightly below 0 or above dt, which matters for rates of thousands per ms.
        last = with_derivative_of(last, jnp.clip(last, 0, jnp.asarray(dt, last.dtype)))
    return steps.astype(jnp.int32), last


def remaining_after(steps: Array, last: Array, dt: ArrayLike) -> Array:
    """The ms of transmitter still to come in a pulse that reaches into this number of steps."""
    return (steps - 1).astype(last.dtype) * dt + last


def _over(last: Array, T_dur: Array, dt: ArrayLike) -> Array:
    """`Pulse.over`: 2, and twice the number of last steps in which a pulse counts as over."""
    last, T_dur, dt = (jax.lax.stop_gradient(jnp.asarray(value, last.dtype)) for value in (last, T_dur, dt))
    last_steps = jnp.floor((_END_SLACK * T_dur - last) / dt) + 1
    return 2 * jnp.clip(last_steps, 0, _MOST_STEPS).astype(jnp.int32) + 2


def with_derivative_of(x: Array, value: Array) -> Array:
    """``value`` with the derivative of ``x``."""
    return jax.lax.stop_gradient(value) + (x - jax.lax.stop_gradient(x))


def _rounding(duration: Array, dt: ArrayLike) -> Array:
    """The largest rounding error, in steps, of the quotient duration / dt."""
    return float(2 * jnp.finfo(duration.dtype).eps) * jax.lax.stop_gradient(duration) / dt


def _slack(duration: Array, dt: ArrayLike) -> Array:
    return _GRID_SLACK + _rounding(duration, dt)
