"""Artefacts: stretches of a recording with something far faster or far larger than a synaptic event.

An event is known by what most others are like, so that nothing must be known of its shape:

    jumps      more than half of a deflection within one sample
    outliers   a deflection whose height or slope is far beyond that of the others
    pulses     a level that is left abruptly, and abruptly taken again, as during a membrane test
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from jax.typing import ArrayLike
from scipy import ndimage

from synkin.arguments.times import as_sweeps, check_increasing
from synkin.recordings.exclusion import filled, stretches_of
from synkin.recordings.recording import Recording, arrays

# A jump is this many standard deviations of the difference between two samples, this fraction of the trace's range, and
# this fraction of its range within so many ms before and after. Samples further apart than the last number, in ms, say
# nothing about jumps.
_JUMP, _LEAST_JUMP, _AT_ONCE, _REACH, _FINE = 8.0, 0.02, 0.5, 1.0, 0.101
# A deflection is this many standard deviations of the trace. It is an outlier if the logarithm of its height or slope
# is so many standard deviations above the median of all, with at least this standard deviation and number of them.
_DEFLECTION, _OUTLIER, _LEAST_SPREAD, _LEAST_COUNT = 5.0, 4.5, 0.45, 5
# Levels are medians of 1 ms. The trace is compared with their median over this many; a level is left abruptly if their
# median over the next number changes by so many standard deviations, this fraction of it within 3 of them.
_SLOW, _LEVEL, _ABRUPT, _STEEP = 500, 15, 10.0, 0.7
# Two abrupt changes belong to one pulse if they are at most this many ms apart, their sizes are within this factor,
# the trace stays away for this fraction of the time, by at least this fraction of the change, and is where it mostly is
# over this many ms both before and after.
_LONGEST, _ALIKE, _MOSTLY, _AWAY, _USUAL = 1000.0, 2.0, 0.9, 0.4, 2000
# An artefact begins at most this many ms before its first sample. It ends when less than this fraction of its height is
# left, or less than this many standard deviations of the trace, and at most this many ms after its last jump.
_BEFORE, _SETTLED, _QUIET, _TAIL = 0.5, 0.03, 3.0, 100.0
# It has also ended where the trace is as near to the level of so many ms before it; and where less than this fraction
# of its height is left and is slow: it then takes more than this many ms to fall by a factor of e, as a response does.
_LEVEL_BEFORE, _REST, _SLOWEST = 1.0, 0.25, 2.0
# The noise is at least this fraction of the largest deflection: what has none has rounding.
_LEAST_NOISE = 1e-3
# The ratio of the standard deviation to the median absolute value of Gaussian noise.
_FROM_MEDIAN = 1.4826


def find_artefacts(times: ArrayLike | Recording, trace: ArrayLike | None = None) -> Any:  # a list, or a list of lists
    """Find artefacts: stretches of a recording with something far faster or far larger than a synaptic event.

    Look at them, and then give them as ``exclude`` to `synkin.deconvolve`, `synkin.measure` or `synkin.fit`.

    Args:
        times: (M,) ms, evenly spaced; or a `synkin.Recording`, without ``trace``.
        trace: (M,), or (R, M) for R sweeps, in any unit. NaN samples are left out.

    Returns:
        A list of stretches (a, b) in ms; for R sweeps a list of R such lists.

    Raises:
        TypeError: not real numbers, or traced by JAX.
        ValueError: shapes do not fit, there are fewer than 3 samples, or times do not increase.

    There are three kinds of artefacts. A jump is a change within a single sample by more than half of the range of the
    trace within 1 ms on both sides (with samples at most 0.1 ms apart); so a response without a rise, as that of
    `synkin.expon`, is a jump. An outlier is a deflection whose height or slope is at least 7.6 times the median of all
    deflections, and 4.5 standard deviations above it on a logarithmic scale. A pulse is a level that is left abruptly,
    and returned to abruptly, within 1 s.

    A stretch begins with the artefact. It ends where less than 3 % of the artefact is left; where the trace is back at
    the level of before; or where less than a quarter is left and changes no faster than a response does (by a factor
    of e in 2 ms or more). So the response that follows a stimulus artefact is no part of the stretch.

    Example:
        >>> times = np.arange(0.0, 100.0, 0.1)
        >>> trace = np.random.default_rng(0).normal(size=times.size)
        >>> trace[500:502] = 200.0  # a stimulus at 50 ms
        >>> [(a, b)] = synkin.find_artefacts(times, trace)  # ms
        >>> a < 50.0 < b
        True
    """
    times, trace, _ = arrays(times, trace)
    times, trace = as_sweeps(times, trace)
    check_increasing("times", times)
    interval = float(times[-1] - times[0]) / (len(times) - 1)
    found = [[(float(times[a]), float(times[b])) for a, b in artefacts(row, interval)] for row in np.atleast_2d(trace)]
    return found if trace.ndim == 2 else found[0]


def artefacts(trace: np.ndarray, interval: float, fastest: float = 0.0) -> list[tuple[int, int]]:
    """The first and last sample of each artefact.

    Args:
        trace: (M,), NaN where there is no sample.
        interval: ms between samples.
        fastest: the largest change of an event within a sample, as a fraction of its peak, if it is known.
    """
    kept = np.isfinite(trace)
    if kept.sum() < 3:
        return []
    y = filled(np.where(kept, trace, 0.0), kept, max(round(10 / interval), 3))
    height = y - _slow_level(y, interval)
    deviation = _FROM_MEDIAN * float(np.median(np.abs(height[kept] - np.median(height[kept]))))
    deviation = max(deviation, _LEAST_NOISE * float(np.abs(height[kept]).max()))
    if deviation == 0:
        return []
    steps = np.diff(y)
    of_steps = _FROM_MEDIAN * float(np.median(np.abs(steps)))
    runs = _deflections(height, deviation, interval)
    jumps = _jumps(y, steps, of_steps, interval, fastest)
    mask = np.zeros(len(y), bool)
    outliers = _outliers(height, steps, runs)
    for first, last in [*outliers, *((i, i + 1) for i in jumps)]:
        mask[first : last + 1] = True
    for first, last in [
        *_pulses(y, deviation, interval, jumps),
        *_between_transients(height, outliers, deviation, interval),
    ]:
        mask[first : last + 1] = True
    for first, last in stretches_of(mask):
        begin = _begin(y, first, deviation, interval)
        mask[begin : _end(y, begin, last, deviation, interval) + 1] = True
    return stretches_of(mask & kept)


def _slow_level(y: np.ndarray, interval: float, window: int = _SLOW) -> np.ndarray:
    """The median of the trace over a window in ms."""
    block = max(round(1 / interval), 1)
    levels = _blocks(y, block)
    if len(levels) < 3:
        return np.full(len(y), np.median(y))
    slow = ndimage.median_filter(levels, min(window, len(levels)), mode="nearest")
    return np.interp(np.arange(len(y)), (np.arange(len(levels)) + 0.5) * block, slow)


def _blocks(y: np.ndarray, block: int) -> np.ndarray:
    """The medians of blocks of samples."""
    count = len(y) // block
    return np.median(y[: count * block].reshape(count, block), axis=1)


def _deflections(height: np.ndarray, deviation: float, interval: float) -> list[tuple[int, int]]:
    """Runs of samples that are far from the level, of one sign each, those less than 1 ms apart as one.

    A run is half as far at its ends as at least once within, so that a slow decay is one run.
    """
    runs: list[tuple[int, int]] = []
    gap = max(round(1 / interval), 1)
    for sign in (1, -1):
        own: list[tuple[int, int]] = []
        for first, last in stretches_of(sign * height > _DEFLECTION / 2 * deviation):
            if own and first - own[-1][1] <= gap:
                own[-1] = (own[-1][0], last)
            else:
                own.append((first, last))
        runs += [(a, b) for a, b in own if (sign * height[a : b + 1]).max() > _DEFLECTION * deviation]
    return sorted(runs)


def _outliers(height: np.ndarray, steps: np.ndarray, runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The runs that are far higher or steeper than most."""
    if len(runs) < _LEAST_COUNT:
        return []
    far = np.zeros(len(runs), bool)
    for series in (height, steps):
        size = np.log([np.abs(series[max(a - 3, 0) : b]).max(initial=1e-300) for a, b in runs])
        middle = np.median(size)
        spread = max(_FROM_MEDIAN * float(np.median(np.abs(size - middle))), _LEAST_SPREAD)
        far |= size > middle + _OUTLIER * spread
    return [run for run, is_far in zip(runs, far, strict=True) if is_far]


