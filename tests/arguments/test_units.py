"""Quantities with units: the same numbers as plain ones, g with a unit where one went in, and nothing else changed."""

import copy
import pickle
import re
import subprocess
import sys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import environ
from synkin.arguments import units
from tests.helpers import samples

u = pytest.importorskip("saiunit")

DT = 0.1
OBJECTS = {
    "AMPA": synkin.ampa,
    "GABAa": synkin.gabaa,
    "BioNMDA": synkin.bionmda,
    "Alpha": synkin.alpha,
    "Expon": synkin.expon,
    "DualExpon": synkin.dual_expon,
}
# A number in one of synkin's units as a quantity in another one of that dimension.
ELSEWHERE = {
    "ms": lambda x: x / 1000 * u.second,
    "mM": lambda x: x * 1000 * u.uM,
    "1/ms": lambda x: x * 1000 * u.Hz,
    "1/ms/mM": lambda x: x * 1e6 / (u.second * u.molar),
    "mS": lambda x: x * 1e6 * u.nS,
    "mS*ms": lambda x: x * 1000 * (u.uS * u.ms),
    "1": lambda x: x,
}
# Factors of 1000 cost a rounding or two.
TOLERANCE = {"rtol": 2e-5, "atol": 1e-6}


@pytest.fixture(autouse=True)
def nothing_set():
    environ.set(t=None, dt=None)
    yield
    environ.set(t=None, dt=None)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture(params=OBJECTS)
def name(request):
    return request.param


def elsewhere(values, wanted):
    """A Params or State with each field in another unit."""
    return type(values)(*(ELSEWHERE[unit](value) for value, unit in zip(values, wanted, strict=True)))


def in_mS(g):
    """The numbers of a quantity, which has to be one."""
    assert isinstance(g, u.Quantity)
    assert g.unit == u.mS
    return g.mantissa


def is_plain(tree):
    return not any(isinstance(x, u.Quantity) for x in jax.tree.leaves(tree, is_leaf=units.is_quantity))


def some_state(kernel, rng, shape):
    return kernel.State(*(jnp.asarray(rng.uniform(0.1, 0.5, shape), float) for _ in kernel.State._fields))


def some_inputs(kernel, rng):
    return samples.inputs(kernel, rng, (samples.STEPS, samples.SYNAPSES))


# Conversion


@pytest.mark.parametrize(
    ("given", "unit", "expected"),
    [
        (lambda: 0.008 * u.second, "ms", 8.0),
        (lambda: 0.5 * u.minute, "ms", 30000.0),
        (lambda: 100 * u.Hz, "1/ms", 0.1),
        (lambda: 500 * u.uM, "mM", 0.5),
        (lambda: 2 * u.nS, "mS", 2e-6),
        (lambda: 3e6 / (u.second * u.molar), "1/ms/mM", 3.0),
        (lambda: 7.0 * u.uS * u.second, "mS*ms", 7.0),
        (lambda: u.Quantity(0.5), "1", 0.5),
        (lambda: 5 * u.ms, "ms", 5),
        (lambda: np.array([0.001, 0.002]) * u.second, "ms", [1.0, 2.0]),
        (lambda: jnp.arange(3) * u.second, "ms", [0.0, 1000.0, 2000.0]),
    ],
)
def test_a_quantity_becomes_a_number(given, unit, expected):
    got = units.strip_unit("x", given(), unit)
    assert is_plain(got)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("value", [8, 0.5, None, [1, 2], "tau", np.ones(3), jnp.ones(3)])
def test_what_has_no_unit_stays_as_it_is(value):
    assert units.strip_unit("x", value, "ms") is value


def test_a_list_of_quantities_becomes_one_of_numbers():
    got = units.strip_unit("x", [1 * u.ms, [2 * u.second, 3.0]], "ms")
    assert got == [1, [2000.0, 3.0]]
    assert units.among([1.0, [2.0, 3 * u.ms]])
    assert not units.among([1.0, [2.0]], "ms", None, (1.0,))


@pytest.mark.parametrize("values", [None, 3.0, (1 * u.ms,), {"tau": 1 * u.ms}, synkin.ampa.Params(beta=1 * u.Hz)])
def test_what_is_no_params_or_state_is_left_for_the_checks(values):
    assert units.params(synkin.alpha, values) is values
    assert units.state(values, synkin.alpha) is values


