"""Short-term plasticity: hand numbers, the equations by an independent solver, gradients, and chance."""

import copy
import math
import pickle
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

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
ZERO = [Params(0.3, 100.0, 0.0), Params(0.3, 0.0, 100.0, 9.0), Params(0.3, 0.0, 0.0), Params(0.0, 100.0, 50.0)]
TWENTY = 50.0 * np.arange(20)  # 20 spikes at 20 Hz
TIMES = np.array([3.0, 10.0, 11.5, 40.0, 90.0, 91.0, 250.0, 900.0])
release = jax.jit(tsodyks_markram.release, static_argnames=("n", "dtype"))
run = jax.jit(tsodyks_markram.run, static_argnames=("n", "dtype"))
TOLERANCE = {"float32": 1e-6, "float64": 1e-13}
close, equal = np.testing.assert_allclose, np.testing.assert_array_equal


@pytest.fixture
def rng():
    return np.random.default_rng(13)


def same(got, expected, **tolerance):
    """Trees of the same shapes and dtypes, and of the same numbers."""
    assert jax.tree.map(lambda x: (x.shape, x.dtype), got) == jax.tree.map(lambda x: (x.shape, x.dtype), expected)
    jax.tree.map(partial(close, **tolerance), got, expected)


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


def test_numbers_worked_out_by_hand(dtype):
    """20 spikes at 20 Hz; 5 at 50 Hz through x, y and z of tmgsyn, tau_1 being 3."""
    for params, times, shown, expected in (
        (DEPRESSING, TWENTY, [0, 1, 2, 19], "0.50000 0.26515 0.15483 0.05713"),
        (FACILITATING, TWENTY, [0, 1, 2, 19], "0.03000 0.05533 0.07574 0.15797"),
        (ACTIVE[0], 0.4 * TWENTY, range(5), "0.50000 0.25526 0.13635 0.07859 0.05052"),
        (ACTIVE[1], 0.4 * TWENTY, range(5), "0.04000 0.07502 0.10277 0.12279 0.13587"),
    ):
        assert " ".join(f"{r:.5f}" for r in np.asarray(release(params, times, dtype=dtype))[[*shown]]) == expected


@pytest.mark.parametrize("params", [FACILITATING, Params(1.0, 5.0, 3.0), *ACTIVE[1:]])
def test_between_spikes_it_is_the_equations(params, x64):
    """Solved by DOP853, a spike changing u and then x and y; this is what the sums give, too."""
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
    close(release(params, TIMES), expected, rtol=1e-10)
    close(by_sums(params, TIMES), expected, rtol=1e-10)


@pytest.mark.parametrize("params", [Params(1.0, 800.0, 0.0), ACTIVE[2]])
def test_single_precision_keeps_its_digits(params, x64):
    """In a long train, also where next to nothing is left to release."""
    times = np.cumsum(np.random.default_rng(1).exponential(50.0, 1000))
    got = tsodyks_markram.release(params, times, dtype="float32")
    assert got.dtype == "float32"
    close(got, release(params, times), rtol=1e-6)


def test_recovery_in_small_steps_does_not_stall():
    """What is left after 2 s in steps of 0.01 ms; held as x it would be 40 % off, as a product 0.3 %."""
    state, _ = run(Params(0.5, 300.0, 500.0), np.arange(200_000) == 0, 0.01, dtype="float32")
    close(state.depleted, 0.5 * math.exp(-2000 / 300), rtol=2e-4)
    close(state.u, 0.5 * math.exp(-2000 / 500), rtol=2e-4)


# Limits and gradients


def vector(v):
    """The releases as a function of the parameters and of 8 times, padded."""
    return tsodyks_markram.release(Params(*v[:4]), jnp.append(v[4:], jnp.inf))


def ran(v):
    """Those of a run, and of the state that it begins with."""
    return tsodyks_markram.run(Params(*v[:4]), np.isin(np.arange(50), [0, 7, 8, 40]), 0.5, state=State(*v[4:]))[1]


