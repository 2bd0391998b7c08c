"""What is measured of a response, against closed forms and against a computation by hand."""

import pickle

import jax
import numpy as np
import pytest

from synkin import Recording, ampa, measure, read_recording, respond
from synkin.measures.result import NUMBERS

SHAPE = ("onset", "peak_time", "time_to_peak", "rise", "half_width", "tau", "tau_fast", "tau_slow")
SHAPE += ("fraction_fast", "tau_weighted")

# One spike, first-order receptor: alpha, beta, T, T_dur; peak g, 10-90 % rise, decay tau, full width at half maximum in
# ms, from the closed forms, as they are printed.
RECEPTORS = {
    "AMPA 1998": ((1.1, 0.19, 1, 1), (".617986", ".7605", "5.263", "4.299")),
    "NMDA 1998": ((0.072, 0.0066, 1, 1), (".069243", ".7999", "151.5", "105.5")),
    "GABAb 1998": ((0.016, 0.0047, 1, 84), (".637116", "61.26", "212.8", "205.8")),
    "glutamate 1994": ((2, 1, 1, 1), (".633475", ".6108", "1.0", "1.478")),
    "ampa": ((0.98, 0.18, 0.5, 0.5), (".208186", ".3987", "5.556", "4.122")),
}
TIMES = np.arange(0, 60, 0.1)
LATE = np.maximum(TIMES - 10, 0)
RESPONSE = -20 * (np.exp(-LATE / 4.5) - np.exp(-LATE / 0.5)) / 0.69


def decaying(times, start=5.0, peak=-20.0, taus=(2.0, 20.0), weights=(0.7, 0.3)):
    """A jump and the sum of exponentials after it."""
    late = np.maximum(times - start, 0)
    return peak * (times >= start) * sum(w * np.exp(-late / tau) for w, tau in zip(weights, taus, strict=True))


def filtered(rng, size, length=5.0):
    """Noise of standard deviation 1, alike in neighbours as a filter makes it."""
    kernel = np.exp(-np.arange(40) / length)
    return np.convolve(rng.normal(size=size + 39), kernel / np.sqrt(kernel @ kernel), "valid")


@pytest.mark.parametrize("name", RECEPTORS)
def test_first_order_receptors(name, dtype):
    (alpha, beta, T, T_dur), printed = RECEPTORS[name]
    # Steps of which the pulse is a whole number, so that its end, the peak, is a sample.
    step = T_dur / 2000
    after = T_dur + np.concatenate([np.arange(1, 2001) * step, T_dur + np.geomspace(step, 5 / beta, 4000)])
    times = np.concatenate([np.arange(-100, 2001) * step, after])
    found = measure(times, respond(ampa, ampa.Params(alpha, beta, T, T_dur), [0.0], times.astype(dtype)))
    for value, text in zip((found.peak, found.rise, found.tau, found.half_width), printed, strict=True):
        assert f"{value:.{len(text.partition('.')[2])}f}" == f"{float(text):.{len(text.partition('.')[2])}f}"
    assert found.peak_time == pytest.approx(T_dur)
    assert found.tau_weighted == found.tau
    assert np.isnan([found.tau_fast, found.tau_slow, found.fraction_fast, found.noise]).all()
    # The line through 20 and 80 %, from the closed form g = r (1 - exp(-t / k)) of the rise.
    k, r = 1 / (alpha * T + beta), alpha * T / (alpha * T + beta)
    top = r * (1 - np.exp(-T_dur / k))
    t20, t80 = (-k * np.log(1 - part * top / r) for part in (0.2, 0.8))
    assert found.onset == pytest.approx(t20 - (t80 - t20) / 3, abs=1e-3 * T_dur)
    area = r * (T_dur - top / r * k) + top / beta
    assert found.charge == pytest.approx(area - top * np.exp(-beta * (times[-1] - T_dur)) / beta, rel=1e-4)