def test_every_unit_and_state_variable_is_known(kernel):
    assert tuple(kernel.variables) == kernel.State._fields
    assert tuple(known.unit for known in kernel.parameters.values()) == kernel.UNITS
    for unit in (*kernel.UNITS, *kernel.variables.values()):
        np.testing.assert_allclose(units.strip_unit("x", ELSEWHERE[unit](2.5), unit), 2.5, rtol=1e-12)


# The functions


def test_simulate_gives_the_plain_numbers_in_mS(kernel, rng):
    params, spikes = samples.params(kernel, rng), some_inputs(kernel, rng)
    state = some_state(kernel, rng, (samples.SYNAPSES,))
    plain, expected = synkin.simulate(kernel, params, spikes, DT, state=state, method="exact")
    assert is_plain((plain, expected))
    final, got = synkin.simulate(
        kernel,
        elsewhere(params, kernel.UNITS),
        spikes * 1e6 * u.nS if kernel.input.takes_weights else spikes,
        DT / 1000 * u.second,
        state=elsewhere(state, kernel.variables.values()),
        t0=0.0 * u.second,
        method="exact",
    )
    assert is_plain(final)
    chex.assert_trees_all_close(final, plain, **TOLERANCE)
    np.testing.assert_allclose(in_mS(got), expected, **TOLERANCE)


def test_a_step_gives_the_plain_number_in_mS(kernel, rng):
    params, spike = samples.params(kernel, rng), some_inputs(kernel, rng)[0]
    state = some_state(kernel, rng, (samples.SYNAPSES,))
    plain, expected = kernel.step(params, state, 0.0, spike, DT, method="exact")
    assert is_plain((plain, expected))
    assert is_plain(kernel.init(elsewhere(params, kernel.UNITS), 3))
    moved, got = kernel.step(
        elsewhere(params, kernel.UNITS),
        elsewhere(state, kernel.variables.values()),
        0.0 * u.second,
        spike * 1e6 * u.nS if kernel.input.takes_weights else spike,
        DT / 1000 * u.second,
        method="exact",
    )
    assert is_plain(moved)
    chex.assert_trees_all_close(moved, plain, **TOLERANCE)
    np.testing.assert_allclose(in_mS(got), expected, **TOLERANCE)


def test_a_stepper_takes_quantities_and_gives_plain_numbers(kernel, rng):
    params, spike = samples.params(kernel, rng), some_inputs(kernel, rng)[0]
    state = some_state(kernel, rng, (samples.SYNAPSES,))
    stepper = synkin.stepper(kernel, params, DT, method="exact")
    expected = stepper.step(stepper.init(state=state), spike)[1]
    given = synkin.stepper(kernel, elsewhere(params, kernel.UNITS), DT / 1000 * u.second, method="exact")
    start = given.init(state=elsewhere(state, kernel.variables.values()))
    carry, got = given.step(start, spike * 1e6 * u.nS if kernel.input.takes_weights else spike)
    assert is_plain((carry, got, given.state(carry)))
    np.testing.assert_allclose(got, expected, **TOLERANCE)


def test_respond_gives_the_plain_numbers_in_mS(kernel, rng):
    params, state = samples.params(kernel, rng), some_state(kernel, rng, ())
    spike_times, times = np.array([0.5, 3.0, np.inf]), np.linspace(0.4, 9.0, 20)
    weights = np.array([1.0, -0.5, 0.0]) if kernel.input.takes_weights else None
    expected = synkin.respond(kernel, params, spike_times, times, weights=weights, state=state, t0=0.25)
    assert is_plain(expected)
    got = synkin.respond(
        kernel,
        elsewhere(params, kernel.UNITS),
        spike_times / 1000 * u.second,
        times / 1000 * u.second,
        weights=weights if weights is None else weights * 1000 * u.uS,
        state=elsewhere(state, kernel.variables.values()),
        t0=250 * u.us,
    )
    np.testing.assert_allclose(in_mS(got), expected, **TOLERANCE)


ALPHA = synkin.alpha
REST = ALPHA.State(g=jnp.zeros(2), h=jnp.zeros(2))
ZERO = ALPHA.State(g=jnp.zeros(()), h=jnp.zeros(()))