@pytest.mark.parametrize("mode", [jax.jacrev, pytest.param(jax.jacfwd, marks=pytest.mark.wide)])
def test_limits_and_gradients(mode, x64):
    """In each parameter and each time, unsorted; where one is 0 that is the limit from the right, as of tiny ones."""
    values, jacobians, order = jax.jit(vector), jax.jit(mode(vector)), [5, 1, 0, 7, 2, 3, 6, 4]
    gradient = partial(differences.gradient, values, one_by_one=True)
    for params in ZERO:
        v = np.concatenate([params, TIMES])
        close(values(v)[:-1], by_sums(params, TIMES), rtol=1e-12)
        tiny = np.where((v == 0) & (np.arange(12) > 0), 1e-30, v)
        close(values(tiny), values(v), rtol=1e-12)
        assert np.isfinite(jacobians(tiny)).all()
        close(jacobians(v)[:, :4], gradient(v, rule=differences.RIGHT)[:4].T, rtol=1e-6, atol=1e-9)
    for params in (DEPRESSING._replace(tau_fac=20.0, tau_psc=3.0), *ACTIVE[1:4]):
        v = np.concatenate([params, TIMES[order]])
        assert differences.relative_error(jacobians(v), gradient(v, h=1e-5).T) < 1e-6
        assert not jacobians(v)[-1].any()
    # Spikes at one time act one after the other.
    for U, expected in ((0.5, [0.5, 0.375]), (1.0, [1.0, 0.0])):
        v = np.array([U, 100.0, 100.0, 0.0, *[4.0] * 2, *[np.inf] * 6])
        close(values(v), [*expected, *[0.0] * 7], rtol=1e-12)
        assert np.isfinite(jacobians(v)).all()
        assert not jacobians(v)[:, 6:].any()
    v = np.array([0.2, 30.0, 20.0, 30.0, 0.1, 0.3, 0.2])
    expected = differences.gradient(jax.jit(ran), v, one_by_one=True).T
    assert differences.relative_error(jax.jit(mode(ran))(v), expected) < 1e-6


# Times and numbers of every kind


def test_times_and_numbers_of_every_kind(x64):
    order = np.random.default_rng(2).permutation(10)
    padded = np.append(TIMES, [np.inf, np.inf])
    expected = np.append(by_sums(FACILITATING, TIMES), [0, 0])
    for times in (padded, padded + 1e9, list(padded)):  # far from 0 they keep their resolution
        close(tsodyks_markram.release(FACILITATING, times), expected, rtol=1e-6)
    for xp in (np, jnp):
        close(release(FACILITATING, xp.asarray(padded[order])), expected[order], rtol=1e-6)
    assert not release(FACILITATING, np.full(10, np.inf)).any()
    assert release(FACILITATING, np.zeros(0)).shape == (0,)
    whole = TIMES.astype(int)
    for given in (Params(0.5, 800, 20), Params(np.float64(0.5), np.int32(800), jnp.float32(20))):
        close(tsodyks_markram.release(given, whole), by_sums(Params(0.5, 800.0, 20.0), whole), rtol=1e-6)
    U, many = jnp.array([0.2, 0.6]), np.array([padded, padded[order]])
    got = jax.jit(jax.vmap(lambda U, t: tsodyks_markram.release(FACILITATING._replace(U=U), t)))(U, many)
    for row, u, t in zip(got, U, many, strict=True):
        close(row, tsodyks_markram.release(FACILITATING._replace(U=u), t), rtol=1e-14)


# On a grid


def test_steps_are_a_run_is_the_release_at_the_grid_s_times(dtype):
    """A spike acts from the start of its step: row i is the time i dt. In pieces it is the same run."""
    rows, dt, tolerance = [0, 1, 5, 6, 7, 30, 79], 0.5, TOLERANCE[dtype]
    spikes = np.zeros((80, 2), bool)
    spikes[rows, 0], spikes[[3, 20], 1] = True, True
    step = lambda params, dt, *now: tsodyks_markram.step(params, now[0], 0.0, now[1], dt)  # noqa: E731
    steps = jax.jit(lambda params, state, dt: jax.lax.scan(partial(step, params, dt), state, spikes))
    for params in (FACILITATING, ACTIVE[1]) if dtype == "float32" else (ZERO[1], ACTIVE[2]):
        state = tsodyks_markram.init(params, (2,), dtype=dtype)
        whole = run(params, spikes, dt, dtype=dtype)
        same(steps(params, state, dt), whole, rtol=tolerance)
        got = whole[1]
        assert (got.shape, got.dtype) == ((80, 2), dtype)
        close(got[rows, 0], by_sums(params, dt * np.array(rows)), rtol=10 * tolerance)
        close(got[[3, 20], 1], by_sums(params, [1.5, 10.0]), rtol=10 * tolerance)
        equal(got[~spikes], 0)
        half, first = run(params, spikes[:40], dt, state=state)
        final, rest = run(params, spikes[40:], dt, state=half)
        same((final, jnp.concatenate([first, rest])), whole, rtol=10 * tolerance)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.wide)], indirect=True)
