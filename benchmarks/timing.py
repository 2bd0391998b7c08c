"""Correctness first, then medians of calls taken in turn in one process."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.workloads import Scale

MOST_REPEATS = 51
FEW_REPEATS, LONG = (
    3,
    3.0,
)  # a contender that has taken so many seconds of a case in all is sampled so often and no more


class Wrong(Exception):
    """A contender's result is not what it has to be: its time would mean nothing."""


class Call(NamedTuple):
    """What is timed."""

    run: Callable[[], Any]  # returns arrays; the clock waits for them
    expected: Any = None  # the right result, a pytree of numpy arrays; None where the call computes nothing
    part: Callable[[Any], Any] = lambda result: result  # what of the result is compared
    inner: int = 1  # how many units of work one call does


class Figure(NamedTuple):
    """One contender's cell in a row of a table, in the job's unit."""

    median: float
    quartiles: tuple[float, float] | None = None
    repeats: int = 1
    first_call: float | None = None  # s: trace, compile and run once
    error: float | None = None  # largest deviation from the right result, over that result's largest number


class Row(NamedTuple):
    """A row of a job's table."""

    labels: dict[str, Any]  # what was run: kernel, N, T, ...
    figures: dict[str, Figure]  # by contender
    in_mean: bool = True  # whether it counts in the means that are printed last


def compare(calls: dict[str, Call], *, per: float, tolerance: float, scale: Scale) -> dict[str, Figure]:
    """Check every call, then time all of them in turn, so that a disturbance meets each alike.

    Args:
        calls: by contender.
        per: seconds to the job's unit, for one unit of work.
        tolerance: the largest error allowed, see `Figure`.
        scale: how often to repeat.

    Raises:
        Wrong: a result is not the expected one.
    """
    errors, first_calls = {}, {}
    for name, call in calls.items():
        start = time.perf_counter()
        got = jax.block_until_ready(call.run())
        first_calls[name] = time.perf_counter() - start
        errors[name] = None if call.expected is None else checked(name, call.part(got), call.expected, tolerance)
        del got

    samples: dict[str, list[float]] = {name: [] for name in calls}
    start_all = time.perf_counter()
    names = list(calls)
    for i in range(MOST_REPEATS):
        if i >= scale.repeats and time.perf_counter() - start_all > scale.seconds:
            break
        for name in names[i % len(names) :] + names[: i % len(names)]:  # each comes first now and then
            if i < FEW_REPEATS or sum(samples[name]) * calls[name].inner < LONG:
                samples[name].append(seconds(calls[name]))

    return {name: figure(samples[name], per, first_calls[name], errors[name]) for name in calls}


def seconds(call: Call) -> float:
    """One sample: the time of a unit of work."""
    start = time.perf_counter()
    result = jax.block_until_ready(call.run())
    elapsed = time.perf_counter() - start
    del result  # its memory is given back outside the time
    return elapsed / call.inner


def checked(name: str, got: Any, expected: Any, tolerance: float) -> float:
    """The largest error over the leaves of a result.

    Raises:
        Wrong: it is above the tolerance, or not a number.
    """
    leaves = zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True)
    error = float(np.max([_error(name, *pair) for pair in leaves]))
    if not error <= tolerance:  # NaN is not
        raise Wrong(f"{name} is off by {error:.2g} of the largest value, where {tolerance:.0g} is allowed.")
    return error


def _error(name: str, got: Any, expected: np.ndarray) -> float:
    got = np.asarray(got)
    if got.shape != expected.shape:
        raise Wrong(f"{name} gives an array of shape {got.shape}, where {expected.shape} is right.")
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def figure(samples: list[float], per: float, first_call: float | None = None, error: float | None = None) -> Figure:
    """Median and quartiles of samples in seconds, in the job's unit."""
    low, median, high = (float(q) * per for q in np.percentile(samples, [25, 50, 75]))
    return Figure(median, (low, high), len(samples), first_call, error)
