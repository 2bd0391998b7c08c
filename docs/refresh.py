"""Runs the notebooks, stores their outputs, and takes over into README.md and the pages what these show of them.

    python docs/refresh.py [notebooks/01_quickstart.ipynb ...]

without a name all of them. A code cell tagged ``readme-NAME`` makes a part of README.md or of a page in docs/: its
picture becomes docs/NAME.png, its Markdown output stands between the comments ``<!-- NAME -->`` and ``<!-- end of NAME
-->``, in whichever of them has these.
"""

import base64
import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
TAG = "readme-"


def execute(notebook: Any, folder: Path, timeout: float = 300) -> None:
    """Run a notebook in a fresh kernel of this Python, in a folder; its outputs are replaced.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    # No kernels of the machine: the name python3 then means the Python that runs this.
    specs = KernelSpecManager(kernel_dirs=[], ensure_native_kernel=True)
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)
    # The checkout is what is run, whether it is installed or not, and as a reader has it: in single precision.
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "JAX_ENABLE_X64": "0"}
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(
        notebook, manager, resources=resources, timeout=timeout, record_timing=False, coalesce_streams=True
    )
    client.execute(env=environment, cleanup_kc=True)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = base64.b64encode(with_palette(base64.b64decode(data["image/png"]))).decode()


def with_palette(png: bytes) -> bytes:
    """A picture in 256 colours, which takes a third of the bytes; as it is if that is not less."""
    out = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256).save(out, "PNG", optimize=True)
    return min(out.getvalue(), png, key=len)


def shown(notebook: Any) -> Iterator[tuple[str, Any]]:
    """What the pages show of a notebook: names, with a picture as bytes or a text."""
    for cell in notebook.cells:
        for tag in cell.metadata.get("tags", []):
            if not tag.startswith(TAG):
                continue
            for output in cell.outputs:
                data = output.get("data", {})
                if "image/png" in data:
                    yield tag.removeprefix(TAG), base64.b64decode(data["image/png"])
                elif "text/markdown" in data:
                    yield tag.removeprefix(TAG), data["text/markdown"]


def part(name: str) -> re.Pattern[str]:
    """Where a text stands in a page."""
    return re.compile(rf"(?<=<!-- {name} -->\n\n).*?(?=\n\n<!-- end of {name} -->)", re.DOTALL)


def pages() -> list[Path]:
    """README.md and the pages."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def main(paths: list[Path]) -> None:
    """Refresh the notebooks, the pictures and the pages."""
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        execute(notebook, path.parent)
        nbformat.write(notebook, path)
        print(path)
        for name, content in shown(notebook):
            if isinstance(content, bytes):
                (ROOT / "docs" / f"{name}.png").write_bytes(content)
                continue
            for page in pages():
                text = page.read_text(encoding="utf-8")
                place = part(name).search(text)
                if place is not None:
                    page.write_text(text[: place.start()] + content + text[place.end() :], encoding="utf-8")
                    break
            else:
                raise SystemExit(f"README.md or a page must have a part <!-- {name} -->, but none has.")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or sorted((ROOT / "notebooks").glob("*.ipynb")))
