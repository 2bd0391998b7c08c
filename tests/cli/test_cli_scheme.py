"""`list`, and the command line with schemes: those that are published, and those that a person writes into a file."""

from pathlib import Path

import numpy as np
import pytest

import synkin
from synkin.__main__ import main
from synkin.cli import scheme_file
from synkin.schemes import SCHEMES, nmda5

NMDA5 = Path(__file__).with_name("nmda5.txt").read_text()


@pytest.mark.wide
def test_simulate(said, file, tmp_path, x64):
    """By name or from a file: what `respond` gives for the library's kernel; a file's rest counts."""
    out, spikes = tmp_path / "g.npz", file("spikes.csv", "1.23\n1.9\n")
    options = ["--set", "kon=6", "T_dur=2", "--dt", "0.5", "--duration", "8", "--out", out]
    for name, chosen in (("nmda5", ["--kernel", "nmda5"]), ("nmda_5", ["--scheme", file("nmda-5.txt", NMDA5)])):
        text = said("simulate", spikes, *chosen, *options)
        assert text.startswith(f"kernel      {name}\nparameters  kon    6       1/ms/mM\n")
        assert "\nmethod      exact\nspikes      2\n            at their own times\n" in text
        with np.load(out) as results:
            times, g = results["time_ms"], results["g_mS"]
        expected = synkin.respond(nmda5, nmda5.Params(kon=6.0, T_dur=2.0), [1.23, 1.9], times)
        np.testing.assert_allclose(g, expected, rtol=1e-12)
        assert g.max() > 0.05
    rates = "on = 1\nshut = 2\nbind = 3\noff = 4\nopen = C\nrest = steady\n"
    path = file("gate.txt", f"A <-> B : on, on\nB <-> C : shut, shut\nC + T <-> D : bind, off\n{rates}")
    said("simulate", file("late.csv", "5\n"), "--scheme", path, "--duration", "4", "--dt", "1", "--out", out)
    with np.load(out) as results:  # a third is open before the spike, which comes after the end
        np.testing.assert_allclose(results["g_mS"], 1 / 3, rtol=1e-5)


def test_list_has_all(said):
    parts = said("list").split("Published schemes:\n\n")
    names = [[line.split()[0] for line in part.splitlines() if line.startswith("  ")] for part in parts]
    assert names == [list(synkin.KERNELS), list(SCHEMES)]


@pytest.mark.parametrize("name", [*synkin.KERNELS, *SCHEMES])
def test_list_of_one(said, name):
    """Its source, each transition and each parameter; no unit where there is none."""
    kernel = (synkin.KERNELS | SCHEMES)[name]
    text, parts = said("list", name), said("list", name).split("\n\n")
    assert text.startswith(
        f"{name}: {kernel.__doc__.splitlines()[0].replace('`', '')}\n\n" if name in SCHEMES else name
    )
    assert "\nSource: " in text
    head, *rows = (line.split() for line in parts[-1].splitlines())
    assert head == ["parameter", "default", "unit"]
    for field, row, default, unit in zip(kernel.Params._fields, rows, kernel.Params(), kernel.UNITS, strict=True):
        assert [row[0], *row[2:]] == [field, *([unit] if unit not in (None, "1") else [])]
        assert float(row[1]) == pytest.approx(default, rel=1e-5)
    if hasattr(kernel, "transitions"):
        assert f"conducting: {', '.join(kernel.open)}" in parts
        assert len(parts[-3].splitlines()) == 1 + len(kernel.transitions)


def test_pictures(said, file, tmp_path):
    """Of states and transitions, and the answer of a kernel without states."""
    scheme, picture = file("nmda.txt", NMDA5), tmp_path / "nmda.svg"
    for words in (["--scheme", scheme], ["expon"]):
        assert said("list", *words, "--plot", picture).endswith(f"\n\nwritten  {picture}\n")
        assert picture.read_text().startswith("<?xml")
        picture.unlink()


def test_the_example_of_the_help_is_a_scheme(capsys, file):
    """What `list --help` shows, typed into a file."""
    with pytest.raises(SystemExit, match="0"):
        main(["list", "--help"])
    _, _, example = capsys.readouterr().out.partition("begin with #.\n\n")
    example, _, _ = example.partition("\nligand = glu")
    kernel = scheme_file.read(file("example.txt", example))
    assert kernel.Params() == nmda5.Params()
    assert [str(way) for way in kernel.transitions] == [str(way) for way in nmda5.transitions]
    assert kernel.open == {"O": 1.0}
