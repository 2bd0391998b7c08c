"""`synkin.current_voltage`: currents against voltages, where they reverse, and how much they rectify."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan, sqrt
from typing import Any

import numpy as np
from jax.typing import ArrayLike
from numpy.polynomial import polynomial

from synkin.arguments import units
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_float64
from synkin.arguments.times import as_sweeps, check_increasing
from synkin.measures.baselines import Zero, baseline_of
from synkin.measures.crossings import around, peak_time
from synkin.measures.responses import check_width
from synkin.measures.result import CurrentVoltage
from synkin.recordings.exclusion import Exclude, without
from synkin.recordings.recording import Recording, arrays, window_ms, within

# Levels that differ by less than this, in mV, are one.
_SAME = 0.05
# A polynomial of a higher degree is taken if the probability that chance makes it fit so much better is below this; up
# to this degree, with at least so many levels more than the degree. What is left of currents without noise is below the
# last number, as a fraction of the largest.
_CHANCE, _HIGHEST, _SPARE, _ROUNDING = 0.01, 3, 2, 1e-9
# A reversal potential is known if the slope is larger than so many of its standard errors.
_CLEAR = 2.0


def current_voltage(
    times: ArrayLike | Recording,
    trace: ArrayLike | None = None,
    *,
    voltages: ArrayLike | None = None,
    at: float | None = None,
    window: tuple[float, float] | None = None,
    peak_mean: float = 0.0,
    baseline: float | tuple[float, float] | Sequence[tuple[float, float]] = Zero(),
    exclude: Exclude = None,
    fit_range: tuple[float, float] | None = None,
    chords: tuple[float, float] | None = None,
) -> CurrentVoltage:
    """The current-voltage relation of a response, with its reversal potential, slope conductance and rectification.

    Args:
        times: (M,) ms, increasing; or a `Recording`, alone.
        trace: (R, M), sweeps at several voltages, in any unit.
        voltages: (R,) mV, the level of each sweep, in any order; several sweeps may have one level. By default the
            recording's ``command``.
        at: when the current is measured, in ms of the sweep. By default at the peak.
        window: (a, b) in ms of the sweep, where the peak is sought.
        peak_mean: ms; currents are means over this time around it. By default a single sample.
        baseline: what is subtracted from each sweep, as of `synkin.measure`.
        exclude: stretches (a, b) in ms that are left out, as of `synkin.measure`.
        fit_range: (a, b) mV; only levels within are fitted. By default all.
        chords: two levels in mV whose chord conductances are compared, the higher over the lower: usually (-60, 40).
            By default the lowest and the highest.

    Returns:
        `CurrentVoltage`. `synkin.plot.current_voltage` draws it.

    Raises:
        TypeError: not real numbers, or traced by JAX.
        ValueError: shapes that do not fit, no voltages, fewer than 3 levels, or a window without samples.

    All levels are measured at one time, so that near the reversal potential, where the farthest sample is one of noise,
    currents are right on average. By default this is the peak of the sum of all sweeps, each with the sign and weight
    of its own current.

    The curve is a polynomial, fitted to all sweeps by least squares: a straight line, or of degree 2 or 3 if by an F
    test the probability that chance makes it fit so much better is below 1 %. The slope conductance is its slope at the
    reversal potential, in nS where currents are in pA. Standard errors follow from the scatter of sweeps around the
    curve. A chord conductance is the mean current at a level over the driving force there; the rectification index is 1
    for a straight line, below 1 where outward currents are smaller, as of receptors that polyamines block. A liquid
    junction potential is not known here: subtract it from the voltages.

    Source: for the index, Kamboj, Swanson and Cull-Candy 1995, J. Physiol. 486: 297-303.

    Example:
        >>> times, volts = np.arange(0.0, 50.0, 0.1), np.arange(-80.0, 60.0, 20.0)
        >>> shape = np.where(times > 10, np.exp(-(times - 10) / 5), 0.0)
        >>> found = synkin.current_voltage(times, 0.4 * (volts - 3)[:, None] * shape, voltages=volts, window=(10, 30))
        >>> print(f"{found.reversal:.1f} mV, {found.slope / shape.max():.2f} nS, index {found.rectification:.2f}")
        3.0 mV, 0.40 nS, index 1.00
    """
    given = times.command if isinstance(times, Recording) else None
    times, trace, unit = arrays(times, trace)
    times, trace = as_sweeps(times, trace)
    check_increasing("times", times)
    rows = np.atleast_2d(without(times, trace, exclude))
    volts = _checked_voltages(voltages if voltages is not None else given, len(rows))
    levels, which = _levels(volts)
    if len(levels) < 3:
        raise ValueError(
            f"Argument `voltages` must have at least 3 different levels, but has {', '.join(f'{v:g}' for v in levels)} "
            "mV."
        )
    width = check_width("peak_mean", peak_mean)
    ends = window_ms("fit_range", fit_range)
    heights = rows - baseline_of(times, rows, baseline).levels
    time = _time_of(times, heights, at, window, width)
    currents = around(times, heights, time, width)
    good = np.isfinite(currents)
    inside = np.ones(len(levels), bool) if ends is None else (levels >= ends[0]) & (levels <= ends[1])
    inside &= np.bincount(which[good], minlength=len(levels)) > 0
    if inside.sum() < 3:
        came = "without it" if ends is None else f"within ({ends[0]:g}, {ends[1]:g})"
        raise ValueError(
            f"Argument `fit_range` must hold at least 3 levels with currents, but {came} are {inside.sum()}."
        )
    used = good & inside[which]
    return _relation(levels, which, currents, good, used, inside, _chords(chords, levels), time, unit)


def _checked_voltages(voltages: object, count: int) -> np.ndarray:
    if voltages is None:
        raise ValueError(
            "Argument `voltages` must be given where no command levels of a recording say them, but is None."
        )
    found = as_float64("voltages", units.strip_unit("voltages", voltages, "mV"))
    if found.shape != (count,):
        raise ValueError(f"Argument `voltages` must have shape ({count},), but has shape {found.shape}.")
    if not np.isfinite(found).all():
        i = int(np.flatnonzero(~np.isfinite(found))[0])
        raise ValueError(f"Argument `voltages` must be finite, but element {i} is {found[i]}.")
    return found


def _levels(volts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different levels, (V,), and which of them each sweep has, (R,)."""
    order = np.argsort(volts)
    steps = np.diff(volts[order], prepend=-np.inf) > _SAME
    which = np.empty(len(volts), int)
    which[order] = np.cumsum(steps) - 1
    return np.array([volts[which == i].mean() for i in range(which.max() + 1)]), which


