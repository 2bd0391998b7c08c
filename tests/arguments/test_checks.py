"""Values are looked at where they are known, whatever transformation is under way; numbers of every kind are taken; and
what is traced and wrong becomes NaN. What is said of wrong values is in tests/messages.
"""

import contextlib
import fractions
import re
import warnings
from collections import namedtuple
from unittest import mock

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import synkin
from synkin import alpha, ampa, arguments, dual_expon, expon, respond, simulate
from synkin.arguments import choices, inputs, known, numbers, params_and_states, times
from synkin.arguments.known import concrete_value
from synkin.arguments.numbers import as_array, as_real, check_finite
from synkin.arguments.params_and_states import check_params, nan_if_invalid
from synkin.arguments.times import nan_if_invalid_dt
from tests.contract.table import wide
from tests.helpers.precision import X64, enable_x64
from tests.matrix.transforms import TRANSFORMS, Problem

DT, STEPS, SYNAPSES = 0.1, 4, 3
SPIKES = np.eye(STEPS, SYNAPSES)
BOTH_KINDS = pytest.mark.parametrize("kernel", [ampa, alpha], ids=["ampa", "alpha"])


@BOTH_KINDS
@pytest.mark.parametrize(
    "name", ["jit", "grad", "vmap", "scan", "cond", "map", "checkpoint", "eval_shape", "make_jaxpr"]
)
def test_what_is_known_is_looked_at_in_every_transformation(kernel, name):
    """Closed-over inputs of every kind, parameters and times pass where they are right, and are refused elsewhere."""

    def under(f):
        return TRANSFORMS[name][1](Problem(lambda x: {"g": f(x)}, 1.0, 1.0, None, None))

    right, bad = kernel.Params(), kernel.Params(jnp.asarray(-1.0))
    state, zero = kernel.init(right, (SYNAPSES,)), kernel.init(right, ())

    def run(spikes, params=right):
        return lambda dt: simulate(kernel, params, spikes, dt * DT)[1]

    def step(spikes, params=right):
        spike = spikes[0]
        return lambda dt: kernel.step(params, state, 0.0, spike, dt * DT)[1]

    def response(spike_times, times, params=right, **given):
        spike_times, times = jnp.asarray(spike_times), jnp.asarray(times)
        return lambda x: x * respond(kernel, params, spike_times, times, **given)

    known = [*(jnp.asarray(SPIKES, dtype) for dtype in ("float32", "bfloat16", "int32", bool)), SPIKES, SPIKES.tolist()]
    good = [call(spikes) for call in (run, step) for spikes in known] + [response([1.0, 2.0], [1.5, 3.0])]
    for call in good:  # traced, and not compiled
        jax.eval_shape(lambda _, call=call: (under(call), 0.0)[1], 0.0)
    wrong = [call(jnp.full((STEPS, SYNAPSES), jnp.nan)) for call in (run, step)]
    wrong += [call(np.full_like(SPIKES, np.inf)) for call in (run, step)] + [run(SPIKES, bad), step(SPIKES, bad)]
    wrong += [response([1.0], [2.0], bad), response([np.nan, 1.0], [2.0]), response([1.0], [np.inf])]
    wrong += [response([at], [3.0 - at], state=zero, t0=1.5) for at in (1.0, 2.0)]
    for call in wrong:
        with pytest.raises(ValueError, match=r"^(Parameter|Argument) `\w+` must .*, but .*\."):
            under(call)


def test_looking_stages_nothing():
    """The jaxpr of a function that only looks is empty, also where a large array on an accelerator stays there."""
    x, bad = jnp.arange(3.0), jnp.asarray([1.0, jnp.nan])

    def look(y):
        assert isinstance(concrete_value(x), np.ndarray)
        assert concrete_value(y) is None
        assert concrete_value([1.0, y]) is None
        return look_far(y)

    def look_far(y):
        check_finite("x", x)
        with pytest.raises(ValueError, match="must be finite"):
            check_finite("x", bad)
        return y

    assert not jax.make_jaxpr(look)(1.0).eqns
    assert not known._is_far(jnp.ones(known._LARGE))  # this is no accelerator
    with (
        mock.patch.object(known, "_is_far", lambda x: not isinstance(x, jax.core.Tracer)),
        mock.patch.object(known, "concrete_value", side_effect=AssertionError("It was copied.")),
    ):
        look_far(1.0)
        assert not jax.make_jaxpr(look_far)(1.0).eqns


