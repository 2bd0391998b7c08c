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
COSTLY = ["exponential", "exponential-minus-one", "log", "log-plus-one", "logistic", "power", "tanh", "sqrt"]
# All coefficients can be computed before the loop, but for bionmda, whose rate changes from step to step.
ALLOWED = {"bionmda": Counter({"tanh": 1, "divide": 2})}
ALLOWED_EXACT = {"bionmda": Counter({"tanh": 1, "divide": 3})}  # its table is drawn out next to x = 0
ALLOWED_BACKWARD = {"bionmda": Counter({"tanh": 1, "divide": 4})}
DISTINCT = [kernel for kernel in synkin.KERNELS.values() if kernel.name != "gabaa"]  # which runs ampa's functions
CHECKED = ["ampa", "bionmda", "alpha"]
METHODS = ["exp_euler", "exact"]
# "exact" of bionmda, the dearest to compile, is held where a run is compiled by itself.
PAIRS = [
    pytest.param(name, method, marks=[pytest.mark.wide] * ((name, method) == ("bionmda", "exact")))
    for name in CHECKED
    for method in METHODS
]
# XLA's CPU runs a loop body of so many commands one after the other; a longer one it hands to a scheduler, which at
# 1,000 synapses costs more than the commands do.
MOST_COMMANDS = 8
# Temporary memory of a gradient, in traces of g (N T numbers). Kept are g, its cotangent and, for a receptor, one byte
# a step; a scan that JAX differentiates by itself takes up to four times as much.
TRACES = 2.5

compilations: list[str] = []


def _note(event, seconds, **kwargs):
    if "backend_compile" in event:
        compilations.append(event)


jax.monitoring.register_event_duration_secs_listener(_note)


@pytest.fixture
def compiled():
    """A function that says how often XLA has compiled since it was last asked."""
    compilations.clear()

    def since():
        number = len(compilations)
        compilations.clear()
        return number

    return since


def compile_run(kernel, *, gradient=False, method="exp_euler", readout=None, shape=(STEPS, 300)):
    """The compiled run of a kernel with its parameters as arguments: g, or the gradient of its mean square."""

    def run(params, spikes):
        return synkin.simulate(kernel, params, spikes, DT, method=method, readout=readout)[1]

    def slope(params, spikes):
        return jax.grad(lambda params: jnp.mean(run(params, spikes) ** 2))(params)

    params = jax.tree.map(lambda value: jnp.asarray(value, float), kernel.Params())
    return jax.jit(slope if gradient else run).lower(params, jax.ShapeDtypeStruct(shape, bool)).compile()


def loops(executable):
    """For each loop of a program that holds no other, how often each operation stands in its body."""
    return [operations for operations, _, _ in _loops(executable)]


def the_run(executable):
    """Of the loop of a run itself: how often each operation stands in its body, and how many commands that is to XLA's
    CPU. Loops before it, which compute coefficients, have other lengths."""
    ((operations, number, _),) = [loop for loop in _loops(executable) if loop[-1] == STEPS]
    return operations, number


def _loops(executable):
    computations: dict[str, list[str]] = {}
    for line in executable.as_text().splitlines():
        head = re.match(r"(?:ENTRY )?%?([\w.-]+) \(.*\{$", line)
        if head:
            here = computations[head[1]] = []
        elif line.startswith(" "):
            here.append(line)

    def own(name):
        return Counter(
            re.findall(r"^\s+(?:ROOT )?%?[\w.-]+ = .*? ([a-z][a-z-]*)\(", "\n".join(computations[name]), re.M)
        )

    def operations(name):
        found = own(name)
        for called in re.findall(r"(?:calls|to_apply|body|condition)=%?([\w.-]+)", "\n".join(computations[name])):
            found.update(operations(called))
        return found

    lines = [line for lines in computations.values() for line in lines]
    whiles = [
        (re.search(r" while\(.*body=%?([\w.-]+)", line), re.search(r'"known_trip_count":{"n":"(\d+)"', line))
        for line in lines
    ]
    bodies = [(body[1], int(trips[1]) if trips else None) for body, trips in whiles if body]
    free = ("parameter", "constant", "tuple", "get-tuple-element", "bitcast")
    return [
        (operations(body), sum(number for name, number in own(body).items() if name not in free), trips)
        for body, trips in bodies
        if not operations(body)["while"]
    ]


def costly(operations):
    return Counter({name: operations[name] for name in [*COSTLY, "divide"] if operations[name]})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kernel", DISTINCT, ids=lambda kernel: kernel.name)
