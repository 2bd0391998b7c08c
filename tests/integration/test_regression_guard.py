"""What makes a run fast, counted and not timed: compilations, loops, the costly operations in them, memory.

Of the compiled program as XLA's optimizer leaves it. Timings are for `python -m benchmarks`.
"""

import re
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin

DT = 0.1
STEPS = 50  # of a run, and of no loop that only sets something up
COSTLY = ["exponential", "exponential-minus-one", "log", "log-plus-one", "logistic", "power", "tanh", "sqrt", "divide"]
FREE = ("parameter", "constant", "tuple", "get-tuple-element", "bitcast")
# All coefficients can be computed before the loop, but for bionmda, whose rate changes from step to step: a tanh and
# some divisions, one of them because the table of "exact" is drawn out next to x = 0.
DIVISIONS = {"exp_euler": 2, "exact": 3, "backward": 4}
# gabaa runs ampa's functions; a step of wang_nmda looks whether x is in its table, as no one knows the weights to come.
DISTINCT = [kernel for kernel in synkin.KERNELS.values() if kernel.name not in ("gabaa", "wang_nmda")]
CHECKED = ["ampa", "bionmda", "alpha"]
METHODS = ["exp_euler", "exact"]
PAIRS = [pytest.param(k, m, marks=[pytest.mark.wide] * (k + m == "bionmdaexact")) for k in CHECKED for m in METHODS]
# XLA's CPU runs a loop body of so many commands one after the other; a longer one it hands to a scheduler, which at
# 1,000 synapses costs more than the commands do.
MOST_COMMANDS = 8
# Temporary memory of a gradient, in traces of g (N T numbers). Kept are g, its cotangent and, for a receptor, one byte
# a step; a scan that JAX differentiates by itself takes up to four times as much.
TRACES = 2.5

compilations: list[str] = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **_: compilations.append(event) if "backend_compile" in event else None
)


@pytest.fixture
def compiled():
    """A function that says how often XLA has compiled since it was last asked."""
    compilations.clear()

    def since():
        number = len(compilations)
        compilations.clear()
        return number

    return since


def compiled_for(run, kernel, shape=(STEPS, 1000)):
    params = jax.tree.map(lambda value: jnp.asarray(value, float), kernel.Params())
    return jax.jit(run).lower(params, jax.ShapeDtypeStruct(shape, bool)).compile()


def compile_run(kernel, *, gradient=False, method="exp_euler", readout=None, shape=(STEPS, 1000)):
    """The compiled run of a kernel with its parameters as arguments: g, or the gradient of its mean square."""

    def run(params, spikes):
        return synkin.simulate(kernel, params, spikes, DT, method=method, readout=readout)[1]

    def slope(params, spikes):
        return jax.grad(lambda params: jnp.mean(run(params, spikes) ** 2))(params)

    return compiled_for(slope if gradient else run, kernel, shape)


def loops(executable):
    """For each loop that holds no other: how often each operation stands in its body, how many commands that is to
    XLA's CPU, and how often it is run."""
    computations: dict[str, list[str]] = {}
    for line in executable.as_text().splitlines():
        head = re.match(r"(?:ENTRY )?%?([\w.-]+) \(.*\{$", line)
        if head:
            here = computations[head[1]] = []
        elif line.startswith(" "):
            here.append(line)
    texts = {name: "\n".join(lines) for name, lines in computations.items()}

    def own(name):
        return Counter(re.findall(r"^\s+(?:ROOT )?%?[\w.-]+ = .*? ([a-z][a-z-]*)\(", texts[name], re.M))

    def operations(name):
        called = re.findall(r"(?:calls|to_apply|body|condition)=%?([\w.-]+)", texts[name])
        return sum(map(operations, called), own(name))

    found = []
    for line in "\n".join(texts.values()).splitlines():
        body = re.search(r" while\(.*body=%?([\w.-]+)", line)
        if body and not operations(body[1])["while"]:
            trips = re.search(r'"known_trip_count":{"n":"(\d+)"', line)
            number = sum(number for name, number in own(body[1]).items() if name not in FREE)
            found.append((operations(body[1]), number, int(trips[1]) if trips else None))
    return found


def the_run(executable):
    """The operations and the number of commands of the loop of a run itself: loops before it, which compute
    coefficients, have other lengths."""
    ((operations, number, _),) = [loop for loop in loops(executable) if loop[-1] == STEPS]
    return operations, number


def allowed(kernel, where="exp_euler"):
    return Counter({"tanh": 1, "divide": DIVISIONS[where]} if kernel.structure.gated else {})


def costly(operations):
    return Counter({name: operations[name] for name in COSTLY if operations[name]})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kernel", DISTINCT, ids=lambda kernel: kernel.name)
