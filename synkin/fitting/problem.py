"""The recording and what is free, checked, with the coordinates in which the search moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from synkin.arguments import units
from synkin.arguments.choices import check_kernel
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_float64, check_concentration, check_number
from synkin.arguments.params_and_states import check_params
from synkin.arguments.times import check_delay, check_in_order, check_times
from synkin.runs.protocol import Jumps
from synkin.solving import limits

# What each recording has of its own, with the value where it is not fitted and no other is given.
OWN = {"scale": 1.0, "offset": 0.0, "onset": 0.0}
# How far a parameter may go from its start, as a factor, where no bounds are given.
REACH = 1e4


class Form(NamedTuple):
    """What the curve depends on besides numbers: programs are compiled once for each."""

    kernel: Any
    free: tuple[str, ...]  # parameters
    logarithmic: tuple[bool, ...]  # of them, which have their logarithm as coordinate
    ties: tuple[tuple[str, str], ...]  # parameters, each with the free one whose value it has
    overlap: str
    jumps: bool


@dataclass(frozen=True)
class Problem:
    """R recordings of M samples; the search's N coordinates are

    the free parameters (the logarithms of those that are positive), then, of scale, offset and onset, each that is
    free, R of them, or one that all share.
    """

    kernel: Any
    params: Any  # floats
    spike_times: np.ndarray  # (K,) or (R, K) ms, with their delay
    delay: float  # ms
    sent: np.ndarray  # the spike times without it
    weights: np.ndarray  # the same shape, mS
    jumps: bool  # whether these are edges instead, and the concentrations after them, mM
    times: np.ndarray  # (M,) or (R, M) ms
    trace: np.ndarray  # (R, M); 0 where it is missing
    present: np.ndarray  # (R, M) False where the sample is NaN
    importance: np.ndarray  # (R, M), 1 over each sample's error, 1 on the whole
    is_single: bool  # whether the recording came as (M,)
    overlap: str
    unit: str  # of the trace
    free: tuple[str, ...]  # parameters
    logarithmic: tuple[bool, ...]  # of them, which have their logarithm as coordinate
    ties: tuple[tuple[str, str], ...]  # parameters, each with the free one whose value it has
    own: tuple[str, ...]  # of scale, offset and onset, those that are fitted
    shared: tuple[str, ...]  # of these, those of which there is one for all recordings
    held: dict[str, float]  # the values of the others
    lower: np.ndarray  # (N,)
    upper: np.ndarray  # (N,)

    @property
    def form(self) -> Form:
        """What the curve depends on besides numbers."""
        return Form(self.kernel, self.free, self.logarithmic, self.ties, self.overlap, self.jumps)

    def times_of(self, r: int) -> np.ndarray:
        """The times of recording ``r``, (M,) ms."""
        return self.times if self.times.ndim == 1 else self.times[r]

    @property
    def labels(self) -> tuple[str, ...]:
        """The coordinates' names: "beta", "scale", or "scale[3]" of the fourth of several recordings."""
        labels = [*self.free]
        for name in self.own:
            one = self.is_single or name in self.shared
            labels += [name] if one else [f"{name}[{r}]" for r in range(len(self.trace))]
        return tuple(labels)

    @property
    def columns(self) -> np.ndarray:
        """The coordinates that each recording's curve depends on, (R, C): the parameters, then its own."""
        own = [self.columns_of(name) for name in self.own]
        parameters = np.tile(np.arange(len(self.free)), (len(self.trace), 1))
        return np.column_stack([parameters, *own])

    def columns_of(self, name: str) -> np.ndarray:
        """The coordinates that hold ``name`` of scale, offset and onset, where it is fitted: (R,)."""
        recordings = np.arange(len(self.trace))
        before = sum(self.count(other) for other in self.own[: self.own.index(name)])
        return len(self.free) + before + (0 * recordings if name in self.shared else recordings)

    def count(self, name: str) -> int:
        """How many coordinates ``name`` of scale, offset and onset has."""
        return 1 if name in self.shared else len(self.trace)

    def split(self, point: np.ndarray) -> dict[str, np.ndarray]:
        """Scale, offset and onset at a point, each (R,)."""
        recordings = len(self.trace)
        return {
            name: point[self.columns_of(name)] if name in self.own else np.full(recordings, self.held[name])
            for name in OWN
        }

    def params_at(self, point: np.ndarray) -> Any:
        """The kernel's parameters at a point."""
        values = point[: len(self.free)].copy()
        values[list(self.logarithmic)] = np.exp(values[list(self.logarithmic)])
        found = dict(zip(self.free, map(float, values), strict=True))
        return self.params._replace(**found, **{name: found[other] for name, other in self.ties})


