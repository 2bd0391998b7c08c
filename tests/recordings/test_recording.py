"""Recordings from files: each format, written by its own package, comes back as the numbers that went in."""

import builtins
import datetime
import json
import re
import sys
import zipfile

import numpy as np
import pytest

import synkin
from synkin import Recording, read_recording
from synkin.__main__ import main
from synkin.recordings import formats, recording
from tests.helpers import axon

TIMES = np.arange(50) / 10
TRACES = np.random.default_rng(0).normal(size=(4, 50)).round(4)


def table(path, times=TIMES, traces=TRACES, header="time_ms,a_pA,b_pA,c_pA,d_pA", separator=","):
    rows = [separator.join(f"{value:.10g}" for value in row) for row in np.column_stack([times, traces.T])]
    path.write_text("\n".join([header.replace(",", separator), *rows]) + "\n")
    return path


@pytest.fixture
def cell(tmp_path):
    return table(tmp_path / "cell.csv")


def abf(path, traces, rate=10_000.0, units="pA"):
    writer = pytest.importorskip("pyabf.abfWriter", reason="needs pyabf: the extra `abf`")
    writer.writeABF1(np.asarray(traces, float), str(path), rate, units=units)
    # Its header is read further than it is written, which takes a file of 6 KB.
    path.write_bytes(path.read_bytes() + bytes(6144))
    return path


@pytest.fixture
def nwb(tmp_path):
    """Writes series (class, name, options) to a file, returns its path."""
    pynwb = pytest.importorskip("pynwb", reason="needs pynwb: the extra `nwb`")

    def write(*series):
        start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        file = pynwb.NWBFile(session_description="a", identifier="b", session_start_time=start)
        device = file.create_device(name="amplifier")
        electrodes = {}
        for kind, name, options in series:
            electrode = options.pop("electrode", "one")
            if electrode not in electrodes:
                electrodes[electrode] = file.create_icephys_electrode(name=electrode, device=device, description="c")
            file.add_acquisition(
                getattr(pynwb.icephys, kind)(name=name, electrode=electrodes[electrode], gain=1.0, **options)
            )
        path = tmp_path / "cell.nwb"
        with pynwb.NWBHDF5IO(str(path), "w") as io:
            io.write(file)
        return path

    return write


def current(name, data, **options):
    options = {"rate": 10_000.0, "conversion": 1e-12} | options
    if "timestamps" in options:
        del options["rate"]
    return "VoltageClampSeries", name, {"data": np.asarray(data), **options}


def exactly(sentence, path):
    """A pattern of the whole sentence, in which FILE is the path."""
    return f"^{re.escape(sentence.replace('FILE', str(path)))}$"


# Tables and arrays


@pytest.mark.parametrize(("ending", "separator"), [("csv", ","), ("tsv", "\t"), ("txt", ";")])
def test_table(tmp_path, ending, separator):
    read = read_recording(table(tmp_path / f"cell.{ending}", separator=separator))
    np.testing.assert_array_equal(read.times, TIMES)
    np.testing.assert_array_equal(read.traces, TRACES)
    assert (read.unit, read.source, read.labels) == ("pA", f"cell.{ending}", ("a_pA", "b_pA", "c_pA", "d_pA"))
    assert repr(read) == f"Recording(4 sweeps of 50 samples, 0 to 4.9 ms every 0.1 ms, in pA, from cell.{ending})"


def test_text_of_a_path(cell):
    np.testing.assert_array_equal(read_recording(str(cell)).traces, TRACES)


@pytest.mark.parametrize(("name", "factor", "unit"), [("time_s", 1e-3, "s"), ("t (us)", 1e3, "us")])
def test_times_are_converted_and_that_is_said(tmp_path, name, factor, unit):
    path = table(tmp_path / "cell.csv", times=TIMES * factor, header=f"{name},a,b,c,d")
    read = read_recording(path)
    np.testing.assert_array_equal(read.times, TIMES)  # to the last digit: 0.0049 s is 4.9 ms
    assert read.source == f"cell.csv, {name}, converted from {unit} to ms"
    assert read.unit == ""
    other = table(tmp_path / "other.csv", times=TIMES * factor, header="time,a,b,c,d")
    np.testing.assert_array_equal(read_recording(other, time_unit=unit).times, TIMES)


