"""`synkin.measure`: peak, rise, width, decay and charge of the response in a recording or each of its sweeps.

This uses NumPy and has no derivatives: the results depend on which sample is the largest. For derivatives, fit a kernel
(`synkin.fit`).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Any
from warnings import warn

import numpy as np
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_float64
from synkin.arguments.times import as_sweeps, check_increasing, check_times
from synkin.measures.amplitudes import after, amplitudes_of
from synkin.measures.baselines import Baseline, Zero, baseline_of, off_zero
from synkin.measures.crossings import FOOT, crossing_down, rising
from synkin.measures.decay import BEGINS, decay_of
from synkin.measures.result import NUMBERS, Measured
from synkin.measures.stimulus_artefacts import left_in, short_artefacts
from synkin.recordings.exclusion import Exclude, without
from synkin.recordings.recording import Recording, arrays, window_ms, within

# A trace that differs from the baseline by less than this fraction of its values is flat: the rest is rounding.
_FLAT = 64 * float(np.finfo(float).eps)
# A sweep goes the other way if it goes so many times as far there, and so many standard deviations of its samples by
# the median of their distances.
_OTHER_WAY, _FAR, _FROM_MEDIAN = 2.0, 6.0, 1.4826
# Stimuli are at least so many samples apart, and after the first sample of a sweep, if not at it.
_APART = 3
# Of so many sweeps each is named in a message.
_NAMED = 6


def measure(
    times: ArrayLike | Recording,
    trace: ArrayLike | None = None,
    *,
    baseline: float | tuple[float, float] | Sequence[tuple[float, float]] = Zero(),
    exclude: Exclude = None,
    sign: int | None = None,
    window: tuple[float, float] | None = None,
    peak_mean: float = 0.0,
    spikes: ArrayLike | None = None,
    failures_below: float | None = None,
) -> Measured:
    """Peak, onset, rise, width, decay and charge of a response, or of several responses.

    Args:
        times: (M,) ms, increasing, evenly spaced or not; or a `Recording`, alone.
        trace: (M,), or (R, M) for R sweeps at the same times: a conductance, current or voltage in any unit.
        baseline: the level before the response, in the trace's unit; or a window (a, b) in ms including its ends: the
            mean of each sweep in the window is the baseline of that sweep; or several windows, before and after the
            response: a straight line through their samples, of each sweep, for one that drifts. The default 0 is right
            for a conductance, and for a recording whose baseline was subtracted when it was read. With the default, a
            trace that clearly begins off 0 brings a warning.
        exclude: stretches (a, b) in ms that are left out, such as an artefact's: a list for all sweeps, or a list of R
            such lists. NaN samples are left out too. The trace is a straight line across them.
        sign: 1 for responses that go up, -1 for responses that go down. By default that in which the mean of all sweeps
            goes farther, for all of them; ``message`` says it.
        window: (a, b), where the peak is sought: in ms after the stimulus with ``spikes``, else in ms of the sweep. By
            default from the (first) stimulus, or the start, to the next stimulus or the end.
        peak_mean: ms; the peak is the mean over this time around its sample. By default that sample alone.
        spikes: (K,) ms, when the stimuli came. The measurements are then those of the first response, and the trace
            ends for them at the second stimulus; ``amplitudes`` has an amplitude for each stimulus.
        failures_below: with ``spikes``, how many standard deviations of the noise an amplitude must have to count as a
            response. By default 4 where responses are clearly apart from noise, and 1 where they overlap with it;
            ``message`` says which.

    Returns:
        `Measured`: numbers, or arrays (R,) where ``trace`` is (R, M) or a `Recording` is given.

    Raises:
        TypeError: not real numbers, or traced by JAX.
        ValueError: shapes that do not fit, fewer than 3 samples, times that do not increase, stimuli less than 3
            samples apart (as in seconds), a window without samples, or a number out of range.

    Warns:
        UserWarning: no baseline is given, and the trace before the response is level and off zero, by more than 5 % of
            the response (without ``exclude``, in ``window``) and by more than noise explains; or an amplitude after a
            stimulus is that of its artefact, which was not left out.

    The baseline is subtracted. The peak is the first of the samples that are farthest from it in the direction of the
    sign. Between samples the trace is taken as a straight line. The search starts at the last crossing of
    half of the peak before the peak: back from it the trace crosses 20 and 10 %, forward from it 80 and 90 %. The
    crossing of half of the peak on the way down is the first one after the peak. A jump between two samples rises
    between them. Noise raises the peak, lengthens the rise and shortens the width: filtered noise of 2.5 % of the peak
    does so by 3, 10 and 5 % on average. Average sweeps first, give ``peak_mean``, or use onset and decay, which change
    little. A sweep of noise also has a peak: compare it with ``noise``, or use ``amplitudes``.

    The onset is where the line through 20 and 80 % of the peak meets the baseline, as in Jonas et al. 1993 and Bartos
    et al. 2001. For a first-order receptor it is a little before the transmitter comes, because the rise is curved.

    The decay is fitted by least squares, from the first sample after the peak that is below 90 % of it to the end of
    the trace: cut the trace before the next response. ``tau_to_baseline`` is that of one exponential that decays to the
    baseline, and ``tau_to_level`` of one that decays to a level of its own. ``tau`` is the second if by an F test the
    probability that chance makes it fit so much better is below 5 %, the level is at most half of the peak, and not two
    exponentials that decay to the baseline are reported; otherwise it is the first. The test counts only so many
    samples as are independent, by the autocorrelation of what the fit leaves. Two exponentials, to the baseline or by
    the same test to a level, are reported if both have the same sign and, by an F test, fit better than one that decays
    to a level. So a slow exponential that a small error of the baseline explains is not reported. (The level of that
    test is 0.1 % for all time constants that are tried.)

    With ``spikes`` the amplitude of each response is measured where its mean over sweeps has its peak, over
    ``peak_mean``. So an amplitude of noise is 0 on average, which the farthest sample is not. The tail of the responses
    before is taken off: one or two exponentials are fitted to the decays of the mean after all stimuli at once, with
    time constants in common, and in each sweep their amplitudes are fitted to the decay before the stimulus. The
    ratios are those of mean amplitudes: the mean of the ratios of single sweeps is too large where the first
    amplitude varies (Kim and Alger 2001). Their errors come from variance and covariance over sweeps.

    The noise of an amplitude is that of amplitudes measured in the same way at many times before the first stimulus.
    Its variance is taken off that of amplitudes in ``cv`` and ``inverse_cv2``, whose errors come from leaving out each
    sweep in turn. Sweeps below ``failures_below`` times the noise are counted, as ``below``. Of sweeps without a
    response a fraction ``false_responses`` is above, so that ``failures`` is ``below`` over the rest; its error is
    that of the count, which is binomial. Where responses are clearly apart from noise (at most 1 % of the amplitudes
    after each stimulus are from 3 to 5 times the noise, and some above), any threshold in the gap counts right, and the
    default is 4. Elsewhere responses that are smaller than the threshold count as failures: it should be low, as the
    noise's own share is known, and the default is 1. (Responses of 4.4 times the noise on average, with a coefficient
    of variation of 0.3: 40 % of failures are found as 41 % at a threshold of 1, and as 44 % at 2.)

    These are NaN: all but peak, charge, baseline and noise of a trace that is flat, has its peak at the last sample, or
    nowhere goes in the direction; onset and rise of a trace with its peak at the first sample, or that does not rise
    from below 10 %; the width of a trace that does not return to half of the peak; time constants shorter than half a
    sample interval, or more than 10 times as long as the fitted part; and all measurements of a sweep with an infinite
    sample, or with less than 3 samples.

    Sources: Jonas, Major and Sakmann 1993, J. Physiol. 472: 615-663; Bartos et al. 2001, J. Neurosci. 21: 2687-2698;
    Kim and Alger 2001, J. Neurosci. 21: 9608-9618.

    Example:
        >>> times = np.arange(0.0, 100.0, 0.1)
        >>> late = np.maximum(times - 10, 0)
        >>> current = -20 * (np.exp(-late / 5) - np.exp(-late / 0.5)) - 1.0 * (late > 0)
        >>> found = synkin.measure(times, current, spikes=[10.0], window=(0, 20))
        >>> print(f"{found.peak:.1f}, {found.rise_20_80:.2f} ms, {found.tau:.2f} ms to {found.level:.1f}")
        -14.9, 0.45 ms, 5.03 ms to -1.0
    """
    starts = times.start_times if isinstance(times, Recording) else None
    times, trace, unit = arrays(times, trace)
    times, trace = as_sweeps(times, trace)
    check_increasing("times", times)
    stimuli = None if spikes is None else check_spikes(spikes, times)
    sought, width = check_window(window), check_width("peak_mean", peak_mean)
    least = None if failures_below is None else positive("failures_below", failures_below, zero=True)
    way = check_sign(sign)
    rows = np.atleast_2d(without(times, trace, exclude))
    inside = _searched(times, stimuli, sought)
    seen = short_artefacts(times, rows) if stimuli is not None or isinstance(baseline, Zero) else []
    if isinstance(baseline, Zero):
        stimulus = None if stimuli is None else int(np.searchsorted(times, stimuli[0]))
        said = off_zero(without(times, rows, seen), inside, stimulus)
        if said:
            warn(f"{said}: give `baseline=`, a window (a, b) in ms before the response, or a level.", stacklevel=2)
    below = baseline_of(times, rows, baseline)
    heights = _without_rounding(rows, below.levels)
    if way is None:
        way = direction(heights, inside)
    end = len(times) if stimuli is None or len(stimuli) < 2 else int(np.searchsorted(times, stimuli[1]))
    found = [
        _measure_sweep(times[:end], rows[i, :end], heights[i, :end], inside[:end], way, width, below, i)
        for i in range(len(rows))
    ]
    of_spikes = None
    if stimuli is not None:
        of_spikes = amplitudes_of(times, heights, below, stimuli, sought, width, way, least, unit, starts)
    columns = {name: np.array([each[name] for each in found]) for name in NUMBERS}
    said = _message(columns, heights, inside, way, given=sign is not None)
    if of_spikes is not None:
        said = f"{said} {of_spikes.message}"
        uncut = left_in(seen, of_spikes.spikes, of_spikes.peak_times)
        if uncut:
            said = f"{said} {uncut}"
            warn(uncut, stacklevel=2)
    numbers = columns if trace.ndim == 2 else {name: float(values[0]) for name, values in columns.items()}
    return Measured(**numbers, sign=way, amplitudes=of_spikes, unit=unit, message=said)


def check_sign(sign: object) -> int | None:
    """``sign`` as 1, -1 or None.

    Raises:
        TypeError, ValueError: something else.
    """
    if sign is None:
        return None
    value = np.array(0.0) if isinstance(sign, str) else as_float64("sign", sign)
    if value.shape != () or abs(value) != 1:
        raise ValueError(f"Argument `sign` must be 1, -1 or None, but is {describe(sign)}.")
    return int(value)


def check_window(window: object) -> tuple[float, float] | None:
    """``window`` as two different times in ms, or None.

    Raises:
        TypeError, ValueError: something else.
    """
    return window_ms("window", window)


def check_width(name: str, value: object) -> float:
    """A time in ms that is not negative.

    Raises:
        TypeError, ValueError: something else.
    """
    return positive(name, units.strip_unit(name, value, "ms"), zero=True, unit=" of ms")


def positive(name: str, value: object, *, zero: bool = False, unit: str = "") -> float:
    """A finite number above 0, or from 0 on.

    Raises:
        TypeError, ValueError: something else.
    """
    number = as_float64(name, value)
    if number.shape != () or not np.isfinite(number) or number < 0 or not (zero or number > 0):
        expected = f"a finite number{unit} that is not negative" if zero else f"a positive finite number{unit}"
        raise ValueError(f"Argument `{name}` must be {expected}, but is {describe(value)}.")
    return float(number)


def check_spikes(spikes: object, times: np.ndarray) -> np.ndarray:
    """Times of stimuli in ms, (K,), which must increase and lie within the sweeps.

    Raises:
        TypeError, ValueError: they do not.
    """
    found = as_float64("spikes", units.strip_unit("spikes", spikes, "ms"))
    found = np.asarray(check_times("spikes", np.atleast_1d(found), sort=False), float)
    if not found.size:
        raise ValueError("Argument `spikes` must have at least one time, but is empty.")
    check_increasing("spikes", found)
    least = _APART * float(np.median(np.diff(times)))
    if (np.diff(found) < least * (1 - 1e-6)).any() or 0 < found[-1] - times[0] < least * (1 - 1e-6):
        raise ValueError(
            f"Argument `spikes` must be in ms, {least:.3g} ms ({_APART} samples) apart and from the start or more, but "
            f"is {describe(found.tolist())}: if these are seconds, multiply them by 1000."
        )
    outside = (found < times[0]) | (found >= times[-1])
    if outside.any():
        raise ValueError(
            f"Argument `spikes` must lie within the sweeps, which go from {times[0]:g} to {times[-1]:g} ms, but has "
            f"{found[outside][0]:g}."
        )
    return found


def _without_rounding(rows: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Rows (R, M) less their baselines; 0 in those that are flat but for rounding."""
    heights: np.ndarray = rows - levels
    size, far = (np.where(np.isfinite(each), np.abs(each), 0.0).max(axis=1) for each in (rows, heights))
    heights[far <= _FLAT * size] *= 0.0
    return heights


