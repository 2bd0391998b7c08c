"""What a fit says of itself, in words and digits, and that it travels."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

import synkin
from synkin import alpha, expon
from synkin.fit import Fit, fit
from synkin.fit import problem as fit_problem

TIMES = np.arange(300) / 10  # ms
SPIKE = 3.03  # ms


def alpha_function(tau, onset=SPIKE):
    age = np.maximum(TIMES - onset, 0)
    return age / tau * np.exp(-age / tau)


def fitted(trace, kernel=alpha, **options):
    arguments = {"free": "tau", "scale": True, "offset": True, "starts": 2, "progress": False} | options
    return fit(kernel, kernel.Params(), [SPIKE], TIMES, trace, **arguments)


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


def test_fit_is_found_beside_the_function():
    """`synkin.fit` is the function, which hides the subpackage."""
    assert callable(synkin.fit)
    assert synkin.fit.Fit is synkin.Fit is Fit


def test_a_kernels_records_say_which_parameters_have_a_sign():
    """Where there are none, the name does."""
    kernel = SimpleNamespace(parameters={"E": SimpleNamespace(signed=True), "amplitude": SimpleNamespace(signed=False)})
    assert fit_problem.is_signed(kernel, "E")
    assert not fit_problem.is_signed(kernel, "amplitude")
    assert fit_problem.is_signed(synkin.dual_expon, "amplitude")
    assert not fit_problem.is_signed(synkin.dual_expon, "tau_rise")
