"""Delays between a spike and its synapse: exact where times are given, to whole steps on a grid.

g = synkin.respond(kernel, params, spike_times, times, delay=1.3)
_, g = synkin.simulate(kernel, params, synkin.delayed(spikes, delay, dt), dt)
"""

from __future__ import annotations

import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.inputs import AddsWeight
from synkin.arguments.known import concrete_value
from synkin.arguments.times import check_delays, check_dt, nan_if_invalid_dt

# So near to a whole number of steps, or to half of one more, a delay counts as that: rounding errors do not decide.
_NEAR, _RELATIVE = 1e-3, 1e-6
# A train may be of any numbers: of spikes too, as booleans.
_ANY_NUMBERS = AddsWeight(())


def delayed(spikes: ArrayLike, delay: ArrayLike, dt: ArrayLike) -> Array:
    """A train on a grid, every synapse's spikes as many steps later as its delay has, rounded to whole steps.

    For `synkin.simulate`. Spikes that would come after the end of the train are lost.

    Args:
        spikes: (T, *shape), booleans or numbers: weights in mS for the linear kernels.
        delay: ms, 0 or more; a scalar, or an array that broadcasts against ``shape``.
        dt: step in ms.

    Returns:
        (T, *shape): row i is row i - n of ``spikes``, n = round(delay / dt) (half a step rounds up), and 0 before. The
        dtype is that of ``spikes``; but where ``delay`` or ``dt`` is traced, booleans and whole numbers become floats,
        so that one that is out of range can give NaN.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

    Warns:
        UserWarning: a delay is no whole number of steps, and by how many ms the largest is off. Round delays beforehand
            where that is meant, as by ``dt * np.round(delay / dt)``. Of delays that are traced nothing can be said.

    Through the rounding goes no derivative: that with respect to ``delay`` and ``dt`` is 0. `synkin.respond`, which
    moves spikes by any ``delay``, has the true one. Arguments may be quantities of saiunit; the result is one if
    ``spikes`` is.

    In a loop of one's own, where later spikes are not known yet, keep the last L rows in a ring, L being larger than
    any delay in steps, n of shape (N,)::

        def body(carry, i):
            ring, synapse = carry                                  # ring: zeros (L, N) at first
            ring = ring.at[i % L].set(spikes_now)                  # what the neurons did in this step
            arriving = ring[(i - n) % L, jnp.arange(N)]            # and what they did n steps ago
            synapse, g = stepper.step(synapse, arriving)
            return (ring, synapse), g
    """
    unit = "mS" if units.has_dimension(spikes, "mS") else "1"
    has_unit = units.is_quantity(spikes)
    spikes = _ANY_NUMBERS.check_train(units.strip_unit("spikes", spikes, unit), None)
    dt = nan_if_invalid_dt(check_dt(units.strip_unit("dt", dt, "ms")))
    delay = check_delays(units.strip_unit("delay", delay, "ms"), spikes.shape[1:])
    moved = _moved(spikes, delay, dt)
    return units.quantity(moved, unit) if has_unit else moved


def _moved(spikes: Array, delay: object, dt: object) -> Array:
    known, step = concrete_value(delay), concrete_value(dt)
    if known is not None and step is not None:
        steps = _warned(np.asarray(known, float), float(step))
        return _rows(spikes, jnp.asarray(np.minimum(steps, len(spikes)).astype("int32")))
    dtype = jnp.result_type(float)
    steps = _whole(jnp.asarray(delay, dtype) / jnp.asarray(dt, dtype), jnp)
    rows = _rows(spikes, jnp.minimum(jnp.nan_to_num(steps), len(spikes)).astype("int32"))
    if not jnp.issubdtype(rows.dtype, jnp.floating):
        rows = rows.astype(dtype)
    wrong = _against(jnp.isnan(steps), rows)
    return jnp.where(wrong, jnp.nan, rows)


def _warned(delay: np.ndarray, dt: float) -> np.ndarray:
    """Whole steps, with a warning where delays are none."""
    exact = delay / dt
    steps = _whole(exact, np)
    off = np.where(np.abs(exact - steps) > _NEAR + _RELATIVE * exact, np.abs(exact - steps) * dt, 0.0)
    if off.size and off.max() > 0:
        warnings.warn(
            f"Argument `delay` is rounded to whole steps of {dt:g} ms, by up to {off.max():.3g} ms.",
            UserWarning,
            stacklevel=4,
        )
    return steps


def _whole(steps: Any, xp: Any) -> Any:
    return xp.floor(steps + (0.5 + _NEAR))


def _rows(spikes: Array, steps: Array) -> Array:
    """Row i - steps of each synapse, 0 where there is none; steps are at most the number of rows."""
    row = jnp.arange(len(spikes), dtype="int32")
    if steps.ndim == 0:
        row = row - steps
        found = jnp.take(spikes, row, axis=0, mode="clip")
    else:
        row = _column(row, spikes) - _against(steps, spikes)
        row = jnp.broadcast_to(row, spikes.shape)
        found = jnp.take_along_axis(spikes, row, axis=0, mode="clip")
    return jnp.where(_column(row, spikes) >= 0, found, jnp.zeros((), spikes.dtype))


def _column(row: Array, spikes: Array) -> Array:
    """A number for each row as an array of the rank of ``spikes``."""
    return row.reshape(-1, *(1,) * (spikes.ndim - 1)) if row.ndim < spikes.ndim else row


def _against(values: Array, spikes: Array) -> Array:
    """A number for each synapse as an array of the rank of ``spikes``."""
    return values.reshape((1,) * (spikes.ndim - values.ndim) + values.shape) if values.ndim else values
