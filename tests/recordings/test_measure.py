"""What is measured of a response, against closed forms and against a computation by hand."""

import pickle

import jax
import numpy as np
import pytest

import synkin
from synkin import Measured, Recording, ampa, bionmda, dual_expon, expon, measure, read_recording, respond

SHAPE = ("onset", "peak_time", "time_to_peak", "rise", "half_width", "tau", "tau_fast", "tau_slow")
SHAPE += ("fraction_fast", "tau_weighted")

# One spike, first-order receptor: alpha, beta, T, T_dur; peak g, 10-90 % rise, decay tau, full width at half maximum in
# ms, from the closed forms, as they are printed.
RECEPTORS = {
    "AMPA 1998": ((1.1, 0.19, 1, 1), (".617986", ".7605", "5.263", "4.299")),
    "NMDA 1998": ((0.072, 0.0066, 1, 1), (".069243", ".7999", "151.5", "105.5")),
    "GABAa 1998": ((5, 0.18, 1, 1), (".959819", ".4148", "5.556", "4.718")),
    "GABAb 1998": ((0.016, 0.0047, 1, 84), (".637116", "61.26", "212.8", "205.8")),
    "glutamate 1994": ((2, 1, 1, 1), (".633475", ".6108", "1.0", "1.478")),
    "GABA 1994": ((0.5, 0.1, 1, 1), (".375990", ".7914", "10", "7.505")),
    "ampa": ((0.98, 0.18, 0.5, 0.5), (".208186", ".3987", "5.556", "4.122")),
    "gabaa": ((0.53, 0.18, 1, 1), (".379477", ".7879", "5.556", "4.438")),
}


def decaying(times, start=5.0, peak=-20.0, taus=(2.0, 20.0), weights=(0.7, 0.3)):
    """A jump and the sum of exponentials after it."""
    late = np.maximum(times - start, 0)
    return peak * np.where(
        times >= start, sum(w * np.exp(-late / tau) for w, tau in zip(weights, taus, strict=True)), 0
    )


def filtered(rng, size, length=5.0):
    """Noise of standard deviation 1, alike in neighbours as a filter makes it."""
    kernel = np.exp(-np.arange(40) / length)
    return np.convolve(rng.normal(size=size + 39), kernel / np.sqrt(kernel @ kernel), "valid")


# Closed forms


@pytest.mark.parametrize("name", RECEPTORS)
def test_first_order_receptors(name, dtype):
    (alpha, beta, T, T_dur), printed = RECEPTORS[name]
    # Steps of which the pulse is a whole number, so that its end, the peak, is a sample.
    step = T_dur / 2000
    after = T_dur + np.concatenate([np.arange(1, 2001) * step, T_dur + np.geomspace(step, 5 / beta, 4000)])
    times = np.concatenate([np.arange(-100, 2001) * step, after])
    g = respond(ampa, ampa.Params(alpha, beta, T, T_dur), [0.0], times.astype(dtype))
    found = measure(times, g)
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


def test_a_rounded_peak(x64):
    """bionmda's and a dual_expon's, from the closed forms; the time of a peak is that of a sample."""
    times = np.unique(np.round(np.concatenate([np.arange(-10, 1500) * 0.01, 6.75 + np.arange(100) * 2e-4]), 6))
    found = measure(times, respond(bionmda, bionmda.Params(), [0.0], times))
    assert f"{found.peak:.6f} {found.rise:.3f}" == "0.754487 2.526"
    assert found.peak_time == pytest.approx(6.7616, abs=2e-4)
    found = measure(times, respond(dual_expon, dual_expon.Params(tau_rise=0.5, tau_decay=2.0), [0.0], times))
    assert found.peak == pytest.approx(1.0, rel=2e-5)
    assert found.peak_time == pytest.approx(0.924196, abs=5e-3)


