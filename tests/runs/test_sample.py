"""`synkin.sample`: mean, variance and covariance of receptors one by one, against those of the chain."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import schemes
from tests.helpers import occupancies

CASES = {
    "nmda5": (schemes.nmda5, [2.0, 12.0], [9.0, 16.0]),
    "ampa5": (schemes.ampa5, [2.0, 5.0], [2.9, 3.4]),
    "gabaa5": (schemes.gabaa5, [2.0, 4.0], [2.8, 3.3]),
    "ampa": (synkin.ampa, [2.0, 4.0], [2.4, 4.2]),
}
MANY = 4000


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.wide) if name != "ampa" else name for name in CASES]
)
@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.wide)], indirect=True)
def test_mean_and_covariance(name, dtype):
    """Of 4,000 draws at two times, amid pulses, between spikes and beyond the last."""
    kernel, spikes, at = CASES[name]
    params, n = kernel.Params(), 10
    times = np.array([at[1], 1.0, at[0]])  # in any order

    @jax.jit
    def draw(keys):
        return jax.vmap(lambda key: synkin.sample(kernel, params, spikes, times, channels=n, key=key, dtype=dtype))(
            keys
        )

    g = np.asarray(draw(jax.random.split(jax.random.key(5), MANY)))
    assert g.dtype == dtype
    assert (g[:, 1] == 0).all()
    means, variances, both = occupancies.covariance(kernel, params, *occupancies.pieces(params, spikes), *at)
    expected = synkin.respond(kernel, params, spikes, at, dtype=dtype)
    np.testing.assert_allclose(expected, means, rtol=1e-5)
    assert (means > 0.02).all()
    found = np.cov(g[:, [2, 0]].astype(float).T) * n
    assert (np.abs(g[:, [2, 0]].mean(axis=0) - expected) < 4 * np.sqrt(variances / n / MANY)).all()
    np.testing.assert_allclose(np.diag(found), variances, rtol=4 * (2 / MANY) ** 0.5)
    assert abs(found[0, 1] - both) < min(0.02, 4 * np.sqrt(variances.prod() / MANY))
    assert both > 0.2 * np.sqrt(variances.prod())


@pytest.mark.wide
def test_jumps_and_spikes_are_one():
    """Spikes as the jumps that they make; the same moments and so the same draws, up to where these are cut."""
    kernel, times = schemes.nmda5, np.linspace(0, 40, 9)
    params = kernel.Params()
    edges, concentrations = occupancies.pieces(params, np.array([2.0, 12.0]))
    jumps = synkin.Jumps(edges, concentrations)
    keys = jax.random.split(jax.random.key(1), 2000)
    g = [
        np.asarray(jax.vmap(lambda key, p=p: synkin.sample(kernel, params, p, times, channels=25, key=key))(keys))
        for p in ([2.0, 12.0], jumps)
    ]
    error = np.sqrt(g[0].var(axis=0) / 1000) + 1e-12
    assert (np.abs(g[0].mean(axis=0) - g[1].mean(axis=0)) < 4 * error).all()
    np.testing.assert_allclose(np.corrcoef(g[0][:, 3:].T), np.corrcoef(g[1][:, 3:].T), atol=6 / 2000**0.5)


@pytest.mark.wide
def test_rest_fluctuates_before_anything_happens():
    """A receptor that rests in several states opens by itself, and remembers it: correlated as its relaxation says."""
    kernel = synkin.scheme("C <-> O : beta, alpha\nO + glu <-> B : kon, koff", open="O", rest="steady",
                           beta=0.2, alpha=0.3, kon=1.0, koff=0.1)  # fmt: skip
    keys = jax.random.split(jax.random.key(0), MANY)
    params, times = kernel.Params(), [1.0, 2.5, 9.0]
    g = jax.vmap(lambda key: synkin.sample(kernel, params, [9.0], times, channels=4, key=key))(keys)
    found = np.cov(np.asarray(g).T) * 4
    part = 0.2 / 0.5
    expected = part * (1 - part) * np.exp(-0.5 * np.abs(np.subtract.outer(times, times)))
    assert np.abs(found - expected).max() < 0.02
    assert np.abs(np.asarray(g).mean(axis=0) - part).max() < 4 * (part * (1 - part) / 4 / MANY) ** 0.5


def test_conductances_and_open_states_are_weighted():
    """States with conductances of their own, and g in whole receptors."""
    kernel = synkin.scheme("C + glu <-> S : kon, koff\nS <-> L : beta, alpha", open={"S": 0.25, "L": 1.0},
                           kon=5.0, koff=0.5, beta=1.0, alpha=0.5)  # fmt: skip
    g = np.asarray(
        synkin.sample(kernel, kernel.Params(), [0.0], np.arange(0.0, 5, 0.1), channels=3, key=jax.random.key(0))
    )
    np.testing.assert_allclose(g * 12, np.rint(g * 12), atol=1e-5)
    assert len(np.unique(g)) > 4


@pytest.mark.parametrize("kernel", [synkin.ampa, pytest.param(schemes.gabaa5, marks=pytest.mark.wide)])
def test_times_may_repeat_and_come_in_any_order(kernel):
    times = np.array([3.0, 2.2, 3.0, 2.2, 8.0])
    g = synkin.sample(kernel, kernel.Params(), [2.0], times, channels=40, key=jax.random.key(3))
    assert g[0] == g[2]
    assert g[1] == g[3]
    order = np.argsort(times, kind="stable")
    again = synkin.sample(kernel, kernel.Params(), [2.0], times[order], channels=40, key=jax.random.key(3))
    np.testing.assert_array_equal(g[order], again)
    assert synkin.sample(kernel, kernel.Params(), [2.0], [], channels=4, key=jax.random.key(0)).shape == (0,)
    assert (synkin.sample(kernel, kernel.Params(), [], [1.0], channels=4, key=jax.random.key(0)) == 0).all()


@pytest.mark.wide
@pytest.mark.parametrize("dtype", ["float32"])  # float64 takes as long to compile again
def test_under_jit_vmap_and_scan(dtype):
    """The same draws of the same key, from lists and arrays, traced or not; of more moments than a block."""
    kernel, times = schemes.nmda5, np.linspace(0, 30, 300)
    spikes = np.array([2.0, 3.5, np.inf])

    def draw(key, kon=5.0, spikes=spikes, channels=60):
        return synkin.sample(kernel, kernel.Params(kon=kon), spikes, times, channels=channels, key=key, dtype=dtype)

    keys = jax.random.split(jax.random.key(0), 3)
    g = np.stack([draw(key) for key in keys])
    np.testing.assert_array_equal(jax.vmap(draw)(keys), g)
    np.testing.assert_array_equal(jax.lax.scan(lambda carry, key: (carry, draw(key)), 0, keys)[1], g)
    assert len(np.unique(g[:, 200])) > 1
    traced = jax.jit(draw)(keys[0], 5.0, jnp.asarray(spikes), 60)
    # Probabilities that differ by rounding rarely make another draw.
    assert np.abs(traced - g[0]).mean() < 0.05
    assert traced.dtype == dtype


@pytest.mark.wide
def test_weights_and_what_varies():
    """Heights of pulses, a delay and a voltage that changes, in the mean of many."""
    kernel, times = schemes.kampa2004, np.array([4.0, 15.0, 40.0])
    params = kernel.Params()
    options = {"weights": [0.02, 1.0], "delay": 1.0, "varying": {"V": ([0.0, 12.0, 100.0], [40.0, -20.0])}}
    g = synkin.sample(kernel, params, [2.0, 20.0], times, channels=10**9, key=jax.random.key(0), **options)
    expected = synkin.respond(kernel, params, [2.0, 20.0], times, **options)
    np.testing.assert_allclose(g, expected, atol=1e-4)
    plain = synkin.respond(kernel, params, [2.0, 20.0], times, delay=1.0)
    assert np.abs(plain - expected).max() > 1e-3
    held = synkin.Jumps([2.0, 3.0, 12.0], [1.0, 0.0], V=[40.0, -20.0])
    g = synkin.sample(kernel, params, held, times, channels=10**9, key=jax.random.key(0))
    expected = synkin.concentration_jumps(kernel, params, *held[:2], times, varying=held.varying)
    np.testing.assert_allclose(g, expected, atol=1e-4)
