"""Short-term plasticity of an object: what is given as ``release=``, and its part of a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments.messages import describe
from synkin.arguments.varying import check_names, transmitter_varies
from synkin.declaring.kernel import Kernel
from synkin.networks import release_on_grid
from synkin.networks.plasticity import Params, State

Releasing: TypeAlias = tuple[Params, State, ArrayLike]
"""The parameters of a release, as `synkin.networks.release_on_grid.without_unused` returns them, its state and dt."""


def check_release(value: object) -> Params:
    """``value``; raises TypeError if it is no ``Params`` of `synkin.tsodyks_markram`."""
    if not isinstance(value, tuple) or getattr(value, "_fields", None) != Params._fields:
        raise TypeError(
            f"Argument `release` must be a synkin.tsodyks_markram.Params or None, but is {describe(value)}."
        )
    return Params(*value)


def check_varying(kernel: Kernel, names: Iterable[str], released: bool) -> tuple[str, ...]:
    """The names of parameters that vary, sorted.

    Args:
        kernel: of an object.
        names: of the parameters.
        released: whether the object has short-term plasticity.

    Raises:
        ValueError: no parameters, or such as cannot vary.
    """
    checked = check_names(kernel, sorted(names))
    if released and transmitter_varies(kernel, checked):
        raise ValueError("Argument `release` must be None where T varies, as there are no spikes then, but is not.")
    return checked


def release_in_step(releasing: Releasing, spike: Array, dtype: DTypeLike) -> tuple[State, Array]:
    """The state of the release after one step, and the step's input times what it releases.

    Args:
        releasing: see `Releasing`.
        spike: the input, of the state's shape; a spike where it is not 0.
        dtype: of the result.
    """
    params, state, dt = releasing
    coefficients, state = release_on_grid.prepare(params, state, jnp.asarray(dt, dtype))
    state, released = release_on_grid.step(coefficients, state, spike.astype(bool))
    return state, released * spike.astype(dtype)


def release_in_run(releasing: Releasing, spikes: Array, dtype: DTypeLike) -> tuple[State, Array]:
    """`release_in_step` for each row of ``spikes``."""
    params, state, dt = releasing
    state, released = release_on_grid.run(params, state, spikes.astype(bool), jnp.asarray(dt, dtype))
    return state, released * spikes.astype(dtype)
