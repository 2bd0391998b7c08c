"""Schemes as kernels: what comes of a text, in every function that takes kernels."""

import copy
import pickle
import re
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import synkin
from benchmarks.answers import schemes as blocks
from synkin import respond, scheme, schemes, simulate
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
DT, GRID = 0.3, 0.3 * np.arange(1, 61)
AT = np.array([0.5, 2.0, 9.0])
close, equal = np.testing.assert_allclose, np.testing.assert_array_equal


def blocked(p):
    return p.Mg * jnp.exp(-p.V / 17.0)


with_voltage = scheme(
    "C0 + glu <-> C1 : kon, koff\nC0 <-> CB : kb*block, ku\nC1 <-> O : beta, alpha",
    **{"open": "O", "rest": "steady", "name": "with_voltage", "signed": "V", "block": blocked},
    **{"units": {"V": "mV", "Mg": "mM", "kb": "1/ms/mM"}, "kb": 0.02, "ku": 0.3, "Mg": 1.0, "V": -20.0, **RATES},
)


def answer(kernel, *params, **options):
    """g after a spike, and the same parameters in the same program for all tests."""
    return respond(kernel, params[0] if params else kernel.Params(), [0.0], AT, **options)


@lru_cache
def traced(kernel):
    return jax.jit(lambda p: answer(kernel, p))


# What comes of a text


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
    assert kernel.Params()._asdict() == {"kon": 2.5, "beta": 0.9, "alpha": 0.4, "T": 0.3, "T_dur": 2.0}
    assert (dict(kernel.open), dict(scheme(text).open)) == ({"O": 0.5}, {"C1": 1.0})
    close(kernel.generator(kernel.Params())[0, 1], 0.8, rtol=1e-6)


def test_the_same_words_give_the_same_kernel_pickled_or_copied():
    assert scheme(TEXT, open="O", name="small", **RATES) is small
    assert scheme(TEXT, open="O", name="small", **{key: np.array(value) for key, value in RATES.items()}) is small
    assert scheme(TEXT, open="O", name="small", **RATES | {"kon": 2.6}) is not small
    assert scheme(TEXT, open="C1", name="small", **RATES) is not small
    unnamed = scheme(TEXT, open=["O", "C1"], rest={"C0": 1.0}, units={}, signed=(), **RATES | {"kon": 3.0})
    assert pickle.loads(pickle.dumps(small.Params)) is small.Params
    for kernel in (small, with_voltage, unnamed, schemes.kampa2004):
        params, state = kernel.Params(alpha=np.ones(2)), kernel.init(kernel.Params(), 2)
        for travel in (lambda it: pickle.loads(pickle.dumps(it)), copy.copy, copy.deepcopy):
            assert travel(kernel) is kernel
            for one in (params, state):
                other = travel(one)
                assert type(other) is type(one)
                jax.tree.map(equal, other, one)


def test_what_conducts(x64):
    """Also the resting state, which is what is left over."""
    kernel = scheme(TEXT, open={"C0": 0.25, "O": 2.0}, **RATES)
    _, (states, g) = simulate(kernel, kernel.Params(), SPIKES, DT, readout=lambda state, g: (state, g))
    occupied = np.stack([1 - states.C1 - states.O, states.C1, states.O], axis=-1)
    close(g, occupied @ [0.25, 0, 2], rtol=1e-12, atol=1e-15)
    close(respond(kernel, kernel.Params(), [0.6, 1.8], GRID), g[:, 0], rtol=1e-10, atol=1e-14)
    assert respond(kernel, kernel.Params(), [np.inf, np.inf], GRID)[0] == 0.25
    also = scheme("C + glu <-> T : k, l\nT <-> count : m, n\nopen = count", k=2.5, l=0.7, m=0.9, n=0.4)
    # States that are called as what is not one.
    close(answer(also), traced(small)(small.Params(kon=1.25)), rtol=1e-12)
    for opened, weights in (("O", [0, 0, 1]), (["C1", "O"], [0, 1, 1]), (("C0",), [1, 0, 0])):
        kernel = scheme(TEXT, open=opened, **RATES)
        close(kernel.conductance(kernel.Params(), kernel.State(*states)), occupied @ weights, rtol=1e-12, atol=1e-15)


