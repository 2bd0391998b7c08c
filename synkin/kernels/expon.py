"""The exponential synapse: a conductance that jumps and decays.

Source: Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
"""

from typing import Annotated, NamedTuple

from jax import Array
from jax.typing import ArrayLike

from synkin.declaring.declare import linear


class Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    tau: Annotated[ArrayLike, "time constant of the decay", "ms"] = 8.0


class State(NamedTuple):
    """State, each of the shape given to `init`."""

    g: Annotated[Array, "conductance, to which a spike adds its weight", "mS"]


def equations(p: Params, y: State) -> dict[str, ArrayLike]:
    """The exponential synapse: ``g' = -g / tau``; an input adds to g.

    Source: Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
    """
    return {"g": -y.g / p.tau}


expon = linear(equations, Params, State, input="g", positive=("tau",))
