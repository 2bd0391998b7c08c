"""`Recording`, and `read_recording`: a recording from a part of a file."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeAlias
from warnings import warn

import numpy as np
from jax.typing import ArrayLike

from synkin.arguments import fields, units
from synkin.arguments.choices import check_choice, check_flag
from synkin.arguments.known import concrete_value
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_float64, as_real
from synkin.recordings import formats, number_text, time_unit

# Times that differ by less than this fraction of the interval between samples count as equal.
_SAME = 1e-3
# Which sweeps are wanted; None for all.
Sweeps: TypeAlias = slice | str | int | Sequence[int] | np.ndarray | None

_SLICE = re.compile(r"\s*([+-]?\d*)\s*:\s*([+-]?\d*)\s*(?::\s*([+-]?\d*)\s*)?", re.ASCII)


@fields.described
@dataclass(frozen=True, eq=False, repr=False)
class Recording:
    """One or more sweeps, sampled at the same times; `synkin.read_recording` reads one from a file.

    What is not known is None, NaN or empty.

    Raises:
        TypeError: times or traces are not numbers, or are traced by JAX.
        ValueError: shapes do not fit.

    Example:
        >>> recording = synkin.Recording(times=[0.0, 0.5, 1.0], traces=[[0.0, -8.0, -6.0]], unit="pA")
        >>> recording.traces.shape
        (1, 3)
    """

    times: Annotated[np.ndarray, "(M,) the times of the samples", "ms"]
    traces: Annotated[np.ndarray, "(R, M), one row for each sweep", "`unit`"]
    unit: Annotated[str, "the unit of the traces, such as 'pA'; '' if it is not known"] = ""
    source: Annotated[str, "the name of the file, and which units were converted"] = ""
    labels: Annotated[tuple[str, ...], "R names of the sweeps, from the file"] = ()
    start_times: Annotated[np.ndarray | None, "(R,) the start of each sweep, from the start of the file", "ms"] = None
    tags: Annotated[
        tuple[formats.Tag, ...], "comments made while recording: (time in ms from the start of the file, text)"
    ] = ()
    protocol: Annotated[str, "the name of the protocol, or the mode of acquisition"] = ""
    holding: Annotated[float, "the holding level; NaN if it is not known", "`command_unit`"] = nan
    command: Annotated[np.ndarray | None, "(R,) the level to which each sweep is stepped", "`command_unit`"] = None
    command_unit: Annotated[str, "the unit of ``holding`` and ``command``, such as 'mV'"] = ""
    averaged: Annotated[int, "if the only trace is a mean: of how many sweeps; else 0"] = 0

    def __post_init__(self) -> None:
        times, traces = as_float64("times", units.strip_unit("times", self.times, "ms")), self.traces
        traces = np.atleast_2d(as_float64("traces", traces))
        if times.ndim != 1 or traces.ndim != 2 or traces.shape[1] != len(times):
            expected = f"(R, {len(times)})" if times.ndim == 1 else "(R, M)"
            raise ValueError(f"Argument `traces` must have shape {expected}, but has shape {traces.shape}.")
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "traces", traces)
        labels = self.labels or tuple(f"sweep {i}" for i in range(len(traces)))
        if len(labels) != len(traces):
            raise ValueError(f"Argument `labels` must have length {len(traces)}, but has length {len(labels)}.")
        object.__setattr__(self, "labels", tuple(labels))
        for name in ("start_times", "command"):
            if getattr(self, name) is not None:
                value = as_float64(name, getattr(self, name))
                if value.shape != (len(traces),):
                    raise ValueError(
                        f"Argument `{name}` must have shape ({len(traces)},), but has shape {value.shape}."
                    )
                object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        sweeps, samples = self.traces.shape
        parts = [f"{sweeps} sweep{'s' * (sweeps != 1)} of {samples:,} samples"]
        if samples:
            parts.append(f"{self.times[0]:g} to {self.times[-1]:g} ms")
        if samples > 1:
            parts[-1] += f" every {np.median(np.diff(self.times)):.4g} ms"
        parts += [f"in {self.unit}"] if self.unit else []
        parts += [f"from {self.source}"] if self.source else []
        return f"Recording({', '.join(parts)})"


def read_recording(
    path: str | os.PathLike[str],
    *,
    channel: int | str = 0,
    sweeps: Sweeps = None,
    window: tuple[float, float] | None = None,
    baseline: tuple[float, float] | None = None,
    average: bool = False,
    time_unit: str | None = None,
) -> Recording:
    """Read a recording from a file: times in ms, and traces.

    | ending | read by | content |
    | --- | --- | --- |
    | .csv, .tsv, .txt | synkin | times in the first column, a sweep in each other; units from the columns' names |
    | .atf | synkin | Axon's text files |
    | .npz | NumPy | an array of times, (M,), and others, (M,), (R, M) or (M, R), a channel each |
    | .abf | pyABF (the extra ``abf``) | Axon's files, versions 1 and 2 |
    | .nwb | PyNWB (the extra ``nwb``) | each response in ``intracellular_recordings``, or each series, is a sweep |
    | .dat | pyHEKA (the extra ``heka``) | HEKA's bundles: a series and trace is a channel |
    | any other | neo (the extra ``neo``) | segments with analog signals, each a sweep |

    The arguments are applied in this order: channel, sweeps, baseline, window, average.

    Args:
        path: the file.
        channel: the number of the channel, from 0, or its name; the command ``synkin info FILE`` lists them. In a
            table, all columns with the same unit are one channel, whose name is the unit; the name of a column stands
            for that column alone. In an .nwb file, a channel is all series of one electrode and unit.
        sweeps: the sweeps to keep, by default all: a number, from 0, a list of numbers, a slice, or a text such as
            "0:20" or "0,3,5". Negative numbers count from the end.
        window: (a, b) ms: keep only the samples from a to b, including both.
        baseline: (a, b) ms: subtract from each sweep its mean from a to b. This stretch may lie outside of ``window``.
        average: whether to replace the sweeps by their mean, which at each time is that of the sweeps that have a
            sample.
        time_unit: the unit of the times in a table or .npz file: "s", "ms", "us" and so on. By default it is the unit
            in the name of the times, as in ``time_s``, or else ms.

    Returns:
        A `synkin.Recording` with ``times`` (M,) in ms and ``traces`` (R, M), float64. Times are from the start of each
        sweep; those of tables and .npz files are as in the file. Amperes are converted to pA, and volts to mV;
        ``source`` says so. An empty cell of a table is NaN.

    The columns of a table are separated by commas, semicolons, tabs or spaces. Unless it is by commas, numbers may have
    decimal commas.

    Raises:
        FileNotFoundError, OSError: there is no such file, or it cannot be read.
        ImportError: the package that reads this format is not installed; the message says how to install it.
        TypeError, ValueError: an argument of the wrong kind or out of range, an unknown format, a file whose content
            does not match its ending, times that do not increase, or sweeps of different lengths.

    Warns:
        UserWarning: times without a unit that can only be seconds, and are read as such; or samples that are closer
            than any amplifier can take them.

    Example:
        >>> with open("cell.csv", "w") as file:
        ...     print("time (ms),cell 1 (pA)", "0.0,0.0", "0.5,-8.0", "1.0,-6.0", sep="\\n", file=file)
        >>> recording = synkin.read_recording("cell.csv")
        >>> print(recording.unit, recording.times, recording.traces)
        pA [0.  0.5 1. ] [[ 0. -8. -6.]]
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"Argument `path` must be the path of a file, but is {describe(path)}.")
    path = Path(path)
    _check_channel(channel)
    part = checked_part(sweeps, window, baseline, average)
    _check_unit(time_unit)
    read = formats.read(path, channel, time_unit)
    if read.warning:
        warn(f"{read.warning}.", stacklevel=2)
    return cut(read, part, path)


