"""The unit of what was recorded, as a column's name has it: ``mean_pA``, ``I [A]`` or ``current (nA)``."""

import re
from typing import NamedTuple

from synkin.recordings import time_unit

_PREFIXED = r"[fpnuµμm][AVS]"  # the two letters mu, micro sign and Greek
_BRACKETS = re.compile(r"[(\[]\s*([^)\]]*?)\s*[)\]]")
_KNOWN = re.compile(rf"(?:{_PREFIXED}|[AVS])$")
# Without brackets an A or S alone may be anything, as in trace_A; and V by itself is a voltage in any unit.
_AT_END = re.compile(rf"(?:^|[^a-zA-Zµμ])({_PREFIXED}|(?<=.)V)$")
# What a column is, where its name has no unit.
_QUANTITIES = {
    "current": {"i", "im", "current", "currents"},
    "voltage": {"v", "vm", "voltage", "voltages", "potential"},
    "conductance": {"g", "conductance"},
}


class Scaled(NamedTuple):
    """The unit that numbers in an unprefixed one are converted to, as 1e-11 A say less than 10 pA."""

    unit: str
    factor: float


SCALED = {"A": Scaled("pA", 1e12), "V": Scaled("mV", 1e3), "S": Scaled("nS", 1e9)}


def unit(name: str) -> str:
    """The unit in a column's name, from A to fA, V to uV, S to pS; "" if there is none."""
    inside = [text for text in _BRACKETS.findall(name) if _KNOWN.match(text)]
    at_end = _AT_END.search(name.strip())
    return inside[-1] if inside else at_end.group(1) if at_end else ""


def kind(name: str) -> str:
    """What tells the columns of one channel from those of others: the unit or, without one, the word for a quantity."""
    if found := unit(name):
        return found
    words = set(time_unit.words(name))
    return next((quantity for quantity, known in _QUANTITIES.items() if words & known), "")
