"""What a person gets to hear when an argument is wrong: one sentence with what was expected and what came.

Shapes, dtypes and names are checked whenever a function is traced. Values are checked where they are known, by NumPy:
`values` is the one function that looks, for a ``jnp`` call is staged under ``jax.jit`` even on an array whose numbers
are there. Where a value is traced nothing can be raised, and this is what becomes of it:

| what is not checked then | by | what happens |
| --- | --- | --- |
| a parameter out of range | `params`, `aligned` | NaN, by `guarded` and, for receptors, `guarded_state` |
| rates that parameters make negative, and the equations do not exclude | `params` | NaN, by `gate.rates` |
| ``dt`` not positive, infinite or NaN | `positive_dt` | NaN, by `guarded_dt` |
| a weight that is NaN or infinite | `weights`, `spike_train`, `spike_input` | NaN or inf |
| spikes of a receptor's run that are neither 0 nor 1 | `spike_train` | NaN from the start on, by `guarded_state` |
| the spike of a receptor's step that is neither 0 nor 1 | `spike_input` | NaN, by `guarded_state` |
| a receptor's spike that has a derivative | never | refused where it is differentiated, by `spikes_alone` |
| spike times that are not sorted | never | right: they are sorted |
| a concentration that is negative, infinite or NaN | `concentration` | NaN |
| a time that is NaN, -inf, or inf where it is no padding | `event_times` | NaN, by `guarded_times` |
| edges that are not in the order of time | `in_order` | NaN, by `guarded_order` |
| a delay that is negative or not finite | `delay`, `delays` | NaN |
| a time before ``t0``, or ``t0`` not finite | `not_before`, `number` | NaN, by `guarded_times` |
| a state that is not finite | never, as NaN may be meant | NaN or inf |
| ``t``, and ``t0`` of a run on a grid | `number` | right: no kernel needs them |
| what decides how to compute, such as ``checkpoint`` | `whole`, `choice`, `flag` | refused where it is traced |
| what is computed outside JAX, as in a fit | `floats` | refused where it is traced |

An array of which this process holds a part alone is treated as a traced one, whatever kind of array it is.
"""

import math
import numbers
import operator
import sys
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import jax
import jax.experimental
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units

Shape = tuple[int, ...]

METHODS = ("exp_euler", "exact")
OVERLAPS = ("restart", "ignore")

# From this many elements on, one reduction on an accelerator costs less than a copy of them to the host.
_LARGE = 1 << 20
_FLOAT32 = np.finfo(np.float32)
_INT32 = np.iinfo(np.int32)


def double_precision() -> Any:
    """JAX's 64-bit mode as a context; it has moved between versions."""
    home = jax if hasattr(jax, "enable_x64") else jax.experimental
    return home.enable_x64(True)


# Looking at values


def is_concrete(x: Any) -> bool:
    """Whether ``x``, an array or a list of them, has no tracer of a JAX transformation in it."""
    if isinstance(x, list | tuple) or units.is_quantity(x):
        return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(x))
    return not isinstance(x, jax.core.Tracer)


def values(x: Any) -> np.ndarray | None:
    """The numbers in ``x`` as NumPy has them, or None where they cannot be looked at.

    That is where ``x`` is traced, or lies in part on another machine. No ``jnp`` call is made, so that nothing is
    staged, whatever transformation is under way.
    """
    if not is_concrete(x) or (isinstance(x, jax.Array) and not x.is_fully_addressable):
        return None
    return np.asarray(x)


def _all(test: Callable[[Any, Any], Any], x: ArrayLike) -> bool:
    """Whether ``test``, of an array and its module (NumPy or `jax.numpy`), holds for all numbers that are known."""
    if _is_far(x):
        # As in `values` nothing is staged, but the array stays where it is: a copy would wait for all of it.
        with jax.ensure_compile_time_eval():
            return bool(_all_there(test, x))
    known = values(x)
    return known is None or bool(np.all(test(known, np)))


def _is_far(x: Any) -> bool:
    """Whether ``x`` is a large array on an accelerator."""
    if not isinstance(x, jax.Array) or isinstance(x, jax.core.Tracer) or x.size < _LARGE:
        return False
    return x.is_fully_addressable and any(device.platform != "cpu" for device in x.devices())


@partial(jax.jit, static_argnums=0)
def _all_there(test: Callable[[Any, Any], Any], x: Array) -> Array:
    return test(x, jnp).all()


def _finite(x: Any, xp: Any) -> Any:
    return xp.isfinite(x)


def _binary(x: Any, xp: Any) -> Any:
    return (x == 0) | (x == 1)


# Numbers of any kind


