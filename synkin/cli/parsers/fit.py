"""The options of ``fit``."""

import argparse

from synkin.arguments.option_values import LOSSES
from synkin.cli.parsers import options, values

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
With --weights free each spike has an amplitude of its own. Paired pulses with
artefacts of 1 ms:

  %(prog)s pairs.csv --average --spikes 20,70 --weights free \\
      --exclude 20:21 70:71 --kernel dual_expon --free tau_rise,tau_decay \\
      --scale --offset --onset
With --channels the noise of the sweeps is fitted too. It gives the number of
channels and the current of one:

  %(prog)s patch.abf --sweeps 0:20 --window 95:180 --spikes 100 --channels \\
      --kernel ampa --free alpha,beta --scale --offset --plot noise.png
"""


def add_parser(subparsers: options.Subparsers) -> None:
    """Add the parser of ``fit``."""
    text = "fit a kernel to a recording: its parameters and their errors"
    parser = options.add_command(subparsers, "fit", text, _NOTES)
    add = parser.add_argument
    options.add_recording_input(parser)
    add("--time", default="1", metavar="COLUMN", help="column of the times (default: the first)")
    text = "columns of what was recorded (default: all other columns of numbers in the unit of the first)"
    add("--trace", metavar="COLUMN,...", help=text)
    options.add_recording(parser)
    options.add_kernel(parser, several=True)
    add("--spikes", type=values.times_as_given, metavar="MS,...", help="spike times, in ms")
    text = (
        "free: fit an amplitude for each spike, weight_0, weight_1 and so on in the order of time (with a fitted "
        "--scale the first is held at 1, and weight_1 is the paired-pulse ratio); or numbers, one for each of --spikes "
        "(default: 1 each)"
    )
    add("--weights", type=values.weights, metavar="N,...", help=text)
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
    text = (
        "fit the noise of channels that open and close at random, too, and with it their number, or hold it at N; "
        "this needs single sweeps, not an average, and they share all that is fitted"
    )
    add("--channels", nargs="?", type=_fitted_or_held, const="fit", default=False, metavar="N", help=text)
    add("--bounds", action="extend", nargs="+", default=[], metavar="NAME=LOW:HIGH", help="bounds of fitted parameters")
    text = (
        "relative errors of the samples: one number for each column, columns of the table, or a file with such columns"
    )
    add("--sigma", metavar="COLUMN", help=text)
    text = "linear, or soft_l1, on which outliers have little influence (default: linear)"
    add("--loss", type=values.one_of(LOSSES), default="linear", metavar="NAME", help=text)
    add(
        "--starts",
        type=values.whole,
        default=12,
        metavar="N",
        help="maximum number of starts of the search (default: 12)",
    )
    text = "intervals for these from profiles, which may be wider on one side than on the other"
    add("--profile", type=_names, default=[], metavar="NAME,...", help=text)
    text = "intervals from N fits of randomly drawn sweeps, or of randomly drawn blocks of residuals"
    add("--bootstrap", type=values.whole, metavar="N", help=text)
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument(
        "--from", dest="begin", type=values.number, metavar="MS", help="leave out samples before this time"
    )
    begin.add_argument("--from-sample", type=values.whole, metavar="N", help="leave out the first N samples")
    add("--to", dest="end", type=values.number, metavar="MS", help="leave out samples after this time")
    options.add_outputs(parser, out="the result to a .json", plot="recording, fit and residuals")
    options.add_no_cache(parser)


def _fitted_or_held(text: str) -> bool | float:
    return True if text == "fit" else values.number(text)


def _names(text: str) -> list[str]:
    names = [item.strip() for item in text.split(",") if item.strip()]
    if not names:
        raise argparse.ArgumentTypeError(f"must be names of parameters, but is {text!r}")
    return names
