"""Pictures of miniature events: each one at a glance, their average, and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from synkin.plot.axes import label_axes, label_recording, several_axes
from synkin.plot.style import BLACK, BLUE, GREY, VERMILION
from synkin.plot.style import figure as new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from synkin.events import Events

# At most so many events are drawn each by itself, in rows of this many.
_DRAWN, _COLUMNS = 100, 10
# What is drawn of an event: from this fraction of the length of a response before it to this fraction after it.
_BEFORE, _AFTER = 0.3, 1.1


def each_event(found: Events, *, figure: Figure | None = None) -> Figure:
    """Draw each event in a small panel: the recording without its baseline, and the sum of all events.

    Args:
        found: the `synkin.Events` of `synkin.deconvolve`. If there are more than 100, only every second or third and so
            on is drawn.
        figure: a matplotlib Figure to draw in; by default a new one.

    Returns:
        The Figure. All panels have the same scale. Above each panel are the number of the event and its size, in grey
        if the event overlaps with another.

    Raises:
        ImportError: matplotlib is not installed.

    Example:
        >>> kernel, params, times = synkin.dual_expon, synkin.dual_expon.Params(), np.arange(0.0, 600.0, 0.2)
        >>> trace = -20.0 * synkin.respond(kernel, params, [150.0, 300.0, 360.0], times)
        >>> trace += np.random.default_rng(0).normal(size=times.size)
        >>> found = synkin.deconvolve(kernel, params, times, trace)
        >>> figure = synkin.plot.each_event(found)
    """
    table = found.table()
    count = len(found.times)
    drawn = np.arange(0, count, max(ceil(count / _DRAWN), 1))
    rows = max(ceil(len(drawn) / _COLUMNS), 1)
    figure = new_figure() if figure is None else figure
    figure.set_size_inches(10, 1 + 0.9 * rows)
    axes = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    span = (int(np.flatnonzero(np.abs(found.response) > 0.05)[-1]) + 1) * found.interval
    height, curve = found.trace - found.baseline, found.curve
    limits = _limits(found.sizes, found.noise)
    for ax, i in zip(axes, drawn, strict=False):
        near = slice(*np.searchsorted(found.sample_times, found.times[i] + np.array([-_BEFORE, _AFTER]) * span))
        late = found.sample_times[near] - found.times[i]
        ax.plot(late, height[near], color=GREY, linewidth=0.6)
        ax.plot(late, curve[near], color=VERMILION, linewidth=1.0)
        ax.set_title(f"{i}: {found.sizes[i]:.3g}", fontsize=6, color=GREY if table.overlaps[i] else BLACK, pad=2)
    for ax in axes:
        ax.set_axis_off()
    axes[0].set_ylim(*limits)
    unit = f" {found.unit}" if found.unit else ""
    figure.suptitle(
        f"{len(drawn)} of {count} events, each {(_BEFORE + _AFTER) * span:.3g} ms; sizes in{unit or ' its unit'}"
    )
    return figure


def _limits(sizes: np.ndarray, noise: float) -> tuple[float, float]:
    """The vertical limits in which most events fit."""
    if not len(sizes):
        return -1.0, 1.0
    low, high = np.quantile(sizes, (0.02, 0.98))
    return float(min(1.2 * low, 0.0) - 4 * noise), float(max(1.2 * high, 0.0) + 4 * noise)


def event_summary(found: Events | Sequence[Events], *, axes: Sequence[Axes] | np.ndarray | None = None) -> Any:
    """Draw the average of isolated events with the template, and histograms of sizes and of intervals.

    Args:
        found: the `synkin.Events` of one sweep, or a list of those of several sweeps with the same template.
        axes: three matplotlib Axes; by default those of a new pyplot figure.

    Returns:
        The three Axes.

    Raises:
        ValueError: ``axes`` is not three Axes.
        ImportError: matplotlib is not installed.

    Example:
        >>> kernel, params, times = synkin.dual_expon, synkin.dual_expon.Params(), np.arange(0.0, 600.0, 0.2)
        >>> trace = -20.0 * synkin.respond(kernel, params, [150.0, 300.0, 360.0], times)
        >>> trace += np.random.default_rng(0).normal(size=times.size)
        >>> found = synkin.deconvolve(kernel, params, times, trace)
        >>> axes = synkin.plot.event_summary(found)
    """
    from synkin.events.result import Events, average_of

    each = [found] if isinstance(found, Events) else list(found)
    axes = several_axes(axes, "average, sizes and intervals", (10, 3), (1, 1, 1), side_by_side=True)
    average = average_of(each)
    first, second, third = axes
    if average.number:
        first.plot(
            average.times, average.mean, color=GREY, linewidth=1.5, label=f"mean of {average.number} lone events"
        )
        low, high = average.mean - average.error, average.mean + average.error
        first.fill_between(average.times, low, high, color=GREY, alpha=0.3, linewidth=0)
        first.plot(average.times, average.template, color=VERMILION, label="template")
        first.legend(frameon=False, fontsize=8)
    label_axes(first)
    label_recording(first, each[0].unit)
    unit = f" ({each[0].unit})" if each[0].unit else ""
    sizes = np.concatenate([events.sizes for events in each])
    intervals = np.concatenate([events.intervals() for events in each])
    for ax, values, label in ((second, sizes, f"size{unit}"), (third, intervals, "interval (ms)")):
        if len(values):
            ax.hist(values, bins=min(max(len(values) // 5, 5), 50), color=BLUE)
        ax.set_xlabel(label)
        ax.set_ylabel("events")
    return axes
