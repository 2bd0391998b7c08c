"""Initial guesses: parameters at which the kernel is about as fast as the recording.

Rise, half width and decay are measured in the recording (`synkin.measure`) and in the kernel's response to one spike.
Gauss-Newton steps in the logarithms of the free parameters make the two similar. Each step is as short as possible, so
that it does not matter which parameter determines the rise and which the decay. The result is only a start of the
search and may be rough.

The parts of a sum share the two exponentials of the recording's decay: the fastest part gets the rise and the fast
exponential, the slowest part the slow one. Their relative conductances follow by linear least squares.
"""

import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.fitting.curves import KernelCurve
from synkin.fitting.model import conductance_of_parts, with_free
from synkin.fitting.problem import Form, Problem
from synkin.measures.crossings import crossing_down, crossing_up
from synkin.measures.responses import measure
from synkin.runs.events import respond

# Times in ms after the spike at which the kernel's response is computed: on a logarithmic scale, for any kernel.
_TIMES = np.geomspace(1e-3, 1e6, 361)
# The number of steps, the largest factor of a step, and the factor of the finite differences.
_STEPS, _LARGEST_STEP, _DIFFERENCE = 8, 10.0, 1.05
# Damping, which keeps steps short if the parameters have little effect.
_DAMPING = 1e-2
# The steps end when the logarithms of the times differ by less than this.
_CLOSE = 0.1
# If one exponential describes the decay as well as two, the fast one is this factor faster, the slow one slower.
_APART = 2.0
# The largest number of recordings that are measured.
_RECORDINGS = 64


def match_time_course(problem: Problem, point: np.ndarray) -> np.ndarray:
    """``point`` (N,) with free parameters at which the kernel is about as fast as the recording.

    The result is ``point`` itself if no times can be measured in the recording, if concentrations were given instead of
    spikes, or if none can be measured in the response of the kernel.
    """
    if not isinstance(problem.curve, KernelCurve) or problem.jumps:
        return point
    # Neither weights nor plasticity change the response to one spike.
    of_kernel = [name not in problem.curve.added for name in problem.fitted]
    free = np.flatnonzero(np.array(problem.logarithmic) & of_kernel)
    if not free.size:
        return point
    target = _target_times(problem, point)
    if not np.isfinite(target).any():
        return point
    # Recordings that have their own value of a parameter begin with the same one.
    lower = problem.parameters_of(problem.lower).max(axis=0)[free]
    upper = problem.parameters_of(problem.upper).min(axis=0)[free]
    start = at = problem.parameters_of(point).mean(axis=0)
    best, least = start, float("inf")
    for _ in range(_STEPS):
        tried = np.tile(at, (len(free) + 1, 1))
        tried[np.arange(len(free)) + 1, free] += np.log(_DIFFERENCE)
        times = _times_of_kernel(problem, tried)
        off = target - times[0]
        finite = np.isfinite(off)
        # Parameters at which no time can be measured, such as those of a response that never decays, are the worst.
        distance = float(np.linalg.norm(off[finite])) if finite.any() else float("inf")
        if finite.any() and distance < least:
            best, least = at, distance
        if not finite.any() or least < _CLOSE:
            break
        slopes = np.nan_to_num((times[1:, finite] - times[0, finite]).T / np.log(_DIFFERENCE))
        inner = slopes @ slopes.T + _DAMPING * np.eye(finite.sum())
        largest = np.log(_LARGEST_STEP)
        step = np.clip(slopes.T @ np.linalg.solve(inner, off[finite]), -largest, largest)
        at = at.copy()
        at[free] = np.clip(at[free] + step, lower, upper)
    if least == float("inf"):
        return point
    matched = point.copy()
    matched[problem.columns[:, free]] = best[free]
    return matched


def match_amplitudes(problem: Problem, point: np.ndarray) -> np.ndarray:
    """``point`` (N,) with the best relative conductances of a sum's parts, given all other parameters.

    They are found by linear least squares in each recording, together with scale and offset if these are free, and are
    averaged over recordings. A conductance that would be negative keeps its value. If none is free, the result is
    ``point`` itself.
    """
    if not isinstance(problem.curve, KernelCurve):
        return point
    names = problem.kernel.relative_names
    free = [name for name in names if name in problem.free]
    if not free:
        return point
    # Of those that are tied only equality to a free one is taken into account.
    tied = {tie.name: str(tie.rate) for tie in problem.ties}
    own = problem.split(point)
    g = conductance_of_parts(problem, problem.parameters_of(point), own["onset"])
    # One column for the first part and those with held conductances, and one for each free conductance.
    columns = np.zeros((len(free) + 1, *problem.trace.shape))
    columns[0] = g[:, 0]
    for name, part in zip(names, np.moveaxis(g, 1, 0)[1:], strict=True):
        name = tied.get(name, name)
        factor = 1.0 if name in free else float(np.mean(problem.params[name]))
        columns[free.index(name) + 1 if name in free else 0] += factor * part
    products, size = np.zeros(len(free)), 0.0
    for r, present in enumerate(problem.present):
        target = problem.trace[r] - (own["offset"][r] if "offset" in problem.held else 0.0)
        basis = columns[:, r]
        if "scale" in problem.held:
            target, basis = target - own["scale"][r] * basis[0], basis[1:]
        if "offset" not in problem.held:
            basis = np.concatenate([basis, np.ones((1, len(present)))])
        root = problem.importance[r, present]
        found = np.linalg.lstsq((basis[:, present] * root).T, target[present] * root)[0]
        first, *others = found if "scale" not in problem.held else [own["scale"][r], *found]
        products, size = products + first * np.array(others[: len(free)]), size + first**2
    matched = point.copy()
    for name, product in zip(free, products, strict=True):
        if np.isfinite(product) and product > 0 < size:
            matched[problem.free.index(name)] = np.log(product / size)
    return np.clip(matched, problem.lower, problem.upper)


