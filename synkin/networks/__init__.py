"""From spikes of neurons to inputs of synapses: connections, delays and short-term plasticity.

connections        `connect`: a projection from what is given of its connections
ends               which neurons they join
blocks             the order in which they are read
projection         `Projection`: what arrives, step after step
delivery           what spikes write into its ring, and the derivative
sharding           its neurons, split over devices
delays             spikes that arrive later
delays_off_grid    `delay_line`: the same in a loop of one's own, at any time within a step
plasticity         `tsodyks_markram`: how much of its transmitter a synapse releases at a spike
release_on_grid    its steps on a grid of times
release_stepper    its step prepared for a loop of one's own
release_at_times   its releases at given spike times
spike_at_end       what `synkin.STP` and `synkin.STD` compute
parameter          what is known of a parameter
recovery           exponentials of all of them
"""
