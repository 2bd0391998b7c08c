"""What kind of input a kernel takes, and the checks of spikes and weights that follow from it.

A kernel holds one of the two as ``kernel.input``: a spike of a receptor starts a pulse of transmitter (`StartsPulse`),
the input of a linear kernel adds its weight to a variable (`AddsWeight`).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments.choices import check_overlap
from synkin.arguments.known import concrete_value, holds_for_known, is_concrete
from synkin.arguments.numbers import (
    INT32,
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


@dataclass(frozen=True)
class Input(ABC):
    """What a spike does to a kernel: the base of `StartsPulse` and `AddsWeight`.

    Attributes:
        takes_weights: whether an input is a number of mS, and not a spike that is there or not.
        acts_at_end: whether an input acts at the end of its step, and not from its start on.
        unit: of an input.
        variables: those that an input is added to.
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
    def check_values(self, name: str, values: object) -> Any:
        """``values``, an array of numbers or booleans, where it is known a valid input.

        Raises:
            TypeError: values that are differentiated where nothing of a derivative would be passed on.
            ValueError: values that are no input of this kind.
        """

    @abstractmethod
    def check_overlap(self, value: object) -> None:
        """Raise ValueError unless ``value`` is a way in which pulses may overlap, and there are pulses."""

    @abstractmethod
    def check_weights(self, value: object, expected: Shape) -> Any:
        """``value``, which must be one finite weight a spike, if inputs have weights.

        Raises:
            TypeError: not real numbers.
            ValueError: a receptor, another shape, or values that are not finite.
        """

    @abstractmethod
    def nan_if_invalid_state(self, state: object, params: object, inputs: object) -> Any:
        """A kernel's ``state``, NaN for each synapse whose traced parameters or inputs would be taken for valid ones.

        Args:
            state: the kernel's ``State`` at the start, arrays.
            params: its ``Params``, as `synkin.arguments.params_and_states.nan_if_invalid` gives them.
            inputs: the spikes as they were given, traced or not; of a run with a time axis in front.
        """

    def check_spike(self, spike: Any, like: Array, name: str = "spike") -> Array:
        """One step's ``spike`` broadcast to the shape of the state.

        Args:
            spike: booleans, or numbers.
            like: an array of the state's shape.
            name: what it is called, for the message.

        Raises:
            TypeError: not numbers or booleans, or a receptor's spike that is differentiated.
            ValueError: a shape that does not broadcast to the state's, or values that are no input of this kind.
        """
        spike = as_real(name, spike)
        if not broadcasts(np.shape(spike), like.shape):
            raise ValueError(f"Argument `{name}` must have shape {like.shape}, but has shape {np.shape(spike)}.")
        return jnp.broadcast_to(as_array(self.check_values(name, spike)), like.shape)

    def check_train(self, spikes: Any, shape: Shape | None) -> Array:
        """``spikes`` as an array of shape (T, *shape).

        Args:
            spikes: booleans, or numbers.
            shape: shape of the state, or None where the spikes decide it.

        Raises:
            TypeError: not numbers or booleans, or spikes of a receptor that are differentiated.
            ValueError: no time axis, 2**31 rows and more, a shape that is not the state's, or values that are no input
                of this kind.
        """
        spikes = as_real("spikes", spikes)
        got = np.shape(spikes)
        if not got or (shape is not None and got[1:] != shape):
            expected = "(T, ...)" if shape is None else "(" + ", ".join(["T", *map(str, shape)]) + ")"
            raise ValueError(f"Argument `spikes` must have shape {expected}, but has shape {got}.")
        if got[0] > INT32.max:
            raise ValueError(
                f"Argument `spikes` must have at most {INT32.max} rows, but has {got[0]}: run it in pieces, each from "
                "the final state of the one before."
            )
        return as_array(self.check_values("spikes", spikes))


@dataclass(frozen=True)
class StartsPulse(Input):
    """A spike starts a pulse of transmitter with its step."""

    because: str = _RECEPTOR  # why a spike must be 0 or 1, for the message

    takes_weights = False
    acts_at_end = False

    @property
    def unit(self) -> str:
        return "1"

    def check_values(self, name: str, values: Any) -> Any:
        """Spikes must be 0 or 1 and have no derivative: it would be 0, without a word.

        What a comparison gives has no derivative, whatever dtype it is cast to.
        """
        if is_boolean(values):
            return values
        if getattr(values, "size", 1) and not holds_for_known(is_binary, values):
            check_finite(name, values)
            known: Any = concrete_value(values)
            raise ValueError(
                f"Argument `{name}` must be 0 or 1{self.because}, but has values from {known.min()} to {known.max()}."
            )
        if isinstance(values, jax.core.Tracer) and jnp.issubdtype(values.dtype, jnp.floating):
            return _without_derivative(values, name)
        return values

    def check_overlap(self, value: object) -> None:
        check_overlap(value)

    def check_weights(self, value: object, expected: Shape) -> Any:
        as_real("weights", value)
        raise ValueError("Argument `weights` is for the linear kernels alpha, expon and dual_expon, not a receptor.")

    def nan_if_invalid_state(self, state: Any, params: Any, inputs: Any) -> Any:
        """A pulse of NaN ms, counted in steps, would be none, and 0.5 or NaN would be a spike: g would be plausible.

        Known values and booleans cost nothing.
        """
        like = jax.tree.leaves(state)[0]
        tests = [~jnp.isnan(as_floating(value)) for value in params if not is_concrete(value)]
        if not is_concrete(inputs):
            inputs = as_array(as_real("spikes", inputs))
            if inputs.dtype != bool:
                good = is_binary(inputs, jnp)
                tests.append(good.all(axis=0) if inputs.ndim > like.ndim else good)
        for good in tests:
            good = good.reshape((1,) * (like.ndim - good.ndim) + good.shape)
            state = jax.tree.map(lambda field, good=good: nan_unless(field, good), state)
        return state


@dataclass(frozen=True)
class StartsWeightedPulse(StartsPulse):
    """A spike starts a pulse whose height is ``T`` times its weight; a weight of 0 is no spike."""

    def check_values(self, name: str, values: Any) -> Any:
        """Weights must be finite and not negative."""
        if is_boolean(values):
            return values
        check_finite(name, values)
        if not holds_for_known(_is_not_negative, values):
            known: Any = concrete_value(values)
            raise ValueError(f"Argument `{name}` must have weights of 0 or more, but has one of {known.min()}.")
        return values

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


def _is_not_negative(values: Any, xp: Any) -> Any:
    return values >= 0


@dataclass(frozen=True)
class AddsWeight(Input):
    """An input is added to variables at the end of its step: of a sum, to one of each part."""

    added_to: tuple[str, ...]
    unit: str = "mS"  # of the variables

    takes_weights = True
    acts_at_end = True

    @property
    def variables(self) -> tuple[str, ...]:
        return self.added_to

    def check_values(self, name: str, values: object) -> Any:
        """Weights must be finite."""
        check_finite(name, values)
        return values

    def check_overlap(self, value: object) -> None:
        check_overlap(value)
        if value != "restart":
            raise ValueError(
                f"Argument `overlap` is for receptors, as a linear kernel has no pulses, but is {value!r}."
            )

    def check_weights(self, value: Any, expected: Shape) -> Any:
        value = as_real("weights", value)
        if np.shape(value) != expected:
            raise ValueError(f"Argument `weights` must have shape {expected}, but has shape {np.shape(value)}.")
        check_finite("weights", value)
        return value

    def nan_if_invalid_state(self, state: object, params: object, inputs: object) -> Any:
        """As it is: in a linear kernel every NaN shows."""
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
