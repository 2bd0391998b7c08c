"""How often intervals hold the truth: standard errors, profiles and the bootstrap, with white and with filtered noise.

    python -m tests.helpers.interval_coverage [N]      of N synthetic recordings each, 200 by default

A response of `synkin.dual_expon` in noise of 5 % of its peak, of which tau_decay, tau_rise, scale and offset are
fitted. Filtered noise is a first-order autoregression, each sample being made of 0.8 of the last: 9 count as one. The
bootstrap is over residuals in blocks, and, in the rows of 10 sweeps that differ in nothing but their noise, over these.
"""

import os
import sys

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np

import synkin

TIMES = np.arange(600) / 10  # ms
SPIKE, TRUE = 5.03, {"tau_decay": 6.0, "tau_rise": 1.2}
FREE = tuple(TRUE)
SCALE, LEVEL, MEMORY = -30.0, 0.05, {"white": 0.0, "filtered": 0.8}
SWEEPS = 10
# The normal curve's quantiles of 68 and 95 %.
NORMAL = (0.9945, 1.96)
WAYS = ("standard error", "profile", "bootstrap")


def clean():
    """The response without noise, from the difference of two exponentials."""
    decay, rise = TRUE.values()
    age = np.maximum(TIMES - SPIKE, 0)
    at_peak = decay * rise / (decay - rise) * np.log(decay / rise)
    shape = np.exp(-age / decay) - np.exp(-age / rise)
    return SCALE * shape / (np.exp(-at_peak / decay) - np.exp(-at_peak / rise)) + 1.0


def noise(memory, rows, rng):
    """Stationary noise of variance 1, (rows, M)."""
    made = rng.normal(size=(rows, TIMES.size))
    for i in range(1, TIMES.size):
        made[:, i] = memory * made[:, i - 1] + np.sqrt(1 - memory**2) * made[:, i]
    return made


def intervals(fit, draws, ways=WAYS, over=None):
    """Lower and upper ends, by way, parameter and level: {way: (P, 2, 2)}."""
    found = {}
    if "standard error" in ways:
        known = [(getattr(fit.params, name), fit.stderr[name]) for name in FREE]
        found["standard error"] = np.array([[(v - z * e, v + z * e) for z in NORMAL] for v, e in known])
    if "profile" in ways:
        profiles = [fit.profile(name) for name in FREE]
        found["profile"] = np.array([[p.interval68, p.interval95] for p in profiles])
    if "bootstrap" in ways:
        drawn = fit.bootstrap(draws, key=1, over=over)
        found["bootstrap"] = np.array([[drawn.interval68[n], drawn.interval95[n]] for n in FREE])
    return found


def coverage(memory, number, draws, *, rows=1, ways=WAYS, seed=0):
    """The part of ``number`` recordings of which each interval holds the truth: {way: (P, 2)} for 68 and 95 %."""
    rng = np.random.default_rng(seed)
    true = np.array(list(TRUE.values()))[:, None]
    held = {way: np.zeros((len(FREE), 2)) for way in ways}
    start = synkin.dual_expon.Params(**TRUE)
    for _ in range(number):
        traces = clean() + LEVEL * abs(SCALE) * noise(memory, rows, rng)
        trace = traces[0] if rows == 1 else traces
        fit = synkin.fit(
            synkin.dual_expon, start, [SPIKE], TIMES, trace, free=FREE, scale=True, offset=True, starts=1,
            progress=False,
        )  # fmt: skip
        for way, ends in intervals(fit, draws, ways, "sweeps" if rows > 1 else "blocks").items():
            held[way] += (ends[:, :, 0] <= true) & (true <= ends[:, :, 1])
    return {way: count / number for way, count in held.items()}


def main(number):
    """Print the table."""
    jax.config.update("jax_enable_x64", True)
    print(f"{number} recordings each: the part in which the 68 and the 95 % interval hold the truth")
    print(f"{'noise':10}{'sweeps':>7}  {'interval':16}" + "".join(f"{name:>16}" for name in FREE))
    for name, memory in MEMORY.items():
        for rows in (1, SWEEPS):
            for way, parts in coverage(memory, number, 200, rows=rows).items():
                cells = [f"{100 * narrow:.0f} {100 * wide:.0f}" for narrow, wide in parts]
                print(f"{name:10}{rows:7}  {way:16}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
