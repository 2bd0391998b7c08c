"""The options of ``events``."""

from synkin.cli.parsers import options, values

_NOTES = """\
RECORDING is a table (.csv, .tsv, .txt: times in the first column, one sweep in
each other column), an .npz, .abf or .nwb file, or a file in a format that neo
reads. Its samples must be evenly spaced. The kernel and its parameters give the
shape of one event. Without --kernel this is dual_expon, fitted to the average of
isolated events of the recording. The summary says if events have another shape,
or if some go the other way, and what else looks unusual in the trace.

The trace is deconvolved with that shape, and each frequency is weighted by the
noise at that frequency. Events may overlap. Events that are too close to be told
apart are reported as one, with the sum of their sizes. The size of an event is
its peak in the recording's unit. Changes that are slower than --drift count as
baseline, so --baseline is seldom needed. With the default threshold, noise alone
gives about one false event in two minutes.

The table has one row for each event: its time, its size and the error of the
size, rise time, decay time, half width, area, the interval since the event before,
whether it overlaps with another, and the residual around it divided by the noise
(about 1 if the event has the shape of the kernel).

  %(prog)s cell.abf --exclude 155:384 --out events.csv --plot events.png
  %(prog)s cell.abf --kernel dual_expon --set tau_rise=0.5 tau_decay=5
"""


def add_parser(subparsers: options.Subparsers) -> None:
    """Add the parser of ``events``."""
    text = "find the times and sizes of miniature events in a recording by deconvolution"
    parser = options.add_command(subparsers, "events", text, _NOTES)
    add = parser.add_argument
    options.add_recording_input(parser)
    options.add_recording(parser)
    options.add_kernel(parser, default=None, instead="two exponentials, fitted to the average of isolated events")
    text = "height above which there is an event, in standard deviations of the deconvolved noise (default: 4.5)"
    add("--threshold", type=values.number, default=4.5, metavar="SD", help=text)
    text = "leave out events that are smaller than this, in the recording's unit (default: 0)"
    add("--smallest", type=values.number, default=0.0, metavar="SIZE", help=text)
    text = "direction of the events that are reported: up, down or both (default: that of most events)"
    add("--direction", type=values.one_of(("up", "down", "both")), metavar="WAY", help=text)
    text = "also look for events where there seems to be an artefact; by default such stretches are left out"
    add("--with-artefacts", action="store_true", help=text)
    text = "keep only events whose value in a column of the table is from A to B: --keep rise=0.1:1 residual=:2"
    add("--keep", type=values.bounds, action="extend", nargs="+", default=[], metavar="COLUMN=A:B", help=text)
    text = "changes that are slower than this count as baseline (default: 4 times the length of a response)"
    add("--drift", type=values.positive_ms, metavar="MS", help=text)
    text = "fraction, 0 to 1, by which events may differ in shape from the kernel (default: 0.1)"
    add("--mismatch", type=values.number, default=0.1, metavar="FRACTION", help=text)
    options.add_outputs(parser, out="times and sizes to a .csv", plot="trace, events and their sum")
    options.add_no_cache(parser)
