"""What fits say of recordings that are easily misjudged, beside what is true of them.

    python -m benchmarks.fit_verdicts [--seeds N] [--only NAME]      the cases, 20 seeds each
    python -m benchmarks.fit_verdicts --alarms [--seeds N]            how often a warning is false, 100 seeds each
    python -m benchmarks.fit_verdicts --coverage [--seeds N]          how often intervals hold the truth, 100 seeds each

Each case is a synthetic recording whose fit is compared with the truth: the bias and the scatter of the first quantity
that is named, in per cent; how often one of them is off by more than 3 errors; how often `identifiable` is True; how
often there is a warning; and of each quantity the standard deviation of z = (estimate - truth) / error, which is 1
where errors are right. Below stand the sentences of the message with their numbers left out, and how often each came.
All of it uses only what a fit has had since synkin 0.3, so that an older version can be measured too.
"""

import argparse
import collections
import contextlib
import functools
import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np

import synkin
from synkin import ampa, dual_expon

TIMES, SPIKE = np.arange(600) / 10, 10.03  # ms
PARAMS = dual_expon.Params(tau_decay=5.0, tau_rise=0.8)
SHAPE = {"free": ("tau_decay", "tau_rise"), "scale": True, "offset": True}


class Case(NamedTuple):
    """A fit, and the truth about some of its quantities, by name."""

    fit: Any
    truth: dict[str, float]

    def value(self, name: str) -> float:
        """What the fit found."""
        return float(getattr(self.fit.params, name, None) or getattr(self.fit, name))

    @property
    def z(self) -> dict[str, float]:
        """How many errors each is off."""
        return {name: (self.value(name) - true) / self.fit.stderr[name] for name, true in self.truth.items()}


def response(times: np.ndarray, tau_decay: float = 5.0, tau_rise: float = 0.8, onset: float = SPIKE) -> np.ndarray:
    """The difference of two exponentials, of peak 1."""
    age, ratio = np.maximum(times - onset, 0), tau_decay / tau_rise
    peak = ratio ** (-1 / (ratio - 1)) - ratio ** (-ratio / (ratio - 1))
    return (np.exp(-age / tau_decay) - np.exp(-age / tau_rise)) / peak


def noise(rng: np.random.Generator, shape: tuple[int, ...], memory: float = 0.0) -> np.ndarray:
    """Normal noise of 1, each sample made of ``memory`` parts of the last."""
    made = rng.normal(size=shape)
    for i in range(1, shape[-1]):
        made[..., i] = memory * made[..., i - 1] + np.sqrt(1 - memory**2) * made[..., i]
    return made


def fitted(trace: np.ndarray, times: np.ndarray = TIMES, **options: Any) -> Any:
    """A fit of `synkin.dual_expon` after one spike."""
    usual = {"params": PARAMS, "spike_times": [SPIKE], **SHAPE, "progress": False, "unit": "pA"} | options
    return synkin.fit(dual_expon, times=times, trace=trace, **usual)


def judged(fit: Any, **other: float) -> Case:
    """The fit of a response of `CLEAN`'s shape, unless some quantities are ``other`` ones."""
    own = {"scale": -20.0} if np.ndim(fit.scale) == 0 else {}
    return Case(fit, {"tau_decay": 5.0, "tau_rise": 0.8} | own | other)


CLEAN = -20 * response(TIMES)  # pA


def noise_of_known_size(rng: np.random.Generator) -> Case:
    """Noise of 1 pA, and of 12 pA for 10 ms, both given."""
    sigma = np.where((TIMES > 14) & (TIMES < 24), 12.0, 1.0)
    return judged(fitted(CLEAN + sigma * noise(rng, TIMES.shape), sigma=sigma))


def artefact_weighted_down(rng: np.random.Generator) -> Case:
    """An artefact of 300 pA over 5 ms, to which an error of 1,000 is given."""
    sigma = np.where((TIMES > 30) & (TIMES < 35), 1000.0, 1.0)
    return judged(fitted(CLEAN + noise(rng, TIMES.shape) + 300 * (sigma > 1), sigma=sigma))


