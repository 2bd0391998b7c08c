"""What is subtracted from a trace before it is measured: a level, the mean in a window, or a line through windows."""

from __future__ import annotations

from math import nan
from typing import Any, NamedTuple

import numpy as np

from synkin.arguments import units
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_float64
from synkin.measures.crossings import FOOT
from synkin.recordings.recording import window_ms, within

# A trace begins off zero if the mean of the samples before the response is farther from 0 than this fraction of the
# response, and than this many times the range of the means of so many batches of them.
_OFF, _CLEARLY, _BATCHES = 0.05, 3.0, 5


class Zero(float):
    """The default baseline: 0, but distinguishable from a 0 that is given."""


class Baseline(NamedTuple):
    """What is subtracted from each of R sweeps."""

    levels: np.ndarray  # (R, 1), or (R, M) of a line
    noise: np.ndarray  # (R,) standard deviation around it in the window; NaN without one
    inside: np.ndarray | None  # (M,) which samples it is of; None of a level


def baseline_of(times: np.ndarray, rows: np.ndarray, baseline: Any) -> Baseline:
    """The baseline of each row, (R, M).

    Raises:
        TypeError, ValueError: none that is a level, a window with samples, or several windows.
    """
    if not units.are_quantities(baseline) and np.ndim(baseline) == 0 and not isinstance(baseline, str | None):
        level = as_float64("baseline", baseline)
        if not np.isfinite(level):
            raise ValueError(f"Argument `baseline` must be finite or a window, but is {level}.")
        return Baseline(np.full((len(rows), 1), float(level)), np.full(len(rows), nan), None)
    if _is_several(baseline):
        return _line(times, rows, baseline)
    window = window_ms("baseline", baseline)
    if window is None:
        raise TypeError("Argument `baseline` must be a number or a window (a, b) in ms, but is None.")
    inside = _samples(times, window)
    samples = np.ma.masked_invalid(rows[:, inside])
    return Baseline(samples.mean(axis=1).filled(nan)[:, None], samples.std(axis=1, ddof=1).filled(nan), inside)


def _is_several(baseline: Any) -> bool:
    """Whether this is a list of windows."""
    if isinstance(baseline, np.ndarray):
        return baseline.ndim == 2
    return isinstance(baseline, list | tuple) and len(baseline) > 0 and all(np.ndim(part) == 1 for part in baseline)


def _line(times: np.ndarray, rows: np.ndarray, windows: Any) -> Baseline:
    """The line through the samples of several windows, by least squares."""
    checked = [window_ms("baseline", window) for window in windows]
    masks = [_samples(times, window) for window in checked if window is not None]
    if len(masks) < 2:
        raise ValueError(
            "Argument `baseline` must be a level, a window (a, b) in ms, or at least two such windows, but is "
            f"{describe(windows)}."
        )
    inside = np.logical_or.reduce(masks)
    levels, noise = np.full(rows.shape, nan), np.full(len(rows), nan)
    for i, row in enumerate(rows):
        # A window in which a sweep has no samples says nothing of it.
        if not all(np.isfinite(row[mask]).any() for mask in masks):
            continue
        kept = inside & np.isfinite(row)
        middle = times[kept].mean()
        slope, level = np.polyfit(times[kept] - middle, row[kept], 1)
        levels[i] = level + slope * (times - middle)
        if kept.sum() > 2:
            noise[i] = np.sqrt(((row[kept] - levels[i, kept]) ** 2).sum() / (kept.sum() - 2))
    return Baseline(levels, noise, inside)


def _samples(times: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    inside = within(times, window)
    if not inside.any():
        extent = f"which go from {times[0]:g} to {times[-1]:g} ms"
        raise ValueError(f"Argument `baseline` must hold samples, {extent}, but is ({window[0]:g}, {window[1]:g}).")
    return inside


def off_zero(rows: np.ndarray, inside: np.ndarray | None = None, stimulus: int | None = None) -> str:
    """The first part of a message if some of the traces clearly begin off zero, else an empty string.

    Args:
        rows: (R, M), NaN where a sample is left out.
        inside: (M,), where the response is sought; by default everywhere.
        stimulus: the first sample after the first stimulus, if it is known.
    """
    inside = np.ones(rows.shape[1], bool) if inside is None else inside
    levels = np.array([_begins_at(row, inside, stimulus) for row in rows])
    off = levels[~np.isnan(levels)]
    if not off.size:
        return ""
    which = (
        "The trace begins" if len(rows) == 1 else f"Of {len(rows)} traces {len(off)} begin off 0, the first of these"
    )
    return f"{which} at {off[0]:.3g}, but all is measured from 0"


def _begins_at(y: np.ndarray, inside: np.ndarray, stimulus: int | None) -> float:
    """The mean before the response of a trace, if the trace is level there and clearly off zero, else NaN.

    The response is at the sample farthest from where the trace begins; before it are the samples before the stimulus,
    or up to the last one that is within a fifth of that distance. NaN also if the trace ends at zero rather than where
    it began: it then began on a plateau, and came back.
    """
    kept = ~np.isnan(y)
    first = None if stimulus is None else int(kept[:stimulus].sum())
    y, inside = y[kept], inside[kept]
    if len(y) < 3 or not np.isfinite(y).all() or not inside.any():
        return nan
    edge = max(3, len(y) // 50)
    height = np.abs(y - np.median(y[:edge]))
    top = int(np.where(inside, height, -1.0).argmax())
    if first is None:
        near = np.flatnonzero(height[:top] < FOOT[0] * height[top])
        first = int(near[-1]) + 1 if near.size >= 2 * _BATCHES else 0
    if first < 2 * _BATCHES:
        return nan
    before = y[:first]
    means = np.array([batch.mean() for batch in np.array_split(before, _BATCHES)])
    level, spread = float(before.mean()), float(np.ptp(means))
    response = abs(y[top] - level)
    off = abs(level) > max(_OFF * response, _CLEARLY * spread) and spread < FOOT[0] * response
    came_back = abs(np.median(y[-edge:])) < abs(level) / 2
    return level if off and not came_back else nan
