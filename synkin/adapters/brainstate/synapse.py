"""What all synapses for brainstate share: parameters, states, and the step of the dt in force."""

import functools
from collections.abc import Callable
from typing import Any

import brainevent
import brainpy.state
import brainstate
import braintools
import brainunit as u
import jax
import numpy as np
from brainpy_state._mixin import AlignPost as AlignPost  # it has no public name, and must come after brainpy.state
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_method
from synkin.arguments.known import is_concrete
from synkin.arguments.numbers import Shape
from synkin.arguments.params_and_states import check_params, nan_if_invalid
from synkin.arguments.times import check_dt, nan_if_invalid_dt
from synkin.objects.synapse import axes, spread
from synkin.solving.stepper import prepared, resume_carry, warn_of_rounding

Value = ArrayLike | Callable[[Shape], ArrayLike]
"""A parameter or initial value: a number, an array that broadcasts, a callable of the shape, a state of brainstate."""

NO_G = braintools.init.Constant(0.0 * u.mS)


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _prepared(kernel: Any, method: str, overlap: str, dtype: Any, params: Any, dt: ArrayLike) -> Any:
    return prepared(kernel, params, dt, method, overlap, dtype)


class Synapse(brainpy.state.Synapse):
    """What all share: parameters, states, and the stepper of the dt in force."""

    kernel: Any
    _initializers: tuple[tuple[str, str], ...] = (("g", "g_initializer"),)  # variable, attribute
    _overlap = "restart"
    _g_unit: Any = u.mS
    _attributes: dict[str, str] = {}  # noqa: RUF012 (never mutated): where a parameter is, if not by its own name

    def __init__(
        self,
        in_size: Any,
        name: str | None,
        given: dict[str, Value],
        method: str | None,
        overlap: str,
        g_unit: Any = None,  # None for that of the initial g
    ) -> None:
        if not axes("in_size", in_size):
            raise ValueError("Argument `in_size` must be an int or a shape of one axis and more, but is ().")
        super().__init__(in_size=in_size, name=name)
        check_method(method, self.kernel)
        self.method = method or self.kernel.methods[0]
        if not self.kernel.input.takes_weights:
            self._overlap = overlap
        if g_unit is not None:
            self._g_unit = g_unit
        for field, value in given.items():
            value = value(self.varshape) if callable(value) and not _holds_value(value) else value
            value = u.math.asarray(value) if isinstance(value, list | tuple) else value
            setattr(self, self._attributes.get(field, field), value)
        check_params(self._params(), self.varshape, self.kernel)

    def init_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """Make the states, each with its initial value.

        Args:
            batch_size: length of a batch axis in front of `varshape`; None for no such axis.

        Raises:
            TypeError, ValueError: an initial value that makes no sense.
        """
        for field, value in self._initial(batch_size).items():
            kind = brainstate.HiddenState if field in self.kernel.order else brainstate.ShortTermState
            setattr(self, field, kind(value))

    def reset_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """Give every state its initial value again; see `init_state`."""
        for field, value in self._initial(batch_size).items():
            getattr(self, field).value = value

    def update(self, *args: Any, **kwargs: Any) -> Any:
        """Advance by one step and return g; see `Linear.update` and `Receptor.update`."""
        raise NotImplementedError

    def _initial(self, batch_size: int | None) -> dict[str, Any]:
        """The initial value of each state, quantities and plain arrays, by name."""
        shape = (() if batch_size is None else axes("batch_size", batch_size)) + self.varshape
        given = {}
        for field, attribute in self._initializers:
            value = getattr(self, attribute)
            given[field] = value(shape) if callable(value) else value
        if given:
            self._g_unit = u.get_unit(next(iter(given.values())))
        dtype = brainstate.environ.dftype()
        state = self.kernel.init(self._params(), shape, dtype=dtype)
        values = {
            field: spread(attribute, in_unit(self._unit(field), attribute, given[field]), shape, dtype)
            for field, attribute in self._initializers
        }
        state = state._replace(**values)
        return {field: self._quantity(field, value) for field, value in state._asdict().items()}

    def _step(self, drive: Array) -> tuple[Any, Any]:
        """The kernel's ``State`` after a step, and g with its unit; ``drive`` is a spike or an input."""
        state = self.kernel.State(
            *(in_unit(self._unit(field), field, getattr(self, field).value) for field in self.kernel.State._fields)
        )
        ready = self._ready(state[0].dtype)
        carry, g = ready.step(resume_carry(ready, state), drive)
        return ready.state(carry), with_unit(self._g_unit, g)

    def _keep(self, state: Any) -> None:
        for field, value in state._asdict().items():
            getattr(self, field).value = self._quantity(field, value)

    def _ready(self, dtype: Any) -> Any:
        """The stepper for the parameters as they are and for the dt in force."""
        dt = check_dt(units.plain("dt", environ("dt"), "ms"))
        params = check_params(self._params(), self.varshape, self.kernel)
        warn_of_rounding(self.kernel, self._for_kernel(params), dt, self.method)
        options = (self.kernel, self.method, self._overlap, np.dtype(dtype))
        if self.method == "exact" and all(map(is_concrete, (*params, dt))):
            # Tables, and powers of matrices: constants of whatever is being traced. The few exponentials of "exp_euler"
            # XLA itself takes out of a loop, which spares a compilation.
            with jax.ensure_compile_time_eval():
                return _prepared(*options, self._for_kernel(params), dt)
        return _prepared(*options, self._for_kernel(nan_if_invalid(params, self.kernel)), nan_if_invalid_dt(dt))

    def _params(self) -> Any:
        """The parameters without units, as they are now."""
        kernel = self.kernel
        given = (getattr(self, self._attributes.get(field, field)) for field in kernel.Params._fields)
        return units.params(kernel, kernel.Params(*(_held(value) for value in given)))

    def _for_kernel(self, params: Any) -> Any:
        """The kernel's parameters from those that were given."""
        return params

    def _unit(self, field: str) -> Any:
        """The unit of a state: where the kernel says mS, that of g."""
        name = self.kernel.variables[field]
        if "mS" not in name:
            return units.unit_of(name)
        return self._g_unit * (units.unit_of(name) / u.mS)

    def _quantity(self, field: str, value: Array) -> Any:
        return with_unit(self._unit(field), value)