def coarse_converter(rng: np.random.Generator) -> Case:
    """Noise of 0.1 pA behind a converter with steps of 0.5 pA."""
    return judged(fitted(0.5 * np.round((CLEAN + 0.1 * noise(rng, TIMES.shape)) / 0.5)))


def ampa_and_nmda(rng: np.random.Generator) -> Case:
    """Rise and decay of 0.4 and 4 ms, and of 4 and 80 ms with a quarter of the peak; all are sought."""
    times = np.arange(600) / 2
    trace = -20 * (response(times, 4.0, 0.4) + 0.25 * response(times, 80.0, 4.0)) + 0.4 * noise(rng, times.shape)
    kernel = dual_expon + dual_expon
    start = kernel.Params()._replace(
        dual_expon1_tau_rise=0.5, dual_expon1_tau_decay=3.0, dual_expon2_tau_rise=5.0, dual_expon2_tau_decay=60.0
    )
    free = [name for name in start._fields if "tau" in name or name.startswith("g_")]
    fit = synkin.fit(
        kernel, start, [SPIKE], times, trace, free=free, scale=True, offset=True, progress=False, unit="pA"
    )
    true = {"dual_expon2_tau_rise": 4.0, "dual_expon1_tau_rise": 0.4, "dual_expon1_tau_decay": 4.0}
    return Case(fit, true | {"dual_expon2_tau_decay": 80.0, "g_dual_expon2": 0.25})


def two_decays(rng: np.random.Generator) -> Case:
    """Decays of 3 and 15 ms, half each, in noise of 5 %, fitted by one: there is no right value."""
    trace = -20 * (response(TIMES, 3.0) + response(TIMES, 15.0)) / 2 + noise(rng, TIMES.shape)
    return Case(fitted(trace), {})


def clipped(rng: np.random.Generator) -> Case:
    """Clipped at -15 of -20 pA."""
    return judged(fitted(np.maximum(CLEAN + 0.5 * noise(rng, TIMES.shape), -15.0)))


def noise_of_channels(rng: np.random.Generator) -> Case:
    """Noise whose variance grows with the current, to 10 times its standard deviation at the peak."""
    return judged(fitted(CLEAN + 0.2 * np.sqrt(1 + 99 * response(TIMES)) * noise(rng, TIMES.shape)))


def slow_noise(rng: np.random.Generator) -> Case:
    """Noise of 5 % with a time constant of 30 ms."""
    return judged(fitted(CLEAN + noise(rng, TIMES.shape, np.exp(-0.1 / 30))))


def events_that_differ(rng: np.random.Generator) -> Case:
    """30 events, whose decay and size differ by 20 and 30 %, in noise of 5 %; the truth is what 1,000 of them give."""

    fit = fitted(_events(rng, 30) + noise(rng, (30, TIMES.size)), starts=3)
    return judged(fit, **_truth_of_events())


def _events(rng: np.random.Generator, number: int) -> np.ndarray:
    decays, sizes = 5 * np.exp(0.2 * rng.normal(size=number)), -20 * np.exp(0.3 * rng.normal(size=number))
    return np.stack([size * response(TIMES, own) for size, own in zip(sizes, decays, strict=True)])


@functools.cache
def _truth_of_events() -> dict[str, float]:
    # What fits of 100 events each give on average, which differs from the mean decay.
    fits = [fitted(_events(np.random.default_rng(1000 + i), 100), starts=1).params for i in range(10)]
    return {name: float(np.mean([getattr(fit, name) for fit in fits])) for name in SHAPE["free"]}


def same_misfit_in_all(rng: np.random.Generator) -> Case:
    """30 events of two decays each, of 3 and 15 ms, in noise of 5 %, fitted by one; the truth is that without noise."""
    clean = -20 * (response(TIMES, 3.0) + response(TIMES, 15.0)) / 2
    truth = fitted(clean, starts=1).params
    traces = clean + noise(rng, (30, TIMES.size))
    return judged(fitted(traces, starts=3), tau_decay=truth.tau_decay, tau_rise=truth.tau_rise)


