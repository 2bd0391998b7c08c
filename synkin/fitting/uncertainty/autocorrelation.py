"""How strongly the noise of neighbouring samples is correlated, as it is behind a filter.

The sum of N samples with autocorrelation rho has the variance of N samples of white noise times the statistical
inefficiency 1 + 2 sum(rho): that many samples count as one independent sample. The autocorrelation is estimated from
the residuals of a fit. Fitting numbers to the noise removes part of its variance and lowers the products of all
neighbours by as much; the estimate corrects for that.
"""

import numpy as np


def autocorrelation(residuals: np.ndarray, present: np.ndarray, free: int) -> np.ndarray:
    """The noise's autocorrelation at lags of 1, 2, ... samples, up to the lag at which it is lost in random scatter.

    Args:
        residuals: (R, M), 0 where a sample is missing.
        present: (R, M) bool, whether there is a sample.
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
    # Fitting removes the fraction c = free / N * inefficiency of the noise's variance, and as much of the products of
    # neighbours: seen = (rho - c) / (1 - c). With inefficiency = 1 + 2 sum(rho) that determines c.
    fraction, unseen = free / present.sum(), (1 - seen).sum()
    left = 1 - 2 * fraction * unseen
    uncorrected = (1 + 2 * seen.sum()) / left if left > 0 else np.inf
    return seen + fraction * min(uncorrected, largest_inefficiency(present, free)) * (1 - seen)


def inefficiency(rho: np.ndarray, present: np.ndarray, free: int) -> float:
    """How many neighbouring samples count as one, given the autocorrelation ``rho``: 1 if the noise is white."""
    return float(np.clip(1 + 2 * rho.sum(), 1.0, largest_inefficiency(present, free)))


def largest_inefficiency(present: np.ndarray, free: int) -> float:
    """The inefficiency at which there are twice as many independent samples as fitted numbers, the fewest assumed."""
    return max(present.sum() / (2 * free), 1.0)


def inefficiency_within(rho: np.ndarray, block: int) -> float:
    """The inefficiency of samples in blocks that are independent of each other."""
    lag = np.arange(1, min(len(rho), block - 1) + 1)
    return float(1 + 2 * ((1 - lag / block) * rho[: lag.size]).sum())


def inefficiency_of_squares(residuals: np.ndarray, present: np.ndarray) -> float:
    """How many neighbouring squares of normal ``residuals`` count as one; arguments as in `autocorrelation`.

    The correlation of squares is the square of that of the residuals, of either sign.
    """
    products, pairs = _products(residuals), np.rint(_products(present.astype(float)))
    if products[0] <= 0:
        return 1.0
    near = np.arange(1, max(2, len(products) // 8))  # beyond, scatter is taken for correlation
    near = near[pairs[near] > 0]
    seen = products[near] / pairs[near] / (products[0] / pairs[0])
    return float(1 + 2 * (seen[np.abs(seen) > 3 / np.sqrt(pairs[near])] ** 2).sum())


def _products(rows: np.ndarray) -> np.ndarray:
    """Sums of products with the neighbour at each lag, (M,), over all rows (R, M)."""
    samples = rows.shape[1]
    spectrum = np.abs(np.fft.rfft(rows, 2 * samples)) ** 2
    return np.fft.irfft(spectrum, 2 * samples)[:, :samples].sum(axis=0)
