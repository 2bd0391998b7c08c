"""Why not by hand: a careful loop of one's own beside `synkin.simulate` with "exact".

    python -m benchmarks.by_hand                              # the two numbers of README.md
    python -m benchmarks.by_hand --plot docs/by_hand.png      # and its picture

The loop is what one writes for an AMPA receptor in JAX: the pulse of transmitter counted in steps, its coefficients
computed once, exponential Euler, a `lax.scan` under `jit`. Its pulse lasts whole steps, so 0.35 ms are 4 steps of
0.1 ms. Both are called in turn; the charge is compared with the integral of the exact conductance in float64.
"""

import argparse
import math
from functools import partial
from statistics import median
from time import perf_counter

import jax
import jax.numpy as jnp
import numpy as np

import synkin
from synkin import ampa

PARAMS = ampa.Params(T_dur=0.35)
DT = 0.1  # ms
STEPS, SYNAPSES = 1_000, 1_000


@partial(jax.jit, static_argnames=("dt",))
def loop(params: ampa.Params, spikes: jax.Array, dt: float = DT) -> jax.Array:
    """The sum of g over the synapses at the end of each step, (T,), by hand."""
    on = params.alpha * params.T + params.beta
    settled = params.alpha * params.T / on
    keep_on, keep_off = jnp.exp(-on * dt), jnp.exp(-params.beta * dt)
    pulse = jnp.ceil(params.T_dur / dt - 1e-4).astype(int)  # steps; 0.3 / 0.1 is not quite 3

    def step(carry: tuple[jax.Array, jax.Array], spike: jax.Array) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        g, left = carry
        left = jnp.where(spike, pulse, left)
        g = jnp.where(left > 0, settled + (g - settled) * keep_on, g * keep_off)
        return (g, jnp.maximum(left - 1, 0)), g.sum()

    start = jnp.zeros(spikes.shape[1:]), jnp.zeros(spikes.shape[1:], int)
    return jax.lax.scan(step, start, spikes)[1]


@jax.jit
def exact(params: ampa.Params, spikes: jax.Array) -> jax.Array:
    """The same by synkin."""
    return synkin.simulate(ampa, params, spikes, DT, method="exact", readout=lambda state, g: g.sum())[1]


def charge_errors() -> dict[str, float]:
    """How far the charge of one spike is off, as a fraction of the integral of g, which is known in closed form."""
    on = PARAMS.alpha * PARAMS.T + PARAMS.beta
    settled = PARAMS.alpha * PARAMS.T / on
    rise = settled * (PARAMS.T_dur - (1 - math.exp(-on * PARAMS.T_dur)) / on)
    right = rise + settled * (1 - math.exp(-on * PARAMS.T_dur)) / PARAMS.beta
    spikes = jnp.zeros((1_000, 1), bool).at[0].set(True)
    return {name: float(run(PARAMS, spikes).sum()) * DT / right - 1 for name, run in (("loop", loop), ("exact", exact))}


def times(rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each call, the two in turn."""
    spikes = jnp.asarray(np.random.default_rng(0).random((STEPS, SYNAPSES)) < 0.002)
    found: dict[str, list[float]] = {"loop": [], "exact": []}
    for turn in range(rounds + 3):
        for name, run in (("loop", loop), ("exact", exact)):
            begin = perf_counter()
            run(PARAMS, spikes).block_until_ready()
            if turn >= 3:  # the first calls compile and warm up
                found[name].append(1e3 * (perf_counter() - begin))
    return found


def draw(path: str) -> None:
    """Three spikes: the loop at two steps, and the exact g."""
    import matplotlib.pyplot as plt

    from synkin.plot import BLUE, GREY, VERMILION

    spike_times, end = [1.0, 9.0, 12.0], 24.0
    at = np.linspace(0.0, end, 2_401)
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    _, ax = plt.subplots(figsize=(6.0, 2.3), layout="constrained")
    for dt, style in ((0.25, ":"), (0.1, "-")):
        steps = round(end / dt)
        spikes = jnp.asarray(np.isin(np.arange(steps), np.round(np.array(spike_times) / dt)))[:, None]
        ends = dt * np.arange(1, steps + 1)
        ax.plot(
            ends, loop(PARAMS, spikes, dt), style, color=VERMILION, linewidth=1.2, label=f"loop by hand, dt = {dt} ms"
        )
    g = synkin.respond(ampa, PARAMS, spike_times, at)
    ax.plot(at, g, color=BLUE, linewidth=1.2, label='"exact", any dt')
    ax.vlines(spike_times, 0, 0.03, GREY, linewidth=1.2)
    ax.set(xlabel="time (ms)", ylabel="g (fraction open)", xlim=(0, end), ylim=(0, None))
    ax.legend(frameon=False, fontsize=8, loc="upper right")
    plt.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.by_hand", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200, help="calls of each (200)")
    parser.add_argument("--plot", metavar="FILE", help="draw the picture")
    given = parser.parse_args()
    print(f"ampa, T_dur {PARAMS.T_dur} ms, dt {DT} ms, float32, {STEPS} steps of {SYNAPSES} synapses")
    taken, errors = times(given.rounds), charge_errors()
    for name in taken:
        quartiles = np.percentile(taken[name], [25, 75])
        print(
            f"{name}: {median(taken[name]):.1f} ms ({quartiles[0]:.1f} to {quartiles[1]:.1f}), "
            f"charge {100 * errors[name]:+.2f} %"
        )
    ratio = median(b / a for a, b in zip(taken["loop"], taken["exact"], strict=True))
    print(f'"exact" takes {ratio:.2f} times as long as the loop')
    if given.plot:
        draw(given.plot)


if __name__ == "__main__":
    main()
