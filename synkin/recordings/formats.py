"""One reader for each format of recordings. It reads the whole sweeps of one channel of a file.

Sources of the formats: pyABF 2.3 and the NWB schema 2.11 as PyNWB 4.2 has it, in which
``data * conversion + offset`` is in amperes (voltage clamp) or volts (current clamp).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from warnings import catch_warnings, simplefilter
from zipfile import is_zipfile

import numpy as np

from synkin.recordings import table, time_unit

# An object of an optional package that reads files, whose types are not known here.
Foreign: TypeAlias = Any

# The names of columns and arrays of times.
_TIMES = {"t", "time", "times", "timestamp", "timestamps"}
# The unit that a signal is converted to, and the factor.
_SCALED = {"A": ("pA", 1e12), "V": ("mV", 1e3)}


class RecordingError(ValueError):
    """A file that cannot be used: the message is one sentence."""


class Sweeps(NamedTuple):
    """All sweeps of one channel of a file."""

    times: list[np.ndarray]  # ms, of each sweep
    traces: list[np.ndarray]  # of each sweep, as long as its times
    unit: str  # "" if it is not known
    labels: list[str]  # the names of the sweeps in the file
    note: str = ""  # what was converted


def read(path: Path, channel: int | str, unit: str | None) -> Sweeps:
    """The sweeps of one channel of a file; the file's ending decides the format.

    Args:
        path: the file.
        channel: its number, from 0, or its name.
        unit: unit of the times in a table or .npz file, if their name does not give it.

    Raises:
        FileNotFoundError, OSError: no such file, or one that cannot be read.
        ImportError: the package that reads it is not installed.
        RecordingError: an unknown format, a file whose format does not match its ending, or no such channel.
    """
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    if not path.is_file():
        raise RecordingError(f"Argument `path` must be a file, but {path} is a folder.")
    return READERS.get(path.suffix.lower(), _neo)(path, channel, unit)


def is_table(path: Path) -> bool:
    """Whether a file is read as a table of text. Its ending decides, or its content if the ending is unknown."""
    ending = path.suffix.lower()
    if ending in READERS or not path.is_file():
        return READERS.get(ending, _text) is _text
    with path.open("rb") as file:
        return b"\0" not in file.read(4096)


def _text(path: Path, channel: int | str, unit: str | None) -> Sweeps:
    """A table with times in its first column. The other columns of one unit are the sweeps of a channel.

    Columns of words are ignored.
    """
    head = table.head(path)
    names = head.names or [f"column {i + 1}" for i in range(head.width)]
    if len(names) < 2:
        raise RecordingError(f"File {path} must have a column of times and at least one of a trace, but has 1 column.")
    timed = [bool(_TIMES.intersection(time_unit.words(name))) for name in names]
    if any(timed) and not timed[0]:
        at = timed.index(True)
        raise RecordingError(f"File {path} must have its times in column 1, but has {names[at]!r} in column {at + 1}.")
    factor, note = table.in_ms(path, names[0], unit)
    units = {i: table.unit(names[i]) for i in head.others(0)}
    channels = _unique(units.values())
    wanted = channels[_choose(path, channel, channels)]
    columns = [i for i, found in units.items() if found == wanted]
    times, *traces = table.columns(head, [table.Column(0, factor), *(table.Column(i, gaps=True) for i in columns)])
    return Sweeps([times] * len(columns), traces, wanted, [names[column] for column in columns], note)


def _npz(path: Path, channel: int | str, unit: str | None) -> Sweeps:
    """Named arrays: times, (M,), and one for each channel: (M,), (R, M) or, as ``simulate`` writes it, (M, R)."""
    if not is_zipfile(path):
        raise RecordingError(f"File {path} must be an archive of arrays, as numpy.savez writes it, but is none.")
    with _reading(path, "NumPy"), np.load(path) as file:
        kinds = {name: _npz_kind(file, name) for name in file.files}
        said = str(file["unit"]) if kinds.get("unit", ("", 0))[0] == "U" else ""
        arrays = {name: axes for name, (kind, axes) in kinds.items() if kind in "fiu" and axes in (1, 2)}
        clocks = [name for name, axes in arrays.items() if _TIMES & set(time_unit.words(name)) and axes == 1]
        if len(clocks) != 1:
            raise RecordingError(f"File {path} must have one array of times, such as `time_ms`, but has {len(clocks)}.")
        (clock,) = clocks
        names = [name for name in arrays if name != clock]
        if not names:
            raise RecordingError(f"File {path} must have an array of traces beside its times, but has none.")
        name = names[_choose(path, channel, names)]
        times, traces = np.asarray(file[clock], float), np.asarray(file[name], float)
    factor, note = table.in_ms(path, clock, unit)
    times = times * float(factor)
    if traces.ndim == 1:
        traces = traces[None]
    fits = [traces.shape[axis] == len(times) for axis in (0, 1)]
    if all(fits) and len(times) > 1:
        raise RecordingError(f"Array `{name}` of {path} must not be square, which hides its sweeps: {traces.shape}.")
    if not any(fits):
        raise RecordingError(
            f"Array `{name}` of {path} must have an axis of length {len(times)}, as the times have, "
            f"but has shape {traces.shape}."
        )
    traces = traces if fits[1] else traces.T
    labels = [name] if len(traces) == 1 else [f"{name}[{i}]" for i in range(len(traces))]
    return Sweeps([times] * len(traces), list(traces), said or table.unit(name), labels, note)


def _npz_kind(file: Foreign, name: str) -> tuple[str, int]:
    """The kind of an array's numbers and its number of axes, from its header; kind "V" if it is no plain array."""
    if f"{name}.npy" not in file.zip.namelist():
        return "V", 0
    with file.zip.open(f"{name}.npy") as member:
        version = np.lib.format.read_magic(member)
        headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in headers:  # later versions are only for records
            return "V", 0
        shape, _, dtype = headers[version](member)
        return dtype.kind, len(shape)


