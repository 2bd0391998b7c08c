"""synkin: synapse kinetics in JAX. Presynaptic spikes in, postsynaptic conductance out."""

from synkin import currents, environ, plot, presets
from synkin.delays import delayed
from synkin.fit import Fit, fit
from synkin.kernel import Kernel, linear, receptor
from synkin.kernels import KERNELS, alpha, ampa, bionmda, dual_expon, expon, gabaa
from synkin.objects import AMPA, Alpha, BioNMDA, DualExpon, Expon, GABAa
from synkin.release import tsodyks_markram
from synkin.respond import respond
from synkin.simulate import simulate
from synkin.stepper import Stepper, stepper

__version__ = "0.2.0"

__all__ = [
    "AMPA",
    "KERNELS",
    "Alpha",
    "BioNMDA",
    "DualExpon",
    "Expon",
    "Fit",
    "GABAa",
    "Kernel",
    "Stepper",
    "alpha",
    "ampa",
    "bionmda",
    "currents",
    "delayed",
    "dual_expon",
    "environ",
    "expon",
    "fit",
    "gabaa",
    "linear",
    "plot",
    "presets",
    "receptor",
    "respond",
    "simulate",
    "stepper",
    "tsodyks_markram",
]
