"""Fits to traces that come from elsewhere: the differential equations, closed forms written out here, recordings."""

import itertools
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import alpha, ampa, bionmda, dual_expon, expon, plot
from synkin.fitting import Fit, checking, fit, model
from synkin.fitting.search import optimizer
from tests.helpers import solutions
from tests.helpers.precision import enable_x64
from tests.helpers.samples import name_of

TIMES = np.arange(300) / 10  # ms
SPIKE = 3.03  # ms


def first_order(times, binding, beta, T_dur, onset):
    """g of a first-order receptor after one pulse that binds with ``binding`` /ms, by its closed form."""
    rate = binding + beta
    age = times - onset
    rise = binding / rate * (1 - np.exp(-rate * np.clip(age, 0, T_dur)))
    return rise * np.exp(-beta * np.maximum(age - T_dur, 0))


def alpha_function(times, tau, onset):
    age = np.maximum(times - onset, 0)
    return age / tau * np.exp(-age / tau)


def noisy(clean, level, seed, memory=0.0):
    """A trace with normal noise of ``level`` times its height, each sample's made of ``memory`` parts of the last."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=clean.shape)
    for i in range(1, clean.shape[-1]):
        noise[..., i] = memory * noise[..., i - 1] + np.sqrt(1 - memory**2) * noise[..., i]
    return clean + level * np.ptp(clean) * noise


AMPA = {"alpha": 3.0, "beta": 0.31, "T_dur": 0.77}
AMPA_CLEAN = -30.0 * first_order(TIMES, 1.5, 0.31, 0.77, SPIKE + 0.21) + 2.0
AMPA_TRACE = noisy(AMPA_CLEAN, 0.005, seed=0)
ALL_FREE = {"free": ("alpha", "beta", "T_dur"), "scale": True, "offset": True, "onset": True}


def fitted(**options):
    """A fit of the ampa trace, everything free but T unless ``options`` say otherwise."""
    arguments = {
        "kernel": ampa,
        "params": ampa.Params(),
        "spike_times": [SPIKE],
        "times": TIMES,
        "trace": AMPA_TRACE,
        **ALL_FREE,
        **options,
    }
    return fit(**arguments)


# What is found


@pytest.mark.parametrize(
    ("kernel", "true", "onset"),
    [
        (alpha, {"tau": 3.0}, 0.3),
        (ampa, {"alpha": 2.5, "beta": 0.3, "T_dur": 0.73}, 0.3),
        (bionmda, {"beta1": 0.05, "beta2": 0.8}, 0.3),
        (expon, {"tau": 3.0}, 0.0),
        (dual_expon, {"tau_decay": 4.0, "tau_rise": 1.7}, 0.3),
    ],
    ids=lambda value: name_of(value) if hasattr(value, "Params") else "",
)
def test_equations_are_recovered(kernel, true, onset):
    """Without noise, from a trace that an ODE solver made, all free parameters come back to many digits."""
    dt, rows = 0.2, [15, 60]
    inputs = np.zeros((150, 1))
    inputs[rows, 0] = 1
    params = kernel.Params()._replace(**true)
    g = solutions.trace(name_of(kernel), params, inputs, dt)[:, 0]
    times = dt * np.arange(1, 151)
    spikes = dt * (np.array(rows) + kernel.input.acts_at_end) - onset
    found = fit(
        kernel,
        kernel.Params(),
        spikes,
        times,
        -30 * g + 2,
        free=tuple(true),
        scale=True,
        offset=True,
        onset=onset > 0,
        starts=1,
    )
    for name, value in true.items():
        assert getattr(found.params, name) == pytest.approx(value, rel=1e-6), name
    assert found.scale == pytest.approx(-30, rel=1e-6)
    assert found.offset == pytest.approx(2, rel=1e-6)
    assert found.onset == pytest.approx(onset, rel=1e-5)
    assert found.r_squared > 1 - 1e-12
    assert found.success
    assert found.identifiable


def test_same_as_scipy_on_the_closed_form():
    """Values and, with white noise, standard errors."""
    from scipy.optimize import curve_fit

    def curve(t, alpha, beta, T_dur, scale, offset):
        return scale * first_order(t, alpha / 2, beta, T_dur, SPIKE + 0.21) + offset

    found = fitted(onset=0.21)
    start = [3.5, 0.3, 0.7, -25, 1.0]
    values, covariance = curve_fit(curve, TIMES, AMPA_TRACE, start, xtol=1e-12, ftol=1e-12)
    own = [found.params.alpha, found.params.beta, found.params.T_dur, found.scale, found.offset]
    np.testing.assert_allclose(own, values, rtol=2e-4)
    np.testing.assert_allclose(list(found.stderr.values()), np.sqrt(np.diag(covariance)), rtol=2e-3)
    scatter = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(found.correlations, covariance / np.outer(scatter, scatter), atol=2e-3)
    assert found.noise == pytest.approx(np.std(AMPA_TRACE - curve(TIMES, *values), ddof=5), rel=1e-6)
    assert found.free == found.labels == ("alpha", "beta", "T_dur", "scale", "offset")


@pytest.mark.parametrize(
    ("kernel", "true", "bounds_on_error"),
    [
        (ampa, AMPA, {"alpha": 0.5, "beta": 0.02, "T_dur": 0.03}),
        (alpha, {"tau": 3.0}, {"tau": 0.005}),
        (dual_expon, {"tau_decay": 4.0, "tau_rise": 1.3}, {"tau_decay": 0.03, "tau_rise": 0.06}),
    ],
    ids=lambda value: name_of(value) if hasattr(value, "Params") else "",
)
def test_recovery_with_noise(kernel, true, bounds_on_error):
    """Noise of 0.5 % of the peak: close, and as close as the standard errors say."""
    if kernel is ampa:
        g = first_order(TIMES, 1.5, true["beta"], true["T_dur"], SPIKE + 0.21)
    elif kernel is alpha:
        g = alpha_function(TIMES, true["tau"], SPIKE + 0.21)
    else:
        age = np.maximum(TIMES - SPIKE - 0.21, 0)
        g = np.exp(-age / true["tau_decay"]) - np.exp(-age / true["tau_rise"])
    options = {"free": tuple(true), "scale": True, "offset": True, "onset": True, "starts": 2}
    for seed in range(6):
        found = fit(kernel, kernel.Params(), [SPIKE], TIMES, noisy(-30 * g + 2, 0.005, seed), **options)
        for name, value in true.items():
            error = abs(getattr(found.params, name) - value)
            assert error < bounds_on_error[name] * value, (seed, name)
            assert error < 4.5 * found.stderr[name], (seed, name)


@pytest.mark.parametrize("memory", [0.0, 0.7])
def test_standard_errors_are_the_scatter(memory):
    """Over many recordings the errors scatter as the standard errors say, if the noise is filtered too."""
    clean = alpha_function(TIMES, 3.0, SPIKE)
    ratios = []
    for seed in range(40):
        trace = noisy(clean, 0.02, seed, memory)
        found = fit(alpha, alpha.Params(), [SPIKE], TIMES, trace, free="tau", scale=True, offset=True, starts=1)
        ratios.append((found.params.tau - 3.0) / found.stderr["tau"])
        ratios.append((found.scale - 1.0) / found.stderr["scale"])
    assert 0.6 < np.mean(np.square(ratios)) < 1.7
    assert ("correlated" in found.message) == (memory > 0)


def test_several_recordings():
    """Shared parameters, each recording's own scale, offset and onset."""
    own = np.array([[-30.0, 2.0, 0.1], [-12.0, 0.0, 0.3], [5.0, -1.0, -0.2]])
    traces = np.stack([scale * alpha_function(TIMES, 3.0, SPIKE + d) + o for scale, o, d in own])
    traces = np.stack([noisy(trace, 0.002, seed) for seed, trace in enumerate(traces)])
    found = fit(alpha, alpha.Params(), [SPIKE], TIMES, traces, free="tau", scale=True, offset=True, onset=True)
    assert found.params.tau == pytest.approx(3, rel=2e-3)
    np.testing.assert_allclose(np.stack([found.scale, found.offset, found.onset], axis=1), own, rtol=0.02, atol=0.02)
    for name, column in zip(("scale", "offset", "onset"), own.T, strict=True):
        assert (np.abs(getattr(found, name) - column) < 4.5 * found.stderr[name]).all()
    assert found.labels[:3] == ("tau", "scale[0]", "scale[1]")
    assert found.predicted.shape == found.residuals.shape == traces.shape
    assert found.correlations.shape == (10, 10)
    assert "scale (median of 3)" in repr(found)

    # The same, with the shifts in the spike times, a row for each recording.
    rows = np.stack([SPIKE + own[:, 2], np.full(3, np.inf)], axis=1)
    again = fit(alpha, alpha.Params(), rows, TIMES, traces, free="tau", scale=True, offset=True)
    assert again.params.tau == pytest.approx(3, rel=2e-3)
    assert again.onset == 0.0
    assert again.r_squared > 0.999


