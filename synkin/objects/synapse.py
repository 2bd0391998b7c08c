"""What all synapse objects share: parameters and state variables as attributes, initial values, and time."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, Self, TypeVar, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_method
from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.known import is_concrete
from synkin.arguments.messages import describe
from synkin.arguments.numbers import Shape, as_real, broadcasts, check_shape
from synkin.arguments.params_and_states import check_params
from synkin.declaring.kernel import Kernel
from synkin.networks.plasticity import Params as ReleaseParams
from synkin.objects import environ
from synkin.objects.constructors import check_has_parameter, completed
from synkin.solving.carry import Carry, CarryOfSum
from synkin.solving.stepper import Stepper, carry_from_state, make_stepper, warn_of_rounding

Value = ArrayLike | Callable[[Shape], ArrayLike]
"""A parameter or initial value: a number, an array that broadcasts or a callable of the shape; also with a unit."""

_serial_numbers = itertools.count()

_Kept = TypeVar("_Kept")
_Read = TypeVar("_Read", covariant=True)
_AnyCarry = TypeVar("_AnyCarry", Carry, CarryOfSum)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _stepper(kernel: Kernel, method: str, overlap: str, params: AnyParams, dt: ArrayLike, like: Array) -> Stepper:
    return make_stepper(kernel, params, dt, method, overlap, like.dtype)


@partial(jax.jit, static_argnums=2)
def _initial_carry(stepper: Stepper, state: AnyState, at_rest: bool) -> Carry:
    return carry_from_state(stepper, state, at_rest=at_rest)


@jax.jit
def _state_of(stepper: Stepper, carry: Carry) -> AnyState:
    return stepper.state(carry)


Progress = list[tuple[tuple[Array, ...], Array | None]]
"""What a step changes in a carry, for each part of the kernel: the variables, and the count of the pulse if any."""


def progress(carry: Carry | CarryOfSum) -> Progress:
    """What a step has changed in a carry. A jitted function that returned the rest too would copy it in each call."""
    return [(part.y, part.count) for part in carry.parts]


def with_progress(carry: _AnyCarry, changed: Progress) -> _AnyCarry:
    """The carry before a step, with what the step has changed."""
    own = zip(carry.parts, changed, strict=True)
    return carry.with_parts([part._replace(y=y, count=count) for part, (y, count) in own])


class Attribute(Generic[_Read]):
    """Base of the attributes that are read from an object. As an attribute of the class it is itself."""

    @overload
    def __get__(self, synapse: None, owner: type) -> Self: ...

    @overload
    def __get__(self, synapse: Synapse, owner: type) -> _Read: ...

    def __get__(self, synapse: Synapse | None, owner: type) -> Self | _Read:
        return self if synapse is None else self.of(synapse)

    def of(self, synapse: Synapse) -> _Read:
        """What the attribute is for one object."""
        raise NotImplementedError


class Parameter(Attribute[Array]):
    """A parameter of the kernel as an attribute. A new value is checked, and is used from the next step on."""

    def __init__(self, field: str = "") -> None:
        self.field = field

    def __set_name__(self, owner: type, name: str) -> None:
        self.field = self.field or name

    def of(self, synapse: Synapse) -> Array:
        check_has_parameter(synapse.kernel, self.field)  # the class of a sum of receptors has a T_dur, but not the sum
        return synapse._with_unit(getattr(synapse._given, self.field), getattr(synapse.kernel.UNITS, self.field))

    def __set__(self, synapse: Synapse, value: Value) -> None:
        check_has_parameter(synapse.kernel, self.field)
        synapse._set_params({self.field: value})


class Variable(Attribute["VariableValue"]):
    """A state variable as an attribute, ``synapse.g``, to be read and set as ``synapse.g.value``.

    Args:
        unit: unit of a variable that the kernel does not have.
    """

    def __init__(self, unit: str | None = None) -> None:
        self.unit = unit

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def of(self, synapse: Synapse) -> VariableValue:
        return VariableValue(synapse, self.name, self.unit or synapse.kernel.variables[self.name])

    def __set__(self, synapse: Synapse, value: object) -> None:
        raise AttributeError(f"Attribute `{self.name}` cannot be replaced: set `{self.name}.value` instead.")


class VariableValue:
    """The current value of one state variable of one object."""

    def __init__(self, synapse: Synapse, name: str, unit: str) -> None:
        self._synapse, self._name, self._unit = synapse, name, unit

    @property
    def value(self) -> Array:
        """The array, of the state's shape. A new value must broadcast to it, and takes its dtype."""
        return self._synapse._with_unit(self._synapse._read(self._name), self._unit)

    @value.setter
    def value(self, value: ArrayLike) -> None:
        synapse = self._synapse
        like = synapse._read(self._name)
        value = synapse._strip_unit(self._name, value, self._unit)
        synapse._write(self._name, synapse._check_concrete(as_state(self._name, value, like.shape, like.dtype)))

    def __repr__(self) -> str:
        return f"{self._synapse.name}.{self._name}.value = {self.value!r}"


