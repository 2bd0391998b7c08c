"""What holds for every train and every parameter, with examples drawn by Hypothesis.

All examples have one shape and are float32, so that each kernel and method is compiled once. Where only rounding is at
stake, a bound is said in units of it.
"""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import synkin

T, N = 40, 3
EPS = np.finfo(np.float32).eps
STEPS = (0.05, 0.1, 0.5, 1.0)
seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def crossed(*names):
    """Kernels and methods; "exact" of bionmda takes long to compile."""
    return pytest.mark.parametrize(
        ("kernel", "method"),
        [
            pytest.param(
                synkin.KERNELS[name], method, id=f"{name}-{method}",
                marks=pytest.mark.wide if (name, method) == ("bionmda", "exact") else (),
            )
            for name in names
            for method in ("exp_euler", "exact")
        ],
    )  # fmt: skip


receptors, linear = crossed("ampa", "bionmda"), crossed("alpha", "expon", "dual_expon")
every = crossed("ampa", "bionmda", "alpha", "expon", "dual_expon")


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

    def values(name):
        smallest = low if kernel.parameters[name].positive else 0.0
        special = st.lists(st.sampled_from([smallest, low, 1.0, high]), min_size=N, max_size=N)
        drawn = seeds.map(lambda rng: np.exp(rng.uniform(*np.log([low, high]), N)))
        return st.one_of(drawn, special).map(np.float32)

    return st.builds(kernel.Params, *(values(name) for name in kernel.Params._fields))


def cases(kernel, low=0.05, high=20.0, steps=STEPS):
    return st.tuples(parameters(kernel, low, high), trains(kernel.input.takes_weights), st.sampled_from(steps))


def extreme(kernel):
    """Rates from 0 to 1000 /ms, pulses to 1000 ms, steps to 10 ms."""
    return cases(kernel, 1e-3, 1e3, (0.01, 0.1, 1.0, 10.0))


def run(kernel, params, inputs, dt, method):
    final, gs = synkin.simulate(kernel, params, inputs, np.float32(dt), method=method, dtype="float32")
    return final, np.asarray(gs)


@receptors
def test_receptors_stay_between_closed_and_open(kernel, method):
    """And a spike more never lowers g: with "restart" a pulse is only ever prolonged."""

    @settings(max_examples=60)
    @given(extreme(kernel))
    def bounded(case):
        state, gs = run(kernel, *case, method)
        assert np.isfinite(gs).all()
        assert gs.min() >= 0
        assert gs.max() <= 1 + 2 * EPS
        assert all(np.isfinite(leaf).all() and (leaf >= 0).all() for leaf in state)

    @given(cases(kernel, high=5.0, steps=STEPS[:3]), trains(weighted=False))
    def more_opens_more(case, more):
        params, spikes, dt = case
        fewer, all_of_them = (run(kernel, params, given, dt, method)[1] for given in (spikes, spikes | more))
        assert (all_of_them >= fewer - 8 * EPS).all()

    bounded()
    more_opens_more()
    if kernel is synkin.bionmda:  # the hardest for the quadrature: x rises, decays and opens g within a step of 1 ms
        params = kernel.Params(
            alpha1=np.float32([4010, 1530, 521]),
            beta1=np.float32([0.127, 0.0762, 0.252]),
            alpha2=np.float32([58500, 401, 217000]),
            beta2=np.float32([154, 128, 79.5]),
            T=np.ones(N, np.float32),
            T_dur=np.float32([0.308, 0.533, 0.000261]),
        )
        _, gs = run(kernel, params, np.repeat(np.arange(T)[:, None] % 7 == 0, N, axis=1), 1.0, method)
        assert 0 <= gs.min() <= gs.max() <= 1 + 2 * EPS


@linear
def test_linear_kernels_superpose(kernel, method):
    """They stay below the sum of their inputs: a response's peak is 1 of expon, 1/e of alpha, else the amplitude."""

    @given(extreme(kernel))
    def bounded(case):
        params, inputs, _ = case
        state, gs = run(kernel, *case, method)
        assert all(np.isfinite(leaf).all() for leaf in state)
        # "exp_euler" of alpha overshoots where the step is long beside tau, but never the drive itself.
        peak = np.exp(-1) if (kernel.name, method) == ("alpha", "exact") else getattr(params, "amplitude", 1.0)
        assert (np.abs(gs) <= peak * np.abs(inputs).sum(axis=0) * (1 + 1e-4) + 1e-30).all()

    @given(cases(kernel), trains(weighted=True), st.floats(-3, 3, width=32))
    def superposed(case, more, factor):
        params, inputs, dt = case
        one, other, both = (
            run(kernel, params, x, dt, method)[1] for x in (inputs, more, inputs + np.float32(factor) * more)
        )
        size = np.abs(one).max() + abs(factor) * np.abs(other).max() + 1e-30
        np.testing.assert_allclose(both / size, (one + factor * other) / size, atol=20 * EPS, rtol=0)

    bounded()
    superposed()


@receptors
def test_without_transmitter_receptors_close(kernel, method):
    """From any open state: no faster and no slower than they unbind, and never back."""

    @given(cases(kernel), seeds)
    def property(case, rng):
        params, _, dt = case
        opened = np.float32(rng.random(N))
        state = kernel.init(params, (N,), dtype="float32")._replace(g=opened)
        final, gs = synkin.simulate(kernel, params, np.zeros((8, N), bool), np.float32(dt), state=state, method=method)
        assert (np.diff(gs, axis=0, prepend=opened[None]) <= 0).all()
        np.testing.assert_array_equal(final.pulse_left, 0)
        unbinding = params.beta if hasattr(params, "beta") else params.beta1
        expected = np.float64(opened) * np.exp(-np.float64(unbinding) * np.float32(dt) * 8)
        # A step is rounded as what it begins with: what it leaves may be far less.
        assert (np.abs(gs[-1] - expected) <= 1e-4 * expected + 8 * EPS * np.asarray(gs[-2]) + 1e-30).all()

    property()


@every
def test_synapses_do_not_see_each_other(kernel, method):
    """Any other order of the synapses gives the same traces in that order, and a change to one leaves the rest.

    And where nothing comes nothing happens.
    """

    @given(cases(kernel))
    def property(case):
        params, inputs, dt = case
        gs = run(kernel, *case, method)[1]
        order = [2, 0, 1]
        moved = run(kernel, jax.tree.map(lambda leaf: leaf[order], params), inputs[:, order], dt, method)[1]
        np.testing.assert_allclose(moved, gs[:, order], rtol=4 * EPS, atol=1e-30)
        changed = inputs.copy()
        changed[:, 0] = False
        alone = run(kernel, params, changed, dt, method)[1]
        np.testing.assert_array_equal(alone[:, 1:], gs[:, 1:])
        assert not alone[:, 0].any()

    property()