def test_where_it_rests(x64):
    trap = "C0 + glu <-> C1 : kon, koff\nD + glu -> C1 : kon\nC1 <-> O : beta, alpha\nC1 -> D : kd"
    given = {"open": "O", "kd": 0.1, **RATES}
    for text, rest, D in (
        *((trap, None, 0.0), (trap, "C0", 0.0), (trap, "D", 1.0), (trap, {"C0": 0.25, "D": 0.75}, 0.75)),
        (trap + "\nrest = D", None, 1.0),
    ):
        kernel = scheme(text, rest=rest, **given)
        state = kernel.init(kernel.Params(), (2,))
        equal([state.D, state.C1], [[D] * 2, [0] * 2])
    called_so = scheme(TEXT.replace("C0", "steady"), open="O", rest="steady", **RATES)
    assert called_so.rest is None
    with pytest.raises(ValueError, match=r"must have one steady state, but has several: .* away from C0, nor from D"):
        scheme(trap, rest="steady", **given)


def test_vector_field_is_the_generator_times_the_occupancies(x64):
    for kernel in (small, schemes.kampa2004):
        params, n = kernel.Params(), len(kernel.states)
        p = np.random.default_rng(3).dirichlet(np.ones(n))
        state = kernel.State(*map(jnp.asarray, p[1:]), pulse_left=jnp.asarray(0.4))
        for T in (0.0, 0.7):
            field, q = kernel.vector_field(params, state, T), np.asarray(kernel.generator(params, T))
            close(field[:-1], (q @ p)[1:], rtol=1e-12, atol=1e-15)
            close(q.sum(axis=0), 0, atol=1e-13)
            assert field.pulse_left == 0


QUICK = ("ampa5", "kampa2004", "vargas2004")
EVERY = [name for name, kernel in schemes.SCHEMES.items() if isinstance(kernel, synkin.Scheme)]


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.wide) for n in EVERY])
def test_steady_states_are_null_vectors(name, x64):
    kernel = schemes.SCHEMES[name]
    for T in (0.0, 1.0) if name != "vargas2004" else (1.0,):
        found = kernel.steady_state(kernel.Params(), T)
        null = scipy.linalg.null_space(np.asarray(kernel.generator(kernel.Params(), T)), rcond=1e-13)
        assert null.shape[1] == 1
        close(np.array(found[:-1]), null[1:, 0] / null.sum(), rtol=1e-7, atol=1e-13)
        assert found.pulse_left == 0


def test_steady_states_of_many_and_of_traced(x64):
    """Of arrays, and where T is traced, which may be 0: NaN only where there are several steady states."""
    many = small.steady_state(small.Params(kon=np.array([0.0, 1.0, 2.0])), np.array([1.0, 0.0, 3.0]))
    expected = scipy.linalg.null_space(np.asarray(small.generator(small.Params(kon=2.0), 3.0)))[:, 0]
    close([many.C1[2], many.O[2]], (expected / expected.sum())[1:], rtol=1e-12)
    equal([many.C1[:2], many.O[:2]], np.zeros((2, 2)))
    vargas = schemes.vargas2004
    at = jax.jit(lambda T: vargas.steady_state(vargas.Params(), T))
    assert np.isnan(at(0.0)[:-1]).all()
    close(at(0.5), vargas.steady_state(vargas.Params(), 0.5), rtol=1e-12)
    # All are in B without transmitter, which is no place to start from with it.
    back = scheme("A -> B : k\nB + glu -> A : kon", open="A", rest="B", k=0.5, kon=2.0)
    T = np.array([0.0, 1.0])
    for found in (back.steady_state(back.Params(), T), jax.jit(lambda T: back.steady_state(back.Params(), T))(T)):
        close(found.B, [1.0, 0.2], rtol=1e-12)


# As files have them


def by_exponentials(kernel, times):
    """g after a pulse of 1 mM for 1 ms, of the generators alone."""
    params, expm = kernel.Params(), scipy.linalg.expm
    opened = np.array([kernel.open.get(state, 0.0) for state in kernel.states])
    start = np.asarray(kernel.occupancies(kernel.init(params, ())))
    resting, bound = (np.asarray(kernel.generator(params, T)) for T in (0.0, 1.0))
    held = np.minimum(times, 1.0)
    return [opened @ expm(resting * (t - on)) @ expm(bound * on) @ start for t, on in zip(times, held, strict=True)]


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
    close(by_exponentials(kernel, blocks.AT), blocks.solved(block), rtol=1e-9, atol=1e-12)
    if block.kind == "a state called in":
        close(respond(kernel, kernel.Params(), [0.0], blocks.AT), blocks.solved(block), rtol=1e-9, atol=1e-12)


