"""Many fits at once: each is the fit of its recording alone, and what cannot be fitted is said."""

import pickle

import numpy as np
import pytest

import synkin
from synkin import ampa, bionmda, dual_expon, expon, fit, fit_each, schemes
from synkin.fitting import model
from synkin.fitting.batch import descent
from synkin.fitting.batch.recordings import padded_length
from tests.helpers.precision import enable_x64

TIMES = np.arange(200) * 0.2
SPIKE = 5.0


def recordings(kernel, free, number, *, noise=0.02, onset=0.0, seed=0, times=TIMES):
    """Traces (number, M) in noise, and the true parameters, scales and onsets."""
    rng = np.random.default_rng(seed)
    true = {name: getattr(kernel.Params(), name) * np.exp(0.3 * rng.standard_normal(number)) for name in free}
    true |= {"scale": -100 * np.exp(0.3 * rng.standard_normal(number)), "onset": onset * rng.standard_normal(number)}
    traces = []
    with enable_x64():
        for r in range(number):
            params = kernel.Params()._replace(**{name: true[name][r] for name in free})
            traces.append(np.asarray(synkin.respond(kernel, params, np.array([SPIKE]) + true["onset"][r], times)))
    clean = true["scale"][:, None] * np.array(traces)
    return clean + noise * np.abs(clean).max(axis=1, keepdims=True) * rng.standard_normal(clean.shape), true


def value_of(result, name):
    return getattr(result.params if name in result.params._fields else result, name)


CASES = [
    pytest.param(ampa, ("beta", "T_dur"), {}, marks=pytest.mark.wide),
    (ampa, ("beta",), {"offset": True, "onset": True}),
    pytest.param(dual_expon, ("tau_rise", "tau_decay"), {"offset": True, "onset": True}, marks=pytest.mark.wide),
    (expon, ("tau",), {"offset": 0.5}),
    pytest.param(bionmda, ("beta1", "beta2"), {"offset": True}, marks=pytest.mark.wide),
    pytest.param(schemes.nmda5, ("koff", "beta"), {"offset": True}, marks=pytest.mark.wide),
]


def linear_errors(found):
    """Errors by name as the inverse of J'J gives them, where all noise has one level and one correlation.

    Those of a single fit also allow for noise that grows, and for how each lag of a correlation weighs.
    """
    with enable_x64():
        jacobian = model.curve(found.problem, found.point).derivative[0][found.problem.present[0]]
    covariance = np.linalg.inv(jacobian.T @ jacobian) * found.noise**2 * found.alike
    sizes = np.where(found.problem.are_logarithms, np.exp(np.minimum(found.point, 700.0)), 1.0)
    return dict(zip(found.labels, sizes * np.sqrt(np.diag(covariance)), strict=True))


