"""Pictures: what is drawn, measured and labelled."""

import subprocess
import sys

import numpy as np
import pytest

import synkin
from synkin import plot

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture
def ax():
    """Axes without a window."""
    return plot.figure().subplots()


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_traces_are_drawn_as_given(ax):
    times, g = np.arange(4.0), np.array([[0, 1], [2, 1], [1, 0], [0, 3.0]])
    assert plot.traces(times, g, labels=["a", "b"], spikes=[[1.0, 2.0], [0.5]], ax=ax) is ax
    for line, column in zip(ax.lines, g.T, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), times)
        np.testing.assert_array_equal(line.get_ydata(), column)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (ms)", "g (mS)")
    assert legend(ax) == ["a", "b"]
    ticks = [[segment[0, 0] for segment in train.get_segments()] for train in ax.collections]
    assert ticks == [[1.0, 2.0], [0.5]]


def test_ticks_stay_above_the_data(ax):
    """In fractions of the height: the lowest tick ends above the highest sample."""
    plot.traces(np.arange(3.0), np.array([[0, 0, 0], [1.0, 5, 2], [0, 0, 0]]), spikes=[[1.0]] * 3, ax=ax)
    low, high = ax.get_ylim()
    lowest_tick = min(segment[:, 1].min() for train in ax.collections for segment in train.get_segments())
    assert (5 - low) / (high - low) < lowest_tick


def test_one_trace_has_one_label(ax):
    _, g = synkin.simulate(synkin.ampa, synkin.ampa.Params(), np.eye(1, 50, 5, bool)[0], 0.1)
    plot.traces(0.1 * np.arange(1, 51), g, spikes=np.array([0.5]), labels="ampa", ax=ax)
    assert legend(ax) == ["ampa"]
    assert ax.lines[0].get_color() == plot.BLUE


def test_any_number_of_traces(ax):
    """Beyond the palette every trace still has a colour of its own."""
    plot.traces(np.arange(5.0), np.zeros((5, 40)), spikes=[[1.0]] * 40, ax=ax)
    assert len({tuple(line.get_color()) for line in ax.lines}) == 40


def test_makes_axes_where_none_are_given():
    from matplotlib import pyplot

    with matplotlib.rc_context({"backend": "Agg"}):
        pyplot.switch_backend("Agg")
        ax = plot.traces(np.arange(2.0), np.zeros(2))
        assert ax.figure.number in pyplot.get_fignums()
        pyplot.close(ax.figure)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"times": np.zeros((2, 2))}, r"Argument `times` must have shape \(T,\), but has shape \(2, 2\)\."),
        ({"g": np.zeros(4)}, r"Argument `g` must have shape \(3,\) or \(3, n\), but has shape \(4,\)\."),
        ({"g": np.zeros((3, 2, 2))}, r"Argument `g` must have shape \(3,\) or \(3, n\), .* \(3, 2, 2\)\."),
        ({"labels": ["a", "b"]}, "Argument `labels` must have length 1, but has length 2."),
        ({"spikes": [[1.0], [2.0]]}, "Argument `spikes` must be one train of times or 1 trains, but is 2."),
    ],
)
def test_traces_that_do_not_fit(arguments, expected, ax):
    with pytest.raises(ValueError, match=f"^{expected}$"):
        plot.traces(**{"times": np.arange(3.0), "g": np.zeros(3), "ax": ax} | arguments)


# Of the answer to one input: peak and its time, 10-90 % rise, half width, decay to 1/e. Found by a root
# finder on the closed form; for bionmda on the solution of DOP853 at rtol 1e-12.
RESPONSES = {
    "alpha": (np.exp(-1), 8.0, 4.56096, 19.57109, 17.16955),
    "ampa": (0.208186, 0.5, 0.39870, 4.12200, 5.55556),
    "gabaa": (0.379477, 1.0, 0.78790, 4.43800, 5.55556),
    "bionmda": (0.754487, 6.76162, 2.52576, 77.21759, 102.08171),
    "expon": (1.0, 0.0, 0.0, 8 * np.log(2), 8.0),
    "dual_expon": (1.0, 2.55843, 1.34716, 10.03544, 11.05355),
}


