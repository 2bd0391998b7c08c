"""A population of receptors made ready for steps of one length: `synkin.stepper` with ``channels``.

    stepper = synkin.stepper(synkin.ampa, params, dt=0.1, channels=60)
    carry = stepper.init((1000,))
    carry, g = stepper.step(carry, spikes[0], key=jax.random.key(0))

Receptors are counted in each state, and go from state to state by chance, with the probabilities of exactly one step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import fields, units
from synkin.arguments.channels import check_channels
from synkin.arguments.choices import check_random_key
from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.known import is_concrete
from synkin.arguments.numbers import broadcasts, check_shape, nan_unless
from synkin.arguments.params_and_states import check_params
from synkin.solving import carry as carries
from synkin.solving import coefficients, first_carry, pulses, steps
from synkin.solving.carry import Carry
from synkin.solving.channels import draws, population
from synkin.solving.coefficients import StepCoefficients, StepKind
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators.of_kernel import Propagator, transition_matrix

# What the carry of a population has in place of a method, as its variables are counts.
_METHOD = "exact, in channels"


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["params", "coefficients", "propagators", "conductances", "channels"],
    meta_fields=["kernel", "overlap"],
)
@dataclass(frozen=True, repr=False)
class ChannelStepper:
    """What `synkin.stepper` returns with ``channels``. It is a pytree: a function under jit or vmap may close over it,
    take it as an argument or return it.

    Example:
        >>> stepper = synkin.stepper(synkin.ampa, synkin.ampa.Params(), 0.1, channels=100)
        >>> carry = stepper.init((2,))
        >>> carry, g = stepper.step(carry, [True, False], key=jax.random.key(0))
        >>> g.shape
        (2,)
    """

    kernel: Kernel
    params: AnyParams  # the kernel's Params, arrays
    coefficients: StepCoefficients  # how long pulses are; without propagators
    propagators: tuple[Array, ...]  # (S, S, ...) of a step with transmitter, of the last of a pulse, and without
    conductances: Array  # (S, ...) g where all receptors are in a state
    channels: Array  # int32, how many receptors a synapse has
    overlap: str

    def __dir__(self) -> list[str]:
        return fields.completion(
            ("channels", "dt", "dtype", "init", "kernel", "overlap", "params", "state", "step"), super().__dir__()
        )

    @property
    def dtype(self) -> jnp.dtype:
        """The floating dtype of g."""
        return self.dt.dtype

    @property
    def dt(self) -> Array:
        """The step, ms."""
        return self.coefficients.dt

    def init(self, shape: int | tuple[int, ...], *, key: Array | None = None) -> Carry:
        """The carry for the first step: all receptors are at rest.

        Args:
            shape: the shape of the synapses, for example (1000,).
            key: a key of `jax.random`, needed if a receptor at rest may be in several states: the state of each is then
                drawn.

        Returns:
            The carry. Its ``y`` are the int32 counts of the receptors in each state, the first state first.

        Raises:
            TypeError, ValueError: the shape does not fit the parameters or ``channels``, or a key is missing.

        Example:
            >>> stepper = synkin.stepper(synkin.ampa, synkin.ampa.Params(), 0.1, channels=100)
            >>> carry = stepper.init((2,))
            >>> print(carry.y[0])  # all closed
            [100 100]
        """
        lengths = check_shape(shape)
        check_params(self.params, lengths, self.kernel)
        if not broadcasts(self.channels.shape, lengths):
            raise ValueError(
                f"Argument `shape` must be one that `channels` of shape {self.channels.shape} broadcast to, but is "
                f"{lengths}."
            )
        channels = jnp.broadcast_to(self.channels, lengths)
        none = jnp.zeros_like(channels)
        states = self.kernel.structure.size + 1
        if self.kernel.rest is None:
            counts = jnp.stack([channels, *[none] * (states - 1)])
        elif key is None:
            raise ValueError(
                f"Argument `key` must be given, as a receptor of {self.kernel.name} at rest may be in several states, "
                "which are drawn, but is not."
            )
        else:
            check_random_key("key", key)
            occupancies = population.occupancies(self.kernel, self.kernel.init(self.params, lengths, dtype=self.dtype))
            counts = draws.distribute(key, channels, population.without_derivative(occupancies))
        coefs = carries.match_state(self.coefficients, jnp.zeros(lengths, self.dtype))
        return carries.make(self.kernel, _METHOD, coefs, tuple(counts), none)

    def step(self, carry: Carry, spike: ArrayLike, *, key: Array) -> tuple[Carry, Array]:
        """Advance by one step.

        Args:
            carry: from `init` or the step before.
            spike: booleans (or 0 and 1), which act from the start of the step, of the shape of the synapses or
                broadcasting to it.
            key: a key of `jax.random`, another one for each step.

        Returns:
            The carry at the end of the step, and g there.

        Raises:
            TypeError, ValueError: a spike or key of the wrong kind, shape or value; a carry of another stepper; or a
                derivative is asked for, which random counts do not have.

        Example:
            >>> stepper = synkin.stepper(synkin.ampa, synkin.ampa.Params(), 0.1, channels=100)
            >>> carry, g = stepper.step(stepper.init((2,)), [True, False], key=jax.random.key(0))
            >>> float(g[1])
            0.0
        """
        carries.check(carry, self.kernel, _METHOD, self.coefficients)
        check_random_key("key", key)
        spike = units.strip_unit("spike", spike, self.kernel.input.unit)
        return _take_step(self, carry, self.kernel.input.check_spike(spike, carry.count), key)

    def state(self, carry: Carry) -> AnyState:
        """The kernel's ``State`` that a carry stands for: the fraction of the receptors in each state. It raises what
        `step` raises.

        Example:
            >>> stepper = synkin.stepper(synkin.ampa, synkin.ampa.Params(), 0.1, channels=100)
            >>> carry, g = stepper.step(stepper.init((2,)), [True, False], key=jax.random.key(0))
            >>> bool((stepper.state(carry).g == g).all())
            True
        """
        carries.check(carry, self.kernel, _METHOD, self.coefficients)
        whole = jnp.broadcast_to(self.channels, carry.count.shape).astype(self.dtype)
        coefs = carries.match_state(self.coefficients, whole)
        wrong = carries.nan_unless_same_grid(carry, coefs)
        y = tuple(count.astype(self.dtype) / whole + wrong for count in carry.y[1:])
        return first_carry.state_of(self.kernel, coefs, y, carries.count_of_next(carry))

    def __repr__(self) -> str:
        known = f"{float(self.dt):.6g} ms" if is_concrete(self.dt) else "traced"
        return f"stepper({self.kernel.name}, dt={known}, channels={self.channels}, overlap={self.overlap!r})"


@jax.jit
def _take_step(stepper: ChannelStepper, carry: Carry, spike: Array, key: Array) -> tuple[Carry, Array]:
    """`ChannelStepper.step` of checked arguments."""
    like = jnp.zeros(carry.count.shape, stepper.dtype)
    coefs = carries.match_state(stepper.coefficients, like)
    pulse = coefficients.pulse_of(coefs)
    count = pulses.on_spike(pulse, None, pulses.next_step(carry.count), spike, 0, stepper.overlap)
    kinds = [_aligned(kind, 2, like) for kind in stepper.propagators]
    propagator = population.without_derivative(steps.select_by_count(count[None, None], *kinds))
    counts = draws.move(key, jnp.stack(carry.y), propagator)
    conductances = _aligned(stepper.conductances, 1, like)
    g = population.open_part(conductances, counts, jnp.broadcast_to(stepper.channels, like.shape))
    # A propagator of NaN is one of parameters that are out of range.
    g = g + carries.nan_unless_same_grid(carry, coefs) + 0 * propagator.sum(axis=(0, 1))
    if spike.dtype != bool:
        g = nan_unless(g, (spike == 0) | (spike == 1))
    return carry._replace(y=tuple(counts), count=count), g


def _aligned(values: Array, axes: int, like: Array) -> Array:
    """``values``, which have so many axes of states in front, with those of synapses of the rank of ``like``."""
    own = values.shape[axes:]
    return values.reshape(*values.shape[:axes], *(1,) * (like.ndim - len(own)), *own).astype(like.dtype)


def check_options(
    kernel: Kernel,
    method: object,
    varying: object,
    weighted: object,
    output: object,
    spikes_at: object,
    off_grid: object,
) -> None:
    """Raise ValueError unless the options of a stepper go with ``channels``."""
    population.check_population(kernel)
    if method not in (None, "exact"):
        raise ValueError(f"Argument `method` must be 'exact' with `channels`, but is {method!r}.")
    given = {"varying": varying, "weighted": weighted, "off_grid": off_grid}
    given |= {"output": output != "end", "spikes_at": spikes_at not in (None, "start")}
    for name, is_given in given.items():
        if is_given:
            raise ValueError(f"Argument `{name}` must be left out with `channels`, but is given.")


def make_channel_stepper(
    kernel: Kernel, params: AnyParams, dt: Array, channels: ArrayLike, overlap: str
) -> ChannelStepper:
    """A `ChannelStepper` of arguments that have been checked but for ``channels``; see `synkin.stepper`."""
    counts, good = check_channels(channels, np.shape(channels))
    if good is not None:  # a wrong number makes dt NaN, and so g
        dt = nan_unless(dt, good.all())
    return _made(kernel, params, dt, counts, overlap)


@partial(jax.jit, static_argnames=("kernel", "overlap"))
def _made(kernel: Kernel, params: AnyParams, dt: Array, channels: Array, overlap: str) -> ChannelStepper:
    # The coefficients combine parameters of several ranks.
    rank = max(value.ndim for value in (*params, channels))
    ranked = carries.match_state(params, jnp.zeros((1,) * rank, dt.dtype))
    pulse = pulses.on_grid(ranked.T_dur, dt, "exact")
    stretches = [[(dt, True)], [(pulse.last, True), (dt - pulse.last, False)], [(dt, False)]]
    propagators = (jnp.moveaxis(transition_matrix(kernel, ranked, each), (-2, -1), (0, 1)) for each in stretches)
    nothing = StepKind(Propagator((), (), ()), None)
    coefs = coefficients.without_pulses(dt, nothing, None)._replace(pulse=pulse, last=nothing)
    conductances = population.conductances(kernel, ranked)
    return ChannelStepper(kernel, params, coefs, tuple(propagators), conductances, channels, overlap)
