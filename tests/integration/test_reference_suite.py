"""The tests that brainpy.state 0.1.0 has for its synapses, run on synkin's objects, quantities and all.

They are read from where brainpy-state is installed and run as they stand, but for two of their imports: the synapses
are synkin's, and `brainstate` is the few lines below. Its `jit` returns the object as it is: an object of synkin
compiles its own updates. `TESTS` lists every test.
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
    "synapse_test.py": (
        "TestSynapse",
        "expon_synapse stp_synapse std_synapse alpha_synapse alpha_two_state_variables alpha_reset_state ampa_synapse "
        "alpha_single_spike_response keep_size keep_size_stp_std gabaa_synapse bionmda_synapse "
        "bionmda_two_state_dynamics",
    ),
    "exponential_test.py": (
        "TestExponentialSynapse",
        "expon_synapse dualexpon_synapse dualexpon_single_spike_response dualexpon_without_normalization keep_size "
        "dualexpon_amplitude_with_normalization dualexpon_amplitude_without_normalization "
        "dualexpon_non_callable_delta_input",
    ),
}


@pytest.fixture(scope="module")
def folder():
    """Where the tests of brainpy-state 0.1.0 lie."""
    names = "brainpy-state", "brainpy_state"  # as it is written in the package index, and as it calls itself
    found = {each.version for each in importlib.metadata.distributions() if each.name in names}
    if found != {"0.1.0"}:
        pytest.skip(f"The reference's tests are those of brainpy-state 0.1.0, but {found or 'none'} is installed.")
    # Found but not imported, because its import sets JAX up for itself.
    return Path(importlib.util.find_spec("brainpy_state").origin).parent / "_brainpy"


@pytest.fixture
def brainstate():
    """What the tests use of it."""
    rng = np.random.default_rng(0)
    return SimpleNamespace(
        environ=synkin.environ,
        random=SimpleNamespace(
            randn=lambda *shape: jnp.asarray(rng.normal(size=shape), float),
            rand=lambda *shape: jnp.asarray(rng.random(size=shape), float),
        ),
        transform=SimpleNamespace(jit=lambda function: function),
    )


def synkins(line):
    """The import of the reference's synapses as one of those that synkin has."""
    names = [name for name in re.split(r",\s*", line["names"]) if name in synkin.__all__]
    return f"from synkin import {', '.join(names)}"


@pytest.mark.parametrize("file", TESTS)
def test_of_the_reference(file, folder, brainstate):
    """Each as it is, with its set-up; and there is no other."""
    case, names = TESTS[file]
    source = (folder / file).read_text()
    parts = [part.body for part in ast.parse(source).body if isinstance(part, ast.ClassDef)]
    there = {part.name for body in parts for part in body if isinstance(part, ast.FunctionDef)}
    assert {name for name in there if name.startswith("test")} == {f"test_{name}" for name in names.split()}
    source, imports = re.subn(r"^from brainpy\.state import (?P<names>.*)$", synkins, source, flags=re.MULTILINE)
    source, others = re.subn(r"^import brainstate$", "", source, flags=re.MULTILINE)
    assert (imports, others) == (1, 1)
    module = {"__name__": file, "brainstate": brainstate}
    exec(compile(source, folder / file, "exec"), module)
    for name in names.split():
        module[case](f"test_{name}").debug()
