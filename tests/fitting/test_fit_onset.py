"""The onset, where the sum of squares breaks at every sample."""

import numpy as np
import pytest

import synkin
from synkin import alpha, ampa, dual_expon, expon
from synkin.fitting import fit, model
from synkin.fitting.checking import as_problem
from synkin.fitting.search import onset
from tests.helpers.precision import enable_x64
from tests.helpers.samples import name_of

DT = 0.1  # ms
TIMES = DT * np.arange(300)
SPIKE = 8.03  # ms
FREE = {
    "alpha": ("tau",),
    "ampa": ("alpha", "beta", "T_dur"),
    "gabaa": ("alpha", "beta", "T_dur"),
    "bionmda": ("beta1", "beta2"),
    "expon": ("tau",),
    "dual_expon": ("tau_decay", "tau_rise"),
}


def response(kernel, params, spikes):
    with enable_x64():
        return np.asarray(synkin.respond(kernel, params, np.asarray(spikes), TIMES))


def noisy(clean, rng):
    return clean + 0.01 * np.ptp(clean) * rng.normal(size=clean.shape)


def found(kernel, spikes, trace, **options):
    arguments = {"free": FREE[name_of(kernel)], "scale": True, "offset": True, "starts": 3} | options
    return fit(kernel, kernel.Params(), spikes, TIMES, trace, onset=True, progress=False, **arguments)


@pytest.mark.parametrize("shift", [-4.97, -0.33, 2.41, 4.88])
@pytest.mark.parametrize("name", FREE)
def test_shifts_are_found(name, shift):
    """To half a sample, with parameters a factor of about 2 off, at noise of 1 %."""
    kernel, rng = synkin.KERNELS[name], np.random.default_rng(int(100 + 10 * shift))
    factors = 2 ** rng.uniform(-1, 1, len(FREE[name]))
    true = {field: getattr(kernel.Params(), field) * f for field, f in zip(FREE[name], factors, strict=True)}
    clean = -30 * response(kernel, kernel.Params(**true), [SPIKE + shift]) + 2
    fitted = found(kernel, [SPIKE], noisy(clean, rng), starts=2 if name == "bionmda" else 12)
    assert abs(fitted.onset - shift) <= DT / 2
    assert fitted.r_squared > 0.995
    assert "noise the rest" in fitted.verdict


@pytest.mark.parametrize(
    ("kernel", "true"),
    [
        (alpha, {"tau": 0.8}),
        (ampa, {"beta": 1.5, "T_dur": 0.3}),
        (dual_expon, {"tau_decay": 1.5, "tau_rise": 0.3}),
        (expon, {"tau": 0.8}),
    ],
    ids=lambda value: name_of(value) if hasattr(value, "Params") else "",
)
def test_brief_responses_are_found(kernel, true):
    """One that is over before the time at which it was looked for: there the sum of squares is flat."""
    clean = response(kernel, kernel.Params(**true), [SPIKE - 5.0])
    fitted = found(kernel, [SPIKE], noisy(clean, np.random.default_rng(0)), starts=12)
    assert abs(fitted.onset + 5.0) <= DT / 2 + 1e-9
    assert fitted.r_squared > 0.99


def test_a_jump_is_put_in_the_middle_of_its_interval():
    """Where it is within that the recording does not say."""
    clean = response(expon, expon.Params(5.0), [SPIKE + 2.345])
    fitted = found(expon, [SPIKE], noisy(clean, np.random.default_rng(0)))
    # The jump is at 10.375 ms, between the samples at 10.3 and 10.4.
    assert SPIKE + fitted.onset == pytest.approx(10.35, abs=1e-9)
    assert fitted.stderr["onset"] == np.inf
    assert fitted.params.tau == pytest.approx(5, rel=0.05)


def test_a_jump_is_found_from_one_start_and_with_a_held_scale():
    clean = response(expon, expon.Params(5.0), [SPIKE - 3.11])
    trace = noisy(clean, np.random.default_rng(1))
    assert found(expon, [SPIKE], trace, starts=1).onset == pytest.approx(-3.11, abs=DT / 2)
    # With it the place between two samples is known as well.
    held = found(expon, [SPIKE], trace, scale=False, offset=False)
    assert held.onset == pytest.approx(-3.11, abs=0.02)
    assert abs(held.onset + 3.11) < 4.5 * held.stderr["onset"]