@pytest.mark.parametrize(("kernel", "free", "options"), CASES)
def test_each_fit_is_that_of_its_recording_alone(kernel, free, options):
    traces, _ = recordings(kernel, free, 3, onset=0.3 * ("onset" in options))
    many = fit_each(kernel, kernel.Params(), [SPIKE], TIMES, traces, free=free, **options)
    assert (many.flag == "").all()
    assert many.converged.all()
    assert many.identifiable.all()
    assert many.seconds > 0
    assert (many.nfev < 100).all()
    for r, trace in enumerate(traces):
        alone = fit(kernel, kernel.Params(), [SPIKE], TIMES, trace, free=free, scale=True, progress=False, **options)
        assert many.free == tuple(alone.free)
        for name in alone.free:
            np.testing.assert_allclose(value_of(many, name)[r], value_of(alone, name), rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(many.stderr[name][r], linear_errors(alone)[name], rtol=1e-2)
        np.testing.assert_allclose(many.r_squared[r], alone.r_squared, rtol=1e-9)
        np.testing.assert_allclose(many.noise[r], alone.noise, rtol=1e-6)
        np.testing.assert_allclose(many.alike[r], alone.alike, rtol=1e-3)
        np.testing.assert_allclose(many.predict()[r], alone.predicted, rtol=0, atol=1e-5 * np.abs(trace).max())
        np.testing.assert_allclose(many.predict([9.0, 1.0])[r], alone.predict([9.0, 1.0]), rtol=0, atol=1e-3)


@pytest.mark.wide
def test_estimates_are_right_on_average_and_errors_are_as_large_as_they_are_said_to_be():
    traces, true = recordings(dual_expon, ("tau_rise", "tau_decay"), 300, onset=0.3, seed=1)
    free = ("tau_rise", "tau_decay")
    found = fit_each(dual_expon, dual_expon.Params(), [SPIKE], TIMES, traces, free=free, offset=True, onset=True)
    assert found.good.all()
    for name in (*free, "scale", "onset"):
        z = (value_of(found, name) - true[name]) / found.stderr[name]
        assert abs(z.mean()) < 0.25, name
        assert 0.85 < z.std() < 1.2, name


def test_correlated_noise_widens_errors_as_in_a_single_fit():
    traces, _ = recordings(ampa, ("beta",), 3, noise=0.0)
    rng = np.random.default_rng(5)
    traces += np.array([np.convolve(rng.standard_normal(240), np.ones(12) / 12, "valid")[:200] for _ in range(3)])
    traces[1, 30:60] = np.nan
    many = fit_each(ampa, ampa.Params(), [SPIKE], TIMES, traces, free="beta")
    assert (many.alike > 3).all()
    for r, trace in enumerate(traces):
        alone = fit(ampa, ampa.Params(), [SPIKE], TIMES, trace, free="beta", scale=True, progress=False, starts=3)
        np.testing.assert_allclose(many.alike[r], alone.alike, rtol=1e-6)
        np.testing.assert_allclose(many.stderr["beta"][r], linear_errors(alone)["beta"], rtol=1e-4)


@pytest.mark.wide
def test_recordings_padded_with_nan_are_those_without_padding():
    traces, _ = recordings(ampa, ("beta",), 4)
    short = fit_each(ampa, ampa.Params(), [SPIKE], TIMES[:150], traces[:, :150], free="beta")
    traces[:, 150:] = np.nan
    padded = fit_each(ampa, ampa.Params(), [SPIKE, np.inf], TIMES, traces, free="beta")
    np.testing.assert_allclose(padded.params.beta, short.params.beta, rtol=1e-7)
    np.testing.assert_allclose(padded.stderr["beta"], short.stderr["beta"], rtol=1e-6)
    assert "200 samples are NaN" in padded.message


def test_spikes_times_weights_and_held_parameters_may_be_those_of_each_recording():
    rng = np.random.default_rng(2)
    spikes, weights = np.sort(rng.uniform(1, 25, (5, 3)), axis=1), rng.uniform(0.5, 2, (5, 3))
    times = TIMES + rng.uniform(0, 1, (5, 1))
    rises, decays = rng.uniform(0.5, 2, 5), rng.uniform(4, 9, 5)
    traces = []
    with enable_x64():
        for r in range(5):
            params = dual_expon.Params(tau_rise=rises[r], tau_decay=decays[r])
            traces.append(np.asarray(synkin.respond(dual_expon, params, spikes[r], times[r], weights=weights[r])))
    order = [2, 0, 1]
    start = dual_expon.Params(tau_rise=rises, tau_decay=6.0)
    trains = {"weights": weights[:, order]}
    found = fit_each(dual_expon, start, spikes[:, order], times, 3 * np.array(traces), free="tau_decay", **trains)
    np.testing.assert_allclose(found.params.tau_decay, decays, rtol=1e-6)
    np.testing.assert_allclose(found.params.tau_rise, rises)
    np.testing.assert_allclose(found.scale, 3.0, rtol=1e-6)
    assert found.good.all()
    assert found.r_squared.min() > 1 - 1e-10


def test_other_lengths_and_numbers_of_recordings_compile_nothing():
    traces, _ = recordings(ampa, ("beta",), 3)
    fit_each(ampa, ampa.Params(), [SPIKE], TIMES, traces, free="beta", onset=True)
    before = descent.descend._cache_size(), descent.conductances._cache_size()
    many = np.tile(traces, (100, 1))[:, :195]
    found = fit_each(ampa, ampa.Params(), [SPIKE], TIMES[:195], many, free="beta", onset=True)
    assert (descent.descend._cache_size(), descent.conductances._cache_size()) == before
    np.testing.assert_array_equal(found.params.beta[:3], found.params.beta[-3:])
    lengths = {padded_length(n) for n in range(1, 4097)}
    assert len(lengths) < 80
    assert all(n <= padded_length(n) <= max(n * 1.126, 16) for n in range(1, 4097))


def test_what_cannot_be_fitted_is_flagged_and_does_not_disturb_the_others():
    traces, _ = recordings(ampa, ("beta",), 9)
    alone = fit_each(ampa, ampa.Params(), [SPIKE], TIMES, traces[:1], free="beta", offset=True)
    rng = np.random.default_rng(3)
    traces[1] = np.nan
    traces[2, 3:] = np.nan
    traces[3] = -7.0
    traces[4] = rng.standard_normal(200)
    traces[5] = -20 * (1 + np.sin(TIMES / 3))
    traces[6, 50:150:10] += 60.0  # outliers
    spikes = np.full((9, 1), SPIKE)
    spikes[7] = 100.0
    spikes[8] = np.inf
    found = fit_each(ampa, ampa.Params(), spikes, TIMES, traces, free="beta", offset=True, unit="pA")
    expected = ["", "no samples", "too few samples", "constant", "no response"]
    assert found.flag[:5].tolist() == expected
    assert set(found.flag[5:7]) <= {"misfit", "no response"}
    assert found.flag[7:].tolist() == ["no spike before its end"] * 2
    assert found.good.tolist() == [True] + [False] * 8
    unfit = [1, 2, 3, 7, 8]
    for values in (found.params.beta, found.scale, found.offset, found.noise, found.r_squared, found.stderr["beta"]):
        assert np.isnan(values[unfit]).all()
        assert np.isfinite(values[[0, 4, 5, 6]]).all()
    assert np.isnan(found.predict()[unfit]).all()
    assert not found.converged[unfit].any()
    np.testing.assert_allclose(found.params.beta[0], alone.params.beta[0], rtol=1e-7)
    assert found.message.startswith("1 of 9 fits have no flag. 1 'no samples': all samples are NaN.")
    assert "1 of 9" in repr(found)
    assert "pA/mS" in found._repr_html_()


def test_what_a_recording_does_not_determine_has_an_infinite_error():
    traces, _ = recordings(ampa, ("beta",), 2)
    found = fit_each(ampa, ampa.Params(), [SPIKE], TIMES, traces, free=("alpha", "beta", "T"))
    assert set(found.flag) <= {"not identifiable", "at a bound"}
    assert not found.identifiable.any()
    assert np.isinf(found.stderr["alpha"]).all()
    assert np.isinf(found.stderr["T"]).all()
    assert np.isfinite(found.stderr["beta"]).all()
    assert "alpha (" in found.message


@pytest.mark.wide
def test_a_far_start_finds_what_a_near_one_finds():
    free = ("tau_rise", "tau_decay")
    traces, _ = recordings(dual_expon, free, 4, seed=4)
    near, far = (
        fit_each(dual_expon, start, [SPIKE], TIMES, traces, free=free, onset=True)
        for start in (dual_expon.Params(), dual_expon.Params(tau_rise=0.03, tau_decay=400.0))
    )
    assert near.good.all()
    for name in (*free, "onset"):  # where the onset falls on a sample, descents stop a little beside the minimum
        assert (np.abs(value_of(far, name) - value_of(near, name)) < 0.02 * near.stderr[name]).all()


def test_bounds_hold_and_what_ends_there_is_flagged():
    traces, true = recordings(ampa, ("beta",), 3, noise=0.01)
    bounds = {"beta": (0.01, 0.18), "scale": (-1000.0, 0.0)}
    found = fit_each(ampa, ampa.Params(), [SPIKE], TIMES, traces, free="beta", bounds=bounds)
    above = true["beta"] > 0.2
    assert above.any()
    assert (found.params.beta <= 0.18 * (1 + 1e-12)).all()
    assert (found.flag[above] == "at a bound").all()
    assert found.at_bound[above].all()
    wide = {"beta": (0.01, 10.0), "scale": (-1000.0, 0.0)}
    searched = fit_each(ampa, ampa.Params(), [SPIKE], TIMES, traces, free="beta", bounds=wide)
    solved = fit_each(ampa, ampa.Params(), [SPIKE], TIMES, traces, free="beta")
    for name in ("beta", "scale"):
        np.testing.assert_allclose(value_of(searched, name), value_of(solved, name), rtol=1e-5)
        np.testing.assert_allclose(searched.stderr[name], solved.stderr[name], rtol=1e-3)
    wrong = fit_each(ampa, ampa.Params(), [SPIKE], TIMES, -traces, free="beta", bounds=wide)
    assert (wrong.scale <= 0).all()
    assert not wrong.good.any()


def test_samples_with_large_errors_count_little():
    traces, _ = recordings(expon, ("tau",), 2)
    sigma = np.ones(200)
    sigma[60:80] = 1e6
    spoilt = traces + np.where(sigma > 1, 50.0, 0.0)
    left_out = np.where(sigma > 1, np.nan, traces)
    weighted = fit_each(expon, expon.Params(), [SPIKE], TIMES, spoilt, free="tau", sigma=sigma)
    without = fit_each(expon, expon.Params(), [SPIKE], TIMES, left_out, free="tau")
    np.testing.assert_allclose(weighted.params.tau, without.params.tau, rtol=1e-6)
    assert weighted.good.all()


def test_times_keep_their_order_and_a_result_can_be_pickled():
    traces, _ = recordings(dual_expon, ("tau_rise", "tau_decay"), 3)
    start = dual_expon.Params(tau_rise=10.0, tau_decay=1.0)
    found = fit_each(dual_expon, start, [SPIKE], TIMES, traces, free=("tau_rise", "tau_decay"))
    assert (found.params.tau_rise > found.params.tau_decay).all()
    again = pickle.loads(pickle.dumps(found))
    assert len(again) == 3
    assert repr(again) == repr(found)
    np.testing.assert_array_equal(again.predict(), found.predict())


def test_a_search_that_is_cut_short_says_so():
    traces, _ = recordings(ampa, ("beta", "T_dur"), 2)
    found = fit_each(ampa, ampa.Params(), [SPIKE], TIMES, traces, free=("beta", "T_dur"), starts=1, max_nfev=2)
    assert found.flag.tolist() == ["not converged"] * 2
    assert (found.nfev <= 2).all()
