"""The order to which "exp_euler" is right, and dual_expon where its formula likes to divide by 0. All float64."""

import numpy as np
import pytest

import synkin
from tests.contract.table import STEPS, point, train
from tests.helpers.solutions import error, trace

pytestmark = pytest.mark.usefixtures("x64")


def run(name, params, inputs, dt, method="exact", **options):
    return synkin.simulate(synkin.KERNELS[name], params, inputs, dt, method=method, dtype=float, **options)[1]


@pytest.mark.parametrize("overlap", ["restart", "ignore"])
def test_exp_euler_is_exact_where_pulses_are_whole_steps(overlap):
    """For ampa its only approximation is the length of a pulse: one of 0.12 ms at a step of 0.1 ms is one of 0.2."""
    spikes = train("ampa", (STEPS, 3), seed=4)
    for given, lasts in (([0.1, 0.5, 2.5], [0.1, 0.5, 2.5]), ([0.12, 0.41, 2.45], [0.2, 0.5, 2.5])):
        given, lasts = (synkin.ampa.Params(T_dur=np.array(lengths)) for lengths in (given, lasts))
        g = run("ampa", given, spikes, 0.1, "exp_euler", overlap=overlap)
        assert error(g, trace("ampa", lasts, spikes, 0.1, overlap)) < 1e-12


@pytest.mark.parametrize("name", ["alpha", pytest.param("bionmda", marks=pytest.mark.wide)])
def test_exp_euler_converges_at_first_order(name):
    """Halving the step halves the error of the schemes that hold one variable still while another moves."""
    kernel, coarse = synkin.KERNELS[name], 0.25

    def coarsely(dt, method="exp_euler"):
        inputs, every = np.zeros((round(16 / dt), 1), bool), round(coarse / dt)
        # At 0.5 and 4 ms: an input that acts at the end of its step is written a step earlier.
        inputs[[round(at / dt) - kernel.input.acts_at_end for at in (0.5, 4.0)]] = True
        return run(name, kernel.Params(), inputs, dt, method)[every - 1 :: every]

    true = coarsely(coarse, "exact")
    errors = [error(coarsely(dt), true) for dt in (coarse, coarse / 2, coarse / 4)]
    assert errors[0] > 1e-3
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 2, rtol=0.06)


@pytest.mark.parametrize("off", [0.0, 1e-12, 1e-6, -1e-3])
def test_dual_expon_at_equal_time_constants_is_the_alpha_shape(off):
    """tau_rise = tau_decay (1 + off): amplitude (s/tau) exp(1 - s/tau) but for terms of the size of ``off``."""
    tau, inputs = np.array([0.7, 3.0, 20.0]), train("dual_expon", (STEPS, 3), seed=9)
    params = synkin.dual_expon.Params(tau_decay=tau, tau_rise=tau * (1 + off), amplitude=np.array([1.0, 2.0, 0.5]))
    # The response to every input by itself, added up; an input acts at the end of its step.
    times = np.arange(1, STEPS + 1) * 0.5
    s = np.maximum(times[:, None] - times, 0)[..., None]
    expected = np.einsum("ikn,kn->in", params.amplitude * s / tau * np.exp(1 - s / tau), inputs)
    assert error(run("dual_expon", params, inputs, 0.5), expected) < 1e-12 + 2 * abs(off)


def test_dual_expon_does_not_mind_which_time_constant_is_longer():
    """The normalised difference of two exponentials is the same with the two exchanged; both methods give it."""
    params, inputs = point("dual_expon", (3,)), train("dual_expon", (STEPS, 3), seed=10)
    one = run("dual_expon", params, inputs, 0.5)
    exchanged = params._replace(tau_decay=params.tau_rise, tau_rise=params.tau_decay)
    assert error(run("dual_expon", exchanged, inputs, 0.5), one) < 1e-13
    assert error(run("dual_expon", params, inputs, 0.5, "exp_euler"), one) < 1e-14