@pytest.mark.parametrize(
    "given",
    [
        {"params": ALPHA.Params(tau=8 * u.ms)},
        {"spikes": np.ones((4, 2)) * u.mS},
        {"dt": DT * u.ms},
        {"state": REST._replace(h=REST.h * u.mS)},
        {"t0": 1.0 * u.ms},
    ],
    ids=lambda given: next(iter(given)),
)
def test_one_quantity_is_enough_for_simulate(given):
    plain = {"params": ALPHA.Params(), "spikes": np.ones((4, 2)), "dt": DT, "state": REST, "t0": 0.0}
    final, g = synkin.simulate(ALPHA, **plain | given)
    assert is_plain(final)
    _, expected = synkin.simulate(ALPHA, **plain)
    np.testing.assert_allclose(in_mS(g), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "given",
    [
        {"params": ALPHA.Params(tau=8 * u.ms)},
        {"spike_times": [1.0, 2.0] * u.ms},
        {"times": [3.0, 4.0] * u.ms},
        {"weights": [1.0, 1.0] * u.mS},
        {"state": ZERO._replace(g=ZERO.g * u.mS)},
        {"t0": 0.0 * u.ms},
    ],
    ids=lambda given: next(iter(given)),
)
def test_one_quantity_is_enough_for_respond(given):
    plain = {
        "params": ALPHA.Params(),
        "spike_times": [1.0, 2.0],
        "times": [3.0, 4.0],
        "weights": [1.0, 1.0],
        "state": ZERO,
        "t0": 0.0,
    }
    expected = synkin.respond(ALPHA, **plain)
    np.testing.assert_allclose(in_mS(synkin.respond(ALPHA, **plain | given)), expected, rtol=1e-6)


def test_a_readout_reads_a_quantity():
    weights = jnp.array([[1.0, 2.0]])
    spikes = np.ones((4, 2))
    readout = lambda state, g: (weights @ g, state.h)  # noqa: E731
    _, (expected, expected_h) = synkin.simulate(ALPHA, ALPHA.Params(), spikes, DT, readout=readout)
    final, (got, h) = synkin.simulate(ALPHA, ALPHA.Params(), spikes, DT * u.ms, readout=readout)
    assert is_plain((final, h))
    np.testing.assert_allclose(in_mS(got), expected, rtol=1e-6)
    np.testing.assert_allclose(h, expected_h, rtol=1e-6)


def test_times_of_a_long_recording_keep_their_resolution():
    """A day after its start, in single precision: the spike is 0.01 ms before the sample."""
    day = 86400.0
    params, spike_times, times = synkin.expon.Params(tau=0.01), np.array([day]), np.array([day + 1e-5])
    g = synkin.respond(synkin.expon, params, spike_times * u.second, times * u.second, dtype=jnp.float32)
    np.testing.assert_allclose(in_mS(g), np.exp(-1.0), rtol=1e-5)


def test_quantities_pass_through_jit_and_vmap():
    spikes = np.ones((4, 2)) * u.mS
    _, expected = synkin.simulate(ALPHA, ALPHA.Params(tau=5.0), np.ones((4, 2)), DT)

    def run(tau, spikes, dt):
        return synkin.simulate(ALPHA, ALPHA.Params(tau=tau), spikes, dt)[1]

    got = jax.jit(run)(0.005 * u.second, spikes, DT * u.ms)
    np.testing.assert_allclose(in_mS(got), expected, rtol=1e-5)
    both = jax.vmap(run, (0, None, None))(jnp.array([0.005, 0.02]) * u.second, spikes, DT * u.ms)
    np.testing.assert_allclose(in_mS(both)[0], expected, rtol=1e-5)


def test_a_gradient_in_another_unit_is_scaled_by_it():
    spikes = np.arange(20) == 0

    def total(beta, unit):
        params = synkin.ampa.Params(beta=beta if unit is None else beta * unit)
        g = synkin.simulate(synkin.ampa, params, spikes, DT)[1]
        return (g if unit is None else g.to_decimal(u.mS)).sum()

    expected = jax.grad(total)(0.18, None)
    np.testing.assert_allclose(jax.grad(total)(180.0, u.Hz), expected / 1000, rtol=1e-5)


# The currents


