"""Events that are found in a trace, against those that were put there."""

import numpy as np
import pytest

import synkin
from synkin import Recording, ampa, deconvolve, dual_expon, expon, read_recording, respond
from synkin.events.filters import WHITE, matched
from synkin.events.search import Rules, State
from synkin.events.template import sampled
from tests.helpers.minis import DECAY, PEAK, RISE, least_errors, minis, paired, score, through, waveform

PARAMS = dual_expon.Params(tau_rise=RISE, tau_decay=DECAY)
# Events alone, and two on the decay of others, none at a sample.
TIMES = np.array([100.013, 130.021, 300.302, 303.718, 800.207, 1500.049])
SIZES = np.array([1.0, 2.0, 1.5, 1.0, 0.5, 3.0])


def found_in(recording, params=PARAMS, **options):
    return deconvolve(dual_expon, params, recording.times, recording.trace, **options)


@pytest.mark.parametrize(("rate", "dtype"), [(5.0, "float32"), (5.0, "float64"), (20.0, "float64")])
def test_what_was_put_in_comes_out(rate, dtype, x64):
    """The trace is from closed forms; at 5 samples a ms the rise of 0.9 ms has four of them."""
    times = np.arange(0, 2000, 1 / rate)
    trace = PEAK * sum(size * waveform(times - event) for event, size in zip(TIMES, SIZES, strict=True))
    found = deconvolve(dual_expon, PARAMS, times, (trace - 65).astype(dtype))
    np.testing.assert_allclose(found.times, TIMES, atol=0.03)
    np.testing.assert_allclose(found.sizes, PEAK * SIZES, rtol=0.03)
    np.testing.assert_allclose(found.baseline, -65, atol=0.02 * abs(PEAK))
    np.testing.assert_allclose(found.curve, trace, atol=0.1 * abs(PEAK))
    again = respond(dual_expon, PARAMS, found.times, times, weights=found.weights)
    np.testing.assert_allclose(again, found.curve, atol=0.1 * abs(PEAK))


@pytest.mark.parametrize("name", ["ampa", "gabaa", "alpha", "expon"])
def test_other_kernels(name):
    """Each event's answer alone, summed; the amplitude of each is its weight."""
    kernel = synkin.KERNELS[name]
    params, times, alone = kernel.Params(), np.arange(0, 2000, 0.1), [0, 1, 4, 5]
    trace = sum(s * np.asarray(respond(kernel, params, [t], times), float) for s, t in zip(SIZES, TIMES, strict=True))
    found = deconvolve(kernel, params, times, trace)
    assert len(found.times) == 6 or (name, len(found.times)) == ("alpha", 5)  # of which two 3 ms apart are one
    places = np.abs(found.times[:, None] - TIMES[alone]).argmin(axis=0)
    # A jump between two samples is all the same wherever it is.
    np.testing.assert_allclose(found.times[places], TIMES[alone], atol=0.1 if name == "expon" else 0.03)
    np.testing.assert_allclose(found.weights[places], SIZES[alone], rtol=0.03)
    assert found.sizes.sum() == pytest.approx(found.weights.sum() * trace.max() / 3, rel=0.05)
    if name == "ampa":  # where answers do not overlap, the receptor's own answer to the spikes is the trace
        trace = respond(ampa, params, TIMES[alone], times)
        found = deconvolve(ampa, params, times, trace)
        np.testing.assert_allclose(found.times, TIMES[alone], atol=0.01)
        np.testing.assert_allclose(found.weights, 1.0, rtol=0.01)


def test_sign_scale_level_and_time():
    recording = minis(1, seconds=2, cutoff=2.0)
    plain = found_in(recording)
    assert (plain.sizes < 0).all()
    assert plain.threshold < 0
    for scale, level, start in ((-1.0, 0.0, 0.0), (1e-3, 5.0, 1e6), (-40.0, -70.0, -300.0)):
        found = deconvolve(dual_expon, PARAMS, recording.times + start, scale * recording.trace + level)
        np.testing.assert_allclose(found.times - start, plain.times, atol=1e-6)
        np.testing.assert_allclose(found.sizes, scale * plain.sizes, rtol=1e-6)
        assert found.noise == pytest.approx(abs(scale) * plain.noise, rel=1e-6)
    assert found_in(recording, sign=-1).times.size == plain.times.size
    assert found_in(recording, sign=1).times.size <= 1


