"""Schemes as kernels: what comes of a text, in every function that takes kernels."""

import copy
import pickle
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import synkin
from benchmarks.answers import schemes as blocks
from synkin import respond, scheme, schemes, simulate, stepper
from tests.helpers import differences

TEXT = """
    C0 + glu <-> C1 : 2*kon, koff
    C1 <-> O : beta, alpha
"""
RATES = {"kon": 2.5, "koff": 0.7, "beta": 0.9, "alpha": 0.4}
small = scheme(TEXT, open="O", name="small", **RATES)
PARAMS = small.Params()
SPIKES = np.zeros((60, 3), bool)
SPIKES[[2, 5, 30], [0, 1, 2]] = SPIKES[6, 0] = True
DT = 0.3


def blocked(p):
    return p.Mg * jnp.exp(-p.V / 17.0)


with_voltage = scheme(
    "C0 + glu <-> C1 : kon, koff\nC0 <-> CB : kb*block, ku\nC1 <-> O : beta, alpha",
    open="O",
    rest="steady",
    name="with_voltage",
    signed="V",
    units={"V": "mV", "Mg": "mM", "kb": "1/ms/mM"},
    block=blocked,
    kb=0.02,
    ku=0.3,
    Mg=1.0,
    V=-20.0,
    **RATES,
)


# What comes of a text -------------------------------------------------------------------------------------------------


def test_parameters_and_states_are_in_the_order_of_the_text():
    assert small.Params._fields == ("kon", "koff", "beta", "alpha", "T", "T_dur")
    assert tuple(PARAMS) == (2.5, 0.7, 0.9, 0.4, 1.0, 1.0)
    assert tuple(small.UNITS) == ("1/ms/mM", "1/ms", "1/ms", "1/ms", "mM", "ms")
    assert small.states == ("C0", "C1", "O")
    assert small.State._fields == ("C1", "O", "pulse_left")
    assert dict(small.open) == {"O": 1.0}
    assert with_voltage.Params._fields == ("kon", "koff", "kb", "ku", "beta", "alpha", "Mg", "V", "T", "T_dur")
    assert with_voltage.parameters["V"].signed
    assert "C0 + glu -> C1 : 2*kon" in small.__doc__


def test_values_in_the_text_and_in_the_call():
    """Those of the call are heard, and a function takes the place of a number."""
    text = TEXT + "kon = 1.0\nkoff = 0.7\nbeta = 0.9\nalpha = 0.4\nopen = C1\nT = 0.3\nT_dur = 2"
    kernel = scheme(text, open={"O": 0.5}, kon=2.5, koff=lambda p: 2 * p.alpha)
    assert tuple(kernel.Params()) == (2.5, 0.9, 0.4, 0.3, 2.0)
    assert kernel.Params._fields == ("kon", "beta", "alpha", "T", "T_dur")
    assert dict(kernel.open) == {"O": 0.5}
    rates = kernel.generator(kernel.Params())
    assert rates[0, 1] == rates.dtype.type(0.8)
    assert dict(scheme(text).open) == {"C1": 1.0}


def test_the_same_words_give_the_same_kernel():
    assert scheme(TEXT, open="O", name="small", **RATES) is small
    assert scheme(TEXT, open="O", name="small", **{key: np.array(value) for key, value in RATES.items()}) is small
    assert scheme(TEXT, open="O", name="small", **RATES | {"kon": 2.6}) is not small
    assert scheme(TEXT, open="C1", name="small", **RATES) is not small


def travelled(value):
    return pickle.loads(pickle.dumps(value))


def test_pickles_and_copies():
    unnamed = scheme(TEXT, open=["O", "C1"], rest={"C0": 1.0}, units={}, signed=("V",) * 0, **RATES | {"kon": 3.0})
    for kernel in (small, with_voltage, unnamed, schemes.kampa2004):
        params, state = kernel.Params(alpha=np.ones(2)), kernel.init(kernel.Params(), 2)
        for travel in (travelled, copy.copy, copy.deepcopy):
            assert travel(kernel) is kernel
            for one in (params, state):
                other = travel(one)
                assert type(other) is type(one)
                jax.tree.map(np.testing.assert_array_equal, other, one)
    assert travelled(small.Params) is small.Params


