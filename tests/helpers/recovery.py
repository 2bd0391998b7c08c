"""How well a fit finds the rates of a scheme again, from jumps of concentration on a patch with noise.

python -m tests.helpers.recovery [SEEDS]     each rate over the true one, and whether its 95 % interval holds that
"""

import sys

import numpy as np

import synkin
from tests.helpers.precision import enable_x64

KERNEL = synkin.schemes.nmda5
RATES = ("kon", "koff", "kd", "kr", "beta", "alpha")
CONCENTRATIONS = (0.003, 0.01, 0.1, 1.0)  # mM, each for 500 ms
EDGES = np.array([50.0, 550.0])
SCALE = -500.0  # pA
NOISE = 0.01  # of the largest current


def sweeps(seed, samples=1500):
    """Times, and a row of current for each concentration."""
    times = np.arange(samples) * (1500.0 / samples)
    with enable_x64():
        g = [synkin.concentration_jumps(KERNEL, KERNEL.Params(), EDGES, [c], times) for c in CONCENTRATIONS]
    current = SCALE * np.array(g)
    return times, current + np.random.default_rng(seed).normal(0, NOISE * np.abs(current).max(), current.shape)


def fitted(times, traces, concentrations=CONCENTRATIONS, **options):
    """A fit that starts a factor of 2 off."""
    start = KERNEL.Params(kon=8.0, koff=0.02, kd=0.004, kr=0.01, beta=0.1, alpha=0.05)
    protocol = synkin.Jumps(EDGES, np.array(concentrations)[:, None])
    options = {"scale": "shared", "starts": 3} | options
    return synkin.fit(KERNEL, start, protocol, times, traces, free=RATES, progress=False, **options)


def main(seeds):
    true, held = KERNEL.Params(), 0
    print("seed  " + "".join(f"{name:>16}" for name in RATES) + "   R^2     seconds")
    for seed in range(seeds):
        fit = fitted(*sweeps(seed))
        cells = []
        for name in RATES:
            value, error, right = (x / getattr(true, name) for x in _of(fit, name, true))
            held += abs(value - right) < 1.96 * error
            cells.append(f"{value:8.3f} ± {error:.3f}")
        print(f"{seed:4}  " + "".join(f"{cell:>16}" for cell in cells) + f"   {fit.r_squared:.4f}  {fit.seconds:.1f}")
    print(f"The 95 % interval holds the truth in {held} of {seeds * len(RATES)}.")
    times, traces = sweeps(0)
    for i in (3, 0):
        print(
            f"\nOf the sweep at {CONCENTRATIONS[i]:g} mM alone: {fitted(times, traces[[i]], CONCENTRATIONS[i : i + 1])}"
        )


def _of(fit, name, true):
    return getattr(fit.params, name), fit.stderr[name], getattr(true, name)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
