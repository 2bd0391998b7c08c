"""Where the search begins: how the variance of the residuals of a fit by least squares depends on the current.

The gating of n channels, of which a fraction g is open, adds ``scale^2 g (1 - g) / n`` to the variance of the noise
(Sigworth 1980, J. Physiol. 307:97).
"""

import numpy as np

from synkin.fitting.channels.likelihood import Seen
from synkin.fitting.model import Curve

# Sigma is at least this fraction of the residuals' standard deviation, and there are at most so many channels.
_LEAST, _MOST = 0.05, 1e5


def start_of(seen: Seen, point: np.ndarray, curve: Curve) -> np.ndarray:
    """The place (n,) at a fit by least squares: its point (N,), with sigma and the channels that its residuals show."""
    from scipy.optimize import nnls  # here, because it takes long to import

    problem, present = seen.problem, seen.problem.present
    squares = (problem.trace - curve.value)[present] ** 2
    open_part = np.clip(curve.g[present], 0.0, 1.0)
    size = (problem.split(point)["scale"][:, None] * np.ones_like(problem.trace))[present]
    basis = np.column_stack([np.ones_like(squares), size**2 * open_part * (1 - open_part)])
    if seen.channels:
        own = basis[:, 1] / seen.channels
        variance = max(np.mean(squares) - np.mean(own), 0.0)
        share = 1 / seen.channels
    else:
        variance, share = nnls(basis, squares)[0]
    variance = max(float(variance), _LEAST**2 * float(np.mean(squares)), np.finfo(float).tiny)
    place = np.append(point, 0.5 * np.log(variance))
    return place if seen.channels else np.append(place, -np.log(max(float(share), 1 / _MOST)))
