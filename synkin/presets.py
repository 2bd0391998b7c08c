"""Published parameter sets, each with its source.

    preset = presets.AMPA_DESTEXHE_1998
    _, g = simulate(preset.kernel, preset.params, spikes, dt)
    I = currents.coba(g, V, E=preset.E)

The sets of 1998 are first-order receptors fitted to whole-cell recordings with pulses of 1 mM. The NMDA receptor also
needs the block by magnesium, `MG_BLOCK_JAHR_STEVENS_1990`.

Two notes on the sources:

- AMPA receptors with short pulses, 0.5 mM for 0.3 ms, have been implemented in two ways. In `AMPA_S_DESTEXHE_1995` the
  binding rate is 0.94 /ms/mM times 0.5 mM. The ampa.mod of NEURON has no concentration, and a binding rate of 0.94 /ms,
  as at 1 mM: `AMPA_NEURON`. One spike then peaks at 0.2395 instead of 0.1281, which is 1.87 times as high.
- For the GABA-A receptor the chapter gives alpha = 5 /ms/mM, as here. The demonstration in ModelDB has 0.53, which is
  the default of `synkin.gabaa`.

The sets of Brunel and Wang 2001 are those of network theory: a spike adds 1, AMPA and GABA-A receptors decay, and the
NMDA receptor is `synkin.wang_nmda`, with `MG_BLOCK_JAHR_STEVENS_1990`. Wang 2002 has the same with a faster GABA-A
receptor, Compte et al. 2000 has those of 2001.

`RELEASE` holds the sets of short-term plasticity, which determines how much a spike releases:

    release = tsodyks_markram.release(presets.DEPRESSING_TSODYKS_1998.params, [10.0, 30.0, 50.0])

The two sets of 2000 have a ``tau_psc``, which is tau_1 of their tmgsyn.mod. Those of 1998 were fitted without one.
"""

from typing import Annotated, NamedTuple

from synkin.arguments import fields
from synkin.arguments.declaration import AnyParams
from synkin.declaring.kernel import Kernel
from synkin.kernels.ampa import ampa
from synkin.kernels.expon import expon
from synkin.kernels.gabaa import gabaa
from synkin.kernels.wang_nmda import wang_nmda
from synkin.networks.plasticity import Params as Release


@fields.described
class Preset(NamedTuple):
    """Published parameters of one receptor.

    Example:
        >>> preset = synkin.presets.AMPA_DESTEXHE_1998
        >>> preset.kernel.name, preset.params.alpha, preset.E
        ('ampa', 1.1, 0.0)
        >>> g = synkin.respond(preset.kernel, preset.params, [1.0], [2.0])
        >>> I = synkin.currents.coba(g, -65.0, E=preset.E)
    """

    kernel: Annotated[Kernel, "the kernel"]
    params: Annotated[AnyParams, "the kernel's ``Params``, units as in its ``UNITS``"]
    E: Annotated[float, "reversal potential", "mV"]
    source: Annotated[str, "where the numbers are from"]


@fields.described
class MgBlock(NamedTuple):
    """Published constants for `synkin.currents.mg_block`.

    Example:
        >>> preset = synkin.presets.MG_BLOCK_JAHR_STEVENS_1990
        >>> unblocked = synkin.currents.mg_block(-65.0, Mg=preset.Mg, a=preset.a, b=preset.b)
        >>> round(float(unblocked), 3)
        0.06
    """

    Mg: Annotated[float, "external magnesium", "mM"]
    a: Annotated[float, "steepness", "1/mV"]
    b: Annotated[float, "scale of the concentration", "mM"]
    source: Annotated[str, "where the numbers are from"]


@fields.described
class ShortTerm(NamedTuple):
    """Published parameters of short-term plasticity at one kind of synapse.

    Example:
        >>> preset = synkin.presets.DEPRESSING_TSODYKS_1998
        >>> preset.params.U, preset.tau
        (0.5, 3.0)
        >>> weights = synkin.tsodyks_markram.release(preset.params, [0.0, 20.0, 40.0])
    """

    params: Annotated[Release, "``Params`` of `synkin.tsodyks_markram`: U without unit, time constants in ms"]
    tau: Annotated[float, "decay time constant of the current after a release, for `synkin.expon`", "ms"]
    source: Annotated[str, "where the numbers are from"]


_KINETIC_MODELS = (
    "Destexhe, Mainen and Sejnowski 1998, Kinetic models of synaptic transmission, in: Methods in Neuronal Modeling, "
    "2nd ed., MIT Press, ch. 1; ModelDB 18500"
)
_EFFICIENT_METHOD = "Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14; ModelDB 18197"

AMPA_DESTEXHE_1998 = Preset(
    kernel=ampa,
    params=ampa.Params(alpha=1.1, beta=0.19, T=1.0, T_dur=1.0),
    E=0.0,
    source=f"{_KINETIC_MODELS}; fitted to currents of Xiang et al. 1994, J. Neurophysiol. 71:2552",
)

NMDA_DESTEXHE_1998 = Preset(
    kernel=ampa,
    params=ampa.Params(alpha=0.072, beta=0.0066, T=1.0, T_dur=1.0),
    E=0.0,
    source=f"{_KINETIC_MODELS}; fitted to currents of Hessler et al. 1993, Nature 366:569",
)

