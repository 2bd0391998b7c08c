"""How well `synkin.fit` recovers short-term plasticity from synthetic trains.

    python -m benchmarks.fit_release [N]      # of N trains for each synapse, 50 by default

A train is 10 spikes at 20 Hz and 6 more at growing distances, whose amplitudes are those of a depressing or of a
facilitating synapse, in white noise of 2 % of the largest response. One fit finds the parameters of release, another
one an amplitude for each spike, of which the second is the paired-pulse ratio. Printed are, for each quantity, the
bias and the standard deviation of the estimates in per cent of the true value, and z: the standard deviation of
(estimate - truth) / error, which is 1 if the errors are right.
"""

import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np

import synkin
from synkin import dual_expon, tsodyks_markram

SPIKES = np.concatenate([50.0 * np.arange(10), 450.0 + np.cumsum([100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0])])  # ms
# 60 ms after each spike, and a little before the first.
TIMES = np.unique(np.concatenate([np.arange(-10.0, 0.0), *(spike + np.arange(60.0) for spike in SPIKES)]))  # ms
CURRENT = dual_expon.Params(tau_rise=1.5, tau_decay=8.0)
NOISE = 0.02  # of the largest response
SCALE = -100.0  # pA
SYNAPSES = {
    "depressing": tsodyks_markram.Params(U=0.5, tau_rec=600.0, tau_fac=20.0),
    "facilitating": tsodyks_markram.Params(U=0.12, tau_rec=130.0, tau_fac=500.0),
}
START = tsodyks_markram.Params(U=0.3, tau_rec=300.0, tau_fac=100.0)

# The quantities that a fit of a trace found: of each the estimate, its error and the truth.
Found = dict[str, tuple[float, float, float]]


def trace_of(release: tsodyks_markram.Params, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A noisy trace, and the weights of its spikes relative to the first."""
    weights = np.asarray(tsodyks_markram.release(release, SPIKES))
    clean = SCALE * np.asarray(synkin.respond(dual_expon, CURRENT, SPIKES, TIMES, weights=weights))
    noise = NOISE * np.ptp(clean) * np.random.default_rng(seed).normal(size=TIMES.size)
    return clean + noise, weights / weights[0]


fit = partial(synkin.fit, dual_expon, dual_expon.Params(), SPIKES, TIMES, scale=True, progress=False)


def by_release(release: tsodyks_markram.Params, seed: int) -> Found:
    """U, tau_rec and tau_fac, together with the time constants of the current."""
    free = ("tau_decay", "tau_rise", "U", "tau_rec", "tau_fac")
    result = fit(trace_of(release, seed)[0], free=free, release=START)
    found = result.release
    return {
        name: (getattr(found, name), float(result.stderr[name]), float(getattr(release, name))) for name in free[2:]
    }


def by_weights(release: tsodyks_markram.Params, seed: int) -> Found:
    """The paired-pulse ratio, from an amplitude for each spike."""
    trace, weights = trace_of(release, seed)
    result = fit(trace, free=("tau_decay", "tau_rise"), weights="free", starts=3)
    return {"weight_1": (float(result.weights[1]), float(result.stderr["weight_1"]), float(weights[1]))}


def summary(find: Callable[[int], Found], number: int) -> dict[str, tuple[float, float, float]]:
    """Bias and standard deviation relative to the truth, and that of z, for each quantity."""
    trains = [find(seed) for seed in range(number)]
    rows = {}
    for name in trains[0]:
        estimate, error, truth = np.array([train[name] for train in trains]).T
        relative = estimate / truth - 1
        rows[name] = float(relative.mean()), float(relative.std(ddof=1)), float(((estimate - truth) / error).std())
    return rows


def main(number: int = 50) -> None:
    """Print a line for each quantity."""
    print(f"{number} trains each, noise of {100 * NOISE:g} %")
    print(f"{'synapse':<14}{'quantity':<10}{'truth':>8}{'bias %':>9}{'std %':>8}{'z':>7}{'s a fit':>9}")
    for synapse, release in SYNAPSES.items():
        for way in (by_release, by_weights):
            find = partial(way, release)
            truths = {name: truth for name, (_, _, truth) in find(0).items()}  # compiled once
            began = time.perf_counter()
            for name, (bias, deviation, z) in summary(find, number).items():
                seconds = (time.perf_counter() - began) / number
                numbers = f"{100 * bias:>9.2f}{100 * deviation:>8.2f}{z:>7.2f}{seconds:>9.2f}"
                print(f"{synapse:<14}{name:<10}{truths[name]:>8.3g}{numbers}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
