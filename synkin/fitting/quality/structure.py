"""Whether the residuals follow the response: their means over windows along it, beside what noise would leave.

A kernel that nearly has the shape of a recording leaves little, and that looks like noise whose neighbours are alike.
But noise does not know where the response is. Its correlation is estimated where there is no response, if that stretch
is long enough, or else from all residuals. Of many recordings, the scatter from one to the next says what means to
expect.
"""

from typing import NamedTuple

import numpy as np

from synkin.fitting.model import Curve
from synkin.fitting.problem import Problem
from synkin.fitting.search.objective import robust_deviation
from synkin.fitting.uncertainty.autocorrelation import autocorrelation, inefficiency
from synkin.fitting.uncertainty.noise_model import Noise, is_flat, response_height
from synkin.fitting.uncertainty.sandwich import score_covariance
from synkin.fitting.uncertainty.standard_errors import ENOUGH_RECORDINGS

# The number of windows, the last of which is the time after the response.
_WINDOWS = 9
# The noise is estimated before the response, or else from all stretches without one, if these hold so many independent
# samples: a short stretch makes correlated noise look whiter than it is.
_ENOUGH_BEFORE, _ENOUGH = 40.0, 20.0
# Residuals without a response are no larger than this many standard deviations of most of them.
_OUTLIER = 3.5
# Windows whose means the fit could make up for are left out: those of which it leaves less than this fraction.
_LEFT = 0.05
# Means follow the response if noise makes them so large in fewer than this fraction of recordings.
_RARE = 3e-4


class Structure(NamedTuple):
    """How the residuals follow the response."""

    follows: bool  # whether they do
    largest: float  # the largest mean of a window in units of its standard error
    noise: float  # the noise's standard deviation where there is no response; NaN if that is not known
    inefficiency: float  # how many neighbouring samples count as one there; NaN if that is not known


def structure_of(problem: Problem, curve: Curve, residuals: np.ndarray, noise: Noise, step: float) -> Structure:
    """How ``residuals`` follow the response.

    Args:
        problem: what was fitted.
        curve: at the best point.
        residuals: (R, M) over each sample's error, 0 where they do not count.
        noise: what all residuals say of it.
        step: of the recording's converter over the error of a sample, 0 if it is smaller than the noise.
    """
    from scipy.stats import f as distribution  # here, because it takes long to import

    height, present = response_height(curve), problem.present & (residuals != 0)
    model, deviation, freedom = _flat_noise(height, residuals, present, noise)
    known = (deviation, model.inefficiency) if model is not noise else (np.nan, np.nan)
    if model is noise:
        freedom = present.sum() / noise.inefficiency - len(problem.lower)
        deviation = np.sqrt((residuals**2).sum() / max(present.sum() - len(problem.lower) * noise.inefficiency, 1.0))
    recordings = len(residuals)
    are_many = recordings >= ENOUGH_RECORDINGS
    windows = _windows(problem, curve, height, present, recordings // 4 if are_many else _WINDOWS)
    nothing = Structure(False, 0.0, *known)
    if not windows.shape[2] or freedom < 1 or not deviation > 0:
        return nothing
    derivatives = curve.derivative * (problem.importance * present)[:, :, None]
    left = _without_fit(problem, derivatives, windows * present[:, :, None])
    sums = np.einsum("rmk,rm->rk", left, residuals)
    if are_many:
        covariance = recordings * np.atleast_2d(np.cov(sums.T))
        freedom = recordings - windows.shape[2]
    else:
        covariance = deviation**2 * _covariance(left, model)
        covariance += np.diag((np.abs(windows).sum(axis=(0, 1)) * step) ** 2 / 12)
    size = np.sqrt((left**2).sum(axis=(0, 1)))
    whole = np.sqrt((windows**2).sum(axis=(0, 1)))
    keep = (size > np.sqrt(_LEFT) * whole) & (np.diag(covariance) > 0)
    if not keep.any() or freedom < 1:
        return nothing
    total, covariance = sums.sum(axis=0)[keep], covariance[np.ix_(keep, keep)]
    errors = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(errors, errors))
    use = values > _LEFT
    distance = float((((vectors.T @ (total / errors)) ** 2)[use] / values[use]).sum()) / use.sum()
    if are_many:  # Hotelling's T squared
        distance *= freedom / (recordings - 1)
    return Structure(
        bool(distribution.sf(distance, use.sum(), freedom) < _RARE), float(np.abs(total / errors).max()), *known
    )


