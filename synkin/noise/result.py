"""The results: what one channel or one vesicle gives, and how many there are."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from synkin.arguments import fields
from synkin.noise.parabola import Parabola


@fields.described
@dataclass(frozen=True, eq=False, repr=False)
class NoiseAnalysis:
    """What `synkin.noise_analysis` found. `synkin.plot.noise` draws it.

    ``stderr`` and ``interval95`` have the names of the first six numbers; gamma only with a driving force.

    Example:
        >>> times, rng = np.arange(0.0, 40.0, 0.5), np.random.default_rng(0)
        >>> closing = rng.exponential(5.0, size=(30, 60))[..., None]
        >>> sweeps = -1.0 * ((times >= 8.0) & (times < 8.0 + closing)).sum(axis=1)
        >>> sweeps += 0.2 * rng.normal(size=sweeps.shape)
        >>> found = synkin.noise_analysis(times, sweeps, window=(8.0, 40.0), baseline=(0.0, 7.5), draws=100)
        >>> low, high = found.interval95["unitary"]
        >>> low < found.unitary < high
        True
    """

    unitary: Annotated[float, "the current of one open channel, signed as the traces", "`unit`"]
    channels: Annotated[float, "the number of channels; NaN if scaled, inf if the parabola does not bend down"]
    p_open: Annotated[float, "the fraction of the channels that is open at the peak of the mean; NaN if scaled"]
    open_at_peak: Annotated[float, "the average number of channels that are open at the peak of the mean"]
    background_variance: Annotated[float, "the variance without a response", "`unit`^2"]
    gamma: Annotated[float, "the conductance of one channel; NaN without a driving force", "pS"]
    stderr: Annotated[dict[str, float], "standard error of each, by name"]
    interval95: Annotated[dict[str, tuple[float, float]], "interval of 95 % of each, by name"]
    message: Annotated[str, "what was found, and what to look at, in words"]
    mean: Annotated[np.ndarray, "(K,) the mean of each bin, above the baseline", "`unit`"]
    variance: Annotated[np.ndarray, "(K,) the variance of each bin, with the background", "`unit`^2"]
    variance_errors: Annotated[
        np.ndarray, "(K,) standard error of each; the errors of the bins are correlated", "`unit`^2"
    ]
    curvature: Annotated[float, "1 / channels, if events are not scaled"]
    times: Annotated[np.ndarray, "(M,) the times of the samples", "ms"]
    traces: Annotated[np.ndarray, "(R, M) the sweeps or events without their baselines", "`unit`"]
    window: Annotated[tuple[float, float], "the stretch whose samples were used", "ms"]
    scaled: Annotated[bool, "whether the mean was scaled to the peak of each event"]
    unit: Annotated[str, "the unit of the traces, such as 'pA'; '' if it is not known"]

    def parabola(self, mean: np.ndarray) -> np.ndarray:
        """The variance that the fitted parabola gives at any mean, including that of the background.

        Example:
            >>> times, rng = np.arange(0.0, 40.0, 0.5), np.random.default_rng(0)
            >>> closing = rng.exponential(5.0, size=(30, 60))[..., None]
            >>> sweeps = -1.0 * ((times >= 8.0) & (times < 8.0 + closing)).sum(axis=1)
            >>> sweeps += 0.2 * rng.normal(size=sweeps.shape)
            >>> found = synkin.noise_analysis(times, sweeps, window=(8.0, 40.0), baseline=(0.0, 7.5), draws=100)
            >>> variance = found.parabola(-30.0)  # where the mean is -30 pA
            >>> bool(10.0 < variance < 20.0)
            True
        """
        shape = Parabola(np.asarray(self.unitary), np.asarray(self.curvature))
        return self.background_variance + shape.at(np.asarray(mean, float))

    def __repr__(self) -> str:
        return f"NoiseAnalysis of {len(self.traces):,} {'events' if self.scaled else 'sweeps'}: {self.message}"


@fields.described
@dataclass(frozen=True, eq=False, repr=False)
class ReleaseNoise:
    """What `synkin.release_noise` found. `synkin.plot.noise` draws it.

    ``stderr`` and ``interval95`` have the names of the first three; those of p_release are arrays, (C,) and (C, 2).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> trials = [-12.0 * rng.binomial(8, p, 200) + rng.normal(size=200) for p in (0.2, 0.5, 0.8)]
        >>> found = synkin.release_noise(trials, background_variance=1.0, draws=100)
        >>> found.labels, found.mean.shape
        (('condition 0', 'condition 1', 'condition 2'), (3,))
    """

    quantal_size: Annotated[float, "the mean response to one vesicle, signed as the amplitudes", "theirs"]
    sites: Annotated[float, "the number of release sites; inf if the parabola does not bend down"]
    p_release: Annotated[np.ndarray, "(C,) the probability of release under each condition"]
    stderr: Annotated[dict[str, float | np.ndarray], "standard error of each, by name"]
    interval95: Annotated[dict[str, tuple[float, float] | np.ndarray], "interval of 95 % of each, by name"]
    message: Annotated[str, "what was found, and what to look at, in words"]
    labels: Annotated[tuple[str, ...], "(C,) names of the conditions"]
    mean: Annotated[np.ndarray, "(C,) the mean amplitude under each condition", "theirs"]
    variance: Annotated[np.ndarray, "(C,) the variance of the amplitudes, with the background", "theirs^2"]
    variance_errors: Annotated[np.ndarray, "(C,) standard error of each", "theirs^2"]
    background_variance: Annotated[float, "the variance of the measurement, as it was given", "theirs^2"]
    slope: Annotated[float, "the slope of the parabola at small means: the quantal size, larger if it varies", "theirs"]
    curvature: Annotated[float, "1 / sites, larger if the sites differ"]
    amplitudes: Annotated[tuple[np.ndarray, ...], "the amplitudes as given", "theirs"]

    def parabola(self, mean: np.ndarray) -> np.ndarray:
        """The variance that the fitted parabola gives at any mean, including that of the background.

        Example:
            >>> rng = np.random.default_rng(0)
            >>> trials = [-12.0 * rng.binomial(8, p, 200) + rng.normal(size=200) for p in (0.2, 0.5, 0.8)]
            >>> found = synkin.release_noise(trials, background_variance=1.0, draws=100)
            >>> float(found.parabola(0.0))  # the background
            1.0
        """
        shape = Parabola(np.asarray(self.slope), np.asarray(self.curvature))
        return self.background_variance + shape.at(np.asarray(mean, float))

    def __repr__(self) -> str:
        return f"ReleaseNoise of {len(self.labels)} conditions: {self.message}"
