"""The network as a scan over synkin's steppers."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import synkin
from benchmarks.decision_network import model
from benchmarks.decision_network.model import DT, Network
from synkin import Carry, currents, expon, wang_nmda


class Running(NamedTuple):
    """What goes from step to step."""

    V: Array  # (N,) mV
    left: Array  # (N,) steps still refractory
    ring: Array  # (delay, N) who spiked in the last steps
    external: Carry  # of N neurons
    ampa: Carry  # of the 4 populations that listen
    gaba: Carry  # of these
    nmda: Carry  # of the neurons that speak


def run(net: Network, outside: Array, keep: Callable[[Array], Any] = lambda fired: fired) -> Any:
    """What is kept of who fires in each step, by default all, bool (T, N).

    Args:
        net: from `model.network`.
        outside: (T, N), the spikes from outside that each neuron gets in each step.
        keep: of fired, bool (N,), what is kept.

    In JAX's 64-bit mode all is computed in float64.
    """
    N, N_E, population = sum(net.sizes), net.excitatory, net.population
    C, g_leak, W_nmda = (jnp.asarray(x, float) for x in (net.cells.C, net.cells.g_leak, net.nmda))
    W_outside, W_ampa = (
        jnp.asarray(x * model.mean_of_step(model.TAU_AMPA), float) for x in (net.cells.external, net.ampa)
    )
    W_gaba = jnp.asarray(net.gaba * model.mean_of_step(model.TAU_GABA), float)
    delay = round(model.DELAY / DT)
    fast = synkin.stepper(expon, expon.Params(tau=model.TAU_AMPA), DT)
    gaba = synkin.stepper(expon, expon.Params(tau=model.TAU_GABA), DT)
    params = wang_nmda.Params(tau_x=model.TAU_X, alpha=model.ALPHA, tau_s=model.TAU_S)
    nmda = synkin.stepper(wang_nmda, params, DT, method="exact")

    def of_groups(x: Array) -> Array:
        """(3,), the sums over the excitatory populations."""
        return jnp.stack([part.sum() for part in jnp.split(x, np.cumsum(net.sizes[:2]))])

    def step(now: Running, row: tuple[Array, Array]) -> tuple[Running, Any]:
        i, outside = row
        V, arriving = now.V, now.ring[i % delay].astype(float)
        external, g_external = fast.step(now.external, W_outside * outside.astype(float))
        ampa, g_ampa = fast.step(now.ampa, W_ampa @ of_groups(arriving[:N_E]))
        gaba_carry, g_gaba = gaba.step(now.gaba, W_gaba * arriving[N_E:].sum())
        nmda_carry, opened = nmda.step(now.nmda, arriving[:N_E])
        g_nmda = (W_nmda @ of_groups(opened))[population] * currents.mg_block(V, Mg=model.MG)

        I = g_leak * (V - model.E_LEAK) + currents.coba(g_gaba[population], V, E=model.E_INHIBITORY)
        I = I + currents.coba(g_external + g_ampa[population] + g_nmda, V, E=model.E_EXCITATORY)
        V = jnp.where(now.left > 0, model.V_RESET, V - DT / C * I)
        fired = V > model.V_THRESHOLD
        left = jnp.where(fired, net.refractory, jnp.maximum(now.left - 1, 0))
        V, ring = jnp.where(fired, model.V_RESET, V), now.ring.at[i % delay].set(fired)
        return Running(V, left, ring, external, ampa, gaba_carry, nmda_carry), keep(fired)

    start = Running(
        V=jnp.full(N, model.V_RESET, float),
        left=jnp.zeros(N, np.int32),
        ring=jnp.zeros((delay, N), bool),
        external=fast.init((N,)),
        ampa=fast.init((4,)),
        gaba=gaba.init((4,)),
        nmda=nmda.init((N_E,)),
    )
    return jax.lax.scan(step, start, (jnp.arange(len(outside)), outside))[1]
