"""Short-term plasticity: hand numbers, the equations by an independent solver, gradients, and chance."""

import copy
import math
import pickle
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import synkin
from synkin import presets, tsodyks_markram
from tests.helpers import differences

Params, State = tsodyks_markram.Params, tsodyks_markram.State
DEPRESSING, FACILITATING = Params(0.5, 800.0, 0.0), Params(0.03, 130.0, 530.0)
# With what is released active for a while: as printed, with both time constants alike, nearly so, and the first longer.
ACTIVE = [
    Params(0.5, 800.0, 0.0, 3.0),
    Params(0.04, 100.0, 1000.0, 3.0),
    Params(0.9, 8.0, 3.0, 8.0),
    Params(0.9, 8.0, 3.0, 8.0005),
    Params(1.0, 5.0, 3.0, 60.0),
]
TWENTY = 50.0 * np.arange(20)  # 20 spikes at 20 Hz
TIMES = np.array([3.0, 10.0, 11.5, 40.0, 90.0, 91.0, 250.0, 900.0])
release = jax.jit(tsodyks_markram.release, static_argnames=("n", "dtype"))
run = jax.jit(tsodyks_markram.run, static_argnames=("n", "dtype"))
TOLERANCE = {"float32": 1e-6, "float64": 1e-13}


def not_back(params, h):
    """Of what was released h ms ago, what is still active or not yet recovered: two stages, each exponential."""
    first, second = sorted((params.tau_psc, params.tau_rec))
    if second == 0:
        return 0.0
    if first == second:
        return math.exp(-h / first) * (1 + h / first)
    return (second * math.exp(-h / second) - (first and first * math.exp(-h / first))) / (second - first)


def by_sums(params, times):
    """Releases, each from those before it: what is missing of x is the sum of what of them has not yet come back."""
    found, u = [], 0.0
    for k, t in enumerate(times):
        # What is left of u after a pause, and its part that a spike leaves alone.
        left = math.exp(-(t - times[k - 1]) / params.tau_fac) * u if k and params.tau_fac else 0.0
        u = 1 - (1 - params.U) * (1 - left)
        missing = sum(r * not_back(params, t - s) for r, s in zip(found, times, strict=False))
        found.append(u * (1 - missing))
    return np.array(found)


# Numbers


