"""A fingerprint of the operations of a function: a text that is the same in every process and can be stored in a file.

`synkin.tracing.sameness` compares operations within one process, some of them by identity; here all are compared by
value. Source locations and objects of this process are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from synkin.arguments.declaration import Pytree

if TYPE_CHECKING:
    from jax.extend import core


def fingerprint(function: Callable[..., Pytree], *at: Pytree) -> str:
    """A hash of the operations of a function and of its forward derivative, as JAX traces them.

    Args:
        function: any that JAX can trace.
        at: its arguments: pytrees of floating numbers, of which only shapes and dtypes matter.
    """

    def derivative(at: Pytree, along: Pytree) -> Pytree:
        return jax.jvp(function, at, along)

    text = _text(jax.make_jaxpr(function)(*at))
    try:
        text += _text(jax.make_jaxpr(derivative)(at, at))
    except TypeError:  # it has a rule for reverse mode only
        text += "no slope"
    return hashlib.sha256(text.encode()).hexdigest()


def _text(traced: core.ClosedJaxpr | core.Jaxpr) -> str:
    """The operations of a traced function as text, nested ones too; variables are numbered in order of appearance."""
    jaxpr: core.Jaxpr = traced.jaxpr if hasattr(traced, "jaxpr") else traced
    numbers: dict[core.Var, int] = {}

    def written(variable: Any) -> str:
        kind = f"{variable.aval.dtype}{variable.aval.shape}" if hasattr(variable.aval, "dtype") else "?"
        if hasattr(variable, "val"):  # a constant
            return f"{_constant(variable.val)}:{kind}"
        return f"{numbers.setdefault(variable, len(numbers))}:{kind}"

    lines = [
        f"constants {[written(variable) for variable in jaxpr.constvars]} {_option(getattr(traced, 'consts', ()))}",
        f"given {[written(variable) for variable in jaxpr.invars]}",
    ]
    for equation in jaxpr.eqns:
        options = {key: _option(value) for key, value in sorted(equation.params.items()) if key != "name"}
        before, after = [written(v) for v in equation.invars], [written(v) for v in equation.outvars]
        lines.append(f"{equation.primitive.name} {options} {before} {after}")
    lines.append(f"gives {[written(variable) for variable in jaxpr.outvars]}")
    return "\n".join(lines)


def _constant(value: np.ndarray | jax.Array) -> str:
    """A constant as dtype, shape and a hash of its numbers."""
    try:
        array = np.ascontiguousarray(value)
    except (TypeError, ValueError):  # a key of jax.random
        array = np.ascontiguousarray(jax.random.key_data(value))
    return f"{array.dtype}{array.shape}{hashlib.sha256(array.tobytes()).hexdigest()}"


def _option(value: Any) -> str:
    """A parameter of an operation."""
    if hasattr(value, "eqns") or hasattr(getattr(value, "jaxpr", None), "eqns"):
        return f"({_text(value)})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_option(item)}' for key, item in sorted(value.items()))}}}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_option, value))}]"
    if isinstance(value, np.ndarray | jax.Array):
        return _constant(value)
    if value is None or isinstance(value, bool | int | float | complex | str | np.generic | np.dtype):
        return repr(value)
    return type(value).__name__
