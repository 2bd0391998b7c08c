"""Measurements that need a process of their own: `python -m benchmarks.MODULE ...`, which prints JSON last."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

NOT_INHERITED = ("JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_X64")
ROOT = Path(__file__).parents[1]


def fresh(module: str, *arguments: str, **variables: str) -> Any:
    """What the module prints, in an environment with these variables.

    Raises:
        RuntimeError: it failed.
    """
    environment = {key: value for key, value in os.environ.items() if key not in NOT_INHERITED} | variables
    # Python's own way here, but for what the environment may hide.
    environment["PYTHONPATH"] = os.pathsep.join(path for path in (str(ROOT), *sys.path) if path)
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{module}", *arguments]
    ran = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"A fresh process failed, {' '.join(command)}:\n{ran.stderr}")
    return json.loads(ran.stdout.splitlines()[-1])
