"""Tables of numbers in, results out."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from synkin.cli import UsageError

_SEPARATOR = re.compile(r"\s*[,;\t]\s*")


class Row(NamedTuple):
    """One line of a table."""

    line: int  # of the file, from 1
    cells: list[str]


def read_table(path: Path) -> tuple[list[str] | None, list[Row]]:
    """The cells of a text file, separated by commas, semicolons, tabs or, where there are none, by spaces.

    Empty lines and lines that begin with # are passed over. The first line left is a header where it holds no
    number and a name.

    Args:
        path: the file.

    Returns:
        The header's cells or None, and the rows, at least one, all of one length.

    Raises:
        UsageError: no such file, not text, no rows, or rows that differ in length.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"File {path} must be text, but is not.") from None
    except OSError as error:
        raise UsageError(f"File {path} cannot be read: {error.strerror}.") from None
    rows = [
        Row(number, _SEPARATOR.split(line) if _SEPARATOR.search(line) else line.split())
        for number, line in enumerate(map(str.strip, text.splitlines()), start=1)
        if line and not line.startswith("#")
    ]
    if not rows:
        raise UsageError(f"File {path} is empty.")
    header = rows.pop(0).cells if _is_header(rows[0].cells) else None
    if not rows:
        raise UsageError(f"File {path} has a header and nothing below it.")
    expected = len(rows[0].cells)
    for row in rows:
        if len(row.cells) != expected:
            raise UsageError(
                f"Line {row.line} of {path} must have {expected} columns, as line {rows[0].line} has, "
                f"but has {len(row.cells)}."
            )
    return header, rows


def number(path: Path, row: Row, column: int) -> float:
    """The number in a ``column`` (from 0) of a row; it may be NaN or infinite.

    Raises:
        UsageError: what stands there is no number.
    """
    try:
        return float(row.cells[column])
    except ValueError:
        here, cell = f"Line {row.line} of {path}", row.cells[column]
        raise UsageError(f"{here} must have a number in column {column + 1}, but has {cell!r}.") from None


def check_output(option: str, path: Path, suffixes: Sequence[str], *, keep: Path | None = None) -> None:
    """Raise now rather than after a long run, if no file can be written at ``path``.

    Args:
        option: the option that names the file, for the message.
        path: the file.
        suffixes: those that the file may have.
        keep: a file that must not be overwritten: the one that is read.

    Raises:
        UsageError: another suffix, a folder that is not there or cannot be written to, or the file ``keep``.
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
    if keep is not None and path.exists() and keep.exists() and path.samefile(keep):
        raise UsageError(f"Option {option} would overwrite {keep}, which is read.")


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that becomes ``path`` when all is written, so that nobody ever sees half of it.

    Raises:
        UsageError: the disk does not take it.
    """
    path = path.resolve()
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(path)
    except OSError as error:
        raise UsageError(f"File {path} cannot be written: {error.strerror}.") from None
    finally:
        unfinished.unlink(missing_ok=True)


def _is_header(cells: list[str]) -> bool:
    return any(re.match(r"[\"']?[^\W\d]", cell) for cell in cells) and not any(map(_is_number, cells))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
