"""A kernel made ready for one set of parameters and one dt: the step for a scan of one's own.

    stepper = synkin.stepper(synkin.ampa, params, dt=0.1)
    carry, g = jax.lax.scan(stepper.step, stepper.init((1000,)), spikes)

All that depends on parameters and dt alone is computed here, once. `synkin.simulate` is a scan of the same step with a
derivative of its own, `kernel.step` is one of them, the objects hold one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from synkin import checks, fields, moves, transmitter, units


@fields.described
class Carry(NamedTuple):
    """What goes from step to step. `Stepper.state` makes the kernel's ``State`` of it."""

    y: Annotated[tuple[Array, ...], "the variables, each of the state's shape, units as in the kernel's"]
    ends: Annotated[
        Any, "int32, the row at which each pulse ends, counted as `synkin.transmitter` says; None without pulses"
    ]
    row: Annotated[Any, "int32, steps taken; None without pulses"]
    before: Annotated[
        tuple[Any, Any] | None,
        "of a run that began at a state: how the pulses lie that were under way, and their last step; else None",
    ]


class CarryOfSum(NamedTuple):
    """The same of a sum of kernels."""

    parts: tuple[Carry, ...]

    @property
    def y(self) -> tuple[Array, ...]:
        """Variables of all parts."""
        return tuple(variable for part in self.parts for variable in part.y)

    @property
    def ends(self) -> Any:
        """The rows at which the pulses of each part end."""
        return tuple(part.ends for part in self.parts)


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["params", "moves"],
    meta_fields=["kernel", "method", "overlap"],
)
@dataclass(frozen=True, repr=False)
class Stepper:
    """See `stepper`. A pytree: it may be closed over, or be an argument and a result of transformed functions."""

    kernel: Any
    params: Any  # the kernel's Params, arrays
    moves: Any  # `synkin.moves.Moves`; None of a sum, whose parts have their own
    method: str
    overlap: str

    @property
    def dtype(self) -> Any:
        """The floating dtype in which the coefficients were computed, and that of a state at rest."""
        return self.dt.dtype

    def init(self, shape: int | tuple[int, ...] | None = None, *, state: Any = None) -> Carry:
        """What the first step takes.

        Args:
            shape: of the state, for example (1000,), which is then at rest.
            state: the kernel's ``State`` to start from instead, whose dtype the steps keep.

        Returns:
            The carry. From rest steps are cheapest: no pulse is under way whose last step has a length of its own.
            Within `jax.shard_map` a loop's carry must vary as its spikes do: ``jax.lax.pcast(carry, "axis",
            to="varying")``.

        Raises:
            TypeError, ValueError: neither or both of the two, or one that does not fit the kernel and its parameters.
        """
        if (shape is None) == (state is None):
            raise TypeError("A stepper's `init` must be given a shape or state=, one of the two.")
        if state is None:
            state = self.kernel.init(self.params, shape, dtype=self.dtype)
            return carry_of(self, self.guarded(state), at_rest=True)
        state = checks.state(self.kernel, units.state(state, self.kernel))
        checks.params(self.params, state[0].shape, self.kernel)
        return carry_of(self, self.guarded(state), at_rest=False)

    def step(self, carry: Carry, spike: ArrayLike) -> tuple[Carry, Array]:
        """Advance by one step.

        Args:
            carry: from `init` or the step before.
            spike: for a receptor booleans (or numbers, true where not 0), acting from the step's start; for a linear
                kernel an input in mS (or booleans for 1 mS), added at its end. Shape of the state, or broadcasting.

        Returns:
            The carry and g, both at the end of the step: as `jax.lax.scan` has it.

        Raises:
            TypeError, ValueError: a spike of the wrong kind or shape.
        """
        like = carry.y[0]
        spike = checks.spike_input(units.plain("spike", spike, units.of_input(self.kernel)), like)
        return _stepped(self, carry, spike)

    def state(self, carry: Carry) -> Any:
        """The kernel's ``State`` that a carry stands for."""
        own = _with(_fitted(self.moves, carry.y[0]), carry.before)
        count = None if carry.ends is None else transmitter.count(carry.ends, carry.row)
        return state_of(self.kernel, own, carry.y, count)

    @property
    def dt(self) -> Array:
        """The step, ms."""
        return self.moves.dt

    def guarded(self, state: Any) -> Any:
        """``state``, NaN where a traced parameter is."""
        return checks.guarded_state(state, self.params, True, takes_weights=self.kernel.TAKES_WEIGHTS)

    def __repr__(self) -> str:
        dt = self.dt
        known = f"{float(dt):.6g} ms" if checks.is_concrete(dt) else "traced"
        return f"stepper({self.kernel.name}, dt={known}, method={self.method!r}, overlap={self.overlap!r})"


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["params", "parts", "relative"],
    meta_fields=["kernel", "moves", "method", "overlap"],
)
@dataclass(frozen=True, repr=False)
class StepperOfSum(Stepper):
    """That of a `synkin.sums.Sum`: one for each part, which all see the same spikes."""

    parts: tuple[Stepper, ...]
    relative: tuple[Array, ...]  # conductance of each part but the first, relative to that of the first

    @property
    def dt(self) -> Array:
        """The step, ms."""
        return self.parts[0].dt

    def state(self, carry: Any) -> Any:
        """The sum's ``State`` that a carry stands for."""
        return self.kernel.state_of(part.state(own) for part, own in zip(self.parts, carry.parts, strict=True))