def reversal_potential(rng: np.random.Generator) -> Case:
    """Seven voltages, of which one is the reversal potential."""
    scale = np.array([-60.0, -40.0, -20.0, 0.0, 20.0, 40.0, 60.0]) / 3
    return judged(fitted(scale[:, None] * response(TIMES) + 0.5 * noise(rng, (7, TIMES.size)), starts=3))


def far_start(rng: np.random.Generator) -> Case:
    """ampa from 100 times the right rates and a hundredth of the pulse; 0.998 can be explained."""
    right, times = ampa.Params(alpha=1.5, beta=0.2, T=1.0, T_dur=1.0), np.arange(300) / 5
    clean = -20 * np.asarray(synkin.respond(ampa, right, np.array([SPIKE]), times), float)
    trace = clean + 0.01 * np.ptp(clean) * noise(rng, times.shape)
    given = {"free": ("alpha", "beta", "T_dur"), "scale": True, "offset": True, "onset": True, "progress": False}
    start = ampa.Params(alpha=150.0, beta=20.0, T=1.0, T_dur=0.01)
    return Case(synkin.fit(ampa, start, [SPIKE], times, trace, **given), {"beta": 0.2})


def white_noise(rng: np.random.Generator) -> Case:
    """Noise of 5 %: nothing is to be warned of."""
    return judged(fitted(CLEAN + noise(rng, TIMES.shape)))


def filtered_noise(rng: np.random.Generator) -> Case:
    """Noise of 5 %, each sample made of 0.8 parts of the last: nothing is to be warned of."""
    return judged(fitted(CLEAN + noise(rng, TIMES.shape, 0.8)))


def more_filtered_noise(rng: np.random.Generator) -> Case:
    """Noise of 5 %, each sample made of 0.9 parts of the last: nothing is to be warned of."""
    return judged(fitted(CLEAN + noise(rng, TIMES.shape, 0.9)))


def noise_without_baseline(rng: np.random.Generator) -> Case:
    """As filtered noise, in a recording that begins at the spike and ends in the decay."""
    times = SPIKE + np.arange(600) / 30
    return judged(fitted(-20 * response(times) + noise(rng, times.shape, 0.8), times))


def little_noise(rng: np.random.Generator) -> Case:
    """Filtered noise of 0.5 %, onset free: nothing is to be warned of."""
    return judged(fitted(CLEAN + 0.1 * noise(rng, TIMES.shape, 0.8), onset=True))


def ten_sweeps(rng: np.random.Generator) -> Case:
    """Ten sweeps that differ in their noise alone, which is filtered."""
    return judged(fitted(CLEAN + noise(rng, (10, TIMES.size), 0.8), starts=3))


def ten_spikes(rng: np.random.Generator) -> Case:
    """A train, in filtered noise."""
    spikes = SPIKE + 4.0 * np.arange(10)
    clean = -20 * sum(response(TIMES, onset=spike) for spike in spikes)
    return judged(fitted(clean + noise(rng, TIMES.shape, 0.5), spike_times=spikes, starts=3))


CASES: dict[str, Callable[[np.random.Generator], Case]] = {
    case.__name__: case
    for case in (
        noise_of_known_size,
        artefact_weighted_down,
        coarse_converter,
        ampa_and_nmda,
        two_decays,
        clipped,
        noise_of_channels,
        slow_noise,
        events_that_differ,
        same_misfit_in_all,
        reversal_potential,
        far_start,
    )
}
CONTROLS = (
    white_noise,
    filtered_noise,
    more_filtered_noise,
    noise_without_baseline,
    little_noise,
    ten_sweeps,
    ten_spikes,
)
# Sentences that warn of nothing.
HARMLESS = ("noise the rest", "starts of the search ended at", "The residuals of neighbouring samples are correlated: ")


def sentences(message: str) -> list[str]:
    """The sentences of a message, with # for each number."""
    return re.sub(r"-?\d[\d,]*(\.\d+)?(e[+-]?\d+)?", "#", message).split(". ")


