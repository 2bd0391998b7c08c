"""The AMPA receptor: first-order binding of a square pulse of transmitter.

Source: Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
"""

from typing import Annotated, NamedTuple

from jax import Array
from jax.typing import ArrayLike

from synkin.declaring.declare import receptor


class Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    alpha: Annotated[ArrayLike, "binding rate", "1/ms/mM"] = 0.98
    beta: Annotated[ArrayLike, "unbinding rate", "1/ms"] = 0.18
    T: Annotated[ArrayLike, "transmitter concentration during a pulse", "mM"] = 0.5
    T_dur: Annotated[ArrayLike, "length of a pulse", "ms"] = 0.5


class State(NamedTuple):
    """State, each of the shape given to `init`."""

    g: Annotated[Array, "conductance as the fraction of open receptors, 0 to 1", "mS"]
    pulse_left: Annotated[Array, "how long there will still be transmitter", "ms"]


def equations(p: Params, y: State, T: Array) -> dict[str, ArrayLike]:
    """The AMPA receptor, first order: ``g' = alpha T (1 - g) - beta g``.

    Source: Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
    """
    return {"g": p.alpha * T * (1 - y.g) - p.beta * y.g}


ampa = receptor(equations, Params, State)
