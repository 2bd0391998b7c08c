"""Cold start: what a fresh process waits for, in the order shown: the import after JAX's own, then first calls."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from benchmarks import contenders, textbook
from benchmarks.first_calls import SIZE
from benchmarks.timing import Row, checked, figure
from benchmarks.workloads import DT, Scale, default_params, distinct, spikes

UNIT = "ms"
TOLERANCE = 2e-5  # of the largest value, float32
NOT_INHERITED = ("JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_X64")
ROOT = Path(__file__).parents[2]


def rows(scale: Scale) -> Iterator[Row]:
    train, kernels = spikes(SIZE, SIZE), distinct(scale.kernels)
    right = {
        kernel: textbook.result(kernel, default_params(kernel), train, DT, "exp_euler", jnp.sum) for kernel in kernels
    }
    names = [name for name in (contenders.REFERENCE, "synkin") if name in contenders.runs()]
    samples: dict[tuple[str, str], dict[str, list[float]]] = {}
    for i in range(scale.processes + 1):
        for name in names:
            told = _fresh_process(name, kernels)
            for kernel, sums in told["sums"].items():
                checked(name, np.array(sums), right[kernel], TOLERANCE)
            if i == 0:
                continue  # it may have compiled Python files
            for what, kernel, seconds in told["seconds"]:
                samples.setdefault((what, kernel), {}).setdefault(name, []).append(seconds)
    for (what, kernel), by_name in samples.items():
        figures = {name: figure(seconds, per=1e3) for name, seconds in by_name.items()}
        yield Row({"what": what, "kernel": kernel}, figures, in_mean=False)


def _fresh_process(name: str, kernels: list[str]) -> dict[str, dict]:
    environment = {key: value for key, value in os.environ.items() if key not in NOT_INHERITED}
    # Python's own way here, but for what the environment may hide.
    environment["PYTHONPATH"] = os.pathsep.join(path for path in (str(ROOT), *sys.path) if path)
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.first_calls", name, ",".join(kernels)]
    ran = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"A fresh process with {name} failed:\n{ran.stderr}")
    return json.loads(ran.stdout.splitlines()[-1])
