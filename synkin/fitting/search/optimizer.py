"""The search: SciPy's trust-region least squares from several starts.

If the onset is free, it is scanned before each descent but the first, with the parameters of that start, and again
after each descent that ends at a steep response: see `synkin.fitting.search.onset`.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from synkin.arguments.choices import check_choice
from synkin.arguments.numbers import check_whole
from synkin.arguments.option_values import LOSSES
from synkin.fitting.model import Curve, curve
from synkin.fitting.problem import Problem
from synkin.fitting.search import initial_guess, onset
from synkin.fitting.search.objective import Descent, Objective, linear_quantities
from synkin.fitting.search.progress import Progress
from synkin.fitting.search.spread import evenly_spread
from synkin.fitting.search.thinning import thinned

# The first two thirds of the starts are global: the given parameters, parameters at which the kernel is as fast as the
# recording, and others within the first factor of these. The last third are within the second factor of the best point
# so far, because there are several minima side by side wherever a pulse ends between two samples. If the best curve is
# still poor, a third as many more starts are within the last factor of it.
_FAR, _NEAR, _FARTHEST = 10.0, 1.5, 100.0
# The global starts stop once this many starts agree on the best fit, unless its curve is poor.
_ENOUGH = 3
# A descent stops after this many evaluations. If it is the best one, it is continued later.
_BRIEF = 25
# Two descents ended at the same minimum if their sums of squares differ by less than this fraction.
_SAME = 1e-6
# Of a thinned recording those ends are continued whose sum of squares is within the first fraction of the lowest, up to
# the second number of them that differ by more than the third fraction.
_CONTINUED, _MOST, _CLOSE = 0.02, 4, 0.01
# A better onset is sought at most this many times after a descent.
_SCANS = 4


class SearchResult(NamedTuple):
    """The best point that the search found."""

    point: np.ndarray  # (N,), see `Problem`
    curve: Curve  # at that point
    width: float  # the residual from which on the loss is linear, in the trace's unit; inf for "linear"
    success: bool  # whether the search converged, before `max_nfev` evaluations
    at_bound: np.ndarray  # (N,) bool
    squares: np.ndarray  # the sum of squares at which each start ended, in the trace's unit squared
    ends: np.ndarray  # (n, N) the points at which they ended
    starts: int  # the number of starts that were tried
    left_out: int  # the number of starts that were not needed
    nfev: int
    samples: int  # of the sums of squares


def check_options(loss: object, starts: object, max_nfev: object) -> None:
    """Raise ValueError or TypeError unless the options of the search make sense."""
    check_choice("loss", loss, LOSSES)
    for name, value in (("starts", starts), ("max_nfev", max_nfev)):
        check_whole(name, value)


def search(
    problem: Problem,
    loss: str,
    starts: int,
    max_nfev: int,
    *,
    progress: bool,
    is_poor: Callable[[Problem, Curve], bool] = lambda problem, curve: False,
) -> SearchResult:
    """The best point. A long recording is thinned for the search, and descents of all its samples follow.

    Args:
        problem, loss, starts, max_nfev, progress, is_poor: as `_search` takes them.

    Raises:
        ValueError: the curve is not finite at any start.
    """
    few = thinned(problem)
    if few is None:
        return _search(problem, loss, starts, max_nfev, progress=progress, is_poor=is_poor)
    found = _search(few, "linear", starts, max_nfev, progress=progress, is_poor=is_poor)
    return _continued(problem, found, loss, max_nfev, progress)


def _continued(problem: Problem, found: SearchResult, loss: str, max_nfev: int, progress: bool) -> SearchResult:
    """Descents of the whole problem from where those of a thinned one ended, as far as these differ."""
    report = Progress(1, enabled=progress)
    objective = Objective(problem, linear_quantities(problem)[1], report)
    distance = onset.search_range(problem, found.point) if "onset" in problem.own else 0.0
    squares = found.squares * problem.present.sum() / max(found.samples, 1)
    near = [i for i in np.argsort(found.squares) if found.squares[i] <= found.squares.min() * (1 + _CONTINUED)]
    ends_at, begun, ends = found.ends.copy(), list[np.ndarray](), list[Descent]()
    with report:
        for i in near:
            start = found.ends[i]
            same = [k for k, other in enumerate(begun) if np.allclose(other, start, _CLOSE, _CLOSE)]
            if not same and len(begun) < _MOST:
                z = np.clip(start, problem.lower, problem.upper)[objective.searched]
                begun.append(start)
                ends.append(_descend(objective, z, max_nfev, distance))
                same = [len(begun) - 1]
            if same:
                end = ends[same[0]]
                squares[i], ends_at[i] = 2 * end.cost * objective.unit**2, objective.complete(end.x)
        best = min(ends, key=lambda end: end.cost)
        if loss == "soft_l1":
            best = objective.reweigh(best, max_nfev)
    point = objective.complete(best.x)
    at_bound = np.zeros(len(point), bool)
    at_bound[objective.searched] = best.at_bound
    return found._replace(
        point=point,
        curve=curve(problem, point),
        width=objective.width,
        success=best.at_rest,
        at_bound=at_bound,
        squares=squares,
        ends=ends_at,
        nfev=found.nfev + report.evaluations,
        samples=int(problem.present.sum()),
    )


def _search(
    problem: Problem,
    loss: str,
    starts: int,
    max_nfev: int,
    *,
    progress: bool,
    is_poor: Callable[[Problem, Curve], bool],
) -> SearchResult:
    """The best point.

    Args:
        problem: what is to be fitted.
        loss, starts, max_nfev, progress: as in `synkin.fit`.
        is_poor: whether a curve leaves more than noise, so that it is not enough that several starts agree on it.

    Raises:
        ValueError: the curve is not finite at any start.
    """
    report = Progress(starts, enabled=progress)
    linear, solved = linear_quantities(problem)
    guess = objective = Objective(problem, linear, report)
    if solved != linear:
        objective = Objective(problem, solved, report)
    report.start = 1
    given = guess.complete(_given_point(problem)[guess.searched])
    asked = given[: len(problem.free)]
    matched = initial_guess.match_time_course(problem, given) if starts > 1 else given
    origins = [given] if matched is given else [given, guess.complete(matched[guess.searched])]
    # With a wrong onset even the right parameters lead to a wrong minimum: a third start repeats them after a scan.
    unchanged = [*origins, given] if "onset" in problem.own and len(origins) == 2 and starts > 2 else origins
    far = max(starts - starts // 3, min(starts, len(unchanged)))
    factors = evenly_spread(starts, len(problem.fitted))
    distance = onset.search_range(problem, origins[-1]) if "onset" in problem.own else 0.0
    ends: list[Descent] = []
    left_out = 0
    judged: dict[float, bool] = {}  # by the cost of a descent

    def best_is_poor() -> bool:
        best = _best(ends, asked)
        if best.cost not in judged:
            judged[best.cost] = is_poor(problem, curve(problem, objective.complete(best.x)))
        return judged[best.cost]

    with report:
        for i in range(starts + starts // 3):
            if i >= starts and not (ends and best_is_poor()):
                break
            tried = report.start = i + 1 - left_out
            if i < far and _agreeing(ends) >= _ENOUGH and not best_is_poor():
                left_out += 1
                continue
            if i >= starts:
                report.starts = starts + starts // 3
                best = _best_at_rest(objective, ends, asked, max_nfev, distance)
                point = _scaled(problem, objective.complete(best.x), _FARTHEST ** factors[i - starts + 1])
                point = initial_guess.match_amplitudes(problem, point)
                if "onset" in problem.own:
                    point = initial_guess.match_amplitudes(problem, onset.scan(problem, point, distance))
                point = guess.complete(point[guess.searched])
            elif i < far:
                # The origins themselves, then points around them, two of three around the matched one.
                point = unchanged[i] if i < len(unchanged) else origins[0 if i % 3 == 1 else -1]
                if i >= len(unchanged):
                    point = _scaled(problem, point, _FAR ** factors[i - len(unchanged) + 1])
                if i:
                    point = initial_guess.match_amplitudes(problem, point)
                    if "onset" in problem.own:
                        point = initial_guess.match_amplitudes(problem, onset.scan(problem, point, distance))
                point = guess.complete(point[guess.searched])
            elif ends:
                best = _best_at_rest(objective, ends, asked, max_nfev, distance)
                point = _scaled(problem, objective.complete(best.x), _NEAR ** factors[1 + i - far])
            z = np.clip(point, problem.lower, problem.upper)[objective.searched]
            if objective.is_finite(z):
                ends.append(_descend(objective, z, min(_BRIEF, max_nfev), distance))
        if not ends:
            raise ValueError("Arguments `params` and `weights` must be less extreme: the curve is not finite.")
        best = _best_at_rest(objective, ends, asked, max_nfev, distance)
        if loss == "soft_l1":
            best = objective.reweigh(best, max_nfev)
        ends_at = np.array([objective.complete(end.x) for end in ends])
        point = objective.complete(best.x)
        at_bound = np.zeros(len(point), bool)
        at_bound[objective.searched] = best.at_bound
        if not at_bound.any():
            point = nearest_equivalent(problem, point, asked)
    return SearchResult(
        point=point,
        curve=curve(problem, point),
        width=objective.width,
        success=best.at_rest,
        at_bound=at_bound,
        squares=np.array([2 * end.cost for end in ends]) * objective.unit**2,
        ends=ends_at,
        starts=tried,
        left_out=left_out,
        nfev=report.evaluations,
        samples=int(problem.present.sum()),
    )


def refine(problem: Problem, start: np.ndarray, max_nfev: int = 100) -> tuple[float, np.ndarray]:
    """One descent, for a problem whose solution is nearly ``start`` (N,).

    Returns:
        The lowest sum of squares, in the square of the trace's unit, and the point (N,) there. The sum is infinite if
        the curve is not finite at the start.
    """
    objective = Objective(problem, linear_quantities(problem)[1], Progress(1, enabled=False))
    z = np.clip(start, problem.lower, problem.upper)[objective.searched]
    if not objective.is_finite(z):
        return np.inf, start
    if not z.size:  # all coordinates are solved for
        return float((objective.residuals(z) ** 2).sum()) * objective.unit**2, objective.complete(z)
    distance = onset.search_range(problem, start) if "onset" in problem.own else 0.0
    end = _descend(objective, z, max_nfev, distance)
    return 2 * float(end.cost) * objective.unit**2, objective.complete(end.x)


def _descend(objective: Objective, z: np.ndarray, max_nfev: int, distance: float) -> Descent:
    """A descent from ``z``, then further descents from better onsets, as long as a scan finds one."""
    problem, end = objective.problem, objective.minimise(z, max_nfev)
    for _ in range(_SCANS):
        point = objective.complete(end.x)
        if "onset" not in problem.own or not onset.is_steep(problem, point):
            break
        shifted = onset.scan(problem, point, distance)
        if shifted is point:
            break
        again = objective.minimise(shifted[objective.searched], max_nfev)
        if again.cost > end.cost * (1 + _SAME):
            break
        end = again
    return end


def _best_at_rest(
    objective: Objective, ends: list[Descent], asked: np.ndarray, max_nfev: int, distance: float
) -> Descent:
    """The best of the ``ends``. If it was stopped early, it is continued first, and replaced in the list."""
    while True:
        best = _best(ends, asked)
        if best.at_rest or best.nfev >= max_nfev or max_nfev <= _BRIEF:
            return best
        end = _descend(objective, best.x, max_nfev, distance)
        if not end.at_rest:
            end = replace(end, nfev=max(end.nfev, max_nfev))
        # A descent that gets no lower has converged too.
        at = [other is best for other in ends].index(True)
        ends[at] = end if end.cost <= best.cost else replace(best, at_rest=True)


def _agreeing(ends: list[Descent]) -> int:
    """The number of descents that ended at the lowest sum of squares."""
    squares = 2 * np.array([end.cost for end in ends])
    return int((squares <= squares.min(initial=np.inf) * (1 + _SAME) + _SAME**2).sum())


def _best(ends: list[Descent], parameters: np.ndarray) -> Descent:
    """The descent with the lowest sum of squares. Of several equal ones, that which ended nearest to ``parameters``.

    So the two time constants of dual_expon keep their order, although exchanging them does not change the curve.
    """
    squares = 2 * np.array([end.cost for end in ends])
    low = [end for end, at in zip(ends, squares, strict=True) if at <= squares.min() * (1 + _SAME) + _SAME**2]
    return min(low, key=lambda end: np.square(end.x[: len(parameters)] - parameters).sum())


def nearest_equivalent(problem: Problem, point: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """``point``, with two parameters exchanged if they are then nearer to ``asked`` and the curve does not change.

    This keeps the order of dual_expon's time constants, also if all starts ended in the other order.
    """
    units, are_logarithms = problem.units, problem.logarithmic
    value = curve(problem, point).value
    for i, j in itertools.combinations(range(len(asked)), 2):
        other = point.copy()
        other[[i, j]] = point[[j, i]]
        nearer = np.square(other[: len(asked)] - asked).sum() < np.square(point[: len(asked)] - asked).sum()
        within = (problem.lower <= other).all() and (other <= problem.upper).all()
        alike = units[problem.free[i]] == units[problem.free[j]] and are_logarithms[i] == are_logarithms[j]
        if nearer and within and alike and np.allclose(curve(problem, other).value, value, 0, _SAME * np.ptp(value)):
            point = other
    return point


def _given_point(problem: Problem) -> np.ndarray:
    """The point with the given parameters, and with scale, offset and onset 0."""
    point = np.zeros(len(problem.lower))
    for p, name in enumerate(problem.fitted):
        value = problem.params[name]
        point[problem.columns[:, p]] = np.log(value) if problem.logarithmic[p] else value
    return point


def _scaled(problem: Problem, point: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """The point with the parameters multiplied by ``factors``, (P,).

    A parameter that may be 0 or negative is moved within its bounds instead, if it has any.
    """
    moved = point.copy()
    for p, factor in enumerate(factors):
        columns = problem.columns[:, p]
        if problem.logarithmic[p]:
            moved[columns] = point[columns] + np.log(factor)
        else:
            low, high = problem.lower[columns], problem.upper[columns]
            share = np.log(factor) / np.log(_FAR)
            end = np.where(share > 0, high, low)
            has_ends = np.isfinite(low) & np.isfinite(high)
            within = point[columns] + np.abs(share) * (np.where(has_ends, end, 0.0) - point[columns])
            moved[columns] = np.where(has_ends, within, point[columns] * factor)
    return moved
