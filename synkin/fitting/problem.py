"""The problem that a fit solves: recordings, what is free, and the coordinates of the search."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from synkin.declaring.kernel import Kernel

# Quantities of which each recording may have its own value, and their values if they are neither fitted nor given.
OWN = {"scale": 1.0, "offset": 0.0, "onset": 0.0}
# The largest factor between a parameter and its start if no bounds are given.
REACH = 1e4


class Form(NamedTuple):
    """What the curve depends on besides numbers. The program of the curve is compiled once for each."""

    kernel: Kernel
    free: tuple[str, ...]  # parameters
    logarithmic: tuple[bool, ...]  # for each of them, whether its coordinate is its logarithm
    ties: tuple[tuple[str, str], ...]  # pairs of a parameter and the free one whose value it has
    overlap: str
    jumps: bool
    weighted: bool


@dataclass(frozen=True)
class Problem:
    """R recordings of M samples, and N coordinates of the search.

    The coordinates are the free parameters (the logarithms of positive ones), followed by those of scale, offset and
    onset that are free: R coordinates each, or one if all recordings share the quantity.
    """

    kernel: Kernel
    params: NamedTuple  # floats
    spike_times: np.ndarray  # (K,) or (R, K) ms, with the delay; of a protocol its edges
    delay: float  # ms
    sent: np.ndarray  # the spike times as given, without the delay
    weights: np.ndarray  # same shape, mS; of a protocol the concentrations after the edges, mM
    jumps: bool  # whether it is a protocol of concentrations
    times: np.ndarray  # (M,) or (R, M) ms
    trace: np.ndarray  # (R, M), 0 where a sample is missing
    present: np.ndarray  # (R, M) bool, False where a sample is NaN
    importance: np.ndarray  # (R, M) 1 over each sample's error, root mean square 1
    is_single: bool  # whether the recording came as (M,)
    overlap: str
    unit: str  # the trace's
    free: tuple[str, ...]  # parameters
    logarithmic: tuple[bool, ...]  # for each of them, whether its coordinate is its logarithm
    ties: tuple[tuple[str, str], ...]  # pairs of a parameter and the free one whose value it has
    own: tuple[str, ...]  # those of scale, offset and onset that are fitted
    shared: tuple[str, ...]  # those of ``own`` that have one value for all recordings
    held: dict[str, float]  # the values of those that are not fitted
    lower: np.ndarray  # (N,)
    upper: np.ndarray  # (N,)
    weighted: bool = False  # whether the weights are heights of a receptor's pulses, in units of T
    # The edges and values of each parameter that varies, as given: (K + 1,) or (R, K + 1) ms, and (K,) or (R, K).
    varying: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    @property
    def form(self) -> Form:
        """The `Form` of this problem."""
        return Form(self.kernel, self.free, self.logarithmic, self.ties, self.overlap, self.jumps, self.weighted)

    @property
    def names(self) -> tuple[str, ...]:
        """The quantity of each coordinate, (N,): "beta", or "scale" for the scale of any recording."""
        return (*self.free, *(name for name in self.own for _ in range(self.count(name))))

    @property
    def labels(self) -> tuple[str, ...]:
        """A name of its own for each coordinate, (N,): "beta", "scale", or "scale[3]" in the fourth recording."""
        labels = [*self.free]
        for name in self.own:
            one = self.is_single or name in self.shared
            labels += [name] if one else [f"{name}[{r}]" for r in range(len(self.trace))]
        return tuple(labels)

    @property
    def are_logarithms(self) -> np.ndarray:
        """(N,) bool: which coordinates are logarithms."""
        return np.array([*self.logarithmic, *[False] * (len(self.lower) - len(self.free))], bool)

    @property
    def units(self) -> dict[str, str]:
        """The unit of each parameter, and of scale, offset and onset; "" where it is not known."""
        own = {"scale": f"{self.unit}/mS" if self.unit else "", "offset": self.unit, "onset": "ms"}
        return {name: unit or "" for name, unit in zip(self.params._fields, self.kernel.UNITS, strict=True)} | own

    @property
    def columns(self) -> np.ndarray:
        """The coordinates that each recording's curve depends on, (R, C): the parameters, then its own."""
        own = [self.columns_of(name) for name in self.own]
        parameters = np.tile(np.arange(len(self.free)), (len(self.trace), 1))
        return np.column_stack([parameters, *own])

    def columns_of(self, name: str) -> np.ndarray:
        """The coordinate of ``name``, one of scale, offset and onset that is fitted, for each recording: (R,)."""
        recordings = np.arange(len(self.trace))
        before = sum(self.count(other) for other in self.own[: self.own.index(name)])
        return len(self.free) + before + (0 * recordings if name in self.shared else recordings)

    def count(self, name: str) -> int:
        """The number of coordinates of ``name``, one of scale, offset and onset."""
        return 1 if name in self.shared else len(self.trace)

    def split(self, point: np.ndarray) -> dict[str, np.ndarray]:
        """Scale, offset and onset of each recording at a point, each (R,)."""
        recordings = len(self.trace)
        return {
            name: point[self.columns_of(name)] if name in self.own else np.full(recordings, self.held[name])
            for name in OWN
        }

    def params_at(self, point: np.ndarray) -> NamedTuple:
        """The kernel's parameters at a point."""
        values = point[: len(self.free)].copy()
        values[list(self.logarithmic)] = np.exp(values[list(self.logarithmic)])
        found = dict(zip(self.free, map(float, values), strict=True))
        return self.params._replace(**found, **{name: found[other] for name, other in self.ties})

    def times_of(self, r: int) -> np.ndarray:
        """The times of recording ``r``, (M,) ms."""
        return self.times if self.times.ndim == 1 else self.times[r]


def default_onset(spike_times: np.ndarray, times: np.ndarray) -> tuple[float, float]:
    """The default bounds of an onset in ms, within which the last spike stays before the end of the recording."""
    last = spike_times[np.isfinite(spike_times)].max()
    return float(times[..., 0].min() - times[..., -1].max()), float(times[..., -1].max() - last)
