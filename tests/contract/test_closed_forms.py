"""The kernels against solutions found without them: DOP853 on the differential equations, and closed forms.

"exact" is right to rounding wherever the spikes are on the grid; "exp_euler" is right to the order of its scheme.
Everything here is float64, and an error is the largest difference over the trace's largest value.
"""

import numpy as np
import pytest

import synkin
from synkin.kernels.dual_expon import peak
from tests.helpers import samples
from tests.helpers.solutions import SOLUTIONS, error, pulses, trace

pytestmark = pytest.mark.usefixtures("x64")

T, N = samples.STEPS, samples.SYNAPSES

# bionmda's g is a quadrature over each step: 6 nodes, so its error grows as a power of the step.
TOLERANCE = {0.1: 1e-12, 0.25: 1e-12, 1.0: 1e-12}
TOLERANCE_BIONMDA = {0.1: 1e-9, 0.25: 1e-9, 1.0: 1e-6}


def tolerance(name, dt):
    return (TOLERANCE_BIONMDA if name == "bionmda" else TOLERANCE)[dt]


def case(name, seed):
    """Parameters and inputs of N synapses: pulses that end between the grid's points, and overlap."""
    kernel, rng = synkin.KERNELS[name], np.random.default_rng(seed)
    params = samples.params(kernel, rng, (N,))
    if not kernel.input.takes_weights:
        params = params._replace(T_dur=np.array([0.037, 0.83, 3.21]) + 0.01 * rng.random(N))
    return kernel, params, samples.inputs(kernel, rng, (T, N), rate=0.15)


@pytest.mark.parametrize("dt", [0.1, 0.25, 1.0])
@pytest.mark.parametrize("name", SOLUTIONS)
def test_exact_solves_the_equations(name, dt):
    for seed in range(2):
        kernel, params, inputs = case(name, seed)
        _, gs = samples.simulate(kernel, params, inputs, dt, method="exact")
        assert error(gs, trace(name, params, inputs, dt)) < tolerance(name, dt)


@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_ignored_spikes_solve_the_equations(receptor, dt):
    """overlap="ignore": a spike during a pulse does nothing, one at its very end counts."""
    name = receptor.name
    _, params, spikes = case(name, 3)
    spikes = spikes | (np.arange(T)[:, None] % 7 < 3)
    # The first synapse's pulse is two steps: the third spike of each burst comes as it ends.
    params.T_dur[0] = 2 * dt
    assert len(pulses(spikes, params.T_dur, dt, "ignore")[0]) < spikes[:, 0].sum()
    _, gs = samples.simulate(receptor, params, spikes, dt, method="exact", overlap="ignore")
    assert error(gs, trace(name, params, spikes, dt, overlap="ignore")) < tolerance(name, dt)
    _, restarted = samples.simulate(receptor, params, spikes, dt, method="exact")
    assert error(restarted, gs) > 1e-3


@pytest.mark.parametrize("overlap", ["restart", "ignore"])
def test_exp_euler_is_exact_where_pulses_are_whole_steps(overlap):
    """For ampa its only approximation is the length of a pulse."""
    params = synkin.ampa.Params(T_dur=np.array([0.1, 0.5, 2.5]))
    spikes = samples.inputs(synkin.ampa, np.random.default_rng(4), (T, N), rate=0.2)
    _, gs = samples.simulate(synkin.ampa, params, spikes, 0.1, overlap=overlap)
    assert error(gs, trace("ampa", params, spikes, 0.1, overlap)) < 1e-12


def test_exp_euler_has_pulses_of_whole_steps():
    """A pulse of 0.12 ms at a step of 0.1 ms is one of 0.2 ms."""
    spikes = samples.inputs(synkin.ampa, np.random.default_rng(5), (T, N), rate=0.2)
    _, gs = samples.simulate(synkin.ampa, synkin.ampa.Params(T_dur=np.full(N, 0.12)), spikes, 0.1)
    longer = synkin.ampa.Params(T_dur=np.full(N, 0.2))
    assert error(gs, trace("ampa", longer, spikes, 0.1)) < 1e-12


@pytest.mark.parametrize("name", ["alpha", "bionmda"])
def test_exp_euler_converges_at_first_order(name):
    """Halving the step halves the error of the schemes that hold one variable still while another moves."""
    kernel, coarse, duration = synkin.KERNELS[name], 0.25, 16.0

    def run(dt, method):
        inputs = np.zeros((round(duration / dt), 1), bool)
        # At 0.5 and 4 ms: a linear kernel's input acts at the end of its step, so it is written a step earlier.
        for at in (0.5, 4.0):
            inputs[round(at / dt) - kernel.input.acts_at_end] = True
        _, gs = samples.simulate(kernel, kernel.Params(), inputs, dt, method=method)
        every = round(coarse / dt)
        return gs[every - 1 :: every]

    exact = run(coarse, "exact")  # right at any step, see above
    errors = [error(run(dt, "exp_euler"), exact) for dt in (coarse, coarse / 2, coarse / 4)]
    assert errors[0] > 1e-3
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 2, rtol=0.06)


