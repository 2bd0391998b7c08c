"""The change of the variables in a step as a table over one parameter, for kernels whose step is a matrix.

Each row holds the change and its slope, so that between two rows there is a cubic polynomial, right to many digits. For
float32, and for all else that is not float64, rows at smaller distances are filled in from these polynomials: a
straight line between two of them is as good as the format, and takes half the time. Derivatives are always those of
the polynomials.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments.declaration import AnyParams
from synkin.arguments.inputs import AddsWeight
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators.equations import Variables, augmented_matrix, generator
from synkin.solving.propagators.of_kernel import Stretches, affine_change_over, transition_matrix

ROWS = 256
_FINE = 16  # rows of straight lines to one of the polynomials
# How far a change read between two rows may be off, as a fraction of the largest change in a step.
_TOLERANCE, _TOLERANCE_OTHER = {"float64": 3e-8}, 1e-6
# A table is compared with what is right in the middle between this many pairs of rows.
_CHECKED = 32


class ParameterTable(NamedTuple):
    """The changes of n variables in a step by each of the n + 1 entries of `_extended`, at values of a parameter.

    The rows lie at equal distances of ``u = p`` or, where p cannot be negative, of ``u = p / (p + scale)``. Those of
    each kind of steps follow those of the kind before.
    """

    rows: Array  # (kinds * ROWS, 2, n (n + 1)): the changes, and their slopes per row
    fine_rows: Array | None  # (kinds * (_FINE (ROWS - 1) + 1), n (n + 1)): the changes at smaller distances
    low: Array  # the lowest and the highest value of the parameter, in its unit
    high: Array
    start: Array  # u of the first row
    distance: Array  # of u between two rows
    scale: Array | None


def table(
    kernel: Kernel, params: AnyParams, name: str, low: Array, high: Array, kinds: list[Stretches], dt: Array
) -> ParameterTable:
    """The table of a parameter; NaN where what lies between two rows is not good enough.

    Args:
        kernel: a kernel of one part, whose structure has a matrix.
        params: its ``Params``, scalars of one dtype.
        name: of the parameter.
        low, high: the range of its values, scalars in its unit.
        kinds: the stretches of each kind of steps.
        dt: ms, a scalar.
    """
    low, high = (jax.lax.stop_gradient(jnp.asarray(bound, dt.dtype)) for bound in (low, high))

    def changes(value: Array) -> Array:
        return jnp.stack([_change(kernel, params._replace(**{name: value}), stretches) for stretches in kinds])

    scale = None if kernel.parameters[name].signed else _scale(kernel, params, name, low, high, dt)
    first, end = (bound if scale is None else bound / (bound + scale) for bound in (low, high))
    tiny = 64 * float(jnp.finfo(dt.dtype).eps)
    distance = jnp.maximum((end - first) / (ROWS - 1), tiny * jnp.maximum(jnp.abs(first), 1e-3))

    def at(place: Array) -> Array:
        u = first + place * distance
        return changes(u if scale is None else scale * u / jnp.maximum(1 - u, tiny))

    def row(place: Array) -> Array:
        return jnp.stack(jax.jvp(at, (place,), (jnp.ones_like(place),)), axis=1)

    rows = jnp.swapaxes(jax.lax.map(row, jnp.arange(ROWS, dtype=dt.dtype), batch_size=64), 0, 1)
    rows = rows.reshape(len(kinds), ROWS, 2, -1)
    is_fine = dt.dtype.name not in _TOLERANCE
    fine_rows = jax.lax.stop_gradient(_fine_rows(rows)) if is_fine else None

    # What lies between two rows, of some of them, against what is right there; and of all by their differences.
    places = jnp.asarray(np.linspace(0, ROWS - 2, _CHECKED).round() + 0.5, dt.dtype)
    right = jax.lax.stop_gradient(jax.lax.map(at, places, batch_size=_CHECKED)).reshape(_CHECKED, len(kinds), -1)
    flat = rows.reshape(-1, *rows.shape[2:])
    every = jnp.arange(len(kinds), dtype=jnp.int32)
    read = jax.vmap(lambda place: _polynomial(flat, every, jnp.broadcast_to(place, every.shape)))(places)
    error = jnp.maximum(jnp.abs(read - right).max(), jnp.abs(jnp.diff(rows[:, :, 0], 4, axis=1)).max() / 384)
    if fine_rows is not None:
        error = error + jnp.abs(jnp.diff(fine_rows, 2, axis=1)).max() / 8
        fine_rows = fine_rows.reshape(-1, fine_rows.shape[-1])
    tolerance = _TOLERANCE.get(dt.dtype.name, _TOLERANCE_OTHER) * jnp.maximum(jnp.abs(right).max(), tiny)
    good = jnp.where(jax.lax.stop_gradient(error <= tolerance), jnp.ones((), dt.dtype), np.asarray(np.nan, dt.dtype))
    return ParameterTable(flat, fine_rows, low * good, high * good, first, distance, scale)


def step(table: ParameterTable, kernel: Kernel, kind: Array | None, value: Array, y: Variables) -> Variables:
    """The variables after a step; NaN where the parameter is outside of the table.

    Args:
        table: from `table`.
        kernel: its kernel.
        kind: of the step, the index into the ``kinds`` of the table, of the shape of a variable; None for the first.
        value: of the parameter, a scalar or of a shape that broadcasts to that of a variable.
        y: the variables.
    """
    place = jnp.where(is_outside(table, value), np.asarray(np.nan, value.dtype), _place(table, value))
    extended = jnp.stack(_extended(kernel, y), axis=-1)
    n = len(y)
    kinds = len(table.rows.reshape(-1, 2, n * (n + 1))) // ROWS

    def products(kind: Array, place: Array, subscripts: str) -> Array:
        matrices = _between_rows(table, kind, place, n * (n + 1))
        matrices = matrices.reshape(*matrices.shape[:-1], n, n + 1)
        return jnp.einsum(subscripts, matrices, extended, precision=jax.lax.Precision.HIGHEST)

    if value.size == 1:  # one matrix of each kind serves all synapses
        place = jnp.broadcast_to(place.reshape(()), kinds)
        each = products(jnp.arange(kinds, dtype=jnp.int32), place, "kab,...b->ka...")
        change = each[0] if kind is None else jax.lax.select_n(jnp.broadcast_to(kind, each[0].shape), *each)
        return tuple(variable + change[i] for i, variable in enumerate(y))
    place = jnp.broadcast_to(place, y[0].shape)
    change = products(jnp.zeros_like(place, jnp.int32) if kind is None else kind, place, "...ab,...b->...a")
    return tuple(variable + change[..., i] for i, variable in enumerate(y))


def is_outside(table: ParameterTable, value: Array) -> Array:
    """Where a value of the parameter lies outside of the table, or is NaN."""
    return ~((value >= table.low) & (value <= table.high))


def _place(table: ParameterTable, value: Array) -> Array:
    """Where a value lies, counted in rows; that of an end may be beyond the last row, by rounding."""
    u = value if table.scale is None else value / (value + table.scale)
    return (u - table.start) / table.distance


def _extended(kernel: Kernel, y: Variables) -> list[Array]:
    """What the changes are products with: the resting state and the others, or the variables and 1."""
    if kernel.structure.kind == "occupancies":
        return [1 - sum(y[1:], y[0]), *y]
    return [*y, jnp.ones_like(y[0])]


def _between_rows(table: ParameterTable, kind: Array, place: Array, size: int) -> Array:
    """The changes at a place, counted in rows, (..., size)."""
    rows = table.rows.reshape(-1, 2, size)
    if table.fine_rows is None:
        return _polynomial(rows, kind, place)
    return _straight_line(rows, table.fine_rows.reshape(-1, size), kind, place)


def _polynomial(rows: Array, kind: Array, place: Array) -> Array:
    row, w = _split(place, ROWS)
    index = row + ROWS * kind
    (at, slope), (end, end_slope) = (
        jnp.moveaxis(jnp.take(rows, index + i, axis=0, mode="clip"), -2, 0) for i in range(2)
    )
    of_at, of_slope, of_end, of_end_slope = (weight[..., None] for weight in _hermite(w))
    return of_at * at + of_slope * slope + of_end * end + of_end_slope * end_slope


@jax.custom_jvp
def _straight_line(rows: Array, fine_rows: Array, kind: Array, place: Array) -> Array:
    count = _FINE * (ROWS - 1) + 1
    row, w = _split(place * _FINE, count)
    index = row + count * kind
    at, end = (jnp.take(fine_rows, index + i, axis=0, mode="clip") for i in range(2))
    return (1 - w)[..., None] * at + w[..., None] * end


@_straight_line.defjvp
def _straight_line_jvp(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
    rows, _, kind, place = primals
    of_rows, _, _, of_place = tangents
    _, tangent = jax.jvp(lambda rows, place: _polynomial(rows, kind, place), (rows, place), (of_rows, of_place))
    return _straight_line(*primals), tangent


def _split(place: Array, count: int) -> tuple[Array, Array]:
    """The row before a place, of ``count`` rows, and how far it is from there to the next."""
    row = jnp.clip(jnp.floor(jax.lax.stop_gradient(place)), 0, count - 2)
    return row.astype(jnp.int32), place - row


def _hermite(w: Array) -> tuple[Array, Array, Array, Array]:
    """The weights of the value and slope at the row before, and of those at the row after, of a cubic polynomial."""
    v = 1 - w
    return v * v * (1 + 2 * w), v * v * w, w * w * (1 + 2 * v), -w * w * v


def _fine_rows(rows: Array) -> Array:
    """(kinds, _FINE (ROWS - 1) + 1, size) of (kinds, ROWS, 2, size)."""
    weights = _hermite(jnp.arange(_FINE, dtype=rows.dtype).reshape(1, 1, -1, 1) / _FINE)
    ends = (rows[:, :-1, None, 0], rows[:, :-1, None, 1], rows[:, 1:, None, 0], rows[:, 1:, None, 1])
    between = sum(weight * end for weight, end in zip(weights, ends, strict=True))
    return jnp.concatenate([jnp.reshape(between, (len(rows), -1, rows.shape[-1])), rows[:, -1:, 0]], axis=1)


def _change(kernel: Kernel, params: AnyParams, stretches: Stretches) -> Array:
    """The change of n variables, (n, n + 1), by each of what `_extended` gives."""
    if kernel.structure.kind != "occupancies":
        return affine_change_over(kernel, params, stretches)[:-1]
    off = transition_matrix(kernel, params, stretches)
    off = off * (1 - jnp.eye(len(off), dtype=off.dtype))
    # What leaves is the sum of all that arrives elsewhere: 1 minus what stays would lose its digits.
    return (off - jnp.diag(off.sum(axis=0)))[1:]


def _scale(kernel: Kernel, params: AnyParams, name: str, low: Array, high: Array, dt: Array) -> Array:
    """The value of a parameter that changes a rate by 1 / dt."""
    params = jax.lax.stop_gradient(params)
    matrix = generator if kernel.structure.kind == "occupancies" else augmented_matrix
    ends = [
        matrix(kernel, params._replace(**{name: bound}), with_transmitter=not isinstance(kernel.input, AddsWeight))
        for bound in (low, high)
    ]
    tiny = float(jnp.finfo(dt.dtype).tiny) ** 0.5
    # Over a narrower range, as where the parameter does not change, the difference would be one of rounding errors.
    slope = jnp.abs(ends[1] - ends[0]).max() / jnp.maximum(high - low, jnp.maximum(1e-3 * high, tiny))
    return jnp.clip(1 / jnp.maximum(slope * dt, tiny), 1e-3 * jnp.maximum(high, tiny), 1e3 * jnp.maximum(high, 1.0))
