"""Where the search begins, when it ends, and that it then has found what is there."""

import re

import numpy as np
import pytest

import synkin
from synkin import alpha, ampa, bionmda, dual_expon, expon
from synkin.fitting import fit
from synkin.fitting.checking import as_problem
from synkin.fitting.search import initial_guess
from tests.helpers.precision import enable_x64

TIMES = np.arange(400) / 20  # ms
SPIKE = 3.03  # ms


def response(kernel, spikes=(SPIKE,), times=TIMES, **params):
    with enable_x64():
        return np.asarray(synkin.respond(kernel, kernel.Params(**params), np.asarray(spikes), times))


def paced(kernel, trace, free, spikes=(SPIKE,), times=TIMES, params=None, bounds=None, **held):
    """The parameters at which the kernel is as fast as the trace, and the coordinates, before and after."""
    held = {"scale": True, "offset": True, "onset": False} | held
    with enable_x64():
        problem = as_problem(
            kernel, params or kernel.Params(), spikes, times, trace,
            free=free, held=held, weights=None, bounds=bounds or {}, overlap="restart", unit="",
        )  # fmt: skip
        before = np.zeros(len(problem.lower))
        before[: len(problem.free)] = [np.log(getattr(problem.params, name)) for name in problem.free]
        after = initial_guess.match_time_course(problem, before)
    return problem.params_at(after), before, after