def real(name: str, value: Any, kind: str = "Argument") -> Any:
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
        return _stacked(name, value, kind)
    else:
        array = _by_numpy(name, value, kind)
    # Of NumPy's dtypes a time difference passes for an integer.
    if array is None or getattr(array.dtype, "kind", "") == "m" or not _is_real(array.dtype):
        raise TypeError(f"{kind} `{name}` must be a real number or an array of them, but is {worded(value)}.")
    return array if isinstance(array, jax.Array) else _native(array)


def _is_real(dtype: Any) -> bool:
    return any(jnp.issubdtype(dtype, wanted) for wanted in (jnp.bool_, jnp.integer, jnp.floating))


def _is_boolean(value: Any) -> bool:
    """Whether what `real` gave is True and False."""
    return isinstance(value, bool) or getattr(value, "dtype", None) == np.dtype(bool)


def _by_numpy(name: str, value: Any, kind: str) -> np.ndarray | None:
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
    """``array`` in this machine's byte order, and in a dtype that JAX has without loss where there is one."""
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = _cast(array, np.dtype("float64"))
    if array.dtype.kind in "iu" and jax.dtypes.canonicalize_dtype(array.dtype) != array.dtype and array.size:
        # Without its 64-bit mode JAX would keep the lower half of the bits.
        fits = _INT32.min <= array.min() and array.max() <= _INT32.max
        array = array.astype("int32" if fits else "float64")
    return array


def _stacked(name: str, value: Sequence[Any], kind: str) -> Array:
    """A list with tracers in it as one array."""
    elements = [real(name, element, kind) for element in value]
    shapes = sorted({np.shape(element) for element in elements})
    if len(shapes) > 1:
        listed = " and ".join(map(str, shapes))
        raise ValueError(f"{kind} `{name}` must have elements of one shape, but has elements of shape {listed}.")
    # Numbers side by side in a list are meant to be of one dtype, however strict JAX is about promotion elsewhere.
    with jax.numpy_dtype_promotion("standard"):
        dtype = jnp.result_type(*elements)
    return jnp.stack([array(element, dtype) for element in elements])


def floats(name: str, value: Any) -> np.ndarray:
    """``value`` as a NumPy array of float64, for what is computed outside JAX.

    Raises:
        TypeError: not real numbers, or traced ones.
        ValueError: see `real`.
    """
    known = values(real(name, value))
    if known is None:
        raise TypeError(f"Argument `{name}` must be known now, outside jax.jit and the like, but is {worded(value)}.")
    return np.asarray(known, float)


def array(value: ArrayLike, dtype: Any = None) -> Array:
    """What `real` gave as a JAX array, of ``dtype`` or the nearest to its own.

    NumPy does the cast: JAX warns where it cannot keep float64, which nobody asked it to.
    """
    if isinstance(value, np.ndarray):
        wanted = jax.dtypes.canonicalize_dtype(value.dtype if dtype is None else dtype)
        return jnp.asarray(_cast(value, wanted))
    return jnp.asarray(value, None if dtype is None else jax.dtypes.canonicalize_dtype(dtype))


def _cast(value: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        return value.astype(dtype, copy=False)


def worded(value: Any) -> str:
    """What came, for the end of a sentence: short, on one line, without the inside of JAX or of a module."""
    if isinstance(value, jax.core.Tracer):
        return f"a traced array of {value.dtype.name} with shape {value.shape}"
    if isinstance(value, jax.Array | np.ndarray):
        names = {"O": "objects", "U": "strings", "S": "strings", "V": "records"}
        dtype = names.get(value.dtype.kind if isinstance(value, np.ndarray) else "", value.dtype.name)
        return f"an array of {dtype} with shape {value.shape}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, ModuleType):
        return f"the module {value.__name__.rpartition('.')[2]}"
    if value is None or isinstance(value, str | bytes | numbers.Number | np.generic):
        return _short(value)
    if type(value) in (list, tuple, dict, set):
        leaves = jax.tree.leaves([*value.values()] if isinstance(value, dict) else [*value])
        if all(isinstance(leaf, str | bytes | numbers.Number) for leaf in leaves):
            return _short(value)
        return f"a {type(value).__name__} of {f'length {len(value)}' if is_concrete(leaves) else 'traced values'}"
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}"
    return _a(type_name(type(value)))


def _short(value: Any) -> str:
    return f"{value!r:.80}"


def type_name(kind: type) -> str:
    """A class as a person writes it, such as "synkin.ampa.Params"."""
    home = kind.__module__.replace("synkin.kernels.", "synkin.").replace("synkin.networks.plasticity", "synkin.tsodyks_markram")
    if getattr(sys.modules["synkin"], kind.__name__, None) is kind:
        home = "synkin"
    return kind.__qualname__ if home in ("builtins", "__main__", "synkin.declaring.sums") else f"{home}.{kind.__qualname__}"


