"""What a person gets to hear when an argument is wrong: one sentence with what was expected and what came.

Shapes and names are checked whenever a function is traced. Values are checked only where they are known,
that is outside ``jax.jit``; a traced value passes, because raising on it is not possible in a pure function.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin import units

Shape = tuple[int, ...]

METHODS = ("exp_euler", "exact")
OVERLAPS = ("restart", "ignore")


def is_concrete(x: Any) -> bool:
    """Whether the value of ``x`` can be looked at now (it is not a tracer of a JAX transformation)."""
    return not isinstance(x, jax.core.Tracer)


def choice(name: str, value: Any, allowed: Sequence[str]) -> None:
    """Raise ValueError unless ``value`` is one of ``allowed``."""
    if value not in allowed:
        listed = ", ".join(repr(a) for a in allowed)
        raise ValueError(f"Argument `{name}` must be one of {listed}, but is {value!r}.")


def number(name: str, value: Any, condition: Callable[[Any], Any], expected: str) -> None:
    """Raise unless ``value`` is a scalar that meets ``condition``; a traced scalar passes.

    Raises:
        TypeError: not a number.
        ValueError: not a scalar, or the condition does not hold.
    """
    _numeric(name, value)
    if np.shape(value) != ():
        raise ValueError(f"Argument `{name}` must be a scalar, but has shape {np.shape(value)}.")
    if is_concrete(value) and not condition(np.asarray(value)):
        raise ValueError(f"Argument `{name}` must be {expected}, but is {np.asarray(value)}.")


def kernel(value: Any) -> None:
    """Raise TypeError unless ``value`` is a kernel."""
    if not hasattr(value, "TAKES_WEIGHTS"):
        raise TypeError(f"Argument `kernel` must be a kernel such as synkin.ampa, but is {value!r:.80}.")


def overlap(value: Any, *, takes_weights: bool = False) -> None:
    """Raise ValueError unless ``value`` is a way that pulses overlap, and the kernel has pulses."""
    choice("overlap", value, OVERLAPS)
    if takes_weights and value != "restart":
        raise ValueError(f"Argument `overlap` is for receptors, as a linear kernel has no pulses, but is {value!r}.")


def positive_dt(dt: Any) -> None:
    """Raise unless ``dt`` (ms) is a positive finite scalar."""
    # The test of a plain float comes first because `step` runs it at every call outside jit.
    if not (type(dt) is float and 0.0 < dt < float("inf")):
        number("dt", dt, lambda v: np.isfinite(v) and v > 0, "a positive number of ms")


def shape(value: Any) -> Shape:
    """``value`` as a tuple of ints: a single int means a vector of that length.

    Raises:
        TypeError: not an int or a sequence of ints.
        ValueError: a negative length.
    """
    try:
        axes = (int(value),) if hasattr(value, "__index__") else tuple(axis.__index__() for axis in value)
    except (TypeError, AttributeError):
        raise TypeError(f"Argument `shape` must be an int or a tuple of ints, but is {value!r}.") from None
    if any(axis < 0 for axis in axes):
        raise ValueError(f"Argument `shape` must not have negative lengths, but is {axes}.")
    return axes


def float_dtype(dtype: Any) -> np.dtype:
    """``dtype`` as a floating dtype that this JAX configuration has; None and float are its default.

    Raises:
        TypeError: not a floating dtype.
        ValueError: float64 where JAX is not in its 64-bit mode.
    """
    if dtype is None or dtype is float:
        return jnp.result_type(float)
    try:
        wanted = jnp.dtype(dtype)
    except TypeError:
        raise TypeError(f"Argument `dtype` must be a floating dtype, but is {dtype!r:.80}.") from None
    if not jnp.issubdtype(wanted, jnp.floating):
        raise TypeError(f"Argument `dtype` must be a floating dtype, but is {wanted.name}.")
    if jax.dtypes.canonicalize_dtype(wanted) != wanted:
        raise ValueError(
            f"Argument `dtype` must be one that JAX has now, but is {wanted.name}, which needs its 64-bit mode: "
            "jax.config.update('jax_enable_x64', True)."
        )
    return wanted


def layout(kernel_params: Any, state_shape: Any, dtype: Any, kind: Any = None) -> tuple[Shape, np.dtype]:
    """Shape and dtype of a state, once both and the parameters have been found sound.

    Raises:
        TypeError, ValueError: see `shape`, `float_dtype` and `params`.
    """
    state_shape = shape(state_shape)
    params(kernel_params, state_shape, kind)
    return state_shape, float_dtype(dtype)


def params(kernel_params: Any, shape: Shape, kind: Any = None) -> None:
    """Raise unless every parameter broadcasts to ``shape`` and, where its value is known, is meaningful.

    ``kind`` is the kernel's ``Params``, whose fields they must have.

    Time constants (``tau...``) are positive, ``amplitude`` is finite, all else is finite and not negative.

    Raises:
        TypeError: a parameter that is not a number.
        ValueError: a shape that does not broadcast, or a value out of range.
    """
    fields = getattr(kernel_params, "_fields", None)
    if fields is None or (kind is not None and fields != kind._fields):
        expected, came = "a kernel's Params" if kind is None else f"a {kind.__module__}.Params", type(kernel_params)
        raise TypeError(f"Argument `params` must be {expected}, but is a {came.__module__}.{came.__qualname__}.")
    for name, value in kernel_params._asdict().items():
        _numeric(name, value, "Parameter")
        if not broadcasts(np.shape(value), shape):
            raise ValueError(
                f"Parameter `{name}` must broadcast against shape {shape}, but has shape {np.shape(value)}."
            )
        if is_concrete(value):
            _param_value(name, np.asarray(value))


def broadcasts(small: Shape, target: Shape) -> bool:
    """Whether an array of shape ``small`` broadcasts to ``target`` without enlarging it."""
    return len(small) <= len(target) and all(
        a in (1, b) for a, b in zip(reversed(small), reversed(target), strict=False)
    )


def aligned(kernel_params: Any, like: Array, kind: Any = None) -> Any:
    """The parameters as arrays of ``like``'s dtype, their rank 0 or that of ``like``.

    So one set of parameters serves a state of any batch rank, under strict dtype promotion and with rank
    promotion forbidden.

    Raises:
        TypeError, ValueError: see `params`.
    """
    params(kernel_params, like.shape, kind)

    def align(value: ArrayLike) -> Array:
        value = jnp.asarray(value, like.dtype)
        return value.reshape((1,) * (like.ndim - value.ndim) + value.shape) if value.ndim else value

    return jax.tree.map(align, kernel_params)


def spike_input(spike: Any, like: Array) -> Array:
    """One step's ``spike`` broadcast to the shape of the state ``like``.

    Raises:
        TypeError: not numbers or booleans.
        ValueError: a shape that does not broadcast to the state's, or NaN.
    """
    _numeric("spike", spike)
    if not broadcasts(np.shape(spike), like.shape):
        raise ValueError(f"Argument `spike` must have shape {like.shape}, but has shape {np.shape(spike)}.")
    spike = jnp.asarray(spike)
    if jnp.issubdtype(spike.dtype, jnp.floating) and is_concrete(spike) and not bool(jnp.isfinite(spike).all()):
        raise ValueError("Argument `spike` must be finite, but has NaN or infinite values.")
    return jnp.broadcast_to(spike, like.shape)


def spike_train(spikes: Any, shape: Shape | None, *, takes_weights: bool) -> Array:
    """``spikes`` as an array of shape (T, *shape), its values meaningful where they are known.

    Args:
        spikes: booleans, or numbers: weights in mS where the kernel takes them, else 0 or 1.
        shape: shape of the state, or None where the spikes decide it.
        takes_weights: whether the input is added (linear kernels) or only starts a pulse.

    Raises:
        TypeError: not numbers or booleans.
        ValueError: no time axis, a shape that is not the state's, a value that is no finite weight or, for a
            kernel without weights, neither 0 nor 1.
    """
    _numeric("spikes", spikes)
    got = np.shape(spikes)
    if not got or (shape is not None and got[1:] != shape):
        expected = "(T, ...)" if shape is None else "(" + ", ".join(["T", *map(str, shape)]) + ")"
        raise ValueError(f"Argument `spikes` must have shape {expected}, but has shape {got}.")
    spikes = jnp.asarray(spikes)
    if spikes.dtype != bool and is_concrete(spikes) and spikes.size:
        if not bool(jnp.isfinite(spikes).all()):
            raise ValueError("Argument `spikes` must be finite, but has NaN or infinite values.")
        if not takes_weights and not bool(((spikes == 0) | (spikes == 1)).all()):
            raise ValueError(
                "Argument `spikes` must be 0 or 1 for a receptor kernel, which takes no weights, "
                f"but has values from {spikes.min()} to {spikes.max()}."
            )
    return spikes


def state_dtype(kind: Any, state: Any, expected_shape: Shape | None = None) -> np.dtype:
    """The floating dtype of ``state``, once its kind (a kernel's ``State``), shape and dtype have been found sound.

    Raises:
        TypeError: not this State, or not of one floating dtype.
        ValueError: fields of different shapes, or not of ``expected_shape``.
    """
    if not isinstance(state, kind):
        came = type(state)
        raise TypeError(
            f"Argument `state` must be a {kind.__module__}.State, but is a {came.__module__}.{came.__qualname__}."
        )
    shapes = {name: np.shape(value) for name, value in state._asdict().items()}
    expected = expected_shape if expected_shape is not None else next(iter(shapes.values()))
    for name, got in shapes.items():
        if got != expected:
            raise ValueError(f"Argument `state` must have fields of shape {expected}, but `{name}` has shape {got}.")
    dtypes = {np.dtype(getattr(value, "dtype", type(value))) for value in state}
    if len(dtypes) > 1 or not jnp.issubdtype(next(iter(dtypes)), jnp.floating):
        names = ", ".join(sorted(str(d) for d in dtypes))
        raise TypeError(f"Argument `state` must be of one floating dtype, but has {names}.")
    return next(iter(dtypes))


def event_times(name: str, value: Any, *, sort: bool) -> None:
    """Raise unless ``value`` is a vector of times in ms: sorted, with inf as padding, or finite in any order.

    Raises:
        TypeError: not real numbers.
        ValueError: not one axis, NaN, not sorted.
    """
    _numeric(name, value)
    if len(np.shape(value)) != 1:
        raise ValueError(f"Argument `{name}` must have one axis, but has shape {np.shape(value)}.")
    if not is_concrete(value):
        return
    value = np.asarray(value, float)
    bad = np.isnan(value) | (np.isneginf(value) if sort else np.isinf(value))
    if bad.any():
        i = int(bad.argmax())
        expected = "times or inf as padding" if sort else "finite"
        raise ValueError(f"Argument `{name}` must be {expected}, but element {i} is {value[i]}.")
    if sort and (value[1:] < value[:-1]).any():
        i = int((value[1:] < value[:-1]).argmax())
        raise ValueError(f"Argument `{name}` must be sorted, but element {i + 1} ({value[i + 1]}) is below {value[i]}.")


def not_before(name: str, value: Any, t0: Any) -> None:
    """Raise ValueError if a time, where it is known, comes before ``t0``, that of the given state."""
    if is_concrete(value) and is_concrete(t0) and np.size(value):
        earliest = np.min(np.asarray(value, float))
        if earliest < np.asarray(t0, float):
            raise ValueError(
                f"Argument `{name}` must not come before t0 = {t0} ms, the time of `state`, but has {earliest}."
            )


def weights(value: Any, expected: Shape, *, takes_weights: bool) -> None:
    """Raise unless ``value`` is one finite weight a spike and the kernel takes weights.

    Raises:
        TypeError: not real numbers.
        ValueError: a receptor kernel, another shape, or values that are not finite.
    """
    _numeric("weights", value)
    if not takes_weights:
        raise ValueError("Argument `weights` is for the linear kernels alpha, expon and dual_expon, not a receptor.")
    if np.shape(value) != expected:
        raise ValueError(f"Argument `weights` must have shape {expected}, but has shape {np.shape(value)}.")
    if is_concrete(value) and not np.isfinite(np.asarray(value, float)).all():
        raise ValueError("Argument `weights` must be finite, but has NaN or infinite values.")


def _numeric(name: str, value: Any, kind: str = "Argument") -> None:
    if units.is_quantity(value):
        raise TypeError(f"{kind} `{name}` must come without a unit here, but is in {value.unit}.")
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        try:
            dtype = np.asarray(value).dtype
        except (TypeError, ValueError):
            dtype = np.dtype(object)
    if not any(jnp.issubdtype(dtype, real) for real in (jnp.bool_, jnp.integer, jnp.floating)):
        raise TypeError(f"{kind} `{name}` must be a real number or an array of them, but is {value!r:.80}.")


def _param_value(name: str, value: np.ndarray) -> None:
    # What single precision, in which most runs are done, turns into 0 or infinity is out of range everywhere.
    given = value
    with np.errstate(over="ignore", under="ignore"):
        value = value.astype(np.float32)
    if name == "amplitude":
        expected, good = "finite", np.isfinite(value)
    elif name.startswith("tau"):
        expected, good = "positive and finite", np.isfinite(value) & (value > 0)
    else:
        expected, good = "finite and not negative", np.isfinite(value) & (value >= 0)
    if not good.all():
        raise ValueError(f"Parameter `{name}` must be {expected}, but has the value {given[~good].flat[0]}.")
