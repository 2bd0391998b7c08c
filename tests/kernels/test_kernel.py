"""Declaring kernels: what `synkin.receptor` and `synkin.linear` take, refuse, and give."""

import copy
import pickle
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import linear, receptor
from tests.helpers import samples
from tests.helpers.precision import enable_x64
from tests.helpers.solutions import SOLUTIONS

DT = 0.1


class Params(NamedTuple):
    alpha: float = 1.0  # /ms/mM
    beta: float = 0.2  # /ms
    T: float = 1.0  # mM
    T_dur: float = 1.0  # ms


class State(NamedTuple):
    g: jax.Array
    pulse_left: jax.Array


class TwoStates(NamedTuple):
    g: jax.Array
    x: jax.Array
    pulse_left: jax.Array


class ThreeStates(NamedTuple):
    g: jax.Array
    x: jax.Array
    y: jax.Array
    pulse_left: jax.Array


class Hidden(NamedTuple):
    O: jax.Array
    pulse_left: jax.Array


class Decay(NamedTuple):
    tau: float = 8.0  # ms


class Level(NamedTuple):
    g: jax.Array


class Cascade(NamedTuple):
    g: jax.Array
    h: jax.Array


class NoPulse(NamedTuple):
    alpha: float = 1.0
    T: float = 1.0


class NoTransmitter(NamedTuple):
    alpha: float = 1.0
    T_dur: float = 1.0


class PulseAlone(NamedTuple):
    pulse_left: jax.Array


class Plain:
    g: float = 0.0


def first_order(p, y, T):
    """First order."""
    return {"g": p.alpha * T * (1 - y.g) - p.beta * y.g}


def decay(p, y):
    return {"g": -y.g / p.tau}


def declare(equations=first_order, Params=Params, State=State, **options):
    return lambda: receptor(equations, Params, State, **options)


def declare_linear(equations=decay, Params=Decay, State=Level, **options):
    return lambda: linear(equations, Params, State, **({"input": "g"} | options))


AFFINE = (
    "must be linear in the variables, or end in a gate as in v' = a x (1 - v) - b v that one linear variable x opens"
)

