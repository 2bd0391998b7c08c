"""What all synapse objects share: parameters and state variables as attributes, initial values, the clock."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_method
from synkin.arguments.known import is_concrete
from synkin.arguments.messages import describe
from synkin.arguments.numbers import Shape, as_real, broadcasts
from synkin.arguments.params_and_states import check_params
from synkin.arguments.shapes import check_shape
from synkin.objects import environ
from synkin.solving.stepper import carry_from_state, prepared, warn_of_rounding

Value = ArrayLike | Callable[[Shape], ArrayLike]
"""A parameter or initial value: a number, an array that broadcasts or a callable of the shape, with a unit or not."""

_serial_numbers = itertools.count()


@partial(jax.jit, static_argnums=(0, 1, 2))
def _prepared(kernel: Any, method: str, overlap: str, params: Any, dt: ArrayLike, like: Array) -> Any:
    return prepared(kernel, params, dt, method, overlap, like.dtype)


@partial(jax.jit, static_argnums=2)
def _begun(ready: Any, state: Any, at_rest: bool) -> Any:
    return carry_from_state(ready, state, at_rest=at_rest)


@jax.jit
def _state_of(ready: Any, carry: Any) -> Any:
    return ready.state(carry)


class Parameter:
    """A parameter of the kernel as an attribute; a new value is checked, and used from then on."""

    def __init__(self, field: str = "") -> None:
        self.field = field

    def __set_name__(self, owner: type, name: str) -> None:
        self.field = self.field or name

    def __get__(self, synapse: Any, owner: type | None = None) -> Any:
        if synapse is None:
            return self
        self._check(synapse)
        return synapse._with_unit(getattr(synapse._given, self.field), getattr(synapse.kernel.UNITS, self.field))

    def __set__(self, synapse: Synapse, value: Value) -> None:
        self._check(synapse)
        synapse._give(**{self.field: value})

    def _check(self, synapse: Any) -> None:
        # Every receptor's class has a T_dur, and in a sum each part has its own.
        kernel = synapse.kernel
        if self.field not in kernel.Params._fields:
            listed = ", ".join(kernel.Params._fields)
            raise AttributeError(
                f"Attribute `{self.field}` must be a parameter of {kernel.name} ({listed}), but is none."
            )


class Variable:
    """A state variable as an attribute, ``synapse.g``, to be read and set as ``synapse.g.value``."""

    def __init__(self, unit: str | None = None) -> None:
        self.unit = unit  # of what is no variable of the kernel

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, synapse: Any, owner: type | None = None) -> Any:
        return self if synapse is None else Held(synapse, self.name, self.unit or synapse.kernel.variables[self.name])

    def __set__(self, synapse: Synapse, value: Any) -> None:
        raise AttributeError(f"Attribute `{self.name}` cannot be replaced: set `{self.name}.value` instead.")


class Held:
    """One state variable of one object, always as it is now."""

    def __init__(self, synapse: Synapse, name: str, unit: str) -> None:
        self._synapse, self._name, self._unit = synapse, name, unit

    @property
    def value(self) -> Array:
        """The array, of the state's shape; what is set must broadcast to it, and takes its dtype."""
        return self._synapse._with_unit(self._synapse._read(self._name), self._unit)

    @value.setter
    def value(self, value: ArrayLike) -> None:
        synapse = self._synapse
        like = synapse._read(self._name)
        value = synapse._take(self._name, value, self._unit)
        synapse._write(self._name, synapse._concrete(spread(self._name, value, like.shape, like.dtype)))

    def __repr__(self) -> str:
        return f"{self._synapse.name}.{self._name}.value = {self.value!r}"


