"""Short-term plasticity: how much of its transmitter a synapse releases at a spike, after all spikes before.

    params, spike_times = synkin.tsodyks_markram.Params(U=0.5, tau_rec=800.0), [10.0, 30.0, 50.0]
    weights = synkin.tsodyks_markram.release(params, spike_times)
    g = synkin.respond(synkin.alpha, synkin.alpha.Params(), spike_times, [60.0], weights=weights)
    _, weights = synkin.tsodyks_markram.run(params, spikes, dt)
    _, g = synkin.simulate(synkin.alpha, synkin.alpha.Params(), weights, dt)

`tsodyks_markram` has ``Params``, ``State``, ``init`` and ``step`` as a kernel has. What it gives is no conductance, but
the weight of a spike, for the linear kernels: an input of 1 is a release of all there is. It is the same wherever in a
step a spike acts, as it depends on the intervals between spikes alone.

Sources: Markram, Wang and Tsodyks 1998, PNAS 95:5323; Tsodyks, Pawelzik and Markram 1998, Neural Comput. 10:821. For
``tau_psc``: Tsodyks, Uziel and Markram 2000, J. Neurosci. 20:RC50. For release site by site: Fuhrmann et al. 2002,
J. Neurophysiol. 87:140; Loebel et al. 2009, Front. Comput. Neurosci. 3:27.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments import fields, units
from synkin.arguments.bind import bind_step, bind_train, cast
from synkin.arguments.choices import check_random_key
from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.inputs import StartsPulse
from synkin.arguments.known import concrete_value
from synkin.arguments.numbers import as_real, check_whole, float_dtype
from synkin.arguments.params_and_states import (
    aligned_params,
    check_layout,
    check_params,
    nan_if_invalid,
)
from synkin.arguments.times import check_times, nan_if_invalid_times
from synkin.networks.recovery import after_release, kept, lost
from synkin.solving import loops


@fields.described
class Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    U: Annotated[ArrayLike, "what a spike adds to u, as a part of 1 - u; 0 to 1", "1"] = 0.5
    tau_rec: Annotated[ArrayLike, "time constant of recovery from depression; 0 for none of it", "ms"] = 800.0
    tau_fac: Annotated[ArrayLike, "time constant with which facilitation decays; 0 for none of it", "ms"] = 0.0
    tau_psc: Annotated[
        ArrayLike, "how long what is released stays active, before it recovers; 0 for not at all", "ms"
    ] = 0.0


@fields.described
class State(NamedTuple):
    """State, each of the shape given to `init`."""

    u: Annotated[Array, "facilitation that is left, 0 to 1", "1"]
    depleted: Annotated[Array, "1 - x: the part of the transmitter, or of n sites, that is missing, 0 to 1", "1"]
    active: Annotated[Array, "y: what of the missing part is still active, 0 to depleted", "1"] = 0.0  # type: ignore[assignment]


class Parameter(NamedTuple):
    """What is known of a parameter, as of those of a kernel."""

    name: str
    default: float
    unit: str
    positive: bool = False
    signed: bool = False
    most: float = np.inf


_UNITS = fields.units(Params)
_MOST = {"U": 1.0}
_PARAMETERS = tuple(
    Parameter(name, default, _UNITS[name], most=_MOST.get(name, np.inf)) for name, default in Params()._asdict().items()
)


class TsodyksMarkram:
    """Short-term depression and facilitation, exact between spikes.

    At a spike u grows by U (1 - u), then u x is released, and x falls by as much; between spikes ``u' = -u / tau_fac``
    and ``x' = (1 - x) / tau_rec``. At first u is 0 and x is 1, so that the first release is U. With tau_fac = 0 u is U
    at each spike, with tau_rec = 0 x is 1: that is the limit, in value and derivative, but for spikes at the same time.

    With tau_psc > 0 what was released is active first and cannot recover yet: a spike moves u x from x to y, and
    then ``y' = -y / tau_psc``, ``z' = y / tau_psc - z / tau_rec`` and ``x' = z / tau_rec``, their sum being 1.
    This is NEURON's tmgsyn (where tau_psc is tau_1) and NEST's tsodyks_synapse; tau_psc = 0 is the limit in which z is
    1 - x, as in NEST's tsodyks2_synapse, in brainpy and in most programs.

    With ``key`` and ``n`` release is random: each of n sites that is filled releases with probability u by itself, and
    each that is empty fills with the probability 1 - exp(-h / tau_rec) in h ms; with tau_psc > 0 each that released
    first waits for a time that is exponentially distributed with that mean. What is returned is the part of the n
    sites that released. Its mean over many keys is the release without one, r, and its variance r (1 - r) / n. Through
    a random number goes no derivative: with ``key`` the one with respect to any parameter or time is 0.

    Parameters:
        U: 0.5, from 0 to 1
        tau_rec: 800.0 ms
        tau_fac: 0.0 ms
        tau_psc: 0.0 ms

    State: u (1), depleted (1), which is 1 - x, and active (1), which is y and may be left out where it is 0

    Sources: Markram, Wang and Tsodyks 1998, PNAS 95:5323; Tsodyks, Pawelzik and Markram 1998, Neural Comput. 10:821;
    Tsodyks, Uziel and Markram 2000, J. Neurosci. 20:RC50; Fuhrmann et al. 2002, J. Neurophysiol. 87:140.
    """

    __slots__ = ()  # nothing of it can be set

    name: ClassVar[str] = "tsodyks_markram"
    Params: ClassVar[Any] = Params
    State: ClassVar[Any] = State
    UNITS: ClassVar[Any] = Params(*(known.unit for known in _PARAMETERS))
    parameters: ClassVar[Mapping[str, Parameter]] = {known.name: known for known in _PARAMETERS}
    variables: ClassVar[Mapping[str, str]] = fields.units(State)
    input: ClassVar[StartsPulse] = StartsPulse(because=", as a release is what weighs them")

    def init(self, params: AnyParams, shape: int | tuple[int, ...], *, dtype: DTypeLike | None = None) -> Any:
        """State at rest: zeros, nothing facilitated and nothing depleted.

        Args:
            params: ``Params``, checked here.
            shape: shape of the state, for example (1000,).
            dtype: floating dtype, by default JAX's default float.

        Returns:
            ``State`` of zeros, each field an array of its own.

        Raises:
            TypeError, ValueError: a shape, dtype or parameter that makes no sense.
        """
        shape, dtype = check_layout(units.params(self, params), shape, dtype, self)
        return self.rest_state(params, shape, dtype)

    def rest_state(self, params: AnyParams, shape: tuple[int, ...], dtype: DTypeLike) -> State:
        """`init` of arguments that have been checked."""
        return State(*(jnp.zeros(shape, dtype) for _ in State._fields))

    def check_params(self, params: AnyParams) -> None:
        """All that must hold is the range of each parameter."""

    def step(
        self,
        params: AnyParams,
        state: AnyState,
        t: ArrayLike,
        spike: ArrayLike,
        dt: ArrayLike,
        *,
        key: Any = None,
        n: int | None = None,
    ) -> tuple[AnyState, Array]:
        """Advance by one step, at whose start a spike acts.

        Args:
            params: ``Params``: U without unit, the time constants in ms.
            state: ``State`` at ``t``.
            t: time at the start of the step in ms; not needed.
            spike: booleans (or 0 and 1), shape of the state, or broadcasting.
            dt: step in ms.
            key: for random release, a key of `jax.random`, of this step alone; synapses draw for themselves. The
                ``depleted`` and ``active`` parts of the state are taken as the nearest whole number of sites.
            n: how many sites a synapse has, with ``key``.

        Returns:
            The state at ``t + dt``, and the release, 0 to 1 and 0 without a spike, shape of the state.

        Raises:
            TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

        The times may be quantities of saiunit. A step with ``key`` draws 2 n numbers a synapse.
        """
        given = bind_step(self, params, _whole(units.state(state, self)), t, spike, dt)
        n = _sites(key, n)
        arrays = cast(without_unused(given.given_params), given.dtype)
        return _one_step(arrays, given.state, given.spike.astype(bool), given.dt, key, n)

    def run(
        self,
        params: AnyParams,
        spikes: ArrayLike,
        dt: ArrayLike,
        *,
        state: AnyState = None,
        key: Any = None,
        n: int | None = None,
        dtype: DTypeLike | None = None,
    ) -> tuple[AnyState, Array]:
        """`step` after step over a train on a grid: what a linear kernel takes in `synkin.simulate`.

        Args:
            params: ``Params``; scalars, or arrays that broadcast against the state.
            spikes: (T, *shape), booleans, or 0 and 1.
            dt: step in ms.
            state: ``State`` to start from, of shape ``shape``; by default at rest.
            key: for random release, a key of `jax.random`; synapses draw for themselves.
            n: how many sites a synapse has, with ``key``.
            dtype: floating dtype of the state where none is given.

        Returns:
            The final state, and the releases, (T, *shape), 0 where there is no spike.

        Raises:
            TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.
        """
        given = bind_train(self, params, spikes, dt, state=_whole(units.state(state, self)), dtype=dtype)
        n = _sites(key, n)
        arrays = cast(without_unused(given.given_params), given.dtype)
        return trace(arrays, given.state, given.spikes.astype(bool), given.dt, key, n)

    def release(
        self,
        params: AnyParams,
        spike_times: ArrayLike,
        *,
        key: Any = None,
        n: int | None = None,
        dtype: DTypeLike | None = None,
    ) -> Array:
        """How much each spike of one synapse releases, from rest, given the spikes' times.

        Derivatives with respect to the parameters and spike times are there, forward and reverse. For many synapses
        use `jax.vmap`, their spike times padded with inf to one length and, for random release, a key for each.

        Args:
            params: ``Params``, scalars.
            spike_times: (K,) ms, in any order; inf pads. Spikes at the same time act one after the other.
            key: for random release, a key of `jax.random`.
            n: how many sites the synapse has, with ``key``.
            dtype: floating dtype of the result, by default JAX's default float.

        Returns:
            (K,), 0 to 1, in the order in which ``spike_times`` came; 0 for padding.

        Raises:
            TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

        Parameters and times may be quantities of saiunit. As in `synkin.respond`, times that come as lists or NumPy
        arrays are subtracted from each other in float64.
        """
        params = units.params(self, params)
        params = nan_if_invalid(check_params(params, (), self), self)
        dtype = float_dtype(dtype)
        spike_times = check_times("spike_times", units.plain("spike_times", spike_times, "ms"), sort=True)
        spike_times = nan_if_invalid_times(spike_times, sort=True)
        n = _sites(key, n)
        rest = self.input.nan_if_invalid_state(self.rest_state(params, (), dtype), params, True)
        arrays = cast(without_unused(params), dtype)
        order, gaps, real = _gaps(spike_times, dtype)
        return _released(arrays, rest, order, gaps, real, key, n)

    def __repr__(self) -> str:
        listed = ", ".join(f"{name}={known.default}" for name, known in self.parameters.items())
        return f"{self.name}({listed})"

    def __reduce__(self) -> str:
        return self.name  # there is one, which pickles and copies by its name


tsodyks_markram = TsodyksMarkram()


class _Move(NamedTuple):
    """What a step does, whatever the state is."""

    U: Array
    faded: Array  # the part of u that is lost in a step
    recovered: Array  # the part of what is inactive that comes back
    ended: Any  # the part of what is active that is so no longer; None where nothing ever is active
    returned: Any  # the part of what is active that comes back


def without_unused(params: AnyParams) -> Any:
    """``Params``, with None for a ``tau_psc`` that is known to be 0: a variable less to step."""
    known = concrete_value(params.tau_psc)
    return params if known is None or known.any() else params._replace(tau_psc=None)


def prepared(params: AnyParams, state: State, dt: object) -> tuple[_Move, State]:
    """The move of a step of ``dt`` ms, and the state that it is for.

    Args:
        params: as `without_unused` gives them, arrays.
        state: arrays.
        dt: of the state's dtype.
    """
    is_used = params.tau_psc is not None
    params = aligned_params(params if is_used else params._replace(tau_psc=0.0), state.u, tsodyks_markram)
    faded, recovered = lost(dt, params.tau_fac), lost(dt, params.tau_rec)
    if not is_used:
        nothing = 0 * state.active  # NaN where that is
        return _Move(params.U, faded, recovered, None, None), state._replace(active=nothing)
    _, returned = after_release(dt, params.tau_psc, params.tau_rec)
    return _Move(params.U, faded, recovered, lost(dt, params.tau_psc), returned), state


def advance(move: _Move, state: State, spike: Array, key: Any = None, n: int | None = None) -> tuple[State, Array]:
    """The state a step later and the release; ``spike`` is boolean and of the state's shape.

    ``move`` and ``state`` are what `prepared` gives, the state that or a later one.
    """
    u = jnp.where(spike, state.u + move.U * (1 - state.u), state.u)
    faded = u - u * move.faded
    if n is None:
        released = jnp.where(spike, u * (1 - state.depleted), 0)
        depleted = state.depleted + released
        # In small steps little changes, and as a difference to what there is it keeps its digits: a product of numbers
        # near 1 would not, nor would an x near 1.
        if move.ended is None:
            return State(faded, depleted - depleted * move.recovered, state.active), released
        active = state.active + released
        filled = (depleted - active) * move.recovered + active * move.returned
        return State(faded, depleted - filled, active - active * move.ended), released
    for_release, for_recovery = jax.random.split(key)
    # Of what is active at no time, as of what is so for 0 ms, nothing is left in a step.
    ended = jnp.ones_like(u) if move.ended is None else jnp.broadcast_to(move.ended, u.shape)
    recovered = jnp.broadcast_to(move.recovered, u.shape)
    returned = recovered if move.returned is None else jnp.broadcast_to(move.returned, u.shape)
    known = ~jnp.isnan(faded + state.depleted + state.active + recovered + returned + ended)
    empty, active = (jnp.where(known, jnp.round(n * part), 0).astype("int32") for part in state[1:])
    site, chances = _sites_of(for_release, u, n)
    count = jnp.where(spike, ((chances < u[None]) & (site < (n - empty)[None])).sum(axis=0, dtype="int32"), 0)
    empty, active = empty + count, active + count
    # Of the empty sites those that are inactive come first.
    site, chances = _sites_of(for_recovery, u, n)
    is_empty, is_active = site < empty[None], site >= (empty - active)[None]
    filled = is_empty & (chances < jnp.where(is_active, returned[None], recovered[None]))
    active = (is_empty & is_active & (chances >= ended[None])).sum(axis=0, dtype="int32")
    empty -= filled.sum(axis=0, dtype="int32")
    # What is drawn with a probability of NaN would be plausible.
    released, depleted, active = (
        jnp.where(known, sites.astype(u.dtype) / n, jnp.nan) for sites in (count, empty, active)
    )
    return State(faded, depleted, active), released


def _sites_of(key: Any, like: Array, n: int) -> tuple[Array, Array]:
    """The number of each of n sites, and a random number from 0 to 1 for each site of each synapse."""
    site = jnp.arange(n, dtype="int32").reshape(n, *(1 for _ in like.shape))
    return site, jax.random.uniform(key, (n, *like.shape), like.dtype)


def _whole(state: AnyState) -> Any:
    """A state whose ``active``, where it was left out, is 0 for each synapse."""
    active: Any = getattr(state, "active", None)
    if not isinstance(state, State) or type(active) is not float or active != 0:
        return state
    shape = np.shape(as_real("state.depleted", state.depleted))
    zeros: Any = np.zeros(shape).tolist()  # a list takes the dtype of the other fields
    return state._replace(active=zeros)


@partial(jax.jit, static_argnames="n")
def _one_step(
    params: AnyParams, state: State, spike: Array, dt: Array, key: object, n: int | None
) -> tuple[State, Array]:
    return advance(*prepared(params, state, dt), spike, key, n)


@partial(jax.jit, static_argnames="n")
def trace(
    params: AnyParams, state: State, spikes: Array, dt: Array, key: Any = None, n: int | None = None
) -> tuple[State, Array]:
    """`TsodyksMarkram.run` of arguments that have been checked."""
    move, state = prepared(params, state, dt)
    state = loops.match_varying(state, (move, state, spikes))

    def body(state: State, row: tuple[Array, Any]) -> tuple[State, Array]:
        spike, key = row
        return advance(move, state, spike, key, n)

    return jax.lax.scan(body, state, (spikes, None if key is None else jax.random.split(key, len(spikes))))


class _Gap(NamedTuple):
    """What becomes of each part between a spike and the next, each (K,); None where nothing ever is active."""

    kept: Array  # what is left of u
    recovered: Array  # of what is inactive, what comes back
    empty: Any = None  # of what is inactive, what stays so
    active: Any = None  # of what is active, what stays so
    inactive: Any = None  # of what is active, what then is inactive
    returned: Any = None  # of what is active, what comes back


@partial(jax.jit, static_argnames="n")
def _released(params: AnyParams, rest: State, order: Array, gaps: Array, real: Array, key: Any, n: int | None) -> Array:
    """The releases of spikes, in the order that they came in.

    Args:
        params, rest: scalars of one dtype.
        order: (K,), which spike is the first, the second, ... in time.
        gaps: (K,) ms since the spike before, in the order of time.
        real: (K,) False for padding, in the order of time.
        key, n: for random release.
    """

    stays, recovered = kept(gaps, params.tau_fac), lost(gaps, params.tau_rec)
    if params.tau_psc is None:
        gap = _Gap(stays, recovered)
    else:
        inactive, returned = after_release(gaps, params.tau_psc, params.tau_rec)
        gap = _Gap(stays, recovered, kept(gaps, params.tau_rec), kept(gaps, params.tau_psc), inactive, returned)

    def facilitated(u: Array, gap: _Gap) -> Array:
        u = u * gap.kept
        return u + params.U * (1 - u)

    # Here x is held, and not what is depleted: it is what is released, and after a large release small. All that
    # happens to x, y and z is a product, or a sum of what is not negative, so that they keep their digits; that their
    # sum is 1 is seen to each time. (To hold 1 - u beside u as well would do no good: in a long train their rounding
    # errors would part them.)
    def spike(carry: tuple[Array, ...], gap: _Gap) -> tuple[tuple[Array, ...], Array]:
        if gap.active is None:
            u, x = carry
            u = facilitated(u, gap)
            x = x + (1 - x) * gap.recovered
            return (u, x * (1 - u)), u * x
        u, x, y, z = carry
        u = facilitated(u, gap)
        x, y, z = x + z * gap.recovered + y * gap.returned, y * gap.active, z * gap.empty + y * gap.inactive
        whole = x + y + z
        x, y, z = x / whole, y / whole, z / whole
        return (u, x * (1 - u), y + u * x, z), u * x

    def draw(carry: tuple[Array, ...], row: tuple[_Gap, Any]) -> tuple[tuple[Array, ...], Array]:
        (u, filled, active), (gap, key) = carry, row
        u = facilitated(u, gap)
        chances = jax.random.uniform(key, (2, len(filled)), u.dtype)
        if gap.active is None:
            filled, known = filled | (chances[0] < gap.recovered), ~jnp.isnan(u + gap.recovered)
        else:
            filled = filled | (chances[0] < jnp.where(active, gap.returned, gap.recovered))
            active = active & (chances[0] >= 1 - gap.active)
            known = ~jnp.isnan(u + gap.recovered + gap.returned + gap.active)
        released = filled & (chances[1] < u)
        count = released.sum(dtype="int32").astype(u.dtype)
        return (u, filled & ~released, active | released), jnp.where(known, count / len(filled), jnp.nan)

    # Of spikes of which one comes at no time nothing is known.
    start = rest.u + 0 * gaps.sum()
    step: Any = spike if n is None else draw
    if n is None:
        carry: Any = (start, 1 - rest.depleted)
        carry += () if params.tau_psc is None else (rest.active, rest.depleted - rest.active)
    else:
        carry = (start, jnp.ones(n, bool), jnp.zeros(n, bool))
    rows: Any = gap if n is None else (gap, jax.random.split(key, len(gaps)))
    _, released = jax.lax.scan(step, loops.match_varying(carry, (params, carry, rows)), rows)
    released = jnp.where(real, released, 0 * start)
    return jnp.zeros_like(released).at[order].set(released, unique_indices=True)


def _gaps(spike_times: Any, dtype: Any) -> tuple[Array, Array, Array]:
    """The order of spikes in time and, in that order, the ms since the spike before and which are no padding."""
    traced = isinstance(spike_times, jax.Array)
    xp = jnp if traced else np  # plain numbers are subtracted in float64 before they are cast
    times = xp.asarray(spike_times, dtype if traced else float)
    order = xp.argsort(times, stable=True)
    times = times[order]
    real = times < xp.inf
    # NaN sorts behind the padding, where no other spike would hear of it.
    safe = xp.where(times == xp.inf, xp.zeros_like(times), times)
    before = xp.concatenate([safe[:1], safe[:-1]])
    gaps = xp.where(times == xp.inf, xp.zeros_like(times), safe - before)
    return jnp.asarray(order), jnp.asarray(gaps, dtype), jnp.asarray(real)


def _sites(key: object, n: object) -> int | None:
    """``n`` as an int, or None where release is not random.

    Raises:
        TypeError, ValueError: no random key, no whole number of sites, or one without the other.
    """
    if key is None and n is None:
        return None
    if key is None or n is None:
        missing = "key" if key is None else "n"
        raise ValueError(f"Arguments `key` and `n` must be given together, but `{missing}` is not.")
    check_random_key("key", key)
    return check_whole("n", n)
