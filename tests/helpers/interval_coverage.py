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

from synkin import dual_expon
from tests.helpers.traces import fitted, noise, two_exponentials

TIMES, SPIKE = np.arange(600) / 10, 5.03  # ms
FREE, TRUE = ("tau_decay", "tau_rise"), np.array([6.0, 1.2])
MEMORY, SWEEPS = {"white": 0.0, "filtered": 0.8}, 10
NORMAL = np.array([0.9945, 1.96])  # the normal curve's quantiles of 68 and 95 %


def coverage(memory, number, draws, *, rows=1):
    """The part of ``number`` recordings of which each interval holds the truth: {way: (P, 2)} for 68 and 95 %."""
    rng, held = np.random.default_rng(0), {}
    for _ in range(number):
        clean = 1.0 - 30.0 * two_exponentials(TIMES, *TRUE, SPIKE)
        traces = clean + 1.5 * noise((rows, TIMES.size), rng, memory)
        given = {"params": dual_expon.Params(*TRUE), "spike_times": [SPIKE], "times": TIMES, "starts": 1}
        fit = fitted(traces if rows > 1 else traces[0], dual_expon, **given)
        values, errors = (np.array([found[name] for name in FREE]) for found in (fit.params._asdict(), fit.stderr))
        profiles = [fit.profile(name) for name in FREE]
        drawn = fit.bootstrap(draws, key=1, over="sweeps" if rows > 1 else "blocks")
        ends = {
            "standard error": values[:, None, None] + errors[:, None, None] * NORMAL[:, None] * [-1, 1],
            "profile": np.array([[each.interval68, each.interval95] for each in profiles]),
            "bootstrap": np.array([[drawn.interval68[name], drawn.interval95[name]] for name in FREE]),
        }
        for way, each in ends.items():
            inside = (each[:, :, 0] <= TRUE[:, None]) & (TRUE[:, None] <= each[:, :, 1])
            held[way] = held.get(way, 0) + inside / number
    return held


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