def test_what_is_not_looked_at():
    """An array of which only a part is here passes as a traced one; booleans cannot be wrong."""
    x = jnp.full(3, jnp.nan)
    with mock.patch.object(type(x), "is_fully_addressable", False):
        assert concrete_value(x) is None
        check_finite("x", x)
    with mock.patch.object(inputs, "concrete_value", side_effect=AssertionError("It was copied.")):
        ampa.input.check_train(jnp.ones((4, 3), bool), (3,))
        ampa.input.check_spike(jnp.ones(3, bool), jnp.ones(3))


# Numbers of every kind

HALVES = [0.5, 1.5, 2.5]
KINDS = {"list": HALVES, "strided": np.arange(1.0, 7.0)[::2], "read only": np.broadcast_to(0.5, 3), "tuple": (1, 2, 3)}
KINDS |= {"float": 0.5, "int": 2, "large int": 10**12, "huge int": 10**30, "longdouble scalar": np.longdouble(0.5)}
KINDS |= {"fraction": fractions.Fraction(1, 2), "list of arrays": [np.float64(0.5), jnp.float32(1.5), 2]}
KINDS |= {dtype: np.array(HALVES, dtype) for dtype in ("float64", "float16", "longdouble", ">f8", "<f4")}
KINDS |= {dtype: np.array([1, 2, 3], dtype) for dtype in ("int64", "uint64", "uint8", ">i2", "bool")}
KINDS |= {f"JAX {dtype}": jnp.asarray(HALVES, dtype) for dtype in ("float32", "bfloat16")}
KINDS |= {"large": np.array([1, 2, 2**40]), "unmasked": np.ma.masked_array(HALVES, mask=False)}


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_every_kind_are_taken_everywhere(kind):
    """As a parameter and as input of a run and of a step, as dt, as weights and as times."""
    value, state, grid = KINDS[kind], expon.init(expon.Params(), (3,)), np.arange(3.0)
    plain = np.asarray([float(x) for x in value] if np.ndim(value) else float(value), "float32")
    given, expected, row = expon.Params(tau=value), expon.Params(tau=plain), np.broadcast_to(plain, 3)
    assert expon.init(given, 3).g.shape == (3,)
    spikes = (value[None] if hasattr(value, "reshape") else [value]) if np.ndim(value) else np.full((1, 3), plain)
    pairs = [[simulate(expon, *a, DT, state=state)[0].g for a in ((given, spikes), (expected, row[None]))]]
    pairs += [[expon.step(p, state, 0.0, x, DT)[0].g for p, x in ((given, value), (expected, row))]]
    if np.ndim(value):
        pairs += [[respond(expon, expon.Params(), grid, grid, weights=x) for x in (value, plain)]]
        if np.asarray(value).dtype in (np.float64, np.longdouble):
            pairs += [[expon.step(expon.Params(), expon.State(x), 0.0, 1.0, DT)[1] for x in (value, row)]]
    else:
        assert np.isfinite(simulate(expon, expon.Params(), np.ones((1, 3)), value)[1]).all()
    for got, wanted in pairs:
        np.testing.assert_allclose(got, wanted, rtol=1e-5)
    if np.ndim(value) and np.asarray(value).dtype != bool:  # which are a train, and no times
        assert respond(expon, expon.Params(), value, value).shape == (3,)


def test_no_state_is_of_a_dtype_that_loses_pulses_and_decays():
    """8 bits hold 400 ms to 2 ms, and a decay of 1 % a step not at all."""
    for name in [name for name in dir(ml_dtypes) if re.fullmatch(r"b?float\d.*", name)] + ["float16"]:
        dtype = jnp.dtype(getattr(ml_dtypes, name, name))
        with pytest.raises(TypeError, match=f"^Argument `dtype` must be float32 or float64, but is {dtype}, in which"):
            ampa.init(ampa.Params(), 3, dtype=dtype)
        with pytest.raises(TypeError, match=f"^Argument `state` must be of float32 or float64, but is of {dtype},"):
            ampa.step(ampa.Params(), ampa.State(*np.zeros((2, 3), dtype)), 0.0, True, DT)


class Holder:
    """As the variables of other libraries are: no array, but with one."""

    def __jax_array__(self):
        return jnp.asarray(2.0)


