"""What a `synkin.stepper` hands from step to step, and whether it is of that stepper.

Pulses are counted in steps. So a carry means something only with the dt, and with "exact" the ``T_dur``, with which it
was counted: it holds them, and a stepper with others refuses it, or gives NaN where they are traced.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments import fields
from synkin.arguments.known import concrete_value
from synkin.arguments.messages import describe
from synkin.solving import coefficients, pulses
from synkin.solving.kernel_protocol import Kernel

# Two dt, and two lengths of a pulse, that differ by less than this part are the same but for rounding.
_SAME = 1e-4


@jax.tree_util.register_static
@dataclass(frozen=True, eq=False)
class Owner:
    """The kernel and the method that a carry is of.

    It is part of the carry's tree structure, which JAX compares with every call: `owner_of` gives the same one each
    time, so that this comparison is one of identity.
    """

    kernel: Kernel
    method: str

    def __reduce__(self) -> tuple[Any, ...]:
        return owner_of, (self.kernel, self.method)

    def __str__(self) -> str:
        return f"{self.kernel.name} with {self.method!r}"


@functools.cache
def owner_of(kernel: Any, method: str) -> Owner:
    """The one `Owner` of that kernel and method."""
    return Owner(kernel, method)


@fields.described
class Carry(NamedTuple):
    """What goes from step to step. `Stepper.state` makes the kernel's ``State`` of it."""

    y: Annotated[tuple[Array, ...], "the variables, each of the state's shape, units as in the kernel's"]
    count: Annotated[
        Any,
        "int32 of the state's shape, how far each pulse reaches (see `synkin.solving.pulses`); None without pulses",
    ]
    carried_pulse: Annotated[
        Any,
        'of pulses that were under way at the start: how long their last step is (ms) and, with "exact", what it does; '
        "None without",
    ]
    grid: Annotated[
        tuple[Array, ...],
        'the dt in which pulses are counted, and with "exact" how long they last (ms); none without pulses',
    ]
    owner: Annotated[Owner, "the kernel and the method that it is of"]
    leaves_table: Annotated[Any, "whether what opens a gate may leave the range of its table, bool; None without one"]
    weight: Annotated[Any, "of the state's shape, the height of each pulse in units of T; None where that is 1"] = None

    @property
    def parts(self) -> tuple[Carry, ...]:
        """The carry of each part of a sum of kernels: of any other kernel itself."""
        return (self,)

    def with_parts(self, parts: Sequence[Carry]) -> Carry:
        """A carry of these parts."""
        (carry,) = parts
        return carry


class CarryOfSum(NamedTuple):
    """The same of a sum of kernels."""

    parts: tuple[Carry, ...]

    def with_parts(self, parts: Sequence[Carry]) -> CarryOfSum:
        """A carry of these parts."""
        return CarryOfSum(tuple(parts))

    @property
    def y(self) -> tuple[Array, ...]:
        """Variables of all parts."""
        return tuple(variable for part in self.parts for variable in part.y)

    @property
    def count(self) -> Any:
        """How far the pulses of each part reach."""
        return tuple(part.count for part in self.parts)


def make(
    kernel: Kernel,
    method: str,
    coefs: coefficients.StepCoefficients,
    y: tuple[Array, ...],
    count: Array | None,
    carried_pulse: pulses.Pulse | None = None,
    last_of_carried: object = None,
) -> Carry:
    """The carry of variables and the count of the step to come.

    Args:
        kernel, method: of the stepper.
        coefs: its coefficients, as `match_state` gives them.
        y: variables.
        count: see `synkin.solving.pulses`; None for a linear kernel.
        carried_pulse: how the pulses lie that were under way at the start; None if none were.
        last_of_carried: what the last step of these does, with "exact".
    """
    owner = owner_of(kernel, method)
    if count is None:
        return Carry(y, None, None, (), owner, None)
    leaves_table = coefficients.with_leaves_table(coefs, y[0]).leaves_table
    # Arrays of its own, which may be donated.
    grid = tuple(jnp.array(jax.lax.stop_gradient(each), copy=True) for each in _grid_of(coefs))
    if coefs.last is None:  # pulses of whole steps: all that is of its own is how much of a pulse they stand for
        last = jnp.zeros(count.shape, coefs.dt.dtype)
        last = last if carried_pulse is None else jnp.broadcast_to(carried_pulse.last, count.shape)
        return Carry(y, count, last, grid, owner, leaves_table)
    given = None if carried_pulse is None else (carried_pulse.last, carried_pulse.over, last_of_carried)
    return Carry(y, count, given, grid, owner, leaves_table)


