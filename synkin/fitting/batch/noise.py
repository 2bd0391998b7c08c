"""How noisy each recording of a batch is: fast noise, and how strongly neighbouring samples are correlated.

These are the estimates of a single fit (`synkin.fitting.quality.goodness_of_fit`,
`synkin.fitting.uncertainty.autocorrelation`), for many recordings side by side.
"""

import numpy as np

# Noise is estimated from samples that are at most this fraction of the recording per spike apart.
_FAST = 1 / 32
# So many lags of the autocorrelation are computed at first.
_LAGS = 6
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
    # In white noise the autocorrelation is lost in random scatter after a few lags. All others need more of them.
    seen = _autocorrelation(residuals, present, min(_LAGS, present.shape[1] - 1))
    found, goes_on = _inefficiencies(seen, present.sum(axis=1), fitted)
    if goes_on.any():
        seen = _autocorrelation(residuals[goes_on], present[goes_on], present.shape[1] - 1)
        found[goes_on] = _inefficiencies(seen, present[goes_on].sum(axis=1), fitted)[0]
    return found


def _inefficiencies(seen: np.ndarray, counts: np.ndarray, fitted: int) -> tuple[np.ndarray, np.ndarray]:
    """The result for autocorrelations ``seen`` (R, L), and (R,) bool: whether they are not lost in random scatter."""
    number = np.maximum(counts, 1)[:, None]
    most = np.maximum(number / (2 * fitted), 1.0)
    kept = ~np.maximum.accumulate(seen < 2 / np.sqrt(number), axis=1)
    length, total = kept.sum(axis=1)[:, None], np.where(kept, seen, 0.0).sum(axis=1)[:, None]
    # Fitting removes a part of the noise: see `synkin.fitting.uncertainty.autocorrelation`.
    fraction = fitted / number
    left = 1 - 2 * fraction * (length - total)
    uncorrected = np.divide(1 + 2 * total, left, out=np.full_like(total, np.inf), where=left > 0)
    corrected = total + fraction * np.minimum(uncorrected, most) * (length - total)
    return np.clip(1 + 2 * corrected, 1.0, most)[:, 0], np.logical_and.reduce(kept, axis=1)


def _autocorrelation(residuals: np.ndarray, present: np.ndarray, lags: int) -> np.ndarray:
    """The autocorrelation of rows (R, M) at lags from 1 on, (R, lags); 0 without residuals."""
    products, pairs = (_products(rows, lags) for rows in (residuals, present.astype(float)))
    mean = np.divide(products, np.rint(pairs), out=np.zeros_like(products), where=np.rint(pairs) > 0)
    return np.divide(mean[:, 1:], mean[:, :1], out=np.zeros_like(mean[:, 1:]), where=mean[:, :1] > 0)


def _products(rows: np.ndarray, lags: int) -> np.ndarray:
    """Sums of products with the neighbour at each lag from 0 on, (R, lags + 1), of rows (R, M)."""
    samples = rows.shape[1]
    if lags <= _LAGS:
        each = [np.einsum("rm,rm->r", rows[:, : samples - lag], rows[:, lag:]) for lag in range(lags + 1)]
        return np.stack(each, axis=1)
    spectrum = np.fft.rfft(rows, 2 * samples)
    return np.fft.irfft(spectrum.real**2 + spectrum.imag**2, 2 * samples)[:, : lags + 1]


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
