"""What a recording says of the numbers: trade-offs, profiles, the bootstrap; which of several kernels it shows."""

import re

import jax
import numpy as np
import pytest
from scipy import optimize, stats

import synkin
from synkin import alpha, ampa, dual_expon, expon
from tests.helpers.interval_coverage import coverage
from tests.helpers.traces import CLOSED, SPIKE, TIMES, alpha_function, first_order, fitted, jump, noise, noisy

TRACE = noisy(-30 * alpha_function(TIMES) + 1.0, 0.25, seed=3)


def test_alpha_and_T():
    """Only their product acts on the curve."""
    trace = noisy(-30.0 * first_order(TIMES) + 2.0, 0.005)
    found, known = fitted(trace, ampa, free=("alpha", "T", "beta", "T_dur"), starts=1), fitted(trace, ampa)
    assert not found.identifiable
    assert known.identifiable
    assert found.stderr["alpha"] == found.stderr["T"] == np.inf
    assert found.stderr["beta"] == pytest.approx(known.stderr["beta"], rel=0.01)
    said = r"alpha and T cannot be told apart: only alpha\*T \(here (.*) ± (.*)\) can be known\."
    said = re.search(said, found.message)
    value, error = map(float, said.groups())
    assert value == pytest.approx(0.5 * known.params.alpha, abs=0.05 * error)
    assert error == pytest.approx(0.5 * known.stderr["alpha"], rel=0.05)
    assert "Hold one of them: for example, leave T out" in found.message
    assert "jumps at a spike" not in found.message
    assert re.search(r"alpha +\S+ +inf", found.summary())


@pytest.mark.wide
@pytest.mark.parametrize("recordings", [1, 2])
def test_amplitude_and_scale(recordings):
    trace = noisy(np.array([[-30.0], [12.0]])[:recordings] * CLOSED[dual_expon](TIMES), 0.005, 1).squeeze()
    found = fitted(trace, dual_expon, free=("tau_decay", "tau_rise", "amplitude"), starts=1)
    assert not found.identifiable
    assert "amplitude and scale cannot be told apart: only amplitude*scale" in found.message
    assert "Hold one of them: for example, leave amplitude" in found.message
    assert np.all(np.isinf(found.stderr["scale"]))
    assert found.stderr["tau_decay"] < 0.1


def test_onset_of_a_jump():
    """An exponential that starts earlier is a larger one: between two samples no onset is better than another."""
    found = fitted(noisy(jump(TIMES, onset=3.0), 0.005, 2), expon, spike_times=[2.95], onset=True)
    assert not found.identifiable
    assert "scale and onset cannot be told apart: only a combination of them can be known." in found.message
    assert "Hold one of them: for example, give onset a number. expon jumps at a spike, so that every" in found.message
    assert found.params.tau == pytest.approx(4, rel=0.02)
    # What is known ends at the samples.
    low, high = found.profile("onset").interval95
    assert low < found.onset < high < low + 1.0


def test_what_noise_hides():
    """Far from saturation a smaller alpha makes up for a larger scale."""
    trace = noisy(-30 * first_order(TIMES, 0.01), 0.02, 3)
    found = fitted(trace, ampa, offset=False)
    assert not found.identifiable
    assert "alpha and scale can hardly be told apart: little more than alpha*scale is known." in found.message
    assert found.stderr["alpha"] > 0.7 * found.params.alpha
    assert found.stderr["beta"] < 0.1 * found.params.beta
    # With T free too, alpha, T and scale are one number: two are to be held, and then all is known.
    near = ampa.Params(0.01, 0.3, 0.5, 0.77)
    first = fitted(trace, ampa, free=("alpha", "T", "beta", "T_dur"), params=near, starts=1)
    assert "Hold 2 of them: for example, leave T and alpha out of `free`." in first.message
    second = fitted(trace, ampa, scale=-30.0, offset=False)
    assert second.identifiable
    assert "Hold" not in second.message
    # Alpha may be as small as it likes.
    profile = found.profile("alpha")
    assert profile.interval95[0] == 0.0
    assert " or less" in str(profile) or "anything" in str(profile)


