"""`synkin.noise_analysis`: from sweeps, or miniature events, to the current and the number of channels."""

from __future__ import annotations

from math import nan
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import as_seed, check_flag
from synkin.arguments.numbers import as_float64, check_number
from synkin.arguments.times import as_sweeps, check_increasing
from synkin.noise import parabola, remarks
from synkin.noise.checks import FEWEST_DRAWS, check_at_least, check_sweeps, samples_in
from synkin.noise.parabola import Parabola
from synkin.noise.result import NoiseAnalysis
from synkin.recordings.recording import Recording, arrays

# The size of an event is measured on the samples around the peak of the mean at which the mean is above this fraction.
_NEAR_PEAK = 0.9
# There is a response if its peak is this many standard errors from the baseline.
_CLEARLY = 4.0
# A parabola has two parameters.
_FEWEST_BINS = 3
# How many of a current's unit are a pA; a current without a unit is taken as one in pA.
_IN_PA = {"": 1.0, "pA": 1.0, "nA": 1e3, "uA": 1e6, "µA": 1e6, "mA": 1e9, "A": 1e12}


class _Units(NamedTuple):
    """What each of n sweeps, events or pairs of sweeps adds to the averages."""

    mean: np.ndarray  # (n, M) of the samples that are used
    square: np.ndarray  # (n, M) squared deviations, whose average is the variance
    background: np.ndarray  # (n,) of those in the baseline
    peak: np.ndarray  # (n,) at the peak of the mean
    shared: bool  # whether neighbours share a sweep


