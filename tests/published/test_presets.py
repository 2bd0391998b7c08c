"""Each published set gives the response that is published, or computed from its closed form, for it."""

import csv
from pathlib import Path

import numpy as np
import pytest

from synkin import KERNELS, currents, presets, respond
from tests.helpers import samples
from tests.helpers.waveforms import assert_printed, waveform

with Path(__file__).with_name("presets.csv").open() as file:
    ROWS = {name: figures for name, *figures in csv.reader(file) if name != "name"}  # of one spike


@pytest.mark.parametrize("name", ROWS)
def test_preset(name, x64):
    *figures, E = ROWS[name]
    preset = presets.ALL[name]
    assert getattr(presets, name) is preset
    assert preset.kernel in KERNELS.values()
    assert isinstance(preset.params, preset.kernel.Params)
    assert float(E) == preset.E
    assert preset.source
    spike = np.arange(80_000) == 0
    inputs = spike.astype(float) if preset.kernel.input.takes_weights else spike
    _, gs = samples.simulate(preset.kernel, preset.params, inputs, 0.005, method="exact")
    got = waveform(gs, 0.005, corner=True)
    for value, figure in zip((got.peak, got.rise, got.tau, got.width), figures, strict=True):
        assert_printed(value, figure)


def test_the_table_is_whole_and_neuron_s_reading_peaks_higher():
    """1.87 times: alpha T of 0.94 /ms instead of 0.47 /ms."""
    assert set(presets.ALL) == set(ROWS)
    assert_printed(float(ROWS["AMPA_NEURON"][0]) / float(ROWS["AMPA_S_DESTEXHE_1995"][0]), "1.87")
    mg = presets.MG_BLOCK_JAHR_STEVENS_1990
    assert_printed(currents.mg_block(-65.0, Mg=mg.Mg, a=mg.a, b=mg.b), "0.05967")


def test_how_much_the_overlap_of_long_pulses_matters(x64):
    """The figures of docs/differences.md."""
    kernel, params, times = presets.GABAB_DESTEXHE_1998.kernel, presets.GABAB_DESTEXHE_1998.params, np.arange(2000.0)
    spikes = 10 + 20.0 * np.arange(5)
    anew, ignored = (respond(kernel, params, spikes, times, overlap=way) for way in ("restart", "ignore"))
    assert f"{anew.max() / ignored.max():.2f}, {anew.sum() / ignored.sum():.2f}" == "1.17, 1.47"
