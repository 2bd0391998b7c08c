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
from synkin import alpha, ampa, currents, environ, expon, respond, simulate
from tests.helpers import samples

u = pytest.importorskip("saiunit")

DT, ONES = 0.1, np.ones((4, 2))
OBJECTS = {"AMPA": ampa, "BioNMDA": synkin.bionmda, "Alpha": alpha, "DualExpon": synkin.dual_expon}
# Each of synkin's units, and another one of that dimension that is so many times smaller.
UNITS = {"ms": (u.ms, 1e-3, u.second), "mM": (u.mM, 1e3, u.uM), "1/ms": (u.ms**-1, 1e3, u.Hz), "mS": (u.mS, 1e6, u.nS)}
UNITS["1/ms/mM"] = (u.ms * u.mM) ** -1, 1e6, (u.second * u.molar) ** -1
UNITS["mS*ms"] = u.mS * u.ms, 1e3, u.uS * u.ms
TOLERANCE = {"rtol": 2e-5, "atol": 1e-6}  # factors of 1000 cost a rounding or two


@pytest.fixture(autouse=True)
def nothing_set():
    environ.set(t=None, dt=None)
    yield
    environ.set(t=None, dt=None)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def away(x, unit):
    """A number in one of synkin's units as a quantity in another one; of a tuple, each field."""
    if isinstance(x, tuple):
        return type(x)(*map(away, x, unit))
    return x if unit == "1" else x * UNITS[unit][1] * UNITS[unit][2]


def is_quantity(x):
    return isinstance(x, u.Quantity)


def is_plain(tree):
    return not any(is_quantity(x) for x in jax.tree.leaves(tree, is_leaf=is_quantity))


def in_unit(x, unit):
    """The numbers of a quantity, which has to be one unless it has no dimension."""
    assert is_quantity(x) == (unit != "1")
    return x if unit == "1" else x.to_decimal(UNITS[unit][0])


def assert_in(unit, g, expected, **tolerance):
    """Whether a quantity is in that very unit and has these numbers."""
    assert is_quantity(g)
    assert g.unit == unit
    np.testing.assert_allclose(g.mantissa, expected, **{"rtol": 1e-6} | tolerance)


def test_a_quantity_becomes_a_number():
    for name, given, expected in (
        ("tau", 0.008 * u.second, 8.0),
        ("tau", 0.5 * u.minute, 30000.0),
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
    ):
        kind = {"tau": "Expon", "amplitude": "DualExpon"}.get(name, "AMPA")
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


@pytest.mark.parametrize("name", ["ampa", "dual_expon", pytest.param("bionmda", marks=pytest.mark.wide)])
def test_functions_give_the_plain_numbers_in_mS(name, rng):
    """`simulate`, ``step``, a stepper, which gives plain numbers, and `respond`; states have no units."""
    kernel = synkin.KERNELS[name]
    params, spikes = samples.params(kernel, rng), samples.inputs(kernel, rng, (6, samples.SYNAPSES))
    state = kernel.State(*(jnp.asarray(rng.uniform(0.1, 0.5, samples.SYNAPSES), float) for _ in kernel.State._fields))

    def results(params, spikes, dt, state, spike_times, times, weights, t):
        final, g = simulate(kernel, params, spikes, dt, state=state, t0=t, method="exact")
        moved, stepped = kernel.step(params, state, t, spikes[0], dt, method="exact")
        stepper = synkin.stepper(kernel, params, dt, method="exact")
        carry, own = stepper.step(stepper.init(state=state), spikes[0])
        one = type(state)(*(field[0] for field in state))
        g_of_times = respond(kernel, params, spike_times, times, weights=weights, state=one, t0=t)
        assert is_plain((final, moved, carry, own, stepper.state(carry), kernel.init(params, 3)))
        return (final, moved, stepper.state(carry), own), (g, stepped, g_of_times)

    weights = np.array([1.0, -0.5, 0.0]) if kernel.input.takes_weights else None
    given = params, spikes, DT, state, np.array([0.5, 3.0, np.inf]), np.linspace(0.4, 9.0, 20), weights, 0.25
    unit = "1" if weights is None else "mS"
    units = kernel.UNITS, unit, "ms", tuple(kernel.variables.values()), "ms", "ms", unit, "ms"
    plain, expected = results(*given)
    assert is_plain(expected)
    same, got = results(*map(away, given, units))
    chex.assert_trees_all_close(same, plain, **TOLERANCE)
    for g, numbers in zip(got, expected, strict=True):
        assert_in(u.mS, g, numbers, **TOLERANCE)


