"""Devices: the whole trace, its synapses split over 1, 2 and 8 devices, which on a CPU are threads of one machine."""

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from benchmarks import forward, processes, textbook
from benchmarks.timing import Row, checked, figure
from benchmarks.workloads import DT, Scale, default_params, distinct, spikes, steps_for

UNIT = forward.UNIT
CONTENDERS = {1: "synkin", 2: "2 devices", 8: "8 devices"}


def rows(scale: Scale) -> Iterator[Row]:
    synapses = max(scale.synapses) // max(CONTENDERS) * max(CONTENDERS)
    train = spikes(steps_for(scale, synapses), synapses)
    for kernel in distinct(scale.kernels):
        right = textbook.result(kernel, default_params(kernel), train, DT, "exp_euler", jnp.sum)
        figures = {}
        for devices, name in CONTENDERS.items():
            arguments = (kernel, str(synapses), str(len(train)), str(max(scale.repeats, 2)))
            flags = f"--xla_force_host_platform_device_count={devices}"
            told = processes.fresh("split_run", *arguments, XLA_FLAGS=flags, JAX_PLATFORMS="cpu")
            error = checked(name, np.array(told["sums"]), right, forward.TOLERANCE)
            figures[name] = figure(told["seconds"], per=1e9 / train.size, error=error)
        yield Row({"kernel": kernel, "N": synapses, "T": len(train)}, figures)
