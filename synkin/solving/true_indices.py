"""Which entries of a long mask are true, a fixed number of them at a time.

`jnp.nonzero(mask, size=)` takes far longer on a CPU. Here 32 entries are packed into one word. The words are counted
through once, and then each true entry is found by its rank.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

_BITS = 32
_FEW_COMPARISONS = 4096  # up to which entries and words are compared each with each


class Found(NamedTuple):
    """A mask that is ready to be searched."""

    words: Array  # uint32, (n / 32,): the mask, 32 entries a word
    counted: Array  # int32, the number of true entries up to the end of each word

    @property
    def total(self) -> Array:
        """The number of true entries."""
        return self.counted[-1]


def count(mask: Array) -> Found:
    """``mask``, (n,) of bool with n >= 1, ready for `indices`."""
    whole = len(mask) - len(mask) % _BITS
    packed = _packed(mask[:whole])
    if whole < len(mask):  # XLA's CPU takes five times as long for a mask that is padded as a whole
        packed = jnp.concatenate([packed, _packed(jnp.pad(mask[whole:], (0, _BITS - len(mask) % _BITS)))])
    return Found(packed, jnp.cumsum(jax.lax.population_count(packed).astype(jnp.int32)))


def _packed(mask: Array) -> Array:
    """The words of a mask whose length is a multiple of 32."""
    # Four bytes of 0 or 1 are read as one number, whose product has them side by side in bits 24 to 27. Sums over 32
    # booleans take three to five times as long.
    four = jax.lax.bitcast_convert_type(mask.astype(jnp.uint8).reshape(-1, 4), jnp.uint32) * np.uint32(0x01020408)
    nibbles = ((four >> np.uint32(24)) & np.uint32(15)).reshape(-1, 8)
    return (nibbles << (4 * jnp.arange(8, dtype=jnp.uint32))[None]).sum(axis=1, dtype=jnp.uint32)


def indices(found: Found, first: Array, size: int, none: int) -> Array:
    """The indices of ``size`` true entries, from the one of rank ``first`` on; ``none`` where there are no more."""
    rank = first + jnp.arange(size, dtype=jnp.int32)
    # One comparison with all words is one kernel of XLA's CPU, each step of a search is another.
    method = "compare_all" if size * len(found.counted) <= _FEW_COMPARISONS else "scan_unrolled"
    at = jnp.searchsorted(found.counted, rank, side="right", method=method).astype(jnp.int32)
    exists = at < len(found.words)
    at = jnp.minimum(at, len(found.words) - 1)
    before = jnp.where(at > 0, found.counted[jnp.maximum(at - 1, 0)], 0)
    return jnp.where(exists, at * _BITS + _bit(found.words[at], rank - before), none)


def _bit(word: Array, rank: Array) -> Array:
    """The position of the set bit of that rank in each word, by halving the width."""
    position = jnp.zeros_like(rank)
    for width in (16, 8, 4, 2, 1):
        part = jnp.right_shift(word, position.astype(jnp.uint32)) & np.uint32((1 << width) - 1)
        low = jax.lax.population_count(part).astype(jnp.int32)
        above = rank >= low
        rank = rank - jnp.where(above, low, 0)
        position = position + jnp.where(above, width, 0)
    return position