def test_a_steep_rise_is_found():
    """A receptor that is up within a sample is nearly one that jumps."""
    params = ampa.Params(alpha=60.0, T_dur=0.1)
    clean = response(ampa, params, [SPIKE + 3.37])
    assert np.diff(clean).max() > 0.6 * clean.max()
    fitted = found(ampa, [SPIKE], noisy(clean, np.random.default_rng(2)))
    assert abs(fitted.onset - 3.37) <= DT


def test_a_train_and_several_recordings():
    """Spikes at different places between samples, and for each recording a shift of its own; some samples missing."""
    spikes = np.array([[6.0, 9.13, 15.78, np.inf], [7.3, 8.81, 9.99, 20.02]])
    shifts = np.array([1.26, -3.74])
    rng = np.random.default_rng(3)
    traces = np.stack(
        [noisy(response(expon, expon.Params(4.0), row + d), rng) for row, d in zip(spikes, shifts, strict=True)]
    )
    traces[0, 50:60] = np.nan
    fitted = found(expon, spikes, traces)
    np.testing.assert_allclose(fitted.onset, shifts, atol=DT / 2)
    assert fitted.params.tau == pytest.approx(4, rel=0.02)


@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (2.0, 2.5)])
def test_bounds_hold(bounds):
    clean = response(expon, expon.Params(5.0), [SPIKE + 4.2])
    fitted = found(expon, [SPIKE], clean, bounds={"onset": bounds})
    assert bounds[0] <= fitted.onset <= bounds[1]


def posed(kernel, trace, spikes=(SPIKE,), **held):
    return as_problem(
        kernel, kernel.Params(), spikes, TIMES, trace,
        free="tau", held={"scale": True, "offset": True, "onset": True} | held,
        weights=None, bounds={}, overlap="restart", unit="",
    )  # fmt: skip


@pytest.mark.parametrize("held", [{}, {"scale": -20.0}, {"offset": 1.0}, {"scale": -20.0, "offset": 1.0}])
def test_squares_are_those_of_least_squares(held):
    rng = np.random.default_rng(4)
    traces = -30 * response(alpha, alpha.Params(3.0), [SPIKE]) + 2 + rng.normal(size=(2, 300))
    traces[1, 20:120] = np.nan
    onsets = np.array([[0.0, -2.5, 1.3], [0.7, 3.0, -1.1]])
    with enable_x64():
        squares = model.sums_of_squares(posed(alpha, traces, **held), np.log([3.0]), onsets)
    for r, i in np.ndindex(2, 3):
        there = np.isfinite(traces[r])
        g = response(alpha, alpha.Params(3.0), [SPIKE + onsets[r, i]])[there]
        columns = {"scale": g, "offset": np.ones_like(g)}
        target = traces[r, there] - sum(value * columns[name] for name, value in held.items())
        basis = np.stack([columns[name] for name in columns if name not in held] or [0 * g], axis=1)
        expected = target - basis @ np.linalg.lstsq(basis, target, rcond=None)[0]
        assert squares[r, i] == pytest.approx((expected**2).sum(), rel=1e-9)


def test_scan_returns_the_point_itself_where_nothing_is_better():
    trace = response(alpha, alpha.Params(), [SPIKE])
    with enable_x64():
        problem = posed(alpha, trace)
        point = np.array([np.log(8.0), 1.0, 0.0, 0.0])
        assert onset.scan(problem, point, 6.0) is point


@pytest.mark.parametrize("start", [2.29, 2.31, -4.0])
def test_scan_ends_in_the_middle_between_two_breaks(start):
    """Even from within the interval, where all is as good."""
    trace = response(expon, expon.Params(), [SPIKE + 2.345])
    with enable_x64():
        problem = posed(expon, trace)
        moved = onset.scan(problem, np.array([np.log(8.0), 1.0, 0.0, start]), 6.0)
    assert SPIKE + moved[3] == pytest.approx(10.35, abs=1e-9)