class Part(NamedTuple):
    """The part of a file that is wanted, checked by `checked_part`."""

    sweeps: slice | list[int]
    window: tuple[float, float] | None
    baseline: tuple[float, float] | None
    average: bool


def checked_part(
    sweeps: Sweeps = None,
    window: tuple[float, float] | None = None,
    baseline: tuple[float, float] | None = None,
    average: bool = False,
) -> Part:
    """Check the arguments of `read_recording` with these names.

    Raises:
        TypeError, ValueError: one of the wrong kind.
    """
    part, before = window_ms("window", window), window_ms("baseline", baseline)
    return Part(_parse_sweeps(sweeps), part, before, check_flag("average", average))


def cut(read: formats.Sweeps, part: Part, path: Path) -> Recording:
    """The recording that is a part of a file.

    Raises:
        ValueError: see `read_recording`.
    """
    kept = _kept(part.sweeps, len(read.traces), path)
    times = [read.times[i] for i in kept]
    traces = [read.traces[i] for i in kept]
    labels = [read.labels[i] for i in kept]
    for label, own in zip(labels, times, strict=True):
        _check_times(path, label, own)
    if part.baseline is not None:
        pairs = zip(labels, times, traces, strict=True)
        traces = [trace - _level(path, label, own, trace, part.baseline) for label, own, trace in pairs]
    if part.window is not None:
        ends = part.window
        inside = _map_distinct(lambda own: within(own, ends), times)
        if not all(keep.any() for keep in inside):
            extent, came = _extent(times), _shown(part.window)
            raise ValueError(f"Argument `window` must hold samples of {path}, {extent}, but is {came}.")
        times = _map_distinct(lambda own: own[within(own, ends)], times)
        traces = [trace[keep] for trace, keep in zip(traces, inside, strict=True)]
    _check_same_times(path, times)
    table, averaged = np.array(traces), 0
    starts, command = (None if of is None else of[kept] for of in (read.start_times, read.command))
    if part.average and len(table) > 1:
        averaged = len(table)
        table, labels, starts = mean_sweep(table)[None], [f"mean of {averaged} sweeps"], None
        command = command[:1] if command is not None and (command == command[0]).all() else None
    source = ", ".join(filter(None, (path.name, read.note)))
    return Recording(
        times[0],
        table,
        read.unit,
        source,
        tuple(labels),
        starts,
        read.tags,
        read.protocol,
        read.holding,
        command,
        read.command_unit,
        averaged,
    )


