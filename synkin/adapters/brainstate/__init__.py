"""Synapses for programs of brainstate and brainpy.state: the kernels as ``brainstate.nn.Dynamics``.

    from synkin.adapters.brainstate import AMPA, STD, STP, Alpha, BioNMDA, DualExpon, Expon, GABAa
    # was: from brainpy.state import ...

They have the constructors, methods and states of brainpy.state's synapses, and replace them in its align-pre and
align-post projections with its outputs and delays, under every transformation of brainstate, with quantities of
brainunit. New are ``method="exact"``, ``overlap="ignore"``, and `Synapse` for any other kernel.

A step is that of a `synkin.stepper`. The coefficients of "exact" depend only on parameters and dt. Unless these are
traced, the coefficients are computed once, while the program is traced. The extra ``brainstate``
installs what is needed.

    synapse     what all of them share
    linear      `Alpha`, `Expon`, `DualExpon`
    receptors   `AMPA`, `GABAa`, `BioNMDA`
    plasticity  `STP`, `STD`: what a spike releases
    of_kernel   `Synapse` and `class_of`, for any other kernel
"""

try:
    from synkin.adapters.brainstate.linear import Alpha, DualExpon, Expon
    from synkin.adapters.brainstate.of_kernel import Synapse, class_of
    from synkin.adapters.brainstate.plasticity import STD, STP
    from synkin.adapters.brainstate.receptors import AMPA, BioNMDA, GABAa
except ImportError as error:
    raise ImportError(
        "The synapses for brainstate need brainpy.state, which cannot be imported here: "
        "`pip install 'synkin[brainstate]'` adds it."
    ) from error

__all__ = ["AMPA", "STD", "STP", "Alpha", "BioNMDA", "DualExpon", "Expon", "GABAa", "Synapse", "class_of"]
