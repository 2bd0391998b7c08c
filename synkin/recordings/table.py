"""Tables of numbers as text: comma, tab, semicolon or space between the cells."""

import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from synkin.arguments import number_text
from synkin.recordings import time_unit

_SEPARATOR = re.compile(r"\s*[,;\t]\s*")
# A name of a column: one word, and perhaps more in brackets, as in time (ms).
_NAME = re.compile(r"[^\W\d]\S*(\s*[(\[][^)\]]*[)\]])?$")
# Units at the end of a column's name, as in mean_pA or current (nA).
_UNIT = re.compile(r"(?:^|[^a-zA-Z])(pA|nA|uA|µA|mA|uV|µV|mV|V|pS|nS|uS|µS|mS)\)?$")
# What stands for a sample that is missing, besides a NaN.
_MISSING = ("", "-", "NA", "N/A")
# So many characters are read at once.
_BLOCK = 2**20


class Row(NamedTuple):
    """One line of a table."""

    line: int  # of the file, from 1
    cells: list[str]


class Column(NamedTuple):
    """A column to be read."""

    at: int  # from 0
    times: Decimal = Decimal(1)  # what its numbers are multiplied with, before they are rounded to binary
    gaps: bool = False  # whether a cell may say that there is no number, which is NaN


class Table(NamedTuple):
    """What stands at the head of a table; `columns` reads its numbers."""

    path: Path
    names: list[str] | None  # of the columns, where the file has them
    first: Row
    separator: str | None  # the characters between the cells of the first row, each once; None of spaces
    text: str | None  # what the file holds, if it is a pipe, which is read once

    @property
    def width(self) -> int:
        """How many columns it has."""
        return len(self.first.cells)

    def others(self, *those: int) -> list[int]:
        """The columns beside those, from 0, without those of words, unless there are no others."""
        left = [i for i in range(self.width) if i not in those]
        return [i for i in left if self.first.cells[i] in _MISSING or _is_number(self.first.cells[i])] or left


def read_text(path: Path) -> str:
    """What a text file holds.

    Raises:
        FileNotFoundError, OSError: no such file, or one that cannot be read.
        ValueError: not text.
    """
    with _opened(path) as file:
        return file.read()


def head(path: Path) -> Table:
    """The head of a text file with commas, semicolons, tabs or, where there are none of these, spaces between cells.

    Empty lines and lines that begin with # are passed over. The first line left is a header where it holds no
    number and a name; so is a comment right above the first row, if it holds a name for each column, as NumPy's
    ``savetxt`` writes it.

    Args:
        path: the file. No more of it is read than its first row takes, but all of a pipe.

    Raises:
        FileNotFoundError, OSError: no such file, or one that cannot be read.
        ValueError: not text, no rows, or a header of another length than the first row.
    """
    text = None if path.is_file() else read_text(path)
    header, above, first = None, "", None
    for row, line in rows(path, text):
        if row is None:
            above = line
        elif header is None and _is_header(row.cells):
            header = line
        else:
            first = row
            break
    if first is None:
        raise ValueError(
            f"File {path} is empty." if header is None else f"File {path} has a header and nothing below it."
        )
    _check_separators(path, first, line)
    width = len(first.cells)
    separator = "".join({found.strip() or "\t" for found in _SEPARATOR.findall(line)}) or None
    names = _names(above.lstrip("# ") if header is None else header, width)
    if header is not None and len(names) != width:
        raise ValueError(f"The header of {path} must have {width} columns, as the rows have, but has {len(names)}.")
    if header is None and not (len(names) == width and all(map(_NAME.match, names))):
        return Table(path, None, first, separator, text)
    return Table(path, names, first, separator, text)


def columns(table: Table, wanted: Sequence[Column]) -> list[np.ndarray]:
    """The numbers of some columns, (rows,) each, which may be NaN or infinite.

    The file is read block by block, by NumPy's own reader. What that refuses is read again, with care: a cell at a
    time, which gives a number or the reason why there is none.

    Raises:
        FileNotFoundError, OSError: no such file, or one that cannot be read.
        ValueError: not text, rows that differ in length, or a cell without a number.
    """
    parts: list[list[np.ndarray]] = []
    for line, lines in _blocks(table.path, table.text):
        skipped = max(0, table.first.line - line)
        line, lines = line + skipped, lines[skipped:]
        part = _quickly(table, lines, wanted)
        parts.append(_carefully(table, line, lines, wanted) if part is None else part)
    read = []
    for i in range(len(wanted)):
        read.append(np.concatenate([part[i] for part in parts]))
        for part in parts:
            part[i] = read[i][:0]  # so that no more than one column is there twice
    return read


