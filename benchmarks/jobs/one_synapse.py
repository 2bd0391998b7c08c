"""One synapse over many steps: what a step costs by itself."""

from collections.abc import Iterator

from benchmarks import forward
from benchmarks.contenders import whole
from benchmarks.timing import Row
from benchmarks.workloads import Scale, default_params, distinct, spikes

UNIT = forward.UNIT


def rows(scale: Scale) -> Iterator[Row]:
    train = spikes(scale.long, 1)
    for kernel in distinct(scale.kernels):
        figures = forward.measure(kernel, default_params(kernel), train, whole, scale)
        yield Row({"kernel": kernel, "N": 1, "T": len(train)}, figures)