def test_sums_and_quotients_in_every_function(x64):
    """Runs, gradient, steady state, units, pickles, sums of kernels; the same scheme with plain rates."""
    rates = {"kon": 2.0, "f": 0.5, "koff": 0.1, "tau": 5.0, "kd": 0.3, "a": 2.0, "b": 1.0, "kr": 0.02}
    text = "A + glu <-> O : kon*(1 + f), koff + 1/tau\nO <-> D : kd*(a - b), 2*kr"
    mixed = scheme(text, open="O", name="mixed", **rates)
    plain = scheme("A + glu <-> O : on, off\nO <-> D : kd, kr", open="O", on=3.0, off=0.3, kd=0.3, kr=0.04)
    params, same = mixed.Params(), plain.Params()
    units = {"kon": "1/ms/mM", "f": "1", "koff": "1/ms", "tau": "ms", "kr": "1/ms", "T": "mM", "T_dur": "ms"}
    assert dict(zip(params._fields, mixed.UNITS, strict=True)) == units | dict.fromkeys(("kd", "a", "b"))
    close(mixed.steady_state(params, 0.4), plain.steady_state(same, 0.4), rtol=1e-12)
    assert pickle.loads(pickle.dumps(params)) == params
    summed = mixed + small
    said = r"^Rate `kd\*\(a - b\)` of O -> D must be finite and not negative, but is -0.3 "
    with pytest.raises(ValueError, match=said):
        summed.init(summed.Params(mixed_a=0.0), ())

    x = jnp.asarray(tuple(params), float)
    both = jax.jit(jax.value_and_grad(lambda x: answer(mixed, mixed.Params(*x)).sum()))
    close(both(x)[0], sum(by_exponentials(plain, AT)), rtol=1e-12)
    expected = differences.gradient(lambda x: both(x)[0], x, one_by_one=True)
    assert differences.relative_error(both(x)[1], expected) < 1e-6
    # What is no rate, traced, is NaN, and so is its derivative; known, of several synapses, it is said.
    said = r"^Rate `.*` of O -> . must be finite and not negative, but is (inf|-0.15)"
    for name, wrong in (("tau", 0.0), ("a", 0.5)):
        value, slope = both(jnp.asarray(tuple(mixed.Params(**{name: wrong})), float))
        assert np.isnan(value), name
        assert np.isnan(slope).any(), name
        with pytest.raises(ValueError, match=said):
            mixed.init(mixed.Params(**{name: np.array([1.5, wrong])}), 2)


def test_rest_that_a_rate_of_0_makes(x64):
    """Where it is 0 as it is written nothing leads out; where by its value, that has to stay so."""
    text, rates = "A + glu <-> O : kon, koff\nD <-> A : kr, {}", {"open": "O", "kon": 1.0, "koff": 1.0, "kr": 0.5}
    assert scheme(text.format(0), **rates).rest is None
    by_value = scheme(text.format("kd"), **rates, kd=0.0)
    expected = traced(by_value)(by_value.Params())
    on, off = 1 - np.exp(-2 * 0.5), (1 - np.exp(-2)) / 2 * np.exp(-1.0)  # with kon T = koff = 1 /ms
    close(expected[:2], [on / 2, off], rtol=1e-12)
    close(answer(by_value), expected, rtol=1e-12)
    assert np.isnan(traced(by_value)(by_value.Params(kd=0.1))).all()
    said = r"^At rest only binding may lead out of a state, but A is left by `A -> D : kd"
    with pytest.raises(ValueError, match=said):
        by_value.init(by_value.Params(kd=0.1), ())
    # From a state of one's own it may be anything.
    state = by_value.init(by_value.Params(), ())
    assert float(by_value.vector_field(by_value.Params(kd=0.1), state, 0.0).D) == pytest.approx(0.1)
    with pytest.raises(ValueError, match="is left by"):
        scheme(text.format("kd"), **rates, kd=0.1)


