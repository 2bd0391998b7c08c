"""Values are looked at where they are known, whatever transformation is under way; numbers of every kind are taken; and
what is traced and wrong becomes NaN. What is said of wrong values is in tests/messages.
"""

import fractions
import re
import warnings
from typing import NamedTuple
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
from tests.helpers.kernels import DISTINCT
from tests.helpers.precision import X64, enable_x64

DT = 0.1
STEPS, SYNAPSES = 4, 3
SPIKES = np.eye(STEPS, SYNAPSES)
BOTH_KINDS = pytest.mark.parametrize("kernel", [ampa, alpha], ids=["ampa", "alpha"])

# Known values under transformations

KNOWN = {
    "float32": jnp.asarray(SPIKES, "float32"),
    "bfloat16": jnp.asarray(SPIKES, "bfloat16"),
    "whole": jnp.asarray(SPIKES, "int32"),
    "boolean": jnp.asarray(SPIKES, bool),
    "NumPy's": SPIKES,
    "list": SPIKES.tolist(),
}
TRANSFORMATIONS = {
    "jit": lambda f: jax.jit(f)(1.0),
    "grad": lambda f: jax.grad(lambda x: f(x).sum())(1.0),
    "vmap": lambda f: jax.vmap(f)(jnp.ones(2)),
    "scan": lambda f: jax.lax.scan(lambda c, x: (c, f(x)), 0.0, jnp.ones(2)),
    "cond": lambda f: jax.lax.cond(jnp.asarray(True), f, f, 1.0),
    "map": lambda f: jax.lax.map(f, jnp.ones(2)),
    "checkpoint": lambda f: jax.checkpoint(f)(1.0),
    "eval_shape": lambda f: jax.eval_shape(f, 1.0),
    "make_jaxpr": lambda f: jax.make_jaxpr(f)(1.0),
}


@BOTH_KINDS
@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
def test_what_is_known_is_looked_at_in_every_transformation(kernel, transformation):
    """Closed-over inputs of every kind, parameters and times pass where they are right, and are refused elsewhere."""
    state, right = kernel.init(kernel.Params(), (SYNAPSES,)), kernel.Params()
    bad = right._replace(**{right._fields[0]: jnp.asarray(-1.0)})

    def run(spikes, params=right):
        return lambda dt: simulate(kernel, params, spikes, dt * DT)[1]

    def step(spikes, params=right):
        spike = spikes[0]
        return lambda dt: kernel.step(params, state, 0.0, spike, dt * DT)[1]

    def response(spike_times, times, params=right, **given):
        spike_times, times = jnp.asarray(spike_times), jnp.asarray(times)
        return lambda x: x * respond(kernel, params, spike_times, times, **given)

    good = [call(spikes) for call in (run, step) for spikes in KNOWN.values()] + [response([1.0, 2.0], [1.5, 3.0])]
    for call in good:  # traced, and not compiled
        jax.eval_shape(lambda _, call=call: (TRANSFORMATIONS[transformation](call), 0.0)[1], 0.0)
    wrong = [call(jnp.full((STEPS, SYNAPSES), jnp.nan)) for call in (run, step)]
    wrong += [call(np.full_like(SPIKES, np.inf)) for call in (run, step)] + [run(SPIKES, bad), step(SPIKES, bad)]
    wrong += [response([1.0], [2.0], bad), response([np.nan, 1.0], [2.0]), response([1.0], [np.inf])]
    late = {"state": kernel.init(right, ()), "t0": 1.5}
    wrong += [response([1.0], [2.0], **late), response([2.0], [1.0], **late)]
    for call in wrong:
        with pytest.raises(ValueError, match=r"^(Parameter|Argument) `\w+` must .*, but .*\."):
            TRANSFORMATIONS[transformation](call)


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


def test_an_array_of_which_only_a_part_is_here_passes_as_a_traced_one():
    x = jnp.full(3, jnp.nan)
    with mock.patch.object(type(x), "is_fully_addressable", False):
        assert concrete_value(x) is None
        check_finite("x", x)


def test_booleans_are_not_looked_at():
    with mock.patch.object(inputs, "concrete_value", side_effect=AssertionError("It was copied.")):
        ampa.input.check_train(jnp.ones((4, 3), bool), (3,))
        ampa.input.check_spike(jnp.ones(3, bool), jnp.ones(3))


# Numbers of every kind

