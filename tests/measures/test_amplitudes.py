"""Several stimuli: amplitudes, ratios, variation and failures, against what was put in and against plain NumPy."""

import numpy as np
import pytest

from synkin import Recording, measure
from tests.helpers.responses import RATE, noise, paired_pulses, shape

TIMES = np.arange(0.0, 150.0, 1 / RATE)
PAIR = [50.0, 70.0]
USUAL = {"baseline": (20, 49), "spikes": PAIR, "window": (0, 15)}


def pairs(sizes, decay=12.0):
    """The sum of responses 20 ms apart, (R, M)."""
    return sum(sizes[:, [k]] * shape(TIMES - PAIR[k], decay) for k in range(sizes.shape[1]))


def drawn(rng, count, mean=-20.0, ratio=0.7, cv=0.4):
    """Amplitudes that vary independently, (R, 2)."""
    spread = np.sqrt(np.log(1 + cv**2))
    return mean * np.array([1.0, ratio]) * np.exp(spread * rng.normal(size=(count, 2)) - spread**2 / 2)


def test_what_is_left_of_the_first_response_is_taken_off():
    """Without noise the second amplitude is exact, of a decay with one time constant or two; the plain one is not."""
    sizes = np.array([[-20.0, -14.0], [-30.0, -5.0], [0.0, -10.0]])
    slow = sizes[:, :1] * 0.3 * shape(TIMES - 50, 40.0) + sizes[:, 1:] * 0.3 * shape(TIMES - 70, 40.0)
    for rows, tolerance in ((pairs(sizes), 0.01), (0.7 * pairs(sizes, 4.0) + slow, 0.04)):
        alone = [measure(TIMES, size * (rows[2] / sizes[2, 1])).peak for size in sizes[:, 1]]
        found = measure(TIMES, rows, **USUAL).amplitudes
        np.testing.assert_allclose(found.values[:, 1], alone, rtol=tolerance, atol=0.1)
        left = rows[:, np.searchsorted(TIMES, found.peak_times[1])] - found.values[:, 1]
        np.testing.assert_allclose(found.tails[:, 1], left, atol=0.05)
        assert abs(found.tails[0, 1]) > 2
        assert found.values[2, 0] == pytest.approx(0.0, abs=1e-9)


def test_the_ratio_is_that_of_means_with_its_error():
    rng = np.random.default_rng(0)
    sizes = drawn(rng, 100)
    found = measure(TIMES, pairs(sizes), **USUAL).amplitudes
    first, second = found.values.T
    assert found.paired_pulse_ratio == pytest.approx(second.mean() / first.mean())
    assert found.paired_pulse_ratio == pytest.approx(sizes[:, 1].mean() / sizes[:, 0].mean(), rel=0.01)
    # Its error, by drawing sweeps.
    picks = rng.integers(0, 100, (2000, 100))
    again = second[picks].mean(axis=1) / first[picks].mean(axis=1)
    assert found.paired_pulse_error == pytest.approx(again.std(), rel=0.1)
    np.testing.assert_allclose(found.stderr, found.values.std(axis=0, ddof=1) / np.sqrt(100))
    # The mean of the sweeps' own ratios is too large.
    assert (second / first).mean() > 1.1 * found.paired_pulse_ratio
    assert found.message.startswith(f"The paired-pulse ratio is {found.paired_pulse_ratio:.3g}")
    assert (found.ratios[0], found.ratio_errors[0]) == (1.0, 0.0)


def test_variation_is_that_of_the_responses_alone():
    """The noise's variance is taken off; errors are those of leaving out each sweep."""
    rng = np.random.default_rng(3)
    sizes = drawn(rng, 150, cv=0.3)
    rows = pairs(sizes) + noise(rng, 150, TIMES.size, 4.0)
    found = measure(TIMES, rows, **USUAL).amplitudes
    own = sizes[:, 0].std(ddof=1) / -sizes[:, 0].mean()
    assert found.cv[0] == pytest.approx(own, rel=0.1)
    assert found.values[:, 0].std() / 20 > 1.1 * own
    assert found.inverse_cv2[0] == pytest.approx(1 / found.cv[0] ** 2)
    off = found.noise**2
    each = [np.delete(found.values[:, 0], i) for i in range(150)]
    parts = np.array([one.mean() ** 2 / (one.var(ddof=1) - off) for one in each])
    assert found.inverse_cv2_errors[0] == pytest.approx(np.sqrt(149 / 150 * ((parts - parts.mean()) ** 2).sum()))
    assert found.noise == pytest.approx(4.0, rel=0.05)
    same = measure(TIMES, pairs(np.tile([-20.0, -14.0], (20, 1))) + noise(rng, 20, TIMES.size, 0.3), **USUAL).amplitudes
    assert not same.cv[0] > 0.01


