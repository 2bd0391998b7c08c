"""A receptor from the user's own text file: its states, transitions, rates and open states.

The format is that of `synkin.declaring.scheme_text`.
"""

import re
import sys
import warnings
from itertools import takewhile
from pathlib import Path

from synkin.cli import UsageError, files
from synkin.declaring import scheme_text
from synkin.declaring.scheme import Scheme, scheme
from synkin.recordings import table

# Shown by `list --help`.
NOTES = """\
FILE has one transition in each line, with its rates, the forward one first. What
is added to a state binds to it. Rates are in /ms, rates of binding in /ms/mM. They
may be products, sums and quotients, such as 2*kon or koff + 1/tau. The KINETIC and
PARAMETER blocks of a .mod file can be pasted in. Comments begin with #.

  # The NMDA receptor with two binding sites.
  C0 + glu <-> C1 : kon, koff
  C1 + glu <-> C2 : kon, koff
  C2 <-> D : kd, kr         # desensitised
  C2 <-> O : beta, alpha
  kon = 5.0
  koff = 0.0129
  kd = 0.0084
  kr = 0.0068
  beta = 0.0465
  alpha = 0.0738
  open = O                  # the state that conducts; several: O1, 0.5*O2
  rest = C0                 # by default the first state; or: steady

ligand = glu names the ligand if it only appears as a factor of rates. signed = V
names parameters that may be negative.
"""


def read(name: str) -> Scheme:
    """The kernel that a file describes, with the name of the file: an argparse type.

    Raises:
        UsageError: there is no such file, or its text is not a scheme.
    """
    path = Path(name)
    with files.usage_errors():
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
