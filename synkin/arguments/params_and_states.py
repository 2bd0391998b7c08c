"""Checks of a kernel's parameters and states."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from synkin.arguments.declaration import AnyParams, AnyState, Declaration
from synkin.arguments.known import concrete_value, is_concrete
from synkin.arguments.messages import describe_tuple, member_name, type_name, with_article
from synkin.arguments.numbers import (
    Range,
    Real,
    Shape,
    align,
    as_array,
    as_floating,
    as_real,
    broadcasts,
    cast_by_numpy,
    check_shape,
    float_dtype,
    in_range,
    nan_unless,
    too_coarse,
    upper_limit,
)


def check_layout(
    kernel_params: AnyParams, state_shape: object, dtype: DTypeLike | None, kernel: Declaration
) -> tuple[Shape, np.dtype]:
    """Shape and dtype of a state; checks both, and the parameters.

    Raises:
        TypeError, ValueError: see `check_shape`, `float_dtype` and `check_params`.
    """
    state_shape = check_shape(state_shape)
    check_params(kernel_params, state_shape, kernel)
    return state_shape, float_dtype(dtype)


def check_params(kernel_params: AnyParams, shape: Shape, kernel: Declaration) -> AnyParams:
    """The parameters as `as_real` returns them; each must broadcast to ``shape`` and, if concrete, be in range.

    Args:
        kernel_params: a kernel's ``Params``.
        shape: shape of the state.
        kernel: the kernel.

    Raises:
        TypeError: not this kernel's parameters, or one that is not a number.
        ValueError: a shape that does not broadcast, or a value out of range.
    """
    _check_kind(kernel_params, kernel)
    kernel_params = kernel_params._replace(
        **{name: _check_parameter(name, value, shape, kernel) for name, value in kernel_params._asdict().items()}
    )
    kernel.check_params(kernel_params)
    return kernel_params


def common_shape(kernel_params: AnyParams, kernel: Declaration) -> Shape:
    """The shape to which the parameters broadcast, for a run that is given no state.

    Raises:
        TypeError: not this kernel's parameters.
        ValueError: shapes that do not broadcast.
    """
    _check_kind(kernel_params, kernel)
    shapes = {name: np.shape(as_real(name, value, "Parameter")) for name, value in kernel_params._asdict().items()}
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        listed = ", ".join(f"`{name}` {shape}" for name, shape in shapes.items() if shape)
        raise ValueError(f"Parameters must have shapes that broadcast, but have {listed}.") from None


def _check_kind(given: AnyParams, kernel: Declaration) -> None:
    if not isinstance(given, type) and getattr(given, "_fields", None) == kernel.Params._fields:
        return
    expected = with_article(member_name(kernel, "Params"))
    if isinstance(given, type) and hasattr(given, "_fields"):
        name = type_name(given)
        raise TypeError(f"Argument `params` must be {expected}, but is the class itself: call it, {name}().")
    raise TypeError(f"Argument `params` must be {expected}, but is {describe_tuple(given)}.")


def _check_parameter(name: str, value: object, shape: Shape, kernel: Declaration) -> Real:
    value = as_real(name, value, "Parameter")
    got = np.shape(value)
    if not broadcasts(got, shape):
        several = "" if shape else ": for several synapses use jax.vmap, or a state of their shape"
        raise ValueError(f"Parameter `{name}` must broadcast against shape {shape}, but has shape {got}{several}.")
    known = concrete_value(value)
    if known is not None:
        check_range(name, known, kernel.parameters[name])
    return value


def check_range(name: str, value: np.ndarray, record: Range) -> None:
    # A value that float32 turns into 0 or infinity is out of range in float64 too, as most runs are in float32.
    good = in_range(record, cast_by_numpy(value, np.dtype("float32")), np)
    if not good.all():
        bound = "" if record.signed else " and not negative"
        expected = "positive and finite" if record.positive and not record.signed else f"finite{bound}"
        if upper_limit(record) < math.inf:
            expected = f"from 0 to {upper_limit(record):g}"
        raise ValueError(f"Parameter `{name}` must be {expected}, but has the value {value[~good].flat[0]}.")


def aligned_params(kernel_params: AnyParams, like: Array, kernel: Declaration) -> AnyParams:
    """The parameters as arrays of the dtype of ``like``, each a scalar or of the rank of ``like``.

    So one set of parameters serves a state of any batch rank, under strict dtype promotion and with rank
    promotion forbidden.

    Raises:
        TypeError, ValueError: see `check_params`.
    """
    return jax.tree.map(lambda value: align(value, like), check_params(kernel_params, like.shape, kernel))


def nan_if_invalid(kernel_params: AnyParams, kernel: Declaration) -> AnyParams:
    """The parameters, NaN wherever one is traced and out of range. `check_params` refuses concrete ones.

    A run calls this once, before its first step, so that an invalid parameter gives NaN instead of a plausible g. A
    parameter in range is multiplied by 1, which changes neither its value nor its derivatives.

    Args:
        kernel_params: a kernel's ``Params``, as `check_params` or `aligned_params` return them.
        kernel: the kernel.
    """
    return kernel_params._replace(
        **{
            name: nan_unless(value, in_range(kernel.parameters[name], as_floating(value), jnp))
            for name, value in kernel_params._asdict().items()
            if not is_concrete(value)
        }
    )


def check_state(kernel: Declaration, value: AnyState, expected_shape: Shape | None = None) -> AnyState:
    """The state as arrays of one floating dtype of JAX; checks its kind, shape and dtype.

    Args:
        kernel: the kernel.
        value: the state; Python numbers and lists of them take the dtype of the other fields.
        expected_shape: the shape that it must have; None if it may have any.

    Raises:
        TypeError: not this kernel's ``State``, or not of one floating dtype.
        ValueError: fields of different shapes, or not of ``expected_shape``.
    """
    dtype = state_dtype(kernel, value, expected_shape)
    return value._make(as_array(as_real(f"state.{name}", field), dtype) for name, field in value._asdict().items())


def state_dtype(kernel: Declaration, state: AnyState, expected_shape: Shape | None = None) -> np.dtype:
    """The dtype of the state that `check_state` returns; the checks are those of `check_state`."""
    if not isinstance(state, kernel.State):
        raise TypeError(
            f"Argument `state` must be {with_article(member_name(kernel, 'State'))}, but is {describe_tuple(state)}."
        )
    fields = {name: as_real(f"state.{name}", value) for name, value in state._asdict().items()}
    shapes = {name: np.shape(value) for name, value in fields.items()}
    expected = expected_shape if expected_shape is not None else next(iter(shapes.values()))
    several = "" if expected_shape != () else ": for several synapses use jax.vmap"
    for name, got in shapes.items():
        if got != expected:
            raise ValueError(
                f"Argument `state` must have fields of shape {expected}, but `{name}` has shape {got}{several}."
            )
    # Python numbers, alone or in lists, have no dtype of their own.
    dtypes = {
        jax.dtypes.canonicalize_dtype(field.dtype)
        for name, field in fields.items()
        if not isinstance(field, float | int) and hasattr(getattr(state, name), "dtype")
    } or {jnp.result_type(float)}
    if len(dtypes) > 1 or not jnp.issubdtype(next(iter(dtypes)), jnp.floating):
        names = ", ".join(sorted(dtype.name for dtype in dtypes))
        raise TypeError(f"Argument `state` must be of one floating dtype, but has {names}.")
    dtype = next(iter(dtypes))
    if dtype.itemsize < 4:
        raise TypeError(
            f"Argument `state` must be of float32 or float64, but is of {dtype.name}{too_coarse(dtype)}: cast it."
        )
    return dtype
