"""python -m tests.messages --write: put what is said today in the place of sentences that are said no more."""

import contextlib
import sys
import tempfile
from pathlib import Path

from tests.messages import corpus

if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, text in corpus.files().items():
            Path(name).write_text(text)
        corpus.rewrite()
