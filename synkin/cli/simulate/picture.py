"""What ``simulate --plot`` draws: traces of a few synapses or a population of many; of a long run also its peak."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synkin import plot
from synkin.cli.simulate.spikes import Spikes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A run that is more than twice as long as this, in ms, has panels that show this much around the peak.
_CLOSE_UP = 400.0


def draw(figure: Figure, times: np.ndarray, g: np.ndarray, spikes: Spikes, name: str) -> None:
    """Draw into an empty figure.

    Args:
        figure: of `synkin.plot.figure`.
        times: (T,), ms.
        g: (T,) or (T, n), mS.
        spikes: the spikes of the run.
        name: the name of the kernel.
    """
    trains = [train[train <= times[-1]] for train in spikes.trains()]
    count = sum(map(len, trains))
    title = f"{name}, {count:,} spike{'s' * (count != 1)}"
    parts = [np.ones(len(times), bool)]
    if times[-1] > 2 * _CLOSE_UP:
        peak = times[np.abs(g).reshape(len(g), -1).max(axis=1).argmax()]
        start = min(max(0.0, peak - _CLOSE_UP / 2), times[-1] - _CLOSE_UP)
        parts.append((times >= start) & (times <= start + _CLOSE_UP))
    if g.ndim == 2 and g.shape[1] > len(plot.COLORS):
        title += f" of {g.shape[1]:,} synapses"
        figure.set_size_inches(9 if len(parts) == 1 else 13, 7)
        grid = figure.subplots(3, len(parts), sharex="col", sharey="row", height_ratios=[2, 2, 1.5], squeeze=False)
        for column, part in zip(grid.T, parts, strict=True):
            plot.population(times[part], g[part], spikes=_inside(trains, times[part]), ax=column)
        for column in grid[:, 1:].T:  # the labels of the first column hold for all
            column[2].get_legend().remove()
            for ax in column:
                ax.set_ylabel("")
        shaded, tops = [grid[0, 0], grid[2, 0]], list(grid[0])  # not the image, where a shade means a value
    else:
        labels = [f"synapse {i}" for i in range(g.shape[1])] if g.ndim == 2 else None
        tops = list(figure.subplots(len(parts), squeeze=False)[:, 0])
        for ax, part in zip(tops, parts, strict=True):
            plot.traces(times[part], g[part], spikes=_inside(trains, times[part]), labels=labels, ax=ax)
        shaded = tops[:1]
    tops[0].set_title(title, loc="left")
    if len(parts) > 1:
        tops[1].set_title("around the peak, shaded in the whole run", loc="left")
        for ax in shaded:
            ax.axvspan(start, start + _CLOSE_UP, color=plot.GREY, alpha=0.15, linewidth=0)


def _inside(trains: list[np.ndarray], times: np.ndarray) -> list[np.ndarray]:
    """The spikes from the first sample to the last."""
    return [train[(train >= times[0]) & (train <= times[-1])] for train in trains]