@jax.jit
def _stepped(stepper: Stepper, carry: Any, spike: Array) -> tuple[Any, Array]:
    """`Stepper.step`, compiled once where it is called outside of a compiled loop."""
    if isinstance(stepper, StepperOfSum):
        parts = zip(stepper.parts, carry.parts, strict=True)
        carries, gs = zip(*(_stepped(part, at, spike) for part, at in parts), strict=True)
        return CarryOfSum(carries), stepper.kernel.total(stepper.relative, gs)
    kernel = stepper.kernel
    own = _with(_fitted(stepper.moves, carry.y[0]), carry.before)
    y = checks.guarded_state(carry.y, (), spike, takes_weights=kernel.TAKES_WEIGHTS)
    ends, row = carry.ends, carry.row
    drive: Any = spike
    if ends is not None:
        ends = transmitter.arrive(own.pulse, own.before, ends, spike, row, stepper.overlap)
        drive, row = (ends, row), row + 1
    y = _advance(kernel, stepper.method, own, y, drive)
    return Carry(y, ends, row, carry.before), moves.output(kernel, own.output, y)


# A derivative of a loop keeps the variables and the drive of a step, and computes the rest of it again.
@partial(jax.checkpoint, prevent_cse=False, static_argnums=(0, 1))
def _advance(kernel: Any, method: str, own: moves.Moves, y: tuple[Array, ...], drive: Any) -> tuple[Array, ...]:
    return moves.advance(kernel, method, own, y, drive)


def stepper(
    kernel: Any,
    params: Any,
    dt: ArrayLike,
    *,
    method: str | None = None,
    overlap: str = "restart",
    dtype: Any = None,
) -> Stepper:
    """A kernel made ready for steps of one length: as fast in a loop of one's own as `synkin.simulate`.

    Works under jit, vmap, grad, scan and sharding, and is itself a pytree. A run of steps is at most 2**28 long; from
    there go on with ``stepper.init(state=stepper.state(carry))``.

    Args:
        kernel: a kernel such as `synkin.ampa`.
        params: its ``Params``; scalars, or arrays that broadcast against the state.
        dt: step in ms.
        method: "exp_euler" (brainpy.state's scheme, and the default where there is one) or "exact".
        overlap: for the receptors, "restart" (a spike during a pulse starts it anew) or "ignore" (it does nothing).
        dtype: floating dtype of states and of g; by default JAX's default float.

    Returns:
        `Stepper` with ``init``, ``step(carry, spike) -> (carry, g)`` and ``state``.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

    ``params``, ``dt`` and a state may be quantities of saiunit; g is plain, in mS.
    """
    checks.kernel(kernel)
    kernel.check_options(method, overlap)
    params = units.params(kernel, params)
    params = checks.params(params, checks.common_shape(params, kernel), kernel)
    params = checks.guarded(params, kernel)
    dt = checks.guarded_dt(checks.positive_dt(units.plain("dt", dt, "ms")))
    return prepared(kernel, params, dt, method, overlap, checks.float_dtype(dtype))


