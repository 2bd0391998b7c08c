"""The command line: what it computes, what it writes and prints, and what it says when something is wrong."""

import importlib
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import synkin
from synkin import __main__ as command_line
from synkin.cli import files
from synkin.cli import simulate as subcommand
from synkin.cli.simulate import conductance
from synkin.cli.simulate.spikes import Spikes
from synkin.cli.terminal import Progress
from synkin.recordings import table, time_unit

main = command_line.main
NAMES = {kernel: name for name, kernel in synkin.KERNELS.items()}


@pytest.fixture
def train(tmp_path):
    """Writes a file of spike times, returns its path."""

    def write(text):
        path = tmp_path / "train.csv"
        path.write_text(text)
        return str(path)

    return write


def said(capsys, *arguments):
    """What main prints for arguments that it accepts."""
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def complaint(capsys, *arguments):
    """The one sentence that main ends with for arguments that it does not accept."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith(".\n")
    assert captured.err.count("\n") == 1
    return captured.err.strip()


def computed(path):
    with np.load(path) as results:
        return results["time_ms"], results["g_mS"]


# What is computed


def test_output_is_simulate(capsys, train, tmp_path, method):
    """Spikes in the middle of the run, in steps that are counted here by hand."""
    spikes = np.zeros(400, bool)
    spikes[[20, 100, 103]] = True
    _, g = synkin.simulate(synkin.ampa, synkin.ampa.Params(beta=0.3), spikes, 0.25, method=method)
    out = str(tmp_path / "g.npz")
    options = ["--set", "beta=0.3", "--dt", "0.25", "--duration", "100", "--method", method, "--out", out]
    said(capsys, "simulate", train("5\n25\n25.75\n"), *options)
    times, written = computed(out)
    np.testing.assert_allclose(times, 0.25 * np.arange(1, 401), rtol=1e-12)
    if method == "exp_euler":
        np.testing.assert_array_equal(written, g)
    else:  # off the grid and in double precision
        np.testing.assert_allclose(written, g, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method", ["exp_euler", "exact"])
def test_a_sum_is_the_sum_of_its_parts(capsys, train, tmp_path, method):
    path, out = train("1.0\n2.5\n"), tmp_path / "g.npz"
    options = ["--duration", "10", "--method", method, "--out", str(out)]

    def g(*kernel):
        said(capsys, "simulate", path, "--kernel", *kernel, *options)
        return computed(out)[1]

    expected = g("ampa", "--set", "beta=0.5") + 0.25 * g("gabaa")
    np.testing.assert_allclose(g("ampa+gabaa", "--set", "ampa_beta=0.5", "g_gabaa=0.25"), expected, atol=3e-7)
    shown = said(capsys, "list", "ampa+gabaa")
    assert "The sum of ampa and gabaa, which see the same spikes." in shown
    assert "\ng_gabaa" in shown


@pytest.mark.parametrize("name", ["ampa", "gabaa", "expon", "dual_expon"])  # which exp_euler solves exactly there
def test_spikes_act_at_their_time(capsys, train, tmp_path, x64, name):
    """On the grid, the run is what `respond`, which knows no grid, gives: for each family, at time 0 too."""
    kernel = synkin.KERNELS[name]
    trains = [[3.0, 3.0, 7.5], [0.0, 0.0, 2.0], [0.5, np.inf, np.inf]]
    out = str(tmp_path / "g.npz")
    spikes = train("".join(f"{t},{i}\n" for i, times in enumerate(trains) for t in times if np.isfinite(t)))
    options = ["--kernel", name, "--dt", "0.5", "--duration", "20", "--method", "exp_euler", "--out", out]
    said(capsys, "simulate", spikes, *options)
    times, g = computed(out)
    for i, spike_times in enumerate(trains):
        expected = synkin.respond(kernel, kernel.Params(), np.array(spike_times), times)
        assert float(np.max(expected)) > 0.05
        np.testing.assert_allclose(g[:, i], expected, rtol=1e-6, atol=1e-12)


def test_off_the_grid_the_nearest_time_counts(capsys, train, tmp_path):
    out = str(tmp_path / "g.npz")
    spikes = train("0.96\n2.04\n3.05\n")  # the last one is halfway
    said(capsys, "simulate", spikes, "--kernel", "expon", "--duration", "5", "--out", out)
    times, g = computed(out)
    jumps = times[1:][np.diff(g) > 0]
    np.testing.assert_allclose(jumps, [1.0, 2.0, 3.1], rtol=1e-12)


def test_two_columns_are_synapses(capsys, train, tmp_path):
    """Times grouped by synapse or not, one synapse silent."""
    out = str(tmp_path / "g.npz")
    spikes = train("time_ms,synapse\n4,2\n8,2\n1,0\n6,0\n")
    options = ["--kernel", "alpha", "--dt", "1", "--duration", "30", "--out", out]
    text = said(capsys, "simulate", spikes, *options)
    inputs = np.zeros((30, 3))
    inputs[[0, 5], 0] = 1  # added at the ends of their steps, 1 and 6 ms
    inputs[[3, 7], 2] = 1
    _, g = synkin.simulate(synkin.alpha, synkin.alpha.Params(), inputs, 1.0)
    np.testing.assert_allclose(computed(out)[1], g, rtol=1e-6)
    assert "synapses    3\n" in text
    assert ", synapse 2\n" in text


def test_exact_takes_spikes_as_they_are(capsys, train, tmp_path, x64, kernel):
    """Off the grid, two within a step, one synapse silent: what `respond` gives, at the steps' ends."""
    out = str(tmp_path / "g.npz")
    options = ["--kernel", NAMES[kernel], "--dt", "0.5", "--duration", "8", "--method", "exact", "--out", out]
    text = said(capsys, "simulate", train("1.23,0\n1.27,0\n0.4,2\n9,2\n"), *options)
    assert "spikes      4\n            at their own times\n            1 after the end: left out\n" in text
    times, g = computed(out)
    np.testing.assert_allclose(times, 0.5 * np.arange(1, 17))
    for spike_times, column in zip([[1.23, 1.27], [np.inf, np.inf], [0.4, np.inf]], g.T, strict=True):
        expected = synkin.respond(kernel, kernel.Params(), np.array(spike_times), times)
        np.testing.assert_allclose(column, expected, rtol=1e-12, atol=1e-15)
    assert g.any(axis=0).tolist() == [True, False, True]


