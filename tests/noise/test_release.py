"""Variance against mean of amplitudes: release whose sites, probabilities and quantal size are known."""

import numpy as np
import pytest

from synkin import release_noise

SITES, SIZE, P = 8, -12.0, (0.15, 0.4, 0.65, 0.9)


def amplitudes(seed, trials, within=0.0, between=0.0, sigma=3.0):
    """Amplitudes under each condition, with responses that vary within and between sites."""
    rng = np.random.default_rng(seed)
    found = []
    for p in P:
        steps = np.array([1 - between, 1 + between] * (SITES // 2))  # whose coefficient of variation is `between`
        sizes = SIZE * steps * (1 + within * rng.normal(size=(trials, SITES)))
        released = rng.random((trials, SITES)) < p
        found.append((sizes * released).sum(axis=1) + sigma * rng.normal(size=trials))
    return found


@pytest.mark.parametrize("cv", [{}, {"cv_within": 0.4}, {"cv_between": 0.3}, {"cv_within": 0.4, "cv_between": 0.3}])
def test_release_is_found(cv):
    varying = {name.removeprefix("cv_"): value for name, value in cv.items()}
    found = release_noise(amplitudes(0, 4000, **varying), background_variance=9.0, draws=200, **cv)
    assert found.stderr["quantal_size"] < 0.03 * abs(SIZE)
    assert found.quantal_size == pytest.approx(SIZE, abs=4 * found.stderr["quantal_size"])
    assert found.sites == pytest.approx(SITES, abs=4 * found.stderr["sites"])
    assert found.stderr["sites"] < 0.5
    assert (np.abs(found.p_release - P) < 4 * found.stderr["p_release"]).all()
    assert (found.stderr["p_release"] < 0.05).all()
    low, high = found.interval95["p_release"].T
    assert ((low <= found.p_release) & (found.p_release <= high)).all()
    assert high.max() <= 1
    np.testing.assert_allclose(found.parabola(0.0), 9.0)
    if cv:  # without the correction it is off
        assert (
            abs(release_noise(amplitudes(0, 4000, **varying), background_variance=9.0).quantal_size / SIZE - 1) > 0.05
        )


def test_errors_are_the_scatter_of_experiments():
    found = [release_noise(amplitudes(seed, 50), background_variance=9.0, draws=300) for seed in range(50)]
    for name, true in (("quantal_size", SIZE), ("sites", SITES)):
        values, errors = (
            np.array(each) for each in zip(*((getattr(one, name), one.stderr[name]) for one in found), strict=True)
        )
        scatter = np.subtract(*np.percentile(values, (75, 25))) / 1.349
        assert 0.65 < np.median(errors) / scatter < 1.4, name
        assert np.mean([one.interval95[name][0] < true < one.interval95[name][1] for one in found]) > 0.84, name


def test_conditions_may_differ_in_trials_and_have_names():
    given = amplitudes(1, 300)
    listed = release_noise(given, background_variance=9.0)
    named = release_noise(dict(zip(("a", "b", "c", "d"), given, strict=True)), background_variance=9.0)
    assert listed.labels == ("condition 0", "condition 1", "condition 2", "condition 3")
    assert (named.labels, named.quantal_size) == (("a", "b", "c", "d"), listed.quantal_size)
    assert f"{named.p_release[0]:.2g} (a)" in named.message
    # A condition of few trials is uncertain.
    short = release_noise([*given[:3], given[3][:10]], background_variance=9.0)
    assert short.variance_errors[3] > 2 * listed.variance_errors[3]
    assert short.stderr["sites"] > listed.stderr["sites"]
    table = release_noise(np.array(given), background_variance=9.0)
    assert table.sites == listed.sites


def test_what_to_look_at_is_said():
    given = amplitudes(2, 100)
    assert "trial" not in release_noise(given, background_variance=9.0).message
    spoilt = [each.copy() for each in given]
    spoilt[0][33] = -400.0
    spoilt[2] *= np.linspace(1.6, 0.4, 100)
    message = release_noise(spoilt, background_variance=9.0).message
    assert "Trial 33 of condition 0 deviates far more than the others" in message
    assert "Under condition 2 the amplitude falls by" in message
    rng = np.random.default_rng(0)
    few = release_noise([SIZE * rng.binomial(SITES, p, 5000) for p in (0.1, 0.2, 0.3)])
    assert "does not reach the top of the parabola (release probability at most 0.3" in few.message
    unbent = release_noise([SIZE * rng.binomial(800, p / 100, 100) for p in (0.1, 0.2, 0.3)])
    assert "there is no upper limit" in unbent.message
