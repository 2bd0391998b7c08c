"""The square pulse of transmitter: how much of a step it is in the cleft.

A spike fills the cleft with transmitter for ``T_dur`` ms. The state remembers ``pulse_left``, the ms still to
come; no absolute time appears anywhere, so a run is the same wherever in time it happens. Inside a run the pulse is
counted in whole steps, which an integer counts exactly however long the pulse is. A count is twice the number of steps
that the pulse still reaches into, and one more for a pulse that was under way when the run began, the last step of
which may have another length, because ``T_dur`` or ``dt`` may have been others when it started:

    4 and more   the transmitter is there for the whole step
    3            the last step of a pulse that was under way: it is there for the first ``last_under_way`` ms
    2            the last step of any other pulse: it is there for the first ``last`` ms
    below 2      no transmitter

A run carries ``ends``, the count as it is seen from the run's first row. It changes only where a spike comes: a count
that goes down in every step would have to be written in every step.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

# A pulse that reaches into a step by less than this fraction of it does not count there in "exp_euler". It is
# what makes T_dur = 0.3, dt = 0.1 three steps and not, now and then, four.
_GRID_SLACK = 1e-3
# A pulse of which less than this fraction is left is over for "ignore": a spike at its very end counts.
_END_SLACK = 1e-5
# Steps of a pulse at most, so that twice their number and the rows of a run fit into an int32.
_MOST_STEPS = 2**29


class Pulse(NamedTuple):
    """How a pulse lies on the grid of a run; each field has the parameter's shape or is a scalar."""

    full: Array  # int32: the count of a whole pulse
    last: Array  # ms of transmitter in the last of its steps, 0 to dt
    last_under_way: Array  # the same for the pulse that was under way at the start, shape of the state


def start(T_dur: Array, pulse_left: Array, dt: ArrayLike, method: str) -> tuple[Pulse, Array]:
    """Count the pulses in steps of ``dt``.

    Args:
        T_dur: pulse length in ms, scalar or broadcasting against ``pulse_left``.
        pulse_left: ms of transmitter still to come, shape of the state.
        dt: step in ms.
        method: "exp_euler" has whole steps only, "exact" ends a pulse within a step.

    Returns:
        The `Pulse`, and the count under way, int32 of the state's shape.
    """
    steps, last = _steps(T_dur, dt, method)
    steps_left, last_left = _steps(pulse_left, dt, method)
    # A pulse that earlier steps of this dt have counted down lies on the grid of T_dur, but for rounding, which
    # over thousands of steps would add up. It is put back on that grid; the derivative stays its own.
    off_grid = jax.lax.stop_gradient(last - last_left)
    last_left = last_left + jnp.where(jnp.abs(off_grid) < _slack(T_dur, dt) * dt, off_grid, 0)
    return Pulse(2 * steps, last, last_left), jnp.where(pulse_left > 0, 2 * steps_left + 1, 0)


def arrive(pulse: Pulse, ends: Array, spike: Array, row: ArrayLike, overlap: str) -> Array:
    """``ends`` from the step ``row`` on, which begins with ``spike`` (true where not 0, shape of the state).

    "restart": a spike starts a whole pulse, also during one. "ignore": a spike during a pulse does nothing.
    """
    spike = spike.astype(bool)
    if overlap == "ignore":
        spike = spike & (count(ends, row) < 2)
    return jnp.where(spike, pulse.full + 2 * row, ends)


def count(ends: Array, row: ArrayLike) -> Array:
    """The count of the step ``row`` of the run."""
    return ends - 2 * row


def pass_step(count: Array) -> Array:
    """The count after a step of that count has gone by."""
    return count - 2


def pick(count: Array, whole: Any, last: Any, last_under_way: Any, none: Any) -> Any:
    """What belongs to a step of that count: one of four arrays, or trees of them, that broadcast against it.

    Where pulses last whole steps, ``last`` and ``last_under_way`` are None.
    """
    if last is None:
        return jax.tree.map(partial(jnp.where, count >= 2), whole, none)

    def one(whole: Array, last: Array, last_under_way: Array, none: Array) -> Array:
        partly = jnp.where(count == 2, last, last_under_way)
        return jnp.where(count >= 4, whole, jnp.where(count >= 2, partly, none))

    return jax.tree.map(one, whole, last, last_under_way, none)


def left(pulse: Pulse, count: Array, dt: ArrayLike) -> Array:
    """``pulse_left`` in ms at the start of a step of that count: the way back from steps to time."""
    last = jnp.where(count % 2 == 0, pulse.last, pulse.last_under_way)
    whole = (count // 2 - 1).astype(last.dtype)
    return jnp.where(count < 2, jnp.zeros_like(last), whole * dt + last)


def refill(pulse_left: Array, spike: Array, T_dur: Array, overlap: str) -> Array:
    """``pulse_left`` in ms right after ``spike`` (bool), off the grid; see `arrive` for ``overlap``."""
    if overlap == "ignore":
        spike = spike & (pulse_left <= _END_SLACK * T_dur)
    return jnp.where(spike, T_dur, pulse_left)


def drain(pulse_left: Array, duration: Array) -> tuple[Array, Array]:
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
    # `steps` is a plain number to the derivative: all of d/d(duration) is in the last step, and a sample at the
    # very end of a pulse sees the derivative from the left.
    last = duration - (steps - 1) * dt
    return jnp.minimum(steps, _MOST_STEPS).astype(jnp.int32), last


def _rounding(duration: Array, dt: ArrayLike) -> Array:
    """How far off, in steps, the quotient duration / dt can be by rounding."""
    return float(2 * jnp.finfo(duration.dtype).eps) * jax.lax.stop_gradient(duration) / dt


def _slack(duration: Array, dt: ArrayLike) -> Array:
    return _GRID_SLACK + _rounding(duration, dt)
