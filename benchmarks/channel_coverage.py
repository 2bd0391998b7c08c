"""How often intervals hold the truth: fits of channels by their likelihood, beside least squares.

    python -m benchmarks.channel_coverage [--patches N] [--jobs N]

Each patch is synthetic: 60 channels of three states (closed, open, desensitised) with a unitary current of -1 pA, 10
sweeps of 300 samples under a jump of concentration of 30 ms, and noise of the amplifier of 0.5 pA. Both fits begin at
rates that are up to 2 times off. Intervals to 95 % are 1.96 standard errors of the logarithm to each side. Least
squares says nothing of channels: there the unitary current and their number follow from how the variance between
sweeps depends on their mean, with the middle 95 % of 200 draws of sweeps as interval. The table, which is written to
benchmarks/results/channel-coverage.txt too, has for each quantity how often the interval held the truth, the median
error that each said, as a fraction, and how far the estimates scattered, the root of the mean square of the logarithm
of estimate over truth: of least squares over that of the likelihood it is how much better the latter is.
"""

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np

import synkin

RESULT = Path(__file__).parent / "results" / "channel-coverage.txt"
KERNEL = synkin.scheme(
    """
    C + glu <-> O : kon, koff
    O       <-> D : kd, kr
    """,
    open="O",
    kon=2.0,
    koff=0.5,
    kd=0.1,
    kr=0.05,
    T=1.0,
    T_dur=1.0,
)
TRUE = KERNEL.Params()
RATES = ("kon", "koff", "kd", "kr")
CHANNELS, UNITARY, SIGMA, SWEEPS = 60, -1.0, 0.5, 10
TIMES = np.arange(300) * 0.2  # ms
JUMP = synkin.Jumps([5.0, 35.0], [1.0])
TRUTH = {name: getattr(TRUE, name) for name in RATES} | {"unitary": UNITARY, "channels": float(CHANNELS)}
DRAWS, QUANTILE = 200, 1.96
# The table is written anew after so many patches.
_EVERY = 10


class Found(NamedTuple):
    """An estimate of a quantity."""

    value: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """The standard error of the logarithm that the interval stands for."""
        return abs(np.log(self.high / self.low)) / (2 * QUANTILE)


def patch(seed: int) -> np.ndarray:
    """The sweeps of a patch, (10, 300) pA."""
    keys = jax.random.split(jax.random.key(seed), SWEEPS)
    g = jax.vmap(lambda key: synkin.sample(KERNEL, TRUE, JUMP, TIMES, channels=CHANNELS, key=key))(keys)
    noise = np.random.default_rng(seed).normal(size=g.shape)
    return CHANNELS * UNITARY * np.asarray(g, float) + SIGMA * noise


def by_errors(value: float, error: float) -> Found:
    """An estimate with a standard error."""
    low, high = (value * np.exp(sign * QUANTILE * error / abs(value)) for sign in (-1, 1))
    return Found(value, float(low), float(high))


def variance_against_mean(sweeps: np.ndarray) -> tuple[float, float]:
    """The unitary current and the number of channels from the parabola of Sigworth 1980, J. Physiol. 307:97."""
    mean, variance = sweeps.mean(axis=0), sweeps.var(axis=0, ddof=1)
    size = -mean
    found = np.linalg.lstsq(np.column_stack([np.ones_like(size), size, -(size**2)]), variance, rcond=None)[0]
    return -float(found[1]), float(found[1] / found[2]) if found[2] != 0 else np.inf


def measure(seed: int) -> tuple[dict[str, Found], dict[str, Found], float, float]:
    """What both fits find of a patch, and the seconds that they took."""
    sweeps, rng = patch(seed), np.random.default_rng([seed, 1])
    start = TRUE._replace(**{name: getattr(TRUE, name) * 2 ** rng.uniform(-1, 1) for name in RATES})
    options = {"free": RATES, "scale": "shared", "offset": "shared", "progress": False}
    times = [time.perf_counter()]
    fits = []
    for channels in (True, False):
        fits.append(synkin.fit(KERNEL, start, JUMP, TIMES, sweeps, channels=channels, **options))
        times.append(time.perf_counter())
    likely, least = (
        {name: by_errors(float(fit.free[name]), float(fit.stderr[name])) for name in RATES} for fit in fits
    )
    for name in ("unitary", "channels"):
        likely[name] = by_errors(float(getattr(fits[0], name)), fits[0].stderr[name])
    draws = np.array([variance_against_mean(sweeps[rng.integers(0, SWEEPS, SWEEPS)]) for _ in range(DRAWS)])
    for i, (name, value) in enumerate(zip(("unitary", "channels"), variance_against_mean(sweeps), strict=True)):
        least[name] = Found(value, *map(float, np.quantile(draws[:, i], [0.025, 0.975])))
    return likely, least, times[1] - times[0], times[2] - times[1]


def row(name: str, likely: list[Found], least: list[Found]) -> str:
    """A line of the table."""
    true, cells = TRUTH[name], [name]
    scatters = []
    for found in (likely, least):
        held = np.mean([min(f.low, f.high) <= true <= max(f.low, f.high) for f in found])
        with np.errstate(all="ignore"):
            errors = [f.error for f in found]
            off = np.log(np.array([f.value for f in found]) / true)
        scatters.append(float(np.sqrt(np.nanmean(np.where(np.isfinite(off), off, np.nan) ** 2))))
        cells += [
            f"{100 * held:.1f} %",
            f"{np.nanmedian(errors):.3f}",
            f"{scatters[-1]:.3f}",
            f"{np.nanmedian(off):+.3f}",
        ]
    cells.append(f"{scatters[1] / scatters[0]:.2f}")
    return "".join(cell.ljust(10) if i == 0 else cell.rjust(9) for i, cell in enumerate(cells))


def table(found: list[tuple[dict[str, Found], dict[str, Found], float, float]]) -> str:
    """The whole table."""
    likely, least, seconds, seconds_least = zip(*found, strict=True)
    head = ("held", "error", "scatter", "bias")
    lines = [
        f"{len(found)} patches, {CHANNELS} channels, {SWEEPS} sweeps of {len(TIMES)} samples",
        " " * 10 + "likelihood".rjust(36) + "least squares".rjust(36) + "ratio of".rjust(9),
        " " * 10 + "".join(cell.rjust(9) for cell in (*head, *head, "scatters")),
    ]
    lines += [row(name, [one[name] for one in likely], [one[name] for one in least]) for name in TRUTH]
    lines.append(
        f"seconds a fit, median after the first: {np.median(seconds[1:] or seconds):.2f} and "
        f"{np.median(seconds_least[1:] or seconds_least):.2f}"
    )
    return "\n".join(lines)


def main() -> None:
    """Fit all patches, and print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes (default: 1)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first patch (default: 0)")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.patches)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        found = []
        for one in map(measure, seeds) if arguments.jobs == 1 else pool.map(measure, seeds):
            found.append(one)
            if len(found) % _EVERY == 0 or len(found) == arguments.patches:
                RESULT.write_text(table(found) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
