"""How far a long deconvolution is, on stderr: one line that is rewritten on a terminal, else a line every 10 s."""

import sys
import time

# A deconvolution that takes less than this, in seconds, reports nothing.
_QUIET = 2.0
# Seconds between two lines: on a terminal, and elsewhere.
_ON_TERMINAL, _ELSEWHERE = 0.2, 10.0
_WIDTH = 20


class Progress:
    """A bar; a context that clears it at the end."""

    def __init__(self, sweeps: int, stages: int, *, enabled: bool) -> None:
        self.sweeps, self.stages, self.enabled = sweeps, stages, enabled
        self.rewrites = sys.stderr.isatty()
        self.interval = _ON_TERMINAL if self.rewrites else _ELSEWHERE
        self.next = time.monotonic() + max(_QUIET, self.interval)
        self.has_written = False

    def __enter__(self) -> "Progress":
        return self

    def report(self, sweep: int, stage: int, part: float, events: int) -> None:
        """Report that ``part`` (0 to 1) of a stage of a sweep is done, unless the last report was too recent."""
        now = time.monotonic()
        if not self.enabled or now < self.next:
            return
        self.next, self.has_written = now + self.interval, True
        done = (sweep + min(stage - 1 + part, self.stages) / self.stages) / self.sweeps
        bar = "#" * round(_WIDTH * done)
        line = f"events: [{bar:<{_WIDTH}}] {done:4.0%}, sweep {sweep + 1} of {self.sweeps}, {events:,} so far"
        print(
            f"\r{line}\033[K" if self.rewrites else line, end="" if self.rewrites else "\n", file=sys.stderr, flush=True
        )

    def __exit__(self, *error: object) -> None:
        if self.has_written and self.rewrites:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
