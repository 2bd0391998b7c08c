"""A run whose synapses are split over all devices, of one process or of two; started by `test_devices.py`.

Usage: python sharded_run.py            all devices of this process
       python sharded_run.py PORT I     process I of two, joined on the loopback address

Prints what the compiled run holds of collective operations, and whether every part equals the run on one device.
"""

import os
import sys

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import synkin

if len(sys.argv) > 1:
    port, process = sys.argv[1:]
    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=int(process))

SYNAPSES, STEPS, DT = 64, 120, 0.1
COLLECTIVES = ("all-gather", "all-reduce", "all-to-all", "collective-permute", "reduce-scatter")

rng = np.random.default_rng(0)
spikes = rng.random((STEPS, SYNAPSES)) < 0.05
beta = rng.uniform(0.1, 0.3, SYNAPSES).astype("float32")


def run(beta, spikes):
    """A receptor and, behind it, a linear kernel."""
    state, g = synkin.simulate(synkin.ampa, synkin.ampa.Params(beta=beta), spikes, DT, dtype="float32")
    final, filtered = synkin.simulate(synkin.alpha, synkin.alpha.Params(), g, DT, dtype="float32")
    return state.g, state.pulse_left, final.h, g, filtered


mesh = Mesh(np.array(jax.devices()), ("synapses",))


def split(array, *axes):
    sharding = NamedSharding(mesh, PartitionSpec(*axes))
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


arguments = split(beta, "synapses"), split(spikes, None, "synapses")
compiled = jax.jit(run).lower(*arguments).compile()
split_up = compiled(*arguments)
same = all(
    np.array_equal(np.asarray(shard.data), np.asarray(whole)[shard.index])
    for parts, whole in zip(split_up, jax.jit(run)(jnp.asarray(beta), jnp.asarray(spikes)), strict=True)
    for shard in parts.addressable_shards
)
print("devices", len(jax.devices()), "shards here", len(split_up[0].addressable_shards))
print("collectives", [name for name in COLLECTIVES if name in compiled.as_text()])
print("equal", same)
