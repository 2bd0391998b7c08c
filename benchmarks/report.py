"""The table on screen, the JSON file, the picture."""

import datetime
import importlib.metadata
import json
import math
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax

import synkin
from benchmarks import limit
from benchmarks.contenders import REFERENCE
from benchmarks.timing import Figure, Row

# The ratios that are shown: of the first, more is better; of the others, 1 would be perfect.
RATIOS = {
    f"{REFERENCE}/synkin": (REFERENCE, "synkin"),
    "own step/synkin": ("own step", "synkin"),
    "own stepper/synkin": ("own stepper", "synkin"),
    "synkin/limit": ("synkin", "limit"),
    "exact/synkin": ("synkin exact", "synkin"),
    "own stepper/exact": ("own stepper exact", "synkin exact"),
}
BUSY = 0.5  # of the load average at the start, above which a run is not to be trusted
PACKAGES = ("jax", "jaxlib", "numpy", "brainpy-state", "brainstate", "numba")


def machine() -> dict[str, Any]:
    """Where and with what the figures were measured."""
    device = jax.devices()[0]
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "device": device.device_kind,
        "platform": device.platform,
        "devices": jax.device_count(),
        "processor": _processor(),
        "threads": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "dtype": "float32",
        "limit": limit.what(),
        "versions": {"python": platform.python_version(), "synkin": synkin.__version__}
        | {package: _version(package) for package in PACKAGES},
    }


def heading(title: str, unit: str) -> str:
    """What stands above a job's table."""
    return f"\n{title}\n{unit}; median, and ± half of the quartiles' distance\n"


class Table:
    """A job's table, printed row by row; the columns are the first row's."""

    def __init__(self) -> None:
        self._columns: list[tuple[str, int]] = []

    def lines(self, row: Row) -> list[str]:
        """The row, after the head where it is the first."""
        cells = {name: str(value) for name, value in row.labels.items()}
        cells |= {name: cell(figure) for name, figure in row.figures.items()}
        cells |= {name: f"{ratio:.2f}" for name, ratio in ratios(row).items()}
        lines = []
        if not self._columns:
            self._columns = [(name, max(len(name), len(value)) + 2) for name, value in cells.items()]
            lines.append("  ".join(name.rjust(width) for name, width in self._columns))
        lines.append("  ".join(cells.get(name, "-").rjust(width) for name, width in self._columns))
        return lines


def cell(figure: Figure) -> str:
    """A median with its spread, three digits each or one."""
    text = f"{figure.median:.3g}" if figure.median < 1000 else f"{figure.median:.0f}"
    if figure.quartiles is None:
        return text
    low, high = figure.quartiles
    return f"{text} ±{50 * (high - low) / figure.median:.0f}%"


def ratios(row: Row) -> dict[str, float]:
    """Those of `RATIOS` whose both sides were measured."""
    return {
        name: row.figures[above].median / row.figures[below].median
        for name, (above, below) in RATIOS.items()
        if above in row.figures and below in row.figures
    }


def means(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    """Geometric means of each ratio: for each kernel over its rows, and over all of them."""
    logs: dict[str, dict[str, list[float]]] = {}
    for row in filter(lambda row: row.in_mean, rows):
        for name, ratio in ratios(row).items():
            for key in (row.labels["kernel"], "all"):
                logs.setdefault(name, {}).setdefault(key, []).append(math.log(ratio))
    return {
        name: {
            key: math.exp(sum(values) / len(values))
            for key, values in sorted(by_key.items(), key=lambda item: item[0] == "all")
        }
        for name, by_key in logs.items()
    }


def means_lines(rows: list[Row]) -> list[str]:
    """The means in words."""
    lines = []
    for name, by_key in means(rows).items():
        listed = ", ".join(f"{key} {value:.2f}" for key, value in by_key.items())
        lines.append(f"geometric mean of {name}: {listed}")
    return lines


def content(where: dict[str, Any], results: dict[str, list[Row]], units: dict[str, str]) -> dict[str, Any]:
    """Everything that was measured, as a JSON file has it."""
    found = {
        "machine": where,
        "jobs": {
            name: {
                "unit": units[name],
                "rows": [
                    {**row.labels, "figures": {key: figure._asdict() for key, figure in row.figures.items()}}
                    for row in rows
                ],
                "geometric means": means(rows),
            }
            for name, rows in results.items()
        },
    }
    return json.loads(json.dumps(_rounded(found)))


def write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=1) + "\n")


def plot(file: Path, where: dict[str, Any], results: dict[str, list[Row]]) -> None:
    """The ratios over N, for the jobs that have several N."""
    from matplotlib.figure import Figure as Picture
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    wide = {name: rows for name, rows in results.items() if len({row.labels.get("N") for row in rows}) > 2}
    if not wide:
        raise ValueError("A picture needs a full run of a job with several N, such as readout or trace.")
    kernels = list(dict.fromkeys(row.labels["kernel"] for rows in wide.values() for row in rows))
    picture = Picture(figsize=(3.5 * len(RATIOS), 3 * len(wide) + 0.5), layout="constrained")
    panels = picture.subplots(len(wide), len(RATIOS), squeeze=False, sharex=True)
    for line, (job, rows) in zip(panels, wide.items(), strict=True):
        for panel, name in zip(line, RATIOS, strict=True):
            for color, kernel in enumerate(kernels):
                measured = [row for row in rows if row.labels["kernel"] == kernel and name in ratios(row)]
                N, ratio = [row.labels["N"] for row in measured], [ratios(row)[name] for row in measured]
                panel.plot(N, ratio, "o-", color=f"C{color}", label=kernel)
            panel.axhline(1, color="gray", linewidth=0.8)
            panel.set(xscale="log", yscale="log", title=f"{job}: {name}")
            panel.set_yticks([0.5, 1, 2, 5, 10, 50])
            panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            panel.yaxis.set_minor_formatter(NullFormatter())
            low, high = panel.dataLim.intervaly
            panel.set_ylim(min(0.8, 0.8 * low), max(6, 1.3 * high))
        line[0].set_ylabel("ratio of times")
    for panel in panels[-1]:
        panel.set_xlabel("synapses N")
    picture.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(kernels))
    picture.suptitle(
        f"{where['device']}, {where['processor']}, {where['threads']} threads, {where['date']}", fontsize="small"
    )
    picture.savefig(file, dpi=100)


def _rounded(value: Any) -> Any:
    """Five digits, so that a file stays small."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
