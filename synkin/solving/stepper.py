"""A kernel made ready for one set of parameters and one dt: the step for a scan of one's own.

    stepper = synkin.stepper(synkin.ampa, params, dt=0.1)
    carry, g = jax.lax.scan(stepper.step, stepper.init((1000,)), spikes)

All that depends on parameters and dt alone is computed here, once. `synkin.simulate` is a scan of the same step with a
derivative of its own, `kernel.step` is one of them, the objects hold one.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import fields, units
from synkin.arguments.choices import check_flag, check_kernel
from synkin.arguments.inputs import check_spike
from synkin.arguments.known import concrete_value, is_concrete
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_array
from synkin.arguments.params_and_states import (
    check_params,
    check_state,
    common_shape,
    nan_if_invalid,
    nan_if_invalid_state,
)
from synkin.arguments.shapes import float_dtype
from synkin.arguments.times import check_dt, nan_if_invalid_dt
from synkin.solving import coefficients, pulses

# Two dt, and two lengths of a pulse, that differ by less than this part are the same but for rounding.
_SAME = 1e-4


@jax.tree_util.register_static
@dataclass(frozen=True, eq=False)
class Owner:
    """Whose a carry is: part of its tree's structure. There is one of each, from `_owner`: compared with every call."""

    kernel: Any
    method: str

    def __reduce__(self) -> tuple[Any, ...]:
        return _owner, (self.kernel, self.method)

    def __str__(self) -> str:
        return f"{self.kernel.name} with {self.method!r}"


@functools.cache
def _owner(kernel: Any, method: str) -> Owner:
    return Owner(kernel, method)


@fields.described
class Carry(NamedTuple):
    """What goes from step to step. `Stepper.state` makes the kernel's ``State`` of it."""

    y: Annotated[tuple[Array, ...], "the variables, each of the state's shape, units as in the kernel's"]
    count: Annotated[
        Any,
        "int32 of the state's shape, how far each pulse reaches (see `synkin.solving.pulses`); None without pulses",
    ]
    before: Annotated[
        Any,
        'of pulses that were under way at the start: how long their last step is (ms) and, with "exact", what it does; '
        "None without",
    ]
    grid: Annotated[
        tuple[Array, ...],
        'the dt in which pulses are counted, and with "exact" how long they last (ms); none without pulses',
    ]
    owner: Annotated[Owner, "the kernel and the method that it is of"]


