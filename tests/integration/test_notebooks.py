"""Every notebook runs from its first cell to its last, is stored with what it shows, and the pages show the same."""

import os
import re
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from tests.helpers.examples import imported

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
nbformat = pytest.importorskip("nbformat")

ROOT = Path(__file__).parents[2]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LARGEST, LARGEST_PICTURE = 400_000, 100_000  # bytes
MOST_LINES = 150  # of code, in one notebook


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def refresh():
    """The script docs/refresh.py."""
    spec = spec_from_file_location("refresh", ROOT / "docs" / "refresh.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.wide
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_runs(path, refresh, tmp_path, monkeypatch):
    notebook = nbformat.read(path, as_version=4)
    names = {name for cell in code_cells(notebook) for name in imported(cell.source)}
    if missing := sorted(name for name in names if find_spec(name) is None):
        pytest.skip(f"The notebook needs {', '.join(missing)}, not installed.")
    recordings = ROOT.parent / "shared" / "data"
    if recordings.is_dir() and "SYNKIN_DATA" not in os.environ:
        monkeypatch.setenv("SYNKIN_DATA", str(recordings))
    refresh.execute(notebook, tmp_path)  # raises what a cell raises
    assert [output for cell in code_cells(notebook) for output in cell.outputs]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_is_stored_as_it_ran(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < LARGEST
    assert notebook.metadata.kernelspec.name == "python3"
    cells = code_cells(notebook)
    assert sum(bool(line.strip()) for cell in cells for line in cell.source.splitlines()) <= MOST_LINES
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "Run docs/refresh.py."
    assert [cell.source for cell in cells if "raises-exception" in cell.metadata.get("tags", [])] == []
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []


def test_pages_show_what_they_show(refresh):
    pages = {path: path.read_text(encoding="utf-8") for path in refresh.pages()}
    shown = [item for path in PATHS for item in refresh.shown(nbformat.read(path, as_version=4))]
    pictures = {f"docs/{name}.png": content for name, content in shown if isinstance(content, bytes)}
    texts = {name: content for name, content in shown if isinstance(content, str)}

    placed = {
        (path.parent / target).resolve().relative_to(ROOT).as_posix()
        for path, page in pages.items()
        for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page)
    }
    assert set(pictures) <= placed
    assert [path for path in placed if not (ROOT / path).is_file()] == []
    for path, content in pictures.items():
        assert (ROOT / path).read_bytes() == content, f"{path} is old: run docs/refresh.py."
        assert len(content) < LARGEST_PICTURE
    parts = {name: page for page in pages.values() for name in re.findall(r"<!-- end of (.*) -->", page)}
    assert set(texts) == set(parts)
    for name, content in texts.items():
        assert refresh.part(name).search(parts[name])[0] == content, f"Part {name} is old: run docs/refresh.py."
