"""Whether a recording looks as if it had gone through a filter that the fit does not know of."""

import numpy as np

from synkin.fitting.curves import KernelCurve
from synkin.fitting.model import Curve
from synkin.fitting.problem import Problem
from synkin.measures.crossings import crossing_up

# The noise shows a filter if at least this many neighbouring samples count as one.
_CORRELATED = 2.0
# White noise behind a Bessel filter whose half power is at f stays correlated over this time times 1 / f, and a step
# behind it rises from 10 to 90 % in the second time times 1 / f.
_MEMORY, _RISE = 0.48, 0.35
# The rise may be that of the filter if it is within these fractions of it: noise tells a cut-off to a factor of 2.
# A faster one cannot have come through it.
_LEAST, _MOST = 0.5, 2.5


def unnamed_filter(problem: Problem, curve: Curve, inefficiency: float) -> str:
    """A sentence if the curve rises as fast as a filter lets it that the noise shows, and that was not given; else "".

    Args:
        problem: what was fitted.
        curve: the result.
        inefficiency: how many neighbouring samples count as one.
    """
    fitted, times = problem.curve, problem.times_of(0)
    if not isinstance(fitted, KernelCurve) or fitted.filters or problem.jumps or inefficiency < _CORRELATED:
        return ""
    intervals = np.diff(times)
    if not np.allclose(intervals, intervals[0], rtol=1e-3):
        return ""
    cutoff = _MEMORY / (inefficiency * float(intervals[0]))
    spikes = np.atleast_2d(problem.spike_times)[0]
    until = spikes[1] if np.isfinite(spikes[1:2]).any() else np.inf
    part = (times < until) & (np.abs(curve.g[0]) > 0)
    g = np.abs(curve.g[0, part])
    if g.size < 3 or not g.max() > 0:
        return ""
    height, top = g / g.max(), int(g.argmax())
    low, high = (crossing_up(times[part], height, top, level) for level in (0.1, 0.9))
    rise = high - low
    if not _LEAST < rise * cutoff / _RISE < _MOST:
        return ""
    return (
        f"The noise is correlated as behind a filter of about {cutoff:.2g} kHz, and the curve rises about as fast as "
        f"such a filter lets it (10 to 90 % in {rise:.2g} ms): if there was one, give it, as "
        f"filter=synkin.bessel(4, {cutoff:.2g})."
    )
