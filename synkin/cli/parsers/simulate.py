"""The options of ``simulate``."""

from synkin.arguments.option_values import METHODS, OVERLAPS
from synkin.cli.parsers import options, values

_NOTES = """\
SPIKES.csv has one spike in each line: its time, or its time and the index
(0, 1, ...) of its synapse. A header may say that the columns come in the other
order. Times are in ms, or in the unit at the end of the column's name: time_s,
t (us). The times of a synapse must not decrease. Lines that begin with # are
ignored.

With --method exact, the only method of schemes, a spike acts at its own time, and
--dt is the interval between the results. With exp_euler a spike acts at the
nearest time of the grid 0, dt, 2 dt, ..., and a pulse lasts a whole number of
steps. If several spikes of one synapse fall on the same grid time, a receptor
(ampa, gabaa, bionmda) responds as to one spike, and a kernel to which spikes add
(alpha, expon, dual_expon, wang_nmda) as to several. The results are g at the ends
of the steps. g of a receptor is for a maximal conductance of 1 mS.

  %(prog)s spikes.csv --kernel bionmda --set T_dur=1 beta2=0.4 \\
      --method exact --out g.csv --plot g.png
"""


def add_parser(subparsers: options.Subparsers) -> None:
    """Add the parser of ``simulate``."""
    text = "compute the conductance that spikes cause"
    parser = options.add_command(subparsers, "simulate", text, _NOTES)
    add = parser.add_argument
    options.add_input(
        parser, "spikes", "SPIKES.csv", "file of spike times, see below", "the synthetic spikes that come"
    )
    options.add_time_unit(parser)
    options.add_kernel(parser)
    add("--dt", type=values.positive_ms, default=0.1, metavar="MS", help="time step (default: 0.1)")
    add(
        "--duration",
        type=values.positive_ms,
        metavar="MS",
        help="length of the run (default: until 50 ms after the last spike)",
    )
    add(
        "--method",
        type=values.one_of(METHODS),
        metavar="NAME",
        help="exp_euler, with spikes on the grid of --dt, or exact, with spikes at their own times (default: the first "
        "of the two that the kernel has)",
    )
    add(
        "--overlap",
        type=values.one_of(OVERLAPS),
        metavar="NAME",
        help="effect of a spike during a receptor's pulse of transmitter: restart the pulse (default), or ignore the "
        "spike",
    )
    options.add_outputs(parser, out="time_ms and g_mS to a .csv or .npz", plot="spikes and g")
    options.add_no_cache(parser)