def _abf(path: Path, channel: int | str, unit: str | None) -> Sweeps:
    """Axon binary files, versions 1 and 2; the time of each sweep starts at 0."""
    del unit
    pyabf = _package("pyabf", "abf", "ABF files")
    with _reading(path, "pyABF"):
        file = pyabf.ABF(str(path))
    at = _choose(path, channel, [_abf_word(name) for name in file.adcNames])
    with _reading(path, "pyABF"):
        if file.nOperationMode == 1:  # of variable length
            traces = []
            for sweep in file.sweepList:
                file.setSweep(sweep, at)
                traces.append(np.array(file.sweepY, float))
        else:  # all at once, because setting a sweep takes pyABF longer the more sweeps there are
            samples = file.sweepCount * file.sweepPointCount
            traces = list(np.asarray(file.data[at, :samples], float).reshape(file.sweepCount, -1))
        interval = _abf_interval(file)
    times = [np.arange(len(trace)) * interval / 1000 for trace in traces]
    return Sweeps(times, traces, _abf_word(file.adcUnits[at]), [f"sweep {i}" for i in range(len(traces))])


def _abf_word(word: object) -> str:
    """A name or unit without its padding of spaces or zeros; pyABF shows an empty one as "?"."""
    return str(word).strip("\x00 ?")


def _abf_interval(file: Foreign) -> float:
    """Microseconds between samples. The rate of pyABF is truncated to whole Hz, which is off by 83 ppm at 12 kHz."""
    if hasattr(file, "_headerV1"):
        return float(file._headerV1.fADCSampleInterval * file._headerV1.nADCNumChannels)
    if hasattr(file, "_protocolSection"):
        return float(file._protocolSection.fADCSequenceInterval)
    return 1e6 * float(file.dataSecPerPoint)


def _nwb(path: Path, channel: int | str, unit: str | None) -> Sweeps:
    """NWB: each voltage- or current-clamp series in ``acquisition`` is a sweep; an electrode and a unit are a channel.

    The sweeps are in the order of their numbers or, without numbers, of their starting times and names.
    """
    del unit
    pynwb = _package("pynwb", "nwb", "NWB files")
    kinds = {pynwb.icephys.VoltageClampSeries: "A", pynwb.icephys.CurrentClampSeries: "V"}
    with _reading(path, "PyNWB"), catch_warnings():
        simplefilter("ignore")  # the values that matter are checked below
        with pynwb.NWBHDF5IO(str(path), "r") as io:
            channels: dict[str, list[Foreign]] = {}
            for series in io.read().acquisition.values():
                for kind, found in kinds.items():
                    if isinstance(series, kind):
                        channels.setdefault(f"{series.electrode.name} ({_SCALED[found][0]})", []).append(series)
            if not channels:
                raise RecordingError(f"File {path} has no voltage-clamp or current-clamp series in `acquisition`.")
            name = list(channels)[_choose(path, channel, list(channels))]
            ordered = _in_order(channels[name])
            symbol = "A" if isinstance(ordered[0], pynwb.icephys.VoltageClampSeries) else "V"
            sweeps = [(_nwb_times(path, series), _nwb_trace(path, series, symbol)) for series in ordered]
            labels = [series.name for series in ordered]
    times, traces = map(list, zip(*sweeps, strict=True))
    for label, own_times, trace in zip(labels, times, traces, strict=True):
        if trace.shape != own_times.shape:
            raise RecordingError(
                f"Series {label!r} of {path} must have one value a time, but has shape {trace.shape} "
                f"with {len(own_times)} times."
            )
    return Sweeps(times, traces, _SCALED[symbol][0], labels)


def _in_order(series: list[Foreign]) -> list[Foreign]:
    def name(one: Foreign) -> list[int | str]:  # a key that puts sweep_10 after sweep_9
        return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", one.name)]

    ordered = sorted(series, key=name)
    if all(one.sweep_number is not None for one in ordered):
        return sorted(ordered, key=lambda one: int(one.sweep_number))
    return sorted(ordered, key=lambda one: float(one.get_starting_time() or 0.0))


