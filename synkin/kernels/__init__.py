"""The kernels of the library, one room a synapse, and the one list of them.

Each room holds what is its own and nothing else: ``Params`` with defaults, ``State``, the equations as the paper prints
them, their source. `synkin.declaring.kernel` derives the rest. To add one, write its room beside these and its line in
`KERNELS`: every test that walks the list has it then.
"""

from synkin.declaring.kernel import Kernel
from synkin.kernels.alpha import alpha
from synkin.kernels.ampa import ampa
from synkin.kernels.bionmda import bionmda
from synkin.kernels.dual_expon import dual_expon
from synkin.kernels.expon import expon
from synkin.kernels.gabaa import gabaa

KERNELS: dict[str, Kernel] = {kernel.name: kernel for kernel in (alpha, ampa, gabaa, bionmda, expon, dual_expon)}

__all__ = ["KERNELS", "alpha", "ampa", "bionmda", "dual_expon", "expon", "gabaa"]


def __dir__() -> list[str]:
    return sorted(__all__)
