"""synkin beside brainpy.state 0.1.0: its scheme number for number, by arrays that `data/make_golden.py` kept of it.

Live, with its own parameters in every run, it is compared in `tests/adapters/test_adapter_brainstate.py`. An error here
is relative, sample by sample; below a millionth of a trace's largest value, relative to that.
"""

from pathlib import Path

import numpy as np
import pytest

import synkin
from synkin import currents

DT = 0.125
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
NAMES = "alpha", "ampa", "gabaa", "bionmda", "expon", "dual_expon"  # what the reference has


@pytest.fixture(scope="module")
def arrays():
    """The reference's arrays by name, in double precision."""
    with np.load(Path(__file__).parents[1] / "data" / "golden.npz") as kept:
        return dict(kept)


def same(got, expected, dtype):
    """As said above."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    assert got.shape == expected.shape
    size = np.maximum(np.abs(expected), 1e-6 * np.abs(expected).max(axis=0))
    assert (np.abs(got - expected) / size).max() < TOLERANCE[dtype]


@pytest.mark.parametrize("name", NAMES)
def test_exp_euler_is_the_reference_number_for_number(name, arrays, dtype):
    """With the same defaults, which the first synapse has."""
    kernel = synkin.KERNELS[name]
    params = kernel.Params(*(arrays[f"{name}/params/{field}"] for field in kernel.Params._fields))
    np.testing.assert_array_equal([x[0] for x in params], np.asarray(kernel.Params()))
    _, gs = synkin.simulate(kernel, params, arrays[f"{name}/inputs"], DT, dtype=dtype)
    assert gs.dtype == dtype
    same(gs, arrays[f"{name}/g"], dtype)


def test_currents_are_the_reference_s_but_for_the_sign(arrays, dtype):
    """Its COBA and MgBlock give the current into the cell, coba the current out of it; its CUBA multiplies by 1 V."""
    g, V = (arrays[f"currents/{name}"].astype(dtype) for name in "gV")
    unblocked = currents.mg_block(V, Mg=1.5, a=0.06, b=3.3, V_offset=2.0)
    same(-currents.coba(g, V, E=-70.0), arrays["currents/coba"], dtype)
    same(-currents.coba(unblocked * g, V, E=5.0), arrays["currents/mg_block"], dtype)
    same(currents.cuba(g, scale=1000.0), arrays["currents/cuba"], dtype)
