"""``fit``: from a recording to the parameters of a kernel, a summary and a picture."""

import argparse
import json
import math
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from synkin import plot
from synkin.arguments import number_text
from synkin.cli import UsageError, files, options, terminal
from synkin.cli.fit_arguments import asked
from synkin.cli.suggestions import meant
from synkin.fitting import Bootstrap, Comparison, Fit, Profile, compare, fit
from synkin.fitting.search.optimizer import LOSSES
from synkin.recordings import formats, table

SAMPLE = Path(__file__).parents[1] / "data" / "recording.csv"
# The options that go with it, where others are not given, besides --free, which depends on the kernel.
SAMPLE_OPTIONS = {
    "spikes": [5.0, 25.0, 28.0, 31.0],
    "scale": True,
    "offset": True,
    "onset": True,
}
# Times that are nearer than this, in ms, are the same.
_SAME_TIME = 1e-6

_NOTES = """\
RECORDING is a table or an .npz, .abf or .nwb file, or of a format that neo reads.
A table has a row a sample: its time, and one column or more of what was
recorded. All columns in the unit of the first are fitted, but for those of words
and of --sigma; or those of --trace. A column is given by its name or by its
number, from 1; several by a comma between them or by a pattern such as 'event*'.
Several recordings are fitted together: they share the parameters, each has its
own scale, offset and onset; with --average their mean is fitted. Cells that are
empty, NA or NaN are left out. Units are read from the columns' names where they
end in one (mean_pA, time_s); times are in ms where they do not. What is typed
here is always in ms, whatever the file's unit is.

  %(prog)s RECORDING.csv --trace mean_pA --spikes 3.0 \\
      --free alpha,beta,T_dur --scale --offset --onset --plot fit.png
  %(prog)s RECORDING.csv --spikes 3.0 --scale --offset --onset \\
      --kernel expon,dual_expon,ampa --plot compared.png
A sum of kernels, such as ampa+nmda5, is fitted as one. Where several kernels are
compared, a parameter's name is meant for each that has it, and KERNEL.NAME, as in
ampa.beta, for that one alone.

  %(prog)s cell.abf --sweeps 0:20 --average --window 95:180 --baseline 90:99 \\
      --spikes 100 --free alpha,beta,T_dur --scale --onset
"""


class Recording(NamedTuple):
    """What a file holds of a recording."""

    times: np.ndarray  # (M,) ms
    trace: np.ndarray  # (M,) or (R, M)
    columns: list[str]  # the names or numbers of the R columns
    unit: str  # "" if it is not known
    note: str = ""  # which column was converted to ms, and from what


