"""Peak, rise, width, decay and charge of the response in a conductance, a recording or each of its sweeps.

This uses NumPy and SciPy and has no derivatives: the results depend on which sample is the largest. For derivatives,
fit a kernel (`synkin.fit`).
"""

from __future__ import annotations

from math import inf, log, nan
from typing import Annotated, Any, NamedTuple, TypeAlias
from warnings import warn

import numpy as np
from jax.typing import ArrayLike

from synkin.arguments import fields, units
from synkin.arguments.numbers import as_float64
from synkin.arguments.times import as_sweeps, check_increasing
from synkin.recordings.exclusion import Exclude, without
from synkin.recordings.recording import Recording, arrays, window_ms, within

# A trace that differs from the baseline by less than this fraction of its values is flat: the rest is rounding.
_FLAT = 64 * float(np.finfo(float).eps)
# The fractions of the peak through which the line goes that gives the onset.
_FOOT = (0.2, 0.8)
# A time constant is reported if it is at least this many sample intervals, and at most this many times the length of
# what is fitted.
_SHORTEST, _LONGEST = 0.5, 10.0
# A trace begins off zero if the mean of the samples before the response is farther from 0 than this fraction of the
# response, and than this many times the range of the means of so many batches of them.
_OFF, _CLEARLY, _BATCHES = 0.05, 3.0, 5
# The number of time constants that are tried, and the largest number of samples on which they are tried.
_TRIED, _SAMPLES = 40, 4000
# Two exponentials are reported if the probability that chance alone makes them fit so much better is below this, and if
# one is wrong by more than this fraction of the peak, which is more than the rounding of float32.
_CHANCE, _ROUNDING = 0.001 / _TRIED, 1e-6


# A number, or an array (R,) for R sweeps.
Value: TypeAlias = Any


@fields.described
class Measured(NamedTuple):
    """Measurements: numbers, or arrays (R,) for R sweeps. NaN if a trace does not determine one."""

    onset: Annotated[Value, "where the line through 20 and 80 % of the rise meets the baseline", "ms"]
    peak: Annotated[Value, "the sample farthest from the baseline, less the baseline, signed", "the trace's unit"]
    peak_time: Annotated[Value, "when that sample was taken", "ms"]
    time_to_peak: Annotated[Value, "from the onset to the peak", "ms"]
    rise: Annotated[Value, "from 10 to 90 % of the peak", "ms"]
    half_width: Annotated[Value, "how long it is above half of the peak", "ms"]
    tau: Annotated[Value, "time constant of one exponential", "ms"]
    tau_fast: Annotated[Value, "the fast one of two exponentials; NaN if one fits as well", "ms"]
    tau_slow: Annotated[Value, "the slow one of two exponentials; NaN if one fits as well", "ms"]
    fraction_fast: Annotated[Value, "fraction of the fast one in the sum of both at the time of the peak, 0 to 1", "1"]
    tau_weighted: Annotated[
        Value, "fraction_fast tau_fast + (1 - fraction_fast) tau_slow; tau if one fits as well", "ms"
    ]
    charge: Annotated[Value, "integral of the whole trace, less the baseline, signed", "the trace's unit times ms"]
    baseline: Annotated[Value, "what was subtracted", "the trace's unit"]
    noise: Annotated[Value, "standard deviation in the baseline's window; NaN without one", "the trace's unit"]


class _Zero(float):
    """The default baseline: 0, but distinguishable from a 0 that is given."""


