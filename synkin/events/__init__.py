"""From a recording of miniature events to their times and sizes.

template    the answer to one event, sampled as the recording is
filters     baseline, spectrum of the noise, matched filter: all that takes a Fourier transform
search      which events there are, when, and how large
result      what comes of it

NumPy and SciPy, outside of JAX: which events there are is decided, not solved for: there is nothing to differentiate.
"""

from math import ceil, inf
from typing import Any

import numpy as np

from synkin.arguments import units
from synkin.arguments.choices import check_kernel
from synkin.arguments.numbers import as_float64, check_number
from synkin.arguments.params_and_states import check_params
from synkin.events import filters
from synkin.events.result import Events
from synkin.events.search import Rules, direction_of, search
from synkin.events.template import Template, sampled
from synkin.recordings.recording import checked_samples

__all__ = ["Events", "deconvolve"]

# Samples that differ by more than this part of the interval from where they should be are not evenly spaced.
_EVEN = 0.01
# The baseline's Gaussian, in lengths of one answer.
_DRIFT = 4.0
# How often all is done: the first time as if the noise were white, then with the spectrum that was left, and then until
# the baseline stays where it is, to this part of the noise or of the curve; more than 3 times in short traces alone.
_STAGES, _MOST_STAGES = 3, 6
_OF_NOISE, _OF_CURVE = 0.05, 1e-3
# Events of whose answer's energy the trace holds less than this part are not reported.
_HELD = 0.7


def deconvolve(
    kernel: Any,
    params: Any,
    times: Any,
    trace: Any = None,
    *,
    threshold: float = 4.5,
    smallest: float = 0.0,
    sign: int | None = None,
    drift: float | None = None,
    mismatch: float = 0.1,
) -> Any:
    """The times and sizes of the events in a recording, each of which is answered as by a kernel.

    Events may overlap. What is found goes back into `respond`: for a linear kernel
    ``respond(kernel, params, events.times, times, weights=events.weights)`` is the trace without baseline and noise, in
    its own unit; for a receptor ``events.times`` are spike times.

    Args:
        kernel: a kernel such as `synkin.ampa`.
        params: its ``Params``, scalars, such as `fit` finds for the mean of some events.
        times: (M,) ms, evenly spaced; or a `Recording`, alone.
        trace: (M,), or (R, M) for R sweeps: a current, voltage or conductance in any unit.
        threshold: how far an event must stand out, in standard deviations of what noise alone does to the trace once it
            is deconvolved.
        smallest: events smaller than this, in the trace's unit, are left out of the result.
        sign: 1 or -1 for events that go up or down; by default the way that more of the trace goes.
        drift: ms; what varies more slowly than a Gaussian of this standard deviation is baseline. By default 4 times as
            long as one answer lasts, which ends at 0.1 % of its peak.
        mismatch: the part of an answer, 0 to 1, by which those of the recording may differ in form: so much more must
            an event beside a large one stand out.

    Returns:
        `Events`, or a list of R of them where ``trace`` is (R, M) or a `Recording` is given.

    Raises:
        TypeError: an argument of the wrong kind, or a traced one.
        ValueError: shapes that do not fit, a NaN or infinite sample, times that are not evenly spaced, an answer that
            is 0 or longer in its rise than the trace, or a number out of range.

    The trace is taken as a baseline, a sum of answers of any size and of one sign, and Gaussian noise of any spectrum.
    It is deconvolved in the frequency domain, as Pernia-Andrade et al. do, but by a matched filter that weighs each
    frequency by the power of the noise there, in place of a band-pass set by hand. That power is estimated from what is
    left of the trace, twice. Where the result passes the threshold an event is placed, to a sixteenth of the 10-90 %
    rise or better; the sizes of all events are found together by least squares, none negative, each is moved to
    where it matches best what the others leave, is replaced by two where these match better, and is left out where it
    no longer stands out of the noise with all others there.

    Two events that are too close to be told apart from one are reported as one, with the sum of their sizes: those
    whose difference from one stands less out of the noise than the threshold, plus ``mismatch`` of their match. At a
    peak of 5 standard deviations of white noise at 20 kHz, rise 0.9 and decay 5 ms, 2 ms apart are two, and 0.2 ms
    apart one. Events that come before the first sample are not reported, nor those of whose answer the trace ends too
    soon to hold 70 % (of its energy).

    The baseline is the mean of the trace less events under a Gaussian of ``drift``, mirrored at the ends; the answers
    lose in the same way what a baseline would follow, so that many events do not draw it towards them. In a trace that
    is hardly longer than ``drift``, or where answers overlap all the time, it takes a part of them, and sizes are too
    small: of events 50 a second that last 5 ms, one in ten is missed or merged.

    A receptor's answers saturate, and a spike during a pulse restarts it: here answers add up, so that where they
    overlap `respond` gives less. White noise alone is taken for an event about once in two minutes.

    Sources: Pernia-Andrade et al. 2012, Biophys. J. 103: 1429-1439; Clements and Bekkers 1997, Biophys. J. 73: 220-229.
    """
    check_kernel(kernel)
    params = check_params(units.params(kernel, params), (), kernel)
    params = params._replace(**{name: as_float64(f"params.{name}", value) for name, value in params._asdict().items()})
    of_recording, (times, trace, unit) = trace is None, checked_samples(times, trace)
    _check(times, trace)
    threshold = _number("threshold", threshold, lambda v: 0 < v < inf, "a positive number of standard deviations")
    smallest = _number("smallest", smallest, lambda v: 0 <= v < inf, "finite and not negative")
    mismatch = _number("mismatch", mismatch, lambda v: 0 <= v <= 1, "from 0 to 1")
    if sign is not None:
        sign = int(_number("sign", sign, lambda v: abs(v) == 1, "1, -1 or None"))
    interval = float(times[-1] - times[0]) / (len(times) - 1)
    template = sampled(kernel, params, interval, len(times))
    if drift is None:
        drift = _DRIFT * template.length
    else:
        drift = _number("drift", units.plain("drift", drift, "ms"), lambda v: 0 < v < inf, "a positive number of ms")
    # A wider one than the trace is its mean all the same.
    width = min(drift / interval, float(len(times)))
    steps = ceil(max(template.rise / interval, 2.0) * len(template.samples))
    rules = Rules(threshold, mismatch, steps)
    found = [
        _one(row, float(times[0]), interval, template, width, sign, rules, smallest, unit)
        for row in np.atleast_2d(trace)
    ]
    return found if of_recording or trace.ndim == 2 else found[0]