def test_columns_of_one_unit_are_a_channel(tmp_path):
    path = table(tmp_path / "cell.csv", header="time_ms,i1_pA,v1_mV,i2_pA,v2_mV")
    for channel, kept, unit in ((0, [0, 2], "pA"), (1, [1, 3], "mV"), ("mV", [1, 3], "mV")):
        read = read_recording(path, channel=channel)
        np.testing.assert_array_equal(read.traces, TRACES[kept])
        assert read.unit == unit


def test_missing_cells_are_nan(tmp_path):
    path = tmp_path / "cell.csv"
    path.write_text("0,1,2\n1,NA,4\n2,5,\n")
    np.testing.assert_array_equal(read_recording(path).traces, [[1, np.nan, 5], [2, 4, np.nan]])
    np.testing.assert_array_equal(read_recording(path, average=True).traces, [[1.5, 4, 5]])


def test_arrays(tmp_path):
    path = tmp_path / "cell.npz"
    for traces in (TRACES, TRACES.T):  # `simulate` writes the second
        np.savez(path, time_ms=TIMES, g_mS=traces, command_mV=np.zeros(50), words=np.array(["a"]), x=np.array([None]))
        read = read_recording(path)
        np.testing.assert_array_equal(read.times, TIMES)
        np.testing.assert_array_equal(read.traces, TRACES)
        assert (read.unit, read.labels[1]) == ("mS", "g_mS[1]")
        assert read_recording(path, channel="command_mV").traces.shape == (1, 50)


def test_only_what_is_asked_for_is_loaded(tmp_path, monkeypatch):
    path, loaded = tmp_path / "cell.npz", []
    np.savez(path, time_ms=TIMES, g_mS=TRACES, video=np.zeros((50, 9, 9)), other_mV=TRACES, unit="pA")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("notes.txt", "cell 3")
    load = np.lib.npyio.NpzFile.__getitem__
    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", lambda *of: (loaded.append(of[1]), load(*of))[1])
    np.testing.assert_array_equal(read_recording(path).traces, TRACES)
    assert sorted(loaded) == ["g_mS", "time_ms", "unit"]


def test_a_recording_goes_into_an_npz_file_and_back(tmp_path, cell):
    first = read_recording(cell)
    np.savez(tmp_path / "again.npz", times=first.times, traces=first.traces, unit=first.unit)
    again = read_recording(tmp_path / "again.npz")
    np.testing.assert_array_equal(again.times, first.times)
    np.testing.assert_array_equal(again.traces, first.traces)
    assert again.unit == "pA"


# The part that is wanted


@pytest.mark.parametrize(
    ("sweeps", "kept"),
    [
        (None, [0, 1, 2, 3]),
        ("1:3", [1, 2]),
        (":", [0, 1, 2, 3]),
        ("-2:", [2, 3]),
        ("::2", [0, 2]),
        ("0:20", [0, 1, 2, 3]),
        ("3, 1", [3, 1]),
        ("2", [2]),
        (slice(1, None), [1, 2, 3]),
        ([0, -1], [0, 3]),
        (np.array([2, 0]), [2, 0]),
        (1, [1]),
    ],
)
def test_sweeps(cell, sweeps, kept):
    read = read_recording(cell, sweeps=sweeps)
    np.testing.assert_array_equal(read.traces, TRACES[kept])
    assert read.labels == tuple("abcd"[i] + "_pA" for i in kept)


def test_window_holds_both_ends(cell):
    read = read_recording(cell, window=(1.0, 2.0))
    np.testing.assert_array_equal(read.times, TIMES[10:21])
    np.testing.assert_array_equal(read.traces, TRACES[:, 10:21])
    # What rounding does to an end changes nothing.
    np.testing.assert_array_equal(read_recording(cell, window=(1 + 1e-12, 2 - 1e-12)).times, read.times)


