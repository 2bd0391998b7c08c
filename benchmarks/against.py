"""What got slower since an earlier run: its JSON file beside this run's content, figure by figure.

Where processor, device, threads or a version differ, times do not compare: then a figure's ratio to a reference of
the same row is compared, a contender that runs none of synkin's code. Memory compares anywhere.
"""

import math
from typing import Any, NamedTuple

from benchmarks.contenders import REFERENCE

REFERENCES = (REFERENCE, "limit", "one dispatch")  # the first that both rows have is taken
OTHERS = (f"{REFERENCE} eager", "NEURON sparse", "one trace")  # also without synkin
LEAST = 1.05  # of before: anything less is no news
PLACE = ("processor", "device", "devices", "threads", "dtype", "limit")
MEMORY = "MB"  # a job's unit, or at the end of what a row is


class Slower(NamedTuple):
    """A figure that got worse."""

    job: str
    row: str
    column: str
    over: str | None  # the reference, where ratios were compared
    before: float
    now: float

    @property
    def ratio(self) -> float:
        return self.now / self.before


class Comparison(NamedTuple):
    """Two runs side by side."""

    differences: list[str]  # between the machines, in words
    slower: list[Slower]  # the worst first
    compared: int
    missing: list[str]  # rows and columns that one of the runs has not
    left_out: list[str]  # figures that do not compare


def compare(before: dict[str, Any], now: dict[str, Any]) -> Comparison:
    """Of the jobs that were run now.

    Args:
        before: content of a JSON file of `python -m benchmarks`.
        now: content of this run, the same.
    """
    found = Comparison(differences(before["machine"], now["machine"]), [], 0, [], [])
    compared = 0
    for job, content in now["jobs"].items():
        earlier = before["jobs"].get(job, {"rows": []})
        rows, rows_before = _by_labels(content["rows"]), _by_labels(earlier["rows"])
        found.missing.extend(f"{job}, {row}: only now" for row in rows if row not in rows_before)
        found.missing.extend(f"{job}, {row}: only before" for row in rows_before if row not in rows)
        for row in (row for row in rows if row in rows_before):
            figures, figures_before = rows[row], rows_before[row]
            for column in figures | figures_before:
                if column not in figures or column not in figures_before:
                    found.missing.append(f"{job}, {row}, {column}: only {'now' if column in figures else 'before'}")
            over = None
            if found.differences and content["unit"] != MEMORY and f", {MEMORY}," not in row:
                over = next((name for name in REFERENCES if name in figures and name in figures_before), None)
                if over is None:
                    found.left_out.append(f"{job}, {row}")
                    continue
            for column in figures:
                if column in figures_before and column not in REFERENCES + OTHERS:
                    compared += 1
                    ranges = _range(figures_before, column, over), _range(figures, column, over)
                    if is_slower(*ranges):
                        found.slower.append(Slower(job, row, column, over, ranges[0][1], ranges[1][1]))
    found.slower.sort(key=lambda each: -each.ratio)
    return found._replace(compared=compared)


def is_slower(before: tuple[float, float, float], now: tuple[float, float, float]) -> bool:
    """Whether it is beyond noise: by more than 5 %, and each median outside the other's quartiles.

    Args:
        before: lower quartile, median and upper quartile.
        now: the same.
    """
    return now[1] > LEAST * before[1] and now[1] > before[2] and before[1] < now[0]


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What makes times not compare, in words. The version of synkin is what is measured."""
    pairs = [(name, before.get(name), now.get(name)) for name in PLACE]
    versions, versions_before = now["versions"], before["versions"]
    names = [name for name in versions | versions_before if name != "synkin"]
    pairs += [(name, versions_before.get(name), versions.get(name)) for name in names]
    return [f"{name}: {old} before, {new} now" for name, old, new in pairs if old != new]


def lines(found: Comparison, file: str, date: str) -> list[str]:
    """A report."""
    said = [f"\nCompared with {file} of {date}."]
    if found.differences:
        said += ["Times do not compare, so ratios to a reference of the same row are compared. What differs:"]
        said += [f"  {each}" for each in found.differences]
    if found.slower:
        said += ["Slower by more than 5 %, and outside the quartiles of both runs:"]
        said += [f"{'ratio':>8} {'before':>10} {'now':>10}  what"]
        for each in found.slower:
            what = f"{each.job}, {each.row}, {each.column}" + (f" / {each.over}" if each.over else "")
            said += [f"{each.ratio:8.2f} {each.before:10.4g} {each.now:10.4g}  {what}"]
    said += [f"Of {found.compared} figures {len(found.slower) or 'none'} got slower."]
    if found.missing:
        said += ["In one of the two runs only:", *(f"  {each}" for each in found.missing)]
    if found.left_out:
        said += ["Not compared, as these rows have no reference:", *(f"  {each}" for each in found.left_out)]
    return said


def _by_labels(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The figures by what was run, as in "kernel ampa, N 1000, T 200"."""
    return {", ".join(f"{k} {v}" for k, v in row.items() if k != "figures"): row["figures"] for row in rows}


def _range(figures: dict[str, Any], column: str, over: str | None) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile of a figure, or of its ratio to another, then as wide as can be."""
    low, high = figures[column]["quartiles"] or [figures[column]["median"]] * 2
    median = figures[column]["median"]
    if over is None:
        return low, median, high
    below, above = figures[over]["quartiles"] or [figures[over]["median"]] * 2
    return low / above, median / figures[over]["median"], high / below if below else math.inf
