"""The events of one sweep: baseline, noise and events are estimated in turns until they agree."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np

from synkin.events import filters, shapes
from synkin.events.search import NOTHING, Found, Heights, Rules, heights_of, search, too_much, votes
from synkin.events.template import Template
from synkin.recordings.exclusion import filled

__all__ = ["STAGES", "Rules", "Sweep", "Traced", "direction_of", "misfit_of", "trace_events"]

# The number of stages: the first takes the noise as white, the second and third take the spectrum of what was left.
# More follow, in short traces, until the baseline changes by less than these fractions of the noise or of the curve.
STAGES, _MAX_STAGES = 3, 6
_OF_NOISE, _OF_CURVE = 0.05, 1e-3
# An event is reported if the samples that count hold at least this fraction of its response's energy.
_HELD = 0.7
# Events of the other sign, which are kept out, must be so many standard deviations higher.
_CLEARER = 1.0
# Beside an event nothing of the other sign is believed that is less than this fraction of its match.
_BESIDE = 0.5
# A gap is filled in from the samples on either side of it, over this fraction of the length of a response.
_BESIDE_GAPS = 0.25


Report: TypeAlias = Callable[[int, float, int], object]


class Sweep(NamedTuple):
    """What is known of a sweep before its events are sought."""

    trace: np.ndarray  # (M,), NaN where a sample does not count
    interval: float  # ms between samples
    template: Template  # the response to one event
    width: float  # standard deviation of the baseline's Gaussian, in samples

    @property
    def kept(self) -> np.ndarray:
        """(M,) the samples that count."""
        return np.isfinite(self.trace)

    def without(self, curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What a curve leaves of the trace, and its baseline; 0 where samples do not count."""
        kept = self.kept
        left = np.where(kept, self.trace, 0.0) - curve[: len(self.trace)]
        side = max(round(_BESIDE_GAPS * self.template.length / self.interval), 3)
        left = filled(left, kept, side)
        baseline = filters.baseline(left, self.width)
        return np.where(kept, left - baseline, 0.0), baseline


class Group(NamedTuple):
    """K events of one sign, in the order of time."""

    places: np.ndarray  # (K,) with what refines them: not whole numbers
    sizes: np.ndarray  # (K,) signed
    errors: np.ndarray  # (K,) standard errors of the sizes


class Traced(NamedTuple):
    """What was found in a sweep."""

    groups: dict[int, Group]  # the events of each sign, 1 and -1
    curve: np.ndarray  # (M,) the sum of the reported events
    other: np.ndarray  # (M,) the sum of all others
    baseline: np.ndarray  # (M,)
    noise: float  # standard deviation of the samples
    threshold: float  # the smallest size of an event by itself
    lone: np.ndarray  # (J, W) its lone events, turned up


def direction_of(sweeps: list[Sweep], threshold: float) -> int:
    """1 or -1: the direction of most events of all sweeps together."""
    up, down = np.sum([votes(heights(sweep, threshold)) for sweep in sweeps], axis=0)
    return 1 if up >= down else -1


def heights(sweep: Sweep, threshold: float) -> Heights:
    """How high the template rises above the noise of a sweep, taken as white, where it matches best."""
    left, _ = sweep.without(np.zeros(len(sweep.trace)))
    return heights_of(_matched(sweep, left, filters.WHITE), threshold, sweep.kept)


def _matched(sweep: Sweep, left: np.ndarray, noise: filters.Spectrum) -> filters.Matched:
    padded = np.pad(left, (0, sweep.template.samples.shape[1]))
    return filters.matched(padded, len(left), sweep.template, sweep.width, noise)


