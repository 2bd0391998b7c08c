"""Which values are concrete, so that they can be checked, and which are traced by a transformation of JAX."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import ModuleType
from typing import TypeAlias

import jax
import jax.experimental
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units

# Takes an array and its module (NumPy or `jax.numpy`), and gives an array of booleans.
Test: TypeAlias = Callable[[Array | np.ndarray, ModuleType], ArrayLike]

# From this many elements on, one reduction on an accelerator costs less than a copy of them to the host.
_LARGE = 1 << 20


def double_precision() -> AbstractContextManager[object]:
    """A context in which JAX's 64-bit mode is on. Its place in JAX differs between versions."""
    home: ModuleType = jax if hasattr(jax, "enable_x64") else jax.experimental
    return home.enable_x64(True)


def computed_at_once() -> AbstractContextManager[object]:
    """A context in which JAX computes at once, also within a function that it traces.

    Elsewhere it computes at once anyway. There the context of JAX would only make it compile each constant in a
    jitted function by itself.
    """
    is_traced = isinstance(jax.device_put(np.zeros(())), jax.core.Tracer)
    return jax.ensure_compile_time_eval() if is_traced else nullcontext()


def is_concrete(x: object) -> bool:
    """Whether ``x``, an array or a list of them, contains no tracer of a JAX transformation."""
    if isinstance(x, list | tuple) or units.is_quantity(x):
        return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(x))
    return not isinstance(x, jax.core.Tracer)


def concrete_value(x: object) -> np.ndarray | None:
    """``x`` as a NumPy array, or None if its numbers cannot be read.

    They cannot be read if ``x`` is traced, or if another process holds a part of it. This calls no function of
    ``jnp``, which a surrounding transformation would stage.
    """
    if not is_concrete(x) or (isinstance(x, jax.Array) and not x.is_fully_addressable):
        return None
    return np.asarray(x)


def holds_for_known(test: Test, x: ArrayLike) -> bool:
    """Whether ``test`` holds for all numbers in ``x``; True if ``x`` is not concrete."""
    if isinstance(x, jax.Array) and _is_far(x):
        # Nothing is staged, as in `concrete_value`, but the array stays on its device: copying it would be slow.
        with jax.ensure_compile_time_eval():
            return bool(_all_there(test, x))
    known = concrete_value(x)
    return known is None or bool(np.all(test(known, np)))


def _is_far(x: Array) -> bool:
    """Whether ``x`` is a large concrete array on an accelerator."""
    if isinstance(x, jax.core.Tracer) or x.size < _LARGE:
        return False
    return x.is_fully_addressable and any(device.platform != "cpu" for device in x.devices())


@partial(jax.jit, static_argnums=0)
def _all_there(test: Test, x: Array) -> Array:
    return jnp.all(test(x, jnp))
