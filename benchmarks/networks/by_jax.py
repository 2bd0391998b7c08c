"""The networks in a `jax.lax.scan`, with connections held in one of four ways."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import synkin
from benchmarks.networks.model import DT, RESET, TAU, TAU_EXC, TAU_INH, THRESHOLD, Model

# (carry, spikes) -> (carry, what arrives at all neurons from the excitatory and from the inhibitory ones)
Arrive = Callable[[Any, Array], tuple[Any, tuple[Array, Array]]]
# What is held, and from that the step of what arrives.
Way = tuple[Any, Callable[[Any], Arrive]]
ONE_DELAY = round(1.5 / DT)  # steps; of the connections held by hand


def without(model: Model) -> Way:
    """No connections: what the neurons and their synapses cost."""
    nothing = jnp.zeros(model.neurons)
    return (), lambda held: lambda carry, spikes: (carry, (nothing, nothing))


def by_synkin(model: Model) -> Way:
    is_exc = model.pre < model.excitatory
    n, n_exc = model.neurons, model.excitatory
    exc, inh = (
        synkin.connect(model.pre[at] - first, model.post[at], weight, model.delays[at], shape=(count, n), dt=DT)
        for at, first, count, weight in (
            (is_exc, 0, n_exc, model.exc),
            (~is_exc, n_exc, n - n_exc, model.inh),
        )
    )

    def arrive(held: Any) -> Arrive:
        exc, inh = held

        def step(carry: Any, spikes: Array) -> tuple[Any, tuple[Array, Array]]:
            carry_exc, carry_inh = (exc.init(), inh.init()) if carry is None else carry
            carry_exc, from_exc = exc.step(carry_exc, spikes[:n_exc])
            carry_inh, from_inh = inh.step(carry_inh, spikes[n_exc:])
            return (carry_exc, carry_inh), (from_exc, from_inh)

        return step

    return (exc, inh), arrive


def _delayed(model: Model, matrices: Any, product: Callable[[Any, Array], Array]) -> Way:
    """One delay for all: the last rows of spikes in a ring."""
    n, n_exc = model.neurons, model.excitatory

    def arrive(held: Any) -> Arrive:
        exc, inh = held

        def step(carry: Any, spikes: Array) -> tuple[Any, tuple[Array, Array]]:
            ring, row = (jnp.zeros((ONE_DELAY + 1, n), bool), 0) if carry is None else carry
            ring = ring.at[row % (ONE_DELAY + 1)].set(spikes)
            now = ring[(row - ONE_DELAY) % (ONE_DELAY + 1)]
            return (ring, row + 1), (product(exc, now[:n_exc]), product(inh, now[n_exc:]))

        return step

    return matrices, arrive


def by_bcoo(model: Model) -> Way:
    from jax.experimental import sparse

    is_exc = model.pre < model.excitatory
    matrices = []
    for at, first, weight in ((is_exc, 0, model.exc), (~is_exc, model.excitatory, model.inh)):
        count = model.excitatory if first == 0 else model.neurons - model.excitatory
        indices = jnp.asarray(np.stack([model.post[at], model.pre[at] - first], axis=1).astype("int32"))
        data = jnp.full(len(indices), weight, "float32")
        matrices.append(sparse.BCOO((data, indices), shape=(model.neurons, count)))
    return _delayed(model, tuple(matrices), lambda matrix, spikes: matrix @ spikes.astype("float32"))


def by_brainevent(model: Model) -> Way:
    import brainevent

    is_exc = model.pre < model.excitatory
    matrices = []
    for at, first, weight in ((is_exc, 0, model.exc), (~is_exc, model.excitatory, model.inh)):
        count = model.excitatory if first == 0 else model.neurons - model.excitatory
        order = np.argsort(model.pre[at], kind="stable")
        ends = np.concatenate([[0], np.cumsum(np.bincount(model.pre[at] - first, minlength=count))])
        arrays = (np.full(len(order), weight, "float32"), model.post[at][order].astype("int32"), ends.astype("int32"))
        matrices.append(brainevent.CSR(tuple(map(jnp.asarray, arrays)), shape=(count, model.neurons)))
    # They must be closed over, as a traced matrix would be kept.
    _, arrive = _delayed(model, (), lambda matrix, spikes: brainevent.BinaryArray(spikes) @ matrix)
    return (), lambda _: arrive(tuple(matrices))


WAYS = {"no connections": without, "synkin": by_synkin, "BCOO": by_bcoo, "brainevent": by_brainevent}


def runner(model: Model, way: str, steps: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A function that runs the network, and its arguments; it returns the number of spikes in each step."""
    held, arriving = WAYS[way](model)
    exc = synkin.stepper(synkin.expon, synkin.expon.Params(tau=TAU_EXC), DT)
    inh = synkin.stepper(synkin.expon, synkin.expon.Params(tau=TAU_INH), DT)
    noise, n = model.sigma * np.sqrt(DT / TAU), model.neurons

    def run(held: Any, key: Array, V: Array) -> Array:
        arrive = arriving(held)

        def step(carry: Any, key: Array) -> tuple[Any, Array]:
            V, spikes, quiet, coming, at_exc, at_inh = carry
            coming, (from_exc, from_inh) = arrive(coming, spikes)
            drive = model.mean + noise * TAU / DT * jax.random.normal(key, (n,), "float32")
            if model.at_once:
                V = V + from_exc + from_inh
            else:
                at_exc, g_exc = exc.step(at_exc, from_exc)
                at_inh, g_inh = inh.step(at_inh, from_inh)
                drive = drive + g_exc + g_inh
            V = V + DT / TAU * (drive - V)
            if model.refractory:
                quiet = jnp.where(spikes, model.refractory, jnp.maximum(quiet - 1, 0))
                V = jnp.where(quiet > 0, RESET, V)
            spikes = V > THRESHOLD
            return (jnp.where(spikes, RESET, V), spikes, quiet, coming, at_exc, at_inh), spikes.sum()

        spikes = jnp.zeros(n, bool)
        coming, _ = arrive(None, spikes) if way != "no connections" else ((), None)
        begin = V, spikes, jnp.zeros(n, "int32"), coming, exc.init((n,)), inh.init((n,))
        return jax.lax.scan(step, begin, jax.random.split(key, steps))[1]

    start = jax.random.uniform(jax.random.key(1), (n,), "float32", 0.0, THRESHOLD)
    return jax.jit(run), (held, jax.random.key(0), start)
