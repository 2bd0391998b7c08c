"""Which neurons the connections of `synkin.connect` join, from arrays, from a matrix or by chance."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments.choices import check_random_key
from synkin.arguments.known import concrete_value
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_real, check_number, check_shape


class Ends(NamedTuple):
    """The two ends of each connection, and the numbers of neurons."""

    pre: np.ndarray  # (C,) ints
    post: np.ndarray  # (C,) ints
    shape: tuple[int, int]  # (n_pre, n_post)


def given_ends(pre: Any, post: Any, shape: object) -> Ends:
    """Connections between given neurons.

    Raises:
        TypeError, ValueError: neurons that are traced, no whole numbers, not as many, or out of range.
    """
    lengths = _both(shape)
    pre, post = _neurons("pre", pre, lengths[0]), _neurons("post", post, lengths[1])
    if len(pre) != len(post):
        raise ValueError(
            "Arguments `pre` and `post` must have the same length, one entry for each connection, but have lengths "
            f"{len(pre)} and {len(post)}."
        )
    return Ends(pre, post, lengths)


def ends_of_matrix(matrix: Any) -> tuple[Ends, Any]:
    """The connections of a sparse matrix of `scipy.sparse` or `jax.experimental.sparse`, and their weights."""
    if hasattr(matrix, "tocoo"):
        entries = matrix.tocoo()
        n_pre, n_post = entries.shape
        return Ends(entries.row.astype(np.int64), entries.col.astype(np.int64), (n_pre, n_post)), entries.data
    if matrix.n_batch or matrix.n_dense or len(matrix.shape) != 2:
        raise ValueError(
            f"Argument `pre` must be a BCOO matrix with two sparse dimensions, but is {describe(matrix)} with "
            f"n_batch={matrix.n_batch} and n_dense={matrix.n_dense}."
        )
    indices = concrete_value(matrix.indices)
    if indices is None:
        raise TypeError(f"Argument `pre` must have indices that are not traced, but has {describe(matrix.indices)}.")
    kept = (indices < matrix.shape).all(axis=1)  # the rest pads
    pre, post = indices[kept].T.astype(np.int64)
    weights = matrix.data if kept.all() else matrix.data[np.flatnonzero(kept)]
    return Ends(pre, post, tuple(matrix.shape)), weights


def is_matrix(value: object) -> bool:
    """Whether ``value`` is a sparse matrix."""
    return hasattr(value, "tocoo") or all(hasattr(value, name) for name in ("n_sparse", "indices", "data"))


def random_ends(probability: object, key: object, shape: object, autapses: bool) -> Ends:
    """Each pair of neurons, connected with ``probability``, independently.

    Raises:
        TypeError, ValueError: no probability or no key, or of the wrong kind or range.
    """
    n_pre, n_post = _both(shape)
    expected = "a number from 0 to 1"
    p = concrete_value(check_number("probability", probability, lambda p: 0 <= p <= 1, expected))
    check_random_key("key", key)
    assert isinstance(key, Array)
    data = concrete_value(jax.random.key_data(key))
    if p is None or data is None:
        raise TypeError("Arguments `probability` and `key` must not be traced, but are.")
    rng = np.random.default_rng([int(part) for part in data.ravel()])
    pairs = _chosen(rng, float(p), n_pre * n_post)
    pre, post = np.divmod(pairs, max(n_post, 1))
    if not autapses:
        pre, post = pre[pre != post], post[pre != post]
    return Ends(pre, post, (n_pre, n_post))


def _chosen(rng: np.random.Generator, p: float, total: int) -> np.ndarray:
    """Of 0 to ``total`` - 1 each number with probability p, in order: the gaps between them are geometric."""
    if p == 0 or total == 0:
        return np.zeros(0, np.int64)
    chosen, last, size = [], -1, int(total * p * 1.05) + 100
    while last < total:
        # A gap beyond the end is as good as one that ends there, and their sum cannot overflow.
        numbers = last + np.cumsum(np.minimum(rng.geometric(p, size), total + 1))
        chosen.append(numbers)
        last = int(numbers[-1])
    joined = np.concatenate(chosen)
    return joined[joined < total]


def _both(shape: object) -> tuple[int, int]:
    lengths = () if shape is None else check_shape(shape)
    if len(lengths) != 2:
        raise ValueError(
            "Argument `shape` must be (n_pre, n_post), the numbers of presynaptic and postsynaptic neurons, but is "
            f"{describe(shape) if shape is None else lengths}."
        )
    return lengths[0], lengths[1]


def _neurons(name: str, value: ArrayLike, n: int) -> np.ndarray:
    real = as_real(name, value)
    known = concrete_value(real)
    if known is None:
        raise TypeError(
            f"Argument `{name}` must not be traced, as connections decide what is computed, but is {describe(real)}."
        )
    if known.ndim != 1:
        raise ValueError(f"Argument `{name}` must have shape (C,), C connections, but has shape {known.shape}.")
    if known.dtype.kind not in "iu" and known.size:
        raise TypeError(f"Argument `{name}` must be whole numbers of an integer dtype, but is {describe(real)}.")
    bad = (known < 0) | (known >= n)
    if bad.any():
        raise ValueError(
            f"Argument `{name}` must be neurons from 0 to {n - 1}, as `shape` says, but has {known[bad][0]}."
        )
    return known.astype(np.int64)
