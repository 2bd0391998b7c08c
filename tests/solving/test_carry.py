"""What goes from step to step: whose it is, how long it lasts, and what a spike may be."""

import pickle
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import ampa, bionmda, environ, expon, simulate, stepper
from synkin.solving import pulses

EVERY_METHOD = pytest.mark.parametrize("method", ["exp_euler", "exact"])
N, DT = 3, 0.1
SUM = ampa + bionmda
equal = np.testing.assert_array_equal


def ready(kernel=ampa, dt=DT, method="exact", overlap="restart", **params):
    return stepper(kernel, kernel.Params(**params), dt, method=method, overlap=overlap)


# How long it lasts


@pytest.mark.parametrize(("kernel", "method", "overlap"), [(SUM, "exp_euler", "restart"), (ampa, "exact", "ignore")])
def test_what_a_step_without_a_pulse_counts_is_what_it_began_with(kernel, method, overlap):
    """So any number of steps after a pulse is as one: there is nothing that could run over."""
    steps = ready(kernel, method=method, overlap=overlap)
    ended = begin = steps.step(steps.init((N,)), True)[0]
    for _ in range(8):
        ended = steps.step(ended, False)[0]
    once_more = steps.step(ended, False)[0]
    assert not any(count.any() for count in jax.tree.leaves((ended.count, once_more.count)))
    assert all((count > 0).all() for count in jax.tree.leaves(begin.count))
    first, last = (jax.tree.map(lambda x: (x.shape, x.dtype), carry) for carry in (steps.init((N,)), once_more))
    assert first == last


@EVERY_METHOD
def test_a_pulse_as_long_as_can_be_counted_ends(method):
    """And no count, of a pulse of any length, goes up."""
    steps = ready(method=method, T_dur=1e30)
    carry = steps.step(steps.init((N,)), True)[0]
    assert (carry.count > 0).all()
    assert (steps.step(carry, False)[0].count < carry.count).all()
    longest = pulses.on_grid(jnp.float32(1e30), 0.1, method).full
    assert int(longest) + 1 + 2 * (pulses.MOST_ROWS - 1) <= np.iinfo(np.int32).max


@pytest.mark.parametrize("in_parallel", [False, True])
def test_a_train_of_more_rows_than_are_counted_at_once_is_one_run(monkeypatch, in_parallel):
    spikes = np.random.default_rng(0).random((37, N)) < 0.1

    def run(**options):
        def total(T_dur):
            final, g = simulate(ampa, ampa.Params(T_dur=T_dur), spikes, DT, method="exact", **options)
            return g.sum(), (final, g)

        return total(0.55) if in_parallel else jax.value_and_grad(total, has_aux=True)(0.55)

    expected = run(parallel=in_parallel)
    monkeypatch.setattr(pulses, "MOST_ROWS", 7)
    got = run(parallel=in_parallel, checkpoint=99)  # another program than the one that is there
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_a_train_too_long_for_an_index_is_refused():
    spikes = jax.ShapeDtypeStruct((2**31, 1), bool)
    with pytest.raises(ValueError, match=r"must have at most 2147483647 rows, but has 2147483648: "):
        jax.eval_shape(lambda spikes: simulate(ampa, ampa.Params(), spikes, DT), spikes)


def test_a_carry_may_be_donated_and_stored():
    steps = ready(SUM, method="exp_euler")
    step = jax.jit(steps.step, donate_argnums=0)
    for on_grid in (False, True):
        carry = steps.init((N,))
        carry = steps.init(state=steps.state(carry), on_grid=True) if on_grid else carry
        for _ in range(2):
            carry, g = step(carry, True)
        after = steps.step(carry, False)[1]
        assert min(after.min(), g.min()) > 0
    equal(steps.step(pickle.loads(pickle.dumps(carry)), False)[1], after)


# Whose it is


