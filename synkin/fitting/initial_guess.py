"""Where to begin: parameters with which the kernel is about as fast as what was recorded.

Rise, half width and decay of the recording are measured (`synkin.measure`), those of the kernel's answer to one spike
are read off it, and the free parameters are moved until the two agree as nearly as they can: by Gauss and Newton's
method in the logarithms of all, each step being the shortest that does it. Which parameter is a rise and which a decay
need not be known. What comes out is a start of the search and no more, so that rough is good enough.

The parts of a sum share a decay of two exponentials among themselves: the part that is the fastest as it is gets the
rise and the fast one, the slowest the slow one. How much there is of each is linear in the curve, and follows.
"""

import warnings
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.fitting.model import of_parts, with_free
from synkin.fitting.problem import Form, Problem
from synkin.recordings.measures import crossing_down, crossing_up, measure
from synkin.runs.events import respond

# When the kernel's answer is looked at, in ms after the spike: evenly on a logarithmic scale, for any kernel.
_LOOKED_AT = np.geomspace(1e-3, 1e6, 361)
# How many steps are made, the longest of them as a factor, and that by which a slope is told.
_STEPS, _LONGEST, _SLOPE = 8, 10.0, 1.05
# What keeps steps short where the parameters hardly matter.
_SHORTER = 1e-2
# Agreement to this in the logarithms is good enough.
_ENOUGH = 0.1
# Two parts of a sum are begun with so far apart, each as a factor from what is between, where one does as well as two.
_APART = 2.0
# Of more recordings than this some are looked at.
_RECORDINGS = 64


def paced(problem: Problem, point: np.ndarray) -> np.ndarray:
    """``point`` (N,) with the free parameters at which the kernel is about as fast as the recording.

    It is ``point`` itself where the recording does not show a response whose times can be measured, under a protocol
    of concentrations, or where no parameters are better.
    """
    free = np.flatnonzero(problem.logarithmic)
    if problem.jumps or not free.size:
        return point
    wanted = _wanted(problem, point)
    if not np.isfinite(wanted).any():
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


def balanced(problem: Problem, point: np.ndarray) -> np.ndarray:
    """``point`` (N,) of a sum with those relative conductances that are free at the best for all else, if these can be.

    By linear least squares in each recording, of which all that have a say agree on one; scale and offset follow where
    they are free. What comes out negative stays as it was. It is ``point`` itself where nothing of that kind is free.
    """
    kernel = problem.kernel
    names = [f"g_{name}" for name in kernel.names[1:]] if len(kernel.parts) > 1 else []
    free = [name for name in names if name in problem.free]
    if not free:
        return point
    tied = dict(problem.ties)
    own = problem.split(point)
    g = of_parts(problem, point[: len(problem.free)], own["onset"])
    # One column for each that is free, and one for all else.
    columns = np.zeros((len(free) + 1, *problem.trace.shape))
    columns[0] = g[:, 0]
    for name, part in zip(names, np.moveaxis(g, 1, 0)[1:], strict=True):
        name = tied.get(name, name)
        factor = 1.0 if name in free else getattr(problem.params, name)
        columns[free.index(name) + 1 if name in free else 0] += factor * part
    products, size = np.zeros(len(free)), 0.0
    for r, there in enumerate(problem.present):
        target = problem.trace[r] - (own["offset"][r] if "offset" in problem.held else 0.0)
        basis = columns[:, r]
        if "scale" in problem.held:
            target, basis = target - own["scale"][r] * basis[0], basis[1:]
        if "offset" not in problem.held:
            basis = np.concatenate([basis, np.ones((1, len(there)))])
        root = problem.importance[r, there]
        found = np.linalg.lstsq((basis[:, there] * root).T, target[there] * root)[0]
        first, *others = found if "scale" not in problem.held else [own["scale"][r], *found]
        products, size = products + first * np.array(others[: len(free)]), size + first**2
    balanced = point.copy()
    for name, product in zip(free, products, strict=True):
        if np.isfinite(product) and product > 0 < size:
            balanced[problem.free.index(name)] = np.log(product / size)
    return np.clip(balanced, problem.lower, problem.upper)


def _wanted(problem: Problem, point: np.ndarray) -> np.ndarray:
    """Logarithms of rise, half width and decay that each part is to have, (3 n,); NaN where they cannot be told."""
    rise, half_width, decay, fast, slow = _of_recording(problem)
    parts = len(problem.kernel.parts)
    if parts == 1:
        return np.array([rise, half_width, decay])
    if np.isnan(fast):  # where one exponential does as well, two around it
        fast, slow = decay - np.log(_APART), decay + np.log(_APART)
    decays = _of_kernel(problem, point[None, : len(problem.free)])[0, 2::3]
    wanted = np.full((parts, 3), np.nan)
    order = np.argsort(decays, kind="stable")  # what never decays is the slowest
    wanted[order, 2] = np.linspace(fast, slow, parts)
    wanted[order[0], 0] = rise
    return wanted.ravel()


def _of_recording(problem: Problem) -> np.ndarray:
    """Logarithms of rise, half width, decay, and of two exponentials', (5,); NaN where they cannot be told."""
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
        known = measure(times[part], trace[part], baseline=0.0)
        found.append([known.rise, known.half_width, known.tau_weighted, known.tau_fast, known.tau_slow])
        if len(train) > 1:
            found[-1][:2] = [np.nan, np.nan]
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # of a median of nothing, which is NaN
        return np.log(np.nanmedian(np.array(found or [[np.nan] * 5]), axis=0))


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
    """Logarithms of rise, half width and decay to 1/e of each part, at each of the ``parameters`` (n, P): (n, 3 K)."""
    g = np.asarray(_answers(problem.form, problem.params, parameters))
    rows = g.reshape(-1, len(_LOOKED_AT))
    found = np.full((len(rows), 3), np.nan)
    for i, row in enumerate(rows):
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
        return np.log(found).reshape(len(g), -1)


@partial(jax.jit, static_argnames="form")
def _answers(form: Form, params: Any, parameters: Array) -> Array:
    """g of each part at `_LOOKED_AT` after one spike, at each of the ``parameters`` (n, P)."""
    kernel = form.kernel

    def one(point: Array) -> Array:
        spike, moved = jnp.zeros(1, point.dtype), with_free(form, params, point)
        own = kernel.params_of(moved) if len(kernel.parts) > 1 else (moved,)
        parts = zip(kernel.parts, own, strict=True)
        return jnp.stack([respond(part, each, spike, jnp.asarray(_LOOKED_AT)) for part, each in parts])

    return jax.lax.map(one, parameters)
