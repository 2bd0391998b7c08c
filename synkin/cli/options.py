"""Options that several commands have, and the values that a person types: kernels, parameters, recordings, numbers."""

import argparse
from collections.abc import Callable, Iterable
from math import isfinite
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from synkin.arguments.params_and_states import check_params
from synkin.cli import UsageError, files, scheme_file
from synkin.cli.parser import called_as
from synkin.cli.suggestions import did_you_mean
from synkin.declaring.kernel import Kernel
from synkin.declaring.scheme import Scheme
from synkin.declaring.sums import added
from synkin.kernels import KERNELS
from synkin.recordings import Recording, formats, number_text, time_unit
from synkin.recordings.recording import checked_part, cut

# What `argparse.ArgumentParser.add_subparsers` returns.
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

DATA = Path(__file__).parents[1] / "data"
# What --sample stands for.
SAMPLE_RECORDING = DATA / "recording.csv"
SYNTHETIC_RECORDING = "synthetic, see synkin/data/make_recording.py"

# The largest number in single precision, in which JAX computes by default.
_LARGEST = float(np.finfo(np.float32).max)


def add_command(
    subparsers: Subparsers, name: str, run: Callable[[argparse.Namespace], None], text: str, notes: str
) -> argparse.ArgumentParser:
    """Add the parser of a command.

    Args:
        subparsers: those of the main parser.
        name: the command.
        run: does its work, given the parsed command line.
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
    parser.set_defaults(run=run, command=name)
    return parser


def add_input(parser: argparse.ArgumentParser, name: str, metavar: str, text: str, sample: str) -> None:
    """Add the file that a command reads, and --sample, which stands for one of synkin's own; `input_file` chooses."""
    parser.add_argument(name, nargs="?", type=Path, metavar=metavar, help=text)
    parser.add_argument("--sample", action="store_true", help=f"use {sample} with synkin instead of a file")


def input_file(arguments: argparse.Namespace, name: str, what: str, sample: Path) -> Path:
    """The file that a command reads: the one that was named, or the sample.

    Raises:
        UsageError: both, or neither.
    """
    given: Path | None = getattr(arguments, name)
    if given is not None and not arguments.sample:
        return given
    if given is None and arguments.sample:
        return sample
    raise UsageError(f"Command {arguments.command} needs {what} or --sample, one of the two.")


def add_outputs(parser: argparse.ArgumentParser, *, out: str, plot: str) -> None:
    """Add the options --out and --plot, which `files.Outputs` reads: what they write and draw."""
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"write {out} file")
    parser.add_argument("--plot", type=Path, metavar="FILE", help=f"draw {plot} to a .png, .pdf or .svg file")


