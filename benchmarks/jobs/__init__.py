"""What is measured, one file a job, and the one list of them.

A job is a module with

    its docstring            "Title: what is measured", which stands above its table
    UNIT                     of its figures; less is better
    rows(scale) -> Row, ...  one `timing.Row` after the other, each as soon as it is there

Nearly all of them build a dictionary of `timing.Call` by contender and hand it to `timing.compare`, which checks the
results first and then takes the times; `forward.measure` does so for a forward run. To add a job: write its module
beside these, and add its line here.
"""

from types import ModuleType

from benchmarks.jobs import (
    cold_start,
    devices,
    gradient,
    long_gradient,
    memory,
    one_synapse,
    parallel,
    parameters,
    readout,
    schemes,
    trace,
    transmitter,
    update,
    varying,
)

JOBS: dict[str, ModuleType] = {
    "readout": readout,
    "trace": trace,
    "gradient": gradient,
    "memory": memory,
    "long_gradient": long_gradient,
    "update": update,
    "one_synapse": one_synapse,
    "parameters": parameters,
    "parallel": parallel,
    "schemes": schemes,
    "varying": varying,
    "transmitter": transmitter,
    "devices": devices,
    "cold_start": cold_start,
}