def test_casts():
    """Nothing is said about float64 that JAX does not have, and a whole number is never wrapped."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for dtype in ((), (np.float64,)):
            assert as_array(np.ones(3), *dtype).dtype == jnp.result_type(float)
        assert as_array(np.full(3, 1e300), "float32").tolist() == [np.inf] * 3
    for context in (contextlib.nullcontext(), enable_x64()):
        with context:
            assert as_array(as_real("x", [2**40])).tolist() == [2**40]
    np.testing.assert_array_equal(as_real("x", Holder()), 2.0)
    np.testing.assert_array_equal(jax.jit(lambda x: as_array(as_real("x", [x, 2.0, 3])))(1.5), [1.5, 2.0, 3.0])


# What is traced and wrong becomes NaN

NAN, INF = np.nan, np.inf
SPIKE_TIMES, TIMES = [0.5, 2.0], [1.0, 2.5]


def wrong_values(record):
    """Of a parameter."""
    return [NAN, INF, -INF, *([] if record.signed else [-1.0]), *([0.0] if record.positive else [])]


# Spike times, times and t0, and which of the two samples are NaN; a state is given for t0.
WRONG_TIMES = [
    *((spikes, TIMES, 0.0, lost) for spikes, lost in (([INF, 0.5], (0, 0)), ([2.0, 0.5], (0, 0)))),
    *((spikes, TIMES, 0.0, (1, 1)) for spikes in ([NAN, 0.5], [-INF, 0.5])),
    (SPIKE_TIMES, [2.5, 1.0], 0.0, (0, 0)),
    (SPIKE_TIMES, [1.0, INF], 0.0, (0, 1)),
    *((SPIKE_TIMES, [wrong, 2.5], 0.0, (1, 0)) for wrong in (NAN, -INF)),
    ([2.0, INF], TIMES, 1.5, (1, 0)),
    *((SPIKE_TIMES, TIMES, t0, (1, 1)) for t0 in (0.75, NAN, INF, -INF)),
]


# gabaa has ampa's equations.
DISTINCT = wide([name for name in synkin.KERNELS if name != "gabaa"], ["ampa", "dual_expon"])


@pytest.mark.parametrize("name", DISTINCT)
def test_what_is_traced_and_wrong_is_nan_and_never_a_plausible_g(name):
    """Parameters, dt, t0, times, spikes: in a run, between spikes and in a step, by one program."""
    kernel = synkin.KERNELS[name]
    rest = kernel.State(*(jnp.asarray(0.25) for _ in kernel.State._fields))
    right = np.array([float(value) for value in kernel.Params()])
    good = (right, DT, SPIKE_TIMES, TIMES, 0.0)
    rows = [(good, (0, 0, (0, 0)))]  # and what is NaN: the run, the step, the two samples
    for i, record in enumerate(kernel.parameters.values()):
        for value in wrong_values(record):
            rows.append(((np.where(np.arange(len(right)) == i, value, right), *good[1:]), (1, 1, (1, 1))))
    rows += [((right, dt, *good[2:]), (1, 1, (0, 0))) for dt in (0.0, -0.1, NAN, INF)]
    rows += [((right, DT, *given), (0, 0, lost)) for *given, lost in WRONG_TIMES]
    rows, expected = zip(*rows, strict=True)

    @jax.jit
    def all_g(rows, spikes, spike):
        def g(params, dt, spike_times, samples, t0):
            params, state = kernel.Params(*params), kernel.init(kernel.Params(), (4,))
            moved, stepped = kernel.step(params, state, 0.0, spike, dt)
            g_of_run = simulate(kernel, params, spikes, dt, state=state)[1][-1]
            return g_of_run, sum(moved) + stepped, respond(kernel, params, spike_times, samples, state=rest, t0=t0)

        return jax.vmap(g)(*rows)

    columns = [jnp.asarray(np.array(column), "float32") for column in zip(*rows, strict=True)]
    spikes, spike = np.zeros((STEPS, 4), "float32"), np.ones(4, "float32")
    spikes[1] = 1
    run, step, response = all_g(columns, spikes, spike)
    for i, lost in enumerate(expected):
        for found, of in zip((run[i], step[i], response[i]), lost, strict=True):
            np.testing.assert_array_equal(np.isnan(found), of, err_msg=f"row {i}: {rows[i]}")
    np.testing.assert_allclose(run[0], simulate(kernel, kernel.Params(), spikes, DT)[1][-1], rtol=1e-5)
    weighted = kernel.input.takes_weights
    spikes[1], spike[:] = [1, INF if weighted else 0.5, NAN, 0], [1, 2, NAN, INF]
    run, step, _ = all_g(columns, spikes, spike)
    np.testing.assert_array_equal(np.isfinite(run[0]), [True, False, False, True])
    np.testing.assert_array_equal(np.isfinite(step[0]), [True, weighted, False, False])


@BOTH_KINDS
def test_nor_are_derivatives_plausible(kernel):
    """By any parameter of which a value is wrong: a select would give 0."""
    fields, right = kernel.Params._fields, np.array([float(value) for value in kernel.Params()])
    wrong = [(i, value) for i, name in enumerate(fields) for value in wrong_values(kernel.parameters[name])]

    def g(params):
        spikes = np.eye(STEPS, 1, dtype=bool)
        return simulate(kernel, kernel.Params(*params), spikes, DT, method="exact")[1][-1, 0]

    rows = np.array([right, *(np.where(np.arange(len(fields)) == i, value, right) for i, value in wrong)])
    slopes = jax.jit(jax.vmap(jax.grad(g)))(jnp.asarray(rows, float))
    assert np.isfinite(slopes[0]).all()
    assert np.isnan([slopes[row, i] for row, (i, _) in enumerate(wrong, 1)]).all()


def test_without_a_state_and_by_whole_numbers():
    """The other ways by which times and parameters come in."""
    f = jax.jit(lambda tau, spike_times, times: respond(expon, expon.Params(tau=tau), spike_times, times))
    spikes, right = np.array([[0.5, 2.0], [INF, 0.5], [NAN, 0.5], [-INF, 0.5]]), np.array(TIMES)
    for spike_times, lost in zip(spikes, (False, False, True, True), strict=True):
        np.testing.assert_array_equal(np.isnan(f(8.0, spike_times, right)), lost)
    np.testing.assert_array_equal(np.isnan(f(8.0, spikes[0], np.array([INF, 2.5]))), [True, False])
    np.testing.assert_allclose(f(8, spikes[0], right), f(8.0, spikes[0], right), rtol=1e-6)
    assert np.isnan(f(-8, spikes[0], right)).all()


def test_a_guard_changes_no_bit_where_all_is_right(dtype):
    x = jnp.asarray([1e-30, 0.1, 3.0, 1e30], dtype)
    value, pullback = jax.vjp(jax.jit(lambda x: nan_if_invalid(ampa.Params(alpha=x), ampa).alpha), x)
    np.testing.assert_array_equal(value, x)
    assert value.dtype == dtype
    np.testing.assert_array_equal(*pullback(x), x)
    _, tangent = jax.jvp(jax.jit(nan_if_invalid_dt), (x[1],), (x[2],))
    np.testing.assert_array_equal(tangent, x[2])


# What is known of a kernel comes from the kernel


def test_ranges_and_units_are_read_from_the_kernel():
    """Of a kernel that is none of the library's."""
    Width = namedtuple("Width", "tau width shift", defaults=(2.0, 1.0, 0.5))

    def slopes(p, y):
        return {"g": (y.h - y.g) / p.tau, "h": p.shift * y.h / p.width}

    units = {"tau": "ms", "width": "ms", "shift": "mV", "h": "mS*ms"}
    given = {"units": units, "positive": ("width",), "signed": ("shift",)}
    own = synkin.linear(slopes, Width, namedtuple("Level", "g h"), input="h", name="mine", **given)
    own.init(Width(shift=-3.0), 3)
    assert jax.jit(lambda shift: nan_if_invalid(Width(shift=shift), own).shift)(-3.0) == -3.0
    assert own.parameters["shift"] == ("shift", 0.5, "mV", False, True)
    assert dict(own.variables) == {"g": "mS", "h": "mS*ms"}
    for params, error, said in (
        (Width(tau=NAN), ValueError, "Parameter `tau` must be finite and not negative, but has the value nan."),
        (Width(width=NAN), ValueError, "Parameter `width` must be positive and finite, but has the value nan."),
        (Width(shift=NAN), ValueError, "Parameter `shift` must be finite, but has the value nan."),
        (alpha.Params(), TypeError, "Argument `params` must be a mine.Params, but is a synkin.alpha.Params."),
    ):
        with pytest.raises(error, match=f"^{re.escape(said)}$"):
            own.init(params, 3)


