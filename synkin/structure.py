"""What kind of equations a kernel has, found once when it is declared, by trying them on a few random numbers.

`synkin.kernel` calls `find` with the equations as they were written; what comes back, a `Structure`, is all that the
rest needs to know in order to choose an algorithm. The kinds:

    relaxation   one variable with constant coefficients
    chain        two, the second driven by the first, and no transmitter: closed forms
    occupancies  states of a receptor: nothing negative, the rest of the receptors is in the resting state
    affine       any other system with constant coefficients
    gate         one variable as in `relaxation`, x, and one that it opens: v' = a x (1 - v) - (b + c x) v

Equations of no such kind are refused: an exponential of matrices that change as the state does would be wrong in
silence.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

# Random parameter sets, and random states each, on which equations are tried.
_SETS, _STATES = 4, 4
# What is below this part of the largest number that it came from is rounding.
_ROUNDING = 1e-10

Derivatives = Callable[[Any, tuple[Any, ...], Any], tuple[Any, ...]]


class Structure(NamedTuple):
    """What is known of a kernel's equations; variables are counted in `order`."""

    kind: str
    order: tuple[int, ...]  # the variables as the equations list them, each after those that drive it where it can be
    source: tuple[bool, ...]  # whether a variable has an inflow of its own, with transmitter
    source_at_rest: tuple[bool, ...]  # and without
    drive: tuple[tuple[bool, ...], ...]  # [i][j], whether j drives i, with transmitter or without
    decays_as: tuple[int, ...]  # of a chain: the first variable that decays as this one does; of all else itself
    closing_driven: bool  # of a gate: whether its closing depends on the variable that opens it
    coupled: bool  # whether variables drive each other, so that none can be solved before the others
    output: tuple[
        Any, ...
    ]  # of each variable: its weight in g, if that is a plain number; True if parameters tell; or 0
    linear_output: bool  # whether g is a sum of them at all

    @property
    def size(self) -> int:
        """How many variables there are."""
        return len(self.order)

    @property
    def gated(self) -> bool:
        """Whether the last variable is opened by the one before."""
        return self.kind == "gate"

    @property
    def has_matrix(self) -> bool:
        """Whether it takes an exponential of a matrix to solve it."""
        return self.kind in ("occupancies", "affine")

    @property
    def ends_in_g(self) -> bool:
        """Whether g is read off the last variable alone, and that drives no other."""
        return not self.coupled and all(weight == 0 for weight in self.output[:-1])


def find(
    name: str,
    names: tuple[str, ...],
    derivatives: Derivatives,
    conductance: Callable[[Any, tuple[Any, ...]], Any],
    draw: Callable[[np.random.Generator], Any],
    *,
    has_transmitter: bool,
) -> Structure:
    """The structure of equations.

    Args:
        name: of the kernel, for messages.
        names: of the variables.
        derivatives: from parameters, variables and T (mM) to their derivatives, in the order of ``names``.
        conductance: from parameters and variables to g.
        draw: random parameters.
        has_transmitter: whether the equations depend on T.

    Raises:
        ValueError: equations of no kind that is solved here.
    """
    rng = np.random.default_rng(20_260_101)
    sets = [draw(rng) for _ in range(_SETS)]
    points = rng.uniform(0.05, 0.95, (_STATES, len(names)))

    def at(T: bool) -> list[_Tried]:
        return [_Tried(derivatives, p, float(rng.uniform(0.3, 3.0)) if T else 0.0, points) for p in sets]

    resting, active = at(False), at(True) if has_transmitter else []
    tried = resting + active
    drive = np.any([t.drive for t in tried], axis=0)
    order = _order(drive)
    coupled = bool(np.triu(drive[np.ix_(order, order)], 1).any())
    if has_transmitter and not any(np.any(a.values != r.values) for a, r in zip(active, resting, strict=True)):
        raise ValueError(f"The equations of {name} must depend on T, the transmitter, but are the same without it.")
    if not has_transmitter and any(t.source.any() for t in tried):
        which = names[int(np.any([t.source for t in tried], axis=0).argmax())]
        raise ValueError(f"The equations of {name} must be 0 at rest, but `{which}` changes there without input.")

    if not all(t.is_affine for t in tried):
        if not has_transmitter or not _is_gate(order, tried):
            bent = _bent(names, order, tried)
            raise ValueError(
                f"The equations of {name} must be linear in the variables, or end in a gate as in "
                f"v' = a x (1 - v) - b v that one linear variable x opens, but `{bent}` is neither."
            )
        kind = "gate"
    elif len(names) == 1:
        kind = "relaxation"
    elif has_transmitter:
        kind = "occupancies" if all(t.are_occupancies for t in tried) else "affine"
    else:
        kind = "chain" if len(names) == 2 and not coupled else "affine"

    output, linear = _output(conductance, sets, points, order)
    sources = [np.any([t.source for t in group], axis=0)[order] for group in (active or resting, resting)]
    return Structure(
        kind=kind,
        order=tuple(order),
        source=tuple(map(bool, sources[0])),
        source_at_rest=tuple(map(bool, sources[1])),
        drive=tuple(tuple(map(bool, row)) for row in drive[np.ix_(order, order)]),
        decays_as=_decays_as(order, tried) if kind == "chain" else tuple(range(len(order))),
        closing_driven=kind == "gate" and any(_closing(t, *order) > t.tolerance for t in tried),
        coupled=coupled or kind == "occupancies",
        output=output,
        linear_output=linear,
    )