@pytest.mark.parametrize(
    ("opened", "weights"),
    [
        ("O", [0, 0, 1]),
        (["C1", "O"], [0, 1, 1]),
        ({"C0": 0.25, "O": 2.0}, [0.25, 0, 2]),
        (("C0",), [1, 0, 0]),
    ],
)
def test_what_conducts(opened, weights, x64):
    """Also the resting state, which is what is left over."""
    kernel = scheme(TEXT, open=opened, **RATES)
    _, (states, g) = simulate(kernel, kernel.Params(), SPIKES, DT, readout=lambda state, g: (state, g))
    occupied = np.stack([1 - states.C1 - states.O, states.C1, states.O], axis=-1)
    np.testing.assert_allclose(g, occupied @ np.array(weights, float), rtol=1e-12, atol=1e-15)
    at = DT * np.arange(1, 61)
    np.testing.assert_allclose(
        respond(kernel, kernel.Params(), DT * np.array([2.0, 6.0]), at), np.asarray(g)[:, 0], rtol=1e-10, atol=1e-14
    )
    assert respond(kernel, kernel.Params(), [np.inf], [3.0])[0] == weights[0]


def test_where_it_rests(x64):
    trap = "C0 + glu <-> C1 : kon, koff\nD + glu -> C1 : kon\nC1 <-> O : beta, alpha\nC1 -> D : kd"
    given = RATES | {"kd": 0.1}
    for rest, expected in ((None, 0.0), ("C0", 0.0), ("D", 1.0), ({"C0": 0.25, "D": 0.75}, 0.75)):
        kernel = scheme(trap, open="O", rest=rest, **given)
        state = kernel.init(kernel.Params(), (2,))
        np.testing.assert_array_equal(state.D, [expected] * 2)
        assert float(jnp.abs(state.C1).max()) == 0
    by_text = scheme(trap + "\nrest = D", open="O", **given)
    assert by_text.init(by_text.Params(), ()).D == 1
    called_so = scheme(TEXT.replace("C0", "steady"), open="O", rest="steady", **RATES)
    assert called_so.rest is None
    with pytest.raises(ValueError, match="must have one steady state, but it stays in C0 as it does in D"):
        scheme(trap, open="O", rest="steady", **given)


def test_at_rest_nothing_moves(x64):
    for V in (-60.0, 0.0):
        params = with_voltage.Params(V=V)
        state = with_voltage.init(params, ())
        np.testing.assert_allclose(state.CB, 0.02 * np.exp(-V / 17) / (0.3 + 0.02 * np.exp(-V / 17)), rtol=1e-14)
        moved, g = simulate(with_voltage, params, np.zeros(100, bool), 10.0)
        np.testing.assert_allclose(moved.CB, state.CB, rtol=1e-13)
        assert float(jnp.abs(g).max()) < 1e-15


def test_vector_field_is_the_generator_times_the_occupancies(x64):
    for kernel in (small, schemes.kampa2004, schemes.glyr_flip):
        params, n = kernel.Params(), len(kernel.states)
        p = np.random.default_rng(3).dirichlet(np.ones(n))
        state = kernel.State(*map(jnp.asarray, p[1:]), pulse_left=jnp.asarray(0.4))
        for T in (0.0, 0.7):
            field = kernel.vector_field(params, state, T)
            q = np.asarray(kernel.generator(params, T))
            np.testing.assert_allclose(field[:-1], (q @ p)[1:], rtol=1e-12, atol=1e-15)
            np.testing.assert_allclose(q.sum(axis=0), 0, atol=1e-13)
            assert field.pulse_left == 0