def test_twenty_spikes_at_20_Hz(dtype):
    depressing = release(DEPRESSING, TWENTY, dtype=dtype)
    facilitating = release(FACILITATING, TWENTY, dtype=dtype)
    assert [f"{r:.5f}" for r in np.asarray(depressing)[[0, 1, 2, 19]]] == ["0.50000", "0.26515", "0.15483", "0.05713"]
    assert [f"{r:.5f}" for r in np.asarray(facilitating)[[0, 1, 2, 19]]] == ["0.03000", "0.05533", "0.07574", "0.15797"]
    # Of a depressing synapse x goes to its fixed point by a factor of half of what is kept in 50 ms.
    kept = math.exp(-50 / 800)
    fixed = (1 - kept) / (1 - kept / 2)
    by_hand = (fixed + (1 - fixed) * (kept / 2) ** np.arange(20)) / 2
    np.testing.assert_allclose(depressing, by_hand, rtol=TOLERANCE[dtype])
    np.testing.assert_allclose(depressing, by_sums(DEPRESSING, TWENTY), rtol=TOLERANCE[dtype])
    np.testing.assert_allclose(facilitating, by_sums(FACILITATING, TWENTY), rtol=TOLERANCE[dtype])
    # What facilitates alone goes to its own, by what is kept and not yet released.
    alone = release(FACILITATING._replace(tau_rec=0.0), TWENTY, dtype=dtype)
    factor = 0.97 * math.exp(-50 / 530)
    fixed = 0.03 / (1 - factor)
    np.testing.assert_allclose(alone, fixed + (0.03 - fixed) * factor ** np.arange(20), rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("params", [FACILITATING, Params(0.7, 30.0, 200.0), Params(1.0, 5.0, 3.0), *ACTIVE])
def test_between_spikes_it_is_the_equations(params, x64):
    """Solved by DOP853, a spike changing u and then x and y."""
    u, x, y, t, expected = 0.0, 1.0, 0.0, TIMES[0], []

    def rates(_, state):
        u, x, y = state
        ended = y / params.tau_psc if params.tau_psc else 0.0
        return [-u / params.tau_fac if params.tau_fac else 0.0, (1 - x - y) / params.tau_rec, -ended]

    for time in TIMES:
        if time > t:
            u, x, y = solve_ivp(rates, (t, time), [u, x, y], method="DOP853", rtol=1e-12, atol=1e-14).y[:, -1]
            u *= bool(params.tau_fac)
        u += params.U * (1 - u)
        expected.append(u * x)
        x, y, t = x - u * x, (y + u * x) * bool(params.tau_psc), time
    np.testing.assert_allclose(release(params, TIMES), expected, rtol=1e-10)


def test_published_synapses_that_stay_active():
    """Five spikes at 50 Hz through x, y and z of tmgsyn, by hand: tau_1 3, tau_rec 800, U 0.5; and 100, 1000, 0.04."""
    for params, expected in [
        (ACTIVE[0], ["0.50000", "0.25526", "0.13635", "0.07859", "0.05052"]),
        (ACTIVE[1], ["0.04000", "0.07502", "0.10277", "0.12279", "0.13587"]),
    ]:
        assert [f"{r:.5f}" for r in np.asarray(release(params, 20.0 * np.arange(5)))] == expected


@pytest.mark.parametrize("params", [DEPRESSING, FACILITATING, Params(1.0, 800.0, 0.0), *ACTIVE[:3]])
def test_single_precision_keeps_its_digits(params, x64):
    """In a long train, also where next to nothing is left to release."""
    times = np.cumsum(np.random.default_rng(1).exponential(50.0, 1000))
    got = tsodyks_markram.release(params, times, dtype="float32")
    assert got.dtype == "float32"
    np.testing.assert_allclose(got, release(params, times), rtol=1e-6)


def test_recovery_in_small_steps_does_not_stall():
    """What is left after 2 s in steps of 0.01 ms; held as x it would be 40 % off, as a product 0.3 %."""
    spikes = np.arange(200_000) == 0
    state, _ = run(Params(0.5, 300.0, 500.0), spikes, 0.01, dtype="float32")
    np.testing.assert_allclose(state.depleted, 0.5 * math.exp(-2000 / 300), rtol=2e-4)
    np.testing.assert_allclose(state.u, 0.5 * math.exp(-2000 / 500), rtol=2e-4)


# Limits


def test_time_constants_of_0(dtype):
    close = partial(np.testing.assert_allclose, rtol=TOLERANCE[dtype])
    close(release(Params(0.3, 0.0, 0.0), TIMES, dtype=dtype), np.full(8, 0.3))
    for params in (Params(0.3, 100.0, 0.0), Params(0.3, 0.0, 100.0)):
        close(release(params, TIMES, dtype=dtype), by_sums(params, TIMES))
        # It is the limit: tiny constants give the same, and finite derivatives.
        tiny = Params(*(1e-30 if p == 0 else p for p in params))
        close(release(tiny, TIMES, dtype=dtype), release(params, TIMES, dtype=dtype))
        slopes = jax.jacrev(lambda p: release(p, TIMES, dtype=dtype))(
            jax.tree.map(partial(jnp.asarray, dtype=dtype), tiny)
        )
        assert all(np.isfinite(slope).all() for slope in slopes)


@pytest.mark.parametrize(
    "params",
    [(0.3, 100.0, 0.0, 0.0), (0.3, 0.0, 100.0, 9.0), (0.3, 0.0, 0.0, 0.0), (0.0, 100.0, 50.0, 0.0)],
)
def test_gradients_at_a_parameter_of_0_are_those_from_the_right(params, x64):
    f = at(TIMES)
    params = np.array(params)
    expected = differences.gradient(f, params, rule=differences.RIGHT)
    for jacobian in (jax.jacfwd, jax.jacrev):
        np.testing.assert_allclose(jacobian(f)(jnp.asarray(params)), expected.T, rtol=1e-6, atol=1e-9)


def test_spikes_at_one_time_act_one_after_the_other(x64):
    np.testing.assert_allclose(release(Params(0.5, 100.0, 100.0), [4.0, 4.0]), [0.5, 0.75 * 0.5])
    np.testing.assert_allclose(release(Params(1.0, 100.0, 100.0), [4.0, 4.0]), [1.0, 0.0])
    assert np.isfinite(jax.grad(lambda t: release(FACILITATING, t).sum())(jnp.array([4.0, 4.0]))).all()


def test_extremes_of_U(x64):
    assert not release(FACILITATING._replace(U=0.0), TIMES).any()
    np.testing.assert_allclose(release(Params(1.0, 800.0, 0.0), TIMES)[1:], -np.expm1(-np.diff(TIMES) / 800))


# Gradients


def at(times):
    """The releases as a function of the parameters as a vector."""
    return _at(tuple(times))


def _at(times):
    return lambda p: tsodyks_markram.release(Params(*p), np.array(times))


@pytest.mark.parametrize("params", [DEPRESSING._replace(tau_fac=20.0, tau_psc=3.0), *ACTIVE[1:4]])
def test_gradients(params, x64):
    """In each parameter and each time, forward and reverse; unsorted, and padded."""
    order = [5, 1, 0, 7, 2, 3, 6, 4]
    f = lambda v: tsodyks_markram.release(Params(*v[:4]), jnp.append(v[4:], jnp.inf))  # noqa: E731
    v = np.concatenate([params, TIMES[order]])
    expected = differences.gradient(f, v, h=1e-5).T
    assert expected.shape == (9, 12)
    for jacobian in (jax.jacfwd, jax.jacrev):
        got = jax.jit(jacobian(f))(jnp.asarray(v))
        assert differences.relative_error(got, expected) < 1e-6
        assert not got[-1].any()


def test_gradient_through_the_response(x64):
    """Of g, which the releases are the weights of."""
    times = np.linspace(0, 300, 20)

    def f(v):
        spikes = v[4:]
        weights = tsodyks_markram.release(Params(*v[:4]), spikes)
        return synkin.respond(synkin.alpha, synkin.alpha.Params(), spikes, times, weights=weights).sum()

    v = np.concatenate([FACILITATING, TIMES + 0.123])
    expected = differences.gradient(f, v, h=1e-5)
    for gradient in (jax.grad(f), jax.jacfwd(f)):
        assert differences.relative_error(gradient(jnp.asarray(v)), expected) < 1e-6


def test_gradient_of_a_run(x64):
    spikes = np.isin(np.arange(100), [0, 7, 8, 40, 99])
    f = lambda v: tsodyks_markram.run(Params(*v[:4]), spikes, 0.5, state=State(*v[4:]))[1]  # noqa: E731
    v = np.array([0.2, 30.0, 20.0, 30.0, 0.1, 0.3, 0.2])
    expected = differences.gradient(f, v).T
    for jacobian in (jax.jacfwd, jax.jacrev):
        assert differences.relative_error(jacobian(f)(jnp.asarray(v)), expected) < 1e-6


# Times of every kind


def test_order_and_padding(dtype):
    rng = np.random.default_rng(2)
    padded = np.append(TIMES, [np.inf, np.inf])
    expected = np.append(release(FACILITATING, TIMES, dtype=dtype), [0, 0])
    for xp in (np, jnp):
        order = rng.permutation(len(padded))
        got = release(FACILITATING, xp.asarray(padded[order]), dtype=dtype)
        np.testing.assert_allclose(got, expected[order], rtol=1e-6)
    gradient = jax.grad(lambda p, t: tsodyks_markram.release(p, t).sum(), argnums=(0, 1))
    of_params, of_times = gradient(Params(*map(jnp.asarray, FACILITATING)), jnp.array([np.inf, 5.0, 1.0, np.inf]))
    assert np.isfinite([*of_params, *of_times]).all()
    assert (of_times[jnp.array([0, 3])] == 0).all()
    assert not release(FACILITATING, np.full(3, np.inf)).any()
    assert release(FACILITATING, np.zeros(0)).shape == (0,)


def test_times_far_from_0_keep_their_resolution():
    near = tsodyks_markram.release(FACILITATING, TIMES)
    np.testing.assert_allclose(tsodyks_markram.release(FACILITATING, TIMES + 1e9), near, rtol=1e-6)
    np.testing.assert_allclose(tsodyks_markram.release(FACILITATING, list(TIMES + 1e9)), near, rtol=1e-6)


def test_kinds_of_numbers_are_all_the_same():
    expected = release(Params(0.5, 800.0, 20.0), TIMES)
    for given in (Params(0.5, 800, 20), Params(np.float64(0.5), np.int32(800), jnp.float32(20))):
        np.testing.assert_allclose(tsodyks_markram.release(given, list(TIMES)), expected, rtol=1e-6)
    got = tsodyks_markram.release(Params(), [0, 100, 50])
    np.testing.assert_allclose(got, tsodyks_markram.release(Params(), [0.0, 100.0, 50.0]), rtol=1e-6)


def test_vmap_is_a_loop(x64):
    times = np.array([[1.0, 30.0, 7.0], [2.0, np.inf, 90.0]])
    U = jnp.array([0.2, 0.6])
    got = jax.vmap(lambda U, t: tsodyks_markram.release(FACILITATING._replace(U=U), t))(U, times)
    for row, u, t in zip(got, U, times, strict=True):
        np.testing.assert_allclose(row, tsodyks_markram.release(FACILITATING._replace(U=u), t), rtol=1e-14)


# On a grid


@pytest.mark.parametrize("params", [DEPRESSING, FACILITATING, Params(0.5, 0.0, 20.0), ACTIVE[1], ACTIVE[2]])
def test_steps_are_a_run_is_the_release_at_the_grid_s_times(params, dtype):
    """A spike acts from the start of its step: row i is the time i dt."""
    rows, dt = [0, 1, 5, 6, 7, 30, 80], 0.5
    spikes = np.zeros((81, 2), bool)
    spikes[rows, 0], spikes[[3, 20], 1] = True, True
    state = tsodyks_markram.init(params, (2,), dtype=dtype)

    @jax.jit
    def scan(params, state, spikes):
        return jax.lax.scan(lambda state, spike: tsodyks_markram.step(params, state, 0.0, spike, dt), state, spikes)

    stepped, final_and_all = scan(params, state, spikes), run(params, spikes, dt, dtype=dtype)
    chex.assert_trees_all_close(stepped, final_and_all, rtol=TOLERANCE[dtype])
    chex.assert_trees_all_equal_shapes_and_dtypes(stepped[0], state)
    got = stepped[1]
    assert (got.shape, got.dtype) == ((81, 2), dtype)
    np.testing.assert_allclose(got[rows, 0], by_sums(params, dt * np.array(rows)), rtol=10 * TOLERANCE[dtype])
    np.testing.assert_allclose(got[[3, 20], 1], by_sums(params, [1.5, 10.0]), rtol=10 * TOLERANCE[dtype])
    np.testing.assert_array_equal(got[~spikes], 0)
    # In pieces it is the same run.
    half, first = run(params, spikes[:40], dt, dtype=dtype)
    final, rest = run(params, spikes[40:], dt, state=half)
    chex.assert_trees_all_close((final, jnp.concatenate([first, rest])), final_and_all, rtol=10 * TOLERANCE[dtype])


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)], ids=str)
def test_a_step_keeps_structure_shape_and_dtype(shape, dtype):
    params = Params(0.5, np.full(shape[-1:], 100.0), 3)
    state = tsodyks_markram.init(params, shape, dtype=dtype)
    chex.assert_trees_all_equal(list(state), [jnp.zeros(shape, dtype)] * 3)
    for spike in (True, np.ones(shape, bool), np.ones(shape), np.ones(shape[-1:], "int32")):
        for options in ({}, {"key": jax.random.key(0), "n": 3}):
            step = partial(tsodyks_markram.step, params, **options)
            moved, released = jax.eval_shape(step, state, 0.0, spike, 0.1)
            chex.assert_trees_all_equal_shapes_and_dtypes(moved, state)
            assert (released.shape, released.dtype) == (shape, dtype)


