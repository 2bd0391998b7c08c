"""The protocol of a kernel, as far as solving needs it; `synkin.Kernel` implements it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments.declaration import AnyParams, AnyState, KernelDeclaration
from synkin.solving.structure import Structure

Value = TypeVar("Value")


class Kernel(KernelDeclaration, Protocol):
    """A kernel: one or more parts that see the same spikes and whose conductances add up.

    Most kernels have one part, themselves; a sum of kernels has several. Each part is solved by itself.
    """

    @property
    def order(self) -> tuple[str, ...]:
        """The names of the variables of all parts, each after those that drive it."""

    @property
    def parts(self) -> "tuple[Kernel, ...]":
        """The kernels that have equations of their own."""

    def params_of(self, params: AnyParams) -> tuple[AnyParams, ...]:
        """The ``Params`` of each part."""

    def states_of(self, state: AnyState) -> tuple[AnyState, ...]:
        """The ``State`` of each part."""

    def values_of(self, values: Mapping[str, Value]) -> tuple[dict[str, Value], ...]:
        """Of values of some of the parameters, by name, those of each part."""

    def state_of(self, states: Iterable[AnyState]) -> AnyState:
        """The ``State`` of the kernel, from those of its parts."""

    def relative(self, params: AnyParams) -> tuple[Array, ...]:
        """The conductance of each part but the first, relative to that of the first."""

    def total(self, relative: Sequence[Array], gs: Sequence[Array]) -> Array:
        """g of the kernel, from those of its parts and what `relative` returned."""

    def init(self, params: AnyParams, shape: int | tuple[int, ...], *, dtype: DTypeLike | None = None) -> AnyState:
        """The state at rest."""

    def solved_by(self, method: str | None) -> str:
        """The method that is used for this argument, which may be None."""

    def check_options(self, method: object, overlap: object) -> None:
        """Raise ValueError unless the kernel has this ``method`` and this ``overlap``."""

    def __hash__(self) -> int:
        """That of the object, as kernels are static arguments of compiled functions."""

    # Only for a kernel of one part:

    @property
    def structure(self) -> Structure:
        """What kind of equations it has."""

    @property
    def in_turn(self) -> bool:
        """Whether with "exp_euler" a variable sees the new values of those that drive it."""

    @property
    def matrix(self) -> Callable[[AnyParams, Array], Array] | None:
        """From parameters and T to the matrix of rates between states; None if it follows from `derivatives`."""

    @property
    def rest(self) -> Callable[[AnyParams], Sequence[ArrayLike]] | None:
        """From parameters to the variables at rest, in solving order; None where all are 0."""

    def derivatives(self, params: AnyParams, y: tuple[Array, ...], T: Array) -> tuple[ArrayLike, ...]:
        """The equations, from variables in solving order to their derivatives."""

    def conductance_of(self, params: AnyParams, y: tuple[Array, ...]) -> Array:
        """g of variables in solving order."""
