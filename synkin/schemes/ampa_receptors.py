"""Kinetic schemes of AMPA receptors."""

from synkin.declaring.scheme import scheme

ampa5 = scheme(
    """
    C0 + glu <-> C1 : Rb, Ru1
    C1 + glu <-> C2 : Rb, Ru2
    C1 <-> D1 : Rd, Rr
    C2 <-> D2 : Rd, Rr
    C2 <-> O  : Ro, Rc
    """,
    open="O",
    name="ampa5",
    source="""The AMPA receptor with two binding sites and two desensitised states.

    Source: Destexhe, Mainen and Sejnowski 1998, Methods in Neuronal Modeling, 2nd ed., ch. 1, with the states of
    Patneau and Mayer 1991, Neuron 6:785; numbers of ampa5.mod, ModelDB 18198. Reversal potential 0 mV. A receptor with
    one glutamate hardly ever loses it (Ru1), so that at successive pulses most receptors are desensitised.
    """,
    Rb=13.0,
    Ru1=0.0059,
    Ru2=86.0,
    Rd=0.9,
    Rr=0.064,
    Ro=2.7,
    Rc=0.2,
)

raman1992 = scheme(
    """
    C0 + glu <-> C1 : Rb, Ru1
    C1 + glu <-> C2 : Rb, Ru2
    C2 <-> D  : Rd, Rr
    C2 <-> O1 : Ro1, Rc1
    C2 <-> O2 : Ro2, Rc2
    """,
    open=("O1", "O2"),
    name="raman1992",
    source="""The AMPA receptor of the cochlear nucleus, with two open states.

    Source: Raman and Trussell 1992, Neuron 9:173, scheme 1; numbers of ampa.mod, ModelDB 19747. Reversal potential
    7 mV.
    """,
    Rb=13.0,
    Ru1=0.3,
    Ru2=200.0,
    Rd=30.0,
    Rr=0.02,
    Ro1=100.0,
    Rc1=2.0,
    Ro2=2.0,
    Rc2=0.25,
)

_JONAS = """
    C0 + glu <-> C1 : kb1, ku1
    C1 + glu <-> C2 : kb2, ku2
    C2 <-> O  : alpha, beta
    C1 <-> C3 : d1, r1
    C2 <-> C4 : d2, r2
    O  <-> C5 : d3, r3
    C3 + glu <-> C4 : kb3, ku3
    C4 <-> C5 : alpha4, beta4
    """

jonas1993 = scheme(
    _JONAS,
    open="O",
    name="jonas1993",
    source="""The AMPA receptor of mossy fibre synapses on CA3 cells, its sites not independent: the set that fits best.

    Source: Jonas, Major and Sakmann 1993, J. Physiol. 472:615, 22 degrees; numbers as two other simulators' files have
    them. Its two cycles are reversible to 0.6 %.
    """,
    kb1=4.59,
    ku1=4.26,
    kb2=28.4,
    ku2=3.26,
    alpha=4.24,
    beta=0.9,
    d1=2.89,
    r1=0.0392,
    d2=0.172,
    r2=0.000727,
    d3=0.0177,
    r3=0.004,
    kb3=1.27,
    ku3=0.0457,
    alpha4=0.0168,
    beta4=0.1904,
)

jonas1993_independent = scheme(
    _JONAS,
    open="O",
    name="jonas1993_independent",
    source="""The AMPA receptor of mossy fibre synapses on CA3 cells, its two sites independent.

    Source: Jonas, Major and Sakmann 1993, J. Physiol. 472:615; numbers of ampa.mod, ModelDB 51196, without that file's
    dependence on temperature.
    """,
    kb1=26.6,
    ku1=6.24,
    kb2=13.3,
    ku2=12.5,
    alpha=4.2,
    beta=0.302,
    d1=0.513,
    r1=0.0281,
    d2=0.395,
    r2=0.000546,
    d3=0.109,
    r3=0.0334,
    kb3=2.41,
    ku3=0.0571,
    alpha4=0.00815,
    beta4=0.13,
)