def test_a_run_is_one_loop_of_few_commands_without_a_costly_one(kernel, method):
    executable = compile_run(kernel, method=method, shape=(STEPS, 1000))
    body, number = the_run(executable)
    if method == "exp_euler":
        assert loops(executable) == [body]
    assert body["multiply"] > 0
    allowed = ALLOWED_EXACT if method == "exact" else ALLOWED
    assert costly(body) <= allowed.get(kernel.name, Counter())
    assert 3 < number <= MOST_COMMANDS


@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_a_step_with_a_readout_is_few_commands(name, method):
    run = compile_run(synkin.KERNELS[name], method=method, readout=lambda state, g: g.sum(), shape=(STEPS, 1000))
    assert 3 < the_run(run)[1] <= MOST_COMMANDS


@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_so_is_one_of_a_stepper_in_a_scan_of_one_s_own(name, method):
    """As fast as a run: the same loop but for the row, which the carry counts."""
    kernel = synkin.KERNELS[name]

    def run(params, spikes):
        stepper = synkin.stepper(kernel, params, DT, method=method)

        def body(carry, spike):
            carry, g = stepper.step(carry, spike)
            return carry, g.sum()

        return jax.lax.scan(body, stepper.init((1000,)), spikes)[1]

    params = jax.tree.map(lambda value: jnp.asarray(value, float), kernel.Params())
    body, number = the_run(jax.jit(run).lower(params, jax.ShapeDtypeStruct((STEPS, 1000), bool)).compile())
    assert body["multiply"] + body["conditional"] > 0  # a gate's step is behind one
    allowed = ALLOWED_EXACT if method == "exact" else ALLOWED
    assert costly(body) <= allowed.get(kernel.name, Counter())
    # One more where a gate stands behind a condition: what a carry of another grid makes NaN is written before it.
    assert number <= MOST_COMMANDS + body["conditional"]


@pytest.mark.parametrize("kernel", DISTINCT, ids=lambda kernel: kernel.name)
def test_a_gradient_is_the_run_and_its_tangent_s_transpose(kernel):
    """And before a block of the latter the gates that drive the last one, where there are any. It keeps little more
    than g and its cotangent."""
    executable = compile_run(kernel, gradient=True, shape=(1000, 1000))
    if kernel.name in CHECKED:
        assert 1 <= memory(executable) / 1000**2 <= TRACES
    forward, *drivers, backward = loops(executable)
    assert len(drivers) == (kernel.structure.kind != "relaxation")
    assert costly(forward) <= ALLOWED.get(kernel.name, Counter())
    assert not any(map(costly, drivers))
    assert backward["multiply"] > 0
    assert costly(backward) <= ALLOWED_BACKWARD.get(kernel.name, Counter())


def test_the_count_sees_what_a_step_computes_again():
    """The step itself prepares its coefficients: under a scan written by hand it may pay for them each time."""

    def run(betas, spikes):
        def body(state, row):
            beta, spike = row
            return synkin.ampa.step(synkin.ampa.Params(beta=beta), state, 0.0, spike, DT)

        return jax.lax.scan(body, synkin.ampa.init(synkin.ampa.Params(), (300,)), (betas, spikes))

    (body,) = loops(jax.jit(run).lower(jnp.ones(50), jnp.zeros((50, 300), bool)).compile())
    assert costly(body)


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


@pytest.mark.parametrize("name", ["AMPA", "BioNMDA", "Alpha", "DualExpon"])
def test_objects_of_one_shape_share_what_is_compiled(name, compiled):
    """Whatever their parameters and initial values; also where dt changes, with a pulse that may be under way."""

    def use(*dts, **options):
        synapse = getattr(synkin, name)((3, 19), **options)
        for _ in range(2):
            synapse.reset_state()
            for i, dt in enumerate(dts):
                with synkin.environ.context(t=0.5 * i, dt=dt):
                    synapse.update(np.full((3, 19), i == 1)).block_until_ready()

    linear = {"Alpha": "tau", "DualExpon": "tau_decay"}
    use(DT, DT, 1.1 * DT)
    assert compiled() > 0
    use(DT, 1.2 * DT, 1.4 * DT, g_initializer=0.1, **{linear.get(name, "T_dur"): 1.3})
    assert compiled() == 0


@pytest.mark.parametrize("name", CHECKED)
def test_a_readout_needs_no_memory_for_the_steps_between(name):
    short, long = (
        memory(compile_run(synkin.KERNELS[name], readout=lambda state, g: g.sum(), shape=(steps, 300)))
        for steps in (200, 3200)
    )
    assert short == long < 10 * 300


def memory(executable):
    """Temporary memory, in numbers of the default precision."""
    return executable.memory_analysis().temp_size_in_bytes / jnp.zeros(()).dtype.itemsize
