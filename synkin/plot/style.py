"""Colours, empty figures, and matplotlib, which is optional."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# People with any kind of colour vision can tell them apart. Source: Okabe and Ito 2008, Color Universal Design.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = COLORS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
)  # fmt: skip
GREY, NAVY, BROWN = "#595959", "#00253B", "#4A1F00"


def figure(width: float = 9.0, height: float = 5.0) -> Figure:
    """An empty figure that can be saved to a file. It is not known to pyplot, so it opens no window and needs no
    display.

    Args:
        width: inches.
        height: inches.

    Returns:
        A matplotlib Figure.

    Raises:
        ImportError: matplotlib is not installed.

    Example:
        >>> figure = synkin.plot.figure(6.0, 3.0)  # inches
        >>> ax = synkin.plot.traces([0.0, 1.0, 2.0], [0.0, 0.2, 0.1], ax=figure.subplots())
        >>> figure.savefig("picture.png")
    """
    empty: Figure = matplotlib("matplotlib.figure").Figure(figsize=(width, height), dpi=150, layout="constrained")
    return empty


def matplotlib(module: str) -> Any:
    """The module of matplotlib with that name.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "matplotlib":
            raise
        raise ImportError(
            "Pictures need matplotlib, which is not installed: `pip install 'synkin[plot]'` adds it."
        ) from None
