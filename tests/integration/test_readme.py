"""What README.md, the pages in docs/ and the docstrings show is run as it stands there."""

import ast
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from contextlib import nullcontext, suppress
from pathlib import Path

import jax
import numpy as np
import pytest

import synkin
from benchmarks import by_hand
from synkin import presets
from synkin.__main__ import main
from synkin.arguments import units
from tests.helpers.examples import imported
from tests.helpers.precision import as_jax_is

ROOT = Path(__file__).parents[2]
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(page, language):
    """The blocks of code of a page that are in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


SHELL = [line for text in blocks(README, "sh") for line in text.splitlines()]
COMMANDS = [command for line in SHELL for command in re.findall(r"(?<=python -m synkin )[^&\n]+", line)]
SESSIONS = [text for page in PAGES.values() for text in blocks(page, "sh") if "activate" in text]
EXAMPLES = blocks(README, "python")
# Pages whose examples are run, and more, by a test of their own.
ELSEWHERE = {
    "models": "published/test_models.py",
    "nmda": "published/test_models.py",
    "networks": "networks/test_networks.py",
    "other_solvers": "integration/test_other_solvers.py",
}
LONG = ("brainstate", "events", "fitting", "from_neuron", "lif_loop", "noise", "own_receptors", "runs", "schemes")
LONG += ("varying", "your_recording")
FRAMEWORKS = re.compile(r"^(?:import|from) (?:brainstate|diffrax|jaxley)\b", re.MULTILINE)
# What a reader types once; what it installs may not be there.
INSTALLS = re.compile(r"pip install |python -m venv |mkdocs |git clone ")


def run(text, given):
    """Run an example in a JAX that is no stricter than a reader's."""
    with as_jax_is():
        exec(compile(text, "example", "exec"), given)


def import_or_skip(text):
    """Skip where a package that an example imports is not installed."""
    for name in set(imported(text)) - {"synkin"}:
        pytest.importorskip(name)


def wide_where(word, texts, name=str):
    return [pytest.param(text, id=name(text), marks=[pytest.mark.wide] * (word in text)) for text in texts]


@pytest.mark.parametrize(
    "text", wide_where(".fit(", EXAMPLES, lambda text: re.search(r"(?<=\n\n)[^#\n]+", text)[0].strip())
)
def test_examples(text):
    """Each by itself."""
    import_or_skip(text)
    run(text, {})


RUN_HERE = [name for name, page in PAGES.items() if blocks(page, "python") and name not in ELSEWHERE]


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.wide] * (name in LONG)) for name in RUN_HERE])
def test_pages(name):
    """Those of a page one after the other, as they are read."""
    text = "\n".join(blocks(PAGES[name], "python"))
    import_or_skip(text)
    with as_jax_is() if FRAMEWORKS.search(text) else nullcontext():
        run(text, {})


def test_every_block_is_run():
    """But for text, and for lines that install."""
    assert SESSIONS
    for name, file in ELSEWHERE.items():
        assert f"docs/{name}.md" in (ROOT / "tests" / file).read_text(encoding="utf-8")
    for name, page in {"README": README, **PAGES}.items():
        languages = set(re.findall(r"^```(\w*)(?=\n)", page, re.MULTILINE)) - {""}
        assert languages <= {"python", "sh", "text"}, name
        if name == "README":
            continue
        lines = [line for text in blocks(page, "sh") if text not in SESSIONS for line in text.splitlines()]
        assert [line for line in lines if not INSTALLS.match(line)] == [], name


@pytest.mark.parametrize("command", wide_where("fit ", COMMANDS))
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


@pytest.mark.wide
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
    there = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT)}}
    done = subprocess.run(["sh", "-eu"], input=text, capture_output=True, text=True, **there)
    assert done.returncode == 0, done.stderr
    named = set(re.findall(r"(?:--out|--plot|--report|>) (\S+)", text))
    # `measure` with stimuli writes a second table.
    named |= {f"{name}_stimuli.csv" for name in re.findall(r"synkin measure .*--spikes .*--out (\S+)\.csv", text)}
    assert {path.name for path in tmp_path.iterdir()} - before == named
    assert all((tmp_path / name).stat().st_size > 0 for name in named)


def test_extras_that_examples_need():
    """An example that imports what only an extra brings has the line that installs it above; and there is the extra."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for page in (README, *PAGES.values()):
        if "import saiunit" in page:
            assert page.index('pip install -e ".[units]"') < page.index("import saiunit")
        for names in re.findall(r'pip install (?:-q )?-e "\.\[([\w,]+)\]"', page):
            assert set(names.split(",")) <= set(extras)
    assert "import saiunit" in PAGES["units"]


def test_the_loop_by_hand():
    """README's number is what the benchmark finds, and the pulses and the step are its own."""
    errors = by_hand.charge_errors()
    assert f"| a careful loop by hand | 0.6 ms | {100 * errors['loop']:.0f} % |" in README
    assert f'| synkin, `method="exact"` | 0.5 ms | {100 * abs(errors["exact"]):.1f} % |' in README
    assert f"pulses of {by_hand.PARAMS.T_dur} ms, steps of {by_hand.DT} ms" in README


