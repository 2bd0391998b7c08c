"""Options that several commands have. What they stand for is found in `synkin.cli.options`."""

import argparse
from pathlib import Path
from typing import Any, TypeAlias

from synkin.cli.catalogue import KERNELS
from synkin.cli.parsers import values
from synkin.recordings import time_unit

# What `argparse.ArgumentParser.add_subparsers` returns.
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_command(subparsers: Subparsers, name: str, text: str, notes: str) -> argparse.ArgumentParser:
    """Add the parser of a command.

    Args:
        subparsers: those of the main parser.
        name: the command.
        text: what it does, in one line.
        notes: stand below its options in the help, with their line breaks.
    """
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=text,
        description=text,
        epilog=notes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=name)
    return parser


def add_input(parser: argparse.ArgumentParser, name: str, metavar: str, text: str, sample: str) -> None:
    """Add the file that a command reads, and --sample, which stands for one of synkin's own; `input_file` chooses."""
    parser.add_argument(name, nargs="?", type=Path, metavar=metavar, help=text)
    parser.add_argument("--sample", action="store_true", help=f"use {sample} with synkin instead of a file")


def add_outputs(parser: argparse.ArgumentParser, *, out: str, plot: str) -> None:
    """Add the options --out, --plot and --report, which `files.Outputs` reads: what the first two write and draw."""
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"write {out} file")
    parser.add_argument("--plot", type=Path, metavar="FILE", help=f"draw {plot} to a .png, .pdf or .svg file")
    text = "write the results, with pictures and tables, to a page for a web browser (.html)"
    parser.add_argument("--report", type=Path, metavar="PAGE", help=text)


def add_kernel(
    parser: argparse.ArgumentParser, *, several: bool = False, default: str | None = "ampa", instead: str = "ampa"
) -> None:
    """Add the options --kernel and --scheme, which both give ``kernel``, and --set, which `params` reads.

    Where ``several`` may be named, by commas between them, these are a list. ``instead`` says what is done by default.
    """
    either = parser.add_mutually_exclusive_group()
    names = ", ".join(KERNELS)
    text = f"{names}, a published scheme such as nmda5 (`list` shows all), or a sum such as ampa+nmda5 "
    text += f"(default: {instead})"
    if several:
        text += "; several, with commas between them, are compared"
    form = "NAME,..." if several else "NAME"
    either.add_argument(
        "--kernel", type=values.kernels if several else values.kernel, default=default, metavar=form, help=text
    )
    add_scheme(either, dest="kernel", default=argparse.SUPPRESS)
    parser.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="values of parameters, such as --set beta=0.2 T_dur=1 (`list NAME` shows the defaults)",
    )


def add_scheme(parser: argparse._ActionsContainer, dest: str = "scheme", default: str | None = None) -> None:
    """Add the option --scheme, whose value is a kernel."""
    text = "a receptor of your own, in a text file of its states and transitions (`list --help` shows the format)"
    parser.add_argument("--scheme", type=values.scheme, metavar="FILE", help=text, dest=dest, default=default)


def add_no_cache(parser: argparse.ArgumentParser) -> None:
    """Add the option --no-cache, which `synkin.__main__` looks for."""
    text = "neither use nor keep compiled functions in the cache folder, such as ~/.cache/synkin on Linux"
    parser.add_argument("--no-cache", action="store_true", help=text)


def add_time_unit(parser: argparse.ArgumentParser) -> None:
    """Add the option --time-unit, which `table.in_ms` is given."""
    parser.add_argument(
        "--time-unit",
        type=values.one_of(time_unit.IN_MS),
        metavar="UNIT",
        help=f"unit of the times in the file: {', '.join(time_unit.IN_MS)} (default: that in the column's name, or ms)",
    )


def add_recording_input(parser: argparse.ArgumentParser) -> None:
    """Add the recordings that a command reads, and --sample; `batch` finds the files."""
    add_recordings(parser)
    parser.add_argument("--sample", action="store_true", help="use the synthetic recording that comes with synkin")


def add_recordings(parser: argparse.ArgumentParser) -> None:
    """Add the recordings that a command reads."""
    text = "files of recordings, see below; folders of them, or patterns such as 'day1/*.abf'"
    parser.add_argument("recordings", nargs="*", type=Path, metavar="RECORDING", help=text)


class _Extend(argparse.Action):
    """Put the lists that an option is given, once or several times, into one list."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest) or []
        setattr(namespace, self.dest, [*before, *(each for given in values for each in given)])


def add_recording(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which part of a recording is wanted, which `recording` reads."""
    add = parser.add_argument
    add("--channel", default="0", metavar="CHANNEL", help="number, from 0, or name of the channel (default: 0)")
    add("--sweeps", metavar="A:B", help="sweeps to keep, such as 0:20 (without 20) or 0,3,5 (default: all)")
    add("--window", type=values.window, metavar="A:B", help="keep samples from A to B ms")
    add("--baseline", type=values.window, metavar="A:B", help="subtract from each sweep its mean between A and B ms")
    add("--average", action="store_true", help="use the mean of the sweeps instead of the sweeps")
    text = (
        "leave out the samples from A to B ms of each sweep, such as those of an artefact; several, separated by "
        "spaces or commas"
    )
    add("--exclude", type=values.windows, action=_Extend, nargs="+", metavar="A:B", help=text)
    add_time_unit(parser)
