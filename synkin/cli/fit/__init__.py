"""``fit``: from a recording to the parameters of a kernel, a summary and a picture.

samples    the samples that are fitted, and their errors
requests   what is fitted in each kernel
report     the .json file of a result
"""

from __future__ import annotations

import argparse
import json
import math
from typing import TYPE_CHECKING

import numpy as np

from synkin import plot
from synkin.cli import UsageError, files, options, terminal
from synkin.cli.fit import report
from synkin.cli.fit.requests import read_requests
from synkin.cli.fit.samples import cut, described, recorded, sigma_of
from synkin.declaring.kernel import Kernel
from synkin.fitting import Comparison, Fit, Profile, compare, fit
from synkin.fitting.search.optimizer import LOSSES

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase
from synkin.recordings import number_text

# The options of --sample that are not given, besides --free, which depends on the kernel.
SAMPLE_OPTIONS = {
    "spikes": [5.0, 25.0, 28.0, 31.0],
    "scale": True,
    "offset": True,
    "onset": True,
}

_NOTES = """\
RECORDING is a table, an .npz, .abf or .nwb file, or a file in a format that neo
reads. A table has one row for each sample: its time, and one or more columns of
what was recorded. --trace says which columns are fitted. By default they are all
columns of numbers in the unit of the first, without the time and the columns of
--sigma. A column is given by its name or by its number, from 1. Several are
separated by commas, or given by a pattern such as 'event*'. Several recordings
are fitted together: they share the parameters, and each has its own scale,
offset and onset. With --average their mean is fitted. Cells that are empty, NA
or NaN are left out. Units are read from the ends of column names (mean_pA,
time_s). Times without a unit are in ms. Times on the command line are always in
ms, whatever the unit of the file.

  %(prog)s RECORDING.csv --trace mean_pA --spikes 3.0 \\
      --free alpha,beta,T_dur --scale --offset --onset --plot fit.png
  %(prog)s RECORDING.csv --spikes 3.0 --scale --offset --onset \\
      --kernel expon,dual_expon,ampa --plot compared.png
A sum of kernels, such as ampa+nmda5, is fitted as one kernel. If several kernels
are compared, the name of a parameter stands for that parameter of each kernel
that has it, and KERNEL.NAME, such as ampa.beta, for that of one kernel.

  %(prog)s cell.abf --sweeps 0:20 --average --window 95:180 --baseline 90:99 \\
      --spikes 100 --free alpha,beta,T_dur --scale --onset
"""


def add_parser(subparsers: options.Subparsers) -> None:
    """Add the parser of ``fit``."""
    text = "find the parameters with which a kernel follows a recording most closely"
    parser = options.add_command(subparsers, "fit", run, text, _NOTES)
    add = parser.add_argument
    options.add_recording_input(parser)
    add("--time", default="1", metavar="COLUMN", help="column of the times (default: the first)")
    text = "columns of what was recorded (default: all other columns of numbers in the unit of the first)"
    add("--trace", metavar="COLUMN,...", help=text)
    options.add_recording(parser)
    options.add_kernel(parser, several=True)
    add("--spikes", type=_times, metavar="MS,...", help="spike times, in ms")
    add(
        "--free", type=_names, metavar="NAME,...", help="parameters to fit (of several kernels: each that a kernel has)"
    )
    add(
        "--tie",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME=OTHER",
        help="give parameter NAME the value of the free parameter OTHER",
    )
    for name, what in (
        ("scale", "the factor from mS to the recording's unit (default: 1)"),
        ("offset", "the baseline in the recording's unit (default: 0)"),
        ("onset", "the common shift of the spikes in ms (default: 0)"),
    ):
        text = f"fit {what}, or hold it at VALUE"
        add(f"--{name}", nargs="?", type=_fitted_or_held, const="fit", default=False, metavar="VALUE", help=text)
    add("--bounds", action="extend", nargs="+", default=[], metavar="NAME=LOW:HIGH", help="bounds of what is fitted")
    text = (
        "relative errors of the samples: one number for each column, columns of the table, or a file with such columns"
    )
    add("--sigma", metavar="COLUMN", help=text)
    text = "linear, or soft_l1, on which outliers have little influence (default: linear)"
    add("--loss", type=options.one_of(LOSSES), default="linear", metavar="NAME", help=text)
    add(
        "--starts",
        type=options.whole,
        default=12,
        metavar="N",
        help="maximum number of starts of the search (default: 12)",
    )
    text = "intervals of these from profiles, which may be wider on one side than on the other"
    add("--profile", type=_names, default=[], metavar="NAME,...", help=text)
    text = "intervals from N fits of randomly drawn sweeps, or of randomly drawn blocks of residuals"
    add("--bootstrap", type=options.whole, metavar="N", help=text)
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument(
        "--from", dest="begin", type=options.number, metavar="MS", help="leave out samples before this time"
    )
    begin.add_argument("--from-sample", type=options.whole, metavar="N", help="leave out the first N samples")
    add("--to", dest="end", type=options.number, metavar="MS", help="leave out samples after this time")
    options.add_outputs(parser, out="the result to a .json", plot="recording, fit and residuals")


