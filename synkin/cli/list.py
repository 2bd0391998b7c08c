"""``list``: all kernels, or the equations or transitions, parameters, defaults, units and picture of one."""

import argparse
import inspect
import sys
from pathlib import Path

from synkin import plot
from synkin.cli import UsageError, files, options, scheme_file, terminal
from synkin.cli.parser import called_as
from synkin.declaring.kernel import Kernel
from synkin.declaring.scheme import Scheme
from synkin.kernels import KERNELS


def add_parser(subparsers: options.Subparsers) -> None:
    """Add the parser of ``list``."""
    text = "show all kernels, or the parameters, defaults and units of one"
    parser = options.add_command(subparsers, "list", run, text, scheme_file.NOTES)
    add = parser.add_argument
    add(
        "name",
        nargs="?",
        type=options.kernel,
        metavar="NAME",
        help="the kernel to show (default: a list of all kernels)",
    )
    options.add_scheme(parser)
    text = "draw its states and transitions, or its response to one spike, to a .png, .pdf or .svg file"
    add("--plot", type=Path, metavar="FILE", help=text)


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
    if arguments.plot:
        _draw(kernel, files.Outputs(arguments))
    _print_one(kernel)
    if arguments.plot:
        print(f"\nwritten  {arguments.plot}")


def _print_all() -> None:
    from synkin.schemes import SCHEMES

    kernels = [(name, _description(kernel)) for name, kernel in (*KERNELS.items(), *SCHEMES.items())]
    lines = terminal.aligned(kernels).splitlines()
    for title, part in (("Kernels", lines[: len(KERNELS)]), ("Published schemes", lines[len(KERNELS) :])):
        print(f"{title}:\n")
        print("\n".join(f"  {line}" for line in part), end="\n\n")
    print(f"`{called_as()} list NAME` shows the parameters of one, and with `--plot FILE` draws a picture of it.")


def _description(kernel: Kernel) -> str:
    """One line that says what a kernel is."""
    # For a kernel of the library it is in its module. Its docstring may be about equations that two kernels share.
    text = sys.modules[kernel.home].__doc__ if kernel in KERNELS.values() else kernel.__doc__
    return _without_backticks(str(text).strip().partition("\n")[0])


def _print_one(kernel: Kernel) -> None:
    about = str(kernel.__doc__).partition("\nParameters:")[0].partition("\nTransitions:")[0]
    first, _, rest = _without_backticks(inspect.cleandoc(about)).partition("\n")
    description = _description(kernel)
    parts = [f"{kernel.name}: {description}", *([] if first == description else [first]), rest.strip()]
    print("\n\n".join(filter(None, parts)), end="\n\n")
    if isinstance(kernel, Scheme):
        ways = [(str(way).partition(" : ")[0], str(way.rate)) for way in kernel.transitions]
        print(terminal.aligned([("transition", "rate"), *ways]), end="\n\n")
        opened = [state if weight == 1 else f"{weight:g}*{state}" for state, weight in kernel.open.items()]
        print(f"conducting: {', '.join(opened)}\n")
    print(terminal.aligned([("parameter", "default", "unit"), *options.table(kernel, kernel.Params())]))


def _draw(kernel: Kernel, outputs: files.Outputs) -> None:
    ax = outputs.figure.subplots()
    if isinstance(kernel, Scheme):
        plot.scheme(kernel, kernel.Params(), ax=ax)
    else:
        plot.kernel(kernel, ax=ax)
    outputs.save_figure(tight=True)


def _without_backticks(text: str) -> str:
    return text.replace("`", "")
