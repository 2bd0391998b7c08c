"""Fits of concentrations that jump, and what recordings share."""

import numpy as np
import pytest

import synkin
from synkin import schemes
from tests.helpers import recovery


@pytest.fixture(scope="module")
def patch():
    """Sweeps of few samples, and the fit of all of them."""
    times, traces = recovery.sweeps(0, samples=300)
    return times, traces, recovery.fitted(times, traces, starts=1)


def test_the_rates_are_found_again(patch):
    *_, fit = patch
    true = recovery.KERNEL.Params()
    for name in recovery.RATES:
        value, error = getattr(fit.params, name), fit.stderr[name]
        assert abs(value - getattr(true, name)) < 3.5 * error
        assert error < 0.2 * value
    assert fit.identifiable
    assert fit.r_squared > 0.99


def test_a_shared_scale_is_one_number(patch):
    *_, fit = patch
    assert isinstance(fit.scale, float)
    assert fit.labels.count("scale") == 1
    assert abs(fit.scale - recovery.SCALE) < 3.5 * fit.stderr["scale"]
    assert fit.trace.shape == fit.predicted.shape == (4, 300)
    assert "T_dur" not in fit.summary()


def test_the_fit_keeps_the_protocol(patch):
    times, _, fit = patch
    np.testing.assert_array_equal(fit.spike_times, np.broadcast_to(recovery.EDGES, (4, 2)))
    np.testing.assert_array_equal(fit.concentrations[:, 0], recovery.CONCENTRATIONS)
    again = synkin.concentration_jumps(
        fit.kernel, fit.params, fit.spike_times[2], fit.concentrations[2], times, dtype=np.float32
    )
    np.testing.assert_allclose(fit.scale * np.asarray(again), fit.predicted[2], atol=1e-4 * np.abs(fit.trace).max())


def test_each_concentration_has_its_colour(patch):
    pytest.importorskip("matplotlib").use("Agg")
    *_, fit = patch
    above, _ = synkin.plot.fit(fit)
    assert [text.get_text() for text in above.get_legend().get_texts()] == ["0.003 mM", "0.01 mM", "0.1 mM", "1 mM"]
    lines = [line for line in above.lines if not line.get_label().startswith("_")]
    assert len({line.get_color() for line in lines}) == 4
    for line, row in zip(lines, fit.predicted, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), row)
    (ground,) = above.patches
    assert (ground.get_x(), ground.get_width()) == (50.0, 500.0)


SCALES = np.array([2.0, 3.0, 0.5])
SHIFTS = np.array([0.7, 0.7, 0.7])


@pytest.mark.parametrize(
    ("scale", "offset", "onset"),
    [("shared", True, "shared"), (True, "shared", "shared"), ("shared", "shared", True)],
)
def test_what_is_shared_and_what_is_not(scale, offset, onset):
    """One number for all recordings, or one for each, in any mixture; of spikes as of jumps."""
    times, spikes = np.arange(0.0, 40.0, 0.25), [5.0, 12.0]
    scales = np.full(3, 2.0) if scale == "shared" else SCALES
    offsets = np.full(3, 0.25) if offset == "shared" else SCALES / 4
    onsets = SHIFTS if onset == "shared" else np.array([0.7, -0.5, 0.1])
    true = synkin.ampa.Params(beta=0.3)
    g = np.array([synkin.respond(synkin.ampa, true, np.array(spikes) + shift, times) for shift in onsets])
    noise = np.random.default_rng(1).normal(0, 1e-4, g.shape)
    fit = synkin.fit(
        synkin.ampa, synkin.ampa.Params(beta=0.2), spikes, times, scales[:, None] * g + offsets[:, None] + noise,
        free="beta", scale=scale, offset=offset, onset=onset, starts=2, progress=False,
    )  # fmt: skip
    assert fit.params.beta == pytest.approx(0.3, rel=1e-2)
    for name, told, right in (("scale", scale, scales), ("offset", offset, offsets), ("onset", onset, onsets)):
        found, error = getattr(fit, name), fit.stderr[name]
        assert np.shape(found) == np.shape(error) == (() if told == "shared" else (3,))
        np.testing.assert_allclose(found, right[0] if told == "shared" else right, atol=5e-3)
        assert fit.labels.count(name) == (told == "shared")
    assert (
        len(fit.labels) == len(fit.correlations) == 1 + sum(1 if x == "shared" else 3 for x in (scale, offset, onset))
    )
    assert "shared" not in repr(fit)


JUMPS = synkin.Jumps([0.0, 1.0], [1.0])
TIMES = np.arange(0.0, 20.0, 0.5)
TRACE = np.exp(-TIMES / 5)
REFUSED = {
    "a linear kernel": (
        synkin.alpha, "tau", JUMPS, {},
        "Argument `spike_times` must be spike times for a linear kernel, or where there are weights, but is a "
        "protocol of concentrations.",
    ),
    "edges out of order": (
        synkin.ampa, "beta", synkin.Jumps([1.0, 0.0], [1.0]), {},
        "Argument `edges` must be in the order of time, but element 1 (0.0) is below 1.0.",
    ),
    "as many edges as concentrations": (
        synkin.ampa, "beta", synkin.Jumps([0.0], [1.0]), {},
        "Argument `edges` must have one element more than `concentrations` in its last axis, but they have shapes "
        "(1,) and (1,).",
    ),
    "a concentration below 0": (
        synkin.ampa, "beta", synkin.Jumps([0.0, 1.0], [-1.0]), {},
        "Argument `concentrations` must be in mM, finite and not negative, but has the value -1.0.",
    ),
    "rows for one recording": (
        synkin.ampa, "beta", synkin.Jumps([[0.0, 1.0]] * 2, [[1.0]] * 2), {},
        "Argument `edges` must have shape (K + 1,), but has shape (2, 2).",
    ),
    "after the end": (
        synkin.ampa, "beta", synkin.Jumps([30.0, 31.0], [1.0]), {},
        "Argument `edges` must begin before the end of the recording, 19.5 ms, but begins at 30.0.",
    ),
    "a word that is none": (
        synkin.ampa, "beta", JUMPS, {"scale": "one"},
        "Argument `scale` must be True, False, 'shared' or a finite number, but is 'one'.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    kernel, free, protocol, options, sentence = REFUSED[case]
    with pytest.raises((TypeError, ValueError)) as error:
        synkin.fit(kernel, kernel.Params(), protocol, TIMES, TRACE, free=free, **options)
    assert str(error.value) == sentence


def test_gabab_between_edges():
    """Equations that are no scheme take jumps too."""
    kernel = schemes.gabab
    g = synkin.concentration_jumps(kernel, kernel.Params(), [0.0, 1.0], [1.0], [102.48, 1e5])
    assert float(g[0]) == pytest.approx(0.012223, abs=6e-7)
    assert float(g[1]) == pytest.approx(0.0, abs=1e-6)
