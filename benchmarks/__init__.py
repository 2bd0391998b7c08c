"""How fast synkin is: beside brainpy.state, beside a `lax.scan` written by hand, and beside what the machine can do.

python -m benchmarks [--quick] [--only NAME] [--json FILE] [--plot FILE] [--against FILE]

jobs/            what is measured, one file a job, and the one list of them
workloads.py     how much of it: sizes, spikes, parameters
contenders.py    who is measured, each behind the same signature: synkin, a scan written by hand, brainpy.state
forward.py       a forward run of each of them, checked and timed
limit.py         a compiled loop over the same data (loops.py, numba), or a copy of it on an accelerator
textbook.py      what the right result is: the equations in float64
timing.py        correctness first, then medians of calls taken in turn
neuron.py        NEURON's KINETIC of a scheme, where NEURON is installed
processes.py     jobs that need fresh processes: first_calls.py and split_run.py run in them
report.py        the table on screen, the JSON file, the picture
against.py       what got slower since an earlier JSON file

Commands of their own: accelerator.py, event_templates.py, answers/, decision_network/, ei_network.py,
brainstate_synapses.py.
"""
