"""The command ``events``: what it reads, prints, writes and draws."""

import csv

import numpy as np
import pytest

from synkin import __main__ as command_line
from synkin import deconvolve, dual_expon, read_recording
from tests.helpers.minis import DECAY, RISE, minis

main = command_line.main
KERNEL = ("--kernel", "dual_expon", "--set", f"tau_rise={RISE}", f"tau_decay={DECAY}")
PARAMS = dual_expon.Params(tau_rise=RISE, tau_decay=DECAY)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A file with the time in s and two sweeps of 3 s."""
    path = tmp_path_factory.mktemp("events") / "cell.csv"
    sweeps = [minis(seed, seconds=3, rate=10.0, cutoff=1.0, snr=8.0, drift=1.0) for seed in (0, 1)]
    table = np.column_stack([sweeps[0].times / 1000, *(sweep.trace for sweep in sweeps)])
    np.savetxt(path, table, "%.7g", ",", header="time_s,a_pA,b_pA", comments="")
    return path


def said(capsys, *arguments):
    assert main(["events", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def rows(text):
    """What stands beside the first word of each line."""
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in text.splitlines() if not line.startswith(" ")}


def test_summary(capsys, recording):
    """All sweeps together."""
    text = rows(said(capsys, recording, *KERNEL))
    found = deconvolve(dual_expon, PARAMS, read_recording(recording))
    sizes = np.concatenate([events.sizes for events in found])
    intervals = np.concatenate([np.diff(events.times) for events in found])
    assert len(sizes) > 20
    assert text["recording"] == "cell.csv, time_s, converted from s to ms"
    assert text["sweeps"] == "2 of 30,000 samples from 0 to 2999.9 ms"
    assert text["response"] == f"dual_expon: tau_decay {DECAY:g} ms, tau_rise {RISE:g} ms, amplitude 1"
    assert text["events"] == f"{len(sizes)} in 6 s, {len(sizes) / 5.9998:.3g} a second"
    assert text["size"].startswith(f"{np.median(sizes):.4g} pA (median; the middle half from ")
    assert text["interval"] == f"{np.median(intervals):.4g} ms (median), {intervals.mean():.4g} ms (mean)"
    assert text["noise"].startswith("2.5")


def test_out_and_plot(capsys, recording, tmp_path):
    pytest.importorskip("matplotlib")
    for sweeps in (":", "1"):
        out, picture = tmp_path / "e.csv", tmp_path / "e.png"
        text = said(capsys, recording, *KERNEL, "--sweeps", sweeps, "--out", out, "--plot", picture)
        assert f"written    {out}\n" in text
        assert picture.read_bytes().startswith(b"\x89PNG")
        found = deconvolve(dual_expon, PARAMS, read_recording(recording, sweeps=sweeps))
        with out.open() as file:
            table = list(csv.DictReader(file))
        assert list(table[0]) == (["sweep"] if sweeps == ":" else []) + ["time_ms", "size_pA"]
        events = [(time, size) for one in found for time, size in zip(one.times, one.sizes, strict=True)]
        np.testing.assert_allclose(
            [(float(row["time_ms"]), float(row["size_pA"])) for row in table], events, rtol=1e-5, atol=1e-4
        )
        if sweeps == ":":
            assert {row["sweep"] for row in table} == {"a_pA", "b_pA"}


def test_options(capsys, recording):
    """Each reaches `deconvolve`."""
    given = ("--threshold", 6, "--smallest", 15, "--direction", "down", "--drift", 100, "--mismatch", 0.2)
    text = rows(said(capsys, recording, *KERNEL, *given, "--sweeps", 0, "--window", "500:2500"))
    read = read_recording(recording, sweeps=0, window=(500, 2500))
    options = {"threshold": 6, "smallest": 15, "sign": -1, "drift": 100, "mismatch": 0.2}
    (found,) = deconvolve(dual_expon, PARAMS, read, **options)
    assert text["events"].startswith(f"{len(found.times)} in 2 s")
    assert text["noise"].endswith(f"found by itself has {found.threshold:.3g} pA")
    assert rows(said(capsys, recording, *KERNEL, "--direction", "up", "--sweeps", 0))["events"].startswith("0 in 3 s")


def test_sample(capsys):
    """Its spikes act at 5.35, 25.35, 28.35 and 31.35 ms."""
    text = said(capsys, "--sample")
    assert "           synthetic, see synkin/data/make_recording.py\n" in text
    assert rows(text)["events"] == "4 in 0.0599 s, 66.8 a second"
    middle, mean = (float(word) for word in rows(text)["interval"].split()[::3])
    assert middle == pytest.approx(3.0, abs=0.05)
    assert mean == pytest.approx(26 / 3, abs=0.03)


def test_nothing_there(capsys, tmp_path):
    path = tmp_path / "flat.csv"
    path.write_text("t,i_pA\n" + "".join(f"{t},2\n" for t in range(400)))
    text = rows(said(capsys, path, "--kernel", "expon"))
    assert text["events"] == "0 in 0.399 s, 0 a second"
    assert "size" not in text
    assert "interval" not in text