def row(table: Table, index: int) -> Row:
    """The row of that number, from 0, for what is to be said of it."""
    below = (row for row, _ in rows(table.path, table.text) if row is not None and row.line >= table.first.line)
    return next(islice(below, index, None))


def _quickly(table: Table, lines: list[str], wanted: Sequence[Column]) -> list[np.ndarray] | None:
    """The wanted columns of some lines, if NumPy's reader takes them: with gaps it does so on a second try."""
    lines = [line for line in lines if line and not line.isspace() and not line.lstrip().startswith("#")]
    of = {column.at: column for column in wanted}
    if (table.separator and len(table.separator) > 1) or any(of[column.at] != column for column in wanted):
        return None
    if not lines:
        return [np.empty(0) for _ in wanted]
    # Of the other columns, which may hold words, only the number of cells matters: one character of each is kept.
    kinds = np.dtype([(f"{i}", "f8" if i in of else "U1") for i in range(table.width)])
    scaled: dict[int | str, Callable[[str], float]] = {
        i: _scaled(column.times) for i, column in of.items() if column.times != 1
    }
    gapped: dict[int | str, Callable[[str], float]] = {i: _gap for i in of if of[i].gaps and i not in scaled}
    for converters in (scaled, scaled | gapped) if gapped else (scaled,):
        with suppress(ValueError):
            rows = np.loadtxt(
                lines, kinds, comments=None, delimiter=table.separator, converters=converters or None, ndmin=1
            )
            return [rows[f"{column.at}"].copy() for column in wanted]
    return None


def _scaled(times: Decimal) -> Callable[[str], float]:
    """From a cell to its number, multiplied before it is rounded to binary."""
    shift = times.adjusted() if times == Decimal(10) ** times.adjusted() else None

    def convert(cell: str) -> float:
        if shift is not None:
            with suppress(ValueError):
                return float(f"{_digits(cell)}e{shift}")
        value = float(_digits(cell))
        return float(Decimal(cell.strip()) * times) if math.isfinite(value) else value

    return convert


def _gap(cell: str) -> float:
    return math.nan if cell.strip() in _MISSING else float(_digits(cell))


def _digits(cell: str) -> str:
    """``cell`` without the spaces around it. What only Python takes for a number, as 1_0, is left to `number`."""
    if "_" in cell:
        raise ValueError
    return cell.strip()


def _carefully(table: Table, line: int, lines: list[str], wanted: Sequence[Column]) -> list[np.ndarray]:
    """The wanted columns of some lines, of which the first is number ``line`` of the file."""
    path, rows = table.path, []
    for row, text in _split_rows(line, lines):
        if row is None:
            continue
        rows.append(row)
        _check_separators(path, row, text)
        if len(row.cells) != table.width:
            raise ValueError(
                f"Line {row.line} of {path} must have {table.width} columns, as line {table.first.line} has, "
                f"but has {len(row.cells)}."
            )
    cells = [sample if column.gaps else number for column in wanted]
    return [
        np.array([cell(path, row, column.at, column.times) for row in rows], float)
        for cell, column in zip(cells, wanted, strict=True)
    ]


def rows(path: Path, text: str | None) -> Iterator[tuple[Row | None, str]]:
    """Each line that is not empty, as a row (None of a comment) and as text; ``text`` as in `Table`."""
    for line, lines in _blocks(path, text):
        yield from _split_rows(line, lines)


def _split_rows(line: int, lines: list[str]) -> Iterator[tuple[Row | None, str]]:
    """The lines that are not empty, each with its cells, or, of a comment, None."""
    for number, text in enumerate(map(str.strip, lines), start=line):
        if text:
            yield None if text.startswith("#") else Row(number, _split(text)), text