def test_two_states_are_ampa(dtype):
    ampa, p = synkin.ampa, synkin.ampa.Params()
    two = scheme(
        "C + glu <-> O : alpha, beta", open="O", alpha=float(p.alpha), beta=float(p.beta), T_dur=float(p.T_dur)
    )
    spikes = np.zeros((80, 2), bool)
    spikes[[3, 5, 50], [0, 1, 0]] = True
    final, g = simulate(two, two.Params(T=p.T), spikes, 0.1, dtype=dtype)
    expected, theirs = simulate(ampa, p, spikes, 0.1, method="exact", dtype=dtype)
    np.testing.assert_allclose(g, theirs, rtol=8 * np.finfo(dtype).eps)
    np.testing.assert_allclose(final.pulse_left, expected.pulse_left)
    got = respond(two, two.Params(T=p.T), [1.0, 1.2], [0.5, 1.1, 9.0], dtype=dtype)
    theirs = respond(ampa, p, [1.0, 1.2], [0.5, 1.1, 9.0], dtype=dtype)
    np.testing.assert_allclose(got, theirs, rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", [name for name, kernel in schemes.SCHEMES.items() if hasattr(kernel, "states")])
def test_steady_states_are_null_vectors(name, x64):
    kernel = schemes.SCHEMES[name]
    for T in (0.0, 1.0) if name != "vargas2004" else (1.0,):
        found = kernel.steady_state(kernel.Params(), T)
        null = scipy.linalg.null_space(np.asarray(kernel.generator(kernel.Params(), T)), rcond=1e-13)
        assert null.shape[1] == 1
        null = null[:, 0] / null.sum()
        np.testing.assert_allclose(np.array(found[:-1]), null[1:], rtol=1e-7, atol=1e-13)
        assert found.pulse_left == 0


def test_steady_states_of_many_and_of_traced(x64):
    """Of arrays, and where T is traced, which may be 0: NaN only where there are several steady states."""
    many = small.steady_state(small.Params(kon=np.array([0.0, 1.0, 2.0])), np.array([1.0, 0.0, 3.0]))
    q = np.asarray(small.generator(small.Params(kon=2.0), 3.0))
    expected = scipy.linalg.null_space(q)[:, 0]
    np.testing.assert_allclose([many.C1[2], many.O[2]], (expected / expected.sum())[1:], rtol=1e-12)
    np.testing.assert_array_equal([many.C1[:2], many.O[:2]], np.zeros((2, 2)))
    traced = jax.jit(lambda T: schemes.vargas2004.steady_state(schemes.vargas2004.Params(), T))
    assert np.isnan(traced(0.0)[:-1]).all()
    np.testing.assert_allclose(
        traced(0.5), schemes.vargas2004.steady_state(schemes.vargas2004.Params(), 0.5), rtol=1e-12
    )
    # All are in B without transmitter, which is no place to start from with it.
    back = scheme("A -> B : k\nB + glu -> A : kon", open="A", rest="B", k=0.5, kon=2.0)
    for T in (np.array([0.0, 1.0]), jnp.array([0.0, 1.0])):
        found = back.steady_state(back.Params(), T)
        np.testing.assert_allclose(found.B, [1.0, 0.2], rtol=1e-12)
        np.testing.assert_allclose(jax.jit(lambda T: back.steady_state(back.Params(), T).B)(T), found.B, rtol=1e-12)


# As files have them ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", blocks.BLOCKS, ids=[block.kind for block in blocks.BLOCKS])
def test_blocks_as_they_are_printed(block, x64):
    """Pasted as it is, or with a warning, g is that of matrix exponentials; else a sentence says what to do."""
    if block.refused:
        with pytest.raises(ValueError, match=re.escape(block.refused)):
            blocks.pasted(block)
        return
    kernel, said = blocks.pasted(block)
    assert said == [block.warns] * bool(block.warns)
    # By the whole scheme's generator: `respond` of another scheme compiles anew.
    opened = np.array([kernel.open.get(state, 0.0) for state in kernel.states])
    params = kernel.Params()
    start = np.asarray(kernel.occupancies(kernel.init(params, ())))
    resting, bound = (np.asarray(kernel.generator(params, T)) for T in (0.0, 1.0))
    on = np.minimum(blocks.AT, 1.0)
    g = [
        opened @ scipy.linalg.expm(resting * (t - held)) @ scipy.linalg.expm(bound * held) @ start
        for t, held in zip(blocks.AT, on, strict=True)
    ]
    np.testing.assert_allclose(g, blocks.solved(block), rtol=1e-9, atol=1e-12)
    if block.kind in RESPONDED:
        got = respond(kernel, params, [0.0], blocks.AT)
        np.testing.assert_allclose(got, blocks.solved(block), rtol=1e-9, atol=1e-12)


RESPONDED = ("a state that opens without transmitter, too", "a state called in", "a rate whose value is 0")

MIXED = "A + glu <-> O : kon*(1 + f), koff + 1/tau\nO <-> D : kd*(a - b), 2*kr"
mixed = scheme(MIXED, open="O", name="mixed", kon=2.0, f=0.5, koff=0.1, tau=5.0, kd=0.3, a=2.0, b=1.0, kr=0.02)


def test_sums_and_quotients_in_every_function(x64):
    """Runs, gradient, steady state, units, pickles, sums of kernels; the same scheme with plain rates."""
    plain = scheme("A + glu <-> O : on, off\nO <-> D : kd, kr", open="O", on=3.0, off=0.3, kd=0.3, kr=0.04)
    params, same, at = mixed.Params(), plain.Params(), np.array([0.5, 2.0, 9.0])
    assert dict(zip(params._fields, mixed.UNITS, strict=True)) == {
        "kon": "1/ms/mM", "f": "1", "koff": "1/ms", "tau": "ms", "kd": None, "a": None, "b": None, "kr": "1/ms",
        "T": "mM", "T_dur": "ms",
    }  # fmt: skip
    np.testing.assert_allclose(respond(mixed, params, [0.0], at), respond(plain, same, [0.0], at), rtol=1e-12)
    np.testing.assert_allclose(mixed.steady_state(params, 0.4), plain.steady_state(same, 0.4), rtol=1e-12)
    assert travelled(mixed) is mixed
    assert travelled(params) == params
    summed = mixed + small
    with pytest.raises(
        ValueError, match=r"^Rate `kd\*\(a - b\)` of O -> D must be finite and not negative, but is -0.3 "
    ):
        summed.init(summed.Params(mixed_a=0.0), ())

    def loss(x):
        return respond(mixed, mixed.Params(*x), [0.0], at).sum()

    x = jnp.asarray(tuple(params), float)
    both = jax.jit(jax.value_and_grad(loss))
    assert differences.relative_error(both(x)[1], differences.gradient(loss, x)) < 1e-6
    # What is no rate, traced, is NaN, and so is its derivative; known, of several synapses, it is said.
    said = r"^Rate `.*` of O -> . must be finite and not negative, but is (inf|-0.15)"
    for name, wrong in (("tau", 0.0), ("a", 0.5)):
        value, slope = both(jnp.asarray(tuple(mixed.Params(**{name: wrong})), float))
        assert np.isnan(value), name
        assert np.isnan(slope).any(), name
        with pytest.raises(ValueError, match=said):
            mixed.init(mixed.Params(**{name: np.array([1.5, wrong])}), 2)


def test_rest_that_a_rate_of_0_makes():
    """Where it is 0 as it is written nothing leads out; where by its value, that has to stay so."""
    written = scheme("A + glu <-> O : kon, koff\nD <-> A : kr, 0", open="O", kon=1.0, koff=1.0, kr=0.5)
    assert written.rest is None
    by_value = scheme("A + glu <-> O : kon, koff\nD <-> A : kr, kd", open="O", kon=1.0, koff=1.0, kr=0.5, kd=0.0)
    at = [0.5, 3.0]
    expected = respond(written, written.Params(), [0.0], at)
    np.testing.assert_allclose(respond(by_value, by_value.Params(), [0.0], at), expected, rtol=1e-6)
    traced = jax.jit(lambda kd: respond(by_value, by_value.Params(kd=kd), [0.0], at))
    np.testing.assert_allclose(traced(0.0), expected, rtol=1e-6)
    assert np.isnan(traced(0.1)).all()
    with pytest.raises(
        ValueError, match=r"^At rest only binding may lead out of a state, but A is left by `A -> D : kd"
    ):
        by_value.init(by_value.Params(kd=0.1), ())
    # From a state of one's own it may be anything.
    state = by_value.init(by_value.Params(), ())
    assert float(by_value.vector_field(by_value.Params(kd=0.1), state, 0.0).D) == pytest.approx(0.1)
    with pytest.raises(ValueError, match="is left by"):
        scheme("A + glu <-> O : kon, koff\nD <-> A : kr, kd", open="O", kon=1.0, koff=1.0, kr=0.5, kd=0.1)


# In every function ----------------------------------------------------------------------------------------------------


def test_all_runs_agree(dtype):
    """simulate whole, in two pieces (to the last bit), by a stepper, by step, in parallel; a T_dur for each synapse."""
    params = small.Params(kon=np.array([2.5, 0.3, 9.0]), T_dur=np.array([0.5, 1.0, 2.3]))
    run = partial(simulate, small, params, dt=DT, dtype=dtype)
    final, g = run(SPIKES)
    assert (g.shape, g.dtype) == (SPIKES.shape, dtype)
    assert float(g.max()) > 0.3
    half, first = run(SPIKES[:31])
    end, second = simulate(small, params, SPIKES[31:], DT, state=half)
    np.testing.assert_array_equal(np.concatenate([first, second]), g)
    jax.tree.map(np.testing.assert_array_equal, end, final)
    close = partial(np.testing.assert_allclose, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-7)
    ready = stepper(small, params, DT, dtype=dtype)
    carry, stepped = jax.lax.scan(ready.step, ready.init((3,)), SPIKES)
    close(stepped, g)
    jax.tree.map(close, ready.state(carry), final)
    state, ones = jax.lax.scan(
        lambda state, spike: small.step(params, state, 0.0, spike, DT), small.init(params, 3, dtype=dtype), SPIKES
    )
    close(ones, g)
    jax.tree.map(close, state, final)
    close(run(SPIKES, parallel=True)[1], g)
    at = DT * np.arange(1, 61)
    for i in range(3):
        one = small.Params(kon=params.kon[i], T_dur=params.T_dur[i])
        times = DT * np.flatnonzero(np.pad(SPIKES[:, i], (0, 0)))
        times = np.append(times, np.full(2 - len(times), np.inf))
        close(respond(small, one, times, at, dtype=dtype), g[:, i])


def test_overlap_ignore(x64):
    _, g = simulate(small, small.Params(T_dur=3.0), SPIKES[:, 0], DT, overlap="ignore")
    got = respond(small, small.Params(T_dur=3.0), [0.6, 1.8], DT * np.arange(1, 61), overlap="ignore")
    alone = respond(small, small.Params(T_dur=3.0), [0.6, np.inf], DT * np.arange(1, 61))
    np.testing.assert_allclose(got, alone, rtol=1e-12)
    np.testing.assert_allclose(g, alone, rtol=1e-11, atol=1e-15)


def loss(run):
    weights = np.cos(np.arange(60.0))
    return lambda params: (weights * run(small.Params(*params))).sum()


def test_gradients_of_runs(x64):
    """Of simulate, with checkpoints and in parallel, of a scan of steps, and of respond: all the same."""
    at = DT * np.arange(1, 61)
    given = jnp.asarray(tuple(small.Params(T_dur=0.7)), float)
    runs = {
        "respond": lambda p: respond(small, p, [0.6, 1.8], at),
        "simulate": lambda p: simulate(small, p, SPIKES[:, 0], DT)[1],
        "checkpoint": lambda p: simulate(small, p, SPIKES[:, 0], DT, checkpoint=True)[1],
        "parallel": lambda p: simulate(small, p, SPIKES[:, 0], DT, parallel=True)[1],
    }
    found = {name: np.asarray(jax.jit(jax.grad(loss(run)))(given)) for name, run in runs.items()}
    expected = differences.gradient(loss(runs["respond"]), given)
    for name, gradient in found.items():
        assert differences.relative_error(gradient, expected) < 1e-6, name
        np.testing.assert_allclose(gradient, found["respond"], rtol=1e-9)
    many = jax.vmap(jax.grad(loss(runs["respond"])))(jnp.stack([given, 1.5 * given]))
    np.testing.assert_allclose(many[0], found["respond"], rtol=1e-10)


AT = np.array([2.6, 6.5, 7.5, 40.0, 300.0])


def g_of_nmda5(x):
    params, spikes, times = jnp.split(x, [8, 10])
    return respond(schemes.nmda5, schemes.nmda5.Params(*params), spikes, times)


def g_of_voltage(x):
    params, spikes, times = jnp.split(x, [10, 12])
    return respond(with_voltage, with_voltage.Params(*params), spikes, times)


def g_of_kampa(x):
    params, spikes, times = jnp.split(x, [len(schemes.kampa2004.Params._fields), len(x) - 5])
    return respond(schemes.kampa2004, schemes.kampa2004.Params(*params), spikes, times)


@pytest.mark.parametrize(
    ("kernel", "g"),
    [
        (schemes.nmda5, g_of_nmda5),
        (with_voltage, g_of_voltage),
        pytest.param(schemes.kampa2004, g_of_kampa, marks=pytest.mark.wide),
    ],
    ids=["nmda5", "with_voltage", "kampa2004"],
)
def test_all_derivatives(kernel, g, x64):
    """Rates, voltage and magnesium (on which the state at rest depends), pulse, spikes and times; both ways."""
    x = np.concatenate([np.array(kernel.Params(), float), [2.0, 6.0], AT])
    expected = differences.gradient(g, x)
    forward, reverse = jax.jit(lambda x: (jax.jacfwd(g)(x), jax.jacrev(g)(x)))(x)
    for got in (forward, reverse):
        assert differences.relative_error(got.T, expected) < 1e-6


@pytest.mark.parametrize("equal", [False, True], ids=["as published", "equal rates"])
def test_second_derivatives(equal, x64):
    params = (
        schemes.nmda5.Params(**dict.fromkeys(("kd", "kr", "beta", "alpha"), 0.02)) if equal else schemes.nmda5.Params()
    )
    x = np.concatenate([np.array(params), [2.0, 6.0], AT])
    slope = jax.grad(lambda x: (jnp.asarray([3.0, -1.0, 2.0, 0.5, 1.0]) * g_of_nmda5(x)).sum())
    expected = differences.gradient(slope, x)
    got = jax.jit(jax.jacfwd(slope))(x)
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got, got.T, rtol=1e-9, atol=1e-10 * np.abs(got).max())
    size = np.sqrt(np.outer(np.abs(np.diag(got)), np.abs(np.diag(got)))) + 1e-6 * np.abs(expected).max()
    assert (np.abs(got - expected) / np.maximum(np.abs(expected), size)).max() < 1e-6


