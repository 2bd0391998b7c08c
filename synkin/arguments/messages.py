"""Words for messages: what a value is, what a class is called."""

from __future__ import annotations

import numbers
import sys
from types import ModuleType

import jax
import numpy as np

from synkin.arguments.known import is_concrete
from synkin.arguments.units import HasUnits


def describe(value: object) -> str:
    """``value`` for the end of a message: short, on one line, without internals of JAX or of a module."""
    if isinstance(value, jax.core.Tracer):
        return f"a traced array of {value.dtype.name} with shape {value.shape}"
    if isinstance(value, jax.Array | np.ndarray):
        names = {"O": "objects", "U": "strings", "S": "strings", "V": "records"}
        dtype = names.get(value.dtype.kind if isinstance(value, np.ndarray) else "", value.dtype.name)
        return f"an array of {dtype} with shape {value.shape}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, ModuleType):
        return f"the module {value.__name__.rpartition('.')[2]}"
    if value is None or isinstance(value, str | bytes | numbers.Number | np.generic):
        return _short(value)
    if isinstance(value, list | tuple | dict | set) and type(value) in (list, tuple, dict, set):
        leaves = jax.tree.leaves([*value.values()] if isinstance(value, dict) else [*value])
        if all(isinstance(leaf, str | bytes | numbers.Number) for leaf in leaves):
            return _short(value)
        return f"a {type(value).__name__} of {f'length {len(value)}' if is_concrete(leaves) else 'traced values'}"
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}"
    return with_article(type_name(type(value)))


def _short(value: object) -> str:
    return f"{value!r:.80}"


def type_name(kind: type) -> str:
    """The name of a class as users write it, such as "synkin.ampa.Params"."""
    home = kind.__module__.replace("synkin.kernels.", "synkin.").replace(
        "synkin.networks.plasticity", "synkin.tsodyks_markram"
    )
    if getattr(sys.modules["synkin"], kind.__name__, None) is kind:
        home = "synkin"
    return (
        kind.__qualname__
        if home in ("builtins", "__main__", "synkin.declaring.sums")
        else f"{home}.{kind.__qualname__}"
    )


def with_article(noun: str) -> str:
    """Such as "an array"."""
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def describe_tuple(value: object) -> str:
    """A value that should be a ``Params`` or ``State``, for the end of a message."""
    return with_article(type_name(type(value))) if isinstance(value, tuple) else describe(value)


def member_name(kernel: HasUnits, member: str) -> str:
    """The name of a kernel's ``Params`` or ``State`` as users write it; ``member`` is one of the two."""
    kind = getattr(kernel, member)
    ours = kind.__module__.startswith(("synkin.kernels.", "synkin.networks.plasticity"))
    return type_name(kind) if ours else f"{kernel.name}.{member}"
