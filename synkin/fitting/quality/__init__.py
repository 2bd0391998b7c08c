"""How well the curve describes the recording, in sentences.

converter         steps that are larger than the noise, and a ceiling
structure         whether the residuals follow the response
goodness_of_fit   compares what the curve leaves unexplained with the noise
unnamed_filter    whether a filter that was not given made the rise
advice            which of scale, offset and onset to free if the curve is poor
amplitudes        whether the curve would be better with an amplitude for each spike
"""
