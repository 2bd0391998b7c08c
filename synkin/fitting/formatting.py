"""Numbers and lists as text."""

from collections.abc import Sequence

import numpy as np

# The largest number of digits of a value: a fit without noise knows more than anyone reads.
_MAX_DIGITS = 8
# Numbers outside of this range, in powers of ten, are written with an exponent.
_FIXED_POINT = (-5, 7)


def rounded(value: float, error: float) -> tuple[str, str]:
    """A value and its standard error as text: the error with two digits, the value up to the error's last digit.

    An error that is not positive and finite does not say how many digits are known: the value then has five digits,
    or three if the error is infinite.
    """
    if not (np.isfinite(value) and np.isfinite(error) and error > 0):
        return f"{value:.{3 if np.isinf(error) else 5}g}", f"{error:.2g}"
    last = _power(error) - 1
    first = max(_power(value), last) if value else last
    place = max(last, first - _MAX_DIGITS + 1)
    if not _FIXED_POINT[0] <= first < _FIXED_POINT[1]:
        return f"{value:.{first - place}e}", f"{error:.1e}"
    return _fixed(value, place), _fixed(error, last) if last == place else f"{error:.1e}"


def interval(best: float, ends: tuple[float, float]) -> str:
    """Such as "0.84 to 1.31": each end with two digits of its distance from ``best``."""
    # A positive quantity without a lower bound has an interval that ends at exactly 0.
    low, high = (rounded(end, abs(end - best))[0] if np.isfinite(end) and end != 0 else "" for end in ends)
    if not low and not high:
        return "anything"
    return f"{low} to {high}" if low and high else f"{low} or more" if low else f"{high} or less"


def spread(values: np.ndarray) -> str:
    """Such as "-60 to 40", the lowest and the highest of several values, or "-60" where all are equal."""
    return " to ".join(f"{value:.5g}" for value in np.unique([values.min(), values.max()]))


def percent(fraction: float) -> str:
    """Such as "33 %", "97.8 %" or "99.98 %": two digits of the fraction, or of its distance from 1 if that is less."""
    short = 100 * min(abs(fraction), abs(1 - fraction))
    return f"{100 * fraction:.{max(0, 1 - _power(short)) if 1e-6 < short < 10 else 0}f} %"


def listed(names: Sequence[str]) -> str:
    """Such as "alpha, beta and T"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def aligned(rows: Sequence[Sequence[str]], *, right: bool = False) -> list[str]:
    """A table's rows as lines; all columns but the first are aligned to the right if ``right``."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    pads = [str.ljust, *[str.rjust if right else str.ljust] * (len(widths) - 1)]
    return [
        "  ".join(pad(cell, width) for pad, cell, width in zip(pads, row, widths, strict=True)).rstrip() for row in rows
    ]


def _fixed(value: float, place: int) -> str:
    """A number rounded to a place, a power of ten, without an exponent."""
    return f"{round(value, -place) + 0.0:.{max(-place, 0)}f}"  # + 0.0: no -0.00


def _power(value: float) -> int:
    """The power of ten of a number's first digit, once it is rounded to two."""
    return int(f"{abs(value):.1e}".partition("e")[2])
