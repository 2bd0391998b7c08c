"""The arguments of `synkin.fit_each`, checked and turned into `Recordings`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_kernel
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_float64, check_number
from synkin.arguments.params_and_states import check_params
from synkin.arguments.times import check_increasing, check_times
from synkin.declaring.kernel import Kernel
from synkin.fitting.batch.recordings import Form, Recordings, Rows, pad, padded_length, padded_number
from synkin.fitting.free import check_free
from synkin.fitting.problem import OWN, REACH
from synkin.runs.protocol import Jumps
from synkin.solving import limits


class Given(NamedTuple):
    """The checked arguments, before anything is padded."""

    recordings: Recordings
    params: NamedTuple  # of arrays (R,)
    held: dict[str, float]  # scale, offset and onset that are not fitted
    spike_times: np.ndarray  # (K,) or (R, K) ms, in order
    times: np.ndarray  # (M,) or (R, M) ms
    traces: np.ndarray  # (R, M)
    unit: str
    unfit: np.ndarray  # (R,) text: why a recording cannot be fitted, or ""


def as_given(
    kernel: Kernel,
    params: Any,
    spike_times: ArrayLike,
    times: ArrayLike,
    traces: ArrayLike,
    *,
    free: str | Sequence[str],
    held: Mapping[str, bool | float],
    weights: ArrayLike | None,
    bounds: Mapping[str, tuple[float, float]],
    sigma: ArrayLike | None,
    overlap: str,
    unit: str,
) -> Given:
    """The arguments of `synkin.fit_each`.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.
    """
    check_kernel(kernel)
    if isinstance(spike_times, Jumps):
        raise TypeError("Argument `spike_times` must be times in ms, but is a protocol: give that to synkin.fit.")
    kernel.input.check_overlap(overlap)
    own_unit = str(getattr(traces, "unit", "")) if units.is_quantity(traces) else ""
    traces = as_float64("traces", getattr(traces, "mantissa", traces) if own_unit else traces)
    if traces.ndim != 2 or not traces.size:
        raise ValueError(f"Argument `traces` must have shape (R, M), but has shape {traces.shape}.")
    if np.isinf(traces).any():
        r, m = np.argwhere(np.isinf(traces))[0]
        raise ValueError(f"Argument `traces` must be finite or NaN, but sample {m} of row {r} is {traces[r, m]}.")
    number, samples = traces.shape
    times = _as_times(times, traces.shape)
    params = _as_params(kernel, params, number)
    spike_times, weights = _as_spikes(kernel, spike_times, weights, number)
    signed = {name: known.signed for name, known in kernel.parameters.items()}
    free = check_free(kernel.name, signed, params._asdict(), free)
    values = {name: _as_held(name, value) for name, value in held.items()}
    known = {name: value for name, value in values.items() if value is not None}
    _check_bounds(kernel, params, free, [name for name in OWN if name not in known], bounds)
    bounded = [name for name in ("scale", "offset") if name in bounds]
    form = Form(
        kernel=kernel,
        free=free,
        logarithmic=tuple(not kernel.parameters[name].signed for name in free),
        searched=tuple(name for name in ("onset", *bounded) if name not in known),
        solved=tuple(name for name in ("offset", "scale") if name not in (*known, *bounded)),
        overlap=overlap,
        weighted=weights is not None,
    )
    present = np.isfinite(traces)
    importance = _importance(sigma, present)
    unfit = _unfit(traces, present, spike_times, times, len(form.fitted))
    deviation = np.sqrt(np.maximum(_variances(traces, present), np.finfo(float).tiny))
    lower, upper, start = _coordinates(form, params, bounds, spike_times, times)

    length, spikes = padded_length(max(samples, len(form.fitted) + 1)), padded_number(spike_times.shape[-1])
    root = np.where(present, importance / deviation[:, None], 0.0)
    rows = Rows(
        params=params,
        spike_times=pad(np.atleast_2d(spike_times), spikes, np.inf),
        weights=pad(np.ones((1, spike_times.shape[-1])) if weights is None else np.atleast_2d(weights), spikes, 0.0),
        times=pad(np.atleast_2d(times), length),
        target=pad(np.where(present, traces, 0.0), length, 0.0),
        root=pad(root, length, 0.0),
        own={name: np.full(1, known.get(name, 0.0)) for name in OWN},
        lower=lower,
        upper=upper,
    )
    recordings = Recordings(
        form=form,
        rows=rows,
        start=np.broadcast_to(start, (number, start.shape[1])),
        unit=deviation,
        present=present,
        fitted=unfit == "",
        spikes=int(np.isfinite(np.atleast_2d(spike_times)).sum(axis=1).max()),
    )
    return Given(recordings, params, known, spike_times, times, traces, own_unit or unit, unfit)


def _as_times(value: ArrayLike, shape: tuple[int, int]) -> np.ndarray:
    """(M,) or (R, M) ms."""
    times = as_float64("times", units.strip_unit("times", value, "ms"))
    if times.shape not in (shape, shape[1:]):
        raise ValueError(
            f"Argument `times` must have shape ({shape[1]},) or {shape}, as `traces` has shape {shape}, but has shape "
            f"{times.shape}."
        )
    rises = (np.diff(times) > 0).all() and np.isfinite(times).all()
    for row in [] if rises else np.atleast_2d(times):
        check_times("times", row, sort=False)
        check_increasing("times", row)
    return times[0] if times.ndim == 2 and (times == times[0]).all() else times


def _as_params(kernel: Kernel, params: Any, number: int) -> Any:
    """``Params`` of arrays (R,), or (1,) of what all recordings share."""
    params = units.params(kernel, params)
    check_params(params, (number,), kernel)
    arrays = params._make(
        np.atleast_1d(as_float64(f"params.{name}", value)) for name, value in params._asdict().items()
    )
    limits.rests(kernel, params._make(float(a[0]) for a in arrays))
    return arrays


def _as_spikes(
    kernel: Kernel, spike_times: ArrayLike, weights: ArrayLike | None, number: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Spike times in order and their weights, (K,) or (R, K) each."""
    spike_times = as_float64("spike_times", units.strip_unit("spike_times", spike_times, "ms"))
    rows = np.atleast_2d(spike_times)
    if spike_times.ndim not in (1, 2) or not spike_times.size or (spike_times.ndim == 2 and len(rows) != number):
        raise ValueError(
            f"Argument `spike_times` must have shape (K,) or ({number}, K), K at least 1, but has shape "
            f"{spike_times.shape}."
        )
    if np.isnan(rows).any() or np.isneginf(rows).any() or spike_times.ndim == 1:
        for row in rows:
            check_times("spike_times", row, sort=True)
    order = np.argsort(spike_times, axis=-1, kind="stable")
    if weights is not None:
        weights = as_float64("weights", units.strip_unit("weights", weights, kernel.input.unit))
        kernel.input.check_weights(weights, spike_times.shape)
        weights = np.take_along_axis(weights, order, -1)
    return np.take_along_axis(spike_times, order, -1), weights


