"""Pictures: what is drawn, measured and labelled."""

import sys

import numpy as np
import pytest

import synkin
from synkin import plot
from synkin.schemes import SCHEMES, nmda5
from tests.contract.table import ROWS, wide
from tests.helpers.sentences import cases

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture
def ax():
    """Axes without a window."""
    return plot.figure().subplots()


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def ticks(ax):
    return [[segment[0, 0] for segment in train.get_segments()] for train in ax.collections]


def test_traces(ax):
    """As they are given; the lowest tick ends above the highest sample, in fractions of the height."""
    times, g = np.arange(4.0), np.array([[0, 1], [2, 1], [1, 5], [0, 3.0]])
    assert plot.traces(times, g, labels=["a", "b"], spikes=[[1.0, 2.0], [0.5]], ax=ax) is ax
    for line, column in zip(ax.lines, g.T, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), np.stack([times, column], 1))
    assert (ax.get_xlabel(), ax.get_ylabel(), legend(ax)) == ("time (ms)", "g (mS)", ["a", "b"])
    assert ticks(ax) == [[1.0, 2.0], [0.5]]
    low, high = ax.get_ylim()
    assert (5 - low) / (high - low) < min(tick[:, 1].min() for train in ax.collections for tick in train.get_segments())
    # Beyond the palette each still has a colour of its own, and so do more, where they have names.
    ax.clear()
    plot.traces(np.arange(5.0), np.zeros((5, 20)), spikes=[[1.0]] * 20, ax=ax)
    assert len({tuple(line.get_color()) for line in ax.lines}) == 20
    ax.clear()
    plot.traces(np.arange(5.0), np.zeros((5, 30)), labels=[str(i) for i in range(30)], ax=ax)
    assert len(ax.lines) == len(legend(ax)) == 30
    ax.clear()
    plot.traces(np.arange(5.0), np.arange(5.0), spikes=np.array([0.5]), labels="ampa", ax=ax)
    assert (legend(ax), ax.lines[0].get_color()) == (["ampa"], plot.BLUE)


def test_many_traces_are_drawn_together(ax):
    """Trace i is i: the mean is 50, the bands end where 5, 25, 75 and 95 % lie; one dot a spike, above them."""
    trains = [[0.5, 1.5] if i % 2 else [] for i in range(101)]
    plot.traces(np.arange(4.0), np.tile(np.arange(101.0), (4, 1)), spikes=trains, ax=ax)
    (mean,) = ax.lines
    np.testing.assert_allclose(mean.get_ydata(), 50)
    outer, inner, dots = ax.collections
    for band, edges in ((outer, (5, 95)), (inner, (25, 75))):
        heights = band.get_paths()[0].vertices[:, 1]
        assert (heights.min(), heights.max()) == edges
    assert legend(ax) == ["middle 90 %", "middle 50 %", "mean of 101"]
    assert len(dots.get_offsets()) == 100
    low, high = ax.get_ylim()
    assert (95 - low) / (high - low) < dots.get_offsets()[:, 1].min()


@pytest.mark.parametrize(("sign", "limits"), [(1, (0, 3)), (-1, (-3, 0)), (0, (-3, 3))])
def test_population(sign, limits):
    """The image holds g as it is, white is 0 whatever the sign, and every spike has its dot in its row."""
    raster, image, mean = axes = plot.figure().subplots(3, 1)
    times, g = np.arange(1.0, 5.0), np.random.default_rng(0).uniform(0.5, 2, (4, 30))
    g[2, 3], g[0] = 3.0, 0.0
    g *= sign or np.where(np.arange(30) % 2, -1, 1)
    trains = [[1.5, 2.5] if i == 7 else [] for i in range(30)]
    assert plot.population(times, g, spikes=trains, ax=axes)[0] is raster
    np.testing.assert_array_equal(raster.collections[0].get_offsets(), [[1.5, 7], [2.5, 7]])
    (shown,) = image.images
    np.testing.assert_array_equal(shown.get_array(), g.T)
    assert (shown.get_clim(), shown.get_extent()) == (limits, [0, 4, -0.5, 29.5])  # a sample is the end of its step
    assert shown.get_cmap()(shown.norm(0.0)) == pytest.approx((1, 1, 1, 1), abs=0.01)
    np.testing.assert_allclose(mean.lines[0].get_ydata(), g.mean(axis=1))
    assert {ax.get_xlim() for ax in axes} == {(0, 4)}
    plot.population(times, 0 * g, ax=plot.figure().subplots(3, 1))  # of silence
    assert (image.get_ylabel(), mean.get_ylabel(), mean.get_xlabel()) == ("synapse", "g (mS)", "time (ms)")


