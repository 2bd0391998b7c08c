"""The coefficients of a step from one compiled function: see `synkin.solving.coefficients`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
from jax import Array

from synkin.arguments.declaration import AnyParams
from synkin.solving import coefficients, mean_output
from synkin.solving.coefficients import StepCoefficients
from synkin.solving.kernel_protocol import Kernel


@jax.tree_util.register_pytree_node_class
@dataclass(frozen=True)
class _Shared:
    """A pytree in which an array that stands at several places goes through a compiled function once.

    So it comes out as one array, too: `synkin.solving.steps` does not select between coefficients that are the same.
    """

    tree: Any

    def tree_flatten(self) -> tuple[list[Array], tuple[Any, tuple[int, ...]]]:
        """The arrays, each once, and where each stands."""
        leaves, structure = jax.tree.flatten(self.tree)
        each = {id(leaf): leaf for leaf in leaves}
        places = list(each)
        return list(each.values()), (structure, tuple(places.index(id(leaf)) for leaf in leaves))

    @classmethod
    def tree_unflatten(cls, aux: tuple[Any, tuple[int, ...]], leaves: Sequence[Array]) -> _Shared:
        structure, places = aux
        return cls(jax.tree.unflatten(structure, [leaves[i] for i in places]))


def compute_compiled(
    kernel: Kernel, params: AnyParams, dt: Array, method: str, single_step: bool, output: str
) -> StepCoefficients:
    """The coefficients of a step of ``kernel``; of ``output="mean"`` with those of the mean over the step."""
    found: StepCoefficients = _computed(kernel, params, dt, method, single_step, output).tree
    return found


@partial(jax.jit, static_argnames=("kernel", "method", "single_step", "output"))
def _computed(kernel: Kernel, params: AnyParams, dt: Array, method: str, single_step: bool, output: str) -> _Shared:
    ready = coefficients.compute(kernel, params, dt, method, single_step=single_step)
    return _Shared(mean_output.with_means(kernel, params, ready) if output == "mean" else ready)
