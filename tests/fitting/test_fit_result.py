"""What a fit says of itself, in words and digits, and that it travels."""

import copy
import dataclasses
import pickle
import re

import numpy as np
import pytest

import synkin
from synkin import alpha, ampa, dual_expon, expon
from synkin.fitting import Fit, fit, formatting

TIMES = np.arange(300) / 10  # ms
SPIKE = 3.03  # ms


def alpha_function(tau, onset=SPIKE):
    age = np.maximum(TIMES - onset, 0)
    return age / tau * np.exp(-age / tau)


def fitted(trace, kernel=alpha, spike=SPIKE, **options):
    arguments = {"free": "tau", "scale": True, "offset": True, "starts": 2, "progress": False} | options
    return fit(kernel, kernel.Params(), [spike], TIMES, trace, **arguments)


# It travels


@pytest.mark.parametrize("travel", [lambda a: pickle.loads(pickle.dumps(a)), copy.copy, copy.deepcopy])
def test_pickles_and_copies(travel):
    found = fitted(alpha_function(3.0), expon)
    again = travel(found)
    assert type(again) is Fit
    assert again.kernel is expon
    assert again.params == found.params
    assert again.stderr == found.stderr
    np.testing.assert_array_equal(again.predicted, found.predicted)
    assert repr(again) == repr(found)


class Kernel:
    """One that is an object, and pickles by the name it has here."""

    name, UNITS = "mine", expon.UNITS

    def __reduce__(self):
        return "KERNEL"


KERNEL = Kernel()


def test_a_kernel_that_is_an_object_pickles_itself():
    found = dataclasses.replace(fitted(alpha_function(3.0), expon), kernel=KERNEL)
    assert pickle.loads(pickle.dumps(found)).kernel is copy.deepcopy(found).kernel is KERNEL
    assert repr(found).startswith("Fit of mine to 300 samples")


def test_fit_is_found_beside_the_function():
    """`synkin.fit` is the function, which hides the subpackage."""
    assert callable(synkin.fit)
    assert synkin.fit.Fit is synkin.Fit is Fit


# What the curve is worth

HEIGHT = 1 / np.e
RESPONSE = alpha_function(3.0) / HEIGHT


def noise(seed=0, smooth=1):
    """Normal noise of 1, each sample the mean of ``smooth`` neighbours: as a filter leaves it."""
    white = np.random.default_rng(seed).normal(size=TIMES.size + smooth - 1)
    return np.convolve(white, np.full(smooth, smooth**-0.5), "valid")


PERCENT = r"\d+(?:\.\d+)? %"
ALL_BUT_NOISE = r"The curve explains {} of the recording's variance, and noise the rest\."
BAD = r"The curve explains only {} of the recording's variance, and noise accounts for {}: {} does not describe"


@pytest.mark.parametrize(
    ("trace", "options", "freed"),
    [
        (RESPONSE + 0.02 * noise(), {"spike": 1.5}, ["onset"]),
        (RESPONSE + 0.02 * noise() + 0.5, {"offset": False}, ["offset"]),
        (-30 * RESPONSE + 0.6 * noise(), {"scale": False}, ["scale"]),
        (3 * RESPONSE + 0.06 * noise() + 2, {"spike": 1.5, "offset": -0.5}, ["onset", "offset"]),
        (RESPONSE + 0.1 * np.sin(TIMES) + 0.001 * noise(), {}, []),  # no help
        (RESPONSE + 0.02 * noise(), {}, []),  # no need
    ],
)
def test_what_is_held_is_freed_before_all_else(trace, options, freed):
    """The R^2 that is said is that of the fit with these free."""
    found = fitted(trace, **options)
    said = re.search(r"With (.*) R\^2 is (\d\.\d{3}) instead of (-?\d+\.\d{3}): free (.*) first\.", found.message)
    if not freed:
        assert said is None
        return
    assert said[1] == formatting.listed([f"`{name}=True`" for name in freed])
    assert float(said[3]) == pytest.approx(found.r_squared, abs=6e-4)
    again = fitted(trace, **(options | dict.fromkeys(freed, True)))
    assert float(said[2]) == pytest.approx(again.r_squared, abs=6e-4)
    assert again.r_squared > 0.99


