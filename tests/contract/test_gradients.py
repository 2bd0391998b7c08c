"""Gradients of both exact drivers against differences of their values, also where formulas like to divide by 0."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from tests.helpers import differences, samples
from tests.helpers.kernels import DISTINCT

pytestmark = pytest.mark.usefixtures("x64", "quickly_compiled")

DT = 0.25
STEPS = 60
SPIKE_TIMES = np.array([0.31, 1.02, 4.4, 4.9, 9.7, np.inf])
TIMES = np.sort(np.random.default_rng(3).uniform(0, 15, STEPS))
WEIGHTS = np.array([1.0, 0.5, -0.7, 2.0, 0.1, 3.0])


@pytest.fixture(params=list(DISTINCT.values()), ids=list(DISTINCT))
def distinct(request):
    return request.param


DISTINCT_RECEPTORS = {name: kernel for name, kernel in DISTINCT.items() if not kernel.input.takes_weights}


@pytest.fixture(params=list(DISTINCT_RECEPTORS.values()), ids=list(DISTINCT_RECEPTORS))
def distinct_receptor(request):
    return request.param


def simulated(kernel, x, spikes, dtype=float):
    """The trace of `simulate` in "exact" for a vector of parameters."""
    return synkin.simulate(kernel, kernel.Params(*x), spikes, DT, method="exact", dtype=dtype)[1]


def responded(kernel, x, spike_times, times):
    """The same of `respond`."""
    return synkin.respond(kernel, kernel.Params(*x), spike_times, times, dtype=float)


DRIVERS = (simulated, responded)


def train(kernel, driver):
    """What a driver runs over."""
    if driver is simulated:
        return (samples.inputs(kernel, np.random.default_rng(1), (STEPS,)),)
    return SPIKE_TIMES, TIMES


def random_params(kernel):
    """Parameters in general position: no pulse ends on the grid or at a sample."""
    return np.array([float(value) for value in samples.params(kernel, np.random.default_rng(2))])


def weighted(g):
    """A scalar that weighs every sample differently, so that no two errors cancel."""
    return jnp.sum(g * jnp.cos(1.7 * jnp.arange(g.size, dtype=g.dtype)))


@cache
def derivatives(kernel, driver):
    """All that is asked of a driver, compiled once: a function of parameters, a direction and a train.

    It gives the loss and its gradient in reverse mode, (1 + n,), the slope in the direction in forward mode, and the
    Hessian's product with the direction, forward over reverse, (n,).
    """

    @jax.jit
    def of(x, direction, *train):
        def loss(x):
            return weighted(driver(kernel, x, *train))

        _, slope = jax.jvp(loss, (x,), (direction,))
        (value, gradient), (_, product) = jax.jvp(jax.value_and_grad(loss), (x,), (direction,))
        return jnp.append(gradient, value), slope, product

    return of


def measured(kernel, driver, x, rule=differences.CENTRAL):
    """The gradient in reverse and in forward mode and the Hessian, each with its differences."""
    of, given = derivatives(kernel, driver), train(kernel, driver)
    every = np.eye(x.size)
    columns = [of(x, direction, *given) for direction in every]
    reverse, forward, hessian = columns[0][0][:-1], np.array([c[1] for c in columns]), np.array([c[2] for c in columns])
    moved = differences.gradient(lambda x: of(x, every[0], *given)[0], x, rule=rule, one_by_one=True)
    return reverse, forward, moved[:, -1], hessian, moved[:, :-1]


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


def test_every_parameter(kernel):
    """Forward and reverse and of second order, of both drivers; at a rate of 0, at equal time constants, for a pulse
    shorter than a step. In single precision, too. One test a kernel, for what takes long is to compile."""
    for driver in DRIVERS:
        for point in ({}, *SINGULAR.get(kernel.name, ())):
            x = np.array(kernel.Params(*random_params(kernel))._replace(**point))
            # What is traced and below 0 is NaN, so a rate of 0 is left to one side.
            rule = differences.CENTRAL if x.all() else differences.RIGHT
            reverse, forward, gradient, hessian, curved = measured(kernel, driver, x, rule)
            limit = 10 if point else 1  # one-sided differences are that much less exact
            assert differences.relative_error(reverse, gradient) < limit * 1e-7, (driver, point)
            assert differences.relative_error(forward, gradient) < limit * 1e-7, (driver, point)
            assert differences.relative_error(hessian, curved) < limit * 1e-6, (driver, point)
    simulate_and_respond_agree(kernel)
    without_a_spike_it_is_0(kernel)
    in_single_precision(kernel)


def simulate_and_respond_agree(kernel):
    spikes = np.zeros(STEPS, bool)
    spikes[[2, 9, 11, 40]] = True
    first = int(kernel.input.takes_weights)  # a linear kernel's input acts at the end of its step
    spike_times, times = (np.flatnonzero(spikes) + first) * DT, (np.arange(STEPS) + 1) * DT
    spike_times = np.append(spike_times, [np.inf] * (SPIKE_TIMES.size - spike_times.size))
    spikes = spikes.astype(train(kernel, simulated)[0].dtype)
    x = random_params(kernel)
    on_grid, off_grid = derivatives(kernel, simulated), derivatives(kernel, responded)
    for one, other in zip(on_grid(x, x, spikes), off_grid(x, x, spike_times, times), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-11)


def without_a_spike_it_is_0(kernel):
    x, spikes = random_params(kernel), np.zeros_like(train(kernel, simulated)[0])
    for got in (
        derivatives(kernel, simulated)(x, x, spikes),
        derivatives(kernel, responded)(x, x, np.full_like(SPIKE_TIMES, np.inf), TIMES),
    ):
        for derivative in got:
            np.testing.assert_array_equal(derivative, np.zeros_like(derivative))


def in_single_precision(kernel):
    x, spikes = random_params(kernel), np.arange(STEPS) % 9 == 3

    @jax.jit
    def gradients(x):
        def loss(x, method):
            g = synkin.simulate(kernel, kernel.Params(*x), spikes, DT, method=method, dtype="float32")[1]
            return weighted(g)

        return [jax.grad(loss)(x, method) for method in ("exact", "exp_euler")]

    exact, _ = gradients(x.astype("float32"))
    wanted = derivatives(kernel, simulated)(x, x, spikes.astype(train(kernel, simulated)[0].dtype))[0][:-1]
    assert differences.relative_error(exact, wanted) < 1e-4
    for point in SINGULAR.get(kernel.name, ()):
        x = np.array(kernel.Params(*random_params(kernel))._replace(**point), "float32")
        assert all(np.isfinite(gradient).all() for gradient in gradients(x)), point


def test_reverse_over_reverse():
    spikes = train(synkin.ampa, simulated)

    def loss(x):
        return weighted(simulated(synkin.ampa, x, *spikes))

    x = jnp.asarray(random_params(synkin.ampa))
    forward, reverse = jax.jit(lambda x: (jax.jacfwd(jax.grad(loss))(x), jax.jacrev(jax.grad(loss))(x)))(x)
    np.testing.assert_allclose(reverse, forward, rtol=1e-9, atol=1e-9)


def test_events_forward_and_reverse(kernel):
    """Of spike times, sample times and weights; at a sample on a spike, too, from the right: that spike counts."""
    params = kernel.Params(*random_params(kernel))
    finite = np.isfinite(SPIKE_TIMES)
    cuts = np.cumsum([finite.sum(), TIMES.size])

    @jax.jit
    def of(x):
        def loss(x):
            spike_times, times, weights = jnp.split(x, cuts)
            spike_times = jnp.append(spike_times, jnp.inf)
            given = {"weights": weights} if kernel.input.takes_weights else {}
            return weighted(synkin.respond(kernel, params, spike_times, times, dtype=float, **given))

        return *jax.value_and_grad(loss)(x), jax.jacfwd(loss)(x)

    def value(x):
        return of(x)[0]

    x = np.concatenate([SPIKE_TIMES[finite], TIMES, WEIGHTS if kernel.input.takes_weights else []])
    expected = differences.gradient(value, x, h=1e-4, one_by_one=True)
    for gradient in of(x)[1:]:
        assert differences.relative_error(gradient, expected) < 1e-6

    at = cuts[0] + int(np.searchsorted(TIMES, SPIKE_TIMES[2]))
    x[at] = SPIKE_TIMES[2]
    along = np.zeros_like(x)
    along[at] = 1.0
    expected = differences.gradient(
        lambda s: value(x + s[0] * along), [0.0], rule=differences.RIGHT, h=1e-4, one_by_one=True
    )[0]
    for gradient in of(x)[1:]:
        np.testing.assert_allclose(gradient[at], expected, rtol=1e-7)


def test_a_spike_at_a_sample_counts():
    """g is right-continuous."""
    g = synkin.respond(synkin.expon, synkin.expon.Params(), np.array([1.0, 3.0]), np.array([3.0]))
    assert g[0] > 1.0  # the jump of 1 mS is in it


@pytest.mark.parametrize("driver", [simulated, responded])
def test_a_pulse_that_ends_at_a_sample(distinct_receptor, driver):
    """At T_dur = n dt every sample is right from one side: here from the left, and from the right for T_dur = 0."""
    receptor = distinct_receptor
    defaults = receptor.Params()
    spikes = np.zeros(STEPS, bool)
    spikes[[1, 9, 20, 22, STEPS - 1]] = True  # apart, overlapping, and one in the last step
    given = (spikes,) if driver is simulated else (np.flatnonzero(spikes) * DT, (np.arange(STEPS) + 1) * DT)

    def by_length(x):
        return driver(receptor, defaults._replace(T_dur=x[0]), *given)

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
    spikes[[2, 17, 30]] = True  # pulses of 3.2 steps, two of which go on in the next chunk, the second to its last step
    params = kernel.Params(*random_params(kernel))

    # Chunks of one length, and no jit around them, so that all but the first are compiled as one.
    def chunks(T_dur):
        state, parts = None, []
        for part in np.split(spikes, 10):
            state, g = synkin.simulate(
                kernel, params._replace(T_dur=T_dur), part, DT, state=state, method="exact", dtype=float
            )
            parts.append(g)
        return jnp.concatenate(parts)

    def whole(T_dur):
        return synkin.simulate(kernel, params._replace(T_dur=T_dur), spikes, DT, method="exact", dtype=float)[1]

    def by_hand(T_dur):
        state = kernel.init(params, (), dtype=float)
        return samples.scan(kernel, params._replace(T_dur=T_dur), state, spikes, DT, method="exact")[1]

    # A gate's scan by hand takes long to compile; `test_hessians` and `test_forms` differentiate its step.
    ways = (whole, chunks) if kernel.structure.gated else (whole, chunks, by_hand)
    expected, *others = (jax.jvp(f, (0.8,), (1.0,))[1] for f in ways)
    assert jnp.abs(expected).max() > 0.1
    for other in others:
        np.testing.assert_allclose(other, expected, rtol=1e-9, atol=1e-13)


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


def test_gradient_of_a_batch_whose_pulses_are_under_way(distinct_receptor):
    """They end within different steps, in one synapse of the batch or another, and a readout reads what is left."""
    spikes = np.zeros((6, 2), bool)
    spikes[4, 1] = True
    state = distinct_receptor.init(distinct_receptor.Params(), (2,))

    def total(left, T_dur):
        start = state._replace(pulse_left=left)
        params = distinct_receptor.Params(T_dur=T_dur)
        read = {"method": "exact", "state": start, "readout": lambda state, g: g.sum() + state.pulse_left.sum()}
        return synkin.simulate(distinct_receptor, params, spikes, DT, **read)[1].sum()

    left, T_dur = jnp.array([[0.31, 0.0], [0.0, 0.83], [0.4, 0.06]]), jnp.array([0.6, 0.85, 0.9])
    of_batch = jax.grad(lambda *at: jax.vmap(total)(*at).sum(), (0, 1))(left, T_dur)
    one_by_one = jax.grad(lambda *at: sum(map(total, *at)), (0, 1))(left, T_dur)
    for got, expected in zip(of_batch, one_by_one, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