def _nwb_times(path: Path, series: Foreign) -> np.ndarray:
    """ms from the start of the sweep."""
    if series.timestamps is not None:
        stamps = np.asarray(series.timestamps[:], float)
        return (stamps - stamps[:1]) * 1000
    if not (series.rate and np.isfinite(series.rate) and series.rate > 0):
        raise RecordingError(
            f"Series {series.name!r} of {path} must have a positive rate in Hz, but has {series.rate}."
        )
    return np.arange(len(series.data)) * 1000 / float(series.rate)


def _nwb_trace(path: Path, series: Foreign, symbol: str) -> np.ndarray:
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
    factor = _SCALED[symbol][1]
    return np.asarray(series.data[:], float) * (conversion * factor) + offset * factor


def _neo(path: Path, channel: int | str, unit: str | None) -> Sweeps:
    """Any other format that neo reads: each of its segments is a sweep, whose time starts at 0."""
    del unit
    known = ", ".join(ending for ending in READERS if ending)
    try:
        neo = import_module("neo")
    except ModuleNotFoundError as error:
        if error.name != "neo":
            raise
        raise ImportError(
            f"File {path} is none in {known}: other formats need neo, which is not installed: "
            "`pip install 'synkin[neo]'` adds it."
        ) from None
    ending = path.suffix[1:].lower()
    # neo would read a pickle, which runs code from the file: it is refused.
    if ending in ("pkl", "pickle") or ending not in neo.io.io_by_extension:
        raise RecordingError(f"File {path} is of no format that is known here: {known}, and those that neo reads.")
    with _reading(path, "neo"), catch_warnings():
        simplefilter("ignore")
        blocks = neo.io.get_io(str(path)).read()
        segments = [segment for block in blocks for segment in block.segments]
        signals = [[(s, i) for s in segment.analogsignals for i in range(s.shape[1])] for segment in segments]
        if not any(signals):
            raise RecordingError(f"File {path} has no analog signals.")
        first = next(filter(None, signals))
        at = _choose(path, channel, [_neo_name(signal, i) for signal, i in first])
        if any(len(own) != len(first) for own in signals):
            raise RecordingError(f"File {path} must have the same channels in each segment, but has not.")
        times, traces, symbols = [], [], set()
        for own in signals:
            signal, column = own[at]
            symbol = signal.units.dimensionality.string
            name, factor = _SCALED.get(symbol, ("" if symbol == "dimensionless" else symbol, 1.0))
            symbols.add(name)
            traces.append(np.asarray(signal.magnitude, float)[:, column] * factor)
            times.append(np.arange(len(signal)) * 1000 / float(signal.sampling_rate.rescale("Hz").magnitude))
        if len(symbols) > 1:
            raise RecordingError(f"File {path} must have channel {channel!r} in one unit, but has {sorted(symbols)}.")
    return Sweeps(times, traces, symbols.pop(), [f"sweep {i}" for i in range(len(traces))])


def _neo_name(signal: Foreign, column: int) -> str:
    names = signal.array_annotations.get("channel_names")
    return str(names[column] if names is not None else signal.name or f"channel {column}")


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _choose(path: Path, channel: int | str, names: list[str]) -> int:
    """The number of a channel that is given by its number or name.

    Raises:
        RecordingError: there is none.
    """
    if isinstance(channel, str) and names.count(channel) == 1:
        return names.index(channel)
    if isinstance(channel, str) or channel >= len(names):
        listed = ", ".join(f"{i} {name!r}" if name else str(i) for i, name in enumerate(names[:8]))
        more = ", ..." if len(names) > 8 else ""
        raise RecordingError(
            f"Argument `channel` must be one of the {len(names)} of {path}, {listed}{more}, but is {channel!r}."
        )
    return channel


def _package(name: str, extra: str, what: str) -> Foreign:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != name:
            raise
        raise ImportError(
            f"{what} need {name}, which is not installed: `pip install 'synkin[{extra}]'` adds it."
        ) from None


@contextmanager
def _reading(path: Path, reader: str) -> Iterator[None]:
    """Replace any error of a reader by a `RecordingError` with a one-sentence message."""
    try:
        yield
    except RecordingError:
        raise
    except Exception as error:
        said = " ".join(str(error).split()).rstrip(".")
        said = f"{said[:120].rpartition(' ')[0]} ..." if len(said) > 120 else said
        raise RecordingError(f"File {path} cannot be read by {reader}: {said or type(error).__name__}.") from None


READERS: dict[str, Callable[[Path, int | str, str | None], Sweeps]] = {
    ".csv": _text,
    ".tsv": _text,
    ".txt": _text,
    "": _text,
    ".npz": _npz,
    ".abf": _abf,
    ".nwb": _nwb,
}
