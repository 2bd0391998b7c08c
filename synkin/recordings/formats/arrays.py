"""Archives of arrays, as NumPy writes them."""

from pathlib import Path
from zipfile import is_zipfile

import numpy as np

from synkin.recordings import signal_unit, table, time_unit
from synkin.recordings.formats.sweeps import Foreign, RecordingError, Sweeps, choose, reading


def read(path: Path, channel: int | str, unit: str | None) -> Sweeps:
    """Named arrays: times, (M,), and one for each channel: (M,), (R, M) or, as ``simulate`` writes it, (M, R)."""
    if not is_zipfile(path):
        raise RecordingError(f"File {path} must be an archive of arrays, as numpy.savez writes it, but is none.")
    with reading(path, "NumPy"), np.load(path) as file:
        kinds = {name: _kind(file, name) for name in file.files}
        said = str(file["unit"]) if kinds.get("unit", ("", 0))[0] == "U" else ""
        arrays = {name: axes for name, (kind, axes) in kinds.items() if kind in "fiu" and axes in (1, 2)}
        clocks = [name for name, axes in arrays.items() if time_unit.is_time(name) and axes == 1]
        if len(clocks) != 1:
            raise RecordingError(f"File {path} must have one array of times, such as `time_ms`, but has {len(clocks)}.")
        (clock,) = clocks
        names = [name for name in arrays if name != clock]
        if not names:
            raise RecordingError(f"File {path} must have an array of traces beside its times, but has none.")
        name = names[choose(path, channel, names)]
        times, traces = np.asarray(file[clock], float), np.asarray(file[name], float)
    factor, note = table.in_ms(path, clock, unit)
    times = table.scaled(times, factor)
    further, own_note, warning = table.closer_look(path, clock, unit, times)
    times, note = table.scaled(times, further), ", ".join(filter(None, (note, own_note)))
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
    own = said or signal_unit.unit(name)
    return Sweeps([times] * len(traces), list(traces), own, labels, note, warning, tuple(names))


def _kind(file: Foreign, name: str) -> tuple[str, int]:
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
