"""The command ``noise``: what it reads, prints, writes and draws."""

import csv

import numpy as np
import pytest

from synkin import noise_analysis, read_recording
from tests.helpers.ensembles import TIMES, of_different_sizes

WINDOWS = ("--window", "8:40", "--baseline", "0:7.8")


@pytest.fixture(scope="module")
def minis(tmp_path_factory):
    """A file with the time in s, the mean of 30 events, and these."""
    path = tmp_path_factory.mktemp("noise") / "minis.csv"
    events = of_different_sizes(0, 30)
    table = np.column_stack([TIMES / 1000, events.mean(axis=0), *events])
    names = ["time_s", "mean_pA", *(f"event{i:02}_pA" for i in range(30))]
    np.savetxt(path, table, "%.7g", ",", header=",".join(names), comments="")
    return path


def test_prints_and_writes_what_the_analysis_gives(said, minis, tmp_path):
    out, picture = tmp_path / "points.csv", tmp_path / "noise.png"
    options = ("--sweeps", "1:", *WINDOWS, "--scaled", "--driving-force", "-80", "--bins", "15", "--seed", "3")
    text = said("noise", minis, *options, "--out", out, "--plot", picture)
    recording = read_recording(minis, sweeps="1:")
    found = noise_analysis(
        recording, window=(8, 40), baseline=(0, 7.8), scaled=True, driving_force=-80.0, bins=15, key=3
    )
    summary, table, message = text.split("\n\n")
    assert "sweeps     30 of 200 samples from 0 to 39.8 ms" in summary
    assert " ".join(message.split()) == found.message
    rows = {line[:25].strip(): line[25:].split() for line in table.splitlines()[1:]}
    assert list(rows) == ["unitary current", "unitary conductance", "channels open at the peak", "background variance"]
    low, high = found.interval95["unitary"]
    expected = [f"{found.unitary:.4g}", f"{found.stderr['unitary']:.2g}", f"{low:.3g}", "to", f"{high:.3g}", "pA"]
    assert rows["unitary current"] == expected
    assert rows["unitary conductance"][0] == f"{found.gamma:.4g}"
    assert rows["background variance"][-1] == "pA^2"
    head, *cells = csv.reader(out.read_text().splitlines())
    assert head == ["mean_pA", "variance_pA2", "error_pA2", "parabola_pA2"]
    columns = (found.mean, found.variance, found.variance_errors, found.parabola(found.mean))
    np.testing.assert_array_equal(np.array(cells, float), np.column_stack(columns))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_sweeps_as_a_whole(said, minis):
    """Differences of successive sweeps, or deviations from the mean; the number of channels is then printed."""
    recording = read_recording(minis, sweeps="1:")
    for options, successive in (((), True), (("--around-mean",), False)):
        text = said("noise", minis, "--sweeps", "1:", *WINDOWS, *options)
        found = noise_analysis(recording, window=(8, 40), baseline=(0, 7.8), successive=successive)
        assert f"{found.unitary:.4g}" in text
        assert "\nchannels  " in text
        assert "conductance" not in text


def test_an_average_is_refused(complaint, minis):
    assert "mean_pA is the average of the others: leave it out." in complaint("noise", minis, *WINDOWS, "--scaled")
    said = complaint("noise", minis, *WINDOWS, "--average")
    assert "is one trace, the mean of 31 sweeps: their variance cannot be known from one trace or an average." in said
