"""Fits by the likelihood of channels: what they recover, their derivatives and errors, and what they say."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

import synkin
from synkin.arguments.known import double_precision
from synkin.fitting.channels.likelihood import Seen, evaluate
from synkin.runs.protocol import Jumps

AMPA = synkin.ampa
TRUE = AMPA.Params(alpha=1.0, beta=0.3)
TIMES = np.arange(60) * 0.4  # ms
JUMP = Jumps([2.0, 12.0], [1.0])
CHANNELS, UNITARY, SIGMA, OFFSET = 50, -1.0, 0.3, 2.0
OPTIONS = {"free": ("alpha", "beta"), "scale": True, "offset": True, "unit": "pA", "progress": False}


def sweeps(seed, channels=CHANNELS, sigma=SIGMA, number=12):
    keys = jax.random.split(jax.random.key(seed), number)
    g = jax.vmap(lambda key: synkin.sample(AMPA, TRUE, JUMP, TIMES, channels=channels, key=key))(keys)
    noise = np.random.default_rng(seed).normal(size=g.shape)
    return CHANNELS * UNITARY * np.asarray(g, float) + OFFSET + sigma * noise


@pytest.fixture(scope="module")
def found():
    trace = sweeps(0)
    trace[3, 10:14] = np.nan
    start = TRUE._replace(alpha=0.5, beta=0.5)
    return SimpleNamespace(trace=trace, fit=synkin.fit(AMPA, start, JUMP, TIMES, trace, channels=True, **OPTIONS))


def test_it_recovers_rates_channels_and_their_current(found):
    fit = found.fit
    true = {"alpha": 1.0, "beta": 0.3, "scale": CHANNELS * UNITARY, "offset": OFFSET, "sigma": SIGMA}
    true |= {"channels": CHANNELS, "unitary": UNITARY}
    assert fit.labels == ("alpha", "beta", "scale", "offset", "sigma", "channels")
    assert set(fit.stderr) == set(true)
    assert fit.success
    assert fit.identifiable
    for name, value in true.items():
        estimate = fit.unitary if name == "unitary" else fit.free[name]
        assert 0 < fit.stderr[name] < 0.3 * abs(value), name
        assert abs(estimate - value) < 3 * fit.stderr[name], name
    assert fit.unitary == fit.scale / fit.channels == fit.scale / fit.free["channels"]
    assert "4 of 720 samples are NaN" in fit.message
    assert "Least squares would do" not in fit.message


def test_the_likelihood_is_that_of_all_sweeps_at_its_highest(found):
    fit = found.fit
    with double_precision():

        def likelihood(trace, **changed):
            given = {name: getattr(fit, name) for name in ("scale", "offset", "sigma", "channels")} | changed
            return synkin.log_likelihood(AMPA, fit.params, JUMP, TIMES, trace, **given)

        assert sum(map(likelihood, found.trace)) == pytest.approx(fit.log_likelihood, rel=1e-9)
        for name in ("scale", "sigma", "channels"):
            for factor in (0.99, 1.01):
                changed = {name: getattr(fit, name) * factor}
                assert sum(likelihood(row, **changed) for row in found.trace) < fit.log_likelihood


def test_derivatives_and_information(found):
    seen = Seen(found.fit.problem, None)
    place = found.fit.point + np.array([0.1, -0.1, 2.0, 0.1, 0.1, 0.1])
    with double_precision():
        at, step = evaluate(seen, place), 1e-5
        ends = [[evaluate(seen, place + sign * step * row) for sign in (1, -1)] for row in np.eye(len(place))]
    np.testing.assert_allclose(at.gradient, [(up.value - down.value) / (2 * step) for up, down in ends], rtol=1e-5)
    of_mean = np.array([(up.mean - down.mean) / (2 * step) for up, down in ends]) / np.sqrt(at.variance)
    of_log = np.array([np.log(up.variance / down.variance) / (2 * step) for up, down in ends])
    counted = np.where(found.fit.problem.present, 1.0, 0.0)
    of_mean, of_log = (counted * a for a in (of_mean, of_log))
    expected = np.einsum("irm,jrm->ij", of_mean, of_mean) + np.einsum("irm,jrm->ij", of_log, of_log) / 2
    np.testing.assert_allclose(at.information, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["unitary", "beta"])
def test_errors_are_the_curvature_of_the_profile(found, name):
    profile = found.fit.profile(name)
    best = found.fit.unitary if name == "unitary" else found.fit.params.beta
    assert profile.best == pytest.approx(best)
    near = np.abs(profile.distance) < 0.6
    logarithm = np.log(profile.values / best)[near]
    slope = np.polyfit(logarithm, profile.distance[near] * np.sign(best), 1)[0]
    assert 1 / slope == pytest.approx(found.fit.stderr[name] / abs(best), rel=0.03)
    low, high = profile.interval95
    assert low < best < high
    assert profile.growth_of == "deviance"


def test_a_band_is_the_noise_of_independent_channels(found):
    fit = found.fit
    mean, deviation = fit.predict(TIMES, band=True)
    np.testing.assert_allclose(mean, fit.predict(TIMES), rtol=1e-9)
    g = (mean - fit.offset) / fit.scale
    np.testing.assert_allclose(deviation**2, fit.sigma**2 + fit.scale**2 * g * (1 - g) / fit.channels, rtol=1e-9)
    np.testing.assert_allclose(deviation, fit.deviation, rtol=1e-9)


@pytest.mark.wide
def test_a_number_is_held_and_files_keep_it(found, tmp_path):
    fit = synkin.fit(AMPA, TRUE, JUMP, TIMES, found.trace, channels=40, **OPTIONS)
    assert fit.channels == 40
    assert fit.labels[-1] == "sigma"
    assert "channels" not in fit.stderr
    assert fit.unitary == fit.scale / 40
    assert fit.stderr["unitary"] == pytest.approx(fit.stderr["scale"] / 40)
    assert fit.log_likelihood < found.fit.log_likelihood
    for one in (fit, found.fit):
        one.save(tmp_path / "fit.json")
        read = synkin.fit.load(tmp_path / "fit.json")
        assert str(read) == str(one)
        assert read.log_likelihood == one.log_likelihood
        assert read.stderr == one.stderr
        np.testing.assert_array_equal(read.predict(TIMES, band=True)[1], one.predict(TIMES, band=True)[1])


def test_comparison_by_the_likelihood(found):
    held = synkin.fit(AMPA, TRUE, JUMP, TIMES, found.trace, channels=20, **OPTIONS)
    shared = OPTIONS | {"scale": "shared", "offset": "shared"}
    least = synkin.fit(AMPA, TRUE, JUMP, TIMES, found.trace, **shared)
    compared = synkin.compare({"channels": found.fit, "twenty": held, "least": least})
    assert compared.names == ("channels", "twenty", "least")
    n = found.fit.problem.present.sum()
    variance = np.nanmean(least.residuals**2)
    likelihoods = [found.fit.log_likelihood, held.log_likelihood, -n / 2 * (np.log(2 * np.pi * variance) + 1)]
    bic = [k * np.log(n) - 2 * each for k, each in zip((6, 5, 5), likelihoods, strict=True)]
    np.testing.assert_allclose(compared.bic, np.array(bic) - bic[0], rtol=1e-9)


@pytest.mark.wide
def test_sweeps_with_stimuli_of_their_own():
    """Of each sweep its own spikes and rates count: the likelihood of the fit is the sum of those of the sweeps."""
    spikes = np.array([[2.0, 9.0], [3.1, np.inf], [4.0, 5.0]])
    trace = sweeps(1)[:3]
    edges, values = np.array([0.0, 10.0, 20.0]), np.array([[0.3, 0.4], [0.2, 0.4], [0.3, 0.1]])
    given = {"free": "alpha", "scale": True, "offset": 2.0, "varying": {"beta": (edges, values)}, "progress": False}
    fit = synkin.fit(AMPA, TRUE, spikes, TIMES, trace, channels=30, **given)
    options = {"scale": fit.scale, "offset": 2.0, "sigma": fit.sigma, "channels": 30}
    with double_precision():
        each = [
            float(synkin.log_likelihood(AMPA, fit.params, own, TIMES, row, varying={"beta": (edges, beta)}, **options))
            for own, row, beta in zip(spikes, trace, values, strict=True)
        ]
    assert sum(each) == pytest.approx(fit.log_likelihood, rel=1e-9)


@pytest.mark.wide
def test_it_says_when_least_squares_would_do():
    quiet = sweeps(2, channels=2_000_000, sigma=2.0)
    fit = synkin.fit(AMPA, TRUE, JUMP, TIMES, quiet, channels=True, **OPTIONS)
    assert "Least squares would do, as noise of gating is not seen: the noise of gating has" in fit.message
    assert fit.channels > 1e4
    assert fit.stderr["channels"] > fit.channels
    assert not fit.identifiable
    held = synkin.fit(AMPA, TRUE, JUMP, TIMES, quiet, channels=5, **OPTIONS)
    assert "less noisy than 5 channels would be" in held.message
    one = synkin.fit(AMPA, TRUE, JUMP, TIMES, sweeps(0)[:12].mean(axis=0), channels=True, **OPTIONS)
    assert "If this one sweep is an average of several, the number of channels is too high" in one.message


def test_filtered_noise_is_seen():
    trace = sweeps(3)
    slow = np.random.default_rng(3).normal(size=(12, 63))
    trace += 1.0 * (slow[:, :-3] + slow[:, 1:-2] + slow[:, 2:-1] + slow[:, 3:])
    fit = synkin.fit(AMPA, TRUE, JUMP, TIMES, trace, channels=True, **OPTIONS)
    assert "is correlated from sample to sample (0." in fit.verdict
    assert "errors are not valid" in fit.verdict


def test_a_picture(found):
    axes = synkin.plot.channels(found.fit, ax=synkin.plot.figure().subplots(1, 2))
    assert axes[1].get_xlabel() == "current (pA)"
    assert axes[1].get_ylabel() == "variance (pA²)"
    current, variance = axes[1].lines[1].get_data()
    at = np.abs(current).argmax()
    expected = found.fit.deviation[0] if found.fit.deviation.ndim == 2 else found.fit.deviation
    assert variance[at] == pytest.approx((expected**2)[np.abs(found.fit.predicted[0] - found.fit.offset).argmax()])
    with pytest.raises(ValueError, match="must be a fit with `channels`"):
        synkin.plot.channels(synkin.fit(AMPA, TRUE, JUMP, TIMES, found.trace[0], free="beta", scale=True))


def test_what_is_not_there_is_refused(found):
    for function in (lambda: found.fit.log_density, found.fit.bootstrap):
        with pytest.raises(ValueError, match=r"must be of a fit by least squares, but this has `channels`: use .+\."):
            function()
    with pytest.raises(ValueError, match="Argument `name` must be"):
        found.fit.profile("tau")
    average = synkin.Recording(TIMES, found.trace[:1], averaged=12)
    with pytest.raises(ValueError, match="but is the mean of 12 sweeps, which has less noise"):
        synkin.fit(AMPA, TRUE, JUMP, average, channels=True, **OPTIONS)
