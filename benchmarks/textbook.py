"""The right results: the equations as a textbook has them, in float64, one step after the other.

Nothing of synkin is used here but the names of its parameters. Pulses last whole steps.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

SUBSTEPS = 4  # of the one equation that is integrated numerically; the error over a step is below 1e-7


def x64(on: bool) -> Any:
    """JAX's 64-bit mode, on or off, as a context; it has moved between versions."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(on)
    from jax.experimental import enable_x64

    return enable_x64(on)


def result(
    kernel: str, params: Any, spikes: Any, dt: float, method: str, keep: Callable[[Array], Array] = lambda g: g
) -> np.ndarray:
    """``keep(g)`` at the steps' ends, (T, ...), float64."""
    with x64(True):
        run = jax.jit(partial(conductance, kernel, dt=dt, method=method, keep=keep))
        return np.asarray(run(_wide(params), jnp.asarray(spikes)))


def gradient(loss: Callable[[Array], Array], kernel: str, params: Any, spikes: Any, dt: float, method: str) -> Any:
    """Value and gradient of ``loss(g)``, g being (T, N), float64, as JAX differentiates a plain scan."""

    def of_params(params: Any, spikes: Array) -> Array:
        return loss(conductance(kernel, params, spikes, dt, method))

    with x64(True):
        return jax.tree.map(np.asarray, jax.jit(jax.value_and_grad(of_params))(_wide(params), jnp.asarray(spikes)))


def conductance(
    kernel: str,
    params: Any,
    spikes: Array,
    dt: float,
    method: str,
    keep: Callable[[Array], Array] = lambda g: g,
) -> Array:
    """``keep(g)`` at the steps' ends, from rest."""
    step = partial(_STEPS[kernel], params, dt, method)

    @jax.checkpoint
    def body(carry: Any, spike: Array) -> tuple[Any, Array]:
        gates, left = carry
        if left is None:
            gates = step(gates, spike.astype(float))
        else:
            left = jnp.where(spike, jnp.round(jax.lax.stop_gradient(params.T_dur) / dt), left)
            gates = step(gates, (left > 0).astype(float))
            left = jnp.maximum(left - 1, 0)
        return (gates, left), keep(gates[0])

    zeros = jnp.zeros(spikes.shape[1:], float)
    rest = ((zeros, zeros), None if kernel == "alpha" else zeros)
    return jax.lax.scan(body, rest, spikes)[1]


def _wide(params: Any) -> Any:
    # Through float32: what the others compute with.
    return jax.tree.map(lambda p: jnp.asarray(np.asarray(p, np.float32), float), params)


def _relax(y: Array, source: Array, rate: Array, dt: float) -> Array:
    """The solution of y' = source - rate y after dt."""
    settled = source / rate
    return settled + (y - settled) * jnp.exp(-rate * dt)


def _first_order(params: Any, dt: float, method: str, gates: tuple[Array, Array], on: Array) -> tuple[Array, Array]:
    g, unused = gates
    binding = params.alpha * params.T * on
    return _relax(g, binding, binding + params.beta, dt), unused


def _bionmda(params: Any, dt: float, method: str, gates: tuple[Array, Array], on: Array) -> tuple[Array, Array]:
    g, x = gates
    binding = params.alpha2 * params.T * on
    x_after = partial(_relax, x, binding, binding + params.beta2)
    if method == "exp_euler":
        opening = params.alpha1 * x_after(dt)
        return _relax(g, opening, opening + params.beta1, dt), x_after(dt)

    def slope(s: float, g: Array) -> Array:
        return params.alpha1 * x_after(s) * (1 - g) - params.beta1 * g

    h = dt / SUBSTEPS
    for s in np.arange(SUBSTEPS) * h:  # Runge and Kutta's rule of order 4
        k1 = slope(s, g)
        k2 = slope(s + h / 2, g + h / 2 * k1)
        k3 = slope(s + h / 2, g + h / 2 * k2)
        k4 = slope(s + h, g + h * k3)
        g = g + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return g, x_after(dt)


def _alpha(params: Any, dt: float, method: str, gates: tuple[Array, Array], weight: Array) -> tuple[Array, Array]:
    g, h = gates
    decay = jnp.exp(-dt / params.tau)
    g = decay * (g + dt / params.tau * h) if method == "exact" else decay * g + (1 - decay) * h
    return g, decay * h + weight


_STEPS = {"ampa": _first_order, "gabaa": _first_order, "bionmda": _bionmda, "alpha": _alpha}
