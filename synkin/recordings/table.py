"""Tables of numbers as text: comma, tab, semicolon or space between the cells.

Decimals have a point or, where semicolons, tabs or spaces stand between the cells, a comma.
"""

import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from synkin.recordings import number_text, time_unit

_SEPARATOR = re.compile(r"\s*[,;\t]\s*")
# A name of a column: one word, and perhaps more in brackets, as in time (ms).
_NAME = re.compile(r"[^\W\d]\S*(\s*[(\[][^)\]]*[)\]])?$")
# A number with a decimal comma, or without decimals.
_COMMA = re.compile(r"[+-]?[0-9]+(,[0-9]+)?([eE][+-]?[0-9]+)?")
# Characters that text does not have.
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x81\x8d\x8f\x90\x9d]")
# Cells that mean a missing sample, besides NaN.
_MISSING = ("", "-", "NA", "N/A")
# The number of characters that are read at once.
_BLOCK = 2**20
# Whole numbers below this, and powers of ten up to the second, are exact in binary.
_WHOLE, _POWER = 2.0**53, 22
# The shortest interval between samples, in ms, that a recording has: no amplifier takes more than 500,000 a second.
_SHORTEST = 0.0019


class Row(NamedTuple):
    """One line of a table."""

    line: int  # of the file, from 1
    cells: list[str]


class Column(NamedTuple):
    """A column to be read."""

    at: int  # from 0
    factor: Decimal = Decimal(1)  # multiplies the numbers, as if before they are rounded to binary
    gaps: bool = False  # whether a sample may be missing, which is NaN


class Table(NamedTuple):
    """The head of a table; `columns` reads its numbers."""

    path: Path
    names: list[str] | None  # of the columns, if the file has them
    first: Row
    separator: str | None  # the characters between the cells of the first row, each once; None for spaces
    text: str | None  # the content of a pipe, which can be read only once; None for a file
    decimal_commas: bool = False  # whether a comma would stand for a point, and not between cells
    commas: bool = False  # whether the first row has such ones

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.first.cells)

    def others(self, *those: int) -> list[int]:
        """The other columns, from 0: those of numbers, or all if there are none."""
        left = [i for i in range(self.width) if i not in those]
        return [i for i in left if self.first.cells[i] in _MISSING or _is_number(self.first.cells[i])] or left


def read_text(path: Path) -> str:
    """The content of a text file.

    Raises:
        FileNotFoundError, OSError: no such file, or one that cannot be read.
        ValueError: not text.
    """
    with opened(path) as file:
        return file.read()


def head(path: Path, above: int = 0) -> Table:
    """The head of a text file with commas, semicolons, tabs or, where there are none of these, spaces between cells.

    Empty lines and lines that begin with # are skipped. The first line left is a header if it holds a name and no
    number; so is a comment right above the first row, if it holds a name for each column, as NumPy's ``savetxt`` writes
    it.

    Args:
        path: the file, which is read up to its first row; a pipe is read to its end.
        above: the number of lines above the table, which are skipped.

    Raises:
        FileNotFoundError, OSError: no such file, or one that cannot be read.
        ValueError: not text, no rows, or a header of another length than the first row.
    """
    text = None if path.is_file() else read_text(path)
    header, comment, first = None, "", None
    for row, line in rows(path, text, start=above + 1):
        if row is None:
            comment = line
        elif header is None and _is_header(row.cells):
            header = line
        else:
            first = row
            break
    if first is None:
        raise ValueError(
            f"File {path} is empty." if header is None else f"File {path} has a header and nothing below it."
        )
    separator, decimal_commas = _layout(line)
    if decimal_commas:
        first = Row(first.line, _split(line.replace(",", ".")))
    else:
        _check_separators(path, first, line)
    width = len(first.cells)
    names = _names(comment.lstrip("# ") if header is None else header, width, separator)
    if header is not None and len(names) != width:
        raise ValueError(f"The header of {path} must have {width} columns, as the rows have, but has {len(names)}.")
    named = header is not None or (len(names) == width and all(map(_NAME.match, names)))
    return Table(path, names if named else None, first, separator, text, decimal_commas, decimal_commas and "," in line)