def test_exact_keeps_a_spikes_place_in_a_long_run(capsys, train, tmp_path):
    """An hour in, single precision counts in quarters of a ms: the answer is that of an early spike."""
    answers = []
    for start in (0, 3_600_000):
        out = str(tmp_path / f"{start}.npz")
        options = ["--method", "exact", "--dt", "100", "--duration", str(start + 100), "--set", "beta=0.01"]
        said(capsys, "simulate", train(f"{start + 63.17}\n"), *options, "--out", out)
        answers.append(computed(out)[1][-1])
    assert answers[0] > 0.1
    assert answers[1] == pytest.approx(answers[0], rel=1e-6)


def test_chunks_make_no_difference(capsys, tmp_path, monkeypatch, method, kernel):
    """A run in many chunks, the last of them cut short, is the run in one; off the grid, of several synapses too."""
    path = tmp_path / "spikes.csv"
    times = subcommand.read(subcommand.SAMPLE).times[:6]
    path.write_text("".join(f"{t},{i % 3}\n" for i, t in enumerate(times)))
    results = []
    for shortest, largest, samples in ((10**6, 2**24, 2**24), (100, 600, 400), (100, 600, 3100)):
        monkeypatch.setattr(conductance, "_SHORTEST_CHUNK", shortest)
        monkeypatch.setattr(conductance, "_LARGEST_CHUNK", largest)
        monkeypatch.setattr(conductance, "_SAMPLES", samples)
        out = str(tmp_path / "g.npz")
        options = ["--kernel", NAMES[kernel], "--method", method, "--duration", "150.3", "--out", out]
        said(capsys, "simulate", str(path), *options)
        results.append(computed(out)[1])
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


def test_csv_holds_the_same_numbers(capsys, train, tmp_path):
    path = train("1 0\n2 1\n")
    for name in ("g.csv", "g.npz"):
        said(capsys, "simulate", path, "--out", str(tmp_path / name))
    times, g = computed(tmp_path / "g.npz")
    lines = (tmp_path / "g.csv").read_text().splitlines()
    assert lines[0] == "time_ms,g0_mS,g1_mS"
    assert lines[3].startswith("0.3,")
    table = np.loadtxt(lines[1:], delimiter=",")
    np.testing.assert_allclose(table[:, 0], times, rtol=1e-11)
    np.testing.assert_array_equal(table[:, 1:].astype(g.dtype), g)


