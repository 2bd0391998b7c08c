"""The events of one sweep: baseline, noise and events are estimated in turns until they agree."""

import numpy as np

from synkin.events import filters
from synkin.events.result import Events
from synkin.events.search import Rules, direction_of, search
from synkin.events.template import Template

__all__ = ["Rules", "events_of_sweep"]

# The number of stages: the first takes the noise as white, the second and third take the spectrum of what was left.
# More follow, in short traces, until the baseline changes by less than these fractions of the noise or of the curve.
_STAGES, _MAX_STAGES = 3, 6
_OF_NOISE, _OF_CURVE = 0.05, 1e-3
# An event is reported if the trace holds at least this fraction of its response's energy.
_HELD = 0.7


def events_of_sweep(
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
    """The events of one sweep.

    Args:
        trace: (M,).
        start: ms, the time of the first sample.
        interval: ms between samples.
        template: the response to one event.
        width: standard deviation of the baseline's Gaussian, in samples.
        sign: 1 or -1, or None if it is to be found.
        rules: the criteria for an event.
        smallest: the smallest size that is reported, in the trace's unit.
        unit: the trace's.
    """
    count, (phases, length) = len(trace), template.samples.shape
    noise, curve, baseline = filters.WHITE, np.zeros(count + length), np.zeros(count)
    direction = 1
    for stage in range(1, _MAX_STAGES + 1):
        # The baseline is mirrored at the ends of the trace, and responses are cut there. So the search gets the trace
        # without the events so far, and these are added again with what would follow beyond the ends.
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
        curve = direction * _summed(template, found.places, found.sizes, count)
        before, left = baseline, trace - curve[:count]
        baseline = filters.baseline(left, width)
        left -= baseline
        sample_noise = float(np.median(np.abs(left)) * filters.FROM_MEDIAN)
        near = max(_OF_NOISE * sample_noise, _OF_CURVE * float(np.abs(curve).max()))
        if stage >= _STAGES and np.abs(baseline - before).max() <= near:
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
        size_errors=found.noise / np.sqrt(found.precision[keep]),
        noise=sample_noise,
        threshold=direction * rules.threshold * found.noise / float(matched.norm.min()),
        curve=direction * _summed(template, found.places[keep], found.sizes[keep], count)[:count],
        baseline=baseline,
        duration=(count - 1) * interval,
        unit=unit,
    )


def _summed(template: Template, places: np.ndarray, sizes: np.ndarray, count: int) -> np.ndarray:
    """The sum of the responses to all events, (count + L,)."""
    phases, length = template.samples.shape
    curve = np.zeros(count + length)
    for place, size in zip(places, sizes, strict=True):
        n, q = divmod(int(place), phases)
        curve[n : n + length] += size * template.samples[q]
    return curve
