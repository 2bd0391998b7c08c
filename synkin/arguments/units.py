"""The boundary where quantities with units (saiunit) become plain arrays, and g a quantity again.

    tau = units.strip_unit("tau", 0.008 * u.second, "ms", "Parameter")  # 8.0; what is no quantity stays as it is
    g = units.quantity(g, "mS")

Inside there are plain arrays in ms, mM, mS and mV. A public function takes quantities in with `strip_unit`, `params`
and `state`, and gives g back as a quantity where `among` found one in what it was given. saiunit is optional and never
imported here: where a program has not imported it, nothing is a quantity. brainunit's quantities are saiunit's.
"""

from __future__ import annotations

import functools
import operator
import sys
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from synkin.arguments.declaration import Declaration


def is_quantity(value: object) -> bool:
    """Whether ``value`` is a number or an array with a unit."""
    saiunit = sys.modules.get("saiunit")
    return saiunit is not None and isinstance(value, saiunit.Quantity)


def are_quantities(value: object) -> bool:
    """Whether ``value`` is a list or tuple with a quantity in it, such as ``[1 * u.ms, 2 * u.ms]``."""
    if not isinstance(value, list | tuple) or "saiunit" not in sys.modules:
        return False
    kind = sys.modules["saiunit"].Quantity
    return any(isinstance(element, kind) or are_quantities(element) for element in value)


def among(*values: Any) -> bool:
    """Whether a quantity is among ``values`` or, where these are tuples such as a ``Params`` or lists, in them."""
    return any(is_quantity(value) or are_quantities(value) for value in values)


def strip_unit(name: str, value: Any, unit: str, kind: str = "Argument") -> Any:
    """``value`` without its unit.

    Args:
        name: what it is called, for the message.
        value: a quantity, its number possibly traced, or a list of them; anything else comes back as it is.
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
        with jax.ensure_compile_time_eval():  # what is known stays so under jit, and can be checked
            return _times(number, factor)
    return _times(number, factor)


def _times(number: Any, factor: float) -> Any:
    if isinstance(number, jax.Array) and not jnp.issubdtype(number.dtype, jnp.inexact):
        number = number.astype(float)  # strict promotion forbids an integer times a float
    return number * factor


def quantity(value: object, unit: str) -> Any:
    """``value``, which is in ``unit``, as a quantity; only where there are quantities already."""
    return sys.modules["saiunit"].Quantity(value, unit=unit_of(unit))


def has_dimension(value: Any, unit: str) -> bool:
    """Whether ``value`` is a quantity that can be given in ``unit``."""
    return is_quantity(value) and unit_of(unit).has_same_dim(value.unit)


def params(kernel: Declaration, values: Any) -> Any:
    """A kernel's ``Params`` without units; what is no such ``Params`` comes back as it is, for `checks` to refuse.

    Raises:
        TypeError: a parameter that is a quantity of another dimension, or one that was declared without a unit.
    """
    if not among(values) or getattr(values, "_fields", None) != kernel.Params._fields:
        return values
    return values._replace(**{name: parameter(kernel, name, value) for name, value in values._asdict().items()})


def parameter(kernel: Declaration, name: str, value: Any) -> Any:
    """One parameter without its unit; see `params`."""
    unit = kernel.parameters[name].unit
    if unit is not None:
        return strip_unit(name, value, unit, "Parameter")
    if is_quantity(value) or are_quantities(value):
        raise TypeError(
            f"Parameter `{name}` must be a plain number, as {kernel.name} was declared without its unit (units=), "
            "but is a quantity."
        )
    return value


def state(values: Any, kernel: Declaration) -> Any:
    """A kernel's ``State`` without units; what is none comes back as it is, for `checks` to refuse.

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

    def power(factor: str, sign: int) -> Any:
        base, _, exponent = factor.partition("^")
        return getattr(saiunit, base) ** (sign * int(exponent or 1))

    above, *below = name.split("/")
    factors = [power(factor, 1) for factor in above.split("*") if factor != "1"]
    factors += [power(factor, -1) for factor in below]
    return functools.reduce(operator.mul, factors, saiunit.UNITLESS)


def describe_unit(unit: object) -> str:
    """A unit, ours or saiunit's, as a sentence has it."""
    return "dimensionless" if str(unit) == "1" else f"in {unit}"
