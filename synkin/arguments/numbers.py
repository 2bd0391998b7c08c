"""Numbers and arrays of any kind: looked at where they are known, cast, checked."""

import math
import numbers
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.known import concrete_value, holds_for_known, is_concrete
from synkin.arguments.messages import describe

Shape = tuple[int, ...]
INT32 = np.iinfo(np.int32)


def is_finite(x: Any, xp: Any) -> Any:
    return xp.isfinite(x)


def is_binary(x: object, xp: object) -> Any:
    return (x == 0) | (x == 1)


def as_real(name: str, value: Any, kind: str = "Argument") -> Any:
    """``value`` as what JAX takes everywhere: a Python number, a JAX array (or tracer), or a NumPy array of a dtype
    that JAX knows, in this machine's byte order.

    Args:
        name: what it is called, for the message.
        value: a number, array, or list of them, traced or not.
        kind: "Argument" or "Parameter", for the message.

    Raises:
        TypeError: not real numbers, or with a unit.
        ValueError: masked entries, or an array whose memory is gone.
    """
    if type(value) is float or type(value) is bool:
        return value
    if units.is_quantity(value):
        raise TypeError(f"{kind} `{name}` must come without a unit here, but is in {value.unit}.")
    if getattr(value, "__jax_array__", None) is not None:  # an object that holds an array; a jax.Array has None there
        value = value.__jax_array__()
    if isinstance(value, jax.Array):
        if not isinstance(value, jax.core.Tracer) and value.is_deleted():
            raise ValueError(f"{kind} `{name}` must be an array that is still there, but was deleted or donated.")
        array: Any = value
    elif isinstance(value, list | tuple) and not is_concrete(value):
        return _stacked_list(name, value, kind)
    else:
        array = _as_numpy(name, value, kind)
    # Of NumPy's dtypes a time difference passes for an integer.
    if array is None or getattr(array.dtype, "kind", "") == "m" or not _is_real(array.dtype):
        raise TypeError(f"{kind} `{name}` must be a real number or an array of them, but is {describe(value)}.")
    return array if isinstance(array, jax.Array) else _native(array)


def _is_real(dtype: Any) -> bool:
    return any(jnp.issubdtype(dtype, wanted) for wanted in (jnp.bool_, jnp.integer, jnp.floating))


def is_boolean(value: object) -> bool:
    """Whether what `as_real` gave is True and False."""
    return isinstance(value, bool) or getattr(value, "dtype", None) == np.dtype(bool)


def _as_numpy(name: str, value: object, kind: str) -> np.ndarray | None:
    """``value`` as a NumPy array, None where it is none."""
    if isinstance(value, np.ma.MaskedArray):
        masked = int(np.ma.count_masked(value))
        if masked:
            raise ValueError(f"{kind} `{name}` must have no masked entries, but has {masked} of them.")
    if isinstance(value, list | tuple) and any(map(units.is_quantity, value)):
        raise TypeError(
            f"{kind} `{name}` must come without a unit here, but is a {type(value).__name__} of quantities."
        )
    try:
        array = np.asarray(value)
        if array.dtype == object and isinstance(value, numbers.Real):  # a fraction, or an int beyond 64 bits
            array = np.asarray(float(value))
    except OverflowError:
        return np.asarray(math.inf)
    except (TypeError, ValueError):
        return None
    return array


def _native(array: np.ndarray) -> np.ndarray:
    """``as_array`` in this machine's byte order, and in a dtype that JAX has without loss where there is one."""
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = cast_by_numpy(array, np.dtype("float64"))
    if array.dtype.kind in "iu" and jax.dtypes.canonicalize_dtype(array.dtype) != array.dtype and array.size:
        # Without its 64-bit mode JAX would keep the lower half of the bits.
        fits = INT32.min <= array.min() and array.max() <= INT32.max
        array = array.astype("int32" if fits else "float64")
    return array


def _stacked_list(name: str, value: Sequence[Any], kind: str) -> Array:
    """A list with tracers in it as one array."""
    elements = [as_real(name, element, kind) for element in value]
    shapes = sorted({np.shape(element) for element in elements})
    if len(shapes) > 1:
        listed = " and ".join(map(str, shapes))
        raise ValueError(f"{kind} `{name}` must have elements of one shape, but has elements of shape {listed}.")
    # Numbers side by side in a list are meant to be of one dtype, however strict JAX is about promotion elsewhere.
    with jax.numpy_dtype_promotion("standard"):
        dtype = jnp.result_type(*elements)
    return jnp.stack([as_array(element, dtype) for element in elements])


def as_float64(name: str, value: object) -> np.ndarray:
    """``value`` as a NumPy array of float64, for what is computed outside JAX.

    Raises:
        TypeError: not real numbers, or traced ones.
        ValueError: see `as_real`.
    """
    known = concrete_value(as_real(name, value))
    if known is None:
        raise TypeError(f"Argument `{name}` must be known now, outside jax.jit and the like, but is {describe(value)}.")
    return np.asarray(known, float)


