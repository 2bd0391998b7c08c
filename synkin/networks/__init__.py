"""From who spiked to what arrives.

delays       spikes that arrive later
plasticity   short-term plasticity: how much of the transmitter a spike releases
recovery     its exponentials
"""
