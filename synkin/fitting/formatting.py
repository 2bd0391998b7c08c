"""Numbers and lists as text."""

from collections.abc import Sequence

import numpy as np

# The most digits of a value: a fit without noise knows more than anyone reads.
_MOST = 8
# Numbers outside of these, in powers of ten, are written with an exponent.
_PLAIN = (-5, 7)


def rounded(value: float, error: float) -> tuple[str, str]:
    """A value and its standard error as text: the error to two digits, the value to the place where the error ends.

    Where the error is not a positive finite number it says nothing about digits, and the value has five; three if
    the error is infinite.
    """
    if not (np.isfinite(value) and np.isfinite(error) and error > 0):
        return f"{value:.{3 if np.isinf(error) else 5}g}", f"{error:.2g}"
    last = _power(error) - 1
    first = max(_power(value), last) if value else last
    place = max(last, first - _MOST + 1)
    if not _PLAIN[0] <= first < _PLAIN[1]:
        return f"{value:.{first - place}e}", f"{error:.1e}"
    return _fixed(value, place), _fixed(error, last) if last == place else f"{error:.1e}"


def percent(part: float) -> str:
    """Such as "33 %", "97.8 %" or "99.98 %": so that two digits are left of what it is short of all, and of itself."""
    short = 100 * min(abs(part), abs(1 - part))
    return f"{100 * part:.{max(0, 1 - _power(short)) if 1e-6 < short < 10 else 0}f} %"


def listed(names: Sequence[str]) -> str:
    """Such as "alpha, beta and T"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _fixed(value: float, place: int) -> str:
    """A number rounded to a place, a power of ten, without an exponent."""
    return f"{round(value, -place) + 0.0:.{max(-place, 0)}f}"  # + 0.0: no -0.00


def _power(value: float) -> int:
    """The power of ten of a number's first digit, once it is rounded to two."""
    return int(f"{abs(value):.1e}".partition("e")[2])
