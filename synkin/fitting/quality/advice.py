"""Advice for a poor curve: which of scale, offset and onset to free."""

import itertools
from contextlib import suppress
from dataclasses import replace

import numpy as np

from synkin.fitting.curves import KernelCurve
from synkin.fitting.formatting import listed
from synkin.fitting.problem import OWN, Problem, default_onset
from synkin.fitting.search.optimizer import SearchResult, search

# The number of starts of each trial.
_STARTS = 4
# Freeing quantities helps if less than the first fraction of the sum of squares is left. Fewer quantities are enough if
# they leave at most the second factor times what is left with all of them free.
_HELPS, _ENOUGH = 0.7, 1.2


def advise_freeing(problem: Problem, found: SearchResult, loss: str) -> str:
    """A sentence on which of scale, offset and onset to free and how good the curve then is; "" if this does not help.

    Args:
        problem: what was fitted.
        found: the result of the search, whose curve does not follow the recording.
        loss: as in `synkin.fit`.
    """
    can_be_free = ("onset", "offset", "scale") if isinstance(problem.curve, KernelCurve) else ("offset", "scale")
    held = tuple(name for name in can_be_free if name not in problem.own)
    if not held or problem.present.sum(axis=1).min() <= len(problem.free) + len(OWN):
        return ""
    before = _unexplained(problem, found)
    names, after = held, _unexplained_with(problem, held, loss)
    if not after < _HELPS * before:
        return ""
    for size in range(1, len(held)):
        tried = {some: _unexplained_with(problem, some, loss) for some in itertools.combinations(held, size)}
        best = min(tried, key=lambda some: tried[some])
        if tried[best] <= _ENOUGH * after:
            names, after = best, tried[best]
            break
    options = listed([f"`{name}=True`" for name in names])
    return f"With {options} R^2 is {1 - after:.3f} instead of {1 - before:.3f}: free {listed(names)} first."


def _unexplained_with(problem: Problem, names: tuple[str, ...], loss: str) -> float:
    """The fraction of the variance that is left if ``names`` are fitted too; infinite if no curve is finite."""
    freed = _freed(problem, names)
    with suppress(ValueError):
        return _unexplained(freed, search(freed, loss, _STARTS, max_nfev=100, progress=False))
    return np.inf


def _unexplained(problem: Problem, found: SearchResult) -> float:
    """The fraction of the variance that a curve leaves."""
    trace = np.where(problem.present, problem.trace, np.nan)
    around = trace - np.nanmean(trace, axis=1, keepdims=True)
    return float(np.nansum((trace - found.curve.value) ** 2) / np.nansum(around**2))


def _freed(problem: Problem, names: tuple[str, ...]) -> Problem:
    """The problem in which each recording also has ``names`` of its own."""
    recordings = len(problem.trace)
    first = problem.spike_times[..., :1] if problem.jumps else problem.spike_times
    order = (*problem.own_parameters, *OWN)
    limits = []
    for limit, end in ((problem.lower, 0), (problem.upper, 1)):
        own = {name: limit[np.unique(problem.columns_of(name))] for name in problem.own}
        new = {"scale": (-np.inf, np.inf), "offset": (-np.inf, np.inf), "onset": default_onset(first, problem.times)}
        own |= {name: np.full(recordings, new[name][end]) for name in names}
        limits.append(np.concatenate([limit[: len(problem.free)], *(own[name] for name in order if name in own)]))
    return replace(
        problem,
        own=tuple(name for name in order if name in problem.own or name in names),
        held={name: value for name, value in problem.held.items() if name not in names},
        lower=limits[0],
        upper=limits[1],
    )
