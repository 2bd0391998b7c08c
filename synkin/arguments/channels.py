"""How many channels there are, and what is recorded of them."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from synkin.arguments.known import concrete_value
from synkin.arguments.messages import describe
from synkin.arguments.numbers import (
    INT32,
    POSITIVE,
    Real,
    Shape,
    as_array,
    as_floating,
    as_real,
    broadcasts,
    check_number,
    in_range,
    is_boolean,
    is_finite,
    nan_unless,
)


@dataclass(frozen=True)
class Observed:
    """A trace of a number of channels, and how it comes of their g; arrays of one dtype."""

    trace: Array  # (M,), NaN where there is no sample
    scale: Array
    offset: Array
    sigma: Array
    channels: Array | None  # None where the gating makes no noise


def check_channels(value: object, shape: Shape = ()) -> tuple[Array, Array | None]:
    """How many receptors to count, which must be whole, from 1 on, and broadcast to ``shape``.

    Returns:
        The numbers as int32, of that shape; and, where they are traced, whether they are such numbers.

    Raises:
        TypeError: not real numbers.
        ValueError: another shape, or a number that is none of receptors.
    """
    real = as_real("channels", value)
    if is_boolean(real):
        raise TypeError(f"Argument `channels` must be a number of receptors, but is {describe(value)}.")
    if not broadcasts(np.shape(real), shape):
        several = f"broadcast to shape {shape}" if shape else "be a scalar"
        raise ValueError(f"Argument `channels` must {several}, but has shape {np.shape(real)}.")
    known = concrete_value(real)
    if known is not None:
        wrong = ~((known >= 1) & (known <= INT32.max) & (known == np.floor(known)))
        if wrong.any():
            raise ValueError(
                f"Argument `channels` must be a whole number of receptors from 1 to {INT32.max}, but is "
                f"{known[wrong].flat[0]}."
            )
        return jnp.broadcast_to(jnp.asarray(known.astype("int32")), shape), None
    traced = jnp.broadcast_to(as_array(real), shape)
    highest = traced.dtype.type(INT32.max) if jnp.issubdtype(traced.dtype, jnp.integer) else 2.0**31 - 128
    good = (traced >= 1) & (traced <= highest) & (traced == jnp.floor(traced))
    return jnp.where(good, traced, 1).astype(jnp.int32), good


def check_observed(
    trace: object, count: int, scale: object, offset: object, sigma: object, channels: object, dtype: DTypeLike
) -> Observed:
    """A trace of ``count`` samples, and the numbers that it is thought to come of.

    Raises:
        TypeError: not real numbers.
        ValueError: another shape, or a number that is out of range.
    """
    values = as_real("trace", trace)
    if np.shape(values) != (count,):
        several = ": for several sweeps use jax.vmap" if len(np.shape(values)) > 1 else ""
        raise ValueError(
            f"Argument `trace` must have shape ({count},), a value for each time, but has shape {np.shape(values)}"
            f"{several}."
        )
    known = concrete_value(values)
    if known is not None and np.isinf(np.asarray(known, float)).any():
        i = int(np.isinf(np.asarray(known, float)).argmax())
        raise ValueError(
            f"Argument `trace` must be finite, or NaN where there is no sample, but element {i} is infinite."
        )
    given = {
        "scale": check_number("scale", scale, lambda v: is_finite(v, np), "a finite number"),
        "offset": check_number("offset", offset, lambda v: is_finite(v, np), "a finite number"),
        "sigma": _positive("sigma", sigma, "positive, as a recording has noise besides that of its channels"),
    }
    if channels is not None:
        given["channels"] = _positive(
            "channels", channels, "a positive number of channels, or None for none of their noise"
        )
    cast = {name: as_array(value, dtype) for name, value in given.items()}
    return Observed(as_array(values, dtype), channels=cast.pop("channels", None), **cast)


def _positive(name: str, value: object, expected: str) -> Real:
    """A scalar, which must be positive and finite; NaN where it is traced and is not."""
    real = check_number(name, value, lambda v: bool(in_range(POSITIVE, np.asarray(v, float), np)), expected)
    return real if concrete_value(real) is not None else nan_unless(real, in_range(POSITIVE, as_floating(real), jnp))
