"""Numbers and arrays: conversion, range, shape and dtype."""

import math
import numbers
import operator
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments import units
from synkin.arguments.known import concrete_value, holds_for_known, is_concrete
from synkin.arguments.messages import describe

Shape: TypeAlias = tuple[int, ...]
# What `as_real` returns: a Python number, a NumPy array, or a JAX array or tracer.
Real: TypeAlias = Array | np.ndarray | float
# Either kind of array: the result is of the kind of the argument.
AnyArray = TypeVar("AnyArray", Array, np.ndarray)
INT32 = np.iinfo(np.int32)


class Range(units.HasUnit, Protocol):
    """The range of a parameter, which its values are checked against. It may have an upper limit too, as ``most``."""

    @property
    def positive(self) -> bool:
        """Whether 0 is out of range too."""

    @property
    def signed(self) -> bool:
        """Whether it may be negative."""


class _Range(NamedTuple):
    positive: bool
    signed: bool = False
    unit: str | None = None


POSITIVE: Range = _Range(positive=True)
NOT_NEGATIVE: Range = _Range(positive=False)


def is_finite(x: Array | np.ndarray, xp: ModuleType) -> ArrayLike:
    return xp.isfinite(x)


def is_binary(x: Array | np.ndarray, xp: ModuleType) -> ArrayLike:
    return (x == 0) | (x == 1)


def as_real(name: str, value: object, kind: str = "Argument") -> Real:
    """``value`` as a Python number, a JAX array (or tracer), or a NumPy array.

    A NumPy array has a dtype that JAX has too, in this machine's byte order.

    Args:
        name: the argument's name, for the message.
        value: a number, array, or list of them, traced or not.
        kind: "Argument" or "Parameter", for the message.

    Raises:
        TypeError: not real numbers, or with a unit.
        ValueError: masked entries, or an array whose memory is gone.
    """
    if isinstance(value, float | bool) and type(value) in (float, bool):
        return value
    if units.is_quantity(value):
        raise TypeError(f"{kind} `{name}` must come without a unit here, but is in {value.unit}.")
    held = getattr(value, "__jax_array__", None)  # of an object that holds an array; a jax.Array has None there
    if held is not None:
        value = held()
    if isinstance(value, jax.Array):
        if not isinstance(value, jax.core.Tracer) and value.is_deleted():
            raise ValueError(f"{kind} `{name}` must be an array that is still there, but was deleted or donated.")
        array: Array | np.ndarray | None = value
    elif isinstance(value, list | tuple) and not is_concrete(value):
        return _stacked_list(name, value, kind)
    else:
        array = _as_numpy(name, value, kind)
    # NumPy counts a time difference among the integers.
    if array is None or getattr(array.dtype, "kind", "") == "m" or not _is_real(array.dtype):
        raise TypeError(f"{kind} `{name}` must be a real number or an array of them, but is {describe(value)}.")
    return array if isinstance(array, jax.Array) else _native(array)


def _is_real(dtype: DTypeLike) -> bool:
    return any(jnp.issubdtype(dtype, wanted) for wanted in (jnp.bool_, jnp.integer, jnp.floating))


def is_boolean(value: object) -> bool:
    """Whether what `as_real` returned is boolean."""
    return isinstance(value, bool) or getattr(value, "dtype", None) == np.dtype(bool)


def _as_numpy(name: str, value: object, kind: str) -> np.ndarray | None:
    """``value`` as a NumPy array, or None if NumPy makes none of it."""
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
    """``array`` in this machine's byte order and, where one exists, in a dtype of JAX that keeps all digits."""
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = cast_by_numpy(array, np.dtype("float64"))
    if array.dtype.kind in "iu" and jax.dtypes.canonicalize_dtype(array.dtype) != array.dtype and array.size:
        # Without its 64-bit mode JAX would keep only the lower 32 bits.
        fits = INT32.min <= array.min() and array.max() <= INT32.max
        array = array.astype("int32" if fits else "float64")
    return array


def _stacked_list(name: str, value: Sequence[object], kind: str) -> Array:
    """A list that contains tracers, as one array."""
    elements = [as_real(name, element, kind) for element in value]
    shapes = sorted({np.shape(element) for element in elements})
    if len(shapes) > 1:
        listed = " and ".join(map(str, shapes))
        raise ValueError(f"{kind} `{name}` must have elements of one shape, but has elements of shape {listed}.")
    # The elements of a list get one dtype, even where JAX is set to strict promotion.
    with jax.numpy_dtype_promotion("standard"):
        dtype = jnp.result_type(*elements)
    return jnp.stack([as_array(element, dtype) for element in elements])


def as_float64(name: str, value: object) -> np.ndarray:
    """``value`` as a NumPy array of float64, for computations outside JAX.

    Raises:
        TypeError: not real numbers, or traced ones.
        ValueError: see `as_real`.
    """
    known = concrete_value(as_real(name, value))
    if known is None:
        raise TypeError(
            f"Argument `{name}` must not be traced, as inside jax.jit and the like, but is {describe(value)}."
        )
    return np.asarray(known, float)


