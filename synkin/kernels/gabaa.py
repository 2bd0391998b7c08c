"""The GABA-A receptor: the equations of `synkin.ampa` with other defaults.

    g' = alpha T(t) (1 - g) - beta g        T(t) = T for T_dur ms from a spike on, else 0

Source: Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
"""

from typing import NamedTuple

from jax.typing import ArrayLike

from synkin.kernels.ampa import (
    TAKES_WEIGHTS,
    State,
    conductance,
    evolve,
    finish,
    gate,
    init,
    output,
    prepare,
    receive,
    step,
)

__all__ = [
    "TAKES_WEIGHTS", "UNITS", "Params", "State", "conductance", "evolve", "finish", "gate", "init", "output", "prepare",
    "receive", "step",
]  # fmt: skip


class Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    alpha: ArrayLike = 0.53  # binding rate, /ms/mM
    beta: ArrayLike = 0.18  # unbinding rate, /ms
    T: ArrayLike = 1.0  # transmitter concentration during a pulse, mM
    T_dur: ArrayLike = 1.0  # length of a pulse, ms


UNITS = Params(alpha="1/ms/mM", beta="1/ms", T="mM", T_dur="ms")  # type: ignore[arg-type]