# To its edges ---------------------------------------------------------------------------------------------------------


def test_rates_of_0(x64):
    """Nothing happens, or only some of it; derivatives are finite."""
    at = np.array([0.5, 2.0, 1e7])
    nothing = respond(small, small.Params(kon=0.0, koff=0.0, beta=0.0, alpha=0.0), [0.0], at)
    np.testing.assert_array_equal(nothing, 0)
    stuck = respond(small, small.Params(koff=0.0, alpha=0.0), [0.0], at)
    assert abs(stuck[-1] - (1 - np.exp(-5.0))) < 1e-12  # all that bound, in 1 ms at 2 kon T, opens in the end
    slope = jax.grad(lambda p: respond(small, small.Params(*p), [0.0], at).sum())(jnp.zeros(6).at[4:].set(1.0))
    assert np.isfinite(slope).all()


def test_traced_and_wrong_is_nan():
    at = np.array([0.5, 2.0, 9.0])
    run = jax.jit(lambda p: respond(small, p, [0.0], at))
    voltage = jax.jit(lambda p: respond(with_voltage, p, [0.0], at))
    for wrong in ({"kon": -1.0}, {"T": -1.0}, {"T_dur": -1.0}, {"alpha": np.inf}, {"beta": np.nan}):
        assert np.isnan(run(PARAMS._replace(**wrong))).all(), wrong
        assert np.isnan(jax.jit(lambda p: simulate(small, p, SPIKES, DT)[1])(PARAMS._replace(**wrong))).all(), wrong
    for wrong in ({"Mg": -1.0}, {"V": np.nan}, {"ku": -0.1}):
        assert np.isnan(voltage(with_voltage.Params(**wrong))).all(), wrong
    assert np.isnan(jax.jit(lambda T: small.steady_state(PARAMS, T))(-1.0).O)
    assert np.isnan(jax.jit(lambda T: small.generator(PARAMS, T))(-1.0)[0, 0])


