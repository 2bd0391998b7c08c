"""Pictures as SVG that stands in a page, and takes the colours of the page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from synkin import plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colours that would be hard to see on a dark page, and the names of the page's own in their place.
_OWN = {
    "#000000": "var(--ink)",
    "#ffffff": "var(--paper)",
    plot.GREY.lower(): "var(--grey)",
    plot.NAVY.lower(): "var(--navy)",
    plot.BROWN.lower(): "var(--brown)",
    plot.BLUE.lower(): "var(--blue)",
}
_COLOR = re.compile("|".join(_OWN), re.IGNORECASE)
# The numbers that matplotlib gives to parts of a picture, to which nothing in it refers: two pictures have the same.
_NUMBERED = re.compile(r' id="[a-zA-Z.]+[0-9]*[a-z]*_[0-9]+"')


def svg(draw: Callable[[Figure], None], size: tuple[float, float], title: str) -> str:
    """What ``draw`` draws into an empty figure, as an element of a page; words stay words.

    Args:
        draw: draws into an empty figure.
        size: of the figure, in inches.
        title: what the picture shows, for those who do not see it.
    """
    import matplotlib

    figure, text = plot.figure(*size), io.StringIO()
    draw(figure)
    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    element = text.getvalue()
    element = element[element.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = _COLOR.sub(lambda found: _OWN[found[0].lower()], _NUMBERED.sub("", element))
    # Text without a colour is black by default.
    return element.replace("<svg ", f'<svg role="img" aria-label="{title}" fill="currentColor" ', 1)
