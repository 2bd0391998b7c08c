"""Quantities with units: the same numbers as plain ones, g with a unit where one went in, and nothing else changed.

What is said of another dimension is in tests/messages/units.txt.
"""

import copy
import pickle
import re
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import ampa, environ
from tests.helpers import samples

u = pytest.importorskip("saiunit")

DT = 0.1
OBJECTS = {"AMPA": ampa, "BioNMDA": synkin.bionmda, "Alpha": synkin.alpha, "DualExpon": synkin.dual_expon}
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
UNITS = {"ms": u.ms, "mM": u.mM, "1/ms": u.ms**-1, "1/ms/mM": (u.ms * u.mM) ** -1, "mS": u.mS, "mS*ms": u.mS * u.ms}
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


def elsewhere(values, units):
    """A Params or State with each field in another unit."""
    return type(values)(*(ELSEWHERE[unit](value) for value, unit in zip(values, units, strict=True)))


def is_quantity(x):
    return isinstance(x, u.Quantity)


def is_plain(tree):
    return not any(is_quantity(x) for x in jax.tree.leaves(tree, is_leaf=is_quantity))


def in_unit(x, unit):
    """The numbers of a quantity, which has to be one unless it has no dimension."""
    assert is_quantity(x) == (unit != "1")
    return x if unit == "1" else x.to_decimal(UNITS[unit])


def in_mS(g):
    """The numbers of a quantity in mS."""
    assert is_quantity(g)
    assert g.unit == u.mS
    return g.mantissa


# Conversion


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("tau", 0.008 * u.second, 8.0),
        ("tau", 0.5 * u.minute, 30000.0),
        ("tau", 5 * u.ms, 5.0),
        ("tau", np.array([0.001, 0.002]) * u.second, [1.0, 2.0]),
        ("tau", jnp.arange(1, 3) * u.second, [1000.0, 2000.0]),
        ("tau", [1 * u.ms, 2 * u.second], [1.0, 2000.0]),
        ("tau", [8, 0.5 * u.second], [8.0, 500.0]),
        ("beta", 100 * u.Hz, 0.1),
        ("T", 500 * u.uM, 0.5),
        ("alpha", 3e6 / (u.second * u.molar), 3.0),
        ("amplitude", u.Quantity(0.5), 0.5),
        ("tau", 8, 8.0),
        ("tau", [1, 2], [1.0, 2.0]),
        ("tau", np.ones(2), [1.0, 1.0]),
    ],
)
def test_a_quantity_becomes_a_number(name, given, expected):
    kind = {"tau": "Expon", "amplitude": "DualExpon"}.get(name, "AMPA")
    params = getattr(synkin, kind)(2, **{name: given}).params
    assert is_plain(params)
    np.testing.assert_allclose(getattr(params, name), expected, rtol=1e-6)


def test_every_unit_and_variable_is_known(kernel):
    assert tuple(kernel.variables) == kernel.State._fields
    assert tuple(known.unit for known in kernel.parameters.values()) == kernel.UNITS
    for unit in {*kernel.UNITS, *kernel.variables.values()} - {"1"}:
        np.testing.assert_allclose(ELSEWHERE[unit](2.5).to_decimal(UNITS[unit]), 2.5, rtol=1e-6)


def test_known_quantities_are_looked_at_under_jit():
    bad, params = np.full((4, 2), np.nan) * u.uS, ampa.Params(beta=jnp.asarray(-1.0) * u.Hz)
    with pytest.raises(ValueError, match="must be finite"):
        jax.jit(lambda dt: synkin.simulate(ALPHA, ALPHA.Params(), bad, dt)[1].mantissa)(DT)
    with pytest.raises(ValueError, match=r"has the value -0\.001"):
        jax.jit(lambda dt: synkin.simulate(ampa, params, np.ones((4, 2)), dt)[1])(DT)


def test_saiunit_is_imported_by_nobody_here():
    sources = Path(synkin.__file__).parent.rglob("*.py")
    found = [path.name for path in sources if re.search(r"^\s*(import|from) saiunit", path.read_text(), re.MULTILINE)]
    assert found == []


# The functions


