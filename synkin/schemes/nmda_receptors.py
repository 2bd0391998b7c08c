"""Kinetic schemes of NMDA receptors."""

import jax.numpy as jnp

from synkin.declaring.scheme import scheme

_NMDA = """
    C0 + glu <-> C1 : kon, koff
    C1 + glu <-> C2 : kon, koff
    C2 <-> D : kd, kr
    C2 <-> O : beta, alpha
    """

nmda5 = scheme(
    _NMDA,
    open="O",
    name="nmda5",
    source="""The NMDA receptor with two binding sites, without magnesium (see `synkin.currents.mg_block`).

    Source: Destexhe, Mainen and Sejnowski 1998, Methods in Neuronal Modeling, 2nd ed., ch. 1, fitted to Hessler et al.
    1993; numbers of nmda5.mod, ModelDB 18198. Both bindings have the same rate there, without statistical factors.
    """,
    kon=5.0,
    koff=0.0129,
    kd=0.0084,
    kr=0.0068,
    beta=0.0465,
    alpha=0.0738,
)

clements1992 = scheme(
    _NMDA,
    open="O",
    name="clements1992",
    source="""The NMDA receptor with the rates of Clements and colleagues, without magnesium.

    Source: Clements et al. 1992, Science 258:1498, as a comment of nmda5.mod, ModelDB 18198, has them.
    """,
    kon=5.0,
    koff=0.0095,
    kd=0.016,
    kr=0.013,
    beta=0.025,
    alpha=0.059,
)

_LESTER_JAHR = """
    C0 + glu <-> C1 : 2*kon, koff
    C1 + glu <-> C2 : kon, 2*koff
    C2 <-> D : kd, kr
    C2 <-> O : beta, alpha
    """

lester_jahr1992 = scheme(
    _LESTER_JAHR,
    open="O",
    name="lester_jahr1992",
    source="""The NMDA receptor with two equal and independent binding sites, without magnesium.

    Source: Lester and Jahr 1992, J. Neurosci. 12:635. Which numbers are theirs is disputed. This set, with an opening
    rate of 46.5 /s, bears their name in NMDAr.mod, ModelDB 150538, while nmda5.mod, ModelDB 18198, ascribes it to
    Edmonds and Colquhoun 1992. The other is `lester_jahr1992_b`; compare table 1 of the paper before you cite either.
    """,
    kon=5.0,
    koff=0.0047,
    kd=0.0084,
    kr=0.0018,
    beta=0.0465,
    alpha=0.0916,
)

lester_jahr1992_b = scheme(
    _LESTER_JAHR,
    open="O",
    name="lester_jahr1992_b",
    source="""The NMDA receptor as in `lester_jahr1992`, by the other reading of its numbers.

    Source: Lester and Jahr 1992, J. Neurosci. 12:635, as a comment of nmda5.mod, ModelDB 18198, has them.
    """,
    kon=5.0,
    koff=0.0067,
    kd=0.0152,
    kr=0.0094,
    beta=0.0838,
    alpha=0.0838,
)

kampa2004 = scheme(
    """
    U  + glu <-> Cl : 2*kon, koff
    Cl <-> O  : beta, alpha
    Cl <-> D1 : d1, r1
    D1 <-> D2 : d2, r2
    O  <-> OMg : kb_open*block, ku_open*unblock
    UMg + glu <-> ClMg : 2*kon, koff_Mg
    ClMg <-> OMg  : beta_Mg, alpha_Mg
    ClMg <-> D1Mg : d1_Mg, r1_Mg
    D1Mg <-> D2Mg : d2_Mg, r2_Mg
    U  <-> UMg  : kb*block, ku_U*unblock
    Cl <-> ClMg : kb*block, ku_Cl*unblock
    D1 <-> D1Mg : kb*block, ku_D1*unblock
    D2 <-> D2Mg : kb*block, ku_D2*unblock
    """,
    open="O",
    rest="steady",
    name="kampa2004",
    units={"V": "mV", "Mg": "mM", "kb": "1/ms/mM", "kb_open": "1/ms/mM"},
    signed=("V",),
    source="""The NMDA receptor with magnesium in it, trapped by the closing channel, at a held voltage V.

    Source: Kampa, Clements, Jonas and Stuart 2004, J. Physiol. 556:337, at room temperature; numbers of NMDA_Mg.mod,
    ModelDB 50207. Reversal potential 5 mV. Magnesium binds to empty receptors too, so that the state at rest depends on
    V and Mg. None of its four cycles is reversible; the rates around the worst disagree by a factor of 1.48.
    """,
    kon=5.0,
    koff=0.0056,
    beta=0.01,
    alpha=0.273,
    d1=0.0022,
    r1=0.0016,
    d2=0.00043,
    r2=0.0005,
    kb_open=0.05,
    ku_open=12.8,
    koff_Mg=0.0171,
    beta_Mg=0.01,
    alpha_Mg=0.548,
    d1_Mg=0.0021,
    r1_Mg=0.00087,
    d2_Mg=0.00026,
    r2_Mg=0.00042,
    kb=5e-5,
    ku_U=0.002438312,
    ku_Cl=0.005041915,
    ku_D1=0.00298874,
    ku_D2=0.002953408,
    block=lambda p: p.Mg * jnp.exp(-0.064 * (p.V - 40.0)),
    unblock=lambda p: jnp.exp(0.016 * (p.V - 40.0)),
    Mg=1.0,
    V=-60.0,
)

vargas2004 = scheme(
    """
    C0 + glu <-> C1 : 2*kon, koff
    C1 + glu <-> C2 : kon, 2*koff
    C2 <-> D : kd, kr
    C2 <-> O : beta, alpha
    O  <-> B : block, unblock
    C2B <-> B  : beta_B, alpha_B
    C2B <-> DB : kd, kr
    C1B + glu <-> C2B : kon, 2*koff
    CB  + glu <-> C1B : 2*kon, koff
    """,
    open="O",
    name="vargas2004",
    units={"V": "mV", "Mg": "mM"},
    signed=("V",),
    source="""The NMDA receptor with an asymmetric trapping block by magnesium, at a held voltage V.

    Source: Vargas-Caballero and Robinson 2004, J. Neurosci. 24:6171, with the block of Ascher and Nowak 1988; numbers
    of NMDAr.mod, ModelDB 150538. Reversal potential -3 mV. Its koff is 82 /s, 17 times that of glutamate elsewhere, and
    the file names no agonist. Magnesium leaves by the open state alone, so that without transmitter every mix of C0 and
    CB is steady; at rest all are in C0.
    """,
    kon=5.0,
    koff=0.082,
    kd=0.0084,
    kr=0.0018,
    beta=0.0465,
    alpha=0.0916,
    beta_B=0.04185,
    alpha_B=0.229,
    block=lambda p: 0.61 * p.Mg * jnp.exp(-p.V / 17.0),
    unblock=lambda p: 5.4 * jnp.exp(p.V / 47.0),
    Mg=1.0,
    V=-60.0,
)
