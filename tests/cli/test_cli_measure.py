"""The command ``measure``: what it reads, prints, writes and draws."""

import csv

import numpy as np
import pytest

from synkin import __main__ as command_line
from synkin import measure, read_recording

main = command_line.main
TIMES = np.arange(600) / 10
TRACES = np.array(
    [
        -65 + 0.01 * np.sin(7 * TIMES) + peak * np.where(TIMES >= 10, np.exp(-(TIMES - 10) / 7), 0)
        for peak in (-20, 3, 8)
    ]
)  # fmt: skip


@pytest.fixture
def recording(tmp_path):
    """A file with the time in s and three sweeps."""
    path = tmp_path / "cell.csv"
    rows = [
        ",".join(f"{value:.7g}" for value in (time / 1000, *row)) for time, row in zip(TIMES, TRACES.T, strict=True)
    ]
    path.write_text("\n".join(["time_s,a_mV,b_mV,c_mV", *rows]) + "\n")
    return path


def said(capsys, *arguments):
    assert main(["measure", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def rows(text):
    """The cells of the table below the summary, by the first."""
    lines = text.split("\n\n")[1].splitlines()
    return {line.split("  ")[0]: line.split() for line in lines}


def test_table(capsys, recording):
    text = said(capsys, recording, "--baseline", "0:9", "--sweeps", "0:2")
    assert text.startswith("recording  cell.csv, time_s, converted from s to ms\n")
    assert "sweeps     2 of 600 samples from 0 to 59.9 ms\n" in text
    table = rows(text)
    assert list(table) == ["sweep", "", "a_mV", "b_mV"]
    expected = measure(read_recording(recording, sweeps="0:2"), baseline=(0, 9))
    names = table["sweep"][1:]
    assert names == ["peak", "onset", "time_to_peak", "rise", "half_width", "tau", "tau_weighted", "charge", "noise"]
    assert text.splitlines()[4].split() == ["mV", *["ms"] * 6, "mV", "ms", "mV"]
    for i, label in enumerate(("a_mV", "b_mV")):
        assert table[label][1:] == [f"{getattr(expected, name)[i]:.4g}" for name in names]


def test_window_baseline_and_average(capsys, recording):
    """The noise is that in the baseline's window, which need not lie in the other."""
    text = said(capsys, recording, "--baseline", "0:5", "--window", "8:40", "--average", "--sweeps", "1:")
    read = read_recording(recording, baseline=(0, 5), window=(8, 40), average=True, sweeps="1:")
    expected = measure(read)
    (label, cells) = list(rows(text).items())[-1]
    assert label == "mean of 2 sweeps"
    noise = TRACES[1:, TIMES <= 5].mean(axis=0).std(ddof=1)
    assert cells[4:5] == [f"{expected.peak[0]:.4g}"]
    assert float(cells[-1]) == pytest.approx(noise, rel=1e-3)
    assert "1 of 321 samples from 8 to 40 ms" in text


def test_a_trace_off_zero_is_said(capsys, recording):
    """Unless a baseline is subtracted; what is written is what `measure` gives without one."""
    for options in ([], ["--average"], ["--baseline", "0:9"]):
        said_there = "The trace begins at -65" if "--average" in options else "Of 3 traces 3 begin off 0, the first"
        assert main(["measure", str(recording), *options]) == 0
        captured = capsys.readouterr()
        warned = captured.err.startswith(f"Warning: {said_there}") and captured.err.count("\n") == 1
        assert warned == ("--baseline" not in options)
        assert captured.err == "" or "give --baseline A:B, a window in ms before the response.\n" in captured.err


def test_out_and_plot(capsys, recording, tmp_path):
    pytest.importorskip("matplotlib")
    for sweeps, marks in ((":", 3), ("1", 1)):
        out, picture = tmp_path / "m.csv", tmp_path / "m.png"
        text = said(capsys, recording, "--baseline", "0:9", "--sweeps", sweeps, "--out", out, "--plot", picture)
        assert f"written    {out}\nwritten    {picture}\n" in text.replace("           ", "written    ")
        assert picture.read_bytes().startswith(b"\x89PNG")
        with out.open() as file:
            table = list(csv.DictReader(file))
        expected = measure(read_recording(recording, sweeps=sweeps), baseline=(0, 9))
        assert len(table) == marks
        for i, row in enumerate(table):
            assert float(row["tau_ms"]) == pytest.approx(expected.tau[i], rel=1e-9)
            assert float(row["charge_mV_ms"]) == pytest.approx(expected.charge[i], rel=1e-9)
            assert row["tau_fast_ms"] == ""


def test_what_cannot_be_told_is_a_dash(capsys, tmp_path):
    path = tmp_path / "cell.csv"
    path.write_text("t,flat_pA,step_pA\n" + "".join(f"{t},2,{float(t > 5)}\n" for t in range(12)))
    table = rows(said(capsys, path, "--baseline", "0:3"))
    assert table["flat_pA"] == ["flat_pA", "0", "-", "-", "-", "0", "0"]
    assert "tau" not in table["sweep"]


def test_sample(capsys, tmp_path):
    text = said(capsys, "--sample")
    assert "           synthetic, see synkin/data/make_recording.py\n" in text
    cells = rows(text)["current_pA"]
    assert float(cells[2]) == pytest.approx(5.35, abs=0.05)  # the transmitter comes at 5.35 ms
    assert float(cells[6]) == pytest.approx(1 / 0.3, rel=0.03)
    # What is asked for goes before what the sample stands for.
    assert "from 4 to 20 ms" in said(capsys, "--sample", "--window", "4:20")


def test_other_channels_and_units(capsys, tmp_path):
    path = tmp_path / "cell.csv"
    path.write_text("t,i_pA,v_mV\n" + "".join(f"{t / 1000},{t},{100 - abs(t - 40)}\n" for t in range(100)))
    for channel in ("1", "mV"):
        text = said(capsys, path, "--channel", channel, "--time-unit", "s")
        assert rows(text)["v_mV"][1] == "100"
        assert "from 0 to 99 ms" in text


def test_events_of_a_granule_cell_from_abf(capsys, recordings, tmp_path):
    """The same table from the recorded numbers and from 16 bits of them, to a few parts in a thousand."""
    writer = pytest.importorskip("pyabf.abfWriter", reason="needs pyabf: the extra `abf`")
    path = recordings / "mepsc_granule_cell.csv"
    writer.writeABF1(read_recording(path).traces, str(tmp_path / "cell.abf"), 50_000.0)
    tables = [
        rows(said(capsys, path, "--sweeps", "1:", "--average", "--baseline", "0:2"))
        for path in (path, tmp_path / "cell.abf")
    ]
    first, second = ([float(cell) for cell in table["mean of 21 sweeps"][4:]] for table in tables)
    assert len(first) == 9
    np.testing.assert_allclose(second, first, rtol=3e-3)
