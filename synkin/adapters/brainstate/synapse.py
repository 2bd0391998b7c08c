"""What all synapses for brainstate share: parameters, states, and the step of the dt in force."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import brainevent
import brainpy.state
import brainstate
import braintools
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from brainpy_state._mixin import AlignPost as AlignPost  # it has no public name, and must come after brainpy.state
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_method
from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.known import is_concrete
from synkin.arguments.messages import describe
from synkin.arguments.numbers import Shape, as_array, check_shape
from synkin.arguments.params_and_states import aligned_params, check_params, nan_if_invalid
from synkin.arguments.times import check_dt, nan_if_invalid_dt
from synkin.arguments.varying import check_value
from synkin.declaring.kernel import Kernel
from synkin.networks.plasticity import Params as ReleaseParams
from synkin.networks.plasticity import tsodyks_markram
from synkin.networks.release_on_grid import without_unused
from synkin.objects.constructors import completed
from synkin.objects.release import check_release, check_varying, release_in_step
from synkin.objects.synapse import compiled_stepper
from synkin.objects.values import as_state
from synkin.solving.carry import with_weight
from synkin.solving.first_carry import resume_carry
from synkin.solving.rounding import warn_of_rounding
from synkin.solving.stepper import Stepper

Value = ArrayLike | Callable[[Shape], ArrayLike]
"""A parameter or initial value: a number, an array that broadcasts, a callable of the shape, a state of brainstate."""

Numbers: TypeAlias = ArrayLike | u.Quantity
"""Numbers with or without a unit."""

_Value = TypeVar("_Value")

NO_G = braintools.init.Constant(0.0 * u.mS)


class Synapse(brainpy.state.Synapse):
    """The base of the synapses for brainstate. `Linear` and `Receptor` define their steps."""

    kernel: Kernel
    _initializers: tuple[tuple[str, str], ...] = (("g", "g_initializer"),)  # variable, attribute
    _values_may_be = (
        "A parameter is a number (in these units), a quantity, an array that broadcasts, a function of the shape, or\n"
        "a state or parameter of brainstate. It may be set again. g has the unit of ``g_initializer``."
    )
    _example = """\
