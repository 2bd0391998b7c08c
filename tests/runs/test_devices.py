"""Synapses split over devices: the same numbers, and nothing sent between them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "helpers" / "sharded_run.py"


def start(*arguments, devices):
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}", "PYTHONPATH": str(SCRIPT.parents[2])}
    command, pipe = [sys.executable, str(SCRIPT), *arguments], subprocess.PIPE
    return subprocess.Popen(command, env=os.environ | flags, stdout=pipe, stderr=pipe, text=True)


def check(process, devices):
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert out.splitlines() == [f"devices {devices}", "collectives []", "equal True"]


def test_eight_devices_of_one_process():
    check(start(devices=8), "8 shards here 8")


@pytest.mark.wide
def test_two_processes_joined_on_the_loopback_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    for process in [start(port, str(i), devices=2) for i in range(2)]:
        check(process, "4 shards here 2")