def _check(times: np.ndarray, trace: np.ndarray) -> None:
    interval = (times[-1] - times[0]) / (len(times) - 1)
    off = np.abs(times - times[0] - interval * np.arange(len(times)))
    if not (interval > 0 and off.max() <= _EVEN * interval):
        i = int(np.argmax(np.abs(np.diff(times) - interval)))
        raise ValueError(
            f"Argument `times` must be increasing and evenly spaced, here by {interval:g} ms, but element {i + 1} "
            f"({times[i + 1]:g}) comes {times[i + 1] - times[i]:g} ms after the one before."
        )
    bad = ~np.isfinite(trace).reshape(-1, len(times))
    if bad.any():
        sweep, i = (int(index[0]) for index in np.nonzero(bad))
        where = f"element {i}" + (f" of sweep {sweep}" if trace.ndim == 2 else "")
        raise ValueError(
            f"Argument `trace` must be finite, but has {bad.sum():,} NaN or infinite samples, the first of them "
            f"{where}: cut them out, or fill them in."
        )


def _number(name: str, value: Any, condition: Any, expected: str) -> float:
    """A number that is known."""
    return float(as_float64(name, check_number(name, value, condition, expected)))


def _one(
    trace: np.ndarray,
    start: float,
    interval: float,
    template: Template,
    width: float,
    sign: int | None,
    rules: Rules,
    smallest: float,
    unit: str,
) -> Events:
    """The events of one sweep."""
    count, (phases, length) = len(trace), template.samples.shape
    noise, curve, below = filters.WHITE, np.zeros(count + length), np.zeros(count)
    direction = 1
    for stage in range(1, _MOST_STAGES + 1):
        # Beyond its ends, where the baseline is mirrored and answers are cut, the trace is taken to go on as was found.
        left = trace - curve[:count]
        left -= filters.baseline(left, width)
        matched = filters.matched(
            np.pad(left, (0, length)) + filters.less_baseline(curve, width), count, template, width, noise
        )
        if stage == 1:
            direction = sign or direction_of(matched, rules.threshold)
        if direction < 0:
            np.negative(matched.match, out=matched.match)
        found = search(matched, rules)
        curve = direction * summed(template, found.places, found.sizes, count)
        before, left = below, trace - curve[:count]
        below = filters.baseline(left, width)
        left -= below
        sample_noise = float(np.median(np.abs(left)) * filters.FROM_MEDIAN)
        near = max(_OF_NOISE * sample_noise, _OF_CURVE * float(np.abs(curve).max()))
        if stage >= _STAGES and np.abs(below - before).max() <= near:
            break
        noise = filters.spectrum(left, template)

    energy = np.cumsum(template.samples[0] ** 2)
    held = count - int(np.searchsorted(energy, _HELD * energy[-1]))
    keep = (found.places > 0) & (found.places < held * phases) & (found.sizes >= smallest)
    sizes = direction * found.sizes[keep]
    return Events(
        times=start + (found.places + found.shifts)[keep] * (interval / phases),
        sizes=sizes,
        weights=sizes / template.peak,
        size_errors=found.noise / np.sqrt(found.firmness[keep]),
        noise=sample_noise,
        threshold=direction * rules.threshold * found.noise / float(matched.norm.min()),
        curve=direction * summed(template, found.places[keep], found.sizes[keep], count)[:count],
        baseline=below,
        duration=(count - 1) * interval,
        unit=unit,
    )


def summed(template: Template, places: np.ndarray, sizes: np.ndarray, count: int) -> np.ndarray:
    """The answers to all events, (count + L,)."""
    phases, length = template.samples.shape
    curve = np.zeros(count + length)
    for place, size in zip(places, sizes, strict=True):
        n, q = divmod(int(place), phases)
        curve[n : n + length] += size * template.samples[q]
    return curve


def __dir__() -> list[str]:
    return sorted(__all__)
