"""The version of synkin."""

__version__ = "0.3.0"
