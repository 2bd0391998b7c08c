"""``events``: from a recording of miniature events to their times and sizes."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from synkin.cli import UsageError, batch, options, usage_errors
from synkin.cli.result import Result, Row
from synkin.declaring.kernel import Kernel
from synkin.events import Events, EventTable, deconvolve
from synkin.events.finding_templates import find_template
from synkin.kernels import ampa
from synkin.recordings.recording import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The parameters of ampa with which the synthetic recording was made.
SAMPLE_SET = ["alpha=1.6", "beta=0.3", "T=0.5", "T_dur=0.8"]
# The number of sweeps that are drawn, one below the other. A single sweep that is more than twice as long as the second
# number, in ms, has a close-up of that length.
_DRAWN, _CLOSE_UP = 6, 300.0

# What is said of arguments, as options.
_AS_OPTIONS = {"exclude=()": "--with-artefacts", "sign='both'": "--direction both"}


def run(arguments: argparse.Namespace) -> int:
    """Find the events, write and draw them, and print a summary."""
    if arguments.sample and arguments.kernel is None:
        arguments.kernel = ampa
    if arguments.sample and arguments.kernel is ampa:
        arguments.set = [*SAMPLE_SET, *arguments.set]
    if arguments.kernel is None and arguments.set:
        raise UsageError("Option --set needs a --kernel, such as --kernel dual_expon.")
    params = None if arguments.kernel is None else options.params(arguments.kernel, arguments.set)
    return batch.run(arguments, partial(_found, arguments=arguments, params=params))


def _found(path: Path, arguments: argparse.Namespace, params: NamedTuple | None) -> Result:
    """The events of one recording."""
    recording = options.recording(path, arguments)
    way = {"up": 1, "down": -1}.get(arguments.direction)
    sign = "both" if arguments.direction == "both" else way
    exclude = arguments.exclude or ([] if arguments.with_artefacts else None)
    about = []
    with usage_errors():
        kernel: Kernel = arguments.kernel
        if params is None:
            template = find_template(recording, sign=way, exclude=exclude)
            kernel, response, about = template.kernel, template.params, [template.message]
        else:
            response = params
        found = deconvolve(
            kernel,
            response,
            recording,
            threshold=arguments.threshold,
            smallest=arguments.smallest,
            sign=sign,
            drift=arguments.drift,
            mismatch=arguments.mismatch,
            exclude=exclude,
        )
        found = [events.select(**dict(arguments.keep)) if arguments.keep else events for events in found]
    settings = ", ".join(" ".join(filter(None, row)) for row in options.table(kernel, response))
    summary = _summary(found)
    columns, table = _table(recording, found)
    messages = [*about, *_messages(recording, found)]
    return Result(
        rows=[
            *options.recording_rows(recording, arguments),
            ("response", f"{kernel.name}: {settings}"),
            *summary,
            *(("message", message) for message in messages),
        ],
        text="",
        columns=columns,
        table=table,
        content={
            "recording": recording.source,
            "unit": recording.unit,
            "response": {"kernel": kernel.name, **{name: float(value) for name, value in response._asdict().items()}},
            "summary": dict(summary),
            "messages": messages,
            "events": table,
        },
        draw=partial(_draw, recording=recording, found=found),
        brief=[_brief(found)],
        more_pictures=[
            ("each event", partial(_draw_each, found=found)),
            ("average and histograms", partial(_draw_summary, found=found)),
        ],
    )


def _messages(recording: Recording, found: list[Events]) -> list[str]:
    """What is said of the sweeps, with the names of options."""
    said = [events.message for events in found[:_DRAWN]]
    for name, option in _AS_OPTIONS.items():
        said = [sentence.replace(name, option) for sentence in said]
    if len(found) == 1:
        return said
    return [f"{label}: {sentence}" for label, sentence in zip(recording.labels, said, strict=False)]


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
    unit = f"_{recording.unit}" if recording.unit else ""
    units = {"time": "_ms", "size": unit, "size_error": unit, "rise": "_ms", "decay": "_ms", "half_width": "_ms"}
    units |= {"area": f"{unit}_ms", "interval": "_ms"}
    several = len(found) > 1
    rows: list[Row] = []
    for label, events in zip(recording.labels, found, strict=True):
        table = events.table()
        for i in range(len(events.times)):
            row: Row = {"sweep": label} if several else {}
            for name, column in table._asdict().items():
                value = float(column[i])
                row[f"{name}{units.get(name, '')}"] = round(value, 4) if name == "time" else float(f"{value:.6g}")
            rows.append(row)
    names = [f"{name}{units.get(name, '')}" for name in EventTable._fields]
    return [*(["sweep"] if several else []), *names], rows


def _draw_each(figure: Figure, found: list[Events]) -> None:
    from synkin import plot

    plot.each_event(max(found, key=lambda events: len(events.times)), figure=figure)


def _draw_summary(figure: Figure, found: list[Events]) -> None:
    from synkin import plot

    plot.event_summary(found, axes=figure.subplots(1, 3))


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
            times=found[0].times[inside],
            curve=found[0].curve[part],
            other_curve=found[0].other_curve[part],
            baseline=found[0].baseline[part],
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
