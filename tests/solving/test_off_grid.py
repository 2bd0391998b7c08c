"""Spikes within a step, against `synkin.respond`; derivatives against differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import ampa, bionmda, dual_expon, expon, schemes, wang_nmda
from tests.contract.table import wide

close = np.testing.assert_allclose
DT, T, N = 0.1, 60, 4
SUM = ampa + bionmda
SOME = [ampa, dual_expon, wang_nmda]
OTHERS = [
    SUM,
    schemes.nmda5,
    bionmda,
    synkin.alpha,
    expon,
    schemes.gabab,
    schemes.kampa2004,
    schemes.vargas2004,
    schemes.jonas1993,
]


def run(stepper, spikes, offsets, state=None):
    carry = stepper.init(spikes.shape[1:]) if state is None else stepper.init(state=state)
    return jax.lax.scan(lambda carry, row: stepper.step(carry, row[0], offset=row[1]), carry, (spikes, offsets))


def some_spikes(seed=0):
    """Off the grid, at a step's start and at its end; all at once; a row without any."""
    rng = np.random.default_rng(seed)
    spikes = rng.random((T, N)) < 0.08
    spikes[3], spikes[4, :2], spikes[5] = True, True, False
    offsets = rng.random((T, N)) * DT
    offsets[:, 0], offsets[:, 1] = 0.0, DT
    return spikes, offsets


def expected(kernel, params, spikes, offsets, **options):
    gs = []
    for n in range(N):
        at = spikes[:, n]
        times = np.arange(T)[at] * DT + offsets[at, n] + 2e-13 * (offsets[at, n] == 0)  # after the g at that time
        # A spike at a step's end counts in the g there, whatever the last digit of the two times.
        gs.append(synkin.respond(kernel, params, times, np.arange(1, T + 1) * DT + 1e-13, **options))
    return np.stack(gs, axis=1)


def check_against_respond(kernel, params, dtype="float64", tolerance=1e-12, **options):
    spikes, offsets = some_spikes()
    stepper = synkin.stepper(kernel, params, DT, off_grid=True, dtype=dtype, **options)
    _, g = jax.jit(run)(stepper, spikes, offsets.astype(dtype))
    right = expected(kernel, params, spikes, offsets, **options)
    close(g, right, atol=tolerance * np.abs(right).max())


@pytest.mark.parametrize("kernel", wide(SOME + OTHERS, SOME[:2]), ids=lambda kernel: kernel.name)
def test_a_step_is_what_respond_gives(x64, kernel):
    check_against_respond(kernel, kernel.Params())
    check_against_respond(kernel, kernel.Params(), "float32", 4e-6)


LENGTHS = [(T_dur, overlap) for T_dur in (0.03, 0.3, 1.0, 2.345) for overlap in ("restart", "ignore")]


@pytest.mark.parametrize(("T_dur", "overlap"), wide(LENGTHS, [(0.03, "ignore"), (2.345, "restart"), (2.345, "ignore")]))
def test_pulses_of_any_length_and_what_ignores_them(x64, T_dur, overlap):
    check_against_respond(ampa, ampa.Params(T_dur=T_dur), overlap=overlap)


def test_parameters_of_each_synapse(x64):
    beta = np.linspace(0.1, 0.3, N)
    spikes, offsets = some_spikes()
    for kernel, name in ((ampa, "beta"), (schemes.nmda5, "kd")):
        stepper = synkin.stepper(kernel, kernel.Params(**{name: beta}), DT, off_grid=True)
        _, g = run(stepper, spikes, jnp.asarray(offsets))
        for n in range(N):
            right = expected(kernel, kernel.Params(**{name: beta[n]}), spikes, offsets)
            close(g[:, n], right[:, n], atol=1e-12)


def test_a_run_in_pieces_and_the_state_between(x64):
    spikes, offsets = some_spikes()
    stepper = synkin.stepper(ampa, ampa.Params(T_dur=1.23), DT, off_grid=True)
    _, whole = run(stepper, spikes, jnp.asarray(offsets))
    carry, first = run(stepper, spikes[:31], jnp.asarray(offsets[:31]))
    state = stepper.state(carry)
    assert float(state.pulse_left.max()) > 0
    _, second = run(stepper, spikes[31:], jnp.asarray(offsets[31:]), state)
    close(jnp.concatenate([first, second]), whole, atol=1e-14)
    with pytest.raises(ValueError, match="off the grid"):
        synkin.stepper(ampa, ampa.Params(T_dur=1.23), DT, method="exact").step(carry, spikes[0])


