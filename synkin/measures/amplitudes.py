"""The amplitude of the response to each of several stimuli in each sweep, and what their scatter says."""

from __future__ import annotations

from math import nan

import numpy as np

from synkin.measures.baselines import Baseline
from synkin.measures.crossings import peak_time
from synkin.measures.result import Amplitudes
from synkin.measures.tails import Tails
from synkin.recordings.recording import within

# At most so many amplitudes of noise are measured in a sweep, and at least so many in all are needed.
_OF_NOISE, _LEAST_OF_NOISE = 60, 5
# Samples within this many ms of an amplitude of noise are no baseline for it, as neighbours are alike.
_APART = 0.5
# What is said of a tail that is this fraction of the amplitude or more.
_LARGE_TAIL = 0.5
# By default the threshold of a failure is the first number of standard deviations of the noise, or the middle of the
# two others, if at most this fraction of the amplitudes after each stimulus lies between them, and some lie above.
_LOW, _GAP, _IN_GAP = 1.0, (3.0, 5.0), 0.01


def amplitudes_of(
    times: np.ndarray,
    heights: np.ndarray,
    below: Baseline,
    spikes: np.ndarray,
    window: tuple[float, float] | None,
    width: float,
    sign: int,
    failures_below: float | None,
    unit: str,
    starts: np.ndarray | None,
) -> Amplitudes:
    """The amplitudes after each of K stimuli.

    Args:
        times: (M,) ms.
        heights: (R, M) without their baselines.
        below: the baselines.
        spikes: (K,) ms.
        window: in ms after each stimulus, or None.
        width: ms over which each amplitude is averaged.
        sign: the direction.
        failures_below: in standard deviations of the noise; None to choose.
        unit: of the traces.
        starts: (R,) ms, of the sweeps; or None.

    Raises:
        ValueError: no samples after a stimulus.
    """
    masks = [after(times, spikes, k, window) for k in range(len(spikes))]
    heights = np.where(np.isfinite(heights), heights, nan)
    mean = np.asarray(np.ma.masked_invalid(heights).mean(axis=0).filled(nan))
    peaks = [_top(mean, mask, sign) for mask in masks]
    tails = Tails(times, mean, spikes, peaks, sign) if len(spikes) > 1 else None
    at = np.empty(len(spikes))
    values, taken = np.empty((len(heights), len(spikes))), np.zeros((len(heights), len(spikes)))
    for k, mask in enumerate(masks):
        own = mean.copy()
        if tails is not None and k:
            own[mask] -= tails.after(k - 1, mean[None], times[mask])[0]
        kept = mask & np.isfinite(own)
        at[k] = peak_time(times[kept], sign * own[kept], width) if kept.any() else nan
        kernel = _weights(times, at[k], width)
        values[:, k] = _weighted(heights, kernel)
        if tails is not None and k:
            used = np.flatnonzero(kernel)
            taken[:, k] = tails.after(k - 1, heights, times[used]) @ kernel[used]
            values[:, k] -= taken[:, k]
    noise_values = _of_noise(times, heights, below, spikes[0], width)
    kept = [] if tails is None else [k for k in range(len(spikes) - 1) if tails.unknown(k)]
    return _summary(spikes, at, values, taken, noise_values, sign, failures_below, unit, starts, kept)


def after(times: np.ndarray, spikes: np.ndarray, k: int, window: tuple[float, float] | None) -> np.ndarray:
    """Where the peak after a stimulus is sought, (M,).

    Raises:
        ValueError: there is no sample.
    """
    end = spikes[k + 1] if k + 1 < len(spikes) else np.inf
    first, last = (0.0, np.inf) if window is None else window
    inside = (times >= spikes[k]) & (times < end)
    if window is not None:
        inside = within(times, (spikes[k] + first, spikes[k] + last)) & (times < end)
    if not inside.any():
        came = "None" if window is None else f"({first:g}, {last:g})"
        raise ValueError(
            f"Argument `window` must hold samples after the stimulus at {spikes[k]:g} ms and before the next, in "
            f"sweeps from {times[0]:g} to {times[-1]:g} ms, but is {came}."
        )
    return inside


def _top(mean: np.ndarray, mask: np.ndarray, sign: int) -> int:
    """The sample at which the mean is farthest in the direction."""
    return int(np.where(mask & np.isfinite(mean), sign * mean, -np.inf).argmax())


