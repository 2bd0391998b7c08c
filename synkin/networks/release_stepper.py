"""Short-term plasticity made ready for one set of parameters and one dt: `synkin.tsodyks_markram.stepper`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import fields, units
from synkin.arguments.bind import bind_random
from synkin.arguments.declaration import AnyParams, AnyState, Declaration
from synkin.arguments.known import is_concrete
from synkin.arguments.numbers import check_shape
from synkin.arguments.params_and_states import check_params, check_state
from synkin.networks import release_on_grid
from synkin.networks.release_on_grid import StepCoefficients
from synkin.solving.carry import match_state, refuse


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["params", "dt", "coefficients"],
    meta_fields=["declared", "n"],
)
@dataclass(frozen=True, repr=False)
class ReleaseStepper:
    """What `synkin.tsodyks_markram.stepper` returns. It is a pytree: a function under jit, vmap or grad may close over
    it or take it as an argument.

    Example:
        >>> stepper = synkin.tsodyks_markram.stepper(synkin.tsodyks_markram.Params(U=0.5), 0.1)
        >>> stepper
        tsodyks_markram.stepper(dt=0.1 ms)
        >>> carry, released = stepper.step(stepper.init((2,)), [True, False])
        >>> print(released, stepper.state(carry).depleted.round(2))
        [0.5 0.] [0.5 0.]
    """

    declared: Declaration  # synkin.tsodyks_markram
    params: AnyParams  # its Params, arrays
    dt: Array  # ms
    coefficients: StepCoefficients
    n: int | None  # how many sites a synapse has, for random release

    def __dir__(self) -> list[str]:
        return fields.completion(("dt", "init", "n", "params", "state", "step"), super().__dir__())

    def init(self, shape: int | tuple[int, ...] | None = None, *, state: AnyState = None) -> AnyState:
        """The carry for the first step.

        Args:
            shape: the shape of the synapses, for example (1000,), which then begin at rest.
            state: a ``State`` of `synkin.tsodyks_markram` to start from instead. The steps keep its dtype.

        Returns:
            The carry, a ``State``.

        Raises:
            TypeError, ValueError: both or neither of ``shape`` and ``state`` are given, or one does not fit the
                parameters.

        Example:
            >>> stepper = synkin.tsodyks_markram.stepper(synkin.tsodyks_markram.Params(U=0.5), 0.1)
            >>> print(stepper.init((2,)).u)
            [0. 0.]
        """
        if (shape is None) == (state is None):
            raise TypeError("A stepper's `init` must be given a shape or state=, one of the two.")
        if shape is not None:
            state = self.declared.rest_state(self.params, check_shape(shape), self.dt.dtype)
        else:
            given = release_on_grid.with_active(units.state(state, self.declared))
            state = check_state(self.declared, given)
        check_params(self.params, state.u.shape, self.declared)
        state = self.declared.input.nan_if_invalid_state(state, self.params, True)
        return release_on_grid.first_state(self.coefficients, state)

    def step(self, carry: AnyState, spike: ArrayLike, *, key: Array | None = None) -> tuple[AnyState, Array]:
        """Advance by one step. A spike acts at the start of the step.

        Args:
            carry: from `init` or the step before.
            spike: booleans (or 0 and 1), of the shape of the synapses or broadcasting to it.
            key: for random release, a key of `jax.random` that is used for this step only.

        Returns:
            The carry, and the release, of the shape of the synapses: 0 to 1, and 0 without a spike. The release can be
            the input of a linear kernel, or the height of the pulse of a receptor.

        Raises:
            TypeError, ValueError: a spike of the wrong kind, shape or value, a derivative with respect to it, no carry,
                or a key without ``n`` or ``n`` without a key.

        Example:
            >>> stepper = synkin.tsodyks_markram.stepper(synkin.tsodyks_markram.Params(U=0.5), 0.1)
            >>> carry, released = stepper.step(stepper.init((2,)), [True, False])
            >>> print(released)
            [0.5 0.]
        """
        if not isinstance(carry, self.declared.State):
            refuse(carry)
        n = bind_random(key, self.n)
        plain = units.strip_unit("spike", spike, self.declared.input.unit)
        checked = self.declared.input.check_spike(plain, carry.u)
        carry = self.declared.input.nan_if_invalid_state(carry, (), plain)
        return _take_step(self.coefficients, carry, checked.astype(bool), key, n)

    def state(self, carry: AnyState) -> AnyState:
        """The ``State`` of `synkin.tsodyks_markram` that a carry stands for, which is the carry itself.

        Example:
            >>> stepper = synkin.tsodyks_markram.stepper(synkin.tsodyks_markram.Params(U=0.5), 0.1)
            >>> carry, released = stepper.step(stepper.init((2,)), [True, False])
            >>> print(stepper.state(carry).depleted.round(2))
            [0.5 0.]
        """
        if not isinstance(carry, self.declared.State):
            refuse(carry)
        return carry

    def __repr__(self) -> str:
        known = f"{float(self.dt):.6g} ms" if is_concrete(self.dt) else "traced"
        sites = "" if self.n is None else f", n={self.n}"
        return f"{self.declared.name}.stepper(dt={known}{sites})"


@partial(jax.jit, static_argnames="n")
def _take_step(
    coefficients: StepCoefficients, carry: AnyState, spike: Array, key: Array | None, n: int | None
) -> tuple[AnyState, Array]:
    return release_on_grid.step(match_state(coefficients, carry.u), carry, spike, key, n)
