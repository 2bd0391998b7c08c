"""Time and step for the objects: t and dt in ms, set once instead of passed with every call.

    synkin.environ.set(dt=0.1)                          # for the whole program, in every thread
    with synkin.environ.context(t=1.0, dt=0.1): ...     # within the block, in this thread only

Both may be quantities with a unit of time. While one of them is, the objects return quantities.

Only the objects read t and dt here; functions take them as arguments.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import EllipsisType
from typing import TypeVar

import numpy as np
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_choice
from synkin.arguments.known import is_concrete
from synkin.arguments.numbers import check_number
from synkin.arguments.times import check_dt

__all__ = ["context", "get", "set"]

_KEYS = ("t", "dt")

_Default = TypeVar("_Default")

# A context variable belongs to a thread (or asyncio task). What `set` stores holds in all threads.
_everywhere: dict[str, float | None] = {}
_here: ContextVar[Mapping[str, float | None]] = ContextVar("synkin.environ", default={})  # noqa: B039 (never mutated)


def set(*, t: ArrayLike | EllipsisType | None = ..., dt: ArrayLike | EllipsisType | None = ...) -> None:
    """Set t, dt or both for the whole program. A `context` overrides them.

    Args:
        t: the time in ms, a finite number. None removes it. If left out, it stays as it is.
        dt: the step in ms, a positive number. None removes it. If left out, it stays as it is.

    Raises:
        TypeError, ValueError: ``t`` or ``dt`` is not such a number.

    Example:
        >>> synkin.environ.set(dt=0.1)
        >>> synkin.environ.get("dt")
        0.1
        >>> synkin.environ.set(dt=None)  # none again
    """
    _everywhere.update(_checked(t, dt))


class context:
    """Set t, dt or both within a ``with`` block, for the thread that runs it. The innermost block overrides the others.

    Args:
        t: the time in ms, a finite number. None removes it within the block. If left out, it is as outside the block.
        dt: the step in ms, a positive number. None removes it within the block. If left out, it is as outside the
            block.

    Raises:
        TypeError, ValueError: ``t`` or ``dt`` is not such a number.

    Example:
        >>> synapse = synkin.AMPA(2)
        >>> synapse.init_state()
        >>> with synkin.environ.context(dt=0.1):
        ...     g = synapse.update([True, False])
        >>> print(g > 0)
        [True False]
    """

    # A class, because a generator would be the slowest part of an update in a Python loop.
    def __init__(self, *, t: ArrayLike | EllipsisType | None = ..., dt: ArrayLike | EllipsisType | None = ...) -> None:
        self._given = _checked(t, dt)
        self._tokens: list[Token] = []

    def __enter__(self) -> None:
        self._tokens.append(_here.set({**_here.get(), **self._given}))

    def __exit__(self, *exception: object) -> None:
        _here.reset(self._tokens.pop())


def get(key: str, default: _Default | EllipsisType = ...) -> float | _Default:
    """The current value of t or dt.

    Args:
        key: "t" or "dt".
        default: what is returned if the value is not set. If ``default`` is left out, this is an error.

    Returns:
        A float in ms, or a quantity in ms if a quantity was set.

    Raises:
        ValueError: ``key`` is neither "t" nor "dt", or the value is not set and there is no default.

    Example:
        >>> with synkin.environ.context(t=5.0):
        ...     synkin.environ.get("t"), synkin.environ.get("dt", 0.1)
        (5.0, 0.1)
    """
    check_choice("key", key, _KEYS)
    here = _here.get()
    value = here[key] if key in here else _everywhere.get(key)
    if value is not None:
        return value
    if not isinstance(default, EllipsisType):
        return default
    raise ValueError(
        f"`{key}` is not set: give it in ms by `synkin.environ.set({key}=...)` "
        f"or `with synkin.environ.context({key}=...):`."
    )


def checked_dt(dt: ArrayLike) -> float:
    """``dt`` in ms, checked: a float, or a quantity if it was given as one. A traced value is not checked.

    Raises:
        TypeError, ValueError: not a positive finite scalar, or of another dimension than time.
    """
    if type(dt) is float:
        check_dt(dt)
        return dt
    value = units.strip_unit("dt", dt, "ms")
    check_dt(value)
    return _as_known(value, units.is_quantity(dt))


def _checked(t: ArrayLike | EllipsisType | None, dt: ArrayLike | EllipsisType | None) -> dict[str, float | None]:
    given: dict[str, float | None] = {}
    if not isinstance(t, EllipsisType):
        given["t"] = None if t is None else _checked_t(t)
    if not isinstance(dt, EllipsisType):
        given["dt"] = None if dt is None else checked_dt(dt)
    return given


def _checked_t(t: ArrayLike) -> float:
    if type(t) is float and math.isfinite(t):
        return t
    value = units.strip_unit("t", t, "ms")
    check_number("t", value, np.isfinite, "a finite number of ms")
    return _as_known(value, units.is_quantity(t))


def _as_known(value: float, has_unit: bool) -> float:
    """``value`` as a Python float unless it is traced, as that is quick to pass to a jitted function."""
    number: float = float(value) if is_concrete(value) else value
    if has_unit:
        number = units.quantity(number, "ms")
    return number


def __dir__() -> list[str]:
    return sorted(__all__)
