"""The table of `forms`: what once failed, and a choice of all else; and spike times that are in no order."""

import functools
import os
import subprocess
import sys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from tests.matrix import calls, forms
from tests.matrix.transforms import MODES, ON_DEVICES


@pytest.mark.parametrize("cell", forms.KNOWN, ids=str)
def test_what_once_failed(cell):
    assert forms.try_cell(cell) is None


@pytest.mark.wide
@pytest.mark.parametrize("mode", MODES)
def test_cells(mode):
    """So many of all pairs and triples that it takes some minutes."""
    chosen = dict.fromkeys((*forms.KNOWN_TOO, *forms.covering(2, 45), *forms.covering(3, 30)))
    chosen = [cell for cell in chosen if cell.mode == mode and cell.transform not in ON_DEVICES]
    assert chosen
    assert [f"{cell}: {wrong}" for cell in chosen if (wrong := forms.try_cell(cell))] == []


@pytest.mark.wide
def test_cells_on_four_devices():
    """In a process that has them."""
    command = [sys.executable, "-m", "tests.matrix.forms", "2", "120", "shard_map_on_4|sharded_input"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": os.getcwd()}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["expon", "ampa"])
def test_unsorted_spike_times_are_sorted(name):
    """Where they are traced they cannot be refused: g and its slopes are those of the sorted ones."""
    kernel = calls.kernel_of(name)
    params, times = kernel.Params(*calls.PARAMS[name]), jnp.asarray(calls.VALUES["times"][0], float)
    trains = np.array([[1.5, 2.25, 0.0, 0.0], [2.25, 0.5, 6.5, 1.5], [np.inf, 1.5, np.inf, 2.25]])

    @jax.jit
    @jax.vmap
    @functools.partial(jax.grad, has_aux=True)
    def slopes_and_g(spike_times):
        g = synkin.respond(kernel, params, spike_times, times)
        return g.sum(), g

    slopes, g = slopes_and_g(jnp.asarray(trains, float))
    in_order = slopes_and_g(jnp.asarray(np.sort(trains), float))
    slopes = np.take_along_axis(np.asarray(slopes), np.argsort(trains, axis=1, kind="stable"), 1)
    chex.assert_trees_all_close((slopes, g), in_order, rtol=1e-5, atol=1e-6)
    assert np.ptp(g, axis=1).all()
