"""`synkin.nmda_ampa_ratio`: what NMDA receptors carry beside AMPA receptors, by times or by a fit of their sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import hypot, nan, sqrt
from typing import Any, NamedTuple, Protocol

import numpy as np

from synkin.arguments import units
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_float64
from synkin.measures.baselines import Zero, baseline_of
from synkin.measures.crossings import around, peak_time
from synkin.measures.responses import check_spikes, check_width, direction
from synkin.measures.result import NmdaAmpaRatio
from synkin.recordings.exclusion import Exclude, without
from synkin.recordings.recording import Recording, window_ms, within

# A derivative is that of a change of a parameter by this fraction.
_CHANGE = 1e-3
# What is left of the AMPA receptors' current is said if it is more than this fraction of the NMDA receptors'.
_MUCH_LEFT = 0.05


class FittedSum(Protocol):
    """What `synkin.fit` returns, for a sum of two kernels."""

    kernel: Any
    params: Any
    scale: Any
    free: Mapping[str, Any]
    stderr: Mapping[str, Any]
    correlations: np.ndarray
    labels: Sequence[str]
    unit: str


def nmda_ampa_ratio(
    ampa: Recording | FittedSum,
    nmda: Recording | None = None,
    *,
    spike: float = nan,
    after: float = 50.0,
    window: tuple[float, float] | None = None,
    peak_mean: float = 0.0,
    nmda_mean: float = 5.0,
    baseline: float | tuple[float, float] | Sequence[tuple[float, float]] = Zero(),
    exclude: Exclude = None,
) -> NmdaAmpaRatio:
    """The current of NMDA receptors over that of AMPA receptors, by times at two potentials or by a fit of both.

    By times: the AMPA receptors' peak near -70 mV, where magnesium blocks NMDA receptors, and the current at +40 mV so
    long after the stimulus that AMPA receptors have closed. By a fit: the peaks of the two parts of a sum.

    Args:
        ampa: a `Recording` of sweeps at the negative potential; or, alone, one with sweeps at both, of which
            ``command`` says which is which; or what `synkin.fit` returned for a sum of two kernels, AMPA first, such as
            ``synkin.ampa + synkin.schemes.nmda5``. All other arguments then have no use.
        nmda: a `Recording` of sweeps at the positive potential.
        spike: ms, when the stimulus came, in both.
        after: ms after the stimulus, when the NMDA receptors' current is measured.
        window: (a, b) ms after the stimulus, where the AMPA receptors' peak is sought. By default from the stimulus to
            ``after``.
        peak_mean: ms; the peak is the mean over this time around it. By default a single sample.
        nmda_mean: ms; the NMDA receptors' current is the mean over this time.
        baseline: what is subtracted from each sweep, as of `synkin.measure`.
        exclude: stretches (a, b) in ms that are left out of all sweeps.

    Returns:
        `NmdaAmpaRatio`, a positive ratio with its standard error.

    Raises:
        TypeError: no recordings, and no fit of a sum of two kernels.
        ValueError: times outside of the sweeps, one potential alone, or a window without samples.

    By times, the ratio is that of means over sweeps, each measured at one time: the peak at that of the mean of its
    sweeps. Its error follows from the scatter of sweeps. ``ampa_left`` is what is left of the AMPA receptors' current
    at the later time, as a fraction of their peak, by the sweeps at the negative potential. Times the AMPA receptors'
    current at the positive potential, it is what the NMDA receptors' is too large by.

    By a fit, the error follows from the errors of the fitted parameters, and their correlations.

    Source: Myme et al. 2003, J. Neurophysiol. 90: 771-779, for the ratio by times.

    Example:
        >>> times = np.arange(0.0, 200.0, 0.1)
        >>> late = np.maximum(times - 10, 0)
        >>> fast, slow = np.exp(-late / 4) - np.exp(-late / 0.4), np.exp(-late / 80) - np.exp(-late / 4)
        >>> down, up = (synkin.Recording(times, trace, "pA") for trace in (-100 * fast, 60 * fast + 50 * slow))
        >>> found = synkin.nmda_ampa_ratio(down, up, spike=10.0, after=40.0)
        >>> print(f"{found.ratio:.2f}: {found.nmda:.1f} over {found.ampa:.1f} pA")
        0.44: 30.3 over -69.6 pA
    """
    if not isinstance(ampa, Recording):
        return _of_fit(ampa, nmda)
    if nmda is None:
        ampa, nmda = _by_command(ampa)
    if not isinstance(nmda, Recording):
        raise TypeError(f"Argument `nmda` must be a synkin.Recording, but is {describe(nmda)}.")
    width, late_width = check_width("peak_mean", peak_mean), check_width("nmda_mean", nmda_mean)
    start = as_float64("spike", units.strip_unit("spike", spike, "ms"))
    if start.shape != () or np.isnan(start):
        raise ValueError(f"Argument `spike` must be the time of the stimulus in ms, but is {describe(spike)}.")
    delay = check_width("after", after)
    sought = window_ms("window", window) or (0.0, delay)
    first = _sweeps(ampa, float(start), baseline, exclude)
    second = _sweeps(nmda, float(start), baseline, exclude)
    late = float(start) + delay
    for sweeps in (first, second):
        if late > sweeps.times[-1]:
            raise ValueError(
                f"Argument `after` must end within the sweeps, {sweeps.times[-1] - float(start):g} ms after the "
                f"stimulus, but is {delay:g}."
            )
    peak_at = _peak(first, float(start), sought, width)
    peaks = around(first.times, first.heights, peak_at, width)
    values = around(second.times, second.heights, late, late_width)
    left = around(first.times, first.heights, late, late_width)
    (peak, peak_error), (value, value_error), (rest, _) = (_mean(each) for each in (peaks, values, left))
    ratio = abs(value / peak) if peak else nan
    stderr = ratio * hypot(peak_error / peak, value_error / value) if peak and value else nan
    return _result(
        ratio, stderr, (peak, peak_error, peak_at), (value, value_error, late), rest / peak if peak else nan, ampa.unit
    )


class _Sweeps(NamedTuple):
    times: np.ndarray
    heights: np.ndarray  # (R, M), without baselines


def _sweeps(recording: Recording, spike: float, baseline: Any, exclude: Exclude) -> _Sweeps:
    check_spikes([spike], recording.times)
    rows = np.atleast_2d(without(recording.times, recording.traces, exclude))
    return _Sweeps(recording.times, rows - baseline_of(recording.times, rows, baseline).levels)


def _peak(sweeps: _Sweeps, spike: float, window: tuple[float, float], width: float) -> float:
    """When the mean of the sweeps is farthest from the baseline."""
    mean = np.ma.masked_invalid(sweeps.heights).mean(axis=0)
    inside = within(sweeps.times, (spike + window[0], spike + window[1])) & ~np.ma.getmaskarray(mean)
    if not inside.any():
        raise ValueError(
            f"Argument `window` must hold samples after the stimulus at {spike:g} ms, but is ({window[0]:g}, "
            f"{window[1]:g})."
        )
    sign = direction(sweeps.heights, inside)
    return peak_time(sweeps.times[inside], sign * np.asarray(mean[inside], float), width)


def _mean(values: np.ndarray) -> tuple[float, float]:
    """The mean and its standard error, NaN of a single value."""
    known = values[np.isfinite(values)]
    if not known.size:
        return nan, nan
    return float(known.mean()), float(known.std(ddof=1) / sqrt(len(known))) if len(known) > 1 else nan


def _by_command(recording: Recording) -> tuple[Recording, Recording]:
    """The sweeps at the lowest and at the highest potential.

    Raises:
        ValueError: there is only one, or it is not known.
    """
    command = recording.command
    if command is None or np.ptp(command) == 0:
        raise ValueError(
            "Argument `nmda` must be given where the recording's command levels do not tell the sweeps at the positive "
            "potential, but is None."
        )
    levels = command.min(), command.max()
    parts = [recording.traces[np.abs(command - level) < 1e-3 * np.ptp(command)] for level in levels]
    low, high = (Recording(recording.times, part, recording.unit) for part in parts)
    return low, high


def _of_fit(fit: Any, nmda: object) -> NmdaAmpaRatio:
    """The ratio of the peaks of the two parts of a fitted sum."""
    parts = getattr(getattr(fit, "kernel", None), "parts", ())
    if len(parts) != 2 or not hasattr(fit, "correlations"):
        raise TypeError(
            "Argument `ampa` must be a synkin.Recording, or what synkin.fit returned for a sum of two kernels, but is "
            f"{describe(fit)}."
        )
    if nmda is not None:
        raise TypeError(f"Argument `nmda` must be left out beside a fit, but is {describe(nmda)}.")
    if np.ndim(fit.scale):
        raise ValueError(f"Argument `ampa` must be a fit of one recording, but is one of {np.size(fit.scale)}.")
    numbers = {name: float(value) for name, value in fit.free.items() if np.ndim(value) == 0}
    names = [name for name in fit.labels if name in numbers and (name in fit.params._fields or name == "scale")]

    def peaks(changed: Mapping[str, float]) -> np.ndarray:
        params = fit.params._replace(**{name: changed[name] for name in names if name != "scale"})
        scale = changed.get("scale", float(fit.scale))
        return scale * _part_peaks(fit.kernel, params)

    best = peaks(numbers)
    ratio = abs(best[1] / best[0]) if best[0] else nan
    slopes = np.zeros((3, len(names)))  # of the ratio and of both peaks
    for i, name in enumerate(names):
        step = _CHANGE * (abs(numbers[name]) or 1.0)
        up, down = (peaks(numbers | {name: numbers[name] + way * step}) for way in (1, -1))
        slopes[1:, i] = (up - down) / (2 * step)
        slopes[0, i] = (abs(up[1] / up[0]) - abs(down[1] / down[0])) / (2 * step)
    chosen = [list(fit.labels).index(name) for name in names]
    errors = np.array([float(fit.stderr[name]) for name in names])
    covariance = fit.correlations[np.ix_(chosen, chosen)] * np.outer(errors, errors)
    stderr, ampa_error, nmda_error = np.sqrt(np.maximum(np.einsum("ki,ij,kj->k", slopes, covariance, slopes), 0.0))
    return _result(
        ratio, float(stderr), (best[0], float(ampa_error), nan), (best[1], float(nmda_error), nan), nan, fit.unit
    )


def _part_peaks(kernel: Any, params: Any) -> np.ndarray:
    """The peak of each part of a sum after one spike, in mS."""
    from synkin.runs.events import respond

    found = []
    for name, part, own in zip(("", *kernel.relative_names), kernel.parts, kernel.params_of(params), strict=True):
        times = np.concatenate([np.linspace(0.0, 10.0, 2001), np.geomspace(10.0, 1000.0, 1000)[1:]])
        g = np.array(respond(part, own, np.zeros(1), times))
        found.append(float(g.max()) * (float(getattr(params, name)) if name else 1.0))
    return np.array(found)


def _result(
    ratio: float,
    stderr: float,
    ampa: tuple[float, float, float],
    nmda: tuple[float, float, float],
    left: float,
    unit: str,
) -> NmdaAmpaRatio:
    shown = f" ± {stderr:.2g}" if np.isfinite(stderr) else ""
    size = f" {unit}" if unit else ""
    how = f"{nmda[0]:.3g} over {ampa[0]:.3g}{size}"
    said = [f"The ratio is {ratio:.3g}{shown}: {how}{', of fitted peaks' if np.isnan(ampa[2]) else ''}."]
    if abs(left * ampa[0]) > _MUCH_LEFT * abs(nmda[0]):
        said.append(
            f"At the later time {left:.1%} of the AMPA receptors' peak is left, which counts as NMDA receptors': "
            "measure later."
        )
    return NmdaAmpaRatio(
        ratio=ratio,
        stderr=stderr,
        ampa=ampa[0],
        ampa_error=ampa[1],
        nmda=nmda[0],
        nmda_error=nmda[1],
        ampa_time=ampa[2],
        nmda_time=nmda[2],
        ampa_left=left,
        unit=unit,
        message=" ".join(said),
    )
