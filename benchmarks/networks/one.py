"""One contender in a process of its own: prints what it measured as JSON.

python -m benchmarks.networks.one NETWORK NEURONS CONTENDER STEPS REPEATS
"""

import json
import sys
import time
from pathlib import Path

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
    second = float(np.median(found)) / (steps * DT / 1000)
    print(json.dumps([second, connected, built, memory(way), float(rate)]))


def memory(way: str) -> float:
    """The largest memory of this process, MB; NaN where another one ran the network."""
    if way == "Brian2 C++":  # its program is a process that has ended, after the compiler's
        return float("nan")
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), float("nan"))


if __name__ == "__main__":
    main()
