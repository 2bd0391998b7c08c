"""Events that are found in a trace, against those that were put there. `deconvolution_table.py` has all figures."""

import numpy as np
import pytest

import synkin
from synkin import Recording, ampa, deconvolve, dual_expon, expon, read_recording, respond
from synkin.events.filters import WHITE, matched
from synkin.events.search import Rules, State
from synkin.events.template import sampled
from tests.helpers.minis import DECAY, PEAK, RISE, crossings, least_errors, minis, paired, score, waveform

PARAMS = dual_expon.Params(tau_rise=RISE, tau_decay=DECAY)
# Events alone, and two on the decay of others, none at a sample.
TIMES = np.array([100.013, 130.021, 300.302, 303.718, 800.207, 1500.049])
SIZES = np.array([1.0, 2.0, 1.5, 1.0, 0.5, 3.0])


def found_in(recording, **options):
    return deconvolve(dual_expon, PARAMS, recording.times, recording.trace, **options)


# Without noise


@pytest.mark.parametrize("rate", [5.0, 20.0])
def test_what_was_put_in_comes_out(rate, dtype):
    """The trace is from closed forms; at 5 samples a ms the rise of 0.9 ms has four of them."""
    times = np.arange(0, 2000, 1 / rate)
    trace = sum(size * waveform(times - event) for event, size in zip(TIMES, SIZES, strict=True))
    found = deconvolve(dual_expon, PARAMS, times, (PEAK * trace - 65).astype(dtype))
    assert len(found.times) == len(TIMES)
    np.testing.assert_allclose(found.times, TIMES, atol=0.03)
    np.testing.assert_allclose(found.sizes, PEAK * SIZES, rtol=0.03)
    np.testing.assert_allclose(found.baseline, -65, atol=0.02 * abs(PEAK))
    np.testing.assert_allclose(found.curve, PEAK * trace, atol=0.1 * abs(PEAK))
    again = respond(dual_expon, PARAMS, found.times, times, weights=found.weights)
    np.testing.assert_allclose(again, found.curve, atol=0.1 * abs(PEAK))


@pytest.mark.parametrize("name", ["ampa", "gabaa", "alpha", "expon"])
def test_other_kernels(name):
    """Each event's answer alone, summed; the amplitude of each is its weight."""
    kernel = synkin.KERNELS[name]
    times, alone = np.arange(0, 2000, 0.1), [0, 1, 4, 5]
    trace = sum(
        SIZES[i] * np.asarray(respond(kernel, kernel.Params(), TIMES[[i]], times), np.float64) for i in range(6)
    )
    found = deconvolve(kernel, kernel.Params(), times, trace)
    assert len(found.times) in (5, 6)  # two answers of alpha, 3 ms apart, are one
    assert (len(found.times) == 6) or name == "alpha"
    places = np.abs(found.times[:, None] - TIMES[alone]).argmin(axis=0)
    # A jump between two samples is all the same wherever it is.
    np.testing.assert_allclose(found.times[places], TIMES[alone], atol=0.1 if name == "expon" else 0.03)
    np.testing.assert_allclose(found.weights[places], SIZES[alone], rtol=0.03)
    assert found.sizes.sum() == pytest.approx(found.weights.sum() * trace.max() / 3, rel=0.05)


def test_spikes_of_a_receptor():
    """Where answers do not overlap, the receptor's own answer to the spikes that were found is the trace."""
    times, params = np.arange(0, 400, 0.05), ampa.Params()
    trace = respond(ampa, params, [50.02, 130.31, 290.17], times)
    found = deconvolve(ampa, params, times, trace)
    np.testing.assert_allclose(found.times, [50.02, 130.31, 290.17], atol=0.01)
    np.testing.assert_allclose(found.weights, 1.0, rtol=0.01)
    np.testing.assert_allclose(respond(ampa, params, found.times, times), trace, atol=0.02 * trace.max())


def test_sign_scale_level_and_time():
    recording = minis(1, seconds=4, cutoff=2.0)
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


# Noise


