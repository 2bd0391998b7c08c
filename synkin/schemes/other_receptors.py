"""Kinetic schemes of nicotinic and glycine receptors."""

from synkin.declaring.scheme import scheme

nachr_ch82 = scheme(
    """
    R  + ach <-> AR  : kb1, ku1
    AR + ach <-> A2R : kb2, ku2
    AR  <-> AR_open  : beta1, alpha1
    A2R <-> A2R_open : beta2, alpha2
    AR_open + ach <-> A2R_open : kb3, ku3
    """,
    open=("AR_open", "A2R_open"),
    name="nachr_ch82",
    source="""The nicotinic receptor of muscle, at a pulse of 0.1 mM.

    Source: the numerical example of Colquhoun and Hawkes 1982, Phil. Trans. R. Soc. B 300:1; numbers of the samples of
    DCPYPS.
    """,
    kb1=100.0,
    ku1=2.0,
    kb2=500.0,
    ku2=4.0,
    beta1=0.015,
    alpha1=3.0,
    beta2=15.0,
    alpha2=0.5,
    kb3=500.0,
    ku3=2e-3 / 3,
    T=0.1,
)

glyr_flip = scheme(
    """
    R   + gly <-> AR  : 3*kon, koff
    AR  + gly <-> A2R : 2*kon, 2*koff
    A2R + gly <-> A3R : kon, 3*koff
    AR  <-> AF  : delta1, gamma1
    A2R <-> A2F : delta2, gamma2
    A3R <-> A3F : delta3, gamma3
    AF  + gly <-> A2F : 2*kon_F, 2*koff_F
    A2F + gly <-> A3F : kon_F, 3*koff_F
    AF  <-> AF_open  : beta1, alpha1
    A2F <-> A2F_open : beta2, alpha2
    A3F <-> A3F_open : beta3, alpha3
    """,
    open=("AF_open", "A2F_open", "A3F_open"),
    name="glyr_flip",
    source="""The heteromeric glycine receptor, which flips before it opens.

    Source: Burzomato, Beato, Groot-Kormelink, Colquhoun and Sivilotti 2004, J. Neurosci. 24:10924; numbers of the
    samples of DCPYPS. As printed there the rates around its two cycles disagree by 4 and 3 %, around both by 8 %.
    """,
    kon=0.59,
    koff=0.3,
    delta1=0.18,
    gamma1=29.0,
    delta2=6.8,
    gamma2=18.0,
    delta3=20.9,
    gamma3=0.9,
    kon_F=150.0,
    koff_F=1.2,
    beta1=4.2,
    alpha1=3.4,
    beta2=28.0,
    alpha2=2.1,
    beta3=129.0,
    alpha3=7.0,
)
