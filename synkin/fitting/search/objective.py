"""The sum of squares as SciPy's least squares takes it: residuals and Jacobian.

The curve is linear in scale and offset, so that their best values for given parameters and onset follow directly. The
search therefore runs over the other coordinates alone (variable projection, Golub and Pereyra 1973, SIAM J. Numer.
Anal. 10:413, with the Jacobian of Kaufman 1975, BIT 15:49). It needs no initial guess of scale and offset, and it does
not take many small steps along directions in which a larger scale compensates a smaller parameter. Scale and offset are
searched only if they have bounds or are shared by all recordings.
"""

from dataclasses import dataclass

import numpy as np

from synkin.fitting.model import curve, qr_factors, response, stacked
from synkin.fitting.problem import Problem
from synkin.fitting.search.progress import Progress

# The quantities in which the curve is linear.
_LINEAR = ("scale", "offset")
# If less than this fraction of a derivative is left, what is left is a rounding error.
_ROUNDING = 1e-10
# Two points are the same if their coordinates differ by less than this fraction.
_SAME = 1e-6
# Under "soft_l1" residuals lose weight if they are larger than this many times the noise. If there is no noise, they
# lose weight if they are larger than this fraction of the trace's size.
_OUTLIER, _NARROWEST = 1.5, 1e-9
# How often the noise, which decides what is an outlier, is estimated, and how often weights are computed at most.
_NOISE_ROUNDS, _MAX_ROUNDS = 3, 50


@dataclass(frozen=True)
class Descent:
    """Where one descent ended."""

    x: np.ndarray  # (n,) the searched coordinates
    cost: float  # half of the sum of squares, in units of `Objective.unit` squared
    at_rest: bool  # whether it ended by itself, before `max_nfev`
    at_bound: np.ndarray  # (n,) bool
    nfev: int


