"""How far a long fit is, on stderr."""

import sys
import time

# A fit that takes less than this, in seconds, reports nothing.
_QUIET = 2.0
# Seconds between two lines: on a terminal, where the line is rewritten, and elsewhere.
_ON_TERMINAL, _ELSEWHERE = 0.2, 10.0


class Progress:
    """Counts evaluations of the curve and reports them from time to time; a context that clears its line at the end."""

    def __init__(self, starts: int, *, enabled: bool) -> None:
        self.starts, self.start, self.evaluations = starts, 0, 0
        self.enabled, self.rewrites = enabled, sys.stderr.isatty()
        self.interval = _ON_TERMINAL if self.rewrites else _ELSEWHERE
        self.began = time.monotonic()
        self.next = self.began + max(_QUIET, self.interval)
        self.has_written = False

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def count(self) -> None:
        """Count an evaluation, and report if the last report was long enough ago."""
        self.evaluations += 1
        now = time.monotonic()
        if self.enabled and now >= self.next:
            self.next, self.has_written = now + self.interval, True
            line = f"fit: start {self.start} of {self.starts}, evaluation {self.evaluations}, {now - self.began:.0f} s"
            self._write(f"\r{line}" if self.rewrites else f"{line}\n")

    def __exit__(self, *error: object) -> None:
        if self.has_written and self.rewrites:
            self._write("\r\033[K")

    def _write(self, text: str) -> None:
        print(text, end="", file=sys.stderr, flush=True)