def _chords(chords: object, levels: np.ndarray) -> tuple[int, int]:
    """The numbers of the lower and of the higher level."""
    if chords is None:
        return 0, len(levels) - 1
    pair = as_float64("chords", units.strip_unit("chords", chords, "mV"))
    if pair.shape != (2,) or not np.isfinite(pair).all() or pair[0] >= pair[1]:
        raise ValueError(f"Argument `chords` must be two levels in mV, the lower first, but is {describe(chords)}.")
    near = [int(np.abs(levels - level).argmin()) for level in pair]
    off = [abs(levels[i] - level) > _SAME for i, level in zip(near, pair, strict=True)]
    if any(off):
        listed = ", ".join(f"{level:g}" for level in levels)
        raise ValueError(
            f"Argument `chords` must be two of the levels, {listed} mV, but is ({pair[0]:g}, {pair[1]:g})."
        )
    return near[0], near[1]


def _time_of(times: np.ndarray, heights: np.ndarray, at: Any, window: Any, width: float) -> float:
    """When currents are measured."""
    ends = window_ms("window", window)
    if at is not None:
        time = as_float64("at", units.strip_unit("at", at, "ms"))
        if time.shape != () or not times[0] <= time <= times[-1]:
            raise ValueError(
                f"Argument `at` must be a time in ms within the sweeps, from {times[0]:g} to {times[-1]:g}, but is "
                f"{describe(at)}."
            )
        return float(time)
    inside = np.ones(len(times), bool) if ends is None else within(times, ends)
    inside &= np.isfinite(heights).any(axis=0)
    if not inside.any():
        raise ValueError(
            f"Argument `window` must hold samples, which go from {times[0]:g} to {times[-1]:g} ms, but is "
            f"({ends[0]:g}, {ends[1]:g})." if ends else "Argument `trace` must have samples, but has none."
        )  # fmt: skip
    part = np.where(np.isfinite(heights[:, inside]), heights[:, inside], 0.0)
    weights = part[:, int((part**2).sum(axis=0).argmax())]
    return peak_time(times[inside], weights @ part, width)


