"""The exact step of a gate, ``v' = a x (1 - v) - (b + c x) v`` with ``x' = source - rate x``, for any x and any rates.

x is a number as large as one likes: mM, or spikes. The reference is the solution as an integral, by thousands of nodes
that crowd towards both ends of a stretch.
"""

from collections import namedtuple
from functools import lru_cache
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin.solving import run
from tests.helpers import differences

RATES = {"source": 1.0, "rate": 0.5, "a": 0.5, "b": 0.01, "c": 0.0}  # /ms, and /ms/mM
Params = namedtuple("Params", [*RATES, "T", "T_dur"], defaults=(*RATES.values(), 1.0, 0.53))


State = namedtuple("State", "v x pulse_left")
equations = lambda p, y, T: {  # noqa: E731
    "x": p.source * T - p.rate * y.x,
    "v": p.a * y.x * (1 - y.v) - (p.b + p.c * y.x) * y.v,
}
gate = synkin.receptor(equations, Params, State, conductance=lambda p, y: y.v)

STEPS, SPIKES = 12, np.isin(np.arange(12), (0, 1, 6))
# Largest errors, of the peak.
TOLERANCE = {"float32": 3e-6, "float64": 2e-11}


def begin(x):
    return State(jnp.zeros_like(x), x, jnp.zeros_like(x))


def train(x):
    return np.repeat(SPIKES[:, None], len(x), axis=1)


def simulated(params, x):
    return synkin.simulate(gate, params, train(x), 1.0, state=begin(x), method="exact")[1]


def by_step(params, x):
    step = lambda state, spike: gate.step(params, state, 0.0, spike, 1.0, method="exact")  # noqa: E731
    return jax.lax.scan(step, begin(x), train(x))[1]


def between_events(params, x):
    spikes, times = np.flatnonzero(SPIKES).astype(x.dtype), np.arange(1, STEPS + 1, dtype=x.dtype)
    return jax.vmap(lambda params, x: synkin.respond(gate, params, spikes, times, state=begin(x)))(params, x).T


@lru_cache
def cases():
    """(100 and more of them,) parameters and x at the start: a dt from 1e-3 to 1e4, and x from 0 to 100."""
    rows = []
    for k in np.logspace(-3, 4, 8):
        for x in (0.0, 0.01, 1.0, 100.0):
            rows += [
                ((0.5 * k, 0.25 * k, k, 0.005 * k, 0.0), x),  # all is as fast
                ((1.0, 0.05, k, 1e-3, 0.2 * k), x),  # the gate alone, which x closes too
                ((40.0, 30.0, k, 0.1, 0.0), x),  # x comes and goes within a step
                ((10.0, 0.5, k, 2.0, 0.0), x),
            ]
    rates, x = zip(*rows, strict=True)
    return Params(*np.array(rates).T, T=np.ones(len(x)), T_dur=np.full(len(x), 1.53)), np.array(x)


def stretches():
    """Of the three pulses in steps of 1 ms: start and end, and whether there is transmitter."""
    ends = np.unique(np.concatenate([np.arange(STEPS + 1.0), [2.53, 7.53]]))
    pulses = [(0, 2.53), (6, 7.53)]
    return [(start, end, any(s <= start < e - 1e-9 for s, e in pulses)) for start, end in pairwise(ends)]


def solved(p, x, v, h, fed):
    """x and v after h ms: every number one a case, and x = 0 at a rate of 0 is none of them."""
    edges = np.concatenate([[0], np.logspace(-9, -0.31, 70)])
    edges = np.unique(np.concatenate([edges, 1 - edges, np.linspace(0, 1, 60)])) * h
    node, weight = np.polynomial.legendre.leggauss(20)
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    s, w = (middle[:, None] + half[:, None] * node).ravel(), (half[:, None] * weight).ravel()
    to_x = p.source * p.T / p.rate if fed else 0 * p.rate

    at = lambda s: to_x + (x - to_x) * np.exp(-p.rate * s)  # noqa: E731

    def closing(s):
        """The integral of the rate from s to h."""
        t = h - s
        return (p.b * t) + (p.a + p.c) * (to_x * t + (at(s) - to_x) * -np.expm1(-p.rate * t) / p.rate)

    opened = sum(weight * p.a * at(s) * np.exp(-closing(s)) for s, weight in zip(s, w, strict=True))
    return at(h), np.exp(-closing(0.0)) * v + opened