@pytest.mark.parametrize(("overlap", "peaks_later"), [("restart", True), ("ignore", False)])
def test_overlap(capsys, train, tmp_path, overlap, peaks_later):
    """A spike halfway through a pulse of 4 ms prolongs it, or not."""
    out = str(tmp_path / "g.npz")
    said(capsys, "simulate", train("1\n3\n"), "--set", "T_dur=4", "--overlap", overlap, "--out", out)
    times, g = computed(out)
    assert times[g.argmax()] == pytest.approx(7.0 if peaks_later else 5.0)


@pytest.mark.parametrize(
    "text",
    [
        "5.0\n7.5\n",
        "spike_time_ms\n5.0\n7.5\n",
        "# recorded\n\ntime (ms)\n5.0\n# a pause\n7.5",
        "\ufefft\r\n5.0\r\n7.5\r\n",
        "t;synapse\n5;0\n7.5;0\n",
        "5.0\t0\n7.5\t0\n",
        "  5 0\n7.5   0\n",
    ],
)
def test_files_that_are_understood(train, text):
    path = Path(train(""))
    path.write_bytes(text.encode())
    assert subcommand.read(path).times.tolist() == [5.0, 7.5]


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("time_s", "s"),
        ("Time (s)", "s"),
        ("t [sec]", "s"),
        ("seconds", "s"),
        ("spikeTimeS", "s"),
        ("time in seconds", "s"),
        ("time_us", "us"),
        ("t (\u00b5s)", "us"),
        ("t (\u03bcs)", "us"),
        ("time_ns", "ns"),
        ("t/min", "min"),
        ("hours", "h"),
        ("time_ms", "ms"),
        ("Time (ms)", "ms"),
        ("TIME_MS", "ms"),
        ("time (ms, 20 s in all)", None),
        ("t", None),
        ("spike_times", None),
        ("pauses", None),
    ],
)
def test_unit_of_a_column(capsys, train, name, unit):
    """Whatever the unit, the numbers come out in ms, and the summary says so where they were converted."""
    if name.endswith("in all)"):
        assert time_unit.named(name) == {"ms", "s"}  # what is not clear is not guessed
        return
    assert time_unit.named(name) == ({unit} if unit else set())
    times = {"ns": "5e6 7.5e6", "us": "5000 7500", "s": "0.005 0.0075", "min": "5e-3 7.5e-3", "h": "1 1.5"}
    in_ms = {"min": [300, 450], "h": [3.6e6, 5.4e6]}.get(unit, [5, 7.5])
    path = train("\n".join([name, *times.get(unit, "5 7.5").split()]))
    read = subcommand.read(Path(path))
    assert read.times.tolist() == in_ms
    assert read.note == ("" if unit in (None, "ms") else f"{name}, converted from {unit} to ms")
    if unit == "s":
        assert f"spikes      2\n            at {name}, converted from s to ms\n" in said(capsys, "simulate", path)


def test_conversion_is_decimal():
    """0.0051 s are 5.1 ms: 0.0051 * 1000 is not, and a sample at a spike would come before it."""
    row = table.Row(1, ["0.0051"])
    assert table.number(Path("x"), row, 0, time_unit.IN_MS["s"]) == 5.1 != 0.0051 * 1000
    for cell in ("nan", "inf", "-inf"):
        np.testing.assert_equal(table.number(Path("x"), table.Row(1, [cell]), 0, time_unit.IN_MS["s"]), float(cell))


def test_unit_as_an_option(capsys, train):
    """It goes before what the name says, and is all there is where there is no header."""
    assert subcommand.read(Path(train("0.005\n")), "s").times.tolist() == [5.0]
    assert subcommand.read(Path(train("time_s\n5\n")), "ms").times.tolist() == [5.0]
    assert "at column 1, converted from us to ms\n" in said(capsys, "simulate", train("5000\n"), "--time-unit", "us")


