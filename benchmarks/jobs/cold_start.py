"""Cold start: what a fresh process waits for, in the order shown: the import after JAX's own, then first calls."""

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from benchmarks import contenders, processes, textbook
from benchmarks.first_calls import SIZE
from benchmarks.timing import Row, checked, figure
from benchmarks.workloads import DT, Scale, default_params, distinct, spikes

UNIT = "ms"
TOLERANCE = 2e-5  # of the largest value, float32


def rows(scale: Scale) -> Iterator[Row]:
    train, kernels = spikes(SIZE, SIZE), distinct(scale.kernels)
    right = {
        kernel: textbook.result(kernel, default_params(kernel), train, DT, "exp_euler", jnp.sum) for kernel in kernels
    }
    names = [name for name in (contenders.REFERENCE, "synkin") if name in contenders.runs()]
    samples: dict[tuple[str, str], dict[str, list[float]]] = {}
    for i in range(scale.processes + 1):
        for name in names:
            told = processes.fresh("first_calls", name, ",".join(kernels))
            for kernel, sums in told["sums"].items():
                checked(name, np.array(sums), right[kernel], TOLERANCE)
            if i == 0:
                continue  # it may have compiled Python files
            for what, kernel, seconds in told["seconds"]:
                samples.setdefault((what, kernel), {}).setdefault(name, []).append(seconds)
    for (what, kernel), by_name in samples.items():
        figures = {name: figure(seconds, per=1e3) for name, seconds in by_name.items()}
        yield Row({"what": what, "kernel": kernel}, figures, in_mean=False)
