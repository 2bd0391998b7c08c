"""The decay to a level, against curve_fit; the direction, the window, gaps and a baseline that drifts."""

import time
import warnings

import numpy as np
import pytest
from scipy.optimize import curve_fit

from synkin import Recording, measure
from tests.helpers.responses import RATE, noise, shape

TIMES = np.arange(0.0, 75.0, 1 / RATE)
CLEAN = -20 * shape(TIMES - 10)


def left_over(fraction):
    """What remains after a response, of its peak."""
    late = np.maximum(TIMES - 10, 0)
    return -20 * fraction * (1 - np.exp(-late / 0.5))


def exponential(t, size, tau, level=0.0):
    return size * np.exp(-t / tau) + level


def by_scipy(trace, found, *, level):
    """The time constant and R^2 of curve_fit, from 90 % of the peak on."""
    top = int(np.argmin(trace))
    first = top + int(np.flatnonzero(trace[top:] / trace[top] < 0.9)[0])
    t, y = TIMES[first:] - TIMES[first], trace[first:]
    start = [trace[first], 5.0, 0.0][: 2 + level]
    best = curve_fit(exponential, t, y, start)[0]
    return best[1], 1 - np.var(y - exponential(t, *best)) / np.var(y)


@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.1])
def test_both_time_constants_are_those_of_curve_fit(fraction):
    rng = np.random.default_rng(0)
    trace = CLEAN + left_over(fraction) + noise(rng, 1, TIMES.size, 1.0)[0]
    found = measure(TIMES, trace)
    flat, r2_flat = by_scipy(trace, found, level=False)
    level, r2_level = by_scipy(trace, found, level=True)
    assert found.tau_to_baseline == pytest.approx(flat, rel=1e-4)
    assert found.tau_to_level == pytest.approx(level, rel=1e-4)
    assert found.tau in (found.tau_to_baseline, found.tau_to_level)
    if fraction:
        assert found.tau == found.tau_to_level
        assert found.level == pytest.approx(-20 * fraction, abs=0.15)
        assert "The decay ends at a level of its own" in found.message
        assert found.decay_r2 == pytest.approx(r2_level, abs=1e-4)
    else:
        assert found.tau == found.tau_to_baseline
        assert "level" not in found.message
        # Around 0 in place of the residuals' own mean.
        assert found.decay_r2 == pytest.approx(r2_flat, abs=1e-3)


def test_noise_alone_seldom_makes_a_level():
    """In some 5 % of sweeps, as the test says, though neighbours are alike."""
    rows = CLEAN + noise(np.random.default_rng(2), 60, TIMES.size, 1.0)
    found = measure(TIMES, rows)
    assert (found.tau == found.tau_to_level).mean() < 0.2
    assert np.isfinite(found.tau_to_level).all()


def test_without_noise_a_level_is_exact():
    late = np.maximum(TIMES - 10, 0)
    for level in (-3.0, 0.5, 0.0):
        trace = np.where(TIMES < 10, 0.0, -20 * np.exp(-late / 5) + level)
        found = measure(TIMES, trace, sign=-1)
        assert found.tau == pytest.approx(5.0, rel=1e-7)
        assert found.decay_r2 == pytest.approx(1.0, abs=1e-9)
        if level:
            assert found.level == pytest.approx(level, rel=1e-6)
            assert abs(found.tau_to_baseline - 5) > 0.1


def test_a_level_in_fast_and_slow():
    """Two exponentials may end at a level, too; where they end at the baseline, there is none."""
    late = np.maximum(TIMES - 10, 0)
    two = -20 * np.where(TIMES < 10, 0.0, 0.7 * np.exp(-late / 1.5) + 0.3 * np.exp(-late / 10))
    for level in (0.0, -1.0):
        found = measure(TIMES, two + level * (TIMES >= 10))
        got = found.tau_fast, found.tau_slow, found.fraction_fast
        parts = np.array([14.0, 6.0]) / 20
        assert got == pytest.approx((1.5, 10.0, parts[0]), rel=1e-4)
    assert measure(TIMES, two).tau == measure(TIMES, two).tau_to_baseline


