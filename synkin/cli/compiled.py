"""How JAX compiles for the command line: into a folder of the user's, and small loops into one function.

Without a folder JAX compiles in each process anew. The command line sets both in the environment, before JAX is
imported. Programs that import synkin are left as they are, and so is what the user has set.
"""

import glob
import os
import re
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TextIO

_LARGEST = 64 * 2**20  # bytes; a command adds up to a million
# Bytes. docs/speed.md has what it changes.
_SMALL_LOOPS = "xla_cpu_small_while_loop_byte_threshold=1000000"
# Where the folder or a file cannot be read or written, JAX warns and goes on.
_WARNING = re.compile(r"Error (reading|writing) persistent compilation cache entry for '(.*?)'")


def small_loops_into_one_function() -> None:
    """Let XLA's CPU compile a loop with small steps into one function, unless the user has set flags of XLA."""
    os.environ.setdefault("XLA_FLAGS", f"--xla_backend_extra_options={_SMALL_LOOPS}")


def keep() -> None:
    """Let JAX keep what it compiles in the user's folder, unless the user has set its cache, or there is no folder."""
    folder = _folder()
    if folder is None or {"JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE"} & os.environ.keys():
        return
    with suppress(OSError):  # such as of a file that another command has just deleted
        _shrink(folder)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    # By default only what took a second would be kept.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    _ignore_errors(folder)


def keep_nothing() -> None:
    """Let JAX compile anew, and keep nothing."""
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"


def _folder() -> Path | None:
    """The folder in that of the user's caches, or None if the user has none."""
    if sys.platform == "win32":
        caches = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        caches = os.path.expanduser("~/Library/Caches")
    else:
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(caches, "synkin", "compiled") if os.path.isabs(caches) and os.environ.get("HOME") != "" else None


def _shrink(folder: Path) -> None:
    """Delete the oldest files of a folder that is too large. JAX itself can do so only with the package filelock."""
    files = sorted(((path.stat(), path) for path in folder.glob("*-cache")), key=lambda file: file[0].st_mtime)
    size = sum(status.st_size for status, _ in files)
    for status, path in files:
        if size <= _LARGEST:
            return
        path.unlink(missing_ok=True)
        size -= status.st_size


def _ignore_errors(folder: Path) -> None:
    """Show no warning about the folder, and delete a file that cannot be read, which JAX then writes anew."""
    show = warnings.showwarning

    def show_others(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        error = _WARNING.match(str(message))
        if error is None:
            show(message, category, filename, lineno, file, line)
        elif error[1] == "reading":
            for path in folder.glob(f"{glob.escape(error[2])}-*-cache"):
                with suppress(OSError):
                    path.unlink()

    warnings.showwarning = show_others
    warnings.filterwarnings("always", _WARNING.pattern)
