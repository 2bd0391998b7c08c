"""Objects whose parameters vary from step to step, and receptors with short-term plasticity."""

import jax
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import synkin
from synkin import ampa, environ
from tests.contract.table import three_states

DT = 0.125
close = np.testing.assert_allclose


@pytest.fixture(autouse=True)
def dt():
    environ.set(dt=DT)


@pytest.mark.wide
def test_a_voltage_is_held_over_its_step():
    """As by the stepper; a step without it takes the object's own, and runs are updates row by row."""
    rng, size = np.random.default_rng(0), (2, 3)
    spikes, V = rng.random((12, *size)) < 0.2, rng.uniform(-80, 20, (12, 3))  # one voltage for both of a batch
    params = three_states.Params(V=-20.0)
    synapse, ran = (synkin.Synapse(three_states, 3, V=-20.0) for _ in range(2))
    for each in (synapse, ran):
        each.init_state(2)
    moved, held = jax.jit(lambda: [synkin.stepper(three_states, params, DT, varying=v) for v in (("V",), ())])()
    begin = jax.jit(lambda stepper, state: stepper.init(state=state))
    carry, expected = begin(moved, synapse.state), []
    for row, (spike, v) in enumerate(zip(spikes, V, strict=True)):
        if row in (4, 8):  # a pulse is under way
            state = moved.state(carry) if row == 4 else held.state(carry)
            carry = begin(held if row == 4 else moved, state)
        free = row not in range(4, 8)
        carry, g = moved.step(carry, spike, V=v) if free else held.step(carry, spike)
        close(synapse.update(spike, V=v) if free else synapse(spike), g, rtol=1e-6)
        expected.append(g)
    assert np.ptp(synapse.state.pulse_left) > 0
    parts = [ran.run(spikes[:4], V=V[:4, None]), ran.run(spikes[4:8]), ran.run(spikes[8:], V=V[8:, None])]
    close(np.concatenate(parts), expected, rtol=1e-5)
    assert float(synapse.V) == -20.0


def test_what_varies_between_closed_forms(x64):
    """A concentration, a rate, both; then the object's own rates. In each step g goes to its limit at its rate."""
    synapse, g = synkin.AMPA(2, g_initializer=[0.1, 0.6]), np.array([0.1, 0.6])
    rows = [{"T": 0.3}, {"T": [0.0, 1.0], "beta": 0.5}, {"beta": 2.0, "T": 0.2}, {"beta": [0.1, 0.9]}, {}, {"T": 0.0}]
    for row in rows:
        got = synapse.update(None if "T" in row else np.zeros(2, bool), **row)
        opens, closes = 0.98 * np.asarray(row.get("T", 0.0)), np.asarray(row.get("beta", 0.18))
        limit = opens / (opens + closes)
        g = limit + (g - limit) * np.exp(-(opens + closes) * DT)
        close(got, g, rtol=1e-12)
    assert (synapse.spike_arrival_time.value < 0).all()
    alpha, plain = synkin.Alpha(2, method="exact"), synkin.Alpha(2, tau=3, method="exact")
    for each, values in ((alpha, {"tau": 3}), (plain, {})):
        each.update(np.ones(2), **values)
        each.update(**values)
    close(alpha.state, plain.state, rtol=1e-14)


def test_values_with_units():
    u = pytest.importorskip("saiunit")
    synapse, plain = synkin.Synapse(three_states, 2), synkin.Synapse(three_states, 2)
    got = synapse.update([True, False], V=np.array([-0.03, 0.02]) * u.volt)
    expected = plain.update([True, False], V=np.array([-30, 20]))
    assert got.unit == u.mS
    close(got.mantissa, expected, rtol=1e-6)
    close(
        synapse.run(np.zeros((3, 2)), V=np.full(3, -0.01) * u.volt).mantissa,
        plain.run(np.zeros((3, 2)), V=[-10] * 3),
        rtol=1e-6,
    )


def released(spikes, release, params, ends):
    """g at the end of each step: the transmitter of the latest pulse is what its spike released, times T."""
    u, x, g, left, height, now, found = 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, []
    for spike, end in zip(spikes, ends, strict=True):
        if spike:
            u += release.U * (1 - u)
            height, left = u * x, params.T_dur
            x -= height
        for ms, T in ((min(left, end - now), height * params.T), (end - now - min(left, end - now), 0.0)):
            if ms > 0:
                field = [lambda t, y, T=T: [-y[0] / release.tau_fac, (1 - y[1]) / release.tau_rec,
                                            params.alpha * T * (1 - y[2]) - params.beta * y[2]]][0]  # fmt: skip
                u, x, g = solve_ivp(field, (0, ms), [u, x, g], method="DOP853", rtol=1e-12, atol=1e-14).y[:, -1]
        left, now = max(left - (end - now), 0.0), end
        found.append(g)
    return np.array(found)


def test_what_a_receptor_s_spike_releases_is_the_height_of_its_pulse(x64):
    """Pulses replace one another. Neither another dt, nor a variable that is set, nor a voltage changes a height."""
    release, params = synkin.tsodyks_markram.Params(0.4, 30.0, 12.0), ampa.Params(T_dur=0.6, T=2.0)
    steps = np.where(np.arange(30) < 12, DT, 0.1)
    spikes = np.isin(np.arange(30), [0, 3, 11, 14, 24, 26])
    expected = released(spikes, release, params, np.cumsum(steps))
    synapse = synkin.AMPA(2, T_dur=0.6, T=2.0, method="exact", release=release)
    for row, (spike, step) in enumerate(zip(spikes, steps, strict=True)):
        if row == 25:  # within a pulse
            synapse.g.value = synapse.g.value
        with environ.context(dt=step):
            values = {"beta": 0.18} if row in (15, 16, 27) else {}
            close(synapse.update(spike, **values), expected[row], rtol=1e-9)
    at_once = synkin.AMPA(2, T_dur=0.6, T=2.0, method="exact", release=release)
    parts = (slice(0, 12), slice(12, 25), slice(25, 30))
    ran = [at_once.run(spikes[part][:, None] & np.ones(2, bool), steps[part][0]) for part in parts]
    close(np.concatenate(ran)[:, 1], expected, rtol=1e-9)
    close(at_once.release_state, synapse.release_state, rtol=1e-12)
    synapse.reset_state()
    environ.set(dt=steps[0])
    close(synapse.update(True), expected[0], rtol=1e-9)
