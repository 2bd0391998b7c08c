"""Long gradient: of a run whose trace does not fit, by `checkpoint=True`: time, and memory besides its arguments."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

import synkin
from benchmarks import textbook
from benchmarks.jobs.gradient import free, without_T_dur
from benchmarks.timing import Call, Figure, Row, checked, figure, seconds
from benchmarks.workloads import DT, Scale, default_params, distinct, sparse_spikes, spikes

UNIT = "s or MB"
TOLERANCE = 1e-4  # of each derivative, float32


def rows(scale: Scale) -> Iterator[Row]:
    small = spikes(scale.square, min(scale.square, scale.along))
    given = jnp.asarray(sparse_spikes(scale.long, scale.along))
    for kernel in distinct(scale.kernels):
        run = jax.jit(_value_and_grad(kernel))
        arrays = free(default_params(kernel))
        right = textbook.gradient(_mean_square_of_sum, kernel, default_params(kernel), small, DT, "exp_euler")
        error = checked("synkin", run(arrays, jnp.asarray(small)), without_T_dur(right), TOLERANCE)

        compiled = run.lower(arrays, given).compile()
        labels = {"kernel": kernel, "N": scale.along, "T": scale.long}
        megabytes = compiled.memory_analysis().temp_size_in_bytes / 1e6
        whole = Figure(given.size * jnp.dtype(jnp.float32).itemsize / 1e6)
        yield Row({"what": "memory, MB", **labels}, {"synkin": Figure(megabytes), "one trace": whole}, in_mean=False)
        call = Call(lambda compiled=compiled, arrays=arrays: compiled(arrays, given))
        taken = figure([seconds(call) for _ in range(min(scale.repeats, 3))], per=1, error=error)
        yield Row({"what": "time, s", **labels}, {"synkin": taken}, in_mean=False)


def _value_and_grad(kernel: str) -> Callable[[dict[str, Array], Array], Any]:
    """Of the mean square of the sum of g over the synapses: what is kept is small too."""

    def loss(free: dict[str, Array], spikes: Array) -> Array:
        params = default_params(kernel)._replace(**free)
        _, total = synkin.simulate(
            synkin.KERNELS[kernel], params, spikes, DT, readout=lambda state, g: g.sum(), checkpoint=True
        )
        return jnp.mean(total**2)

    return jax.value_and_grad(loss)


def _mean_square_of_sum(g: Array) -> Array:
    return jnp.mean(jnp.sum(g, axis=1) ** 2)