@pytest.mark.parametrize(
    ("kernel", "true", "within"),
    [
        (alpha, {"tau": 0.4}, 1.2),
        (alpha, {"tau": 3.0}, 1.2),
        (expon, {"tau": 0.7}, 1.2),
        (dual_expon, {"tau_decay": 2.0, "tau_rise": 0.2}, 1.5),
        (ampa, {"beta": 1.5}, 1.3),
        (bionmda, {"beta1": 2.0, "beta2": 6.0}, 2.5),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_time_constants_are_measured(kernel, true, within):
    """From defaults 3 to 200 times off, whatever the sign, size and baseline of what was recorded."""
    trace = 7.0 - 30.0 * response(kernel, **true)
    found, _, _ = paced(kernel, trace, tuple(true))
    for name, value in true.items():
        assert 1 / within < getattr(found, name) / value < within, name


def test_of_several_recordings_what_they_have_in_common():
    """Of either sign, in noise that hides each."""
    clean = response(alpha, tau=0.8)
    rng = np.random.default_rng(0)
    traces = rng.choice([-1.0, 1.0], (40, 1)) * clean + 0.5 * clean.max() * rng.normal(size=(40, TIMES.size))
    assert 0.6 < paced(alpha, traces, ("tau",))[0].tau / 0.8 < 1.6


def test_of_a_train_its_last_decay():
    spikes = (3.0, 4.0, 5.5)
    trace = 2 * response(expon, spikes, tau=1.2)
    assert paced(expon, trace, ("tau",), spikes)[0].tau == pytest.approx(1.2, rel=0.1)


def test_missing_samples_and_bounds():
    trace = response(alpha, tau=0.5).copy()
    trace[::3] = np.nan
    assert paced(alpha, trace, ("tau",))[0].tau == pytest.approx(0.5, rel=0.3)
    assert paced(alpha, trace, ("tau",), bounds={"tau": (4.0, 9.0)})[0].tau == pytest.approx(4.0)


def test_what_shows_no_response_moves_nothing():
    ramp = TIMES.copy()
    _, before, after = paced(expon, ramp, ("tau",))
    assert after is before
    jumps = synkin.Jumps([3.0, 4.0], [1.0])
    _, before, after = paced(ampa, response(ampa), ("beta",), jumps)
    assert after is before


def test_a_kernel_that_was_far_too_slow_is_found():
    """bionmda lets go of its transmitter in 100 ms by default, and the response is over in 2."""
    times = TIMES[::3]
    trace = -30 * response(bionmda, times=times, beta1=1.1, beta2=9.0)
    trace += 0.02 * np.ptp(trace) * np.random.default_rng(1).normal(size=times.size)
    found = fit(
        bionmda, bionmda.Params(), [SPIKE], times, trace, free=("beta1", "beta2"), scale=True, offset=True, onset=True,
        progress=False,
    )  # fmt: skip
    assert found.r_squared > 0.97
    assert found.params.beta1 == pytest.approx(1.1, rel=0.3)
    assert found.nfev < 250
    assert "noise the rest" in found.verdict


def test_starts_that_agree_are_enough():
    trace = response(alpha, tau=2.0) + 0.003 * np.random.default_rng(2).normal(size=TIMES.size)
    options = {"free": "tau", "scale": True, "progress": False}
    found = fit(alpha, alpha.Params(), [SPIKE], TIMES, trace, **options)
    said = re.search(r"(\d+) of (\d+) starts .* found, so that (\d+) more were not needed\.", found.message)
    agreed, tried, left = map(int, said.groups())
    assert tried + left == 12
    # Three, and the last third of the twelve.
    assert tried == 7
    assert agreed == tried
    again = fit(alpha, alpha.Params(), [SPIKE], TIMES, trace, starts=3, **options)
    assert "3 of 3 starts of the search ended at this sum of squares, the lowest found." in again.message
    assert again.params.tau == pytest.approx(found.params.tau, rel=1e-5)


def test_granule_cell_by_every_kernel(recordings):
    """From the defaults: how much is there is what SciPy finds on closed forms, or with other starts (bionmda)."""
    data = np.genfromtxt(recordings / "mepsc_granule_cell.csv", delimiter=",", names=True)
    there = {
        expon: (("tau",), 0.937),
        dual_expon: (("tau_decay", "tau_rise"), 0.968),
        ampa: (("alpha", "beta", "T_dur"), 0.970),
        bionmda: (("beta1", "beta2"), 0.952),
    }
    for kernel, (free, r_squared) in there.items():
        found = fit(
            kernel, kernel.Params(), [2.9], data["time_ms"], data["mean_pA"],
            free=free, scale=True, offset=True, onset=True, progress=False,
        )  # fmt: skip
        assert found.r_squared > r_squared, kernel.name
        assert found.nfev < 250, kernel.name


def test_everything_infinite_is_named():
    """A desensitising receptor in few samples: what has an infinite error is in a sentence."""
    kernel = synkin.scheme(
        "C + glu <-> O : alpha, beta\nO <-> D : d, r",
        open="O", name="few", alpha=1.0, beta=0.2, d=0.1, r=0.02, T=1.0, T_dur=1.0,
    )  # fmt: skip
    times = np.linspace(0, 30, 22)
    infinite = 0
    for seed, (binding, length) in enumerate([(0.002, 0.3), (30.0, 6.0), (5.0, 0.05), (0.02, 2.0)]):
        params = kernel.Params(alpha=binding, T_dur=length)
        with enable_x64():
            trace = -30 * np.asarray(synkin.respond(kernel, params, np.array([3.0]), times))
        trace = trace + 0.02 * np.random.default_rng(seed).normal(size=times.size) * np.abs(trace).max()
        found = fit(
            kernel, params, [3.0], times, trace, free=("alpha", "beta", "d", "T_dur"), scale=True, offset=True,
            onset=True, starts=2, progress=False,
        )  # fmt: skip
        unknown = [name for name, error in found.stderr.items() if np.isinf(error)]
        infinite += len(unknown)
        said = found.message.removeprefix(found.verdict).replace("standard errors", "")
        for name in unknown:
            assert re.search(rf"\b{name}\b", said), (name, said)
    assert infinite >= 6


def test_time_constants_come_in_the_order_that_was_asked_for():
    """The two of dual_expon may be exchanged, and where every start ended with the other order they are."""
    times = np.arange(0.0, 15.0, 0.02)
    trace = -10 * response(dual_expon, [2.9], times, tau_decay=0.9, tau_rise=0.12)
    trace += np.random.default_rng(0).normal(0, 0.3, times.size)
    for params in (dual_expon.Params(), dual_expon.Params(tau_decay=0.05, tau_rise=2.0)):
        found = fit(dual_expon, params, [2.9], times, trace, free=("tau_decay", "tau_rise"), scale=True, offset=True,
                    onset=True, progress=False)  # fmt: skip
        assert (found.params.tau_decay > found.params.tau_rise) == (params.tau_decay > params.tau_rise)
        assert sorted(found.params[:2]) == pytest.approx([0.12, 0.9], rel=0.15)
        assert found.stderr["tau_decay"] / found.params.tau_decay < 0.1
