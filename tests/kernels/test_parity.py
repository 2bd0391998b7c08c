"""synkin beside brainpy.state 0.1.0: its scheme number for number.

The reference is run by `data/make_golden.py`. Its float64 arrays for a few synapses are kept in `data/golden.npz`.
Where brainpy-state is installed it is also run live, with more synapses and in both precisions, in a process of its
own because it sets JAX up for itself.

An error here is relative, sample by sample; below a millionth of a trace's largest value, relative to that.
"""

import contextlib
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import synkin
from synkin import currents
from tests.helpers.precision import enable_x64

DATA = Path(__file__).parents[1] / "data"
DT = 0.125
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
SOURCES = ["kept float64", *(pytest.param(f"live {dtype}", marks=pytest.mark.wide) for dtype in TOLERANCE)]
NAMES = "alpha", "ampa", "gabaa", "bionmda", "expon", "dual_expon"  # what the reference has


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A folder with the arrays of a live run of the reference."""
    try:
        installed = importlib.metadata.version("brainpy-state")
    except importlib.metadata.PackageNotFoundError:
        installed = "not installed"
    if installed != "0.1.0":
        pytest.skip(f"The live comparison needs brainpy-state 0.1.0, which is {installed}.")
    folder = tmp_path_factory.mktemp("reference")
    options = ["--precision", "32", "64", "--synapses", "50", "--seed", "1", "--out", str(folder)]
    environment = {key: value for key, value in os.environ.items() if key != "JAX_ENABLE_X64"}
    command = [sys.executable, DATA / "make_golden.py", *options]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.fixture(params=SOURCES)
def source(request):
    """The reference's arrays by name, and their dtype; JAX is in the mode that they need."""
    kind, dtype = request.param.split()
    file = DATA / "golden.npz" if kind == "kept" else request.getfixturevalue("live") / f"{dtype}.npz"
    with enable_x64() if dtype == "float64" else contextlib.nullcontext(), np.load(file) as arrays:
        yield arrays, dtype


def same(got, expected, dtype):
    """As said above."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    assert got.shape == expected.shape
    size = np.maximum(np.abs(expected), 1e-6 * np.abs(expected).max(axis=0))
    assert (np.abs(got - expected) / size).max() < TOLERANCE[dtype]


@pytest.mark.parametrize("name", NAMES)
def test_exp_euler_is_the_reference_number_for_number(name, source):
    """With the same defaults, which the first synapse has."""
    (arrays, dtype), kernel = source, synkin.KERNELS[name]
    params = kernel.Params(*(arrays[f"{name}/params/{field}"] for field in kernel.Params._fields))
    np.testing.assert_array_equal([x[0] for x in params], np.asarray(kernel.Params(), dtype))
    _, gs = synkin.simulate(kernel, params, arrays[f"{name}/inputs"], DT, dtype=dtype)
    assert gs.dtype == dtype
    same(gs, arrays[f"{name}/g"], dtype)


def test_currents_are_the_reference_s_but_for_the_sign(source):
    """Its COBA and MgBlock give the current into the cell, coba the current out of it; its CUBA multiplies by 1 V."""
    arrays, dtype = source
    g, V = arrays["currents/g"], arrays["currents/V"]
    unblocked = currents.mg_block(V, Mg=1.5, a=0.06, b=3.3, V_offset=2.0)
    same(-currents.coba(g, V, E=-70.0), arrays["currents/coba"], dtype)
    same(-currents.coba(unblocked * g, V, E=5.0), arrays["currents/mg_block"], dtype)
    same(currents.cuba(g, scale=1000.0), arrays["currents/cuba"], dtype)
