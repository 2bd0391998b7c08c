"""Derivatives of every kernel against differences of its values, also where formulas like to divide by 0."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import synkin
from tests.contract.table import ROWS, allowed, is_receptor, point, train, wide
from tests.helpers import samples
from tests.helpers.differences import CENTRAL, LEFT, RIGHT, gradient, relative_error

pytestmark = pytest.mark.usefixtures("x64")

DT, STEPS = 0.25, 24
SPIKE_TIMES = np.array([0.31, 1.02, 2.4, 2.9, np.inf])
TIMES = np.array([0.2, 0.9, 1.3, 2.6, 3.4, 4.9])
by_difference = partial(gradient, one_by_one=True)


def weighted(g):
    """A scalar that weighs every sample differently, so that no two errors cancel."""
    return jnp.sum(g * jnp.cos(1.7 * jnp.arange(g.size, dtype=g.dtype)).reshape(g.shape))


def simulated(kernel, at, spikes, **way):
    """From a state in the middle of a pulse; weights are differentiated too."""
    params, state, *weights = at
    inputs = jnp.where(spikes, *weights, 0.0) if weights else spikes
    return synkin.simulate(kernel, params, inputs, DT, state=state, method="exact", **way)[1]


def responded(kernel, at, spike_times):
    params, shifts, times, *weights = at
    given = {"weights": weights[0]} if weights else {}
    return synkin.respond(kernel, params, spike_times + shifts, times, dtype=float, **given)


DRIVERS = {"simulate": simulated, "parallel": partial(simulated, parallel=True), "respond": responded}


def arguments(name, driver):
    """All that is differentiated, and the train."""
    kernel, rng = ROWS[name].kernel, np.random.default_rng(8)
    params, takes_weights = jax.tree.map(jnp.asarray, point(name)), kernel.input.takes_weights
    if driver == "respond":
        at, given = (params, jnp.zeros(SPIKE_TIMES.size), jnp.asarray(TIMES)), SPIKE_TIMES
        weights = jnp.asarray([1.0, -0.5, 2.0, 0.3, 1.0])
    else:
        state = (jnp.asarray(0.31 if "left" in f else rng.uniform(0.1, 0.2)) for f in kernel.State._fields)
        at, given = (params, kernel.State(*state)), np.isin(np.arange(STEPS), (2, 9, 11, 18))
        weights = jnp.cos(jnp.arange(STEPS * 1.0))
    return (*at, allowed(name, weights)) if takes_weights else at, given


@cache
def compiled(name, driver):
    """Everything that is asked of a driver, compiled once: value, gradient in reverse, slope in forward mode."""
    kernel, (at, given) = ROWS[name].kernel, arguments(name, driver)
    x, unravel = ravel_pytree(at)

    @jax.jit
    def of(x, direction, given):
        def loss(x):
            return weighted(DRIVERS[driver](kernel, unravel(x), given))

        return *jax.value_and_grad(loss)(x), jax.jvp(loss, (x,), (direction,))[1]

    return of, np.asarray(x), unravel, given


SINGULAR = {
    "ampa": [{"alpha": 0.0}, {"beta": 0.0}, {"T": 0.0}, {"alpha": 0.0, "beta": 0.0}, {"T_dur": 0.1}],
    "bionmda": [
        *({rate: 0.0} for rate in ("alpha1", "beta1", "alpha2", "beta2", "T")), {"beta1": 0.0, "beta2": 0.0, "T": 0.0},
        dict.fromkeys(("alpha1", "beta1", "alpha2", "beta2"), 0.0), {"T_dur": 0.1},
    ],
    "closing_gate": [{"c": 0.0}, {"a": 0.0, "c": 0.0}],
    "dual_expon": [{"tau_rise": 3.0, "tau_decay": 3.0}, {"tau_rise": 12.0, "tau_decay": 2.0}],
    "nmda5": [{"kd": 0.0, "kr": 0.0}, dict.fromkeys(("kon", "koff", "kd", "kr", "beta", "alpha"), 0.0)],
    "oscillator": [{"w": 0.0}],
    "cascade": [{"k2": 1.0, "k1": 1.0}],
    "ampa+desensitising": [{"g_desensitising": 0.0}],
}  # fmt: skip
# Of one equation, as gabaa and two_states, it is ampa's.
DISTINCT = [name for name in ROWS if name not in ("gabaa", "two_states")]
# Dear ones with a neighbour of the same structure, in one way.
ONE = {"desensitising": "simulate", "gabab": "respond", "closing_gate": "respond"}
ONE |= {"ampa+desensitising": "simulate", "expon+dual_expon": "respond"}
DRIVEN = [(name, way) for name in DISTINCT for way in ("simulate", "respond") if ONE.get(name, way) == way]
DRIVEN += [(name, "parallel") for name in ("ampa", "dual_expon", "nmda5", "oscillator")]
QUICK = {("ampa", "simulate"), ("ampa", "respond"), ("dual_expon", "respond"), ("alpha", "simulate")}


@pytest.mark.parametrize(("name", "driver"), wide(DRIVEN, QUICK))
def test_first_derivatives(name, driver):
    """Forward, reverse and central difference, of parameters, state, weights, spike times and sample times."""
    of, x0, unravel, given = compiled(name, driver)
    (params, *others), moved = unravel(x0), 0
    for change in ({}, *SINGULAR.get(name, ())):
        x = np.asarray(ravel_pytree((params._replace(**jax.tree.map(jnp.asarray, change)), *others))[0])
        # What is traced and below 0 is NaN, so a rate of 0 is left to one side.
        rule = RIGHT if 0.0 in change.values() else CENTRAL
        wanted = by_difference(lambda x: of(x, x, given)[0], x, rule=rule)
        direction = np.cos(np.arange(x.size)) * np.where(x == 0, 1.0, x)
        _, reverse, forward = of(x, direction, given)
        limit = 2e-6 if change else 2e-7  # one-sided differences are that much less exact
        assert relative_error(reverse, wanted) < limit, (change, reverse, wanted)
        assert abs(forward - reverse @ direction) <= 1e-9 * (np.abs(reverse) @ np.abs(direction)), change
        moved |= np.asarray(reverse) != 0
    assert moved[: len(params)].all()
    if driver == "respond":
        # Of a sample on a spike the derivative in its time is that from the right, where the spike counts.
        x, sample = x0.copy(), len(params) + SPIKE_TIMES.size + 3
        x[sample], along = given[2], np.eye(x0.size)[sample]
        (wanted,) = by_difference(lambda s: of(x + s[0] * along, along, given)[0], [0.0], rule=RIGHT)
        _, reverse, forward = of(x, along, given)
        np.testing.assert_allclose([forward, reverse @ along], wanted, rtol=1e-7, atol=1e-10)
        value, reverse, forward = of(x0, x0, np.full_like(given, np.inf))
        assert value == forward == 0
        assert not np.asarray(reverse).any()


@pytest.mark.parametrize("driver", ["simulate", "respond"])
@pytest.mark.parametrize("name", wide(["ampa", "bionmda", "nmda5", "gabab", "ampa+desensitising"], ["ampa"]))
def test_a_pulse_that_ends_at_a_sample(name, driver):
    """At T_dur = n dt every sample is right from one side: here from the left, and from the right for T_dur = 0."""
    kernel = ROWS[name].kernel
    fields = [field for field in kernel.Params._fields if "T_dur" in field]
    spikes = np.isin(np.arange(STEPS), (1, 9, 11, 23))  # apart, overlapping, and one in the last step

    def by_length(x):
        params = kernel.Params()._replace(**dict.fromkeys(fields, x[0]))
        if driver == "simulate":
            return synkin.simulate(kernel, params, spikes, DT, method="exact", dtype=float)[1]
        return synkin.respond(kernel, params, np.flatnonzero(spikes) * DT, (np.arange(STEPS) + 1) * DT, dtype=float)

    @jax.jit
    def both(x):
        return *jax.jvp(by_length, (x,), (jnp.ones(1),)), jax.grad(lambda x: weighted(by_length(x)))(x)

    for steps in (0, 1, 2, 3, 5):
        x = jnp.asarray([steps * DT])
        _, got, reverse = both(x)
        left, right = (
            by_difference(lambda x: both(x)[0], x, rule=rule, h=2e-4 / max(steps * DT, 1))[0]
            for rule in (LEFT if steps else RIGHT, RIGHT)
        )
        scale = jnp.abs(right).max()
        # With several steps to the open state the slope at T_dur = 0 is 0, but for what the difference is off.
        is_flat = steps == 0 and name in ("nmda5", "gabab")
        assert jnp.minimum(jnp.abs(got - left), jnp.abs(got - right)).max() < (1e-9 if is_flat else 1e-8 * scale)
        assert is_flat or jnp.abs(got).max() > 0.1 * scale
        np.testing.assert_allclose(reverse[0], weighted(got), rtol=1e-10, atol=1e-13)


@pytest.mark.wide
@pytest.mark.parametrize("name", ["ampa", "bionmda", "nmda5"])
def test_gradient_through_chunks_is_that_of_the_whole(name):
    """The countdown hands d/dT_dur on through the state: also where a chunk ends within a pulse."""
    kernel = ROWS[name].kernel
    spikes = np.isin(np.arange(40), (2, 17, 30))  # pulses of 3.2 steps, two of which go on in the next chunk
    run = partial(synkin.simulate, kernel, dt=DT, method="exact", dtype=float)

    def chunks(T_dur):
        """Of one length, and no jit around them, so that all are compiled as one."""
        state, parts = kernel.init(kernel.Params(), (), dtype=float), []
        for part in np.split(spikes, 10):
            state, g = run(kernel.Params(T_dur=T_dur), part, state=state)
            parts.append(g)
        return jnp.concatenate(parts)

    ways = (lambda T_dur: run(kernel.Params(T_dur=T_dur), spikes)[1], chunks)
    whole, got = (jax.jvp(way, (0.8,), (1.0,))[1] for way in ways)
    assert jnp.abs(whole).max() > 0.02
    np.testing.assert_allclose(got, whole, rtol=1e-8, atol=1e-13)


# In blocks of 10 steps, and in one of all, as 59 is prime.
BY_HAND = [
    ("ampa", "exp_euler", 60), ("alpha", "exact", 59), ("bionmda", "exp_euler", 60), ("nmda5", "exact", 59),
    ("gabab", "exact", 60),
]  # fmt: skip


@pytest.mark.wide
@pytest.mark.parametrize(("name", "method", "steps"), BY_HAND)
def test_a_run_differentiates_as_a_scan_by_hand_does(name, method, steps):
    """In every mode, and with respect to all that may be differentiated: parameters, state and weights."""
    kernel, rng = ROWS[name].kernel, np.random.default_rng(8)
    state = kernel.State(*(jnp.asarray(rng.uniform(0.1, 0.2, 2)) for _ in kernel.State._fields))
    inputs = jnp.asarray(train(name, (steps, 2)))
    x = (jax.tree.map(jnp.asarray, point(name, (2,))), state, *(() if is_receptor(ROWS[name]) else (inputs,)))
    direction = jax.tree.map(lambda leaf: leaf * jnp.cos(jnp.arange(leaf.size, dtype=float)).reshape(leaf.shape), x)

    @partial(jax.jit, static_argnums=0)
    def derivatives(by_hand):
        def of(x):
            params, state, given = (*x, inputs)[:3]
            if by_hand:
                return weighted(samples.scan(kernel, params, state, given, DT, method=method)[1] ** 2)
            return weighted(synkin.simulate(kernel, params, given, DT, state=state, method=method)[1] ** 2)

        gradient, curved = jax.jvp(jax.grad(of), (x,), (direction,))
        several = jax.vmap(jax.grad(of))(jax.tree.map(lambda leaf: jnp.stack([leaf, 1.1 * leaf]), x))
        return gradient, jax.jvp(of, (x,), (direction,)), jax.linearize(of, x)[1](direction), curved, several

    for one, other in zip(*(jax.tree.leaves(derivatives(by_hand)) for by_hand in (False, True)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-10)


@pytest.mark.wide
@pytest.mark.parametrize("name", ["ampa", "bionmda"])
def test_gradient_of_a_batch_whose_pulses_are_under_way(name):
    """They end within different steps, in one synapse of the batch or another, and a readout reads what is left."""
    kernel, spikes = ROWS[name].kernel, np.zeros((6, 2), bool)
    spikes[4, 1] = True

    def total(left, T_dur):
        start = kernel.init(kernel.Params(), (2,))._replace(pulse_left=left)
        read = {"method": "exact", "state": start, "readout": lambda state, g: g.sum() + state.pulse_left.sum()}
        return synkin.simulate(kernel, kernel.Params(T_dur=T_dur), spikes, DT, **read)[1].sum()

    left, T_dur = jnp.array([[0.31, 0.0], [0.0, 0.83], [0.4, 0.06]]), jnp.array([0.6, 0.85, 0.9])
    of_batch = jax.grad(lambda *at: jax.vmap(total)(*at).sum(), (0, 1))(left, T_dur)
    each = jax.jit(jax.grad(total, (0, 1)))
    for got, expected in zip(of_batch, zip(*map(each, left, T_dur), strict=True), strict=True):
        np.testing.assert_allclose(got, jnp.stack(expected), rtol=1e-12, atol=1e-12)


# Second derivatives in all four orders of modes, at the singular points too


SHORT = np.isin(np.arange(16), (1, 9))
WAYS = {
    # Off the ends of pulses, where a second derivative jumps.
    "respond": lambda kernel, params, method: synkin.respond(kernel, params, np.array([0.1, 0.9]), [0.25, 0.97, 1.93]),
    "simulate": lambda kernel, params, method: synkin.simulate(kernel, params, SHORT, 0.1, method=method)[1],
    "scan of step": lambda kernel, params, method: jax.lax.scan(
        lambda state, spike: kernel.step(params, state, 0.0, spike, 0.1, method=method), kernel.init(params, ()), SHORT
    )[1],
    "scan of stepper": lambda kernel, params, method: jax.lax.scan(
        (stepper := synkin.stepper(kernel, params, 0.1, method=method)).step, stepper.init(()), SHORT
    )[1],
}


def slope(f, d):
    return lambda x: jax.jvp(f, (x,), (d,))[1]


# Of a function of a vector, at x and in the direction d: the Hessian's product with d, or d's with that.
ORDERS = {
    "forward of reverse": lambda f, x, d: jax.jvp(jax.grad(f), (x,), (d,))[1],
    "forward of forward": lambda f, x, d: jax.jvp(slope(f, d), (x,), (d,))[1],
    "reverse of forward": lambda f, x, d: jax.grad(slope(f, d))(x),
    "reverse of reverse": lambda f, x, d: jax.grad(lambda x: jax.grad(f)(x) @ d)(x),
}


# Name, parameters in place of defaults; what is free is all that moves g.
POINTS = {
    "dual_expon, tau_rise = tau_decay": ("dual_expon", {"tau_decay": 5.0, "tau_rise": 5.0, "amplitude": 1.3}),
    "ampa, alpha = beta = 0": ("ampa", {"alpha": 0.0, "beta": 0.0, "T": 0.7, "T_dur": 0.53}),
    "ampa": ("ampa", {"T_dur": 0.53}),
    "alpha": ("alpha", {"tau": 3.0}),
    "desensitising": ("desensitising", {"T_dur": 0.53, "r": 0.0}),
    "nmda5, equal rates": ("nmda5", dict.fromkeys(("kd", "kr", "beta", "alpha"), 0.02) | {"T_dur": 0.53}),
    "gabab": ("gabab", {"T_dur": 0.53}),
    "cascade, equal rates": ("cascade", {"k1": 0.3}),
    "bionmda, beta1 = 0": ("bionmda", {"beta1": 0.0, "T_dur": 0.53}),
    "bionmda, all rates 0": (
        "bionmda", dict.fromkeys(("alpha1", "beta1", "alpha2", "beta2"), 0.0) | {"T": 0.7, "T_dur": 0.53},
    ),
}  # fmt: skip
FREE = {"ampa": ("alpha", "beta", "T_dur"), "bionmda": ("alpha1", "beta1", "alpha2", "beta2")}
CASES = [
    *((way, "ampa, alpha = beta = 0", "exact") for way in WAYS),
    *((way, "dual_expon, tau_rise = tau_decay", "exact") for way in ("respond", "simulate")),
    *(("simulate", name, "exact") for name in ("alpha", "desensitising", "gabab", "cascade, equal rates")),
    ("simulate", "ampa", "exp_euler"), ("scan of step", "alpha", "exp_euler"), ("respond", "desensitising", "exact"),
    ("respond", "nmda5, equal rates", "exact"),
    ("simulate", "bionmda, beta1 = 0", "exp_euler"), ("scan of step", "bionmda, all rates 0", "exp_euler"),
    ("simulate", "bionmda, all rates 0", "exact"), ("respond", "bionmda, beta1 = 0", "exact"),
]  # fmt: skip


@pytest.mark.parametrize(("way", "name", "method"), wide(CASES, [("simulate", "alpha", "exact")]))
def test_a_hessian_in_every_order_of_modes(way, name, method):
    """Against differences of the gradient, over the largest element."""
    row, changes = POINTS[name]
    kernel = ROWS[row].kernel
    params = kernel.Params(**changes)
    free = FREE.get(row, kernel.Params._fields)
    x = np.array([float(getattr(params, field)) for field in free])
    # Those of bionmda take minutes to compile: one order says most.
    orders = list(ORDERS.values())[: 1 if (row, method) == ("bionmda", "exact") else 4]

    def value(x):
        g = WAYS[way](kernel, params._replace(**dict(zip(free, x, strict=True))), method)
        return weighted(g)

    @jax.jit
    def of(x, d):
        return jax.grad(value)(x), [order(value, x, d) for order in orders]

    # Into the range of a parameter that is 0, and from there alone.
    direction = np.where(x == 0, 1.0, x) * (1 + 0.5 * np.cos(np.arange(x.size)))
    rule = CENTRAL if x.all() else RIGHT
    (expected,) = by_difference(lambda s: of(x + s[0] * direction, direction)[0], [0.0], rule=rule)
    scale = np.abs(expected).max()
    for got in of(x, direction)[1]:
        wanted, size = (expected, 1.0) if got.ndim else (expected @ direction, np.abs(direction).sum())
        assert np.abs(got - wanted).max() / (scale * size) < 1e-7
