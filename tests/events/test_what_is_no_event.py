"""Gaps, artefacts, events of the other sign and templates of another shape: what is found, kept out, and said."""

import numpy as np
import pytest

import synkin
from synkin import Recording, deconvolve, dual_expon, find_artefacts, find_template
from tests.helpers.minis import DECAY, PEAK, RISE, minis, paired, score, waveform

PARAMS = dual_expon.Params(tau_rise=RISE, tau_decay=DECAY)
CLEAN = minis(3, seconds=8, snr=8.0, cutoff=2.0, spread=0.2)
TIMES = CLEAN.times


def found_in(trace, params=PARAMS, times=TIMES, **options):
    return deconvolve(dual_expon, params, times, trace, **options)


def check(found, least=0.95, true=CLEAN):
    got = score(found.times, found.sizes, true)
    assert min(got.precision, got.recall) >= least
    assert got.size_error < 0.2


def within(a, b):
    return (a <= TIMES) & (b > TIMES)


@pytest.mark.wide
def test_direction_is_that_of_most_over_all_sweeps():
    """Three large events the other way in one sweep, and a sweep with nothing else, flip no sign; they are said."""
    other = [500.3, 2000.2, 3500.1]
    upward = -5 * PEAK * sum(waveform(TIMES - at) for at in other)
    alone = minis(5, seconds=8, snr=8.0, cutoff=2.0, events=[]).trace - PEAK * waveform(TIMES - 1000.0)
    first, second = found_in(np.stack([CLEAN.trace + upward, alone]))
    check(first)
    assert (first.direction, second.direction) == (-1, -1)
    np.testing.assert_allclose(first.other_times, other, atol=0.1)
    np.testing.assert_allclose(first.other_sizes, -5 * PEAK, rtol=0.1)
    assert "go down. 3 events go the other way" in first.message
    assert "sign='both'" not in first.message
    assert len(second.times) == 0
    assert "No events" in second.message
    both = found_in(CLEAN.trace + upward, sign="both")
    assert both.direction == 0
    assert (both.sizes > 0).sum() == 3
    assert len(both.times) == len(first.times) + 3
    np.testing.assert_allclose(both.curve, first.curve + first.other_curve, atol=0.3 * abs(PEAK))
    many = found_in(CLEAN.trace + upward, sign=1)
    assert len(many.times) == 3
    assert "give sign='both'" in many.message


@pytest.mark.parametrize("size", [-100.0, 100.0])
@pytest.mark.parametrize("length", [1.0, 10.0, 100.0])
def test_a_pulse_is_left_out_and_said(length, size):
    """Of a membrane test with its transients the whole stretch."""
    trace = CLEAN.trace + size * within(2000, 2000 + length)
    if length > 50:
        late = TIMES - 2000.0
        trace = trace + 7 * size * (late >= 0) * np.exp(-np.maximum(late, 0) / 0.4)
        trace = trace - 7 * size * (late >= length) * np.exp(-np.maximum(late - length, 0) / 0.4)
    ((start, end),) = find_artefacts(TIMES, trace)
    assert 1998 <= start < 2000
    assert 2000 + length < end < 2004 + length
    found = found_in(trace)
    kept = CLEAN.events[(CLEAN.events < start) | (CLEAN.events > end)]
    check(found, 0.93, CLEAN._replace(events=kept, sizes=CLEAN.sizes[(CLEAN.events < start) | (CLEAN.events > end)]))
    assert "neither noise nor such events was left out: " in found.message
    assert found.excluded == ((start, end),)
    assert np.isnan(found.trace[within(start, end)]).all()
    assert not ((found.times > start) & (found.times < end)).any()


def test_no_artefact_without_one():
    """Neither in noise, nor among events of all sizes, slow and fast, in drift, in hum or without any noise."""
    traces = [minis(1, seconds=8, events=[]).trace, minis(2, seconds=8, snr=20.0, spread=0.6).trace]
    traces += [minis(2, seconds=8, drift=3.0).trace, CLEAN.trace + 20 * np.sin(2 * np.pi * 0.05 * TIMES)]
    traces += [PEAK * sum(waveform(TIMES - at, 5.0, 80.0) for at in (300.0, 900.0, 2100.0)) + 0.1 * traces[0]]
    traces += [sum(waveform(TIMES - at) for at in (300.0, 900.0, 903.0)), np.zeros(len(TIMES))]
    assert find_artefacts(TIMES, np.stack(traces)) == [[]] * len(traces)
    assert find_artefacts(Recording(TIMES, traces[0])) == [[]]


