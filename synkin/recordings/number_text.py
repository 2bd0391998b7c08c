"""Numbers in text: what is typed at the command line, stands in tables, or in a scheme.

Python's ``float`` and ``int`` take more than people write: ``1_0`` is 10 there, and so are ten in the digits of any
script. Here a number is written in the digits 0 to 9, with a point for decimals.
"""

import re

_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)


def decimal(text: str) -> float:
    """The number that ``text`` is, such as ``-0.5`` or ``1e3``; infinite where it is too large.

    Raises:
        ValueError: it is none.
    """
    text = text.strip()
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"A number such as 0.5 or 1e3 is expected, but {text!r} came.")
    return float(text)


def decimal_or_not_finite(text: str) -> float:
    """As `decimal`, and ``nan`` and ``inf`` besides, as programs write them into tables.

    Raises:
        ValueError: it is neither.
    """
    return float(text) if _NOT_FINITE.fullmatch(text.strip()) else decimal(text)


def whole(text: str) -> int:
    """The whole number that ``text`` is.

    Raises:
        ValueError: it is none.
    """
    text = text.strip()
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"A whole number is expected, but {text!r} came.")
    return int(text)
