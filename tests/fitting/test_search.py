"""Where the search begins and when it ends; the onset, where the sum of squares breaks at every sample."""

import itertools
import re

import numpy as np
import pytest

import synkin
from synkin import alpha, ampa, bionmda, dual_expon, expon
from synkin.fitting.search import initial_guess, onset
from tests.helpers.precision import enable_x64
from tests.helpers.traces import CLOSED, FREE, SPIKE, TIMES, alpha_function, fitted, jump, noise, noisy, posed

BIONMDA = ("beta1", "beta2")


def response(kernel, spikes=(SPIKE,), **params):
    with enable_x64():
        return np.asarray(synkin.respond(kernel, kernel.Params(**params), np.asarray(spikes), TIMES))


def matched(trace, kernel, spikes=(SPIKE,), bounds=()):
    """Parameters at which the kernel is as fast as the trace, and the coordinates, before and after."""
    with enable_x64():
        problem = posed(trace, kernel, spikes, bounds, onset=False)
        before = np.zeros(len(problem.lower))
        before[: len(problem.free)] = [np.log(problem.params[name]) for name in problem.free]
        after = initial_guess.match_time_course(problem, before)
    return problem.curve.as_given(problem.params_at(after)), before, after


MEASURED = [
    (alpha, {"tau": 0.5}, 1.2), (alpha, {"tau": 3.0}, 1.2), (expon, {"tau": 0.7}, 1.2), (ampa, {"beta": 1.5}, 1.5),
    (dual_expon, {"tau_decay": 2.0, "tau_rise": 0.2}, 1.5),
]  # fmt: skip


@pytest.mark.parametrize(("kernel", "true", "within"), MEASURED, ids=lambda value: getattr(value, "name", ""))
def test_time_constants_are_measured(kernel, true, within):
    """From defaults 3 to 20 times off, whatever the sign, size and baseline of what was recorded."""
    found, _, _ = matched(7.0 - 30.0 * CLOSED[kernel](TIMES, **true), kernel)
    for name, value in true.items():
        assert 1 / within < getattr(found, name) / value < within, name


def test_what_is_measured_of_recordings_in_common_of_trains_and_gaps():
    rng = np.random.default_rng(0)
    clean = alpha_function(TIMES, 0.8)  # of either sign, in noise that hides each
    traces = rng.choice([-1.0, 1.0], (40, 1)) * clean + 0.5 * clean.max() * rng.normal(size=(40, TIMES.size))
    assert 0.6 < matched(traces, alpha)[0].tau / 0.8 < 1.6
    spikes = (3.0, 4.0, 5.5)  # of a train its last decay
    train = 2 * sum(jump(TIMES, 1.2, spike) for spike in spikes)
    assert matched(train, expon, spikes)[0].tau == pytest.approx(1.2, rel=0.1)
    gaps = alpha_function(TIMES, 0.8)
    gaps[::3] = np.nan
    assert matched(gaps, alpha)[0].tau == pytest.approx(0.8, rel=0.3)
    assert matched(gaps, alpha, bounds={"tau": (4.0, 9.0)})[0].tau == pytest.approx(4.0)
    # What shows no response moves nothing.
    for _, before, after in (matched(TIMES, expon), matched(CLOSED[ampa](TIMES), ampa, synkin.Jumps([3, 4], [1.0]))):
        assert after is before


@pytest.mark.wide
def test_bionmda_is_found():
    """It lets go of its transmitter in 100 ms by default, and the response is over in 2."""
    true = {"beta1": 1.1, "beta2": 9.0}
    trace = noisy(-30 * response(bionmda, **true), 0.02, 1)
    found = fitted(trace, bionmda, free=BIONMDA, onset=True, starts=12)
    assert found.params.beta1 == pytest.approx(1.1, rel=0.3)
    assert found.r_squared > 0.97
    assert found.nfev < 250
    assert "noise the rest" in found.verdict
    # From a coarse onset the two time scales changed places on the way, and all starts agreed on that.
    rng = np.random.default_rng(11)
    for _ in range(5):  # the fifth went wrong
        shift = rng.uniform(-5, 5)
        clean = -30 * response(bionmda, [8.03 + shift])
        trace = clean + 0.01 * np.ptp(clean) * rng.normal(size=300)
    found = fitted(trace, bionmda, spike_times=[8.03], free=BIONMDA, onset=True, starts=3)
    assert abs(found.onset - shift) < 0.02
    assert found.params.beta1 < 0.1 * found.params.beta2


