"""The stateful objects over the kernels, with the constructors and methods of brainpy.state's synapses.

    syn = synkin.AMPA(100, alpha=0.98, T_dur=0.5)
    syn.init_state(batch_size=8)
    with synkin.environ.context(dt=0.1):
        g = syn.update(spikes)

`Synapse` makes such an object of any other kernel.

An object holds a kernel's ``Params`` and ``State`` (``syn.params``, ``syn.state``, ``syn.kernel``). An update calls
one jitted pure function, which is compiled once for all objects of equal shape.

Parameters, initial values, inputs, t and dt may be quantities of saiunit. An object that has been given a quantity
returns quantities from then on, and every object does while `synkin.environ` holds one: g, the other variables and the
parameters then have their units. ``params`` and ``state`` never have units, because they are for the kernel.

    environ        t and dt, set once for all objects
    constructors   defaults and docstrings of constructors, from the declaration of the kernel
    attributes     parameters and state variables as attributes
    release        short-term plasticity
    channels       receptors that open and close at random, one by one
    stateful       what all objects share
    synapse        what all synapses share
    receptors      `AMPA`, `GABAa`, `BioNMDA`
    linear         `Alpha`, `Expon`, `DualExpon`, with delta inputs
    plasticity     `STP`, `STD`: what a spike releases
    of_kernel      `Synapse`, for any other kernel
"""

from synkin.objects.linear import Alpha, DualExpon, Expon
from synkin.objects.of_kernel import Synapse
from synkin.objects.plasticity import STD, STP
from synkin.objects.receptors import AMPA, BioNMDA, GABAa

__all__ = ["AMPA", "STD", "STP", "Alpha", "BioNMDA", "DualExpon", "Expon", "GABAa", "Synapse"]


def __dir__() -> list[str]:
    return sorted(__all__)
