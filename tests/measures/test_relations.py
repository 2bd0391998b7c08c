"""Currents against voltages, NMDA over AMPA, and rundown, against NumPy, SciPy and what was put in."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import synkin
from synkin import Recording, current_voltage, nmda_ampa_ratio, rundown
from tests.helpers.responses import RATE, noise, shape

TIMES = np.arange(0.0, 100.0, 1 / RATE)
VOLTS = np.arange(-80.0, 60.0, 20.0)
USUAL = {"baseline": (20, 49), "window": (50, 70)}


def ohmic(E=5.0, g=0.4, volts=VOLTS):
    return g * (volts - E)[:, None] * shape(TIMES - 50)


def test_a_line_without_noise_is_exact():
    found = current_voltage(TIMES, ohmic(), voltages=VOLTS, at=52.0)
    size = shape(2.0)
    assert (found.reversal, found.slope) == pytest.approx((5.0, 0.4 * size))
    assert found.rectification == pytest.approx(1.0)
    assert found.reversal_error == pytest.approx(0.0, abs=1e-9)
    assert found.time == 52.0
    np.testing.assert_allclose(found.currents, 0.4 * size * (VOLTS - 5))
    np.testing.assert_allclose(found.curve(VOLTS), found.currents)
    peak = current_voltage(TIMES, ohmic(), voltages=VOLTS)
    assert peak.slope == pytest.approx(0.4, rel=1e-3)


def test_errors_are_those_of_least_squares():
    """The slope's as SciPy's linregress gives it, the reversal potential's by drawing currents anew."""
    rng = np.random.default_rng(0)
    rows = ohmic() + noise(rng, 7, TIMES.size, 2.0)
    order = rng.permutation(7)
    found = current_voltage(Recording(TIMES, rows[order], "pA", command=VOLTS[order]), **USUAL)
    line = stats.linregress(found.voltages, found.currents)
    assert (found.slope, found.slope_error) == pytest.approx((line.slope, line.stderr))
    assert found.reversal == pytest.approx(-line.intercept / line.slope)
    spread = found.errors[0]
    drawn = [np.polyfit(VOLTS, found.curve(VOLTS) + spread * rng.normal(size=7), 1) for _ in range(4000)]
    again = np.array([-b / a for a, b in drawn])
    assert found.reversal_error == pytest.approx(again.std(), rel=0.1)
    index = []
    for _ in range(3000):
        y = found.curve(VOLTS) + spread * rng.normal(size=7)
        a, b = np.polyfit(VOLTS, y, 1)
        index.append((y[-1] / (40 + b / a)) / (y[0] / (-80 + b / a)))
    assert found.rectification_error == pytest.approx(np.std(index), rel=0.15)


def test_errors_of_a_curve_are_those_of_its_slope_where_it_crosses_zero():
    rng = np.random.default_rng(7)
    curve = 0.4 * (VOLTS - 5) - 0.01 * (VOLTS - 5) ** 2
    volts = np.tile(VOLTS, 8)
    rows = np.tile(curve, 8)[:, None] * shape(TIMES - 50) + noise(rng, 56, TIMES.size, 4.0)
    found = current_voltage(TIMES, rows, voltages=volts, at=52.0)
    assert len(found.coefficients) == 3
    slopes, roots = [], []
    for _ in range(1500):
        a, b, c = np.polyfit(volts, found.curve(volts) + found.errors[0] * np.sqrt(8) * rng.normal(size=56), 2)
        roots.append((-b + np.sqrt(b**2 - 4 * a * c)) / (2 * a))
        slopes.append(2 * a * roots[-1] + b)
    assert found.reversal_error == pytest.approx(np.std(roots), rel=0.15)
    assert found.slope_error == pytest.approx(np.std(slopes), rel=0.15)
    assert abs(found.reversal - 5) < 3 * found.reversal_error


def test_several_sweeps_of_a_level():
    rng = np.random.default_rng(1)
    volts = np.repeat(VOLTS, 5)
    rows = ohmic(volts=volts) + noise(rng, 35, TIMES.size, 2.0)
    found = current_voltage(TIMES, rows, voltages=volts, **USUAL)
    np.testing.assert_array_equal(found.counts, np.full(7, 5))
    at = np.array([np.interp(found.time, TIMES, row) for row in rows])
    at -= rows[:, (TIMES >= 20) & (TIMES <= 49)].mean(axis=1)
    np.testing.assert_allclose(found.currents, at.reshape(7, 5).mean(axis=1))
    line = stats.linregress(volts, at)
    assert found.slope_error == pytest.approx(line.stderr)
    assert found.reversal == pytest.approx(5.0, abs=3 * found.reversal_error)


