"""Files as they come: units, decimal commas, seconds without a unit, and what files say beside their samples."""

import datetime
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest

from synkin import read_recording
from synkin.recordings import signal_unit
from synkin.recordings.formats import is_table
from tests.helpers import axon

TIMES = np.arange(60) / 20  # ms
TRACES = np.random.default_rng(1).normal(size=(4, 60)).round(4)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Files are written where the test runs, so that their names are their paths."""
    monkeypatch.chdir(tmp_path)


def written(name, header, *columns, separator=",", comma=False):
    """A table of columns, whose decimals may have a comma."""
    rows = [separator.join(f"{value:.10g}" for value in row) for row in zip(*columns, strict=True)]
    text = "\n".join(row.replace(".", ",") if comma else row for row in rows)
    Path(name).write_text(f"{header}\n{text}\n" if header else f"{text}\n")
    return name


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("I [A]", "A"), ("I (fA)", "fA"), ("current ( nA )", "nA"), ("mean_pA", "pA"), ("V[uV]", "uV"), ("µV", "µV"),
        ("g (S)", "S"), ("g [pS]", "pS"), ("Trace #1 (pA)", "pA"), ("I (cell 1) [pA]", "pA"), ("a_V", "V"),
        ("trace_A", ""), ("V", ""), ("pA", "pA"), ("a (control)", ""), ("time (s)", ""), ("stepA", ""),
        ("x [pS] (mean)", "pS"),
    ],
)  # fmt: skip
def test_units_in_brackets_and_at_ends(name, unit):
    assert signal_unit.unit(name) == unit


def test_amperes_and_volts_are_converted_and_that_is_said():
    path = written("cell.csv", "time (s);I [A];V (V)", TIMES / 1000, TRACES[0] * 1e-12, TRACES[1] / 1000, separator=";")
    for channel, row, unit, said in ((0, 0, "pA", "A converted to pA"), ("mV", 1, "mV", "V converted to mV")):
        found = read_recording(path, channel=channel)
        np.testing.assert_allclose(found.traces, TRACES[[row]], rtol=1e-14)
        assert (found.unit, found.source) == (unit, f"cell.csv, time (s), converted from s to ms, {said}")
        np.testing.assert_array_equal(found.times, TIMES)  # to the last digit


@pytest.mark.parametrize("names", ["I [pA],V [mV]", "I,V", "current,potential"])
def test_what_differs_in_kind_is_no_sweep_of_one_channel(names):
    path = written("cell.csv", f"time [s],{names}", TIMES / 1000, TRACES[0], TRACES[1] - 70)
    np.testing.assert_array_equal(read_recording(path, average=True).traces, TRACES[:1])
    np.testing.assert_array_equal(read_recording(path, channel=1).traces, TRACES[1:2] - 70)
    second = names.split(",")[1]
    for name in (second, second.removesuffix(" [mV]")):
        np.testing.assert_array_equal(read_recording(path, channel=name).traces, TRACES[1:2] - 70)


@pytest.mark.parametrize("separator", [";", "\t", " "])
@pytest.mark.parametrize("header", [True, False])
def test_decimal_commas(separator, header):
    """Also where the first row has whole numbers only."""
    times, traces = TIMES[:7], TRACES[:, :7].copy()
    traces[:, 0] = 3
    names = separator.join(["time_ms", "a_pA", "b_pA", "c_pA", "d_pA"]) if header else ""
    found = read_recording(written("cell.txt", names, times, *traces, separator=separator, comma=True))
    np.testing.assert_array_equal(found.times, times)
    np.testing.assert_array_equal(found.traces, traces)
    found = read_recording(written("cell.txt", names, times[1:], *traces[:, 1:], separator=separator, comma=True))
    np.testing.assert_array_equal(found.traces, traces[:, 1:])
    assert found.source == "cell.txt, commas read as decimal points"


def test_a_table_of_windows():
    """In its own encoding of µ."""
    Path("cell.csv").write_bytes("time (µs);I (µA)\n0,0;1,5\n50,0;2,5\n".encode("cp1252"))
    found = read_recording("cell.csv")
    np.testing.assert_array_equal(found.times, [0, 0.05])
    assert found.unit == "µA"


@pytest.mark.parametrize("header", ["", "time,i_pA"])
@pytest.mark.filterwarnings("always")
def test_times_that_can_only_be_seconds(header):
    path = written("cell.csv", header, TIMES / 1000, TRACES[0])
    said = r"cell\.csv have no unit and are 5e-05 apart, which can only be seconds: they are read as seconds"
    with pytest.warns(UserWarning, match=said):
        found = read_recording(path)
    np.testing.assert_array_equal(found.times, TIMES)
    assert found.source == "cell.csv, times without a unit read as s"
    np.savez("cell.npz", time=TIMES / 1000, i_pA=TRACES)
    with pytest.warns(UserWarning, match=r"cell\.npz have no unit"):
        np.testing.assert_allclose(read_recording("cell.npz").times, TIMES, rtol=1e-14)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(read_recording(path, time_unit="ms").times, TIMES / 1000, rtol=1e-14)
        written("slow.csv", header, TIMES, TRACES[0])
        np.testing.assert_array_equal(read_recording("slow.csv").times, TIMES)


def test_a_step_that_no_amplifier_takes_is_said():
    path = written("cell.csv", "time_ms,i_pA", TIMES / 200, TRACES[0])
    with pytest.warns(UserWarning, match=r"^The samples of cell.csv are 0\.25 us apart, 4,000 kHz, faster than"):
        np.testing.assert_allclose(read_recording(path).times, TIMES / 200, rtol=1e-14)


ATF = """\
ATF\t1.0
{lines}\t5
{about}"Time (s)"\t"Trace #1 (pA)"\t"Trace #1 (mV)"\t"Trace #2 (pA)"\t"Trace #2 (mV)"
"""
ABOUT = """\
"AcquisitionMode=Episodic Stimulation"
"Comment="
"SweepStartTimesMS=21.000,221.000"
"Signals="\t"IN 0"\t"Cmd 1"\t"IN 0"\t"Cmd 1"
"""


@pytest.mark.parametrize("about", [ABOUT, ""])
def test_axon_text(about):
    """With lines about the recording, and without."""
    written("rows", "", TIMES / 1000, *TRACES, separator="\t")
    Path("cell.atf").write_text(ATF.format(lines=about.count("\n"), about=about) + Path("rows").read_text())
    for channel, rows, unit in ((0, [0, 2], "pA"), ("Cmd 1 (mV)" if about else "mV", [1, 3], "mV")):
        found = read_recording("cell.atf", channel=channel)
        np.testing.assert_array_equal(found.times, TIMES)
        np.testing.assert_array_equal(found.traces, TRACES[rows])
        assert (found.unit, found.labels[0]) == (unit, f"Trace #1 ({unit})")
        if about:
            np.testing.assert_array_equal(found.start_times, [21, 221])
            assert found.protocol == "Episodic Stimulation"
        else:
            assert (found.start_times, found.protocol) == (None, "")
    if about:
        assert read_recording("cell.atf", channel="IN 0").unit == "pA"
    Path("cell.txt").write_text(Path("cell.atf").read_text())
    for path in ("cell.atf", "cell.txt"):
        np.testing.assert_array_equal(read_recording(path).traces, TRACES[[0, 2]])
        assert not is_table(Path(path))
    assert is_table(Path("rows"))
    Path("odd.atf").write_text("ATF\t1.0\nx\ty\n")
    with pytest.raises(ValueError, match=r"^Line 2 of odd\.atf must have the number of lines .* but has 'x y'\.$"):
        read_recording("odd.atf")


def test_axon_binary_beside_its_samples():
    """Start times, tags and levels follow the sweeps that are kept."""
    pytest.importorskip("pyabf", reason="needs pyabf: the extra `abf`")
    channels = [("I", "pA", TRACES, 1.0, 0.0, None), ("V", "mV", TRACES, 1.0, 0.0, None)]
    command = ("mV", -70.0, [(-70.0, 0.0, 40), (-80.0, 20.0, 10)])
    starts = [0.0, 1000.0, 2500.0, 3000.0]
    path = axon.write_abf2(Path("c.abf"), channels, starts=starts, tags=[(1500.0, "drug in")], command=command)
    found = read_recording(path, sweeps="1:3")
    np.testing.assert_array_equal(found.start_times, [1000, 2500])
    np.testing.assert_array_equal(found.command, [-60, -40])
    assert (found.holding, found.command_unit, found.tags) == (-70.0, "mV", ((1500.0, "drug in"),))
    assert (read_recording(path, average=True).start_times, read_recording(path, average=True).command) == (None, None)
    plain = read_recording(axon.write_abf2(Path("p.abf"), channels), channel=1)
    np.testing.assert_allclose(plain.start_times, [0, 6, 12, 18])  # one after the other
    assert (plain.command, plain.tags, np.isnan(plain.holding)) == (None, (), True)


def test_nwb_ranges_of_one_series_are_its_sweeps():
    pynwb = pytest.importorskip("pynwb", reason="needs pynwb: the extra `nwb`")
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    file = pynwb.NWBFile(session_description="a", identifier="b", session_start_time=start)
    device = file.create_device(name="amplifier")
    electrode = file.create_icephys_electrode(name="one", device=device, description="c")
    usual = {"electrode": electrode, "gain": 1.0, "rate": 20_000.0, "starting_time": 3.0}
    series = pynwb.icephys.VoltageClampSeries(
        name="all", data=TRACES.ravel(), conversion=1e-12, stimulus_description="minis", **usual
    )
    file.add_acquisition(series)
    steps = np.repeat([-0.07, -0.08, -0.07, -0.02, -0.07, -0.07, -0.07, -0.05], 30)  # V, before and during each sweep
    stimulus = pynwb.icephys.VoltageClampStimulusSeries(name="steps", data=steps, **usual)
    file.add_stimulus(stimulus)
    for first, count in ((60, 60), (0, 60), (180, 50)):
        at = {"response_start_index": first, "response_index_count": count}
        at |= {"stimulus_start_index": first, "stimulus_index_count": count}
        file.add_intracellular_recording(electrode=electrode, response=series, stimulus=stimulus, **at)
    with pynwb.NWBHDF5IO("cell.nwb", "w") as io:
        io.write(file)
    found = read_recording("cell.nwb", sweeps=[0, 1])
    np.testing.assert_allclose(found.traces, TRACES[[1, 0]], rtol=1e-6)
    np.testing.assert_allclose(found.times, TIMES, atol=1e-12)
    np.testing.assert_allclose(found.start_times, [3003, 3000])
    assert (found.labels, found.protocol) == (("all[0]", "all[1]"), "minis")
    np.testing.assert_allclose(found.command, [-20, -80])
    assert (round(found.holding, 9), found.command_unit) == (-70, "mV")
    np.testing.assert_allclose(read_recording("cell.nwb", sweeps=2).traces, TRACES[3:, :50], rtol=1e-6)


class Node(types.SimpleNamespace):
    """A part of a bundle. Two of pyHEKA's own cannot be compared, as not all of their fields are read."""

    def __eq__(self, other):
        raise AttributeError


