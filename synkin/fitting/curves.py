"""What can be fitted: the conductance of a kernel under its spikes or protocol, or any function of times.

A fitted curve has a name, parameters of which something is known, and ``value``: the curve of one recording, given the
values of the parameters by name. All else in `synkin.fitting` asks for no more, except for the initial guesses, which
need a kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments.declaration import AnyParams, Pytree
from synkin.declaring.kernel import Kernel
from synkin.networks.plasticity import tsodyks_markram
from synkin.runs.events import respond
from synkin.runs.filtered_samples import filter_function
from synkin.runs.protocol import concentration_jumps
from synkin.solving.filters import Filter
from synkin.tracing.fingerprint import fingerprint


class Stimulus(NamedTuple):
    """What evoked the response of one recording, and when it is sampled; or of several, with a first axis (rows,)."""

    spike_times: Array  # (K,) ms, with the delay; of a protocol its edges; (0,) of a function
    weights: Array  # (K,)
    varying: dict[str, tuple[Array, Array]]  # edges (E + 1,) ms and values (E,) of each parameter that varies
    held: dict[str, Array]  # () parameters of which each recording has its own value that is not fitted
    times: Array  # (M,) ms


class Known(NamedTuple):
    """What is known of a parameter."""

    unit: str
    signed: bool = False  # whether it may be negative; else it is fitted on a logarithmic scale
    most: float = np.inf  # the largest value it may have
    usually: bool = False  # whether it is usually known from other experiments, and so the first to be held


class FittedCurve(Protocol):
    """What is fitted."""

    @property
    def name(self) -> str:
        """Its name in messages."""

    @property
    def known(self) -> dict[str, Known]:
        """What is known of each parameter."""

    @property
    def one_by_one(self) -> bool:
        """Whether recordings are computed one after the other, because each needs another number of operations."""

    def as_given(self, values: dict[str, Any]) -> Any:
        """The parameters as a user gives them, from the value of each by name."""

    def value(self, values: dict[str, Array], onset: Array, given: Stimulus) -> Array:
        """The curve (M,) of one recording, before scale and offset."""


@dataclass(frozen=True)
class KernelCurve:
    """The conductance of a kernel under spikes or a protocol of concentrations."""

    kernel: Kernel
    overlap: str = "restart"
    jumps: bool = False  # whether it is a protocol of concentrations
    weighted: bool = False  # whether the weights are heights of a receptor's pulses, in units of T
    free_weights: int = 0  # the number of spikes whose weights are parameters; 0 if the weights are given
    filters: tuple[Filter, ...] = ()  # what the recording did to g, in order
    reference: float | None = None  # the temperature in deg C of the parameters, if rates follow a Q10
    releases: bool = False  # whether the weights are those of short-term plasticity, whose parameters are then its own

    @property
    def name(self) -> str:
        """That of the kernel."""
        return self.kernel.name

    @property
    def added(self) -> tuple[str, ...]:
        """The parameters besides those of the kernel."""
        warmth = () if self.reference is None else ("Q10", "temperature")
        if self.releases:
            return (*tsodyks_markram.Params._fields, *warmth)
        return (*self.weight_names, *warmth)

    @property
    def weight_names(self) -> tuple[str, ...]:
        """The weights that are parameters."""
        return tuple(f"weight_{i}" for i in range(self.free_weights))

    @property
    def known(self) -> dict[str, Known]:
        """What is known of each parameter."""
        found = {
            name: Known(unit or "", self.kernel.parameters[name].signed, usually=self.kernel.bare(name) == "T")
            for name, unit in zip(self.kernel.Params._fields, self.kernel.UNITS, strict=True)
        }
        if self.reference is not None:
            found |= {"Q10": Known("1"), "temperature": Known("deg C", signed=True)}
        if self.releases:
            return found | {name: Known(own.unit, most=own.most) for name, own in tsodyks_markram.parameters.items()}
        return found | {name: Known(self.kernel.input.unit or "1", signed=True) for name in self.weight_names}

    @property
    def one_by_one(self) -> bool:
        """Whether the kernel is solved by matrices: each row computes only the squarings that its own times need."""
        return any(part.structure.has_matrix for part in self.kernel.parts)

    def as_given(self, values: dict[str, Any]) -> AnyParams:
        """The kernel's ``Params``."""
        return self.kernel.Params(*(values[name] for name in self.kernel.Params._fields))

    def _warmed(self, values: dict[str, Any]) -> AnyParams:
        """The kernel's ``Params`` at the temperature of a recording: rates times Q10 per 10 deg C, time constants over.

        The duration of a pulse stays, as it is not the receptor's.
        """
        params = self.as_given(values)
        if self.reference is None:
            return params
        factor = values["Q10"] ** ((values["temperature"] - self.reference) / 10)
        changed = {}
        for name, unit in zip(params._fields, self.kernel.UNITS, strict=True):
            if (unit or "").replace("1/", "/").startswith("/ms"):
                changed[name] = getattr(params, name) * factor
            elif unit == "ms" and self.kernel.bare(name) != "T_dur":
                changed[name] = getattr(params, name) / factor
        return params._replace(**changed)

    def value(self, values: dict[str, Array], onset: Array, given: Stimulus) -> Array:
        """g (M,) of one recording in mS."""
        return self._response(self.kernel, self._warmed(values), values, onset, given)

    def part_values(self, values: dict[str, Array], onset: Array, given: Stimulus) -> Array:
        """g of each of n parts of a sum, without its relative conductance: (n, M)."""
        own = self.kernel.params_of(self._warmed(values)), self.kernel.values_of(given.varying)
        parts = zip(self.kernel.parts, *own, strict=True)
        return jnp.stack([self._response(part, p, values, onset, given._replace(varying=v)) for part, p, v in parts])

    def _response(
        self, kernel: Kernel, params: AnyParams, values: dict[str, Array], onset: Array, given: Stimulus
    ) -> Array:
        """g (M,) of the kernel, or of a part of it with its own ``params``."""
        spike_times, weights, varying, _, times = given
        common: dict[str, Any] = {"filter": self.filters or None, "dtype": times.dtype}
        if self.jumps:
            pieces = {name: own for name, (_, own) in varying.items()}
            edges = spike_times + onset
            return concentration_jumps(kernel, params, edges, weights[:-1], times, varying=pieces, **common)
        if self.releases:
            plasticity = tsodyks_markram.Params(*(values[name] for name in tsodyks_markram.Params._fields))
            weights = weights * tsodyks_markram.release(plasticity, spike_times, dtype=times.dtype)
        elif self.free_weights:  # the times that pad the spikes have weights too, which do nothing
            weights = weights.at[: self.free_weights].set(jnp.stack([values[name] for name in self.weight_names]))
        used = weights if kernel.input.takes_weights or self.weighted else None
        return respond(
            kernel, params, spike_times + onset, times, weights=used, varying=varying, overlap=self.overlap, **common
        )


