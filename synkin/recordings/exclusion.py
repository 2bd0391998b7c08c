"""Stretches of a recording that are left out: those that are given, and those whose samples are missing."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from synkin.arguments import units
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_float64
from synkin.recordings.recording import within

# Stretches (a, b) in ms that hold for all sweeps, or a list of them for each sweep.
Exclude: TypeAlias = Sequence[tuple[float, float]] | Sequence[Sequence[tuple[float, float]]] | np.ndarray | None


def without(times: np.ndarray, traces: np.ndarray, exclude: Exclude) -> np.ndarray:
    """A copy of traces, (M,) or (R, M), in which the samples within ``exclude`` are NaN, including those at its ends.

    Times are (M,), or (R, M) of each sweep.

    Raises:
        TypeError: not numbers.
        ValueError: not pairs of times, the second not before the first, or lists for another number of sweeps.
    """
    traces = np.array(traces, float)
    rows = np.atleast_2d(traces)
    each = check_exclude(exclude, len(rows))
    for own, row, stretches in zip(np.broadcast_to(times, rows.shape), rows, each, strict=True):
        for stretch in stretches:
            row[within(own, stretch)] = np.nan
    return rows.reshape(traces.shape)


def check_exclude(exclude: Exclude, sweeps: int) -> list[list[tuple[float, float]]]:
    """The stretches of each sweep, as floats.

    Raises:
        TypeError, ValueError: see `without`.
    """
    if exclude is None or _is_empty(exclude):
        return [[] for _ in range(sweeps)]
    if units.are_quantities(exclude):
        exclude = units.strip_unit("exclude", exclude, "ms")
    for_each = not isinstance(exclude, np.ndarray) and any(_is_list_of_pairs(part) for part in exclude)
    if for_each and len(exclude) != sweeps:
        raise ValueError(
            f"Argument `exclude` must be stretches for all sweeps, or a list of them for each of {sweeps} sweeps, but "
            f"has {len(exclude)} lists."
        )
    if for_each:
        return [_pairs(part) for part in exclude]
    return [_pairs(exclude)] * sweeps


def _is_empty(value: Any) -> bool:
    return hasattr(value, "__len__") and len(value) == 0


def _is_list_of_pairs(value: Any) -> bool:
    """Whether this is a list of stretches, rather than one stretch."""
    return _is_empty(value) or np.ndim(value) == 2 or (isinstance(value, list) and np.ndim(value[0]) == 1)


def _pairs(value: Any) -> list[tuple[float, float]]:
    if _is_empty(value):
        return []
    try:
        table = as_float64("exclude", value)
    except ValueError:  # rows of different lengths
        table = np.empty(0)
    if table.ndim != 2 or table.shape[1] != 2 or not np.isfinite(table).all() or (table[:, 0] > table[:, 1]).any():
        raise ValueError(
            "Argument `exclude` must be a list of stretches (a, b) in ms, the first time not after the second, but is "
            f"{describe(value)}."
        )
    return [(float(a), float(b)) for a, b in table]


def stretches_of(mask: np.ndarray) -> list[tuple[int, int]]:
    """The first and the last sample of each run of samples that are True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def filled(trace: np.ndarray, kept: np.ndarray, width: int) -> np.ndarray:
    """The trace with straight lines across what is not kept, from the median of ``width`` kept samples to the next."""
    if kept.all():
        return trace
    trace = trace.copy()
    if not kept.any():
        trace[:] = 0.0
        return trace
    for first, last in stretches_of(~kept):
        before, after = (_level(trace[side], kept[side]) for side in _beside(first, last, width, len(trace)))
        before, after = (after if np.isnan(before) else before), (before if np.isnan(after) else after)
        if np.isnan(before):  # between other stretches, with hardly a sample between them
            before = after = float(np.median(trace[kept]))
        trace[first : last + 1] = np.linspace(before, after, last - first + 3)[1:-1]
    return trace


def _beside(first: int, last: int, width: int, count: int) -> tuple[slice, slice]:
    return slice(max(first - width, 0), first), slice(last + 1, min(last + 1 + width, count))


def _level(samples: np.ndarray, kept: np.ndarray) -> float:
    return float(np.median(samples[kept])) if kept.any() else float("nan")
