"""When spikes act, and g averaged over each step: `spikes_at=` and `output=`, for every kernel."""

from functools import cache, partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import synkin
from tests.contract.table import ROWS, is_receptor, point, rows, train, wide
from tests.helpers.differences import gradient, relative_error

pytestmark = pytest.mark.usefixtures("x64")

DT, T, N = 1.0, 16, 2
# The nodes of a smooth piece: 30 on each, as g between two events is smooth.
NODES, WEIGHTS = (1 + np.polynomial.legendre.leggauss(30)[0]) / 2, np.polynomial.legendre.leggauss(30)[1] / 2
# One kernel of each kind of equations, for what takes long to compile.
KINDS = {"ampa", "alpha", "nmda5", "wang_nmda"}
MODES = [(output, at) for output in ("end", "mean") for at in ("start", "end")]


@cache
def problem(name):
    """Pulses that end within their first step, and ones that the next spike cuts short."""
    params = jax.tree.map(lambda value: value[[0, 2]], point(name, (3,)))
    return ROWS[name].kernel, params, np.asarray(train(name, (T, 3)))[:, [0, 2]]


@cache
def run(name, output, at, **options):
    kernel, params, spikes = problem(name)
    return synkin.simulate(kernel, params, spikes, DT, method="exact", output=output, spikes_at=at, dtype=float)


@cache
def responding(kernel):
    """`respond` of a synapse each, at times that are the synapse's own."""

    def respond(params, spike_times, weights, times):
        given = {"weights": weights} if kernel.input.takes_weights else {}
        return synkin.respond(kernel, params, spike_times, times, dtype=float, **given)

    return jax.jit(jax.vmap(respond))


def responses(name, at, times, before=np.inf):
    """g at ``times``, (M,), of row i at its start or at its end, spikes at ``before`` and later left out: (M, N)."""
    kernel, params, spikes = problem(name)
    acts = (np.arange(T) + (at == "end")) * DT
    spike_times = np.where((spikes != 0).T & (acts < before), acts, np.inf)
    return np.asarray(
        responding(kernel)(params, spike_times, spikes.T * 1.0, np.broadcast_to(times, (N, len(times))))
    ).T


def averaged(name, at):
    """The mean of g over each step, by quadrature of `respond` over pieces without an event."""
    _, params, _ = problem(name)
    starts, means = np.arange(T) * DT, np.zeros((T, N))
    for n in range(N):
        lengths = [float(value[n]) for field, value in params._asdict().items() if field.endswith("T_dur")]
        # Pulses may end this long after the start of a step.
        edges = np.unique(np.clip([0.0, DT, *(length % DT for length in lengths)], 0, DT))
        for low, high in pairwise(edges):
            times = (starts[:, None] + low + (high - low) * NODES).ravel()
            g = responses(name, at, times)[:, n].reshape(T, -1)
            means[:, n] += (high - low) / DT * g @ WEIGHTS
    return means


def close(got, expected, tolerance=1e-12):
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("name", rows())
def test_rows_are_spike_times(name):
    """Row i acts at i dt, or at (i + 1) dt, on every kernel; g at a step's end does not see a later row."""
    for at in ("start", "end"):
        _, g = run(name, "end", at)
        # A linear kernel's g jumps at a spike: that of the step before comes from the spikes until then.
        ends = (np.arange(T) + 1) * DT
        seen = ends + (0.5 * DT if at == "end" else -0.5 * DT)
        close(g, [responses(name, at, ends[i : i + 1], seen[i])[0] for i in range(T)])
    by_default, other = ("start", "end") if is_receptor(ROWS[name]) else ("end", "start")
    kernel, params, spikes = problem(name)
    _, g = synkin.simulate(kernel, params, spikes, DT, method="exact", dtype=float)
    np.testing.assert_array_equal(g, run(name, "end", by_default)[1])
    assert np.abs(g - run(name, "end", other)[1]).max() > 1e-3 * np.abs(g).max()


@pytest.mark.parametrize("name", rows())
def test_the_mean_is_that_over_the_step(name):
    for at in ("start", "end"):
        close(run(name, "mean", at)[1], averaged(name, at))
    _, whole = run(name, "mean", "start")
    kernel, params, spikes = problem(name)
    _, single = synkin.simulate(kernel, params, spikes, DT, output="mean", spikes_at="start", dtype="float32")
    close(single, whole, 4e-6)