class Bundle:
    """What pyHEKA shows of a file of one cell with two series; no package writes such a file."""

    def __init__(self, path):
        assert path == "cell.dat"
        node = Node
        test = node(Label="test", children=[self.sweep(0, "A")])
        steps = node(Label="IV", children=[self.sweep(5, "A", "V"), self.sweep(7, "A", "V")])
        self.pul = node(children=[node(Label="cell 1", children=[test, steps])])
        self.data = {(0, 1, k, t): TRACES[2 * k + t] * scale for k in (0, 1) for t, scale in ((0, 1e-12), (1, 1e-3))}

    @staticmethod
    def sweep(second, *units):
        node = Node
        traces = [node(Label=f"{unit}mon", YUnit=unit, XInterval=5e-5) for unit in units]
        return node(Time=datetime.datetime(2020, 1, 1, 12, 0, second), children=traces)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def test_heka(monkeypatch):
    Path("cell.dat").write_bytes(b"DAT2" + bytes(300))
    monkeypatch.setitem(sys.modules, "pyheka", None)
    with pytest.raises(ImportError, match=r"^HEKA files need pyheka, .* `pip install 'synkin\[heka\]'` adds it\.$"):
        read_recording("cell.dat")
    monkeypatch.setitem(sys.modules, "pyheka", types.SimpleNamespace(Bundle=Bundle))
    for channel, rows, unit in ((1, [0, 2], "pA"), ("cell 1/IV Vmon", [1, 3], "mV")):
        found = read_recording("cell.dat", channel=channel)
        np.testing.assert_allclose(found.traces, TRACES[rows], rtol=1e-14)
        np.testing.assert_allclose(found.times, TIMES, atol=1e-12)
        np.testing.assert_array_equal(found.start_times, [0, 2000])
        assert (found.unit, found.protocol) == (unit, "IV")
    with pytest.raises(ValueError, match=r"0 'cell 1/test Amon', 1 'cell 1/IV Amon', 2 'cell 1/IV Vmon', but is 3\.$"):
        read_recording("cell.dat", channel=3)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


@pytest.mark.parametrize("name", ["cell.abf", "cell.csv", "cell.nwb", "cell.ibw"])
def test_a_pointer_of_git_lfs(name):
    Path(name).write_text(POINTER)
    with pytest.raises(ValueError, match=rf"^File {name} is a pointer of Git LFS, .* `git lfs pull`[^\n]*\.$"):
        read_recording(name)


def test_a_reader_that_a_reader_needs(monkeypatch):
    pytest.importorskip("neo", reason="needs neo: the extra `neo`")
    monkeypatch.setitem(sys.modules, "igor2", None)
    Path("cell.ibw").write_bytes(bytes(3000))
    with pytest.raises(
        ImportError, match=r"^File cell\.ibw needs igor2 beside neo, .*: `pip install igor2` adds it\.$"
    ):
        read_recording("cell.ibw")