# What is not as usual, and the least precision and recall at SNR 5. "All" is filtered, or the noise alone.
CASES = {
    "white, 10 kHz": ({"rate": 10.0}, 0.97),
    "white, 20 kHz": ({}, 0.98),
    "noise below 2 kHz": ({"cutoff": 2.0}, 0.96),
    "all below 2 kHz": ({"cutoff": 2.0, "whole": True}, 0.96),
    "all below 1 kHz, 10 kHz": ({"rate": 10.0, "cutoff": 1.0, "whole": True}, 0.94),
    "2 kHz, drift of 2 peaks": ({"cutoff": 2.0, "drift": 2.0}, 0.96),
    "2 kHz, sizes +-40 %": ({"cutoff": 2.0, "spread": 0.4}, 0.94),
    "2 kHz, rise, decay +-20 %": ({"cutoff": 2.0, "form": 0.2}, 0.95),
}


def check_score(name, snr, recordings, params=PARAMS, delay=0.0):
    """Errors are near those that nothing can go below."""
    given, least = CASES[name]
    found = [found_in(recording, params) for recording in recordings]
    scores = [score(each.times - delay, each.sizes, true) for each, true in zip(found, recordings, strict=True)]
    precision, recall, *errors = np.mean(scores, axis=0)
    assert min(precision, recall) >= least - 0.01 * (snr < 5)
    late, off = errors / np.array(least_errors(given.get("rate", 20.0), snr, given.get("cutoff")))
    assert 0.6 < late < 1.6
    assert off > 0.6
    assert off < 1.6 if "+-" not in name else errors[1] < 0.3


@pytest.mark.parametrize(("name", "snr"), [("white, 20 kHz", 5.0), ("white, 20 kHz", 3.0), ("noise below 2 kHz", 5.0)])
def test_precision_recall_and_errors(name, snr):
    check_score(name, snr, [minis(seed, seconds=5, snr=snr, **CASES[name][0]) for seed in range(4)])


@pytest.mark.wide
@pytest.mark.parametrize("name", CASES)
def test_precision_recall_and_errors_of_all(name):
    """Where all of the trace was filtered, the kernel is fitted to what is behind the filter, its onset the delay."""
    given = CASES[name][0]
    params, delay = PARAMS, 0.0
    if "whole" in given:
        times = np.arange(0, 80, 1 / given.get("rate", 20.0))
        behind = through(waveform(times - 5), given.get("rate", 20.0), given["cutoff"])
        options = {"free": ("tau_rise", "tau_decay"), "scale": True, "onset": True, "progress": False, "starts": 3}
        fit = synkin.fit(dual_expon, params, [5.0], times, behind, **options)
        params, delay = fit.params, fit.onset
    check_score(name, 5.0, [minis(seed, seconds=30, **given) for seed in range(2)], params, delay)


def test_size_errors_are_standard_errors():
    """Of 90 events alone: their errors over those that are reported have a standard deviation of 1."""
    errors = []
    for seed in range(3):
        recording = minis(seed, seconds=6, snr=4.0, cutoff=2.0, spread=0.3, events=np.arange(30.0, 5900.0, 190.037))
        found = found_in(recording)
        pairs = paired(found.times, recording.events, 1.5)
        errors += list((found.sizes[pairs[:, 0]] - recording.sizes[pairs[:, 1]]) / found.size_errors[pairs[:, 0]])
        assert found.noise == pytest.approx(abs(PEAK) / 4, rel=0.05)
    assert len(errors) > 85
    assert 0.8 < np.std(errors) < 1.25


