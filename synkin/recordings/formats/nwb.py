"""NWB files, through PyNWB.

Source: the NWB schema 2.11 as PyNWB 4.2 has it, in which ``data * conversion + offset`` is in amperes (voltage clamp)
or volts (current clamp).
"""

import re
from pathlib import Path
from typing import NamedTuple
from warnings import catch_warnings, simplefilter

import numpy as np

from synkin.recordings.formats.sweeps import Foreign, RecordingError, Sweeps, choose, package, reading, unique
from synkin.recordings.signal_unit import SCALED


class _Range(NamedTuple):
    """A part of a series, which is a sweep."""

    series: Foreign
    first: int = 0
    length: int | None = None  # None for all samples

    @property
    def part(self) -> slice:
        """The samples of the series that it is."""
        return slice(self.first, None if self.length is None else self.first + self.length)


def read(path: Path, channel: int | str, unit: str | None) -> Sweeps:
    """NWB: voltage- and current-clamp series; those of an electrode and a unit are a channel.

    Where the table ``intracellular_recordings`` names responses, each is a sweep, in the order of the table. Else each
    series in ``acquisition`` is one, in the order of their numbers or, without numbers, of their starting times and
    names.
    """
    del unit
    pynwb = package("pynwb", "nwb", "NWB files")
    kinds = {pynwb.icephys.VoltageClampSeries: "A", pynwb.icephys.CurrentClampSeries: "V"}
    with reading(path, "PyNWB"), catch_warnings():
        simplefilter("ignore")  # the values that matter are checked below
        with pynwb.NWBHDF5IO(str(path), "r") as io:
            file = io.read()
            responses = _responses(file)
            channels: dict[str, list[_Range]] = {}
            for one in responses or [_Range(series) for series in file.acquisition.values()]:
                for kind, found in kinds.items():
                    if isinstance(one.series, kind):
                        channels.setdefault(f"{one.series.electrode.name} ({SCALED[found].unit})", []).append(one)
            if not channels:
                raise RecordingError(f"File {path} has no voltage-clamp or current-clamp series in `acquisition`.")
            name = list(channels)[choose(path, channel, list(channels))]
            ordered = channels[name] if responses else _in_order(channels[name])
            symbol = "A" if isinstance(ordered[0].series, pynwb.icephys.VoltageClampSeries) else "V"
            begun, times = zip(*(_times(path, one) for one in ordered), strict=True)
            traces = [_trace(path, one, symbol) for one in ordered]
            labels = _labels(ordered)
            protocols = unique(str(one.series.stimulus_description or "") for one in ordered)
    for label, own_times, trace in zip(labels, times, traces, strict=True):
        if trace.shape != own_times.shape:
            raise RecordingError(
                f"Series {label!r} of {path} must have one value a time, but has shape {trace.shape} "
                f"with {len(own_times)} times."
            )
    starts = np.array(begun)
    told = [protocol for protocol in protocols if protocol not in ("", "N/A", "NA")]
    return Sweeps(
        list(times),
        traces,
        SCALED[symbol].unit,
        labels,
        channels=tuple(channels),
        # Series without a starting time all begin at 0.
        start_times=starts if len(set(starts)) == len(starts) else None,
        protocol=", ".join(told),
    )


def _responses(file: Foreign) -> list[_Range]:
    """The responses that the table of intracellular recordings names; none without it."""
    table = file.intracellular_recordings
    if table is None or "responses" not in table.category_tables:
        return []
    # A number below 0 stands for a recording without a response.
    named = [(int(first), int(count), series) for first, count, series in table["responses"]["response"]]
    return [_Range(series, first, count) for first, count, series in named if first >= 0 and count > 0]


def _labels(ranges: list[_Range]) -> list[str]:
    """The names of series, with a number where one holds several sweeps."""
    names = [one.series.name for one in ranges]
    return [name if names.count(name) == 1 else f"{name}[{names[:i].count(name)}]" for i, name in enumerate(names)]


def _in_order(ranges: list[_Range]) -> list[_Range]:
    def name(one: _Range) -> list[int | str]:  # a key that puts sweep_10 after sweep_9
        return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", one.series.name)]

    ordered = sorted(ranges, key=name)
    if all(one.series.sweep_number is not None for one in ordered):
        return sorted(ordered, key=lambda one: int(one.series.sweep_number))
    return sorted(ordered, key=lambda one: float(one.series.get_starting_time() or 0.0))


def _times(path: Path, one: _Range) -> tuple[float, np.ndarray]:
    """When a sweep starts, and the times from its start, in ms."""
    series = one.series
    if series.timestamps is not None:
        stamps = np.asarray(series.timestamps[one.part], float)
        return 1000 * stamps[0] if len(stamps) else np.nan, (stamps - stamps[:1]) * 1000
    if not (series.rate and np.isfinite(series.rate) and series.rate > 0):
        raise RecordingError(
            f"Series {series.name!r} of {path} must have a positive rate in Hz, but has {series.rate}."
        )
    first, last, _ = one.part.indices(len(series.data))
    rate = float(series.rate)
    return 1000 * (float(series.starting_time or 0.0) + first / rate), np.arange(last - first) * 1000 / rate


def _trace(path: Path, one: _Range, symbol: str) -> np.ndarray:
    series = one.series
    said = getattr(series.data, "attrs", {}).get("unit", symbol)
    said = said.decode() if isinstance(said, bytes) else str(said)
    if said not in ({"A", "ampere", "amperes"} if symbol == "A" else {"V", "volt", "volts"}):
        base = "amperes" if symbol == "A" else "volts"
        raise RecordingError(f"Series {series.name!r} of {path} must be in {base}, as NWB has it, but is in {said!r}.")
    conversion, offset = float(series.conversion), float(series.offset or 0.0)
    if not (np.isfinite(conversion) and conversion != 0 and np.isfinite(offset)):
        raise RecordingError(
            f"Series {series.name!r} of {path} must have a finite conversion and offset, without which its values "
            f"have no unit, but has {conversion} and {offset}."
        )
    factor = SCALED[symbol].factor
    return np.asarray(series.data[one.part], float) * (conversion * factor) + offset * factor
