"""What is measured of each event by itself, in columns."""

from typing import Annotated, NamedTuple

import numpy as np

from synkin.arguments import fields

# The decay is that of the best of so many exponentials.
_TRIED = 60


@fields.described
class EventTable(NamedTuple):
    """What `synkin.Events.table` gives: measurements of K events, (K,) each. NaN if one cannot be determined.

    Example:
        >>> kernel, params, times = synkin.dual_expon, synkin.dual_expon.Params(), np.arange(0.0, 600.0, 0.2)
        >>> trace = -20.0 * synkin.respond(kernel, params, [150.0, 300.0, 360.0], times)
        >>> trace += np.random.default_rng(0).normal(size=times.size)
        >>> table = synkin.deconvolve(kernel, params, times, trace).table()
        >>> print(table.interval.round())  # ms since the event before
        [nan 150. 60.]
    """

    time: Annotated[np.ndarray, "the time at which it acts", "ms"]
    size: Annotated[np.ndarray, "its signed peak", "the trace's unit"]
    size_error: Annotated[np.ndarray, "standard error of the size, from the noise", "the trace's unit"]
    rise: Annotated[np.ndarray, "the rise time from 10 to 90 % of its peak", "ms"]
    decay: Annotated[np.ndarray, "the time constant of an exponential that is fitted to the decay", "ms"]
    half_width: Annotated[np.ndarray, "how long it is above half of its peak", "ms"]
    area: Annotated[np.ndarray, "its signed integral, until the response is nearly over", "the trace's unit times ms"]
    interval: Annotated[np.ndarray, "the time since the event before; NaN for the first", "ms"]
    overlaps: Annotated[np.ndarray, "whether another event changes its peak or decay by more than a fifth of its size"]
    residual: Annotated[np.ndarray, "root mean square of the residual around it, divided by the noise", "1"]


def measure_rows(rows: np.ndarray, start: int, peak: int, interval: float, smooth: int) -> dict[str, np.ndarray]:
    """Rise, decay, half-width and area of each row.

    Args:
        rows: (K, W) events that go up, each by itself, with its onset at sample ``start``.
        start: see above.
        peak: the number of samples from there to the peak of the template.
        interval: ms between samples.
        smooth: the number of samples of a moving average for times and widths.
    """
    count, length = rows.shape
    nothing = np.full(count, np.nan)
    area = np.nansum(rows[:, start:], axis=1) * interval
    rows = np.where(np.isfinite(rows), rows, 0.0)
    kernel = np.ones(max(smooth, 1)) / max(smooth, 1)
    smoothed = np.apply_along_axis(np.convolve, 1, rows, kernel, "same") if count else rows
    columns = np.arange(length)
    near = (columns >= start) & (columns <= start + 2 * peak + smooth)
    top = np.where(near, smoothed, -np.inf).argmax(axis=1) if count else np.empty(0, int)
    height = smoothed[np.arange(count), top]
    good = height > 0
    relative = smoothed / np.where(good, height, 1.0)[:, None]

    def crossing(condition: np.ndarray, level: float, *, last: bool) -> np.ndarray:
        """Where each row crosses a level between the last or first sample of a condition and its neighbour."""
        any_ = condition.any(axis=1) & good
        i = (length - 1 - condition[:, ::-1].argmax(axis=1)) if last else condition.argmax(axis=1) - 1
        i = np.clip(i, 0, length - 2)
        a, b = relative[np.arange(count), i], relative[np.arange(count), i + 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            place = i + np.clip((level - a) / (b - a), 0.0, 1.0)
        return np.where(any_, place, nothing)

    before, after = columns <= top[:, None], columns >= top[:, None]
    half = crossing((relative < 0.5) & before, 0.5, last=True)
    low = crossing((relative < 0.1) & (columns <= np.nan_to_num(half)[:, None] + 1), 0.1, last=True)
    high = crossing((relative >= 0.9) & before & (columns >= np.nan_to_num(half)[:, None]), 0.9, last=False)
    down = crossing((relative < 0.5) & after, 0.5, last=False)
    rise, width = (high - low) * interval, (down - half) * interval
    with np.errstate(invalid="ignore"):
        is_noise = width < rise  # no response is so: noise, or an event that was not found, crosses one of the levels
    return {
        "rise": np.where(is_noise, nothing, rise),
        "half_width": np.where(is_noise, nothing, width),
        "area": area,
        "decay": _decays(rows, top, good, interval),
    }


def _decays(rows: np.ndarray, top: np.ndarray, good: np.ndarray, interval: float) -> np.ndarray:
    """The time constant of the exponential that follows each row best from its peak on."""
    count, length = rows.shape
    if not count:
        return np.empty(0)
    reach = length - int(top.max()) - 1
    if reach < 4:
        return np.full(count, np.nan)
    tails = rows[np.arange(count)[:, None], top[:, None] + np.arange(reach)]
    taus = np.geomspace(0.5, 2.0 * reach, _TRIED)
    columns = np.exp(-np.arange(reach)[:, None] / taus)
    match = (tails @ columns) / np.sqrt((columns**2).sum(axis=0))
    best = match.argmax(axis=1)
    inner = np.clip(best, 1, _TRIED - 2)
    left, middle, right = (match[np.arange(count), inner + k] for k in (-1, 0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = 0.5 * (left - right) / (left - 2 * middle + right)
    decay = taus[inner] * (taus[1] / taus[0]) ** np.clip(np.nan_to_num(shift), -1, 1) * interval
    at_an_end = (best == 0) | (best == _TRIED - 1)
    return np.where(good & ~at_an_end, decay, np.nan)
