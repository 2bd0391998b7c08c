"""The run of `synkin.solving.run` in log(T) passes, for few synapses and many steps on an accelerator.

Each step of a variable is an affine map ``y <- a y + b``, given the variables that drive it. Such maps compose
associatively. They are numbers where each variable can be solved before those that it drives, and matrices where
variables drive each other.
"""

import jax
import jax.numpy as jnp
from jax import Array

from synkin.solving import coefficients, pulses, steps
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators.equations import Variables


def trace(
    kernel: Kernel,
    method: str,
    overlap: str,
    spikes_at: str,
    coefs: coefficients.StepCoefficients,
    y: Variables,
    count: Array | None,
    spikes: Array,
) -> tuple[Variables, Array | None, tuple[Variables, Array | None], tuple[Variables, Array]]:
    """A run.

    Returns:
        The variables and the count at the end; both after every step, (T, *shape); the variables before every step, and
        what drove it.
    """
    drive, after = spikes, None
    if count is not None and spikes_at == "start":
        drive = _counts(overlap, coefs, count, spikes)
        after = jnp.maximum(pulses.pass_step(drive), 0)
    elif count is not None:  # the pulse of a spike begins with the next step
        after = jnp.maximum(_counts(overlap, coefs, jnp.maximum(pulses.pass_step(count), 0), spikes), 0)
        drive = _before(count, after)
    step = _Step(kernel, method, coefs, spikes_at)
    traces = step.all_at_once(y, drive) if kernel.structure.coupled else step.in_turn(y, drive)
    starts = tuple(_before(*each) for each in zip(y, traces, strict=True))
    last = None if after is None else after[-1]
    return tuple(each[-1] for each in traces), last, (traces, after), (starts, drive)


class _Step:
    """One step as affine maps."""

    def __init__(self, kernel: Kernel, method: str, coefs: coefficients.StepCoefficients, spikes_at: str) -> None:
        self.step = lambda y, drive: steps.step(kernel, method, coefs, y, drive, spikes_at)

    def in_turn(self, start: tuple[Array, ...], drive: Array) -> tuple[Array, ...]:
        """The traces of the variables one after the other, each given the traces of those that drive it."""
        before = [jnp.zeros(drive.shape, y.dtype) for y in start]
        traces = []
        for i, first in enumerate(start):

            def affine(before: list[Array], drive: Array, i: int = i) -> tuple[Array, Array]:
                def step(y: Array) -> Array:
                    return self.step((*before[:i], y, *before[i + 1 :]), drive)[i]

                zero = jnp.zeros_like(before[i])
                b, a = jax.jvp(step, (zero,), (jnp.ones_like(zero),))
                return a, b

            a, b = jax.lax.associative_scan(_compose, jax.vmap(affine)(before, drive))
            traces.append(jax.vmap(lambda a, b, first=first: a * first + b)(a, b))
            before[i] = _before(first, traces[-1])
        return tuple(traces)

    def all_at_once(self, start: tuple[Array, ...], drive: Array) -> tuple[Array, ...]:
        """The traces of all variables together; the last two axes of their maps are matrices."""
        zeros = tuple(jnp.zeros(drive.shape[1:], y.dtype) for y in start)

        def affine(drive: Array) -> tuple[Array, Array]:
            def along(j: int) -> tuple[Variables, Variables]:
                ones = tuple(jnp.ones_like(zero) if i == j else zero for i, zero in enumerate(zeros))
                return jax.jvp(lambda *y: self.step(y, drive), zeros, ones)

            columns = [along(j) for j in range(len(zeros))]
            matrix = jnp.stack([jnp.stack(column, axis=-1) for _, column in columns], axis=-1)
            return matrix, jnp.stack(columns[0][0], axis=-1)

        matrix, shift = jax.lax.associative_scan(_compose_all, jax.vmap(affine)(drive))
        traces = _times(matrix, jnp.stack(start, axis=-1)[None]) + shift
        return tuple(traces[..., i] for i in range(len(start)))


def _before(first: Array, after: Array) -> Array:
    """What there was before each step, of the first value and those after each step."""
    return jnp.concatenate([first[None], after[:-1]])


def _compose(first: tuple[Array, Array], then: tuple[Array, Array]) -> tuple[Array, Array]:
    """``first``, and ``then`` after it, as one map."""
    return then[0] * first[0], then[0] * first[1] + then[1]


def _compose_all(first: tuple[Array, Array], then: tuple[Array, Array]) -> tuple[Array, Array]:
    """The same for matrices."""
    product = jnp.matmul(then[0], first[0], precision=jax.lax.Precision.HIGHEST)
    return product, _times(then[0], first[1]) + then[1]


def _times(matrix: Array, vector: Array) -> Array:
    return jnp.sum(matrix * vector[..., None, :], axis=-1)


def _counts(overlap: str, coefs: coefficients.StepCoefficients, first_count: Array, spikes: Array) -> Array:
    """The pulse's count in every step, (T, *shape)."""
    assert coefs.pulse is not None
    pulse = coefs.pulse
    rows = jnp.arange(len(spikes), dtype=jnp.int32)
    if overlap == "ignore":  # whether a spike counts depends on earlier spikes, so this is a scan

        def body(ends: Array, step: tuple[Array, Array]) -> tuple[Array, Array]:
            row, spike = step
            ends = pulses.on_spike(pulse, coefs.carried_pulse, ends, spike, row, overlap)
            return ends, pulses.count(ends, row)

        return jax.lax.scan(body, first_count, (rows, spikes))[1]
    since = jax.vmap(lambda row, spike: jnp.where(spike, row, -1))(rows, spikes.astype(bool))
    latest = jax.lax.associative_scan(jnp.maximum, since)  # the row of the latest spike, -1 before the first

    def count(row: Array, latest: Array) -> Array:
        return pulses.count(jnp.where(latest >= 0, pulse.full + 2 * latest, first_count), row)

    return jax.vmap(count)(rows, latest)
