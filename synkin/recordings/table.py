"""Tables of numbers as text: comma, tab, semicolon or space between the cells."""

import math
import re
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from synkin.recordings import time_unit

_SEPARATOR = re.compile(r"\s*[,;\t]\s*")
# A name of a column: one word, and perhaps more in brackets, as in time (ms).
_NAME = re.compile(r"[^\W\d]\S*(\s*[(\[][^)\]]*[)\]])?$")
# Units at the end of a column's name, as in mean_pA or current (nA).
_UNIT = re.compile(r"(?:^|[^a-zA-Z])(pA|nA|uA|µA|mA|uV|µV|mV|V|pS|nS|uS|µS|mS)\)?$")
# What stands for a sample that is missing, besides a NaN.
_MISSING = ("", "-", "NA", "N/A")


class Row(NamedTuple):
    """One line of a table."""

    line: int  # of the file, from 1
    cells: list[str]


def read_text(path: Path) -> str:
    """What a text file holds.

    Raises:
        FileNotFoundError, OSError: no such file, or one that cannot be read.
        ValueError: not text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {path}.") from None
    except UnicodeDecodeError:
        raise ValueError(f"File {path} must be text, but is not.") from None
    except OSError as error:
        raise OSError(f"File {path} cannot be read: {error.strerror}.") from None


def read_table(path: Path) -> tuple[list[str] | None, list[Row]]:
    """The cells of a text file, separated by commas, semicolons, tabs or, where there are none, by spaces.

    Empty lines and lines that begin with # are passed over. The first line left is a header where it holds no
    number and a name; so is a comment right above the first row, if it holds a name for each column, as NumPy's
    ``savetxt`` writes it.

    Args:
        path: the file.

    Returns:
        The names of the columns or None, and the rows, at least one, all of one length, which is the header's.

    Raises:
        FileNotFoundError, OSError: no such file, or one that cannot be read.
        ValueError: not text, no rows, or rows that differ in length.
    """
    text = read_text(path)
    lines = [(number, line) for number, line in enumerate(map(str.strip, text.splitlines()), start=1) if line]
    rows = [Row(number, _split(line)) for number, line in lines if not line.startswith("#")]
    if not rows:
        raise ValueError(f"File {path} is empty.")
    texts = dict(lines)
    header = texts[rows.pop(0).line] if _is_header(rows[0].cells) else None
    if not rows:
        raise ValueError(f"File {path} has a header and nothing below it.")
    expected = len(rows[0].cells)
    for row in rows:
        if len(row.cells) != expected:
            raise ValueError(
                f"Line {row.line} of {path} must have {expected} columns, as line {rows[0].line} has, "
                f"but has {len(row.cells)}."
            )
    if header is not None:
        names = _names(header, expected)
        if len(names) != expected:
            raise ValueError(
                f"The header of {path} must have {expected} columns, as the rows have, but has {len(names)}."
            )
        return names, rows
    above = [line for number, line in lines if number < rows[0].line]
    names = _names(above[-1].lstrip("# "), expected) if above else []
    return (names if len(names) == expected and all(map(_NAME.match, names)) else None), rows


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
        value = float(cell)
    except ValueError:
        here = f"Line {row.line} of {path}"
        raise ValueError(f"{here} must have a number in column {column + 1}, but has {cell!r}.") from None
    return value if times == 1 or not math.isfinite(value) else float(Decimal(cell) * times)


def sample(path: Path, row: Row, column: int) -> float:
    """As `number`, and NaN where the cell is empty or says that there is none.

    Raises:
        ValueError: see `number`.
    """
    return math.nan if row.cells[column] in _MISSING else number(path, row, column)


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
        float(cell)
    except ValueError:
        return False
    return True