def show(case: Callable[[np.random.Generator], Case], seeds: int, *, said: int = 6) -> None:
    """Run a case and print its row and what was said."""
    found = [case(np.random.default_rng(seed)) for seed in range(seeds)]
    z = {name: np.array([each.z[name] for each in found]) for name in found[0].truth}
    cells = [np.nan, np.nan]
    for name in list(z)[:1]:
        value, truth = np.array([each.value(name) for each in found]), np.array([each.truth[name] for each in found])
        cells = [100 * (value / truth - 1).mean(), 100 * value.std() / truth[0]]
    beyond = np.any([np.abs(own) > 3 for own in z.values()], axis=0).sum() if z else 0
    warned = np.mean([any(not any(w in s for w in HARMLESS) for s in sentences(each.fit.message)) for each in found])
    identifiable = np.mean([each.fit.identifiable for each in found])
    r_squared = np.median([each.fit.r_squared for each in found])
    print(
        f"{case.__name__:24}{cells[0]:8.1f}{cells[1]:8.1f}{int(beyond):8d}{100 * identifiable:8.0f}{100 * warned:8.0f}"
        f"{r_squared:8.3f}  {', '.join(f'{name} {own.std():.2f}' for name, own in z.items())}",
        flush=True,
    )
    counted = collections.Counter(s for each in found for s in sentences(each.fit.message))
    for text, times in counted.most_common(said):
        print(f"    {times:3d}  {text[:230]}", flush=True)


def coverage(case: Callable[[np.random.Generator], Case], seeds: int) -> None:
    """Print how often the 68 and the 95 % interval of each way hold the truth."""
    held = collections.defaultdict(list)
    for seed in range(seeds):
        judged = case(np.random.default_rng(seed))
        fit, (quantity, truth) = judged.fit, next(iter(judged.truth.items()))
        value, error = judged.value(quantity), fit.stderr[quantity]
        profile = fit.profile(quantity)
        ends = {
            "error": [(value - k * error, value + k * error) for k in (0.9945, 1.96)],
            "profile": [profile.interval68, profile.interval95],
        }
        with contextlib.suppress(ValueError):  # a recording too short for blocks of slow noise
            drawn = fit.bootstrap(100, key=1)
            ends[f"bootstrap ({drawn.over})"] = [drawn.interval68[quantity], drawn.interval95[quantity]]
        for way, each in ends.items():
            held[way].append([low <= truth <= high for low, high in each])
    cells = [
        f"{way} {' '.join(f'{100 * part:.0f}' for part in np.mean(rows, axis=0))} ({len(rows)})"
        for way, rows in held.items()
    ]
    print(f"{case.__name__:24}{'; '.join(cells)}", flush=True)


COVERED = (
    white_noise,
    filtered_noise,
    noise_of_channels,
    slow_noise,
    ten_sweeps,
    events_that_differ,
    ampa_and_nmda,
)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit_verdicts", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, metavar="N", help="how many recordings of each case")
    parser.add_argument("--only", action="append", metavar="NAME", help="a case, by name")
    parser.add_argument("--alarms", action="store_true", help="only recordings of which nothing is to be warned of")
    parser.add_argument("--coverage", action="store_true", help="how often intervals hold the truth")
    given = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    cases = list(CONTROLS if given.alarms else COVERED if given.coverage else CASES.values())
    if given.only:
        every = {case.__name__: case for case in (*CASES.values(), *CONTROLS)}
        cases = [every[name] for name in given.only]
    if given.coverage:
        print("how often the 68 and the 95 % interval hold the truth, in per cent (of how many)")
    else:
        heads = ("bias %", "std %", "|z| > 3", "ident %", "warned %", "R^2")
        print(f"{'':24}" + "".join(f"{head:>8}" for head in heads) + "  standard deviation of z")
    for case in cases:
        seeds = given.seeds or (100 if given.alarms or given.coverage else 20)
        (coverage if given.coverage else show)(case, seeds)


if __name__ == "__main__":
    main()
