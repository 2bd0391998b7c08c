"""The NMDA receptor of network theory against an ODE solver, on the grid and off it; derivatives the contract holds."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import synkin
from synkin import wang_nmda

close = np.testing.assert_allclose


def solved(params, spike_times, weights, times):
    """g at ``times``, by DOP853 from spike to spike."""
    cuts = [*spike_times, times[-1]]
    y, g = np.zeros(2), np.zeros(len(times))

    def slopes(t, y):
        return [-y[0] / params.tau_x, params.alpha * y[0] * (1 - y[1]) - y[1] / params.tau_s]

    for start, end, weight in zip(cuts, cuts[1:], weights, strict=False):
        y = y + np.array([weight, 0.0])
        within = (times >= start) & ((times < end) | (times == times[-1]))
        found = solve_ivp(
            slopes,
            (start, end),
            y,
            "DOP853",
            t_eval=np.append(times[within & (times < end)], end),
            rtol=1e-13,
            atol=1e-16,
        )
        g[within] = found.y[1][: within.sum()]
        y = found.y[:, -1]
    return g


@pytest.mark.wide
@pytest.mark.parametrize("scale", [1.0, 30.0])  # x up to 2 and to 50
def test_off_the_grid(scale, x64):
    params = wang_nmda.Params()
    at, weights = np.array([0.37, 1.91, 2.6, 9.03]), scale * np.array([1.0, 0.2, 1.0, 0.5])
    times = np.array([1.0, 2.5, 9.5, 40.0])
    right = solved(params, at, weights, times)
    close(synkin.respond(wang_nmda, params, at, times, weights=weights), right, rtol=0, atol=1e-9)
    single = synkin.respond(wang_nmda, params, at, times, weights=weights, dtype="float32")
    close(single, right, rtol=0, atol=1e-6)


def test_on_the_grid(x64):
    """Far beyond the table of small x."""
    params, rng, dt = wang_nmda.Params(), np.random.default_rng(0), 0.1
    weights = np.where(rng.random((60, 1)) < 0.1, rng.random((60, 1)) * 50.0, 0.0)
    y, right = np.zeros(2), []

    def slopes(t, y):
        return [-y[0] / params.tau_x, params.alpha * y[0] * (1 - y[1]) - y[1] / params.tau_s]

    for row in weights:
        y = solve_ivp(slopes, (0, dt), y, method="DOP853", rtol=1e-12, atol=1e-14).y[:, -1] + [row[0], 0]
        right.append(y[1])
    _, g = synkin.simulate(wang_nmda, params, weights, dt, method="exact")
    close(g[:, 0], right, rtol=0, atol=1e-9)


def test_as_an_object(x64):
    # An input is added at the end of its step.
    weights = np.zeros((40, 1))
    weights[[2, 9, 10, 30], 0] = 1.0, 3.0, 0.5, 2.0
    ends = np.arange(1, 41) * 0.1
    rows = np.flatnonzero(weights)
    synapse = synkin.Synapse(wang_nmda, 1, method="exact")
    with synkin.environ.context(dt=0.1):
        synapse.init_state()
        g = [float(synapse.update(jnp.asarray(row))[0]) for row in weights]
    right = solved(wang_nmda.Params(), ends[rows], weights[rows, 0], np.append(ends, 4.1))[:-1]
    close(g, right, rtol=0, atol=1e-9)