def run(arguments: argparse.Namespace) -> None:
    """Fit, write and draw the result, print a summary."""
    path = options.recording_file(arguments)
    kernels = arguments.kernel if isinstance(arguments.kernel, list) else [arguments.kernel]
    several = len(kernels) > 1
    _complete(arguments, kernels)
    requests, partly = read_requests(kernels, arguments)
    size = (9.0 if several else 8.0) + 4 * bool(arguments.profile), 4.0 if several else 6.0
    outputs = files.Outputs(arguments, (".json",), keep=arguments.recording, size=size)
    samples = cut(recorded(path, arguments), arguments)
    sigma, of_sigma = sigma_of(path, samples, arguments)
    with files.usage_errors():
        results = [
            fit(
                request.kernel,
                request.params,
                arguments.spikes,
                samples.times,
                samples.trace,
                free=request.free,
                scale=arguments.scale,
                offset=arguments.offset,
                onset=arguments.onset,
                sigma=sigma,
                tie=request.tie or None,
                bounds=request.bounds,
                loss=arguments.loss,
                starts=arguments.starts,
                unit=samples.unit,
            )
            for request in requests
        ]
        compared = compare(results) if several else None
        # Each kernel has its profiles; only the most likely one has a bootstrap.
        result = results[0] if compared is None else compared.best
        profiles = {
            found.kernel.name: [found.profile(name) for name in request.profile]
            for found, request in zip(results, requests, strict=True)
            if request.profile
        }
        drawn = result.bootstrap(arguments.bootstrap) if arguments.bootstrap else None

    if outputs.out:
        fits = compared.fits if compared else results
        written = [report.of_fit(found, samples) for found in fits]
        for found, each in zip(fits, written, strict=True):
            if of_kernel := profiles.get(found.kernel.name):
                each["profiles"] = {one.name: report.of_profile(one) for one in of_kernel}
        if drawn is not None:  # the most likely is the first
            written[0]["bootstrap"] = report.of_bootstrap(drawn)
        whole = written[0] if compared is None else report.of_comparison(compared) | {"fits": written}
        outputs.write(json.dumps(whole, indent=2, allow_nan=False) + "\n")
    if outputs.picture:
        _draw(outputs.figure, result, compared, profiles.get(result.kernel.name, []))
        outputs.save_figure()
    times = samples.times
    rows = [
        ("kernels" if several else "kernel", ", ".join(found.kernel.name for found in results)),
        ("recording", described(samples)),
        *([("", options.SYNTHETIC_RECORDING)] if arguments.sample else []),
        *([("times", f"{samples.note}; options stay in ms")] if samples.note else []),
        ("samples", f"{len(times):,} from {times[0]:g} to {times[-1]:g} ms"),
        *([("sigma", of_sigma)] if of_sigma else []),
        *([("for some", "; ".join(partly))] if partly else []),
        *([("bootstrap", f"of {result.kernel.name} alone, the most likely")] if compared and drawn else []),
        (
            "time taken",
            f"{sum(found.seconds for found in results):.2f} s, {sum(found.nfev for found in results)} evaluations",
        ),
        *(("written", path) for path in outputs.written()),
    ]
    print(terminal.aligned(rows))
    parts: list[object] = (
        [compared, f"The most likely:\n{compared.best.summary()}"] if compared is not None else [result.summary()]
    )
    for name, of_kernel in profiles.items():
        parts += [f"Of {name}:\n{found}" if several else found for found in of_kernel]
    for part in (*parts, *([drawn] if drawn is not None else [])):
        print(f"\n{part}")


def _complete(arguments: argparse.Namespace, kernels: list[Kernel]) -> None:
    """Add the options that --sample implies, and check that the options that a fit needs are given.

    Raises:
        UsageError: without --spikes, or, for a single kernel, without --free.
    """
    several = len(kernels) > 1
    if arguments.sample:
        sample = SAMPLE_OPTIONS if several else {**SAMPLE_OPTIONS, "free": options.typical_free(kernels[0])}
        for name, value in sample.items():
            if getattr(arguments, name) is None or getattr(arguments, name) is False:
                setattr(arguments, name, value)
    example = ",".join(options.typical_free(kernels[0]))
    for name, value in (("spikes", "3.0"), ("free", example)):
        if getattr(arguments, name) is None and not (several and name == "free"):
            raise UsageError(f"Command fit needs --{name}, such as --{name} {value}.")


def _draw(figure: FigureBase, result: Fit, compared: Comparison | None, profiles: list[Profile]) -> None:
    """Draw a fit or a comparison, and beside it the profiles of the fit or of the most likely kernel."""
    if profiles:
        figure, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[2, 1])[0]
        for found, ax in zip(profiles, np.ravel(right.subplots(len(profiles), 1)), strict=True):
            plot.profile(found, ax=ax)
    if compared is not None:
        plot.compare(compared, ax=figure.subplots(1, 2, width_ratios=[2, 1]))
        return
    plot.fit(result, ax=figure.subplots(2, 1, sharex=True, height_ratios=[3, 1]))


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