def pose(
    kernel: Any,
    params: Any,
    spike_times: Any,
    times: Any,
    trace: Any,
    *,
    free: str | Sequence[str],
    held: Mapping[str, bool | float | str],
    weights: Any,
    bounds: Mapping[str, tuple[float, float]],
    overlap: str,
    unit: str,
    delay: Any = 0.0,
    sigma: Any = None,
    tie: Mapping[str, str] | None = None,
) -> Problem:
    """The problem that the arguments of `synkin.fit` pose.

    Raises:
        TypeError, ValueError: an argument that makes no sense.
    """
    check_kernel(kernel)
    params = units.params(kernel, params)
    jumps = isinstance(spike_times, Jumps)
    if jumps:
        spike_times, weights = _protocol(kernel, spike_times, weights)
    spike_times = units.plain("spike_times", spike_times, "ms")
    weights = weights if jumps else units.plain("weights", weights, "mS")
    if units.is_quantity(trace):
        trace, unit = trace.mantissa, str(trace.unit)
    check_params(params, (), kernel)
    kernel.input.check_overlap(overlap)
    params = params._make(float(as_float64(f"params.{name}", value)) for name, value in params._asdict().items())
    limits.rests(kernel, params)
    times, trace, is_single = samples(times, trace)
    spike_times, delay = as_float64("spike_times", spike_times), _delay(delay)
    if jumps:
        _check_edges(spike_times, weights, delay, times, len(trace), is_single)
    else:
        _check_spikes(spike_times, delay, times, len(trace), is_single)
    if weights is not None and not jumps:
        weights = as_float64("weights", weights)
        kernel.input.check_weights(weights, spike_times.shape)
    sent, weights = _in_time(spike_times, np.ones_like(spike_times) if weights is None else weights)
    spike_times = sent + delay
    free = _check_free(kernel, params, free)
    values = {name: _held(name, value) for name, value in held.items()}
    ties = _ties(kernel, params, free, tie)
    own = tuple(name for name, value in values.items() if value is None)
    shared = tuple(name for name in own if isinstance(held[name], str))
    logarithmic = tuple(not kernel.parameters[name].signed for name in free)
    present = np.isfinite(trace)
    _check_trace(trace, present, is_single, len(free) + len(shared), len(own) - len(shared))
    begins = spike_times[..., :1] if jumps else spike_times
    lower, upper = _limits(kernel, params, free, own, bounds, begins, times)
    are_logarithms = [*logarithmic, *(False for _ in own)]
    with np.errstate(divide="ignore"):  # the logarithm of a bound of 0 is meant
        for limit in (lower, upper):
            limit[are_logarithms] = np.log(limit[are_logarithms])
    repeats = [1] * len(free) + [1 if name in shared else len(trace) for name in own]
    return Problem(
        kernel=kernel,
        params=params._replace(**{name: getattr(params, other) for name, other in ties}),
        spike_times=spike_times,
        delay=delay,
        sent=sent,
        weights=weights,
        jumps=jumps,
        times=times,
        trace=np.where(present, trace, 0.0),
        present=present,
        importance=_importance(sigma, present, is_single),
        is_single=is_single,
        overlap=overlap,
        unit=unit,
        free=free,
        logarithmic=logarithmic,
        ties=ties,
        own=own,
        shared=shared,
        held={name: value for name, value in values.items() if value is not None},
        lower=np.repeat(lower, repeats),
        upper=np.repeat(upper, repeats),
    )


