"""The dual exponential synapse: separate rise and decay, its peak normalised.

The equations are a cascade instead of a difference of two exponentials, so that values and derivatives are right at
tau_rise = tau_decay too, where g has the alpha shape. If tau_rise is longer than tau_decay, the two exchange roles.

Source: Roth and van Rossum 2009, in: Computational Modeling Methods for Neuroscientists, MIT Press, ch. 6.
"""

from typing import Annotated, NamedTuple

import numpy as np
from jax import Array
from jax import numpy as jnp
from jax.typing import ArrayLike

from synkin.arguments.declaration import AnyParams
from synkin.declaring.declare import linear
from synkin.solving.propagators.closed_forms import phi


class Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    tau_decay: Annotated[ArrayLike, "time constant of the decay", "ms"] = 10.0
    tau_rise: Annotated[ArrayLike, "time constant of the rise", "ms"] = 1.0
    amplitude: Annotated[ArrayLike, "peak of g after a spike of weight 1", "1"] = 1.0


class State(NamedTuple):
    """State, each of the shape given to `init`."""

    g_rise: Annotated[Array, "the variable that drives w, to which a spike adds its weight", "mS"]
    w: Annotated[Array, "the variable to which g is proportional", "mS*ms"]


def equations(p: Params, y: State) -> dict[str, ArrayLike]:
    """The dual exponential synapse: ``g_rise' = -g_rise / tau_rise``, ``w' = -w / tau_decay + g_rise``; an input adds
    to g_rise, and ``g = amplitude w / peak``, where peak is the peak of w after an input of 1.

    g is proportional to exp(-t/tau_decay) - exp(-t/tau_rise), with the peak ``amplitude``.
    Source: Roth and van Rossum 2009, in: Computational Modeling Methods for Neuroscientists, MIT Press, ch. 6.
    """
    return {"g_rise": -y.g_rise / p.tau_rise, "w": -y.w / p.tau_decay + y.g_rise}


def conductance(p: AnyParams, y: State) -> Array:
    """g in mS."""
    return p.amplitude / peak(p) * y.w


def peak(p: AnyParams) -> Array:
    """The peak of w after a unit input, in ms: smooth at tau_rise = tau_decay, where it is tau / e.

    Args:
        p: `Params` of arrays.

    Returns:
        Array of the parameters' broadcast shape.
    """
    # w' = 0 at the peak, so w = tau_decay exp(-t_peak / tau_rise); t_peak / tau_rise = 1 / phi(-log ratio).
    xp = jnp if isinstance(p.tau_rise, Array) else np  # parameters are plain numbers while the kernel is declared
    log_ratio = xp.log(p.tau_decay) - xp.log(p.tau_rise)
    return p.tau_decay * xp.exp(-1 / phi(-log_ratio))


dual_expon = linear(
    equations,
    Params,
    State,
    input="g_rise",
    conductance=conductance,
    positive=("tau_decay", "tau_rise"),
    signed=("amplitude",),
    always_exact=True,  # as in brainpy.state
)
