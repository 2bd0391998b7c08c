"""The result of a deconvolution."""

from typing import Annotated, Any, NamedTuple

import numpy as np

from synkin.arguments import fields
from synkin.arguments.messages import describe
from synkin.events import shapes
from synkin.events.table import EventTable, measure_rows


@fields.described
class EventAverage(NamedTuple):
    """The average of events that are aligned at the time at which they act.

    Example:
        >>> kernel, params, times = synkin.dual_expon, synkin.dual_expon.Params(), np.arange(0.0, 600.0, 0.2)
        >>> trace = -20.0 * synkin.respond(kernel, params, [150.0, 300.0, 360.0], times)
        >>> trace += np.random.default_rng(0).normal(size=times.size)
        >>> average = synkin.deconvolve(kernel, params, times, trace).average(lone=False)
        >>> print(average.number, average.mean.min().round(-1))
        3 -20.0
    """

    times: Annotated[np.ndarray, "(W,) since the time at which an event acts", "ms"]
    mean: Annotated[
        np.ndarray, "(W,) the mean of the events, at each time without the highest and lowest tenth", "the trace's unit"
    ]
    error: Annotated[np.ndarray, "(W,) standard error of the mean", "the trace's unit"]
    template: Annotated[np.ndarray, "(W,) the kernel's response, scaled to the mean", "the trace's unit"]
    number: Annotated[int, "of how many events"]


