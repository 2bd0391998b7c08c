"""The driver on the grid: what is kept, how a run goes on, and that JAX's transformations go through it."""

import os
import subprocess
import sys
import textwrap

import chex
import jax
import jax.numpy as jnp
import numpy as np

import synkin
from tests.helpers import samples

T, N, DT = samples.STEPS, samples.SYNAPSES, samples.DT


def test_returns_the_final_state_and_a_row_a_step(kernel):
    spikes = np.zeros((T, 2, N), bool)
    final, gs = synkin.simulate(kernel, kernel.Params(), spikes, DT, dtype="float32")
    assert isinstance(final, kernel.State)
    assert final[0].shape == (2, N)
    assert (gs.shape, gs.dtype) == ((T, 2, N), np.float32)


def test_an_input_acts_where_it_should(kernel, method):
    """A spike from the start of its step, a weight at its end: so the first row has a g, or has none yet."""
    inputs = np.arange(T) == 0
    _, gs = samples.simulate(kernel, kernel.Params(), inputs, DT, method=method)
    at_once = (
        not kernel.input.takes_weights or kernel.structure.output[kernel.order.index(*kernel.input.variables)] != 0
    )
    assert (gs[0] > 0) == at_once
    assert gs[1] > 0


def test_readout_keeps_what_it_returns(kernel):
    """State and g as after `step`, of any structure."""
    rng = np.random.default_rng(0)
    params = samples.params(kernel, rng, (N,), np.float32)
    inputs = samples.inputs(kernel, rng, (T, N), dtype=np.float32)
    weights = jnp.asarray(rng.normal(size=(2, N)), "float32")

    @jax.jit
    def run(params, inputs):
        return synkin.simulate(
            kernel, params, inputs, DT, dtype="float32",
            readout=lambda state, g: {"sum": weights @ g, "state": state, "g": g},
        )  # fmt: skip

    final, kept = run(params, inputs)
    _, gs = samples.simulate(kernel, params, inputs, DT, method="exp_euler", dtype="float32")
    np.testing.assert_allclose(kept["g"], gs, atol=1e-6 * np.abs(gs).max())
    np.testing.assert_allclose(kept["sum"], kept["g"] @ weights.T, rtol=1e-5, atol=1e-6)
    assert isinstance(kept["state"], kernel.State)
    chex.assert_trees_all_close(jax.tree.map(lambda leaf: leaf[-1], kept["state"]), final)


def test_readout_may_keep_nothing():
    _, kept = synkin.simulate(synkin.ampa, synkin.ampa.Params(), np.ones((T, N), bool), DT, readout=lambda *_: None)
    assert kept is None


def test_memory_is_what_is_kept(kernel):
    """A run over many steps that keeps a sum does not hold the trace."""
    steps, synapses = 2_000, 500

    def run(inputs):
        params = kernel.Params()
        return synkin.simulate(kernel, params, inputs, DT, readout=lambda _, g: g.sum(), dtype="float32")[1]

    inputs = jax.ShapeDtypeStruct((steps, synapses), bool)
    memory = jax.jit(run).lower(inputs).compile().memory_analysis()
    trace = steps * synapses * 4
    assert memory.output_size_in_bytes < trace / 100
    assert memory.temp_size_in_bytes < trace / 2


def test_an_empty_train_changes_nothing(kernel):
    state, _ = kernel.step(kernel.Params(), kernel.init(kernel.Params(), (N,)), 0.0, np.ones(N, bool), DT)
    final, gs = synkin.simulate(kernel, kernel.Params(), np.zeros((0, N), bool), DT, state=state)
    assert gs.shape == (0, N)
    chex.assert_trees_all_close(final, state, rtol=1e-6)


def test_no_synapses_are_no_trouble(kernel):
    _, gs = synkin.simulate(kernel, kernel.Params(), np.zeros((T, 0), bool), DT)
    assert gs.shape == (T, 0)


