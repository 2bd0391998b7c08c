"""Time and step for the objects: t and dt in ms, said once instead of with every call.

    synkin.environ.set(dt=0.1)                          # for the program, in every thread
    with synkin.environ.context(t=1.0, dt=0.1): ...     # here and now, whatever else runs

Only the objects look here; the functions take t and dt as arguments.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import EllipsisType
from typing import Any

import numpy as np
from jax.typing import ArrayLike

from synkin import checks

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


@contextmanager
def context(*, t: ArrayLike | EllipsisType | None = ..., dt: ArrayLike | EllipsisType | None = ...) -> Iterator[None]:
    """t, dt or both within a ``with`` block, for the thread that runs it; the innermost block decides.

    Args:
        t: time in ms, a finite scalar; None: not set within the block; left out, as outside.
        dt: step in ms, a positive scalar; None and left out as for t.

    Raises:
        TypeError, ValueError: not such a number.
    """
    token = _here.set({**_here.get(), **_checked(t, dt)})
    try:
        yield
    finally:
        _here.reset(token)


def get(key: str, default: Any = ...) -> Any:
    """The value in force.

    Args:
        key: "t" or "dt".
        default: what comes back where the value is not set; left out, that raises.

    Returns:
        A float, ms.

    Raises:
        ValueError: another key, or a value that is not set.
    """
    checks.choice("key", key, _KEYS)
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
    """``dt`` in ms as a float, checked; a traced value passes.

    Raises:
        TypeError, ValueError: not a positive finite scalar.
    """
    checks.positive_dt(dt)
    return _plain(dt)


def _checked(t: Any, dt: Any) -> dict[str, Any]:
    given = {}
    if t is not ...:
        if t is not None:
            checks.number("t", t, np.isfinite, "a finite number of ms")
        given["t"] = _plain(t)
    if dt is not ...:
        given["dt"] = None if dt is None else checked_dt(dt)
    return given


def _plain(value: Any) -> Any:
    """A Python float where the value is known: quick to read and to pass to a jitted function."""
    return float(value) if value is not None and checks.is_concrete(value) else value