def test_two_exponentials_with_known_weights(dtype):
    times = np.arange(0, 100, 0.05)
    found = measure(times, decaying(times).astype(dtype))
    rtol = 1e-6 if dtype == "float32" else 1e-9
    for name, value in {"tau_fast": 2.0, "tau_slow": 20.0, "fraction_fast": 0.7, "tau_weighted": 7.4}.items():
        assert getattr(found, name) == pytest.approx(value, rel=rtol), name
    assert (found.peak, found.peak_time, found.baseline) == (-20.0, 5.0, 0.0)
    # From the jump on, between which and the sample before it rises: half of it at 4.975 ms.
    assert (found.onset, found.time_to_peak) == pytest.approx((4.95, 0.05))
    assert found.rise == pytest.approx(0.04)


def test_straight_lines_between_uneven_samples():
    """A triangle from 1 ms, up to 6 at 4 ms, back at 16 ms: every crossing of a line is exact."""
    times = np.array([0.0, 1.0, 1.7, 4.0, 5.0, 9.0, 16.0, 17.0])
    trace = np.interp(times, [1.0, 4.0, 16.0], [0.0, 6.0, 0.0])
    found = measure(times, trace)
    assert found.rise == pytest.approx(0.8 * 3)
    assert found.onset == pytest.approx(1.0)
    assert found.time_to_peak == pytest.approx(3.0)
    assert found.half_width == pytest.approx(7.5)
    assert found.charge == pytest.approx(6 * 15 / 2)


def test_sign_baseline_and_scale():
    """Turned, scaled or lifted, a response is the same one."""
    times = np.arange(0, 60, 0.1)
    trace = respond(ampa, ampa.Params(), [10.0], times)
    plain = measure(times, trace)
    for scale, level in ((-1.0, 0.0), (30.0, -65.0), (-2e-3, 4.0)):
        found = measure(times, scale * np.asarray(trace, float) + level, baseline=(0, 9.9))
        for name in SHAPE:
            np.testing.assert_allclose(getattr(found, name), getattr(plain, name), rtol=2e-6, err_msg=name)
        assert found.peak == pytest.approx(scale * plain.peak, rel=1e-9)
        assert found.charge == pytest.approx(scale * plain.charge, rel=1e-9)
        assert found.baseline == pytest.approx(level, abs=1e-12)
        assert found.noise == pytest.approx(0, abs=1e-12)
        same = measure(times, scale * np.asarray(trace, float) + level, baseline=level)
        assert same.rise == pytest.approx(found.rise)


def test_every_sweep_and_a_recording():
    times = np.arange(0, 40, 0.1)
    traces = np.array([decaying(times, peak=peak) for peak in (-20.0, 3.0, 0.5)])
    together = measure(times, traces)
    for i, trace in enumerate(traces):
        for name, value in measure(times, trace)._asdict().items():
            np.testing.assert_array_equal(getattr(together, name)[i], value)
    again = measure(Recording(times, traces, "pA"))
    for one, other in zip(together, again, strict=True):
        assert one.shape == (3,)
        np.testing.assert_array_equal(one, other)
    assert measure(Recording(times, traces[0])).peak.shape == (1,)
    assert isinstance(measure(times, traces[0]).tau, float)


OFF = r"^The trace begins at -12, but all is measured from 0: give `baseline=`, a window \(a, b\) in ms"
LATE = np.maximum(np.arange(0, 60, 0.1) - 10, 0)
RESPONSE = -20 * (np.exp(-LATE / 4.5) - np.exp(-LATE / 0.5)) / 0.69


@pytest.mark.parametrize("part", [slice(None), slice(80, 200)])
def test_a_trace_that_begins_off_zero(part):
    """It is said, where no baseline is given: the time constant from 0 is none of the response."""
    times, trace = np.arange(0, 60, 0.1)[part], (RESPONSE - 12)[part]
    with pytest.warns(UserWarning, match=OFF):
        found = measure(times, trace)
    assert found == pytest.approx(measure(times, trace, baseline=0), nan_ok=True)
    assert found.tau > 10
    assert measure(times, trace, baseline=(times[0], 9.5)).tau == pytest.approx(4.5, rel=0.02)
    with pytest.warns(UserWarning, match=r"^Of 3 traces 2 begin off 0, the first of these at 5, but"):
        measure(times, [RESPONSE[part], 5 - RESPONSE[part], trace])