@pytest.mark.parametrize(
    "given",
    [
        {"g": 200 * u.uS, "V": -0.065 * u.volt, "E": -25.0, "g_max": 1.5},
        {"g": 0.2, "V": -65 * u.mV, "E": -25, "g_max": 1.5},
        {"g": 0.2, "V": -65.0, "E": -25.0 * u.mV, "g_max": 1.5},
        {"g": 0.2, "V": -65.0, "E": -25.0, "g_max": 1500 * u.uS},
        {"g": u.Quantity(0.2), "V": -65.0, "E": -25.0, "g_max": 1.5 * u.mS},
        {"g": u.Quantity(0.2), "V": -65.0, "E": -25.0, "g_max": u.Quantity(1.5)},
        {"g": [0.2 * u.mS], "V": -65.0, "E": -25.0, "g_max": 1.5},
    ],
)
def test_one_quantity_is_enough_for_coba(given):
    """Ohm's law: 1.5 x 0.2 mS at 40 mV below the reversal; one of g and g_max has the unit, or neither."""
    got = synkin.currents.coba(**given)
    assert got.unit == u.uA
    np.testing.assert_allclose(got.mantissa, -12.0, rtol=1e-6)


def test_cuba_gives_a_quantity_for_one():
    for given in ({"g": 0.5 * u.mS}, {"g": 0.5, "scale": 1 * u.mV}, {"g": 500 * u.uS, "scale": 0.001 * u.volt}):
        got = synkin.currents.cuba(**given)
        assert got.unit == u.uA
        np.testing.assert_allclose(got.mantissa, 0.5, rtol=1e-6)


def test_mg_block_is_a_plain_fraction():
    got = synkin.currents.mg_block(-0.065 * u.volt, Mg=1000 * u.uM, a=62 / u.volt, b=3.57 * u.mM, V_offset=0.0 * u.mV)
    assert is_plain(got)
    np.testing.assert_allclose(got, synkin.currents.mg_block(-65.0, Mg=1.0), rtol=1e-5)


def test_from_spikes_to_a_current_with_units(kernel):
    """g of `respond` and of `simulate` goes into `coba`, blocked or not, under jit and grad as well."""
    V, E = -65.0, 0.0
    params, times = kernel.Params(), np.array([1.0, 2.0, 4.0])

    def current(V, unit):
        g = synkin.respond(kernel, params, [0.5], times * unit)
        return synkin.currents.coba(synkin.currents.mg_block(V) * g, V, E=E)

    expected = current(V, 1)
    for got in (current(V * u.mV, u.ms), jax.jit(lambda V: current(V * u.mV, u.ms))(V)):
        assert got.unit == u.uA
        np.testing.assert_allclose(got.mantissa, expected, **TOLERANCE)
    slope = jax.grad(lambda V: current(V * u.mV, u.ms).mantissa.sum())(V)
    np.testing.assert_allclose(slope, jax.grad(lambda V: current(V, 1).sum())(V), **TOLERANCE)
    _, g = synkin.simulate(kernel, params, np.ones((4, 2)), DT * u.ms)
    assert synkin.currents.coba(g, V * u.mV, E=E).unit == u.uA


# The objects


def make(name, size, /, **given):
    return getattr(synkin, name)(size, **given)


def test_an_object_gives_the_plain_numbers_in_mS(name, rng):
    kernel = OBJECTS[name]
    params, spikes = samples.params(kernel, rng), some_inputs(kernel, rng)[:6]
    plain = make(name, samples.SYNAPSES, **params._asdict(), g_initializer=0.25)
    made = make(name, samples.SYNAPSES, **elsewhere(params, kernel.UNITS)._asdict(), g_initializer=250 * u.uS)
    given = spikes * 1e6 * u.nS if kernel.input.takes_weights else spikes
    for i, (row, row_given) in enumerate(zip(spikes[:4], given[:4], strict=True)):
        with environ.context(t=i * DT, dt=DT):
            expected = plain.update(jnp.asarray(row))
        with environ.context(t=i * DT / 1000 * u.second, dt=DT / 1000 * u.second):
            got = made.update(row_given)
        assert is_plain(expected)
        np.testing.assert_allclose(in_mS(got), expected, **TOLERANCE)
    got = made.run(given[4:], DT * 1000 * u.us)
    np.testing.assert_allclose(in_mS(got), plain.run(spikes[4:], DT), **TOLERANCE)
    chex.assert_trees_all_close(made.params, plain.params, **TOLERANCE)
    chex.assert_trees_all_close(made.state, plain.state, **TOLERANCE)
    assert is_plain((made.params, made.state))
    assert is_plain([getattr(plain, field) for field in params._fields])