def test_a_carry_of_something_else_is_refused_traced_or_not():
    of = "must be of a stepper of ampa with 'exact', but is of {} with '{}'."
    steps, a_sum = ready(), ready(SUM, method="exp_euler")
    for other, sentence in (
        (ready(bionmda, method="exp_euler").init((N,)), of.format("bionmda", "exp_euler")),
        (ready(expon).init((N,)), of.format("expon", "exact")),
        (ready(method="exp_euler").init((N,)), of.format("ampa", "exp_euler")),
        (
            a_sum.init((N,)),
            "must be one of this stepper's `init`, but is a synkin.solving.carry.CarryOfSum.",
        ),
        (ampa.init(ampa.Params(), N), "must be one of this stepper's `init`, but is a synkin.ampa.State."),
    ):
        for call in (steps.step, jax.jit(steps.step), lambda carry, _: steps.state(carry)):
            with pytest.raises((TypeError, ValueError)) as raised:
                call(other, True)
            assert str(raised.value) == f"Argument `carry` {sentence}"


@pytest.mark.parametrize(
    ("method", "other", "of"),
    [
        ("exp_euler", {"dt": 0.05}, "dt = 0.05 ms"),
        ("exact", {"dt": 0.05}, "dt = 0.05 ms"),
        ("exact", {"T_dur": np.array([0.5, 0.5, 0.6])}, "another T_dur"),
    ],
)
def test_a_carry_that_counts_other_steps_is_refused_and_traced_gives_nan(method, other, of):
    steps, carry = ready(method=method), ready(method=method, **other).init((N,))
    for call in (lambda: steps.step(carry, True), lambda: steps.state(carry)):
        with pytest.raises(ValueError, match=f"but is of one with {of}: go on from its state, init") as raised:
            call()
        assert str(raised.value).count(". ") == 0
    wrong = np.array([False, False, True]) if "T_dur" in other else np.ones(N, bool)
    for got in jax.jit(lambda carry: (steps.step(carry, True)[1], steps.state(carry).g))(carry):
        equal(np.isnan(got), wrong)


@EVERY_METHOD
def test_the_same_dt_and_pulse_made_anew_take_each_others_carry(method):
    """Made in two programs, in which rounding may differ. A linear kernel's is of any dt."""
    carry = jax.jit(lambda: ready(method=method).init((N,)))()
    made = jax.jit(lambda third: ready(dt=third * 0.3, method=method))(1 / 3)
    assert np.isfinite(made.step(carry, True)[1]).all()
    assert np.isfinite(ready(expon).step(ready(expon, dt=0.3).init((N,)), 1.0)[1]).all()


@pytest.mark.parametrize(
    ("kernel", "method"),
    [(SUM, "exp_euler"), (ampa, "exact"), pytest.param(bionmda, "exact", marks=pytest.mark.wide)],
)
def test_a_carry_from_a_state_goes_with_one_from_rest(kernel, method):
    steps = ready(kernel, method=method)
    carry = steps.init((N,))
    for spikes in ([True, False, True], [False, True, False], [False, True, False]):
        carry, _ = steps.step(carry, np.array(spikes))
    anew = lambda: steps.init(state=steps.state(carry), on_grid=method == "exact")  # noqa: E731

    @jax.jit
    def go_on(which):
        begin = jax.lax.switch(which, [lambda: carry, anew, lambda: steps.init((N,))])
        return jax.lax.scan(lambda carry, _: steps.step(carry, False), begin, length=8)[1]

    np.testing.assert_allclose(go_on(1), go_on(0), rtol=1e-6)
    assert (go_on(0) > 0).all()
    assert (go_on(2) == 0).all()


