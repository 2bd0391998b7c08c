"""Where to begin: parameters with which the kernel is about as fast as what was recorded.

Rise, half width and decay of the recording are measured (`synkin.measure`), those of the kernel's answer to one spike
are read off it, and the free parameters are moved until the two agree as nearly as they can: by Gauss and Newton's
method in the logarithms of all, each step being the shortest that does it. Which parameter is a rise and which a decay
need not be known. What comes out is a start of the search and no more, so that rough is good enough.
"""

import warnings
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.fit.model import with_free
from synkin.fit.problem import Form, Problem
from synkin.measure import crossing_down, crossing_up, measure
from synkin.respond import respond

# When the kernel's answer is looked at, in ms after the spike: evenly on a logarithmic scale, for any kernel.
_LOOKED_AT = np.geomspace(1e-3, 1e6, 361)
# How many steps are made, the longest of them as a factor, and that by which a slope is told.
_STEPS, _LONGEST, _SLOPE = 8, 10.0, 1.05
# What keeps steps short where the parameters hardly matter.
_SHORTER = 1e-2
# Agreement to this in the logarithms is good enough.
_ENOUGH = 0.1
# Of more recordings than this some are looked at.
_RECORDINGS = 64


def paced(problem: Problem, point: np.ndarray) -> np.ndarray:
    """``point`` (N,) with the free parameters at which the kernel is about as fast as the recording.

    It is ``point`` itself where the recording does not show a response whose times can be measured, under a protocol
    of concentrations, or where no parameters are better.
    """
    free = np.flatnonzero(problem.logarithmic)
    wanted = _of_recording(problem)
    if problem.jumps or not free.size or not np.isfinite(wanted).any():
        return point
    lower, upper = problem.lower[free], problem.upper[free]
    best, least = point, float("inf")
    at = point.copy()
    for _ in range(_STEPS):
        moved = np.tile(at[: len(problem.free)], (len(free) + 1, 1))
        moved[np.arange(len(free)) + 1, free] += np.log(_SLOPE)
        times = _of_kernel(problem, moved)
        off = wanted - times[0]
        told = np.isfinite(off)
        # One that is told and then is not, such as the decay of what never decays, is as bad as can be.
        size = float(np.linalg.norm(off[told])) if told.any() else float("inf")
        if told.any() and size < least:
            best, least = at.copy(), size
        if not told.any() or least < _ENOUGH:
            break
        slopes = np.nan_to_num((times[1:, told] - times[0, told]).T / np.log(_SLOPE))
        inner = slopes @ slopes.T + _SHORTER * np.eye(told.sum())
        step = np.clip(slopes.T @ np.linalg.solve(inner, off[told]), -np.log(_LONGEST), np.log(_LONGEST))
        at[free] = np.clip(at[free] + step, lower, upper)
    return best


def _of_recording(problem: Problem) -> np.ndarray:
    """Logarithms of rise, half width and decay, (3,); NaN where they cannot be told."""
    rows = np.linspace(0, len(problem.trace) - 1, min(_RECORDINGS, len(problem.trace))).astype(int)
    spikes = np.atleast_2d(problem.spike_times)
    spikes = spikes[rows % len(spikes)]
    levels = _baselines(problem, rows, spikes)
    present = problem.present[rows]
    traces = np.where(present, problem.trace[rows] - levels[:, None], 0.0)
    if len(spikes) > 1 and (spikes == spikes[0]).all() and problem.times.ndim == 1:
        # What they have in common, whatever the sign and size of each.
        traces, spikes = np.linalg.svd(traces, full_matrices=False)[2][:1], spikes[:1]
        present = present.any(axis=0)[None]
    found = []
    for r, there, trace, train in zip(rows, present, traces, spikes, strict=False):
        train, times = train[np.isfinite(train)], problem.times_of(r)
        # After a train, what follows its last spike decays, and tells no more.
        part = there & (times >= train[-1]) if len(train) > 1 else there
        if part.sum() < 3:
            continue
        known = measure(times[part], trace[part])
        found.append([known.rise, known.half_width, known.tau_weighted])
        if len(train) > 1:
            found[-1][:2] = [np.nan, np.nan]
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # of a median of nothing, which is NaN
        return np.log(np.nanmedian(np.array(found or [[np.nan] * 3]), axis=0))


def _baselines(problem: Problem, rows: np.ndarray, spikes: np.ndarray) -> np.ndarray:
    """What each recording stands on: the offset that is held, or the median before the first spike."""
    if "offset" in problem.held:
        return np.full(len(rows), problem.held["offset"])
    levels = []
    for r, train in zip(rows, spikes, strict=True):
        present = problem.present[r]
        before = present & (problem.times_of(r) < train[0])
        # Without a sample before it, where the recording ends is the best guess.
        last = np.flatnonzero(present)[-max(1, present.sum() // 20) :]
        levels.append(np.median(problem.trace[r, before] if before.any() else problem.trace[r, last]))
    return np.array(levels)


def _of_kernel(problem: Problem, parameters: np.ndarray) -> np.ndarray:
    """Logarithms of rise, half width and decay to 1/e at each of the ``parameters`` (n, P): (n, 3)."""
    g = np.asarray(_answers(problem.form, problem.params, parameters))
    found = np.full((len(g), 3), np.nan)
    for i, row in enumerate(g):
        if not np.isfinite(row).all() or not np.abs(row).max() > 0:
            continue
        top = int(np.abs(row).argmax())
        height, times = row / row[top], _LOOKED_AT
        down = crossing_down(times, height, top, 0.5)
        up = {part: crossing_up(times, height, top, part) for part in (0.1, 0.5, 0.9)}
        decay = crossing_down(times, height, top, np.exp(-1.0)) - times[top]
        # What jumps at the spike has no rise, and is as wide as it is late.
        found[i] = up[0.9] - up[0.1], down - np.nan_to_num(up[0.5]), decay
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(found)


@partial(jax.jit, static_argnames="form")
def _answers(form: Form, params: Any, parameters: Array) -> Array:
    """g at `_LOOKED_AT` after one spike, at each of the ``parameters`` (n, P)."""

    def one(point: Array) -> Array:
        spike = jnp.zeros(1, point.dtype)
        return respond(form.kernel, with_free(form, params, point), spike, jnp.asarray(_LOOKED_AT))

    return jax.lax.map(one, parameters)
