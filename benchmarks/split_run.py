"""A run whose synapses are split over devices: run by the job "devices" as `python -m benchmarks.split_run KERNEL N T
REPEATS` in a process with that many devices.

Prints JSON: the seconds of each call, and g summed over the synapses.
"""

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from benchmarks import contenders, workloads
from benchmarks.timing import Call, seconds


def main(kernel: str, synapses: int, steps: int, repeats: int) -> None:
    mesh = Mesh(np.array(jax.devices()), ("synapses",))
    split = NamedSharding(mesh, PartitionSpec(None, "synapses"))
    train = jax.device_put(workloads.spikes(steps, synapses), split)
    params = workloads.default_params(kernel)
    compiled = jax.jit(
        lambda spikes: contenders.synkin_simulate(kernel, params, spikes, contenders.whole)
    ).lower(train).compile()  # fmt: skip
    sums = jnp.sum(compiled(train), axis=1).tolist()
    call = Call(lambda: compiled(train))
    print(json.dumps({"seconds": [seconds(call) for _ in range(repeats)], "sums": sums}))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
