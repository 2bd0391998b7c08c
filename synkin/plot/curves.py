"""Pictures of conductances: traces, populations, the response of a kernel, a fit, events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from jax.typing import ArrayLike

from synkin.arguments.times import check_dt
from synkin.declaring.kernel import Kernel
from synkin.measures.crossings import crossing_down, crossing_up
from synkin.plot.axes import (
    LEGEND_ON_TOP,
    PANEL,
    colors_of,
    label_axes,
    label_recording,
    leave_room_above,
    one_axes,
    panel_above,
    set_limits,
    several_axes,
)
from synkin.plot.style import (
    BLACK,
    BLUE,
    BROWN,
    COLORS,
    GREEN,
    GREY,
    NAVY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    matplotlib,
)
from synkin.recordings.recording import mean_sweep
from synkin.runs.events import respond

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform

    from synkin.events import Events
    from synkin.fitting import Fit

# One train of spike times, or several.
Spikes: TypeAlias = ArrayLike | Sequence[ArrayLike]

# The fraction of the height that one train of spike ticks takes, and that all of them may take.
_TICKS_ROW, _TICKS_MOST = 0.05, 0.25

# More traces than this cannot be told apart: their mean and bands are drawn.
_LINES = 20
# The percentiles of the traces at the edges of the two bands around their mean.
_BANDS = ((5, 95), (25, 75))
# A picture needs no more columns and rows than a screen has; percentiles are taken at this many times at most.
_COLUMNS, _ROWS = 2000, 600

# A trace of more samples than this is drawn with a thin line, so that its peaks stay apart.
_DENSE = 20_000

# An impulse response is computed in stretches of this many steps, until it is down to this fraction of its peak.
_STRETCH, _STRETCHES, _DOWN_TO = 10_000, 50, 0.02


def traces(
    times: ArrayLike,
    g: ArrayLike,
    *,
    spikes: Spikes | None = None,
    labels: str | Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one or several conductances over time, with the spikes as ticks above.

    If there are more than 20 traces without labels, their mean is drawn, and bands that contain 50 and 90 % of them.
    `synkin.plot.population` shows each of them.

    Args:
        times: (T,), ms.
        g: (T,) or (T, n) for n traces, mS.
        spikes: spike times in ms, in any order: (K,) for one train, or n trains, one for each trace.
        labels: the n names of the traces, for the legend.
        ax: matplotlib Axes to draw on; by default those of a new pyplot figure.

    Returns:
        The Axes.

    Raises:
        ValueError: shapes or lengths that do not fit.
        ImportError: matplotlib is not installed.

    Example:
        >>> times = np.arange(0.0, 20.0, 0.1)
        >>> g = synkin.respond(synkin.ampa, synkin.ampa.Params(), [2.0], times)
        >>> ax = synkin.plot.traces(times, g, spikes=[2.0], labels=["ampa"])
        >>> ax.figure.savefig("ampa.png")
    """
    times, g = np.asarray(times), np.asarray(g)
    if times.ndim != 1:
        raise ValueError(f"Argument `times` must have shape (T,), but has shape {times.shape}.")
    if g.ndim not in (1, 2) or len(g) != len(times):
        expected = f"({len(times)},) or ({len(times)}, n)"
        raise ValueError(f"Argument `g` must have shape {expected}, but has shape {g.shape}.")
    columns = np.atleast_2d(g.T)
    trains = _trains(spikes, len(columns))
    if isinstance(labels, str):
        labels = [labels]
    if labels is not None and len(labels) != len(columns):
        raise ValueError(f"Argument `labels` must have length {len(columns)}, but has length {len(labels)}.")

    ax = one_axes(ax)
    together = len(columns) > _LINES and labels is None
    if together:
        shown = _bands(ax, times, columns)
    else:
        shown = columns
        many = len(columns) > len(COLORS)
        width = 0.7 if many or len(times) > _DENSE else 1.0
        for i, (column, color) in enumerate(zip(columns, colors_of(len(columns)), strict=True)):
            ax.plot(times, column, color=color, linewidth=width, label=labels[i] if labels else None)
    band = min(_TICKS_ROW * len(trains), _TICKS_MOST)
    # Heights in fractions of the axes, so that the ticks stay at the top, whatever the limits are.
    at_top = ax.get_xaxis_transform()
    if together and len(trains) > 1:
        # Train i at the height of its row, the first on top, like the ticks.
        _raster(ax, trains, lambda rows: 1 - band * (rows + 0.5) / len(trains), GREY, 0.4, transform=at_top)
    else:
        for i, (train, color) in enumerate(zip(trains, colors_of(len(trains)), strict=True)):
            top, bottom = 1 - band * i / len(trains), 1 - band * (i + 0.8) / len(trains)
            ax.vlines(train, bottom, top, GREY if len(trains) == 1 else color, linewidth=0.7, transform=at_top)
    leave_room_above(ax, shown, band)
    label_axes(ax)
    if labels:
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    elif together:
        ax.legend(**LEGEND_ON_TOP)
    return ax