@pytest.mark.wide
@pytest.mark.parametrize(("fraction", "bias"), [(0.0, 0.03), (0.02, 0.05), (0.05, 0.04), (0.1, 0.04)])
def test_bias_of_tau(fraction, bias):
    """Over 100 seeds, with the baseline from 9 ms before: within a few per cent, where without a level it is not."""
    rng = np.random.default_rng(0)
    rows = CLEAN + left_over(fraction) + noise(rng, 100, TIMES.size, 1.0)
    found = measure(TIMES, rows, baseline=(0, 9))
    assert abs(found.tau.mean() / 5 - 1) < bias
    assert found.tau.std() / 5 < 0.08
    if fraction >= 0.05:
        assert found.tau_to_baseline.mean() / 5 > 1 + 4 * fraction


def test_rise_20_80():
    times = np.array([0.0, 1.0, 4.0, 16.0, 17.0])
    assert measure(times, np.interp(times, [1.0, 4.0, 16.0], [0.0, 6.0, 0.0])).rise_20_80 == pytest.approx(0.6 * 3)


def test_one_direction_for_all_sweeps():
    """That of the mean, which noise does not turn; sweeps that go the other way are named."""
    rng = np.random.default_rng(0)
    rows = 0.3 * CLEAN + noise(rng, 30, TIMES.size, 2.7)
    rows[3] = -rows[3]
    rows[7] = -3 * CLEAN
    found = measure(TIMES, rows, baseline=(0, 9))
    assert found.sign == -1
    assert (found.peak[np.arange(30) != 7] < 0).all()
    assert found.message.startswith("Peaks are down, as the mean of all sweeps goes. Sweep 7 goes the other way: give")
    up = measure(TIMES, rows, baseline=(0, 9), sign=1)
    np.testing.assert_array_equal(up.peak[3:4], (rows - rows[:, TIMES <= 9].mean(axis=1)[:, None]).max(axis=1)[3:4])
    assert up.message.startswith("Peaks are up, as given.")
    assert measure(TIMES, -rows, baseline=(0, 9)).sign == 1


def test_window_and_mean_around_the_peak():
    """The farthest sample within, and the mean of what lies around it."""
    rng = np.random.default_rng(1)
    trace = CLEAN + 0.6 * np.roll(CLEAN, round(30 * RATE)) + noise(rng, 1, TIMES.size, 0.5)[0]
    inside = (TIMES >= 35) & (TIMES <= 60)
    found = measure(TIMES, trace, window=(35, 60))
    at = np.flatnonzero(inside)[trace[inside].argmin()]
    assert (found.peak, found.peak_time) == (trace[at], TIMES[at])
    mean = measure(TIMES, trace, window=(35, 60), peak_mean=1.0)
    assert mean.peak == pytest.approx(trace[at - 10 : at + 11].mean())
    assert mean.peak_time == found.peak_time
    # After the stimulus, with one.
    after = measure(TIMES, trace, spikes=[39.0], window=(-4, 21))
    assert (after.peak, after.tau) == (found.peak, found.tau)
    # A mean is not the largest of 21 samples of noise: of 60 sweeps without a response it is nearer to 0.
    silence = noise(rng, 60, TIMES.size, 2.0)
    single, averaged = (measure(TIMES, silence, sign=-1, window=(10, 20), peak_mean=width) for width in (0.0, 2.0))
    assert np.abs(averaged.peak).mean() < 0.75 * np.abs(single.peak).mean()


