"""Kernels, parameters and numbers as they are typed."""

import argparse
from collections.abc import Iterable
from math import isfinite
from synkin.kernel import Kernel
from typing import Any

import numpy as np

from synkin import checks
from synkin.cli import UsageError
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


def kernel(name: str) -> Kernel:
    """The kernel called ``name``.

    Raises:
        UsageError: there is none.
    """
    if name not in KERNELS:
        raise UsageError(f"There is no kernel {name!r}: there are {', '.join(KERNELS)}.")
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
            raise UsageError(f"Option --set needs NAME=VALUE, such as T_dur=1, but got {setting!r}.")
        if name not in known._fields:
            names = ", ".join(known._fields)
            raise UsageError(f"Kernel {kernel_name} has no parameter {name!r}: it has {names}.")
        try:
            values[name] = float(value)
        except ValueError:
            raise UsageError(f"Parameter {name} must be a number, but is {value!r}.") from None
        if abs(values[name]) > _LARGEST:
            raise UsageError(f"Parameter {name} must be a number below {_LARGEST:.3g}, but is {value}.")
    changed = known._replace(**values)
    try:
        checks.params(changed, ())
    except ValueError as error:
        raise UsageError(str(error)) from None
    return changed


def positive_ms(text: str) -> float:
    """``text`` as a positive number of ms: an argparse type."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"must be a positive number of ms, but is {text!r}")
    return value
