"""Equations solved without synkin: DOP853 between the moments where something jumps. All is float64, times are ms."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.integrate import solve_ivp

_SAME_MOMENT = 1e-9  # ms


class Solution(NamedTuple):
    """The differential equations of a kernel as a paper writes them, for `trace`."""

    variables: tuple[str, ...]  # as in the kernel's State
    rhs: Callable[..., tuple]  # (y, p, T) -> y', T being the transmitter in the cleft
    conductance: Callable[..., Any]  # (y, p) -> g
    driven: tuple[int, ...] = ()  # the variables that an input is added to; none for a receptor


def trace(solution, params, inputs, dt, overlap="restart"):
    """g at the end of each step, (T, N).

    Args:
        solution: a `Solution`, or the name of a kernel of `tests.contract.table`.
        params: the kernel's ``Params``, each broadcasting to (N,).
        inputs: (T, N); spikes at the start of each step, or weights that are added at its end.
        dt: ms.
        overlap: what a spike during a pulse does.
    """
    if isinstance(solution, str):
        from tests.contract.table import SOLUTIONS

        solution = SOLUTIONS[solution]
    steps, n = np.shape(inputs)
    p = type(params)(*(np.broadcast_to(np.asarray(value, float), (n,)) for value in params))
    grid = np.arange(steps + 1) * dt
    starts, ends = [], []
    if not solution.driven:
        trains = zip(np.asarray(inputs).T, p.T_dur, strict=True)
        starts = [_starts(np.flatnonzero(train) * dt, duration, overlap) for train, duration in trains]
        ends = [times + duration for times, duration in zip(starts, p.T_dur, strict=True)]
    y, out = np.zeros((len(solution.variables), n)), np.empty((steps, n))
    for begin, end in pairwise(_moments(grid, ends)):
        middle = (begin + end) / 2
        in_cleft = [np.any((s < middle) & (middle < e)) for s, e in zip(starts, ends, strict=True)]
        y = _integrate(solution.rhs, y, p, np.where(in_cleft, p.T, 0.0) if in_cleft else 0.0, end - begin)
        row = round(end / dt) - 1
        if abs(end - grid[row + 1]) < _SAME_MOMENT:
            for variable in solution.driven:
                y[variable] += inputs[row]
            out[row] = solution.conductance(y, p)
    return out


def _starts(times, duration, overlap):
    """The times of the spikes that start a pulse."""
    taken = []
    for time in times:
        if overlap == "restart" or not taken or time >= taken[-1] + duration - _SAME_MOMENT:
            taken.append(time)
    return np.array(taken)


def _moments(grid, ends):
    """The grid, and the ends of pulses between its points."""
    ends = np.unique(np.concatenate(ends)) if ends else np.empty(0)
    ends = ends[(ends < grid[-1]) & (np.abs(ends[:, None] - grid).min(axis=1, initial=np.inf) > _SAME_MOMENT)]
    return np.sort(np.concatenate([grid, ends]))


def _integrate(rhs, y, p, T, duration):
    def slope(_, flat):
        return np.stack(np.broadcast_arrays(*rhs(flat.reshape(y.shape), p, T))).ravel()

    solved = solve_ivp(slope, (0.0, duration), y.ravel(), method="DOP853", rtol=1e-12, atol=1e-14)
    assert solved.success, solved.message
    return solved.y[:, -1].reshape(y.shape)


def error(got, expected):
    """The largest difference of each trace (T, ...), over the trace's largest value; the worst of all traces."""
    got, expected = np.asarray(got, float), np.asarray(expected, float)
    assert got.shape == expected.shape
    return float((np.abs(got - expected).max(axis=0) / np.abs(expected).max(axis=0)).max())