def test_what_does_nothing():
    """A pulse that goes on to the end of the recording: no decay is seen, and its length does not matter."""
    params = ampa.Params(T_dur=60.0, beta=1e-9)
    found = fitted(noisy(first_order(TIMES, 0.8, 0.0, 99.0), 0.005, 4), ampa, params=params, starts=1)
    assert not found.identifiable
    assert re.search(r"The recording says nothing about .*T_dur.*\. Hold .*: .*leave .*T_dur.* out of", found.message)
    assert found.params.alpha == pytest.approx(0.8, rel=0.05)


@pytest.mark.wide
def test_everything_infinite_is_named():
    """A desensitising receptor in few samples: what has an infinite error is in a sentence."""
    text = "C + glu <-> O : alpha, beta\nO <-> D : d, r"
    kernel = synkin.scheme(text, open="O", name="few", alpha=1.0, beta=0.2, d=0.1, r=0.02, T=1.0, T_dur=1.0)
    times, infinite = np.linspace(0, 30, 22), 0
    for seed, (binding, length) in enumerate([(0.002, 0.3), (30.0, 6.0), (5.0, 0.05), (0.02, 2.0)]):
        params = kernel.Params(alpha=binding, T_dur=length)
        clean = -30 * np.asarray(synkin.respond(kernel, params, np.array([3.0]), times), float)
        trace = clean + 0.02 * np.abs(clean).max() * noise(22, seed)
        given = {"times": times, "spike_times": [3.0], "free": ("alpha", "beta", "d", "T_dur"), "onset": True}
        found = fitted(trace, kernel, params=params, **given)
        unknown = [name for name, error in found.stderr.items() if np.isinf(error)]
        infinite += len(unknown)
        said = found.message.removeprefix(found.verdict).replace("standard errors", "")
        for name in unknown:
            assert re.search(rf"\b{name}\b", said), (name, said)
    assert infinite >= 6


def squares(tau):
    """The sum of squares that is left by the alpha function, with scale and offset from NumPy."""
    basis = np.column_stack([alpha_function(TIMES, tau), np.ones_like(TIMES)])
    return float(((TRACE - basis @ np.linalg.lstsq(basis, TRACE, rcond=None)[0]) ** 2).sum())


def test_profile_is_that_of_the_closed_form():
    found = fitted(TRACE)
    profile = found.profile("tau")
    np.testing.assert_allclose(profile.squares, [squares(tau) for tau in profile.values], rtol=1e-6)
    best = optimize.minimize_scalar(squares, (1.0, 3.0), tol=1e-10)
    assert profile.best == pytest.approx(best.x, rel=1e-4)
    freedom = TIMES.size / found.alike - 3
    for level, ends in ((0.68, profile.interval68), (0.95, profile.interval95)):
        most = best.fun * (1 + stats.t.ppf((1 + level) / 2, freedom) ** 2 / freedom)
        sides = ((0.2, best.x), (best.x, 20.0))
        expected = [optimize.brentq(lambda tau, most=most: squares(tau) - most, *side) for side in sides]
        np.testing.assert_allclose(ends, expected, rtol=2e-3)
    # Longer to the side of slow responses.
    low, high = profile.interval95
    assert high - profile.best > 1.05 * (profile.best - low)
    assert np.all(np.diff(profile.values) > 0)
    assert str(profile).startswith("Profile of tau: ")
    # All else held or linear leaves nothing to be searched for; a bound that was given is an end.
    assert np.isfinite(fitted(TRACE, offset=False).profile("tau").interval95).all()
    scale = fitted(TRACE - 1.0, offset=False).profile("scale")
    assert scale.interval68[0] < scale.best < scale.interval68[1] < 0
    assert fitted(TRACE, bounds={"tau": (1.95, 20.0)}).profile("tau").interval95[0] == pytest.approx(1.95)


