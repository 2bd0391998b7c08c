"""The GABA-A receptor, first order: ``g' = alpha T (1 - g) - beta g``, the equations of `synkin.ampa`.

Source: Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
"""

from typing import NamedTuple

from jax.typing import ArrayLike

from synkin.kernel import receptor
from synkin.kernels.ampa import UNITS, State, equations


class Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    alpha: ArrayLike = 0.53  # binding rate, /ms/mM
    beta: ArrayLike = 0.18  # unbinding rate, /ms
    T: ArrayLike = 1.0  # transmitter concentration during a pulse, mM
    T_dur: ArrayLike = 1.0  # length of a pulse, ms


gabaa = receptor(equations, Params, State, units=UNITS, name="gabaa", source=__doc__)