def add_parser(subparsers: Any) -> None:
    """Add the parser of ``fit``."""
    text = "find the parameters with which a kernel follows a recording"
    parser = options.add_command(subparsers, "fit", text, _NOTES)
    add = parser.add_argument
    add("recording", nargs="?", type=Path, metavar="RECORDING", help="see below")
    add("--sample", action="store_true", help="run on the synthetic recording that comes with synkin")
    add("--time", default="1", metavar="COLUMN", help="the time (default: the first)")
    text = "what was recorded (default: all columns of numbers in the unit of the first beside the time)"
    add("--trace", metavar="COLUMN,...", help=text)
    options.add_recording(parser)
    options.add_kernel(parser, several=True)
    add("--spikes", type=_times, metavar="MS,...", help="spike times, in ms")
    add("--free", type=_names, metavar="NAME,...", help="the parameters to fit; of several kernels, those each has")
    add(
        "--tie", action="extend", nargs="+", default=[], metavar="NAME=OTHER", help="parameters with a free one's value"
    )
    for name, what in (
        ("scale", "from mS to the recording's unit (default: 1)"),
        ("offset", "baseline, in the recording's unit (default: 0)"),
        ("onset", "common shift of the spikes in ms (default: 0)"),
    ):
        text = f"fit, or hold at VALUE, {what}"
        add(f"--{name}", nargs="?", type=_fitted_or_held, const="fit", default=False, metavar="VALUE", help=text)
    add("--bounds", action="extend", nargs="+", default=[], metavar="NAME=LOW:HIGH", help="of what is fitted")
    text = (
        "error of a sample beside those of others: one number for each column, a column or several, or a file of them"
    )
    add("--sigma", metavar="COLUMN", help=text)
    text = "linear, or soft_l1, which hardly sees outliers (default: linear)"
    add("--loss", type=options.one_of(LOSSES), default="linear", metavar="NAME", help=text)
    add("--starts", type=options.whole, default=12, metavar="N", help="how many starts are tried (default: 12)")
    text = "how far these can be moved before the recording contradicts: lopsided intervals"
    add("--profile", type=_names, default=[], metavar="NAME,...", help=text)
    text = "intervals from N fits of sweeps drawn at random, or of residuals in blocks"
    add("--bootstrap", type=options.whole, metavar="N", help=text)
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--from", dest="begin", type=options.number, metavar="MS", help="leave out what comes before")
    begin.add_argument("--from-sample", type=options.whole, metavar="N", help="leave out the first N samples")
    add("--to", dest="end", type=options.number, metavar="MS", help="leave out what comes after")
    add("--out", type=Path, metavar="FILE", help="write the result to a .json file")
    add("--plot", type=Path, metavar="FILE", help="draw recording, fit and residuals to a .png, .pdf or .svg file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Fit, write what was asked for, print a summary."""
    if arguments.sample == (arguments.recording is not None):
        raise UsageError("Command fit needs a recording or --sample, one of the two.")
    kernels = arguments.kernel if isinstance(arguments.kernel, list) else [arguments.kernel]
    several = len(kernels) > 1
    path = arguments.recording
    if arguments.sample:
        path = SAMPLE
        sample = SAMPLE_OPTIONS if several else {**SAMPLE_OPTIONS, "free": options.typical_free(kernels[0])}
        for name, value in sample.items():
            if getattr(arguments, name) is None or getattr(arguments, name) is False:
                setattr(arguments, name, value)
    example = ",".join(options.typical_free(kernels[0]))
    for name, value in (("spikes", "3.0"), ("free", example)):
        if getattr(arguments, name) is None and not (several and name == "free"):
            raise UsageError(f"Command fit needs --{name}, such as --{name} {value}.")
    each_asked, partly = asked(kernels, arguments)
    # What would fail at the end fails here.
    if arguments.out:
        files.check_output("--out", arguments.out, (".json",), keep=arguments.recording)
    if arguments.plot:
        files.check_output("--plot", arguments.plot, (".png", ".pdf", ".svg"), keep=arguments.recording)
        try:
            figure = plot.figure((9 if several else 8) + 4 * bool(arguments.profile), 4 if several else 6)
        except ImportError as error:
            raise UsageError(str(error)) from None
    recording = _cut(_recorded(path, arguments), arguments)
    sigma, of_sigma = _sigma(path, recording, arguments)
    results = []
    with files.usage_errors():
        for each in each_asked:
            found = fit(
                each.kernel,
                each.params,
                arguments.spikes,
                recording.times,
                recording.trace,
                free=each.free,
                scale=arguments.scale,
                offset=arguments.offset,
                onset=arguments.onset,
                sigma=sigma,
                tie=each.tie or None,
                bounds=each.bounds,
                loss=arguments.loss,
                starts=arguments.starts,
                unit=recording.unit,
            )
            results.append(found)
        compared = compare(results) if several else None
        # Of several kernels each has its profiles, and the most likely alone is worth a bootstrap.
        result = results[0] if compared is None else compared.best
        profiles = {
            found.kernel.name: [found.profile(name) for name in each.profile]
            for found, each in zip(results, each_asked, strict=True)
            if each.profile
        }
        drawn = result.bootstrap(arguments.bootstrap) if arguments.bootstrap else None

    if arguments.out:
        reports = [_report(found, recording, found.kernel.name) for found in (compared.fits if compared else results)]
        for report in reports:
            if of_it := profiles.get(report["kernel"]):
                report["profiles"] = {found.name: _plain(vars(found)) for found in of_it}
        if drawn is not None:  # the most likely is the first
            reports[0]["bootstrap"] = _drawn(drawn)
        report = reports[0] if compared is None else _compared(compared) | {"fits": reports}
        with files.replacing(arguments.out) as file:
            file.write(json.dumps(report, indent=2, allow_nan=False).encode() + b"\n")
    if arguments.plot:
        _draw(figure, result, compared, profiles.get(result.kernel.name, []))
        with files.replacing(arguments.plot) as file:
            figure.savefig(file, format=arguments.plot.suffix[1:].lower())
    times = recording.times
    rows = [
        ("kernels" if several else "kernel", ", ".join(found.kernel.name for found in results)),
        ("recording", _described(recording)),
        *([("", "synthetic, see synkin/data/make_recording.py")] if arguments.sample else []),
        *([("times", f"{recording.note}; options stay in ms")] if recording.note else []),
        ("samples", f"{len(times):,} from {times[0]:g} to {times[-1]:g} ms"),
        *([("sigma", of_sigma)] if of_sigma else []),
        *([("for some", "; ".join(partly))] if partly else []),
        *([("bootstrap", f"of {result.kernel.name} alone, the most likely")] if compared and drawn else []),
        (
            "time taken",
            f"{sum(found.seconds for found in results):.2f} s, {sum(found.nfev for found in results)} evaluations",
        ),
        *(("written", str(path)) for path in (arguments.out, arguments.plot) if path),
    ]
    print(terminal.aligned(rows))
    parts = [compared, f"The most likely:\n{compared.best.summary()}"] if compared is not None else [result.summary()]
    of_each = [
        f"Of {name}:\n{found}" if several else found for name, several_ in profiles.items() for found in several_
    ]
    for part in (*parts, *of_each, *([drawn] if drawn is not None else [])):
        print(f"\n{part}")


def _draw(figure: Any, result: Fit, compared: Comparison | None, profiles: list[Profile]) -> None:
    """The picture: a fit, or kernels compared, with its profiles, or those of the most likely, beside it."""
    if profiles:
        figure, right = figure.subfigures(1, 2, width_ratios=[2, 1])
        for found, ax in zip(profiles, np.ravel(right.subplots(len(profiles), 1)), strict=True):
            plot.profile(found, ax=ax)
    if compared is not None:
        plot.compare(compared, ax=figure.subplots(1, 2, width_ratios=[2, 1]))
        return
    plot.fit(result, ax=figure.subplots(2, 1, sharex=True, height_ratios=[3, 1]))


@files.usage_errors()
def _recorded(path: Path, arguments: argparse.Namespace) -> Recording:
    """The columns of a table that --time and --trace name, or the --channel of another file; the part that is wanted.

    Raises:
        UsageError: see `read` and `options.recording`, or options of the other kind of file.
    """
    if formats.is_table(path):
        if arguments.channel != "0":
            raise UsageError(
                f"Option --channel is for files that are no tables, but {path} is one: --trace names columns."
            )
        found = read(path, arguments.time, arguments.trace, arguments.time_unit, arguments.sigma)
        if not (arguments.sweeps or arguments.window or arguments.baseline or arguments.average):
            return found
        rows = list(np.atleast_2d(found.trace))
        sweeps = formats.Sweeps([found.times] * len(rows), rows, found.unit, found.columns, found.note)
        known, note = options.part(sweeps, path, arguments), found.note
    else:
        for name, default in (("time", "1"), ("trace", None)):
            if getattr(arguments, name) != default:
                raise UsageError(f"Option --{name} is for tables, but {path} is none: --channel and --sweeps choose.")
        known, note = options.recording(path, arguments), ""
    traces = known.traces
    return Recording(known.times, traces[0] if len(traces) == 1 else traces, list(known.labels), known.unit, note)


@files.usage_errors()
def read(
    path: Path, time: str, trace: str | None = None, time_unit: str | None = None, sigma: str | None = None
) -> Recording:
    """The columns of a file that ``time`` and ``trace`` name, the times in ms.

    Args:
        path: the file.
        time: the column of the times.
        trace: those of what was recorded; by default all in the unit of the first, without words and errors.
        time_unit: that of the times, if the person has said it.
        sigma: the columns of errors, if there are any in the file.

    Raises:
        UsageError: no such file or column, or a cell that holds no number.
    """
    head = table.head(path)
    names = head.names or [f"column {i + 1}" for i in range(head.width)]
    at = _columns(path, names, time)
    if len(at) != 1:
        raise UsageError(f"Option --time needs one column, but {time} means {len(at)}.")
    if trace is None:
        columns = _sweeps(path, head, names, at[0], sigma)
    else:
        columns = [column for item in trace.split(",") for column in _columns(path, names, item.strip())]
    factor, note = table.in_ms(path, names[at[0]], time_unit, say="--time-unit")
    read = [table.Column(at[0], factor), *(table.Column(column, gaps=True) for column in columns)]
    times, *traces = table.columns(head, read)
    units = {table.unit(names[column]) for column in columns}
    unit = units.pop() if len(units) == 1 else ""
    return Recording(
        times, traces[0] if len(columns) == 1 else np.array(traces), [names[c] for c in columns], unit, note
    )


def _sweeps(path: Path, head: table.Table, names: list[str], time: int, sigma: str | None) -> list[int]:
    """The columns of the first unit, as ``measure`` takes them, but for those of the time and of errors."""
    if head.width < 2:
        raise UsageError(f"File {path} must have a column of times and at least one of a trace, but has 1 column.")
    patterns = [item.strip() for item in (sigma or "").split(",")]
    errors = [i for i, name in enumerate(names) if any(fnmatchcase(name, item) for item in patterns)]
    left = [i for i in head.others(time) if i not in errors] or head.others(time)
    return [i for i in left if table.unit(names[i]) == table.unit(names[left[0]])]


def _columns(path: Path, names: list[str], item: str) -> list[int]:
    """The columns that a name, a pattern of names or a number from 1 means."""
    found = [i for i, name in enumerate(names) if name == item] or [
        i for i, name in enumerate(names) if "*" in item and fnmatchcase(name, item)
    ]
    if not found and item.isascii() and item.isdecimal() and 1 <= int(item) <= len(names):
        found = [int(item) - 1]
    if not found:
        raise UsageError(
            f"File {path} has no column {item!r}{meant(item, names)}: it has {len(names)}, {', '.join(names[:8])}"
            f"{', ...' if len(names) > 8 else ''}."
        )
    return found


def _cut(recording: Recording, arguments: argparse.Namespace) -> Recording:
    """The part of the recording that --from, --from-sample and --to leave."""
    keep = np.ones(len(recording.times), bool)
    if arguments.begin is not None:
        keep &= recording.times >= arguments.begin
    if arguments.from_sample is not None:
        if arguments.from_sample < 0:
            raise UsageError(f"Option --from-sample must be 0 or more, but is {arguments.from_sample}.")
        keep[: arguments.from_sample] = False
    if arguments.end is not None:
        keep &= recording.times <= arguments.end
    if not keep.any():
        raise UsageError(f"Options --from, --from-sample and --to leave none of the {len(keep)} samples.")
    return recording._replace(times=recording.times[keep], trace=recording.trace[..., keep])


@files.usage_errors()
def _sigma(path: Path, recording: Recording, arguments: argparse.Namespace) -> tuple[np.ndarray | None, str]:
    """What --sigma says of the samples that are left, and that in a line.

    Raises:
        UsageError: no number, column or file of that name, or one that does not fit the recording.
    """
    given = arguments.sigma
    if given is None:
        return None, ""
    shape, count = recording.trace.shape, len(recording.columns)
    try:
        numbers = np.array([number_text.decimal_or_not_finite(item) for item in given.split(",")])
    except ValueError:
        numbers = None
    if numbers is not None:
        if len(numbers) not in (1, count):
            raise UsageError(
                f"Option --sigma must have one number, or one for each of the {count} columns, but has {len(numbers)}."
            )
        if len(numbers) == 1:
            unit = f" {recording.unit}" if recording.unit else ""
            said = f"{given}{unit} throughout: as only proportions count, the fit is the same without"
            return np.full(shape[-1:], numbers[0]), said
        return numbers, "one of each column"
    in_table = formats.is_table(path) and any(
        fnmatchcase(name, item.strip()) for item in given.split(",") for name in table.head(path).names or []
    )
    if not in_table and not Path(given).is_file():
        where = f"a column of {path} or a file" if formats.is_table(path) else "a file"
        raise UsageError(f"Option --sigma must be a number or name {where}, but is {given!r}.")
    if in_table:
        found, said = read(path, arguments.time, given, arguments.time_unit), f"columns {given} of {path}"
    else:
        cells = table.head(Path(given)).width
        if cells < 2:
            raise UsageError(
                f"File {given} of option --sigma must have the time and a column or more, but has {cells}."
            )
        columns = ",".join(map(str, range(2, cells + 1)))
        found, said = read(Path(given), "1", columns, arguments.time_unit), f"from {given}"
    rows = np.atleast_2d(found.trace)
    if len(rows) not in (1, count):
        raise UsageError(f"Option --sigma must have one column, or one for each of {count}, but has {len(rows)}.")
    at = np.minimum(np.searchsorted(found.times, recording.times - _SAME_TIME), len(found.times) - 1)
    off = np.abs(found.times[at] - recording.times) > _SAME_TIME
    if off.any():
        raise UsageError(
            f"Option --sigma must have the recording's times, but has none at {recording.times[off][0]:g} ms."
        )
    rows = rows[:, at]
    return rows[0] if len(rows) == 1 else rows, said


def _times(text: str) -> list[float]:
    try:
        times = [number_text.decimal(item) for item in text.split(",")]
    except ValueError:
        times = []
    if not times or not all(map(math.isfinite, times)):
        raise argparse.ArgumentTypeError(f"must be times in ms, such as 3.0,17.5, but is {text!r}")
    return sorted(times)


def _fitted_or_held(text: str) -> bool | float:
    return True if text == "fit" else options.number(text)


def _names(text: str) -> list[str]:
    names = [item.strip() for item in text.split(",") if item.strip()]
    if not names:
        raise argparse.ArgumentTypeError(f"must be names of parameters, but is {text!r}")
    return names


def _described(recording: Recording) -> str:
    columns = recording.columns
    return columns[0] if len(columns) == 1 else f"{len(columns)} columns, {columns[0]} to {columns[-1]}"


def _report(result: Fit, recording: Recording, kernel: str) -> dict[str, Any]:
    """What goes into the .json file: what is infinite or missing becomes null."""
    report = {
        "kernel": kernel,
        "columns": recording.columns,
        "unit": result.unit,
        "params": result.params._asdict(),
        **{name: getattr(result, name) for name in ("scale", "offset", "onset", "free", "stderr", "labels")},
        **{name: getattr(result, name) for name in ("correlations", "r_squared", "noise", "identifiable")},
        **{name: getattr(result, name) for name in ("message", "success", "nfev", "seconds", "spike_times")},
    }
    return {name: _plain(value) for name, value in report.items()}


def _compared(compared: Comparison) -> dict[str, Any]:
    """What goes into the .json file where kernels are compared, besides their fits."""
    names = ("names", "samples", "numbers", "r_squared", "aicc", "bic", "weights", "message")
    return {name: _plain(getattr(compared, name)) for name in names}


def _drawn(drawn: Bootstrap) -> dict[str, Any]:
    """What goes into the .json file of a bootstrap."""
    names = ("names", "units", "best", "samples", "over", "block", "stderr", "interval68", "interval95")
    return {name: _plain(getattr(drawn, name)) for name in names}


def _plain(value: Any) -> Any:
    """``value`` as JSON has it."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
