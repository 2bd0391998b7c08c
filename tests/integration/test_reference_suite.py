"""The tests that brainpy.state 0.1.0 has for its synapses, run on synkin's objects, quantities and all.

They are read from where brainpy-state is installed and run as they stand, but for two of their imports: the synapses
are synkin's, and `brainstate` is the few lines below. Its `jit` returns the object as it is: an object of synkin
compiles its own updates. `TESTS` lists every test, and what keeps it from applying here.
"""

import ast
import importlib.metadata
import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import synkin

TESTS = {
    "synapse_test.py": {
        "TestSynapse.test_expon_synapse": "",
        "TestSynapse.test_stp_synapse": "synkin has no short-term plasticity (STP)",
        "TestSynapse.test_std_synapse": "synkin has no short-term depression (STD)",
        "TestSynapse.test_alpha_synapse": "",
        "TestSynapse.test_alpha_two_state_variables": "",
        "TestSynapse.test_alpha_reset_state": "",
        "TestSynapse.test_alpha_single_spike_response": "",
        "TestSynapse.test_keep_size": "",
        "TestSynapse.test_keep_size_stp_std": "synkin has no short-term plasticity (STP, STD)",
        "TestSynapse.test_ampa_synapse": "",
        "TestSynapse.test_gabaa_synapse": "",
        "TestSynapse.test_bionmda_synapse": "",
        "TestSynapse.test_bionmda_two_state_dynamics": "",
    },
    "exponential_test.py": {
        "TestExponentialSynapse.test_expon_synapse": "",
        "TestExponentialSynapse.test_dualexpon_synapse": "",
        "TestExponentialSynapse.test_dualexpon_single_spike_response": "",
        "TestExponentialSynapse.test_dualexpon_without_normalization": "",
        "TestExponentialSynapse.test_dualexpon_amplitude_with_normalization": "",
        "TestExponentialSynapse.test_dualexpon_amplitude_without_normalization": "",
        "TestExponentialSynapse.test_dualexpon_non_callable_delta_input": "",
        "TestExponentialSynapse.test_keep_size": "",
    },
}


@pytest.fixture(scope="module")
def folder():
    """Where the reference's tests lie."""
    try:
        installed = importlib.metadata.version("brainpy-state")
    except importlib.metadata.PackageNotFoundError:
        installed = "not installed"
    if installed != "0.1.0":
        pytest.skip(f"The reference's tests are those of brainpy-state 0.1.0, which is {installed}.")
    # Found but not imported, because its import sets JAX up for itself.
    return Path(importlib.util.find_spec("brainpy_state").origin).parent / "_brainpy"


@pytest.fixture
def brainstate():
    """What the tests use of it; nothing stays set."""
    rng = np.random.default_rng(0)
    yield SimpleNamespace(
        environ=synkin.environ,
        random=SimpleNamespace(randn=lambda *shape: jnp.asarray(rng.normal(size=shape), float)),
        transform=SimpleNamespace(jit=lambda function: function),
    )
    synkin.environ.set(t=None, dt=None)


def synkins(line):
    """The import of the reference's synapses as one of those that synkin has."""
    names = [name for name in re.split(r",\s*", line["names"]) if name in synkin.__all__]
    return f"from synkin import {', '.join(names)}"


@pytest.mark.parametrize(("file", "test"), [(file, test) for file, tests in TESTS.items() for test in tests])
def test_of_the_reference(file, test, folder, brainstate):
    if TESTS[file][test]:
        pytest.skip(f"Not applicable: {TESTS[file][test]}.")
    source = (folder / file).read_text()
    source, imports = re.subn(r"^from brainpy\.state import (?P<names>.*)$", synkins, source, flags=re.MULTILINE)
    source, others = re.subn(r"^import brainstate$", "", source, flags=re.MULTILINE)
    assert (imports, others) == (1, 1)
    module = {"__name__": file, "brainstate": brainstate}
    exec(compile(source, folder / file, "exec"), module)
    case, method = test.split(".")
    module[case](method).debug()  # with its set-up, and its failure as it is


@pytest.mark.parametrize("file", TESTS)
def test_every_test_is_listed(file, folder):
    cases = [node for node in ast.parse((folder / file).read_text()).body if isinstance(node, ast.ClassDef)]
    names = {f"{case.name}.{part.name}" for case in cases for part in case.body if isinstance(part, ast.FunctionDef)}
    assert {name for name in names if ".test" in name} == set(TESTS[file])
