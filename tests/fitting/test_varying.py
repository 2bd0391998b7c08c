"""Fits in which parameters vary and pulses have heights, of traces from matrix exponentials and closed forms."""

import itertools
from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import synkin
from synkin import ampa, fit, plot, schemes
from synkin.fitting import Fit, model
from synkin.fitting.checking import Asked, kernel_problem
from tests.helpers.precision import enable_x64
from tests.helpers.sentences import cases
from tests.helpers.traces import TIMES, noisy

# Magnesium leaves the open state with the voltage, and an antagonist holds the empty receptor.
BLOCKED = synkin.scheme(
    "C + glu <-> O : kon, koff\nO <-> B : block, unblock\nC + ant <-> A : kb, ku", open="O", name="blocked",
    ligand="glu", rest="steady", kon=2.0, koff=0.3, kb=3.0, ku=0.05, ant=0.0, V=-60.0, signed="V", units={"V": "mV"},
    block=lambda p: 0.6 * jnp.exp(-p.V / 17), unblock=lambda p: 5.4 * jnp.exp(p.V / 47),
)  # fmt: skip
TRUE = BLOCKED.Params()
EDGES, T = np.array([2.0, 3.5, 12.0, 20.0]), np.array([1.0, 0.0, 0.2])
V = np.array([[-60.0, -60.0, 40.0], [40.0, 40.0, -40.0]])
ANT = np.array([0.05, 0.05, 0.0])
START, FREE = BLOCKED.Params(kon=3.0, koff=0.2, kb=5.0), ("kon", "koff", "kb")
PROTOCOL = synkin.Jumps(EDGES, T, V=V, ant=ANT)


def generator(T, V, ant, kon=2.0, koff=0.3, kb=3.0, ku=0.05):
    q = np.zeros((4, 4))
    ways = ((0, 1, kon * T), (1, 0, koff), (1, 2, 0.6 * np.exp(-V / 17)), (2, 1, 5.4 * np.exp(V / 47)))
    for i, j, rate in (*ways, (0, 3, kb * ant), (3, 0, ku)):
        q[[j, i], i] += rate, -rate
    return q


def followed(V, times):
    """g of a protocol: at rest at the first values before it, and without transmitter at the last ones after it."""

    def at(time):
        p, now = scipy.linalg.expm(1e6 * generator(0.0, V[0], ANT[0]))[:, 0], EDGES[0]
        ends = [*EDGES[1:], np.inf]
        for end, *held in zip(ends, [*T, 0.0], [*V, V[-1]], [*ANT, ANT[-1]], strict=True):
            p, now = scipy.linalg.expm(generator(*held) * max(min(time, end) - now, 0)) @ p, end
            if time <= end:
                return p[1]

    return np.array([at(time) for time in times])


CLEAN = np.array([[-30.0], [12.0]]) * np.array([followed(row, TIMES) for row in V])


def of_protocol(trace=CLEAN, **options):
    usual = {"free": FREE, "scale": True, "starts": 1, "progress": False, "unit": "nS"}
    return fit(BLOCKED, START, PROTOCOL, TIMES, trace, **usual | options)


@cache
def of_clean_protocol():
    return of_protocol()


def off(found, true):
    return max(abs(getattr(found.params, name) / getattr(true, name) - 1) for name in found.problem.free)


@pytest.mark.wide
def test_a_protocol_in_which_voltage_and_blocker_change(tmp_path):
    found = of_clean_protocol()
    assert off(found, TRUE) < 1e-6
    np.testing.assert_allclose(found.scale, [-30, 12], rtol=1e-6)
    np.testing.assert_allclose(found.predict(TIMES[::9]), CLEAN[:, ::9], atol=1e-7)
    rows = {line.split()[0]: line.split()[1:] for line in found.summary().splitlines()}
    assert rows["V"] == ["-60", "to", "40", "varies", "mV"]
    assert rows["ant"] == ["0", "to", "0.05", "varies", "mM"]
    found.save(tmp_path / "fit.json")
    again = Fit.load(tmp_path / "fit.json", BLOCKED)
    assert repr(again) == repr(found)
    assert [*again.varying] == ["V", "ant"]
    for (edges, values), right in zip(again.varying.values(), (V, ANT), strict=True):
        np.testing.assert_array_equal(edges, EDGES)
        np.testing.assert_array_equal(values, right)