@pytest.mark.parametrize(
    ("name", "attribute", "unit"),
    [
        ("AMPA", "g", "mS"),
        ("AMPA", "spike_arrival_time", "ms"),
        ("BioNMDA", "g", "mS"),
        ("BioNMDA", "x", "1"),
        ("Alpha", "g", "mS"),
        ("Alpha", "h", "mS"),
        ("DualExpon", "g_rise", "mS"),
        ("DualExpon", "g_decay", "mS"),
    ],
)
def test_variables_are_read_and_set_with_their_unit(name, attribute, unit):
    synapse = make(name, 2)
    variable = getattr(synapse, attribute)
    assert is_plain(variable.value)
    variable.value = ELSEWHERE[unit](0.5)
    np.testing.assert_allclose(units.strip_unit(attribute, variable.value, unit), 0.5, rtol=1e-5)
    assert units.is_quantity(variable.value) == (unit != "1")


def test_parameters_are_read_and_set_with_their_unit(name):
    kernel = OBJECTS[name]
    synapse = make(name, 3)
    for field, unit in kernel.UNITS._asdict().items():
        setattr(synapse, field, ELSEWHERE[unit](0.75))
        read = getattr(synapse, field)
        assert units.is_quantity(read) == (unit != "1")
        np.testing.assert_allclose(units.strip_unit(field, read, unit), 0.75, rtol=1e-6)
        np.testing.assert_allclose(getattr(synapse.params, field), 0.75, rtol=1e-6)


def test_an_object_gives_quantities_from_the_first_one_on(name):
    field, unit = OBJECTS[name].Params._fields[0], OBJECTS[name].UNITS[0]
    spike = np.ones(2, bool)
    environ.set(dt=DT)
    synapse = make(name, 2)
    assert is_plain((synapse.update(spike), getattr(synapse, field)))
    told, driven, timed = (copy.copy(synapse) for _ in range(3))
    setattr(told, field, ELSEWHERE[unit](1.0))
    driven.run(spike[None], DT * u.ms)
    with environ.context(t=0.0 * u.ms):
        timed.update(spike)
    for other in (told, driven, timed):
        in_mS(other.update(spike))
        assert units.is_quantity(getattr(other, field))
        in_mS(pickle.loads(pickle.dumps(other)).update(spike))
    assert is_plain((synapse.update(spike), getattr(synapse, field)))


def test_an_object_reads_as_quantities_while_environ_holds_one():
    synapse = synkin.BioNMDA(2)
    for given in ({"dt": 0.1 * u.ms}, {"t": 0.0 * u.ms}):
        with environ.context(**given):
            np.testing.assert_array_equal(in_mS(synapse.g.value), 0.0)
            assert synapse.T_duration == 0.5 * u.ms
            assert is_plain(synapse.x.value)
    assert is_plain((synapse.g.value, synapse.T_duration))


def test_initial_values_with_a_unit():
    synapse = synkin.BioNMDA(2, g_initializer=lambda shape: np.full(shape, 250.0) * u.uS, x_initializer=0.5)
    synapse.init_state()
    np.testing.assert_allclose(in_mS(synapse.g.value), 0.25)
    np.testing.assert_allclose(synapse.x.value, 0.5)


def test_a_state_with_units_is_kept_without():
    synapse = synkin.Alpha(2)
    synapse.state = ALPHA.State(g=np.ones(2) * u.uS, h=np.ones(2) * u.mS)
    assert is_plain(synapse.state)
    np.testing.assert_allclose(synapse.state.g, 1e-3)


def test_delta_inputs_with_a_unit():
    environ.set(dt=DT)
    plain, synapse = synkin.Expon(2), synkin.Expon(2)
    plain.add_delta_input("one", np.ones(2))
    synapse.add_delta_input("one", np.full(2, 1e6) * u.nS)
    synapse.add_delta_input("other", lambda: 2000.0 * u.uS)
    plain.add_delta_input("other", lambda: 2.0)
    np.testing.assert_allclose(in_mS(synapse.update()), plain.update(), rtol=1e-6)
    np.testing.assert_allclose(in_mS(synapse.sum_delta_inputs(500.0 * u.uS)), 2.5)


def test_environ_holds_times_in_ms():
    environ.set(t=2 * u.second, dt=100 * u.us)
    for key, expected in (("t", 2000.0), ("dt", 0.1)):
        got = environ.get(key)
        assert got.unit == u.ms
        assert type(got.mantissa) is float
        np.testing.assert_allclose(got.mantissa, expected, rtol=1e-15)
    with environ.context(dt=0.5):
        assert type(environ.get("dt")) is float


