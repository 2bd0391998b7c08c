"""`synkin.rundown`: how an amplitude changes over the time of a recording."""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.numbers import as_float64
from synkin.measures.result import Rundown

_MS_PER_MINUTE = 60_000.0
# A change is said to be one if the probability of chance is below this.
_CHANCE = 0.05


def rundown(values: ArrayLike, start_times: ArrayLike) -> Rundown:
    """How an amplitude, or anything else that is measured of each sweep, changes over the time of a recording.

    Args:
        values: (R,) in any unit, such as ``peak`` of `synkin.measure`. NaN is left out.
        start_times: (R,) ms, when each sweep began, such as ``start_times`` of a `Recording`.

    Returns:
        `Rundown`: slope a minute with its standard error, and the probability of chance.

    Raises:
        TypeError: not real numbers, or traced by JAX.
        ValueError: shapes that do not fit, fewer than 3 values, times that do not differ or are not finite.

    The line is that of least squares. Its standard error and the p value, of a two-sided t test, take the values for
    independent, each as uncertain as any other. A change that is not straight shows in a picture.

    Example:
        >>> starts = 10_000.0 * np.arange(30)                      # ms: a sweep every 10 s
        >>> peaks = -100 + 5 * starts / 60_000 + np.random.default_rng(0).normal(0, 2, 30)
        >>> found = synkin.rundown(peaks, starts)
        >>> print(f"{found.slope:.1f} ± {found.stderr:.1f} pA a minute")
        5.0 ± 0.2 pA a minute
    """
    known = as_float64("values", values)
    starts = as_float64("start_times", units.strip_unit("start_times", start_times, "ms"))
    if known.ndim != 1:
        raise ValueError(f"Argument `values` must have shape (R,), but has shape {known.shape}.")
    if starts.shape != known.shape:
        raise ValueError(f"Argument `start_times` must have shape {known.shape}, but has shape {starts.shape}.")
    if not np.isfinite(starts).all():
        i = int(np.flatnonzero(~np.isfinite(starts))[0])
        raise ValueError(f"Argument `start_times` must be finite, but element {i} is {starts[i]}.")
    kept = np.isfinite(known)
    if kept.sum() < 3:
        raise ValueError(f"Argument `values` must have at least 3 finite values, but has {kept.sum()}.")
    minutes = (starts - starts.min()) / _MS_PER_MINUTE
    x, y = minutes[kept], known[kept]
    if np.ptp(x) == 0:
        raise ValueError(f"Argument `start_times` must differ, but all are {starts[0]:g}.")

    from scipy.special import stdtr  # its import takes longer than that of synkin

    away = x - x.mean()
    slope = float(away @ y / (away @ away))
    start = float(y.mean() - slope * x.mean())
    left = y - start - slope * x
    freedom = len(y) - 2
    stderr = sqrt(float(left @ left) / freedom / float(away @ away))
    p_value = 2 * float(stdtr(freedom, -abs(slope) / stderr)) if stderr else float(slope == 0)
    relative = slope / start if start else nan
    way = "grows" if relative > 0 else "falls"
    if p_value < _CHANCE:
        said = f"The size {way} by {abs(relative):.2%} a minute ({slope:.3g} ± {stderr:.2g}, p = {p_value:.2g})."
    else:
        said = f"No change is visible: {slope:.3g} ± {stderr:.2g} a minute (p = {p_value:.2g})."
    return Rundown(slope, stderr, relative, p_value, start, minutes, known, said)