def _map_distinct(function: Callable[[np.ndarray], np.ndarray], times: list[np.ndarray]) -> list[np.ndarray]:
    """The result for each array, computed once for each object: all sweeps of a table share one array of times."""
    found = {key: function(own) for key, own in {id(own): own for own in times}.items()}
    return [found[id(own)] for own in times]


def arrays(times: ArrayLike | Recording, trace: ArrayLike | None, name: str = "trace") -> tuple[ArrayLike, Any, str]:
    """Times, trace or traces, and unit, from two arrays or from a `Recording` in place of both.

    Args:
        times, trace: what was given.
        name: that of the trace, for messages.

    Raises:
        TypeError: a recording and a trace, or neither.
    """
    if isinstance(times, Recording):
        if trace is not None:
            raise TypeError(f"Argument `{name}` must be left out beside a Recording, but is {describe(trace)}.")
        return times.times, times.traces, times.unit
    if trace is None:
        raise TypeError(f"Argument `{name}` must be given beside `times`, but is None.")
    return times, trace, ""


def mean_sweep(traces: np.ndarray) -> np.ndarray:
    """The mean of the rows of (R, M), as (M,). NaN is left out; the mean is NaN where all rows are."""
    present = ~np.isnan(traces)
    counts = present.sum(axis=0)
    return np.where(counts, np.where(present, traces, 0.0).sum(axis=0) / np.maximum(counts, 1), np.nan)