def _a(noun: str) -> str:
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def _came(value: Any) -> str:
    """What came in place of a ``Params`` or ``State``."""
    return _a(type_name(type(value))) if isinstance(value, tuple) else worded(value)


# Numbers and choices


def choice(name: str, value: Any, allowed: Sequence[str]) -> None:
    """Raise ValueError unless ``value`` is one of ``allowed``."""
    if not (isinstance(value, str) and value in allowed):
        listed = ", ".join(repr(a) for a in allowed)
        raise ValueError(f"Argument `{name}` must be one of {listed}, but is {worded(value)}.")


def flag(name: str, value: Any) -> bool:
    """``value``, which must be True or False.

    Raises:
        TypeError: something else.
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"Argument `{name}` must be True or False, but is {worded(value)}.")
    return bool(value)


def function(name: str, value: Any) -> None:
    """Raise TypeError unless ``value`` can be called."""
    if not callable(value):
        raise TypeError(f"Argument `{name}` must be a function, but is {worded(value)}.")


def number(name: str, value: Any, condition: Callable[[Any], Any], expected: str) -> Any:
    """``value``, which must be a scalar that meets ``condition``; a traced scalar passes.

    Raises:
        TypeError: not a number.
        ValueError: not a scalar, or the condition does not hold.
    """
    value = real(name, value)
    if np.shape(value) != ():
        raise ValueError(f"Argument `{name}` must be a scalar, but has shape {np.shape(value)}.")
    known = values(value)
    if known is not None and not condition(known):
        raise ValueError(f"Argument `{name}` must be {expected}, but is {known}.")
    return value


def whole(name: str, value: Any, expected: str = "a positive whole number") -> int:
    """``value``, which must be a whole number from 1 on, known now: it decides what is computed.

    Raises:
        TypeError: not a number, or a traced one.
        ValueError: not a scalar, not whole or below 1.
    """
    value = number(name, value, lambda n: n >= 1 and n == n.astype(int), expected)
    if values(value) is None:
        raise TypeError(f"Argument `{name}` must be {expected} that is known now, but is {worded(value)}.")
    return int(value)


def random_key(name: str, value: Any) -> None:
    """Raise TypeError unless ``value`` is one key of `jax.random`, new-style or a vector of uint32."""
    dtype = getattr(value, "dtype", None)
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        good = value.shape == ()
    else:
        good = dtype == np.dtype("uint32") and np.shape(value) in ((2,), (4,))
    if not good:
        raise TypeError(f"Argument `{name}` must be a single key such as jax.random.key(0), but is {worded(value)}.")


def kernel(value: Any) -> None:
    """Raise TypeError unless ``value`` is a kernel."""
    if not hasattr(value, "TAKES_WEIGHTS"):
        raise TypeError(f"Argument `kernel` must be a kernel such as synkin.ampa, but is {worded(value)}.")


def method(value: Any, kernel: Any) -> None:
    """Raise ValueError unless ``value`` is None or a method that ``kernel`` has."""
    if value is None:
        return
    choice("method", value, METHODS)
    if value not in kernel.methods:
        only = kernel.methods[0]
        raise ValueError(f"Argument `method` must be {only!r}, the only one that {kernel.name} has, but is {value!r}.")


def overlap(value: Any, *, takes_weights: bool = False) -> None:
    """Raise ValueError unless ``value`` is a way that pulses overlap, and the kernel has pulses."""
    choice("overlap", value, OVERLAPS)
    if takes_weights and value != "restart":
        raise ValueError(f"Argument `overlap` is for receptors, as a linear kernel has no pulses, but is {value!r}.")


def positive_dt(dt: Any) -> Any:
    """``dt`` in ms, which must be a positive finite scalar; a traced scalar passes."""
    # The test of a plain float comes first because `step` runs it at every call outside jit.
    if type(dt) is float and 0.0 < dt < math.inf:
        return dt
    return number("dt", dt, lambda v: np.isfinite(v) and v > 0, "a positive number of ms")


def delay(value: Any) -> Any:
    """``value``, a scalar delay in ms, finite and not negative; NaN where it is traced and is no such number.

    Raises:
        TypeError, ValueError: see `number`.
    """
    value = number(
        "delay", value, lambda v: _in_range(_NOT_NEGATIVE, v, np), "a finite number of ms that is not negative"
    )
    return value if is_concrete(value) else _or_nan(value, _in_range(_NOT_NEGATIVE, _floating(value), jnp))


def guarded_dt(dt: Any) -> Any:
    """``dt`` as it is where it is known, and NaN where it is traced and not a positive finite number."""
    return dt if is_concrete(dt) else _or_nan(dt, _in_range(_POSITIVE, _floating(dt), jnp))


def shape(value: Any) -> Shape:
    """``value`` as a tuple of ints: a single int means a vector of that length.

    Raises:
        TypeError: not an int or a sequence of ints.
        ValueError: a negative length.
    """
    try:
        axes = (operator.index(value),) if np.ndim(value) == 0 else tuple(operator.index(axis) for axis in value)
    except (TypeError, ValueError):
        raise TypeError(f"Argument `shape` must be an int or a tuple of ints, but is {worded(value)}.") from None
    if any(axis < 0 for axis in axes):
        raise ValueError(f"Argument `shape` must not have negative lengths, but is {axes}.")
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
        raise TypeError(f"Argument `dtype` must be a floating dtype, but is {worded(dtype)}.") from None
    if not jnp.issubdtype(wanted, jnp.floating):
        raise TypeError(f"Argument `dtype` must be a floating dtype, but is {wanted.name}.")
    if wanted.itemsize not in (4, 8):
        raise TypeError(f"Argument `dtype` must be float32 or float64, but is {wanted.name}{_too_coarse(wanted)}.")
    if jax.dtypes.canonicalize_dtype(wanted) != wanted:
        raise ValueError(
            f"Argument `dtype` must be one that JAX has now, but is {wanted.name}, which needs its 64-bit mode: "
            "jax.config.update('jax_enable_x64', True)."
        )
    return wanted


def _too_coarse(dtype: np.dtype) -> str:
    """Why a state is not of this floating dtype, for the end of a sentence."""
    # With 8 or 11 bits a pulse of 400 ms ends 6 ms early, and what decays by 1 % a step decays by 0.8 or not at all.
    return ", in which decays and pulses in small steps are lost" if dtype.itemsize < 4 else ""


# Parameters and states


def layout(kernel_params: Any, state_shape: Any, dtype: Any, kernel: Any) -> tuple[Shape, np.dtype]:
    """Shape and dtype of a state, once both and the parameters have been found sound.

    Raises:
        TypeError, ValueError: see `shape`, `float_dtype` and `params`.
    """
    state_shape = shape(state_shape)
    params(kernel_params, state_shape, kernel)
    return state_shape, float_dtype(dtype)


def params(kernel_params: Any, shape: Shape, kernel: Any) -> Any:
    """The parameters, lists made arrays, once every one broadcasts to ``shape`` and, where known, is meaningful.

    Args:
        kernel_params: a kernel's ``Params``.
        shape: shape of the state.
        kernel: theirs.

    Raises:
        TypeError: not this kernel's parameters, or one that is not a number.
        ValueError: a shape that does not broadcast, or a value out of range.
    """
    _check_params(kernel_params, kernel)
    kernel_params = kernel_params._replace(
        **{name: _parameter(name, value, shape, kernel) for name, value in kernel_params._asdict().items()}
    )
    if hasattr(kernel, "check_params"):
        kernel.check_params(kernel_params)
    return kernel_params


def common_shape(kernel_params: Any, kernel: Any) -> Shape:
    """The shape to which parameters broadcast where there is no state yet.

    Raises:
        TypeError: not this kernel's parameters.
        ValueError: shapes that do not broadcast.
    """
    _check_params(kernel_params, kernel)
    shapes = {name: np.shape(real(name, value, "Parameter")) for name, value in kernel_params._asdict().items()}
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        listed = ", ".join(f"`{name}` {shape}" for name, shape in shapes.items() if shape)
        raise ValueError(f"Parameters must have shapes that broadcast, but have {listed}.") from None


def _check_params(given: Any, kernel: Any) -> None:
    if not isinstance(given, type) and getattr(given, "_fields", None) == kernel.Params._fields:
        return
    expected = _a(_member_name(kernel, "Params"))
    if isinstance(given, type) and hasattr(given, "_fields"):
        name = type_name(given)
        raise TypeError(f"Argument `params` must be {expected}, but is the class itself: call it, {name}().")
    raise TypeError(f"Argument `params` must be {expected}, but is {_came(given)}.")


def _member_name(kernel: Any, member: str) -> str:
    """A kernel's ``Params`` or ``State`` as a person writes it."""
    kind = getattr(kernel, member)
    ours = kind.__module__.startswith(("synkin.kernels.", "synkin.networks.plasticity"))
    return type_name(kind) if ours else f"{kernel.name}.{member}"


