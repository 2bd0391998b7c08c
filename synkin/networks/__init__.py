"""From spikes of neurons to inputs of synapses: delays and short-term plasticity.

delays             spikes that arrive later
plasticity         `tsodyks_markram`: how much of its transmitter a synapse releases at a spike
release_on_grid    its steps on a grid of times
release_stepper    its step prepared for a loop of one's own
release_at_times   its releases at given spike times
spike_at_end       what `synkin.STP` and `synkin.STD` compute
parameter          what is known of a parameter
recovery           exponentials of all of them
"""
