"""``events``: from a recording of miniature events to their times and sizes."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from synkin.cli import batch, options, usage_errors
from synkin.cli.result import Result, Row
from synkin.events import Events, deconvolve
from synkin.recordings.recording import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The parameters of ampa with which the synthetic recording was made.
SAMPLE_SET = ["alpha=1.6", "beta=0.3", "T=0.5", "T_dur=0.8"]
# The number of sweeps that are drawn, one below the other. A single sweep that is more than twice as long as the second
# number, in ms, has a close-up of that length.
_DRAWN, _CLOSE_UP = 6, 300.0


def run(arguments: argparse.Namespace) -> int:
    """Find the events, write and draw them, and print a summary."""
    if arguments.sample and arguments.kernel.name == "ampa":
        arguments.set = [*SAMPLE_SET, *arguments.set]
    params = options.params(arguments.kernel, arguments.set)
    return batch.run(arguments, partial(_found, arguments=arguments, params=params))


def _found(path: Path, arguments: argparse.Namespace, params: NamedTuple) -> Result:
    """The events of one recording."""
    recording = options.recording(path, arguments)
    with usage_errors():
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
    settings = ", ".join(" ".join(filter(None, row)) for row in options.table(arguments.kernel, params))
    summary = _summary(found)
    columns, table = _table(recording, found)
    return Result(
        rows=[
            *options.recording_rows(recording, arguments),
            ("response", f"{arguments.kernel.name}: {settings}"),
            *summary,
        ],
        text="",
        columns=columns,
        table=table,
        content={"recording": recording.source, "unit": recording.unit, "summary": dict(summary), "events": table},
        draw=partial(_draw, recording=recording, found=found),
        brief=[_brief(found)],
    )


def _brief(found: list[Events]) -> Row:
    """The events of all sweeps together, in a row."""
    unit = f"_{found[0].unit}" if found[0].unit else ""
    sizes = np.concatenate([events.sizes for events in found])
    seconds = sum(events.duration for events in found) / 1000
    return {
        "events": len(sizes),
        "per_second": len(sizes) / seconds,
        f"median_size{unit}": float(np.median(sizes)) if sizes.size else None,
        f"noise{unit}": float(np.median([events.noise for events in found])),
    }


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
    rows.append(
        ("noise", f"{noise:.3g}{unit} a sample; the smallest event that is found by itself has {least:.3g}{unit}")
    )
    return rows


def _table(recording: Recording, found: list[Events]) -> tuple[list[str], list[Row]]:
    """The columns, and a row for each event; with the name of its sweep if there are several sweeps."""
    size = f"size_{recording.unit}" if recording.unit else "size"
    several = len(found) > 1
    rows: list[Row] = [
        {**({"sweep": label} if several else {}), "time_ms": round(float(time), 4), size: float(f"{value:.6g}")}
        for label, events in zip(recording.labels, found, strict=True)
        for time, value in zip(events.times, events.sizes, strict=True)
    ]
    return [*(["sweep"] if several else []), "time_ms", size], rows


def _draw(figure: Figure, recording: Recording, found: list[Events]) -> None:
    """Draw the first sweeps, one below the other; below a single long one, a close-up of where most events are."""
    from synkin import plot

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
        axes[1].set_title("where most events are, shaded above", loc="left")
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