def of_states(names: tuple[str, ...], is_left: bool, output: tuple[Any, ...], *, linear: bool) -> Structure:
    """The structure of a receptor whose states and transitions are known.

    Args:
        names: of the variables, all states but the one that is left over.
        is_left: whether that one is left without transmitter.
        output: see `Structure.output`.
        linear: see `Structure.linear_output`.
    """
    n = len(names)
    several = n > 1
    return Structure(
        kind="occupancies" if several else "relaxation",
        order=tuple(range(n)),
        source=(True,) * n,
        source_at_rest=(is_left,) * n,
        drive=tuple(tuple(i != j for j in range(n)) for i in range(n)),
        decays_as=tuple(range(n)),
        closing_driven=False,
        coupled=several,
        output=output,
        linear_output=linear,
    )


class _Tried:
    """Equations at one set of parameters and one T."""

    def __init__(self, derivatives: Derivatives, p: Any, T: float, points: np.ndarray) -> None:
        n = points.shape[1]

        def f(y: np.ndarray) -> np.ndarray:
            with np.errstate(all="ignore"):
                return np.array([float(v) for v in derivatives(p, tuple(map(np.float64, y)), np.float64(T))])

        self.points = points
        self.origin, self.corner = f(np.zeros(n)), f(np.ones(n))
        self.values = np.array([f(y) for y in points])
        corners = np.array([f(y) for y in np.eye(n)]).T  # [i, j], what the i-th does where only the j-th is 1
        self.matrix = corners - self.origin[:, None]
        sizes = np.maximum(np.abs(corners), np.abs(self.origin)[:, None])
        # Of each equation in each variable: its slope at two places, which tells what drives what if it is bent too.
        slopes = np.array([[(f(y + 0.5 * e) - f(y)) / 0.5 for e in np.eye(n)] for y in points])  # [point, j, i]
        self.slopes = slopes.transpose(0, 2, 1)
        scale = np.maximum(np.abs(self.values).max(), np.abs(sizes).max())
        self.tolerance = _ROUNDING * scale
        off_diagonal = ~np.eye(n, dtype=bool)
        self.source = np.abs(self.origin) > _ROUNDING * np.abs(self.values).max(axis=0)
        self.drive = (np.abs(self.slopes).max(axis=0) > _ROUNDING * scale) & off_diagonal
        predicted = self.origin + points @ self.matrix.T
        self.bent = np.abs(predicted - self.values).max(axis=0) > self.tolerance
        self.is_affine = not self.bent.any()
        # The rest of the receptors is where nothing is in any other state.
        to_rest = -corners.sum(axis=0)
        self.are_occupancies = bool(
            (self.origin >= -self.tolerance).all()
            and (corners[off_diagonal] >= -self.tolerance).all()
            and (to_rest >= -self.tolerance).all()
        )


