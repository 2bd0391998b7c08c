"""A network whose neurons are split over all devices, of one process or of two; started by `test_connect.py`.

    python sharded_network.py            all devices of this process
    python sharded_network.py PORT I     process I of two, joined on the loopback address

Prints whether each device's spikes equal those of the network on one device, and what devices send each other.
"""

import os
import re
import sys

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import synkin

if len(sys.argv) > 1:
    jax.distributed.initialize(f"127.0.0.1:{sys.argv[1]}", num_processes=2, process_id=int(sys.argv[2]))

N, COUNT, DT, STEPS = 64, 900, 0.1, 120
rng = np.random.default_rng(0)
pre, post = rng.integers(0, N, (2, COUNT))
weights, delays = rng.normal(0.3, 0.5, COUNT).astype("float32"), rng.integers(0, 15, COUNT) * DT
start, drive = rng.random((2, N)).astype("float32") + np.array([[0.0], [1.0]], "float32")
sharding = NamedSharding(Mesh(np.array(jax.devices()), ("neurons",)), PartitionSpec("neurons"))
given = pre, post, weights, delays
whole = synkin.connect(*given, shape=(N, N), dt=DT)
parts = synkin.connect(*given, shape=(N, N), dt=DT, sharding=sharding)
synapses = synkin.stepper(synkin.expon, synkin.expon.Params(tau=5.0), DT)


def split(array):
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


def run(projection, V, drive):
    def step(carry, _):
        V, spiked, coming, synapse = carry
        coming, arriving = projection.step(coming, spiked)
        synapse, g = synapses.step(synapse, arriving)
        V = jnp.where(spiked, jnp.zeros_like(V), V)
        V = V + DT / 10.0 * (drive + g - V)
        return (V, V > 1.0, coming, synapse), (V, V > 1.0)

    begins = V, V > 1.0, projection.init(), synapses.init((N,))
    return jax.lax.scan(step, begins, length=STEPS)[1]


compiled = jax.jit(run).lower(parts, split(start), split(drive)).compile()
results = compiled(parts, split(start), split(drive))
expected = jax.jit(run)(whole, start, drive)
same = all(
    np.array_equal(np.asarray(shard.data), np.asarray(right)[shard.index])
    for result, right in zip(results, expected, strict=True)
    for shard in result.addressable_shards
)
sent = re.findall(r"= (\S+?)(?:\{\S*)? (all-gather|all-reduce|all-to-all|collective-permute)\(", compiled.as_text())
print("devices", len(jax.devices()))
print("spikes equal", same, "and there are some", bool(np.asarray(expected[1]).any()))
print("sent", sorted({" ".join(each) for each in sent}))


def loss(weights, projection, start, drive):
    return (run(projection.with_weights(weights), start, drive)[0] ** 2).sum()


if len(sys.argv) == 1:
    one, many = (jax.jit(jax.grad(loss))(weights, each, start, drive) for each in (whole, parts))
    print("gradient equal", bool(np.allclose(one, many, rtol=1e-4, atol=1e-6 * np.abs(one).max())))