def _parameter(name: str, value: Any, shape: Shape, kernel: Any) -> Any:
    value = real(name, value, "Parameter")
    got = np.shape(value)
    if not broadcasts(got, shape):
        several = "" if shape else ": several synapses take jax.vmap, or a state of their shape"
        raise ValueError(f"Parameter `{name}` must broadcast against shape {shape}, but has shape {got}{several}.")
    known = values(value)
    if known is not None:
        _check_range(name, known, kernel.parameters[name])
    return value


_POSITIVE = SimpleNamespace(positive=True, signed=False)
_NOT_NEGATIVE = SimpleNamespace(positive=False, signed=False)


def _in_range(record: Any, value: Any, xp: Any) -> Any:
    """Where ``value`` is what the parameter may be."""
    finite = xp.isfinite(value)
    if record.signed:
        return finite
    return finite & (value > 0 if record.positive else value >= 0) & (value <= _most(record))


def _most(record: Any) -> float:
    """The largest value of a parameter: that of a kernel has none."""
    return getattr(record, "most", math.inf)


def _check_range(name: str, value: np.ndarray, record: Any) -> None:
    # What single precision, in which most runs are done, turns into 0 or infinity is out of range everywhere.
    good = _in_range(record, _cast(value, np.dtype("float32")), np)
    if not good.all():
        bound = "" if record.signed else " and not negative"
        expected = "positive and finite" if record.positive and not record.signed else f"finite{bound}"
        if _most(record) < math.inf:
            expected = f"from 0 to {_most(record):g}"
        raise ValueError(f"Parameter `{name}` must be {expected}, but has the value {value[~good].flat[0]}.")