def _searched(times: np.ndarray, spikes: np.ndarray | None, window: tuple[float, float] | None) -> np.ndarray:
    """Where the peak of the (first) response is sought, (M,).

    Raises:
        ValueError: there is no sample.
    """
    if spikes is not None:
        return after(times, spikes, 0, window)
    if window is None:
        return np.ones(len(times), bool)
    inside = within(times, window)
    if not inside.any():
        raise ValueError(
            f"Argument `window` must hold samples, which go from {times[0]:g} to {times[-1]:g} ms, but is "
            f"({window[0]:g}, {window[1]:g})."
        )
    return inside


def direction(heights: np.ndarray, inside: np.ndarray) -> int:
    """1 or -1: where the mean of all sweeps, (R, M), goes farther in the samples that are searched."""
    mean = np.ma.masked_invalid(heights[:, inside]).mean(axis=0).filled(0.0)
    return -1 if mean[np.abs(mean).argmax()] < 0 else 1


def _measure_sweep(
    times: np.ndarray,
    trace: np.ndarray,
    y: np.ndarray,
    inside: np.ndarray,
    sign: int,
    width: float,
    below: Baseline,
    row: int,
) -> dict[str, float]:
    """What is measured of a sweep ``y`` without its baseline, by the names of the fields."""
    unknown = dict.fromkeys(NUMBERS, nan)
    present = ~np.isnan(trace)
    times, y, inside, levels = times[present], y[present], inside[present], np.ravel(below.levels[row])
    if len(y) < 3 or not np.isfinite(y).all():
        return unknown
    unknown |= {"charge": float(np.trapezoid(y, times)), "noise": float(below.noise[row])}
    unknown["baseline"] = float(levels[0])
    if not inside.any():
        return unknown
    candidates = np.flatnonzero(inside)
    top = int(candidates[(sign * y[candidates]).argmax()])
    near = np.abs(times - times[top]) <= width / 2 * (1 + 1e-9)
    peak = float(y[near].mean()) if width else float(y[top])
    if levels.size > 1:
        unknown["baseline"] = float(levels[: len(present)][present][top])
    unknown["peak"] = peak
    if sign * peak <= 0 or top == len(y) - 1:
        return unknown
    height = y / peak
    up = rising(times, height, top)
    low, high = up[FOOT[0]], up[FOOT[1]]
    onset = low - FOOT[0] * (high - low) / (FOOT[1] - FOOT[0])
    begins = np.flatnonzero(height[top:] < BEGINS)
    decay: dict[str, Any] = {}
    if begins.size:
        first = top + int(begins[0])
        decay = decay_of(times[first:] - times[top], height[first:])._asdict()
        decay["level"] *= peak
    return unknown | {
        "onset": onset,
        "peak_time": float(times[top]),
        "time_to_peak": float(times[top]) - onset,
        "rise": up[0.9] - up[0.1],
        "rise_20_80": high - low,
        "half_width": crossing_down(times, height, top, 0.5) - up[0.5],
        **decay,
    }