@pytest.mark.parametrize("cutoff", [None, 1.0])
def test_noise_alone(cutoff):
    """Of 20 s in all, an event at most."""
    counts = [len(found_in(minis(seed, seconds=10, cutoff=cutoff, events=[])).times) for seed in range(2)]
    assert sum(counts) <= 1


def test_drift_and_hum():
    """A baseline that wanders by three peaks, and hum as high as a peak, both without an event less."""
    plain, drifting = (minis(2, seconds=8, cutoff=2.0, drift=drift) for drift in (0.0, 3.0))
    humming = plain._replace(trace=plain.trace + PEAK * np.sin(2 * np.pi * 0.05 * plain.times))
    clean, *found = (found_in(recording) for recording in (plain, drifting, humming))
    for each in found:
        got = score(each.times, each.sizes, plain)
        assert min(got.precision, got.recall) > 0.94
        assert got.size_error < 0.2
        assert abs(len(each.times) - len(clean.times)) <= 2
    rest = drifting.trace - plain.trace
    assert np.abs(found[0].baseline - rest)[4000:-4000].max() < 0.1 * abs(PEAK)


def test_overlaps():
    """At a peak of 5 SD of white noise, 2 ms apart are two, 0.2 ms apart one of both sizes."""
    starts = np.arange(100.0, 3900.0, 95.013)
    for gap, number in ((2.0, 2), (0.2, 1)):
        found = found_in(minis(0, seconds=4, events=np.sort(np.concatenate([starts, starts + gap]))))
        near = np.abs(found.times[:, None] - starts - gap / 2) < 3
        assert (near.sum(axis=0) == number).mean() > 0.95
        assert (found.sizes @ near / PEAK).mean() == pytest.approx(2.0, rel=0.03)


@pytest.mark.wide
def test_mismatch_threshold_and_smallest():
    """Large events of their own form are more seldom taken for several than with no tolerance."""
    recording = minis(0, seconds=3, snr=20.0, cutoff=2.0, form=0.4)
    strict, tolerant, more = (found_in(recording, mismatch=part) for part in (0.0, 0.1, 0.3))
    assert len(strict.times) > len(tolerant.times) > len(more.times) > 0.95 * len(recording.events)
    recording = minis(4, seconds=6, snr=6.0, spread=0.6, cutoff=2.0)
    found, strict, large = found_in(recording), found_in(recording, threshold=9.0), found_in(recording, smallest=20.0)
    assert strict.threshold == pytest.approx(2 * found.threshold, rel=0.15)  # the noise holds what is not found
    assert len(strict.times) < len(found.times)
    assert np.abs(strict.sizes).min() > 0.8 * abs(strict.threshold)
    np.testing.assert_array_equal(large.times, found.times[found.sizes <= -20])


def test_ends():
    """What began before the trace is no event, nor what has hardly begun; one that is cut off late has its size."""
    recording = minis(0, seconds=2, snr=30.0, events=[-5.0, 400.0, 1985.0, 1999.4])
    trace = recording.trace + PEAK * waveform(recording.times + 5.0)
    found = found_in(recording._replace(trace=trace))
    np.testing.assert_allclose(found.times, [400.0, 1985.0], atol=0.05)
    np.testing.assert_allclose(found.sizes, PEAK, rtol=0.05)


def test_sweeps_and_recordings():
    recordings = [minis(seed, seconds=2, cutoff=2.0) for seed in (1, 2)]
    times, alone = recordings[0].times, [found_in(recording) for recording in recordings]
    traces = np.array([recording.trace for recording in recordings])
    found = deconvolve(dual_expon, PARAMS, Recording(times, traces, "pA"))
    for one, other, own in zip(found, deconvolve(dual_expon, PARAMS, times, traces), alone, strict=True):
        np.testing.assert_array_equal(one.times, own.times)
        np.testing.assert_array_equal(other.times, own.times)
    assert isinstance(deconvolve(dual_expon, PARAMS, Recording(times, traces[0])), list)
    assert repr(found[0]).startswith(f"Events({len(found[0].times)} in 1,999.95 ms, ")
    assert "pA, noise 4" in repr(found[0])
    assert found[0].rate == pytest.approx(len(found[0].times) / 1.99995)
    flat = deconvolve(expon, expon.Params(), np.arange(50.0), np.full(50, 3.0))
    assert (flat.times.size, flat.noise, flat.threshold) == (0, 0.0, 0.0)
    np.testing.assert_allclose(flat.baseline, 3.0)
    assert repr(flat) == "Events(0 in 49 ms, threshold 0, noise 0)"
    assert deconvolve(expon, expon.Params(), [0, 1, 2], [0, 1, 0]).curve.shape == (3,)


