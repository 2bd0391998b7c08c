"""Questions whose answer is known, put to the synkin that Python finds: ``python -m benchmarks.answers``.

Each module has ``ROWS``, a tuple of `Row`. Every row runs in a process of its own, with a limit of time and memory, so
that a crash, a hang or a greedy allocation is an answer too.
"""

from collections.abc import Callable
from typing import NamedTuple


class Row(NamedTuple):
    """One question."""

    what: str  # what is asked, in a few words
    right: str  # what the answer must be, for the reader
    ask: Callable[[], str]  # gives the answer in a few words; what it raises is an answer too