def test_a_function_that_gives_a_negative_rate():
    """Is refused where the parameters are known; where they are traced g is NaN."""
    kernel = scheme(TEXT, open="O", **RATES | {"beta": lambda p: p.alpha - p.koff + 0.4})
    assert np.isfinite(respond(kernel, kernel.Params(), [0.0], [2.0])).all()
    with pytest.raises(ValueError, match=r"^Rate `beta` of C1 -> O must be finite and not negative, but is -0\.2\.$"):
        respond(kernel, kernel.Params(alpha=0.1), [0.0], [2.0])
    assert np.isnan(jax.jit(lambda p: respond(kernel, p, [0.0], [2.0]))(kernel.Params(alpha=0.1))).all()


def test_under_debug_nans_and_without_jit(x64):
    at = [0.5, 2.0]
    expected = respond(with_voltage, with_voltage.Params(), [0.0], at)
    with jax.debug_nans(True):
        got = respond(with_voltage, with_voltage.Params(), [0.0], at)
        slope = jax.grad(lambda V: respond(with_voltage, with_voltage.Params(V=V), [0.0], at).sum())(-20.0)
    np.testing.assert_array_equal(got, expected)
    assert np.isfinite(slope)
    two = scheme("C + glu <-> O : k, l", open="O", k=1.0, l=0.5)
    with jax.disable_jit():  # where every scan is a loop in Python
        g = two.step(two.Params(), two.init(two.Params(), ()), 0.0, True, DT)[1]
    np.testing.assert_allclose(g, (1 - np.exp(-1.5 * DT)) / 1.5, rtol=1e-12)


