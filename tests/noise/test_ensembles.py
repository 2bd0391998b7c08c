"""Noise analysis of channels whose current and number are known."""

import re

import jax
import numpy as np
import pytest

from synkin import Recording, noise_analysis
from synkin.noise import parabola
from tests.helpers.ensembles import ONSET, TIMES, WINDOWS, ensemble, of_different_sizes

TRUTH = {"unitary": -1.0, "channels": 60.0, "p_open": 0.7, "open_at_peak": 42.0}


def analysed(traces, **given):
    return noise_analysis(TIMES, traces, **WINDOWS | {"draws": 300} | given)


@pytest.fixture(scope="module")
def many():
    return ensemble(0, 2000)


@pytest.fixture(scope="module")
def few():
    return ensemble(1, 40)


def test_a_parabola_is_found_exactly():
    """Whatever the weights: also one that comes down to zero, and one that bends up; several at once as one by one."""
    mean = np.linspace(-42, -1, 12)
    curves = [(-1.0, 1 / 60, 2.0), (-1.0, 1 / 42, 0.0), (-0.5, -1 / 80, 1.0)]
    variance = np.array([back + slope * mean - bend * mean**2 for slope, bend, back in curves])
    background = np.array([back for *_, back in curves])
    found = parabola.fit(mean, variance, background)
    np.testing.assert_allclose(np.transpose(found), [curve[:2] for curve in curves], rtol=1e-9)
    alone = parabola.fit(mean, variance[1], background[1], np.arange(1.0, 13.0))
    np.testing.assert_allclose(alone, curves[1][:2], rtol=1e-9)


def test_weights_are_those_of_the_variance_of_a_variance():
    """The score is zero: the sum of (measured - fitted) / fitted^2 times mean, and times mean^2."""
    rng = np.random.default_rng(0)
    mean = np.linspace(1, 30, 10)
    variance = (5 + mean - mean**2 / 60) * rng.uniform(0.7, 1.3, 10)
    fitted = 5 + parabola.fit(mean, variance, np.array(5.0)).at(mean)
    left = (variance - fitted) / fitted**2
    np.testing.assert_allclose([left @ mean, left @ mean**2], 0, atol=1e-8 * np.abs(left) @ mean**2)


def test_neighbouring_differences_share_a_sweep():
    """Of normal sweeps an average of n squared differences has the variance 3 / n, and of n squares 2 / n."""
    sweeps = np.random.default_rng(0).normal(size=20_001)
    apart = np.diff(sweeps) / np.sqrt(2)
    for each, shared, expected in ((apart, True, 3.0), (sweeps[1:], False, 2.0)):
        draws = parabola.draw(np.random.default_rng(1), each[:, None] ** 2, 400, shared=shared)
        assert draws.var(ddof=1) * 20_000 == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("successive", [True, False])
def test_channels_are_found(many, successive):
    found = analysed(many, successive=successive)
    for name, true in TRUTH.items():
        assert found.stderr[name] < 0.07 * abs(true)
        assert getattr(found, name) == pytest.approx(true, abs=4 * found.stderr[name]), name
        low, high = found.interval95[name]
        assert low < getattr(found, name) < high
    # Noise of 1 pA^2, and that of the mean of 40 samples, which was subtracted.
    assert found.background_variance == pytest.approx(1 + 1 / 40, abs=4 * found.stderr["background_variance"])
    assert found.stderr["background_variance"] < 0.01
    np.testing.assert_allclose(found.parabola(0.0), found.background_variance)
    inside = np.abs(found.variance - found.parabola(found.mean)) < 4 * found.variance_errors
    assert inside.all()
    assert len(found.mean) == 20


def test_background_counts_the_mean_that_was_subtracted():
    """Four samples of the baseline: their mean has a quarter of the variance, which all samples of the response get."""
    traces = ensemble(2, 4000, channels=10, sigma=2.0)
    found = analysed(traces, baseline=(0.0, 0.6))
    assert found.background_variance == pytest.approx(4 * 1.25, abs=4 * found.stderr["background_variance"])
    assert found.stderr["background_variance"] < 0.1
    assert found.unitary == pytest.approx(-1, abs=4 * found.stderr["unitary"])