def as_array(value: ArrayLike, dtype: DTypeLike | None = None) -> Array:
    """What `as_real` returned as a JAX array, of ``dtype`` or of the dtype that is nearest to its own.

    A NumPy array is cast by NumPy, as JAX warns when it casts float64 to float32.
    """
    if isinstance(value, np.ndarray):
        wanted = jax.dtypes.canonicalize_dtype(value.dtype if dtype is None else dtype)
        return jnp.asarray(cast_by_numpy(value, wanted))
    return jnp.asarray(value, None if dtype is None else jax.dtypes.canonicalize_dtype(dtype))


def cast_by_numpy(value: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        return value.astype(dtype, copy=False)


def check_number(name: str, value: object, condition: Callable[[np.ndarray], object], expected: str) -> Real:
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


def check_whole(name: str, value: object, expected: str = "a positive whole number") -> int:
    """``value`` as an int of at least 1. It must be concrete, because it decides what is computed.

    Raises:
        TypeError: not a number, or a traced one.
        ValueError: not a scalar, not whole or below 1.
    """
    real = check_number(name, value, lambda n: n >= 1 and n == n.astype(int), expected)
    known = concrete_value(real)
    if known is None:
        raise TypeError(f"Argument `{name}` must be {expected}, not traced as inside jax.jit, but is {describe(real)}.")
    return int(known)


def in_range(record: Range, value: AnyArray, xp: ModuleType) -> AnyArray:
    """Where ``value`` is within a range, as an array of booleans; ``xp`` is NumPy or `jax.numpy`, as ``value`` is."""
    finite: AnyArray = xp.isfinite(value)
    if record.signed:
        return finite
    return finite & (value > 0 if record.positive else value >= 0) & (value <= upper_limit(record))


def upper_limit(record: Range) -> float:
    """The largest value of a parameter; infinite for those of a kernel."""
    return getattr(record, "most", math.inf)


def broadcasts(small: Shape, target: Shape) -> bool:
    """Whether an array of shape ``small`` broadcasts to ``target`` without enlarging it."""
    return len(small) <= len(target) and all(
        a in (1, b) for a, b in zip(reversed(small), reversed(target), strict=False)
    )


def align(value: ArrayLike, like: Array) -> Array:
    """``value``, which broadcasts to ``like``, as an array of its dtype: a scalar, or of the rank of ``like``."""
    value = as_array(value, like.dtype)
    return value.reshape((1,) * (like.ndim - value.ndim) + value.shape) if value.ndim else value


def check_concentration(name: str, value: object, *, positive: bool = False) -> Real:
    """``value`` in mM, which must be finite and not negative. A traced value that is not so becomes NaN.

    Args:
        name: the argument's name, for the message.
        value: the number, or an array of them.
        positive: whether 0 is refused too.

    Raises:
        TypeError: not real numbers.
        ValueError: a number that is no concentration.
    """
    value = as_real(name, value)
    known, record = concrete_value(value), POSITIVE if positive else NOT_NEGATIVE
    if known is None:
        return nan_unless(value, in_range(record, as_floating(value), jnp))
    good = in_range(record, cast_by_numpy(known, np.dtype("float32")), np)
    if not np.all(good):
        came = known[~good].flat[0]
        expected = "positive" if positive else "not negative"
        raise ValueError(f"Argument `{name}` must be in mM, finite and {expected}, but has the value {came}.")
    return value


def as_floating(value: ArrayLike) -> Array:
    """``value`` as an array of floating numbers."""
    array = jnp.asarray(value)
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float)


def nan_unless(value: ArrayLike, good: Array) -> Array:
    """``value`` where it is ``good``, else NaN. Derivatives are NaN there too: those of a select would be 0."""
    array = as_floating(value)
    one = jnp.ones((), array.dtype)
    return array * jnp.where(good, one, np.asarray(np.nan, one.dtype))


def check_finite(name: str, value: Real) -> None:
    """Raise ValueError if ``value`` is concrete and, in the precision that JAX gives it, not finite."""
    dtype = np.dtype(type(value)) if isinstance(value, float | int) else value.dtype
    if not jnp.issubdtype(dtype, jnp.floating):
        return
    if isinstance(value, np.ndarray):  # a number that overflows in that precision is infinite, too
        value = cast_by_numpy(value, jax.dtypes.canonicalize_dtype(dtype))
    if not holds_for_known(is_finite, value):
        raise ValueError(f"Argument `{name}` must be finite, but has NaN or infinite values.")


def check_shape(value: Any, name: str = "shape") -> Shape:
    """``value`` as a tuple of ints; a single int is the length of a vector.

    Args:
        value: an int or a sequence of ints.
        name: the argument's name, for the message.

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


def float_dtype(dtype: DTypeLike | None) -> np.dtype:
    """``dtype`` as float32, or as float64 if JAX is in its 64-bit mode; None and float are JAX's default float.

    Raises:
        TypeError: not a floating dtype, or one of another precision.
        ValueError: float64 while JAX is not in its 64-bit mode.
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
    """Why a state cannot have a floating dtype of 8 or 16 bits, for the end of a sentence; else an empty string."""
    # In such a dtype a pulse of 400 ms ends 6 ms early, and a decay of 1 % a step becomes one of 0.8 %, or none.
    return ", in which decays and pulses in small steps are lost" if dtype.itemsize < 4 else ""
