"""The AMPA receptor: first-order binding of a square pulse of transmitter.

Source: Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
"""

from typing import Any, NamedTuple

from jax import Array
from jax.typing import ArrayLike

from synkin.kernel import receptor


class Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    alpha: ArrayLike = 0.98  # binding rate, /ms/mM
    beta: ArrayLike = 0.18  # unbinding rate, /ms
    T: ArrayLike = 0.5  # transmitter concentration during a pulse, mM
    T_dur: ArrayLike = 0.5  # length of a pulse, ms


class State(NamedTuple):
    """State, each of the shape given to `init`."""

    g: Array  # conductance as the fraction of open receptors, 0 to 1
    pulse_left: Array  # transmitter still to come, ms


UNITS = {"alpha": "1/ms/mM", "beta": "1/ms"}


def equations(p: Any, y: Any, T: Any) -> dict[str, Any]:
    """The AMPA receptor, first order: ``g' = alpha T (1 - g) - beta g``.

    Source: Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
    """
    return {"g": p.alpha * T * (1 - y.g) - p.beta * y.g}


ampa = receptor(equations, Params, State, units=UNITS)