def test_one_g_serves_recordings_with_the_same_spikes():
    traces = np.stack([scale * alpha_function(TIMES, 3.0, SPIKE) for scale in (2.0, -7.0)])
    found = fit(alpha, alpha.Params(), [SPIKE], TIMES, traces, free="tau", scale=True)
    np.testing.assert_allclose(found.scale, [2, -7], rtol=1e-6)


def test_missing_samples_are_left_out():
    trace = AMPA_TRACE.copy()
    missing = np.r_[20:30, 35, 100:150]
    trace[missing] = np.nan
    found = fitted(trace=trace)
    keep = ~np.isnan(trace)
    without = fitted(times=TIMES[keep], trace=trace[keep])
    assert found.params == pytest.approx(without.params, rel=1e-6)
    assert found.noise == pytest.approx(without.noise, rel=1e-6)
    assert "61 of 300 samples are NaN and were left out." in found.message
    assert np.isfinite(found.predicted).all()
    np.testing.assert_array_equal(np.isnan(found.residuals), ~keep)


def test_outliers_hardly_sway_soft_l1():
    trace = AMPA_TRACE.copy()
    trace[40::25] += 15.0
    errors = {}
    for loss in optimizer.LOSSES:
        found = fitted(trace=trace, loss=loss, free=("beta", "T_dur"), params=ampa.Params(alpha=3.0))
        errors[loss] = abs(found.params.beta / 0.31 - 1)
    assert errors["linear"] > 0.05
    assert errors["soft_l1"] < 0.02
    height = np.ptp(AMPA_CLEAN)
    assert found.noise == pytest.approx(0.005 * height, rel=0.2)  # what it is without the outliers
    assert abs(found.params.beta - 0.31) < 4.5 * found.stderr["beta"]


