"""Pictures of what is measured of many sweeps: amplitudes over time, and currents against voltages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synkin.arguments.messages import describe
from synkin.measures.result import Amplitudes, CurrentVoltage
from synkin.plot.axes import colors_of, one_axes, remove_frame
from synkin.plot.style import BLACK, BLUE, GREY, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The curve is drawn as a line through this many points, and beyond the levels by this fraction of their range.
_POINTS, _BEYOND = 200, 0.05
# Over minutes, where the sweeps take longer than this many.
_MINUTES, _MS_PER_MINUTE = 1.0, 60_000.0


def amplitudes(result: Amplitudes, *, ax: Axes | None = None) -> Axes:
    """Draw the amplitudes of all sweeps over time, their means, and the noise of an amplitude.

    Args:
        result: ``amplitudes`` of what `synkin.measure` returned with ``spikes``.
        ax: matplotlib Axes to draw on; by default those of a new pyplot figure.

    Returns:
        The Axes. The shade holds what is below the threshold of a response, of either sign. The time is that at which
        the sweeps began, or the number of the sweep where that is not known.

    Raises:
        TypeError: ``result`` is something else.
        ImportError: matplotlib is not installed.

    Example:
        >>> times, seeds = np.arange(0.0, 60.0, 0.1), np.random.default_rng(0)
        >>> late = lambda at: (times - at).clip(0)
        >>> shape = lambda at: np.exp(-late(at) / 5) - np.exp(-late(at) / 0.5)
        >>> sweeps = -20 * shape(10) - 14 * shape(30) + seeds.normal(0, 0.5, (20, 600))
        >>> found = synkin.measure(times, sweeps, spikes=[10.0, 30.0], peak_mean=0.5)
        >>> axes = synkin.plot.amplitudes(found.amplitudes)
        >>> axes.figure.savefig("amplitudes.png")
    """
    if not isinstance(result, Amplitudes):
        raise TypeError(f"Argument `result` must be `amplitudes` of what measure returned, but is {describe(result)}.")
    ax = one_axes(ax)
    places, label = _places(result)
    if np.isfinite(result.threshold):
        size = abs(result.threshold)
        ax.axhspan(-size, size, color=GREY, alpha=0.25, linewidth=0, label="below the threshold")
    for k, color in zip(range(len(result.spikes)), colors_of(len(result.spikes)), strict=True):
        ax.plot(places, result.values[:, k], "o", color=color, markersize=3)
        name = f"{result.spikes[k]:g} ms: {result.mean[k]:.3g}"
        if np.isfinite(result.stderr[k]):
            name += f" ± {result.stderr[k]:.2g}"
        ax.axhline(result.mean[k], color=color, linewidth=1.5, label=name)
    ax.axhline(0, color=BLACK, linewidth=0.5)
    ax.set_xlabel(label)
    ax.set_ylabel(f"amplitude ({result.unit})" if result.unit else "amplitude")
    title = []
    if len(result.spikes) > 1 and np.isfinite(result.paired_pulse_ratio):
        title.append(f"paired-pulse ratio {result.paired_pulse_ratio:.3g}{_error(result.paired_pulse_error)}")
    if np.isfinite(result.failures[0]) and len(result.values) > 1:
        title.append(f"failures {100 * result.failures[0]:.0f}{_error(100 * result.failure_errors[0])} %")
    ax.set_title(", ".join(title), loc="left", fontsize=10)
    ax.legend(frameon=False, fontsize=8)
    remove_frame(ax)
    return ax


def _places(result: Amplitudes) -> tuple[np.ndarray, str]:
    """Where each sweep stands, and what that is."""
    starts = result.start_times
    if starts is None:
        return np.arange(len(result.values)), "sweep"
    since = starts - starts.min()
    if np.ptp(since) > _MINUTES * _MS_PER_MINUTE:
        return since / _MS_PER_MINUTE, "time (min)"
    return since / 1000, "time (s)"


def _error(error: float) -> str:
    return f" ± {error:.2g}" if np.isfinite(error) else ""


def current_voltage(result: CurrentVoltage, *, ax: Axes | None = None) -> Axes:
    """Draw currents against voltages with their errors, the fitted curve, and where it crosses 0.

    Args:
        result: what `synkin.current_voltage` returned.
        ax: matplotlib Axes to draw on; by default those of a new pyplot figure.

    Returns:
        The Axes. Levels that were not fitted are open.

    Raises:
        TypeError: ``result`` is something else.
        ImportError: matplotlib is not installed.

    Example:
        >>> times, volts = np.arange(0.0, 50.0, 0.1), np.arange(-80.0, 60.0, 20.0)
        >>> shape = np.where(times > 10, np.exp(-(times - 10) / 5), 0.0)
        >>> sweeps = 0.4 * (volts - 3)[:, None] * shape
        >>> found = synkin.current_voltage(times, sweeps, voltages=volts, window=(10, 30))
        >>> axes = synkin.plot.current_voltage(found)
        >>> axes.figure.savefig("current_voltage.png")
    """
    if not isinstance(result, CurrentVoltage):
        raise TypeError(f"Argument `result` must be what current_voltage returned, but is {describe(result)}.")
    ax = one_axes(ax)
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.axvline(0, color=GREY, linewidth=0.8)
    fitted = result.voltages[result.fitted]
    beyond = _BEYOND * np.ptp(fitted)
    ends = min(fitted[0], result.reversal) - beyond, max(fitted[-1], result.reversal) + beyond
    volts = np.linspace(*ends, _POINTS) if np.isfinite(ends).all() else np.linspace(fitted[0], fitted[-1], _POINTS)
    ax.plot(volts, result.curve(volts), color=VERMILION, linewidth=1.5)
    for which, face in ((result.fitted, BLUE), (~result.fitted, "none")):
        if which.any():
            errors = np.nan_to_num(result.errors[which])
            points = ax.errorbar(
                result.voltages[which], result.currents[which], errors, fmt="o", color=BLUE, markerfacecolor=face
            )
            points.lines[0].set_markersize(5)
    name = f"reverses at {result.reversal:.3g}{_error(result.reversal_error)} mV"
    ax.plot([result.reversal], [0], "|", color=BLACK, markersize=16, markeredgewidth=1.5, label=name)
    ax.set_xlabel("voltage (mV)")
    ax.set_ylabel(f"current at {result.time:.4g} ms{f' ({result.unit})' if result.unit else ''}")
    ax.legend(frameon=False, loc="upper left")
    remove_frame(ax)
    return ax
