"""Errors from a file `refused.txt`: each case is a call, and on the next line, indented, the sentence it ends in."""

from pathlib import Path

import pytest


def refused(test):
    """The cases beside the file of a test, for `parametrize`."""
    lines = Path(test).with_name("refused.txt").read_text().splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    return [pytest.param(call, said.strip(), id=call) for call, said in zip(lines[::2], lines[1::2], strict=True)]
