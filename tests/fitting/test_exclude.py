"""Stretches that a fit leaves out."""

import numpy as np
import pytest

import synkin
from synkin import expon

TIMES = np.arange(0.0, 40.0, 0.2)
OPTIONS = {"free": "tau", "scale": True, "progress": False, "starts": 2}


def response(tau):
    return -20 * np.asarray(synkin.respond(expon, expon.Params(tau=tau), [5.0], TIMES), float)


def test_an_artefact_is_left_out():
    """For all recordings, or for one; as NaN in its place; of a function too."""
    rng = np.random.default_rng(0)
    rows = np.stack([response(5.0), response(5.0)]) + rng.normal(0, 0.05, (2, TIMES.size))
    rows[1, (TIMES >= 12) & (TIMES <= 15)] += 30.0
    blanked = rows.copy()
    blanked[1, (TIMES >= 12) & (TIMES <= 15)] = np.nan
    right = synkin.fit(expon, expon.Params(), [5.0], TIMES, blanked, **OPTIONS)
    assert right.params.tau == pytest.approx(5.0, rel=0.01)
    one = synkin.fit(expon, expon.Params(), [5.0], TIMES, rows, exclude=[[], [(12.0, 15.0)]], **OPTIONS)
    assert one.params.tau == pytest.approx(right.params.tau, rel=1e-6)
    lists = [TIMES, TIMES[:-20]], [rows[0], rows[1, :-20]]
    both = synkin.fit(expon, expon.Params(), [5.0], *lists, exclude=[(12, 15)], **OPTIONS)
    assert both.params.tau == pytest.approx(5.0, rel=0.02)

    def curve(p, times):
        return p["size"] * synkin.respond(expon, expon.Params(tau=p["tau"]), [5.0], times)

    start = {"size": -10.0, "tau": 3.0}
    found = synkin.fit_curve(
        curve, start, TIMES, rows[1], free=("size", "tau"), exclude=[(12, 15)], starts=2, progress=False
    )
    assert found.params["tau"] == pytest.approx(5.0, rel=0.02)
