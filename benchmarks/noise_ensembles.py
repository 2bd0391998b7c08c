"""Noise analysis of synthetic ensembles whose channels are known: bias of its numbers and coverage of its intervals.

    python -m benchmarks.noise_ensembles [--ensembles N] [--recorded FILE]

results/noise-ensembles.txt is what it printed.

Channels are drawn by `synkin.sample`, exact in distribution: a unitary current of -1 pA, and white noise of the
amplifier. Each row is 100 ensembles. Bias and scatter are those of the estimates relative to the truth; error is the
mean of the standard errors that are given, which should be the scatter; covered is how often the 95 % interval holds
the truth (100 ensembles tell it to about 2 %). The number of channels may be infinite, so that its estimate has no
mean: the columns are those of 1 / N, whose interval is that of N. False alarms are messages of rundown, where there is
none, or of outliers.

--recorded is a file of miniature events, a column each after the time and their mean.
"""

import argparse
import os
from typing import NamedTuple

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np

import synkin
from synkin import NoiseAnalysis, ampa
from synkin.schemes import ampa5, nmda5

UNITARY = -1.0  # pA
SPIKE = 10.0  # ms


class Ensemble(NamedTuple):
    """What is drawn, and how it is analysed."""

    name: str
    kernel: synkin.Kernel
    params: NamedTuple
    duration: float  # ms
    sweeps: int
    channels: int = 60
    sigma: float = 1.0  # pA, of the amplifier
    scaled: bool = False
    successive: bool = True
    varying: float = 0.0  # the coefficient of variation of the number of channels between sweeps,
    varying_current: float = 0.0  # and that of the current of a channel
    rundown: float = 0.0  # the fraction of channels that is lost from the first sweep to the last


AMPA = ampa.Params(alpha=3.0, beta=0.25, T=1.0, T_dur=0.6)
ENSEMBLES = (
    Ensemble("ampa, 50 sweeps", ampa, AMPA, 40.0, 50),
    Ensemble("ampa, 50 sweeps, around the mean", ampa, AMPA, 40.0, 50, successive=False),
    Ensemble("ampa, 20 sweeps", ampa, AMPA, 40.0, 20),
    Ensemble("ampa, 200 sweeps", ampa, AMPA, 40.0, 200),
    Ensemble("ampa, 50 sweeps, a third runs down", ampa, AMPA, 40.0, 50, rundown=1 / 3),
    Ensemble("the same, around the mean", ampa, AMPA, 40.0, 50, rundown=1 / 3, successive=False),
    Ensemble("ampa5, 50 sweeps", ampa5, ampa5.Params(), 40.0, 50),
    Ensemble("nmda5, 50 sweeps", nmda5, nmda5.Params(), 200.0, 50, sigma=0.3),
    Ensemble("ampa, scaled, 50 events, N varies by 30 %", ampa, AMPA, 40.0, 50, scaled=True, varying=0.3),
    Ensemble("ampa, scaled, 21 events, N varies by 30 %", ampa, AMPA, 40.0, 21, scaled=True, varying=0.3),
    Ensemble("ampa, scaled, 50 events, i varies by 30 %", ampa, AMPA, 40.0, 50, scaled=True, varying_current=0.3),
    Ensemble("ampa5, scaled, 50 events, N varies by 30 %", ampa5, ampa5.Params(), 40.0, 50, scaled=True, varying=0.3),
)