def measure(
    times: ArrayLike | Recording,
    trace: ArrayLike | None = None,
    *,
    baseline: float | tuple[float, float] = _Zero(),
    exclude: Exclude = None,
) -> Measured:
    """Peak, onset, rise, width, decay and charge of a response, or of several responses.

    Args:
        times: (M,) ms, increasing, evenly spaced or not; or a `Recording`, alone.
        trace: (M,), or (R, M) for R sweeps at the same times: a conductance, current or voltage in any unit, of either
            sign.
        baseline: the level before the response, in the trace's unit; or a window (a, b) in ms including its ends: the
            mean of each sweep in the window is the baseline of that sweep. The default 0 is right for a conductance,
            and for a recording whose baseline was subtracted when it was read. With the default, a trace that clearly
            begins off 0 brings a warning.
        exclude: stretches (a, b) in ms that are left out, such as an artefact's: a list for all sweeps, or a list of R
            such lists. NaN samples are left out too. The trace is a straight line across them.

    Returns:
        `Measured`: numbers, or arrays (R,) where ``trace`` is (R, M) or a `Recording` is given.

    Raises:
        TypeError: not real numbers, or traced by JAX.
        ValueError: shapes that do not fit, fewer than 3 samples, times that do not increase, or a window without
            samples.

    Warns:
        UserWarning: no baseline is given, and the trace before the response is level and off zero, by more than 5 % of
            the response and by more than noise explains.

    The baseline is subtracted, and the sign is chosen so that the sample farthest from it is positive; the first such
    sample is the peak. Between samples the trace is taken as a straight line. The search starts at the last crossing of
    half of the peak before the peak: back from it the trace crosses 20 and 10 %, forward from it 80 and 90 %. The
    crossing of half of the peak on the way down is the first one after the peak. A jump between two samples rises
    between them. Noise raises the peak, lengthens the rise and shortens the width: filtered noise of 2.5 % of the peak
    does so by 3, 10 and 5 % on average. Average sweeps first, or use onset and decay, which change little.

    The onset is where the line through 20 and 80 % of the peak meets the baseline, as in Jonas et al. 1993 and Bartos
    et al. 2001. For a first-order receptor it is a little before the transmitter comes, because the rise is curved.

    The decay is fitted by least squares, with one and with two exponentials that decay to the baseline. The fit begins
    at the first sample after the peak that is below 90 % of it, and ends at the end of the trace: cut the trace before
    the next response. Two exponentials are reported if both have the same sign and, by an F test, fit better than one
    that decays to a level of its own. So a slow exponential that a small error of the baseline explains is not
    reported. (The level of the test is 0.1 % for all time constants that are tried, and it counts fewer samples if
    neighbouring residuals are correlated.)

    These are NaN: all but peak, charge, baseline and noise of a trace that is flat or has its peak at the last sample;
    onset and rise of a trace with its peak at the first sample, or that does not rise from below 10 %; the width of a
    trace that does not return to half of the peak; time constants shorter than half a sample interval, or more than 10
    times as long as the fitted part; and all measurements of a sweep with an infinite sample, or with less than 3
    samples. A sweep of noise also has a peak: compare it with ``noise``.

    Sources: Jonas, Major and Sakmann 1993, J. Physiol. 472: 615-663; Bartos et al. 2001, J. Neurosci. 21: 2687-2698.
    """
    times, trace, _ = arrays(times, trace)
    times, trace = as_sweeps(times, trace)
    check_increasing("times", times)
    trace = without(times, trace, exclude)
    if isinstance(baseline, _Zero):
        said = off_zero(np.atleast_2d(trace))
        if said:
            warn(f"{said}: give `baseline=`, a window (a, b) in ms before the response, or a level.", stacklevel=2)
    levels, noise = _baseline(times, np.atleast_2d(trace), baseline)
    rows = [_measure_sweep(times, row, *below) for row, *below in zip(np.atleast_2d(trace), levels, noise, strict=True)]
    if trace.ndim == 1:
        return rows[0]
    return Measured(*(np.array([row[i] for row in rows], float) for i in range(len(Measured._fields))))


def off_zero(rows: np.ndarray) -> str:
    """The first part of a message if some of the traces, (R, M), clearly begin off zero, else an empty string."""
    levels = np.array([_begins_at(row) for row in rows])
    off = levels[~np.isnan(levels)]
    if not off.size:
        return ""
    which = (
        "The trace begins" if len(rows) == 1 else f"Of {len(rows)} traces {len(off)} begin off 0, the first of these"
    )
    return f"{which} at {off[0]:.3g}, but all is measured from 0"


