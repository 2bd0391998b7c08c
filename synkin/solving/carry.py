"""The carry that a `synkin.stepper` hands from step to step, and the check that it is one of that stepper.

A carry counts pulses in steps, so it is valid only for the dt and, with "exact", the ``T_dur`` of its count. It holds
these. A stepper with other values refuses it, or gives NaN where they are traced.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Annotated, Any, NamedTuple, NoReturn, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments import fields
from synkin.arguments.declaration import Pytree
from synkin.arguments.known import concrete_value
from synkin.arguments.messages import describe
from synkin.solving import coefficients, pulses
from synkin.solving.kernel_protocol import Kernel

Tree = TypeVar("Tree")  # a pytree of arrays
AnyArray: TypeAlias = Any  # of JAX or of NumPy

# Two dt, or two lengths of a pulse, count as equal if they differ by less than this fraction.
_SAME = 1e-4


@jax.tree_util.register_static
@dataclass(frozen=True, eq=False)
class Owner:
    """The kernel and the method of a carry.

    It is part of the carry's tree structure, which JAX compares in every call. `owner_of` returns the same object each
    time, so that this comparison is one of identity.
    """

    kernel: Kernel
    method: str

    def __reduce__(self) -> tuple[Callable[[Kernel, str], Owner], tuple[Kernel, str]]:
        return owner_of, (self.kernel, self.method)

    def __str__(self) -> str:
        return f"{self.kernel.name} with {self.method!r}"


@functools.cache
def owner_of(kernel: Kernel, method: str) -> Owner:
    """The only `Owner` of this kernel and method."""
    return Owner(kernel, str(method))  # equal for a string of NumPy, and shown as a plain one


Progress: TypeAlias = list[tuple[tuple[Array, ...], Array | None, Array | None]]
"""What a step changes in a carry, for each part of the kernel: the variables, count and height of the pulse if any."""


@fields.described
class Carry(NamedTuple):
    """What a `synkin.Stepper` passes from step to step. Its ``state(carry)`` gives the kernel's ``State``.

    Example:
        >>> stepper = synkin.stepper(synkin.ampa, synkin.ampa.Params(), 0.1, method="exact")
        >>> carry, g = stepper.step(stepper.init((2,)), [True, False])
        >>> print(stepper.state(carry).g.round(4))
        [0.0474 0.]
    """

    y: Annotated[tuple[Array, ...], "the variables, each of the state's shape, units as in the kernel's"]
    count: Annotated[
        Any,  # not Array | None, as tuples have a method of this name
        "int32 of the state's shape, the count of each pulse in the step before (see `synkin.solving.pulses`); None "
        "without pulses",
    ]
    carried_pulse: Annotated[
        Pytree,
        'of pulses that were under way at the start: how long their last step is (ms) and, with "exact", what it does; '
        "None without",
    ]
    grid: Annotated[
        tuple[Array, ...],
        'the dt in which pulses are counted, and with "exact" how long they last (ms); none without pulses',
    ]
    owner: Annotated[Owner, "the kernel and the method that it is of"]
    leaves_table: Annotated[Array | None, "whether a gate may leave the range of its table, bool; None without tables"]
    weight: Annotated[
        Array | None, "of the state's shape, the height of each pulse in units of T; None where all have the height T"
    ] = None

    def __dir__(self) -> list[str]:
        return fields.completion(self._fields, object.__dir__(self))

    @property
    def parts(self) -> tuple[Carry, ...]:
        """The carry of each part of the kernel; this one, as the kernel has a single part."""
        return (self,)

    def with_parts(self, parts: Sequence[Carry]) -> Carry:
        """A carry of these parts."""
        (carry,) = parts
        return carry

    @property
    def progress(self) -> Progress:
        """What a step changes."""
        return [(self.y, self.count, self.weight)]

    def with_progress(self, changed: Progress) -> Carry:
        """The carry after a step, of which ``changed`` is the `progress`; faster than `_replace`."""
        ((y, count, weight),) = changed
        return Carry(y, count, *self[2:-1], weight)


class CarryOfSum(NamedTuple):
    """The carry of a sum of kernels."""

    parts: tuple[Carry, ...]

    def with_parts(self, parts: Sequence[Carry]) -> CarryOfSum:
        """A carry of these parts."""
        return CarryOfSum(tuple(parts))

    @property
    def progress(self) -> Progress:
        """What a step changes."""
        return [(part.y, part.count, part.weight) for part in self.parts]

    def with_progress(self, changed: Progress) -> CarryOfSum:
        """The carry after a step, of which ``changed`` is the `progress`."""
        return CarryOfSum(tuple(part.with_progress([new]) for part, new in zip(self.parts, changed, strict=True)))

    @property
    def y(self) -> tuple[Array, ...]:
        """The variables of all parts."""
        return tuple(variable for part in self.parts for variable in part.y)

    @property
    def count(self) -> Any:
        """How far the pulses of each part reach."""
        return tuple(part.count for part in self.parts)

    @property
    def weight(self) -> Array | None:
        """The height of the pulses of each part, (parts, *shape)."""
        weights = [part.weight for part in self.parts if part.weight is not None]
        return jnp.stack(weights) if weights else None


AnyCarry = TypeVar("AnyCarry", Carry, CarryOfSum)


def with_weight(carry: AnyCarry, weight: Array) -> AnyCarry:
    """A carry whose pulses have these heights, of the shape of its ``weight``, or one height for all parts."""
    weights = jnp.broadcast_to(weight, (len(carry.parts), *carry.parts[0].y[0].shape))
    return carry.with_parts([part._replace(weight=own) for part, own in zip(carry.parts, weights, strict=True)])


def make(
    kernel: Kernel,
    method: str,
    coefs: coefficients.StepCoefficients,
    y: tuple[Array, ...],
    count: Array | None,
    carried_pulse: pulses.Pulse | None = None,
    last_of_carried: coefficients.StepKind | None = None,
) -> Carry:
    """The carry of variables and the count of the next step.

    Args:
        kernel, method: of the stepper.
        coefs: its coefficients, as `match_state` gives them.
        y: variables.
        count: see `synkin.solving.pulses`; None for a linear kernel.
        carried_pulse: of pulses that were under way at the start; None if there were none.
        last_of_carried: with "exact", the coefficients of their last step.
    """
    owner = owner_of(kernel, method)
    if count is None:
        return Carry(y, None, None, (), owner, None)
    leaves_table = coefficients.with_leaves_table(coefs, y[0]).leaves_table
    count = pulses.step_before(count)
    # These are copies, so that the carry may be donated.
    grid = tuple(jnp.array(jax.lax.stop_gradient(each), copy=True) for each in _grid_of(coefs))
    if coefs.last is None:  # pulses last whole steps; only how much of a pulse they stand for may differ
        last = jnp.zeros(count.shape, coefs.dt.dtype)
        last = last if carried_pulse is None else jnp.broadcast_to(carried_pulse.last, count.shape)
        return Carry(y, count, last, grid, owner, leaves_table)
    given = None if carried_pulse is None else (carried_pulse.last, carried_pulse.over, last_of_carried)
    return Carry(y, count, given, grid, owner, leaves_table)


def check(carry: object, kernel: Kernel, method: str, coefs: coefficients.StepCoefficients) -> None:
    """Raise TypeError or ValueError unless ``carry`` is of a stepper that counts pulses in the same way.

    Args:
        carry: anything.
        kernel, method, coefs: of the stepper.
    """
    if not isinstance(carry, Carry):
        refuse(carry)
    owner = carry.owner
    if owner.kernel is not kernel or owner.method != method:
        raise ValueError(f"Argument `carry` must be of a stepper of {owner_of(kernel, method)}, but is of {owner}.")
    if coefs.whole.mean is not None and carry.carried_pulse is not None and carry.carried_pulse[2].mean is None:
        raise ValueError(
            "Argument `carry` must come from a stepper with output='mean' if pulses began before its run, but comes "
            "from one with output='end': start from init(state=other_stepper.state(carry))."
        )
    size = len(carry.grid)
    given = (coefs.dt, *(coefs.pulse or ())[:2]) if size > 1 else (coefs.dt,)
    known = [concrete_value(value) for value in (*carry.grid, *given)]
    values = [value for value in known if value is not None]
    if not size or len(values) < len(known):
        return
    grid, expected = values[:size], values[size:]
    if size > 1:
        expected = [*_grid(*expected)]
    if not all(one.shape == other.shape and (one == other).all() for one, other in zip(grid, expected, strict=True)):
        if _is_same(grid, expected, np).all():
            return
        of = "another T_dur" if _is_same(grid[:1], expected[:1], np) else f"dt = {grid[0]:.6g} ms"
        raise ValueError(
            f"Argument `carry` must be of a stepper with this one's dt = {expected[0]:.6g} ms and T_dur, as it counts "
            f"pulses in steps, but is of one with {of}: go on from its state, init(state=its_stepper.state(carry))."
        )


def refuse(carry: object) -> NoReturn:
    """Raise TypeError: not a carry of this stepper."""
    raise TypeError(f"Argument `carry` must be one of this stepper's `init`, but is {describe(carry)}.")


def with_carried_pulse(coefs: coefficients.StepCoefficients, carried_pulse: Pytree) -> coefficients.StepCoefficients:
    """Coefficients with those of the pulses that were under way at the start, as a carry holds them."""
    if carried_pulse is None:
        return coefs
    if coefs.last is None:
        return coefs._replace(carried_pulse=coefficients.pulse_of(coefs)._replace(last=carried_pulse))
    last, over, last_of_carried = carried_pulse
    return coefs._replace(
        carried_pulse=pulses.Pulse(coefficients.pulse_of(coefs).full, last, over), last_of_carried=last_of_carried
    )


def count_of_next(carry: Carry) -> Array | None:
    """The count of the next step; None without pulses."""
    return None if carry.count is None else pulses.next_step(carry.count)


def nan_unless_same_grid(carry: Carry, coefs: coefficients.StepCoefficients) -> Array:
    """0 where the pulses of a carry are counted as this stepper counts them, else NaN.

    XLA computes it outside of a loop. It is added, and not a factor, so that a derivative does not depend on it.
    """
    good = _is_same(carry.grid, jax.lax.stop_gradient(_grid_of(coefs)), jnp)
    return jnp.where(good, jnp.zeros((), carry.grid[0].dtype), np.asarray(np.nan, carry.grid[0].dtype))


def match_state(tree: Tree, like: Array) -> Tree:
    """``tree`` in the dtype and, but for scalars, the rank of a state, as JAX may be set to promote neither."""

    def match(x: Array) -> Array:
        x = x.reshape((1,) * (like.ndim - x.ndim) + x.shape) if 0 < x.ndim < like.ndim else x
        return x.astype(like.dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x

    matched: Tree = jax.tree.map(match, tree)
    return matched


def _grid(dt: AnyArray, full: AnyArray, last: AnyArray) -> tuple[AnyArray, AnyArray]:
    """The dt and the length of a pulse for which a count is valid, ms."""
    return dt, (full // 2 - 1).astype(dt.dtype) * dt + last


def _grid_of(coefs: coefficients.StepCoefficients) -> tuple[Array, ...]:
    pulse = coefficients.pulse_of(coefs)
    grid = _grid(coefs.dt, pulse.full, pulse.last)
    return grid[:1] if coefs.last is None else grid


def _is_same(grid: Sequence[AnyArray], other: Sequence[AnyArray], xp: ModuleType) -> AnyArray:
    """Whether two grids are equal but for rounding, as arrays of the module ``xp``."""
    same = _SAME + 4 * float(jnp.finfo(grid[0].dtype).eps)
    good = xp.abs(grid[0] - other[0]) <= same * other[0]
    for length, other_length in zip(grid[1:], other[1:], strict=True):
        good = good & (xp.abs(length - other_length) <= same * xp.maximum(other_length, other[0]))
    return good
