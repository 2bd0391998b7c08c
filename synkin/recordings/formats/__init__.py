"""One reader for each format of recordings. It reads the whole sweeps of one channel of a file.

sweeps   what every reader gives, and what readers share
text     tables, and Axon's text files
arrays   archives of arrays
axon     Axon's binary files, through pyABF
nwb      NWB, through PyNWB
heka     HEKA's bundles, through pyHEKA
others   what neo reads
"""

from collections.abc import Callable
from pathlib import Path

from synkin.recordings.formats import arrays, axon, heka, nwb, others, text
from synkin.recordings.formats.sweeps import RecordingError, Sweeps, Tag

__all__ = ["KNOWN", "READERS", "RecordingError", "Sweeps", "Tag", "is_table", "read"]

READERS: dict[str, Callable[[Path, int | str, str | None], Sweeps]] = {
    ".csv": text.read,
    ".tsv": text.read,
    ".txt": text.read,
    ".atf": text.read,
    "": text.read,
    ".npz": arrays.read,
    ".abf": axon.read,
    ".nwb": nwb.read,
}
# The endings, for messages.
KNOWN = ", ".join([ending for ending in READERS if ending] + [".dat (HEKA)"])
# How a file of Git LFS begins that stands in for one that was not fetched.
_POINTER = b"version https://git-lfs.github.com/spec/"


def read(path: Path, channel: int | str, unit: str | None) -> Sweeps:
    """The sweeps of one channel of a file; the file's ending decides the format.

    Args:
        path: the file.
        channel: its number, from 0, or its name.
        unit: unit of the times in a table or .npz file, if their name does not give it.

    Raises:
        FileNotFoundError, OSError: no such file, or one that cannot be read.
        ImportError: the package that reads it is not installed.
        RecordingError: an unknown format, a file whose format does not match its ending, or no such channel.
    """
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    if path.is_dir():
        raise RecordingError(f"Argument `path` must be a file, but {path} is a folder.")
    begins = _beginning(path)
    if begins.startswith(_POINTER):
        raise RecordingError(
            f"File {path} is a pointer of Git LFS, in place of the recording: `git lfs pull` in its repository fetches "
            "that."
        )
    if begins.startswith(heka.BEGINS):
        return heka.read(path, channel, unit)
    reader = READERS.get(path.suffix.lower())
    return others.read(path, channel, KNOWN) if reader is None else reader(path, channel, unit)


def is_table(path: Path) -> bool:
    """Whether a file is read as a table of text. Its ending decides, or its content if the ending is unknown."""
    ending = path.suffix.lower()
    if ending in READERS or not path.is_file():
        return READERS.get(ending, text.read) is text.read
    return b"\0" not in _beginning(path)


def _beginning(path: Path) -> bytes:
    """The first bytes of a file; none of a pipe, which can be read only once."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(4096)
