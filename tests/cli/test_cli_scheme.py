"""The command line with schemes: those that are published, and those that a person writes into a file."""

import json
import subprocess
import sys

import numpy as np
import pytest

import synkin
from synkin.__main__ import main
from synkin.cli import options, scheme_file
from synkin.schemes import SCHEMES, nmda5

NMDA5 = """\
# The NMDA receptor
# with two binding sites.

C0 + glu <-> C1 : kon, koff
C1 + glu <-> C2 : kon, koff
C2       <-> D  : kd, kr        # desensitised
C2       <-> O  : beta, alpha

kon = 5.0       # /ms/mM
koff = 0.0129
kd = 0.0084
kr = 0.0068
beta = 0.0465
alpha = 0.0738

open = O
"""


@pytest.fixture
def file(tmp_path):
    """Writes a file, returns its path."""

    def write(name, text):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def said(capsys, *arguments):
    """What main prints for arguments that it accepts."""
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


@pytest.mark.parametrize("source", ["kernel", "scheme"])
def test_simulate(capsys, file, tmp_path, x64, source):
    """By name or from a file: what `respond` gives for the library's kernel."""
    out = str(tmp_path / "g.npz")
    chosen = ["--kernel", "nmda5"] if source == "kernel" else ["--scheme", file("nmda-5.txt", NMDA5)]
    options = ["--set", "kon=6", "T_dur=2", "--dt", "0.5", "--duration", "8", "--out", out]
    text = said(capsys, "simulate", file("spikes.csv", "1.23\n1.9\n"), *chosen, *options)
    name = "nmda5" if source == "kernel" else "nmda_5"
    assert text.startswith(f"kernel      {name}\nparameters  kon    6       1/ms/mM\n")
    assert "\nmethod      exact\nspikes      2\n            at their own times\n" in text
    with np.load(out) as results:
        times, g = results["time_ms"], results["g_mS"]
    expected = synkin.respond(nmda5, nmda5.Params(kon=6.0, T_dur=2.0), [1.23, 1.9], times)
    np.testing.assert_allclose(g, expected, rtol=1e-12)
    assert g.max() > 0.05


def test_a_scheme_that_rests_elsewhere(capsys, file, tmp_path):
    """A file's rest counts: a third of the receptors are open before the spike, which comes after the end."""
    rates = "on = 1\nshut = 2\nbind = 3\noff = 4\nopen = C\nrest = steady\n"
    path = file("gate.txt", f"A <-> B : on, on\nB <-> C : shut, shut\nC + T <-> D : bind, off\n{rates}")
    out = str(tmp_path / "g.npz")
    said(capsys, "simulate", file("spikes.csv", "5\n"), "--scheme", path, "--duration", "4", "--dt", "1", "--out", out)
    with np.load(out) as results:
        np.testing.assert_allclose(results["g_mS"], 1 / 3, rtol=1e-5)


def test_fit(capsys, file, tmp_path):
    """A recording made with other rates of opening and closing: they come back."""
    times = np.arange(0.0, 200.0, 2.0)
    made = nmda5.Params(beta=0.08, alpha=0.05)
    g = np.asarray(synkin.respond(nmda5, made, [3.0], times))
    recording = file(
        "recording.csv", "time_ms,g_mS\n" + "".join(f"{t},{v:.9g}\n" for t, v in zip(times, g, strict=True))
    )
    out = tmp_path / "fit.json"
    options = ["--spikes", "3", "--free", "beta,alpha", "--starts", "2", "--out", str(out)]
    main(["fit", recording, "--scheme", file("mine.txt", NMDA5), *options])
    assert capsys.readouterr().out.startswith("kernel      mine\n")
    found = json.loads(out.read_text())
    assert found["kernel"] == "mine"
    assert found["params"]["beta"] == pytest.approx(0.08, rel=1e-3)
    assert found["params"]["alpha"] == pytest.approx(0.05, rel=1e-3)


def test_what_is_fitted_by_default():
    """Of a scheme the rates of opening and closing, which one recording can tell; of one without, all but T."""
    assert options.typical_free(nmda5) == ["beta", "alpha"]
    assert options.typical_free(SCHEMES["jonas1993"]) == ["alpha", "beta", "d3", "r3"]
    assert options.typical_free(SCHEMES["gabab"]) == ["K1", "K2", "K3", "K4", "KD", "T_dur"]
    assert options.typical_free(synkin.ampa) == ["alpha", "beta", "T_dur"]


