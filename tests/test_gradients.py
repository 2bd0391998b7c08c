"""Gradients of both exact drivers against differences of their values, also where formulas like to divide by 0."""

from functools import lru_cache

import differences
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import samples
from conftest import DISTINCT

import synkin

pytestmark = pytest.mark.usefixtures("x64")

DT = 0.25
STEPS = 60
SPIKE_TIMES = np.array([0.31, 1.02, 4.4, 4.9, 9.7, np.inf])
TIMES = np.sort(np.random.default_rng(3).uniform(0, 15, 40))


@pytest.fixture(params=list(DISTINCT.values()), ids=list(DISTINCT))
def distinct(request):
    return request.param


DISTINCT_RECEPTORS = {name: kernel for name, kernel in DISTINCT.items() if not kernel.TAKES_WEIGHTS}


@pytest.fixture(params=list(DISTINCT_RECEPTORS.values()), ids=list(DISTINCT_RECEPTORS))
def distinct_receptor(request):
    return request.param


def simulated(kernel, spikes=None, dt=DT, steps=STEPS):
    """The trace of `simulate` in "exact" as a function of the vector of parameters."""
    if spikes is None:
        spikes = samples.inputs(kernel, np.random.default_rng(1), (steps,))
    return lambda x: synkin.simulate(kernel, kernel.Params(*x), spikes, dt, method="exact", dtype=float)[1]


def responded(kernel, spike_times=SPIKE_TIMES, times=TIMES):
    """The same of `respond`."""
    return lambda x: synkin.respond(kernel, kernel.Params(*x), spike_times, times, dtype=float)


def random_params(kernel):
    """Parameters in general position: no pulse ends on the grid or at a sample."""
    return np.array([float(value) for value in samples.params(kernel, np.random.default_rng(2))])


def weighted(trace):
    """A scalar that weighs every sample differently, so that no two errors cancel."""

    def loss(x):
        g = trace(x)
        return jnp.sum(g * jnp.cos(1.7 * jnp.arange(g.size, dtype=float)))

    return loss


@lru_cache
def both_ways(loss):
    """The gradient in reverse and in forward mode, compiled once."""
    return jax.jit(lambda x: (jax.grad(loss)(x), jax.jacfwd(loss)(x)))


@pytest.mark.parametrize("driver", [simulated, responded])
def test_every_parameter_forward_and_reverse(kernel, driver):
    loss, x = weighted(driver(kernel)), random_params(kernel)
    expected = differences.gradient(loss, x)
    for gradient in both_ways(loss)(jnp.asarray(x)):
        assert differences.relative_error(gradient, expected) < 1e-7


@pytest.mark.parametrize("driver", [simulated, responded])
def test_second_order(distinct, driver):
    """The Hessian's product with a direction that has all parameters in it, forward over reverse."""
    loss, x = weighted(driver(distinct)), jnp.asarray(random_params(distinct))
    direction = x * jnp.cos(jnp.arange(x.size, dtype=float))
    gradient = jax.jit(jax.grad(loss))
    product = jax.jit(lambda x: jax.jvp(gradient, (x,), (direction,))[1])(x)
    (expected,) = differences.gradient(lambda s: gradient(x + s[0] * direction), [0.0])
    assert differences.relative_error(product, expected) < 1e-6


def test_reverse_over_reverse():
    loss, x = weighted(simulated(synkin.ampa)), jnp.asarray(random_params(synkin.ampa))
    forward, reverse = jax.jit(lambda x: (jax.jacfwd(jax.grad(loss))(x), jax.jacrev(jax.grad(loss))(x)))(x)
    np.testing.assert_allclose(reverse, forward, rtol=1e-9, atol=1e-9)


