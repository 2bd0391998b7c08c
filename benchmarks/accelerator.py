"""What synkin does on the device that JAX finds, an accelerator or the CPU.

python -m benchmarks.accelerator [--tiny] [--json FILE]

All of it takes at most some six minutes: what no longer fits into the time or the memory is left out, and named. Every
result is compared with the same on the CPU in float64 before it is timed.

The synapses are a thousand, again and again, so that of any number of them the right result is known from these: the
same trace, the same gradient of a mean square, and so many times the sum.
"""

import argparse
import functools
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import synkin
from benchmarks import contenders, report, textbook, workloads
from benchmarks.contenders import whole
from benchmarks.jobs import gradient
from benchmarks.networks import by_jax
from benchmarks.networks.model import lif
from benchmarks.timing import Call, Figure, Row, Wrong, checked, compare
from benchmarks.workloads import DT, Scale

UNIT = "ns per synapse and step"  # a connection is a synapse
SECONDS = 300.0  # after which nothing new begins; a case takes seconds
TOLERANCE = 2e-5  # of the largest value, float32
OF_SLOPES = 1e-3  # of each derivative: a sum over all synapses and steps in float32
# Networks may part by a spike when a V is within rounding of the threshold; then they fire alike on average only.
OF_SPIKES = 0.02  # of all spikes until a step
SCHEME = "nmda5"
COLUMNS = ("kernel", "run", "N", "T")


class Sizes(NamedTuple):
    """How much is measured."""

    base: int  # synapses that differ
    synapses: tuple[int, ...]
    many: int  # of them for the kernels besides the first
    kernels: tuple[str, ...]
    steps: tuple[int, int]  # at least and at most
    elements: int  # N times T, about, where T is between
    long: int  # steps of few synapses
    states: tuple[int, ...]  # synapses of the scheme
    networks: dict[int, int]  # neurons: steps
    copied: int  # numbers
    scale: Scale  # how often to repeat


SIZES = Sizes(
    base=1_000,
    synapses=(10_000, 100_000, 1_000_000, 10_000_000),
    many=1_000_000,
    kernels=("ampa", "alpha", "bionmda"),
    steps=(40, 1_000),
    elements=400_000_000,  # 1.6 GB of g; the gradient holds some 2.5 times as much
    long=100_000,
    states=(10_000, 1_000_000),
    networks={10_000: 1_000, 100_000: 200},
    copied=250_000_000,
    scale=workloads.FULL._replace(repeats=3),
)
TINY = Sizes(
    base=10,
    synapses=(20,),
    many=20,
    kernels=("alpha",),
    steps=(20, 40),
    elements=600,
    long=100,
    states=(20,),
    networks={200: 30},
    copied=1_000,
    scale=workloads.TINY,
)


class Case(NamedTuple):
    """Something to check and to time."""

    labels: tuple[str, str, int, int]  # see `COLUMNS`
    call: Callable[[], Call]  # prepares it; its result is right within
    tolerance: float
    synapses: int  # or connections
    # Of a synapse and step, that cannot be saved: spikes are a byte, g is four. A carry that is written and read in
    # each step comes on top of it, and shows as bandwidth that is not reached.
    bytes: int | None


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 1 where a result was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accelerator", description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="in seconds, only to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help=f"after which nothing new begins ({SECONDS:.0f})"
    )
    given = parser.parse_args(arguments)
    results, where, wrong = run(TINY if given.tiny else SIZES, given.seconds)
    if given.json:
        report.write_json(given.json, report.content(where, results, dict.fromkeys(results, UNIT)))
    return 1 if wrong else 0


