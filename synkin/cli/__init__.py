"""The command line, ``synkin`` or ``python -m synkin``: one module for each command, and what they share.

A command is a module with

    add_parser(subparsers)    adds its parser, with `options.add_command`
    run(arguments)            does the work; raises `UsageError` if the command line or a file is wrong

whose name is in ``COMMANDS`` of `synkin.__main__`. They share

    parser        which word belongs to which option
    options       options that several commands have, and the values that they take
    scheme_file   a receptor from the user's own text file
    suggestions   similar names in place of one that does not exist
    files         the files of --out and --plot, and errors in files as sentences
    terminal      aligned text, progress
"""


class UsageError(Exception):
    """The command line or a file is wrong: the message is the one sentence that the command ends with."""
