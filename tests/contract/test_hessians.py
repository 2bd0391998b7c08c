"""Second derivatives in all four orders of modes, at the singular points too, where formulas like to divide by 0."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from tests.contract.table import ROWS, wide
from tests.helpers.differences import CENTRAL, RIGHT, gradient

pytestmark = pytest.mark.usefixtures("x64", "quickly_compiled")

DT = 0.1
SPIKES = np.isin(np.arange(16), (1, 9))
# Off the ends of pulses, where a second derivative jumps.
SPIKE_TIMES, TIMES = np.array([0.1, 0.9]), np.array([0.25, 0.97, 1.93])


def slope(f, d):
    return lambda x: jax.jvp(f, (x,), (d,))[1]


# Of a function of a vector, at x and in the direction d: the Hessian's product with d, or d's with that.
ORDERS = {
    "forward of reverse": lambda f, x, d: jax.jvp(jax.grad(f), (x,), (d,))[1],
    "forward of forward": lambda f, x, d: jax.jvp(slope(f, d), (x,), (d,))[1],
    "reverse of forward": lambda f, x, d: jax.grad(slope(f, d))(x),
    "reverse of reverse": lambda f, x, d: jax.grad(lambda x: jax.grad(f)(x) @ d)(x),
}


def respond(kernel, params, method):
    return synkin.respond(kernel, params, SPIKE_TIMES, TIMES)


def simulate(kernel, params, method):
    return synkin.simulate(kernel, params, SPIKES, DT, method=method)[1]


def scan_of_step(kernel, params, method):
    def body(state, spike):
        return kernel.step(params, state, 0.0, spike, DT, method=method)

    return jax.lax.scan(body, kernel.init(params, ()), jnp.asarray(SPIKES))[1]


def scan_of_stepper(kernel, params, method):
    stepper = synkin.stepper(kernel, params, DT, method=method)
    return jax.lax.scan(stepper.step, stepper.init(()), jnp.asarray(SPIKES))[1]


# Name, parameters in place of defaults; what is free is all that moves g.
POINTS = {
    "dual_expon, tau_rise = tau_decay": ("dual_expon", {"tau_decay": 5.0, "tau_rise": 5.0, "amplitude": 1.3}),
    "ampa, alpha = beta = 0": ("ampa", {"alpha": 0.0, "beta": 0.0, "T": 0.7, "T_dur": 0.53}),
    "ampa": ("ampa", {"T_dur": 0.53}),
    "alpha": ("alpha", {"tau": 3.0}),
    "desensitising": ("desensitising", {"T_dur": 0.53, "r": 0.0}),
    "gabab": ("gabab", {"T_dur": 0.53}),
    "cascade, equal rates": ("cascade", {"k1": 0.3}),
    "bionmda, beta1 = 0": ("bionmda", {"beta1": 0.0, "T_dur": 0.53}),
    "bionmda, all rates 0": (
        "bionmda", dict.fromkeys(("alpha1", "beta1", "alpha2", "beta2"), 0.0) | {"T": 0.7, "T_dur": 0.53},
    ),
}  # fmt: skip
FREE = {"ampa": ("alpha", "beta", "T_dur"), "bionmda": ("alpha1", "beta1", "alpha2", "beta2")}
CASES = [
    *((way, name, "exact") for way in (respond, simulate, scan_of_step, scan_of_stepper) for name in list(POINTS)[:2]),
    *((simulate, name, "exact") for name in ("alpha", "desensitising", "gabab", "cascade, equal rates")),
    (simulate, "ampa", "exp_euler"), (scan_of_step, "alpha", "exp_euler"), (respond, "desensitising", "exact"),
    (simulate, "bionmda, beta1 = 0", "exp_euler"), (scan_of_step, "bionmda, all rates 0", "exp_euler"),
    (simulate, "bionmda, all rates 0", "exact"), (respond, "bionmda, beta1 = 0", "exact"),
]  # fmt: skip


@pytest.mark.parametrize(("way", "name", "method"), wide(CASES, [(simulate, "alpha", "exact")]))
def test_a_hessian_in_every_order_of_modes(way, name, method):
    """Against differences of the gradient, over the largest element."""
    row, changes = POINTS[name]
    kernel = ROWS[row].kernel
    params = kernel.Params(**changes)
    free = FREE.get(row, kernel.Params._fields)
    x = np.array([float(getattr(params, field)) for field in free])
    # Those of bionmda take minutes to compile: one order says most.
    orders = list(ORDERS.values())[: 1 if (row, method) == ("bionmda", "exact") else 4]

    def value(x):
        g = way(kernel, params._replace(**dict(zip(free, x, strict=True))), method)
        return jnp.sum(g * jnp.cos(jnp.arange(len(g), dtype=float)))

    @jax.jit
    def of(x, d):
        return jax.grad(value)(x), [order(value, x, d) for order in orders]

    # Into the range of a parameter that is 0, and from there alone.
    direction = np.where(x == 0, 1.0, x) * (1 + 0.5 * np.cos(np.arange(x.size)))
    rule = CENTRAL if x.all() else RIGHT
    (expected,) = gradient(lambda s: of(x + s[0] * direction, direction)[0], [0.0], rule=rule, one_by_one=True)
    scale = np.abs(expected).max()
    for got in of(x, direction)[1]:
        wanted, size = (expected, 1.0) if got.ndim else (expected @ direction, np.abs(direction).sum())
        assert np.abs(got - wanted).max() / (scale * size) < 1e-7
