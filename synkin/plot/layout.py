"""The places of the states of a scheme in its picture: on a grid, with binding to the right.

A beam search: states are placed one after the other. Each is tried at all free places near the states that it has
transitions with, and only the best of the resulting pictures are continued. The best picture has the lowest cost, a sum
over transitions, crossings, rows and columns. Nothing is random, so that a scheme always looks the same.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

Place = tuple[int, int]  # column and row, rows counted upwards

# The number of unfinished pictures that are continued, and the largest distance of a state from a neighbour.
_KEPT, _REACH = 60, 2
# The costs of two lines that cross, and of a line that runs through a state.
_CROSSING, _PASSING = 12.0, 60.0
# A line runs through a state if it comes nearer than this to its middle, in columns or rows.
_NEAR = 0.5
# The costs of a row and of a column more: pictures are wider than high.
_ROW, _COLUMN = 2.3, 0.5
# The cost of each column between a state and the column of its number of bound ligands.
_ASIDE = 1.0


class Way(NamedTuple):
    """Transitions between two states: forward, backward or both."""

    source: str
    target: str
    binds: bool  # whether source + ligand -> target


class _Picture(NamedTuple):
    """The states that have been placed."""

    cost: float
    places: dict[str, Place]
    drawn: tuple[tuple[Place, Place], ...]


@lru_cache(maxsize=64)
def places(states: tuple[str, ...], ways: tuple[Way, ...], start: str, opened: tuple[str, ...]) -> Mapping[str, Place]:
    """The column and the row of each state; no two states have the same place.

    Args:
        states: their names.
        ways: the pairs that are joined, each once; together they join all.
        start: the state that comes first, at the left.
        opened: the open states: transitions towards them go up rather than down.
    """
    bound, height = _bound(ways, start), _heights(states, ways, opened)
    pictures = [_Picture(0.0, {start: (0, 0)}, ())]
    for state, joined in _order(states, ways, start):
        found: dict[tuple[Place, ...], _Picture] = {}
        for picture in pictures:
            for place in _near(picture, joined, state):
                made = _with(picture, state, place, joined, height, _ASIDE * abs(place[0] - bound[state]))
                found.setdefault(tuple(made.places.values()), made)
        # Sorting keeps the order of what is equal.
        pictures = sorted(found.values(), key=_total)[:_KEPT]
    return pictures[0].places


def _order(states: Sequence[str], ways: Sequence[Way], start: str) -> list[tuple[str, list[Way]]]:
    """The states in the order in which they are placed, each with its ways to those before it.

    The next state is the one with most such ways, so that cycles close early; of several, the first.
    """
    order: list[tuple[str, list[Way]]] = []
    seen = [start]
    while len(seen) < len(states):
        joined = {
            state: [way for way in ways if {way.source, way.target} - {state} <= {*seen} and state in way[:2]]
            for state in states
            if state not in seen
        }
        first = {state: min(map(seen.index, _others(state, found))) for state, found in joined.items() if found}
        state = min(first, key=lambda state: (-len(joined[state]), first[state], not _binds(state, joined[state])))
        order.append((state, joined[state]))
        seen.append(state)
    return order


def _others(state: str, ways: Sequence[Way]) -> list[str]:
    return [way.target if way.source == state else way.source for way in ways]


def _binds(state: str, ways: Sequence[Way]) -> bool:
    return any(way.binds and way.target == state for way in ways)


def _bound(ways: Sequence[Way], start: str) -> dict[str, int]:
    """The number of ligands that each state has bound, beyond those of the first, counted along the shortest way."""
    bound = {start: 0}
    for state in (found := [start]):
        for way in ways:
            for one, other, more in ((*way[:2], way.binds), (way.target, way.source, -way.binds)):
                if one == state and other not in bound:
                    bound[other] = bound[state] + more
                    found.append(other)
    return bound


def _heights(states: Sequence[str], ways: Sequence[Way], opened: Collection[str]) -> dict[str, int]:
    """Minus the number of steps without binding from each state to an open one."""
    height = dict.fromkeys(opened, 0)
    for state in (found := [*opened]):
        for way in ways:
            if not way.binds and state in way[:2]:
                other = _others(state, [way])[0]
                if other not in height:
                    height[other] = height[state] - 1
                    found.append(other)
    return dict.fromkeys(states, -len(states)) | height


def _near(picture: _Picture, joined: Sequence[Way], state: str) -> list[Place]:
    """The free places near the neighbours of a state."""
    steps = [*product(range(-_REACH, _REACH + 1), repeat=2)]
    taken = {*picture.places.values()}
    around = [picture.places[other] for other in _others(state, joined)]
    near = {(x + dx, y + dy): None for x, y in around for dx, dy in steps if abs(dx) + abs(dy) <= _REACH}
    return [place for place in near if place not in taken]


def _with(
    picture: _Picture, state: str, place: Place, joined: Sequence[Way], height: Mapping[str, int], cost: float
) -> _Picture:
    """The picture with one state more, whose place has that ``cost``."""
    cost += picture.cost
    lines = [(picture.places[other], place) for other in _others(state, joined)]
    for way, line in zip(joined, lines, strict=True):
        cost += _length_cost(way, picture.places | {state: place}, height)
        cost += _CROSSING * sum(_cross(line, other) for other in picture.drawn)
        cost += _PASSING * sum(_passes(line, other) for other in picture.places.values())
    cost += _PASSING * sum(_passes(line, place) for line in picture.drawn)
    return _Picture(cost, {**picture.places, state: place}, (*picture.drawn, *lines))


def _length_cost(way: Way, places: Mapping[str, Place], height: Mapping[str, int]) -> float:
    """The cost of the direction and of the length of a way."""
    dx, dy = (b - a for a, b in zip(places[way.source], places[way.target], strict=True))
    slant = (9.0 if way.binds else 4.0) if dx and dy else 0.0
    far = 1.5 * (max(abs(dx), abs(dy)) - 1)
    if way.binds:
        return slant + far + (20.0 if dx < 0 else 10.0 if dx == 0 else 0.0)
    along = 0.0 if dx == 0 else 1.2 if dx > 0 else 1.6
    # A way towards an open state goes up, any other down.
    wrong = 0.7 if dy * (height[way.target] - height[way.source] or -1) < 0 else 0.0
    return slant + far + along + wrong


def _total(picture: _Picture) -> float:
    columns, rows = (max(side) - min(side) for side in zip(*picture.places.values(), strict=True))
    return picture.cost + _COLUMN * columns + _ROW * rows


def _side(line: tuple[Place, Place], place: Place) -> int:
    """On which side of a line a place is: 1, -1, or 0 on it."""
    (x0, y0), (x1, y1) = line
    turn = (x1 - x0) * (place[1] - y0) - (y1 - y0) * (place[0] - x0)
    return (turn > 0) - (turn < 0)


def _cross(one: tuple[Place, Place], other: tuple[Place, Place]) -> bool:
    """Whether two lines cross between their ends."""
    return _side(one, other[0]) * _side(one, other[1]) < 0 and _side(other, one[0]) * _side(other, one[1]) < 0


def _passes(line: tuple[Place, Place], place: Place) -> bool:
    """Whether a line between two other places runs through the state at a place."""
    (x0, y0), (x1, y1) = line
    x, y = place
    if place in line:
        return False
    if min(x0, x1) < x < max(x0, x1) and abs(y0 + (y1 - y0) * (x - x0) / (x1 - x0) - y) <= _NEAR:
        return True
    return min(y0, y1) < y < max(y0, y1) and abs(x0 + (x1 - x0) * (y - y0) / (y1 - y0) - x) < _NEAR