def _weights(times: np.ndarray, at: float, width: float) -> np.ndarray:
    """The weights of samples in a mean over ``width`` ms around a time; on a straight line between samples, (M,)."""
    kernel = np.zeros(len(times))
    if np.isnan(at):
        return kernel
    near = np.abs(times - at) <= width / 2 * (1 + 1e-9)
    if near.sum() > 1:
        return near / near.sum()
    i = int(np.clip(np.searchsorted(times, at) - 1, 0, len(times) - 2))
    part = float(np.clip((at - times[i]) / (times[i + 1] - times[i]), 0.0, 1.0))
    kernel[i], kernel[i + 1] = 1 - part, part
    return kernel


def _weighted(rows: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The weighted mean of each row, (R,), without samples that are NaN; NaN where all are."""
    used = np.flatnonzero(kernel)
    if not used.size:
        return np.full(len(rows), nan)
    part = rows[:, used]
    weights = np.where(np.isfinite(part), kernel[used], 0.0)
    total = weights.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = np.where(
            total > 0.5, (weights * np.where(np.isfinite(part), part, 0.0)).sum(axis=1) / total, nan
        )
    return found


def _of_noise(times: np.ndarray, heights: np.ndarray, below: Baseline, spike: float, width: float) -> np.ndarray:
    """Amplitudes measured in the same way where there is no response: before the first stimulus.

    In the window of the baseline, the mean from which an amplitude is measured would contain the amplitude's own
    samples, and hardly vary against them; so it is taken over the others.
    """
    before = int(np.searchsorted(times, spike))
    interval = float(np.median(np.diff(times)))
    reach = max(round(width / interval), 1)
    count = min(_OF_NOISE, before // reach)
    if count < 1:
        return np.empty(0)
    first = np.unique(np.linspace(0, before - reach, count).round().astype(int))
    rows = np.where(np.isfinite(heights), heights, 0.0)
    present = np.isfinite(heights)
    sums, counts = _cumulative(rows), _cumulative(present)
    last = first + reach
    with np.errstate(invalid="ignore", divide="ignore"):
        values: np.ndarray = (sums[:, last] - sums[:, first]) / (counts[:, last] - counts[:, first])
        if below.inside is not None and below.levels.shape[1] == 1:
            sums, counts = _cumulative(rows * below.inside), _cumulative(present & below.inside)
            apart = round(_APART / interval)
            low, high = np.maximum(first - apart, 0), np.minimum(last + apart, len(times))
            left = counts[:, -1:] - (counts[:, high] - counts[:, low])
            level = (sums[:, -1:] - (sums[:, high] - sums[:, low])) / left
            values = np.where(left > counts[:, -1:] / 2, values - level, nan)
    return values[np.isfinite(values)]


def _cumulative(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((len(rows), 1)), np.cumsum(rows, axis=1, dtype=float)], axis=1)


def _summary(
    spikes: np.ndarray,
    at: np.ndarray,
    values: np.ndarray,
    taken: np.ndarray,
    noise_values: np.ndarray,
    sign: int,
    failures_below: float | None,
    unit: str,
    starts: np.ndarray | None,
    tails_kept: list[int],
) -> Amplitudes:
    """Means, ratios, coefficients of variation and failures."""
    known = np.isfinite(values).all(axis=1)
    used = values[known]
    count = len(used)
    mean = used.mean(axis=0) if count else np.full(len(spikes), nan)
    covariance = np.atleast_2d(np.cov(used.T, ddof=1)) if count > 1 else np.full((len(spikes),) * 2, nan)
    variance = np.diag(covariance)
    ratios = np.divide(mean, mean[0], out=np.full_like(mean, nan), where=mean[0] != 0)
    of_ratio = variance + ratios**2 * variance[0] - 2 * ratios * covariance[0]
    ratio_errors = np.sqrt(np.maximum(of_ratio, 0.0) / max(count, 1)) / abs(mean[0] or nan)
    enough = len(noise_values) >= _LEAST_OF_NOISE
    noise = float(noise_values.std(ddof=1)) if enough else nan
    off = noise**2 if enough else 0.0
    cv, cv_errors, inverse, inverse_errors = _variation(used, off)
    apart = failures_below is None and noise > 0 and _are_apart(sign * used / noise)
    if failures_below is None:
        failures_below = sum(_GAP) / 2 if apart else _LOW
        chosen = " (responses are apart from noise)" if apart else " (responses overlap with noise)"
    else:
        chosen = ""
    threshold = sign * failures_below * noise
    false = float((sign * noise_values > sign * threshold).mean()) if enough else nan
    below, failures, failure_errors = (np.full(len(spikes), nan) for _ in range(3))
    if enough and count > 1 and false < 1:
        below = (sign * used < sign * threshold).mean(axis=0)
        failures, failure_errors = _failures(below, false, count)
    by = f", below {failures_below:g} times the noise{chosen}"
    said = _said(values, mean, ratios, ratio_errors, taken, failures, failure_errors, count, unit, by, enough=enough)
    for k in tails_kept:
        said += (
            f" The response to stimulus {k + 1} does not decay before the next: what is left of it is not taken off "
            "the amplitude there."
        )
    return Amplitudes(
        spikes=spikes,
        peak_times=at,
        values=values,
        tails=taken,
        mean=mean,
        stderr=np.sqrt(variance / max(count, 1)),
        ratios=ratios,
        ratio_errors=ratio_errors,
        noise=noise,
        noise_values=noise_values,
        cv=cv,
        cv_errors=cv_errors,
        inverse_cv2=inverse,
        inverse_cv2_errors=inverse_errors,
        failures=failures,
        failure_errors=failure_errors,
        below=below,
        false_responses=false,
        threshold=threshold,
        start_times=starts,
        unit=unit,
        message=said,
    )


def _are_apart(sizes: np.ndarray) -> bool:
    """Whether responses are clearly apart from noise after each stimulus.

    Args:
        sizes: (R, K) in standard deviations of the noise, positive in the direction of responses.
    """
    between = ((sizes > _GAP[0]) & (sizes < _GAP[1])).mean(axis=0) if len(sizes) else np.ones(1)
    return bool((between <= _IN_GAP).all() and (sizes >= _GAP[1]).any(axis=0).all())


def _variation(values: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The coefficient of variation and the inverse of its square, each with its error by leaving out sweeps in turn.

    Args:
        values: (R, K).
        noise: the variance that is not of the responses.
    """
    count = len(values)
    if count < 3:
        nothing = np.full(values.shape[1], nan)
        return nothing, nothing, nothing, nothing
    mean = values.mean(axis=0)
    squares = ((values - mean) ** 2).sum(axis=0)
    means = (count * mean - values) / (count - 1)
    # Leaving out one value takes its squared distance, times n / (n - 1), off the sum of squares.
    variances = (squares - (values - mean) ** 2 * count / (count - 1)) / (count - 2)

    def inverse(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        own = variance - noise
        with np.errstate(divide="ignore", invalid="ignore"):
            found: np.ndarray = np.where(own > 0, mean**2 / own, nan)
        return found

    def error(each: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.sqrt((count - 1) / count * ((each - each.mean(axis=0)) ** 2).sum(axis=0))
        return found

    best, others = inverse(mean, squares / (count - 1)), inverse(means, variances)
    return best**-0.5, error(others**-0.5), best, error(others)


def _failures(below: np.ndarray, false: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The fractions of failures, from those of amplitudes below the threshold, and their binomial errors.

    Failures are below it but for the noise's false responses.
    """
    spread = np.sqrt(np.maximum(below * (1 - below), 1 / (4 * count)) / count)
    return np.minimum(below / (1 - false), 1.0), spread / (1 - false)


def _said(
    values: np.ndarray,
    mean: np.ndarray,
    ratios: np.ndarray,
    ratio_errors: np.ndarray,
    taken: np.ndarray,
    failures: np.ndarray,
    failure_errors: np.ndarray,
    count: int,
    unit: str,
    by: str,
    *,
    enough: bool,
) -> str:
    """What was found, and what to look at."""
    said = []
    lost = len(values) - count
    if lost:
        said.append(f"{lost} of {len(values)} sweeps have no samples at a peak and are left out.")
    if len(mean) > 1:
        error = f" ± {ratio_errors[1]:.2g}" if np.isfinite(ratio_errors[1]) else ""
        said.append(f"The paired-pulse ratio is {ratios[1]:.3g}{error}, of mean amplitudes.")
        with np.errstate(invalid="ignore", divide="ignore"):
            parts = np.abs(np.ma.masked_invalid(taken).mean(axis=0).filled(nan) / mean)
        for k in np.flatnonzero(parts >= _LARGE_TAIL):
            said.append(
                f"At stimulus {k + 1} what is left of the response before is {parts[k]:.0%} of the amplitude, which "
                "hangs on it."
            )
    if not enough:
        said.append("Before the first stimulus there are too few samples for the noise: failures are not known.")
    elif np.isfinite(failures[0]):
        rate = f"{100 * failures[0]:.0f} ± {100 * failure_errors[0]:.0f} %"
        said.append(f"{rate} of {count} sweeps have no response to the first stimulus{by}.")
    elif count == 1:
        size = f" {unit}" if unit else ""
        said.append(f"The first amplitude is {mean[0]:.3g}{size}; a single sweep has no error.")
    return " ".join(said)
