"""Sentences on fitted quantities that the recording cannot tell apart, and on what can be known instead.

"The recording" here means the derivatives of the curve: a combination of quantities is a direction in their relative
coordinates, see `standard_errors`, along which the curve does not change, or changes by less than the noise.
"""

from typing import NamedTuple

import numpy as np

from synkin.fitting.formatting import listed, rounded
from synkin.fitting.problem import Problem

# Exponents by label of a product that can be known, such as {"alpha": 1.0, "T": 1.0}.
_Product = dict[str, float]

# A quantity is known if its standard error is below a factor of 2.
_KNOWN = np.log(2.0)
# A quantity is named as part of a combination if its share in it is more than this fraction of the largest share.
_SHARE = 0.1
# A quantity with a larger share than this in a combination without effect is itself unknown.
UNKNOWN_SHARE = 1e-3
# Exponents are taken as whole numbers if they are this close to them.
_WHOLE = 0.01


class Combinations(NamedTuple):
    """Independent combinations of the N fitted quantities, in relative coordinates."""

    directions: np.ndarray  # (N, N) orthonormal rows
    errors: np.ndarray  # (N,) the standard error of each
    without_effect: np.ndarray  # (N,) bool: whether the curve does not change along it

    @property
    def vague(self) -> np.ndarray:
        """(N,) bool: whether the combination leaves some quantity unknown to a factor of 2."""
        return self.without_effect | (self.errors * np.abs(self.directions).max(axis=1) > _KNOWN)


def trade_offs(problem: Problem, point: np.ndarray, combinations: Combinations) -> list[str]:
    """Sentences on what does not change the curve, and on what changes it by less than the noise."""
    sentences = []
    without_effect, vague = combinations.without_effect, combinations.vague
    if without_effect.any():
        unknown = combinations.directions[without_effect]
        names, products = _known_products(problem, unknown)
        hold = _what_to_hold(problem, names, unknown)
        if products == []:
            sentences.append(f"The recording says nothing about {listed(names)}. {hold}")
        else:
            formulas = _as_formulas(problem, products)
            if products is not None and len(products) == 1:
                formulas += f" (here {_value(problem, point, products[0], combinations)})"
            sentences.append(f"{listed(names)} cannot be told apart: only {formulas} can be known. {hold}")
        # Quantities with a small share are not named so far, but their errors are infinite too.
        has_share = np.linalg.norm(unknown, axis=0) > UNKNOWN_SHARE
        if others := [name for name in _names(problem, has_share) if name not in names]:
            sentences.append(f"Otherwise {listed(others)} cannot be known either.")
    if vague.sum() > without_effect.sum():
        names, products = _known_products(problem, combinations.directions[vague])
        hold = _what_to_hold(problem, names, combinations.directions[vague])
        if products == []:
            sentences.append(f"The recording says hardly anything about {listed(names)}. {hold}")
        else:
            formulas = _as_formulas(problem, products)
            sentences.append(f"{listed(names)} can hardly be told apart: little more than {formulas} is known. {hold}")
    return sentences


def _what_to_hold(problem: Problem, names: list[str], directions: np.ndarray) -> str:
    """A sentence on which of ``names`` to hold so that the others can be known.

    Nothing is known along the ``directions`` (d, N). The held quantities together must therefore have a share in each
    of their combinations. What is most often known from other experiments is held first: T, then the other parameters
    from the last to the first, then scale, offset and onset.
    """
    own = [name for name in ("onset", "offset", "scale") if name in names]
    # In a sum, the T of any part comes first.
    parameters = sorted(
        (name for name in reversed(names) if name not in own), key=lambda name: not problem.curve.known[name].usually
    )
    least = _SHARE * np.linalg.norm(directions, axis=0).max()
    held: list[str] = []
    rank_held = 0
    for name in (*parameters, *own):
        rank = np.linalg.matrix_rank(directions[:, np.isin(problem.names, [*held, name])], least)
        if rank > rank_held:
            held, rank_held = [*held, name], rank
    ways = []
    if left_out := [name for name in held if name in parameters]:
        ways.append(f"leave {listed(left_out)} out of `free`")
    if given := [name for name in held if name in own]:
        ways.append(f"give {listed(given)} a number")
    if len(names) == len(held):
        return f"Hold {'it' if len(held) == 1 else 'them'}: {listed(ways)}."
    return f"Hold {'one' if len(held) == 1 else len(held)} of them: for example, {listed(ways)}."


