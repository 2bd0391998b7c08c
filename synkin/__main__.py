"""The command line: ``python -m synkin simulate`` and its fellows, one module each in `synkin.cli`."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

import synkin
from synkin.cli import UsageError, fit, simulate
from synkin.cli import list as list_

COMMANDS = (simulate, fit, list_)


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are sentences like all others here."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[0].upper()}{message[1:]}.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments after the program's name; by default those of this process.

    Returns:
        The exit code: 0, 2 where the person has to change something, which a sentence on stderr says, or 130
        where it was interrupted.
    """
    parser = _Parser(prog="python -m synkin", description=synkin.__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"synkin {synkin.__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    try:
        arguments = parser.parse_args(argv)
        arguments.run(arguments)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