def _as_held(name: str, value: object) -> float | None:
    """The value at which scale, offset or onset is held; None if it is fitted."""
    if isinstance(value, bool | np.bool_):
        return None if value else OWN[name]
    expected = "True, False or a finite number"
    if isinstance(value, str):
        raise TypeError(f"Argument `{name}` must be {expected}, but is {value!r}: nothing is shared in fit_each.")
    return float(check_number(name, value, np.isfinite, expected))


def _check_bounds(
    kernel: Kernel, params: Any, free: tuple[str, ...], own: Sequence[str], bounds: Mapping[str, Any]
) -> None:
    if not isinstance(bounds, Mapping):
        raise TypeError(f"Argument `bounds` must be a dict from a name to two numbers, but is {describe(bounds)}.")
    for name, given in bounds.items():
        if name not in (*free, *own):
            raise ValueError(
                f"Argument `bounds` must name what is free ({', '.join((*free, *own))}), but has {name!r}."
            )
        pair = as_float64("bounds", given)
        if pair.shape != (2,) or not pair[0] < pair[1]:
            raise ValueError(
                f"Argument `bounds` must have a lower and a higher number for `{name}`, but has {given!r:.60}."
            )
        if name not in free:
            continue
        if not kernel.parameters[name].signed and pair[0] < 0:
            raise ValueError(f"Argument `bounds` must not be negative for `{name}`, but has {pair[0]}.")
        starts = getattr(params, name)
        outside = starts[(starts < pair[0]) | (starts > pair[1])]
        if outside.size:
            raise ValueError(
                f"Parameter `{name}` must start within its bounds, {pair[0]} to {pair[1]}, but starts at {outside[0]}."
            )


