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

# Files of two or three columns, with what they hold, or the sentence that they end in.
TEXTS = {
    "commas": ("1,2\n3,4\n", [[1, 3], [2, 4]]),
    "spaces around": (" 1 , 2\n3\t,4 \n", [[1, 3], [2, 4]]),
    "semicolons": ("t;v\n1;2\n3;4\n", [[1, 3], [2, 4]]),
    "tabs": ("t\tv\n1\t2\n3\t4\n", [[1, 3], [2, 4]]),
    "two tabs for one": ("1\t\t2\n3\t4\n", [[1, 3], [2, 4]]),
    "spaces": ("1   2\n\t3 4\n", [[1, 3], [2, 4]]),
    "separators that change": ("1,2\n3;4\n5\t6\n", [[1, 3, 5], [2, 4, 6]]),
    "two separators in a line": (
        "1;x,2\n3;4,5\n",
        "Line 1 of FILE must have one separator between its numbers, but has commas and semicolons: write decimals "
        "with a point.",
    ),
    "a byte order mark": ("\ufefft,v\n1,2\n3,4\n", [[1, 3], [2, 4]]),
    "lines of Windows": ("t,v\r\n1,2\r\n\r\n3,4\r\n", [[1, 3], [2, 4]]),
    "lines of old": ("1,2\r3,4\r", [[1, 3], [2, 4]]),
    "form feeds": ("1,2\f3,4\n5,6", [[1, 3, 5], [2, 4, 6]]),
    "comments and blank lines": ("# a\n\n1,2\n  # b\n \t\n3,4\n# c", [[1, 3], [2, 4]]),
    "quoted names": ('"time (s)","v"\n1,2\n3,4\n', [[1000, 3000], [2, 4]]),
    "quoted numbers": ('t,v\n1,"2"\n', "Line 2 of FILE must have a number in column 2, but has '\"2\"'."),
    "words beside": ('t,v,note\n1,2,a "b\n3,4,\u00e9\n', [[1, 3], [2, 4]]),
    "gaps": ("1,\n2,NA\n3,-\n4,N/A\n5,nan\n6,7\n", [[1, 2, 3, 4, 5, 6], [np.nan] * 5 + [7]]),
    "a time that is missing": ("1,2\n,3\n", "Line 2 of FILE must have a number in column 1, but has ''."),
    "signs and powers": ("+1,-.5e-3\n1e300,Infinity\n-0.,1E+2\n", [[1, 1e300, 0], [-5e-4, np.inf, 100]]),
    "other digits": ("\u0661,2\n3,4\n", "Line 1 of FILE must have a number in column 1, but has '\u0661'."),
    "no number": ("1,2\n\n3,0x10\n", "Line 3 of FILE must have a number in column 2, but has '0x10'."),
    "a comment behind": ("1,2 # a\n", "Line 1 of FILE must have a number in column 2, but has '2 # a'."),
    "too short": ("t,v\n1,2\n3\n", "Line 3 of FILE must have 2 columns, as line 2 has, but has 1."),
    "too long": ("1,2\n3,4,5\n", "Line 2 of FILE must have 2 columns, as line 1 has, but has 3."),
    "too long beside words": ("1,2,x\n3,4,x,y\n", "Line 2 of FILE must have 3 columns, as line 1 has, but has 4."),
    "times in s": ("time_s,v\n0.0051,1\n5.1e-3,1\n 0.00511 ,1\n", [[5.1, 5.1, 5.11], [1, 1, 1]]),
    "times in h": ("h,v\n1.1,1\n1e-3,1\n", [[3.96e6, 3600], [1, 1]]),
}  # fmt: skip


def result(path):
    """The columns, or the sentence."""
    try:
        head = table.head(path)
        factor = table.in_ms(path, head.names[0], None)[0] if head.names else Decimal(1)
        return table.columns(head, [table.Column(0, factor), table.Column(1, gaps=True)])
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("block", [2**20, 1])
@pytest.mark.parametrize("name", TEXTS)
def test_the_same_either_way(tmp_path, monkeypatch, name, block):
    """Quickly, or with care, and wherever a block ends."""
    text, expected = TEXTS[name]
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode())
    monkeypatch.setattr(table, "_BLOCK", block)
    quick = result(path)
    monkeypatch.setattr(table, "_with_numpy", lambda *_: None)
    careful = result(path)
    for found in (quick, careful):
        if isinstance(expected, str):
            assert found == expected.replace("FILE", str(path))
        else:
            np.testing.assert_array_equal(found, expected)


def test_gaps_and_words(tmp_path):
    """An empty cell between tabs is a gap where the row then is as long as the others; words are no sweeps."""
    (tmp_path / "cell.tsv").write_text("t\ta\tb\n0\t1\t2\n1\t\t3\n2\t4\t5\n")
    np.testing.assert_array_equal(read_recording(tmp_path / "cell.tsv").traces, [[1, np.nan, 4], [2, 3, 5]])
    (tmp_path / "cell.csv").write_text("t,a,note,b\n0,1,x,NA\n1,2,y,4\n")
    assert read_recording(tmp_path / "cell.csv").labels == ("a", "b")


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