def _layout(line: str) -> tuple[str | None, bool]:
    """The characters between the cells of the first row, as in `Table`, and whether commas are those of decimals.

    They are where something else stands between the cells, and where only spaces can, as in ``0,5 1,25``.
    """
    found = {kind.strip() or "\t" for kind in _SEPARATOR.findall(line)}
    words = line.split()
    if found == {","} and len(words) > 1 and all(map(_COMMA.fullmatch, words)):
        return None, True
    others = found - {","}
    return "".join(sorted(others or found)) or None, not found or bool(others)


def columns(table: Table, wanted: Sequence[Column]) -> list[np.ndarray]:
    """The numbers of some columns, (rows,) each, which may be NaN or infinite.

    The file is read block by block, with NumPy's reader. A block that it refuses is read again cell by cell, which
    gives the numbers or an error with the line.

    Raises:
        FileNotFoundError, OSError: no such file, or one that cannot be read.
        ValueError: not text, rows that differ in length, or a cell without a number.
    """
    parts: list[list[np.ndarray]] = []
    for line, lines in _blocks(table.path, table.text, table.first.line, table.decimal_commas):
        part = _with_numpy(table, lines, wanted)
        parts.append(_cell_by_cell(table, line, lines, wanted) if part is None else part)
    read = []
    for i in range(len(wanted)):
        read.append(np.concatenate([part[i] for part in parts]))
        for part in parts:
            part[i] = read[i][:0]  # frees it, so that only one column is in memory twice
    return read


def row(table: Table, index: int) -> Row:
    """The row of that number, from 0, for a message."""
    every = rows(table.path, table.text, table.first.line, table.decimal_commas)
    return next(islice((row for row, _ in every if row is not None), index, None))


def _with_numpy(table: Table, lines: list[str], wanted: Sequence[Column]) -> list[np.ndarray] | None:
    """The wanted columns of some lines, or None if NumPy's reader refuses them; gaps are tried on a second pass."""
    lines = [line for line in lines if line and not line.isspace() and not line.lstrip().startswith("#")]
    of = {column.at: column for column in wanted}
    if (table.separator and len(table.separator) > 1) or any(of[column.at] != column for column in wanted):
        return None
    if not lines:
        return [np.empty(0) for _ in wanted]
    # The other columns may hold words and only have to exist: one character of each cell is kept.
    kinds = np.dtype([(f"{i}", "f8" if i in of else "U1") for i in range(table.width)])
    for filled in (False, True) if any(column.gaps for column in wanted) else (False,):
        if filled:
            lines = _filled(lines, table.separator or " ")
        with suppress(ValueError):
            rows = np.loadtxt(lines, kinds, comments=None, delimiter=table.separator, ndmin=1)
            if filled and any(np.isnan(rows[f"{column.at}"]).any() for column in wanted if not column.gaps):
                return None  # a time may be missing
            return [scaled(rows[f"{column.at}"].copy(), column.factor) for column in wanted]
    return None


def _filled(lines: list[str], separator: str) -> list[str]:
    """The lines with ``nan`` in the cells that mean a missing sample, where no spaces stand beside these."""
    text = "\n".join(["", *lines, ""])
    for word in _MISSING[1:] if separator == " " else _MISSING:
        # Twice, as of two such cells side by side the first takes the separator between them.
        for before, after in ((separator, separator), (separator, separator), (separator, "\n"), ("\n", separator)):
            text = text.replace(f"{before}{word}{after}", f"{before}nan{after}")
    return text[1:-1].split("\n")


