"""``list``: all kernels, or the equations or transitions, parameters, defaults, units and picture of one."""

import argparse

from synkin.cli import UsageError, terminal
from synkin.cli.catalogue import KERNELS, SCHEMES
from synkin.cli.parser import called_as


def run(arguments: argparse.Namespace) -> None:
    """Print all kernels, or the tables of one, and draw it."""
    if arguments.name and arguments.scheme:
        raise UsageError("Command list takes NAME or --scheme, but got both.")
    kernel = arguments.name or arguments.scheme
    if kernel is None:
        if arguments.plot:
            raise UsageError("Option --plot needs the name of a kernel, or --scheme, but there is neither.")
        _print_all()
        return
    from synkin.cli import one_kernel

    one_kernel.show(kernel, arguments)


def _print_all() -> None:
    lines = terminal.aligned([*KERNELS.items(), *SCHEMES.items()]).splitlines()
    for title, part in (("Kernels", lines[: len(KERNELS)]), ("Published schemes", lines[len(KERNELS) :])):
        print(f"{title}:\n")
        print("\n".join(f"  {line}" for line in part), end="\n\n")
    print(f"`{called_as()} list NAME` shows the parameters of one, and with `--plot FILE` draws a picture of it.")
