"""What README.md and the docstrings show is run as it stands there."""

import ast
import os
import re
import shlex
import subprocess
import sys
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
SESSIONS = [text for language, text in BLOCKS if language == "sh" and "activate" in text]
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
    arguments = shlex.split(command)
    assert main(arguments) == 0, capsys.readouterr().err
    assert capsys.readouterr().out
    for option in ("--out", "--plot"):
        if option in arguments:
            assert Path(arguments[arguments.index(option) + 1]).stat().st_size > 0


@pytest.mark.skipif(os.name == "nt", reason="The shell is that of Unix.")
@pytest.mark.parametrize("text", SESSIONS)
def test_shell(text, tmp_path):
    """As printed, line by line, in a folder with nothing but an environment."""
    pytest.importorskip("matplotlib")
    bin_ = tmp_path / ".venv" / "bin"
    bin_.mkdir(parents=True)
    bin_.joinpath("activate").write_text(f"PATH={shlex.quote(str(bin_))}:$PATH\n")
    # What `pip install -e .` makes of the entry point.
    entry = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["synkin"].partition(":")
    code = f"import sys\nfrom {entry[0]} import {entry[2]}\nsys.exit({entry[2]}())\n"
    bin_.joinpath("synkin").write_text(f"#!{sys.executable}\n{code}")
    bin_.joinpath("synkin").chmod(0o755)
    before = {path.name for path in tmp_path.iterdir()}
    done = subprocess.run(
        ["sh", "-eu"],
        input=text,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    named = set(re.findall(r"(?:--out|--plot|>) (\S+)", text))
    assert {path.name for path in tmp_path.iterdir()} - before == named
    assert all((tmp_path / name).stat().st_size > 0 for name in named)


def test_there_is_a_shell_session():
    assert SESSIONS


def test_extras_that_examples_need():
    """An example that imports what only an extra brings has the line that installs it above."""
    assert README.index('pip install -e ".[units]"') < README.index("import saiunit")


def test_set_up_is_two_lines():
    lines = [line for line in SHELL if "-m venv" in line]
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
    given |= {"spikes": np.arange(100) == 7, "dt": 0.1, "g": 0.1, "V": -65.0, "jax": jax}
    ampa = synkin.ampa
    given |= {"params": ampa.Params(), "Params": ampa.Params, "State": ampa.State, "equations": ampa.equations}
    if re.search(r"\bu\.", text):
        given["u"] = pytest.importorskip("saiunit")
    try:
        run(text, given)
    finally:
        synkin.environ.set(t=None, dt=None)