def test_list_shows_all(capsys):
    text = said(capsys, "list")
    first, second = text.split("Published schemes:\n\n")
    names = [[line.split()[0] for line in part.splitlines() if line.startswith("  ")] for part in (first, second)]
    assert names == [list(synkin.KERNELS), list(SCHEMES)]
    assert "\n  gabaa                  The GABA-A receptor, first order: " in first
    assert "\n  ampa5                  The AMPA receptor with two binding sites and two desensitised states.\n" in text
    assert text.endswith(
        "`python -m synkin list NAME` shows the parameters of one, and with `--plot FILE` draws a picture of it.\n"
    )


@pytest.mark.parametrize("name", SCHEMES)
def test_list_of_one(capsys, name):
    """Its source, each transition and each parameter; no unit where there is none."""
    kernel = SCHEMES[name]
    text = said(capsys, "list", name)
    assert text.startswith(f"{name}: {kernel.__doc__.splitlines()[0].replace('`', '')}\n\n")
    assert "\nSource: " in text
    parts = text.split("\n\n")
    rows = [line.split() for line in parts[-1].splitlines()]
    assert [row[0] for row in rows] == ["parameter", *kernel.Params._fields]
    assert [float(row[1]) for row in rows[1:]] == pytest.approx(kernel.Params(), rel=1e-5)
    assert not any("None" in row for row in rows)
    if hasattr(kernel, "transitions"):
        assert f"conducting: {', '.join(kernel.open)}" in parts
        assert len(parts[-3].splitlines()) == 1 + len(kernel.transitions)


def test_list_of_a_file(capsys, file, tmp_path):
    """As of a published scheme, with its comment; and a picture."""
    picture = tmp_path / "nmda.svg"
    text = said(capsys, "list", "--scheme", file("2 sites.txt", NMDA5), "--plot", str(picture))
    assert text.startswith("scheme_2_sites: The NMDA receptor\n\nwith two binding sites.\n\ntransition      rate\n")
    assert "\nC0 + glu -> C1  kon\nC1 -> C0        koff\n" in text
    assert "\n\nconducting: O\n\n" in text
    assert text.endswith(f"\nT_dur      1        ms\n\nwritten  {picture}\n")
    assert picture.read_text().startswith("<?xml")


def test_list_draws_the_answer_of_a_kernel_without_states(capsys, tmp_path):
    picture = tmp_path / "expon.png"
    said(capsys, "list", "expon", "--plot", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_relative_conductances(capsys, file):
    text = "A + T <-> B : a, b\nB <-> C : c, d\na = 1\nb = 1\nc = 1\nd = 1\nopen = 0.5*B, C\n"
    assert "\nconducting: 0.5*B, C\n" in said(capsys, "list", "--scheme", file("x.txt", text))


def test_blocks_of_a_mod_file(capsys, file):
    """What is passed over is said on stderr, and lines name the ligand and what may be negative."""
    rates = "PARAMETER {\n Rb = 5 (/mM /ms)\n Ru = 0.3 (/ms)\n V = -60 (mV)\n}\nligand = XT\nsigned = V\nopen = in\n"
    path = file("k.txt", "KINETIC k {\n x = 2*Rb*XT\n ~ out <-> in (Rb*XT*YT, Ru*(1 + V/100)) }\nYT = 1\n" + rates)
    assert main(["list", "--scheme", path]) == 0
    printed = capsys.readouterr()
    assert "\nout + XT -> in_  Rb*YT\n" in printed.out
    assert printed.err == (
        f"Warning: Line 2 of {path}, `x = 2*Rb*XT`, is passed over, as no transition has `x`: a published file may "
        "have meant it in a transition where another rate stands.\n"
    )


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


def test_schemes_are_not_made_for_those_who_do_not_ask():
    code = (
        "import sys; from synkin.__main__ import main; "
        "main(['list', 'ampa']); sys.exit('synkin.schemes' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.returncode == 0