def test_profile_is_scipys_where_all_is_free():
    """Fits of the closed form with one of them held."""
    names = ("alpha", "beta", "T_dur", "scale", "offset", "onset")
    trace = noisy(-30.0 * first_order(TIMES, onset=SPIKE + 0.21) + 2.0, 0.01, seed=4)
    found = fitted(trace, ampa, onset=True, starts=12)
    best = {name: getattr(found.params, name, None) or getattr(found, name) for name in names}
    for name in ("alpha", "onset"):
        profile = found.profile(name)
        others = [other for other in names if other != name]

        def left(values, held, name=name, others=others):
            p = dict(zip(others, values, strict=True)) | {name: held}
            curve = first_order(TIMES, p["alpha"], p["beta"], p["T_dur"], SPIKE + p["onset"])
            return trace - p["scale"] * curve - p["offset"]

        inside = np.flatnonzero(np.abs(profile.distance) < 1.6)
        for i in inside[[0, len(inside) // 3, -1]]:
            start = [best[other] for other in others]
            scipys = optimize.least_squares(left, start, args=(profile.values[i],), x_scale=np.abs(start), xtol=1e-12)
            # As low as SciPy finds, which may be caught between two samples.
            assert 2 * scipys.cost * (1 - 5e-3) <= profile.squares[i] <= 2 * scipys.cost * (1 + 1e-4)
        low, high = profile.interval68
        assert low < best[name] < high
        assert (high - low) / 2 == pytest.approx(found.stderr[name], rel=0.25)


def test_profiles_of_alike_samples_of_outliers_and_of_several_recordings():
    """Noise that is alike in neighbours counts for less; under soft_l1 the weights stay; what is shared has one."""
    found = fitted(noisy(-30 * alpha_function(TIMES) + 1.0, 0.02, seed=5, memory=0.9))
    assert found.alike > 4
    low, high = found.profile("tau").interval68
    quantile = stats.t.ppf(0.84, TIMES.size / found.alike - 3)
    assert (high - low) / 2 == pytest.approx(quantile * found.stderr["tau"], rel=0.1)
    trace = TRACE.copy()
    trace[100::20] += 60
    profile = fitted(trace, loss="soft_l1").profile("tau")
    assert profile.interval95[0] < profile.best < profile.interval95[1]
    assert np.abs(profile.distance).min() == 0
    assert profile.message == ""
    found = fitted(np.stack([TRACE, -TRACE, TRACE]), onset="shared")
    assert found.profile("tau").interval68[0] < found.params.tau
    assert found.profile("onset").interval68[0] < found.onset
    with pytest.raises(
        ValueError, match=r"^Argument `name` must be a quantity that all recordings share, but is 'scale\[1\]'"
    ):
        found.profile("scale[1]")


@pytest.mark.wide
def test_bootstrap_of_sweeps_is_their_scatter():
    """Sweeps that differ in tau: the error of what they share is what is left of that, far from what residuals say."""
    taus = 2.0 * np.exp(0.3 * np.random.default_rng(7).normal(size=24))
    found = fitted(np.stack([noisy(-30 * alpha_function(TIMES, tau), 0.005, i) for i, tau in enumerate(taus)]))
    drawn = found.bootstrap(80, key=3)
    assert (drawn.over, drawn.names) == ("sweeps", ("tau",))
    assert drawn.stderr["tau"] == pytest.approx(np.std(taus) / np.sqrt(24), rel=0.3)
    low, high = drawn.interval95["tau"]
    assert low < found.params.tau < high
    np.testing.assert_array_equal(found.bootstrap(10, key=3).samples, drawn.samples[:10])
    assert str(drawn).startswith("Bootstrap of 80 draws of sweeps\n")


def test_bootstrap_of_blocks_is_the_standard_error_of_white_noise():
    found = fitted(noisy(-30 * alpha_function(TIMES), 0.03, seed=8))
    drawn = found.bootstrap(100, key=jax.random.key(0))
    assert drawn.over == "blocks"
    for name in found.free:
        assert drawn.stderr[name] == pytest.approx(found.stderr[name], rel=0.35), name
    np.testing.assert_array_equal(found.bootstrap(10, key=jax.random.PRNGKey(0)).samples, drawn.samples[:10])


@pytest.mark.wide
@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_coverage(memory):
    """How often intervals hold the truth; by chance 4 standard deviations below 68 and 95 %."""
    for way, parts in coverage(memory, 60, 40).items():
        assert (parts[:, 0] > 0.44).all(), (way, parts)
        assert (parts[:, 1] > 0.83).all(), (way, parts)


@pytest.fixture(scope="module")
def fits():
    trace = noisy(-30 * alpha_function(TIMES), 0.03)
    return [fitted(trace, kernel, offset=False, starts=3) for kernel in (expon, dual_expon, alpha)]


def test_criteria_are_those_of_the_residuals(fits):
    """dual_expon can be alpha's shape as well, for one number more; expon cannot."""
    found = synkin.compare(fits)
    samples, k = 300 / max(min(fit.alike for fit in fits), 1.0), np.array([3, 4, 3])
    assert found.samples == pytest.approx(samples)
    assert found.names == ("alpha", "dual_expon", "expon")  # the other way round than they were given
    deviance = samples * np.log([(each.residuals**2).sum() / samples for each in fits[::-1]])
    aicc, bic = deviance + 2 * k + 2 * k * (k + 1) / (samples - k - 1), deviance + k * np.log(samples)
    np.testing.assert_allclose(found.aicc, aicc - min(aicc), atol=1e-9)
    np.testing.assert_allclose(found.bic, bic - min(bic), atol=1e-9)
    evidence = np.exp(-found.aicc / 2)
    np.testing.assert_allclose(found.weights, evidence / evidence.sum())
    assert found.best.kernel is alpha
    assert found.weights[2] < 1e-6 * found.weights[0]
    assert 1 < found.weights[0] / found.weights[1] < 4
    assert "can hardly be told apart" in found.message
    assert not re.search("Even the most likely|None of them", found.message)
    table = repr(found).splitlines()
    assert table[0].split() == ["numbers", "R^2", "dAICc", "weight", "ratio", "dBIC", "seconds"]
    assert table[1].split()[:2] == ["alpha", "2"]
    assert found._repr_html_().startswith("<table><tr><th></th><th>numbers</th>")
    assert [found._repr_html_().count(part) for part in ("<tr>", "<script")] == [4, 0]


def test_words_of_a_comparison(fits):
    two = synkin.compare({"jump": fits[0], "smooth": fits[2]})
    assert two.names == ("smooth", "jump")
    assert re.match(r"smooth is the most likely of them, [\d.e+]+ times as likely as jump\.", two.message)
    same = synkin.compare([fits[0], fits[0]])
    assert same.names == ("expon (1)", "expon (2)")
    assert np.allclose(same.weights, 0.5)
    # A spike that is 10 ms too late.
    trace = fits[0].trace
    late = [fitted(trace, kernel, spike_times=[13.0], offset=False) for kernel in (expon, alpha)]
    said = "None of them describes the recording, so that it says little which is the most likely. "
    assert synkin.compare(late).message.startswith(said)
    # Samples that are there are too few.
    trace = np.where(np.arange(300) % 60 == 0, trace, np.nan)
    few = synkin.compare([fitted(trace, kernel, offset=False, starts=1) for kernel in (expon, dual_expon)])
    assert np.isinf(few.aicc).any()
    assert "too few for the AICc of dual_expon" in few.message
    assert few.weights.sum() == pytest.approx(1)
    # Errors of samples count.
    sigma = np.where(TIMES > 15, 100.0, 1.0)
    trace = fits[0].trace + np.where(TIMES > 15, 20 * np.sin(TIMES), 0.0)
    found = synkin.compare([fitted(trace, kernel, offset=False, sigma=sigma) for kernel in (expon, alpha)])
    assert found.best.kernel is alpha
    assert found.weights[0] > 0.999
    for said, other in (
        ("of one recording, but expon and alpha have other `sigma`", fitted(fits[0].trace, sigma=sigma)),
        ("of one recording, but expon and alpha have other recordings", fitted(2 * fits[0].trace)),
        ("least squares, loss='linear', but alpha is", fitted(fits[0].trace, loss="soft_l1", starts=1)),
    ):
        with pytest.raises(ValueError, match=rf"^Argument `fits` must be {said}"):
            synkin.compare([fits[0], other])