def test_without_a_spike_nothing_is_released():
    state = State(jnp.asarray(0.3), jnp.asarray(0.4))
    moved, released = tsodyks_markram.step(Params(0.5, 100.0, 50.0), state, 0.0, False, 10.0)
    assert released == 0
    np.testing.assert_allclose(moved, [0.3 * math.exp(-0.2), 0.4 * math.exp(-0.1), 0], rtol=1e-6)
    params, state = Params(0.5, 100.0, 50.0, 10.0), State(jnp.full(2, 0.3), [0.4, 0.4], jnp.full(2, 0.3))
    moved, _ = tsodyks_markram.step(params, state, 0.0, False, 10.0)
    depleted = 0.1 * math.exp(-0.1) + 0.3 * not_back(params, 10.0)
    np.testing.assert_allclose(
        np.transpose(moved), [[0.3 * math.exp(-0.2), depleted, 0.3 * math.exp(-1)]] * 2, rtol=1e-6
    )


def test_released_is_the_weight_of_a_linear_kernel(x64):
    """On the grid and off it: a linear kernel's input is added at the end of its step."""
    rows, dt, params = np.array([0, 40, 60, 150]), 0.5, synkin.alpha.Params()
    _, weights = run(FACILITATING, np.isin(np.arange(200), rows), dt)
    _, on_grid = synkin.simulate(synkin.alpha, params, weights, dt, method="exact")
    spikes = (rows + 1) * dt
    exact = synkin.respond(
        synkin.alpha, params, spikes, dt * np.arange(1, 201), weights=tsodyks_markram.release(FACILITATING, spikes)
    )
    np.testing.assert_allclose(on_grid, exact, atol=1e-14)


