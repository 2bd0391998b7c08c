"""Published kinetic schemes, as kernels: `synkin.schemes.nmda5`.

    ampa_receptors    AMPA receptors
    nmda_receptors    NMDA receptors
    gaba_receptors    GABA-A and GABA-B receptors
    other_receptors   nicotinic and glycine receptors

Rates are in /ms, binding rates in /ms/mM, at the temperature of the source. By default a pulse is 1 mM for 1 ms. The
numbers are those of the sources' model files; if files disagree, the docstring says so.
"""

from synkin.declaring.kernel import Kernel
from synkin.schemes.ampa_receptors import ampa5, jonas1993, jonas1993_independent, raman1992
from synkin.schemes.gaba_receptors import (
    busch_sakmann1990,
    gabaa5,
    gabab,
    gabab3,
    gabab3_conserving,
)
from synkin.schemes.nmda_receptors import clements1992, kampa2004, lester_jahr1992, lester_jahr1992_b, nmda5, vargas2004
from synkin.schemes.other_receptors import glyr_flip, nachr_ch82

SCHEMES: dict[str, Kernel] = {
    kernel.name: kernel
    for kernel in (
        ampa5,
        raman1992,
        jonas1993,
        jonas1993_independent,
        nmda5,
        clements1992,
        lester_jahr1992,
        lester_jahr1992_b,
        kampa2004,
        vargas2004,
        gabaa5,
        busch_sakmann1990,
        gabab,
        gabab3,
        gabab3_conserving,
        nachr_ch82,
        glyr_flip,
    )
}

__all__ = ["SCHEMES", *SCHEMES]


def __dir__() -> list[str]:
    return sorted(__all__)