class CarryOfSum(NamedTuple):
    """The same of a sum of kernels."""

    parts: tuple[Carry, ...]

    @property
    def y(self) -> tuple[Array, ...]:
        """Variables of all parts."""
        return tuple(variable for part in self.parts for variable in part.y)

    @property
    def count(self) -> Any:
        """How far the pulses of each part reach."""
        return tuple(part.count for part in self.parts)


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
    moves: Any  # `synkin.solving.coefficients.Moves`; None of a sum, whose parts have their own
    method: str
    overlap: str

    @property
    def dtype(self) -> Any:
        """The floating dtype in which the coefficients were computed, and that of a state at rest."""
        return self.dt.dtype

    def init(self, shape: int | tuple[int, ...] | None = None, *, state: Any = None, on_grid: bool = False) -> Carry:
        """What the first step takes.

        Args:
            shape: of the state, for example (1000,), which is then at rest.
            state: the kernel's ``State`` to start from instead, whose dtype the steps keep.
            on_grid: whether the pulses under way in ``state`` end as all pulses of this stepper do, as those of its own
                `state` and of a run with its ``T_dur`` and dt. Then the carry has the tree of one at rest, so that
                `jax.lax.cond` takes the two, and a step costs as much. The derivative with respect to a pulse's end is
                then in ``T_dur`` alone, and none is in ``pulse_left``.

        Returns:
            The carry. Where ``on_grid`` is False and the method "exact", pulses under way may have a last step of a
            length of their own, for which there is more in the carry, and a step costs more. Else all carries of a
            stepper have one tree. Within `jax.shard_map` a loop's carry must vary as its spikes do:
            ``jax.lax.pcast(carry, "axis", to="varying")``.

        Raises:
            TypeError, ValueError: neither or both of the two, one that does not fit the kernel and its parameters, or
                with ``on_grid`` pulses that do not end so (NaN where they are traced).
        """
        if (shape is None) == (state is None):
            raise TypeError("A stepper's `init` must be given a shape or state=, one of the two.")
        on_grid = check_flag("on_grid", on_grid)
        if state is None:
            state = self.kernel.init(self.params, shape, dtype=self.dtype)
            return carry_of(self, self.guarded(state), at_rest=True)
        state = check_state(self.kernel, units.state(state, self.kernel))
        check_params(self.params, state[0].shape, self.kernel)
        if on_grid:
            return _carry_on_grid(self, self.guarded(state))
        return carry_of(self, self.guarded(state), at_rest=False)

    def step(self, carry: Carry, spike: ArrayLike) -> tuple[Carry, Array]:
        """Advance by one step.

        Args:
            carry: from `init` or the step before.
            spike: for a receptor booleans (or 0 and 1), acting from the step's start; for a linear kernel an input in
                mS (or booleans for 1 mS), added at its end. Shape of the state, or broadcasting.

        Returns:
            The carry and g, both at the end of the step: as `jax.lax.scan` has it.

        Raises:
            TypeError, ValueError: a spike of the wrong kind, shape or value, one for a receptor that is differentiated,
                or the carry of a stepper of another kernel, method, dt or (with "exact") ``T_dur``.

        What is traced gives NaN instead: a spike for a receptor that is neither 0 nor 1, a carry of another dt.
        """
        self._check(carry)
        like = carry.y[0]
        spike = units.plain("spike", spike, units.of_input(self.kernel))
        return _stepped(self, carry, check_spike(spike, like, takes_weights=self.kernel.TAKES_WEIGHTS))

    def state(self, carry: Carry) -> Any:
        """The kernel's ``State`` that a carry stands for; errors are as of `step`."""
        self._check(carry)
        own = _with(_fitted(self.moves, carry.y[0]), carry.before)
        y = carry.y
        if carry.grid:
            y = tuple(variable + _nan_unless_counted_so(carry, own) for variable in y)
        return state_of(self.kernel, own, y, carry.count)

    def _check(self, carry: Any) -> None:
        """Raise TypeError or ValueError unless ``carry`` is of a stepper that counts pulses as this one does."""
        if not isinstance(carry, Carry):
            raise TypeError(f"Argument `carry` must be one of this stepper's `init`, but is {describe(carry)}.")
        owner = carry.owner
        if owner.kernel is not self.kernel or owner.method != self.method:
            raise ValueError(
                f"Argument `carry` must be of a stepper of {_owner(self.kernel, self.method)}, but is of {owner}."
            )
        size = len(carry.grid)
        given = (self.moves.dt, *(self.moves.pulse or ())[:2]) if size > 1 else (self.moves.dt,)
        known: list[Any] = [concrete_value(value) for value in (*carry.grid, *given)]
        if not size or any(value is None for value in known):
            return
        grid, own = known[:size], known[size:]
        if size > 1:
            own = [*_grid(*own)]
        if not all(one.shape == other.shape and (one == other).all() for one, other in zip(grid, own, strict=True)):
            if _alike(grid, own, np).all():
                return
            of = "another T_dur" if _alike(grid[:1], own[:1], np) else f"dt = {grid[0]:.6g} ms"
            raise ValueError(
                f"Argument `carry` must be of a stepper with this one's dt = {own[0]:.6g} ms and T_dur, as it counts "
                f"pulses in steps, but is of one with {of}: go on from its state, init(state=its_stepper.state(carry))."
            )

    @property
    def dt(self) -> Array:
        """The step, ms."""
        return self.moves.dt

    def guarded(self, state: Any) -> Any:
        """``state``, NaN where a traced parameter is."""
        return nan_if_invalid_state(state, self.params, True, takes_weights=self.kernel.TAKES_WEIGHTS)

    def __repr__(self) -> str:
        dt = self.dt
        known = f"{float(dt):.6g} ms" if is_concrete(dt) else "traced"
        return f"stepper({self.kernel.name}, dt={known}, method={self.method!r}, overlap={self.overlap!r})"


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["params", "parts", "relative"],
    meta_fields=["kernel", "moves", "method", "overlap"],
)
@dataclass(frozen=True, repr=False)
class StepperOfSum(Stepper):
    """That of a `synkin.declaring.sums.Sum`: one for each part, which all see the same spikes."""

    parts: tuple[Stepper, ...]
    relative: tuple[Array, ...]  # conductance of each part but the first, relative to that of the first

    @property
    def dt(self) -> Array:
        """The step, ms."""
        return self.parts[0].dt

    def state(self, carry: Any) -> Any:
        """The sum's ``State`` that a carry stands for."""
        self._check(carry)
        return self.kernel.state_of(part.state(own) for part, own in zip(self.parts, carry.parts, strict=True))

    def _check(self, carry: Any) -> None:
        if not isinstance(carry, CarryOfSum) or len(carry.parts) != len(self.parts):
            raise TypeError(f"Argument `carry` must be one of this stepper's `init`, but is {describe(carry)}.")
        for part, own in zip(self.parts, carry.parts, strict=True):
            part._check(own)


