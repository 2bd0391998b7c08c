"""The names of the kernels, and one line about each, for `list` and the help.

They are written here once more, so that these two need not wait for JAX. A test holds them to what the kernels say.
"""

# The kernels of `synkin.kernels`.
KERNELS = {
    "alpha": "The alpha synapse: a conductance that rises and decays with one time constant.",
    "ampa": "The AMPA receptor: first-order binding of a square pulse of transmitter.",
    "gabaa": "The GABA-A receptor, first order: g' = alpha T (1 - g) - beta g, the equations of synkin.ampa.",
    "bionmda": "The NMDA receptor in two steps: transmitter opens x, and x opens g.",
    "expon": "The exponential synapse: a conductance that jumps and decays.",
    "dual_expon": "The dual exponential synapse: separate rise and decay, its peak normalised.",
    "wang_nmda": "The NMDA receptor of network theory: a spike adds to x, and x opens a gate that saturates.",
}

# The published schemes of `synkin.schemes`.
SCHEMES = {
    "ampa5": "The AMPA receptor with two binding sites and two desensitised states.",
    "raman1992": "The AMPA receptor of the cochlear nucleus, with two open states.",
    "jonas1993": "The AMPA receptor of mossy fibre synapses on CA3 cells, its sites not independent: the set "
    "that fits best.",
    "jonas1993_independent": "The AMPA receptor of mossy fibre synapses on CA3 cells, its two sites independent.",
    "nmda5": "The NMDA receptor with two binding sites, without magnesium (see synkin.currents.mg_block).",
    "clements1992": "The NMDA receptor with the rates of Clements and colleagues, without magnesium.",
    "lester_jahr1992": "The NMDA receptor with two equal and independent binding sites, without magnesium.",
    "lester_jahr1992_b": "The NMDA receptor as in lester_jahr1992, by the other reading of its numbers.",
    "kampa2004": "The NMDA receptor with magnesium in it, trapped by the closing channel, at a held voltage V.",
    "vargas2004": "The NMDA receptor with an asymmetric trapping block by magnesium, at a held voltage V.",
    "gabaa5": "The GABA-A receptor with two binding sites, open with one or with two of them bound.",
    "busch_sakmann1990": "The GABA-A receptor with the first rates of this scheme.",
    "gabab": "The GABA-B receptor: R' = K1 T (1 - R) - K2 R, G' = K3 R - K4 G, g = G^4 / (G^4 + KD).",
    "gabab3": "The GABA-B receptor with desensitisation, where K2 is the total rate out of the bound state.",
    "gabab3_conserving": "The GABA-B receptor with desensitisation, where K2 is the rate of unbinding, and "
    "desensitisation (d1) is added.",
    "nachr_ch82": "The nicotinic receptor of muscle, at a pulse of 0.1 mM.",
    "glyr_flip": "The heteromeric glycine receptor, which flips before it opens.",
}