def test_a_gap_is_left_out():
    """NaN, or `exclude`, for all sweeps or one: no events there, as before beside it, and no less in all."""
    gap, whole = within(2000, 2500), found_in(CLEAN.trace)
    trace = np.where(gap, np.nan, CLEAN.trace)
    spoilt = np.where(gap, 1e4, CLEAN.trace)
    outside = (whole.times < 1995) | (whole.times > 2505)
    by_nan = found_in(trace)
    for found in (by_nan, found_in(spoilt, exclude=[(2000.0, 2499.99)])):
        near = (found.times < 1995) | (found.times > 2505)
        np.testing.assert_allclose(found.times[near], whole.times[outside], atol=0.05)
        np.testing.assert_allclose(found.sizes[near], whole.sizes[outside], atol=0.1 * abs(PEAK))
        assert not gap[np.searchsorted(TIMES, found.times)].any()
        assert found.duration == pytest.approx(whole.duration - 500.0, abs=0.1)
        assert found.excluded == ((2000.0, 2499.95),)
    first, second = found_in(np.stack([spoilt, CLEAN.trace]), exclude=[[(2000.0, 2499.99)], []])
    np.testing.assert_allclose(first.times, by_nan.times, atol=0.01)
    np.testing.assert_array_equal(second.times, whole.times)
    assert len(found_in(np.full(len(TIMES), np.nan)).times) == 0


@pytest.mark.parametrize("factor", [0.5, 1.4, 2.0])
def test_another_template_finds_the_same_events_and_says_so(factor):
    found = found_in(CLEAN.trace, dual_expon.Params(tau_rise=factor * RISE, tau_decay=factor * DECAY))
    right = len(paired(found.times, CLEAN.events, 1.5))  # one that is too slow seems to begin sooner
    assert right >= 0.95 * len(found.times)
    assert right >= 0.9 * len(CLEAN.events)
    assert "The template has another shape than the events" in found.message
    tau_rise, tau_decay = (float(found.message.split(f"{name}=")[1].split(",")[0].split(" ")[0]) for name in TAUS)
    assert tau_rise == pytest.approx(RISE, rel=0.3)
    assert tau_decay == pytest.approx(DECAY, rel=0.2)
    assert found_in(CLEAN.trace).message == f"{len(CLEAN.events)} events go down."


TAUS = ("tau_rise", "tau_decay")


@pytest.mark.parametrize(
    ("rise", "decay", "sign"), [pytest.param(RISE, DECAY, -1, marks=pytest.mark.wide), (0.3, 2.0, 1), (1.0, 30.0, -1)]
)
def test_find_template(rise, decay, sign):
    """From no idea to time constants within 12 %, of events either way; then all events are found."""
    rng = np.random.default_rng(0)
    at = np.sort(rng.uniform(50, 7800, 25))
    times = np.arange(0, 8000, 0.1)
    trace = sign * sum(
        20 * s * waveform(times - t, rise, decay) for t, s in zip(at, rng.uniform(0.7, 1.5, 25), strict=True)
    )
    trace += rng.normal(0, 2.0, len(times)) + 5 * np.sin(times / 1000)
    template = find_template(times, trace)
    assert template.direction == sign
    assert float(template.params.tau_decay) == pytest.approx(decay, rel=0.12)
    assert float(template.params.tau_rise) == pytest.approx(rise, rel=0.25)
    assert template.r_squared > 0.95
    assert f"dual_expon follows the average of {template.number} lone events" in template.message
    found = deconvolve(template.kernel, template.params, times, trace)
    assert abs(len(found.times) - 25) <= 2


@pytest.mark.wide
def test_find_template_of_another_kernel():
    template = find_template(CLEAN.times, CLEAN.trace, kernel=synkin.ampa, free=("alpha", "beta"))
    assert template.kernel is synkin.ampa
    assert float(template.params.beta) == pytest.approx(1 / DECAY, rel=0.15)
    assert template.r_squared > 0.95
    with pytest.raises(ValueError, match="at least 3 events that do not overlap with others, but"):
        find_template(TIMES, minis(1, seconds=8, events=[]).trace)


def test_table():
    """Of events alone: what their shape is, and what is right for each size."""
    at = np.arange(50.0, 4900.0, 130.7)
    recording = minis(0, seconds=5, snr=25.0, cutoff=2.0, spread=0.4, events=at)
    found = found_in(recording.trace, times=recording.times)
    table = found.table()
    shape = waveform(np.arange(0, 60, 0.001))
    above = np.flatnonzero(shape >= 0.5)
    np.testing.assert_array_equal(table.time, found.times)
    assert np.median(table.rise) == pytest.approx(0.86, rel=0.15)
    assert np.median(table.half_width) == pytest.approx(0.001 * (above[-1] - above[0]), rel=0.06)
    assert np.median(table.decay) == pytest.approx(DECAY, rel=0.15)
    np.testing.assert_allclose(np.median(table.area / table.size), shape.sum() * 0.001, rtol=0.08)
    np.testing.assert_allclose(table.interval[1:], 130.7, atol=0.2)
    assert np.isnan(table.interval[0])
    assert not table.overlaps.any()
    assert np.median(table.residual) == pytest.approx(1.0, abs=0.1)
    pair = found_in(PEAK * (waveform(TIMES - 500) + waveform(TIMES - 504)))
    assert pair.table().overlaps.all()


