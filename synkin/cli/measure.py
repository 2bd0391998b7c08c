"""``measure``: from a recording to the peak, times and charge of each sweep, in a table."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synkin.cli import batch, options, terminal, usage_errors
from synkin.cli.result import Result, Row
from synkin.measures.baselines import off_zero
from synkin.measures.responses import measure
from synkin.measures.result import Measured
from synkin.recordings.recording import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The window of the synthetic recording that holds the response to one spike, and the window before it.
SAMPLE_OPTIONS = {"window": (0.0, 24.0), "baseline": (0.0, 4.9)}

# The columns of the table and their units: "" is the unit of the recording.
_COLUMNS = {
    "peak": "",
    "onset": "ms",
    "time_to_peak": "ms",
    "rise": "ms",
    "half_width": "ms",
    "tau": "ms",
    "tau_fast": "ms",
    "tau_slow": "ms",
    "fraction_fast": "1",
    "tau_weighted": "ms",
    "charge": "* ms",
    "noise": "",
}


def run(arguments: argparse.Namespace) -> int:
    """Measure, write and draw the measurements, and print them as a table."""
    if arguments.sample:
        for name, value in SAMPLE_OPTIONS.items():
            if getattr(arguments, name) is None:
                setattr(arguments, name, value)
    return batch.run(arguments, partial(_measured, arguments=arguments))


def _measured(path: Path, arguments: argparse.Namespace) -> Result:
    """The measurements of one recording."""
    read = options.sweeps(path, arguments)
    recording = options.part(read, path, arguments)
    with usage_errors():
        measured = measure(recording, baseline=0.0, exclude=arguments.exclude)
    messages = []
    if arguments.baseline:
        measured = measured._replace(noise=_noise(options.part(read, path, arguments, window=arguments.baseline)))
    elif said := off_zero(recording.traces):
        messages = [f"{said}: give --baseline A:B, a window in ms before the response"]
    table = _rows(recording, measured)
    return Result(
        rows=options.recording_rows(recording, arguments),
        text=_table(recording, measured),
        columns=list(table[0]),
        table=table,
        content={"recording": recording.source, "unit": recording.unit, "sweeps": table},
        draw=partial(_draw, recording=recording, measured=measured),
        messages=messages,
    )


def _draw(figure: Figure, recording: Recording, measured: Measured) -> None:
    from synkin import plot

    ax = plot.recording(recording, measured, ax=figure.subplots())
    sweeps = len(recording.traces)
    ax.set_title(f"{recording.source}, {sweeps} sweep{'s' * (sweeps != 1)}", loc="left")


def _noise(before: Recording) -> np.ndarray:
    """The standard deviation of each sweep in the baseline's window, (R,)."""
    return np.ma.masked_invalid(before.traces).std(axis=1, ddof=1).filled(np.nan)


def _headers(unit: str) -> list[tuple[str, str]]:
    """Name and unit of each column."""
    own = {"": unit, "* ms": f"{unit} ms".strip()}
    return [(name, own.get(shown, shown)) for name, shown in _COLUMNS.items()]


def _table(recording: Recording, measured: Measured) -> str:
    headers = _headers(recording.unit)
    values = [[_shown(value) for value in getattr(measured, name)] for name, _ in headers]
    # Columns without a number for any sweep are left out.
    told = [i for i, column in enumerate(values) if any(cell != "-" for cell in column)]
    rows = [
        ["sweep", *(headers[i][0] for i in told)],
        ["", *("" if headers[i][1] == "1" else headers[i][1] for i in told)],
        *([label, *(values[i][row] for i in told)] for row, label in enumerate(recording.labels)),
    ]
    return terminal.aligned(rows)


def _shown(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "-"


def _rows(recording: Recording, measured: Measured) -> list[Row]:
    """The table that is written, with units in the names of its columns."""
    headers = _headers(recording.unit)
    names = [name if unit in ("", "1") else f"{name}_{unit.replace(' ', '_')}" for name, unit in headers]
    starts = recording.start_times
    return [
        {
            "sweep": label,
            **({} if starts is None else {"start_ms": float(starts[i])}),
            **{
                name: float(getattr(measured, attribute)[i])
                for name, (attribute, _) in zip(names, headers, strict=True)
            },
        }
        for i, label in enumerate(recording.labels)
    ]
