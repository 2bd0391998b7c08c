"""``simulate``: from a file of spike times to conductances, a summary and a picture.

spikes        spike times from a file, on a grid or not
conductance   g, by either method
picture       the picture of --plot
"""

import argparse
import sys
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synkin.cli import UsageError, files, options, terminal
from synkin.cli.simulate import conductance
from synkin.cli.simulate.spikes import Inputs, Spikes, nearest, on_grid, read
from synkin.declaring.kernel import Kernel

SAMPLE = options.DATA / "spikes.csv"

# By default a run ends this many ms after the last spike.
_AFTER_LAST_SPIKE = 50.0
# Steps are counted in 32 bits.
_MOST_STEPS = 2**31 - 1
# The number of cells that are formatted at once.
_CELLS = 2**20
# The largest number of values of g that the page of --report holds.
_IN_PAGE = 20_000
# No warning is printed for a pulse whose length is off by no more than this fraction.
_SAME_PULSE = 0.01


def run(arguments: argparse.Namespace) -> None:
    """Compute, write and draw g, and print a summary."""
    kernel = arguments.kernel
    params = options.params(kernel, arguments.set)
    method = arguments.method or kernel.methods[0]
    if method not in kernel.methods:
        only = kernel.methods[0]
        raise UsageError(f"Option --method must be {only}, the only one that {kernel.name} has, but is {method!r}.")
    if arguments.overlap and kernel.input.takes_weights:
        raise UsageError(f"Option --overlap is for receptors, but the kernel is {kernel.name}.")
    path = options.input_file(arguments, "spikes", "a file of spike times", SAMPLE)
    outputs = files.Outputs(arguments, (".csv", ".npz"), keep=[arguments.spikes] if arguments.spikes else [])

    spikes = read(path, arguments.time_unit)
    dt = arguments.dt
    steps = _steps(arguments.duration or float(spikes.times.max()) + _AFTER_LAST_SPIKE, dt)
    times = dt * np.arange(1, steps + 1)
    overlap = arguments.overlap or "restart"
    if method == "exact":
        g = conductance.exact(kernel, params, spikes, times, overlap)
        acted = _within(spikes, times)
    else:
        _warn_of_pulse(kernel, params, dt)
        inputs = on_grid(spikes, dt, at_end=kernel.input.acts_at_end)
        g = conductance.on_grid(kernel, params, inputs, spikes.shape, steps, dt, overlap)
        acted = _moved(spikes, dt) + _merged(spikes, inputs, steps, adds_up=kernel.input.takes_weights)

    if outputs.out:
        _write(outputs.out, times, g)
    if outputs.picture:
        from synkin.cli.simulate import picture

        picture.draw(outputs.figure, times, g, spikes, kernel.name)
        outputs.save_figure()

    parts = {
        "kernel": [kernel.name],
        "parameters": terminal.aligned(options.table(kernel, params)).splitlines(),
        "method": [method],
        "spikes": [
            f"{len(spikes.times):,}",
            *([f"at {spikes.note}"] if spikes.note else []),
            *acted,
            *(["synthetic, see synkin/data/make_spikes.py"] if arguments.sample else []),
        ],
        "synapses": [f"{spikes.shape[0]:,}"] if spikes.shape else [],
        "duration": [f"{times[-1]:.9g} ms: {steps:,} steps of {dt:g} ms"],
        "peak g": [_peak(times, g)],
        "mean g": [f"{g.mean(dtype=float):.6g} mS"],
    }
    rows = [(label if i == 0 else "", line) for label, lines in parts.items() for i, line in enumerate(lines)]
    if outputs.report:
        outputs.write_report(_report(arguments, path, rows, times, g, spikes))
    written = [("" if i else "written", name) for i, name in enumerate(outputs.written())]
    print(terminal.aligned([*rows, *written]))


