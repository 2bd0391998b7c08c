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