def test_population_loses_no_peak():
    """More samples and synapses than a picture has dots: one large sample of either sign still shows."""
    axes = plot.figure().subplots(3, 1)
    g = np.zeros((5001, 1301))
    g[4321, 700], g[10, 11] = 5.0, -4.0
    plot.population(np.arange(1, 5002), g, ax=axes)
    shown = axes[1].images[0].get_array()
    assert (shown.shape, shown.max(), shown.min(), np.count_nonzero(shown)) == ((600, 2000), 5, -4, 2)
    peak = np.unravel_index(shown.argmax(), shown.shape)
    assert peak == pytest.approx((700 / 1301 * 600, 4321 / 5001 * 2000), abs=1)


def test_picture_of_a_run():
    """A few synapses as traces, many as a population, a long run with its peak close up."""
    from synkin.cli.simulate import picture, spikes

    given = np.array([70.0]), np.array([0])
    for synapses, duration, panels in ((1, 100, 1), (7, 100, 1), (8, 100, 3), (7, 1000, 2), (60, 1000, 6)):
        figure, times, g = plot.figure(), np.arange(1.0, duration + 1), np.zeros((duration, synapses))
        g[70] = 1.0
        picture.draw(figure, times, g if synapses > 1 else g[:, 0], spikes.Spikes(*given, (synapses,)), "ampa")
        assert len(figure.axes) == panels
        assert figure.axes[0].get_title(loc="left").startswith("ampa, 1 spike")
        if duration > 800:
            begin, end = figure.axes[1].get_xlim()
            assert begin < 71 < end < 420
    figure.draw_without_rendering()


def test_makes_axes_where_none_are_given():
    from matplotlib import pyplot

    with matplotlib.rc_context({"backend": "Agg"}):
        pyplot.switch_backend("Agg")
        for ax in (plot.traces(np.arange(2.0), np.zeros(2)), plot.scheme(nmda5)):
            assert ax.figure.number in pyplot.get_fignums()
            ax.figure.draw_without_rendering()
            pyplot.close(ax.figure)


@pytest.mark.parametrize("name", wide(synkin.KERNELS, [n for n in synkin.KERNELS if not ROWS[n].dear]))
def test_kernel_is_measured(name, ax):
    assert plot.kernel(synkin.KERNELS[name], ax=ax) is ax
    of_peak, *times = ("peak {:.3g} mS at {:.3g} ms", "10-90 % rise {:.3g} ms", "half width {:.3g} ms",
                       "decay to 1/e {:.3g} ms")  # fmt: skip
    peak, at, *others = ROWS[name].response
    assert legend(ax) == [name, of_peak.format(peak, at), *map(str.format, times, others)]


def test_kernel_marks_lie_on_the_curve(ax):
    """Of a response downward: both ends of rise and half width, and the later end of the decay."""
    plot.kernel(synkin.dual_expon, synkin.dual_expon.Params(amplitude=-2.0), ax=ax)
    curve, peak, *marks = ax.lines
    assert peak.get_ydata() == pytest.approx(-2.0, rel=1e-4)
    levels = [-0.2, -1.8], [-1, -1], [-2 / np.e, -2 / np.e]
    for mark, level, ends in zip(marks, levels, ([0, -1], [0, -1], [-1]), strict=True):
        np.testing.assert_allclose(mark.get_ydata()[[0, -1]], level, rtol=1e-3)
        on_curve = np.interp(mark.get_xdata()[ends], curve.get_xdata(), curve.get_ydata())
        np.testing.assert_allclose(on_curve, mark.get_ydata()[ends], rtol=1e-3)


