"""Delays between a spike and its synapse: exact for given spike times, in whole steps on a grid.

g = synkin.respond(kernel, params, spike_times, times, delay=1.3)
_, g = synkin.simulate(kernel, params, synkin.delayed(spikes, delay, dt), dt)
"""

from __future__ import annotations

import warnings
from types import ModuleType

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.bind import bind_delays
from synkin.arguments.known import concrete_value
from synkin.arguments.messages import describe
from synkin.arguments.numbers import AnyArray, Real, as_real
from synkin.arguments.times import check_dt

# A delay within this many steps (plus this fraction of itself) of a whole or half number of steps counts as that
# number, so that the result does not depend on rounding errors.
_NEAR, _RELATIVE = 1e-3, 1e-6


def delayed(spikes: ArrayLike, delay: ArrayLike, dt: ArrayLike) -> Array:
    """Spikes on a grid, delayed: those of each synapse come later by its delay, rounded to whole steps.

    The result is the input of `synkin.simulate`. Spikes that would come after the end are lost.

    Args:
        spikes: (T, *shape), booleans, or numbers such as the weights in mS of a linear kernel.
        delay: ms, 0 or more; a scalar, or an array that broadcasts to ``shape``.
        dt: step in ms.

    Returns:
        (T, *shape): row i is row i - n of ``spikes``, with n = round(delay / dt), where half a step rounds up; the
        first n rows are 0. The dtype is that of ``spikes``. If ``delay`` or ``dt`` is traced, the result is floating,
        so that it can be NaN for an invalid ``delay`` or ``dt``.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

    Warns:
        UserWarning: a delay is not a whole number of steps; the message gives the largest error in ms. To avoid the
            warning, give ``dt * np.round(delay / dt)``. There is no warning for traced delays.

    Because of the rounding, derivatives with respect to ``delay`` and ``dt`` are 0. `synkin.respond` does not round
    delays, so it gives the true derivatives. Arguments may be quantities of saiunit; the result is one if ``spikes``
    is.

    In a loop of your own, where later spikes are not known yet, use `synkin.connect`, or `synkin.delay_line`, which
    does not round.

    Example:
        >>> spikes = np.array([[1, 1], [0, 0], [0, 0]], bool)
        >>> print(synkin.delayed(spikes, [0.1, 0.2], 0.1).astype(int))
        [[0 0]
         [1 0]
         [0 1]]
    """
    given = bind_delays(spikes, delay, dt)
    moved = _moved(given.spikes, given.delay, given.dt)
    return units.quantity(moved, given.unit) if given.has_units else moved


def _moved(spikes: Array, delay: Real, dt: Real) -> Array:
    """`delayed` of arguments that have been checked."""
    known, step = concrete_value(delay), concrete_value(dt)
    if known is not None and step is not None:
        whole = steps_of("delay", np.asarray(known, float), float(step))
        return _rows(spikes, jnp.asarray(np.minimum(whole, len(spikes)).astype("int32")))
    dtype = jnp.result_type(float)
    steps = _whole(jnp.asarray(delay, dtype) / jnp.asarray(dt, dtype), jnp)
    rows = _rows(spikes, jnp.minimum(jnp.nan_to_num(steps), len(spikes)).astype("int32"))
    if not jnp.issubdtype(rows.dtype, jnp.floating):
        rows = rows.astype(dtype)
    wrong = _against(jnp.isnan(steps), rows)
    return jnp.where(wrong, jnp.nan, rows)


def known_delays(name: str, value: object, because: str) -> np.ndarray:
    """Delays in ms, as a NumPy array.

    Raises:
        TypeError: delays that are traced, or no numbers.
        ValueError: delays that are negative or not finite.
    """
    real = as_real(name, units.strip_unit(name, value, "ms"))
    known = concrete_value(real)
    if known is None:
        raise TypeError(f"Argument `{name}` must not be traced, as {because}, but is {describe(real)}.")
    bad = ~((known >= 0) & np.isfinite(known))
    if bad.any():
        raise ValueError(f"Argument `{name}` must be finite and not negative, but has {known[bad].flat[0]}.")
    return known


def known_step(dt: object) -> float:
    """The step in ms.

    Raises:
        TypeError, ValueError: a step that is traced, or no positive number.
    """
    step = concrete_value(check_dt(units.strip_unit("dt", dt, "ms")))
    if step is None:
        raise TypeError(f"Argument `dt` must not be traced where there are delays, but is {describe(dt)}.")
    return float(step)


def steps_of(name: str, delay: np.ndarray, dt: float) -> np.ndarray:
    """Delays in whole steps, as floats; warns if they are rounded.

    Args:
        name: the argument's name, for the warning.
        delay: ms, of any shape.
        dt: ms.
    """
    exact = delay / dt
    steps = _whole(exact, np)
    off = np.where(np.abs(exact - steps) > _NEAR + _RELATIVE * exact, np.abs(exact - steps) * dt, 0.0)
    if off.size and off.max() > 0:
        warnings.warn(
            f"Argument `{name}` is rounded to whole steps of {dt:g} ms, by up to {off.max():.3g} ms.",
            UserWarning,
            stacklevel=4,
        )
    return steps


def _whole(steps: AnyArray, xp: ModuleType) -> AnyArray:
    """Steps rounded to whole steps, half a step up; ``xp`` is NumPy or `jax.numpy`."""
    return xp.floor(steps + (0.5 + _NEAR))


def _rows(spikes: Array, steps: Array) -> Array:
    """Row i - steps of each synapse, 0 before the first row; steps are at most the number of rows."""
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
    """One number for each row, as an array of the rank of ``spikes``."""
    return row.reshape(-1, *(1,) * (spikes.ndim - 1)) if row.ndim < spikes.ndim else row


def _against(values: Array, spikes: Array) -> Array:
    """One number for each synapse, as an array of the rank of ``spikes``."""
    return values.reshape((1,) * (spikes.ndim - values.ndim) + values.shape) if values.ndim else values
