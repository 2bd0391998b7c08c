"""The alpha synapse: a conductance that rises and decays with one time constant.

Source: Rall 1967, J. Neurophysiol. 30:1138.
"""

from typing import Annotated, NamedTuple

from jax import Array
from jax.typing import ArrayLike

from synkin.declaring.declare import linear


class Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    tau: Annotated[ArrayLike, "time constant of the rise and of the decay", "ms"] = 8.0


class State(NamedTuple):
    """State, each of the shape given to `init`."""

    g: Annotated[Array, "conductance", "mS"]
    h: Annotated[Array, "the variable that drives g, to which a spike adds its weight", "mS"]


def equations(p: Params, y: State) -> dict[str, ArrayLike]:
    """The alpha synapse: ``h' = -h / tau``, ``g' = (h - g) / tau``; an input adds to h.

    An input of 1 gives g(s) = (s / tau) exp(-s / tau), with its peak 1/e at s = tau.
    Source: Rall 1967, J. Neurophysiol. 30:1138.
    """
    return {"h": -y.h / p.tau, "g": (y.h - y.g) / p.tau}


alpha = linear(equations, Params, State, input="h", positive=("tau",))
