"""Short-term plasticity: how much of its transmitter a synapse releases at a spike, given the spikes before it.

    params, spike_times = synkin.tsodyks_markram.Params(U=0.5, tau_rec=800.0), [10.0, 30.0, 50.0]
    weights = synkin.tsodyks_markram.release(params, spike_times)
    g = synkin.respond(synkin.alpha, synkin.alpha.Params(), spike_times, [60.0], weights=weights)
    _, weights = synkin.tsodyks_markram.run(params, spikes, dt)
    _, g = synkin.simulate(synkin.alpha, synkin.alpha.Params(), weights, dt)

`tsodyks_markram` has ``Params``, ``State``, ``init`` and ``step`` as a kernel has. Its result is not a conductance but
the weight of a spike, which is an input of the linear kernels: a weight of 1 is the release of all transmitter. The
weight depends only on the intervals between spikes, so that it does not matter when in a step a spike acts.

Sources: Markram, Wang and Tsodyks 1998, PNAS 95:5323; Tsodyks, Pawelzik and Markram 1998, Neural Comput. 10:821. For
``tau_psc``: Tsodyks, Uziel and Markram 2000, J. Neurosci. 20:RC50. For release site by site: Fuhrmann et al. 2002,
J. Neurophysiol. 87:140; Loebel et al. 2009, Front. Comput. Neurosci. 3:27.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments import fields, units
from synkin.arguments.bind import bind_random, bind_releases, bind_step, bind_steps, bind_train, cast
from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.inputs import StartsPulse
from synkin.arguments.numbers import check_whole
from synkin.arguments.params_and_states import check_layout
from synkin.networks import release_at_times, release_on_grid
from synkin.networks.parameter import Parameter, parameters_of
from synkin.networks.release_on_grid import with_active, without_unused
from synkin.networks.release_stepper import ReleaseStepper
from synkin.solving.carry import match_state


@fields.described
class Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    U: Annotated[ArrayLike, "what a spike adds to u, as a fraction of 1 - u; 0 to 1", "1"] = 0.5
    tau_rec: Annotated[ArrayLike, "time constant of recovery from depression; 0 for no depression", "ms"] = 800.0
    tau_fac: Annotated[ArrayLike, "time constant with which facilitation decays; 0 for no facilitation", "ms"] = 0.0
    tau_psc: Annotated[
        ArrayLike, "mean time that released transmitter stays active before it recovers; 0 for none", "ms"
    ] = 0.0


@fields.described
class State(NamedTuple):
    """State, each of the shape given to `init`."""

    u: Annotated[Array, "facilitation that is left, 0 to 1", "1"]
    depleted: Annotated[Array, "1 - x: the fraction of the transmitter, or of n sites, that is missing, 0 to 1", "1"]
    active: Annotated[Array, "y: the fraction that is missing and still active, 0 to depleted", "1"] = 0.0  # type: ignore[assignment]


class TsodyksMarkram:
    """Short-term depression and facilitation, exact between spikes.

    At a spike u grows by U (1 - u); then u x is released, and x falls by u x. Between spikes ``u' = -u / tau_fac`` and
    ``x' = (1 - x) / tau_rec``. At rest u is 0 and x is 1, so that the first release is U. With tau_fac = 0 there is no
    facilitation: u is U at each spike. With tau_rec = 0 there is no depression: x is 1 at each spike.

    With tau_psc > 0, released transmitter first stays active, and recovers only afterwards: a spike moves u x from x to
    y, and then ``y' = -y / tau_psc``, ``z' = y / tau_psc - z / tau_rec`` and ``x' = z / tau_rec``, where x + y + z = 1.
    This is NEURON's tmgsyn (where tau_psc is tau_1) and NEST's tsodyks_synapse. With tau_psc = 0 recovery begins at
    once, as in NEST's tsodyks2_synapse, in brainpy and in most programs.

    With ``key`` and ``n`` release is random, at n independent sites. At a spike a filled site releases with probability
    u. An empty site fills within h ms with probability 1 - exp(-h / tau_rec); with tau_psc > 0 it first stays active
    for a random time with mean tau_psc. The result is the fraction of the n sites that released. Its mean over many
    keys is the release r that is computed without a key, and its variance is r (1 - r) / n. With ``key`` all
    derivatives of the release are 0.

    Parameters:
        U: 0.5, from 0 to 1
        tau_rec: 800.0 ms
        tau_fac: 0.0 ms
        tau_psc: 0.0 ms

    State: u (1), depleted (1), which is 1 - x, and active (1), which is y and may be left out if it is 0

    Sources: Markram, Wang and Tsodyks 1998, PNAS 95:5323; Tsodyks, Pawelzik and Markram 1998, Neural Comput. 10:821;
    Tsodyks, Uziel and Markram 2000, J. Neurosci. 20:RC50; Fuhrmann et al. 2002, J. Neurophysiol. 87:140.

    Example:
        >>> params = synkin.tsodyks_markram.Params(U=0.5, tau_rec=100.0)
        >>> spike_times = [0.0, 20.0, 40.0]
        >>> weights = synkin.tsodyks_markram.release(params, spike_times)
        >>> print(weights.round(3))
        [0.5 0.295 0.212]
        >>> g = synkin.respond(synkin.expon, synkin.expon.Params(), spike_times, [50.0], weights=weights)
    """

    __slots__ = ()  # so that no attribute can be set

    name: ClassVar[str] = "tsodyks_markram"
    Params: ClassVar[type[Params]] = Params
    State: ClassVar[type[State]] = State
    UNITS: ClassVar[AnyParams] = Params._make(fields.units(Params).values())
    parameters: ClassVar[Mapping[str, Parameter]] = parameters_of(Params)
    variables: ClassVar[Mapping[str, str]] = fields.units(State)
    input: ClassVar[StartsPulse] = StartsPulse(because=", as their weight is the release")

    def __dir__(self) -> list[str]:
        shown = ("Params", "State", "UNITS", "init", "name", "parameters", "release", "run", "step", "stepper")
        return fields.completion((*shown, "variables"), super().__dir__())

    def init(self, params: AnyParams, shape: int | tuple[int, ...], *, dtype: DTypeLike | None = None) -> AnyState:
        """The state at rest: no facilitation and no depletion.

        Args:
            params: ``Params`` of `synkin.tsodyks_markram`.
            shape: shape of the synapses, for example (1000,).
            dtype: floating dtype, by default JAX's default float.

        Returns:
            A ``State`` of zeros of that shape.

        Raises:
            TypeError, ValueError: a wrong shape or dtype, or an invalid parameter.

        Example:
            >>> state = synkin.tsodyks_markram.init(synkin.tsodyks_markram.Params(), (2,))
            >>> print(state.u, state.depleted)
            [0. 0.] [0. 0.]
        """
        shape, dtype = check_layout(units.params(self, params), shape, dtype, self)
        return self.rest_state(params, shape, dtype)

    def rest_state(self, params: AnyParams, shape: tuple[int, ...], dtype: DTypeLike) -> AnyState:
        """`init` of arguments that have been checked."""
        return State(*(jnp.zeros(shape, dtype) for _ in State._fields))

    def check_params(self, params: AnyParams) -> None:
        """Nothing to check but the range of each parameter, which is checked elsewhere."""

    def step(
        self,
        params: AnyParams,
        state: AnyState,
        t: ArrayLike,
        spike: ArrayLike,
        dt: ArrayLike,
        *,
        key: Array | None = None,
        n: int | None = None,
    ) -> tuple[AnyState, Array]:
        """Advance by one step. A spike acts at the start of the step.

        Args:
            params: ``Params``: U without unit, the time constants in ms.
            state: ``State`` at ``t``.
            t: the time in ms at the start of the step; the result does not depend on it.
            spike: booleans (or 0 and 1), of the shape of the state or broadcasting to it.
            dt: step in ms.
            key: for random release, a key of `jax.random` that is used for this step only. Each synapse draws its own
                numbers. ``depleted`` and ``active`` are rounded to a whole number of sites.
            n: with ``key``, the number of sites of a synapse.

        Returns:
            The state at ``t + dt``, and the release, of the shape of the state: 0 to 1, and 0 without a spike.

        Raises:
            TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

        The times may be quantities of saiunit. A step with ``key`` draws 2 n random numbers for each synapse.

        Example:
            >>> params = synkin.tsodyks_markram.Params(U=0.5)
            >>> state = synkin.tsodyks_markram.init(params, (2,))
            >>> state, released = synkin.tsodyks_markram.step(params, state, 0.0, jnp.array([True, False]), 0.1)
            >>> print(released.round(3))
            [0.5 0.]
        """
        given = bind_step(self, params, with_active(units.state(state, self)), t, spike, dt)
        n = bind_random(key, n)
        arrays = cast(without_unused(given.given_params), given.dtype)
        return release_on_grid.one_step(arrays, given.state, given.spike.astype(bool), given.dt, key, n)

    def run(
        self,
        params: AnyParams,
        spikes: ArrayLike,
        dt: ArrayLike,
        *,
        state: AnyState = None,
        key: Array | None = None,
        n: int | None = None,
        dtype: DTypeLike | None = None,
    ) -> tuple[AnyState, Array]:
        """What spikes on a grid release. Give the result to `synkin.simulate`, as the input of a linear kernel.

        Args:
            params: ``Params``; scalars, or arrays that broadcast against the state.
            spikes: (T, *shape), booleans, or 0 and 1.
            dt: step in ms.
            state: ``State`` to start from, of shape ``shape``; by default at rest.
            key: for random release, a key of `jax.random`. Each synapse draws its own numbers.
            n: with ``key``, the number of sites of a synapse.
            dtype: floating dtype of the state, if ``state`` is not given.

        Returns:
            The final state, and the releases, (T, *shape): 0 if there is no spike.

        Raises:
            TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

        Example:
            >>> spikes = np.arange(40)[:, None] == [10, 20]
            >>> _, weights = synkin.tsodyks_markram.run(synkin.tsodyks_markram.Params(U=0.5), spikes, 0.1)
            >>> print(weights.max(axis=0).round(3))
            [0.5 0.5]
            >>> _, g = synkin.simulate(synkin.expon, synkin.expon.Params(), weights, 0.1)
        """
        given = bind_train(self, params, spikes, dt, state=with_active(units.state(state, self)), dtype=dtype)
        n = bind_random(key, n)
        arrays = cast(without_unused(given.given_params), given.dtype)
        return release_on_grid.run(arrays, given.state, given.spikes.astype(bool), given.dt, key, n)

    def stepper(
        self, params: AnyParams, dt: ArrayLike, *, n: int | None = None, dtype: DTypeLike | None = None
    ) -> ReleaseStepper:
        """The step of short-term plasticity for a loop of your own, as fast as `run`.

        It works under jit, vmap, grad and scan, and is itself a pytree. Use one synapse for each presynaptic neuron, or
        one for each connection.

        Args:
            params: ``Params``; scalars, or arrays that broadcast against the state.
            dt: step in ms.
            n: for random release, the number of sites of a synapse; each step then takes a key.
            dtype: floating dtype of the state at rest; by default JAX's default float.

        Returns:
            `ReleaseStepper` with ``init``, ``step(carry, spike) -> (carry, released)`` and ``state``.

        Raises:
            TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

        ``params`` and ``dt`` may be quantities of saiunit.

        Example:
            >>> stepper = synkin.tsodyks_markram.stepper(synkin.tsodyks_markram.Params(U=0.5), 0.1)
            >>> spikes = np.arange(40)[:, None] == [10, 20]
            >>> carry, released = jax.lax.scan(stepper.step, stepper.init((2,)), spikes)
            >>> print(released.max(axis=0).round(3))
            [0.5 0.5]
        """
        given = bind_steps(self, params, dt, dtype=dtype)
        sites = None if n is None else check_whole("n", n)
        arrays = cast(without_unused(given.given_params), given.dtype)
        like = jnp.zeros((1,) * max(np.ndim(value) for value in given.params), given.dtype)
        coefficients = release_on_grid.compute_coefficients(match_state(arrays, like), given.dt)
        return ReleaseStepper(self, given.params, given.dt, coefficients, sites)

    def release(
        self,
        params: AnyParams,
        spike_times: ArrayLike,
        *,
        key: Array | None = None,
        n: int | None = None,
        dtype: DTypeLike | None = None,
    ) -> Array:
        """How much each spike of one synapse releases, given its spike times.

        Before the first spike the synapse is at rest. The result can be differentiated, forward and reverse, with
        respect to parameters and spike times. For many synapses use `jax.vmap`: pad their spike times with inf to one
        length and, for random release, give each a key.

        Args:
            params: ``Params``, scalars.
            spike_times: (K,) ms, in any order, where inf is ignored. Spikes at the same time act one after the other.
            key: for random release, a key of `jax.random`.
            n: with ``key``, the number of sites of the synapse.
            dtype: floating dtype of the result, by default JAX's default float.

        Returns:
            (K,), 0 to 1, in the order of ``spike_times``; 0 for a spike at inf.

        Raises:
            TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

        Parameters and times may be quantities of saiunit. As in `synkin.respond`, times in lists or NumPy arrays are
        subtracted in float64.

        Example:
            >>> params = synkin.tsodyks_markram.Params(U=0.5, tau_rec=100.0)
            >>> print(synkin.tsodyks_markram.release(params, [0.0, 20.0, 40.0]).round(3))
            [0.5 0.295 0.212]
        """
        given = bind_releases(self, params, spike_times, dtype=dtype)
        n = bind_random(key, n)
        arrays = cast(without_unused(given.given_params), given.dtype)
        order, gaps, real = release_at_times.gaps_between(given.spike_times, given.dtype)
        return release_at_times.released(arrays, given.state, order, gaps, real, key, n)

    def __repr__(self) -> str:
        listed = ", ".join(f"{name}={known.default}" for name, known in self.parameters.items())
        return f"{self.name}({listed})"

    def __reduce__(self) -> str:
        return self.name  # there is only one such object, so that it is pickled and copied by name


tsodyks_markram = TsodyksMarkram()