def broadcasts(small: Shape, target: Shape) -> bool:
    """Whether an array of shape ``small`` broadcasts to ``target`` without enlarging it."""
    return len(small) <= len(target) and all(
        a in (1, b) for a, b in zip(reversed(small), reversed(target), strict=False)
    )


def aligned(kernel_params: Any, like: Array, kernel: Any) -> Any:
    """The parameters as arrays of ``like``'s dtype, their rank 0 or that of ``like``.

    So one set of parameters serves a state of any batch rank, under strict dtype promotion and with rank
    promotion forbidden.

    Raises:
        TypeError, ValueError: see `params`.
    """

    return jax.tree.map(lambda value: align(value, like), params(kernel_params, like.shape, kernel))


def align(value: ArrayLike, like: Array) -> Array:
    """``value``, which broadcasts to ``like``, as an array of its dtype, and if it is no scalar of its rank."""
    value = array(value, like.dtype)
    return value.reshape((1,) * (like.ndim - value.ndim) + value.shape) if value.ndim else value


def concentration(name: str, value: Any, *, positive: bool = False) -> Any:
    """``value`` in mM, finite and not negative where it is known, and NaN where it is traced and not that.

    Args:
        name: what it is called, for the message.
        value: the number, or an array of them.
        positive: whether it must not be 0 either.

    Raises:
        TypeError: not real numbers.
        ValueError: a number that is no concentration.
    """
    value = real(name, value)
    known, record = values(value), _POSITIVE if positive else _NOT_NEGATIVE
    if known is None:
        return _or_nan(value, _in_range(record, _floating(value), jnp))
    good = _in_range(record, _cast(np.asarray(known), np.dtype("float32")), np)
    if not np.all(good):
        came = np.asarray(known)[~good].flat[0]
        expected = "positive" if positive else "not negative"
        raise ValueError(f"Argument `{name}` must be in mM, finite and {expected}, but has the value {came}.")
    return value


def guarded(kernel_params: Any, kernel: Any) -> Any:
    """The parameters, NaN wherever one is traced and out of range; those that are known are `params`' to check.

    A run takes them once, before its first step, so that a wrong parameter gives NaN instead of a plausible g. Where
    the parameter is in range it is multiplied by 1: neither it nor its derivatives change by a bit.

    Args:
        kernel_params: a kernel's ``Params``, as `params` or `aligned` give them.
        kernel: theirs.
    """
    return kernel_params._replace(
        **{
            name: _or_nan(value, _in_range(kernel.parameters[name], _floating(value), jnp))
            for name, value in kernel_params._asdict().items()
            if not is_concrete(value)
        }
    )


def _floating(value: Any) -> Array:
    """``value`` as floating numbers."""
    value = jnp.asarray(value)
    return value if jnp.issubdtype(value.dtype, jnp.floating) else value.astype(float)


def _or_nan(value: Any, good: Array) -> Array:
    """``value`` where it is ``good``, else NaN, for its derivatives too: a select would give those as 0."""
    value = _floating(value)
    one = jnp.ones((), value.dtype)
    return value * jnp.where(good, one, np.asarray(np.nan, one.dtype))


