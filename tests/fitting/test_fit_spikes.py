"""Fits of what spikes release, of parameters of each recording's own, and of reversible schemes, from closed forms."""

import itertools
import re

import numpy as np
import pytest

import synkin
from synkin import alpha, ampa, fit, tsodyks_markram
from synkin.fitting import Fit, model
from synkin.fitting.checking import Asked, kernel_problem
from tests.helpers.precision import enable_x64
from tests.helpers.sentences import cases
from tests.helpers.traces import alpha_function, noise, noisy

T = np.arange(0.0, 90.0, 0.3)  # ms
SPIKES = 3.1 + np.array([0.0, 12.0, 21.0, 30.0, 57.0])
HELD = {"scale": False, "offset": False, "onset": False}


def alpha_fit(trace, free=("tau",), spike_times=SPIKES, times=T, params=None, **options):
    usual = {"scale": True, "starts": 2, "progress": False}
    return fit(alpha, params or alpha.Params(), spike_times, times, trace, free=free, **usual | options)


def responses(tau, weights, spikes=SPIKES, times=T):
    return sum(w * alpha_function(times, tau, spike) for w, spike in zip(weights, spikes, strict=True))


def released(U, tau_rec, tau_fac, spikes=SPIKES):
    """By the equations of Tsodyks, Pawelzik and Markram, spike by spike."""
    u, x, found = 0.0, 1.0, []
    for interval in np.diff(spikes, prepend=-np.inf):
        u = u * np.exp(-interval / tau_fac) + U * (1 - u * np.exp(-interval / tau_fac))
        x = 1 - (1 - x) * np.exp(-interval / tau_rec)
        found.append(u * x)
        x -= u * x
    return np.array(found)


def check_derivatives(problem, point, value=None):
    """All of them against differences, and the curves against ``value``."""
    exact = model.curve(problem, point)
    if value is not None:
        np.testing.assert_allclose(exact.value, value, atol=1e-9)
    for i, step in enumerate(1e-6 * np.eye(len(point))):
        difference = (model.curve(problem, point + step).value - model.curve(problem, point - step).value) / 2e-6
        mine = (exact.derivative * (problem.columns == i)[:, None, :]).sum(axis=-1)
        np.testing.assert_allclose(mine, difference, atol=1e-7, err_msg=problem.labels[i])
        assert np.abs(mine).max() > 1e-4, problem.labels[i]


# Amplitudes of spikes -------------------------------------------------------------------------------------------------

WEIGHTS = np.array([1.0, 0.55, 0.4, 0.45, 0.8])


def test_an_amplitude_for_each_spike(tmp_path):
    """The same in all recordings, also where one has fewer spikes; the second is the paired-pulse ratio."""
    spikes = np.array([SPIKES, [*(SPIKES[:3] + 0.7), np.inf, np.inf]])
    clean = np.array([-20 * responses(3.0, WEIGHTS), -12 * responses(3.0, WEIGHTS[:3], spikes[1, :3])])
    exact = alpha_fit(clean, spike_times=spikes, weights="free")
    np.testing.assert_allclose(exact.weights, WEIGHTS, rtol=1e-6)
    np.testing.assert_allclose(exact.scale, [-20, -12], rtol=1e-6)
    assert tuple(exact.free) == ("tau", *(f"weight_{i}" for i in range(1, 5)), "scale")
    found = alpha_fit(noisy(clean, 0.02), spike_times=spikes, weights="free")
    for i, weight in enumerate(WEIGHTS[1:], 1):
        error = found.stderr[f"weight_{i}"]
        assert abs(found.weights[i] - weight) < 4.5 * error < 0.05
    rows = {line.split()[0]: line.split()[1:] for line in found.summary().splitlines()}
    assert rows["weight_0"] == ["1", "held", "mS"]
    found.save(tmp_path / "fit.json")
    again = Fit.load(tmp_path / "fit.json")
    assert repr(again) == repr(found)
    np.testing.assert_array_equal(again.weights, found.weights)


