"""The command line, ``synkin`` or ``python -m synkin``: one module for each command, and what they share.

A command ``NAME``, which stands in ``COMMANDS`` of `synkin.__main__`, is two modules:

    parsers.NAME    add_parser(subparsers) adds its parser; imports neither JAX nor NumPy, so that --help comes at once
    NAME            run(arguments) does the work; raises `UsageError` if the command line or a file is wrong

They share

    parser          which word belongs to which option
    parsers         options that several commands have, and the values that a person types
    compiled        how JAX compiles: into a folder of the user's
    catalogue       the names of the kernels, and a line about each
    options         what options stand for: recordings, parameters
    batch           one recording or many: files, folders, patterns; one table, and what failed
    result          what a command finds in a file: what it prints, writes and draws
    report          the page of --report
    scheme_file     a receptor from the user's own text file
    suggestions     similar names in place of one that does not exist
    files           the files of --out, --plot and --report
    terminal        aligned text, progress
"""

from collections.abc import Iterator
from contextlib import contextmanager


class UsageError(Exception):
    """The command line or a file is wrong: the message is the one sentence that the command ends with."""


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn an error in an argument, a file or a missing package into the sentence that the command ends with.

    A context, or a decorator of a function.

    Raises:
        UsageError: an ImportError, OSError, TypeError or ValueError was raised inside.
    """
    try:
        yield
    except (ImportError, OSError, TypeError, ValueError) as error:
        raise UsageError(str(error)) from None