def as_array(value: ArrayLike, dtype: object = None) -> Array:
    """What `as_real` gave as a JAX array, of ``dtype`` or the nearest to its own.

    NumPy does the cast: JAX warns where it cannot keep float64, which nobody asked it to.
    """
    if isinstance(value, np.ndarray):
        wanted = jax.dtypes.canonicalize_dtype(value.dtype if dtype is None else dtype)
        return jnp.asarray(cast_by_numpy(value, wanted))
    return jnp.asarray(value, None if dtype is None else jax.dtypes.canonicalize_dtype(dtype))


def cast_by_numpy(value: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        return value.astype(dtype, copy=False)


def check_number(name: str, value: Any, condition: Callable[[Any], Any], expected: str) -> Any:
    """``value``, which must be a scalar that meets ``condition``; a traced scalar passes.

    Raises:
        TypeError: not a number.
        ValueError: not a scalar, or the condition does not hold.
    """
    value = as_real(name, value)
    if np.shape(value) != ():
        raise ValueError(f"Argument `{name}` must be a scalar, but has shape {np.shape(value)}.")
    known = concrete_value(value)
    if known is not None and not condition(known):
        raise ValueError(f"Argument `{name}` must be {expected}, but is {known}.")
    return value


def check_whole(name: str, value: Any, expected: str = "a positive whole number") -> int:
    """``value``, which must be a whole number from 1 on, known now: it decides what is computed.

    Raises:
        TypeError: not a number, or a traced one.
        ValueError: not a scalar, not whole or below 1.
    """
    value = check_number(name, value, lambda n: n >= 1 and n == n.astype(int), expected)
    if concrete_value(value) is None:
        raise TypeError(f"Argument `{name}` must be {expected} that is known now, but is {describe(value)}.")
    return int(value)


POSITIVE = SimpleNamespace(positive=True, signed=False)
NOT_NEGATIVE = SimpleNamespace(positive=False, signed=False)


def in_range(record: Any, value: Any, xp: Any) -> Any:
    """Where ``value`` is what the parameter may be."""
    finite = xp.isfinite(value)
    if record.signed:
        return finite
    return finite & (value > 0 if record.positive else value >= 0) & (value <= upper_limit(record))


def upper_limit(record: object) -> float:
    """The largest value of a parameter: that of a kernel has none."""
    return getattr(record, "most", math.inf)


def broadcasts(small: Shape, target: Shape) -> bool:
    """Whether an array of shape ``small`` broadcasts to ``target`` without enlarging it."""
    return len(small) <= len(target) and all(
        a in (1, b) for a, b in zip(reversed(small), reversed(target), strict=False)
    )


def align(value: ArrayLike, like: Array) -> Array:
    """``value``, which broadcasts to ``like``, as an array of its dtype, and if it is no scalar of its rank."""
    value = as_array(value, like.dtype)
    return value.reshape((1,) * (like.ndim - value.ndim) + value.shape) if value.ndim else value


def check_concentration(name: str, value: object, *, positive: bool = False) -> Any:
    """``value`` in mM, finite and not negative where it is known, and NaN where it is traced and not that.

    Args:
        name: what it is called, for the message.
        value: the number, or an array of them.
        positive: whether it must not be 0 either.

    Raises:
        TypeError: not real numbers.
        ValueError: a number that is no concentration.
    """
    value = as_real(name, value)
    known, record = concrete_value(value), POSITIVE if positive else NOT_NEGATIVE
    if known is None:
        return nan_unless(value, in_range(record, as_floating(value), jnp))
    good = in_range(record, cast_by_numpy(np.asarray(known), np.dtype("float32")), np)
    if not np.all(good):
        came = np.asarray(known)[~good].flat[0]
        expected = "positive" if positive else "not negative"
        raise ValueError(f"Argument `{name}` must be in mM, finite and {expected}, but has the value {came}.")
    return value


def as_floating(value: object) -> Array:
    """``value`` as floating numbers."""
    value = jnp.asarray(value)
    return value if jnp.issubdtype(value.dtype, jnp.floating) else value.astype(float)


def nan_unless(value: object, good: Array) -> Array:
    """``value`` where it is ``good``, else NaN, for its derivatives too: a select would give those as 0."""
    value = as_floating(value)
    one = jnp.ones((), value.dtype)
    return value * jnp.where(good, one, np.asarray(np.nan, one.dtype))


def check_finite(name: str, value: Any) -> None:
    """Raise ValueError where ``value`` is known and, in the precision that JAX gives it, not finite."""
    dtype = value.dtype if hasattr(value, "dtype") else np.dtype(type(value))
    if not jnp.issubdtype(dtype, jnp.floating):
        return
    if isinstance(value, np.ndarray):  # what overflows in that precision is infinite, too
        value = cast_by_numpy(value, jax.dtypes.canonicalize_dtype(dtype))
    if not holds_for_known(is_finite, value):
        raise ValueError(f"Argument `{name}` must be finite, but has NaN or infinite values.")
