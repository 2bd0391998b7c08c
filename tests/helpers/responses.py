"""Synthetic responses of known size and shape, and noise as a recording has it, by NumPy and SciPy alone."""

import numpy as np

from benchmarks.measures import RATE, noise, shape

__all__ = ["RATE", "noise", "paired_pulses", "shape"]


def paired_pulses(seed, *, tail=0.0, artefact=500.0, sweeps=20):
    """Times in ms, sweeps in pA, and their true amplitudes (R, 2): inward responses 1.5 ms after stimuli at 20 and
    70 ms, of which 15 % fail, in white noise of 1 pA. Each stimulus has an artefact of 1 ms, which ends at once, or
    with a time constant ``tail`` in ms.
    """
    rng, times = np.random.default_rng(seed), np.arange(0.0, 150.0, 1 / RATE)
    sizes = np.array([-40.0, -28.0]) * (1 + 0.2 * rng.normal(size=(sweeps, 2))) * (rng.random((sweeps, 2)) > 0.15)
    rows = rng.normal(0, 1, (sweeps, times.size))
    for k, at in enumerate((20.0, 70.0)):
        rows += sizes[:, [k]] * shape(times - at - 1.5) + artefact * ((times > at - 1e-6) & (times < at + 1 - 1e-6))
        if tail:
            rows += artefact * (times > at + 1 - 1e-6) * np.exp(-np.maximum(times - at - 1, 0) / tail)
    return times, rows, sizes
