"""What the options that several commands have stand for: files, recordings, parameters. For the options themselves see
`synkin.cli.parsers.options`.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synkin.arguments.params_and_states import check_params
from synkin.cli import UsageError, usage_errors
from synkin.cli.suggestions import did_you_mean
from synkin.declaring.kernel import Kernel
from synkin.declaring.scheme import Scheme
from synkin.recordings import formats, number_text
from synkin.recordings.recording import Recording, checked_part, cut

DATA = Path(__file__).parents[1] / "data"
# What --sample stands for.
SAMPLE_RECORDING = DATA / "recording.csv"
SYNTHETIC_RECORDING = "synthetic, see synkin/data/make_recording.py"

# The largest number in single precision, in which JAX computes by default.
_LARGEST = float(np.finfo(np.float32).max)


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


def recording(path: Path, arguments: argparse.Namespace) -> Recording:
    """The recording that a file and the options of `add_recording` name.

    Raises:
        UsageError: what `synkin.read_recording` raises.
    """
    return part(sweeps(path, arguments), path, arguments)


@usage_errors()
def sweeps(path: Path, arguments: argparse.Namespace) -> formats.Sweeps:
    """All sweeps of the --channel that a file holds.

    Raises:
        UsageError: see `recording`.
    """
    channel = (
        int(arguments.channel) if arguments.channel.isascii() and arguments.channel.isdecimal() else arguments.channel
    )
    read = formats.read(path, channel, arguments.time_unit)
    warn(read.warning.replace("`time_unit`", "--time-unit"))
    return read


def warn(sentence: str) -> None:
    """Print a warning, if there is one."""
    if sentence:
        print(f"Warning: {sentence}.", file=sys.stderr)


@usage_errors()
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