# What is wrong: the declaration, the error, the whole sentence.
REFUSED = {
    # equations of no kind that is solved
    "a square": (
        declare(lambda p, y, T: {"g": p.alpha * T * (1 - y.g) - p.beta * y.g**2}, name="mine"),
        ValueError,
        f"The equations of mine {AFFINE}, but `g` is neither.",
    ),
    "saturation": (
        declare(lambda p, y, T: {"g": p.alpha * T - y.g / (1 + y.g)}, name="mine"),
        ValueError,
        f"The equations of mine {AFFINE}, but `g` is neither.",
    ),
    "a rate times two states": (
        declare(
            lambda p, y, T: {"x": p.alpha * T - p.beta * y.x, "g": p.alpha * y.g * (1 - y.g - y.x) - p.beta * y.g},
            State=TwoStates,
            name="mine",
        ),
        ValueError,
        f"The equations of mine {AFFINE}, but `g` is neither.",
    ),
    "bent in T's presence alone": (
        declare(lambda p, y, T: {"g": p.alpha * T * (1 - y.g**2) - p.beta * y.g}, name="mine"),
        ValueError,
        f"The equations of mine {AFFINE}, but `g` is neither.",
    ),
    "a gate that a bent variable opens": (
        declare(
            lambda p, y, T: {"x": p.alpha * T * (1 - y.x**2) - y.x, "g": p.alpha * y.x * (1 - y.g) - p.beta * y.g},
            State=TwoStates,
            name="mine",
        ),
        ValueError,
        f"The equations of mine {AFFINE}, but `x` is neither.",
    ),
    "a gate that two variables open": (
        declare(
            lambda p, y, T: {
                "x": p.alpha * T * (1 - y.x) - p.beta * y.x,
                "y": p.alpha * T * (1 - y.y) - 2 * p.beta * y.y,
                "g": (y.x + y.y) * (1 - y.g) - p.beta * y.g,
            },
            State=ThreeStates,
            name="mine",
        ),
        ValueError,
        f"The equations of mine {AFFINE}, but `g` is neither.",
    ),
    "a gate that drives what opens it": (
        declare(
            lambda p, y, T: {"x": p.alpha * T - p.beta * y.x - y.g, "g": p.alpha * y.x * (1 - y.g) - p.beta * y.g},
            State=TwoStates,
            name="mine",
        ),
        ValueError,
        f"The equations of mine {AFFINE}, but `g` is neither.",
    ),
    "a gate with an inflow of its own": (
        declare(
            lambda p, y, T: {"x": p.alpha * T - p.beta * y.x, "g": 0.1 + p.alpha * y.x * (1 - y.g) - p.beta * y.g},
            State=TwoStates,
            name="mine",
        ),
        ValueError,
        f"The equations of mine {AFFINE}, but `g` is neither.",
    ),
    "a gate that the transmitter opens too": (
        declare(
            lambda p, y, T: {"x": p.alpha * T - p.beta * y.x, "g": (T + y.x) * (1 - y.g) - p.beta * y.g},
            State=TwoStates,
            name="mine",
        ),
        ValueError,
        f"The equations of mine {AFFINE}, but `g` is neither.",
    ),
    "a linear kernel that is bent": (
        declare_linear(lambda p, y: {"g": -(y.g**2) / p.tau}, name="mine"),
        ValueError,
        f"The equations of mine {AFFINE}, but `g` is neither.",
    ),
    "a linear kernel with a gate": (
        declare_linear(
            lambda p, y: {"h": -y.h / p.tau, "g": y.h * (1 - y.g) - y.g}, State=Cascade, input="h", name="mine"
        ),
        ValueError,
        f"The equations of mine {AFFINE}, but `g` is neither.",
    ),
    "a linear kernel that moves at rest": (
        declare_linear(lambda p, y: {"h": -y.h / p.tau, "g": 1 - y.g}, State=Cascade, input="h", name="mine"),
        ValueError,
        "The equations of mine must be 0 at rest, but `g` changes there without input.",
    ),
    "no transmitter in the equations": (
        declare(lambda p, y, T: {"g": p.alpha * (1 - y.g) - p.beta * y.g}, name="mine"),
        ValueError,
        "The equations of mine must depend on T, the transmitter, but are the same without it.",
    ),
    "equations without T": (
        declare(lambda p, y: {"g": -p.beta * y.g}, name="mine"),
        ValueError,
        "The equations of mine must depend on T, the transmitter, but are the same without it.",
    ),
    # what the equations give
    "a key too few": (
        declare(lambda p, y, T: {"g": T - y.g}, State=TwoStates, name="mine"),
        ValueError,
        "The equations of mine must be a dict with the keys ['g', 'x'], but give ['g'].",
    ),
    "a key too many": (
        declare(lambda p, y, T: {"g": T - y.g, "pulse_left": -1.0}, name="mine"),
        ValueError,
        "The equations of mine must be a dict with the keys ['g'], but give ['g', 'pulse_left'].",
    ),
    "a key of another name": (
        declare(lambda p, y, T: {"O": T - y.g}, name="mine"),
        ValueError,
        "The equations of mine must be a dict with the keys ['g'], but give ['O'].",
    ),
    "no dict": (
        declare(lambda p, y, T: None, name="mine"),
        ValueError,
        "The equations of mine must be a dict with the keys ['g'], but give None.",
    ),
    # functions and classes
    "no function": (
        declare(3),
        TypeError,
        "Argument `equations` must be a function, but is 3.",
    ),
    "Params an instance": (
        declare(Params=Params()),
        TypeError,
        "Argument `Params` must be a NamedTuple class, but is a test_kernel.Params.",
    ),
    "State a class of another kind": (
        declare(State=Plain),
        TypeError,
        "Argument `State` must be a NamedTuple class, but is the class Plain.",
    ),
    "State a dict": (
        declare(State={"g": 0.0}),
        TypeError,
        "Argument `State` must be a NamedTuple class, but is {'g': 0.0}.",
    ),
    # names
    "no T_dur": (
        declare(Params=NoPulse),
        ValueError,
        "A receptor must have Params.T, Params.T_dur and State.pulse_left, but lacks Params.T_dur.",
    ),
    "no T": (
        declare(Params=NoTransmitter),
        ValueError,
        "A receptor must have Params.T, Params.T_dur and State.pulse_left, but lacks Params.T.",
    ),
    "no pulse_left": (
        declare(State=Level),
        ValueError,
        "A receptor must have Params.T, Params.T_dur and State.pulse_left, but lacks State.pulse_left.",
    ),
    "pulse_left alone": (
        declare(State=PulseAlone, name="mine"),
        ValueError,
        "Argument `State` must have a variable, but mine has none besides pulse_left.",
    ),
    "a linear kernel with pulses": (
        declare_linear(State=State, name="mine"),
        ValueError,
        "A linear kernel has no pulses, but State of mine has pulse_left.",
    ),
    "an input that is no variable": (
        declare_linear(input="h"),
        ValueError,
        "Argument `input` must be one of g, but is 'h'.",
    ),
    "no g and no conductance": (
        declare(lambda p, y, T: {"O": T - y.O}, State=Hidden, name="mine"),
        ValueError,
        "Argument `conductance` must be given, as mine has no variable g, but is not.",
    ),
    "a unit of nothing": (
        declare(units={"gamma": "ms"}, name="mine"),
        ValueError,
        "Argument `units` must name parameters and variables of mine, but has 'gamma'.",
    ),
    "positive what is no parameter": (
        declare(positive=("g",), name="mine"),
        ValueError,
        "Arguments `positive` and `signed` must name parameters of mine, but have 'g'.",
    ),
    "signed what is no parameter": (
        declare_linear(signed=("sigma",), name="mine"),
        ValueError,
        "Arguments `positive` and `signed` must name parameters of mine, but have 'sigma'.",
    ),
    "a name that is none": (
        declare(name="my receptor"),
        ValueError,
        "Argument `name` must be a Python identifier, but is 'my receptor'.",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(what):
    call, error, sentence = REFUSED[what]
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == sentence


# What is declared

own = receptor(
    first_order,
    Params,
    State,
    units={"alpha": "1/ms/mM", "beta": "1/ms"},
    name="own",
)


def test_what_is_known_of_a_kernel():
    assert (own.name, own.Params, own.State, own.input.takes_weights) == ("own", Params, State, False)
    assert tuple(own.UNITS) == ("1/ms/mM", "1/ms", "mM", "ms")
    assert own.parameters["beta"] == ("beta", 0.2, "1/ms", False, False)
    assert dict(own.variables) == {"g": "mS", "pulse_left": "ms"}
    assert own.order == ("g",)
    assert own.structure.kind == "relaxation"
    assert repr(own) == "own(alpha=1.0, beta=0.2, T=1.0, T_dur=1.0)"
    assert own.__doc__ == (
        "First order.\n\nParameters:\n    alpha: 1.0 1/ms/mM\n    beta: 0.2 1/ms\n    T: 1.0 mM\n    T_dur: 1.0 ms\n\n"
        "State: g (mS), pulse_left (ms)"
    )


KINDS = {
    "alpha": "chain",
    "ampa": "relaxation",
    "gabaa": "relaxation",
    "bionmda": "gate",
    "expon": "relaxation",
    "dual_expon": "chain",
}


def test_the_structure_of_the_library_s(kernel):
    assert kernel.structure.kind == KINDS[kernel.name]
    assert set(kernel.order) == set(kernel.State._fields) - {"pulse_left"}


def test_the_docstring_lists_parameters_and_variables(kernel):
    for field, default in kernel.Params()._asdict().items():
        assert f"    {field}: {default}" in kernel.__doc__
    for field, unit in kernel.variables.items():
        assert f"{field} ({unit})" in kernel.__doc__
    assert repr(kernel).startswith(f"{kernel.name}(")


def test_variables_are_ordered_by_what_drives_them():
    mine = linear(lambda p, y: {"g": (y.h - y.g) / p.tau, "h": -y.h / p.tau}, Decay, Cascade, input="h", name="mine")
    assert mine.order == ("h", "g")
    params, inputs = Decay(3.0), np.random.default_rng(0).normal(size=(20, 2))
    _, got = synkin.simulate(mine, params, inputs, DT, method="exact")
    _, expected = synkin.simulate(synkin.alpha, synkin.alpha.Params(3.0), inputs, DT, method="exact")
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("name", "expected"), [(None, "test_kernel"), ("mine", "mine")])
def test_a_kernel_is_named_after_its_module_unless_it_has_a_name(name, expected):
    def equations(p, y, T):
        return first_order(p, y, T)

    assert receptor(equations, Params, State, name=name).name == expected
    assert receptor(first_order, Params, State, name=name).name == (name or "first_order")


def test_equal_to_itself_alone_and_frozen():
    twin = receptor(first_order, Params, State, name="own")
    assert own == own
    assert own != twin
    assert len({own, twin, own}) == 2
    with pytest.raises(AttributeError):
        own.name = "other"


def test_pickles_and_copies_are_the_kernel_itself(kernel):
    for one in (kernel, own):
        assert pickle.loads(pickle.dumps(one)) is one
        assert copy.copy(one) is copy.deepcopy(one) is one
    assert jax.tree.leaves(pickle.loads(pickle.dumps((own.Params(), own.init(own.Params(), 2)))))


def test_a_kernel_without_a_name_in_its_module_is_not_pickled():
    mine = receptor(first_order, Params, State, name="mine")
    sentence = (
        "Kernel `mine` must be a global of its module to be pickled or copied, but test_kernel has no such name for "
        "it: give `name=` the name that it is assigned to."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
        pickle.dumps(mine)
    assert copy.copy(mine) is copy.deepcopy(mine) is mine


def test_the_same_kernel_is_compiled_once():
    """However often, from wherever it comes: by its name, a copy, out of a pickle."""
    compilations = []

    def note(event, seconds, **kwargs):
        if "backend_compile" in event:
            compilations.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)
    spikes = np.arange(21) % 5 == 0
    for i, kernel in enumerate((own, copy.deepcopy(own), pickle.loads(pickle.dumps(own)))):
        for beta in (0.1, 0.3):
            synkin.simulate(kernel, Params(beta=beta), spikes, 0.1 + beta)
            synkin.respond(kernel, Params(beta=beta), [1.0, 2.0], [3.0, 4.0, 5.5])
        if i == 0:
            assert compilations
            compilations.clear()
    assert not compilations


def test_declared_inside_jit():
    """Trying the equations out stages nothing and meets no tracer, though they call jax.numpy."""

    def equations(p, y, T):
        return {"g": jnp.exp(jnp.asarray(0.0)) * p.alpha * T * (1 - y.g) - p.beta * y.g}

    def run(beta):
        mine = receptor(equations, Params, State, name="mine")
        return synkin.simulate(mine, mine.Params(beta=beta), np.arange(5) == 1, DT)[1]

    expected = synkin.simulate(own, Params(beta=0.3), np.arange(5) == 1, DT)[1]
    np.testing.assert_allclose(jax.jit(run)(0.3), expected, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(run)(jnp.asarray([0.3, 0.5]))[0], expected, rtol=1e-6)
    slope = jax.jit(jax.grad(lambda beta: run(beta).sum()))(0.3)
    assert slope < 0


class VoltageParams(NamedTuple):
    k0: float = 0.5  # binding rate at 0 mV, /ms/mM
    V: float = -20.0  # mV
    slope: float = 20.0  # mV
    gain: float = 2.0
    beta: float = 0.2  # /ms
    T: float = 1.0  # mM
    T_dur: float = 1.0  # ms


def voltage_dependent(p, y, T):
    """Rates of parameters in any way, by jax.numpy."""
    return {"g": p.k0 * jnp.exp(p.V / p.slope) * jnp.sqrt(T) * (1 - y.g) - p.beta * jnp.log1p(p.gain) * y.g}


voltage_dependent = receptor(
    voltage_dependent,
    VoltageParams,
    State,
    conductance=lambda p, y: p.gain * y.g,
    units={"V": "mV", "slope": "mV", "gain": "1", "g": "1"},
    positive=("slope",),
    signed=("V",),
)


def test_rates_may_be_functions_of_parameters(dtype, method):
    """The same as first-order binding with the rates that they come to, also for parameters of several synapses."""
    kernel, spikes = voltage_dependent, np.arange(30) % 9 == 2
    V = np.array([-40.0, 0.0, 25.0])
    p = VoltageParams(V=V, T=4.0)
    rates = Params(alpha=p.k0 * np.exp(V / p.slope) * 2 / 4, beta=p.beta * np.log1p(p.gain), T=4.0)
    spikes = np.repeat(spikes[:, None], 3, 1)
    _, got = synkin.simulate(kernel, p, spikes, DT, method=method, dtype=dtype)
    _, expected = synkin.simulate(own, rates, spikes, DT, method=method, dtype=dtype)
    np.testing.assert_allclose(got, 2.0 * np.asarray(expected), rtol=2e-5 if dtype == "float32" else 1e-12)
    slope = jax.jit(jax.grad(lambda V: synkin.simulate(kernel, p._replace(V=V), spikes, DT, dtype=dtype)[1].sum()))
    assert (slope(jnp.asarray(V, dtype)) > 0).all()


def test_ranges_are_as_declared():
    synkin.simulate(voltage_dependent, VoltageParams(V=-80.0), np.zeros(3, bool), DT)
    with pytest.raises(ValueError, match=r"^Parameter `slope` must be positive and finite, but has the value 0\.0\.$"):
        voltage_dependent.init(VoltageParams(slope=0.0), 2)
    with pytest.raises(
        ValueError, match=r"^Parameter `k0` must be finite and not negative, but has the value -1\.0\.$"
    ):
        voltage_dependent.init(VoltageParams(k0=-1.0), 2)
    with pytest.raises(
        TypeError, match=r"^Argument `params` must be an own\.Params, but is a test_kernel\.VoltageParams"
    ):
        synkin.simulate(own, VoltageParams(), np.zeros(3, bool), DT)
    with pytest.raises(TypeError, match=r"^Argument `state` must be an own\.State, but is a synkin\.expon\.State\.$"):
        own.step(Params(), synkin.expon.State(0.0), 0.0, True, DT)


def test_parameters_without_a_default():
    class Bare(NamedTuple):
        alpha: float
        beta: float
        T: float = 1.0
        T_dur: float = 1.0

    mine = receptor(first_order, Bare, State, name="mine")
    assert mine.parameters["alpha"].default is None
    assert repr(mine) == "mine(alpha=None, beta=None, T=1.0, T_dur=1.0)"
    _, got = synkin.simulate(mine, Bare(1.0, 0.2), np.arange(5) == 0, DT)
    _, expected = synkin.simulate(own, Params(), np.arange(5) == 0, DT)
    np.testing.assert_array_equal(got, expected)


def test_quantities():
    """Of what has a unit; of what was declared without one a plain number is asked for."""
    u = pytest.importorskip("saiunit")
    spikes = np.arange(20) % 6 == 1
    _, expected = synkin.simulate(own, Params(beta=0.3), spikes, DT)
    _, got = synkin.simulate(own, Params(beta=300 * u.Hz, T_dur=0.001 * u.second), spikes, DT * u.ms)
    np.testing.assert_allclose(got.to_decimal(u.mS), expected, rtol=1e-5)
    bare = receptor(first_order, Params, State, name="bare")
    synkin.simulate(bare, Params(T=1 * u.mM), spikes, DT)
    sentence = (
        "Parameter `beta` must be a plain number, as bare was declared without its unit (units=), but is a quantity."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
        synkin.simulate(bare, Params(beta=300 * u.Hz), spikes, DT)
    with pytest.raises(TypeError, match=r"^Parameter `V` must be in mV, but is in ms\.$"):
        synkin.simulate(voltage_dependent, VoltageParams(V=1 * u.ms), spikes, DT)


def test_the_vector_field_is_the_equations(kernel, x64):
    """Those that `solutions` states by itself, with transmitter and without, for arrays and for numbers."""
    rng = np.random.default_rng(4)
    params = samples.params(kernel, rng, (3,))
    state = kernel.State(*rng.uniform(0.1, 0.9, (len(kernel.State._fields), 3)))
    y = np.array([getattr(state, name) for name in kernel.order])
    for T in (0.0, 0.7):
        got = kernel.vector_field(params, state, T)
        if kernel is synkin.dual_expon:
            # There the two decays are separate: w is their difference over that of the rates.
            rise, w = y
            gap = 1 / params.tau_rise - 1 / params.tau_decay
            d_rise, d_decay = SOLUTIONS[kernel.name].rhs((rise, rise + gap * w), params, T)
            expected = d_rise, (d_decay - d_rise) / gap
        else:
            expected = SOLUTIONS[kernel.name].rhs(y, params, T)
        assert isinstance(got, kernel.State)
        for name, derivative in zip(kernel.order, expected, strict=True):
            np.testing.assert_allclose(getattr(got, name), derivative, rtol=1e-13)
        if not kernel.input.takes_weights:
            np.testing.assert_array_equal(got.pulse_left, np.zeros(3))
    alone = kernel.vector_field(kernel.Params(), kernel.State(*(0.5 for _ in kernel.State._fields)))
    assert all(field.shape == () for field in alone)


def test_the_vector_field_is_for_other_solvers(kernel, dtype):
    """It keeps shape and dtype, and is differentiable."""
    state = kernel.init(kernel.Params(), (2,), dtype=dtype)
    field = jax.jit(kernel.vector_field)(kernel.Params(), state, 1.0)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), field) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), state
    )
    jacobian = jax.jacfwd(lambda state: kernel.vector_field(kernel.Params(), state))(state)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(jacobian))