@pytest.mark.parametrize("sd", [0.0, 0.5, 2.0, 20.0])
def test_a_trace_that_begins_at_zero_brings_no_warning(sd):
    """Nor one a little off it; one that begins in its decay, on a plateau that it leaves for 0, or with its rise."""
    times, rng = np.arange(0, 60, 0.1), np.random.default_rng(0)
    steady = np.where(times < 10, -20, -20 * np.exp(-LATE / 4.5))
    begun = [np.append(RESPONSE[start:], np.zeros(start)) for start in (100, 110, 150)]
    for clean in (RESPONSE, -RESPONSE, RESPONSE + 0.5, *begun, steady):
        measure(times, [clean + sd * filtered(rng, len(times)) for _ in range(5)])


# Noise


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


def test_noise_and_a_shifted_baseline_are_no_second_exponential():
    times, rng = np.arange(0, 50, 0.05), np.random.default_rng(1)
    clean = decaying(times, taus=(7.0,), weights=(1.0,))
    noisy = [clean + filtered(rng, len(times), length) for length in (0.1, 3.0, 10.0) for _ in range(20)]
    found = measure(times, noisy, baseline=(0, 4.9))
    assert np.isnan(found.tau_fast).all()
    np.testing.assert_array_equal(found.tau_weighted, found.tau)
    assert found.tau.mean() == pytest.approx(7.0, rel=0.04)


def test_two_exponentials_in_noise():
    times, rng = np.arange(0, 100, 0.05), np.random.default_rng(2)
    noisy = [decaying(times) + 0.3 * rng.normal(size=len(times)) for _ in range(20)]
    found = measure(times, noisy, baseline=(0, 4.9))
    assert not np.isnan(found.tau_fast).any()
    assert found.tau_fast.mean() == pytest.approx(2.0, rel=0.02)
    assert found.tau_slow.mean() == pytest.approx(20.0, rel=0.02)
    assert found.tau_weighted.mean() == pytest.approx(7.4, rel=0.02)


def test_mean_of_a_granule_cells_events(recordings):
    """Beside a computation of its own: a fine straight-line table for the crossings, a scan over tau for the decay."""
    recording = read_recording(recordings / "mepsc_granule_cell.csv")
    found = measure(recording, baseline=(0, 2))
    times, trace = recording.times, recording.traces[0]
    assert recording.labels[0] == "mean_pA"
    level = trace[times <= 2].mean()
    fine = np.linspace(times[0], times[-1], 1_700_001)
    part = np.interp(fine, times, (trace - level) / (trace.min() - level))
    top = part.argmax()
    last = {level: fine[:top][part[:top] < level][-1] for level in (0.1, 0.2, 0.5, 0.8, 0.9)}
    back = fine[top:][part[top:] < 0.5][0]
    assert found.peak[0] == trace.min() - level
    assert found.rise[0] == pytest.approx(last[0.9] - last[0.1], abs=3e-5)
    assert found.half_width[0] == pytest.approx(back - last[0.5], abs=3e-5)
    assert found.onset[0] == pytest.approx(last[0.2] - (last[0.8] - last[0.2]) / 3, abs=3e-5)
    height = (trace - level) / (trace.min() - level)
    start = trace.argmin() + np.flatnonzero(height[trace.argmin() :] < 0.9)[0]
    t, y = times[start:] - times[start], height[start:]
    taus = np.arange(1.0, 3.0, 1e-4)
    curves = np.exp(-t / taus[:, None])
    curves *= ((curves @ y) / (curves**2).sum(axis=1))[:, None]
    assert found.tau[0] == pytest.approx(taus[((curves - y) ** 2).sum(axis=1).argmin()], abs=2e-4)
    # To the digits that the table of the command line prints.
    assert f"{found.rise[0]:.3f} {found.half_width[0]:.3f} {found.tau[0]:.3f} {found.peak[0]:.2f}" == (
        "0.209 0.936 1.634 -11.45"
    )
    assert found.peak.shape == (22,)
    assert np.isfinite([found.onset, found.rise, found.half_width, found.tau]).all()