def test_soft_l1_is_scipys():
    """The weights that follow the residuals end at the minimum of the loss."""
    from scipy.optimize import least_squares

    trace = AMPA_TRACE.copy()
    trace[40::25] += 15.0
    posed = posed_problem(trace=trace)
    with enable_x64():
        found = optimizer.search(posed, "soft_l1", 1, 300, progress=False)
        scipys = least_squares(
            lambda point: model.curve(posed, point).value[0] - trace,
            found.point * 1.001,
            lambda point: model.curve(posed, point).derivative[0],
            loss="soft_l1",
            f_scale=found.width,
            x_scale="jac",
        )
    np.testing.assert_allclose(found.point, scipys.x, rtol=1e-3)


def test_starts_do_not_matter():
    """From parameters far off, and in every run, the same."""
    first, again = fitted(), fitted()
    assert first.params == again.params
    far = fitted(params=ampa.Params(alpha=0.3, beta=2.0, T_dur=3.0))
    assert far.params == pytest.approx(first.params, rel=1e-3)


def test_numbers_are_held():
    found = fitted(scale=-30.0, offset=2, onset=0.21)
    assert (found.scale, found.offset, found.onset) == (-30.0, 2.0, 0.21)
    assert set(found.stderr) == {"alpha", "beta", "T_dur"}
    assert found.params.alpha == pytest.approx(3, rel=0.05)
    assert re.search(r"scale +-30 +held", found.summary())


