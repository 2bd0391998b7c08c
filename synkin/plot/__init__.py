"""Pictures of conductances, recordings, fits and schemes. They need matplotlib (the extra ``plot``), which is imported
when something is drawn.

curves     traces, population, kernel, fit, events
recorded   recording: its sweeps, and the measurements on them
measured   amplitudes over time, currents against voltages
fits       profile, bootstrap, compare, channels: the uncertainty of a fit, and its noise
variance   noise: variance against mean, with its parabola
diagram    the states and transitions of a scheme
layout     the places of its states
labels     its arrows and their labels
axes       Axes, labels, limits and legends
style      colours, empty figures, the import of matplotlib
"""

from synkin.plot.curves import events, fit, kernel, population, traces
from synkin.plot.diagram import scheme
from synkin.plot.fits import bootstrap, channels, compare, profile
from synkin.plot.found_events import each_event, event_summary
from synkin.plot.measured import amplitudes, current_voltage
from synkin.plot.recorded import recording
from synkin.plot.style import BLACK, BLUE, BROWN, COLORS, GREEN, GREY, NAVY, ORANGE, PURPLE, SKY, VERMILION, figure
from synkin.plot.variance import noise

__all__ = [
    "BLACK",
    "BLUE",
    "BROWN",
    "COLORS",
    "GREEN",
    "GREY",
    "NAVY",
    "ORANGE",
    "PURPLE",
    "SKY",
    "VERMILION",
    "amplitudes",
    "bootstrap",
    "channels",
    "compare",
    "current_voltage",
    "each_event",
    "event_summary",
    "events",
    "figure",
    "fit",
    "kernel",
    "noise",
    "population",
    "profile",
    "recording",
    "scheme",
    "traces",
]


def __dir__() -> list[str]:
    return sorted(__all__)
