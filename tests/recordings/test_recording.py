"""Recordings from files: each format, written by its own package, comes back as the numbers that went in."""

import datetime
import functools
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import synkin
from synkin import Recording, read_recording
from synkin.__main__ import main
from synkin.recordings import formats
from synkin.recordings.formats import others, sweeps
from tests.helpers import axon
from tests.helpers.sentences import cases

TIMES = np.arange(50) / 10
TRACES = np.random.default_rng(0).normal(size=(4, 50)).round(4)
HEADER = "time_ms,a_pA,b_pA,c_pA,d_pA"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Files are written where the test runs, so that their names are their paths."""
    monkeypatch.chdir(tmp_path)


def written(name, content):
    """A file of text, bytes, arrays by name, rows of a table, or series of NWB (class, name, options)."""
    if isinstance(content, str):
        content = content.encode()
    if isinstance(content, bytes):
        Path(name).write_bytes(content)
    elif isinstance(content, dict):
        np.savez(name, **content)
    elif isinstance(content, list):
        _write_nwb(name, content)
    return name


def table(times=TIMES, traces=TRACES, header=HEADER, separator=","):
    rows = [separator.join(f"{value:.10g}" for value in row) for row in np.column_stack([times, traces.T])]
    return "\n".join([header.replace(",", separator), *rows]) + "\n"


def _write_nwb(name, series):
    pynwb = pytest.importorskip("pynwb", reason="needs pynwb: the extra `nwb`")
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    file = pynwb.NWBFile(session_description="a", identifier="b", session_start_time=start)
    device = file.create_device(name="amplifier")
    for kind, label, options in series:
        on = options.pop("electrode", "one")
        known = {"name": on, "device": device, "description": "c"}
        electrode = file.icephys_electrodes.get(on) or file.create_icephys_electrode(**known)
        file.add_acquisition(getattr(pynwb.icephys, kind)(name=label, electrode=electrode, gain=1.0, **options))
    with pynwb.NWBHDF5IO(name, "w") as io:
        io.write(file)


def current(name, data=(1.0,) * 5, **options):
    clock = {} if "timestamps" in options else {"rate": 10_000.0}
    return "VoltageClampSeries", name, {"data": np.asarray(data), "conversion": 1e-12} | clock | options


def abf(traces, rate=10_000.0, name="cell.abf"):
    writer = pytest.importorskip("pyabf.abfWriter", reason="needs pyabf: the extra `abf`")
    writer.writeABF1(np.asarray(traces, float), name, rate, units="pA")
    # Its header is read further than it is written, which takes a file of 6 KB.
    return written(name, Path(name).read_bytes() + bytes(6144))


def read(name, content=None, **options):
    return read_recording(written(name, table() if content is None and name == "cell.csv" else content), **options)


def test_table():
    for ending, separator in (("csv", ","), ("tsv", "\t"), ("txt", ";")):
        found = read_recording(Path(written(f"cell.{ending}", table(separator=separator))))
        np.testing.assert_array_equal(found.times, TIMES)
        np.testing.assert_array_equal(found.traces, TRACES)
        assert (found.unit, found.source, found.labels) == ("pA", f"cell.{ending}", ("a_pA", "b_pA", "c_pA", "d_pA"))
        assert repr(found) == f"Recording(4 sweeps of 50 samples, 0 to 4.9 ms every 0.1 ms, in pA, from cell.{ending})"


def test_times_are_converted_and_that_is_said():
    for name, factor, unit in (("time_s", 1e-3, "s"), ("t (us)", 1e3, "us")):
        found = read("cell.csv", table(TIMES * factor, header=f"{name},a,b,c,d"))
        assert (found.source, found.unit) == (f"cell.csv, {name}, converted from {unit} to ms", "")
        other = read("other.csv", table(TIMES * factor, header="time,a,b,c,d"), time_unit=unit)
        np.testing.assert_array_equal([found.times, other.times], [TIMES] * 2)  # to the last digit: 0.0049 s is 4.9 ms


def test_columns_of_one_unit_are_a_channel():
    text = table(header="time_ms,i1_pA,v1_mV,i2_pA,v2_mV")
    for channel, kept, unit in ((0, [0, 2], "pA"), (1, [1, 3], "mV"), ("mV", [1, 3], "mV")):
        found = read("cell.csv", text, channel=channel)
        np.testing.assert_array_equal(found.traces, TRACES[kept])
        assert found.unit == unit


def test_missing_cells_are_nan_and_the_mean_is_of_what_is_there():
    text = "0,1,2\n1,NA,4\n2,5,\n3,NA,NA\n"
    np.testing.assert_array_equal(read("cell.csv", text).traces, [[1, np.nan, 5, np.nan], [2, 4, np.nan, np.nan]])
    np.testing.assert_array_equal(read_recording("cell.csv", average=True).traces, [[1.5, 4, 5, np.nan]])


def test_arrays(monkeypatch):
    """Sweeps in rows or, as `simulate` writes them, in columns; only what is asked for is loaded."""
    others = {
        "command_mV": np.zeros(50),
        "words": np.array(["a"]),
        "x": np.array([None]),
        "video": np.zeros((50, 9, 9)),
    }
    for traces in (TRACES, TRACES.T):
        found = read("cell.npz", {"time_ms": TIMES, "g_mS": traces} | others)
        np.testing.assert_array_equal(found.times, TIMES)
        np.testing.assert_array_equal(found.traces, TRACES)
        assert (found.unit, found.labels[1]) == ("mS", "g_mS[1]")
        assert read_recording("cell.npz", channel="command_mV").traces.shape == (1, 50)
    written("again.npz", {"times": found.times, "traces": found.traces, "unit": "pA"} | others)
    with zipfile.ZipFile("again.npz", "a") as archive:
        archive.writestr("notes.txt", "cell 3")
    loaded, load = [], np.lib.npyio.NpzFile.__getitem__
    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", lambda *of: (loaded.append(of[1]), load(*of))[1])
    again = read_recording("again.npz")
    np.testing.assert_array_equal(again.traces, TRACES)
    assert again.unit == "pA"
    assert sorted(loaded) == ["times", "traces", "unit"]


SWEEPS = [
    (None, [0, 1, 2, 3]), (":", [0, 1, 2, 3]), ("0:20", [0, 1, 2, 3]), ("1:3", [1, 2]), ("-2:", [2, 3]),
    ("::2", [0, 2]), ("3, 1", [3, 1]), ("2", [2]), (1, [1]), (slice(1, None), [1, 2, 3]), ([0, -1], [0, 3]),
    (np.array([2, 0]), [2, 0]),
]  # fmt: skip


def test_sweeps():
    written("cell.csv", table())
    for chosen, kept in SWEEPS:
        found = read_recording("cell.csv", sweeps=chosen)
        np.testing.assert_array_equal(found.traces, TRACES[kept])
        assert found.labels == tuple("abcd"[i] + "_pA" for i in kept)


def test_window_baseline_and_average():
    """Of a window both ends count, but for rounding; a baseline is each sweep's own, and may lie outside of it."""
    for window in ((1.0, 2.0), (1 + 1e-12, 2 - 1e-12)):
        found = read("cell.csv", window=window)
        np.testing.assert_array_equal(found.times, TIMES[10:21])
        np.testing.assert_array_equal(found.traces, TRACES[:, 10:21])
    off = TRACES - TRACES[:, :10].mean(axis=1, keepdims=True)
    found = read("cell.csv", baseline=(0.0, 0.9), window=(1.0, 2.0))
    np.testing.assert_allclose(found.traces, off[:, 10:21], rtol=0, atol=1e-15)
    mean = read("cell.csv", baseline=(0.0, 0.9), sweeps="1:", average=True)
    assert (mean.averaged, read("cell.csv").averaged) == (len(read("cell.csv", sweeps="1:").traces), 0)
    np.testing.assert_allclose(mean.traces, off[1:].mean(axis=0)[None], rtol=0, atol=1e-15)
    assert mean.labels == ("mean of 3 sweeps",)