def test_baseline_is_each_sweeps_own_and_may_lie_outside_the_window(cell):
    read = read_recording(cell, baseline=(0.0, 0.9), window=(1.0, 2.0))
    np.testing.assert_allclose(read.traces, (TRACES.T - TRACES[:, :10].mean(axis=1)).T[:, 10:21], rtol=0, atol=1e-15)


def test_average(cell):
    read = read_recording(cell, sweeps="1:", average=True)
    np.testing.assert_allclose(read.traces, TRACES[1:].mean(axis=0)[None], rtol=1e-15)
    assert read.labels == ("mean of 3 sweeps",)


# ABF


def test_abf(tmp_path):
    read = read_recording(abf(tmp_path / "cell.abf", TRACES))
    np.testing.assert_array_equal(read.times, TIMES)
    # 16 bits of a range that is ten times too wide at the most, and cut to them, not rounded.
    assert np.abs(read.traces - TRACES).max() < 10 * np.abs(TRACES).max() / 2**15
    assert (read.unit, read.labels) == ("pA", ("sweep 0", "sweep 1", "sweep 2", "sweep 3"))
    with pytest.raises(ValueError, match=r"^Argument `channel` must be one of the 1 of .*cell.abf, 0, but is 1\.$"):
        read_recording(tmp_path / "cell.abf", channel=1)


def test_abf_at_a_rate_that_pyabf_cuts(tmp_path):
    """12 kHz: a sample interval of 83.33333588 us in float32, of which pyABF makes 11999 Hz."""
    read = read_recording(abf(tmp_path / "cell.abf", np.zeros((1, 12_001)), rate=12_000.0))
    assert read.times[-1] == pytest.approx(1000.0, rel=1e-7)


@pytest.mark.parametrize("integers", [True, False])
def test_abf_of_version_2(tmp_path, integers):
    """Two channels in turn, one of an amplifier that tells its gain, the other with an offset, at 30 kHz."""
    pytest.importorskip("pyabf", reason="needs pyabf: the extra `abf`")
    voltages = -60 + 0.5 * TRACES[:, ::-1]
    channels = [("IN 0", "pA", TRACES, 0.0005, 0.0, 20.0), ("Vm_prime", "mV", voltages, 0.05, -60.0, None)]
    path = axon.write_abf2(tmp_path / "cell.abf", channels, interval=1e6 / 30_000, integers=integers)
    for channel, (name, unit, traces, gain, _, telegraph) in enumerate(channels):
        read = read_recording(path, channel=channel)
        step = axon.RANGE / axon.RESOLUTION / gain / (telegraph or 1.0)
        assert np.abs(read.traces - traces).max() <= (0.51 * step if integers else 1e-6 * np.abs(traces).max())
        assert (read.unit, len(read.labels)) == (unit, len(traces))
        np.testing.assert_allclose(read.times, np.arange(traces.shape[1]) / 30, rtol=1e-7)
        np.testing.assert_array_equal(read_recording(path, channel=name).traces, read.traces)