@pytest.mark.wide
def test_bias_over_seeds():
    values, errors = [], []
    for seed in range(100):
        rows = ohmic() + noise(np.random.default_rng(seed), 7, TIMES.size, 2.0)
        found = current_voltage(TIMES, rows, voltages=VOLTS, **USUAL)
        values.append((found.reversal - 5, found.slope / 0.4 - 1))
        errors.append((found.reversal_error, found.slope_error / 0.4))
    mean, scatter = np.mean(values, axis=0), np.std(values, axis=0)
    assert abs(mean[0]) < 1.0
    assert abs(mean[1]) < 0.03
    assert (np.mean(errors, axis=0) / scatter > 0.7).all()


def test_what_rectifies_is_no_line():
    """The polynomial is chosen by F tests; the index is below 1 where outward currents are small."""
    currents = 0.4 * VOLTS * (1 - 0.006 * (VOLTS + 20))
    rows = currents[:, None] * shape(TIMES - 50)
    found = current_voltage(TIMES, rows, voltages=VOLTS, chords=(-60, 40), at=52.0)
    assert len(found.coefficients) == 3
    assert found.reversal == pytest.approx(0.0, abs=1e-6)
    assert found.slope == pytest.approx(0.4 * (1 - 0.12) * shape(2.0))
    assert found.rectification == pytest.approx((1 - 0.36) / (1 + 0.24))
    assert "not straight" in found.message
    near = current_voltage(TIMES, rows, voltages=VOLTS, fit_range=(-20, 20), at=52.0)
    assert len(near.coefficients) == 2
    assert near.fitted.sum() == 3


def test_what_is_not_within_the_levels_is_said():
    found = current_voltage(TIMES, ohmic(E=60.0), voltages=VOLTS, at=52.0)
    assert found.reversal == pytest.approx(60.0)
    assert "extrapolated" in found.message
    lost = ohmic()
    lost[2] = np.nan
    found = current_voltage(TIMES, lost, voltages=VOLTS, at=52.0)
    assert np.isnan(found.currents[2])
    assert found.reversal == pytest.approx(5.0)
    assert list(found.table())[:2] == ["voltage_mV", "current"]


def test_a_current_that_does_not_depend_on_the_voltage():
    rng = np.random.default_rng(1)
    for rows in (np.zeros((7, TIMES.size)), noise(rng, 7, TIMES.size, 2.0) - 20 * shape(TIMES - 50)):
        found = current_voltage(TIMES, rows, voltages=VOLTS, at=52.0)
        assert "hardly depends on the voltage" in found.message
        assert found.slope == pytest.approx(0.0, abs=0.03)


def test_near_the_reversal_potential_noise_is_no_current():
    """All levels are measured at one time, so that the mean over many is 0 there."""
    volts = np.repeat([-40.0, 5.0, 40.0], 60)
    rows = ohmic(volts=volts) + noise(np.random.default_rng(0), 180, TIMES.size, 4.0)
    found = current_voltage(TIMES, rows, voltages=volts, **USUAL)
    assert abs(found.currents[1]) < 4 * 4.0 / np.sqrt(60)


DOWN, UP = -100 * shape(TIMES - 20, 4.0), 60 * shape(TIMES - 20, 4.0) + 50 * shape(TIMES - 20, 60.0, 3.0)


def test_nmda_over_ampa_by_times():
    rng = np.random.default_rng(0)
    down, up = (Recording(TIMES, trace + noise(rng, 20, TIMES.size, 2.0), "pA") for trace in (DOWN, UP))
    found = nmda_ampa_ratio(down, up, spike=20.0, after=40.0, baseline=(0, 19))
    late = (TIMES >= 57.49) & (TIMES <= 62.51)
    expected = UP[late].mean() / 100
    assert found.ratio == pytest.approx(expected, abs=3 * found.stderr)
    peaks = down.traces - down.traces[:, TIMES <= 19].mean(axis=1)[:, None]
    at = np.array([np.interp(found.ampa_time, TIMES, row) for row in peaks])
    values = (up.traces - up.traces[:, TIMES <= 19].mean(axis=1)[:, None])[:, late].mean(axis=1)
    assert (found.ampa, found.nmda) == pytest.approx((at.mean(), values.mean()))
    parts = [np.std(each, ddof=1) / np.sqrt(20) / np.mean(each) for each in (at, values)]
    assert found.stderr == pytest.approx(found.ratio * np.hypot(*parts))
    both = Recording(TIMES, np.vstack([down.traces, up.traces]), "pA", command=np.repeat([-70.0, 40.0], 20))
    assert nmda_ampa_ratio(both, spike=20.0, after=40.0, baseline=(0, 19)).ratio == found.ratio
    early = nmda_ampa_ratio(down, up, spike=20.0, after=10.0, baseline=(0, 19))
    assert early.ampa_left == pytest.approx(np.interp(30.0, TIMES, DOWN) / DOWN.min(), abs=0.02)
    assert "measure later" in early.message
    assert np.isnan(nmda_ampa_ratio(Recording(TIMES, DOWN), Recording(TIMES, UP), spike=20.0).stderr)