def test_a_pulse_that_began_on_another_grid_ends_in_its_time():
    """0.33 ms of it are to come, which end within a step, while pulses of the parameters end with one."""
    state, ends = ampa.State(jnp.full(N, 0.2), jnp.full(N, 0.33)), DT * np.arange(1, 7)[:, None]
    _, g = simulate(ampa, ampa.Params(T_dur=0.5), np.zeros((6, N), bool), DT, state=state, method="exact")
    rate, limit = 0.98 * 0.5 + 0.18, 0.98 * 0.5 / (0.98 * 0.5 + 0.18)
    at_end = limit + (0.2 - limit) * np.exp(-rate * np.minimum(ends, 0.33))
    np.testing.assert_allclose(g, at_end * np.exp(-0.18 * np.maximum(ends - 0.33, 0)) * np.ones(N), rtol=2e-6)


def test_a_pulse_off_the_grid_is_refused_on_it_and_traced_gives_nan():
    steps = ready()
    state = ampa.State(jnp.full(N, 0.25), jnp.array([0.23, 0.3, 0.0]))
    with pytest.raises(ValueError, match=r"has a pulse_left of 0\.23 ms: leave `on_grid` out\.$"):
        steps.init(state=state, on_grid=True)
    got = jax.jit(lambda state: steps.init(state=state, on_grid=True))(state)
    equal(np.isnan(got.y[0]), [True, False, False])
    assert np.isfinite(steps.step(steps.init(state=state), False)[1]).all()


# What a spike may be


@jax.custom_jvp
def surrogate(V):
    return (V > 0).astype(V.dtype)


surrogate.defjvp(lambda V, dV: (surrogate(*V), dV[0] / (1 + jnp.abs(V[0])) ** 2))


def stepped(kernel, spike):
    steps = ready(kernel, method=kernel.methods[0])
    return steps.step(steps.init(jnp.shape(spike)), spike)[1]


def scanned(kernel, spike):
    steps = ready(kernel, method=kernel.methods[0])
    return jax.lax.scan(steps.step, steps.init(jnp.shape(spike)), jnp.stack([spike, spike]))[1]


def one_step(kernel, spike):
    return kernel.step(kernel.Params(), kernel.init(kernel.Params(), jnp.shape(spike)), 0.0, spike, DT)[1]


def ran(kernel, spike):
    return simulate(kernel, kernel.Params(), jnp.stack([spike, spike]), DT)[1]


def released(kernel, spike):
    return one_step(synkin.tsodyks_markram, spike)


@pytest.mark.parametrize("take", [stepped, one_step, ran, released])
def test_what_is_no_spike_is_refused(take):
    for wrong in (0.015625, 0.5, -1.0, 2.0, 5.0):
        low, high = min(wrong, 0.0), max(wrong, 0.0)
        with pytest.raises(ValueError, match=f"must be 0 or 1.*, but has values from {low} to {high}"):
            take(ampa, jnp.array([0.0, wrong]))
    expected = take(ampa, jnp.array([False, True]))
    for dtype in (jnp.uint32, jnp.float16):
        equal(take(ampa, jnp.array([0, 1], dtype)), expected)


@pytest.mark.parametrize(
    ("take", "dtype"),
    [(stepped, int), (stepped, float), (scanned, int), (one_step, float), (ran, int), (ran, float), (released, float)],
)
def test_what_is_no_spike_gives_nan_where_it_is_traced(take, dtype):
    given = jnp.array([0, 1, 2, -1] if dtype is int else [0, 1, 0.3, jnp.nan], dtype)
    got = jax.jit(lambda spike: take(ampa, spike))(given).reshape(-1, 4)
    equal(np.isnan(got), np.broadcast_to([False, False, True, True], got.shape))