@pytest.mark.wide
def test_intervals_and_a_comparison_of_protocols():
    found = of_protocol(noisy(CLEAN, 0.01))
    low, high = found.profile("koff").interval95
    assert low < TRUE.koff < high < 1.1 * low
    for over in ("sweeps", "blocks"):
        drawn = found.bootstrap(3, over=over)
        assert np.ptp(drawn.samples, axis=0).min() > 0
        np.testing.assert_allclose(drawn.samples, np.tile(drawn.best, (3, 1)), rtol=0.3)
    held = of_protocol(found.trace, free=("koff", "kb"))  # kon is another there
    assert synkin.compare({"held": held, "free": found}).names == ("free", "held")


SPIKES, HEIGHTS = np.array([3.03, 9.0, 9.3, 20.0]), np.array([1.0, 0.4, 2.0, 0.7])
BETA = np.array([0.0, 5.0, 9.1, 40.0]), np.array([[0.3, 0.1, 0.5], [0.2, 0.2, 0.2]])


@pytest.mark.parametrize("of", ["protocol", "spikes"])
def test_derivatives(of):
    """With respect to every coordinate, against differences."""
    what, free, options, parameters = (BLOCKED, START, PROTOCOL), FREE, {}, [2.5, 0.4, 2.0]
    if of == "spikes":
        what, parameters = (ampa, ampa.Params(), SPIKES), [2.0, 0.6]
        free, options = ("alpha", "T_dur"), {"weights": HEIGHTS, "varying": {"beta": BETA}}
    asked = Asked(free, {"scale": True, "offset": True, "onset": True})
    with enable_x64():
        problem = kernel_problem(*what, TIMES + 0.013, CLEAN, asked, **options)
        point = np.array([*np.log(parameters), 2.0, -3.0, 0.1, 0.2, 0.03, -0.04])
        exact = model.curve(problem, point).derivative
        for i, column in enumerate(problem.columns.T):
            step = np.zeros((2, len(point)))
            step[np.arange(2), column] = 1e-6
            both = step.sum(axis=0) > 0
            ends = [model.curve(problem, point + sign * 1e-6 * both).value for sign in (1, -1)]
            np.testing.assert_allclose(exact[..., i], (ends[0] - ends[1]) / 2e-6, atol=1e-8)
        assert (np.abs(exact).max(axis=1) > 1e-3).all()


@pytest.mark.wide
def test_a_voltage_jump_of_kampa2004(tmp_path):
    kernel, edges, levels = schemes.kampa2004, np.array([1.0, 2.0, 20.0, 30.0]), np.array([1.0, 0.0, 0.0])
    volts, times = np.array([-60.0, -60.0, 40.0]), np.arange(0.0, 60.0, 0.5)
    with enable_x64():
        trace = synkin.concentration_jumps(kernel, kernel.Params(), edges, levels, times, varying={"V": volts})
    protocol, start = synkin.Jumps(edges, levels, V=volts), kernel.Params(ku_open=8.0, alpha_Mg=0.8)
    found = fit(kernel, start, protocol, times, trace, free=("ku_open", "alpha_Mg"), starts=1, progress=False)
    assert off(found, kernel.Params()) < 1e-6
    found.save(tmp_path / "fit.json")
    assert repr(Fit.load(tmp_path / "fit.json")) == repr(found)  # a scheme of the library is found by its name


def first_order(times, beta=None, alpha=3.0, T_dur=0.77):
    """g of a receptor after pulses of 0.5 mM times their heights, in closed form between moments of change."""
    ends = np.minimum(SPIKES + T_dur, np.append(SPIKES[1:], np.inf))
    cuts, g, now, found = np.unique([0.0, *SPIKES, *ends, *BETA[0], 1e3]), 0.0, 0.0, np.zeros(len(times))
    for now, end in itertools.pairwise(cuts):
        on = alpha * 0.5 * HEIGHTS[(now >= SPIKES) & (now < ends)].sum()
        rate = on + (0.31 if beta is None else beta[np.clip(np.searchsorted(BETA[0], now, "right") - 1, 0, 2)])
        here = (times >= now) & (times < end)
        found[here] = on / rate + (g - on / rate) * np.exp(-rate * (times[here] - now))
        g = on / rate + (g - on / rate) * np.exp(-rate * (end - now))
    return found