def test_simulate_and_respond_agree_on_the_gradient(distinct):
    kernel = distinct
    spikes = np.zeros(STEPS, bool)
    spikes[[2, 9, 11, 40]] = True
    first = int(kernel.TAKES_WEIGHTS)  # a linear kernel's input acts at the end of its step
    spike_times, times = (np.flatnonzero(spikes) + first) * DT, (np.arange(STEPS) + 1) * DT
    x = jnp.asarray(random_params(kernel))
    on_grid = jax.jit(jax.grad(weighted(simulated(kernel, spikes))))(x)
    off_grid = jax.jit(jax.grad(weighted(responded(kernel, spike_times, times))))(x)
    np.testing.assert_allclose(on_grid, off_grid, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("argument", ["spike_times", "times", "weights"])
def test_events_forward_and_reverse(kernel, argument):
    if argument == "weights" and not kernel.TAKES_WEIGHTS:
        pytest.skip("A receptor takes no weights.")
    params = kernel.Params(*random_params(kernel))
    at = {"spike_times": SPIKE_TIMES, "times": TIMES, "weights": np.array([1.0, 0.5, -0.7, 2.0, 0.1, 3.0])}
    if not kernel.TAKES_WEIGHTS:
        del at["weights"]
    at = {name: jnp.asarray(value) for name, value in at.items()}
    moved = at[argument]
    finite = jnp.isfinite(moved)

    def trace(x):
        return synkin.respond(kernel, params, **at | {argument: jnp.where(finite, x, jnp.inf)}, dtype=float)

    loss = weighted(trace)
    x = jnp.where(finite, moved, 0.0)
    expected = differences.gradient(loss, x, h=1e-4)
    for gradient in both_ways(loss)(jnp.asarray(x)):
        assert differences.relative_error(gradient, expected) < 1e-6


SINGULAR = {
    "ampa": [{"alpha": 0.0}, {"beta": 0.0}, {"T": 0.0}, {"alpha": 0.0, "beta": 0.0}, {"T_dur": 0.1}],
    "bionmda": [
        *({rate: 0.0} for rate in ("alpha1", "beta1", "alpha2", "beta2", "T")),
        {"beta1": 0.0, "beta2": 0.0, "T": 0.0},
        {"alpha1": 0.0, "beta1": 0.0, "alpha2": 0.0, "beta2": 0.0},
        {"T_dur": 0.1},
    ],
    "dual_expon": [{"tau_rise": 3.0, "tau_decay": 3.0}, {"tau_rise": 12.0, "tau_decay": 2.0}],
}


@pytest.mark.parametrize("driver", [simulated, responded])
@pytest.mark.parametrize("name", SINGULAR)
def test_singular_points(name, driver):
    """A rate of 0, equal time constants, a pulse shorter than a step."""
    kernel = synkin.KERNELS[name]
    loss = weighted(driver(kernel))
    for point in SINGULAR[name]:
        x = np.array(kernel.Params(*random_params(kernel))._replace(**point))
        # What is traced and below 0 is NaN, so a rate of 0 is left to one side.
        rule = differences.CENTRAL if x.all() else differences.RIGHT
        expected = differences.gradient(loss, x, rule=rule)
        for gradient in both_ways(loss)(jnp.asarray(x)):
            assert differences.relative_error(gradient, expected) < 1e-6, point


def test_second_order_at_equal_time_constants():
    loss = weighted(simulated(synkin.dual_expon))
    x = jnp.array([3.0, 3.0, 1.0])
    expected = differences.gradient(jax.grad(loss), x)
    assert differences.relative_error(jax.jit(jax.hessian(loss))(x), expected) < 1e-6


@pytest.mark.parametrize("driver", [simulated, responded])
def test_a_pulse_that_ends_at_a_sample(distinct_receptor, driver):
    """At T_dur = n dt every sample is right from one side: here from the left, and from the right for T_dur = 0."""
    receptor = distinct_receptor
    defaults = receptor.Params()
    spikes = np.zeros(STEPS, bool)
    spikes[[1, 9, 20, 22, STEPS - 1]] = True  # apart, overlapping, and one in the last step
    if driver is simulated:
        trace = simulated(receptor, spikes)
    else:
        trace = responded(receptor, np.flatnonzero(spikes) * DT, (np.arange(STEPS) + 1) * DT)

    def by_length(x):
        return trace(defaults._replace(T_dur=x[0]))

    forward, reverse = jax.jit(jax.jacfwd(by_length)), jax.jit(jax.jacrev(by_length))
    for steps_long in (0, 1, 2, 3, 5):
        x = np.array([steps_long * DT])
        got = forward(x)[:, 0]
        left, right = (
            differences.gradient(by_length, x, rule=rule, h=2e-4 / max(steps_long * DT, 1))[0]
            for rule in (differences.LEFT, differences.RIGHT)
        )
        if steps_long == 0:
            left = right
        scale = jnp.abs(right).max()
        assert jnp.minimum(jnp.abs(got - left), jnp.abs(got - right)).max() < 1e-8 * scale
        assert jnp.abs(got).max() > 0.1 * scale
        np.testing.assert_allclose(reverse(x)[:, 0], got, rtol=1e-12, atol=1e-14)


def test_gradient_through_chunks_is_that_of_the_whole(distinct_receptor):
    """The countdown hands d/dT_dur on through the state: also where a chunk ends within a pulse."""
    kernel = distinct_receptor
    spikes = np.zeros(40, bool)
    spikes[[2, 17, 30]] = True
    params = kernel.Params(*random_params(kernel))

    def whole(T_dur):
        return synkin.simulate(kernel, params._replace(T_dur=T_dur), spikes, DT, method="exact", dtype=float)[1]

    def chunks(T_dur):
        state, parts = None, []
        for part in np.split(spikes, [4, 18, 19]):
            state, g = synkin.simulate(
                kernel, params._replace(T_dur=T_dur), part, DT, state=state, method="exact", dtype=float
            )
            parts.append(g)
        return jnp.concatenate(parts)

    def by_hand(T_dur):
        state = kernel.init(params, (), dtype=float)
        return samples.scan(kernel, params._replace(T_dur=T_dur), state, spikes, DT, method="exact")[1]

    expected, *others = jax.jit(lambda T_dur: [jax.jacfwd(f)(T_dur) for f in (whole, chunks, by_hand)])(0.8)
    assert jnp.abs(expected).max() > 0.1
    for other in others:
        np.testing.assert_allclose(other, expected, rtol=1e-9, atol=1e-13)


def test_a_synapse_that_never_spikes_has_a_gradient_of_zero(distinct):
    kernel = distinct
    x = jnp.asarray(random_params(kernel))
    for trace in (simulated(kernel, np.zeros(10, bool)), responded(kernel, np.array([np.inf, np.inf]))):
        np.testing.assert_array_equal(jax.jit(jax.grad(weighted(trace)))(x), np.zeros(x.size))


def test_a_spike_at_a_sample_counts_and_its_derivative_is_from_the_right(distinct):
    """g is right-continuous: a sample at a spike time moves with what follows the spike."""
    kernel = distinct
    params = kernel.Params(*random_params(kernel))
    spike_times = jnp.array([1.0, 3.0])

    def g(time):
        return synkin.respond(kernel, params, spike_times, time[None], dtype=float)[0]

    at_spike = jnp.array(3.0)
    expected = differences.gradient(lambda x: g(x[0]), [3.0], rule=differences.RIGHT, h=1e-4)[0]
    for derivative in both_ways(g)(jnp.asarray(at_spike)):
        np.testing.assert_allclose(derivative, expected, rtol=1e-7)
    if kernel is synkin.expon:
        assert g(at_spike) > 1.0  # the jump of 1 mS is in it


def test_float32_gradients_are_those_of_float64(distinct):
    kernel, x = distinct, random_params(distinct)
    spikes = np.arange(STEPS) % 9 == 3

    def gradient(dtype):
        def loss(x):
            g = synkin.simulate(kernel, kernel.Params(*x), spikes, DT, method="exact", dtype=dtype)[1]
            return jnp.sum(g * jnp.cos(1.7 * jnp.arange(g.size, dtype=dtype)))

        return jax.jit(jax.grad(loss))(jnp.asarray(x, dtype))

    assert differences.relative_error(gradient("float32"), gradient("float64")) < 1e-4


@pytest.mark.parametrize("name", SINGULAR)
def test_float32_gradients_are_finite_at_the_singular_points(name):
    kernel = synkin.KERNELS[name]
    spikes = np.arange(STEPS) % 9 == 3

    @jax.jit
    def gradients(x):
        def total(x, method):
            return synkin.simulate(kernel, kernel.Params(*x), spikes, DT, method=method, dtype="float32")[1].sum()

        return [jax.grad(total)(x, method) for method in ("exact", "exp_euler")]

    for point in SINGULAR[name]:
        x = np.array(kernel.Params(*random_params(kernel))._replace(**point), "float32")
        assert all(np.isfinite(gradient).all() for gradient in gradients(x)), point


# In blocks of 10 steps, and in one of all, as 59 is prime.
@pytest.mark.parametrize(("method", "steps"), [("exp_euler", 60), ("exact", 59)])
def test_a_run_differentiates_as_a_scan_by_hand_does(distinct, method, steps):
    """In every mode, and with respect to all that may be differentiated: parameters, state and weights."""
    kernel, rng = distinct, np.random.default_rng(8)
    if kernel.structure.gated and method == "exact":
        pytest.skip("The scan by hand takes long to compile; finite differences check these derivatives.")
    params = samples.params(kernel, rng, (2,))
    state = kernel.State(*(rng.uniform(0.1, 0.3, 2) for _ in kernel.State._fields))
    inputs = samples.inputs(kernel, rng, (steps, 2))
    weights = jnp.cos(jnp.arange(2.0 * steps)).reshape(steps, 2)

    def loss(run, x):
        params, state, inputs = x
        return jnp.sum(weights * run(kernel.Params(*params), kernel.State(*state), inputs) ** 2)

    def driver(params, state, inputs):
        return synkin.simulate(kernel, params, inputs, DT, state=state, method=method)[1]

    def by_hand(params, state, inputs):
        return samples.scan(kernel, params, state, inputs, DT, method=method)[1]

    x = jax.tree.map(jnp.asarray, (tuple(params), tuple(state), inputs))
    if inputs.dtype == bool:
        x, given = x[:2], x[2]
    else:
        given = None

    def derivatives(run):
        def of(x):
            return loss(run, (*x, given) if given is not None else x)

        direction = jax.tree.map(lambda leaf: leaf * jnp.cos(jnp.arange(leaf.size, dtype=float)).reshape(leaf.shape), x)
        _, forward = jax.jvp(of, (x,), (direction,))
        _, linear = jax.linearize(of, x)
        _, curved = jax.jvp(jax.grad(of), (x,), (direction,))
        several = jax.vmap(jax.grad(of))(jax.tree.map(lambda leaf: jnp.stack([leaf, 1.1 * leaf]), x))
        return jax.grad(of)(x), forward, linear(direction), curved, several

    got, expected = (jax.jit(derivatives, static_argnums=0)(run) for run in (driver, by_hand))
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)
