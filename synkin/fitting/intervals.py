"""Intervals that are as lopsided as what is known: profiles of the sum of squares, and the bootstrap.

A standard error is the curvature of the sum of squares at its lowest point. A profile follows it away from there: one
quantity is held at value after value, all others are fitted anew at each, and it ends where the sum has grown by more
than noise explains. The bootstrap asks nothing of the noise but that what was recorded stands for what could have been.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from synkin.arguments import fields
from synkin.arguments.choices import check_choice
from synkin.arguments.numbers import check_number, check_whole
from synkin.fitting import autocorrelation as neighbours
from synkin.fitting import optimizer
from synkin.fitting.formatting import rounded
from synkin.fitting.problem import REACH, Problem

# What the intervals hold, and where these lie on a normal curve.
LEVELS = (0.68, 0.95)
# A profile goes on to this times the distance of the wider interval, in steps of about this part of it, and at most so
# many to each side; the first of them, where the standard error is infinite, to this part of the value.
_BEYOND, _PARTS, _STEPS, _FIRST = 1.15, 1 / 7, 40, 0.1
# A sum of squares that is lower than the lowest by more than this part is another place.
_LOWER = 1e-4
# The blocks of the bootstrap are so many times as long as what counts as one sample, and there are so many at least.
_BLOCK, _BLOCKS = 2.0, 10
# From so many recordings on, the bootstrap draws among them.
_SWEEPS = 5


@fields.described
@dataclass(frozen=True, eq=False)
class Profile:
    """How fast the sum of squares S grows as one quantity is moved away from its best value, all others following.

    ``distance`` is the signed root of (S / S_best - 1) ``freedom``: Student's t, made for curves that are not straight
    in the quantity. The interval to a level ends where it passes t's quantile.
    """

    name: Annotated[str, "of the quantity"]
    unit: Annotated[str, "its unit"]
    best: Annotated[float, "its value in the fit", "`unit`"]
    values: Annotated[np.ndarray, "(n,) increasing", "`unit`"]
    squares: Annotated[np.ndarray, "(n,) the sum of squares at each", "square of the trace's unit"]
    distance: Annotated[np.ndarray, "(n,) 0 at the best value, negative below", "1"]
    interval68: Annotated[
        tuple[float, float],
        "its ends, infinite or 0 where the recording tells none",
        "`unit`",
    ]
    interval95: Annotated[tuple[float, float], "the same for 95 %", "`unit`"]
    stderr: Annotated[float, "the standard error, for comparison", "`unit`"]
    freedom: Annotated[float, "independent samples that are left"]
    passed: Annotated[float, "the distance at the ends of the 95 % interval", "1"]
    message: Annotated[str, "what is to be said of it; '' if nothing is"]

    def __repr__(self) -> str:
        lines = [f"Profile of {self.name}: {rounded(self.best, self.stderr)[0]} {self.unit}".rstrip()]
        for level, ends in zip(LEVELS, (self.interval68, self.interval95), strict=True):
            lines.append(f"  {100 * level:.0f} %: {between(self.best, ends)}")
        lines.append(f"  (one standard error to each side: {_symmetric(self.best, self.stderr)})")
        return "\n".join([*lines, *([self.message] if self.message else [])])


@fields.described
@dataclass(frozen=True, eq=False)
class Bootstrap:
    """What fits of recordings drawn at random say: ``samples`` has a row for each, a column for each of ``names``."""

    names: Annotated[tuple[str, ...], "of the quantities"]
    units: Annotated[tuple[str, ...], "of each"]
    best: Annotated[np.ndarray, "(P,) of the fit itself", "`units`"]
    samples: Annotated[np.ndarray, "(n, P) a row for each draw", "`units`"]
    over: Annotated[str, "'sweeps' or 'blocks'"]
    block: Annotated[int, "samples in a block; 0 over sweeps"]
    independent: Annotated[float, "how many sweeps, or independent samples, can differ from draw to draw"]

    @cached_property
    def stderr(self) -> dict[str, float]:
        """The standard deviation of each, by name."""
        return dict(zip(self.names, map(float, self.samples.std(axis=0, ddof=1)), strict=True))

    @cached_property
    def interval68(self) -> dict[str, tuple[float, float]]:
        """Of each, by name, what holds the truth with 68 %."""
        return self._middle(LEVELS[0])

    @cached_property
    def interval95(self) -> dict[str, tuple[float, float]]:
        """Of each, by name, what holds the truth with 95 %."""
        return self._middle(LEVELS[1])

    def _middle(self, level: float) -> dict[str, tuple[float, float]]:
        """The middle of the draws, and as much more of it as few samples ask for.

        Draws of n sweeps scatter by sqrt((n - 1) / n) of what sweeps do, and as if that were known exactly: what is
        looked up is what lies within Student's t of the middle of a normal curve, not 1.96 of it.

        Source: Hesterberg 2015, Am. Stat. 69:371, for the wider percentiles.
        """
        from scipy.stats import norm, t

        wider = np.sqrt(self.independent / (self.independent - 1)) if self.over == "sweeps" else 1.0
        tail = norm.cdf(-wider * t.ppf((1 + level) / 2, max(self.independent - 1, 1.0)))
        low, high = np.quantile(self.samples, [tail, 1 - tail], axis=0)
        return {name: (float(a), float(b)) for name, a, b in zip(self.names, low, high, strict=True)}

    def __repr__(self) -> str:
        what = "sweeps" if self.over == "sweeps" else f"blocks of {self.block} residuals"
        rows: list[tuple[str, ...]] = [("", "value", "68 %", "95 %", "unit")]
        for name, unit, best in zip(self.names, self.units, self.best, strict=True):
            ends = (self.interval68[name], self.interval95[name])
            rows.append((name, rounded(best, self.stderr[name])[0], *(between(best, e) for e in ends), unit))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([f"Bootstrap of {len(self.samples):,} draws of {what}", *table])


def between(best: float, ends: tuple[float, float]) -> str:
    """Such as "0.84 to 1.31": each end to two digits of its distance."""
    # An end at exactly 0 is that of a positive quantity of which nothing is known downwards.
    low, high = (rounded(end, abs(end - best))[0] if np.isfinite(end) and end != 0 else "" for end in ends)
    if not low and not high:
        return "anything"
    return f"{low} to {high}" if low and high else f"{low} or more" if low else f"{high} or less"


def profile(problem: Problem, point: np.ndarray, width: float, alike: float, name: str, stderr: float) -> Profile:
    """The profile of ``name`` from the best ``point`` (N,)."""
    from scipy.stats import t as students_t

    held_at, coordinate = _held(problem, point, name)
    objective_of = _Follower(problem, point, width)
    freedom = max(problem.present.sum() / alike - len(point), 1.0)
    quantiles = [float(students_t.ppf((1 + level) / 2, freedom)) for level in LEVELS]
    start = _without(problem, point, name)
    lowest, start = objective_of(held_at(coordinate), start)
    is_logarithm = name in problem.free and problem.logarithmic[problem.free.index(name)]
    value_of = np.exp if is_logarithm else lambda x: x
    relative = stderr / abs(value_of(coordinate)) if is_logarithm else stderr
    first = relative if np.isfinite(relative) and relative > 0 else _FIRST * (1.0 if is_logarithm else abs(coordinate))
    index = problem.labels.index(name)
    limits = problem.lower[index], problem.upper[index]
    if is_logarithm:  # a bound that nobody gave is no end
        far = np.log(REACH) * (1 - 1e-9)
        given = [abs(limit - np.log(getattr(problem.params, name))) < far for limit in limits]
    else:
        given = [True, True]
    sides = [
        _followed(objective_of, held_at, coordinate, start, lowest, freedom, first or 1.0, sign, quantiles[1], limits)
        for sign in (-1, 1)
    ]
    (low, low_end), (high, high_end) = sides
    low_end, high_end = (
        end if is_given else end._replace(limit=np.inf)
        for end, is_given in zip((low_end, high_end), given, strict=True)
    )
    rows = np.array([*reversed(low), (coordinate, lowest), *high])
    growth = rows[:, 1] / max(lowest, np.finfo(float).tiny) - 1
    distance = np.sign(rows[:, 0] - coordinate) * np.sqrt(np.maximum(growth, 0.0) * freedom)
    middle = len(low)
    away = np.abs(distance)
    nearest_first = (rows[middle::-1, 0], away[middle::-1]), (rows[middle:, 0], away[middle:])
    ends = [
        (
            _crossing(*nearest_first[0], quantile, low_end, value_of, -1),
            _crossing(*nearest_first[1], quantile, high_end, value_of, 1),
        )
        for quantile in quantiles
    ]
    message = ""
    if growth.min() < -_LOWER:
        at = float(value_of(rows[int(growth.argmin()), 0]))
        message = (
            f"At {name} = {at:.5g} the sum of squares is lower than at the best that the search found: "
            "fit again with that as a start."
        )
    units = dict(zip(problem.params._fields, problem.kernel.UNITS, strict=True))
    own = {"scale": f"{problem.unit}/mS" if problem.unit else "", "offset": problem.unit, "onset": "ms"}
    return Profile(
        name=name,
        unit=(units | own)[name.partition("[")[0]] or "",
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
    )


class _End(NamedTuple):
    """Why a side of a profile ended."""

    limit: float  # the coordinate beyond which it cannot go, where that was reached; else infinite


def _followed(
    objective_of: "_Follower",
    held_at: Any,
    coordinate: float,
    start: np.ndarray,
    lowest: float,
    freedom: float,
    first: float,
    sign: int,
    quantile: float,
    limits: tuple[float, float],
) -> tuple[list[tuple[float, float]], _End]:
    """Coordinates and sums of squares to one side, from near to far."""
    at, before, z = coordinate, 0.0, start
    found: list[tuple[float, float, np.ndarray]] = [(coordinate, lowest, start)]
    step, far = _PARTS * quantile * first, _BEYOND * quantile
    limit, ended = limits[0] if sign < 0 else limits[1], np.inf
    for _ in range(_STEPS):
        at = at + sign * step
        if (reached := sign * at >= sign * limit) or not np.isfinite(at):
            at = limit
        squares, moved = objective_of(held_at(at), z)
        if len(found) > 1:  # also from where the last two lead to
            ahead = z + (z - found[-2][2]) * (at - found[-1][0]) / (found[-1][0] - found[-2][0])
            squares, moved = min((squares, moved), objective_of(held_at(at), ahead), key=lambda pair: pair[0])
        if not np.isfinite(squares):
            break
        found.append((at, squares, moved))
        z = moved
        distance = float(np.sqrt(max(squares / max(lowest, np.finfo(float).tiny) - 1, 0.0) * freedom))
        if reached:
            ended = at
        if reached or distance >= far or before >= quantile:
            break
        # As long as the next stretch of distance is expected to take.
        gained = max(distance - before, 0.0)
        longer = np.clip(_PARTS * quantile / gained, 0.3, 3.0) if gained > 0 else 3.0
        step, before = step * float(longer), distance
    # And back: where there are low places side by side, another one may be found from the far end.
    rows: list[tuple[float, float]] = []
    for at, squares, moved in reversed(found[1:]):
        if rows:
            squares, moved = min((squares, moved), objective_of(held_at(at), z), key=lambda pair: pair[0])
        rows.append((at, squares))
        z = moved
    return rows[::-1], _End(ended)


def _crossing(at: np.ndarray, distance: np.ndarray, level: float, end: _End, value_of: Any, sign: int) -> float:
    """Where the distance, of one side and from near to far, passes ``level``: the value, or what lies beyond all."""
    from scipy.interpolate import PchipInterpolator

    over = np.flatnonzero(distance >= level)
    if not over.size:
        return float(value_of(end.limit if np.isfinite(end.limit) else sign * np.inf))
    at, distance = at[: over[0] + 2], np.maximum.accumulate(distance[: over[0] + 2])
    # Of what is equally far the farthest: a jump may be anywhere between two samples.
    last = np.append(np.diff(distance) > 0, True)
    if last.sum() < 2 or distance[last][0] > level:
        return float(value_of(at[over[0]]))
    return float(value_of(PchipInterpolator(distance[last], at[last])(level)))


class _Follower:
    """Least squares from where the last one ended, for problems that differ in what is held alone."""

    def __init__(self, problem: Problem, point: np.ndarray, width: float) -> None:
        self.importance = optimizer.weighted(problem, point, width)

    def __call__(self, problem: Problem, start: np.ndarray) -> tuple[float, np.ndarray]:
        """The sum of squares and the point at which it is lowest, from ``start`` (N,)."""
        return optimizer.follow(replace(problem, importance=self.importance), start)


def _held(problem: Problem, point: np.ndarray, name: str) -> tuple[Any, float]:
    """A function from a coordinate of ``name`` to the problem where it is held there, and its best one."""
    check_choice("name", name, problem.labels)
    if "[" in name:
        raise ValueError(f"Argument `name` must be of what all recordings share, but is {name!r}.")
    index = problem.labels.index(name)
    keep = np.arange(len(problem.labels)) != index
    lower, upper = problem.lower[keep], problem.upper[keep]
    if name not in problem.free:
        own = tuple(other for other in problem.own if other != name)
        shared = tuple(other for other in problem.shared if other != name)

        def held_own(value: float) -> Problem:
            held = problem.held | {name: float(value)}
            return replace(problem, own=own, shared=shared, held=held, lower=lower, upper=upper)

        return held_own, float(point[index])
    i = problem.free.index(name)
    free = tuple(other for other in problem.free if other != name)
    logarithmic = tuple(known for j, known in enumerate(problem.logarithmic) if j != i)
    ties = tuple((one, other) for one, other in problem.ties if other != name)
    tied = [one for one, other in problem.ties if other == name]

    def held_parameter(value: float) -> Problem:
        number = float(np.exp(value) if problem.logarithmic[i] else value)
        params = problem.params._replace(**{one: number for one in (name, *tied)})
        return replace(problem, params=params, free=free, logarithmic=logarithmic, ties=ties, lower=lower, upper=upper)

    return held_parameter, float(point[index])


def _without(problem: Problem, point: np.ndarray, name: str) -> np.ndarray:
    return np.delete(point, problem.labels.index(name))


def bootstrap(
    problem: Problem, point: np.ndarray, width: float, alike: float, n: int, key: Any, over: str | None
) -> Bootstrap:
    """Fits of ``n`` recordings drawn at random."""
    check_whole("n", n)
    rng = np.random.default_rng(_seed(key))
    recordings = len(problem.trace)
    if over is None:
        over = "sweeps" if recordings >= _SWEEPS else "blocks"
    check_choice("over", over, ("sweeps", "blocks"))
    if over == "sweeps" and recordings < 2:
        raise ValueError("Argument `over` must be 'blocks' for a single recording, but is 'sweeps'.")
    names = [label for label in problem.labels if "[" not in label]
    kept = [problem.labels.index(name) for name in names]
    is_logarithm = np.array([name in problem.free and problem.logarithmic[problem.free.index(name)] for name in names])
    draw = _sweeps if over == "sweeps" else _blocks
    block = 0 if over == "sweeps" else _length(problem, alike)
    independent = recordings if over == "sweeps" else problem.present.sum() / alike - len(point) + 1
    importance = optimizer.weighted(problem, point, width)
    problem = replace(problem, importance=importance)
    make = draw(problem, point, block)
    found = np.array([optimizer.follow(*make(rng))[1][kept] for _ in range(int(n))])
    best = point[kept].copy()
    for rows in (found, best[None]):
        rows[:, is_logarithm] = np.exp(rows[:, is_logarithm])
    units = dict(zip(problem.params._fields, problem.kernel.UNITS, strict=True))
    units |= {"scale": f"{problem.unit}/mS" if problem.unit else "", "offset": problem.unit, "onset": "ms"}
    named = tuple(units[name] or "" for name in names)
    return Bootstrap(tuple(names), named, best, found, over, block, float(independent))


def _sweeps(problem: Problem, point: np.ndarray, block: int) -> Any:
    """A function that draws as many sweeps as there are, with what is each one's own."""
    del block
    recordings = len(problem.trace)

    def make(rng: np.random.Generator) -> tuple[Problem, np.ndarray]:
        rows = rng.integers(recordings, size=recordings)
        moved, lower, upper = point.copy(), problem.lower.copy(), problem.upper.copy()
        for name in problem.own:
            if name not in problem.shared:
                columns = problem.columns_of(name)
                for a, full in ((moved, point), (lower, problem.lower), (upper, problem.upper)):
                    a[columns] = full[columns[rows]]
        by_row = {
            name: value[rows]
            for name in ("spike_times", "weights", "times", "sent")
            if (value := getattr(problem, name)).ndim == 2
        }
        arrays = {name: getattr(problem, name)[rows] for name in ("trace", "present", "importance")}
        return replace(problem, lower=lower, upper=upper, **by_row, **arrays), moved

    return make


