"""Recordings from the files of amplifiers, archives and spreadsheets, and what is left out of them.

    number_text  numbers in text
    time_unit    the unit of times in a column's name
    signal_unit  the unit of what was recorded in a column's name
    table        tables of text
    formats      a reader for each format
    recording    `Recording`, `read_recording`
    exclusion    stretches that are left out
    artefacts    `find_artefacts`: which these may be
    writing      files that are written completely or not at all

The packages that read ABF, NWB and other formats are optional; each is imported when a file needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synkin.recordings.recording import Recording, read_recording

__all__ = ["Recording", "read_recording"]


def __getattr__(name: str) -> object:
    # They are imported when they are used, as the command line needs other files here without them.
    if name in __all__:
        return getattr(import_module("synkin.recordings.recording"), name)
    raise AttributeError(f"module 'synkin.recordings' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
