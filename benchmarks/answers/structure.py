"""Receptors of one's own whose equations have thresholds, with parameters on the other side than the defaults."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import synkin
from benchmarks.answers import Row
from synkin import schemes


class Params(NamedTuple):
    """Defaults below every threshold."""

    V: float = -65.0  # mV
    ca: float = 0.1  # uM
    alpha: float = 1.0  # /ms/mM
    beta: float = 0.2  # /ms
    d: float = 0.3  # /ms
    r: float = 0.05  # /ms
    T: float = 1.0  # mM
    T_dur: float = 1.0  # ms


class Open(NamedTuple):
    """One state."""

    g: jax.Array
    pulse_left: jax.Array


class Two(NamedTuple):
    """Open and desensitised."""

    O: jax.Array
    D: jax.Array
    pulse_left: jax.Array


class Gated(NamedTuple):
    """A gate and what opens it."""

    g: jax.Array
    x: jax.Array
    pulse_left: jax.Array


def _rectified(p: Any, y: Any, T: Any) -> dict[str, Any]:
    return {"x": T * (1 - y.x) - y.x, "g": 0.05 * jnp.maximum(p.V, 0) * y.x - p.beta * y.g}


def _in_python(p: Any, y: Any, T: Any) -> dict[str, Any]:
    return {"g": 0.05 * max(p.V, 0) * T * (1 - y.g) - p.beta * y.g}


def _desensitising(p: Any, y: Any, T: Any) -> dict[str, Any]:
    into = jnp.where(p.ca > 1, p.d, 0.0) * y.O
    return {"O": p.alpha * T * (1 - y.O - y.D) - p.beta * y.O - into, "D": into - p.r * y.D}


def _signed(p: Any, y: Any, T: Any) -> dict[str, Any]:
    into = (p.d - p.r) * y.O
    return {"O": p.alpha * T * (1 - y.O - y.D) - p.beta * y.O - into, "D": into - p.r * y.D}


def _gated(p: Any, y: Any, T: Any) -> dict[str, Any]:
    return {"x": T * (1 - y.x) - y.x, "g": 0.01 * p.V * y.x * (1 - y.g) - p.beta * y.g}


def _leaking(p: Any, y: Any, T: Any) -> dict[str, Any]:
    return {"x": (T + p.ca) * (1 - y.x) - y.x, "g": p.alpha * y.x * (1 - y.g) - p.beta * y.g}


def _conducting(p: Any, y: Any) -> Any:
    return 0.1 * y.O + jnp.where(p.V > 0, 1.0, 0.0) * y.D


def _after_a_pulse(equations: Any, State: Any, method: str, conductance: Any = None, **values: float) -> str:
    """g at the end of a pulse of 1 ms, and 3 ms later."""
    kernel = synkin.receptor(equations, Params, State, conductance=conductance, signed=("V",), name="mine")
    _, g = synkin.simulate(kernel, Params(**values), np.arange(400) == 0, 0.01, method=method)
    return f"{g[99]:.4f}, {g[399]:.4f}"


def _respond(equations: Any, State: Any, conductance: Any = None, **values: float) -> str:
    """The same, off the grid."""
    kernel = synkin.receptor(equations, Params, State, conductance=conductance, signed=("V",), name="mine")
    return ", ".join(f"{g:.4f}" for g in synkin.respond(kernel, Params(**values), [0.0], [1.0, 4.0]))


def _traced(equations: Any, State: Any, **values: float) -> str:
    """The same on the grid, the parameters traced."""
    kernel = synkin.receptor(equations, Params, State, signed=("V",), name="mine")
    run = jax.jit(lambda p: synkin.simulate(kernel, p, np.arange(400) == 0, 0.01, method="exact")[1])
    g = run(Params(**values))
    return f"{g[99]:.4f}, {g[399]:.4f}"


def _scheme(V: float) -> str:
    kernel = synkin.scheme(
        "C + glu <-> O : kon, k", open="O", kon=1.0, k=lambda p: 0.01 * (p.V + 70), V=-60.0, signed=("V",)
    )
    _, g = synkin.simulate(kernel, kernel.Params(V=V), np.arange(40) == 0, 0.1)
    return f"{g[-1]:.4f}"


def _kinds() -> str:
    kernels = {**synkin.KERNELS, **schemes.SCHEMES}
    kinds = [kernel.structure.kind for kernel in kernels.values()]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))


_RISEN = "0.2633, 0.4142"
_PASSED = "0.1419, 0.3005"

ROWS = (
    Row(
        'a rate of maximum(V, 0): g 1 and 4 ms after a spike at V = 20 mV, default -65, "exact"',
        _RISEN,
        partial(_after_a_pulse, _rectified, Gated, "exact", V=20.0),
    ),
    Row(
        'the same, "exp_euler"',
        f"{_RISEN} to a few 1e-3",
        partial(_after_a_pulse, _rectified, Gated, "exp_euler", V=20.0),
    ),
    Row("the same, respond", _RISEN, partial(_respond, _rectified, Gated, V=20.0)),
    Row(
        "Python's max in that rate",
        "refused when declared, with what to write",
        partial(_after_a_pulse, _in_python, Open, "exact", V=20.0),
    ),
    Row(
        'desensitisation above ca = 1: D at ca = 3, default 0.1, "exact"',
        "0.0926, 0.2895",
        partial(_after_a_pulse, _desensitising, Two, "exact", lambda p, y: y.D, ca=3.0),
    ),
    Row(
        'the same, "exp_euler"',
        "0.0926, 0.2895 to a few 1e-4",
        partial(_after_a_pulse, _desensitising, Two, "exp_euler", lambda p, y: y.D, ca=3.0),
    ),
    Row(
        'a conductance with a term above V = 0, at 20 mV, default -65, "exact"',
        _PASSED,
        partial(_after_a_pulse, _desensitising, Two, "exact", _conducting, ca=3.0, V=20.0),
    ),
    Row("the same, respond", _PASSED, partial(_respond, _desensitising, Two, _conducting, ca=3.0, V=20.0)),
    Row(
        "a rate d - r that is negative with the parameters in use, and positive with the defaults",
        "0.6338, 0.5455",
        partial(_after_a_pulse, _signed, Two, "exact", lambda p, y: y.O, d=0.0, r=0.15),
    ),
    Row(
        'a gate whose opening rate 0.01 V is negative at V = -65, "exact"',
        "refused",
        partial(_after_a_pulse, _gated, Gated, "exact", V=-65.0),
    ),
    Row("the same, V = 20", "0.0512, 0.0779", partial(_after_a_pulse, _gated, Gated, "exact", V=20.0)),
    Row("the same, V = -65 and traced", "nan, nan", partial(_traced, _gated, Gated, V=-65.0)),
    Row(
        'a gate that is opened by what leaks without transmitter, ca = 0.5, "exact"',
        "0.2942, 0.5823, or refused",
        partial(_after_a_pulse, _leaking, Gated, "exact", ca=0.5),
    ),
    Row("a scheme's rate 0.01 (V + 70) at V = -80, default -60", "refused", partial(_scheme, -80.0)),
    Row(
        "the kinds of the library's equations",
        "3 affine, 2 chain, 1 gate, 14 occupancies, 3 relaxation",
        _kinds,
    ),
)
