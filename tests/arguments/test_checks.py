"""The checks themselves: they look at known values in whatever transformation, take numbers of every kind, and make
NaN of what is traced and wrong.
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
from synkin import alpha, ampa, arguments, dual_expon, respond, simulate
from synkin.arguments import bind, choices, inputs, known, numbers, params_and_states, times
from synkin.arguments.inputs import StartsPulse
from synkin.arguments.known import _LARGE, _is_far, concrete_value
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_array, as_real, check_finite
from synkin.arguments.params_and_states import check_params, check_state, nan_if_invalid
from synkin.arguments.times import nan_if_invalid_dt, nan_if_invalid_times
from tests.helpers import samples
from tests.helpers.kernels import LINEAR, RECEPTORS
from tests.helpers.precision import X64, enable_x64

DT = 0.1
STEPS, SYNAPSES = 4, 3

# Known values under transformations

SPIKES = np.eye(STEPS, SYNAPSES)
KNOWN = {
    "float32": lambda: jnp.asarray(SPIKES, "float32"),
    "bfloat16": lambda: jnp.asarray(SPIKES, "bfloat16"),
    "whole": lambda: jnp.asarray(SPIKES, "int32"),
    "boolean": lambda: jnp.asarray(SPIKES, bool),
    "NumPy's": lambda: SPIKES,
    "list": lambda: SPIKES.tolist(),
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


def traced(transformation, f):
    """A function that closes over known values is traced in a transformation; nothing is compiled."""

    def inside(_):
        TRANSFORMATIONS[transformation](f)

    jax.eval_shape(inside, 0.0)


def a_run(kernel, spikes):
    return lambda dt: simulate(kernel, kernel.Params(), spikes, dt * DT)[1]


def a_step(kernel, spikes):
    state, spike = kernel.init(kernel.Params(), (SYNAPSES,)), spikes[0]
    return lambda dt: kernel.step(kernel.Params(), state, 0.0, spike, dt * DT)[1]


@pytest.mark.parametrize("call", [a_run, a_step])
@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
def test_what_is_known_is_looked_at_in_every_transformation(kernel, call, transformation):
    """Closed-over inputs of every kind pass where they are right, and are refused where they are not."""
    for make in KNOWN.values():
        traced(transformation, call(kernel, make()))
    for wrong in (jnp.full((STEPS, SYNAPSES), jnp.nan), np.full_like(SPIKES, np.inf)):
        with pytest.raises(ValueError, match="must be finite, but has NaN or infinite values"):
            TRANSFORMATIONS[transformation](call(kernel, wrong))


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
def test_known_times_and_parameters_are_looked_at_in_every_transformation(kernel, transformation):
    first = kernel.Params._fields[0]

    def response(params=None, spike_times=(1.0, 2.0), times=(1.5, 3.0)):
        params = params or kernel.Params()
        spike_times, times = jnp.asarray(spike_times), jnp.asarray(times)
        return lambda x: x * respond(kernel, params, spike_times, times)

    traced(transformation, response())
    for wrong in (
        response(kernel.Params()._replace(**{first: jnp.asarray(-1.0)})),
        response(spike_times=[np.nan, 1.0]),
        response(times=[np.inf]),
    ):
        with pytest.raises(ValueError, match=r"^(Parameter|Argument) `\w+` must be .*, but .*\."):
            TRANSFORMATIONS[transformation](wrong)


def test_known_quantities_are_looked_at_under_jit():
    u = pytest.importorskip("saiunit")
    spikes = jnp.asarray(SPIKES) * u.uS
    got = jax.jit(lambda dt: simulate(alpha, alpha.Params(), spikes, dt)[1].mantissa)(DT)
    np.testing.assert_allclose(got, simulate(alpha, alpha.Params(), SPIKES / 1000, DT)[1], rtol=1e-6)
    wrong, params = spikes * np.nan, ampa.Params(beta=jnp.asarray(-1.0) * u.Hz)
    with pytest.raises(ValueError, match="must be finite"):
        jax.jit(lambda dt: simulate(alpha, alpha.Params(), wrong, dt)[1].mantissa)(DT)
    with pytest.raises(ValueError, match=r"has the value -0\.001"):
        jax.jit(lambda dt: simulate(ampa, params, SPIKES, dt)[1].mantissa)(DT)


def test_looking_stages_nothing():
    """The jaxpr of a function that only looks is empty."""
    x = jnp.arange(3.0)

    def look(y):
        assert isinstance(concrete_value(x), np.ndarray)
        assert concrete_value(y) is None
        assert concrete_value([1.0, y]) is None
        check_finite("x", x)
        return y

    assert not jax.make_jaxpr(look)(1.0).eqns


def test_a_large_array_on_an_accelerator_stays_there():
    """Its test is run where it lies, under a transformation too, and nothing is copied or staged."""
    good, bad = jnp.ones(3), jnp.asarray([1.0, jnp.nan])
    with (
        mock.patch.object(known, "_is_far", lambda x: not isinstance(x, jax.core.Tracer)),
        mock.patch.object(known, "concrete_value", side_effect=AssertionError("It was copied.")),
    ):

        def look(y):
            check_finite("x", good)
            with pytest.raises(ValueError, match="must be finite"):
                check_finite("x", bad)
            return y

        look(1.0)
        assert not jax.make_jaxpr(look)(1.0).eqns
    assert not _is_far(jnp.ones(_LARGE))  # this is no accelerator


def test_an_array_of_which_only_a_part_is_here_passes_as_a_traced_one():
    x = jnp.full(3, jnp.nan)
    with mock.patch.object(type(x), "is_fully_addressable", False):
        assert concrete_value(x) is None
        check_finite("x", x)


def test_booleans_are_not_looked_at():
    with mock.patch.object(inputs, "concrete_value", side_effect=AssertionError("It was copied.")):
        StartsPulse().check_train(jnp.ones((4, 3), bool), (3,))
        StartsPulse().check_spike(jnp.ones(3, bool), jnp.ones(3))


# Numbers of every kind

KINDS = {
    "float": 0.5,
    "int": 2,
    "a large int": 10**12,
    "a huge int": 10**30,
    "fraction": fractions.Fraction(1, 2),
    "list": [0.5, 1.5, 2.5],
    "tuple": (1, 2, 3),
    "list of arrays": [np.float64(0.5), jnp.float32(1.5), 2],
    "float64": np.array([0.5, 1.5, 2.5]),
    "float16": np.array([0.5, 1.5, 2.5], "float16"),
    "longdouble": np.array([0.5, 1.5, 2.5], np.longdouble),
    "longdouble scalar": np.longdouble(0.5),
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
    """As a parameter of init, simulate and step, as input of a run and of a step, as weights and as times."""
    value = KINDS[kind]
    plain = np.asarray([float(x) for x in value] if np.ndim(value) else float(value), "float64")
    params, state = alpha.Params(tau=value), alpha.init(alpha.Params(), (3,))
    assert alpha.init(params, 3).g.shape == (3,)
    row = np.broadcast_to(plain, 3)
    inputs = [value] if np.ndim(value) else np.full((1, 3), plain)
    spikes = value[None] if hasattr(value, "reshape") and np.ndim(value) else inputs
    for given in (params, alpha.Params()):
        expected = alpha.Params(tau=plain if given is params else 8.0)
        np.testing.assert_allclose(
            simulate(alpha, given, spikes, DT, state=state)[0].h,
            simulate(alpha, expected, row[None].astype("float32"), DT, state=state)[0].h,
            rtol=1e-5,
        )
        np.testing.assert_allclose(
            alpha.step(given, state, 0.0, value, DT)[0].h,
            alpha.step(expected, state, 0.0, row.astype("float32"), DT)[0].h,
            rtol=1e-5,
        )
    if np.ndim(value):
        times = np.arange(3.0)
        got = respond(alpha, alpha.Params(), times, times, weights=value)
        np.testing.assert_allclose(
            got, respond(alpha, alpha.Params(), times, times, weights=plain.astype("float32")), rtol=1e-5
        )
        if np.asarray(value).dtype != bool:  # which are a train, and no times
            assert respond(alpha, alpha.Params(), value, value).shape == (3,)
    else:
        assert np.isfinite(simulate(alpha, alpha.Params(), np.ones((2, 3)), value)[1]).all()


@pytest.mark.parametrize("kind", ["float64", "big endian", "longdouble", "list"])
def test_a_state_of_every_kind_is_taken(kernel, kind):
    """Numbers in lists take the dtype that the other fields have, NumPy's float64 that of JAX's mode."""
    rest = kernel.init(kernel.Params(), (3,))
    given = kernel.State(*(KINDS[kind] if i == 0 else rest[i] for i in range(len(rest))))
    state = check_state(kernel, given)
    np.testing.assert_allclose(state[0], [0.5, 1.5, 2.5])
    assert {field.dtype for field in state} == {rest[0].dtype}
    new, g = kernel.step(kernel.Params(), given, 0.0, np.ones(3, bool), DT)
    assert {field.dtype for field in new} == {g.dtype} == {state[0].dtype}
    assert simulate(kernel, kernel.Params(), np.ones((2, 3), bool), DT, state=given)[1].dtype == g.dtype


COARSE = [name for name in dir(ml_dtypes) if re.fullmatch(r"b?float\d.*", name)] + ["float16"]


@pytest.mark.parametrize("name", COARSE)
def test_no_state_is_of_a_dtype_that_loses_pulses_and_decays(kernel, name):
    """8 bits hold 400 ms to 2 ms, and a decay of 1 % a step not at all."""
    dtype, params = jnp.dtype(getattr(ml_dtypes, name, name)), kernel.Params()
    lost = f"is {dtype.name}, in which decays and pulses in small steps are lost."
    for call in (
        lambda: kernel.init(params, 3, dtype=dtype),
        lambda: synkin.stepper(kernel, params, DT, dtype=dtype),
        lambda: simulate(kernel, params, SPIKES, DT, dtype=dtype),
        lambda: respond(kernel, params, [1.0], [2.0], dtype=dtype),
        lambda: synkin.tsodyks_markram.release(synkin.tsodyks_markram.Params(), [1.0], dtype=dtype),
    ):
        with pytest.raises(TypeError, match=f"^Argument `dtype` must be float32 or float64, but {lost}$"):
            call()
    state = kernel.State(*(np.zeros(3, dtype) for _ in kernel.State._fields))
    with pytest.raises(TypeError, match=f"^Argument `state` must be of float32 or float64, but is of {dtype.name},"):
        kernel.step(params, state, 0.0, True, DT)


def test_a_list_of_traced_numbers_is_an_array(kernel):
    first = kernel.Params._fields[0]
    spikes = np.ones((STEPS, 3), bool)

    def run(x, gather):
        params = kernel.Params()._replace(**{first: gather([x, 2.0, 3])})
        return simulate(kernel, params, spikes, DT)[1], kernel.step(params, state, 0.0, spikes[0], DT)[1]

    state = kernel.init(kernel.Params(), (3,))
    got, expected = (jax.jit(run, static_argnums=1)(1.5, gather) for gather in (list, jnp_stack))
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def jnp_stack(values):
    return jnp.stack([jnp.asarray(value, float) for value in values])


def test_nothing_is_said_about_float64_that_JAX_does_not_have():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert as_array(np.ones(3)).dtype == jnp.result_type(float)
        assert as_array(np.ones(3), np.float64).dtype == jnp.result_type(float)
        assert as_array(np.full(3, 1e300), "float32").tolist() == [np.inf] * 3


def test_a_whole_number_is_never_wrapped():
    with enable_x64():
        assert as_array(as_real("x", [2**40])).tolist() == [2**40]
    if jnp.result_type(float) == np.float32:
        assert as_array(as_real("x", [2**40])).tolist() == [float(2**40)]


class Holder:
    """As the variables of other libraries are: no array, but with one."""

    def __jax_array__(self):
        return jnp.asarray(2.0)


def test_an_object_that_holds_an_array_is_taken():
    np.testing.assert_array_equal(as_real("x", Holder()), 2.0)


WORDED = [
    (lambda: None, "None"),
    (lambda: "spikes.csv", "'spikes.csv'"),
    (lambda: "x" * 200, "'" + "x" * 79),
    (lambda: 1j, "1j"),
    (lambda: [1, "a"], "[1, 'a']"),
    (lambda: [[1.0], [2.0, 3.0]], "[[1.0], [2.0, 3.0]]"),
    (lambda: {"tau": 1.0}, "{'tau': 1.0}"),
    (lambda: [np.ones(2), np.ones(3)], "a list of length 2"),
    (lambda: synkin.kernels, "the module kernels"),
    (lambda: ampa, "a synkin.Kernel"),
    (lambda: ampa.Params, "the class Params"),
    (lambda: np.sum, "the function sum"),
    (lambda: ampa.Params(), "a synkin.ampa.Params"),
    (lambda: synkin.AMPA(2), "a synkin.AMPA"),
    (lambda: object(), "an object"),
    (lambda: np.array([None]), "an array of objects with shape (1,)"),
    (lambda: np.array(["a"]), "an array of strings with shape (1,)"),
    (lambda: np.zeros(2, "M8[s]"), "an array of datetime64[s] with shape (2,)"),
    (lambda: jnp.zeros((2, 3), "complex64"), "an array of complex64 with shape (2, 3)"),
    (lambda: jax.random.key(0), "an array of key<fry> with shape ()"),
]


@pytest.mark.parametrize(("value", "expected"), WORDED)
def test_what_came_is_worded_on_one_line(value, expected):
    assert describe(value()) == expected


def test_what_is_traced_is_worded_without_the_tracer():
    def look(x):
        assert describe(x) == f"a traced array of {x.dtype.name} with shape (3,)"
        assert describe([x, 1]) == "a list of traced values"
        assert describe((x,)) == "a tuple of traced values"
        return x

    jax.make_jaxpr(look)(np.ones(3, "float32"))
    jax.make_jaxpr(jax.vmap(look))(np.ones((2, 3), "float32"))


# What is traced and wrong becomes NaN


def wrong_values(kernel, name):
    record = kernel.parameters[name]
    return [np.nan, np.inf, -np.inf, *([] if record.signed else [-1.0]), *([0.0] if record.positive else [])]


EVERY_PARAMETER = [
    pytest.param(kernel, name, id=f"{kernel.name}-{name}")
    for kernel in synkin.KERNELS.values()
    for name in kernel.Params._fields
]


@pytest.mark.parametrize(("kernel", "name"), EVERY_PARAMETER)
def test_a_traced_parameter_out_of_range_is_nan(kernel, name):
    """Under jit, vmap and both, as a scalar and, element by element, as an array; what is known stays as it is."""

    def guard(value):
        guarded = nan_if_invalid(kernel.Params()._replace(**{name: value}), kernel)
        assert all(a is b for a, b in zip(guarded, kernel.Params(), strict=True) if a is not getattr(guarded, name))
        return getattr(guarded, name)

    wrong = jnp.asarray(wrong_values(kernel, name))
    assert np.isnan(jax.jit(guard)(wrong)).all()
    assert np.isnan(jax.vmap(guard)(wrong)).all()
    assert np.isnan(jax.jit(jax.vmap(guard))(wrong)).all()
    right = jnp.asarray([1e-3, 1.0, 1e3])
    np.testing.assert_array_equal(jax.jit(guard)(right), right)
    np.testing.assert_array_equal(jax.jit(guard)(jnp.asarray([2, 1])), [2, 1])
    assert guard(-1.0) == -1.0  # known: `params` refuses it


@pytest.mark.parametrize(("kernel", "name"), EVERY_PARAMETER)
def test_a_traced_parameter_out_of_range_gives_no_plausible_g(kernel, name):
    """Neither in a run nor between spikes nor in a step."""
    spikes = np.eye(STEPS, 1, dtype=bool)
    state = kernel.init(kernel.Params(), (1,))

    @jax.jit
    @jax.vmap
    def all_g(value):
        params = kernel.Params()._replace(**{name: value})
        return (
            simulate(kernel, params, spikes, DT)[1][-1],
            respond(kernel, params, [0.0], [0.5]),
            kernel.step(params, state, 0.0, spikes[0], DT)[1],
        )

    wrong = wrong_values(kernel, name)
    for g in all_g(jnp.asarray([*wrong, 0.5])):
        np.testing.assert_array_equal(np.isnan(g[:, 0] if g.ndim > 1 else g), [*(True for _ in wrong), False])


@pytest.mark.parametrize(("kernel", "name"), [(ampa, "T_dur"), (ampa, "beta"), (alpha, "tau")])
def test_nor_is_its_derivative_plausible(kernel, name):
    """A select would give 0. Where the parameter is right its derivative is that without a guard."""
    spikes = np.eye(STEPS, 1, dtype=bool)

    def g(value):
        params = kernel.Params()._replace(**{name: value})
        return simulate(kernel, params, spikes, DT, method="exact")[1][-1, 0]

    slope = jax.jit(jax.vmap(jax.grad(g)))
    assert np.isnan(slope(jnp.asarray(wrong_values(kernel, name)))).all()
    right = jnp.asarray([0.25, 2.0])
    guarded = slope(right)
    with mock.patch.object(bind, "nan_if_invalid", lambda params, kernel: params):
        plain = jax.jit(jax.vmap(jax.grad(lambda value: g(value))))(right)
    np.testing.assert_allclose(guarded, plain, rtol=1e-6)


def test_a_guard_changes_no_bit_where_all_is_right(dtype):
    x = jnp.asarray([1e-30, 0.1, 3.0, 1e30], dtype)
    value, pullback = jax.vjp(jax.jit(lambda x: nan_if_invalid(ampa.Params(alpha=x), ampa).alpha), x)
    np.testing.assert_array_equal(value, x)
    assert value.dtype == dtype
    np.testing.assert_array_equal(*pullback(x), x)
    _, tangent = jax.jvp(jax.jit(nan_if_invalid_dt), (x[1],), (x[2],))
    np.testing.assert_array_equal(tangent, x[2])


def test_a_traced_step_that_is_none_gives_nan(kernel):
    spikes = np.ones((STEPS, 1), bool)
    state = kernel.init(kernel.Params(), (1,))
    wrong = jnp.asarray([0.0, -0.1, np.nan, np.inf])
    assert np.isnan(jax.jit(jax.vmap(nan_if_invalid_dt))(wrong)).all()
    assert nan_if_invalid_dt(0.1) == 0.1
    assert jax.jit(nan_if_invalid_dt)(1) == 1
    for call in (
        lambda dt: simulate(kernel, kernel.Params(), spikes, dt)[1][-1],
        lambda dt: kernel.step(kernel.Params(), state, 0.0, spikes[0], dt)[1],
    ):
        assert np.isnan(jax.jit(jax.vmap(call))(wrong)).all()
        np.testing.assert_allclose(jax.jit(call)(DT), call(DT), rtol=1e-6)


def test_traced_spikes_that_are_none_give_nan(receptor):
    """For the synapse that gets them alone."""
    spikes = np.zeros((STEPS, 4), "float32")
    spikes[1] = [1, 0.5, np.nan, 0]

    @jax.jit
    def run(spikes):
        return simulate(receptor, receptor.Params(), spikes, DT)[1][-1]

    np.testing.assert_array_equal(np.isnan(run(spikes)), [False, True, True, False])
    for same in (spikes[:, ::3].astype(int), spikes[:, ::3].astype(bool)):
        np.testing.assert_array_equal(run(same), run(spikes)[::3])


def test_the_traced_spike_of_a_step_that_is_none_gives_nan(receptor):
    state = receptor.init(receptor.Params(), (4,))

    def step(spike):
        return receptor.step(receptor.Params(), state, 0.0, spike, DT)[1]

    got = jax.jit(step)(jnp.asarray([1.0, 2.0, np.nan, np.inf]))
    np.testing.assert_array_equal(np.isnan(got), [False, True, True, True])
    assert np.isnan(jax.jit(step)(np.nan)).all()


def test_traced_weights_that_are_none_are_not_plausible(linear_kernel):
    weights = np.ones((STEPS, 3))
    weights[0] = [1, np.nan, np.inf]
    got = jax.jit(lambda weights: simulate(linear_kernel, linear_kernel.Params(), weights, DT)[1][-1])(weights)
    np.testing.assert_array_equal(np.isfinite(got), [True, False, False])


@pytest.mark.parametrize("t0", [0.0, 1.0, -5.0])
def test_traced_times_that_are_none_are_nan(t0):
    nan, inf = np.nan, np.inf
    times = np.array([2.0, 0.5, 1.0, nan, inf, -inf], "float32")
    guard = jax.jit(nan_if_invalid_times, static_argnames="sort")
    late = times >= t0
    np.testing.assert_array_equal(guard(times, sort=True), [2.0, 0.5, 1.0, nan, inf, nan])
    np.testing.assert_array_equal(guard(times, sort=False), [2.0, 0.5, 1.0, nan, nan, nan])
    np.testing.assert_array_equal(guard(times, t0, sort=True), np.where(late, times, nan))
    np.testing.assert_array_equal(guard(times, t0, sort=False), np.where(late & np.isfinite(times), times, nan))
    for lost in (nan, inf, -inf):
        assert np.isnan(guard(times, lost, sort=True)).all()
    assert nan_if_invalid_times(times, t0, sort=True) is times
    gradient = jax.jit(jax.grad(lambda t: guard(t, t0, sort=False)[0]))(times)
    assert gradient[0] == 1


def test_a_traced_sample_before_the_start_gives_nan(kernel):
    state = kernel.State(*(jnp.asarray(0.25) for _ in kernel.State._fields))

    def response(times, t0):
        return respond(kernel, kernel.Params(), [12.0], times, state=state, t0=t0)

    times = np.array([9.0, 11.0, 13.0])
    got = jax.jit(response)(times, 10.0)
    np.testing.assert_array_equal(np.isnan(got), [True, False, False])
    np.testing.assert_allclose(got[1:], response(times[1:], 10.0), rtol=1e-5)


# What is known of a kernel comes from the kernel


class Width(NamedTuple):
    tau: float = 2.0
    width: float = 1.0
    shift: float = 0.5


class Level(NamedTuple):
    g: float
    h: float


OF_ITS_OWN = synkin.linear(
    lambda p, y: {"g": (y.h - y.g) / p.tau, "h": p.shift * y.h / p.width},
    Width,
    Level,
    input="h",
    name="mine",
    units={"tau": "ms", "width": "ms", "shift": "mV", "h": "mS*ms"},
    positive=("width",),
    signed=("shift",),
)


def test_ranges_and_units_are_read_from_the_kernel():
    """Of a kernel that is none of the library's."""
    negative = Width(shift=-3.0)
    assert check_params(negative, (), OF_ITS_OWN) == negative
    assert jax.jit(lambda shift: nan_if_invalid(Width(shift=shift), OF_ITS_OWN).shift)(-3.0) == -3.0
    for name, expected in (("tau", "finite and not negative"), ("width", "positive and finite"), ("shift", "finite")):
        with pytest.raises(ValueError, match=f"^Parameter `{name}` must be {expected}, but has the value nan"):
            check_params(Width(**{name: np.nan}), (), OF_ITS_OWN)
    assert OF_ITS_OWN.parameters["shift"] == ("shift", 0.5, "mV", False, True)
    assert dict(OF_ITS_OWN.variables) == {"g": "mS", "h": "mS*ms"}
    with pytest.raises(
        TypeError, match=r"^Argument `params` must be a mine\.Params, but is a synkin\.alpha\.Params\.$"
    ):
        check_params(alpha.Params(), (), OF_ITS_OWN)
    with pytest.raises(TypeError, match=r"^Argument `state` must be a mine\.State, but is a synkin\.expon\.State\.$"):
        check_state(OF_ITS_OWN, synkin.expon.State(0.0))


def test_params_come_back_as_they_were_given_but_for_lists():
    given = ampa.Params(alpha=[1.0, 2.0], beta=jnp.asarray(0.5), T=1.0)
    got = check_params(given, (2,), ampa)
    assert isinstance(got, ampa.Params)
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


def test_the_samples_are_sound():
    """The parameters that the other tests use pass the checks, and every kernel is either kind."""
    rng = np.random.default_rng(0)
    assert {**RECEPTORS, **LINEAR} == synkin.KERNELS
    for kernel in synkin.KERNELS.values():
        check_params(samples.params(kernel, rng), (), kernel)
    assert check_params(dual_expon.Params(amplitude=-1.0), (), dual_expon).amplitude == -1.0


def test_the_suite_runs_in_the_precision_that_is_asked_for():
    """Whatever the modules of other tests import."""
    assert jnp.zeros(()).dtype == (jnp.float64 if X64 else jnp.float32)