@pytest.mark.parametrize(("snr", "cutoff", "least"), [(5.0, None, 0.98), (3.0, None, 0.97), (5.0, 2.0, 0.96)])
def test_precision_recall_and_errors(snr, cutoff, least):
    """Of 5 s in four seeds; errors near those that nothing can go below, and all better than a threshold."""
    rows, plain = [], []
    for seed in range(4):
        recording = minis(seed, seconds=5, snr=snr, cutoff=cutoff)
        found = found_in(recording)
        rows.append(score(found.times, found.sizes, recording))
        plain.append(score(*crossings(recording), recording))
    mean, low = np.mean(rows, axis=0), np.mean(plain, axis=0)
    assert mean[:2].min() >= least
    assert mean[:2].min() > low[:2].max() - 0.01
    late, off = least_errors(20.0, snr, cutoff)
    assert 0.6 * late < mean[2] < 1.6 * late
    assert 0.6 * off < mean[3] < 1.6 * off
    assert mean[3] < low[3]


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
    """Of 40 s in all, an event or two at most."""
    counts = [len(found_in(minis(seed, seconds=10, cutoff=cutoff, events=[])).times) for seed in range(4)]
    assert sum(counts) <= 2


def test_drift_and_hum():
    """A baseline that wanders by three peaks, and hum as high as a peak, both without an event less."""
    plain, drifting = (minis(2, seconds=8, cutoff=2.0, drift=drift) for drift in (0.0, 3.0))
    humming = plain._replace(trace=plain.trace + PEAK * np.sin(2 * np.pi * 0.05 * plain.times))
    clean = found_in(plain)
    for recording in (drifting, humming):
        found = found_in(recording)
        got = score(found.times, found.sizes, recording)
        assert min(got.precision, got.recall) > 0.94
        assert got.size_error < 0.2
        assert abs(len(found.times) - len(clean.times)) <= 2
    rest = drifting.trace - plain.trace
    inside = slice(4000, -4000)
    assert np.abs(found_in(drifting).baseline - rest)[inside].max() < 0.1 * abs(PEAK)


def test_overlaps():
    """At a peak of 5 SD of white noise, 2 ms apart are two, 0.2 ms apart one of both sizes."""
    starts = np.arange(100.0, 3900.0, 95.013)
    for gap, number in ((2.0, 2), (0.2, 1)):
        recording = minis(0, seconds=4, events=np.sort(np.concatenate([starts, starts + gap])))
        found = found_in(recording)
        near = np.abs(found.times[:, None] - starts - gap / 2) < 3
        assert (near.sum(axis=0) == number).mean() > 0.95
        assert (found.sizes @ near / PEAK).mean() == pytest.approx(2.0, rel=0.03)


def test_answers_of_other_form():
    """Large events that rise and decay as they like are more seldom taken for several than with no tolerance."""
    recording = minis(0, seconds=8, snr=20.0, cutoff=2.0, form=0.4)
    strict, tolerant, more = (found_in(recording, mismatch=part) for part in (0.0, 0.1, 0.3))
    assert len(strict.times) > len(tolerant.times) > len(more.times) > 0.95 * len(recording.events)


def test_threshold_and_smallest():
    recording = minis(4, seconds=6, snr=6.0, spread=0.6, cutoff=2.0)
    found, strict, large = found_in(recording), found_in(recording, threshold=9.0), found_in(recording, smallest=20.0)
    assert strict.threshold == pytest.approx(2 * found.threshold, rel=0.15)  # the noise holds what is not found
    assert len(strict.times) < len(found.times)
    assert np.abs(strict.sizes).min() > 0.8 * abs(strict.threshold)
    np.testing.assert_array_equal(large.times, found.times[found.sizes <= -20])


def test_ends():
    """What began before the trace is no event, nor what has hardly begun; one that is cut off late has its size."""
    recording = minis(0, seconds=2, snr=30.0, events=[-5.0, 400.0, 1985.0, 1999.4])
    assert recording.events[0] < 0
    trace = recording.trace + PEAK * waveform(recording.times + 5.0)
    found = deconvolve(dual_expon, PARAMS, recording.times, trace)
    np.testing.assert_allclose(found.times, [400.0, 1985.0], atol=0.05)
    np.testing.assert_allclose(found.sizes, PEAK, rtol=0.05)


