"""The bootstrap: fits of recordings drawn at random from the recorded one.

It assumes nothing about the noise except that the recording is representative of what could have been recorded.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

import jax
import numpy as np

from synkin.arguments import fields
from synkin.arguments.choices import as_seed, check_choice
from synkin.arguments.numbers import check_whole
from synkin.fitting.formatting import aligned, interval, rounded
from synkin.fitting.model import curve
from synkin.fitting.problem import Problem
from synkin.fitting.search.objective import robust_importance
from synkin.fitting.search.optimizer import refine
from synkin.fitting.uncertainty.autocorrelation import autocorrelation, inefficiency, inefficiency_within
from synkin.fitting.uncertainty.profiles import LEVELS

# A block is this many times as long as the neighbouring samples that count as one. A recording must have at least this
# many blocks.
_BLOCK, _BLOCKS = 2.0, 10
# The bootstrap draws sweeps by default if there are at least this many recordings.
_SWEEPS = 5

# A function of a random generator that returns a drawn problem and the starts of its fit.
_Draw = Callable[[np.random.Generator], tuple[Problem, list[np.ndarray]]]


@fields.described
@dataclass(frozen=True, eq=False)
class Bootstrap:
    """What `synkin.Fit.bootstrap` returns: ``samples`` has a row for each draw and a column for each of ``names``.

    Example:
        >>> times = np.arange(0.0, 20.0, 0.5)
        >>> trace = 3.0 * np.exp(-times / 5.0) + 0.01 * np.cos(9 * times)
        >>> result = synkin.fit(synkin.expon, synkin.expon.Params(), [0.0], times, trace, free="tau", scale=True)
        >>> drawn = result.bootstrap(20, key=1)
        >>> low, high = drawn.interval95["tau"]
        >>> low < 5.0 < high
        True
    """

    names: Annotated[tuple[str, ...], "(P,) names of the quantities"]
    units: Annotated[tuple[str, ...], "(P,) their units"]
    best: Annotated[np.ndarray, "(P,) the values of the fit itself", "`units`"]
    samples: Annotated[np.ndarray, "(n, P) the values of each draw, a row a draw", "`units`"]
    over: Annotated[str, "what was drawn: 'sweeps', 'blocks' or 'wild'"]
    block: Annotated[int, "the number of samples in a block; 0 for sweeps"]
    independent: Annotated[float, "the number of sweeps, or of independent samples, that can differ between draws"]

    @cached_property
    def stderr(self) -> dict[str, float]:
        """The standard deviation of each, by name."""
        return dict(zip(self.names, map(float, self.samples.std(axis=0, ddof=1)), strict=True))

    @cached_property
    def interval68(self) -> dict[str, tuple[float, float]]:
        """The interval of each quantity, by name, that contains the true value with a probability of 68 %."""
        return self._middle(LEVELS[0])

    @cached_property
    def interval95(self) -> dict[str, tuple[float, float]]:
        """The interval of each quantity, by name, that contains the true value with a probability of 95 %."""
        return self._middle(LEVELS[1])

    def _middle(self, level: float) -> dict[str, tuple[float, float]]:
        """The middle part of the draws, made wider if there are few sweeps or samples.

        The standard deviation of the draws of n sweeps is too small by the factor sqrt((n - 1) / n), and the draws do
        not show that it is itself uncertain. Therefore the percentiles are those of a normal distribution at which
        Student's t distribution has its own.

        Source: Hesterberg 2015, Am. Stat. 69:371, for the wider percentiles.
        """
        from scipy.stats import norm, t  # here, because it takes long to import

        wider = np.sqrt(self.independent / (self.independent - 1)) if self.over == "sweeps" else 1.0
        tail = norm.cdf(-wider * t.ppf((1 + level) / 2, max(self.independent - 1, 1.0)))
        low, high = np.quantile(self.samples, [tail, 1 - tail], axis=0)
        return {name: (float(a), float(b)) for name, a, b in zip(self.names, low, high, strict=True)}

    def __repr__(self) -> str:
        blocks = f"blocks of {self.block} residuals"
        what = {"sweeps": "sweeps", "blocks": blocks, "wild": f"signs of {blocks}"}[self.over]
        rows: list[tuple[str, ...]] = [("", "value", "68 %", "95 %", "unit")]
        for name, unit, best in zip(self.names, self.units, self.best, strict=True):
            ends = (self.interval68[name], self.interval95[name])
            rows.append((name, rounded(best, self.stderr[name])[0], *(interval(best, e) for e in ends), unit))
        return "\n".join([f"Bootstrap of {len(self.samples):,} draws of {what}", *aligned(rows)])


def bootstrap(
    problem: Problem,
    point: np.ndarray,
    width: float,
    correlated: float,
    n: int,
    key: int | jax.Array,
    over: str | None,
    others: np.ndarray,
    *,
    grows: bool,
) -> Bootstrap:
    """Fits of ``n`` recordings drawn at random.

    Args:
        problem: what was fitted.
        point: (N,) the result.
        width: the residual from which on the loss is linear, in the trace's unit; inf for least squares.
        correlated: how many neighbouring samples count as one.
        n, key, over: as in `Fit.bootstrap`.
        others: (n, N) other minima within the noise, from which each draw is fitted too.
        grows: whether the noise depends on the response.

    Raises:
        TypeError, ValueError: arguments that make no sense, or recordings that are too short.
    """
    check_whole("n", n)
    rng = np.random.default_rng(as_seed("key", key))
    recordings = len(problem.trace)
    if over is None:
        # Sweeps at voltages of their own are few of each kind.
        many = recordings >= _SWEEPS and not problem.held_own
        over = "sweeps" if many else "wild" if grows else "blocks"
    check_choice("over", over, ("sweeps", "blocks", "wild"))
    if over == "sweeps" and recordings < 2:
        raise ValueError("Argument `over` must be 'blocks' or 'wild' for a single recording, but is 'sweeps'.")
    names = [label for label in problem.labels if label in problem.names]
    columns = [problem.labels.index(name) for name in names]
    is_logarithm = problem.are_logarithms[columns]
    block = 0 if over == "sweeps" else _block_length(problem, correlated)
    independent = recordings if over == "sweeps" else problem.present.sum() / correlated - len(point) + 1
    problem = replace(problem, importance=robust_importance(problem, point, width))
    if over == "sweeps":
        draw = _drawing_sweeps(problem, [point, *others])
    else:
        draw = _drawing_blocks(problem, [point, *others], block, wild=over == "wild")
    samples = np.array([_fitted(*draw(rng))[columns] for _ in range(int(n))])
    best = point[columns].copy()
    for rows in (samples, best[None]):
        rows[:, is_logarithm] = np.exp(rows[:, is_logarithm])
    units = tuple(problem.units[name] for name in names)
    return Bootstrap(tuple(names), units, best, samples, over, block, float(independent))


def _fitted(problem: Problem, starts: list[np.ndarray]) -> np.ndarray:
    """The lowest point (N,) that is found from the ``starts``."""
    return min((refine(problem, start) for start in starts), key=lambda found: found[0])[1]


def _drawing_sweeps(problem: Problem, points: list[np.ndarray]) -> _Draw:
    """Draws as many sweeps as there are, each with its own spike times, bounds and starts."""
    recordings = len(problem.trace)

    def draw(rng: np.random.Generator) -> tuple[Problem, list[np.ndarray]]:
        rows = rng.integers(recordings, size=recordings)
        whole = [*points, problem.lower, problem.upper]
        drawn = [each.copy() for each in whole]
        for name in problem.own:
            if name not in problem.shared:
                columns = problem.columns_of(name)
                for one, full in zip(drawn, whole, strict=True):
                    one[columns] = full[columns[rows]]
        *starts, lower, upper = drawn
        names = ("spike_times", "weights", "times", "sent", "varying")
        given = {name: getattr(problem, name) for name in names}
        by_row = jax.tree.map(lambda a: a[rows] if a.ndim == 2 else a, given)
        arrays = {name: getattr(problem, name)[rows] for name in ("trace", "present", "importance")}
        # Of parameters that are held at each recording's own value too.
        params = {name: value[rows] if np.ndim(value) else value for name, value in problem.params.items()}
        return replace(problem, params=params, lower=lower, upper=upper, **by_row, **arrays), starts

    return draw


def _drawing_blocks(problem: Problem, points: list[np.ndarray], block: int, *, wild: bool) -> _Draw:
    """Draws residuals in blocks, within which they stay correlated, and adds them to the curve.

    If ``wild``, each block stays where it is and is multiplied by 1 or -1, so that noise is large where it was large.
    """
    point = points[0]
    value = curve(problem, point).value
    present = problem.present
    residuals = np.where(present, problem.trace - value, 0.0) * problem.importance
    rho = autocorrelation(residuals, present, len(point))
    correlated = inefficiency(rho, present, len(point))
    # Fitting removes part of the noise, and correlations between blocks are lost: the factors correct for both.
    residuals *= np.sqrt(present.sum() / max(present.sum() - len(point) * correlated, 1.0))
    residuals *= np.sqrt(correlated / inefficiency_within(rho, block))
    length = residuals.shape[1]

    def moved(rng: np.random.Generator) -> np.ndarray:
        noise = np.zeros_like(value)
        for r, row in enumerate(residuals):
            there = row[present[r]]
            starts = rng.integers(len(there), size=-(-length // block))
            drawn = there[(starts[:, None] + np.arange(block)).ravel() % len(there)]
            noise[r, present[r]] = drawn[: present[r].sum()]
        return noise

    def with_signs(rng: np.random.Generator) -> np.ndarray:
        first = rng.integers(block, size=(len(residuals), 1))
        signs = rng.choice([-1.0, 1.0], size=(len(residuals), length // block + 2))
        return residuals * np.take_along_axis(signs, (first + np.arange(length)) // block, axis=1)

    def draw(rng: np.random.Generator) -> tuple[Problem, list[np.ndarray]]:
        noise = with_signs(rng) if wild else moved(rng)
        return replace(problem, trace=np.where(present, value + noise / problem.importance, 0.0)), points

    return draw


def _block_length(problem: Problem, correlated: float) -> int:
    """The number of samples in a block."""
    block = max(1, int(np.ceil(_BLOCK * correlated)))
    least = int(problem.present.sum(axis=1).min())
    if least < _BLOCKS * block:
        raise ValueError(
            f"A bootstrap of blocks needs {_BLOCKS} blocks of {block} samples, twice as many as count as one, but a "
            f"recording has {least} samples: give several sweeps, or use `profile`."
        )
    return block
