"""The picture of a scheme: its states and the transitions between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import jax
import numpy as np
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_kernel
from synkin.arguments.numbers import as_float64, check_concentration
from synkin.arguments.params_and_states import check_params
from synkin.declaring.scheme import Scheme
from synkin.declaring.scheme_text import Transition
from synkin.plot import labels, layout
from synkin.plot.style import BLACK, BLUE, GREY, ORANGE, matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# From a text and its size to its width, in points.
Measure: TypeAlias = Callable[[str, float], float]

# Sizes of the text of states and rates in points, and the height of a line in units of them.
_NAME, _RATE, _LINE = 11.0, 8.5, 1.25
# Space around the text of a state, and around the whole picture, in points.
_PADDING, _MARGIN = 7.0, 10.0
# A small scheme is not drawn larger than this on large axes.
_LARGEST = 1.5
# Arrows, in points: width without rates; with rates, of the slowest and the fastest; length and width of heads.
_WIDTH, _WIDTHS, _HEAD = 1.0, (0.6, 2.4), (8.0, 8.0)


class _Arrow(NamedTuple):
    source: str
    target: str
    binds: bool
    label: str
    rate: float | None  # /ms, at T, or else at the T of a pulse; None if rates are not shown


def scheme(
    kernel: Scheme, params: NamedTuple | None = None, *, T: ArrayLike | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the states of a scheme and the transitions between them; binding goes to the right.

    The name of a rate is on the left of its arrow, as seen in the direction of the arrow. Arrows of binding are blue;
    their rates are multiplied by T. Open states are orange. A state that is occupied at rest has a thick frame, and
    shows the fraction of the receptors in it unless that is 1.

    Args:
        kernel: a `synkin.Scheme`, such as `synkin.schemes.nmda5`.
        params: its ``Params``, scalars. Each arrow then also shows the value of its rate, in /ms (for binding in
            /ms/mM), and is wider for a larger rate. By default only the names are shown.
        T: a concentration of transmitter in mM, at which binding rates are then shown, in /ms.
        ax: matplotlib Axes to draw on; the picture is fitted to their present size. By default those of a new pyplot
            figure.

    Returns:
        The Axes.

    Raises:
        TypeError: a kernel that is not a scheme, or an argument of the wrong kind.
        ValueError: a parameter or concentration that is not a scalar, or out of range.
        ImportError: matplotlib is not installed.

    Example:
        >>> ax = synkin.plot.scheme(synkin.schemes.nmda5, T=1.0)  # rates at 1 mM
        >>> ax.figure.savefig("nmda5.png")
    """
    check_kernel(kernel)
    if not isinstance(kernel, Scheme):
        raise TypeError(
            "Argument `kernel` must be a scheme of states and transitions, such as synkin.schemes.nmda5, but is "
            f"{kernel.name}, which is made of equations."
        )
    known = params is not None or T is not None
    params = _as_numbers(kernel, kernel.Params() if params is None else params)
    if T is not None:
        T = _concentration(T)
    occupied = _at_rest(kernel, params)
    arrows = _arrows(kernel, params if known else None, T)

    measure = _measure()
    opened = {state: weight for state, weight in kernel.open.items() if weight}
    ways = _ways(arrows)
    places = layout.places(kernel.states, tuple(ways), kernel.states[0], tuple(opened))
    notes = {state: _note(occupied[state], opened.get(state), opened) for state in kernel.states}
    names = max(measure(state, _NAME) for state in kernel.states)
    box = max(names, *(measure(note, _RATE) for note in notes.values())) + 2 * _PADDING, _LINE * (_NAME + _RATE) + 6
    pairs = {(arrow.source, arrow.target) for arrow in arrows}
    sized = [
        labels.Arrow(
            arrow.source,
            arrow.target,
            (arrow.target, arrow.source) in pairs,
            _size(arrow.label, measure),
        )
        for arrow in arrows
    ]
    middles, lines = labels.arranged(places, box, sized)

    caption = "" if not known else "rates in /ms" + (", binding in /ms/mM" if T is None else f" at T = {T:g} mM")
    ax, scale = _fitted(ax, _extent(middles, box, sized, lines, caption))
    for arrow, line, width, size in zip(arrows, lines, _widths(arrows), sized, strict=True):
        color = BLUE if arrow.binds else BLACK
        _draw_arrow(ax, line, width, size.paired, color)
        ax.text(
            *line.label, arrow.label, fontsize=scale * _RATE, color=color, ha="center", va="center", linespacing=1.1
        )
    for state, middle in middles.items():
        color = ORANGE if state in opened else "white"
        _draw_state(ax, state, notes[state], middle, box, color, 2.5 if occupied[state] else 1.0, scale)
    if caption:
        ax.text(
            0.5, 0.01, caption, fontsize=scale * _RATE, color=GREY, ha="center", va="bottom", transform=ax.transAxes
        )
    return ax