@pytest.mark.parametrize(("start", "baseline"), [(0, (44, 49)), (0, (0, 49)), (44, (44, 49.9))])
def test_the_noise_of_an_amplitude_counts_its_baseline(start, baseline):
    """That of a mean over 1 ms, less a baseline of so few samples that it adds to it; in its own window, too."""
    rows = noise(np.random.default_rng(4), 150, TIMES.size, 2.0)
    kept = start <= TIMES
    usual = {"spikes": [50.0], "window": (0, 15), "peak_mean": 1.0, "sign": 1}
    found = measure(TIMES[kept], rows[:, kept], baseline=baseline, **usual).amplitudes
    part = rows[:, (TIMES >= 99.49) & (TIMES <= 100.51)].mean(axis=1)
    level = rows[:, (baseline[0] <= TIMES) & (baseline[1] >= TIMES)].mean(axis=1)
    assert found.noise == pytest.approx((part - level).std(), rel=0.13)
    assert found.false_responses == pytest.approx(0.16, abs=0.03)  # above 1 standard deviation


def test_failures_are_counted_without_the_noise_s_own():
    """40 % of the sweeps; of them the mean amplitude is 0, and of the others what it is."""
    rng = np.random.default_rng(5)
    responds = np.arange(100) % 5 >= 2
    sizes = -12 * responds * (1 + 0.3 * rng.normal(size=100))
    rows = sizes[:, None] * shape(TIMES - 50) + noise(rng, 100, TIMES.size, 2.7)
    usual = {"baseline": (20, 49), "spikes": [50.0], "window": (0, 10)}
    found = measure(TIMES, rows, **usual).amplitudes
    assert found.failures[0] == pytest.approx(0.4, abs=0.09)
    assert found.failures[0] == pytest.approx(found.below[0] / (1 - found.false_responses))
    assert found.failure_errors[0] == pytest.approx(np.sqrt(0.35 * 0.65 / 100) / 0.84, rel=0.1)
    values = found.values[:, 0]
    assert abs(values[~responds].mean()) < 3 * 2.7 / np.sqrt(40)
    assert values[responds].mean() == pytest.approx(sizes[responds].mean(), abs=3 * 2.7 / np.sqrt(60))
    assert found.below[0] == (values > found.threshold).mean()
    assert found.threshold == -found.noise
    assert "below 1 times the noise (responses overlap with noise)" in found.message
    high = measure(TIMES, rows, **usual, failures_below=2.0).amplitudes
    assert (high.threshold, high.failures[0]) == (-2 * found.noise, pytest.approx(0.43, abs=0.09))
    silent = measure(TIMES, noise(rng, 40, TIMES.size, 2.7), **usual, sign=-1).amplitudes
    assert silent.failures[0] > 0.8


def test_failures_that_are_apart_from_responses_are_counted():
    """Of responses of 28 and 40 times the noise; a number decides otherwise."""
    times, rows, sizes = paired_pulses(1, artefact=0.0, sweeps=40)
    usual = {"baseline": (0, 19), "spikes": [20.0, 70.0], "window": (0, 20), "peak_mean": 0.5}
    found = measure(times, rows, **usual).amplitudes
    np.testing.assert_allclose(found.failures, (sizes == 0).mean(axis=0), atol=1e-9)
    assert 0 < found.failures[0] < 0.4
    assert found.threshold == pytest.approx(-4 * found.noise)
    assert "below 4 times the noise (responses are apart from noise)" in found.message
    low = measure(times, rows, **usual, failures_below=1.0).amplitudes
    assert low.threshold == -low.noise
    assert low.message.endswith("below 1 times the noise.")
    some = rows.copy()
    some[:3] += -4 * found.noise * shape(times - 21.5) - rows[:3] * (sizes[:3, :1] != 0)  # three small ones
    assert "overlap" in measure(times, some, **usual).amplitudes.message


