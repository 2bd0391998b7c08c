"""The driver on the grid: what is kept, what it takes, and that JAX's transformations go through it."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from tests.helpers import samples

T, N, DT = samples.STEPS, samples.SYNAPSES, samples.DT
ampa, KERNELS = synkin.ampa, synkin.KERNELS
simulate = partial(synkin.simulate, dtype="float32")


def test_final_state_rows_and_when_an_input_acts(kernel):
    """Also of no synapses and of no steps. A spike acts from the start of its step, a weight at its end: the first
    row has a g, or, where the weight is added to another variable, none yet.
    """
    for shape in ((T, 2, N), (T, 0), (0, N)):
        run = partial(simulate, kernel, kernel.Params(), dt=DT)
        final, gs = jax.eval_shape(run, jax.ShapeDtypeStruct(shape, bool))
        assert isinstance(final, kernel.State)
        assert final[0].shape == shape[1:]
        assert (gs.shape, gs.dtype) == (shape, np.float32)
    _, gs = simulate(kernel, kernel.Params(), np.arange(T) == 0, DT)
    assert (gs[0] > 0) == (len(kernel.order) == 1 or not kernel.input.takes_weights)
    assert gs[1] > 0


def test_an_empty_train_changes_nothing():
    for kernel in (ampa, synkin.alpha):
        state, _ = kernel.step(kernel.Params(), kernel.init(kernel.Params(), (N,)), 0.0, np.ones(N, bool), DT)
        final, gs = synkin.simulate(kernel, kernel.Params(), np.zeros((0, N), bool), DT, state=state)
        assert gs.shape == (0, N)
        chex.assert_trees_all_close(final, state, rtol=1e-6)
        assert synkin.simulate(kernel, kernel.Params(), np.zeros((T, 0), bool), DT)[1].shape == (T, 0)


@pytest.mark.parametrize("name", ["ampa", "alpha", "bionmda", "dual_expon"])
def test_readout_keeps_what_it_returns(name):
    """State and g as after `step`, of any structure."""
    kernel, rng = KERNELS[name], np.random.default_rng(0)
    params = samples.params(kernel, rng, (N,), np.float32)
    inputs = samples.inputs(kernel, rng, (T, N), dtype=np.float32)
    weights = jnp.asarray(rng.normal(size=(2, N)), "float32")

    def readout(state, g):
        return {"sum": weights @ g, "state": state, "g": g, "nothing": None}

    final, kept = simulate(kernel, params, inputs, DT, readout=readout)
    _, gs = simulate(kernel, params, inputs, DT)
    np.testing.assert_allclose(kept["g"], gs, atol=1e-6 * np.abs(gs).max())
    np.testing.assert_allclose(kept["sum"], kept["g"] @ weights.T, rtol=1e-5, atol=1e-6)
    assert kept["nothing"] is None
    assert isinstance(kept["state"], kernel.State)
    chex.assert_trees_all_close(jax.tree.map(lambda leaf: leaf[-1], kept["state"]), final)


@pytest.mark.parametrize("name", ["ampa", "alpha"])
def test_memory_is_what_is_kept(name):
    """A run over many steps that keeps a sum does not hold the trace."""
    run = partial(simulate, KERNELS[name], KERNELS[name].Params(), dt=DT, readout=lambda _, g: g.sum(), method="exact")
    memory = jax.jit(run).lower(jax.ShapeDtypeStruct((2_000, 500), bool)).compile().memory_analysis()
    trace = 2_000 * 500 * 4
    assert memory.output_size_in_bytes < trace / 100
    assert memory.temp_size_in_bytes < trace / 2


def test_spikes_of_any_kind():
    """Integers, floating numbers, a list; and params and dt of any kind of number give what plain floats give."""
    params, spikes = ampa.Params(1, 2.0, 1, 2), samples.inputs(ampa, np.random.default_rng(1), (T, N))
    _, expected = simulate(ampa, params, spikes, 1.0)
    assert expected[0].min() > 0
    for kind in (np.int32, np.uint8, np.float32, np.float64):
        np.testing.assert_array_equal(simulate(ampa, params, spikes.astype(kind), 1)[1], expected)
    for kind in (int, float, np.float32, np.float64, np.int32, lambda x: jnp.asarray(x, "float32"), jnp.asarray):
        np.testing.assert_array_equal(simulate(ampa, ampa.Params(*map(kind, params)), spikes, kind(1))[1], expected)
    _, gs = simulate(ampa, params, [True, False, False], DT)
    np.testing.assert_array_equal(gs, simulate(ampa, params, np.array([1, 0, 0]), DT)[1])


def test_a_readout_closes_over_arrays_within_shard_map():
    """What it closes over is the same on all devices, what a step gives is not."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("synapses",))
    spikes, weights = jnp.asarray(np.random.default_rng(0).random((T, N)) < 0.1), jnp.linspace(0.5, 1.5, N)

    def run(spikes):
        return synkin.simulate(ampa, ampa.Params(), spikes, DT, readout=lambda state, g: 2 * weights * g)[1]

    split = jax.sharding.PartitionSpec(None, "synapses")
    got = jax.jit(jax.shard_map(run, mesh=mesh, in_specs=split, out_specs=split))(spikes)
    np.testing.assert_allclose(got, run(spikes), rtol=1e-6)