def state(kernel: Any, value: Any, expected_shape: Shape | None = None) -> Any:
    """The state as arrays of one floating dtype that JAX has, once its kind, shape and dtype have been found sound.

    Args:
        kernel: the kernel.
        value: the state; Python numbers and lists of them take the dtype of the other fields.
        expected_shape: its shape, where that is decided.

    Raises:
        TypeError: not this State, or not of one floating dtype.
        ValueError: fields of different shapes, or not of ``expected_shape``.
    """
    dtype = state_dtype(kernel, value, expected_shape)
    return value._make(array(real(f"state.{name}", field), dtype) for name, field in value._asdict().items())


def state_dtype(kernel: Any, state: Any, expected_shape: Shape | None = None) -> np.dtype:
    """The dtype that `state` gives, and its checks alone."""
    if not isinstance(state, kernel.State):
        raise TypeError(f"Argument `state` must be {_a(_member_name(kernel, 'State'))}, but is {_came(state)}.")
    fields = {name: real(f"state.{name}", value) for name, value in state._asdict().items()}
    shapes = {name: np.shape(value) for name, value in fields.items()}
    expected = expected_shape if expected_shape is not None else next(iter(shapes.values()))
    several = "" if expected_shape != () else ": several synapses take jax.vmap"
    for name, got in shapes.items():
        if got != expected:
            raise ValueError(
                f"Argument `state` must have fields of shape {expected}, but `{name}` has shape {got}{several}."
            )
    # Python's numbers, alone or in lists, have no dtype of their own.
    own = {
        jax.dtypes.canonicalize_dtype(fields[name].dtype) if hasattr(value, "dtype") else None
        for name, value in state._asdict().items()
    }
    dtypes = {dtype for dtype in own if dtype is not None} or {jnp.result_type(float)}
    if len(dtypes) > 1 or not jnp.issubdtype(next(iter(dtypes)), jnp.floating):
        names = ", ".join(sorted(dtype.name for dtype in dtypes))
        raise TypeError(f"Argument `state` must be of one floating dtype, but has {names}.")
    dtype = next(iter(dtypes))
    if dtype.itemsize < 4:
        raise TypeError(
            f"Argument `state` must be of float32 or float64, but is of {dtype.name}{_too_coarse(dtype)}: cast it."
        )
    return dtype


# Inputs


_RECEPTOR = " for a receptor kernel, which takes no weights"


def spike_input(
    spike: Any, like: Array, *, takes_weights: bool, name: str = "spike", because: str = _RECEPTOR
) -> Array:
    """One step's ``spike`` broadcast to the shape of the state ``like``.

    Args:
        spike: booleans, or numbers: an input in mS where the kernel takes weights, else 0 or 1.
        like: an array of the state's shape.
        takes_weights: whether the input is added (linear kernels) or only starts a pulse.
        name: what it is called, for the message.
        because: why it has to be 0 or 1 where there are no weights, for the message.

    Raises:
        TypeError: not numbers or booleans, or a spike that is differentiated.
        ValueError: a shape that does not broadcast to the state's, NaN or, for a kernel without weights, neither 0
            nor 1.
    """
    spike = real(name, spike)
    if not broadcasts(np.shape(spike), like.shape):
        raise ValueError(f"Argument `{name}` must have shape {like.shape}, but has shape {np.shape(spike)}.")
    if takes_weights:
        _check_finite(name, spike)
    else:
        spike = spikes_alone(name, spike, because)
    return jnp.broadcast_to(array(spike), like.shape)


def spikes_alone(name: str, spikes: Any, because: str = _RECEPTOR) -> Any:
    """``spikes``, an array of numbers or booleans, which must be 0 or 1 and have no derivative.

    Where they start a pulse nothing of a derivative would be passed on: it would be 0 in silence. What a comparison
    gives has none, whatever dtype it is cast to.

    Raises:
        TypeError: spikes that are differentiated, as with a surrogate gradient; not before they are.
        ValueError: values that are known and neither 0 nor 1.
    """
    if _is_boolean(spikes):
        return spikes
    if getattr(spikes, "size", 1) and not _all(_binary, spikes):
        _check_finite(name, spikes)
        known: Any = values(spikes)
        raise ValueError(
            f"Argument `{name}` must be 0 or 1{because}, but has values from {known.min()} to {known.max()}."
        )
    if isinstance(spikes, jax.core.Tracer) and jnp.issubdtype(spikes.dtype, jnp.floating):
        return _without_derivative(spikes, name)
    return spikes


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _without_derivative(spikes: Array, name: str) -> Array:
    return spikes