@pytest.mark.parametrize(
    "params", [Params(0.3, np.array([40.0, 90.0, 0.0]), 25.0), pytest.param(ACTIVE[2], marks=pytest.mark.wide)]
)
def test_a_scan_of_a_stepper_is_a_run(params, rng, dtype):
    """To rounding, from rest and from a state, with a key for each step; its derivatives too. A stepper is passed."""
    spikes, dt = rng.random((60, 2, 3)) < 0.2, 0.5
    keys, start = jax.random.split(jax.random.key(5), 60), rng.uniform(0, 0.5, (2, 2, 3)).astype(dtype)
    begins = State(*start, active=0.0)
    made = tsodyks_markram.stepper(params, dt, dtype=dtype)

    @jax.jit
    def scans(made, of_sites):
        from_state, released = jax.lax.scan(made.step, made.init(state=begins), spikes)
        drawn = jax.lax.scan(lambda c, row: of_sites.step(c, row[0], key=row[1]), of_sites.init((2, 3)), (spikes, keys))
        return jax.lax.scan(made.step, made.init((2, 3)), spikes), (made.state(from_state), released), drawn

    got = scans(made, tsodyks_markram.stepper(params, dt, n=4, dtype=dtype))
    expected = [run(params, spikes, dt, dtype=dtype), tsodyks_markram.run(params, spikes, dt, state=begins)]
    expected.append(run(params, spikes, dt, key=jax.random.key(5), n=4, dtype=dtype))
    same(got, tuple(expected), rtol=TOLERANCE[dtype])
    carry = made.init((2, 3))
    for row in spikes[:3]:  # outside of a compiled loop
        carry, released = made.step(carry, row.astype(float))
    close(released, got[0][1][2], rtol=10 * TOLERANCE[dtype])

    def total(params, how):
        if how == "run":
            return (tsodyks_markram.run(params, spikes, dt)[1] ** 2).sum()
        made = tsodyks_markram.stepper(params, dt)
        return (jax.lax.scan(made.step, made.init((2, 3)), spikes)[1] ** 2).sum()

    slopes = jax.jit(jax.grad(total), static_argnums=1)
    as_arrays = jax.tree.map(partial(jnp.asarray, dtype=float), params)
    jax.tree.map(partial(close, rtol=1e-4), slopes(as_arrays, "stepper"), slopes(as_arrays, "run"))


def test_a_stepper_s_wrong_values_that_are_traced_give_nan():
    def last(U, tau, spike):
        made = tsodyks_markram.stepper(Params(U, tau), 0.1)
        return made.step(made.init(()), spike)[0].depleted

    many = jax.jit(jax.vmap(last))(*jnp.array([[0.5, 1.5, 0.5, 0.5], [9.0, 9.0, -1.0, 9.0], [1.0, 1.0, 1.0, 0.5]]))
    equal(np.isnan(many), [False, True, True, True])
    made = tsodyks_markram.stepper(Params(), 0.1, n=3)
    assert repr(made) == "tsodyks_markram.stepper(dt=0.1 ms, n=3)"


def test_a_step_keeps_structure_shape_and_dtype(dtype):
    params = Params(0.5, np.full(3, 100.0), 3)
    state = tsodyks_markram.init(params, (2, 3), dtype=dtype)
    same(list(state), [jnp.zeros((2, 3), dtype)] * 3)
    for spike in (True, np.ones((2, 3)), np.ones(3, "int32")):
        for options in ({}, {"key": jax.random.key(0), "n": 3}):
            step = partial(tsodyks_markram.step, params, **options)
            moved, released = jax.eval_shape(step, state, 0.0, spike, 0.1)
            assert {(part.shape, str(part.dtype)) for part in (*moved, released)} == {((2, 3), dtype)}


