"""The square pulse of transmitter: how much of a step it is in the cleft.

A spike fills the cleft with transmitter for ``T_dur`` ms. The state remembers ``pulse_left``, the ms still to
come; no absolute time appears anywhere, so a run is the same wherever in time it happens. Inside a run the pulse is
counted in whole steps, which an integer counts exactly however long the pulse is. A count is twice the number of steps
that the pulse still reaches into, and one more for a pulse that was under way when the run began, whose last step may
have another length, because ``T_dur`` or ``dt`` may have been others when it started:

    4 and more   the transmitter is there for the whole step
    3            the last step of a pulse that was under way: it is there for the first ``last`` ms of that pulse
    2            the last step of any other pulse: it is there for the first ``last`` ms
    below 2      no transmitter

A carry of `synkin.stepper` holds the count of the step to come, which is 0 where there is no pulse, however many steps
go by. The run of `synkin.simulate` holds ``ends``, the count as it is seen from the run's first row, which changes only
where a spike comes: there a count that goes down would cost a write in every step. So such a run has a greatest length,
`MOST_ROWS`; a longer train is several of them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

# A pulse that reaches into a step by less than this fraction of it does not count there in "exp_euler". It is
# what makes T_dur = 0.3, dt = 0.1 three steps and not, now and then, four.
_GRID_SLACK = 1e-3
# A pulse of which less than this fraction is left is over for "ignore": a spike at its very end counts.
_END_SLACK = 1e-5
# Steps of a pulse at most, and rows of a run: twice their numbers together fit into an int32.
_MOST_STEPS = 2**29
MOST_ROWS = 2**29


class Pulse(NamedTuple):
    """How a pulse lies on the grid of a run."""

    full: Array  # int32: the count of a pulse that starts now
    last: Array  # ms of transmitter in the last of its steps, 0 to dt
    over: Array  # int32: below this count "ignore" takes the next spike


def on_grid(T_dur: Array, dt: ArrayLike, method: str) -> Pulse:
    """Count a pulse in steps.

    Args:
        T_dur: pulse length in ms, any shape.
        dt: step in ms.
        method: "exp_euler" has whole steps only, "exact" ends a pulse within a step.
    """
    steps, last = _steps(T_dur, dt, method)
    return Pulse(2 * steps, last, _over(last, T_dur, dt))


def count_carried(pulse: Pulse, T_dur: Array, pulse_left: Array, dt: ArrayLike, method: str) -> tuple[Array, Pulse]:
    """Count a pulse that has begun before the run.

    Args:
        pulse: of the run.
        T_dur: ms.
        pulse_left: ms of transmitter still to come, shape of the state.
        dt, method: as in `on_grid`.

    Returns:
        The count, int32 of the state's shape, and how the pulse lies on the grid.

    A pulse that earlier steps of this ``dt`` have counted down lies on the grid of `on_grid`, but for rounding; there
    it is put back, count and all, so that a run in pieces is the whole run. The derivative stays its own.
    """
    steps, last = _steps(pulse_left, dt, method)
    at, length = jax.lax.stop_gradient(pulse_left), jax.lax.stop_gradient(T_dur)
    steps_on_grid = jnp.rint((at - jax.lax.stop_gradient(pulse.last)) / dt).astype(jnp.int32) + 1
    off = at - _remaining_after(steps_on_grid, jax.lax.stop_gradient(pulse.last), dt)
    rounding = float(4 * jnp.finfo(at.dtype).eps) * jnp.maximum(at, length)
    is_on_grid = (jnp.abs(off) <= rounding) & (steps_on_grid >= 1) & (2 * steps_on_grid <= pulse.full)
    steps = jnp.where(is_on_grid, steps_on_grid, steps)
    own = pulse_left - (steps - 1).astype(at.dtype) * dt
    last = jnp.where(is_on_grid, _with_derivative_of(own, pulse.last), last)
    count = jnp.where(pulse_left > 0, 2 * steps + 1, 0)
    over = jnp.where(is_on_grid, pulse.over, _over(last, T_dur, dt))
    return count, Pulse(jnp.broadcast_to(pulse.full, count.shape), last, over)


def count_on_grid(pulse: Pulse, pulse_left: Array, dt: ArrayLike) -> Array:
    """The count of pulses that earlier steps of this grid have counted down to ``pulse_left`` ms.

    It undoes `remaining`.

    A pulse of another T_dur or dt than ``pulse`` is of does not lie on this grid, and is put where it does.
    """
    at, last = jax.lax.stop_gradient(pulse_left), jax.lax.stop_gradient(pulse.last)
    steps = jnp.clip(jnp.rint((at - last) / dt) + 1, 1, _MOST_STEPS).astype(jnp.int32)
    return jnp.where(at > 0, 2 * steps, jnp.zeros_like(steps))


def on_spike(pulse: Pulse, carried: Pulse | None, ends: Array, spike: Array, row: ArrayLike, overlap: str) -> Array:
    """``ends`` from the step ``row`` on, which begins with ``spike`` (true where not 0, shape of the state).

    "restart": a spike starts a whole pulse, also during one. "ignore": a spike during a pulse does nothing.
    ``carried`` is how the pulses lie that were under way when the run began, if any were.
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
    """The count after a step of that count has gone by: 0, or below, where no pulse is left."""
    return count - 2