@pytest.mark.parametrize(
    ("text", "times", "synapses"),
    [
        ("sender,time_ms\n1,5\n0,7\n", [5, 7], [1, 0]),  # as NEST has it
        ("i t\n1 5\n0 7\n", [5, 7], [1, 0]),  # and Brian2
        ("neuron (index)\ttime (s)\n1\t0.005\n0\t0.007\n", [5, 7], [1, 0]),
        ("# time_s synapse\n0.005 1\n0.007 0\n", [5, 7], [1, 0]),  # numpy.savetxt
        ("# 2 cells, 20 s\n5 1\n7 0\n", [5, 7], [1, 0]),  # words, not names
        ("time (s) synapse\n0.005 1\n0.007 0\n", [5, 7], [1, 0]),
        ("first,second\n5,1\n7,0\n", [5, 7], [1, 0]),
        ("5,1\n5,0\n", [5, 5], [1, 0]),  # as decimals these were in no order
        ("5.0,1\n7,0\n", [5, 7], [1, 0]),
    ],
)
def test_columns_are_what_their_names_say(train, text, times, synapses):
    read = subcommand.read(Path(train(text)))
    assert (read.times.tolist(), read.synapses.tolist()) == (times, synapses)


# What is printed


def test_summary(capsys, train, tmp_path):
    out = str(tmp_path / "g.csv")
    options = ["--kernel", "expon", "--set", "tau=2", "--duration", "10", "--out", out]
    text = said(capsys, "simulate", train("1\n1.02\n4\n99\n"), *options)
    # Two spikes at 1 ms decay for 3 ms with tau 2 ms before the third adds 1.
    mean = (2 * (1 - np.exp(-9 / 2)) + 1 - np.exp(-3)) / (1 - np.exp(-0.05)) / 100
    lines = text.splitlines()
    assert lines[:-2] == [
        "kernel      expon",
        "parameters  tau  2  ms",
        "method      exp_euler",
        "spikes      4",
        "            1 moved to the grid, by 0.02 ms at most",
        "            1 at the grid time of another of the synapse: added to it",
        "            1 after the end: left out",
        "duration    10 ms: 100 steps of 0.1 ms",
        "peak g      2 mS at 1 ms",
    ]
    assert lines[-2].startswith("mean g      ")
    assert float(lines[-2].split()[2]) == pytest.approx(mean, rel=0.02)
    assert lines[-1] == f"written     {out}"


def test_sample_says_that_it_is_synthetic(capsys):
    text = said(capsys, "simulate", "--sample")
    assert "kernel      ampa\n" in text
    assert "spikes      58\n" in text
    assert "            synthetic, see synkin/data/make_spikes.py\n" in text


def test_sample_is_what_its_script_makes():
    script = runpy.run_path(str(subcommand.SAMPLE.with_name("make_spikes.py")))
    text = subcommand.SAMPLE.read_text()
    assert script["text"]() == text
    assert text.startswith("# Synthetic")
    assert np.diff(subcommand.read(subcommand.SAMPLE).times).min() > script["REFRACTORY"]


@pytest.mark.parametrize(
    ("options", "lasts"),
    [
        (["--dt", "5"], "0.5 ms lasts 5 ms"),
        (["--dt", "0.25", "--set", "T_dur=0.3"], "0.3 ms lasts 0.5 ms"),
        (["--dt", "1", "--kernel", "bionmda"], "0.5 ms lasts 1 ms"),
        (["--dt", "1", "--set", "T_dur=1e-4"], "0.0001 ms lasts 0 ms"),
        (["--dt", "0.1", "--set", "T_dur=0.3"], None),
        (["--dt", "0.25", "--set", "T_dur=84.1"], None),  # 0.2 % longer
        (["--dt", "5", "--method", "exact"], None),
        (["--dt", "5", "--kernel", "expon"], None),
    ],
)
def test_warning_of_a_pulse_in_whole_steps(capsys, train, tmp_path, options, lasts):
    """The length that is said is that in which g rises."""
    out = str(tmp_path / "g.npz")
    assert main(["simulate", train("10\n"), *options, "--out", out]) == 0
    dt = float(options[1])
    method = f"with --method exp_euler and steps of {dt:g} ms a pulse of {lasts}"
    expected = f"Warning: {method}: use --method exact or a smaller --dt.\n" if lasts else ""
    assert capsys.readouterr().err == expected
    if lasts and "bionmda" not in options:
        assert dt * np.sum(np.diff(computed(out)[1], prepend=0) > 0) == pytest.approx(float(lasts.split()[-2]))


