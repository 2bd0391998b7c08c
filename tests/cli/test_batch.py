"""Several files, folders and patterns in one command: one table, and what failed at the end; and ``info``."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from synkin import measure, read_recording
from synkin.__main__ import main

TIMES = np.arange(400) / 10
DECAYS = {"a.csv": 4.0, "b.csv": 6.0, "c.csv": 9.0}


@pytest.fixture(autouse=True)
def day(tmp_path, monkeypatch):
    """A folder of three recordings of two sweeps, one that is none, and what is no recording at all."""
    folder = tmp_path / "day"
    folder.mkdir()
    for name, tau in DECAYS.items():
        rise = np.where(TIMES >= 5, np.exp(-(TIMES - 5) / tau), 0)
        sweeps = [-20 * rise + 0.01 * np.sin(9 * TIMES), -30 * rise + 0.01 * np.cos(9 * TIMES)]
        table = np.column_stack([TIMES, *sweeps])
        np.savetxt(folder / name, table, "%.8g", ",", header="time_ms,i_pA,j_pA", comments="")
    (folder / "bad.csv").write_text("time_ms,i_pA\n0,1\n1,x\n")
    (folder / "notes.md").write_text("no recording")
    (folder / ".hidden.csv").write_text("time_ms,i_pA\n0,1\n1,x\n")
    monkeypatch.chdir(tmp_path)


def rows(path):
    return list(csv.DictReader(Path(path).read_text().splitlines()))


FAILED = "1 of 4 files failed:\n  bad.csv: Line 3 of day/bad.csv must have a number in column 2, but has 'x'.\n"


@pytest.mark.parametrize("which", [["day"], ["day/*.csv"], ["day/a.csv", "day/b.csv", "day/bad.csv", "day/c.csv"]])
def test_measure_of_a_day(capsys, which):
    """Options stand between the files as well as before them; the table in the folder is not read the next time."""
    for _ in range(2):
        assert main(["measure", which[0], "--baseline", "0:4", *which[1:], "--out", "day/all.tsv.csv"]) == 1
        printed = capsys.readouterr()
        expected_error = FAILED if "*" not in which[0] else printed.err
        assert printed.err.splitlines()[-1:] == expected_error.splitlines()[-1:]
        if "*" in which[0]:
            break
        assert printed.err == FAILED
    found = rows("day/all.tsv.csv")
    assert [(row["file"], row["sweep"]) for row in found] == [(name, s) for name in DECAYS for s in ("i_pA", "j_pA")]
    for name in DECAYS:
        expected = measure(read_recording(f"day/{name}"), baseline=(0, 4))
        np.testing.assert_allclose([float(row["tau_ms"]) for row in found if row["file"] == name], expected.tau)
    assert re.search(r"^file +sweep +peak_pA ", printed.out)
    assert "written  day/all.tsv.csv" in printed.out


def test_events_and_json(capsys):
    given = ["--kernel", "expon", "--set", "tau=5", "--out", "all.json"]
    assert main(["events", "day/a.csv", "day/b.csv", "none.csv", *given]) == 1
    printed = capsys.readouterr()
    assert printed.err == "1 of 3 files failed:\n  none.csv: There is no file none.csv.\n"
    assert re.search(r"^file +events +per_second +median_size_pA +noise_pA\na\.csv +2 ", printed.out)
    found = json.loads(Path("all.json").read_text())
    assert [len(found["files"][name]["events"]) for name in ("a.csv", "b.csv")] == [2, 2]
    assert list(found["failed"]) == ["none.csv"]


def test_fit_of_a_day(capsys):
    pytest.importorskip("matplotlib")
    given = ["--spikes", "5", "--free", "tau", "--scale", "--starts", "1", "--sweeps", "0"]
    outputs = ["--out", "all.csv", "--plot", "p.png"]
    assert main(["fit", "day/a.csv", "day/c.csv", "--kernel", "expon", *given, *outputs]) == 0
    found = {row["file"]: row for row in rows("all.csv")}
    for name in ("a.csv", "c.csv"):
        assert float(found[name]["tau"]) == pytest.approx(DECAYS[name], rel=0.01)
        assert 0 < float(found[name]["tau_stderr"]) < 0.05
        assert Path(f"p_{name}.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert printed.endswith("written  all.csv\nwritten  p_a.csv.png\nwritten  p_c.csv.png\n")
    assert not Path("p.png").exists()
    assert main(["fit", "day/a.csv", "--kernel", "expon,alpha", *given, "--out", "one.csv"]) == 0
    assert {row["kernel"]: float(row["weight"]) > 0.5 for row in rows("one.csv")} == {"expon": True, "alpha": False}


def test_two_files_of_one_name_and_a_file_given_twice(capsys):
    Path("night").mkdir()
    Path("night/a.csv").write_text(Path("day/c.csv").read_text())
    main(["measure", "day/a.csv", "night", "day/a.csv", "--baseline", "0:4", "--out", "all.csv"])
    assert [row["file"] for row in rows("all.csv")] == ["day/a.csv"] * 2 + ["night/a.csv"] * 2


def test_a_fault_costs_one_file(capsys, monkeypatch):
    monkeypatch.setattr("synkin.cli.measure.measure", lambda *_, **__: 1 / 0)
    assert main(["measure", "day/a.csv", "day/b.csv"]) == 1
    said = capsys.readouterr().err
    assert said == "2 of 2 files failed:\n" + "".join(
        f"  {name}.csv: ZeroDivisionError: division by zero\n" for name in "ab"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["empty"], r"Folder empty must hold recordings \(\.csv, .*\), but has none\."),
        (["day/*.abf"], r"There is no file that matches day/\*\.abf\."),
        (["day", "--out", "day/a.csv"], r"Option --out would overwrite day/a\.csv, which is read\."),
        (["day", "--sample"], r"Command measure needs a recording or --sample, one of the two\."),
    ],
)
def test_refused(complaint, words, sentence):
    Path("empty").mkdir()
    assert re.fullmatch(sentence, complaint("measure", *words))


def test_info(said, capsys):
    pytest.importorskip("matplotlib")
    table = np.column_stack([TIMES / 1000, 2e-12 * TIMES, 0.001 * TIMES, 3e-12 * TIMES])
    np.savetxt("cell.csv", table, "%.8g", ";", header="time (s);I [A];V [V];J [A]", comments="")
    text = said("info", "cell.csv", "--plot", "i.png", "--out", "i.csv")
    lines = text.splitlines()
    assert lines[0] == "file     cell.csv, time (s), converted from s to ms, A converted to pA"
    assert lines[-2].split() == ["0", "pA", "pA", "10", "2", "400", "40", "0", "47.9", "119.7"]
    assert lines[-1].split() == ["1", "mV", "mV", "10", "1", "400", "40", "0", "19.95", "39.9"]
    assert Path("i.png").read_bytes().startswith(b"\x89PNG")
    assert [row["name"] for row in rows("i.csv")] == ["pA", "mV"]
    found = json.loads(said("info", "cell.csv", "--json"))
    assert (found["channels"][0]["rate_kHz"], found["sweeps"], found["tags"]) == (10.0, ["I [A]", "J [A]"], [])
    assert main(["info", "day", "--json"]) == 1
    printed = capsys.readouterr()
    assert list(json.loads(printed.out)) == list(DECAYS)
    assert printed.err == FAILED


def test_info_of_what_a_file_has_beside_its_samples(said):
    about = '"AcquisitionMode=Fixed"\n"SweepStartTimesMS=0,1000,3000"\n'
    body = "".join(f"{t / 1e4}\t{t}\t1\t2\n" for t in range(5))
    Path("c.atf").write_text(f'ATF\t1.0\n2\t4\n{about}"Time (s)"\t"a (pA)"\t"b (pA)"\t"c (pA)"\n{body}')
    assert said("info", "c.atf").splitlines()[1:3] == ["protocol  Fixed", "starts    0 to 3 s, 1 to 2 s apart"]


def test_info_says_what_it_takes_times_for(capsys):
    Path("s.csv").write_text("".join(f"{i * 5e-5:.5f},1\n" for i in range(50)))
    assert main(["info", "s.csv"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("Warning: The times of s.csv have no unit and are 5e-05 apart, which can only be seconds")
    assert said.endswith(", unless --time-unit gives another unit.\n")
