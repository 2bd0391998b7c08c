"""What is said of a field beside its type is what ``help`` says of it.

    class Params(NamedTuple):
        tau: Annotated[ArrayLike, "time constant", "ms"] = 8.0

The meaning and, where there is one, the unit are written there and nowhere else: `synkin.receptor` and `synkin.linear`
read units from it and set ``Params.tau.__doc__``, and the decorator `described` does so for what a function returns.
A field with a plain type, as ``tau: float = 8.0``, is a field all the same: of it the unit is said, where it is known.
"""

import dataclasses
import inspect
import typing
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

Kind = TypeVar("Kind", bound=type)

# What Python says of the field of a NamedTuple by itself.
_NOTHING = "Alias for field number"
# The fields that every receptor has: what is said of them where their own declaration says nothing.
PULSE = {
    "T": ("transmitter concentration during a pulse", "mM"),
    "T_dur": ("length of a pulse", "ms"),
    "pulse_left": ("transmitter still to come", "ms"),
}


def said(kind: object) -> dict[str, tuple[str, str | None]]:
    """Meaning and unit of each field that has them, by name.

    Args:
        kind: a class whose fields are annotated.
    """
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except (AttributeError, NameError, SyntaxError, TypeError):  # an annotation as text, of names that are not there
        return {}
    found = {}
    for name, hint in hints.items():
        if typing.get_origin(hint) is Annotated and all(isinstance(part, str) for part in hint.__metadata__):
            meaning, unit = (*hint.__metadata__, None)[:2]
            found[name] = meaning, unit
    return found


def units(*kinds: Any) -> dict[str, str]:
    """The unit of each field that has one, of several classes."""
    return {name: unit for kind in kinds for name, (_, unit) in said(kind).items() if unit is not None}


def describe_field(meaning: str, unit: str | None) -> str:
    """Such as "binding rate (/ms/mM)"; where nothing is known, "" or one of the two."""
    unit = "" if unit is None else "dimensionless" if unit == "1" and not meaning else unit.removeprefix("1")
    return f"{meaning} ({unit})" if meaning and unit else meaning or unit


def document(kind: Any, units: Mapping[str, str | None], meanings: Mapping[str, str] | None = None) -> None:
    """Set the docstrings of a NamedTuple's fields, but for those that have one.

    Args:
        kind: NamedTuple class.
        units: by name, where they are known.
        meanings: by name, of fields whose declaration says none.
    """
    known = said(kind)
    for name in kind._fields:
        meaning, unit = known.get(name, ((meanings or {}).get(name, ""), None))
        text = describe_field(meaning, units.get(name) or unit)
        field = getattr(kind, name)
        if text and (getattr(field, "__doc__", None) or "").startswith(_NOTHING):
            field.__doc__ = text
    if known:
        kind.__new__.__annotations__ = {}  # the signature is names and defaults: the rest stands with the fields


def described(kind: Kind) -> Kind:
    """Decorator: a NamedTuple's or dataclass's fields say in ``help`` what is said of them."""
    if dataclasses.is_dataclass(kind):
        lines = [f"    {name}: {describe_field(*about)}" for name, about in said(kind).items()]
        kind.__doc__ = "\n".join([inspect.cleandoc(kind.__doc__ or ""), "", "Attributes:", *lines])
        kind.__init__.__annotations__ = {}  # as `document` does
    else:
        document(kind, {})
    return kind
