"""From conductance and voltage to current: the outputs of a synapse.

Signs follow the membrane equation C V' = -I + I_injected: a current is positive outward.

Arguments may be quantities of saiunit, such as the g that `synkin.respond` gives for these; a current is then a
quantity in uA. The shapes broadcast against each other whatever JAX is told about rank promotion.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.known import concrete_value
from synkin.arguments.numbers import as_array, as_real, check_concentration

__all__ = ["coba", "cuba", "mg_block"]

# Above this argument of the sigmoid less than one channel in 20,000 is blocked.
_LITTLE = 10.0


def coba(g: ArrayLike, V: ArrayLike, *, E: ArrayLike, g_max: ArrayLike = 1.0) -> Array:
    """Conductance-based current ``g_max g (V - E)``, outward positive.

    The current that brainpy.state's COBA injects is the negative of this.

    Args:
        g: conductance in mS, or the open fraction where g_max carries the unit; any shape.
        V: membrane voltage in mV, broadcasts.
        E: reversal potential in mV, broadcasts.
        g_max: maximal conductance, broadcasts: in mS where g is the open fraction, else dimensionless.

    Returns:
        Current in uA (mS mV), the broadcast shape.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or dimension, shapes that do not broadcast.

    Source: Destexhe, Mainen and Sejnowski 1998, in: Methods in Neuronal Modeling, MIT Press, ch. 1.

    Example:
        >>> V = jnp.array([-65.0, 0.0, 20.0])
        >>> I = synkin.currents.coba(0.001, V, E=0.0)  # mS mV = uA
        >>> print(I.round(4))  # inward at -65 mV, so negative
        [-0.065 0. 0.02]
    """
    has_units = units.among(g, V, E, g_max)
    g, g_max = _conductance(g, g_max)
    V, E = units.strip_unit("V", V, "mV"), units.strip_unit("E", E, "mV")
    g, V, E, g_max = _broadcast(g=g, V=V, E=E, g_max=g_max)
    return _current(g_max * g * (V - E), has_units)


def cuba(g: ArrayLike, *, scale: ArrayLike = 1.0) -> Array:
    """Current-based synapse: the injected current ``scale g``, whatever the voltage.

    Unlike `coba` this is the current into the cell, depolarising where positive: it has no driving force to take
    its sign from. brainpy.state's CUBA is the same with a scale of 1 V (1000 mV).

    Args:
        g: kernel output in mS, any shape.
        scale: mV, broadcasts.

    Returns:
        Current in uA, the broadcast shape.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or dimension, shapes that do not broadcast.

    Source: Destexhe, Mainen and Sejnowski 1998, in: Methods in Neuronal Modeling, MIT Press, ch. 1.

    Example:
        >>> float(synkin.currents.cuba(0.5, scale=2.0))  # 0.5 mS times 2 mV, in uA
        1.0
    """
    has_units = units.among(g, scale)
    g, scale = _broadcast(g=units.strip_unit("g", g, "mS"), scale=units.strip_unit("scale", scale, "mV"))
    return _current(g * scale, has_units)


def mg_block(
    V: ArrayLike,
    *,
    Mg: ArrayLike = 1.2,
    a: ArrayLike = 0.062,
    b: ArrayLike = 3.57,
    V_offset: ArrayLike = 0.0,
) -> Array:
    """Fraction of NMDA channels that magnesium leaves unblocked, ``1 / (1 + Mg/b exp(-a (V - V_offset)))``.

    Multiply it with any g: ``coba(mg_block(V) * g, V, E=0.0)``.

    Args:
        V: membrane voltage in mV, any shape.
        Mg: external magnesium in mM, 0 or more, broadcasts.
        a: steepness in /mV.
        b: scale of the concentration in mM, positive.
        V_offset: shift of the voltage in mV.

    Returns:
        Fraction between 0 and 1, the broadcast shape: a plain array, whatever came in. It and its derivatives are
        right at every voltage, and without magnesium. NaN where a traced Mg or b is out of range.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, dimension or range, shapes that do not broadcast.

    Source: Jahr and Stevens 1990, J. Neurosci. 10:3178.

    Example:
        >>> V = jnp.array([-65.0, 0.0, 40.0])
        >>> print(synkin.currents.mg_block(V, Mg=1.0).round(3))  # the fraction that is not blocked
        [0.06 0.781 0.977]
        >>> I = synkin.currents.coba(0.001 * synkin.currents.mg_block(V), V, E=0.0)
        >>> print(I.round(5))  # uA
        [-0.00326 0. 0.0389]
    """
    V, V_offset = units.strip_unit("V", V, "mV"), units.strip_unit("V_offset", V_offset, "mV")
    Mg, b, a = units.strip_unit("Mg", Mg, "mM"), units.strip_unit("b", b, "mM"), units.strip_unit("a", a, "1/mV")
    Mg, b = check_concentration("Mg", Mg), check_concentration("b", b, positive=True)
    known = concrete_value(Mg)
    V, Mg, a, b, V_offset = _broadcast(V=V, Mg=Mg, a=a, b=b, V_offset=V_offset)
    limits, driven = jnp.finfo(Mg.dtype), a * (V - V_offset)
    if known is not None and (np.asarray(known, float) >= float(limits.tiny)).all():
        return _sigmoid(driven + jnp.log(b) - jnp.log(Mg))
    # Where almost nothing is blocked, use the formula itself: its derivatives by Mg are right at 0 too.
    margin = jax.lax.stop_gradient(driven + jnp.log(b) - jnp.log(Mg))
    little = (Mg < limits.tiny) | (margin > _LITTLE)
    driven_there = jnp.maximum(jnp.where(little, driven, 0), 1 - float(np.log(float(limits.max))))
    formula = 1 / (1 + jnp.where(little, Mg, 0) / b * jnp.exp(-driven_there))
    return jnp.where(little, formula, _sigmoid(driven + jnp.log(b) - jnp.log(jnp.where(little, 1, Mg))))


def _sigmoid(y: Array) -> Array:
    """``1 / (1 + exp(-y))`` without overflow, right to rounding also where it is small, as are its derivatives."""
    above = y >= 0
    small = jnp.exp(jnp.where(above, -y, y))
    return jnp.where(above, 1, small) / (1 + small)


def _conductance(g: Any, g_max: Any) -> tuple[ArrayLike, ArrayLike]:
    """g and g_max without units; one of the two is in mS."""
    if units.has_dimension(g, "mS") and units.has_dimension(g_max, "mS"):
        raise TypeError(f"Argument `g_max` must be dimensionless where `g` is in mS, but is in {g_max.unit}.")
    is_fraction = units.has_dimension(g, "1") or units.has_dimension(g_max, "mS")
    of_g, of_g_max = ("1", "mS") if is_fraction else ("mS", "1")
    if is_fraction and units.has_dimension(g_max, "1"):
        of_g_max = "1"  # a fraction of a maximum without a unit is that of 1 mS
    return units.strip_unit("g", g, of_g), units.strip_unit("g_max", g_max, of_g_max)


def _broadcast(**arguments: ArrayLike) -> list[Array]:
    """The arguments as floating arrays, their rank 0 or the highest among them."""
    arrays = [_floating(name, value) for name, value in arguments.items()]
    try:
        rank = len(np.broadcast_shapes(*(x.shape for x in arrays)))
    except ValueError:
        *names, last = (f"`{name}`" for name in arguments)
        *shapes, last_shape = (str(x.shape) for x in arrays)
        raise ValueError(
            f"Arguments {', '.join(names)} and {last} must broadcast against each other, "
            f"but have the shapes {', '.join(shapes)} and {last_shape}."
        ) from None
    return [x.reshape((1,) * (rank - x.ndim) + x.shape) if x.ndim else x for x in arrays]


def _floating(name: str, value: object) -> Array:
    """``value`` as floating numbers, also where promotion is strict: integers are meant as such."""
    if isinstance(value, int | float):
        return jnp.asarray(float(value))  # it takes the precision of the arrays that it is combined with
    x = as_array(as_real(name, value))
    # Floating dtypes of 8 bits and less are for storage only.
    return x if jnp.issubdtype(x.dtype, jnp.floating) and x.dtype.itemsize > 1 else x.astype(float)


def _current(I: Array, has_units: bool) -> Array:
    return units.quantity(I, "uA") if has_units else I


def __dir__() -> list[str]:
    return sorted(__all__)
