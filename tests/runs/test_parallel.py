"""Other ways through time give the same run: in parallel, in blocks whose gradient is computed again, in chunks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin.solving import loops, run
from tests.contract.table import wide
from tests.helpers import samples

DT, STEPS = 0.1, 163
EVERY = ("ampa", "alpha", "bionmda", "expon", "dual_expon")


@pytest.fixture
def patch(monkeypatch):
    """Sets what a program is compiled with."""

    def to(module, name, value):
        monkeypatch.setattr(module, name, value)
        jax.clear_caches()

    yield to
    jax.clear_caches()


def runs(kernel, method="exp_euler", readout=None, **way):
    """Final state, what was kept and the gradient with respect to every parameter, from within a pulse on."""
    rng = np.random.default_rng(4)
    spikes = samples.inputs(kernel, rng, (STEPS, 2), rate=0.03, dtype="float32")
    params = samples.params(kernel, rng, dtype="float32")
    state = kernel.init(params, (2,), dtype="float32")._replace(**{kernel.State._fields[-1]: jnp.full(2, 0.23)})

    @jax.jit
    def loss(params):
        final, kept = synkin.simulate(kernel, params, spikes, DT, method=method, state=state, readout=readout, **way)
        return jnp.sum(kept**2), (final, kept)

    (_, result), gradient = jax.value_and_grad(loss, has_aux=True)(params)
    return result, gradient


def same(got, expected):
    for one, other in zip(jax.tree.leaves(got[0]), jax.tree.leaves(expected[0]), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * max(np.abs(other).max(), 1e-3))
    for one, other in zip(got[1], expected[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


WAYS = ({"parallel": True}, {"checkpoint": 40}, {"parallel": True, "checkpoint": True})


@pytest.mark.parametrize(("name", "ways"), wide([("expon", 1), *((name, 3) for name in EVERY)], [("expon", 1)]))
def test_every_way_is_the_same_run(name, ways, patch):
    """Parallel runs in blocks of 25 steps, with a rest."""
    kernel = synkin.KERNELS[name]
    patch(run, "_PARALLEL_ELEMENTS", 50)
    expected = runs(kernel)
    for way in WAYS[-ways:]:
        same(runs(kernel, **way), expected)


@pytest.mark.wide
@pytest.mark.parametrize("name", EVERY)
def test_in_chunks_as_on_an_accelerator(name, patch):
    """Several steps at a time, with a rest."""
    kernel, rng = synkin.KERNELS[name], np.random.default_rng(7)
    spikes = samples.inputs(kernel, rng, (STEPS, 2, 3), rate=0.03, dtype="float32")
    params = samples.params(kernel, rng, dtype="float32")

    def one(spikes):
        read = {"readout": lambda state, g: {"g": g, "left": state[-1].sum()}}
        return synkin.simulate(kernel, params, spikes, DT, dtype="float32", **read)

    def results():
        return jax.vmap(one, in_axes=1, out_axes=(0, 1))(spikes), runs(kernel)

    expected = results()
    patch(loops, "_chunk", lambda: 7)
    for one_leaf, other in zip(jax.tree.leaves(results()), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one_leaf, other, rtol=1e-5, atol=1e-6 * max(np.abs(other).max(), 1e-3))


def test_a_run_shorter_than_a_chunk(patch):
    patch(loops, "_chunk", lambda: 7)
    for steps in (0, 1, 3):
        final, g = synkin.simulate(synkin.ampa, synkin.ampa.Params(), np.ones((steps, 2), bool), DT)
        assert g.shape == (steps, 2)
        assert (final.g > 0).all() == (steps > 0)


@pytest.mark.parametrize("overlap", wide(["restart", "ignore"], ["ignore"]))
def test_pulses_are_counted_alike(overlap):
    spikes, params = np.random.default_rng(5).random((200, 3)) < 0.1, synkin.ampa.Params(T_dur=1.7)
    step_by_step, at_once = (
        synkin.simulate(synkin.ampa, params, spikes, DT, overlap=overlap, parallel=way)[1] for way in (False, True)
    )
    np.testing.assert_allclose(at_once, step_by_step, atol=1e-6)


def test_checkpoint_bounds_the_memory_of_a_gradient():
    spikes = jax.ShapeDtypeStruct((4096, 16), bool)

    def temporary_bytes(checkpoint):
        def loss(beta, spikes):
            options = {"readout": lambda state, g: g.sum(), "checkpoint": checkpoint, "dtype": "float32"}
            return jnp.mean(synkin.simulate(synkin.ampa, synkin.ampa.Params(beta=beta), spikes, DT, **options)[1] ** 2)

        return jax.jit(jax.grad(loss)).lower(jnp.float32(0.18), spikes).compile().memory_analysis().temp_size_in_bytes

    trace = 4096 * 16 * 4
    assert temporary_bytes(False) > trace
    assert temporary_bytes(64) < 0.4 * trace
