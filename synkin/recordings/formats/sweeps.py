"""What every reader gives, `Sweeps`, and what readers share."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from math import nan
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

# An object of an optional package that reads files, whose types are not known here.
Foreign: TypeAlias = Any


class RecordingError(ValueError):
    """A file that cannot be used: the message is one sentence."""


class Tag(NamedTuple):
    """A comment that was made while recording."""

    time: float  # ms from the start of the file
    text: str


class Sweeps(NamedTuple):
    """All sweeps of one channel of a file."""

    times: list[np.ndarray]  # ms, of each sweep
    traces: list[np.ndarray]  # of each sweep, as long as its times
    unit: str  # "" if it is not known
    labels: list[str]  # the names of the sweeps in the file
    note: str = ""  # what was converted
    warning: str = ""  # what may be wrong, as a sentence
    channels: tuple[str, ...] = ("",)  # the names of all channels of the file
    start_times: np.ndarray | None = None  # (R,) ms from the start of the file; None if it does not say
    tags: tuple[Tag, ...] = ()
    protocol: str = ""
    holding: float = nan  # in command_unit
    command: np.ndarray | None = None  # (R,) the level to which each sweep steps; None if the file does not say
    command_unit: str = ""


def unique(words: Iterable[str]) -> list[str]:
    """Each word once, in their order."""
    return list(dict.fromkeys(words))


def choose(path: Path, channel: int | str, names: list[str]) -> int:
    """The number of a channel that is given by its number or name.

    Raises:
        RecordingError: there is none.
    """
    if isinstance(channel, str) and names.count(channel) == 1:
        return names.index(channel)
    if isinstance(channel, str) or channel >= len(names):
        listed = ", ".join(f"{i} {name!r}" if name else str(i) for i, name in enumerate(names[:8]))
        more = ", ..." if len(names) > 8 else ""
        raise RecordingError(
            f"Argument `channel` must be one of the {len(names)} of {path}, {listed}{more}, but is {channel!r}."
        )
    return channel


def package(name: str, extra: str, what: str) -> Foreign:
    """An optional package.

    Raises:
        ImportError: it is not installed; the message names the extra that installs it.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != name:
            raise
        raise ImportError(
            f"{what} need {name}, which is not installed: `pip install 'synkin[{extra}]'` adds it."
        ) from None


@contextmanager
def reading(path: Path, reader: str) -> Iterator[None]:
    """Replace any error of a reader by a `RecordingError` with a one-sentence message.

    Raises:
        ImportError: the reader needs another package, which is not installed.
        RecordingError: any other error.
    """
    try:
        yield
    except RecordingError:
        raise
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        raise ImportError(
            f"File {path} needs {missing} beside {reader}, which is not installed: `pip install {missing}` adds it."
        ) from None
    except Exception as error:
        said = " ".join(str(error).split()).rstrip(".")
        said = f"{said[:120].rpartition(' ')[0]} ..." if len(said) > 120 else said
        raise RecordingError(f"File {path} cannot be read by {reader}: {said or type(error).__name__}.") from None