def test_spikes_of_different_sizes_are_seen():
    """The R^2 that is promised is that of the fit with free weights."""
    pair = SPIKES[[0, 3]]
    clean = np.array([-20 * responses(3.0, [1.0, 0.6], pair) + 3, -12 * responses(3.0, [1.0, 0.6], pair)])
    trace, options = noisy(clean, 0.01), {"spike_times": pair, "offset": True, "starts": 1}
    held, freed = alpha_fit(trace, **options), alpha_fit(trace, weights="free", **options)
    said = (
        'All spikes have one amplitude here: with `weights="free"`, an amplitude for each, R^2 is about {} instead of '
    )
    said = re.search(re.escape(said).replace(r"\{\}", r"(\d\.\d{3})") + r"(\d\.\d{3})\.", held.message)
    assert (float(said[1]), float(said[2])) == pytest.approx((freed.r_squared, held.r_squared), abs=3e-3)
    assert freed.r_squared > 0.99
    assert "one amplitude" not in freed.message
    assert said[0] in synkin.compare([held, held]).message
    given = alpha_fit(trace, weights=[1.0, 1.4], **options)
    assert 'The weights of the spikes are held here: with `weights="free"`' in given.message


@pytest.mark.wide
def test_other_misfits_and_slow_noise_are_no_sizes_of_spikes():
    pair, options = SPIKES[[0, 3]], {"offset": True, "starts": 1}
    two = responses(1.0, [1.0, 1.0], pair) + responses(9.0, [1.0, 1.0], pair)  # a shape that alpha does not have
    slow = noise((4, T.size), memory=0.98)
    same = responses(3.0, np.ones(5)) + 0.2 * slow
    kept = [alpha_fit(noisy(two, 0.01), spike_times=pair, **options), *(alpha_fit(row, **options) for row in same)]
    for other in kept:
        assert "noise the rest" not in other.verdict
        assert "amplitude" not in other.message


def test_a_paired_pulse_ratio_of_each_recording():
    pair = SPIKES[[0, 2]]
    clean = np.array([-20 * responses(3.0, [1.0, ratio], pair) for ratio in (0.5, 1.4)])
    found = alpha_fit(clean, spike_times=pair, weights="free", own="weight_1")
    np.testing.assert_allclose(found.weights, [[1.0, 0.5], [1.0, 1.4]], rtol=1e-6)
    assert "weight_1 differs between the recordings" in found.message


# Release --------------------------------------------------------------------------------------------------------------


@pytest.mark.wide
def test_short_term_plasticity_of_two_synapses(tmp_path):
    """A release probability for each, with a tie, and padded spikes."""
    clean = np.array([-50 * responses(3.0, released(U, 60.0, 15.0)) for U in (0.3, 0.6)])
    options = {"free": ("tau", "U", "tau_rec"), "own": "U", "tie": {"tau_fac": "tau_rec/4"}, "scale": "shared"}
    options |= {"spike_times": [*SPIKES, np.inf], "release": tsodyks_markram.Params(tau_rec=100.0, tau_fac=25.0)}
    exact = alpha_fit(clean, **options)
    np.testing.assert_allclose(exact.release.U, [0.3, 0.6], rtol=1e-5)
    assert exact.release[1:] == pytest.approx((60.0, 15.0, 0.0), rel=1e-5)
    assert exact.params == pytest.approx((3.0,), rel=1e-6)
    found = alpha_fit(noisy(clean, 0.01), **options)
    assert (np.abs(found.release.U - [0.3, 0.6]) < 4.5 * found.stderr["U"]).all()
    assert abs(found.release.tau_rec - 60.0) < 4.5 * found.stderr["tau_rec"] < 10.0
    rows = {line.split()[0]: line.split()[1:] for line in found.summary().splitlines()}
    assert rows["tau_fac"][1:] == ["=", "0.25*tau_rec", "ms"]
    assert rows["tau_psc"] == ["0", "held", "ms"]
    found.save(tmp_path / "fit.json")
    again = Fit.load(tmp_path / "fit.json")
    assert repr(again) == repr(found)
    np.testing.assert_array_equal(again.release.U, found.release.U)


