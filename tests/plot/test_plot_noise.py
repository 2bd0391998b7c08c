"""The picture of variance against mean."""

import numpy as np
import pytest

from synkin import Recording, noise_analysis, plot, release_noise
from tests.helpers.ensembles import TIMES, WINDOWS, ensemble

pytest.importorskip("matplotlib")


def test_sweeps_and_parabola():
    """The sweeps without their baselines, and their mean; the points, and the curve that the result gives."""
    traces = ensemble(0, 30) + 5
    found = noise_analysis(Recording(TIMES, traces, unit="pA"), **WINDOWS)
    axes = plot.figure().subplots(1, 2)
    left, right = plot.noise(found, ax=axes)
    assert (left, right) == tuple(axes)
    *sweeps, mean = left.lines
    assert len(sweeps) == 30
    level = traces[3, TIMES < 7.9].mean()
    np.testing.assert_allclose(sweeps[3].get_ydata(), traces[3] - level)
    np.testing.assert_allclose(mean.get_ydata(), found.traces.mean(axis=0))
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["30 sweeps", "mean", "window"]
    points, curve, background = right.lines
    np.testing.assert_array_equal(points.get_xydata(), np.column_stack([found.mean, found.variance]))
    np.testing.assert_allclose(curve.get_ydata(), found.parabola(curve.get_xdata()))
    assert np.ptp(curve.get_xdata()) >= np.abs(found.mean).max()
    assert set(background.get_ydata()) == {found.background_variance}
    (bars,) = right.collections
    lengths = [np.ptp(segment[:, 1]) for segment in bars.get_segments()]
    np.testing.assert_allclose(lengths, 2 * found.variance_errors)
    labels = (left.get_ylabel(), right.get_xlabel(), right.get_ylabel())
    assert labels == ("current (pA)", "mean (pA)", "variance (pA²)")


def test_amplitudes_and_parabola():
    rng = np.random.default_rng(0)
    found = release_noise({name: rng.binomial(8, p, 30) for name, p in (("low", 0.2), ("mid", 0.5), ("high", 0.8))})
    left, right = plot.noise(found, ax=plot.figure().subplots(1, 2))
    assert [tick.get_text() for tick in left.get_xticklabels()] == ["low", "mid", "high"]
    np.testing.assert_array_equal(left.lines[2].get_ydata(), found.amplitudes[1])
    assert set(left.lines[3].get_ydata()) == {found.mean[1]}
    np.testing.assert_array_equal(right.lines[0].get_ydata(), found.variance)
    np.testing.assert_allclose(right.lines[1].get_ydata(), found.parabola(right.lines[1].get_xdata()))
    with pytest.raises(ValueError, match="Argument `ax` must be two Axes, for sweeps and parabola"):
        plot.noise(found, ax=[left])
