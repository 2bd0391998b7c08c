"""Parameters and spikes for the tests, the same in every run, and a run by hand."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import synkin

STEPS, SYNAPSES, DT = 40, 3, 0.1  # the shape that most tests share, so that little is compiled
# How far two ways to the same number may be apart, over the largest number: some tens of roundings.
TOLERANCE = {"float32": 4e-6, "float64": 1e-14}
# The objects that brainpy.state has too.
OBJECTS = {"AMPA": synkin.ampa, "GABAa": synkin.gabaa, "BioNMDA": synkin.bionmda, "Alpha": synkin.alpha,
           "Expon": synkin.expon, "DualExpon": synkin.dual_expon}  # fmt: skip
RECEPTORS = ("AMPA", "GABAa", "BioNMDA")


def params(kernel, rng, shape=(), dtype=float, low=0.5, high=2.0):
    """Parameters around the kernel's defaults, each multiplied by a random factor."""
    return kernel.Params(*(np.asarray(default * rng.uniform(low, high, shape), dtype) for default in kernel.Params()))


def inputs(kernel, rng, shape, rate=0.1, dtype=float):
    """Spikes for a receptor, weights of either sign in mS for a linear kernel; every synapse starts with one."""
    spikes = rng.random(shape) < rate
    spikes[0] = True
    if not kernel.input.takes_weights:
        return spikes
    return np.asarray(spikes * rng.normal(size=shape), dtype)


@partial(jax.jit, static_argnames=("kernel", "method"))
def scan(kernel, params, state, inputs, dt, method):
    """A run as a person writes it: `jax.lax.scan` over the kernel's ``step``."""

    def body(state, spike):
        return kernel.step(params, state, 0.0, spike, dt, method=method)

    return jax.lax.scan(body, state, jnp.asarray(inputs))