def test_without_a_spike_nothing_is_released():
    """And what is active of a state may be left out, where it is 0."""
    p, step = Params(0.5, 100.0, 50.0), tsodyks_markram.step
    lasting, depleted = p._replace(tau_psc=10.0), 0.1 * math.exp(-0.1)
    moved, released = step(lasting, State(jnp.full(2, 0.3), [0.4, 0.4], jnp.full(2, 0.3)), 0.0, False, 10.0)
    equal(released, 0)
    expected = [0.3 * math.exp(-0.2), depleted + 0.3 * not_back(lasting, 10.0), 0.3 * math.exp(-1)]
    close(np.transpose(moved), [expected] * 2, rtol=1e-6)
    moved, _ = step(p, State(jnp.asarray(0.3), 0.4), 0.0, False, 10.0)
    close(moved, [0.3 * math.exp(-0.2), 4 * depleted, 0], rtol=1e-6)


# Chance

SITES, TRIALS = 5, 20_000
RANDOM = Params(0.3, 40.0, 25.0)
BOTH = pytest.mark.parametrize("params", [RANDOM, RANDOM._replace(tau_psc=15.0)])


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
    close(got.mean(axis=0), mean, atol=5 * deviation.max() / math.sqrt(TRIALS))
    errors = np.sqrt(2 / TRIALS) * np.outer(deviation, deviation).max() * 5
    close(np.cov(got.T), spread, atol=errors)


@BOTH
def test_random_release_has_the_mean_and_the_covariance_of_binomial_sites(params):
    """And so have steps, where each of many synapses draws for itself."""
    keys = jax.random.split(jax.random.key(0), TRIALS)
    got = np.asarray(jax.vmap(lambda key: tsodyks_markram.release(params, TIMES[:7], key=key, n=SITES))(keys))
    assert got.shape == (TRIALS, 7)
    rows, dt = np.array([0, 1, 2, 10, 30]), 4.0
    spikes = np.broadcast_to(np.isin(np.arange(31), rows)[:, None], (31, TRIALS))
    state, steps = run(params, spikes, dt, key=jax.random.key(1), n=SITES)
    for part in (got, state.depleted, state.active):
        close(part * SITES, np.round(part * SITES), atol=1e-5)
    assert_alike(got, params, TIMES[:7])
    assert_alike(np.asarray(steps)[rows].T, params, rows * dt)
    assert (state.active <= state.depleted).all()
    assert bool(state.active.any()) == bool(params.tau_psc)
    assert not np.asarray(steps)[np.isin(np.arange(31), rows, invert=True)].any()


@pytest.mark.wide
def test_what_is_random_is_the_key_s():
    key, four = jax.random.key(3), np.array([5.0, np.inf, 1.0, 2.0])
    draw = jax.jit(lambda key, params: tsodyks_markram.release(params, four, key=key, n=np.int64(SITES)))
    equal(draw(key, RANDOM), draw(key, RANDOM))
    assert any((draw(jax.random.key(i), RANDOM) != draw(key, RANDOM)).any() for i in range(4))
    assert draw(jax.random.PRNGKey(3), RANDOM).shape == (4,)
    # At the limits there is no chance.
    limits = ((1.0, 0.0, 0.0), [1, 0, 1, 1]), ((0.0, 9.0, 9.0), [0] * 4), ((1.0, 1e30, 9.0), [0, 0, 1, 0])
    for params, expected in limits:
        equal(draw(key, Params(*params)), expected)
    _, two = tsodyks_markram.run(RANDOM, np.ones((50, 2), bool), 20.0, key=key, n=SITES)
    assert (two[:, 0] != two[:, 1]).any()
    # And there is no derivative.
    slopes = jax.grad(lambda p: draw(key, p).sum())(Params(*map(jnp.asarray, RANDOM)))
    assert not any(np.any(slope) for slope in slopes)


# What is traced and wrong