# Chance

SITES, TRIALS = 5, 40_000


def of_sites(params, times, rng):
    """Releases of one site in many trials, each of whose waits is drawn for itself, (TRIALS, K): NumPy alone."""
    filled_at, u, found = np.full(TRIALS, -np.inf), 0.0, []
    for time, pause in zip(times, np.diff(times, prepend=times[0]), strict=True):
        u = u * math.exp(-pause / params.tau_fac)
        u += params.U * (1 - u)
        found.append((filled_at <= time) & (rng.random(TRIALS) < u))
        wait = rng.exponential(params.tau_psc, TRIALS) + rng.exponential(params.tau_rec, TRIALS)
        filled_at = np.where(found[-1], time + wait, filled_at)
    return np.array(found).T


def covariance(params, times):
    """Of a site: r (1 - r) for each spike, and between two what the first leaves for the second."""
    r, u = by_sums(params, times), by_sums(params._replace(tau_rec=0.0, tau_psc=0.0), times)
    both = np.diag(r)
    for i in range(len(times)):
        again = [1.0]  # the chance of a release at i, and at each spike after it, given one at i
        for j in range(i + 1, len(times)):
            missing = sum(a * not_back(params, times[j] - s) for a, s in zip(again, times[i:j], strict=True))
            again.append(u[j] * (1 - missing))
            both[i, j] = both[j, i] = r[i] * again[-1]
    return both - np.outer(r, r)


