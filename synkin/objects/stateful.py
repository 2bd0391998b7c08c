"""What all objects share: parameters and state variables as attributes, units, and time."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.declaration import AnyParams, AnyState, Declaration
from synkin.arguments.messages import describe
from synkin.arguments.numbers import Shape, broadcasts, check_shape
from synkin.arguments.params_and_states import check_params
from synkin.objects import environ
from synkin.objects.values import Value, as_real_array, as_state, short_repr

_serial_numbers = itertools.count()

_Kept = TypeVar("_Kept")


class Stateful:
    """An object that holds the parameters and the state of what ``kernel`` declares, and is advanced step by step."""

    kernel: Declaration
    _initializers: tuple[tuple[str, str], ...] = ()  # variable, attribute
    _values_may_be = (
        "A parameter or initial value is a number, an array that broadcasts to the shape of the synapses, or a\n"
        "function that gets this shape and returns such an array."
    )
    _example = """\
>>> synapse = synkin.{name}(2, method="exact")
>>> synapse.init_state()
>>> g = synapse.run([{first}, {later}, {later}], dt=0.1)  # {input}, a row a step
>>> print(g.max(axis=0) > 0)
[True False]"""
    _has_units = False  # whether it has been given a quantity
    _state: AnyState  # None before it is first needed

    def _begin(self, in_size: Any, name: object, params: Mapping[str, object]) -> None:
        """Set up the object with parameters by name, as a constructor took them."""
        self._in_size = check_shape(in_size, "in_size")
        self.name = f"{type(self).__name__}{next(_serial_numbers)}" if name is None else str(name)
        self._given = self.kernel.Params(**params)  # as the constructor took them, until they are checked
        self._set_params(params)
        self._batch: Shape = ()
        self._clock = 0.0

    @classmethod
    def _default_of(cls, name: str) -> Value:
        """The default of a parameter."""
        default: Value = cls.kernel.Params._field_defaults[name]
        return default

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
        self._check_may_be_set("state")
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

    def init_state(self, batch_size: int | None = None) -> None:
        """Set every state variable to its initial value, and the time of the object to 0.

        Args:
            batch_size: the length of a batch axis in front of the shape of the synapses; None for no such axis.

        Raises:
            TypeError, ValueError: the batch size or an initial value is of the wrong kind, shape or range.

        Example:
            >>> depression = synkin.STD(2)
            >>> depression.init_state(batch_size=3)
            >>> depression.x.value.shape
            (3, 2)
        """
        batch = () if batch_size is None else check_shape(batch_size, "batch_size")
        if len(batch) > 1:
            raise TypeError(f"Argument `batch_size` must be an int, but is {batch_size!r}.")
        shape = batch + self._in_size
        state = self.kernel.rest_state(self._params, shape, jnp.result_type(float))
        initial = {}
        for field, attribute in self._initializers:
            given = getattr(self, attribute)
            value = given(shape) if callable(given) else given
            value = self._strip_unit(attribute, value, self.kernel.variables[field])
            initial[field] = as_state(attribute, value, shape, state[0].dtype)
        self._state = self._check_concrete(state._replace(**initial))
        self._batch = batch
        self._clock = 0.0

    def reset_state(self, batch_size: int | None = None) -> None:
        """Like `init_state`, but if ``batch_size`` is left out, the batch axis stays as it is.

        Example:
            >>> synapse = synkin.AMPA(2)
            >>> synapse.init_state(batch_size=3)
            >>> synapse.reset_state()  # at rest again, with the same batch
            >>> synapse.g.value.shape
            (3, 2)
        """
        self.init_state(self.batch_size if batch_size is None else batch_size)

    def update(self, *args: Any, **kwargs: Any) -> Array:
        """Advance by one step; see `Linear.update`, `Receptor.update` and `Plasticity.update`."""
        raise NotImplementedError

    def __call__(self, *args: object, **kwargs: object) -> Array:
        """`update`."""
        return self.update(*args, **kwargs)

    def __repr__(self) -> str:
        size = self._in_size[0] if len(self._in_size) == 1 else self._in_size
        settings = {field: short_repr(value) for field, value in self._given._asdict().items()}
        settings |= self._options()
        settings["batch_size"] = repr(self.batch_size)
        listed = ", ".join(f"{key}={value}" for key, value in settings.items())
        return f"{type(self).__name__}({size}, name={self.name!r}, {listed})"

    def _options(self) -> dict[str, str]:
        """Options that `repr` shows besides the parameters, as text."""
        return {}

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

    def _check_may_be_set(self, name: str) -> None:
        """Raise AttributeError if ``name``, of the state, cannot be set."""

    def _write(self, name: str, value: Array) -> None:
        self._check_may_be_set(name)
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

    @property
    def _instead(self) -> str:
        """What to use under a JAX transformation, for the message."""
        raise NotImplementedError

    def _check_concrete(self, values: _Kept) -> _Kept:
        """``values``, a pytree that the object is going to keep.

        Raises:
            RuntimeError: under a JAX transformation, whose tracers would outlive it here.
        """
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(values)):
            raise RuntimeError(
                f"{type(self).__name__} keeps its state in itself and cannot be made, set or updated inside "
                f"jax.jit, vmap, grad or scan: use {self._instead} there."
            )
        return values
