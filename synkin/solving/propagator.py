"""What a stretch of time does to rate equations with constant coefficients: the mathematics, and nothing of synapses.

`synkin.solving.coefficients` calls these with the coefficients of a kernel. Each solves its kind of equations exactly:

    relaxation        one variable,    y' = source - rate y
    cascade_response         two in a chain,  what the first hands to the second
    occupancies       n states of a receptor, whose sum stays 1
    steady            what these settle to
    affine_change     any affine system
    squaring_table, apply_by_squaring  either, over many stretches of any length
    open_gate         y' = opening (1 - y) - closing y, for rates that are known integrals

A change is written as what is lost and what is gained, ``y <- y + (gained - lost y)``, and not as ``a y + b``: in
float32 a factor a near 1 is rounded, and over the thousands of steps of a slow decay that adds up to 1e-4, while a
small ``lost`` keeps all its digits. With ``phi(z) = (exp(z) - 1) / z`` nothing divides by a rate, so a rate of 0 is an
ordinary point, for values and for derivatives of every order.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.solving import loops

# Inside this radius phi is its Taylor series; outside, every order loses some of its precision to cancellation, the
# less the larger the radius.
_SERIES_RADIUS = 0.5
# So many terms bring radius**n n! / (n + 2)! below rounding.
_SERIES_TERMS = {"float64": 15}
_SERIES_TERMS_OTHER = 8

# Below this the slopes of `open_gate` are the first two terms of a series.
_GATE_RADIUS = {"float64": 1e-8}
_GATE_RADIUS_OTHER = 2e-4

# Terms of the exponential series of a matrix whose norm is 1 at most.
_MATRIX_TERMS = {"float64": 19}
_MATRIX_TERMS_OTHER = 12
# Squarings of such a matrix: rates times durations up to 2**60.
_SQUARINGS = 60


def phi(z: Any) -> Any:
    """``(exp(z) - 1) / z``, continued through ``phi(0) = 1``.

    Args:
        z: dimensionless, any shape, floating.

    Returns:
        Array of the shape and dtype of ``z``, right to rounding, with right derivatives of every order at 0 too.

    Source: the first of the phi functions of exponential integrators (Hochbruck and Ostermann 2010, Acta
    Numerica 19:209).
    """
    if not isinstance(z, Array):  # a plain number, as when equations are tried out
        return np.expm1(z) / z if z else np.float64(1)
    return _phi(1, z)


def phi2(z: Array) -> Array:
    """``(phi(z) - 1) / z``, continued through ``phi2(0) = 1/2``: the second of the same functions.

    Args:
        z: dimensionless, any shape, floating.

    Returns:
        Array of the shape and dtype of ``z``, with right derivatives of every order at 0 too.
    """
    return _phi(2, z)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _phi(order: int, z: Array) -> Array:
    # Within a scan JAX may drop the rule below and differentiate this: so the series is there for order 1 too, where
    # the value alone would not need it.
    near = jnp.abs(z) < _SERIES_RADIUS
    z_far = jnp.where(near, jnp.ones_like(z), z)
    far = jnp.expm1(z_far) / z_far
    for k in range(1, order):
        far = (far - 1 / math.factorial(k)) / z_far
    z_near = jnp.where(near, z, jnp.zeros_like(z))
    terms = _SERIES_TERMS.get(z.dtype.name, _SERIES_TERMS_OTHER)
    series = jnp.full_like(z, 1 / math.factorial(terms + order))
    for n in range(terms - 1, -1, -1):
        series = series * z_near + 1 / math.factorial(n + order)
    return jnp.where(near, series, far)


@_phi.defjvp
def _phi_jvp(order: int, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # The functions are closed under differentiation, phi_k' = phi_k - k phi_(k+1). Without this rule a derivative
    # would run through both branches of `where`, which is slow to compile.
    (z,), (dz,) = primals, tangents
    value = _phi(order, z)
    return value, dz * (value - order * _phi(order + 1, z))


class Exchange(NamedTuple):
    """What a stretch of time does to one variable, ``y <- y + (gained - lost y)``."""

    lost: Array  # the fraction of y that decays
    gained: Array  # unit of y


def relaxation(source: Array, rate: Array, dt: ArrayLike) -> Exchange:
    """The solution of ``y' = source - rate * y`` after ``dt``.

    Args:
        source: inflow in the unit of y per ms, any shape.
        rate: decay rate in /ms, broadcasts against ``source``; 0 is allowed.
        dt: stretch of time in ms, broadcasts; 0 is allowed and gives ``(0, 0)``.

    Returns:
        ``lost``, the fraction of y that decays, and ``gained`` (unit of y), broadcast shapes.
    """
    return Exchange(decay(rate, dt), source * (dt * phi(-rate * dt)))


def decay(rate: Array, dt: ArrayLike) -> Array:
    """The fraction that is lost of ``y' = -rate * y`` over ``dt``: ``1 - exp(-rate dt)``, all digits kept.

    Args:
        rate: decay rate in /ms, any shape.
        dt: stretch of time in ms, broadcasts.

    Returns:
        Fraction, the broadcast shape.
    """
    return -jnp.expm1(-rate * dt)


def cascade_response(rate: Array, next_rate: Array, dt: ArrayLike) -> Array:
    """How much of a decaying variable is in the one that it feeds, ``z' = y - next_rate z``, after ``dt``.

    Args:
        rate: of ``y' = -rate y``, /ms, any shape.
        next_rate: /ms, broadcasts; it may equal ``rate``.
        dt: ms, broadcasts.

    Returns:
        z after ``dt`` from y = 1 and z = 0, in ms, the broadcast shape.
    """
    # The integral of one exponential against the other is symmetric in them; with the faster one first, phi's argument
    # is never positive and nothing overflows.
    faster = rate >= next_rate
    fast, slow = jnp.where(faster, rate, next_rate), jnp.where(faster, next_rate, rate)
    return jnp.exp(-slow * dt) * (dt * phi((slow - fast) * dt))


@jax.custom_jvp
def open_gate(g: Array, opened: Array, closed: Array) -> Array:
    """``g' = opening (1 - g) - closing g`` over a stretch of time in which the ratio of the two rates is constant.

    Args:
        g: open fraction, any shape.
        opened: integral of the opening rate over the stretch, dimensionless; broadcasts.
        closed: the same of the closing rate. Both may be 0.

    Returns:
        The open fraction at the end, with right derivatives also where both integrals are 0. One transcendental is
        all that it costs, which matters for rates that change from step to step.
    """
    total = opened + closed
    target = opened / jnp.where(total == 0, jnp.ones_like(total), total)
    # exp by way of tanh: half the time of `jnp.expm1` and as exact, as nothing cancels.
    t = jnp.tanh(-total / 2)
    approach = 2 * t / (1 - t)  # exp(-total) - 1, and -1 where nothing is left: what closes entirely is 0
    return g + jnp.where(total == 0, opened, approach * (g - target))


@open_gate.defjvp
def _open_gate_jvp(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
    (g, opened, closed), (dg, d_opened, d_closed) = primals, tangents
    total = opened + closed
    t = jnp.tanh(-total / 2)
    small = jnp.abs(t) <= _GATE_RADIUS.get(g.dtype.name, _GATE_RADIUS_OTHER) / 2
    safe = jnp.where(small, jnp.ones_like(total), total)
    # All else is made of the tanh, of g and of three divisions: XLA's CPU computes these once, and what lies between
    # again for every parameter that a gradient has.
    target, mean = opened / safe, 2 * t / safe
    change = (1 + t) * (target - g)
    # Near 0 the first two terms of a series, so that this has the right derivative too; the total is -2 t there.
    near = -g * (1 + 2 * t) - target / 2
    by_closed = jnp.where(small, near * (1 - t), change + mean * target)
    by_opened = jnp.where(small, (near + 1 + t) * (1 - t), change + mean * (target - 1))
    dy = ((1 + t) * dg + by_opened * d_opened + by_closed * d_closed) / (1 - t)
    return open_gate(g, opened, closed), dy


def markov_propagator(generator: Array, duration: Array) -> Array:
    """The propagator ``exp(generator duration)`` of states whose occupancies sum to 1.

    Args:
        generator: (..., n, n) /ms; element [i, j] is the rate from state j to state i, not negative off the diagonal,
            and columns sum to 0.
        duration: ms, broadcasts against ``...``; 0 and above.

    Returns:
        (..., n, n); element [i, j] is the part of what was in j that is in i afterwards. All of it is right to
        rounding, however far the rates and the duration are apart.

    Nothing cancels: with q >= every rate of leaving, ``exp(G t) = exp(-q) exp(G t + q)`` is a series of terms that are
    not negative; the factor exp(-q) and all rounding go into making columns sum to 1 again.
    Source: uniformisation, Jensen 1953, Skand. Aktuarietidskr. 36:87; with squarings, Higham 2008, Functions of
    Matrices, SIAM, ch. 10.
    """
    scaled = _scale_by_duration(generator, duration)
    leaving = jax.lax.stop_gradient(_fastest_exit_rate(scaled))
    squarings, scale = _count_squarings(leaving)
    start = _short_markov_propagator(scaled * scale[..., None, None], leaving * scale)
    return _square_repeatedly(start, squarings, _double_markov_propagator)


def stationary_distribution(generator: Array) -> Array:
    """What occupancies settle to, the null vector of ``generator``.

    Args:
        generator: (..., n, n) /ms, as for `markov_propagator`; every state must lead to the first one.

    Returns:
        (..., n), which sums to 1, each right to rounding; NaN where some state does not lead to the first.

    States are eliminated one after the other, and what leads through them is added to what leads past: nothing is
    subtracted. Source: Grassmann, Taksar and Heyman 1985, Oper. Res. 33:1107.
    """
    a, inflows = generator, list[Array]()
    for k in range(generator.shape[-1] - 1, 0, -1):
        out = a[..., :k, k]
        inflow = a[..., k, :k] / out.sum(axis=-1)[..., None]  # what is in k for each that is in the others
        inflows.append(inflow)
        a = a[..., :k, :k] + out[..., :, None] * inflow[..., None, :]
    distribution = jnp.ones((*generator.shape[:-2], 1), generator.dtype)
    for inflow in reversed(inflows):
        distribution = jnp.concatenate([distribution, (inflow * distribution).sum(axis=-1)[..., None]], axis=-1)
    distribution = distribution / distribution.sum(axis=-1)[..., None]
    return distribution + (0 * distribution).sum(axis=-1)[..., None]  # NaN in one state is NaN in all


class SquaringTable(NamedTuple):
    """What doubling stretches of time do to a system, so that any stretch is a few products with a vector."""

    generator: Array  # (..., n, n) /ms
    step: Array  # (...) ms, the shortest stretch
    powers: Array  # (60, ..., n, n), the propagators (or changes) of step, 2 step, 4 step, ...
    conserved: bool  # whether it is of occupancies


def squaring_table(generator: Array, *, conserved: bool) -> SquaringTable:
    """The table for `apply_by_squaring`.

    Args:
        generator: (..., n, n) /ms; as for `markov_propagator` if ``conserved``, else as for `affine_change`.
        conserved: whether occupancies are moved, whose sum stays 1.
    """
    norm = jax.lax.stop_gradient(_fastest_exit_rate(generator) if conserved else _norm(generator))
    step = 1 / jnp.maximum(norm, float(jnp.finfo(norm.dtype).tiny))
    scaled = generator * step[..., None, None]
    first = _short_markov_propagator(scaled, norm * step) if conserved else _short_change(scaled)

    def double(p: Array, _: None) -> tuple[Array, Array]:
        return _double_markov_propagator(p) if conserved else _double_change(p), p

    return SquaringTable(generator, step, jax.lax.scan(double, first, None, length=_SQUARINGS)[1], conserved)


def apply_by_squaring(table: SquaringTable, which: int | Array, y: Array, duration: Array) -> Array:
    """Systems after ``duration`` ms.

    Args:
        table: from `squaring_table`, with one leading axis.
        which: index of the system: a number, or int32, a scalar or (...).
        y: (n, ...) at the start.
        duration: (...) ms, 0 and above.

    Returns:
        (n, ...), with right derivatives of every order also in ``duration``.
    """
    if not isinstance(which, int) and not which.ndim:  # or the loop over the powers would go through those of all
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
        taken = left >= length  # nothing is rounded, as what is left is less than twice the length
        return jnp.where(taken, left - length, left), taken

    lengths = jnp.arange(_SQUARINGS - 1, -1, -1).astype(step.dtype)
    left, taken = jax.lax.scan(choose, loops.match_varying(jax.lax.stop_gradient(duration), step), lengths)
    # What the powers leave over is a series, which has all of the derivative in time.
    left = jnp.minimum(left, step) + (duration - jax.lax.stop_gradient(duration))
    matrix = table.generator
    if table.conserved:  # with what `_rescale_to_sum` takes away again, so that nothing is negative
        matrix = matrix + jax.lax.stop_gradient(_fastest_exit_rate(matrix))[..., None, None] * _identity(matrix)
    matrix = _select_matrix(matrix, which)
    after = _horner_sum(lambda total: _apply_matrix(matrix, total) * left[None], y, 1)
    y = _rescale_to_sum(y, after) if table.conserved else after

    def apply_power(y: Array, power: tuple[Array, Array]) -> tuple[Array, None]:
        taken, p = power

        def applied(y: Array) -> Array:
            after = _apply_matrix(_select_matrix(p, which), y)
            return jnp.where(taken[None], _rescale_to_sum(y, after) if table.conserved else y + after, y)

        return jax.lax.cond(loops.any_across_batch(taken), applied, lambda y: y, y), None

    return jax.lax.scan(apply_power, y, (taken[::-1], table.powers))[0]


def affine_change(matrix: Array, duration: Array) -> Array:
    """``exp(matrix duration) - 1``, for any matrix.

    Args:
        matrix: (..., n, n) /ms.
        duration: ms, broadcasts against ``...``.

    Returns:
        (..., n, n), the change of each variable from each; kept as a change all through, so that a slow variable beside
        fast ones keeps its digits: ``E(2t) = 2 E(t) + E(t) E(t)``.
    """
    scaled = _scale_by_duration(matrix, duration)
    squarings, scale = _count_squarings(jax.lax.stop_gradient(_norm(scaled)))
    return _square_repeatedly(_short_change(scaled * scale[..., None, None]), squarings, _double_change)


def _fastest_exit_rate(generator: Array) -> Array:
    """The fastest rate at which a state is left."""
    return jnp.max(-jnp.diagonal(generator, axis1=-2, axis2=-1), axis=-1)


def _norm(matrix: Array) -> Array:
    return jnp.abs(matrix).sum(axis=-2).max(axis=-1)


def _short_markov_propagator(scaled: Array, leaving: Array) -> Array:
    """The propagator of ``scaled``, whose states are left at rates up to ``leaving``, 1 at most."""
    # `leaving` as a plain number to the derivative: whatever it is, it cancels when columns are made to sum to 1.
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


def _identity(like: Array) -> Array:
    return jnp.broadcast_to(jnp.eye(like.shape[-1], dtype=like.dtype), like.shape)


def _scale_by_duration(matrix: Array, duration: ArrayLike) -> Array:
    """Each matrix times its duration; their shapes broadcast, whatever rank either has."""
    duration = jnp.asarray(duration)
    shape = jnp.broadcast_shapes(matrix.shape[:-2], duration.shape)
    return jnp.broadcast_to(matrix, (*shape, *matrix.shape[-2:])) * jnp.broadcast_to(duration, shape)[..., None, None]


def _count_squarings(norm: Array) -> tuple[Array, Array]:
    """How often to halve so that the norm is 1 at most, int32, and the factor of that."""
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
    # The first by itself: within shard_map what a loop carries is to vary from the start as it does in the end.
    total, _ = add(start, counts[0])
    return jax.lax.scan(add, total, counts[1:])[0]


def _select_matrix(matrices: Array, which: int | Array) -> Array:
    """Of (C, n, n) one matrix, or with many to choose (n, n, ...)."""
    if isinstance(which, int):
        return matrices[which]
    # By a mode that compares no index with 0, which JAX cannot do in a branch within shard_map.
    matrix = jnp.take(matrices, which, axis=0, mode="clip")
    return jnp.moveaxis(matrix, (-2, -1), (0, 1))


def _apply_matrix(matrix: Array, y: Array) -> Array:
    """Each matrix times its vector, (n, ...); one matrix may serve for many."""
    if matrix.ndim == 2:
        return _matmul(matrix, y.reshape(len(y), -1)).reshape(y.shape)
    return (matrix * y[None]).sum(axis=1)


def _rescale_to_sum(y: Array, after: Array) -> Array:
    """``after``, its sum put right to that of ``y``."""
    return after * (y.sum(axis=0, keepdims=True) / after.sum(axis=0, keepdims=True))


def _square_repeatedly(p: Array, squarings: Array, square: Callable[[Array], Array]) -> Array:
    """``p`` after as many squarings; each of a fixed number is taken or not, so that it has a reverse."""

    def maybe(p: Array, k: Array) -> tuple[Array, None]:
        return jnp.where((k < squarings)[..., None, None], square(p), p), None

    return jax.lax.scan(maybe, p, jnp.arange(_SQUARINGS, dtype=jnp.int32))[0]


def _matmul(a: Array, b: Array) -> Array:
    # In full precision on accelerators too.
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def gauss_legendre(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1] for a smooth integrand over a short stretch; both of shape (nodes,).

    Source: numpy.polynomial.legendre.leggauss.
    """
    x, w = np.polynomial.legendre.leggauss(nodes)
    return (x + 1) / 2, w / 2


def chebyshev(degree: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interpolation on [-1, 1]: the nodes, (degree + 1,), none at an end; the matrix from values there to coefficients
    of Chebyshev polynomials, and the one from these to coefficients of powers, both (degree + 1, degree + 1).

    Source: Trefethen 2013, Approximation Theory and Approximation Practice, SIAM, ch. 3.
    """
    k = np.arange(degree + 1)
    angles = np.pi * (k + 0.5) / (degree + 1)
    matrix = 2 / (degree + 1) * np.cos(np.outer(k, angles))
    matrix[0] /= 2
    powers = np.zeros((degree + 1, degree + 1))
    for j in k:
        powers[: j + 1, j] = np.polynomial.chebyshev.cheb2poly(np.eye(degree + 1)[j, : j + 1])
    return np.cos(angles), matrix, powers
