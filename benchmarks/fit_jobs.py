"""Ten typical fits: how far off they are, and whether their errors are right.

    python -m benchmarks.fit_jobs --seeds 20        # minutes
    python -m benchmarks.fit_jobs --only "a known filter"

Of each job the table has, for the parameter that is worst, the mean of (estimate - truth) in per cent of the truth and
the standard deviation of z = (estimate - truth) / standard error, which is 1 for right errors; how many fits have a
parameter that is more than 3 errors off; how many warn of a misfit; and the seconds of the first fit (which compiles)
and the median of the others. Where a line "by hand" follows, the same recordings were fitted by
`scipy.optimize.least_squares` from the truth, with the errors of white noise.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize, signal

import synkin
from synkin import dual_expon, schemes

T = np.arange(0.0, 80.0, 0.1)
QUIET = {"progress": False}
BI = dual_expon.Params(tau_rise=0.6, tau_decay=6.0)
FREE = ("tau_rise", "tau_decay")


def g_of(params, spikes, times, **options):
    return np.asarray(synkin.respond(dual_expon, params, spikes, times, **options))


def white(rng, shape, level):
    return rng.normal(0, level, shape)


def behind(rng, shape, level, kHz, interval):
    """Noise behind a Bessel filter of 4 poles."""
    section = signal.bilinear(*signal.bessel(4, 2 * np.pi * kHz, "low", analog=True, norm="mag"), 1 / interval)
    made = signal.lfilter(*section, rng.normal(size=(*shape[:-1], shape[-1] + 500)))[..., 500:]
    return level * made / made.std()


def bi_exponential(rng):
    trace = -20 * g_of(BI, [10.0], T) + white(rng, T.size, 0.4)
    found = synkin.fit(dual_expon, dual_expon.Params(), [10.0], T, trace, free=FREE, scale=True, offset=True, **QUIET)
    return found, {"tau_rise": 0.6, "tau_decay": 6.0, "scale": -20.0}, (_bi, [0.6, 6.0, -20.0, 0.0], trace)


def in_noise_behind_1_kHz(rng):
    trace = -20 * g_of(BI, [10.0], T) + behind(rng, T.shape, 0.4, 1.0, 0.1)
    found = synkin.fit(dual_expon, dual_expon.Params(), [10.0], T, trace, free=FREE, scale=True, offset=True, **QUIET)
    return found, {"tau_rise": 0.6, "tau_decay": 6.0, "scale": -20.0}, (_bi, [0.6, 6.0, -20.0, 0.0], trace)


@jax.jit
def _bi(p):
    g = synkin.respond(dual_expon, dual_expon.Params(tau_rise=p[0], tau_decay=p[1]), [10.0], T)
    return p[2] * g + p[3]


BOTH = dual_expon + dual_expon


def ampa_and_nmda(rng):
    times = np.arange(0.0, 400.0, 0.25)
    true = {"dual_expon1_tau_rise": 0.4, "dual_expon1_tau_decay": 4.0, "dual_expon2_tau_rise": 4.0}
    true |= {"dual_expon2_tau_decay": 80.0, "g_dual_expon2": 0.4}
    params = BOTH.Params(**true)
    trace = -20 * np.asarray(synkin.respond(BOTH, params, [10.0], times)) + white(rng, times.size, 0.2)
    start = BOTH.Params(dual_expon2_tau_rise=2.0, dual_expon2_tau_decay=50.0)
    found = synkin.fit(BOTH, start, [10.0], times, trace, free=tuple(true), scale=True, **QUIET)
    return found, true | {"scale": -20.0}, None


def ten_spikes_with_their_amplitudes(rng):
    spikes, times = 10.0 + 20.0 * np.arange(10), np.arange(0.0, 240.0, 0.2)
    heights = np.array([1.0, 0.8, 0.6, 0.55, 0.5, 0.45, 0.6, 0.5, 0.4, 0.5])
    trace = -20 * g_of(BI, spikes, times, weights=heights) + white(rng, times.size, 0.4)
    found = synkin.fit(
        *(dual_expon, dual_expon.Params(), spikes, times, trace), free=FREE, weights="free", scale=True, **QUIET
    )
    true = {f"weight_{i}": height for i, height in enumerate(heights) if i}
    return found, true | {"tau_rise": 0.6, "tau_decay": 6.0}, None


def twenty_sweeps(rng):
    sizes = -20 * rng.uniform(0.5, 1.5, 20)
    traces = sizes[:, None] * g_of(BI, [10.0], T) + white(rng, (20, T.size), 2.0)
    found = synkin.fit(dual_expon, dual_expon.Params(), [10.0], T, traces, free=FREE, scale=True, offset=True, **QUIET)
    return found, {"tau_rise": 0.6, "tau_decay": 6.0}, None


VOLTS = np.linspace(-80.0, 40.0, 7)


def at_a_voltage(p, times):
    """A current through receptors that magnesium blocks."""
    g = synkin.respond(dual_expon, dual_expon.Params(tau_rise=p["rise"], tau_decay=p["decay"]), [5.0], times)
    return p["size"] * g * synkin.currents.mg_block(p["V"], Mg=1.0, b=p["b"], a=p["a"]) * (p["V"] - p["E"])


def seven_voltages(rng):
    true = {"size": 1.5, "rise": 3.0, "decay": 50.0, "b": 3.57, "a": 0.062, "E": 2.0}
    traces = np.array([at_a_voltage(true | {"V": V}, jnp.asarray(T)) for V in VOLTS])
    traces = traces + white(rng, traces.shape, 1.0)
    start = {"size": 1.0, "rise": 1.0, "decay": 30.0, "b": 3.0, "a": 0.05, "E": -5.0, "V": VOLTS}
    found = synkin.fit_curve(
        at_a_voltage, start, T, traces, free=tuple(true), own="V", bounds={"E": (-50.0, 50.0)}, **QUIET
    )
    return found, true, None


def six_rates_from_four_jumps(rng):
    kernel = schemes.nmda5
    true = {"kon": 5.0, "koff": 0.0129, "kd": 0.0084, "kr": 0.0068, "beta": 0.0465, "alpha": 0.0738}
    times, levels, lengths = np.arange(0.0, 600.0, 2.0), [0.002, 0.01, 0.1, 1.0], [300.0, 300.0, 20.0, 3.0]
    jumps = synkin.Jumps([[10.0, 10.0 + length] for length in lengths], [[level] for level in levels])
    rows = [
        np.asarray(synkin.concentration_jumps(kernel, kernel.Params(**true), edges, level, times))
        for edges, level in zip(jumps.edges, jumps.concentrations, strict=True)
    ]
    traces = -100 * np.array(rows) + white(rng, (4, times.size), 0.5)
    start = kernel.Params(
        **{
            name: value * factor
            for (name, value), factor in zip(true.items(), (0.7, 1.4, 0.8, 1.3, 1.2, 0.8), strict=True)
        }
    )
    found = synkin.fit(kernel, start, jumps, times, traces, free=tuple(true), scale="shared", starts=4, **QUIET)
    return found, true, None


def onset_jitter(rng):
    onsets = rng.normal(0, 0.5, 12)
    traces = np.array([-20 * g_of(BI, [10.0 + onset], T) for onset in onsets]) + white(rng, (12, T.size), 0.8)
    found = synkin.fit(dual_expon, dual_expon.Params(), [10.0], T, traces, free=FREE, scale=True, onset=True, **QUIET)
    return found, {"tau_rise": 0.6, "tau_decay": 6.0}, None


def epsc_and_artefact(p, times):
    """A current on the decay of an artefact."""
    g = synkin.respond(dual_expon, dual_expon.Params(tau_rise=p["rise"], tau_decay=p["decay"]), [12.0], times)
    return p["size"] * g + p["artefact"] * jnp.where(times < 10.0, 0.0, jnp.exp(-(times - 10.0) / p["tau"]))


def an_artefact(rng):
    true = {"size": -20.0, "rise": 0.6, "decay": 6.0, "artefact": 60.0, "tau": 0.8}
    trace = np.asarray(epsc_and_artefact(true, jnp.asarray(T))) + white(rng, T.size, 0.4)
    start = {"size": -10.0, "rise": 1.0, "decay": 3.0, "artefact": 20.0, "tau": 0.5}
    return synkin.fit_curve(epsc_and_artefact, start, T, trace, free=tuple(true), **QUIET), true, None


def a_known_filter(rng):
    amplifier = synkin.bessel(4, 1.0)
    trace = -20 * g_of(BI._replace(tau_rise=0.3), [10.0], T, filter=amplifier) + behind(rng, T.shape, 0.2, 1.0, 0.1)
    found = synkin.fit(
        *(dual_expon, dual_expon.Params(), [10.0], T, trace),
        free=FREE,
        scale=True,
        onset=True,
        filter=amplifier,
        **QUIET,
    )
    return found, {"tau_rise": 0.3, "tau_decay": 6.0, "onset": 0.0}, None


JOBS = (
    *(bi_exponential, in_noise_behind_1_kHz, ampa_and_nmda, ten_spikes_with_their_amplitudes, twenty_sweeps),
    *(seven_voltages, six_rates_from_four_jumps, onset_jitter, an_artefact, a_known_filter),
)


def by_hand(curve, true, trace):
    """(estimates - truth) / error of SciPy's least squares from the truth, with the errors of white noise."""
    found = optimize.least_squares(
        lambda p: np.asarray(curve(jnp.asarray(p))) - trace, true, x_scale=np.abs(true) + 0.1
    )
    level = 2 * found.cost / (trace.size - len(true))
    return (found.x - true) / np.sqrt(np.diag(np.linalg.inv(found.jac.T @ found.jac)) * level)


