"""Files to write, and what is said of those that cannot be read."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from synkin.cli import UsageError
from synkin.recordings import writing


@contextmanager
def usage_errors() -> Iterator[None]:
    """What is raised inside because of a file or an option, as the sentence that the command ends with.

    A context, or a decorator of a function.

    Raises:
        UsageError: for what an argument, a file or a package that is not installed raised.
    """
    try:
        yield
    except (ImportError, OSError, TypeError, ValueError) as error:
        raise UsageError(str(error)) from None


def check_output(option: str, path: Path, suffixes: Sequence[str], *, keep: Path | None = None) -> None:
    """Raise now rather than after a long run, if no file can be written at ``path``.

    Args:
        option: the option that names the file, for the message.
        path: the file.
        suffixes: those that the file may have.
        keep: a file that must not be overwritten: the one that is read.

    Raises:
        UsageError: another suffix, a folder or file that is not there or cannot be written to, or the file ``keep``.
    """
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"Option {option} needs a file in {' or '.join(suffixes)}, but got {path}.")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise UsageError(f"The folder of {option} {path} does not exist.")
    if path.is_dir():
        raise UsageError(f"Option {option} needs a file, but {path} is a folder.")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"The folder of {option} {path} cannot be written to.")
    if path.exists() and not os.access(path, os.W_OK):
        raise UsageError(f"Option {option} needs a file that can be written, but {path} is protected.")
    if keep is not None and path.exists() and keep.exists() and path.samefile(keep):
        raise UsageError(f"Option {option} would overwrite {keep}, which is read.")


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """`synkin.recordings.writing.replacing`, and a sentence where the disk does not take the file.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        with writing.replacing(path) as file:
            yield file
    except OSError as error:
        raise UsageError(f"File {path} cannot be written: {error.strerror}.") from None
