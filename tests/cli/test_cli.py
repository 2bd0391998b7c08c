"""The command line: `simulate` and what all commands share. What it says of bad input is in tests/messages."""

import inspect
import runpy
import shlex
import subprocess
import sys
import tomllib
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

import synkin
from synkin import __main__ as command_line
from synkin.cli import files
from synkin.cli import simulate as subcommand
from synkin.cli.simulate import conductance
from synkin.cli.simulate.spikes import Spikes
from synkin.cli.terminal import Progress
from synkin.recordings import number_text, table, time_unit

main = command_line.main
PRINTED = Path(__file__).with_name("printed.txt").read_text().split("$ synkin ")[1:]
TABLES = tomllib.loads(Path(__file__).with_name("tables.toml").read_text(encoding="utf-8"))


@pytest.fixture
def computed(said, tmp_path):
    """What `simulate` prints and writes: the text, times and g."""

    def run(path, *options):
        out = tmp_path / "g.npz"
        text = said("simulate", path, *options, "--out", out)
        with np.load(out) as results:
            return text, results["time_ms"], results["g_mS"]

    return run


# What is computed


@pytest.mark.parametrize("name", ["ampa", "bionmda", "dual_expon"])
def test_exp_euler_is_simulate(computed, train, name):
    """A spike acts at the nearest time of the grid, one halfway at the later, also at 0; an input at a step's end."""
    kernel, linear = synkin.KERNELS[name], synkin.KERNELS[name].input.takes_weights
    spikes = [(2.0, 0), (2.1, 0), (9.9, 0), (12.25, 0), (0.1, 2), (4.0, 2)]
    path = train("time_ms,synapse\n" + "".join(f"{t},{i}\n" for t, i in spikes) + "99,1\n")
    text, _, g = computed(path, "--kernel", name, "--dt", "0.5", "--duration", "50")
    steps = np.array([int(time / 0.5 + 0.5) - linear for time, _ in spikes])
    inputs = np.zeros((100, 3))
    np.add.at(inputs, (steps[steps >= 0], np.array(spikes, int)[steps >= 0, 1]), 1)
    inputs = inputs if linear else inputs > 0
    state = kernel.init(kernel.Params(), 3)
    if linear:  # an input at 0 acts before the first step
        state, _ = synkin.simulate(kernel, kernel.Params(), np.eye(1, 3, 2), 0.5)
    _, expected = synkin.simulate(kernel, kernel.Params(), inputs, 0.5, state=state)
    np.testing.assert_allclose(g, expected, rtol=1e-6, atol=1e-9)
    assert g.any(axis=0).tolist() == [True, False, True]
    assert "spikes      7\n            4 moved to the grid, by 0.25 ms at most\n" in text
    assert f"1 at the grid time of another of the synapse: {'added to it' if linear else 'not seen'}\n" in text
    assert "1 after the end: left out\n" in text
    assert "synapses    3\n" in text


@pytest.mark.parametrize("name", ["ampa", pytest.param("bionmda", marks=pytest.mark.wide), "alpha"])
def test_exact_is_respond(computed, train, x64, name):
    """Off the grid, two within a step, one synapse silent."""
    kernel = synkin.KERNELS[name]
    options = ("--kernel", name, "--dt", "0.5", "--duration", "8", "--method", "exact")
    text, times, g = computed(train("1.23,0\n1.27,0\n0.4,2\n9,2\n"), *options)
    assert "spikes      4\n            at their own times\n            1 after the end: left out\n" in text
    for spike_times, column in zip([[1.23, 1.27], [np.inf] * 2, [0.4, np.inf]], g.T, strict=True):
        expected = synkin.respond(kernel, kernel.Params(), np.array(spike_times), times)
        np.testing.assert_allclose(column, expected, rtol=1e-12, atol=1e-15)
    assert g.any(axis=0).tolist() == [True, False, True]


def test_exact_keeps_a_spikes_place_in_a_long_run(computed, train):
    """An hour in, single precision counts in quarters of a ms: the answer is that of an early spike."""
    options = ["--method", "exact", "--dt", "100", "--set", "beta=0.01", "--duration"]
    first, later = (computed(train(f"{start + 63.17}"), *options, start + 100)[2][-1] for start in (0, 3_600_000))
    assert first > 0.1
    assert later == pytest.approx(first, rel=1e-6)


