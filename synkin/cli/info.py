"""``info``: what a file of recordings holds, at a glance."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synkin.cli import batch, options, terminal, usage_errors
from synkin.cli.result import Result, Row, as_text
from synkin.recordings import formats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The largest number of tags that are listed, of sweeps that are drawn, and of points of each of them.
_TAGS, _DRAWN, _POINTS = 8, 12, 4000


def run(arguments: argparse.Namespace) -> int:
    """Print what files hold, write and draw it."""
    return batch.run(arguments, partial(_contents, arguments=arguments), size=(7.0, 4.0))


@usage_errors()
def _contents(path: Path, arguments: argparse.Namespace) -> Result:
    """What one file holds."""
    first = formats.read(path, 0, arguments.time_unit)
    rest = (formats.read(path, i, arguments.time_unit) for i in range(1, len(first.channels)))
    channels = [first, *rest]
    table = [_row(i, channel) for i, channel in enumerate(channels)]
    about = _about(first)
    shown = path.name if arguments.sample else str(path)
    return Result(
        rows=[
            ("file", ", ".join(filter(None, (shown, first.note)))),
            *([("", options.SYNTHETIC_RECORDING)] if arguments.sample else []),
            *about,
        ],
        text=terminal.aligned(as_text(table, list(table[0]))),
        columns=list(table[0]),
        table=table,
        content={
            "file": str(path),
            "note": first.note,
            "channels": table,
            "start_times_ms": first.start_times,
            "tags": [tag._asdict() for tag in first.tags],
            "protocol": first.protocol,
            "holding": first.holding,
            "command": first.command,
            "command_unit": first.command_unit,
            "sweeps": first.labels,
        },
        draw=partial(_draw, channels=channels, title=path.name),
        messages=[first.warning.replace("`time_unit`", "--time-unit")] if first.warning else [],
    )


def _row(number: int, channel: formats.Sweeps) -> Row:
    """A channel in a row. Of sweeps that differ in length, the longest counts."""
    longest = max(channel.times, key=len)
    interval = float(np.median(np.diff(longest))) if len(longest) > 1 else None
    values = np.concatenate(channel.traces)
    values = values[np.isfinite(values)]
    low, middle, high = np.percentile(values, (0, 50, 100)) if values.size else (None, None, None)
    lengths = sorted({len(trace) for trace in channel.traces})
    starts = channel.start_times
    return {
        "channel": number,
        "name": channel.channels[number],
        "unit": channel.unit,
        "rate_kHz": None if interval is None else round(1 / interval, 6),
        "sweeps": len(channel.traces),
        "samples": lengths[0] if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]}",
        "length_ms": None if interval is None else round(len(longest) * interval, 6),
        "minimum": None if low is None else float(low),
        "median": None if middle is None else float(middle),
        "maximum": None if high is None else float(high),
        "missing": sum(int(np.isnan(trace).sum()) for trace in channel.traces) or None,
        "last_start_ms": None if starts is None or len(starts) < 2 else float(starts[-1]),
    }


def _about(read: formats.Sweeps) -> list[tuple[str, str]]:
    """What a file says beside its samples."""
    rows = []
    if read.protocol:
        rows.append(("protocol", read.protocol))
    unit = f" {read.command_unit}" if read.command_unit else ""
    if np.isfinite(read.holding):
        rows.append(("holding", f"{read.holding:g}{unit}"))
    if read.command is not None:
        levels = np.unique(read.command)
        several = f"{read.command[0]:g} to {read.command[-1]:g}{unit}, {len(levels)} levels"
        rows.append(("command", several if len(levels) > 1 else f"{levels[0]:g}{unit}"))
    starts = read.start_times
    if starts is not None and len(starts) > 1:
        apart = np.diff(starts) / 1000
        every = f"every {np.median(apart):.4g} s"
        if np.ptp(apart) > 0.01 * np.median(apart):
            every = f"{apart.min():.4g} to {apart.max():.4g} s apart"
        rows.append(("starts", f"{starts[0] / 1000:.4g} to {starts[-1] / 1000:.6g} s, {every}"))
    if read.tags:
        rows.append(("tags", f"{len(read.tags)}"))
        rows += [("", f"{tag.time / 1000:.4g} s: {tag.text}") for tag in read.tags[:_TAGS]]
        if len(read.tags) > _TAGS:
            rows.append(("", "..."))
    return rows


def _draw(figure: Figure, channels: list[formats.Sweeps], title: str) -> None:
    """A panel for each channel, with its first sweeps over each other."""
    from synkin import plot

    figure.set_size_inches(7, 1 + 2 * len(channels))
    panels = figure.subplots(len(channels), sharex=True, squeeze=False)[:, 0]
    for number, (ax, channel) in enumerate(zip(panels, channels, strict=True)):
        count = len(channel.traces)
        for times, trace in list(zip(channel.times, channel.traces, strict=True))[:_DRAWN]:
            at, drawn = _outline(times, trace)
            ax.plot(at, drawn, color=plot.BLUE, linewidth=0.6, alpha=1.0 if count == 1 else 0.5)
        name = channel.channels[number]
        ax.set_ylabel(name if channel.unit in name else ", ".join(filter(None, (name, channel.unit))))
        shown = f", the first {_DRAWN}" if count > _DRAWN else ""
        ax.set_title(f"{title}: {count:,} sweep{'s' * (count != 1)}{shown}" if number == 0 else "", loc="left")
        ax.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("time (ms)")


def _outline(times: np.ndarray, trace: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A trace; of a long one the lowest and highest sample of each stretch."""
    length = 2 * len(trace) // _POINTS
    if length < 2:
        return times, trace
    count = len(trace) // length
    parts = np.nan_to_num(trace[: count * length], nan=float(np.nanmedian(trace))).reshape(count, length)
    at = np.repeat(times[: count * length : length], 2)
    return at, np.column_stack([parts.min(axis=1), parts.max(axis=1)]).ravel()
