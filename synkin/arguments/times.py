"""Times in ms: of spikes, samples, steps and delays."""

import math
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments import units
from synkin.arguments.known import concrete_value, is_concrete
from synkin.arguments.messages import describe
from synkin.arguments.numbers import (
    NOT_NEGATIVE,
    POSITIVE,
    Real,
    Shape,
    as_array,
    as_float64,
    as_floating,
    as_real,
    broadcasts,
    check_number,
    in_range,
    is_boolean,
    nan_unless,
)

# Times in ms: NumPy's float64 where they are concrete and came as numbers, else JAX's.
Times: TypeAlias = Array | np.ndarray


def check_dt(dt: object) -> Real:
    """``dt`` in ms, which must be a positive finite scalar; a traced scalar passes."""
    # The test of a plain float comes first because `step` runs it at every call outside jit.
    if type(dt) is float and 0.0 < dt < math.inf:
        return dt
    return check_number("dt", dt, lambda v: np.isfinite(v) and v > 0, "a positive number of ms")


def check_delay(value: object) -> Real:
    """A delay in ms, which must be a finite scalar and not negative. A traced delay that is not so becomes NaN.

    Raises:
        TypeError, ValueError: see `check_number`.
    """
    value = check_number(
        "delay", value, lambda v: in_range(NOT_NEGATIVE, v, np), "a finite number of ms that is not negative"
    )
    return value if is_concrete(value) else nan_unless(value, in_range(NOT_NEGATIVE, as_floating(value), jnp))


def nan_if_invalid_dt(dt: Real) -> Real:
    """``dt`` unchanged if it is concrete; NaN if it is traced and not a positive finite number."""
    return dt if is_concrete(dt) else nan_unless(dt, in_range(POSITIVE, as_floating(dt), jnp))


def check_delays(value: object, shape: Shape) -> Real:
    """Delays in ms, which must broadcast to ``shape``, be finite and not negative. Traced ones that are not so are NaN.

    Raises:
        TypeError: not real numbers.
        ValueError: a shape that does not broadcast, or a value out of range.
    """
    value = as_real("delay", value)
    if not broadcasts(np.shape(value), shape):
        raise ValueError(f"Argument `delay` must broadcast to shape {shape}, but has shape {np.shape(value)}.")
    known = concrete_value(value)
    if known is None:
        return nan_unless(value, in_range(NOT_NEGATIVE, as_floating(value), jnp))
    good = in_range(NOT_NEGATIVE, known, np)
    if not good.all():
        raise ValueError(f"Argument `delay` must be finite and not negative, but has the value {known[~good].flat[0]}.")
    return value


def check_times(name: str, value: object, *, sort: bool) -> Times:
    """Times in ms, which must be a vector, in any order: those of spikes, padded with inf, or finite ones.

    Args:
        name: the argument's name, for the message.
        value: the times.
        sort: whether they are spike times, which are sorted later and may be padded with inf.

    Returns:
        A JAX array if the times are one or contain tracers, else a NumPy array of float64, which keeps all digits.

    Raises:
        TypeError: not real numbers, or booleans.
        ValueError: not one axis, NaN or infinite where that is no padding, or a train of 0 and 1.
    """
    value = as_real(name, value)
    if is_boolean(value):
        of_train = f": for a train on a grid, {_TIMES_OF_TRAIN}" if sort else ""
        raise TypeError(f"Argument `{name}` must be times in ms, but is {describe(value)}{of_train}.")
    if len(np.shape(value)) != 1:
        expected, got = "(K,)" if sort else "(M,)", np.shape(value)
        several = ": for several synapses use jax.vmap" if got else ""
        raise ValueError(f"Argument `{name}` must have shape {expected}, but has shape {got}{several}.")
    known = concrete_value(value)
    if known is not None:
        known = np.asarray(known, float)
        bad = np.isnan(known) | (np.isneginf(known) if sort else np.isinf(known))
        if bad.any():
            i = int(bad.argmax())
            expected = "times or inf as padding" if sort else "finite"
            raise ValueError(f"Argument `{name}` must be {expected}, but element {i} is {known[i]}.")
        if sort and _is_train(known):
            raise ValueError(
                f"Argument `{name}` must be times in ms, but is {known.size} values of 0 or 1, like a train on a grid: "
                f"{_TIMES_OF_TRAIN}."
            )
    if isinstance(value, jax.Array):
        return value
    return np.asarray(value, float)


_TIMES_OF_TRAIN = "give np.flatnonzero(train) * dt, or the train itself to synkin.simulate"


def _is_train(known: np.ndarray) -> bool:
    """Whether the values must be a train on a grid instead of times: all 0 or 1, and unsorted or more than 10."""
    binary = known.size > 2 and bool(np.all((known == 0) | (known == 1)))
    return binary and (known.size > 10 or bool((np.diff(known) < 0).any()))


def check_not_before(name: str, value: object, t0: object) -> None:
    """Raise ValueError if a concrete time comes before ``t0``, the time of the given state."""
    known, start = concrete_value(value), concrete_value(t0)
    if known is not None and start is not None and known.size:
        earliest = np.min(np.asarray(known, float))
        if earliest < np.asarray(start, float):
            raise ValueError(
                f"Argument `{name}` must not come before t0 = {start} ms, the time of `state`, but has {earliest}."
            )