def test_the_state_s_dtype_decides(kernel, x64):
    start = kernel.init(kernel.Params(), (N,), dtype="float32")
    final, gs = synkin.simulate(kernel, kernel.Params(), np.zeros((T, N)), DT, state=start)
    assert gs.dtype == final[0].dtype == np.float32


def test_spikes_of_any_dtype():
    params, spikes = synkin.ampa.Params(), samples.inputs(synkin.ampa, np.random.default_rng(1), (T, N))
    _, expected = samples.simulate(synkin.ampa, params, spikes, DT, dtype="float32")
    for kind in (np.int32, np.uint8, np.float32, np.float64):
        _, gs = samples.simulate(synkin.ampa, params, spikes.astype(kind), DT, dtype="float32")
        np.testing.assert_array_equal(gs, expected)


def test_a_list_of_spikes_will_do():
    _, gs = synkin.simulate(synkin.ampa, synkin.ampa.Params(), [True, False, False], DT)
    _, same = synkin.simulate(synkin.ampa, synkin.ampa.Params(), np.array([1, 0, 0]), DT)
    np.testing.assert_array_equal(gs, same)


def test_transformations_nest():
    """jit of vmap of grad of a run, over a tree of parameters, is grad of each."""
    kernel = synkin.ampa
    inputs = samples.inputs(kernel, np.random.default_rng(2), (T, N), dtype=np.float32)

    def loss(params, inputs):
        return (synkin.simulate(kernel, params, inputs, DT, method="exact", dtype="float32")[1] ** 2).mean()

    params = samples.params(kernel, np.random.default_rng(3), (2,), np.float32)
    slopes = jax.jit(jax.vmap(jax.grad(loss), in_axes=(0, None)))(params, inputs)
    assert isinstance(slopes, kernel.Params)
    one_by_one = jax.jit(jax.grad(loss))
    for i in range(2):
        one = one_by_one(jax.tree.map(lambda leaf, i=i: leaf[i], params), inputs)
        assert all(leaf != 0 for leaf in one)
        chex.assert_trees_all_close(jax.tree.map(lambda leaf, i=i: leaf[i], slopes), one, rtol=1e-4)


def test_an_input_sharded_over_devices_gives_a_sharded_trace():
    """Synapses over two devices, in a process that has two."""
    script = """
        import jax, numpy as np, synkin
        from jax.sharding import Mesh, NamedSharding, PartitionSpec
        sharding = NamedSharding(Mesh(np.array(jax.devices()), ("synapses",)), PartitionSpec(None, "synapses"))
        spikes = np.random.default_rng(0).random((40, 6)) < 0.2
        for kernel in (synkin.ampa, synkin.alpha):
            run = jax.jit(lambda spikes: synkin.simulate(kernel, kernel.Params(), spikes, 0.1)[1])
            gs = run(jax.device_put(spikes, sharding))
            assert len(gs.sharding.device_set) == 2, gs.sharding
            assert {shard.data.shape for shard in gs.addressable_shards} == {(40, 3)}, gs.sharding
            np.testing.assert_allclose(gs, run(spikes), rtol=1e-6)
    """
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


def test_a_readout_closes_over_arrays_within_shard_map():
    """What it closes over is the same on all devices, what a step gives is not."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("synapses",))
    spikes = jnp.asarray(np.random.default_rng(0).random((T, N)) < 0.1)
    weights, params = jnp.linspace(0.5, 1.5, N), synkin.ampa.Params()

    def run(spikes):
        return synkin.simulate(synkin.ampa, params, spikes, DT, readout=lambda state, g: 2 * weights * g)[1]

    split = jax.sharding.PartitionSpec(None, "synapses")
    got = jax.jit(jax.shard_map(run, mesh=mesh, in_specs=split, out_specs=split))(spikes)
    np.testing.assert_allclose(got, run(spikes), rtol=1e-6)
