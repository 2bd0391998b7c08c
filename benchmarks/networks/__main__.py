"""Seconds for a simulated second: see `benchmarks.networks`."""

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import synkin
from benchmarks import networks

JAX_WAYS = ("no connections", "synkin", "brainevent", "BCOO")
BRIAN2_WAYS = ("Brian2 Cython", "Brian2 C++")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=networks.__doc__.splitlines()[0])
    parser.add_argument("--brian2", metavar="PYTHON", help="a Python that has Brian2; without, it is left out")
    parser.add_argument("--sizes", default="1000,10000,100000", help="neurons of the first network (1000,10000,100000)")
    parser.add_argument("--brunel", type=int, default=5000, help="neurons of the second (5000)")
    parser.add_argument("--ms", type=float, default=1000.0, help="simulated time (1000); a tenth for 100,000 neurons")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each (5)")
    given = parser.parse_args(arguments)
    print(f"jax {importlib.metadata.version('jax')}, synkin {synkin.__version__}, {os.cpu_count()} threads, float32")
    print("Seconds for a simulated second, median; to connect and to compile; largest memory of the process, MB; Hz\n")
    print("brainevent and BCOO have one delay for all in the first network, too; all others one of each connection.\n")
    sizes = [("lif", int(n)) for n in given.sizes.split(",")] + [("brunel", given.brunel)] * (given.brunel > 0)
    for network, neurons in sizes:
        steps = round(given.ms / 0.1 / (10 if neurons >= 100_000 else 1))
        print(
            f"{network}, {neurons:,} neurons {'a second':>20} {'connect':>8} {'compile':>8} {'memory':>8} {'rate':>6}"
        )
        for way in (*JAX_WAYS, *(BRIAN2_WAYS if given.brian2 else ())):
            if way == "BCOO" and neurons >= 100_000:  # takes minutes
                continue
            python = given.brian2 if way in BRIAN2_WAYS else sys.executable
            found = measured(python, network, neurons, way, steps, given.repeats)
            if isinstance(found, str):
                print(f"  {way:>24} {found}")
                continue
            second, connected, built, memory, rate = found
            print(f"  {way:>24} {second:13.3f} {connected:8.2f} {built:8.2f} {memory:8.0f} {rate:6.1f}", flush=True)


def measured(python: str, network: str, neurons: int, way: str, steps: int, repeats: int) -> list[float] | str:
    """What one contender measured in a process of its own, or the last line of why it did not."""
    command = [python, "-m", "benchmarks.networks.one", network, str(neurons), way, str(steps), str(repeats)]
    root = Path(__file__).parents[2]
    # What the cache holds would hide the time to compile.
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment, check=False)
    if ended.returncode:
        return (ended.stderr.strip().splitlines() or ["ended"])[-1][:100]
    numbers: list[float] = json.loads(ended.stdout.strip().splitlines()[-1])
    return numbers


if __name__ == "__main__":
    main()