def test_weights_and_overlap_are_used():
    spikes, weights = [3.0, 8.0], np.array([1.0, -2.5])
    trace = sum(w * alpha_function(TIMES, 3.0, s) for w, s in zip(weights, spikes, strict=True))
    found = fit(alpha, alpha.Params(), spikes, TIMES, trace, free="tau", weights=weights)
    assert found.params.tau == pytest.approx(3, rel=1e-6)
    # A spike during a pulse is ignored: the response is that to the first alone.
    found = fitted(spike_times=[SPIKE, SPIKE + 0.4], overlap="ignore", trace=AMPA_CLEAN)
    assert found.params.T_dur == pytest.approx(0.77, rel=1e-4)


def test_bounds_hold():
    found = fitted(bounds={"beta": (0.1, 0.25), "onset": (-1.0, 1.0)})
    assert found.params.beta == pytest.approx(0.25, rel=1e-6)
    assert "At a bound, where standard errors are not valid: beta." in found.message
    found = fitted(bounds={"scale": (-20.0, 0.0)})
    assert found.scale == pytest.approx(-20, rel=1e-6)
    assert found.message.endswith("scale.")
    # Bounds out of reach change nothing, though scale and offset are then found in another way.
    found, free = fitted(bounds={"scale": (-900.0, 0.0), "offset": (-50.0, 50.0), "beta": (0, 9)}), fitted()
    assert found.params == pytest.approx(free.params, rel=1e-3)
    assert found.offset == pytest.approx(free.offset, rel=1e-3)


def test_double_precision_whatever_the_mode():
    before = jnp.zeros(1).dtype
    found = fitted()
    assert jnp.zeros(1).dtype == before
    with enable_x64():
        assert fitted().params == found.params


def test_too_few_evaluations_are_admitted():
    found = fitted(max_nfev=2, starts=1)
    assert not found.success
    assert "stopped at `max_nfev`" in found.message


# What cannot be told


def test_alpha_and_T():
    """Only their product acts on the curve."""
    found, known = fitted(free=("alpha", "T", "beta", "T_dur")), fitted()
    assert not found.identifiable
    assert known.identifiable
    assert found.stderr["alpha"] == found.stderr["T"] == np.inf
    assert found.stderr["beta"] == pytest.approx(known.stderr["beta"], rel=0.01)
    said = re.search(
        r"alpha and T cannot be told apart: only alpha\*T \(here (.*) ± (.*)\) can be known\.", found.message
    )
    value, error = map(float, said.groups())
    assert value == pytest.approx(0.5 * known.params.alpha, abs=0.05 * error)
    assert error == pytest.approx(0.5 * known.stderr["alpha"], rel=0.05)
    assert re.search(r"alpha +\S+ +inf", found.summary())


@pytest.mark.parametrize("scales", [[-30.0], [-30.0, 12.0]])
def test_amplitude_and_scale(scales):
    g = np.exp(-np.maximum(TIMES - SPIKE, 0) / 4) - np.exp(-np.maximum(TIMES - SPIKE, 0) / 1.3)
    traces = np.stack([noisy(scale * g, 0.005, 1) for scale in scales])
    found = fit(
        dual_expon,
        dual_expon.Params(),
        [SPIKE],
        TIMES,
        traces[0] if len(scales) == 1 else traces,
        free=("tau_decay", "tau_rise", "amplitude"),
        scale=True,
    )
    assert not found.identifiable
    assert "amplitude and scale cannot be told apart: only amplitude*scale" in found.message
    assert np.all(np.isinf(found.stderr["scale"]))
    assert found.stderr["tau_decay"] < 0.1


