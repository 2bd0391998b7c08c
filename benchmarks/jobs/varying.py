"""What varies: magnesium in the channel at a voltage that moves, and transmitter given as a concentration."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import expm

import synkin
from benchmarks.timing import Call, Row, compare
from benchmarks.workloads import DT, Scale, spikes, steps_for

UNIT = "ns per synapse and step"
TOLERANCE = 2e-5  # of the largest sum, float32
KERNEL = synkin.schemes.kampa2004
LEVELS = np.random.default_rng(0).uniform(-90.0, 40.0, 64).astype(np.float32)  # mV, at no row of a table


def rows(scale: Scale) -> Iterator[Row]:
    for synapses in scale.synapses[:2]:
        train = spikes(steps_for(scale, synapses), synapses)
        at = (np.arange(len(train))[:, None] + 7 * np.arange(synapses)) % len(LEVELS)
        right = expected(train, at[:, :1]), expected(train, at)
        yield _row(KERNEL, "V", train, LEVELS[at], right, scale)
    train = spikes(steps_for(scale, scale.synapses[0]), scale.synapses[0])
    for kernel in (synkin.ampa, synkin.bionmda):
        yield _row(kernel, "T", train, np.where(train, 0.5, 0.0).astype(np.float32), (None, None), scale)


def _row(kernel: Any, name: str, train: np.ndarray, values: np.ndarray, right: tuple[Any, Any], scale: Scale) -> Row:
    given = None if name == "T" else train
    calls = {
        "held": Call(_summed(kernel, train)),
        "one value": Call(_summed(kernel, given, {name: values[:, 0]}, train.shape[1:]), right[0]),
        "one each": Call(_summed(kernel, given, {name: values}), right[1]),
        "weights": Call(_summed(kernel, train.astype(np.float32), weighted=True)),
    }
    figures = compare(calls, per=1e9 / train.size, tolerance=TOLERANCE, scale=scale)
    return Row({"kernel": kernel.name, "varies": name, "N": train.shape[1], "T": len(train)}, figures)


def _summed(
    kernel: Any,
    train: np.ndarray | None,
    varying: Mapping[str, np.ndarray] | None = None,
    shape: tuple[int, ...] | None = None,
    **options: Any,
) -> Callable[[], Any]:
    @jax.jit
    def run(train: Any, varying: Any) -> Any:
        def step(carry: Any, row: Any) -> Any:
            carry, g = stepper.step(carry, row[0], **row[1])
            return carry, jnp.sum(g)

        return jax.lax.scan(step, stepper.init(lengths), (train, varying))[1]

    ranges = {name: (float(values.min()), float(values.max())) for name, values in (varying or {}).items()}
    stepper = synkin.stepper(kernel, kernel.Params(), DT, method="exact", varying=ranges, **options)
    varying = {name: jnp.asarray(values) for name, values in (varying or {}).items()}
    lengths = shape or (varying["T"] if train is None else train).shape[1:]
    on_device = None if train is None else jnp.asarray(train)
    return lambda: run(on_device, varying)


def expected(train: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The sum of g at each step in float64, by SciPy's matrix exponential at each level; a pulse lasts whole steps."""
    params = KERNEL.Params()
    moves = np.array(
        [
            [expm(np.asarray(KERNEL.generator(params._replace(V=float(V)), T), float) * DT) for V in LEVELS]
            for T in (0.0, params.T)
        ]
    )
    weights = np.array([KERNEL.open.get(state, 0.0) for state in KERNEL.states])
    lasts = round(params.T_dur / DT)
    at = np.broadcast_to(at, train.shape)
    at_rest = expm(np.asarray(KERNEL.generator(params, 0.0), float) * 1e6)[:, 0]
    y = np.broadcast_to(at_rest, (train.shape[1], len(weights)))
    left, sums = np.zeros(train.shape[1], int), []
    for row, levels in zip(train, at, strict=True):
        left = np.where(row, lasts, left)
        y = np.einsum("nab,nb->na", moves[(left > 0).astype(int), levels], y)
        left = np.maximum(left - 1, 0)
        sums.append(weights @ y.sum(axis=0))
    return np.array(sums)
