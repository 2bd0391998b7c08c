"""Figures of one synaptic response, as papers quote them, read off a finely sampled trace."""

from typing import NamedTuple

import numpy as np


class Waveform(NamedTuple):
    """Times in ms, from the spike on where they are no differences."""

    peak: float
    t_peak: float
    rise: float  # from 10 % to 90 % of the peak
    tau: float  # of the decay, at the trace's end
    width: float  # at half of the peak


def waveform(g, dt, *, corner=False):
    """The figures of g, (T,), sampled every ``dt`` ms from the spike on, its first value at ``dt``.

    The peak is the largest sample where it is a ``corner``, as at the end of a pulse, and else that of the parabola
    through the three samples around it. Crossings are interpolated linearly.
    """
    g = np.concatenate([[0], np.asarray(g, float)])
    t = np.arange(len(g)) * dt
    top = int(g.argmax())
    t_peak, peak = t[top], g[top]
    if not corner:
        slope, curvature = (g[top + 1] - g[top - 1]) / 2, g[top + 1] - 2 * g[top] + g[top - 1]
        t_peak, peak = t_peak - dt * slope / curvature, peak - slope**2 / (2 * curvature)

    def up(part):
        i = int((g >= part * peak).argmax())
        return np.interp(part * peak, g[i - 1 : i + 1], t[i - 1 : i + 1])

    i = top + int((g[top:] < peak / 2).argmax())
    down = np.interp(peak / 2, g[[i, i - 1]], t[[i, i - 1]])
    return Waveform(peak, t_peak, up(0.9) - up(0.1), -dt * 100 / np.log(g[-1] / g[-101]), down - up(0.5))


def assert_printed(got, printed):
    """``got`` is ``printed`` to the digits that are printed: within half a unit of the last."""
    decimals = len(printed.partition(".")[2])
    assert abs(got - float(printed)) <= 0.5001 * 10.0**-decimals, f"{got} is not {printed}"
