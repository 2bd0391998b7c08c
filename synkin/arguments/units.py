"""Quantities with units (of saiunit) become plain arrays here, and results become quantities again.

    tau = units.strip_unit("tau", 0.008 * u.second, "ms", "Parameter")  # 8.0; what is no quantity comes back unchanged
    g = units.quantity(g, "mS")

Inside synkin all arrays are plain, in ms, mM, mS and mV. A public function removes the units of its arguments with
`plain`, `params` and `state`, and returns g as a quantity if `among` found a quantity in the arguments. saiunit is
optional and never imported here: if the program has not imported it, no value is a quantity. A quantity of brainunit is
one of saiunit.
"""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Mapping
from typing import Any, Protocol, TypeGuard

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


class HasUnit(Protocol):
    """What is known of a parameter: its unit, or more."""

    @property
    def unit(self) -> str | None:
        """None where it was not said."""


class HasUnits(Protocol):
    """What has parameters and variables with units: a kernel, or `synkin.tsodyks_markram`."""

    @property
    def name(self) -> str:
        """Such as "ampa"."""

    @property
    def Params(self) -> type[Any]:
        """NamedTuple class of the parameters."""

    @property
    def State(self) -> type[Any]:
        """NamedTuple class of the variables."""

    @property
    def parameters(self) -> Mapping[str, HasUnit]:
        """What is known of each parameter, by name."""

    @property
    def variables(self) -> Mapping[str, str]:
        """The unit of each field of ``State``, by name."""


class Unit(Protocol):
    """A unit of saiunit."""

    @property
    def magnitude(self) -> float:
        """How many of the base unit it is."""

    def has_same_dim(self, other: Unit, /) -> bool:
        """Whether both are units of one dimension, as ms and s are."""


class Quantity(Protocol):
    """A quantity of saiunit."""

    @property
    def mantissa(self) -> ArrayLike:
        """The number, in its unit."""

    @property
    def unit(self) -> Unit:
        """Its unit."""

    def to(self, unit: Unit, /) -> Quantity:
        """The same quantity in another unit of its dimension."""


def is_quantity(value: object) -> TypeGuard[Quantity]:
    """Whether ``value`` is a number or an array with a unit."""
    saiunit = sys.modules.get("saiunit")
    return saiunit is not None and isinstance(value, saiunit.Quantity)


def are_quantities(value: object) -> bool:
    """Whether ``value`` is a list or tuple that contains a quantity, such as ``[1 * u.ms, 2 * u.ms]``."""
    if not isinstance(value, list | tuple) or "saiunit" not in sys.modules:
        return False
    kind = sys.modules["saiunit"].Quantity
    return any(isinstance(element, kind) or are_quantities(element) for element in value)


def among(*values: object) -> bool:
    """Whether one of ``values`` is a quantity, or a list or tuple (such as a ``Params``) that contains one."""
    return any(is_quantity(value) or are_quantities(value) for value in values)


def strip_unit(name: str, value: Any, unit: str, kind: str = "Argument") -> Any:
    """``value`` without its unit.

    Args:
        name: the argument's name, for the message.
        value: a quantity, whose number may be traced, or a list of them; anything else comes back unchanged.
        unit: the unit wanted, such as "ms" or "1/ms/mM"; "1" for none.
        kind: "Argument" or "Parameter", for the message.

    Raises:
        TypeError: a quantity of another dimension.
    """
    if are_quantities(value):
        return [strip_unit(name, element, unit, kind) for element in value]
    if not is_quantity(value):
        return value
    wanted, came = unit_of(unit), value.unit
    if not wanted.has_same_dim(came):
        raise TypeError(f"{kind} `{name}` must be {describe_unit(unit)}, but is {describe_unit(came)}.")
    number, factor = value.mantissa, came.magnitude / wanted.magnitude
    if factor == 1:
        return number
    if isinstance(number, jax.Array) and not isinstance(number, jax.core.Tracer):
        with jax.ensure_compile_time_eval():  # under jit the result stays concrete, so that it can be checked
            return _times(number, factor)
    return _times(number, factor)


def _times(number: ArrayLike, factor: float) -> ArrayLike:
    if isinstance(number, jax.Array) and not jnp.issubdtype(number.dtype, jnp.inexact):
        number = number.astype(float)  # strict promotion forbids an integer times a float
    return number * factor


def quantity(value: ArrayLike, unit: str) -> Any:
    """``value``, a number or array in ``unit``, as a quantity. The program must have imported saiunit."""
    return sys.modules["saiunit"].Quantity(value, unit=unit_of(unit))


def has_dimension(value: object, unit: str) -> bool:
    """Whether ``value`` is a quantity that can be given in ``unit``."""
    return is_quantity(value) and unit_of(unit).has_same_dim(value.unit)


def params(kernel: HasUnits, values: Any) -> Any:
    """A kernel's ``Params`` without units. What is no such ``Params`` comes back unchanged: `check_params` refuses it.

    Raises:
        TypeError: a parameter that is a quantity of another dimension, or one that was declared without a unit.
    """
    if not among(values) or getattr(values, "_fields", None) != kernel.Params._fields:
        return values
    return values._replace(**{name: parameter(kernel, name, value) for name, value in values._asdict().items()})


def parameter(kernel: HasUnits, name: str, value: object) -> Any:
    """One parameter without its unit; see `params`."""
    unit = kernel.parameters[name].unit
    if unit is None:
        if not among(value):
            return value
        raise TypeError(
            f"Parameter `{name}` must be a plain number, as {kernel.name} was declared without its unit (units=), "
            "but is a quantity."
        )
    return strip_unit(name, value, unit, "Parameter")


def state(values: Any, kernel: HasUnits) -> Any:
    """A kernel's ``State`` without units. What is no such ``State`` comes back unchanged: `check_state` refuses it.

    Raises:
        TypeError: a field that is a quantity of another dimension.
    """
    if not among(values) or getattr(values, "_fields", None) != kernel.State._fields:
        return values
    fields = values._asdict().items()
    return values._replace(
        **{name: strip_unit(f"state.{name}", value, kernel.variables[name]) for name, value in fields}
    )


@functools.cache
def unit_of(name: str) -> Any:
    """saiunit's unit of that name, in which "*" binds before "/", and "^" before both."""
    saiunit = sys.modules["saiunit"]
    above, *below = name.split("/")
    powers = [(factor, 1) for factor in above.split("*") if factor != "1"] + [(factor, -1) for factor in below]
    split = [(*factor.partition("^")[::2], sign) for factor, sign in powers]
    factors = [getattr(saiunit, base) ** (sign * int(exponent or 1)) for base, exponent, sign in split]
    return functools.reduce(operator.mul, factors, saiunit.UNITLESS)


def describe_unit(unit: object) -> str:
    """A unit, given as text or as saiunit's object, for a message: "in ms", or "dimensionless"."""
    return "dimensionless" if str(unit) == "1" else f"in {unit}"
