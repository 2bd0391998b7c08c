"""Parameters that vary during a run, pulses with a height each, and spikes that add to what opens a gate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import synkin
from synkin import ampa, schemes, wang_nmda
from tests.contract.table import three_states

DT, T, N = 0.1, 120, 2
TIMES = np.arange(T) * DT
ENDS = TIMES + DT
close = np.testing.assert_allclose


def wide(*values):
    return pytest.param(*values, marks=pytest.mark.wide)


V = -30 + 60 * np.sin(2 * np.pi * TIMES[:, None] / np.array([7.0, 3.0]))
CLEFT = np.clip(np.sin(TIMES[:, None] / np.array([1.0, 3.0])), 0, 1)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def spikes(rng):
    return rng.random((T, N)) < 0.04


@pytest.fixture
def weights(rng):
    return np.where(rng.random((T, N)) < 0.1, rng.random((T, N)), 0.0)


def one_by_one(kernel, params, name, values, spikes, method="exact"):
    """`Kernel.step` with the parameters of each step."""
    step = jax.jit(lambda params, state, spike: kernel.step(params, state, 0.0, spike, DT, method=method))
    state = kernel.init(params._replace(**{name: jnp.asarray(values[0])}), (N,))
    gs = []
    for value, spike in zip(values, spikes, strict=True):
        state, g = step(params._replace(**{name: jnp.asarray(value)}), state, spike)
        gs.append(g)
    return np.array(gs)


@pytest.mark.parametrize("kernel", [three_states, wide(schemes.kampa2004)], ids=lambda kernel: kernel.name)
def test_a_voltage_is_that_of_a_propagator_each_step(kernel, spikes, x64):
    right = one_by_one(kernel, kernel.Params(), "V", V, spikes)
    for dtype, off in (("float64", 1e-7), ("float32", 1e-6)):
        _, g = synkin.simulate(kernel, kernel.Params(), spikes, DT, varying={"V": V}, dtype=dtype)
        close(g, right, rtol=0, atol=off * right.max())
    first, head = synkin.simulate(kernel, kernel.Params(), spikes[:50], DT, varying={"V": V[:50]})
    _, tail = synkin.simulate(kernel, kernel.Params(), spikes[50:], DT, varying={"V": V[50:]}, state=first)
    close(np.concatenate([head, tail]), right, rtol=0, atol=1e-7 * right.max())
    stepper = synkin.stepper(kernel, kernel.Params(), DT, varying={"V": (-100.0, 40.0)})
    carry, g = jax.lax.scan(
        lambda carry, row: stepper.step(carry, row[0], V=row[1]), stepper.init((N,), V=V[0]), (spikes, jnp.asarray(V))
    )
    close(g, right, rtol=0, atol=1e-7 * right.max())
    assert np.isnan(stepper.step(carry, spikes[0], V=jax.jit(lambda v: v)(41.0))[1]).all()  # nothing is extrapolated


@pytest.mark.parametrize(
    ("kernel", "name", "method"),
    [
        (ampa, "beta", "exp_euler"),
        (synkin.dual_expon, "tau_rise", "exact"),
        wide(schemes.gabab, "K3", "exact"),
        wide(ampa, "T", "weighted"),
        wide(synkin.bionmda, "alpha1", "exp_euler"),
        wide(synkin.bionmda, "beta2", "exact"),
        wide(wang_nmda, "tau_s", "exact"),
    ],
)
def test_any_parameter_by_any_method(kernel, name, method, spikes, x64):
    params = kernel.Params()
    values = getattr(params, name) * (1 + 0.5 * np.sin(TIMES[:, None] / np.array([1.0, 3.0])))
    given = spikes.astype(float) if kernel.input.takes_weights else spikes
    if method == "weighted":  # with T given a pulse of weight 1 is a plain one
        _, right = synkin.simulate(kernel, params, spikes, DT, method="exp_euler")
        _, g = synkin.simulate(kernel, params, spikes.astype(float), DT, method="exp_euler", weighted=True)
        close(g, right, rtol=0, atol=1e-14)
        return
    right = one_by_one(kernel, params, name, values, given, method)
    _, g = synkin.simulate(kernel, params, given, DT, varying={name: values}, method=method)
    close(g, right, rtol=0, atol=1e-7 * right.max())
    _, in_turn = synkin.simulate(kernel, params, given[:, 0], DT, varying={name: values[:, 0]}, method=method)
    close(in_turn, right[:, 0], rtol=0, atol=1e-7 * right.max())


@pytest.mark.parametrize("kernel", [ampa, wide(synkin.bionmda), schemes.gabaa5], ids=lambda kernel: kernel.name)
def test_the_concentration_in_the_cleft(kernel, x64):
    edges = np.append(TIMES, ENDS[-1])
    right = [synkin.concentration_jumps(kernel, kernel.Params(), edges, row, ENDS) for row in CLEFT.T]
    final, g = synkin.simulate(kernel, kernel.Params(), None, DT, varying={"T": CLEFT}, method="exact")
    close(g, np.transpose(right), rtol=0, atol=1e-10)
    assert not np.any(final.pulse_left)


@pytest.mark.wide
def test_gradients_of_what_varies(spikes, x64):
    kernel = schemes.kampa2004

    def loss(V, kon):
        params = kernel.Params(kon=kon)
        return (synkin.simulate(kernel, params, spikes, DT, varying={"V": V}, checkpoint=True)[1] ** 2).sum()

    def direct(V, kon):
        return (one_by_one(kernel, kernel.Params(kon=kon), "V", V, spikes) ** 2).sum()

    kon, where, h = kernel.Params().kon, (60, 1), 1e-3
    by_V, by_kon = jax.grad(loss, (0, 1))(jnp.asarray(V), kon)
    step = np.zeros_like(V)
    step[where] = h
    close(by_V[where], (direct(V + step, kon) - direct(V - step, kon)) / (2 * h), rtol=1e-4)
    close(by_kon, (direct(V, kon + h) - direct(V, kon - h)) / (2 * h), rtol=1e-4)


def protocol(params, row):
    """The edges and concentrations of pulses that start at some rows, each of its weight."""
    at = np.flatnonzero(row)
    edges, concentrations = [], []
    for start, following in zip(at * DT, [*at[1:] * DT, np.inf], strict=True):
        edges += [start, min(start + params.T_dur, following)]
        concentrations += [row[round(start / DT)] * params.T, 0.0]
    return [*edges, max(edges[-1], ENDS[-1])], concentrations


@pytest.mark.parametrize("kernel", [ampa, wide(synkin.bionmda), wide(schemes.nmda5)], ids=lambda kernel: kernel.name)
def test_pulses_with_a_height(kernel, weights, x64):
    params = kernel.Params()
    _, g = synkin.simulate(kernel, params, weights, DT, weighted=True, method="exact")
    for row, own in zip(weights.T, g.T, strict=True):
        close(own, synkin.concentration_jumps(kernel, params, *protocol(params, row), ENDS), rtol=0, atol=1e-10)
        at = np.flatnonzero(row)
        close(own, synkin.respond(kernel, params, at * DT, ENDS, weights=row[at]), rtol=0, atol=1e-10)
    middle, head = synkin.simulate(kernel, params, weights[:47], DT, weighted=True, method="exact")
    _, tail = synkin.simulate(kernel, params, weights[47:], DT, weighted=True, method="exact", state=middle)
    close(np.concatenate([head, tail]), g, rtol=0, atol=1e-14)


@pytest.mark.wide
@pytest.mark.parametrize("ant", [0.2, 0.0])
def test_what_varies_may_stay(ant, spikes):
    """Then the range of the table is a single value, which rounding must not put outside."""
    text = "C + glu <-> O : kon, koff\nO <-> D : kd, kr\nC + ant <-> B : kb, ku"
    rates = {"kon": 5.0, "koff": lambda p: 0.3 * jnp.exp(-p.V / 30), "kd": 0.1, "kr": 0.05, "kb": 3.0, "ku": 0.05}
    kernel = synkin.scheme(text, open="O", rest="steady", ligand="glu", ant=ant, V=-40.0, signed="V", **rates)
    train = np.tile(spikes, (5, 1))
    held = synkin.simulate(kernel, kernel.Params(), train, DT)[1]
    for values in (np.full(5 * T, ant), np.full((5 * T, N), ant)):
        g = synkin.simulate(kernel, kernel.Params(), train, DT, varying={"ant": values})[1]
        close(g, held, rtol=0, atol=1e-6)


@pytest.mark.wide
def test_heights_above_the_table_of_a_scheme(weights):
    """Traced weights are not known when the table is made, which then reaches to 1: higher ones are computed."""
    kernel, high = three_states, (3 * weights).astype("float32")
    _, right = synkin.simulate(kernel, kernel.Params(), high, DT, weighted=True)
    _, g = jax.jit(lambda w: synkin.simulate(kernel, kernel.Params(), w, DT, weighted=True))(high)
    close(g, right, rtol=0, atol=1e-6)
    each = kernel.Params(kon=np.full(N, 5.0, np.float32))  # there is no table where synapses differ
    by_table, directly = (
        jax.grad(lambda w, p=p: synkin.simulate(kernel, p, w, DT, weighted=True)[1].sum())(jnp.asarray(high))
        for p in (kernel.Params(), each)
    )
    close(by_table, directly, rtol=0, atol=1e-4 * np.abs(directly).max())
    at = np.flatnonzero(high[:, 0])
    close(right[:, 0], synkin.respond(kernel, kernel.Params(), at * DT, ENDS, weights=high[at, 0]), rtol=0, atol=2e-6)


def test_a_sum_and_the_derivative_of_a_weight(weights, x64):
    both = ampa + schemes.nmda5
    _, g = synkin.simulate(both, both.Params(), weights, DT, weighted=True, method="exact")
    parts = [synkin.simulate(k, k.Params(), weights, DT, weighted=True, method="exact")[1] for k in both.parts]
    close(g, sum(parts), rtol=0, atol=1e-14)

    def loss(weights):
        return (synkin.simulate(ampa, ampa.Params(), weights, DT, weighted=True, method="exact")[1] ** 2).sum()

    at, h = tuple(np.argwhere(weights)[3]), 1e-5
    step = np.zeros_like(weights)
    step[at] = h
    close(jax.grad(loss)(jnp.asarray(weights))[at], (loss(weights + step) - loss(weights - step)) / (2 * h), rtol=1e-6)


def test_each_part_of_a_sum_has_its_pulses(x64):
    """With "ignore" the pulse of one part may be over, and the next may have begun, while that of another goes on."""
    both, weights = ampa + synkin.gabaa, np.zeros(40)
    weights[[3, 10, 14]] = 1.0, 0.3, 0.8
    options = {"params": both.Params(ampa_T_dur=0.3, gabaa_T_dur=2.0), "dt": DT, "weighted": True, "overlap": "ignore"}
    _, g = synkin.simulate(both, spikes=weights, **options)
    middle, head = synkin.simulate(both, spikes=weights[:11], **options)
    _, tail = synkin.simulate(both, spikes=weights[11:], state=middle, **options)
    close(np.concatenate([head, tail]), g, rtol=0, atol=1e-14)


def test_what_is_traced_and_cannot_be_is_nan():
    stepper = synkin.stepper(ampa, ampa.Params(), DT, weighted=True)
    given = jnp.array([-1.0, np.inf, 1.0])
    g = jax.jit(lambda weight: stepper.step(stepper.init((3,)), weight)[1])(given)
    assert np.isnan(g).tolist() == [True, True, False]
    graded = synkin.stepper(ampa, ampa.Params(), DT, varying=("T",), method="exact")
    carry = graded.init(state=ampa.State(0.5 * jnp.ones(3), jnp.zeros(3)), on_grid=True)
    close(graded.step(carry, T=0.0)[1], 0.5 * np.exp(-0.18 * DT), rtol=1e-6)


@pytest.mark.wide
def test_a_voltage_between_events_and_in_a_protocol(x64):
    kernel, edges = schemes.kampa2004, np.array([0.0, 3.0, 6.0, 7.5, 12.0])
    levels = np.array([-60.0, -20.0, 20.0, -40.0])
    params, at, times = kernel.Params(), np.array([1.0, 2.5, 7.3, 7.9]), np.linspace(0, 20, 41)
    g = synkin.respond(kernel, params, at, times, varying={"V": (edges, levels)})
    ends = np.minimum(at + params.T_dur, np.append(at[1:], np.inf))
    cuts = np.unique([0.0, *edges[1:-1], *at, *ends, 25.0])
    T = [params.T * np.any((at <= cut) & (cut < ends)) for cut in cuts[:-1]]
    held = levels[np.clip(np.searchsorted(edges, cuts[:-1], side="right") - 1, 0, 3)]
    close(g, synkin.concentration_jumps(kernel, params, cuts, T, times, varying={"V": held}), rtol=0, atol=1e-14)
    taus = {"tau": ([0, 3, 9], [4.0, 8.0])}
    tau = synkin.respond(synkin.alpha, synkin.alpha.Params(), [1.0, 5.0], [20.0], varying=taus)
    y = np.array([1.0, 0.0])
    for start, end, own, more in ((1.0, 3.0, 4.0, 0.0), (3.0, 5.0, 8.0, 1.0), (5.0, 20.0, 8.0, 0.0)):
        y = scipy.linalg.expm(np.array([[-1, 0], [1, -1]]) / own * (end - start)) @ y + [more, 0]
    close(tau, y[1:], rtol=1e-12)


def test_what_a_parameter_was_before_the_start_does_not_count(x64):
    # The decay after 10 ms is at one rate: g is that of an exponential, whatever edges lie before.
    params, start = ampa.Params(), ampa.State(g=jnp.float64(0.2), pulse_left=jnp.float64(0.0))
    at = np.array([10.0, 12.0, 17.0])
    varying = {"beta": ([0.0, 2.0, 5.0, 20.0], [0.5, 0.9, 0.18])}
    g = synkin.respond(ampa, params, [np.inf], at, state=start, t0=10.0, varying=varying)
    np.testing.assert_allclose(g, 0.2 * np.exp(-0.18 * (at - 10)), rtol=1e-12)
    traced = jax.jit(lambda t0: synkin.respond(ampa, params, [np.inf], at, state=start, t0=t0, varying=varying))(10.0)
    np.testing.assert_allclose(traced, g, rtol=1e-12)


def test_a_second_ligand(x64):
    kernel = synkin.scheme(
        "R + glu <-> A : kon, koff\nA <-> O : beta, alpha\nR + ant <-> B : kb, ku\nA + ant <-> AB : kb, ku",
        **{"open": "O", "rest": "steady", "ligand": "glu", "kon": 5.0, "koff": 0.5, "beta": 1.0, "alpha": 0.3},
        **{"kb": 3.0, "ku": 0.05, "ant": 0.2},
    )
    p = kernel.Params()
    assert kernel.UNITS.ant == "mM"
    assert kernel.UNITS.kb == "1/ms/mM"

    def generator(T):
        Q = np.zeros((5, 5))
        ways = ((0, 1, p.kon * T), (1, 0, p.koff), (1, 2, p.beta), (2, 1, p.alpha), (0, 3, p.kb * p.ant), (3, 0, p.ku))
        for i, j, rate in (*ways, (1, 4, p.kb * p.ant), (4, 1, p.ku)):
            Q[j, i] += rate
            Q[i, i] -= rate
        return Q

    y = scipy.linalg.expm(generator(0) * 1e5)[:, 0]
    for T, ms in ((p.T, p.T_dur), (0.0, 2.0)):
        y = scipy.linalg.expm(generator(T) * ms) @ y
    close(synkin.respond(kernel, p, [1.0], [1.0 + p.T_dur + 2.0]), y[2:3], rtol=1e-10)
