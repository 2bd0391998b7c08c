"""docs/networks.md is run as it stands there, and what it says of kernels, rings and connections is checked."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import bionmda, dual_expon

PAGE = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)

close = np.testing.assert_allclose


@pytest.fixture(autouse=True)
def as_a_reader_has_it():
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture(scope="module")
def page():
    """The names that the page's examples leave, one after the other; without brainevent, those before it."""
    given = {}
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for text in BLOCKS:
            if "import brainevent" not in text:
                exec(compile(text, "docs/networks.md", "exec"), given)
    return given


@pytest.mark.wide
def test_the_network_is_alive(page):
    """It fires, but not all of the time, and the spikes are what the ring holds in the end."""
    spiked, L = np.asarray(page["spiked"]), page["L"]
    assert 5 < spiked.mean() / page["dt"] * 1000 < 60
    assert (spiked[-500:].any(axis=0)).mean() > 0.3
    last = np.arange(2000 - L, 2000)
    assert (np.asarray(page["network"].ring)[last % L] == spiked[last]).all()
    assert (np.asarray(page["g_nmda"])[200:] > 0).all()


@pytest.mark.wide
def test_each_step_is_one_kernel_a_synapse(page):
    """From the spikes of the network: its carries in the end are those of a kernel for each of its connections."""
    arriving = np.asarray(synkin.delayed(page["spiked"], np.asarray(page["delay"]) * 0.1, 0.1))
    listeners, speakers = np.asarray(page["W_gabaa"].indices).T
    chosen = np.isin(listeners, listeners[::500])  # the state of some listeners is enough
    listeners, speakers, weight = (a[chosen] for a in (listeners, speakers, np.asarray(page["W_gabaa"].data)))
    who, index = np.unique(listeners, return_inverse=True)
    a_synapse = arriving[:, page["N_E"] :][:, speakers] * weight  # (steps, connections): each with its own input
    add = lambda values: jax.ops.segment_sum(values, jnp.asarray(index), len(who))  # noqa: E731
    params = dual_expon.Params(tau_decay=8.0, tau_rise=0.5)
    run = lambda given, **options: synkin.simulate(dual_expon, params, given, 0.1, **options)[1]  # noqa: E731
    summed = np.asarray(run(a_synapse, dtype="float32", readout=lambda state, g: add(g)))
    one = np.asarray(run(np.asarray(add(a_synapse.T)).T, dtype="float32"))
    assert np.abs(one - summed).max() < 2e-6 * one.max()
    # And the network itself did just that.
    g = page["gabaa"].kernel.conductance(page["gabaa"].params, page["gabaa"].state(page["network"].gabaa))
    close(g[who], one[-1], rtol=1e-4, atol=1e-5)
    assert page["network"].gabaa.y[0].shape == (page["N"],)
    # The state of its receptors is that of one at each synapse, whoever listens.
    speakers = jnp.asarray(np.asarray(page["W_nmda"].indices)[::200, 1])
    state, _ = synkin.simulate(bionmda, bionmda.Params(), arriving[:, speakers], 0.1)
    close(page["nmda"].state(page["network"].nmda).g[speakers], state.g, atol=1e-6)
    assert np.ptp(np.asarray(state.g)) > 0.1


@pytest.mark.wide
def test_delays_of_connections(page):
    """What the ring of arrivals gives, against sums over the connections one by one."""
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(5, 4)) * (rng.random((5, 4)) < 0.7)
    steps = rng.choice([0, 1, 3], (5, 4))
    matrices = {int(n): jnp.asarray(np.where(steps == n, dense, 0.0), float) for n in (0, 1, 3)}
    spikes = rng.random((30, 4)) < 0.3

    rows = (jnp.arange(30), jnp.asarray(spikes, float))
    _, got = jax.lax.scan(lambda ring, row: page["arriving_now"](ring, *row, matrices), jnp.zeros((4, 5)), rows)
    expected = np.zeros((30, 5))
    for j, k in np.ndindex(5, 4):
        expected[steps[j, k] :, j] += dense[j, k] * spikes[: 30 - steps[j, k], k]
    close(got, expected, atol=1e-6)


@pytest.mark.wide
def test_pooled_gaba_b(page):
    """A power of a sum is no sum of powers: both numbers of the page."""
    assert f"{page['summed'].max():.4f} and {page['pooled'].max():.2f}" == "0.0009 and 0.90"
    assert "# 0.0009 and 0.90" in PAGE
    _, one = synkin.simulate(page["gabab"], page["gabab"].Params(T=0.5, T_dur=0.3), page["ten"][:, 0], 0.1)
    close(page["summed"], one, rtol=1e-5, atol=1e-9)


@pytest.mark.wide
def test_tables_and_events_are_the_matrix(page):
    """The other ways to hold connections, against a full matrix."""
    spikes = np.random.default_rng(1).random(page["N_E"]) < 0.1
    dense = np.zeros((page["N"], page["N_E"]))
    np.add.at(dense, (np.arange(page["N"])[:, None], np.asarray(page["sources"])), 0.1)
    close(page["arrives"](jnp.asarray(spikes, float)), dense @ spikes, atol=1e-5)
    close(page["W_ampa"] @ jnp.asarray(spikes, float), np.asarray(page["W_ampa"].todense()) @ spikes, atol=1e-5)


@pytest.mark.wide
def test_brainevent(page):
    pytest.importorskip("brainevent")
    text = next(text for text in BLOCKS if "import brainevent" in text)
    given = dict(page)
    exec(compile(text, "docs/networks.md", "exec"), given)
    spikes = jnp.asarray(np.random.default_rng(1).random((3, page["N_E"])) < 0.1)
    _, got = jax.lax.scan(lambda _, s: (None, given["arrives_by_events"](s)), None, spikes)
    close(got, (np.asarray(page["W_ampa"].todense()) @ np.asarray(spikes).T).T, atol=1e-5)


@pytest.mark.wide
def test_gradients(x64):
    """With respect to weights, through the scan, against a difference so small that no spike moves."""
    page = {}
    exec(compile(BLOCKS[0], "docs/networks.md", "exec"), page)
    indices, shape = page["W_ampa"].indices, page["W_ampa"].shape

    @jax.jit
    def mean_voltage(weights):
        page["W_ampa"] = page["sparse"].BCOO((weights, indices), shape=shape)
        network, (spiked, _) = jax.lax.scan(page["step"], page["start"], jnp.arange(300))
        return network.V.mean(), spiked

    weights = page["W_ampa"].data
    (_, spiked), slope = jax.jit(jax.value_and_grad(mean_voltage, has_aux=True))(weights)
    (up, same), (down, too) = (mean_voltage(weights * (1 + h)) for h in (1e-7, -1e-7))
    assert (spiked == same).all()
    assert (spiked == too).all()
    assert int(spiked.sum()) > 50
    assert float(slope @ weights) == pytest.approx(float(up - down) / 2e-7, rel=1e-5)
