"""Files that are written completely or not at all."""

import contextlib
import errno
import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import IO

# Signals that end a process without an exception, by default.
_ENDINGS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
# The name of an unfinished file holds this many characters of the final name, as the length of names is limited.
_SHOWN = 40


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file to write, in binary, that replaces ``path`` when it is complete and on the disk.

    Until then, and if anything goes wrong, ``path`` stays as it was, and no unfinished file is left. If ``path`` is a
    link, its target is replaced; permissions stay. What is not a regular file, such as a pipe, is written directly.

    Raises:
        OSError: the file cannot be written.
    """
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            yield file
        return
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    unfinished = target.with_name(f".{target.name[:_SHOWN]}.{secrets.token_hex(4)}.part")
    with _removed(unfinished):
        with unfinished.open("xb") as file:
            if target.exists():
                before = target.stat()
                unfinished.chmod(before.st_mode & 0o7777)
                if hasattr(os, "chown"):
                    with contextlib.suppress(OSError):
                        os.chown(unfinished, before.st_uid, before.st_gid)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)


@contextlib.contextmanager
def _removed(unfinished: Path) -> Iterator[None]:
    """Remove the file ``unfinished`` at the end, even if a signal ends the process."""

    def end(number: int, frame: object) -> None:
        unfinished.unlink(missing_ok=True)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    changed = []
    # Only the main thread may set handlers; those that the program has set stay.
    with contextlib.suppress(ValueError):
        for number in _ENDINGS:
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, end)
                changed.append(number)
    try:
        yield
    finally:
        unfinished.unlink(missing_ok=True)
        for number in changed:
            signal.signal(number, signal.SIG_DFL)
