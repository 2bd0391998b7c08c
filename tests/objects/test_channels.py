"""Objects whose receptors open and close one by one."""

import jax
import numpy as np
import pytest

import synkin
from synkin.schemes import nmda5

DT = 0.1  # ms
SPIKES = np.zeros((60, 3), bool)
SPIKES[5], SPIKES[30, 1] = True, True


def test_a_run_is_the_updates_and_counts_receptors():
    number = np.array([10, 50, 200])
    first, second = (synkin.AMPA(3, channels=number, key=jax.random.key(1)) for _ in range(2))
    with synkin.environ.context(dt=DT):
        each = np.stack([first.update(row) for row in SPIKES])
        whole = np.asarray(second.run(SPIKES))
        np.testing.assert_array_equal(each, whole)
        np.testing.assert_allclose(whole * number, np.round(whole * number), atol=1e-4)
        assert (whole[:5] == 0).all()
        assert (whole[5:20].max(axis=0) > 0).all()
        np.testing.assert_allclose(first.state.g, whole[-1], rtol=1e-6)
        first.reset_state()
        again = np.asarray(first.run(SPIKES))
    assert not np.array_equal(again, whole)  # the draws go on
    assert "channels=int32[3]" in repr(first)


@pytest.mark.parametrize(
    "kernel", [synkin.ampa, pytest.param(nmda5, marks=pytest.mark.wide)], ids=lambda kernel: kernel.name
)
def test_many_synapses_average_to_the_mean(kernel):
    synapse = synkin.Synapse(kernel, 2000, channels=5, key=jax.random.key(0))
    plain = synkin.Synapse(kernel, (), method="exact")
    synapse.init_state(2)
    with synkin.environ.context(dt=DT):
        drawn = np.asarray(synapse.run(np.broadcast_to(SPIKES[:, :1, None], (60, 2, 2000))))
        mean = np.asarray(plain.run(SPIKES[:, 0]))
    g = mean[1:]
    error = np.sqrt(g * (1 - g) / (5 * 4000))
    assert (np.abs(drawn.mean(axis=(1, 2))[1:] - g) <= 4 * error).all()
    np.testing.assert_allclose(drawn[40].var(), mean[40] * (1 - mean[40]) / 5, rtol=0.15)


def test_parameters_may_change_but_not_the_grid():
    synapse = synkin.AMPA(3, channels=1000, key=jax.random.key(0))
    with synkin.environ.context(dt=DT):
        synapse.run(SPIKES[:20])
        before = np.asarray(synapse.g.value)
        synapse.beta = 1e3
        assert (np.asarray(synapse.update(False)) < before / 10).all()
        synapse.T_dur = 2.0
        with pytest.raises(ValueError, match="`T_dur` must stay as they are with `channels`"):
            synapse.update(False)
        synapse.init_state()
        synapse.update(True)
