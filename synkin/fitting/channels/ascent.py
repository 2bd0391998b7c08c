"""The search for the highest likelihood, by Fisher's scoring with a damped step (Levenberg and Marquardt)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from synkin.fitting.channels.likelihood import Evaluated

# What a step must be expected to gain of the logarithm of the likelihood.
_ENOUGH = 1e-8
# The damping at first, the factors by which it falls and grows, and where no step of any length gains.
_DAMPING, _LESS, _MORE, _MOST = 1e-3, 0.1, 8.0, 1e10
# The longest step of a logarithm.
_LONGEST = 1.5


class Ascent(NamedTuple):
    """Where a search ended."""

    place: np.ndarray  # (n,)
    at: Evaluated
    success: bool  # whether it ended by itself
    nfev: int


def maximise(
    likelihood: Callable[[np.ndarray], Evaluated],
    are_logarithms: np.ndarray,
    start: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    max_nfev: int,
    enough: float = _ENOUGH,
) -> Ascent:
    """The highest likelihood between bounds.

    Args:
        likelihood: of a place (n,).
        are_logarithms: (n,) bool: which coordinates are logarithms.
        start: (n,) where to begin.
        lower, upper: (n,) bounds; a coordinate whose bounds are equal is held.
        max_nfev: the maximum number of evaluations.
        enough: the search is at its end where a step is expected to gain less than this.
    """
    place, damping, nfev = np.clip(start, lower, upper), _DAMPING, 1
    at = likelihood(place)
    while nfev < max_nfev:
        stuck = ((place <= lower) & (at.gradient <= 0)) | ((place >= upper) & (at.gradient >= 0)) | (lower == upper)
        step = _step(at, ~stuck, damping)
        step *= min(1.0, _LONGEST / max(np.abs(step[are_logarithms]).max(initial=0.0), 1e-300))
        new = np.clip(place + step, lower, upper)
        gain = at.gradient @ (new - place)
        if not gain > enough or damping > _MOST:
            return Ascent(place, at, bool(np.isfinite(at.value)), nfev)
        there = likelihood(new)
        nfev += 1
        if there.value > at.value and np.isfinite(there.gradient).all():
            place, at, damping = new, there, damping * _LESS
        else:
            damping *= _MORE
    return Ascent(place, at, False, nfev)


def _step(at: Evaluated, free: np.ndarray, damping: float) -> np.ndarray:
    """The step of the coordinates that are free, 0 of all others."""
    step = np.zeros(len(free))
    size = np.sqrt(np.diag(at.information))[free]
    size = np.where(size > 0, size, 1.0)
    scaled = at.information[np.ix_(free, free)] / np.outer(size, size)
    scaled[np.diag_indices(len(size))] += damping
    step[free] = np.linalg.lstsq(scaled, at.gradient[free] / size, rcond=None)[0] / size
    return step