def _report(
    arguments: argparse.Namespace,
    path: Path,
    rows: list[tuple[str, str]],
    times: np.ndarray,
    g: np.ndarray,
    spikes: Spikes,
) -> str:
    """The page of --report."""
    from synkin.cli.report import Page
    from synkin.cli.result import Result
    from synkin.cli.simulate import picture

    kernel, count = arguments.kernel, spikes.shape[0] if spikes.shape else 1
    each = g.reshape(len(g), -1)
    found = Result(
        rows=rows,
        text="",
        columns=["synapse", "spikes", "peak_mS", "peak_at_ms", "mean_mS"],
        table=[
            {
                "synapse": i,
                "spikes": len(train),
                "peak_mS": float(each[at, i]),
                "peak_at_ms": float(times[at]),
                "mean_mS": float(each[:, i].mean(dtype=float)),
            }
            for i, (train, at) in enumerate(zip(spikes.trains(), np.abs(each).argmax(axis=0), strict=True))
        ],
        content={
            "kernel": kernel.name,
            "params": options.params(kernel, arguments.set)._asdict(),
            "dt_ms": arguments.dt,
            "synapses": count,
            **({"time_ms": times, "g_mS": g} if g.size <= _IN_PAGE else {}),
        },
        draw=lambda figure: picture.draw(figure, times, g, spikes, kernel.name),
    )
    page = Page(arguments.command, arguments.words, (9.0, 5.0))
    page.add(path.name, found)
    return page.html({})


def _steps(duration: float, dt: float) -> int:
    """The number of steps that cover the duration; rounding errors do not add a step."""
    steps = duration / dt
    if steps > _MOST_STEPS:
        raise UsageError(f"A run must have at most {_MOST_STEPS:,} steps, but {duration:g} / {dt:g} is more.")
    return max(1, ceil(steps - 1e-6))


def _warn_of_pulse(kernel: Kernel, params: NamedTuple, dt: float) -> None:
    """Warn on stderr if whole steps change the length of a pulse of transmitter."""
    # A sum has one pulse for each part.
    for length in dict.fromkeys(value for name, value in params._asdict().items() if kernel.bare(name) == "T_dur"):
        lasts = ceil(length / dt - 1e-3) * dt  # as "exp_euler" counts: a multiple of dt is not rounded up
        if abs(lasts - length) > _SAME_PULSE * length:
            what = f"with --method exp_euler and steps of {dt:g} ms a pulse of {length:g} ms lasts {lasts:.6g} ms"
            print(f"Warning: {what}: use --method exact or a smaller --dt.", file=sys.stderr)


def _write(path: Path, times: np.ndarray, g: np.ndarray) -> None:
    with files.replacing(path) as file:
        if path.suffix.lower() == ".npz":
            np.savez(file, time_ms=times, g_mS=g)
            return
        names = ["g_mS"] if g.ndim == 1 else [f"g{i}_mS" for i in range(g.shape[1])]
        digits = "%.9g" if g.dtype == np.float32 else "%.17g"  # enough to read the same number back
        header, formats = ",".join(["time_ms", *names]), ["%.12g"] + [digits] * len(names)
        length = max(1, _CELLS // len(formats))
        for start in range(0, len(times), length):
            part = np.column_stack([times[start : start + length], g[start : start + length]])
            np.savetxt(file, part, formats, delimiter=",", header="" if start else header, comments="")


def _moved(spikes: Spikes, dt: float) -> list[str]:
    """How many spikes were moved to the grid, and by how much."""
    far = np.abs(dt * nearest(spikes, dt) - spikes.times)
    moved = far > 1e-6 * dt
    return [f"{moved.sum():,} moved to the grid, by {far.max():.3g} ms at most"] if moved.any() else []


def _merged(spikes: Spikes, inputs: Inputs, steps: int, *, adds_up: bool) -> list[str]:
    """How many spikes came at the grid time of another one, or after the end."""
    inside = inputs.steps < steps
    acting, places = int(inputs.counts[inside].sum()), int(inside.sum())
    lines = []
    if acting > places:
        what = "added to it" if adds_up else "not seen"
        lines.append(f"{acting - places:,} at the grid time of another of the synapse: {what}")
    return lines + _left_out(len(spikes.times) - acting)


def _within(spikes: Spikes, times: np.ndarray) -> list[str]:
    """That spikes act at their own times, and how many came after the end."""
    return ["at their own times", *_left_out(int((spikes.times > times[-1]).sum()))]


def _left_out(late: int) -> list[str]:
    return [f"{late:,} after the end: left out"] if late else []


def _largest_at(g: np.ndarray) -> tuple[int, int]:
    """The step and the synapse at which the absolute value of g is largest."""
    step, synapse = np.unravel_index(np.abs(g).argmax(), g.shape) if g.ndim == 2 else (np.abs(g).argmax(), 0)
    return int(step), int(synapse)


def _peak(times: np.ndarray, g: np.ndarray) -> str:
    step, synapse = _largest_at(g)
    text = f"{g.reshape(len(g), -1)[step, synapse]:.6g} mS at {times[step]:.9g} ms"
    return f"{text}, synapse {synapse}" if g.ndim == 2 else text
