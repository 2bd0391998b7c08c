"""A template from the recording itself: the shape of its lone events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike

from synkin.arguments import fields
from synkin.arguments.choices import check_kernel
from synkin.declaring.kernel import Kernel
from synkin.events import deconvolve, shapes
from synkin.events.result import EventAverage, average_of
from synkin.events.template import sampled
from synkin.kernels import dual_expon
from synkin.recordings.exclusion import Exclude, without
from synkin.recordings.recording import Recording, arrays

# The decays with which a search begins, in ms; the rise is this fraction of them, and at least so many intervals.
_DECAYS, _RISE, _SHORTEST = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0), 0.12, 0.5
# Templates are improved at most this often, until both time constants change by less than this fraction.
_ROUNDS, _SAME = 6, 0.05
# At most so many decays are tried, until the fit of an average has this R^2.
_STARTS, _FOLLOWS = 3, 0.9
# Maxima of a match count that are so many standard deviations high.
_CLEAR = 4.5
# So many ms of each sweep are used first, and then more if there are fewer lone events than the next number. An average
# is of at least the last number.
_LIMITS, _ENOUGH, _LEAST = (20_000.0, 120_000.0), 30, 3


@fields.described
class EventTemplate(NamedTuple):
    """What `synkin.find_template` found: the shape of the events of a recording.

    Example:
        >>> kernel, params, times = synkin.dual_expon, synkin.dual_expon.Params(), np.arange(0.0, 2000.0, 0.2)
        >>> trace = -20.0 * synkin.respond(kernel, params, np.arange(100.0, 1900.0, 150.0), times)
        >>> trace += np.random.default_rng(0).normal(size=times.size)
        >>> template = synkin.find_template(times, trace)
        >>> template.kernel.name, template.direction
        ('dual_expon', -1)
        >>> found = synkin.deconvolve(template.kernel, template.params, times, trace)
    """

    kernel: Annotated[Kernel, "the kernel whose response is the template"]
    params: Annotated[Any, "the kernel's ``Params``, for `deconvolve`"]
    times: Annotated[np.ndarray, "(W,) since the time at which an event acts", "ms"]
    average: Annotated[np.ndarray, "(W,) the average of isolated events", "the trace's unit"]
    error: Annotated[np.ndarray, "(W,) its standard error", "the trace's unit"]
    curve: Annotated[np.ndarray, "(W,) the kernel's response that was fitted to it", "the trace's unit"]
    number: Annotated[int, "of how many events the average is"]
    direction: Annotated[int, "1: events go up, -1: they go down"]
    r_squared: Annotated[float, "the fraction of the variance of the average that the curve explains", "1"]
    message: Annotated[str, "what was found"]

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={float(value):.4g}" for name, value in self.params._asdict().items())
        return f"EventTemplate({self.kernel.name}: {values}; of {self.number} events, R^2 {self.r_squared:.4f})"


def find_template(
    times: ArrayLike | Recording,
    trace: ArrayLike | None = None,
    *,
    kernel: Kernel = dual_expon,
    params: NamedTuple | None = None,
    free: str | Sequence[str] | None = None,
    sign: int | None = None,
    exclude: Exclude = None,
) -> EventTemplate:
    """Find the shape of the events in a recording: the parameters with which a kernel follows the average isolated
    event.

    Args:
        times: (M,) ms, evenly spaced; or a `synkin.Recording`, without ``trace``.
        trace: (M,), or (R, M) for R sweeps, in any unit.
        kernel: `synkin.dual_expon`, or any other kernel.
        params: the kernel's ``Params`` from which the fit starts; by default its defaults. For dual_expon they are
            found from the recording.
        free: names of the parameters to fit; by default all but ``T`` and ``amplitude``. For a scheme name only a few:
            an average does not determine all of its rates.
        sign: 1 for events that go up, -1 for events that go down; by default the direction of most events.
        exclude: stretches that are left out, as in `synkin.deconvolve`.

    Returns:
        A `synkin.EventTemplate`, whose ``kernel`` and ``params`` can be given to `synkin.deconvolve`.

    Raises:
        TypeError, ValueError: as in `synkin.deconvolve`; or there are fewer than 3 isolated events.

    How it works: exponentials with decays from 1 to 64 ms are tried as templates, and the one with which events stand
    out most from the noise is taken. With it events are found, and the kernel is fitted to the average of the isolated
    ones. Both are repeated until the time constants change by less than 5 %. At most two minutes of a recording are
    used, and 20 s if these have 30 isolated events. Noise makes the average a little slower than the events are;
    therefore larger events are preferred.

    Example:
        >>> kernel, params, times = synkin.dual_expon, synkin.dual_expon.Params(), np.arange(0.0, 2000.0, 0.2)
        >>> trace = -20.0 * synkin.respond(kernel, params, np.arange(100.0, 1900.0, 150.0), times)
        >>> trace += np.random.default_rng(0).normal(size=times.size)
        >>> template = synkin.find_template(times, trace)
        >>> print(f"{template.params.tau_decay:.0f} ms, {template.number} events")
        10 ms, 12 events
    """
    check_kernel(kernel)
    given, traces, unit = arrays(times, trace)
    given = np.asarray(given, float)
    rows = np.atleast_2d(without(given, np.asarray(traces, float), exclude)) if exclude is not None else traces
    rows = np.atleast_2d(np.asarray(rows, float))
    for limit in _LIMITS:
        some = given <= given[0] + limit
        part = Recording(given[some], rows[:, some], unit)
        shape, fitted, average, direction = _improved(part, sign, exclude)
        if average.number >= _ENOUGH or some.all():
            break
    if fitted is None:
        raise ValueError(
            f"Argument `trace` must have at least {_LEAST} events that do not overlap with others, but "
            f"{average.number} were found: give a kernel and its parameters instead."
        )
    curve, params_found, r_squared = fitted.curve, shape, fitted.r_squared
    if kernel is not dual_expon or params is not None or free is not None:
        curve, params_found, r_squared = _fit(kernel, params, free, average, fitted)
    template = EventTemplate(
        kernel,
        params_found,
        average.times,
        average.mean,
        average.error,
        curve,
        average.number,
        int(direction or 1),
        r_squared,
        "",
    )
    return template._replace(message=_message(template))


def _improved(
    recording: Recording, sign: int | None, exclude: Exclude
) -> tuple[Any, shapes.Fitted | None, EventAverage, int | None]:
    """Template, fit, average and direction, improved in turns; no fit if there are too few lone events."""
    best: tuple[Any, shapes.Fitted | None, EventAverage | None, int | None] = (None, None, None, sign)
    for shape in _first_templates(recording, exclude):
        fitted, way = None, sign
        for _ in range(_ROUNDS):
            found = deconvolve(dual_expon, shape, recording, sign=way, exclude=exclude)
            average, way = average_of(found), found[0].direction
            if average.number < _LEAST:
                break
            fitted = shapes.dual_exponential(average.times, average.mean, float(shape.tau_rise), float(shape.tau_decay))
            before, shape = shape, dual_expon.Params(tau_rise=fitted.tau_rise, tau_decay=fitted.tau_decay)
            change = [abs(np.log(float(a) / float(b))) for a, b in zip(before[:2], shape[:2], strict=True)]
            if max(change) < _SAME:
                break
        if best[2] is None or (fitted is not None and best[1] is None):
            best = shape, fitted, average, way
        if fitted is not None and fitted.r_squared > _FOLLOWS:
            return shape, fitted, average, way
    assert best[2] is not None
    return best[0], best[1], best[2], best[3]


def _first_templates(recording: Recording, exclude: Exclude) -> list[Any]:
    """Two exponentials of several decays, first those that rise highest above the noise where they match best."""
    from synkin.events.deconvolution import Sweep, heights
    from synkin.recordings.artefacts import artefacts

    interval = float(recording.times[-1] - recording.times[0]) / (len(recording.times) - 1)
    rows = recording.traces.copy()
    if exclude is None:
        for row in rows:
            for first, last in artefacts(row, interval):
                row[first : last + 1] = np.nan
    tried = []
    for decay in _DECAYS:
        if decay < _SHORTEST * 2 * interval or 4 * decay > recording.times[-1] - recording.times[0]:
            continue
        params = dual_expon.Params(tau_rise=max(_RISE * decay, _SHORTEST * interval), tau_decay=decay)
        template = sampled(dual_expon, params, interval, len(recording.times))
        width = min(4 * template.length / interval, float(len(recording.times)))
        each = [heights(Sweep(row, interval, template, width), _CLEAR) for row in rows]
        # Many that are high: a template that is too slow has a few high maxima, in what drifts.
        tried.append((sum(len(found.signed) * found.usual**2 for found in each), params))
    tried.sort(key=lambda pair: -pair[0])
    return [params for _, params in tried[:_STARTS]] or [dual_expon.Params()]


def _fit(kernel: Kernel, params: Any, free: Any, average: Any, fitted: shapes.Fitted) -> tuple[np.ndarray, Any, float]:
    """Any kernel's response, fitted to the average."""
    from synkin.fitting import fit

    params = kernel.Params() if params is None else params
    if free is None:
        free = tuple(name for name in params._fields if name not in ("T", "amplitude"))
    result = fit(
        kernel,
        params,
        np.array([max(fitted.onset, 0.0)]),
        average.times,
        average.mean,
        free=free,
        scale=True,
        offset=True,
        onset=True,
        progress=False,
    )
    return np.asarray(result.predicted), result.params, float(result.r_squared)


def _message(template: EventTemplate) -> str:
    way = "up" if template.direction > 0 else "down"
    text = f"{template.kernel.name} follows the average of {template.number} lone events, which go {way}"
    text += f" (R^2 {template.r_squared:.3f})."
    if template.r_squared < 0.95:
        text += " This is not their shape: look at `average` and `curve`, or try another kernel."
    return text
