"""Sums of kernels: g is the sum of the parts', and a sum stands wherever a kernel stands.

How they run and their derivatives the contract holds, by rows of its own.
"""

import copy
import pickle
import re
import sys
from functools import partial

import chex
import jax
import numpy as np
import pytest

import synkin
from synkin import ampa, bionmda, dual_expon, expon, gabaa, plot, schemes
from synkin.fitting import Fit, fit
from tests.contract.table import desensitising, wide
from tests.helpers.precision import enable_x64

BOTH = ampa + schemes.nmda5
PARAMS = BOTH.Params(ampa_beta=0.35, g_nmda5=0.4, nmda5_alpha=0.15)
OWN = ampa.Params(beta=0.35), schemes.nmda5.Params(alpha=0.15)
SPIKES = np.array([1.0, 3.25, 9.5])  # ms
TIMES = np.arange(0.0, 30.0, 0.7)  # ms
TRAIN = np.random.default_rng(0).random((40, 3)) < 0.1
DT = 0.1
close = np.testing.assert_allclose


def respond(kernel, params, **given):
    return synkin.respond(kernel, params, SPIKES, TIMES, **given)


def test_three_a_kernel_twice_and_weights(x64):
    three = expon + dual_expon + expon
    assert three.name == "expon+dual_expon+expon"
    assert three is (expon + dual_expon) + expon is expon + (dual_expon + expon)
    fields = "expon1_tau g_dual_expon dual_expon_tau_decay dual_expon_tau_rise dual_expon_amplitude g_expon2 expon2_tau"
    assert three.Params._fields == tuple(fields.split())
    params = three.Params(expon1_tau=2.0, g_dual_expon=0.5, g_expon2=3.0, expon2_tau=20.0)
    weights = [1.0, -0.5, 2.0]
    one, two, other = (
        respond(kernel, given, weights=weights)
        for kernel, given in zip(three.parts, (expon.Params(2.0), dual_expon.Params(), expon.Params(20.0)), strict=True)
    )
    close(respond(three, params, weights=weights), one + 0.5 * two + 3.0 * other, atol=1e-14)
    state, _ = synkin.simulate(three, params, TRAIN * 1.5, DT)
    assert state._fields == ("expon1_g", "dual_expon_g_rise", "dual_expon_w", "expon2_g")


@pytest.mark.wide
def test_jumps_are_the_sum_of_two(x64):
    given = [2.0, 4.0, 9.0], [1.0, 0.1]
    one, two = (synkin.concentration_jumps(k, p, *given, TIMES) for k, p in zip(BOTH.parts, OWN, strict=True))
    found = synkin.concentration_jumps(BOTH, PARAMS, *given, TIMES)
    close(found, one + 0.4 * two, atol=1e-14)
    held = BOTH.state_of(part.init(own, ()) for part, own in zip(BOTH.parts, OWN, strict=True))
    again = synkin.concentration_jumps(BOTH, PARAMS, *given, TIMES[TIMES >= 2], state=held)
    close(again, found[TIMES >= 2], atol=1e-14)


WAYS = [("ignore", {}), *(("restart", way) for way in ({}, {"checkpoint": 7}, {"parallel": True}))]


@pytest.mark.parametrize(("overlap", "way"), wide(WAYS, WAYS[:1]))
def test_a_run_is_the_sum_of_two(overlap, way):
    """And a readout sees the state and g of both."""
    two, own = ampa + gabaa, (ampa.Params(beta=0.35), gabaa.Params(beta=0.02))
    params = two.Params(ampa_beta=0.35, g_gabaa=0.4, gabaa_beta=0.02)
    run = partial(synkin.simulate, spikes=TRAIN, dt=DT, overlap=overlap, method="exact", dtype="float32")
    ends, parts = zip(*(run(k, p) for k, p in zip(two.parts, own, strict=True)), strict=True)
    expected = np.asarray(parts[0]) + 0.4 * np.asarray(parts[1])
    final, g = run(two, params, **way)
    close(g, expected, rtol=0, atol=1e-6)
    chex.assert_trees_all_close(final, two.state_of(ends), atol=1e-6)
    _, (total, opened) = run(two, params, **way, readout=lambda state, g: (g.sum(), state.gabaa_g))
    close(total, expected.sum(axis=1), rtol=0, atol=3e-6)
    close(opened, parts[1], rtol=0, atol=1e-6)


def test_a_readout_of_a_long_run_goes_by_blocks(monkeypatch):
    monkeypatch.setattr(sys.modules["synkin.runs.grid"], "_ELEMENTS", 3 * 7)
    two = ampa + ampa
    _, g = synkin.simulate(two, two.Params(), TRAIN[:38], DT)
    _, doubled = synkin.simulate(two, two.Params(), TRAIN[:38], DT, readout=lambda state, g: 2 * g)
    close(doubled, 2 * g, rtol=1e-6)


