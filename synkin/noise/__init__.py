"""From the scatter of repeated responses to what it comes from: variance against mean.

    parabola   the fit of the parabola, and its errors by drawing sweeps, events or trials at random
    result     `NoiseAnalysis` and `ReleaseNoise`
    checks     the arguments
    remarks    what is said of rundown, outliers and what cannot be known
    ensembles  `noise_analysis`: channels, from sweeps or miniature events
    release    `release_noise`: release sites, from amplitudes under several conditions

Each imports only from those above it. They use NumPy: which sample is the peak is a decision, and has no derivative.
"""

from synkin.noise.ensembles import noise_analysis
from synkin.noise.release import release_noise
from synkin.noise.result import NoiseAnalysis, ReleaseNoise

__all__ = ["NoiseAnalysis", "ReleaseNoise", "noise_analysis", "release_noise"]


def __dir__() -> list[str]:
    return sorted(__all__)
