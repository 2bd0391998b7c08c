"""The commands ``measure`` and ``events``: what they read, print, write and draw."""

import csv
import json
import re

import numpy as np
import pytest

from synkin import Recording, current_voltage, deconvolve, dual_expon, find_template, measure, plot, read_recording
from synkin import __main__ as command_line
from tests.helpers.minis import DECAY, RISE, minis
from tests.helpers.responses import paired_pulses

main = command_line.main
TIMES = np.arange(600) / 10
DECAYS = np.where(TIMES >= 10, np.exp(-(TIMES - 10) / 7), 0)
TRACES = np.array([-65 + 0.01 * np.sin(7 * TIMES) + peak * DECAYS for peak in (-20, -3, -8)])
KERNEL = ("--kernel", "dual_expon", "--set", f"tau_rise={RISE}", f"tau_decay={DECAY}")
PARAMS = dual_expon.Params(tau_rise=RISE, tau_decay=DECAY)


@pytest.fixture
def recording(tmp_path):
    """A file with the time in s and three sweeps."""
    path = tmp_path / "cell.csv"
    table = np.column_stack([TIMES / 1000, *TRACES])
    np.savetxt(path, table, "%.7g", ",", header="time_s,a_mV,b_mV,c_mV", comments="")
    return path


@pytest.fixture(scope="module")
def miniatures(tmp_path_factory):
    """A file with the time in s and two sweeps of 3 s."""
    path = tmp_path_factory.mktemp("events") / "cell.csv"
    sweeps = [minis(seed, seconds=3, rate=10.0, cutoff=1.0, snr=8.0, drift=1.0) for seed in (0, 1)]
    table = np.column_stack([sweeps[0].times / 1000, *(sweep.trace for sweep in sweeps)])
    np.savetxt(path, table, "%.7g", ",", header="time_s,a_pA,b_pA", comments="")
    return path


def cells(text):
    """The cells of the table below the summary of `measure`, by the first."""
    return {line.split("  ")[0]: line.split() for line in text.split("\n\n")[1].splitlines()}


def lines(text):
    """What stands beside the first word of each line of `events`."""
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in text.splitlines() if not line.startswith(" ")}


NAMES = ["peak", "onset", "time_to_peak", "rise", "rise_20_80", "half_width", "tau", "decay_r2"]


def test_measure_prints_what_measure_gives(said, recording):
    text = said("measure", recording, "--baseline", "0:9", "--sweeps", "0:2")
    assert text.startswith("recording  cell.csv, time_s, converted from s to ms\n")
    assert "sweeps     2 of 600 samples from 0 to 59.9 ms\n" in text
    table = cells(text)
    assert list(table) == ["sweep", "", "a_mV", "b_mV"]
    expected = measure(read_recording(recording, sweeps="0:2"), baseline=(0, 9))
    names = table["sweep"][1:]
    assert names == [*NAMES, "tau_weighted", "charge", "noise"]
    assert text.splitlines()[5].split() == ["mV", *["ms"] * 7, "mV", "ms", "mV"]
    assert f"message    {expected.message}\n" in text
    for i, label in enumerate(("a_mV", "b_mV")):
        assert table[label][1:] == [f"{getattr(expected, name)[i]:.4g}" for name in names]
    # The noise is that in the baseline's window, which need not lie in the other.
    text = said("measure", recording, "--baseline", "0:5", "--window", "8:40", "--average", "--sweeps", "1:")
    expected = measure(read_recording(recording, baseline=(0, 5), window=(8, 40), average=True, sweeps="1:"))
    (label, row) = list(cells(text).items())[-1]
    assert (label, row[4]) == ("mean of 2 sweeps", f"{expected.peak[0]:.4g}")
    assert float(row[-1]) == pytest.approx(TRACES[1:, TIMES <= 5].mean(axis=0).std(ddof=1), rel=1e-3)
    assert "1 of 321 samples from 8 to 40 ms" in text


def test_a_trace_off_zero_is_said(capsys, recording):
    """Unless a baseline is subtracted."""
    for options, start in (("", "Of 3 traces 3 begin off 0, the first"), ("--average", "The trace begins at -65")):
        assert main(["measure", str(recording), *options.split()]) == 0
        warning = capsys.readouterr().err
        assert re.fullmatch(rf"Warning: {start}.* give --baseline A:B, a window in ms before the response\.\n", warning)
    assert main(["measure", str(recording), "--baseline", "0:9"]) == 0
    assert capsys.readouterr().err == ""


