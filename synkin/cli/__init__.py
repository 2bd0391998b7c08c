"""The command line, ``synkin`` or ``python -m synkin``: one module a subcommand, and what they share.

A subcommand is a module with

    add_parser(subparsers)    adds its parser, with ``set_defaults(run=run)``
    run(arguments)            does the work; raises `UsageError` where the person has to change something

that is named in ``COMMANDS`` of `synkin.__main__`. What they share:

    parser       which word belongs to which option
    options      kernels, parameters, recordings and numbers as they are typed
    scheme_file  a receptor of the person's own
    hints        what may have been meant
    files        files to write, and what is said of those that cannot be read
    terminal     aligned text, progress

and of ``simulate`` alone:

    spikes         spike times from a file, on a grid or not
    conductance    g, by either method
    picture        what --plot draws
"""


class UsageError(Exception):
    """What a person has to change: its message is the one sentence that the command ends with."""