# What cannot be told


@pytest.mark.parametrize(
    ("trace", "known"),
    [
        (np.zeros(50), {"peak": 0.0, "charge": 0.0}),
        (np.full(50, -65.3), {"peak": 0.0, "charge": 0.0}),  # less its mean, which is rounded
        (np.linspace(0, 1, 50) - 0.5, {}),  # still rising
    ],
)
def test_no_response(trace, known):
    found = measure(np.arange(50) / 10, trace, baseline=(0, 0.9))
    assert np.isnan([getattr(found, name) for name in SHAPE]).all()
    assert np.isfinite([found.peak, found.charge, found.baseline, found.noise]).all()
    for name, value in known.items():
        assert getattr(found, name) == value


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_sweep_with_a_sample_that_is_none(bad):
    times = np.arange(0, 40, 0.1)
    traces = np.stack([decaying(times)] * 2)
    traces[0, 300] = bad
    found = measure(times, traces)
    assert np.isnan([field[0] for field in found]).all()
    assert found.tau_slow[1] == pytest.approx(20.0)


def test_a_trace_that_begins_at_its_peak():
    """As `respond` gives expon from its spike on: there is no rise, but a decay."""
    times = np.arange(0, 30, 0.1)
    found = measure(times, respond(expon, expon.Params(tau=8.0), [0.0], times))
    assert np.isnan([found.onset, found.rise, found.time_to_peak, found.half_width]).all()
    assert (found.peak, found.peak_time) == (1.0, 0.0)
    assert found.tau == pytest.approx(8.0, rel=1e-6)


def test_a_trace_that_ends_or_begins_too_soon():
    times = np.arange(0, 60, 0.1)
    trace = np.asarray(respond(ampa, ampa.Params(beta=0.2), [10.0], times))
    whole = measure(times, trace)
    early = measure(times[:126], trace[:126])  # down to 67 % alone
    assert np.isnan(early.half_width)
    assert early.rise == whole.rise
    assert early.tau == pytest.approx(5.0, rel=1e-4)  # but of one exponential that is enough
    late = measure(times[102:], trace[102:])  # from 45 % of the peak on
    assert np.isnan([late.onset, late.rise]).all()
    assert late.half_width == whole.half_width
    flat = measure(times, np.where(times >= 10, 1.0 - 1e-3 * (times > 30), 0))
    assert np.isnan([flat.tau, flat.tau_weighted]).all()
    jump = measure(times, np.where((times > 9.95) & (times < 10.05), 1.0, 0.0))
    assert np.isnan(jump.tau)
    assert jump.half_width == pytest.approx(0.1)


def test_what_comes_in_any_form():
    times = np.arange(0, 40, 0.1)
    trace = decaying(times)
    plain = measure(times, trace)
    assert measure(times.tolist(), trace.tolist()) == pytest.approx(plain, nan_ok=True)
    assert measure(jax.numpy.asarray(times), jax.numpy.asarray(trace)).peak == -20.0
    assert measure(times, trace.astype(">f8")) == pytest.approx(plain, nan_ok=True)
    with pytest.raises(TypeError, match=r"^Argument `trace` must be known now, outside jax\.jit"):
        jax.jit(lambda trace: measure(times, trace).peak)(trace)
    assert pickle.loads(pickle.dumps(plain)) == pytest.approx(plain, nan_ok=True)
    assert isinstance(plain, Measured)
    assert synkin.measure is measure


def test_quantities():
    u = pytest.importorskip("saiunit")
    times = np.arange(0, 40, 0.1)
    found = measure(times / 1000 * u.second, decaying(times), baseline=[0 * u.ms, 0.004 * u.second])
    assert found.tau_slow == pytest.approx(20.0, rel=1e-5)
