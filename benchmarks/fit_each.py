"""Many small fits at once: seconds, beside fits one by one, and how far estimates are off in units of their errors.

    python -m benchmarks.fit_each            # the table
    python -m benchmarks.fit_each --quick    # a tenth of the recordings

Seconds are those of the second call, when all is compiled; the first call stands beside them. CPU seconds are of all
threads together.
"""

import sys
import time
from typing import NamedTuple

import numpy as np

import synkin
from synkin import ampa, dual_expon, expon

SPIKE, TIMES = 5.0, np.arange(200) * 0.2  # ms
NOISE, SPREAD, ONSETS = 0.02, 0.3, 0.3  # of the peak; of logarithms; ms


class Job(NamedTuple):
    """Fits of many synthetic recordings."""

    name: str
    kernel: synkin.Kernel
    free: tuple[str, ...]
    onset: bool
    number: int


JOBS = (
    Job("100 events", ampa, ("beta",), True, 100),
    Job("100 events", dual_expon, ("tau_rise", "tau_decay"), True, 100),
    Job("1,000 recordings", dual_expon, ("tau_rise", "tau_decay"), True, 1000),
    Job("1,000 recordings", ampa, ("beta", "T_dur"), False, 1000),
    Job("10,000 synapses", expon, ("tau",), False, 10_000),
    Job("10,000 synapses", ampa, ("beta", "T_dur"), False, 10_000),
    Job("10,000 synapses", dual_expon, ("tau_rise", "tau_decay"), False, 10_000),
)


def recordings(job: Job) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Traces (R, M) with 2 % noise, and the true values."""
    rng = np.random.default_rng(0)
    start, number = job.kernel.Params(), job.number
    true = {name: getattr(start, name) * np.exp(SPREAD * rng.standard_normal(number)) for name in job.free}
    true |= {"scale": -100 * np.exp(SPREAD * rng.standard_normal(number)), "offset": rng.normal(0, 5, number)}
    true |= {"onset": ONSETS * rng.standard_normal(number)} if job.onset else {}
    clean = np.array([_curve(job, true, r) for r in range(number)])
    peak = np.abs(clean - true["offset"][:, None]).max(axis=1, keepdims=True)
    return clean + NOISE * peak * rng.standard_normal(clean.shape), true


def _curve(job: Job, true: dict[str, np.ndarray], r: int) -> np.ndarray:
    """One trace without noise, in closed form."""
    p = job.kernel.Params()._replace(**{name: true[name][r] for name in job.free})
    t = np.maximum(TIMES - SPIKE - (true["onset"][r] if job.onset else 0.0), 0.0)
    seen = SPIKE + (true["onset"][r] if job.onset else 0.0) <= TIMES
    if job.kernel is expon:
        g = np.exp(-t / p.tau)
    elif job.kernel is dual_expon:
        peak = np.log(p.tau_decay / p.tau_rise) * p.tau_decay * p.tau_rise / (p.tau_decay - p.tau_rise)
        g, top = (np.exp(-x / p.tau_decay) - np.exp(-x / p.tau_rise) for x in (t, peak))
        g = g / top
    else:
        rate = p.alpha * p.T + p.beta
        g = (
            p.alpha
            * p.T
            / rate
            * -np.expm1(-rate * np.minimum(t, p.T_dur))
            * np.exp(-p.beta * np.maximum(t - p.T_dur, 0))
        )
    return true["scale"][r] * g * seen + true["offset"][r]


def run(job: Job, one_by_one: int = 5) -> str:
    """A line of the table."""
    traces, true = recordings(job)
    options = {"free": job.free, "scale": True, "offset": True, "onset": job.onset}
    seconds, cpu = [], []
    for _ in range(3):
        began, cpu_began = time.perf_counter(), time.process_time()
        found = synkin.fit_each(job.kernel, job.kernel.Params(), [SPIKE], TIMES, traces, **options)
        seconds.append(time.perf_counter() - began)
        cpu.append(time.process_time() - cpu_began)
    synkin.fit(job.kernel, job.kernel.Params(), [SPIKE], TIMES, traces[0], progress=False, **options)
    began = time.perf_counter()
    for trace in traces[:one_by_one]:
        synkin.fit(job.kernel, job.kernel.Params(), [SPIKE], TIMES, trace, progress=False, **options)
    alone = (time.perf_counter() - began) / one_by_one
    worst = []
    for name, values in true.items():
        estimate = getattr(found.params if name in job.free else found, name)
        z = ((estimate - values) / found.stderr[name])[found.good]
        worst.append(f"{name} {z.mean():+.2f} {z.std():.2f}")
    return (
        f"{job.name:17} {job.kernel.name:10} {seconds[0]:8.2f} {min(seconds[1:]):8.3f} {min(cpu[1:]):8.3f} "
        f"{alone * job.number:9.1f} {found.nfev.mean():6.1f} {found.good.mean():7.1%}   {', '.join(worst)}"
    )


def main(arguments: list[str]) -> None:
    print(
        f"{'':28} {'first s':>8} {'warm s':>8} {'CPU s':>8} {'by fit s':>9} {'evals':>6} {'good':>7}   mean and SD of z"
    )
    for job in JOBS:
        number = job.number // 10 if "--quick" in arguments else job.number
        print(run(job._replace(number=number)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
