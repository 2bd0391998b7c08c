"""The NMDA receptor in two steps: transmitter opens x, and x opens g.

Source: the equations of brainpy.state's BioNMDA, after Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
"""

from typing import Any, NamedTuple

from jax import Array
from jax.typing import ArrayLike

from synkin.kernel import receptor


class Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    alpha1: ArrayLike = 2.0  # opening rate of g per x, /ms
    beta1: ArrayLike = 0.01  # closing rate of g, /ms
    alpha2: ArrayLike = 1.0  # binding rate of x, /ms/mM
    beta2: ArrayLike = 0.5  # unbinding rate of x, /ms
    T: ArrayLike = 1.0  # transmitter concentration during a pulse, mM
    T_dur: ArrayLike = 0.5  # length of a pulse, ms


class State(NamedTuple):
    """State, each of the shape given to `init`."""

    g: Array  # conductance as the fraction of open receptors, 0 to 1
    x: Array  # the intermediate that opens them, 0 to 1
    pulse_left: Array  # transmitter still to come, ms


def equations(p: Any, y: Any, T: Any) -> dict[str, Any]:
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
    units={"alpha1": "1/ms", "beta1": "1/ms", "alpha2": "1/ms/mM", "beta2": "1/ms"},
    in_turn=True,  # as brainpy.state's scheme has it, g sees the new x
)
