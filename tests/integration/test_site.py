"""The pages are built without a warning, show equations as MathML, and cut nothing off at the right."""

import json
import re
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from synkin.version import __version__

pytest.importorskip("mkdocs")
pytest.importorskip("material")
pytest.importorskip("mkdocstrings")
pytest.importorskip("latex2mathml")

ROOT = Path(__file__).parents[2]


def script(name):
    """A module of docs/, which is no package."""
    spec = spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def hooks():
    return script("hooks")


class Page:
    """What the hooks read of a page."""

    def __init__(self, uri):
        self.file = type("File", (), {"src_uri": uri})
        self.meta = {}


def html(hooks, text, uri="units.md"):
    """Markdown with its equations, which nothing else has turned to HTML."""
    page = Page(uri)
    return hooks.on_page_content(hooks.on_page_markdown(text, page, None, None), page, None, None)


def test_equations_become_mathml(hooks):
    found = html(hooks, "g is $g' = -g / \\tau$, and $$x = 1$$")
    assert found.startswith('g is <math xmlns="http://www.w3.org/1998/Math/MathML" display="inline">')
    assert found.count('display="block"') == 1
    assert "$" not in found


def test_code_and_prices_are_no_equations(hooks):
    text = "`$HOME` and `$XDG`\n\n```sh\necho $HOME $PATH\n```\n\nIt costs $5, or US$6."
    assert html(hooks, text) == text


def test_pages_are_weighted_in_the_search(hooks):
    page = Page("nmda.md")
    hooks.on_page_markdown("text", page, None, None)
    assert page.meta["search"]["boost"] > 1
    sources = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert set(hooks.BOOSTS) <= sources | set(hooks.PAGES.values())


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """All pages, built as a maintainer builds them."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.wide
def test_every_page_is_built(site):
    kernels = (site / "kernels" / "index.html").read_text(encoding="utf-8")
    assert f">{__version__}<" in kernels
    assert "<math" in kernels
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"equation\d+noitauqe", text), page
        assert re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="(?:https?:)?//', text) == [], page
        assert re.findall(r'<img(?![^>]* alt="[^"])', text) == [], page


@pytest.mark.wide
@pytest.mark.parametrize("word", ["NMDA", "LIF", "EPSC", "csv", "lax", "Brunel", "Wang", "magnesium"])
def test_the_search_knows(site, word):
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    pages = {entry["location"].partition("#")[0] for entry in index["docs"] if word.lower() in entry["text"].lower()}
    assert len(pages) >= 3


@pytest.mark.wide
@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium measures it.")
@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_cut(site, width):
    for page in script("cut_blocks").measure(site, width, "chromium"):
        assert (page["cut"], page["sideways"]) == ({"code": [], "table": []}, False), page["page"]
