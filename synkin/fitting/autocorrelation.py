"""How much the noise of neighbouring samples has in common, as filters make it.

A sum of N samples whose autocorrelation is rho scatters as if each of them were 1 + 2 sum(rho) of noise that is white:
so many count as one. What is at hand are residuals, of which a fit has taken its share: a number that is fitted to
noise takes as much of it as such a sum has, and lowers the products of all neighbours by that.
"""

import numpy as np


def correlation(residuals: np.ndarray, present: np.ndarray, free: int) -> np.ndarray:
    """The noise's autocorrelation at distances of 1, 2, ... samples, up to where it is lost in its own scatter.

    Args:
        residuals: (R, M), 0 where there is no sample.
        present: (R, M) bool, where there is one.
        free: how many numbers were fitted.

    Returns:
        (K,); empty if the noise is white.
    """
    products, pairs = _products(residuals), np.rint(_products(present.astype(float)))
    if products[0] <= 0:
        return np.zeros(0)
    seen = np.divide(products, pairs, out=np.zeros_like(products), where=pairs > 0)
    seen = seen[1:] / seen[0]
    lost = np.flatnonzero(seen < 2 / np.sqrt(present.sum()))
    seen = seen[: lost[0] if lost.size else seen.size]
    # A sample's residual has lost the share c = free / N times what counts as one, alike, of the noise's variance, and
    # the products of neighbours as much: seen = (rho - c) / (1 - c). With alike = 1 + 2 sum(rho) that gives c.
    part, unseen = free / present.sum(), (1 - seen).sum()
    left = 1 - 2 * part * unseen
    alike = (1 + 2 * seen.sum()) / left if left > 0 else np.inf
    return seen + part * min(alike, most(present, free)) * (1 - seen)


def count(correlation: np.ndarray, present: np.ndarray, free: int) -> float:
    """How many neighbouring samples count as one: 1 if the noise is white."""
    return float(np.clip(1 + 2 * correlation.sum(), 1.0, most(present, free)))


def most(present: np.ndarray, free: int) -> float:
    """What may count as one at most: there are twice as many independent samples as numbers that are fitted."""
    return max(present.sum() / (2 * free), 1.0)


def within(correlation: np.ndarray, block: int) -> float:
    """What counts as one within blocks of samples, which have nothing in common with each other."""
    distance = np.arange(1, min(len(correlation), block - 1) + 1)
    return float(1 + 2 * ((1 - distance / block) * correlation[: distance.size]).sum())


def _products(rows: np.ndarray) -> np.ndarray:
    """Sums of products with the neighbour at each distance, (M,), over all rows (R, M)."""
    samples = rows.shape[1]
    spectrum = np.abs(np.fft.rfft(rows, 2 * samples)) ** 2
    return np.fft.irfft(spectrum, 2 * samples)[:, :samples].sum(axis=0)