def _target_times(problem: Problem, point: np.ndarray) -> np.ndarray:
    """Logarithms of rise, half width and decay that each of n parts should have, (3 n,); NaN if unknown."""
    rise, half_width, decay, fast, slow = _times_of_recording(problem)
    parts = len(problem.kernel.parts)
    if parts == 1:
        return np.array([rise, half_width, decay])
    if np.isnan(fast):  # one exponential describes the decay as well as two
        fast, slow = decay - np.log(_APART), decay + np.log(_APART)
    decays = _times_of_kernel(problem, problem.parameters_of(point).mean(axis=0, keepdims=True))[0, 2::3]
    target = np.full((parts, 3), np.nan)
    order = np.argsort(decays, kind="stable")  # NaN, a part that never decays, is the slowest
    target[order, 2] = np.linspace(fast, slow, parts)
    target[order[0], 0] = rise
    return target.ravel()


def _times_of_recording(problem: Problem) -> np.ndarray:
    """Logarithms of rise, half width, decay, and the decays of two exponentials, (5,); NaN if unknown."""
    rows = np.linspace(0, len(problem.trace) - 1, min(_RECORDINGS, len(problem.trace))).astype(int)
    spikes = np.atleast_2d(problem.spike_times)
    spikes = spikes[rows % len(spikes)]
    levels = _baselines(problem, rows, spikes)
    present = problem.present[rows]
    traces = np.where(present, problem.trace[rows] - levels[:, None], 0.0)
    if len(spikes) > 1 and (spikes == spikes[0]).all() and problem.times.ndim == 1:
        # The recordings' common time course, whatever the sign and size of each.
        traces, spikes = np.linalg.svd(traces, full_matrices=False)[2][:1], spikes[:1]
        present = present.any(axis=0)[None]
    found = []
    for r, has_sample, trace, train in zip(rows, present, traces, spikes, strict=False):
        train, times = train[np.isfinite(train)], problem.times_of(r)
        # In a response to several spikes only the decay after the last spike can be measured.
        part = has_sample & (times >= train[-1]) if len(train) > 1 else has_sample
        if part.sum() < 3:
            continue
        measured = measure(times[part], trace[part], baseline=0.0)
        found.append([measured.rise, measured.half_width, measured.tau_weighted, measured.tau_fast, measured.tau_slow])
        if len(train) > 1:
            found[-1][:2] = [np.nan, np.nan]
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # the median of no numbers, which is NaN
        return np.log(np.nanmedian(np.array(found or [[np.nan] * 5]), axis=0))


def _baselines(problem: Problem, rows: np.ndarray, spikes: np.ndarray) -> np.ndarray:
    """The baseline of each recording: the offset that is held, or the median before the first spike."""
    if "offset" in problem.held:
        return np.full(len(rows), problem.held["offset"])
    levels = []
    for r, train in zip(rows, spikes, strict=True):
        present = problem.present[r]
        before = present & (problem.times_of(r) < train[0])
        # Without samples before the spike, the end of the recording is the best guess.
        last = np.flatnonzero(present)[-max(1, present.sum() // 20) :]
        levels.append(np.median(problem.trace[r, before] if before.any() else problem.trace[r, last]))
    return np.array(levels)


def _times_of_kernel(problem: Problem, parameters: np.ndarray) -> np.ndarray:
    """Logarithms of rise, half width and decay to 1/e of K parts, at n rows of ``parameters`` (n, P): (n, 3 K)."""
    params = {name: float(np.mean(value)) for name, value in problem.params.items()}
    g = np.asarray(_unit_responses(problem.form, params, parameters))
    rows = g.reshape(-1, len(_TIMES))
    found = np.full((len(rows), 3), np.nan)
    for i, row in enumerate(rows):
        if not np.isfinite(row).all() or not np.abs(row).max() > 0:
            continue
        top = int(np.abs(row).argmax())
        height, times = row / row[top], _TIMES
        down = crossing_down(times, height, top, 0.5)
        up = {level: crossing_up(times, height, top, level) for level in (0.1, 0.5, 0.9)}
        decay = crossing_down(times, height, top, np.exp(-1.0)) - times[top]
        # A response that jumps at the spike has no rise, and its width begins at the spike.
        found[i] = up[0.9] - up[0.1], down - np.nan_to_num(up[0.5]), decay
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(found).reshape(len(g), -1)


@partial(jax.jit, static_argnames="form")
def _unit_responses(form: Form, params: dict[str, float], parameters: Array) -> Array:
    """g of each of K parts at `_TIMES` after one spike, at n rows of ``parameters`` (n, P): (n, K, 361)."""
    assert isinstance(form.curve, KernelCurve)
    kernel, as_given = form.curve.kernel, form.curve.as_given

    def response(point: Array) -> Array:
        parts = zip(kernel.parts, kernel.params_of(as_given(with_free(form, params, point, {}))), strict=True)
        return jnp.stack([respond(part, each, np.zeros(1), _TIMES) for part, each in parts])

    return jax.lax.map(response, parameters)
