"""The shapes of events: each one by itself, their aligned average, and how it differs from the template."""

from typing import NamedTuple

import numpy as np

# An event is lone if none comes within the time in which its response falls to this fraction, and no larger one.
_OVER = 0.05
# An average is of this many lone events at least, and of those at least half as large as the median.
LEAST = 5


def windows(series: np.ndarray, at: np.ndarray, before: int, after: int) -> np.ndarray:
    """The series around each place, (K, before + after + 1), by straight lines between samples; NaN beyond its ends.

    Args:
        series: (M,).
        at: (K,) places in samples, not whole numbers.
        before, after: numbers of samples.
    """
    grid = at[:, None] + np.arange(-before, after + 1)
    found = np.interp(grid.ravel(), np.arange(len(series)), series, left=np.nan, right=np.nan)
    return found.reshape(grid.shape)


def response_at(response: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The response, which begins at place 0, at other places in samples."""
    return np.interp(places, np.arange(len(response)), response, left=0.0, right=0.0)


def sum_of(response: np.ndarray, at: np.ndarray, sizes: np.ndarray, count: int) -> np.ndarray:
    """The sum of responses at places in samples, (count,)."""
    curve = np.zeros(count + len(response) + 1)
    for place, size in zip(at, sizes, strict=True):
        n = int(np.ceil(place))
        curve[n : n + len(response)] += size * response_at(response, np.arange(len(response)) + (n - place))
    return curve[:count]


def span_of(response: np.ndarray) -> int:
    """The number of samples until a response is nearly over."""
    return int(np.flatnonzero(np.abs(response) > _OVER)[-1]) + 1


def lone(at: np.ndarray, sizes: np.ndarray, span: int) -> np.ndarray:
    """The events, (K,) True or False, that begin alone and are the largest within ``span`` samples."""
    if not len(at):
        return np.zeros(0, bool)
    after = np.append(np.diff(at), np.inf)
    first = np.insert(after[:-1], 0, np.inf) > span
    size = np.abs(sizes)
    kept = first.copy()
    for i in np.flatnonzero(first & (after <= span)):
        near = size[i + 1 : i + 1 + int(np.searchsorted(at[i + 1 :], at[i] + span))]
        kept[i] = near.max(initial=0.0) < 0.5 * size[i]
    return kept


def trimmed_mean(rows: np.ndarray, part: float = 0.1) -> np.ndarray:
    """The mean of each column without NaN and without the highest and the lowest tenth."""
    ordered = np.sort(rows, axis=0)  # NaN at the end
    count = np.isfinite(rows).sum(axis=0)
    cut = (part * count).astype(int)
    rank = np.arange(len(rows))[:, None]
    inside = (rank >= cut) & (rank < count - cut)
    return np.where(inside, ordered, 0.0).sum(axis=0) / np.maximum(inside.sum(axis=0), 1)


class Misfit(NamedTuple):
    """What one response leaves of the average event, in fractions of the largest match."""

    left: np.ndarray  # (W,) around the event, 0 or more
    over: np.ndarray  # (W,) by how much the response is more than the event, 0 or more
    before: int  # the number of samples before it
    largest: float  # the largest, over the match of the response itself there


def misfit(rows: np.ndarray, response: np.ndarray, before: int) -> Misfit | None:
    """What a response of the best size and place leaves of the average of events, beyond what chance leaves there.

    Args:
        rows: (K, W) events that go up.
        response: (L,) 1 at its peak.
        before: the number of samples before the onset.

    Returns:
        None if the average does not match the response at all.
    """
    lags = rows.shape[1] - len(response) + 1
    size = rows.shape[1] + len(response)
    products = np.fft.irfft(np.fft.rfft(rows, size) * np.fft.rfft(response, size).conj(), size)[:, :lags]
    match = np.median(products, axis=0)
    own = np.correlate(np.pad(response, lags), response, "valid")
    best = int(match[: 2 * before].argmax())
    if match[best] <= 0:
        return None
    shared = own[lags - best : 2 * lags - best] / own[lags]
    each = products / match[best] - shared * (products[:, [best]] / match[best])
    difference = match / match[best] - shared
    chance = _CHANCE * each.std(axis=0) / np.sqrt(len(rows))
    left, over = np.maximum(difference - chance, 0.0), np.maximum(-difference - chance, 0.0)
    near = shared > _NEAR
    return Misfit(left, over, best, float(np.clip((left[near] / shared[near]).max(), 0.0, _MOST)))


# Standard errors by which an average must differ from the response.
_CHANCE = 2.0
# The largest misfit is sought where an event and another in that place would overlap by more than the first number, and
# it is at most the second: beyond it, nothing beside an event could be found.
_NEAR, _MOST = 0.2, 0.6


class Fitted(NamedTuple):
    """Two exponentials that follow an average."""

    tau_rise: float  # ms
    tau_decay: float  # ms
    onset: float  # ms
    size: float  # the peak, signed
    curve: np.ndarray  # at the average's times
    r_squared: float


def dual_exponential(times: np.ndarray, average: np.ndarray, rise: float, decay: float) -> Fitted:
    """The two exponentials that follow an average most closely; the search starts from given time constants in ms.

    Args:
        times: (W,) ms; the response begins near 0.
        average: (W,).
        rise, decay: time constants in ms.
    """
    from scipy.optimize import least_squares

    top = average[np.abs(average).argmax()]
    interval = float(times[1] - times[0])

    def curve(p: np.ndarray) -> np.ndarray:
        fast, slow = np.exp(p[0]), np.exp(p[0]) + np.exp(p[1])
        peak = fast * slow / (slow - fast) * np.log(slow / fast)
        late = np.maximum(times - p[2], 0.0)
        height = np.exp(-late / slow) - np.exp(-late / fast)
        return p[3] * height / (np.exp(-peak / slow) - np.exp(-peak / fast)) + p[4]

    lowest, longest = np.log(interval / 20), np.log(4 * float(times[-1] - times[0]))
    found = []
    for factor in (1.0, 0.4, 2.5):
        start = [np.log(rise * factor), np.log(decay * factor), 0.0, top, 0.0]
        start[:2] = np.clip(start[:2], lowest + 0.1, longest - 0.1)
        bounds = ([lowest, lowest, times[0], -np.inf, -np.inf], [longest, longest, times[-1] / 2, np.inf, np.inf])
        found.append(
            least_squares(
                lambda p: curve(p) - average, start, bounds=bounds, x_scale=[1, 1, interval, abs(top), abs(top)]
            )
        )
    best = min(found, key=lambda one: float(one.cost))
    p = best.x
    spread = float(((average - average.mean()) ** 2).sum())
    r_squared = 1 - 2 * float(best.cost) / spread if spread > 0 else 0.0
    return Fitted(
        float(np.exp(p[0])), float(np.exp(p[0]) + np.exp(p[1])), float(p[2]), float(p[3]), curve(p), r_squared
    )


def explained(times: np.ndarray, average: np.ndarray, response: np.ndarray, interval: float) -> float:
    """R^2 of one response of the best size, level and place, for an average, both at intervals in ms."""
    grid = np.arange(len(response)) * interval
    best = 0.0
    centred = average - average.mean()
    for shift in np.arange(-0.25, 0.25, 0.02) * times[-1]:
        column = np.interp(times - shift, grid, response, left=0.0, right=0.0)
        column = column - column.mean()
        if (norm := column @ column) > 0:
            best = max(best, (centred @ column) ** 2 / (norm * (centred @ centred)))
    return float(best)