@pytest.mark.parametrize(
    ("spikes", "low", "high", "middles"),
    [
        # Breaks are where a spike meets a sample: 0.07, 0.17, 0.27 of the one, 0.02, 0.12, 0.22 of the other.
        ((8.03,), 0.1, 0.2, [0.12, 0.22]),
        ((8.03, 9.08), 0.1, 0.2, [0.095, 0.145, 0.195]),
        # Before the first sample and after the last there are none.
        ((-1.0,), 0.5, 1.05, [0.75, 1.05]),
        ((29.85,), 0.0, 0.4, [0.0, 0.225]),
    ],
)
def test_one_onset_between_each_two_breaks(spikes, low, high, middles):
    onsets, step = onset._candidates(posed(alpha, np.arange(300.0), spikes), 0, low, high)
    np.testing.assert_allclose(np.unique(onsets.round(9)), middles, atol=1e-9)
    assert step == 0


def test_far_apart_where_there_are_too_many_breaks():
    onsets, step = onset._candidates(posed(alpha, np.arange(300.0)), 0, -6.0, 6.0)
    np.testing.assert_allclose(onsets, np.linspace(-6, 6, len(onsets)))
    assert step == pytest.approx(12 / (len(onsets) - 1))


def test_reach_is_the_width_of_the_response():
    """An exponential is as wide as its time constant, and is looked for twice as far, and 6 ms at the least."""
    with enable_x64():
        problem = posed(expon, np.arange(300.0))
        for tau, distance in ((4.0, 8.0), (0.5, 6.0)):
            point = np.array([np.log(tau), 1.0, 0.0, 0.0])
            assert onset.search_range(problem, point) == pytest.approx(distance, rel=0.05)


def test_a_scan_is_compiled_once():
    """Whatever the parameters, the onsets and the recording."""
    rng = np.random.default_rng(5)
    clean = response(expon, expon.Params(5.0), [SPIKE + 1.0])
    found(expon, [SPIKE], noisy(clean, rng))
    before = model._sums_of_squares._cache_size()
    found(expon, [SPIKE + 1.1], noisy(clean, rng), bounds={"onset": (-4.0, 4.0)})
    assert model._sums_of_squares._cache_size() == before


def test_a_shared_onset_is_scanned_for_all_together():
    """Of a jump that noise hides in each: the middle of the interval that is the best for all of them."""
    rng = np.random.default_rng(6)
    clean = response(expon, expon.Params(5.0), [SPIKE + 2.345])
    traces = rng.choice([-1.0, 1.0], (12, 1)) * clean + 0.4 * rng.normal(size=(12, TIMES.size))
    with enable_x64():
        problem = as_problem(
            expon, expon.Params(5.0), (SPIKE,), TIMES, traces,
            free="tau", held={"scale": True, "offset": False, "onset": "shared"}, weights=None, bounds={},
            overlap="restart", unit="",
        )  # fmt: skip
        start = np.concatenate([[np.log(5.0)], np.ones(12), [0.0]])
        moved = onset.scan(problem, start, 6.0)
    assert SPIKE + moved[-1] == pytest.approx(10.35, abs=1e-9)
    fitted = found(expon, [SPIKE], traces, scale=True, offset=False, starts=3)
    assert np.ptp(fitted.onset) > 0.1


@pytest.mark.wide
def test_right_parameters_and_an_onset_that_is_off():
    """From a coarse onset the two time scales of bionmda changed places on the way, and all starts agreed on that."""
    kernel, rng = synkin.bionmda, np.random.default_rng(11)
    for _ in range(5):  # the fifth went wrong
        shift = rng.uniform(-5, 5)
        trace = noisy(-30 * response(kernel, kernel.Params(), [SPIKE + shift]), rng)
    result = found(kernel, [SPIKE], trace)
    assert abs(result.onset - shift) < 0.02
    assert result.params.beta1 < 0.1 * result.params.beta2