def add_kernel(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add the options --kernel and --scheme, which both give ``kernel``, and --set, which `params` reads.

    Where ``several`` may be named, by commas between them, these are a list.
    """
    either = parser.add_mutually_exclusive_group()
    names = ", ".join(KERNELS)
    text = f"{names}, a published scheme such as nmda5 (`list` shows all), or a sum such as ampa+nmda5 (default: ampa)"
    if several:
        text += "; several, with commas between them, are compared"
    form = "NAME,..." if several else "NAME"
    either.add_argument("--kernel", type=kernels if several else kernel, default="ampa", metavar=form, help=text)
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
    parser.add_argument("--scheme", type=scheme_file.read, metavar="FILE", help=text, dest=dest, default=default)


def add_time_unit(parser: argparse.ArgumentParser) -> None:
    """Add the option --time-unit, which `table.in_ms` is given."""
    parser.add_argument(
        "--time-unit",
        type=one_of(time_unit.IN_MS),
        metavar="UNIT",
        help=f"unit of the times in the file: {', '.join(time_unit.IN_MS)} (default: that in the column's name, or ms)",
    )


def add_recording_input(parser: argparse.ArgumentParser) -> None:
    """Add the recording that a command reads, and --sample."""
    add_input(parser, "recording", "RECORDING", "file of a recording, see below", "the synthetic recording that comes")


def recording_file(arguments: argparse.Namespace) -> Path:
    """The file of the recording that a command reads, see `input_file`."""
    return input_file(arguments, "recording", "a recording", SAMPLE_RECORDING)


def add_recording(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which part of a recording is wanted, which `recording` reads."""
    add = parser.add_argument
    add("--channel", default="0", metavar="CHANNEL", help="number, from 0, or name of the channel (default: 0)")
    add("--sweeps", metavar="A:B", help="sweeps to keep, such as 0:20 (without 20) or 0,3,5 (default: all)")
    add("--window", type=window, metavar="A:B", help="keep samples from A to B ms")
    add("--baseline", type=window, metavar="A:B", help="subtract from each sweep its mean between A and B ms")
    add("--average", action="store_true", help="use the mean of the sweeps instead of the sweeps")
    add_time_unit(parser)


def recording(path: Path, arguments: argparse.Namespace) -> Recording:
    """The recording that a file and the options of `add_recording` name.

    Raises:
        UsageError: what `synkin.read_recording` raises.
    """
    return part(sweeps(path, arguments), path, arguments)


@files.usage_errors()
def sweeps(path: Path, arguments: argparse.Namespace) -> formats.Sweeps:
    """All sweeps of the --channel that a file holds.

    Raises:
        UsageError: see `recording`.
    """
    channel = (
        int(arguments.channel) if arguments.channel.isascii() and arguments.channel.isdecimal() else arguments.channel
    )
    return formats.read(path, channel, arguments.time_unit)


@files.usage_errors()
def part(read: formats.Sweeps, path: Path, arguments: argparse.Namespace, **others: tuple[float, float]) -> Recording:
    """The part of a recording that the options name; ``others`` replace options.

    Raises:
        UsageError: see `recording`.
    """
    names = ("sweeps", "window", "baseline", "average")
    return cut(read, checked_part(**{name: getattr(arguments, name) for name in names} | others), path)


def recording_rows(recording: Recording, arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """What the summary says of a recording."""
    sweeps, samples = recording.traces.shape
    first, last = recording.times[0], recording.times[-1]
    return [
        ("recording", recording.source),
        *([("", SYNTHETIC_RECORDING)] if arguments.sample else []),
        ("sweeps", f"{sweeps:,} of {samples:,} samples from {first:g} to {last:g} ms"),
    ]


def kernel(name: str) -> Kernel:
    """The kernel called ``name``, of the library or one of the published schemes, or a sum: an argparse type.

    Raises:
        UsageError: there is none, or kernels that do not add up.
    """
    if "+" in name:
        parts = [part.strip() for part in name.split("+")]
        if not all(parts):
            raise UsageError(f"A sum needs a kernel on each side of a +, as ampa+nmda5, but is {name!r}.")
        with files.usage_errors():
            return added(*map(kernel, parts))
    if name in KERNELS:
        return KERNELS[name]
    # Imported only here, because its schemes take a while to declare.
    from synkin.schemes import SCHEMES

    if name not in SCHEMES:
        there_are = f"there are {', '.join(KERNELS)}, and the schemes that `{called_as()} list` shows"
        raise UsageError(f"There is no kernel {name!r}{did_you_mean(name, (*KERNELS, *SCHEMES))}: {there_are}.")
    return SCHEMES[name]


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


def params(kernel: Kernel, settings: Iterable[str]) -> NamedTuple:
    """The kernel's ``Params`` with the ``settings``, each ``NAME=VALUE``.

    Raises:
        UsageError: no such parameter, no number, or a value out of range.
    """
    known = kernel.Params()
    values = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            example = f"{known._fields[-1]}={known[-1]:g}"
            raise UsageError(f"Option --set needs NAME=VALUE, such as {example}, but got {setting!r}.")
        check_parameter(kernel, name)
        try:
            values[name] = number_text.decimal_or_not_finite(value)
        except ValueError:
            raise UsageError(f"Parameter {name} must be a number, but is {value!r}.") from None
        if abs(values[name]) > _LARGEST:
            raise UsageError(f"Parameter {name} must be a number below {_LARGEST:.3g}, but is {value}.")
    changed = known._replace(**values)
    try:
        check_params(changed, (), kernel)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return changed


def table(kernel: Kernel, params: NamedTuple) -> list[tuple[str, str, str]]:
    """Each parameter, its value and its unit, if it has one."""
    units = ["" if unit in (None, "1") else unit for unit in kernel.UNITS]
    return [(name, f"{value:g}", unit) for name, value, unit in zip(params._fields, params, units, strict=True)]


def check_parameter(kernel: Kernel, name: str) -> None:
    """Check that the kernel has a parameter called ``name``.

    Raises:
        UsageError: it has none.
    """
    known = kernel.Params._fields
    if name not in known:
        has = f"it has {', '.join(known)}"
        raise UsageError(f"Kernel {kernel.name} has no parameter {name!r}{did_you_mean(name, known)}: {has}.")


def typical_free(kernel: Kernel) -> list[str]:
    """The parameters that are fitted by default: those of each part, and the relative conductances of a sum."""
    names = kernel.Params(*kernel.Params._fields)  # of each parameter its name, also in the `Params` of a part
    parts = zip(kernel.parts, kernel.params_of(names), strict=True)
    wanted = {getattr(own, name) for part, own in parts for name in _typical_free_of_part(part)}
    return [name for name in names if name in wanted or name in kernel.relative_names]


def _typical_free_of_part(kernel: Kernel) -> list[str]:
    """All parameters but T, which has the same effect as alpha, and the amplitude.

    A scheme has more rates than one recording determines. Of a scheme they are only the rates of opening and closing.
    """
    known = [name for name in kernel.Params._fields if name not in ("T", "amplitude")]
    if not isinstance(kernel, Scheme):
        return known
    ways = [way for way in kernel.transitions if not way.binds]
    opening = [way for way in ways if (way.source in kernel.open) != (way.target in kernel.open)]
    gate = {name for way in opening for name in way.rate.parameters}
    return [name for name in known if name in gate] or known


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


def positive_ms(text: str) -> float:
    """``text`` as a positive number of ms: an argparse type."""
    try:
        value = number_text.decimal(text)
    except ValueError:
        value = 0.0
    if not (isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"must be a positive number of ms, but is {text!r}")
    return value