def test_scaled_to_peaks():
    """The current of a channel, and not their number, of events whose sizes differ; without scaling it is refused."""
    traces = of_different_sizes(3, 2000)
    found = analysed(traces, scaled=True)
    assert found.stderr["unitary"] < 0.04
    assert found.unitary == pytest.approx(-1, abs=4 * found.stderr["unitary"])
    assert found.open_at_peak == pytest.approx(42, abs=4 * found.stderr["open_at_peak"] + 0.5)
    assert np.isnan([found.channels, found.p_open, found.stderr["channels"], *found.interval95["p_open"]]).all()
    assert "how many channels there are cannot be known" in found.message
    assert "miniature events take `scaled=True`" in analysed(traces).message


def test_scaled_with_much_noise():
    """What the noise adds to the scale does not change the slope."""
    found = analysed(of_different_sizes(4, 3000, sigma=4.0), scaled=True)
    assert found.stderr["unitary"] < 0.06
    assert found.unitary == pytest.approx(-1, abs=4 * found.stderr["unitary"])


@pytest.mark.parametrize(
    ("make", "given"),
    [
        (ensemble, {}),
        pytest.param(ensemble, {"successive": False}, marks=pytest.mark.wide),
        pytest.param(of_different_sizes, {"scaled": True}, marks=pytest.mark.wide),
    ],
    ids=["successive", "around the mean", "scaled"],
)
def test_errors_are_the_scatter_of_ensembles(make, given):
    """50 of 40 sweeps. Both are known to 10 %; the bootstrap of few sweeps is some per cent low."""
    found = [analysed(make(seed, 40), **given) for seed in range(50)]
    names = ["unitary", "open_at_peak"] + ["channels", "p_open"] * (make is ensemble)
    for name in names:
        values = np.array([getattr(one, name) for one in found])
        errors = np.array([one.stderr[name] for one in found])
        if name == "channels":  # a quotient with a long tail: by the middle half
            scatter = np.subtract(*np.percentile(values, (75, 25))) / 1.349
        else:
            scatter = values.std(ddof=1)
        assert 0.7 < np.median(errors) / scatter < 1.35, name
        covered = np.mean([one.interval95[name][0] < TRUTH[name] < one.interval95[name][1] for one in found])
        assert covered > 0.84, name


def test_rundown_enters_only_deviations_from_the_mean():
    """Channels are lost, from 80 to 40: the number that is found is their average, about 60."""
    traces = ensemble(5, 1000, channels=np.linspace(80, 40, 1000).astype(int))
    apart, around = (analysed(traces, successive=successive) for successive in (True, False))
    assert apart.unitary == pytest.approx(-1, abs=4 * apart.stderr["unitary"])
    assert 1 / apart.channels == pytest.approx(1 / 60, abs=4 * apart.stderr["channels"] / 60**2)
    assert abs(around.curvature - 1 / 60) > 8 * apart.stderr["channels"] / 60**2
    assert re.search("The peak falls by (4[5-9]|5[0-5]) % from the first to the last of the 1000 sweeps", apart.message)
    assert "take `successive=True`" in around.message
    assert "does not enter" in apart.message


def test_sign_and_size_of_the_unit_make_no_difference(few):
    found, other = analysed(few, driving_force=-80.0), analysed(-1e-12 * few)
    for name in ("channels", "p_open", "open_at_peak"):
        assert getattr(other, name) == pytest.approx(getattr(found, name), rel=1e-9)
        assert other.stderr[name] == pytest.approx(found.stderr[name], rel=1e-9)
    assert other.unitary == pytest.approx(-1e-12 * found.unitary, rel=1e-9)
    assert other.interval95["unitary"] == pytest.approx([-1e-12 * end for end in found.interval95["unitary"][::-1]])
    # 1 pA at 80 mV is 12.5 pS.
    assert found.gamma == pytest.approx(12.5 * abs(found.unitary))
    assert found.interval95["gamma"] == pytest.approx([-12.5 * end for end in found.interval95["unitary"][::-1]])
    assert np.isnan(other.gamma)
    assert "gamma" not in other.stderr
    assert f"At a driving force of -80 mV that is {found.gamma:.1f}" in found.message


