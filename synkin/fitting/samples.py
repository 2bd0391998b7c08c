"""Checks of a recording and of what evoked it: samples, their errors, spike times, protocols of concentrations."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.numbers import as_float64, check_concentration
from synkin.arguments.times import check_in_order, check_increasing, check_times
from synkin.arguments.varying import bind_pieces, check_recordings, check_stretches
from synkin.declaring.kernel import Kernel
from synkin.runs.protocol import Jumps

_Value = TypeVar("_Value")
# The edges in ms, (K + 1,) or (R, K + 1), and the values between them, (K,) or (R, K), of each parameter that varies.
Varying: TypeAlias = dict[str, tuple[np.ndarray, np.ndarray]]


def as_samples(
    given_times: ArrayLike | Sequence[ArrayLike], given_trace: ArrayLike | Sequence[ArrayLike]
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Times (M,) or (R, M) and trace (R, M), and whether the trace came as (M,).

    If lists hold recordings of different lengths, these are extended to the longest one by NaN samples at later times.

    Raises:
        TypeError, ValueError: not real numbers, times that do not increase, or shapes that do not fit.
    """
    lists = [_as_rows(given_times), _as_rows(given_trace)]
    if lists[0] and lists[1] and len({len(row) for rows in lists for row in rows}) > 1:
        lengths = [[len(row) for row in rows] for rows in lists]
        if lengths[0] != lengths[1]:
            written = [", ".join(map(str, own)) for own in lengths]
            raise ValueError(
                "Arguments `times` and `trace` must have rows of the same lengths, but these are "
                f"{written[0]} and {written[1]}."
            )
        given_times, given_trace = _extended(*lists)
    times, trace = as_float64("times", units.strip_unit("times", given_times, "ms")), as_float64("trace", given_trace)
    if times.ndim not in (1, 2) or not times.size:
        raise ValueError(f"Argument `times` must have shape (M,), M at least 1, but has shape {times.shape}.")
    if times.ndim == 2 and trace.shape != times.shape:
        raise ValueError(f"Argument `trace` must have shape {times.shape}, as `times` has, but has {trace.shape}.")
    for row in np.atleast_2d(times):
        check_times("times", row, sort=False)
        check_increasing("times", row)
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


def _as_rows(value: object) -> Sequence[Any]:
    """``value`` if it is a list of vectors, else an empty list."""
    if isinstance(value, list | tuple) and all(np.ndim(row) == 1 for row in value):
        return value
    return []