def _protocol(kernel: Any, given: Jumps, weights: Any) -> tuple[Any, np.ndarray]:
    """The edges of a protocol, and the concentration that follows each, the last being followed by none."""
    if kernel.input.takes_weights or weights is not None:
        raise ValueError(
            "Argument `spike_times` must be spike times for a linear kernel, or where there are weights, but is a "
            "protocol of concentrations."
        )
    concentrations = as_float64("concentrations", units.plain("concentrations", given.concentrations, "mM"))
    check_concentration("concentrations", concentrations)
    if concentrations.ndim not in (1, 2):
        raise ValueError(
            f"Argument `concentrations` must have shape (K,) or (R, K), but has shape {concentrations.shape}."
        )
    edges = as_float64("edges", units.plain("edges", given.edges, "ms"))
    after = np.concatenate([concentrations, np.zeros((*concentrations.shape[:-1], 1))], axis=-1)
    if edges.shape[-1:] != after.shape[-1:] or edges.ndim not in (1, 2):
        raise ValueError(
            "Argument `edges` must have one element more than `concentrations` in its last axis, but they have shapes "
            f"{edges.shape} and {concentrations.shape}."
        )
    if edges.ndim != after.ndim:  # one of the two serves for all recordings
        edges, after = np.broadcast_arrays(edges, after)
    return edges, after


def _check_edges(
    edges: np.ndarray, after: np.ndarray, delay: float, times: np.ndarray, recordings: int, is_single: bool
) -> None:
    if edges.shape != after.shape or not (edges.ndim == 1 or (len(edges) == recordings and not is_single)):
        expected = "(K + 1,)" if is_single else f"(K + 1,) or ({recordings}, K + 1)"
        raise ValueError(f"Argument `edges` must have shape {expected}, but has shape {edges.shape}.")
    for row in np.atleast_2d(edges):
        check_times("edges", row, sort=False)
        check_in_order("edges", row)
        end = times[..., -1].max()
        if row[0] + delay > end:
            raise ValueError(
                f"Argument `edges` must begin before the end of the recording, {end} ms, but begins at {row[0]}."
            )


