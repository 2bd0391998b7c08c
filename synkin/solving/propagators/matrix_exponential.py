"""Exponentials of matrices: exact solutions for systems of any number of variables.

markov_propagator           occupancies, whose sum stays 1
stationary_distribution     the occupancies that no longer change
affine_change               any affine system
markov_propagator_and_mean,
    affine_change_and_mean  the same, and their averages over the stretch
squaring_table,
    apply_by_squaring       both kinds of systems, over many stretches of any length
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from synkin.solving import loops
from synkin.solving.propagators.quadrature import gauss_legendre

# The number of terms of the exponential series of a matrix whose norm is 1 at most.
_MATRIX_TERMS = {"float64": 19}
_MATRIX_TERMS_OTHER = 12
# The number of nodes over which the exponential of such a matrix is averaged.
_MEAN_NODES = 8
# The maximum number of squarings of such a matrix, for rates times durations up to 2**60.
_SQUARINGS = 60


def markov_propagator(generator: Array, duration: Array) -> Array:
    """The propagator ``exp(generator duration)`` of states whose occupancies sum to 1.

    Args:
        generator: (..., n, n) /ms; element [i, j] is the rate from state j to state i, not negative off the diagonal,
            and columns sum to 0.
        duration: ms, broadcasts against ``...``; 0 and above.

    Returns:
        (..., n, n); element [i, j] is the probability that what is in j is in i afterwards. Every element is right
        to rounding, however far apart the rates and the duration are.

    Nothing cancels: with q at least t times the fastest rate at which a state is left, the series of ``exp(G t + q)``
    has no negative term. Its columns are then divided by their sums, which applies the factor exp(-q).
    Source: uniformisation, Jensen 1953, Skand. Aktuarietidskr. 36:87; with squarings, Higham 2008, Functions of
    Matrices, SIAM, ch. 10.
    """
    scaled = _scale_by_duration(generator, duration)
    leaving = jax.lax.stop_gradient(_fastest_exit_rate(scaled))
    squarings, scale = _count_squarings(leaving)
    start = _short_markov_propagator(scaled * scale[..., None, None], leaving * scale)
    return _square_repeatedly(start, squarings, _double_markov_propagator)


def stationary_distribution(generator: Array) -> Array:
    """The occupancies that no longer change: the null vector of ``generator``.

    Args:
        generator: (..., n, n) /ms, as for `markov_propagator`; the first state must be reachable from every state.

    Returns:
        (..., n), which sums to 1, each right to rounding; NaN where the first state cannot be
        reached from some state.

    States are eliminated one after the other. The rates through an eliminated state are added to the rates past it, so
    nothing is subtracted. Source: Grassmann, Taksar and Heyman 1985, Oper. Res. 33:1107.
    """
    a, inflows = generator, list[Array]()
    for k in range(generator.shape[-1] - 1, 0, -1):
        out = a[..., :k, k]
        inflow = a[..., k, :k] / out.sum(axis=-1)[..., None]  # the occupancy of k, from those of the others
        inflows.append(inflow)
        a = a[..., :k, :k] + out[..., :, None] * inflow[..., None, :]
    distribution = jnp.ones((*generator.shape[:-2], 1), generator.dtype)
    for inflow in reversed(inflows):
        distribution = jnp.concatenate([distribution, (inflow * distribution).sum(axis=-1)[..., None]], axis=-1)
    distribution = distribution / distribution.sum(axis=-1)[..., None]
    return distribution + (0 * distribution).sum(axis=-1)[..., None]  # NaN in one state makes all states NaN


class SquaringTable(NamedTuple):
    """Propagators over stretches that double in length; any stretch is then a few products with a vector."""

    generator: Array  # (..., n, n) /ms
    step: Array  # (...) ms, the shortest stretch
    powers: Array  # (60, ..., n, n), over step, 2 step, 4 step, ...: the propagators of the occupancies, else changes
    conserved: int  # how many of the first variables are occupancies, whose sum stays the same: all, none, or some


def squaring_table(generator: Array, *, conserved: int) -> SquaringTable:
    """The table for `apply_by_squaring`.

    Args:
        generator: (..., n, n) /ms; as for `markov_propagator` if all are ``conserved``, as for `affine_change` if none.
        conserved: how many of the first variables are occupancies. Those after them are driven by them, and drive none.
    """
    fastest = jax.lax.stop_gradient(_fastest_exit_rate(generator[..., :conserved, :conserved])) if conserved else None
    norm = fastest
    if norm is None or conserved < generator.shape[-1]:
        norm = jax.lax.stop_gradient(_norm(generator))
    step = 1 / jnp.maximum(norm, float(jnp.finfo(norm.dtype).tiny))
    scaled = generator * step[..., None, None]
    first = _short_change(scaled)
    if fastest is not None:
        occupancies = _short_markov_propagator(scaled[..., :conserved, :conserved], fastest * step)
        first = _with_occupancies(occupancies, first)

    def double(p: Array, _: None) -> tuple[Array, Array]:
        return _double(p, conserved), p

    return SquaringTable(generator, step, jax.lax.scan(double, first, None, length=_SQUARINGS)[1], conserved)


def apply_by_squaring(table: SquaringTable, which: int | Array, y: Array, duration: Array) -> Array:
    """The variables of linear systems after ``duration`` ms.

    Args:
        table: from `squaring_table`, with one leading axis.
        which: index of the system: a number, or int32, a scalar or (...).
        y: (n, ...), the variables at the start.
        duration: (...) ms, 0 and above.

    Returns:
        (n, ...), with right derivatives of every order also in ``duration``.
    """
    if not isinstance(which, int) and not which.ndim:  # else the loop over the powers would visit all systems
        select = partial(jnp.take, indices=which, mode="clip")
        generator, step, powers = (
            select(table.generator, axis=0),
            select(table.step, axis=0),
            select(table.powers, axis=1),
        )
        table, which = SquaringTable(generator[None], step[None], powers[:, None], table.conserved), 0
    step = table.step[which]

    def choose(left: Array, k: Array) -> tuple[Array, Array]:
        length = step * jnp.exp2(k)
        taken = left >= length  # then left is less than twice the length, and the difference is exact
        return jnp.where(taken, left - length, left), taken

    lengths = jnp.arange(len(table.powers) - 1, -1, -1).astype(step.dtype)
    left, taken = jax.lax.scan(choose, loops.match_varying(jax.lax.stop_gradient(duration), step), lengths)
    # The time that the powers leave over is covered by a series, which carries the derivative with respect to time.
    left = jnp.minimum(left, step) + (duration - jax.lax.stop_gradient(duration))
    matrix = table.generator
    n = table.conserved
    if n:  # a shifted diagonal, so that no occupancy is negative; the factor undoes the shift
        matrix = matrix + jax.lax.stop_gradient(_fastest_exit_rate(matrix[..., :n, :n]))[..., None, None] * _identity(
            matrix
        )
    matrix = _select_matrix(matrix, which)
    after = _horner_sum(lambda total: _apply_matrix(matrix, total) * left[None], y, 1)
    y = after * _ratio_of_sums(y[:n], after[:n]) if n else after

    def apply_power(y: Array, power: tuple[Array, Array]) -> tuple[Array, None]:
        taken, p = power

        def applied(y: Array) -> Array:
            after = _apply_matrix(_select_matrix(p, which), y)
            if not n:
                after = y + after
            elif n == len(y):
                after = after * _ratio_of_sums(y, after)
            else:
                occupancies = after[:n] * _ratio_of_sums(y[:n], after[:n])
                after = jnp.concatenate([occupancies, y[n:] + after[n:]])
            return jnp.where(taken[None], after, y)

        return jax.lax.cond(loops.any_across_batch(taken), applied, lambda y: y, y), None

    return jax.lax.scan(apply_power, y, (taken[::-1], table.powers))[0]


def affine_change(matrix: Array, duration: Array) -> Array:
    """``exp(matrix duration) - 1``, for any matrix.

    Args:
        matrix: (..., n, n) /ms.
        duration: ms, broadcasts against ``...``.

    Returns:
        (..., n, n), the change of each variable for each. The squarings keep it as a change,
        ``E(2t) = 2 E(t) + E(t) E(t)``, so that a slow variable beside fast ones keeps its digits.
    """
    scaled = _scale_by_duration(matrix, duration)
    squarings, scale = _count_squarings(jax.lax.stop_gradient(_norm(scaled)))
    return _square_repeatedly(_short_change(scaled * scale[..., None, None]), squarings, _double_change)


def markov_propagator_and_mean(generator: Array, duration: Array) -> tuple[Array, Array]:
    """`markov_propagator`, and its average over times from 0 to ``duration``; both (..., n, n).

    Nothing cancels in the average either: it is one of sums, ``M(2t) = (M(t) + P(t) M(t)) / 2``.
    """
    scaled = _scale_by_duration(generator, duration)
    leaving = jax.lax.stop_gradient(_fastest_exit_rate(scaled))
    squarings, scale = _count_squarings(leaving)
    scaled, leaving = scaled * scale[..., None, None], leaving * scale
    mean = _mean_over_nodes(lambda node: _short_markov_propagator(scaled * node, leaving * node), scaled)
    start = jnp.concatenate([_short_markov_propagator(scaled, leaving), mean], axis=-1)

    def double(both: Array) -> Array:
        p, mean = _halves(both)
        of_p, of_mean = _halves(_matmul(p, both))
        return _normalize_columns(jnp.concatenate([of_p, mean + of_mean], axis=-1))

    return _halves(_square_repeatedly(start, squarings, double))


def affine_change_and_mean(matrix: Array, duration: Array) -> tuple[Array, Array]:
    """`affine_change`, and its average over times from 0 to ``duration``; both (..., n, n)."""
    scaled = _scale_by_duration(matrix, duration)
    squarings, scale = _count_squarings(jax.lax.stop_gradient(_norm(scaled)))
    scaled = scaled * scale[..., None, None]
    start = jnp.concatenate(
        [_short_change(scaled), _mean_over_nodes(lambda node: _short_change(scaled * node), scaled)], axis=-1
    )

    def double(both: Array) -> Array:
        change, mean = _halves(both)
        of_change, of_mean = _halves(_matmul(change, both))
        return jnp.concatenate([2 * change + of_change, mean + (change + of_mean) / 2], axis=-1)

    return _halves(_square_repeatedly(start, squarings, double))


def _mean_over_nodes(at: Callable[[Array], Array], like: Array) -> Array:
    """The average of ``at``, a matrix like ``like``, over times from 0 to 1 in which it changes by about 1 at most."""
    nodes, weights = (jnp.asarray(each, like.dtype) for each in gauss_legendre(_MEAN_NODES))
    return jnp.tensordot(weights, jax.vmap(at)(nodes), 1, precision=jax.lax.Precision.HIGHEST)


def _halves(both: Array) -> tuple[Array, Array]:
    """Two matrices that are side by side."""
    first, second = jnp.split(both, 2, axis=-1)
    return first, second


def _fastest_exit_rate(generator: Array) -> Array:
    """The fastest rate at which a state is left, of each matrix."""
    return jnp.max(-jnp.diagonal(generator, axis1=-2, axis2=-1), axis=-1)


def _norm(matrix: Array) -> Array:
    return jnp.abs(matrix).sum(axis=-2).max(axis=-1)


def _short_markov_propagator(scaled: Array, leaving: Array) -> Array:
    """``exp(scaled)`` of a generator whose states are left at rates up to ``leaving``, which is 1 at most."""
    # `leaving` needs no derivative: it cancels when the columns are divided by their sums.
    identity = _identity(scaled)
    return _normalize_columns(_exponential_series(scaled + leaving[..., None, None] * identity, identity))


def _double_markov_propagator(p: Array) -> Array:
    return _normalize_columns(_matmul(p, p))


def _normalize_columns(p: Array) -> Array:
    return p / p.sum(axis=-2, keepdims=True)


def _short_change(scaled: Array) -> Array:
    """``exp(scaled) - 1`` of a matrix whose norm is 1 at most."""
    return _matmul(scaled, _exponential_series(scaled, _identity(scaled), first=2))


def _double_change(change: Array) -> Array:
    return 2 * change + _matmul(change, change)


def _double(p: Array, conserved: int) -> Array:
    """The entry of a table of squarings after ``p``."""
    size = p.shape[-1]
    if not conserved:
        return _double_change(p)
    if conserved == size:
        return _double_markov_propagator(p)
    squared = _matmul(p, p)
    # Others that follow occupancies have changes, E of themselves and C of the occupancies P, which become
    # 2 E + E E and C + E C + C P.
    more = jnp.concatenate([p[..., :conserved], 2 * p[..., conserved:]], axis=-1)
    return _with_occupancies(_normalize_columns(squared[..., :conserved, :conserved]), squared + more)


def _with_occupancies(occupancies: Array, change: Array) -> Array:
    """``change``, with the propagator of the occupancies in place of theirs."""
    n = occupancies.shape[-1]
    top = jnp.concatenate([occupancies, jnp.zeros_like(change[..., :n, n:])], axis=-1)
    return jnp.concatenate([top, change[..., n:, :]], axis=-2)


def _identity(like: Array) -> Array:
    return jnp.broadcast_to(jnp.eye(like.shape[-1], dtype=like.dtype), like.shape)


def _scale_by_duration(matrix: Array, duration: ArrayLike) -> Array:
    """Each matrix times its duration. Their shapes broadcast, whatever their ranks."""
    duration = jnp.asarray(duration)
    shape = jnp.broadcast_shapes(matrix.shape[:-2], duration.shape)
    return jnp.broadcast_to(matrix, (*shape, *matrix.shape[-2:])) * jnp.broadcast_to(duration, shape)[..., None, None]


def _count_squarings(norm: Array) -> tuple[Array, Array]:
    """The number of halvings, int32, after which the norm is 1 at most, and the factor that they make."""
    squarings = jnp.clip(jnp.ceil(jnp.log2(jnp.maximum(norm, 1))), 0, _SQUARINGS)
    return squarings.astype(jnp.int32), jnp.exp2(-squarings)


def _exponential_series(a: Array, identity: Array, first: int = 1) -> Array:
    """``1 + a/first (1 + a/(first + 1) (1 + ...))``, for a norm of 1 at most."""
    return _horner_sum(lambda total: _matmul(a, total), identity, first)


def _horner_sum(times_a: Callable[[Array], Array], start: Array, first: int) -> Array:
    terms = _MATRIX_TERMS.get(start.dtype.name, _MATRIX_TERMS_OTHER)

    def add(total: Array, k: Array) -> tuple[Array, None]:
        return start + times_a(total) / k, None

    counts = jnp.arange(terms, first - 1, -1).astype(start.dtype)
    # The first term is added outside of the loop: within shard_map a loop's carry must vary from the start as it does
    # at the end.
    total, _ = add(start, counts[0])
    return jax.lax.scan(add, total, counts[1:])[0]


def _select_matrix(matrices: Array, which: int | Array) -> Array:
    """One of the matrices (C, n, n); where ``which`` is an array of indices, one for each, as (n, n, ...)."""
    if isinstance(which, int):
        return matrices[which]
    # The other modes compare an index with 0, which JAX cannot do in a branch within shard_map.
    matrix = jnp.take(matrices, which, axis=0, mode="clip")
    return jnp.moveaxis(matrix, (-2, -1), (0, 1))


def _apply_matrix(matrix: Array, y: Array) -> Array:
    """Each matrix times its vector, (n, ...); a single matrix serves for all."""
    if matrix.ndim == 2:
        return _matmul(matrix, y.reshape(len(y), -1)).reshape(y.shape)
    return (matrix * y[None]).sum(axis=1)


def _ratio_of_sums(y: Array, after: Array) -> Array:
    """The factor that gives ``after`` the sum of ``y``."""
    return y.sum(axis=0, keepdims=True) / after.sum(axis=0, keepdims=True)


def _square_repeatedly(p: Array, squarings: Array, square: Callable[[Array], Array]) -> Array:
    """``p`` after so many squarings; the loop has a fixed length, so that JAX can differentiate it in reverse."""

    def maybe(p: Array, k: Array) -> tuple[Array, None]:
        wanted = k < squarings

        def squared(p: Array) -> Array:
            return jnp.where(wanted[..., None, None], square(p), p)

        return jax.lax.cond(loops.any_across_batch(wanted), squared, lambda p: p, p), None

    return jax.lax.scan(maybe, p, jnp.arange(_SQUARINGS, dtype=jnp.int32))[0]


def _matmul(a: Array, b: Array) -> Array:
    # Accelerators would use a lower precision.
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
