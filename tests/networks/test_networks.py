"""docs/networks.md is run as it stands there, and what it says of kernels, connections and pieces is checked."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import bionmda, dual_expon
from tests.helpers.precision import as_jax_is

PAGE = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)

close = np.testing.assert_allclose


@pytest.fixture(autouse=True)
def as_a_reader_has_it():
    with as_jax_is():
        yield


@pytest.fixture(scope="module")
def page():
    """The names that the page's examples leave, one after the other."""
    given = {}
    with as_jax_is():
        for text in BLOCKS:
            exec(compile(text, "docs/networks.md", "exec"), given)
    return given


def as_matrices(projection):
    """The weights of a projection with each delay, (rows, n_pre, n_post): what one spike of each neuron brings."""

    def of_one(spike):
        rows = jnp.zeros((projection.rows, projection.shape[0]), bool).at[0].set(spike)
        return jax.lax.scan(projection.step, projection.init(), rows)[1]

    return np.asarray(jax.vmap(of_one, out_axes=1)(jnp.eye(projection.shape[0], dtype=bool)))


def arriving(projection, spikes):
    matrices = as_matrices(projection)
    total = np.zeros((len(spikes), projection.shape[1]))
    for delay, matrix in enumerate(matrices):
        total[delay:] += spikes[: len(spikes) - delay] @ matrix
    return total


@pytest.mark.wide
def test_the_network_is_alive_and_its_synapses_are_those_of_a_run(page):
    """It fires, but not all of the time; from its spikes, `simulate` and full matrices give the state it ends in."""
    spiked, dt, N_E = np.asarray(page["spiked"]), page["dt"], page["N_E"]
    assert 5 < spiked.mean() / dt * 1000 < 60
    assert (spiked[-500:].any(axis=0)).mean() > 0.3
    assert (np.asarray(page["g_nmda"])[200:] > 0).all()
    network, inh = page["network"], arriving(page["inh_to_all"], spiked[:, N_E:])
    assert len(np.unique(inh)) > 2
    params = dual_expon.Params(tau_decay=8.0, tau_rise=0.5)
    _, g = synkin.simulate(dual_expon, params, inh, dt)
    gabaa = page["gabaa"]
    close(gabaa.kernel.conductance(gabaa.params, gabaa.state(network.gabaa)), g[-1], rtol=1e-4, atol=1e-5)
    exc = arriving(page["exc_to_all"], spiked[:, :N_E])
    _, g = synkin.simulate(synkin.expon, synkin.expon.Params(tau=3.0), exc, dt)
    close(page["ampa"].state(network.ampa).g, g[-1], rtol=1e-4, atol=1e-5)
    state, g = synkin.simulate(bionmda, bionmda.Params(), synkin.delayed(spiked[:, :N_E], 1.0, dt), dt)
    close(page["nmda"].state(network.nmda).g, state.g, atol=1e-6)
    (weights,) = as_matrices(page["nmda_to_all"])
    close(page["nmda_to_all"].weigh(g[-1]), np.asarray(g[-1]) @ weights, rtol=1e-4)
    assert 0.15 < (weights > 0).mean() < 0.25


@pytest.mark.wide
def test_pieces_are_the_whole(page):
    spiked = np.asarray(page["spiked"])
    assert page["counts"] == [int(part.sum()) for part in np.split(spiked, 4)]
    local = as_matrices(page["local"])
    assert not local.diagonal(axis1=1, axis2=2).any()
    delays = np.round(0.5 + 3.0 * page["distance"](*np.nonzero(local.sum(axis=0))), 1)
    close(np.nonzero(local.transpose(1, 2, 0))[2] * page["dt"], delays, atol=1e-6)


@pytest.mark.wide
def test_pooled_gaba_b(page):
    """A power of a sum is no sum of powers: both numbers of the page."""
    assert f"{page['summed'].max():.4f} and {page['pooled'].max():.2f}" == "0.0009 and 0.90"
    assert "# 0.0009 and 0.90" in PAGE
    _, one = synkin.simulate(page["gabab"], page["gabab"].Params(T=0.5, T_dur=0.3), page["ten"][:, 0], 0.1)
    close(page["summed"], one, rtol=1e-5, atol=1e-9)


@pytest.mark.wide
def test_gradients(x64):
    """With respect to weights, through the scan, against a difference so small that no spike moves."""
    page = {}
    for text in BLOCKS:
        if "mean_voltage" in text or "class Network" in text:
            exec(compile(text, "docs/networks.md", "exec"), page)
    weights, f = page["weights"].astype(float), jax.jit(page["mean_voltage"])
    slope = jax.grad(f)(weights)
    difference = (f(weights * (1 + 1e-7)) - f(weights * (1 - 1e-7))) / 2e-7
    assert abs(difference) > 1e-3
    assert float(slope @ weights) == pytest.approx(float(difference), rel=1e-5)
