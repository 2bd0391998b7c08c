"""A run does not know what time it is: the same train gives the same numbers wherever in time it happens.

All of it in float32, where an absolute time would be rounded away first.
"""

from functools import partial

import jax
import numpy as np
import pytest

import synkin
from tests.helpers import samples

T, N, DT = samples.STEPS, samples.SYNAPSES, samples.DT
LATE = 1e6  # ms; there float32 tells times apart that are 0.06 ms apart
EPS = np.finfo(np.float32).eps


def case(kernel, seed):
    """Parameters and inputs of N synapses, their pulses ending on the grid and off it."""
    rng = np.random.default_rng(seed)
    params = samples.params(kernel, rng, (N,), np.float32)
    if not kernel.input.takes_weights:
        params = params._replace(T_dur=np.float32([0.3, 0.77, 2.0]))
    return params, samples.inputs(kernel, rng, (T, N), dtype=np.float32)


def assert_same(got, expected):
    """Bitwise."""
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(np.asarray(one).view(np.uint32), np.asarray(other).view(np.uint32))


def test_a_late_run_is_an_early_run(kernel, method):
    params, inputs = case(kernel, 0)
    start = kernel.init(params, (N,), dtype="float32")
    for run in (
        partial(samples.simulate, kernel, params, inputs, DT, method=method, dtype="float32"),
        partial(samples.scan, kernel, params, start, inputs, DT, method=method),
    ):
        assert_same(run(t0=LATE), run(t0=0.0))


def test_the_two_ways_to_run_are_the_same_run(kernel, method):
    """But for what the compiler fuses, which decides the last bits."""
    params, inputs = case(kernel, 1)
    start = kernel.init(params, (N,), dtype="float32")
    _, gs = samples.simulate(kernel, params, inputs, DT, method=method, dtype="float32")
    _, scanned = samples.scan(kernel, params, start, inputs, DT, method=method)
    np.testing.assert_allclose(scanned, gs, atol=4 * EPS * np.abs(gs).max(), rtol=0)


def test_chunks_are_the_whole(kernel, method):
    """Cut anywhere, also within a pulse, a run gives the numbers of the whole."""
    params, inputs = case(kernel, 2)
    start = kernel.init(params, (N,), dtype="float32")
    final, whole = samples.simulate(kernel, params, inputs, DT, method=method, dtype="float32")
    state, chunks = start, []
    for chunk in np.split(inputs, 5):
        state, gs = samples.simulate(kernel, params, chunk, DT, method=method, state=state)
        chunks.append(gs)
    np.testing.assert_allclose(np.concatenate(chunks), whole, atol=2 * EPS * np.abs(whole).max(), rtol=0)
    for one, other in zip(state, final, strict=True):
        np.testing.assert_allclose(one, other, atol=4 * EPS * max(1, np.abs(other).max()), rtol=0)


def test_every_isolated_spike_is_answered_alike(receptor, method):
    """At T_dur 0.3 ms and dt 0.1 ms, where a float comparison of times would be settled by rounding."""
    params, spikes = receptor.Params(T_dur=0.3), np.eye(300, dtype=bool)
    _, gs = samples.simulate(receptor, params, spikes, 0.1, method=method, dtype="float32")
    answers = np.stack([np.asarray(gs[i : i + 20, i]) for i in range(280)])
    assert answers.max() > 0.01
    np.testing.assert_allclose(answers, answers[:1].repeat(280, axis=0), rtol=4 * EPS)


PULSES = [  # T_dur, dt, the steps that it touches
    (0.3, 0.1, 3),
    (0.7, 0.1, 7),
    (0.05, 0.1, 1),
    (0.1, 0.1, 1),
    (0.11, 0.1, 2),
    (0.5, 0.125, 4),
    (1.0, 0.3, 4),
    (2.0, 0.1, 20),
    (0.6, 0.2, 3),
    (84.0, 0.1, 840),
    (84.0, 0.01, 8400),
    (5.0, 10.0, 1),
    (0.0, 0.1, 0),
]


def growth(T_dur, dt, method):
    """One pulse without unbinding, seen from outside: g grows while there is transmitter and not a step longer.

    Returns the steps in which it grows, and the ms of transmitter, which are -log(1 - g) / (alpha T).
    """
    rate = 0.5 / max(T_dur, dt)
    params = synkin.ampa.Params(alpha=rate, beta=0.0, T=1.0, T_dur=T_dur)
    start = synkin.ampa.init(params, (), dtype="float32")
    spikes = np.arange(50 if T_dur < 45 * dt else 9000) == 0
    _, gs = samples.scan(synkin.ampa, params, start, spikes, dt, method=method)
    gs = np.asarray(gs, np.float64)
    return int((np.diff(gs, prepend=0) > 0).sum()), -np.log1p(-gs[-1]) / rate


@pytest.mark.parametrize(("T_dur", "dt", "steps"), PULSES)
def test_steps_of_a_pulse(T_dur, dt, steps):
    """In "exp_euler": ceil(T_dur / dt), whatever float32 makes of the quotient."""
    assert steps == int(np.ceil(np.float64(T_dur) / dt - 1e-3))
    assert growth(T_dur, dt, "exp_euler")[0] == steps


@pytest.mark.parametrize(("T_dur", "dt", "steps"), PULSES)
def test_transmitter_of_a_pulse(T_dur, dt, steps):
    """In "exact": T_dur of it, wherever in its last step the pulse ends."""
    del steps
    _, transmitter = growth(T_dur, dt, "exact")
    np.testing.assert_allclose(transmitter, T_dur, rtol=1e-4)


def gabab_answer(s):
    """One pulse of 84 ms, in closed form and float64."""
    binding, beta, T_dur = 0.016, 0.0047, 84.0
    rising = binding / (binding + beta) * -np.expm1(-(binding + beta) * np.minimum(s, T_dur))
    return rising * np.exp(-beta * np.maximum(s - T_dur, 0))


@pytest.mark.parametrize("way", ["scan", "simulate"])
def test_a_long_pulse_counts_down_in_float32(method, way):
    """84 ms at dt 0.01 are 8400 steps of countdown, and ten thousand roundings of g."""
    assert long_pulse_error(method, way) < 1e-4


def long_pulse_error(method, way):
    params = synkin.ampa.Params(alpha=0.016, beta=0.0047, T=1.0, T_dur=84.0)
    steps, dt = 12_000, 0.01
    spikes = np.arange(steps) == 0
    if way == "scan":
        start = synkin.ampa.init(params, (), dtype="float32")
        _, gs = samples.scan(synkin.ampa, params, start, spikes, dt, method=method)
    else:
        _, gs = samples.simulate(synkin.ampa, params, spikes, dt, method=method, dtype="float32")
    assert gs.dtype == np.float32
    expected = gabab_answer(np.arange(1, steps + 1) * dt)
    return float(np.abs(np.float64(gs) - expected).max() / expected.max())
