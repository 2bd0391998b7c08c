"""Fits of functions: from closed forms in noise, beside `synkin.fit`, and as files, copies and pictures."""

import pickle
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import alpha, currents, fit_curve
from synkin.fitting import Fit, model
from synkin.fitting.checking import Asked, function_problem
from tests.helpers.precision import enable_x64
from tests.helpers.sentences import cases
from tests.helpers.traces import SPIKE, TIMES, alpha_function, fitted, noise, noisy

T = np.arange(0.0, 60.0, 0.3)  # ms
QUIET = {"starts": 3, "progress": False}


def two_exponentials(rise, decay, times):
    return jnp.exp(-times / decay) - jnp.exp(-times / rise)


def held_to(found, **true):
    """Each number is as far off as its error says; an array stands for what each recording has its own value of."""
    for name, value in true.items():
        off = np.abs(np.asarray(found.params[name]) - value)
        assert (off < 4.5 * np.asarray(found.stderr[name])).all(), name
        assert (found.stderr[name] < 0.2 * np.abs(value) + 0.5).all(), name


# Examples -------------------------------------------------------------------------------------------------------------


def ramp(p, times):
    """The current of a receptor blocked by magnesium during a voltage ramp."""
    V = -100.0 + 2.0 * times
    block = currents.mg_block(V, Mg=1.0, b=p["b"], a=p["a"])
    return p["g_max"] * two_exponentials(5.0, 80.0, times) * block * (V - p["E"])


RAMP = {"g_max": 2.0, "b": 3.57, "a": 0.062, "E": 5.0}


def ramp_fit(trace, free=("g_max", "b", "a", "E"), **options):
    start = {"g_max": 1.0, "b": 2.0, "a": 0.05, "E": 0.0}
    usual = {"free": free, "units": {"E": "mV", "a": "1/mV"}, "unit": "uA"} | QUIET
    return fit_curve(ramp, start, T, trace, **usual | options)


with enable_x64():
    RAMP_CLEAN = np.asarray(ramp(RAMP, T))


@pytest.mark.wide
def test_a_voltage_ramp(tmp_path):
    """Then all that one does with a result: a table, a profile, a comparison, other times, a file, a copy."""
    exact = ramp_fit(RAMP_CLEAN)
    for name, value in RAMP.items():
        assert exact.params[name] == pytest.approx(value, rel=1e-5), name
    found = ramp_fit(noisy(RAMP_CLEAN, 0.01))
    held_to(found, **RAMP)
    assert found.name == "ramp"
    assert found.verdict.endswith("and noise the rest.")
    row = next(line for line in found.summary().splitlines() if line.startswith("E "))
    assert row.split()[-1] == "mV"
    low, high = found.profile("E").interval95
    assert low < RAMP["E"] < high
    held = ramp_fit(found.trace, free=("g_max", "b", "a"))
    assert synkin.compare({"E is 0": held, "E is free": found}).names == ("E is free", "E is 0")

    with enable_x64():
        np.testing.assert_allclose(found.predict(T[::7]), ramp(found.params, T[::7]), rtol=1e-12)
    found.save(tmp_path / "fit.json")
    for again in (Fit.load(tmp_path / "fit.json", ramp), pickle.loads(pickle.dumps(found))):
        assert repr(again) == repr(found)
        assert again.params == found.params
        np.testing.assert_array_equal(again.predict(T), found.predict(T))
    with pytest.raises(ValueError, match="must be the function ramp to read"):
        Fit.load(tmp_path / "fit.json")
    with pytest.raises(ValueError, match=r"must be the function ramp of .*, but changing does not take its parameters"):
        Fit.load(tmp_path / "fit.json", changing)
    with pytest.raises(ValueError, match="must hold the curve that <lambda> gives"):
        Fit.load(tmp_path / "fit.json", lambda p, times: 2 * ramp(p, times))


VOLTS = np.linspace(-80.0, 40.0, 7)


def at_a_voltage(p, times):
    block = currents.mg_block(p["V"], Mg=1.0, b=p["b"])
    return p["g_max"] * two_exponentials(p["rise"], p["decay"], times) * block * (p["V"] - p["E"])