@jax.jit
def _stepped(stepper: Stepper, carry: Any, spike: Array) -> tuple[Any, Array]:
    """`Stepper.step`, compiled once where it is called outside of a compiled loop."""
    if isinstance(stepper, StepperOfSum):
        parts = zip(stepper.parts, carry.parts, strict=True)
        carries, gs = zip(*(_stepped(part, at, spike) for part, at in parts), strict=True)
        return CarryOfSum(carries), stepper.kernel.total(stepper.relative, gs)
    kernel = stepper.kernel
    own = _with(_fitted(stepper.moves, carry.y[0]), carry.before)
    y, count, drive = carry.y, carry.count, spike
    if count is not None:
        wrong = _nan_unless_counted_so(carry, own)
        if spike.dtype != bool:
            wrong = jnp.where((spike == 0) | (spike == 1), wrong, np.asarray(np.nan, wrong.dtype))
        y = tuple(variable + wrong for variable in y)
        drive = pulses.arrive(own.pulse, own.before, count, spike, 0, stepper.overlap)
        count = jnp.maximum(pulses.pass_step(drive), 0)
    y = _advance(kernel, stepper.method, own, y, drive)
    return carry._replace(y=y, count=count), coefficients.output(kernel, own.output, y)


# A derivative of a loop keeps the variables and the drive of a step, and computes the rest of it again.
@partial(jax.checkpoint, prevent_cse=False, static_argnums=(0, 1))
def _advance(
    kernel: Any, method: str, own: coefficients.Moves, y: tuple[Array, ...], drive: Array
) -> tuple[Array, ...]:
    return coefficients.advance(kernel, method, own, y, drive)


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

    Works under jit, vmap, grad, scan and sharding, and is itself a pytree. Steps may go on for ever.

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
    check_kernel(kernel)
    kernel.check_options(method, overlap)
    params = units.params(kernel, params)
    params = check_params(params, common_shape(params, kernel), kernel)
    params = nan_if_invalid(params, kernel)
    dt = nan_if_invalid_dt(check_dt(units.plain("dt", dt, "ms")))
    warn_of_rounding(kernel, params, dt, method)
    return prepared(kernel, params, dt, method, overlap, float_dtype(dtype))


_warned: set[str] = set()


def warn_of_rounding(kernel: Any, params: Any, dt: Any, method: str | None) -> None:
    """Say, once in a process, that "exp_euler" makes a pulse longer by more than 1 %, where T_dur and dt are known.

    Args:
        kernel, method: as for `stepper`.
        params: ``Params`` that have been checked.
        dt: ms.
    """
    if kernel.TAKES_WEIGHTS or kernel.solved_by(method) != "exp_euler":
        return
    for part, own in zip(kernel.parts, kernel.params_of(params) if len(kernel.parts) > 1 else (params,), strict=True):
        T_dur, step = concrete_value(own.T_dur), concrete_value(dt)
        if T_dur is None or step is None or not T_dur.size:
            continue
        lasts = pulses.whole_steps(T_dur, step)
        off = np.abs(lasts - T_dur) - 0.01 * T_dur
        if off.max() <= 0:
            continue
        i = off.argmax()
        by = 'take method="exact", or a dt' if "exact" in kernel.methods else "take a dt"
        text = (
            f"A pulse of {part.name} with T_dur = {T_dur.flat[i]:.6g} ms lasts {lasts.flat[i]:.6g} ms with "
            f'"exp_euler" at dt = {float(step):.6g} ms, where pulses are of whole steps: {by} that divides T_dur.'
        )
        if text not in _warned:
            depth, frame = 1, sys._getframe()
            while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "synkin":
                depth, frame = depth + 1, frame.f_back
            warnings.warn(text, stacklevel=depth)
            _warned.add(text)