class Synapse:
    """The base of the objects; `synkin.objects.linear` and `synkin.objects.receptors` say what a step is."""

    kernel: Any
    _has_units = False  # whether it has been given a quantity
    _overlap = "restart"
    _initializers: tuple[tuple[str, str], ...] = (("g", "g_initializer"),)  # field of the state, attribute

    def __init__(self, in_size: int | Shape, name: str | None, given: dict[str, Value], method: str | None) -> None:
        check_method(method, self.kernel)
        self._in_size = axes("in_size", in_size)
        self.name = f"{type(self).__name__}{next(_serial_numbers)}" if name is None else name
        self._method = method or self.kernel.methods[0]
        self._given = self.kernel.Params(**given)  # all of them, checked next
        self._give(**given)
        self._batch: Shape = ()
        self._held_state: Any = None
        self._at_rest = False
        self._going: Any = None  # the stepper and its carry, once steps are taken
        self._going_for: Any = None  # the parameters and dt that they are for
        self._clock: Any = 0.0

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
    def params(self) -> Any:
        """The kernel's ``Params``, as arrays, ready for ``kernel.step``."""
        return self._params

    @property
    def state(self) -> Any:
        """The kernel's ``State``, ready for ``kernel.step``; what comes back from there may be set here."""
        if self._state is None:
            self.init_state()
        return self._state

    @state.setter
    def state(self, state: Any) -> None:
        old = self.state
        if getattr(state, "_fields", None) != old._fields:
            raise TypeError(
                f"Argument `state` must be a State with the fields {old._fields}, but is {describe(state)}."
            )
        new = (
            spread(field, self._take(field, value, self.kernel.variables[field]), like.shape, like.dtype)
            for field, value, like in zip(old._fields, state, old, strict=True)
        )
        self._state = self._concrete(type(old)(*new))

    @property
    def _state(self) -> Any:
        if self._held_state is None and self._going is not None:
            with jax.ensure_compile_time_eval():  # it is known, under a transformation too
                self._held_state = _state_of(*self._going)
        return self._held_state

    @_state.setter
    def _state(self, state: Any) -> None:
        self._held_state, self._going, self._at_rest = state, None, False

    def _ready(self, dt: Any) -> tuple[Any, Any]:
        """The stepper for ``dt`` ms and the carry to go on from: made anew only where something has changed."""
        wanted = (self._params, dt)
        if self._going is not None:
            params, last = self._going_for
            if params is self._params and (last is dt or (is_concrete(dt) and last == dt)):
                return self._going
        state, at_rest = self.state, self._at_rest
        warn_of_rounding(self.kernel, self._params, dt, self._method)
        ready = _prepared(self.kernel, self._method, self._overlap, self._params, dt, state[0])
        self._held_state, self._going, self._going_for = state, None, wanted
        self._at_rest = at_rest
        carry = _begun(ready, state, at_rest)
        # A step needs no parameters besides what was made of them, and every array that it is given takes its time.
        return dataclasses.replace(ready, params=None), carry

    def _gone(self, ready: Any, carry: Any) -> None:
        """Keep what a step gave."""
        self._going, self._held_state, self._at_rest = (ready, carry), None, False

    def init_state(self, batch_size: int | None = None) -> None:
        """Set every state variable to its initial value, and the object's own time to 0.

        Args:
            batch_size: length of a batch axis in front of `varshape`; None for no such axis.

        Raises:
            TypeError, ValueError: a batch size or an initial value that makes no sense.
        """
        batch = () if batch_size is None else axes("batch_size", batch_size)
        if len(batch) > 1:
            raise TypeError(f"Argument `batch_size` must be an int, but is {batch_size!r}.")
        shape = batch + self._in_size
        state = self.kernel.init(self._params, shape)
        initial = {}
        for field, attribute in self._initializers:
            value = getattr(self, attribute)
            value = self._take(attribute, value(shape) if callable(value) else value, self.kernel.variables[field])
            initial[field] = spread(attribute, value, shape, state[0].dtype)
        self._state = self._concrete(state._replace(**initial))
        self._at_rest = True  # no pulse is under way
        self._batch = batch
        self._clock = 0.0

    def reset_state(self, batch_size: int | None = None) -> None:
        """As `init_state`, but without ``batch_size`` the batch stays as it is."""
        self.init_state(self.batch_size if batch_size is None else batch_size)

    def update(self, *args: Any, **kwargs: Any) -> Array:
        """Advance by one step and return g; see `Linear.update` and `Receptor.update`."""
        raise NotImplementedError

    def __call__(self, *args: Any, **kwargs: Any) -> Array:
        """`update`."""
        return self.update(*args, **kwargs)

    def run(self, spikes: ArrayLike, dt: ArrayLike | None = None) -> Array:
        """Advance over a whole train, as by `update` row by row, at the speed of `synkin.simulate`.

        Args:
            spikes: (T, *shape of the state); what each row may be is said at `update`.
            dt: step in ms, by default that of `synkin.environ`.

        Returns:
            g at the steps' ends, (T, *shape of the state), in the unit that `update` gives.

        Raises:
            TypeError, ValueError: no dt, or a train of the wrong kind or shape.
            RuntimeError: under a JAX transformation; there `synkin.simulate` belongs.
        """
        t, step = self._time(dt)
        shape = self.state[0].shape
        spikes = self._take("spikes", spikes, self.kernel.input.unit)
        train: Array = self.kernel.input.check_train(real("spikes", spikes), shape)
        g = self._run(train, t, step)
        self._clock = t + len(train) * step
        return units.quantity(g, "mS") if self._has_units else g

    def _run(self, spikes: Array, t: float, dt: float) -> Array:
        """The run itself: the new state kept, g returned."""
        raise NotImplementedError

    def __repr__(self) -> str:
        size = self._in_size[0] if len(self._in_size) == 1 else self._in_size
        settings = {field: brief(value) for field, value in self._given._asdict().items()}
        settings |= self._options()
        settings["batch_size"] = repr(self.batch_size)
        listed = ", ".join(f"{key}={value}" for key, value in settings.items())
        return f"{type(self).__name__}({size}, name={self.name!r}, {listed})"

    def _options(self) -> dict[str, str]:
        """What else `repr` tells, as text."""
        return {"method": repr(self._method)}

    def _give(self, **given: Value) -> None:
        """Take parameters as a person gives them: none is changed unless all are sound."""
        arrays = {}
        for field, value in given.items():
            value = value(self._in_size) if callable(value) else value
            self._has_units = self._has_units or units.is_quantity(value)
            value = units.parameter(self.kernel, field, value)
            arrays[field] = jnp.array(real(field, value, "Parameter"), jnp.result_type(float))
        candidates = self._concrete(self._given._replace(**arrays))
        check_params(candidates, self._in_size, self.kernel)
        self._given, self._params = candidates, self._for_kernel(candidates)

    def _for_kernel(self, given: Any) -> Any:
        """The kernel's parameters from those that were given."""
        return given

    def _read(self, name: str) -> Array:
        return getattr(self.state, name)

    def _write(self, name: str, value: Array) -> None:
        self._state = self.state._replace(**{name: value})

    def _input(self, name: str, value: Any) -> Any:
        """One step's input, its shape checked; next to free where an array has the state's shape."""
        shape = (*self._batch, *self._in_size)
        if not (isinstance(value, jax.Array) and value.shape == shape and value.dtype.kind != "c"):
            value = real(name, self._take(name, value, self.kernel.input.unit))
            if not broadcasts(value.shape, shape):
                raise ValueError(f"Argument `{name}` must have shape {shape}, but has shape {value.shape}.")
        return value

    def _time(self, dt: Any = None) -> tuple[Any, Any]:
        """Time and step in ms, from `synkin.environ` where no step is given."""
        t = environ.get("t", self._clock)
        dt = environ.get("dt") if dt is None else environ.checked_dt(dt)
        return self._take("t", t, "ms"), self._take("dt", dt, "ms")

    def _take(self, name: str, value: Any, unit: str, kind: str = "Argument") -> Any:
        """``value`` without its unit; from the first quantity on the object gives quantities."""
        if not units.is_quantity(value):
            return value
        value = units.plain(name, value, unit, kind)
        self._has_units = True
        return value

    def _with_unit(self, value: Array, unit: str) -> Any:
        """``value`` as a quantity, where the object gives these."""
        if unit == "1" or not (self._has_units or units.among(environ.get("t", None), environ.get("dt", None))):
            return value
        return units.quantity(value, unit)

    def _concrete(self, values: Any) -> Any:
        """``values``, a pytree that the object is going to hold.

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


def real(name: str, value: Any, kind: str = "Argument") -> Array | np.ndarray:
    """``value``, without a unit, as an array of real numbers: all but t and dt comes in by here."""
    value = as_real(name, value, kind)
    return value if isinstance(value, jax.Array) else np.asarray(value)


def spread(name: str, value: Any, shape: Shape, dtype: Any) -> Array:
    """``value`` copied and broadcast to ``shape``.

    Raises:
        TypeError: not real numbers.
        ValueError: a shape that does not broadcast, or values that are not finite.
    """
    value = jnp.array(real(name, value), dtype)  # a copy: numpy's arrays may change under the object
    if not broadcasts(value.shape, shape):
        raise ValueError(f"Argument `{name}` must broadcast to shape {shape}, but has shape {value.shape}.")
    if is_concrete(value) and not np.isfinite(np.asarray(value)).all():
        raise ValueError(f"Argument `{name}` must be finite, but has NaN or infinite values.")
    return jnp.broadcast_to(value, shape)


def axes(name: str, value: Any) -> Shape:
    try:
        return check_shape(value)
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("shape", name, 1)) from None


def brief(value: Array) -> str:
    """A number as it is, an array as its kind."""
    return str(value) if value.ndim == 0 else f"{value.dtype}[{','.join(map(str, value.shape))}]"
