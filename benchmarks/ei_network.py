"""brainpy.state's own E-I network, with its synapses and with synkin's by the changed import.

    python -m benchmarks.ei_network                          rates, g and times, as in results/ei-network.txt
    python -m benchmarks.ei_network --seeds 1 --ms 100       only to see that it runs

4,000 neurons, 3,200 of them excitatory, connected with a probability of 0.02, with conductances that jump and decay:
the COBA benchmark of Brette et al. 2007 (J. Comput. Neurosci. 23:349) after Vogels and Abbott 2005 (J. Neurosci.
25:10786), with the numbers that brainpy.state's example has. Both networks of a seed have the same connections and the
same initial voltages. Needs the extra ``brainstate``.

As published, a membrane of 1 ohm turns the microamperes of its synapses (mS times mV) into microvolts, beside 20 mV of
drive: the neurons hardly hear each other. So the network is also run with 1 kilohm, a leak of 1 mS and a drive of 20 mV
as before; weights are then 0.6 and 6.7 times the leak as they are in Brette et al. 2007.
"""

import argparse
import importlib.metadata
import importlib.util
import time
from contextlib import nullcontext
from functools import partial
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.textbook import x64

EXCITATORY, INHIBITORY, DT = 3200, 800, 0.1  # neurons, neurons, ms
NEURONS = EXCITATORY + INHIBITORY
RESISTANCES = {"as published, 1 ohm": 1.0, "coupled, 1 kilohm": 1000.0}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ei_network", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="networks of each kind (5)")
    parser.add_argument("--ms", type=float, default=1000.0, help="simulated time of a run (1000)")
    parser.add_argument("--repeats", type=int, default=9, help="timed runs of each (9)")
    given = parser.parse_args(arguments)
    if importlib.util.find_spec("brainpy_state") is None:
        parser.error("brainpy.state is not installed: `pip install 'synkin[brainstate]'` adds it.")
    packages = ("jax", "brainpy-state", "brainstate", "brainevent", "synkin")
    print(", ".join(f"{package} {_version(package)}" for package in packages))
    steps = round(given.ms / DT)
    for title, R in RESISTANCES.items():
        print(f"\n{title}")
        rates(range(given.seeds), steps, R)
        for precision in (32, 64):
            conductances(steps, precision, R)
        times(steps, given.repeats, R)


def kinds() -> dict[str, ModuleType]:
    """Where the synapses come from, by name."""
    import brainpy.state

    import synkin.adapters.brainstate

    return {"brainpy.state": brainpy.state, "synkin": synkin.adapters.brainstate}


