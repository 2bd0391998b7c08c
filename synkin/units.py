"""The boundary where quantities with units (saiunit) become plain arrays, and g a quantity again.

    tau = units.plain("tau", 0.008 * u.second, "ms", "Parameter")      # 8.0; all that is no quantity stays as it is
    g = units.quantity(g, "mS")

Inside there are plain arrays in ms, mM, mS and mV. A public function takes quantities in with `plain`, `params` and
`state`, and gives g back as a quantity where `among` found one in what it was given. saiunit is optional and never
imported here: where a program has not imported it, nothing is a quantity. brainunit's quantities are saiunit's.
"""

import functools
import operator
import sys
from typing import Any

import jax
import jax.numpy as jnp

VARIABLES = {
    "g": "mS",
    "g_decay": "mS",
    "g_rise": "mS",
    "h": "mS",
    "pulse_left": "ms",
    "spike_arrival_time": "ms",
    "w": "mS*ms",
    "x": "1",
}
"""The units of the kernels' and the objects' state variables. A receptor's g is in mS at a maximum of 1 mS."""


def is_quantity(value: Any) -> bool:
    """Whether ``value`` is a number or an array with a unit."""
    saiunit = sys.modules.get("saiunit")
    return saiunit is not None and isinstance(value, saiunit.Quantity)


def among(*values: Any) -> bool:
    """Whether a quantity is among ``values`` or, where these are tuples such as a ``Params``, their elements."""
    return any(any(map(is_quantity, value)) if isinstance(value, tuple) else is_quantity(value) for value in values)


def plain(name: str, value: Any, unit: str, kind: str = "Argument") -> Any:
    """``value`` without its unit.

    Args:
        name: what it is called, for the message.
        value: a quantity, its number possibly traced; anything else comes back as it is.
        unit: the unit wanted, such as "ms" or "1/ms/mM"; "1" for none.
        kind: "Argument" or "Parameter", for the message.

    Raises:
        TypeError: a quantity of another dimension.
    """
    if not is_quantity(value):
        return value
    wanted, came = _unit(unit), value.unit
    if not wanted.has_same_dim(came):
        raise TypeError(f"{kind} `{name}` must be {_worded(unit)}, but is {_worded(came)}.")
    number, factor = value.mantissa, came.magnitude / wanted.magnitude
    if factor == 1:
        return number
    if isinstance(number, jax.Array) and not jnp.issubdtype(number.dtype, jnp.inexact):
        number = number.astype(float)  # strict promotion forbids an integer times a float
    return number * factor


def quantity(value: Any, unit: str) -> Any:
    """``value``, which is in ``unit``, as a quantity; only where there are quantities already."""
    return sys.modules["saiunit"].Quantity(value, unit=_unit(unit))


def params(kernel: Any, values: Any) -> Any:
    """A kernel's ``Params`` without units.

    Raises:
        TypeError: a parameter that is a quantity of another dimension.
    """
    if not among(values):
        return values
    wanted = kernel.UNITS._asdict()
    return values._replace(
        **{name: plain(name, value, wanted[name], "Parameter") for name, value in values._asdict().items()}
    )


def state(values: Any) -> Any:
    """A kernel's ``State`` without units; None stays None.

    Raises:
        TypeError: a field that is a quantity of another dimension.
    """
    if not among(values):
        return values
    fields = values._asdict().items()
    return values._replace(
        **{name: jnp.asarray(plain(f"state.{name}", value, VARIABLES[name])) for name, value in fields}
    )


def of_input(kernel: Any) -> str:
    """The unit of a kernel's input: a weight's, or none for the spike of a receptor."""
    return "mS" if kernel.TAKES_WEIGHTS else "1"


@functools.cache
def _unit(name: str) -> Any:
    """saiunit's unit of that name, in which "*" binds before "/"."""
    saiunit = sys.modules["saiunit"]
    above, *below = name.split("/")
    factors = [getattr(saiunit, factor) for factor in above.split("*") if factor != "1"]
    factors += [getattr(saiunit, factor) ** -1 for factor in below]
    return functools.reduce(operator.mul, factors, saiunit.UNITLESS)


def _worded(unit: Any) -> str:
    """A unit, ours or saiunit's, as a sentence has it."""
    return "dimensionless" if str(unit) == "1" else f"in {unit}"