KINDS = {
    "float": 0.5,
    "int": 2,
    "a large int": 10**12,
    "a huge int": 10**30,
    "fraction": fractions.Fraction(1, 2),
    "longdouble scalar": np.longdouble(0.5),
    "list": [0.5, 1.5, 2.5],
    "tuple": (1, 2, 3),
    "list of arrays": [np.float64(0.5), jnp.float32(1.5), 2],
    "float64": np.array([0.5, 1.5, 2.5]),
    "float16": np.array([0.5, 1.5, 2.5], "float16"),
    "longdouble": np.array([0.5, 1.5, 2.5], np.longdouble),
    "big endian": np.array([0.5, 1.5, 2.5], ">f8"),
    "little endian": np.array([0.5, 1.5, 2.5], "<f4"),
    "big endian whole": np.array([1, 2, 3], ">i2"),
    "int64": np.array([1, 2, 3]),
    "large int64": np.array([1, 2, 2**40]),
    "uint64": np.array([1, 2, 3], "uint64"),
    "uint8": np.array([1, 2, 3], "uint8"),
    "boolean": np.array([True, True, True]),
    "unmasked": np.ma.masked_array([0.5, 1.5, 2.5], mask=False),
    "JAX": jnp.asarray([0.5, 1.5, 2.5]),
    "bfloat16": jnp.asarray([0.5, 1.5, 2.5], "bfloat16"),
    "strided": np.arange(1.0, 7.0)[::2],
    "read only": np.broadcast_to(0.5, 3),
}


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_every_kind_are_taken_everywhere(kind):
    """As a parameter and as input of a run and of a step, as dt, as weights and as times."""
    value, state = KINDS[kind], expon.init(expon.Params(), (3,))
    plain = np.asarray([float(x) for x in value] if np.ndim(value) else float(value), "float32")
    row, given = np.broadcast_to(plain, 3), expon.Params(tau=value)
    expected = expon.Params(tau=plain)
    assert expon.init(given, 3).g.shape == (3,)
    spikes = value[None] if hasattr(value, "reshape") and np.ndim(value) else [value]
    spikes = spikes if np.ndim(value) else np.full((1, 3), plain)
    got = simulate(expon, given, spikes, DT, state=state)[0].g
    np.testing.assert_allclose(got, simulate(expon, expected, row[None], DT, state=state)[0].g, rtol=1e-5)
    got = expon.step(given, state, 0.0, value, DT)[0].g
    np.testing.assert_allclose(got, expon.step(expected, state, 0.0, row, DT)[0].g, rtol=1e-5)
    if not np.ndim(value):
        assert np.isfinite(simulate(expon, expon.Params(), np.ones((1, 3)), value)[1]).all()
        return
    grid = np.arange(3.0)
    got = respond(expon, expon.Params(), grid, grid, weights=value)
    np.testing.assert_allclose(got, respond(expon, expon.Params(), grid, grid, weights=plain), rtol=1e-5)
    if np.asarray(value).dtype != bool:  # which are a train, and no times
        assert respond(expon, expon.Params(), value, value).shape == (3,)


@BOTH_KINDS
def test_a_state_of_every_kind_is_taken(kernel):
    """Numbers in lists take the dtype that the other fields have, NumPy's float64 that of JAX's mode."""
    rest = kernel.init(kernel.Params(), (3,))
    plain = kernel.step(kernel.Params(), rest._replace(g=jnp.asarray([0.5, 1.5, 2.5])), 0.0, np.ones(3, bool), DT)
    for kind in ("float64", "big endian", "longdouble", "list"):
        given = rest._replace(g=KINDS[kind])
        new, g = kernel.step(kernel.Params(), given, 0.0, np.ones(3, bool), DT)
        np.testing.assert_array_equal(g, plain[1])
        assert {field.dtype for field in new} == {g.dtype} == {rest.g.dtype}
        assert simulate(kernel, kernel.Params(), np.ones((2, 3), bool), DT, state=given)[1].dtype == g.dtype


def test_no_state_is_of_a_dtype_that_loses_pulses_and_decays(kernel):
    """8 bits hold 400 ms to 2 ms, and a decay of 1 % a step not at all."""
    params, tm = kernel.Params(), synkin.tsodyks_markram
    for name in [name for name in dir(ml_dtypes) if re.fullmatch(r"b?float\d.*", name)] + ["float16"]:
        dtype = jnp.dtype(getattr(ml_dtypes, name, name))
        lost = f"is {dtype.name}, in which decays and pulses in small steps are lost."
        for call in (
            lambda: kernel.init(params, 3, dtype=dtype),  # noqa: B023
            lambda: synkin.stepper(kernel, params, DT, dtype=dtype),  # noqa: B023
            lambda: simulate(kernel, params, SPIKES, DT, dtype=dtype),  # noqa: B023
            lambda: respond(kernel, params, [1.0], [2.0], dtype=dtype),  # noqa: B023
            lambda: tm.release(tm.Params(), [1.0], dtype=dtype),  # noqa: B023
        ):
            with pytest.raises(TypeError, match=f"^Argument `dtype` must be float32 or float64, but {lost}$"):
                call()
        state = kernel.State(*(np.zeros(3, dtype) for _ in kernel.State._fields))
        with pytest.raises(
            TypeError, match=f"^Argument `state` must be of float32 or float64, but is of {dtype.name},"
        ):
            kernel.step(params, state, 0.0, True, DT)