# What a person gets to hear


def in_a_context(**given):
    with environ.context(**given):
        pass


def update(synapse, spike):
    with environ.context(dt=DT):
        synapse.update(spike)


def assign(thing, attribute, value):
    setattr(thing, attribute, value)


SPIKES = np.ones((4, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: synkin.Alpha(2, tau=8 * u.mV), "Parameter `tau` must be in ms, but is in mV."),
        (lambda: synkin.AMPA(2, beta=0.2 * u.ms), "Parameter `beta` must be in 1/ms, but is in ms."),
        (lambda: synkin.AMPA(2, alpha=1 * u.Hz), "Parameter `alpha` must be in 1/ms/mM, but is in Hz."),
        (lambda: synkin.AMPA(2, T=u.Quantity(1.0)), "Parameter `T` must be in mM, but is dimensionless."),
        (
            lambda: synkin.DualExpon(2, amplitude=1 * u.mS),
            "Parameter `amplitude` must be dimensionless, but is in mS.",
        ),
        (lambda: assign(synkin.Expon(2), "tau", 8 * u.mV), "Parameter `tau` must be in ms, but is in mV."),
        (lambda: assign(synkin.Expon(2).g, "value", 8 * u.mV), "Argument `g` must be in mS, but is in mV."),
        (
            lambda: synkin.Expon(2, g_initializer=1 * u.mM).init_state(),
            "Argument `g_initializer` must be in mS, but is in mM.",
        ),
        (lambda: update(synkin.Expon(2), SPIKES[0] * u.mV), "Argument `x` must be in mS, but is in mV."),
        (
            lambda: update(synkin.AMPA(2), SPIKES[0] * u.mS),
            "Argument `spike` must be dimensionless, but is in mS.",
        ),
        (
            lambda: synkin.Expon(2).add_delta_input("one", SPIKES[0] * u.mV),
            "Argument `inp` must be in mS, but is in mV.",
        ),
        (lambda: synkin.Expon(2).run(SPIKES, 0.1 * u.mS), "Argument `dt` must be in ms, but is in mS."),
        (
            lambda: synkin.AMPA(2).run(SPIKES * u.mS, DT),
            "Argument `spikes` must be dimensionless, but is in mS.",
        ),
        (lambda: environ.set(dt=0.1 * u.mV), "Argument `dt` must be in ms, but is in mV."),
        (lambda: in_a_context(t=0.1 * u.mV), "Argument `t` must be in ms, but is in mV."),
        (
            lambda: synkin.simulate(ALPHA, ALPHA.Params(tau=8 * u.mV), SPIKES, DT),
            "Parameter `tau` must be in ms, but is in mV.",
        ),
        (
            lambda: synkin.simulate(ALPHA, ALPHA.Params(), SPIKES * u.mV, DT),
            "Argument `spikes` must be in mS, but is in mV.",
        ),
        (
            lambda: synkin.simulate(synkin.ampa, synkin.ampa.Params(), SPIKES * u.mS, DT),
            "Argument `spikes` must be dimensionless, but is in mS.",
        ),
        (
            lambda: synkin.simulate(ALPHA, ALPHA.Params(), SPIKES, DT * u.mV),
            "Argument `dt` must be in ms, but is in mV.",
        ),
        (
            lambda: synkin.simulate(ALPHA, ALPHA.Params(), SPIKES, DT, t0=1 * u.mV),
            "Argument `t0` must be in ms, but is in mV.",
        ),
        (
            lambda: synkin.simulate(ALPHA, ALPHA.Params(), SPIKES, DT, state=REST._replace(g=REST.g * u.ms)),
            "Argument `state.g` must be in mS, but is in ms.",
        ),
        (
            lambda: synkin.respond(ALPHA, ALPHA.Params(), [1.0] * u.mV, [2.0]),
            "Argument `spike_times` must be in ms, but is in mV.",
        ),
        (
            lambda: synkin.respond(ALPHA, ALPHA.Params(), [1.0], [2.0] * u.mV),
            "Argument `times` must be in ms, but is in mV.",
        ),
        (
            lambda: synkin.respond(ALPHA, ALPHA.Params(), [1.0], [2.0], weights=[1.0] * u.ms),
            "Argument `weights` must be in mS, but is in ms.",
        ),
        (lambda: synkin.currents.coba(1 * u.mV, -65.0, E=0.0), "Argument `g` must be in mS, but is in mV."),
        (lambda: synkin.currents.coba(1.0, -65 * u.ms, E=0.0), "Argument `V` must be in mV, but is in ms."),
        (lambda: synkin.currents.coba(1.0, -65.0, E=1 * u.mS), "Argument `E` must be in mV, but is in mS."),
        (
            lambda: synkin.currents.coba(1.0, -65.0, E=0.0, g_max=1 * u.mV),
            "Argument `g_max` must be dimensionless, but is in mV.",
        ),
        (
            lambda: synkin.currents.coba(1.0 * u.mS, -65.0, E=0.0, g_max=1 * u.nS),
            "Argument `g_max` must be dimensionless where `g` is in mS, but is in nS.",
        ),
        (lambda: synkin.currents.cuba(1 * u.mV), "Argument `g` must be in mS, but is in mV."),
        (lambda: synkin.currents.cuba(1.0, scale=1 * u.mS), "Argument `scale` must be in mV, but is in mS."),
        (lambda: synkin.currents.mg_block(1 * u.mS), "Argument `V` must be in mV, but is in mS."),
        (lambda: synkin.currents.mg_block(-65.0, Mg=1 * u.ms), "Argument `Mg` must be in mM, but is in ms."),
        (lambda: synkin.currents.mg_block(-65.0, a=1 * u.mV), "Argument `a` must be in 1/mV, but is in mV."),
        (lambda: synkin.currents.mg_block(-65.0, b=1 * u.mV), "Argument `b` must be in mM, but is in mV."),
        (
            lambda: synkin.simulate(ALPHA, synkin.ampa.Params(beta=1 * u.Hz), SPIKES, DT),
            "Argument `params` must be a synkin.alpha.Params, but is a synkin.ampa.Params.",
        ),
        (
            lambda: ALPHA.init(ALPHA.Params(tau=[8 * u.ms, 9 * u.mV]), (2,)),
            "Parameter `tau` must be in ms, but is in mV.",
        ),
        (
            lambda: ALPHA.init(ALPHA.Params(tau=8 * u.mS), (2,)),
            "Parameter `tau` must be in ms, but is in mS.",
        ),
        (
            lambda: ALPHA.step(ALPHA.Params(), REST, 0.0, SPIKES[0] * u.mV, DT),
            "Argument `spike` must be in mS, but is in mV.",
        ),
        (
            lambda: ALPHA.step(ALPHA.Params(), REST, 0.0 * u.mV, SPIKES[0], DT),
            "Argument `t` must be in ms, but is in mV.",
        ),
        (
            lambda: ALPHA.step(ALPHA.Params(), REST, 0.0, SPIKES[0], DT * u.mV),
            "Argument `dt` must be in ms, but is in mV.",
        ),
        (
            lambda: synkin.stepper(ALPHA, ALPHA.Params(tau=8 * u.mV), DT),
            "Parameter `tau` must be in ms, but is in mV.",
        ),
        (
            lambda: synkin.stepper(ALPHA, ALPHA.Params(), DT).init(state=REST._replace(h=REST.h * u.ms)),
            "Argument `state.h` must be in mS, but is in ms.",
        ),
        (
            lambda: synkin.ampa.vector_field(synkin.ampa.Params(), synkin.ampa.State(0.0, 0.0), 1 * u.mS),
            "Argument `T` must be in mM, but is in mS.",
        ),
    ],
)
def test_another_dimension_is_a_sentence(call, message):
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        call()


def test_a_value_out_of_range_is_said_in_ms():
    with pytest.raises(ValueError, match=r"^Parameter `tau` must be positive and finite, but has the value -8\.0\.$"):
        synkin.Alpha(2, tau=-0.008 * u.second)
    with pytest.raises(ValueError, match=r"^Argument `dt` must be a positive number of ms, but is 0\.0\.$"):
        environ.set(dt=0.0 * u.second)


# Without saiunit


def test_saiunit_is_imported_by_nobody_here():
    program = """
import sys
import synkin
with synkin.environ.context(t=0.0, dt=0.1):
    g = synkin.AMPA(2).update([True, False])
kept = synkin.simulate(synkin.alpha, synkin.alpha.Params(), [1.0, 0.0], 0.1)
response = synkin.respond(synkin.alpha, synkin.alpha.Params(), [1.0], [2.0])
assert "saiunit" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
