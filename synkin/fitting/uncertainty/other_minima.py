"""Other minima of the sum of squares that noise may have made the higher ones: errors must reach there."""

from typing import NamedTuple

import numpy as np

from synkin.fitting.formatting import listed, rounded
from synkin.fitting.problem import Problem
from synkin.fitting.search.optimizer import SearchResult, nearest_equivalent, refine
from synkin.fitting.uncertainty.standard_errors import Uncertainty
from synkin.fitting.uncertainty.trade_offs import KNOWN

# A minimum is within the noise if chi^2 is larger there by less than this. A start that ended at up to the second limit
# is followed further down first.
_WITHIN, _NEAR = 4.0, 25.0
# It is another one if a quantity is farther off than this many standard errors, if chi^2 would be larger by the square
# of that if it grew all the way as it does near the best point, and if the sums of squares differ by more than this
# fraction: equal ones are the same curve with parts that are exchanged.
_APART, _SAME = 2.0, 1e-6
# The largest number of starts that are followed, and of minima that are named.
_FOLLOWED, _NAMED = 6, 2


class Minimum(NamedTuple):
    """Another minimum of the sum of squares."""

    point: np.ndarray  # (N,)
    growth: float  # of chi^2


def with_other_minima(problem: Problem, found: SearchResult, known: Uncertainty) -> Uncertainty:
    """``known`` with the other minima that are within the noise, with errors that reach them, and sentences on them."""
    if np.isfinite(found.width) or known.noise <= 0:
        return known
    minima = _minima(problem, found, known)
    if not minima:
        return known
    stderr, identifiable = known.stderr.copy(), known.identifiable
    values = _values(problem, found.point)
    for point, growth in minima:
        # Where chi^2 is larger by n^2, the quantity is n standard errors off.
        errors = max(1.0, np.sqrt(growth))
        off = np.abs(_values(problem, point) - values) / errors
        # What is not determined at all stays so.
        stderr = np.where(np.isfinite(stderr), np.maximum(stderr, off), stderr)
        relative = np.abs(point - found.point)[problem.are_logarithms] / errors
        identifiable = identifiable and not (relative > KNOWN).any()
    return known._replace(
        stderr=stderr,
        identifiable=bool(identifiable),
        others=np.array([each.point for each in minima]),
        other_minima=_sentence(problem, values, known.stderr, minima[:_NAMED]),
    )


def _minima(problem: Problem, found: SearchResult, known: Uncertainty) -> list[Minimum]:
    """The other minima within the noise, the lowest first."""
    unit = known.noise**2 * known.model.inefficiency
    best = float((((problem.trace - found.curve.value) * problem.importance)[problem.present] ** 2).sum())
    sizes = np.where(problem.are_logarithms, np.abs(_values(problem, found.point)), 1.0)  # others may be 0
    errors = known.stderr / sizes
    shared = np.array([label in problem.names for label in problem.labels])
    minima: list[Minimum] = []
    seen = [found.point]
    followed = 0
    for i in np.argsort(found.squares, kind="stable"):
        point = found.ends[i]
        if (found.squares[i] - best) / unit > _NEAR or followed >= _FOLLOWED:
            break
        if not all(_differ(point, other, errors, shared) for other in seen):
            continue
        followed += 1
        squares, point = refine(problem, point)
        point = nearest_equivalent(problem, point, found.point[: len(problem.free)])
        growth = (squares - best) / unit
        steps = np.einsum("rmc,rc->rm", found.curve.derivative, (point - found.point)[problem.columns])
        expected = float(((steps * problem.importance)[problem.present] ** 2).sum()) / unit
        new = expected > _APART**2 + growth and all(_differ(point, other, errors, shared) for other in seen)
        seen.append(point)
        if new and growth < _WITHIN and squares - best > _SAME * best:
            minima.append(Minimum(point, float(max(growth, 0.0))))
    return sorted(minima, key=lambda each: each.growth)


def _differ(one: np.ndarray, other: np.ndarray, errors: np.ndarray, shared: np.ndarray) -> bool:
    """Whether a quantity that the recordings share differs by more than its error explains."""
    return bool((np.abs(one - other) > _APART * errors)[shared & np.isfinite(errors) & (errors > 0)].any())


def _values(problem: Problem, point: np.ndarray) -> np.ndarray:
    """(N,) each in its unit."""
    values = point.copy()
    values[problem.are_logarithms] = np.exp(values[problem.are_logarithms])
    return values


def _sentence(problem: Problem, best: np.ndarray, errors: np.ndarray, minima: list[Minimum]) -> list[str]:
    """Where the other minima are."""
    sentences = []
    for point, growth in minima:
        values = _values(problem, point)
        apart = np.abs(values - best) > errors
        named = [
            f"{label} {rounded(value, error)[0]} instead of {rounded(other, error)[0]}"
            for label, value, other, error, far in zip(problem.labels, values, best, errors, apart, strict=True)
            if far and label in problem.names
        ]
        sentences.append(
            f"Another minimum is as good within the noise (chi^2 is larger by {growth:.2g}): it has {listed(named)}. "
            "The standard errors are widened to reach it."
        )
    return sentences
