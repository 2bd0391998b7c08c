"""Pictures of schemes: what stands where, what it says, and that nothing covers anything."""

from itertools import combinations, pairwise

import numpy as np
import pytest

import synkin
from synkin import plot
from synkin.plot import labels, layout
from synkin.schemes import SCHEMES, gabaa5, kampa2004, nmda5, vargas2004

pytest.importorskip("matplotlib")

DRAWN = {name: kernel for name, kernel in SCHEMES.items() if isinstance(kernel, synkin.Scheme)}
# Five closed states, four that conduct and eight that are desensitised: as schemes of AMPA receptors have grown.
LARGE = synkin.scheme(
    "\n".join(
        [f"C{i} + glu <-> C{i + 1} : {4 - i}*binding, {i + 1}*unbinding" for i in range(4)]
        + [f"C{i} <-> O{i} : {i}*opening, closing" for i in range(1, 5)]
        + [f"C{i} <-> D{i} : desensitisation_{i}, recovery" for i in range(1, 5)]
        + [f"D{i} + glu <-> D{i + 1} : {4 - i}*binding, unbinding_D" for i in range(1, 4)]
        + [f"D{i} <-> E{i} : second, back" for i in range(1, 5)]
    ),
    open={f"O{i}": i / 4 for i in range(1, 5)},
    **dict.fromkeys(["binding", "unbinding", "unbinding_D", "opening", "closing", "recovery", "second", "back"], 1.0),
    **{f"desensitisation_{i}": 0.1 * i for i in range(1, 5)},
)


@pytest.fixture(scope="module")
def ax():
    """Axes without a window, for one picture after the other."""
    return plot.figure(10, 8).subplots()


def draw(ax, kernel, params=None, **options):
    """A picture on axes that had others before."""
    ax.clear()
    assert plot.scheme(kernel, params, ax=ax, **options) is ax
    ax.figure.draw_without_rendering()
    return ax


def states(ax):
    """The box of each state, by its name."""
    return {patch.get_gid(): patch for patch in ax.patches if patch.get_gid()}


def arrows(ax):
    return [patch for patch in ax.patches if not patch.get_gid()]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def middle(ax, state):
    x0, y0, x1, y1 = states(ax)[state].get_window_extent().extents
    return (x0 + x1) / 2, (y0 + y1) / 2


def covered(ax):
    """What is drawn on something else: pairs of names."""
    boxes = {name: patch.get_window_extent() for name, patch in states(ax).items()}
    written = [(text.get_text(), text.get_window_extent()) for text in ax.texts]
    lines = [patch.get_transform().transform_path(patch.get_path()) for patch in arrows(ax)]
    found = [(a, b) for (a, one), (b, other) in combinations(boxes.items(), 2) if one.overlaps(other)]
    found += [(a, b) for (a, one), (b, other) in combinations(written, 2) if one.overlaps(other)]
    for text, area in written:
        inside = [name for name, box in boxes.items() if box.overlaps(area)]
        # A name stands in its own state, and so does what is noted below it.
        whole = [name for name in inside if boxes[name].containsx(area.x0) and boxes[name].containsx(area.x1)]
        found += [
            (text, name) for name in inside if name not in whole or not (text in boxes or "rest" in text or "×" in text)
        ]
        found += [(text, "an arrow") for line in lines if line.intersects_bbox(area, filled=True)]
    found += [(name, "an arrow") for name, box in boxes.items() for line in lines if line.intersects_bbox(box)]
    outside = ax.get_window_extent().padded(1)
    found += [(text, "the edge") for text, area in written if not all(map(outside.contains, *area.get_points().T))]
    return found


@pytest.mark.parametrize("kernel", [*DRAWN.values(), LARGE], ids=[*DRAWN, "large"])
def test_nothing_covers_anything(kernel, ax):
    """States, labels, arrows: with rates and without. Binding leads to the right."""
    given = ((kernel.Params(), 0.25),) if len(kernel.states) > 6 else ((None, None), (kernel.Params(), None))
    for params, T in given:
        draw(ax, kernel, params, T=T)
        assert set(states(ax)) == set(kernel.states)
        assert len(arrows(ax)) == len(kernel.transitions)
        assert covered(ax) == []
    for way in kernel.transitions if kernel is not LARGE else ():
        (x0, y0), (x1, y1) = middle(ax, way.source), middle(ax, way.target)
        if way.binds:
            assert x1 > x0 + 10
            assert y1 == pytest.approx(y0)