def test_two_exponentials_with_known_weights():
    """In either precision; a rounded peak is at a sample."""
    times = np.arange(0, 100, 0.05)
    for dtype, rtol in (("float32", 1e-6), ("float64", 1e-9)):
        found = measure(times, decaying(times).astype(dtype))
        for name, value in {"tau_fast": 2.0, "tau_slow": 20.0, "fraction_fast": 0.7, "tau_weighted": 7.4}.items():
            assert getattr(found, name) == pytest.approx(value, rel=rtol), name
        assert (found.peak, found.peak_time, found.baseline) == (-20.0, 5.0, 0.0)
        # From the jump on, between which and the sample before it rises: half of it at 4.975 ms.
        assert (found.onset, found.time_to_peak, found.rise) == pytest.approx((4.95, 0.05, 0.04))
    found = measure(TIMES, RESPONSE)
    best = np.log(9.0) / (1 / 0.5 - 1 / 4.5)
    assert found.peak_time == pytest.approx(10 + best, abs=0.05)
    assert found.peak == pytest.approx(-20 / 0.69 * (np.exp(-best / 4.5) - np.exp(-best / 0.5)), rel=1e-3)


def test_straight_lines_between_uneven_samples():
    """A triangle from 1 ms, up to 6 at 4 ms, back at 16 ms: every crossing of a line is exact."""
    times = np.array([0.0, 1.0, 1.7, 4.0, 5.0, 9.0, 16.0, 17.0])
    found = measure(times, np.interp(times, [1.0, 4.0, 16.0], [0.0, 6.0, 0.0]))
    got = found.rise, found.onset, found.time_to_peak, found.half_width, found.charge
    assert got == pytest.approx((0.8 * 3, 1.0, 3.0, 7.5, 6 * 15 / 2))


def test_sign_baseline_and_scale():
    """Turned, scaled or lifted, a response is the same one."""
    plain = measure(TIMES, -RESPONSE)
    for scale, level in ((-1.0, 0.0), (30.0, -65.0), (-2e-3, 4.0)):
        trace = -scale * RESPONSE + level
        found = measure(TIMES, trace, baseline=(0, 9.9))
        for name in SHAPE:
            np.testing.assert_allclose(getattr(found, name), getattr(plain, name), rtol=2e-6, err_msg=name)
        assert (found.peak, found.charge) == pytest.approx((scale * plain.peak, scale * plain.charge), rel=1e-9)
        assert (found.baseline, found.noise) == pytest.approx((level, 0.0), abs=1e-12)
        assert measure(TIMES, trace, baseline=level).rise == pytest.approx(found.rise)


def test_every_sweep_and_every_form():
    """Rows, a recording, lists, JAX's arrays, the other order of bytes, quantities: the same numbers."""
    times = np.arange(0, 40, 0.1)
    traces = np.array([decaying(times, peak=peak) for peak in (-20.0, -3.0, -0.5)])
    alone = [measure(times, trace) for trace in traces]
    for together in (measure(times, traces), measure(Recording(times, traces, "pA"))):
        for name in NUMBERS:
            np.testing.assert_array_equal(getattr(together, name), [getattr(one, name) for one in alone])
    plain = alone[0]
    assert measure(Recording(times, traces[0])).peak.shape == (1,)
    assert isinstance(plain.tau, float)
    assert measure(jax.numpy.asarray(times), jax.numpy.asarray(traces[0])).peak == -20.0
    again = measure(times.tolist(), traces[0].tolist()), measure(times, traces[0].astype(">f8"))
    for other in (*again, pickle.loads(pickle.dumps(plain))):
        assert other == pytest.approx(plain, nan_ok=True)
    with pytest.raises(TypeError, match=r"^Argument `trace` must not be traced, as inside jax\.jit"):
        jax.jit(lambda trace: measure(times, trace).peak)(traces[0])
    u = pytest.importorskip("saiunit")
    found = measure(times / 1000 * u.second, traces[0], baseline=[0 * u.ms, 0.004 * u.second])
    assert found.tau_slow == pytest.approx(20.0, rel=1e-5)