def population(
    times: ArrayLike,
    g: ArrayLike,
    *,
    spikes: Sequence[ArrayLike] | None = None,
    ax: Sequence[Axes] | np.ndarray | None = None,
) -> tuple[Axes, Axes, Axes]:
    """Draw the conductances of many synapses: spikes as a raster, g as an image with a row for each synapse, and the
    mean.

    If one row or column of the image stands for several synapses or samples, it shows the value that is farthest from
    0, so that no response is lost. The bands around the mean contain 50 and 90 % of the synapses.

    Args:
        times: (T,), ms, evenly spaced.
        g: (T, n), mS.
        spikes: n trains of spike times in ms.
        ax: three matplotlib Axes; by default those of a new pyplot figure.

    Returns:
        The three Axes: raster, image, mean.

    Raises:
        ValueError: shapes or lengths do not fit, or ``ax`` is not three Axes.
        ImportError: matplotlib is not installed.

    Example:
        >>> spikes = np.arange(40)[:, None] == [10, 20]
        >>> final, g = synkin.simulate(synkin.ampa, synkin.ampa.Params(), spikes, 0.1, method="exact")
        >>> figure = synkin.plot.figure(6.0, 4.0)
        >>> axes = synkin.plot.population(0.1 * np.arange(1, 41), g, spikes=[[1.0], [2.0]], ax=figure.subplots(3, 1))
    """
    times, g = np.asarray(times), np.asarray(g)
    if times.ndim != 1 or g.ndim != 2 or len(g) != len(times):
        raise ValueError(f"Argument `g` must have shape ({np.size(times)}, n), but has shape {g.shape}.")
    synapses = g.shape[1]
    trains = [] if spikes is None else [np.asarray(train) for train in spikes]
    if trains and (len(trains) != synapses or any(np.ndim(train) != 1 for train in trains)):
        raise ValueError(f"Argument `spikes` must be {synapses} trains of times, but is {len(trains)}.")
    raster, image, mean = several_axes(ax, "raster, image and mean", (8, 7), (2, 2, 1.5))
    _raster(raster, trains, lambda rows: rows)
    shown = _largest_in_blocks(_largest_in_blocks(g, _COLUMNS).T, _ROWS)
    bottom, top = min(shown.min(), 0.0), max(shown.max(), 0.0)
    # White is 0, whichever signs g has.
    size = max(top, -bottom) or 1.0
    colors = [BROWN, VERMILION, ORANGE, "white", SKY, BLUE, NAVY]
    down, up = bottom < 0, top > 0 or bottom == 0
    shades = colors[0 if down else 3 : 7 if up else 4]
    extent = (2 * times[0] - times[1] if len(times) > 1 else 0.0, times[-1], -0.5, synapses - 0.5)
    picture = image.imshow(
        shown,
        cmap=matplotlib("matplotlib.colors").LinearSegmentedColormap.from_list("g", shades),
        vmin=-size if down else 0.0,
        vmax=size if up else 0.0,
        aspect="auto",
        origin="lower",
        interpolation="nearest",
        extent=extent,
    )
    image.figure.colorbar(picture, cax=image.inset_axes((1.01, 0, 0.015, 1)), label="g (mS)")
    leave_room_above(mean, _bands(mean, times, g.T), 0.0)
    for axes in (raster, image, mean):
        label_axes(axes)
        axes.set_xlim(extent[:2])
    for axes in (raster, image):
        axes.set_ylabel("synapse")
        axes.set_ylim(-0.5, synapses - 0.5)
        axes.set_xlabel("")
        axes.tick_params(labelbottom=False)
    mean.legend(**LEGEND_ON_TOP)
    return raster, image, mean