>>> import brainstate, brainunit as u
>>> from synkin.adapters.brainstate import {name}
>>> synapse = {name}(2, method="exact")
>>> synapse.init_state()
>>> with brainstate.environ.context(t=0.0 * u.ms, dt=0.1 * u.ms):
...     g = synapse(np.array({first}))  # {input}
>>> g.shape
(2,)"""
    _g_unit: u.Unit = u.mS
    _keeps_g = False  # whether there is a state g, which is no variable of the kernel
    _attributes: Mapping[str, str] = {}  # of a parameter whose attribute has another name, that name

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        *,
        method: str | None = None,
        overlap: str | None = None,
        release: ReleaseParams | None = None,
        g_unit: u.Unit = u.mS,
        **params: Value,
    ) -> None:
        values = completed(self.kernel, params)
        if not isinstance(g_unit, u.Unit):
            raise TypeError(f"Argument `g_unit` must be a unit of brainunit, but is {describe(g_unit)}.")
        self._g_unit = g_unit
        overlap = "restart" if overlap is None else overlap
        options = {"in_size": in_size, "name": name, "method": method, "overlap": overlap, "release": release}
        self._construct(options, values)

    def _construct(self, options: Mapping[str, object], params: Mapping[str, object] | None = None) -> None:
        """Set up the module.

        Args:
            options: arguments of a constructor by name, its ``locals()``.
            params: the kernel's parameters; None where they are among ``options``.
        """
        method, overlap, kernel = options["method"], options.get("overlap", "restart"), self.kernel
        kernel.input.check_overlap(overlap)
        if not check_shape(options["in_size"], "in_size"):
            raise ValueError("Argument `in_size` must be an int or a shape of one axis and more, but is ().")
        super().__init__(in_size=options["in_size"], name=options["name"])
        check_method(method, kernel)
        self.method = str(method or kernel.methods[0])
        self._overlap = str(overlap)
        for field in kernel.Params._fields:
            value = options[field] if params is None else params[field]
            value = value(self.varshape) if callable(value) and not _holds_value(value) else value
            value = u.math.asarray(value) if isinstance(value, list | tuple) else value
            setattr(self, self._attributes.get(field, field), value)
        check_params(self._params(), self.varshape, kernel)
        self.release = options["release"]
        if self.release is not None:
            self._release_params()
        for _, attribute in self._initializers:
            setattr(self, attribute, options[attribute])

    @classmethod
    def _default_of(cls, name: str) -> Numbers:
        """The default of a parameter, with its unit."""
        known = cls.kernel.parameters[name]
        return with_unit(units.unit_of(known.unit), known.default)

    def init_state(self, batch_size: int | None = None, **kwargs: object) -> None:
        """Make the states, each with its initial value.

        Args:
            batch_size: length of a batch axis in front of `varshape`; None for no such axis.

        Raises:
            TypeError, ValueError: an initial value of the wrong kind, shape or unit.
        """
        for field, value in self._initial(batch_size).items():
            kind = brainstate.HiddenState if field in self.kernel.order else brainstate.ShortTermState
            setattr(self, field, kind(value))

    def reset_state(self, batch_size: int | None = None, **kwargs: object) -> None:
        """Give every state its initial value again; see `init_state`."""
        for field, value in self._initial(batch_size).items():
            getattr(self, field).value = value

    def update(self, *args: Any, **kwargs: Any) -> Numbers:
        """Advance by one step and return g; see `Linear.update` and `Receptor.update`."""
        raise NotImplementedError

    def _initial(self, batch_size: int | None) -> dict[str, Numbers]:
        """The initial value of each state, quantities and plain arrays, by name."""
        shape = (() if batch_size is None else check_shape(batch_size, "batch_size")) + self.varshape
        given = {}
        for field, attribute in self._initializers:
            value = getattr(self, attribute)
            given[field] = value(shape) if callable(value) else value
        if given:
            self._g_unit = u.get_unit(next(iter(given.values())))
        kernel, dtype = self.kernel, brainstate.environ.dftype()
        state = kernel.init(self._params(), shape, dtype=dtype)
        values = {
            field: as_state(attribute, in_unit(self._unit(field), attribute, given[field]), shape, dtype)
            for field, attribute in self._initializers
        }
        state = state._replace(**values)
        initial = {field: self._quantity(field, value) for field, value in state._asdict().items()}
        if self._keeps_g:
            params = aligned_params(as_arrays(self._params(), dtype), state[0], kernel)
            initial["g"] = with_unit(self._g_unit, jnp.broadcast_to(kernel.conductance(params, state), shape))
        if self.release is not None:
            initial["release_state"] = tsodyks_markram.init(self._release_params(), shape, dtype=dtype)
        if self._weighted:
            parts = () if len(kernel.parts) == 1 else (len(kernel.parts),)
            initial["pulse_height"] = jnp.ones((*parts, *shape), dtype)
        return initial

    def _state(self) -> AnyState:
        """The kernel's ``State`` as it is now, without units."""
        fields = self.kernel.State._fields
        return self.kernel.State(*(in_unit(self._unit(field), field, getattr(self, field).value) for field in fields))

    def _step(self, spike: Array | None, values: Mapping[str, Numbers]) -> Numbers:
        """Advance all states by one step, and return g with its unit.

        Args:
            spike: checked; an input for a linear kernel, None where T varies.
            values: of the parameters that vary.
        """
        state, kernel = self._state(), self.kernel
        like = state[0]
        names = check_varying(kernel, values, self.release is not None)
        checked = {name: check_value(kernel, name, values[name], None, like.shape) for name in names}
        stepper = self._stepper(like.dtype, names)
        carry = resume_carry(stepper, state)
        if self.release is not None and spike is not None:
            params = without_unused(self._release_params())
            params = jax.tree.map(lambda value: as_array(value, like.dtype), params)
            releasing = (params, self.release_state.value, stepper.dt)
            self.release_state.value, spike = release_in_step(releasing, spike, like.dtype)
        if self._weighted:
            carry = with_weight(carry, self.pulse_height.value)
        carry, g = stepper.step(carry, spike, **checked)
        if self._weighted:
            self.pulse_height.value = carry.weight
        for field, value in stepper.state(carry)._asdict().items():
            getattr(self, field).value = self._quantity(field, value)
        returned = with_unit(self._g_unit, g)
        if self._keeps_g:
            self.g.value = returned
        return returned

    @property
    def _weighted(self) -> bool:
        """Whether each pulse has a height of its own."""
        return self.release is not None and not self.kernel.input.takes_weights

    def _release_params(self) -> AnyParams:
        """The parameters of the release without units, as they are now; there must be a release."""
        given: AnyParams = check_release(self.release)
        held = units.params(tsodyks_markram, given._make(map(_held_value, given)))
        return nan_if_invalid(check_params(held, self.varshape, tsodyks_markram), tsodyks_markram)

    def _stepper(self, dtype: np.dtype, varying: tuple[str, ...]) -> Stepper:
        """The stepper for the parameters as they are and for the dt in force."""
        dt = check_dt(units.strip_unit("dt", environ("dt"), "ms"))
        params = check_params(self._params(), self.varshape, self.kernel)
        warn_of_rounding(self.kernel, self._params_for_kernel(params), dt, self.method)
        options = (self.kernel, self.method, self._overlap, varying, self._weighted, np.dtype(dtype))
        if self.method == "exact" and all(map(is_concrete, (*params, dt))):
            # Tables and powers of matrices become constants of the program that is traced. XLA takes the few
            # exponentials of "exp_euler" out of a loop by itself, which saves a compilation.
            with jax.ensure_compile_time_eval():
                return compiled_stepper(*options, self._params_for_kernel(params), dt)
        params = nan_if_invalid(params, self.kernel)
        return compiled_stepper(*options, self._params_for_kernel(params), nan_if_invalid_dt(dt))

    def _params(self) -> AnyParams:
        """The parameters without units, as they are now."""
        kernel = self.kernel
        given = (getattr(self, self._attributes.get(field, field)) for field in kernel.Params._fields)
        return units.params(kernel, kernel.Params(*map(_held_value, given)))

    def _params_for_kernel(self, given: AnyParams) -> AnyParams:
        """The kernel's parameters, computed from those of the module."""
        return given

    def _unit(self, field: str) -> u.Unit:
        """The unit of a state: that of the kernel, in which the unit of g takes the place of mS."""
        name = self.kernel.variables[field]
        return self._g_unit if name == "mS" else _with_g_unit(name, self._g_unit)

    def _quantity(self, field: str, value: ArrayLike) -> Numbers:
        return with_unit(self._unit(field), value)


