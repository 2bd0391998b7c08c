"""The kernels of the library, one in each file, and `KERNELS`, the dict of all of them.

A file holds ``Params`` with defaults, ``State``, the equations as the paper prints them, and their source. A new kernel
needs a new file and an entry in `KERNELS`, which the tests go through.
"""

from synkin.declaring.kernel import Kernel
from synkin.kernels.alpha import alpha
from synkin.kernels.ampa import ampa
from synkin.kernels.bionmda import bionmda
from synkin.kernels.dual_expon import dual_expon
from synkin.kernels.expon import expon
from synkin.kernels.gabaa import gabaa
from synkin.kernels.wang_nmda import wang_nmda

KERNELS: dict[str, Kernel] = {
    kernel.name: kernel for kernel in (alpha, ampa, gabaa, bionmda, expon, dual_expon, wang_nmda)
}

__all__ = ["KERNELS", "alpha", "ampa", "bionmda", "dual_expon", "expon", "gabaa", "wang_nmda"]


def __dir__() -> list[str]:
    return sorted(__all__)