def scaled(values: np.ndarray, factor: Decimal) -> np.ndarray:
    """Numbers from text times ``factor``, rounded to binary once: 0.0051 s are 5.1 ms, and not 5.1000000000000005.

    Few decimals are found again in the binary numbers. Of numbers with many, nobody sees the last digit.
    """
    if factor == 1:
        return values
    size = float(np.max(np.abs(values), initial=0.0, where=np.isfinite(values)))
    for decimals in range(_POWER + 1):
        exact = Fraction(factor) / 10**decimals
        if size * 10.0**decimals * exact.numerator >= _WHOLE or exact.denominator > 10**_POWER:
            break
        whole = np.rint(values * 10.0**decimals)
        if np.array_equal(whole / 10.0**decimals, values, equal_nan=True):
            return whole * float(exact.numerator) / float(exact.denominator)
    return values * float(factor)


def _cell_by_cell(table: Table, line: int, lines: list[str], wanted: Sequence[Column]) -> list[np.ndarray]:
    """The wanted columns of some lines, the first of which is line number ``line`` of the file."""
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
        np.array([cell(path, row, column.at, column.factor) for row in rows], float)
        for cell, column in zip(cells, wanted, strict=True)
    ]


def rows(
    path: Path, text: str | None, start: int = 1, decimal_commas: bool = False
) -> Iterator[tuple[Row | None, str]]:
    """Each line from ``start`` on that is not empty, as a row (None for a comment) and as text.

    ``text`` and ``decimal_commas`` are as in `Table`.
    """
    for line, lines in _blocks(path, text, start, decimal_commas):
        yield from _split_rows(line, lines)


def _split_rows(line: int, lines: list[str]) -> Iterator[tuple[Row | None, str]]:
    """The lines that are not empty, each with its cells, or with None if it is a comment."""
    for number, text in enumerate(map(str.strip, lines), start=line):
        if text:
            yield None if text.startswith("#") else Row(number, _split(text)), text


def _blocks(path: Path, text: str | None, start: int, decimal_commas: bool) -> Iterator[tuple[int, list[str]]]:
    """The lines of a file from number ``start`` on, in blocks, each with the number of its first line."""
    line = 1
    with opened(path) if text is None else io.StringIO(text) as file:
        while block := file.read(_BLOCK):
            block += file.readline()  # up to the end of a line
            lines = (block.replace(",", ".") if decimal_commas else block).splitlines()
            skipped = max(0, start - line)
            if skipped < len(lines):
                yield line + skipped, lines[skipped:]
            line += len(lines)


@contextmanager
def opened(path: Path) -> Iterator[IO[str]]:
    """A text file to read: UTF-8 or, where its beginning is not that, the encoding of Windows for western languages.

    Raises:
        FileNotFoundError, OSError: no such file, or one that cannot be read.
        ValueError: not text.
    """
    try:
        with path.open(encoding=_encoding(path)) as file:
            yield file
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {path}.") from None
    except UnicodeDecodeError:
        raise ValueError(f"File {path} must be text, but is not.") from None
    except OSError as error:
        raise OSError(f"File {path} cannot be read: {error.strerror}.") from None


def _encoding(path: Path) -> str:
    """UTF-8, unless the beginning of a file is text of Windows, as µ is there one byte that UTF-8 does not have."""
    if path.is_file():
        with path.open("rb") as file:
            beginning = file.read(4096).rpartition(b"\n")[0]  # whole lines, so that no letter is cut
        try:
            beginning.decode("utf-8")
        except UnicodeDecodeError:
            if not _CONTROL.search(beginning):
                return "cp1252"
    return "utf-8-sig"


def number(path: Path, row: Row, column: int, factor: Decimal = Decimal(1)) -> float:
    """The number in a ``column`` (from 0) of a row; it may be NaN or infinite.

    Args:
        path: the file, for the message.
        row: the row.
        column: the column.
        factor: multiplies it before it is rounded to binary.

    Raises:
        ValueError: the cell is not a number.
    """
    cell = row.cells[column]
    try:
        value = number_text.decimal_or_not_finite(cell)
    except ValueError:
        here = f"Line {row.line} of {path}"
        raise ValueError(f"{here} must have a number in column {column + 1}, but has {cell!r}.") from None
    return value if factor == 1 or not math.isfinite(value) else float(Decimal(cell.strip()) * factor)


