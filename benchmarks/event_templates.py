"""Miniature events by templates of the wrong shape, and in traces with something else in them.

    python -m benchmarks.event_templates            # a line a case and seed, some minutes
    python -m benchmarks.event_templates --quick    # one seed

Four seconds at 20 kHz with 39 events: tau_rise 0.25, tau_decay 2.5 ms, inward, of 20 pA with a standard deviation of
30 %, in noise of 2 pA below 2 kHz. In turn the template is slower or faster than the events, or the trace has something
that is no event. Each line has how many of the events were found, how many others, and what `Events.message` says.
Beside it the same of a plain threshold (a sample 5 standard deviations below a running median, once in 5 ms) and
of the criterion of Clements and Bekkers 1997 (4 or more, of a fit of scale and offset at each sample) with the same
template.
"""

import argparse
import time

import numpy as np
from scipy import ndimage, signal

import synkin
from synkin import dual_expon

RATE, SECONDS, EVENTS, PEAK, NOISE = 20.0, 4, 39, -20.0, 2.0
TRUE = dual_expon.Params(tau_rise=0.25, tau_decay=2.5)
SLOWER = (0.5, 1.0, 1.4, 2.0, 3.2)
WITHIN = 1.0  # ms between an event and what was found of it


def shape(t, rise=0.25, decay=2.5):
    """Two exponentials from 0 ms on, with a peak of 1."""
    top = rise * decay / (decay - rise) * np.log(decay / rise)
    late = np.maximum(t, 0.0)
    return np.where(t >= 0, np.exp(-late / decay) - np.exp(-late / rise), 0.0) / (
        np.exp(-top / decay) - np.exp(-top / rise)
    )


def plain(seed, *, others=(), factor=1.0, **_):
    """Times, trace, and the times of the events in it; ``others`` are the sizes of events of the other sign."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(1000 * SECONDS * RATE)) / RATE
    at = np.sort(rng.uniform(20, 1000 * SECONDS - 50, EVENTS))
    sizes = PEAK * np.exp(0.3 * rng.normal(size=at.size))
    noise = signal.sosfilt(signal.bessel(4, 2.0, fs=RATE, output="sos"), rng.normal(size=times.size + 2000))[2000:]
    trace = NOISE * noise / noise.std() - 15.0
    for event, size in zip(at, sizes, strict=True):
        part = slice(int(event * RATE), int((event + 40) * RATE))
        trace[part] += size * shape(times[part] - event)
    for i, size in enumerate(others):
        trace += size * shape(times - 400.0 - 1111.0 * i)
    return times, trace, at


def membrane_test(times, trace, length=100.0, step=-60.0, transient=-700.0):
    """A step of the voltage with two capacitive transients, as an amplifier adds it."""
    for start, way in ((2000.0, 1.0), (2000.0 + length, -1.0)):
        after = np.maximum(times - start, 0.0)
        trace = trace + way * (times >= start) * (step + transient * np.exp(-after / 0.4))
    return trace


def pulse(times, trace, length, size):
    """A square pulse."""
    return trace + size * ((times >= 2000.0) & (times < 2000.0 + length))


CASES = {
    **{f"template {factor:g} times as slow": {"factor": factor} for factor in SLOWER},
    "3 events of the other sign, 40 pA": {"others": (40.0,) * 3},
    "3 events of the other sign, 100 pA": {"others": (100.0,) * 3},
    "membrane test of 100 ms": {"change": membrane_test},
    "artefact of 1 ms, -100 pA": {"change": lambda t, y: pulse(t, y, 1.0, -100.0)},
    "artefact of 1 ms, +100 pA": {"change": lambda t, y: pulse(t, y, 1.0, 100.0)},
    "pulse of 10 ms, -100 pA": {"change": lambda t, y: pulse(t, y, 10.0, -100.0)},
    "pulse of 10 ms, +100 pA": {"change": lambda t, y: pulse(t, y, 10.0, 100.0)},
    "gap of 500 ms (NaN)": {"change": lambda t, y: np.where((t >= 2000) & (t < 2500), np.nan, y)},
    "hum, 10 pA at 50 Hz": {"change": lambda t, y: y + 10.0 * np.sin(2 * np.pi * 0.05 * t)},
    "baseline drifts by 60 pA": {"change": lambda t, y: y + 30.0 * np.sin(2 * np.pi * t / 5000.0) + 6e-3 * t},
}


def by_threshold(times, trace, params):
    """A sample 5 standard deviations beyond the median of 100 ms around it."""
    filled = np.interp(times, times[np.isfinite(trace)], trace[np.isfinite(trace)])
    coarse = ndimage.median_filter(filled[::20], 100)
    height = -(filled - np.interp(times, times[::20], coarse))
    deviation = 1.4826 * np.median(np.abs(height))
    return times[signal.find_peaks(height, 5 * deviation, distance=int(5 * RATE))[0]] - 0.6


def by_clements_bekkers(times, trace, params):
    """Where the template's scale over its standard error is 4 or more (Clements and Bekkers 1997, eqs. 1 to 9)."""
    filled = np.interp(times, times[np.isfinite(trace)], trace[np.isfinite(trace)])
    decay = params.tau_decay
    template = -shape(np.arange(int(5 * decay * RATE)) / RATE - 0.5 * decay, params.tau_rise, decay)
    n, ones = len(template), np.ones(len(template))
    products, sums, squares = (
        signal.fftconvolve(series, window[::-1], mode="valid")
        for series, window in ((filled, template), (filled, ones), (filled**2, ones))
    )
    scale = (products - template.sum() * sums / n) / ((template**2).sum() - template.sum() ** 2 / n)
    offset = (sums - scale * template.sum()) / n
    error = squares + scale**2 * (template**2).sum() + n * offset**2
    error -= 2 * (scale * products + offset * sums - scale * offset * template.sum())
    criterion = scale / np.sqrt(np.maximum(error, 1e-9) / (n - 1))
    return times[signal.find_peaks(criterion, 4.0, distance=int(decay * RATE))[0]] + 0.5 * decay


def by_synkin(times, trace, params):
    """Times, and what is said."""
    found = synkin.deconvolve(dual_expon, params, times, trace)
    return found.times, getattr(found, "message", "")


def score(found, true):
    """How many of the true events were found, and how many others."""
    near = np.abs(found[:, None] - true[None, :])
    right = 0
    while near.size and near.min() <= WITHIN:
        i, j = np.unravel_index(near.argmin(), near.shape)
        near[i], near[:, j] = np.inf, np.inf
        right += 1
    return f"{right:4d} {len(found) - right:5d}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed instead of three")
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    arguments = parser.parse_args()
    print(f"{'':36} of   synkin     threshold  Clements-B.  s    message")
    for name, case in CASES.items():
        if arguments.only not in name:
            continue
        for seed in range(1 if arguments.quick else 3):
            times, trace, true = plain(seed, **case)
            trace = case["change"](times, trace) if "change" in case else trace
            true = true[np.isfinite(trace[np.searchsorted(times, true)])]
            params = dual_expon.Params(*(case.get("factor", 1.0) * np.array(TRUE[:2])))
            started = time.perf_counter()
            try:
                found, said = by_synkin(times, trace, params)
                right = score(found, true)
            except Exception as error:
                right, said = f"{'':10}", f"{type(error).__name__}: {error}"
            seconds = time.perf_counter() - started
            others = "  ".join(score(find(times, trace, params), true) for find in (by_threshold, by_clements_bekkers))
            print(f"{name:36} {len(true)}  {right}  {others}  {seconds:4.1f}  {said}", flush=True)


if __name__ == "__main__":
    main()