def test_kernel_takes_parameters_and_step(ax):
    """Half width and decay of a jump, tau log 2 and tau; unbinding at rate 0 has neither, and no guess at them."""
    plot.kernel(synkin.expon, synkin.expon.Params(tau=2000.0), dt=1.0, ax=ax)
    assert legend(ax)[-2:] == ["half width 1.39e+03 ms", "decay to 1/e 2e+03 ms"]
    ax.clear()
    plot.kernel(synkin.ampa, synkin.ampa.Params(beta=0.0), dt=0.1, ax=ax)
    assert legend(ax)[1].startswith("peak 0.217 mS")  # 1 - exp(-alpha T T_dur)
    assert legend(ax)[-2:] == ["half width: not within 50,000 ms", "decay to 1/e: not within 50,000 ms"]
    ax.clear()
    plot.kernel(synkin.expon + synkin.dual_expon, ax=ax)
    assert legend(ax)[0] == "expon+dual_expon"


def test_events_stand_on_their_baseline(ax):
    times = np.arange(0, 400, 0.1)
    trace = -65 - np.asarray(synkin.respond(synkin.ampa, synkin.ampa.Params(), [50.0, 200.0], times), float)
    found = synkin.deconvolve(synkin.ampa, synkin.ampa.Params(), times, trace)
    assert plot.events(times, trace, found._replace(unit="mV"), ax=ax) is ax
    recording, curve = ax.lines
    np.testing.assert_array_equal(recording.get_ydata(), trace)
    np.testing.assert_allclose(curve.get_ydata(), trace, atol=0.01)
    np.testing.assert_allclose(ticks(ax)[0], [50, 200], atol=0.02)
    low, high = ax.get_ylim()
    assert low < trace.min() < trace.max() < low + 0.951 * (high - low)
    assert high < -60
    assert ax.get_ylabel() == "recording (mV)"
    with pytest.raises(ValueError, match=r"must have shape \(4000,\), as the trace of `found` has"):
        plot.events(times[1:], trace[1:], found, ax=ax)


def test_each_event_and_a_summary():
    """A panel for each event with what was found; average, sizes and intervals; shaded where none were sought."""
    rng, times = np.random.default_rng(0), np.arange(0, 2000, 0.1)
    at, params = np.arange(50.0, 1950.0, 90.3), synkin.dual_expon.Params(tau_rise=0.5, tau_decay=5.0)
    trace = -20 * np.asarray(synkin.respond(synkin.dual_expon, params, at, times), float) + rng.normal(0, 1, times.size)
    found = synkin.deconvolve(synkin.dual_expon, params, times, trace, exclude=[(1000.0, 1100.0)])
    figure = plot.each_event(found)
    drawn = [ax for ax in figure.axes if ax.lines]
    assert len(drawn) == len(found.times)
    assert drawn[3].get_title() == f"3: {found.sizes[3]:.3g}"
    curve = drawn[3].lines[1]
    assert np.min(curve.get_ydata()) == pytest.approx(found.sizes[3], rel=0.05)
    first, second, third = plot.event_summary([found, found], axes=figure.subplots(1, 3))
    average = found.average()
    np.testing.assert_allclose(first.lines[0].get_ydata(), average.mean, atol=0.5)
    assert sum(bar.get_height() for bar in second.patches) == 2 * len(found.times)
    assert sum(bar.get_height() for bar in third.patches) == 2 * len(found.intervals())
    shaded = plot.events(times, trace, found, ax=figure.subplots()).patches
    assert len(shaded) == 1
    with pytest.raises(ValueError, match="average, sizes and intervals"):
        plot.event_summary(found, axes=[first])
    nothing = synkin.deconvolve(synkin.dual_expon, params, times, rng.normal(0, 1, times.size)).keep([])
    assert not any(ax.lines for ax in plot.each_event(nothing).axes)
    plot.event_summary(nothing, axes=figure.subplots(1, 3))


def test_recording_and_what_was_measured_on_it(ax):
    times = np.arange(0.0, 30.0, 0.1)
    trace = 3.0 - 8 * np.asarray(synkin.respond(synkin.ampa, synkin.ampa.Params(), [5.0], times))
    cell, many = (synkin.Recording(times, traces, "pA") for traces in (trace, np.tile(trace, (30, 1))))
    assert plot.recording(cell, spikes=[5.0], ax=ax) is ax
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), trace)
    assert ax.get_ylabel() == "recording (pA)"
    ax.clear()
    measured = synkin.measure(cell, baseline=(0, 5))
    plot.recording(cell, measured, ax=ax)
    shown, onset, peak, width = ax.lines
    np.testing.assert_allclose(shown.get_ydata(), trace - measured.baseline[0])
    assert (onset.get_xdata()[0], peak.get_ydata()[0]) == (measured.onset[0], measured.peak[0])
    assert np.ptp(width.get_xdata()) == pytest.approx(measured.half_width[0])
    # The half width's ends lie on the trace.
    np.testing.assert_allclose(np.interp(width.get_xdata(), times, shown.get_ydata()), width.get_ydata(), rtol=1e-6)
    ax.clear()
    plot.recording(many, synkin.measure(many, baseline=(0, 5)), ax=ax)
    assert len(ax.lines) == 1


