"""``list``: the kernels, their parameters, defaults and units."""

import argparse
from typing import Any

from synkin.cli import terminal
from synkin.kernels import KERNELS


def add_parser(subparsers: Any) -> None:
    """Add the parser of ``list``."""
    text = "show the kernels, their parameters, defaults and units"
    subparsers.add_parser("list", help=text, description=text, allow_abbrev=False).set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the table."""
    del arguments
    rows = [("kernel", "parameter", "default", "unit")]
    for name, kernel in KERNELS.items():
        defaults = kernel.Params()
        for field, default, unit in zip(defaults._fields, defaults, kernel.UNITS, strict=True):
            first = field == defaults._fields[0]
            rows.append((name if first else "", field, f"{default:g}", unit))
    print(terminal.aligned(rows))