def test_abf_of_version_2_beside_neo(tmp_path):
    """neo has a reader of its own, and gives the same."""
    pytest.importorskip("neo", reason="needs neo: the extra `neo`")
    pytest.importorskip("pyabf", reason="needs pyabf: the extra `abf`")
    channels = [("IN 0", "pA", TRACES, 0.0005, 0.0, 20.0), ("Vm_prime", "mV", TRACES - 50, 0.05, 1.5, None)]
    path = axon.write_abf2(tmp_path / "cell.abf", channels, interval=20.0)
    for channel in (0, 1):
        read, other = read_recording(path, channel=channel), formats._neo(path, channel, None)
        np.testing.assert_allclose(read.traces, other.traces, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(read.times, other.times[0], rtol=1e-6, atol=1e-9)
        assert read.unit == other.unit


@pytest.mark.parametrize("rate", [12_000.0, 30_000.0, 50_000.0])
def test_abf_beside_neo(tmp_path, rate):
    """neo has a reader of its own, which takes such a file for one long sweep."""
    pytest.importorskip("neo", reason="needs neo: the extra `neo`")
    path = abf(tmp_path / "cell.abf", TRACES, rate=rate)
    read, other = read_recording(path), formats._neo(path, 0, None)
    np.testing.assert_array_equal(read.traces.ravel(), np.concatenate(other.traces))
    np.testing.assert_allclose(read.times, other.times[0][: len(read.times)], rtol=1e-12)
    assert read.unit == other.unit


def test_abf_with_sweeps_of_several_lengths(tmp_path, monkeypatch):
    """pyABF writes none, so it is made to say what it says of one."""
    pyabf = pytest.importorskip("pyabf", reason="needs pyabf: the extra `abf`")
    path = abf(tmp_path / "cell.abf", np.arange(60.0)[None])

    class Section:
        lLength = (10, 30, 20)

    class Several(pyabf.ABF):
        def __init__(self, path):
            super().__init__(path)
            self.nOperationMode, self.sweepCount, self.sweepList = 1, 3, [0, 1, 2]
            self._synchArraySection = Section

    monkeypatch.setattr(pyabf, "ABF", Several)
    with pytest.raises(ValueError, match=r"has sweeps of 10 to 30 samples: choose some of one length"):
        read_recording(path)
    read = read_recording(path, window=(0, 0.9))
    np.testing.assert_allclose(read.traces, [np.arange(10), np.arange(10, 20), np.arange(40, 50)], atol=0.05)
    assert read_recording(path, sweeps=[1]).traces.shape == (1, 30)


def test_events_of_a_granule_cell_through_abf(recordings, tmp_path):
    """The mean and all events, to the step of the file's 16 bits: 100 pA / 2^15."""
    events = read_recording(recordings / "mepsc_granule_cell.csv")
    assert events.traces.shape == (22, 850)
    read = read_recording(abf(tmp_path / "cell.abf", events.traces, rate=50_000.0))
    np.testing.assert_array_equal(read.times, events.times)
    assert np.abs(read.traces - events.traces).max() < 100 / 2**15
    assert read.unit == events.unit == "pA"


# NWB


def test_nwb(nwb):
    order = [3, 10, 2, 0]
    path = nwb(*(current(f"sweep_{k}", row, starting_time=float(k)) for k, row in zip(order, TRACES, strict=True)))
    read = read_recording(path)
    np.testing.assert_array_equal(read.times, TIMES)
    assert read.labels == ("sweep_0", "sweep_2", "sweep_3", "sweep_10")
    np.testing.assert_allclose(read.traces, TRACES[[3, 2, 0, 1]], rtol=1e-7)  # a conversion is a float32
    assert read.unit == "pA"


def test_nwb_in_the_order_of_sweep_numbers(nwb):
    series = [
        current(name, row, sweep_number=np.uint32(k)) for name, row, k in zip("abc", TRACES[1:], (2, 0, 1), strict=True)
    ]
    assert read_recording(nwb(*series)).labels == ("b", "c", "a")


def test_nwb_channels_and_scales(nwb):
    volts = {"data": np.arange(5, dtype="int16"), "conversion": 1e-3, "offset": -0.065, "rate": 1000.0}
    path = nwb(
        current("a", np.ones(5)),
        current("b", np.full(5, 2.0), electrode="two"),
        ("CurrentClampSeries", "c", volts),
        ("VoltageClampStimulusSeries", "command", {"data": np.zeros(5), "rate": 1000.0}),
    )
    read = read_recording(path, channel="one (mV)")
    np.testing.assert_allclose(read.traces, [[-65, -64, -63, -62, -61]], rtol=1e-6)
    np.testing.assert_array_equal(read.times, np.arange(5.0))
    assert read.unit == "mV"
    np.testing.assert_allclose(read_recording(path, channel=1).traces, [[2.0] * 5])
    with pytest.raises(ValueError, match=r"the 3 of .*, 0 'one \(pA\)', 1 'two \(pA\)', 2 'one \(mV\)', but is 3\.$"):
        read_recording(path, channel=3)


def test_nwb_timestamps(nwb):
    read = read_recording(nwb(current("a", np.ones(4), timestamps=np.array([5.0, 5.001, 5.002, 5.004]))))
    np.testing.assert_allclose(read.times, [0, 1, 2, 4], rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"conversion": np.nan},
            "Series 'a' of FILE must have a finite conversion and offset, without which its values have no unit, "
            "but has nan and 0.0.",
        ),
        (
            {"offset": np.nan, "conversion": 1.0},
            "Series 'a' of FILE must have a finite conversion and offset, without which its values have no unit, "
            "but has 1.0 and nan.",
        ),
        ({"rate": np.nan}, "Series 'a' of FILE must have a positive rate in Hz, but has nan."),
    ],
)
def test_nwb_that_does_not_say_enough(nwb, options, sentence):
    path = nwb(current("a", np.ones(5), **options))
    with pytest.raises(ValueError, match=exactly(sentence, path)):
        read_recording(path)


