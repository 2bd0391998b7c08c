"""The command line: python -m benchmarks [--quick] [--only NAME] [--json FILE] [--plot FILE] [--against FILE]"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import against, report, textbook, workloads
from benchmarks.jobs import JOBS
from benchmarks.timing import Row, Wrong


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 1 where a result was wrong, or slower than in the file to compare with."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, few repeats: only to see that it runs")
    parser.add_argument("--only", action="append", choices=JOBS, metavar="NAME", help=f"one of {', '.join(JOBS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the ratios over N there (needs matplotlib)")
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="say what got slower since the run of this JSON file"
    )
    given = parser.parse_args(arguments)
    before = json.loads(given.against.read_text()) if given.against else None
    scale = workloads.QUICK if given.quick else workloads.full()
    results, where, wrong = run(given.only or list(JOBS), scale)
    content = report.content(where, results, {name: job.UNIT for name, job in JOBS.items()})
    if given.json:
        report.write_json(given.json, content)
    if given.plot:
        report.plot(given.plot, where, results)
    slower = False
    if before:
        found = against.compare(before, content)
        show("\n".join(against.lines(found, str(given.against), before["machine"]["date"])))
        slower = bool(found.slower)
    return 1 if wrong or slower else 0


def run(names: list[str], scale: workloads.Scale) -> tuple[dict[str, list[Row]], dict[str, Any], list[str]]:
    """Run jobs, showing each row as it comes.

    Args:
        names: of the jobs.
        scale: how large.

    Returns:
        The rows by job, the machine, and what was wrong.
    """
    where = report.machine()
    for key, value in where.items():
        show(f"{key}: {value}" if key != "versions" else ", ".join(f"{k} {v}" for k, v in value.items()))
    if where["load"] and where["load"] > report.BUSY:
        show("The machine is busy with something else: these times are not to be trusted.")
    results: dict[str, list[Row]] = {}
    wrong = []
    for name in names:
        job = JOBS[name]
        start = time.perf_counter()
        rows = results[name] = []
        table = report.Table()
        show(report.heading(f"{name}. {job.__doc__.splitlines()[0]}", job.UNIT))
        try:
            with textbook.x64(False):
                for row in job.rows(scale):
                    rows.append(row)
                    show("\n".join(table.lines(row)))
        except Wrong as error:
            wrong.append(f"{name}: {error}")
            show(f"WRONG, and not timed any further: {error}")
        show("\n".join(report.means_lines(rows)))
        show(f"({time.perf_counter() - start:.0f} s)")
    return results, where, wrong


def show(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