# In every function


def g_of(kernel):
    """g of a vector: parameters, two spikes and five times."""

    def g(x):
        params, spikes, times = jnp.split(x, [len(x) - 7, len(x) - 5])
        return respond(kernel, kernel.Params(*params), spikes, times)

    return g


LATER = [2.0, 6.0, 2.6, 6.5, 7.5, 40.0, 300.0]


@pytest.mark.wide
@pytest.mark.parametrize("mode", [jax.jacrev, jax.jacfwd])
def test_all_derivatives(mode, x64):
    """Rates, voltage and magnesium (on which the state at rest depends), pulse, spikes and times."""
    g, x = g_of(with_voltage), np.concatenate([np.array(with_voltage.Params(), float), LATER])
    expected = differences.gradient(jax.jit(g), x, one_by_one=True)
    assert differences.relative_error(jax.jit(mode(g))(x).T, expected) < 1e-6


# To its edges


def test_traced_and_wrong_is_nan(x64):
    on_grid = jax.jit(lambda p: simulate(small, p, SPIKES, DT)[1])
    for wrong in ({"kon": -1.0}, {"T": -1.0}, {"T_dur": -1.0}, {"alpha": np.inf}, {"beta": np.nan}):
        for run in (traced(small), on_grid):
            assert np.isnan(run(PARAMS._replace(**wrong))).all(), wrong
    for wrong in ({"Mg": -1.0}, {"V": np.nan}, {"ku": -0.1}):
        assert np.isnan(traced(with_voltage)(with_voltage.Params(**wrong))).all(), wrong
    assert np.isnan(jax.jit(lambda T: small.steady_state(PARAMS, T))(-1.0).O)
    assert np.isnan(jax.jit(lambda T: small.generator(PARAMS, T))(-1.0)[0, 0])


@pytest.mark.wide
def test_under_debug_nans_and_without_jit(x64):
    expected = answer(with_voltage)
    with jax.debug_nans(True):
        equal(answer(with_voltage), expected)
        assert np.isfinite(jax.grad(lambda V: answer(with_voltage, with_voltage.Params(V=V)).sum())(-20.0))
    two = scheme("C + glu <-> O : k, l", open="O", k=1.0, l=0.5)
    with jax.disable_jit():  # where every scan is a loop in Python
        g = two.step(two.Params(), two.init(two.Params(), ()), 0.0, True, DT)[1]
    close(g, (1 - np.exp(-1.5 * DT)) / 1.5, rtol=1e-12)


@pytest.mark.wide
def test_each_at_its_own_steady_state(x64):
    """Where nothing moves; by vmap and as an array."""
    V = np.array([-60.0, -20.0, 30.0])
    got = jax.vmap(lambda V: respond(with_voltage, with_voltage.Params(V=V), [0.0], AT))(V)
    for row, value in zip(got, V, strict=True):
        close(row, answer(with_voltage, with_voltage.Params(V=value)), rtol=1e-12)
    params, train = with_voltage.Params(V=V), np.eye(60, 1, dtype=bool) * np.ones(3, bool)
    close(np.asarray(simulate(with_voltage, params, train, 0.5)[1])[[0, 3, 17]].T, got, rtol=1e-9)
    state = with_voltage.init(params, 3)
    close(state.CB, 0.02 * np.exp(-V / 17) / (0.3 + 0.02 * np.exp(-V / 17)), rtol=1e-14)
    moved, g = simulate(with_voltage, params, 0 * train, 10.0)
    close(moved.CB, state.CB, rtol=1e-13)
    assert float(jnp.abs(g).max()) < 1e-15


def test_quantities(x64):
    u = pytest.importorskip("saiunit")
    params = with_voltage.Params(V=-0.02 * u.volt, kon=2500 / u.second / u.mM, Mg=1000 * u.uM, T_dur=1e-3 * u.second)
    got = respond(with_voltage, params, [0.0] * u.ms, AT * u.ms)
    close(np.asarray(got.to_decimal(u.mS)), traced(with_voltage)(with_voltage.Params()), rtol=1e-5)
    with pytest.raises(TypeError, match=r"^Parameter `kon` must be in 1/ms/mM, but is in"):
        answer(with_voltage, with_voltage.Params(kon=2.5 / u.ms))