def kernel(kernel: Kernel, params: NamedTuple | None = None, *, dt: float = 0.01, ax: Axes | None = None) -> Axes:
    """Draw the response of a kernel to one input at time 0, and mark its peak, rise, half width and decay.

    Args:
        kernel: a kernel such as `synkin.ampa`.
        params: its ``Params``, of scalars; by default the kernel's defaults.
        dt: the interval in ms of the samples that are drawn and measured. It should be much shorter than the time
            constants.
        ax: matplotlib Axes to draw on; by default those of a new pyplot figure.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: a parameter or ``dt`` of the wrong kind or out of range.
        ImportError: matplotlib is not installed.

    Example:
        >>> ax = synkin.plot.kernel(synkin.ampa, synkin.ampa.Params(beta=0.3))
        >>> print(ax.get_legend().get_texts()[1].get_text())
        peak 0.202 mS at 0.5 ms
    """
    times, g = _impulse_response(kernel, params, dt)
    name = kernel.name
    top = int(np.argmax(np.abs(g)))
    peak, peak_time = g[top], times[top]
    height = g / peak if peak else np.zeros(len(g))
    # A g that jumps at time 0 has its rise there.
    up = {part: max(times[0], np.nan_to_num(crossing_up(times, height, top, part))) for part in (0.1, 0.5, 0.9)}
    marks = [
        ("10-90 % rise", up[0.1], up[0.9], None, GREEN),
        ("half width", up[0.5], crossing_down(times, height, top, 0.5), 0.5 * peak, PURPLE),
        ("decay to 1/e", peak_time, crossing_down(times, height, top, 1 / np.e), peak / np.e, ORANGE),
    ]
    ax = one_axes(ax)
    # Drawn from a little before the input, so that a jump at time 0 is seen.
    before = [-0.03 * times[-1], 0.0]
    ax.plot(np.append(before, times), np.append([0.0, 0.0], g), color=BLUE, linewidth=1.5, label=name)
    ax.plot(peak_time, peak, "o", color=VERMILION, label=f"peak {peak:.3g} mS at {peak_time:.3g} ms")
    for text, start, end, level, color in marks:
        inside = times[(times > start) & (times < end)]
        at = np.array([start, *inside, end]) if level is None else np.array([start, end])
        heights = np.interp(at, times, g) if level is None else np.full(2, level)
        length = f" {end - start:.3g} ms" if np.isfinite(end) else f": not within {times[-1]:,.0f} ms"
        ax.plot(at, heights, "-|", color=color, linewidth=2.5, markevery=[0, -1], label=text + length)
    label_axes(ax)
    ax.legend(frameon=False)
    return ax