@pytest.mark.parametrize("kernel", [ampa, expon], ids=["ampa", "expon"])
def test_a_list_of_traced_numbers_is_an_array(kernel):
    state = kernel.init(kernel.Params(), (3,))

    @jax.jit
    def g(x):
        rows = [x, 2.0, 3], jnp.stack([x, jnp.asarray(2.0), jnp.asarray(3.0)])
        params = [kernel.Params()._replace(**{kernel.Params._fields[0]: row}) for row in rows]
        return [kernel.step(p, state, 0.0, np.ones(3, bool), DT) for p in params]

    listed, stacked = g(1.5)
    for a, b in zip(jax.tree.leaves(listed), jax.tree.leaves(stacked), strict=True):
        np.testing.assert_array_equal(a, b)


class Holder:
    """As the variables of other libraries are: no array, but with one."""

    def __jax_array__(self):
        return jnp.asarray(2.0)


def test_casts():
    """Nothing is said about float64 that JAX does not have, and a whole number is never wrapped."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert as_array(np.ones(3)).dtype == jnp.result_type(float)
        assert as_array(np.ones(3), np.float64).dtype == jnp.result_type(float)
        assert as_array(np.full(3, 1e300), "float32").tolist() == [np.inf] * 3
    assert as_array(as_real("x", [2**40])).tolist() == [2**40]
    with enable_x64():
        assert as_array(as_real("x", [2**40])).tolist() == [2**40]
    np.testing.assert_array_equal(as_real("x", Holder()), 2.0)


# What is traced and wrong becomes NaN

NAN, INF = np.nan, np.inf
SPIKE_TIMES, TIMES = [0.5, 2.0], [1.0, 2.5]


def wrong_values(record):
    """Of a parameter."""
    return [NAN, INF, -INF, *([] if record.signed else [-1.0]), *([0.0] if record.positive else [])]


# Spike times, times and t0, and which of the two samples are NaN; a state is given for t0.
WRONG_TIMES = [
    ([INF, 0.5], TIMES, 0.0, (False, False)),
    ([2.0, 0.5], TIMES, 0.0, (False, False)),
    (SPIKE_TIMES, [2.5, 1.0], 0.0, (False, False)),
    ([NAN, 0.5], TIMES, 0.0, (True, True)),
    ([-INF, 0.5], TIMES, 0.0, (True, True)),
    (SPIKE_TIMES, [NAN, 2.5], 0.0, (True, False)),
    (SPIKE_TIMES, [1.0, INF], 0.0, (False, True)),
    (SPIKE_TIMES, [-INF, 2.5], 0.0, (True, False)),
    (SPIKE_TIMES, TIMES, 0.75, (True, True)),
    ([2.0, INF], TIMES, 1.5, (True, False)),
    (SPIKE_TIMES, TIMES, NAN, (True, True)),
    (SPIKE_TIMES, TIMES, INF, (True, True)),
    (SPIKE_TIMES, TIMES, -INF, (True, True)),
]


@pytest.mark.parametrize(
    "kernel",
    [pytest.param(k, marks=[pytest.mark.wide] * (n == "bionmda"), id=n) for n, k in DISTINCT.items()],
)
def test_what_is_traced_and_wrong_is_nan_and_never_a_plausible_g(kernel):
    """Parameters, dt, t0, times, spikes: in a run, between spikes and in a step, by one program."""
    rest = kernel.State(*(jnp.asarray(0.25) for _ in kernel.State._fields))
    right = np.array([float(value) for value in kernel.Params()])
    good = (right, DT, SPIKE_TIMES, TIMES, 0.0)
    rows, expected = [good], [(False, False, (False, False))]  # of the run, the step, the two samples
    for i, record in enumerate(kernel.parameters.values()):
        for value in wrong_values(record):
            rows.append((np.where(np.arange(len(right)) == i, value, right), *good[1:]))
            expected.append((True, True, (True, True)))
    for dt in (0.0, -0.1, NAN, INF):
        rows.append((right, dt, *good[2:]))
        expected.append((True, True, (False, False)))
    for spike_times, samples, t0, lost in WRONG_TIMES:
        rows.append((right, DT, spike_times, samples, t0))
        expected.append((False, False, lost))

    @jax.jit
    def all_g(rows, spikes, spike):
        def g(params, dt, spike_times, samples, t0):
            params, state = kernel.Params(*params), kernel.init(kernel.Params(), (4,))
            moved, stepped = kernel.step(params, state, 0.0, spike, dt)
            return (
                simulate(kernel, params, spikes, dt, state=state)[1][-1],
                sum(moved) + stepped,
                respond(kernel, params, spike_times, samples, state=rest, t0=t0),
            )

        return jax.vmap(g)(*rows)

    rows = [jnp.asarray(np.array(column), "float32") for column in zip(*rows, strict=True)]
    spikes, spike = np.zeros((STEPS, 4), "float32"), np.ones(4, "float32")
    spikes[1] = 1
    run, step, response = all_g(rows, spikes, spike)
    for i, (of_run, of_step, of_samples) in enumerate(expected):
        np.testing.assert_array_equal(np.isnan(run[i]), of_run, err_msg=f"run, row {i}")
        np.testing.assert_array_equal(np.isnan(step[i]), of_step, err_msg=f"step, row {i}")
        np.testing.assert_array_equal(np.isnan(response[i]), of_samples, err_msg=f"respond, row {i}")
    plain = simulate(kernel, kernel.Params(), spikes, DT)[1][-1]
    np.testing.assert_allclose(run[0], plain, rtol=1e-5)
    weighted = kernel.input.takes_weights
    spikes[1], spike[:] = [1, INF if weighted else 0.5, NAN, 0], [1, 2, NAN, INF]
    run, step, _ = all_g(rows, spikes, spike)
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


class Width(NamedTuple):
    tau: float = 2.0
    width: float = 1.0
    shift: float = 0.5


class Level(NamedTuple):
    g: float
    h: float


def test_ranges_and_units_are_read_from_the_kernel():
    """Of a kernel that is none of the library's."""
    own = synkin.linear(
        lambda p, y: {"g": (y.h - y.g) / p.tau, "h": p.shift * y.h / p.width},
        Width,
        Level,
        input="h",
        name="mine",
        units={"tau": "ms", "width": "ms", "shift": "mV", "h": "mS*ms"},
        positive=("width",),
        signed=("shift",),
    )
    own.init(Width(shift=-3.0), 3)
    assert jax.jit(lambda shift: nan_if_invalid(Width(shift=shift), own).shift)(-3.0) == -3.0
    for name, expected in (("tau", "finite and not negative"), ("width", "positive and finite"), ("shift", "finite")):
        with pytest.raises(ValueError, match=f"^Parameter `{name}` must be {expected}, but has the value nan"):
            own.init(Width(**{name: np.nan}), 3)
    assert own.parameters["shift"] == ("shift", 0.5, "mV", False, True)
    assert dict(own.variables) == {"g": "mS", "h": "mS*ms"}
    with pytest.raises(
        TypeError, match=r"^Argument `params` must be a mine\.Params, but is a synkin\.alpha\.Params\.$"
    ):
        own.init(alpha.Params(), ())
    with pytest.raises(TypeError, match=r"^Argument `state` must be a mine\.State, but is a synkin\.expon\.State\.$"):
        own.step(Width(), expon.State(0.0), 0.0, 0.0, DT)


