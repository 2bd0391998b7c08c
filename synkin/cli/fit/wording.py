"""What a fit says, in the words of the command line."""

import re
from dataclasses import replace
from typing import TypeVar

from synkin.fitting import Comparison, Fit

_Said = TypeVar("_Said", Fit, Comparison)

# What can be held at a number, where a sentence says so.
_HELD = re.compile(r"(?<=\bgive )[\w, ]+(?= a number)")
# Patterns of what only Python has, and what stands for it on the command line.
_AS_OPTIONS = (
    (r"`(scale|offset|onset)=True`", r"--\1"),
    (r'`weights="free"`', "--weights free"),
    (r"`free`", "--free"),
    (r"`profile`", "--profile NAME"),
    (r"at `max_nfev` evaluations", "at its maximum number of evaluations"),
    (r"give it, as (filter=[\w.]+\([^)]*\))", r"give it in Python, as \1"),
)


def as_options(found: _Said) -> _Said:
    """A fit or a comparison whose message names options."""
    return replace(found, message=in_options(found.message))


def in_options(message: str) -> str:
    """A message with the names of options."""
    for pattern, option in _AS_OPTIONS:
        message = re.sub(pattern, option, message)
    return _HELD.sub(lambda names: re.sub(r"\b(scale|offset|onset)\b", r"--\1", names[0]), message)
