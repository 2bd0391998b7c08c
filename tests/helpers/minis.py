"""Synthetic recordings of miniature events, made without synkin, and what is right among what was found in them."""

from typing import NamedTuple

import numpy as np
from scipy import signal

RISE, DECAY = 0.5, 5.0  # ms, of both exponentials; from 10 to 90 % of the peak it rises in 0.86 ms
PEAK = -20.0  # pA
END = 50.0  # ms at the end of a recording in which no event comes


class Minis(NamedTuple):
    times: np.ndarray  # (M,) ms
    trace: np.ndarray  # (M,) pA
    events: np.ndarray  # (K,) ms
    sizes: np.ndarray  # (K,) pA


def waveform(t, rise=RISE, decay=DECAY):
    """Two exponentials with a peak of 1, from 0 ms on."""
    top = rise * decay / (decay - rise) * np.log(decay / rise)
    late = np.maximum(t, 0.0)
    height = np.exp(-top / decay) - np.exp(-top / rise)
    return np.where(t >= 0, np.exp(-late / decay) - np.exp(-late / rise), 0.0) / height


def through(trace, rate, cutoff):
    """A trace behind a four-pole Bessel low-pass filter at ``cutoff`` kHz; rate in kHz."""
    return signal.sosfilt(signal.bessel(4, cutoff, fs=rate, output="sos"), trace)


def minis(seed, *, seconds, rate=20.0, snr=5.0, cutoff=None, whole=False, spread=0.0, form=0.0, drift=0.0, events=None):
    """A recording with 5 events a second, or with ``events`` at given times in ms.

    Its length is in seconds, the rate in samples a ms. snr is the peak of one answer over the SD of the noise, cutoff
    that of the noise's filter in kHz; where the whole went through it, sizes are those of what came out. spread is the
    SD of the logarithm of the sizes, form of each event's own rise and decay; drift is of the baseline, in peaks.
    """
    rng = np.random.default_rng(seed)
    duration, count = 1000 * seconds, round(1000 * seconds * rate)
    times = np.arange(count) / rate
    if events is None:
        events = np.sort(rng.uniform(0, duration - END, rng.poisson(5 * (duration - END) / 1000)))
    events = np.asarray(events, float)
    sizes = np.exp(spread * rng.normal(size=len(events)))
    trace = np.zeros(count)
    for event, size in zip(events, sizes, strict=True):
        first = int(np.ceil(event * rate))
        part = slice(first, first + round(80 * rate))
        taus = (RISE, DECAY) * np.exp(form * rng.normal(size=2)) if form else (RISE, DECAY)
        trace[part] += size * waveform(times[part] - event, *taus)
    if whole:
        trace = through(trace, rate, cutoff) / through(waveform(np.arange(-10, 20, 1 / rate)), rate, cutoff).max()
    noise = rng.normal(size=count + 2000 * bool(cutoff))
    if cutoff:
        noise = through(noise, rate, cutoff)[2000:]
        noise /= noise.std()
    trace += noise / snr
    trace += drift * (np.sin(times * 2 * np.pi / 10_000) + times / duration)
    return Minis(times, PEAK * trace, events, PEAK * sizes)


def paired(found, true, within=0.5):
    """Indices of found and true times that belong together, each once, the nearest first."""
    near, kept = np.abs(found[:, None] - true[None, :]), []
    while near.size and near.min() <= within:
        i, j = np.unravel_index(near.argmin(), near.shape)
        near[i], near[:, j] = np.inf, np.inf
        kept.append((i, j))
    return np.array(sorted(kept), int).reshape(-1, 2)


class Score(NamedTuple):
    precision: float
    recall: float
    time_error: float  # ms, root mean square of what belongs together
    size_error: float  # relative, 1.48 times the median: two events taken for one are few, and far off


def score(found, sizes, true):
    """How right times and sizes are."""
    pairs = paired(found, true.events)
    i, j = pairs.T
    late, off = found[i] - true.events[j], sizes[i] / true.sizes[j] - 1
    spread = float(np.sqrt(np.mean(late**2))), 1.4826 * float(np.median(np.abs(off)))
    return Score(len(pairs) / len(found), len(pairs) / len(true.events), *spread)


def least_errors(rate, snr, cutoff):
    """The standard errors of time (ms) and size (relative) of one event alone, if all but these two is known.

    The Cramer-Rao bound in white noise, of the power that the noise has below the filter: a trace that went through the
    filter as a whole tells no more than what was white before it.
    """
    t, step = np.arange(round(200 * rate)) / rate - 50, 1e-3
    form, slope = waveform(t), (waveform(t + step) - waveform(t - step)) / (2 * step)
    power = 1.0
    if cutoff is not None:
        filter_ = signal.bessel(4, cutoff, fs=rate, output="sos")
        power = 1 / np.mean(np.abs(signal.sosfreqz(filter_, 4096)[1]) ** 2)
    known = [(x**2).sum() * snr**2 / power for x in (slope, form)]
    return tuple(1 / np.sqrt(known))