def test_name_alone_shows_what_to_type(capsys, tmp_path, monkeypatch):
    """And what it shows works, but for the person's own files."""
    monkeypatch.chdir(tmp_path)
    text = said(capsys)
    commands = [line.split()[3:] for line in text.splitlines() if line.startswith("  python -m synkin ")]
    assert [words[0] for words in commands] == ["simulate", "fit", "simulate", "fit"]
    assert len(text.splitlines()) < 20
    Path("spikes.csv").write_text("time_ms\n3\n")
    Path("recording.csv").write_text(Path(subcommand.SAMPLE.with_name("recording.csv")).read_text())
    for words in commands:
        reached = []
        module = importlib.import_module(f"synkin.cli.{words[0]}")
        with monkeypatch.context() as patch:
            patch.setattr(module, "run", reached.append)
            assert main(words) == 0
        assert len(reached) == 1


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/me/.venv/bin/synkin", "synkin"),
        ("synkin.exe", "synkin"),
        ("/x/synkin/__main__.py", "python -m synkin"),
        ("-c", "python -m synkin"),
    ],
)
def test_it_is_called_what_the_person_called_it(capsys, monkeypatch, path, name):
    monkeypatch.setattr(sys, "argv", [path])
    assert f"  {name} simulate --sample" in said(capsys)
    for command in ("simulate", "fit"):
        with pytest.raises(SystemExit, match="0"):
            main([command, "--help"])
        text = capsys.readouterr().out
        assert text.startswith(f"usage: {name} {command} ")
        assert f"\n  {name} {command} " in text  # the example
    assert f"`{name} fit --help`" in complaint(capsys, "fit", "--kernal", "ampa", "x.csv")


def test_list_shows_every_parameter(capsys, kernel):
    text = said(capsys, "list", NAMES[kernel])
    assert text.startswith(f"{NAMES[kernel]}: The ")
    assert "Source: " in text
    rows = [line.split() for line in text.split("\n\n")[-1].splitlines()]
    assert rows[0] == ["parameter", "default", "unit"]
    units = [[] if unit == "1" else [unit] for unit in kernel.UNITS]
    expected = [[n, f"{v:g}", *u] for n, v, u in zip(kernel.Params._fields, kernel.Params(), units, strict=True)]
    assert rows[1:] == expected


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"synkin {synkin.__version__}\n"


def test_progress_of_a_long_run(capsys, monkeypatch):
    """Without a terminal, a line each ten seconds; on one, a line that is rewritten and taken away."""
    clock = iter([0.0, 4.0, 11.0, 12.0, 30.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with Progress(2000, "steps") as progress:
        for done in (100, 500, 600, 1500):
            progress.report(done)
    assert capsys.readouterr().err == " 25%  500 of 2,000 steps\n 75%  1,500 of 2,000 steps\n"

    clock = iter([0.0, 1.0, 2.0])
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with Progress(2000, "steps") as progress:
        for done in (100, 500):
            progress.report(done)
    assert capsys.readouterr().err == "\r  5%  100 of 2,000 steps\r 25%  500 of 2,000 steps\r\033[K"


# What is wrong


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "File {path} is empty."),
        ("# nothing\n\n", "File {path} is empty."),
        ("spike_time_ms\n", "File {path} has a header and nothing below it."),
        ("time\nnone\n", "Line 2 of {path} must have a number in column 1, but has 'none'."),
        ("5\n6,5 ms\n", "Line 2 of {path} must have 1 columns, as line 1 has, but has 2."),
        ("5\nsix\n", "Line 2 of {path} must have a number in column 1, but has 'six'."),
        ("12.x\n13\n", "Line 1 of {path} must have a number in column 1, but has '12.x'."),
        ("t\n5\n-6\n", "Line 3 of {path} must have a time from 0 ms on, but has -6."),
        ("t\n5\nnan\n", "Line 3 of {path} must have a time from 0 ms on, but has nan."),
        ("nan\n5\n", "Line 1 of {path} must have a time from 0 ms on, but has nan."),
        ("5\ninf\n", "Line 2 of {path} must have a time from 0 ms on, but has inf."),
        ("5\n\n4\n", "Line 3 of {path} must have a time not before that of line 1, 5 ms, but has 4 ms."),
        (
            "5,1\n1,0\n4,1\n",
            "Line 3 of {path} must have a time of synapse 1 not before that of line 1, 5 ms, but has 4 ms.",
        ),
        (
            "12,5\n12,7\n",
            "Line 1 of {path} may be the time 12.5 or the time 12 of synapse 5: give two columns the header "
            "`time,synapse`, and write decimals with a point.",
        ),
        (
            "0,5;1\n1,5;0\n",
            "Line 1 of {path} must have one separator between its numbers, but has commas and semicolons: write "
            "decimals with a point.",
        ),
        ("1_0\n", "Line 1 of {path} must have a number in column 1, but has '1_0'."),
        ("\uff11\n", "Line 1 of {path} must have a number in column 1, but has '\uff11'."),
        ("5,0\n6,1.5\n", "Line 2 of {path} must have a synapse (0, 1, ...) in column 2, but has 1.5."),
        ("5,-1\n", "Line 1 of {path} must have a synapse (0, 1, ...) in column 2, but has -1."),
        ("5,nan\n", "Line 1 of {path} must have a synapse (0, 1, ...) in column 2, but has nan."),
        ("1,0,0\n", "File {path} must have 1 column (time) or 2 (time, synapse), but has 3."),
        ("1e300\n", "A run must have at most 2,147,483,647 steps, but 1e+300 / 0.1 is more."),
    ],
)
def test_bad_file(capsys, train, text, expected):
    path = train(text)
    assert complaint(capsys, "simulate", path) == expected.format(path=path)