def check(carry: Any, kernel: Kernel, method: str, coefs: coefficients.StepCoefficients) -> None:
    """Raise TypeError or ValueError unless ``carry`` is of a stepper that counts pulses as this one does.

    Args:
        carry: anything.
        kernel, method, coefs: of the stepper.
    """
    if not isinstance(carry, Carry):
        refuse(carry)
    owner = carry.owner
    if owner.kernel is not kernel or owner.method != method:
        raise ValueError(f"Argument `carry` must be of a stepper of {owner_of(kernel, method)}, but is of {owner}.")
    size = len(carry.grid)
    given = (coefs.dt, *(coefs.pulse or ())[:2]) if size > 1 else (coefs.dt,)
    known: list[Any] = [concrete_value(value) for value in (*carry.grid, *given)]
    if not size or any(value is None for value in known):
        return
    grid, expected = known[:size], known[size:]
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


def refuse(carry: object) -> None:
    """Raise TypeError: not a carry of this stepper."""
    raise TypeError(f"Argument `carry` must be one of this stepper's `init`, but is {describe(carry)}.")


def with_carried_pulse(coefs: coefficients.StepCoefficients, carried_pulse: Any) -> coefficients.StepCoefficients:
    """Coefficients, and those of the pulses that were under way at the start, which a carry holds."""
    if carried_pulse is None:
        return coefs
    if coefs.last is None:
        return coefs._replace(carried_pulse=coefficients.pulse_of(coefs)._replace(last=carried_pulse))
    last, over, last_of_carried = carried_pulse
    return coefs._replace(
        carried_pulse=pulses.Pulse(coefficients.pulse_of(coefs).full, last, over), last_of_carried=last_of_carried
    )


def nan_unless_same_grid(carry: Carry, coefs: coefficients.StepCoefficients) -> Array:
    """0 where the pulses of a carry are counted as this stepper counts them, else NaN.

    XLA takes it out of a loop; added, and not multiplied by, it costs a derivative nothing.
    """
    good = _is_same(carry.grid, jax.lax.stop_gradient(_grid_of(coefs)), jnp)
    return jnp.where(good, jnp.zeros((), carry.grid[0].dtype), np.asarray(np.nan, carry.grid[0].dtype))


def match_state(tree: object, like: Array) -> Any:
    """Arrays of a state's dtype and, if they are no scalars, of its rank: JAX may have been told to promote neither."""

    def match(x: Array) -> Array:
        x = x.reshape((1,) * (like.ndim - x.ndim) + x.shape) if 0 < x.ndim < like.ndim else x
        return x.astype(like.dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x

    return jax.tree.map(match, tree)


def _grid(dt: Any, full: Any, last: Any) -> tuple[Any, ...]:
    """What a pulse's count has a meaning with: dt and, where a pulse may end within a step, how long it lasts, ms."""
    return dt, (full // 2 - 1).astype(dt.dtype) * dt + last


def _grid_of(coefs: coefficients.StepCoefficients) -> tuple[Array, ...]:
    pulse = coefficients.pulse_of(coefs)
    grid = _grid(coefs.dt, pulse.full, pulse.last)
    return grid[:1] if coefs.last is None else grid


def _is_same(grid: Sequence[Any], own: Sequence[Any], xp: Any) -> Any:
    """Whether two `_grid` are the same but for rounding."""
    same = _SAME + 4 * float(jnp.finfo(grid[0].dtype).eps)
    good = xp.abs(grid[0] - own[0]) <= same * own[0]
    for one, other in zip(grid[1:], own[1:], strict=True):
        good = good & (xp.abs(one - other) <= same * xp.maximum(other, own[0]))
    return good
