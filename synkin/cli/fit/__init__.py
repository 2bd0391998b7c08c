"""``fit``: from a recording to the parameters of a kernel, a summary and a picture.

samples    the samples that are fitted, and their errors
requests   what is fitted of each kernel
report     the .json file
"""

import argparse
import json
import math

import numpy as np

from synkin import plot
from synkin.cli import UsageError, files, options, terminal
from synkin.cli.fit import report
from synkin.cli.fit.requests import read_requests
from synkin.cli.fit.samples import cut, described, recorded, sigma_of
from synkin.declaring.kernel import Kernel
from synkin.fitting import Comparison, Fit, Profile, compare, fit
from synkin.fitting.search.optimizer import LOSSES
from synkin.plot.style import Figure
from synkin.recordings import number_text

# The options of --sample that are not given, besides --free, which depends on the kernel.
SAMPLE_OPTIONS = {
    "spikes": [5.0, 25.0, 28.0, 31.0],
    "scale": True,
    "offset": True,
    "onset": True,
}

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


def add_parser(subparsers: options.Subparsers) -> None:
    """Add the parser of ``fit``."""
    text = "find the parameters with which a kernel follows a recording"
    parser = options.add_command(subparsers, "fit", run, text, _NOTES)
    add = parser.add_argument
    options.add_recording_input(parser)
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
        written = [report.of_fit(found, samples) for found in (compared.fits if compared else results)]
        for each in written:
            if of_kernel := profiles.get(each["kernel"]):
                each["profiles"] = {found.name: report.of_profile(found) for found in of_kernel}
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
    """Add the options that --sample implies, and check that those that a fit needs are there.

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


def _draw(figure: Figure, result: Fit, compared: Comparison | None, profiles: list[Profile]) -> None:
    """Draw a fit or a comparison; beside it the profiles of the fit, or of the most likely kernel."""
    if profiles:
        figure, right = figure.subfigures(1, 2, width_ratios=[2, 1])
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