@dataclass(frozen=True, eq=False)
class FunctionCurve:
    """A function ``function(params, times)`` of a pytree of parameters and of times (M,), whose result is (M,).

    Two are equal, and share their compiled program, if they have the same function and it does the same: something that
    it reads may have changed between two fits.
    """

    function: Callable[[Pytree, Array], Array]
    structure: Any  # of the pytree, as `jax.tree` gives it
    shapes: tuple[tuple[int, ...], ...]  # of its leaves
    names: tuple[str, ...]  # of all elements of the leaves, in order
    units: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()  # what the recording did to the curve, in order
    operations: str = ""  # a fingerprint of what the function does
    one_by_one: bool = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FunctionCurve) and self.function is other.function and self._form == other._form

    def __hash__(self) -> int:
        return hash((id(self.function), self._form))

    @property
    def _form(self) -> tuple[Any, ...]:
        return self.structure, self.shapes, self.names, self.units, self.filters, self.operations

    @property
    def name(self) -> str:
        """That of the function."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    @property
    def known(self) -> dict[str, Known]:
        """What is known of each parameter: nothing but its unit."""
        return {name: Known(unit, signed=True) for name, unit in zip(self.names, self.units, strict=True)}

    def as_given(self, values: dict[str, Any]) -> Pytree:
        """The pytree that the function takes. A leaf of numbers that are (R,) has the recordings as its first axis."""
        left, leaves = [values[name] for name in self.names], []
        for shape in self.shapes:
            own, left = left[: math.prod(shape)], left[math.prod(shape) :]
            if shape == ():
                leaves.append(own[0])
                continue
            array: Any = np if all(isinstance(value, float | np.ndarray) for value in own) else jnp
            stacked = array.stack(array.broadcast_arrays(*own), axis=-1)
            leaves.append(stacked.reshape(stacked.shape[:-1] + shape))
        return jax.tree.unflatten(self.structure, leaves)

    def value(self, values: dict[str, Array], onset: Array, given: Stimulus) -> Array:
        """The curve (M,) of one recording."""
        del onset  # the function has its own, if any
        params = self.as_given(values)
        if self.filters:
            return filter_function(self.filters, lambda times: self.function(params, times), given.times)
        return self.function(params, given.times)

    def with_operations(self, samples: int) -> FunctionCurve:
        """The curve with the fingerprint of what the function does now with so many times."""
        values = {name: jnp.ones(()) for name in self.names}
        return replace(self, operations=fingerprint(self.function, self.as_given(values), jnp.ones(samples)))


AnyCurve: TypeAlias = KernelCurve | FunctionCurve
