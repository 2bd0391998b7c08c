"""Argument validation."""

from collections.abc import Mapping, Sequence

import numpy as np

from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_float64, check_whole
from synkin.recordings.recording import window_ms, within

# Fewer sweeps, events or trials tell a variance to no better than a factor of 2.
FEWEST = 10
# Of fewer draws the standard deviation is itself uncertain by more than 7 %.
FEWEST_DRAWS = 100
# A parabola through fewer conditions has nothing left that it could miss.
_CONDITIONS = 3
# A sweep is the mean of the others if less than this fraction of the usual noise is left without that mean.
# What counts as noise are differences between neighbouring samples, which each response has, however average its size.
_IS_MEAN = 0.01


def check_at_least(name: str, value: object, least: int) -> int:
    """``value`` as a whole number that is known now.

    Raises:
        TypeError, ValueError: none, or a smaller one.
    """
    expected = f"a whole number of at least {least}"
    number = check_whole(name, value, expected)
    if number < least:
        raise ValueError(f"Argument `{name}` must be {expected}, but is {number}.")
    return number


def samples_in(name: str, window: object, times: np.ndarray, least: int) -> tuple[np.ndarray, tuple[float, float]]:
    """Which samples lie in a window, (M,), and its ends in ms.

    Raises:
        TypeError, ValueError: not two times in order, or too few samples between them.
    """
    ends = window_ms(name, window)
    if ends is None:
        raise TypeError(f"Argument `{name}` must be two times in ms, but is None.")
    inside = within(times, ends)
    if inside.sum() < least:
        raise ValueError(
            f"Argument `{name}` must hold at least {least} of the samples, which go from {times[0]:g} to "
            f"{times[-1]:g} ms, but ({ends[0]:g}, {ends[1]:g}) holds {inside.sum()}."
        )
    return inside, ends


def check_sweeps(traces: np.ndarray, used: np.ndarray, labels: Sequence[str], what: str) -> None:
    """Check that there are enough sweeps or events, all finite where they are used, and none an average of the others.

    Args:
        traces: (M,) or (R, M).
        used: (M,) which samples are in the window or in the baseline.
        labels: R names.
        what: "sweeps" or "events".

    Raises:
        ValueError: they are not so.
    """
    if traces.ndim == 1 or len(traces) == 1:
        only = f", the {labels[0]}" if labels[0].startswith("mean of ") else ""
        shape = f"(R, {traces.shape[-1]})"
        raise ValueError(
            f"Argument `traces` must be single {what}, in shape {shape}, but is one trace{only}: their "
            "variance cannot be known from one trace or an average."
        )
    if len(traces) < FEWEST:
        raise ValueError(
            f"Argument `traces` must have at least {FEWEST} {what}, as fewer do not give a variance, but has "
            f"{len(traces)}."
        )
    bad = used & ~np.isfinite(traces)
    if bad.any():
        row, sample = (int(index[0]) for index in np.nonzero(bad))
        raise ValueError(
            f"Argument `traces` must be finite in `window` and `baseline`, but {labels[row]} is "
            f"{traces[row, sample]:g} at sample {sample}: leave out such {what}, or choose another window."
        )
    part = traces[:, used]
    others = (part.sum(axis=0) - part) / (len(part) - 1)
    apart = (np.diff(part - others, axis=1) ** 2).mean(axis=1)
    row = int(apart.argmin())
    if apart[row] < _IS_MEAN * np.median(apart):
        raise ValueError(
            f"Argument `traces` must be single {what}, but {labels[row]} is the average of the others: leave it out."
        )


def conditions_of(amplitudes: object) -> tuple[tuple[str, ...], tuple[np.ndarray, ...]]:
    """The names of the conditions, and the amplitudes under each, (n,) of float64.

    Raises:
        TypeError, ValueError: not several vectors of finite numbers, or too few.
    """
    if isinstance(amplitudes, Mapping):
        given = {str(name): values for name, values in amplitudes.items()}
    elif isinstance(amplitudes, list | tuple) or (isinstance(amplitudes, np.ndarray) and amplitudes.ndim == 2):
        given = {f"condition {i}": values for i, values in enumerate(amplitudes)}
    else:
        raise TypeError(
            "Argument `amplitudes` must be a vector of amplitudes for each condition, in a list or a dictionary, but "
            f"is {describe(amplitudes)}."
        )
    if len(given) < _CONDITIONS:
        raise ValueError(
            f"Argument `amplitudes` must have at least {_CONDITIONS} conditions with different probabilities of "
            f"release, but has {len(given)}."
        )
    found = []
    for name, values in given.items():
        trials = as_float64("amplitudes", values)
        if trials.ndim != 1:
            raise ValueError(
                f"Argument `amplitudes` must have a vector for each condition, but {name} has shape {trials.shape}."
            )
        if len(trials) < FEWEST:
            raise ValueError(
                f"Argument `amplitudes` must have at least {FEWEST} trials under each condition, as a variance is not "
                f"known from fewer, but {name} has {len(trials)}."
            )
        if not np.isfinite(trials).all():
            trial = int(np.flatnonzero(~np.isfinite(trials))[0])
            raise ValueError(f"Argument `amplitudes` must be finite, but trial {trial} of {name} is {trials[trial]:g}.")
        found.append(trials)
    return tuple(given), tuple(found)
