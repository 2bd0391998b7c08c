"""What solving knows of a kernel; `synkin.Kernel` is it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from jax import Array
from jax.typing import DTypeLike

from synkin.arguments.declaration import AnyParams, AnyState, KernelDeclaration
from synkin.solving.structure import Structure

Value = TypeVar("Value")


class Kernel(KernelDeclaration, Protocol):
    """A kernel: one or more parts side by side, that see the same spikes and whose conductances add up.

    Most kernels have one part, themselves; a sum of kernels has several. Who solves goes over the parts.
    """

    @property
    def order(self) -> tuple[str, ...]:
        """The variables of all parts, each after those that drive it."""

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
        """The ``State`` of those of the parts."""

    def relative(self, params: AnyParams) -> tuple[Any, ...]:
        """The conductance of each part but the first, relative to that of the first."""

    def total(self, relative: Sequence[Any], gs: Sequence[Array]) -> Array:
        """g of those of the parts, with what `relative` gives."""

    def init(self, params: AnyParams, shape: int | tuple[int, ...], *, dtype: DTypeLike | None = None) -> AnyState:
        """The state at rest."""

    def solved_by(self, method: str | None) -> str:
        """The method that is used where ``method`` is asked for, or none is."""

    def check_options(self, method: object, overlap: object) -> None:
        """Raise ValueError unless ``method`` and ``overlap`` are among what there is."""

    def __hash__(self) -> int:
        """That of the object: what is compiled for a kernel is found by it."""

    # Of a kernel of one part, which has equations of its own:

    @property
    def structure(self) -> Structure:
        """What kind of equations they are."""

    @property
    def in_turn(self) -> bool:
        """Whether with "exp_euler" a variable sees the new values of those that drive it."""

    @property
    def matrix(self) -> Callable[[AnyParams, Any], Array] | None:
        """From parameters and T to the rates between states, where these are known one by one."""

    @property
    def rest(self) -> Callable[[AnyParams], Sequence[Any]] | None:
        """From parameters to the variables at rest, in solving order; None where all are 0."""

    def derivatives(self, params: AnyParams, y: tuple[Any, ...], T: object) -> tuple[Any, ...]:
        """The equations, from variables in solving order to their derivatives."""

    def conductance_of(self, params: AnyParams, y: tuple[Any, ...]) -> Any:
        """g of variables in solving order."""
