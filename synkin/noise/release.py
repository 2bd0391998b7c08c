"""`synkin.release_noise`: from amplitudes under several conditions to quantal size, sites and release
probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jax.typing import ArrayLike

from synkin.arguments.choices import as_seed
from synkin.arguments.numbers import as_float64, check_number
from synkin.noise import parabola, remarks
from synkin.noise.checks import FEWEST_DRAWS, check_at_least, conditions_of
from synkin.noise.parabola import Parabola
from synkin.noise.result import ReleaseNoise

# A trial is an outlier if it is this many standard deviations from the median, by the median of the distances.
_FAR = 6.0


def release_noise(
    amplitudes: Sequence[ArrayLike] | Mapping[str, ArrayLike],
    *,
    background_variance: float = 0.0,
    cv_within: float = 0.0,
    cv_between: float = 0.0,
    draws: int = 1000,
    key: int = 0,
) -> ReleaseNoise:
    """Quantal size, number of release sites and release probabilities, from how much amplitudes vary.

    A connection has N sites, each of which releases a vesicle with probability p; a vesicle gives the response q. Over
    many trials the mean amplitude is N p q, and the variance is N q^2 p (1 - p). If p differs between conditions, such
    as concentrations of calcium, the variance is a parabola of the mean. Its initial slope is q, and how it bends down
    gives N.

    Args:
        amplitudes: the amplitudes under each condition, in any unit and in the order of the trials: a list of vectors,
            whose lengths may differ, or a dict of such vectors by the name of the condition. At least 3 conditions with
            at least 10 trials each.
        background_variance: the variance of the measurement, for example that of amplitudes that are measured in the
            same way where there is no response.
        cv_within: the coefficient of variation of the response to a vesicle from trial to trial, at one site.
        cv_between: the coefficient of variation of the mean response from site to site.
        draws: the number of bootstrap draws, for errors.
        key: a whole number or a key of `jax.random`. The same key gives the same errors.

    Returns:
        A `synkin.ReleaseNoise`: quantal size, number of sites and release probability under each condition, with errors
        and 95 % intervals; means and variances; and a message. `synkin.plot.noise` draws it.

    Raises:
        TypeError: an argument of the wrong kind, or a traced one.
        ValueError: there are fewer than 3 conditions, or fewer than 10 trials of one; there is NaN; a number is out of
            range; or the variance is not larger than that of the background.

    If responses vary, the variance is (1 + cv_between^2) (q m (1 + cv_within^2) - m^2 / N), with m the mean. All sites
    are taken to have the same p. If they do not, the parabola bends less, and N is too large.

    The parabola, which begins at the variance of the background, is fitted to the conditions by least squares. Each has
    the weight n / v^2, with n the number of trials and v the variance that the parabola gives. Errors come from a
    bootstrap over the trials of each condition. Intervals are symmetric on a logarithmic scale for q, and in 1 / N for
    N.

    Sources: Clements and Silver 2000, Trends Neurosci. 23: 105-113; Silver 2003, J. Neurosci. Methods 130: 127-141,
    for the variation of responses.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> trials = [-12.0 * rng.binomial(8, p, 200) + rng.normal(size=200) for p in (0.2, 0.5, 0.8)]  # pA
        >>> found = synkin.release_noise(trials, background_variance=1.0, draws=100)
        >>> print(f"{found.quantal_size:.0f} pA, {found.sites:.0f} sites, {found.p_release.round(1)}")
        -12 pA, 8 sites, [0.2 0.5 0.8]
    """
    labels, trials = conditions_of(amplitudes)
    background = _number("background_variance", background_variance)
    within, between = (1 + _number(name, value) ** 2 for name, value in (
        ("cv_within", cv_within), ("cv_between", cv_between)
    ))  # fmt: skip
    draws = check_at_least("draws", draws, FEWEST_DRAWS)
    rng = np.random.default_rng(as_seed("key", key))

    counts = np.array([len(each) for each in trials])
    columns = [np.column_stack([each, (each - each.mean()) ** 2 * (len(each) / (len(each) - 1))]) for each in trials]
    mean, variance = np.array([each.mean(axis=0) for each in columns]).T
    # (draws, C) each
    means, variances = np.stack([parabola.draw(rng, each, draws) for each in columns]).transpose(2, 1, 0)
    _check_means(mean)
    best = parabola.fit(mean, variance, np.array(background), counts)
    others = parabola.fit(means, variances, np.full(draws, background), counts)
    _check_variances(mean, variance, background, best)

    reach = parabola.quantile95(int((counts - 1).sum()))
    slope, bend = float(best.slope), float(best.curvature)
    slope_error, bend_error = (float(parabola.deviation(each)) for each in others)
    probability = mean * bend * within / slope
    change = (means - mean) * bend + mean * (others.curvature - bend)[:, None]
    change = (change - (mean * bend / slope) * (others.slope - slope)[:, None]) * within / slope
    probability_error = parabola.deviation(change)
    ends = probability[:, None] + reach * np.outer(probability_error, (-1, 1))
    size = slope / (within * between)
    stderr: dict[str, float | np.ndarray] = {
        "quantal_size": slope_error / (within * between),
        "sites": between * bend_error / bend**2 if bend > 0 else np.inf,
        "p_release": probability_error,
    }
    sites_interval = parabola.interval_of_inverse(bend, bend_error, reach, between)
    sites = between / bend if bend > 0 else np.inf
    return ReleaseNoise(
        quantal_size=size,
        sites=sites,
        p_release=probability,
        stderr=stderr,
        interval95={
            "quantal_size": parabola.interval_of_size(size, slope_error / (within * between), reach),
            "sites": sites_interval,
            "p_release": np.clip(ends, 0, 1),
        },
        message=_message(size, sites, probability, stderr, sites_interval, labels, trials),
        labels=labels,
        mean=mean,
        variance=variance,
        variance_errors=parabola.deviation(variances),
        background_variance=background,
        slope=slope,
        curvature=bend,
        amplitudes=trials,
    )


def _number(name: str, value: object) -> float:
    """``value``, which must be known now, finite and not negative."""
    expected = "finite and not negative"
    return float(as_float64(name, check_number(name, value, lambda v: np.isfinite(v) and v >= 0, expected)))


def _check_means(mean: np.ndarray) -> None:
    """Raise ValueError unless amplitudes have one sign, and differ between conditions."""
    if (mean > 0).all() == (mean > 0).any() and np.ptp(mean) > 0:
        return
    raise ValueError(
        "Argument `amplitudes` must have means of one sign that differ between conditions, but they go from "
        f"{mean.min():.3g} to {mean.max():.3g}."
    )


def _check_variances(mean: np.ndarray, variance: np.ndarray, background: float, best: Parabola) -> None:
    """Raise ValueError unless amplitudes vary by more than the background, and by more where they are larger."""
    if variance.mean() > background and best.slope * mean[0] > 0:
        return
    raise ValueError(
        "Argument `amplitudes` must vary by more than `background_variance`, and as release does, but their variances "
        f"are {', '.join(f'{each:.3g}' for each in variance)}, and that of the background is {background:.3g}."
    )


def _message(
    size: float,
    sites: float,
    probability: np.ndarray,
    stderr: Mapping[str, float | np.ndarray],
    interval: tuple[float, float],
    labels: tuple[str, ...],
    trials: tuple[np.ndarray, ...],
) -> str:
    """What was found, and what to look at."""
    said = [f"one vesicle gives {remarks.plain(size, float(stderr['quantal_size']))}."]
    if np.isfinite(sites):
        listed = ", ".join(f"{p:.2g} ({name})" for name, p in zip(labels, probability, strict=True))
        said.append(f"{remarks.plain(sites, float(stderr['sites']))} sites release with probability {listed}.")
    said.append(remarks.of_few_open(float(probability.max()), interval, "sites", "release probability at most", ""))
    for name, each in zip(labels, trials, strict=True):
        if (fraction := remarks.trend(each)) is not None:
            said.append(
                f"under {name} the amplitude {remarks.change(fraction)} from the first to the last of {len(each)} "
                "trials, which adds to the variance: leave trials out."
            )
        distance = np.abs(each - np.median(each))
        spread = 1.4826 * np.median(distance)
        far = [int(row) for row in np.flatnonzero(distance > _FAR * spread)] if spread > 0 else []
        said.append(remarks.of_outliers([f"trial {row} of {name}" for row in range(len(each))], far))
    return remarks.together(said)
