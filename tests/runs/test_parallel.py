"""Other ways through time give the same run: in parallel, in blocks whose gradient is computed again, in chunks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin.solving import loops, run
from tests.helpers import samples
from tests.helpers.kernels import DISTINCT

DT = 0.1
STEPS = 163


@pytest.fixture
def small_blocks(monkeypatch):
    """Parallel runs in blocks of 25 steps, with a rest."""
    monkeypatch.setattr(run, "_PARALLEL_ELEMENTS", 50)
    jax.clear_caches()
    yield
    jax.clear_caches()


def runs(kernel, method, readout=None, **way):
    """Final state, what was kept and the gradient with respect to every parameter, from within a pulse on."""
    rng = np.random.default_rng(4)
    spikes = samples.inputs(kernel, rng, (STEPS, 2), rate=0.03, dtype="float32")
    params = samples.params(kernel, rng, dtype="float32")

    @jax.jit
    def run(params):
        state, _ = synkin.simulate(kernel, params, spikes[:3], DT, method=method, dtype="float32")
        final, kept = synkin.simulate(
            kernel, params, spikes[3:], DT, method=method, state=state, readout=readout, **way
        )
        return jnp.sum(kept**2), (final, kept)

    (_, result), gradient = jax.jit(jax.value_and_grad(run, has_aux=True))(params)
    return result, gradient


@pytest.mark.parametrize("kernel", DISTINCT.values(), ids=DISTINCT)
@pytest.mark.usefixtures("small_blocks")
def test_every_way_is_the_same_run(kernel):
    expected, expected_gradient = runs(kernel, "exp_euler")
    for way in ({"parallel": True}, {"checkpoint": 40}, {"parallel": True, "checkpoint": True}):
        got, gradient = runs(kernel, "exp_euler", **way)
        for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
            atol = 1e-5 * max(np.abs(other).max(), 1e-3)
            np.testing.assert_allclose(one, other, rtol=0, atol=atol, err_msg=str(way))
        for one, other in zip(gradient, expected_gradient, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5, err_msg=str(way))


@pytest.mark.parametrize("kernel", [synkin.ampa, synkin.alpha], ids=["ampa", "alpha"])
@pytest.mark.usefixtures("small_blocks")
def test_exact_in_parallel_with_a_readout(kernel):
    def readout(state, g):
        return g.sum() + state[-1][0]

    expected, expected_gradient = runs(kernel, "exact", readout)
    got, gradient = runs(kernel, "exact", readout, parallel=True)
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * np.abs(other).max())
    for one, other in zip(gradient, expected_gradient, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.fixture
def chunks(monkeypatch):
    """Several steps at a time, as on an accelerator, with a rest."""
    jax.clear_caches()
    monkeypatch.setattr(loops, "_chunk", lambda: 7)
    yield
    jax.clear_caches()


@pytest.mark.parametrize("readout", [None, lambda state, g: {"g": g, "left": state[-1].sum()}], ids=["g", "readout"])
@pytest.mark.parametrize("kernel", DISTINCT.values(), ids=DISTINCT)
def test_in_chunks_as_on_an_accelerator(kernel, readout, request):
    jax.clear_caches()

    def run():
        rng = np.random.default_rng(7)
        spikes = samples.inputs(kernel, rng, (STEPS, 2, 3), rate=0.03, dtype="float32")
        params = samples.params(kernel, rng, dtype="float32")
        final, kept = jax.vmap(
            lambda spikes: synkin.simulate(kernel, params, spikes, DT, readout=readout, dtype="float32"),
            in_axes=1, out_axes=(0, 1),
        )(spikes)  # fmt: skip
        return final, kept, runs(kernel, "exp_euler") if readout is None else None

    expected = run()
    request.getfixturevalue("chunks")
    got = run()
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6 * max(np.abs(other).max(), 1e-3))


@pytest.mark.usefixtures("chunks")
def test_a_run_shorter_than_a_chunk():
    for steps in (0, 1, 3):
        final, g = synkin.simulate(synkin.ampa, synkin.ampa.Params(), np.ones((steps, 2), bool), DT)
        assert g.shape == (steps, 2)
        assert (final.g > 0).all() == (steps > 0)


@pytest.mark.parametrize("overlap", ["restart", "ignore"])
def test_pulses_are_counted_alike(overlap):
    spikes = np.random.default_rng(5).random((200, 3)) < 0.1
    params = synkin.ampa.Params(T_dur=1.7)
    step_by_step, at_once = (
        synkin.simulate(synkin.ampa, params, spikes, DT, overlap=overlap, parallel=way)[1] for way in (False, True)
    )
    np.testing.assert_allclose(at_once, step_by_step, atol=1e-6)


def test_checkpoint_bounds_the_memory_of_a_gradient():
    spikes = jnp.asarray(np.random.default_rng(6).random((4096, 16)) < 0.01)

    def temporary_bytes(checkpoint):
        def loss(beta):
            params = synkin.ampa.Params(beta=beta)
            kept = synkin.simulate(
                synkin.ampa,
                params,
                spikes,
                DT,
                readout=lambda state, g: g.sum(),
                checkpoint=checkpoint,
                dtype="float32",
            )[1]
            return jnp.mean(kept**2)

        compiled = jax.jit(jax.grad(loss)).lower(jnp.float32(0.18)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    trace = 4096 * 16 * 4
    assert temporary_bytes(False) > trace
    assert temporary_bytes(64) < 0.4 * trace


@pytest.mark.parametrize("value", [0, -3, 2.5, "all"])
def test_a_checkpoint_that_is_no_number_of_steps(value):
    with pytest.raises((TypeError, ValueError), match="Argument `checkpoint` must be"):
        synkin.simulate(synkin.ampa, synkin.ampa.Params(), np.zeros(5, bool), DT, checkpoint=value)