@functools.cache  # brainstate compares the units of states at each call, which is fast if they are one object
def _with_g_unit(name: str, g_unit: u.Unit) -> u.Unit:
    """The unit of that name, in which ``g_unit`` takes the place of mS."""
    if "mS" not in name:
        return units.unit_of(name)
    return g_unit * (units.unit_of(name) / u.mS)


def environ(key: str) -> Numbers:
    """t or dt of brainstate.

    Raises:
        ValueError: it is not set.
    """
    value = brainstate.environ.get(key, None)
    if value is None:
        raise ValueError(
            f"`{key}` is not set: give it by `with brainstate.environ.context({key}=...):`, such as 0.1 * brainunit.ms."
        )
    return value


def _holds_value(value: object) -> bool:
    """Whether a parameter is a state of brainstate, or a parameter of its modules, which may be trained."""
    return isinstance(value, brainstate.State | brainstate.nn.Param)


def _held_value(value: object) -> object:
    """The current value of such a parameter; others are returned as they are."""
    if isinstance(value, brainstate.State):
        return value.value
    return value.value() if isinstance(value, brainstate.nn.Param) else value


def as_arrays(params: AnyParams, dtype: np.dtype) -> AnyParams:
    """A ``Params`` of arrays of one dtype."""
    return params._make(as_array(value, dtype) for value in params)


def event_array(value: _Value) -> _Value:
    """The array in an array of brainevent, in which a projection wraps spikes; anything else is returned unchanged."""
    return value.value if isinstance(value, brainevent.EventRepresentation) else value


def in_unit(unit: u.Unit, name: str, value: Numbers) -> ArrayLike:
    """``value`` without its unit, in ``unit``; a plain number is in it already."""
    if not isinstance(value, u.Quantity):
        return value
    if not unit.has_same_dim(value.unit):
        raise TypeError(
            f"Argument `{name}` must be {units.describe_unit(unit)}, but is {units.describe_unit(value.unit)}."
        )
    return value.mantissa if unit.has_same_magnitude(value.unit) else value.to(unit).mantissa


def with_unit(unit: u.Unit, value: ArrayLike) -> Numbers:
    """``value`` as a quantity, or unchanged if the unit is that of plain numbers."""
    return value if unit.is_unitless else u.Quantity(value, unit=unit)