def test_many_parameters_by_vmap(x64):
    """Each at its own steady state."""
    V = np.array([-60.0, -20.0, 30.0])
    one = lambda V: respond(with_voltage, with_voltage.Params(V=V), [0.0], [0.5, 2.0, 30.0])  # noqa: E731
    got = jax.vmap(one)(V)
    for row, value in zip(got, V, strict=True):
        np.testing.assert_allclose(row, one(value), rtol=1e-12)
    _, g = simulate(with_voltage, with_voltage.Params(V=V), np.eye(60, 1, dtype=bool) * np.ones(3, bool), 0.5)
    np.testing.assert_allclose(np.asarray(g)[[0, 3, 59]].T, got, rtol=1e-9)


def test_parameters_of_float64_in_single_precision():
    p = small.Params(*map(np.float64, PARAMS))
    _, g = simulate(small, p, SPIKES, DT, dtype="float32")
    np.testing.assert_array_equal(g, simulate(small, PARAMS, SPIKES, DT, dtype="float32")[1])
    assert g.dtype == "float32"


def test_a_donated_state():
    state = with_voltage.init(with_voltage.Params(), 3)
    step = jax.jit(lambda state: with_voltage.step(with_voltage.Params(), state, 0.0, True, DT)[0], donate_argnums=0)
    for _ in range(3):
        state = step(state)
    assert float(state.O[0]) > 0