def _flat_noise(
    height: np.ndarray, residuals: np.ndarray, present: np.ndarray, noise: Noise
) -> tuple[Noise, float, float]:
    """The noise, its standard deviation and its independent samples, where there is no response.

    It is ``noise`` itself if these stretches are too short.
    """
    flat = is_flat(height) & present
    before = flat & ~np.maximum.accumulate(~is_flat(height), axis=1)
    for rows, enough in ((before, _ENOUGH_BEFORE), (flat, _ENOUGH)):
        count = rows.sum(axis=1, keepdims=True)
        own = _centred(residuals / noise.level, rows)
        recordings = int((count > 0).sum())
        if rows.sum() < enough:
            continue
        # A response that begins before the curve is no noise.
        largest = _OUTLIER * robust_deviation(own[rows])
        own = _centred(np.clip(own, -largest, largest), rows) if largest > 0 else own
        rho = autocorrelation(own, rows, recordings)
        alike = inefficiency(rho, rows, recordings)
        independent = rows.sum() / alike - recordings
        if independent >= enough:
            deviation = np.sqrt((own**2).sum() / (rows.sum() - recordings * alike))
            return Noise(rho, alike, noise.level, noise.growth), float(deviation), float(independent)
    return noise, np.nan, 0.0


def _centred(residuals: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(R, M) less the mean of each recording over ``rows``, and 0 elsewhere."""
    own = np.where(rows, residuals, 0.0)
    return own - np.where(rows, own.sum(axis=1, keepdims=True) / np.maximum(rows.sum(axis=1, keepdims=True), 1), 0.0)


def _windows(problem: Problem, curve: Curve, height: np.ndarray, present: np.ndarray, number: int) -> np.ndarray:
    """(R, M, K) the share of each sample in each window, with the sign and size of its recording's response.

    Windows divide the time since the last spike, or since a protocol began, so that each has an equal part of the
    response and of its changes; the last one follows the response.
    """
    rows = len(height)
    phase = np.stack([_time_since_spike(problem, r) for r in range(rows)])
    change = np.abs(np.diff(height, axis=1, prepend=height[:, :1]))
    use = present & np.isfinite(phase)
    activity = np.where(use, height / max(height.sum(), 1e-300) + change / max(change.sum(), 1e-300), 0.0)
    if not use.any() or not activity.any():
        return np.zeros((*height.shape, 0))
    order = np.argsort(phase[use], kind="stable")
    summed = np.cumsum(activity[use][order]) / activity.sum()
    ends = phase[use][order][np.searchsorted(summed, np.linspace(0, 0.98, max(number, 1))[1:])]
    start = phase[use][order][np.searchsorted(summed, 1e-6)]
    last = ends[-1] if ends.size else start
    edges = np.unique([start, *ends, 2 * last - start])
    size = np.ptp(curve.value, axis=1) * np.sign(
        (curve.value * curve.g).sum(axis=1) - curve.value[:, 0] * curve.g.sum(axis=1)
    )
    size = size / max(np.abs(size).max(), 1e-300)
    where = np.digitize(phase, edges) - 1
    windows = (where[:, :, None] == np.arange(len(edges) - 1)) & use[:, :, None]
    return windows[:, :, windows.sum(axis=(0, 1)) >= 3] * size[:, None, None]


def _time_since_spike(problem: Problem, r: int) -> np.ndarray:
    """(M,) ms, -inf before the first spike; of a protocol, and of a function, since it began."""
    spikes = problem.spike_times if problem.spike_times.ndim == 1 else problem.spike_times[r]
    spikes = spikes[:1] if problem.jumps else spikes[np.isfinite(spikes)]
    times = problem.times_of(r)
    if not len(spikes):
        return times - times[0]
    if len(spikes) == 1:
        return times - spikes[0]
    last = np.searchsorted(spikes, times, side="right") - 1
    return np.where(last >= 0, times - spikes[np.maximum(last, 0)], -np.inf)


def _without_fit(problem: Problem, derivatives: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """The part of each window that the fitted numbers cannot make up for, (R, M, K)."""
    is_own = np.array([True] * derivatives.shape[2])
    is_own[: len(problem.free)] = False
    for i, name in enumerate(problem.own):
        is_own[len(problem.free) + i] = name not in problem.shared
    own, shared = derivatives[:, :, is_own], derivatives[:, :, ~is_own]
    own = own / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-300)
    shared = shared / np.maximum(np.linalg.norm(shared, axis=(0, 1)), 1e-300)
    across = own.transpose(0, 2, 1)
    inverse = np.linalg.pinv(across @ own, 1e-12)
    shared, windows = (a - own @ (inverse @ (across @ a)) for a in (shared, windows))
    flat = shared.reshape(shared.shape[0] * shared.shape[1], -1)
    part = np.linalg.pinv(flat.T @ flat, 1e-12) @ (flat.T @ windows.reshape(-1, windows.shape[2]))
    return windows - shared @ part


def _covariance(windows: np.ndarray, noise: Noise) -> np.ndarray:
    """That of the windows' sums (K, K) in noise of an average standard deviation of 1."""
    every = np.arange(windows.shape[2])
    return score_covariance(windows, np.tile(every, (len(windows), 1)), every.size, noise)
