"""Short-term plasticity in which a spike acts at the end of its step, as in brainpy.state: `STP` and `STD` declared.

`synkin.STP` and `synkin.STD`, and those for brainstate, hold a state and call `step` here. Between spikes both methods
are exact. "exp_euler" is brainpy.state's scheme: how far a spike moves u and x is computed from their values at the
start of its step, while the release is u x at its end. "exact" computes all from the values at the end, and is
`synkin.tsodyks_markram` with the spikes of row i at (i + 1) dt. For spikes that are many steps apart the two differ by
about dt over the time constants.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments import fields, units
from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.inputs import StartsPulse
from synkin.arguments.numbers import align
from synkin.arguments.params_and_states import check_layout
from synkin.networks.parameter import Parameter, parameters_of
from synkin.networks.recovery import lost


@fields.described
class STPParams(NamedTuple):
    """Parameters of `STP`, each a scalar or an array that broadcasts against the state's shape."""

    U: Annotated[ArrayLike, "what a spike adds to u, as a fraction of 1 - u; 0 to 1", "1"] = 0.15
    tau_f: Annotated[ArrayLike, "time constant with which u decays; 0 for no facilitation", "ms"] = 1500.0
    tau_d: Annotated[ArrayLike, "time constant with which x recovers; 0 for no depression", "ms"] = 200.0


@fields.described
class STPState(NamedTuple):
    """State of `STP`, each of the shape given to `init`."""

    u: Annotated[Array, "the fraction of x that a spike releases, 0 to 1", "1"]
    x: Annotated[Array, "the fraction of the transmitter that is there, 0 to 1", "1"]


@fields.described
class STDParams(NamedTuple):
    """Parameters of `STD`, each a scalar or an array that broadcasts against the state's shape."""

    tau: Annotated[ArrayLike, "time constant with which x recovers; 0 for no depression", "ms"] = 200.0
    U: Annotated[ArrayLike, "the fraction of x that a spike takes, 0 to 1", "1"] = 0.07


@fields.described
class STDState(NamedTuple):
    """State of `STD`, of the shape given to `init`."""

    x: Annotated[Array, "the fraction of the transmitter that is there, 0 to 1", "1"]


class ShortTerm:
    """What `STP` and `STD` declare, as a kernel does, so that the objects can check and hold it."""

    __slots__ = ()

    name: ClassVar[str]
    Params: ClassVar[type[Any]]
    State: ClassVar[type[Any]]
    UNITS: ClassVar[AnyParams]
    parameters: ClassVar[Mapping[str, Parameter]]
    variables: ClassVar[Mapping[str, str]]
    order: ClassVar[tuple[str, ...]]
    methods: ClassVar[tuple[str, ...]] = ("exp_euler", "exact")
    always_exact: ClassVar[bool] = False
    input: ClassVar[StartsPulse] = StartsPulse(because=", as their weight is the release", has_derivative=True)

    def __init_subclass__(cls) -> None:
        cls.parameters = parameters_of(cls.Params)
        cls.UNITS = cls.Params(*(known.unit for known in cls.parameters.values()))
        cls.variables = fields.units(cls.State)
        cls.order = tuple(cls.variables)

    def init(self, params: AnyParams, shape: int | tuple[int, ...], *, dtype: DTypeLike | None = None) -> AnyState:
        """State at the start, in which x is 1.

        Raises:
            TypeError, ValueError: a wrong shape or dtype, or an invalid parameter.
        """
        shape, dtype = check_layout(units.params(self, params), shape, dtype, self)
        return self.rest_state(params, shape, dtype)

    def rest_state(self, params: AnyParams, shape: tuple[int, ...], dtype: DTypeLike) -> AnyState:
        """`init` of arguments that have been checked."""
        raise NotImplementedError

    def check_params(self, params: AnyParams) -> None:
        """Nothing to check but the range of each parameter, which is checked elsewhere."""

    def step(self, params: AnyParams, state: AnyState, spike: Array, dt: Array, method: str) -> tuple[AnyState, Array]:
        """Advance by one step, at whose end a spike acts.

        Args:
            params: ``Params``, arrays that have been checked.
            state: ``State``, arrays of one dtype.
            spike: 0 or 1, of that dtype and shape; its derivative is that of a spike that counts in part.
            dt: ms, of that dtype.
            method: "exp_euler" or "exact", see above.

        Returns:
            The state at the end of the step, and the release, 0 without a spike.
        """
        raise NotImplementedError


class STP(ShortTerm):
    """Facilitation and depression: u and x.

    Source: Tsodyks, Pawelzik and Markram 1998, Neural Comput. 10:821.
    """

    name = "STP"
    Params, State = STPParams, STPState

    def rest_state(self, params: AnyParams, shape: tuple[int, ...], dtype: DTypeLike) -> AnyState:
        ones = jnp.ones(shape, dtype)
        return STPState(align(params.U, ones) * ones, ones)

    def step(self, params: AnyParams, state: AnyState, spike: Array, dt: Array, method: str) -> tuple[AnyState, Array]:
        params = jax.tree.map(partial(align, like=state.x), params)
        u = state.u - state.u * lost(dt, params.tau_f)
        x = state.x + (1 - state.x) * lost(dt, params.tau_d)
        moved = state if method == "exp_euler" else STPState(u, x)
        u = u + spike * params.U * (1 - moved.u)
        return STPState(u, x - spike * u * moved.x), spike * u * x


class STD(ShortTerm):
    """Depression alone: x.

    Source: Abbott, Varela, Sen and Nelson 1997, Science 275:220.
    """

    name = "STD"
    Params, State = STDParams, STDState

    def rest_state(self, params: AnyParams, shape: tuple[int, ...], dtype: DTypeLike) -> AnyState:
        return STDState(jnp.ones(shape, dtype))

    def step(self, params: AnyParams, state: AnyState, spike: Array, dt: Array, method: str) -> tuple[AnyState, Array]:
        params = jax.tree.map(partial(align, like=state.x), params)
        x = state.x + (1 - state.x) * lost(dt, params.tau)
        moved = state.x if method == "exp_euler" else x
        return STDState(x - spike * params.U * moved), spike * x


stp, std = STP(), STD()