@pytest.mark.parametrize("name", ["ampa", "dual_expon", pytest.param("bionmda", marks=pytest.mark.wide)])
def test_functions_give_the_plain_numbers_in_mS(name, rng):
    """`simulate`, ``step``, a stepper, which gives plain numbers, and `respond`; states have no units."""
    kernel = synkin.KERNELS[name]
    params, spikes = samples.params(kernel, rng), samples.inputs(kernel, rng, (samples.STEPS, samples.SYNAPSES))
    state = kernel.State(*(jnp.asarray(rng.uniform(0.1, 0.5, samples.SYNAPSES), float) for _ in kernel.State._fields))
    weighted = kernel.input.takes_weights

    def results(params, spikes, dt, state, spike_times, times, weights, t):
        final, g = synkin.simulate(kernel, params, spikes, dt, state=state, t0=t, method="exact")
        moved, stepped = kernel.step(params, state, t, spikes[0], dt, method="exact")
        stepper = synkin.stepper(kernel, params, dt, method="exact")
        carry, own = stepper.step(stepper.init(state=state), spikes[0])
        one = type(state)(*(field[0] for field in state))
        g_of_times = synkin.respond(kernel, params, spike_times, times, weights=weights, state=one, t0=t)
        assert is_plain((final, moved, carry, own, stepper.state(carry), kernel.init(params, 3)))
        return (final, moved, stepper.state(carry), own), (g, stepped, g_of_times)

    spike_times, times, weights = np.array([0.5, 3.0, np.inf]), np.linspace(0.4, 9.0, 20), np.array([1.0, -0.5, 0.0])
    plain, expected = results(params, spikes, DT, state, spike_times, times, weights if weighted else None, 0.25)
    assert is_plain(expected)
    same, got = results(
        elsewhere(params, kernel.UNITS),
        ELSEWHERE["mS"](spikes) if weighted else spikes,
        DT / 1000 * u.second,
        elsewhere(state, kernel.variables.values()),
        spike_times / 1000 * u.second,
        times / 1000 * u.second,
        weights * 1000 * u.uS if weighted else None,
        250 * u.us,
    )
    chex.assert_trees_all_close(same, plain, **TOLERANCE)
    chex.assert_trees_all_close(tuple(map(in_mS, got)), expected, **TOLERANCE)


ALPHA = synkin.alpha
ONES = np.ones((4, 2))
REST = ALPHA.State(g=jnp.zeros(2), h=jnp.zeros(2))
ZERO = ALPHA.State(g=jnp.zeros(()), h=jnp.zeros(()))


def test_one_quantity_is_enough():
    """Whichever it is, g of `simulate` and of `respond` has a unit."""
    plain = {"params": ALPHA.Params(), "spikes": ONES, "dt": DT, "state": REST, "t0": 0.0}
    _, expected = synkin.simulate(ALPHA, **plain)
    for given in (
        {"params": ALPHA.Params(tau=8 * u.ms)},
        {"spikes": ONES * u.mS},
        {"dt": DT * u.ms},
        {"state": REST._replace(h=REST.h * u.mS)},
        {"t0": 1.0 * u.ms},
    ):
        final, g = synkin.simulate(ALPHA, **plain | given)
        assert is_plain(final)
        np.testing.assert_allclose(in_mS(g), expected, rtol=1e-6)
    plain = {"params": ALPHA.Params(), "spike_times": [1.0, 2.0], "times": [3.0, 4.0], "weights": [1.0, 1.0]}
    plain |= {"state": ZERO, "t0": 0.0}
    expected = synkin.respond(ALPHA, **plain)
    for given in (
        {"params": ALPHA.Params(tau=8 * u.ms)},
        {"spike_times": [1.0, 2.0] * u.ms},
        {"times": [3.0, 4.0] * u.ms},
        {"weights": [1.0, 1.0] * u.mS},
        {"state": ZERO._replace(g=ZERO.g * u.mS)},
        {"t0": 0.0 * u.ms},
    ):
        np.testing.assert_allclose(in_mS(synkin.respond(ALPHA, **plain | given)), expected, rtol=1e-6)


def test_a_readout_reads_a_quantity():
    weights = jnp.array([[1.0, 2.0]])

    def readout(state, g):
        return weights @ g, state.h

    _, (expected, expected_h) = synkin.simulate(ALPHA, ALPHA.Params(), ONES, DT, readout=readout)
    final, (got, h) = synkin.simulate(ALPHA, ALPHA.Params(), ONES, DT * u.ms, readout=readout)
    assert is_plain((final, h))
    np.testing.assert_allclose(in_mS(got), expected, rtol=1e-6)
    np.testing.assert_allclose(h, expected_h, rtol=1e-6)


