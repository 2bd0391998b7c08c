"""Many independent fits at once.

    recordings   the recordings of a batch, padded to a few sizes
    noise        how noisy each recording is
    descent      least squares of many recordings side by side, compiled
    calls        the calls of that
    search       the starts of each recording
    errors       standard errors
    arguments    the arguments of `fit_each`, checked
    result       `FitEach`

Each imports only from those above it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike

from synkin.arguments.known import computed_at_once, double_precision
from synkin.arguments.numbers import check_whole
from synkin.declaring.kernel import Kernel
from synkin.fitting.batch.arguments import Given, as_given
from synkin.fitting.batch.errors import Errors, estimate_errors
from synkin.fitting.batch.recordings import Recordings
from synkin.fitting.batch.result import FLAGS, FitEach, message_of
from synkin.fitting.batch.search import Found, at_bound, left_of_noise, own_values, search, sums_of_squares
from synkin.fitting.problem import OWN

__all__ = ["FitEach", "fit_each"]

# So many samples, or fewer, are fitted at a time, so that memory stays bounded.
_SAMPLES = 1 << 19
# There is a misfit if what the curve leaves is more than the first factor times the variance of fast noise, and if more
# than the second fraction of the recording's variance is left besides noise.
_CLEARLY, _MATTERS = 4.0, 0.1
# There is a response if the curve explains this many times as much as it could explain of noise alone.
_MORE = 4.0
# A curve that explains more than this has found something, however few independent samples there are.
_HALF = 0.5


def fit_each(
    kernel: Kernel,
    params: NamedTuple,
    spike_times: ArrayLike,
    times: ArrayLike,
    traces: ArrayLike,
    *,
    free: str | Sequence[str],
    scale: bool | float = True,
    offset: bool | float = False,
    onset: bool | float = False,
    weights: ArrayLike | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    sigma: ArrayLike | None = None,
    starts: int = 6,
    overlap: str = "restart",
    unit: str = "",
    max_nfev: int = 300,
) -> FitEach:
    """Fit a kernel to each of many recordings by itself, side by side: events, synapses or simulations by the thousand.

    Each recording gets its own parameters, scale, offset and onset, as if `synkin.fit` had fitted it alone.

    Args:
        kernel: a kernel such as `synkin.ampa`, a scheme or a sum.
        params: the kernel's ``Params``: the values from which free parameters start, and at which all others are held;
            scalars, or (R,) if recordings differ.
        spike_times: (K,) or (R, K) ms, in any order, where inf is ignored.
        times: (M,) or (R, M) ms, increasing.
        traces: (R, M), in any unit. NaN samples are left out, so NaN can fill shorter recordings up.
        free: names of the parameters that are fitted.
        scale: whether to fit the factor from g to the trace; or the number at which it is held. False stands for 1.
        offset: the same for the baseline, in the unit of the traces. False stands for 0.
        onset: the same for the shift in ms of all spike times of a recording. False stands for 0.
        weights: one number for each spike, (K,) or (R, K), as in `synkin.respond`.
        bounds: lower and upper bounds of fitted quantities, by name, for all recordings. By default a parameter stays
            within a factor of 10,000 of its start.
        sigma: the error of each sample, (M,) or (R, M). Only ratios within a recording count.
        starts: the maximum number of starts for a recording. The first is ``params``. Others are tried only if the
            search did not converge, if it ended at a bound, or if the curve leaves more than fast noise.
        overlap: for a receptor "restart" or "ignore", as in `synkin.respond`.
        unit: the unit of the traces, such as "pA", for the table.
        max_nfev: how often the curve may be evaluated in one start.

    Returns:
        A `synkin.FitEach`, of NumPy arrays with one element for each recording. It is always computed in double
        precision.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range. A recording that cannot be fitted raises
            nothing: its results are NaN, and ``flag`` says why.

    Parameters, times, weights and traces may be quantities of saiunit. ``unit`` is then that of the traces.

    ``flag`` is "" if a fit is good. Otherwise it says what is wrong: "no samples", "too few samples", "constant", "no
    spike before its end", "not finite", "not converged", "no response", "misfit", "at a bound" or "not identifiable".
    It is a misfit if the curve leaves more than 4 times the variance of fast noise, and more than 10 % of the variance
    of the recording. An artefact in a few samples can be a misfit, too.

    Standard errors are computed as by `synkin.fit`: they take into account that noise is correlated from sample to
    sample, and are infinite if the recording does not determine a quantity.

    JAX compiles once for each kernel and set of free names, and once more for recordings of quite different sizes:
    internally they are padded to one of 8 lengths between two powers of 2, and spikes to a power of 2.

    Source: for the descent, Marquardt 1963, SIAM J. Appl. Math. 11:431; for scale and offset, Golub and Pereyra 1973,
    SIAM J. Numer. Anal. 10:413.

    Example:
        >>> times = np.arange(0.0, 20.0, 0.5)
        >>> traces = np.exp(-times / np.array([[3.0], [5.0], [8.0]])) + 0.01 * np.cos(9 * times)
        >>> found = synkin.fit_each(synkin.expon, synkin.expon.Params(), [0.0], times, traces, free="tau")
        >>> print(found.params.tau.round(1))
        [3. 5. 8.]
        >>> found.flag.tolist()  # nothing is wrong
        ['', '', '']
    """
    began = time.perf_counter()
    starts, limit = check_whole("starts", starts), check_whole("max_nfev", max_nfev)
    with double_precision(), computed_at_once(), np.errstate(over="ignore", invalid="ignore"):
        given = as_given(
            kernel,
            params,
            spike_times,
            times,
            traces,
            free=free,
            held={"scale": scale, "offset": offset, "onset": onset},
            weights=weights,
            bounds=bounds or {},
            sigma=sigma,
            overlap=overlap,
            unit=unit,
        )
        return _fit(given, starts, limit, began)


def _fit(given: Given, starts: int, limit: int, began: float) -> FitEach:
    recordings, number = given.recordings, len(given.traces)
    form = recordings.form
    names = (*form.free, *(name for name in OWN if name in form.fitted))
    values = {name: np.full(number, given.held.get(name, np.nan)) for name in (*OWN, "noise", "alike", "r_squared")}
    stderr = {name: np.full(number, np.nan) for name in names}
    point, nfev = np.full((number, len(form.coordinates)), np.nan), np.zeros(number, int)
    converged, bound, identifiable = (np.zeros(number, bool) for _ in range(3))
    flag = given.unfit.astype(f"<U{max(map(len, FLAGS))}")
    todo = np.flatnonzero(recordings.fitted)
    for part in np.split(todo, np.arange(0, len(todo), max(_SAMPLES // given.traces.shape[1], 1))[1:]):
        if not part.size:
            continue
        some = recordings.some(part)
        found = search(some, starts, limit)
        errors = estimate_errors(some, found)
        point[part], nfev[part], converged[part] = found.point, found.nfev, found.converged
        for name, own in own_values(some, found).items():
            values[name][part] = own
        values["noise"][part], values["alike"][part] = errors.noise, errors.inefficiency
        for name in names:
            stderr[name][part] = errors.stderr[name]
        identifiable[part], bound[part] = errors.identifiable, at_bound(some, found).any(axis=1)
        values["r_squared"][part], flag[part] = _quality(some, found, errors)
    is_fitted = np.isin(np.arange(number), todo)
    reasons = {
        "not finite": is_fitted & ~np.isfinite(values["r_squared"]),
        "not converged": is_fitted & ~converged,
        **{name: flag == name for name in FLAGS if name in flag},
        "at a bound": bound,
        "not identifiable": is_fitted & ~identifiable,
    }
    flag = np.select([*reasons.values()], [*reasons], "")
    missing = int((~recordings.present).sum())
    return FitEach(
        kernel=form.kernel,
        params=_params_at(given, point, is_fitted),
        **{name: values[name] for name in OWN},
        free=names,
        stderr=stderr,
        r_squared=values["r_squared"],
        noise=values["noise"],
        alike=values["alike"],
        converged=converged,
        at_bound=bound,
        identifiable=identifiable,
        flag=flag,
        message=message_of(flag, stderr, missing),
        nfev=nfev,
        seconds=time.perf_counter() - began,
        spike_times=given.spike_times,
        times=given.times,
        traces=given.traces,
        unit=given.unit,
        recordings=recordings,
        point=point,
    )


def _quality(recordings: Recordings, found: Found, errors: Errors) -> tuple[np.ndarray, np.ndarray]:
    """R^2, and a flag where the curve does not describe the recording, (R,) each."""
    number, fitted = recordings.present.sum(axis=1), len(recordings.form.fitted)
    squares, variance, weighted_variance = sums_of_squares(recordings, found)
    left, noise = (mean / weighted_variance for mean in left_of_noise(recordings, found))
    explained, independent = 1 - left, number / errors.inefficiency
    no_response = explained < np.minimum(_MORE * fitted / independent, _HALF)
    misfit = (left > _CLEARLY * noise) & (left - noise > _MATTERS)
    return 1 - squares / variance, np.select([no_response, misfit], ["no response", "misfit"], "")


def _params_at(given: Given, point: np.ndarray, is_fitted: np.ndarray) -> Any:
    """``Params`` of arrays (R,)."""
    form, number = given.recordings.form, len(point)
    found = {name: np.exp(point[:, i]) if form.logarithmic[i] else point[:, i] for i, name in enumerate(form.free)}
    held = {name: np.broadcast_to(a, number).copy() for name, a in given.params._asdict().items() if name not in found}
    return given.params._replace(**found, **held)