def test_a_sum_is_the_sum_of_its_parts(computed, train):
    path = train("1.0\n2.5\n")
    expected = computed(path, "--duration", "10", "--set", "beta=0.5")[2]
    expected = expected + 0.25 * computed(path, "--duration", "10", "--kernel", "gabaa")[2]
    both = ("--kernel", "ampa+gabaa", "--set", "ampa_beta=0.5", "g_gabaa=0.25")
    for method in ("exp_euler", "exact"):
        got = computed(path, "--duration", "10", *both, "--method", method)[2]
        np.testing.assert_allclose(got, expected, atol=3e-7)


@pytest.mark.parametrize(("name", "method"), [("ampa", "exp_euler"), ("ampa", "exact"), ("dual_expon", "exp_euler")])
def test_chunks_make_no_difference(computed, train, monkeypatch, name, method):
    """A run in many chunks, the last of them cut short, is the run in one; off the grid, of several synapses too."""
    times = subcommand.read(subcommand.SAMPLE).times[:6]
    path = train("".join(f"{t},{i % 3}\n" for i, t in enumerate(times)))
    results = []
    for lengths in ((10**6, 2**24, 2**24), (100, 600, 400), (100, 600, 3100)):
        for limit, length in zip(("_SHORTEST_CHUNK", "_LARGEST_CHUNK", "_SAMPLES"), lengths, strict=True):
            monkeypatch.setattr(conductance, limit, length)
        results.append(computed(path, "--kernel", name, "--method", method, "--duration", "150.3")[2])
    assert results[0].shape == (1503, 3)
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=2e-5, atol=1e-7)


def test_trains_that_differ_in_length(monkeypatch):
    """The same numbers in groups as padded to the longest; and room for no more than some times the spikes."""
    rng = np.random.default_rng(0)
    lengths = np.array([300, 1, 0, 7, 0, 40, 2, 41, 9, 1])
    synapses = np.repeat(np.arange(10), lengths)
    spikes = Spikes(np.concatenate([np.sort(rng.uniform(0, 50, n)) for n in lengths]), synapses, (10,))
    run = (synkin.ampa, synkin.ampa.Params(), spikes, np.arange(1, 80) * 0.7, "restart")
    together = conductance.exact(*run)
    assert len(conductance._groups_of_similar_length(lengths)) == 1
    with monkeypatch.context() as patch:
        patch.setattr(conductance, "_PADDED", 0)
        patch.setattr(conductance, "_FACTOR", 4)
        assert len(conductance._groups_of_similar_length(lengths)) == 5
        np.testing.assert_array_equal(conductance.exact(*run), together)
    lengths = np.append(np.zeros(20_000, int), [200_000, 10, 8])  # 30 GB at one length
    groups = conductance._groups_of_similar_length(lengths)
    assert sorted(np.concatenate(groups)) == list(range(len(lengths)))
    assert sum(len(group) * max(lengths[group].max(), 1) for group in groups) < 8 * lengths.sum() + len(lengths)


def test_csv_overlap_and_picture(computed, said, train, tmp_path):
    """A spike halfway through a pulse of 4 ms prolongs it, or not; the table holds the same numbers."""
    path, out, picture = train("1 0\n3 0\n2 1\n"), tmp_path / "g.csv", tmp_path / "g.svg"
    options = (path, "--set", "T_dur=4", "--duration", "20")
    _, times, ignored = computed(*options, "--overlap", "ignore")
    _, times, g = computed(*options, "--overlap", "restart")
    assert [times[column.argmax()] for column in (ignored[:, 0], g[:, 0])] == pytest.approx([5.0, 7.0])
    text = said("simulate", *options, "--out", out, "--plot", picture)
    assert text.endswith(f"written     {out}\n            {picture}\n")
    assert picture.read_text().startswith("<?xml")
    lines = out.read_text().splitlines()
    assert lines[0] == "time_ms,g0_mS,g1_mS"
    assert lines[3].startswith("0.3,")
    written = np.loadtxt(lines[1:], delimiter=",")
    np.testing.assert_allclose(written[:, 0], times, rtol=1e-11)
    np.testing.assert_array_equal(written[:, 1:].astype(g.dtype), g)


# What is read


def test_files_that_are_understood(train):
    for text, times, synapses in TABLES["understood"]:
        read = subcommand.read(Path(train(text)))
        assert read.times.tolist() == times, text
        if synapses:
            assert read.synapses.tolist() == synapses, text


