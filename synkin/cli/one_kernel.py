"""What ``list NAME`` shows of a kernel: equations or transitions, parameters, defaults, units and picture."""

import argparse
import inspect
import sys

from synkin.cli import files, options, terminal
from synkin.declaring.kernel import Kernel
from synkin.declaring.scheme import Scheme
from synkin.kernels import KERNELS


def show(kernel: Kernel, arguments: argparse.Namespace) -> None:
    """Print the tables of a kernel, and draw it if there is a --plot."""
    if arguments.plot:
        _draw(kernel, files.Outputs(arguments))
    _print_one(kernel)
    if arguments.plot:
        print(f"\nwritten  {arguments.plot}")


def description(kernel: Kernel) -> str:
    """One line that says what a kernel is."""
    # For a kernel of the library it is in its module. Its docstring may be about equations that two kernels share.
    text = sys.modules[kernel.home].__doc__ if kernel in KERNELS.values() else kernel.__doc__
    return _without_backticks(str(text).strip().partition("\n")[0])


def _print_one(kernel: Kernel) -> None:
    about = str(kernel.__doc__).partition("\nParameters:")[0].partition("\nTransitions:")[0]
    first, _, rest = _without_backticks(inspect.cleandoc(about)).partition("\n")
    said = description(kernel)
    parts = [f"{kernel.name}: {said}", *([] if first == said else [first]), rest.strip()]
    print("\n\n".join(filter(None, parts)), end="\n\n")
    if isinstance(kernel, Scheme):
        ways = [(str(way).partition(" : ")[0], str(way.rate)) for way in kernel.transitions]
        print(terminal.aligned([("transition", "rate"), *ways]), end="\n\n")
        opened = [state if weight == 1 else f"{weight:g}*{state}" for state, weight in kernel.open.items()]
        print(f"conducting: {', '.join(opened)}\n")
    print(terminal.aligned([("parameter", "default", "unit"), *options.table(kernel, kernel.Params())]))


def _draw(kernel: Kernel, outputs: files.Outputs) -> None:
    from synkin import plot

    ax = outputs.figure.subplots()
    if isinstance(kernel, Scheme):
        plot.scheme(kernel, kernel.Params(), ax=ax)
    else:
        plot.kernel(kernel, ax=ax)
    outputs.save_figure(tight=True)


def _without_backticks(text: str) -> str:
    return text.replace("`", "")
