"""What holds for every train and every parameter, with examples drawn by Hypothesis.

All examples have one shape, so that each kernel and method is compiled once. Where only rounding is at stake, a bound
is said in units of it.
"""

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import synkin
from tests.helpers import samples
from tests.helpers.kernels import LINEAR, RECEPTORS

T, N = samples.STEPS, samples.SYNAPSES
EPS = np.finfo(np.float32).eps

# pytest's fixtures here are constants, which every example may share.
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

# A kernel and method; those of bionmda take long to compile with "exact".
CASES = [
    pytest.param(kernel, method, marks=pytest.mark.wide if (name, method) == ("bionmda", "exact") else ())
    for name, kernel in synkin.KERNELS.items()
    if name != "gabaa"  # the equations of ampa
    for method in ("exp_euler", "exact")
]


def cases_of(names):
    chosen = [case for case in CASES if case.values[0].name in names]
    ids = [f"{case.values[0].name}-{case.values[1]}" for case in chosen]
    return pytest.mark.parametrize(("kernel", "method"), chosen, ids=ids)


every = cases_of(set(synkin.KERNELS))
receptors = cases_of(set(RECEPTORS))
linear = cases_of(set(LINEAR))
seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def trains(weighted):
    """(T, N) arrays of spikes, sparse to crowded, or of weights between -2 and 2 mS."""
    rates = st.sampled_from([0.0, 0.02, 0.2, 0.8, 1.0])
    if weighted:
        return st.builds(
            lambda rng, rate: np.float32((rng.random((T, N)) < rate) * rng.uniform(-2, 2, (T, N))), seeds, rates
        )
    by_hand = st.lists(st.booleans(), min_size=T * N, max_size=T * N).map(lambda flat: np.reshape(flat, (T, N)))
    return st.one_of(st.builds(lambda rng, rate: rng.random((T, N)) < rate, seeds, rates), by_hand)


def parameters(kernel, low, high):
    """Parameters per synapse, each from ``low`` to ``high`` on a log scale, or 0 where that is allowed."""
    span = np.log([low, high])

    def values(name):
        smallest = low if kernel.parameters[name].positive else 0.0
        special = st.lists(st.sampled_from([smallest, low, 1.0, high]), min_size=N, max_size=N)
        return st.one_of(seeds.map(lambda rng: np.exp(rng.uniform(*span, N))), special).map(np.float32)

    return st.builds(kernel.Params, *(values(name) for name in kernel.Params._fields))


def cases(kernel, low=0.05, high=20.0, steps=(0.05, 0.1, 0.5, 1.0)):
    """Parameters, inputs and dt."""
    return st.tuples(parameters(kernel, low, high), trains(kernel.input.takes_weights), st.sampled_from(steps))


def run(kernel, params, inputs, dt, method, **options):
    """In float32, by the one compiled function of this kernel, method and shape."""
    options = options or {"dtype": "float32"}
    final, gs = samples.simulate(kernel, params, inputs, dt, method=kernel.solved_by(method), **options)
    return final, np.asarray(gs)


def extreme(kernel):
    """Rates from 0 to 1000 /ms, pulses to 1000 ms, steps to 10 ms."""
    return cases(kernel, 1e-3, 1e3, (0.01, 0.1, 1.0, 10.0))


@receptors
def test_receptors_stay_between_closed_and_open(kernel, method):
    @settings(shared, max_examples=60)
    @given(extreme(kernel))
    def property(case):
        state, gs = run(kernel, *case, method)
        assert np.isfinite(gs).all()
        assert gs.min() >= 0
        assert gs.max() <= 1 + 2 * EPS
        assert all(np.isfinite(leaf).all() and (leaf >= 0).all() for leaf in state)

    property()


@pytest.mark.parametrize("method", ["exp_euler", pytest.param("exact", marks=pytest.mark.wide)])
def test_steps_far_longer_than_the_time_constants_keep_bionmda_in_its_bounds(method):
    """The hardest case for the quadrature of "exact": x rises and decays, and opens g, all within a step of 1 ms."""
    params = synkin.bionmda.Params(
        alpha1=np.float32([4010, 1530, 521]),
        beta1=np.float32([0.127, 0.0762, 0.252]),
        alpha2=np.float32([58500, 401, 217000]),
        beta2=np.float32([154, 128, 79.5]),
        T=np.ones(N, np.float32),
        T_dur=np.float32([0.308, 0.533, 0.000261]),
    )
    spikes = np.zeros((T, N), bool)
    spikes[::7] = True
    _, gs = run(synkin.bionmda, params, spikes, 1.0, method)
    assert gs.min() >= 0
    assert gs.max() <= 1 + 2 * EPS