def _relation(
    levels: np.ndarray,
    which: np.ndarray,
    currents: np.ndarray,
    good: np.ndarray,
    used: np.ndarray,
    inside: np.ndarray,
    chords: tuple[int, int],
    time: float,
    unit: str,
) -> CurrentVoltage:
    """The curve and what follows from it. Errors go through how each number depends on each current."""
    x, y = levels[which[used]], currents[used]
    degree = _degree(x, y, int(inside.sum()))
    line_used = degree
    reversal = _reversal(_fitted(x, y, degree), x)
    if np.isnan(reversal) and degree > 1:
        line_used, reversal = 1, _reversal(_fitted(x, y, 1), x)
    scale = float(np.abs(x).max())
    powers = np.vander(x / scale, line_used + 1, increasing=True)
    inverse = np.linalg.pinv(powers) / scale ** np.arange(line_used + 1)[:, None]  # (D + 1, n) from currents
    coefficients = inverse @ y
    left = y - polynomial.polyval(x, coefficients)
    freedom = len(y) - line_used - 1
    spread = sqrt(float(left @ left) / freedom) if freedom > 0 else nan

    counts = np.bincount(which[good], minlength=len(levels))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.bincount(which[good], currents[good], minlength=len(levels)) / counts
        errors = spread / np.sqrt(counts)
    order = np.arange(line_used + 1)
    bend = polynomial.polyval(reversal, polynomial.polyder(coefficients, 2)) if line_used > 1 else 0.0
    derivative = polynomial.polyder(coefficients)
    slope = float(derivative[0] if line_used == 1 else polynomial.polyval(reversal, derivative))
    with np.errstate(invalid="ignore", divide="ignore"):
        of_reversal = -(reversal**order @ inverse) / slope
    of_slope = (order * reversal ** np.maximum(order - 1, 0)) @ inverse + bend * of_reversal
    low, high = chords
    drives = levels[high] - reversal, levels[low] - reversal
    with np.errstate(invalid="ignore", divide="ignore"):
        index = float(np.divide(means[high] / drives[0], means[low] / drives[1]))
        own = [np.where(which[used] == i, 1 / counts[i], 0.0) / means[i] for i in (high, low)]
        of_index = index * (own[0] - own[1] + of_reversal * (1 / drives[0] - 1 / drives[1]))
        # Currents of a level that is not fitted scatter by themselves.
        alone = sum((1 / counts[i] / means[i] ** 2 for i in (low, high) if not inside[i]), 0.0) * index**2
    slope_error = float(spread * np.linalg.norm(of_slope if line_used > 1 else inverse[1]))
    reversal_error = float(spread * np.linalg.norm(of_reversal))
    said = _said(levels, inside, (degree, line_used), (reversal, reversal_error), (slope, slope_error), unit)
    return CurrentVoltage(
        voltages=levels,
        currents=means,
        errors=errors,
        counts=counts,
        time=time,
        reversal=reversal,
        reversal_error=reversal_error,
        slope=slope,
        slope_error=slope_error,
        rectification=index,
        rectification_error=float(spread * np.sqrt(of_index @ of_index + alone)),
        chord_voltages=(float(levels[low]), float(levels[high])),
        coefficients=coefficients,
        fitted=inside,
        unit=unit,
        message=said,
    )


