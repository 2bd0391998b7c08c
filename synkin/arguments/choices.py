"""Arguments that are no numbers: options, flags, functions, random keys, kernels."""

from collections.abc import Sequence
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

from synkin.arguments.messages import describe
from synkin.arguments.option_values import METHODS, OVERLAPS

OUTPUTS = ("end", "mean")
SPIKES_AT = ("start", "end")


def check_choice(name: str, value: object, allowed: Sequence[str]) -> None:
    """Raise ValueError unless ``value`` is one of ``allowed``."""
    if not (isinstance(value, str) and value in allowed):
        listed = ", ".join(repr(a) for a in allowed)
        raise ValueError(f"Argument `{name}` must be one of {listed}, but is {describe(value)}.")


def check_flag(name: str, value: object) -> bool:
    """``value``, which must be True or False.

    Raises:
        TypeError: something else.
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"Argument `{name}` must be True or False, but is {describe(value)}.")
    return bool(value)


def check_function(name: str, value: object) -> None:
    """Raise TypeError unless ``value`` can be called."""
    if not callable(value):
        raise TypeError(f"Argument `{name}` must be a function, but is {describe(value)}.")


def check_random_key(name: str, value: object) -> None:
    """Raise TypeError unless ``value`` is one key of `jax.random`, typed or a vector of uint32."""
    good = False
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        good = value.shape == ()
    elif isinstance(value, jax.Array | np.ndarray):
        good = value.dtype == np.dtype("uint32") and value.shape in ((2,), (4,))
    if not good:
        raise TypeError(f"Argument `{name}` must be a single key such as jax.random.key(0), but is {describe(value)}.")


def as_seed(name: str, key: object) -> int | list[int]:
    """A seed of NumPy's generator, from a whole number or a key of `jax.random`.

    Raises:
        TypeError, ValueError: neither.
    """
    if isinstance(key, jax.Array) and not isinstance(key, jax.core.Tracer):
        check_random_key(name, key)
        data = jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key
        return [int(word) for word in np.asarray(data).ravel()]
    if isinstance(key, bool) or not isinstance(key, int | np.integer) or key < 0:
        raise TypeError(
            f"Argument `{name}` must be a whole number of 0 or more or a key of jax.random, but is {describe(key)}."
        )
    return int(key)


def check_kernel(value: object) -> None:
    """Raise TypeError unless ``value`` is a kernel."""
    if not (hasattr(value, "input") and hasattr(value, "methods")):
        its_own = ": call its own `stepper`, `run` or `release`" if hasattr(value, "stepper") else ""
        raise TypeError(f"Argument `kernel` must be a kernel such as synkin.ampa, but is {describe(value)}{its_own}.")


class HasMethods(Protocol):
    """A kernel, as far as its name and methods are concerned."""

    @property
    def name(self) -> str:
        """Such as "ampa"."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that it has, the default first."""


def check_method(value: object, kernel: HasMethods) -> None:
    """Raise ValueError unless ``value`` is None or a method that ``kernel`` has."""
    if value is None:
        return
    check_choice("method", value, METHODS)
    if value not in kernel.methods:
        only = kernel.methods[0]
        raise ValueError(f"Argument `method` must be {only!r}, the only one that {kernel.name} has, but is {value!r}.")


def check_overlap(value: object) -> None:
    """Raise ValueError unless ``value`` is a way in which pulses may overlap."""
    check_choice("overlap", value, OVERLAPS)


def check_spikes_at(value: object, *, acts_at_end: bool) -> str:
    """Where in its step an input acts, "start" or "end"; where ``value`` is None, as the kernel does by itself.

    Raises:
        ValueError: none of these.
    """
    if value is None:
        return "end" if acts_at_end else "start"
    check_choice("spikes_at", value, SPIKES_AT)
    return str(value)
