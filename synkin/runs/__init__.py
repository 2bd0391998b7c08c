"""What people call to run a kernel.

grid       `simulate`: over spikes on a time grid
events     `respond`: over spike times, at any times
protocol   `concentration_jumps`: through concentrations that are constant between edges
currents   from g to currents
"""
