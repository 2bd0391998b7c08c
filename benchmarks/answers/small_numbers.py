"""The block by magnesium, numbers in text, and precision."""

import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

import synkin
from benchmarks.answers import Row
from synkin.__main__ import main


def _gradient() -> str:
    return f"{float(jax.grad(synkin.currents.mg_block)(-1500.0)):.3g}"


def _command(text: str, *options: str) -> str:
    """What ``synkin simulate`` says of a file with this text: its status and the line that tells it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spikes.csv"
        path.write_text(text, encoding="utf-8")
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status: Any = main(["simulate", str(path), *options])
            except SystemExit as exit_:
                status = exit_.code
        said = err.getvalue() if status else out.getvalue()
        line = next((line for line in said.splitlines() if "pike" in line or "must" in line or "may be" in line), "")
        return f"{'taken' if not status else 'refused'}: {line.replace(folder + '/', '')}"


def _pulse(dtype: Any) -> str:
    params = synkin.ampa.Params(T_dur=400.0)
    spikes = np.arange(5000)[:, None] == 0
    _, on = synkin.simulate(
        synkin.ampa, params, spikes, 0.1, dtype=dtype, method="exact", readout=lambda state, g: state.pulse_left
    )
    return f"the pulse lasts {0.1 * float((np.asarray(on, float) > 0).sum() + 1):.1f} ms"


def _g(dtype: Any) -> str:
    _, g = synkin.simulate(synkin.ampa, synkin.ampa.Params(), np.eye(20, 1) > 0, 0.1, dtype=dtype)
    return f"g peaks at {float(np.asarray(g, float).max()):.4f}"


ROWS = (
    Row("mg_block(-1500, Mg=0)", "1.0", lambda: f"{float(synkin.currents.mg_block(-1500.0, Mg=0.0))}"),
    Row("its derivative at -1500 mV", "0", _gradient),
    Row("spikes of a file of one line, `12,5`", "refused", lambda: _command("12,5\n")),
    Row("spikes of a file of `1` and `1_0`", "refused", lambda: _command("1\n1_0\n")),
    Row("`--dt 1_0`", "refused", lambda: _command("1\n", "--dt", "1_0")),
    Row("`--set T_dur=1_0`", "refused", lambda: _command("1\n", "--set", "T_dur=1_0")),
    Row("ampa in float8_e4m3fn", "refused, or 0.2080 to 0.2085", lambda: _g(jnp.dtype(ml_dtypes.float8_e4m3fn))),
    Row("a pulse of 400 ms in bfloat16", "refused, or 400.0 ms", lambda: _pulse(jnp.bfloat16)),
)
