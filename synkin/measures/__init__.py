"""What papers measure of recorded responses: sizes and shapes, several stimuli, voltages, and change over time.

    crossings   when a trace crosses a level, and when it is largest
    baselines   what is subtracted from it
    autocorrelation  how many samples of noise count as one
    decay       one exponential or two, to the baseline or to a level
    tails       what is left of a response when the next stimulus comes
    result      `Measured`, `Amplitudes`, `CurrentVoltage`, `NmdaAmpaRatio`, `Rundown`
    amplitudes  the amplitude after each stimulus: ratios, variation, failures
    responses   `measure`
    voltages    `current_voltage`
    receptors   `nmda_ampa_ratio`
    trend       `rundown`

Each imports only from those above it. They use NumPy: which sample is the peak is a decision, and has no derivative.
"""