@pytest.mark.parametrize("part", [slice(None), slice(80, 200)])
def test_a_trace_that_begins_off_zero(part):
    """It is said, where no baseline is given: the time constant from 0 is none of the response."""
    times, trace = TIMES[part], (RESPONSE - 12)[part]
    off = r"^The trace begins at -12, but all is measured from 0: give `baseline=`, a window \(a, b\) in ms"
    with pytest.warns(UserWarning, match=off):
        found = measure(times, trace)
    assert found == pytest.approx(measure(times, trace, baseline=0), nan_ok=True)
    assert found.tau_to_baseline > 10
    assert found.tau == found.tau_to_level == pytest.approx(4.5, rel=0.05)
    assert measure(times, trace, baseline=(times[0], 9.5)).tau == pytest.approx(4.5, rel=0.05)
    with pytest.warns(UserWarning, match=r"^Of 3 traces 2 begin off 0, the first of these at 5, but"):
        measure(times, [RESPONSE[part], 5 - RESPONSE[part], trace])


def test_a_trace_that_begins_at_zero_brings_no_warning():
    """Nor one a little off it; one that begins in its decay, on a plateau that it leaves for 0, or with its rise."""
    rng = np.random.default_rng(0)
    steady = np.where(TIMES < 10, -20, -20 * np.exp(-LATE / 4.5))
    begun = [np.append(RESPONSE[start:], np.zeros(start)) for start in (100, 110, 150)]
    for clean in (RESPONSE, -RESPONSE, RESPONSE + 0.5, *begun, steady):
        measure(TIMES, [clean + sd * filtered(rng, len(TIMES)) for sd in (0.0, 0.5, 0.5, 2.0, 2.0, 20.0)])


def test_noise():
    """Half a unit of filtered noise on 20: by how much each is off, on the mean, is what the docstring says."""
    times, rng = np.arange(0, 50, 0.05), np.random.default_rng(0)
    clean = -20 * np.where(times >= 5, 1.3 * (np.exp(-(times - 5) / 7) - np.exp(-(times - 5) / 0.5)), 0)
    exact = measure(times, clean)
    found = measure(times, [clean + 0.5 * filtered(rng, len(times)) for _ in range(60)], baseline=(0, 4.5))
    assert found.onset == pytest.approx(np.full(60, exact.onset), abs=0.08)
    assert found.onset.mean() == pytest.approx(exact.onset, abs=0.02)
    assert 1.0 < found.peak.mean() / exact.peak < 1.04
    assert 0.93 < found.half_width.mean() / exact.half_width < 1.0
    assert 1.0 < found.rise.mean() / exact.rise < 1.12
    assert found.tau.mean() == pytest.approx(7.0, rel=0.01)
    assert found.noise.mean() == pytest.approx(0.5, rel=0.05)


def test_how_many_exponentials_noise_shows():
    """Of one, noise and a shifted baseline make no second one; two stay two."""
    times, rng = np.arange(0, 50, 0.1), np.random.default_rng(1)
    clean = decaying(times, taus=(7.0,), weights=(1.0,))
    noisy = [clean + filtered(rng, len(times), length) for length in (0.1, 1.5, 5.0) for _ in range(10)]
    found = measure(times, noisy, baseline=(0, 4.9))
    assert np.isnan(found.tau_fast).all()
    np.testing.assert_array_equal(found.tau_weighted, found.tau)
    assert found.tau.mean() == pytest.approx(7.0, rel=0.04)
    times = np.arange(0, 100, 0.05)
    found = measure(times, [decaying(times) + 0.3 * rng.normal(size=len(times)) for _ in range(10)], baseline=(0, 4.9))
    for name, value in {"tau_fast": 2.0, "tau_slow": 20.0, "tau_weighted": 7.4}.items():
        assert getattr(found, name).mean() == pytest.approx(value, rel=0.02), name


def test_mean_of_a_granule_cells_events(recordings):
    """As a fine straight-line table for the crossings and a scan over tau for the decay gave them."""
    found = measure(read_recording(recordings / "mepsc_granule_cell.csv"), baseline=(0, 2))
    printed = f"{found.rise[0]:.3f} {found.half_width[0]:.3f} {found.tau[0]:.3f} {found.peak[0]:.2f}"
    assert printed == "0.209 0.936 1.634 -11.45"
    assert found.peak.shape == (22,)
    assert np.isfinite([found.onset, found.rise, found.half_width, found.tau]).all()