def noise_analysis(
    times: ArrayLike | Recording,
    traces: ArrayLike | None = None,
    *,
    window: tuple[float, float],
    baseline: tuple[float, float],
    scaled: bool = False,
    successive: bool = True,
    driving_force: float | None = None,
    bins: int = 20,
    draws: int = 1000,
    key: int = 0,
) -> NoiseAnalysis:
    """The current of one channel, and the number of channels, from how much repeated responses vary.

    Channels open and close at random. N channels with the current i that are open with the probability p have the mean
    current N i p and the variance N i^2 p (1 - p). So, along a response, the variance is a parabola of the mean. Its
    initial slope is i, and how it bends down gives N.

    Args:
        times: (M,) ms; or a `synkin.Recording` of several sweeps, without ``traces``.
        traces: (R, M), currents in any unit, in the order in which they were recorded: at least 10 sweeps, or miniature
            events that are aligned on their rise.
        window: (a, b) ms, the stretch whose samples are used. With ``scaled`` only the decay is used.
        baseline: (a, b) ms, a stretch without a response. Its mean is subtracted from each sweep, and its variance is
            that of the background.
        scaled: for miniature events, whose sizes differ: the mean is scaled to the peak of each event before it is
            subtracted. This gives the current of one channel, but not the number of channels.
        successive: whether the variance is taken from the differences of successive sweeps, so that slow changes such
            as rundown do not matter. If False, it is taken from the distance of each sweep from the mean, with errors
            that are up to a fifth smaller if nothing changes. It has no effect with ``scaled``.
        driving_force: mV, the holding potential minus the reversal potential, to compute ``gamma``; its sign does not
            matter. Traces must then be in pA, unless a `synkin.Recording` says their unit.
        bins: the number of bins of equal size into which the mean is divided.
        draws: the number of bootstrap draws, for errors.
        key: a whole number or a key of `jax.random`. The same key gives the same errors.

    Returns:
        A `synkin.NoiseAnalysis`: the current of one channel, the number of channels, the open probability at the peak,
        the background variance and gamma, with errors and 95 % intervals; the points and the parabola; and a message.
        `synkin.plot.noise` draws it.

    Raises:
        TypeError: an argument of the wrong kind, or a traced one.
        ValueError: shapes do not fit; there are fewer than 10 sweeps, or only an average, in which the variance is
            lost; a window has NaN, too few samples, or its ends in the wrong order; there is no response, or no more
            variance in it than in the baseline.

    How it works: samples with about the same mean are put into one bin. The parabola, which begins at the variance of
    the background, is fitted to the bins by least squares. Each bin has the weight 1 / v^2, with v the variance that
    the parabola gives, because weights from the measured variance would favour points that are too low. Errors come
    from a bootstrap over sweeps, because samples of one sweep are correlated. Intervals are symmetric on a logarithmic
    scale for currents, and in 1 / N for N.

    With ``scaled``, the size of an event is measured where the mean is above 90 % of its peak, and these samples are
    not used for the variance. The noise of the background changes how the parabola bends, but not its slope.

    What makes i wrong: if decays differ between events, for example because channels open again, the variance is too
    large. If events differ in the current of their channels, and not in the number of channels, i is too large by the
    square of that coefficient of variation. A filter of the amplifier removes the fast part of the variance, so that i
    is too small.

    ``times`` and ``driving_force`` may be quantities of saiunit.

    Sources: Sigworth 1980, J. Physiol. 307: 97-129; Heinemann and Conti 1992, Methods Enzymol. 207: 131-148, for
    differences of successive sweeps; Traynelis, Silver and Cull-Candy 1993, Neuron 11: 279-289, for scaled events.

    Example:
        >>> times, rng = np.arange(0.0, 40.0, 0.5), np.random.default_rng(0)
        >>> closing = rng.exponential(5.0, size=(30, 60))[..., None]  # 30 sweeps of 60 channels, which open at 8 ms
        >>> sweeps = -1.0 * ((times >= 8.0) & (times < 8.0 + closing)).sum(axis=1)  # pA
        >>> sweeps += 0.2 * rng.normal(size=sweeps.shape)
        >>> found = synkin.noise_analysis(times, sweeps, window=(8.0, 40.0), baseline=(0.0, 7.5), draws=100)
        >>> -1.2 < found.unitary < -0.8, 45 < found.channels < 80
        (True, True)
    """
    labels = times.labels if isinstance(times, Recording) else ()
    given_times, given, unit = arrays(times, traces, "traces")
    at, sweeps = as_sweeps(given_times, given, "traces")
    check_increasing("times", at)
    scaled, successive = check_flag("scaled", scaled), check_flag("successive", successive)
    bins = check_at_least("bins", bins, _FEWEST_BINS)
    draws = check_at_least("draws", draws, FEWEST_DRAWS)
    rng = np.random.default_rng(as_seed("key", key))
    inside, ends = samples_in("window", window, at, _FEWEST_BINS)
    before, _ = samples_in("baseline", baseline, at, 2)
    what = "events" if scaled else "sweeps"
    labels = labels or tuple(f"{what[:-1]} {i}" for i in range(len(np.atleast_2d(sweeps))))
    check_sweeps(sweeps, inside | before, labels, what)
    force = None if driving_force is None else _driving_force(driving_force, unit)

    sweeps = sweeps - sweeps[:, before].mean(axis=1, keepdims=True)
    mean = sweeps.mean(axis=0)
    near = _near_peak(mean, inside)
    top = int(near[np.abs(mean[near]).argmax()])
    error = sweeps[:, top].std(ddof=1) / np.sqrt(len(sweeps))
    if not abs(mean[top]) > _CLEARLY * error:
        raise ValueError(
            f"Argument `window` must hold a response, but the mean of all {what} is {mean[top]:.3g} there at most, "
            f"with a standard error of {error:.2g}."
        )
    if scaled:
        each = _scaled(sweeps, mean, near, top, before)
        used = np.flatnonzero(inside & (at > at[near[-1]]))
        if len(used) < _FEWEST_BINS:
            raise ValueError(
                f"Argument `window` must hold the decay after the peak at {at[top]:g} ms, but has {len(used)} samples "
                "after the mean has come down to 90 % of the peak."
            )
    else:
        each, used = _whole(sweeps, top, before, successive), np.flatnonzero(inside)
    into = _bins(mean[used], bins)
    columns = np.column_stack([each.mean[:, used] @ into, each.square[:, used] @ into, each.background, each.peak])
    middle, drawn = columns.mean(axis=0), parabola.draw(rng, columns, draws, shared=each.shared)
    points = into.shape[1]
    best, others = _fitted(middle, points), _fitted(drawn, points)
    _check_variance(middle, points, unit)

    values, stderr, interval95 = _numbers(middle, drawn, best, others, len(each.mean) - 1, scaled)
    if force is not None:
        to_ps = 1e3 * _IN_PA[unit] / abs(force)
        values["gamma"], stderr["gamma"] = abs(values["unitary"]) * to_ps, stderr["unitary"] * to_ps
        low, high = sorted(abs(end) * to_ps for end in interval95["unitary"])
        interval95["gamma"] = low, high
    said = [
        *_found(values, stderr, unit, force, scaled),
        *_not_known(values, interval95, scaled),
        *_looked_at(sweeps[:, near].mean(axis=1), columns[:, points : 2 * points], each.shared, scaled, labels),
    ]
    if below := int((middle[points : 2 * points] < middle[-2]).sum()):
        said.append(f"in {below} of {points} bins the variance is below that of the background.")
    return NoiseAnalysis(
        **values,
        stderr=stderr,
        interval95=interval95,
        message=remarks.together(said),
        mean=middle[:points],
        variance=middle[points : 2 * points],
        variance_errors=parabola.deviation(drawn[:, points : 2 * points]),
        curvature=float(best.curvature),
        times=at,
        traces=sweeps,
        window=ends,
        scaled=scaled,
        unit=unit,
    )


