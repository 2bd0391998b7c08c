"""``simulate``: from a file of spike times to conductances, a summary and a picture."""

import argparse
from math import ceil, prod
from pathlib import Path
from synkin.kernel import Kernel
from typing import Any

import jax
import numpy as np

from synkin import checks, plot
from synkin.cli import UsageError, files, options, terminal
from synkin.cli.spikes import Inputs, Spikes, on_grid, read
from synkin.simulate import simulate

SAMPLE = Path(__file__).parents[1] / "data" / "spikes.csv"

# How long a run goes on after the last spike, where --duration is not given, ms.
_AFTER_LAST_SPIKE = 50.0
# Steps are counted in 32 bits.
_MOST_STEPS = 2**31 - 1
# A run goes in so many chunks, so that progress is shown between them; but none is shorter than this many
# steps, and none has more inputs than this.
_CHUNKS, _SHORTEST_CHUNK, _LARGEST_CHUNK = 20, 1000, 2**24
# Where a run is more than twice as long, a second panel of the picture shows this much around the peak, ms.
_CLOSE_UP = 400.0
# More synapses than this make a picture slow and no clearer.
_MOST_DRAWN = 100

_NOTES = """\
SPIKES.csv has one spike a line: its time in ms, or its time and the index
(0, 1, ...) of its synapse. The times of a synapse must not decrease. A header
line is fine, and so are lines that begin with #.

A spike acts at the time of the grid 0, dt, 2 dt, ... that is nearest to its
own. Of several spikes of one synapse at one such time a receptor (ampa, gabaa,
bionmda) sees one, a linear kernel (alpha, expon, dual_expon) their sum, 1 mS
each. Results are g at the ends of the steps; that of a receptor is for a
maximal conductance of 1 mS.
"""