def test_no_response():
    """Nothing, a level less its mean, which is rounded, and one that is still rising."""
    for trace in (np.zeros(50), np.full(50, -65.3), np.linspace(0, 1, 50) - 0.5):
        found = measure(np.arange(50) / 10, trace, baseline=(0, 0.9))
        assert np.isnan([getattr(found, name) for name in SHAPE]).all()
        assert np.isfinite([found.peak, found.charge, found.baseline, found.noise]).all()
        if np.ptp(trace) == 0:
            assert (found.peak, found.charge) == (0.0, 0.0)


def test_a_sweep_with_a_sample_that_is_none():
    """It is left out; one that is infinite spoils its sweep, and so does a sweep without samples."""
    traces = np.stack([decaying(TIMES)] * 4)
    traces[0, 300], traces[1, 300], traces[3] = np.nan, np.inf, np.nan
    found = measure(TIMES, traces)
    numbers = np.array([getattr(found, name) for name in NUMBERS])
    assert np.isnan(numbers[:, [1, 3]]).all()
    assert found.tau_slow[2] == pytest.approx(20.0)
    shown = [name not in ("level", "baseline") for name in NUMBERS]
    assert numbers[shown, 0] == pytest.approx(numbers[shown, 2], rel=3e-3, nan_ok=True)


def test_an_artefact_is_left_out():
    """In the baseline and in the decay, for all sweeps or for one; a line goes across it."""
    traces = np.stack([decaying(TIMES)] * 2)
    clean = measure(TIMES, traces[0], baseline=(TIMES[0], TIMES[3]))
    hit = (TIMES[300] <= TIMES) & (TIMES[310] >= TIMES)
    traces[1, hit] += 50.0
    traces[1, 1] += 20.0
    ends = [(TIMES[300], TIMES[310]), (TIMES[1], TIMES[1])]
    for exclude in ([[], ends], ends, np.array(ends)):
        found = measure(TIMES, traces, baseline=(TIMES[0], TIMES[3]), exclude=exclude)
        for name in ("peak", "rise", "half_width", "tau_slow", "charge", "baseline"):
            assert getattr(found, name)[1] == pytest.approx(getattr(clean, name), rel=1e-3, abs=1e-9)
    assert measure(TIMES, traces[1], baseline=(TIMES[0], TIMES[3])).peak != pytest.approx(clean.peak, rel=0.1)


def test_a_trace_that_ends_or_begins_too_soon():
    begins = measure(TIMES, np.exp(-TIMES / 8))  # at its peak: there is no rise, but a decay
    assert np.isnan([begins.onset, begins.rise, begins.time_to_peak, begins.half_width]).all()
    assert (begins.peak, begins.peak_time, begins.tau) == pytest.approx((1.0, 0.0, 8.0), rel=1e-6)
    trace = np.where(TIMES < 10.5, np.maximum(TIMES - 10, 0) / 0.5, np.exp(-(TIMES - 10.5) / 5))
    whole = measure(TIMES, trace)
    early = measure(TIMES[:126], trace[:126])  # down to 67 % alone
    assert np.isnan(early.half_width)
    assert early.rise == whole.rise
    assert early.tau == pytest.approx(5.0, rel=1e-4)  # but of one exponential that is enough
    late = measure(TIMES[102:], trace[102:])  # from 40 % of the peak on
    assert np.isnan([late.onset, late.rise]).all()
    assert late.half_width == whole.half_width
    flat = measure(TIMES, np.where(TIMES >= 10, 1.0 - 1e-3 * (TIMES > 30), 0))
    assert np.isnan([flat.tau, flat.tau_weighted]).all()
    jump = measure(TIMES, np.where((TIMES > 9.95) & (TIMES < 10.05), 1.0, 0.0))
    assert np.isnan(jump.tau)
    assert jump.half_width == pytest.approx(0.1)
