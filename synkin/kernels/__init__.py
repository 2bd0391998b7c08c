"""The kernels, one room a synapse, and the one list of them.

A kernel is a module. What a person uses:

    Params, State      NamedTuples of arrays; `UNITS` is a `Params` of the units' names
    init(params, shape, *, dtype=None) -> state
    step(params, state, t, spike, dt, *, method="exp_euler") -> (state, g)

and what the drivers use, so that nothing is computed twice. `synkin.simulate`:

    TAKES_WEIGHTS                                       whether an input is added (mS) or only starts a pulse
    prepare(params, state, dt, *, method) -> (coefficients, gates, count)     once a run
    gate(coefficients, gates, drive) -> gates                                 each step
    output(coefficients, last) -> g                                           from the last gate alone
    finish(coefficients, gates, count) -> state                               at its end

`gates` are the variables of the equations, each driven by those before it; `count` is how much of the pulse under way
is still to come (see `synkin.transmitter`), None for a linear kernel. The drive is that count, or the weight of an
input. `synkin.respond`:

    receive(params, state, spike) -> state              at an event
    evolve(params, state, duration) -> state            between events
    conductance(params, state) -> g                     at a sample

To add a receptor: write its module beside these, add it to `KERNELS`, and the tests that walk the list do the rest.
"""

from types import ModuleType

from synkin.kernels import alpha, ampa, bionmda, dual_expon, expon, gabaa

KERNELS: dict[str, ModuleType] = {
    "alpha": alpha,
    "ampa": ampa,
    "gabaa": gabaa,
    "bionmda": bionmda,
    "expon": expon,
    "dual_expon": dual_expon,
}