def test_within_shard_map():
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("i",))
    spec = jax.sharding.PartitionSpec
    run = jax.shard_map(
        lambda spikes: simulate(with_voltage, with_voltage.Params(), spikes, DT)[1],
        mesh=mesh,
        in_specs=spec(None, "i"),
        out_specs=spec(None, "i"),
    )
    np.testing.assert_allclose(
        jax.jit(run)(SPIKES), simulate(with_voltage, with_voltage.Params(), SPIKES, DT)[1], rtol=1e-6, atol=1e-7
    )


def test_names_that_are_others_too(x64):
    """States called T and count, and a rate called rest in the text."""
    kernel = scheme("C + glu <-> T : k, l\nT <-> count : m, n\nopen = count", k=1.0, l=0.5, m=2.0, n=0.3)
    same = scheme("C0 + glu <-> C1 : k, l\nC1 <-> O : m, n", open="O", k=1.0, l=0.5, m=2.0, n=0.3)
    at = [0.5, 2.0, 9.0]
    np.testing.assert_array_equal(respond(kernel, kernel.Params(), [0.0], at), respond(same, same.Params(), [0.0], at))


def test_quantities():
    u = pytest.importorskip("saiunit")
    params = with_voltage.Params(V=-0.02 * u.volt, kon=2500 / u.second / u.mM, Mg=1000 * u.uM, T_dur=1e-3 * u.second)
    plain = respond(with_voltage, with_voltage.Params(), [0.0], [0.5, 2.0])
    got = respond(with_voltage, params, [0.0] * u.ms, [0.5, 2.0] * u.ms)
    np.testing.assert_allclose(np.asarray(got.to_decimal(u.mS)), plain, rtol=1e-5)
    with pytest.raises(TypeError, match=r"^Parameter `kon` must be in 1/ms/mM, but is in"):
        respond(with_voltage, with_voltage.Params(kon=2.5 / u.ms), [0.0], [0.5])


def test_fit_finds_a_rate_again():
    at = np.linspace(0, 40, 81)
    trace = np.asarray(respond(small, small.Params(alpha=0.25), [1.0], at, dtype="float32"), float)
    found = synkin.fit(small, small.Params(), [1.0], at, trace, free="alpha", starts=2, progress=False)
    assert abs(float(found.params.alpha) - 0.25) < 1e-4
