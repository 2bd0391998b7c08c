"""How well the curve describes the recording.

Even the right kernel leaves the noise unexplained. What a curve leaves is therefore compared with the noise. Noise that
is faster than the response can be estimated without a kernel. Samples count as in the fit, by their errors.
"""

import enum
from typing import NamedTuple

import numpy as np

from synkin.fitting.formatting import percent
from synkin.fitting.model import Curve
from synkin.fitting.problem import Problem
from synkin.fitting.quality.converter import Ceiling, ceiling_of, step_of
from synkin.fitting.quality.structure import structure_of
from synkin.fitting.search.objective import robust_deviation
from synkin.fitting.uncertainty.noise_model import Noise, is_flat, noise_of, off_the_line, response_height

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
    LITTLE_SHAPE_LEFT = enum.auto()  # the same, but what is left is little more than noise
    CLIPPED = enum.auto()
    MOSTLY_NOISE = enum.auto()  # the noise is larger than the response
    NO_RESPONSE = enum.auto()

    @property
    def misses_shape(self) -> bool:
        """Whether it is no noise that is left."""
        return self in (Quality.SHAPE_LEFT, Quality.LITTLE_SHAPE_LEFT)

    @property
    def is_poor(self) -> bool:
        """Whether more than fast noise is left."""
        return self.misses_shape or self is Quality.MAYBE_SHAPE_LEFT


class Assessment(NamedTuple):
    """How well a curve describes the recording."""

    quality: Quality
    sentence: str  # how much of the recording's variance it explains, and what the rest is
    alike_by_misfit: bool = False  # whether neighbouring residuals are alike because of what the curve misses


def assess(problem: Problem, curve: Curve, width: float) -> Assessment:
    """How well a curve describes the recording.

    Args:
        problem: what was fitted.
        curve: at the best point.
        width: the residual from which on the loss is linear, in the trace's unit; inf for least squares.
    """
    residuals = np.where(problem.present, problem.trace - curve.value, np.nan) * problem.importance
    residuals[np.abs(residuals) > _OUTLIER * width] = np.nan
    explained = explained_fraction(problem, curve.value, np.isfinite(residuals))
    left = 1 - explained
    if left <= _NOTHING:
        return Assessment(Quality.NOTHING_LEFT, "The curve explains all of the recording's variance.")
    share = f"{percent(explained)} of the recording's variance" if explained > 0 else "none of the recording's variance"
    height, counted = response_height(curve), np.nan_to_num(residuals)
    if ceiling := _ceiling(problem, curve, height):
        at = f"{ceiling.value:.5g} {problem.unit}".rstrip()
        return Assessment(
            Quality.CLIPPED,
            f"The recording is clipped: {ceiling.samples:,} samples lie exactly at its {ceiling.which} value, {at}. "
            f"Give these as NaN. The curve explains {share}, but follows the clipped shape.",
        )
    model = noise_of(problem, curve, counted)
    size = np.nanmean(residuals**2)
    fast = _fast_noise(problem, residuals, height, model)
    step = float(np.mean([step_of(row[here]) for row, here in zip(problem.trace, problem.present, strict=True)]))
    step *= float(np.sqrt(np.mean(problem.importance[problem.present] ** 2)))
    structure = structure_of(problem, curve, counted, model, step if step > 2 * fast else 0.0)
    least = max(fast**2, step**2 / 12)
    if not structure.follows and np.isfinite(structure.noise) and size <= _ALMOST * structure.noise**2:
        least = max(least, structure.noise**2)  # slower noise, that is there without a response too
    noise = min(least / size, 1.0) * left
    unexplained = left - noise
    misfit = structure.follows and not structure.inefficiency * 2 > model.inefficiency
    if left > _CLEARLY * noise and unexplained > _MATTERS:
        return Assessment(
            Quality.SHAPE_LEFT,
            f"The curve explains {'only ' if explained > 0 else ''}{share}, and noise accounts for {percent(noise)}: "
            f"{problem.name} does not describe the recording with these spikes and these held values.",
            misfit,
        )
    if structure.follows:
        return Assessment(
            Quality.LITTLE_SHAPE_LEFT,
            f"The curve explains {share}, but {problem.name} does not quite have the recording's shape: along "
            f"the response the means of the residuals are up to {structure.largest:.2g} standard errors from 0.",
            misfit,
        )
    if left > _ALMOST * noise:
        return Assessment(
            Quality.MAYBE_SHAPE_LEFT,
            f"The curve explains {share}, and fast noise {percent(noise)}: the remaining {percent(unexplained)} varies "
            f"more slowly, and is either slow noise or a shape that {problem.name} cannot produce.",
        )
    if explained > noise:
        return Assessment(Quality.NOISE_LEFT, f"The curve explains {share}, and noise the rest.")
    independent = np.isfinite(residuals).sum() / model.inefficiency
    if explained < _MORE * len(problem.lower) / independent:
        return Assessment(
            Quality.NO_RESPONSE,
            f"No response is visible: the curve explains {share}, and might explain as much of noise alone.",
        )
    return Assessment(
        Quality.MOSTLY_NOISE,
        f"The noise is larger than the response: the curve explains only {share}, and noise the rest.",
    )


