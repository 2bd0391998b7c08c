"""When a trace crosses a level, with straight lines between samples."""

from __future__ import annotations

from math import nan

import numpy as np

# The fractions of the peak through which the line goes that gives the onset.
FOOT = (0.2, 0.8)
# A polynomial of this degree through the samples above this fraction of the peak says when the peak is, if there are
# this many of them. Of two exponentials, rising 1/5 to 1/50 as fast as they decay, its value is within 0.1 % of the
# peak. The samples are those of a moving average over at least so many.
_DEGREE, _TOP, _ENOUGH, _SMOOTH = 5, 0.8, 12, 6


def crossing_up(times: np.ndarray, height: np.ndarray, start: int, part: float) -> float:
    """The time at which ``height`` last crosses ``part`` on the way up to sample ``start``; NaN if it starts above."""
    below = np.flatnonzero(height[:start] < part)
    return between(times, height, int(below[-1]), part) if below.size else nan


def crossing_down(times: np.ndarray, height: np.ndarray, start: int, part: float) -> float:
    """The time at which ``height`` first crosses ``part`` on the way down from sample ``start``; NaN if it does not."""
    below = np.flatnonzero(height[start:] < part)
    return between(times, height, start + int(below[0]) - 1, part) if below.size else nan


def between(times: np.ndarray, height: np.ndarray, i: int, level: float) -> float:
    """The time at which the straight line from sample ``i`` to the next one crosses ``level``."""
    return float(times[i] + (times[i + 1] - times[i]) * (level - height[i]) / (height[i + 1] - height[i]))


def rising(times: np.ndarray, height: np.ndarray, top: int) -> dict[float, float]:
    """When the trace crosses each level on the way up, from half of the peak outwards; NaN without a rise."""
    levels = (0.1, FOOT[0], 0.5, FOOT[1], 0.9)
    below = np.flatnonzero(height[:top] < 0.5)
    if not below.size:
        return dict.fromkeys(levels, nan)
    last = int(below[-1])  # the last sample below half
    found = {0.5: between(times, height, last, 0.5)}
    for level in levels[:2]:
        found[level] = crossing_up(times, height, last + 2, level)
    for level in levels[3:]:
        above = np.flatnonzero(height[last + 1 : top + 1] >= level)
        # The mean around the peak may be above each sample before it.
        found[level] = between(times, height, last + int(above[0]), level) if above.size else nan
    return found


def peak_time(times: np.ndarray, height: np.ndarray, width: float) -> float:
    """When a mean response is largest.

    The largest sample of noise on a round top says little about that, and its value is too large. So the top is that of
    a polynomial through the samples around it.

    Args:
        times: (M,) ms, without NaN.
        height: (M,), upwards.
        width: ms over which values are averaged later.
    """
    if not len(height):
        return nan
    interval = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    smooth = _moving_average(times, height, max(width, _SMOOTH * interval))
    top = int(smooth.argmax())
    low = np.flatnonzero(smooth[:top] < _TOP * smooth[top])
    high = np.flatnonzero(smooth[top:] < _TOP * smooth[top])
    first = int(low[-1]) + 1 if low.size else 0
    last = top + int(high[0]) if high.size else len(height)
    if smooth[top] <= 0 or last - first < _ENOUGH:
        return float(times[top])
    x = times[first:last] - times[top]
    scale = float(np.abs(x).max())
    fitted = np.polynomial.polynomial.polyfit(x / scale, height[first:last], _DEGREE)
    fine = np.linspace(x[0], x[-1], 20 * len(x) + 1)
    return float(times[top] + fine[np.polynomial.polynomial.polyval(fine / scale, fitted).argmax()])


def _moving_average(times: np.ndarray, values: np.ndarray, width: float) -> np.ndarray:
    """The mean of the values within half of ``width`` of each time."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    first = np.searchsorted(times, times - width / 2 * (1 + 1e-9))
    last = np.searchsorted(times, times + width / 2 * (1 + 1e-9), "right")
    mean: np.ndarray = (sums[last] - sums[first]) / (last - first)
    return mean


def around(times: np.ndarray, rows: np.ndarray, at: float, width: float) -> np.ndarray:
    """The mean of each row, (R,), within half of ``width`` ms of ``at``; at least its value there, on a straight line.

    NaN where a row has no sample.
    """
    slack = 1e-3 * float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    inside = np.abs(times - at) <= width / 2 + slack
    if inside.sum() < 2:
        i = int(np.clip(np.searchsorted(times, at) - 1, 0, len(times) - 2))
        part = np.clip((at - times[i]) / (times[i + 1] - times[i]), 0.0, 1.0)
        part = np.round(part) if min(part, 1 - part) < 1e-3 else part
        left, right = rows[:, i], rows[:, i + 1]
        return right if part == 1 else left if part == 0 else left + part * (right - left)
    samples = np.ma.masked_invalid(rows[:, inside])
    mean: np.ndarray = samples.mean(axis=1).filled(nan)
    return mean
