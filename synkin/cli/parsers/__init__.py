"""The options of the commands, one module for each command.

options    options that several commands have
values     the values that a person types: argparse types
"""
