"""Synthetic responses of known size and shape, and noise as a recording has it, by NumPy and SciPy alone."""

import numpy as np
from scipy import signal

RATE = 20.0  # kHz
FILTER = signal.bessel(4, 2.0, fs=RATE, output="sos")


def shape(late, decay=5.0, rise=0.5):
    """Two exponentials from 0 ms on, with a peak of 1."""
    top = rise * decay / (decay - rise) * np.log(decay / rise)
    late = np.maximum(late, 0.0)
    return (np.exp(-late / decay) - np.exp(-late / rise)) / (np.exp(-top / decay) - np.exp(-top / rise))


def noise(rng, rows, samples, deviation):
    """Noise behind a filter, whose neighbours are alike, (rows, samples)."""
    white = signal.sosfilt(FILTER, rng.normal(size=(rows, samples + 500)), axis=1)[:, 500:]
    return deviation * white / white.std()


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
