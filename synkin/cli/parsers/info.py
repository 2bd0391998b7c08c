"""The options of ``info``."""

from synkin.cli.parsers import options

_NOTES = """\
RECORDING is any file that the other commands read. Shown are its channels with
their units, the rate in kHz, the number and length of sweeps, their start times,
and what the file has of comments (tags), protocol, holding and command levels.
--channel of the other commands takes the number or the name that is shown.

  %(prog)s cell.abf
  %(prog)s day1/ --out day1.csv
"""


def add_parser(subparsers: options.Subparsers) -> None:
    """Add the parser of ``info``."""
    text = "show what files of recordings hold: channels, units, rates, sweeps, start times, tags"
    parser = options.add_command(subparsers, "info", text, _NOTES)
    options.add_recording_input(parser)
    options.add_time_unit(parser)
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options.add_outputs(
        parser, out="a row for each channel to a .csv, or all to a .json", plot="the sweeps of each channel"
    )
