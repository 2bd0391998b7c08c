"""The recordings of a batch, what is free in them, and how they are cut into batches of a few sizes.

JAX compiles a function anew for each shape of its arguments. All shapes are therefore padded: samples and spikes to one
of a few lengths, and recordings to a fixed number of rows, which depends on the number of samples alone. Samples that
are not there have no weight, and spikes that are not there come at infinity.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from synkin.declaring.kernel import Kernel

# NumPy's outside of compiled functions, and JAX's within.
AnyArray: TypeAlias = Any

# The number of samples, padding included, that one call of a compiled function computes: few enough for the cache.
_SAMPLES = 1 << 16
# Between a power of 2 and the next there are this many lengths of recordings; the shortest is this long, too.
_SIZES = 8


class Form(NamedTuple):
    """What the curves depend on besides numbers. Their program is compiled once for each."""

    kernel: Kernel
    free: tuple[str, ...]  # parameters
    logarithmic: tuple[bool, ...]  # for each of them, whether its coordinate is its logarithm
    searched: tuple[str, ...]  # those of onset, scale and offset that are searched as the parameters are
    solved: tuple[str, ...]  # those of offset and scale that follow from the rest by linear least squares
    overlap: str
    weighted: bool  # whether spikes come with weights

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The names of the C coordinates of the search."""
        return (*self.free, *self.searched)

    @property
    def fitted(self) -> tuple[str, ...]:
        """The names of the N quantities that are fitted, in the order of the columns of a triangle."""
        return (*self.solved, *self.coordinates)


class Rows(NamedTuple):
    """B recordings, or without the first axis one, as the compiled functions take them."""

    params: NamedTuple  # of arrays (B,), the start of what is free among them
    spike_times: AnyArray  # (B, K) ms, inf where there is none
    weights: AnyArray  # (B, K)
    times: AnyArray  # (B, M) ms
    target: AnyArray  # (B, M) the trace, 0 where a sample is missing
    root: AnyArray  # (B, M) the root of each sample's weight, 0 where it is missing
    own: dict[str, AnyArray]  # (B,) scale, offset and onset where they are held
    lower: AnyArray  # (B, C) bounds of the coordinates
    upper: AnyArray  # (B, C)


@dataclass(frozen=True)
class Recordings:
    """R recordings of M samples, padded."""

    form: Form
    rows: Rows  # arrays (R, ...), or (1, ...) where all recordings share them
    start: np.ndarray  # (R, C) the coordinates to start from; an onset is 0, or the bound nearest to it
    unit: np.ndarray  # (R,) the standard deviation of each trace; `Rows.root` is relative to it
    present: np.ndarray  # (R, M) bool
    fitted: np.ndarray  # (R,) bool: whether there is something to fit
    spikes: int  # the largest number of spikes in a recording

    @property
    def batch(self) -> int:
        """The number of recordings in one call of a compiled function."""
        return rows_of_a_call(self.rows.times.shape[-1])

    @property
    def share_curves(self) -> bool:
        """Whether two recordings with the same coordinates have the same g."""
        rows = self.rows
        held = [getattr(rows.params, name) for name in rows.params._fields if name not in self.form.free]
        return all(len(a) == 1 for a in (*held, rows.spike_times, rows.weights, rows.times, rows.own["onset"]))

    def some(self, which: np.ndarray) -> "Recordings":
        """Some of the recordings, (W,)."""
        each = {name: getattr(self, name)[which] for name in ("start", "unit", "present", "fitted")}
        return replace(self, rows=self.take(which), **each)

    def take(self, which: np.ndarray) -> Rows:
        """The rows of some recordings; what is shared stays one row."""
        return _map(lambda a: a if len(a) == 1 else a[which], self.rows)

    def filled(self, which: np.ndarray) -> Rows:
        """The rows of some recordings, with an axis of their number in front of every array."""
        return _map(lambda a: np.broadcast_to(a, (len(which), *a.shape[1:])) if len(a) == 1 else a[which], self.rows)


def rows_of_a_call(samples: int) -> int:
    """The number of recordings of so many samples in one call: a power of 2."""
    return 1 << max(_SAMPLES // samples, 1).bit_length() - 1


def padded_length(length: int) -> int:
    """The length to which ``length`` samples are padded: at most an eighth more."""
    unit = 1 << max(length - 1, _SIZES).bit_length() - _SIZES.bit_length()
    return max(-(-length // unit) * unit, _SIZES)


def padded_number(number: int) -> int:
    """The number to which ``number`` spikes are padded: a power of 2."""
    return 1 << max(number - 1, 0).bit_length()


def pad(a: np.ndarray, length: int, value: float | None = None) -> np.ndarray:
    """``a`` (..., n) extended to ``length`` by ``value``, or by its last element."""
    more = [(0, 0)] * (a.ndim - 1) + [(0, length - a.shape[-1])]
    return np.pad(a, more, mode="edge") if value is None else np.pad(a, more, constant_values=value)


def _map(function: Callable[[np.ndarray], np.ndarray], rows: Rows) -> Rows:
    """``function`` of every array."""
    params = rows.params._make(map(function, rows.params))
    own = {name: function(a) for name, a in rows.own.items()}
    others = {name: function(getattr(rows, name)) for name in Rows._fields if name not in ("params", "own")}
    return Rows(params=params, own=own, **others)


def at_times(recordings: Recordings, times: np.ndarray) -> Recordings:
    """The same recordings at other times (M,), without samples."""
    length = padded_length(max(len(times), 1))
    blank = np.zeros((1, length))
    rows = recordings.rows._replace(times=pad(times[None], length) if len(times) else blank, target=blank, root=blank)
    return replace(recordings, rows=rows)
