"""Pictures: of conductances, and of schemes. Drawing needs matplotlib (the extra ``plot``); importing this does not.

curves     traces, population, kernel, fit, events
recorded   recording: its sweeps, and what was measured on them
fits       profile, bootstrap, compare: what is known of a fit
diagram    the states and transitions of a scheme
layout     where its states stand
paper      colours, figures, matplotlib
"""

from synkin.plot.curves import events, fit, kernel, population, traces
from synkin.plot.diagram import scheme
from synkin.plot.fits import bootstrap, compare, profile
from synkin.plot.recorded import recording
from synkin.plot.style import BLACK, BLUE, BROWN, COLORS, GREEN, GREY, NAVY, ORANGE, PURPLE, SKY, VERMILION, figure

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
    "bootstrap",
    "compare",
    "events",
    "figure",
    "fit",
    "kernel",
    "population",
    "profile",
    "recording",
    "scheme",
    "traces",
]


def __dir__() -> list[str]:
    return sorted(__all__)