def test_gaps_cost_nothing_else():
    """NaN after the window, in the baseline and in the decay; the rest is as if it were not."""
    rng = np.random.default_rng(0)
    trace = CLEAN + noise(rng, 1, TIMES.size, 0.3)[0]
    whole = measure(TIMES, trace, baseline=(0, 9), window=(10, 40))
    for a, b in ((55, 80), (2, 4), (20, 22)):
        gap = np.where((a <= TIMES) & (b >= TIMES), np.nan, trace)
        found = measure(TIMES, gap, baseline=(0, 9), window=(10, 40))
        for name in ("peak", "rise", "half_width", "tau", "noise"):
            assert getattr(found, name) == pytest.approx(getattr(whole, name), rel=0.05), (name, a)
    gone = np.where(TIMES < 42, np.nan, trace)
    none = measure(TIMES, [trace, gone], baseline=-1.0, window=(10, 40))
    assert np.isnan([none.peak[1], none.tau[1]]).all()
    assert none.peak[0] == pytest.approx(whole.peak, rel=0.1)


@pytest.mark.parametrize(
    "rows",
    [
        np.empty((0, TIMES.size)),
        np.full((2, TIMES.size), np.nan),
        np.zeros((3, TIMES.size)),
        np.full((2, TIMES.size), 3.0),
    ],
    ids=["no sweeps", "no samples", "zeros", "a level"],
)
@pytest.mark.parametrize("given", [{}, {"baseline": [(0, 9), (60, 74)]}, {"spikes": [10.0, 30.0], "window": (0, 9)}])
def test_nothing_to_measure_is_nan(rows, given):
    """Without a warning of NumPy, which would be an error here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Of 2 traces 2 begin off 0")
        found = measure(TIMES, rows, **given)
    assert found.tau.shape == (len(rows),)
    assert np.isnan([found.tau, found.rise, found.half_width]).all()


def test_a_baseline_that_drifts():
    """A line through two windows takes a drift off exactly; a level does not."""
    drift = 3.0 + 0.2 * TIMES
    for windows in ([(0, 9), (60, 74)], np.array([[0.0, 9.0], [60.0, 74.0]])):
        found = measure(TIMES, [CLEAN + drift, CLEAN - drift], baseline=windows)
        clean = measure(TIMES, CLEAN)
        for name, tolerance in (("peak", 1e-3), ("half_width", 1e-3), ("rise", 1e-3), ("tau", 0.01)):
            np.testing.assert_allclose(getattr(found, name), getattr(clean, name), rtol=tolerance)
        inside = np.logical_or.reduce([(a <= TIMES) & (b >= TIMES) for a, b in windows])
        line = np.polyfit(TIMES[inside], (CLEAN + drift)[inside], 1)
        assert found.baseline[0] == pytest.approx(np.polyval(line, TIMES[CLEAN.argmin()]))
        assert found.noise == pytest.approx(0.0, abs=1e-3)
    assert measure(TIMES, CLEAN + drift, baseline=(0, 9)).half_width < 0.9 * measure(TIMES, CLEAN).half_width


def test_table_is_columns_with_units():
    cell = Recording(TIMES, [CLEAN, 2 * CLEAN], "pA")
    found = measure(cell)
    table = found.table()
    assert list(table)[:4] == ["peak_pA", "peak_time_ms", "onset_ms", "time_to_peak_ms"]
    assert "charge_pA_ms" in table
    np.testing.assert_array_equal(table["tau_ms"], found.tau)
    assert {values.shape for values in table.values()} == {(2,)}
    assert measure(TIMES, CLEAN).table()["rise_ms"].shape == (1,)


@pytest.mark.parametrize("size", [(40, 12_000), pytest.param((30, 30_000), marks=pytest.mark.wide)])
def test_many_sweeps_are_measured_at_once(size):
    """Within seconds: it took 9 to 28 once. How long it takes, python -m benchmarks.measures says."""
    sweeps, samples = size
    times = np.arange(samples) / RATE
    rows = -20 * shape(times - 100) + noise(np.random.default_rng(0), sweeps, samples, 1.0)
    measure(times, rows[:1])  # imports
    start = time.perf_counter()
    found = measure(times, rows, baseline=(0, 99))
    assert time.perf_counter() - start < 6
    assert found.tau.mean() == pytest.approx(5.0, rel=0.05)