@pytest.mark.parametrize("rate", [12_000.0, 30_000.0, 50_000.0])
def test_abf(rate):
    """Beside neo, whose own reader takes such a file for one long sweep; pyABF makes 11999 Hz of 12 kHz."""
    pytest.importorskip("neo", reason="needs neo: the extra `neo`")
    found, other = read_recording(abf(TRACES, rate)), others.read(Path("cell.abf"), 0, "")
    # 16 bits of a range that is ten times too wide at the most, and cut to them, not rounded.
    assert np.abs(found.traces - TRACES).max() < 10 * np.abs(TRACES).max() / 2**15
    np.testing.assert_allclose(found.times, np.arange(50) * 1000 / rate, rtol=1e-7)
    assert (found.unit, found.labels) == ("pA", ("sweep 0", "sweep 1", "sweep 2", "sweep 3"))
    np.testing.assert_array_equal(found.traces.ravel(), np.concatenate(other.traces))
    np.testing.assert_allclose(found.times, other.times[0][:50], rtol=1e-12)
    assert other.unit == "pA"


@pytest.mark.parametrize("integers", [True, False])
def test_abf_of_version_2(integers):
    """Two channels in turn, one of an amplifier that tells its gain, the other with an offset; neo gives the same."""
    pytest.importorskip("pyabf", reason="needs pyabf: the extra `abf`")
    channels = [("IN 0", "pA", TRACES, 0.0005, 0.0, 20.0)]
    channels += [("Vm_prime", "mV", -60 + 0.5 * TRACES[:, ::-1], 0.05, -60.0, None)]
    path = axon.write_abf2(Path("cell.abf"), channels, interval=1e6 / 30_000, integers=integers)
    for channel, (name, unit, traces, gain, _, telegraph) in enumerate(channels):
        found = read_recording(path, channel=channel)
        step = axon.RANGE / axon.RESOLUTION / gain / (telegraph or 1.0)
        assert np.abs(found.traces - traces).max() <= (0.51 * step if integers else 1e-6 * np.abs(traces).max())
        assert (found.unit, len(found.labels)) == (unit, len(traces))
        np.testing.assert_allclose(found.times, np.arange(50) / 30, rtol=1e-7)
        np.testing.assert_array_equal(read_recording(path, channel=name).traces, found.traces)
        if integers:
            pytest.importorskip("neo", reason="needs neo: the extra `neo`")
            other = others.read(path, channel, "")
            assert other.unit == unit
            np.testing.assert_allclose(found.traces, other.traces, rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(found.times, other.times[0], rtol=1e-6, atol=1e-9)


def test_abf_with_sweeps_of_several_lengths(monkeypatch):
    """pyABF writes none, so it is made to say what it says of one."""
    pyabf = pytest.importorskip("pyabf", reason="needs pyabf: the extra `abf`")
    path = abf(np.arange(60.0)[None])

    class Several(pyabf.ABF):
        def __init__(self, path):
            super().__init__(path)
            self.nOperationMode, self.sweepCount, self.sweepList = 1, 3, [0, 1, 2]
            self._synchArraySection = type("Section", (), {"lLength": (10, 30, 20)})

    monkeypatch.setattr(pyabf, "ABF", Several)
    with pytest.raises(ValueError, match=r"has sweeps of 10 to 30 samples: choose some of one length"):
        read_recording(path)
    found = read_recording(path, window=(0, 0.9))
    np.testing.assert_allclose(found.traces, [np.arange(10), np.arange(10, 20), np.arange(40, 50)], atol=0.05)
    assert read_recording(path, sweeps=[1]).traces.shape == (1, 30)


def test_nwb():
    """Channels of electrodes and units, in amperes and volts with an offset; sweeps in the order of their names."""
    order = [3, 10, 2, 0]
    volts = {"data": np.arange(5, dtype="int16"), "conversion": 1e-3, "offset": -0.065, "rate": 1000.0}
    sweeps = [current(f"sweep_{k}", row, starting_time=float(k)) for k, row in zip(order, TRACES, strict=True)]
    stamps = current("d", np.ones(4), electrode="three", timestamps=np.array([5.0, 5.001, 5.002, 5.004]))
    command = ("VoltageClampStimulusSeries", "command", {"data": np.zeros(5), "rate": 1000.0})
    others = [current("b", np.full(5, 2.0), electrode="two"), ("CurrentClampSeries", "c", volts), command, stamps]
    found = read("cell.nwb", [*sweeps, *others], channel="one (pA)")
    np.testing.assert_array_equal(found.times, TIMES)
    assert found.labels == ("sweep_0", "sweep_2", "sweep_3", "sweep_10")
    np.testing.assert_allclose(found.traces, TRACES[[3, 2, 0, 1]], rtol=1e-7)  # a conversion is a float32
    assert found.unit == "pA"
    found = read_recording("cell.nwb", channel="one (mV)")
    np.testing.assert_allclose(found.traces, [[-65, -64, -63, -62, -61]], rtol=1e-6)
    np.testing.assert_array_equal(found.times, np.arange(5.0))
    assert found.unit == "mV"
    np.testing.assert_allclose(read_recording("cell.nwb", channel="two (pA)").traces, [[2.0] * 5])
    np.testing.assert_allclose(read_recording("cell.nwb", channel="three (pA)").times, [0, 1, 2, 4], rtol=1e-12)
    with pytest.raises(ValueError, match=r"the 4 of cell.nwb, 0 '.*', 1 '.*', 2 '.*', 3 '.*', but is 4\.$"):
        read_recording("cell.nwb", channel=4)


def test_nwb_in_the_order_of_sweep_numbers_and_in_another_unit():
    """Files from before the schema fixed the unit may say pA, and PyNWB reads amperes all the same."""
    series = [current(name, sweep_number=np.uint32(k)) for name, k in zip("abc", (2, 0, 1), strict=True)]
    assert read("cell.nwb", series).labels == ("b", "c", "a")
    with pytest.importorskip("h5py").File("cell.nwb", "a") as file:
        file["acquisition/a/data"].attrs["unit"] = "pA"
    with pytest.raises(ValueError, match=r"^Series 'a' of .* must be in amperes, as NWB has it, but is in 'pA'\.$"):
        read_recording("cell.nwb")


def test_neo():
    neo = pytest.importorskip("neo", reason="needs neo: the extra `neo`")
    hertz = pytest.importorskip("quantities").Hz
    block = neo.Block()
    for k in range(3):
        segment = neo.Segment()
        data = np.column_stack([TRACES[k], TRACES[k] * 2]) * 1e-12
        segment.analogsignals.append(neo.AnalogSignal(data, units="A", sampling_rate=10_000 * hertz))
        block.segments.append(segment)
    neo.io.NeoMatlabIO("cell.mat").write_block(block)
    found = read_recording("cell.mat", channel=1)
    np.testing.assert_allclose(found.traces, 2 * TRACES[:3], rtol=1e-12)
    np.testing.assert_array_equal(found.times, TIMES)
    assert (found.unit, found.labels) == ("pA", ("sweep 0", "sweep 1", "sweep 2"))
    # A pickle is not run.
    written("cell.pkl", b"cos\nabort\n(tR.")
    with pytest.raises(
        ValueError, match=r"cell\.pkl is of no format that is known here: \.csv, .*, and those that neo"
    ):
        read_recording("cell.pkl")


@pytest.mark.parametrize(("call", "sentence"), cases(__file__))
def test_refused(call, sentence):
    with pytest.raises((FileNotFoundError, TypeError, ValueError)) as error:
        eval(call)
    assert str(error.value) == sentence
    assert isinstance(error.value, FileNotFoundError) == sentence.startswith("There is no file")


PACKAGES = [
    ("abf", "pyabf", "pyABF", "ABF files need pyabf"),
    ("nwb", "pynwb", "PyNWB", "NWB files need pynwb"),
    ("axgd", "neo", "neo", f"File cell.axgd is none in {formats.KNOWN}: other formats need neo"),
]


@pytest.mark.parametrize(("ending", "package", "reader", "begins"), PACKAGES)
def test_packages_that_are_not_installed_and_files_that_they_cannot_read(monkeypatch, ending, package, reader, begins):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    with monkeypatch.context() as patch:
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            patch.delitem(sys.modules, name)
        for module in (sweeps, others):
            patch.setattr(module, "import_module", missing)
        with pytest.raises(ImportError) as error:
            read(f"cell.{ending}", b"x")
    extra = package.removeprefix("py")
    assert str(error.value) == f"{begins}, which is not installed: `pip install 'synkin[{extra}]'` adds it."
    pytest.importorskip(package)
    name = f"cell.{ending.replace('axgd', 'mat')}"
    with pytest.raises(ValueError, match=rf"^File {name} cannot be read by {reader}: [^\n]+\.$"):
        read(name, b"nothing of the kind " * 50)


def test_fit_takes_a_recording():
    """The same fit, with the recording's unit; one sweep has one scale, several an array of them."""
    times = np.arange(300) / 10
    traces = np.array([[-3.0], [2.0]]) * np.exp(-np.maximum(times - 4, 0) / 5) * (times >= 4)

    given = {"free": "tau", "scale": True, "starts": 1, "progress": False}
    fit = functools.partial(synkin.fit, synkin.expon, synkin.expon.Params(), [4.0], **given)
    for rows in (traces, traces[:1]):
        found, expected = fit(Recording(times, rows, "pA")), fit(times, rows if len(rows) > 1 else rows[0], unit="pA")
        assert found.params == expected.params
        np.testing.assert_array_equal(found.scale, expected.scale)
        assert np.ndim(found.scale) == (len(rows) > 1)
        assert found.unit == "pA"
    own = Recording(times, traces[0], "pA")
    assert fit(own, unit="nA").unit == "nA"
    assert own.traces.shape == (1, 300)
    assert repr(own) == "Recording(1 sweep of 300 samples, 0 to 29.9 ms every 0.1 ms, in pA)"


def test_fit_command_on_other_files(capsys):
    """An .abf file, and a table with the same window, baseline and mean: the same fit but for 16 bits."""
    times = np.arange(0, 40, 0.1)
    clean = np.where(times >= 10, np.exp(-(times - 10) / 5), 0)
    traces = np.array([2 + 30 * clean, -1 + 20 * clean, 5 + 10 * clean])
    options = "--kernel expon --spikes 10 --free tau --scale --starts 1 --sweeps 0:2 --window 8:38 --baseline 0:9"
    for path in (written("cell.csv", table(times, traces, "time_ms,a_pA,b_pA,c_pA")), abf(traces)):
        assert main(["fit", path, *options.split(), "--average", "--out", "fit.json"]) == 0
        assert "recording   mean of 2 sweeps\n" in capsys.readouterr().out
        found = json.loads(Path("fit.json").read_text())
        assert found["scale"] == pytest.approx(25.0, rel=1e-3)
        assert found["params"]["tau"] == pytest.approx(5.0, rel=1e-3)
        assert found["unit"] == "pA"
