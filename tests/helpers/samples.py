"""Parameters and spikes for the tests, the same in every run, and the two ways to run a kernel."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import synkin

STEPS, SYNAPSES, DT = 40, 3, 0.1  # the shape that most tests share, so that little is compiled
# How far two ways to the same number may be apart, over the largest number: some tens of roundings.
TOLERANCE = {"float32": 4e-6, "float64": 1e-14}


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


# Both are compiled once for a kernel, method, shape and dtype, whatever test they are called from.


def simulate(kernel, params, inputs, dt, *, t0=0.0, **options):
    """`synkin.simulate` under jit."""
    return _simulate(kernel, params, inputs, dt, t0, **options)


def scan(kernel, params, state, inputs, dt, *, t0=0.0, **options):
    """The same run as a person writes it: `jax.lax.scan` over the kernel's ``step``."""
    return _scan(kernel, params, state, inputs, dt, t0, **options)


@partial(jax.jit, static_argnames=("kernel", "method", "overlap", "dtype"))
def _simulate(kernel, params, inputs, dt, t0, **options):
    return synkin.simulate(kernel, params, inputs, dt, t0=t0, **options)


@partial(jax.jit, static_argnames=("kernel", "method", "overlap"))
def _scan(kernel, params, state, inputs, dt, t0, **options):
    def body(state, row):
        i, spike = row
        return kernel.step(params, state, t0 + i * dt, spike, dt, **options)

    i = jnp.arange(len(inputs)).astype(state[0].dtype)
    return jax.lax.scan(body, state, (i, jnp.asarray(inputs)))
