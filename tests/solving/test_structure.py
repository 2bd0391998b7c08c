"""What is read off equations: it holds for all parameters, and what it leaves to the parameters in use is checked.

Receptors with thresholds are compared with DOP853 on both sides of them, with defaults on one side alone.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import synkin
from synkin import schemes
from synkin.arguments.known import double_precision
from synkin.solving import structure
from tests.kernels.test_kernel import AFFINE

# The library: kind, order, source, source at rest, drive, decays as, closing driven, coupled, output, linear output.
LIBRARY = {
    "alpha": (
        *("chain", (1, 0), (False, False), (False, False), ((False, False), (True, False))),
        *((0, 0), False, False, (0, 1.0), True),
    ),
    "ampa": ("relaxation", (0,), (True,), (False,), ((False,),), (0,), False, False, (1.0,), True),
    "gabaa": ("relaxation", (0,), (True,), (False,), ((False,),), (0,), False, False, (1.0,), True),
    "bionmda": (
        *("gate", (1, 0), (True, False), (False, False), ((False, False), (True, False))),
        *((0, 1), False, False, (0, 1.0), True),
    ),
    "expon": ("relaxation", (0,), (False,), (False,), ((False,),), (0,), False, False, (1.0,), True),
    "dual_expon": (
        *("chain", (0, 1), (False, False), (False, False), ((False, False), (True, False))),
        *((0, 1), False, False, (0, True), True),
    ),
    "gabab": (
        *("affine", (0, 1), (True, False), (False, False), ((False, False), (True, False))),
        *((0, 1), False, False, (0, True), False),
    ),
    "gabab3": (
        *("affine", (0, 1, 2), (True, False, False), (False,) * 3),
        *(((False, True, False), (True, False, False), (True, False, False)), (0, 1, 2), False, True),
        *((0, 0, True), False),
    ),
}
LIBRARY["gabab3_conserving"] = LIBRARY["gabab3"]
DECLARED = {
    name: kernel
    for name, kernel in {**synkin.KERNELS, **schemes.SCHEMES}.items()
    if not isinstance(kernel, synkin.Scheme)
}
SCHEMES = {name: kernel for name, kernel in schemes.SCHEMES.items() if isinstance(kernel, synkin.Scheme)}


def test_the_library():
    """What parameters decide of its kernels is nothing, so that nothing is to be checked."""
    assert {name: tuple(kernel.structure) for name, kernel in DECLARED.items()} == {
        name: (*known, ()) for name, known in LIBRARY.items()
    }


@pytest.mark.parametrize("name", SCHEMES)
def test_schemes_are_what_their_equations_say(name):
    """Whose structure is known from their text; the equations alone give the same."""
    kernel = SCHEMES[name]
    variables = kernel.states[1:]

    def derivatives(p, y, T):
        found = kernel.equations(p, kernel.State(*y, None), T)
        return tuple(found[variable] for variable in variables)

    with double_precision():
        found = structure.find(
            name,
            variables,
            derivatives,
            lambda p, y: kernel.conductance(p, kernel.State(*y, None)),
            kernel.Params,
            [key for key, known in kernel.parameters.items() if known.signed],
            has_transmitter=True,
        )
    known = kernel.structure
    in_order = [found.order.index(i) for i in range(found.size)]
    assert (found.kind, found.coupled, found.linear_output) == (known.kind, known.coupled, known.linear_output)
    assert tuple(found.output[i] for i in in_order) == known.output
    assert found.to_check == known.to_check == ()
    led_from = {way.target for way in kernel.transitions if way.source == kernel.states[0]}
    assert [found.source[i] for i in in_order] == [variable in led_from for variable in variables]
    for i, j in np.ndindex(found.size, found.size):
        # A state is driven by each that leads to it, and as the first state is what is left over, by all if that does.
        to, by = variables[i], variables[j]
        leads = any(way.source == by and way.target == to for way in kernel.transitions)
        if i != j and not (to in led_from and leads):  # the two may cancel
            assert found.drive[in_order[i]][in_order[j]] == (leads or to in led_from)


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


class Open(NamedTuple):
    g: jax.Array
    pulse_left: jax.Array


class Two(NamedTuple):
    O: jax.Array
    D: jax.Array
    pulse_left: jax.Array


class Gated(NamedTuple):
    g: jax.Array
    x: jax.Array
    pulse_left: jax.Array


class Chain(NamedTuple):
    g: jax.Array
    h: jax.Array


VOLTAGES = np.array([-80.0, -40.0, 0.0, 40.0])
OPENING = np.array([0.0, 0.1, 0.4, 0.9])


@jax.jit
def half_way(V):
    return jnp.where(V > -30.0, 0.5, 0.1)


def rectified(p, y, T):
    return {"g": 0.05 * jnp.maximum(p.V, 0) * T * (1 - y.g) - p.beta * y.g}


def desensitising(p, y, T):
    into = jnp.where(p.ca > 1, p.d * y.O - p.r * y.D, 0.0)
    return {"O": p.alpha * T * (1 - y.O - y.D) - p.beta * y.O - into, "D": into}


def clipped(p, y, T):
    """Signs that hang on V: no occupancies."""
    into = p.d * jnp.clip(p.V / 40, -0.5, 1) * y.O
    return {"O": p.alpha * T * (1 - y.O - y.D) - p.beta * y.O - into, "D": into - p.r * y.D}


def looked_up(p, y, T):
    """As a matrix, with a table."""
    k = p.alpha * T * jnp.interp(p.V, VOLTAGES, OPENING)
    matrix = jnp.array([[-k - p.beta - p.d, -k], [p.d, -p.r]])
    O, D = matrix @ jnp.stack([y.O, y.D]) + jnp.array([k, 0.0])
    return {"O": O, "D": D}


def gated(p, y, T):
    rate = jax.lax.cond(p.ca > 1, lambda: p.alpha, lambda: 0.02 * p.d)
    return {"x": T * (1 - y.x) - p.r * y.x, "g": rate * half_way(p.V) * y.x * (1 - y.g) - p.beta * y.g}


def passing(p, y):
    return {"h": -y.h / p.tau, "g": 0.1 * jnp.maximum(p.V, 0.0) * y.h - y.g / p.tau}


class Case(NamedTuple):
    kernel: Any
    rhs: Callable[..., tuple]  # (y, p, T) -> y', in the order of ``kernel.order``, by NumPy alone
    conductance: Callable[..., Any]
    kind: str


def declared(equations, State, **options):
    kernel = synkin.receptor(equations, Params, State, signed=("V",), name=equations.__name__, **options)
    globals()[f"{kernel.name}_kernel"] = kernel
    return kernel


def _desensitising(y, p, T):
    O, D = y
    into = p.d * O - p.r * D if p.ca > 1 else 0.0
    return p.alpha * T * (1 - O - D) - p.beta * O - into, into


def _clipped(y, p, T):
    O, D = y
    into = p.d * min(max(p.V / 40, -0.5), 1) * O
    return p.alpha * T * (1 - O - D) - p.beta * O - into, into - p.r * D


def _looked_up(y, p, T):
    O, D = y
    k = p.alpha * T * np.interp(p.V, VOLTAGES, OPENING)
    return k * (1 - O - D) - (p.beta + p.d) * O, p.d * O - p.r * D


def _gated(y, p, T):
    x, g = y
    rate = (p.alpha if p.ca > 1 else 0.02 * p.d) * (0.5 if p.V > -30 else 0.1)
    return T * (1 - x) - p.r * x, rate * x * (1 - g) - p.beta * g


def open_above_0(p, y):
    return y.O + jnp.where(p.V > 0, 0.5, 0.0) * y.D


CASES = {
    "a rate above a threshold": Case(
        declared(rectified, Open),
        lambda y, p, T: (0.05 * max(p.V, 0) * T * (1 - y[0]) - p.beta * y[0],),
        lambda y, p: y[0],
        "relaxation",
    ),
    "a state and a conductance above thresholds": Case(
        declared(desensitising, Two, conductance=open_above_0),
        _desensitising,
        lambda y, p: y[0] + 0.5 * (p.V > 0) * y[1],
        "occupancies",
    ),
    "a rate that changes its sign": Case(
        declared(clipped, Two, conductance=lambda p, y: y.O), _clipped, lambda y, p: y[0], "affine"
    ),
    "a table": Case(
        declared(looked_up, Two, conductance=lambda p, y: jnp.maximum(p.V - 10, 0) * y.O**2),
        _looked_up,
        lambda y, p: max(p.V - 10, 0) * y[0] ** 2,
        "affine",
    ),
    "a branch and a jitted function": Case(declared(gated, Gated), _gated, lambda y, p: y[1], "gate"),
    "a linear kernel": Case(
        synkin.linear(passing, Linear, Chain, input="h", signed=("V",), name="passing"),
        lambda y, p, T: (-y[0] / p.tau, 0.1 * max(p.V, 0.0) * y[0] - y[1] / p.tau),
        lambda y, p: y[1],
        "chain",
    ),
}

# Below all thresholds, as the defaults are, and above.
SIDES = {"V": (-65.0, 20.0), "ca": (0.1, 3.0)}
DT, SPIKES = 0.25, np.array([4, 22, 24])
GRID = np.arange(1, 61) * DT


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def case(request):
    return request.param


def sides(kernel):
    """``Params`` on either side."""
    return [
        kernel.Params()._replace(**{name: both[i] for name, both in SIDES.items() if name in kernel.Params._fields})
        for i in range(2)
    ]


def solved(case, p, times):
    """g at ``times``, of one synapse."""
    takes_weights = case.kernel.input.takes_weights
    starts = (SPIKES + takes_weights) * DT
    ends = [] if takes_weights else [*np.minimum(starts + p.T_dur, np.append(starts[1:], np.inf))]
    y, at, g = np.zeros(len(case.kernel.order)), 0.0, []
    for moment in np.unique([*times, *starts, *ends]):
        on = any(start <= at < end for start, end in zip(starts, ends, strict=False))
        run = solve_ivp(
            lambda t, y, T=p.T if on else 0.0: case.rhs(y, p, T),
            (at, moment),
            y,
            method="DOP853",
            rtol=1e-12,
            atol=1e-15,
        )
        y, at = run.y[:, -1], moment
        if takes_weights and moment in starts:
            y[0] += 1
        if moment in times:
            g.append(case.conductance(y, p))
    return np.array(g)


def inputs(kernel):
    return np.isin(np.arange(len(GRID)), SPIKES) * (1.0 if kernel.input.takes_weights else True)


def test_on_both_sides_of_a_threshold(case, x64):
    """Every run that is exact."""
    kernel, given = case.kernel, inputs(case.kernel)
    assert kernel.structure.kind == case.kind
    times = np.sort(np.random.default_rng(0).uniform(0, 15, 9))
    starts = (SPIKES + kernel.input.acts_at_end) * DT

    @jax.jit
    def run(params):
        stepper = synkin.stepper(kernel, params, DT, method="exact")

        def step(state, spike):
            return kernel.step(params, state, 0.0, spike, DT, method="exact")

        on_grid = {
            "simulate": synkin.simulate(kernel, params, given, DT, method="exact")[1],
            "stepper": jax.lax.scan(stepper.step, stepper.init(()), given)[1],
            "step": jax.lax.scan(step, kernel.init(params, ()), given)[1],
        }
        return on_grid, synkin.respond(kernel, params, starts, times)

    wanted = [solved(case, p, GRID) for p in sides(kernel)]
    assert np.abs(wanted[1] - wanted[0]).max() > 0.05
    for p, trace in zip(sides(kernel), wanted, strict=True):
        on_grid, off_grid = run(p)
        for name, got in on_grid.items():
            np.testing.assert_allclose(got, trace, rtol=1e-9, atol=1e-10, err_msg=name)
        np.testing.assert_allclose(off_grid, solved(case, p, times), rtol=1e-9, atol=1e-10)


def test_exponential_euler_on_both_sides_of_a_threshold(case, x64):
    """Each variable by its own exponential, the others held: y + dt phi(J dt) y', J by how y' changes with y alone."""
    kernel, given = case.kernel, inputs(case.kernel)
    for p in sides(kernel):
        _, got = synkin.simulate(kernel, p, given, DT, method="exp_euler")
        y, left = np.zeros(len(kernel.order)), 0
        for row, spike in enumerate(given):
            left = 0 if kernel.input.takes_weights else round(p.T_dur / DT) if spike else max(left - 1, 0)
            T = p.T if left else 0.0
            at = np.array(case.rhs(y, p, T))
            slopes = np.array([case.rhs(y + unit, p, T)[j] - at[j] for j, unit in enumerate(np.eye(len(y)))])
            safe = np.where(slopes == 0, 1.0, slopes)
            y = y + at * np.where(slopes == 0, DT, np.expm1(safe * DT) / safe)
            y[0] += spike * kernel.input.takes_weights
            assert abs(got[row] - case.conductance(y, p)) < 1e-10 * max(1.0, abs(got[row]))


@pytest.mark.parametrize("what", ["a rate above a threshold", "a state and a conductance above thresholds"])
def test_derivatives_above_a_threshold(what, x64):
    """Of the parameter that the threshold is of, where it counts."""
    kernel = CASES[what].kernel

    def g(V):
        return synkin.respond(kernel, sides(kernel)[1]._replace(V=V), SPIKES * DT, [7.0])[0]

    got = jax.grad(g)(20.0)
    np.testing.assert_allclose(got, (g(20.01) - g(19.99)) / 0.02, rtol=1e-6, atol=1e-9)


# What the equations leave to the parameters


def doubtful(p, y, T):
    return {"x": 0.1 * (p.V + 70) * T - p.beta * y.x, "g": (p.ca - 0.05) * y.x * (1 - y.g) - (p.d - 0.1) * y.g}


def driven_closing(p, y, T):
    """Closing that x drives, as far as d is above r; and x that may leak."""
    return {
        "x": (p.alpha * T + p.ca) * (1 - y.x) - y.x,
        "g": p.beta * y.x * (1 - y.g) - (p.r + (p.d - p.r) * y.x) * y.g,
    }


WRONG = {
    "an inflow": (
        *(doubtful, {"V": -85.0}),
        "Parameters of mine must have an inflow of `x` that is not negative, but have -1.5 /ms.",
    ),
    "opening": (
        *(doubtful, {"ca": 0.025}),
        "Parameters of mine must let `x` open `g` at a rate that is not negative, but at -0.025 /ms.",
    ),
    "closing": (
        *(doubtful, {"d": 0.0}),
        "Parameters of mine must close `g` at a rate that is not negative, but at -0.1 /ms.",
    ),
    "closing by x": (
        *(driven_closing, {"d": 0.0, "ca": 0.0}),
        "Parameters of mine must let `x` close `g` at a rate that is not negative, but at -0.05 /ms.",
    ),
    "a leak": (
        *(driven_closing, {"ca": 0.5}),
        "Parameters of mine must leave `x`, which opens `g`, at rest without transmitter, but change it by 0.5 /ms.",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_gate_of_other_rates(what):
    """Refused where they are known, in each of several synapses; NaN there where they are traced."""
    equations, wrong, sentence = WRONG[what]
    kernel = synkin.receptor(equations, Params, Gated, signed=("V",), name="mine")
    right = Params(ca=0.0) if equations is driven_closing else Params()
    bad = right._replace(**wrong)
    several = right._replace(**{name: np.array([getattr(right, name), value]) for name, value in wrong.items()})
    spikes = np.arange(6)[:, None] == np.ones(2)
    for run in (
        lambda: synkin.simulate(kernel, bad, spikes, 0.1),
        lambda: synkin.simulate(kernel, several, spikes, 0.1),
        lambda: synkin.stepper(kernel + synkin.ampa, (kernel + synkin.ampa).Params(*bad, 1.0), 0.1),
        lambda: synkin.respond(kernel, bad, [1.0], [2.0]),
        lambda: jax.jit(lambda spikes: synkin.simulate(kernel, bad, spikes, 0.1))(spikes),
    ):
        with pytest.raises(ValueError, match=re.escape(sentence)) as raised:
            run()
        assert str(raised.value) == sentence
    _, g = jax.jit(lambda p: synkin.simulate(kernel, p, spikes, 0.1))(several)
    _, expected = synkin.simulate(kernel, right, spikes[:, :1], 0.1)
    np.testing.assert_allclose(g[:, :1], expected, rtol=1e-6)
    assert np.isnan(g[-1, 1])
    assert np.isnan(jax.jit(lambda p: synkin.respond(kernel, p, [1.0], [2.0]))(bad)).all()


def test_a_leak_that_may_be_0():
    """At rest off the grid only if it is."""
    kernel = synkin.receptor(
        lambda p, y, T: {"g": (p.alpha * T**p.r + p.d) * (1 - y.g) - p.beta * y.g},
        *(Params, Open),
        signed=("V",),
        name="leaking",
    )
    closed = Params(d=0.0)
    wanted = synkin.respond(synkin.ampa, synkin.ampa.Params(0.9, 0.2, 1.0, 1.0), [1.0], [2.5])
    answer = jax.jit(lambda p: synkin.respond(kernel, p, [1.0], [2.5]))
    np.testing.assert_allclose(synkin.respond(kernel, closed, [1.0], [2.5]), wanted, rtol=1e-6)
    np.testing.assert_allclose(answer(closed), wanted, rtol=1e-6)
    assert np.isnan(answer(Params())).all()
    for wrong in (Params(), Params(d=0.0, r=0.0)):  # T**0 is 1 without transmitter too
        with pytest.raises(ValueError, match=r"^Kernel `leaking` must be at rest .*`g` changes without transmitter\.$"):
            synkin.respond(kernel, wrong, [1.0], [2.5])


def test_a_rate_of_a_scheme_that_may_be_negative():
    kernel = synkin.scheme(
        "C + glu <-> O : kon, koff\nO <-> D : k, s",
        open="O",
        name="mine",
        **{"kon": 1.0, "koff": lambda p: 0.1 * (p.V + 70), "k": 0.1, "s": 0.2, "V": -60.0},
        signed=("V", "s"),
    )
    spikes = np.arange(5) == 1
    assert [str(way.rate) for way in kernel.checked] == ["koff", "s"]
    for wrong, sentence in (
        ({"V": -75.0}, r"^Rate `koff` of O -> C must be finite and not negative, but is -0\.5\.$"),
        ({"s": np.float32(-1)}, r"^Rate `s` of D -> O must be finite and not negative, but is -1\.$"),
    ):
        bad = kernel.Params(**wrong)
        with pytest.raises(ValueError, match=sentence):
            synkin.simulate(kernel, bad, spikes, 0.1)
        assert np.isnan(jax.jit(lambda p: synkin.simulate(kernel, p, spikes, 0.1)[1])(bad)[-1])
    assert np.isfinite(jax.jit(lambda p: synkin.simulate(kernel, p, spikes, 0.1)[1])(kernel.Params())).all()


# What is refused


def first_order(rate):
    return lambda p, y, T: {"g": rate(p) * T * (1 - y.g) - p.beta * y.g}


IN_PYTHON = (
    "The equations of mine must be made of operations that JAX can trace, and not look at values in Python: write "
    "jnp.where for `if`, jnp.maximum and jnp.minimum for `max` and `min`, jax.numpy for math and NumPy."
)
NO_GATE = f"The equations of mine {AFFINE}, but `g` is neither."
REFUSED = {
    "max": (Open, first_order(lambda p: max(p.V, 0)), IN_PYTHON),
    "if": (Open, first_order(lambda p: 0.1 if p.ca > 1 else 0.2), IN_PYTHON),
    "NumPy": (Open, first_order(lambda p: np.exp(p.V)), IN_PYTHON),
    "float": (Open, first_order(lambda p: float(p.V)), IN_PYTHON),
    "two numbers": (
        *(Open, first_order(lambda p: jnp.stack([p.V, p.ca]))),
        "The equations of mine must be single numbers, but `g` has shape (2,).",
    ),
    "a threshold of a variable": (Open, lambda p, y, T: {"g": T - jnp.maximum(y.g - 0.95, 0) - y.g}, NO_GATE),
    "a square above a threshold": (
        *(Open, lambda p, y, T: {"g": T - y.g - jnp.where(p.ca > 1, y.g**2, 0.0)}),
        NO_GATE,
    ),
    "a value without its derivative": (
        *(Open, lambda p, y, T: {"g": T * (1 - y.g) - p.beta * jax.lax.stop_gradient(y.g)}),
        NO_GATE,
    ),
    "a gate that the transmitter speeds up": (
        *(Gated, lambda p, y, T: {"x": T - y.x, "g": (1 + T) * y.x * (1 - y.g) - y.g}),
        NO_GATE,
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(what):
    State, equations, sentence = REFUSED[what]
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        synkin.receptor(equations, Params, State, signed=("V",), name="mine")


def test_a_conductance_and_a_rate_that_look_at_values():
    with pytest.raises(ValueError, match=r"^The conductance of mine must be made of operations that JAX can trace"):
        synkin.receptor(
            first_order(lambda p: p.alpha), Params, Open, conductance=lambda p, y: max(p.V, 0) * y.g, name="mine"
        )
    with pytest.raises(ValueError, match=r"^Rate `k` must be made of operations that JAX can trace"):
        synkin.scheme("C + glu <-> O : kon, k", open="O", kon=1.0, k=lambda p: max(p.V, 0), V=1.0, name="mine")
    # What was drawn for a linear kernel was 0 at rest; what holds for all voltages is not.
    with pytest.raises(ValueError, match=r"^The equations of mine must be 0 at rest, but `g` changes there"):
        synkin.linear(
            lambda p, y: {"h": -y.h, "g": y.h - y.g + jnp.maximum(p.V, 0)}, Linear, Chain, input="h", name="mine"
        )


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

    found = [
        synkin.receptor(each, Params, Two, conductance=lambda p, y: y.O, signed=("V",), name="mine").structure
        for each in (written, plain)
    ]
    assert found[0] == found[1]
    assert found[1].kind == "occupancies"
    assert found[1].drive == ((False, True), (True, False))