def test_declared_in_either_precision():
    """What is found of the equations does not depend on JAX's mode."""
    with enable_x64():
        twin = receptor(first_order, Params, State, name="own")
    assert twin.structure == own.structure


def test_without_a_state_of_rest_one_is_asked_for():
    """A receptor that opens by itself: off the grid nobody can tell since when it has."""

    class State(NamedTuple):
        g: jax.Array
        pulse_left: jax.Array

    def equations(p, y, T):
        return {"g": (p.alpha * T + 0.1) * (1 - y.g) - p.beta * y.g}

    opening = synkin.receptor(equations, synkin.ampa.Params, State, name="opening")
    params, times = opening.Params(alpha=1.0, beta=0.4), [1.0, 2.0]
    sentence = (
        "Kernel `opening` must be at rest where its variables are 0, as no state is given, but there `g` changes "
        "without transmitter."
    )
    for run in (
        lambda: synkin.respond(opening, params, [0.5], times),
        lambda: synkin.concentration_jumps(opening, params, [0.5, 1.0], [1.0], times),
        lambda: synkin.fit(opening, params, [0.5], times, [0.1, 0.2], free="beta"),
    ):
        with pytest.raises(ValueError, match=re.escape(sentence)):
            run()
    steady = State(np.float32(0.2), np.float32(0.0))
    np.testing.assert_allclose(synkin.respond(opening, params, [1.5], [1.0], state=steady), 0.2, rtol=1e-6)
