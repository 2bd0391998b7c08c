"""Who is measured: functions ``run(kernel, params, spikes, keep)``, pure, for use under `jax.jit` and `jax.grad`.

    kernel    its name in `synkin.KERNELS`
    params    its ``Params``
    spikes    (T, N), bool
    keep      ``keep(g)``, what is kept of each step

Each returns what was kept, with the time axis first.
"""

import importlib.metadata
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

import synkin
from benchmarks.workloads import DT

Keep = Callable[[Array], Array]
Run = Callable[[str, Any, Array, Keep], Array]
REFERENCE = "brainpy.state"
REFERENCE_VERSION = "0.1.0"


def synkin_simulate(kernel: str, params: Any, spikes: Array, keep: Keep, **options: Any) -> Array:
    """The driver."""
    readout = None if keep is whole else lambda state, g: keep(g)
    return synkin.simulate(synkin.KERNELS[kernel], params, spikes, DT, readout=readout, **options)[1]


def own_stepper(kernel: str, params: Any, spikes: Array, keep: Keep, **options: Any) -> Array:
    """A loop of one's own: `lax.scan` over the step of `synkin.stepper`."""
    stepper = synkin.stepper(synkin.KERNELS[kernel], params, DT, **options)

    def body(carry: Any, spike: Array) -> tuple[Any, Array]:
        carry, g = stepper.step(carry, spike)
        return carry, keep(g)

    return jax.lax.scan(body, stepper.init(spikes.shape[1:]), spikes)[1]


def own_step(kernel: str, params: Any, spikes: Array, keep: Keep) -> Array:
    """The same over the kernel's bare ``step``, which prepares itself every time."""
    declared = synkin.KERNELS[kernel]

    def body(state: Any, spike: Array) -> tuple[Any, Array]:
        state, g = declared.step(params, state, 0.0, spike, DT)
        return state, keep(g)

    return jax.lax.scan(body, declared.init(params, spikes.shape[1:]), spikes)[1]


def brainpy_state(kernel: str, params: Any, spikes: Array, keep: Keep) -> Array:
    """The reference: its object in its own loop, units stripped off what is kept."""
    import brainstate
    import brainunit as u

    synapse = reference_object(kernel, spikes.shape[1], params)
    synapse.init_state()

    def step(i: Array, spike: Array) -> Array:
        with brainstate.environ.context(t=i * DT * u.ms, dt=DT * u.ms):
            return keep(plain(synapse.update(reference_input(kernel, spike))))

    return brainstate.transform.for_loop(step, jnp.arange(len(spikes)).astype(jnp.float32), spikes)


def whole(g: Array) -> Array:
    """The ``keep`` of a whole trace."""
    return g


def runs(*, reference: bool = True) -> dict[str, Run]:
    """All of them that can run here, by the name that the tables have."""
    found: dict[str, Run] = {}
    if reference and reference_installed():
        found[REFERENCE] = brainpy_state
    found["own step"] = own_step
    found["own stepper"] = own_stepper
    found["synkin"] = partial(synkin_simulate, method="exp_euler")
    found["own stepper exact"] = partial(own_stepper, method="exact")
    found["synkin exact"] = partial(synkin_simulate, method="exact")
    return found


def reference_installed() -> bool:
    """Whether brainpy.state is here, in the version that is the reference."""
    try:
        return importlib.metadata.version("brainpy-state") == REFERENCE_VERSION
    except importlib.metadata.PackageNotFoundError:
        return False


def reference_object(kernel: str, synapses: int, params: Any) -> Any:
    """The reference's object with the parameters given, which it wants with units."""
    import brainpy.state
    import brainunit as u

    classes = {"ampa": "AMPA", "gabaa": "GABAa", "bionmda": "BioNMDA", "alpha": "Alpha"}
    units = {"ms": u.ms, "mM": u.mM, "1/ms": 1 / u.ms, "1/ms/mM": 1 / (u.ms * u.mM)}
    names = synkin.KERNELS[kernel].UNITS._asdict()
    given = {field: value * units[names[field]] for field, value in params._asdict().items()}
    return getattr(brainpy.state, classes[kernel])(synapses, **given)


def reference_input(kernel: str, spike: Array) -> Any:
    """A step's spikes as the reference takes them."""
    import brainunit as u

    return spike.astype(jnp.float32) * u.mS if synkin.KERNELS[kernel].input.takes_weights else spike


def plain(g: Any) -> Array:
    """A quantity without its unit."""
    return g.mantissa if hasattr(g, "mantissa") else g
