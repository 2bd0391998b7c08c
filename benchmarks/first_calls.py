"""What a fresh process waits for: run by the job "cold_start" as `python -m benchmarks.first_calls NAME KERNEL,...`.

Prints JSON: each thing waited for as [what, kernel, seconds], and what the runs gave, summed over the synapses.
"""

import importlib
import json
import sys
import time

SIZE = 200  # N = T
MODULES = {"synkin": ("synkin.kernels", "synkin.runs.grid"), "brainpy.state": ("brainpy.state",)}  # by contender


def main(name: str, kernels: list[str]) -> None:
    seconds, sums = [], {}

    start = time.perf_counter()
    import jax

    jax.block_until_ready(jax.numpy.zeros(1) + 1)
    seconds.append(("start of JAX itself", "-", time.perf_counter() - start))

    start = time.perf_counter()
    for module in MODULES[name]:
        importlib.import_module(module)
    seconds.append(("import", "-", time.perf_counter() - start))

    from benchmarks import contenders, workloads
    from benchmarks.jobs import gradient

    run, train = contenders.runs()[name], workloads.spikes(SIZE, SIZE)
    for kernel in kernels:
        params = workloads.default_params(kernel)
        start = time.perf_counter()
        g = jax.jit(lambda spikes, kernel=kernel, params=params: run(kernel, params, spikes, contenders.whole))(train)
        jax.block_until_ready(g)
        seconds.append(("first run", kernel, time.perf_counter() - start))
        sums[kernel] = g.sum(axis=1).tolist()
    for kernel in kernels:
        free = gradient.free(workloads.default_params(kernel))
        start = time.perf_counter()
        jax.block_until_ready(jax.jit(gradient.value_and_grad(run, kernel))(free, train))
        seconds.append(("first gradient", kernel, time.perf_counter() - start))
    print(json.dumps({"seconds": seconds, "sums": sums}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2].split(","))