def test_onset_of_a_jump():
    """An exponential that starts earlier is a larger one: between two samples no onset is better than another."""
    trace = noisy(np.where(TIMES >= 3, np.exp(-(TIMES - 3) / 4), 0.0), 0.005, 2)
    found = fit(expon, expon.Params(), [2.95], TIMES, trace, free="tau", scale=True, onset=True)
    assert not found.identifiable
    assert "scale and onset cannot be told apart: only a combination of them can be known." in found.message
    assert found.params.tau == pytest.approx(4, rel=0.02)


def test_what_noise_hides():
    """Far from saturation a smaller alpha makes up for a larger scale: the noise hides the difference."""
    trace = noisy(-30 * first_order(TIMES, 0.005, 0.31, 0.77, SPIKE), 0.02, 3)
    found = fitted(trace=trace, onset=False, offset=False)
    assert not found.identifiable
    assert "alpha and scale can hardly be told apart: little more than alpha*scale is known." in found.message
    assert found.stderr["alpha"] > 0.7 * found.params.alpha
    assert found.stderr["beta"] < 0.1 * found.params.beta


def test_what_does_nothing():
    """A pulse that goes on to the end of the recording: no decay is seen, and its length does not matter."""
    trace = noisy(first_order(TIMES, 0.4, 0.0, 99.0, SPIKE), 0.005, 4)
    found = fitted(
        trace=trace, params=ampa.Params(T_dur=60.0, beta=0.0), free=("alpha", "T_dur"), onset=False, starts=1
    )
    assert not found.identifiable
    assert "The recording says nothing about T_dur." in found.message
    assert found.params.alpha == pytest.approx(0.8, rel=0.05)


# Recordings


def test_granule_cell(recordings):
    """Against what SciPy gives on the closed form: R^2 0.978, alpha*T 2.21, beta 0.976, T_dur 0.252, onset 2.91."""
    data = np.genfromtxt(recordings / "mepsc_granule_cell.csv", delimiter=",", names=True)[100:]
    found = fit(ampa, ampa.Params(), [2.9], data["time_ms"], data["mean_pA"], **ALL_FREE)
    assert found.r_squared == pytest.approx(0.978, abs=6e-4)
    assert found.params.alpha * found.params.T == pytest.approx(2.21, rel=0.01)
    assert found.params.beta == pytest.approx(0.976, rel=0.01)
    assert found.params.T_dur == pytest.approx(0.252, rel=0.01)
    assert 2.9 + found.onset == pytest.approx(2.91, abs=0.01)
    assert found.scale < 0
    # The noise is filtered, and the model not quite that of the cell: one trace does not tell alpha from the scale.
    assert not found.identifiable
    assert "alpha and scale can hardly be told apart" in found.message


def test_shipped_recording():
    """It is what its script makes, and the fit finds what the script says."""
    folder = Path(synkin.__file__).parent / "data"
    script = runpy.run_path(str(folder / "make_recording.py"))
    lines = (folder / "recording.csv").read_text().splitlines()
    made = script["text"]().splitlines()
    assert lines[0].startswith("# Synthetic")
    assert lines[:3] == made[:3]
    times, trace = np.loadtxt(lines[3:], delimiter=",").T
    # The last digit depends on the platform's exp.
    np.testing.assert_allclose(trace, np.loadtxt(made[3:], delimiter=",")[:, 1], atol=0.0011)
    found = fit(ampa, ampa.Params(), script["SPIKES"], times, trace, **ALL_FREE)
    expected = {
        "alpha": "ALPHA",
        "beta": "BETA",
        "T_dur": "T_DUR",
        "scale": "SCALE",
        "offset": "BASELINE",
        "onset": "DELAY",
    }
    for name, constant in expected.items():
        value = getattr(found.params, name, None) or getattr(found, name)
        assert abs(value - script[constant]) < 3 * found.stderr[name], name
    assert found.noise == pytest.approx(script["NOISE"], rel=0.1)
    assert found.identifiable


# How it is computed


