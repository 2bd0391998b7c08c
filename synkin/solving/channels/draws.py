"""How many receptors go from state to state, drawn at random: exact, in float32 too, up to 2**31 - 1 receptors.

Counts are int32, so that none is rounded. Nothing that `jax.random.binomial` computes in float32 is good for more than
some hundred thousand receptors: it takes the difference of terms that are as large as their number.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.solving import loops

# Below this mean a binomial number is found by inversion; the constants of the other method are for means above it.
_FEW = 10.0
# A probability below which that ends: it comes to less in all than the fineness of uniform numbers.
_NEGLIGIBLE = 1e-10
# log k! - (k log k - k) of small k. Beyond them a series is right to 1e-10.
_TABLE = np.array([0.0] + [math.lgamma(k + 1) - k * math.log(k) + k for k in range(1, 10)])
_TERMS = 10  # of the series of `_deviance`, for 1e-8 of it
_FURTHEST = 2**30  # more than any proposal that can be accepted is away from the mean


def move(key: Array, counts: Array, propagator: Array) -> Array:
    """The receptors in each state after a stretch of time, each of which moves by itself.

    Args:
        key: of `jax.random`.
        counts: (S, *shape) int32, the receptors in each state.
        propagator: (S, S, *shape) the probability that a receptor in state j is in state i afterwards, or (S, S).

    Returns:
        (S, *shape) int32.

    The receptors of each state are distributed by a multinomial draw: a chain of binomial ones, each of what the ones
    before have left. Those that stay come last, so that small probabilities of leaving keep their digits.
    """
    S = len(counts)
    propagator = propagator.reshape(propagator.shape + (1,) * (counts.ndim + 1 - propagator.ndim))
    each = np.arange(S)
    to = (each[None, :] + 1 + each[:, None]) % S  # [k, j], where those of state j go in the k-th draw
    p = propagator[to, each]
    # The probability of what is left, [k, j]; sums from the end, in which nothing cancels.
    left = jnp.flip(jnp.cumsum(jnp.flip(p, 0), axis=0), 0)
    whole = jnp.where(left > 0, left, 1)
    chances = p[:-1] / whole[:-1], left[1:] / whole[:-1]

    def draw(rest: Array, step: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        k, p, q = step
        taken = binomial(jax.random.fold_in(key, k), rest, p, q)
        return rest - taken, taken

    rest = loops.match_varying(counts, (counts, propagator, key))
    stay, taken = jax.lax.scan(draw, rest, (jnp.arange(S - 1, dtype=jnp.uint32), *chances))
    source = (each[None, :] - 1 - each[:-1, None]) % S  # [k, i], where those that come to state i in draw k are from
    return stay + taken[each[:-1, None], source].sum(axis=0, dtype=counts.dtype)


def distribute(key: Array, channels: Array, occupancies: Array) -> Array:
    """The receptors in each state, (S, *shape) int32, of so many, each of which is in a state by chance.

    Args:
        key: of `jax.random`.
        channels: (*shape) int32.
        occupancies: (S, *shape) the probability of each state.
    """
    all_in_first = jnp.concatenate([channels[None], jnp.zeros((len(occupancies) - 1, *channels.shape), jnp.int32)])
    return move(key, all_in_first, jnp.repeat(occupancies[:, None], len(occupancies), axis=1))


def binomial(key: Array, n: Array, p: Array, q: Array) -> Array:
    """How many of n succeed, int32.

    Args:
        key: of `jax.random`.
        n: int32, 0 and above.
        p: the probability of success, of n's shape or broadcasting; NaN counts as 0.
        q: 1 - p, in which a small one keeps its digits.
    """
    p, q = (jnp.where(x > 0, x, 0) for x in jnp.broadcast_arrays(p, q))
    n, p, q = jnp.broadcast_arrays(n, p, q)
    less = jnp.minimum(jnp.minimum(p, q), p.dtype.type(0.5))
    few = n.astype(p.dtype) * less < _FEW
    k = jnp.where(few, _few(key, jnp.where(few, n, 0), less), _many(key, n, less, few))
    return jnp.where(p > q, n - k, k)


def _few(key: Array, n: Array, p: Array) -> Array:
    """A binomial number of a small mean, by inversion of its distribution: the k whose tail a uniform number is in."""
    u = _uniform(jax.random.bits(key, n.shape, jnp.uint32), p.dtype)
    none = n.astype(p.dtype) * jnp.log1p(-p)  # the logarithm of the probability of no success
    odds = p / (1 - p)

    def body(loop: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        k, probability, tail = loop
        below = jnp.where(goes_on(loop), k + 1, k)
        next_one = probability * odds * ((n - k).astype(p.dtype) / (k + 1).astype(p.dtype))
        return below, jnp.where(below > k, next_one, probability), jnp.where(below > k, tail - next_one, tail)

    def goes_on(loop: tuple[Array, Array, Array]) -> Array:
        # Where hardly anything is left, what the tail is has been lost in rounding.
        return (u < loop[2]) & ((loop[0] == 0) | (loop[1] > _NEGLIGIBLE))

    start = loops.match_varying((jnp.zeros_like(n), jnp.exp(none), -jnp.expm1(none)), (u, n, p))
    return jax.lax.while_loop(lambda loop: goes_on(loop).any(), body, start)[0]


def _many(key: Array, n: Array, p: Array, done: Array) -> Array:
    """A binomial number of a large mean, where it is not ``done``, of a p up to 1/2.

    A transformed uniform number is proposed, and accepted by the ratio of its probability to that of the mode. The
    logarithm of that is a sum of small terms, as each is of the distance from the mean. Sources: Hörmann 1993, J. Stat.
    Comput. Simul. 46:101 (BTRS); Loader 2000, Fast and accurate computation of binomial probabilities.
    """
    dtype = p.dtype
    mean = jnp.maximum(n.astype(dtype) * p, _FEW)
    others = jnp.maximum(n.astype(dtype) - mean, _FEW)
    whole = jnp.floor(mean)
    part, whole = mean - whole, whole.astype(jnp.int32)
    spread = jnp.sqrt(mean * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    sure = 0.92 - 4.2 / b
    height = (2.83 + 5.1 / b) * spread

    def log_probability(j: Array) -> Array:
        """Of ``whole + j``, but for a constant."""
        k, away = whole + j.astype(jnp.int32), j - part
        far = _deviance(away / mean) * mean + _deviance(-away / others) * others
        return -far - _stirling(k, dtype) - _stirling(n - k, dtype)

    at_mode = log_probability(jnp.floor(part + p))

    def body(loop: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        i, k, done = loop
        bits = jax.random.bits(jax.random.fold_in(key, i), (2, *n.shape), jnp.uint32)
        # A uniform number between -1/2 and 1/2, whose distance from the ends has all its digits.
        from_end = _uniform(bits[0] & jnp.uint32(2**31 - 1), dtype)
        u = jnp.where(bits[0] >> 31 == 1, 0.5 - from_end, from_end - 0.5)
        v = _uniform(bits[1], dtype)
        j = jnp.clip(jnp.floor((2 * a / from_end + b) * u + part + 0.5), -_FURTHEST, _FURTHEST - 1)
        proposed = whole + j.astype(jnp.int32)
        inside = (proposed >= 0) & (proposed <= n)
        limit = log_probability(jnp.where(inside, j, 0)) - at_mode
        good = ((from_end >= 0.07) & (v <= sure)) | (jnp.log(v * height / (a / (from_end * from_end) + b)) <= limit)
        found = inside & good & ~done
        return i + 1, jnp.where(found, proposed, k), done | found

    start = loops.match_varying((jnp.uint32(0), jnp.zeros_like(n), done), (key, n, p, done))
    return jax.lax.while_loop(lambda loop: ~loop[2].all(), body, start)[1]


def _uniform(bits: Array, dtype: np.dtype) -> Array:
    """Numbers between 0 and 1, never 0; small ones are as fine as 2**-32."""
    return bits.astype(dtype) * dtype.type(2.0**-32) + dtype.type(2.0**-33)


def _deviance(t: Array) -> Array:
    """``(1 + t) log(1 + t) - t``, for t of -1 and above."""
    series = jnp.zeros_like(t)
    for i in range(_TERMS, 1, -1):
        series = 1 / (i * (i - 1)) - t * series
    far = jnp.where(t > -1, t, 0)
    return jnp.where(jnp.abs(t) < 0.15, t * t * series, jnp.where(t > -1, (1 + far) * jnp.log1p(far) - far, 1))


def _stirling(k: Array, dtype: np.dtype) -> Array:
    """``log k! - (k log k - k)``."""
    few = k < len(_TABLE)
    x = jnp.where(few, len(_TABLE), k).astype(dtype)
    series = 0.5 * jnp.log(2 * math.pi * x) + (1 / 12 - (1 / 360 - 1 / (1260 * x * x)) / (x * x)) / x
    return jnp.where(few, jnp.asarray(_TABLE, dtype)[jnp.clip(k, 0, len(_TABLE) - 1)], series)
