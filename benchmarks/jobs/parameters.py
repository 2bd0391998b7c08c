"""Parameters: constants of the compiled function or its arguments, shared by the synapses or one each."""

from collections.abc import Iterator

import jax.numpy as jnp

from benchmarks import forward
from benchmarks.timing import Row
from benchmarks.workloads import Scale, default_params, distinct, scattered_params, spikes, steps_for

UNIT = forward.UNIT
SYNAPSES = 10_000


def rows(scale: Scale) -> Iterator[Row]:
    synapses = min(SYNAPSES, max(scale.synapses))
    train = spikes(steps_for(scale, synapses), synapses)
    for kernel in distinct(scale.kernels):
        for values, params in (("shared", default_params(kernel)), ("one each", scattered_params(kernel, synapses))):
            for traced in (False, True):
                figures = forward.measure(kernel, params, train, jnp.sum, scale, traced=traced)
                labels = {"kernel": kernel, "N": synapses, "T": len(train), "parameters": values}
                yield Row({**labels, "known": "traced" if traced else "concrete"}, figures)
