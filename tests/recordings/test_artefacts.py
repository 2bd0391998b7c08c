"""Stimulus artefacts before responses: what is cut, and that the responses are left."""

import numpy as np
import pytest

from synkin import find_artefacts, measure
from tests.helpers.responses import paired_pulses


@pytest.mark.parametrize(("artefact", "tail", "longest"), [(500.0, 0.0, 1.3), (-300.0, 0.0, 1.3), (500.0, 0.1, 1.8)])
def test_a_stimulus_artefact_is_cut_and_the_response_is_left(artefact, tail, longest):
    """The cut begins at the artefact, and ends before the response, or where it crosses what is left."""
    times, rows, sizes = paired_pulses(0, artefact=artefact, tail=tail)
    found = find_artefacts(times, rows)
    for stretches in found:
        assert len(stretches) == 2
        for (a, b), at in zip(stretches, (20.0, 70.0), strict=True):
            assert at - 0.11 < a < at
            assert at + 0.99 < b < at + longest
    usual = {"baseline": (0, 19), "spikes": [20.0, 70.0], "window": (0, 20), "peak_mean": 0.5}
    got = measure(times, rows, exclude=found, **usual).amplitudes
    np.testing.assert_allclose(got.mean, sizes.mean(axis=0), atol=0.7)
    np.testing.assert_allclose(got.values, sizes, atol=2.0)
    assert got.paired_pulse_ratio == pytest.approx(sizes[:, 1].mean() / sizes[:, 0].mean(), rel=0.03)