class Synapse:
    """The base of the objects. `synkin.objects.linear` and `synkin.objects.receptors` define their steps."""

    kernel: Kernel
    _initializers: tuple[tuple[str, str], ...] = (("g", "g_initializer"),)  # variable, attribute
    _values_may_be = "A parameter or initial value is a number, an array that broadcasts, or a callable of the shape."
    _has_units = False  # whether it has been given a quantity

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        *,
        method: str | None = None,
        overlap: str | None = None,
        release: ReleaseParams | None = None,
        **params: Value,
    ) -> None:
        overlap = "restart" if overlap is None else overlap
        options = {"in_size": in_size, "name": name, "method": method, "overlap": overlap, "release": release}
        self._construct(options, completed(self.kernel, params))

    def _construct(self, options: Mapping[str, object], params: Mapping[str, object] | None = None) -> None:
        """Set up the object.

        Args:
            options: arguments of a constructor by name, its ``locals()``.
            params: the kernel's parameters; None where they are among ``options``.
        """
        method, name, overlap = options["method"], options["name"], options.get("overlap", "restart")
        check_method(method, self.kernel)
        self._in_size = check_shape(options["in_size"], "in_size")
        self.name = f"{type(self).__name__}{next(_serial_numbers)}" if name is None else str(name)
        self._method = str(method or self.kernel.methods[0])
        if params is None:
            params = {field: options[field] for field in self.kernel.Params._fields}
        self._given = self.kernel.Params(**params)  # as the constructor took them, until they are checked
        self._set_params(params)
        self.kernel.input.check_overlap(overlap)
        self._overlap = str(overlap)
        for _, attribute in self._initializers:
            setattr(self, attribute, options[attribute])
        self._batch: Shape = ()
        self._held_state: AnyState | None = None  # None if it is still to be computed from the carry
        self._at_rest = False
        self._stepping: tuple[Stepper, Carry] | None = None  # since the first step
        self._stepping_for: tuple[AnyParams, float] = (None, 0.0)  # the parameters and dt of that stepper
        self._clock = 0.0

    @classmethod
    def _default_of(cls, name: str) -> Value:
        """The default of a parameter."""
        return cls.kernel.parameters[name].default

    @property
    def in_size(self) -> Shape:
        """Shape without the batch, a tuple; `out_size` and `varshape` are the same."""
        return self._in_size

    out_size = varshape = in_size

    @property
    def batch_size(self) -> int | None:
        """Length of the batch axis in front, or None."""
        return self._batch[0] if self._batch else None

    @property
    def method(self) -> str:
        """How a step is taken, "exp_euler" or "exact"."""
        return self._method

    @property
    def params(self) -> AnyParams:
        """The kernel's ``Params``, as arrays, ready for ``kernel.step``."""
        return self._params

    @property
    def state(self) -> AnyState:
        """The kernel's ``State``, ready for ``kernel.step``, whose result may be set here."""
        if self._state is None:
            self.init_state()
        return self._state

    @state.setter
    def state(self, state: object) -> None:
        old = self.state
        if not isinstance(state, tuple) or getattr(state, "_fields", None) != old._fields:
            raise TypeError(
                f"Argument `state` must be a State with the fields {old._fields}, but is {describe(state)}."
            )
        new = (
            as_state(field, self._strip_unit(field, value, self.kernel.variables[field]), like.shape, like.dtype)
            for field, value, like in zip(old._fields, state, old, strict=True)
        )
        self._state = self._check_concrete(type(old)(*new))

    @property
    def _state(self) -> AnyState | None:
        if self._held_state is None and self._stepping is not None:
            with jax.ensure_compile_time_eval():  # a concrete state, under a transformation too
                self._held_state = _state_of(*self._stepping)
        return self._held_state

    @_state.setter
    def _state(self, state: AnyState) -> None:
        self._held_state, self._stepping, self._at_rest = state, None, False

    def _stepper_and_carry(self, dt: float) -> tuple[Stepper, Carry]:
        """The stepper for ``dt`` ms, and the carry. They are made again only if parameters, dt or state change."""
        if self._stepping is not None:
            params, last = self._stepping_for
            if params is self._params and (last is dt or (is_concrete(dt) and last == dt)):
                return self._stepping
        state, at_rest = self.state, self._at_rest
        warn_of_rounding(self.kernel, self._params, dt, self._method)
        stepper = _stepper(self.kernel, self._method, self._overlap, self._params, dt, state[0])
        self._held_state, self._stepping, self._stepping_for = state, None, (self._params, dt)
        carry = _initial_carry(stepper, state, at_rest)
        # A step needs only the coefficients, and passing the parameters to a jitted function would take time.
        return dataclasses.replace(stepper, params=None), carry

    def _keep(self, stepper: Stepper, carry: Carry) -> None:
        """Keep the result of a step."""
        self._stepping, self._held_state, self._at_rest = (stepper, carry), None, False

    def init_state(self, batch_size: int | None = None) -> None:
        """Set every state variable to its initial value, and the object's own time to 0.

        Args:
            batch_size: length of a batch axis in front of `varshape`; None for no such axis.

        Raises:
            TypeError, ValueError: a batch size or an initial value of the wrong kind, shape or range.
        """
        batch = () if batch_size is None else check_shape(batch_size, "batch_size")
        if len(batch) > 1:
            raise TypeError(f"Argument `batch_size` must be an int, but is {batch_size!r}.")
        shape = batch + self._in_size
        state = self.kernel.init(self._params, shape)
        initial = {}
        for field, attribute in self._initializers:
            given = getattr(self, attribute)
            value = given(shape) if callable(given) else given
            value = self._strip_unit(attribute, value, self.kernel.variables[field])
            initial[field] = as_state(attribute, value, shape, state[0].dtype)
        self._state = self._check_concrete(state._replace(**initial))
        self._at_rest = True  # no pulse is under way
        self._batch = batch
        self._clock = 0.0

    def reset_state(self, batch_size: int | None = None) -> None:
        """As `init_state`, but without ``batch_size`` the batch axis stays as it is."""
        self.init_state(self.batch_size if batch_size is None else batch_size)

    def update(self, *args: Any, **kwargs: Any) -> Array:
        """Advance by one step and return g; see `Linear.update` and `Receptor.update`."""
        raise NotImplementedError

    def __call__(self, *args: object, **kwargs: object) -> Array:
        """`update`."""
        return self.update(*args, **kwargs)

    def run(self, spikes: ArrayLike, dt: ArrayLike | None = None) -> Array:
        """Advance over a whole train, as by `update` row by row, at the speed of `synkin.simulate`.

        Args:
            spikes: (T, *shape of the state); see `update` for what each row may be.
            dt: step in ms, by default that of `synkin.environ`.

        Returns:
            g at the end of each step, (T, *shape of the state), in the unit that `update` gives.

        Raises:
            TypeError, ValueError: no dt, or a train of the wrong kind or shape.
            RuntimeError: under a JAX transformation; use `synkin.simulate` there.
        """
        t, step = self._time(dt)
        shape = self.state[0].shape
        spikes = self._strip_unit("spikes", spikes, self.kernel.input.unit)
        train = self.kernel.input.check_train(as_real_array("spikes", spikes), shape)
        g = self._run(train, t, step)
        self._clock = t + len(train) * step
        return units.quantity(g, "mS") if self._has_units else g

    def _run(self, spikes: Array, t: float, dt: float) -> Array:
        """Advance over a train that has been checked: keep the new state and return g."""
        raise NotImplementedError

    def __repr__(self) -> str:
        size = self._in_size[0] if len(self._in_size) == 1 else self._in_size
        settings = {field: short_repr(value) for field, value in self._given._asdict().items()}
        settings |= self._options()
        settings["batch_size"] = repr(self.batch_size)
        listed = ", ".join(f"{key}={value}" for key, value in settings.items())
        return f"{type(self).__name__}({size}, name={self.name!r}, {listed})"

    def _options(self) -> dict[str, str]:
        """Options that `repr` shows besides the parameters, as text."""
        return {"method": repr(self._method)}

    def _set_params(self, given: Mapping[str, object]) -> None:
        """Set parameters; none is changed unless all of them are valid."""
        arrays = {}
        for field, value in given.items():
            value = value(self._in_size) if callable(value) else value
            self._has_units = self._has_units or units.is_quantity(value)
            value = units.parameter(self.kernel, field, value)
            arrays[field] = jnp.array(as_real_array(field, value, "Parameter"), jnp.result_type(float))
        candidates = self._check_concrete(self._given._replace(**arrays))
        check_params(candidates, self._in_size, self.kernel)
        self._given, self._params = candidates, self._params_for_kernel(candidates)

    def _params_for_kernel(self, given: AnyParams) -> AnyParams:
        """The kernel's parameters, computed from those of the object."""
        return given

    def _read(self, name: str) -> Array:
        return getattr(self.state, name)

    def _write(self, name: str, value: Array) -> None:
        self._state = self.state._replace(**{name: value})

    def _input(self, name: str, value: ArrayLike) -> Array | np.ndarray:
        """One step's input, its shape checked. An array of the state's shape takes the quick way."""
        shape = (*self._batch, *self._in_size)
        if isinstance(value, jax.Array) and value.shape == shape and value.dtype.kind != "c":
            return value
        array = as_real_array(name, self._strip_unit(name, value, self.kernel.input.unit))
        if not broadcasts(array.shape, shape):
            raise ValueError(f"Argument `{name}` must have shape {shape}, but has shape {array.shape}.")
        return array

    def _time(self, dt: ArrayLike | None = None) -> tuple[float, float]:
        """Time and step in ms, from `synkin.environ` where no step is given."""
        t = environ.get("t", self._clock)
        dt = environ.get("dt") if dt is None else environ.checked_dt(dt)
        return self._strip_unit("t", t, "ms"), self._strip_unit("dt", dt, "ms")

    def _strip_unit(self, name: str, value: _Kept, unit: str) -> _Kept:
        """``value`` without its unit. An object that was given a quantity returns quantities from then on."""
        if units.is_quantity(value):
            value = units.strip_unit(name, value, unit)
            self._has_units = True
        return value

    def _with_unit(self, value: Array, unit: str) -> Array:
        """``value``, as a quantity if the object returns quantities."""
        if unit == "1" or not (self._has_units or units.among(environ.get("t", None), environ.get("dt", None))):
            return value
        with_unit: Array = units.quantity(value, unit)
        return with_unit

    def _check_concrete(self, values: _Kept) -> _Kept:
        """``values``, a pytree that the object is going to keep.

        Raises:
            RuntimeError: under a JAX transformation, whose tracers would outlive it here.
        """
        if not all(map(is_concrete, jax.tree.leaves(values))):
            name = self.kernel.name
            where = f"synkin.{name}" if getattr(sys.modules["synkin"], name, None) is self.kernel else name
            raise RuntimeError(
                f"{type(self).__name__} keeps its state in itself and cannot be made, set or updated inside "
                f"jax.jit, vmap, grad or scan: use synkin.stepper or synkin.simulate with {where} there."
            )
        return values


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
