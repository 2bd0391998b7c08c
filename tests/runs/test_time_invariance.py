"""Pulses in float32, where an absolute time would be rounded away: counted alike wherever in time a run happens.

That a run does not know what time it is, the contract holds for every kernel.
"""

from functools import partial

import jax
import numpy as np
import pytest

import synkin
from synkin import ampa
from tests.contract.table import wide
from tests.helpers import samples

METHODS = ("exp_euler", "exact")
CASES = [(name, method) for name in ("ampa", "bionmda") for method in METHODS]


@pytest.mark.parametrize(("name", "method"), wide(CASES, CASES[:2]))
def test_every_isolated_spike_is_answered_alike(name, method):
    """At T_dur 0.3 ms and dt 0.1 ms, where a float comparison of times would be settled by rounding."""
    params, spikes = synkin.KERNELS[name].Params(T_dur=0.3), np.eye(300, dtype=bool)
    _, gs = synkin.simulate(synkin.KERNELS[name], params, spikes, 0.1, method=method, dtype="float32")
    answers = np.stack([np.asarray(gs[i : i + 20, i]) for i in range(280)])
    assert answers.max() > 0.01
    np.testing.assert_allclose(answers, answers[:1].repeat(280, axis=0), rtol=4 * np.finfo("float32").eps)


def test_recorded_times_keep_their_resolution():
    """Times that are NumPy arrays are subtracted in double precision, whatever the dtype of g."""
    spike_times, times = np.array([0.31, 2.4]), np.array([0.5, 0.81, 3.3])
    run = partial(synkin.respond, ampa, ampa.Params(), dtype="float32")
    np.testing.assert_allclose(run(spike_times + 1e7, times + 1e7), run(spike_times, times), rtol=1e-5)


PULSES = (  # T_dur, dt, the steps that it touches
    (0.3, 0.1, 3), (0.7, 0.1, 7), (0.05, 0.1, 1), (0.1, 0.1, 1), (0.11, 0.1, 2), (0.5, 0.125, 4), (1.0, 0.3, 4),
    (2.0, 0.1, 20), (0.6, 0.2, 3), (84.0, 0.1, 840), (84.0, 0.01, 8400), (5.0, 10.0, 1), (0.0, 0.1, 0),
)  # fmt: skip
SPIKE = np.arange(12_000) == 0


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_steps_and_transmitter_of_a_pulse(method, by_hand):
    """One pulse without unbinding: g grows while there is transmitter and not a step longer.

    In "exp_euler" that is ceil(T_dur / dt) steps, whatever float32 makes of the quotient. In "exact" it is T_dur of it,
    -log(1 - g) / (alpha T), wherever in its last step the pulse ends.
    """

    @jax.jit
    def run(params, dt):
        if by_hand:
            return samples.scan(ampa, params, ampa.init(params, (), dtype="float32"), SPIKE, dt, method=method)[1]
        return synkin.simulate(ampa, params, SPIKE, dt, method=method, dtype="float32")[1]

    for T_dur, dt, steps in PULSES:
        rate = 0.5 / max(T_dur, dt)
        g = np.asarray(run(ampa.Params(*np.float32([rate, 0.0, 1.0, T_dur])), np.float32(dt)), np.float64)
        if method == "exp_euler":
            assert (np.diff(g, prepend=0) > 0).sum() == steps
        else:
            np.testing.assert_allclose(-np.log1p(-g[-1]) / rate, T_dur, rtol=1e-4)
    # 84 ms at dt 0.01 are 8400 steps of countdown, and ten thousand roundings of g: GABA-B in closed form.
    binding, beta, T_dur, s = 0.016, 0.0047, 84.0, np.arange(1, 12_001) * 0.01
    rising = binding / (binding + beta) * -np.expm1(-(binding + beta) * np.minimum(s, T_dur))
    expected = rising * np.exp(-beta * np.maximum(s - T_dur, 0))
    g = run(ampa.Params(*np.float32([binding, beta, 1.0, T_dur])), np.float32(0.01))
    assert g.dtype == np.float32
    assert np.abs(np.float64(g) - expected).max() < 1e-4 * expected.max()
