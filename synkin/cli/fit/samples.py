"""The samples that are fitted, from columns of a table or a channel of another file, and their errors."""

import argparse
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synkin.cli import UsageError, options, usage_errors
from synkin.cli.suggestions import did_you_mean
from synkin.recordings import formats, number_text, signal_unit, table
from synkin.recordings.formats import text
from synkin.recordings.recording import Recording

# Times that differ by less than this, in ms, are the same.
_SAME_TIME = 1e-6


class Samples(NamedTuple):
    """The times and values of one or more recordings."""

    times: np.ndarray  # (M,) ms
    trace: np.ndarray  # (M,) or (R, M)
    columns: list[str]  # the names or numbers of the R columns
    unit: str  # "" if it is not known
    note: str = ""  # which column was converted to ms, and from what
    averaged: int = 0  # of how many sweeps the only trace is the mean; 0 if it is none

    @property
    def recording(self) -> Recording:
        """The same as one of synkin's recordings."""
        return Recording(self.times, self.trace, self.unit, labels=tuple(self.columns), averaged=self.averaged)


@usage_errors()
def recorded(path: Path, arguments: argparse.Namespace) -> Samples:
    """The columns of a table that --time and --trace name, or the --channel of another file, cut by the options.

    Raises:
        UsageError: see `read` and `options.recording`, or options of the other kind of file.
    """
    if formats.is_table(path) and arguments.channel == "0":
        found = read(path, arguments.time, arguments.trace, arguments.time_unit, arguments.sigma)
        if not (arguments.sweeps or arguments.window or arguments.baseline or arguments.average):
            return found
        rows = list(np.atleast_2d(found.trace))
        sweeps = formats.Sweeps([found.times] * len(rows), rows, found.unit, found.columns, found.note)
        known, note = options.part(sweeps, path, arguments), found.note
    else:
        for name, default in (("time", "1"), ("trace", None)):
            if getattr(arguments, name) != default:
                if formats.is_table(path):
                    raise UsageError(f"Option --{name} excludes --channel.")
                raise UsageError(f"Option --{name} is for tables, but {path} is not one: use --channel and --sweeps.")
        known, note = options.recording(path, arguments), ""
    traces = known.traces
    return Samples(
        known.times, traces[0] if len(traces) == 1 else traces, list(known.labels), known.unit, note, known.averaged
    )


@usage_errors()
def read(
    path: Path, time: str, trace: str | None = None, time_unit: str | None = None, sigma: str | None = None
) -> Samples:
    """The columns of a file that ``time`` and ``trace`` name, the times in ms.

    Args:
        path: the file.
        time: the column of the times.
        trace: the columns of the traces; by default all columns of numbers in the unit of the first, but no errors.
        time_unit: the unit of the times, if it was given.
        sigma: the columns of errors, if there are any in the file.

    Raises:
        UsageError: no such file or column, or a cell that holds no number.
    """
    head = table.head(path)
    names = text.names_of(head)
    at = _columns(path, names, time)
    if len(at) != 1:
        raise UsageError(f"Option --time needs one column, but {time} means {len(at)}.")
    if trace is None:
        columns = _sweeps(path, head, names, at[0], sigma)
    else:
        columns = [column for item in trace.split(",") for column in _columns(path, names, item.strip())]
    found = text.columns_in_ms(head, at[0], columns, time_unit, say="--time-unit")
    options.warn(found.warning)
    traces = found.traces
    unit = found.units[0] if len(set(found.units)) == 1 else ""
    values = traces[0] if len(columns) == 1 else np.array(traces)
    return Samples(found.times, values, [names[c] for c in columns], unit, found.note)


def _sweeps(path: Path, head: table.Table, names: list[str], time: int, sigma: str | None) -> list[int]:
    """The columns in the unit of the first one, without the columns of times and errors."""
    if head.width < 2:
        raise UsageError(f"File {path} must have a column of times and at least one of a trace, but has 1 column.")
    patterns = [item.strip() for item in (sigma or "").split(",")]
    errors = [i for i, name in enumerate(names) if any(fnmatchcase(name, item) for item in patterns)]
    left = [i for i in head.others(time) if i not in errors] or head.others(time)
    return [i for i in left if signal_unit.kind(names[i]) == signal_unit.kind(names[left[0]])]


