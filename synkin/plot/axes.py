"""What the pictures share: the Axes to draw on, their labels, limits and legend, and colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from synkin.plot.style import COLORS, matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Its name, or its red, green, blue and opacity.
Color: TypeAlias = str | tuple[float, float, float, float]

# A legend in one line above the axes, at the right, where there is no title.
LEGEND_ON_TOP = {"frameon": False, "loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": 3, "borderaxespad": 0.1}

# The height of small Axes above others, in inches, with what is free below.
PANEL = 0.7


def one_axes(ax: Axes | None) -> Axes:
    """``ax``; by default the Axes of a new pyplot figure."""
    if ax is not None:
        return ax
    new: Axes = matplotlib("matplotlib.pyplot").subplots(figsize=(7, 3.5), layout="constrained")[1]
    return new


def several_axes(
    ax: Sequence[Axes] | np.ndarray | None,
    what: str,
    size: tuple[float, float],
    ratios: Sequence[float],
    *,
    side_by_side: bool = False,
) -> Sequence[Axes] | np.ndarray:
    """``ax``, which must be one Axes for each of ``ratios``; by default those of a new pyplot figure.

    Args:
        ax: the Axes, or None.
        what: what is drawn on each, for the message.
        size: of a new figure, in inches.
        ratios: the heights of Axes that stand one below the other and share the time, or their widths.
        side_by_side: whether they stand side by side.

    Raises:
        ValueError: another number of Axes.
    """
    count = len(ratios)
    if ax is None:
        pyplot = matplotlib("matplotlib.pyplot")
        if side_by_side:
            _, ax = pyplot.subplots(1, count, figsize=size, layout="constrained", width_ratios=ratios)
        else:
            _, ax = pyplot.subplots(count, 1, figsize=size, layout="constrained", sharex=True, height_ratios=ratios)
    if np.asarray(ax, object).shape != (count,):
        number = {2: "two", 3: "three"}[count]
        raise ValueError(f"Argument `ax` must be {number} Axes, for {what}, but is {ax!r:.60}.")
    return ax


def panel_above(ax: Axes, i: int) -> Axes:
    """The ``i``-th of small Axes above ``ax``, which share its time: `PANEL` inches each, however large ``ax`` is."""
    transforms = matplotlib("matplotlib.transforms")
    inches_above = ax.figure.dpi_scale_trans + transforms.ScaledTranslation(0, 1, ax.transAxes)
    place = transforms.blended_transform_factory(ax.transAxes, inches_above)
    panel = ax.inset_axes((0, PANEL * (i + 0.25), 1, 0.75 * PANEL), transform=place, sharex=ax)
    panel.tick_params(labelbottom=False)
    panel.yaxis.label.set(rotation=0, ha="right", va="center")
    panel.yaxis.labelpad = 8
    remove_frame(panel)
    return panel


def label_axes(ax: Axes) -> None:
    """Label the axes as time and conductance, without a frame at the top and at the right."""
    ax.set_xlabel("time (ms)")
    ax.set_ylabel("g (mS)")
    ax.margins(x=0.01)
    remove_frame(ax)


def label_recording(ax: Axes, unit: str, name: str = "recording") -> None:
    """Label the y axis as a recording, with its unit if that is known."""
    ax.set_ylabel(f"{name} ({unit})" if unit else name)


def remove_frame(ax: Axes) -> None:
    """Remove the frame at the top and at the right."""
    ax.spines[["top", "right"]].set_visible(False)


def colors_of(count: int) -> Sequence[Color]:
    """``count`` colours: of the palette if it has as many, else of a map in even steps."""
    if count <= len(COLORS):
        return COLORS[:count]
    colors: Sequence[Color] = matplotlib("matplotlib").colormaps["viridis"](np.linspace(0, 0.9, count))
    return colors


def leave_room_above(ax: Axes, values: np.ndarray, room: float) -> None:
    """Set the limits of g so that the data stay below the top ``room``, a fraction of the height."""
    finite = values[np.isfinite(values)]
    low, high = (min(finite.min(), 0.0), max(finite.max(), 0.0)) if finite.size else (0.0, 1.0)
    set_limits(ax, float(low), float(high), room)


def set_limits(ax: Axes, low: float, high: float, room: float) -> None:
    """Set the limits of y a little beyond ``low`` and ``high``, with ``room`` above, a fraction of the height."""
    height = (high - low) or 1.0
    ax.set_ylim(low - 0.03 * height, low + 1.05 * height / (1 - room))
