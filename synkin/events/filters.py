"""Computations in the frequency domain: the baseline, the spectrum of the noise, and the matched filter.

The trace is a baseline, plus the sum of events, plus noise. Let h be the response to one event without the part that
the baseline would follow, and S the spectrum of the noise. Then the search needs only

    C(t)   = <y, h(. - t)>           how well an event at t matches the trace y
    R(t,u) = <h(. - t), h(. - u)>    how much two events overlap

with the product <a, b> = integral of conj(a) b / S over frequency. The best sizes of events at t_k solve
sum_k R(t_j, t_k) size_k = C(t_j), and C(t) / sqrt(R(t, t)) has the same variance everywhere. This is a deconvolution in
the band that the noise leaves, instead of a band-pass that is set by hand (Pernia-Andrade et al. 2012).
"""

from typing import NamedTuple

import numpy as np
from scipy import fft, ndimage, signal

from synkin.events.template import Template

# The lowest power of the noise at any frequency, as a fraction of its mean power at the frequencies of the events.
# Frequencies with more noise, such as those of drift and hum, count less. But frequencies with hardly any noise, such
# as those above a low-pass filter, do not count more: the shape of an event is not known there, and the match would be
# sharp, with side lobes.
_FLOOR = 0.5
# The spectrum is estimated from this many samples on, with lags up to this many lengths of a response, or up to the
# number of samples over the last number if this is less.
_FEW, _LAGS, _PAIRS = 512, 4, 8
# An event is over where its response stays below this fraction of its peak. Samples are loud that are so many standard
# deviations away after smoothing, and near these. Quiet samples are enough if they are this fraction of all.
_NEARLY, _LOUD, _ENOUGH = 0.05, 4.0, 0.15
# The baseline's Gaussian is cut off at this many standard deviations. If it were cut off sooner, the matrix of the
# events' overlaps would not be positive definite.
_REACH = 6.0
# The ratio of the standard deviation to the median absolute value of Gaussian noise.
FROM_MEDIAN = 1.4826


class Spectrum(NamedTuple):
    """The power of the noise, up to a factor, at some frequencies; linear in between."""

    frequencies: np.ndarray  # cycles a sample, from 0 to 0.5
    power: np.ndarray


class Matched(NamedTuple):
    """C and R for a trace of M samples, with Q places in each interval."""

    match: np.ndarray  # (M, Q): C
    rows: np.ndarray  # (Q, (2 reach + 1) Q): R of an event at phase q and one at each place around it
    reach: int  # number of samples before and after an event in which R is not 0
    norm: np.ndarray  # (Q,): sqrt(R) of an event with itself


WHITE = Spectrum(np.array([0.0, 0.5]), np.ones(2))


def baseline(trace: np.ndarray, width: float) -> np.ndarray:
    """The trace smoothed by a Gaussian of SD ``width`` in samples, mirrored at its ends."""
    wave = np.pi * np.arange(len(trace)) / len(trace)
    return fft.idct(fft.dct(trace) * np.exp(-0.5 * (width * wave) ** 2))


def less_baseline(curve: np.ndarray, width: float) -> np.ndarray:
    """A curve that is 0 outside of its samples, without the part that the baseline of an endless trace would follow."""
    size = fft.next_fast_len(len(curve) + int(2 * _REACH * width), real=True)
    passed = -np.expm1(-0.5 * (2 * np.pi * width * fft.rfftfreq(size)) ** 2)
    return fft.irfft(fft.rfft(curve, size) * passed, size)[: len(curve)]


