"""What the pages are made of besides docs/*.md: README.md and its neighbours, and the notebooks as they are stored.

A link in any of them is written for the repository, where it leads to a file. Here it is turned to the page that is
made of that file, so that both ways of reading it lead there; one that leads nowhere stops a strict build.
"""

import base64
import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
FILES = ("CITATION.cff", *(f"benchmarks/results/{path.name}" for path in (ROOT / "benchmarks" / "results").glob("*.txt")))
_LINK = re.compile(r"(?<=\]\()(?P<path>[^)\s#:]+)(?P<part>#[^)\s]*)?(?=\))")


def on_files(files: Any, config: Any) -> Any:
    """Add what does not lie in docs/."""
    for source, uri in PAGES.items():
        files.append(File.generated(config, uri, content=(ROOT / source).read_text(encoding="utf-8")))
    for name in FILES:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        parts: list[str] = []
        for part in shown(json.loads(path.read_text(encoding="utf-8"))):
            if isinstance(part, bytes):
                uri = f"notebooks/{path.stem}-{len(parts)}.png"
                files.append(File.generated(config, uri, content=part))
                part = f"![]({posixpath.basename(uri)})"
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
    """Turn links from files of the repository to pages."""
    uri = page.file.src_uri
    here = {page: source for source, page in PAGES.items()}.get(uri) or source_of(uri)

    def turned(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(here), link["path"]))
        if not (ROOT / target).is_file():
            return link[0]  # as it is, for the strict build to complain of
        found = posixpath.relpath(uri_of(target), posixpath.dirname(uri) or ".")
        return found + (link["part"] or "")

    return _LINK.sub(turned, markdown)


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
