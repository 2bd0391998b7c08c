"""synkin: synapse kinetics in JAX. Presynaptic spikes in, postsynaptic conductance out."""

from importlib import import_module
from typing import TYPE_CHECKING

from synkin import interrupts  # noqa: F401  # first, because it handles Ctrl-C while the rest is imported

# isort: split
from synkin.declaring.declare import linear, receptor
from synkin.declaring.kernel import Kernel
from synkin.declaring.scheme import Scheme, scheme
from synkin.kernels import KERNELS, alpha, ampa, bionmda, dual_expon, expon, gabaa, wang_nmda
from synkin.networks.connections import connect
from synkin.networks.delays import delayed
from synkin.networks.delays_off_grid import DelayLine, DelayLineCarry, delay_line
from synkin.networks.plasticity import tsodyks_markram
from synkin.networks.projection import Projection, ProjectionCarry
from synkin.runs import currents
from synkin.runs.events import respond
from synkin.runs.grid import simulate
from synkin.runs.protocol import Jumps, concentration_jumps
from synkin.solving.carry import Carry
from synkin.solving.stepper import Stepper, stepper
from synkin.version import __version__ as __version__

if TYPE_CHECKING:
    from synkin import plot, presets, schemes
    from synkin.events import Events, deconvolve
    from synkin.fitting import Comparison, Fit, fit
    from synkin.fitting.comparison import compare
    from synkin.objects import AMPA, STD, STP, Alpha, BioNMDA, DualExpon, Expon, GABAa, Synapse, environ
    from synkin.recordings.measures import Measured, measure
    from synkin.recordings.recording import Recording, read_recording

__all__ = [
    "AMPA",
    "KERNELS",
    "STD",
    "STP",
    "Alpha",
    "BioNMDA",
    "Carry",
    "Comparison",
    "DelayLine",
    "DelayLineCarry",
    "DualExpon",
    "Events",
    "Expon",
    "Fit",
    "GABAa",
    "Jumps",
    "Kernel",
    "Measured",
    "Projection",
    "ProjectionCarry",
    "Recording",
    "Scheme",
    "Stepper",
    "Synapse",
    "alpha",
    "ampa",
    "bionmda",
    "compare",
    "concentration_jumps",
    "connect",
    "currents",
    "deconvolve",
    "delay_line",
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
    "wang_nmda",
]

# The public names that are imported when they are first used, by the module that defines them. A program that only
# simulates needs none of them, and together they take longer to import than the rest. For type checkers and editors
# they are also listed under `TYPE_CHECKING` above.
_IMPORTED_WHEN_USED = {
    "synkin.events": ("Events", "deconvolve"),
    "synkin.fitting": ("Comparison", "Fit", "compare", "fit"),
    "synkin.objects": ("AMPA", "STD", "STP", "Alpha", "BioNMDA", "DualExpon", "Expon", "GABAa", "Synapse", "environ"),
    "synkin.recordings.measures": ("Measured", "measure"),
    "synkin.recordings.recording": ("Recording", "read_recording"),
    "synkin": ("plot", "presets", "schemes"),
}
_HOMES = {name: home for home, names in _IMPORTED_WHEN_USED.items() for name in names}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'synkin' has no attribute {name!r}")
    value = import_module(f"synkin.{name}") if home == "synkin" else getattr(import_module(home), name)
    globals()[name] = value  # so that this function is not called again for this name
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
