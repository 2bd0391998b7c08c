"""One contender in a process of its own: prints what it measured as JSON.

python -m benchmarks.networks.one NETWORK NEURONS CONTENDER STEPS REPEATS
"""

import json
import resource
import sys
import time

import numpy as np

from benchmarks.networks.model import DT, NETWORKS


def main() -> None:
    network, neurons, way, steps, repeats = sys.argv[1], int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:6])
    model = NETWORKS[network](neurons)
    if way.startswith("Brian2"):
        from benchmarks.networks import by_brian2

        found, built, rate = by_brian2.times(model, steps, repeats, standalone=way.endswith("C++"))
        connected = 0.0
    else:
        from benchmarks.networks import by_jax

        began = time.perf_counter()
        run, arguments = by_jax.runner(model, way, steps)
        connected, began = time.perf_counter() - began, time.perf_counter()
        compiled = run.lower(*arguments).compile()
        built, found = time.perf_counter() - began, []
        for _ in range(repeats):
            began = time.perf_counter()
            spikes = np.asarray(compiled(*arguments))
            found.append(time.perf_counter() - began)
        rate = spikes.sum() / neurons / (steps * DT / 1000)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    second = float(np.median(found)) / (steps * DT / 1000)
    print(json.dumps([second, connected, built, max(memory, children if "C++" in way else 0.0), float(rate)]))


if __name__ == "__main__":
    main()
