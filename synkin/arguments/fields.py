"""Meaning and unit of a field, written beside its type and shown by ``help``.

    class Params(NamedTuple):
        tau: Annotated[ArrayLike, "time constant", "ms"] = 8.0

Meaning and unit are written only there. `synkin.receptor` and `synkin.linear` read the unit and set
``Params.tau.__doc__``; the decorator `described` sets the docstrings of the fields of any NamedTuple or dataclass. A
field with a plain type, such as ``tau: float = 8.0``, is allowed: ``help`` shows its unit if it is known otherwise.
"""

import dataclasses
import inspect
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

Kind = TypeVar("Kind", bound=type)

# The docstring of a NamedTuple's field begins so by default.
_NOTHING = "Alias for field number"
# Meaning and unit of the fields that every receptor has, used if their own declaration gives none.
PULSE = {
    "T": ("transmitter concentration during a pulse", "mM"),
    "T_dur": ("length of a pulse", "ms"),
    "pulse_left": ("how long there will still be transmitter", "ms"),
}


def said(kind: object) -> dict[str, tuple[str, str | None]]:
    """Meaning and unit of each field that declares them, by name.

    Args:
        kind: a class whose fields are annotated.
    """
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except (AttributeError, NameError, SyntaxError, TypeError):  # an annotation as text, with unknown names
        return {}
    found = {}
    for name, hint in hints.items():
        if typing.get_origin(hint) is Annotated and all(isinstance(part, str) for part in hint.__metadata__):
            meaning, unit = (*hint.__metadata__, None)[:2]
            found[name] = meaning, unit
    return found


def completion(shown: Iterable[str], every: Iterable[str]) -> list[str]:
    """What `dir` of an object gives, and so what an editor offers after a dot.

    Args:
        shown: the names that a user needs.
        every: all names that the object has, of which those with two underscores are kept, as Python's tools use them.
    """
    return sorted({*shown, *(name for name in every if name.startswith("__"))})


def units(*kinds: type) -> dict[str, str]:
    """The unit of each field that declares one, of several classes."""
    return {name: unit for kind in kinds for name, (_, unit) in said(kind).items() if unit is not None}


def describe_field(meaning: str, unit: str | None) -> str:
    """Meaning and unit as text, such as "binding rate (/ms/mM)"; if one is missing, the other, and if both, ""."""
    unit = "" if unit is None else "dimensionless" if unit == "1" and not meaning else unit.removeprefix("1")
    return f"{meaning} ({unit})" if meaning and unit else meaning or unit


def document(kind: type[Any], units: Mapping[str, str | None], meanings: Mapping[str, str] | None = None) -> None:
    """Set the docstrings of a NamedTuple's fields, except those that are set already.

    Args:
        kind: NamedTuple class.
        units: by name, if they are known; they take the place of those that are declared.
        meanings: by name, for fields whose declaration gives none.
    """
    known = said(kind)
    for name in kind._fields:
        meaning, unit = known.get(name, ((meanings or {}).get(name, ""), None))
        text = describe_field(meaning, units.get(name) or unit)
        field = getattr(kind, name)
        if text and (getattr(field, "__doc__", None) or "").startswith(_NOTHING):
            field.__doc__ = text
    if known:
        kind.__new__.__annotations__ = {}  # so that the signature shows names and defaults alone


def described(kind: Kind) -> Kind:
    """Decorator of a NamedTuple or dataclass: ``help`` shows the meanings and units of its fields."""
    if dataclasses.is_dataclass(kind):
        lines = [f"    {name}: {describe_field(*about)}" for name, about in said(kind).items()]
        text, begins, example = inspect.cleandoc(kind.__doc__ or "").partition("\n\nExample:\n")
        kind.__doc__ = "\n".join([text, "", "Attributes:", *lines]) + begins + example
        kind.__init__.__annotations__ = {}  # as `document` does
    else:
        document(kind, {})
    return kind
