"""Short-term plasticity as it is published, and what pools."""

import math

import numpy as np

import synkin
from benchmarks.answers import Row

_TRAIN = [5.0 * k for k in range(20)]  # 200 Hz


def _by_hand(U: float, tau_rec: float, tau_fac: float, tau_psc: float, times: list[float]) -> list[float]:
    """The releases of tmgsyn: x, y and z from spike to spike."""
    y = z = u = 0.0
    found = []
    for time, before in zip(times, times[:1] + times[:-1], strict=True):
        h = time - before
        first, then = math.exp(-h / tau_psc), math.exp(-h / tau_rec)
        y, z = y * first, z * then + y * (first - then) / (tau_psc / tau_rec - 1)
        u = u * math.exp(-h / tau_fac) if tau_fac else 0.0
        u += U * (1 - u)
        found.append(u * (1 - y - z))
        y += found[-1]
    return found


def _published(U: float, tau_rec: float, tau_fac: float) -> str:
    params = synkin.tsodyks_markram.Params(U=U, tau_rec=tau_rec, tau_fac=tau_fac)
    if "tau_psc" in params._fields:
        params = params._replace(tau_psc=3.0)
    got = np.asarray(synkin.tsodyks_markram.release(params, np.array(_TRAIN)))
    off = np.abs(got / _by_hand(U, tau_rec, tau_fac, 3.0, _TRAIN) - 1).max()
    return f"off by {100 * off:.2g} %" if off > 1e-5 else "off by less than 0.001 %"


def _alike() -> str:
    params = synkin.tsodyks_markram.Params(0.5, 8.0, 0.0)
    if "tau_psc" in params._fields:
        params = params._replace(tau_psc=8.0)
    got = np.asarray(synkin.tsodyks_markram.release(params, np.array([0.0, 5.0])))
    missing = 0.5 * math.exp(-5 / 8) * (1 + 5 / 8)
    return f"{got[1]:.6f}, by hand {0.5 * (1 - missing):.6f}"


ROWS = (
    Row(
        "releases of tmgsyn (tau_1 3, tau_rec 800, U 0.5), 20 spikes at 200 Hz, against x, y, z by hand",
        "off by less than 0.001 %",
        lambda: _published(0.5, 800.0, 0.0),
    ),
    Row(
        "the same with tau_rec 5, U 0.9, tau_facil 30",
        "off by less than 0.001 %",
        lambda: _published(0.9, 5.0, 30.0),
    ),
    Row("the second release where tau_1 = tau_rec = 8, 5 ms after the first", "twice the same number", _alike),
)