def test_kernel_is_measured(kernel, ax):
    assert plot.kernel(kernel, ax=ax) is ax
    name = kernel.name
    peak, peak_time, rise, half_width, decay = RESPONSES[name]
    assert legend(ax) == [
        name,
        f"peak {peak:.3g} mS at {peak_time:.3g} ms",
        f"10-90 % rise {rise:.3g} ms",
        f"half width {half_width:.3g} ms",
        f"decay to 1/e {decay:.3g} ms",
    ]


def test_kernel_marks_lie_on_the_curve(ax):
    """Of a response downward: both ends of rise and half width, and the later end of the decay."""
    plot.kernel(synkin.dual_expon, synkin.dual_expon.Params(amplitude=-2.0), ax=ax)
    curve, peak, rise, half, decay = ax.lines
    assert peak.get_ydata() == pytest.approx(-2.0, rel=1e-4)
    for mark, levels in ((rise, [-0.2, -1.8]), (half, [-1, -1]), (decay, [-2 / np.e, -2 / np.e])):
        ends = mark.get_ydata()[[0, -1]]
        np.testing.assert_allclose(ends, levels, rtol=1e-3)
    for mark, ends in ((rise, [0, -1]), (half, [0, -1]), (decay, [-1])):
        on_curve = np.interp(mark.get_xdata()[ends], curve.get_xdata(), curve.get_ydata())
        np.testing.assert_allclose(on_curve, mark.get_ydata()[ends], rtol=1e-3)


def test_kernel_takes_parameters_and_step(ax):
    """Half width and decay of a jump that decays with tau: tau log 2 and tau."""
    plot.kernel(synkin.expon, synkin.expon.Params(tau=2000.0), dt=1.0, ax=ax)
    assert legend(ax)[-2:] == ["half width 1.39e+03 ms", "decay to 1/e 2e+03 ms"]


def test_kernel_that_does_not_come_back(ax):
    """Unbinding at rate 0: no width, no decay, and no guess at them."""
    plot.kernel(synkin.ampa, synkin.ampa.Params(beta=0.0), dt=0.1, ax=ax)
    assert legend(ax)[1].startswith("peak 0.217 mS")  # 1 - exp(-alpha T T_dur)
    assert legend(ax)[-2:] == ["half width: not within 50,000 ms", "decay to 1/e: not within 50,000 ms"]


@pytest.mark.parametrize(
    ("kernel", "params", "dt", "expected"),
    [
        (synkin.alpha, {"tau": -1.0}, 0.01, "Parameter `tau` must be positive and finite, but .* -1.0."),
        (synkin.alpha, {"tau": np.ones(3)}, 0.01, r"Parameter `tau` must broadcast against shape \(\), .*"),
        (synkin.alpha, {}, 0.0, "Argument `dt` must be a positive number of ms, but is 0.0."),
        (synkin.alpha, {"tau": 1e6}, 0.01, "Argument `dt` must be larger here: 500000 steps of 0.01 ms .*"),
    ],
)
def test_kernel_that_cannot_be_drawn(kernel, params, dt, expected, ax):
    with pytest.raises(ValueError, match=f"^{expected}$"):
        plot.kernel(kernel, kernel.Params(**params), dt=dt, ax=ax)


def test_without_matplotlib(monkeypatch):
    for module in ("matplotlib", "matplotlib.figure", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match="which is not installed"):
        plot.traces(np.arange(2.0), np.zeros(2))
    with pytest.raises(ImportError, match="which is not installed"):
        plot.figure()


def test_importing_it_does_not_import_matplotlib():
    code = "import sys, synkin.plot; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
