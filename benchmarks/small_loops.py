"""How XLA's option for small loops changes runs and gradients on a CPU: which value helps, and when it hurts.

    python -m benchmarks.small_loops                     results/small-loops.txt
    python -m benchmarks.small_loops --rounds 1 --sizes 10 --kernels ampa

XLA's CPU compiles a loop of no more bytes, by its own count, than a threshold into one function, in place of one call
for each operation of each step. The threshold is set in the environment before JAX starts, so each is measured in fresh
processes, which take turns. A time is the least of the medians of these processes.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import synkin
from benchmarks import processes, workloads

OPTION = "xla_cpu_small_while_loop_byte_threshold"
KERNELS = ("ampa", "alpha", "expon", "dual_expon", "bionmda", "nmda5")
SIZES = (10, 100, 1_000, 10_000)
THRESHOLDS = ("default", "10000", "100000", "1000000")
STEPS, SECONDS, MOST = 1_000, 0.4, 21  # of a run; at most, for the calls of one median; the most calls of it


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small_loops", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="processes for each threshold (3)")
    parser.add_argument("--kernels", default=",".join(KERNELS))
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of synapses")
    parser.add_argument("--thresholds", default=",".join(THRESHOLDS), help="in bytes; the first is the reference")
    given = parser.parse_args()
    thresholds = given.thresholds.split(",")
    told: dict[str, list[dict[str, Any]]] = {threshold: [] for threshold in thresholds}
    with tempfile.TemporaryDirectory() as cache:  # so that the second process of a threshold need not compile again
        for _ in range(given.rounds):
            for threshold in thresholds:
                variables = {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
                if threshold != "default":
                    variables["XLA_FLAGS"] = f"--xla_backend_extra_options={OPTION}={threshold}"
                told[threshold].append(processes.fresh("small_loops", "cell", given.kernels, given.sizes, **variables))
    print(f"JAX {jax.__version__}, {STEPS:,} steps, ms a call, {given.rounds} processes each in turn\n")
    print("\t".join(["what", "kernel", "N", *thresholds, "same bits"]))
    for cell in told[thresholds[0]][0]:
        least = [min(each[cell]["ms"] for each in told[threshold]) for threshold in thresholds]
        bits = [told[threshold][0][cell]["bits"] for threshold in thresholds]
        same = "yes" if len(set(bits)) == 1 else ",".join("01"[each == bits[0]] for each in bits)
        print("\t".join([*cell.split(), *(f"{ms:.3g}" for ms in least), same]))


def cells(kernels: list[str], sizes: list[int]) -> dict[str, dict[str, Any]]:
    """The median time and the bits of each run and gradient, by what it is."""
    found = {}
    for name in kernels:
        kernel = getattr(synkin, name, None) or getattr(synkin.schemes, name)
        for size in sizes:
            train = workloads.spikes(STEPS, size).astype(np.float32 if kernel.TAKES_WEIGHTS else bool)
            given = jnp.asarray(train)

            def run(params: Any, kernel: Any = kernel, given: Any = given) -> Any:
                return synkin.simulate(kernel, params, given, workloads.DT)[1]

            def square(params: Any, run: Callable[..., Any] = run) -> Any:
                return jnp.mean(run(params) ** 2)

            params = jax.tree.map(jnp.float32, kernel.Params())
            for what, function in (("run", jax.jit(run)), ("gradient", jax.jit(jax.value_and_grad(square)))):
                result = jax.tree.leaves(jax.block_until_ready(function(params)))
                bits = hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in result)).hexdigest()
                times: list[float] = []
                while len(times) < 3 or (sum(times) < SECONDS and len(times) < MOST):
                    start = time.perf_counter()
                    jax.block_until_ready(function(params))
                    times.append(time.perf_counter() - start)
                found[f"{what} {name} {size}"] = {"ms": 1e3 * median(times), "bits": bits}
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["cell"]:
        print(json.dumps(cells(sys.argv[2].split(","), list(map(int, sys.argv[3].split(","))))))
    else:
        main()
