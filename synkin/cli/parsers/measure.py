"""The options of ``measure``."""

from synkin.cli.parsers import options, values

_NOTES = """\
RECORDING is a table (.csv, .tsv, .txt: times in the first column, one sweep in
each other column), an .npz, .abf or .nwb file, or a file in a format that neo
reads. Columns with the same unit are one channel. Times are in ms, or in the unit
at the end of the column's name: time_s, t (us). Times on the command line are
always in ms.

The baseline is subtracted from each sweep. It is 0 unless --baseline is given; with
--baseline-end it is a straight line. Samples are joined by straight lines. The peak
is the sample that is farthest from the baseline in one direction, which is that of
the mean of all sweeps unless --direction is given. The rise is the time from 10 to
90 %% of the peak. The onset is where a line through 20 and 80 %% of the peak meets
the baseline. The decay is fitted from 90 %% of the peak to the end of the sweep, so
--window should end before the next response: by one exponential, to a level of its
own where an F test finds that it has one, and by two, which are shown if they fit
better. The charge is the integral over the window. The noise is the standard
deviation within --baseline. A value that cannot be measured is shown as -.

With --spikes, the first response is measured, and a second table has a row for each
stimulus: its mean amplitude over all sweeps, the ratio to the first, variation and
failures, as synkin.measure describes them; --out m.csv writes it to m_stimuli.csv.
Of each sweep, amplitude_1 is that after the first stimulus, and response_1 is no
where it counts as a failure. With --iv, the currents of all sweeps
are measured at one time, and their reversal potential is found.

  %(prog)s cell.abf --sweeps 0:20 --window 95:180 --baseline 90:99 --plot m.png
  %(prog)s pairs.abf --baseline 80:99 --spikes 100,150 --peak-window 1:20
  %(prog)s steps.abf --baseline 80:99 --iv --peak-window 101:120 --plot iv.png
"""


def add_parser(subparsers: options.Subparsers) -> None:
    """Add the parser of ``measure``."""
    text = "measure peak, rise, width, decay and charge of each sweep of a recording"
    parser = options.add_command(subparsers, "measure", text, _NOTES)
    add = parser.add_argument
    options.add_recording_input(parser)
    options.add_recording(parser)
    text = "a second window, after the response: the baseline is a straight line through both"
    add("--baseline-end", type=values.window, metavar="A:B", help=text)
    text = "direction of peaks, up or down (default: that of the mean of all sweeps)"
    add("--direction", type=values.one_of(("up", "down")), metavar="WAY", help=text)
    text = "seek the peak from A to B ms of the sweep; with --spikes, after each stimulus (default: everywhere)"
    add("--peak-window", type=values.window, metavar="A:B", help=text)
    text = "average the peak over this time around it (default: 0, a single sample)"
    add("--peak-mean", type=values.ms, default=0.0, metavar="MS", help=text)
    add("--spikes", type=values.times, metavar="MS,...", help="when the stimuli came: an amplitude for each")
    text = (
        "with --spikes: smallest amplitude of a response, in standard deviations of its noise (default: 4 where "
        "responses are apart from noise, else 1)"
    )
    add("--failures-below", type=values.number, metavar="SD", help=text)
    text = "current-voltage relation: the voltage of each sweep in mV (default: as the file says)"
    add("--iv", type=values.voltages, nargs="?", const="file", metavar="MV,...", help=text)
    add("--at", type=values.number, metavar="MS", help="with --iv: when to measure (default: at the peak)")
    add("--fit-range", type=values.levels, metavar="A:B", help="with --iv: fit only levels from A to B mV")
    options.add_outputs(
        parser,
        out="the table, with all digits, to a .csv (with --spikes also FILE_stimuli.csv), or all to a .json",
        plot="sweeps and measurements",
    )
