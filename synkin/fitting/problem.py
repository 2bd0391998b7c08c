"""The problem that a fit solves: recordings, what is free, and the coordinates of the search."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from synkin.declaring.expression import Product
from synkin.declaring.kernel import Kernel
from synkin.fitting.curves import AnyCurve, KernelCurve
from synkin.fitting.priors import Prior

# Quantities of which each recording may have its own value, and their values if they are neither fitted nor given.
OWN = {"scale": 1.0, "offset": 0.0, "onset": 0.0}
# The largest factor between a parameter and its start if no bounds are given.
REACH = 1e4


class Tie(NamedTuple):
    """A parameter that follows from others."""

    name: str
    rate: Product  # of the others, such as 2*kd1


class Form(NamedTuple):
    """What the curve depends on besides numbers. The program of the curve is compiled once for each."""

    curve: AnyCurve
    fitted: tuple[str, ...]  # parameters
    logarithmic: tuple[bool, ...]  # for each of them, whether its coordinate is its logarithm
    ties: tuple[Tie, ...]


@dataclass(frozen=True)
class Problem:
    """R recordings of M samples, and N coordinates of the search.

    The coordinates are the free parameters that all recordings share (the logarithms of positive ones), followed by
    what each recording has its own value of: parameters, then scale, offset and onset, as far as they are free. These
    have R coordinates each, or one if it is ``shared``.
    """

    curve: AnyCurve  # what is fitted
    params: dict[str, Any]  # by name: floats, or (R,) where each recording has its own value
    spike_times: np.ndarray  # (K,) or (R, K) ms, with the delay; of a protocol its edges
    delay: float  # ms
    sent: np.ndarray  # the spike times as given, without the delay
    weights: np.ndarray  # same shape, mS; of a protocol the concentrations after the edges, mM
    times: np.ndarray  # (M,) or (R, M) ms
    trace: np.ndarray  # (R, M), 0 where a sample is missing
    present: np.ndarray  # (R, M) bool, False where a sample is NaN
    importance: np.ndarray  # (R, M) 1 over each sample's error, root mean square 1
    is_single: bool  # whether the recording came as (M,)
    unit: str  # the trace's
    free: tuple[str, ...]  # free parameters that all recordings share
    logarithmic: tuple[bool, ...]  # for each of `fitted`, whether its coordinate is its logarithm
    ties: tuple[Tie, ...]
    own: tuple[str, ...]  # what is free and each recording's own: parameters, then those of scale, offset and onset
    shared: tuple[str, ...]  # those of ``own`` that have one value for all recordings
    held: dict[str, float]  # the values of scale, offset and onset if they are not fitted
    lower: np.ndarray  # (N,)
    upper: np.ndarray  # (N,)
    # The edges and values of each parameter that varies, as given: (K + 1,) or (R, K + 1) ms, and (K,) or (R, K).
    varying: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    priors: tuple[Prior, ...] = ()
    # What a deviation of one width from a prior adds to the residuals, in the trace's unit: the noise of one
    # independent sample. 0 as long as the noise is not known.
    prior_weight: float = 0.0

    @property
    def name(self) -> str:
        """The name of what is fitted."""
        return self.curve.name

    @property
    def kernel(self) -> Kernel:
        """The kernel that is fitted. A function has none."""
        if not isinstance(self.curve, KernelCurve):
            raise AttributeError(f"{self.name} is a function and has no kernel.")
        return self.curve.kernel

    @property
    def jumps(self) -> bool:
        """Whether the response is to a protocol of concentrations."""
        return isinstance(self.curve, KernelCurve) and self.curve.jumps

    @property
    def own_parameters(self) -> tuple[str, ...]:
        """The free parameters of which each recording has its own value."""
        return tuple(name for name in self.own if name not in OWN)

    @property
    def fitted(self) -> tuple[str, ...]:
        """All free parameters, P of them: those that the recordings share, then those of each recording's own."""
        return (*self.free, *self.own_parameters)

    @property
    def held_own(self) -> dict[str, np.ndarray]:
        """The parameters of which each recording has its own value that is not fitted, (R,) each."""
        moving = {*self.fitted, *(tie.name for tie in self.ties)}
        return {name: value for name, value in self.params.items() if np.ndim(value) and name not in moving}

    @property
    def form(self) -> Form:
        """The `Form` of this problem."""
        return Form(self.curve, self.fitted, self.logarithmic, self.ties)

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
        found = np.zeros(len(self.lower), bool)
        for p, is_logarithm in enumerate(self.logarithmic):
            found[self.columns[:, p]] = is_logarithm
        return found

    @property
    def units(self) -> dict[str, str]:
        """The unit of each parameter, and of scale, offset and onset; "" where it is not known."""
        of_g = "mS" if isinstance(self.curve, KernelCurve) else "1"
        scale = f"{self.unit}/{of_g}" if of_g != "1" else self.unit
        own = {"scale": scale if self.unit else "", "offset": self.unit, "onset": "ms"}
        return {name: known.unit for name, known in self.curve.known.items()} | own

    @cached_property
    def columns(self) -> np.ndarray:
        """The coordinates that each recording's curve depends on, (R, C): the parameters, then its own."""
        own = [self.columns_of(name) for name in self.own]
        parameters = np.tile(np.arange(len(self.free)), (len(self.trace), 1))
        return np.column_stack([parameters, *own])

    def columns_of(self, name: str) -> np.ndarray:
        """The coordinate of ``name``, one of those in ``own``, for each recording: (R,)."""
        recordings = np.arange(len(self.trace))
        before = sum(self.count(other) for other in self.own[: self.own.index(name)])
        return len(self.free) + before + (0 * recordings if name in self.shared else recordings)

    def count(self, name: str) -> int:
        """The number of coordinates of ``name``, one of those in ``own``."""
        return 1 if name in self.shared else len(self.trace)

    def split(self, point: np.ndarray) -> dict[str, np.ndarray]:
        """Scale, offset and onset of each recording at a point, each (R,)."""
        recordings = len(self.trace)
        return {
            name: point[self.columns_of(name)] if name in self.own else np.full(recordings, self.held[name])
            for name in OWN
        }

    def parameters_of(self, point: Any) -> Any:
        """The coordinates of the parameters in each recording, (R, P), at a point or, (..., R, P), at several."""
        return point[..., self.columns[:, : len(self.fitted)]]

    def params_at(self, point: np.ndarray) -> dict[str, Any]:
        """The parameters by name at a point: floats, or (R,) where each recording has its own value."""
        parameters = self.parameters_of(point)
        values = dict(self.params)
        for p, name in enumerate(self.fitted):
            own = np.exp(parameters[:, p]) if self.logarithmic[p] else parameters[:, p].copy()
            values[name] = own if name in self.own else float(own[0])
        for tie in self.ties:
            value = tie.rate.of(values)
            values[tie.name] = value if np.ndim(value) else float(value)
        return values

    def prior_rows(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the priors add to the residuals and to the Jacobian of a point: (q,) and (q, N)."""
        are_logarithms, names = self.are_logarithms, np.array(self.names)
        residuals, rows = [], []
        for prior in self.priors:
            for i in np.flatnonzero(names == prior.name):
                deviation, slope = prior.deviation(point[i], bool(are_logarithms[i]))
                residuals.append(self.prior_weight * deviation)
                rows.append(self.prior_weight * slope * np.eye(len(point))[i])
            if prior.name not in names:  # it is held, as in a profile
                value = np.asarray(self.held.get(prior.name, self.params.get(prior.name)))
                deviation, _ = prior.deviation(np.log(value) if prior.kind == "lognormal" else value, False)
                residuals.append(self.prior_weight * deviation)
                rows.append(np.zeros(len(point)))
        return np.array(residuals, float), np.array(rows, float).reshape(-1, len(point))

    def times_of(self, r: int) -> np.ndarray:
        """The times of recording ``r``, (M,) ms."""
        return self.times if self.times.ndim == 1 else self.times[r]


def default_onset(spike_times: np.ndarray, times: np.ndarray) -> tuple[float, float]:
    """The default bounds of an onset in ms, within which the last spike stays before the end of the recording."""
    finite = spike_times[np.isfinite(spike_times)]
    last = finite.max() if finite.size else -np.inf  # a function has no spikes
    return float(times[..., 0].min() - times[..., -1].max()), float(times[..., -1].max() - last)
