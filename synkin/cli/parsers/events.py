"""The options of ``events``."""

from synkin.cli.parsers import options, values

_NOTES = """\
RECORDING is a table (.csv, .tsv, .txt: times in the first column, one sweep in
each other column), an .npz, .abf or .nwb file, or a file in a format that neo
reads. Its samples must be evenly spaced. The kernel and its parameters give the
shape of the response to one event. Without --kernel this is dual_expon, fitted to
the average of lone events of the recording. A summary says if events have another
shape, go the other way, or if something else is in the trace.

The trace is deconvolved with that response. Each frequency is weighted by the
noise at that frequency. Events may overlap. Events that are too close to be told
apart are reported as one, with the sum of their sizes. The size of an event is
its peak in the recording's unit. The baseline is what varies more slowly than
--drift, so that --baseline is seldom needed. With the default threshold, noise
alone gives about one event in two minutes.

The table has for each event its time, size and the error of it, rise, decay,
half-width, area, the interval since the event before, whether it overlaps with
another, and what is left around it, over the noise (1 is noise alone).

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
    options.add_kernel(parser, default=None, instead="two exponentials that follow the average of lone events")
    text = "smallest height of an event, in standard deviations of the deconvolved noise (default: 4.5)"
    add("--threshold", type=values.number, default=4.5, metavar="SD", help=text)
    text = "leave out events that are smaller than this, in the recording's unit (default: 0)"
    add("--smallest", type=values.number, default=0.0, metavar="SIZE", help=text)
    text = "direction of events, up, down or both (default: that of most; clear ones the other way are kept out)"
    add("--direction", type=values.one_of(("up", "down", "both")), metavar="WAY", help=text)
    text = "also seek events where there seems to be an artefact; by default such stretches are left out"
    add("--with-artefacts", action="store_true", help=text)
    text = "keep only events of which a column of the table is from A to B, such as --keep rise=0.1:1 residual=:2"
    add("--keep", type=values.bounds, action="extend", nargs="+", default=[], metavar="COLUMN=A:B", help=text)
    text = "what varies more slowly than this is baseline (default: 4 times the length of a response)"
    add("--drift", type=values.positive_ms, metavar="MS", help=text)
    text = "fraction, 0 to 1, by which the shapes of responses may differ (default: 0.1)"
    add("--mismatch", type=values.number, default=0.1, metavar="FRACTION", help=text)
    options.add_outputs(parser, out="times and sizes to a .csv", plot="trace, events and their sum")
    options.add_no_cache(parser)