def fit(result: Fit, *, ax: Sequence[Axes] | np.ndarray | None = None) -> tuple[Axes, Axes]:
    """Draw a recording with the fitted curve, and below it the residuals.

    Several recordings are drawn faintly, with their mean on top. Recordings at different concentrations or voltages
    have different colours. A parameter that varies is drawn above the recording.

    Args:
        result: what `synkin.fit` returned.
        ax: two matplotlib Axes, for the recording and the residuals; by default those of a new pyplot figure.

    Returns:
        The two Axes.

    Raises:
        ValueError: ``ax`` is not two Axes.
        ImportError: matplotlib is not installed.

    Example:
        >>> times = np.arange(0.0, 20.0, 0.5)
        >>> trace = 3.0 * np.exp(-times / 5.0) + 0.01 * np.cos(9 * times)
        >>> result = synkin.fit(synkin.expon, synkin.expon.Params(), [0.0], times, trace, free="tau", scale=True)
        >>> axes = synkin.plot.fit(result)
    """
    size = (7, 5 + PANEL * len(result.varying))
    above, below = several_axes(ax, "recording and residuals", size, (3, 1))
    curves = [np.atleast_2d(a) for a in (result.trace, result.predicted, result.residuals)]
    recordings = len(curves[0])
    thin = 0.5 if result.times.shape[-1] > _DENSE else 1.0
    drawn = [
        (above, curves[0], GREY, BLACK, "recording"),
        (above, curves[1], VERMILION, VERMILION, "fit"),
        (below, curves[2], GREY, BLACK, None),
    ]
    concentrations = None if result.concentrations is None else np.atleast_2d(result.concentrations)
    differ = concentrations is not None or any(values.ndim == 2 for _, values in result.varying.values())
    differ = differ and recordings <= len(COLORS)  # a mean over concentrations has no meaning
    for axes, rows, color, strong, label in drawn:
        if differ:
            every = np.broadcast_to(result.times, rows.shape)
            for *row, own, level in zip(every, rows, colors_of(recordings), _levels(result, recordings), strict=True):
                faint, name = (1.0, level) if label == "fit" else (0.4, None)
                axes.plot(*row, color=own, linewidth=2 * thin * faint, alpha=faint, label=name)
            continue
        if recordings == 1:
            times = np.ravel(result.times)
            axes.plot(times, rows[0], color=color, linewidth=2 * thin if label == "fit" else thin, label=label)
            continue
        if result.times.ndim == 2:  # recordings at different times have no mean
            found = [
                axes.plot(*row, color=color, linewidth=thin, alpha=0.6) for row in zip(result.times, rows, strict=True)
            ]
            found[0][0].set_label(label)
            continue
        axes.plot(result.times, rows.T, color=color, linewidth=0.5 * thin, alpha=0.25)
        label = f"{label}, mean of {recordings}" if label else None
        axes.plot(result.times, mean_sweep(rows), color=strong, linewidth=2 * thin, label=label)
    below.axhline(0.0, color=VERMILION, linewidth=1)
    shift = np.reshape(result.onset, (-1, 1)) + result.delay
    events = np.atleast_2d(np.atleast_2d(result.spike_times) + shift)
    for i, (name, (edges, values)) in enumerate(result.varying.items()):
        panel = panel_above(above, i)
        _draw_varying(panel, edges if concentrations is None else edges + shift, values, result.times, differ)
        label_recording(panel, result.problem.units[name], name)
    if concentrations is not None:
        _shade(above, events, concentrations)
    else:
        ticks = np.unique(events[np.isfinite(events)])
        at_top = above.get_xaxis_transform()
        above.vlines(ticks, 1 - _TICKS_ROW, 1, GREY, linewidth=0.7, transform=at_top, label="spikes")
    leave_room_above(above, np.concatenate(curves[:2]), _TICKS_ROW)
    for axes, label in ((above, "recording"), (below, "residual")):
        label_axes(axes)
        label_recording(axes, result.unit, label)
    above.set_xlabel("")
    above.legend(frameon=False, title=f"{result.name}, R² {result.r_squared:.3f}")
    return above, below


