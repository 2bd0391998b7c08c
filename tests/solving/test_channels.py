"""Numbers of receptors drawn at random, against SciPy's distributions; and the steps of a population."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import synkin
from synkin.solving.channels import draws

DRAWS = 100_000


def wide(*case):
    """A case of a distribution that another one is like."""
    return pytest.param(*case, marks=pytest.mark.wide)


def binomial(n, p, dtype, seed=0):
    p = jnp.full(DRAWS, p, dtype)
    return np.asarray(jax.jit(draws.binomial)(jax.random.key(seed), jnp.full(DRAWS, n, jnp.int32), p, 1 - p))


@pytest.mark.parametrize(
    ("n", "p"),
    [
        wide(1, 0.3),
        (3, 0.9),
        wide(1000, 1e-3),
        (20, 0.5),
        (21, 0.5),  # the first that is not found by inversion
        wide(100, 0.11),
        wide(100_000, 0.3),
        wide(10**7, 0.7),
        wide(10**9, 1e-6),
        wide(10**9, 1e-9),
        (10**9, 0.3),
        (2**31 - 1, 0.5),
    ],
)
def test_binomial_numbers(n, p, dtype):
    """Up to the largest count: their mean and variance, and a test of their distribution."""
    drawn = binomial(n, p, dtype)
    known = scipy.stats.binom(n, float(np.asarray(p, dtype)))
    mean, sd = known.mean(), known.std()
    assert drawn.dtype == np.int32
    assert drawn.min() >= 0
    assert drawn.max() <= n
    assert abs(drawn.mean() - mean) < 4 * sd / DRAWS**0.5
    edges = np.unique(np.floor(known.ppf(np.linspace(0.01, 0.99, 25))))
    expected = DRAWS * np.diff([0, *known.cdf(edges), 1])
    seen = np.histogram(drawn, [-1, *(edges + 0.5), 2**32])[0]
    kept = expected > 5
    assert scipy.stats.chi2.sf(((seen - expected) ** 2)[kept] @ (1 / expected[kept]), kept.sum()) > 1e-4


def test_binomial_numbers_of_no_chance_and_of_certainty():
    n = jnp.array([0, 5, 2**31 - 1], jnp.int32)
    none, one, key = jnp.zeros(3), jnp.ones(3), jax.random.key(0)
    assert draws.binomial(key, n, none, one).tolist() == [0, 0, 0]
    assert draws.binomial(key, n, one, none).tolist() == n.tolist()
    assert draws.binomial(key, n, jnp.full(3, jnp.nan), jnp.full(3, jnp.nan)).tolist() == [0, 0, 0]


def test_receptors_are_moved_by_a_propagator(dtype):
    """None is lost; of each state they go as the column says, independently."""
    P = jnp.asarray([[0.9, 0.2, 0.0], [0.1, 0.5, 1e-3], [0.0, 0.3, 0.999]], dtype)
    counts = jnp.broadcast_to(jnp.array([[30], [20], [1000]], jnp.int32), (3, DRAWS))
    after = np.asarray(jax.jit(draws.move)(jax.random.key(3), counts, P)).astype(float)
    assert (after.sum(axis=0) == 1050).all()
    before, P = np.array([30.0, 20.0, 1000.0]), np.asarray(P, float)
    expected = np.diag(P @ before) - P @ np.diag(before) @ P.T
    assert np.abs(after.mean(axis=1) - P @ before).max() < 4 * (expected.max() / DRAWS) ** 0.5
    np.testing.assert_allclose(np.cov(after), expected, atol=0.2)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.wide)], indirect=True)
def test_a_million_receptors_follow_the_mean(dtype):
    """Through pulses that restart, within the noise that a million leave; counts stay whole and none is lost."""
    kernel, spikes = synkin.schemes.nmda5, np.arange(400) % 60 == 10
    params = kernel.Params()
    stepper = synkin.stepper(kernel, params, 0.3, channels=1_000_000, dtype=dtype)

    def step(carry, row):
        spike, number = row
        return stepper.step(carry, spike, key=jax.random.fold_in(jax.random.key(2), number))

    begin = stepper.init((2,))
    rows = np.stack([spikes, np.roll(spikes, 7)], axis=1), np.arange(400)
    carry, g = jax.jit(lambda begin: jax.lax.scan(step, begin, rows))(begin)
    final, expected = synkin.simulate(kernel, params, rows[0], 0.3, dtype=dtype)
    assert g.dtype == dtype
    assert g.shape == (400, 2)
    assert {count.dtype.name for count in carry.y} == {"int32"}
    assert sum(carry.y).tolist() == [1_000_000] * 2
    z = (np.asarray(g, float) - expected) / np.sqrt(np.maximum(expected * (1 - expected), 1e-6) / 1e6)
    assert np.abs(z).max() < 5.5
    assert 0.5 < z[50:].std() < 1.5
    state = stepper.state(carry)
    np.testing.assert_allclose(state.pulse_left, final.pulse_left, rtol=1e-5)
    np.testing.assert_allclose(state.O, final.O, atol=3e-3)
    np.testing.assert_allclose(g[-1], state.O, rtol=1e-6)


def test_each_synapse_has_its_own_channels_and_parameters():
    ampa = synkin.ampa
    params = ampa.Params(alpha=np.array([0.5, 2.0, 1.0]), T_dur=np.array([0.5, 1.0, 0.0]))
    channels = np.array([10, 100_000, 7])
    stepper = synkin.stepper(ampa, params, 0.25, channels=channels)
    carry = stepper.init((4, 3))
    keys = jax.random.split(jax.random.key(0), 8)
    carry, g = jax.lax.scan(lambda carry, key: stepper.step(carry, True, key=key), carry, keys)
    assert (np.asarray(sum(carry.y)) == channels).all()
    counts = np.asarray(g) * channels
    np.testing.assert_allclose(counts, np.rint(counts), rtol=1e-5)
    assert (counts[..., 2] == 0).all()  # without a pulse none opens
    _, expected = synkin.simulate(ampa, params, np.ones((8, 4, 3), bool), 0.25, method="exact")
    assert np.abs(g - expected)[..., 1].max() < 0.01
    assert np.unique(np.asarray(g)[:, :, 0]).size > 3


def test_rest_in_several_states_is_drawn():
    kernel = synkin.schemes.kampa2004
    stepper = synkin.stepper(kernel, kernel.Params(), 0.1, channels=1000)
    carry = stepper.init((500,), key=jax.random.key(0))
    at_rest = np.asarray(kernel.init(kernel.Params(), ()).UMg, float)
    counts = np.asarray(carry.y[1 + kernel.order.index("UMg")], float)
    assert abs(counts.mean() / 1000 - at_rest) < 4 * (at_rest * (1 - at_rest) / 1000 / 500) ** 0.5
    assert 0.8 < counts.var() / (1000 * at_rest * (1 - at_rest)) < 1.2


def test_no_derivative_is_taken_for_0():
    kernel = synkin.schemes.nmda5

    def g(kon):
        stepper = synkin.stepper(kernel, kernel.Params(kon=kon), 0.1, channels=10)
        return stepper.step(stepper.init(()), True, key=jax.random.key(0))[1]

    with pytest.raises(TypeError, match="You cannot differentiate what is drawn of `channels`"):
        jax.grad(g)(5.0)
    with pytest.raises(TypeError, match="You cannot differentiate what is drawn of `channels`"):
        jax.jvp(
            lambda t: synkin.sample(kernel, kernel.Params(), t, [3.0], channels=10, key=jax.random.key(0)),
            (jnp.array([1.0]),),
            (jnp.ones(1),),
        )


def test_traced_numbers_that_are_none_give_nan():
    ampa, key = synkin.ampa, jax.random.key(0)

    def g(channels, beta):
        stepper = synkin.stepper(ampa, ampa.Params(beta=beta), 0.1, channels=channels)
        first = stepper.step(stepper.init((2,)), True, key=key)[1]
        return first.sum() + synkin.sample(ampa, ampa.Params(beta=beta), [1.0], [1.5], channels=channels, key=key)[0]

    traced = jax.jit(g)
    assert np.isfinite(traced(5.0, 0.2))
    assert all(np.isnan(traced(*wrong)) for wrong in ((0.0, 0.2), (2.5, 0.2), (5.0, -1.0), (5.0, np.nan)))