def test_params_come_back_as_they_were_given_but_for_lists():
    """0 is a rate, a concentration and a pulse length like any other, and an amplitude may be negative."""
    given = ampa.Params(alpha=[0.0, 2.0], beta=jnp.asarray(0.0), T=0.0, T_dur=0.0)
    got = check_params(given, (2,), ampa)
    np.testing.assert_array_equal(got.alpha, [0.0, 2.0])
    assert all(a is b for a, b in zip(got[1:], given[1:], strict=True))
    dual_expon.init(dual_expon.Params(amplitude=-1.0), 3)


def test_the_table_of_what_is_skipped_is_of_functions_that_are_there():
    rows = [row for row in arguments.__doc__.splitlines() if row.startswith("|")][2:]
    named = {name for row in rows for name in re.findall(r"(?<!`)`(\w+)`(?!`)", row)}
    rooms = (choices, inputs.Input, known, numbers, params_and_states, times)
    there = {name for room in rooms for name, value in vars(room).items() if callable(value)}
    assert named <= there
    assert {name for name in there if name.startswith("nan_if")} <= named
    assert all(len(row.split("|")) == 5 for row in rows)


def test_the_suite_runs_in_the_precision_that_is_asked_for():
    assert jnp.zeros(()).dtype == (jnp.float64 if X64 else jnp.float32)  # whatever other tests import