def test_seven_voltages_with_the_kinetics_in_common():
    true = {"g_max": 1.7, "rise": 3.0, "decay": 50.0, "b": 3.57, "E": 0.0}
    with enable_x64():
        clean = np.array([at_a_voltage(true | {"V": V}, T) for V in VOLTS])
    start = {"g_max": 1.0, "rise": 1.0, "decay": 30.0, "b": 3.0, "E": -5.0, "V": VOLTS}
    found = fit_curve(at_a_voltage, start, T, noisy(clean, 0.01), free=tuple(true), own="V", **QUIET)
    held_to(found, **true)
    np.testing.assert_array_equal(found.params["V"], VOLTS)
    assert "V -80 to 40 held" in [" ".join(line.split()) for line in found.summary().splitlines()]
    assert found.predict(T[:5]).shape == (7, 5)
    # Sweeps at other voltages are no draws of one kind, so residuals are drawn.
    drawn = found.bootstrap(10)
    assert drawn.over == "blocks"
    assert drawn.stderr["decay"] == pytest.approx(found.stderr["decay"], rel=0.8)
    # Sweeps that are drawn bring their voltages with them.
    drawn = found.bootstrap(10, over="sweeps")
    np.testing.assert_allclose(drawn.samples, np.broadcast_to(drawn.best, drawn.samples.shape), rtol=0.1, atol=3.0)


def test_an_artefact_of_the_stimulus():
    """A current on the decay of an artefact, which is fitted with it and named by its place."""

    def current(p, times):
        age = jnp.maximum(times - 3.0, 0.0)
        epsc = p["size"] * two_exponentials(0.5, p["tau"], age)
        return jnp.where(
            times < 1.0, 0.0, epsc + p["artefact"]["size"] * jnp.exp(-(times - 1.0) / p["artefact"]["tau"])
        )

    true = {"size": -20.0, "tau": 6.0, "artefact": {"size": 40.0, "tau": 0.8}}
    with enable_x64():
        clean = np.asarray(current(true, T)) + 3.0
    start = {"size": -5.0, "tau": 3.0, "artefact": {"size": 10.0, "tau": 0.3}}
    found = fit_curve(current, start, T, noisy(clean, 0.005), free=("size", "tau", "artefact"), offset=True, **QUIET)
    assert tuple(found.free) == ("size", "tau", "artefact_size", "artefact_tau", "offset")
    assert found.params["tau"] == pytest.approx(6.0, abs=4.5 * found.stderr["tau"])
    assert found.params["artefact"]["tau"] == pytest.approx(0.8, abs=4.5 * found.stderr["artefact_tau"])
    assert found.offset == pytest.approx(3.0, abs=4.5 * found.stderr["offset"])


# What each recording has its own value of -----------------------------------------------------------------------------


class Decay(NamedTuple):
    size: Any
    tau: Any
    level: Any = 0.0


def decay(p, times):
    return p.size * jnp.exp(-times / p.tau) + p.level


def test_control_and_drug(tmp_path):
    """Recordings of two lengths, a gap in one, and one more parameter that follows from that of each."""
    clean = [3.0 * np.exp(-T / tau) + tau / 10 for tau in (6.0, 9.0)]
    traces = [noisy(clean[0], 0.01), noisy(clean[1], 0.01, 1)[:150]]
    traces[0][20:40] = np.nan
    options = {"free": ("size", "tau"), "own": "tau", "tie": {"level": "0.1*tau"}} | QUIET
    found = fit_curve(decay, Decay(1.0, 3.0), [T, T[:150]], traces, **options)
    assert isinstance(found.params, Decay)
    assert found.labels == ("size", "tau[0]", "tau[1]")
    for tau, true, error in zip(found.params.tau, (6.0, 9.0), found.stderr["tau"], strict=True):
        assert abs(tau - true) < 4.5 * error < 0.2
    np.testing.assert_allclose(found.params.level, found.params.tau / 10, rtol=1e-14)
    assert "tau differs between the recordings (F(1, " in found.message
    lines = found.summary().splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["size", "tau[0]", "tau[1]", "level"]
    assert lines[5].split()[-2:] == ["=", "0.1*tau"]
    for name in ("tau", "tau[0]"):
        with pytest.raises(ValueError, match="Argument `name` must be"):
            found.profile(name)
    found.save(tmp_path / "fit.json")
    again = Fit.load(tmp_path / "fit.json", decay)
    assert repr(again) == repr(found)
    np.testing.assert_array_equal(again.params.tau, found.params.tau)
    # A start for each recording leads to the same.
    apart = fit_curve(decay, Decay(1.0, [4.0, 12.0]), [T, T[:150]], traces, **options)
    np.testing.assert_allclose(apart.params.tau, found.params.tau, rtol=1e-6)