def test_measure_writes_and_draws(said, recording, tmp_path):
    pytest.importorskip("matplotlib")
    out, picture = tmp_path / "m.csv", tmp_path / "m.png"
    for sweeps in (":", "1"):
        text = said("measure", recording, "--baseline", "0:9", "--sweeps", sweeps, "--out", out, "--plot", picture)
        assert f"written    {out}\nwritten    {picture}\n" in text
        assert picture.read_bytes().startswith(b"\x89PNG")
        picture.unlink()
        table = list(csv.DictReader(out.read_text().splitlines()))
        expected = measure(read_recording(recording, sweeps=sweeps), baseline=(0, 9))
        for column, numbers in (("tau_ms", expected.tau), ("charge_mV_ms", expected.charge)):
            assert [float(row[column]) for row in table] == pytest.approx(numbers, rel=1e-9)
        assert {row["tau_fast_ms"] for row in table} == {""}


@pytest.fixture
def many(tmp_path):
    """A file with seven sweeps of two responses each, of seven sizes."""
    times, rng = np.arange(1200) / 10, np.random.default_rng(0)
    late = [np.maximum(times - at, 0) for at in (40.0, 60.0)]
    both = sum(size * (np.exp(-t / 6) - np.exp(-t / 0.5)) for size, t in zip((1.0, 0.6), late, strict=True))
    path = tmp_path / "many.csv"
    rows = 0.5 * (VOLTS - 4)[:, None] * both + rng.normal(0, 0.3, (7, times.size)) + 0.02 * times
    np.savetxt(path, np.column_stack([times, *rows]), "%.7g", ",", header="time_ms" + 7 * ",i_pA", comments="")
    return path


VOLTS = np.arange(-90.0, 50.0, 20.0)


def test_measure_of_several_stimuli(said, many, tmp_path):
    """Each option reaches `measure`; a second table has the stimuli; the page and the files have all of it."""
    pytest.importorskip("matplotlib")
    out, page = tmp_path / "m.csv", tmp_path / "m.html"
    options = ("--baseline", "0:39", "--baseline-end", "110:119", "--direction", "down", "--peak-window", "0:15")
    options += ("--peak-mean", "0.5", "--spikes", "60,40", "--failures-below", "2")
    text = said("measure", many, *options, "--out", out, "--report", page)
    expected = measure(
        read_recording(many),
        baseline=[(0, 39), (110, 119)],
        sign=-1,
        window=(0, 15),
        peak_mean=0.5,
        spikes=[40.0, 60.0],
        failures_below=2.0,
    )
    assert expected.message in text
    rows = [line.split() for line in text.split("\n\n")[2].splitlines()]
    found = expected.amplitudes
    assert rows[0][:3] == ["stimulus_ms", "peak_time_ms", "amplitude_pA"]
    for k, row in enumerate(rows[1:]):
        shown = dict(zip(rows[0], row, strict=True))
        assert shown["amplitude_pA"] == f"{found.mean[k]:.4g}"
        assert shown["ratio"] == f"{found.ratios[k]:.4g}"
        assert shown["failures"] == f"{found.failures[k]:.4g}"
    table = list(csv.DictReader(out.read_text().splitlines()))
    np.testing.assert_allclose([float(row["amplitude_2_pA"]) for row in table], found.values[:, 1], rtol=1e-9)
    np.testing.assert_allclose([float(row["peak_pA"]) for row in table], expected.peak, rtol=1e-9)
    assert page.read_text().count("<svg") >= 2
    noise = measure(read_recording(many), baseline=(0, 39), spikes=[40.0], sign=-1).amplitudes
    text = said(
        "measure", many, "--baseline", "0:39", "--spikes", "40", "--direction", "down", "--out", tmp_path / "m.json"
    )
    assert f"{noise.failures[0]:.4g}" in text.split("\n\n")[2].split()
    assert json.loads((tmp_path / "m.json").read_text())["stimuli"][0]["cv"] == pytest.approx(noise.cv[0])


@pytest.fixture
def pulses(tmp_path):
    """A file with 20 sweeps of one name, with artefacts and failures; and the true amplitudes."""
    times, rows, sizes = paired_pulses(1)
    path = tmp_path / "pulses.csv"
    np.savetxt(path, np.column_stack([times, *rows]), "%.7g", ",", header="time_ms" + 20 * ",i_pA", comments="")
    return path, sizes


CUTS = ("20:21", "70:71")


