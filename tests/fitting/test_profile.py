"""Profiles and the bootstrap: intervals that are as lopsided as what is known."""

import jax
import numpy as np
import pytest
from scipy import optimize, stats

import synkin
from synkin import alpha, ampa, dual_expon, expon, plot
from synkin.fitting import fit
from tests.fitting.test_fit import alpha_function, first_order, noisy
from tests.helpers.interval_coverage import coverage

TIMES = np.arange(300) / 10  # ms
SPIKE = 3.03  # ms
ALPHA_TRACE = noisy(-30 * alpha_function(TIMES, 2.0, SPIKE) + 1.0, 0.25, seed=3)


def fitted(trace=ALPHA_TRACE, kernel=alpha, **options):
    arguments = {"free": "tau", "scale": True, "offset": True, "starts": 3, "progress": False} | options
    return fit(kernel, kernel.Params(), [SPIKE], TIMES, trace, **arguments)


def squares(trace, tau):
    """The sum of squares that is left by the alpha function, with scale and offset from NumPy."""
    basis = np.column_stack([alpha_function(TIMES, tau, SPIKE), np.ones_like(TIMES)])
    return float(((trace - basis @ np.linalg.lstsq(basis, trace, rcond=None)[0]) ** 2).sum())


def test_profile_is_that_of_the_closed_form():
    found = fitted()
    profile = found.profile("tau")
    np.testing.assert_allclose(profile.squares, [squares(ALPHA_TRACE, tau) for tau in profile.values], rtol=1e-6)
    best = optimize.minimize_scalar(lambda tau: squares(ALPHA_TRACE, tau), (1.0, 3.0), tol=1e-10)
    assert profile.best == pytest.approx(best.x, rel=1e-4)
    freedom = TIMES.size / found.alike - 3
    for level, ends in ((0.68, profile.interval68), (0.95, profile.interval95)):
        most = best.fun * (1 + stats.t.ppf((1 + level) / 2, freedom) ** 2 / freedom)
        expected = [optimize.brentq(lambda tau, most=most: squares(ALPHA_TRACE, tau) - most, *ab)
                    for ab in ((0.2, best.x), (best.x, 20.0))]  # fmt: skip
        np.testing.assert_allclose(ends, expected, rtol=2e-3)
    # Longer to the side of slow responses.
    low, high = profile.interval95
    assert high - profile.best > 1.05 * (profile.best - low)
    assert np.all(np.diff(profile.values) > 0)
    assert str(profile).startswith("Profile of tau: ")