def trace_events(
    sweep: Sweep, sign: int, rules: Rules, *, both: bool, report: Report, expected: shapes.Misfit | None = None
) -> Traced:
    """The events of one sweep.

    Args:
        sweep: the trace, and what is known.
        sign: 1 or -1, of the events.
        rules: the criteria for an event.
        both: whether events of the other sign are reported too, by the same rules.
        expected: what the template leaves of an average event, if this sweep has too few to tell.
        report: is told the stage, which part of it may be done, and how many events there are.
    """
    template, width, kept = sweep.template, sweep.width, sweep.kept
    count, length = len(sweep.trace), template.samples.shape[1]
    noise, sums = filters.WHITE, {way: np.zeros(count + length) for way in (1, -1)}
    baseline, misfit = np.zeros(count), expected
    # Beside an event of one sign nothing weaker is believed of the other, unless both are asked for.
    rules = rules._replace(beside=rules.mismatch if both else _BESIDE)
    strict = rules if both else rules._replace(threshold=rules.threshold + _CLEARER)
    found: dict[int, Found] = {}
    for stage in range(1, _MAX_STAGES + 1):
        latest, found = found, {}
        for way in (sign, -sign):
            if way != sign and not sums[way].any() and -found[sign].lowest < strict.threshold:
                found[way] = NOTHING
                continue
            # The baseline is mirrored at the ends of the trace, and responses are cut there. So the search gets the
            # trace without the events so far, and these are added again with what would follow beyond the ends.
            left, _ = sweep.without(sums[1] + sums[-1])
            given = np.pad(left, (0, length)) + filters.less_baseline(sums[way], width)
            if way == sign:
                matched = filters.matched(given, count, template, width, noise)
            else:
                matched = matched._replace(match=filters.match_of(given, count, template, width, noise))
            if way < 0:
                np.negative(matched.match, out=matched.match)
            elsewhere = None
            if sums[-way].any():
                opposite = filters.less_baseline(sums[-way], width)
                elsewhere = filters.match_of(opposite, count, template, width, noise)
            more = None if way == sign else too_much(found[sign], matched, misfit)
            begun = latest[way].places if way in latest else None
            found[way] = search(
                matched, rules if way == sign else strict, kept, elsewhere, misfit, more, begun, partial(report, stage)
            )
            sums[way] = way * summed(template, found[way].places, found[way].sizes, count)
        before = baseline
        left, baseline = sweep.without(sums[1] + sums[-1])
        quiet = filters.quiet_samples(left, kept, template, np.concatenate([each.places for each in found.values()]))
        sample_noise = float(np.median(np.abs(left[quiet])) * filters.FROM_MEDIAN) if quiet.any() else 0.0
        near = max(_OF_NOISE * sample_noise, _OF_CURVE * max(float(np.abs(curve).max()) for curve in sums.values()))
        if stage >= STAGES and np.abs(baseline - before).max() <= near:
            break
        largest = max(float(np.abs(curve).max()) for curve in sums.values())
        noise = filters.spectrum(left, quiet, template, noisy=sample_noise > _OF_CURVE * largest)
        lone = _lone(sweep, found[sign], baseline + sums[-sign][:count], sign)
        misfit = misfit_of(template, [lone]) or expected

    groups, reported, rest = {}, np.zeros(count), np.zeros(count)
    for way, each in found.items():
        is_held = held(template, each.places, kept) & (each.places > 0)
        inside = is_held if way == sign or both else np.zeros(len(is_held), bool)
        reported += way * summed(template, each.places[inside], each.sizes[inside], count)[:count]
        rest += way * summed(template, each.places[~inside], each.sizes[~inside], count)[:count]
        errors = each.noise / np.sqrt(each.precision)
        part = (each.places + each.shifts, way * each.sizes, errors)
        groups[way] = Group(*(values[is_held] for values in part))
    threshold = sign * rules.threshold * found[sign].noise / float(matched.norm.min())
    return Traced(groups, reported, rest, baseline, sample_noise, threshold, lone)


def _lone(sweep: Sweep, found: Found, rest: np.ndarray, sign: int) -> np.ndarray:
    """The larger lone events of a sweep, turned up, (J, W)."""
    template = sweep.template
    span = shapes.span_of(template.samples[0])
    at = found.places / len(template.samples)
    chosen = shapes.lone(at, found.sizes, span)
    if chosen.any():
        chosen &= found.sizes >= 0.5 * np.median(found.sizes[chosen])
    rows = sign * shapes.windows(sweep.trace - rest, at[chosen], span, 3 * span)
    rows = rows[np.isfinite(rows).all(axis=1)]
    return rows - np.median(rows[:, :span], axis=1, keepdims=True)


def misfit_of(template: Template, lone: list[np.ndarray]) -> shapes.Misfit | None:
    """What the template leaves of the lone events of sweeps; None of too few."""
    rows = np.concatenate(lone)
    if len(rows) < shapes.LEAST:
        return None
    span = shapes.span_of(template.samples[0])
    return shapes.misfit(rows, template.samples[0, :span], span)


def held(template: Template, places: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Which events begin at a sample that counts, and have enough of their response in such samples."""
    energy = template.samples[0] ** 2
    first = places // len(template.samples)
    part = np.array([energy[: len(kept) - n] @ kept[n : n + len(energy)] for n in first]) / energy.sum()
    return kept[first] & kept[np.maximum(first - 1, 0)] & (part >= _HELD)


def summed(template: Template, places: np.ndarray, sizes: np.ndarray, count: int) -> np.ndarray:
    """The sum of the responses to all events, (count + L,)."""
    phases, length = template.samples.shape
    curve = np.zeros(count + length)
    for place, size in zip(places, sizes, strict=True):
        n, q = divmod(int(place), phases)
        curve[n : n + length] += size * template.samples[q]
    return curve