def _between_transients(
    height: np.ndarray, outliers: list[tuple[int, int]], deviation: float, interval: float
) -> list[tuple[int, int]]:
    """Stretches between two outliers of opposite sign, as at the ends of a membrane test, if the level differs."""
    found = []
    width = max(round(_LEVEL / interval), 1)
    for (first, before), (after, last) in pairwise(outliers):
        a, b = (float(part[np.abs(part).argmax()]) for part in (height[first : before + 1], height[after : last + 1]))
        alike = a * b < 0 and 1 / _ALIKE < abs(a / b) < _ALIKE and (after - before) * interval < _LONGEST
        if alike and first > 0 and after - before > 1:
            change = np.median(height[before + 1 : after]) - np.median(height[max(first - width, 0) : first])
            if abs(change) > _QUIET * deviation:
                found.append((first, last))
    return found


def _jumps(y: np.ndarray, steps: np.ndarray, deviation: float, interval: float, fastest: float) -> np.ndarray:
    """The samples after which the trace jumps."""
    part = max(_AT_ONCE, 2 * fastest)
    if interval > _FINE or part >= 1:
        return np.empty(0, int)
    found = []
    reach = max(round(_REACH / interval), 3)
    for i in np.flatnonzero(np.abs(steps) > max(_JUMP * deviation, _LEAST_JUMP * float(np.ptp(y)))):
        if abs(steps[i]) - 0.5 * _JUMP * deviation > part * float(np.ptp(y[max(i + 1 - reach, 0) : i + 1 + reach])):
            found.append(i)
    return np.array(found, int)