def _as_numbers(kernel: Scheme, params: NamedTuple) -> NamedTuple:
    """Parameters as Python numbers."""
    checked = check_params(units.params(kernel, params), (), kernel)
    return kernel.Params(*(float(as_float64(name, value)) for name, value in checked._asdict().items()))


def _concentration(T: ArrayLike) -> float:
    found = as_float64("T", check_concentration("T", units.strip_unit("T", T, "mM")))
    if found.shape != ():
        raise ValueError(f"Argument `T` must be a scalar, but has shape {found.shape}.")
    return float(found)


def _at_rest(kernel: Scheme, params: NamedTuple) -> dict[str, float]:
    """The fraction of the receptors in each state at rest; 0 where it is less than 0.05 %."""
    # With several stationary distributions the compiled function gives NaN, and the one that is not compiled raises.
    at_rest = _resting(kernel, params)
    if not all(map(np.isfinite, at_rest)):
        at_rest = kernel.init(params, ())
    found = {state: float(getattr(at_rest, state)) for state in kernel.states[1:]}
    found = {kernel.states[0]: 1 - sum(found.values())} | found
    return {state: part if part >= 0.0005 else 0.0 for state, part in found.items()}


@partial(jax.jit, static_argnums=0)
def _resting(kernel: Scheme, params: NamedTuple) -> NamedTuple:
    """`Scheme.init`, compiled because it consists of many small operations."""
    return kernel.init(params, ())


def _arrows(kernel: Scheme, params: NamedTuple | None, T: float | None) -> list[_Arrow]:
    """One arrow from each state to each other one to which transitions lead; their rates are added up.

    A rate that is written as 0 has no arrow, unless nothing else joins the two states.
    """
    values = {} if params is None else params._asdict()
    if params is not None:
        values |= {name: function(params) for name, function in kernel.computed.items()}
    ways: dict[tuple[str, str], list[Transition]] = {}
    leads = {frozenset((way.source, way.target)) for way in kernel.transitions if way.rate.factor}
    for way in kernel.transitions:
        if not way.rate.factor and frozenset((way.source, way.target)) in leads:
            continue  # NMODL writes a one-way transition with a rate of 0 for the way back
        ways.setdefault((way.source, way.target), []).append(way)
    arrows = []
    for (source, target), several in ways.items():
        label = " + ".join(map(_name, several))
        binds = any(way.binds for way in several)
        if params is None:
            arrows.append(_Arrow(source, target, binds, label, None))
            continue
        found = {True: 0.0, False: 0.0}  # of binding, /ms/mM, and of the rest, /ms
        for way in several:
            found[way.binds] += float(np.asarray(way.rate.of(values)))
        rate = found[False] + found[True] * (values["T"] if T is None else T)
        shown = f"{rate:.3g}" if T is not None or not binds else f"{found[True]:.3g}"
        if T is None and not all(way.binds == binds for way in several):
            shown += f"·T + {found[False]:.3g}"
        arrows.append(_Arrow(source, target, binds, f"{label}\n{shown}", rate))
    return arrows


def _name(way: Transition) -> str:
    """The name of the rate of a transition."""
    rate = way.rate.written("·")
    if way.ligand is None:
        return rate
    return way.ligand if rate == "1" else f"({rate})·{way.ligand}" if way.rate.is_sum else f"{rate}·{way.ligand}"


def _ways(arrows: Sequence[_Arrow]) -> list[layout.Way]:
    """The pairs of states that are joined, in the direction of the binding arrow, or else of the first one."""
    ways: dict[frozenset[str], layout.Way] = {}
    for arrow in arrows:
        pair = frozenset((arrow.source, arrow.target))
        if pair not in ways or (arrow.binds and not ways[pair].binds):
            ways[pair] = layout.Way(arrow.source, arrow.target, arrow.binds)
    return [*ways.values()]


def _note(at_rest: float, weight: float | None, opened: Mapping[str, float]) -> str:
    """The text below the name of a state."""
    notes = []
    if at_rest:
        notes.append("at rest" if at_rest > 0.9995 else f"{100 * at_rest:.3g} % at rest")
    if weight is not None and len(set(opened.values())) > 1:
        notes.append(f"g × {weight:g}")
    return ", ".join(notes)


