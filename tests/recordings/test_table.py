"""Tables of text: NumPy's reader and the careful one understand the same, block by block, in bounded memory."""

import os
import subprocess
import sys
import threading
from decimal import Decimal

import numpy as np
import pytest

from synkin import read_recording
from synkin.recordings import table
from tests.helpers.sentences import cases


def result(path):
    """The columns, or the sentence."""
    try:
        head = table.head(path)
        factor = table.in_ms(path, head.names[0], None)[0] if head.names else Decimal(1)
        return table.columns(head, [table.Column(0, factor), table.Column(1, gaps=True)])
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("block", [2**20, 1])
@pytest.mark.parametrize(("text", "expected"), cases(__file__, "tables.txt"))
def test_the_same_either_way(tmp_path, monkeypatch, text, expected, block):
    """Quickly, or with care, and wherever a block ends."""
    path = tmp_path / "table.csv"
    path.write_bytes(eval(text).encode())
    monkeypatch.setattr(table, "_BLOCK", block)
    quick = result(path)
    monkeypatch.setattr(table, "_with_numpy", lambda *_: None)
    careful = result(path)
    for found in (quick, careful):
        if expected.startswith("Line"):
            assert found == expected.replace("FILE", str(path))
        else:
            np.testing.assert_array_equal(found, eval(expected, {"nan": np.nan, "inf": np.inf}))


def test_gaps_and_words(tmp_path):
    """An empty cell between tabs is a gap where the row then is as long as the others; words are no sweeps."""
    path = tmp_path / "cell.tsv"
    path.write_text("t\ta\tnote\tb\n0\t1\tx\t2\n1\t\ty\t3\n2\t4\tz\t5\n")
    read = read_recording(path)
    np.testing.assert_array_equal(read.traces, [[1, np.nan, 4], [2, 3, 5]])
    assert read.labels == ("a", "b")


def test_the_row_that_is_meant(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("t,v\n" + "".join(f"{i},{-i}\n\n# {i}\n" for i in range(60_001)))
    for row in (0, 1, 4999, 60_000):
        assert table.row(table.head(path), row) == table.Row(2 + 3 * row, [f"{row}", f"{-row}"])


def test_a_pipe_is_read_once(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=("t,v\n1,2\n3,x\n",))
    writer.start()
    assert result(path) == f"Line 3 of {path} must have a number in column 2, but has 'x'."
    writer.join()


def test_memory_is_that_of_the_numbers(tmp_path):
    """At its peak less than 4 times as much, for a table that is read whole; a row of cells takes 30 times as much."""
    path = tmp_path / "table.csv"
    rows = 200_000
    path.write_text("t,a,b\n" + "".join(f"{i / 20},{i % 97 / 7:.6f},{i % 89 / 7:.6f}\n" for i in range(rows)))
    script = (
        "import resource, sys; from synkin import read_recording\n"
        "unit = 1 if sys.platform == 'darwin' else 1024\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit\n"
        "before = peak(); read = read_recording(sys.argv[1]); assert read.traces.shape == (2, int(sys.argv[2]))\n"
        "print(peak() - before)\n"
    )
    run = [sys.executable, "-c", script, str(path), str(rows)]
    found = subprocess.run(run, capture_output=True, text=True, check=True)
    blocks = 20 * table._BLOCK  # of text and its lines
    assert int(found.stdout) < 4 * rows * 3 * 8 + blocks
