"""What a fit says about its own certainty: noise, standard errors, and what the recording cannot tell.

All is worked out in relative coordinates, in which 1 is 100 %: the logarithms of parameters and scale, the offset
over the curve's height, the onset over the time in which the curve changes most. There the singular values of the
Jacobian, over the noise, are the certainties of combinations of what is free that are independent of each other.
"""

import re
from typing import NamedTuple

import numpy as np

from synkin.fitting import autocorrelation as neighbours
from synkin.fitting.formatting import listed, rounded
from synkin.fitting.model import spread, triangles
from synkin.fitting.optimizer import Found, robust_noise
from synkin.fitting.problem import Problem

# Exponents of a product by name, such as {"alpha": 1.0, "T": 1.0}.
_Product = dict[str, float]

# A combination whose singular value is a smaller part of the largest one than this does nothing to the curve.
_NOTHING = 1e-7
# A quantity is known if its standard error is below a factor of 2.
_KNOWN = np.log(2.0)
# What takes part in a combination has more than this part of the largest share in it; and what has such a share
# in one that does nothing is itself unknown.
_SHARE, _UNKNOWN_SHARE = 0.1, 1e-3
# Residuals below this part of the trace are not noise.
_ROUNDING = 1e-6
# Exponents of a combination that does nothing are whole numbers to within this.
_WHOLE = 0.01


class Known(NamedTuple):
    """What is known about the N numbers that are free."""

    noise: float  # standard deviation of the residuals, in the trace's unit
    alike: float  # how many neighbouring samples count as one
    stderr: np.ndarray  # (N,) each in its unit
    correlations: np.ndarray  # (N, N)
    identifiable: bool
    trade_offs: list[str]  # sentences: what cannot be told apart, and what can be known instead


class _Combinations(NamedTuple):
    """Independent combinations of what is free, in relative coordinates."""

    directions: np.ndarray  # (N, N) orthonormal rows
    errors: np.ndarray  # (N,) the standard error of each
    does_nothing: np.ndarray  # (N,) bool: whether the curve stays as it is

    @property
    def vague(self) -> np.ndarray:
        """(N,) bool: along which of them some quantity is not known to a factor of 2."""
        return self.does_nothing | (self.errors * np.abs(self.directions).max(axis=1) > _KNOWN)


def infer(problem: Problem, found: Found) -> Known:
    """Noise, errors and trade-offs at the best point."""
    present = problem.present
    residuals = np.where(present, problem.trace - found.curve.value, 0.0) * problem.importance
    number, free = int(present.sum()), len(found.point)
    bend = np.sqrt(1 + (residuals / found.width) ** 2)
    pull = residuals / bend  # half the derivative of the loss: under "linear" the residuals themselves
    stiffness = (bend[present] ** -3).mean()
    alike = neighbours.count(neighbours.correlation(pull, present, free), present, free)
    # What is left of a trace without noise is rounding, and says nothing about it.
    if _noise(pull, number, free, alike) / stiffness <= _ROUNDING * np.abs(problem.trace).max():
        alike = 1.0
    sigma = _noise(pull, number, free, alike) / stiffness
    noise = sigma
    if np.isfinite(found.width):
        noise = robust_noise(residuals[present]) * np.sqrt(number / (number - free * alike))

    units, natural = _units(problem, found)
    weighted = found.curve.derivative * problem.importance[:, :, None]
    jacobian = spread(triangles(problem, weighted), problem.columns, free)
    _, sizes, directions = np.linalg.svd(jacobian * units, full_matrices=False)
    does_nothing = sizes <= _NOTHING * sizes[0]
    # With a floor, because an infinite error would spoil the algebra.
    errors = sigma * np.sqrt(alike) / np.maximum(sizes, max(_NOTHING * sizes[0], np.finfo(float).tiny))
    combinations = _Combinations(directions, errors, does_nothing)
    covariance = (directions.T * errors**2) @ directions
    deviations = np.sqrt(np.diag(covariance))
    signed = np.where(deviations > 0, deviations, 1.0) * np.sign(natural)
    unknown = np.linalg.norm(directions[does_nothing], axis=0) > _UNKNOWN_SHARE
    return Known(
        noise=float(noise),
        alike=float(alike),
        stderr=np.where(unknown, np.inf, deviations * np.abs(natural)),
        correlations=np.clip(covariance / np.outer(signed, signed), -1.0, 1.0),
        identifiable=not combinations.vague.any(),
        trade_offs=_trade_offs(problem, found, combinations),
    )