class Objective:
    """Residuals and Jacobian as `scipy.optimize.least_squares` asks for them, in units of the trace's size.

    Both are the triangular factors of those of all samples, with which least squares gives the same result: see
    `qr_factors`.
    """

    def __init__(self, problem: Problem, solved: list[str], progress: Progress) -> None:
        """``solved``: which of scale and offset are solved for directly instead of searched."""
        self.problem, self.solved, self.progress = problem, solved, progress
        self.unit = float(np.std(problem.trace[problem.present]))
        self.width = np.inf  # the residual from which on the loss is linear, in the trace's unit
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
        """Whether a descent can start at ``z``."""
        return all(np.isfinite(a).all() for a in self._evaluate(z))

    def minimise(self, z: np.ndarray, max_nfev: int) -> Descent:
        """SciPy's descent from ``z``."""
        from scipy.optimize import least_squares  # here, because it takes long to import

        bounds = self.problem.lower[self.searched], self.problem.upper[self.searched]
        found = least_squares(self.residuals, z, self.jacobian, bounds, x_scale="jac", max_nfev=max_nfev)
        return Descent(found.x, float(found.cost), found.status > 0, found.active_mask != 0, found.nfev)

    def reweigh(self, best: Descent, max_nfev: int) -> Descent:
        """The minimum under the soft-L1 loss, starting from that under least squares.

        It is found by least squares with weights that are computed anew from the residuals until nothing changes.

        Source: Holland and Welsch 1977, Commun. Stat. Theory Methods 6:813.
        """
        problem = self.problem
        for i in range(_MAX_ROUNDS):
            before = self.complete(best.x)
            residuals = (curve(problem, before).value - problem.trace) * problem.importance
            if i < _NOISE_ROUNDS:
                self.width = max(_OUTLIER * robust_deviation(residuals[problem.present]), _NARROWEST * self.unit)
            self.importance = problem.importance * (1 + (residuals / self.width) ** 2) ** -0.25
            self.at = None
            best = self.minimise(best.x, max_nfev)
            moved = np.abs(self.complete(best.x) - before)
            if i >= _NOISE_ROUNDS and (moved <= _SAME * np.maximum(np.abs(before), _SAME)).all():
                break
        return best

    def _evaluate(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Residuals, Jacobian and all coordinates at ``z``."""
        # SciPy asks for the residuals first and then for the Jacobian at the same place.
        if self.at is None or not np.array_equal(z, self.at):
            self.at, self.values = z.copy(), self._values(z)
            self.progress.count()
        return self.values

    def _values(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        problem, parameters, solved = self.problem, len(self.problem.fitted), len(self.solved)
        point = np.zeros(len(problem.lower))
        point[self.searched] = z
        own = problem.split(point)
        g, slope = response(problem, problem.parameters_of(point), own["onset"])
        basis = {"scale": g, "offset": np.ones_like(g), "onset": slope[:, :, -1]}
        others = [name for name in problem.own if name in basis and name not in self.solved]
        columns = [*(basis[name] for name in self.solved), *np.moveaxis(slope[:, :, :-1], 2, 0)]
        columns += [basis[name] for name in others]
        # The last column is the residual of the curve. Scale and offset that are solved for are still 0 in `own`.
        columns += [problem.trace - own["scale"][:, None] * g - own["offset"][:, None]]
        weight = (self.importance / self.unit)[:, :, None]
        triangle = qr_factors(problem, weight * np.stack(columns, axis=2))
        if not np.isfinite(triangle).all():
            rows = triangle.shape[0] * triangle.shape[1]
            return np.full(rows, np.inf), np.full((rows, len(z)), np.inf), point
        # Only the first rows of the triangular factor depend on scale and offset. They give the best values of these.
        first, target = triangle[:, :solved, :solved], triangle[:, :, -1:]
        best = np.linalg.pinv(first) @ target[:, :solved]
        residuals = np.concatenate([first @ best - target[:, :solved], -target[:, solved:]], axis=1)
        for i, name in enumerate(self.solved):
            values = best[:, i, 0]
            if name in problem.shared:  # only an initial guess for the search
                values = np.full_like(values, np.median(values))
            own[name] = point[problem.columns_of(name)] = values
        whole = triangle[:, :, solved:-1]
        jacobian = whole.copy()
        jacobian[:, :solved] = 0.0
        # If scale and offset can compensate a parameter entirely, its derivative is a rounding error and is set to 0.
        sizes = np.linalg.norm(jacobian, axis=1, keepdims=True)
        jacobian *= sizes > _ROUNDING * np.linalg.norm(whole, axis=1, keepdims=True)
        by_scale = np.array([True] * parameters + [name == "onset" for name in others], bool)
        jacobian[:, :, by_scale] *= own["scale"][:, None, None]
        places = np.cumsum(self.searched) - 1
        of_parameters = problem.columns[:, :parameters]
        where = places[np.column_stack([of_parameters, *(problem.columns_of(name) for name in others)])]
        found, slopes = residuals.ravel(), stacked(jacobian, where, len(z))
        if problem.priors:
            known, rows = problem.prior_rows(point)
            found = np.concatenate([found, known / self.unit])
            slopes = np.concatenate([slopes, rows[:, self.searched] / self.unit])
        return found, slopes, point


def linear_quantities(problem: Problem) -> tuple[list[str], list[str]]:
    """Which of scale and offset are free, and which of these can be solved for in each recording by itself.

    A quantity that is shared or has bounds or a prior cannot.
    """
    bounded = np.isfinite(problem.lower) | np.isfinite(problem.upper)
    bounded |= np.isin(problem.names, [prior.name for prior in problem.priors])
    free = [name for name in _LINEAR if name in problem.own]
    return free, [name for name in free if name not in problem.shared and not bounded[problem.columns_of(name)].any()]


def robust_importance(problem: Problem, point: np.ndarray, width: float) -> np.ndarray:
    """The importance of each sample, (R, M), with which least squares has its minimum at ``point``.

    Under the "linear" loss, whose ``width`` is infinite, it is that of the problem.
    """
    residuals = (curve(problem, point).value - problem.trace) * problem.importance
    return problem.importance * (1 + (residuals / width) ** 2) ** -0.25


def robust_deviation(residuals: np.ndarray) -> float:
    """The standard deviation of normal residuals, from their median absolute value, which outliers hardly change."""
    return float(np.median(np.abs(residuals)) / 0.6744897501960817)