def _blocks(problem: Problem, point: np.ndarray, block: int) -> Any:
    """A function that draws residuals in blocks, which keep what neighbours have in common, around the curve."""
    from synkin.fitting.model import curve

    value = curve(problem, point).value
    present = problem.present
    residuals = np.where(present, problem.trace - value, 0.0) * problem.importance
    common = neighbours.correlation(residuals, present, len(point))
    alike = neighbours.count(common, present, len(point))
    # What was fitted took its share of the noise, and between blocks is lost what neighbours have in common.
    residuals *= np.sqrt(present.sum() / max(present.sum() - len(point) * alike, 1.0))
    residuals *= np.sqrt(alike / neighbours.within(common, block))
    length = residuals.shape[1]

    def make(rng: np.random.Generator) -> tuple[Problem, np.ndarray]:
        trace = np.zeros_like(value)
        for r, row in enumerate(residuals):
            there = row[present[r]]
            starts = rng.integers(len(there), size=-(-length // block))
            drawn = there[(starts[:, None] + np.arange(block)).ravel() % len(there)]
            trace[r, present[r]] = drawn[: present[r].sum()]
        return replace(problem, trace=np.where(present, value + trace / problem.importance, 0.0)), point

    return make


def _length(problem: Problem, alike: float) -> int:
    """How many samples a block has."""
    block = max(1, int(np.ceil(_BLOCK * alike)))
    least = int(problem.present.sum(axis=1).min())
    if least < _BLOCKS * block:
        raise ValueError(
            f"A bootstrap of blocks needs {_BLOCKS} blocks of {block} samples, as long as the residuals are alike, but "
            f"a recording has {least} samples: give several sweeps, or see `profile`."
        )
    return block


def _seed(key: Any) -> Any:
    """What NumPy's generator takes, of a whole number or of JAX's key."""
    if isinstance(key, jax.Array):
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
            key = jax.random.key_data(key)
        return [int(word) for word in np.asarray(key).ravel()]
    expected = "a whole number of 0 or more or a key of jax.random"
    return int(check_number("key", key, lambda k: k >= 0 and k == np.floor(k), expected))


def _symmetric(best: float, stderr: float) -> str:
    return between(best, (best - stderr, best + stderr))
