"""Synapses split over devices: the same numbers, and nothing sent between them."""

import pytest

from tests.helpers.devices import joined, printed, started

SCRIPT = "sharded_run.py"


def test_eight_devices_of_one_process():
    assert printed(started(SCRIPT, devices=8)) == ["devices 8 shards here 8", "collectives []", "equal True"]


@pytest.mark.wide
def test_two_processes_joined_on_the_loopback_address():
    for process in joined(SCRIPT):
        assert printed(process) == ["devices 4 shards here 2", "collectives []", "equal True"]
