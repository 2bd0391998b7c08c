"""Formats that neo reads."""

from importlib import import_module
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np

from synkin.recordings.formats.sweeps import Foreign, RecordingError, Sweeps, Tag, choose, reading
from synkin.recordings.signal_unit import SCALED


def read(path: Path, channel: int | str, known: str) -> Sweeps:
    """Any other format that neo reads: each of its segments is a sweep, whose time starts at 0.

    ``known`` are the endings that other readers read, for messages.
    """
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
    with reading(path, "neo"), catch_warnings():
        simplefilter("ignore")
        blocks = neo.io.get_io(str(path)).read()
        segments = [segment for block in blocks for segment in block.segments]
        signals = [[(s, i) for s in segment.analogsignals for i in range(s.shape[1])] for segment in segments]
        if not any(signals):
            raise RecordingError(f"File {path} has no analog signals.")
        first = next(filter(None, signals))
        names = [_name(signal, i) for signal, i in first]
        at = choose(path, channel, names)
        if any(len(own) != len(first) for own in signals):
            raise RecordingError(f"File {path} must have the same channels in each segment, but has not.")
        times, traces, symbols, starts = [], [], set(), []
        for own in signals:
            signal, column = own[at]
            symbol = signal.units.dimensionality.string
            name, factor = SCALED.get(symbol) or (("" if symbol == "dimensionless" else symbol), 1.0)
            symbols.add(name)
            traces.append(np.asarray(signal.magnitude, float)[:, column] * factor)
            starts.append(float(signal.t_start.rescale("ms").magnitude))
            times.append(np.arange(len(signal)) * 1000 / float(signal.sampling_rate.rescale("Hz").magnitude))
        if len(symbols) > 1:
            raise RecordingError(f"File {path} must have channel {channel!r} in one unit, but has {sorted(symbols)}.")
        found = [
            Tag(float(time.rescale("ms").magnitude), str(label))
            for segment in segments
            for event in segment.events
            for time, label in zip(event.times, event.labels, strict=False)
        ]
    known_starts = np.array(starts) if len(set(starts)) == len(starts) else None
    labels = [f"sweep {i}" for i in range(len(traces))]
    return Sweeps(
        times, traces, symbols.pop(), labels, channels=tuple(names), start_times=known_starts, tags=tuple(found)
    )


def _name(signal: Foreign, column: int) -> str:
    names = signal.array_annotations.get("channel_names")
    return str(names[column] if names is not None else signal.name or f"channel {column}")
