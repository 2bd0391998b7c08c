"""Files of fits, what a poor fit is told, and events in a trace that has none."""

import collections
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import synkin
from benchmarks.answers import Row

_TIMES = np.arange(100) / 5


def _own(factor: float) -> Any:
    """A kernel called expon, whose decay is that many times as fast as the library's."""
    params = collections.namedtuple("params", "tau", defaults=[8.0])
    state = collections.namedtuple("state", "g")
    return synkin.linear(lambda p, y: {"g": -factor * y.g / p.tau}, params, state, input="g", name="expon")


def _fitted(kernel: Any, **options: Any) -> Any:
    curve = 3 * np.exp(-np.maximum(_TIMES - 2, 0) / 6) * (_TIMES >= 2)
    arguments = {"free": kernel.Params._fields[0], "scale": True, "starts": 1, "progress": False} | options
    return synkin.fit(kernel, kernel.Params(), [2.0], _TIMES, curve, **arguments)


def _scheme(text: str) -> Any:
    return synkin.scheme(text, open="O", name="own", a=2.0, b=0.4, d=0.1, r=0.02)


def _loaded(kernel: Any, given: Any = None, edit: Callable[[dict[str, Any]], Any] | None = None) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fit.json"
        found = _fitted(kernel)
        found.save(path)
        if edit is not None:
            read = json.loads(path.read_text())
            edit(read)
            path.write_text(json.dumps(read))
        try:
            again = synkin.Fit.load(path, given)
        except ValueError as error:
            return f"refused: {str(error).replace(folder, '')}"
        return f"read; g 5 ms after the spike {found.predict([7.0])[0]:.4f} before, {again.predict([7.0])[0]:.4f} after"


def _full_disk() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fit.json"
        found = _fitted(synkin.expon)
        found.save(path)
        before = path.read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, resource.RLIM_INFINITY))
        try:
            found.save(path)
        except OSError as error:
            kept = (
                "is as it was" if path.read_bytes() == before else f"has {path.stat().st_size} of {len(before)} bytes"
            )
            return f"{error.strerror}; the earlier file {kept}, {len(os.listdir(folder))} file in the folder"
        return "written"


def _deep() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fit.json"
        path.write_text("[" * 200_000)
        try:
            synkin.Fit.load(path)
        except ValueError as error:
            return f"refused: {str(error).replace(folder, '')}"
        return "read"


def _terminated() -> str:
    code = (
        "import os, signal\nfrom pathlib import Path\nfrom synkin.cli import files\n"
        "with files.replacing(Path('g.csv')) as file:\n    file.write(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGTERM)"
    )
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=_environment(), check=False)
        return f"exit status {done.returncode}, {len(os.listdir(folder))} files left"


def _interrupted() -> str:
    code = (
        "import os, signal, sys\n"
        "class Slow:\n    def find_spec(self, name, *_):\n"
        "        if name == 'jax': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Slow())\nsys.argv[:] = ['/usr/bin/synkin', 'list', 'ampa']\n"
        "from synkin.__main__ import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=_environment(), check=False)
    return f"exit status {done.returncode}, {len(done.stderr.splitlines())} lines on stderr"


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(synkin.__file__).parents[1])}


def _squares() -> str:
    rng = np.random.default_rng(1)
    times, edges = np.arange(20_000) * 0.2, [0.0]
    while edges[-1] < times[-1]:
        edges.append(edges[-1] + rng.exponential(100 if len(edges) % 2 else 10))
    trace = 5.0 * (np.searchsorted(edges[1:], times, side="right") % 2) + 0.1 * rng.normal(size=times.size)
    params = synkin.gabaa.Params(T_dur=5.0)
    found = synkin.deconvolve(synkin.gabaa, params, times, trace, drift=20.0, threshold=2.0, mismatch=0.0)
    return f"{len(found.times)} events, the largest {found.sizes.max():.1f} of an opening of 5"


def _poor() -> str:
    times = np.arange(0, 60, 0.1)
    age = np.maximum(times - 6.5, 0)
    trace = -30 * (np.exp(-age / 8) - np.exp(-age / 0.4)) + 0.6 * np.random.default_rng(0).normal(size=times.size)
    kernel = synkin.dual_expon
    found = synkin.fit(
        kernel, kernel.Params(), [5.0], times, trace, free=("tau_rise", "tau_decay"), scale=True, progress=False
    )  # fmt: skip
    said = [line for line in found.message.split(". ") if "True" in line or "Hold" in line]
    return f"R^2 {found.r_squared:.3f}; told: {'. '.join(said) or 'nothing'}"


_REFUSED = "refused"
_THREE = "C + T <-> O : a, b\nO <-> D : d, r"
ROWS = (
    Row("Fit.load: a kernel of one's own called expon", _REFUSED, lambda: _loaded(_own(3.0))),
    Row("Fit.load(kernel=): one of that name with another decay", _REFUSED, lambda: _loaded(_own(3.0), _own(1.0))),
    Row("Fit.load(kernel=): the very kernel", "read", lambda: _loaded(_own(3.0), _own(3.0))),
    Row(
        "Fit.load(kernel=): a scheme with a state more", _REFUSED,
        lambda: _loaded(_scheme(_THREE), _scheme(f"{_THREE}\nD <-> E : d, r")),
    ),
    Row(
        "Fit.load: a scale changed by hand", _REFUSED,
        lambda: _loaded(synkin.expon, edit=lambda read: read["fit"].update(scale=9.0)),
    ),
    Row("Fit.load: 200,000 brackets", _REFUSED, _deep),
    Row("Fit.save over an earlier file, the disk being full", "the earlier file is as it was", _full_disk),
    Row("SIGTERM while a file is written", "exit status -15, 0 files left", _terminated),
    Row("Ctrl-C while the program is imported", "exit status 130, 0 lines", _interrupted),
    Row("events in a trace of square openings", "a result", _squares),
    Row("a poor fit with the onset held", "told to free the onset, and the R^2 then", _poor),
)  # fmt: skip
