"""Recordings from files: what an amplifier's program, a lab's archive or a spreadsheet wrote, as plain arrays.

    time_unit    ms from the unit in a column's name
    table        text, block by block
    formats      one reader a format, each to `Sweeps`
    recording    `Recording`, and `read_recording`: the part that is wanted

Each imports from those above it alone. The packages that read ABF, NWB and the rest are optional, and imported when
a file needs one.
"""

from synkin.recordings.recording import Recording, read_recording

__all__ = ["Recording", "read_recording"]


def __dir__() -> list[str]:
    return sorted(__all__)