@pytest.mark.parametrize("params", [synkin.gabaa.Params(T_dur=5.0), synkin.alpha.Params(), expon.Params(2.0)])
def test_sizes_of_many_events_are_least_squares(params):
    """No sizes at all make a square that is negative; of two events that are one, one is left."""
    kernel, count = next(kernel for kernel in synkin.KERNELS.values() if type(params) is kernel.Params), 20_000
    template = sampled(kernel, params, 0.1, count)
    phases, length = template.samples.shape
    trace = np.random.default_rng(0).normal(size=count + length)
    state = State(matched(trace, count, template, 0.5 * template.length / 0.1, WHITE), Rules(4.5, 0.1, 10))
    places = np.linspace(0, count * phases - 1, 700).astype(int)
    assert np.linalg.eigvalsh(state._between(*np.meshgrid(places, places)))[0] > 0
    once = places[::10]
    state.places = np.repeat(once, 2)
    assert np.isfinite(state._least_squares()).all()
    np.testing.assert_array_equal(state.places, once)


def test_square_openings_end_in_a_result():
    """No sum of answers, but every part of them looks like some."""
    rng = np.random.default_rng(1)
    edges = np.cumsum(np.column_stack([rng.exponential(100, 40), rng.exponential(10, 40)]).ravel())
    times = np.arange(10_000) * 0.2
    trace = 5.0 * (np.searchsorted(edges, times) % 2) + 0.1 * rng.normal(size=times.size)
    params = synkin.gabaa.Params(T_dur=5.0)
    found = deconvolve(synkin.gabaa, params, times, trace, drift=20.0, threshold=2.0, mismatch=0.0, exclude=())
    assert len(found.times) > 10
    assert np.isfinite(found.sizes).all()
    assert np.abs(found.curve + found.other_curve + found.baseline - trace).std() < 0.5 * trace.std()


def test_events_of_a_granule_cell(recordings):
    """One event in each of 21 sweeps, where it is, by the receptor that fits their mean; and in the sweeps in a row."""
    read = read_recording(recordings / "mepsc_granule_cell.csv", sweeps="1:")
    params = ampa.Params(alpha=2.41, beta=0.932, T_dur=0.242)  # as `fit` finds for the mean
    found = deconvolve(ampa, params, read)
    # The top of one is flat for 1 ms, as that of two: it may be either.
    assert all(len(events.times) == 1 for i, events in enumerate(found) if i != 7)
    assert 1 <= len(found[7].times) <= 2
    np.testing.assert_allclose([events.times[0] for events in found], 2.91, atol=0.3)
    peaks = synkin.measure(read, baseline=(0, 2)).peak
    sizes = np.array([events.sizes[0] for events in found])
    assert np.corrcoef(peaks, sizes)[0, 1] > 0.9
    assert 0.7 < np.median(sizes / peaks) < 1.1  # the farthest sample is farther, by the noise
    row = read.traces.ravel()
    together = deconvolve(ampa, params, 0.02 * np.arange(len(row)), row)
    starts = 17.0 * np.arange(21) + 2.91
    # The smallest, of 5 pA, is lost among steps from sweep to sweep.
    assert (np.abs(together.times[:, None] - starts).min(axis=0) < 0.4).sum() >= 20
    assert len(together.times) <= 27
