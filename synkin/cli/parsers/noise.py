"""The options of ``noise``."""

from synkin.cli.parsers import options, values

_NOTES = """\
RECORDING is a table (.csv, .tsv, .txt: times in the first column, one sweep in
each other column), an .npz, .abf or .nwb file, or a file in a format that neo
reads. It must have at least 10 sweeps, or miniature events that are aligned on
their rise. If the table also has a column with their mean, leave it out, as with
--sweeps 1:.

Along a response the variance is a parabola of the mean. Its initial slope is the
current of one channel, and how it bends down gives the number of channels. The
variance is taken from the differences of successive sweeps, so that rundown does
not matter; with --around-mean it is taken from the distance of each sweep from the
mean of all. With --scaled the mean is scaled to the peak of each event, for events
whose sizes differ; the number of channels is then not known. Errors come from a
bootstrap over the sweeps.

  %(prog)s patch.abf --window 95:180 --baseline 80:94 --plot noise.png
  %(prog)s minis.csv --scaled --window 2:15 --baseline 0:2.5 --driving-force -80
"""


def add_parser(subparsers: options.Subparsers) -> None:
    """Add the parser of ``noise``."""
    text = "find the current of one channel, and the number of channels, from how much sweeps or events vary"
    parser = options.add_command(subparsers, "noise", text, _NOTES)
    add = parser.add_argument
    options.add_recordings(parser)
    options.add_recording(parser)
    add("--scaled", action="store_true", help="scale the mean to the peak of each event")
    text = "take the variance around the mean of all sweeps instead of from differences of successive sweeps"
    add("--around-mean", action="store_true", help=text)
    text = "holding potential minus reversal potential, to compute the conductance of one channel"
    add("--driving-force", type=values.number, metavar="MV", help=text)
    add(
        "--bins",
        type=values.whole,
        default=20,
        metavar="N",
        help="number of bins into which the mean is divided (default: 20)",
    )
    text = "seed of the random draws, for errors (default: 0)"
    add("--seed", type=values.whole, default=0, metavar="N", help=text)
    options.add_outputs(
        parser, out="mean, variance and its error in each bin to a .csv, or all to a .json", plot="sweeps and parabola"
    )
    parser.set_defaults(sample=False)  # the recording that comes with synkin is a single sweep
