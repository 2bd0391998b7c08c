"""Miniature events: from a recording to their times and sizes.

    template            the response to one event, sampled as the recording is
    shapes              events cut out one by one, their average, and what fits it
    filters             what is done in the frequency domain: baseline, noise spectrum, matched filter
    search              which events there are, when, and how large
    deconvolution       all steps for one sweep
    progress            how far a long search is
    table               `EventTable`: what is measured of each event
    result              `Events`, `EventAverage`
    message             what is said of them
    finding_templates   `find_template`: a template from the recording itself

Each imports only from those above it. They use NumPy and SciPy instead of JAX: whether there is an event is a decision,
and has no derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil, inf
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_flag, check_kernel
from synkin.arguments.numbers import as_float64, check_number
from synkin.arguments.params_and_states import check_params
from synkin.arguments.times import as_sweeps
from synkin.declaring.kernel import Kernel
from synkin.events.message import of_artefacts, of_direction, of_shape
from synkin.events.progress import Progress
from synkin.events.result import EventAverage, Events, average_of
from synkin.events.shapes import LEAST, sum_of
from synkin.events.table import EventTable
from synkin.events.template import sampled
from synkin.recordings.exclusion import Exclude, stretches_of, without
from synkin.recordings.recording import Recording, arrays
from synkin.solving.filters import Filter, as_filters

if TYPE_CHECKING:
    from synkin.events.deconvolution import Sweep, Traced

__all__ = ["EventAverage", "EventTable", "Events", "deconvolve"]

# Times are evenly spaced if they differ from an even grid by less than this fraction of the interval.
_EVEN = 0.01
# The standard deviation of the baseline's Gaussian, in lengths of one response.
_DRIFT = 4.0


def deconvolve(
    kernel: Kernel,
    params: NamedTuple,
    times: ArrayLike | Recording,
    trace: ArrayLike | None = None,
    *,
    threshold: float = 4.5,
    smallest: float = 0.0,
    sign: int | str | None = None,
    drift: float | None = None,
    mismatch: float = 0.1,
    exclude: Exclude = None,
    filter: Filter | Sequence[Filter] | None = None,
    progress: bool = True,
) -> Any:  # Events, or a list of them
    """Find the events in a recording, such as miniature currents: their times and sizes. Each has the shape of a
    kernel.

    Events may overlap. With a linear kernel, ``respond(kernel, params, events.times, times, weights=events.weights)``
    gives the trace without baseline and noise. For a receptor ``events.times`` are spike times.

    Args:
        kernel: a kernel such as `synkin.ampa`.
        params: its ``Params``, scalars, as `synkin.find_template` gives them, or a fit to the mean of some events.
        times: (M,) ms, evenly spaced; or a `synkin.Recording`, without ``trace``.
        trace: (M,), or (R, M) for R sweeps: a current, voltage or conductance, in any unit.
        threshold: the height above which there is an event in the deconvolved trace, in standard deviations of its
            noise.
        smallest: events that are smaller than this, in the unit of the trace, are not reported.
        sign: 1 for events that go up, -1 for events that go down, "both" for both. By default the direction of most
            events in all sweeps. Large events of the other sign are not reported, but ``message`` says that there are
            some.
        drift: in ms, how slow the baseline is: it is the trace smoothed by a Gaussian of this standard deviation. By
            default 4 times the length of one response, until it has fallen to 0.1 % of its peak.
        mismatch: by what fraction, 0 to 1, recorded events may differ in shape from the kernel. A small event next to a
            large one must be higher by this fraction of the large one.
        exclude: stretches (a, b) in ms, from the start of a sweep, that are left out: one list for all sweeps, or a
            list of R such lists. NaN samples are left out, too. By default the artefacts that `synkin.find_artefacts`
            finds; an empty list leaves nothing out.
        filter: a low-pass filter of the recording, as in `synkin.respond`. Times of events are then those before the
            filter.
        progress: whether a long search writes to stderr how far it is: in a terminal from 2 s on, elsewhere every 10 s.

    Returns:
        A `synkin.Events`; a list of R of them if ``trace`` is (R, M) or a `synkin.Recording` is given.

    Raises:
        TypeError: an argument of the wrong kind, or a traced one.
        ValueError: shapes do not fit, a sample is infinite, times are not evenly spaced, the kernel's response is 0 or
            rises for longer than the trace lasts, or a number is out of range.

    How it works: the trace is taken as a baseline, plus events of any size, plus Gaussian noise of any spectrum. It is
    deconvolved in the frequency domain, as by Pernia-Andrade et al. 2012, but by a matched filter: each frequency is
    weighted by the power of the noise there, which is estimated from stretches without events. There is an event
    wherever the result is above the threshold. Times are found to 1/16 of the 10-90 % rise time or better. The sizes of
    all events are then fitted together, by least squares with one sign. After that each event is moved to where it fits
    best beside the others. It is replaced by two events if these fit better, and is dropped if it is no longer above
    the threshold.

    If the kernel has another shape than the events: it is compared with the average of isolated events, and what it
    does not explain there is not taken for further events. So a kernel that is twice too slow or too fast gives few
    false events, but small events beside large ones are missed. ``message`` describes the shape of the average, and
    says which `synkin.dual_expon` follows it.

    Two events that are very close are reported as one, with the sum of their sizes. For example, with a peak of 5
    standard deviations of white noise, a rise of 0.9 ms, a decay of 5 ms and 20 kHz, events 2 ms apart are reported as
    two, and events 0.2 ms apart as one. Events before the first sample, and events near the end of which less than 70 %
    of the energy is in the trace, are not reported.

    The baseline is the trace without events, smoothed and mirrored at the ends. If events overlap all the time, or if
    the trace is not much longer than ``drift``, part of the events counts as baseline, and sizes are too small. At 50
    events a second that last 5 ms, one in ten is missed or merged with another.

    Here responses add up. The conductance of a receptor saturates, so for overlapping events `synkin.respond` gives
    less. White noise alone gives about one false event in two minutes.

    Sources: Pernia-Andrade et al. 2012, Biophys. J. 103: 1429-1439; Clements and Bekkers 1997, Biophys. J. 73: 220-229;
    for the spectrum from stretches, Blackman and Tukey 1958, The Measurement of Power Spectra.

    Example:
        >>> kernel, params, times = synkin.dual_expon, synkin.dual_expon.Params(), np.arange(0.0, 600.0, 0.2)
        >>> trace = -20.0 * synkin.respond(kernel, params, [150.0, 300.0, 360.0], times)  # pA
        >>> trace += np.random.default_rng(0).normal(size=times.size)
        >>> found = synkin.deconvolve(kernel, params, times, trace)
        >>> print(found.times.round(), found.sizes.round(-1))
        [150. 300. 360.] [-20. -20. -20.]
    """
    # Here, because SciPy's tools take long to import.
    from synkin.events.deconvolution import STAGES, Rules, Sweep, direction_of, misfit_of, trace_events
    from synkin.recordings.artefacts import artefacts

    check_kernel(kernel)
    params = check_params(units.params(kernel, params), (), kernel)
    params = params._replace(**{name: as_float64(f"params.{name}", value) for name, value in params._asdict().items()})
    of_recording, (times, trace, unit) = trace is None, arrays(times, trace)
    times, trace = as_sweeps(times, trace)
    interval = _check_samples(times, trace)
    threshold = _as_number("threshold", threshold, lambda v: 0 < v < inf, "a positive number of standard deviations")
    smallest = _as_number("smallest", smallest, lambda v: 0 <= v < inf, "finite and not negative")
    mismatch = _as_number("mismatch", mismatch, lambda v: 0 <= v <= 1, "from 0 to 1")
    both = isinstance(sign, str) and sign == "both"
    if sign is not None and not both:
        expected = "1, -1, 'both' or None"
        if isinstance(sign, str):
            raise ValueError(f"Argument `sign` must be {expected}, but is {sign!r}.")
        sign = int(_as_number("sign", sign, lambda v: abs(v) == 1, expected))
    template = sampled(kernel, params, interval, len(times), as_filters(filter))
    if drift is None:
        drift = _DRIFT * template.length
    else:
        drift = _as_number(
            "drift", units.strip_unit("drift", drift, "ms"), lambda v: 0 < v < inf, "a positive number of ms"
        )
    # A baseline wider than the trace is its mean at any width.
    width = min(drift / interval, float(len(times)))
    places = ceil(max(template.rise / interval, 2.0) * len(template.samples))
    rules = Rules(threshold, mismatch, places)
    rows = np.atleast_2d(without(times, trace, exclude))
    seen: list[list[tuple[int, int]]] = [[] for _ in rows]
    if exclude is None:
        fastest = float(np.abs(np.diff(template.samples[0], prepend=0.0)).max())
        seen = [artefacts(row, interval, fastest) for row in rows]
        for row, stretches in zip(rows, seen, strict=True):
            for first, last in stretches:
                row[first : last + 1] = np.nan
    sweeps = [Sweep(row, interval, template, width) for row in rows]
    direction = int(sign) if sign in (1, -1) else direction_of(sweeps, threshold)
    with Progress(len(sweeps), STAGES, enabled=check_flag("progress", progress)) as shown:
        search = partial(trace_events, sign=direction, rules=rules, both=both)
        traced = [search(sweep, report=partial(shown.report, i)) for i, sweep in enumerate(sweeps)]
        # Sweeps with few events learn from all together what the template leaves of an event.
        few = [i for i, each in enumerate(traced) if len(each.lone) < LEAST]
        common = misfit_of(template, [each.lone for each in traced]) if few and len(sweeps) > 1 else None
        if common is not None:
            for i in few:
                traced[i] = search(sweeps[i], expected=common, report=partial(shown.report, i))
    found = [
        _events(sweep, times, each, 0 if both else direction, direction, smallest, unit)
        for sweep, each in zip(sweeps, traced, strict=True)
    ]
    average = average_of(found)
    shape = of_shape(average, found[0], max(template.rise / 2, interval), template.length / 7)
    for i, (events, stretches) in enumerate(zip(found, seen, strict=True)):
        named = of_artefacts([(float(times[a]), float(times[b])) for a, b in stretches])
        found[i] = events._replace(message=" ".join(part for part in (of_direction(events), named, shape) if part))
    return found if of_recording or trace.ndim == 2 else found[0]


def _events(
    sweep: Sweep, times: np.ndarray, traced: Traced, said: int, sign: int, smallest: float, unit: str
) -> Events:
    """The result for a sweep, without a message."""
    template, interval = sweep.template, sweep.interval
    count = len(times)
    own = traced.groups[sign]
    others = traced.groups[-sign]
    if said == 0:
        parts = [np.concatenate(pair) for pair in zip(own, others, strict=True)]
        order = np.argsort(parts[0])
        own, others = type(own)(*(part[order] for part in parts)), type(own)(*(part[:0] for part in parts))
    large = np.abs(own.sizes) >= smallest
    small = sum_of(template.samples[0], own.places[~large] / len(template.samples), own.sizes[~large], count)
    at = float(times[0]) + own.places[large] * (interval / len(template.samples))
    missing = stretches_of(~sweep.kept)
    return Events(
        times=at,
        sizes=own.sizes[large],
        weights=own.sizes[large] / template.peak,
        size_errors=own.errors[large],
        noise=traced.noise,
        threshold=traced.threshold,
        curve=traced.curve - small,
        baseline=traced.baseline,
        duration=(count - 1 - sum(b - a + 1 for a, b in missing)) * interval,
        unit=unit,
        direction=said,
        other_times=float(times[0]) + others.places * (interval / len(template.samples)),
        other_sizes=others.sizes,
        other_curve=traced.other + small,
        excluded=tuple((float(times[a]), float(times[b])) for a, b in missing),
        sample_times=times,
        trace=sweep.trace,
        response=template.samples[0],
        message="",
    )


def _check_samples(times: np.ndarray, trace: np.ndarray) -> float:
    """The interval between samples in ms.

    Raises:
        ValueError: times that are not evenly spaced, or a sample that is not finite.
    """
    interval = float(times[-1] - times[0]) / (len(times) - 1)
    off = np.abs(times - times[0] - interval * np.arange(len(times)))
    if not (interval > 0 and off.max() <= _EVEN * interval):
        i = int(np.argmax(np.abs(np.diff(times) - interval)))
        raise ValueError(
            f"Argument `times` must be increasing and evenly spaced, here by {interval:g} ms, but element {i + 1} "
            f"({times[i + 1]:g}) comes {times[i + 1] - times[i]:g} ms after the one before."
        )
    bad = np.isinf(trace).reshape(-1, len(times))
    if bad.any():
        sweep, i = (int(index[0]) for index in np.nonzero(bad))
        where = f"element {i}" + (f" of sweep {sweep}" if trace.ndim == 2 else "")
        raise ValueError(f"Argument `trace` must be finite, or NaN where there is no sample, but {where} is infinite.")
    return interval


def _as_number(name: str, value: object, condition: Callable[[np.ndarray], object], expected: str) -> float:
    """``value``, which must be a number that is known now and meets the condition."""
    return float(as_float64(name, check_number(name, value, condition, expected)))


def __dir__() -> list[str]:
    return sorted(__all__)