def sample(path: Path, row: Row, column: int, factor: Decimal = Decimal(1)) -> float:
    """As `number`, but NaN if the cell means a missing sample.

    Raises:
        ValueError: see `number`.
    """
    return math.nan if row.cells[column] in _MISSING else number(path, row, column, factor)


def in_ms(path: Path, name: str, unit: str | None, say: str = "`time_unit`") -> tuple[Decimal, str]:
    """The factor from the unit of a column of times to ms.

    Args:
        path: the file, for the message.
        name: the column's name, which may hold its unit.
        unit: the unit, if it was given.
        say: the argument or option that gives the unit, for the message.

    Returns:
        The factor, and a note about the conversion, empty if there is none.

    Raises:
        ValueError: a name that holds two units.
    """
    named = {unit} if unit else time_unit.named(name) or {"ms"}
    if len(named) > 1:
        units = " and ".join(sorted(named))
        raise ValueError(f"Column {name!r} of {path} must name one unit of time, but names {units}: say {say}.")
    (found,) = named
    return time_unit.IN_MS[found], "" if found == "ms" else f"{name}, converted from {found} to ms"


def closer_look(
    path: Path, name: str, unit: str | None, times: np.ndarray, say: str = "`time_unit`"
) -> tuple[Decimal, str, str]:
    """Whether times are what they are taken for: a factor that is still missing, a note about it, and a warning.

    Where neither ``name`` nor ``unit`` gives their unit, and they can only be seconds, that is what they are.

    Args:
        path: the file, for messages.
        name: the name of their column, which may hold their unit.
        unit: the unit, if it was given.
        times: in ms, by `in_ms`.
        say: the argument or option that gives the unit, for messages.
    """
    interval = float(np.median(np.diff(times))) if len(times) > 1 else math.inf
    if unit or not 0 < interval < _SHORTEST:
        return Decimal(1), "", ""
    if not time_unit.named(name) and interval * 1000 >= _SHORTEST:
        warning = (
            f"The times of {path} have no unit and are {interval:.4g} apart, which can only be seconds: they are read "
            f"as seconds, unless {say} gives another unit"
        )
        return time_unit.IN_MS["s"], "times without a unit read as s", warning
    warning = (
        f"The samples of {path} are {interval * 1000:.4g} us apart, {1 / interval:,.0f} kHz, faster than amplifiers "
        f"take them: if the unit of its times is another, say {say}"
    )
    return Decimal(1), "", warning


def _check_separators(path: Path, row: Row, text: str) -> None:
    """Raise ValueError if a row has commas and other separators: the commas are then those of decimals."""
    if "," in text and len(kinds := _separators(text)) > 1:
        raise ValueError(
            f"Line {row.line} of {path} must have one separator between its numbers, but has {' and '.join(kinds)}"
            ": write decimals with a point."
        )


def _separators(line: str) -> list[str]:
    """The names of the separators in a line."""
    found = {next(kind for kind in ",;\t" if kind in separator) for separator in _SEPARATOR.findall(line)}
    return [{",": "commas", ";": "semicolons", "\t": "tabs"}[kind] for kind in sorted(found)]


def _split(line: str) -> list[str]:
    return _SEPARATOR.split(line) if _SEPARATOR.search(line) else line.split()


def _names(line: str, columns: int, separator: str | None) -> list[str]:
    """The names in a header. Without commas a name may have a space before brackets: time (ms)."""
    cells = re.split(rf"\s*[{separator}]\s*", line) if separator else _split(line)
    if len(cells) != columns:
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