def assert_alike(got, params, times):
    """Mean and covariance of ``got`` (TRIALS, K), to five standard errors."""
    mean, spread = by_sums(params, times), covariance(params, times) / SITES
    deviation = np.sqrt(np.diag(spread))
    np.testing.assert_allclose(got.mean(axis=0), mean, atol=5 * deviation.max() / math.sqrt(TRIALS))
    errors = np.sqrt(2 / TRIALS) * np.outer(deviation, deviation).max() * 5
    np.testing.assert_allclose(np.cov(got.T), spread, atol=errors)


RANDOM = Params(0.3, 40.0, 25.0)
BOTH = pytest.mark.parametrize("params", [RANDOM, RANDOM._replace(tau_psc=15.0)])


@BOTH
def test_random_release_has_the_mean_and_the_covariance_of_binomial_sites(params):
    times = TIMES[:7]
    keys = jax.random.split(jax.random.key(0), TRIALS)
    got = np.asarray(jax.vmap(lambda key: tsodyks_markram.release(params, times, key=key, n=SITES))(keys))
    assert got.shape == (TRIALS, 7)
    np.testing.assert_allclose(got * SITES, np.round(got * SITES), atol=1e-5)
    assert_alike(got, params, times)
    # The formula is that of sites: simulated one by one, they have it too.
    rng = np.random.default_rng(3)
    assert_alike(np.mean([of_sites(params, times, rng) for _ in range(SITES)], axis=0), params, times)


@BOTH
def test_random_steps_have_them_too(params):
    """Each of many synapses draws for itself."""
    rows, dt = np.array([0, 3, 4, 20, 60]), 2.0
    spikes = np.broadcast_to(np.isin(np.arange(61), rows)[:, None], (61, TRIALS))
    state, got = run(params, spikes, dt, key=jax.random.key(1), n=SITES)
    assert_alike(np.asarray(got)[rows].T, params, rows * dt)
    for part in (state.depleted, state.active):
        np.testing.assert_allclose(part * SITES, np.round(part * SITES), atol=1e-5)
    assert (state.active <= state.depleted).all()
    assert bool(state.active.any()) == bool(params.tau_psc)
    assert not np.asarray(got)[np.isin(np.arange(61), rows, invert=True)].any()