def test_times_that_contradict_each_other_are_nan():
    """An event of 3 times the noise: rise and half width are both known, and in order, or neither is."""
    recording = minis(0, seconds=5, snr=3.0, cutoff=2.0, events=np.arange(50.0, 4900.0, 60.7))
    table = found_in(recording.trace, times=recording.times).table()
    known = np.isfinite(table.half_width)
    assert 0.5 < known.mean() < 1
    assert (table.half_width[known] >= np.nan_to_num(table.rise[known])).all()
    assert np.isnan(table.rise[~known]).any()
    assert np.isfinite(table.decay[~known]).any()


def test_select_keep_average_and_histograms():
    recording = minis(0, seconds=8, snr=10.0, cutoff=2.0, spread=0.5)
    found = found_in(recording.trace)
    large = found.select(size=(None, -25.0), residual=(0.0, 3.0))
    assert 0 < len(large.times) < len(found.times)
    assert (large.sizes <= -25).all()
    np.testing.assert_allclose(large.curve + large.other_curve, found.curve + found.other_curve)
    again = synkin.respond(dual_expon, PARAMS, large.times, TIMES, weights=large.weights)
    np.testing.assert_allclose(again, large.curve, atol=0.05 * np.abs(large.sizes).max())
    np.testing.assert_array_equal(found.keep([0, 2]).times, found.times[[0, 2]])
    np.testing.assert_array_equal(found.keep(found.sizes < -20).sizes, found.sizes[found.sizes < -20])
    average = found.average()
    assert average.number > 5
    peak = np.abs(average.mean).argmax()
    assert average.times[peak] == pytest.approx(1.3, abs=0.5)
    np.testing.assert_allclose(average.mean, average.template, atol=0.1 * np.abs(average.mean).max())
    assert found.average(lone=False).number == len(found.times)
    counts, edges = found.size_histogram(5)
    assert (counts.sum(), len(edges)) == (len(found.times), 6)
    assert found.interval_histogram()[0].sum() == len(found.times) - 1
    cut = found_in(recording.trace, exclude=[(2000.0, 2100.0)])
    assert len(cut.intervals()) == len(cut.times) - 2
    with pytest.raises(ValueError, match="must be a column of the table"):
        found.select(amplitude=(1, 2))


@pytest.mark.wide
def test_a_cortical_cell(recordings):
    """Template and rate as a standard analysis has them; what goes the other way is kept out."""
    data = np.load(recordings / "minis_cortex.npz")
    template = find_template(data["times_ms"], data["current_pA"])
    assert float(template.params.tau_decay) == pytest.approx(2.58, rel=0.1)
    assert float(template.params.tau_rise) == pytest.approx(0.24, rel=0.2)
    found = deconvolve(template.kernel, template.params, data["times_ms"], data["current_pA"])
    assert 95 <= len(found.times) <= 125
    assert found.direction == -1
    assert len(found.other_times) == 3


def test_a_membrane_test(recordings):
    data = np.load(recordings / "minis_with_membrane_test.npz")
    ((start, end),) = find_artefacts(data["times_ms"], data["current_pA"])
    assert 154 < start < 157
    assert 357 < end < 400
    template = find_template(data["times_ms"], data["current_pA"])
    found = deconvolve(template.kernel, template.params, data["times_ms"], data["current_pA"], exclude=[(150, 700)])
    seen = [9, 1079, 1152, 1865, 1886, 1984, 2140, 2364, 2383]  # by eye, besides a small one at 1414
    assert (np.abs(found.times[:, None] - seen).min(axis=0) < 4).all()
    assert len(found.times) <= 12


def test_a_long_search_says_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setattr("synkin.events.progress._QUIET", 0.0)
    monkeypatch.setattr("synkin.events.progress._ELSEWHERE", 0.0)
    part = slice(0, 40_000)
    found_in(CLEAN.trace[part], times=TIMES[part])
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("events: [")
    assert said[-1].endswith(" so far")
    shares = [int(line.split("%")[0].split("]")[1]) for line in said]
    assert shares == sorted(shares)
    assert max(shares) <= 100
    found_in(CLEAN.trace[part], times=TIMES[part], progress=False)
    assert capsys.readouterr().err == ""
