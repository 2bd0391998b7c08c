"""How well the curve describes the recording.

Even the right kernel leaves the noise unexplained. What a curve leaves is therefore compared with the noise. Noise that
is faster than the response can be estimated without a kernel.
"""

import enum
from typing import NamedTuple

import numpy as np

from synkin.fitting.formatting import percent
from synkin.fitting.problem import Problem
from synkin.fitting.search.objective import robust_deviation

# Noise is estimated from samples that are at most this fraction of the recording per spike apart: far enough for
# filtered noise, and near enough for the response to be almost straight between them.
_FAST = 1 / 32
# What is left counts as noise if its variance is at most the first factor times that of fast noise, and as something
# else above the second factor. Between the two it may be noise as slow as the response.
_ALMOST, _CLEARLY = 1.6, 4.0
# What the kernel does not describe matters if it is more than this fraction of the variance.
_MATTERS = 0.1
# There is a response if the curve explains this many times as much as it could explain of noise alone.
_MORE = 4.0
# Under "soft_l1" residuals are outliers if they are larger than this many widths of the loss.
_OUTLIER = 2.0
# A curve explains everything if it leaves less than this fraction of the variance.
_NOTHING = 1e-8


class Quality(enum.Enum):
    """What a curve leaves of the recording."""

    NOTHING_LEFT = enum.auto()
    NOISE_LEFT = enum.auto()
    MAYBE_SHAPE_LEFT = enum.auto()  # slow noise, or a response that the kernel cannot produce
    SHAPE_LEFT = enum.auto()  # the kernel does not describe the recording
    MOSTLY_NOISE = enum.auto()  # the noise is larger than the response
    NO_RESPONSE = enum.auto()

    @property
    def is_poor(self) -> bool:
        """Whether more than fast noise is left."""
        return self in (Quality.MAYBE_SHAPE_LEFT, Quality.SHAPE_LEFT)


class Assessment(NamedTuple):
    """How well a curve describes the recording."""

    quality: Quality
    sentence: str  # how much of the recording's variance it explains, and what the rest is


def assess(problem: Problem, predicted: np.ndarray, width: float, free: int, inefficiency: float) -> Assessment:
    """How well a curve describes the recording.

    Args:
        problem: what was fitted.
        predicted: (R, M) the curve.
        width: the residual from which on the loss is linear, in the trace's unit; inf for least squares.
        free: how many numbers were fitted.
        inefficiency: how many neighbouring samples count as one.
    """
    residuals = np.where(problem.present, problem.trace - predicted, np.nan)
    residuals[np.abs(residuals * problem.importance) > _OUTLIER * width] = np.nan
    trace = np.where(np.isnan(residuals), np.nan, problem.trace)
    variance = np.nanmean((trace - np.nanmean(trace, axis=1, keepdims=True)) ** 2)
    left = np.nanmean(residuals**2) / variance
    if left <= _NOTHING:
        return Assessment(Quality.NOTHING_LEFT, "The curve explains all of the recording's variance.")
    noise = min(_fast_noise(problem, residuals) ** 2 / variance, left)
    explained, unexplained = 1 - left, left - noise
    share = f"{percent(explained)} of the recording's variance" if explained > 0 else "none of the recording's variance"
    if left > _CLEARLY * noise and unexplained > _MATTERS:
        return Assessment(
            Quality.SHAPE_LEFT,
            f"The curve explains {'only ' if explained > 0 else ''}{share}, and noise accounts for {percent(noise)}: "
            f"{problem.name} does not describe the recording with these spikes and these held values.",
        )
    if left > _ALMOST * noise:
        return Assessment(
            Quality.MAYBE_SHAPE_LEFT,
            f"The curve explains {share}, and fast noise {percent(noise)}: the remaining {percent(unexplained)} varies "
            f"more slowly, and is either slow noise or a shape that {problem.name} cannot produce.",
        )
    if explained > noise:
        return Assessment(Quality.NOISE_LEFT, f"The curve explains {share}, and noise the rest.")
    independent = np.isfinite(residuals).sum() / inefficiency
    if explained < _MORE * free / independent:
        return Assessment(
            Quality.NO_RESPONSE,
            f"The curve explains {share}, no more than it could explain of noise alone: there is no visible response.",
        )
    return Assessment(
        Quality.MOSTLY_NOISE,
        f"The noise is larger than the response: the curve explains only {share}, and noise the rest.",
    )


def _fast_noise(problem: Problem, residuals: np.ndarray) -> float:
    """The noise's standard deviation, from the distance of samples from the straight line between two others.

    Neighbouring samples of filtered noise are correlated, so the other two are taken at several distances, and the
    largest result counts.

    Args:
        problem: the problem.
        residuals: (R, M), NaN where they do not count.
    """
    spikes = max(np.isfinite(np.atleast_2d(problem.spike_times)).sum(axis=1).max(), 1)  # a function has none
    if not problem.jumps:  # a parameter that changes bends the response too
        spikes += sum(len(edges) - 2 for edges, _ in problem.varying.values())
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
    each = [robust_deviation(row[np.isfinite(row)]) for row in off if np.isfinite(row).any()]
    return float(np.sqrt(np.mean(np.square(each)))) if each else 0.0
