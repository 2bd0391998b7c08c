"""Noise, standard errors and correlations of a fit, from the curve's derivatives at the best point.

Everything is computed in relative coordinates, in which 1 is 100 %: the logarithms of parameters and scale, the offset
over the curve's height, and the onset over the time in which the curve changes most. The singular vectors of the
Jacobian in these coordinates are combinations of the fitted quantities whose errors are independent of each other; the
noise over a singular value is the standard error of its combination if the noise is white.

Other noise is allowed for by the sandwich of its covariance between two inverses of the curvature (Huber 1967, Proc.
5th Berkeley Symp. 1:221): noise that is correlated between neighbouring samples, and noise that grows with the
response, see `noise_model`. Of many recordings, the scatter from one to the next takes the place of both for all that
they share.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from synkin.fitting.model import qr_factors, stacked
from synkin.fitting.problem import Problem
from synkin.fitting.search.objective import robust_deviation
from synkin.fitting.search.optimizer import SearchResult
from synkin.fitting.uncertainty.noise_model import Noise, noise_of
from synkin.fitting.uncertainty.sandwich import score_covariance, scores_by_recording
from synkin.fitting.uncertainty.trade_offs import UNKNOWN_SHARE, Combinations, trade_offs

# A combination does not change the curve if its singular value is less than this fraction of the largest one.
_NO_EFFECT = 1e-7
# Residuals below this fraction of the trace are rounding errors and not noise.
_ROUNDING = 1e-6
# The scatter between recordings is known well enough if there are this many.
ENOUGH_RECORDINGS = 10
# A recording has no response if its scale is less than this many standard errors.
_SILENT = 3.0
# Where the noise depends on the response, its variance in a direction is at least this fraction of that of white noise.
_LEAST = 0.05


class Uncertainty(NamedTuple):
    """What is known about the N numbers that were fitted."""

    noise: float  # standard deviation of the residuals, in the trace's unit
    model: Noise  # how the noise is correlated, and whether it grows with the response
    inefficiencies: np.ndarray  # (N,) how many samples count as one in the error of each
    stderr: np.ndarray  # (N,) each in its unit
    correlations: np.ndarray  # (N, N)
    identifiable: bool
    trade_offs: list[str]  # sentences on quantities that cannot be told apart, and on what can be known instead
    silent: np.ndarray  # (R,) bool, the recordings without a response beside others that have one
    between: float  # errors from the scatter between recordings over those from the noise; NaN for few recordings
    others: np.ndarray  # (n, N) other minima within the noise, see `other_minima`
    other_minima: list[str]  # sentences on them


def estimate_uncertainty(problem: Problem, found: SearchResult) -> Uncertainty:
    """Noise, standard errors, correlations and trade-offs at the best point."""
    present = problem.present
    residuals = np.where(present, problem.trace - found.curve.value, 0.0) * problem.importance
    number, free = int(present.sum()), len(found.point)
    bend = np.sqrt(1 + (residuals / found.width) ** 2)
    pull = residuals / bend  # half the derivative of the loss; under "linear" the residuals themselves
    stiffness = (bend[present] ** -3).mean()
    model = noise_of(problem, found.curve, pull)
    sigma = _deviation(pull, number, free, model.inefficiency)
    # The residuals of a trace without noise are rounding errors, whose correlation means nothing.
    if _deviation(pull, number, free, 1.0) / stiffness <= _ROUNDING * np.abs(problem.trace * problem.importance).max():
        model = Noise(np.zeros(0), 1.0, np.ones(present.shape), 1.0)
        sigma = _deviation(pull, number, free, 1.0)
    noise = sigma / stiffness
    if np.isfinite(found.width):
        noise = robust_deviation(residuals[present]) * np.sqrt(number / (number - free * model.inefficiency))

    silent = _silent(problem, found, sigma / stiffness * np.sqrt(model.inefficiency))
    coordinate_units, natural_units = _relative_units(problem, found, silent)
    weighted = found.curve.derivative * (problem.importance * present)[:, :, None]
    jacobian = stacked(qr_factors(problem, weighted), problem.columns, free)
    if problem.priors:
        jacobian = np.concatenate([jacobian, problem.prior_rows(found.point)[1]])
    _, sizes, directions = np.linalg.svd(jacobian * coordinate_units, full_matrices=False)
    without_effect = sizes <= _NO_EFFECT * sizes[0]
    # Singular values have a lower limit here, because an infinite error would spoil the products below.
    errors = sigma / stiffness / np.maximum(sizes, max(_NO_EFFECT * sizes[0], np.finfo(float).tiny))
    white_errors, white_directions = errors, directions
    rows = problem.prior_rows(found.point)[1]
    of_priors = model.inefficiency * rows.T @ rows  # each a measurement with the noise of one independent sample
    scores, between = score_covariance(weighted, problem.columns, free, model), np.nan
    # Correlated noise hardly has the fast parts that some directions stand for. How little is not known, because what
    # the curve misses is correlated too: errors are not smaller than those of white noise.
    least = max(_LEAST, float(model.level[present].min()) ** 2)
    sandwich = partial(_sandwich, errors, sizes, directions, without_effect, coordinate_units, least=least)
    errors, directions = sandwich(scores + of_priors)
    if len(present) >= ENOUGH_RECORDINGS and sigma > 0:
        noise_alone = _variances(errors, directions)
        errors, directions = sandwich(of_priors + scores_by_recording(problem, weighted, pull / sigma, scores))
        shared = [label in problem.names for label in problem.labels]
        between = float(np.sqrt(np.max((_variances(errors, directions) / noise_alone)[shared], initial=0.0)))
    # What a recording without a response says of its own onset is nothing, and does not make the others unknown.
    lost = np.zeros(free, bool)
    if "onset" in problem.own and "onset" not in problem.shared:
        lost[problem.columns_of("onset")[silent]] = True
    told = (directions[:, lost] ** 2).sum(axis=1) < 0.5
    combinations = Combinations(directions[told], errors[told], without_effect[told])
    covariance = (directions.T * errors**2) @ directions
    deviations = np.sqrt(np.diag(covariance))
    signed = np.where(deviations > 0, deviations, 1.0) * np.sign(natural_units)
    unknown = np.linalg.norm(directions[without_effect], axis=0) > UNKNOWN_SHARE
    variances = _variances(white_errors, white_directions)
    return Uncertainty(
        noise=float(noise),
        model=model,
        inefficiencies=np.divide(np.diag(covariance), variances, out=np.ones(free), where=variances > 0),
        stderr=np.where(unknown, np.inf, deviations * np.abs(natural_units)),
        correlations=np.clip(covariance / np.outer(signed, signed), -1.0, 1.0),
        identifiable=not combinations.vague.any(),
        trade_offs=trade_offs(problem, found.point, combinations),
        silent=silent,
        between=between,
        others=np.zeros((0, free)),
        other_minima=[],
    )


def _sandwich(
    errors: np.ndarray,
    sizes: np.ndarray,
    directions: np.ndarray,
    without_effect: np.ndarray,
    coordinate_units: np.ndarray,
    scores: np.ndarray,
    *,
    least: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Independent combinations and their errors in noise that is not white, from those in white noise.

    Args:
        errors: (N,) in white noise.
        sizes, directions: (N,) and (N, N), the singular values and vectors of the Jacobian.
        without_effect: (N,) bool, which of these do not change the curve.
        coordinate_units: (N,) the change of 100 % in each coordinate.
        scores: (N, N) the covariance of the sum of squares' derivatives over the variance of the noise.
        least: the smallest variance in a direction, over that in white noise.
    """
    known = np.flatnonzero(~without_effect)
    rows = directions[known] / sizes[known, None] * coordinate_units
    powers, turned = np.linalg.eigh(rows @ scores @ rows.T)
    relative = (turned * np.maximum(powers, least)) @ turned.T  # 1 in white noise
    variances, turned = np.linalg.eigh(relative * np.outer(errors[known], errors[known]))
    errors, directions = errors.copy(), directions.copy()
    errors[known], directions[known] = np.sqrt(np.maximum(variances, 0.0)), turned.T @ directions[known]
    return errors, directions