def _pulses(y: np.ndarray, deviation: float, interval: float, jumps: np.ndarray) -> list[tuple[int, int]]:
    """Stretches between two abrupt changes of level, away and back again."""
    block = max(round(1 / interval), 1)
    levels = _blocks(y, block)
    edges = [(int(i), float(y[min(i + 2, len(y) - 1)] - y[max(i - 1, 0)]), 0) for i in jumps]
    if len(levels) > 4 * _LEVEL:
        windows = np.median(np.lib.stride_tricks.sliding_window_view(levels, _LEVEL), axis=1)
        narrow = np.median(np.lib.stride_tricks.sliding_window_view(levels, 3), axis=1)
        # Change k is from the level before block k + _LEVEL to that after it.
        change = windows[_LEVEL:] - windows[:-_LEVEL]
        at_once = narrow[_LEVEL : _LEVEL + len(change)] - narrow[_LEVEL - 3 : _LEVEL - 3 + len(change)]
        spread = _FROM_MEDIAN * float(np.median(np.abs(change)))
        abrupt = np.abs(change) > max(_ABRUPT * spread, _QUIET * deviation)
        abrupt &= at_once * change > _STEEP * change**2
        for a, b in stretches_of(abrupt):
            k = a + int(np.abs(change[a : b + 1]).argmax())
            edges.append(((k + _LEVEL) * block, float(change[k]), _LEVEL * block))
    edges.sort()
    height = y - _slow_level(y, interval, _USUAL)
    found = []
    for n, (i, size, shortest) in enumerate(edges):
        for j, back, at_least in edges[n + 1 :]:
            if (j - i) * interval > _LONGEST:
                break
            alike = size * back < 0 and 1 / _ALIKE < abs(size / back) < _ALIKE
            if alike and j - i >= max(shortest, at_least) and _stays_away(height, i, j, size, _LEVEL * block):
                # A jump is known to a sample, a change of level to 1 ms.
                early, late = (round(_BEFORE / interval) if shortest else 0), (block if at_least else 1)
                found.append((max(i - early, 0), j + late))
                break
    return found


def _stays_away(height: np.ndarray, i: int, j: int, size: float, width: int) -> bool:
    """Whether the trace is away from its usual level between samples ``i`` and ``j``, by most of ``size``, and not
    within ``width`` samples before and after.
    """
    before, after = height[max(i - width, 0) : i], height[j + width // 5 : j + width]
    if not (len(before) and len(after)):
        return False
    away = (height[i + 1 : j + 1] - np.median(before)) * np.sign(size) > _AWAY * abs(size)
    near = max(abs(np.median(before)), abs(np.median(after))) < _AWAY * abs(size)
    return bool(near and away.mean() > _MOSTLY)


def _begin(y: np.ndarray, first: int, deviation: float, interval: float) -> int:
    """The last sample before an artefact with its first jump after sample ``first``, or its first far one there."""
    earliest = max(first - round(_BEFORE / interval), 0)
    near = np.abs(y[earliest : first + 1] - _level_before(y, earliest, interval)) <= _QUIET * deviation
    return earliest + int(np.flatnonzero(near)[-1]) if near.any() else earliest


def _level_before(y: np.ndarray, first: int, interval: float) -> float:
    """The median of the last samples before ``first``."""
    return float(np.median(y[max(first - max(round(_LEVEL_BEFORE / interval), 3), 0) : first + 1]))


def _end(y: np.ndarray, begin: int, last: int, deviation: float, interval: float) -> int:
    """The sample after which an artefact is over that began at sample ``begin``, and has its last jump, or is still far
    away, at sample ``last``.
    """
    tail = y[last : last + round(_TAIL / interval) + 1]
    if len(tail) < 4:
        return len(y) - 1
    level = np.median(tail[len(tail) // 2 :])
    smooth = ndimage.median_filter(tail, min(5, len(tail)), mode="nearest")
    left = np.abs(smooth - level)
    over = left <= max(_SETTLED * float(left.max()), _QUIET * deviation)
    # What follows is a response, if it begins at the level of before, or is smaller and slow.
    before = _level_before(y, begin, interval)
    away = np.abs(smooth - before)
    over |= away <= _QUIET * deviation
    later = np.append(away, np.full(step := max(round(1 / interval), 1), away[-1]))[step:]
    slow = later > np.exp(-step * interval / _SLOWEST) * away
    over |= slow & (away < _REST * float(np.abs(y[begin : last + 1] - before).max()))
    return min(last + int(np.argmax(over)) + 1, len(y) - 1)
