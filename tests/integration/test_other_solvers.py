"""What docs/other_solvers.md shows is run as it stands there, and its figures are measured again."""

import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import ampa, bionmda, schemes
from tests.helpers.precision import as_jax_is

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "other_solvers.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
TABLE = re.search(r"^\| `rtol` and `atol` \|.*?(?=\n\n)", PAGE, re.DOTALL | re.MULTILINE)[0]
SPIKE_TIMES = np.array([5.0, 12.3, 12.7, 30.0])
TIMES = np.linspace(0.0137, 59.9137, 600)


def run(text):
    """Run an example in a JAX that is no stricter than a reader's; the names that it leaves."""
    for name in re.findall(r"^import (diffrax|equinox|jaxley)", text, re.MULTILINE):
        pytest.importorskip(name)
    given = {}
    with as_jax_is():
        exec(compile(text, "docs/other_solvers.md", "exec"), given)
    return given


def block(word):
    """The last example that has a word."""
    return next(text for text in reversed(BLOCKS) if word in text)


@pytest.mark.wide
def test_solve():
    """To the solver's tolerance; without its edges it sees no pulse, and through them goes no derivative."""
    shown = run(block("def solve("))
    state, g = shown["state"], shown["g"]
    assert isinstance(state, bionmda.State)
    assert float(abs(state.g - g).max()) < 2e-5 < 0.5 < float(g.max())
    with as_jax_is():
        end = jax.grad(lambda *given: shown["solve"](*given).g[-1], (0, 1))(shown["params"], shown["spike_times"])
    assert float(end[0].T_dur) == 0
    assert not np.asarray(end[1]).any()
    assert float(end[0].beta1) < 0


@pytest.mark.wide
def test_a_voltage_that_moves():
    """The same membrane by small steps of a stepper, which holds the voltage over each."""
    shown = run(block("nmda.vector_field(present"))
    kernel, dt = schemes.kampa2004, 0.01
    stepper = synkin.stepper(kernel, kernel.Params(), dt, varying=("V",))

    def body(state, spike):
        carry, V = state
        carry, g = stepper.step(carry, spike, V=V)
        V = V + dt * (-50.0 - V - 50.0 * g * V) / 20.0
        return (carry, V), V

    spikes = np.isin(np.arange(5000), round(5.0 / dt))
    _, V = jax.jit(lambda: jax.lax.scan(body, (stepper.init((), V=-50.0), jnp.asarray(-50.0, stepper.dtype)), spikes))()
    assert np.ptp(V) > 5
    assert np.abs(np.asarray(shown["V"])[1:] - V[49::50]).max() < 1e-3 * np.ptp(V)


@pytest.mark.wide
def test_from_edge_to_edge():
    """The derivatives that the edges have are those of `respond`."""
    shown = run(block("def g_at("))

    def g_at(params, spike_times):
        return synkin.respond(ampa, params, spike_times, jnp.array([40.0]))[0]

    expected = jax.grad(g_at, (0, 1))(shown["params"], shown["spike_times"])
    for got, slope, rtol in zip(shown["slope"], expected, (1e-3, 1e-2), strict=True):
        assert np.asarray(got) == pytest.approx(np.asarray(slope), rel=rtol, abs=1e-6)
    assert abs(float(shown["slope"][0].T_dur)) > 1e-3


@pytest.mark.wide
@pytest.mark.usefixtures("x64")
def test_equinox():
    """The two lines by themselves, and the gradient through a cell of them."""
    run(next(text for text in BLOCKS if "class Receptor" in text))
    shown = run(block("class Cell"))
    params, slope = shown["cell"].receptor.params, shown["gradient"]

    def misfit(beta, tau):
        receptor = shown["Receptor"](params._replace(beta=jnp.asarray(beta)))
        with as_jax_is():
            return float(shown["misfit"](shown["Cell"](receptor, jnp.asarray(tau)))[0])

    for got, b, t in ((slope.receptor.params.beta, 0.005, 0.0), (slope.tau, 0.0, 0.5)):
        expected = (misfit(0.18 + b, 20 + t) - misfit(0.18 - b, 20 - t)) / (2 * (b + t))
        assert float(got) == pytest.approx(expected, rel=1e-2, abs=0)


@pytest.mark.wide
def test_jaxley():
    made = run(block("lambda pre, post: post"))
    assert "graded" not in made["graded"].synapse_states
    shown = run(block("make_trainable("))
    assert float(shown["g"].max()) > 0.1
    assert float(shown["slope"][0]["ampa_T_dur"][0]) > 0


def solved(kernel, with_edges=True):
    """g at `TIMES` by diffrax, and the steps it took: a function of the tolerance."""
    diffrax = pytest.importorskip("diffrax")
    params = jax.tree.map(jnp.asarray, kernel.Params())

    def field(t, y, params):
        bound = jnp.any((t >= SPIKE_TIMES) & (t < SPIKE_TIMES + params.T_dur))
        return kernel.vector_field(params, y, jnp.where(bound, params.T, 0.0))

    @jax.jit
    def solve(tolerance):
        control = diffrax.PIDController(rtol=tolerance, atol=tolerance)
        if with_edges:
            edges = jnp.concatenate([SPIKE_TIMES, SPIKE_TIMES + params.T_dur])
            control = diffrax.ClipStepSizeController(control, jump_ts=edges)
        run = (diffrax.ODETerm(field), diffrax.Tsit5(), 0.0, 60.0, None, kernel.init(params, ()), params)
        solution = diffrax.diffeqsolve(*run, stepsize_controller=control, saveat=diffrax.SaveAt(ts=TIMES))
        return kernel.conductance(params, solution.ys), solution.stats["num_steps"]

    return solve


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.wide) for name in ("ampa", "bionmda", "nmda5")])
def test_differences(name):
    """From `respond`, at each tolerance of the table: what the table says, and some of the tolerance."""
    kernel = (synkin.KERNELS | schemes.SCHEMES)[name]
    header, _, *rows = ([cell.strip(" `") for cell in line.strip("|").split("|")] for line in TABLE.splitlines())
    column = next(i for i, title in enumerate(header) if title.rpartition(".")[2] == kernel.name)
    expected = np.asarray(synkin.respond(kernel, kernel.Params(), SPIKE_TIMES, TIMES))
    with as_jax_is():
        solve = solved(kernel)
        for row in rows:
            tolerance, said, steps = float(row[0]), *(float(n) for n in re.findall(r"[\d.e-]+", row[column]))
            g, took = solve(tolerance)
            found = np.abs(np.asarray(g) - expected).max() / expected.max()
            assert found < 15 * tolerance
            assert found == pytest.approx(said, rel=0.5), row[0]
            assert int(took) == pytest.approx(steps, rel=0.2)
        if kernel is ampa:  # the solver leaps over all pulses
            assert "took 5 steps, and g was 0 throughout" in " ".join(PAGE.split())
            g, steps = solved(ampa, with_edges=False)(1e-8)
            assert (int(steps), np.asarray(g).any()) == (5, False)
    assert len(rows) >= 3


def test_an_adapter_without_its_framework():
    """One sentence names the extra, and synkin itself needs no jaxley."""
    code = "import sys; sys.modules['jaxley'] = None; import synkin; import synkin.adapters.jaxley"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    last = done.stderr.rstrip().splitlines()[-1]
    assert last.endswith("needs jaxley, which is not installed: `pip install 'synkin[jaxley]'` adds it.")