@pytest.mark.parametrize("cuts", [CUTS, (",".join(CUTS),)])
def test_measure_of_paired_pulses(said, pulses, tmp_path, cuts):
    """Sweeps have numbers, failures are marked, the stimuli have a table beside --out, and artefacts are not drawn."""
    path, sizes = pulses
    out = tmp_path / "out" / "m.csv"
    out.parent.mkdir()
    options = ("--baseline", "0:19", "--spikes", "20,70", "--peak-mean", "0.5", "--exclude", *cuts)
    text = said("measure", path, *options, "--out", out)
    beside = out.with_name("m_stimuli.csv")
    assert f"written    {out}\nwritten    {beside}\n" in text
    shown = [line.split() for line in text.split("\n\n")[1].splitlines()]
    assert shown[0][-2:] == ["response_1", "response_2"]
    assert [row[1] for row in shown[2:]] == [str(i + 1) for i in range(20)]
    marks = np.where(sizes == 0, "no", "yes")
    np.testing.assert_array_equal([row[-2:] for row in shown[2:]], marks)
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["sweep"] for row in rows] == [f"i_pA {i + 1}" for i in range(20)]
    assert [row["response_1"] for row in rows] == list(marks[:, 0])
    stimuli = list(csv.DictReader(beside.read_text().splitlines()))
    assert [float(row["failures"]) for row in stimuli] == pytest.approx((sizes == 0).mean(axis=0))
    assert float(stimuli[1]["ratio"]) == pytest.approx(sizes[:, 1].mean() / sizes[:, 0].mean(), rel=0.03)
    # Tables of before, in the folder of the recordings, are none.
    (tmp_path / "all.csv").write_text("file,sweep\n")
    (tmp_path / "all_stimuli.csv").write_text("file,stimulus_ms\n")
    said("measure", tmp_path, *options, "--out", tmp_path / "all.csv")
    both = list(csv.DictReader((tmp_path / "all_stimuli.csv").read_text().splitlines()))
    assert [row["file"] for row in both] == 2 * ["pulses.csv"]


def test_a_picture_leaves_out_what_is_excluded(pulses):
    """Also of more than 20 sweeps, drawn as bands."""
    pytest.importorskip("matplotlib")
    cell = read_recording(pulses[0])
    for recording in (cell, Recording(cell.times, np.concatenate([cell.traces] * 2), "pA")):
        ax = plot.recording(recording, exclude=[(20, 21), (70, 71)])
        assert max(ax.get_ylim()) < 50
        assert max(plot.recording(recording).get_ylim()) > 400


