"""Parallel in time: few synapses over many steps, for accelerators; on a CPU the plain scan is faster."""

from collections.abc import Iterator
from functools import partial

from benchmarks import contenders, forward
from benchmarks.contenders import whole
from benchmarks.timing import Row
from benchmarks.workloads import Scale, default_params, distinct, spikes

UNIT = forward.UNIT


def rows(scale: Scale) -> Iterator[Row]:
    runs = {
        "synkin": partial(contenders.synkin_simulate, method="exp_euler"),
        "synkin parallel": partial(contenders.synkin_simulate, method="exp_euler", parallel=True),
    }
    for kernel in distinct(scale.kernels):
        for synapses in (1, 100):
            train = spikes(scale.long // synapses, synapses)
            figures = forward.measure(kernel, default_params(kernel), train, whole, scale, runs=runs)
            yield Row({"kernel": kernel, "N": synapses, "T": len(train)}, figures)