def test_single_precision_does_not_drift():
    """A pulse that is restarted 1,000 times and outlasts 840 steps ends where it should."""
    stepper = synkin.stepper(ampa, ampa.Params(T_dur=84.0), DT, off_grid=True)
    rows = 20_000
    spikes = np.zeros((rows, 1), bool)
    spikes[: rows - 1500 : 20] = True
    last = np.flatnonzero(spikes)[-1]
    final, g = run(stepper, spikes, np.full((rows, 1), 0.037, np.float32))
    end = (last * DT + 0.037 + 84.0) / DT
    assert np.argmax(np.diff(np.asarray(g)[last:, 0]) < -1e-6) + last + 1 == int(end)
    assert not stepper.state(final).pulse_left.any()


@pytest.mark.parametrize("kernel", wide([*SOME[:2], schemes.nmda5], SOME[1:2]), ids=lambda kernel: kernel.name)
def test_derivatives(x64, kernel):
    """In the time of a spike, at the ends of a step too, in parameters and in weights, also of spikes that are 0."""
    spikes, offsets = some_spikes(1)
    spikes[5:9] = False
    chosen = np.random.default_rng(2).normal(size=(T, N))
    weighs = kernel.input.takes_weights
    weights = jnp.asarray(spikes * 1.0)
    params = jax.tree.map(jnp.asarray, kernel.Params())
    inside = jnp.asarray(np.random.default_rng(3).uniform(0.01, 0.99, (T, N)) * DT)

    def loss(params, offsets, weights):
        stepper = synkin.stepper(kernel, params, DT, off_grid=True)
        return (jnp.sin(run(stepper, weights if weighs else spikes, offsets)[1]) * chosen).sum()

    value = jax.jit(loss)
    by_params, by_offsets, by_weights = jax.jit(jax.grad(loss, (0, 1, 2)))(params, inside, weights)
    h = 1e-6

    def difference(change):
        up, down = (value(*change(sign * h)) for sign in (1, -1))
        return (up - down) / (2 * h)

    for name in params._fields:
        d = difference(lambda e, name=name: (params._replace(**{name: getattr(params, name) + e}), inside, weights))
        close(getattr(by_params, name), d, rtol=1e-6, atol=1e-8)
    for at in list(zip(*np.nonzero(spikes), strict=True))[::5]:
        d = difference(lambda e, at=at: (params, inside.at[at].add(e), weights))
        close(by_offsets[at], d, rtol=1e-6, atol=1e-8)
    close(np.asarray(by_offsets)[~spikes], 0.0, atol=1e-12)
    if weighs:
        for at in ((3, 0), (6, 2)):
            d = difference(lambda e, at=at: (params, inside, weights.at[at].add(e)))
            close(by_weights[at], d, rtol=1e-6, atol=1e-8)
            assert abs(d) > 1e-3
    along = jax.tree.map(jnp.ones_like, (params, inside))
    forward = jax.jvp(lambda p, o: loss(p, o, weights), (params, inside), along)[1]
    close(forward, sum(x.sum() for x in jax.tree.leaves((by_params, by_offsets))), rtol=1e-9)
    # At the ends of a step the derivative is that from within it.
    ends = jnp.asarray(offsets)
    at_ends = jax.jit(jax.grad(loss, 1))(params, ends, weights)
    for at, sign in (((3, 0), 1), ((3, 1), -1)):
        d = (value(params, ends.at[at].add(sign * h), weights) - value(params, ends, weights)) / (sign * h)
        close(at_ends[at], d, rtol=1e-4, atol=1e-6)