def _in_time(spike_times: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spikes in the order of time, their weights with them."""
    order = np.argsort(spike_times, axis=-1, kind="stable")
    return np.take_along_axis(spike_times, order, -1), np.take_along_axis(weights, order, -1)


def samples(times: Any, trace: Any) -> tuple[np.ndarray, np.ndarray, bool]:
    """Times (M,) or (R, M) and trace (R, M), and whether that came as (M,).

    Recordings of different lengths, as lists of arrays, are filled up with NaN at times that go on.

    Raises:
        TypeError, ValueError: no numbers, times that do not increase, or shapes that do not fit.
    """
    lists = [isinstance(a, list | tuple) and len(a) > 0 and all(np.ndim(row) == 1 for row in a) for a in (times, trace)]
    if all(lists) and len({len(row) for row in (*times, *trace)}) > 1:
        if [len(row) for row in times] != [len(row) for row in trace]:
            lengths = [", ".join(str(len(row)) for row in a) for a in (times, trace)]
            raise ValueError(
                "Arguments `times` and `trace` must have rows of the same lengths, but these are "
                f"{lengths[0]} and {lengths[1]}."
            )
        times, trace = _filled_up(times, trace)
    times, trace = as_float64("times", units.plain("times", times, "ms")), as_float64("trace", trace)
    if times.ndim not in (1, 2) or not times.size:
        raise ValueError(f"Argument `times` must have shape (M,), M at least 1, but has shape {times.shape}.")
    if times.ndim == 2 and trace.shape != times.shape:
        raise ValueError(f"Argument `trace` must have shape {times.shape}, as `times` has, but has {trace.shape}.")
    for row in np.atleast_2d(times):
        check_times("times", row, sort=False)
        rises = np.diff(row) > 0
        if not rises.all():
            i = int(rises.argmin())
            raise ValueError(
                f"Argument `times` must be increasing, but element {i + 1} ({row[i + 1]}) is not above {row[i]}."
            )
    is_single = trace.ndim == 1
    length = times.shape[-1]
    trace = np.atleast_2d(trace)
    if trace.ndim != 2 or trace.shape[1] != length:
        raise ValueError(
            f"Argument `trace` must have shape ({length},) or (R, {length}), as `times` has length "
            f"{length}, but has shape {trace.shape[int(is_single) :]}."
        )
    if times.ndim == 2 and (times == times[0]).all():
        times = times[0]
    return times, trace, is_single


def _filled_up(times: Sequence[Any], trace: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one length: NaN, and times that go on as they did."""
    rows = [as_float64("times", units.plain("times", row, "ms")) for row in times]
    longest = max(map(len, rows))
    filled = np.full((2, len(rows), longest), np.nan)
    for r, (own, values) in enumerate(zip(rows, trace, strict=True)):
        left = np.arange(1, longest - len(own) + 1)
        step = own[-1] - own[-2] if len(own) > 1 else 1.0
        filled[0, r] = np.concatenate([own, own[-1] + step * left]) if len(own) else np.arange(longest)
        filled[1, r, : len(own)] = as_float64("trace", values)
    return filled[0], filled[1]


def _ties(kernel: Any, params: Any, free: tuple[str, ...], tie: Any) -> tuple[tuple[str, str], ...]:
    """Parameters that have another's value, each with that other, which is free."""
    if tie is None:
        return ()
    if not isinstance(tie, Mapping):
        raise TypeError(f"Argument `tie` must be a dict from a parameter to a free one, but is {describe(tie)}.")
    for name, other in tie.items():
        if name not in params._fields or name in free:
            those = ", ".join(field for field in params._fields if field not in free) or "none left"
            raise ValueError(
                f"Argument `tie` must tie parameters of {kernel.name} that are not free ({those}), but has {name!r}."
            )
        if other not in free:
            raise ValueError(f"Argument `tie` must tie to what is free ({', '.join(free)}), but has {other!r}.")
        if kernel.parameters[name].signed != kernel.parameters[other].signed:
            raise ValueError(f"Parameters `{name}` and `{other}` must have the same range to be tied, but have not.")
    return tuple(tie.items())


def _importance(sigma: Any, present: np.ndarray, is_single: bool) -> np.ndarray:
    """1 over each sample's error, (R, M), so that the mean of its square is 1."""
    if sigma is None:
        return np.ones(present.shape)
    sigma = as_float64("sigma", sigma.mantissa if units.is_quantity(sigma) else sigma)
    recordings, length = present.shape
    shapes = [(length,)] if is_single else [(length,), (recordings,), (recordings, length)]
    if sigma.shape not in shapes:
        expected = " or ".join(map(str, shapes))
        raise ValueError(f"Argument `sigma` must have shape {expected}, but has shape {sigma.shape}.")
    if sigma.ndim == 1 and sigma.shape != (length,):
        sigma = sigma[:, None]
    sigma = np.broadcast_to(sigma, present.shape)
    bad = present & ~((sigma > 0) & np.isfinite(sigma))
    if bad.any():
        raise ValueError(f"Argument `sigma` must be positive and finite, but has {sigma[bad][0]}.")
    root = np.divide(1.0, sigma, out=np.ones(present.shape), where=present)
    return root / np.sqrt(np.mean(root[present] ** 2))


def _delay(value: Any) -> float:
    """``value``, a delay in ms that is known."""
    if isinstance(value, bool | np.bool_):
        raise TypeError(
            "Argument `delay` must be a number of ms, but is "
            f"{value}: one that is to be fitted is an onset with bounds, as onset=True, bounds={{'onset': (0.0, 5.0)}}."
        )
    value = units.plain("delay", value, "ms")
    as_float64("delay", value)
    return float(check_delay(value))


def _check_spikes(spike_times: np.ndarray, delay: float, times: np.ndarray, recordings: int, is_single: bool) -> None:
    rows = np.atleast_2d(spike_times)
    if not (spike_times.ndim == 1 or (spike_times.ndim == 2 and len(rows) == recordings and not is_single)):
        expected = "(K,)" if is_single else f"(K,) or ({recordings}, K)"
        raise ValueError(f"Argument `spike_times` must have shape {expected}, but has shape {spike_times.shape}.")
    ends = np.atleast_1d(times[..., -1])
    for r, row in enumerate(rows):
        check_times("spike_times", row, sort=True)
        row, end = row[np.isfinite(row)], ends[r] if len(ends) == len(rows) else ends.min()
        if not row.size:
            raise ValueError(
                "Argument `spike_times` must have at least one finite time for each recording, but has none."
            )
        if row.max() + delay > end:
            with_delay = f" and a delay of {delay} ms" if delay else ""
            raise ValueError(
                f"Argument `spike_times` must lie before the end of the recording, {end} ms, but has {row.max()}"
                f"{with_delay}."
            )


def _check_free(kernel: Any, params: Any, free: str | Sequence[str]) -> tuple[str, ...]:
    listed, name = ", ".join(params._fields), kernel.name
    if not isinstance(free, str | Sequence):
        raise TypeError(
            f"Argument `free` must be a name of {name}'s parameters or a list of them ({listed}), "
            f"but is {describe(free)}."
        )
    free = (free,) if isinstance(free, str) else tuple(free)
    if not free:
        raise ValueError(f"Argument `free` must name at least one parameter of {name} ({listed}), but is empty.")
    for parameter in free:
        if parameter not in params._fields:
            raise ValueError(f"Argument `free` must name parameters of {name} ({listed}), but has {parameter!r}.")
        if not kernel.parameters[parameter].signed and getattr(params, parameter) <= 0:
            raise ValueError(
                f"Parameter `{parameter}` must be positive to be fitted, but starts at {getattr(params, parameter)}."
            )
    if len(set(free)) < len(free):
        raise ValueError(f"Argument `free` must name each parameter once, but is {', '.join(free)}.")
    return free


def _held(name: str, value: Any) -> float | None:
    """None for True and "shared", which mean that it is fitted; else the value at which it is held."""
    if isinstance(value, str) and value == "shared":
        return None
    if isinstance(value, bool | np.bool_):
        return None if value else OWN[name]
    if isinstance(value, str):
        raise TypeError(f"Argument `{name}` must be True, False, 'shared' or a finite number, but is {value!r}.")
    check_number(name, value, np.isfinite, "True, False, 'shared' or a finite number")
    return float(value)


def _check_trace(trace: np.ndarray, present: np.ndarray, is_single: bool, shared: int, own: int) -> None:
    """Raise unless there is enough to fit ``shared`` parameters and ``own`` quantities of each recording."""
    if np.isinf(trace).any():
        r, m = np.argwhere(np.isinf(trace))[0]
        raise ValueError(f"Argument `trace` must be finite or NaN, but sample {m} is {trace[r, m]}.")
    counts = present.sum(axis=1)
    for r, count in enumerate(counts):
        which = "Argument `trace`" if is_single else f"Row {r} of argument `trace`"
        needed = own + 1 + (shared if is_single else 0)
        if count == 0:
            raise ValueError(f"{which} must hold numbers, but all {len(trace[r])} samples are NaN.")
        if count < needed:
            raise ValueError(f"{which} must have at least {needed} samples for what is free, but has {count}.")
        if np.ptp(trace[r, present[r]]) == 0:
            raise ValueError(f"{which} must vary, but is {trace[r, present[r]][0]} throughout.")
    needed = shared + own * len(trace) + 1
    if counts.sum() < needed:
        raise ValueError(
            f"Argument `trace` must have at least {needed} samples for what is free, but has {counts.sum()}."
        )


def default_onset(spike_times: np.ndarray, times: np.ndarray) -> tuple[float, float]:
    """How far an onset may go where no bounds are given."""
    last = spike_times[np.isfinite(spike_times)].max()
    return float(times[..., 0].min() - times[..., -1].max()), float(times[..., -1].max() - last)


def _limits(
    kernel: Any,
    params: Any,
    free: tuple[str, ...],
    own: tuple[str, ...],
    bounds: Mapping[str, tuple[float, float]],
    spike_times: np.ndarray,
    times: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bound of each free quantity, in its unit."""
    start = {name: getattr(params, name) for name in free}
    positive = [name for name in free if not kernel.parameters[name].signed]
    default = {
        **{name: (start[name] / REACH, start[name] * REACH) for name in positive},
        "onset": default_onset(spike_times, times),
    }
    for name in bounds:
        if name not in (*free, *own):
            raise ValueError(
                f"Argument `bounds` must name what is free ({', '.join((*free, *own))}), but has {name!r}."
            )
    limits = []
    for name in (*free, *own):
        given = bounds.get(name, default.get(name, (-np.inf, np.inf)))
        pair = as_float64("bounds", given)
        if pair.shape != (2,) or not pair[0] < pair[1]:
            raise ValueError(
                f"Argument `bounds` must have a lower and a higher number for `{name}`, but has {given!r:.60}."
            )
        if name in positive and pair[0] < 0:
            raise ValueError(f"Argument `bounds` must not be negative for `{name}`, but has {pair[0]}.")
        if name in start and not pair[0] <= start[name] <= pair[1]:
            raise ValueError(
                f"Parameter `{name}` must start within its bounds, {pair[0]} to {pair[1]}, but starts at {start[name]}."
            )
        limits.append(pair)
    lower, upper = np.array(limits).T.copy()
    return lower, upper
