"""`synkin.connect`: what arrives, against loops over the connections in NumPy; derivatives against full matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from jax.experimental import sparse

import synkin
from synkin.solving import true_indices
from tests.helpers.devices import joined, printed, started

SCRIPT = "sharded_network.py"
N_PRE, N_POST, ROWS, DT, T = 70, 50, 9, 0.1, 40
close, equal = np.testing.assert_allclose, np.testing.assert_array_equal


def some_connections(seed=0):
    """Neuron 3 speaks to nobody, neuron 4 to many, some pairs more than once."""
    rng = np.random.default_rng(seed)
    pre = np.concatenate([rng.integers(0, N_PRE, 600), np.full(300, 4)])
    pre[pre == 3] = 5
    count = len(pre)
    return pre, rng.integers(0, N_POST, count), rng.normal(size=count), rng.integers(0, ROWS, count)


PRE, POST, WEIGHTS, STEPS = some_connections()


def by_numpy(spikes, weights, dtype):
    """What arrives, connection by connection."""
    arriving = np.zeros((T + ROWS, N_POST), dtype)
    for row in range(T):
        for c in np.lexsort((POST, STEPS, PRE)):
            if spikes[row, PRE[c]]:
                arriving[row + STEPS[c], POST[c]] += weights[c] * spikes[row, PRE[c]]
    return arriving[:T]


def arriving(projection, spikes):
    return jax.lax.scan(projection.step, projection.init(), jnp.asarray(spikes))[1]


def by_matrices(weights, spikes):
    """The same by a full matrix for each delay; JAX differentiates it."""
    matrices = jnp.zeros((ROWS, N_PRE, N_POST), weights.dtype).at[STEPS, PRE, POST].add(weights)
    padded = jnp.zeros((T + ROWS, N_POST), weights.dtype)
    for steps in range(ROWS):
        padded = padded.at[steps : steps + T].add(spikes @ matrices[steps])
    return padded[:T]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_spike_is_lost_however_many_there_are(x64, dtype):
    """Equal to the last bit, as the order of the sums is that of the loop: no neuron, few, all at once."""
    rng = np.random.default_rng(1)
    weights = WEIGHTS.astype(dtype)
    projection = synkin.connect(PRE, POST, weights, STEPS * DT, shape=(N_PRE, N_POST), dt=DT, dtype=dtype)
    run = jax.jit(arriving)
    for rate in (0.0, 0.02, 1.0):
        spikes = rng.random((T, N_PRE)) < rate
        equal(run(projection, spikes), by_numpy(spikes, weights, dtype))
    values = (spikes * rng.random((T, N_PRE))).astype(dtype)
    close(run(projection, values), by_numpy(values, weights, dtype), rtol=1e-5, atol=1e-5)
    one_weight = synkin.connect(PRE, POST, 0.5, STEPS * DT, shape=(N_PRE, N_POST), dt=DT, dtype=dtype)
    assert one_weight.blocks.weights.shape == ()
    equal(run(one_weight, spikes), by_numpy(spikes, np.full(len(PRE), 0.5), dtype))


@pytest.fixture(scope="module")
def rates():
    """Spikes as numbers: in the first half few at a time, in the second many."""
    rng = np.random.default_rng(2)
    spikes = rng.random((T, N_PRE))
    return spikes * (rng.random((T, N_PRE)) < np.where(np.arange(T)[:, None] < T // 2, 0.01, 0.7))


def test_derivatives_are_those_of_full_matrices(x64, rates):
    projection = synkin.connect(PRE, POST, WEIGHTS, STEPS * DT, shape=(N_PRE, N_POST), dt=DT)
    chosen = jnp.asarray(np.random.default_rng(3).normal(size=(T, N_POST)))

    def loss(of, weights, spikes):
        return (jnp.sin(of(weights, spikes)) * chosen).sum()

    def connected(weights, spikes):
        return arriving(projection.with_weights(weights), spikes)

    at = jnp.asarray(WEIGHTS), jnp.asarray(rates)
    along = jax.tree.map(lambda x: jnp.cos(jnp.arange(x.size, dtype=float)).reshape(x.shape), at)

    @jax.jit
    def all_of(weights, spikes):
        f = lambda *at: loss(connected, *at)  # noqa: E731
        gradient = jax.grad(f, (0, 1))
        return gradient(weights, spikes), jax.jvp(f, (weights, spikes), along)[1], jax.jvp(gradient, at, along)[1]

    f = lambda *at: loss(by_matrices, *at)  # noqa: E731
    gradient = jax.grad(f, (0, 1))
    expected = gradient(*at), jax.jvp(f, at, along)[1], jax.jvp(gradient, at, along)[1]
    for got, right in zip(jax.tree.leaves(all_of(*at)), jax.tree.leaves(expected), strict=True):
        close(got, right, rtol=1e-9, atol=1e-10)
    # With spikes that are no numbers, and with one weight for all.
    spikes = rates > 0
    close(
        jax.grad(lambda w: loss(connected, w, jnp.asarray(spikes)))(at[0]),
        jax.grad(lambda w: loss(by_matrices, w, jnp.asarray(spikes, float)))(at[0]),
        rtol=1e-9,
        atol=1e-10,
    )
    scaled = jax.grad(lambda w: loss(connected, w, jnp.asarray(spikes)))(jnp.asarray(0.3))
    close(scaled, jax.grad(lambda w: loss(by_matrices, w * jnp.ones(len(PRE)), jnp.asarray(spikes, float)))(0.3))


def test_batches_of_spikes_and_of_weights(x64):
    rng = np.random.default_rng(4)
    projection = synkin.connect(PRE, POST, WEIGHTS, STEPS * DT, shape=(N_PRE, N_POST), dt=DT)
    spikes = jnp.asarray(rng.random((3, T, N_PRE)) < np.array([0.0, 0.01, 0.5])[:, None, None])
    weights = jnp.asarray(rng.normal(size=(3, len(PRE))))

    def loss(weights, spikes):
        return (arriving(projection.with_weights(weights), spikes) ** 2).sum()

    close(jax.vmap(lambda s: arriving(projection, s))(spikes), [arriving(projection, s) for s in spikes])
    batched = jax.vmap(jax.value_and_grad(loss))(weights, spikes)
    singly = [jax.value_and_grad(loss)(w, s) for w, s in zip(weights, spikes, strict=True)]
    for got, right in zip(jax.tree.leaves(batched), zip(*map(jax.tree.leaves, singly), strict=True), strict=True):
        close(got, right, rtol=1e-10)


def test_a_network_spikes_as_one_in_numpy(x64):
    """1,000 neurons, 25,000 connections with delays of their own, depression; the first spikes of all come at once."""
    n, count, steps = 1000, 25_000, 400
    rng = np.random.default_rng(5)
    pre, post = rng.integers(0, n, (2, count))
    weights, delays = rng.gamma(2.0, 0.03, count) * np.where(pre < 800, 1.0, -4.0), rng.integers(1, 21, count)
    drive, start = rng.uniform(1.2, 1.5, n), rng.uniform(0.0, 1.0, n)
    tau, tau_g, U, tau_rec = 20.0, 5.0, 0.4, 300.0
    projection = synkin.connect(pre, post, weights, delays * DT, shape=(n, n), dt=DT)
    synapses = synkin.stepper(synkin.expon, synkin.expon.Params(tau=tau_g), DT)
    release = synkin.tsodyks_markram

    def step(carry, _):
        V, spiked, coming, synapse, resources = carry
        resources, released = release.step(release.Params(U=U, tau_rec=tau_rec), resources, 0.0, spiked, DT)
        coming, arriving = projection.step(coming, released)
        synapse, g = synapses.step(synapse, arriving)
        V = jnp.where(spiked, 0.0, V)
        V = V + DT / tau * (drive + g - V)
        return (V, V > 1.0, coming, synapse, resources), V > 1.0

    @jax.jit
    def run(V, spiked):
        rest = release.init(release.Params(), (n,))
        return jax.lax.scan(step, (V, spiked, projection.init(), synapses.init((n,)), rest), length=steps)[1]

    spikes = np.asarray(run(jnp.asarray(start), jnp.ones(n, bool)))

    V, spiked, g, x = start.copy(), np.ones(n, bool), np.zeros(n), np.ones(n)
    ring = np.zeros((21, n))
    for row in range(steps):
        for c in np.flatnonzero(spiked[pre]):
            ring[(row + delays[c]) % 21, post[c]] += weights[c] * U * x[pre[c]]
        x = np.where(spiked, x * (1 - U), x)
        x = 1 - (1 - x) * np.exp(-DT / tau_rec)
        g = g * np.exp(-DT / tau_g) + ring[row % 21]
        ring[row % 21] = 0.0
        V = np.where(spiked, 0.0, V)
        V = V + DT / tau * (drive + g - V)
        spiked = V > 1.0
        equal(spikes[row], spiked)
    assert 5 < spikes.mean() / DT * 1000 < 100


@pytest.mark.wide
def test_what_connections_may_be_given_as(x64):
    g = np.random.default_rng(6).normal(size=N_PRE)
    dense = np.zeros((N_PRE, N_POST))
    np.add.at(dense, (PRE, POST), WEIGHTS)
    plain = synkin.connect(PRE, POST, WEIGHTS, shape=(N_PRE, N_POST))
    matrix = scipy.sparse.coo_array((WEIGHTS, (PRE, POST)), shape=(N_PRE, N_POST))
    for given in (plain, *map(synkin.connect, (matrix, matrix.tocsr(), sparse.BCOO.fromdense(jnp.asarray(dense))))):
        close(given.weigh(g), g @ dense, rtol=1e-12, atol=1e-12)
        close(given.step(given.init(), g)[1], g @ dense, rtol=1e-12, atol=1e-12)
    equal(plain.weights, WEIGHTS)
    equal(plain.with_weights(WEIGHTS[::-1].copy()).weights, WEIGHTS[::-1])
    # A padded BCOO, its numbers traced; and the derivative of `weigh`.
    padded = sparse.BCOO.fromdense(jnp.asarray(dense), nse=N_PRE * N_POST)

    def weighed(data, g):
        return (synkin.connect(sparse.BCOO((data, padded.indices), shape=padded.shape)).weigh(g) ** 2).sum()

    by_data, by_g = jax.jit(jax.grad(weighed, (0, 1)))(padded.data, jnp.asarray(g))
    close(by_g, 2 * dense @ (g @ dense))
    there = np.asarray(padded.indices)[:, 0] < N_PRE
    at = np.asarray(padded.indices)[there]
    close(np.asarray(by_data)[there], 2 * g[at[:, 0]] * (g @ dense)[at[:, 1]])
    # Weights and delays of the two neurons; no connections at all.
    distant = synkin.connect(
        PRE, POST, lambda pre, post: pre * 2.0, lambda pre, post: abs(pre - post) * DT, shape=(N_PRE, N_POST), dt=DT
    )
    equal(distant.weights, PRE * 2.0)
    assert distant.rows == abs(PRE - POST).max() + 1
    nothing = synkin.connect(np.zeros(0, int), np.zeros(0, int), shape=(4, 3))
    equal(nothing.step(nothing.init(), np.ones(4, bool))[1], np.zeros(3))


def test_connections_by_chance():
    """Each pair with the given probability, whoever they are; the same for the same key."""
    n, p = 400, 0.03
    one = synkin.connect(probability=p, key=jax.random.key(0), shape=(n, n), autapses=False)
    again = synkin.connect(probability=p, key=jax.random.key(0), shape=(n, n), autapses=False)
    other = synkin.connect(probability=p, key=jax.random.key(1), shape=(n, n), autapses=False)
    counts = []
    for projection in (one, again, other):
        # Neuron by neuron: whom it reaches.
        reached = jax.vmap(lambda row, p=projection: p.step(p.init(), row)[1])(jnp.eye(n, dtype=bool))
        assert set(np.unique(reached)) == {0.0, 1.0}  # no pair twice
        assert not np.diag(reached).any()
        counts.append(np.asarray(reached))
    equal(counts[0], counts[1])
    assert (counts[0] != counts[2]).any()
    pairs, sd = n * (n - 1), np.sqrt(n * (n - 1) * p * (1 - p))
    for found in (counts[0], counts[2]):
        assert abs(found.sum() - p * pairs) < 4 * sd
        assert abs(found[: n // 2].sum() - found[n // 2 :].sum()) < 4 * sd
        assert found.sum(axis=0).min() > 0
    assert synkin.connect(probability=1.0, key=jax.random.key(0), shape=(7, 5)).count == 35
    assert synkin.connect(probability=0.0, key=jax.random.key(0), shape=(7, 5)).count == 0


@pytest.mark.parametrize("n", [1, 31, 32, 33, 1000])
def test_the_search_finds_what_numpy_finds(n):
    rng = np.random.default_rng(n)
    search = jax.jit(lambda mask, first: true_indices.indices(true_indices.count(mask), first, 7, n))
    for rate in (0.0, 0.03, 0.5, 1.0):
        mask = rng.random(n) < rate
        expected = np.flatnonzero(mask)
        for first in (0, 3, 7):
            right = np.append(expected[first : first + 7], np.full(7, n))[:7]
            equal(search(mask, first), right)


def test_a_delay_is_rounded_to_steps_as_by_delayed():
    with pytest.warns(UserWarning, match="`delays` is rounded to whole steps of 0.1 ms, by up to 0.03 ms") as warned:
        projection = synkin.connect([0, 1], [0, 0], 1.0, [0.33, 0.2], shape=(2, 1), dt=DT)
    assert warned[0].filename == __file__
    spikes = np.zeros((6, 2), bool)
    spikes[0] = True
    with pytest.warns(UserWarning, match="`delay` is rounded"):
        later = np.asarray(synkin.delayed(spikes, [0.33, 0.2], DT))
    equal(arriving(projection, spikes)[:, 0], later.sum(axis=1))


@pytest.mark.wide
def test_neurons_split_over_eight_devices_are_those_of_one():
    devices, spikes, sent, gradient = printed(started(SCRIPT, devices=8))
    assert (devices, gradient) == ("devices 8", "gradient equal True")
    assert spikes == "spikes equal True and there are some True"
    assert sent == "sent ['pred[64] all-gather']"


@pytest.mark.wide
def test_neurons_split_over_two_processes_are_those_of_one():
    for process in joined(SCRIPT):
        assert {"devices 4", "spikes equal True and there are some True"} < {*printed(process)}
