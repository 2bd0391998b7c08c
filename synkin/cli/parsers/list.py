"""The options of ``list``."""

from pathlib import Path

from synkin.cli.parsers import options, values

# The format that `synkin.cli.scheme_file` reads.
_NOTES = """\
FILE has one transition in each line, with its rates, the forward one first. A name
that is added to a state, as glu below, binds to it. Rates are in /ms, rates of binding in /ms/mM. They
may be products, sums and quotients, such as 2*kon or koff + 1/tau. The KINETIC and
PARAMETER blocks of a .mod file can be pasted in. Comments begin with #.

  # The NMDA receptor with two binding sites.
  C0 + glu <-> C1 : kon, koff
  C1 + glu <-> C2 : kon, koff
  C2 <-> D : kd, kr         # desensitised
  C2 <-> O : beta, alpha
  kon = 5.0
  koff = 0.0129
  kd = 0.0084
  kr = 0.0068
  beta = 0.0465
  alpha = 0.0738
  open = O                  # the state that conducts; several: O1, 0.5*O2
  rest = C0                 # by default the first state; or: steady

ligand = glu names the ligand if it only appears as a factor of rates. signed = V
names parameters that may be negative.
"""


def add_parser(subparsers: options.Subparsers) -> None:
    """Add the parser of ``list``."""
    text = "show all kernels, or the parameters, defaults and units of one"
    parser = options.add_command(subparsers, "list", text, _NOTES)
    add = parser.add_argument
    add(
        "name",
        nargs="?",
        type=values.kernel,
        metavar="NAME",
        help="the kernel to show (default: a list of all kernels)",
    )
    options.add_scheme(parser)
    text = "draw its states and transitions, or its response to one spike, to a .png, .pdf or .svg file"
    add("--plot", type=Path, metavar="FILE", help=text)
    options.add_no_cache(parser)
