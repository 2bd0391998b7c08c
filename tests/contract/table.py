"""The kernels that every test of this folder goes through: those of the library, schemes, sums, receptors of one's own.

**A new kernel is one row of `ROWS`**: the kernel, how its equations are solved, these once more without synkin
(`Solution`), and how exact it is; of one of the library also its response and what of it is fitted. The tests cross all
rows with what holds for every kernel: all ways to run it are one run, which solves the equations, wherever in time;
derivatives are those of the values. Parameters are drawn about the defaults (`point`).
"""

from collections import namedtuple
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import schemes
from tests.helpers.solutions import Solution, trace

# Kernels of one's own, rates in /ms and /ms/mM


def desensitising(p, y, T):
    return {"O": p.alpha * T * (1 - y.O - y.D) - (p.beta + p.d) * y.O, "D": p.d * y.O - p.r * y.D}


DesensitisingParams = namedtuple(
    "DesensitisingParams", "alpha beta d r T T_dur", defaults=(1, 0.2, 0.1, 0.02, 1.0, 1.0)
)
DesensitisingState = namedtuple("DesensitisingState", "O D pulse_left")
desensitising = synkin.receptor(desensitising, DesensitisingParams, DesensitisingState, conductance=lambda p, y: y.O)


def closing_gate(p, y, T):
    """A gate whose closing x drives too."""
    return {"x": p.k * T * (1 - y.x) - p.u * y.x, "g": p.a * y.x * (1 - y.g) - (p.b + p.c * y.x) * y.g}


GateParams = namedtuple("GateParams", "k u a b c T T_dur", defaults=(1.0, 0.5, 2.0, 0.05, 0.3, 1.0, 1.0))
GateState = namedtuple("GateState", "g x pulse_left")
closing_gate = synkin.receptor(closing_gate, GateParams, GateState)
OscillatorParams = namedtuple("OscillatorParams", "a w", defaults=(0.05, 0.3))  # damping, frequency
OscillatorState = namedtuple("OscillatorState", "y1 y2")
oscillator = synkin.linear(
    lambda p, y: {"y1": -p.a * y.y1 - p.w * y.y2, "y2": p.w * y.y1 - p.a * y.y2},
    OscillatorParams, OscillatorState, input="y1", conductance=lambda p, y: y.y1 + 0.5 * y.y2, name="oscillator",
)  # fmt: skip
CascadeParams = namedtuple("CascadeParams", "k1 k2 k3", defaults=(1.0, 0.3, 0.02))
CascadeState = namedtuple("CascadeState", "g b a")  # the last one comes first here
cascade = synkin.linear(
    lambda p, y: {"a": -p.k1 * y.a, "b": p.k1 * y.a - p.k2 * y.b, "g": p.k2 * y.b - p.k3 * y.g},
    CascadeParams, CascadeState, input="a", name="cascade",
)  # fmt: skip
squared = synkin.receptor(  # g is no weighted sum of the variables
    synkin.kernels.ampa.equations, synkin.kernels.ampa.Params, synkin.kernels.ampa.State,
    conductance=lambda p, y: y.g**2, name="squared",
)  # fmt: skip
two_states = synkin.scheme("C + glu <-> O : kon, koff", open="O", name="two_states", kon=1.1, koff=0.19)
# Of a voltage, which may vary during a run.
three_states = synkin.scheme(
    "C + glu <-> O : kon, koff\nO <-> D : kd, kr", open="O", kon=5.0, kd=0.1, kr=0.05, V=-40.0, signed="V",
    units={"V": "mV"}, koff=lambda p: 0.3 * jnp.exp(-p.V / 30), name="three_states",
)  # fmt: skip


# Their equations once more


def _alpha(y, p, T):
    return -y[0] / p.tau, (y[0] - y[1]) / p.tau


def _ampa(y, p, T):
    return (p.alpha * T * (1 - y[0]) - p.beta * y[0],)


def _bionmda(y, p, T):
    return p.alpha2 * T * (1 - y[0]) - p.beta2 * y[0], p.alpha1 * y[0] * (1 - y[1]) - p.beta1 * y[1]


def _wang_nmda(y, p, T):
    return -y[0] / p.tau_x, p.alpha * y[0] * (1 - y[1]) - y[1] / p.tau_s


