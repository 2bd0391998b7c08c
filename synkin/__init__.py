"""synkin: synapse kinetics in JAX. Presynaptic spikes in, postsynaptic conductance out."""

from importlib import import_module
from typing import TYPE_CHECKING

from synkin import interrupts  # noqa: F401  # it handles Ctrl-C while the rest is imported
from synkin.version import __version__ as __version__

if TYPE_CHECKING:
    from synkin import plot, presets, schemes
    from synkin.declaring.declare import linear, receptor
    from synkin.declaring.kernel import Kernel
    from synkin.declaring.scheme import Scheme, scheme
    from synkin.events import EventAverage, Events, EventTable, deconvolve
    from synkin.events.finding_templates import EventTemplate, find_template
    from synkin.fitting import Comparison, Fit, fit, fit_curve
    from synkin.fitting.batch import FitEach, fit_each
    from synkin.fitting.comparison import compare
    from synkin.kernels import KERNELS, alpha, ampa, bionmda, dual_expon, expon, gabaa, wang_nmda
    from synkin.measures.receptors import nmda_ampa_ratio
    from synkin.measures.responses import measure
    from synkin.measures.result import Amplitudes, CurrentVoltage, Measured, NmdaAmpaRatio, Rundown
    from synkin.measures.trend import rundown
    from synkin.measures.voltages import current_voltage
    from synkin.networks.connections import connect
    from synkin.networks.delays import delayed
    from synkin.networks.delays_off_grid import DelayLine, DelayLineCarry, delay_line
    from synkin.networks.plasticity import tsodyks_markram
    from synkin.networks.projection import Projection, ProjectionCarry
    from synkin.noise import NoiseAnalysis, ReleaseNoise, noise_analysis, release_noise
    from synkin.objects import AMPA, STD, STP, Alpha, BioNMDA, DualExpon, Expon, GABAa, Synapse, environ
    from synkin.recordings.artefacts import find_artefacts
    from synkin.recordings.recording import Recording, read_recording
    from synkin.runs import currents
    from synkin.runs.events import respond
    from synkin.runs.grid import simulate
    from synkin.runs.likelihood import log_likelihood
    from synkin.runs.protocol import Jumps, concentration_jumps
    from synkin.runs.sampling import sample
    from synkin.solving.carry import Carry
    from synkin.solving.filters import bessel, one_pole
    from synkin.solving.stepper import Stepper, stepper

__all__ = [
    "AMPA",
    "KERNELS",
    "STD",
    "STP",
    "Alpha",
    "Amplitudes",
    "BioNMDA",
    "Carry",
    "Comparison",
    "CurrentVoltage",
    "DelayLine",
    "DelayLineCarry",
    "DualExpon",
    "EventAverage",
    "EventTable",
    "EventTemplate",
    "Events",
    "Expon",
    "Fit",
    "FitEach",
    "GABAa",
    "Jumps",
    "Kernel",
    "Measured",
    "NmdaAmpaRatio",
    "NoiseAnalysis",
    "Projection",
    "ProjectionCarry",
    "Recording",
    "ReleaseNoise",
    "Rundown",
    "Scheme",
    "Stepper",
    "Synapse",
    "alpha",
    "ampa",
    "bessel",
    "bionmda",
    "compare",
    "concentration_jumps",
    "connect",
    "current_voltage",
    "currents",
    "deconvolve",
    "delay_line",
    "delayed",
    "dual_expon",
    "environ",
    "expon",
    "find_artefacts",
    "find_template",
    "fit",
    "fit_curve",
    "fit_each",
    "gabaa",
    "linear",
    "log_likelihood",
    "measure",
    "nmda_ampa_ratio",
    "noise_analysis",
    "one_pole",
    "plot",
    "presets",
    "read_recording",
    "receptor",
    "release_noise",
    "respond",
    "rundown",
    "sample",
    "scheme",
    "schemes",
    "simulate",
    "stepper",
    "tsodyks_markram",
    "wang_nmda",
]

# The public names by the module that defines them, which is imported when one of its names is first used. So `list` and
# `--help` of the command line need no JAX, and a program waits only for what it uses. For type checkers and editors the
# names are also listed under `TYPE_CHECKING` above.
_IMPORTED_WHEN_USED = {
    "synkin.declaring.declare": ("linear", "receptor"),
    "synkin.declaring.kernel": ("Kernel",),
    "synkin.declaring.scheme": ("Scheme", "scheme"),
    "synkin.events": ("EventAverage", "EventTable", "Events", "deconvolve"),
    "synkin.events.finding_templates": ("EventTemplate", "find_template"),
    "synkin.fitting": ("Comparison", "Fit", "compare", "fit", "fit_curve"),
    "synkin.fitting.batch": ("FitEach", "fit_each"),
    "synkin.kernels": ("KERNELS", "alpha", "ampa", "bionmda", "dual_expon", "expon", "gabaa", "wang_nmda"),
    "synkin.measures.receptors": ("nmda_ampa_ratio",),
    "synkin.measures.responses": ("measure",),
    "synkin.measures.result": ("Amplitudes", "CurrentVoltage", "Measured", "NmdaAmpaRatio", "Rundown"),
    "synkin.measures.trend": ("rundown",),
    "synkin.measures.voltages": ("current_voltage",),
    "synkin.networks.connections": ("connect",),
    "synkin.networks.delays": ("delayed",),
    "synkin.networks.delays_off_grid": ("DelayLine", "DelayLineCarry", "delay_line"),
    "synkin.networks.plasticity": ("tsodyks_markram",),
    "synkin.networks.projection": ("Projection", "ProjectionCarry"),
    "synkin.noise": ("NoiseAnalysis", "ReleaseNoise", "noise_analysis", "release_noise"),
    "synkin.objects": ("AMPA", "STD", "STP", "Alpha", "BioNMDA", "DualExpon", "Expon", "GABAa", "Synapse"),
    "synkin.recordings.artefacts": ("find_artefacts",),
    "synkin.recordings.recording": ("Recording", "read_recording"),
    "synkin.runs.events": ("respond",),
    "synkin.runs.grid": ("simulate",),
    "synkin.runs.likelihood": ("log_likelihood",),
    "synkin.runs.protocol": ("Jumps", "concentration_jumps"),
    "synkin.runs.sampling": ("sample",),
    "synkin.solving.carry": ("Carry",),
    "synkin.solving.filters": ("bessel", "one_pole"),
    "synkin.solving.stepper": ("Stepper", "stepper"),
}
# Those that are modules themselves.
_MODULES = {
    "currents": "synkin.runs.currents",
    "environ": "synkin.objects.environ",
    "plot": "synkin.plot",
    "presets": "synkin.presets",
    "schemes": "synkin.schemes",
}
_HOMES = {name: home for home, names in _IMPORTED_WHEN_USED.items() for name in names}


def __getattr__(name: str) -> object:
    if name in _MODULES:
        value: object = import_module(_MODULES[name])
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'synkin' has no attribute {name!r}")
    globals()[name] = value  # so that this function is not called again for this name
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
