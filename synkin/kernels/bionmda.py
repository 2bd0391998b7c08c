"""The NMDA receptor in two steps: transmitter opens x, and x opens g.

Source: the equations of brainpy.state's BioNMDA, after Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
"""

from typing import Annotated, NamedTuple

from jax import Array
from jax.typing import ArrayLike

from synkin.declaring.declare import receptor


class Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    alpha1: Annotated[ArrayLike, "opening rate of g at x = 1", "1/ms"] = 2.0
    beta1: Annotated[ArrayLike, "closing rate of g", "1/ms"] = 0.01
    alpha2: Annotated[ArrayLike, "binding rate of x", "1/ms/mM"] = 1.0
    beta2: Annotated[ArrayLike, "unbinding rate of x", "1/ms"] = 0.5
    T: Annotated[ArrayLike, "transmitter concentration during a pulse", "mM"] = 1.0
    T_dur: Annotated[ArrayLike, "length of a pulse", "ms"] = 0.5


class State(NamedTuple):
    """State, each of the shape given to `init`."""

    g: Annotated[Array, "conductance as the fraction of open receptors, 0 to 1", "mS"]
    x: Annotated[Array, "the variable that opens the receptors, 0 to 1", "1"]
    pulse_left: Annotated[Array, "how long there will still be transmitter", "ms"]


def equations(p: Params, y: State, T: Array) -> dict[str, ArrayLike]:
    """The NMDA receptor: ``x' = alpha2 T (1 - x) - beta2 x``, ``g' = alpha1 x (1 - g) - beta1 g``.

    Source: the equations of brainpy.state's BioNMDA, after Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
    """
    return {
        "x": p.alpha2 * T * (1 - y.x) - p.beta2 * y.x,
        "g": p.alpha1 * y.x * (1 - y.g) - p.beta1 * y.g,
    }


bionmda = receptor(
    equations,
    Params,
    State,
    in_turn=True,  # as in brainpy.state, the step of g uses the new x
)