def explained_fraction(problem: Problem, value: np.ndarray, counted: np.ndarray | None = None) -> float:
    """The fraction of the variance around each recording's mean that a curve (R, M) explains.

    Samples count by the inverse square of their errors. ``counted``, (R, M) bool, leaves some out.
    """
    weight = problem.importance**2 * (problem.present if counted is None else counted)
    mean = (weight * problem.trace).sum(axis=1, keepdims=True) / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
    around, left = ((weight * (problem.trace - other) ** 2).sum() for other in (mean, value))
    return float(1 - left / around)


def _ceiling(problem: Problem, curve: Curve, height: np.ndarray) -> Ceiling | None:
    """That of the first recording that is clipped."""
    for trace, value, own, here in zip(problem.trace, curve.value, height, problem.present, strict=True):
        if found := ceiling_of(trace[here], (trace - value)[here], own[here]):
            return found
    return None


def _fast_noise(problem: Problem, residuals: np.ndarray, height: np.ndarray, noise: Noise) -> float:
    """The noise's standard deviation, from the distance of samples from the straight line between two others.

    Neighbouring samples of filtered noise are correlated, so the other two are taken at several distances, and the
    largest result counts. Where there is no response they may be farther apart.

    Args:
        problem: the problem.
        residuals: (R, M) over each sample's error, NaN where they do not count.
        height: (R, M) of the curve.
        noise: where it is larger.
    """
    spikes = max(np.isfinite(np.atleast_2d(problem.spike_times)).sum(axis=1).max(), 1)  # a function has none
    if not problem.jumps:  # a parameter that changes bends the response too
        spikes += sum(len(edges) - 2 for edges, _ in problem.varying.values())
    even = residuals / noise.level
    return max(
        _largest(problem.times, even, residuals.shape[1] / spikes),
        _largest(problem.times, np.where(is_flat(height), even, np.nan), residuals.shape[1]) if spikes > 1 else 0.0,
    )


def _largest(times: np.ndarray, residuals: np.ndarray, length: float) -> float:
    """The largest deviation from the line over distances up to a fraction of ``length`` samples."""
    longest = max(1, int(_FAST * length))
    distances = {min(2**k, longest) for k in range(longest.bit_length() + 1)}
    found = 0.0
    for d in distances:
        if 2 * d < residuals.shape[1]:
            off = off_the_line(times, residuals, d)
            each = [robust_deviation(row[np.isfinite(row)]) for row in off if np.isfinite(row).sum() > 2 * d]
            found = max(found, float(np.sqrt(np.mean(np.square(each)))) if each else 0.0)
    return found