def test_that_would_be_seen(ax):
    """The test above sees a label on another, on a state and on an arrow."""
    draw(ax, nmda5)
    first, second, *_ = (text for text in ax.texts if "kon" in text.get_text())
    second.set_position(first.get_position())
    assert covered(ax) == [("kon·glu", "kon·glu")]
    second.set_position(ax.transData.inverted().transform(middle(ax, "C1") - np.array([0, 5])))
    assert ("kon·glu", "C1") in covered(ax)
    draw(ax, nmda5)
    ends = [ax.transData.inverted().transform(middle(ax, state)) for state in ("C1", "C2")]
    next(text for text in ax.texts if text.get_text() == "beta").set_position(np.mean(ends, axis=0))
    assert ("beta", "an arrow") in covered(ax)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("nmda5", "..O/C0 C1 C2/..D"),
        ("ampa5", "..O/C0 C1 C2/. D1 D2"),
        ("gabaa5", ". O1 O2/C0 C1 C2"),
        ("jonas1993", "C0 C1 C2 O/. C3 C4 C5"),
    ],
)
def test_where_states_stand(name, rows, ax):
    """As papers draw them: in columns by how many ligands are bound, what leads to conducting upwards."""
    draw(ax, SCHEMES[name])
    at = {state: np.round(middle(ax, state), 3) for state in SCHEMES[name].states}
    columns, heights = (np.unique([place[axis] for place in at.values()]) for axis in (0, 1))
    for height, row in zip(heights[::-1], rows.split("/"), strict=True):
        for column, state in zip(columns, row.replace("..", ". . ").split(), strict=False):
            assert state == "." or tuple(at[state]) == (column, height), state


def test_what_it_says(ax):
    """Names alone; with rates; at a concentration."""
    draw(ax, gabaa5)
    names = ["2·kon·gaba", "koff", "kon·gaba", "2·koff", "beta1", "alpha1", "beta2", "alpha2"]
    assert texts(ax) == [*names, "C0", "at rest", "C1", "C2", "O1", "O2"]
    draw(ax, gabaa5, gabaa5.Params(kon=7.0))
    assert texts(ax)[:4] == ["2·kon·gaba\n14", "koff\n4.6", "kon·gaba\n7", "2·koff\n9.2"]
    assert texts(ax)[-1] == "rates in /ms, binding in /ms/mM"
    draw(ax, gabaa5, T=0.1)  # rates of the defaults
    assert texts(ax)[:4] == ["2·kon·gaba\n2", "koff\n4.6", "kon·gaba\n1", "2·koff\n9.2"]
    assert texts(ax)[-1] == "rates in /ms at T = 0.1 mM"


def test_what_conducts_and_what_rests(ax):
    from matplotlib.colors import to_hex

    def color(patch):
        return to_hex(patch.get_facecolor()).upper()

    draw(ax, gabaa5)
    colors = {state: color(patch) for state, patch in states(ax).items()}
    assert colors == {"O1": plot.ORANGE, "O2": plot.ORANGE} | dict.fromkeys(["C0", "C1", "C2"], "#FFFFFF")
    widths = {state: patch.get_linewidth() for state, patch in states(ax).items()}
    assert (max(widths, key=widths.get), len({*widths.values()})) == ("C0", 2)
    colors = {(way.binds, color(arrow)) for arrow, way in zip(arrows(ax), gabaa5.transitions, strict=True)}
    assert colors == {(True, plot.BLUE), (False, plot.BLACK)}


def test_rest_rates_and_conductances(ax):
    """Of kampa2004's receptors magnesium holds (k+ / k-) / (1 + k+ / k-) at rest, by the rates of that one pair."""
    draw(ax, kampa2004)
    p = kampa2004.Params()
    ratio = p.kb * p.Mg * np.exp(-0.064 * (p.V - 40)) / (p.ku_U * np.exp(0.016 * (p.V - 40)))
    assert {f"{100 * part / (1 + ratio):.3g} % at rest" for part in (1, ratio)} <= {*texts(ax)}
    draw(ax, vargas2004, vargas2004.Params(V=-80.0))
    assert {f"block\n{0.61 * np.exp(80 / 17):.3g}", f"unblock\n{5.4 * np.exp(-80 / 47):.3g}"} <= {*texts(ax)}
    draw(ax, LARGE)
    assert [text for text in texts(ax) if "×" in text] == ["g × 0.25", "g × 0.5", "g × 0.75", "g × 1"]