def _begins_at(y: np.ndarray) -> float:
    """The mean before the response of a trace, if the trace is level there and clearly off zero, else NaN.

    The response is at the sample farthest from where the trace begins; before it are the samples up to the last one
    that is within a fifth of that distance. NaN also if the trace ends at zero rather than where it began: it
    then began on a plateau, and came back.
    """
    y = y[~np.isnan(y)]
    if len(y) < 3 or not np.isfinite(y).all():
        return nan
    edge = max(3, len(y) // 50)
    height = np.abs(y - np.median(y[:edge]))
    top = int(height.argmax())
    near = np.flatnonzero(height[:top] < _FOOT[0] * height[top])
    if near.size < 2 * _BATCHES:
        return nan
    before = y[: near[-1] + 1]
    means = np.array([batch.mean() for batch in np.array_split(before, _BATCHES)])
    level, spread = float(before.mean()), float(np.ptp(means))
    response = abs(y[top] - level)
    off = abs(level) > max(_OFF * response, _CLEARLY * spread) and spread < _FOOT[0] * response
    came_back = abs(np.median(y[-edge:])) < abs(level) / 2
    return level if off and not came_back else nan


def crossing_up(times: np.ndarray, height: np.ndarray, start: int, part: float) -> float:
    """The time at which ``height`` last crosses ``part`` on the way up to sample ``start``; NaN if it starts above."""
    below = np.flatnonzero(height[:start] < part)
    return _between(times, height, int(below[-1]), part) if below.size else nan


def crossing_down(times: np.ndarray, height: np.ndarray, start: int, part: float) -> float:
    """The time at which ``height`` first crosses ``part`` on the way down from sample ``start``; NaN if it does not."""
    below = np.flatnonzero(height[start:] < part)
    return _between(times, height, start + int(below[0]) - 1, part) if below.size else nan


def _between(times: np.ndarray, height: np.ndarray, i: int, level: float) -> float:
    """The time at which the straight line from sample ``i`` to the next one crosses ``level``."""
    return float(times[i] + (times[i + 1] - times[i]) * (level - height[i]) / (height[i + 1] - height[i]))


def _baseline(
    times: np.ndarray, rows: np.ndarray, baseline: float | tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Baseline and noise of each row."""
    if not units.are_quantities(baseline) and np.ndim(baseline) == 0 and not isinstance(baseline, str | None):
        level = as_float64("baseline", baseline)
        if not np.isfinite(level):
            raise ValueError(f"Argument `baseline` must be finite or a window, but is {level}.")
        return np.full(len(rows), float(level)), np.full(len(rows), nan)
    window = window_ms("baseline", baseline)
    if window is None:
        raise TypeError("Argument `baseline` must be a number or a window (a, b) in ms, but is None.")
    inside = within(times, window)
    if not inside.any():
        extent = f"which go from {times[0]:g} to {times[-1]:g} ms"
        raise ValueError(f"Argument `baseline` must hold samples, {extent}, but is ({window[0]:g}, {window[1]:g}).")
    samples = np.ma.masked_invalid(rows[:, inside])
    return samples.mean(axis=1).filled(nan), samples.std(axis=1, ddof=1).filled(nan)


def _measure_sweep(times: np.ndarray, trace: np.ndarray, baseline: float, noise: float) -> Measured:
    unknown = Measured(*[nan] * len(Measured._fields))
    present = ~np.isnan(trace)
    times, trace = times[present], trace[present]
    if len(trace) < 3 or not (np.isfinite(trace).all() and np.isfinite(baseline)):
        return unknown
    y = trace - baseline
    if np.abs(y).max() <= _FLAT * np.abs(trace).max():
        y = np.zeros(len(y))
    top = int(np.abs(y).argmax())
    peak, charge = float(y[top]), float(np.trapezoid(y, times))
    unknown = unknown._replace(peak=peak, charge=charge, baseline=float(baseline), noise=float(noise))
    if peak == 0 or top == len(y) - 1:
        return unknown
    height = y / peak
    rising = _rising(times, height, top)
    half_down = crossing_down(times, height, top, 0.5)
    low, high = rising[_FOOT[0]], rising[_FOOT[1]]
    onset = low - _FOOT[0] * (high - low) / (_FOOT[1] - _FOOT[0])
    return unknown._replace(
        onset=onset,
        peak_time=float(times[top]),
        time_to_peak=float(times[top]) - onset,
        rise=rising[0.9] - rising[0.1],
        half_width=half_down - rising[0.5],
        **_decay(times - times[top], height, top),
    )


def _rising(times: np.ndarray, height: np.ndarray, top: int) -> dict[float, float]:
    """When the trace crosses each level on the way up, from half of the peak outwards; NaN without a rise."""
    levels = (0.1, _FOOT[0], 0.5, _FOOT[1], 0.9)
    below = np.flatnonzero(height[:top] < 0.5)
    if not below.size:
        return dict.fromkeys(levels, nan)
    last = int(below[-1])  # the last sample below half
    found = {0.5: _between(times, height, last, 0.5)}
    for level in levels[:2]:
        found[level] = crossing_up(times, height, last + 2, level)
    for level in levels[3:]:
        above = last + 1 + int(np.flatnonzero(height[last + 1 : top + 1] >= level)[0])
        found[level] = _between(times, height, above - 1, level)
    return found


def _decay(times: np.ndarray, height: np.ndarray, top: int) -> dict[str, float]:
    """The time constants; ``times`` count from the peak, ``height`` is 1 there."""
    nothing = dict.fromkeys(("tau", "tau_fast", "tau_slow", "fraction_fast", "tau_weighted"), nan)
    below = np.flatnonzero(height[top:] < 0.9)
    if not below.size:
        return nothing
    # The fit starts at the first sample below 90 %, after the round top.
    t, y = times[top + below[0] :], height[top + below[0] :]
    single, double = _exponentials(t, y)
    if single is None:
        return nothing
    tau = float(single.taus[0])
    found = nothing | {"tau": tau, "tau_weighted": tau}
    if double is None:
        return found
    weights = double.amplitudes / double.amplitudes.sum()
    fast, slow = map(float, double.taus)
    return found | {
        "tau_fast": fast,
        "tau_slow": slow,
        "fraction_fast": float(weights[0]),
        "tau_weighted": float(weights @ double.taus),
    }


class _Sum(NamedTuple):
    """A fitted sum of exponentials."""

    amplitudes: np.ndarray  # (n,), at time 0
    taus: np.ndarray  # (n,) ms, increasing
    residuals: np.ndarray  # (M,)


def _exponentials(t: np.ndarray, y: np.ndarray) -> tuple[_Sum | None, _Sum | None]:
    """The best fit of one and of two exponentials; None where the trace does not determine them.

    Amplitudes are linear: they follow from the time constants. So the best of `_TRIED` time constants, and of pairs of
    them, are found first, and then refined with exact derivatives.
    """
    if len(t) < 3:
        return None, None
    span, interval = float(t[-1] - t[0]), float(np.median(np.diff(t)))
    shortest, longest = _SHORTEST * interval, _LONGEST * span
    step = -(-len(t) // _SAMPLES)
    # Time starts at the first fitted sample, so that a fast exponential does not underflow.
    x, some = t - t[0], slice(None, None, step)
    tried = np.geomspace(shortest, longest, _TRIED)
    columns = np.exp(-x[some, None] / tried)
    gram, onto = columns.T @ columns, columns.T @ y[some]
    one = _refine(x, y, tried[[int(np.argmax(onto * np.abs(onto) / np.diag(gram)))]])
    single = _if_determined(one, t[0], shortest, longest)
    if single is None or len(t) < 6 or np.abs(one.residuals).max() < _ROUNDING:
        return single, None
    i, j = np.triu_indices(_TRIED, k=2)
    determinant = gram[i, i] * gram[j, j] - gram[i, j] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        a = (gram[j, j] * onto[i] - gram[i, j] * onto[j]) / determinant
        b = (gram[i, i] * onto[j] - gram[i, j] * onto[i]) / determinant
        explained = np.where((a > 0) & (b > 0), a * onto[i] + b * onto[j], -inf)
    best = int(np.argmax(explained))
    if not np.isfinite(explained[best]):
        return single, None
    double = _if_determined(_refine(x, y, tried[[i[best], j[best]]]), t[0], shortest, longest)
    # A very slow decay may be a small error of the baseline: the test is against one exponential with a level.
    drifting = _refine(x, y, single.taus, level=True)
    return single, double if double is not None and _better(drifting, double, len(t)) else None


def _refine(x: np.ndarray, y: np.ndarray, taus: np.ndarray, *, level: bool = False) -> _Sum:
    """The least-squares fit near ``taus``, in their logarithms; with ``level``, to a fitted level instead of 0."""
    from scipy.optimize import least_squares  # its import takes longer than that of synkin

    n = len(taus)
    flat = np.ones((len(x), int(level)))

    def columns(taus: np.ndarray) -> np.ndarray:
        return np.hstack([np.exp(-x[:, None] / taus), flat])

    def residuals(p: np.ndarray) -> np.ndarray:
        return columns(np.exp(p[:n])) @ p[n:] - y

    def slopes(p: np.ndarray) -> np.ndarray:
        taus = np.exp(p[:n])
        by_amplitude = columns(taus)
        return np.hstack([by_amplitude[:, :n] * (x[:, None] / taus) * p[n : 2 * n], by_amplitude])

    amplitudes = np.linalg.lstsq(columns(taus), y, rcond=None)[0]
    start = np.concatenate([np.log(taus), amplitudes])
    # A step whose values overflow is rejected.
    with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
        found = least_squares(residuals, start, slopes, method="lm", xtol=1e-13, ftol=1e-13, gtol=1e-13)
        order = np.argsort(found.x[:n])
        return _Sum(found.x[n : 2 * n][order], np.exp(found.x[:n][order]), found.fun)


def _if_determined(found: _Sum, start: float, shortest: float, longest: float) -> _Sum | None:
    """``found`` with its amplitudes at time 0, ``start`` ms before the first fitted sample; None if not determined."""
    taus, amplitudes = found.taus, found.amplitudes
    if not (np.isfinite(taus).all() and np.isfinite(amplitudes).all() and (amplitudes > 0).all()):
        return None
    if taus[0] < shortest or taus[-1] > longest:
        return None
    with np.errstate(over="ignore"):
        amplitudes = amplitudes * np.exp(start / taus)
    return found._replace(amplitudes=amplitudes, taus=taus) if np.isfinite(amplitudes).all() else None


def _better(single: _Sum, double: _Sum, samples: int) -> bool:
    """Whether two exponentials fit better than one, by an F test with 2 more parameters."""
    one, two = (float(found.residuals @ found.residuals) for found in (single, double))
    if not two < one:
        return False
    if two == 0:
        return True
    # Correlated residuals count for less: in a first-order autoregression for (1 - a) / (1 + a) each.
    left = double.residuals
    correlation = min(max(float(left[1:] @ left[:-1]) / two, 0.0), 0.99)
    freedom = samples * (1 - correlation) / (1 + correlation) - 4
    # Of F with 2 and `freedom` degrees the tail is (two / one) ** (freedom / 2).
    return freedom / 2 * log(one / two) > -log(_CHANCE)
