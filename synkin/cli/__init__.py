"""The command line, ``python -m synkin``: one module a subcommand, and what they share.

A subcommand is a module with

    add_parser(subparsers)    adds its parser, with ``set_defaults(run=run)``
    run(arguments)            does the work; raises `UsageError` where the person has to change something

that is named in ``COMMANDS`` of `synkin.__main__`. What they share:

    options     kernels, parameters and numbers as they are typed
    files       tables of numbers in, results out
    terminal    aligned text, progress
"""


class UsageError(Exception):
    """What a person has to change: its message is the one sentence that the command ends with."""
