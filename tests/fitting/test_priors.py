"""What was known before: priors, and the density that samplers draw from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, optimize, signal

import synkin
from synkin import ampa, dual_expon
from tests.helpers.precision import enable_x64

TIMES = np.arange(0.0, 40.0, 0.2)
TRUE = ampa.Params(beta=0.25)
NOISE = np.random.default_rng(1).normal(0, 0.1, TIMES.size)
with enable_x64():
    TRACE = 30 * np.asarray(synkin.respond(ampa, TRUE, [5.0], TIMES)) + NOISE
OPTIONS = {"free": ("alpha", "beta"), "scale": True, "starts": 2, "progress": False}


def fitted(**options):
    return synkin.fit(ampa, ampa.Params(), [5.0], TIMES, TRACE, **OPTIONS | options)


@pytest.fixture(scope="module")
def found():
    return fitted(prior={"alpha": ("lognormal", 1.0, 0.3), "beta": ("normal", 0.24, 0.01)})


def test_the_result_is_the_most_probable(found):
    """Against SciPy's minimum of the same sum, written out once more."""
    g = jax.jit(lambda p: synkin.respond(ampa, ampa.Params(alpha=p[0], beta=p[1]), [5.0], TIMES))

    def rows(z):
        alpha, beta, scale = np.exp(z[0]), np.exp(z[1]), z[2]
        with enable_x64():
            off = scale * np.asarray(g(jnp.array([alpha, beta]))) - TRACE
        known = [np.log(alpha) / 0.3, (beta - 0.24) / 0.01]
        return np.concatenate([off / (found.noise * np.sqrt(found.alike)), known])

    best = optimize.least_squares(rows, [0.0, np.log(0.2), 30.0], x_scale=[0.1, 0.1, 1.0], xtol=1e-12, ftol=1e-12)
    expected = [np.exp(best.x[0]), np.exp(best.x[1]), best.x[2]]
    np.testing.assert_allclose([found.params.alpha, found.params.beta, found.scale], expected, rtol=2e-3)
    errors = np.sqrt(np.diag(np.linalg.inv(best.jac.T @ best.jac))) * [expected[0], expected[1], 1.0]
    np.testing.assert_allclose([found.stderr[name] for name in ("alpha", "beta", "scale")], errors, rtol=0.02)
    # Alone, the recording cannot tell alpha from scale, and says less of beta.
    alone = fitted()
    assert alone.stderr["alpha"] > 1.7 * found.stderr["alpha"]
    assert alone.stderr["beta"] > found.stderr["beta"]


def test_a_profile_counts_what_is_held(found):
    profile = found.profile("alpha")
    assert not profile.message
    low, high = profile.interval68
    assert found.params.alpha - low == pytest.approx(found.stderr["alpha"], rel=0.3)
    assert high - found.params.alpha == pytest.approx(found.stderr["alpha"], rel=0.3)


@pytest.fixture(scope="module")
def loose():
    """What has bounds, an offset and a prior."""
    bounds = {"beta": (0.1, 0.5)}
    return fitted(prior={"alpha": ("lognormal", 1.0, 0.1)}, bounds=bounds, offset=True)


@pytest.mark.wide
def test_the_density_is_that_of_the_fit(loose):
    density = loose.log_density
    assert density.labels == ("alpha", "beta", "scale", "offset")
    with enable_x64():
        start = jnp.asarray(density.start)
        gradient = jax.jit(jax.grad(density))
        np.testing.assert_allclose(gradient(start), 0.0, atol=0.05)
        # The errors make it nearly a standard normal one.
        curvature = [(gradient(start - 1e-4 * row) - gradient(start + 1e-4 * row)) / 2e-4 for row in np.eye(4)]
        np.testing.assert_allclose(curvature, np.eye(4), atol=0.1)
        values = density.values(start)
        for name, expected in (("alpha", loose.params.alpha), ("beta", loose.params.beta), ("scale", loose.scale)):
            np.testing.assert_allclose(values[name], expected, rtol=1e-6)
        away = np.array([0.4, -0.8, 0.3, 1.1])
        np.testing.assert_allclose(density.vector(density.values(away)), away, rtol=1e-6)
        # Two values are as much more probable as the definition says.
        first, second = density.values(start), density.values(away)
        expected = logarithm(loose, second) - logarithm(loose, first)
        np.testing.assert_allclose(density(away) - density(start), expected, rtol=1e-6)
        far = density.values(np.array([[0.0, 900.0, 0.0, 0.0], [0.0, -900.0, 0.0, 0.0]]))["beta"]
        assert ((far >= 0.1) & (far <= 0.5)).all()
        assert np.isfinite(gradient(jnp.array([0.0, 90.0, 0.0, 0.0]))).all()
    single = jax.jit(density)(jnp.asarray(away, jnp.float32)) - density(jnp.zeros(4, jnp.float32))
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, expected, rtol=1e-3)


