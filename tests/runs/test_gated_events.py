"""`synkin.respond` of kernels with a gate, which goes from sample to sample."""

from typing import Annotated, NamedTuple

import jax
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import synkin

SPIKES = np.array([2.0, 2.0, 3.0, 40.0, np.inf, np.inf])
# In no order, twice, at a spike, at the end of a pulse (2.5), before all, and far apart.
TIMES = np.array([2.5, 41.7, 2.0, 0.0, 3.0, 90.0, 2.5, 2.1, 3.4, 3.6, 300.0, 41.7, 39.9])


class GateParams(NamedTuple):
    tau: Annotated[float, "time constant of x", "ms"] = 5.0
    a: Annotated[float, "opening", "1/ms"] = 0.2
    b: Annotated[float, "closing", "1/ms"] = 0.1


class GateState(NamedTuple):
    x: jax.Array
    g: jax.Array


EXACT = {"rtol": 1e-12, "atol": 1e-14}


def _gate(p, y):
    return {"x": -y.x / p.tau, "g": p.a * y.x * (1 - y.g) - p.b * y.g}


def all_at_once(kernel, params, spikes=SPIKES, times=TIMES, **given):
    return synkin.respond(kernel, params, spikes, times, **given)


def one_by_one(kernel, params, **given):
    """Each sample alone: from the latest spike before it."""
    return jax.vmap(lambda t: all_at_once(kernel, params, times=t[None], **given)[0])(TIMES)


KERNELS = {"bionmda": synkin.bionmda, "wang_nmda": synkin.wang_nmda, "a sum": synkin.ampa + synkin.bionmda}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.wide) for name in KERNELS])
def test_samples_do_not_depend_on_each_other(x64, name):
    kernel = KERNELS[name]
    params = kernel.Params()
    given = {"weights": np.linspace(0.5, 2.0, len(SPIKES))} if kernel is synkin.wang_nmda else {}
    alone = one_by_one(kernel, params, **given)
    assert np.ptp(alone) > 0.01
    np.testing.assert_allclose(all_at_once(kernel, params, **given), alone, rtol=0, atol=1e-13)
    # The order is found by NumPy or, of traced times, by JAX.
    traced = jax.jit(lambda spikes, times: all_at_once(kernel, params, spikes, times, **given))(SPIKES, TIMES)
    np.testing.assert_allclose(traced, alone, rtol=0, atol=1e-13)


@pytest.mark.wide
@pytest.mark.parametrize("name", KERNELS)
def test_nor_do_their_derivatives(x64, name):
    kernel = KERNELS[name]
    given = {"weights": np.linspace(0.5, 2.0, len(SPIKES))} if kernel is synkin.wang_nmda else {}
    slopes, expected = (
        jax.jacfwd(lambda p, f=f: f(kernel, p, **given))(kernel.Params()) for f in (all_at_once, one_by_one)
    )
    for own, other in zip(slopes, expected, strict=True):
        np.testing.assert_allclose(own, other, rtol=0, atol=1e-11)


def test_spikes_may_add_to_the_gate_itself(x64):
    """Between them it is solved by DOP853."""
    kernel = synkin.receptor(_gate, GateParams, GateState, input="g")
    p, state, weights = kernel.Params(), kernel.State(x=np.float64(0.8), g=np.float64(0.1)), [0.1, 0.2]
    spikes, times = np.array([2.05, 7.0]), np.array([9.5, 1.0, 2.05, 6.9, 7.0, 3.3])

    y, now, expected, added = np.array([0.8, 0.1]), 0.0, {}, dict(zip(spikes, weights, strict=True))
    for t in sorted({*spikes, *times}):
        y = solve_ivp(lambda t, y: list(_gate(p, GateState(*y)).values()), (now, t), y, "DOP853", **EXACT).y[:, -1]
        y[1] += added.get(t, 0.0)
        now, expected[t] = t, y[1]
    g = all_at_once(kernel, p, spikes, times, weights=weights, state=state)
    np.testing.assert_allclose(g, [expected[t] for t in times], rtol=0, atol=1e-10)


def test_a_time_that_is_nan_makes_its_own_sample_nan():
    kernel, times = synkin.bionmda, np.array([1.0, np.nan, 5.0, 50.0])
    g = jax.jit(lambda times: all_at_once(kernel, kernel.Params(), times=times))(times)
    np.testing.assert_array_equal(np.isnan(g), np.isnan(times))


@pytest.mark.parametrize("spikes", [[], [1.0]])
@pytest.mark.parametrize("times", [[], [3.0]])
def test_no_spikes_and_no_samples(spikes, times):
    g = all_at_once(synkin.bionmda, synkin.bionmda.Params(), spikes, times)
    assert g.shape == (len(times),)
    assert (g > 0).all() == bool(spikes or not times)


def test_long_recordings_in_single_precision():
    """Rounding errors of many samples do not add up."""
    kernel, times = synkin.bionmda, np.arange(0.0, 200.0, 0.01)
    g = all_at_once(kernel, kernel.Params(), times=times)
    few = slice(None, None, 999)
    alone = np.array([all_at_once(kernel, kernel.Params(), times=[t])[0] for t in times[few]])
    np.testing.assert_allclose(g[few], alone, rtol=0, atol=1e-6 * alone.max())
