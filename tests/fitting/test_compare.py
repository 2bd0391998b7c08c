"""Which kernel: AICc, BIC, and what is said of them."""

import re

import numpy as np
import pytest

import synkin
from synkin import alpha, ampa, dual_expon, expon, plot
from synkin.fitting import fit
from tests.fitting.test_fit import alpha_function, noisy

TIMES = np.arange(300) / 10  # ms
SPIKE = 3.03  # ms
TRACE = noisy(-30 * alpha_function(TIMES, 2.0, SPIKE), 0.03, seed=0)
FREE = {alpha: "tau", expon: "tau", dual_expon: ("tau_decay", "tau_rise"), ampa: ("beta", "T_dur")}


def fitted(kernel, trace=TRACE, **options):
    arguments = {"free": FREE[kernel], "scale": True, "starts": 3, "progress": False} | options
    return fit(kernel, kernel.Params(), [SPIKE], TIMES, trace, **arguments)


@pytest.fixture(scope="module")
def fits():
    return [fitted(kernel) for kernel in (expon, dual_expon, alpha)]


def test_criteria_are_those_of_the_residuals(fits):
    found = synkin.compare(fits)
    samples = 300 / max(min(fit.alike for fit in fits), 1.0)
    assert found.samples == pytest.approx(samples)
    aicc, bic = {}, {}
    for each, numbers in zip(fits, (2, 3, 2), strict=True):
        k = numbers + 1
        deviance = samples * np.log((each.residuals**2).sum() / samples)
        aicc[each.kernel.name] = deviance + 2 * k + 2 * k * (k + 1) / (samples - k - 1)
        bic[each.kernel.name] = deviance + k * np.log(samples)
    order = sorted(aicc, key=aicc.get)
    assert found.names == tuple(order)
    np.testing.assert_allclose(found.aicc, [aicc[name] - aicc[order[0]] for name in order], atol=1e-9)
    np.testing.assert_allclose(found.bic, [bic[name] - min(bic.values()) for name in order], atol=1e-9)
    evidence = np.exp(-found.aicc / 2)
    np.testing.assert_allclose(found.weights, evidence / evidence.sum())


def test_the_kernel_that_made_it_is_the_most_likely(fits):
    """dual_expon can be alpha's shape as well, for one number more; expon cannot."""
    found = synkin.compare(fits)
    assert found.best.kernel is alpha
    assert found.names == ("alpha", "dual_expon", "expon")
    assert found.weights[2] < 1e-6 * found.weights[0]
    assert 1 < found.weights[0] / found.weights[1] < 4
    assert "can hardly be told apart" in found.message
    table = repr(found).splitlines()
    assert table[0].split() == ["numbers", "R^2", "dAICc", "weight", "ratio", "dBIC", "seconds"]
    assert table[1].split()[:2] == ["alpha", "2"]
    assert "Even the most likely" not in found.message


def test_words(fits):
    two = synkin.compare({"jump": fits[0], "smooth": fits[2]})
    assert two.names == ("smooth", "jump")
    assert re.match(r"smooth is the most likely of them, [\d.e+]+ times as likely as jump\.", two.message)
    same = synkin.compare([fits[0], fits[0]])
    assert same.names == ("expon (1)", "expon (2)")
    assert np.allclose(same.weights, 0.5)
    # A spike that is 10 ms too late.
    late = [fit(k, k.Params(), [13.0], TIMES, TRACE, free="tau", scale=True, starts=1) for k in (expon, alpha)]
    assert "Even the most likely kernel does not describe the recording." in synkin.compare(late).message


def test_too_few_samples_are_admitted():
    times, trace = TIMES[::60], TRACE[::60]
    found = [
        fit(k, k.Params(), [SPIKE], times, trace, free=FREE[k], scale=True, starts=1, progress=False)
        for k in (expon, dual_expon)
    ]  # fmt: skip
    compared = synkin.compare(found)
    assert np.isinf(compared.aicc).any()
    assert "too few for the AICc of" in compared.message
    assert compared.weights.sum() == pytest.approx(1)


def test_sigma_counts():
    sigma = np.where(TIMES > 15, 100.0, 1.0)
    trace = TRACE + np.where(TIMES > 15, 20 * np.sin(TIMES), 0.0)
    found = synkin.compare([fitted(expon, trace, sigma=sigma), fitted(alpha, trace, sigma=sigma)])
    assert found.best.kernel is alpha
    assert found.weights[0] > 0.999
    with pytest.raises(ValueError, match=r"^Argument `fits` must be of one recording, but expon and alpha have oth"):
        synkin.compare([fitted(expon, trace, sigma=sigma), fitted(alpha, trace)])


def test_complaints(fits):
    with pytest.raises(ValueError, match=r"^Argument `fits` must be two fits or more, but is 1"):
        synkin.compare(fits[:1])
    with pytest.raises(TypeError, match=r"^Argument `fits` must be results of `synkin.fit`, but has 'alpha'"):
        synkin.compare(["alpha", "expon"])
    with pytest.raises(ValueError, match=r"^Argument `fits` must be of one recording, but expon and alpha have oth"):
        synkin.compare([fits[0], fitted(alpha, 2 * TRACE)])
    with pytest.raises(ValueError, match=r"^Argument `fits` must be least squares, loss='linear', but alpha is"):
        synkin.compare([fits[0], fitted(alpha, loss="soft_l1", starts=1)])


def test_html(fits):
    text = synkin.compare(fits)._repr_html_()
    assert text.startswith("<table><tr><th></th><th>numbers</th>")
    assert text.count("<tr>") == 4
    assert "<script" not in text


def test_picture(fits):
    pytest.importorskip("matplotlib")
    axes = plot.figure().subplots(1, 2)
    found = synkin.compare(fits)
    left, right = plot.compare(found, ax=axes)
    np.testing.assert_array_equal(left.lines[1].get_ydata(), found.best.predicted)
    assert [text.get_text() for text in right.get_yticklabels()] == list(found.names)
    widths = sorted(bar.get_width() for bar in right.patches)
    np.testing.assert_allclose(widths, sorted(np.minimum(found.aicc, 100)))
    with pytest.raises(ValueError, match=r"^Argument `ax` must be two Axes, for curves and bars, but is"):
        plot.compare(found, ax=left)


def test_several_recordings(recordings):
    """All 21 events of a granule cell: neither a jump nor a single slow kernel."""
    data = np.genfromtxt(recordings / "mepsc_granule_cell.csv", delimiter=",", names=True)
    events = np.stack([data[name] for name in data.dtype.names if name.startswith("event")])
    found = synkin.compare(
        [
            fit(k, k.Params(), [2.9], data["time_ms"], events, free=FREE[k], scale=True, offset=True, starts=4,
                progress=False)
            for k in (expon, dual_expon, ampa)
        ]
    )  # fmt: skip
    assert set(found.names[:2]) == {"ampa", "dual_expon"}
    assert found.weights[2] < 1e-3