@pytest.mark.parametrize("what", ["weights", "release"])
def test_derivatives(what):
    """And the curves themselves, against closed forms."""
    spikes, point = [*SPIKES, np.inf], np.log([2.5, 3.5, 40.0, 9.0])
    asked = Asked(("tau",), HELD | {"scale": True}, ("tau",))
    with enable_x64():
        if what == "weights":
            problem = kernel_problem(alpha, alpha.Params(), spikes, T, noise((2, 300)), asked, weights="free")
            assert problem.labels == (*(f"weight_{i}" for i in range(1, 5)), "tau[0]", "tau[1]", "scale[0]", "scale[1]")
            value = [2.0 * responses(2.5, WEIGHTS), -3.0 * responses(3.5, WEIGHTS)]
            return check_derivatives(problem, np.array([*WEIGHTS[1:], *point[:2], 2.0, -3.0]), value)
        asked = asked._replace(free=("tau", "tau_rec", "tau_fac", "U"), own=("tau", "U"))
        start = tsodyks_markram.Params(tau_fac=20.0)
        problem = kernel_problem(alpha, alpha.Params(), spikes, T, noise((2, 300)), asked, release=start)
        assert problem.labels[:6] == ("tau_rec", "tau_fac", "tau[0]", "tau[1]", "U[0]", "U[1]")
        value = [size * responses(t, released(U, 40.0, 9.0)) for size, t, U in ((2.0, 2.5, 0.3), (-3.0, 3.5, 0.7))]
        check_derivatives(problem, np.array([*point[2:], *point[:2], *np.log([0.3, 0.7]), 2.0, -3.0]), value)


@pytest.mark.wide
def test_receptors_release_too():
    """What is released is the height of a pulse."""
    start = tsodyks_markram.Params(tau_rec=60.0, tau_fac=15.0)
    with enable_x64():
        weights = 2.0 * released(0.4, 60.0, 15.0)
        trace = synkin.respond(ampa, ampa.Params(beta=0.3), SPIKES, T, weights=weights)
        options = {"weights": np.full(5, 2.0), "release": start}
        problem = kernel_problem(ampa, ampa.Params(), SPIKES, T, noise(300), Asked(("beta", "U"), HELD), **options)
        check_derivatives(problem, np.log([0.3, 0.4]), [trace])
    found = fit(ampa, ampa.Params(), SPIKES, T, trace, free=("beta", "U"), starts=2, progress=False, **options)
    assert (found.params.beta, found.release.U) == pytest.approx((0.3, 0.4), rel=1e-5)


# What each recording has its own value of -----------------------------------------------------------------------------


def test_control_and_drug(tmp_path):
    """With spikes and lengths of their own, and a second recording that starts elsewhere."""
    spikes, times = np.array([SPIKES[:2], SPIKES[1:3]]), [T, T[:200]]
    traces = [-20 * responses(tau, [1, 1], own, t) for tau, own, t in zip((2.0, 5.0), spikes, times, strict=True)]
    exact = alpha_fit(traces, own="tau", spike_times=spikes, times=times)
    np.testing.assert_allclose(exact.params.tau, [2.0, 5.0], rtol=1e-6)
    noisy_ones = [noisy(trace, 0.02, seed) for seed, trace in enumerate(traces)]
    options = {"own": "tau", "spike_times": spikes, "times": times, "params": alpha.Params(tau=[1.0, 8.0])}
    found = alpha_fit(noisy_ones, **options, scale="shared", onset=True)
    assert (np.abs(found.params.tau - [2.0, 5.0]) < 4.5 * found.stderr["tau"]).all()
    assert found.labels == ("tau[0]", "tau[1]", "scale", "onset[0]", "onset[1]")
    assert "tau differs between the recordings" in found.message
    found.save(tmp_path / "fit.json")
    assert repr(Fit.load(tmp_path / "fit.json")) == repr(found)


def test_recordings_of_similar_length_share_a_program():
    alpha_fit(responses(3.0, np.ones(9), np.arange(9.0)), spike_times=np.arange(9.0), starts=1)
    before = model._respond._cache_size()
    spikes, times = np.arange(10.0), T[:290]
    found = alpha_fit(responses(3.0, np.ones(10), spikes, times), spike_times=spikes, times=times, starts=1)
    assert model._respond._cache_size() == before
    assert found.params.tau == pytest.approx(3.0, rel=1e-6)
    assert found.predicted.shape == (290,)
    assert found.weights is found.release is None


# Reversible schemes ---------------------------------------------------------------------------------------------------

# Two cycles that share a side, with numbers in the rates: each needs a rate of its own.
CYCLES = synkin.scheme(
    "C0 + glu <-> C1 : 2*kon, koff\nC1 + glu <-> C2 : kon, 2*koff\nC2 <-> O : beta, alpha\n"
    "C1 <-> D1 : kd, kr\nD1 + glu <-> D2 : kon, 2*kd_off\nC2 <-> D2 : kd2, kr2\nO <-> E : kd3, kr3\nD2 <-> E : b2, a2",
    open="O", name="cycles", kon=2.0, koff=0.5, beta=1.0, alpha=0.3, kd=0.2, kr=0.1, kd_off=0.4, kd2=0.3, kr2=0.15,
    kd3=0.05, kr3=0.02, b2=0.6, a2=0.7,
)  # fmt: skip