def run(sizes: Sizes, seconds: float) -> tuple[dict[str, list[Row]], dict[str, Any], list[str]]:
    """Run all jobs, showing each row as it comes.

    Args:
        sizes: how much.
        seconds: after which nothing new begins.

    Returns:
        The rows by job; the machine, with the copy's GB/s and what was left out; and what was wrong.
    """
    began = time.perf_counter()
    where = report.machine()
    try:
        jax.devices("cpu")
    except RuntimeError:
        raise SystemExit(
            "Results are checked on the CPU, which JAX_PLATFORMS leaves out: add it, as in cuda,cpu."
        ) from None
    copy = copied(sizes)
    where |= {"limit": "a copy of as many bytes", "copy": copy, "left out": []}
    show(f"{where['device']}, {where['platform']}, JAX {where['versions']['jax']}; a copy takes {copy:.4g} GB/s")
    if where["platform"] == "cpu":
        show("JAX has found no accelerator: this is the CPU.")
    results: dict[str, list[Row]] = {}
    wrong = []
    longest = 0.0
    for job, cases in JOBS.items():
        rows = results[job] = []
        table = report.Table()
        show(report.heading(f"{job}. {cases.__doc__}", UNIT))
        for case in cases(sizes):
            what = ", ".join((job, *map(str, case.labels)))
            start = time.perf_counter()
            if start + longest > began + seconds:
                where["left out"].append(f"{what}: no time left")
                continue
            try:
                with textbook.x64(False):
                    figures = measure(case, sizes.scale, copy)
            except Wrong as error:
                wrong.append(f"{what}: {error}")
                show(f"WRONG, and not timed: {wrong[-1]}")
            except Exception as error:
                if "RESOURCE_EXHAUSTED" not in str(error):
                    raise
                where["left out"].append(f"{what}: no memory left")
            else:
                labels = dict(zip(COLUMNS, case.labels, strict=True))
                rows.append(Row(labels, figures))
                show("\n".join(table.lines(Row(labels | cells(case, figures), {}))))
            longest = max(longest, time.perf_counter() - start)
    for each in where["left out"]:
        show(f"Left out: {each}")
    show(f"({time.perf_counter() - began:.0f} s)")
    return results, where, wrong


def measure(case: Case, scale: Scale, copy: float) -> dict[str, Figure]:
    """The figure, and beside it, as the limit, what a copy of as many bytes takes."""
    work = case.synapses * case.labels[-1]
    figures = compare({"synkin": case.call()}, per=1e9 / work, tolerance=case.tolerance, scale=scale)
    return figures if case.bytes is None else figures | {"limit": Figure(case.bytes / copy)}


def cells(case: Case, figures: dict[str, Figure]) -> dict[str, str]:
    """What the table shows of a case."""
    found = figures["synkin"]
    seconds = found.median * case.synapses * case.labels[-1] / 1e9
    bandwidth = f"{case.bytes / found.median:.3g}" if case.bytes else "-"
    part = f"{100 * figures['limit'].median / found.median:.3g} %" if case.bytes else "-"
    shown = {"seconds": f"{seconds:.3g}", "ns": report.cell(found), "GB/s": bandwidth, "of a copy": part}
    return shown | {"first call, s": f"{found.first_call:.2f}", "error": f"{found.error:.0e}"}


def copied(sizes: Sizes) -> float:
    """The GB/s that a copy reads and writes on this device."""
    numbers = jnp.ones(sizes.copied, jnp.float32)
    negated = jax.jit(jnp.negative)
    found = compare({"copy": Call(lambda: negated(numbers))}, per=1.0, tolerance=0.0, scale=sizes.scale)
    return 2 * numbers.nbytes / found["copy"].median / 1e9


