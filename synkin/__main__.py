"""The command line: ``synkin simulate`` and the other commands, each a module of `synkin.cli`."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import synkin
from synkin import interrupts
from synkin.cli import UsageError, compiled
from synkin.cli.parser import Parser, called_as
from synkin.cli.suggestions import did_you_mean

# For each command the module of this name in `synkin.cli` is imported when the command is used.
COMMANDS = ("simulate", "info", "measure", "events", "noise", "fit", "list")

# The exit code of a program whose output nothing reads any more, as shells give it.
_PIPE_CLOSED = 141

# Printed if there are no arguments.
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
        The exit code: 0; 1 if a file of several failed; 2 if the command line or the only file is wrong, with a message
        on stderr; 130 if the program was interrupted; or 141 if what read its output has ended.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        if not words:
            print(_WELCOME.format(version=synkin.__version__, synkin=called_as()), end="")
            return 0
        parser = _parser(words)
        if interrupts.IS_COMMAND:  # before an option names a kernel, and JAX is imported
            compiled.small_loops_into_one_function()
            compiled.keep_nothing() if "--no-cache" in words else compiled.keep()
        arguments = parser.parse_args(words)
        arguments.words = words  # as typed, for --report
        command = import_module(f"synkin.cli.{arguments.command}")
        interrupts.raise_again()
        status: int | None = command.run(arguments)
        sys.stdout.flush()
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return interrupts.INTERRUPTED
    except BrokenPipeError:  # what read the output has ended, as in `synkin measure day | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that nothing is written at exit
        return _PIPE_CLOSED
    return status or 0


def _parser(words: Sequence[str]) -> Parser:
    """The parser of the command among ``words``; of all commands if there is none.

    Raises:
        UsageError: the first word that is no option is no command.
    """
    command = next((word for word in words if not word.startswith("-")), None)
    if command is not None and command not in COMMANDS:
        there_are = f"there are {', '.join(COMMANDS[:-1])} and {COMMANDS[-1]}"
        raise UsageError(f"There is no command {command!r}{did_you_mean(command, COMMANDS)}: {there_are}.")
    parser = Parser(prog=called_as(), description=synkin.__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"synkin {synkin.__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in (command,) if command in words[:1] else COMMANDS:
        import_module(f"synkin.cli.parsers.{name}").add_parser(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
