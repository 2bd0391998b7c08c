"""Noise, standard errors and correlations of a fit, from the curve's derivatives at the best point.

Everything is computed in relative coordinates, in which 1 is 100 %: the logarithms of parameters and scale, the offset
over the curve's height, and the onset over the time in which the curve changes most. The singular vectors of the
Jacobian in these coordinates are combinations of the fitted quantities whose errors are independent of each other; the
noise over a singular value is the standard error of its combination.
"""

from typing import NamedTuple

import numpy as np

from synkin.fitting.model import qr_factors, stacked
from synkin.fitting.problem import Problem
from synkin.fitting.search.objective import robust_deviation
from synkin.fitting.search.optimizer import SearchResult
from synkin.fitting.uncertainty.autocorrelation import autocorrelation, inefficiency
from synkin.fitting.uncertainty.trade_offs import UNKNOWN_SHARE, Combinations, trade_offs

# A combination does not change the curve if its singular value is less than this fraction of the largest one.
_NO_EFFECT = 1e-7
# Residuals below this fraction of the trace are rounding errors and not noise.
_ROUNDING = 1e-6


class Uncertainty(NamedTuple):
    """What is known about the N numbers that were fitted."""

    noise: float  # standard deviation of the residuals, in the trace's unit
    inefficiency: float  # how many neighbouring samples count as one
    stderr: np.ndarray  # (N,) each in its unit
    correlations: np.ndarray  # (N, N)
    identifiable: bool
    trade_offs: list[str]  # sentences on quantities that cannot be told apart, and on what can be known instead


def estimate_uncertainty(problem: Problem, found: SearchResult) -> Uncertainty:
    """Noise, standard errors, correlations and trade-offs at the best point."""
    present = problem.present
    residuals = np.where(present, problem.trace - found.curve.value, 0.0) * problem.importance
    number, free = int(present.sum()), len(found.point)
    bend = np.sqrt(1 + (residuals / found.width) ** 2)
    pull = residuals / bend  # half the derivative of the loss; under "linear" the residuals themselves
    stiffness = (bend[present] ** -3).mean()
    correlated = inefficiency(autocorrelation(pull, present, free), present, free)
    # The residuals of a trace without noise are rounding errors, whose correlation means nothing.
    if _deviation(pull, number, free, correlated) / stiffness <= _ROUNDING * np.abs(problem.trace).max():
        correlated = 1.0
    sigma = _deviation(pull, number, free, correlated) / stiffness
    noise = sigma
    if np.isfinite(found.width):
        noise = robust_deviation(residuals[present]) * np.sqrt(number / (number - free * correlated))

    coordinate_units, natural_units = _relative_units(problem, found)
    weighted = found.curve.derivative * problem.importance[:, :, None]
    jacobian = stacked(qr_factors(problem, weighted), problem.columns, free)
    if problem.priors:
        jacobian = np.concatenate([jacobian, problem.prior_rows(found.point)[1]])
    _, sizes, directions = np.linalg.svd(jacobian * coordinate_units, full_matrices=False)
    without_effect = sizes <= _NO_EFFECT * sizes[0]
    # Singular values have a lower limit here, because an infinite error would spoil the products below.
    errors = sigma * np.sqrt(correlated) / np.maximum(sizes, max(_NO_EFFECT * sizes[0], np.finfo(float).tiny))
    combinations = Combinations(directions, errors, without_effect)
    covariance = (directions.T * errors**2) @ directions
    deviations = np.sqrt(np.diag(covariance))
    signed = np.where(deviations > 0, deviations, 1.0) * np.sign(natural_units)
    unknown = np.linalg.norm(directions[without_effect], axis=0) > UNKNOWN_SHARE
    return Uncertainty(
        noise=float(noise),
        inefficiency=float(correlated),
        stderr=np.where(unknown, np.inf, deviations * np.abs(natural_units)),
        correlations=np.clip(covariance / np.outer(signed, signed), -1.0, 1.0),
        identifiable=not combinations.vague.any(),
        trade_offs=trade_offs(problem, found.point, combinations),
    )


def _relative_units(problem: Problem, found: SearchResult) -> tuple[np.ndarray, np.ndarray]:
    """For each coordinate the change of 100 %, in the coordinate and in the quantity's own unit, (N,) each.

    Both are negative where the quantity is, because a percentage is one of its size.
    """
    params = problem.params_at(found.point)
    scale = problem.split(found.point)["scale"]
    height = np.abs(scale) * np.abs(found.curve.g).max(axis=1)
    # What may be 0, as a reversal potential or an onset, has no percentage of its own: 100 % is the change that moves
    # the curve by its height where it moves most.
    steepest = np.abs(found.curve.derivative).max(axis=1)
    moves = np.divide(height[:, None], steepest, out=np.zeros_like(steepest), where=steepest > 0)
    largest = steepest.max(axis=0)
    moves_all = np.divide(height.max(), largest, out=np.zeros_like(largest), where=largest > 0)
    own = {"scale": scale, "offset": height}
    for c, name in enumerate((*problem.free, *problem.own)):
        if name in own:
            continue
        is_logarithm = c < len(problem.fitted) and problem.logarithmic[c]
        if is_logarithm:
            own[name] = np.broadcast_to(params[name], height.shape)
        else:
            change = moves_all[c] if name in problem.free or name in problem.shared else moves[:, c]
            sign = np.where(np.less(params.get(name, 0.0), 0), -1.0, 1.0)
            own[name] = np.broadcast_to(sign * change, height.shape)
    natural = np.concatenate(
        [[own[name][0] for name in problem.free], *(own[name][: problem.count(name)] for name in problem.own)]
    )
    # A quantity that is 0 has no percentage: 1 in its own unit takes its place.
    natural = np.where(natural == 0, 1.0, natural)
    return np.where(problem.are_logarithms, 1.0, natural), natural


def _deviation(residuals: np.ndarray, number: int, free: int, correlated: float) -> float:
    """The noise's standard deviation. Fitting removes more of correlated noise than of white noise."""
    return float(np.sqrt((residuals**2).sum() / (number - free * correlated)))