def add_parser(subparsers: Any) -> None:
    """Add the parser of ``simulate``."""
    text = "compute the conductance that spikes cause"
    parser = subparsers.add_parser(
        "simulate",
        help=text,
        description=text,
        epilog=_NOTES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("spikes", nargs="?", type=Path, metavar="SPIKES.csv", help="spike times in ms, see below")
    add("--sample", action="store_true", help="run on the synthetic spikes that come with synkin")
    options.add_kernel(parser)
    add("--dt", type=options.positive_ms, default=0.1, metavar="MS", help="step (default: 0.1)")
    add("--duration", type=options.positive_ms, metavar="MS", help="default: 50 ms more than the last spike")
    add("--method", choices=checks.METHODS, default="exp_euler", help="(default: exp_euler)")
    add(
        "--overlap",
        choices=checks.OVERLAPS,
        help="what a spike during a receptor's pulse of transmitter does: restart it (default) or nothing",
    )
    add("--out", type=Path, metavar="FILE", help="write time_ms and g_mS to a .csv or .npz file")
    add("--plot", type=Path, metavar="FILE", help="draw spikes and g to a .png, .pdf or .svg file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Simulate, write what was asked for, print a summary."""
    kernel = options.kernel(arguments.kernel)
    params = options.params(arguments.kernel, arguments.set)
    if arguments.overlap and kernel.TAKES_WEIGHTS:
        raise UsageError(f"Option --overlap is for receptors, but the kernel is {arguments.kernel}.")
    if arguments.sample == (arguments.spikes is not None):
        raise UsageError("Command simulate needs a file of spike times or --sample, one of the two.")
    # What would fail at the end of a long run fails here.
    if arguments.out:
        files.check_output("--out", arguments.out, (".csv", ".npz"), keep=arguments.spikes)
    if arguments.plot:
        files.check_output("--plot", arguments.plot, (".png", ".pdf", ".svg"))
        figure = _figure()

    spikes = read(SAMPLE if arguments.sample else arguments.spikes)
    dt = arguments.dt
    steps = _steps(arguments.duration or float(spikes.times.max()) + _AFTER_LAST_SPIKE, dt)
    inputs = on_grid(spikes, dt, at_end=kernel.TAKES_WEIGHTS)
    overlap = arguments.overlap or "restart"
    g = _conductance(kernel, params, inputs, spikes.shape, steps, dt, arguments.method, overlap)
    times = dt * np.arange(1, steps + 1)

    if arguments.out:
        _write(arguments.out, times, g)
    if arguments.plot:
        _draw(figure, times, g, spikes, arguments.kernel)
        with files.replacing(arguments.plot) as file:
            figure.savefig(file, format=arguments.plot.suffix[1:].lower())

    table = [(name, f"{value:g}", unit) for name, value, unit in zip(params._fields, params, kernel.UNITS, strict=True)]
    _print_summary(
        {
            "kernel": [arguments.kernel],
            "parameters": terminal.aligned(table).splitlines(),
            "method": [arguments.method],
            "spikes": _spike_counts(spikes, inputs, steps, adds_up=kernel.TAKES_WEIGHTS)
            + (["synthetic, see synkin/data/make_spikes.py"] if arguments.sample else []),
            "synapses": [f"{spikes.shape[0]:,}"] if spikes.shape else [],
            "duration": [f"{times[-1]:.9g} ms: {steps:,} steps of {dt:g} ms"],
            "peak g": [_peak(times, g)],
            "mean g": [f"{g.mean(dtype=float):.6g} mS"],
            "written": [str(path) for path in (arguments.out, arguments.plot) if path],
        }
    )


def _figure() -> Any:
    try:
        return plot.figure()
    except ImportError as error:
        raise UsageError(str(error)) from None


def _steps(duration: float, dt: float) -> int:
    """The number of steps that cover the duration; rounding does not make it one more."""
    steps = duration / dt
    if steps > _MOST_STEPS:
        raise UsageError(f"A run must have at most {_MOST_STEPS:,} steps, but {duration:g} / {dt:g} is more.")
    return max(1, ceil(steps - 1e-6))


def _conductance(
    kernel: Kernel,
    params: Any,
    inputs: Inputs,
    shape: tuple[int, ...],
    steps: int,
    dt: float,
    method: str,
    overlap: str,
) -> np.ndarray:
    """g in mS at the ends of the steps, (steps, *shape); progress is shown on the way."""
    state = kernel.init(params, shape)
    like = jax.tree.leaves(state)[0]
    # A receptor is told whether there is a spike, a linear kernel the sum of the weights.
    dtype = like.dtype if kernel.TAKES_WEIGHTS else np.dtype(bool)

    def dense(start: int, length: int) -> np.ndarray:
        begin, end = np.searchsorted(inputs.steps, [start, start + length])
        block = np.zeros((length, prod(shape)), dtype)
        block[inputs.steps[begin:end] - start, inputs.synapses[begin:end]] = inputs.counts[begin:end]
        return block.reshape(length, *shape)

    try:
        g = np.empty((steps, *shape), like.dtype)
    except MemoryError:
        raise UsageError(f"{steps:,} steps of {prod(shape):,} synapses do not fit into memory.") from None
    if kernel.TAKES_WEIGHTS:
        state = kernel.receive(checks.aligned(params, like), state, dense(-1, 1)[0])
    length = min(steps, max(_SHORTEST_CHUNK, ceil(steps / _CHUNKS)), max(1, _LARGEST_CHUNK // prod(shape)))
    with terminal.Progress(steps, "steps") as progress:
        for start in range(0, steps, length):
            # The last chunk is as long as the others, beyond the end, so that one compilation serves all.
            block = dense(start, length)
            state, chunk = simulate(kernel, params, block, dt, state=state, method=method, overlap=overlap)
            stop = min(start + length, steps)
            g[start:stop] = chunk[: stop - start]
            if not np.isfinite(g[start:stop]).all():
                raise UsageError(f"The conductance is not finite in {g.dtype} with such parameters.")
            progress.report(stop)
    return g


def _write(path: Path, times: np.ndarray, g: np.ndarray) -> None:
    with files.replacing(path) as file:
        if path.suffix.lower() == ".npz":
            np.savez(file, time_ms=times, g_mS=g)
            return
        names = ["g_mS"] if g.ndim == 1 else [f"g{i}_mS" for i in range(g.shape[1])]
        digits = "%.9g" if g.dtype == np.float32 else "%.17g"  # as many as bring the same number back
        header, formats = ",".join(["time_ms", *names]), ["%.12g"] + [digits] * len(names)
        np.savetxt(file, np.column_stack([times, g]), formats, delimiter=",", header=header, comments="")


def _draw(figure: Any, times: np.ndarray, g: np.ndarray, spikes: Spikes, name: str) -> None:
    """The whole run and, where it is long, the time around its peak."""
    trains = [train[train <= times[-1]] for train in spikes.trains(_MOST_DRAWN)]
    title = f"{name}, {sum(map(len, trains)):,} spikes"
    labels = None
    if g.ndim == 2:
        if g.shape[1] <= len(plot.COLORS):
            labels = [f"synapse {i}" for i in range(g.shape[1])]
        elif g.shape[1] > _MOST_DRAWN:
            title += f", the first {_MOST_DRAWN} of {g.shape[1]:,} synapses"
    mean = g.mean(axis=1) if g.ndim == 2 and labels is None else None
    g = g[:, :_MOST_DRAWN] if g.ndim == 2 else g

    is_long = times[-1] > 2 * _CLOSE_UP
    whole, *close_up = figure.subplots(1 + is_long, squeeze=False)[:, 0]
    plot.traces(times, g, spikes=trains, labels=labels, ax=whole)
    whole.set_title(title, loc="left")
    if mean is not None:
        whole.plot(times, mean, color=plot.BLACK, linewidth=1, label="mean of all")
        whole.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1))
    for ax in close_up:
        step, _ = _largest(g)
        start = min(max(0.0, times[step] - _CLOSE_UP / 2), times[-1] - _CLOSE_UP)
        inside = (times >= start) & (times <= start + _CLOSE_UP)
        near = [train[(train >= start) & (train <= start + _CLOSE_UP)] for train in trains]
        plot.traces(times[inside], g[inside], spikes=near, ax=ax)
        ax.set_title("around the peak, shaded above", loc="left")
        whole.axvspan(start, start + _CLOSE_UP, color=plot.GREY, alpha=0.2, linewidth=0)


def _spike_counts(spikes: Spikes, inputs: Inputs, steps: int, *, adds_up: bool) -> list[str]:
    """How many spikes there are, and what became of those that did not act as one each."""
    inside = inputs.steps < steps
    acting, places = int(inputs.counts[inside].sum()), int(inside.sum())
    lines = [f"{len(spikes.times):,}"]
    if acting > places:
        what = "added to it" if adds_up else "not seen"
        lines.append(f"{acting - places:,} at the grid time of another of the synapse: {what}")
    if acting < len(spikes.times):
        lines.append(f"{len(spikes.times) - acting:,} after the end: left out")
    return lines


def _largest(g: np.ndarray) -> tuple[int, int]:
    """The step and the synapse of the largest g in size."""
    step, synapse = np.unravel_index(np.abs(g).argmax(), g.shape) if g.ndim == 2 else (np.abs(g).argmax(), 0)
    return int(step), int(synapse)


def _peak(times: np.ndarray, g: np.ndarray) -> str:
    step, synapse = _largest(g)
    text = f"{g.reshape(len(g), -1)[step, synapse]:.6g} mS at {times[step]:.9g} ms"
    return f"{text}, synapse {synapse}" if g.ndim == 2 else text


def _print_summary(parts: dict[str, list[str]]) -> None:
    """Print lines under labels, aligned; a part without lines is left out."""
    rows = [(label if i == 0 else "", line) for label, lines in parts.items() for i, line in enumerate(lines)]
    print(terminal.aligned(rows))