def _normalised(y, p):
    """The difference of two unit exponentials peaks at t_peak, where its derivative is 0; w is it over ``gap``."""
    gap = 1 / p.tau_rise - 1 / p.tau_decay
    t_peak = np.log(p.tau_decay / p.tau_rise) / gap
    return p.amplitude * y[1] * gap / (np.exp(-t_peak / p.tau_decay) - np.exp(-t_peak / p.tau_rise))


def _nmda5(y, p, T):
    C1, C2, D, O = y
    bind = p.kon * T
    return (
        bind * (1 - C1 - C2 - D - O) - (p.koff + bind) * C1 + p.koff * C2,
        bind * C1 - (p.koff + p.kd + p.beta) * C2 + p.kr * D + p.alpha * O,
        p.kd * C2 - p.kr * D,
        p.beta * C2 - p.alpha * O,
    )


def _desensitising(y, p, T):
    return p.alpha * T * (1 - y[0] - y[1]) - (p.beta + p.d) * y[0], p.d * y[0] - p.r * y[1]


def _gabab(y, p, T):
    return p.K1 * T * (1 - y[0]) - p.K2 * y[0], p.K3 * y[0] - p.K4 * y[1]


def _closing_gate(y, p, T):
    return p.k * T * (1 - y[0]) - p.u * y[0], p.a * y[0] * (1 - y[1]) - (p.b + p.c * y[0]) * y[1]


def _dual_expon(y, p, T):
    return -y[0] / p.tau_rise, y[0] - y[1] / p.tau_decay


def _oscillator(y, p, T):
    return -p.a * y[0] - p.w * y[1], p.w * y[0] - p.a * y[1]


def _cascade(y, p, T):
    return -p.k1 * y[0], p.k1 * y[0] - p.k2 * y[1], p.k2 * y[1] - p.k3 * y[2]


def _first(y, p):
    return y[0]


def _last(y, p):
    return y[-1]


# The rows


class Row(NamedTuple):
    kernel: Any
    kind: str = ""  # of its structure; a sum has none, and no solution of its own
    solution: Solution | None = None
    tolerance: tuple[float, ...] = (1e-12, 1e-12, 1e-12)  # of "exact" at each dt of `DTS`
    dear: bool = False  # whether it takes long to compile: much of it is for `pytest -m wide`
    # Of the library's kernels. Of the answer to one input: peak and its time, 10-90 % rise, half width, decay to 1/e,
    # found by a root finder on the closed form; of gates on the solution of DOP853 at rtol 1e-12.
    response: tuple[float, ...] = ()
    free: tuple[str, ...] = ()  # what the shape of a response tells, for a fit


_BINDING = Solution(("g",), _ampa, _first)
_GATE = (1e-9, 1e-6)  # a quadrature over each step, which one of 10 ms is too long for