def test_times_of_a_long_recording_keep_their_resolution():
    """A day after its start, in single precision: the spike is 0.01 ms before the sample."""
    day, params = 86400.0, synkin.expon.Params(tau=0.01)
    given = np.array([day]) * u.second, np.array([day + 1e-5]) * u.second
    g = synkin.respond(synkin.expon, params, *given, dtype=jnp.float32)
    np.testing.assert_allclose(in_mS(g), np.exp(-1.0), rtol=1e-5)


def test_quantities_pass_through_jit_vmap_and_grad():
    """A gradient by a quantity is scaled by its unit."""

    def run(tau, spikes, dt):
        return synkin.simulate(ALPHA, ALPHA.Params(tau=tau), spikes, dt)[1]

    expected = run(5.0, ONES, DT)
    np.testing.assert_allclose(in_mS(jax.jit(run)(0.005 * u.second, ONES * u.mS, DT * u.ms)), expected, rtol=1e-5)
    both = jax.vmap(run, (0, None, None))(jnp.array([0.005, 0.02]) * u.second, ONES * u.mS, DT * u.ms)
    np.testing.assert_allclose(in_mS(both)[0], expected, rtol=1e-5)
    slope = jax.grad(lambda tau: run(tau, ONES, DT).sum())(5.0)
    got = jax.grad(lambda tau: run(tau * u.second, ONES, DT).to_decimal(u.mS).sum())(0.005)
    np.testing.assert_allclose(got, slope * 1000, rtol=1e-5)


# The currents


@pytest.mark.parametrize(
    "given",
    [
        {"g": 200 * u.uS, "V": -0.065 * u.volt},
        {"V": -65 * u.mV, "E": -25},
        {"E": -25.0 * u.mV},
        {"g_max": 1500 * u.uS},
        {"g": u.Quantity(0.2), "g_max": 1.5 * u.mS},
        {"g": u.Quantity(0.2), "g_max": u.Quantity(1.5)},
        {"g": [0.2 * u.mS]},
    ],
)
def test_one_quantity_is_enough_for_coba(given):
    """Ohm's law: 1.5 x 0.2 mS at 40 mV below the reversal; one of g and g_max has the unit, or neither."""
    got = synkin.currents.coba(**{"g": 0.2, "V": -65.0, "E": -25.0, "g_max": 1.5} | given)
    assert got.unit == u.uA
    np.testing.assert_allclose(got.mantissa, -12.0, rtol=1e-6)


def test_cuba_and_mg_block():
    """A current is a quantity for one; a fraction is plain."""
    for given in ({"g": 0.5 * u.mS}, {"g": 0.5, "scale": 1 * u.mV}, {"g": 500 * u.uS, "scale": 0.001 * u.volt}):
        got = synkin.currents.cuba(**given)
        assert got.unit == u.uA
        np.testing.assert_allclose(got.mantissa, 0.5, rtol=1e-6)
    got = synkin.currents.mg_block(-0.065 * u.volt, Mg=1000 * u.uM, a=62 / u.volt, b=3.57 * u.mM, V_offset=0.0 * u.mV)
    assert is_plain(got)
    np.testing.assert_allclose(got, synkin.currents.mg_block(-65.0, Mg=1.0), rtol=1e-5)


def test_from_spikes_to_a_current_with_units():
    """g goes into `coba`, blocked by magnesium, under jit and grad as well."""
    times = np.array([1.0, 2.0, 4.0])

    def current(V, unit):
        g = synkin.respond(synkin.expon, synkin.expon.Params(), [0.5], times * unit)
        return synkin.currents.coba(synkin.currents.mg_block(V) * g, V, E=0.0)

    expected = current(-65.0, 1)
    for got in (current(-65.0 * u.mV, u.ms), jax.jit(lambda V: current(V * u.mV, u.ms))(-65.0)):
        assert got.unit == u.uA
        np.testing.assert_allclose(got.mantissa, expected, **TOLERANCE)
    slope = jax.grad(lambda V: current(V * u.mV, u.ms).mantissa.sum())(-65.0)
    np.testing.assert_allclose(slope, jax.grad(lambda V: current(V, 1).sum())(-65.0), **TOLERANCE)


# The objects


