"""The propagator of a kernel: how its variables change over the stretches of one step, or over any stretch.

`synkin.solving.coefficients` computes these once for a run, `apply` uses them in each step.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias, cast

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments.declaration import AnyParams
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators.closed_forms import cascade_response, decay, phi, relaxation
from synkin.solving.propagators.equations import Variables, augmented_matrix, generator, linearize, stack_matrix
from synkin.solving.propagators.matrix_exponential import affine_change, markov_propagator
from synkin.solving.structure import Structure

# Stretches of time one after the other: the length of each in ms, and whether there is transmitter.
Stretches: TypeAlias = Sequence[tuple[Array, bool]]


class Propagator(NamedTuple):
    """``y_i <- y_i + (source_i r + sum over j of drive_ij y_j - lost_i y_i)``, with r = 1.

    Where the variables are occupancies, r is the fraction in the resting state: 1 minus their sum. A coefficient is
    None where the structure of the equations shows that it is always 0.
    """

    source: tuple[Array | None, ...]
    drive: tuple[tuple[Array | None, ...], ...]
    lost: tuple[Array | None, ...]  # None where `Structure.decays_as` names an earlier variable with the same value


def apply(structure: Structure, propagator: Propagator, y: Variables, in_turn: bool, *, conserved: bool) -> Variables:
    """The variables after a propagator.

    Args:
        structure: that of the kernel.
        propagator: of all variables, or of all but a last one, the gate.
        y: all variables, of any one shape.
        in_turn: whether a variable is driven by the new values of those before it.
        conserved: whether the variables are occupancies, which leave 1 minus their sum to the resting state.
    """
    rest = 1 - sum(y[: len(propagator.lost)]) if conserved else None
    after: list[Array] = []
    for i, source in enumerate(propagator.source):
        lost = propagator.lost[structure.decays_as[i]]
        parts = [] if source is None else [source if rest is None else source * rest]
        for j, drive in enumerate(propagator.drive[i]):
            if drive is not None:
                parts.append(drive * (after[j] if in_turn and j < i else y[j]))
        assert lost is not None
        after.append(y[i] + (sum(parts[1:], parts[0]) - lost * y[i]) if parts else y[i] - lost * y[i])
    return tuple(after)


def as_matrix(propagator: Propagator) -> Array:
    """A propagator of occupancies, (n, n + 1): what each state, the resting one first, adds to each variable."""
    lost = cast(tuple[Array, ...], propagator.lost)
    zero = jnp.zeros_like(lost[0])
    rows = []
    for i, (source, drive) in enumerate(zip(propagator.source, propagator.drive, strict=True)):
        others = [zero if entry is None else entry for entry in drive]
        others[i] = -lost[i]
        rows.append([zero if source is None else source, *others])
    return stack_matrix(rows)


def exp_euler_propagator(kernel: Kernel, params: AnyParams, dt: Array, *, with_transmitter: bool) -> Propagator:
    """The exponential Euler step of ``dt`` ms: each variable relaxes by its own exponential, the others held still."""
    structure = kernel.structure
    source, matrix = linearize(kernel, params, with_transmitter=with_transmitter)
    sources = structure.source if with_transmitter else structure.source_at_rest
    linear = range(structure.size - structure.gated)
    mean = [dt * phi(matrix[i][i] * dt) for i in linear]
    return Propagator(
        source=tuple(_value_if(sources[i], source[i] * mean[i]) for i in linear),
        drive=tuple(tuple(_value_if(structure.drive[i][j], matrix[i][j] * mean[i]) for j in linear) for i in linear),
        lost=tuple(_value_if(structure.decays_as[i] == i, decay(-matrix[i][i], dt)) for i in linear),
    )


def exact_propagator(kernel: Kernel, params: AnyParams, stretches: Stretches) -> Propagator:
    """The exact propagator over stretches of time one after the other, of all variables but a gate."""
    return _EXACT[kernel.structure.kind](kernel, params, stretches)


def _relaxation(kernel: Kernel, params: AnyParams, stretches: Stretches) -> Propagator:
    structure = kernel.structure
    lost: Array | None = None
    gained: Array | None = None
    for duration, with_transmitter in stretches:
        source, matrix = linearize(kernel, params, with_transmitter=with_transmitter)
        rate = -matrix[0][0]
        has_source = (structure.source if with_transmitter else structure.source_at_rest)[0]
        lost_here = decay(rate, duration)
        gained_here = relaxation(source[0], rate, duration).gained if has_source else None
        if lost is None:
            lost, gained = lost_here, gained_here
            continue
        lost = lost + lost_here * (1 - lost)
        new: ArrayLike = 0 if gained_here is None else gained_here
        gained = gained_here if gained is None else gained - lost_here * gained + new
    return Propagator((gained,), ((None,),), (lost,))


def _chain(kernel: Kernel, params: AnyParams, stretches: Stretches) -> Propagator:
    ((duration, _),) = stretches
    _, matrix = linearize(kernel, params, with_transmitter=False)
    rates, structure = (-matrix[0][0], -matrix[1][1]), kernel.structure
    drive = _value_if(structure.drive[1][0], matrix[1][0] * cascade_response(*rates, duration))
    lost = tuple(_value_if(structure.decays_as[i] == i, decay(rate, duration)) for i, rate in enumerate(rates))
    return Propagator((None, None), ((None, None), (drive, None)), lost)


def transition_matrix(kernel: Kernel, params: AnyParams, stretches: Stretches) -> Array:
    """From all states to all states over stretches of time, the resting state first; for a kernel of occupancies."""
    total: Array | None = None
    for duration, with_transmitter in stretches:
        p = markov_propagator(generator(kernel, params, with_transmitter=with_transmitter), duration)
        total = p if total is None else jnp.matmul(p, total, precision=jax.lax.Precision.HIGHEST)
    assert total is not None
    return total


def affine_change_over(kernel: Kernel, params: AnyParams, stretches: Stretches) -> Array:
    """The change of the variables, and of a last one that is 1, over stretches of time; for kernels that are affine."""
    total: Array | None = None
    for duration, with_transmitter in stretches:
        change = affine_change(augmented_matrix(kernel, params, with_transmitter=with_transmitter), duration)
        if total is None:
            total = change
        else:
            total = total + change + jnp.matmul(change, total, precision=jax.lax.Precision.HIGHEST)
    assert total is not None
    return total


def _occupancies(kernel: Kernel, params: AnyParams, stretches: Stretches) -> Propagator:
    total = transition_matrix(kernel, params, stretches)
    n = kernel.structure.size + 1  # with the resting state, which is the first
    off = {(i, j): total[..., i, j] for i in range(n) for j in range(n) if i != j}
    return Propagator(
        source=tuple(off[i, 0] for i in range(1, n)),
        drive=tuple(tuple(off[i, j] if i != j else None for j in range(1, n)) for i in range(1, n)),
        # The sum of all that leaves keeps its digits; 1 minus what stays, which is close to 1, would not.
        lost=tuple(cast(Array, sum(off[i, j] for i in range(n) if i != j)) for j in range(1, n)),
    )


def _affine(kernel: Kernel, params: AnyParams, stretches: Stretches) -> Propagator:
    structure = kernel.structure
    total = affine_change_over(kernel, params, stretches)
    n = structure.size
    reachable = _reachable(structure.drive)
    has_source = [any(structure.source[j] and (i == j or reachable[i][j]) for j in range(n)) for i in range(n)]
    return Propagator(
        source=tuple(_value_if(has_source[i], total[..., i, n]) for i in range(n)),
        drive=tuple(tuple(_value_if(reachable[i][j] and i != j, total[..., i, j]) for j in range(n)) for i in range(n)),
        lost=tuple(-total[..., i, i] for i in range(n)),
    )


_EXACT: dict[str, Callable[[Kernel, AnyParams, Stretches], Propagator]] = {
    "relaxation": _relaxation,
    "gate": _relaxation,
    "chain": _chain,
    "occupancies": _occupancies,
    "affine": _affine,
}


def _reachable(drive: tuple[tuple[bool, ...], ...]) -> list[list[bool]]:
    """[i][j], whether variable j drives variable i, directly or through others."""
    reachable = [list(row) for row in drive]
    for k in range(len(drive)):
        for i in range(len(drive)):
            for j in range(len(drive)):
                reachable[i][j] = reachable[i][j] or (reachable[i][k] and reachable[k][j])
    return reachable


def _value_if(there: bool, value: Array) -> Array | None:
    return value if there else None
