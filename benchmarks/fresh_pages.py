"""What a whole trace costs beside its arithmetic: the pages of memory that the system gives to each new result.

    python -m benchmarks.fresh_pages     # results/fresh-pages.txt

A result of many MB is memory that the process does not have yet. Linux hands it out page by page, and clears each page
when it is first written. With large pages there are 20 times fewer. They are asked for in the environment, before the
process starts, so each case is measured in fresh processes, which take turns. Beside it stands the run whose sum alone
is kept: the same arithmetic without a trace.
"""

import argparse
import json
import resource
import sys
import time
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import synkin
from benchmarks import processes, workloads

KERNELS, SIZES, ELEMENTS = ("alpha", "ampa"), (10_000, 100_000), 10_000_000
ENVIRONMENTS = {"default": {}, "large pages": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}}
CALLS = 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fresh_pages", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="processes for each environment (3)")
    given = parser.parse_args()
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in ENVIRONMENTS}
    for _ in range(given.rounds):
        for name, variables in ENVIRONMENTS.items():
            told[name].append(processes.fresh("fresh_pages", "cell", **variables))
    print(f"JAX {jax.__version__}, float32, ns a synapse and step; {CALLS} calls in each of {given.rounds} processes")
    print("least: of all calls; median: the least of the processes; CPU: least, of all threads and the system\n")
    print("\t".join(["kernel", "N", "kept", "environment", "least", "median", "CPU", "pages a call"]))
    for cell in told["default"][0]:
        for name, all_told in told.items():
            figures = [min(each[cell][i] for each in all_told) for i in range(4)]
            print("\t".join([*cell.split(), name, *(f"{x:.2f}" for x in figures[:3]), f"{figures[3]:.0f}"]))


def cells() -> dict[str, list[float]]:
    """The least and the median time, the least CPU time and the new pages of a call, by what it is."""
    found = {}
    for name in KERNELS:
        kernel = getattr(synkin, name)
        for size in SIZES:
            train = workloads.spikes(ELEMENTS // size, size).astype(np.float32 if kernel.TAKES_WEIGHTS else bool)
            given = jnp.asarray(train)
            for kept, readout in (("trace", None), ("sum", lambda state, g: jnp.sum(g))):

                def run(spikes: Any, kernel: Any = kernel, readout: Any = readout) -> Any:
                    return synkin.simulate(kernel, kernel.Params(), spikes, workloads.DT, readout=readout)[1]

                found[f"{name} {size} {kept}"] = _measured(jax.jit(run), given)
    return found


def _measured(run: Any, given: Any) -> list[float]:
    for _ in range(3):
        jax.block_until_ready(run(given))
    walls, cpus, pages = [], [], resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(CALLS):
        start, used = time.perf_counter(), time.process_time()
        result = jax.block_until_ready(run(given))
        walls.append(time.perf_counter() - start)
        cpus.append(time.process_time() - used)
        del result
    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - pages
    return [1e9 * seconds / given.size for seconds in (min(walls), median(walls), min(cpus))] + [pages / CALLS]


if __name__ == "__main__":
    if sys.argv[1:2] == ["cell"]:
        print(json.dumps(cells()))
    else:
        main()