@pytest.mark.wide
@pytest.mark.parametrize(
    ("kernel", "r_squared"), [(expon, 0.937), (dual_expon, 0.968), (ampa, 0.970), (bionmda, 0.952)]
)
def test_granule_cell_by_every_kernel(recordings, kernel, r_squared):
    """From the defaults: how much is there is what SciPy finds on closed forms, or with other starts (bionmda)."""
    data = np.genfromtxt(recordings / "mepsc_granule_cell.csv", delimiter=",", names=True)
    given = {"times": data["time_ms"], "spike_times": [2.9], "onset": True, "starts": 12}
    found = fitted(data["mean_pA"], kernel, free=FREE.get(kernel, BIONMDA), **given)
    assert found.r_squared > r_squared
    assert found.nfev < 700  # a poor curve gets farther starts


def test_starts_that_agree_are_enough(capsys, monkeypatch):
    """With a clock that is 1 s later each time it is looked at: nothing, a line each 10 s, or one that is rewritten."""
    monkeypatch.setattr("time.monotonic", itertools.count().__next__)
    trace = alpha_function(TIMES) + 0.003 * noise(300, 2)
    found = fitted(trace, offset=False, starts=12)
    said = re.search(r"(\d+) of (\d+) starts .* found, so that (\d+) more were not needed\.", found.message)
    assert [*map(int, said.groups())] == [7, 7, 5]  # three, and the last third of the twelve
    again = fitted(trace, offset=False, starts=3)
    assert "3 of 3 starts of the search ended at this sum of squares, the lowest found." in again.message
    assert again.params.tau == pytest.approx(found.params.tau, rel=1e-5)
    assert capsys.readouterr().err == ""
    for _ in range(2):
        fitted(trace, offset=False, starts=12, progress=True)
        written = capsys.readouterr().err
        if written.startswith("\r"):
            assert written.startswith("\rfit: start 1 of 12, evaluation 2, 2 s\rfit: start 1 of 12, evaluation 3, ")
            assert written.endswith("\r\033[K")
            break
        assert len(written.splitlines()) >= 2
        for i, line in enumerate(written.splitlines(), start=1):
            assert re.fullmatch(rf"fit: start \d+ of 12, evaluation \d+, {10 * i} s", line)
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)


def test_time_constants_come_in_the_order_that_was_asked_for():
    """The two of dual_expon may be exchanged, and where every start ended with the other order they are."""
    times = TIMES / 2
    trace = -10 * CLOSED[dual_expon](times, 0.9, 0.12, 2.9) + 0.3 * noise(300)
    for params in (dual_expon.Params(), dual_expon.Params(tau_decay=0.05, tau_rise=2.0)):
        for starts in (1, 12):
            given = {"times": times, "spike_times": [2.9], "onset": True, "starts": starts}
            found = fitted(trace, dual_expon, params=params, **given)
            assert (found.params.tau_decay > found.params.tau_rise) == (params.tau_decay > params.tau_rise)
            assert sorted(found.params[:2]) == pytest.approx([0.12, 0.9], rel=0.25)
            assert found.stderr["tau_decay"] / found.params.tau_decay < 0.3


def check_shift(kernel, spike, shift, seed, factors=1.0, within=0.05, **options):
    """It is found to half a sample at noise of 1 %."""
    free = options.get("free") or FREE[kernel]
    values = dict(zip(free, np.array([getattr(kernel.Params(), name) for name in free]) * factors, strict=True))
    clean = -30 * response(kernel, [spike + shift], **values) + 2
    found = fitted(noisy(clean, 0.01, seed), kernel, spike_times=[spike], onset=True, **{"starts": 12} | options)
    assert abs(found.onset - shift) <= within + 1e-9
    assert found.r_squared > 0.99
    return found


@pytest.mark.parametrize("shift", [-4.97, 2.41])
@pytest.mark.parametrize("kernel", FREE, ids=lambda kernel: kernel.name)
def test_shifts_are_found(kernel, shift):
    """With parameters a factor of about 2 off."""
    factors = 2 ** np.random.default_rng(int(100 + 10 * shift)).uniform(-1, 1, len(FREE[kernel]))
    assert "noise the rest" in check_shift(kernel, 8.03, shift, 0, factors).verdict


@pytest.mark.wide
@pytest.mark.parametrize("name", synkin.KERNELS)
def test_many_shifts_are_found(name):
    kernel, rng = synkin.KERNELS[name], np.random.default_rng(11)
    free = {"bionmda": BIONMDA, "gabaa": FREE[ampa], "wang_nmda": ("tau_x", "tau_s")}.get(name) or FREE[kernel]
    for seed in range(3 if name == "bionmda" else 12):
        factors = 2 ** rng.uniform(-1, 1, len(free))
        check_shift(kernel, 8.03, rng.uniform(-5, 5), seed, factors, free=free, starts=2 if name == "bionmda" else 12)


