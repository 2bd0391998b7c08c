"""The options of ``noise``."""

from synkin.cli.parsers import options, values

_NOTES = """\
RECORDING is a table (.csv, .tsv, .txt: times in the first column, one sweep in
each other column), an .npz, .abf or .nwb file, or a file in a format that neo
reads. It must have at least 10 sweeps, or miniature events that are aligned on
their rise, one by one: an average has lost the variance, so leave out a column
with the mean, as with --sweeps 1:.

Along a response the variance is a parabola of the mean. Its slope where the mean
is small is the current of one channel, and where it bends down there is the number
of channels. Variances are those of differences of successive sweeps, which rundown
does not enter; with --around-mean they are those about the mean of all sweeps.
With --scaled the mean is scaled to the peak of each event, whose sizes may then
differ; the number of channels is not known then. Errors come from sweeps that are
drawn at random.

  %(prog)s patch.abf --window 95:180 --baseline 80:94 --plot noise.png
  %(prog)s minis.csv --scaled --window 2:15 --baseline 0:2.5 --driving-force -80
"""


def add_parser(subparsers: options.Subparsers) -> None:
    """Add the parser of ``noise``."""
    text = "find the current of one channel, and how many there are, from the scatter of sweeps or events"
    parser = options.add_command(subparsers, "noise", text, _NOTES)
    add = parser.add_argument
    options.add_recordings(parser)
    options.add_recording(parser)
    add("--scaled", action="store_true", help="scale the mean to the peak of each event")
    text = "take variances about the mean of all sweeps instead of differences of successive ones"
    add("--around-mean", action="store_true", help=text)
    text = "holding potential less reversal potential, which gives the conductance of one channel"
    add("--driving-force", type=values.number, metavar="MV", help=text)
    add("--bins", type=values.whole, default=20, metavar="N", help="steps into which the mean is divided (default: 20)")
    text = "number that the random draws begin with, for errors (default: 0)"
    add("--seed", type=values.whole, default=0, metavar="N", help=text)
    options.add_outputs(
        parser, out="mean, variance and its error in each bin to a .csv, or all to a .json", plot="sweeps and parabola"
    )
    parser.set_defaults(sample=False)  # the recording that comes with synkin is a single sweep