GABAA_DESTEXHE_1998 = Preset(
    kernel=gabaa,
    params=gabaa.Params(alpha=5.0, beta=0.18, T=1.0, T_dur=1.0),
    E=-80.0,
    source=f"{_KINETIC_MODELS}; fitted to currents of Otis et al. 1993, J. Physiol. 463:391",
)

# First order: one long pulse replaces the cascade of the G protein, which the full model contains.
GABAB_DESTEXHE_1998 = Preset(
    kernel=gabaa,
    params=gabaa.Params(alpha=0.016, beta=0.0047, T=1.0, T_dur=84.0),
    E=-95.0,
    source=f"{_KINETIC_MODELS}; fitted to currents of Otis et al. 1993, J. Physiol. 463:391",
)

GLUTAMATE_DESTEXHE_1994 = Preset(
    kernel=ampa, params=ampa.Params(alpha=2.0, beta=1.0, T=1.0, T_dur=1.0), E=0.0, source=_EFFICIENT_METHOD
)

GABA_DESTEXHE_1994 = Preset(
    kernel=gabaa, params=gabaa.Params(alpha=0.5, beta=0.1, T=1.0, T_dur=1.0), E=-80.0, source=_EFFICIENT_METHOD
)

AMPA_S_DESTEXHE_1995 = Preset(
    kernel=ampa,
    params=ampa.Params(alpha=0.94, beta=0.18, T=0.5, T_dur=0.3),
    E=0.0,
    source=(
        "Destexhe 1995, the NEURON mechanism AMPA_S; fitted to currents of Xiang et al. 1994, J. Neurophysiol. "
        "71:2552, the pulse after Destexhe and Sejnowski 1995, PNAS 92:9515"
    ),
)

AMPA_NEURON = Preset(
    kernel=ampa,
    params=ampa.Params(alpha=0.94, beta=0.18, T=1.0, T_dur=0.3),
    E=0.0,
    source="NEURON, share/examples/nrniv/netcon/ampa.mod: AMPA_S read with Alpha in /ms and without a concentration",
)

_PERSISTENT = "Brunel and Wang 2001, J. Comput. Neurosci. 11:63; also Compte et al. 2000, Cereb. Cortex 10:910"
_DECISION = "Wang 2002, Neuron 36:955"

AMPA_BRUNEL_2001 = Preset(kernel=expon, params=expon.Params(tau=2.0), E=0.0, source=f"{_PERSISTENT}, and {_DECISION}")

NMDA_BRUNEL_2001 = Preset(
    kernel=wang_nmda,
    params=wang_nmda.Params(tau_x=2.0, alpha=0.5, tau_s=100.0),
    E=0.0,
    source=f"{_PERSISTENT}, and {_DECISION}",
)

GABAA_BRUNEL_2001 = Preset(kernel=expon, params=expon.Params(tau=10.0), E=-70.0, source=_PERSISTENT)

GABAA_WANG_2002 = Preset(kernel=expon, params=expon.Params(tau=5.0), E=-70.0, source=_DECISION)

MG_BLOCK_JAHR_STEVENS_1990 = MgBlock(
    Mg=1.0,
    a=0.062,
    b=3.57,
    source=f"Jahr and Stevens 1990, J. Neurosci. 10:3178; magnesium of 1 mM as in {_KINETIC_MODELS}",
)

ALL: dict[str, Preset] = {name: value for name, value in list(globals().items()) if isinstance(value, Preset)}

_DYNAMIC = "Tsodyks, Pawelzik and Markram 1998, Neural Comput. 10:821"
_SYNCHRONY = "Tsodyks, Uziel and Markram 2000, J. Neurosci. 20:RC50; ModelDB 3815"

DEPRESSING_TSODYKS_1998 = ShortTerm(
    params=Release(U=0.5, tau_rec=800.0, tau_fac=0.0), tau=3.0, source=f"{_DYNAMIC}, Fig. 1A"
)

FACILITATING_MARKRAM_1998 = ShortTerm(
    params=Release(U=0.03, tau_rec=130.0, tau_fac=530.0),
    tau=1.5,
    source=f"Markram, Wang and Tsodyks 1998, PNAS 95:5323; {_DYNAMIC}, Fig. 1B",
)

# The source calls the two synapses excitatory and inhibitory. Released transmitter is active for 3 ms before it
# recovers.
EXCITATORY_TSODYKS_2000 = ShortTerm(
    params=Release(U=0.5, tau_rec=800.0, tau_fac=0.0, tau_psc=3.0), tau=3.0, source=f"{_SYNCHRONY}, tmgsyn.mod"
)

INHIBITORY_TSODYKS_2000 = ShortTerm(
    params=Release(U=0.04, tau_rec=100.0, tau_fac=1000.0, tau_psc=3.0), tau=3.0, source=f"{_SYNCHRONY}, tmgsyn.mod"
)

RELEASE: dict[str, ShortTerm] = {name: value for name, value in list(globals().items()) if isinstance(value, ShortTerm)}

__all__ = ["ALL", "MG_BLOCK_JAHR_STEVENS_1990", "RELEASE", "MgBlock", "Preset", "ShortTerm", *ALL, *RELEASE]


def __dir__() -> list[str]:
    return sorted(__all__)