@partial(_without_derivative.defjvp, symbolic_zeros=True)
def _refuse_derivative(name: str, primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Any]:
    if not isinstance(tangents[0], jax.custom_derivatives.SymbolicZero):
        raise TypeError(
            f"Argument `{name}` must have no derivative, as all that counts is whether there is a spike, but has one, "
            "as of a surrogate gradient: give jax.lax.stop_gradient of it or, for gradients through spikes, take a "
            "linear kernel such as synkin.expon, whose input is a weight."
        )
    return primals[0], tangents[0]


def delays(value: Any, shape: Shape) -> Any:
    """Delays in ms that broadcast to ``shape``, finite and not negative; NaN where they are traced and are not.

    Raises:
        TypeError: not real numbers.
        ValueError: a shape that does not broadcast, or a value out of range.
    """
    value = real("delay", value)
    if not broadcasts(np.shape(value), shape):
        raise ValueError(f"Argument `delay` must broadcast to shape {shape}, but has shape {np.shape(value)}.")
    known = values(value)
    if known is None:
        return _or_nan(value, _in_range(_NOT_NEGATIVE, _floating(value), jnp))
    good = _in_range(_NOT_NEGATIVE, known, np)
    if not good.all():
        raise ValueError(f"Argument `delay` must be finite and not negative, but has the value {known[~good].flat[0]}.")
    return value


def spike_train(
    spikes: Any,
    shape: Shape | None,
    *,
    takes_weights: bool,
    because: str = _RECEPTOR,
) -> Array:
    """``spikes`` as an array of shape (T, *shape), its values meaningful where they are known.

    Args:
        spikes: booleans, or numbers: weights in mS where the kernel takes them, else 0 or 1.
        shape: shape of the state, or None where the spikes decide it.
        takes_weights: whether the input is added (linear kernels) or only starts a pulse.
        because: why it has to be 0 or 1 where there are no weights, for the message.

    Raises:
        TypeError: not numbers or booleans, or spikes of a receptor that are differentiated.
        ValueError: no time axis, 2**31 rows and more, a shape that is not the state's, a value that is no finite
            weight or, for a kernel without weights, neither 0 nor 1.
    """
    spikes = real("spikes", spikes)
    got = np.shape(spikes)
    if not got or (shape is not None and got[1:] != shape):
        expected = "(T, ...)" if shape is None else "(" + ", ".join(["T", *map(str, shape)]) + ")"
        raise ValueError(f"Argument `spikes` must have shape {expected}, but has shape {got}.")
    if got[0] > _INT32.max:
        raise ValueError(
            f"Argument `spikes` must have at most {_INT32.max} rows, but has {got[0]}: run it in pieces, each from the "
            "final state of the one before."
        )
    if takes_weights:
        _check_finite("spikes", spikes)
    else:
        spikes = spikes_alone("spikes", spikes, because)
    return array(spikes)


def guarded_state(state: Any, kernel_params: Any, inputs: ArrayLike, *, takes_weights: bool = False) -> Any:
    """A receptor's ``state``, NaN for each synapse with a NaN among its traced parameters or a traced input that is
    no spike.

    A pulse of NaN ms, counted in steps, is one of none, and a spike of 0.5 or NaN passes for a spike: either way g
    would be plausible. Of a run ``inputs`` has a time axis in front. Known values and booleans cost nothing, nor do
    linear kernels, where every NaN shows.

    Args:
        state: the kernel's ``State`` at the start, arrays.
        kernel_params: its ``Params``, as `guarded` gives them.
        inputs: the spikes as they were given, traced or not.
        takes_weights: whether the kernel is a linear one.
    """
    if takes_weights:
        return state
    like = jax.tree.leaves(state)[0]
    tests = [~jnp.isnan(_floating(value)) for value in kernel_params if not is_concrete(value)]
    if not is_concrete(inputs):
        inputs = array(real("spikes", inputs))
        if inputs.dtype != bool:
            good = _binary(inputs, jnp)
            tests.append(good.all(axis=0) if inputs.ndim > like.ndim else good)
    for good in tests:
        good = good.reshape((1,) * (like.ndim - good.ndim) + good.shape)
        state = jax.tree.map(lambda field, good=good: _or_nan(field, good), state)
    return state


