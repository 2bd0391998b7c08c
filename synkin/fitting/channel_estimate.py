"""From a problem to its `Fit` by the likelihood of channels: the search, the errors, and what is said."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from synkin.arguments.choices import check_flag
from synkin.arguments.known import computed_at_once, double_precision
from synkin.fitting.channels import message
from synkin.fitting.channels.ascent import maximise
from synkin.fitting.channels.errors import covariance_of
from synkin.fitting.channels.likelihood import Seen, evaluate
from synkin.fitting.channels.start import start_of
from synkin.fitting.estimate import Options
from synkin.fitting.model import curve
from synkin.fitting.problem import Problem
from synkin.fitting.quality.goodness_of_fit import explained_fraction
from synkin.fitting.result import Fit
from synkin.fitting.search.optimizer import check_options, search
from synkin.fitting.uncertainty.trade_offs import KNOWN


def estimate_with_channels(pose: Callable[[], Problem], channels: float | None, options: Options) -> Fit:
    """The `Fit` of the problem that ``pose`` gives, whose scale, offset and onset all sweeps share.

    Args:
        pose: gives the problem.
        channels: how many there are; None where that is fitted.
        options: of the search.

    Raises:
        TypeError, ValueError: an option or an argument that makes no sense.
    """
    began = time.perf_counter()
    check_options(options.loss, options.starts, options.max_nfev)
    progress, max_nfev = check_flag("progress", options.progress), int(options.max_nfev)
    with double_precision(), computed_at_once(), np.errstate(over="ignore", invalid="ignore"):
        problem = pose()
        least = search(problem, "linear", int(options.starts), max_nfev, progress=progress)
        seen = Seen(problem, channels)
        likelihood = partial(evaluate, seen)
        lower, upper = seen.bounds
        start = start_of(seen, least.point, least.curve)
        end = maximise(likelihood, seen.are_logarithms, start, lower, upper, max_nfev)
        covariance, unknown = covariance_of(likelihood, seen.are_logarithms, end.place, end.at)
        found = curve(problem, end.place)
        variance = evaluate(seen.without_samples, end.place).variance
        constant = message.log_likelihood_of_constant_noise(seen, least.curve)
        at_bound = (end.place <= lower) | (end.place >= upper)
        deviations = np.where(unknown, np.inf, np.sqrt(np.diag(covariance)))
        # A scale is known to a factor of 2 as what has logarithms is; other quantities may be 0.
        sizes = np.where(seen.are_logarithms, 1.0, np.inf)
        if "scale" in seen.labels:
            sizes[seen.labels.index("scale")] = abs(problem.split(end.place)["scale"][0])
        vague = [
            label
            for label, deviation, size in zip(seen.labels, deviations, sizes, strict=True)
            if not np.isfinite(deviation) or deviation > KNOWN * size
        ]
        verdict = message.verdict_of(seen, end, found.value)
        said = message.sentences(seen, end, variance, constant, at_bound, vague)

    def rows(a: np.ndarray) -> np.ndarray:
        return a[0] if problem.is_single else a

    place, logarithms = end.place, seen.are_logarithms
    sigma, number = seen.noise_at(place)
    values = np.where(logarithms, np.exp(place), place)
    errors = deviations * np.where(logarithms, values, 1.0)
    fitted: dict[str, float | np.ndarray] = dict(zip(seen.labels, map(float, values), strict=True))
    stderr: dict[str, float | np.ndarray] = dict(zip(seen.labels, map(float, errors), strict=True))
    own = problem.split(place)  # of each sweep, and the same of all
    of_unitary = _slope_of_unitary(seen, place)
    spread = np.sqrt(np.maximum(np.diag(covariance), np.finfo(float).tiny))
    trace = np.where(problem.present, problem.trace, np.nan)
    stderr["unitary"] = (
        np.inf if unknown[of_unitary != 0].any() else float(np.sqrt(of_unitary @ covariance @ of_unitary))
    )
    return Fit(
        kernel=problem.kernel,
        params=problem.curve.as_given(problem.params_at(place)),
        scale=float(own["scale"][0]),
        offset=float(own["offset"][0]),
        onset=float(own["onset"][0]),
        delay=problem.delay,
        free=fitted,
        stderr=stderr,
        correlations=np.clip(covariance / np.outer(spread, spread), -1.0, 1.0),
        labels=seen.labels,
        r_squared=explained_fraction(problem, found.value),
        noise=float(np.sqrt(np.nanmean((trace - found.value) ** 2))),
        identifiable=not (vague or unknown.any()),
        verdict=verdict,
        message=" ".join([verdict, *said]),
        success=end.success,
        nfev=least.nfev + end.nfev,
        seconds=time.perf_counter() - began,
        spike_times=problem.sent,
        concentrations=problem.weights[..., :-1] if problem.jumps else None,
        times=problem.times,
        trace=rows(trace),
        unit=problem.unit,
        predicted=rows(found.value),
        residuals=rows(trace - found.value),
        alike=1.0,
        problem=problem,
        point=place,
        width=np.inf,
        channels=number,
        sigma=sigma,
        deviation=rows(np.sqrt(variance)),
        log_likelihood=float(end.at.value),
    )


def _slope_of_unitary(seen: Seen, place: np.ndarray) -> np.ndarray:
    """The derivatives (n,) of the current of one channel, scale / channels, by the coordinates."""
    slope, channels = np.zeros(len(place)), seen.noise_at(place)[1]
    scale = seen.problem.split(place)["scale"][0]
    if "scale" in seen.labels:
        slope[seen.labels.index("scale")] = 1 / channels
    if not seen.channels:
        slope[-1] = -scale / channels
    return slope
