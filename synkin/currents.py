"""From conductance and voltage to current: the outputs of a synapse.

Signs follow the membrane equation C V' = -I + I_injected: a current is positive outward.
"""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike


def coba(g: ArrayLike, V: ArrayLike, *, E: ArrayLike, g_max: ArrayLike = 1.0) -> Array:
    """Conductance-based current ``g_max g (V - E)``, outward positive.

    The current that brainpy.state's COBA injects is the negative of this.

    Args:
        g: conductance in mS, or the open fraction where g_max carries the unit; any shape.
        V: membrane voltage in mV, broadcasts.
        E: reversal potential in mV, broadcasts.
        g_max: maximal conductance, broadcasts.

    Returns:
        Current in uA (mS mV), the broadcast shape.

    Raises:
        TypeError, ValueError: from JAX, where the shapes do not broadcast.

    Source: Destexhe, Mainen and Sejnowski 1998, in: Methods in Neuronal Modeling, MIT Press, ch. 1.
    """
    return _real(g_max) * _real(g) * (_real(V) - _real(E))


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
        TypeError, ValueError: from JAX, where the shapes do not broadcast.

    Source: Destexhe, Mainen and Sejnowski 1998, in: Methods in Neuronal Modeling, MIT Press, ch. 1.
    """
    return _real(g) * _real(scale)


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
        Mg: external magnesium in mM, broadcasts.
        a: steepness in /mV.
        b: scale of the concentration in mM.
        V_offset: shift of the voltage in mV.

    Returns:
        Fraction between 0 and 1, the broadcast shape.

    Raises:
        TypeError, ValueError: from JAX, where the shapes do not broadcast.

    Source: Jahr and Stevens 1990, J. Neurosci. 10:3178.
    """
    V, Mg, a, b, V_offset = map(_real, (V, Mg, a, b, V_offset))
    return 1 / (1 + Mg / b * jnp.exp(-a * (V - V_offset)))


def _real(x: ArrayLike) -> Array:
    """``x`` as floating numbers, also where promotion is strict: integers are meant as such."""
    if isinstance(x, (int, float)):
        return jnp.asarray(float(x))  # still takes the precision of what it meets
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(float)
