"""Quantities with units, where there is a package of units."""

import math

import jax

try:
    import saiunit as u
except ImportError:  # optional
    u = None

# Of each of synkin's units, a smaller one of that dimension, and by how much.
SMALLER = {"ms": ("us", 1000), "mM": ("uM", 1000), "1/ms": ("Hz", 1000), "1/ms/mM": ("1/second/molar", 1000000)}
SMALLER |= {"mS": ("nS", 1000000), "mS*ms": ("uS*ms", 1000), "mV": ("uvolt", 1000)}


def unit_of(name):
    """The unit of a name such as 1/ms/mM or mS*ms."""
    over, *below = name.split("/")
    over = [u.UNITLESS if part == "1" else getattr(u, part) for part in over.split("*")]
    return math.prod(over[1:], start=over[0]) * math.prod((getattr(u, part) ** -1 for part in below), start=u.UNITLESS)


def away(x, unit):
    """A number in one of synkin's units as a quantity in the smaller one; of a tuple, each field."""
    if isinstance(x, tuple):
        return type(x)(*map(away, x, unit))
    return x if unit == "1" else u.Quantity(x * SMALLER[unit][1], unit=unit_of(SMALLER[unit][0]))


def is_quantity(x):
    return u is not None and isinstance(x, u.Quantity)


def is_plain(tree):
    return not any(is_quantity(x) for x in jax.tree.leaves(tree, is_leaf=is_quantity))
