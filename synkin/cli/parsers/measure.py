"""The options of ``measure``."""

from synkin.cli.parsers import options

_NOTES = """\
RECORDING is a table (.csv, .tsv, .txt: times in the first column, one sweep in
each other column), an .npz, .abf or .nwb file, or a file in a format that neo
reads. Columns with the same unit are one channel. Times are in ms, or in the unit
at the end of the column's name: time_s, t (us). Times on the command line are
always in ms.

The baseline is subtracted from each sweep. It is 0 unless --baseline is given.
Samples are joined by straight lines. The peak is the sample that is farthest from
the baseline. The rise is the time from 10 to 90 %% of the peak. The onset is where
a line through 20 and 80 %% of the peak meets the baseline. One exponential and two
exponentials are fitted from 90 %% of the peak to the end of the sweep, so --window
should end before the next response. The two are shown if they fit better. The
charge is the integral over the window. The noise is the standard deviation within
--baseline. A value that cannot be measured is shown as -.

  %(prog)s cell.abf --sweeps 0:20 --window 95:180 --baseline 90:99 --plot m.png
"""


def add_parser(subparsers: options.Subparsers) -> None:
    """Add the parser of ``measure``."""
    text = "measure peak, rise, width, decay and charge of each sweep of a recording"
    parser = options.add_command(subparsers, "measure", text, _NOTES)
    options.add_recording_input(parser)
    options.add_recording(parser)
    options.add_outputs(
        parser, out="the table, with all digits, to a .csv", plot="the sweeps with the measurements on them"
    )
