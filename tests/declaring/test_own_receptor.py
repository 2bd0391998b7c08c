"""A receptor of one's own, written down from its equations alone, is as good as those of the library.

Four of them: a desensitising receptor, GABA-B in two stages, and, of the linear kind, a damped oscillator, whose
variables drive each other, and a chain of three. The reference is matrix exponentials between the edges of the pulses.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from tests.helpers import differences, matrices

# What a person writes


class DesensitisingParams(NamedTuple):
    alpha: float = 1.0  # binding rate, /ms/mM
    beta: float = 0.2  # unbinding rate, /ms
    d: float = 0.1  # desensitisation, /ms
    r: float = 0.02  # recovery, /ms
    T: float = 1.0  # mM
    T_dur: float = 1.0  # ms


class DesensitisingState(NamedTuple):
    O: jax.Array
    D: jax.Array
    pulse_left: jax.Array


def desensitising(p, y, T):
    closed = 1 - y.O - y.D
    return {"O": p.alpha * T * closed - (p.beta + p.d) * y.O, "D": p.d * y.O - p.r * y.D}


desensitising = synkin.receptor(desensitising, DesensitisingParams, DesensitisingState, conductance=lambda p, y: y.O)


class GABAbParams(NamedTuple):
    K1: float = 0.09  # /ms/mM
    K2: float = 0.0012  # /ms
    K3: float = 0.18  # /ms
    K4: float = 0.034  # /ms
    Kd: float = 100.0
    T: float = 0.5  # mM
    T_dur: float = 0.3  # ms


class GABAbState(NamedTuple):
    r: jax.Array  # receptors
    s: jax.Array  # G protein
    pulse_left: jax.Array


def gabab(p, y, T):
    """GABA-B, Destexhe and Sejnowski 1995, PNAS 92:9515."""
    return {"r": p.K1 * T * (1 - y.r) - p.K2 * y.r, "s": p.K3 * y.r - p.K4 * y.s}


gabab = synkin.receptor(
    gabab, GABAbParams, GABAbState, conductance=lambda p, y: y.s**4 / (y.s**4 + p.Kd), positive=("Kd",)
)


class OscillatorParams(NamedTuple):
    a: float = 0.05  # damping, /ms
    w: float = 0.3  # frequency, rad/ms


class OscillatorState(NamedTuple):
    y1: jax.Array
    y2: jax.Array


oscillator = synkin.linear(
    lambda p, y: {"y1": -p.a * y.y1 - p.w * y.y2, "y2": p.w * y.y1 - p.a * y.y2},
    OscillatorParams,
    OscillatorState,
    input="y1",
    conductance=lambda p, y: y.y1 + 0.5 * y.y2,
    name="oscillator",
)


class ChainParams(NamedTuple):
    k1: float = 1.0  # /ms
    k2: float = 0.3  # /ms
    k3: float = 0.02  # /ms


class ChainState(NamedTuple):
    g: jax.Array  # the last one comes first here
    b: jax.Array
    a: jax.Array


chain = synkin.linear(
    lambda p, y: {"a": -p.k1 * y.a, "b": p.k1 * y.a - p.k2 * y.b, "g": p.k2 * y.b - p.k3 * y.g},
    ChainParams,
    ChainState,
    input="a",
    name="chain",
)


# The same by hand


class Case(NamedTuple):
    kernel: Any
    system: Callable[..., Any]  # (p, T) -> the matrix of (1, y)
    conductance: Callable[..., Any]  # (p, y) -> g, y being (1, y)
    input: int = 0  # which of (1, y) an input is added to
    power: int = 1  # of a variable that g goes with: how many roundings of it one of g is


def desensitising_system(p, T):
    k = p.alpha * T
    return matrices.affine([k, 0], [[-k - p.beta - p.d, -k], [p.d, -p.r]])


def gabab_system(p, T):
    k = p.K1 * T
    return matrices.affine([k, 0], [[-k - p.K2, 0], [p.K3, -p.K4]])


def oscillator_system(p, T):
    return matrices.affine([0, 0], [[-p.a, -p.w], [p.w, -p.a]])


def chain_system(p, T):
    return matrices.affine([0, 0, 0], [[-p.k1, 0, 0], [p.k1, -p.k2, 0], [0, p.k2, -p.k3]])


CASES = {
    "desensitising": Case(desensitising, desensitising_system, lambda p, y: y[1]),
    "gabab": Case(gabab, gabab_system, lambda p, y: y[2] ** 4 / (y[2] ** 4 + p.Kd), power=4),
    "oscillator": Case(oscillator, oscillator_system, lambda p, y: y[1] + 0.5 * y[2], 1),
    "chain": Case(chain, chain_system, lambda p, y: y[3], 1),
}


def expected(case, p, times, spike_times, weights=None, start=None):
    """g at ``times``, of one synapse."""
    if case.kernel.input.takes_weights:
        unit = np.eye(len(case.kernel.State._fields) + 1)[case.input]
        system = case.system(p, 0.0)
        jumps = [(time, weight * unit) for time, weight in zip(spike_times, weights, strict=True)]
        y = matrices.solution(system, system, times, start=start, jumps=jumps)
    else:
        on = matrices.pulses(spike_times, p.T_dur)
        y = matrices.solution(case.system(p, 0.0), case.system(p, p.T), times, start=start, on=on)
    return case.conductance(p, y.T)


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def case(request):
    return request.param


TOLERANCE = {"float32": 2e-6, "float64": 1e-12}


def tolerance(case, dtype):
    """Of the peak. In float64 rounding is far below it, whatever g goes with."""
    return TOLERANCE[dtype] * (case.power if dtype == "float32" else 1)


STEPS = 60
# Three synapses: apart, two of them overlapping, and many.
ROWS = [[0, 30], [2, 4, 5, 40], [*range(10, 30, 3), 31]]


def inputs(case):
    """(STEPS, 3): spikes, or weights of either sign."""
    spikes = np.zeros((STEPS, 3), bool)
    for synapse, rows in enumerate(ROWS):
        spikes[rows, synapse] = True
    return spikes * np.cos(np.arange(STEPS))[:, None] if case.kernel.input.takes_weights else spikes


def parameters(case, dt):
    """One set a synapse. Pulses end on the grid and off it, within a step and after the next spike."""
    kernel = case.kernel
    params = kernel.Params(*(value * np.array([1.0, 0.8, 1.3]) for value in kernel.Params()))
    return (
        params
        if kernel.input.takes_weights
        else params._replace(T_dur=np.array([kernel.Params().T_dur, 3.3 * dt, 2 * dt]))
    )


def simulated(kernel, dtype, params, inputs, dt):
    return synkin.simulate(kernel, params, inputs, dt, method="exact", dtype=dtype)[1]


def in_parallel(kernel, dtype, params, inputs, dt):
    return synkin.simulate(kernel, params, inputs, dt, method="exact", dtype=dtype, parallel=True)[1]


def by_stepper(kernel, dtype, params, inputs, dt):
    stepper = synkin.stepper(kernel, params, dt, method="exact", dtype=dtype)
    return jax.lax.scan(stepper.step, stepper.init((3,)), inputs)[1]


def by_step(kernel, dtype, params, inputs, dt):
    def body(state, spike):
        return kernel.step(params, state, 0.0, spike, dt, method="exact")

    return jax.lax.scan(body, kernel.init(params, (3,), dtype=dtype), inputs)[1]


@lru_cache
def compiled(run, kernel, dtype):
    return jax.jit(partial(run, kernel, dtype))


@pytest.mark.parametrize("dt", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("run", [simulated, in_parallel, by_stepper, by_step])
def test_every_run_on_the_grid_is_the_matrix_exponential(case, run, dt, dtype):
    params, given = parameters(case, dt), inputs(case)
    got = compiled(run, case.kernel, dtype)(params, given, dt)
    assert got.dtype == dtype
    for i, rows in enumerate(ROWS):
        own = case.kernel.Params(*(value[i] for value in params))
        grid = np.arange(1, STEPS + 1) * dt
        at = np.arange(STEPS) * dt if not case.kernel.input.takes_weights else grid
        wanted = expected(case, own, grid, at[rows], given[rows, i])
        assert np.abs(got[:, i] - wanted).max() < tolerance(case, dtype) * np.abs(wanted).max()


SPIKE_TIMES = np.array([0.31, 1.02, 1.5, 4.4, 4.9, 25.7])
WEIGHTS = np.array([1.0, -0.5, 2.0, 0.3, 1.0, -2.0])
TIMES = np.sort(np.random.default_rng(3).uniform(0, 60, 50))


def responded(kernel, dtype, params, spike_times, times, weights):
    weights = weights if kernel.input.takes_weights else None
    return synkin.respond(kernel, params, spike_times, times, weights=weights, dtype=dtype)


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_between_spikes_it_is_the_matrix_exponential(case, scale, dtype):
    params = case.kernel.Params(*(scale**-0.5 * value for value in case.kernel.Params()))
    if not case.kernel.input.takes_weights:
        params = params._replace(T_dur=scale * params.T_dur)
    got = responded(case.kernel, dtype, params, SPIKE_TIMES, TIMES, WEIGHTS)
    wanted = expected(case, params, TIMES, SPIKE_TIMES, WEIGHTS)
    assert np.abs(got - wanted).max() < tolerance(case, dtype) * np.abs(wanted).max()


def test_a_million_steps_in_float32(case, x64):
    """Against the same run in float64, over all of it."""
    kernel = case.kernel
    spikes = np.random.default_rng(0).random(1_000_000) < 0.002
    given = spikes * 1.0 if kernel.input.takes_weights else spikes
    runs = (compiled(simulated, kernel, dtype)(kernel.Params(), given, 0.1) for dtype in ("float32", "float64"))
    got, wanted = (np.asarray(g, float) for g in runs)
    assert np.abs(got - wanted).max() < 1e-6 * case.power * np.abs(wanted).max()


def test_a_silence_of_ten_million_ms(case, dtype):
    """All is at rest after it, in one stretch and in one step, and a spike is answered as the first was."""
    kernel, long = case.kernel, 1e7
    times = np.array([5.0, 20.0, 0.9 * long, long + 5.0, long + 20.0])
    got = np.asarray(responded(kernel, dtype, kernel.Params(), np.array([0.0, long]), times, np.ones(2)))
    peak = np.abs(got).max()
    assert peak > 0
    assert abs(got[2]) < 1e-10 * peak
    np.testing.assert_allclose(got[3:], got[:2], rtol=0, atol=tolerance(case, dtype) * peak)
    given = np.array([1.0, 0.0])
    g = compiled(simulated, kernel, dtype)(kernel.Params(), given if kernel.input.takes_weights else given > 0, long)
    assert np.isfinite(g).all()
    assert abs(g[-1]) < 1e-10 * peak


def test_a_state_to_start_from(case, x64):
    """Somewhere in the middle of a pulse."""
    kernel = case.kernel
    fields = {name: jnp.asarray(0.1 + 0.1 * i) for i, name in enumerate(kernel.order)}
    left = {} if kernel.input.takes_weights else {"pulse_left": jnp.asarray(0.23)}
    state, params, dt = kernel.State(**fields, **left), kernel.Params(), 0.1
    start = [1.0, *fields.values()]
    grid = np.arange(1, 21) * dt
    system = case.system(params, 0.0)
    active = system if kernel.input.takes_weights else case.system(params, params.T)
    on = [] if kernel.input.takes_weights else [(0.0, 0.23)]
    wanted = case.conductance(params, matrices.solution(system, active, grid, start=start, on=on).T)
    silent = np.zeros(20) if kernel.input.takes_weights else np.zeros(20, bool)
    for options in ({}, {"parallel": True}):
        _, got = synkin.simulate(kernel, params, silent, dt, state=state, method="exact", **options)
        np.testing.assert_allclose(got, wanted, rtol=1e-12)
    got = synkin.respond(
        kernel, params, np.array([]), grid, state=state, **({"weights": []} if kernel.input.takes_weights else {})
    )
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_occupancies_stay_between_0_and_1(dtype):
    """However strongly they are driven: rates times dt in the tens of thousands."""
    params = DesensitisingParams(alpha=8000.0, T_dur=35.0)
    _, kept = synkin.simulate(
        desensitising, params, np.arange(40) % 7 == 0, 10.0, method="exact", dtype=dtype, readout=lambda state, g: state
    )
    assert min(kept.O.min(), kept.D.min()) >= 0
    assert (np.asarray(kept.O) + np.asarray(kept.D)).max() <= 1 + 4 * np.finfo(dtype).eps


# Gradients


def weighted(g):
    """A scalar that weighs every sample differently, so that no two errors cancel."""
    return jnp.sum(g * jnp.cos(1.7 * jnp.arange(g.size, dtype=float)))


@lru_cache
def loss_of(kernel, driver):
    """The loss of a vector: of parameters and, for "respond", of spike times and sample times behind them."""
    if driver == "simulate":
        given = np.arange(STEPS) % 13 == 2
        given = given * 1.5 if kernel.input.takes_weights else given
        return lambda x: weighted(simulated(kernel, float, kernel.Params(*x), given, 0.25))
    cuts = np.cumsum([len(kernel.Params()), len(SPIKE_TIMES)])

    def loss(x):
        params, spike_times, times = jnp.split(x, cuts)
        return weighted(responded(kernel, float, kernel.Params(*params), spike_times, times, WEIGHTS))

    return loss


def point(kernel, driver="simulate"):
    """In general position: no pulse ends on the grid or at a sample."""
    factors = np.random.default_rng(2).uniform(0.7, 1.4, len(kernel.Params()))
    params = np.array(kernel.Params()) * factors
    return params if driver == "simulate" else np.concatenate([params, SPIKE_TIMES, TIMES])


@pytest.mark.parametrize("driver", ["simulate", "respond"])
def test_gradients_forward_and_reverse(case, driver, x64):
    """Of every parameter, spike time and sample time."""
    loss, x = loss_of(case.kernel, driver), point(case.kernel, driver)
    direction = x * np.cos(np.arange(x.size))
    wanted = differences.gradient(loss, x, h=1e-4)
    reverse, forward = jax.jit(lambda x: (jax.grad(loss)(x), jax.jvp(loss, (x,), (direction,))[1]))(x)
    assert differences.relative_error(reverse, wanted) < 1e-6
    assert abs(forward - reverse @ direction) < 1e-9 * (np.abs(reverse) @ np.abs(direction))
    assert (wanted[: len(case.kernel.Params())] != 0).all()


@pytest.mark.parametrize(("kernel", "driver"), [(desensitising, "simulate"), (gabab, "respond")])
def test_second_order(kernel, driver, x64):
    """In a direction that has all parameters in it."""
    loss, x = loss_of(kernel, driver), point(kernel, driver)
    direction = x * np.cos(np.arange(x.size)) * (np.arange(x.size) < len(kernel.Params()))
    of = jax.jit(lambda x: jax.jvp(jax.grad(loss), (x,), (direction,)))
    (wanted,) = differences.gradient(lambda s: of(x + s[0] * direction)[0], [0.0], one_by_one=True)
    assert differences.relative_error(of(x)[1], wanted) < 1e-6


@pytest.mark.parametrize("kernel", [desensitising, chain])
def test_the_derivative_of_a_parallel_run(kernel, x64):
    given = np.arange(STEPS) % 13 == 2
    given = given * 1.5 if kernel.input.takes_weights else given
    run = jax.jit(jax.grad(lambda x: weighted(in_parallel(kernel, float, kernel.Params(*x), given, 0.25))))
    x = jnp.asarray(point(kernel))
    assert differences.relative_error(run(x), jax.jit(jax.grad(loss_of(kernel, "simulate")))(x)) < 1e-11
