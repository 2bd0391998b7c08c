"""Ctrl-C ends the program ``synkin`` without a traceback.

The imports take a second, in which no function of synkin can catch an interrupt. So the first import of the package
sets a handler of the signal. `synkin.__main__` removes the handler, because it catches later interrupts itself.
"""

import os
import signal
import sys
from pathlib import Path

# The exit code that shells use for an interrupted program.
INTERRUPTED = 130


def is_running() -> bool:
    """Whether this process was started as ``synkin`` or ``python -m synkin``."""
    if sys.argv[:1] == ["-m"]:  # Python has not found the module yet
        words = sys.orig_argv
        return "-msynkin" in words or ("-m" in words and words[words.index("-m") + 1 :][:1] == ["synkin"])
    return bool(sys.argv) and Path(sys.argv[0]).stem == "synkin"


def _leave(number: int, frame: object) -> None:
    os._exit(INTERRUPTED)


def raise_again() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# Later Python has put other words into `sys.argv`.
IS_COMMAND = is_running()

if IS_COMMAND and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _leave)