def within(times: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Which samples lie in a window including its ends, (M,); rounding errors of times do not matter."""
    slack = _SAME * float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return (times >= window[0] - slack) & (times <= window[1] + slack)


def window_ms(name: str, value: object) -> tuple[float, float] | None:
    """``value`` as two times in ms, the second not before the first; None is returned as None.

    Raises:
        TypeError: not numbers.
        ValueError: not two, not finite, or the second before the first.
    """
    if value is None:
        return None
    ends = as_float64(name, units.strip_unit(name, value, "ms"))
    if ends.shape != (2,) or not np.isfinite(ends).all() or ends[0] > ends[1]:
        raise ValueError(
            f"Argument `{name}` must be two times in ms, the first not after the second, but is {describe(value)}."
        )
    return float(ends[0]), float(ends[1])


def _check_channel(channel: object) -> None:
    if isinstance(channel, str):
        return
    if isinstance(channel, bool) or not isinstance(channel, int | np.integer):
        raise TypeError(f"Argument `channel` must be a number or a name, but is {describe(channel)}.")
    if channel < 0:
        raise ValueError(f"Argument `channel` must be 0 or more, but is {channel}.")


def _check_unit(unit: object) -> None:
    if unit is not None:
        check_choice("time_unit", unit, list(time_unit.IN_MS))


def _parse_sweeps(sweeps: Sweeps) -> slice | list[int]:
    """``sweeps`` as a slice or a list.

    Raises:
        TypeError: not such numbers, a slice or a text.
        ValueError: a text that is neither.
    """
    if sweeps is None:
        return slice(None)
    if isinstance(sweeps, slice):
        return sweeps
    if isinstance(sweeps, str):
        if match := _SLICE.fullmatch(sweeps):
            ends = [int(group) if group else None for group in match.groups()]
            if ends[2] != 0:
                return slice(*ends)
        try:
            return [number_text.whole(item) for item in sweeps.split(",")]
        except ValueError:
            raise ValueError(
                f"Argument `sweeps` must be such as '0:20' or '0,3,5', but is {describe(sweeps)}."
            ) from None
    numbers = concrete_value(as_real("sweeps", sweeps))
    if numbers is None or numbers.dtype.kind not in "iu" or numbers.ndim > 1:
        raise TypeError(f"Argument `sweeps` must be whole numbers or a slice, but is {describe(sweeps)}.")
    return [int(number) for number in np.atleast_1d(numbers)]


def _kept(chosen: slice | list[int], count: int, path: Path) -> list[int]:
    """The numbers of the chosen sweeps, out of ``count``.

    Raises:
        ValueError: none, or one that does not exist.
    """
    if isinstance(chosen, slice):
        kept = list(range(count))[chosen]
    else:
        for number in chosen:
            if not -count <= number < count:
                raise ValueError(
                    f"Argument `sweeps` must be from 0 to {count - 1}, the sweeps of {path}, but has {number}."
                )
        kept = [number % count for number in chosen]
    if not kept:
        raise ValueError(f"Argument `sweeps` must leave at least one of the {count} sweeps of {path}, but leaves none.")
    return kept


def _check_times(path: Path, label: str, times: np.ndarray) -> None:
    if not times.size:
        raise ValueError(f"File {path} must have samples, but {label} has none.")
    bad = ~np.isfinite(times)
    bad[1:] |= ~(np.diff(times) > 0)
    if bad.any():
        i = int(bad.argmax())
        after = f" after {times[i - 1]:g}" if i else ""
        raise ValueError(f"File {path} must have times that increase, but sample {i} is at {times[i]:g} ms{after}.")


def _level(path: Path, label: str, times: np.ndarray, trace: np.ndarray, window: tuple[float, float]) -> float:
    """The mean of a sweep in the window."""
    samples = trace[within(times, window)]
    samples = samples[~np.isnan(samples)]
    if not samples.size:
        raise ValueError(
            f"Argument `baseline` must hold samples of {label} of {path}, {_extent([times])}, but is {_shown(window)}."
        )
    return float(samples.mean())


def _check_same_times(path: Path, times: list[np.ndarray]) -> None:
    """Raise ValueError unless all sweeps are at the same times."""
    lengths = sorted({len(own) for own in times})
    if len(lengths) > 1:
        raise ValueError(
            f"File {path} has sweeps of {lengths[0]:,} to {lengths[-1]:,} samples: choose some of one length with "
            "`sweeps`, or a `window` that all of them hold."
        )
    slack = _SAME * float(np.median(np.diff(times[0]))) if lengths[0] > 1 else 0.0
    if any(own is not times[0] and np.abs(own - times[0]).max() > slack for own in times[1:]):
        raise ValueError(f"File {path} has sweeps at different times: choose some at the same ones with `sweeps`.")


def _extent(times: list[np.ndarray]) -> str:
    first, last = min(own[0] for own in times), max(own[-1] for own in times)
    return f"which go from {first:g} to {last:g} ms"


def _shown(window: tuple[float, float]) -> str:
    return f"({window[0]:g}, {window[1]:g})"
