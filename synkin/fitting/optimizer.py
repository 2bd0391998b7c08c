"""The search: SciPy's trust-region least squares, from several starts.

Scale and offset enter the curve linearly, so for given parameters and onset the best are known at once. The search
moves in the other coordinates alone (variable projection, Golub and Pereyra 1973, SIAM J. Numer. Anal. 10:413, with
the Jacobian of Kaufman 1975, BIT 15:49): it needs no first guess of the two, and does not creep along the valley in
which a smaller parameter makes up for a larger scale. Only where they have bounds are they searched for as well.

A free onset is scanned for before the descent, with the parameters of the start (but at the first, which begins with
what was given), and after it, if the response found is steep: see `synkin.fitting.onset`.
"""

import itertools
import sys
import time
from typing import Any, NamedTuple

import numpy as np

from synkin.arguments.choices import check_choice
from synkin.arguments.numbers import check_whole
from synkin.fitting import initial_guess, onset
from synkin.fitting.model import Curve, curve, response, spread, triangles
from synkin.fitting.problem import Problem

LOSSES = ("linear", "soft_l1")

# What the curve is linear in.
_LINEAR = ("scale", "offset")

# The first two thirds of the starts are the parameters given, those that are as fast as the recording, and others
# within this factor of the two; the rest lie within the second factor of the best found so far: where a pulse ends
# between two samples there are low places side by side.
_FAR, _NEAR = 10.0, 1.5
# So many of the starts of the first kind that end at the lowest sum of squares are enough.
_ENOUGH = 3
# A start that has not come to rest after so many evaluations goes on if there is no better one in the end.
_BRIEF = 25
# Two starts that ended at sums of squares this near to each other, in parts, ended at the same place.
_SAME = 1e-6
# What is left of a derivative below this part of it is rounding.
_ROUNDING = 1e-10
# How often a better onset is looked for after a descent.
_SHIFTS = 4
# From here on, in units of the noise, a residual under "soft_l1" loses weight.
_OUTLIER = 1.5
# It does so at this part of the trace's size at the least, where there is no noise.
_NARROWEST = 1e-9
# How often the noise, and with it what counts as an outlier, is estimated anew, and how often the weights are.
_NOISE_ROUNDS, _MOST_ROUNDS = 3, 50
# A fit that ends before this, in seconds, needs no report even on a terminal.
_QUIET = 2.0


class Found(NamedTuple):
    """The best of all starts."""

    point: np.ndarray  # (N,), see `Problem`
    curve: Curve  # there
    width: float  # where the loss bends, in the trace's unit; inf for "linear"
    success: bool  # whether the search ended by itself
    at_bound: np.ndarray  # (N,) bool
    squares: np.ndarray  # the sums of squares at which the starts ended, in the trace's unit
    starts: int  # that were tried
    asked: int  # that were asked for
    nfev: int


def check(loss: Any, starts: Any, max_nfev: Any) -> None:
    """Raise ValueError or TypeError unless the options of the search make sense."""
    check_choice("loss", loss, LOSSES)
    for name, value in (("starts", starts), ("max_nfev", max_nfev)):
        check_whole(name, value)


