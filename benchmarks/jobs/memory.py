"""Memory: what the compiled gradient of the job "gradient" needs besides its arguments and results."""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp

from benchmarks import contenders
from benchmarks.jobs.gradient import free, value_and_grad
from benchmarks.timing import Figure, Row
from benchmarks.workloads import Scale, default_params, distinct

UNIT = "MB"


def rows(scale: Scale) -> Iterator[Row]:
    size = scale.square
    spikes = jax.ShapeDtypeStruct((size, size), bool)
    runs = contenders.runs()
    runs["checkpoint"] = partial(contenders.synkin_simulate, method="exp_euler", checkpoint=True)
    for kernel in distinct(scale.kernels):
        figures = {"one trace": Figure(size**2 * jnp.dtype(jnp.float32).itemsize / 1e6)}
        for name, run in runs.items():
            compiled = jax.jit(value_and_grad(run, kernel)).lower(free(default_params(kernel)), spikes).compile()
            figures[name] = Figure(compiled.memory_analysis().temp_size_in_bytes / 1e6)
        yield Row({"kernel": kernel, "N": size, "T": size}, figures)
