"""The NMDA receptor of network theory: a spike adds to x, and x opens a gate that saturates.

Source: Brunel and Wang 2001, J. Comput. Neurosci. 11:63; the same equations in Wang 1999, J. Neurosci. 19:9587, and
Wang 2002, Neuron 36:955.
"""

from typing import Annotated, Any, NamedTuple

from jax import Array
from jax.typing import ArrayLike

from synkin.declaring.declare import receptor


class Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    tau_x: Annotated[ArrayLike, "time constant with which x decays: the rise of g", "ms"] = 2.0
    alpha: Annotated[ArrayLike, "opening rate of g at x = 1", "1/ms"] = 0.5
    tau_s: Annotated[ArrayLike, "time constant with which g decays", "ms"] = 100.0


class State(NamedTuple):
    """State, each of the shape given to `init`."""

    g: Annotated[Array, "conductance as the fraction of open receptors, 0 to 1", "mS"]
    x: Annotated[Array, "the variable that opens the receptors, to which a spike adds its weight", "1"]


def equations(p: Any, y: Any) -> dict[str, Any]:
    """The NMDA receptor of network theory: ``x' = -x / tau_x``, ``g' = alpha x (1 - g) - g / tau_s``; a spike adds its
    weight to x.

    It has no magnesium block of its own: multiply g by `synkin.currents.mg_block`.
    Source: Brunel and Wang 2001, J. Comput. Neurosci. 11:63; also Wang 1999, J. Neurosci. 19:9587, and Wang 2002,
    Neuron 36:955.
    """
    return {"x": -y.x / p.tau_x, "g": p.alpha * y.x * (1 - y.g) - y.g / p.tau_s}


wang_nmda = receptor(equations, Params, State, input="x", positive=("tau_x", "tau_s"))
