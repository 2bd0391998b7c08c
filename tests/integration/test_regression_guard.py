"""What makes a run fast, counted and not timed: compilations, loops, the costly operations in them, memory.

And that nothing creeps: what the calls of each kernel cost, see costs.py, beside the numbers in costs.txt.
Of the compiled program as XLA's optimizer leaves it. Timings are for `python -m benchmarks`.
"""

from collections import Counter
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from tests.helpers import counted
from tests.helpers.counted import Program
from tests.helpers.precision import X64, enable_x64
from tests.integration import costs

DT = 0.1
STEPS = 50  # of a run, and of no loop that only sets something up
COSTLY = ["exponential", "exponential-minus-one", "log", "log-plus-one", "logistic", "power", "tanh", "sqrt", "divide"]
# All coefficients can be computed before the loop, but for bionmda, whose rate changes from step to step: a tanh and
# some divisions, one of them because the table of "exact" is drawn out next to x = 0.
DIVISIONS = {"exp_euler": 2, "exact": 3, "backward": 4}
# gabaa runs ampa's functions; a step of wang_nmda looks whether x is in its table, as no one knows the weights to come.
DISTINCT = [kernel for kernel in synkin.KERNELS.values() if kernel.name not in ("gabaa", "wang_nmda")]
CHECKED = ["ampa", "bionmda", "alpha"]
METHODS = ["exp_euler", "exact"]
PAIRS = [pytest.param(k, m, marks=[pytest.mark.wide] * (k + m == "bionmdaexact")) for k in CHECKED for m in METHODS]
# XLA's CPU runs a loop body of so many commands one after the other; a longer one it hands to a scheduler, which at
# 1,000 synapses costs more than the commands do. In 64-bit mode `jax.lax.scan` counts in int64 beside the run's own row
# in int32: one more, which costs no time (2,000 steps of bionmda take 7.2 ms with 9 and with 8).
MOST_COMMANDS = 9 if X64 else 8
# Temporary memory of a gradient, in traces of g (N T numbers). Kept are g, its cotangent and, for a receptor, one byte
# a step; a scan that JAX differentiates by itself takes up to four times as much.
TRACES = 2.5
# What the table of costs is for, and how much more is let pass: with another version of JAX, which may trace and
# compile the same differently, 25 %.
TABLE_JAX, TABLE = costs.read()
SLACK = 1.10 if version("jax") == TABLE_JAX else 1.25
FEW = 1500  # operations: what has no more is traced in a fraction of a second
# Beginnings of the cases that are compiled in the default suite.
BY_DEFAULT = ("ampa exp_euler", "alpha exact", "nmda5 exact run")


@pytest.fixture
def compiled():
    """A function that says how often XLA has compiled since it was last asked."""
    counted.compilations()
    return counted.compilations


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


def the_run(executable):
    """The operations and the number of commands of the loop of a run itself: loops before it, which compute
    coefficients, have other lengths."""
    ((operations, number, _),) = [loop for loop in Program(executable).loops() if loop[-1] == STEPS]
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
        assert len(Program(executable).loops()) == 1
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

    of_run = the_run(compile_run(kernel, method=method, readout=lambda state, g: g.sum()))[1]
    assert 3 < of_run <= MOST_COMMANDS
    body, number = the_run(compiled_for(run, kernel))
    assert body["multiply"] + body["conditional"] > 0  # a gate's step is behind one
    assert costly(body) <= allowed(kernel, method)
    # One more where a gate stands behind a condition: what a carry of another grid makes NaN is written before it.
    assert number <= of_run + body["conditional"]


@pytest.mark.parametrize(
    "kernel", [pytest.param(k, id=k.name, marks=[pytest.mark.wide] * (k.structure.gated)) for k in DISTINCT]
)
def test_a_gradient_is_the_run_and_its_tangent_s_transpose(kernel):
    """And before a block of the latter the gates that drive the last one, where there are any. It keeps little more
    than g and its cotangent."""
    executable = compile_run(kernel, gradient=True, shape=(1000, 1000))
    if kernel.name in CHECKED:
        assert 1 <= memory(executable) / 1000**2 <= TRACES
    forward, *drivers, backward = (operations for operations, _, _ in Program(executable).loops())
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


def entries():
    """Each number of the table of costs. What takes long to count is wide, and so is gabaa, which runs ampa's."""
    for case in costs.cases():
        for what in costs.Cost._fields:
            few = TABLE[case].operations < FEW and case.kernel != "gabaa"
            default = few if what == "operations" else str(case).startswith(BY_DEFAULT)
            yield pytest.param(case, what, marks=[pytest.mark.wide] * (not default), id=f"{what} {case}")


def creeping(case, what, number):
    """The sentence if a number is too far above that of the table, else None."""
    kept = getattr(TABLE[case], what)
    if number <= SLACK * kept:
        return None
    return (
        f"{case} takes {number} {what}, {number / kept - 1:.0%} more than the {kept} of costs.txt, which was counted "
        f"with JAX {TABLE_JAX}; {SLACK - 1:.0%} are let pass with JAX {version('jax')}. If it is worth it, write the "
        f"table anew by `python -m tests.integration.costs`."
    )


@pytest.mark.parametrize(("case", "what"), entries())
def test_nothing_creeps(case, what):
    with enable_x64(False):
        found = creeping(case, what, getattr(costs, what)(case))
    assert not found, found


def test_what_creeps_is_said():
    case = costs.Case("ampa", "exp_euler", "run")
    kept = TABLE[case].operations
    assert creeping(case, "operations", int(SLACK * kept)) is None
    said = creeping(case, "operations", 2 * kept)
    assert said.startswith(f"ampa exp_euler run takes {2 * kept} operations, 100% more than the {kept} of costs.txt")
    assert set(TABLE) == set(costs.cases())


def test_operations_and_commands_of_inner_functions_and_loops_count():
    def inner(x):
        return jnp.sin(x) * 2.0

    def looped(x):
        return jax.lax.scan(lambda x, _: (jax.jit(inner)(x), None), x, length=7)[0]

    # The scan, the call, the sine and the product.
    assert counted.equations(jax.make_jaxpr(looped)(1.0)) == 4
    short, long = (
        Program(
            jax.jit(lambda x, n=n: jax.lax.fori_loop(0, n, lambda i, x: jnp.cumsum(x) + i, x))
            .lower(jnp.ones(9))
            .compile()
        )
        for n in (20, 50)
    )
    ((_, commands, trips),) = short.loops()
    assert (trips, commands > 0) == (20, True)
    assert long.commands() - short.commands() == 30 * commands