def test_arrows_are_wider_for_faster_rates(ax):
    """And one that has no way back is whole, where the others are halves; two on one way are added up."""
    ways = "A + T <-> B : on, off\nB -> A : also\nB <-> C : open_, shut\nC -> A : leak"
    kernel = synkin.scheme(ways, open="C", on=1000.0, off=0.5, also=1.5, open_=0.01, shut=20.0, leak=0.0)
    draw(ax, kernel, kernel.Params())
    assert texts(ax)[:5] == ["on·T\n1e+03", "off + also\n2", "open_\n0.01", "shut\n20", "leak\n0"]

    def breadth(arrow):
        """Of the shaft: the smaller of the two distances of vertices from the arrow's line."""
        vertices = arrow.get_path().vertices
        line = vertices[np.argmax(np.linalg.norm(vertices - vertices.mean(axis=0), axis=1))]
        ends = vertices - line
        long = ends[np.argmax(np.linalg.norm(ends, axis=1))]
        away = np.abs(ends @ np.array([-long[1], long[0]])) / np.linalg.norm(long)
        return np.min(away[away > 1e-6])

    on, off, open_, shut, _ = map(breadth, arrows(ax))
    assert on > shut > off > open_ > 0


def test_rates_that_are_sums(ax):
    """With ligand and without: one arrow, both rates or their sum. What is written as 0 has no arrow."""
    ways = "A + T -> B : on\nA -> B : leak\nB -> A : off"
    kernel = synkin.scheme(ways, open="B", rest="steady", on=4.0, leak=0.5, off=1.0)
    draw(ax, kernel, kernel.Params())
    assert texts(ax)[:2] == ["on·T + leak\n4·T + 0.5", "off\n1"]
    assert covered(ax) == []
    draw(ax, kernel, T=2.0)
    assert texts(ax)[:2] == ["on·T + leak\n8.5", "off\n1"]
    assert len(arrows(ax)) == 2
    ways = "~ A <-> in (2*(on + more)*T, k + 1/tau)\n~ in <-> D (0, kr)"
    kernel = synkin.scheme(ways, **{"open": "in", "on": 1.0, "more": 0.5, "k": 0.25, "tau": 4.0, "kr": 0.1})
    draw(ax, kernel, kernel.Params())
    assert texts(ax)[:4] == ["2·(on + more)·T\n3", "k + 1/tau\n0.5", "kr\n0.1", "A"]
    assert {"in_", "D"} <= {*texts(ax)}


def test_fits_the_axes_that_it_is_given():
    """Letters shrink with the axes, so that nothing covers anything in a small panel either."""
    panels = plot.figure(9, 4).subplots(1, 2, width_ratios=[3, 1])
    for panel in panels:
        draw(panel, nmda5, nmda5.Params())
        assert covered(panel) == []
    large, small = (panel.texts[0].get_fontsize() for panel in panels)
    assert small < 0.8 * large


def test_a_picture_is_the_same_each_time():
    """And of three in a row, of which the outer ones are joined, no line goes through the one between them."""
    ways = layout.Way("A", "B", True), layout.Way("B", "C", False), layout.Way("C", "A", False)
    places = []
    for _ in range(2):
        layout.places.cache_clear()
        places.append(layout.places(("A", "B", "C"), ways, "A", ("C",)))
    assert places[0] == places[1]
    assert places[0]["A"][0] < places[0]["B"][0]
    row = layout.Way("A", "B", True), layout.Way("B", "C", True), layout.Way("A", "C", False)
    places = layout.places(("A", "B", "C"), row, "A", ("C",))
    turns = [np.subtract(places[b], places[a]) for a, b in pairwise("ABC")]
    assert turns[0][0] * turns[1][1] != turns[0][1] * turns[1][0]


def test_every_state_joined_to_every_other():
    """More than paper can hold without crossings: still a place of its own for each, and an end."""
    pairs = [*combinations("ABCDEF", 2)]
    places = layout.places(tuple("ABCDEF"), tuple(layout.Way(a, b, False) for a, b in pairs), "A", ())
    assert len({*places.values()}) == 6
    sized = [labels.Arrow(a, b, True, (60.0, 20.0)) for a, b in pairs + [pair[::-1] for pair in pairs]]
    middles, lines = labels.arranged(places, (40.0, 30.0), sized)
    assert (len(middles), len(lines)) == (6, 30)
