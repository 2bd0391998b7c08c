"""Artefacts that are left in, sweeps that are not at 0, and stimuli in seconds: each is said."""

import re
import warnings

import numpy as np
import pytest

from synkin import measure
from tests.helpers.responses import paired_pulses, shape

TIMES, ROWS, SIZES = paired_pulses(0)
USUAL = {"spikes": [20.0, 70.0], "baseline": (0, 19), "peak_mean": 0.5}
CUT = [(20.0, 21.0), (70.0, 71.0)]


def test_an_artefact_that_is_left_in_is_said():
    with pytest.warns(UserWarning, match=r"^What is measured after the stimuli at 20 and 70 ms looks like their artef"):
        found = measure(TIMES, ROWS, **USUAL)
    assert found.amplitudes.mean[0] > 400
    assert "leave it out with exclude=" in found.message
    with pytest.warns(UserWarning, match="the stimulus at 70 ms looks like its artefact"):
        measure(TIMES, ROWS, **USUAL, exclude=CUT[:1], sign=1)


FAST = SIZES @ [shape(TIMES - at, 5.0, 0.05) for at in (20.0, 70.0)]
AT_ONCE = SIZES @ [np.where(at <= TIMES, np.exp(-(TIMES - at).clip(0) / 5), 0.0) for at in (20.0, 70.0)]


@pytest.mark.parametrize(
    ("rows", "options"),
    [(ROWS, {"exclude": CUT}), (ROWS, {"window": (1.2, 20)}), (FAST, {}), (AT_ONCE, {"peak_mean": 0.0})],
)
def test_responses_are_no_artefacts(rows, options):
    """After a cut, in a window after it, fast ones, and those without a rise."""
    noise = ROWS[:, -1000:][:, np.arange(TIMES.size) % 1000] * 0.2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure(TIMES, rows + noise, **{**USUAL, **options})
    np.testing.assert_allclose(found.amplitudes.mean, SIZES.mean(axis=0), atol=2.0)


@pytest.mark.parametrize("options", [{}, {"spikes": [20.0, 70.0]}, {"exclude": CUT}, {**USUAL, "exclude": CUT}])
def test_sweeps_off_zero_are_said_whatever_artefacts_hide_it(options):
    """At -15 pA, which is 3 % of the artefact, but 40 % of the response."""
    options = {name: value for name, value in options.items() if name != "baseline"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        measure(TIMES, ROWS - 15.0, **options)
    assert re.match(r"Of 20 traces \d+ begin off 0, the first of these at -15", str(caught[0].message))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measure(TIMES, ROWS, **{**options, "exclude": CUT})


@pytest.mark.parametrize("spikes", [[0.02, 0.07], [20.0, 20.1], [0.1]])
def test_stimuli_in_seconds_are_refused(spikes):
    with pytest.raises(ValueError, match=r"^Argument `spikes` must be in ms, 0\.15 ms \(3 samples\) apart and from"):
        measure(TIMES, ROWS, spikes=spikes)
