"""`delay_line`: delays of any length in a loop of steps, for spikes at any time within a step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments import fields, units
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_array, as_real, broadcasts, check_shape, float_dtype
from synkin.networks.delays import known_delays, known_step
from synkin.solving.off_grid import check_offset

# The ring of a delay line has at most this many numbers.
_LARGEST = 2**30


@fields.described
class DelayLineCarry(NamedTuple):
    """What a `synkin.DelayLine` passes from step to step: the spikes that are on their way.

    Example:
        >>> axons = synkin.delay_line([0.23, 0.5], 0.1)
        >>> carry, spikes, offset = axons.step(axons.init(), [True, False], [0.04, 0.0])
        >>> int(carry.spikes.sum())  # one spike on its way
        1
    """

    spikes: Annotated[Array, "(rows, *shape), the spikes of the last steps, in the order of a ring"]
    offsets: Annotated[Array, "(rows, *shape), ms from the start of their steps; 0 where there is no spike"]
    row: Annotated[Array, "int32, which row is that of the next step"]


@partial(
    jax.tree_util.register_dataclass, data_fields=["dt", "steps", "remainder"], meta_fields=["shape", "rows", "dtype"]
)
@dataclass(frozen=True, repr=False)
class DelayLine:
    """What `synkin.delay_line` returns. It is a pytree: a function under jit, vmap or grad may close over it, take it
    as an argument or return it.

    Example:
        >>> axons = synkin.delay_line([0.23, 0.5], 0.1)
        >>> stepper = synkin.stepper(synkin.ampa, synkin.ampa.Params(), 0.1, off_grid=True)
        >>> coming, synapse = axons.init(), stepper.init((2,))
        >>> coming, spikes, offset = axons.step(coming, [True, False], [0.04, 0.0])
        >>> synapse, g = stepper.step(synapse, spikes, offset=offset)
        >>> print(g)  # the spike is still on its way
        [0. 0.]
    """

    dt: Array  # ms
    steps: Array  # int32, of a shape that broadcasts to ``shape``: the whole steps of each delay
    remainder: Array  # ms, as ``steps``: the rest, 0 to dt
    shape: tuple[int, ...]
    rows: int  # of the ring
    dtype: jnp.dtype  # of the spikes

    off_grid = True  # for `check_offset`

    def __dir__(self) -> list[str]:
        return fields.completion(("dt", "dtype", "init", "shape", "step"), super().__dir__())

    def init(self) -> DelayLineCarry:
        """The carry for the first step: no spike is on its way.

        Example:
            >>> synkin.delay_line([0.23, 0.5], 0.1).init().spikes.shape  # steps, axons
            (7, 2)
        """
        ring = (self.rows, *self.shape)
        return DelayLineCarry(
            jnp.zeros(ring, self.dtype), jnp.zeros(ring, self.remainder.dtype), jnp.zeros((), jnp.int32)
        )

    def step(self, carry: DelayLineCarry, spikes: ArrayLike, offset: ArrayLike) -> tuple[DelayLineCarry, Array, Array]:
        """Advance by one step.

        Args:
            carry: from `init` or the step before.
            spikes: the spikes of this step, of the dtype that the delay line was made for, and of its ``shape`` or
                broadcasting to it.
            offset: ms from the start of the step to the spike, 0 to dt; ignored if there is no spike.

        Returns:
            The carry, the spikes that arrive in this step, and their offsets within the step, each of ``shape``. If two
            spikes of one axon arrive in the same step, the offset is NaN, because a step of a kernel takes only one.

        Raises:
            TypeError, ValueError: an argument of the wrong kind, shape or range, or a carry of another delay line.

        Example:
            >>> axons = synkin.delay_line([0.03, 0.5], 0.1)
            >>> carry, spikes, offset = axons.step(axons.init(), [True, True], [0.04, 0.0])
            >>> print(spikes, offset.round(3))  # the first spike arrives within the step
            [True False] [0.07 0.]
        """
        ring = (self.rows, *self.shape)
        if not isinstance(carry, DelayLineCarry):
            raise TypeError(f"Argument `carry` must be one of this delay line's `init`, but is {describe(carry)}.")
        if np.shape(carry.spikes) != ring:
            raise ValueError(
                f"Argument `carry` must hold spikes of shape {ring}, as this delay line's `init` gives them, but holds "
                f"some of shape {np.shape(carry.spikes)}, of another delay line."
            )
        unit = "mS" if units.has_dimension(spikes, "mS") else "1"
        given = as_array(as_real("spikes", units.strip_unit("spikes", spikes, unit)))
        if (given.dtype == bool) != (self.dtype == bool):
            raise TypeError(
                f"Argument `spikes` must be of dtype {self.dtype}, as `dtype` of the delay line says, but is "
                f"{describe(given)}."
            )
        if not broadcasts(given.shape, self.shape):
            raise ValueError(f"Argument `spikes` must have shape {self.shape}, but has shape {given.shape}.")
        like = jnp.zeros(self.shape, self.remainder.dtype)
        offset = check_offset(self, offset, like)
        return _step(self, carry, jnp.broadcast_to(given.astype(self.dtype), self.shape), offset)

    def __repr__(self) -> str:
        return f"delay line of shape {self.shape}, delays up to {self.rows - 1} steps"


def delay_line(
    delay: ArrayLike, dt: ArrayLike, shape: int | tuple[int, ...] | None = None, *, dtype: DTypeLike = "bool"
) -> DelayLine:
    """Delays in a loop of your own, one for each axon, that need not be whole steps.

    A spike at the time t arrives at t + delay: the step in which that is, and the offset within that step, go to a
    `synkin.stepper` with ``off_grid=True``. `synkin.connect` is for many connections onto one neuron, but rounds delays
    to whole steps.

    Args:
        delay: ms, 0 or more; a number, or an array that broadcasts to ``shape``. It must not be traced.
        dt: the step in ms. It must not be traced.
        shape: the shape of the spikes; by default that of ``delay``.
        dtype: the dtype of the spikes: "bool", or a floating dtype for weights and for surrogate spikes.

    Returns:
        A `synkin.DelayLine` with ``init()`` and ``step(carry, spikes, offset) -> (carry, spikes, offset)``. It is a
        pytree, and works under jit, scan, vmap, grad and jvp. Derivatives pass through the offsets.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

    Example:
        >>> axons = synkin.delay_line([0.23, 0.5], 0.1)
        >>> carry = axons.init()
        >>> for i in range(4):
        ...     carry, spikes, offset = axons.step(carry, [i == 0, False], [0.04, 0.0])
        ...     print(i, spikes, offset.round(3))
        0 [False False] [0. 0.]
        1 [False False] [0. 0.]
        2 [ True False] [0.07 0.  ]
        3 [False False] [0. 0.]
    """
    known = known_delays("delay", delay, "it decides how many steps are kept")
    size = known.shape if shape is None else check_shape(shape)
    if not broadcasts(known.shape, size):
        raise ValueError(f"Argument `delay` must have shape {size}, as `shape` says, but has shape {known.shape}.")
    of_spikes = np.dtype(bool) if dtype in (bool, np.bool_, "bool") else float_dtype(dtype)
    step, exact = known_step(dt), known.astype(float)
    # A whole number of steps but for rounding is one, so that a spike on the grid stays on it.
    rounding = 8 * np.finfo(known.dtype if known.dtype.kind == "f" else float).eps
    nearest = np.round(exact / step)
    is_whole = np.abs(exact / step - nearest) <= rounding * nearest
    steps = np.where(is_whole, nearest, np.floor(exact / step))
    remainder = np.where(is_whole, 0.0, exact - steps * step)
    rows = int(steps.max(initial=0)) + 2
    if rows * int(np.prod(size)) > _LARGEST:
        raise ValueError(
            f"Argument `delay` must need at most {_LARGEST} numbers, but {rows} steps of shape {size} need "
            f"{rows * int(np.prod(size))}: take a larger `dt` or shorter delays."
        )
    floating = float_dtype(None) if of_spikes.kind == "b" else of_spikes
    return DelayLine(
        jnp.asarray(step, floating),
        jnp.asarray(steps, "int32"),
        jnp.asarray(remainder, floating),
        size,
        rows,
        of_spikes,
    )


@jax.jit
def _step(line: DelayLine, carry: DelayLineCarry, spikes: Array, offset: Array) -> tuple[DelayLineCarry, Array, Array]:
    row = carry.row
    within = jnp.where(spikes.astype(bool), offset, jnp.zeros((), offset.dtype))
    ring = carry.spikes.at[row].set(spikes), carry.offsets.at[row].set(within)
    steps, remainder = (jnp.broadcast_to(x, line.shape) for x in (line.steps, line.remainder))

    def sent(earlier: int) -> tuple[Array, Array, Array]:
        """The spikes so many steps earlier than the delay's whole steps, their offsets, and which come a step late."""
        at = (row - steps - earlier) % line.rows
        found, own = (jnp.take_along_axis(x, at[None], axis=0, mode="promise_in_bounds")[0] for x in ring)
        total = own + remainder
        return found, total, total > line.dt

    # A spike arrives after the delay's whole steps, or one later if its offset and the remainder make more than a step.
    now, total_now, is_late = sent(0)
    before, total_before, was_late = sent(1)
    none = jnp.zeros((), line.dtype)
    now, before = jnp.where(is_late, none, now), jnp.where(was_late, before, none)
    come, came = now.astype(bool), before.astype(bool)
    offset = jnp.where(come, total_now, jnp.where(came, total_before - line.dt, jnp.zeros_like(total_now)))
    offset = jnp.where(come & came, np.asarray(np.nan, offset.dtype), offset)
    arriving = (now | before) if line.dtype == bool else now + before
    return DelayLineCarry(*ring, (row + 1) % line.rows), arriving, offset
