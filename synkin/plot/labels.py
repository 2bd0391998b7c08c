"""The arrows of a scheme's picture and the places of their labels, without overlaps, in points.

Columns of states are moved apart until every label has a free place beside its arrow.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import hypot
from typing import NamedTuple

Point = tuple[float, float]
Size = tuple[float, float]

# The distances between two arrows, from an arrow to its label, from a state to an arrow, and between labels.
_APART, _TO_LABEL, _TO_STATE, _FREE = 4.0, 5.5, 3.0, 2.0
# The shortest arrow.
_ARROW = 34.0
# The places of a label along its arrow, in the order in which they are tried.
_ALONG = (0.5, 0.42, 0.58, 0.35, 0.65, 0.28, 0.72, 0.2, 0.8)
# Without a free place the columns beside the arrow grow by this factor, at most so many times; rows too, after some.
_WIDER, _TIMES, _ROWS_TOO = 1.1, 16, 8


class Arrow(NamedTuple):
    """An arrow from a state to another, and the size of its label."""

    source: str
    target: str
    paired: bool  # whether there is an arrow back, which runs beside it
    label: Size


class Line(NamedTuple):
    """The ends of an arrow and the middle of its label."""

    start: Point
    end: Point
    label: Point


class Rectangle(NamedTuple):
    x: float  # of the middle
    y: float
    width: float
    height: float


def arranged(
    places: Mapping[str, tuple[int, int]], box: Size, arrows: Sequence[Arrow]
) -> tuple[dict[str, Point], list[Line]]:
    """The middle of each state, and a `Line` for each arrow; the arrangement with the fewest overlaps.

    Args:
        places: the column and row of each state.
        box: width and height of a state.
        arrows: those to draw.
    """
    level = [arrow.label for arrow in arrows if places[arrow.source][1] == places[arrow.target][1]]
    highest = max(height for _, height in (arrow.label for arrow in arrows))
    row = max(box[1] + _ARROW, 2 * (_APART / 2 + _TO_LABEL + _FREE) + 3 * highest)
    columns = sorted({column for column, _ in places.values()})
    # From each column to the next.
    steps = dict.fromkeys(
        range(columns[0], columns[-1]), box[0] + max([_ARROW, *(width + 2 * _FREE for width, _ in level)])
    )
    fewest = len(arrows) + 1
    for times in range(_TIMES):
        middles = {
            state: (sum(step for column, step in steps.items() if column < x), row * y)
            for state, (x, y) in places.items()
        }
        lines, crowded = _lines(middles, box, arrows)
        if len(crowded) < fewest:
            fewest, best = len(crowded), (middles, lines)
        if not crowded:
            break
        for column in steps:
            if any(_is_beside(column, places[arrow.source], places[arrow.target]) for arrow in crowded):
                steps[column] *= _WIDER
        if times >= _ROWS_TOO:
            row *= _WIDER
    return best


def _is_beside(column: int, source: tuple[int, int], target: tuple[int, int]) -> bool:
    """Whether the label of an arrow between two places stands in the space after ``column``."""
    low, high = sorted((source[0], target[0]))
    if low == high:
        return column == (low - 1 if target[1] > source[1] else low)
    return low <= column < high


def _lines(middles: Mapping[str, Point], box: Size, arrows: Sequence[Arrow]) -> tuple[list[Line], list[Arrow]]:
    """A line for each arrow, and the arrows whose labels have no free place."""
    runs = [_run(middles[arrow.source], middles[arrow.target], box, arrow.paired) for arrow in arrows]
    taken = [Rectangle(*middle, *box) for middle in middles.values()]
    labels, crowded = list[Point](), list[Arrow]()
    for arrow, run in zip(arrows, runs, strict=True):
        others = [other for other in runs if other is not run]
        tried = [_beside(run, along, arrow.label) for along in _ALONG]
        free = [label for label in tried if _is_free(Rectangle(*label, *arrow.label), taken, others)]
        if not free:
            crowded.append(arrow)
        labels.append((free or tried)[0])
        taken.append(Rectangle(*labels[-1], *arrow.label))
    return [Line(*run, label) for run, label in zip(runs, labels, strict=True)], crowded


def _run(source: Point, target: Point, box: Size, paired: bool) -> tuple[Point, Point]:
    """From the edge of a state to that of another; a paired arrow is shifted to its left."""
    dx, dy = target[0] - source[0], target[1] - source[1]
    length = hypot(dx, dy)
    dx, dy = dx / length, dy / length
    aside = _APART / 2 if paired else 0.0
    left = -aside * dy, aside * dx
    start = _leaves((dx, dy), left, box)
    stop = length - _leaves((-dx, -dy), left, box)
    x, y = source[0] + left[0], source[1] + left[1]
    return (x + start * dx, y + start * dy), (x + stop * dx, y + stop * dy)


def _leaves(direction: Point, beside: Point, box: Size) -> float:
    """The distance at which a line leaves a state, from the point ``beside`` its middle."""
    parts = zip(direction, beside, box, strict=True)
    return min((side / 2 + _TO_STATE - (away if d > 0 else -away)) / abs(d) for d, away, side in parts if abs(d) > 1e-9)


def _beside(run: tuple[Point, Point], along: float, label: Size) -> Point:
    """The middle of a label to the left of an arrow, without touching it."""
    (x0, y0), (x1, y1) = run
    length = hypot(x1 - x0, y1 - y0)
    left = -(y1 - y0) / length, (x1 - x0) / length
    away = _TO_LABEL + (abs(left[0]) * label[0] + abs(left[1]) * label[1]) / 2
    return x0 + along * (x1 - x0) + away * left[0], y0 + along * (y1 - y0) + away * left[1]


def _is_free(label: Rectangle, taken: Iterable[Rectangle], runs: Iterable[tuple[Point, Point]]) -> bool:
    wide, wider = (label._replace(width=label.width + d, height=label.height + d) for d in (_FREE, 2 * _TO_LABEL - 1))
    return not any(_overlap(wide, other) for other in taken) and not any(_touches(run, wider) for run in runs)


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return (
        abs(one.x - other.x) < (one.width + other.width) / 2 and abs(one.y - other.y) < (one.height + other.height) / 2
    )


def _touches(run: tuple[Point, Point], area: Rectangle) -> bool:
    """Whether part of a straight line is inside a rectangle."""
    first, last = 0.0, 1.0
    for start, end, middle, size in zip(*run, area[:2], area[2:], strict=True):
        low, high = middle - size / 2 - start, middle + size / 2 - start
        if start == end:
            if low > 0 or high < 0:
                return False
            continue
        enter, leave = sorted((low / (end - start), high / (end - start)))
        first, last = max(first, enter), min(last, leave)
    return first < last
