"""Makes recording.csv, the synthetic recording that ships with synkin: a postsynaptic current with noise.

Run it from anywhere: ``python synkin/data/make_recording.py``. The receptor's equation is stepped here, without
synkin, so that fitting the recording with synkin says something about both. The standard library's generator gives
the same numbers in every version of Python.
"""

import math
import random
from pathlib import Path

SPIKES = (5.0, 25.0, 28.0, 31.0)  # ms; far enough apart, once, to see the decay, and close enough to saturate
ALPHA, BETA, T, T_DUR = 1.6, 0.3, 0.5, 0.8  # /ms/mM, /ms, mM, ms
DELAY = 0.35  # ms from a spike to the transmitter
SCALE, BASELINE = -40.0, -2.0  # pA/mS, pA
NOISE = 0.3  # pA, standard deviation
DURATION, DT = 60.0, 0.1  # ms
SEED = 7


def conductance() -> list[float]:
    """g at the sample times, from the rate equation in steps of a hundredth of a sample."""
    g, steps, fine = 0.0, 100, DT / 100
    values = []
    for i in range(round(DURATION / DT)):
        values.append(g)
        for k in range(steps):
            middle = (i * steps + k + 0.5) * fine
            binding = ALPHA * T if any(0 <= middle - DELAY - spike < T_DUR for spike in SPIKES) else 0.0
            rate = binding + BETA
            g = binding / rate + (g - binding / rate) * math.exp(-rate * fine)
    return values


def text() -> str:
    """The content of recording.csv."""
    generator = random.Random(SEED)
    lines = [
        "# Synthetic recording, made by make_recording.py: the current of an ampa receptor with"
        f" alpha {ALPHA}, beta {BETA}, T {T}, T_dur {T_DUR}, {SCALE:g} pA/mS, baseline {BASELINE:g} pA,",
        f"# {DELAY} ms after spikes at {', '.join(f'{spike:g}' for spike in SPIKES)} ms,"
        f" with white noise of {NOISE} pA.",
        "time_ms,current_pA",
    ]
    for i, g in enumerate(conductance()):
        lines.append(f"{i * DT:.1f},{SCALE * g + BASELINE + generator.gauss(0.0, NOISE):.3f}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("recording.csv").write_text(text(), encoding="utf-8")
