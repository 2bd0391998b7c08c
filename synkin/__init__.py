"""synkin: synapse kinetics in JAX. Presynaptic spikes in, postsynaptic conductance out."""

from synkin import currents
from synkin.kernels import KERNELS, alpha, ampa, bionmda, dual_expon, expon, gabaa
from synkin.respond import respond
from synkin.simulate import simulate

__version__ = "0.1.0"

__all__ = [
    "KERNELS",
    "alpha",
    "ampa",
    "bionmda",
    "currents",
    "dual_expon",
    "expon",
    "gabaa",
    "respond",
    "simulate",
]