def test_nwb_in_another_unit(nwb):
    """Files from before the schema fixed the unit may say pA, and PyNWB reads amperes all the same."""
    path = nwb(current("a", np.ones(5)))
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "a") as file:
        file["acquisition/a/data"].attrs["unit"] = "pA"
    with pytest.raises(ValueError, match=r"^Series 'a' of .* must be in amperes, as NWB has it, but is in 'pA'\.$"):
        read_recording(path)


def test_nwb_of_another_length_or_without_series(nwb):
    with pytest.raises(ValueError, match=r"has sweeps of 5 to 7 samples: choose some of one length with `sweeps`"):
        read_recording(nwb(current("a", np.ones(5)), current("b", np.ones(7))))
    with pytest.raises(ValueError, match=r"has sweeps at different times: choose some at the same ones"):
        read_recording(nwb(current("a", np.ones(5)), current("b", np.ones(5), rate=20_000.0)))
    with pytest.raises(ValueError, match=r"has no voltage-clamp or current-clamp series in `acquisition`\.$"):
        read_recording(nwb())


# neo


def test_neo(tmp_path):
    neo = pytest.importorskip("neo", reason="needs neo: the extra `neo`")
    hertz = pytest.importorskip("quantities").Hz
    block = neo.Block()
    for k in range(3):
        segment = neo.Segment()
        data = np.column_stack([TRACES[k], TRACES[k] * 2]) * 1e-12
        segment.analogsignals.append(neo.AnalogSignal(data, units="A", sampling_rate=10_000 * hertz))
        block.segments.append(segment)
    path = tmp_path / "cell.mat"
    neo.io.NeoMatlabIO(str(path)).write_block(block)
    read = read_recording(path, channel=1)
    np.testing.assert_allclose(read.traces, 2 * TRACES[:3], rtol=1e-12)
    np.testing.assert_array_equal(read.times, TIMES)
    assert (read.unit, read.labels) == ("pA", ("sweep 0", "sweep 1", "sweep 2"))


def test_pickles_are_not_run(tmp_path):
    pytest.importorskip("neo", reason="needs neo: the extra `neo`")
    path = tmp_path / "cell.pkl"
    path.write_bytes(b"cos\nabort\n(tR.")
    with pytest.raises(
        ValueError, match=r"cell\.pkl is of no format that is known here: \.csv, .*, and those that neo"
    ):
        read_recording(path)


# What is wrong


@pytest.mark.parametrize(
    ("ending", "package", "sentence"),
    [
        (".abf", "pyabf", "ABF files need pyabf, which is not installed: `pip install 'synkin[abf]'` adds it."),
        (".nwb", "pynwb", "NWB files need pynwb, which is not installed: `pip install 'synkin[nwb]'` adds it."),
        (
            ".axgd",
            "neo",
            "File FILE is none in .csv, .tsv, .txt, .npz, .abf, .nwb: other formats need neo, which is not installed: "
            "`pip install 'synkin[neo]'` adds it.",
        ),
    ],
)
def test_a_package_that_is_not_installed(tmp_path, monkeypatch, ending, package, sentence):
    found = builtins.__import__

    def missing(name, *rest):
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return found(name, *rest)

    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(formats, "import_module", missing)
    path = tmp_path / f"cell{ending}"
    path.write_bytes(b"x")
    with pytest.raises(ImportError, match=exactly(sentence, path)):
        read_recording(path)


