"""How noisy each recording of a batch is: fast noise, and how strongly neighbouring samples are correlated.

These are the estimates of a single fit (`synkin.fitting.quality.goodness_of_fit`,
`synkin.fitting.uncertainty.autocorrelation`), for many recordings side by side.
"""

import numpy as np

# Noise is estimated from samples that are at most this fraction of the recording per spike apart.
_FAST = 1 / 32
# What is left counts as noise if its variance is at most this factor times that of the fast noise.
ALMOST = 1.6
# The median absolute value of normal numbers with standard deviation 1.
_MEDIAN = 0.6744897501960817


def fast_noise(times: np.ndarray, residuals: np.ndarray, spikes: int) -> np.ndarray:
    """The noise's standard deviation, (R,), from the distance of samples from the line between two others.

    Args:
        times: (M,) or (R, M) ms.
        residuals: (R, M), NaN where a sample is missing.
        spikes: the largest number of spikes in a recording.
    """
    samples = residuals.shape[1]
    longest = max(1, int(_FAST * samples / max(spikes, 1)))
    distances = {min(2**k, longest) for k in range(longest.bit_length() + 1)}
    found = [_off_the_line(times, residuals, d) for d in distances if 2 * d < samples]
    return np.max(found, axis=0) if found else np.zeros(len(residuals))


def inefficiencies(residuals: np.ndarray, present: np.ndarray, fitted: int) -> np.ndarray:
    """How many neighbouring samples count as one, (R,): 1 if the noise is white.

    Args:
        residuals: (R, M), 0 where a sample is missing.
        present: (R, M) bool, whether there is a sample.
        fitted: how many numbers were fitted to each recording.
    """
    number = present.sum(axis=1)[:, None]
    most = np.maximum(number / (2 * fitted), 1.0)
    products = _products(residuals)
    if present.all():
        pairs = np.arange(present.shape[1], 0, -1.0)[None]
    else:
        pairs = np.rint(_products(present.astype(float)))
    seen = np.divide(products, pairs, out=np.zeros_like(products), where=pairs > 0)
    has_noise = seen[:, :1] > 0
    seen = np.divide(seen[:, 1:], seen[:, :1], out=np.zeros_like(seen[:, 1:]), where=has_noise)
    # The autocorrelation counts up to the lag at which it is lost in random scatter.
    lost = seen < 2 / np.sqrt(np.maximum(number, 1))
    counts = ~np.maximum.accumulate(lost, axis=1)
    length, total = counts.sum(axis=1)[:, None], np.where(counts, seen, 0.0).sum(axis=1)[:, None]
    # Fitting removes a part of the noise: see `synkin.fitting.uncertainty.autocorrelation`.
    fraction = fitted / np.maximum(number, 1)
    left = 1 - 2 * fraction * (length - total)
    uncorrected = np.divide(1 + 2 * total, left, out=np.full_like(total, np.inf), where=left > 0)
    corrected = total + fraction * np.minimum(uncorrected, most) * (length - total)
    return np.clip(1 + 2 * corrected, 1.0, most)[:, 0]


def _products(rows: np.ndarray) -> np.ndarray:
    """Sums of products with the neighbour at each lag, (R, M), of rows (R, M)."""
    samples = rows.shape[1]
    size = 1 << (2 * samples - 1).bit_length()
    spectrum = np.fft.rfft(rows, size)
    return np.fft.irfft(spectrum.real**2 + spectrum.imag**2, size)[:, :samples]


def _off_the_line(times: np.ndarray, residuals: np.ndarray, d: int) -> np.ndarray:
    """The standard deviation, (R,), of white noise as far off the line between the samples ``d`` away on each side."""
    before, at, after = slice(None, -2 * d), slice(d, -d), slice(2 * d, None)
    weight = (times[..., at] - times[..., before]) / (times[..., after] - times[..., before])
    off = residuals[:, at] - weight * residuals[:, after] - (1 - weight) * residuals[:, before]
    off = np.sort(np.abs(off) / np.sqrt(1 + weight**2 + (1 - weight) ** 2), axis=1)  # NaN comes last
    counts = np.isfinite(off).sum(axis=1)
    rows, middle = np.arange(len(off)), np.maximum(counts - 1, 0)
    median = (off[rows, middle // 2] + off[rows, (middle + 1) // 2]) / 2
    return np.where(counts, median, 0.0) / _MEDIAN
