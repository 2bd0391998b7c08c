"""What kind of input a kernel takes, and the checks of spikes and weights that follow from it.

A kernel holds one of the two as ``kernel.input``: a spike of a receptor starts a pulse of transmitter (`StartsPulse`),
the input of a linear kernel adds its weight to a variable (`AddsWeight`).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments.choices import check_overlap
from synkin.arguments.known import concrete_value, holds_for_known, is_concrete
from synkin.arguments.numbers import (
    INT32,
    Real,
    Shape,
    as_array,
    as_floating,
    as_real,
    broadcasts,
    check_finite,
    is_binary,
    is_boolean,
    nan_unless,
)

_RECEPTOR = " for a receptor kernel, which takes no weights"

AnyState = TypeVar("AnyState")


@dataclass(frozen=True)
class Input(ABC):
    """What a spike does to a kernel: the base of `StartsPulse` and `AddsWeight`.

    Attributes:
        takes_weights: True if an input is a weight in mS, False if it is a spike (0 or 1).
        acts_at_end: True if an input acts at the end of its step, False if from the start of the step on.
        unit: the unit of an input.
        variables: the variables that an input is added to.
    """

    takes_weights: ClassVar[bool]
    acts_at_end: ClassVar[bool]

    @property
    @abstractmethod
    def unit(self) -> str:
        """The unit of an input."""

    @property
    def variables(self) -> tuple[str, ...]:
        return ()

    @abstractmethod
    def check_values(self, name: str, values: Real) -> Real:
        """``values``, numbers or booleans, which must be valid inputs if they are concrete.

        Raises:
            TypeError: values that are differentiated, if their derivative would be lost.
            ValueError: values that are no input of this kind.
        """

    @abstractmethod
    def check_overlap(self, value: object) -> None:
        """Raise ValueError unless ``value`` is a way in which pulses of this kind of input may overlap."""

    @abstractmethod
    def check_weights(self, value: object, expected: Shape) -> Real:
        """``value``, which must be one finite weight for each spike.

        Raises:
            TypeError: not real numbers.
            ValueError: another shape, values that are not finite, or negative ones of a receptor.
        """

    @abstractmethod
    def nan_if_invalid_state(self, state: AnyState, params: Iterable[ArrayLike], inputs: object) -> AnyState:
        """A kernel's ``state``, NaN for each synapse with invalid traced parameters or inputs that would go unnoticed.

        Args:
            state: the kernel's ``State`` at the start, arrays.
            params: its ``Params``, as `synkin.arguments.params_and_states.nan_if_invalid` returns them.
            inputs: the spikes as they were given, traced or not; those of a run have time as their first axis.
        """

    def check_spike(self, spike: object, like: Array, name: str = "spike") -> Array:
        """The ``spike`` of one step, broadcast to the shape of the state.

        Args:
            spike: booleans, or numbers.
            like: an array of the state's shape.
            name: the argument's name, for the message.

        Raises:
            TypeError: not numbers or booleans, or a receptor's spike that is differentiated.
            ValueError: a shape that does not broadcast to the state's, or values that are no input of this kind.
        """
        real = as_real(name, spike)
        if not broadcasts(np.shape(real), like.shape):
            raise ValueError(f"Argument `{name}` must have shape {like.shape}, but has shape {np.shape(real)}.")
        return jnp.broadcast_to(as_array(self.check_values(name, real)), like.shape)

    def check_train(self, spikes: object, shape: Shape | None) -> Array:
        """``spikes`` as an array of shape (T, *shape).

        Args:
            spikes: booleans, or numbers.
            shape: shape of the state; None if the spikes decide it.

        Raises:
            TypeError: not numbers or booleans, or spikes of a receptor that are differentiated.
            ValueError: no time axis, 2**31 rows and more, a shape that is not the state's, or values that are no input
                of this kind.
        """
        real = as_real("spikes", spikes)
        got = np.shape(real)
        if not got or (shape is not None and got[1:] != shape):
            expected = "(T, ...)" if shape is None else "(" + ", ".join(["T", *map(str, shape)]) + ")"
            raise ValueError(f"Argument `spikes` must have shape {expected}, but has shape {got}.")
        if got[0] > INT32.max:
            raise ValueError(
                f"Argument `spikes` must have at most {INT32.max} rows, but has {got[0]}: run it in pieces, each from "
                "the final state of the one before."
            )
        return as_array(self.check_values("spikes", real))


@dataclass(frozen=True)
class StartsPulse(Input):
    """A spike starts a pulse of transmitter at the start of its step."""

    because: str = _RECEPTOR  # why a spike must be 0 or 1, for the message
    has_derivative: bool = False  # whether a spike may be differentiated, as one with a surrogate gradient is

    takes_weights = False
    acts_at_end = False

    @property
    def unit(self) -> str:
        return "1"

    def check_values(self, name: str, values: Real) -> Real:
        """Spikes must be 0 or 1, and must have no derivative if it would be 0 without a warning.

        The result of a comparison has no derivative, even if it is cast to a floating dtype.
        """
        if is_boolean(values):
            return values
        if getattr(values, "size", 1) and not holds_for_known(is_binary, values):
            check_finite(name, values)
            known = np.asarray(concrete_value(values))
            raise ValueError(
                f"Argument `{name}` must be 0 or 1{self.because}, but has values from {known.min()} to {known.max()}."
            )
        if self.has_derivative or not isinstance(values, jax.core.Tracer):
            return values
        return _without_derivative(values, name) if jnp.issubdtype(values.dtype, jnp.floating) else values

    def check_overlap(self, value: object) -> None:
        check_overlap(value)

    def check_weights(self, value: object, expected: Shape) -> Real:
        """Weights of spikes are heights of their pulses; where they are traced and invalid NaN."""
        values = as_real("weights", value)
        if np.shape(values) != expected:
            raise ValueError(f"Argument `weights` must have shape {expected}, but has shape {np.shape(values)}.")
        values = _check_heights("weights", values)
        if is_concrete(values):
            return values
        return nan_unless(values, (as_floating(values) >= 0) & jnp.isfinite(as_floating(values)))

    def nan_if_invalid_state(self, state: AnyState, params: Iterable[ArrayLike], inputs: object) -> AnyState:
        """NaN for invalid traced parameters and spikes, which would otherwise give a plausible g.

        Counted in steps, a pulse of NaN ms would be no pulse; and 0.5 or NaN would count as a spike. Concrete values
        and booleans are not looked at.
        """
        like = jax.tree.leaves(state)[0]
        tests = [~jnp.isnan(as_floating(value)) for value in params if not is_concrete(value)]
        if not is_concrete(inputs):
            traced = as_array(as_real("spikes", inputs))
            if traced.dtype != bool:
                good = (traced == 0) | (traced == 1)
                tests.append(good.all(axis=0) if traced.ndim > like.ndim else good)
        for good in tests:
            good = good.reshape((1,) * (like.ndim - good.ndim) + good.shape)
            state = jax.tree.map(lambda field, good=good: nan_unless(field, good), state)
        return state


@dataclass(frozen=True)
class StartsWeightedPulse(StartsPulse):
    """A spike starts a pulse whose height is ``T`` times its weight; a weight of 0 is no spike."""

    def check_values(self, name: str, values: Any) -> Any:
        """Weights must be finite and not negative."""
        return _check_heights(name, values)

    def nan_if_invalid_state(self, state: Any, params: Any, inputs: Any) -> Any:
        """NaN where a traced parameter is, or a traced weight is negative or not finite."""
        state = super().nan_if_invalid_state(state, params, True)
        if is_concrete(inputs):
            return state
        inputs = as_floating(as_real("spikes", inputs))
        good = (inputs >= 0) & jnp.isfinite(inputs)
        like = jax.tree.leaves(state)[0]
        good = good.all(axis=0) if inputs.ndim > like.ndim else good
        good = good.reshape((1,) * (like.ndim - good.ndim) + good.shape)
        return jax.tree.map(lambda field: nan_unless(field, good), state)


def _check_heights(name: str, values: Any) -> Any:
    """Check that weights are finite and not negative.

    Raises:
        ValueError: other weights, if they are concrete.
    """
    if is_boolean(values):
        return values
    check_finite(name, values)
    if not holds_for_known(_is_not_negative, values):
        known: Any = concrete_value(values)
        raise ValueError(f"Argument `{name}` must have weights of 0 or more, but has one of {known.min()}.")
    return values


def _is_not_negative(values: Any, xp: Any) -> Any:
    return values >= 0


@dataclass(frozen=True)
class AddsWeight(Input):
    """The weight of an input (mS) is added to a variable at the end of its step; in a sum, to one of each part."""

    added_to: tuple[str, ...]
    unit: str = "mS"  # of the variables

    takes_weights = True
    acts_at_end = True

    @property
    def variables(self) -> tuple[str, ...]:
        return self.added_to

    def check_values(self, name: str, values: Real) -> Real:
        """Weights must be finite."""
        check_finite(name, values)
        return values

    def check_overlap(self, value: object) -> None:
        check_overlap(value)
        if value != "restart":
            raise ValueError(
                f"Argument `overlap` is for receptors, as a linear kernel has no pulses, but is {value!r}."
            )

    def check_weights(self, value: object, expected: Shape) -> Real:
        value = as_real("weights", value)
        if np.shape(value) != expected:
            raise ValueError(f"Argument `weights` must have shape {expected}, but has shape {np.shape(value)}.")
        check_finite("weights", value)
        return value

    def nan_if_invalid_state(self, state: AnyState, params: Iterable[ArrayLike], inputs: object) -> AnyState:
        """``state`` unchanged: in a linear kernel g is NaN wherever an input or a parameter is."""
        return state


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