def posed_problem(trace=AMPA_TRACE, **options):
    held = {"scale": True, "offset": True, "onset": True}
    arguments = {"free": ("alpha", "beta", "T_dur"), "held": held, "weights": None, "bounds": {}, "overlap": "restart"}
    return checking.as_problem(ampa, ampa.Params(), [SPIKE], TIMES, trace, **(arguments | {"unit": ""} | options))


def test_derivatives():
    """Of two recordings, with respect to every coordinate, against differences."""
    posed = posed_problem(np.stack([AMPA_TRACE, 2 * AMPA_TRACE]))
    point = np.array([np.log(2.0), np.log(0.3), np.log(0.72), -3, 5, 1, 2, 0.11, 0.23])
    steps = 1e-6 * np.eye(len(point))
    with enable_x64():
        exact = model.curve(posed, point).derivative
        for i, step in enumerate(steps):
            difference = (model.curve(posed, point + step).value - model.curve(posed, point - step).value) / 2e-6
            for r, columns in enumerate(posed.columns):
                mine = exact[r][:, columns == i].sum(axis=1)
                np.testing.assert_allclose(mine, difference[r], atol=2e-8, err_msg=posed.labels[i])


def test_compressed_columns_keep_what_least_squares_uses():
    columns = np.random.default_rng(5).normal(size=(2, 300, 4))
    traces = np.stack([AMPA_TRACE, AMPA_TRACE])
    traces[1, 10:50] = np.nan
    small = model.qr_factors(posed_problem(traces), columns)
    assert small.shape == (2, 4, 4)
    np.testing.assert_allclose(small[0].T @ small[0], columns[0].T @ columns[0], atol=1e-10)
    there = np.delete(columns[1], np.s_[10:50], axis=0)
    np.testing.assert_allclose(small[1].T @ small[1], there.T @ there, atol=1e-10)


def test_nothing_is_compiled_anew():
    fitted()
    with jax.log_compiles(False):
        before = model._respond._cache_size()
        fitted(trace=noisy(AMPA_CLEAN, 0.01, 9), spike_times=[SPIKE + 0.1])
        assert model._respond._cache_size() == before


def test_progress(capsys, monkeypatch):
    """With a clock that is 1 s later each time it is looked at: nothing, a line each 10 s, or one that is rewritten."""
    monkeypatch.setattr("time.monotonic", itertools.count().__next__)
    fitted(progress=False)
    assert capsys.readouterr().err == ""
    fitted()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2
    for i, line in enumerate(lines, start=1):
        assert re.fullmatch(rf"fit: start \d+ of 12, evaluation \d+, {10 * i} s", line)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    fitted()
    written = capsys.readouterr().err
    assert written.startswith("\rfit: start 1 of 12, evaluation 2, 2 s\rfit: start 1 of 12, evaluation 3, 3 s\r")
    assert written.endswith("\r\033[K")


def test_summary():
    found = fitted(unit="pA")
    assert isinstance(found, Fit)
    lines = found.summary().splitlines()
    assert found.message.startswith(found.verdict)
    assert lines[0] == found.verdict
    assert lines[1].split() == ["value", "std.", "error", "unit"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[2:]}
    assert rows["T"] == ["0.5", "held", "mM"]
    assert float(rows["beta"][0]) == pytest.approx(found.params.beta, abs=0.05 * found.stderr["beta"])
    assert float(rows["beta"][1]) == pytest.approx(found.stderr["beta"], rel=0.05)
    assert [rows[name][2] for name in ("alpha", "scale", "offset", "onset")] == ["1/ms/mM", "pA/mS", "pA", "ms"]
    assert f"residuals {found.noise:.3g} pA" in found.summary()
    assert repr(found).startswith("Fit of ampa to 300 samples\n")


def test_quantities():
    u = pytest.importorskip("saiunit")
    params = ampa.Params()._replace(T=500 * u.uM, beta=180 * u.Hz)
    found = fitted(
        params=params, times=TIMES / 1000 * u.second, spike_times=np.array([SPIKE]) * u.ms, trace=AMPA_TRACE * u.pA
    )
    assert found.params == pytest.approx(fitted().params, rel=1e-4)
    assert "pA/mS" in found.summary()
    with pytest.raises(TypeError, match="Argument `times` must be in ms, but is in mV"):
        fitted(times=TIMES * u.mV)


