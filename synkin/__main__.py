"""The command line: ``synkin simulate`` and its fellows, one module each in `synkin.cli`."""

import sys
from collections.abc import Sequence

import synkin
from synkin import program
from synkin.cli import UsageError, events, fit, measure, simulate
from synkin.cli import list as list_
from synkin.cli.parser import Parser, called_as
from synkin.cli.suggestions import meant

COMMANDS = {"simulate": simulate, "measure": measure, "events": events, "fit": fit, "list": list_}

# What a person sees who has typed the name alone.
_WELCOME = """\
synkin {version}: synapse kinetics, from presynaptic spikes to the conductance g(t).

Try it on data that come with it:

  {synkin} simulate --sample --plot g.png
  {synkin} fit --sample --plot fit.png

Then on your own:

  {synkin} simulate spikes.csv --kernel gabaa --method exact --out g.csv
  {synkin} fit recording.csv --spikes 3.0 --free alpha,beta,T_dur --scale --offset

`{synkin} list` shows the kernels, `{synkin} simulate --help` what a command takes.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments after the program's name; by default those of this process.

    Returns:
        The exit code: 0, 2 where the person has to change something, which a sentence on stderr says, or 130
        where it was interrupted.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        program.raise_again()
        if not words:
            print(_WELCOME.format(version=synkin.__version__, synkin=called_as()), end="")
            return 0
        arguments = _parser(words).parse_args(words)
        arguments.run(arguments)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return program.INTERRUPTED
    return 0


def _parser(words: Sequence[str]) -> Parser:
    """The parser of all commands, if the first word that is no option is one."""
    command = next((word for word in words if not word.startswith("-")), None)
    if command is not None and command not in COMMANDS:
        there_are = "there are simulate, measure, events, fit and list"
        raise UsageError(f"There is no command {command!r}{meant(command, COMMANDS)}: {there_are}.")
    parser = Parser(prog=called_as(), description=synkin.__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"synkin {synkin.__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS.values():
        module.add_parser(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