def _units(problem: Problem, found: Found) -> tuple[np.ndarray, np.ndarray]:
    """For each coordinate, how much of it is 1 in relative terms, and how much that is of the quantity in its unit.

    Both are negative where the quantity is: a percentage is one of its size.
    """
    parameters = np.array([getattr(problem.params_at(found.point), name) for name in problem.free])
    scale = problem.split(found.point)["scale"]
    height = np.abs(scale) * np.abs(found.curve.g).max(axis=1)
    own = {"scale": scale, "offset": height}
    if "onset" in problem.own:
        steepest = np.abs(found.curve.derivative[:, :, len(problem.free) + problem.own.index("onset")]).max(axis=1)
        own["onset"] = np.divide(height, steepest, out=np.zeros_like(height), where=steepest > 0)
    natural = np.concatenate([parameters, *(own[name][: problem.count(name)] for name in problem.own)])
    # Of a quantity that is 0 there is no percentage: it counts in its own unit.
    natural = np.where(natural == 0, 1.0, natural)
    is_logarithm = np.zeros(len(natural), bool)
    is_logarithm[: len(problem.free)] = problem.logarithmic
    return np.where(is_logarithm, 1.0, natural), natural


def _noise(residuals: np.ndarray, number: int, free: int, alike: float) -> float:
    """Its standard deviation: of noise that is alike, what is fitted takes a larger share."""
    return float(np.sqrt((residuals**2).sum() / (number - free * alike)))


def _trade_offs(problem: Problem, found: Found, combinations: _Combinations) -> list[str]:
    """Sentences on what does nothing to the curve and then on what, with that, the noise hides."""
    sentences = []
    nothing, vague = combinations.does_nothing, combinations.vague
    if nothing.any():
        names, products = _instead(problem, combinations.directions[nothing])
        hold = _to_hold(problem, names, combinations.directions[nothing])
        if products == []:
            sentences.append(f"The recording says nothing about {listed(names)}. {hold}")
        else:
            what = _written(products)
            if products is not None and len(products) == 1:
                what += f" (here {_value(problem, found, products[0], combinations)})"
            sentences.append(f"{listed(names)} cannot be told apart: only {what} can be known. {hold}")
        # What takes a small part in it is not named so far, but has an infinite error too.
        taking_part = np.linalg.norm(combinations.directions[nothing], axis=0) > _UNKNOWN_SHARE
        others = _unnumbered([label for label, part in zip(problem.labels, taking_part, strict=True) if part])
        if others := [name for name in others if name not in names]:
            sentences.append(f"As long as that is open, {listed(others)} cannot be known either.")
    if vague.sum() > nothing.sum():
        names, products = _instead(problem, combinations.directions[vague])
        hold = _to_hold(problem, names, combinations.directions[vague])
        if products == []:
            sentences.append(f"The recording says hardly anything about {listed(names)}. {hold}")
        else:
            what = _written(products)
            sentences.append(f"{listed(names)} can hardly be told apart: little more than {what} is known. {hold}")
    return sentences