def test_methods_are_those_that_all_have():
    assert BOTH.methods == ("exact",)
    two = ampa + bionmda
    assert two.methods == ("exp_euler", "exact")
    g, *parts = (synkin.simulate(kernel, kernel.Params(), TRAIN, DT)[1] for kernel in (two, ampa, bionmda))
    close(g, parts[0] + parts[1], atol=3e-7)


@pytest.mark.parametrize("both", wide([expon + dual_expon, ampa + desensitising], [expon + dual_expon]))
def test_parameters_of_each_synapse(both):
    """In runs, steps and loops: also of a state of more axes than they have."""
    first, share = both.Params._fields[0], next(field for field in both.Params._fields if field.startswith("g_"))
    spread = both.Params(**{share: np.array([0.1, 0.4, 2.0]), first: np.array([0.1, 0.35, 1.0])})
    _, g = synkin.simulate(both, spread, TRAIN, DT)
    for i in range(3):
        one = spread._replace(**{field: getattr(spread, field)[i] for field in (first, share)})
        close(g[:, i], synkin.simulate(both, one, TRAIN[:, i], DT)[1], atol=1e-6)
    batch = np.stack([TRAIN, TRAIN[::-1]], axis=1)
    _, many = synkin.simulate(both, spread, batch, DT)
    close(many[:, 0], g, atol=1e-6)
    stepper = synkin.stepper(both, spread, DT)
    _, stepped = jax.lax.scan(stepper.step, stepper.init((2, 3)), batch)
    close(stepped, many, atol=1e-6)


def test_vector_field_and_a_traced_share_out_of_range():
    state = BOTH.State(*np.linspace(0.1, 0.4, len(BOTH.State._fields)))
    found = BOTH.vector_field(PARAMS, state, 0.7)
    for part, own, at, slope in zip(BOTH.parts, OWN, BOTH.states_of(state), BOTH.states_of(found), strict=True):
        chex.assert_trees_all_close(slope, part.vector_field(own, at, 0.7))
    two = expon + dual_expon
    g = jax.jit(lambda share: respond(two, two.Params(g_dual_expon=share)))
    assert np.isnan(g(-0.1)).all()
    assert np.isfinite(g(0.0)).all()


# It stands where a kernel stands


def test_it_is_one_that_travels():
    assert BOTH is ampa + schemes.nmda5
    assert hash(BOTH) == hash(ampa + schemes.nmda5)
    assert isinstance(BOTH, synkin.Kernel)
    assert re.match(r"ampa\+nmda5\(ampa_alpha=0.98, ampa_beta=0.18, .*g_nmda5=1.0", repr(BOTH))
    assert "The sum of ampa and nmda5" in BOTH.__doc__
    assert pickle.loads(pickle.dumps(BOTH)) is copy.deepcopy(BOTH) is copy.copy(BOTH) is BOTH
    for values in (PARAMS, BOTH.init(PARAMS, ())):
        again = pickle.loads(pickle.dumps(values))
        assert (type(again), again) == (type(values), values)
    with pytest.raises(AttributeError):
        BOTH.name = "other"
    assert (BOTH.UNITS.g_nmda5, BOTH.UNITS.ampa_alpha) == ("1", "1/ms/mM")
    assert BOTH.parameters["nmda5_kon"].name == "nmda5_kon"


def test_as_an_object():
    """A run of a batch with parameters of each synapse, from rest again; that it goes by steps is below."""
    both, rows = ampa + gabaa, np.stack([TRAIN, TRAIN[::-1]], axis=1)[:12]
    params = both.Params(g_gabaa=np.array([0.1, 0.4, 2.0]))
    synapse = synkin.Synapse(both, 3, **params._asdict())
    final, expected = synkin.simulate(both, params, rows, DT)
    for _ in range(2):
        synapse.init_state(batch_size=2)
        close(synapse.run(rows, DT), expected, atol=3e-7)
        close(synapse.g.value, expected[-1], atol=3e-7)
    close(synapse.state.gabaa_pulse_left, final.gabaa_pulse_left, atol=1e-6)
    assert synapse.ampa_g.value.shape == (2, 3)
    with pytest.raises(AttributeError, match=r"^Attribute `T_dur` must be a parameter of ampa\+.* \(ampa_alpha, "):
        synapse.T_dur = 1.0
    with pytest.raises(AttributeError, match=r"^Attribute `T_dur` must be"):
        _ = synapse.T_duration
    synapse.ampa_T_dur = 2.0
    assert synapse.params.ampa_T_dur == 2.0


# Fits


def recorded(kernel, params, times, noise, seed, spikes=(5.0,)):
    """A recording whose response has a height of 40 above 2, and white noise of that part of it."""
    with enable_x64():
        g = np.asarray(synkin.respond(kernel, params, np.asarray(spikes), times))
    return 2 + 40 * (g / np.abs(g).max() + noise * np.random.default_rng(seed).normal(size=times.size))


