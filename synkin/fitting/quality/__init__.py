"""How well the curve describes the recording, in sentences.

goodness_of_fit   compares what the curve leaves with the noise
advice            which of scale, offset and onset to free where the curve is poor
"""
