"""Polynomials in inputs and atoms, as `synkin.tracing.walk` makes them of the operations of a function.

An atom is the result of an operation that is neither a sum nor a product, such as ``exp(V)`` or ``maximum(V, 0)``. For
each atom it is known on which inputs it depends, and whether it can be negative.
"""

import itertools
from collections.abc import Hashable, Iterable
from typing import NamedTuple

import numpy as np

Monomial = tuple[tuple[int, int], ...]  # (atom, exponent) of each factor, in the order of the atoms; () is 1

# A sum with more terms than this becomes an atom.
_MOST_TERMS = 500
# Products of more factors than this are not multiplied out.
MOST_FACTORS = 8


class Atom(NamedTuple):
    """An input, or the result of an operation that is not multiplied out."""

    key: Hashable  # equal for atoms that are the same
    inputs: frozenset[int]  # the inputs that it depends on, by their atoms
    not_negative: bool  # whether it is known not to be negative


class Atoms:
    """All atoms of some functions of the same inputs."""

    def __init__(self) -> None:
        self.known = list[Atom]()
        self._index = dict[Hashable, int]()

    def of(self, key: Hashable, inputs: Iterable[int] = (), *, not_negative: bool = False) -> "Polynomial":
        """The atom with this key as a polynomial; it is made if there is none yet."""
        if key not in self._index:
            self._index[key] = len(self.known)
            self.known.append(Atom(key, frozenset(inputs), not_negative))
        return Polynomial(self, {((self._index[key], 1),): 1.0})

    def input(self, key: Hashable, *, not_negative: bool = False) -> "Polynomial":
        """An input with this key."""
        return self.of(key, (len(self.known),), not_negative=not_negative)

    def number(self, value: float) -> "Polynomial":
        """A constant."""
        return Polynomial(self, {(): float(value)} if value else {})


class Polynomial:
    """A sum of products of atoms."""

    __slots__ = ("atoms", "terms")

    def __init__(self, atoms: Atoms, terms: dict[Monomial, float]) -> None:
        self.atoms, self.terms = atoms, terms

    def __add__(self, other: "Polynomial") -> "Polynomial":
        terms = dict(self.terms)
        for monomial, factor in other.terms.items():
            total = terms.get(monomial, 0.0) + factor
            if total == 0:
                del terms[monomial]
            else:
                terms[monomial] = total
        return Polynomial(self.atoms, terms).bounded()

    def __neg__(self) -> "Polynomial":
        return Polynomial(self.atoms, {monomial: -factor for monomial, factor in self.terms.items()})

    def __sub__(self, other: "Polynomial") -> "Polynomial":
        return self + -other

    def __mul__(self, other: "Polynomial") -> "Polynomial":
        terms: dict[Monomial, float] = {}
        for (a, m), (b, n) in itertools.product(self.terms.items(), other.terms.items()):
            powers = dict(a)
            for atom, exponent in b:
                powers[atom] = powers.get(atom, 0) + exponent
            monomial = tuple(sorted((atom, exponent) for atom, exponent in powers.items() if exponent))
            terms[monomial] = terms.get(monomial, 0.0) + m * n
        return Polynomial(self.atoms, {monomial: factor for monomial, factor in terms.items() if factor != 0}).bounded()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polynomial) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(self.key)

    def __bool__(self) -> bool:
        """Whether it may be anything but 0."""
        return bool(self.terms)

    @property
    def key(self) -> Hashable:
        """Equal for equal polynomials."""
        return frozenset(self.terms.items())

    @property
    def constant(self) -> float | None:
        """Its value where that is a plain number."""
        return 0.0 if not self.terms else self.terms[()] if self.terms.keys() == {()} else None

    @property
    def inputs(self) -> frozenset[int]:
        """The inputs that it depends on, by their atoms."""
        atoms = {atom for monomial in self.terms for atom, _ in monomial}
        return frozenset().union(*(self.atoms.known[atom].inputs for atom in atoms))

    @property
    def not_negative(self) -> bool:
        """Whether it is known not to be negative, as a sum of products of factors that are not negative."""
        return all(
            not factor < 0 and all(power % 2 == 0 or self.atoms.known[atom].not_negative for atom, power in monomial)
            for monomial, factor in self.terms.items()
        )

    @property
    def as_atom(self) -> "Polynomial":
        """The sum as one atom."""
        return self.atoms.of(("sum", self.key), self.inputs, not_negative=self.not_negative)

    def power(self, exponent: int) -> "Polynomial":
        """This to a power that is a whole number."""
        if self.constant == 0 and exponent < 0:
            return self.atoms.number(np.inf)
        if len(self.terms) == 1:
            ((monomial, factor),) = self.terms.items()
            with np.errstate(all="ignore"):
                raised = float(np.float64(factor) ** exponent)
            return Polynomial(self.atoms, {tuple((a, n * exponent) for a, n in monomial if exponent): raised})
        if exponent < 0 or exponent > MOST_FACTORS:
            return self.as_atom.power(exponent)
        result = self.atoms.number(1)
        for _ in range(exponent):
            result = result * self
        return result

    def by(self, inputs: frozenset[int]) -> dict[Monomial, "Polynomial"]:
        """The coefficient of each product of the atoms that depend on the given inputs."""
        parts: dict[Monomial, dict[Monomial, float]] = {}
        known = self.atoms.known
        for monomial, factor in self.terms.items():
            own = tuple(part for part in monomial if known[part[0]].inputs & inputs)
            parts.setdefault(own, {})[tuple(part for part in monomial if part not in own)] = factor
        return {own: Polynomial(self.atoms, terms) for own, terms in parts.items()}

    def bounded(self) -> "Polynomial":
        """This, or one atom in its place if it has too many terms."""
        return self if len(self.terms) <= _MOST_TERMS else self.as_atom
