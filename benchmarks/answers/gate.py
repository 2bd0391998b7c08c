"""A gate that a variable x opens: its exact step for any x, and at any rates."""

from functools import partial
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

import synkin
from benchmarks.answers import Row


class Params(NamedTuple):
    """x is what a spike brings, in mM."""

    source: Annotated[Any, "of x, which may be negative"] = 1.0
    T: float = 10.0
    T_dur: float = 5.0


class State(NamedTuple):
    """Nothing is there at rest."""

    s: jax.Array
    x: jax.Array
    pulse_left: jax.Array


gate = synkin.receptor(
    lambda p, y, T: {"x": p.source * T - y.x / 2, "s": 0.5 * y.x * (1 - y.s) - y.s / 100},
    Params,
    State,
    conductance=lambda p, y: y.s,
    signed=("source",),
    name="gate",
)


def _far_above_1(way: str, dtype: str) -> str:
    jax.config.update("jax_enable_x64", True)
    spikes = np.arange(100) == 0
    if way == "simulate":
        g = synkin.simulate(gate, Params(), spikes, 0.1, method="exact", dtype=dtype)[1]
    elif way == "respond":
        g = synkin.respond(gate, Params(), [0.0], np.arange(1, 101) * 0.1, dtype=dtype)
    else:
        stepper = synkin.stepper(gate, Params(), 0.1, method="exact", dtype=dtype)
        g = jax.lax.scan(stepper.step, stepper.init(()), spikes)[1]
    return ", ".join(f"{float(g[round(10 * t) - 1]):.3f}" for t in (1, 3, 5, 10))


def _below_0() -> str:
    g = synkin.simulate(gate, Params(source=-1.0, T_dur=0.5), np.arange(40) == 0, 0.1, method="exact")[1]
    return f"{float(g[-1]):.3f}"


def _fast(factor: float, dt: float, way: str, dtype: str) -> str:
    """The largest error of bionmda with all its rates that many times faster, against LSODA."""
    jax.config.update("jax_enable_x64", True)
    kernel, steps = synkin.bionmda, 20
    default = kernel.Params()
    rates = {name: factor * getattr(default, name) for name in ("alpha1", "beta1", "alpha2", "beta2")}
    params = default._replace(**rates, T_dur=2.3 * dt)
    spikes = np.isin(np.arange(steps), (0, 9))
    if way == "respond":
        times = np.arange(1, steps + 1) * dt
        g = synkin.respond(kernel, params, np.flatnonzero(spikes) * dt, times, dtype=dtype)
    elif way == "simulate":
        g = synkin.simulate(kernel, params, spikes, dt, method="exact", dtype=dtype)[1]
    elif way == "stepper":
        stepper = synkin.stepper(kernel, params, dt, method="exact", dtype=dtype)
        g = jax.lax.scan(stepper.step, stepper.init(()), spikes)[1]
    else:

        def body(state: Any, spike: Any) -> Any:
            return kernel.step(params, state, 0.0, spike, dt, method="exact")

        g = jax.lax.scan(body, kernel.init(params, (), dtype=dtype), jnp.asarray(spikes))[1]
    p, y, right, now = params, np.zeros(2), np.zeros(steps), 0.0
    for end in sorted({*(np.arange(1, steps + 1) * dt), 2.3 * dt, 11.3 * dt}):
        T = float(now < 2.3 * dt - 1e-9 or 9 * dt - 1e-9 < now < 11.3 * dt - 1e-9)

        def rhs(t: float, y: Any, T: float = T) -> Any:
            x, g = y
            return p.alpha2 * T * (1 - x) - p.beta2 * x, p.alpha1 * x * (1 - g) - p.beta1 * g

        y, now = solve_ivp(rhs, (now, end), y, "LSODA", rtol=1e-11, atol=1e-14).y[:, -1], end
        if abs(end / dt - round(end / dt)) < 1e-6:
            right[round(end / dt) - 1] = y[1]
    return f"{np.abs(np.asarray(g, float) - right).max() / right.max():.0e}"


ROWS = (
    *(
        Row(
            f"x to 20, g 1, 3, 5 and 10 ms after a spike, {way}, {dtype}",
            "0.879, 0.999, 0.999, 0.991",
            partial(_far_above_1, way, dtype),
        )
        for way in ("simulate", "stepper", "respond")
        for dtype in ("float64", "float32")
    ),
    Row("a source of x below 0", "nan", _below_0),
    *(
        Row(
            f"bionmda's rates x{factor:g}, dt {dt:g}: alpha1 dt {2 * factor * dt:g}, largest error by {way}, {dtype}",
            "1e-9 (the reference) or less, float32 1e-6",
            partial(_fast, factor, dt, way, dtype),
        )
        for factor, dt in ((100.0, 1.0), (1000.0, 0.1), (50_000.0, 0.1))
        for way, dtype in (
            ("simulate", "float64"),
            ("simulate", "float32"),
            ("step", "float64"),
            ("respond", "float64"),
        )
    ),
)