def _widths(arrows: Sequence[_Arrow]) -> list[float]:
    """The width of each arrow, which grows with the logarithm of its rate if that is known."""
    rates = [arrow.rate for arrow in arrows if arrow.rate]
    if not rates:
        return [_WIDTH] * len(arrows)
    low, high = np.log(min(rates)), np.log(max(rates))
    least, most = _WIDTHS
    return [
        least
        if not arrow.rate or low == high
        else least + (most - least) * float((np.log(arrow.rate) - low) / (high - low))
        for arrow in arrows
    ]


def _size(text: str, measure: Measure) -> labels.Size:
    lines = text.split("\n")
    return max(measure(line, _RATE) for line in lines), _LINE * _RATE * len(lines)


def _measure() -> Measure:
    """A function from a text and its size to its width, all in points."""
    text_to_path = matplotlib("matplotlib.textpath").text_to_path
    properties = matplotlib("matplotlib.font_manager").FontProperties

    def width(text: str, size: float) -> float:
        if not text:
            return 0.0
        # Hinting makes small letters on a screen up to 5 % wider.
        return 1.05 * float(text_to_path.get_text_width_height_descent(text, properties(size=size), ismath=False)[0])

    return width


def _extent(
    middles: Mapping[str, labels.Point],
    box: labels.Size,
    arrows: Sequence[labels.Arrow],
    lines: Sequence[labels.Line],
    caption: str,
) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of the picture, with a margin."""
    rectangles = [(*middle, *box) for middle in middles.values()]
    rectangles += [(*line.label, *arrow.label) for line, arrow in zip(lines, arrows, strict=True)]
    x, y, width, height = np.array(rectangles).T
    below = 2 * _RATE if caption else 0.0
    left, right = (x - width / 2).min() - _MARGIN, (x + width / 2).max() + _MARGIN
    bottom, top = (y - height / 2).min() - _MARGIN - below, (y + height / 2).max() + _MARGIN
    return float(left), float(right), float(bottom), float(top)


def _fitted(ax: Axes | None, extent: tuple[float, float, float, float]) -> tuple[Axes, float]:
    """The Axes with data coordinates in points, and the size on them of one such point."""
    left, right, bottom, top = extent
    width, height = right - left, top - bottom
    if ax is None:
        pyplot = matplotlib("matplotlib.pyplot")
        _, ax = pyplot.subplots(figsize=(width / 72, height / 72), layout="constrained")
    ax.set_axis_off()
    figure = ax.figure.canvas.figure
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)
    there = ax.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
    fills = min(72 * there.width / width, 72 * there.height / height)
    scale = min(fills, _LARGEST)
    for limits, middle, size in ((ax.set_xlim, (left + right) / 2, width), (ax.set_ylim, (bottom + top) / 2, height)):
        limits(middle - size / 2 * fills / scale, middle + size / 2 * fills / scale)
    ax.set_aspect("equal", adjustable="box")
    return ax, scale


def _draw_arrow(ax: Axes, line: labels.Line, width: float, paired: bool, color: str) -> None:
    (x0, y0), (x1, y1) = line.start, line.end
    length, breadth = _HEAD
    # Each arrow of a pair is drawn as its outer half, which matplotlib calls the right one.
    whole = 2 * width if paired else width
    arrow = matplotlib("matplotlib.patches").FancyArrow(
        x0,
        y0,
        x1 - x0,
        y1 - y0,
        width=whole,
        head_width=whole + breadth,
        head_length=length,
        length_includes_head=True,
        overhang=0.25,
        shape="right" if paired else "full",
        facecolor=color,
        linewidth=0,
        zorder=2,
    )
    ax.add_patch(arrow)


def _draw_state(
    ax: Axes, name: str, note: str, middle: labels.Point, box: labels.Size, color: str, frame: float, scale: float
) -> None:
    x, y = middle
    width, height = box
    rounded = f"round,pad=0,rounding_size={height / 3}"
    patches = matplotlib("matplotlib.patches")
    ax.add_patch(
        patches.FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle=rounded,
            facecolor=color,
            edgecolor=BLACK,
            linewidth=scale * frame,
            gid=name,
            zorder=3,
        )
    )
    lift = _LINE * _RATE / 2 if note else 0.0
    ax.text(x, y + lift, name, fontsize=scale * _NAME, ha="center", va="center", zorder=4)
    if note:
        ax.text(x, y - _LINE * _NAME / 2, note, fontsize=scale * _RATE, ha="center", va="center", zorder=4)
