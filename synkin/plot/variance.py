"""Pictures of variance against mean: channels, from an ensemble of sweeps, and release, from amplitudes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from synkin.arguments.messages import describe
from synkin.noise import NoiseAnalysis, ReleaseNoise
from synkin.plot.axes import LEGEND_ON_TOP, label_axes, label_recording, remove_frame, several_axes
from synkin.plot.style import BLACK, BLUE, GREY, SKY, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The parabola is drawn as a line through this many points.
_POINTS = 200
# Trials of a condition are spread over this part of the distance to the next one.
_SPREAD = 0.3


def noise(result: NoiseAnalysis | ReleaseNoise, *, ax: Sequence[Axes] | np.ndarray | None = None) -> tuple[Axes, Axes]:
    """Draw the result of a noise analysis: the traces, and beside them the variance against the mean, with the
    parabola.

    At the left are the sweeps or events, with their mean and the window that was used; or, for release, the amplitudes
    under each condition. At the right, bars are standard errors, and the dashed line is the variance of the background.

    Args:
        result: what `synkin.noise_analysis` or `synkin.release_noise` returned.
        ax: two matplotlib Axes; by default those of a new pyplot figure.

    Returns:
        The two Axes.

    Raises:
        TypeError: ``result`` is something else.
        ValueError: ``ax`` is not two Axes.
        ImportError: matplotlib is not installed.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> trials = [-12.0 * rng.binomial(8, p, 200) + rng.normal(size=200) for p in (0.2, 0.5, 0.8)]  # pA
        >>> found = synkin.release_noise(trials, background_variance=1.0, draws=100)
        >>> ax = synkin.plot.noise(found)
    """
    if not isinstance(result, NoiseAnalysis | ReleaseNoise):
        raise TypeError(
            f"Argument `result` must be what noise_analysis or release_noise returned, but is {describe(result)}."
        )
    left, right = several_axes(ax, "sweeps and parabola", (9, 3.5), (1, 1), side_by_side=True)
    if isinstance(result, NoiseAnalysis):
        unit = result.unit
        _draw_sweeps(left, result)
    else:
        unit = ""
        _draw_trials(left, result)
    _draw_parabola(right, result, unit)
    for axes in (left, right):
        remove_frame(axes)
    return left, right


def _draw_sweeps(ax: Axes, result: NoiseAnalysis) -> None:
    count, what = len(result.traces), "events" if result.scaled else "sweeps"
    lines = ax.plot(result.times, result.traces.T, color=GREY, linewidth=0.4, alpha=max(0.1, min(0.5, 10 / count)))
    lines[0].set_label(f"{count} {what}")
    ax.plot(result.times, result.traces.mean(axis=0), color=BLACK, linewidth=1.5, label="mean")
    ax.axvspan(*result.window, color=SKY, alpha=0.15, linewidth=0, label="window")
    label_axes(ax)
    label_recording(ax, result.unit, "current")
    for handle in ax.legend(frameon=False).get_lines():
        handle.set(alpha=1, linewidth=1.5)


def _draw_trials(ax: Axes, result: ReleaseNoise) -> None:
    for i, trials in enumerate(result.amplitudes):
        places = i + _SPREAD * np.linspace(-1, 1, len(trials))
        ax.plot(places, trials, ".", color=GREY, markersize=3, alpha=0.6)
        ax.plot([i - _SPREAD, i + _SPREAD], [result.mean[i]] * 2, color=BLACK, linewidth=1.5)
    ax.set_xticks(range(len(result.labels)), result.labels)
    ax.set_ylabel("amplitude")


def _draw_parabola(ax: Axes, result: NoiseAnalysis | ReleaseNoise, unit: str) -> None:
    points = ax.errorbar(result.mean, result.variance, result.variance_errors, fmt="o", color=BLUE, label="variance")
    points.lines[0].set_markersize(4)
    points.lines[2][0].set_linewidth(0.8)
    end = result.mean[np.abs(result.mean).argmax()]
    mean = np.linspace(0, 1.05 * end, _POINTS)
    ax.plot(mean, result.parabola(mean), color=VERMILION, linewidth=1.5, label="parabola")
    ax.axhline(result.background_variance, color=GREY, linewidth=1, linestyle="--", label="background")
    ax.set_ylim(bottom=0)
    ax.set_xlabel(f"mean ({unit})" if unit else "mean")
    ax.set_ylabel(f"variance ({unit}²)" if unit else "variance")
    ax.legend(**LEGEND_ON_TOP)