@pytest.mark.parametrize(("output", "at"), wide(MODES, [("end", "start"), ("mean", "end")]))
@pytest.mark.parametrize("name", rows("ampa", only=lambda row: row.kernel.name in KINDS))
def test_every_way_is_the_run(name, output, at):
    """Two halves, the first ending with a spike; in parallel; with a readout; in blocks; as steps."""
    kernel, params, spikes = problem(name)
    half = T // 2  # the row before has a spike
    final, g = run(name, output, at)
    way = {"method": "exact", "output": output, "spikes_at": at}
    middle, first = synkin.simulate(kernel, params, spikes[:half], DT, dtype=float, **way)
    last, second = synkin.simulate(kernel, params, spikes[half:], DT, state=middle, checkpoint=3, **way)
    close(np.concatenate([first, second]), g)
    parallel, of_parallel = synkin.simulate(kernel, params, spikes, DT, parallel=True, dtype=float, **way)
    close(of_parallel, g)
    _, (states, read) = synkin.simulate(
        kernel, params, spikes, DT, readout=lambda state, g: (state, g), dtype=float, **way
    )
    close(read, g)
    stepper = synkin.stepper(kernel, params, DT, dtype=float, **way)
    carry, stepped = jax.lax.scan(stepper.step, stepper.init(N), spikes)
    close(stepped, g)
    # In the middle of pulses whose last step has a length of its own.
    carried = stepper.init(state=middle)
    carried, resumed = jax.lax.scan(stepper.step, carried, spikes[half:])
    close(resumed, second)
    for other in (last, parallel, stepper.state(carry), stepper.state(carried)):
        for one, right in zip(other, final, strict=True):
            np.testing.assert_allclose(one, right, rtol=1e-11, atol=1e-13)
    for one, right in zip(states, middle, strict=True):
        np.testing.assert_allclose(one[half - 1], right, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", rows("ampa", only=lambda row: row.kernel.name in KINDS))
@pytest.mark.parametrize("way", [{"in_steps": True}, pytest.param({"at": "end"}, marks=pytest.mark.wide)])
def test_derivatives(name, way):
    """Of the mean, in parameters, the state, and a linear kernel's inputs: both modes against differences."""
    kernel, params, spikes = problem(name)
    one = jax.tree.map(lambda value: jnp.asarray(value[1]), params)
    state = kernel.State(*(jnp.asarray(0.31 if "left" in field else 0.15) for field in kernel.State._fields))
    weights = jnp.asarray(spikes[:, 1] * 1.0)
    at, unravel = ravel_pytree((one, state, weights))

    def loss(flat, in_steps=False, at="start"):
        params, state, weights = unravel(flat)
        inputs = weights if kernel.input.takes_weights else spikes[:, 1]
        if in_steps:
            stepper = synkin.stepper(kernel, params, DT, output="mean", spikes_at=at, dtype=float)
            g = jax.lax.scan(stepper.step, stepper.init(state=state), inputs)[1]
        else:
            way = {"output": "mean", "spikes_at": at, "readout": lambda state, g: (g, state[-1])}
            g, last = synkin.simulate(kernel, params, inputs, DT, state=state, **way)[1]
            g = g + 0.3 * last
        return jnp.sum(g * jnp.cos(1.7 * jnp.arange(float(T))))

    along = jnp.cos(1.3 * jnp.arange(float(at.size)))
    f = jax.jit(partial(loss, **way))
    expected = gradient(f, at, one_by_one=True)
    reverse = jax.jit(jax.grad(f))(at)
    assert relative_error(reverse, expected) < 1e-6
    close(jax.jit(lambda at: jax.jvp(f, (at,), (along,))[1])(at), reverse @ along, 1e-10)


@pytest.mark.parametrize("at", ["start", "end"])
def test_a_later_start_is_a_shift(at):
    """With weights or a parameter that varies: a run in which all acts at the end is one with rows moved by one."""
    rng = np.random.default_rng(0)
    weights, beta = np.where(rng.random((T, N)) < 0.3, rng.random((T, N)) * 2, 0.0), 0.1 + rng.random((T, N))
    params, moved = synkin.ampa.Params(T_dur=1.7), np.concatenate([np.zeros((1, N)), weights[:-1]])
    for output in ("end", "mean"):
        given = {"weighted": True, "varying": {"beta": beta}, "output": output, "method": "exact", "dtype": float}
        (state, height), g = synkin.simulate(synkin.ampa, params, weights, DT, spikes_at=at, **given)
        rows = weights if at == "start" else moved
        _, expected = synkin.simulate(synkin.ampa, params, rows, DT, **given)
        close(g, expected)
        if at == "end":  # the last row's pulse is all to come
            spiked = weights[-1] > 0
            np.testing.assert_array_equal(state.pulse_left[spiked], 1.7)
            np.testing.assert_array_equal(height[spiked], weights[-1][spiked])
        if output == "mean":
            _, fine = synkin.simulate(
                synkin.ampa,
                params,
                _finer(rows),
                DT / 100,
                **(given | {"varying": {"beta": np.repeat(beta, 100, axis=0)}}),
            )
            close(g, fine.reshape(T, 100, N).mean(axis=1), 1e-11)
    way = {"varying": {"tau": 2 + rng.random((T, N))}, "output": "end", "dtype": float}
    _, g = synkin.simulate(synkin.expon, synkin.expon.Params(), weights, DT, spikes_at=at, **way)
    decay = np.exp(-DT / way["varying"]["tau"])
    expected, v = [], np.zeros(N)
    for one, factor in zip(weights, decay, strict=True):
        v = (v + one) * factor if at == "start" else v * factor + one
        expected.append(v)
    close(g, expected)


def _finer(rows):
    fine = np.zeros((len(rows), 100, N))
    fine[:, 0] = rows
    return fine.reshape(-1, N)