def test_whether_it_differs_is_walds_test():
    """Of recordings that share nothing the statistic follows from their errors alone. Equal ones hardly ever differ."""
    traces = np.array([noisy(3.0 * np.exp(-T / tau), 0.05, seed) for seed, tau in enumerate((6.0, 6.3))])
    found = fit_curve(decay, Decay(1.0, 3.0), T, traces, free=("size", "tau"), own=("size", "tau"), **QUIET)
    tau, error = found.params.tau, found.stderr["tau"] / found.params.tau
    expected = np.log(tau[1] / tau[0]) ** 2 / (error**2).sum()
    assert f"F(1, {400 / found.alike - 4:.0f}) = {expected:.3g}, p = " in found.message.partition("tau ")[2]
    said = 0
    for seed in range(30):
        traces = 3.0 * np.exp(-T / 6.0) + 0.15 * noise((3, len(T)), seed)
        equal = fit_curve(decay, Decay(3.0, 6.0), T, traces, free=("size", "tau"), own="tau", starts=1, progress=False)
        said += "tau differs" in equal.message
    assert said <= 5  # of 30 at 5 %: more come in one of 300 cases


def test_derivatives():
    """With respect to every coordinate, against differences: own parameters, ties, one that may be negative."""
    start = {"p": Decay(2.0, np.array([4.0, 9.0]), -0.3), "V": np.array([1.0, -2.0]), "q": 1.0}
    traces = noise((2, len(T)))

    def curve(p, times):
        return p["V"] * decay(p["p"], times) + p["q"] * jnp.sin(times)

    held = {"scale": "shared", "offset": True, "onset": False}
    asked = Asked(("p",), held, ("p_tau", "V"), tie={"q": "p_level/p_tau + 2"})
    with enable_x64():
        problem = function_problem(curve, start, T, traces, asked, given_units={})
        assert problem.labels == ("p_size", "p_level", "p_tau[0]", "p_tau[1]", "scale", "offset[0]", "offset[1]")
        point = np.array([np.log(2.5), -0.4, np.log(5.0), np.log(8.0), 1.5, 0.3, -0.6])
        exact = model.curve(problem, point)
        for r, (tau, V, offset) in enumerate(((5.0, 1.0, 0.3), (8.0, -2.0, -0.6))):
            g = V * (2.5 * np.exp(-T / tau) - 0.4) + (-0.4 / tau + 2) * np.sin(T)
            np.testing.assert_allclose(exact.value[r], 1.5 * g + offset, rtol=1e-12)
        for i, step in enumerate(1e-6 * np.eye(len(point))):
            difference = (model.curve(problem, point + step).value - model.curve(problem, point - step).value) / 2e-6
            mine = (exact.derivative * (problem.columns == i)[:, None, :]).sum(axis=-1)
            np.testing.assert_allclose(mine, difference, atol=1e-7, err_msg=problem.labels[i])


# Functions ------------------------------------------------------------------------------------------------------------


def test_a_curve_of_a_kernel_is_its_fit():
    def current(p, times):
        return synkin.respond(alpha, alpha.Params(tau=p["tau"]), [SPIKE], times)

    trace = noisy(-30 * alpha_function(TIMES) + 2, 0.01)
    options = {"free": "tau", "scale": True, "offset": True, "starts": 2, "progress": False}
    found, by_fit = fit_curve(current, {"tau": alpha.Params().tau}, TIMES, trace, **options), fitted(trace)
    assert found.params["tau"] == pytest.approx(by_fit.params.tau, rel=1e-7)
    for name in ("tau", "scale", "offset"):
        assert found.stderr[name] == pytest.approx(by_fit.stderr[name], rel=1e-5)
    np.testing.assert_allclose(found.predicted, by_fit.predicted, atol=1e-6)
    assert (found.alike, found.verdict) == (pytest.approx(by_fit.alike), by_fit.verdict)


FACTOR = {"of": 1.0}


def changing(p, times):
    return FACTOR["of"] * p["size"] * jnp.exp(-times / 5.0)


