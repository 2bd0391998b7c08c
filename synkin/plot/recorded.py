"""Pictures of recordings, with the measurements on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synkin.arguments.messages import describe
from synkin.measures.crossings import crossing_up
from synkin.measures.result import Amplitudes, Measured
from synkin.plot.axes import label_recording
from synkin.plot.curves import Spikes, traces
from synkin.plot.style import COLORS, GREY, PURPLE, VERMILION
from synkin.recordings.exclusion import Exclude, without
from synkin.recordings.recording import Recording

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# More sweeps than this have no marks, which would hide each other.
_MARKED = 20


def recording(
    recording: Recording,
    measured: Measured | None = None,
    *,
    spikes: Spikes | None = None,
    exclude: Exclude = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the sweeps of a recording, and mark the measurements on them.

    More than 20 sweeps are drawn as their mean and bands that hold 50 and 90 % of them, without marks.

    Args:
        recording: `synkin.Recording`.
        measured: the result of `synkin.measure` for it: the sweeps are then drawn without their baselines, with onset
            and peak, and, of a single sweep, the half width. Of several stimuli, amplitudes stand as bars where they
            are measured, from what is left of the response before.
        spikes: (K,) ms, ticks above.
        exclude: stretches (a, b) in ms that are gaps, such as those that were left out by `synkin.measure`: a list for
            all sweeps, or a list of R such lists.
        ax: matplotlib Axes to draw on; by default those of a new pyplot figure.

    Returns:
        The Axes.

    Raises:
        TypeError: ``recording`` is no `synkin.Recording`.
        ValueError: measurements of another number of sweeps, or no such stretches.
        ImportError: matplotlib is not installed.

    Example:
        >>> times = np.arange(0.0, 50.0, 0.1)
        >>> response = synkin.Recording(times, -20 * np.where(times > 10, np.exp(-(times - 10) / 5), 0.0), "pA")
        >>> axes = synkin.plot.recording(response, synkin.measure(response), spikes=[10.0])
        >>> axes.figure.savefig("response.png")
    """
    if not isinstance(recording, Recording):
        raise TypeError(f"Argument `recording` must be a synkin.Recording, but is {describe(recording)}.")
    sweeps = len(recording.traces)
    if measured is not None and np.shape(measured.peak) != (sweeps,):
        raise ValueError(
            f"Argument `measured` must be of {sweeps} sweep{'s' * (sweeps != 1)}, "
            f"but its peak has shape {np.shape(measured.peak)}."
        )
    kept = without(recording.times, recording.traces, exclude)
    shown = kept.T - (0.0 if measured is None else measured.baseline)
    labels = list(recording.labels) if 1 < sweeps <= len(COLORS) else None
    ax = traces(recording.times, shown, spikes=spikes, labels=labels, ax=ax)
    if measured is not None and measured.amplitudes is not None and len(measured.amplitudes.spikes) > 1:
        _draw_amplitudes(ax, measured.amplitudes)
    elif measured is not None and sweeps <= _MARKED:
        ax.plot(measured.onset, np.zeros(sweeps), "|", color=GREY, markersize=14, label="onset")
        ax.plot(measured.peak_time, measured.peak, "o", color=VERMILION, markersize=4, label="peak")
        if sweeps == 1:
            start, half = _half_up(recording.times, kept[0], measured), np.full(2, measured.peak[0] / 2)
            text = f"half width {measured.half_width[0]:.3g} ms"
            ax.plot([start, start + measured.half_width[0]], half, "-|", color=PURPLE, linewidth=2.5, label=text)
            ax.legend(frameon=False)
    label_recording(ax, recording.unit)
    return ax


def _draw_amplitudes(ax: Axes, found: Amplitudes) -> None:
    """A bar for each stimulus, as high as the mean amplitude."""
    tails = np.ma.masked_invalid(found.tails).mean(axis=0).filled(0.0)
    ends = tails + found.mean
    ax.vlines(found.peak_times, tails, ends, color=VERMILION, linewidth=2, zorder=3, label="mean amplitude")
    ax.plot(found.peak_times, ends, "o", color=VERMILION, markersize=4, zorder=3)
    ax.legend(frameon=False)


def _half_up(times: np.ndarray, trace: np.ndarray, measured: Measured) -> float:
    """When the only sweep passes half of its peak on the way up, ms."""
    height = (trace - measured.baseline[0]) / (measured.peak[0] or 1.0)
    known = np.isfinite(height)
    times, height = times[known], height[known]
    return crossing_up(times, height, int(np.searchsorted(times, measured.peak_time[0])), 0.5)