@pytest.mark.parametrize(
    ("name", "text", "error", "sentence"),
    [
        ("none.csv", None, FileNotFoundError, "There is no file FILE."),
        ("none.abf", None, FileNotFoundError, "There is no file FILE."),
        ("empty.csv", "", ValueError, "File FILE is empty."),
        (
            "one.csv",
            "1\n2\n",
            ValueError,
            "File FILE must have a column of times and at least one of a trace, but has 1 column.",
        ),
        (
            "back.csv",
            "0,1\n2,1\n1,1\n",
            ValueError,
            "File FILE must have times that increase, but sample 2 is at 1 ms after 2.",
        ),
        ("nan.csv", "nan,1\n2,1\n", ValueError, "File FILE must have times that increase, but sample 0 is at nan ms."),
        ("word.csv", "0,1\n1,x\n", ValueError, "Line 2 of FILE must have a number in column 2, but has 'x'."),
        (
            "turned.csv",
            "i_pA,time_ms\n0,1\n1,2\n",
            ValueError,
            "File FILE must have its times in column 1, but has 'time_ms' in column 2.",
        ),
        (
            "two.csv",
            "time_s_of_ms_steps,a\n0,1\n1,2\n",
            ValueError,
            "Column 'time_s_of_ms_steps' of FILE must name one unit of time, but names ms and s: say `time_unit`.",
        ),
        (
            "text.npz",
            "abc",
            ValueError,
            "File FILE must be an archive of arrays, as numpy.savez writes it, but is none.",
        ),
    ],
)
def test_files_that_are_wrong(tmp_path, name, text, error, sentence):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(error, match=exactly(sentence, path)):
        read_recording(path)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"g": TIMES}, "File FILE must have one array of times, such as `time_ms`, but has 0."),
        ({"time_ms": TIMES, "t_s": TIMES}, "File FILE must have one array of times, such as `time_ms`, but has 2."),
        ({"times": TIMES}, "File FILE must have an array of traces beside its times, but has none."),
        (
            {"times": TIMES, "g": np.zeros((50, 50))},
            "Array `g` of FILE must not be square, which hides its sweeps: (50, 50).",
        ),
        (
            {"times": TIMES, "g": np.zeros((2, 49))},
            "Array `g` of FILE must have an axis of length 50, as the times have, but has shape (2, 49).",
        ),
    ],
)
def test_arrays_that_are_wrong(tmp_path, arrays, sentence):
    path = tmp_path / "cell.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=exactly(sentence, path)):
        read_recording(path)


@pytest.mark.parametrize(
    ("ending", "package", "reader"),
    [("abf", "pyabf", "pyABF"), ("nwb", "pynwb", "PyNWB"), ("mat", "neo", "neo")],
)
def test_files_that_are_not_what_they_are_called(tmp_path, ending, package, reader):
    pytest.importorskip(package)
    path = tmp_path / f"cell.{ending}"
    path.write_bytes(b"nothing of the kind " * 50)
    with pytest.raises(ValueError, match=rf"^File .*cell\.{ending} cannot be read by {reader}: [^\n]+\.$"):
        read_recording(path)


