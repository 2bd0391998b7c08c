"""The posterior of a fit by NUTS, beside its profiles: ampa's three parameters, scale and offset.

    python -m benchmarks.fit_posterior              # needs blackjax and numpyro

One recording of 400 samples, noise of 1 % of the peak, priors on alpha and T_dur. NUTS draws from
``result.log_density`` as it is, once with blackjax and once with numpyro, 4 chains of 1,000 draws each. Of each
parameter the table has mean and standard deviation of the draws, and value, standard error and half the width of the
68 % interval of the profile.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np

import synkin
from synkin import ampa

CHAINS, WARMUP, DRAWS = 4, 500, 1000
TRUE = ampa.Params(alpha=1.1, beta=0.25, T_dur=0.7)


def fitted():
    """The fit of a synthetic recording."""
    times = np.arange(0.0, 40.0, 0.1)
    clean = 30 * np.asarray(synkin.respond(ampa, TRUE, [5.0], times))
    trace = clean + 0.01 * np.ptp(clean) * np.random.default_rng(0).normal(size=times.size)
    prior = {"alpha": ("lognormal", 1.0, 0.3), "T_dur": ("lognormal", 0.7, 0.2)}
    return synkin.fit(
        *(ampa, ampa.Params(), [5.0], times, trace),
        **{"free": ("alpha", "beta", "T_dur"), "scale": True, "offset": True, "prior": prior, "progress": False},
    )


def by_blackjax(density):
    """Draws (CHAINS, DRAWS, N)."""
    import blackjax

    def chain(key):
        first, second = jax.random.split(key)
        warmup = blackjax.window_adaptation(blackjax.nuts, density)
        (state, parameters), _ = warmup.run(first, density.start, num_steps=WARMUP)
        step = blackjax.nuts(density, **parameters).step

        def draw(state, key):
            state, _ = step(key, state)
            return state, state.position

        return jax.lax.scan(draw, state, jax.random.split(second, DRAWS))[1]

    return jax.jit(jax.vmap(chain))(jax.random.split(jax.random.key(0), CHAINS))


def by_numpyro(density):
    """Draws (CHAINS, DRAWS, N)."""
    from numpyro.infer import MCMC, NUTS

    kernel = NUTS(potential_fn=lambda vector: -density(vector))
    mcmc = MCMC(
        kernel, num_warmup=WARMUP, num_samples=DRAWS, num_chains=CHAINS, chain_method="vectorized", progress_bar=False
    )
    mcmc.run(jax.random.key(0), init_params=jnp.tile(density.start, (CHAINS, 1)))
    return mcmc.get_samples(group_by_chain=True)


def main():
    """Print the table."""
    jax.config.update("jax_enable_x64", True)
    result = fitted()
    density = result.log_density
    print(result)
    rows = {name: [] for name in result.problem.free}
    for how in (by_blackjax, by_numpyro):
        seconds = []
        for _ in range(2):  # the second time without compilation, where the sampler keeps its program
            began = time.perf_counter()
            drawn = jax.block_until_ready(how(density))
            seconds.append(time.perf_counter() - began)
        values = density.values(drawn)
        between = {name: np.std(np.mean(value, axis=1)) / np.std(value) for name, value in values.items()}
        print(
            f"{how.__name__}: {seconds[0]:.1f} s, {seconds[1]:.1f} s again; chains' means differ by "
            f"{max(between.values()):.3f} standard deviations"
        )
        for name, row in rows.items():
            row.append(f"{np.mean(values[name]):.4f} +- {np.std(values[name]):.4f}")
    print(f"{'':8}{'blackjax':>20}{'numpyro':>20}{'fit':>20}{'profile, 68 %':>20}")
    for name, row in rows.items():
        own = f"{getattr(result.params, name):.4f} +- {result.stderr[name]:.4f}"
        low, high = result.profile(name).interval68
        print(f"{name:8}{row[0]:>20}{row[1]:>20}{own:>20}{f'{low:.4f} to {high:.4f}':>20}")


if __name__ == "__main__":
    main()
