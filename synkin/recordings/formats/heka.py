"""HEKA's bundles (.dat of Patchmaster), through pyHEKA."""

from datetime import datetime
from pathlib import Path

import numpy as np

from synkin.recordings.formats.sweeps import Sweeps, choose, package, reading
from synkin.recordings.signal_unit import SCALED

# How a bundle begins.
BEGINS = (b"DAT1", b"DAT2")


def read(path: Path, channel: int | str, unit: str | None) -> Sweeps:
    """HEKA: each trace of a series, called "group/series trace", is a channel, whose sweeps are those of the series."""
    del unit
    pyheka = package("pyheka", "heka", "HEKA files")
    with reading(path, "pyHEKA"), pyheka.Bundle(str(path)) as bundle:
        places = {}
        for g, group in enumerate(bundle.pul.children):
            for s, series in enumerate(group.children):
                for t, trace in enumerate(series.children[0].children if series.children else ()):
                    name = f"{group.Label}/{series.Label} {trace.Label}"
                    places[f"{name} {s}" if name in places else name] = (g, s, t)
        names = list(places)
        g, s, t = places[names[choose(path, channel, names)]]
        series = bundle.pul.children[g].children[s]
        sweeps = [sweep for sweep in series.children if len(sweep.children) > t]
        at = [series.children.index(sweep) for sweep in sweeps]
        records = [sweep.children[t] for sweep in sweeps]
        said = str(records[0].YUnit)
        to = SCALED.get(said)
        traces = [np.asarray(bundle.data[g, s, k, t], float) * (to.factor if to else 1.0) for k in at]
        times = [np.arange(len(trace)) * 1000 * record.XInterval for trace, record in zip(traces, records, strict=True)]
        began = [sweep.Time for sweep in sweeps]
    starts = None
    if all(isinstance(time, datetime) for time in began):
        starts = np.array([(time - began[0]).total_seconds() * 1000 for time in began])
    labels = [f"sweep {k}" for k in at]
    own = to.unit if to else said
    return Sweeps(times, traces, own, labels, channels=tuple(names), start_times=starts, protocol=str(series.Label))