# Pictures


@pytest.mark.parametrize("recordings", [1, 3])
def test_plot(recordings):
    pytest.importorskip("matplotlib")
    trace = AMPA_TRACE.copy()
    trace[7] = np.nan
    found = fitted(trace=trace if recordings == 1 else np.stack([trace, 2 * AMPA_TRACE, 3 * AMPA_TRACE]), unit="pA")
    axes = plot.figure().subplots(2, 1)
    above, below = plot.fit(found, ax=axes)
    assert (above, below) == tuple(axes)
    labels = [text.get_text() for text in above.get_legend().get_texts()]
    lines = dict(zip(labels, [line for line in above.lines if line.get_label()[0] != "_"], strict=False))
    mean = "" if recordings == 1 else ", mean of 3"
    assert labels == ["recording" + mean, "fit" + mean, "spikes"]
    fits = np.atleast_2d(found.predicted)
    np.testing.assert_allclose(lines["fit" + mean].get_ydata(), fits.mean(axis=0))
    there = np.delete(np.arange(300), 7)
    means = np.atleast_2d(found.trace).mean(axis=0)
    np.testing.assert_allclose(lines["recording" + mean].get_ydata()[there], means[there])
    np.testing.assert_array_equal(below.lines[0].get_ydata(), np.atleast_2d(found.residuals)[0])
    ticks = [segment[0, 0] for segment in above.collections[0].get_segments()]
    np.testing.assert_allclose(ticks, np.unique(SPIKE + found.onset))
    assert (above.get_ylabel(), below.get_ylabel()) == ("recording (pA)", "residual (pA)")
    assert below.get_xlabel() == "time (ms)"


def test_plot_makes_its_axes():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    found = fitted()
    above, below = plot.fit(found)
    assert above.get_position().height > below.get_position().height
    assert above.get_shared_x_axes().joined(above, below)
    pyplot.close(above.figure)
    with pytest.raises(ValueError, match="Argument `ax` must be two Axes"):
        plot.fit(found, ax=above)


# What is wrong

