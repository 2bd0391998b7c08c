"""What the curve is worth, said in a sentence.

How much a curve leaves unexplained says nothing by itself: the best of kernels leaves the noise. What is left is
compared with the noise alone, which is seen without any kernel where it is faster than the response.
"""

import numpy as np

from synkin.fitting.formatting import percent
from synkin.fitting.optimizer import Found, robust_noise
from synkin.fitting.problem import Problem
from synkin.fitting.uncertainty import Known

# Noise is looked at over distances up to this part of the recording for each spike: slow enough for what a recording's
# filter leaves of it, and fast enough for the response to be nearly straight.
_FAST = 1 / 32
# What is left is the noise's if its variance is not above so many times the noise's, as estimated; and is something
# else if it is above so many times. Noise as slow as the response lies between.
_ALMOST, _CLEARLY = 1.6, 4.0
# What a kernel does not describe matters from this part of the variance on.
_MATTERS = 0.1
# A curve is more than what noise alone would let it explain if it explains so many times as much.
_MORE = 4.0
# What residuals under "soft_l1" are outliers, in widths of the loss.
_OUTLIER = 2.0
# A curve that leaves no more than this part of the variance leaves nothing that a percentage shows.
_NOTHING = 1e-8


def verdict(problem: Problem, found: Found, known: Known) -> tuple[str, bool]:
    """A sentence on how much of the recording's variance the curve explains, and whose the rest is.

    Returns:
        The sentence, and whether the rest is more than fast noise.
    """
    residuals = np.where(problem.present, problem.trace - found.curve.value, np.nan)
    residuals[np.abs(residuals * problem.importance) > _OUTLIER * found.width] = np.nan
    trace = np.where(np.isnan(residuals), np.nan, problem.trace)
    variance = np.nanmean((trace - np.nanmean(trace, axis=1, keepdims=True)) ** 2)
    left = np.nanmean(residuals**2) / variance
    if left <= _NOTHING:
        return "The curve explains all of the recording's variance.", False
    noise = min(_fast_noise(problem, residuals) ** 2 / variance, left)
    explained, unexplained = 1 - left, left - noise
    share = f"{percent(explained)} of the recording's variance" if explained > 0 else "none of the recording's variance"
    if left > _CLEARLY * noise and unexplained > _MATTERS:
        return (
            f"The curve explains {'only ' if explained > 0 else ''}{share}, and noise accounts for {percent(noise)}: "
            f"{problem.kernel.name}, with these spikes and with what is held, does not describe it."
        ), True
    if left > _ALMOST * noise:
        return (
            f"The curve explains {share} and fast noise {percent(noise)}: the remaining {percent(unexplained)} is "
            f"slower, be it noise or a shape that {problem.kernel.name} does not have."
        ), True
    if explained > noise:
        return f"The curve explains {share}, and noise the rest.", False
    independent = np.isfinite(residuals).sum() / known.alike
    if explained < _MORE * len(found.point) / independent:
        return f"The curve explains {share}, no more than it may of noise alone: no response is seen.", False
    return f"The noise is larger than the response: the curve explains only {share}, and noise the rest.", False


def _fast_noise(problem: Problem, residuals: np.ndarray) -> float:
    """The noise's standard deviation, from how far samples lie off the line between two others.

    Filtered noise is alike in neighbours, so that these lie at several distances, and the largest result counts.

    Args:
        problem: the problem.
        residuals: (R, M), NaN where they do not count.
    """
    spikes = np.isfinite(np.atleast_2d(problem.spike_times)).sum(axis=1).max()
    samples = residuals.shape[1]
    longest = max(1, int(_FAST * samples / spikes))
    distances = {min(2**k, longest) for k in range(longest.bit_length() + 1)}
    return max((_off_the_line(problem.times, residuals, d) for d in distances if 2 * d < samples), default=0.0)


def _off_the_line(times: np.ndarray, residuals: np.ndarray, d: int) -> float:
    """The standard deviation of white noise that is as far off the line between the samples ``d`` away on each side."""
    before, at, after = (slice(None, -2 * d), slice(d, -d), slice(2 * d, None))
    weight = (times[..., at] - times[..., before]) / (times[..., after] - times[..., before])
    line = weight * residuals[:, after] + (1 - weight) * residuals[:, before]
    off = (residuals[:, at] - line) / np.sqrt(1 + weight**2 + (1 - weight) ** 2)
    each = [robust_noise(row[np.isfinite(row)]) for row in off if np.isfinite(row).any()]
    return float(np.sqrt(np.mean(np.square(each)))) if each else 0.0
