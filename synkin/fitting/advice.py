"""What to free first where a curve is poor: of scale, offset and onset, what is held."""

import itertools
from contextlib import suppress
from dataclasses import replace

import numpy as np

from synkin.fitting import optimizer
from synkin.fitting.formatting import listed
from synkin.fitting.optimizer import Found
from synkin.fitting.problem import OWN, Problem, default_onset

# So many starts a try has.
_STARTS = 4
# It is worth a sentence if it leaves less than this part of what was left, and fewer are enough if they leave no more
# than so many times what all of them leave.
_LESS, _AS_GOOD = 0.7, 1.2


def freeing(problem: Problem, found: Found, loss: str) -> str:
    """A sentence on which of scale, offset and onset to free, and how good the curve is then; "" if that is no help.

    Args:
        problem: what was asked.
        found: a curve that does not follow the recording.
        loss: as it was asked.
    """
    held = [name for name in ("onset", "offset", "scale") if name not in problem.own]
    if not held or problem.present.sum(axis=1).min() <= len(problem.free) + len(OWN):
        return ""
    before = _left(problem, found)
    names, after = tuple(held), _without(problem, held, loss)
    if not after < _LESS * before:
        return ""
    for size in range(1, len(held)):
        tried = {some: _without(problem, some, loss) for some in itertools.combinations(held, size)}
        best = min(tried, key=lambda some: tried[some])
        if tried[best] <= _AS_GOOD * after:
            names, after = best, tried[best]
            break
    said = listed([f"`{name}=True`" for name in names])
    return f"With {said} R^2 is {1 - after:.3f} in place of {1 - before:.3f}: free {listed(names)} before all else."


def _without(problem: Problem, names: list[str] | tuple[str, ...], loss: str) -> float:
    """The part of the variance that is left once ``names`` are fitted too; infinite where nothing is finite."""
    freed = _freed(problem, names)
    with suppress(ValueError):
        return _left(freed, optimizer.run(freed, loss, _STARTS, max_nfev=100, progress=False))
    return np.inf


def _left(problem: Problem, found: Found) -> float:
    trace = np.where(problem.present, problem.trace, np.nan)
    around = trace - np.nanmean(trace, axis=1, keepdims=True)
    return float(np.nansum((trace - found.curve.value) ** 2) / np.nansum(around**2))


def _freed(problem: Problem, names: list[str] | tuple[str, ...]) -> Problem:
    """The problem in which each recording has ``names`` of its own as well."""
    recordings = len(problem.trace)
    first = problem.spike_times[..., :1] if problem.jumps else problem.spike_times
    limits = []
    for limit, end in ((problem.lower, 0), (problem.upper, 1)):
        own = {name: limit[np.unique(problem.columns_of(name))] for name in problem.own}
        new = {"scale": (-np.inf, np.inf), "offset": (-np.inf, np.inf), "onset": default_onset(first, problem.times)}
        own |= {name: np.full(recordings, new[name][end]) for name in names}
        limits.append(np.concatenate([limit[: len(problem.free)], *(own[name] for name in OWN if name in own)]))
    return replace(
        problem,
        own=tuple(name for name in OWN if name in problem.own or name in names),
        held={name: value for name, value in problem.held.items() if name not in names},
        lower=limits[0],
        upper=limits[1],
    )
