"""The receptors of an object one by one: what is given as ``channels=`` and ``key=``, and their part of a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments.channels import check_channels
from synkin.arguments.choices import check_random_key
from synkin.arguments.declaration import AnyParams
from synkin.arguments.numbers import Shape
from synkin.declaring.kernel import Kernel
from synkin.solving.carry import Carry
from synkin.solving.channels.population import check_population
from synkin.solving.channels.stepper import ChannelStepper, make_channel_stepper


class Channels(NamedTuple):
    """The receptors of an object, and the key that all their draws follow from."""

    number: Array  # int32 (*in_size), how many a synapse has
    key: Array


def as_channels(kernel: Kernel, options: Mapping[str, object], in_size: Shape, initial: list[str]) -> Channels | None:
    """The receptors that a constructor was asked for.

    Args:
        kernel: of the object.
        options: arguments of the constructor by name.
        in_size: shape of the synapses.
        initial: names of the arguments with initial values.

    Raises:
        TypeError, ValueError: no number of receptors, no key, or an argument that does not go with them.
    """
    channels, key = options.get("channels"), options.get("key")
    if channels is None:
        if key is not None:
            raise ValueError("Argument `key` must be left out without `channels`, but is given.")
        return None
    check_population(kernel)
    number, _ = check_channels(channels, in_size)
    if key is None:
        raise ValueError("Argument `key` must be given with `channels`, as receptors open at random, but is not.")
    check_random_key("key", key)
    if options["release"] is not None:
        refuse("release")
    for name in initial:
        if not isinstance(options[name], int | float) or options[name] != 0:
            raise ValueError(
                f"Argument `{name}` must be left out with `channels`, which begin at rest, but is "
                f"{options[name]!r:.60}."
            )
    return Channels(number, jnp.asarray(key))


def refuse(name: str) -> None:
    """Raise ValueError, as an argument is given that does not go with channels."""
    raise ValueError(f"Argument `{name}` must be left out with `channels`, but is given.")


def stepper_of(kernel: Kernel, params: AnyParams, dt: ArrayLike, channels: Channels, overlap: str) -> ChannelStepper:
    """The stepper of checked arguments."""
    return make_channel_stepper(kernel, params, jnp.asarray(dt, params[0].dtype), channels.number, overlap)


def key_of_step(values: Mapping[str, Any]) -> Array:
    """The key of the step with this number."""
    return jax.random.fold_in(values["key"], values["number"])


@jax.jit
def run(stepper: ChannelStepper, carry: Carry, spikes: Array, values: dict[str, Any]) -> tuple[Carry, Array]:
    """The carry and g after each row of ``spikes``, which draw one after the other."""

    def step(carry: Carry, row: tuple[Array, Array]) -> tuple[Carry, Array]:
        spike, number = row
        return stepper.step(carry, spike, key=key_of_step({"key": values["key"], "number": number}))

    return jax.lax.scan(step, carry, (spikes, values["number"] + jnp.arange(len(spikes))))