def logarithm(result, values):
    """The log density of values, over the coordinates that a vector is made of: logarithms, and a logit of beta."""
    g = np.asarray(synkin.respond(ampa, ampa.Params(alpha=values["alpha"], beta=values["beta"]), [5.0], TIMES))
    squares = ((TRACE - values["scale"] * g - values["offset"]) ** 2).sum()
    share = (np.log(values["beta"]) - np.log(0.1)) / np.log(5.0)
    likelihood = -0.5 * TIMES.size / result.alike * np.log(squares)
    return likelihood - 0.5 * (np.log(values["alpha"]) / 0.1) ** 2 + np.log(share * (1 - share))


def test_the_level_of_the_noise_is_integrated_out():
    """S ** (-n / 2) is the integral of the normal likelihood over its level, but for a constant."""
    n = 12

    def likelihood(squares):
        def at(level):
            return level ** (-n - 1) * np.exp(-squares / (2 * level**2))

        return integrate.quad(at, 0.05, 60.0, limit=500)[0]

    assert likelihood(7.0) / likelihood(3.0) == pytest.approx((7.0 / 3.0) ** (-n / 2), rel=1e-6)


@pytest.mark.wide
def test_it_travels(found, tmp_path):
    found.save(tmp_path / "fit.json")
    again = synkin.fit.load(tmp_path / "fit.json")
    assert again.problem.priors == found.problem.priors
    np.testing.assert_array_equal(again.log_density(np.ones(3)), found.log_density(np.ones(3)))
    with pytest.raises(ValueError, match=r"least squares, loss='linear', but this one is soft_l1"):
        _ = fitted(loss="soft_l1").log_density


REFUSED = [
    ({"gamma": ("normal", 1.0, 1.0)}, r"must name what is free \(alpha, beta, scale\), but has 'gamma'"),
    ({"alpha": ("normal", 1.0)}, r"must have \('normal', mean, deviation\) or .* for `alpha`, but has"),
    ({"alpha": ("uniform", 0.0, 1.0)}, r"must have \('normal', mean, deviation\) or .* for `alpha`, but has"),
    ({"alpha": ("normal", 1.0, 0.0)}, "must have a finite centre and a width above 0 for `alpha`, but has"),
    ({"alpha": ("lognormal", -1.0, 0.1)}, "must have a median above 0 for `alpha`, but has -1.0"),
    ({"scale": ("lognormal", 1.0, 0.1)}, "must be 'normal' for `scale`, which may be negative, but is 'lognormal'"),
]


@pytest.mark.parametrize(("prior", "said"), REFUSED)
def test_refused(prior, said):
    with pytest.raises(ValueError, match=f"^Argument `prior` {said}"):
        fitted(prior=prior)
    with pytest.raises(TypeError, match=r"^Argument `prior` must be a dict from what is free to a distribution"):
        fitted(prior=[("alpha", 1.0)])


@pytest.mark.wide
def test_behind_a_filter(tmp_path):
    """A rise of 0.3 ms behind 1 kHz is found with the filter, and is 15 % too slow and late without it."""
    times, params, behind = (
        np.arange(0.0, 60.0, 0.1),
        dual_expon.Params(tau_rise=0.3, tau_decay=5.0),
        synkin.bessel(4, 1.0),
    )
    trace = -20 * np.asarray(synkin.respond(dual_expon, params, [5.0], times, filter=behind))
    trace += np.random.default_rng(0).normal(0, 0.1, times.size)
    options = {"free": ("tau_rise", "tau_decay"), "scale": True, "onset": True, "starts": 3, "progress": False}
    found, plain = (
        synkin.fit(dual_expon, dual_expon.Params(), [5.0], times, trace, filter=each, **options)
        for each in (behind, None)
    )
    assert abs(found.params.tau_rise - 0.3) < 4 * found.stderr["tau_rise"]
    assert abs(found.onset) < 4 * found.stderr["onset"]
    assert plain.params.tau_rise > 0.33
    assert plain.onset > 0.25
    found.save(tmp_path / "fit.json")
    np.testing.assert_array_equal(synkin.fit.load(tmp_path / "fit.json").predict([6.0, 7.0]), found.predict([6.0, 7.0]))

    def curve(p, times):
        return synkin.respond(dual_expon, dual_expon.Params(tau_rise=p["rise"], tau_decay=p["decay"]), [5.0], times)

    start, free = {"rise": 1.0, "decay": 8.0}, ("rise", "decay")
    by_hand = synkin.fit_curve(
        curve, start, times, trace, free=free, scale=True, filter=behind, starts=3, progress=False
    )
    assert by_hand.params["rise"] == pytest.approx(found.params.tau_rise, rel=0.02)