@pytest.mark.parametrize("name", ["AMPA", "DualExpon"])
def test_an_object_gives_the_plain_numbers_in_mS(name, rng):
    kernel, make = OBJECTS[name], getattr(synkin, name)
    params, spikes = samples.params(kernel, rng), samples.inputs(kernel, rng, (6, samples.SYNAPSES))
    plain = make(samples.SYNAPSES, **params._asdict(), g_initializer=0.25)
    made = make(samples.SYNAPSES, **elsewhere(params, kernel.UNITS)._asdict(), g_initializer=250 * u.uS)
    given = ELSEWHERE["mS"](spikes) if kernel.input.takes_weights else spikes
    for i in range(4):
        with environ.context(t=i * DT, dt=DT):
            expected = plain.update(jnp.asarray(spikes[i]))
        with environ.context(t=i * DT / 1000 * u.second, dt=DT / 1000 * u.second):
            got = made.update(given[i])
        assert is_plain(expected)
        np.testing.assert_allclose(in_mS(got), expected, **TOLERANCE)
    np.testing.assert_allclose(in_mS(made.run(given[4:], DT * 1000 * u.us)), plain.run(spikes[4:], DT), **TOLERANCE)
    chex.assert_trees_all_close((made.params, made.state), (plain.params, plain.state), **TOLERANCE)
    assert is_plain((made.params, made.state, [getattr(plain, field) for field in params._fields]))


@pytest.mark.parametrize("name", OBJECTS)
def test_parameters_and_variables_are_read_and_set_with_their_unit(name):
    kernel, synapse = OBJECTS[name], getattr(synkin, name)(3)
    variables = {"g": "mS", "h": "mS", "g_rise": "mS", "g_decay": "mS", "x": "1", "spike_arrival_time": "ms"}
    for field, unit in variables.items():
        if variable := getattr(synapse, field, None):
            assert is_plain(variable.value)
            variable.value = ELSEWHERE[unit](0.5)
            np.testing.assert_allclose(in_unit(variable.value, unit), 0.5, rtol=1e-5)
            synapse = getattr(synkin, name)(3)
    for field, unit in kernel.UNITS._asdict().items():
        setattr(synapse, field, ELSEWHERE[unit](0.75))
        np.testing.assert_allclose(in_unit(getattr(synapse, field), unit), 0.75, rtol=1e-6)
        np.testing.assert_allclose(getattr(synapse.params, field), 0.75, rtol=1e-6)


def test_an_object_gives_quantities_from_the_first_one_on():
    spike = np.ones(2, bool)
    environ.set(dt=DT)
    synapse = synkin.AMPA(2)
    assert is_plain((synapse.update(spike), synapse.alpha))
    told, driven, timed = (copy.copy(synapse) for _ in range(3))
    told.alpha = ELSEWHERE["1/ms/mM"](1.0)
    driven.run(spike[None], DT * u.ms)
    with environ.context(t=0.0 * u.ms):
        timed.update(spike)
    for other in (told, driven, timed):
        in_mS(other.update(spike))
        assert is_quantity(other.alpha)
        in_mS(pickle.loads(pickle.dumps(other)).update(spike))
    assert is_plain((synapse.update(spike), synapse.alpha))


def test_an_object_reads_as_quantities_while_environ_holds_one():
    synapse = synkin.BioNMDA(2)
    for given in ({"dt": 0.1 * u.ms}, {"t": 0.0 * u.ms}):
        with environ.context(**given):
            np.testing.assert_array_equal(in_mS(synapse.g.value), 0.0)
            assert synapse.T_duration == 0.5 * u.ms
            assert is_plain(synapse.x.value)
    assert is_plain((synapse.g.value, synapse.T_duration))


def test_initial_values_states_and_delta_inputs():
    synapse = synkin.BioNMDA(2, g_initializer=lambda shape: np.full(shape, 250.0) * u.uS, x_initializer=0.5)
    synapse.init_state()
    np.testing.assert_allclose(in_mS(synapse.g.value), 0.25)
    np.testing.assert_allclose(synapse.x.value, 0.5)
    synapse = synkin.Alpha(2)
    synapse.state = ALPHA.State(g=np.ones(2) * u.uS, h=np.ones(2) * u.mS)
    assert is_plain(synapse.state)
    np.testing.assert_allclose(synapse.state.g, 1e-3)
    synapse = synkin.Expon(2)
    synapse.add_delta_input("one", np.full(2, 1e6) * u.nS)
    synapse.add_delta_input("other", lambda: 2000.0 * u.uS)
    with environ.context(dt=DT):
        np.testing.assert_allclose(in_mS(synapse.update()), 3.0, rtol=1e-6)
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
