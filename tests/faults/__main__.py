"""Put each fault into a copy of the checkout, and run the tests that should catch it there.

    python -m tests.faults              # all of them; prints which are caught, and by which test
    python -m tests.faults solving      # those of one folder
    python -m tests.faults --list       # their names
    python -m tests.faults --after FILE # what an earlier call printed: the test that caught a fault then is tried first

A fault is caught if a test of the default suite fails. The tests of the fault's own folder run first, those of
`tests/contract` next, and all others last; a fault that is caught is not looked for further. The exit status is the
number of faults that are not caught.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


# Where the tests of these lie: what the files' names begin with.
ELSEWHERE = {"presets.py": "published", "schemes": "published", "tracing/fingerprint": "fitting"}
ELSEWHERE |= {"tracing/polynomials": "kernels", "solving/propagators/parameter_tables": "runs"}
ELSEWHERE |= dict.fromkeys(
    ("solving/parallel", "solving/propagators/gate_t", "solving/propagators/step_mean"), "contract"
)


class Fault(NamedTuple):
    """One fault."""

    file: str  # within synkin/
    what: str
    right: str  # a piece of a line, which stands once in the file
    wrong: str  # what takes its place


def read() -> list[Fault]:
    """The faults of `faults.txt`."""
    text = Path(__file__).with_name("faults.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    groups = zip(lines[::3], lines[1::3], lines[2::3], strict=True)
    return [Fault(*head.split(": ", 1), right.removeprefix("- "), wrong[2:]) for head, right, wrong in groups]


def main() -> int:
    """Print a line for each fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Faults that the tests must catch.")
    parser.add_argument("beginning", nargs="?", default="", help="of the files whose faults are tried, as in `solving`")
    parser.add_argument("--list", action="store_true", help="print the faults, and run nothing")
    parser.add_argument("--jobs", type=int, default=2, help="how many are tried at a time")
    parser.add_argument("--after", type=Path, help="a file with what an earlier call printed")
    arguments = parser.parse_args()
    before = arguments.after.read_text() if arguments.after else ""
    known = dict(re.findall(r"^caught  (.*?)  \[FAILED (.*?)(?: - .*)?\]$", before, re.MULTILINE))
    chosen = [fault for fault in read() if fault.file.startswith(arguments.beginning)]
    wrong = [fault for fault in chosen if (ROOT / "synkin" / fault.file).read_text().count(fault.right) != 1]
    for fault in wrong:
        print(f"{fault.file} must have this once, but has not: {fault.right}")
    if wrong or arguments.list:
        if not wrong:
            print(*(f"{fault.file}: {fault.what}" for fault in chosen), sep="\n")
        return len(wrong)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        missed = 0
        first = [known.get(f"{fault.file}: {fault.what}", "") for fault in chosen]
        for fault, by in zip(chosen, pool.map(caught_by, chosen, first), strict=True):
            missed += by is None
            print(f"{'MISSED' if by is None else 'caught'}  {fault.file}: {fault.what}  [{by or ''}]", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} caught")
    return missed


def caught_by(fault: Fault, first: str) -> str | None:
    """A test that fails with the fault, and perhaps ``first``; None if there is none."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        names = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
        ).stdout.split("\n")
        for name in filter(None, names):
            if (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, copy / name)
        file = copy / "synkin" / fault.file
        file.write_text(file.read_text().replace(fault.right, fault.wrong))
        home = Path(fault.file).parts[0]
        others = [part for beginning, part in ELSEWHERE.items() if fault.file.startswith(beginning)]
        own = [f"tests/{part}" for part in dict.fromkeys((*others, home, "contract"))]
        own = [part for part in own if (copy / part).is_dir()]
        rest = [
            f"tests/{path.name}"
            for path in sorted((copy / "tests").iterdir())
            if f"tests/{path.name}" not in own and (path.name.startswith("test_") or path.is_dir())
        ]
        known = [[first]] if first and (copy / first.partition("::")[0]).exists() else []
        for where in (*known, *([part] for part in own), rest):
            failed = _first_failure(copy, where)
            if failed is not None:
                return failed
    return None


def _first_failure(copy: Path, where: list[str]) -> str | None:
    """The first test in some folders that fails, or the last line of an error."""
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".jax_cache"))
    surroundings = os.environ | {"PYTHONPATH": str(copy), "JAX_COMPILATION_CACHE_DIR": cache}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *where]
    run = subprocess.run(command, cwd=copy, env=surroundings, capture_output=True, text=True)
    if run.returncode in (0, 5) or "ERROR: not found" in run.stderr:  # all passed, or there are no tests
        return None
    lines = (run.stdout + run.stderr).strip().splitlines()
    return next((line for line in lines if line.startswith(("FAILED", "ERROR"))), lines[-1] if lines else "error")


if __name__ == "__main__":
    sys.exit(main())
