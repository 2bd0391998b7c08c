"""The network that decides: synkin's steps and NumPy's, written by hand, let the same neurons fire."""

from functools import partial

import jax
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from benchmarks.decision_network import __main__ as command
from benchmarks.decision_network import by_numpy, by_synkin, model

STEPS = 2000  # 200 ms


@pytest.mark.usefixtures("x64")
def test_the_same_neurons_fire_as_in_numpy():
    """In float64, step for step, with so strong a stimulus that all four populations fire."""
    net = model.network(100)
    outside = model.spikes_from_outside(net, STEPS, 10 * model.stimulus_rates(STEPS, onset=0.0, coherence=0.0))
    fired = np.asarray(jax.jit(partial(by_synkin.run, net))(outside))
    expected = np.array([row for row, _ in by_numpy.run(net, outside)])
    assert np.array_equal(fired, expected)
    ends = np.cumsum(net.sizes)[:-1]
    assert min(part.sum() for part in np.split(fired, ends, axis=1)) > 10


def test_the_step_written_by_hand():
    """Of x and of the open fraction, against an integration of their equations."""
    x, g, dt = np.array([0.0, 0.3, 1.0, 4.0]), np.array([0.5, 0.0, 0.2, 0.9]), 0.1

    def slopes(t, y):
        x, g = np.split(y, 2)
        return np.concatenate([-x / model.TAU_X, model.ALPHA * x * (1 - g) - g / model.TAU_S])

    right = solve_ivp(slopes, (0.0, dt), np.concatenate([x, g]), "DOP853", rtol=1e-13, atol=1e-15).y[:, -1]
    assert np.concatenate(by_numpy.nmda(x, g, dt)) == pytest.approx(right, rel=1e-13, abs=1e-15)


def test_spikes_from_outside():
    """As many as the rates say, and as different from neuron to neuron as a Poisson process is."""
    net = model.network(400)
    rates = np.full((4, 2), (4000.0, 0.0))
    spikes = model.spikes_from_outside(net, STEPS, rates)
    counts = spikes.sum(axis=0, dtype=int)
    for part, rate in zip(np.split(counts, np.cumsum(net.sizes)[:2]), (6400.0, 2400.0, 2400.0), strict=True):
        mean = rate * STEPS * model.DT / 1000
        assert abs(part.mean() - mean) < 4 * np.sqrt(mean / len(part))
        assert 0.6 * mean < part.var() < 1.6 * mean
    assert spikes.max() > 2


def test_weights_of_the_paper():
    """The mean excitation of a neuron is as without groups, and a spike of a smaller network weighs more."""
    net, small = model.network(), model.network(100)
    assert net.sizes == (240, 240, 1120, 400)
    assert net.ampa @ net.sizes[:3] == pytest.approx(1600 * np.array([0.05, 0.05, 0.05, 0.04]))
    assert small.nmda == pytest.approx(20 * net.nmda)


@pytest.mark.wide
def test_the_command(capsys):
    """Without Brian2, which need not be there."""
    command.main(["--neurons", "100", "--ms", "510", "--repeats", "1"])
    shown = capsys.readouterr().out
    assert "float64: the same spikes as NumPy's in all 5,100 steps" in shown
    assert [line.split()[1] for line in shown.splitlines() if line.strip().startswith("synkin")] == [
        "float32",
        "float64",
    ] * 2