BRIEF = [
    (alpha, {"tau": 0.8}), (ampa, {"beta": 1.5, "T_dur": 0.3}), (dual_expon, {"tau_decay": 1.5, "tau_rise": 0.3}),
    (expon, {"tau": 0.8}),
]  # fmt: skip


@pytest.mark.parametrize(("kernel", "true"), BRIEF, ids=lambda value: getattr(value, "name", ""))
def test_brief_and_steep_responses_are_found(kernel, true):
    """One that is over before the time at which it was looked for: there the sum of squares is flat."""
    free = FREE[kernel]
    factors = [true.get(name, getattr(kernel.Params(), name)) / getattr(kernel.Params(), name) for name in free]
    check_shift(kernel, 8.03, -5.0, 0, factors)
    if kernel is ampa:  # a receptor that is up within a sample is nearly one that jumps
        check_shift(ampa, 8.03, 3.37, 2, np.array([60.0, 0.18, 0.1]) / (0.98, 0.18, 0.5), within=0.1, starts=3)


def test_a_jump_is_put_in_the_middle_of_its_interval():
    """Where it is within that the recording does not say, unless the scale is held."""
    found = check_shift(expon, 8.03, 2.345, 0, starts=3)
    # The jump is at 10.375 ms, between the samples at 10.3 and 10.4.
    assert 8.03 + found.onset == pytest.approx(10.35, abs=1e-9)
    assert found.stderr["onset"] == np.inf
    assert found.params.tau == pytest.approx(8, rel=0.05)
    check_shift(expon, 8.03, -3.11, 1, starts=1)
    trace = noisy(jump(TIMES, 5.0, 4.92), 0.01, 1)
    held = fitted(trace, expon, spike_times=[8.03], onset=True, scale=False, offset=False)
    assert held.onset == pytest.approx(-3.11, abs=0.02)
    assert abs(held.onset + 3.11) < 4.5 * held.stderr["onset"]
    for bounds in ((-1.0, 1.0), (2.0, 2.5)):
        bounded = fitted(trace, expon, spike_times=[8.03], onset=True, bounds={"onset": bounds})
        assert bounds[0] <= bounded.onset <= bounds[1]


def scan(trace, start, spikes=(8.03,), **held):
    """Where it moves expon's onsets from ``start``, which ends in them."""
    with enable_x64():
        return onset.scan(posed(trace, expon, spikes, **held), np.array(start), 6.0)


@pytest.mark.wide
def test_onsets_of_several_recordings():
    """Trains at different places between samples, some missing; times of each recording's own."""
    spikes = np.array([[6.0, 9.13, 15.78, np.inf], [7.3, 8.81, 9.99, 20.02], [8.0, 9.0, 10.0, 11.0]])
    shifts = np.array([1.26, -3.74, 0.31])
    times = np.stack([TIMES, 0.05 + TIMES, TIMES])
    trains = [[jump(t, 4.0, spike + d) for spike in row] for t, row, d in zip(times, spikes, shifts, strict=True)]
    traces = np.stack([noisy(sum(train), 0.01, i) for i, train in enumerate(trains)])
    traces[0, 50:60] = np.nan
    found = fitted(traces, expon, spike_times=spikes, times=times, onset=True, starts=1)
    np.testing.assert_allclose(found.onset, shifts, atol=0.05)
    assert found.params.tau == pytest.approx(4, rel=0.02)
    # Noise hides the jump in each: the middle of the interval that is the best for all of them.
    traces = np.array([[1.0], [-1.0], [1.0]]) * jump(TIMES, 5.0, 10.375) + 0.25 * noise((3, 300), 6)
    start = [np.log(5.0), *np.ones(3), *np.zeros(3), 0.0]
    assert 8.03 + scan(traces, start, onset="shared")[-1] == pytest.approx(10.35, abs=1e-9)
    assert np.ptp(scan(traces, [*start, 0.0, 0.0])[-3:]) > 0.05


def test_the_middle_between_two_breaks():
    """Even from within the interval, where all is as good."""
    for start in (2.29, 2.31, -4.0):
        moved = scan(jump(TIMES, 5.0, 10.375), [np.log(8.0), 1.0, 0.0, start])
        assert 8.03 + moved[3] == pytest.approx(10.35, abs=1e-9)
