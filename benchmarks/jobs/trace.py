"""Trace: g of every synapse and step is kept."""

from collections.abc import Iterator

from benchmarks import forward
from benchmarks.contenders import whole
from benchmarks.timing import Row
from benchmarks.workloads import Scale, default_params, distinct, spikes, steps_for

UNIT = forward.UNIT


def rows(scale: Scale) -> Iterator[Row]:
    for kernel in distinct(scale.kernels):
        for synapses in scale.synapses:
            train = spikes(steps_for(scale, synapses), synapses)
            figures = forward.measure(kernel, default_params(kernel), train, whole, scale)
            yield Row({"kernel": kernel, "N": synapses, "T": len(train)}, figures)