def test_a_recording_brings_its_unit_and_labels(few):
    names = tuple(f"cell {i}" for i in range(40))
    recording = Recording(TIMES, few / 1000, unit="nA", labels=names)
    found = noise_analysis(recording, **WINDOWS, driving_force=80.0)
    assert found.unit == "nA"
    assert found.gamma == pytest.approx(analysed(few, driving_force=-80.0).gamma)
    assert f"One channel carries {found.unitary:.5f}"[:-1] in found.message
    gaps = np.where(TIMES > 30, np.nan, few)  # outside of the windows
    assert analysed(gaps, window=(ONSET, 30.0)).unitary == analysed(few, window=(ONSET, 30.0)).unitary
    spoilt = few.copy()
    spoilt[7, 100:] += 100 * np.sin(TIMES[100:])
    assert "Cell 7 deviates far more" in noise_analysis(Recording(TIMES, spoilt, labels=names), **WINDOWS).message


def test_the_key_is_that_of_the_errors_alone(few):
    one, same, other = (analysed(few, key=key) for key in (0, 0, 1))
    assert one.stderr == same.stderr
    assert one.stderr["unitary"] != other.stderr["unitary"]
    assert one.stderr["unitary"] == pytest.approx(other.stderr["unitary"], rel=0.15)
    assert one.unitary == other.unitary
    assert analysed(few, key=jax.random.key(3)).stderr["unitary"] == pytest.approx(one.stderr["unitary"], rel=0.15)


def test_times_and_driving_force_may_have_units(few):
    u = pytest.importorskip("saiunit")
    found = noise_analysis(
        TIMES / 1000 * u.second,
        few,
        window=[ONSET * u.ms, 0.04 * u.second],
        baseline=(0 * u.ms, 7.8 * u.ms),
        driving_force=-0.08 * u.volt,
        draws=300,
    )
    plain = analysed(few, driving_force=-80.0)
    assert found.unitary == pytest.approx(plain.unitary, rel=1e-9)
    assert found.gamma == pytest.approx(plain.gamma, rel=1e-6)


def test_outliers_and_changes_are_named(few):
    assert "deviate" not in analysed(few).message
    spoilt = few.copy()
    spoilt[[0, 5]] += 50 * np.sin(TIMES) * (TIMES > ONSET)
    for given in ({}, {"successive": False}, {"scaled": True}):
        word = "Event" if given.get("scaled") else "Sweep"
        assert f"{word} 0 and {word.lower()} 5 deviate far more than the others" in analysed(spoilt, **given).message
    stepped = few.copy()
    stepped[20:] -= 60 * np.exp(-(TIMES - ONSET) / 5) * (TIMES >= ONSET)
    message = analysed(stepped).message
    assert "Something seems to change between sweep 19 and sweep 20." in message
    assert "deviate" not in message


def test_what_cannot_be_known_is_said():
    """Few open channels, or nearly none; a variance that bends up; points below the background."""
    seldom = analysed(ensemble(6, 4000, channels=200, p=0.2))
    assert "The mean does not reach the top of the parabola (open probability 0.2" in seldom.message
    unbent = analysed(ensemble(7, 100, channels=2000, p=0.02))
    assert "there is no upper limit" in unbent.message
    assert unbent.interval95["channels"][1] == np.inf
    sizes = analysed(ensemble(8, 400, channels=60, unitary=-np.random.default_rng(0).normal(1, 0.15, 400)))
    assert "The variance bends up instead of down" in sizes.message
    assert analysed(ensemble(0, 20, sigma=8.0)).message.endswith(
        "In 4 of 20 bins the variance is below that of the background."
    )
    unseen = analysed(ensemble(0, 20, sigma=12.0), driving_force=-80.0)
    assert np.isnan(
        [unseen.unitary, unseen.channels, unseen.gamma, unseen.stderr["unitary"], unseen.parabola(1.0)]
    ).all()
    assert unseen.message.startswith("The current of a channel is not found: the variance grows with the square")