def network(synapses: ModuleType, seed: int, R: float) -> Any:
    """The example; ``synapses`` is the module from which Expon is imported, ``R`` in ohms."""
    import brainpy.state as bst
    import brainstate
    import braintools
    import brainunit as u

    def projection(neurons: int, weight: float, tau: float, E: float, post: Any) -> Any:
        return bst.AlignPostProj(
            comm=brainstate.nn.EventFixedProb(neurons, NEURONS, conn_num=0.02, conn_weight=weight * u.mS),
            syn=synapses.Expon.desc(NEURONS, tau=tau * u.ms),
            out=bst.COBA.desc(E=E * u.mV),
            post=post,
        )

    class Network(brainstate.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.N = bst.LIFRef(
                NEURONS,
                V_rest=-60.0 * u.mV,
                V_th=-50.0 * u.mV,
                V_reset=-60.0 * u.mV,
                tau=20.0 * u.ms,
                tau_ref=5.0 * u.ms,
                R=R * u.ohm,
                V_initializer=braintools.init.Normal(-55.0 * u.mV, 2.0 * u.mV),
            )
            self.E = projection(EXCITATORY, 0.6, 5.0, 0.0, self.N)
            self.I = projection(INHIBITORY, 6.7, 10.0, -80.0, self.N)

        def update(self, i: Any) -> Any:
            with brainstate.environ.context(t=i * DT * u.ms, dt=DT * u.ms):
                spikes = self.N.get_spike() != 0.0
                self.E(spikes[:EXCITATORY])
                self.I(spikes[EXCITATORY:])
                self.N(20.0 / R * u.mA)
                return self.N.get_spike() != 0.0

    np.random.seed(seed)  # noqa: NPY002 (EventFixedProb draws with it)
    brainstate.random.seed(seed)
    net = Network()
    brainstate.nn.init_all_states(net)
    return net


def rates(seeds: range, steps: int, R: float) -> None:
    """Print the mean rate of each network, and how they spread."""
    print(f"\nRate of a neuron, spikes/s, over {steps * DT:g} ms\n{'seed':>8} {'brainpy.state':>14} {'synkin':>14}")
    found: dict[str, list[float]] = {}
    for seed in seeds:
        for kind, synapses in kinds().items():
            count = float(run(network(synapses, seed, R), steps)().sum())
            found.setdefault(kind, []).append(count / NEURONS / (steps * DT / 1000))
        print(f"{seed:8d} " + " ".join(f"{row[-1]:14.3f}" for row in found.values()))
    for name, of in (("mean", np.mean), ("spread", partial(np.std, ddof=1) if len(seeds) > 1 else np.std)):
        print(f"{name:>8} " + " ".join(f"{of(row):14.3f}" for row in found.values()))


def run(net: Any, steps: int) -> Any:
    """A compiled run that goes on from the network's state, and gives how many neurons spike in each step."""
    import brainstate

    @brainstate.transform.jit
    def go() -> Any:
        return brainstate.transform.for_loop(lambda i: net.update(i).sum(), jnp.arange(steps, dtype=float))

    return go


def conductances(steps: int, precision: int, R: float) -> None:
    """Print by how much g of the excitatory projection differs when both are driven by the same spikes."""
    import brainstate
    import brainunit as u

    with brainstate.environ.context(precision=precision), x64(True) if precision == 64 else nullcontext():
        driver, *nets = (network(synapses, 0, R) for synapses in (kinds()["brainpy.state"], *kinds().values()))

        def step(i: Any) -> Any:
            spikes = driver.update(i)[:EXCITATORY]
            with brainstate.environ.context(t=i * DT * u.ms, dt=DT * u.ms):
                theirs, ours = (u.get_mantissa(net.E.syn(net.E.comm(spikes))) for net in nets)
            return jnp.abs(ours - theirs).max(), theirs.max()

        off, largest = map(np.asarray, brainstate.transform.for_loop(step, jnp.arange(steps, dtype=float)))
    print(f"\ng of one projection, same spikes, float{precision}: off by {float(off.max()):.2g} mS at most, ", end="")
    print(f"{float(off.max() / largest.max()):.1e} of its largest value, {float(largest.max()):.3g} mS")


def times(steps: int, repeats: int, R: float) -> None:
    """Print how long a run takes, in turn."""
    runs = {kind: run(network(synapses, 0, R), steps) for kind, synapses in kinds().items()}
    first = {kind: seconds(go) for kind, go in runs.items()}
    found: dict[str, list[float]] = {kind: [] for kind in runs}
    for _ in range(repeats):
        for kind, go in runs.items():
            found[kind].append(seconds(go))
    print(f"\nSeconds for {steps * DT:g} ms: median (quartiles) of {repeats} in turn; the first call compiles")
    for kind, samples in found.items():
        low, median, high = np.percentile(samples, [25, 50, 75])
        print(f"{kind:>14} {median:7.3f} ({low:.3f} to {high:.3f}), first {first[kind]:.2f}")
    theirs, ours = (np.array(samples) for samples in found.values())
    print(f"{'ratio':>14} {np.median(theirs / ours):7.3f}, brainpy.state/synkin, median of pairs")


def seconds(go: Any) -> float:
    start = time.perf_counter()
    jax.block_until_ready(go())
    return time.perf_counter() - start


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        import synkin

        return synkin.__version__ if package == "synkin" else "unknown"


if __name__ == "__main__":
    main()
