"""What is said of the noise of a fit with channels."""

from __future__ import annotations

import math

import numpy as np

from synkin.fitting.channels.ascent import Ascent
from synkin.fitting.channels.likelihood import Seen
from synkin.fitting.formatting import listed, percent
from synkin.fitting.model import Curve
from synkin.fitting.quality.goodness_of_fit import explained_fraction

# Gating is seen in the noise if the logarithm of the likelihood is higher by this than that of constant noise: in noise
# that is constant it is so in 1 of 40 recordings.
_SEEN = 2.0
# What is left of neighbouring samples is correlated if the correlation is more than this many standard errors from 0,
# and more than this.
_CLEARLY, _WORTH_SAYING = 4.0, 0.05


def verdict_of(seen: Seen, end: Ascent, value: np.ndarray) -> str:
    """How well the curve ``value`` (R, M), and its noise, describe the sweeps."""
    problem, at = seen.problem, end.at
    share = percent(explained_fraction(problem, value))
    left = np.where(problem.present, (problem.trace - at.mean) / np.sqrt(at.variance), np.nan)
    pairs = (left[:, 1:] * left[:, :-1])[np.isfinite(left[:, 1:] * left[:, :-1])]
    correlation = float(pairs.mean() / np.nanmean(left**2)) if pairs.size else 0.0
    told = f"The curve explains {share} of the variance of the sweeps"
    if abs(correlation) < max(_WORTH_SAYING, _CLEARLY / math.sqrt(max(pairs.size, 1))):
        return f"{told}, and the noise of gating and of the recording the rest."
    return (
        f"{told}, but what the fit does not explain is correlated from sample to sample ({correlation:.2f}), as it is "
        "not if the kernel is right and the noise is not filtered: errors are not valid."
    )


def log_likelihood_of_constant_noise(seen: Seen, curve: Curve) -> float:
    """The highest logarithm of the likelihood of normal noise that is the same everywhere, at the least squares."""
    squares = (seen.problem.trace - curve.value)[seen.problem.present] ** 2
    variance = max(float(squares.mean()), np.finfo(float).tiny)
    return -0.5 * squares.size * (math.log(2 * math.pi * variance) + 1)


def sentences(
    seen: Seen, end: Ascent, variance: np.ndarray, constant: float, at_bound: np.ndarray, unknown: list[str]
) -> list[str]:
    """The message without the verdict.

    Args:
        seen: the sweeps.
        end: where the likelihood is highest.
        variance: (R, M) of all sweeps that there could be.
        constant: the logarithm of the likelihood of noise that is the same everywhere.
        at_bound: (n,) bool.
        unknown: the names of what is not known to a factor of 2.
    """
    problem = seen.problem
    sigma, channels = seen.noise_at(end.place)
    gating = math.sqrt(max(float(variance.max()) - sigma**2, 0.0))
    gain = end.at.value - constant
    unit = f" {problem.unit}" if problem.unit else ""
    than = f"{abs(gain):.3g} {'above' if gain >= 0 else 'below'} that of noise that is the same everywhere"
    measured = (
        f"the noise of gating has a standard deviation of up to {gating:.3g}{unit} beside sigma, {sigma:.3g}{unit}, "
        f"and the logarithm of the likelihood is {than}."
    )
    if gain >= _SEEN:
        found = [measured[0].upper() + measured[1:]]
    elif seen.channels and gain < -_SEEN:
        found = [f"The sweeps are less noisy than {channels:.4g} channels would be: {measured}"]
    elif seen.channels:
        found = [f"Least squares would do, as the noise of {channels:.4g} channels is not seen: {measured}"]
    else:
        found = [f"Least squares would do, as noise of gating is not seen: {measured}"]
    if len(problem.trace) == 1:
        found.append("If this one sweep is an average of several, the number of channels is too high: give each sweep.")
    elif gain < _SEEN:
        found.append("Averages have less noise than single sweeps: give the single sweeps.")
    if not end.success:
        found.append("The search stopped at `max_nfev` evaluations, before it converged.")
    missing = int((~problem.present).sum())
    if missing:
        found.append(f"{missing:,} of {problem.present.size:,} samples are NaN and were left out.")
    if at_bound.any():
        stuck = [label for label, at in zip(seen.labels, at_bound, strict=True) if at]
        found.append(f"At a bound, where standard errors are not valid: {', '.join(stuck)}.")
    if unknown:
        found.append(f"Not known to a factor of 2: {listed(unknown)}.")
    return found