@pytest.mark.wide
def test_a_filter_that_was_not_named_is_said():
    """If the noise shows it and the rise is as fast; white noise and a slow rise say nothing."""
    interval, rng = 0.05, np.random.default_rng(3)
    times = np.arange(0.0, 60.0, interval)
    numerator, denominator = signal.bessel(4, 2.0 * np.pi, "low", analog=True, norm="mag")
    section = signal.bilinear(numerator, denominator, 1 / interval)
    noise = signal.lfilter(*section, rng.normal(0, 1.0, times.size + 500))[500:]
    behind = synkin.bessel(4, 1.0)

    def sentence(rise, noise, given=None):
        params = dual_expon.Params(tau_rise=rise, tau_decay=8.0)
        trace = -20 * np.asarray(synkin.respond(dual_expon, params, [5.0], times, filter=behind)) + 0.5 * noise
        start, free = dual_expon.Params(tau_rise=rise), ("tau_rise", "tau_decay")
        found = synkin.fit(
            dual_expon,
            start,
            [5.0],
            times,
            trace,
            free=free,
            scale=True,
            onset=True,
            filter=given,
            starts=1,
            progress=False,
        )
        return "as behind a filter of about" in found.message

    assert sentence(0.1, noise)
    assert not sentence(0.1, rng.normal(0, 0.3, times.size))
    assert not sentence(3.0, noise)


@pytest.mark.wide
def test_a_filter_that_is_named_is_not_said_again():
    trace = -20 * np.asarray(
        synkin.respond(dual_expon, dual_expon.Params(), [5.0], TIMES, filter=synkin.bessel(4, 1.0))
    )
    trace += np.convolve(np.random.default_rng(0).normal(size=TIMES.size + 3), np.ones(4) / 2, "valid")
    options = {"free": "tau_decay", "scale": True, "starts": 1, "progress": False}
    found = synkin.fit(dual_expon, dual_expon.Params(), [5.0], TIMES, trace, filter=synkin.bessel(4, 1.0), **options)
    assert "as behind a filter" not in found.message


def test_a_q10_is_found(tmp_path):
    """Rates grow by it and time constants fall; the parameters are those of the first recording."""
    degrees = np.array([22.0, 27.0, 34.0])
    params = [ampa.Params(alpha=1.1 * f, beta=0.25 * f) for f in 3.0 ** ((degrees - 22) / 10)]
    with enable_x64():
        traces = 30 * np.array([synkin.respond(ampa, each, [5.0], TIMES) for each in params])
    traces += np.random.default_rng(0).normal(0, 0.02, traces.shape)
    options = {"free": ("alpha", "beta", "Q10"), "scale": "shared", "starts": 2, "progress": False}
    found = synkin.fit(ampa, ampa.Params(), [5.0], TIMES, traces, temperature=degrees, **options)
    for name, value in {"alpha": 1.1, "beta": 0.25, "Q10": 3.0}.items():
        assert abs(found.free[name] - value) < 4 * found.stderr[name], name
    assert found.stderr["Q10"] < 0.05
    assert found.params.beta == found.free["beta"]
    found.save(tmp_path / "fit.json")
    np.testing.assert_array_equal(synkin.fit.load(tmp_path / "fit.json").predict([7.0]), found.predict([7.0]))
    decays = [
        synkin.respond(dual_expon, dual_expon.Params(tau_decay=10.0 / f, tau_rise=1.0 / f), [5.0], TIMES)
        for f in (1.0, 2.0)
    ]
    two = synkin.fit(
        dual_expon,
        dual_expon.Params(),
        [5.0],
        TIMES,
        np.array(decays),
        free=("tau_decay", "Q10"),
        temperature=[20.0, 30.0],
        starts=1,
        progress=False,
    )
    assert two.free["Q10"] == pytest.approx(2.0, rel=1e-4)
    for wrong, said in ((22.0, "each of several"), ([22.0, 22.0, 22.0], "must differ between recordings, but is 22.0")):
        with pytest.raises(ValueError, match=f"^Argument `temperature` .*{said}"):
            synkin.fit(ampa, ampa.Params(), [5.0], TIMES, traces, temperature=wrong, **options)