def prepared(
    kernel: Any, params: Any, dt: ArrayLike, method: str | None, overlap: str, dtype: Any, *, once: bool = False
) -> Stepper:
    """A `Stepper` of arguments that have been checked; see `synkin.solving.coefficients.prepare` for ``once``."""
    method = kernel.solved_by(method)
    params = jax.tree.map(lambda value: as_array(value, dtype), params)
    if len(kernel.parts) > 1:
        own = zip(kernel.parts, kernel.params_of(params), strict=True)
        parts = tuple(prepared(part, given, dt, method, overlap, dtype, once=once) for part, given in own)
        return StepperOfSum(kernel, params, None, method, overlap, parts, kernel.relative(params))
    # Parameters of several ranks meet in the coefficients.
    ranked = _fitted(params, jnp.zeros((1,) * max(value.ndim for value in params), dtype))
    ready = coefficients.prepare(kernel, ranked, as_array(dt, dtype), method, once=once)
    return Stepper(kernel, params, ready, method, overlap)


def begun(stepper: Stepper, state: Any, *, at_rest: bool) -> tuple[coefficients.Moves, tuple[Array, ...], Array | None]:
    """The moves, variables and count of the pulse with which a run begins at ``state``."""
    kernel = stepper.kernel
    y = tuple(getattr(state, name) for name in kernel.order)
    own = _fitted(stepper.moves, y[0])
    if kernel.TAKES_WEIGHTS:
        return own, y, None
    own = coefficients.begun(own, y)
    if at_rest:
        return own, y, jnp.zeros(y[0].shape, jnp.int32)
    own, count = coefficients.continued(kernel, _fitted(stepper.params, y[0]), own, state.pulse_left, stepper.method)
    return own, y, count


def state_of(kernel: Any, own: coefficients.Moves, y: tuple[Array, ...], count: Array | None) -> Any:
    """The kernel's ``State`` of variables and the count of the step to come."""
    fields = dict(zip(kernel.order, y, strict=True))
    if count is not None:
        fields["pulse_left"] = jnp.broadcast_to(pulses.left(own.pulse, own.before, count, own.dt), count.shape)
    return kernel.State(**fields)


def carry_of(stepper: Stepper, state: Any, *, at_rest: bool) -> Any:
    """The carry of a run that begins at ``state``, no pulse being under way if it is at rest."""
    if isinstance(stepper, StepperOfSum):
        parts = zip(stepper.parts, stepper.kernel.states_of(state), strict=True)
        return CarryOfSum(tuple(carry_of(part, at, at_rest=at_rest) for part, at in parts))
    own, y, count = begun(stepper, state, at_rest=at_rest)
    return carried(stepper, y, count, own.before, own.last_before)


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
        return carried(stepper, y, None)
    own = _fitted(stepper.moves, y[0])
    return carried(stepper, y, pulses.counted(own.pulse, state.pulse_left, own.dt))


def carried(stepper: Stepper, y: tuple[Array, ...], count: Any, before: Any = None, last_before: Any = None) -> Carry:
    """The carry of variables and the count of the step to come.

    Args:
        stepper: of one kernel.
        y: variables.
        count: see `synkin.solving.pulses`; None for a linear kernel.
        before, last_before: as in `synkin.solving.coefficients.Moves`.
    """
    owner = _owner(stepper.kernel, stepper.method)
    if count is None:
        return Carry(y, None, None, (), owner)
    own = _fitted(stepper.moves, y[0])
    # Arrays of its own, which may be donated.
    grid = tuple(jnp.array(jax.lax.stop_gradient(each), copy=True) for each in _grid_of(own))
    if own.last is None:  # pulses of whole steps: all that is of its own is how much of a pulse they stand for
        last = jnp.zeros(count.shape, own.dt.dtype) if before is None else jnp.broadcast_to(before.last, count.shape)
        return Carry(y, count, last, grid, owner)
    return Carry(y, count, None if before is None else (before.last, before.over, last_before), grid, owner)