def is_on_grid(pulse: Pulse, pulse_left: Array, dt: ArrayLike) -> Array:
    """Whether pulses of ``pulse_left`` ms end as those of ``pulse`` do, but for rounding: those that its steps left."""
    steps = count_on_grid(pulse, pulse_left, dt) // 2
    off = pulse_left - _remaining_after(steps, pulse.last, dt)
    rounding = float(4 * jnp.finfo(pulse_left.dtype).eps) * jnp.maximum(
        pulse_left, _remaining_after(pulse.full // 2, pulse.last, dt)
    )
    return (pulse_left <= 0) | ((jnp.abs(off) <= rounding) & (2 * steps <= pulse.full))


def remaining(pulse: Pulse, carried: Pulse | None, count: Array, dt: ArrayLike) -> Array:
    """``pulse_left`` in ms at the start of a step of that count: the way back from steps to time."""
    last = pulse.last if carried is None else jnp.where(count % 2 == 0, pulse.last, carried.last)
    return jnp.where(count < 2, jnp.zeros_like(last), _remaining_after(count // 2, last, dt))


def whole_steps(T_dur: np.ndarray, dt: np.ndarray) -> np.ndarray:
    """How long in ms a pulse of ``T_dur`` ms lasts with "exp_euler"."""
    return np.ceil(np.asarray(T_dur, float) / float(dt) - _GRID_SLACK) * float(dt)


def restart(pulse_left: Array, spike: Array, T_dur: Array, overlap: str) -> Array:
    """``pulse_left`` in ms right after ``spike`` (bool), off the grid; see `on_spike` for ``overlap``."""
    if overlap == "ignore":
        spike = spike & (pulse_left <= _END_SLACK * T_dur)
    return jnp.where(spike, T_dur, pulse_left)


def consume(pulse_left: Array, duration: Array) -> tuple[Array, Array]:
    """The ms of transmitter within the next ``duration`` ms, and those still to come after it.

    The two add up to ``pulse_left`` in their derivatives too: where a pulse ends just at the end of the stretch,
    its length acts within it, once and whole (a minimum and a clip would each count half of it).
    """
    zero = jnp.zeros_like(pulse_left)
    lasts, moves = pulse_left > duration, duration > 0  # over a stretch of no length nothing drains, nor ends
    on = jnp.where(lasts, duration, jnp.where(moves, pulse_left, zero))
    return on, jnp.where(lasts, pulse_left - duration, jnp.where(moves, zero, pulse_left))


def _steps(duration: Array, dt: ArrayLike, method: str) -> tuple[Array, Array]:
    """Steps that ``duration`` ms of transmitter reach into, and the ms of it in the last of them."""
    ratio = jax.lax.stop_gradient(duration) / dt
    steps = jnp.ceil(ratio - (_slack(duration, dt) if method == "exp_euler" else _rounding(duration, dt)))
    if method == "exact":
        # A pulse of length 0 has a last step of 0 ms, so that the derivative with respect to T_dur is there.
        steps = jnp.maximum(steps, 1)
    steps = jnp.minimum(steps, _MOST_STEPS)
    # `steps` is a plain number to the derivative: all of d/d(duration) is in the last step, and a sample at the
    # very end of a pulse sees the derivative from the left.
    last = duration - (steps - 1) * dt
    if method == "exact":
        # By rounding it may be a little below 0 or above dt, which matters to rates of thousands.
        last = _with_derivative_of(last, jnp.clip(last, 0, jnp.asarray(dt, last.dtype)))
    return steps.astype(jnp.int32), last


def _remaining_after(steps: Array, last: Array, dt: ArrayLike) -> Array:
    """The ms of a pulse that reaches into so many more steps."""
    return (steps - 1).astype(last.dtype) * dt + last


def _over(last: Array, T_dur: Array, dt: ArrayLike) -> Array:
    """Twice the number of steps for which a pulse counts as over, and 2 more: see `Pulse.over`."""
    last, T_dur, dt = (jax.lax.stop_gradient(jnp.asarray(value, last.dtype)) for value in (last, T_dur, dt))
    slivers = jnp.floor((_END_SLACK * T_dur - last) / dt) + 1
    return 2 * jnp.clip(slivers, 0, _MOST_STEPS).astype(jnp.int32) + 2


def _with_derivative_of(x: Array, value: Array) -> Array:
    """``value`` with the derivative of ``x``."""
    return jax.lax.stop_gradient(value) + (x - jax.lax.stop_gradient(x))


def _rounding(duration: Array, dt: ArrayLike) -> Array:
    """How far off, in steps, the quotient duration / dt can be by rounding."""
    return float(2 * jnp.finfo(duration.dtype).eps) * jax.lax.stop_gradient(duration) / dt


def _slack(duration: Array, dt: ArrayLike) -> Array:
    return _GRID_SLACK + _rounding(duration, dt)