def _order(drive: np.ndarray) -> list[int]:
    """Variables after those that drive them; of a circle, as they come."""
    left, order = list(range(len(drive))), []
    while left:
        free = next((i for i in left if not any(drive[i, j] for j in left if j != i)), None)
        # Nothing is free of the others: then one that is driven by the fewest.
        order.append(left[0] if free is None else free)
        left.remove(order[-1])
    return order


def _is_gate(order: list[int], tried: list[_Tried]) -> bool:
    """Whether it is a linear x, 0 to 1, and v' = a x (1 - v) - (b + c x) v after it, whatever T is."""
    if len(order) != 2:
        return False
    x, v = order
    for t in tried:
        if t.bent[x] or t.drive[x, v]:
            return False
        # Linear in each of the two, v' is known from the corners of the square.
        none, by_x, by_v, by_both = t.origin[v], t.matrix[v, x], t.matrix[v, v], t.corner[v]
        by_both = by_both - none - by_x - by_v
        at_x, at_v = t.points[:, x], t.points[:, v]
        predicted = none + by_x * at_x + by_v * at_v + by_both * at_x * at_v
        a, b, c = by_x, -by_v, _closing(t, x, v)
        if not (
            np.abs(predicted - t.values[:, v]).max() <= t.tolerance
            and abs(none) <= t.tolerance
            and min(a, b, c) >= -t.tolerance
        ):
            return False
    return True


def _decays_as(order: list[int], tried: list[_Tried]) -> tuple[int, ...]:
    """For each variable the first whose own rate is the same whatever the parameters are."""
    rates = np.array([np.diag(t.matrix)[order] for t in tried])
    alike = np.abs(rates[:, :, None] - rates[:, None, :]).max(axis=0) <= _ROUNDING * np.abs(rates).max()
    return tuple(int(row.argmax()) for row in alike)


def _closing(t: _Tried, x: int, v: int) -> float:
    """c of v' = a x (1 - v) - (b + c x) v, from v' at three corners of the square."""
    return t.matrix[v, v] + t.origin[v] - t.corner[v]


def _bent(names: tuple[str, ...], order: list[int], tried: list[_Tried]) -> str:
    """The variable whose equation stands in the way: of several the first, as it is what the others follow from."""
    x = order[0]
    return names[x if any(t.bent[x] for t in tried) else int(np.argmax(next(t.bent for t in tried if not t.is_affine)))]


def _output(
    conductance: Callable[[Any, tuple[Any, ...]], Any], sets: list[Any], points: np.ndarray, order: list[int]
) -> tuple[tuple[Any, ...], bool]:
    """See `Structure.output`."""
    n = points.shape[1]

    def g(p: Any, y: np.ndarray) -> float:
        with np.errstate(all="ignore"):
            return float(conductance(p, tuple(map(np.float64, y))))

    at_0 = np.array([g(p, np.zeros(n)) for p in sets])
    weights = np.array([[g(p, e) for e in np.eye(n)] for p in sets]) - at_0[:, None]
    values = np.array([[g(p, y) for y in points] for p in sets])
    bound = _ROUNDING * np.abs(values).max()
    linear = bool(np.abs(weights @ points.T - values).max() <= bound and np.abs(at_0).max() <= bound)
    output: list[Any] = []
    for i in order:
        moved = points.copy()
        moved[:, i] += 0.5
        matters = np.abs(np.array([[g(p, y) for y in moved] for p in sets]) - values).max() > bound
        if not matters:
            output.append(0)
        elif linear and np.ptp(weights[:, i]) <= bound:
            # As it was written: a difference of two numbers would not be quite 1.
            output.append(float(np.round(weights[0, i], 12)))
        else:
            output.append(True)
    return tuple(output), linear
