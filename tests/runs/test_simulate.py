"""The driver on the grid: what is kept, what it takes, and that pulses are counted alike wherever in time.

That a run does not know what time it is, the contract holds for every kernel.
"""

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


@pytest.mark.parametrize("name", ["ampa", "dual_expon"])
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


# Pulses in float32, where an absolute time would be rounded away.

METHODS = ("exp_euler", "exact")


PULSES = (  # T_dur, dt, the steps that it touches
    (0.3, 0.1, 3), (0.7, 0.1, 7), (0.05, 0.1, 1), (0.1, 0.1, 1), (0.11, 0.1, 2), (0.5, 0.125, 4), (1.0, 0.3, 4),
    (2.0, 0.1, 20), (0.6, 0.2, 3), (84.0, 0.1, 840), (84.0, 0.01, 8400), (5.0, 10.0, 1), (0.0, 0.1, 0),
)  # fmt: skip
SPIKE = np.arange(12_000) == 0


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_steps_and_transmitter_of_a_pulse(method, by_hand):
    """One pulse without unbinding: g grows while there is transmitter and not a step longer.

    In "exp_euler" that is ceil(T_dur / dt) steps, whatever float32 makes of the quotient. In "exact" it is T_dur of it,
    -log(1 - g) / (alpha T), wherever in its last step the pulse ends.
    """

    @jax.jit
    def run(params, dt):
        if by_hand:
            return samples.scan(ampa, params, ampa.init(params, (), dtype="float32"), SPIKE, dt, method=method)[1]
        return synkin.simulate(ampa, params, SPIKE, dt, method=method, dtype="float32")[1]

    for T_dur, dt, steps in PULSES:
        rate = 0.5 / max(T_dur, dt)
        g = np.asarray(run(ampa.Params(*np.float32([rate, 0.0, 1.0, T_dur])), np.float32(dt)), np.float64)
        if method == "exp_euler":
            assert (np.diff(g, prepend=0) > 0).sum() == steps
        else:
            np.testing.assert_allclose(-np.log1p(-g[-1]) / rate, T_dur, rtol=1e-4)
    # 84 ms at dt 0.01 are 8400 steps of countdown, and ten thousand roundings of g: GABA-B in closed form.
    binding, beta, T_dur, s = 0.016, 0.0047, 84.0, np.arange(1, 12_001) * 0.01
    rising = binding / (binding + beta) * -np.expm1(-(binding + beta) * np.minimum(s, T_dur))
    expected = rising * np.exp(-beta * np.maximum(s - T_dur, 0))
    g = run(ampa.Params(*np.float32([binding, beta, 1.0, T_dur])), np.float32(0.01))
    assert g.dtype == np.float32
    assert np.abs(np.float64(g) - expected).max() < 1e-4 * expected.max()
