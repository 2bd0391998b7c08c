"""Kernels, parameters and numbers as they are typed."""

import argparse
from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any

import numpy as np

from synkin import checks
from synkin.cli import UsageError, time_unit
from synkin.cli.hints import meant
from synkin.kernels import KERNELS

# The largest number in single precision, in which JAX computes by default.
_LARGEST = float(np.finfo(np.float32).max)


def add_kernel(parser: argparse.ArgumentParser) -> None:
    """Add the options --kernel and --set, which `kernel` and `params` read."""
    names = ", ".join(KERNELS)
    parser.add_argument("--kernel", default="ampa", metavar="NAME", help=f"{names} (default: ampa)")
    parser.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="parameters other than the defaults, which `list` shows: --set beta=0.2 T_dur=1",
    )


def add_time_unit(parser: argparse.ArgumentParser) -> None:
    """Add the option --time-unit, which `files.in_ms` is given."""
    parser.add_argument(
        "--time-unit",
        type=one_of(time_unit.IN_MS),
        metavar="UNIT",
        help=f"of the file's times: {', '.join(time_unit.IN_MS)} (default: as the column's name says, or ms)",
    )


def kernel(name: str) -> Any:
    """The kernel called ``name``.

    Raises:
        UsageError: there is none.
    """
    if name not in KERNELS:
        raise UsageError(f"There is no kernel {name!r}{meant(name, KERNELS)}: there are {', '.join(KERNELS)}.")
    return KERNELS[name]


def params(kernel_name: str, settings: Iterable[str]) -> Any:
    """The kernel's ``Params`` with the ``settings``, each ``NAME=VALUE``.

    Raises:
        UsageError: no such parameter, no number, or a value out of range.
    """
    known = kernel(kernel_name).Params()
    values = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            example = f"{known._fields[-1]}={known[-1]:g}"
            raise UsageError(f"Option --set needs NAME=VALUE, such as {example}, but got {setting!r}.")
        parameter(kernel_name, name)
        try:
            values[name] = float(value)
        except ValueError:
            raise UsageError(f"Parameter {name} must be a number, but is {value!r}.") from None
        if abs(values[name]) > _LARGEST:
            raise UsageError(f"Parameter {name} must be a number below {_LARGEST:.3g}, but is {value}.")
    changed = known._replace(**values)
    try:
        checks.params(changed, (), kernel(kernel_name))
    except ValueError as error:
        raise UsageError(str(error)) from None
    return changed


def parameter(kernel_name: str, name: str) -> None:
    """Raise unless the kernel has a parameter called ``name``.

    Raises:
        UsageError: it has none.
    """
    known = kernel(kernel_name).Params._fields
    if name not in known:
        has = f"it has {', '.join(known)}"
        raise UsageError(f"Kernel {kernel_name} has no parameter {name!r}{meant(name, known)}: {has}.")


def typical_free(kernel_name: str) -> list[str]:
    """The parameters that a recording in any unit can tell: not T, which acts as alpha does, nor the amplitude."""
    return [name for name in kernel(kernel_name).Params._fields if name not in ("T", "amplitude")]


def one_of(choices: Iterable[str]) -> Callable[[str], str]:
    """An argparse type: one of some words."""
    known = list(choices)

    def check(text: str) -> str:
        if text not in known:
            listed = f"{', '.join(known[:-1])} or {known[-1]}"
            raise argparse.ArgumentTypeError(f"must be {listed}, but is {text!r}{meant(text, known)}")
        return text

    return check


def number(text: str) -> float:
    """``text`` as a finite number: an argparse type."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a number, but is {text!r}")
    return value


def whole(text: str) -> int:
    """``text`` as a whole number: an argparse type."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, but is {text!r}") from None


def positive_ms(text: str) -> float:
    """``text`` as a positive number of ms: an argparse type."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"must be a positive number of ms, but is {text!r}")
    return value
