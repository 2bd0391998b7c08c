"""``measure``: from a recording to what papers say of it, a row a sweep."""

import argparse
import csv
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np

from synkin import plot
from synkin.cli import UsageError, files, options, terminal
from synkin.recordings import Recording
from synkin.recordings.measures import Measured, measure, off_zero

SAMPLE = Path(__file__).parents[1] / "data" / "recording.csv"
# The part of it with one spike in it, and what comes before that.
SAMPLE_OPTIONS = {"window": (0.0, 24.0), "baseline": (0.0, 4.9)}

# What the table shows, with the unit of each: "" is the recording's own.
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

_NOTES = """\
RECORDING is a table (.csv, .tsv, .txt: times in the first column, a sweep in
each other), an .npz, .abf or .nwb file, or of a format that neo reads. Columns
of one unit are a channel. Times are in ms, or in the unit that the column's name
ends in: time_s, t (us). What is typed here is always in ms.

A sweep is measured less its baseline, which is 0 unless --baseline is given or
the file has it subtracted, on straight lines between samples: its farthest sample
is the peak; rise is from 10 to 90 %% of it; the onset is where a line through 20
and 80 %% meets the baseline. One and two exponentials are fitted from 90 %% of the
peak to the end, so let --window end before the next response; two are shown where
they do better. The charge is the integral of the window. Noise is the standard
deviation in --baseline. What cannot be told is -.

  %(prog)s cell.abf --sweeps 0:20 --window 95:180 --baseline 90:99 --plot m.png
"""


def add_parser(subparsers: Any) -> None:
    """Add the parser of ``measure``."""
    text = "measure peak, rise, width, decay and charge of a recording's sweeps"
    parser = options.add_command(subparsers, "measure", text, _NOTES)
    add = parser.add_argument
    add("recording", nargs="?", type=Path, metavar="RECORDING", help="see below")
    add("--sample", action="store_true", help="run on the synthetic recording that comes with synkin")
    options.add_recording(parser)
    add("--out", type=Path, metavar="FILE", help="write the table, with all its digits, to a .csv file")
    add("--plot", type=Path, metavar="FILE", help="draw the sweeps and their marks to a .png, .pdf or .svg file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure, write what was asked for, print the table."""
    if arguments.sample == (arguments.recording is not None):
        raise UsageError("Command measure needs a recording or --sample, one of the two.")
    path = arguments.recording
    if arguments.sample:
        path = SAMPLE
        for name, value in SAMPLE_OPTIONS.items():
            if getattr(arguments, name) is None:
                setattr(arguments, name, value)
    # What would fail at the end fails here.
    if arguments.out:
        files.check_output("--out", arguments.out, (".csv",), keep=arguments.recording)
    if arguments.plot:
        files.check_output("--plot", arguments.plot, (".png", ".pdf", ".svg"), keep=arguments.recording)
        with files.usage_errors():
            figure = plot.figure()
    read = options.sweeps(path, arguments)
    recording = options.part(read, path, arguments)
    with files.usage_errors():
        measured = measure(recording, baseline=0.0)
    if arguments.baseline:
        measured = measured._replace(noise=_noise(options.part(read, path, arguments, window=arguments.baseline)))
    elif said := off_zero(recording.traces):
        print(f"Warning: {said}: give --baseline A:B, a window in ms before the response.", file=sys.stderr)

    if arguments.out:
        with files.replacing(arguments.out) as file:
            file.write(_csv(recording, measured).encode())
    if arguments.plot:
        ax = plot.recording(recording, measured, ax=figure.subplots())
        sweeps = len(recording.traces)
        ax.set_title(f"{recording.source}, {sweeps} sweep{'s' * (sweeps != 1)}", loc="left")
        with files.replacing(arguments.plot) as file:
            figure.savefig(file, format=arguments.plot.suffix[1:].lower())
    sweeps, samples = recording.traces.shape
    times = recording.times
    rows = [
        ("recording", recording.source),
        *([("", "synthetic, see synkin/data/make_recording.py")] if arguments.sample else []),
        ("sweeps", f"{sweeps:,} of {samples:,} samples from {times[0]:g} to {times[-1]:g} ms"),
        *(("written", str(path)) for path in (arguments.out, arguments.plot) if path),
    ]
    print(terminal.aligned(rows))
    print(f"\n{_table(recording, measured)}")


def _noise(before: Recording) -> np.ndarray:
    """The standard deviation of each sweep in the baseline's window, (R,)."""
    if before.traces.shape[1] < 2:
        return np.full(len(before.traces), np.nan)
    return before.traces.std(axis=1, ddof=1)


def _headers(unit: str) -> list[tuple[str, str]]:
    """Name and unit of each column."""
    own = {"": unit, "* ms": f"{unit} ms".strip()}
    return [(name, own.get(shown, shown)) for name, shown in _COLUMNS.items()]


def _table(recording: Recording, measured: Measured) -> str:
    headers = _headers(recording.unit)
    values = [[_shown(value) for value in getattr(measured, name)] for name, _ in headers]
    # Columns of which no sweep tells anything are left out.
    told = [i for i, column in enumerate(values) if any(cell != "-" for cell in column)]
    rows = [
        ["sweep", *(headers[i][0] for i in told)],
        ["", *("" if headers[i][1] == "1" else headers[i][1] for i in told)],
        *([label, *(values[i][row] for i in told)] for row, label in enumerate(recording.labels)),
    ]
    return terminal.aligned(rows)


def _shown(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "-"


def _csv(recording: Recording, measured: Measured) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    headers = _headers(recording.unit)
    names = [name if unit in ("", "1") else f"{name}_{unit.replace(' ', '_')}" for name, unit in headers]
    writer.writerow(["sweep", *names])
    for row, label in enumerate(recording.labels):
        cells = (float(getattr(measured, name)[row]) for name, _ in headers)
        writer.writerow([label, *("" if np.isnan(cell) else repr(cell) for cell in cells)])
    return text.getvalue()
