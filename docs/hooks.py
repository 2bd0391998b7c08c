"""What the pages are made of besides docs/*.md: README.md and its neighbours, and the notebooks as they are stored.

A link in any of them is written for the repository, where it leads to a file. Here it is turned to the page that is
made of that file, so that both ways of reading it lead there; one that leads nowhere stops a strict build. Equations,
$in TeX$, become MathML, which browsers show by themselves.
"""

import base64
import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
# Files of the repository, and the pages that are made of them.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks.md",
}
# Files that are linked to as they are.
FILES = (
    "CITATION.cff",
    *(f"benchmarks/results/{path.name}" for path in (ROOT / "benchmarks" / "results").glob("*.txt")),
)
# How much more than others a page counts in the search.
BOOSTS = {
    "kernels.md": 8.0,
    "nmda.md": 8.0,
    "lif_loop.md": 4.0,
    "your_recording.md": 4.0,
    "from_neuron.md": 4.0,
    "from_simulators.md": 4.0,
    "api/kernels.md": 2.0,
    "changelog.md": 0.2,
    "contributing.md": 0.2,
}
_CODE = re.compile(r"(^(?P<fence>`{3,}).*?^(?P=fence)$|`[^`\n]+`)", re.DOTALL | re.MULTILINE)
_MATH = re.compile(r"\$\$(?P<block>.+?)\$\$|(?<![\w\\$])\$(?P<inline>[^$\n]+?)\$(?![\w$])", re.DOTALL)
_PRIME = re.compile(r"<msup>(<mi>\w+</mi>)<mi>&#x02032;</mi></msup>")
_equations: dict[str, str] = {}
_VERSION = re.compile(r'^__version__ = "(.*)"$', re.MULTILINE)
_LINK = re.compile(r"(?<=\]\()(?P<path>[^)\s#:]+)(?P<part>#[^)\s]*)?(?=\))")


def on_files(files: Any, config: Any) -> Any:
    """Add what does not lie in docs/."""
    for source, uri in PAGES.items():
        files.append(File.generated(config, uri, content=(ROOT / source).read_text(encoding="utf-8")))
    for name in FILES:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        parts: list[str] = []
        drawn = "Picture"
        for part in shown(json.loads(path.read_text(encoding="utf-8"))):
            if isinstance(part, bytes):
                uri = f"notebooks/{path.stem}-{len(parts)}.png"
                files.append(File.generated(config, uri, content=part))
                part = f"![{drawn}]({posixpath.basename(uri)})"
            else:
                headings = re.findall(r"(?m)^#+ (.*)$", "" if part.startswith("```") else part)
                drawn = "Picture: " + re.sub(r"[`\[\]]", "", headings[-1]) if headings else drawn
            parts.append(part)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content="\n\n".join(parts)))
    return files


def shown(notebook: Any) -> Iterator[str | bytes]:
    """A notebook as Markdown, cell by cell and output by output; pictures as PNG."""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield source
            continue
        yield fenced(source, "python")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                yield base64.b64decode("".join(data["image/png"]))
            elif "text/markdown" in data:
                yield "".join(data["text/markdown"])
            elif "text/html" in data:
                yield f'<div class="output">{"".join(data["text/html"])}</div>'
            else:
                yield fenced("".join(output.get("text") or data.get("text/plain", "")), "text { .output }")


def fenced(text: str, language: str) -> str:
    """A block of code, or of what code wrote."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    if "{" in language:
        name, _, rest = language.partition(" {")
        language = f"{{ .{name}{rest}"
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn links from files of the repository to pages, and equations to MathML."""
    uri = page.file.src_uri
    if uri in BOOSTS:
        page.meta["search"] = {"boost": BOOSTS[uri]}
    here = {page: source for source, page in PAGES.items()}.get(uri) or source_of(uri)

    def turned(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(here), link["path"]))
        if not (ROOT / target).is_file():
            return link[0]  # as it is, for the strict build to complain of
        found = posixpath.relpath(uri_of(target), posixpath.dirname(uri) or ".")
        return found + (link["part"] or "")

    # Every third part is code, and the one after it the fence that the expression remembers.
    parts = _CODE.split(_LINK.sub(turned, markdown))
    parts[::3] = [_MATH.sub(equation, part) for part in parts[::3]]
    del parts[2::3]
    return "".join(parts)


def equation(found: re.Match[str]) -> str:
    """A word that stands for an equation until Markdown is HTML, in which its signs would mean something else."""
    word = f"equation{len(_equations)}noitauqe"
    markup = convert(found["block"] or found["inline"], display="block" if found["block"] else "inline")
    # A prime is raised by itself, and twice in a font that has no forms for superscripts.
    _equations[word] = _PRIME.sub(r'<mrow>\1<mo lspace="0" rspace="0">&#x02032;</mo></mrow>', markup)
    return word


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Put the equations in."""
    return re.sub(r"equation\d+noitauqe", lambda found: _equations[found[0]], html)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Show the version in the header, as a link to what changed."""
    before = '<label class="md-header__button md-icon" for="__search">'
    version = _VERSION.search((ROOT / "synkin" / "version.py").read_text(encoding="utf-8"))[1]
    url = posixpath.relpath("changelog", page.url or ".")
    shown = f'<a class="md-header__version" href="{url}/" title="What changed">{version}<span> · changes</span></a>'
    if output.count(before) != 1:
        raise PluginError("The header has no place for the version: look for its search button in docs/hooks.py.")
    return output.replace(before, shown + before)


def source_of(uri: str) -> str:
    """The file of the repository that a page, other than those of `PAGES`, is made of."""
    if uri.startswith("notebooks/"):
        return uri.removesuffix(".md") + ".ipynb"
    return f"docs/{uri}"


def uri_of(source: str) -> str:
    """Where a file of the repository is among the pages."""
    if source in PAGES:
        return PAGES[source]
    if source.startswith("notebooks/"):
        return source.removesuffix(".ipynb") + ".md"
    return source.removeprefix("docs/")
