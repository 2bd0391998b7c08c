"""Errors from the observed information: the curvature of the logarithm of the likelihood at its highest.

Source: Efron and Hinkley 1978, Biometrika 65:457, for the observed information in place of the expected one.
"""

from collections.abc import Callable

import numpy as np

from synkin.fitting.channels.likelihood import Evaluated
from synkin.fitting.uncertainty.trade_offs import UNKNOWN_SHARE

# The step of a difference of derivatives, over the error that the expected information gives: long enough for an onset,
# whose derivative jumps where an edge passes a sample.
_STEP = 0.3
# The largest error of a logarithm that counts for the step.
_LARGEST = 10.0
# A combination is unknown if its curvature is less than this fraction of the largest one.
_FLAT = 1e-10


def covariance_of(
    likelihood: Callable[[np.ndarray], Evaluated], are_logarithms: np.ndarray, place: np.ndarray, at: Evaluated
) -> tuple[np.ndarray, np.ndarray]:
    """The covariance (n, n) of the errors of all coordinates, and which of these are unknown, (n,) bool.

    Args:
        likelihood: of a place (n,).
        are_logarithms: (n,) bool: which coordinates are logarithms.
        place: where it is highest.
        at: the likelihood there.
    """
    root = np.sqrt(np.diag(at.information))
    size = 1 / np.where(root > 0, root, 1.0)
    size = np.where(are_logarithms, np.minimum(size, _LARGEST), size)
    rows = []
    for i, step in enumerate(_STEP * size):
        ends = [likelihood(place + sign * step * np.eye(len(place))[i]).gradient for sign in (1, -1)]
        rows.append((ends[1] - ends[0]) / (2 * step))
    observed = np.array(rows) * np.outer(size, size)
    curvature, directions = np.linalg.eigh(0.5 * (observed + observed.T))
    flat = ~(curvature > _FLAT * curvature.max())
    unknown = np.linalg.norm(directions[:, flat], axis=1) > UNKNOWN_SHARE
    known = directions[:, ~flat]
    return (known / curvature[~flat]) @ known.T * np.outer(size, size), unknown