def event_times(name: str, value: Any, *, sort: bool) -> Any:
    """``value``, which must be a vector of times in ms in any order: of spikes, with inf as padding, or finite.

    Args:
        name: what they are called, for the message.
        value: the times.
        sort: whether they are a spike train's, which is sorted later on and may be padded.

    Returns:
        A JAX array where it is one or has tracers, else a NumPy array of float64, with all the digits that came.

    Raises:
        TypeError: not real numbers, or booleans.
        ValueError: not one axis, NaN or infinite where that is no padding, or a train of 0 and 1.
    """
    value = real(name, value)
    if _is_boolean(value):
        of_train = f": of a train on a grid, {_TIMES_OF_TRAIN}" if sort else ""
        raise TypeError(f"Argument `{name}` must be times in ms, but is {worded(value)}{of_train}.")
    if len(np.shape(value)) != 1:
        expected, got = "(K,)" if sort else "(M,)", np.shape(value)
        several = ": several synapses take jax.vmap" if got else ""
        raise ValueError(f"Argument `{name}` must have shape {expected}, but has shape {got}{several}.")
    known = values(value)
    if known is not None:
        known = np.asarray(known, float)
        bad = np.isnan(known) | (np.isneginf(known) if sort else np.isinf(known))
        if bad.any():
            i = int(bad.argmax())
            expected = "times or inf as padding" if sort else "finite"
            raise ValueError(f"Argument `{name}` must be {expected}, but element {i} is {known[i]}.")
        if sort and _is_train(known):
            raise ValueError(
                f"Argument `{name}` must be times in ms, but is {known.size} times 0 or 1, as a train on a grid is: of "
                f"that, {_TIMES_OF_TRAIN}."
            )
    return value if isinstance(value, jax.Array) else known


_TIMES_OF_TRAIN = "give np.flatnonzero(train) * dt, or the train itself to synkin.simulate"


def _is_train(known: np.ndarray) -> bool:
    """Whether what should be times can only be a train on a grid: 0 and 1 alone, and out of order or many."""
    alone = known.size > 2 and bool(np.all((known == 0) | (known == 1)))
    return alone and (known.size > 10 or bool((np.diff(known) < 0).any()))


def not_before(name: str, value: Any, t0: Any) -> None:
    """Raise ValueError if a time, where it is known, comes before ``t0``, that of the given state."""
    known, start = values(value), values(t0)
    if known is not None and start is not None and known.size:
        earliest = np.min(np.asarray(known, float))
        if earliest < np.asarray(start, float):
            raise ValueError(
                f"Argument `{name}` must not come before t0 = {start} ms, the time of `state`, but has {earliest}."
            )


def in_order(name: str, value: Any) -> None:
    """Raise ValueError if times, where they are known, decrease."""
    known = values(value)
    if known is not None and (np.diff(known) < 0).any():
        i = int((np.diff(known) < 0).argmax())
        raise ValueError(
            f"Argument `{name}` must be in the order of time, but element {i + 1} ({known[i + 1]}) is below {known[i]}."
        )


def guarded_order(times: Any) -> Any:
    """Times in ms that are to be in order: NaN, all of them, where they are traced and are not."""
    if is_concrete(times):
        return times
    times = _floating(array(times))
    return _or_nan(times, (jnp.isfinite(times).all() & (times[1:] >= times[:-1]).all()))


def guarded_times(times: Any, t0: Any = None, *, sort: bool) -> Any:
    """Times in ms, NaN wherever they or ``t0`` are traced and wrong; where all are known, as they came.

    Args:
        times: (K,) or (M,), as `event_times` gives them.
        t0: the time that none of them may come before, or None.
        sort: as in `event_times`: whether inf is padding.
    """
    if is_concrete(times) and is_concrete(t0):
        return times
    times = _floating(array(times))
    good = (times > -jnp.inf) if sort else jnp.isfinite(times)
    if t0 is not None:
        start = array(t0, times.dtype)
        good &= (times >= start) & jnp.isfinite(start)
    return _or_nan(times, good)


def weights(value: Any, expected: Shape, *, takes_weights: bool) -> Any:
    """``value``, which must be one finite weight a spike, if the kernel takes weights.

    Raises:
        TypeError: not real numbers.
        ValueError: a receptor kernel, another shape, or values that are not finite.
    """
    value = real("weights", value)
    if not takes_weights:
        raise ValueError("Argument `weights` is for the linear kernels alpha, expon and dual_expon, not a receptor.")
    if np.shape(value) != expected:
        raise ValueError(f"Argument `weights` must have shape {expected}, but has shape {np.shape(value)}.")
    _check_finite("weights", value)
    return value


def _check_finite(name: str, value: Any) -> None:
    """Raise ValueError where ``value`` is known and, in the precision that JAX gives it, not finite."""
    dtype = value.dtype if hasattr(value, "dtype") else np.dtype(type(value))
    if not jnp.issubdtype(dtype, jnp.floating):
        return
    if isinstance(value, np.ndarray):  # what overflows in that precision is infinite, too
        value = _cast(value, jax.dtypes.canonicalize_dtype(dtype))
    if not _all(_finite, value):
        raise ValueError(f"Argument `{name}` must be finite, but has NaN or infinite values.")