def _importance(sigma: ArrayLike | None, present: np.ndarray) -> np.ndarray:
    """1 over each sample's error, (R, M), so scaled that the mean of its square is 1 in each recording."""
    if sigma is None:
        return np.ones(present.shape)
    errors = as_float64("sigma", getattr(sigma, "mantissa", sigma) if units.is_quantity(sigma) else sigma)
    if errors.shape not in (present.shape, present.shape[1:]):
        raise ValueError(
            f"Argument `sigma` must have shape {present.shape[1:]} or {present.shape}, but has shape {errors.shape}."
        )
    errors = np.broadcast_to(errors, present.shape)
    bad = present & ~((errors > 0) & np.isfinite(errors))
    if bad.any():
        raise ValueError(f"Argument `sigma` must be positive and finite, but has {errors[bad][0]}.")
    root = np.divide(1.0, errors, out=np.zeros(present.shape), where=present)
    mean = (root**2).sum(axis=1, keepdims=True) / np.maximum(present.sum(axis=1, keepdims=True), 1)
    return np.divide(root, np.sqrt(mean), out=np.zeros_like(root), where=mean > 0)


def _unfit(
    traces: np.ndarray, present: np.ndarray, spike_times: np.ndarray, times: np.ndarray, fitted: int
) -> np.ndarray:
    """Why each recording cannot be fitted, (R,) text, "" if it can."""
    counts = present.sum(axis=1)
    last = np.where(present, times, -np.inf).max(axis=1)
    lowest, highest = (np.where(present, traces, np.inf).min(axis=1), np.where(present, traces, -np.inf).max(axis=1))
    late = ~(np.atleast_2d(spike_times)[:, 0] <= last)
    reasons = [
        (counts == 0, "no samples"),
        (counts <= fitted, "too few samples"),
        (lowest == highest, "constant"),
        (late, "no spike before its end"),
    ]
    return np.select([which for which, _ in reasons], [reason for _, reason in reasons], "")


def _variances(traces: np.ndarray, present: np.ndarray) -> np.ndarray:
    """The variance of each recording, (R,)."""
    counts = np.maximum(present.sum(axis=1), 1)
    known = np.where(present, traces, 0.0)
    around = np.where(present, known - known.sum(axis=1, keepdims=True) / counts[:, None], 0.0)
    return (around**2).sum(axis=1) / counts


def _coordinates(
    form: Form, params: Any, bounds: Mapping[str, tuple[float, float]], spike_times: np.ndarray, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower and upper bound and start of each coordinate, (R, C) or (1, C) each."""
    columns = []
    for i, name in enumerate(form.coordinates):
        if name in form.free:
            start = getattr(params, name)
            low, high = bounds.get(name, (start / REACH, start * REACH) if form.logarithmic[i] else (-np.inf, np.inf))
            column = [np.broadcast_to(a, start.shape) for a in (low, high, start)]
            with np.errstate(divide="ignore"):  # a lower bound of 0 has the logarithm -inf
                columns.append([np.log(a) for a in column] if form.logarithmic[i] else column)
            continue
        low, high = bounds.get(name, (-np.inf, np.inf))
        if name == "onset" and "onset" not in bounds:
            low, high = _default_onset(spike_times, times)
        low, high = np.broadcast_arrays(np.atleast_1d(low), np.atleast_1d(high))
        columns.append([low, high, np.clip(OWN[name], low, high)])
    longest = max(len(a) for column in columns for a in column)
    return tuple(  # type: ignore[return-value]
        np.column_stack([np.broadcast_to(column[k], longest) for column in columns]).astype(float) for k in range(3)
    )


def _default_onset(spike_times: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bounds of an onset in ms, within which the last spike stays before the end of the recording."""
    last = np.where(np.isfinite(spike_times), spike_times, -np.inf).max(axis=-1)
    first, end = times[..., 0], times[..., -1]
    return first - end, np.where(np.isfinite(last), end - last, 1.0)