def test_one_quantity_is_enough():
    """Whichever it is, g of `simulate` and of `respond` has a unit."""
    zero, trains = alpha.State(jnp.zeros(()), jnp.zeros(())), ([1.0, 2.0], [3.0, 4.0])
    run = {"params": alpha.Params(), "spikes": ONES, "dt": DT, "state": alpha.init(alpha.Params(), 2), "t0": 0.0}
    events = {"params": alpha.Params(), "spike_times": trains[0], "times": trains[1], "weights": [1.0, 1.0]}
    events |= {"state": zero, "t0": 0.0}
    units = {"spikes": u.mS, "dt": u.ms, "t0": u.ms, "spike_times": u.ms, "times": u.ms, "weights": u.mS}
    for call, plain in ((lambda **a: simulate(alpha, **a), run), (lambda **a: (zero, respond(alpha, **a)), events)):
        _, expected = call(**plain)
        for name, value in plain.items():
            given = {"params": alpha.Params(tau=8 * u.ms)}.get(name)
            given = value._replace(h=value.h * u.mS) if name == "state" else given
            final, g = call(**plain | {name: given or value * units[name]})
            assert is_plain(final)
            assert_in(u.mS, g, expected)


def test_a_readout_reads_a_quantity():
    weights = jnp.array([[1.0, 2.0]])

    def run(dt):
        return simulate(alpha, alpha.Params(), ONES, dt, readout=lambda state, g: (weights @ g, state.h))

    (_, (expected, expected_h)), (final, (got, h)) = run(DT), run(DT * u.ms)
    assert is_plain((final, h))
    assert_in(u.mS, got, expected)
    np.testing.assert_allclose(h, expected_h, rtol=1e-6)


def test_times_of_a_long_recording_keep_their_resolution():
    """A day after its start, in single precision: the spike is 0.01 ms before the sample."""
    spike, sample = (np.array([86400.0 + late]) * u.second for late in (0.0, 1e-5))
    assert_in(u.mS, respond(expon, expon.Params(tau=0.01), spike, sample, dtype="float32"), np.exp(-1.0), rtol=1e-5)


def test_quantities_pass_through_jit_vmap_and_grad():
    """A gradient by a quantity is scaled by its unit."""

    def run(tau, spikes, dt):
        return simulate(alpha, alpha.Params(tau=tau), spikes, dt)[1]

    taus = jnp.array([0.005, 0.02])
    got = jax.jit(jax.vmap(run, (0, None, None)))(taus * u.second, ONES * u.mS, DT * u.ms)
    assert_in(u.mS, got, [run(5.0, ONES, DT), run(20.0, ONES, DT)], rtol=1e-5)
    slope = jax.grad(lambda tau: run(tau, ONES, DT).sum())(5.0)
    got = jax.grad(lambda tau: run(tau * u.second, ONES, DT).to_decimal(u.mS).sum())(0.005)
    np.testing.assert_allclose(got, slope * 1000, rtol=1e-5)


def test_currents():
    """One quantity is enough: Ohm's law, 1.5 x 0.2 mS at 40 mV below the reversal. A fraction is plain."""
    for given in (
        {"g": 200 * u.uS, "V": -0.065 * u.volt},
        {"V": -65 * u.mV, "E": -25},
        {"E": -25.0 * u.mV},
        {"g_max": 1500 * u.uS},
        {"g": u.Quantity(0.2), "g_max": 1.5 * u.mS},
        {"g": u.Quantity(0.2), "g_max": u.Quantity(1.5)},
        {"g": [0.2 * u.mS]},
    ):
        assert_in(u.uA, currents.coba(**{"g": 0.2, "V": -65.0, "E": -25.0, "g_max": 1.5} | given), -12.0)
    for given in ({"g": 0.5 * u.mS}, {"g": 0.5, "scale": 1 * u.mV}, {"g": 500 * u.uS, "scale": 0.001 * u.volt}):
        assert_in(u.uA, currents.cuba(**given), 0.5)
    got = currents.mg_block(-0.065 * u.volt, Mg=1000 * u.uM, a=62 / u.volt, b=3.57 * u.mM, V_offset=0.0 * u.mV)
    assert is_plain(got)
    np.testing.assert_allclose(got, currents.mg_block(-65.0, Mg=1.0), rtol=1e-5)


@pytest.mark.parametrize("name", ["AMPA", "DualExpon"])
def test_an_object_gives_the_plain_numbers_in_mS(name, rng):
    kernel, make = OBJECTS[name], getattr(synkin, name)
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
    kernel, make = OBJECTS[name], getattr(synkin, name)
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