def _carry_on_grid(stepper: Stepper, state: Any) -> Any:
    """`resumed`, refused or NaN where a pulse of ``state`` does not lie on the stepper's grid."""
    if isinstance(stepper, StepperOfSum):
        parts = zip(stepper.parts, stepper.kernel.states_of(state), strict=True)
        return CarryOfSum(tuple(_carry_on_grid(part, at) for part, at in parts))
    if stepper.method == "exp_euler" or stepper.kernel.TAKES_WEIGHTS:
        return carry_of(stepper, state, at_rest=False)
    own = _fitted(stepper.moves, state[0])
    given = jax.lax.stop_gradient((own.pulse, state.pulse_left, own.dt))
    if all(map(is_concrete, jax.tree.leaves(given))):
        with jax.ensure_compile_time_eval():
            good = np.asarray(pulses.is_on_grid(*given))
        if not good.all():
            left = np.asarray(state.pulse_left)[~good].flat[0]
            raise ValueError(
                "Argument `state` must have pulses that end as those of this stepper do where `on_grid` is True, but "
                f"has a pulse_left of {left:.6g} ms: leave `on_grid` out."
            )
        return resumed(stepper, state)
    one = jnp.where(pulses.is_on_grid(*given), jnp.ones((), own.dt.dtype), np.asarray(np.nan, own.dt.dtype))
    return resumed(stepper, jax.tree.map(lambda field: field * one, state))


def _with(own: coefficients.Moves, before: Any) -> coefficients.Moves:
    """The moves of a run, and those of pulses that were under way at its start, which a carry holds."""
    if before is None:
        return own
    if own.last is None:
        return own._replace(before=own.pulse._replace(last=before))
    last, over, last_before = before
    return own._replace(before=pulses.Pulse(own.pulse.full, last, over), last_before=last_before)


def _grid(dt: Any, full: Any, last: Any) -> tuple[Any, ...]:
    """What a pulse's count has a meaning with: dt and, where a pulse may end within a step, how long it lasts, ms."""
    return dt, (full // 2 - 1).astype(dt.dtype) * dt + last


def _grid_of(own: coefficients.Moves) -> tuple[Array, ...]:
    grid = _grid(own.dt, own.pulse.full, own.pulse.last)
    return grid[:1] if own.last is None else grid


def _alike(grid: Sequence[Any], own: Sequence[Any], xp: Any) -> Any:
    """Whether two `_grid` are the same but for rounding."""
    same = _SAME + 4 * float(jnp.finfo(grid[0].dtype).eps)
    good = xp.abs(grid[0] - own[0]) <= same * own[0]
    for one, other in zip(grid[1:], own[1:], strict=True):
        good = good & (xp.abs(one - other) <= same * xp.maximum(other, own[0]))
    return good


def _nan_unless_counted_so(carry: Carry, own: coefficients.Moves) -> Array:
    """0 where the pulses of a carry are counted as this stepper counts them, else NaN.

    XLA takes it out of a loop; added, and not multiplied by, it costs a derivative nothing.
    """
    good = _alike(carry.grid, jax.lax.stop_gradient(_grid_of(own)), jnp)
    return jnp.where(good, jnp.zeros((), carry.grid[0].dtype), np.asarray(np.nan, carry.grid[0].dtype))


def _fitted(tree: Any, like: Array) -> Any:
    """Arrays of a state's dtype and, if they are no scalars, of its rank: JAX may have been told to promote neither."""

    def fitted(x: Array) -> Array:
        x = x.reshape((1,) * (like.ndim - x.ndim) + x.shape) if 0 < x.ndim < like.ndim else x
        return x.astype(like.dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x

    return jax.tree.map(fitted, tree)