def events(times: ArrayLike, trace: ArrayLike, found: Events, *, ax: Axes | None = None) -> Axes:
    """Draw a recording, the events that were found in it as ticks above, and the sum of their responses.

    Args:
        times: (M,), ms.
        trace: (M,), the recording.
        found: the `Events` that `synkin.deconvolve` found in it.
        ax: matplotlib Axes to draw on; by default those of a new pyplot figure.

    Returns:
        The Axes.

    Raises:
        ValueError: shapes that do not fit.
        ImportError: matplotlib is not installed.

    Example:
        >>> kernel, params, times = synkin.dual_expon, synkin.dual_expon.Params(), np.arange(0.0, 600.0, 0.2)
        >>> trace = -20.0 * synkin.respond(kernel, params, [150.0, 300.0, 360.0], times)
        >>> trace += np.random.default_rng(0).normal(size=times.size)
        >>> found = synkin.deconvolve(kernel, params, times, trace)
        >>> ax = synkin.plot.events(times, trace, found)
    """
    times, trace = np.asarray(times), np.asarray(trace)
    if times.shape != found.curve.shape or trace.shape != times.shape:
        raise ValueError(
            f"Arguments `times` and `trace` must have shape {found.curve.shape}, as the trace of `found` has, but have "
            f"the shapes {times.shape} and {trace.shape}."
        )
    ax = one_axes(ax)
    thin = 0.5 if len(times) > _DENSE else 1.0
    ax.plot(times, trace, color=GREY, linewidth=thin, label="recording")
    ax.plot(times, found.baseline + found.curve, color=VERMILION, linewidth=1.5 * thin, label="events and baseline")
    at_top = ax.get_xaxis_transform()
    ax.vlines(found.times, 1 - _TICKS_ROW, 1, BLACK, linewidth=0.7, transform=at_top, label="events")
    for first, last in found.excluded:  # no events were sought there
        ax.axvspan(max(first, times[0]), min(last, times[-1]), color=GREY, alpha=0.2, linewidth=0)
    # The limits do not include 0, because the baseline may be far from it.
    set_limits(ax, float(np.nanmin(trace)), float(np.nanmax(trace)), _TICKS_ROW)
    label_axes(ax)
    label_recording(ax, found.unit)
    ax.legend(**LEGEND_ON_TOP)
    return ax


def _levels(result: Fit, recordings: int) -> list[str]:
    """The names of the recordings: their highest concentrations, and the last values of what varies between them."""
    units = result.problem.units
    given = {} if result.concentrations is None else {"{:.3g} mM": np.atleast_2d(result.concentrations).max(axis=1)}
    given |= {
        f"{name} {{:.3g}} {units[name]}": values[:, -1]
        for name, (_, values) in result.varying.items()
        if values.ndim == 2
    }
    columns = [[*map(text.format, np.broadcast_to(levels, recordings))] for text, levels in given.items()]
    return [", ".join(row) for row in zip(*columns, strict=True)]


def _draw_varying(ax: Axes, edges: np.ndarray, values: np.ndarray, times: np.ndarray, differ: bool) -> None:
    """Draw values that are constant between edges, the first and the last going on to the ends of the recording."""
    count = max(len(np.atleast_2d(edges)), len(np.atleast_2d(values)))
    for row, own, color in zip(
        np.broadcast_to(edges, (count, edges.shape[-1])),
        np.broadcast_to(values, (count, values.shape[-1])),
        colors_of(count) if differ and values.ndim == 2 else [GREY] * count,
        strict=True,
    ):
        ends = np.clip([-np.inf, *row[1:-1], np.inf], times.min(), times.max())
        ax.stairs(own, ends, baseline=None, color=color, linewidth=1.5)


def _shade(ax: Axes, edges: np.ndarray, concentrations: np.ndarray) -> None:
    """Shade the background wherever there is transmitter, each stretch once."""
    pairs = [
        (row[k], row[k + 1])
        for row, levels in zip(edges, np.broadcast_to(concentrations, (len(edges), edges.shape[1] - 1)), strict=True)
        for k in np.flatnonzero(levels > 0)
    ]
    for begin, end in sorted(set(pairs)):
        ax.axvspan(begin, end, color=GREY, alpha=0.12, linewidth=0)