@lru_cache
def expected():
    p, x = cases()
    v, out = np.zeros_like(x), []
    for start, end, fed in stretches():
        x, v = solved(p, x, v, end - start, fed)
        if end == round(end):
            out.append(v)
    return np.array(out)


def wide(*case):
    return pytest.param(*case, marks=pytest.mark.wide)


@pytest.mark.parametrize(
    ("way", "dtype"),
    [
        *((by_step, "float64"), wide(simulated, "float64"), wide(simulated, "float32"), wide(by_step, "float32")),
        *(wide(between_events, "float32"), wide(between_events, "float64")),
    ],
    indirect=["dtype"],
)
def test_any_x_and_any_rates(way, dtype):
    given = jax.tree.map(lambda value: jnp.asarray(value, dtype), cases())
    off = np.abs(np.asarray(way(*given), float) - expected()).max(axis=0) / np.abs(expected()).max(axis=0)
    assert off.max() < TOLERANCE[dtype]


def loss(at):
    *rates, x, v, dt, T_dur = at
    state, params = State(v[None], x[None], jnp.zeros(1)), Params(*rates, T_dur=T_dur)
    _, g = synkin.simulate(gate, params, SPIKES[:, None], dt, state=state, method="exact")
    return jnp.sum(g[:, 0] * jnp.cos(jnp.arange(STEPS)))


def along(at, direction, mode):
    """The slope of the loss in a direction, and how large its parts are."""
    if mode == "forward":
        forward = jax.jvp(loss, (at,), (direction,))[1]
        return forward, jnp.abs(forward)
    slopes = jax.grad(loss)(at)
    return slopes @ direction, jnp.abs(slopes) @ jnp.abs(direction)


value, slope = jax.jit(loss), jax.jit(along, static_argnames="mode")
# Rates, and the x of the start.
POINTS = {
    "off a table": ((1.0, 0.5, 2.0, 0.01, 0.3), 0.4),
    "nothing there, and nothing closes by itself": ((1.0, 0.5, 2.0, 0.0, 0.3), 0.0),
    "beyond a table": ((1.0, 0.5, 2.0, 0.5, 0.0), 80.0),
    "no table is good enough": ((100.0, 50.0, 400.0, 50.0, 0.0), 0.4),
    "all rates 0": ((0.0, 0.0, 0.0, 0.0, 0.0), 0.0),
}


@pytest.mark.wide
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_derivatives_on_a_table_and_beyond(mode, x64):
    """Of rates, the x of the start, dt and T_dur; where one is 0 from the right."""
    for point, (rates, x) in POINTS.items():
        at = np.array([*rates, x, 0.2, 0.25, 0.6])
        direction = np.where(at == 0, 1.0, at) * np.cos(np.arange(len(at)))
        direction = np.where(at == 0, np.abs(direction), direction)
        got, size = slope(at, direction, mode)
        rule = differences.CENTRAL if at.all() else differences.RIGHT
        move = lambda s, at=at, direction=direction: value(at + s[0] * direction)  # noqa: E731
        (wanted,) = differences.gradient(move, [0.0], rule=rule, one_by_one=True)
        assert abs(got - wanted) < 1e-6 * size, point


@pytest.mark.wide
@pytest.mark.parametrize("kernel", [synkin.bionmda, synkin.wang_nmda], ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "each its own"])
def test_gradients_of_many_synapses_are_those_of_few(kernel, shared, x64):
    """On a CPU those of many are taken step by step, of few a block of steps at a time; one starts beyond the table."""
    few, times = 5, 1 + run._FEW // 5
    rng = np.random.default_rng(4)
    spikes = (rng.random((30, few)) < 0.1).astype(float)
    values = kernel.Params() if shared else [x * rng.uniform(0.8, 1.2, few) for x in kernel.Params()]
    start = kernel.init(kernel.Params(), (few,), dtype=float)._replace(x=jnp.array([0.0, 0.1, 0.0, 40.0, 0.2]))

    def gradient(times):
        def loss(params, x):
            state = jax.tree.map(lambda each: jnp.tile(each, times), start._replace(x=x))
            each = params if shared else jax.tree.map(lambda each: jnp.tile(each, times), params)
            _, g = synkin.simulate(kernel, each, np.tile(spikes, times), 0.1, state=state, method="exact", dtype=float)
            return (g**2).mean()

        return jax.grad(loss, argnums=(0, 1))(kernel.Params(*map(jnp.asarray, values)), start.x)

    for one, other in zip(*map(jax.tree.leaves, (gradient(1), gradient(times))), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-15)