def of_spikes(trace, free=("alpha", "T_dur"), kernel=ampa, **options):
    usual = {"weights": HEIGHTS, "starts": 1, "progress": False}
    start = kernel.Params(alpha=2.0, beta=0.31, T_dur=0.6)
    return fit(kernel, start, SPIKES, TIMES, trace, free=free, **usual | options)


def test_heights_of_pulses_and_what_varies_beside_them(tmp_path):
    true = ampa.Params(alpha=3.0, beta=0.31, T_dur=0.77)
    assert off(of_spikes(first_order(TIMES)), true) < 1e-6
    assert of_spikes(first_order(TIMES), weights=HEIGHTS[::-1].copy()).r_squared < 0.99
    found = of_spikes(np.array([first_order(TIMES, beta) for beta in BETA[1]]), varying={"beta": BETA})
    assert off(found, true) < 1e-6
    found.save(tmp_path / "fit.json")
    again = Fit.load(tmp_path / "fit.json")
    assert repr(again) == repr(found)
    np.testing.assert_array_equal(again.predict(TIMES), found.predict(TIMES))


@pytest.mark.wide
def test_a_sum_of_which_one_part_varies():
    both = ampa + BLOCKED
    times = np.arange(0.0, 30.0, 0.2)
    with enable_x64():
        parts = [
            synkin.concentration_jumps(ampa, ampa.Params(), EDGES, T, times),
            synkin.concentration_jumps(BLOCKED, TRUE, EDGES, T, times, varying={"V": V[0], "ant": ANT}),
        ]
    protocol = synkin.Jumps(EDGES, T, blocked_V=V[0], blocked_ant=ANT)
    free, start = ("blocked_koff", "g_blocked"), both.Params(blocked_koff=0.2)
    trace = np.asarray(parts[0]) + 0.7 * np.asarray(parts[1])
    found = fit(both, start, protocol, times, trace, free=free, starts=1, progress=False)
    assert off(found, both.Params(g_blocked=0.7)) < 1e-6


def test_pictures():
    """Above the recording, a line for each recording of which it is known; the colours are those of the curves."""
    pytest.importorskip("matplotlib")
    found = of_clean_protocol()
    above, _ = plot.fit(found, ax=plot.figure().subplots(2, 1))
    volts, ant = above.child_axes
    assert (volts.get_ylabel(), ant.get_ylabel()) == ("V (mV)", "ant (mM)")
    for line, row in zip(volts.patches, V, strict=True):
        values, edges, _ = line.get_data()
        np.testing.assert_array_equal(values, row)
        np.testing.assert_array_equal(edges, [TIMES[0], *EDGES[1:-1], TIMES[-1]])
    assert len(ant.patches) == 1
    fits = [line for line in above.lines if not line.get_label().startswith("_")]
    assert [line.get_label() for line in fits] == ["1 mM, V 40 mV", "1 mM, V -40 mV"]
    assert [line.get_color() for line in fits] == [plot.COLORS[0], plot.COLORS[1]]
    one = of_spikes(first_order(TIMES, BETA[1][0]), varying={"beta": (BETA[0], BETA[1][0])})
    above, _ = plot.fit(one, ax=plot.figure().subplots(2, 1))
    (beta,) = above.child_axes
    np.testing.assert_array_equal(beta.patches[0].get_data().edges, [0.0, 5.0, 9.1, TIMES[-1]])


@pytest.mark.parametrize(("call", "sentence"), cases(__file__, "refused_varying.txt"))
def test_refused(call, sentence):
    with pytest.raises((TypeError, ValueError)) as error:
        eval(call)
    assert str(error.value) == sentence
