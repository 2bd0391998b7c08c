"""Time and step for the objects: t and dt in ms, said once instead of with every call.

    synkin.environ.set(dt=0.1)                          # for the program, in every thread
    with synkin.environ.context(t=1.0, dt=0.1): ...     # here and now, whatever else runs

Both may be quantities with a unit of time. While one is, the objects give quantities, too.

Only the objects look here; the functions take t and dt as arguments.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import EllipsisType
from typing import Any

import numpy as np
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_choice
from synkin.arguments.known import is_concrete
from synkin.arguments.numbers import check_number
from synkin.arguments.times import check_dt

__all__ = ["context", "get", "set"]

_KEYS = ("t", "dt")

# A context variable belongs to its thread (and asyncio task); what `set` stores is for all of them.
_everywhere: dict[str, Any] = {}
_here: ContextVar[Mapping[str, Any]] = ContextVar("synkin.environ", default={})  # noqa: B039 (never mutated)


def set(*, t: ArrayLike | EllipsisType | None = ..., dt: ArrayLike | EllipsisType | None = ...) -> None:
    """Set t, dt or both for the whole program; a `context` goes before it.

    Args:
        t: time in ms, a finite scalar; None takes it back; left out, it stays as it is.
        dt: step in ms, a positive scalar; None and left out as for t.

    Raises:
        TypeError, ValueError: not such a number.
    """
    _everywhere.update(_checked(t, dt))


class context:
    """t, dt or both within a ``with`` block, for the thread that runs it; the innermost block decides.

    Args:
        t: time in ms, a finite scalar; None: not set within the block; left out, as outside.
        dt: step in ms, a positive scalar; None and left out as for t.

    Raises:
        TypeError, ValueError: not such a number.
    """

    # A class, as a generator would take longer than all else in a step of a loop by hand.
    def __init__(self, *, t: ArrayLike | EllipsisType | None = ..., dt: ArrayLike | EllipsisType | None = ...) -> None:
        self._given = _checked(t, dt)
        self._tokens: list[Token] = []

    def __enter__(self) -> None:
        self._tokens.append(_here.set({**_here.get(), **self._given}))

    def __exit__(self, *exception: object) -> None:
        _here.reset(self._tokens.pop())


def get(key: str, default: Any = ...) -> Any:
    """The value in force.

    Args:
        key: "t" or "dt".
        default: what comes back where the value is not set; left out, that raises.

    Returns:
        A float, ms; where a quantity was given, a quantity in ms.

    Raises:
        ValueError: another key, or a value that is not set.
    """
    check_choice("key", key, _KEYS)
    here = _here.get()
    value = here[key] if key in here else _everywhere.get(key)
    if value is not None:
        return value
    if default is not ...:
        return default
    raise ValueError(
        f"`{key}` is not set: give it in ms by `synkin.environ.set({key}=...)` "
        f"or `with synkin.environ.context({key}=...):`."
    )


def checked_dt(dt: Any) -> Any:
    """``dt`` in ms as a float, or as a quantity where it came as one, checked; a traced value passes.

    Raises:
        TypeError, ValueError: not a positive finite scalar, or of another dimension than time.
    """
    if type(dt) is float:
        check_dt(dt)
        return dt
    value = units.plain("dt", dt, "ms")
    check_dt(value)
    return _kept(value, units.is_quantity(dt))


def _checked(t: Any, dt: Any) -> dict[str, Any]:
    given = {}
    if t is not ...:
        given["t"] = None if t is None else _checked_t(t)
    if dt is not ...:
        given["dt"] = None if dt is None else checked_dt(dt)
    return given


def _checked_t(t: Any) -> Any:
    if type(t) is float and math.isfinite(t):
        return t
    value = units.plain("t", t, "ms")
    check_number("t", value, np.isfinite, "a finite number of ms")
    return _kept(value, units.is_quantity(t))


def _kept(value: Any, has_unit: bool) -> Any:
    """A Python float where the value is known: quick to read and to pass to a jitted function."""
    value = float(value) if is_concrete(value) else value
    return units.quantity(value, "ms") if has_unit else value


def __dir__() -> list[str]:
    return sorted(__all__)