def run(job, seeds):
    """Print the line of a job."""
    seconds, off, z, warned, plain = [], [], [], 0, []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        began = time.perf_counter()
        found, true, again = job(rng)
        seconds.append(time.perf_counter() - began)
        values = {name: found.free[name] for name in true}
        off.append([values[name] - true[name] for name in true])
        z.append([(values[name] - true[name]) / found.stderr[name] for name in true])
        warned += "noise the rest" not in found.verdict
        if again:
            plain.append(by_hand(*again))
    off, z, sizes = np.array(off, float), np.array(z, float), np.array([abs(value) or 1.0 for value in true.values()])
    spread = z.std(axis=0)
    worst = int(np.abs(np.log(spread)).argmax())
    bias = 100 * off.mean(axis=0) / sizes
    biased = int(np.abs(off.mean(axis=0) / off.std(axis=0)).argmax())
    names = list(true)
    far = int((np.abs(z) > 3).any(axis=1).sum())
    cells = [
        f"{job.__name__.replace('_', ' '):34}",
        f"{names[biased]:>22} {bias[biased]:6.2f} %",
        f"{names[worst]:>22} {spread[worst]:5.2f}",
        f"{far:8d}{warned:8d}{seconds[0]:9.1f}{np.median(seconds[1:] or seconds):8.2f}",
    ]
    print("".join(cells), flush=True)
    if plain:
        print(f"{'  by hand':34}{'':52} {np.array(plain).std(axis=0).max():5.2f}", flush=True)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", help="a job by its name")
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)  # for the differences by hand; a fit is in double precision anyway
    print(f"{'':34}{'most biased':>31}{'worst z, std':>28}{'> 3 err':>8}{'warned':>8}{'first s':>9}{'next s':>8}")
    for job in JOBS:
        if arguments.only in (None, job.__name__.replace("_", " ")):
            run(job, arguments.seeds)


if __name__ == "__main__":
    main()
