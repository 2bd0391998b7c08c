"""GABA-A receptors, and GABA-B receptors with a G protein, of which four molecules open a channel."""

from typing import Annotated, NamedTuple

from jax import Array
from jax.typing import ArrayLike

from synkin.arguments.declaration import AnyParams, AnyState
from synkin.declaring.declare import receptor
from synkin.declaring.kernel import Equations, Kernel
from synkin.declaring.scheme import scheme

_BUSCH_SAKMANN = """
    C0 + gaba <-> C1 : 2*kon, koff
    C1 + gaba <-> C2 : kon, 2*koff
    C1 <-> O1 : beta1, alpha1
    C2 <-> O2 : beta2, alpha2
    """

gabaa5 = scheme(
    _BUSCH_SAKMANN,
    open=("O1", "O2"),
    name="gabaa5",
    source="""The GABA-A receptor with two binding sites, open with one or with two of them bound.

    Source: Destexhe, Mainen and Sejnowski 1998, Methods in Neuronal Modeling, 2nd ed., ch. 1, with the states of Busch
    and Sakmann 1990, fitted to Otis and Mody 1992; numbers of gabaa5.mod, ModelDB 18198. Reversal potential -80 mV.
    """,
    kon=10.0,
    koff=4.6,
    beta1=3.3,
    alpha1=9.8,
    beta2=10.6,
    alpha2=0.41,
)

busch_sakmann1990 = scheme(
    _BUSCH_SAKMANN,
    open=("O1", "O2"),
    name="busch_sakmann1990",
    source="""The GABA-A receptor with the first rates of this scheme.

    Source: Busch and Sakmann 1990, Cold Spring Harb. Symp. Quant. Biol. 55:69, as a comment of gabaa5.mod, ModelDB
    18198, has them.
    """,
    kon=100.0,
    koff=3.0,
    beta1=0.7,
    alpha1=4.0,
    beta2=10.0,
    alpha2=0.055,
)


class GABAbParams(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    K1: Annotated[ArrayLike, "binding rate", "1/ms/mM"] = 0.52
    K2: Annotated[ArrayLike, "unbinding rate", "1/ms"] = 0.0013
    K3: Annotated[ArrayLike, "production of G protein", "uM/ms"] = 0.098
    K4: Annotated[ArrayLike, "removal of G protein", "1/ms"] = 0.033
    KD: Annotated[ArrayLike, "dissociation constant of the channel", "uM^4"] = 100.0
    T: Annotated[ArrayLike, "transmitter concentration during a pulse", "mM"] = 1.0
    T_dur: Annotated[ArrayLike, "length of a pulse", "ms"] = 1.0


class GABAbState(NamedTuple):
    """State, each of the shape given to `init`."""

    R: Annotated[Array, "fraction of receptors that are bound", "1"]
    G: Annotated[Array, "G protein", "uM"]
    pulse_left: Annotated[Array, "how long there will still be transmitter", "ms"]


class GABAb3Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    K1: Annotated[ArrayLike, "binding rate", "1/ms/mM"] = 0.66
    K2: Annotated[ArrayLike, "rate out of the bound state: in all, or by unbinding alone", "1/ms"] = 0.020
    K3: Annotated[ArrayLike, "production of G protein", "uM/ms"] = 0.083
    K4: Annotated[ArrayLike, "removal of G protein", "1/ms"] = 0.0079
    d1: Annotated[ArrayLike, "desensitisation", "1/ms"] = 0.017
    d2: Annotated[ArrayLike, "recovery", "1/ms"] = 0.0053
    KD: Annotated[ArrayLike, "dissociation constant of the channel", "uM^4"] = 100.0
    T: Annotated[ArrayLike, "transmitter concentration during a pulse", "mM"] = 1.0
    T_dur: Annotated[ArrayLike, "length of a pulse", "ms"] = 1.0


class GABAb3State(NamedTuple):
    """State, each of the shape given to `init`."""

    R: Annotated[Array, "fraction of receptors that are bound", "1"]
    D: Annotated[Array, "fraction of receptors that are desensitised", "1"]
    G: Annotated[Array, "G protein", "uM"]
    pulse_left: Annotated[Array, "how long there will still be transmitter", "ms"]


def _channel(p: GABAbParams | GABAb3Params, y: GABAbState | GABAb3State) -> Array:
    """g: the fraction of channels that are open, each opened by four molecules of G protein."""
    return y.G**4 / (y.G**4 + p.KD)


def _gabab(p: GABAbParams, y: GABAbState, T: Array) -> dict[str, ArrayLike]:
    """The GABA-B receptor: ``R' = K1 T (1 - R) - K2 R``, ``G' = K3 R - K4 G``, ``g = G^4 / (G^4 + KD)``.

    Source: Destexhe, Bal, McCormick and Sejnowski 1996, J. Neurophysiol. 76:2049; numbers of gabab.mod, ModelDB 18198.
    Reversal potential -95 mV. The pulse of that file is 0.5 mM for 0.3 ms.
    """
    return {"R": p.K1 * T * (1 - y.R) - p.K2 * y.R, "G": p.K3 * y.R - p.K4 * y.G}


def _gabab3(p: GABAb3Params, y: GABAb3State, T: Array) -> dict[str, ArrayLike]:
    """The GABA-B receptor with desensitisation, where K2 is the total rate out of the bound state.

    ``R' = K1 T (1 - R - D) - K2 R + d2 D``, ``D' = d1 R - d2 D``, ``G' = K3 R - K4 G``, ``g = G^4 / (G^4 + KD)``.

    Source: Destexhe and Sejnowski 1995, PNAS 92:9515, fitted to Otis et al. 1993; numbers as gabab3.mod reads them,
    ModelDB 18198, whose peak is at 100 ms. `gabab3_conserving` reads the equations in the other way.
    """
    return {
        "R": p.K1 * T * (1 - y.R - y.D) - p.K2 * y.R + p.d2 * y.D,
        "D": p.d1 * y.R - p.d2 * y.D,
        "G": p.K3 * y.R - p.K4 * y.G,
    }


def _gabab3_conserving(p: GABAb3Params, y: GABAb3State, T: Array) -> dict[str, ArrayLike]:
    """The GABA-B receptor with desensitisation, where K2 is the rate of unbinding, and desensitisation (d1) is added.

    The numbers are those of `gabab3`, read in the other way. The peak is at 60 ms and 7 times smaller, which is not
    what was fitted.

    Source: Destexhe and Sejnowski 1995, PNAS 92:9515.
    """
    return {
        "R": p.K1 * T * (1 - y.R - y.D) - (p.K2 + p.d1) * y.R + p.d2 * y.D,
        "D": p.d1 * y.R - p.d2 * y.D,
        "G": p.K3 * y.R - p.K4 * y.G,
    }


def _with_g_protein(name: str, equations: Equations, Params: type[AnyParams], State: type[AnyState]) -> Kernel:
    # With KD = 0 the conductance at rest would be 0 / 0.
    return receptor(equations, Params, State, conductance=_channel, name=name, methods=("exact",), positive=("KD",))


gabab = _with_g_protein("gabab", _gabab, GABAbParams, GABAbState)
gabab3 = _with_g_protein("gabab3", _gabab3, GABAb3Params, GABAb3State)
gabab3_conserving = _with_g_protein("gabab3_conserving", _gabab3_conserving, GABAb3Params, GABAb3State)
