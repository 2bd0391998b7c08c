"""Profiles of the sum of squares: intervals that may be wider on one side than on the other.

A standard error follows from the curvature of the sum of squares at its minimum. A profile shows the sum farther away:
one quantity is held at a series of values, and all others are fitted again at each of them. The profile ends where the
sum has grown by more than noise explains.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from synkin.arguments import fields
from synkin.arguments.choices import check_choice
from synkin.fitting.formatting import interval, rounded
from synkin.fitting.problem import REACH, Problem
from synkin.fitting.search.objective import robust_importance
from synkin.fitting.search.optimizer import refine
from synkin.fitting.uncertainty.standard_errors import ENOUGH_RECORDINGS

# The probabilities of the intervals.
LEVELS = (0.68, 0.95)
# A profile ends at this many times the distance of the wider interval. Its steps are about this fraction of that
# distance, at most this many to each side. If the standard error is infinite, the first step is this fraction of the
# value.
_BEYOND, _PARTS, _STEPS, _FIRST = 1.15, 1 / 7, 40, 0.1
# The search missed the best point if a profile has a sum of squares that is lower by more than this fraction.
_LOWER = 1e-4

# From a coordinate, or an array of them, to the quantity.
_Value = Callable[[ArrayLike], np.ndarray]


@fields.described
@dataclass(frozen=True, eq=False)
class Profile:
    """What `synkin.Fit.profile` returns: the lowest sum of squares S when one quantity is held away from its best
    value.

    ``distance`` is sqrt((S / S_best - 1) ``freedom``), negative below the best value. An interval ends where it reaches
    the quantile of Student's t distribution. For a fit with channels S is 1 plus the growth of -2 times the logarithm
    of the likelihood, ``freedom`` is 1, and the quantile is that of the normal distribution.

    Example:
        >>> times = np.arange(0.0, 20.0, 0.5)
        >>> trace = 3.0 * np.exp(-times / 5.0) + 0.01 * np.cos(9 * times)
        >>> result = synkin.fit(synkin.expon, synkin.expon.Params(), [0.0], times, trace, free="tau", scale=True)
        >>> profile = result.profile("tau")
        >>> profile.interval68[0] > profile.interval95[0]
        True
    """

    name: Annotated[str, "the name of the quantity"]
    unit: Annotated[str, "its unit"]
    best: Annotated[float, "its value in the fit", "`unit`"]
    values: Annotated[np.ndarray, "(n,) the values at which it was held, increasing", "`unit`"]
    squares: Annotated[np.ndarray, "(n,) the lowest sum of squares at each value", "square of the trace's unit"]
    distance: Annotated[
        np.ndarray, "(n,) how far each value is from the best one, in standard errors; negative below", "1"
    ]
    interval68: Annotated[
        tuple[float, float],
        "the ends of the interval to 68 %; infinite or 0 if the recording sets no limit",
        "`unit`",
    ]
    interval95: Annotated[tuple[float, float], "the same to 95 %", "`unit`"]
    stderr: Annotated[float, "the standard error, for comparison", "`unit`"]
    freedom: Annotated[float, "the number of independent samples less the number of fitted numbers"]
    passed: Annotated[float, "the distance at the ends of the 95 % interval", "1"]
    message: Annotated[str, "a warning if the search missed the best point, else ''"]
    growth_of: Annotated[str, "what grows"] = "sum of squares"

    def __repr__(self) -> str:
        lines = [f"Profile of {self.name}: {rounded(self.best, self.stderr)[0]} {self.unit}".rstrip()]
        for level, ends in zip(LEVELS, (self.interval68, self.interval95), strict=True):
            lines.append(f"  {100 * level:.0f} %: {interval(self.best, ends)}")
        symmetric = interval(self.best, (self.best - self.stderr, self.best + self.stderr))
        lines.append(f"  (one standard error to each side: {symmetric})")
        return "\n".join([*lines, *([self.message] if self.message else [])])


def profile(
    problem: Problem,
    point: np.ndarray,
    width: float,
    inefficiency: float,
    name: str,
    stderr: float,
    others: np.ndarray,
) -> Profile:
    """The profile of ``name`` around the best ``point`` (N,).

    Args:
        problem: what was fitted.
        point: the result.
        width: the residual from which on the loss is linear, in the trace's unit; inf for least squares.
        inefficiency: how many neighbouring samples count as one in the error of ``name``.
        name: a coordinate that all recordings share.
        stderr: its standard error.
        others: (n, N) other minima within the noise, which the profile reaches and from which fits begin too.

    Raises:
        ValueError: another name.
    """
    from scipy.stats import t as students_t  # here, because it takes long to import

    _check_name(problem, name)
    problem = replace(problem, importance=robust_importance(problem, point, width))
    held_at = _holding(problem, name)
    index = problem.labels.index(name)
    freedom = max(problem.present.sum() / inefficiency - len(point), 1.0)
    recordings = len(problem.trace)
    known = min(freedom, recordings - 1) if recordings >= ENOUGH_RECORDINGS else freedom

    def refit(at: float, others: np.ndarray) -> tuple[float, np.ndarray]:
        return refine(held_at(at), others)

    quantity = Quantity(
        name=name,
        unit=problem.units[name],
        coordinate=float(point[index]),
        is_logarithm=bool(problem.are_logarithms[index]),
        # An interval may end at a bound that was given, but not at a default bound.
        bounds=tuple(Bound(end, is_given(problem, name, end)) for end in (problem.lower[index], problem.upper[index])),
        stderr=stderr,
    )
    quantiles = [float(students_t.ppf((1 + level) / 2, known)) for level in LEVELS]
    minima = [(float(other[index]), np.delete(other, index)) for other in others]
    return profile_along(refit, quantity, np.delete(point, index), minima, freedom, quantiles)


class Bound(NamedTuple):
    """How far a profile may go to one side."""

    at: float  # a coordinate; infinite if there is none
    is_end: bool  # whether an interval may end there


class Quantity(NamedTuple):
    """What a profile is of."""

    name: str
    unit: str
    coordinate: float  # at the best point
    is_logarithm: bool  # whether the coordinate is the logarithm of the quantity
    bounds: tuple[Bound, ...]  # lower, upper
    stderr: float


def profile_along(
    refit: Callable[[float, np.ndarray], tuple[float, np.ndarray]],
    quantity: Quantity,
    others: np.ndarray,
    minima: list[tuple[float, np.ndarray]],
    freedom: float,
    quantiles: list[float],
    growth_of: str = "sum of squares",
) -> Profile:
    """The profile of a quantity.

    Args:
        refit: from its coordinate, and the others' at which to begin, to the lowest sum of squares and the others'.
        quantity: what it is.
        others: (N - 1,) the other coordinates at the best point.
        minima: the coordinate and the others of further minima within the noise.
        freedom: see `Profile`.
        quantiles: the distances at which the 68 and the 95 % interval end.
        growth_of: what grows.
    """
    name, unit, coordinate, is_logarithm, bounds, stderr = quantity
    lowest, start = refit(coordinate, others)
    value_of: _Value = np.exp if is_logarithm else np.asarray
    relative = stderr / abs(float(value_of(coordinate))) if is_logarithm else stderr
    first = relative if np.isfinite(relative) and relative > 0 else _FIRST * (1.0 if is_logarithm else abs(coordinate))
    best = _Place(coordinate, lowest, start)
    steps = _Steps(lowest, freedom, first or 1.0, quantiles[1])
    further = [_Place(at, np.inf, there) for at, there in minima]
    below, above = (
        _one_side(refit, best, further, steps, sign, bound.at) for sign, bound in zip((-1, 1), bounds, strict=True)
    )
    rows = np.array([(place.at, place.squares) for place in (*reversed(below.places), best, *above.places)])
    growth = rows[:, 1] / max(lowest, np.finfo(float).tiny) - 1
    distance = np.sign(rows[:, 0] - coordinate) * np.sqrt(np.maximum(growth, 0.0) * freedom)
    middle, away = len(below.places), np.abs(distance)
    low_limit, high_limit = (
        side.limit if bound.is_end else np.inf for side, bound in zip((below, above), bounds, strict=True)
    )
    ends = [
        (
            _crossing(rows[middle::-1, 0], away[middle::-1], quantile, low_limit, value_of, -1),
            _crossing(rows[middle:, 0], away[middle:], quantile, high_limit, value_of, 1),
        )
        for quantile in quantiles
    ]
    message = ""
    if growth.min() < -_LOWER:
        at = float(value_of(rows[int(growth.argmin()), 0]))
        message = (
            f"At {name} = {at:.5g} the {growth_of} is lower than at the best point that the search found: "
            "fit again, starting there."
        )
    return Profile(
        name=name,
        unit=unit,
        best=float(value_of(coordinate)),
        values=np.asarray(value_of(rows[:, 0])),
        squares=rows[:, 1],
        distance=distance,
        interval68=ends[0],
        interval95=ends[1],
        stderr=float(stderr),
        freedom=float(freedom),
        passed=quantiles[1],
        message=message,
        growth_of=growth_of,
    )


class _Place(NamedTuple):
    """A place on a profile."""

    at: float  # the coordinate of the quantity
    squares: float  # the sum of squares there
    others: np.ndarray  # (N - 1,) the best values of all other coordinates


class _Side(NamedTuple):
    """One side of a profile."""

    places: list[_Place]  # from near to far
    limit: float  # the bound at which it ended, as a coordinate; infinite if it ended before


class _Steps(NamedTuple):
    """What decides the steps of a profile."""

    lowest: float  # the sum of squares at the best place
    freedom: float
    first: float  # the first step, over a distance of 1
    quantile: float  # the distance at which the wider interval ends

    def distance(self, squares: float) -> float:
        """The distance of a place from the best one, see `Profile`."""
        growth = squares / max(self.lowest, np.finfo(float).tiny) - 1
        return float(np.sqrt(max(growth, 0.0) * self.freedom))


def _one_side(
    refit: Callable[[float, np.ndarray], tuple[float, np.ndarray]],
    best: _Place,
    minima: list[_Place],
    steps: _Steps,
    sign: int,
    bound: float,
) -> _Side:
    """The places below (``sign`` -1) or above (1) the best one, at least as far as other ``minima`` are."""
    found = [best]
    farthest = max([sign * best.at, *(sign * other.at for other in minima)])
    step, before, end = _PARTS * steps.quantile * steps.first, 0.0, np.inf
    at = best.at
    for _ in range(_STEPS):
        at = at + sign * step
        if (reached := sign * at >= sign * bound) or not np.isfinite(at):
            at = bound
        last = found[-1]
        place = _Place(at, *refit(at, last.others))
        if len(found) > 1:  # also from the extrapolation of the last two places
            slope = (last.others - found[-2].others) * (at - last.at) / (last.at - found[-2].at)
            place = _lower(place, _Place(at, *refit(at, last.others + slope)))
        for other in minima:
            place = _lower(place, _Place(at, *refit(at, other.others)))
        if not np.isfinite(place.squares):
            break
        found.append(place)
        distance = steps.distance(place.squares)
        if reached:
            end = at
        over = distance >= _BEYOND * steps.quantile or before >= steps.quantile
        if reached or (over and sign * at > farthest):
            break
        # The next step is expected to increase the distance by one part.
        gained = max(distance - before, 0.0)
        longer = np.clip(_PARTS * steps.quantile / gained, 0.3, 3.0) if gained > 0 else 3.0
        step, before = step * float(longer), distance
    # If there are several minima side by side, fits on the way back may find lower ones than on the way out.
    back: list[_Place] = []
    for place in reversed(found[1:]):
        if back:
            place = _lower(place, _Place(place.at, *refit(place.at, back[-1].others)))
        back.append(place)
    return _Side(back[::-1], float(end))


def _lower(one: _Place, other: _Place) -> _Place:
    return other if other.squares < one.squares else one


def _crossing(at: np.ndarray, distance: np.ndarray, level: float, limit: float, value_of: _Value, sign: int) -> float:
    """The value at which the distance, given from near to far, last passes ``level``; the limit if it does not."""
    from scipy.interpolate import PchipInterpolator  # here, because it takes long to import

    if distance[-1] < level:
        return float(value_of(limit if np.isfinite(limit) else sign * np.inf))
    over = np.flatnonzero(distance >= level)
    if (distance[over[0] :] < level).any():  # behind a ridge there is another minimum: the interval ends beyond it
        last = int(np.flatnonzero(distance < level)[-1])
        return float(value_of(np.interp(level, distance[last : last + 2], at[last : last + 2])))
    at, distance = at[: over[0] + 2], np.maximum.accumulate(distance[: over[0] + 2])
    # Of places at the same distance the farthest counts, because a jump may lie anywhere between two of them.
    farthest = np.append(np.diff(distance) > 0, True)
    if farthest.sum() < 2 or distance[farthest][0] > level:
        return float(value_of(at[over[0]]))
    return float(value_of(PchipInterpolator(distance[farthest], at[farthest])(level)))


def _check_name(problem: Problem, name: str) -> None:
    check_choice("name", name, problem.labels)
    if name not in problem.names:  # a label such as "scale[3]"
        raise ValueError(f"Argument `name` must be a quantity that all recordings share, but is {name!r}.")


def is_given(problem: Problem, name: str, limit: float) -> bool:
    """Whether a bound of ``name`` was given, and is not the default one of a positive parameter."""
    if not problem.are_logarithms[problem.labels.index(name)]:
        return True
    return bool(abs(limit - np.log(problem.params[name])) < np.log(REACH) * (1 - 1e-9))


def _holding(problem: Problem, name: str) -> Callable[[float], Problem]:
    """A function from a coordinate of ``name`` to the problem in which it is held there."""
    keep = np.arange(len(problem.labels)) != problem.labels.index(name)
    lower, upper = problem.lower[keep], problem.upper[keep]
    if name not in problem.free:
        own = tuple(other for other in problem.own if other != name)
        shared = tuple(other for other in problem.shared if other != name)

        def hold_own(value: float) -> Problem:
            held = problem.held | {name: float(value)}
            return replace(problem, own=own, shared=shared, held=held, lower=lower, upper=upper)

        return hold_own
    i = problem.free.index(name)
    free = tuple(other for other in problem.free if other != name)
    logarithmic = tuple(is_logarithm for j, is_logarithm in enumerate(problem.logarithmic) if j != i)

    def hold_parameter(value: float) -> Problem:
        number = float(np.exp(value) if problem.logarithmic[i] else value)
        params = problem.params | {name: number}
        return replace(problem, params=params, free=free, logarithmic=logarithmic, lower=lower, upper=upper)

    return hold_parameter