def test_a_scan_of_random_steps():
    keys = jax.random.split(jax.random.key(2), 50)
    params, spikes = Params(0.6, 20.0, 5.0), np.ones((50, 3000), bool)

    def body(state, row):
        key, spike = row
        return tsodyks_markram.step(params, state, 0.0, spike, 1.0, key=key, n=2)

    _, got = jax.jit(lambda: jax.lax.scan(body, tsodyks_markram.init(params, 3000), (keys, spikes)))()
    mean = by_sums(params, np.arange(50.0))
    np.testing.assert_allclose(np.asarray(got).mean(axis=1), mean, atol=5 * np.sqrt(0.25 / 2 / 3000))


def test_what_is_random_is_the_key_s():
    one, other = jax.random.key(3), jax.random.key(4)
    draw = partial(tsodyks_markram.release, RANDOM, np.arange(100.0) * 20, n=SITES)
    np.testing.assert_array_equal(draw(key=one), draw(key=one))
    assert (draw(key=one) != draw(key=other)).any()
    assert draw(key=jax.random.PRNGKey(3)).shape == (100,)
    _, two = tsodyks_markram.run(RANDOM, np.ones((100, 2), bool), 20.0, key=one, n=SITES)
    assert (two[:, 0] != two[:, 1]).any()


def test_random_release_at_the_limits():
    key, n = jax.random.key(5), 4
    np.testing.assert_array_equal(tsodyks_markram.release(Params(1.0, 0.0, 0.0), TIMES, key=key, n=n), 1)
    np.testing.assert_array_equal(tsodyks_markram.release(Params(0.0, 9.0, 9.0), TIMES, key=key, n=n), 0)
    got = tsodyks_markram.release(Params(1.0, 1e30, 9.0), [5.0, np.inf, 1.0, 2.0], key=key, n=np.int64(n))
    np.testing.assert_array_equal(got, [0, 0, 1, 0])


def test_random_release_has_no_derivative():
    f = lambda p, t: tsodyks_markram.release(p, t, key=jax.random.key(6), n=3).sum()  # noqa: E731
    slopes = jax.grad(f, argnums=(0, 1))(Params(*map(jnp.asarray, RANDOM)), jnp.asarray(TIMES))
    assert not any(np.any(slope) for slope in jax.tree.leaves(slopes))


# What is traced and wrong


@pytest.mark.parametrize("random", [False, True])
@pytest.mark.parametrize(
    "wrong",
    [
        ("U", 1.5),
        ("U", -0.1),
        ("U", np.nan),
        ("tau_rec", -1.0),
        ("tau_rec", np.inf),
        ("tau_fac", -1.0),
        ("tau_psc", -1.0),
    ],
    ids=str,
)
def test_a_traced_parameter_out_of_range_gives_nan(wrong, random):
    name, value = wrong
    options = {"key": jax.random.key(0), "n": 2} if random else {}
    state = tsodyks_markram.init(Params(), 2)

    @jax.jit
    def calls(value):
        params = RANDOM._replace(**{name: value})
        step = tsodyks_markram.step(params, state, 0.0, True, 0.1, **options)
        runs = tsodyks_markram.run(params, np.ones((3, 2), bool), 0.1, **options)
        return tsodyks_markram.release(params, TIMES, **options), step, runs

    assert all(np.isnan(leaf).all() for leaf in jax.tree.leaves(calls(value)))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(calls(0.5)))


def test_a_traced_parameter_in_range_is_not_touched():
    got = jax.jit(lambda U: tsodyks_markram.release(RANDOM._replace(U=U), TIMES))(0.3)
    np.testing.assert_allclose(got, tsodyks_markram.release(RANDOM, TIMES), rtol=1e-6)


@pytest.mark.parametrize("lost", [np.nan, -np.inf])
def test_a_traced_time_that_is_none_gives_nan(lost):
    times = np.array([1.0, lost, 3.0, np.inf])
    assert np.isnan(release(RANDOM, times)).all()
    assert np.isnan(release(RANDOM, times, key=jax.random.key(0), n=3)).all()


