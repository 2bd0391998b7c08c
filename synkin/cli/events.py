"""``events``: from a recording of miniature events to their times and sizes."""

from __future__ import annotations

import argparse
import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from synkin import plot
from synkin.cli import files, options, terminal
from synkin.events import Events, deconvolve
from synkin.recordings import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The parameters of ampa with which the synthetic recording was made.
SAMPLE_SET = ["alpha=1.6", "beta=0.3", "T=0.5", "T_dur=0.8"]
# The number of sweeps that are drawn, one below the other; and the length in ms of the close-up, which is drawn of a
# single sweep that is more than twice as long.
_DRAWN, _CLOSE_UP = 6, 300.0

_NOTES = """\
RECORDING is a table (.csv, .tsv, .txt: times in the first column, a sweep in
each other), an .npz, .abf or .nwb file, or of a format that neo reads; its
samples are evenly spaced. The kernel with its parameters is the form of the
answer to one event: fit it to the mean of some that stand alone.

The trace is deconvolved by that answer, each frequency weighed by the noise in
it. Events may overlap; those too close to be told apart are one, with the sum of
their sizes. Sizes are peaks, in the recording's unit. The baseline is what
varies more slowly than --drift, so --baseline is seldom needed. With the default
threshold, noise alone makes an event or none in two minutes.

  %(prog)s cell.abf --kernel dual_expon --set tau_rise=0.5 tau_decay=5 \\
      --out events.csv --plot events.png
"""


def add_parser(subparsers: options.Subparsers) -> None:
    """Add the parser of ``events``."""
    text = "find miniature events in a recording, by deconvolution: times and sizes"
    parser = options.add_command(subparsers, "events", run, text, _NOTES)
    add = parser.add_argument
    options.add_recording_input(parser)
    options.add_recording(parser)
    options.add_kernel(parser)
    text = "how far an event stands out, in standard deviations of deconvolved noise (default: 4.5)"
    add("--threshold", type=options.number, default=4.5, metavar="SD", help=text)
    text = "leave out events that are smaller, in the recording's unit (default: 0)"
    add("--smallest", type=options.number, default=0.0, metavar="SIZE", help=text)
    text = "up or down, the way that events go (default: the way that more of the trace goes)"
    add("--direction", type=options.one_of(("up", "down")), metavar="WAY", help=text)
    text = "what varies more slowly is baseline (default: 4 times as long as an answer)"
    add("--drift", type=options.positive_ms, metavar="MS", help=text)
    text = "part by which answers may differ in form, 0 to 1 (default: 0.1)"
    add("--mismatch", type=options.number, default=0.1, metavar="PART", help=text)
    options.add_outputs(parser, out="times and sizes to a .csv", plot="trace, events and their sum")


def run(arguments: argparse.Namespace) -> None:
    """Find the events, write and draw them, print a summary."""
    path = options.recording_file(arguments)
    if arguments.sample and arguments.kernel.name == "ampa":
        arguments.set = [*SAMPLE_SET, *arguments.set]
    params = options.params(arguments.kernel, arguments.set)
    outputs = files.Outputs(arguments, (".csv",), keep=arguments.recording)
    recording = options.recording(path, arguments)
    with files.usage_errors():
        found = deconvolve(
            arguments.kernel,
            params,
            recording,
            threshold=arguments.threshold,
            smallest=arguments.smallest,
            sign={None: None, "up": 1, "down": -1}[arguments.direction],
            drift=arguments.drift,
            mismatch=arguments.mismatch,
        )

    if outputs.out:
        outputs.write(_csv(recording, found))
    if outputs.picture:
        _draw(outputs.figure, recording, found)
        outputs.save_figure()
    settings = ", ".join(" ".join(filter(None, row)) for row in options.table(arguments.kernel, params))
    rows = [
        *options.recording_rows(recording, arguments),
        ("answer", f"{arguments.kernel.name}: {settings}"),
        *_summary(found),
        *(("written", path) for path in outputs.written()),
    ]
    print(terminal.aligned(rows))


def _summary(found: list[Events]) -> list[tuple[str, str]]:
    """The rows of the summary about the events of all sweeps together."""
    unit = f" {found[0].unit}" if found[0].unit else ""
    sizes = np.concatenate([events.sizes for events in found])
    intervals = np.concatenate([np.diff(events.times) for events in found])
    seconds = sum(events.duration for events in found) / 1000
    rows = [("events", f"{len(sizes):,} in {seconds:.4g} s, {len(sizes) / seconds:.3g} a second")]
    if sizes.size:
        low, middle, high = np.percentile(sizes, (25, 50, 75))
        rows.append(("size", f"{middle:.4g}{unit} (median; the middle half from {low:.4g} to {high:.4g})"))
    if intervals.size:
        rows.append(("interval", f"{np.median(intervals):.4g} ms (median), {intervals.mean():.4g} ms (mean)"))
    noise, least = (np.median([getattr(events, name) for events in found]) for name in ("noise", "threshold"))
    rows.append(("noise", f"{noise:.3g}{unit} a sample; events alone are found from {least:.3g}{unit} on"))
    return rows


def _csv(recording: Recording, found: list[Events]) -> str:
    """One row for each event; with the name of its sweep if there are several sweeps."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    unit = f"_{recording.unit}" if recording.unit else ""
    several = len(found) > 1
    writer.writerow([*(["sweep"] if several else []), "time_ms", f"size{unit}"])
    for label, events in zip(recording.labels, found, strict=True):
        for time, size in zip(events.times, events.sizes, strict=True):
            writer.writerow([*([label] if several else []), f"{time:.4f}", f"{size:.6g}"])
    return text.getvalue()


def _draw(figure: Figure, recording: Recording, found: list[Events]) -> None:
    """Draw the first sweeps, one below the other; below a single long one, a close-up of where most events are."""
    times, sweeps = recording.times, list(zip(recording.labels, recording.traces, found, strict=True))[:_DRAWN]
    close = len(found) == 1 and found[0].times.size > 0 and found[0].duration > 2 * _CLOSE_UP
    figure.set_size_inches(9, 2 + 2 * (len(sweeps) + close))
    axes = figure.subplots(len(sweeps) + close, squeeze=False)[:, 0]
    for ax, (label, trace, events) in zip(axes, sweeps, strict=False):
        plot.events(times, trace, events, ax=ax)
        ax.set_title(f"{label}: {len(events.times):,} events, {events.rate:.3g} a second", loc="left")
    if close:
        first = _busiest(found[0], float(times[0]))
        part = (times >= first) & (times <= first + _CLOSE_UP)
        inside = (found[0].times >= first) & (found[0].times <= first + _CLOSE_UP)
        cut = found[0]._replace(
            times=found[0].times[inside], curve=found[0].curve[part], baseline=found[0].baseline[part]
        )
        plot.events(times[part], recording.traces[0, part], cut, ax=axes[1])
        axes[1].set_title("where most happens, shaded in the whole", loc="left")
        axes[0].axvspan(first, first + _CLOSE_UP, color=plot.GREY, alpha=0.3, linewidth=0)
    for ax in axes[:-1]:
        ax.set_xlabel("")
    for ax in axes[1:]:  # the legend of the first axes holds for all
        ax.get_legend().remove()


def _busiest(events: Events, start: float) -> float:
    """The start of the stretch of `_CLOSE_UP` ms that holds most events, with room before the first of them."""
    within = np.searchsorted(events.times, events.times + 0.8 * _CLOSE_UP) - np.arange(len(events.times))
    first = float(events.times[within.argmax()]) - 0.1 * _CLOSE_UP
    return min(max(first, start), start + events.duration - _CLOSE_UP)
