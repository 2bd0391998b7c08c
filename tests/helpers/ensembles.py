"""Sweeps of channels that open at once and close one by one, made without synkin."""

import numpy as np

TIMES = np.arange(0.0, 40.0, 0.2)  # ms
ONSET, TAU = 8.0, 5.0  # ms
WINDOWS = {"window": (ONSET, 40.0), "baseline": (0.0, ONSET - 0.2)}


def ensemble(seed, sweeps, channels=60, p=0.7, unitary=-1.0, sigma=1.0):
    """Currents (sweeps, M) of channels that are open with probability p exp(-t / TAU) from the onset on.

    ``channels`` and ``unitary`` may differ between sweeps, (sweeps,).
    """
    rng = np.random.default_rng(seed)
    is_open = rng.binomial(np.broadcast_to(channels, sweeps), p)
    counts = np.zeros((sweeps, len(TIMES)))
    for k in np.flatnonzero(TIMES >= ONSET):
        counts[:, k] = is_open
        is_open = rng.binomial(is_open, np.exp(-(TIMES[1] - TIMES[0]) / TAU))
    return np.reshape(unitary, (-1, 1)) * counts + sigma * rng.normal(size=counts.shape)


def of_different_sizes(seed, sweeps, **given):
    """The same with a number of channels that varies by 30 % from sweep to sweep, as in miniature events."""
    rng = np.random.default_rng([seed, sweeps])
    return ensemble(seed, sweeps, np.maximum(60 * (1 + 0.3 * rng.normal(size=sweeps)), 5).astype(int), **given)