def _message(columns: dict[str, np.ndarray], heights: np.ndarray, inside: np.ndarray, sign: int, *, given: bool) -> str:
    """How the sweeps were measured, and what to look at."""
    count = len(heights)
    way = "up" if sign > 0 else "down"
    whose = "as given" if given else "as the mean of all sweeps goes" if count > 1 else "as the trace goes farther"
    said = [f"Peaks are {way}, {whose}."]
    part = np.where(np.isfinite(heights[:, inside]), sign * heights[:, inside], 0.0)
    own, other = part.max(axis=1), -part.min(axis=1)
    against = [int(i) for i in np.flatnonzero(other > _OTHER_WAY * own) if other[i] > _FAR * _spread(part[i])]
    if against:
        are = "goes" if len(against) == 1 else "go"
        said.append(
            f"{_which(against, count)} {are} the other way: give sign=, or take synkin.current_voltage for sweeps at "
            "several voltages."
        )
    to_level = np.flatnonzero((columns["tau"] == columns["tau_to_level"]) & ~np.isnan(columns["tau"]))
    if to_level.size:
        parts = columns["level"][to_level] / columns["peak"][to_level]
        where = "The decay" if count == 1 else f"In {to_level.size} of {count} sweeps the decay"
        size = f"{np.median(np.abs(parts)):.1%} of the peak{'' if count == 1 else ' at the median'}"
        said.append(f"{where} ends at a level of its own, {size}, by an F test: tau is that to this level.")
    return " ".join(said)


def _spread(values: np.ndarray) -> float:
    """The standard deviation of most values, by the median of their distances."""
    return _FROM_MEDIAN * float(np.median(np.abs(values - np.median(values))))


def _which(rows: Sequence[int], count: int) -> str:
    """The names of sweeps by number, for the beginning of a sentence."""
    if count == 1:
        return "The trace"
    if len(rows) > _NAMED:
        return f"{len(rows)} of {count} sweeps"
    listed = ", ".join(map(str, rows[:-1]))
    return f"Sweep {rows[0]}" if len(rows) == 1 else f"Sweeps {listed} and {rows[-1]}"
