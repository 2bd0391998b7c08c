"""A long recording, thinned: a search over few of its samples ends near the result for all of them, in less time."""

from dataclasses import replace

import numpy as np

from synkin.fitting.curves import KernelCurve
from synkin.fitting.problem import Problem

# Recordings with more samples than this are thinned, to this number or somewhat fewer.
_MANY, _FEW = 8192, 2048
# Half of the samples are spread evenly, the others so that their density falls with the time since the last spike,
# from this fraction of the recording on.
_NEAR = 1e-4


def thinned(problem: Problem) -> Problem | None:
    """The problem with few of its samples, more of them where the response changes fast; None if it has few.

    A function may depend on all of its times, and is not thinned.
    """
    samples = problem.trace.shape[1]
    if samples <= _MANY or not isinstance(problem.curve, KernelCurve) or problem.times.ndim == 2:
        return None
    chosen = _chosen(problem, samples)
    of_samples = {name: getattr(problem, name)[:, chosen] for name in ("trace", "present", "importance")}
    if of_samples["present"].sum(axis=1).min() < _FEW // 4:  # most of the chosen ones are missing
        return None
    return replace(problem, times=problem.times[chosen], **of_samples)


def _chosen(problem: Problem, samples: int) -> np.ndarray:
    """The indices of the samples that stay."""
    times = problem.times
    length = times[-1] - times[0]
    events = np.unique(problem.spike_times[np.isfinite(problem.spike_times)])
    latest = np.searchsorted(events, times, side="right") - 1
    since = np.where(latest >= 0, times - events[np.maximum(latest, 0)], length)
    density = 1 / (since + _NEAR * length)
    density = density / density.sum() + 1 / samples
    passed = np.cumsum(density)
    return np.unique(np.searchsorted(passed, np.linspace(0, passed[-1], _FEW), side="left").clip(0, samples - 1))