NAN = np.full(300, np.nan)
ONE = np.where(np.arange(300) == 7, 1.0, np.nan)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": "ampa"}, "Argument `kernel` must be a kernel such as synkin.ampa, but is 'ampa'"),
        (
            {"params": alpha.Params()},
            "Argument `params` must be a synkin.ampa.Params, but is a synkin.alpha.Params",
        ),
        (
            {"params": ampa.Params(beta=-1.0)},
            "Parameter `beta` must be finite and not negative, but has the value -1.0",
        ),
        ({"params": ampa.Params(beta=0.0)}, "Parameter `beta` must be positive to be fitted, but starts at 0.0"),
        ({"params": ampa.Params(beta=[0.1, 0.2])}, "Parameter `beta` must broadcast against shape ()"),
        (
            {
                "kernel": alpha,
                "params": alpha.Params(),
                "free": "tau",
                "spike_times": [3.0, 3.0],
                "weights": [1.7e308] * 2,
            },
            "Arguments `params` and `weights` must be less extreme: the curve is not finite",
        ),
        ({"times": TIMES[::-1]}, "Argument `times` must be increasing, but element 1 (29.8) is not above 29.9"),
        ({"times": np.zeros((3, 2))}, "Argument `trace` must have shape (3, 2), as `times` has, but has (300,)"),
        ({"times": np.zeros((3, 2, 1))}, "Argument `times` must have shape (M,), M at least 1, but has shape (3, 2, 1"),
        ({"times": [], "trace": []}, "Argument `times` must have shape (M,), M at least 1, but has shape (0,)"),
        ({"times": np.where(TIMES == 0, np.nan, TIMES)}, "Argument `times` must be finite, but element 0 is nan"),
        ({"times": "ten"}, "Argument `times` must be a real number or an array of them, but is 'ten'"),
        ({"trace": AMPA_TRACE[:9]}, "Argument `trace` must have shape (300,) or (R, 300), as `times` has length 300"),
        ({"trace": NAN}, "Argument `trace` must hold numbers, but all 300 samples are NaN"),
        ({"trace": [AMPA_TRACE, NAN]}, "Row 1 of argument `trace` must hold numbers, but all 300 samples are NaN"),
        ({"trace": ONE}, "Argument `trace` must have at least 7 samples for what is free, but has 1"),
        ({"trace": [AMPA_TRACE, ONE]}, "Row 1 of argument `trace` must have at least 4 samples for what is free"),
        ({"trace": np.zeros(300)}, "Argument `trace` must vary, but is 0.0 throughout"),
        (
            {"trace": np.where(TIMES == 0, np.inf, AMPA_TRACE)},
            "Argument `trace` must be finite or NaN, but sample 0 is inf",
        ),
        (
            {"spike_times": [31.0]},
            "Argument `spike_times` must lie before the end of the recording, 29.9 ms, but has 31.0",
        ),
        (
            {"spike_times": [5.0, np.nan]},
            "Argument `spike_times` must be times or inf as padding, but element 1 is",
        ),
        ({"spike_times": [np.inf]}, "Argument `spike_times` must have at least one finite time for each recording"),
        ({"spike_times": [[3.0], [4.0]]}, "Argument `spike_times` must have shape (K,), but has shape (2, 1)"),
        (
            {"weights": [1.0]},
            "Argument `weights` is for the linear kernels alpha, expon and dual_expon, not a receptor",
        ),
        (
            {"free": ()},
            "Argument `free` must name at least one parameter of ampa (alpha, beta, T, T_dur), but is empty",
        ),
        ({"free": "gamma"}, "Argument `free` must name parameters of ampa (alpha, beta, T, T_dur), but has 'gamma'"),
        ({"free": ("beta", "beta")}, "Argument `free` must name each parameter once, but is beta, beta"),
        ({"scale": "big"}, "Argument `scale` must be True, False, 'shared' or a finite number, but is 'big'"),
        ({"onset": np.nan}, "Argument `onset` must be True, False, 'shared' or a finite number, but is nan"),
        ({"bounds": {"T": (0, 1)}}, "Argument `bounds` must name what is free"),
        (
            {"bounds": {"beta": (2, 1)}},
            "Argument `bounds` must have a lower and a higher number for `beta`, but has (2, 1)",
        ),
        ({"bounds": {"beta": (-1, 1)}}, "Argument `bounds` must not be negative for `beta`, but has -1.0"),
        ({"bounds": {"beta": (1, 2)}}, "Parameter `beta` must start within its bounds, 1.0 to 2.0, but starts at 0.18"),
        ({"loss": "huber"}, "Argument `loss` must be one of 'linear', 'soft_l1', but is 'huber'"),
        ({"starts": 0}, "Argument `starts` must be a positive whole number, but is 0"),
        ({"max_nfev": 1.5}, "Argument `max_nfev` must be a positive whole number, but is 1.5"),
        ({"overlap": "add"}, "Argument `overlap` must be one of 'restart', 'ignore', but is 'add'"),
    ],
)
def test_errors(options, message):
    with pytest.raises((TypeError, ValueError), match="^" + re.escape(message)) as caught:
        fitted(**options)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_of_equally_good_ends_the_one_nearest_to_what_was_asked_for_is_kept():
    """dual_expon's time constants may change places without changing the curve."""
    swapped = SimpleNamespace(cost=1.0, x=np.log([1.0, 10.0]))
    as_asked = SimpleNamespace(cost=1.0 + 1e-9, x=np.log([10.0, 1.0]))
    worse = SimpleNamespace(cost=2.0, x=np.log([15.0, 1.5]))
    assert optimizer._best([swapped, as_asked, worse], np.log([15.0, 1.5])) is as_asked
