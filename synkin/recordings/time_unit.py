"""The unit of a column of times, as its name has it: ``time_s`` or ``t (us)``."""

import re
from decimal import Decimal

# Each unit in ms. Decimal, so that 0.0051 s are exactly 5.1 ms, and a sample at the time of a spike stays there.
IN_MS = {
    "ns": Decimal("1e-6"),
    "us": Decimal("1e-3"),
    "ms": Decimal(1),
    "s": Decimal(1000),
    "min": Decimal(60_000),
    "h": Decimal(3_600_000),
}

_WORDS = {
    "ns": "ns nsec nsecs nanosecond nanoseconds",
    "us": "us µs μs usec usecs µsec microsecond microseconds",  # the two letters mu, micro sign and Greek
    "ms": "ms msec msecs millisecond milliseconds",
    "s": "s sec secs second seconds",
    "min": "min mins minute minutes",
    "h": "h hr hrs hour hours",
}
# The names of columns and arrays of times.
_TIMES = {"t", "time", "times", "timestamp", "timestamps"}
_UNITS = {word: unit for unit, words in _WORDS.items() for word in words.split()}
_BRACKETS = re.compile(r"[(\[]([^)\]]*)[)\]]")


def words(name: str) -> list[str]:
    """The words of a column's name in lower case: spike, time and s for ``spike_time_s`` and ``spikeTime (s)``."""
    parts = re.findall(r"[^\W\d_]+", name)
    return [word.lower() for part in parts for word in re.findall(r"[A-ZΜ]*[^A-Z]+|[A-Z]+", part)]


def named(name: str) -> set[str]:
    """The units of time in a column's name: those in brackets, or else those among all its words."""
    inside = {_UNITS[word] for text in _BRACKETS.findall(name) for word in words(text) if word in _UNITS}
    return inside or {_UNITS[word] for word in words(name) if word in _UNITS}


def is_time(name: str) -> bool:
    """Whether a column's name says that it holds times."""
    return bool(_TIMES.intersection(words(name)))