def _known_products(problem: Problem, directions: np.ndarray) -> tuple[list[str], list[_Product] | None]:
    """The quantities in the ``directions`` (d, N), along which nothing is known, and products of them that are known.

    Returns:
        Names of the quantities, and exponents by label of each product; None if what is known is not a product.
    """
    shares = np.linalg.norm(directions, axis=0)
    involved = shares > _SHARE * shares.max()
    labels = [problem.labels[i] for i in np.flatnonzero(involved)]
    # What is orthogonal to the directions is known.
    known = np.linalg.svd(directions[:, involved])[2][len(directions) :]
    names = _names(problem, involved)
    if len(known) and {"offset", "onset"}.intersection(names):
        return names, None
    rows = _row_echelon(known)
    whole = np.rint(rows)
    if np.abs(rows - whole).max(initial=0.0) > _WHOLE:
        if len(rows) > 1:
            return names, None
        whole = np.round(rows / np.abs(rows).max(), 1)
    return names, [{label: power for label, power in zip(labels, row, strict=True) if power} for row in whole]


def _row_echelon(rows: np.ndarray) -> np.ndarray:
    """Rows (n, k) with the same span, each with a 1 in a column where the others have 0, as far right as possible."""
    rows = rows[:, ::-1].copy()
    for i in range(len(rows)):
        sizes = np.abs(rows[i:])
        column = int((sizes.max(axis=0) > _SHARE * sizes.max()).argmax())
        largest = i + int(sizes[:, column].argmax())
        rows[[i, largest]] = rows[[largest, i]]
        rows[i] /= rows[i, column]
        others = np.arange(len(rows)) != i
        rows[others] -= np.outer(rows[others, column], rows[i])
    return rows[:, ::-1]


def _as_formulas(problem: Problem, products: list[_Product] | None) -> str:
    """Such as "alpha*T" or "scale*alpha^0.6"; scales of several recordings are all called "scale"."""
    if products is None:
        return "a combination of them"
    names = dict(zip(problem.labels, problem.names, strict=True))
    formulas: dict[str, None] = {}
    for product in products:
        # A product and its inverse mean the same. The one that begins with a factor is written.
        sign = max(product.values(), key=abs)
        text = ""
        for label, power in sorted(product.items(), key=lambda item: item[1] * sign < 0):
            exponent = f"^{abs(power):g}" if abs(power) != 1 else ""
            text += ("/" if power * sign < 0 else "*" if text else "") + names[label] + exponent
        formulas[text] = None
    return listed([*formulas])


def _value(problem: Problem, point: np.ndarray, product: _Product, combinations: Combinations) -> str:
    """The size of a product, and its standard error."""
    sizes = np.where(problem.are_logarithms, np.exp(np.where(problem.are_logarithms, point, 0.0)), point)
    values = dict(zip(problem.labels, sizes, strict=True))
    size = np.prod([abs(values[label]) ** power for label, power in product.items()])
    exponents = np.array([product.get(label, 0.0) for label in problem.labels])
    known = ~combinations.without_effect
    relative = np.linalg.norm((combinations.directions[known] @ exponents) * combinations.errors[known])
    return " ± ".join(rounded(size, size * relative))


def _names(problem: Problem, chosen: np.ndarray) -> list[str]:
    """The quantities of the chosen coordinates, (N,) bool, each once."""
    return list(dict.fromkeys(name for name, is_chosen in zip(problem.names, chosen, strict=True) if is_chosen))
