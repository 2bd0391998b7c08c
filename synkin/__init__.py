"""synkin: synapse kinetics in JAX. Presynaptic spikes in, postsynaptic conductance out."""

from synkin import currents, environ, plot, presets
from synkin.fit import Fit, fit
from synkin.kernel import Kernel, linear, receptor
from synkin.kernels import KERNELS, alpha, ampa, bionmda, dual_expon, expon, gabaa
from synkin.measure import Measured, measure
from synkin.objects import AMPA, Alpha, BioNMDA, DualExpon, Expon, GABAa
from synkin.recordings import Recording, read_recording
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
    "Measured",
    "Recording",
    "Stepper",
    "alpha",
    "ampa",
    "bionmda",
    "currents",
    "dual_expon",
    "environ",
    "expon",
    "fit",
    "gabaa",
    "linear",
    "measure",
    "plot",
    "presets",
    "read_recording",
    "receptor",
    "respond",
    "simulate",
    "stepper",
]
