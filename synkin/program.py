"""What holds while synkin is run as a program and not imported by one: Ctrl-C ends it without a traceback.

Its imports take a second, in which no function of it runs that could catch an interrupt. So the handler is set by the
first import of the package, and taken back by `synkin.__main__`, which catches what comes later.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

# What a shell calls a program that was interrupted.
INTERRUPTED = 130


def is_running() -> bool:
    """Whether this process was started as ``synkin`` or ``python -m synkin``."""
    if sys.argv[:1] == ["-m"]:  # Python is on its way to a module
        words = sys.orig_argv
        return "-msynkin" in words or ("-m" in words and words[words.index("-m") + 1 :][:1] == ["synkin"])
    return bool(sys.argv) and Path(sys.argv[0]).stem == "synkin"


def _leave(number: int, frame: Any) -> None:
    os._exit(INTERRUPTED)


def raise_again() -> None:
    """From here on an interrupt is a KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if is_running() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _leave)
