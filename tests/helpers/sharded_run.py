"""A run whose synapses are split over all devices, of one process or of two; started by `test_devices.py`.

    python sharded_run.py            all devices of this process
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
    jax.distributed.initialize(f"127.0.0.1:{sys.argv[1]}", num_processes=2, process_id=int(sys.argv[2]))

COLLECTIVES = ("all-gather", "all-reduce", "all-to-all", "collective-permute", "reduce-scatter")
rng = np.random.default_rng(0)
spikes = rng.random((120, 64)) < 0.05
beta = rng.uniform(0.1, 0.3, 64).astype("float32")
mesh = Mesh(np.array(jax.devices()), ("synapses",))


def run(beta, spikes):
    """A receptor and, behind it, a linear kernel."""
    state, g = synkin.simulate(synkin.ampa, synkin.ampa.Params(beta=beta), spikes, 0.1, dtype="float32")
    final, filtered = synkin.simulate(synkin.alpha, synkin.alpha.Params(), g, 0.1, dtype="float32")
    return state.g, state.pulse_left, final.h, g, filtered


def split(array, *axes):
    sharding = NamedSharding(mesh, PartitionSpec(*axes))
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


arguments = split(beta, "synapses"), split(spikes, None, "synapses")
compiled = jax.jit(run).lower(*arguments).compile()
parts = compiled(*arguments)
same = all(
    np.array_equal(np.asarray(shard.data), np.asarray(whole)[shard.index])
    for part, whole in zip(parts, jax.jit(run)(jnp.asarray(beta), jnp.asarray(spikes)), strict=True)
    for shard in part.addressable_shards
)
print("devices", len(jax.devices()), "shards here", len(parts[0].addressable_shards))
print("collectives", [name for name in COLLECTIVES if name in compiled.as_text()])
print("equal", same)
