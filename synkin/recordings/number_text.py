"""Numbers in text, as in tables and on the command line.

Python's ``float`` and ``int`` also accept ``1_0`` and the digits of other scripts. Here a number must be written with
the digits 0 to 9 and a point for decimals.
"""

import re

_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)


def decimal(text: str) -> float:
    """The number in ``text``, such as ``-0.5`` or ``1e3``; infinite if it is too large for a float.

    Raises:
        ValueError: not a number.
    """
    text = text.strip()
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"A number such as 0.5 or 1e3 is expected, but {text!r} came.")
    return float(text)


def decimal_or_not_finite(text: str) -> float:
    """As `decimal`, but ``nan`` and ``inf``, which programs write into tables, are accepted too.

    Raises:
        ValueError: neither of these.
    """
    return float(text) if _NOT_FINITE.fullmatch(text.strip()) else decimal(text)


def whole(text: str) -> int:
    """The whole number in ``text``.

    Raises:
        ValueError: not a whole number.
    """
    text = text.strip()
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"A whole number is expected, but {text!r} came.")
    return int(text)
