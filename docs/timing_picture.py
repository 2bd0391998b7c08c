"""Draws timing.svg, the picture of timing.md: when a row of spikes acts, what g of a step is, and what a delay does.

python docs/timing_picture.py
"""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import synkin

STEPS, ROW, DELAY = 7, 1, 2  # of 1 ms; the row that has a spike; rows
GREY, RECEPTOR, LINEAR = "#444444", "#1f6fb4", "#c05a12"
# Name, colour, kernel, parameters, what it does by default.
KERNELS = (
    ("a receptor", RECEPTOR, synkin.ampa, synkin.ampa.Params(alpha=1.5, beta=0.5, T=1.0, T_dur=0.7), "start"),
    ("a linear kernel", LINEAR, synkin.expon, synkin.expon.Params(tau=1.5), "end"),
)


def draw_rows(axes: Any) -> None:
    """The rows of spikes, one a step, and the same rows with a delay."""
    for level, label, spiked in ((1.3, "spikes", ROW), (0.0, f"delayed by {DELAY} rows", ROW + DELAY)):
        for i in range(STEPS):
            has_spike = i == spiked
            axes.add_patch(Rectangle((i, level), 1, 0.8, facecolor=GREY if has_spike else "none", edgecolor=GREY))
            color = "white" if has_spike else GREY
            axes.text(i + 0.5, level + 0.38, f"row {i}: {has_spike:d}", ha="center", va="center", color=color)
        axes.text(-0.1, level + 0.38, label, ha="right", va="center")
    arrow = {"arrowstyle": "->", "color": GREY, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (ROW + DELAY + 0.5, 0.82), (ROW + 0.5, 1.28), arrowprops=arrow)
    axes.set(ylim=(-0.1, 2.2))


def draw_kernel(axes: Any, name: str, color: str, kernel: Any, params: Any, default: str) -> None:
    """g for a spike that acts at the start of its step, at the end, and after the delay."""
    times = np.linspace(0, STEPS, 351)
    for at, moment in (("start", ROW), ("end", ROW + 1)):
        g = np.where(times < moment, np.nan, np.asarray(synkin.respond(kernel, params, [float(moment)], times)))
        label = f"spikes_at='{at}'" + ", the default" * (at == default)
        axes.plot(times, g, color=color, linestyle="-" if at == default else (0, (4, 2)), label=label)
        axes.plot([moment, moment], [0, np.nanmax(g) if kernel is synkin.expon else 0], color=color, linewidth=0.8)
        axes.plot([moment], [0], "^", color=color, markerfacecolor=color if at == default else "white", clip_on=False)
    moment = ROW + DELAY + (default == "end")
    g = np.where(times < moment, np.nan, np.asarray(synkin.respond(kernel, params, [float(moment)], times)))
    axes.plot(times, g, color=GREY, linewidth=1, linestyle=":", label=f"the default, delayed by {DELAY} rows")
    axes.text(-0.015, 0.5, f"g of {name}", ha="right", va="center", transform=axes.transAxes)
    axes.legend(loc="upper right", framealpha=1, edgecolor="none")
    axes.set(ylim=(0, 1.3 * axes.get_ylim()[1]))


def draw_output(axes: Any, kernel: Any, params: Any) -> None:
    """g of each step: at its end, and its mean, over the curve that both are of."""
    times = np.linspace(ROW, STEPS, 241)
    axes.plot(times, synkin.respond(kernel, params, [float(ROW)], times), color=LINEAR)
    spikes = np.arange(STEPS) == ROW
    for output in ("end", "mean"):
        _, g = synkin.simulate(kernel, params, spikes.astype(float), 1.0, output=output, spikes_at="start")
        if output == "end":
            axes.plot(np.arange(STEPS) + 1, g, "o", color=GREY, label="output='end', the default: g at the step's end")
        else:
            axes.bar(
                np.arange(STEPS) + 0.5, g, 1, color=LINEAR, alpha=0.25, label="output='mean': the same area, the charge"
            )
    axes.text(-0.015, 0.5, "g of a step", ha="right", va="center", transform=axes.transAxes)
    axes.legend(loc="upper right", framealpha=1, edgecolor="none")
    axes.set(ylim=(0, 1.3 * axes.get_ylim()[1]))


def main() -> None:
    """Write the picture."""
    options = {"font.size": 9, "svg.hashsalt": "timing", "svg.fonttype": "none", "axes.spines.right": False}
    with matplotlib.rc_context(options | {"axes.spines.top": False, "axes.spines.left": False}):
        figure = Figure(figsize=(9, 6.2), layout="constrained")
        first, *others = figure.subplots(4, 1, sharex=True, height_ratios=[1, 1.3, 1.3, 1.3])
        draw_rows(first)
        for axes, kernel in zip(others, KERNELS, strict=False):
            draw_kernel(axes, *kernel)
        draw_output(others[-1], *KERNELS[1][2:4])
        for axes in (first, *others):
            for i in range(STEPS + 1):
                axes.axvline(i, color=GREY, linewidth=0.5, alpha=0.4, zorder=0)
            axes.set(yticks=[], xlim=(0, STEPS + 0.05))
        others[-1].set_xticks(range(STEPS + 1), [f"$t_{i}$" for i in range(STEPS + 1)])
        others[-1].set_xlabel("$t_i$ = t0 + i dt; step i goes from $t_i$ to $t_{i+1}$")
        figure.savefig(Path(__file__).with_name("timing.svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