@pytest.mark.parametrize("name", ["expon", "dual_expon"])
def test_the_methods_agree_where_both_are_exact(name):
    kernel, params, inputs = case(name, 6)
    _, one = samples.simulate(kernel, params, inputs, 1.0)
    _, other = samples.simulate(kernel, params, inputs, 1.0, method="exact")
    assert error(one, other) < 1e-14


# Closed forms, as sums over the spikes: there is no recurrence in them.


def summed(impulse, inputs, dt):
    """Response to every input separately, added up; an input acts at the end of its step."""
    times = np.arange(1, len(inputs) + 1) * dt
    elapsed = times[:, None] - times
    responses = np.where(elapsed[..., None] >= 0, impulse(np.maximum(elapsed, 0)[..., None]), 0)
    return np.einsum("ikn,kn->in", responses, inputs)


@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_linear_kernels_are_sums_of_impulse_responses(dt):
    _, params, inputs = case("expon", 7)
    _, gs = samples.simulate(synkin.expon, params, inputs, dt, method="exact")
    assert error(gs, summed(lambda s: np.exp(-s / params.tau), inputs, dt)) < 1e-12

    _, params, inputs = case("alpha", 8)
    _, gs = samples.simulate(synkin.alpha, params, inputs, dt, method="exact")
    assert error(gs, summed(lambda s: s / params.tau * np.exp(-s / params.tau), inputs, dt)) < 1e-12


@pytest.mark.parametrize("off", [0.0, 1e-12, 1e-6, -1e-3])
def test_dual_expon_at_equal_time_constants_is_the_alpha_shape(off):
    """tau_rise = tau_decay (1 + off): amplitude (s/tau) exp(1 - s/tau) but for terms of the size of ``off``."""
    tau = np.array([0.7, 3.0, 20.0])
    _, _, inputs = case("dual_expon", 9)
    params = synkin.dual_expon.Params(tau_decay=tau, tau_rise=tau * (1 + off), amplitude=np.array([1.0, 2.0, 0.5]))
    _, gs = samples.simulate(synkin.dual_expon, params, inputs, 0.5, method="exact")
    expected = summed(lambda s: params.amplitude * s / tau * np.exp(1 - s / tau), inputs, 0.5)
    assert error(gs, expected) < 1e-12 + 2 * abs(off)


def test_dual_expon_does_not_mind_which_time_constant_is_longer():
    """The normalised difference of two exponentials is the same with the two exchanged."""
    _, params, inputs = case("dual_expon", 10)
    swapped = params._replace(tau_decay=params.tau_rise, tau_rise=params.tau_decay)
    _, gs = samples.simulate(synkin.dual_expon, params, inputs, 0.5, method="exact")
    _, same = samples.simulate(synkin.dual_expon, swapped, inputs, 0.5, method="exact")
    assert error(same, gs) < 1e-12


@pytest.mark.parametrize(("rise", "decay"), [(0.1, 10.0), (0.5, 2.0), (3.0, 3.0 + 1e-9), (3.0, 3.0), (30.0, 0.1)])
def test_dual_expon_peaks_at_its_amplitude(rise, decay):
    params = synkin.dual_expon.Params(*(np.asarray(value) for value in (decay, rise, 1.0)))
    fast, slow = sorted((rise, decay))
    s = np.linspace(0, 5 * slow, 200_001)
    # w after a unit input: the convolution of the two exponentials, whichever is which.
    rate = 1 / fast - 1 / slow
    w = np.exp(-s / slow) * (s if rate < 1e-7 else -np.expm1(-rate * s) / rate)
    np.testing.assert_allclose(peak(params), w.max(), rtol=1e-7)


def test_one_pulse_in_closed_form():
    """ampa: rises to alpha T / (alpha T + beta) with rate alpha T + beta, then decays with beta."""
    params = synkin.ampa.Params(alpha=1.3, beta=0.21, T=0.8, T_dur=1.37)
    _, gs = samples.simulate(synkin.ampa, params, np.arange(T) == 0, 0.1, method="exact")
    s = np.arange(1, T + 1) * 0.1
    binding = params.alpha * params.T
    rising = binding / (binding + params.beta) * -np.expm1(-(binding + params.beta) * np.minimum(s, params.T_dur))
    expected = rising * np.exp(-params.beta * np.maximum(s - params.T_dur, 0))
    assert error(gs, expected) < 1e-14
