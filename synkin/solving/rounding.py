"""The warning that "exp_euler" rounds the length of a pulse to whole steps."""

import sys
import warnings

import numpy as np

from synkin.arguments.declaration import AnyParams
from synkin.arguments.inputs import StartsPulse
from synkin.arguments.known import concrete_value
from synkin.solving import pulses
from synkin.solving.kernel_protocol import Kernel

_warned: set[str] = set()


def warn_of_rounding(kernel: Kernel, params: AnyParams, dt: object, method: str | None) -> None:
    """Warn, once in a process, if "exp_euler" changes the known length of a pulse by more than 1 %.

    Args:
        kernel, method: as for `stepper`.
        params: ``Params`` that have been checked.
        dt: ms.
    """
    if not isinstance(kernel.input, StartsPulse) or kernel.solved_by(method) != "exp_euler":
        return
    for part, own in zip(kernel.parts, kernel.params_of(params), strict=True):
        T_dur, step = concrete_value(own.T_dur), concrete_value(dt)
        if T_dur is None or step is None or not T_dur.size:
            continue
        lasts = pulses.whole_steps(T_dur, step)
        off = np.abs(lasts - T_dur) - 0.01 * T_dur
        if off.max() <= 0:
            continue
        i = off.argmax()
        by = 'take method="exact", or a dt' if "exact" in kernel.methods else "take a dt"
        text = (
            f"A pulse of {part.name} with T_dur = {T_dur.flat[i]:.6g} ms lasts {lasts.flat[i]:.6g} ms with "
            f'"exp_euler" at dt = {float(step):.6g} ms, where pulses are of whole steps: {by} that divides T_dur.'
        )
        if text not in _warned:
            depth, frame = 1, sys._getframe()
            while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "synkin":
                depth, frame = depth + 1, frame.f_back
            warnings.warn(text, stacklevel=depth)
            _warned.add(text)
