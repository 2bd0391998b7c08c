"""A receptor from the user's own text file: its states, transitions, rates and open states.

The format is that of `synkin.declaring.scheme_text`.
"""

import re
import sys
import warnings
from itertools import takewhile
from pathlib import Path

from synkin.cli import UsageError, usage_errors
from synkin.declaring import scheme_text
from synkin.declaring.scheme import Scheme, scheme
from synkin.recordings import table


def read(name: str) -> Scheme:
    """The kernel that a file describes, with the name of the file: an argparse type.

    Raises:
        UsageError: there is no such file, or its text is not a scheme.
    """
    path = Path(name)
    with usage_errors():
        text = table.read_text(path)
    try:
        if scheme_text.parse(text).open is None:
            raise UsageError(f"File {path} must say what conducts, in a line such as `open = O`, but does not.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the notes are printed below
            kernel = scheme(text, name=_name(path), source=_head(text))
    except ValueError as error:
        raise UsageError(_about(path, str(error))) from None
    for note in kernel.notes:
        print(f"Warning: {_about(path, note)}", file=sys.stderr)
    return kernel


def _name(path: Path) -> str:
    """The name of the file, made a Python identifier."""
    name = re.sub(r"\W", "_", path.stem)
    return name if name.isidentifier() else f"scheme_{name}"


def _head(text: str) -> str | None:
    """The comment at the top of the file."""
    above = takewhile(lambda line: line.startswith("#"), map(str.strip, text.strip().splitlines()))
    return "\n".join(line.lstrip("# ") for line in above).strip() or None


def _about(path: Path, sentence: str) -> str:
    """A sentence about the text, made one about the file."""
    if sentence.startswith("Line "):
        return sentence.replace(" of the scheme,", f" of {path},", 1)
    return f"In {path}, {sentence[0].lower()}{sentence[1:]}"