def _driving_force(value: object, unit: str) -> float:
    """In mV.

    Raises:
        TypeError: not a number.
        ValueError: 0 or not finite, or traces that are no current.
    """
    given = units.strip_unit("driving_force", value, "mV")
    known = check_number("driving_force", given, _is_force, "in mV, not 0 and finite")
    force = float(as_float64("driving_force", known))
    if unit not in _IN_PA:
        raise ValueError(f"Argument `driving_force` needs traces of a current, such as in pA, but they are in {unit}.")
    return force


def _is_force(value: np.ndarray) -> bool:
    return bool(np.isfinite(value) and value != 0)


def _near_peak(mean: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The samples of the window around the peak of the mean at which the mean is near its peak."""
    there = np.flatnonzero(inside)
    size = mean[there] * np.sign(mean[there][np.abs(mean[there]).argmax()])
    top = int(size.argmax())
    low = size < _NEAR_PEAK * size[top]
    first = int(np.flatnonzero(low[:top])[-1]) + 1 if low[:top].any() else 0
    last = top + int(low[top:].argmax()) if low[top:].any() else len(there)
    return there[first:last]


def _whole(traces: np.ndarray, top: int, before: np.ndarray, successive: bool) -> _Units:
    """Deviations of sweeps from each other, or from their mean."""
    if successive:
        apart, mean = (traces[1:] - traces[:-1]) / np.sqrt(2), (traces[1:] + traces[:-1]) / 2
    else:
        apart, mean = _about_mean(traces, traces.mean(axis=0)), traces
    return _Units(mean, apart**2, _background(apart[:, before]), mean[:, top], successive)


def _scaled(traces: np.ndarray, mean: np.ndarray, near: np.ndarray, top: int, before: np.ndarray) -> _Units:
    """Deviations of events from the mean, which is scaled to each."""
    sizes = traces[:, near] @ mean[near] / (mean[near] @ mean[near])
    apart = _about_mean(traces, sizes[:, None] * mean)
    return _Units(traces, apart**2, _background(apart[:, before]), traces[:, top], False)


def _about_mean(traces: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Deviations from a mean of the same sweeps, larger by what these lack in variance."""
    apart: np.ndarray = (traces - mean) * np.sqrt(len(traces) / (len(traces) - 1))
    return apart


def _background(apart: np.ndarray) -> np.ndarray:
    """The variance that each row of deviations within the baseline, (n, B), says that samples elsewhere have, (n,).

    The mean of the baseline was subtracted. Within the baseline that takes away the variance of the mean, and
    elsewhere it adds it. A quarter of the squared difference of the means of both halves is that variance.
    """
    half = apart.shape[1] // 2
    halves = apart[:, :half].mean(axis=1) - apart[:, half:].mean(axis=1)
    found: np.ndarray = (apart**2).mean(axis=1) + halves**2 / 2
    return found


def _bins(mean: np.ndarray, bins: int) -> np.ndarray:
    """(M, K), which averages the samples of each bin: one of equal steps of the mean, from 0 to the largest.

    Raises:
        ValueError: fewer than 3 bins have a sample.
    """
    size = mean * np.sign(mean[np.abs(mean).argmax()])
    edges = np.linspace(min(size.min(), 0.0), size.max(), bins + 1)
    number = np.clip(np.digitize(size, edges) - 1, 0, bins - 1)
    kept, index, counts = np.unique(number, return_inverse=True, return_counts=True)
    if len(kept) < _FEWEST_BINS:
        raise ValueError(
            f"Argument `window` must hold means of at least {_FEWEST_BINS} sizes, along the rise or the decay, but all "
            f"{len(mean)} samples are in {len(kept)} of {bins} bins."
        )
    into = np.zeros((len(mean), len(kept)))
    into[np.arange(len(mean)), index] = 1 / counts[index]
    return into


def _fitted(columns: np.ndarray, points: int) -> Parabola:
    """The parabola of averages (..., 2 K + 2): K means, K variances, the background and the peak."""
    return parabola.fit(columns[..., :points], columns[..., points : 2 * points], columns[..., -2])


def _check_variance(middle: np.ndarray, points: int, unit: str) -> None:
    """Raise ValueError unless there is more variance with a response than without."""
    background, variance = middle[-2], middle[points : 2 * points].mean()
    if variance > background:
        return
    of = f" {unit}^2" if unit else ""
    raise ValueError(
        "Argument `traces` must vary more during the response than in `baseline`, but the mean of the variances in "
        f"`window` is {variance:.3g}{of}, and that of the background {background:.3g}{of}: no channels are seen."
    )


def _numbers(
    middle: np.ndarray, drawn: np.ndarray, best: Parabola, others: Parabola, freedom: int, scaled: bool
) -> tuple[dict[str, float], dict[str, float], dict[str, tuple[float, float]]]:
    """The numbers of the result, their standard errors and intervals, by name."""
    reach = parabola.quantile95(freedom)
    i, bend, peak, background = float(best.slope), float(best.curvature), float(middle[-1]), float(middle[-2])
    di, dbend, dpeak = others.slope - i, others.curvature - bend, drawn[:, -1] - peak
    values = {
        "unitary": i,
        "channels": 1 / bend if bend > 0 else np.inf,
        "p_open": peak * bend / i,
        "open_at_peak": peak / i,
        "background_variance": background,
        "gamma": nan,
    }
    # Quotients to first order: of few sweeps, a draw may have nearly no slope, or nearly no curvature.
    spread = {name: float(parabola.deviation(each)) for name, each in (
        ("unitary", di),
        ("curvature", dbend),
        ("p_open", (peak * dbend + bend * dpeak - peak * bend * di / i) / i),
        ("open_at_peak", (dpeak - peak * di / i) / i),
        ("background_variance", drawn[:, -2] - background),
    )}  # fmt: skip
    curvature = spread.pop("curvature")
    stderr = {"channels": curvature / bend**2 if bend > 0 else np.inf, **spread}
    interval95 = {
        name: parabola.interval_of_size(values[name], stderr[name], reach)
        for name in ("unitary", "open_at_peak", "background_variance")
    }
    interval95["channels"] = parabola.interval_of_inverse(bend, curvature, reach)
    low, high = (float(np.clip(values["p_open"] + side * reach * stderr["p_open"], 0, 1)) for side in (-1, 1))
    interval95["p_open"] = low, high
    unknown: tuple[str, ...] = ("channels", "p_open") if scaled else ()
    if i * peak <= 0:  # the variance does not grow with the mean as that of channels
        unknown = ("unitary", "channels", "p_open", "open_at_peak")
    for name in unknown:
        values[name], stderr[name], interval95[name] = nan, nan, (nan, nan)
    return values, {name: stderr[name] for name in values if name in stderr}, interval95


def _found(
    values: dict[str, float], stderr: dict[str, float], unit: str, force: float | None, scaled: bool
) -> list[str]:
    """What was found, in sentences."""
    if np.isnan(values["unitary"]):
        return []
    told = {name: remarks.plain(values[name], stderr[name]) for name in stderr}
    said = [f"one channel carries {remarks.plain(values['unitary'], stderr['unitary'], unit)}."]
    if force is not None:
        said.append(f"at a driving force of {force:g} mV that is {told['gamma']} pS.")
    if scaled:
        said.append(
            f"{told['open_at_peak']} are open at the peak; how many channels there are cannot be known from events "
            "that were scaled to their peaks."
        )
    elif np.isfinite(values["channels"]):
        said.append(f"of {told['channels']} channels a fraction of {told['p_open']} is open at the peak.")
    return said


def _not_known(values: dict[str, float], interval95: dict[str, tuple[float, float]], scaled: bool) -> list[str]:
    """What cannot be known, in sentences."""
    hint = "" if scaled else ", such as the size of the responses (miniature events take `scaled=True`)"
    if np.isnan(values["unitary"]):
        return [
            "the current of a channel is not found: the variance grows with the square of the mean alone, as it does "
            f"where something else varies{hint}."
        ]
    if scaled:
        return []
    return [remarks.of_few_open(values["p_open"], interval95["channels"], "channels", "open probability", hint)]


def _looked_at(
    sizes: np.ndarray, squares: np.ndarray, shared: bool, scaled: bool, labels: tuple[str, ...]
) -> list[str]:
    """Rundown and outliers, in sentences.

    Args:
        sizes: (R,) of each sweep, near the peak.
        squares: (n, K) squared deviations of each sweep, or pair of sweeps, in each bin.
        shared, scaled: how deviations were taken.
        labels: (R,) names.
    """
    said = []
    if (fraction := remarks.trend(sizes)) is not None:
        first = f"the peak {remarks.change(fraction)} from the first to the last of the {len(labels)} "
        if scaled:
            said.append(f"{first}events.")
        elif shared:
            said.append(
                f"{first}sweeps, which does not enter differences of successive sweeps: the number of channels is an "
                "average."
            )
        else:
            said.append(f"{first}sweeps, which adds to the variance: take `successive=True`, or leave sweeps out.")
    usual = np.maximum(np.median(squares, axis=0), 1e-9 * squares.mean(axis=0))
    far = remarks.outliers((squares / usual).mean(axis=1))
    if shared:  # a sweep is far from both of its neighbours
        last = len(labels) - 1
        pairs = set(far)
        far = [row for row in range(len(labels)) if {max(row - 1, 0), min(row, last - 1)} <= pairs]
        both = {pair for row in far for pair in (row - 1, row)}
        if steps := sorted(pairs - both):
            where = remarks.named([f"{labels[row]} and {labels[row + 1]}" for row in range(last)], steps)
            said.append(f"something seems to change between {where}.")
    said.append(remarks.of_outliers(labels, far))
    return said
