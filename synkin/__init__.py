"""synkin: synapse kinetics in JAX. Presynaptic spikes in, postsynaptic conductance out."""

import importlib
from types import ModuleType

from synkin import program  # noqa: F401  # first: it says what Ctrl-C does while all that follows is imported

# isort: split
from synkin import plot, presets
from synkin.declaring.declare import linear, receptor
from synkin.declaring.kernel import Kernel
from synkin.declaring.scheme import Scheme, scheme
from synkin.events import Events, deconvolve
from synkin.fitting import Comparison, Fit, compare, fit
from synkin.kernels import KERNELS, alpha, ampa, bionmda, dual_expon, expon, gabaa
from synkin.networks.delays import delayed
from synkin.networks.plasticity import tsodyks_markram
from synkin.objects import AMPA, Alpha, BioNMDA, DualExpon, Expon, GABAa, Synapse, environ
from synkin.recordings import Recording, read_recording
from synkin.recordings.measures import Measured, measure
from synkin.runs import currents
from synkin.runs.events import respond
from synkin.runs.grid import simulate
from synkin.runs.protocol import Jumps, concentration_jumps
from synkin.solving.carry import Carry
from synkin.solving.stepper import Stepper, stepper

__version__ = "0.2.0"

__all__ = [
    "AMPA",
    "KERNELS",
    "Alpha",
    "BioNMDA",
    "Carry",
    "Comparison",
    "DualExpon",
    "Events",
    "Expon",
    "Fit",
    "GABAa",
    "Jumps",
    "Kernel",
    "Measured",
    "Recording",
    "Scheme",
    "Stepper",
    "Synapse",
    "alpha",
    "ampa",
    "bionmda",
    "compare",
    "concentration_jumps",
    "currents",
    "deconvolve",
    "delayed",
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
    "scheme",
    "schemes",
    "simulate",
    "stepper",
    "tsodyks_markram",
]


def __getattr__(name: str) -> ModuleType:
    # The library of schemes takes as long to declare as all else to import, and most programs need none of it.
    if name == "schemes":
        return importlib.import_module("synkin.schemes")
    raise AttributeError(f"module 'synkin' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
