"""Quantities with units: the same numbers as plain ones, g with a unit where one went in, and nothing else changed.

Functions are given them by the table of tests/matrix. What is said of another dimension is in tests/messages/units.txt.
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
from synkin import alpha, ampa, currents, environ, expon, respond, simulate
from tests.helpers import samples
from tests.helpers.quantities import away, is_plain, is_quantity, unit_of

u = pytest.importorskip("saiunit")

DT, ONES = 0.1, np.ones((4, 2))
OBJECTS = ["AMPA", "BioNMDA", "Alpha", "DualExpon"]
TOLERANCE = {"rtol": 2e-5, "atol": 1e-6}  # factors of 1000 cost a rounding or two


def in_unit(x, unit):
    """The numbers of a quantity, which has to be one unless it has no dimension."""
    assert is_quantity(x) == (unit != "1")
    return x if unit == "1" else x.to_decimal(unit_of(unit))


def assert_in(unit, g, expected, **tolerance):
    """Whether a quantity is in that very unit and has these numbers."""
    assert is_quantity(g)
    assert g.unit == unit
    np.testing.assert_allclose(g.mantissa, expected, **{"rtol": 1e-6} | tolerance)


def test_a_quantity_becomes_a_number():
    for kind, name, given, expected in (
        ("Expon", "tau", 0.5 * u.minute, 30000.0),
        ("Expon", "tau", np.array([0.001, 0.002]) * u.second, [1.0, 2.0]),
        ("Expon", "tau", jnp.arange(1, 3) * u.second, [1000.0, 2000.0]),
        ("Expon", "tau", [8, 0.5 * u.second], [8.0, 500.0]),
        ("AMPA", "beta", 100 * u.Hz, 0.1),
        ("AMPA", "T", 500 * u.uM, 0.5),
        ("AMPA", "alpha", 3e6 / (u.second * u.molar), 3.0),
        ("DualExpon", "amplitude", u.Quantity(0.5), 0.5),
        ("Expon", "tau", [1, 2], [1.0, 2.0]),
    ):
        params = getattr(synkin, kind)(2, **{name: given}).params
        assert is_plain(params)
        np.testing.assert_allclose(getattr(params, name), expected, rtol=1e-6, err_msg=f"{given}")


def test_every_unit_and_variable_is_known(kernel):
    assert tuple(kernel.variables) == kernel.State._fields
    assert tuple(known.unit for known in kernel.parameters.values()) == kernel.UNITS
    for unit in {*kernel.UNITS, *kernel.variables.values()}:
        np.testing.assert_allclose(in_unit(away(2.5, unit), unit), 2.5, rtol=1e-6)


def test_known_quantities_are_looked_at_under_jit():
    bad, params = np.full((4, 2), np.nan) * u.uS, ampa.Params(beta=jnp.asarray(-1.0) * u.Hz)
    with pytest.raises(ValueError, match="must be finite"):
        jax.jit(lambda dt: simulate(alpha, alpha.Params(), bad, dt)[1].mantissa)(DT)
    with pytest.raises(ValueError, match=r"has the value -0\.001"):
        jax.jit(lambda dt: simulate(ampa, params, ONES, dt)[1])(DT)


def test_saiunit_is_imported_by_nobody_here():
    sources = Path(synkin.__file__).parent.rglob("*.py")
    assert [p.name for p in sources if re.search(r"^\s*(import|from) saiunit", p.read_text(), re.MULTILINE)] == []


def test_times_of_a_long_recording_keep_their_resolution():
    """A day after its start, in single precision: the spike is 0.01 ms before the sample."""
    spike, sample = (np.array([86400.0 + late]) * u.second for late in (0.0, 1e-5))
    assert_in(u.mS, respond(expon, expon.Params(tau=0.01), spike, sample, dtype="float32"), np.exp(-1.0), rtol=1e-5)


def test_currents():
    """Ohm's law, 1.5 x 0.2 mS at 40 mV below the reversal; one of g and g_max has the unit, or neither."""
    for given in (
        {"g": 200 * u.uS, "V": -0.065 * u.volt},
        {"g_max": 1500 * u.uS},
        {"g": u.Quantity(0.2), "g_max": 1.5 * u.mS},
        {"g": u.Quantity(0.2), "g_max": u.Quantity(1.5)},
        {"g": [0.2 * u.mS]},
    ):
        assert_in(u.uA, currents.coba(**{"g": 0.2, "V": -65.0, "E": -25.0, "g_max": 1.5} | given), -12.0)
    assert_in(u.uA, currents.cuba(g=500 * u.uS, scale=0.001 * u.volt), 0.5)
    got = currents.mg_block(-0.065 * u.volt, Mg=1000 * u.uM, a=62 / u.volt, b=3.57 * u.mM, V_offset=0.0 * u.mV)
    assert is_plain(got)
    np.testing.assert_allclose(got, currents.mg_block(-65.0, Mg=1.0), rtol=1e-5)


