"""A population of independent receptors: what a kernel must be for it, its rest, and the conductance of its states.

The states are those of `synkin.solving.propagators.equations.generator`: the resting one first, then the variables in
solving order.
"""

from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.inputs import AddsWeight
from synkin.solving.kernel_protocol import Kernel

Tree = TypeVar("Tree")  # a pytree of arrays


def check_population(kernel: Kernel) -> None:
    """Raise ValueError unless the variables of a kernel are parts of one population of receptors."""
    why = _why_not(kernel)
    if why is not None:
        raise ValueError(
            "Argument `kernel` must be a receptor that is a set of states, such as a scheme or synkin.ampa, for single "
            f"channels, but {kernel.name} {why}."
        )


def _why_not(kernel: Kernel) -> str | None:
    """Why a kernel is no population of receptors; None if it is one."""
    if len(kernel.parts) > 1:
        return "is a sum: use each of its parts by itself, and add their g"
    if isinstance(kernel.input, AddsWeight):
        return "is a kernel to whose variables spikes add, and has no receptors that change their state"
    if kernel.structure.gated:
        return f"has a gate, `{kernel.order[1]}`, which `{kernel.order[0]}` opens to the same degree for all channels"
    if not kernel.structure.occupancies:
        return "has equations that are not made of rates between states"
    if kernel.matrix is None and not kernel.structure.linear_output:
        return "has a g that is not a weighted sum of its states"
    return None


def occupancies(kernel: Kernel, state: AnyState) -> Array:
    """The part of the receptors in each state, (S, *shape)."""
    y = [getattr(state, name) for name in kernel.order]
    return jnp.stack([1 - sum(y[1:], y[0]), *y])


def conductances(kernel: Kernel, params: AnyParams) -> Array:
    """What g is where all receptors are in one state, (S, ...)."""
    zero = jnp.zeros((), params[0].dtype)
    at = jnp.eye(kernel.structure.size + 1, dtype=zero.dtype)[:, 1:]
    each = [jnp.asarray(kernel.conductance_of(params, tuple(y)), zero.dtype) for y in at]
    return jnp.stack(jnp.broadcast_arrays(*each))


def open_part(conductance: Array, counts: Array, channels: Array) -> Array:
    """g of a population.

    Args:
        conductance: (S, ...), see `conductances`.
        counts: (S, ...) int32, the receptors in each state.
        channels: (...) how many there are.
    """
    return (conductance * (counts.astype(conductance.dtype) / channels.astype(conductance.dtype)[None])).sum(axis=0)


def without_derivative(tree: Tree) -> Tree:
    """``tree``, whose derivative is refused: counts are whole numbers, and 0 would be a wrong derivative."""
    refused: Tree = jax.tree.map(lambda x: _without_derivative(x) if jnp.issubdtype(x.dtype, jnp.floating) else x, tree)
    return refused


@jax.custom_jvp
def _without_derivative(x: Array) -> Array:
    return x


@partial(_without_derivative.defjvp, symbolic_zeros=True)
def _refuse_derivative(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Any]:
    if not isinstance(tangents[0], jax.custom_derivatives.SymbolicZero):
        raise TypeError(
            "You cannot differentiate what is drawn of `channels`, as receptors are counted in whole numbers: use "
            "synkin.log_likelihood, or jax.lax.stop_gradient of the parameters."
        )
    return primals[0], tangents[0]
