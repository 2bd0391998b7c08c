"""docs/models.md and docs/nmda.md are run as they stand there.

Each synapse of docs/models.md is compared with an independent solution.
"""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.published.models import SOLUTIONS, moved

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "models.md").read_text(encoding="utf-8")
CODE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BEGIN, *BLOCKS = CODE.findall(PAGE)
RESULTS = [re.findall(r"^(?:_, )?(\w+) \+?= ", block, re.MULTILINE)[-1] for block in BLOCKS]
TABLE = dict(re.findall(r"^\| `(\w+)` \|.*\| (\d+) \|[^|]*\|$", PAGE, re.MULTILINE))
# Those whose step is read from a table over the parameter that varies.
FROM_A_TABLE = ("grienberger2017", "nieus2006", "saftenku2002", "pugh_raman2005", "kampa2004", "lindquist2005")
# They take long to compile, and no block needs them.
DEAR = (*FROM_A_TABLE, "gilling2009")


@pytest.fixture(scope="module")
def run():
    """A function that runs the page up to one synapse, and gives what its names are then."""
    given, left = {}, dict(zip(RESULTS, BLOCKS, strict=True))
    exec(compile(BEGIN, "docs/models.md", "exec"), given)

    def up_to(name):
        for each in RESULTS[: RESULTS.index(name) + 1]:
            if each in left and (each == name or each not in DEAR):
                exec(compile(left.pop(each), "docs/models.md", "exec"), given)
        return given

    return up_to


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.wide] * (name in DEAR)) for name in RESULTS])
def test_synapse(name, run, x64):
    page = run(name)
    known, got = SOLUTIONS[name](page), np.asarray(page[name])
    assert got.dtype == "float64"
    assert known.shape == got.shape
    error = np.abs(got - known).max() / np.abs(known).max()
    assert error <= (1e-9 if name in FROM_A_TABLE else 1e-12)


def test_what_it_costs_to_hold_a_voltage(run, x64):
    """The figures of docs/models.md: against a voltage that moves within the steps."""
    page = run("prinz2004")
    kernel, ends, volts = page["synkin"].gabaa, page["ends"], page["volts"]

    def slope(y):
        t, s = y
        s_inf = 1 / (1 + np.exp((-35.0 - (-65.0 + 60.0 * np.exp(-(((t - 15.0) / 4.0) ** 2)))) / 5.0))
        return [1.0, (s_inf - s) / ((1 - s_inf) * 40.0)]

    y, known = np.zeros(2), []
    for _ in ends[1:]:
        y = moved(slope, y, 0.1, ())
        known.append(y[1])
    started = page["graded"](kernel, kernel.Params(alpha=1 / 40, beta=1 / 40), np.exp((volts[:-1] + 35.0) / 5.0))
    off = [100 * np.abs(g - np.array(known)).max() / max(known) for g in (page["prinz2004"], started)]
    assert [f"{error:.0g}" for error in off] == ["0.1", "4"]


def test_the_table_is_that_of_the_page():
    """Twenty synapses, each the result of one block, with the number of its lines of code."""
    code = [[line for line in block.splitlines() if line and not line.startswith("#")] for block in BLOCKS]
    assert dict(zip(RESULTS, (str(len(lines)) for lines in code), strict=True)) == TABLE
    assert set(TABLE) == set(SOLUTIONS)
    assert len(TABLE) == 20


@pytest.mark.wide
def test_how_fast_magnesium_leaves():
    """The table of docs/nmda.md."""
    text, given = (DOCS / "nmda.md").read_text(encoding="utf-8"), {}
    exec(compile("\n".join(CODE.findall(text)), "docs/nmda.md", "exec"), given)
    printed = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) ms \|$", text, re.MULTILINE))
    assert {name: f"{rise:.1f}" for name, rise in given["rises"].items()} == printed
