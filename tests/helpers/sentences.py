"""Cases from a file of text: each is an expression, and on the next line, indented, what it says or ends in."""

from pathlib import Path

import pytest


def cases(test, name="refused.txt"):
    """The cases of a file beside that of a test, for `parametrize`; those of refused.txt are calls and their errors."""
    lines = Path(test).with_name(name).read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    return [pytest.param(call, said.strip(), id=call) for call, said in zip(lines[::2], lines[1::2], strict=True)]