def analyses(ensemble: Ensemble, count: int) -> list[NoiseAnalysis]:
    """The analysis of each of ``count`` ensembles."""
    times = np.linspace(0.0, ensemble.duration, 401)

    @jax.jit
    @jax.vmap
    def draw(key: jax.Array, channels: jax.Array) -> jax.Array:
        return synkin.sample(ensemble.kernel, ensemble.params, [SPIKE], times, channels=channels, key=key)

    found = []
    for number in range(count):
        rng = np.random.default_rng([number, ensemble.sweeps])
        kept = np.linspace(1, 1 - ensemble.rundown, ensemble.sweeps)
        sizes = np.maximum(kept * (1 + ensemble.varying * rng.normal(size=ensemble.sweeps)), 0.1)
        currents = np.maximum(1 + ensemble.varying_current * rng.normal(size=ensemble.sweeps), 0.1)
        channels = np.round(ensemble.channels * sizes).astype(int)
        g = np.asarray(draw(jax.random.split(jax.random.key(number), ensemble.sweeps), channels))
        traces = UNITARY * (currents * channels)[:, None] * g + ensemble.sigma * rng.normal(size=g.shape)
        found.append(
            synkin.noise_analysis(
                times,
                traces,
                window=(SPIKE, ensemble.duration),
                baseline=(0.0, SPIKE - 0.5),
                scaled=ensemble.scaled,
                successive=ensemble.successive,
                key=number,
            )
        )
    return found


def row(name: str, ensemble: Ensemble, found: list[NoiseAnalysis]) -> str:
    """A line of the table."""
    unitary = np.array([one.unitary for one in found]) / UNITARY
    errors = np.array([one.stderr["unitary"] for one in found])
    cells = [f"{name:<44}", *_cells(unitary - 1, errors, [one.interval95["unitary"] for one in found], UNITARY)]
    if ensemble.scaled:
        cells += [f"{'':>8}"] * 4
    else:
        true = ensemble.channels * (1 - ensemble.rundown / 2)
        inverse = true * np.array([one.curvature for one in found])
        # Of 1 / N, relative: that of N is the same where N is finite.
        errors = np.array([one.stderr["channels"] * one.curvature**2 * true for one in found])
        cells += _cells(inverse - 1, errors[np.isfinite(errors)], [one.interval95["channels"] for one in found], true)
    alarms = sum("deviate" in one.message or "the peak" in one.message.split("at the peak")[-1] for one in found)
    return " ".join([*cells, f"{alarms:>6}"]).rstrip()


def _cells(off: np.ndarray, errors: np.ndarray, intervals: list[tuple[float, float]], true: float) -> list[str]:
    """Bias, scatter, the errors that were given and how often the intervals hold the truth."""
    covered = np.mean([low <= true <= high for low, high in intervals])
    shown = (off.mean(), off.std(ddof=1), errors.mean(), covered)
    return [f"{100 * value:{sign}7.0f}%" for value, sign in zip(shown, ("+", "", "", ""), strict=True)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ensembles", type=int, default=100, metavar="N")
    parser.add_argument("--recorded", metavar="FILE")
    arguments = parser.parse_args()
    print(f"{arguments.ensembles} ensembles each, 60 channels of {UNITARY:g} pA, jax {jax.__version__}\n")
    heads = ("bias", "scatter", "error", "covered")
    print(f"{'':<44} {'unitary current':>35} {'1 / channels':>35}  false")
    print(" ".join([f"{'':<44}", *(f"{head:>8}" for head in heads * 2), "alarms"]))
    for ensemble in ENSEMBLES:
        print(row(ensemble.name, ensemble, analyses(ensemble, arguments.ensembles)), flush=True)
    if arguments.recorded:
        events = synkin.read_recording(arguments.recorded, sweeps="1:")
        found = synkin.noise_analysis(events, window=(2.0, 15.0), baseline=(0.0, 2.5), scaled=True, driving_force=-80.0)
        print(f"\n{events}\n{found.message}")
        print(
            "95 % intervals:", {name: tuple(round(end, 3) for end in ends) for name, ends in found.interval95.items()}
        )
        for end in (6.0, 10.0, 16.9):
            other = synkin.noise_analysis(events, window=(2.0, end), baseline=(0.0, 2.5), scaled=True)
            print(f"window to {end:g} ms: {other.unitary:.2f} ± {other.stderr['unitary']:.2f} {events.unit}")


if __name__ == "__main__":
    main()