def prepared(
    kernel: Any, params: Any, dt: ArrayLike, method: str | None, overlap: str, dtype: Any, *, once: bool = False
) -> Stepper:
    """A `Stepper` of arguments that have been checked; see `synkin.moves.prepare` for ``once``."""
    method = kernel.solved_by(method)
    params = jax.tree.map(lambda value: checks.array(value, dtype), params)
    if len(kernel.parts) > 1:
        own = zip(kernel.parts, kernel.params_of(params), strict=True)
        parts = tuple(prepared(part, given, dt, method, overlap, dtype, once=once) for part, given in own)
        return StepperOfSum(kernel, params, None, method, overlap, parts, kernel.relative(params))
    # Parameters of several ranks meet in the coefficients.
    ranked = _fitted(params, jnp.zeros((1,) * max(value.ndim for value in params), dtype))
    ready = moves.prepare(kernel, ranked, checks.array(dt, dtype), method, once=once)
    return Stepper(kernel, params, ready, method, overlap)


def begun(stepper: Stepper, state: Any, *, at_rest: bool) -> tuple[moves.Moves, tuple[Array, ...], Array | None]:
    """The moves, variables and count of the pulse with which a run begins at ``state``."""
    kernel = stepper.kernel
    y = tuple(getattr(state, name) for name in kernel.order)
    own = _fitted(stepper.moves, y[0])
    if kernel.TAKES_WEIGHTS:
        return own, y, None
    own = moves.begun(own, y[0])
    if at_rest:
        return own, y, jnp.zeros(y[0].shape, jnp.int32)
    own, count = moves.continued(kernel, _fitted(stepper.params, y[0]), own, state.pulse_left, stepper.method)
    return own, y, count


def state_of(kernel: Any, own: moves.Moves, y: tuple[Array, ...], count: Array | None) -> Any:
    """The kernel's ``State`` of variables and the count of the step to come."""
    fields = dict(zip(kernel.order, y, strict=True))
    if count is not None:
        fields["pulse_left"] = jnp.broadcast_to(transmitter.left(own.pulse, own.before, count, own.dt), count.shape)
    return kernel.State(**fields)


def carry_of(stepper: Stepper, state: Any, *, at_rest: bool) -> Any:
    """The carry of a run that begins at ``state``, no pulse being under way if it is at rest."""
    if isinstance(stepper, StepperOfSum):
        parts = zip(stepper.parts, stepper.kernel.states_of(state), strict=True)
        return CarryOfSum(tuple(carry_of(part, at, at_rest=at_rest) for part, at in parts))
    own, y, ends = begun(stepper, state, at_rest=at_rest)
    row = None if ends is None else jnp.zeros((), jnp.int32)
    before = None if own.before is None else (own.before, own.last_before)
    return Carry(y, ends, row, before)


def resumed(stepper: Stepper, state: Any) -> Any:
    """The carry of a run that goes on at ``state``, of which steps of this very stepper have counted down the pulses.

    It costs no exponential: no pulse has a last step of its own, as those may have that `carry_of` begins with.
    """
    if isinstance(stepper, StepperOfSum):
        parts = zip(stepper.parts, stepper.kernel.states_of(state), strict=True)
        return CarryOfSum(tuple(resumed(part, at) for part, at in parts))
    kernel, state = stepper.kernel, stepper.guarded(state)
    y = tuple(getattr(state, name) for name in kernel.order)
    if kernel.TAKES_WEIGHTS:
        return Carry(y, None, None, None)
    own = _fitted(stepper.moves, y[0])
    ends = transmitter.counted(own.pulse, state.pulse_left, own.dt)
    return Carry(y, ends, jnp.zeros((), jnp.int32), (None, None))


def _with(own: moves.Moves, before: tuple[Any, Any] | None) -> moves.Moves:
    """The moves of a run from rest, or from any state: then each step looks at whether a gate leaves its table."""
    return own if before is None else own._replace(before=before[0], last_before=before[1], beyond=None)


def _fitted(tree: Any, like: Array) -> Any:
    """Arrays of a state's dtype and, if they are no scalars, of its rank: JAX may have been told to promote neither."""

    def fitted(x: Array) -> Array:
        x = x.reshape((1,) * (like.ndim - x.ndim) + x.shape) if 0 < x.ndim < like.ndim else x
        return x.astype(like.dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x

    return jax.tree.map(fitted, tree)