def spectrum(residuals: np.ndarray, quiet: np.ndarray, template: Template, *, noisy: bool) -> Spectrum:
    """The spectrum of the noise, from the samples that are ``quiet``: neither events nor anything that they leave.

    It is the transform of the autocorrelation, each lag of which is a mean over the pairs of quiet samples that are so
    far apart, times a window of Parzen (Blackman and Tukey 1958). So the quiet stretches may be short. Where it is not
    ``noisy``, the rest is rounding and errors of the model, and frequencies with little of it do not count more.
    """
    count = int(quiet.sum())
    lags = max(min(_LAGS * template.samples.shape[1], count // _PAIRS), _FEW // _PAIRS)
    if count < _FEW or lags >= len(residuals):
        return WHITE
    size = fft.next_fast_len(len(residuals) + lags, real=True)
    values, present = (fft.rfft(np.where(quiet, x, 0.0), size) for x in (residuals, 1.0))
    sums, pairs = (fft.irfft(np.abs(x) ** 2, size)[: lags + 1] for x in (values, present))
    correlation = np.where(pairs > 0.5, sums / np.maximum(pairs, 0.5), 0.0) * signal.windows.parzen(2 * lags + 1)[lags:]
    power = fft.rfft(np.concatenate([correlation, correlation[-2:0:-1]])).real
    frequencies = np.linspace(0.0, 0.5, len(power))
    own = np.abs(fft.rfft(template.samples[0], 2 * lags)) ** 2
    mean = (own * power).sum() / own.sum()
    if not mean > 0:
        return WHITE
    return Spectrum(frequencies, np.maximum(power, (_FLOOR if noisy else 1.0) * mean) / mean)


def quiet_samples(left: np.ndarray, kept: np.ndarray, template: Template, places: np.ndarray) -> np.ndarray:
    """The samples with noise alone: away from events, and from whatever else is far from the baseline, (M,).

    Args:
        left: (M,) what events and baseline leave of the trace.
        kept: (M,) which samples count at all.
        template: the response to one event.
        places: of the events.
    """
    phases, response = len(template.samples), np.abs(template.samples[0])
    span = int(np.flatnonzero(response > _NEARLY)[-1]) + 1
    smooth = ndimage.uniform_filter1d(left, max(span // 8, 1))
    deviation = FROM_MEDIAN * float(np.median(np.abs(smooth[kept]))) if kept.any() else 0.0
    loud = ndimage.maximum_filter1d(np.abs(smooth) > _LOUD * deviation, span) & kept
    quiet = kept & ~loud
    change = np.zeros(len(left) + 1, int)
    first = np.clip(places // phases - span // 8, 0, len(left))
    np.add.at(change, first, 1)
    np.add.at(change, np.minimum(first + span + span // 8, len(left)), -1)
    away = quiet & (np.cumsum(change)[:-1] == 0)
    for some in (away, quiet):
        if some.sum() > max(_FEW, _ENOUGH * kept.sum()):
            return some
    return kept


def matched(trace: np.ndarray, count: int, template: Template, width: float, noise: Spectrum) -> Matched:
    """The matched filter's C and R.

    Args:
        trace: (M,) or longer, less its baseline.
        count: M, the number of samples at which events are sought.
        template: the response to one event.
        width: standard deviation of the baseline's Gaussian, in samples.
        noise: the noise's spectrum.
    """
    phases, length = template.samples.shape
    reach = min(length + int(_REACH * width), count)
    match = match_of(trace, count, template, width, noise)
    size = fft.next_fast_len(2 * reach + length, real=True)
    passed, power = _transfer(size, width, noise)
    spectra = fft.rfft(template.samples, size)
    rows = np.empty((phases, 2 * reach + 1, phases))
    for p in range(phases):
        own = spectra[p] * (passed**2 / power)
        for q in range(phases):
            products = fft.irfft(own * spectra[q].conj(), size)
            rows[p, :, q] = np.concatenate([products[-reach:], products[: reach + 1]])
    norm = np.sqrt(rows[np.arange(phases), reach, np.arange(phases)])
    return Matched(match, rows.reshape(phases, -1), reach, norm)


def match_of(trace: np.ndarray, count: int, template: Template, width: float, noise: Spectrum) -> np.ndarray:
    """C of a trace less its baseline, (M, Q)."""
    reach = min(template.samples.shape[1] + int(_REACH * width), count)
    size = fft.next_fast_len(len(trace) + reach, real=True)
    passed, power = _transfer(size, width, noise)
    product = fft.rfft(trace, size)
    product *= passed / power
    match = np.empty((count, len(template.samples)))
    for q, row in enumerate(template.samples):
        match[:, q] = fft.irfft(product * fft.rfft(row, size).conj(), size)[:count]
    return match


def _transfer(size: int, width: float, noise: Spectrum) -> tuple[np.ndarray, np.ndarray]:
    """The fraction of each frequency that the baseline leaves, and the power of the noise there."""
    frequencies = fft.rfftfreq(size)
    passed = -np.expm1(-0.5 * (2 * np.pi * width * frequencies) ** 2)
    return passed, np.interp(frequencies, noise.frequencies, noise.power)
