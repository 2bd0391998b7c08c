"""Synapses split over devices: the same numbers, and nothing sent between them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "helpers" / "sharded_run.py"


def start(*arguments, devices):
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "PYTHONPATH": str(SCRIPT.parents[2]),
    }
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def printed(process):
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return dict(line.split(" ", 1) for line in out.splitlines())


def test_eight_devices_of_one_process():
    result = printed(start(devices=8))
    assert result == {"devices": "8 shards here 8", "collectives": "[]", "equal": "True"}


@pytest.mark.wide
def test_two_processes_joined_on_the_loopback_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    both = [start(port, str(i), devices=2) for i in range(2)]
    for result in map(printed, both):
        assert result == {"devices": "4 shards here 2", "collectives": "[]", "equal": "True"}
