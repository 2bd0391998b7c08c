"""Runs on a grid in which parameters vary, or in which each pulse has a height: for `synkin.simulate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
from jax import Array

from synkin.arguments.declaration import AnyParams, AnyState
from synkin.solving import loops
from synkin.solving.carry import with_weight
from synkin.solving.first_carry import carry_from_state
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators import parameter_tables
from synkin.solving.step_of_carry import take_step
from synkin.solving.stepper import make_stepper
from synkin.solving.varying import Bounds
from synkin.tracing.program import Program

STATIC = ("kernel", "names", "weighted", "method", "overlap", "checkpoint", "at_rest", "output", "spikes_at")


def run(
    readout: Program | None,
    kernel: Kernel,
    params: AnyParams,
    spikes: Array | None,
    values: Mapping[str, Array],
    bounds: Mapping[str, Bounds],
    highest_weight: Array | None,
    dt: Array,
    state: AnyState,
    weight: Array | None,
    constants: list[Any],
    *,
    names: tuple[str, ...],
    weighted: bool,
    method: str,
    overlap: str,
    checkpoint: int | None,
    at_rest: bool,
    output: str,
    spikes_at: str,
) -> tuple[AnyState, Array | None, Any]:
    """The final state, the height of its pulses where these have one, and what is kept of each step.

    Args:
        readout: what is kept, of the state and g; None keeps g.
        kernel, params, dt, method, overlap, weighted: as of `synkin.simulate`, checked.
        spikes: (T, *shape), or None where T varies.
        values: of each parameter that varies, (T, ...).
        bounds: the lowest and highest value of those of which that is known.
        highest_weight: of ``spikes``, where these are weights.
        state: at the start.
        weight: the height of the pulses that are under way in it; None for 1.
        constants: what the readout closes over.
        names: of the parameters that vary.
        checkpoint: steps a block, of which a gradient keeps only the start; None for no blocks.
        at_rest: whether no pulse is under way.
        output, spikes_at: as of `synkin.stepper`.
    """
    rows = (spikes, dict(values))
    total = len(jax.tree.leaves(rows)[0])
    if total * state[0].size < parameter_tables.ROWS:  # fewer steps than a table has rows
        bounds, highest_weight = {}, None
    ready = make_stepper(
        kernel,
        params,
        dt,
        method,
        overlap,
        state[0].dtype,
        varying=names,
        bounds=bounds,
        weighted=weighted,
        highest_weight=highest_weight,
        output=output,
        spikes_at=spikes_at,
    )
    carry = carry_from_state(ready, state, at_rest=at_rest)
    if weight is not None:
        carry = with_weight(carry, weight)

    def body(carry: Any, row: tuple[Array | None, dict[str, Array]]) -> tuple[Any, Any]:
        carry, g = take_step(ready, carry, *row)
        return carry, g if readout is None else readout(ready.state(carry), g, *constants)

    def block(carry: Any, rows: Any) -> tuple[Any, Any]:
        return jax.lax.scan(body, carry, rows)

    carry = loops.match_varying(carry, (ready, carry, rows))
    whole: Callable[..., Any] = block if checkpoint is None else jax.checkpoint(block, prevent_cse=False)
    carry, kept = loops.in_blocks(whole, carry, rows, total, min(checkpoint or total, total))
    return ready.state(carry), carry.weight, kept


def compiled(readout: Program | None) -> Any:
    """`run` with a readout of its own, compiled."""
    return jax.jit(partial(run, readout), static_argnames=STATIC)


keeps_g = compiled(None)