@pytest.mark.parametrize("options", [{}, {"key": jax.random.key(0), "n": 2}], ids=["mean", "random"])
def test_what_is_traced_and_out_of_range_gives_nan(options):
    state = tsodyks_markram.init(Params(), 2)

    @jax.jit
    def calls(params, times):
        step = tsodyks_markram.step(params, state, 0.0, True, 0.1, **options)
        runs = tsodyks_markram.run(params, np.ones((3, 2), bool), 0.1, **options)
        return tsodyks_markram.release(params, times, **options), step, runs

    right = RANDOM._replace(tau_psc=1.0)
    wrong = {"U": (1.5, -0.1, np.nan), "tau_rec": (-1.0, np.inf), "tau_fac": (-1.0,), "tau_psc": (-1.0,)}
    for name, value in ((name, value) for name, values in wrong.items() for value in values):
        got = calls(right._replace(**{name: value}), TIMES)
        assert all(np.isnan(leaf).all() for leaf in jax.tree.leaves(got)), (name, value)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(calls(right, TIMES)))
    if not options:
        close(calls(right, TIMES)[0], tsodyks_markram.release(right, TIMES), rtol=1e-6)
    for lost in (np.nan, -np.inf):
        assert np.isnan(calls(right, np.append(TIMES[:-1], lost))[0]).all()


def test_traced_spikes_and_steps_that_are_none_give_nan():
    state = tsodyks_markram.init(RANDOM, 2)
    step = jax.jit(lambda spike, dt: tsodyks_markram.step(RANDOM, state, 0.0, spike, dt))
    equal(np.isnan(step(np.array([1.0, np.nan]), 0.1)[1]), [False, True])
    assert np.isnan(step(np.array([1.0, 0.0]), -0.1)[0].u[0])
    equal(np.isnan(run(RANDOM, np.array([[1.0, 1.0], [0.5, 1.0]]), 0.1)[1]).any(axis=0), [True, False])


# Units, and as a thing


def test_quantities():
    u = pytest.importorskip("saiunit")
    given, expected = Params(0.03, 0.13 * u.second, 530 * u.ms), release(FACILITATING, TIMES)
    for times in (TIMES / 1000 * u.second, [t * u.ms for t in TIMES]):
        got = tsodyks_markram.release(given, times)
        assert isinstance(got, jax.Array)
        close(got, expected, rtol=1e-5)
    moved, released = tsodyks_markram.step(given, tsodyks_markram.init(given, ()), 0 * u.ms, True, 500 * u.us)
    close([released, moved.u], [0.03, 0.03 * math.exp(-0.5 / 530)], rtol=1e-6)
    _, released = tsodyks_markram.run(given, np.arange(9) % 7 == 0, 5e-3 * u.second)
    close(released[np.array([0, 7])], by_sums(FACILITATING, [0, 35.0]), rtol=1e-5)
    for params, times, said in (
        (Params(0.5, 3 * u.mV), TIMES, "Parameter `tau_rec`"),
        (Params(), TIMES * u.mV, "Argument `spike_times`"),
    ):
        with pytest.raises(TypeError, match=rf"^{said} must be in ms, but is in mV\.$"):
            tsodyks_markram.release(params, times)


def test_it_is_frozen_hashable_and_the_only_one_and_compiles_once():
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
    jitted = jax.jit(lambda p, t: tsodyks_markram.release(p, t))
    for U in (0.1, 0.2):
        jitted(Params(U, 100.0, 50.0), TIMES)
    assert jitted._cache_size() == 1


def test_presets(x64):
    assert {name: preset.params for name, preset in presets.RELEASE.items()} == {
        "DEPRESSING_TSODYKS_1998": (0.5, 800, 0, 0),
        "FACILITATING_MARKRAM_1998": (0.03, 130, 530, 0),
        "EXCITATORY_TSODYKS_2000": (0.5, 800, 0, 3),
        "INHIBITORY_TSODYKS_2000": (0.04, 100, 1000, 3),
    }
    for name, preset in presets.RELEASE.items():
        assert preset is getattr(presets, name)
        assert isinstance(preset.params, Params)
        assert preset.source
    got = release(presets.EXCITATORY_TSODYKS_2000.params, TWENTY)
    assert [f"{r:.5f}" for r in np.asarray(got)[[1, 19]]] == ["0.26426", "0.05694"]
