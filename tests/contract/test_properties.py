"""What holds for every train and every parameter: of some hundred draws of both at once, in float32.

Where only rounding is at stake, a bound is said in units of it.
"""

import jax
import numpy as np
import pytest

import synkin
from tests.contract.table import wide

T, N = 40, 400
EPS = np.finfo(np.float32).eps
STEPS = (0.05, 0.1, 0.5, 1.0)
CASES = [(name, way) for name in ("ampa", "bionmda", "alpha", "expon", "dual_expon") for way in ("exp_euler", "exact")]
QUICK = [case for case in CASES if case != ("bionmda", "exact")]  # which takes long to compile


def crossed(names):
    """Kernels and methods."""
    return pytest.mark.parametrize(("name", "method"), wide([case for case in CASES if case[0] in names], QUICK))


receptors, linear = crossed(("ampa", "bionmda")), crossed(("alpha", "expon", "dual_expon"))


def trains(rng, weighted):
    """(T, N) arrays of spikes, sparse to crowded, or of weights between -2 and 2 mS."""
    spikes = rng.random((T, N)) < rng.choice([0.0, 0.02, 0.2, 0.8, 1.0], N)
    return np.float32(spikes * rng.uniform(-2, 2, (T, N))) if weighted else spikes


def draws(name, low=0.05, high=20.0, steps=STEPS, seed=0):
    """Parameters from ``low`` to ``high`` on a log scale, its ends, 1, or 0 where that is allowed; trains, dt, rng."""
    kernel, rng = synkin.KERNELS[name], np.random.default_rng(seed)
    for dt in steps:
        params = {}
        for field, parameter in kernel.parameters.items():
            special = rng.choice([low if parameter.positive else 0.0, low, 1.0, high], N)
            drawn = np.exp(rng.uniform(*np.log([low, high]), N))
            params[field] = np.float32(np.where(rng.random(N) < 0.4, special, drawn))
        yield kernel.Params(**params), trains(rng, kernel.input.takes_weights), np.float32(dt), rng


def extreme(name):
    """Rates from 0 to 1000 /ms, pulses to 1000 ms, steps to 10 ms."""
    return draws(name, 1e-3, 1e3, (0.01, 0.1, 1.0, 10.0), seed=1)


def run(name, method, params, inputs, dt):
    final, gs = synkin.simulate(synkin.KERNELS[name], params, inputs, dt, method=method, dtype="float32")
    return final, np.asarray(gs)


# The hardest for the quadrature: x rises, decays and opens g within a step of 1 ms.
HARDEST = {
    "alpha1": [4010, 1530, 521], "beta1": [0.127, 0.0762, 0.252], "alpha2": [58500, 401, 217000],
    "beta2": [154, 128, 79.5], "T": [1, 1, 1], "T_dur": [0.308, 0.533, 0.000261],
}  # fmt: skip


@receptors
def test_receptors_stay_between_closed_and_open(name, method):
    """And a spike more never lowers g: with "restart" a pulse is only ever prolonged."""
    for params, spikes, dt, _ in extreme(name):
        if name == "bionmda" and dt == 1:
            hardest = {field: np.resize(np.float32(values), N) for field, values in HARDEST.items()}
            params, spikes = params._replace(**hardest), np.repeat(np.arange(T)[:, None] % 7 == 0, N, axis=1)
        state, gs = run(name, method, params, spikes, dt)
        assert 0 <= gs.min() <= gs.max() <= 1 + 2 * EPS
        assert all(np.isfinite(leaf).all() and (leaf >= 0).all() for leaf in state)
    for params, spikes, dt, rng in draws(name, high=5.0, steps=STEPS[:3]):
        fewer, more = (run(name, method, params, x, dt)[1] for x in (spikes, spikes | trains(rng, False)))
        assert (more >= fewer - 8 * EPS).all()


@linear
def test_linear_kernels_superpose(name, method):
    """They stay below the sum of their inputs: a response's peak is 1 of expon, 1/e of alpha, else the amplitude."""
    for params, inputs, dt, _ in extreme(name):
        state, gs = run(name, method, params, inputs, dt)
        assert all(np.isfinite(leaf).all() for leaf in state)
        # "exp_euler" of alpha overshoots where the step is long beside tau, but never the drive itself.
        peak = np.exp(-1) if (name, method) == ("alpha", "exact") else getattr(params, "amplitude", 1.0)
        assert (np.abs(gs) <= peak * np.abs(inputs).sum(axis=0) * (1 + 1e-4) + 1e-30).all()
    for params, inputs, dt, rng in draws(name):
        more, factor = trains(rng, True), np.float32(rng.uniform(-3, 3, N))
        one, other, both = (run(name, method, params, x, dt)[1] for x in (inputs, more, inputs + factor * more))
        size = np.abs(one).max(axis=0) + np.abs(factor) * np.abs(other).max(axis=0) + 1e-30
        np.testing.assert_allclose(both / size, (one + factor * other) / size, atol=40 * EPS, rtol=0)


@receptors
def test_without_transmitter_receptors_close(name, method):
    """From any open state: no faster and no slower than they unbind, and never back."""
    kernel = synkin.KERNELS[name]
    for params, spikes, dt, rng in draws(name):
        opened = np.float32(rng.random(N))
        state = kernel.init(params, (N,), dtype="float32")._replace(g=opened)
        final, gs = synkin.simulate(kernel, params, np.zeros_like(spikes), dt, state=state, method=method)
        assert (np.diff(gs, axis=0, prepend=opened[None]) <= 0).all()
        assert not final.pulse_left.any()
        unbinding = np.float64(params.beta if name == "ampa" else params.beta1)
        expected = np.float64(opened) * np.exp(-unbinding * dt * 8)
        # A step is rounded as what it begins with: what it leaves may be far less.
        assert (np.abs(gs[7] - expected) <= 1e-4 * expected + 8 * EPS * np.asarray(gs[6]) + 1e-30).all()


@pytest.mark.parametrize(("name", "method"), wide(CASES, QUICK))
def test_synapses_do_not_see_each_other(name, method):
    """Any other order of the synapses gives the same traces in that order, and a change to one leaves the rest.

    And where nothing comes nothing happens.
    """
    for params, inputs, dt, rng in draws(name):
        order, others = rng.permutation(N), np.arange(N) % 3 > 0
        gs = run(name, method, params, inputs, dt)[1]
        moved = run(name, method, jax.tree.map(lambda leaf, o=order: leaf[o], params), inputs[:, order], dt)[1]
        np.testing.assert_allclose(moved, gs[:, order], rtol=4 * EPS, atol=1e-30)
        alone = run(name, method, params, inputs * others.astype(inputs.dtype), dt)[1]
        np.testing.assert_array_equal(alone, gs * others)
