"""The equations of the kernels, solved without synkin: DOP853 between the moments where something jumps.

`SOLUTIONS` states the differential equations of every kernel as the papers write them; `trace` integrates them over
a train of spikes. All arrays are NumPy float64, times are in ms.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.integrate import solve_ivp

_SAME_MOMENT = 1e-9  # ms


class Solution(NamedTuple):
    """One kernel's equations."""

    rhs: Callable[..., tuple]  # (y, p, T) -> y', T being the transmitter in the cleft
    variables: int
    driven: tuple[int, ...]  # the variables that an input is added to; none for a receptor
    conductance: Callable[..., Any]  # (y, p) -> g


def _first_order(y, p, T):
    return (p.alpha * T * (1 - y[0]) - p.beta * y[0],)


def _second_order(y, p, T):
    x, g = y
    return p.alpha2 * T * (1 - x) - p.beta2 * x, p.alpha1 * x * (1 - g) - p.beta1 * g


def _alpha(y, p, T):
    h, g = y
    return -h / p.tau, (h - g) / p.tau


def _rise_and_decay(y, p, T):
    rise, decay = y
    return -rise / p.tau_rise, -decay / p.tau_decay


def _normalised_difference(y, p):
    # The difference of two unit exponentials peaks at t_peak, where its derivative is 0.
    t_peak = np.log(p.tau_decay / p.tau_rise) / (1 / p.tau_rise - 1 / p.tau_decay)
    peak = np.exp(-t_peak / p.tau_decay) - np.exp(-t_peak / p.tau_rise)
    return p.amplitude * (y[1] - y[0]) / peak


SOLUTIONS = {
    "alpha": Solution(_alpha, 2, (0,), lambda y, p: y[1]),
    "ampa": Solution(_first_order, 1, (), lambda y, p: y[0]),
    "gabaa": Solution(_first_order, 1, (), lambda y, p: y[0]),
    "bionmda": Solution(_second_order, 2, (), lambda y, p: y[1]),
    "expon": Solution(lambda y, p, T: (-y[0] / p.tau,), 1, (0,), lambda y, p: y[0]),
    "dual_expon": Solution(_rise_and_decay, 2, (0, 1), _normalised_difference),
}


def pulses(spikes, T_dur, dt, overlap="restart"):
    """When transmitter arrives: for each synapse the times of the spikes that start a pulse.

    Args:
        spikes: (T, N) bool, one row a step.
        T_dur: (N,) ms.
    """
    starts = [np.flatnonzero(column) * dt for column in np.asarray(spikes).T]
    if overlap == "ignore":
        starts = [_apart(times, duration) for times, duration in zip(starts, T_dur, strict=True)]
    return starts


def _apart(times, duration):
    taken = []
    for time in times:
        if not taken or time >= taken[-1] + duration - _SAME_MOMENT:
            taken.append(time)
    return np.array(taken)


def trace(name, params, inputs, dt, overlap="restart"):
    """g at the end of each step, (T, N).

    Args:
        name: of the kernel.
        params: its ``Params``, each broadcasting to (N,).
        inputs: (T, N); spikes at the start of each step, or weights added at its end for a linear kernel.
        dt: ms.
        overlap: what a spike during a pulse does.
    """
    solution = SOLUTIONS[name]
    steps, n = np.shape(inputs)
    p = type(params)(*(np.broadcast_to(np.asarray(value, float), (n,)) for value in params))
    grid = np.arange(steps + 1) * dt
    starts, ends = [], []
    if not solution.driven:
        starts = pulses(inputs, p.T_dur, dt, overlap)
        ends = [times + duration for times, duration in zip(starts, p.T_dur, strict=True)]
    moments = _moments(grid, ends)

    y = np.zeros((solution.variables, n))
    out = np.empty((steps, n))
    for begin, end in pairwise(moments):
        middle = (begin + end) / 2
        in_cleft = [np.any((s < middle) & (middle < e)) for s, e in zip(starts, ends, strict=True)]
        T = np.where(in_cleft, p.T, 0.0) if in_cleft else 0.0
        y = _integrate(solution.rhs, y, p, T, end - begin)
        row = round(end / dt) - 1
        if abs(end - grid[row + 1]) < _SAME_MOMENT:
            for variable in solution.driven:
                y[variable] += inputs[row]
            out[row] = solution.conductance(y, p)
    return out


def _moments(grid, ends):
    """The grid, and the ends of pulses between its points."""
    ends = np.unique(np.concatenate(ends)) if ends else np.empty(0)
    ends = ends[(ends < grid[-1]) & (np.abs(ends[:, None] - grid).min(axis=1, initial=np.inf) > _SAME_MOMENT)]
    return np.sort(np.concatenate([grid, ends]))


def _integrate(rhs, y, p, T, duration):
    shape = y.shape
    solved = solve_ivp(
        lambda s, flat: np.stack(np.broadcast_arrays(*rhs(flat.reshape(shape), p, T))).ravel(),
        (0.0, duration),
        y.ravel(),
        method="DOP853",
        rtol=1e-12,
        atol=1e-14,
    )
    assert solved.success, solved.message
    return solved.y[:, -1].reshape(shape)


def error(got, expected):
    """The largest difference of each trace, over the trace's largest value; the worst of all traces.

    Args:
        got: (T, ...) traces.
        expected: the same shape.
    """
    got, expected = np.asarray(got, float), np.asarray(expected, float)
    assert got.shape == expected.shape
    return float((np.abs(got - expected).max(axis=0) / np.abs(expected).max(axis=0)).max())
