"""A network that decides: Wang 2002 with `synkin.wang_nmda`, the same in plain NumPy, and in Brian2.

    python -m benchmarks.decision_network                            spikes beside NumPy's, and times
    python -m benchmarks.decision_network --brian2 PYTHON            the Python that has Brian2; this one by default
    python -m benchmarks.decision_network --ms 600 --repeats 1       only to see that it runs

2,000 neurons, 1,600 of them pyramidal cells. Two groups of 240 pyramidal cells each stand for a choice. A stimulus
drives both, each group excites itself through NMDA receptors, and both inhibit each other through the interneurons,
until one of them wins.

All neurons hear all others, and what a neuron hears depends only on its population. So AMPA and GABA need one variable
for each population that listens, NMDA one for each neuron that speaks, and sums over populations are the connections.

model.py         the numbers of the paper, which all three use
by_synkin.py     a `jax.lax.scan` over four steppers
by_numpy.py      the same steps written by hand, without synkin
by_brian2.py     the same network in Brian2, compiled, in a process of its own

Source: Wang 2002, Neuron 36:955; its receptors are those of Wang 1999, J. Neurosci. 19:9587.
"""
