"""Files, their tables and the command line: what is read, in how much time and memory, and what is said."""

import contextlib
import io
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np

from benchmarks.answers import Row


def _said(*words: str) -> str:
    """What a command prints, its last line if it ends in an error."""
    from synkin.__main__ import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.suppress(SystemExit):
        main(words)
    return out.getvalue() + err.getvalue()


def _peak() -> int:
    """The most memory that this process has had, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (2**20 if sys.platform == "darwin" else 2**10)


def _taken(read: Callable[[], object], numbers: int) -> str:
    """Time and memory, that as a multiple of so many numbers."""
    before, start = _peak(), time.perf_counter()
    read()
    seconds, more = time.perf_counter() - start, _peak() - before
    return f"{seconds:.1f} s, {more * 2**20 / (8 * numbers):.1f} times the memory of its numbers"


def _table(columns: int, header: str = "time_ms") -> str:
    rng, rows = np.random.default_rng(0), 600_000
    text = io.StringIO()
    names = ",".join([header, *(f"s{i}_pA" for i in range(columns - 1))])
    samples = rng.normal(0, 20, (10_000, columns - 1))
    cells = [",".join(f"{x:.6f}" for x in row) for row in samples]
    text.write(names + "\n")
    text.writelines(f"{i / 20:.4f},{cells[i % 10_000]}\n" for i in range(rows))
    path = Path(tempfile.mkdtemp()) / "cell.csv"
    path.write_text(text.getvalue())
    return str(path)


def _read(columns: int, header: str = "time_ms") -> str:
    import subprocess

    script = (
        "import sys; from benchmarks.answers.files import _taken; from synkin import read_recording\n"
        "print(_taken(lambda: read_recording(sys.argv[1]), 600_000 * int(sys.argv[2])))"
    )
    run = [sys.executable, "-c", script, _table(columns, header), str(columns)]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()


def _spikes() -> str:
    import subprocess

    rng, count = np.random.default_rng(0), 2_300_000
    path = Path(tempfile.mkdtemp()) / "spikes.csv"
    cells = rng.integers(0, 2000, 10_000)
    with path.open("w") as file:
        file.write("time_ms,synapse\n")
        file.writelines(f"{i / 23:.4f},{cells[i % 10_000]}\n" for i in range(count))
    script = (
        "import sys; from pathlib import Path; from benchmarks.answers.files import _taken\n"
        "from synkin.cli.simulate.spikes import read\n"
        f"print(_taken(lambda: read(Path(sys.argv[1])), 2 * {count}))"
    )
    run = [sys.executable, "-c", script, str(path)]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()


def _padded() -> str:
    import synkin
    from synkin.cli.simulate import conductance, spikes

    trains = spikes.Spikes(np.arange(200_000) / 200, np.full(200_000, 20_000), (20_001,))
    before = _peak()
    g = conductance.exact(synkin.ampa, synkin.ampa.Params(), trains, np.arange(1, 101) * 10.0, "restart")
    return f"{g.shape}, {_peak() - before} MiB"


def _help(command: str) -> str:
    return "rendered" if _said(command, "--help").startswith("usage: ") else "none"


def _loss() -> str:
    lines = _said("fit", "--help").splitlines()
    return next(" ".join(line.split()) for line in lines if line.strip().startswith("--loss"))


def _response(level: float) -> tuple[np.ndarray, np.ndarray]:
    times = np.arange(0, 60, 0.1)
    late = np.maximum(times - 10, 0)
    return times, level - 29 * (np.exp(-late / 4.5) - np.exp(-late / 0.5))


def _off_zero() -> str:
    from synkin import measure

    with catch_warnings(record=True) as caught:
        simplefilter("always")
        tau = measure(*_response(-12.0)).tau
    return f"tau {tau:.1f}, {'a warning' if caught else 'no word'}"


def _average() -> str:
    times, trace = _response(0.0)
    path = Path(tempfile.mkdtemp()) / "cell.csv"
    columns = np.column_stack([times, trace, 3 * trace])
    np.savetxt(path, columns, delimiter=",", header="time_ms,a_pA,b_pA", comments="")
    options = "--kernel expon --spikes 11 --free tau --scale --starts 1 --average"
    said = _said("fit", str(path), *options.split())
    return next(" ".join(line.split()) for line in said.splitlines() if line.startswith("recording"))


def _loaded() -> str:
    from synkin import read_recording

    path, loaded = Path(tempfile.mkdtemp()) / "cell.npz", []
    np.savez(path, time_ms=np.arange(9.0), g_mS=np.zeros(9), video=np.zeros((9, 9, 9)))
    load = np.lib.npyio.NpzFile.__getitem__
    np.lib.npyio.NpzFile.__getitem__ = lambda *of: (loaded.append(of[1]), load(*of))[1]
    read_recording(path)
    return ", ".join(sorted(loaded))


ROWS = (
    *(
        Row(f"synkin {command} --help", "rendered", lambda command=command: _help(command))
        for command in ("simulate", "measure", "events", "fit", "list")
    ),
    Row("what fit --help says of --loss", "--loss NAME linear, or soft_l1, ...", _loss),
    Row("what fit --average averages of two columns", "recording mean of 2 sweeps", _average),
    Row("measure of a trace on -12 pA, without a baseline; tau is 4.5 ms", "a warning", _off_zero),
    Row("a table of 600,000 rows and 2 columns", "less than 1.5 s and 4 times", lambda: _read(2)),
    Row("a table of 600,000 rows and 6 columns", "less than 4 times", lambda: _read(6)),
    Row("a table of 600,000 rows and 2 columns, in s", "less than 4 times", lambda: _read(2, "time_s")),
    Row("2,300,000 spikes of a file of 34 MB", "less than 4 times", _spikes),
    Row("simulate's exact g of 200,000 spikes at one of 20,001 synapses", "(100, 20001), below 100 MiB", _padded),
    Row("the arrays of an .npz file that are loaded", "g_mS, time_ms", _loaded),
)