def test_what_one_spike_opens():
    """The table of the first page for networks: the peak, when it is, and how long g takes to fall to 1/e of it."""
    times = np.arange(0.0, 300.0, 0.01)
    row = r"^\| \S+ \| `synkin\.(\w+)` \| ([\d.]+), after ([\d.]+) ms.*? \| ([\d.]+) ms \|"
    rows = re.findall(row, PAGES["lif_loop"], re.MULTILINE)
    assert [row[0] for row in rows] == ["ampa", "gabaa", "bionmda"]
    for name, *said in rows:
        kernel = getattr(synkin, name)
        g = np.asarray(synkin.respond(kernel, kernel.Params(), [0.0], times))
        top = g.argmax()
        fell = times[top + (g[top:] < g[top] / np.e).argmax()] - times[top]
        for text, found in zip(said, (g[top], times[top], fell), strict=True):
            assert float(text) == pytest.approx(found, rel=0.04), name


@pytest.mark.wide
def test_a_gradient_leaves_spikes_as_they_are():
    """What the first page for networks says of its network: the gradient, and how far the mean really moves."""
    given = {}
    run("\n".join(blocks(PAGES["lif_loop"], "python")), given)
    mean = lambda factor, steps: given["network"]((0.5 * factor, 2.0, 0.05), steps)[1][2000:].mean()  # noqa: E731
    slope = jax.jit(jax.grad(lambda factor: mean(factor, 4000)))(1.0)
    runs = jax.jit(jax.vmap(lambda factor: mean(factor, 20_000)))(np.array([1.0, 2.0], np.float32))
    assert slope == pytest.approx(1.0, abs=0.3)
    assert runs[1] - runs[0] == pytest.approx(-0.2, abs=0.1)


def test_set_up_is_two_lines():
    lines = [line for line in SHELL if "-m venv" in line]
    assert len(lines) == 2, "Set up is one environment to run synkin and one to test it."
    assert [line for line in SHELL if len(line) > 72 and line != lines[1]] == []
    marked = re.search(r"<!-- test command -->\n```sh\n(.*?)\n```", README, re.DOTALL)
    assert marked, ".ci/run looks for the test command after its marker."
    assert marked[1] == lines[1]


@pytest.mark.parametrize("name", ["README", *PAGES])
def test_links(name):
    """Every link leads to a file, and to a heading of it."""
    text, home = (README, ROOT) if name == "README" else (PAGES[name], ROOT / "docs")
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"(?ms)^```.*?^```$", "", text))
    local = [target.partition("#") for target in targets if "://" not in target]
    assert [path for path, _, _ in local if not (home / path).is_file()] == []
    for path, _, part in local:
        # Of the reference the headings are known once it is built.
        if part and not path.startswith("api/"):
            there = (home / path).read_text(encoding="utf-8") if path else text
            headings = re.findall(r"^#+ (.*)$", there, re.MULTILINE)
            anchors = [re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-") for heading in headings]
            assert part in anchors, f"{path}#{part}"


def test_every_page_is_found():
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    assert [name for name in PAGES if f": {name}.md\n" not in menu] == []
    notebooks = [path.stem for path in (ROOT / "notebooks").glob("*.ipynb")]
    assert [name for name in notebooks if f"- notebooks/{name}.md\n" not in menu] == []


def test_reference_has_every_public_name():
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "api").glob("*.md"))
    there = set(re.findall(r"heading: (synkin\.[\w.]+)$", text, re.MULTILINE))
    names = {f"synkin.{name}" for name in synkin.__all__ if name not in ("KERNELS", "schemes")}
    names |= {f"synkin.schemes.{name}" for name in synkin.schemes.SCHEMES}
    names |= {f"synkin.plot.{name}" for name in synkin.plot.__all__ if callable(getattr(synkin.plot, name))}
    assert names - there == set()


def test_kernel_table():
    """Every kernel stands in the table, with its parameters and their defaults."""
    section = re.search(r"^## The kernels$(.*?)^## ", PAGES["kernels"], re.DOTALL | re.MULTILINE)[1]
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| ([^|]+) \|$", section, re.MULTILINE))
    assert set(rows) == set(synkin.KERNELS)
    for name, kernel in synkin.KERNELS.items():
        expected = ", ".join(f"{field} {value:g}" for field, value in kernel.Params()._asdict().items())
        assert rows[name] == expected


def docstring_examples():
    """The indented blocks of docstrings that are Python and call something: where each stands, and its text."""
    for path in sorted((ROOT / "synkin").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            docstring = ast.get_docstring(node) or "" if documented else ""
            for text in map(textwrap.dedent, re.findall(r"(?<=\n\n)(?: {4}.*\n?)+", docstring)):
                with suppress(SyntaxError):
                    if any(isinstance(part, ast.Call) for part in ast.walk(ast.parse(text))):
                        yield f"{path.relative_to(ROOT)}:{getattr(node, 'name', '')}", text


def test_docstring_examples():
    """With what they leave to the reader."""
    given = {name: getattr(synkin, name) for name in synkin.__all__} | {
        "synkin": synkin,
        "presets": presets,
        "units": units,
    }
    given |= {"spikes": np.arange(100) == 7, "dt": 0.1, "g": 0.1, "V": -65.0, "jax": jax}
    given |= {"params": synkin.ampa.Params()} | {n: getattr(synkin.ampa, n) for n in ("Params", "State", "equations")}
    examples = list(docstring_examples())
    assert "synkin/objects/__init__.py:" in dict(examples)
    for where, text in examples:
        if re.search(r"\bu\.", text):
            given["u"] = pytest.importorskip("saiunit")
        try:
            run(text, dict(given))
            synkin.environ.set(t=None, dt=None)
        except Exception as error:
            raise AssertionError(f"The example of {where} fails.") from error