def test_amplitudes_over_time_and_on_the_recording(ax):
    times, rng = np.arange(0.0, 100.0, 0.1), np.random.default_rng(0)
    late = [np.maximum(times - at, 0) for at in (40.0, 60.0)]
    rows = -20 * np.exp(-late[0] / 5) * (late[0] > 0) - 10 * np.exp(-late[1] / 5) * (late[1] > 0)
    cell = synkin.Recording(times, rows + rng.normal(0, 1, (30, times.size)), "pA", start_times=1e4 * np.arange(30.0))
    measured = synkin.measure(cell, baseline=(0, 39), spikes=[40.0, 60.0])
    found = measured.amplitudes
    plot.amplitudes(found, ax=ax)
    dots = [line for line in ax.lines if line.get_linestyle() == "None"]
    np.testing.assert_array_equal([dot.get_ydata() for dot in dots], found.values.T)
    np.testing.assert_allclose(dots[0].get_xdata(), cell.start_times / 60_000)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (min)", "amplitude (pA)")
    assert f"paired-pulse ratio {found.paired_pulse_ratio:.3g}" in ax.get_title("left")
    ax.clear()
    plot.recording(cell, measured, ax=ax)
    (bars,) = [each for each in ax.collections if hasattr(each, "get_segments") and len(each.get_segments()) == 2]
    heights = [np.ptp(bar[:, 1]) for bar in bars.get_segments()]
    np.testing.assert_allclose(heights, np.abs(found.mean))
    ax.clear()
    alone = synkin.measure(times, rows, spikes=[40.0]).amplitudes
    plot.amplitudes(alone, ax=ax)
    assert (ax.get_xlabel(), ax.get_title("left")) == ("sweep", "")


def test_currents_against_voltages(ax):
    times, volts = np.arange(0.0, 50.0, 0.1), np.arange(-60.0, 50.0, 20.0)
    rows = np.where(volts < 30, volts, 60.0)[:, None] * np.exp(-np.maximum(times - 20, 0) / 5) * (times > 20)
    found = synkin.current_voltage(times, rows, voltages=volts, fit_range=(-60, 30), window=(20, 40))
    plot.current_voltage(found, ax=ax)
    curve = ax.lines[2]
    np.testing.assert_allclose(curve.get_ydata(), found.curve(curve.get_xdata()))
    closed, opened = (each.lines[0] for each in ax.containers)
    np.testing.assert_array_equal(closed.get_xdata(), volts[:-1])
    assert (list(opened.get_xdata()), opened.get_markerfacecolor()) == ([40.0], "none")
    assert "reverses at" in ax.get_legend().get_texts()[0].get_text()


NAMES = {name: getattr(plot, name) for name in ("amplitudes", "current_voltage")}
NAMES |= {name: getattr(plot, name) for name in ("traces", "population", "kernel", "recording", "scheme")}
NAMES |= {"np": np, "zeros": np.zeros, "synkin": synkin, "SCHEMES": SCHEMES, "nmda5": nmda5}
NAMES |= {"t": np.arange(3.0), "cell": synkin.Recording(np.arange(90) / 10, np.tile(np.arange(90.0), (30, 1)), "pA")}


@pytest.mark.parametrize(("call", "said"), cases(__file__))
def test_refused(call, said):
    with pytest.raises((TypeError, ValueError)) as error:
        eval(call, dict(NAMES))
    assert f"{error.typename}: {error.value}" == said


def test_without_matplotlib(monkeypatch):
    for module in ("matplotlib", "matplotlib.figure", "matplotlib.textpath", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, module, None)
    for draw in (lambda: plot.traces(np.arange(2.0), np.zeros(2)), plot.figure, lambda: plot.scheme(nmda5)):
        with pytest.raises(ImportError, match="which is not installed"):
            draw()
