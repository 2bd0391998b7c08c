"""Spikes beside those of plain NumPy, rates and times beside Brian2: see `benchmarks.decision_network`."""

import argparse
import functools
import importlib.metadata
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import synkin
from benchmarks import decision_network
from benchmarks.decision_network import by_numpy, by_synkin, model
from benchmarks.textbook import x64

POPULATIONS = ("first group", "second group", "other pyramidal", "interneurons")


class Sample(NamedTuple):
    """One run."""

    wall: float  # s
    cpu: float  # s, of all threads
    rates: np.ndarray  # (4,) Hz, of each population from the onset of the stimulus on


Run = Callable[[], Sample]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.decision_network", description=decision_network.__doc__.splitlines()[0]
    )
    parser.add_argument("--neurons", type=int, default=model.FULL, help=f"neurons ({model.FULL})")
    parser.add_argument("--ms", type=float, default=2000.0, help="simulated time of a run, more than 500 (2000)")
    parser.add_argument("--repeats", type=int, default=9, help="timed runs of each (9)")
    parser.add_argument(
        "--brian2", default=sys.executable, metavar="PYTHON", help="a Python that has Brian2 (this one)"
    )
    given = parser.parse_args(arguments)
    if given.ms <= model.ONSET:
        parser.error(
            f"Argument --ms must be more than {model.ONSET:g}, the onset of the stimulus, but is {given.ms:g}."
        )
    net, steps = model.network(given.neurons), round(given.ms / model.DT)
    version = brian2_version(given.brian2)
    print(f"jax {importlib.metadata.version('jax')}, synkin {synkin.__version__}, Brian2 {version or 'not there'}")
    print(f"{given.neurons:,} neurons, {steps:,} steps of {model.DT} ms, the stimulus from {model.ONSET:g} ms on\n")
    for precision in (64, 32):
        print(f"float{precision}: {beside_numpy(net, steps, precision)}")
    times(net, steps, given.repeats, given.brian2 if version else None)


def brian2_version(python: str) -> str | None:
    """The version of Brian2 that a Python has, None if none."""
    script = "from importlib.metadata import version; print(version('brian2'))"
    found = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def in_precision(precision: int) -> Any:
    """A context in which JAX computes in float32 or float64."""
    return x64(True) if precision == 64 else nullcontext()


def beside_numpy(net: model.Network, steps: int, precision: int) -> str:
    """For how many steps exactly the same neurons fire as in NumPy's float64, and what parts them then."""
    outside = model.spikes_from_outside(net, steps, model.stimulus_rates(steps))
    with in_precision(precision):
        fired = np.asarray(jax.jit(functools.partial(by_synkin.run, net))(outside))
    for i, (row, (expected, V)) in enumerate(zip(fired, by_numpy.run(net, outside), strict=True)):
        if (row != expected).any():
            apart = np.abs(V[row != expected] - model.V_THRESHOLD).max()
            alike = f"the first {i:,} of {steps:,} steps"
            return f"the same spikes as NumPy's in {alike}, {fired[:i].sum():,}; then a V {apart:.0e} mV from threshold"
    return f"the same spikes as NumPy's in all {steps:,} steps, {fired.sum():,}"


def times(net: model.Network, steps: int, repeats: int, brian2: str | None) -> None:
    """Print rates, and how long a simulated second takes, in turn."""
    with contenders(net, steps, brian2) as runs:
        found: dict[str, list[Sample]] = {name: [] for name in runs}
        for _ in range(repeats):
            for name, run in runs.items():
                found[name].append(run())
    print(f"\nRates while the stimulus is on, Hz\n{'':>16} " + " ".join(f"{name:>16}" for name in POPULATIONS))
    for name, samples in found.items():
        rates = np.mean([sample.rates for sample in samples], axis=0)
        print(f"{name:>16} " + " ".join(f"{rate:16.2f}" for rate in rates))
    print(f"\nSeconds for a simulated second: median (quartiles) of {repeats} in turn, compiled before; of the CPU")
    for name, samples in found.items():
        wall, cpu = (np.array(x) / (steps * model.DT / 1000) for x in list(zip(*samples, strict=True))[:2])
        low, median, high = np.percentile(wall, [25, 50, 75])
        print(f"{name:>16} {median:7.3f} ({low:.3f} to {high:.3f}) {np.median(cpu):7.3f}")


@contextmanager
def contenders(net: model.Network, steps: int, brian2: str | None) -> Iterator[dict[str, Run]]:
    """What takes turns, by name, each compiled."""
    runs = {f"synkin float{precision}": synkin_run(net, steps, precision) for precision in (32, 64)}
    processes = {}
    if brian2 is not None:
        processes = {
            f"Brian2 float{precision}": brian2_process(brian2, net, steps, precision) for precision in (32, 64)
        }
        runs |= {name: functools.partial(answer, process) for name, process in processes.items()}
    try:
        yield runs
    finally:
        for process in processes.values():
            process.communicate()


def synkin_run(net: model.Network, steps: int, precision: int) -> Run:
    """A run with new spikes from outside each time, whose drawing counts."""
    ends = np.cumsum(net.sizes[:3])

    def by_population(fired: jax.Array) -> jax.Array:
        return jnp.stack([part.sum() for part in jnp.split(fired, ends)])

    compiled = jax.jit(functools.partial(by_synkin.run, net, keep=by_population))
    seeds = iter(range(1_000_000))

    def run() -> Sample:
        seed = next(seeds)
        with in_precision(precision):
            start, cpu = time.perf_counter(), time.process_time()
            outside = model.spikes_from_outside(net, steps, model.stimulus_rates(steps, seed=seed), seed)
            spikes = np.asarray(compiled(outside))
            wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        first = round(model.ONSET / model.DT)
        return Sample(wall, cpu, spikes[first:].sum(axis=0) / net.sizes / ((steps - first) * model.DT / 1000))

    run()
    return run


def brian2_process(python: str, net: model.Network, steps: int, precision: int) -> subprocess.Popen:
    """The process of `by_brian2`, as soon as it is ready."""
    command = [python, "-m", "benchmarks.decision_network.by_brian2", str(sum(net.sizes)), str(steps), str(precision)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    if process.stdout.readline() != "ready\n":
        raise SystemExit("Brian2 did not compile the network: what it says stands above.")
    return process


def answer(process: subprocess.Popen) -> Sample:
    """One run of Brian2's program."""
    print(file=process.stdin, flush=True)
    return Sample(*json.loads(process.stdout.readline()).values())


if __name__ == "__main__":
    main()