@pytest.mark.wide
def test_bias_and_errors_over_seeds():
    """Ratio 0.7, failures 40 %: right on average, and the errors are those of the scatter."""
    ratios, failures, of_ratios, of_failures = [], [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows = pairs(drawn(rng, 30)) + noise(rng, 30, TIMES.size, 1.0)
        found = measure(TIMES, rows, **USUAL).amplitudes
        ratios.append(found.paired_pulse_ratio)
        of_ratios.append(found.paired_pulse_error)
        sizes = -12 * (rng.random(60) >= 0.4) * (1 + 0.3 * rng.normal(size=60))
        rows = sizes[:, None] * shape(TIMES - 50) + noise(rng, 60, TIMES.size, 2.7)
        found = measure(TIMES, rows, baseline=(20, 49), spikes=[50.0], window=(0, 10)).amplitudes
        failures.append(found.failures[0])
        of_failures.append(found.failure_errors[0])
    for values, errors, true in ((ratios, of_ratios, 0.7), (failures, of_failures, 0.41)):
        assert abs(np.mean(values) - true) < 3 * np.std(values) / np.sqrt(60)
        assert 0.75 < np.mean(errors) / np.std(values) < 1.3


def test_shape_is_that_of_the_first_response():
    rows = pairs(np.array([[-20.0, -14.0], [-10.0, -7.0]]), 4.0)
    found = measure(TIMES, rows, **USUAL)
    cut = measure(TIMES[TIMES < 70], rows[:, TIMES < 70], baseline=(20, 49))
    for name in ("peak", "tau", "rise", "half_width", "charge"):
        np.testing.assert_allclose(getattr(found, name), getattr(cut, name), rtol=1e-9)


def test_trains_gaps_and_sweeps_without_samples():
    """Five stimuli; a gap in a decay; a sweep that is not there is left out and said."""
    spikes = 20.0 + 20.0 * np.arange(5)
    sizes = -20.0 * 0.8 ** np.arange(5)
    rng = np.random.default_rng(6)
    rows = sum(size * shape(TIMES - at, 9.0) for size, at in zip(sizes, spikes, strict=True)) + np.zeros((6, 1))
    rows = rows + noise(rng, 6, TIMES.size, 0.1)
    rows[1, (TIMES > 30) & (TIMES < 33)] = np.nan
    rows[2] = np.nan
    cell = Recording(TIMES, rows, "pA", start_times=1000.0 * np.arange(6))
    found = measure(cell, baseline=(0, 19), spikes=spikes, window=(0, 15)).amplitudes
    np.testing.assert_allclose(found.mean, sizes, rtol=0.02)
    assert found.message.startswith("1 of 6 sweeps have no samples at a peak and are left out.")
    assert np.isnan(found.values[2]).all()
    np.testing.assert_array_equal(found.start_times, cell.start_times)
    assert list(found.table())[:3] == ["stimulus_ms", "peak_time_ms", "amplitude_pA"]
    assert repr(found).startswith("Amplitudes of 5 stimuli in 6 sweeps: ")


def test_a_single_sweep_has_no_errors():
    found = measure(TIMES, pairs(np.array([[-20.0, -14.0]]))[0], spikes=PAIR, window=(0, 15)).amplitudes
    assert found.values.shape == (1, 2)
    assert np.isnan([found.paired_pulse_error, found.cv[0], found.failures[0]]).all()
    assert found.paired_pulse_ratio == pytest.approx(0.7, rel=0.01)
    early = measure(TIMES, pairs(np.array([[-20.0, -14.0]]))[0], spikes=[0.0, *PAIR]).amplitudes
    assert "too few samples for the noise" in early.message
    assert np.isnan(measure(TIMES, pairs(np.array([[-20.0]]))[0], spikes=[50.0]).amplitudes.paired_pulse_ratio)


def test_a_tail_that_is_not_known_is_said():
    """A sweep whose decay is left out has no second amplitude; no decay before the next stimulus is said."""
    rows = pairs(np.tile([-20.0, -14.0], (6, 1)))
    between = (TIMES > 53.0) & (TIMES < 69.9)
    rows[2, between] = np.nan
    found = measure(TIMES, rows, **USUAL).amplitudes
    assert np.isnan(found.values[2, 1])
    assert np.isfinite(np.delete(found.values, 2, axis=0)).all()
    assert "1 of 6 sweeps have no samples at a peak and are left out" in found.message
    assert "is not taken off" not in found.message
    near = dict(USUAL, spikes=[50.0, 51.0])
    assert (
        "The response to stimulus 1 does not decay before the next" in measure(TIMES, rows, **near).amplitudes.message
    )