@pytest.mark.parametrize("name", ["AMPA", "DualExpon"])
def test_an_object_gives_the_plain_numbers_in_mS(name):
    kernel, make, rng = samples.OBJECTS[name], getattr(synkin, name), np.random.default_rng(3)
    params, spikes = samples.params(kernel, rng), samples.inputs(kernel, rng, (6, samples.SYNAPSES))
    plain = make(samples.SYNAPSES, **params._asdict(), g_initializer=0.25)
    made = make(samples.SYNAPSES, **away(params, kernel.UNITS)._asdict(), g_initializer=250 * u.uS)
    given = away(spikes, "mS") if kernel.input.takes_weights else spikes
    for i in range(4):
        with environ.context(t=i * DT, dt=DT):
            expected = plain.update(jnp.asarray(spikes[i]))
        with environ.context(t=away(i * DT, "ms"), dt=away(DT, "ms")):
            got = made.update(given[i])
        assert is_plain(expected)
        assert_in(u.mS, got, expected, **TOLERANCE)
    assert_in(u.mS, made.run(given[4:], DT * 1000 * u.us), plain.run(spikes[4:], DT), **TOLERANCE)
    chex.assert_trees_all_close((made.params, made.state), (plain.params, plain.state), **TOLERANCE)
    assert is_plain((made.params, made.state, [getattr(plain, field) for field in params._fields]))


@pytest.mark.parametrize("name", OBJECTS)
def test_parameters_and_variables_are_read_and_set_with_their_unit(name):
    kernel, make = samples.OBJECTS[name], getattr(synkin, name)
    variables = {"g": "mS", "h": "mS", "g_rise": "mS", "g_decay": "mS", "x": "1", "spike_arrival_time": "ms"}
    for field, unit in variables.items():
        if variable := getattr(make(3), field, None):
            assert is_plain(variable.value)
            variable.value = away(0.5, unit)
            np.testing.assert_allclose(in_unit(variable.value, unit), 0.5, rtol=1e-5)
    synapse = make(3)
    for field, unit in kernel.UNITS._asdict().items():
        setattr(synapse, field, away(0.75, unit))
        np.testing.assert_allclose(in_unit(getattr(synapse, field), unit), 0.75, rtol=1e-6)
        np.testing.assert_allclose(getattr(synapse.params, field), 0.75, rtol=1e-6)


def test_an_object_gives_quantities_from_the_first_one_on():
    spike = np.ones(2, bool)
    environ.set(dt=DT)
    synapse = synkin.AMPA(2)
    assert is_plain((synapse.update(spike), synapse.alpha))
    told, driven, timed = (copy.copy(synapse) for _ in range(3))
    told.alpha = away(1.0, "1/ms/mM")
    driven.run(spike[None], DT * u.ms)
    with environ.context(t=0.0 * u.ms):
        timed.update(spike)
    for other in (told, driven, timed, pickle.loads(pickle.dumps(told))):
        assert other.update(spike).unit == u.mS
        assert is_quantity(other.alpha)
    assert is_plain((synapse.update(spike), synapse.alpha))
    synapse = synkin.BioNMDA(2)  # that has had none, while environ holds one
    for given in ({"dt": 0.1 * u.ms}, {"t": 0.0 * u.ms}):
        with environ.context(**given):
            assert_in(u.mS, synapse.g.value, 0.0)
            assert synapse.T_duration == 0.5 * u.ms
            assert is_plain(synapse.x.value)
    environ.set(dt=None)
    assert is_plain((synapse.g.value, synapse.T_duration))


def test_initial_values_states_and_delta_inputs():
    synapse = synkin.BioNMDA(2, g_initializer=lambda shape: np.full(shape, 250.0) * u.uS, x_initializer=0.5)
    synapse.init_state()
    assert_in(u.mS, synapse.g.value, 0.25)
    np.testing.assert_allclose(synapse.x.value, 0.5)
    synapse = synkin.Alpha(2)
    synapse.state = alpha.State(g=np.ones(2) * u.uS, h=np.ones(2) * u.mS)
    assert is_plain(synapse.state)
    np.testing.assert_allclose(synapse.state.g, 1e-3)
    synapse = synkin.Expon(2)
    synapse.add_delta_input("one", np.full(2, 1e6) * u.nS)
    synapse.add_delta_input("other", lambda: 2000.0 * u.uS)
    with environ.context(dt=DT):
        assert_in(u.mS, synapse.update(), 3.0)
    assert_in(u.mS, synapse.sum_delta_inputs(500.0 * u.uS), 2.5)


def test_environ_holds_times_in_ms():
    environ.set(t=2 * u.second, dt=100 * u.us)
    for key, expected in (("t", 2000.0), ("dt", 0.1)):
        assert_in(u.ms, environ.get(key), expected, rtol=1e-15)
        assert type(environ.get(key).mantissa) is float
    with environ.context(dt=0.5):
        assert type(environ.get("dt")) is float
