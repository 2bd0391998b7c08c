"""Aligned text, and progress."""

import sys
import time
from collections.abc import Sequence
from typing import Self


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """``rows`` of cells as lines in which the columns are left-aligned, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


class Progress:
    """Progress of a long job on stderr: one line that is rewritten on a terminal, else a line every 10 s.

    A context manager, which removes the rewritten line at its end and at an error.
    """

    def __init__(self, total: int, unit: str) -> None:
        """A job of ``total`` units of work, which are called ``unit``, such as "steps"."""
        self.total, self.unit = total, unit
        self.rewrites = sys.stderr.isatty()
        # Seconds between two reports, and before the first.
        self.interval = 0.5 if self.rewrites else 10.0

    def __enter__(self) -> Self:
        self.reported_at = time.monotonic()
        return self

    def report(self, done: int) -> None:
        """Report the number that is ``done``, unless the last report was too recent."""
        now = time.monotonic()
        if now - self.reported_at >= self.interval:
            self.reported_at = now
            line = f"{done / self.total:4.0%}  {done:,} of {self.total:,} {self.unit}"
            self._write(f"\r{line}" if self.rewrites else f"{line}\n")

    def __exit__(self, *error: object) -> None:
        if self.rewrites:
            self._write("\r\033[K")

    def _write(self, text: str) -> None:
        print(text, end="", file=sys.stderr, flush=True)