def test_what_the_function_reads_may_change_between_fits(monkeypatch):
    """Each fit sees it as it is, and a program is compiled once for what does the same."""
    trace = noisy(3 * np.exp(-T / 5.0), 0.01)
    sizes = []
    for factor in (1.0, 2.0, 1.0):
        monkeypatch.setitem(FACTOR, "of", factor)
        sizes.append(fit_curve(changing, {"size": 1.0}, T, trace, free="size", **QUIET).params["size"])
    assert sizes[0] == sizes[2] == pytest.approx(2 * sizes[1], rel=1e-9)
    found = fit_curve(changing, {"size": 1.0}, T, trace, free="size", **QUIET)
    monkeypatch.setitem(FACTOR, "of", 2.0)
    for call in (lambda: found.predict([1.0, 2.0]), lambda: found.profile("size"), lambda: found.bootstrap(3)):
        with pytest.raises(ValueError, match="Function changing must do what it did when it was fitted, but reads"):
            call()
    monkeypatch.setitem(FACTOR, "of", 1.0)
    assert found.predict([0.0]) == pytest.approx(found.params["size"], rel=1e-6)
    before = model._respond._cache_size()
    fit_curve(changing, {"size": 0.5}, T, trace[::-1], free="size", **QUIET)
    assert model._respond._cache_size() == before


def test_arrays_lists_and_functions_with_derivatives_of_their_own():
    @jax.custom_jvp
    def fall(x):
        return jnp.exp(-x)

    fall.defjvp(lambda at, along: (fall(at[0]), -along[0] * fall(at[0])))

    @jax.jit
    def several(p, times):
        sizes, taus = p
        return sizes @ fall(times[None] / taus[:, None])

    sizes = np.array([[1.0, 2.0], [3.0, 1.0]])
    traces = np.array([a * np.exp(-T / 2.0) + b * np.exp(-T / 20.0) for a, b in sizes]) + 0.01 * noise((2, len(T)))
    start = [np.ones(2), np.array([1.0, 30.0])]
    options = {"bounds": {"value_1": (0.1, 100.0)}, "units": {"value_1": "ms"}} | QUIET
    shared = fit_curve(several, start, T, traces[0], free=("value_0", "value_1_0"), **options | {"bounds": None})
    assert tuple(shared.free) == ("value_0_0", "value_0_1", "value_1_0")
    assert shared.params[1][1] == 30.0
    start[0] = np.ones((2, 2))  # a row for each recording
    found = fit_curve(several, start, T, traces, free=("value_0", "value_1"), own="value_0", **options)
    np.testing.assert_allclose(found.params[0], sizes, rtol=0.03)
    np.testing.assert_allclose(found.params[1], [2.0, 20.0], rtol=0.03)
    assert [line.split()[-1] for line in found.summary().splitlines()].count("ms") == 2
    one = fit_curve(lambda tau, times: jnp.exp(-times / tau), 3.0, T, np.exp(-T / 5.0), free="value", **QUIET)
    assert one.params == pytest.approx(5.0, rel=1e-6)


def test_pictures():
    pytest.importorskip("matplotlib")
    found = ramp_fit(noisy(RAMP_CLEAN, 0.01))
    above, below = synkin.plot.fit(found, ax=synkin.plot.figure().subplots(2, 1))
    np.testing.assert_array_equal(above.lines[-1].get_ydata(), found.predicted)
    assert "uA" in above.get_ylabel() + below.get_ylabel()
    assert synkin.plot.profile(found.profile("E"), ax=synkin.plot.figure().subplots()).get_xlabel() == "E (mV)"


# What is refused ------------------------------------------------------------------------------------------------------


def curve_fit(curve=decay, start=None, times=T, trace=None, **options):
    """A fit of a decay, but for what is given."""
    trace = 3 * np.exp(-T / 5.0) if trace is None else trace
    usual = {"free": ("size", "tau"), "starts": 1, "progress": False}
    return fit_curve(curve, Decay(1.0, 3.0) if start is None else start, times, trace, **usual | options)


TWO = np.array([3 * np.exp(-T / 5.0), 2 * np.exp(-T / 7.0)])


@jax.custom_vjp
def backwards(x):
    return jnp.exp(-x)


backwards.defvjp(lambda x: (jnp.exp(-x), x), lambda x, slope: (-slope * jnp.exp(-x),))


@pytest.mark.parametrize(("call", "sentence"), cases(__file__, "refused_curve.txt"))
def test_refused(call, sentence):
    with pytest.raises((TypeError, ValueError)) as error:
        eval(call)
    assert str(error.value) == sentence


def test_an_error_of_the_function_is_its_own():
    with pytest.raises(KeyError, match="missing"):
        curve_fit(lambda p, times: {}["missing"] * times)
