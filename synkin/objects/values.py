"""The values of parameters and state variables, as an object takes and shows them."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments.known import is_concrete
from synkin.arguments.numbers import Shape, as_real, broadcasts

Value = ArrayLike | Callable[[Shape], ArrayLike]
"""A parameter or initial value: a number, an array that broadcasts or a callable of the shape; also with a unit."""


def as_real_array(name: str, value: object, kind: str = "Argument") -> Array | np.ndarray:
    """``value``, without a unit, as an array of real numbers."""
    real = as_real(name, value, kind)
    return real if isinstance(real, jax.Array) else np.asarray(real)


def as_state(name: str, value: object, shape: Shape, dtype: np.dtype) -> Array:
    """A copy of ``value``, broadcast to ``shape``: NumPy's arrays may be changed by their owner.

    Raises:
        TypeError: not real numbers.
        ValueError: a shape that does not broadcast, or values that are not finite.
    """
    array = jnp.array(as_real_array(name, value), dtype)
    if not broadcasts(array.shape, shape):
        raise ValueError(f"Argument `{name}` must broadcast to shape {shape}, but has shape {array.shape}.")
    if is_concrete(array) and not np.isfinite(np.asarray(array)).all():
        raise ValueError(f"Argument `{name}` must be finite, but has NaN or infinite values.")
    return jnp.broadcast_to(array, shape)


def short_repr(value: Array) -> str:
    """A number as it is, an array by its dtype and shape."""
    return str(value) if value.ndim == 0 else f"{value.dtype}[{','.join(map(str, value.shape))}]"
