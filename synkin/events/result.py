"""The result of a deconvolution."""

from typing import Annotated, NamedTuple

import numpy as np

from synkin.arguments import fields


@fields.described
class Events(NamedTuple):
    """K events that were found in a trace, in the order of time."""

    times: Annotated[np.ndarray, "(K,) when each acts, as a spike time of `respond` does", "ms"]
    sizes: Annotated[np.ndarray, "(K,) the peak of each event's own response, signed", "the trace's unit"]
    weights: Annotated[np.ndarray, "(K,) sizes over the peak of the kernel's response", "the trace's unit per mS"]
    size_errors: Annotated[np.ndarray, "(K,) standard error of each size, from the noise", "the trace's unit"]
    noise: Annotated[float, "standard deviation of the samples without baseline and events", "the trace's unit"]
    threshold: Annotated[float, "the smallest size at which an event by itself is found", "the trace's unit"]
    curve: Annotated[np.ndarray, "(M,) the sum of all events", "the trace's unit"]
    baseline: Annotated[np.ndarray, "(M,) what varies more slowly than events", "the trace's unit"]
    duration: Annotated[float, "from the first sample to the last", "ms"]
    unit: Annotated[str, "the trace's, such as 'pA'; '' if it is not known"]

    @property
    def rate(self) -> float:
        """Events a second."""
        return len(self.times) / self.duration * 1000

    def __repr__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        parts = [f"{len(self.times):,} in {self.duration:,.6g} ms"]
        if len(self.times):
            parts += [f"{self.rate:.3g} a second", f"median size {np.median(self.sizes):.4g}{unit}"]
        parts += [f"threshold {self.threshold:.3g}{unit}", f"noise {self.noise:.3g}{unit}"]
        return f"Events({', '.join(parts)})"
