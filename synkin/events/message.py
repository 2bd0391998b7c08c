"""What is said of the events of a recording."""

import numpy as np

from synkin.events import shapes
from synkin.events.result import EventAverage, Events
from synkin.events.table import measure_rows

# The template's shape is off if it leaves more than this fraction of the average's variance, and more than so many
# times what the scatter of the events explains, and if rise or half-width differ by more than this factor.
_LEFT, _TIMES, _FACTOR = 0.015, 4.0, 1.15
# What fits the average is named if its R^2 is at least this, and it leaves half as much as the template.
_FOLLOWS = 0.9
# Events of the other sign are worth a hint at sign="both" if they are more than this fraction of all.
_MANY = 0.2
# At most this many stretches are named.
_NAMED = 3


def of_direction(events: Events) -> str:
    """How many events there are, and in which direction."""
    count, unit = len(events.times), f" {events.unit}" if events.unit else ""
    if not count:
        return "No events are larger than the noise."
    if events.direction == 0:
        up = int((events.sizes > 0).sum())
        return f"{_events(up)} up, {count - up:,} down."
    text = f"{_events(count)} {'up' if events.direction > 0 else 'down'}."
    if others := len(events.other_times):
        largest = events.other_sizes[np.abs(events.other_sizes).argmax()]
        first = ", ".join(f"{time:.5g}" for time in events.other_times[:_NAMED])
        first += " ms" if others <= _NAMED else " ms and so on"
        text += (
            f" {_events(others)} the other way (the largest {largest:.3g}{unit}; at {first}) "
            f"{'is' if others == 1 else 'are'} kept out."
        )
        if others > _MANY * count:
            text += " If these are events too, give sign='both'."
    return text


def _events(count: int) -> str:
    return f"{count:,} event{'s' * (count != 1)} {'goes' if count == 1 else 'go'}"


def of_artefacts(artefacts: list[tuple[float, float]]) -> str:
    """What was left out because it is neither noise nor events."""
    if not artefacts:
        return ""
    named = ", ".join(f"{a:.6g} to {b:.6g} ms" for a, b in artefacts[:_NAMED])
    rest = len(artefacts) - _NAMED
    named += f" and {rest} more" if rest > 0 else ""
    several = len(artefacts) > 1
    return (
        f"{'Stretches' if several else 'A stretch'} with something that is neither noise nor such events "
        f"{'were' if several else 'was'} left out: {named}. Look at {'them' if several else 'it'}; exclude=() would "
        f"count {'them' if several else 'it'}."
    )


def of_shape(average: EventAverage, events: Events, rise: float, decay: float) -> str:
    """Whether the template has the shape of the events, and which would.

    Args:
        average: of the events of all sweeps.
        events: those of any sweep, for the response.
        rise, decay: ms, of the template, from where a search for a better one begins.
    """
    if average.number < shapes.LEAST or not np.isfinite(average.mean).all():
        return ""
    span = (len(average.times) - 1) // 3
    interval, near = events.interval, slice(span // 2, 2 * span + span // 2)
    average = average._replace(
        **{name: getattr(average, name)[near] for name in ("times", "mean", "error", "template")}
    )
    span -= span // 2
    variance = float(((average.mean - average.mean.mean()) ** 2).sum())
    by_chance = float((average.error**2).sum()) / variance if variance > 0 else 1.0
    left = 1 - shapes.explained(average.times, average.mean, events.response, interval)
    if left < max(_LEFT, _TIMES * by_chance):
        return ""
    sign = np.sign(average.template[np.abs(average.template).argmax()])
    found = shapes.dual_exponential(average.times, average.mean, rise, decay)
    if found.r_squared < _FOLLOWS or 1 - found.r_squared > left / 2:
        return ""
    peak = int(np.abs(events.response).argmax())
    rows = np.stack([sign * found.curve, np.abs(average.template)])
    measured = measure_rows(rows - rows[:, :1], span, 2 * peak, interval, 1)
    (own, given), (width, wanted) = measured["rise"], measured["half_width"]
    factors = np.array([own / given, width / wanted])
    if not (np.abs(np.log(factors[np.isfinite(factors)])) > np.log(_FACTOR)).any():
        return ""
    return (
        f"The template has another shape than the events: the average of {average.number} lone events rises in "
        f"{own:.2g} ms (10 to 90 %) and is {width:.2g} ms wide at half of its peak, the template {given:.2g} and "
        f"{wanted:.2g} ms. dual_expon with tau_rise={found.tau_rise:.3g}, tau_decay={found.tau_decay:.3g} follows it "
        f"(R^2 {found.r_squared:.3f}); synkin.find_template fits other kernels. Sizes are wrong, and beside large "
        "events others are missed, or found where there are none."
    )