def _blocks(path: Path, text: str | None) -> Iterator[tuple[int, list[str]]]:
    """The lines of a file, some thousand at a time, with the number of the first of them."""
    line = 1
    with _opened(path) if text is None else io.StringIO(text) as file:
        while block := file.read(_BLOCK):
            lines = (block + file.readline()).splitlines()  # up to the end of a line
            yield line, lines
            line += len(lines)


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield file
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {path}.") from None
    except UnicodeDecodeError:
        raise ValueError(f"File {path} must be text, but is not.") from None
    except OSError as error:
        raise OSError(f"File {path} cannot be read: {error.strerror}.") from None


def number(path: Path, row: Row, column: int, times: Decimal = Decimal(1)) -> float:
    """The number in a ``column`` (from 0) of a row; it may be NaN or infinite.

    Args:
        path: the file, for the message.
        row: the row.
        column: the column.
        times: what to multiply it with, before it is rounded to binary.

    Raises:
        ValueError: what stands there is no number.
    """
    cell = row.cells[column]
    try:
        value = number_text.decimal_or_not_finite(cell)
    except ValueError:
        here = f"Line {row.line} of {path}"
        raise ValueError(f"{here} must have a number in column {column + 1}, but has {cell!r}.") from None
    return value if times == 1 or not math.isfinite(value) else float(Decimal(cell.strip()) * times)


def sample(path: Path, row: Row, column: int, times: Decimal = Decimal(1)) -> float:
    """As `number`, and NaN where the cell is empty or says that there is none.

    Raises:
        ValueError: see `number`.
    """
    return math.nan if row.cells[column] in _MISSING else number(path, row, column, times)


def unit(name: str) -> str:
    """The unit that a column's name ends in, as in ``mean_pA``; "" where it ends in none."""
    match = _UNIT.search(name)
    return match.group(1) if match else ""


def in_ms(path: Path, name: str, unit: str | None, say: str = "`time_unit`") -> tuple[Decimal, str]:
    """What a column of times is to be multiplied with, so that it is in ms.

    Args:
        path: the file, for the message.
        name: the column's name, which may hold its unit.
        unit: the unit, if the person has said it.
        say: what the person may say it with, for the message.

    Returns:
        The factor, and what to tell the person about it: nothing where the column is taken to be in ms.

    Raises:
        ValueError: a name that holds two units.
    """
    named = {unit} if unit else time_unit.named(name) or {"ms"}
    if len(named) > 1:
        units = " and ".join(sorted(named))
        raise ValueError(f"Column {name!r} of {path} must name one unit of time, but names {units}: say {say}.")
    (found,) = named
    return time_unit.IN_MS[found], "" if found == "ms" else f"{name}, converted from {found} to ms"


def _check_separators(path: Path, row: Row, text: str) -> None:
    """Raise ValueError if a row has commas and other separators: the commas are then those of decimals."""
    if "," in text and len(kinds := _separators(text)) > 1:
        raise ValueError(
            f"Line {row.line} of {path} must have one separator between its numbers, but has {' and '.join(kinds)}"
            ": write decimals with a point."
        )


def _separators(line: str) -> list[str]:
    """The separators in a line, in words."""
    found = {next(kind for kind in ",;\t" if kind in separator) for separator in _SEPARATOR.findall(line)}
    return [{",": "commas", ";": "semicolons", "\t": "tabs"}[kind] for kind in sorted(found)]


def _split(line: str) -> list[str]:
    return _SEPARATOR.split(line) if _SEPARATOR.search(line) else line.split()


def _names(line: str, columns: int) -> list[str]:
    """The names in a header. One without commas may have a space in a name: time (ms)."""
    cells = _split(line)
    if len(cells) != columns and not _SEPARATOR.search(line):
        cells = [line] if columns == 1 else re.findall(r"[^\s(\[]+(?:\s*[(\[][^)\]]*[)\]])?", line)
    return [cell.strip("\"'") for cell in cells]


def _is_header(cells: list[str]) -> bool:
    return any(re.match(r"[\"']?[^\W\d]", cell) for cell in cells) and not any(map(_is_number, cells))


def _is_number(cell: str) -> bool:
    try:
        number_text.decimal_or_not_finite(cell)
    except ValueError:
        return False
    return True
