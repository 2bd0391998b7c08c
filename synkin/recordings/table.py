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

from synkin.recordings import number_text, time_unit

_SEPARATOR = re.compile(r"\s*[,;\t]\s*")
# A name of a column: one word, and perhaps more in brackets, as in time (ms).
_NAME = re.compile(r"[^\W\d]\S*(\s*[(\[][^)\]]*[)\]])?$")
# Units at the end of a column's name, as in mean_pA or current (nA).
_UNIT = re.compile(r"(?:^|[^a-zA-Z])(pA|nA|uA|µA|mA|uV|µV|mV|V|pS|nS|uS|µS|mS)\)?$")
# Cells that mean a missing sample, besides NaN.
_MISSING = ("", "-", "NA", "N/A")
# The number of characters that are read at once.
_BLOCK = 2**20


class Row(NamedTuple):
    """One line of a table."""

    line: int  # of the file, from 1
    cells: list[str]


class Column(NamedTuple):
    """A column to be read."""

    at: int  # from 0
    factor: Decimal = Decimal(1)  # multiplies the numbers before they are rounded to binary
    gaps: bool = False  # whether a sample may be missing, which is NaN


class Table(NamedTuple):
    """The head of a table; `columns` reads its numbers."""

    path: Path
    names: list[str] | None  # of the columns, if the file has them
    first: Row
    separator: str | None  # the characters between the cells of the first row, each once; None for spaces
    text: str | None  # the content of a pipe, which can be read only once; None for a file

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
    with _opened(path) as file:
        return file.read()


def head(path: Path) -> Table:
    """The head of a text file with commas, semicolons, tabs or, where there are none of these, spaces between cells.

    Empty lines and lines that begin with # are skipped. The first line left is a header if it holds a name and no
    number; so is a comment right above the first row, if it holds a name for each column, as NumPy's ``savetxt`` writes
    it.

    Args:
        path: the file, which is read up to its first row; a pipe is read to its end.

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

    The file is read block by block, with NumPy's reader. A block that it refuses is read again cell by cell, which
    gives the numbers or an error with the line.

    Raises:
        FileNotFoundError, OSError: no such file, or one that cannot be read.
        ValueError: not text, rows that differ in length, or a cell without a number.
    """
    parts: list[list[np.ndarray]] = []
    for line, lines in _blocks(table.path, table.text):
        skipped = max(0, table.first.line - line)
        line, lines = line + skipped, lines[skipped:]
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
    below = (row for row, _ in rows(table.path, table.text) if row is not None and row.line >= table.first.line)
    return next(islice(below, index, None))


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
    scaled: dict[int | str, Callable[[str], float]] = {
        i: _scaled(column.factor) for i, column in of.items() if column.factor != 1
    }
    gapped: dict[int | str, Callable[[str], float]] = {i: _gap for i in of if of[i].gaps and i not in scaled}
    for converters in (scaled, scaled | gapped) if gapped else (scaled,):
        with suppress(ValueError):
            rows = np.loadtxt(
                lines, kinds, comments=None, delimiter=table.separator, converters=converters or None, ndmin=1
            )
            return [rows[f"{column.at}"].copy() for column in wanted]
    return None


def _scaled(factor: Decimal) -> Callable[[str], float]:
    """A function from a cell to its number, multiplied before it is rounded to binary."""
    shift = factor.adjusted() if factor == Decimal(10) ** factor.adjusted() else None

    def convert(cell: str) -> float:
        if shift is not None:
            with suppress(ValueError):
                return float(f"{_digits(cell)}e{shift}")
        value = float(_digits(cell))
        return float(Decimal(cell.strip()) * factor) if math.isfinite(value) else value

    return convert


def _gap(cell: str) -> float:
    return math.nan if cell.strip() in _MISSING else float(_digits(cell))


def _digits(cell: str) -> str:
    """``cell`` without spaces around it. Python reads 1_0 as a number, so that is refused here."""
    if "_" in cell:
        raise ValueError
    return cell.strip()


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


def rows(path: Path, text: str | None) -> Iterator[tuple[Row | None, str]]:
    """Each line that is not empty, as a row (None for a comment) and as text; ``text`` as in `Table`."""
    for line, lines in _blocks(path, text):
        yield from _split_rows(line, lines)


def _split_rows(line: int, lines: list[str]) -> Iterator[tuple[Row | None, str]]:
    """The lines that are not empty, each with its cells, or with None if it is a comment."""
    for number, text in enumerate(map(str.strip, lines), start=line):
        if text:
            yield None if text.startswith("#") else Row(number, _split(text)), text


def _blocks(path: Path, text: str | None) -> Iterator[tuple[int, list[str]]]:
    """The lines of a file in blocks, each with the number of its first line."""
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


def unit(name: str) -> str:
    """The unit at the end of a column's name, as in ``mean_pA``; "" if there is none."""
    match = _UNIT.search(name)
    return match.group(1) if match else ""


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


def _names(line: str, columns: int) -> list[str]:
    """The names in a header. Without commas a name may have a space before brackets: time (ms)."""
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