def test_unit_of_a_column(said, train):
    """Whatever the unit, the numbers come out in ms, and the summary says so where they were converted."""
    assert time_unit.named("time (ms, 20 s in all)") == {"ms", "s"}  # what is not clear is not guessed
    texts = {"ns": "5e6 7.5e6", "us": "5000 7500", "s": "0.005 0.0075", "min": "5e-3 7.5e-3", "h": "1 1.5"}
    for unit, names in TABLES["units"].items():
        for name in names:
            assert time_unit.named(name) == {unit} - {"none"}
            path = train("\n".join([name, *texts.get(unit, "5 7.5").split()]))
            read = subcommand.read(Path(path))
            assert read.times.tolist() == {"min": [300, 450], "h": [3.6e6, 5.4e6]}.get(unit, [5, 7.5])
            assert read.note == ("" if unit in ("none", "ms") else f"{name}, converted from {unit} to ms")
    # As an option it goes before what the name says, and is all there is where there is no header.
    assert subcommand.read(Path(train("0.005\n")), "s").times.tolist() == [5.0]
    assert subcommand.read(Path(train("time_s\n5\n")), "ms").times.tolist() == [5.0]
    assert "at column 1, converted from us to ms\n" in said("simulate", train("5000\n"), "--time-unit", "us")
    # Decimally: 0.0051 s are 5.1 ms, which 0.0051 * 1000 is not, and a sample at a spike would come before it.
    for cell, expected in (("0.0051", 5.1), ("nan", np.nan), ("inf", np.inf), ("-inf", -np.inf)):
        got = table.number(Path("x"), table.Row(1, [cell]), 0, time_unit.IN_MS["s"])
        np.testing.assert_equal(got, expected)


def test_numbers_in_text(train):
    for text in TABLES["no_numbers"]:
        for read in (number_text.decimal, number_text.decimal_or_not_finite, number_text.whole):
            with pytest.raises(ValueError, match="number"):
                read(text)
    for text in ("0", "-0.5", "+5", "5.", ".5", "1e3", "2.5E-3", " 7 ", "1e999"):
        assert number_text.decimal(text) == number_text.decimal_or_not_finite(text) == float(text)
    assert number_text.whole("-12") == -12
    for text in ("nan", "inf", "-Infinity", "NaN"):
        np.testing.assert_equal(number_text.decimal_or_not_finite(text), float(text))
        with pytest.raises(ValueError, match="number"):
            number_text.decimal(text)
    for rate in ("1_0", "0x10", "1_0*2"):
        with pytest.raises(ValueError, match="must have a rate of names and numbers"):
            synkin.scheme(f"C + glu <-> O : {rate}*kon, koff", open="O", kon=5.0, koff=0.1)

    for text in ("0,1;2\n0,2;0\n", "0,1\t2\n0,2\t0\n"):
        found = subcommand.read(Path(train(text)))
        assert (found.times.tolist(), found.synapses.tolist()) == ([0.1, 0.2], [2, 0])


def test_no_option_and_no_table_takes_python_s_own_numbers(train, complaint):
    for number in ("1_0", "\uff11\uff10"):
        for words in [*TABLES["numbers"], f"simulate {train(f'1{chr(10)}{number}')}"]:
            assert number in complaint(*words.replace("NUMBER", number).split()), words


# What is printed


@pytest.mark.parametrize("session", PRINTED, ids=lambda session: session.partition("\n")[0])
def test_printed(session, capsys, file, monkeypatch, tmp_path):
    """What is printed, as printed.txt has it."""
    file("2 sites.txt", Path(__file__).with_name("nmda5.txt").read_text())
    file("two.txt", "A + T <-> B : a, b\nB <-> C : a, b\na = 1\nb = 1\nopen = 0.5*B, C\n")
    rates = "PARAMETER {\n Rb = 5 (/mM /ms)\n Ru = 0.3 (/ms)\n V = -60 (mV)\n}\nligand = XT\nsigned = V\nopen = in\n"
    file("k.txt", "KINETIC k {\n x = 2*Rb*XT\n ~ out <-> in (Rb*XT*YT, Ru*(1 + V/100)) }\nYT = 1\n" + rates)
    file("other.csv", "t,i_pA,v_mV\n" + "".join(f"{t / 1000},{t},{100 - abs(t - 40)}\n" for t in range(100)))
    file("flat.csv", "t,flat_pA,step_pA\n" + "".join(f"{t},2,{float(t > 5)}\n" for t in range(12)))
    file("spikes.csv", "1\n1.02\n4\n99\n")
    monkeypatch.chdir(tmp_path)
    words, _, expected = session.partition("\n")
    assert main(shlex.split(words)) == 0
    printed = capsys.readouterr()
    assert (printed.out + printed.err).strip() == expected.strip()


