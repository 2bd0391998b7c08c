"""The cycles of a kinetic scheme, and how far each is from microscopic reversibility."""

import itertools
from typing import Annotated, NamedTuple

import numpy as np

from synkin.arguments import fields

_Edge = frozenset[int]


@fields.described
class Cycle(NamedTuple):
    """A cycle of states."""

    states: Annotated[tuple[str, ...], "their names in order; the last is joined to the first"]
    ratio: Annotated[float, "product of the rates around it over that of the rates back; 1 if reversible", "1"]


def find(states: tuple[str, ...], matrix: np.ndarray) -> tuple[Cycle, ...]:
    """A basis of the cycles: the shortest cycles from which all others can be combined.

    Args:
        states: their names.
        matrix: (n, n) /ms; element [i, j] is the rate from state j to state i.

    Returns:
        The cycles, the shortest first. Their number is that of joined pairs of states, minus that of states, plus 1.

    Source: of the basis, Horton 1987, SIAM J. Comput. 16:358; of the criterion, Colquhoun et al. 2004, Biophys. J.
    86:3510.
    """
    n = len(states)
    joined = [[j for j in range(n) if j != i and matrix[i, j] + matrix[j, i] > 0] for i in range(n)]
    edges = {frozenset((i, j)) for i in range(n) for j in joined[i]}
    candidates: dict[frozenset[_Edge], tuple[int, ...]] = {}
    for start in range(n):
        paths = _shortest_paths(start, joined)
        for edge in sorted(map(sorted, edges)):
            one, other = (paths.get(end) for end in edge)
            if one is not None and other is not None and {*one} & {*other} == {start}:
                around = (*one, *reversed(other[1:]))
                if len(around) > 2:
                    candidates.setdefault(frozenset(_edges(around)), around)
    found: list[tuple[int, ...]] = []
    basis: list[frozenset[_Edge]] = []
    for cycle, around in sorted(candidates.items(), key=lambda item: (len(item[0]), item[1])):
        left = cycle
        for reduced in basis:
            left = min(left, left ^ reduced, key=_rank)
        if left:
            basis.append(left)
            found.append(around)
    return tuple(Cycle(tuple(states[i] for i in around), _ratio(matrix, around)) for around in found)


def _rank(cycle: frozenset[_Edge]) -> list[list[int]]:
    """A key that orders sums of cycles, so that reducing a sum removes its leading edge."""
    return sorted(map(sorted, cycle), reverse=True)


def _edges(around: tuple[int, ...]) -> list[_Edge]:
    return [frozenset(pair) for pair in itertools.pairwise((*around, around[0]))]


def _shortest_paths(start: int, joined: list[list[int]]) -> dict[int, tuple[int, ...]]:
    paths: dict[int, tuple[int, ...]] = {start: (start,)}
    front = [start]
    for state in front:
        for other in joined[state]:
            if other not in paths:
                paths[other] = (*paths[state], other)
                front.append(other)
    return paths


def _ratio(matrix: np.ndarray, around: tuple[int, ...]) -> float:
    pairs = [*itertools.pairwise((*around, around[0]))]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = sum(np.log(matrix[j, i]) - np.log(matrix[i, j]) for i, j in pairs)
    return float(np.exp(logs))