def on_cpu(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result on the CPU in float64."""
    with jax.default_device(jax.devices("cpu")[0]), textbook.x64(True):
        return jax.tree.map(np.asarray, jax.jit(function)(*arguments))


@functools.cache
def right_trace(kernel: str, synapses: int, steps: int) -> np.ndarray:
    return on_cpu(partial(simulate, kernel, whole), workloads.spikes(steps, synapses))


@functools.cache
def right_slopes(kernel: str, synapses: int, steps: int) -> Any:
    free = {name: float(value) for name, value in gradient.free(workloads.default_params(kernel)).items()}
    return on_cpu(mean_square(kernel), free, workloads.spikes(steps, synapses))


def simulate(kernel: str, keep: contenders.Keep, spikes: Any, **options: Any) -> Array:
    """What is kept of each step; of the scheme's "exact", the only method that it has."""
    declared = getattr(synkin.schemes, SCHEME) if kernel == SCHEME else synkin.KERNELS[kernel]
    readout = None if keep is whole else lambda state, g: keep(g)
    method = "exact" if kernel == SCHEME else "exp_euler"
    return synkin.simulate(declared, declared.Params(), spikes, DT, method=method, readout=readout, **options)[1]


def mean_square(kernel: str) -> Callable[..., Any]:
    """With its derivatives, of parameters and spikes."""
    return gradient.value_and_grad(partial(contenders.synkin_simulate, method="exp_euler"), kernel)


def readout(sizes: Sizes) -> Iterator[Case]:
    """Of each step only the sum over the synapses is kept."""
    for kernel, synapses, steps in _squares(sizes):
        yield _forward(sizes, kernel, synapses, steps, jnp.sum)


def trace(sizes: Sizes) -> Iterator[Case]:
    """g of every synapse and step is kept."""
    for kernel, synapses, steps in _squares(sizes):
        yield _forward(sizes, kernel, synapses, steps, whole)


def slopes(sizes: Sizes) -> Iterator[Case]:
    """A mean square of the whole trace, with its derivatives."""
    for kernel, synapses, steps in _squares(sizes):
        # Spikes are read forwards and backwards; g is written and read.
        prepare = partial(_slopes, sizes, kernel, synapses, steps)
        yield Case((kernel, "step by step", synapses, steps), prepare, OF_SLOPES, synapses, 10)


def parallel(sizes: Sizes) -> Iterator[Case]:
    """Few synapses over many steps, by `parallel=True` too."""
    for kernel in sizes.kernels[:2]:
        for synapses in (1, sizes.base // 10):
            yield _forward(sizes, kernel, synapses, sizes.long, whole)
            yield _forward(sizes, kernel, synapses, sizes.long, whole, parallel=True)


def scheme(sizes: Sizes) -> Iterator[Case]:
    """A receptor of five states, of whose g the sum is kept."""
    for synapses in sizes.states:
        yield _forward(sizes, SCHEME, synapses, _steps(sizes, synapses), jnp.sum)


def networks(sizes: Sizes) -> Iterator[Case]:
    """Leaky integrate-and-fire neurons, 100 connections each, by `synkin.connect`."""
    for neurons, steps in sizes.networks.items():
        prepare = partial(_network, neurons, steps)
        yield Case(("lif", "network", neurons, steps), prepare, OF_SPIKES, 100 * neurons, None)


JOBS: dict[str, Callable[[Sizes], Iterator[Case]]] = {
    "readout": readout,
    "networks": networks,
    "gradient": slopes,
    "parallel": parallel,
    "scheme": scheme,
    "trace": trace,
}


def _squares(sizes: Sizes) -> Iterator[tuple[str, int, int]]:
    """Kernels with numbers of synapses and steps: the first kernel with all of them, the others with one."""
    for i, kernel in enumerate(sizes.kernels):
        for synapses in sizes.synapses if i == 0 else (sizes.many,):
            yield kernel, synapses, _steps(sizes, synapses)


def _steps(sizes: Sizes, synapses: int) -> int:
    least, most = sizes.steps
    return min(max(sizes.elements // synapses, least), most)


def spikes_of(sizes: Sizes, synapses: int, steps: int) -> tuple[int, Array]:
    """How many synapses differ, and the spikes of all of them on the device, where they are put side by side."""
    width = min(sizes.base, synapses)
    return width, jnp.tile(jnp.asarray(workloads.spikes(steps, width)), (1, synapses // width))


def _forward(sizes: Sizes, kernel: str, synapses: int, steps: int, keep: contenders.Keep, **options: Any) -> Case:
    """A run. Of a whole trace the last synapses are checked."""

    def prepare() -> Call:
        width, spikes = spikes_of(sizes, synapses, steps)
        right = right_trace(kernel, width, steps)
        compiled = jax.jit(partial(simulate, kernel, keep, **options))
        if keep is whole:
            return Call(lambda: compiled(spikes), right, lambda g: g[:, -width:])
        return Call(lambda: compiled(spikes), right.sum(axis=1) * (synapses // width))

    way = "in parallel" if options else "step by step"
    return Case((kernel, way, synapses, steps), prepare, TOLERANCE, synapses, 5 if keep is whole else 1)


def _slopes(sizes: Sizes, kernel: str, synapses: int, steps: int) -> Call:
    width, spikes = spikes_of(sizes, synapses, steps)
    compiled, free = jax.jit(mean_square(kernel)), gradient.free(workloads.default_params(kernel))
    return Call(lambda: compiled(free, spikes), right_slopes(kernel, width, steps))


def _network(neurons: int, steps: int) -> Call:
    """What arrives of given spikes is checked on the spot; and of a run how many spikes there were until each step."""
    model = lif(neurons)
    held, arriving = by_jax.by_synkin(model)
    fired = np.random.default_rng(2).random((min(steps, 20), neurons)) < 0.01

    @jax.jit
    def arrive(held: Any, fired: Any) -> Any:
        step = arriving(held)
        carry, _ = step(None, fired[0])
        return jax.lax.scan(step, carry, fired[1:])[1]

    cpu = jax.devices("cpu")[0]
    right = jax.tree.map(np.asarray, arrive(*jax.device_put((held, fired), cpu)))
    checked("what arrives", arrive(held, fired), right, TOLERANCE)
    run, arguments = by_jax.runner(model, "synkin", steps)
    until = run(*jax.device_put(arguments, cpu))
    return Call(lambda: run(*arguments), np.cumsum(until), np.cumsum)


def show(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
