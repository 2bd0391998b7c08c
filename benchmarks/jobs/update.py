"""Update: one step of an object outside jit, as in a notebook's loop."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import synkin
from benchmarks import contenders, textbook
from benchmarks.timing import Call, Row, compare
from benchmarks.workloads import DT, Scale, default_params, distinct

UNIT = "microseconds an update"
SYNAPSES = 100
RATE = 0.1  # spikes of a synapse a step: a short run has some to be checked by
TOLERANCE = 2e-5  # of the largest value, float32
EAGER = "brainpy.state eager"
EAGER_UPDATES = 3  # in a sample: each takes as long as hundreds of the others

Update = Callable[[float, Array], Array]  # t in ms and spikes to g


def rows(scale: Scale) -> Iterator[Row]:
    train = np.random.default_rng(0).random((max(scale.updates, EAGER_UPDATES), SYNAPSES)) < RATE
    inputs = [(i * DT, jnp.asarray(spike)) for i, spike in enumerate(train)]
    for kernel in distinct(scale.kernels):
        expected = textbook.result(kernel, default_params(kernel), train, DT, "exp_euler")
        calls = {"one dispatch": _call(_dispatch(), inputs, None)}
        for name, update in _updates(kernel).items():
            count = EAGER_UPDATES if name == EAGER else len(inputs)
            calls[name] = _call(update, inputs[:count], expected[:count])
        yield Row({"kernel": kernel, "N": SYNAPSES}, compare(calls, per=1e6, tolerance=TOLERANCE, scale=scale))


def _call(update: Update, inputs: list[tuple[float, Array]], expected: np.ndarray | None) -> Call:
    """All inputs one after the other. The first time from rest, which is checked; then on from there."""
    return Call(lambda: [update(t, spike) for t, spike in inputs], expected, jnp.stack, inner=len(inputs))


def _updates(kernel: str) -> dict[str, Update]:
    found = {"own jit": _own_jit(kernel), "synkin": _synkin(kernel)}
    if contenders.reference_installed():
        found = {contenders.REFERENCE: _reference(kernel, jit=True), EAGER: _reference(kernel, jit=False)} | found
    return found


def _dispatch() -> Update:
    """The least that a jitted function costs."""
    invert = jax.jit(jnp.logical_not)
    return lambda t, spike: invert(spike)


def _own_jit(kernel: str) -> Update:
    """The kernel's ``step`` under a jit of one's own, its state held by hand."""
    module, params = synkin.KERNELS[kernel], default_params(kernel)
    step = jax.jit(lambda state, t, spike: module.step(params, state, t, spike, DT))
    held: dict[str, Any] = {"state": module.init(params, SYNAPSES)}

    def update(t: float, spike: Array) -> Array:
        held["state"], g = step(held["state"], t, spike)
        return g

    return update


def _synkin(kernel: str) -> Update:
    """The object."""
    classes = {"ampa": synkin.AMPA, "gabaa": synkin.GABAa, "bionmda": synkin.BioNMDA, "alpha": synkin.Alpha}
    synapse = classes[kernel](SYNAPSES)
    synapse.init_state()

    def update(t: float, spike: Array) -> Array:
        with synkin.environ.context(t=t, dt=DT):
            return synapse.update(spike)

    return update


def _reference(kernel: str, *, jit: bool) -> Update:
    import brainstate
    import brainunit as u

    synapse = contenders.reference_object(kernel, SYNAPSES, default_params(kernel))
    synapse.init_state()

    def update(t: float, spike: Array) -> Array:
        with brainstate.environ.context(t=t * u.ms, dt=DT * u.ms):
            return contenders.plain(synapse.update(contenders.reference_input(kernel, spike)))

    return brainstate.transform.jit(update) if jit else update
