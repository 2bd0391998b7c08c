"""Pictures of the uncertainty of a fit: a profile, a bootstrap, a comparison of kernels, the noise of channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from synkin.plot.axes import LEGEND_ON_TOP, colors_of, label_recording, one_axes, remove_frame, several_axes
from synkin.plot.style import BLACK, BLUE, GREY, ORANGE, SKY, VERMILION, matplotlib
from synkin.recordings.recording import mean_sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from synkin.fitting import Bootstrap, Comparison, Fit, Profile

# A quantity whose profile spans more than this factor is drawn on a logarithmic scale.
_WIDE = 10.0
# Draws that differ by less than this fraction are equal: one bar.
_SAME = 1e-9
# The length of the longest bar of a comparison: kernels beyond it are ruled out in any case.
_NO_CHANCE = 100.0
# The number of bins of the current in which the variance is drawn.
_BINS = 24


def profile(result: Profile, *, ax: Axes | None = None) -> Axes:
    """Draw a profile: the sum of squares around the best value of a quantity, with its intervals to 68 and 95 %.

    Args:
        result: what `Fit.profile` returned.
        ax: matplotlib Axes to draw on; by default those of a new pyplot figure.

    Returns:
        The Axes. They show by how much the sum of squares is above its minimum, scaled to be 1 at one standard error if
        the curve is linear in the quantity. The dashed parabola is what the standard error alone would give.

    Raises:
        ImportError: matplotlib is not installed.

    Example:
        >>> times = np.arange(0.0, 20.0, 0.5)
        >>> trace = 3.0 * np.exp(-times / 5.0) + 0.01 * np.cos(9 * times)
        >>> result = synkin.fit(synkin.expon, synkin.expon.Params(), [0.0], times, trace, free="tau", scale=True)
        >>> ax = synkin.plot.profile(result.profile("tau"))
    """
    ax = one_axes(ax)
    ax.plot(result.values, result.distance**2, "-o", color=BLUE, markersize=3, linewidth=1.5, label="profile")
    top = min(float((result.distance**2).max()), 2 * result.passed**2) or 1.0
    if np.isfinite(result.stderr) and result.stderr > 0:
        reach = result.stderr * np.sqrt(top)
        near = np.linspace(max(result.best - reach, result.values.min()), min(result.best + reach, result.values.max()))
        parabola = ((near - result.best) / result.stderr) ** 2
        ax.plot(near, parabola, "--", color=GREY, linewidth=1, label="standard error")
    ax.axvline(result.best, color=BLACK, linewidth=0.8)
    for ends, level, color in ((result.interval95, 95, SKY), (result.interval68, 68, ORANGE)):
        low, high = np.clip(ends, result.values.min(), result.values.max())
        ax.axvspan(low, high, color=color, alpha=0.25, linewidth=0, label=f"{level} %")
    if result.values.min() > 0 and result.values.max() > _WIDE * result.values.min():
        ax.set_xscale("log")
    ax.set_ylim(0, 1.05 * top)
    ax.set_xlabel(_label(result.name, result.unit))
    ax.set_ylabel(f"growth of the {result.growth_of}")
    remove_frame(ax)
    ax.legend(**LEGEND_ON_TOP | {"ncols": 2, "fontsize": "small"})
    return ax


def bootstrap(result: Bootstrap, *, ax: Axes | Sequence[Axes] | np.ndarray | None = None) -> np.ndarray:
    """Draw a histogram of each quantity over the draws of a bootstrap, with its intervals to 68 and 95 %.

    Args:
        result: what `Fit.bootstrap` returned.
        ax: matplotlib Axes, one for each quantity; by default those of a new pyplot figure.

    Returns:
        An array of the P Axes, one for each quantity.

    Raises:
        ValueError: ``ax`` is not P Axes.
        ImportError: matplotlib is not installed.

    Example:
        >>> times = np.arange(0.0, 20.0, 0.5)
        >>> trace = 3.0 * np.exp(-times / 5.0) + 0.01 * np.cos(9 * times)
        >>> result = synkin.fit(synkin.expon, synkin.expon.Params(), [0.0], times, trace, free="tau", scale=True)
        >>> ax = synkin.plot.bootstrap(result.bootstrap(20))
    """
    count = len(result.names)
    if ax is None:
        pyplot = matplotlib("matplotlib.pyplot")
        ax = pyplot.subplots(1, count, figsize=(2.6 * count, 2.8), layout="constrained", squeeze=False)[1][0]
    row = np.atleast_1d(np.asarray(ax, object))
    if row.shape != (count,):
        raise ValueError(f"Argument `ax` must be {count} Axes, one for each quantity, but has shape {row.shape}.")
    for i, (axes, name, unit) in enumerate(zip(row, result.names, result.units, strict=True)):
        drawn = result.samples[:, i]
        axes.hist(drawn, bins="auto" if np.ptp(drawn) > _SAME * np.abs(drawn).max() else 1, color=SKY, alpha=0.6)
        for ends, color in ((result.interval95[name], GREY), (result.interval68[name], BLUE)):
            for end in ends:
                axes.axvline(end, color=color, linewidth=1, linestyle="--")
        axes.axvline(result.best[i], color=VERMILION, linewidth=1.5)
        axes.set_xlabel(_label(name, unit))
        remove_frame(axes)
    row[0].set_ylabel("draws")
    return row


def channels(result: Fit, *, ax: Sequence[Axes] | np.ndarray | None = None) -> Sequence[Axes] | np.ndarray:
    """Draw the noise in a fit with channels: how much single sweeps differ, and the variance against the mean.

    Args:
        result: what `synkin.fit` returned, with ``channels``.
        ax: two matplotlib Axes; by default those of a new pyplot figure.

    Returns:
        The two Axes. The first shows the sweeps, the fitted mean, and bands of one standard deviation to each side: of
        channel noise alone, and with ``sigma``. The second shows the variance around that mean against the current, in
        bins of equal width, and what the fit expects. This is a parabola if all open states conduct alike; its initial
        slope is the current of one channel.

    Raises:
        ValueError: the fit is without channels, or ``ax`` is not two Axes.
        ImportError: matplotlib is not installed.

    Example:
        >>> rng, times = np.random.default_rng(0), np.arange(0.0, 20.0, 1.0)
        >>> closing = rng.exponential(5.0, size=(10, 50))[..., None]
        >>> sweeps = -1.0 * (times < closing).sum(axis=1) + 0.1 * rng.normal(size=(10, 20))
        >>> options = {"free": "beta", "scale": "shared", "channels": True}
        >>> result = synkin.fit(synkin.ampa, synkin.ampa.Params(alpha=5.0), [0.0], times, sweeps, **options)
        >>> ax = synkin.plot.channels(result)
    """
    if result.deviation is None or result.sigma is None:
        raise ValueError("Argument `result` must be a fit with `channels`, but is one by least squares.")
    left, right = ax = several_axes(ax, "sweeps and their variance", (9, 3.5), (2, 1), side_by_side=True)
    sweeps, mean, deviation = (np.atleast_2d(a) for a in (result.trace, result.predicted, result.deviation))
    times = np.broadcast_to(result.times, sweeps.shape)
    gating = np.sqrt(np.maximum(deviation**2 - result.sigma**2, 0.0))
    left.plot(times.T, sweeps.T, color=GREY, linewidth=0.5, alpha=max(0.15, 1 / len(sweeps)))
    alike = np.ptp(times, axis=0).max() == 0 and np.ptp(mean, axis=0).max() == 0
    for row in range(1 if alike else len(sweeps)):
        label = None if row else "mean"
        left.plot(times[row], mean[row], color=VERMILION, linewidth=1.5, label=label)
        for width, alpha, text in ((gating, 0.5, "noise of gating"), (deviation, 0.3, "with sigma")):
            band = mean[row] - width[row], mean[row] + width[row]
            left.fill_between(times[row], *band, color=SKY, alpha=alpha, linewidth=0, label=None if row else text)
    current, squares = mean - float(result.offset), (sweeps - mean) ** 2
    seen = np.isfinite(squares)
    edges = np.linspace(current.min(), current.max(), _BINS + 1)
    of_bin = np.clip(np.digitize(current[seen], edges) - 1, 0, _BINS - 1)
    count = np.maximum(np.bincount(of_bin, minlength=_BINS), 1)
    binned = [np.bincount(of_bin, values[seen], _BINS) / count for values in (current, squares)]
    filled = np.bincount(of_bin, minlength=_BINS) > 0
    right.plot(*(values[filled] for values in binned), "o", color=GREY, markersize=4, label="sweeps")
    order = np.argsort(current, axis=None)
    right.plot(current.ravel()[order], deviation.ravel()[order] ** 2, color=VERMILION, linewidth=1.5, label="fit")
    unit = f" ({result.unit})" if result.unit else ""
    left.set_xlabel("time (ms)")
    label_recording(left, result.unit)
    right.set_xlabel(f"current{unit}")
    right.set_ylabel(f"variance{unit and f' ({result.unit}²)'}")
    right.set_ylim(bottom=0)
    left.legend(
        frameon=False, title=f"{result.name}, {result.channels:.3g} channels of {result.unitary:.3g} {result.unit}"
    )
    right.legend(frameon=False)
    for axes in ax:
        remove_frame(axes)
    return ax


def compare(result: Comparison, *, ax: Sequence[Axes] | np.ndarray | None = None) -> Sequence[Axes] | np.ndarray:
    """Draw a recording with the curve of each fit, and how much less likely each fit is than the best one.

    If there are several recordings, their means are drawn.

    Args:
        result: what `synkin.compare` returned.
        ax: two matplotlib Axes, for curves and bars; by default those of a new pyplot figure.

    Returns:
        The two Axes.

    Raises:
        ValueError: ``ax`` is not two Axes.
        ImportError: matplotlib is not installed.

    Example:
        >>> times = np.arange(0.0, 20.0, 0.5)
        >>> trace = 3.0 * np.exp(-times / 5.0) + 0.01 * np.cos(9 * times)
        >>> decay = synkin.fit(synkin.expon, synkin.expon.Params(), [0.0], times, trace, free="tau", scale=True)
        >>> alpha = synkin.fit(synkin.alpha, synkin.alpha.Params(), [0.0], times, trace, free="tau", scale=True)
        >>> axes = synkin.plot.compare(synkin.compare([alpha, decay]))
    """
    ax = several_axes(ax, "curves and bars", (9, 3.5), (2, 1), side_by_side=True)
    left, right = ax
    first = result.best
    one = first.times if first.times.ndim == 1 else first.times[0]
    left.plot(one, _mean(first.trace, first.times), color=GREY, linewidth=1, label="recording")
    colors = colors_of(len(result.fits))
    for name, fit, color in zip(result.names, result.fits, colors, strict=True):
        left.plot(one, _mean(fit.predicted, fit.times), color=color, linewidth=1.5, label=name)
    left.set_xlabel("time (ms)")
    label_recording(left, first.unit)
    left.legend(frameon=False)
    known = np.isfinite(result.aicc).any()
    far = result.aicc if known else result.bic
    places = np.arange(len(far))[::-1]
    right.barh(places, np.minimum(far, _NO_CHANCE), color=colors)
    for place, value in zip(places, far, strict=True):
        text = f" {value:.1f}" if np.isfinite(value) else " too few samples"
        right.text(min(value, _NO_CHANCE), place, text, va="center", fontsize="small")
    right.set_yticks(places, result.names)
    right.set_xlabel("AICc above the lowest" if known else "BIC above the lowest")
    right.set_xlim(0, 1.25 * max(1.0, min(_NO_CHANCE, far[np.isfinite(far)].max())))
    for axes in ax:
        remove_frame(axes)
    return ax


def _mean(rows: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The mean of recordings at the same times; the first of those at different times."""
    if rows.ndim == 1:
        return rows
    return mean_sweep(rows) if times.ndim == 1 else rows[0]


def _label(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit not in ("", "1") else name