def test_traced_spikes_and_steps_that_are_none_give_nan():
    state = tsodyks_markram.init(RANDOM, 2)
    step = jax.jit(lambda spike, dt: tsodyks_markram.step(RANDOM, state, 0.0, spike, dt))
    _, released = step(np.array([1.0, np.nan]), 0.1)
    np.testing.assert_array_equal(np.isnan(released), [False, True])
    assert np.isnan(step(np.array([1.0, 0.0]), -0.1)[0].u[0])
    _, released = run(RANDOM, np.array([[1.0, 1.0], [0.5, 1.0]]), 0.1)
    np.testing.assert_array_equal(np.isnan(released).any(axis=0), [True, False])


# Units


def test_quantities():
    u = pytest.importorskip("saiunit")
    given = Params(0.03, 0.13 * u.second, 530 * u.ms)
    expected = release(FACILITATING, TIMES)
    for times in (TIMES / 1000 * u.second, [t * u.ms for t in TIMES]):
        got = tsodyks_markram.release(given, times)
        assert isinstance(got, jax.Array)
        np.testing.assert_allclose(got, expected, rtol=1e-5)
    spikes = np.arange(50) % 7 == 0
    state, got = tsodyks_markram.run(given, spikes, 0.5e-3 * u.second)
    chex.assert_trees_all_close((state, got), run(FACILITATING, spikes, 0.5), rtol=1e-5)
    moved, released = tsodyks_markram.step(given, tsodyks_markram.init(given, ()), 0 * u.ms, True, 500 * u.us)
    np.testing.assert_allclose(released, 0.03, rtol=1e-6)
    np.testing.assert_allclose(moved.u, 0.03 * math.exp(-0.5 / 530), rtol=1e-6)
    with pytest.raises(TypeError, match=r"^Parameter `tau_rec` must be in ms, but is in mV\.$"):
        tsodyks_markram.release(Params(0.5, 3 * u.mV), TIMES)
    with pytest.raises(TypeError, match=r"^Argument `spike_times` must be in ms, but is in mV\.$"):
        tsodyks_markram.release(Params(), TIMES * u.mV)


# As a thing


def test_it_is_frozen_hashable_and_the_only_one():
    assert pickle.loads(pickle.dumps(tsodyks_markram)) is tsodyks_markram
    assert copy.deepcopy(tsodyks_markram) is tsodyks_markram
    assert {tsodyks_markram: 1}[tsodyks_markram] == 1
    with pytest.raises(AttributeError):
        tsodyks_markram.name = "other"
    assert repr(tsodyks_markram) == "tsodyks_markram(U=0.5, tau_rec=800.0, tau_fac=0.0, tau_psc=0.0)"
    assert Params() == DEPRESSING == tuple(known.default for known in tsodyks_markram.parameters.values())
    assert tsodyks_markram.UNITS == ("1", "ms", "ms", "ms")
    assert set(tsodyks_markram.variables) == set(State._fields)
    assert pickle.loads(pickle.dumps(FACILITATING)) == FACILITATING


def test_it_compiles_once():
    jitted = jax.jit(lambda p, t: tsodyks_markram.release(p, t))
    for U in (0.1, 0.2):
        jitted(Params(U, 100.0, 50.0), TIMES)
    assert jitted._cache_size() == 1


@pytest.mark.parametrize(
    ("name", "params", "second", "last"),
    [
        ("DEPRESSING_TSODYKS_1998", (0.5, 800, 0, 0), "0.26515", "0.05713"),
        ("FACILITATING_MARKRAM_1998", (0.03, 130, 530, 0), "0.05533", "0.15797"),
        ("EXCITATORY_TSODYKS_2000", (0.5, 800, 0, 3), "0.26426", "0.05694"),
        ("INHIBITORY_TSODYKS_2000", (0.04, 100, 1000, 3), None, None),
    ],
)
def test_presets(name, params, second, last):
    preset = presets.RELEASE[name]
    assert preset is getattr(presets, name)
    assert preset.params == params
    assert isinstance(preset.params, Params)
    assert preset.source
    got = release(preset.params, TWENTY)
    np.testing.assert_allclose(got, by_sums(preset.params, TWENTY), rtol=1e-5)
    if second:
        assert [f"{r:.5f}" for r in np.asarray(got)[[1, 19]]] == [second, last]
    assert len(presets.RELEASE) == 4