def environ(key: str) -> Any:
    """t or dt of brainstate."""
    value = brainstate.environ.get(key, None)
    if value is None:
        raise ValueError(
            f"`{key}` is not set: give it by `with brainstate.environ.context({key}=...):`, such as 0.1 * brainunit.ms."
        )
    return value


def _holds_value(value: Any) -> bool:
    """Whether a parameter is a state of brainstate, or a parameter of its modules, which may be trained."""
    return isinstance(value, brainstate.State | brainstate.nn.Param)


def _held(value: Any) -> Any:
    if isinstance(value, brainstate.State):
        return value.value
    return value.value() if isinstance(value, brainstate.nn.Param) else value


def plain_event(value: Any) -> Any:
    """The array of a brainevent array, in which a projection wraps spikes."""
    return value.value if isinstance(value, brainevent.EventRepresentation) else value


def in_unit(unit: Any, name: str, value: Any) -> Any:
    """``value`` without its unit, in ``unit``; a plain number is in it already."""
    if not units.is_quantity(value):
        return value
    if not unit.has_same_dim(value.unit):
        raise TypeError(f"Argument `{name}` must be {units.worded(unit)}, but is {units.worded(value.unit)}.")
    return value.mantissa if unit.has_same_magnitude(value.unit) else value.to(unit).mantissa


def with_unit(unit: Any, value: Array) -> Any:
    """``value`` as a quantity, unless its unit is none."""
    return value if unit.is_unitless else u.Quantity(value, unit=unit)