ROWS = {
    row.kernel.name: row
    for row in (
        Row(
            synkin.alpha, "chain", Solution(("h", "g"), _alpha, _last, (0,)),
            response=(np.exp(-1), 8.0, 4.56096, 19.57109, 17.16955), free=("tau",),
        ),
        Row(
            synkin.ampa, "relaxation", _BINDING,
            response=(0.208186, 0.5, 0.39870, 4.12200, 5.55556), free=("alpha", "beta", "T_dur"),
        ),
        Row(
            synkin.gabaa, "relaxation", _BINDING,
            response=(0.379477, 1.0, 0.78790, 4.43800, 5.55556), free=("alpha", "beta", "T_dur"),
        ),
        Row(
            synkin.bionmda, "gate", Solution(("x", "g"), _bionmda, _last), _GATE, dear=True,
            response=(0.754487, 6.76162, 2.52576, 77.21759, 102.08171), free=("beta1", "beta2"),
        ),
        Row(
            synkin.wang_nmda, "gate", Solution(("x", "g"), _wang_nmda, _last, (0,)), _GATE, dear=True,
            response=(0.591836, 7.0765, 2.90570, 77.575, 102.055), free=("tau_x", "tau_s"),
        ),
        Row(
            synkin.expon, "relaxation", Solution(("g",), lambda y, p, T: (-y[0] / p.tau,), _first, (0,)),
            response=(1.0, 0.0, 0.0, 8 * np.log(2), 8.0), free=("tau",),
        ),
        Row(
            synkin.dual_expon, "chain", Solution(("g_rise", "w"), _dual_expon, _normalised, (0,)),
            response=(1.0, 2.55843, 1.34716, 10.03544, 11.05355), free=("tau_decay", "tau_rise"),
        ),
        Row(
            two_states, "relaxation",
            Solution(("O",), lambda y, p, T: (p.kon * T * (1 - y[0]) - p.koff * y[0],), _first),
        ),
        # At 10 ms DOP853 itself is 3e-12 off the closed form.
        Row(squared, "relaxation", Solution(("g",), _ampa, lambda y, p: y[0] ** 2), (1e-12, 1e-12, 4e-12)),
        Row(schemes.nmda5, "occupancies", Solution(("C1", "C2", "D", "O"), _nmda5, _last)),
        # At 10 ms DOP853 itself is 6e-13 off a matrix exponential.
        Row(desensitising, "occupancies", Solution(("O", "D"), _desensitising, _first), (1e-12, 1e-12, 2e-12)),
        Row(schemes.gabab, "affine", Solution(("R", "G"), _gabab, lambda y, p: y[1] ** 4 / (y[1] ** 4 + p.KD))),
        Row(closing_gate, "gate", Solution(("x", "g"), _closing_gate, _last), _GATE, dear=True),
        Row(oscillator, "affine", Solution(("y1", "y2"), _oscillator, lambda y, p: y[0] + 0.5 * y[1], (0,))),
        Row(cascade, "affine", Solution(("a", "b", "g"), _cascade, _last, (0,))),
        Row(synkin.ampa + desensitising),
        Row(synkin.expon + synkin.dual_expon),
    )
}  # fmt: skip
SOLUTIONS = {name: row.solution for name, row in ROWS.items() if row.solution}
# Those that are quick to compile.
USUAL = "alpha", "ampa", "expon", "dual_expon", "two_states", "squared", "cascade", "expon+dual_expon"
DTS = 0.1, 1.0, 10.0  # ms
STEPS, SYNAPSES = 40, 3
# ms: pulses that end within their first step, within another, and after the next spike.
LENGTHS = 0.037, 0.83, 3.21


def wide(cases, quick):
    """Cases of a test; those that are not ``quick`` are for `pytest -m wide`."""
    every = [(case, case if isinstance(case, tuple) else (case,)) for case in cases]
    return [pytest.param(*values, marks=() if case in quick else pytest.mark.wide) for case, values in every]


def rows(*quick, only=lambda row: True):
    """The names of the rows, as cases of a test; gabaa has ampa's equations."""
    return wide([name for name, row in ROWS.items() if only(row) and name != "gabaa"], quick or USUAL)


def is_receptor(row):
    return not row.kernel.input.takes_weights


def allowed(name, weights):
    """Weights as they may be given: one that opens a gate is not negative."""
    return abs(weights) if any(part.structure.gated for part in ROWS[name].kernel.parts) else weights


def point(name, shape=(), dtype=float, seed=0):
    """Parameters about the defaults, a set for each synapse; no pulse ends on the grid or at a sample."""
    defaults, rng = ROWS[name].kernel.Params(), np.random.default_rng(seed)
    drawn = {field: np.asarray(x * rng.uniform(0.7, 1.4, shape), dtype) for field, x in defaults._asdict().items()}
    lengths = np.resize(LENGTHS, shape) if shape else 0.83
    for i, field in enumerate(field for field in drawn if field.endswith("T_dur")):
        drawn[field] = np.asarray(lengths + 0.011 * i, dtype)
    return type(defaults)(**drawn)


def train(name, shape, seed=1, dtype=float):
    """Spikes, or weights of either sign in mS: in the first row, before the middle, and a few between."""
    rng = np.random.default_rng(seed)
    spikes = rng.random(shape) < 0.15
    spikes[0] = spikes[shape[0] // 2 - 1] = True
    if is_receptor(ROWS[name]):
        return spikes
    weights = allowed(name, rng.normal(size=shape))
    if name == "wang_nmda":  # of which one synapse has an x far beyond the table of small ones
        weights[..., 0] *= 50
    return np.asarray(spikes * weights, dtype)


def expected(name, params, inputs, dt, overlap="restart"):
    """g at the end of each step, (T, N), by the rows' solutions."""
    kernel = ROWS[name].kernel
    shares = (1.0, *(np.asarray(share, float) for share in kernel.relative(params)))
    return sum(
        share * trace(SOLUTIONS[part.name], own, inputs, dt, overlap)
        for part, own, share in zip(kernel.parts, kernel.params_of(params), shares, strict=True)
    )
