"""What is read off equations: it holds for all parameters, and what it leaves to the parameters in use is checked.

Receptors with thresholds are compared with DOP853 on both sides of them, with defaults on one side alone.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import synkin

# Receptors with thresholds


class Params(NamedTuple):
    V: float = -65.0  # mV
    ca: float = 0.1  # uM
    alpha: float = 0.9  # /ms/mM
    beta: float = 0.2  # /ms
    d: float = 0.3  # /ms
    r: float = 0.05  # /ms
    T: float = 1.0  # mM
    T_dur: float = 1.0  # ms


class Linear(NamedTuple):
    V: float = -65.0  # mV
    tau: float = 4.0  # ms


Chain = NamedTuple("Chain", [(name, jax.Array) for name in ("g", "h")])
Open, Two, Gated = (
    NamedTuple("State", [(name, jax.Array) for name in (*names, "pulse_left")]) for names in ("g", "OD", "gx")
)
VOLTAGES = np.array([-80.0, -40.0, 0.0, 40.0])
OPENING = np.array([0.0, 0.1, 0.4, 0.9])


# Equations of a namespace, that of JAX or of NumPy.


@jax.jit
def half_way(V):
    return jnp.where(V > -30.0, 0.5, 0.1)


def rectified(xp):
    return lambda p, y, T: {"g": 0.05 * xp.maximum(p.V, 0) * T * (1 - y.g) - p.beta * y.g}


def states(into):
    """Of receptors, of which some desensitise."""
    return lambda p, y, T: {
        "O": p.alpha * T * (1 - y.O - y.D) - p.beta * y.O - into(p, y),
        "D": into(p, y) - 0.01 * y.D,
    }


def looked_up(xp):
    """As a matrix, with a table."""

    def equations(p, y, T):
        k = p.alpha * T * xp.interp(p.V, VOLTAGES, OPENING)
        O, D = xp.array([[-k - p.beta - p.d, -k], [p.d, -p.r]]) @ xp.stack([y.O, y.D]) + xp.array([k, 0.0])
        return {"O": O, "D": D}

    return equations


def gated(xp):
    cond = jax.lax.cond if xp is jnp else lambda known, yes, no: yes() if known else no()

    def equations(p, y, T):
        rate = cond(p.ca > 1, lambda: p.alpha, lambda: 0.02 * p.d)
        return {"x": T * (1 - y.x) - p.r * y.x, "g": rate * half_way(p.V) * y.x * (1 - y.g) - p.beta * y.g}

    return equations


def passing(xp):
    return lambda p, y, T=None: {"h": -y.h / p.tau, "g": 0.1 * xp.maximum(p.V, 0.0) * y.h - y.g / p.tau}


class Case(NamedTuple):
    equations: Callable[..., Any]
    State: Any
    kind: str
    conductance: Callable[..., Any] = lambda xp: lambda p, y: y.g

    @property
    def kernel(self):
        options = {"signed": ("V",), "name": "mine", "conductance": self.conductance(jnp)}
        if self.State is Chain:
            return synkin.linear(lambda p, y: self.equations(jnp)(p, y), Linear, Chain, input="h", **options)
        return synkin.receptor(self.equations(jnp), Params, self.State, **options)

    def rhs(self, y, p, T, order):
        """By NumPy alone."""
        found = self.equations(np)(p, SimpleNamespace(**dict(zip(order, y, strict=True))), T)
        return np.array([found[name] for name in order], float)


CASES = {
    "a rate above a threshold": Case(rectified, Open, "relaxation"),
    "a state and a conductance above thresholds": Case(
        lambda xp: states(lambda p, y: xp.where(p.ca > 1, p.d * y.O - p.r * y.D, 0.0)),
        *(Two, "occupancies", lambda xp: lambda p, y: y.O + xp.where(p.V > 0, 0.5, 0.0) * y.D),
    ),
    "a rate that changes its sign, of no occupancies": Case(
        lambda xp: states(lambda p, y: p.d * xp.clip(p.V / 40, -0.5, 1) * y.O),
        *(Two, "affine", lambda xp: lambda p, y: y.O),
    ),
    "a table": Case(looked_up, Two, "affine", lambda xp: lambda p, y: xp.maximum(p.V - 10, 0) * y.O**2),
    "a branch and a jitted function": Case(gated, Gated, "gate"),
    "a linear kernel": Case(passing, Chain, "chain"),
}

# Below all thresholds, as the defaults are, and above.
SIDES = {"V": (-65.0, 20.0), "ca": (0.1, 3.0)}
DT, SPIKES = 0.5, np.array([2, 11, 12])
GRID, BETWEEN = np.arange(1, 25) * DT, np.array([1.3, 2.2, 5.7, 6.9, 11.1])


def sides(kernel):
    """``Params`` on either side."""
    fields = kernel.Params._fields
    return [kernel.Params()._replace(**{k: both[i] for k, both in SIDES.items() if k in fields}) for i in range(2)]


def solved(case, kernel, p):
    """g of one synapse at the times of `GRID`, and at those `BETWEEN`."""
    takes_weights = kernel.input.takes_weights
    starts = (SPIKES + takes_weights) * DT
    ends = [] if takes_weights else [*np.minimum(starts + p.T_dur, np.append(starts[1:], np.inf))]
    y, at, g = np.zeros(len(kernel.order)), 0.0, {}
    for moment in np.unique([*GRID, *BETWEEN, *starts, *ends]):
        T = 1.0 if any(start <= at < end for start, end in zip(starts, ends, strict=False)) else 0.0
        rhs = lambda t, y, T=T: case.rhs(y, p, T, kernel.order)  # noqa: E731
        y, at = solve_ivp(rhs, (at, moment), y, method="DOP853", rtol=1e-12, atol=1e-15).y[:, -1], moment
        y[0] += takes_weights and moment in starts
        g[moment] = case.conductance(np)(p, SimpleNamespace(**dict(zip(kernel.order, y, strict=True))))
    return [g[t] for t in GRID], [g[t] for t in BETWEEN]


def by_exponential_euler(case, kernel, p):
    """Each variable by its own exponential, the others held: y + dt phi(J dt) y', J by how y' changes with y alone."""
    takes_weights = kernel.input.takes_weights
    y, left, g = np.zeros(len(kernel.order)), 0, []
    for row in range(len(GRID)):
        left = 0 if takes_weights else round(p.T_dur / DT) if row in SPIKES else max(left - 1, 0)
        at, *moved = (case.rhs(y + e, p, float(left > 0), kernel.order) for e in [0 * y, *np.eye(len(y))])
        slopes = np.diagonal(moved) - at
        safe = np.where(slopes == 0, 1.0, slopes)
        y = y + at * np.where(slopes == 0, DT, np.expm1(safe * DT) / safe)
        y[0] += (row in SPIKES) * takes_weights
        g.append(case.conductance(np)(p, SimpleNamespace(**dict(zip(kernel.order, y, strict=True)))))
    return g


def test_kinds():
    assert {what: case.kernel.structure.kind for what, case in CASES.items()} == {
        what: case.kind for what, case in CASES.items()
    }


# What the others have, too: a matrix, a conductance above a threshold.
LONG = "a state and a conductance above thresholds", "a rate that changes its sign, of no occupancies"


@pytest.mark.parametrize("what", [pytest.param(what, marks=[pytest.mark.wide] * (what in LONG)) for what in CASES])
def test_on_both_sides_of_a_threshold(what, x64):
    """On the grid by either method, and between events."""
    case, kernel = CASES[what], CASES[what].kernel
    # Of a gate `test_gate` has the exact runs, which take long to compile.
    methods = ("exp_euler",) if case.kind == "gate" else kernel.methods
    given = np.isin(np.arange(len(GRID)), SPIKES) * (1.0 if kernel.input.takes_weights else True)

    @jax.jit
    def run(params):
        by = {method: synkin.simulate(kernel, params, given, DT, method=method)[1] for method in methods}
        return by, synkin.respond(kernel, params, (SPIKES + kernel.input.acts_at_end) * DT, BETWEEN)

    wanted = [solved(case, kernel, p) for p in sides(kernel)]
    assert np.abs(np.subtract(wanted[1][0], wanted[0][0])).max() > 0.05
    for p, (on_grid, between) in zip(sides(kernel), wanted, strict=True):
        by, off_grid = run(p)
        np.testing.assert_allclose(by.get("exact", on_grid), on_grid, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(off_grid, between, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(by["exp_euler"], by_exponential_euler(case, kernel, p), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("what", ["a rate above a threshold", pytest.param("a table", marks=pytest.mark.wide)])
def test_derivatives_above_a_threshold(what, x64):
    """Of the parameter that the threshold is of, where it counts."""
    kernel = CASES[what].kernel
    g = jax.jit(lambda V: synkin.respond(kernel, sides(kernel)[1]._replace(V=V), SPIKES * DT, [7.0])[0])
    np.testing.assert_allclose(jax.grad(g)(20.0), (g(20.01) - g(19.99)) / 0.02, rtol=1e-6, atol=1e-9)
    assert abs(jax.grad(g)(20.0)) > 1e-4


# What the equations leave to the parameters


def doubtful(p, y, T):
    return {"x": 0.1 * (p.V + 70) * T - p.beta * y.x, "g": (p.ca - 0.05) * y.x * (1 - y.g) - (p.d - 0.1) * y.g}


def driven_closing(p, y, T):
    """Closing that x drives, as far as d is above r; and x that may leak."""
    return {
        "x": (p.alpha * T + p.ca) * (1 - y.x) - y.x,
        "g": p.beta * y.x * (1 - y.g) - (p.r + (p.d - p.r) * y.x) * y.g,
    }


MUST, NOT = "Parameters of mine must ", "that is not negative, but"
A_LEAK = "leave `x`, which opens `g`, at rest without transmitter, but change it by 0.5 /ms."
WRONG = {
    "an inflow": (doubtful, {"V": -85.0}, f"have an inflow of `x` {NOT} have -1.5 /ms."),
    "opening": (doubtful, {"ca": 0.025}, f"let `x` open `g` at a rate {NOT} at -0.025 /ms."),
    "closing": (doubtful, {"d": 0.0}, f"close `g` at a rate {NOT} at -0.1 /ms."),
    "closing by x": (driven_closing, {"d": 0.0, "ca": 0.0}, f"let `x` close `g` at a rate {NOT} at -0.05 /ms."),
    "a leak": (driven_closing, {"ca": 0.5}, A_LEAK),
}


@lru_cache
def gate_of(equations):
    """The kernel, and its runs of traced parameters: on a grid of two synapses, and between events of one."""
    kernel = synkin.receptor(equations, Params, Gated, signed=("V",), name="mine")
    return (
        kernel,
        jax.jit(lambda p: synkin.simulate(kernel, p, TRAIN, 0.1)[1]),
        jax.jit(lambda p: synkin.respond(kernel, p, [1.0], [2.0])),
    )


TRAIN = np.arange(6)[:, None] == np.ones(2)


@pytest.mark.parametrize("what", WRONG)
def test_a_gate_of_other_rates(what):
    """Refused where they are known, in each of several synapses; NaN there where they are traced."""
    equations, wrong, sentence = WRONG[what]
    kernel, on_grid, between = gate_of(equations)
    right = Params(ca=0.0) if equations is driven_closing else Params()
    bad = right._replace(**wrong)
    several, both = (
        right._replace(**{k: np.array([getattr(right, k), v]) for k, v in p._asdict().items()}) for p in (bad, right)
    )
    with_ampa = kernel + synkin.ampa
    for run in (
        lambda: synkin.simulate(kernel, bad, TRAIN, 0.1),
        lambda: synkin.simulate(kernel, several, TRAIN, 0.1),
        lambda: synkin.stepper(with_ampa, with_ampa.Params(*bad, 1.0), 0.1),
        lambda: synkin.respond(kernel, bad, [1.0], [2.0]),
        lambda: jax.jit(lambda train: synkin.simulate(kernel, bad, train, 0.1))(TRAIN),
    ):
        with pytest.raises(ValueError, match=MUST) as raised:
            run()
        assert str(raised.value) == MUST + sentence
    g = on_grid(several)
    np.testing.assert_array_equal(g[:, 0], on_grid(both)[:, 1])
    assert np.isnan(g[-1, 1])
    assert np.isnan(between(bad)).all()
    assert np.isfinite(between(right)).all()


def test_a_leak_that_may_be_0():
    """At rest off the grid only if it is."""
    leaking = lambda p, y, T: {"g": (p.alpha * T**p.r + p.d) * (1 - y.g) - p.beta * y.g}  # noqa: E731
    kernel, closed = synkin.receptor(leaking, Params, Open, signed=("V",), name="leaking"), Params(d=0.0)
    answer = jax.jit(lambda p: synkin.respond(kernel, p, [1.0], [2.5]))
    on, off = 0.9 / 1.1 * (1 - np.exp(-1.1)), np.exp(-0.2 * 0.5)
    for got in (synkin.respond(kernel, closed, [1.0], [2.5]), answer(closed)):
        np.testing.assert_allclose(got, [on * off], rtol=1e-6)
    assert np.isnan(answer(Params())).all()
    for wrong in (Params(), Params(d=0.0, r=0.0)):  # T**0 is 1 without transmitter too
        with pytest.raises(ValueError, match=r"^Kernel `leaking` must be at rest .*`g` changes without transmitter\.$"):
            synkin.respond(kernel, wrong, [1.0], [2.5])


def test_a_rate_of_a_scheme_that_may_be_negative():
    rates = {"kon": 1.0, "koff": lambda p: 0.1 * (p.V + 70), "k": 0.1, "s": 0.2, "V": -60.0, "signed": ("V", "s")}
    kernel = synkin.scheme("C + glu <-> O : kon, koff\nO <-> D : k, s", open="O", name="mine", **rates)
    assert [str(way.rate) for way in kernel.checked] == ["koff", "s"]
    g = jax.jit(lambda p: synkin.simulate(kernel, p, TRAIN, 0.1)[1])
    for wrong, sentence in (
        ({"V": -75.0}, "`koff` of O -> C {}, but is -0.5."),
        ({"s": -1.0}, "`s` of D -> O {}, but is -1."),
    ):
        sentence = "Rate " + sentence.format("must be finite and not negative")
        with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
            synkin.simulate(kernel, kernel.Params(**wrong), TRAIN, 0.1)
        assert np.isnan(g(kernel.Params(**wrong))[-1]).all()
    assert np.isfinite(g(kernel.Params())).all()


def test_what_is_equal_in_other_words():
    """Of the same meaning, whatever it is written with: gathered, summed, in branches, in loops without variables."""

    def written(p, y, T):
        rate = jax.lax.fori_loop(0, 2, lambda i, total: total + 0.5 * p.alpha, 0.0)
        first, second = jnp.array([y.O, y.D])[jnp.array([1, 0])]
        free = 1 - jnp.sum(jnp.array([first, second])) + (y.O - y.O)
        into = jax.lax.switch(1, [lambda: 0.0, lambda: p.d]) * second
        D = jax.lax.cond(p.ca > 1, lambda: -p.r * first, lambda: -(p.r / 1.0) * first) + into
        return {"O": jax.checkpoint(lambda k: k * T * free)(jnp.abs(rate)) - p.beta * second - into, "D": D}

    def plain(p, y, T):
        return {"O": p.alpha * T * (1 - y.O - y.D) - (p.beta + p.d) * y.O, "D": p.d * y.O - p.r * y.D}

    found = lambda it: synkin.receptor(it, Params, Two, conductance=lambda p, y: y.O, signed="V", name="m").structure  # noqa: E731
    assert found(written) == found(plain)
    assert found(plain).kind == "occupancies"
    assert found(plain).drive == ((False, True), (True, False))