def test_file_that_cannot_be_read(capsys, tmp_path):
    path = tmp_path / "none.csv"
    assert complaint(capsys, "simulate", str(path)) == f"There is no file {path}."
    assert complaint(capsys, "simulate", str(tmp_path)) == f"File {tmp_path} cannot be read: Is a directory."
    path.write_bytes(b"\xff\xfe\x00\x01")
    assert complaint(capsys, "simulate", str(path)) == f"File {path} must be text, but is not."


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            ["--kernel", "nmda"],
            "There is no kernel 'nmda' (did you mean nmda5?): there are alpha, ampa, gabaa, bionmda, expon, "
            "dual_expon, and the schemes that `python -m synkin list` shows.",
        ),
        (["--set", "tau=2"], "Kernel ampa has no parameter 'tau': it has alpha, beta, T, T_dur."),
        (["--set", "beta"], "Option --set needs NAME=VALUE, such as T_dur=0.5, but got 'beta'."),
        (["--set", "beta=fast"], "Parameter beta must be a number, but is 'fast'."),
        (["--set", "beta=-1"], "Parameter `beta` must be finite and not negative, but has the value -1.0."),
        (["--set", "beta=nan"], "Parameter `beta` must be finite and not negative, but has the value nan."),
        (["--set", "beta=1e39"], "Parameter beta must be a number below 3.4e+38, but is 1e39."),
        (
            ["--kernel", "alpha", "--set", "tau=0"],
            "Parameter `tau` must be positive and finite, but has the value 0.0.",
        ),
        (
            ["--kernel", "alpha", "--overlap", "ignore"],
            "Option --overlap is for receptors, but the kernel is alpha.",
        ),
        (["--dt", "0"], "Option --dt must be a positive number of ms, but is '0'."),
        (["--dt", "fine"], "Option --dt must be a positive number of ms, but is 'fine'."),
        (["--duration", "-3"], "Option --duration must be a positive number of ms, but is '-3'."),
        (
            ["--dt", "1e-9"],
            "A run must have at most 2,147,483,647 steps, but 2004.67 / 1e-09 is more.",
        ),
        (["--out", "g.txt"], "Option --out needs a file in .csv or .npz, but got g.txt."),
        (["--plot", "g.gif"], "Option --plot needs a file in .png or .pdf or .svg, but got g.gif."),
        (["--out", "nowhere/g.csv"], "The folder of --out nowhere/g.csv does not exist."),
        (["--plot", "nowhere/g.png"], "The folder of --plot nowhere/g.png does not exist."),
        (["spikes.csv"], "Command simulate needs a file of spike times or --sample, one of the two."),
        (["--steps"], "There is no option --steps: `python -m synkin simulate --help` shows them all."),
    ],
)
def test_bad_options(capsys, options, expected):
    assert complaint(capsys, "simulate", "--sample", *options) == expected