def test_bound_from_below_alone():
    """0 is a rate, a concentration and a pulse length like any other, and an amplitude may be negative."""
    ampa.init(ampa.Params(alpha=0, beta=0, T=0, T_dur=0), 3)
    dual_expon.init(dual_expon.Params(amplitude=-1.0), 3)


def test_params_come_back_as_they_were_given_but_for_lists():
    given = ampa.Params(alpha=[1.0, 2.0], beta=jnp.asarray(0.5), T=1.0)
    got = check_params(given, (2,), ampa)
    np.testing.assert_array_equal(got.alpha, [1.0, 2.0])
    assert all(a is b for a, b in zip(got[1:], given[1:], strict=True))


def test_the_table_of_what_is_skipped_is_of_functions_that_are_there():
    rows = [row for row in arguments.__doc__.splitlines() if row.startswith("|")][2:]
    named = {name for row in rows for name in re.findall(r"(?<!`)`(\w+)`(?!`)", row)}
    rooms = (choices, inputs.Input, known, numbers, params_and_states, times)
    there = {name for room in rooms for name, value in vars(room).items() if callable(value)}
    assert named <= there
    assert {name for name in there if name.startswith("nan_if")} <= named
    assert all(len(row.split("|")) == 5 for row in rows)


def test_the_suite_runs_in_the_precision_that_is_asked_for():
    """Whatever the modules of other tests import."""
    assert jnp.zeros(()).dtype == (jnp.float64 if X64 else jnp.float32)