@pytest.mark.parametrize(
    ("kernel", "take", "transform"),
    [
        *((ampa, take, jax.jacfwd) for take in (stepped, one_step, ran, released)),
        *((kernel, take, None) for kernel, take in ((ampa, one_step), (ampa, scanned), (SUM, ran))),
    ],
    ids=lambda value: getattr(value, "name", getattr(value, "__name__", "none")),
)
def test_a_spike_with_a_derivative_is_refused(kernel, take, transform):
    """And one that has none is not, whatever it was computed from."""
    transform = transform or (lambda f: jax.jit(jax.grad(jax.checkpoint(f))))
    V = jnp.array([0.5, -0.5])
    slope = lambda fires: transform(lambda V: take(kernel, fires(V)).sum() + V.sum())(V)  # noqa: E731
    with pytest.raises(TypeError, match=r"must have no derivative, .* or, for gradients through spikes, take a linear"):
        slope(surrogate)
    for fires in (lambda V: (V > 0).astype(float), lambda V: jax.lax.stop_gradient(surrogate(V))):
        equal(slope(fires), 1)


@pytest.mark.parametrize(
    ("around", "mode", "spike_at_once"),
    [
        (jax.jit, jax.grad, True),
        (jax.checkpoint, jax.grad, False),
        (lambda f: lambda p: jax.vmap(f)(jnp.stack([p, p])).sum(), jax.jacfwd, False),
    ],
    ids=["jit", "checkpoint", "vmap"],
)
def test_a_network_that_learns_its_parameters_is_not_refused(around, mode, spike_at_once):
    """Spikes of a threshold, as numbers, that a loop carries; g drives the neurons, which fire."""
    steps = ready(method="exp_euler")

    def rate(drive):
        def body(held, _):
            carry, V, fired = held
            now = (V > 1.0).astype(V.dtype)
            carry, g = steps.step(carry, now if spike_at_once else fired)
            V = jax.lax.cond(drive > 0, lambda V: V, jnp.zeros_like, V) * (1 - now) + DT * (drive - V + g)
            return (carry, V, now), V

        return jax.lax.scan(body, (steps.init((N,)), jnp.zeros(N), jnp.zeros(N)), length=60)[1].sum()

    assert abs(mode(around(rate))(jnp.asarray(1.5))) > 1


# How long a pulse becomes


def an_object(params):
    with environ.context(dt=DT):
        synapse = synkin.AMPA(N, **params._asdict())
        return [synapse.update(False) for _ in range(2)]


def a_sum(params):
    both = synkin.gabaa + ampa
    stepper(both, both.Params(**{f"ampa_{name}": value for name, value in params._asdict().items()}), DT)


USES = {
    "simulate": lambda params: simulate(ampa, params, np.zeros((2, N), bool), DT),
    "stepper": lambda params: stepper(ampa, params, DT),
    "step": lambda params: ampa.step(params, ampa.init(params, N), 0.0, False, DT),
    "object": an_object,
    "sum": a_sum,
}


@pytest.mark.parametrize("use", USES)
def test_a_pulse_that_is_rounded_is_said_once(monkeypatch, use):
    """And neither one that is exact nor one that is traced."""
    monkeypatch.setattr(sys.modules["synkin.solving.rounding"], "_warned", set())
    said = (
        'A pulse of ampa with T_dur = 0.35 ms lasts 0.4 ms with "exp_euler" at dt = 0.1 ms, where pulses are of whole '
        'steps: take method="exact", or a dt that divides T_dur.'
    )
    stepper(ampa, ampa.Params(T_dur=0.35), DT, method="exact")
    jax.jit(lambda T_dur: stepper(ampa, ampa.Params(T_dur=T_dur), DT))(0.35)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for T_dur in (0.35, 0.35, np.full(N, 0.5), 0.3, np.float32(0.7), 0.0, 0.50004):
            USES[use](ampa.Params(T_dur=T_dur))
    assert [str(one.message) for one in caught] == [said]
    assert caught[0].filename == __file__


def test_times_of_0_and_1_that_are_honest_are_taken():
    """Though they might be a train."""
    for times in ([0.0, 1], [1, 0], [0.0, 1, np.inf, np.inf], [0, 1, 2, 0]):
        assert np.isfinite(synkin.respond(ampa, ampa.Params(), times, [2.0])).all()
