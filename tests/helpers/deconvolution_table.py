"""How well `synkin.deconvolve` finds events in a synthetic minute at 5 a second, beside a plain threshold.

Run it: ``python -m tests.helpers.deconvolution_table [SEEDS]``, 10 by default;
it takes some ten minutes. Precision and recall
count what lies within 0.5 ms. The error of times is a root mean square, that of sizes 1.48 times the median, of what
belongs together. "least" is the Cramer-Rao bound of an event alone, in noise as strong as it is below the filter. Where
all of the trace was filtered, the kernel is fitted to the answer behind the filter, and its onset is the delay.
"""

import sys
import time

import numpy as np

import synkin
from synkin import dual_expon
from tests.helpers import minis

# What they are called, and what is not as usual.
CASES = {
    "white, 10 kHz": {"rate": 10.0},
    "white, 20 kHz": {"rate": 20.0},
    "white, 50 kHz": {"rate": 50.0},
    "noise below 2 kHz, 20 kHz": {"cutoff": 2.0},
    "all below 2 kHz, 20 kHz": {"cutoff": 2.0, "whole": True},
    "noise below 1 kHz, 10 kHz": {"rate": 10.0, "cutoff": 1.0},
    "all below 1 kHz, 10 kHz": {"rate": 10.0, "cutoff": 1.0, "whole": True},
    "2 kHz, drift of 2 peaks": {"cutoff": 2.0, "drift": 2.0},
    "2 kHz, sizes +-40 %": {"cutoff": 2.0, "spread": 0.4},
    "2 kHz, rise, decay +-20 %": {"cutoff": 2.0, "form": 0.2},
}


def kernel_of(rate=20.0, cutoff=None, whole=False, **_):
    """The parameters of the answer, and its delay in ms."""
    params = dual_expon.Params(tau_rise=minis.RISE, tau_decay=minis.DECAY)
    if not whole:
        return params, 0.0
    times = np.arange(0, 80, 1 / rate)
    behind = minis.through(minis.waveform(times - 5), rate, cutoff)
    free = ("tau_rise", "tau_decay")
    fit = synkin.fit(
        dual_expon, params, [5.0], times, behind, free=free, scale=True, onset=True, progress=False, starts=3
    )
    return fit.params, fit.onset


def main():
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(f"{'':26} SNR   precision   recall    time ms   least   size %  least   seconds | plain: precision recall")
    for name, given in CASES.items():
        params, delay = kernel_of(**given)
        for snr in (3.0, 5.0):
            rows, plain, seconds = [], [], []
            for seed in range(seeds):
                recording = minis.minis(seed, snr=snr, **given)
                start = time.perf_counter()
                found = synkin.deconvolve(dual_expon, params, recording.times, recording.trace)
                seconds.append(time.perf_counter() - start)
                rows.append(minis.score(found.times - delay, found.sizes, recording))
                plain.append(minis.score(*minis.crossings(recording), recording))
            mean, low = np.mean(rows, axis=0), np.mean(plain, axis=0)
            late, off = minis.least_errors(given.get("rate", 20.0), snr, given.get("cutoff"))
            print(
                f"{name:26} {snr:3.0f}   {mean[0]:9.4f}   {mean[1]:6.4f}   {mean[2]:8.3f}   {late:5.3f}   "
                f"{100 * mean[3]:6.1f}  {100 * off:5.1f}   {np.median(seconds):7.1f} | {low[0]:16.4f} {low[1]:6.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