@pytest.mark.parametrize(
    ("trace", "options", "said"),
    [
        (-30 * RESPONSE + 2, {}, r"The curve explains all of the recording's variance\."),
        (RESPONSE + 0.01 * noise(), {}, ALL_BUT_NOISE.format(r"99\.\d+ %")),
        (RESPONSE + 0.1 * noise(), {}, ALL_BUT_NOISE.format(r"9\d\.\d %")),
        (RESPONSE + 0.3 * noise(), {}, ALL_BUT_NOISE.format(r"[56]\d %")),
        (RESPONSE + noise(), {}, r"The noise is larger than the response: the curve explains only 18 % .* the rest\."),
        (noise(), {}, r"The curve explains 2\.3 % of .*, no more than it could explain of noise alone: there is no"),
        # A spike that is given too late, and a response that the kernel does not have.
        (RESPONSE, {"spike": 13.0}, BAD.format(PERCENT, r"0\.\d+ %", "alpha")),
        (RESPONSE + 0.01 * noise(), {"spike": 13.0}, BAD.format(PERCENT, r"0\.\d+ %", "alpha")),
        (RESPONSE + 0.1 * noise(), {"spike": 13.0}, BAD.format(PERCENT, r"1\d %", "alpha")),
        (np.exp(-((TIMES - 15) ** 2) / 18), {"kernel": expon}, BAD.format(r"\d\.\d %", r"0\.\d+ %", "expon")),
        # Worse than a constant.
        (
            RESPONSE + 5 + 0.01 * noise(),
            {"scale": 1.0, "offset": False},
            r"The curve explains none of the recording's variance, and noise accounts for 0\.\d+ %: alpha does not",
        ),
        # Nearly right.
        (
            RESPONSE + 0.02 * np.sin(TIMES / 2) + 0.001 * noise(),
            {},
            r"The curve explains 99\.\d+ % of .*, and fast noise 0\.00\d+ %: the remaining 0\.\d+ % varies "
            r"more slowly, and is either slow noise or a shape that alpha cannot produce\.",
        ),
    ],
)  # fmt: skip
def test_verdict(trace, options, said):
    found = fitted(trace, **options)
    assert re.match(said, found.verdict), found.verdict
    assert found.message.startswith(found.verdict + " 2 of 2 starts of the search ended at this sum of squares")


@pytest.mark.parametrize("smooth", [1, 3, 8])
@pytest.mark.parametrize("level", [0.02, 0.1, 0.3])
def test_filtered_noise_is_no_bad_fit(smooth, level):
    """Whatever is said of a good fit, it is not that the kernel is wrong; and most of what is left is the noise's."""
    verdicts = [fitted(RESPONSE + level * noise(seed, smooth), starts=1).verdict for seed in range(5)]
    assert not any("does not describe" in verdict for verdict in verdicts)
    assert sum("noise the rest" in verdict for verdict in verdicts) >= 4


def test_verdict_with_outliers_and_gaps():
    """Under soft_l1 outliers are apart; samples that are missing are no noise."""
    trace = RESPONSE + 0.01 * noise()
    trace[40::25] += 3.0
    found = fitted(trace, loss="soft_l1")
    assert found.r_squared < 0.5
    assert re.match(ALL_BUT_NOISE.format(r"99\.\d+ %"), found.verdict)
    trace[40::25] = np.nan
    assert re.match(ALL_BUT_NOISE.format(r"99\.\d+ %"), fitted(trace).verdict)


def test_verdict_on_several_recordings_and_uneven_times():
    traces = np.stack([RESPONSE, -5 * RESPONSE + 100]) + np.array([[0.02], [0.1]]) * [noise(0), noise(1)]
    assert re.match(ALL_BUT_NOISE.format(r"99\.\d+ %"), fitted(traces).verdict)
    times = np.sort(np.random.default_rng(2).uniform(0, 30, 300))
    age = np.maximum(times - SPIKE, 0)
    trace = age * np.exp(-age / 3) + 0.05 * noise()
    found = fit(alpha, alpha.Params(), [SPIKE], times, trace, free="tau", scale=True, starts=1)
    assert re.match(ALL_BUT_NOISE.format(r"98\.\d+ %"), found.verdict)


