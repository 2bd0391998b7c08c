"""Shapes and dtypes."""

import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from synkin.arguments.messages import describe
from synkin.arguments.numbers import Shape


def check_shape(value: Any, name: str = "shape") -> Shape:
    """``value`` as a tuple of ints: a single int means a vector of that length.

    Args:
        value: an int or a sequence of ints.
        name: what it is called, for the message.

    Raises:
        TypeError: not an int or a sequence of ints.
        ValueError: a negative length.
    """
    try:
        axes = (operator.index(value),) if np.ndim(value) == 0 else tuple(operator.index(axis) for axis in value)
    except (TypeError, ValueError):
        raise TypeError(f"Argument `{name}` must be an int or a tuple of ints, but is {describe(value)}.") from None
    if any(axis < 0 for axis in axes):
        raise ValueError(f"Argument `{name}` must not have negative lengths, but is {axes}.")
    return axes


def float_dtype(dtype: Any) -> np.dtype:
    """``dtype`` as float32, or float64 where this JAX configuration has it; None and float are its default.

    Raises:
        TypeError: not a floating dtype, or one of another precision.
        ValueError: float64 where JAX is not in its 64-bit mode.
    """
    if dtype is None or dtype is float:
        return jnp.result_type(float)
    try:
        wanted = jnp.dtype(dtype).newbyteorder("=")
    except (TypeError, AttributeError):  # the dtype of JAX's random keys has no byte order
        raise TypeError(f"Argument `dtype` must be a floating dtype, but is {describe(dtype)}.") from None
    if not jnp.issubdtype(wanted, jnp.floating):
        raise TypeError(f"Argument `dtype` must be a floating dtype, but is {wanted.name}.")
    if wanted.itemsize not in (4, 8):
        raise TypeError(f"Argument `dtype` must be float32 or float64, but is {wanted.name}{too_coarse(wanted)}.")
    if jax.dtypes.canonicalize_dtype(wanted) != wanted:
        raise ValueError(
            f"Argument `dtype` must be one that JAX has now, but is {wanted.name}, which needs its 64-bit mode: "
            "jax.config.update('jax_enable_x64', True)."
        )
    return wanted


def too_coarse(dtype: np.dtype) -> str:
    """Why a state is not of this floating dtype, for the end of a sentence."""
    # With 8 or 11 bits a pulse of 400 ms ends 6 ms early, and what decays by 1 % a step decays by 0.8 or not at all.
    return ", in which decays and pulses in small steps are lost" if dtype.itemsize < 4 else ""
