"""Levenberg and Marquardt's least squares, of many recordings side by side.

Scale and offset, in which the curve is linear, follow from the other coordinates (variable projection, Golub and
Pereyra 1973, SIAM J. Numer. Anal. 10:413, with the Jacobian of Kaufman 1975, BIT 15:49). The derivatives are exact.
Residuals and Jacobian of a recording are reduced to a small triangle, with which least squares gives the same result.

The damping of a step follows Nielsen 1999, "Damping parameter in Marquardt's method", IMM-REP-1999-05.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from synkin.fitting.batch.recordings import Form, Rows
from synkin.runs.events import respond

_Result = TypeVar("_Result")

# So many recordings are computed side by side.
_BLOCK = 16
# A recording is done if a step is expected to lower its sum of squares by less than this fraction, ...
_NO_GAIN = 1e-10
# ... or changes no coordinate by more than this (of logarithms a fraction, of the onset a fraction of its size), ...
_NO_STEP = 1e-11
# ... or if its sum of squares is below this fraction of that of the trace, which is rounding.
_NOTHING = 1e-26
# The damping of the first step, relative to the curvature along each coordinate, and the largest one.
_DAMPING, _STUCK = 1e-3, 1e16
# The largest change of a logarithm in one step.
_LONGEST = 2.0
# If less than this fraction of a derivative is left, what is left is a rounding error.
_ROUNDING = 1e-10
# A call ends once less than one of so many of its recordings goes on. These are then computed together with others.
_FEW = 4


class Ends(NamedTuple):
    """Where the descents of B recordings are."""

    point: Array  # (B, C)
    cost: Array  # (B,) half of the sum of squares, relative to the square of `Recordings.unit`; inf if not finite
    linear: Array  # (B, S) the best values of `Form.solved`
    triangle: Array  # (B, N + 1, N + 1) of the derivatives with respect to `Form.fitted`, and of the trace
    g: Array  # (B, M) mS
    steepest: Array  # (B,) the largest derivative of g with respect to the onset, mS/ms
    damping: Array  # (B,)
    done: Array  # (B,) bool
    nfev: Array  # (B,) int, how often the curve was evaluated


class _At(NamedTuple):
    """The curve of one recording at one point."""

    triangle: Array  # (N + 1, N + 1)
    g: Array  # (M,)
    steepest: Array  # ()


@partial(jax.jit, static_argnames="form")
def conductances(form: Form, rows: Rows, points: Array) -> Array:
    """g in mS at ``points`` (B, C): (B, M)."""
    return _in_blocks(form, lambda given: jax.vmap(partial(_conductance, form))(*given), (rows, points))


@partial(jax.jit, static_argnames="form")
def descend(form: Form, rows: Rows, start: Array, damping: Array, done: Array, limit: Array) -> Ends:
    """Descents from ``start`` (B, C), until nearly all recordings are done.

    Args:
        form: of the curves.
        rows: B recordings.
        start: (B, C) where each begins, or goes on.
        damping: (B,) that of the first step; 0 stands for that of a new descent.
        done: (B,) bool: recordings that are not computed.
        limit: the maximum number of evaluations.
    """
    names, size = form.fitted, rows.times.shape
    nothing = _At(jnp.zeros((size[0], len(names) + 1, len(names) + 1)), jnp.zeros(size), jnp.zeros(size[0]))
    damping = jnp.where(damping == 0, _DAMPING, damping)
    zeros = jnp.zeros(size[0])
    first = (start, start, zeros + jnp.inf, nothing, damping, zeros + 2.0, zeros, done, zeros.astype(int))
    few = jnp.maximum((~done).sum() // _FEW, 1)

    def goes_on(carry: Any) -> Array:
        *_, done, count = carry
        return ((~done).sum() >= few) & (count.max() < limit)

    def body(carry: Any) -> Any:
        point, trial, cost, at, damping, growth, expected, done, count = carry
        new = _evaluate(form, rows, trial, done)
        residuals, _ = jax.vmap(partial(_small, form))(rows, trial, new.triangle)
        new_cost = (residuals**2).sum(axis=1) / 2
        new_cost = jnp.where(jnp.isfinite(new_cost), new_cost, jnp.inf)
        is_first, better = jnp.isinf(cost), new_cost < cost
        gain = jnp.where(is_first | ~better, 0.0, (cost - new_cost) / jnp.where(expected > 0, expected, 1.0))
        eased = damping * jnp.maximum(1 / 3, 1 - (2 * gain - 1) ** 3)
        moves = ~done & better
        next_damping = jnp.where(is_first, damping, jnp.where(better, eased, damping * growth))
        next_growth = jnp.where(is_first | better, 2.0, growth * 2)
        point, cost = _where(moves, trial, point), jnp.where(moves, new_cost, cost)
        at = jax.tree.map(partial(_where, moves), new, at)
        damping, growth = jnp.where(done, damping, next_damping), jnp.where(done, growth, next_growth)
        count = count + (~done).astype(count.dtype)
        step, expected = jax.vmap(partial(_step, form))(rows, point, at.triangle, damping)
        trial = jnp.clip(point + step, rows.lower, rows.upper)
        change = jnp.abs(trial - point) / jnp.where(jnp.array([_are_fractions(form)]), 1.0, 1e-3 + jnp.abs(point))
        total = (at.triangle[:, :, -1] ** 2).sum(axis=1)
        ended = expected <= _NO_GAIN * cost
        ended |= (change <= _NO_STEP).all(axis=1)
        ended |= (2 * cost <= _NOTHING * total) | (damping > _STUCK) | jnp.isinf(cost)
        return point, trial, cost, at, damping, growth, expected, done | ended, count

    point, _, cost, at, damping, _, _, done, count = jax.lax.while_loop(goes_on, body, first)
    linear = jax.vmap(lambda t: jnp.array(_back_substitute(t, len(form.solved))))(at.triangle)
    return Ends(point, cost, linear, *at, damping, done, count)


def _evaluate(form: Form, rows: Rows, points: Array, skipped: Array) -> _At:
    """The curve of each recording: blocks of them one after the other, without those in which all are skipped."""

    def block(given: tuple[Rows, Array, Array]) -> _At:
        rows, points, skipped = given
        curves = jax.vmap(partial(_curve, form))
        shapes = jax.eval_shape(curves, rows, points)
        nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
        return jax.lax.cond(skipped.all(), lambda: nothing, lambda: curves(rows, points))

    return _in_blocks(form, block, (rows, points, skipped))


def _in_blocks(form: Form, function: Callable[[Any], _Result], rows: Any) -> _Result:
    """``function`` of blocks of rows. A kernel with matrices is computed one by one: so squarings can be left out."""
    number = len(jax.tree.leaves(rows)[0])
    size = 1 if any(part.structure.has_matrix for part in form.kernel.parts) else min(_BLOCK, number)
    split = jax.tree.map(lambda a: a.reshape(number // size, size, *a.shape[1:]), rows)
    return jax.tree.map(lambda a: a.reshape(number, *a.shape[2:]), jax.lax.map(function, split))


def _conductance(form: Form, row: Rows, point: Array) -> Array:
    """g (M,) of one recording at a point (C,)."""
    values = {name: jnp.exp(point[i]) if form.logarithmic[i] else point[i] for i, name in enumerate(form.free)}
    onset = point[form.coordinates.index("onset")] if "onset" in form.searched else row.own["onset"]
    weights = row.weights if form.weighted else None
    params = row.params._replace(**values)
    return respond(form.kernel, params, row.spike_times + onset, row.times, weights=weights, overlap=form.overlap)


def _curve(form: Form, row: Rows, point: Array) -> _At:
    """The curve of one recording, and its derivatives as a triangle."""
    # g depends on the parameters and on the onset, which come first among the coordinates.
    number = len(form.free) + ("onset" in form.searched)

    def g_of(moved: Array) -> tuple[Array, Array]:
        g = _conductance(form, row, jnp.concatenate([moved, point[number:]]))
        return g, g

    slopes, g = jax.jacfwd(g_of, has_aux=True)(point[:number])
    at = dict(zip(form.coordinates, point, strict=True))
    known = {name: 0.0 if name in form.solved else at.get(name, row.own[name]) for name in ("scale", "offset")}
    basis = {"scale": g, "offset": jnp.ones_like(g)} | dict(zip(form.coordinates, slopes.T, strict=False))
    columns = [row.root * basis[name] for name in form.fitted]
    columns.append(row.root * (row.target - known["scale"] * g - known["offset"]))
    steepest = jnp.abs(basis["onset"]).max() if "onset" in form.searched else jnp.zeros(())
    return _At(jnp.linalg.qr(jnp.stack(columns, axis=1), mode="r"), g, steepest)


def _back_substitute(triangle: Array, number: int) -> list[Array]:
    """The first ``number`` unknowns that bring the first rows of a triangle to its last column."""
    found: list[Array] = []
    for i in reversed(range(number)):
        left = triangle[i, -1] - sum((triangle[i, j + i + 1] * x for j, x in enumerate(found)), jnp.zeros(()))
        own = triangle[i, i]
        has_effect = jnp.abs(own) > _ROUNDING * jnp.abs(triangle[: i + 1, i]).max()
        found.insert(0, jnp.where(has_effect, left / jnp.where(has_effect, own, 1.0), 0.0))
    return found


def _small(form: Form, row: Rows, point: Array, triangle: Array) -> tuple[Array, Array]:
    """Residuals (L,) and Jacobian (L, C) of the coordinates alone, with the best scale and offset."""
    number = len(form.solved)
    linear = dict(zip(form.solved, _back_substitute(triangle, number), strict=True))
    at = dict(zip(form.coordinates, point, strict=True))
    scale = ({"scale": row.own["scale"]} | at | linear)["scale"]
    whole, jacobian = triangle[:, number:-1], triangle[number:, number:-1]
    # If scale and offset can compensate a coordinate entirely, its derivative is a rounding error and is set to 0.
    sizes = [jnp.sqrt((a**2).sum(axis=0)) for a in (jacobian, whole)]
    by_scale = jnp.array([name not in ("scale", "offset") for name in form.coordinates])
    factor = jnp.where(sizes[0] > _ROUNDING * sizes[1], 1.0, 0.0) * jnp.where(by_scale, scale, 1.0)
    # A scale that does not move the curve leaves its part of the trace among the residuals.
    reached = triangle[:number, :number] @ jnp.array([linear[name] for name in form.solved]) if number else 0.0
    residuals = jnp.concatenate([triangle[:number, -1] - reached, triangle[number:, -1]])
    jacobian = jnp.concatenate([jnp.zeros((number, jacobian.shape[1])), jacobian * factor[None, :]])
    return residuals, jacobian


def _step(form: Form, row: Rows, point: Array, triangle: Array, damping: Array) -> tuple[Array, Array]:
    """The next step (C,), and by how much it should lower the cost."""
    residuals, jacobian = _small(form, row, point, triangle)
    curvature, slope = jacobian.T @ jacobian, jacobian.T @ residuals
    # A coordinate stays at a bound if the sum of squares falls beyond it.
    held = ((point <= row.lower) & (slope < 0)) | ((point >= row.upper) & (slope > 0))
    sizes = jnp.sqrt(jnp.diagonal(curvature))
    moves = ~held & (sizes > 0)
    sizes = jnp.where(moves, sizes, 1.0)
    both = moves[:, None] & moves[None, :]
    matrix = jnp.where(both, curvature / sizes[:, None] / sizes[None, :], 0.0)
    matrix = matrix + jnp.diag(jnp.where(moves, damping, 1.0))
    step = _solve(matrix, jnp.where(moves, slope / sizes, 0.0)) / sizes
    longest = jnp.where(jnp.array(_are_fractions(form)), _LONGEST, jnp.inf)
    step = jnp.clip(step, -longest, longest)
    step = jnp.clip(point + step, row.lower, row.upper) - point
    return step, jnp.maximum(slope @ step - step @ curvature @ step / 2, 0.0)


def _solve(matrix: Array, right: Array) -> Array:
    """The solution of a few equations with a symmetric positive matrix, written out: a call for each would be slow."""
    number = len(right)
    lower = [[jnp.zeros(())] * number for _ in range(number)]
    y: list[Array] = []
    for i in range(number):
        for j in range(i + 1):
            left = matrix[i, j] - sum((lower[i][k] * lower[j][k] for k in range(j)), jnp.zeros(()))
            lower[i][j] = jnp.sqrt(jnp.maximum(left, 1e-30)) if i == j else left / lower[j][j]
        y.append((right[i] - sum((lower[i][k] * y[k] for k in range(i)), jnp.zeros(()))) / lower[i][i])
    x = [jnp.zeros(())] * number
    for i in reversed(range(number)):
        x[i] = (y[i] - sum((lower[k][i] * x[k] for k in range(i + 1, number)), jnp.zeros(()))) / lower[i][i]
    return jnp.stack(x)


def _are_fractions(form: Form) -> list[bool]:
    return [*form.logarithmic, *[False] * len(form.searched)]


def _where(chosen: Array, new: Array, old: Array) -> Array:
    """``new`` in the chosen rows, (B,), ``old`` in the others."""
    return jnp.where(chosen.reshape(-1, *[1] * (new.ndim - 1)), new, old)