def test_kernels_stay_below_the_sum_of_their_inputs(kernel, method):
    """An impulse response is at most its peak: 1 for expon, 1/e for alpha, amplitude for dual_expon."""
    peaks = {"expon": lambda p: 1.0, "alpha": lambda p: np.exp(-1), "dual_expon": lambda p: p.amplitude}

    @shared
    @given(extreme(kernel))
    def property(case):
        params, inputs, _ = case
        state, gs = run(kernel, *case, method)
        assert all(np.isfinite(leaf).all() for leaf in state)
        bound = peaks[kernel.name](params) * np.abs(inputs).sum(axis=0)
        # "exp_euler" of alpha overshoots where the step is long beside tau, but never the drive itself.
        if method == "exp_euler" and kernel.name == "alpha":
            bound = np.abs(inputs).sum(axis=0)
        assert (np.abs(gs) <= bound * (1 + 1e-4) + 1e-30).all()

    property()


@receptors
def test_without_transmitter_receptors_close(kernel, method):
    """From any open state: no faster and no slower than they unbind, and never back."""

    @shared
    @given(cases(kernel), seeds)
    def property(case, rng):
        params, spikes, dt = case
        open_fraction = np.float32(rng.random(N))
        state = kernel.init(params, (N,), dtype="float32")._replace(g=open_fraction)
        final, gs = run(kernel, params, np.zeros_like(spikes[:8]), dt, method, state=state)
        assert (np.diff(gs, axis=0, prepend=open_fraction[None]) <= 0).all()
        np.testing.assert_array_equal(final.pulse_left, 0)
        unbinding = params.beta if hasattr(params, "beta") else params.beta1
        expected = np.float64(open_fraction) * np.exp(-np.float64(unbinding) * np.float32(dt) * 8)
        np.testing.assert_allclose(gs[-1], expected, rtol=1e-4, atol=1e-30)

    property()


@every
def test_at_rest_nothing_happens(kernel, method):
    @shared
    @given(parameters(kernel, 1e-3, 1e3))
    def property(params):
        silence = np.zeros((T, N), np.float32 if kernel.input.takes_weights else bool)
        state, gs = run(kernel, params, silence, 0.1, method)
        np.testing.assert_array_equal(gs, 0)
        for leaf in state:
            np.testing.assert_array_equal(leaf, 0)

    property()


def test_kernels_superpose(kernel, method):
    @shared
    @given(cases(kernel), trains(weighted=True), st.floats(-3, 3, width=32))
    def property(case, more, factor):
        params, inputs, dt = case
        one = run(kernel, params, inputs, dt, method)[1]
        other = run(kernel, params, more, dt, method)[1]
        both = run(kernel, params, inputs + np.float32(factor) * more, dt, method)[1]
        size = np.abs(one).max() + abs(factor) * np.abs(other).max() + 1e-30
        np.testing.assert_allclose(both / size, (one + factor * other) / size, atol=20 * EPS, rtol=0)

    property()


@every
def test_synapses_do_not_see_each_other(kernel, method):
    """Any other order of the synapses gives the same traces in that order, and a change to one leaves the rest."""

    @shared
    @given(cases(kernel))
    def property(case):
        params, inputs, dt = case
        gs = run(kernel, *case, method)[1]
        order = [2, 0, 1]
        moved = run(kernel, jax.tree.map(lambda leaf: leaf[order], params), inputs[:, order], dt, method)[1]
        np.testing.assert_allclose(moved, gs[:, order], rtol=4 * EPS, atol=1e-30)
        changed = inputs.copy()
        changed[:, 0] = False
        np.testing.assert_array_equal(run(kernel, params, changed, dt, method)[1][:, 1:], gs[:, 1:])

    property()


@receptors
def test_more_transmitter_opens_more(kernel, method):
    """A spike more never lowers g: with "restart" a pulse is only ever prolonged."""

    @shared
    @given(cases(kernel, high=5.0, steps=(0.05, 0.1, 0.5)), trains(weighted=False))
    def property(case, more):
        params, spikes, dt = case
        fewer = run(kernel, *case, method)[1]
        all_of_them = run(kernel, params, spikes | more, dt, method)[1]
        assert (all_of_them >= fewer - 8 * EPS).all()

    property()
