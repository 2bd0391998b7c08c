"""The values that a person types: kernels, choices, numbers, times. All are argparse types.

A kernel is imported when it is named, and JAX with it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from importlib import import_module
from math import isfinite
from typing import TYPE_CHECKING

from synkin.cli import UsageError, catalogue, usage_errors
from synkin.cli.parser import called_as
from synkin.cli.suggestions import did_you_mean
from synkin.recordings import number_text

if TYPE_CHECKING:
    from synkin.declaring.kernel import Kernel
    from synkin.declaring.scheme import Scheme


def kernel(name: str) -> Kernel:
    """The kernel called ``name``, of the library or one of the published schemes, or a sum: an argparse type.

    Raises:
        UsageError: there is none, or kernels that do not add up.
    """
    if "+" in name:
        parts = [part.strip() for part in name.split("+")]
        if not all(parts):
            raise UsageError(f"A sum needs a kernel on each side of a +, as ampa+nmda5, but is {name!r}.")
        from synkin.declaring.sums import added

        with usage_errors():
            return added(*map(kernel, parts))
    known = catalogue.KERNELS | catalogue.SCHEMES
    if name not in known:
        there_are = f"there are {', '.join(catalogue.KERNELS)}, and the schemes that `{called_as()} list` shows"
        raise UsageError(f"There is no kernel {name!r}{did_you_mean(name, known)}: {there_are}.")
    found: Kernel = getattr(import_module("synkin.kernels" if name in catalogue.KERNELS else "synkin.schemes"), name)
    return found


def scheme(path: str) -> Scheme:
    """The kernel that a text file describes: an argparse type.

    Raises:
        UsageError: see `synkin.cli.scheme_file.read`.
    """
    from synkin.cli import scheme_file

    return scheme_file.read(path)


def kernels(names: str) -> Kernel | list[Kernel]:
    """The `kernel` of that name, or a list of those of several: an argparse type.

    Raises:
        UsageError: there is none of a name, or a name comes twice.
    """
    listed = [name.replace(" ", "") for name in names.split(",")]
    if len(listed) == 1:
        return kernel(names)
    if twice := [name for name in listed if listed.count(name) > 1]:
        raise UsageError(
            f"Option --kernel must name each kernel once, but names {twice[0]} {listed.count(twice[0])} times."
        )
    return [kernel(name) for name in listed]


def one_of(choices: Iterable[str]) -> Callable[[str], str]:
    """An argparse type: one of the ``choices``."""
    known = list(choices)

    def check(text: str) -> str:
        if text not in known:
            listed = f"{', '.join(known[:-1])} or {known[-1]}"
            raise argparse.ArgumentTypeError(f"must be {listed}, but is {text!r}{did_you_mean(text, known)}")
        return text

    return check


def number(text: str) -> float:
    """``text`` as a finite number: an argparse type."""
    try:
        value = number_text.decimal(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a number, but is {text!r}")
    return value


def whole(text: str) -> int:
    """``text`` as a whole number: an argparse type."""
    try:
        return number_text.whole(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, but is {text!r}") from None


def window(text: str) -> tuple[float, float]:
    """``text`` as two times in ms, such as 95:180: an argparse type."""
    first, colon, last = text.partition(":")
    try:
        ends = number_text.decimal(first), number_text.decimal(last)
    except ValueError:
        ends = float("nan"), float("nan")
    if not (colon and isfinite(ends[0]) and isfinite(ends[1]) and ends[0] <= ends[1]):
        raise argparse.ArgumentTypeError(f"must be two times in ms, such as 95:180, but is {text!r}")
    return ends


def windows(text: str) -> list[tuple[float, float]]:
    """``text`` as one or several pairs of times in ms, such as 20:21,70:71: an argparse type."""
    try:
        return [window(each) for each in text.split(",")]
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"must be two times in ms, such as 95:180, or several such pairs, as 20:21,70:71, but is {text!r}"
        ) from None


def times(text: str) -> list[float]:
    """``text`` as times in ms, such as 3.0,17.5, in the order of time: an argparse type."""
    return sorted(times_as_given(text))


def times_as_given(text: str) -> list[float]:
    """``text`` as times in ms, such as 3.0,17.5, in the order in which they are typed: an argparse type."""
    found = _listed(text)
    if not found:
        raise argparse.ArgumentTypeError(f"must be times in ms, such as 3.0,17.5, but is {text!r}")
    return found


def weights(text: str) -> list[float] | str:
    """``text`` as numbers, one for each spike, such as 1,0.7; or "free": an argparse type."""
    found = _listed(text)
    if not found and text != "free":
        raise argparse.ArgumentTypeError(f"must be free or numbers, one for each spike, such as 1,0.7, but is {text!r}")
    return found or "free"


def voltages(text: str) -> tuple[float, ...]:
    """``text`` as voltages in mV, such as -80,-60, or none for "file": an argparse type."""
    found = _listed(text)
    if not found and text != "file":
        raise argparse.ArgumentTypeError(f"must be voltages in mV, such as -80,-60, but is {text!r}")
    return tuple(found)


def _listed(text: str) -> list[float]:
    """Numbers with commas between them; none if one of them is no finite number."""
    try:
        found = [number_text.decimal(item) for item in text.split(",")]
    except ValueError:
        return []
    return found if all(map(isfinite, found)) else []


def levels(text: str) -> tuple[float, float]:
    """``text`` as two voltages in mV, such as -40:40: an argparse type."""
    try:
        return window(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"must be two levels in mV, such as -40:40, but is {text!r}") from None


def ms(text: str) -> float:
    """``text`` as a number of ms that is not negative: an argparse type."""
    try:
        value = number(text)
    except argparse.ArgumentTypeError:
        value = -1.0
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be a number of ms that is not negative, but is {text!r}")
    return value


def bounds(text: str) -> tuple[str, tuple[float | None, float | None]]:
    """``text`` as a column and its bounds, such as size=-50:-5 or rise=:1: an argparse type."""
    name, equals, ends = text.partition("=")
    low, colon, high = ends.partition(":")
    try:
        pair = tuple(number_text.decimal(end) if end.strip() else None for end in (low, high))
    except ValueError:
        colon = ""
    if not (name and equals and colon):
        form = "a column and two bounds, such as rise=0.1:1 or size=:-5"
        raise argparse.ArgumentTypeError(f"must be {form}, but is {text!r}")
    return name, (pair[0], pair[1])


def positive_ms(text: str) -> float:
    """``text`` as a positive number of ms: an argparse type."""
    try:
        value = number_text.decimal(text)
    except ValueError:
        value = 0.0
    if not (isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"must be a positive number of ms, but is {text!r}")
    return value