# What comes back


def test_sweeps_and_recordings():
    first, second = (minis(seed, seconds=2, cutoff=2.0) for seed in (1, 2))
    traces = np.array([first.trace, second.trace])
    for found in (
        deconvolve(dual_expon, PARAMS, first.times, traces),
        deconvolve(dual_expon, PARAMS, Recording(first.times, traces, "pA")),
    ):
        for one, recording in zip(found, (first, second), strict=True):
            np.testing.assert_array_equal(one.times, found_in(recording).times)
    assert isinstance(deconvolve(dual_expon, PARAMS, Recording(first.times, first.trace)), list)
    text = repr(found[0])
    assert text.startswith(f"Events({len(found[0].times)} in 1,999.95 ms, ")
    assert "pA, noise 4" in text
    assert found[0].rate == pytest.approx(len(found[0].times) / 1.99995)


@pytest.mark.parametrize(("name", "options"), [("gabaa", {"T_dur": 5.0}), ("alpha", {}), ("expon", {"tau": 2.0})])
def test_sizes_of_many_events_are_least_squares(name, options):
    """How alike events are is a table of products: no sizes at all make a square that is negative."""
    kernel, count = synkin.KERNELS[name], 20_000
    template = sampled(kernel, kernel.Params(**options), 0.1, count)
    phases, length = template.samples.shape
    trace = np.random.default_rng(0).normal(size=count + length)
    state = State(matched(trace, count, template, 0.5 * template.length / 0.1, WHITE), Rules(4.5, 0.1, 10))
    state.places = np.linspace(0, count * phases - 1, 700).astype(int)
    table = state._between(*(places.ravel() for places in np.meshgrid(state.places, state.places))).reshape(700, 700)
    assert np.linalg.eigvalsh(table)[0] > 0
    # Each twice: of two that are one, one is left.
    once = state.places[::2]
    state.places = np.repeat(once, 2)
    sizes = state._least_squares()
    np.testing.assert_array_equal(state.places, once)
    assert np.isfinite(sizes).all()


def test_square_openings_end_in_a_result():
    """No sum of answers, but every part of them looks like some."""
    rng = np.random.default_rng(1)
    edges = np.cumsum(np.column_stack([rng.exponential(100, 40), rng.exponential(10, 40)]).ravel())
    times = np.arange(10_000) * 0.2
    trace = 5.0 * (np.searchsorted(edges, times) % 2) + 0.1 * rng.normal(size=times.size)
    params = synkin.gabaa.Params(T_dur=5.0)
    found = deconvolve(synkin.gabaa, params, times, trace, drift=20.0, threshold=2.0, mismatch=0.0)
    assert len(found.times) > 10
    assert np.isfinite(found.sizes).all()
    assert np.abs(found.curve + found.baseline - trace).std() < 0.5 * trace.std()


def test_a_flat_trace_and_a_short_one():
    flat = deconvolve(expon, expon.Params(), np.arange(50.0), np.full(50, 3.0))
    assert (flat.times.size, flat.noise, flat.threshold) == (0, 0.0, 0.0)
    np.testing.assert_allclose(flat.baseline, 3.0)
    assert repr(flat) == "Events(0 in 49 ms, threshold 0, noise 0)"
    assert deconvolve(expon, expon.Params(), [0, 1, 2], [0, 1, 0]).curve.shape == (3,)


def test_events_of_a_granule_cell(recordings):
    """One event in each of 21 sweeps, where it is, by the receptor that fits their mean; and in the sweeps in a row."""
    read = read_recording(recordings / "mepsc_granule_cell.csv", sweeps="1:")
    params = ampa.Params(alpha=2.41, beta=0.932, T_dur=0.242)  # as `fit` finds for the mean
    found = deconvolve(ampa, params, read)
    assert [len(events.times) for events in found] == [1] * 21
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