@pytest.mark.parametrize("name", ["beta", "onset", "scale"])
def test_profile_is_scipys_where_all_is_free(name):
    """With alpha T, beta, T_dur, scale, offset and onset free: fits of the closed form with one of them held."""
    true = {"alpha": 3.0, "beta": 0.31, "T_dur": 0.77, "scale": -30.0, "offset": 2.0, "onset": 0.21}
    trace = noisy(-30.0 * first_order(TIMES, 1.5, 0.31, 0.77, SPIKE + 0.21) + 2.0, 0.01, seed=4)
    options = {"free": ("alpha", "beta", "T_dur"), "onset": True, "starts": 12}
    found = fitted(trace, ampa, **options)
    profile = found.profile(name)
    others = [other for other in true if other != name]
    best = {**found.params._asdict(), "scale": found.scale, "offset": found.offset, "onset": found.onset}

    def left(values, held):
        p = dict(zip(others, values, strict=True)) | {name: held}
        return trace - p["scale"] * first_order(TIMES, p["alpha"] / 2, p["beta"], p["T_dur"], SPIKE + p["onset"]) - p["offset"]  # noqa: E501  # fmt: skip

    inside = np.flatnonzero(np.abs(profile.distance) < 1.6)
    for i in inside[[0, len(inside) // 3, -1]]:
        start = [best[other] for other in others]
        scipys = optimize.least_squares(left, start, args=(profile.values[i],), x_scale=np.abs(start), xtol=1e-12)
        # As low as SciPy finds, which may be caught between two samples.
        assert profile.squares[i] <= 2 * scipys.cost * (1 + 1e-4)
        assert profile.squares[i] >= 2 * scipys.cost * (1 - 5e-3)
    low, high = profile.interval68
    assert low < best[name] < high
    assert (high - low) / 2 == pytest.approx(found.stderr[name], rel=0.25)


def test_the_only_parameter_and_all_that_is_linear():
    """Held, it leaves nothing to be searched for."""
    profile = fitted(offset=False).profile("tau")
    assert np.isfinite(profile.interval95).all()
    scale = fitted(trace=ALPHA_TRACE - 1.0, offset=False).profile("scale")
    assert scale.interval68[0] < scale.best < scale.interval68[1] < 0


def test_alike_samples_widen():
    """Noise that is alike in neighbours counts for less, as for the standard error."""
    trace = noisy(-30 * alpha_function(TIMES, 2.0, SPIKE) + 1.0, 0.02, seed=5, memory=0.9)
    found = fitted(trace)
    assert found.alike > 4
    low, high = found.profile("tau").interval68
    quantile = stats.t.ppf(0.84, TIMES.size / found.alike - 3)
    assert (high - low) / 2 == pytest.approx(quantile * found.stderr["tau"], rel=0.1)


def test_an_end_that_is_not_told_is_open():
    """Far from saturation, alpha may be as small as it likes."""
    trace = noisy(first_order(TIMES, 0.02, 0.31, 0.77, SPIKE), 0.02, seed=6)
    found = fitted(trace, ampa, free=("alpha", "beta"), offset=False)
    profile = found.profile("alpha")
    assert profile.interval95[0] == 0.0
    assert np.isfinite(profile.interval95[1]) or profile.interval95[1] == np.inf
    assert " or less" in str(profile) or "anything" in str(profile)


def test_a_bound_that_was_given_is_an_end():
    profile = fitted(bounds={"tau": (1.95, 20.0)}).profile("tau")
    assert profile.interval95[0] == pytest.approx(1.95)


def test_under_soft_l1_the_weights_stay():
    trace = ALPHA_TRACE.copy()
    trace[100::20] += 60
    profile = fitted(trace, loss="soft_l1").profile("tau")
    assert profile.interval95[0] < profile.best < profile.interval95[1]
    assert np.abs(profile.distance).min() == 0
    assert profile.message == ""


def test_of_several_recordings_what_they_share():
    traces = np.stack([ALPHA_TRACE, -ALPHA_TRACE])
    found = fitted(traces, onset="shared")
    assert found.profile("tau").interval68[0] < found.params.tau
    assert found.profile("onset").interval68[0] < found.onset
    with pytest.raises(
        ValueError, match=r"^Argument `name` must be a quantity that all recordings share, but is 'scale\[1\]'"
    ):
        found.profile("scale[1]")
    with pytest.raises(ValueError, match=r"^Argument `name` must be one of 'tau', 'scale"):
        found.profile("beta")


def test_profile_of_a_tied_parameter_moves_both():
    found = fitted(kernel=dual_expon, free="tau_decay", tie={"tau_rise": "tau_decay"})
    # Of equal time constants, dual_expon is the alpha function.
    profile, other = found.profile("tau_decay"), fitted().profile("tau")
    np.testing.assert_allclose(profile.interval95, other.interval95, rtol=1e-3)


# The bootstrap


def test_bootstrap_of_sweeps_is_their_scatter():
    """Sweeps that differ in tau: the error of what they share is what is left of that."""
    rng = np.random.default_rng(7)
    taus = 2.0 * np.exp(0.3 * rng.normal(size=24))
    traces = np.stack([noisy(-30 * alpha_function(TIMES, tau, SPIKE), 0.005, i) for i, tau in enumerate(taus)])
    found = fitted(traces)
    drawn = found.bootstrap(120, key=3)
    assert (drawn.over, drawn.names) == ("sweeps", ("tau",))
    # Far from what the residuals say of one tau for all.
    assert drawn.stderr["tau"] == pytest.approx(np.std(taus) / np.sqrt(24), rel=0.3)
    low, high = drawn.interval95["tau"]
    assert low < found.params.tau < high
    again = found.bootstrap(120, key=3)
    np.testing.assert_array_equal(again.samples, drawn.samples)
    assert str(drawn).startswith("Bootstrap of 120 draws of sweeps\n")


def test_bootstrap_of_blocks_is_the_standard_error_of_white_noise():
    found = fitted(noisy(-30 * alpha_function(TIMES, 2.0, SPIKE), 0.03, seed=8))
    drawn = found.bootstrap(150, key=jax.random.key(0))
    assert drawn.over == "blocks"
    for name in found.free:
        assert drawn.stderr[name] == pytest.approx(found.stderr[name], rel=0.35), name
    again = found.bootstrap(150, key=jax.random.PRNGKey(0))
    np.testing.assert_array_equal(again.samples, drawn.samples)


def test_bootstrap_complains():
    found = fitted(noisy(-30 * alpha_function(TIMES, 2.0, SPIKE), 0.3, seed=9, memory=0.98))
    with pytest.raises(ValueError, match=r"^A bootstrap of blocks needs 10 blocks of \d+ samples, .*give sever"):
        found.bootstrap(10)
    with pytest.raises(ValueError, match=r"^Argument `over` must be 'blocks' for a single recording, but is 'sweeps'"):
        found.bootstrap(10, over="sweeps")
    with pytest.raises(ValueError, match=r"^Argument `over` must be one of 'sweeps', 'blocks', but is 'rows'"):
        found.bootstrap(10, over="rows")
    with pytest.raises(ValueError, match=r"^Argument `n` must be a positive whole number, but is 0"):
        found.bootstrap(0)
    for key in (-1, 0.5):
        with pytest.raises(ValueError, match=r"^Argument `key` must be a whole number of 0 or more or a key of jax"):
            found.bootstrap(10, key)


# How often they hold the truth


@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_coverage(memory):
    """A few recordings, by standard error and profile: the script has more, and the bootstrap."""
    found = coverage(memory, 12, 0, ways=("standard error", "profile"))
    for way, parts in found.items():
        # That 95 % intervals hold the truth in less than half of 12 by chance happens once in 10^5.
        assert (parts[:, 1] >= 0.5).all(), way
        assert (parts[:, 0] <= parts[:, 1]).all(), way


@pytest.mark.wide
@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_coverage_of_many(memory):
    found = coverage(memory, 200, 100)
    for way, parts in found.items():
        # By chance 4 standard deviations below 68 and 95 %.
        assert (parts[:, 0] > 0.55).all(), (way, parts)
        assert (parts[:, 1] > 0.89).all(), (way, parts)


# Pictures


def test_pictures():
    pytest.importorskip("matplotlib")
    figure = plot.figure()
    one, two = figure.subplots(1, 2)
    profile = fitted().profile("tau")
    assert plot.profile(profile, ax=one) is one
    line = next(line for line in one.lines if line.get_label() == "profile")
    np.testing.assert_array_equal(line.get_xdata(), profile.values)
    assert one.get_xlabel() == "tau (ms)"
    drawn = fitted(np.stack([ALPHA_TRACE] * 5) * np.linspace(1, 2, 5)[:, None]).bootstrap(8)
    (axes,) = plot.bootstrap(drawn, ax=two)
    assert sum(patch.get_height() for patch in axes.patches) == 8
    with pytest.raises(ValueError, match=r"^Argument `ax` must be 1 Axes, one for each quantity, but has shape"):
        plot.bootstrap(drawn, ax=[one, two])


def test_expon_profile_has_a_flat_onset():
    """A jump's onset between two samples makes no difference: what is known ends at the samples."""
    clean = np.where(TIMES >= SPIKE, np.exp(-(TIMES - SPIKE) / 4), 0.0)
    found = fit(
        synkin.expon, expon.Params(), [SPIKE], TIMES, noisy(clean, 0.02, 1), free="tau", scale=True, onset=True,
        starts=2, progress=False,
    )  # fmt: skip
    low, high = found.profile("onset").interval95
    assert low < found.onset < high
    assert high - low < 1.0
