"""`synkin.delay_line`: any delays of spikes at any time, against `synkin.respond` at spike time + delay."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin

DT, T = 0.1, 60
# Whole numbers of steps, none, less than one, between two, and nearly a whole number.
DELAYS = np.array([0.3, 0.0, 0.04, 1.2345, 0.7 - 1e-12, 2.0 + 1e-3])
# ms; on the grid, at the ends of steps, one step apart and closer to the step before than the remainder.
TIMES = np.array([0.2, 1.3 + 0.099, 1.5 + 0.001, 2.55, 2.65, 4.0])
close = np.testing.assert_allclose


def rows(times, dtype):
    """Spikes and their offsets in a table of steps, alike for all delays."""
    row = np.floor(times / DT + 1e-9).astype(int)
    spikes, offsets = np.zeros(T, dtype), np.full(T, 0.05)
    spikes[row], offsets[row] = 1, np.maximum(times - row * DT, 0.0)
    shape = (T, len(DELAYS))
    return np.broadcast_to(spikes[:, None], shape), jnp.broadcast_to(offsets[:, None], shape)


def run(line, stepper, spikes, offsets):
    """g at the ends of steps."""

    def step(carry, row):
        coming, synapse = carry
        coming, arriving, offset = line.step(coming, *row)
        synapse, g = stepper.step(synapse, arriving, offset=offset)
        return (coming, synapse), g

    return jax.lax.scan(step, (line.init(), stepper.init(line.shape)), (spikes, offsets))[1]


@pytest.mark.parametrize("name", ["ampa", "expon"])
def test_spikes_arrive_at_their_time(x64, name):
    kernel = getattr(synkin, name)
    params = kernel.Params()
    line = synkin.delay_line(DELAYS, DT, dtype=bool if name == "ampa" else float)
    stepper = synkin.stepper(kernel, params, DT, off_grid=True)
    spikes, offsets = rows(TIMES, line.dtype)
    g = run(line, stepper, jnp.asarray(spikes), offsets)
    ends = DT * np.arange(1, T + 1)
    for n, delay in enumerate(DELAYS):
        # An input exactly at the end of a step counts there or in the next one, as rounding has it.
        apart = np.abs(ends[:, None] - (TIMES + delay)).min(axis=1) > 1e-9
        close(g[apart, n], synkin.respond(kernel, params, TIMES + delay, ends)[apart], rtol=0, atol=1e-13)


@pytest.mark.wide
def test_derivatives_of_spike_times(x64):
    """Of g after the delays with respect to the offsets, in and between steps."""
    kernel = synkin.ampa
    line, stepper = synkin.delay_line(DELAYS, DT), synkin.stepper(kernel, kernel.Params(), DT, off_grid=True)
    spikes, offsets = rows(TIMES[1:4], bool)
    at = np.flatnonzero(spikes[:, 0])

    def by_steps(times):
        own = offsets.at[at].set((times - DT * at)[:, None])
        return run(line, stepper, jnp.asarray(spikes), own)[-1]

    def by_respond(times):
        return jnp.stack([synkin.respond(kernel, kernel.Params(), times + d, [DT * T])[0] for d in DELAYS])

    times = jnp.asarray(TIMES[1:4])
    close(jax.jacrev(by_steps)(times), jax.jacfwd(by_respond)(times), atol=1e-12)
    close(jax.jacfwd(by_steps)(times), jax.jacfwd(by_respond)(times), atol=1e-12)


def test_each_spike_arrives_once_at_its_time():
    """Random trains and delays in single precision, against a list of arrivals."""
    rng = np.random.default_rng(1)
    delays = np.float32(rng.uniform(0, 1.0, (3, 4)))
    line = synkin.delay_line(delays, DT, dtype="float32")
    spikes = rng.random((T, 3, 4)) < 0.2
    offsets = np.float32(rng.choice([0.0, 0.03, 0.0971, DT], spikes.shape))
    weights = np.float32(spikes * rng.uniform(0.5, 1.5, spikes.shape))

    def step(coming, row):
        coming, arriving, offset = line.step(coming, *row)
        return coming, (arriving, offset)

    _, (arriving, offset) = jax.jit(lambda w, o: jax.lax.scan(step, line.init(), (w, o)))(weights, offsets)
    arrive, found = np.asarray(arriving), np.asarray(offset, float)
    single = np.isfinite(found)
    close(np.clip(found[single], 0.0, DT), found[single], atol=1e-7)
    twice = 0
    for i, j in np.ndindex(3, 4):
        expected = {}
        for row in np.flatnonzero(spikes[:, i, j]):
            time = row * DT + float(offsets[row, i, j]) + float(delays[i, j])
            expected.setdefault(int(np.floor(time / DT - 1e-6)), []).append((time, weights[row, i, j]))
        for row in range(T):
            here = expected.get(row, [])
            close(arrive[row, i, j], sum(w for _, w in here), rtol=1e-6)
            twice += len(here) > 1
            assert np.isnan(found[row, i, j]) == (len(here) > 1)
            if len(here) == 1:
                close(row * DT + found[row, i, j], here[0][0], atol=1e-6)
    assert twice  # some are less than a step apart


def test_spikes_that_are_numbers_have_derivatives():
    line = synkin.delay_line([0.25], DT, dtype=float)
    spikes, offsets = jnp.zeros((8, 1)).at[2].set(1.0), jnp.full((8, 1), 0.02)

    def arriving(spikes):
        return jax.lax.scan(lambda c, row: line.step(c, *row)[:2], line.init(), (spikes, offsets))[1][:, 0]

    slopes = jax.jacrev(arriving)(spikes)[:, :, 0]
    expected = np.zeros((8, 8))  # of each arrival with respect to each spike
    # Where there is no spike its offset is not known, and it arrives after the delay's whole steps.
    for row in range(8):
        if row + 2 < 8:
            expected[row + 2, row] = 1.0
    close(slopes, expected)