def check_in_order(name: str, value: object) -> None:
    """Raise ValueError if concrete times decrease."""
    known = concrete_value(value)
    if known is not None and (np.diff(known) < 0).any():
        i = int((np.diff(known) < 0).argmax())
        raise ValueError(
            f"Argument `{name}` must be in the order of time, but element {i + 1} ({known[i + 1]}) is below {known[i]}."
        )


def check_increasing(name: str, value: np.ndarray) -> None:
    """Raise ValueError unless each time is above the one before."""
    rises = np.diff(value) > 0
    if not rises.all():
        i = int(rises.argmin())
        raise ValueError(
            f"Argument `{name}` must be increasing, but element {i + 1} ({value[i + 1]}) is not above {value[i]}."
        )


def as_sweeps(times: object, trace: object, name: str = "trace") -> tuple[np.ndarray, np.ndarray]:
    """Finite times (M,) in ms, and a trace (M,) or (R, M) at these times, as arrays of float64; M is at least 3.

    Args:
        times, trace: what was given.
        name: that of the trace, for messages.

    Raises:
        TypeError: not real numbers, or traced ones.
        ValueError: shapes that do not fit, fewer than 3 samples, or a time that is not finite.
    """
    known_times, known_trace = as_float64("times", units.strip_unit("times", times, "ms")), as_float64(name, trace)
    if known_times.ndim != 1:
        raise ValueError(f"Argument `times` must have shape (M,), but has shape {known_times.shape}.")
    count = len(known_times)
    if known_trace.ndim not in (1, 2) or known_trace.shape[-1] != count:
        expected = f"({count},) or (R, {count})"
        raise ValueError(f"Argument `{name}` must have shape {expected}, but has shape {known_trace.shape}.")
    if count < 3:
        raise ValueError(f"Argument `{name}` must have at least 3 samples, but has {count}.")
    check_times("times", known_times, sort=False)
    return known_times, known_trace


def nan_if_unordered(times: Times) -> Times:
    """Times in ms unchanged if they are concrete; all NaN if they are traced and not in order."""
    if is_concrete(times):
        return times
    traced = as_floating(as_array(times))
    return nan_unless(traced, (jnp.isfinite(traced).all() & (traced[1:] >= traced[:-1]).all()))


def nan_if_invalid_times(times: Times, t0: Real | None = None, *, sort: bool) -> Times:
    """Times in ms unchanged if they and ``t0`` are concrete, else NaN for each that is invalid.

    Args:
        times: (K,) or (M,), as `check_times` returns them.
        t0: the time before which there may be none, or None.
        sort: as in `check_times`: whether inf is padding.
    """
    if is_concrete(times) and is_concrete(t0):
        return times
    traced = as_floating(as_array(times))
    good = (traced > -jnp.inf) if sort else jnp.isfinite(traced)
    if t0 is not None:
        start = as_array(t0, traced.dtype)
        good &= (traced >= start) & jnp.isfinite(start)
    return nan_unless(traced, good)


def arrivals(spike_times: Times, delay: Real) -> Times:
    """Spike times in ms with a delay added, in float64 if the delay is concrete and the times are a NumPy array.

    Args:
        spike_times: (K,), as `check_times` returns them; inf stays inf.
        delay: a scalar, as `check_delay` returns it.
    """
    known = concrete_value(delay)
    if known is not None and isinstance(spike_times, np.ndarray):
        return spike_times + float(known) if known else spike_times
    if known is not None and not known:
        return spike_times
    spike_times = as_floating(as_array(spike_times))
    return spike_times + as_array(delay, spike_times.dtype)


def padded(spike_times: Times, weights: Array | None) -> tuple[Times, Array | None]:
    """Concrete spikes, padded to one of a few lengths, because a function is compiled for each length.

    The length becomes a power of 2 up to 64; beyond 64 at most a sixteenth is added.
    """
    count = len(spike_times)
    if concrete_value(spike_times) is None or not count:
        return spike_times, weights
    unit = 1 << max((count - 1).bit_length() - 5, 0) if count > 64 else 1 << (count - 1).bit_length()
    more = -count % unit
    if not more:
        return spike_times, weights
    xp = np if isinstance(spike_times, np.ndarray) else jnp
    spike_times = xp.concatenate([spike_times, xp.full(more, xp.inf, spike_times.dtype)])
    return spike_times, None if weights is None else jnp.concatenate([weights, jnp.zeros_like(weights, shape=more)])


def ordered(spike_times: Times, weights: Array | None) -> tuple[Times, Array | None]:
    """Spikes in the order of time, padding and NaN at the end; concrete times in order come back unchanged."""
    known = concrete_value(spike_times)
    if known is not None and not (known[1:] < known[:-1]).any():
        return spike_times, weights
    xp = np if isinstance(spike_times, np.ndarray) else jnp
    order = xp.argsort(spike_times, stable=True)
    return spike_times[order], None if weights is None else weights[order]