def _variances(errors: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(N,) of each coordinate, from independent combinations (N, N) and their errors."""
    return np.square(errors) @ np.square(directions)


def _silent(problem: Problem, found: SearchResult, noise: float) -> np.ndarray:
    """(R,) bool: the recordings whose scale may be 0, where others have a response, as at the reversal potential.

    ``noise`` is its standard deviation, over each sample's error, of a sample that counts as one.
    """
    none = np.zeros(len(problem.trace), bool)
    if "scale" not in problem.own or "scale" in problem.shared:
        return none
    g = np.where(problem.present, found.curve.g, 0.0) * problem.importance
    silent = np.abs(problem.split(found.point)["scale"]) * np.linalg.norm(g, axis=1) < _SILENT * noise
    return none if silent.all() else silent


def _relative_units(problem: Problem, found: SearchResult, silent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each coordinate the change of 100 %, in the coordinate and in the quantity's own unit, (N,) each.

    Both are negative where the quantity is, because a percentage is one of its size. Recordings that are ``silent``
    count as if they had the largest response of the others.
    """
    params = problem.params_at(found.point)
    scale = problem.split(found.point)["scale"]
    largest_scale = np.where(silent, np.copysign(np.abs(scale).max(), scale), scale)
    height = np.abs(largest_scale) * np.abs(found.curve.g).max(axis=1)
    # What may be 0, as a reversal potential or an onset, has no percentage of its own: 100 % is the change that moves
    # the curve by its height where it moves most.
    steepest = np.abs(found.curve.derivative).max(axis=1)
    moves = np.divide(height[:, None], steepest, out=np.zeros_like(steepest), where=steepest > 0)
    largest = steepest.max(axis=0)
    moves_all = np.divide(height.max(), largest, out=np.zeros_like(largest), where=largest > 0)
    own = {"scale": largest_scale, "offset": height}
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
