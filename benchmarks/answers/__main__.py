"""Print a table of answers: ``python -m benchmarks.answers [TOPIC ...]``.

To see those of another version, run it with that version's folder first: ``PYTHONPATH=FOLDER python -P -m ...`` with
this ``benchmarks`` copied there.
"""

import importlib
import pkgutil
import resource
import subprocess
import sys
from pathlib import Path

import benchmarks.answers

_SECONDS = 120
_BYTES = 12 * 2**30


def main(arguments: list[str]) -> None:
    """Answer the rows of the given topics, or of all."""
    if len(arguments) == 2 and arguments[1].isdigit():
        print(_answer(arguments[0], int(arguments[1])))
        return
    topics = arguments or sorted(
        module.name for module in pkgutil.iter_modules(benchmarks.answers.__path__) if not module.name.startswith("_")
    )
    for topic in topics:
        print(f"\n{topic}")
        for i, row in enumerate(_rows(topic)):
            print(f"  {row.what}\n      right: {row.right}\n      here:  {_in_a_process(topic, i)}", flush=True)


def _rows(topic: str) -> tuple[benchmarks.answers.Row, ...]:
    return importlib.import_module(f"benchmarks.answers.{topic}").ROWS


def _answer(topic: str, i: int) -> str:
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    try:
        return _rows(topic)[i].ask()
    except Exception as error:
        first = next(iter(str(error).splitlines()), "")
        return f"{type(error).__name__}: {first:.300}"


def _in_a_process(topic: str, i: int) -> str:
    command = [sys.executable, "-m", "benchmarks.answers", topic, str(i)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, cwd=Path(__file__).parents[2], check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {_SECONDS} s"
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        return f"died: {last[0]:.300}"
    return done.stdout.strip().replace("\n", "\n             ")


if __name__ == "__main__":
    main(sys.argv[1:])
