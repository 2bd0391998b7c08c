"""What people call to run a kernel.

grid             `simulate`: over spikes on a time grid
varying          its runs in which parameters vary
events           `respond`: over spike times, at any times
gated_events     its samples of a kernel with a gate
filtered_samples a function of time behind a filter
filtering        its samples behind a filter, of a kernel that has no matrix
varying_events   its runs in which parameters vary
protocol         `concentration_jumps`: through concentrations that are constant between edges
stretches        the stretches of time between spikes, changes and samples
course           what a population of receptors goes through from moment to moment
sampling         `sample`: receptors one by one
likelihood       `log_likelihood`: of a sweep with the noise of channels
currents         from g to currents
"""