def test_sample_is_synthetic_and_what_its_script_makes(said):
    text = said("simulate", "--sample")
    for line in ("kernel      ampa", "spikes      58", "            synthetic, see synkin/data/make_spikes.py"):
        assert f"{line}\n" in text
    script = runpy.run_path(str(subcommand.SAMPLE.with_name("make_spikes.py")))
    assert script["text"]() == subcommand.SAMPLE.read_text()
    assert subcommand.SAMPLE.read_text().startswith("# Synthetic")
    assert np.diff(subcommand.read(subcommand.SAMPLE).times).min() > script["REFRACTORY"]


def test_warning_of_a_pulse_in_whole_steps(capsys, train, tmp_path):
    """The length that is said is that in which g rises."""
    out, path = tmp_path / "g.npz", train("10\n")
    for options, lasts in TABLES["pulses"]:
        dt = float(options.split()[1])
        assert main(["simulate", path, *options.split(), "--duration", "60", "--out", str(out)]) == 0
        said = f"Warning: with --method exp_euler and steps of {dt:g} ms a pulse of {lasts}: use --method exact or"
        assert capsys.readouterr().err == (f"{said} a smaller --dt.\n" if lasts else "")
        if lasts and "bionmda" not in options:
            with np.load(out) as results:
                rising = np.sum(np.diff(results["g_mS"], prepend=0) > 0)
            assert dt * rising == pytest.approx(float(lasts.split()[-2]))


def test_name_alone_shows_what_to_type(said, complaint, capsys, tmp_path, monkeypatch):
    """What it shows works, and calls the program as the person called it."""
    monkeypatch.chdir(tmp_path)
    text = said()
    commands = [line.split()[3:] for line in text.splitlines() if line.startswith("  python -m synkin ")]
    assert len(text.splitlines()) < 20
    Path("spikes.csv").write_text("time_ms\n3\n")
    Path("recording.csv").write_text(Path(subcommand.SAMPLE.with_name("recording.csv")).read_text())
    reached = []
    with monkeypatch.context() as patch:
        for name in ("simulate", "fit"):
            patch.setattr(f"synkin.cli.{name}.run", lambda _, name=name: reached.append(name))
        assert [main(words) for words in commands] == [0] * 4
    assert reached == ["simulate", "fit", "simulate", "fit"]
    module = "python -m synkin"
    called = {
        "/home/me/.venv/bin/synkin": "synkin",
        "synkin.exe": "synkin",
        "/x/synkin/__main__.py": module,
        "-c": module,
    }
    for path, name in called.items():
        monkeypatch.setattr(sys, "argv", [path])
        assert f"  {name} simulate --sample" in said()
        for command in ("simulate", "fit"):
            with pytest.raises(SystemExit, match="0"):
                main([command, "--help"])
            text = capsys.readouterr().out
            assert text.startswith(f"usage: {name} {command} ")
            assert f"\n  {name} {command} " in text  # the example
        assert f"`{name} fit --help`" in complaint("fit", "--kernal", "ampa", "x.csv")
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"synkin {synkin.__version__}\n"


def parsers(parser):
    """The parsers of a parser's commands, and of theirs."""
    found = {}
    for action in parser._actions:
        for name, own in (action.choices or {}).items() if action.nargs == "A..." else ():
            found |= {name: own} | {f"{name} {inner}": it for inner, it in parsers(own).items()}
    return found


PARSERS = {"": command_line._parser([])} | parsers(command_line._parser([]))


@pytest.mark.parametrize("name", PARSERS)
def test_help(capsys, name):
    """It comes without a traceback and says of each option, besides its name, what it takes and what it does."""
    assert set(PARSERS) - {""} >= set(command_line.COMMANDS)
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*name.split(), "--help"])
    shown = capsys.readouterr()
    assert shown.err == ""
    words = " ".join(shown.out.split())
    assert "%%" not in words
    assert "%(" not in words
    parser = PARSERS[name]
    assert " ".join((parser.epilog or "").split()) % {"prog": parser.prog} in words
    actions = [action for action in parser._actions if action.nargs != "A..."]
    texts = [" ".join(parser._get_formatter()._expand_help(action).split()) for action in actions]
    assert len(set(texts) - {""}) == len(texts), "two options have one text, or one has none"
    for action, text in zip(actions, texts, strict=True):
        # What stands there without a metavar is the name in the code.
        parts = [text, *action.option_strings, *([action.metavar or "no metavar"] if action.nargs != 0 else [])]
        assert [part for part in parts if part not in words] == [], action
        if inspect.isfunction(action.type):  # those of `options.one_of`
            assert all(word in text for word in inspect.getclosurevars(action.type).nonlocals.get("known", ())), action