@fields.described
class Events(NamedTuple):
    """What `synkin.deconvolve` found: K events, in the order of time.

    Example:
        >>> kernel, params, times = synkin.dual_expon, synkin.dual_expon.Params(), np.arange(0.0, 600.0, 0.2)
        >>> trace = -20.0 * synkin.respond(kernel, params, [150.0, 300.0, 360.0], times)
        >>> trace += np.random.default_rng(0).normal(size=times.size)
        >>> found = synkin.deconvolve(kernel, params, times, trace)
        >>> print(len(found.times), "events,", round(found.rate, 1), "a second")
        3 events, 5.0 a second
    """

    times: Annotated[np.ndarray, "(K,) the time at which each event acts, like a spike time of `respond`", "ms"]
    sizes: Annotated[np.ndarray, "(K,) the signed peak of each event", "the trace's unit"]
    weights: Annotated[
        np.ndarray,
        "(K,) sizes divided by the peak of the kernel's response: ``weights`` for `respond`",
        "the trace's unit per mS",
    ]
    size_errors: Annotated[np.ndarray, "(K,) standard error of each size, from the noise", "the trace's unit"]
    noise: Annotated[float, "standard deviation of the noise", "the trace's unit"]
    threshold: Annotated[float, "the smallest size at which an isolated event is found", "the trace's unit"]
    curve: Annotated[np.ndarray, "(M,) the sum of all events", "the trace's unit"]
    baseline: Annotated[np.ndarray, "(M,) the baseline: what changes more slowly than events", "the trace's unit"]
    duration: Annotated[float, "the length of the trace, without what was left out", "ms"]
    unit: Annotated[str, "the unit of the trace, such as 'pA'; '' if it is not known"]
    direction: Annotated[int, "1: events go up, -1: they go down, 0: both, as was asked for"]
    other_times: Annotated[np.ndarray, "(J,) the times of events of the other sign, which are not reported", "ms"]
    other_sizes: Annotated[np.ndarray, "(J,) their signed sizes", "the trace's unit"]
    other_curve: Annotated[np.ndarray, "(M,) the sum of all events that are not reported", "the trace's unit"]
    excluded: Annotated[tuple[tuple[float, float], ...], "stretches (a, b) in which no events were sought", "ms"]
    sample_times: Annotated[np.ndarray, "(M,) the times of the samples", "ms"]
    trace: Annotated[np.ndarray, "(M,) the trace; NaN for samples that were left out", "its unit"]
    response: Annotated[np.ndarray, "(L,) the kernel's response divided by its peak, sampled as the trace", "1"]
    message: Annotated[str, "what was found, and what to look at, in sentences"]

    @property
    def rate(self) -> float:
        """Events a second."""
        return len(self.times) / self.duration * 1000 if self.duration else 0.0

    @property
    def interval(self) -> float:
        """The interval between samples in ms."""
        return float(self.sample_times[-1] - self.sample_times[0]) / (len(self.sample_times) - 1)

    def table(self) -> EventTable:
        """Rise, decay, width and more of each event, measured in the trace without the baseline and without all other
        events.

        Rise and half width are measured after smoothing, by a moving average over half the rise time of the kernel,
        which makes them slightly longer. For events near the threshold they are mostly noise. Where an event would be
        above half of its peak for less time than it rises, both are NaN: noise, or an event beside it that was not
        found, crosses one of these levels.

        Example:
            >>> kernel, params, times = synkin.dual_expon, synkin.dual_expon.Params(), np.arange(0.0, 600.0, 0.2)
            >>> trace = -20.0 * synkin.respond(kernel, params, [150.0, 300.0, 360.0], times)
            >>> trace += np.random.default_rng(0).normal(size=times.size)
            >>> table = synkin.deconvolve(kernel, params, times, trace).table()
            >>> print(table.time.round(), table.size.round(-1))
            [150. 300. 360.] [-20. -20. -20.]
        """
        before, after, at = *self._reach(), self._places()
        with_noise = self.trace - self.baseline - self.other_curve - self.curve
        left = shapes.windows(with_noise, at, before, after)
        own = self.sizes[:, None] * shapes.response_at(self.response, np.arange(-before, after + 1.0))[None]
        peak = int(np.abs(self.response).argmax())
        rows = np.sign(self.sizes)[:, None] * (left + own)
        found = measure_rows(rows, before, peak, self.interval, max(peak // 4, 1))
        found["area"] = np.sign(self.sizes) * found["area"]
        others = np.abs(shapes.windows(self.curve + self.other_curve, at, before, after) - own)
        near = slice(before, before + int(np.flatnonzero(np.abs(self.response) > np.exp(-1))[-1]) + 1)
        with np.errstate(invalid="ignore"):
            overlaps = np.nan_to_num(others[:, near]).max(axis=1, initial=0.0) > 0.2 * np.abs(self.sizes)
        count = np.maximum(np.isfinite(left).sum(axis=1), 1)
        rms = np.sqrt(np.nansum(left**2, axis=1) / count)
        return EventTable(
            time=self.times,
            size=self.sizes,
            size_error=self.size_errors,
            **found,
            interval=np.diff(self.times, prepend=np.nan),
            overlaps=overlaps,
            residual=rms / self.noise if self.noise else np.zeros(len(rms)),
        )

    def average(self, *, lone: bool = True) -> EventAverage:
        """The average of the events, aligned at the time at which they act.

        Args:
            lone: whether to take only isolated events, beside which there is no other that is half as large, and of
                these only those of at least half of the median size.

        Example:
            >>> kernel, params, times = synkin.dual_expon, synkin.dual_expon.Params(), np.arange(0.0, 600.0, 0.2)
            >>> trace = -20.0 * synkin.respond(kernel, params, [150.0, 300.0, 360.0], times)
            >>> trace += np.random.default_rng(0).normal(size=times.size)
            >>> average = synkin.deconvolve(kernel, params, times, trace).average(lone=False)
            >>> average.number, average.times.shape == average.mean.shape
            (3, True)
        """
        return average_of([self], lone=lone)

    def select(self, **bounds: tuple[float | None, float | None]) -> "Events":
        """The events whose measurements are within bounds, as in ``select(rise=(0.1, 1.0), residual=(None, 2.0))``.

        Args:
            **bounds: for a column of `table` the lowest and the highest value; None for no bound. An event that has NaN
                in the column is left out. ``size`` is signed: use ``size=(None, -10)`` for events that go down.

        Raises:
            ValueError: there is no such column, or a value is not a pair of bounds.

        Example:
            >>> kernel, params, times = synkin.dual_expon, synkin.dual_expon.Params(), np.arange(0.0, 600.0, 0.2)
            >>> trace = -20.0 * synkin.respond(kernel, params, [150.0, 300.0, 360.0], times)
            >>> trace += np.random.default_rng(0).normal(size=times.size)
            >>> found = synkin.deconvolve(kernel, params, times, trace)
            >>> print(found.select(size=(None, -10.0), time=(200.0, None)).times.round())
            [300. 360.]
        """
        table = self.table()
        keep = np.ones(len(self.times), bool)
        for name, pair in bounds.items():
            if name not in EventTable._fields:
                columns = ", ".join(EventTable._fields)
                raise ValueError(f"Argument `{name}` must be a column of the table: {columns}.")
            if not (isinstance(pair, tuple | list) and len(pair) == 2):
                raise ValueError(
                    f"Argument `{name}` must be the lowest and the highest value, (a, b), None for no bound, but is "
                    f"{describe(pair)}."
                )
            low = -np.inf if pair[0] is None else pair[0]
            high = np.inf if pair[1] is None else pair[1]
            column = getattr(table, name)
            keep &= (column >= low) & (column <= high)
        return self.keep(keep)

    def keep(self, which: Any) -> "Events":
        """Some of the events: give (K,) booleans, True for those to keep, or their numbers, from 0.

        Example:
            >>> kernel, params, times = synkin.dual_expon, synkin.dual_expon.Params(), np.arange(0.0, 600.0, 0.2)
            >>> trace = -20.0 * synkin.respond(kernel, params, [150.0, 300.0, 360.0], times)
            >>> trace += np.random.default_rng(0).normal(size=times.size)
            >>> found = synkin.deconvolve(kernel, params, times, trace)
            >>> print(found.keep([0, 2]).times.round(), found.keep(found.times > 200.0).times.round())
            [150. 360.] [300. 360.]
        """
        which = np.asarray(which)
        if which.dtype == bool:
            which = np.flatnonzero(np.broadcast_to(which, self.times.shape))
        which = which.astype(int)
        parts = {name: getattr(self, name)[which] for name in ("times", "sizes", "weights", "size_errors")}
        gone = np.setdiff1d(np.arange(len(self.times)), which)
        curve = shapes.sum_of(self.response, self._places()[gone], self.sizes[gone], len(self.trace))
        return self._replace(**parts, curve=self.curve - curve, other_curve=self.other_curve + curve)

    def size_histogram(self, bins: Any = 20) -> tuple[np.ndarray, np.ndarray]:
        """The number of events in each bin of sizes, and the edges of the bins, as `numpy.histogram` gives them.

        Example:
            >>> kernel, params, times = synkin.dual_expon, synkin.dual_expon.Params(), np.arange(0.0, 600.0, 0.2)
            >>> trace = -20.0 * synkin.respond(kernel, params, [150.0, 300.0, 360.0], times)
            >>> trace += np.random.default_rng(0).normal(size=times.size)
            >>> counts, edges = synkin.deconvolve(kernel, params, times, trace).size_histogram(bins=2)
            >>> print(counts.sum(), edges.round(-1))
            3 [-20. -20. -20.]
        """
        return np.histogram(self.sizes, bins)

    def interval_histogram(self, bins: Any = 20) -> tuple[np.ndarray, np.ndarray]:
        """The number of intervals in each bin, and the edges of the bins in ms, as `numpy.histogram` gives them.

        Intervals that contain an excluded stretch are not counted.

        Example:
            >>> kernel, params, times = synkin.dual_expon, synkin.dual_expon.Params(), np.arange(0.0, 600.0, 0.2)
            >>> trace = -20.0 * synkin.respond(kernel, params, [150.0, 300.0, 360.0], times)
            >>> trace += np.random.default_rng(0).normal(size=times.size)
            >>> counts, edges = synkin.deconvolve(kernel, params, times, trace).interval_histogram(bins=2)
            >>> print(counts, edges.round())
            [1 1] [60. 105. 150.]
        """
        return np.histogram(self.intervals(), bins)

    def intervals(self) -> np.ndarray:
        """The intervals in ms from one event to the next, except those that contain an excluded stretch.

        Example:
            >>> kernel, params, times = synkin.dual_expon, synkin.dual_expon.Params(), np.arange(0.0, 600.0, 0.2)
            >>> trace = -20.0 * synkin.respond(kernel, params, [150.0, 300.0, 360.0], times)
            >>> trace += np.random.default_rng(0).normal(size=times.size)
            >>> print(synkin.deconvolve(kernel, params, times, trace).intervals().round())  # ms
            [150. 60.]
        """
        found = np.diff(self.times)
        for a, _ in self.excluded:
            i = int(np.searchsorted(self.times, a))
            if 0 < i < len(self.times):
                found[i - 1] = np.nan
        return found[np.isfinite(found)]

    def _places(self) -> np.ndarray:
        """The place of each event in samples."""
        return (self.times - self.sample_times[0]) / self.interval

    def _reach(self) -> tuple[int, int]:
        """The number of samples before and after an event that are looked at."""
        span = shapes.span_of(self.response)
        return max(span // 4, 2), span

    def __repr__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        parts = [f"{len(self.times):,} in {self.duration:,.6g} ms"]
        if len(self.times):
            parts += [f"{self.rate:.3g} a second", f"median size {np.median(self.sizes):.4g}{unit}"]
        parts += [f"threshold {self.threshold:.3g}{unit}", f"noise {self.noise:.3g}{unit}"]
        return f"Events({', '.join(parts)})"


def average_of(found: list[Events], *, lone: bool = True) -> EventAverage:
    """The mean of the events of several sweeps with one template, aligned where they act; see `Events.average`."""
    first = found[0]
    span = shapes.span_of(first.response)
    rows, sizes = [], []
    for events in found:
        at = events._places()
        chosen = shapes.lone(at, events.sizes, span) if lone else np.ones(len(at), bool)
        rest = events.trace - events.baseline - events.other_curve - events.curve
        rows.append(shapes.windows(rest, at[chosen], span, 2 * span) + _with_near(events, at, chosen, span))
        sizes.append(events.sizes[chosen])
    table, size = np.concatenate(rows), np.concatenate(sizes)
    if lone and len(size):
        large = np.abs(size) >= 0.5 * np.median(np.abs(size))
        table, size = table[large], size[large]
    grid = np.arange(-span, 2 * span + 1)
    response = shapes.response_at(first.response, grid.astype(float))
    if not len(table):
        nothing = np.full(len(grid), np.nan)
        return EventAverage(grid * first.interval, nothing, nothing, 0 * response, 0)
    present = np.isfinite(table)
    count = np.maximum(present.sum(axis=0), 1)
    filled = np.where(present, table, 0.0)
    middle = filled.sum(axis=0) / count
    error = np.sqrt(np.where(present, (filled - middle) ** 2, 0.0).sum(axis=0)) / count
    mean = shapes.trimmed_mean(table)
    scale = float(mean @ response) / float(response @ response)
    return EventAverage(grid * first.interval, mean, error, scale * response, len(table))


def _with_near(events: Events, at: np.ndarray, chosen: np.ndarray, span: int) -> np.ndarray:
    """The response of each chosen event and of those that begin within ``span`` samples after it, (K, 3 span + 1)."""
    grid = np.arange(-span, 2 * span + 1)
    total = np.zeros((int(chosen.sum()), len(grid)))
    for row, i in zip(total, np.flatnonzero(chosen), strict=True):
        for j in range(i, int(np.searchsorted(at, at[i] + span, "right"))):
            row += events.sizes[j] * shapes.response_at(events.response, grid - (at[j] - at[i]))
    return total