def reversible_problem(free, tie=None, own=(), trace=None):
    asked = Asked(free, HELD | {"scale": True}, own, tie=tie, reversible=True)
    trace = noise((2, 300)) if trace is None else trace
    return kernel_problem(CYCLES, CYCLES.Params(), synkin.Jumps([2.0, 20.0], [1.0]), T, trace, asked)


REVERSIBLE = [
    (("beta", "alpha", "kd2"), None, ()),
    (("beta", "alpha", "kd2"), {"kd": "2*kd2"}, ("alpha",)),
    (tuple(CYCLES.Params._fields[:13]), None, ()),
]


@pytest.mark.parametrize(("free", "tie", "own"), REVERSIBLE, ids=["few", "tied", "all"])
def test_each_cycle_is_reversible(free, tie, own):
    """Wherever the search goes. A rate that is held is solved for, or else the last of those that are free."""
    problem = reversible_problem(free, tie, own)
    solved = [one.name for one in problem.ties if one.name not in (tie or {})]
    assert len(solved) == 2
    assert ({*solved} & {*free}) == ({"a2", "kr2"} if len(free) == 13 else set())
    assert {*problem.free, *problem.own_parameters} == {*free} - {*solved}
    values = problem.params_at(np.random.default_rng(0).normal(size=len(problem.lower)))
    for r in range(2):
        p = CYCLES.Params(*(float(np.broadcast_to(values[name], 2)[r]) for name in CYCLES.Params._fields))
        ways = [p.kd * p.kon * p.kr2 * 2 * p.koff, p.kr * 2 * p.kd_off * p.kd2 * p.kon]
        ways += [p.beta * p.kd3 * p.a2 * p.kr2, p.alpha * p.kr3 * p.b2 * p.kd2]
        assert ways[::2] == pytest.approx(ways[1::2], rel=1e-12)
        assert [cycle.ratio for cycle in CYCLES.reversibility(p)] == pytest.approx([1, 1], rel=1e-5)


@pytest.mark.wide
def test_a_reversible_scheme(tmp_path):
    """Derivatives through the rates that are solved for, and a fit from elsewhere."""
    free = ("beta", "alpha", "kd2")
    with enable_x64():
        check_derivatives(reversible_problem(free), np.array([*np.log([2.0, 0.4, 0.5]), -20.0, 12.0]))
    params = reversible_problem(free).params
    true = CYCLES.Params(*(params[name] for name in CYCLES.Params._fields))
    with enable_x64():
        trace = -20 * np.asarray(synkin.concentration_jumps(CYCLES, true, [2.0, 20.0], [1.0], T))
    start, jumps = true._replace(beta=2.0, alpha=0.5, kd2=0.2), synkin.Jumps([2.0, 20.0], [1.0])
    options = {"free": free, "reversible": True, "scale": True, "starts": 2, "progress": False}
    found = fit(CYCLES, start, jumps, T, trace, **options)
    assert found.params == pytest.approx(true, rel=1e-4)
    assert len(found.problem.ties) == 2
    found.save(tmp_path / "fit.json")
    again = Fit.load(tmp_path / "fit.json")
    assert repr(again) == repr(found)
    for one, other in itertools.pairwise([cycle.ratio for cycle in CYCLES.reversibility(again.params)]):
        assert one == pytest.approx(other, rel=1e-5)


@pytest.mark.parametrize(("call", "sentence"), cases(__file__, "refused_spikes.txt"))
def test_refused(call, sentence):
    with pytest.raises((TypeError, ValueError)) as error:
        eval(call)
    assert str(error.value) == sentence


def ring(last):
    """A reversible fit of a scheme with one cycle, whose last rates are given."""
    text = f"A + glu <-> B : kon, koff\nA + glu <-> O : kon, koff\nB <-> O : {last}"
    scheme = synkin.scheme(text, open="O", kon=1.0, koff=0.1, a=0.5, b=0.3, name="ring")
    return of(scheme, scheme.Params(), free="kon", reversible=True)


def of(kernel, *given, **options):
    """A fit of two noisy recordings, but for what is given."""
    usual = {"spike_times": SPIKES, "times": T, "trace": noise((2, 300)), "starts": 1, "progress": False}
    return fit(kernel, *given, **usual | options)
