"""The GABA-A receptor, first order: ``g' = alpha T (1 - g) - beta g``, the equations of `synkin.ampa`.

Source: Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
"""

from typing import Annotated, NamedTuple

from jax.typing import ArrayLike

from synkin.declaring.declare import receptor
from synkin.kernels.ampa import State, equations


class Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    alpha: Annotated[ArrayLike, "binding rate", "1/ms/mM"] = 0.53
    beta: Annotated[ArrayLike, "unbinding rate", "1/ms"] = 0.18
    T: Annotated[ArrayLike, "transmitter concentration during a pulse", "mM"] = 1.0
    T_dur: Annotated[ArrayLike, "length of a pulse", "ms"] = 1.0


gabaa = receptor(equations, Params, State, name="gabaa", source=__doc__)