TRUE = {"ampa_beta": 0.35, "ampa_T_dur": 0.8, "g_nmda5": 0.4, "nmda5_alpha": 0.15}
LONG = np.arange(0, 300, 0.5)  # ms
found_by = partial(fit, scale=True, progress=False)


@pytest.mark.wide
def test_fast_and_slow_are_found(tmp_path):
    """AMPA and NMDA receptors at +40 mV, from the defaults: what is known of each holds the truth, and is of some use.

    The result travels, and has intervals and a picture.
    """
    trace = recorded(BOTH, BOTH.Params(**TRUE), LONG, 0.01, seed=1, spikes=(5.2,))
    options = {"free": tuple(TRUE), "offset": True, "onset": True, "starts": 6, "unit": "pA"}
    found = found_by(BOTH, BOTH.Params(), [5.0], LONG, trace, **options)
    assert found.r_squared > 0.985
    assert found.identifiable
    for name, true in TRUE.items():
        assert abs(getattr(found.params, name) - true) < 4 * found.stderr[name], name
        # A shorter pulse that comes later is as good within the noise: errors reach there, and the message says so.
        assert found.stderr[name] < (0.1 if name in ("ampa_beta", "nmda5_alpha") else 0.6) * true, name
    assert "Another minimum is as good" in found.message
    assert found.onset == pytest.approx(0.2, abs=0.1)
    assert all(f"\n{name} " in found.summary() for name in (*TRUE, "scale"))

    path = tmp_path / "fit.json"
    found.save(path)
    for again in (Fit.load(path), pickle.loads(pickle.dumps(found))):
        assert again.kernel is BOTH
        assert again.params == found.params
        assert repr(again) == repr(found)
        close(again.predict(LONG[:9]), found.predicted[:9], rtol=1e-9)
    own = ampa + desensitising
    trace = recorded(own, own.Params(), LONG[:100], 0.01, seed=0)
    found_by(own, own.Params(), [5.0], LONG[:100], trace, free="ampa_beta", starts=1).save(path)
    with pytest.raises(ValueError, match=r"^Argument `kernel` must be given .*, as desensitising is none of the lib"):
        Fit.load(path)
    assert Fit.load(path, own).kernel is own
    with pytest.raises(ValueError, match=r"^Argument `kernel` must be ampa\+desensitising with the parameters "):
        Fit.load(path, BOTH)
    low, high = found.profile("g_nmda5").interval95
    assert low < found.params.g_nmda5 < high
    assert low < TRUE["g_nmda5"] < high
    assert found.bootstrap(3).names == (*TRUE, "scale", "offset", "onset")
    assert synkin.measure(LONG, found.predicted, baseline=found.offset).tau_weighted > 20
    pytest.importorskip("matplotlib")
    above, _ = plot.fit(found, ax=plot.figure().subplots(2, 1))
    assert "ampa+nmda5" in above.get_legend().get_title().get_text()


@pytest.mark.wide
def test_what_cannot_be_told_apart_has_the_names_of_the_parts():
    """The binding rate and the concentration of a pulse are one number, in each part; one is tied to another's."""
    two, times = ampa + ampa, LONG[:200]
    start = two.Params(ampa2_beta=0.02, g_ampa2=0.5)
    trace = recorded(two, start, times, 0.01, seed=2)
    free = "ampa1_beta", "ampa2_alpha", "ampa2_T"
    message = found_by(two, start._replace(g_ampa2=1.0), [5.0], times, trace, free=free, offset=True, starts=2).message
    assert "ampa2_alpha and ampa2_T cannot be told apart: only ampa2_alpha*ampa2_T" in message
    assert "leave ampa2_T out of `free`" in message
    options = {"free": ("ampa1_beta", "ampa1_T_dur"), "tie": {"ampa2_T_dur": "ampa1_T_dur"}, "starts": 1}
    tied = found_by(two, start._replace(ampa1_T_dur=0.8), [5.0], times, trace, **options)
    assert tied.params.ampa1_T_dur == tied.params.ampa2_T_dur != 0.8


@pytest.mark.wide
def test_jumps_of_a_sum_can_be_fitted():
    jumps, params = synkin.Jumps([5.0, 6.0], [1.0]), BOTH.Params(**TRUE)
    with enable_x64():
        g = np.asarray(synkin.concentration_jumps(BOTH, params, jumps.edges, jumps.concentrations, LONG))
    found = found_by(BOTH, params._replace(g_nmda5=1.0), jumps, LONG, 30 * g, free="g_nmda5", starts=2)
    assert found.params.g_nmda5 == pytest.approx(0.4, rel=1e-4)
    assert "ampa_T_dur" not in found.summary()