def run(problem: Problem, loss: str, starts: int, max_nfev: int, progress: bool) -> Found:
    """The best point.

    Raises:
        ValueError: the curve is not finite at any start.
    """
    report = _Report(starts, progress)
    linear = [name for name in _LINEAR if name in problem.own]
    bounded = np.isfinite(problem.lower) | np.isfinite(problem.upper)
    # What all recordings share, or has a bound, cannot be solved for recording by recording.
    unbounded = [name for name in linear if name not in problem.shared and not bounded[problem.columns_of(name)].any()]
    guess = objective = _Objective(problem, linear, report)
    if unbounded != linear:
        objective = _Objective(problem, unbounded, report)
    report.start = 1
    given = guess.complete(_given(problem)[guess.searched])
    asked = given[: len(problem.free)]
    measured = initial_guess.paced(problem, given) if starts > 1 else given
    origins = [given] if measured is given else [given, guess.complete(measured[guess.searched])]
    # Parameters that are right already are of no use with an onset that is not: the third start scans for that.
    scanned = [given] if "onset" in problem.own and len(origins) == 2 and starts > 2 else []
    as_they_are = origins + scanned
    far = max(starts - starts // 3, min(starts, len(as_they_are)))
    factors = _even(starts, len(problem.free))
    reach = onset.reach(problem, origins[-1]) if "onset" in problem.own else 0.0
    ends: list[Any] = []
    left_out = 0
    with report:
        for i in range(starts):
            report.start = i + 1 - left_out
            if i < far and _agree(ends) >= _ENOUGH:
                left_out += 1
                continue
            if i < far:
                # The two as they are, then others around each: more around those that were measured.
                point = as_they_are[i] if i < len(as_they_are) else origins[0 if i % 3 == 1 else -1]
                if i >= len(as_they_are):
                    point = _moved(problem, point, _FAR ** factors[i - len(as_they_are) + 1])
                if i:
                    point = initial_guess.balanced(problem, point)
                    if "onset" in problem.own:
                        point = initial_guess.balanced(problem, onset.scan(problem, point, reach))
                point = guess.complete(point[guess.searched])
            elif ends:
                best = _settled(objective, ends, asked, max_nfev, reach)
                point = _moved(problem, objective.complete(best.x), _NEAR ** factors[1 + i - far])
            z = np.clip(point, problem.lower, problem.upper)[objective.searched]
            if objective.is_finite(z):
                ends.append(_descend(objective, z, min(_BRIEF, max_nfev), reach))
        if not ends:
            raise ValueError("Arguments `params` and `weights` must be less extreme: the curve is not finite.")
        best = _settled(objective, ends, asked, max_nfev, reach)
        if loss == "soft_l1":
            best = objective.reweigh(best, max_nfev)
        point = objective.complete(best.x)
        at_bound = np.zeros(len(point), bool)
        at_bound[objective.searched] = best.active_mask != 0
        if not at_bound.any():
            point = _as_asked(problem, point, asked)
    return Found(
        point=point,
        curve=curve(problem, point),
        width=objective.width,
        success=bool(best.success),
        at_bound=at_bound,
        squares=np.array([2 * end.cost for end in ends]) * objective.unit**2,
        starts=starts - left_out,
        asked=starts,
        nfev=report.evaluations,
    )


def weighted(problem: Problem, point: np.ndarray, width: float) -> np.ndarray:
    """The importance of each sample, (R, M), with which least squares has its lowest place at ``point``.

    Under "linear", ``width`` being infinite, it is the problem's own.
    """
    residuals = (curve(problem, point).value - problem.trace) * problem.importance
    return problem.importance * (1 + (residuals / width) ** 2) ** -0.25


def follow(problem: Problem, start: np.ndarray, max_nfev: int = 100) -> tuple[float, np.ndarray]:
    """The sum of squares, in the square of the trace's unit, and the point at which it is lowest, from ``start`` (N,).

    One descent, for problems of which the answer is nearly known: infinite where the curve is not finite.
    """
    bounded = np.isfinite(problem.lower) | np.isfinite(problem.upper)
    solved = [
        name
        for name in _LINEAR
        if name in problem.own and name not in problem.shared and not bounded[problem.columns_of(name)].any()
    ]
    objective = _Objective(problem, solved, _Report(1, enabled=False))
    z = np.clip(start, problem.lower, problem.upper)[objective.searched]
    if not objective.is_finite(z):
        return np.inf, start
    if not z.size:  # all is solved for
        return float((objective.residuals(z) ** 2).sum()) * objective.unit**2, objective.complete(z)
    end = _descend(objective, z, max_nfev, onset.reach(problem, start) if "onset" in problem.own else 0.0)
    return 2 * float(end.cost) * objective.unit**2, objective.complete(end.x)


def robust_noise(residuals: np.ndarray) -> float:
    """The standard deviation of normal residuals, from their median size, which outliers hardly move."""
    return float(np.median(np.abs(residuals)) / 0.6744897501960817)


class _Report:
    """How far a long fit is, on stderr: a line that is rewritten on a terminal, else a line now and then."""

    def __init__(self, starts: int, enabled: bool) -> None:
        self.starts, self.start, self.evaluations = starts, 0, 0
        self.enabled, self.rewrites = enabled, sys.stderr.isatty()
        self.interval = 0.2 if self.rewrites else 10.0
        self.began = time.monotonic()
        self.next = self.began + max(_QUIET, self.interval)
        self.has_written = False

    def __enter__(self) -> None:
        """At the end, what was rewritten is taken away."""

    def tell(self) -> None:
        """Count an evaluation, and say so if it is time."""
        self.evaluations += 1
        now = time.monotonic()
        if self.enabled and now >= self.next:
            self.next, self.has_written = now + self.interval, True
            line = f"fit: start {self.start} of {self.starts}, evaluation {self.evaluations}, {now - self.began:.0f} s"
            self._write(f"\r{line}" if self.rewrites else f"{line}\n")

    def __exit__(self, *error: object) -> None:
        if self.has_written and self.rewrites:
            self._write("\r\033[K")

    def _write(self, text: str) -> None:
        print(text, end="", file=sys.stderr, flush=True)


class _Objective:
    """Residuals and Jacobian as `scipy.optimize.least_squares` asks for them, in units of the trace's size.

    Both stand for those of all samples, see `triangles`: the search uses nothing of the two but what these keep.
    """

    def __init__(self, problem: Problem, solved: list[str], report: _Report) -> None:
        """``solved``: which of scale and offset are solved for, and so not searched for."""
        self.problem, self.solved, self.report = problem, solved, report
        self.unit = float(np.std(problem.trace[problem.present]))
        self.width = np.inf  # where the loss bends, in the trace's unit
        self.importance = problem.importance  # the root of each sample's weight
        self.searched = np.ones(len(problem.lower), bool)
        for name in solved:
            self.searched[problem.columns_of(name)] = False
        self.at: np.ndarray | None = None
        self.values: tuple[np.ndarray, np.ndarray, np.ndarray]

    def residuals(self, z: np.ndarray) -> np.ndarray:
        """(L,) at the searched coordinates ``z``."""
        return self._evaluate(z)[0]

    def jacobian(self, z: np.ndarray) -> np.ndarray:
        """(L, len(z)) at the searched coordinates ``z``."""
        return self._evaluate(z)[1]

    def complete(self, z: np.ndarray) -> np.ndarray:
        """All coordinates, (N,): the searched ones, and the best scale and offset for them."""
        return self._evaluate(z)[2]

    def is_finite(self, z: np.ndarray) -> bool:
        """Whether one can start at ``z``."""
        return all(np.isfinite(a).all() for a in self._evaluate(z))

    def minimise(self, z: np.ndarray, max_nfev: int) -> Any:
        """SciPy's result of a search from ``z``."""
        from scipy.optimize import least_squares  # here, because importing it takes longer than importing synkin

        bounds = self.problem.lower[self.searched], self.problem.upper[self.searched]
        return least_squares(self.residuals, z, self.jacobian, bounds, x_scale="jac", max_nfev=max_nfev)

    def reweigh(self, best: Any, max_nfev: int) -> Any:
        """The result under the soft-L1 loss, from that without: least squares with weights that follow the residuals.

        Source: Holland and Welsch 1977, Commun. Stat. Theory Methods 6:813.
        """
        problem = self.problem
        for i in range(_MOST_ROUNDS):
            before = self.complete(best.x)
            residuals = (curve(problem, before).value - problem.trace) * problem.importance
            if i < _NOISE_ROUNDS:
                self.width = max(_OUTLIER * robust_noise(residuals[problem.present]), _NARROWEST * self.unit)
            self.importance = problem.importance * (1 + (residuals / self.width) ** 2) ** -0.25
            self.at = None
            best = self.minimise(best.x, max_nfev)
            moved = np.abs(self.complete(best.x) - before)
            if i >= _NOISE_ROUNDS and (moved <= _SAME * np.maximum(np.abs(before), _SAME)).all():
                break
        return best

    def _evaluate(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Residuals, Jacobian and all coordinates at ``z``."""
        # SciPy asks for the Jacobian where the residuals were.
        if self.at is None or not np.array_equal(z, self.at):
            self.at, self.values = z.copy(), self._values(z)
            self.report.tell()
        return self.values

    def _values(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        problem, free, solved = self.problem, len(self.problem.free), len(self.solved)
        point = np.zeros(len(problem.lower))
        point[self.searched] = z
        own = problem.split(point)
        g, slope = response(problem, point[:free], own["onset"])
        basis = {"scale": g, "offset": np.ones_like(g), "onset": slope[:, :, -1]}
        others = [name for name in problem.own if name not in self.solved]
        columns = [*(basis[name] for name in self.solved), *np.moveaxis(slope[:, :, :-1], 2, 0)]
        columns += [basis[name] for name in others]
        # What is solved for is 0 in `own` so far.
        columns += [problem.trace - own["scale"][:, None] * g - own["offset"][:, None]]
        weight = (self.importance / self.unit)[:, :, None]
        triangle = triangles(problem, weight * np.stack(columns, axis=2))
        if not np.isfinite(triangle).all():
            rows = triangle.shape[0] * triangle.shape[1]
            return np.full(rows, np.inf), np.full((rows, len(z)), np.inf), point
        # Q rotates the linear part into the first rows: there it is solved; the rows below do not know of it.
        first, target = triangle[:, :solved, :solved], triangle[:, :, -1:]
        best = np.linalg.pinv(first) @ target[:, :solved]
        residuals = np.concatenate([first @ best - target[:, :solved], -target[:, solved:]], axis=1)
        for i, name in enumerate(self.solved):
            values = best[:, i, 0]
            if name in problem.shared:  # a guess, from which the search begins
                values = np.full_like(values, np.median(values))
            own[name] = point[problem.columns_of(name)] = values
        whole = triangle[:, :, solved:-1]
        jacobian = whole.copy()
        jacobian[:, :solved] = 0.0
        # What scale and offset make up for entirely leaves rounding, which is no direction to go in.
        sizes = np.linalg.norm(jacobian, axis=1, keepdims=True)
        jacobian *= sizes > _ROUNDING * np.linalg.norm(whole, axis=1, keepdims=True)
        by_scale = np.array([True] * free + [name == "onset" for name in others], bool)
        jacobian[:, :, by_scale] *= own["scale"][:, None, None]
        places = np.cumsum(self.searched) - 1
        where = np.column_stack(
            [np.tile(np.arange(free), (len(g), 1)), *(places[problem.columns_of(n)] for n in others)]
        )
        return residuals.ravel(), spread(jacobian, where, len(z)), point


def _descend(objective: _Objective, z: np.ndarray, max_nfev: int, reach: float) -> Any:
    """SciPy's result of a search from ``z``, and from better onsets as long as there are any."""
    problem, end = objective.problem, objective.minimise(z, max_nfev)
    for _ in range(_SHIFTS):
        point = objective.complete(end.x)
        if "onset" not in problem.own or not onset.is_steep(problem, point):
            break
        shifted = onset.scan(problem, point, reach)
        if shifted is point:
            break
        again = objective.minimise(shifted[objective.searched], max_nfev)
        if again.cost > end.cost * (1 + _SAME):
            break
        end = again
    return end


def _settled(objective: _Objective, ends: list[Any], asked: np.ndarray, max_nfev: int, reach: float) -> Any:
    """The best of the ``ends``, come to rest: one that was cut short goes on, in its place in the list."""
    while True:
        best = _best(ends, asked)
        if best.status != 0 or best.nfev >= max_nfev or max_nfev <= _BRIEF:
            return best
        end = _descend(objective, best.x, max_nfev, reach)
        end.nfev = max(end.nfev, max_nfev if end.status == 0 else 0)
        # What does not get any lower is at rest too.
        ends[[other is best for other in ends].index(True)] = end if end.cost <= best.cost else _at_rest(best)


def _at_rest(end: Any) -> Any:
    end.status, end.success = 2, True
    return end


def _agree(ends: list[Any]) -> int:
    """How many of the starts ended at the lowest sum of squares."""
    squares = 2 * np.array([end.cost for end in ends])
    return int((squares <= squares.min(initial=np.inf) * (1 + _SAME) + _SAME**2).sum())


def _best(ends: list[Any], parameters: np.ndarray) -> Any:
    """The lowest; of those that are as low, the one whose parameters are nearest to those asked for.

    So the two time constants of dual_expon, which may change places without changing the curve, stay as they were.
    """
    squares = 2 * np.array([end.cost for end in ends])
    low = [end for end, at in zip(ends, squares, strict=True) if at <= squares.min() * (1 + _SAME) + _SAME**2]
    return min(low, key=lambda end: np.square(end.x[: len(parameters)] - parameters).sum())


def _as_asked(problem: Problem, point: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The point, with two parameters exchanged where that is nearer to those asked for and the curve stays the same.

    `_best` has no choice where all starts ended with the time constants of dual_expon in the other order.
    """
    units = dict(zip(problem.params._fields, problem.kernel.UNITS, strict=True))
    value = curve(problem, point).value
    for i, j in itertools.combinations(range(len(asked)), 2):
        other = point.copy()
        other[[i, j]] = point[[j, i]]
        nearer = np.square(other[: len(asked)] - asked).sum() < np.square(point[: len(asked)] - asked).sum()
        within = (problem.lower <= other).all() and (other <= problem.upper).all()
        alike = units[problem.free[i]] == units[problem.free[j]] and problem.logarithmic[i] == problem.logarithmic[j]
        if nearer and within and alike and np.allclose(curve(problem, other).value, value, 0, _SAME * np.ptp(value)):
            point = other
    return point


def _given(problem: Problem) -> np.ndarray:
    """The point where parameters are as given, and scale, offset and onset 0."""
    point = np.zeros(len(problem.lower))
    point[: len(problem.free)] = [getattr(problem.params, name) for name in problem.free]
    point[: len(problem.free)][list(problem.logarithmic)] = np.log(
        point[: len(problem.free)][list(problem.logarithmic)]
    )
    return point


def _moved(problem: Problem, point: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """The point with the parameters multiplied by ``factors``, (P,)."""
    parameters = point[: len(problem.free)]
    moved = np.where(problem.logarithmic, parameters + np.log(factors), parameters * factors)
    return np.concatenate([moved, point[len(problem.free) :]])


def _even(number: int, axes: int) -> np.ndarray:
    """Points that fill the cube from -1 to 1 evenly, the first at its centre: (number, axes).

    Source: the additive recurrence of the generalised golden ratio, Roberts 2018, "The unreasonable effectiveness
    of quasirandom sequences".
    """
    ratio = 2.0
    for _ in range(50):
        ratio = (1 + ratio) ** (1 / (axes + 1))
    return 2 * ((0.5 + np.outer(np.arange(number), ratio ** -np.arange(1.0, axes + 1))) % 1) - 1
