"""What a deconvolution gives."""

from typing import NamedTuple

import numpy as np


class Events(NamedTuple):
    """Events that were found in a trace, K of them, in the order of time."""

    times: np.ndarray  # (K,) ms: when each acts, as a spike time of `respond` does
    sizes: np.ndarray  # (K,) the trace's unit, signed: the peak of each one's answer alone
    weights: np.ndarray  # (K,) the trace's unit per mS: sizes over the peak of the kernel's answer to one event
    size_errors: np.ndarray  # (K,) the trace's unit: standard error of each size, as the noise makes it
    noise: float  # the trace's unit: standard deviation of a sample that is left, less baseline and events
    threshold: float  # the trace's unit: the smallest size that is found where an event is alone
    curve: np.ndarray  # (M,) the trace's unit: the sum of all events
    baseline: np.ndarray  # (M,) the trace's unit: what varies more slowly
    duration: float  # ms, from the first sample to the last
    unit: str  # the trace's, such as "pA"; "" if it is not known

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
