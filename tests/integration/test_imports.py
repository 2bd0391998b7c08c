"""What an import loads, by the list of modules in a fresh process; and that all public names are found."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import synkin

# Of synkin, what a program that simulates does not need; each is imported when it is first used.
UNUSED = ("adapters", "cli", "events", "fitting", "measures", "noise", "objects", "plot", "presets", "recordings")
UNUSED += ("schemes",)


def loaded(program, first="import jax, jax.numpy"):
    """The modules that a program loads, besides those of ``first``."""
    script = f"import sys\n{first}\nbefore = set(sys.modules)\n{program}\n"
    script += "import json; print(json.dumps(sorted(set(sys.modules) - before)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout.splitlines()[-1]))


def packages(modules):
    return {name.partition(".")[0] for name in modules} - sys.stdlib_module_names - {"jaxlib"}


def test_import_brings_jax_numpy_and_what_a_simulation_needs():
    modules = loaded("from synkin import ampa, connect, currents, receptor, respond, simulate, stepper")
    assert packages(modules) <= {"jax", "numpy", "synkin"}
    assert [name for name in modules if name.startswith(tuple(f"synkin.{part}" for part in UNUSED))] == []
    # Both are slow to import; a readout needs the first, "exact" of a gate the second.
    assert [name for name in modules if name.startswith(("jax.extend", "numpy.polynomial"))] == []


def test_names_alone_bring_nothing():
    """Neither JAX nor NumPy is imported before a name is used; nor by commands and help that compute nothing."""
    help_of = "with contextlib.suppress(SystemExit):\n    main({})\n"
    program = "from synkin.__main__ import main\nmain([]), main(['list'])\nimport contextlib\n"
    words = (["--version"], ["--help"], ["simulate", "--help"], ["fit", "--help"], ["list", "--help"])
    program += "".join(help_of.format(each) for each in words)
    for each in ("import synkin", program + "main(['simulate', '--kernel', 'none'])\n"):
        assert packages(loaded(each, "import os")) == {"synkin"}


def test_import_computes_nothing():
    """Modules are imported where they are first used, which may be a function that JAX traces."""
    program = "import jax, synkin\nfound = lambda: [getattr(synkin, name) for name in synkin.__all__] and 0\n"
    program += "assert not jax.make_jaxpr(found)().eqns"
    assert loaded(program)


def test_readers_scipy_and_matplotlib_come_when_they_are_used():
    program = (
        "from synkin import AMPA, measure, plot, presets, read_recording\nfrom synkin.recordings import formats, table"
    )
    commands = (
        "from synkin.__main__ import main\nmain(['list']), main(['list', 'nmda5']), main(['simulate', '--sample'])"
    )
    assert packages(loaded(f"{program}\n{commands}")) <= {"jax", "numpy", "synkin"}


def test_a_command_imports_no_other():
    modules = loaded("from synkin.__main__ import main; main(['list', 'ampa'])")
    assert "synkin.cli.list" in modules
    others = {f"synkin.cli.{name}" for name in ("simulate", "measure", "events", "noise", "fit")}
    assert not modules & {*others, "synkin.events", "synkin.fitting", "synkin.schemes"}  # nor makes schemes


def test_public_names_are_found():
    """By `dir`, by ``import *``, and by type checkers and editors, which read the imports and do not run them."""
    found = {}
    exec("from synkin import *", found)
    assert set(synkin.__all__) == set(dir(synkin)) == found.keys() - {"__builtins__"}
    nodes = ast.walk(ast.parse(Path(synkin.__file__).read_text()))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    written = {name.name for node in imports if (node.module or "").startswith("synkin") for name in node.names}
    assert set(synkin.__all__) == written - {"interrupts", "__version__"}
    with pytest.raises(AttributeError, match="module 'synkin' has no attribute 'fits'"):
        synkin.fits  # noqa: B018


def test_names_that_are_imported_when_used_are_those_of_their_modules():
    for home, names in synkin._IMPORTED_WHEN_USED.items():
        for name in names:
            assert getattr(synkin, name) is getattr(sys.modules[home], name)
    for name, path in synkin._MODULES.items():
        assert getattr(synkin, name) is sys.modules[path]
