"""What a command finds in one file: what it prints, writes and draws."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A row of a table: its cells by the names of the columns. None is an empty cell.
Row: TypeAlias = dict[str, "str | float | int | None"]


@dataclass
class Result:
    """What a command finds in one file."""

    rows: list[tuple[str, str]]  # the summary
    text: str  # is printed below the summary
    columns: list[str]  # the names of the table's columns
    table: list[Row]
    content: dict[str, object]  # all of it, for .json files; what is infinite or missing becomes null
    draw: Callable[[Figure], None] | None = None  # draws into an empty figure
    brief: list[Row] | None = None  # what is printed of each of several files; None for the table
    detail: list[Row] | None = None  # the table of the page of --report; None for the table
    stimuli: list[Row] = field(default_factory=list)  # a table beside --out, if any
    messages: list[str] = field(default_factory=list)  # warnings
    more_pictures: list[tuple[str, Callable[[Figure], None]]] = field(default_factory=list)  # for --report, with titles

    @property
    def shown(self) -> list[Row]:
        """What is printed of each of several files."""
        return self.table if self.brief is None else self.brief


def columns_of(rows: Sequence[Row], first: Sequence[str] = ()) -> list[str]:
    """The names of the columns of any row, those of ``first`` before the others."""
    return list(dict.fromkeys([*first, *(name for row in rows for name in row)]))


def as_csv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """A table with all digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        cells = (row.get(name) for name in columns)
        writer.writerow(
            ["" if cell is None or cell != cell else repr(cell) if isinstance(cell, float) else cell for cell in cells]
        )
    return text.getvalue()


def as_text(rows: Sequence[Row], columns: Sequence[str]) -> list[list[str]]:
    """The cells of a table with few digits, below the names of its columns; columns without a number are left out."""
    told = [name for name in columns if any(shown_cell(row.get(name)) != "-" for row in rows)]
    return [told, *([shown_cell(row.get(name)) for name in told] for row in rows)]


def shown_cell(cell: object, digits: int = 4) -> str:
    """A cell as it is printed; "-" where there is nothing."""
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return "-"
    return f"{cell:.{digits}g}" if isinstance(cell, float) else str(cell)


def as_json(value: object) -> str:
    """``value`` as text in JSON."""
    return json.dumps(plain(value), indent=2, allow_nan=False) + "\n"


def plain(value: object) -> object:
    """``value`` in the types that JSON has: what is infinite or missing becomes null."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