def test_nmda_over_ampa_of_what_is_fitted():
    """Both kernels have a peak of 1 mS: the ratio is g, and errors go together as the fit's do."""
    kernel = synkin.expon + synkin.dual_expon
    fit = SimpleNamespace(
        kernel=kernel,
        params=kernel.Params(g_dual_expon=0.5),
        scale=-80.0,
        free={"scale": -80.0, "g_dual_expon": 0.5},
        stderr={"scale": 4.0, "g_dual_expon": 0.03},
        labels=("scale", "g_dual_expon"),
        correlations=np.array([[1.0, 0.6], [0.6, 1.0]]),
        unit="pA",
    )
    found = nmda_ampa_ratio(fit)
    assert (found.ratio, found.stderr) == pytest.approx((0.5, 0.03), rel=1e-4)
    assert (found.ampa, found.ampa_error) == pytest.approx((-80.0, 4.0), rel=1e-4)
    a, b = 0.5 * 4.0, 80.0 * 0.03
    assert found.nmda_error == pytest.approx(np.sqrt(a**2 + b**2 - 2 * 0.6 * a * b), rel=1e-3)
    assert np.isnan(found.ampa_time)


@pytest.mark.wide
def test_nmda_over_ampa_by_a_fit():
    """Of a sum; the error is the scatter of fits to other noise."""
    both = synkin.ampa + synkin.schemes.nmda5
    true = both.Params(ampa_beta=0.4, g_nmda5=1.5, nmda5_alpha=0.1)
    times = np.arange(0.0, 300.0, 0.5)
    clean = 80 * np.asarray(synkin.respond(both, true, [10.0], times))
    fine = np.arange(0.0, 300.0, 0.01)
    ampa = np.asarray(synkin.respond(synkin.ampa, synkin.ampa.Params(beta=0.4), [0.0], fine)).max()
    nmda5 = synkin.schemes.nmda5
    expected = 1.5 * np.asarray(synkin.respond(nmda5, nmda5.Params(alpha=0.1), [0.0], fine)).max() / ampa
    ratios, errors = [], []
    for seed in range(6):
        trace = clean + np.random.default_rng(seed).normal(0, 0.6, times.size)
        fit = synkin.fit(
            both, both.Params(), [10.0], times, trace, free=("ampa_beta", "g_nmda5", "nmda5_alpha"), scale=True,
            unit="pA", progress=False,
        )  # fmt: skip
        found = nmda_ampa_ratio(fit)
        ratios.append(found.ratio)
        errors.append(found.stderr)
    assert np.mean(ratios) == pytest.approx(expected, abs=3 * np.std(ratios) / np.sqrt(6))
    assert 0.5 < np.mean(errors) / np.std(ratios, ddof=1) < 2
    assert "of fitted peaks" in found.message


def test_rundown_is_a_regression():
    rng = np.random.default_rng(0)
    starts = 10_000.0 * np.arange(30) + 5e5
    values = -100 + 0.4 * np.arange(30) + rng.normal(0, 3, 30)
    values[4] = np.nan
    found = rundown(values, starts)
    kept = np.isfinite(values)
    line = stats.linregress((starts - starts[0])[kept] / 60_000, values[kept])
    got = found.slope, found.stderr, found.p_value, found.start
    assert got == pytest.approx((line.slope, line.stderr, line.pvalue, line.intercept))
    assert found.relative == pytest.approx(line.slope / line.intercept)
    assert "The size falls by" in found.message
    assert "No change is visible" in rundown(5.0 + np.tile([-1.0, 1.0], 10), np.arange(20.0)).message
    np.testing.assert_allclose(found.table()["line"], line.intercept + line.slope * found.minutes)
