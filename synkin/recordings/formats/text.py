"""Tables of text, and Axon's text files (ATF), which are tables below some lines about the recording."""

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synkin.recordings import number_text, signal_unit, table, time_unit
from synkin.recordings.formats.sweeps import RecordingError, Sweeps, choose, unique

# How an ATF file begins: the format and its version.
_ATF = re.compile(rb"(\xef\xbb\xbf)?ATF\s+[0-9]")


class Columns(NamedTuple):
    """Columns of a table in the units in which they are used."""

    times: np.ndarray  # (M,) ms
    traces: list[np.ndarray]  # (M,) each
    units: list[str]  # of the traces; "" where it is not known
    note: str  # what was converted
    warning: str  # what may be wrong, as a sentence


def read(path: Path, channel: int | str, unit: str | None) -> Sweeps:
    """A table with times in its first column. The other columns of one unit are the sweeps of a channel.

    Columns of words are ignored. ``channel`` may also be the name of one column, with its unit or without.
    """
    if path.is_file():
        with path.open("rb") as file:
            if is_atf(file.read(64)):
                return _atf(path, channel, unit)
    head = table.head(path)
    names = names_of(head)
    if len(names) < 2:
        raise RecordingError(f"File {path} must have a column of times and at least one of a trace, but has 1 column.")
    timed = [time_unit.is_time(name) for name in names]
    if any(timed) and not timed[0]:
        at = timed.index(True)
        raise RecordingError(f"File {path} must have its times in column 1, but has {names[at]!r} in column {at + 1}.")
    kinds = {i: signal_unit.kind(names[i]) for i in head.others(0)}
    columns, channels = _columns_of_channel(path, channel, kinds, names)
    found = columns_in_ms(head, 0, columns, unit)
    labels = [names[i] for i in columns]
    return Sweeps(
        [found.times] * len(columns),
        found.traces,
        found.units[0],
        labels,
        found.note,
        found.warning,
        tuple(channels),
    )


def is_atf(begins: bytes) -> bool:
    """Whether a file that begins so is one of Axon's text files."""
    return _ATF.match(begins) is not None


def names_of(head: table.Table) -> list[str]:
    """The names of a table's columns; where it has none, "column 1" and so on."""
    return head.names or [f"column {i + 1}" for i in range(head.width)]


def columns_in_ms(
    head: table.Table, time: int, columns: Sequence[int], unit: str | None, say: str = "`time_unit`"
) -> Columns:
    """The numbers of some columns: times in ms, and amperes, volts and siemens in pA, mV and nS.

    Args:
        head: the head of the table.
        time: the column of the times, from 0.
        columns: the others, from 0.
        unit: the unit of the times, if it was given.
        say: the argument or option that gives the unit, for messages.

    Raises:
        FileNotFoundError, OSError, ValueError: see `table.columns`.
    """
    names = names_of(head)
    factor, note = table.in_ms(head.path, names[time], unit, say)
    units = [signal_unit.unit(names[i]) for i in columns]
    scaled = [signal_unit.SCALED.get(own) for own in units]
    factors = [Decimal(int(to.factor)) if to else Decimal(1) for to in scaled]
    wanted = [table.Column(i, factor, gaps=True) for i, factor in zip(columns, factors, strict=True)]
    times, *traces = table.columns(head, [table.Column(time, factor), *wanted])
    further, own_note, warning = table.closer_look(head.path, names[time], unit, times, say)
    converted = unique(f"{own} converted to {to.unit}" for own, to in zip(units, scaled, strict=True) if to)
    notes = [note, own_note, "commas read as decimal points" if head.commas else "", *converted]
    own_units = [to.unit if to else own for own, to in zip(units, scaled, strict=True)]
    return Columns(table.scaled(times, further), traces, own_units, ", ".join(filter(None, notes)), warning)


def _columns_of_channel(
    path: Path, channel: int | str, kinds: dict[int, str], names: list[str]
) -> tuple[list[int], list[str]]:
    """The columns of a channel, and the names of all channels: their units or, without one, the first column's name."""
    first = {kind: i for i, kind in reversed(kinds.items())}
    order = unique(kinds.values())
    channels = [kind if not kind or signal_unit.unit(names[first[kind]]) else names[first[kind]] for kind in order]
    without_unit = [re.split(r"[\[(]", name)[0].strip() for name in names]
    own = [i for i in kinds if channel in (names[i], without_unit[i])]
    if isinstance(channel, str) and channel not in channels and own:
        return own, channels
    wanted = order[choose(path, channel, channels)]
    return [i for i, kind in kinds.items() if kind == wanted], channels


def _atf(path: Path, channel: int | str, unit: str | None) -> Sweeps:
    """Axon's text files: a signal and unit are a channel; start times of sweeps are in the lines above the table."""
    records, lines = _atf_records(path)
    head = table.head(path, above=lines)
    names = names_of(head)
    signals = _cells(records.get("signals", ""))
    if len(signals) != head.width - 1:
        signals = [""] * (head.width - 1)
    own = [signal_unit.kind(name) for name in names]
    kinds = {i: f"{signals[i - 1]} ({own[i]})" if signals[i - 1] else own[i] for i in range(1, head.width)}
    channels = unique(kinds.values())
    short = [kind for kind in channels if isinstance(channel, str) and kind.startswith(f"{channel} (")]
    wanted = channels[choose(path, short[0] if len(short) == 1 else channel, channels)]
    columns = [i for i, kind in kinds.items() if kind == wanted]
    found = columns_in_ms(head, 0, columns, unit)
    starts = _numbers(records.get("sweepstarttimesms", ""))
    return Sweeps(
        [found.times] * len(columns),
        found.traces,
        found.units[0],
        [names[i] for i in columns],
        found.note,
        found.warning,
        tuple(channels),
        start_times=starts if len(starts) == len(columns) else None,
        protocol=records.get("acquisitionmode", ""),
    )


def _atf_records(path: Path) -> tuple[dict[str, str], int]:
    """The lines about the recording, by the word before their =, and how many lines stand above the names of columns.

    The second line of the file says how many of these lines there are.
    """
    with table.opened(path) as file:
        file.readline()
        counts = [word for word in re.split(r"[\s,]+", file.readline()) if word]
        if len(counts) != 2 or not all(word.isascii() and word.isdecimal() for word in counts):
            raise RecordingError(
                f"Line 2 of {path} must have the number of lines about the recording and that of columns, as ATF has "
                f"it, but has {' '.join(counts)!r}."
            )
        lines = [file.readline().strip() for _ in range(int(counts[0]))]
    records = {}
    for line in lines:
        name, _, value = line.partition("=")
        # The quote around a record ends behind its =, or at the end of the line.
        records[name.strip('" ').lower()] = value[1:] if value.startswith('"') else value.strip('" ')
    return records, 2 + len(lines)


def _cells(text: str) -> list[str]:
    """The texts in quotes of the rest of a line."""
    return re.findall(r'"([^"]+)"', text)


def _numbers(text: str) -> np.ndarray:
    try:
        return np.array([number_text.decimal(word) for word in text.split(",") if word.strip()])
    except ValueError:
        return np.empty(0)