def test_derivatives_where_a_pulse_ends_between_two_steps(x64):
    """They are those for a pulse that ends no later: from below in T_dur, and in the time of the spike."""
    lengths = jnp.asarray(np.repeat([0.1, 0.3, 0.5, 0.7, 1.0], 2))
    offsets = jnp.asarray(np.tile([0.0, DT], 5))
    spikes = jnp.zeros((T, 10), bool).at[3].set(True)
    weights = jnp.linspace(1.0, 2.0, T).at[2].set(0.0)  # that step ends as the spikes at offset 0 come

    def loss(lengths, offsets):
        stepper = synkin.stepper(ampa, ampa.Params(T_dur=lengths), DT, off_grid=True)
        return weights @ run(stepper, spikes, jnp.broadcast_to(offsets, (T, 10)))[1]

    def between_events(length, offset):
        g = synkin.respond(ampa, ampa.Params(T_dur=length), (3 * DT + offset)[None], jnp.arange(1.0, T + 1) * DT)
        return weights @ g

    found = jax.jit(jax.grad(lambda *at: loss(*at).sum(), (0, 1)))(lengths, offsets)
    right = jax.jit(jax.vmap(between_events))
    h = 1e-6
    for i, by in enumerate(found):
        # A difference from below that does not touch the corner.
        near, far = (right(*(x - n * h * (i == j) for j, x in enumerate((lengths, offsets)))) for n in (1, 2))
        close(by, (near - far) / h, rtol=1e-5, atol=1e-5)


@pytest.mark.wide
def test_a_batch_of_runs_and_an_offset_outside_of_the_step(x64):
    rng = np.random.default_rng(4)
    spikes, offsets = jnp.asarray(rng.random((T, 3, 40)) < 0.05), jnp.asarray(rng.random((T, 3, 40)) * DT)
    spikes = spikes.at[7, 1].set(True)  # one run has more events in a step than are carried at a time
    stepper = synkin.stepper(ampa, ampa.Params(), DT, off_grid=True)
    together = jax.jit(run)(stepper, spikes, offsets)[1]
    batch = jax.jit(lambda s, o: jax.vmap(lambda s, o: run(stepper, s, o)[1], in_axes=1, out_axes=1)(s, o))
    close(batch(spikes, offsets), together, atol=1e-15)
    square = jax.jit(jax.grad(lambda o: (batch(spikes, o) ** 2).sum()))(offsets)
    close(square, jax.jit(jax.grad(lambda o: (run(stepper, spikes, o)[1] ** 2).sum()))(offsets), atol=1e-14)
    spikes = spikes.at[3, 0, :2].set(True).at[3, 0, 2].set(False)
    outside = offsets.at[3, 0, 0].set(1.01 * DT).at[3, 0, 1].set(-0.01 * DT).at[3, 0, 2].set(5.0)  # traced in a run
    g = np.asarray(jax.jit(run)(stepper, spikes, outside)[1])
    assert np.isnan(g[3:, 0, :2]).all()
    assert np.isnan(g).sum() == 2 * (T - 3)


def test_second_derivatives_are_there_where_nothing_is_added(x64):
    """JAX differentiates the steps of a loop a second time without a rule of their own."""
    spikes, offsets = some_spikes(2)
    rng = np.random.default_rng(4)
    weights, along = jnp.asarray(spikes * rng.random((T, N))), jnp.asarray(rng.normal(size=(T, N)))
    chosen = rng.normal(size=(T, N))

    def loss(params, weights, offsets):
        stepper = synkin.stepper(dual_expon, params, DT, off_grid=True)
        return (jnp.sin(run(stepper, weights, offsets)[1]) * chosen).sum()

    params, h = jax.tree.map(jnp.asarray, dual_expon.Params()), 1e-5

    @jax.jit
    def gradients(weights):
        return jax.grad(loss, (0, 2))(params, weights, jnp.asarray(offsets))

    got = jax.jvp(gradients, (weights,), (along,))[1]
    up, down = gradients(weights + h * along), gradients(weights - h * along)
    for exact, *pair in zip(*map(jax.tree.leaves, (got, up, down)), strict=True):
        close(exact, (pair[0] - pair[1]) / (2 * h), rtol=1e-6, atol=1e-7)


def test_a_traced_carry_of_another_dt_is_nan():
    mine, other = (synkin.stepper(ampa, ampa.Params(), dt, off_grid=True) for dt in (DT, 0.2))
    carry, _ = other.step(other.init((2,)), [1, 0], offset=0.0)
    for use in (lambda carry: mine.state(carry).g, lambda carry: mine.step(carry, [0, 0], offset=0.0)[1]):
        assert np.isnan(jax.jit(use)(carry)).all()
        with pytest.raises(ValueError, match="dt"):
            use(carry)