def test_verdict_on_a_recording(recordings):
    """Of a granule cell: the receptor model is a fine one, and a spike 3 ms off is not."""
    data = np.genfromtxt(recordings / "mepsc_granule_cell.csv", delimiter=",", names=True)[100:]
    options = {"free": ("beta", "T_dur"), "scale": True, "offset": True, "starts": 3}
    arguments = data["time_ms"], data["mean_pA"]
    good = fit(ampa, ampa.Params(alpha=4.4), [2.91], *arguments, **options)
    assert good.verdict.startswith("The curve explains 97.8 % of the recording's variance, and fast noise 0.")
    bad = fit(ampa, ampa.Params(alpha=4.4), [6.0], *arguments, **options)
    assert bad.r_squared < 0.6
    assert re.match(BAD.format(r"\d\d %", r"\d\.\d+ %", "ampa"), bad.verdict)


# What to hold


@pytest.mark.parametrize(
    ("kernel", "free", "options", "said"),
    [
        (ampa, ("alpha", "T", "beta"), {}, r"only alpha\*T \(here 0.49\d* ± 0.0\d+\) can be known\. .*leave T out"),
        (dual_expon, ("tau_decay", "amplitude"), {"scale": True}, r"Hold one of them: for example, leave amplitude"),
        (expon, ("tau",), {"scale": True, "onset": True}, r"Hold one of them: for example, give onset a number\."),
        (ampa, ("alpha", "T_dur"), {}, r"The recording says nothing about T_dur\. Hold it: leave T_dur out of"),
    ],
)  # fmt: skip
def test_what_to_hold(kernel, free, options, said):
    params = kernel.Params()
    if "nothing" in said:
        params = params._replace(beta=0.0, T_dur=60.0)
    clean = np.asarray(synkin.respond(kernel, params, np.array([SPIKE]), TIMES))
    trace = clean + 0.002 * clean.max() * noise()
    found = fit(kernel, params, [SPIKE], TIMES, trace, free=free, starts=1, **options)
    assert re.search(said, found.message), found.message
    assert not found.identifiable


def test_what_to_hold_makes_the_rest_known():
    """Far from saturation alpha, T and scale are one number: two of them are to be held, and then all is known."""
    params = ampa.Params(alpha=0.02)
    trace = 100 * np.asarray(synkin.respond(ampa, params, np.array([SPIKE]), TIMES))
    trace = trace + 0.02 * trace.max() * noise()
    first = fit(ampa, params, [SPIKE], TIMES, trace, free=("alpha", "T", "beta"), scale=True, starts=2)
    assert "Hold 2 of them: for example, leave T and alpha out of `free`." in first.message
    second = fit(ampa, params, [SPIKE], TIMES, trace, free="beta", scale=True, starts=2)
    assert second.identifiable
    assert "Hold" not in second.message


# Digits


@pytest.mark.parametrize(
    ("value", "error", "written"),
    [
        (0.976, 0.1, "0.98 ± 0.10"),
        (0.9763, 0.0996, "0.98 ± 0.10"),
        (-30.1234, 0.25, "-30.12 ± 0.25"),
        (12345.6, 3.7, "12345.6 ± 3.7"),
        (12345.6, 128.0, "12350 ± 130"),
        (1.5, 9.96, "2 ± 10"),
        (-0.001, 0.5, "0.00 ± 0.50"),
        (0.0, 0.5, "0.00 ± 0.50"),
        (3.14159e-9, 1e-10, "3.14e-09 ± 1.0e-10"),
        (3.14159e9, 2e7, "3.142e+09 ± 2.0e+07"),
        (3.14159265, 2.5e-6, "3.1415927 ± 0.0000025"),
        (0.49066, 2.9e-4, "0.49066 ± 0.00029"),
        (3.14159265358979, 1e-12, "3.1415927 ± 1.0e-12"),
        (3.14159265, 0.0, "3.1416 ± 0"),
        (3.14159265, np.inf, "3.14 ± inf"),
        (np.nan, 1.0, "nan ± 1"),
    ],
)
def test_digits(value, error, written):
    assert " ± ".join(formatting.rounded(value, error)) == written


@pytest.mark.parametrize(
    ("part", "written"),
    [(0.33, "33 %"), (0.978, "97.8 %"), (0.99987, "99.987 %"), (0.0042, "0.42 %"), (1.0, "100 %"), (0.0, "0 %")],
)
def test_percent(part, written):
    assert formatting.percent(part) == written


def test_summary_has_the_digits_of_the_errors():
    found = fitted(RESPONSE + 0.01 * noise(), unit="pA")
    value, error = re.search(r"tau +(\S+) +(\S+) +ms", found.summary()).groups()
    assert (value, error) == formatting.rounded(found.params.tau, found.stderr["tau"])
    assert len(value) == len(error)
