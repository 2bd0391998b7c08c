"""Second derivatives in all four orders of modes, at the singular points too, where formulas like to divide by 0."""

import re
import sys
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import alpha, ampa, bionmda, dual_expon
from tests.helpers.differences import CENTRAL, RIGHT, gradient

pytestmark = pytest.mark.usefixtures("x64", "quickly_compiled")

DT = 0.1
SPIKES = np.isin(np.arange(16), (1, 9))
# Off the ends of pulses, where a second derivative jumps.
SPIKE_TIMES, TIMES = np.array([0.1, 0.9]), np.array([0.25, 0.97, 1.93])

# Of a function of a vector, at x and in the direction d: the Hessian's product with d, or d's with that.
ORDERS = {
    "forward of forward": lambda f, x, d: jax.jvp(slope(f, d), (x,), (d,))[1],
    "forward of reverse": lambda f, x, d: jax.jvp(jax.grad(f), (x,), (d,))[1],
    "reverse of forward": lambda f, x, d: jax.grad(slope(f, d))(x),
    "reverse of reverse": lambda f, x, d: jax.grad(lambda x: jax.grad(f)(x) @ d)(x),
}


def slope(f, d):
    return lambda x: jax.jvp(f, (x,), (d,))[1]


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


WAYS = {function.__name__: function for function in (respond, simulate, scan_of_step, scan_of_stepper)}
POINTS = {
    "dual_expon, tau_rise = tau_decay": (dual_expon, dual_expon.Params(5.0, 5.0, 1.3)),
    "ampa, alpha = beta = 0": (ampa, ampa.Params(alpha=0.0, beta=0.0, T=0.7, T_dur=0.53)),
    "ampa": (ampa, ampa.Params(T_dur=0.53)),
    "alpha": (alpha, alpha.Params(3.0)),
    "bionmda, beta1 = 0": (bionmda, bionmda.Params(beta1=0.0, T_dur=0.53)),
    "bionmda, all rates 0": (bionmda, bionmda.Params(0.0, 0.0, 0.0, 0.0, T=0.7, T_dur=0.53)),
}
FREE = {"ampa": ("alpha", "beta", "T_dur"), "bionmda": ("alpha1", "beta1", "alpha2", "beta2")}


@cache
def loss(way, name, method):
    """A weighted sum of g as a function of the free parameters, (P,)."""
    kernel, params = POINTS[name]
    free = FREE.get(kernel.name, kernel.Params._fields)

    def value(x):
        g = WAYS[way](kernel, params._replace(**dict(zip(free, x, strict=True))), method)
        return jnp.sum(g * jnp.cos(jnp.arange(len(g), dtype=float)))

    return value, np.array([float(getattr(params, field)) for field in free])


def worst(way, name, method):
    """The error of each order over the largest element, against differences of the gradient."""
    value, x = loss(way, name, method)

    @jax.jit
    def of(x, d):
        return jax.grad(value)(x), [order(value, x, d) for order in ORDERS.values()]

    # Into the range of a parameter that is 0, and from there alone.
    direction = np.where(x == 0, 1.0, x) * (1 + 0.5 * np.cos(np.arange(x.size)))
    rule = CENTRAL if x.all() else RIGHT
    (expected,) = gradient(lambda s: of(x + s[0] * direction, direction)[0], [0.0], rule=rule, one_by_one=True)
    scale = np.abs(expected).max()
    found = {}
    for order, got in zip(ORDERS, of(x, direction)[1], strict=True):
        wanted, size = (expected, 1.0) if got.ndim else (expected @ direction, np.abs(direction).sum())
        found[order] = float(np.abs(got - wanted).max() / (scale * size))
    return found


# Four derivatives of derivatives take long to compile, those of bionmda minutes: most are for `pytest -m wide`.
ALWAYS = {
    *((way, name, "exact") for way in ("respond", "simulate", "scan_of_step") for name in list(POINTS)[:2]),
    ("simulate", "bionmda, beta1 = 0", "exp_euler"),
}
CASES = [
    pytest.param(way, name, method, marks=[] if (way, name, method) in ALWAYS else [pytest.mark.wide])
    for name in POINTS
    for way in WAYS
    for method in (("exact",) if way == "respond" else ("exact", "exp_euler"))
]


@pytest.mark.parametrize(("way", "name", "method"), CASES)
def test_a_hessian_in_every_order_of_modes(way, name, method):
    assert max(worst(way, name, method).values()) < 1e-7


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_disable_most_optimizations", True)
    for case in CASES:
        if not re.search(sys.argv[1] if len(sys.argv) > 1 else "", " ".join(case.values)):
            continue
        print(*case.values, {order: f"{error:.0e}" for order, error in worst(*case.values).items()}, flush=True)
