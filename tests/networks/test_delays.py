"""Delays: any in `respond` and `fit`, with their derivative; whole steps on a grid, and said where they are rounded."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import alpha, ampa, delayed, expon, respond
from synkin.arguments.times import arrivals
from tests.helpers import differences

SPIKES = np.array([2.0, 9.3, 4.1, 4.4])
TIMES = np.linspace(0.0, 30.0, 16) + 0.123
DT = 0.1
close, equal = np.testing.assert_allclose, np.testing.assert_array_equal


def response(kernel, delay, times=TIMES, spikes=SPIKES, **options):
    return respond(kernel, kernel.Params(), spikes, times, delay=delay, **options)


# Exact


def test_a_delay_moves_every_spike(x64):
    weights = {"weights": [1.0, 0.5, -2.0, 3.0]}
    for kernel, options in ((alpha, weights), (ampa, {})):
        for delay in (1.7, 0.0, np.float64(2), np.array(2.0, ">f8"), 2):
            got = response(kernel, delay, **options)
            equal(got, respond(kernel, kernel.Params(), SPIKES + float(delay), TIMES, **options))
        # What comes after the last sample does nothing.
        assert not response(kernel, 1e6, **options).any()
    answer = jax.jit(lambda d: response(ampa, d))
    for delay in (2.0, 2, np.int32(2), jnp.float32(2)):
        close(answer(delay), response(ampa, 2.0), rtol=1e-12, atol=1e-15)
    for wrong in (-1.0, np.nan, np.inf):
        assert np.isnan(answer(wrong)).all()
    delays = jnp.array([0.0, 1.5, 4.0])  # of a synapse each
    close(jax.vmap(answer)(delays), [answer(float(d)) for d in delays], rtol=1e-12, atol=1e-15)


def test_padding_stays_padding_and_the_gradient_is_minus_that_of_all_sample_times(x64):
    padded, at = np.append(SPIKES, [np.inf, np.inf]), jnp.array([1.7])
    equal(arrivals(padded, 1.5), padded + 1.5)
    weigh = np.random.default_rng(0).normal(size=len(TIMES))

    @jax.jit
    def of(d, spikes=padded, times=TIMES):
        return (weigh * respond(ampa, ampa.Params(), spikes, times, delay=d[0])).sum()

    of_all = jax.jit(jax.grad(of, (0, 1, 2)))
    by_delay, by_spikes, by_times = of_all(at, jnp.asarray(padded), jnp.asarray(TIMES))
    close(of(at), weigh @ response(ampa, 1.7), rtol=1e-12)
    close(by_delay, differences.gradient(of, [1.7], h=1e-5, one_by_one=True), rtol=1e-6)
    close([-by_times.sum(), by_spikes[:4].sum()], [by_delay[0]] * 2, rtol=1e-10)
    equal(by_spikes[4:], 0)
    close(jax.jvp(of, (at,), (jnp.ones(1),))[1], by_delay[0], rtol=1e-10)
    # From the right at a delay of 0.
    at_0 = differences.gradient(of, [0.0], rule=differences.RIGHT, h=1e-4, one_by_one=True)
    close(of_all(jnp.zeros(1), jnp.asarray(padded), jnp.asarray(TIMES))[0], at_0, rtol=1e-6)


def test_spikes_of_any_kind_and_far_from_0():
    """There a known delay costs no digits."""
    expected = response(alpha, 2.0)
    for spikes in (jnp.asarray(SPIKES, "float32"), list(SPIKES)):
        close(response(alpha, 2, spikes=spikes), expected, rtol=2e-5, atol=1e-7)
    got = response(alpha, 0.5, spikes=jnp.array([2, 9, 4, 4]))
    close(got, response(alpha, 0, spikes=[2.5, 9.5, 4.5, 4.5]), rtol=1e-6)
    far, near = 1e9, response(ampa, 0.3)
    close(response(ampa, 0.3, TIMES + far, SPIKES + far), near, rtol=1e-4, atol=1e-6)
    # Closed over, it is known under jit too.
    under_jit = jax.jit(lambda beta: respond(ampa, ampa.Params(beta=beta), SPIKES + far, TIMES + far, delay=0.3))
    close(under_jit(0.18), near, rtol=1e-4, atol=1e-6)


def test_what_arrives_has_to_come_after_the_state():
    late = {"state": alpha.State(0.0, 1.0), "t0": 10.0, "weights": [1.0]}
    got = respond(alpha, alpha.Params(), [9.0], [12.0], delay=2.0, **late)
    close(got, respond(alpha, alpha.Params(), [11.0], [12.0], **late), rtol=1e-6)
    with pytest.raises(ValueError, match=r"^Argument `spike_times` must not come before t0 = 10\.0 ms.* has 9\.5\.$"):
        respond(alpha, alpha.Params(), [9.0], [12.0], delay=0.5, **late)


def test_delays_with_units():
    u = pytest.importorskip("saiunit")
    got = response(alpha, 0.0017 * u.second)
    assert got.unit == u.mS
    close(got.mantissa, response(alpha, 1.7), rtol=1e-5)
    with pytest.raises(TypeError, match=r"^Argument `delay` must be in ms, but is in mV\.$"):
        response(alpha, 1 * u.mV)
    train, later = np.arange(6) == 1, np.arange(6) == 3
    equal(delayed(train, 0.2 * u.ms, 1e-4 * u.second), later)
    moved = delayed(train * 2.0 * u.nS, 200 * u.us, DT)
    assert moved.unit == u.mS
    close(moved.mantissa, 2e-6 * later, rtol=1e-6)
    with pytest.raises(TypeError, match=r"^Argument `delay` must be in ms, but is in mS\.$"):
        delayed(train, 1 * u.mS, DT)


# On a grid


@pytest.mark.parametrize(
    ("shape", "steps", "kind"),
    [
        *(((), 3, "bool"), ((4,), 0, "float32"), ((4,), 7, "int32"), ((4,), [0, 1, 5, 30], "bool")),
        *(((2, 4), [0, 1, 5, 12], "float32"), ((2, 4), [[3], [0]], "int32")),
    ],
    ids=str,
)
def test_rows_are_moved(shape, steps, kind):
    spikes = (np.random.default_rng(1).normal(size=(12, *shape)) * 5).astype(kind)
    delay, expected = np.asarray(steps) * DT, np.zeros_like(spikes)
    for at in np.ndindex(shape):
        n = np.broadcast_to(steps, shape)[at]
        expected[(slice(n, None), *at)] = spikes[(slice(None, max(12 - n, 0)), *at)]
    traced, closed_over = jax.jit(lambda spikes, d: (delayed(spikes, d, DT), delayed(spikes, delay, DT)))(spikes, delay)
    for got in (delayed(spikes, delay, DT), closed_over):
        assert got.dtype == kind
        equal(got, expected)
    assert jnp.issubdtype(traced.dtype, jnp.floating)  # so that a delay that is none can be NaN
    equal(traced, expected)


def test_what_is_whole_and_what_is_rounded_and_said():
    """No multiple of 0.1 is one in binary numbers: neither a warning, nor a step too few."""

    def moved(delay, run=delayed):
        delay = np.asarray(delay)
        spikes = np.broadcast_to(np.arange(3001)[:, None] == 0, (3001, delay.size))
        return np.argmax(run(spikes, delay, DT), axis=0)

    steps = np.arange(3000)
    for dtype in ("float32", "float64"):
        for run in (delayed, jax.jit(delayed)):
            equal(moved((steps * DT).astype(dtype), run), steps)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        equal(moved([0.2, 0.26, 0.41]), [2, 3, 4])
    assert [str(w.message) for w in said] == ["Argument `delay` is rounded to whole steps of 0.1 ms, by up to 0.04 ms."]
    assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for run in (delayed, jax.jit(delayed)):  # half a step rounds up, whatever side of it the nearest number is
            equal(moved([0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75], run), np.arange(1, 9))


def test_delays_past_the_end_no_rows_and_what_is_none():
    run = jax.jit(delayed)
    got = run(np.ones((4, 6), bool), np.array([0.1, 0.4, 1e30, -0.1, np.nan, np.inf]), DT)
    equal(np.isnan(got).all(axis=0), [False, False, False, True, True, True])
    equal(got[:, :3], [[0, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]])
    assert np.isnan(run(np.ones((4, 6), bool), np.full(6, 0.1), -DT)).all()
    assert not delayed(np.ones((5, 2)), [0.5, 1e30], DT).any()
    assert delayed(np.ones((0, 2)), 0.3, DT).shape == (0, 2)


def test_derivatives_on_a_grid():
    """Of the weights they move with them; of the delay there is none."""
    weights = jnp.asarray(np.random.default_rng(2).normal(size=(6, 2)))
    f = lambda w, d: (delayed(w, d, DT) * jnp.arange(6.0)[:, None]).sum()  # noqa: E731
    of_weights, of_delay = jax.grad(f, argnums=(0, 1))(weights, jnp.array([0.2, 0.0]))
    equal(of_weights, np.array([[2, 3, 4, 5, 0, 0], [0, 1, 2, 3, 4, 5]]).T)
    equal(of_delay, 0)


# Fits


@pytest.mark.wide
def test_a_fit_holds_a_known_delay():
    """Several recordings share it; an onset comes on top."""
    times = np.arange(0.0, 60.0, 0.25)
    trace = np.asarray(respond(expon, expon.Params(tau=6.0), SPIKES, times, delay=3.3), float)
    trace = trace + 0.003 * np.random.default_rng(4).normal(size=len(times))

    def fit(trace=trace, **options):
        options = {"free": "tau", "progress": False, "starts": 2} | options
        return synkin.fit(expon, expon.Params(), SPIKES, times, trace, **options)

    held = fit(delay=3.3)
    close(held.params.tau, 6.0, rtol=0.02)
    assert held.delay == 3.3
    equal(held.spike_times, np.sort(SPIKES))
    close(held.predicted, respond(expon, held.params, held.spike_times, times, delay=3.3), atol=1e-6)
    assert "delay 3.3 held ms" in [" ".join(line.split()) for line in held.summary().splitlines()]
    assert held.r_squared > 0.99
    on_top = fit(delay=3.0, onset=True, starts=4)
    assert (on_top.delay, abs(on_top.onset - 0.3) < 0.125) == (3.0, True)
    pytest.importorskip("matplotlib")  # the picture has spikes where they act
    above, _ = synkin.plot.fit(held)
    ticks = next(c for c in above.collections if c.get_label() == "spikes")
    close([segment[0, 0] for segment in ticks.get_segments()], np.sort(SPIKES) + 3.3)
    u = pytest.importorskip("saiunit")
    both = fit(np.stack([trace, 2 * trace]), delay=0.0033 * u.second, scale=True)
    close([both.params.tau, *both.scale], [6.0, 1, 2], rtol=0.02)
    assert both.delay == pytest.approx(3.3)
