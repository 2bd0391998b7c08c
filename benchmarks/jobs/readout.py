"""Readout: of each step only the sum over the synapses is kept."""

from collections.abc import Iterator

import jax.numpy as jnp

from benchmarks import forward
from benchmarks.timing import Row
from benchmarks.workloads import Scale, default_params, spikes, steps_for

UNIT = forward.UNIT
IN_MEAN = 100_000  # synapses at most: up to here the processor's cache plays a part


def rows(scale: Scale) -> Iterator[Row]:
    for kernel in scale.kernels:
        for synapses in scale.synapses:
            train = spikes(steps_for(scale, synapses), synapses)
            figures = forward.measure(kernel, default_params(kernel), train, jnp.sum, scale)
            labels = {"kernel": kernel, "N": synapses, "T": len(train)}
            yield Row(labels, figures, in_mean=synapses <= IN_MEAN)