def test_measure_says_that_an_artefact_is_in(pulses, capsys):
    assert main(["measure", str(pulses[0]), "--spikes", "20,70", "--baseline", "0:19"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("Warning: What is measured after the stimuli at 20 and 70 ms looks like their artefacts")
    assert said.endswith("leave it out with --exclude A:B.\n")


def test_measure_of_currents_against_voltages(said, many, tmp_path):
    pytest.importorskip("matplotlib")
    out, picture = tmp_path / "iv.json", tmp_path / "iv.png"
    options = ("--baseline", "0:39", "--iv", ",".join(f"{v:g}" for v in VOLTS), "--peak-window", "40:58")
    text = said("measure", many, *options, "--out", out, "--plot", picture)
    cell = read_recording(many)
    expected = current_voltage(cell, voltages=VOLTS, window=(40, 58), baseline=(0, 39))
    assert expected.message in text
    assert f"{expected.rectification:.3g} ± {expected.rectification_error:.2g}, chord at 30 over that at -90" in text
    kept = json.loads(out.read_text())
    assert (kept["reversal"], kept["slope_error"]) == pytest.approx((expected.reversal, expected.slope_error))
    assert [row["current_pA"] for row in kept["levels"]] == pytest.approx(list(expected.currents))
    assert picture.stat().st_size > 1000
    text = said("measure", many, *options, "--at", "45", "--fit-range", "-50:30")
    narrow = current_voltage(cell, voltages=VOLTS, at=45.0, baseline=(0, 39), fit_range=(-50, 30))
    assert narrow.message in text
    assert "measured       at 45 ms" in text


def test_the_sample(said):
    """Its spikes act at 5.35, 25.35, 28.35 and 31.35 ms."""
    found = lines(said("events", "--sample"))
    assert found["events"] == "4 in 0.0599 s, 66.8 a second"
    middle, mean = (float(word) for word in found["interval"].split()[::3])
    assert (middle, mean) == (pytest.approx(3.0, abs=0.05), pytest.approx(26 / 3, abs=0.03))


COLUMNS = ["time_ms", "size_pA", "size_error_pA", "rise_ms", "decay_ms", "half_width_ms", "area_pA_ms", "interval_ms"]
COLUMNS += ["overlaps", "residual"]


def test_events_without_a_kernel(said, miniatures, tmp_path):
    """The template is found first; stretches can be left out, and events of some shape kept."""
    read = read_recording(miniatures, sweeps=1)
    template = find_template(read)
    (whole,) = deconvolve(template.kernel, template.params, read)
    text = said("events", miniatures, "--sweeps", 1)
    assert lines(text)["events"].startswith(f"{len(whole.times)} in 3 s")
    assert template.message in text
    assert whole.message in text
    options = ("--exclude", "500:600", "1000:1100", "--direction", "both", "--keep", "rise=:3", "size=:-5")
    shown = lines(said("events", miniatures, "--sweeps", 1, *options, "--out", tmp_path / "e.csv"))
    cut = [(500.0, 600.0), (1000.0, 1100.0)]
    template = find_template(read, exclude=cut)
    (found,) = deconvolve(template.kernel, template.params, read, exclude=cut, sign="both")
    found = found.select(rise=(None, 3.0), size=(None, -5.0))
    assert shown["events"].startswith(f"{len(found.times)} in 2.8 s")
    table = list(csv.DictReader((tmp_path / "e.csv").read_text().splitlines()))
    np.testing.assert_allclose([float(row["rise_ms"]) for row in table], found.table().rise, rtol=1e-5)
    assert all(float(row["size_pA"]) <= -5 for row in table)


def test_an_artefact_is_left_out_of_measures_and_fits(said, recording, tmp_path):
    out = tmp_path / "m.csv"
    said("measure", recording, "--baseline", "0:9", "--exclude", "20:22", "--out", out)
    expected = measure(read_recording(recording, baseline=(0, 9)), baseline=0, exclude=[(20, 22)])
    table = list(csv.DictReader(out.read_text().splitlines()))
    assert [float(row["tau_ms"]) for row in table] == pytest.approx(expected.tau, rel=1e-9)


def test_events_are_those_of_deconvolve(said, miniatures, tmp_path):
    """All sweeps together; each option reaches it; what is written and drawn."""
    pytest.importorskip("matplotlib")
    for sweeps in (":", "1"):
        out, picture = tmp_path / "e.csv", tmp_path / "e.png"
        text = said("events", miniatures, *KERNEL, "--sweeps", sweeps, "--out", out, "--plot", picture)
        assert f"written    {out}\n" in text
        assert picture.read_bytes().startswith(b"\x89PNG")
        found = deconvolve(dual_expon, PARAMS, read_recording(miniatures, sweeps=sweeps))
        table = list(csv.DictReader(out.read_text().splitlines()))
        assert list(table[0]) == (["sweep"] if sweeps == ":" else []) + COLUMNS
        events = [(time, size) for one in found for time, size in zip(one.times, one.sizes, strict=True)]
        got = [(float(row["time_ms"]), float(row["size_pA"])) for row in table]
        np.testing.assert_allclose(got, events, rtol=1e-5, atol=1e-4)
        if sweeps == ":":
            assert {row["sweep"] for row in table} == {"a_pA", "b_pA"}
            sizes = np.array(events)[:, 1]
            intervals = np.concatenate([np.diff(one.times) for one in found])
            assert len(sizes) > 20
            expected = {
                "recording": "cell.csv, time_s, converted from s to ms",
                "sweeps": "2 of 30,000 samples from 0 to 2999.9 ms",
                "response": f"dual_expon: tau_decay {DECAY:g} ms, tau_rise {RISE:g} ms, amplitude 1",
                "events": f"{len(sizes)} in 6 s, {len(sizes) / 5.9998:.3g} a second",
                "size": f"{np.median(sizes):.4g} pA (median; the middle half from ",
                "interval": f"{np.median(intervals):.4g} ms (median), {intervals.mean():.4g} ms (mean)",
                "noise": "2.5",
            }
            assert {name: lines(text)[name][: len(words)] for name, words in expected.items()} == expected
    given = ("--threshold", 6, "--smallest", 15, "--direction", "down", "--drift", 100, "--mismatch", 0.2)
    shown = lines(said("events", miniatures, *KERNEL, *given, "--sweeps", 0, "--window", "500:2500"))
    options = {"threshold": 6, "smallest": 15, "sign": -1, "drift": 100, "mismatch": 0.2}
    read = read_recording(miniatures, sweeps=0, window=(500, 2500))
    (one,) = deconvolve(dual_expon, PARAMS, read, **options)
    assert shown["events"].startswith(f"{len(one.times)} in 2 s")
    assert shown["noise"].endswith(f"has {one.threshold:.3g} pA")
    upward = lines(said("events", miniatures, *KERNEL, "--direction", "up", "--sweeps", 0))
    assert upward["events"].startswith("0 in 3 s")
    path = tmp_path / "flat.csv"
    path.write_text("t,i_pA\n" + "".join(f"{t},2\n" for t in range(400)))
    flat = lines(said("events", path, "--kernel", "expon"))
    assert flat["events"] == "0 in 0.399 s, 0 a second"
    assert not {"size", "interval"} & set(flat)