def test_progress_of_a_long_run(capsys, monkeypatch):
    """Without a terminal, a line each ten seconds; on one, a line that is rewritten and taken away."""
    for terminal, clock, steps, shown in (
        (False, [0, 4, 11, 12, 30], (100, 500, 600, 1500), " 25%  500 of 2,000 steps\n 75%  1,500 of 2,000 steps\n"),
        (True, [0, 1, 2], (100, 500), "\r  5%  100 of 2,000 steps\r 25%  500 of 2,000 steps\r\033[K"),
    ):
        monkeypatch.setattr("time.monotonic", map(float, clock).__next__)
        monkeypatch.setattr("sys.stderr.isatty", lambda terminal=terminal: terminal, raising=False)
        with Progress(2000, "steps") as progress:
            for done in steps:
                progress.report(done)
        assert capsys.readouterr().err == shown


# What is wrong, besides tests/messages


def test_bad_files(complaint, train, tmp_path):
    for text, expected in [*TABLES["bad"], (b"\xff\xfe\x00\x01", "File PATH must be text, but is not.")]:
        path = train(text)
        assert complaint("simulate", path) == expected.replace("PATH", path), text
    assert complaint("simulate", tmp_path) == f"File {tmp_path} cannot be read: Is a directory."
    for value, sentence in (
        ("1e39", "Parameter beta must be a number below 3.4e+38, but is 1e39."),
        ("nan", "Parameter `beta` must be finite and not negative, but has the value nan."),
    ):
        assert complaint("simulate", "--sample", "--set", f"beta={value}") == sentence


def test_what_cannot_be_computed_is_said(complaint, capsys, monkeypatch):
    """NaN, as from a time constant that single precision holds for 0, is no result; an interrupt is quiet."""
    nan = np.full(20047, np.nan)
    monkeypatch.setattr(conductance, "simulate", lambda *_, state, **__: (state, nan))
    monkeypatch.setattr(conductance, "respond", lambda *_, **__: nan)
    for method in ("exp_euler", "exact"):
        assert complaint("simulate", "--sample", "--method", method).startswith("The conductance is not finite in flo")
    monkeypatch.setattr(conductance, "simulate", Mock(side_effect=KeyboardInterrupt))
    assert main(["simulate", "--sample"]) == 130
    assert capsys.readouterr() == ("", "")


def test_output_is_checked_before_the_run(complaint, train, tmp_path, monkeypatch):
    out, path = tmp_path / "g.npz", train("1\n")
    monkeypatch.setattr(conductance, "simulate", lambda *_, **__: pytest.fail("The run has begun."))
    (tmp_path / "g.csv").mkdir()
    said = f"Option --out needs a file, but {tmp_path / 'g.csv'} is a folder."
    assert complaint("simulate", path, "--out", tmp_path / "g.csv") == said
    with monkeypatch.context() as patch:
        patch.setattr("os.access", lambda *_: False)
        assert complaint("simulate", path, "--out", out) == f"The folder of --out {out} cannot be written to."
    for module in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    needed = "Pictures need matplotlib, which is not installed: `pip install 'synkin[plot]'` adds it."
    assert complaint("simulate", path, "--plot", tmp_path / "g.png") == needed


def test_a_file_is_never_half_written(tmp_path):
    path = tmp_path / "g.csv"
    for error, raised in (
        (KeyboardInterrupt(), pytest.raises(KeyboardInterrupt)),
        (OSError(28, "No space left on device"), pytest.raises(files.UsageError, match="No space left on device")),
        (None, nullcontext()),
    ):
        path.write_text("before")
        with raised, files.replacing(path) as file:
            file.write(b"after")
            if error:
                raise error
        assert path.read_text() == ("before" if error else "after")
        assert list(tmp_path.iterdir()) == [path]


def test_what_reads_the_output_may_end_first():
    """As in `synkin list | head -1`."""
    command = [sys.executable, "-m", "synkin", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()  # before Python has started
        assert (process.wait(), process.stderr.read()) == (141, b"")


def test_as_a_program():
    failed = subprocess.run([sys.executable, "-m", "synkin", "simulate", "none.csv"], capture_output=True, text=True)
    assert (failed.returncode, failed.stdout, failed.stderr) == (2, "", "There is no file none.csv.\n")
