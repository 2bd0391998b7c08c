"""Any argument in any form, under any transformation, in any mode: the table is in `forms`.

pytest tests/matrix                    what once failed, and cells in which two entries meet
pytest tests/matrix -m wide            cells in which any three entries meet: hours
python -m tests.matrix.test_forms [--only REGEX]     the counts, by function, transformation and so on
"""

import os
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":  # before JAX starts
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
    os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from tests.helpers import forms

USUAL = [cell for cell in forms.usual() if cell.transform not in forms.ON_DEVICES]


@pytest.mark.parametrize("cell", USUAL, ids=str)
def test_cell(cell):
    assert forms.try_cell(cell) is None


def test_cells_on_four_devices():
    assert _failed("--strength", "0") == []


@pytest.mark.wide
def test_all_cells_on_four_devices():
    assert _failed("--strength", "3") == []


def _failed(*options):
    """The cells on several devices that fail, tried by a process that has them."""
    script = Path(__file__)
    environment = os.environ | {"PYTHONPATH": str(script.parents[2])}
    command = [sys.executable, "-m", "tests.matrix.test_forms", "--devices", "--quiet", *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.wide
@pytest.mark.parametrize("function", forms.ALL.function)
@pytest.mark.parametrize("mode", forms.ALL.mode)
def test_all_cells(function, mode):
    here = [cell for cell in forms.covering(3) if (cell.function, cell.mode) == (function, mode)]
    wrong = [
        f"{cell}: {said}" for cell in here if cell.transform not in forms.ON_DEVICES and (said := forms.try_cell(cell))
    ]
    jax.clear_caches()
    assert not wrong


# What is no cell of the table ----------------------------------------------------------------------------------------


@pytest.fixture
def compiled():
    """How often XLA has compiled something since the test began."""
    counted = []

    def listen(event, duration, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            counted.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield lambda: len(counted)
    jax.monitoring.unregister_event_duration_listener(listen)


def test_a_readout_is_compiled_once(kernel, compiled):
    """The same function in a loop outside jit, as a person writes it."""
    params, spikes = (
        kernel.Params(),
        jnp.asarray(forms.WEIGHTS if kernel.input.takes_weights else forms.SPIKES > 0, float),
    )

    def readout(state, g):
        return g.sum()

    def run():
        return jax.block_until_ready(synkin.simulate(kernel, params, spikes, 0.1, readout=readout))

    first = run()
    before = compiled()
    for _ in range(3):
        again = run()
    assert compiled() == before
    np.testing.assert_array_equal(again[1], first[1])


def test_what_a_readout_closes_over_may_change(kernel):
    """Another array, or the same NumPy array with other numbers, is seen by the same function."""
    params, spikes = (
        kernel.Params(),
        jnp.asarray(forms.WEIGHTS if kernel.input.takes_weights else forms.SPIKES > 0, float),
    )
    held = {"gain": jnp.ones(forms.N), "offset": np.zeros(forms.N, float)}

    def readout(state, g):
        return held["gain"] * g + jnp.asarray(held["offset"], g.dtype)

    _, once = synkin.simulate(kernel, params, spikes, 0.1, readout=readout)
    held["gain"] = 2 * held["gain"]
    _, twice = synkin.simulate(kernel, params, spikes, 0.1, readout=readout)
    held["offset"] += 1
    _, shifted = synkin.simulate(kernel, params, spikes, 0.1, readout=readout)
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-6)
    np.testing.assert_allclose(shifted, twice + 1, rtol=1e-6)


UNSORTED = {
    "padded with zeros": [1.5, 2.25, 0.0, 0.0],
    "shuffled": [2.25, 0.5, 6.5, 1.5],
    "inf between": [np.inf, 1.5, np.inf, 2.25],
}


@pytest.mark.parametrize("transform", ["jit", "vmap", "grad"])
def test_unsorted_spike_times_are_sorted_or_nan(kernel, transform):
    """Where they are traced they cannot be refused: g is then right or NaN, but never a wrong number."""
    params, times = kernel.Params(*forms.PARAMS[forms._name(kernel)]), jnp.asarray(forms.VALUES["times"], float)

    def respond(spike_times):
        return synkin.respond(kernel, params, spike_times, times)

    def summed(spike_times):
        g = respond(spike_times)
        return g.sum(), g

    transformed = {
        "jit": jax.jit(respond),
        "vmap": lambda given: jax.vmap(respond)(given[None])[0],
        "grad": jax.jit(lambda given: jax.value_and_grad(summed, has_aux=True)(given)[0][1]),
    }[transform]
    wrong = []
    for name, spike_times in UNSORTED.items():
        g, expected = transformed(jnp.asarray(spike_times, float)), respond(np.sort(spike_times))
        if not np.isnan(g).all() and not np.allclose(g, expected, rtol=1e-5, atol=1e-6):
            wrong.append(f"{name}: {g} instead of {expected}")
    assert not wrong


if __name__ == "__main__":
    forms.main()