def _fitted(x: np.ndarray, y: np.ndarray, degree: int) -> np.ndarray:
    """The coefficients of a polynomial, the constant first."""
    scale = float(np.abs(x).max())
    return np.asarray(polynomial.polyfit(x / scale, y, degree) / scale ** np.arange(degree + 1))


def _degree(x: np.ndarray, y: np.ndarray, levels: int) -> int:
    """The degree of the polynomial, by F tests against each lower one."""
    from scipy.special import fdtrc  # its import takes longer than that of synkin

    best = 1
    rounding = _ROUNDING * float(np.abs(y).max())
    squares = {}
    for degree in range(1, min(_HIGHEST, levels - _SPARE) + 1):
        left = y - polynomial.polyval(x, _fitted(x, y, degree))
        squares[degree] = float(left @ left) if np.abs(left).max() > rounding else 0.0
        freedom = len(y) - degree - 1
        if degree > 1 and freedom > 0 and squares[best] > 0:
            gain = (squares[best] - squares[degree]) / (degree - best) * freedom
            if squares[degree] == 0 or fdtrc(degree - best, freedom, gain / squares[degree]) < _CHANCE:
                best = degree
    return best


def _reversal(coefficients: np.ndarray, x: np.ndarray) -> float:
    """Where a polynomial crosses 0: of a line anywhere, else within the levels, where it goes the way they do."""
    if len(coefficients) == 2:
        return float(-coefficients[0] / coefficients[1]) if coefficients[1] else nan
    roots = polynomial.polyroots(coefficients)
    real = roots.real[np.abs(roots.imag) < 1e-6 * np.abs(x).max()]
    low, high = x.min(), x.max()
    overall = polynomial.polyval(high, coefficients) - polynomial.polyval(low, coefficients)
    slopes = polynomial.polyval(real, polynomial.polyder(coefficients))
    real = real[(real >= low) & (real <= high) & (slopes * overall > 0)]
    return float(real[np.abs(real - (low + high) / 2).argmin()]) if real.size else nan


def _said(
    levels: np.ndarray,
    inside: np.ndarray,
    degrees: tuple[int, int],
    reversal: tuple[float, float],
    slope: tuple[float, float],
    unit: str,
) -> str:
    """What was found, and what to look at; each number with its error, and the degree that was found and taken."""
    degree, taken = degrees
    shape = {1: "a straight line", 2: "a parabola", 3: "a cubic"}[taken]
    conductance = {"pA": " nS", "nA": " uS"}.get(unit, f" {unit}/mV" if unit else "")
    if not abs(slope[0]) > _CLEAR * np.nan_to_num(slope[1]):
        size = f"{slope[0]:.3g} ± {slope[1]:.2g}{conductance}"
        return f"The current hardly depends on the voltage ({size}): no reversal potential is known."
    shown = f" ± {reversal[1]:.2g}" if np.isfinite(reversal[1]) else ""
    said = [
        f"The current reverses at {reversal[0]:.3g}{shown} mV, with a slope of {slope[0]:.3g}{conductance}, by {shape} "
        f"through {inside.sum()} levels."
    ]
    fitted = levels[inside]
    if not fitted[0] <= reversal[0] <= fitted[-1]:
        said.append("No level is beyond this potential, which is extrapolated.")
    if degree != taken:
        said.append("The relation is not straight, but its curve crosses 0 nowhere within the levels.")
    elif degree > 1:
        said.append("An F test finds that the relation is not straight: fit_range= narrows it to where it is.")
    return " ".join(said)
