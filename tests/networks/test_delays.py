"""Delays: any in `respond` and `fit`, with their derivative; whole steps on a grid, and said where they are rounded."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import alpha, ampa, delayed, dual_expon, expon, respond
from synkin.arguments.times import arrivals
from tests.helpers import differences, samples

SPIKES = np.array([2.0, 9.3, 4.1, 4.4])
TIMES = np.linspace(0.0, 30.0, 16) + 0.123
DT = 0.1


def response(kernel, delay, times=TIMES, **options):
    return respond(kernel, kernel.Params(), SPIKES, times, delay=delay, **options)


# Exact


def test_a_delay_moves_every_spike(kernel, dtype):
    weights = {"weights": [1.0, 0.5, -2.0, 3.0]} if kernel.input.takes_weights else {}
    got = response(kernel, 1.7, dtype=dtype, **weights)
    np.testing.assert_array_equal(got, respond(kernel, kernel.Params(), SPIKES + 1.7, TIMES, dtype=dtype, **weights))
    np.testing.assert_array_equal(
        response(kernel, 0.0, dtype=dtype), respond(kernel, kernel.Params(), SPIKES, TIMES, dtype=dtype)
    )
    # What comes after the last sample does nothing.
    assert not response(kernel, 1e6, dtype=dtype).any()


def test_a_delay_of_any_kind_is_the_same():
    expected = response(alpha, 2.0)
    for delay in (2, np.float64(2), np.int32(2), jnp.float32(2), jnp.int32(2), np.array(2.0, ">f8")):
        np.testing.assert_allclose(response(alpha, delay), expected, rtol=1e-6)
        for spikes in (jnp.asarray(SPIKES, "float32"), list(SPIKES), np.append(SPIKES, np.inf)):
            got = respond(alpha, alpha.Params(), spikes, TIMES, delay=delay)
            np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(jax.jit(lambda d: response(alpha, d))(2.0), expected, rtol=2e-5, atol=1e-7)
    got = respond(alpha, alpha.Params(), jnp.array([2, 9]), TIMES, delay=0.5)
    np.testing.assert_allclose(got, respond(alpha, alpha.Params(), [2.5, 9.5], TIMES), rtol=1e-6)


def test_padding_stays_padding(x64):
    padded = np.append(SPIKES, [np.inf, np.inf])
    np.testing.assert_array_equal(arrivals(padded, 1.5), padded + 1.5)
    f = lambda delay, spikes: respond(ampa, ampa.Params(), spikes, TIMES, delay=delay)  # noqa: E731
    np.testing.assert_allclose(f(1.5, padded), response(ampa, 1.5), rtol=1e-12)
    for jacobian in (jax.jacfwd, jax.jacrev):
        got = jacobian(f)(1.5, jnp.asarray(padded))
        np.testing.assert_allclose(got, jacobian(f)(1.5, SPIKES), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("kernel", [ampa, dual_expon], ids=samples.name_of)
def test_its_gradient_is_minus_that_of_all_sample_times(kernel, x64):
    weigh = np.random.default_rng(0).normal(size=len(TIMES))
    of_delay = lambda d: (weigh * response(kernel, d[0])).sum()  # noqa: E731
    of_times = jax.grad(lambda t: (weigh * response(kernel, 1.7, t)).sum())(jnp.asarray(TIMES))
    expected = differences.gradient(of_delay, [1.7], h=1e-5)
    for gradient in (jax.grad, jax.jacfwd):
        got = gradient(of_delay)(jnp.array([1.7]))
        np.testing.assert_allclose(got, expected, rtol=1e-6)
        np.testing.assert_allclose(got[0], -of_times.sum(), rtol=1e-10)
    # From the right at a delay of 0.
    at_0 = differences.gradient(of_delay, [0.0], rule=differences.RIGHT, h=1e-4)
    np.testing.assert_allclose(jax.grad(of_delay)(jnp.zeros(1)), at_0, rtol=1e-6)


def test_a_delay_for_each_synapse(x64):
    delays = jnp.array([0.0, 1.5, 4.0])
    got = jax.vmap(lambda d: response(alpha, d))(delays)
    for row, d in zip(got, delays, strict=True):
        np.testing.assert_allclose(row, response(alpha, float(d)), rtol=1e-12, atol=1e-15)


def test_far_from_0_a_known_delay_costs_no_digits():
    far = 1e9
    near = response(ampa, 0.3)
    for delay in (0.3, np.float64(0.3)):
        got = respond(ampa, ampa.Params(), SPIKES + far, TIMES + far, delay=delay)
        np.testing.assert_allclose(got, near, rtol=1e-4, atol=1e-6)
    # Closed over, it is known under jit too.
    got = jax.jit(lambda beta: respond(ampa, ampa.Params(beta=beta), SPIKES + far, TIMES + far, delay=0.3))(0.18)
    np.testing.assert_allclose(got, near, rtol=1e-4, atol=1e-6)


def test_what_arrives_has_to_come_after_the_state():
    state = alpha.State(0.0, 1.0)
    late = {"state": state, "t0": 10.0, "weights": [1.0]}
    got = respond(alpha, alpha.Params(), [9.0], [12.0], delay=2.0, **late)
    np.testing.assert_allclose(got, respond(alpha, alpha.Params(), [11.0], [12.0], **late), rtol=1e-6)
    with pytest.raises(ValueError, match=r"^Argument `spike_times` must not come before t0 = 10\.0 ms.* has 9\.5\.$"):
        respond(alpha, alpha.Params(), [9.0], [12.0], delay=0.5, **late)


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_a_traced_delay_that_is_none_gives_nan(wrong, kernel):
    assert np.isnan(jax.jit(lambda d: response(kernel, d))(wrong)).all()


def test_delays_with_units():
    u = pytest.importorskip("saiunit")
    got = respond(alpha, alpha.Params(), SPIKES, TIMES, delay=0.0017 * u.second)
    assert got.unit == u.mS
    np.testing.assert_allclose(got.mantissa, response(alpha, 1.7), rtol=1e-5)
    with pytest.raises(TypeError, match=r"^Argument `delay` must be in ms, but is in mV\.$"):
        response(alpha, 1 * u.mV)
    train = np.arange(6) == 1
    np.testing.assert_array_equal(delayed(train, 0.2 * u.ms, 1e-4 * u.second), np.arange(6) == 3)
    moved = delayed(train * 2.0 * u.nS, 200 * u.us, DT)
    assert moved.unit == u.mS
    np.testing.assert_allclose(moved.mantissa, 2e-6 * (np.arange(6) == 3), rtol=1e-6)
    with pytest.raises(TypeError, match=r"^Argument `delay` must be in ms, but is in mS\.$"):
        delayed(train, 1 * u.mS, DT)


# On a grid


def moved_by(spikes, steps):
    """Row by row, synapse by synapse."""
    spikes = np.asarray(spikes)
    steps = np.broadcast_to(steps, spikes.shape[1:])
    moved = np.zeros_like(spikes)
    for at in np.ndindex(spikes.shape):
        row = at[0] + int(steps[at[1:]])
        if row < len(spikes):
            moved[(row, *at[1:])] = spikes[at]
    return moved


@pytest.mark.parametrize(
    ("shape", "steps"),
    [((), 3), ((4,), 0), ((4,), 7), ((4,), [0, 1, 5, 30]), ((2, 4), [0, 1, 5, 12]), ((2, 4), [[3], [0]])],
    ids=str,
)
@pytest.mark.parametrize("kind", ["bool", "float32", "int32"])
def test_rows_are_moved(shape, steps, kind):
    rng = np.random.default_rng(1)
    spikes = np.asarray(rng.normal(size=(12, *shape)) * 5 if kind != "bool" else rng.random((12, *shape)) < 0.4, kind)
    delay = np.asarray(steps) * DT
    got = delayed(spikes, delay, DT)
    assert got.dtype == kind
    np.testing.assert_array_equal(got, moved_by(spikes, steps))
    traced = jax.jit(delayed)(spikes, delay, DT)
    assert jnp.issubdtype(traced.dtype, jnp.floating)  # so that a delay that is none can be NaN
    np.testing.assert_array_equal(traced, moved_by(spikes, steps))
    closed_over = jax.jit(lambda spikes: delayed(spikes, delay, DT))(spikes)
    assert closed_over.dtype == kind
    np.testing.assert_array_equal(closed_over, got)


def test_whole_steps_are_whole_whatever_rounding_does():
    """No multiple of 0.1 is one in binary numbers: neither a warning, nor a step too few."""
    spikes = np.arange(3001) == 0
    steps = np.arange(3000)
    for dtype in ("float32", "float64"):
        trains = np.broadcast_to(spikes[:, None], (3001, 3000))
        delay = (steps * DT).astype(dtype)
        for moved in (delayed(trains, delay, DT), jax.jit(delayed)(trains, delay, DT)):
            np.testing.assert_array_equal(np.argmax(moved, axis=0), steps)


def test_what_is_rounded_is_said():
    spikes = np.arange(9) == 0
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        moved = delayed(np.broadcast_to(spikes[:, None], (9, 3)), [0.2, 0.26, 0.41], DT)
    assert [str(w.message) for w in said] == ["Argument `delay` is rounded to whole steps of 0.1 ms, by up to 0.04 ms."]
    assert said[0].filename == __file__
    np.testing.assert_array_equal(np.argmax(moved, axis=0), [2, 3, 4])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Half a step rounds up, whatever side of it the nearest number is.
        halves = np.array([0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75])
        moved = delayed(np.broadcast_to(spikes[:, None], (9, 8)), halves, DT)
        np.testing.assert_array_equal(np.argmax(moved, axis=0), 1 + np.arange(8))
        np.testing.assert_array_equal(jax.jit(delayed)(np.broadcast_to(spikes[:, None], (9, 8)), halves, DT), moved)


def test_delays_past_the_end_and_no_rows():
    assert not delayed(np.ones((5, 2)), [0.5, 1e30], DT).any()
    assert not jax.jit(delayed)(np.ones((5, 2)), np.array([0.5, 1e30]), DT).any()
    assert delayed(np.ones((0, 2)), 0.3, DT).shape == (0, 2)


def test_a_traced_delay_that_is_none_is_nan_on_a_grid():
    spikes = np.ones((4, 4), bool)
    got = jax.jit(delayed)(spikes, np.array([0.1, -0.1, np.nan, np.inf]), DT)
    np.testing.assert_array_equal(np.isnan(got).all(axis=0), [False, True, True, True])
    np.testing.assert_array_equal(got[:, 0], [0, 1, 1, 1])
    assert np.isnan(jax.jit(delayed)(spikes, 0.1, -DT)).all()


def test_derivatives_on_a_grid():
    """Of the weights they move with them; of the delay there is none."""
    weights = jnp.asarray(np.random.default_rng(2).normal(size=(6, 2)))
    f = lambda w, d: (delayed(w, d, DT) * jnp.arange(6.0)[:, None]).sum()  # noqa: E731
    of_weights, of_delay = jax.grad(f, argnums=(0, 1))(weights, jnp.array([0.2, 0.0]))
    np.testing.assert_array_equal(of_weights, np.array([[2, 3, 4, 5, 0, 0], [0, 1, 2, 3, 4, 5]]).T)
    np.testing.assert_array_equal(of_delay, 0)


def test_a_delay_of_whole_steps_is_that_of_respond(receptor, x64):
    rows = np.array([3, 40, 55])
    train = delayed(np.isin(np.arange(200), rows), 2.5, 0.5)
    _, on_grid = synkin.simulate(receptor, receptor.Params(), train, 0.5, method="exact")
    exact = respond(receptor, receptor.Params(), rows * 0.5, 0.5 * np.arange(1, 201), delay=2.5)
    np.testing.assert_allclose(on_grid, exact, atol=1e-7 if receptor is synkin.bionmda else 1e-13)


def test_a_ring_in_a_loop_of_one_s_own():
    """As the docstring has it."""
    rng = np.random.default_rng(3)
    L, N, n = 6, 4, jnp.array([0, 2, 5, 3])
    train = rng.random((40, N)) < 0.3
    stepper = synkin.stepper(alpha, alpha.Params(), DT)

    def body(carry, row):
        (ring, synapse), (i, spikes_now) = carry, row
        ring = ring.at[i % L].set(spikes_now)
        arriving = ring[(i - n) % L, jnp.arange(N)]
        synapse, g = stepper.step(synapse, arriving)
        return (ring, synapse), g

    start = jnp.zeros((L, N), bool), stepper.init((N,))
    _, got = jax.lax.scan(body, start, (jnp.arange(40, dtype=n.dtype), jnp.asarray(train)))
    _, expected = synkin.simulate(alpha, alpha.Params(), delayed(train, np.asarray(n) * DT, DT), DT)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)


# Fits


def recording(delay):
    times = np.arange(0.0, 60.0, 0.25)
    g = respond(expon, expon.Params(tau=6.0), SPIKES, times, delay=delay)
    return times, np.asarray(g, float) + 0.003 * np.random.default_rng(4).normal(size=len(times))


def test_a_fit_holds_a_known_delay():
    times, trace = recording(3.3)
    options = {"free": "tau", "progress": False, "starts": 2}
    held = synkin.fit(expon, expon.Params(), SPIKES, times, trace, delay=3.3, **options)
    np.testing.assert_allclose(held.params.tau, 6.0, rtol=0.02)
    assert held.delay == 3.3
    np.testing.assert_array_equal(held.spike_times, np.sort(SPIKES))
    again = respond(expon, held.params, held.spike_times, times, delay=held.delay)
    np.testing.assert_allclose(held.predicted, again, atol=1e-6)
    assert [line.split() for line in held.summary().splitlines() if line.startswith("delay")] == [
        ["delay", "3.3", "held", "ms"]
    ]
    # It is the same as an onset that is held; without it the fit is none.
    onset = synkin.fit(expon, expon.Params(), SPIKES, times, trace, onset=3.3, **options)
    np.testing.assert_allclose(held.params.tau, onset.params.tau, rtol=1e-6)
    assert onset.delay == 0.0
    assert "delay" not in onset.summary()
    without = synkin.fit(expon, expon.Params(), SPIKES, times, trace, **options)
    assert without.r_squared < 0.8 < 0.99 < held.r_squared


def test_an_onset_comes_on_top_of_a_delay():
    times, trace = recording(3.3)
    options = {"free": "tau", "progress": False, "starts": 4, "onset": True}
    rest = synkin.fit(expon, expon.Params(), SPIKES, times, trace, delay=3.0, **options)
    whole = synkin.fit(expon, expon.Params(), SPIKES, times, trace, bounds={"onset": (0.0, 5.0)}, **options)
    assert abs(rest.onset - 0.3) < 0.125
    assert abs(whole.onset - 3.3) < 0.125


def test_a_fit_of_several_recordings_shares_the_delay():
    times, trace = recording(3.3)
    u = pytest.importorskip("saiunit")
    both = synkin.fit(
        expon, expon.Params(), SPIKES, times, np.stack([trace, 2 * trace]), delay=0.0033 * u.second, scale=True,
        free="tau", progress=False, starts=2,
    )  # fmt: skip
    np.testing.assert_allclose(both.params.tau, 6.0, rtol=0.02)
    np.testing.assert_allclose(both.scale, [1, 2], rtol=0.02)
    assert both.delay == pytest.approx(3.3)


def test_the_picture_of_a_fit_has_spikes_where_they_act():
    pytest.importorskip("matplotlib")
    times, trace = recording(3.3)
    fitted = synkin.fit(expon, expon.Params(), SPIKES, times, trace, free="tau", delay=3.3, progress=False, starts=1)
    above, _ = synkin.plot.fit(fitted)
    ticks = next(c for c in above.collections if c.get_label() == "spikes")
    np.testing.assert_allclose([segment[0, 0] for segment in ticks.get_segments()], np.sort(SPIKES) + 3.3)