def test_a_run_is_one_loop_of_few_commands_without_a_costly_one(kernel, method):
    executable = compile_run(kernel, method=method)
    body, number = the_run(executable)
    if method == "exp_euler":
        assert len(loops(executable)) == 1
    assert body["multiply"] > 0
    assert costly(body) <= allowed(kernel, method)
    assert 3 < number <= MOST_COMMANDS


@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_a_step_with_a_readout_or_in_a_scan_of_one_s_own_is_few_commands(name, method):
    """A stepper is as fast as a run: the same loop but for the row, which the carry counts."""
    kernel = synkin.KERNELS[name]

    def run(params, spikes):
        stepper = synkin.stepper(kernel, params, DT, method=method)

        def body(carry, spike):
            carry, g = stepper.step(carry, spike)
            return carry, g.sum()

        return jax.lax.scan(body, stepper.init((1000,)), spikes)[1]

    readout = compile_run(kernel, method=method, readout=lambda state, g: g.sum())
    assert 3 < the_run(readout)[1] <= MOST_COMMANDS
    body, number = the_run(compiled_for(run, kernel))
    assert body["multiply"] + body["conditional"] > 0  # a gate's step is behind one
    assert costly(body) <= allowed(kernel, method)
    # One more where a gate stands behind a condition: what a carry of another grid makes NaN is written before it.
    assert number <= MOST_COMMANDS + body["conditional"]


@pytest.mark.parametrize(
    "kernel", [pytest.param(k, id=k.name, marks=[pytest.mark.wide] * (k.structure.gated)) for k in DISTINCT]
)
def test_a_gradient_is_the_run_and_its_tangent_s_transpose(kernel):
    """And before a block of the latter the gates that drive the last one, where there are any. It keeps little more
    than g and its cotangent."""
    executable = compile_run(kernel, gradient=True, shape=(1000, 1000))
    if kernel.name in CHECKED:
        assert 1 <= memory(executable) / 1000**2 <= TRACES
    forward, *drivers, backward = (operations for operations, _, _ in loops(executable))
    assert len(drivers) == (kernel.structure.kind != "relaxation")
    assert costly(forward) <= allowed(kernel)
    assert not any(map(costly, drivers))
    assert backward["multiply"] > 0
    assert costly(backward) <= allowed(kernel, "backward")


def test_the_count_sees_what_a_step_computes_again():
    """The step itself prepares its coefficients: under a scan written by hand it may pay for them each time."""

    def run(betas, spikes):
        def body(state, row):
            beta, spike = row
            return synkin.ampa.step(synkin.ampa.Params(beta=beta), state, 0.0, spike, DT)

        return jax.lax.scan(body, synkin.ampa.init(synkin.ampa.Params(), (300,)), (betas, spikes))

    assert costly(the_run(jax.jit(run).lower(jnp.ones(50), jnp.zeros((50, 300), bool)).compile())[0])


@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_a_second_run_compiles_nothing(name, method, compiled):
    kernel = synkin.KERNELS[name]
    rng = np.random.default_rng(0)

    def run(factor):
        params = kernel.Params(*(factor * value for value in kernel.Params()))
        spikes = rng.random((23, 7)) < 0.2
        jax.block_until_ready(synkin.simulate(kernel, params, spikes, factor * DT, method=method))

    jax.clear_caches()  # where both methods are one, the first has compiled for the other
    run(1.0)
    assert compiled() > 0
    run(1.5)
    assert compiled() == 0


@pytest.mark.parametrize(("name", "time"), [("AMPA", "T_dur"), ("BioNMDA", "T_dur"), ("DualExpon", "tau_decay")])
def test_objects_of_one_shape_share_what_is_compiled(name, time, compiled):
    """Whatever their parameters and initial values; also where dt changes, with a pulse that may be under way."""

    def use(*dts, **options):
        synapse = getattr(synkin, name)((3, 19), **options)
        for _ in range(2):
            synapse.reset_state()
            for i, dt in enumerate(dts):
                with synkin.environ.context(t=0.5 * i, dt=dt):
                    synapse.update(np.full((3, 19), i == 1)).block_until_ready()

    use(DT, DT, 1.1 * DT)
    assert compiled() > 0
    use(DT, 1.2 * DT, 1.4 * DT, g_initializer=0.1, **{time: 1.3})
    assert compiled() == 0


@pytest.mark.parametrize("name", CHECKED)
def test_a_readout_needs_no_memory_for_the_steps_between(name):
    shapes = (200, 300), (3200, 300)
    kernel = synkin.KERNELS[name]
    short, long = (memory(compile_run(kernel, readout=lambda state, g: g.sum(), shape=shape)) for shape in shapes)
    assert short == long < 10 * 300


def memory(executable):
    """Temporary memory, in numbers of the default precision."""
    return executable.memory_analysis().temp_size_in_bytes / jnp.zeros(()).dtype.itemsize
