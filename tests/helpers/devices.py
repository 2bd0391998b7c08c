"""Programs on several devices, which a process is started with: one process, or two on the loopback address."""

import os
import socket
import subprocess
import sys
from pathlib import Path


def started(script, *arguments, devices):
    """A process of a script of this folder."""
    here = Path(__file__)
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}", "PYTHONPATH": str(here.parents[2])}
    command, pipe = [sys.executable, here.with_name(script), *arguments], subprocess.PIPE
    return subprocess.Popen(command, env=os.environ | flags, stdout=pipe, stderr=pipe, text=True)


def joined(script):
    """Two processes of two devices each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    return [started(script, port, str(i), devices=2) for i in range(2)]


def printed(process):
    """The lines that a process printed."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.splitlines()
