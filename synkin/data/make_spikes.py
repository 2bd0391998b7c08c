"""Makes spikes.csv, the spike train that ships with synkin: a Poisson process with a refractory period.

Run it from anywhere: ``python synkin/data/make_spikes.py``. The standard library's generator gives the same
numbers in every version of Python.
"""

import random
from pathlib import Path

DURATION = 2000.0  # ms
REFRACTORY = 3.0  # ms without a spike after each one
RATE = 0.033  # spikes per ms outside the refractory period
SEED = 10


def spike_times() -> list[float]:
    """The spike times in ms, increasing."""
    generator = random.Random(SEED)
    times = []
    time = generator.expovariate(RATE)
    while time < DURATION:
        times.append(time)
        time += REFRACTORY + generator.expovariate(RATE)
    return times


def text() -> str:
    """The content of spikes.csv."""
    comment = (
        "# Synthetic spike train, made by make_spikes.py: a Poisson process of"
        f" {1000 * RATE:g} spikes/s with a refractory period of {REFRACTORY:g} ms, {DURATION:g} ms long."
    )
    return "\n".join([comment, "spike_time_ms", *(f"{time:.3f}" for time in spike_times())]) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("spikes.csv").write_text(text(), encoding="utf-8")