def _to_hold(problem: Problem, names: list[str], directions: np.ndarray) -> str:
    """A sentence on which of ``names`` to hold so that the rest of them can be known.

    No combination of the ``directions`` (d, N), of which nothing is known, may leave all that is held as it is. What is
    best known from elsewhere is taken first: T, then the other parameters, the last first, and at last what every
    recording has of its own.
    """
    own = [name for name in ("onset", "offset", "scale") if name in names]
    # Of a sum the T of a part counts as one.
    parameters = sorted(
        (name for name in reversed(names) if name not in own), key=lambda name: problem.kernel.bare(name) != "T"
    )
    numbers = np.array([_unnumbered([label])[0] for label in problem.labels])
    least = _SHARE * np.linalg.norm(directions, axis=0).max()
    held: list[str] = []
    fixed = 0
    for name in (*parameters, *own):
        rank = np.linalg.matrix_rank(directions[:, np.isin(numbers, [*held, name])], least)
        if rank > fixed:
            held, fixed = [*held, name], rank
    ways = []
    if left_out := [name for name in held if name in parameters]:
        ways.append(f"leave {listed(left_out)} out of `free`")
    if given := [name for name in held if name in own]:
        ways.append(f"give {listed(given)} a number")
    if len(names) == len(held):
        return f"Hold {'it' if len(held) == 1 else 'them'}: {listed(ways)}."
    return f"Hold {'one' if len(held) == 1 else len(held)} of them: for example, {listed(ways)}."


def _instead(problem: Problem, directions: np.ndarray) -> tuple[list[str], list[_Product] | None]:
    """What takes part in the ``directions`` (d, N), of which nothing is known, and what of it can be known.

    Returns:
        Names, and exponents by name of the products that can be known; None where they are not products.
    """
    shares = np.linalg.norm(directions, axis=0)
    involved = np.flatnonzero(shares > _SHARE * shares.max())
    labels = [problem.labels[i] for i in involved]
    # Known can be what is orthogonal to the directions.
    known = np.linalg.svd(directions[:, involved])[2][len(directions) :]
    names = _unnumbered(labels)
    if len(known) and {"offset", "onset"}.intersection(names):
        return names, None
    rows = _reduced(known)
    whole = np.rint(rows)
    if np.abs(rows - whole).max(initial=0.0) > _WHOLE:
        if len(rows) > 1:
            return names, None
        whole = np.round(rows / np.abs(rows).max(), 1)
    return names, [{label: power for label, power in zip(labels, row, strict=True) if power} for row in whole]


def _reduced(rows: np.ndarray) -> np.ndarray:
    """Rows (n, k) that span the same, each with a 1 where the others have a 0, as far to the right as can be."""
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


def _written(products: list[_Product] | None) -> str:
    """Such as "alpha*T" or "scale*alpha^0.6"."""
    if products is None:
        return "a combination of them"
    formulas = []
    for product in products:
        # What is multiplied comes first; a product and its inverse are the same news.
        sign = max(product.values(), key=abs)
        text = ""
        for name, power in sorted(product.items(), key=lambda item: item[1] * sign < 0):
            exponent = f"^{abs(power):g}" if abs(power) != 1 else ""
            text += ("/" if power * sign < 0 else "*" if text else "") + name + exponent
        formulas.append(text)
    return listed(_unnumbered(formulas))


def _value(problem: Problem, found: Found, product: _Product, combinations: _Combinations) -> str:
    """A product's value, but for its sign, and its standard error."""
    values = dict(zip(problem.labels, found.point, strict=True))
    values |= {name: getattr(problem.params_at(found.point), name) for name in problem.free}
    size = np.prod([abs(values[name]) ** power for name, power in product.items()])
    exponents = np.array([product.get(label, 0.0) for label in problem.labels])
    known = ~combinations.does_nothing
    relative = np.linalg.norm((combinations.directions[known] @ exponents) * combinations.errors[known])
    return " ± ".join(rounded(size, size * relative))


def _unnumbered(names: list[str]) -> list[str]:
    """The names or formulas without the numbers of recordings, each once."""
    return list(dict.fromkeys(re.sub(r"\[\d+\]", "", name) for name in names))
