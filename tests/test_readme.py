"""What README.md and the docstrings show is run as it stands there."""

import ast
import re
import shlex
import textwrap
import tomllib
from pathlib import Path

import jax
import numpy as np
import pytest

import synkin
from synkin import presets, units
from synkin.__main__ import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
SHELL = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
COMMANDS = [command for line in SHELL for command in re.findall(r"(?<=python -m synkin )[^&\n]+", line)]
EXAMPLES = [text for language, text in BLOCKS if language == "python"]


def run(text, given):
    """Run an example in a JAX that is no stricter than a reader's."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        exec(compile(text, "example", "exec"), given)


@pytest.mark.parametrize("text", EXAMPLES, ids=[re.search(r"(?<=\n\n)[^#\n]+", text)[0].strip() for text in EXAMPLES])
def test_examples(text):
    """Each by itself."""
    if "saiunit" in text:
        pytest.importorskip("saiunit")
    run(text, {})


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command, tmp_path, monkeypatch, capsys):
    if "--plot" in command:
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    Path("spikes.csv").write_text("time_ms\n3.0\n14.5\n30.25\n")
    arguments = shlex.split(command)
    assert main(arguments) == 0, capsys.readouterr().err
    assert capsys.readouterr().out
    for option in ("--out", "--plot"):
        if option in arguments:
            assert Path(arguments[arguments.index(option) + 1]).stat().st_size > 0


def test_set_up_is_two_lines():
    lines = [line for line in SHELL if "venv" in line]
    assert len(lines) == 2, "Set up is one line to run synkin and one to test it."
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for line in lines:
        chosen = re.search(r'install -q -e "\.\[([\w,]+)\]"', line)[1].split(",")
        assert set(chosen) <= set(extras)
    marked = re.search(r"<!-- test command -->\n```sh\n(.*?)\n```", README, re.DOTALL)
    assert marked, ".ci/run looks for the test command after its marker."
    assert marked[1] == lines[1]


def test_links():
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    local = [target for target in targets if "://" not in target]
    assert local
    assert [target for target in local if not (ROOT / target).is_file()] == []


def test_kernel_table():
    """Every kernel stands in the table, with its parameters and their defaults."""
    section = re.search(r"^## Kernels$(.*?)^## ", README, re.DOTALL | re.MULTILINE)[1]
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| ([^|]+) \|$", section, re.MULTILINE))
    assert set(rows) == set(synkin.KERNELS)
    for name, kernel in synkin.KERNELS.items():
        expected = ", ".join(f"{field} {value:g}" for field, value in kernel.Params()._asdict().items())
        assert rows[name] == expected


def docstring_examples():
    """The indented blocks of docstrings that are Python and call something: where each stands, and its text."""
    for path in sorted((ROOT / "synkin").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) or not ast.get_docstring(node):
                continue
            for block in re.findall(r"(?<=\n\n)(?: {4}.*\n?)+", ast.get_docstring(node)):
                text = textwrap.dedent(block)
                if calls_something(text):
                    yield f"{path.relative_to(ROOT)}:{getattr(node, 'name', '')}", text


def calls_something(text):
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return False
    return any(isinstance(node, ast.Call) for node in ast.walk(tree))


DOCSTRING_EXAMPLES = list(docstring_examples())


def test_docstring_examples_are_found():
    assert "synkin/objects/__init__.py:" in dict(DOCSTRING_EXAMPLES)


@pytest.mark.parametrize("text", [pytest.param(text, id=where) for where, text in DOCSTRING_EXAMPLES])
def test_docstring_examples(text):
    """With what they leave to the reader."""
    given = {**vars(synkin), "synkin": synkin, "presets": presets, "units": units}
    given |= {"spikes": np.arange(100) == 7, "dt": 0.1, "g": 0.1, "V": -65.0}
    if re.search(r"\bu\.", text):
        given["u"] = pytest.importorskip("saiunit")
    try:
        run(text, given)
    finally:
        synkin.environ.set(t=None, dt=None)