def test_a_folder(tmp_path):
    with pytest.raises(ValueError, match=r"^Argument `path` must be a file, but .* is a folder\.$"):
        read_recording(tmp_path)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"window": (6, 7)}, "Argument `window` must hold samples of FILE, which go from 0 to 4.9 ms, but is (6, 7)."),
        (
            {"baseline": (-2, -1)},
            "Argument `baseline` must hold samples of a_pA of FILE, which go from 0 to 4.9 ms, but is (-2, -1).",
        ),
        ({"sweeps": [0, 4]}, "Argument `sweeps` must be from 0 to 3, the sweeps of FILE, but has 4."),
        ({"sweeps": "4:9"}, "Argument `sweeps` must leave at least one of the 4 sweeps of FILE, but leaves none."),
        ({"channel": 2}, "Argument `channel` must be one of the 1 of FILE, 0 'pA', but is 2."),
        ({"channel": "mV"}, "Argument `channel` must be one of the 1 of FILE, 0 'pA', but is 'mV'."),
    ],
)
def test_parts_that_there_are_not(cell, options, sentence):
    with pytest.raises(ValueError, match=exactly(sentence, cell)):
        read_recording(cell, **options)


def test_a_recording_of_ones_own():
    own = Recording([0.0, 1.0, 2.0], [1, 2, 3], unit="pA")
    assert own.traces.shape == (1, 3)
    assert repr(own) == "Recording(1 sweep of 3 samples, 0 to 2 ms every 1 ms, in pA)"
    with pytest.raises(ValueError, match=r"^Argument `traces` must have shape \(R, 3\), but has shape \(1, 2\)\.$"):
        Recording([0.0, 1.0, 2.0], [1, 2])
    with pytest.raises(ValueError, match=r"^Argument `labels` must have length 1, but has length 2\.$"):
        Recording([0.0, 1.0], [1, 2], labels=("a", "b"))


# In the place of times and trace


def test_fit_takes_a_recording():
    """The same fit, with the recording's unit; one sweep has one scale, several an array of them."""
    times = np.arange(0, 30, 0.5)
    traces = np.array([-3 * np.exp(-np.maximum(times - 4, 0) / 5) * (times >= 4), 2.0 * (times >= 4)])
    traces[1] *= np.exp(-np.maximum(times - 4, 0) / 5)
    options = {"free": "tau", "scale": True, "starts": 1, "progress": False}
    for rows in (traces, traces[:1]):
        found = synkin.fit(synkin.expon, synkin.expon.Params(), [4.0], Recording(times, rows, "pA"), **options)
        expected = synkin.fit(
            synkin.expon, synkin.expon.Params(), [4.0], times, rows if len(rows) > 1 else rows[0], unit="pA", **options
        )
        assert found.params == expected.params
        np.testing.assert_array_equal(found.scale, expected.scale)
        assert np.ndim(found.scale) == (len(rows) > 1)
        assert found.unit == "pA"
    named = synkin.fit(synkin.expon, synkin.expon.Params(), [4.0], Recording(times, traces), unit="nA", **options)
    assert named.unit == "nA"


def test_fit_command_on_other_files(tmp_path, capsys):
    """An .abf file, and a table with the same window, baseline and mean: the same fit but for 16 bits."""
    times = np.arange(0, 40, 0.1)
    clean = np.where(times >= 10, np.exp(-(times - 10) / 5), 0)
    traces = np.array([2 + 30 * clean, -1 + 20 * clean, 5 + 10 * clean])
    paths = [table(tmp_path / "cell.csv", times, traces, "time_ms,a_pA,b_pA,c_pA"), abf(tmp_path / "cell.abf", traces)]
    options = "--kernel expon --spikes 10 --free tau --scale --starts 1 --sweeps 0:2 --window 8:38 --baseline 0:9"
    for path in paths:
        out = tmp_path / "fit.json"
        assert main(["fit", str(path), *options.split(), "--average", "--out", str(out)]) == 0
        assert "recording   mean of 2 sweeps\n" in capsys.readouterr().out
        found = json.loads(out.read_text())
        assert found["scale"] == pytest.approx(25.0, rel=1e-3)
        assert found["params"]["tau"] == pytest.approx(5.0, rel=1e-3)
        assert found["unit"] == "pA"


def test_mean_of_what_is_there():
    rows = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]])
    np.testing.assert_array_equal(recording.mean_sweep(rows), [2, 5, np.nan])
