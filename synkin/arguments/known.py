"""What is known now, and what is traced by a transformation of JAX."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.experimental
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units

# From this many elements on, one reduction on an accelerator costs less than a copy of them to the host.
_LARGE = 1 << 20


def double_precision() -> Any:
    """JAX's 64-bit mode as a context; it has moved between versions."""
    home = jax if hasattr(jax, "enable_x64") else jax.experimental
    return home.enable_x64(True)


def is_concrete(x: object) -> bool:
    """Whether ``x``, an array or a list of them, has no tracer of a JAX transformation in it."""
    if isinstance(x, list | tuple) or units.is_quantity(x):
        return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(x))
    return not isinstance(x, jax.core.Tracer)


def concrete_value(x: object) -> np.ndarray | None:
    """The numbers in ``x`` as NumPy has them, or None where they cannot be looked at.

    That is where ``x`` is traced, or lies in part on another machine. No ``jnp`` call is made, so that nothing is
    staged, whatever transformation is under way.
    """
    if not is_concrete(x) or (isinstance(x, jax.Array) and not x.is_fully_addressable):
        return None
    return np.asarray(x)


def holds_for_known(test: Callable[[Any, Any], Any], x: ArrayLike) -> bool:
    """Whether ``test``, of an array and its module (NumPy or `jax.numpy`), holds for all numbers that are known."""
    if _is_far(x):
        # As in `values` nothing is staged, but the array stays where it is: a copy would wait for all of it.
        with jax.ensure_compile_time_eval():
            return bool(_all_there(test, x))
    known = concrete_value(x)
    return known is None or bool(np.all(test(known, np)))


def _is_far(x: object) -> bool:
    """Whether ``x`` is a large array on an accelerator."""
    if not isinstance(x, jax.Array) or isinstance(x, jax.core.Tracer) or x.size < _LARGE:
        return False
    return x.is_fully_addressable and any(device.platform != "cpu" for device in x.devices())


@partial(jax.jit, static_argnums=0)
def _all_there(test: Callable[[Any, Any], Any], x: Array) -> Array:
    return test(x, jnp).all()