def test_what_cannot_be_computed_is_said(capsys, monkeypatch):
    """NaN, as from a time constant that single precision holds for 0, is no result."""
    monkeypatch.setattr(conductance, "simulate", lambda *_, state, **__: (state, np.full(20047, np.nan)))
    monkeypatch.setattr(conductance, "respond", lambda *_, **__: np.full(20047, np.nan))
    for method in ("exp_euler", "exact"):
        said = complaint(capsys, "simulate", "--sample", "--method", method)
        assert said.startswith("The conductance is not finite in float")


def test_output_is_checked_before_the_run(capsys, train, tmp_path, monkeypatch):
    monkeypatch.setattr(conductance, "simulate", lambda *_, **__: pytest.fail("The run has begun."))
    folder = tmp_path / "g.csv"
    folder.mkdir()
    assert complaint(capsys, "simulate", "--sample", "--out", str(folder)) == (
        f"Option --out needs a file, but {folder} is a folder."
    )
    path = train("1\n")
    assert complaint(capsys, "simulate", path, "--out", path) == (
        f"Option --out would overwrite {path}, which is read."
    )
    monkeypatch.setattr("os.access", lambda *_: False)
    out = tmp_path / "g.npz"
    assert complaint(capsys, "simulate", path, "--out", str(out)) == (
        f"The folder of --out {out} cannot be written to."
    )
    monkeypatch.undo()
    monkeypatch.setattr(conductance, "simulate", lambda *_, **__: pytest.fail("The run has begun."))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert complaint(capsys, "simulate", path, "--plot", str(tmp_path / "g.png")) == (
        "Pictures need matplotlib, which is not installed: `pip install matplotlib` adds it."
    )


def test_a_file_is_never_half_written(tmp_path):
    path = tmp_path / "g.csv"
    path.write_text("before")

    def write_half(error):
        with files.replacing(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(KeyboardInterrupt):
        write_half(KeyboardInterrupt())
    with pytest.raises(files.UsageError, match=r"cannot be written: No space left on device\.$"):
        write_half(OSError(28, "No space left on device"))
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["g.csv"]
    with files.replacing(path) as file:
        file.write(b"after")
    assert path.read_text() == "after"


def test_interrupt_is_quiet(capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(conductance, "simulate", interrupted)
    assert main(["simulate", "--sample"]) == 130
    assert capsys.readouterr() == ("", "")


# All of it, as a person runs it


def test_as_a_program(tmp_path):
    run = [sys.executable, "-m", "synkin", "simulate"]
    out, picture = str(tmp_path / "g.csv"), str(tmp_path / "g.png")
    done = subprocess.run([*run, "--sample", "--out", out, "--plot", picture], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"written     {out}\n            {picture}\n")
    assert Path(picture).read_bytes().startswith(b"\x89PNG")
    assert len(Path(out).read_text().splitlines()) == 1 + 20047
    failed = subprocess.run([*run, "none.csv"], capture_output=True, text=True)
    assert (failed.returncode, failed.stdout, failed.stderr) == (2, "", "There is no file none.csv.\n")


def test_recorded_train(capsys, recordings, tmp_path, kernel):
    """A ganglion neuron's 750 spikes in 30 s: the mean conductance is 750 times the area of one response."""
    name = NAMES[kernel]
    path = recordings / "spikes_ganglion_low_light.csv"
    picture = tmp_path / "g.svg"
    out = tmp_path / "g.npz"
    options = ["--kernel", name, "--method", "exact", "--dt", "0.5", "--out", str(out), "--plot", str(picture)]
    text = said(capsys, "simulate", str(path), *options)
    assert "spikes      750\n" in text
    assert "duration    30041.5 ms: 60,083 steps of 0.5 ms\n" in text
    assert picture.read_text().startswith("<?xml")
    _, g = computed(out)
    assert np.isfinite(g).all()
    if kernel.input.takes_weights:
        params = kernel.Params()
        grid = np.linspace(0, 200, 20001)
        area = np.asarray(synkin.respond(kernel, params, np.zeros(1), grid)).sum() * 200 / 20000
        assert g.mean() == pytest.approx(750 * area / 30041.2, rel=0.01)
    else:
        assert 0 < g.max() < 1