def _columns(path: Path, names: list[str], item: str) -> list[int]:
    """The columns that a name, a pattern of names or a number from 1 stands for."""
    found = [i for i, name in enumerate(names) if name == item] or [
        i for i, name in enumerate(names) if "*" in item and fnmatchcase(name, item)
    ]
    if not found and item.isascii() and item.isdecimal() and 1 <= int(item) <= len(names):
        found = [int(item) - 1]
    if not found:
        raise UsageError(
            f"File {path} has no column {item!r}{did_you_mean(item, names)}: it has {len(names)}, "
            f"{', '.join(names[:8])}{', ...' if len(names) > 8 else ''}."
        )
    return found


def cut(samples: Samples, arguments: argparse.Namespace) -> Samples:
    """The samples that --from, --from-sample and --to leave."""
    keep = np.ones(len(samples.times), bool)
    if arguments.begin is not None:
        keep &= samples.times >= arguments.begin
    if arguments.from_sample is not None:
        if arguments.from_sample < 0:
            raise UsageError(f"Option --from-sample must be 0 or more, but is {arguments.from_sample}.")
        keep[: arguments.from_sample] = False
    if arguments.end is not None:
        keep &= samples.times <= arguments.end
    if not keep.any():
        raise UsageError(f"Options --from, --from-sample and --to leave none of the {len(keep)} samples.")
    return samples._replace(times=samples.times[keep], trace=samples.trace[..., keep])


@usage_errors()
def sigma_of(path: Path, samples: Samples, arguments: argparse.Namespace) -> tuple[np.ndarray | None, str]:
    """The errors of the samples that --sigma gives, None without it, and a line about them for the summary.

    Raises:
        UsageError: no number, column or file of that name, or one that does not fit the samples.
    """
    given = arguments.sigma
    if given is None:
        return None, ""
    shape, count = samples.trace.shape, len(samples.columns)
    try:
        numbers = np.array([number_text.decimal_or_not_finite(item) for item in given.split(",")])
    except ValueError:
        numbers = None
    if numbers is not None:
        if len(numbers) not in (1, count):
            raise UsageError(
                f"Option --sigma must have one number, or one for each of the {count} columns, but has {len(numbers)}."
            )
        if len(numbers) == 1:
            unit = f" {samples.unit}" if samples.unit else ""
            said = f"{given}{unit} throughout: the fit is the same without it, as only ratios count"
            return np.full(shape[-1:], numbers[0]), said
        return numbers, "one for each column"
    in_table = formats.is_table(path) and any(
        fnmatchcase(name, item.strip()) for item in given.split(",") for name in table.head(path).names or []
    )
    if not in_table and not Path(given).is_file():
        where = f"a column of {path} or a file" if formats.is_table(path) else "a file"
        raise UsageError(f"Option --sigma must be a number or name {where}, but is {given!r}.")
    if in_table:
        found, said = read(path, arguments.time, given, arguments.time_unit), f"columns {given} of {path}"
    else:
        cells = table.head(Path(given)).width
        if cells < 2:
            raise UsageError(
                f"File {given} of option --sigma must have a column of times and at least one of errors, but has "
                f"{cells}."
            )
        columns = ",".join(map(str, range(2, cells + 1)))
        found, said = read(Path(given), "1", columns, arguments.time_unit), f"from {given}"
    rows = np.atleast_2d(found.trace)
    if len(rows) not in (1, count):
        raise UsageError(f"Option --sigma must have one column, or one for each of {count}, but has {len(rows)}.")
    at = np.minimum(np.searchsorted(found.times, samples.times - _SAME_TIME), len(found.times) - 1)
    off = np.abs(found.times[at] - samples.times) > _SAME_TIME
    if off.any():
        raise UsageError(
            f"Option --sigma must have the times of the recording, but has none at {samples.times[off][0]:g} ms."
        )
    rows = rows[:, at]
    return rows[0] if len(rows) == 1 else rows, said


def described(samples: Samples) -> str:
    """The columns, for the summary."""
    columns = samples.columns
    return columns[0] if len(columns) == 1 else f"{len(columns)} columns, {columns[0]} to {columns[-1]}"
