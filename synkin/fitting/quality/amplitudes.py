"""Whether a poor curve would be better with an amplitude for each spike."""

from dataclasses import replace

import numpy as np

from synkin.fitting.curves import KernelCurve
from synkin.fitting.model import Curve, response
from synkin.fitting.problem import Problem
from synkin.fitting.quality.goodness_of_fit import explained_fraction
from synkin.fitting.uncertainty.autocorrelation import autocorrelation, inefficiency

# More spikes than these are a train, in which an amplitude for each is no answer.
_MOST = 16
# Amplitudes help if less than this fraction of the sum of squares is left, and if noise would take away as much in
# fewer than the second fraction of recordings.
_HELPS, _RARE = 0.7, 1e-3


def advise_weights(problem: Problem, point: np.ndarray, curve: Curve) -> str:
    """A sentence on how much better the curve is with an amplitude for each spike; "" if it is not clearly better.

    The response to each spike is what the curve gains by it. All keep their shape, and their amplitudes and the free
    offsets are the best by linear least squares.

    Args:
        problem: what was fitted.
        point: the result of the search.
        curve: the curve there, which does not follow the recording.
    """
    from scipy.stats import f as distribution  # here, because it takes long to import

    fitted = problem.curve
    if not isinstance(fitted, KernelCurve) or fitted.jumps or fitted.releases or fitted.free_weights:
        return ""
    spikes = int(np.isfinite(np.atleast_2d(problem.spike_times)).sum(axis=1).max())
    if not 2 <= spikes <= _MOST or not np.isfinite(curve.value).all():
        return ""
    columns = _columns(problem, point, spikes)
    weight = problem.importance * problem.present
    target = ((problem.trace - curve.value) * weight).ravel()
    design = (columns * weight[:, :, None]).reshape(len(target), -1)
    sizes = np.maximum(np.linalg.norm(design, axis=0), 1e-300)
    change = np.linalg.lstsq(design / sizes, target, rcond=1e-9)[0] / sizes
    left = target - design @ change
    before, after, added = float(target @ target), float(left @ left), spikes - 1
    if not after < _HELPS * before:
        return ""
    free = len(point) + added
    rho = autocorrelation(left.reshape(weight.shape), problem.present, free)
    freedom = problem.present.sum() / inefficiency(rho, problem.present, free) - free
    statistic = (before - after) / added * freedom / max(after, 1e-300)
    if freedom < 1 or not distribution.sf(statistic, added, freedom) < _RARE:
        return ""
    one, each = (explained_fraction(problem, value) for value in (curve.value, curve.value + columns @ change))
    given = problem.weights[np.isfinite(problem.spike_times)]
    held = "All spikes have one amplitude here" if np.ptp(given) == 0 else "The weights of the spikes are held here"
    return f'{held}: with `weights="free"`, an amplitude for each, R^2 is about {each:.3f} instead of {one:.3f}.'


def _columns(problem: Problem, point: np.ndarray, spikes: int) -> np.ndarray:
    """(R, M, K) the response to each spike in the unit of the trace, then a baseline for each offset that is free."""
    own, parameters = problem.split(point), problem.parameters_of(point)
    every = np.arange(problem.spike_times.shape[-1])
    gained, before = [], np.zeros(problem.trace.shape)
    for k in range(spikes):
        until = replace(problem, spike_times=np.where(every <= k, problem.spike_times, np.inf))
        g = response(until, parameters, own["onset"])[0] * own["scale"][:, None]
        gained.append(g - before)
        before = g
    if "offset" in problem.own:
        recordings = np.arange(len(problem.trace))
        which = 0 * recordings if "offset" in problem.shared else recordings
        gained += [np.where(which[:, None] == r, 1.0, 0.0) + 0 * before for r in np.unique(which)]
    return np.stack(gained, axis=2)
