"""What comes in at each step or spike: spikes and weights."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments.known import concrete_value, holds_for_known
from synkin.arguments.numbers import _INT32, Shape, as_array, as_real, broadcasts, check_finite, is_binary, is_boolean

_RECEPTOR = " for a receptor kernel, which takes no weights"


def check_spike(
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
    spike = as_real(name, spike)
    if not broadcasts(np.shape(spike), like.shape):
        raise ValueError(f"Argument `{name}` must have shape {like.shape}, but has shape {np.shape(spike)}.")
    if takes_weights:
        check_finite(name, spike)
    else:
        spike = check_spikes_are_binary(name, spike, because)
    return jnp.broadcast_to(as_array(spike), like.shape)


def check_spikes_are_binary(name: str, spikes: Any, because: str = _RECEPTOR) -> Any:
    """``spikes``, an array of numbers or booleans, which must be 0 or 1 and have no derivative.

    Where they start a pulse nothing of a derivative would be passed on: it would be 0 in silence. What a comparison
    gives has none, whatever dtype it is cast to.

    Raises:
        TypeError: spikes that are differentiated, as with a surrogate gradient; not before they are.
        ValueError: values that are known and neither 0 nor 1.
    """
    if is_boolean(spikes):
        return spikes
    if getattr(spikes, "size", 1) and not holds_for_known(is_binary, spikes):
        check_finite(name, spikes)
        known: Any = concrete_value(spikes)
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


def check_spike_train(
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
    spikes = as_real("spikes", spikes)
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
        check_finite("spikes", spikes)
    else:
        spikes = check_spikes_are_binary("spikes", spikes, because)
    return as_array(spikes)


def check_weights(value: Any, expected: Shape, *, takes_weights: bool) -> Any:
    """``value``, which must be one finite weight a spike, if the kernel takes weights.

    Raises:
        TypeError: not real numbers.
        ValueError: a receptor kernel, another shape, or values that are not finite.
    """
    value = as_real("weights", value)
    if not takes_weights:
        raise ValueError("Argument `weights` is for the linear kernels alpha, expon and dual_expon, not a receptor.")
    if np.shape(value) != expected:
        raise ValueError(f"Argument `weights` must have shape {expected}, but has shape {np.shape(value)}.")
    check_finite("weights", value)
    return value