def _raster(
    ax: Axes,
    trains: Sequence[np.ndarray],
    height: Callable[[np.ndarray], np.ndarray],
    color: str = BLACK,
    size: float = 1.0,
    transform: Transform | None = None,
) -> None:
    """Draw a dot for each spike at the ``height`` of its row, ``size`` times the usual area."""
    spikes = np.concatenate([np.empty(0), *trains])
    rows = np.repeat(np.arange(len(trains)), [len(train) for train in trains])
    area = float(np.clip(4000 / max(1, len(spikes)), 0.3, 6.0))
    ax.scatter(
        spikes, height(rows), size * area, color, linewidths=0, rasterized=True, transform=transform or ax.transData
    )


def _bands(ax: Axes, times: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Draw the mean of the rows of ``columns`` and bands around it; return their values, from which limits are set."""
    every = max(1, len(times) // _COLUMNS)
    sample = columns[:: max(1, len(columns) // _COLUMNS), ::every]
    gap = np.where(np.isnan(sample).all(axis=0), np.nan, 0.0)
    edges = [gap + np.nanpercentile(np.where(np.isnan(gap), 0.0, sample), e, axis=0) for band in _BANDS for e in band]
    for i, ((low, high), alpha) in enumerate(zip(_BANDS, (0.2, 0.4), strict=True)):
        label = f"middle {high - low} %"
        ax.fill_between(times[::every], *edges[2 * i : 2 * i + 2], color=SKY, alpha=alpha, linewidth=0, label=label)
    mean = mean_sweep(columns)
    ax.plot(times, mean, color=BLUE, linewidth=1.0 if len(times) <= _DENSE else 0.5, label=f"mean of {len(columns):,}")
    return np.concatenate([mean, *edges])


def _largest_in_blocks(values: np.ndarray, most: int) -> np.ndarray:
    """The value of largest size in each of at most ``most`` blocks of the first axis."""
    if len(values) <= most:
        return values
    starts = np.linspace(0, len(values), most, endpoint=False).astype(int)
    high, low = np.maximum.reduceat(values, starts), np.minimum.reduceat(values, starts)
    return np.where(high >= -low, high, low)


def _trains(spikes: Spikes | None, n: int) -> list[np.ndarray]:
    """``spikes`` as a list of trains: none, one, or ``n``."""
    if spikes is None:
        return []
    listed = list(spikes)  # type: ignore[arg-type]  # a scalar is refused as any function of Python does
    trains = [listed] if all(np.ndim(s) == 0 for s in listed) else listed
    if len(trains) not in (1, n) or any(np.ndim(train) != 1 for train in trains):
        raise ValueError(f"Argument `spikes` must be one train of times or {n} trains, but is {len(trains)}.")
    return [np.asarray(train) for train in trains]


def _impulse_response(kernel: Kernel, params: NamedTuple | None, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Times in ms from 0, the time of one input, and g in mS at these times until it is nearly 0 again."""
    params = kernel.Params() if params is None else params
    check_dt(dt)
    parts: list[np.ndarray] = []
    highest = 0.0
    for i in range(_STRETCHES):
        # A sample at the time of a spike includes that spike, so g starts with the response.
        first, last = i * _STRETCH + (i > 0), (i + 1) * _STRETCH
        parts.append(np.asarray(respond(kernel, params, np.zeros(1), dt * np.arange(first, last + 1))))
        highest = max(highest, float(np.abs(parts[-1]).max()))
        if abs(parts[-1][-1]) <= _DOWN_TO * highest:
            break
    g = np.concatenate(parts)
    if not np.isfinite(g).all():
        raise ValueError(f"The response to {params} is not finite in {g.dtype}.")
    if highest > 0 and np.abs(g).argmax() == len(g) - 1:
        raise ValueError(f"Argument `dt` must be larger here: {len(g) - 1} steps of {dt} ms do not reach the peak.")
    up = np.flatnonzero(np.abs(g) > _DOWN_TO * np.abs(g).max())
    stop = up[-1] + 2 if up.size else len(g)
    return np.arange(len(g))[:stop] * dt, g[:stop]