def _extended(times: Sequence[ArrayLike], trace: Sequence[ArrayLike]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one length: shorter ones are extended by NaN samples, whose times go on with the last interval."""
    rows = [as_float64("times", units.strip_unit("times", row, "ms")) for row in times]
    longest = max(map(len, rows))
    extended = np.full((2, len(rows), longest), np.nan)
    for r, (own, values) in enumerate(zip(rows, trace, strict=True)):
        added = np.arange(1, longest - len(own) + 1)
        step = own[-1] - own[-2] if len(own) > 1 else 1.0
        extended[0, r] = np.concatenate([own, own[-1] + step * added]) if len(own) else np.arange(longest)
        extended[1, r, : len(own)] = as_float64("trace", values)
    return extended[0], extended[1]


def split_unit(value: _Value) -> tuple[_Value, str]:
    """The numbers of a quantity and the name of its unit; of anything else itself and ""."""
    quantity: Any = value
    return (quantity.mantissa, str(quantity.unit)) if units.is_quantity(value) else (value, "")


def importance(sigma: ArrayLike | None, present: np.ndarray, is_single: bool) -> np.ndarray:
    """1 over each sample's error ``sigma``, if it is given, (R, M), scaled so that the mean of its square is 1.

    Raises:
        TypeError, ValueError: errors that are not positive and finite, or of a shape that does not fit.
    """
    if sigma is None:
        return np.ones(present.shape)
    errors = as_float64("sigma", split_unit(sigma)[0])
    recordings, length = present.shape
    shapes = [(length,)] if is_single else [(length,), (recordings,), (recordings, length)]
    if errors.shape not in shapes:
        expected = " or ".join(map(str, shapes))
        raise ValueError(f"Argument `sigma` must have shape {expected}, but has shape {errors.shape}.")
    if errors.ndim == 1 and errors.shape != (length,):
        errors = errors[:, None]
    errors = np.broadcast_to(errors, present.shape)
    bad = present & ~((errors > 0) & np.isfinite(errors))
    if bad.any():
        raise ValueError(f"Argument `sigma` must be positive and finite, but has {errors[bad][0]}.")
    root = np.divide(1.0, errors, out=np.ones(present.shape), where=present)
    return root / np.sqrt(np.mean(root[present] ** 2))


def check_trace(trace: np.ndarray, present: np.ndarray, is_single: bool, shared: int, own: int) -> None:
    """Check that there are enough samples to fit ``shared`` numbers, and ``own`` numbers of each recording.

    Raises:
        ValueError: too few samples, a constant trace, or an infinite sample.
    """
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


def check_spikes(spike_times: np.ndarray, delay: float, times: np.ndarray, recordings: int, is_single: bool) -> None:
    """Check spike times, (K,) or (R, K) ms, against the recordings.

    Raises:
        TypeError, ValueError: a shape that does not fit, or a recording without a spike or with one after its end.
    """
    _check_rows("spike_times", spike_times, "K", recordings, is_single)
    rows, ends = np.atleast_2d(spike_times), np.atleast_1d(times[..., -1])
    for r, row in enumerate(rows):
        check_times("spike_times", row, sort=True)
        row, end = row[np.isfinite(row)], ends[r] if len(ends) == len(rows) else ends.min()
        if not row.size:
            raise ValueError(
                "Argument `spike_times` must have at least one finite time for each recording, but has none."
            )
        if row.max() + delay > end:
            with_delay = f", which a delay of {delay} ms moves to {row.max() + delay}" if delay else ""
            raise ValueError(
                f"Argument `spike_times` must lie before the end of the recording, {end} ms, but has {row.max()}"
                f"{with_delay}."
            )


def as_protocol(
    kernel: Kernel, given: Jumps, weights: ArrayLike | None, varying: Mapping[str, Any] | None
) -> tuple[np.ndarray, np.ndarray, Varying]:
    """The edges of a protocol in ms, the concentration in mM after each edge, 0 after the last one, and what varies.

    Raises:
        TypeError, ValueError: a kernel that takes no concentration, arrays that do not fit, or values of parameters
            beside the protocol, which are to be in it.
    """
    if varying:
        name = next(iter(varying))
        raise ValueError(
            "Argument `varying` goes with spike times, but came with a protocol: give the values in it, as in "
            f"synkin.Jumps(edges, concentrations, {name}=values)."
        )
    if kernel.input.takes_weights or weights is not None:
        raise ValueError(
            "Argument `spike_times` must be spike times for a linear kernel, or where there are weights, but is a "
            "protocol of concentrations."
        )
    concentrations = as_float64("concentrations", units.strip_unit("concentrations", given.concentrations, "mM"))
    check_concentration("concentrations", concentrations)
    if concentrations.ndim not in (1, 2):
        raise ValueError(
            f"Argument `concentrations` must have shape (K,) or (R, K), but has shape {concentrations.shape}."
        )
    edges = as_float64("edges", units.strip_unit("edges", given.edges, "ms"))
    after = np.concatenate([concentrations, np.zeros((*concentrations.shape[:-1], 1))], axis=-1)
    if edges.shape[-1:] != after.shape[-1:] or edges.ndim not in (1, 2):
        raise ValueError(
            "Argument `edges` must have one element more than `concentrations` in its last axis, but they have shapes "
            f"{edges.shape} and {concentrations.shape}."
        )
    if edges.ndim != after.ndim:  # one of the two serves all recordings
        edges, after = np.broadcast_arrays(edges, after)
    values = check_stretches(kernel, given.varying, concentrations.shape[-1], check_recordings)
    return edges, after, {name: (edges, own) for name, own in values.items()}


def as_pieces(kernel: Kernel, varying: Mapping[str, Any] | None) -> Varying:
    """What varies beside spikes.

    Raises:
        TypeError, ValueError: names, edges or values that make no sense.
    """
    edges, values = bind_pieces(kernel, varying or {}, check_recordings)
    return {name: (as_float64("edges", edges[name]), own) for name, own in values.items()}


def check_varying(varying: Varying, recordings: int, is_single: bool) -> None:
    """Check that there is one row of values, or one for each recording.

    Raises:
        ValueError: another number of rows.
    """
    for name, (_, values) in varying.items():
        _check_rows(name, values, "K", recordings, is_single)


def check_edges(
    edges: np.ndarray, after: np.ndarray, delay: float, times: np.ndarray, recordings: int, is_single: bool
) -> None:
    """Check a protocol, as `as_protocol` gives it, against the recordings.

    Raises:
        TypeError, ValueError: shapes that do not fit, edges out of order, or a protocol that begins after the end.
    """
    _check_rows("edges", edges, "K + 1", recordings, is_single, fits=edges.shape == after.shape)
    for row in np.atleast_2d(edges):
        check_times("edges", row, sort=False)
        check_in_order("edges", row)
        end = times[..., -1].max()
        if row[0] + delay > end:
            raise ValueError(
                f"Argument `edges` must begin before the end of the recording, {end} ms, but begins at {row[0]}."
            )


def _check_rows(name: str, value: np.ndarray, k: str, recordings: int, is_single: bool, *, fits: bool = True) -> None:
    """Raise ValueError unless there is one row, or one for each recording."""
    if not (fits and (value.ndim == 1 or (value.ndim == 2 and len(value) == recordings and not is_single))):
        expected = f"({k},)" if is_single else f"({k},) or ({recordings}, {k})"
        raise ValueError(f"Argument `{name}` must have shape {expected}, but has shape {value.shape}.")


def in_order_of_time(spike_times: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spike times in the order of time, and their weights."""
    order = np.argsort(spike_times, axis=-1, kind="stable")
    return np.take_along_axis(spike_times, order, -1), np.take_along_axis(weights, order, -1)
