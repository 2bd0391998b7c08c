"""Pictures: of conductances, and of schemes. Drawing needs matplotlib (the extra ``plot``); importing this does not.

curves     traces, population, kernel, fit, events
diagram    the states and transitions of a scheme
layout     where its states stand
paper      colours, figures, matplotlib
"""

from synkin.plot.curves import events, fit, kernel, population, traces
from synkin.plot.diagram import scheme
from synkin.plot.paper import BLACK, BLUE, BROWN, COLORS, GREEN, GREY, NAVY, ORANGE, PURPLE, SKY, VERMILION, figure

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
    "events",
    "figure",
    "fit",
    "kernel",
    "population",
    "scheme",
    "traces",
]
